--- `cmek help [WORD]`: the overview, a topic, a command's flags, a recipe's arguments, a schema, a function of the library.
local failure = require "ui.failure"
local help = require "help"

local M = {}

local function find(name)
  for _, word in ipairs(require "words") do
    if word[1] == name then return word end
  end
end

--- What a command is for, and its flags; nil when there is no such command.
---@param name string
---@return string?
function M.command(name)
  local word = find(name)
  if not word then return nil end
  local own = word.raw and require(word.module).help
  if own then return own() end
  return ("cmek %s: %s\n\n%s\n"):format(help.usage(word), word.text, require("flags").help(name, nil, {}))
end

--- What a recipe is for and which flags `run` knows with it.
---@param name string
---@param word string
---@return string
function M.recipe(name, word)
  local flags = require "flags"
  local recipe = require("recipe").load(name, { reserved = flags.reserved() })
  return recipe.summary .. ".\n\n" .. flags.help(word, name, recipe.args)
end

-- Words in lines of at most 110 characters, each indented.
local function wrapped(text, indent)
  local lines, line = {}, ""
  for word in text:gmatch "%S+" do
    if line ~= "" and #line + #word + #indent > 109 then
      lines[#lines + 1], line = line, ""
    end
    line = line == "" and word or line .. " " .. word
  end
  lines[#lines + 1] = line
  return indent .. table.concat(lines, "\n" .. indent) .. "\n"
end

--- The schemas with their members, as `cmek help json` lists them.
---@return string
function M.schemas()
  local schema, parts = require "schema", {}
  for _, word in ipairs(schema.words()) do
    local one = schema.find(word)
    parts[#parts + 1] = ("\n  %s\n"):format(one.title) .. wrapped(one.description, "    ") .. wrapped(schema.outline(one), "      ")
  end
  return table.concat(parts)
end

-- `cmek help json [NAME]`: all of the schemas in words, or one as JSON.
local function help_json(name, output)
  local schema = require "schema"
  local words = schema.words()
  if name then
    local found = schema.find(name)
    if not found then
      local near = require("ui.near").near(name, words)
      failure.usage(("there is no schema '%s'%s"):format(name, near[1] and "; did you mean '" .. near[1] .. "'?" or ""),
        "cmek help json lists them")
    end
    if output.json then output:document(found) end
    output:result(require("json").encode(found, { indent = 2 }) .. "\n")
    return 0
  end
  local text = help.topic "json" .. M.schemas()
  if output.json then output:document { schema = "cmek.help/1", text = text, schemas = require("json").array(words) } end
  output:result(text)
  return 0
end

--- The situations that cmek knows, as `cmek help errors` lists them; or one of them with its texts.
---@param id string?
---@return string
function M.errors(id)
  local explain, parts = require "explain", { help.topic "errors", "\n" }
  for _, situation in ipairs(explain.list()) do
    parts[#parts + 1] = ("  %-30s %s\n"):format(situation.id, situation.title)
    if situation.id == id then
      local lines = { ("%s: %s\ncause: %s\nevidence: %s\nnext: %s\n"):format(id, situation.title, situation.cause, situation.evidence,
        situation.next) }
      for _, command in ipairs(situation.commands or {}) do lines[#lines + 1] = "  " .. command .. "\n" end
      return table.concat(lines)
    end
  end
  if id then failure.usage(("there is no situation '%s'"):format(id), "cmek help errors lists them") end
  return table.concat(parts)
end

local function text_of(topic)
  if topic == nil or topic == "--help" then return help.overview() end
  local about, command = help.topic(topic), M.command(topic)
  if about and command then return about .. "\n" .. command end   -- status is both
  if about or command then return about or command end
  local recipe = require "recipe"
  local names = recipe.names()
  for _, name in ipairs(names) do
    if name == topic then return M.recipe(topic, "run") .. "\n" end
  end
  if recipe.is_file(topic) then return M.recipe(topic, "run") .. "\n" end
  local docs = require "docs"
  local said = topic ~= "" and docs.help(topic)
  if said then return said end
  for _, name in ipairs(help.names()) do names[#names + 1] = name end
  for _, word in ipairs(require "words") do names[#names + 1] = word[1] end
  local absent = require("sandbox").absent(topic:match "^[^.]*")
  if absent then failure.usage(absent, "cmek help lua lists what of Lua is at hand") end
  for _, name in ipairs(docs.near(topic)) do table.insert(names, name) end
  local near = require("ui.near").near(topic, names)
  failure.usage(("there is no help on '%s'%s"):format(topic, near[1] and "; did you mean '" .. near[1] .. "'?" or ""),
    "topics: " .. table.concat(help.names(), ", "))
end

-- `cmek help functions [TABLE]`: what recipes, scripts and the prompt can call.
local function functions(name)
  local docs = require "docs"
  local list = docs.list(name or "")
  if list then return (name and "" or help.topic "functions") .. list end
  local near = require("ui.near").near(name, docs.table_names())
  failure.usage(("there is no table '%s' of functions%s"):format(name, near[1] and "; did you mean '" .. near[1] .. "'?" or ""),
    "cmek help functions lists them")
end

---@param arguments string[]
---@param output ui.Output
---@return integer status
function M.run(arguments, output)
  if arguments[1] == "man" then
    output:help(require("man").page(), true)
    return 0
  end
  if arguments[1] == "meta" then
    output:help(require("docs.editor").text(), true)
    return 0
  end
  if arguments[1] == "json" then return help_json(arguments[2], output) end
  if arguments[1] == "functions" then
    output:help(functions(arguments[2]))
    return 0
  end
  if arguments[1] == "ensure" and arguments[2] then arguments = { "ensure " .. arguments[2] } end
  output:help(arguments[1] == "errors" and M.errors(arguments[2]) or text_of(arguments[1]))
  return 0
end

return M
