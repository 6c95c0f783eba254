--- The arguments of a recipe: from its `args` come flags, help, prompts and checks.
---@class recipe.Argument
---@field name string
---@field flag string       "--cluster"
---@field text string       one line of help
---@field type "string"|"integer"|"boolean"
---@field list boolean      may be given several times
---@field required boolean
---@field default any       a value, or a function that the engine calls
---@field choices string[]?
---@field min integer?
---@field max integer?
---@field like string?      a shape of lua/shapes.lua that a text must have

local failure = require "ui.failure"

local M = {}

local FIELDS <const> = { "type", "default", "list", "optional", "choices", "min", "max", "like", "required" }
local TYPES <const> = { string = "a text", integer = "a whole number", boolean = "true or false" }
local SPELLINGS <const> = { ["true"] = true, yes = true, ["1"] = true, ["false"] = false, no = false, ["0"] = false }

local convert   -- what is given, as a value of the argument's type

-- A default, as if somebody had given it; a function is called by the engine.
local function default_of(spec, where, complain)
  local value = spec.default
  if value == nil or type(value) == "function" then return value end
  local ok, converted = pcall(convert, spec, value, "its default")
  if not ok then complain("%s, %s", where, failure.is(converted) and converted.message or tostring(converted)) end
  return converted
end

local function check_specification(entry, where, reserved, complain)
  local name = entry[1]
  if type(name) ~= "string" or not name:find "^[a-z][a-z0-9_]*$" then
    complain("%s has no name of letters, digits and '_'", where)
  end
  where = ("%s '%s'"):format(where, name)
  if type(entry[2]) ~= "string" or entry[2] == "" then complain("%s has no text", where) end
  if entry.type ~= nil and not TYPES[entry.type] then
    complain("%s has type '%s'; there are string, integer and boolean", where, tostring(entry.type))
  end
  for field in require("sorted")(entry) do
    local known = field == 1 or field == 2
    for _, candidate in ipairs(FIELDS) do known = known or candidate == field end
    if not known then complain("%s has an unknown field '%s'", where, tostring(field)) end
  end
  if entry.like ~= nil and not require("shapes").known(entry.like) then complain("%s is like nothing known: '%s'", where, tostring(entry.like)) end
  if reserved[name] then complain("%s bears the name of a flag that every command has", where) end
end

--- The checked form of a recipe's `args`.
---@param args table[]                     as the recipe gives them
---@param reserved table<string, true>     names of the command's own flags
---@param complain fun(text: string, ...)  raises
---@return recipe.Argument[]
function M.specifications(args, reserved, complain)
  local result, seen = {}, {}
  for key in require("sorted")(args) do
    if math.type(key) ~= "integer" then complain("args is a list, so '%s' stands first in its table: { \"%s\", its text, … }", key, key) end
  end
  for i, entry in ipairs(args) do
    local where = ("args[%d]"):format(i)
    if type(entry) ~= "table" then complain("%s must be a table { name, text }", where) end
    check_specification(entry, where, reserved, complain)
    if seen[entry[1]] then complain("%s '%s' stands twice", where, entry[1]) end
    seen[entry[1]] = true
    local kind = entry.type or "string"
    result[i] = {
      name = entry[1], text = entry[2], type = kind, list = entry.list == true, default = entry.default,
      flag = "--" .. entry[1]:gsub("_", "-"), choices = entry.choices, min = entry.min, max = entry.max,
      like = entry.like,
      required = entry.required == true or entry.default == nil and not entry.list and not entry.optional and kind ~= "boolean",
    }
    result[i].default = default_of(result[i], where, complain)
  end
  return result
end

-- Where a value comes from, as messages call it.
local function place(spec, origin)
  if origin == "flags" then return spec.flag end
  return origin == "environment" and M.variable(spec) or ("%s (%s)"):format(spec.name, origin)
end

local function refuse(spec, value, origin, wanted)
  local json = require "json"
  local shown = (type(value) == "table" or value == json.null) and json.encode(value) or tostring(value)
  shown = spec.like == "credentials" and "that" or ("'%s'"):format(shown)   -- a key that somebody wrote there is not told on
  failure.usage(("%s must be %s, not %s: %s"):format(place(spec, origin), wanted, shown, spec.text))
end

-- A secret would stand in the list of processes, in shell histories, in the journal.
local function refuse_secret(spec, value, origin)
  if type(value) == "table" then
    for _, member in require("sorted")(value) do refuse_secret(spec, member, origin) end
  end
  local kind = require("secretlike").kind(value)
  if not kind then return end
  failure.usage(("%s looks like %s, and no argument is a secret"):format(place(spec, origin), kind),
    "where secrets come from: cmek help environment; one that stood here should be replaced")
end

local function convert_scalar(spec, value, origin)
  if spec.type == "integer" then
    local number = type(value) == "string" and value:find "^[+-]?%d+$" and math.tointeger(value)
      or math.type(value) == "integer" and value
    if not number then refuse(spec, value, origin, TYPES.integer) end
    if number < (spec.min or number) or number > (spec.max or number) then
      refuse(spec, value, origin, spec.min and spec.max and ("from %s to %s"):format(spec.min, spec.max)
        or spec.min and "at least " .. spec.min or "at most " .. spec.max)
    end
    return number
  elseif spec.type == "boolean" then
    local answer = value
    if type(value) == "string" then answer = SPELLINGS[value:lower()] end
    if type(answer) ~= "boolean" then refuse(spec, value, origin, TYPES.boolean) end
    return answer
  end
  if type(value) ~= "string" or value == "" then refuse(spec, value, origin, TYPES.string) end
  if spec.choices then
    for _, choice in ipairs(spec.choices) do
      if choice == value then return value end
    end
    refuse(spec, value, origin, "one of " .. table.concat(spec.choices, ", "))
  end
  local wanted = spec.like and require("shapes").wanted(spec.like, value)
  if wanted then refuse(spec, value, origin, wanted) end
  return value
end

local function refuse_map(spec, origin)
  failure.usage(("%s must be a list, not an object: %s"):format(place(spec, origin), spec.text))
end

-- A list in a variable of the environment: JSON, or its elements with commas between.
local function listed(spec, text)
  if text:find "^%s*%[" then
    local list, message = require("json").decode(text)
    if list then return list end
    failure.usage(("%s is no JSON list: %s"):format(M.variable(spec), message), "its elements with commas between will do as well")
  end
  local list = {}
  for element in text:gmatch "[^,]+" do list[#list + 1] = element:match "^%s*(.-)%s*$" end
  return list
end

function convert(spec, value, origin)
  refuse_secret(spec, value, origin)
  if not spec.list then return convert_scalar(spec, value, origin) end
  if origin == "environment" and type(value) == "string" then value = listed(spec, value) end
  if type(value) == "table" and #value == 0 and next(value) ~= nil then refuse_map(spec, origin) end
  local values = {}
  for i, element in ipairs(type(value) == "table" and value or { value }) do
    values[i] = convert_scalar(spec, element, origin)
  end
  return values
end

local function check_names(specifications, source)
  local known, names = {}, {}
  for i, spec in ipairs(specifications) do known[spec.name], names[i] = true, spec.name end
  for name in require("sorted")(source.values) do
    if not known[name] then
      local near = require("ui.near").near(tostring(name), names)
      local shown = require("secretlike").kind(name) or ("'%s'"):format(name)
      failure.usage(("%s: unknown argument %s%s"):format(source.origin, shown,
        near[1] and "; did you mean '" .. near[1] .. "'?" or ""))
    end
  end
end

--- What the sources say of each argument, in the order of the recipe; the strongest comes first. Raises a usage failure that names
--- the flag, the variable or the file of what is mistyped, unknown or a secret.
---@param specifications recipe.Argument[]
---@param sources { origin: string, values: table<string, any> }[]  strongest first; origin "flags", "environment", or what messages call it
---@return { spec: recipe.Argument, given: { origin: string, value: any }[] }[]
function M.gather(specifications, sources)
  local rows = {}
  for _, source in ipairs(sources) do check_names(specifications, source) end
  for i, spec in ipairs(specifications) do
    rows[i] = { spec = spec, given = {} }
    for _, source in ipairs(sources) do
      local value = source.values[spec.name]
      if value ~= nil then table.insert(rows[i].given, { origin = source.origin, value = convert(spec, value, source.origin) }) end
    end
  end
  return rows
end

-- What to type where an argument is missing.
local MISSING <const> = { cluster = "--cluster NAME; cmek status lists the clusters" }

--- The arguments of one run: each from the first source that has it, else its default.
--- Raises a usage failure that names the flag when one is missing, mistyped or unknown.
---@param specifications recipe.Argument[]
---@param sources { origin: string, values: table<string, any> }[]  as gather takes them
---@param ask (fun(spec: recipe.Argument): string?)?  asks the user for a missing one
---@return table<string, any> arguments
---@return table<string, any> given   those that are not defaults, for the journal and --save-args
function M.resolve(specifications, sources, ask)
  local arguments, given = {}, {}
  for _, row in ipairs(M.gather(specifications, sources)) do
    local spec = row.spec
    if row.given[1] then given[spec.name] = row.given[1].value end
    if given[spec.name] == nil and spec.required then
      local answer = ask and ask(spec)
      if not answer then failure.usage(("%s is missing: %s"):format(spec.flag, spec.text), MISSING[spec.name] or "--help lists the flags") end
      given[spec.name] = convert(spec, answer, "flags")
    end
    arguments[spec.name] = given[spec.name]
    if arguments[spec.name] == nil then arguments[spec.name] = spec.default end
  end
  return arguments, given
end

--- The name of the environment variable that gives an argument: CMEK_ARG_CLUSTER.
---@param spec recipe.Argument
---@return string
function M.variable(spec)
  return "CMEK_ARG_" .. spec.name:upper()
end

return M
