--- Plain data of a recipe: scalars, unknown values, secrets, tables without metatables. Copied, so that nobody changes it later.
local json = require "json"
local secret = require "secret"
local sorted = require "sorted"
local unknown = require "unknown"

local M = {}

local DEPTH_MAX <const> = 20
local SORTABLE <const> = { string = true, number = true, boolean = true }

-- The copy; or nil, what is wrong, and where. `members` goes through a table: in any order, since a copy has none, and sorted only to find
-- out what to say, so that the same mistake is told in the same words.
local function copy(value, call, members, depth)
  if unknown.is(value) then return unknown.text(value) end
  if type(value) == "function" then
    local given = call(value)
    if given == value then return value end   -- which may stay
    return copy(given, call, members, depth)
  end
  if type(value) ~= "table" or secret.is(value) then return value end
  local metatable = getmetatable(value)
  if metatable ~= nil and not json.is_array(value) then return nil, "must be plain data, not an object" end
  if depth == 0 then return nil, "is nested too deeply, or in itself" end
  local result = setmetatable({}, metatable)
  for key, member in members(value) do
    if not SORTABLE[type(key)] then return nil, "has a key that is a " .. type(key) end
    local copied, fault, path = copy(member, call, members, depth - 1)
    if fault then return nil, fault, path and tostring(key) .. "." .. path or tostring(key) end
    result[key] = copied
  end
  return result
end

--- A copy in which unknown values are the texts that stand for them.
---@param value table
---@param call fun(fn: function): any  gives the value of a default that is a function, such as names.role
---@return table
function M.plain(value, call)
  local result = copy(value, call, pairs, DEPTH_MAX)
  if result == nil then
    local _, fault, path = copy(value, call, sorted, DEPTH_MAX)   -- raises for a key that cannot be sorted by
    error(("%s %s"):format(path and ("field '%s'"):format(path) or "what is given", fault), 0)
  end
  return result
end

--- A copy of what a recipe describes, its functions kept: it is checked and used as it is now, whatever its metatable would say next.
---@param value any
---@return any
function M.description(value)
  return M.plain(value, function(fn) return fn end)
end

local function own(value, seen)
  if type(value) ~= "table" or getmetatable(value) ~= nil and not json.is_array(value) then return value end
  if seen[value] then return seen[value] end
  local result = setmetatable({}, getmetatable(value))
  seen[value] = result
  for key, member in next, value do result[key] = own(member, seen) end   -- order cannot be seen
  return result
end

--- A copy of what the library knows, for a recipe, which may do with it what it likes.
---@param value any
---@return any
function M.own(value) return own(value, {}) end

return M
