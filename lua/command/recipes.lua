--- `cmek recipes [list | show NAME | eject NAME [FILE]]`: the recipes that cmek carries.
local failure = require "ui.failure"
local recipe = require "recipe"

local M = {}

local function list(_, output)
  local rows, entries = {}, {}
  for i, name in ipairs(recipe.names()) do
    local summary = recipe.load(name).summary
    rows[i], entries[i] = { name, summary }, { name = name, summary = summary }
  end
  if output.json then
    output:document { schema = "cmek.recipes/1", recipes = require("json").array(entries) }
  else
    output:result(require("ui.table").render(rows))
  end
  return 0
end

local function show(arguments, output)
  if not arguments[1] then failure.usage("cmek recipes show wants the name of a recipe", "cmek recipes lists them") end
  local text, path = recipe.source(arguments[1])
  if output.json then
    output:document { schema = "cmek.recipe/1", path = path, text = text }
  else
    output:result(text)
  end
  return 0
end

--- Writes a stock recipe into a file; a file that is there is never replaced.
local function eject(arguments, output)
  local name, path = arguments[1], arguments[2]
  if not name then failure.usage("cmek recipes eject wants the name of a recipe", "cmek recipes lists them") end
  local text = recipe.source(name)
  path = path or "./" .. name:match "([^/]*)$":gsub("%.lua$", "") .. ".lua"
  local file = require "file"
  if file.exists(path) then failure.raise { status = failure.FAILED, message = ("'%s' exists: name another file"):format(path) } end
  local done, message = file.write(path, text, 420)   -- 0644: a recipe holds no secret
  if not done then
    failure.raise { status = failure.FAILED, message = message }
  end
  local shown = recipe.is_file(path) and path or "./" .. path
  local plan = name:find "^layouts/" and "edit it for your regions, then: cmek plan console --cluster NAME --layout " .. shown
    or ("cmek plan %s --help"):format(shown)
  output:note(("%s written; %s\n"):format(path, plan))
  if output.json then output:document { schema = "cmek.recipe/1", path = path, text = text } end
  return 0
end

local WORDS <const> = { list = list, show = show, eject = eject }

---@param arguments string[]
---@param output ui.Output
---@return integer status
function M.run(arguments, output)
  local word = arguments[1] or "list"
  if word == "--help" then
    output:help(require("command.help").command "recipes")
    return failure.DONE
  end
  local action = WORDS[word]
  if not action then failure.usage(("cmek recipes knows no '%s'; it knows list, show and eject"):format(word)) end
  return action({ table.unpack(arguments, 2) }, output)
end

return M
