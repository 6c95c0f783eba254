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
  if type(value) == "function" then return copy(call(value), call, members, depth) end
  if type(value) ~= "table" or secret.is(value) then return value end
  local metatable = getmetatable(value)
  if metatable ~= nil and metatable ~= json.array_mt then return nil, "must be plain data, not an object" end
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
    error(("field '%s' %s"):format(path or "", fault), 0)
  end
  return result
end

return M
