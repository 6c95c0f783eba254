--- The command line: `cmek WORD …` loads lua/command/WORD.lua and runs it. Returns the exit status.
--- Nothing else is loaded for a word than what it needs: `cmek version` costs little more than Lua itself.

local words = require "words"

local ALIASES <const> = { ["--version"] = "version", ["-V"] = "version", ["--help"] = "help", ["-h"] = "help" }

local function find(word)
  for _, entry in ipairs(words) do
    if entry[1] == word then return entry end
  end
end

--- Takes --json and --json=lines out of the arguments, wherever they stand before a "--": even a refused flag is told as a document.
local function take_json(arguments)
  local rest, json, raw = {}, nil, false
  for _, argument in ipairs(arguments) do
    raw = raw or argument == "--"
    local form = not raw and (argument == "--json" and "document" or argument == "--json=lines" and "lines")
    if form then
      json = form
    else
      rest[#rest + 1] = argument
    end
  end
  return rest, json
end

local function unknown(word)
  for _, recipe in ipairs(require("recipe").names()) do
    if recipe == word then
      require("ui.failure").usage(("'%s' is no command: it is a recipe, which is planned, run and verified"):format(word), "cmek plan " .. word)
    end
  end
  local known = {}
  for _, entry in ipairs(words) do known[#known + 1] = not entry.hidden and entry[1] or nil end
  local near = require("ui.near").near(word, known)
  local message = ("'%s' is no command"):format(word)
  require("ui.failure").usage(message .. (near[1] and "; did you mean '" .. near[1] .. "'?" or ""), "cmek help lists them")
end

local function dispatch(word, arguments, output)
  local entry = find(word)
  if not entry then unknown(word) end
  return require(entry.module).run(arguments, output)
end

--- Tells what was raised, on stderr, and under --json as a document too.
local function tell(raised, output)
  local failure = require "ui.failure"
  if output.json then output:document { schema = "cmek.error/1", error = failure.document(raised) } end
  local text = tostring(raised):gsub("\n*$", "")
  output:note(output:trouble("cmek: " .. text .. "\n"))
  return failure.status(raised)
end

local word = ... or "help"
word = ALIASES[word] or word
local arguments, json = { select(2, ...) }, nil
local entry = find(word)
if not entry or not entry.raw then arguments, json = take_json(arguments) end
local output = require("ui.output").new { json = json }
local ok, result = pcall(dispatch, word, arguments, output)
local status = result
if not ok then status = tell(result, output) end
if output.broken then
  output:note(("cmek: %s: the result is not complete\n"):format(output.broken))
  if status == 0 then status = require("ui.failure").FAILED end
end
return status
