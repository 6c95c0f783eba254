--- `cmek help [WORD]`: the overview, a topic, a command's flags or a recipe's arguments.
local failure = require "ui.failure"
local help = require "help"

local M = {}

local COMMANDS <const> = { status = true, plan = true, run = true, verify = true, resume = true, runs = true, exec = true, whoami = true }

--- What a recipe is for and which flags `run` knows with it.
---@param name string
---@param word string
---@return string
function M.recipe(name, word)
  local flags = require "flags"
  local recipe = require("recipe").load(name, { reserved = flags.reserved() })
  return recipe.summary .. ".\n\n" .. flags.help(word, name, recipe.args)
end

local function text_of(topic)
  if topic == nil or topic == "--help" then return help.OVERVIEW end
  if help.TOPICS[topic] then return help.TOPICS[topic] end
  if COMMANDS[topic] then return require("flags").help(topic, nil, {}) .. "\n" end
  local recipe = require "recipe"
  local names = recipe.names()
  for _, name in ipairs(names) do
    if name == topic then return M.recipe(topic, "run") .. "\n" end
  end
  if recipe.is_file(topic) then return M.recipe(topic, "run") .. "\n" end
  for _, name in ipairs(help.names()) do names[#names + 1] = name end
  for name in require("sorted")(COMMANDS) do names[#names + 1] = name end
  local near = require("ui.near").near(topic, names)
  failure.usage(("there is no help on '%s'%s"):format(topic, near[1] and "; did you mean '" .. near[1] .. "'?" or ""),
    "topics: " .. table.concat(help.names(), ", "))
end

---@param arguments string[]
---@param output ui.Output
---@return integer status
function M.run(arguments, output)
  local text = text_of(arguments[1])
  if output.json then
    output:document { schema = "cmek.help/1", text = text }
  else
    output:result(text)
  end
  return 0
end

return M
