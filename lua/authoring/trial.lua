--- The sentences of a recipe, which stand in a file beside it (mine.lua: mine.test.lua), so that testing changes nothing of the recipe's
--- own text and hash. Each has simulated services of its own; the recipe is run by the program itself, as from a shell.
---   test["makes a key"] = function() local result = run { cluster = "orders" }  equal(result.exit, 0) end
--- run, plan, verify and destroy give the command's document (cmek help json), and with it exit, errors (what went to stderr),
--- requests (as sim --log has them), services (all that the simulated services hold afterwards, as sim --state has it),
--- result:count("CreateKey") and result:writes(). Options: faults (texts of sim --fault).
local failure = require "ui.failure"
local file = require "file"
local located = require "located"
local json = require "json"
local process = require "process"
local sorted = require "sorted"

local M = {}

local PROGRAM <const> = "/proc/self/exe"
local SOURCE_MAX <const>, LOG_MAX <const> = 1 << 20, 64 << 20
local TIMEOUT <const> = 600   -- seconds for one command
local OPTIONS <const> = { faults = true }
local COMMANDS <const> = { "run", "plan", "verify", "destroy" }

-- Comparing ------------------------------------------------------------------------------------------------------------------

local function same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  for key, value in sorted(a) do
    if not same(value, b[key]) then return false end
  end
  for key in sorted(b) do
    if a[key] == nil then return false end
  end
  return true
end

local function show(value)
  if type(value) ~= "table" then return type(value) == "string" and ("%q"):format(value) or tostring(value) end
  local ok, text = pcall(json.encode, value)
  return ok and text or "a table"
end

local function equal(got, want)
  if not same(got, want) then error(("got %s, want %s"):format(show(got), show(want)), 2) end
end

local function contains(text, part)
  if not tostring(text):find(part, 1, true) then error(("%s does not contain %s"):format(show(text), show(part)), 2) end
end

-- Running --------------------------------------------------------------------------------------------------------------------

local Result = {}
Result.__index = Result

--- How often an operation was asked for.
function Result:count(operation)
  local number = 0
  for _, entry in ipairs(self.requests) do
    if entry.operation == operation then number = number + 1 end
  end
  return number
end

--- How many requests asked for a change.
function Result:writes()
  local number = 0
  for _, entry in ipairs(self.requests) do
    if entry.write then number = number + 1 end
  end
  return number
end

local function requests(path)
  local list = {}
  for line in (file.read(path, LOG_MAX) or ""):gmatch "[^\n]+" do list[#list + 1] = json.decode(line) end
  return list
end

-- Arguments of a recipe as flags.
local function add_flags(argv, arguments)
  for name, value in sorted(arguments) do
    local flag = "--" .. tostring(name):gsub("_", "-")
    for _, one in ipairs(type(value) == "table" and value or { value }) do
      if one == true then argv[#argv + 1] = flag elseif one ~= false then argv[#argv + 1] = flag .. "=" .. tostring(one) end
    end
  end
end

-- One command of a sentence; what the services are like afterwards the next one meets.
local function command(here, word, arguments, options)
  arguments = arguments or {}
  for name in sorted(options or {}) do
    if not OPTIONS[name] then error(("%s: unknown option '%s'; there is faults"):format(word, tostring(name)), 3) end
  end
  local log, state = here.directory .. "/log", here.directory .. "/services.json"
  local argv = { PROGRAM, "sim", "--state", state, "--log", log }
  for _, fault in ipairs(options and options.faults or {}) do table.move({ "--fault", fault }, 1, 2, #argv + 1, argv) end
  table.move({ "--", PROGRAM, word, here.recipe, "--json" }, 1, 5, #argv + 1, argv)
  add_flags(argv, arguments)
  if word == "run" or word == "destroy" then
    argv[#argv + 1] = "--yes"
    if arguments.cluster then table.move({ "--confirm", arguments.cluster }, 1, 2, #argv + 1, argv) end
  end
  local done, message = process.run { argv = argv, timeout = TIMEOUT,
    environment = { PATH = true, HOME = here.directory, TMPDIR = here.directory, CMEK_STATE_DIR = here.directory .. "/state" } }
  if not done then error(message, 0) end
  local result = json.decode(done.output) or {}
  result.exit, result.output, result.errors, result.requests = done.status, done.output, done.error_output, requests(log)
  result.services = json.decode(file.read(state, LOG_MAX) or "{}")
  here.last = { word = word, exit = done.status, error = result.error, errors = done.error_output }
  return setmetatable(result, Result)
end

-- Why a sentence does not hold, and what the last command of it had to say, where that failed.
local function reason(here, raised)
  local wrong, last = tostring(raised), here.last
  if not last or last.exit == 0 then return wrong end
  local said = last.error and last.error.message or last.errors:match "^cmek: ([^\n]*)"
  return said and ("%s\ncmek %s ended with exit status %d: %s"):format(wrong, last.word, last.exit, said) or wrong
end

-- Sentences ------------------------------------------------------------------------------------------------------------------

-- Removes a directory and what is in it.
local function remove(path)
  local found = file.stat(path)
  if not found then return end
  for _, name in ipairs(found.kind == "directory" and file.list(path) or {}) do remove(path .. "/" .. name) end
  file.remove(path)
end

local function work_directory()
  local state, message = file.state_directory()
  local path = state and ("%s/trials/%s"):format(state, require("crypto").hex(require("crypto").random(6)))
  local made = path
  if path then made, message = file.mkdir(path) end
  if not made then failure.raise { status = failure.FAILED, what = "making a place for the simulated services", message = message } end
  return path
end

-- The sentences in their order, and the world that they run in, `here` being the one that is under way.
local function load_sentences(path, here)
  local text, message = file.read(path, SOURCE_MAX)
  if not text then
    failure.usage(("cannot read the sentences '%s': %s"):format(path, failure.reason(message)), "cmek recipes new NAME writes an example")
  end
  local world, sentences = require("sandbox").new { path = path, is_file = true }, {}
  local names = { equal = equal, contains = contains, json = require("sandbox").read_only(json),
    test = setmetatable({}, { __metatable = false, __newindex = function(_, sentence, fn) sentences[#sentences + 1] = { sentence, fn } end }) }
  for _, word in ipairs(COMMANDS) do
    names[word] = function(arguments, options) return command(here, word, arguments, options) end
  end
  world:bind(names)
  local chunk
  chunk, message = load(text, "@" .. require("source").name(path), "t", world.environment)
  if not chunk then failure.usage(tostring(located.of(message, { script = true }))) end
  local ok, raised = pcall(located.call, { script = true }, chunk)
  if not ok then failure.usage(tostring(raised), "cmek help testing") end
  return sentences
end

--- The files of a recipe and of its sentences, whichever of them is named.
---@param name string
---@return string recipe, string sentences
function M.paths(name)
  local stem = name:gsub("%.test%.lua$", ""):gsub("%.lua$", "")
  local path = stem .. ".lua"
  return path:find("/", 1, true) and path or "./" .. path, stem .. ".test.lua"
end

--- Runs the sentences of a recipe.
---@param name string
---@param told fun(sentence: string, wrong: string?)  after each
---@param traceback boolean?  the calls that led to what is wrong are told
---@return { sentence: string, wrong: string? }[] sentences, string path
function M.run(name, told, traceback)
  local recipe, path = M.paths(name)
  require("recipe").load(recipe, { reserved = require("flags").reserved() })
  local here, results = { recipe = recipe }, {}
  for _, sentence in ipairs(load_sentences(path, here)) do
    here.directory, here.last = work_directory(), nil
    local ok, raised = pcall(located.call, { script = true, traceback = traceback }, sentence[2])
    remove(here.directory)
    results[#results + 1] = { sentence = tostring(sentence[1]), wrong = not ok and reason(here, raised) or nil }
    told(results[#results].sentence, results[#results].wrong)
  end
  return results, path
end

return M
