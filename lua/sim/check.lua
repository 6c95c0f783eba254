--- Parameters against small tables: type, required, min, max, pattern, values; with the services' own words.
--- A rule is { type = "string"|"integer"|"number"|"boolean"|"list"|"map"|"structure"|"blob", required=, min=, max=,
--- pattern = { as shown, Lua patterns … }, values = { … }, member = rule, members = { NAME = rule }, secret = true };
--- min and max count characters, members, bytes, or are bounds.
local crypto = require("crypto")
local json = require("json")
local sorted = require("sorted")
local wire = require("sim.wire")

local M = {}

local function spelled(name) return name:sub(1, 1):lower() .. name:sub(2) end

-- Members of a table of rules in their order, which are the tables of the operations and change no more: { name, rule, as it is spelled }.
local members_of = setmetatable({}, { __mode = "k" })

local function members(rules)
  local list = members_of[rules]
  if list then return list end
  list = {}
  for name, rule in sorted(rules) do list[#list + 1] = { name, rule, spelled(name) } end
  members_of[rules] = list
  return list
end

local function problem(problems, rule, path, value, text)
  local shown = rule.secret and "Value" or value == nil and "Value null" or ("Value '%s'"):format(tostring(value))
  problems[#problems + 1] = ("%s at '%s' failed to satisfy constraint: %s"):format(shown, path, text)
end

-- Reading: the query protocol has text only, JSON has types and refuses other ones.

local function wrong_type(value, wanted)
  local have = ({ string = "STRING_VALUE", number = "NUMBER_VALUE", boolean = value == true and "TRUE_VALUE" or "FALSE_VALUE" })[type(value)]
  wire.refuse("SerializationException", have and ("%s can not be converted to %s"):format(have, wanted) or
    ("Start of structure or map found where not expected"))
end

local words = { string = "a String", blob = "a Blob", integer = "an Integer", number = "a Double", boolean = "a Boolean" }

local from_text = {
  integer = function(text) return math.tointeger(tonumber(text)) end,
  boolean = function(text)
    if text:lower() == "true" then return true end
    if text:lower() == "false" then return false end
  end,
}

local function read_text(rule, value)
  if rule.type == "list" and value == "" then return json.array {} end
  local convert = from_text[rule.type]
  if not convert or type(value) ~= "string" then return value end
  local result = convert(value)
  if result == nil then wire.refuse("MalformedInput", nil) end
  return result
end

local function read_json(rule, value)
  local kind = rule.type
  if kind == "integer" then
    local whole = type(value) == "number" and math.tointeger(value)
    return whole or wrong_type(value, words.integer)
  end
  if kind == "blob" then
    local bytes = type(value) == "string" and crypto.unbase64(value)
    return bytes or wrong_type(value, words.blob)
  end
  local plain = kind == "string" or kind == "boolean" or kind == "number"
  if plain and type(value) ~= kind then wrong_type(value, words[kind]) end
  return value
end

-- Judging ---------------------------------------------------------------------------------------------------------

local judge

local function length_problems(problems, rule, path, value, length, what)
  if rule.min and length < rule.min then
    problem(problems, rule, path, value, ("Member must have %s greater than or equal to %d"):format(what, rule.min))
  end
  if rule.max and length > rule.max then
    problem(problems, rule, path, value, ("Member must have %s less than or equal to %d"):format(what, rule.max))
  end
end

local kinds = {}

-- A pattern as the services show it, then the Lua patterns of which one must fit.
local function matches(patterns, value)
  for index = 2, #patterns do
    if value:find(patterns[index]) then return true end
  end
end

function kinds.string(problems, rule, path, value)
  if rule.values then
    local found = false
    for _, allowed in ipairs(rule.values) do found = found or allowed == value end
    if not found then
      problem(problems, rule, path, value, ("Member must satisfy enum value set: [%s]"):format(table.concat(rule.values, ", ")))
    end
    return
  end
  length_problems(problems, rule, path, value, utf8.len(value) or #value, "length")
  if rule.pattern and not matches(rule.pattern, value) then
    problem(problems, rule, path, value, "Member must satisfy regular expression pattern: " .. rule.pattern[1])
  end
end

function kinds.blob(problems, rule, path, value) length_problems(problems, rule, path, value, #value, "length") end

function kinds.integer(problems, rule, path, value) length_problems(problems, rule, path, value, value, "value") end

function kinds.boolean() end

function kinds.number() end

function kinds.list(problems, rule, path, value)
  length_problems(problems, rule, path, "[" .. #value .. " members]", #value, "length")
  for index, member in ipairs(value) do
    value[index] = judge(problems, rule.member, ("%s.%d.member"):format(path, index), member)
  end
end

function kinds.map(problems, rule, path, value)
  for name, member in sorted(value) do
    value[name] = judge(problems, rule.member, ("%s.%s.member"):format(path, name), member)
  end
end

function kinds.structure(problems, rule, path, value)
  for _, member in ipairs(members(rule.members)) do
    value[member[1]] = judge(problems, member[2], path .. "." .. member[3], value[member[1]])
  end
end

function judge(problems, rule, path, value)
  if value == nil then
    if rule.required then problem(problems, rule, path, nil, "Member must not be null") end
    return nil
  end
  value = problems.read(rule, value)
  local wants_table = rule.type == "list" or rule.type == "map" or rule.type == "structure"
  if wants_table ~= (type(value) == "table") then wrong_type(value, words[rule.type] or "a List") end
  kinds[rule.type](problems, rule, path, value)
  return value
end

--- Reads and judges the parameters of a call; refuses it with all that is wrong at once. What the table does not name is
--- dropped, as the services do.
---@param call table
---@param rules table<string, table>
---@return table parameters  of the types that the rules name
function M.parameters(call, rules)
  local problems = { read = call.protocol == "query" and read_text or read_json }
  local result = {}
  for _, member in ipairs(members(rules)) do
    result[member[1]] = judge(problems, member[2], member[3], call.parameters[member[1]])
  end
  if #problems > 0 then
    local count = #problems == 1 and "1 validation error" or ("%d validation errors"):format(#problems)
    wire.refuse(call.protocol == "query" and "ValidationError" or "ValidationException",
      ("%s detected: %s"):format(count, table.concat(problems, "; ")))
  end
  return result
end

return M
