-- Holds a value against a JSON Schema: the keywords that lua/schema.lua writes, and no other. The peers do it again with a validator
-- that is not ours.
local json = require "json"
local sorted = require "sorted"

local M = {}

local check

local function type_of(value)
  if value == json.null then return "null" end
  if type(value) == "table" then return json.is_array(value) and "array" or "object" end
  if math.type(value) == "integer" then return "integer" end
  return type(value)
end

local function is_of(value, name)
  local seen = type_of(value)
  return seen == name or name == "number" and seen == "integer"
end

-- Whether a text is of a pattern: those of lua/schema.lua in Lua's own words.
local PATTERNS <const> = { [require("schema").time.pattern] = "^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d[%.%d]*Z$" }

local function fits_one(schemas, value)
  local count = 0
  for _, schema in ipairs(schemas) do count = count + (check(schema, value, "") == nil and 1 or 0) end
  return count
end

--- Each keyword: (its value, the value, place, the schema) -> complaint | nil.
local KEYWORDS <const> = {
  type = function(names, value)
    for _, name in ipairs(type(names) == "table" and names or { names }) do
      if is_of(value, name) then return nil end
    end
    return "is of type " .. type_of(value)
  end,
  const = function(wanted, value) return value ~= wanted and ("is not %s"):format(tostring(wanted)) or nil end,
  enum = function(values, value)
    for _, one in ipairs(values) do
      if one == value then return nil end
    end
    return ("is '%s'"):format(tostring(value))
  end,
  minimum = function(least, value) return type(value) == "number" and value < least and "is too small" or nil end,
  pattern = function(pattern, value)
    return type(value) == "string" and not value:find((assert(PATTERNS[pattern], pattern))) and ("is '%s'"):format(value) or nil
  end,
  required = function(names, value, place)
    for _, name in ipairs(names) do
      if is_of(value, "object") and value[name] == nil then return ("has no '%s'"):format(name), place end
    end
  end,
  properties = function(members, value, place)
    for name, schema in sorted(is_of(value, "object") and members or {}) do
      if value[name] ~= nil then
        local complaint, where = check(schema, value[name], place .. "." .. name)
        if complaint then return complaint, where end
      end
    end
  end,
  additionalProperties = function(schema, value, place, whole)
    for name, member in sorted(is_of(value, "object") and value or {}) do
      if not (whole.properties or {})[name] then
        local complaint, where = check(schema, member, place .. "." .. name)
        if complaint then return complaint, where end
      end
    end
  end,
  items = function(schema, value, place)
    for i, member in ipairs(is_of(value, "array") and value or {}) do
      local complaint, where = check(schema, member, ("%s[%d]"):format(place, i))
      if complaint then return complaint, where end
    end
  end,
  anyOf = function(schemas, value) return fits_one(schemas, value) == 0 and "fits none of several" or nil end,
  oneOf = function(schemas, value) return fits_one(schemas, value) ~= 1 and "does not fit exactly one of several" or nil end,
  ["if"] = function(condition, value, place, whole)
    local branch = whole[check(condition, value, place) and "else" or "then"]
    if branch then return check(branch, value, place) end
  end,
}

local SILENT <const> = { ["$schema"] = true, title = true, description = true, ["else"] = true, ["then"] = true }

function check(schema, value, place)
  if schema == true then return nil end
  for keyword, wanted in sorted(schema) do
    local rule = KEYWORDS[keyword]
    if not rule and not SILENT[keyword] then error(("keyword '%s' at %s"):format(keyword, place)) end
    local complaint, where = nil, nil
    if rule then complaint, where = rule(wanted, value, place, schema) end
    if complaint then return complaint, where or place end
  end
end

--- What is wrong with a document by the schema that it names; nil when nothing is.
---@param document table
---@return string?
function M.complaint(document)
  local schema = require("schema").find(tostring(document.schema))
  if not schema then return ("schema '%s' is not published"):format(tostring(document.schema)) end
  local complaint, where = check(schema, document, "")
  return complaint and ("%s %s"):format(where, complaint) or nil
end

--- What is wrong with a value by a schema.
function M.against(schema, value)
  local complaint, where = check(schema, value, "")
  return complaint and ("%s %s"):format(where, complaint) or nil
end

return M
