--- `cmek recipes [list | show NAME | eject NAME [FILE] | diff FILE [ORIGIN] | check FILE | new NAME | test FILE]`: the recipes that
--- cmek carries, and those of one's own.
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
    output:result(require("ui.table").render(rows) .. "\nExamples of a layout: " .. table.concat(recipe.layouts(), ", ")
      .. "\ncmek recipes show NAME shows one of them, eject NAME FILE copies it to be changed\n")
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

-- Writes a new file; one that is there is never replaced.
local function write_new(path, text)
  local file = require "file"
  if file.exists(path) then failure.raise { status = failure.FAILED, message = ("'%s' exists: name another file"):format(path) } end
  local done, message = file.write(path, text, 420)   -- 0644: a recipe holds no secret
  if not done then failure.raise { status = failure.FAILED, message = message } end
end

local function shown(path) return require("quote")(recipe.is_file(path) and path:find("/", 1, true) and path or "./" .. path) end

--- Writes a stock recipe into a file, and keeps a copy of what it was for diff.
local function eject(arguments, output)
  local name, path = arguments[1], arguments[2]
  if not name then failure.usage("cmek recipes eject wants the name of a recipe", "cmek recipes lists them") end
  if recipe.is_file(name) and not name:find "^layouts/" then
    failure.usage(("'%s' is a file already"):format(name), "cmek recipes lists what can be ejected")
  end
  local origin = require "authoring.origin"
  local text = origin.eject(name)
  path = path or "./" .. name:match "([^/]*)$":gsub("%.lua$", "") .. ".lua"
  write_new(path, text)
  local kept = origin.keep((recipe.source(name)))
  if kept then output:note(("no copy is kept for cmek recipes diff: %s\n"):format(kept)) end
  local plan = name:find "^layouts/" and "edit it for your regions, then: cmek plan console --cluster NAME --layout " .. shown(path)
    or ("cmek plan %s --help"):format(shown(path))
  output:note(("%s written; %s\n"):format(path, plan))
  if output.json then output:document { schema = "cmek.recipe/1", path = path, text = text } end
  return 0
end

-- The file that a word wants.
local function file_of(arguments, word)
  if not arguments[1] then
    failure.usage(("cmek recipes %s wants the file of a recipe"):format(word), "cmek recipes eject console ./mine.lua writes one")
  end
  return arguments[1]
end

local function render_diff(found)
  local origin = found.origin
  local parts = {}
  if found.gone then
    parts[1] = ("cmek %s has no recipe %s any more.\n"):format(found.version, origin.name)
  elseif found.stock == "" then
    parts[1] = ("cmek %s has changed nothing in %s since %s.\n"):format(found.version, origin.name, origin.version)
  else
    parts[1] = ("What cmek has changed in %s since:\n%s"):format(origin.name, found.stock)
  end
  parts[2] = found.mine == "" and ("%s is as it was ejected.\n"):format(found.path) or ("What %s has changed:\n%s"):format(found.path, found.mine)
  if #found.both > 0 then parts[3] = ("Both have changed line %s of the origin.\n"):format(table.concat(found.both, ", ")) end
  return table.concat(parts, "\n")
end

--- What the stock recipe has changed since a file was ejected, and what the file has.
local function diff(arguments, output)
  local found = require("authoring.origin").diff(file_of(arguments, "diff"), arguments[2])
  if output.json then
    output:document { schema = "cmek.recipe_diff/1", path = found.path, version = found.version, origin = found.origin, gone = found.gone,
      stock = found.stock, mine = found.mine, both = require("json").array(found.both) }
  else
    output:result(render_diff(found))
  end
  return 0
end

--- What is wrong with a recipe, without running it.
local function check(arguments, output)
  local origin = require("authoring.origin").read((recipe.source(file_of(arguments, "check"))))
  if origin and origin.name:find "^layouts/" then
    failure.usage(("%s is a layout, which a recipe reads and looks at"):format(arguments[1]),
      "cmek plan console --cluster NAME --layout " .. shown(arguments[1]))
  end
  local findings, path = require("authoring.check").check(file_of(arguments, "check"))
  local lines = {}
  for i, finding in ipairs(findings) do lines[i] = ("%s:%d: %s\n"):format(finding.file, finding.line, finding.text) end
  if output.json then
    output:document { schema = "cmek.recipe_check/1", path = path, findings = require("json").array(findings) }
  else
    output:result(#lines > 0 and table.concat(lines) or path .. ": nothing is wrong with it\n")
  end
  return #findings > 0 and failure.FINDINGS or failure.DONE
end

--- Writes a recipe that runs, and its sentences.
local function new(arguments, output)
  local name = (arguments[1] or ""):match "([^/]*)$":gsub("%.lua$", "")
  if not name:find "^[%w_-]+$" then
    failure.usage("cmek recipes new wants a name of letters, digits, '-' and '_'", "cmek recipes new notify writes notify.lua and notify.test.lua")
  end
  local path, sentences = require("authoring.trial").paths(arguments[1])
  local text, sentence_text = require("authoring.template").texts(name)
  if require("file").exists(sentences) then
    failure.raise { status = failure.FAILED, message = ("'%s' exists: choose another name"):format(sentences) }
  end
  write_new(path, text)
  write_new(sentences, sentence_text)
  output:note(("%s and %s written; cmek recipes test %s\n"):format(path, sentences, shown(path)))
  if output.json then output:document { schema = "cmek.recipe/1", path = path, text = text } end
  return 0
end

--- Runs the sentences of a recipe against the simulated services.
local function test(arguments, output)
  local wrong = 0
  local results, path = require("authoring.trial").run(file_of(arguments, "test"), function(sentence, why)
    wrong = wrong + (why and 1 or 0)
    if not output.json then
      output:result(why and ("%s  %s\n        %s\n"):format(output:paint("red", "FAILED"), sentence, (why:gsub("\n", "\n        ")))
        or ("ok      %s\n"):format(sentence))
    end
  end, arguments.traceback)
  if output.json then
    output:document { schema = "cmek.recipe_test/1", path = path, sentences = require("json").array(results) }
  else
    output:result(("%d of %d sentences hold\n"):format(#results - wrong, #results))
  end
  return wrong > 0 and failure.FAILED or failure.DONE
end

local WORDS <const> = { list = list, show = show, eject = eject, diff = diff, check = check, new = new, test = test }
local MOST <const> = { list = 0, show = 1, eject = 2, diff = 2, check = 1, new = 1, test = 1 }   -- words that may follow

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
  if not action then failure.usage(("cmek recipes knows no '%s'; it knows list, show, eject, diff, check, new and test"):format(word)) end
  local traceback = false
  for i = #arguments, 2, -1 do
    if word == "test" and arguments[i] == "--traceback" then traceback = table.remove(arguments, i) ~= nil end
  end
  for i = 2, #arguments do
    if arguments[i]:find "^%-" then failure.usage(("cmek recipes %s has no flag %s"):format(word, arguments[i]), "cmek recipes --help") end
  end
  local extra = arguments[MOST[word] + 2]
  if extra then failure.usage(("'%s' is one word too many"):format(extra), "cmek recipes --help") end
  return action({ traceback = traceback, table.unpack(arguments, 2) }, output)
end

return M
