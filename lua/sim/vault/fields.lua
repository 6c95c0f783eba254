--- The fields of a Vault path: typing is lax (true and "true", 1 and "1", a list or a comma string, seconds or "1h"), what the path
--- does not know is ignored with a warning. A rule is a type, or { type, default }.
local json = require("json")
local refusal = require("sim.vault.refusal")
local sorted = require("sorted")

local M = {}

local UNITS <const> = { s = 1, m = 60, h = 3600, d = 86400 }

--- Seconds of "1h30m", "90s", "90" or a number; nil for what is none.
---@param value any
---@return integer?
function M.duration(value)
  if math.type(value) then return math.floor(value) end
  if type(value) ~= "string" then return nil end
  if value == "" then return 0 end
  if value:find "^%-?%d+$" then return math.tointeger(tonumber(value)) end
  local total, rest = 0, value
  while rest ~= "" do
    local number, unit, after = rest:match "^(%d+%.?%d*)([smhd])(.*)$"
    if not number then return nil end
    total, rest = total + tonumber(number) * UNITS[unit], after
  end
  return math.floor(total)
end

local types = { duration = M.duration }

function types.string(value)
  if type(value) == "table" then return nil end
  return tostring(value)
end

function types.int(value)
  return math.tointeger(tonumber(value)), "'' cannot parse value as 'int': strconv.ParseInt: invalid syntax"
end

local BOOLEANS <const> = { ["1"] = true, t = true, T = true, ["true"] = true, TRUE = true, True = true,
  ["0"] = false, f = false, F = false, ["false"] = false, FALSE = false, False = false, [""] = false }

function types.bool(value) return BOOLEANS[tostring(value)] end

function types.list(value)
  local list = json.array {}
  if json.is_array(value) then
    for i, member in ipairs(value) do list[i] = tostring(member) end
  elseif type(value) == "string" then
    for member in value:gmatch "[^,]+" do list[#list + 1] = member:match "^%s*(.-)%s*$" end
  else
    return nil
  end
  return list
end

local function add_pair(map, text)
  local name, value = tostring(text):match "^([^=]+)=(.*)$"
  if not name then return nil, ('invalid key pair "%s"'):format(tostring(text)) end
  map[name] = value
  return map
end

function types.map(value)
  if type(value) == "string" then return add_pair({}, value) end
  if not json.is_array(value) then return type(value) == "table" and value or nil end
  local map = {}
  for _, member in ipairs(value) do
    local ok, message = add_pair(map, member)
    if not ok then return nil, message end
  end
  return map
end

function types.any(value) return value end

local function convert(rule, name, value)
  local kind = type(rule) == "table" and rule[1] or rule
  local result, message = types[kind](value)
  if result == nil then
    refusal.bad('Field validation failed: error converting input for field "%s": %s', name, message or ("expected type '%s'"):format(kind))
  end
  return result
end

local function names_of(list)
  table.sort(list)
  return "[" .. table.concat(list, " ") .. "]"
end

--- What a request gives to a path, by the path's rules.
---@param rules table<string, any>
---@param given table  the body's or the query's members
---@param captured table<string, string>  what the path itself says
---@return table fields, table<string, boolean> present, string[] warnings
function M.read(rules, given, captured)
  local fields, present, ignored, replaced, warnings = {}, {}, {}, {}, {}
  for name, value in sorted(given) do
    if captured[name] ~= nil then
      replaced[#replaced + 1] = name
    elseif rules[name] == nil then
      ignored[#ignored + 1] = name
    elseif value ~= json.null then
      fields[name], present[name] = convert(rules[name], name, value), true
    end
  end
  for name, rule in sorted(rules) do
    if fields[name] == nil and type(rule) == "table" then fields[name] = rule[2] end
  end
  for name, value in sorted(captured) do fields[name] = value end
  if #ignored > 0 then warnings[1] = "Endpoint ignored these unrecognized parameters: " .. names_of(ignored) end
  if #replaced > 0 then
    warnings[#warnings + 1] = "Endpoint replaced the value of these parameters with the values captured from the endpoint's path: "
      .. names_of(replaced)
  end
  return fields, present, warnings
end

return M
