--- Where arguments come from besides flags: files and the environment; and the table that tells which of them was heard.
local arguments = require "arguments"
local failure = require "ui.failure"
local json = require "json"

local M = {}

local FILE_MAX <const> = 1 << 20   -- bytes

--- A file of arguments: a JSON object, or Lua data. Raises a usage failure that names the file and the line.
---@param path string
---@return table<string, any>
function M.file(path)
  local text, message = require("file").read(path, FILE_MAX)
  if not text then failure.usage(("cannot read --args '%s': %s"):format(path, failure.reason(message))) end
  local values
  if text:find "^%s*[{%[]" then values, message = json.decode(text) else values, message = require("data").read(text) end
  if type(values) == "table" and not json.is_array(values) then return values end
  failure.usage(("--args '%s' is neither a JSON object nor Lua data (return { … }): %s"):format(path, message or "it is a list"),
    "cmek help arguments; --save-args FILE writes one")
end

--- What the environment says: CMEK_ARG_ROLE for --role.
---@param specifications recipe.Argument[]
---@return table<string, string>
function M.environment(specifications)
  local values, environment = {}, require("process").environment
  for _, spec in ipairs(specifications) do
    local value = environment(arguments.variable(spec))
    if value ~= "" then values[spec.name] = value end
  end
  return values
end

--- Variables that are called like arguments and are none of this recipe's, where one was probably meant: "CMEK_ARG_ROEL", "CMEK_ARG_ROLE".
---@param specifications recipe.Argument[]
---@return { name: string, near: string }[]
function M.misspelt(specifications)
  local known, list, found = {}, {}, {}
  for i, spec in ipairs(specifications) do
    list[i], known[arguments.variable(spec)] = spec.name, true
  end
  for _, name in ipairs(require("process").environment_names()) do
    local rest = not known[name] and name:match "^CMEK_ARG_(.+)$"
    local near = rest and require("ui.near").near(rest, list)[1]
    if near then found[#found + 1] = { name = name, near = arguments.variable { name = near } } end
  end
  return found
end

--- Writes arguments so that --args reads them, for the user alone.
---@param path string
---@param given table<string, any>
function M.save(path, given)
  local done, message = require("file").write(path, json.encode(given, { indent = 2 }) .. "\n")
  if not done then failure.usage(("cannot write --save-args '%s': %s"):format(path, failure.reason(message))) end
end

-- Explaining -----------------------------------------------------------------------------------------------------------

local function place(spec, origin)
  if origin == "flags" then return { kind = "flag", name = spec.flag } end
  if origin == "environment" then return { kind = "variable", name = arguments.variable(spec) } end
  return { kind = "file", name = origin }
end

-- What stands for a value that nobody gave; null and a word where there is none yet.
local function default_of(spec)
  if type(spec.default) == "function" then return json.null, "told by the cluster" end
  if spec.default ~= nil then return spec.default end
  if spec.type == "boolean" then return false end
  return json.null, spec.required and "missing" or nil
end

--- Each argument with its value, where that is from, and what it was preferred to; cmek.arguments/1.
---@param recipe Recipe
---@param rows table[]  arguments.gather's
---@return table
function M.explain(recipe, rows)
  local list = json.array {}
  for i, row in ipairs(rows) do
    local spec, first = row.spec, row.given[1]
    local default, note = default_of(spec)
    local entry = { name = spec.name, value = default, from = { kind = "default" }, note = note, over = json.array {} }
    if first then entry.value, entry.from, entry.note = first.value, place(spec, first.origin), nil end
    if type(entry.value) == "table" then entry.value = json.array(entry.value) end
    for at = 2, #row.given do entry.over[at - 1] = { value = row.given[at].value, from = place(spec, row.given[at].origin) } end
    list[i] = entry
  end
  return { schema = "cmek.arguments/1", recipe = recipe.origin, hash = recipe.hash, arguments = list }
end

local function shown(value)
  if type(value) == "table" then return json.encode(value) end
  return value == json.null and "" or tostring(value)
end

local function source(from) return from.name and ("%s %s"):format(from.kind, from.name) or from.kind end

--- The same as text.
---@param document table  cmek.arguments/1
---@return string
function M.render(document)
  local rows = { { "argument", "value", "from", "instead of" } }
  for i, entry in ipairs(document.arguments) do
    local over = {}
    for k, other in ipairs(entry.over) do over[k] = ("%s (%s)"):format(shown(other.value), source(other.from)) end
    local value = entry.note and ("(%s)"):format(entry.note) or shown(entry.value)
    rows[i + 1] = { entry.name, value, source(entry.from), table.concat(over, ", ") }
  end
  return require("ui.table").render(rows)
end

return M
