-- Recipes: found, checked, loaded into a world that holds no machine, and their arguments.
local arguments = require "arguments"
local failure = require "ui.failure"
local file = require "file"
local flags = require "flags"
local outside = dofile "tests/outside.lua"
local recipe = require "recipe"

local HEAD <const> = 'return { api = 1, summary = "x", args = {}, touches = {}, '

--- Writes a recipe file and returns its path.
local function written(text, name)
  local path = test.directory() .. "/" .. (name or "mine.lua")
  assert(file.write(path, text))
  return path
end

--- Loads a recipe whose run is the given body, and calls it.
local function run(body, names)
  local loaded = recipe.load(written(HEAD .. "run = function(arg) " .. body .. " end }"))
  loaded:bind(names or {})
  return loaded.run {}
end

test["a stock recipe is found by its name and carries its path and hash"] = function()
  local loaded = recipe.load "console"
  test.equal(loaded.path, "recipes/console.lua")
  test.equal(#loaded.hash, 64)
  test.truthy(#loaded.summary > 10)
end

test["every stock recipe loads, with text for each of its arguments"] = function()
  local names = recipe.names()
  test.truthy(#names >= 2)
  for _, name in ipairs(names) do
    for _, spec in ipairs(recipe.load(name, { reserved = flags.reserved() }).args) do test.truthy(#spec.text > 3) end
  end
end

test["an unknown recipe names the near one"] = function()
  local raised = test.raises(function() recipe.load "consle" end, "did you mean 'console'?")
  test.equal(failure.status(raised), 2)
end

test["a missing recipe file is named"] = function()
  test.raises(function() recipe.load "./nowhere.lua" end, "./nowhere.lua")
end

test["a syntax error shows file and line"] = function()
  local path = written "return {\n  api = = 1 }"
  test.raises(function() recipe.load(path) end, path .. ":2:")
end

test["bytecode is no recipe"] = function()
  local path = written "\27LuaT\0"
  test.raises(function() recipe.load(path) end, "binary")
end

test["what a recipe returns is checked, and the complaint names file and field"] = function()
  local cases = {
    { "return 1", "must return a table, not number" },
    { 'return { api = 2, summary = "x", args = {}, touches = {}, run = function() end }', "api must be 1, not 2" },
    { "return { api = 1, args = {}, touches = {}, run = function() end }", "summary has no text" },
    { 'return { api = 1, summary = "x", args = {}, touches = {} }', "run is missing" },
    { HEAD .. 'run = function() end, author = "me" }', "field 'author' is unknown" },
    { 'return { api = 1, summary = "x", args = {}, touches = { "EC2" }, run = function() end }',
      "touches[1] 'EC2' is no service; did you mean 'ec2'?" },
    { 'return { api = 1, summary = "x", args = { { "role" } }, touches = {}, run = function() end }', "args[1] 'role' has no text" },
    { 'return { api = 1, summary = "x", args = { { "a", "t", type = "date" } }, touches = {}, run = function() end }', "type 'date'" },
    { 'return { api = 1, summary = "x", args = { { "a", "t", typ = "string" } }, touches = {}, run = function() end }', "unknown field 'typ'" },
    { 'return { api = 1, summary = "x", args = { { "yes", "t" } }, touches = {}, run = function() end }', "a flag that every command has" },
    { 'return { api = 1, summary = "x", args = { cluster = { "its text" } }, touches = {}, run = function() end }',
      [[args is a list, so 'cluster' stands first in its table: { "cluster", its text, … }]] },
    { 'return { api = 1, summary = "x", args = { { "a", "t" }, { "a", "t" } }, touches = {}, run = function() end }', "stands twice" },
  }
  for _, case in ipairs(cases) do
    local path = written(case[1])
    local raised = test.raises(function() recipe.load(path, { reserved = flags.reserved() }) end, case[2])
    test.equal(tostring(raised):sub(1, #path + 4), path .. ":1: ")
    test.contains(raised.next, "cmek recipes check ")
  end
end

test["a recipe sees no machine, no errors, no metatables and no bytecode"] = function()
  for _, name in ipairs { "io", "os", "debug", "package", "pcall", "xpcall", "coroutine", "getmetatable", "rawget", "rawset", "load",
    "loadfile", "dofile", "collectgarbage", "next", "_G" } do
    test.raises(function() run("return " .. name) end, "'" .. name .. "' is")
  end
  test.raises(function() run "return string.dump()" end, "nil value (field 'dump')")
  test.raises(function() run "return math.random()" end, "nil value (field 'random')")
  test.equal(run "return type(string.format), type(table.concat), type(math.floor), type(utf8.char)", "function")
end

test["the text methods of a recipe have no dump either"] = function()
  test.raises(function() run 'return ("").dump()' end, "field 'dump'")
  test.equal(run 'return ("a"):rep(3)', "aaa")
end

test["a metatable that runs code at a moment of its own is refused"] = function()
  for _, hook in ipairs { "__gc", "__close", "__metatable", "__mode" } do
    test.raises(function() run("return setmetatable({}, { " .. hook .. " = function() end })") end, "no " .. hook)
  end
  test.equal(run "return setmetatable({}, { __index = { a = 5 } }).a", 5)
end

test["a misspelt name is an error, not nil, and names the near one"] = function()
  test.raises(function() run("return ensrue", { ensure = print }) end, "'ensrue' is unknown here; did you mean 'ensure'?")
end

test["a recipe makes no globals"] = function()
  test.raises(function() run "x = 1" end, "write local x")
end

test["pairs of a recipe goes in sorted order"] = function()
  test.equal(run 'local s = "" for k in pairs { c = 1, a = 1, b = 1, d = 1, e = 1 } do s = s .. k end return s', "abcde")
end

test["the library cannot be changed by a recipe"] = function()
  test.raises(function() run "policy.cmek = nil" end, "not changed by a recipe")
  test.raises(function() run 'local p = require "policy" p.evaluate = 1' end, "not changed by a recipe")
end

test["what a run binds is seen by the recipe's functions"] = function()
  test.equal(run("return ensure(4)", { ensure = function(n) return n + 1 end }), 5)
end

test["a file beside the recipe can be required, in the same world; one above it cannot"] = function()
  local path = written(HEAD .. 'run = function() return require("part").twice(4) end }')
  assert(file.write(path:match "^(.*/)" .. "part.lua", "local M = {} function M.twice(n) return 2 * n end return M"))
  test.equal(recipe.load(path).run {}, 8)
  assert(file.write(path:match "^(.*/)" .. "bad.lua", "return os"))
  test.raises(function() run "return require '../part'" end, "not '../part'")
  test.raises(function() run "return require 'nowhere'" end, "no module 'nowhere'")
  test.raises(function() run "return require 'door'" end, "no module 'door'")
  local bad = written(HEAD .. 'run = function() return require "bad" end }')
  assert(file.write(bad:match "^(.*/)" .. "bad.lua", "return os"))
  test.raises(function() recipe.load(bad).run {} end, "bad.lua:1: 'os' is not part of a recipe's world")
end

test["an ejected recipe finds the stock recipes that it builds on"] = function()
  local path = written((recipe.source "console"))
  test.equal(recipe.load(path).summary, recipe.load("console").summary)
end

-- Arguments.

local function specifications()
  return arguments.specifications({
    { "cluster", "name of the cluster" },
    { "admin", "ARN of an administrator", list = true },
    { "rotation", "days between rotations", type = "integer", default = 365, min = 90, max = 2560 },
    { "enable", "enable it after", type = "boolean" },
    { "protection", "how it is kept", choices = { "hsm", "software" }, default = "hsm" },
    { "node_role", "a name with an underline", optional = true },
  }, flags.reserved(), error)
end

local function parse(...)
  local common, given = flags.parse("run", "console", specifications(), { ... })
  return common, (arguments.resolve(specifications(), { { origin = "flags", values = given } }))
end

test["flags come from the recipe's arguments and have their types"] = function()
  local common, got = parse("--cluster", "orders", "--admin", "a", "--admin=b", "--rotation", "90", "--enable", "--yes", "--node-role", "n")
  test.equal(got, { cluster = "orders", admin = { "a", "b" }, rotation = 90, enable = true, protection = "hsm", node_role = "n" })
  test.equal(common.yes, true)
end

test["what is not given has its default, or nothing"] = function()
  local common, got = parse("--cluster", "orders")
  test.equal(got, { cluster = "orders", rotation = 365, protection = "hsm" })
  test.equal(common, {})
end

test["a missing argument is named with its text"] = function()
  local raised = test.raises(function() parse "--yes" end, "--cluster is missing: name of the cluster")
  test.equal({ failure.status(raised), raised.next }, { 2, "--cluster NAME; cmek status lists the clusters" })
end

test["an unknown flag names the near one"] = function()
  local raised = test.raises(function() parse("--clutser", "orders") end, "unknown option '--clutser'; did you mean '--cluster'?")
  test.equal(failure.status(raised), 2)
  test.contains(tostring(raised), "cmek run console --help")
end

test["a mistyped argument names the flag, the value and what would be right"] = function()
  test.raises(function() parse("--cluster", "x", "--rotation", "yearly") end, "--rotation must be a whole number, not 'yearly'")
  test.raises(function() parse("--cluster", "x", "--rotation", "10") end, "--rotation must be from 90 to 2560, not '10'")
  test.raises(function() parse("--cluster", "x", "--protection", "none") end, "--protection must be one of hsm, software, not 'none'")
  test.raises(function() parse("--cluster", "") end, "--cluster must be a text, not ''")
end

test["flags beat the environment, which beats the file"] = function()
  local got, given = arguments.resolve(specifications(), {
    { origin = "flags", values = { cluster = "from-flag" } },
    { origin = "environment", values = { cluster = "from-environment", rotation = "100" } },
    { origin = "args.json", values = { rotation = 200, enable = true } },
  })
  test.equal(got, { cluster = "from-flag", rotation = 100, enable = true, protection = "hsm" })
  test.equal(given, { cluster = "from-flag", rotation = 100, enable = true })
end

test["an unknown or mistyped argument of a file names the file"] = function()
  local function resolve(values) return function() arguments.resolve(specifications(), { { origin = "a.json", values = values } }) end end
  test.raises(resolve { cluster = "x", clutser = "y" }, "a.json: unknown argument 'clutser'; did you mean 'cluster'?")
  test.raises(resolve { cluster = "x", enable = "perhaps" }, "enable (a.json) must be true or false, not 'perhaps'")
  test.raises(resolve { cluster = "x", rotation = 90.5 }, "rotation (a.json) must be a whole number, not '90.5'")
end

test["a missing argument is asked for where somebody can answer"] = function()
  local got = arguments.resolve(specifications(), {}, function(spec) return spec.name == "cluster" and "typed" or nil end)
  test.equal(got.cluster, "typed")
end

test["the recipe is found among the flags, wherever it stands"] = function()
  local name, rest = flags.first("run", { "--journal", "D", "--yes", "console", "--cluster", "x" })
  test.equal({ name, rest }, { "console", { "--journal", "D", "--yes", "--cluster", "x" } })
  test.equal((flags.first("run", { "--yes" })), nil)
end

test["help shows each argument with its text and default"] = function()
  local text = flags.help("run", "console", specifications())
  test.contains(text, "--rotation")
  test.contains(text, "(default: 365)")
  test.contains(text, "(required)")
  test.contains(text, "--confirm")
end

test["files that are called as the library's are the user's: they are told of, stopped in, and a part of the hash"] = function()
  local directory = test.directory()
  local function write(path, text) assert(file.write(directory .. "/" .. path, text)) end
  assert(file.mkdir(directory .. "/lua", 448) and file.mkdir(directory .. "/recipes", 448))
  write("lua/task.lua", "return function(cluster)\n  break()\n  return cluster.nothing.x\nend\n")
  write("recipes/console.lua", "return 1\n")
  write("mine.lua", [[
local look = require "lua.task"
return { api = 1, summary = "x", args = { { "cluster", "c" } }, touches = { "cloud" },
  run = function(arg) return look(read("cluster", arg.cluster)) end }
]])
  write("well.lua", 'require "recipes.console"\nreturn { api = 1, summary = "x", args = {}, touches = {}, run = function() end }\n')
  write("lua/cli.lua", "local nothing\nreturn nothing.x\n")
  local result = outside.simulated([[cd $D; $CMEK plan well.lua; echo 'return 2' >recipes/console.lua; $CMEK plan well.lua
    $CMEK plan mine.lua --cluster orders; echo :where | $CMEK plan mine.lua --cluster orders --on-error=repl; $CMEK exec lua/cli.lua]],
    { directory = directory })
  test.contains(result.errors, "cmek: ./lua/task.lua:3: field 'nothing' is nil here")
  test.contains(result.errors, "cmek: ./lua/cli.lua:2: local 'nothing' is nil here")
  test.contains(result.errors, "stopped at ./lua/task.lua:2")
  local hashes = {}
  for hash in result.text:gmatch "sha256 (%x+)" do hashes[#hashes + 1] = hash end
  test.truthy(hashes[1] and hashes[2] and hashes[1] ~= hashes[2])
end
