-- Ways out of a sandbox that are known for Lua 5.4, each tried by a recipe: none leads out, and what was journaled before stays whole.
local file = require "file"
local outside = dofile "tests/outside.lua"
local recipe = require "recipe"

local HEAD <const> = 'return { api = 1, summary = "x", args = { { "cluster", "which", optional = true } },'
  .. ' touches = { "cloud", "iam" },\n run = function(arg)\n'

-- What a recipe's run gives whose body this is; `part` is the text of a module beside it.
local function run(body, part)
  local directory = test.directory()
  assert(file.write(directory .. "/mine.lua", HEAD .. body .. "\nend }"))
  if part then assert(file.write(directory .. "/part.lua", part)) end
  return recipe.load(directory .. "/mine.lua").run {}
end

local function refused(body, why, part)
  test.raises(function() run(body, part) end, why)
end

test["the metatable of texts is out of reach, and their methods are not changed"] = function()
  refused("return getmetatable('')", "'getmetatable' is not part of a recipe's world")
  refused("return setmetatable('', {})", "table expected")
  refused("('').rep = 1", "attempt to index a string value")
  run "string.rep = function() return 'mine' end"   -- its own copy
  test.equal(("a"):rep(2), "aa")
  test.equal(string.rep("a", 2), "aa")
end

test["the environment is not opened through _ENV, _G or a metatable"] = function()
  refused("_ENV.x = 1", "'x' would be global")
  refused("return _ENV.os", "'os' is not part of a recipe's world")
  refused("return _G", "'_G' is unknown here")
  refused("setmetatable(_ENV, {})", "cannot change a protected metatable")
  refused("setmetatable(policy, {})", "cannot change a protected metatable")
  refused("local _ENV = {} return os.x", "attempt to index a nil value")
end

test["no code runs at a moment of its own: __gc, __close and __mode are refused, also when they come later"] = function()
  for _, hook in ipairs { "__gc", "__close", "__mode", "__metatable" } do
    refused(("return setmetatable({}, { %s = function() end })"):format(hook), "no " .. hook)
  end
  refused("local mt = {} local x <close> = setmetatable({}, mt) mt.__close = function() end", "non-closable value")
  refused("local mt = {} local x = setmetatable({}, mt) mt.__close = function() end local y <close> = x", "non-closable value")
  local ran = run "local mt, ran = {}, {} setmetatable({}, mt) mt.__gc = function() ran[1] = true end return ran"
  collectgarbage()
  test.equal(ran, {})
  test.equal(run "local mt = {} mt.__index = mt local x = setmetatable({}, mt) function mt:f() return 4 end return x:f()", 4)   -- methods may
end

test["no bytecode is made or loaded, and no text becomes code"] = function()
  refused("return ('').dump(function() end)", "field 'dump'")
  refused("return string.dump(function() end)", "field 'dump'")
  for _, name in ipairs { "load", "loadstring", "loadfile", "dofile" } do refused("return " .. name .. "('')", ("'%s' is not part"):format(name)) end
  refused("return require 'part'", "attempt to load a binary chunk", "\27Lua")
end

test["neither coroutines nor errors are caught, so nothing outlives its call"] = function()
  for _, name in ipairs { "coroutine", "pcall", "xpcall", "debug", "collectgarbage" } do
    refused("return " .. name, ("'%s' is not part of a recipe's world"):format(name))
  end
end

test["what a recipe raises is a text: no object answers with code of its own, or passes for a refusal, while it is told"] = function()
  for _, object in ipairs { "{ kind = 'stopped', exit = 'credentials' }", "setmetatable({}, { __tostring = function() while true do end end })",
    "nil", "function() end" } do refused(("error(%s)"):format(object), "error takes a text, got ") end
  refused("assert(nil, {})", "assertion failed!")
  refused("assert(false, 'why')", "why")
  refused("error('there', 0)", "there")
  test.equal(run "return assert(7)", 7)
end

test["what a script raises is told as a text, whatever object it is"] = function()
  local directory = test.directory()
  for body, told in require("sorted") {
    ["{ code = 7 }"] = "raised { code = 7 }", ["nil"] = "raised nil",
    ["setmetatable({}, { __index = function() error 'again' end })"] = "raised {}",
    ["setmetatable({ kind = 'stopped' }, { __tostring = function() return 'well' end })"] = "raised: well",
    ["setmetatable({}, { __tostring = function() error 'again' end })"] = "raised an object that does not say what it is: s.lua:1: again",
  } do
    assert(file.write(directory .. "/s.lua", "error(" .. body .. ")"))
    local result = outside.simulated("cd $D; $CMEK exec s.lua", { directory = directory })
    test.equal({ result.status, ("\n" .. result.errors):match "\n(cmek: .*)$" }, { 1, "cmek: s.lua " .. told .. "\n" })
  end
end

test["modules of the host and of the library cannot be required, nor files elsewhere"] = function()
  for _, name in ipairs { "file", "process", "door", "http", "embedded", "secret", "journal", "trace", "terminal", "session", "operation", "engine",
    "engine.context", "os", "io", "debug", "string" } do
    refused(("return require %q"):format(name), ("no module '%s'"):format(name))
  end
  for _, name in ipairs { "../part", "/etc/passwd", "..part", "a..b", "", "./part" } do
    refused(("return require %q"):format(name), "require takes the name of a module")
  end
  test.equal(run("return require('part')", "return 7"), 7)
end

test["what the library gives is read only, and a table with hooks is no data"] = function()
  refused("policy.cmek = nil", "not changed by a recipe")
  refused("names.role = nil", "not changed by a recipe")
  refused("return policy.cmek { role = setmetatable({}, { __index = function() error 'inside' end }) }", "")
end

-- Bombs ----------------------------------------------------------------------------------------------------------------------

-- A recipe that has made a role when its run comes to this. Ended with 5, what was made is in a journal that is whole.
local function bomb(body, reason, limit)
  local directory = test.directory()
  assert(file.write(directory .. "/mine.lua", HEAD .. [[
  local cluster = read("cluster", arg.cluster)
  local role = ensure("role", { cluster = cluster, trust = policy.cross_account { account_id = cluster.account_id, external_id = "x" } })
  if type(role.arn) ~= "string" then return end
  ]] .. body .. "\nend }"))
  local result = outside.simulated(("export CMEK_COMPUTING_MAX=%g; cd $D; $CMEK run mine.lua --cluster orders --yes"):format(limit or 0.5),
    { directory = directory })
  test.contains(result.errors, reason)
  test.equal({ result.status, result:writes() }, { 5, 1 })
  local runs = outside.simulated("$CMEK runs; cat $D/state/simulated-runs/*.jsonl >$D/journal", { directory = directory })
  test.matches(runs.output, "mine%.lua +orders +unfinished\n")
  local entries = assert(require("journal").read(assert(file.read(directory .. "/journal"))))
  local answered = false
  for _, entry in ipairs(entries) do answered = answered or entry.outcome == "answered" end
  test.truthy(answered)
end

test["a text that is too long and a table that grows for ever end the run, not the machine"] = function()
  bomb("return ('x'):rep(1 << 40)", "mine.lua:6: resulting string too large")
  bomb("local t, n, long = {}, 0, ('x'):rep(1 << 24) while true do n = n + 1 t[n] = long .. n end", "not enough memory", 20)
end

test["a recursion without end is told by its line"] = function()
  bomb("local function f(n) return 1 + f(n) end return f(1)", "mine.lua:6: stack overflow")
end

test["a C function that does not come back is ended with the process"] = function()
  for _, call in ipairs {
    "(('a'):rep(200)):gsub(('.-'):rep(20) .. 'b', '')",
    "table.insert(setmetatable({}, { __len = function() return 1 << 60 end }), 1, 0)",
    "table.concat(setmetatable({}, { __index = function() return '' end }), '', 1, 1 << 60)",
  } do bomb("return " .. call, "stopped: ") end
end
