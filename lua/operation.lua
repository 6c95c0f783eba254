--- What plan, run, verify and resume have in common: the recipe and its arguments, a session, a journal, an engine,
--- then the report and the exit status.

local failure = require "ui.failure"
local flags = require "flags"

local M = {}

local ARGUMENTS_MAX <const> = 1 << 20   -- bytes of an --args file

--- A file of arguments: JSON, or Lua data that sees no names at all.
local function read_arguments(path)
  local text, message = require("file").read(path, ARGUMENTS_MAX)
  if not text then failure.usage(("cannot read --args '%s': %s"):format(path, message)) end
  local values
  if text:find "^%s*{%s*[\"}]" then
    values, message = require("json").decode(text)
  else
    local chunk
    chunk, message = load(text, "@" .. path, "t", {})
    if chunk then
      local ok
      ok, values = pcall(chunk)   -- the one place where a stranger's data may fail in its own way
      if not ok then values, message = nil, tostring(values) end
    end
  end
  if type(values) ~= "table" then
    failure.usage(("--args '%s' is neither a JSON object nor Lua data: %s"):format(path, message or "it gives no table"))
  end
  return values
end

local function from_environment(specifications)
  local arguments, values = require "arguments", {}
  local environment = require("process").environment
  for _, spec in ipairs(specifications) do
    local value = environment(arguments.variable(spec))
    if value ~= "" then values[spec.name] = value end
  end
  return values
end

--- Asks the person at the terminal for a missing argument; nil where there is nobody.
local function asker(output)
  local terminal = output.terminal
  if output.json or not (terminal.is_terminal "stdin" and terminal.is_terminal "stderr") then return nil end
  return function(spec)
    local answer = terminal.read_line(("%s (%s): "):format(spec.name, spec.text))
    return answer ~= "" and answer or nil
  end
end

local function save_arguments(path, given)
  local done, message = require("file").write(path, require("json").encode(given, { indent = 2 }) .. "\n")
  if not done then failure.usage(("cannot write --save-args '%s': %s"):format(path, message)) end
end

--- What the command line says: recipe, arguments and the command's own flags; nil when it only asked for help.
---@param word string
---@param arguments string[]
---@param output ui.Output
---@return { recipe: Recipe, arguments: table, given: table, common: table }?
function M.read(word, arguments, output)
  local recipes = require "recipe"
  local name, rest = flags.first(word, arguments)
  if not name then
    for _, argument in ipairs(rest) do
      if argument == "--help" then
        output:result(flags.help(word, nil, {}) .. "\n")
        return nil
      end
    end
    failure.usage(("cmek %s wants the name of a recipe: %s"):format(word, table.concat(recipes.names(), ", ")),
      "cmek recipes says what each is for")
  end
  local recipe = recipes.load(name, { reserved = flags.reserved() })
  local common, typed = flags.parse(word, name, recipe.args, rest)
  if common.help then
    output:result(require("command.help").recipe(name, word) .. "\n")
    return nil
  end
  local sources = {
    { origin = "flags", values = typed },
    { origin = "environment", values = from_environment(recipe.args) },
  }
  if common.args then sources[3] = { origin = common.args, values = read_arguments(common.args) } end
  local resolved, given = require("arguments").resolve(recipe.args, sources, asker(output))
  if common.save_args then save_arguments(common.save_args, given) end
  return { recipe = recipe, arguments = resolved, given = given, common = common }
end

return M
