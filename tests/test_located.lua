-- What goes wrong in a recipe is told by its line, with a marker, what may have been meant, and its calls with --traceback alone.
local file = require "file"
local json = require "json"
local outside = dofile "tests/outside.lua"

-- Plans (or does what `command` says with) a recipe $D/mine.lua, whose run has this body from line 2 on.
local function with(body, command, more)
  local directory = test.directory()
  assert(file.write(directory .. "/mine.lua", 'return { api = 1, summary = "x", args = { { "cluster", "which" } }, '
    .. 'touches = { "cloud", "iam", "kms" }, run = function(arg)\n' .. body .. "\nend }\n"))
  if more then assert(file.write(directory .. "/part.lua", more)) end
  return outside.simulated("cd $D; " .. (command or "$CMEK plan ./mine.lua --cluster orders"), { directory = directory })
end

-- What is told of a body; where check finds it, that is what to type next.
local function told(body, expected, next_step)
  local result = with(body)
  test.equal(result.status, 1)
  test.equal(result.errors, expected .. "next: " .. (next_step or "cmek recipes check ./mine.lua") .. "\n")
  outside.plain(result.text)
end

test["an unknown field is told by the recipe's line, with a marker below it and what was meant"] = function()
  told('  local a = 1\n  return policy.cmek { role = "x", admin5 = a }', [[
cmek: ./mine.lua:3: policy.cmek has no field 'admin5'; did you mean 'admins'?
  3 |   return policy.cmek { role = "x", admin5 = a }
    |                                    ^^^^^^
]])
end

test["so are unknown globals, kinds and operations"] = function()
  told("  ensrue('key', {})", "cmek: ./mine.lua:2: 'ensrue' is unknown here; did you mean 'ensure'?\n  2 |   ensrue('key', {})\n    |   ^^^^^^\n")
  told("  ensure('kye', {})", "cmek: ./mine.lua:2: there is no kind 'kye'; did you mean 'key'?\n  2 |   ensure('kye', {})\n    |          ^^^^^\n")
  told("  kms.list_kesy { region = 'us-east-1' }", [[
cmek: ./mine.lua:2: kms has no 'list_kesy'; did you mean 'list_keys'?
  2 |   kms.list_kesy { region = 'us-east-1' }
    |       ^^^^^^^^^
]])
  told("  kms.list_keys { rgion = 'us-east-1', region = 'us-east-1' }", [[
cmek: ./mine.lua:2: kms.list_keys has no field 'rgion'; did you mean 'region'?
  2 |   kms.list_keys { rgion = 'us-east-1', region = 'us-east-1' }
    |                   ^^^^^
]])
end

test["what Lua says of nil comes in words, with the name marked"] = function()
  told("  local cluster = read('cluster', arg.cluster)\n\n\treturn cluster.acc.id", [[
cmek: ./mine.lua:4: field 'acc' is nil here, and has no fields
  4 | 	return cluster.acc.id
    | 	               ^^^
]], "cmek help writing")
  told("  return 'x' .. arg.nothing", [[
cmek: ./mine.lua:2: args has no 'nothing'
  2 |   return 'x' .. arg.nothing
    |                     ^^^^^^^
]])
end

test["the line is the recipe's also in a task, in a module beside it, and in a kind's own function"] = function()
  test.contains(with("  task.map({ 1 }, function(n)\n    return n.x\n  end)").errors,
    "./mine.lua:3: local 'n' is a number here, and has no fields\n  3 |     return n.x\n    |            ^\n")
  test.contains(with("  return require('part').f()", nil, "local M = {}\nfunction M.f()\n  return M.a.b\nend\nreturn M").errors,
    "cmek: ./part.lua:3: field 'a' is nil here, and has no fields\n  3 |   return M.a.b\n")
  local kind = "  local kind = resource { kind = 'topic', actions = {}, name = function(want)\n    return want.a.b end, find = function() end,\n"
    .. "    differences = function() return {} end, create = function() end }\n  ensure(kind, { b = 1 })"
  test.contains(with(kind).errors, "cmek: ./mine.lua:3: field 'a' is nil here")
end

test["a mistake while the recipe is loaded is told alike, with exit status 2"] = function()
  local result = with("end, args = { polcy.x },\n  more = function()")
  test.equal(result.status, 2)
  test.contains(result.errors,
    "cmek: ./mine.lua:2: 'polcy' is unknown here; did you mean 'policy'?\n  2 | end, args = { polcy.x },\n    |               ^^^^^\n")
end

test["a signal comes from no line, and is told as what it is"] = function()
  local stopped = "stopped by SIGINT"
  test.equal(require("located").of(stopped, { path = "recipes/console.lua" }), stopped)
end

test["the calls that led there are told with --traceback alone"] = function()
  local body = "  local function inner() error 'the pail leaks' end\n  local function outer() inner() end\n  outer()"
  local short = with(body)
  test.contains(short.errors, "cmek: ./mine.lua:2: the pail leaks\n")
  test.truthy(not short.errors:find("traceback", 1, true))
  local long = with(body, "$CMEK plan ./mine.lua --cluster orders --traceback")
  test.contains(long.errors, "stack traceback:\n")
  test.matches(long.errors, "%./mine%.lua:2: in .-inner.-%./mine%.lua:3: in .-outer")
end

test["a run that had begun to make something tells it as well, and --json has the place as fields"] = function()
  local body = [[
  local cluster = read("cluster", arg.cluster)
  local role = ensure("role", { cluster = cluster, trust = policy.cross_account { account_id = cluster.account_id, external_id = "x" } })
  if type(role.arn) == "string" then return role.name.first.second end]]
  local result = with(body, "$CMEK run ./mine.lua --cluster orders --yes --json >run.json")
  test.equal(result.status, 5)
  local wrong = json.decode(file.read(result.directory .. "/run.json")).error
  test.equal({ wrong.at.file, wrong.at.line, wrong.at.text:sub(wrong.at.from, wrong.at.to), wrong.traceback }, { "./mine.lua", 4, "first" })
  test.contains(wrong.next, "cmek resume ")
  result = with(body, "$CMEK run ./mine.lua --cluster orders --yes")
  test.matches(result.errors, "%./mine%.lua:4: field 'first' is nil here, and has no fields\n  4 | .-\n    | +%^%^%^%^%^\n")
end

--- Runs a script $D/s.lua.
local function script(text, command)
  local directory = test.directory()
  assert(file.write(directory .. "/s.lua", text))
  return outside.simulated("cd $D; " .. (command or "$CMEK exec ./s.lua"), { directory = directory })
end

test["a script is told of like a recipe, also where the line is its last, and of Lua's and the library's mistakes alike"] = function()
  test.equal(script("#!/usr/bin/env -S cmek exec\nreturn kms.list_keys { rgion = 'us-east-1' }").errors, [[
cmek: ./s.lua:2: kms.list_keys has no field 'rgion'; did you mean 'region'?
  2 | return kms.list_keys { rgion = 'us-east-1' }
    |                        ^^^^^
]])
  test.equal(script("local x = 1\nx = = 2").errors, "cmek: ./s.lua:2: unexpected symbol near '='\n  2 | x = = 2\n    |     ^\n")
  local result = script("task.map({ 1 }, function(n) return n.x.y end)")
  test.equal({ result.status, result.errors }, { 1, [[
cmek: ./s.lua:1: local 'n' is a number here, and has no fields
  1 | task.map({ 1 }, function(n) return n.x.y end)
    |                                    ^
]] })
  outside.plain(result.text)
end

test["a script may come from stdin, and is told of as one that sees no more than it does"] = function()
  local result = script("print(#arg, arg[1])", "$CMEK exec - - < s.lua")
  test.equal({ result.status, result.output }, { 0, "1\t-\n" })
  test.contains(script("io.read()").errors, "'io' is not part of a script's world: a script reads and writes no files\n")
  test.contains(script("require 'nowhere'").errors, "there is no module 'nowhere' in the library or beside the script\n")
  test.contains(script("ensure('role', {})").errors, "'ensure' is of recipes and of the prompt, not of scripts: cmek help writing\n")
end

test["a script that may only read is told how it may write, one that was refused which line asked, and its own errors are shown"] = function()
  test.matches(script("kms.create_key { region = 'us-east-1' }").errors,
    "s%.lua:1: door: kms CreateKey is a write.-\nnext: cmek exec %-%-write %./s%.lua ")
  test.matches(script("local c = 1\ncloud.find_cluster 'nowhere'").errors,
    "^cmek: [^\n]*nowhere[^\n]*\n%./s%.lua:2\n  2 | cloud%.find_cluster 'nowhere'\n    | %^+\ncause: ")
  test.equal(script("error { code = 3 }").errors, "cmek: ./s.lua raised { code = 3 }\n")
end

test["the calls of a script are told with --traceback alone, which stands before its name"] = function()
  local text = "local function inner() error 'the pail leaks' end\ninner()"
  test.truthy(not script(text).errors:find("traceback", 1, true))
  test.contains(script(text, "$CMEK exec --traceback ./s.lua").errors, "stack traceback:\n")
  test.truthy(not script(text, "$CMEK exec ./s.lua --traceback").errors:find("traceback", 1, true))
end

test["sentences of a recipe that do not hold show their line"] = function()
  local result = script("", "$CMEK recipes new mine 2>new && echo 'test[\"x\"] = function()\n  local r = {}\n  return r.a.b\nend' >mine.test.lua; "
    .. "$CMEK recipes test mine")
  test.equal(result.status, 1)
  test.contains(result.output,
    "mine.test.lua:3: field 'a' is nil here, and has no fields\n          3 |   return r.a.b\n            |            ^\n")
  test.contains(script("", "$CMEK recipes new mine 2>new && echo 'test[\"x\"] = function() error(\"y\") end' >mine.test.lua; "
    .. "$CMEK recipes test mine --traceback").output, "stack traceback:")
end

test["what a kind's function and what is told of a change get wrong is told by their own line"] = function()
  local topic = "local function ask(want, op)\n  return aws.call { service = 'sns', operation = op }\nend\n"
    .. "return resource { kind = 'topic', actions = {},\n  name = function() return nil end,\n"
    .. "  find = function(want) return ask(want, 'ListTopics') end,\n"
    .. "  create = function() end }"
  test.contains(with("  ensure(require 'part', {})", nil, topic).errors,
    "cmek: ./part.lua:5: kind 'topic': name gives nil, not a text\n  5 |   name = function() return nil end,\n")
  local named = topic:gsub("return nil", "return 'x'")
  test.contains(with("  ensure(require 'part', {})", nil, named).errors, "cmek: ./part.lua:2: aws.call: field 'region' is missing")
  test.contains(with("  ensure(require 'part', {})", nil, (named:gsub("find =", "fnd ="))).errors,
    "cmek: ./part.lua:6: resource has no field 'fnd'; did you mean 'find'?\n")
  test.contains(with("  local a = ensure('role', { cluster = read('cluster', arg.cluster), trust = policy.cross_account { account_id = '1', "
    .. "external_id = 'x' } })\n  on_change(function()\n    aws.call { service = 'kms' }\n  end)").errors,
    "cmek: ./mine.lua:4: aws.call: field 'operation'")
end

test["a misspelt field of what ensure is given, and one that is missing, are told where they stand"] = function()
  test.contains(with("  ensure('role', { clutser = 1, trust = {} })").errors,
    "cmek: ./mine.lua:2: kind 'role' has no field 'clutser'; did you mean 'cluster'?")
  test.contains(with("  return ensure('role', { trust = {} })").errors, "cmek: ./mine.lua:2: ensure: kind 'role' needs a 'cluster'")
  test.contains(with("  ensure(true, {})").errors, "ensure wants the name of a kind, got true: a file that returns nothing gives true where")
end

test["what check finds in a recipe that plans all the same is a warning"] = function()
  test.contains(with("  if arg.clustr then say 'x' end").errors, "warning: ./mine.lua:2: args has no 'clustr'; did you mean 'cluster'?\n")
end

test["what a service refuses is told with the line of one's own that asked, and of a recipe of cmek's without"] = function()
  local own = with("  local cluster = read('cluster', 'nowhere')")
  test.matches(own.errors,
    "^cmek: [^\n]*nowhere[^\n]*\n%./mine%.lua:2\n  2 |   local cluster = read%('cluster', 'nowhere'%)\n    | +%^%^%^%^\ncause: ")
  test.contains(with("  task.map({ 1 }, function()\n    return iam.get_role { RoleName = 'x' }\n  end)").errors,
    "./mine.lua:3\n  3 |     return iam.get_role { RoleName = 'x' }\n    |            ^^^^^^^^^^^^\n")
  local document = json.decode(with("  read('cluster', 'nowhere')", "$CMEK plan ./mine.lua --cluster orders --json").output)
  test.equal({ document.error.at.file, document.error.at.line, document.error.at.from }, { "./mine.lua", 2, 3 })
  local result = with("", "$CMEK plan console --cluster nowhere")
  test.contains(result.errors, "nowhere")
  test.truthy(not result.errors:find("console.lua", 1, true))
  test.truthy(not result.errors:find("mine.lua", 1, true))
end
