--- An answer without what is null or empty: services leave out, null or empty the same thing, so their clients see one case.
local json = require "json"

local clean

local function clean_list(list)
  local result = {}
  for index, member in ipairs(list) do
    result[index] = type(member) == "table" and (clean(member) or {}) or member
  end
  return result
end

local function clean_members(object)
  local result
  for name, member in next, object do   -- what comes of it has no order
    member = clean(member)
    if member ~= nil then
      result = result or {}
      result[name] = member
    end
  end
  return result
end

--- The same value; nil when nothing is left of it. Members of a list keep their places.
---@param value any
---@return any
function clean(value)
  if value == json.null or value == "" then return nil end
  if type(value) ~= "table" then return value end
  return #value > 0 and clean_list(value) or clean_members(value)
end

return clean
