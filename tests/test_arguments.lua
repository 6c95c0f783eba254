-- Where arguments come from: files that are read and never run, the environment, what is written for --args; and that no secret is one.
local arguments = require "arguments"
local data = require "data"
local failure = require "ui.failure"
local file = require "file"
local json = require "json"
local sources = require "argument_sources"

--- The program that runs these tests.
local cmek <const> = (function()
  local command <close> = assert(io.open("/proc/self/cmdline", "rb"))
  return assert(file.canonical(command:read("a"):match "^[^\0]+"))
end)()

-- A script of the shell with $CMEK, in a directory of its own: what it printed on both streams, its status, the directory.
local function shell(script)
  local directory = test.directory()
  local result = assert(require("process").run { timeout = 60,
    argv = { "sh", "-c", ("cd '%s'; (%s) 2>&1"):format(directory, script) },
    environment = { PATH = true, HOME = directory, CMEK = cmek, CMEK_STATE_DIR = directory } })
  return result.output, result.status, directory
end

local function specifications()
  return arguments.specifications({
    { "cluster", "name of the cluster" },
    { "admin", "ARN of an administrator", list = true },
    { "rotation", "days between rotations", type = "integer", default = 365, min = 90, max = 2560 },
    { "enable", "enable it after", type = "boolean" },
    { "note", "a word", optional = true },
  }, {}, error)
end

local function written(text, name)
  local path = test.directory() .. "/" .. (name or "args.lua")
  assert(file.write(path, text))
  return path
end

test["a default is of its argument's type, as if somebody had given it"] = function()
  local function default(entry)
    entry[1], entry[2] = "x", "a text"
    return arguments.specifications({ entry }, {}, function(text, ...) error(text:format(...), 0) end)[1].default
  end
  test.equal({ default { type = "integer", default = "90" }, default { default = "a", list = true }, default { type = "boolean", default = false } },
    { 90, { "a" }, false })
  test.equal(type(default { default = function() end }), "function")
  for wrong, entry in pairs {
    ["args[1], x (its default) must be a whole number, not 'many'"] = { type = "integer", default = "many" },
    ["args[1], x (its default) must be at least 90, not '1'"] = { type = "integer", default = 1, min = 90 },
    ["args[1], x (its default) must be one of a, b, not 'c'"] = { choices = { "a", "b" }, default = "c" },
    ["args[1], x (its default) must be the ARN of a role, a user"] = { list = true, like = "principal", default = { "reader" } },
  } do
    test.raises(function() default(entry) end, wrong)
  end
end

-- Lua data -----------------------------------------------------------------------------------------------------------------

test["Lua data has texts, numbers, truths, lists and tables, comments and every spelling of a text"] = function()
  local value = data.read [==[
    -- for production
    return {
      cluster = "orders\x2dprod"; rotation = 180, ["enable"] = true, --[[ kept ]] off = false,
      admin = { 'a', [[b]], [=[c]]c]=], "d\
e", },
      deep = { { x = -2.5 } }, hex = 0x10,
    } -- done]==]
  test.equal(value, { cluster = "orders-prod", rotation = 180, enable = true, off = false, admin = { "a", "b", "c]]c", "d\ne" },
    deep = { { x = -2.5 } }, hex = 16 })
  test.equal(data.read "return{}", {})
end

test["what is no data is refused with its line, whatever it would do: it is never run"] = function()
  local cases = {
    { "while true do end", "line 1: 'return { … }' was expected, not 'while'" },
    { "return { cluster = 'x',\n role = os.getenv('HOME') }", "line 2: a text, a number, true, false or { … } was expected, not 'os.getenv'" },
    { "return { role = ('x'):rep(1e9) }", "not '('" },
    { "return { role = 'x' .. 'y' }", "',' or '}' was expected, not '..'" },
    { "return (function() while true do end end)()", "'{' was expected, not '('" },
    { "return { a = function() end }", "not 'function'" },
    { "local x = 1 return { a = x }", "not 'local'" },
    { "return { a = 1 } while true do end", "the end of the text was expected, not 'while'" },
    { "return { a = 1, a = 2 }", "line 1: 'a' stands there twice" },
    { "return { a = nil }", "not 'nil'" },
    { "return { a = 'open }", "the end of a text was expected" },
    { "return { a = '\\q' }", "a text without broken escapes" },
    { "return { a = 1", "',' or '}' was expected, not the end of the text" },
    { "return " .. ("{"):rep(200000), "no more than 20 tables in each other" },
    { "", "'return { … }' was expected, not the end of the text" },
    { "\27LuaT\0\0", "'return { … }' was expected" },
  }
  for _, case in ipairs(cases) do
    local value, message = data.read(case[1])
    test.equal(value, nil)
    test.contains(message, case[2])
  end
end

test["whatever is read as Lua data means the same to Lua itself; what Lua refuses is never read"] = function()
  local seed = 1
  local function random(n)
    seed = (seed * 1103515245 + 12345) & 0x7fffffff
    return (seed >> 8) % n + 1
  end
  local atoms = { "1", "-2.5", "0x1F", "1e3", "true", "false", '"a\\n\\"b"', "'x'", "[[l\n]]", "[==[q]]]==]",
    '"\\u{e4}\\z  x"', "nil", "x", "f()", "1..2", '"\\q"' }
  local names = { "", "", "a = ", "b = ", "[1] = ", '["c d"] = ', "[true] = ", "end = ", "[[k]] = ", "_x1 =" }
  local between = { ",", ";", " , --[[ c ]]", ",\n-- c\n", "", ",," }
  local function text(depth)
    local parts = {}
    for i = 1, random(4) - 1 do
      local value = depth > 0 and random(4) == 1 and text(depth - 1) or atoms[random(random(3) == 1 and #atoms or 11)]
      parts[i] = names[random(random(3) == 1 and #names or 5)] .. value .. between[random(random(4) == 1 and #between or 4)]
    end
    return "{" .. table.concat(parts, " ") .. "}"
  end
  local accepted = 0
  for _ = 1, 3000 do
    local source = "return " .. text(3)
    local value = data.read(source)
    if value then
      accepted = accepted + 1
      local chunk = load(source, "=data", "t", {})
      test.truthy(chunk, source)
      test.equal({ source, value }, { source, chunk() })
    end
  end
  test.truthy(accepted > 300 and accepted < 3000)
end

-- Files --------------------------------------------------------------------------------------------------------------------

test["a file of arguments that cannot be read names itself, and what is wrong"] = function()
  local cases = {
    { "[ 1 ]", "it is a list" }, { "{ cluster = 1 }", "line 1, column 3" }, { "7", "'return { … }' was expected" },
    { '{ "cluster": "x", }', "line 1" }, { "return { run() }", "not 'run'" },
  }
  for _, case in ipairs(cases) do
    local path = written(case[1])
    local raised = test.raises(function() sources.file(path) end, case[2])
    test.contains(tostring(raised), ("--args '%s' is neither a JSON object nor Lua data"):format(path))
    test.equal(failure.status(raised), 2)
  end
  test.raises(function() sources.file(written("return { a = '" .. ("x"):rep(1 << 20) .. "' }")) end, "cannot read --args")
  test.raises(function() sources.file "/nowhere.lua" end, "/nowhere.lua")
end

test["what --save-args writes is what --args reads, and is for the user alone"] = function()
  local values = { cluster = "orders", admin = { "arn:aws:iam::210987654321:role/x", "y" }, rotation = 90, enable = false, note = "ä \"quoted\"\n" }
  local _, given = arguments.resolve(specifications(), { { origin = "flags", values = values } })
  local path = test.directory() .. "/saved"
  sources.save(path, given)
  local again, read = arguments.resolve(specifications(), { { origin = path, values = sources.file(path) } })
  test.equal({ read, again }, { values, values })
  test.equal(file.stat(path).mode, 384)   -- 0600
  sources.save(path, {})
  test.equal(sources.file(path), {})
end

-- Every source has every type ------------------------------------------------------------------------------------------------

test["lists, numbers and truths come from flags, environment and files alike"] = function()
  local function got(origin, values) return (arguments.resolve(specifications(), { { origin = origin, values = values } })) end
  local want = { cluster = "x", admin = { "a", "b" }, rotation = 90, enable = true }
  test.equal(got("flags", { cluster = "x", admin = { "a", "b" }, rotation = "90", enable = true }), want)
  test.equal(got("environment", { cluster = "x", admin = "a, b", rotation = "90", enable = "YES" }), want)
  test.equal(got("environment", { cluster = "x", admin = ' ["a","b"]', rotation = "90", enable = "1" }), want)
  test.equal(got("f.json", { cluster = "x", admin = { "a", "b" }, rotation = 90, enable = true }), want)
  test.equal(got("f.json", { cluster = "x", admin = "a", rotation = "90", enable = "no" }),
    { cluster = "x", admin = { "a" }, rotation = 90, enable = false })
end

test["what has the wrong type names its flag, its variable or its file"] = function()
  local function resolve(origin, values)
    values.cluster = values.cluster or "x"
    return function() arguments.resolve(specifications(), { { origin = origin, values = values } }) end
  end
  test.raises(resolve("environment", { rotation = "soon" }), "CMEK_ARG_ROTATION must be a whole number, not 'soon'")
  test.raises(resolve("environment", { enable = "perhaps" }), "CMEK_ARG_ENABLE must be true or false, not 'perhaps'")
  test.raises(resolve("environment", { admin = '["a"' }), "CMEK_ARG_ADMIN is no JSON list")
  test.raises(resolve("f.json", { rotation = 90.5 }), "rotation (f.json) must be a whole number, not '90.5'")
  test.raises(resolve("f.json", { note = { "a" } }), "note (f.json) must be a text, not '[\"a\"]'")
  test.raises(resolve("f.json", { note = json.null }), "note (f.json) must be a text, not 'null'")
  test.raises(resolve("f.json", { admin = { a = 1 } }), "admin (f.json) must be a list, not an object")
  test.raises(resolve("f.json", { admin = { "a", 1 } }), "admin (f.json) must be a text, not '1'")
end

-- Secrets ------------------------------------------------------------------------------------------------------------------

-- Put together here, so that no file of this project has what looks like a secret.
local SECRETS <const> = {
  ["an API key of CockroachDB Cloud"] = "CCDB1_" .. ("aB3"):rep(9),
  ["a secret access key of AWS"] = ("wJ4r/tU+"):rep(5),
  ["a session token of AWS"] = "IQoJb3JpZ2lu" .. ("aB3/"):rep(30),
  ["a Vault token"] = "hvs." .. ("aB3"):rep(8),
  ["a private key"] = "-----BEGIN RSA " .. "PRIVATE KEY-----\nabc",
  ["a JWT"] = "eyJhbGci." .. "eyJzdWIi.abc",
}

test["what looks like a secret is refused by its name, in flag, variable and file, and is not shown"] = function()
  for kind, secret in require("sorted")(SECRETS) do
    local cases = {
      { "flags", { note = secret }, "--note looks like " .. kind }, { "flags", { admin = { "x", secret } }, "--admin looks like " .. kind },
      { "environment", { cluster = secret }, "CMEK_ARG_CLUSTER looks like " .. kind },
      { "a.json", { rotation = secret }, "rotation (a.json) looks like " .. kind },
      { "a.json", { note = { x = { secret } } }, "note (a.json) looks like " .. kind },
      { "a.json", { [secret] = 1 }, "a.json: unknown argument " .. kind },
    }
    for _, case in ipairs(cases) do
      case[2].cluster = case[2].cluster or "x"
      local raised = test.raises(function() arguments.resolve(specifications(), { { origin = case[1], values = case[2] } }) end, case[3])
      test.equal(tostring(raised):find(secret:sub(5, 20), 1, true), nil)
      test.equal(failure.status(raised), 2)
    end
    local _, message = data.read("return { note = " .. secret .. " }")   -- forgotten quotes
    test.equal(message:find(secret:sub(5, 20), 1, true), nil)
  end
end

test["what only resembles a secret is an argument: ARNs, hashes, UUIDs, names"] = function()
  for _, plain in ipairs { "arn:aws:iam::210987654321:role/crdb-cmek-orders-0f2c6e9d41b7", "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "8b6d7a10-4c1e-4b7a-9a53-0f2c6e9d41b7", "s.orders", "crdb-cmek-production-orders-0f2c6e9d41b7", "cost-center=4711" } do
    local got = arguments.resolve(specifications(), { { origin = "flags", values = { cluster = plain } } })
    test.equal(got.cluster, plain)
  end
end

-- Which source was heard ---------------------------------------------------------------------------------------------------

test["--explain-args tells each argument's value, where it is from and what it was preferred to, and asks no service"] = function()
  local text, status = shell [[
    echo 'return { cluster = "from-file", rotation = 180, admin = { "arn:aws:iam::210987654321:role/x" } }' > a.lua
    export CMEK_ARG_ROTATION=90; "$CMEK" plan console --args a.lua --cluster from-flag --explain-args]]
  test.equal(status, 0)
  test.matches(text, "cluster +from%-flag +flag %-%-cluster +from%-file %(file a.lua%)")
  test.matches(text, "rotation +90 +variable CMEK_ARG_ROTATION +180 %(file a.lua%)")
  test.matches(text, "admin +%[\"arn:aws:iam::210987654321:role/x\"%] +file a.lua")
  test.matches(text, "role +%(told by the cluster%) +default")
  local document
  document, status = shell '"$CMEK" plan console --rotation 90 --explain-args --json'
  document = assert(json.decode(document))
  test.equal({ status, document.schema, #document.hash }, { 0, "cmek.arguments/1", 64 })
  test.equal(document.arguments[1], { name = "cluster", value = json.null, note = "missing", from = { kind = "default" }, over = json.array {} })
  local complaint = dofile("tests/json_schema.lua").complaint
  test.equal(complaint(document), nil)
  document.arguments[1].from.kind = "elsewhere"   -- the control
  test.truthy(complaint(document))
end

test["a variable that is called like an argument and is misspelt is told, one of another recipe is not"] = function()
  local output, status = shell 'export CMEK_ARG_ROTATOIN=90 CMEK_ARG_FLAVOUR=x; "$CMEK" plan console --cluster x --explain-args'
  test.equal(status, 0)
  test.contains(output, "CMEK_ARG_ROTATOIN is of no argument of the recipe 'console'; did you mean CMEK_ARG_ROTATION?")
  test.equal(output:find("FLAVOUR", 1, true), nil)
end

test["a bad file of arguments ends the command with 2 before anything is asked"] = function()
  local cases = { "return { cluster = 'x', clutser = 'y' }", "return { cluster = io.read() }", "while true do end",
    "return { cluster = 'x', role = 'CCDB1_" .. "abc' }" }
  for _, text in ipairs(cases) do
    local output, status = shell(("printf '%%s' '%s' > a.lua; \"$CMEK\" run console --args a.lua --yes"):format(text:gsub("'", '"')))
    test.equal(status, 2)
    test.contains(output, "a.lua")
  end
end

test["the journal holds the arguments that were given, the recipe's name and hash, and cmek's version"] = function()
  local output, status, directory = shell [["$CMEK" sim -- "$CMEK" run console --cluster orders-one --rotation 120 --yes --save-args saved --journal j
    cat j/*.jsonl | head -1 > begin; "$CMEK" plan console --args saved --explain-args]]
  test.equal(status, 0)
  test.matches(output, "rotation +120 +file saved")
  local begin = assert(json.decode((file.read(directory .. "/begin"))))
  test.equal(begin.arguments, { cluster = "orders-one", rotation = 120 })
  test.equal({ begin.recipe, begin.version, #begin.hash }, { "console", require "version", 64 })
end
