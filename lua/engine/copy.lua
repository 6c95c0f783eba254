--- Plain data of a recipe: scalars, unknown values, secrets, tables without metatables. Copied, so that nobody changes it later.
local json = require "json"
local secret = require "secret"
local sorted = require "sorted"
local unknown = require "unknown"

local M = {}

local DEPTH_MAX <const> = 20

local function copy(value, path, call, depth)
  if unknown.is(value) then return unknown.text(value) end
  if type(value) == "function" then return copy(call(value), path, call, depth) end
  if type(value) ~= "table" or secret.is(value) then return value end
  local metatable = getmetatable(value)
  if metatable ~= nil and metatable ~= json.array_mt then error(("field '%s' must be plain data, not an object"):format(path), 0) end
  if depth == 0 then error(("field '%s' is nested too deeply, or in itself"):format(path), 0) end
  local result = setmetatable({}, metatable)
  for key, member in sorted(value) do
    result[key] = copy(member, path == "" and tostring(key) or path .. "." .. tostring(key), call, depth - 1)
  end
  return result
end

--- A copy in which unknown values are the texts that stand for them.
---@param value table
---@param call fun(fn: function): any  gives the value of a default that is a function, such as names.role
---@return table
function M.plain(value, call)
  return copy(value, "", call, DEPTH_MAX)
end

return M
