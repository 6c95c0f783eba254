-- The prompt: chunks, what is printed, what goes wrong, and the program driven through a pipe.
local chunks = require "repl.chunk"
local edited = require "repl.edited"
local file = require "file"
local history = require "repl.history"
local outside = dofile "tests/outside.lua"
local secret = require "secret"
local show = require "repl.show"
local trouble = require "repl.trouble"

local function loaded(text) return chunks.load(text, "prompt", {}) end

--- What the prompt does with these lines, against the simulated services: its output, errors and exit status, and the log of requests.
local function piped(lines, options)
  return outside.simulated("$CMEK repl <<\"END\"\n" .. lines .. "\nEND\n", options)
end

local function calls(result, operation)
  local number = 0
  for _, entry in ipairs(result.log) do
    if entry.operation == operation then number = number + 1 end
  end
  return number
end

-- Chunks -----------------------------------------------------------------------------------------------------------

test["an expression needs no return, a statement none"] = function()
  test.equal(loaded "1 + 1"(), 2)
  test.equal(loaded "return 3"(), 3)
  test.equal(select("#", loaded "x = 5"()), 0)
end

test["a chunk whose lines are not all there is neither right nor wrong"] = function()
  for _, text in ipairs { "for i = 1, 2 do", "f(", "x = {", "1 +", "[[text", "--[[ remark", "if x then\n  y()", "function f()" } do
    local chunk, message = loaded(text)
    test.equal(chunk, nil)
    test.equal(message, nil)
  end
  local _, message = loaded "for for"
  test.contains(message, "prompt:1: ")
end

test["a text of blanks and remarks says nothing"] = function()
  test.truthy(chunks.is_blank "  -- nothing")
  test.truthy(not chunks.is_blank "x -- something")
end

-- Printing ---------------------------------------------------------------------------------------------------------

test["tables are sorted and indented, small ones stand in one line"] = function()
  test.equal(show.render { b = 2, a = { 1, "two" }, ["not a name"] = true }, '{ a = { 1, "two" }, b = 2, ["not a name"] = true }')
  local long = ("x"):rep(50)
  test.equal(show.render { b = long, a = { long } }, ('{\n  a = { "%s" },\n  b = "%s",\n}'):format(long, long))
end

test["a table that holds itself is printed, and so is one that stands twice in it"] = function()
  local t, part = { 1 }, { 2 }
  t.me, t.one, t.two = t, part, part
  test.equal(show.render(t), "{ [1] = 1, me = <the table around it>, one = { 2 }, two = { 2 } }")
end

test["a secret is printed as stars"] = function()
  test.equal(show.render { password = secret.new("correct horse", "vault") }, "{ password = **** }")
  test.truthy(not show.render({ secret.new("correct horse", "vault") }):find "horse")
end

test["what would steer a terminal is written out"] = function()
  test.equal(show.render { "\27[2J\0" }, [[{ "\027[2J\000" }]])
end

test["records are a table, whose fields are as many as fit"] = function()
  local list = { { name = "one", count = 1, note = ("n"):rep(40) }, { name = "three", count = 33 } }
  test.equal(show.render(list, { width = 30 }), "name   count  …\none    1\nthree  33")
  test.contains(show.render(list, { width = 80 }), "nnnn")
  test.equal(show.render { { name = "alone" } }, '{ { name = "alone" } }')
end

test["what is higher or wider than the screen is cut, and how much is left is known"] = function()
  local text, left = show.fit("abcdef\nb\nc\nd", 4, 2)
  test.equal(text, "abc…\nb")
  test.equal(left, 2)
end

-- Errors -----------------------------------------------------------------------------------------------------------

test["an error of Lua shows its line with a marker"] = function()
  local chunk = { text = "local x = 1\nlocal y = nosuch.field", name = "prompt", line = 1 }
  test.equal(trouble.text("prompt:2: 'nosuch' is unknown here", chunk, true),
    "'nosuch' is unknown here\n  2 | local y = nosuch.field\n" .. (" "):rep(16) .. "^^^^^^")
end

-- The terminal -----------------------------------------------------------------------------------------------------

test["TAB completes fields and commands, and lists what there is where several may follow"] = function()
  local names = { kms = { describe_key = print, list_keys = print, list_aliases = print }, known = 1 }
  test.equal({ edited.tab("kms.desc", names, 80) }, { 8, "kms.describe_key" })
  test.equal({ edited.tab("x = kms.li", names, 80) }, { 6, "kms.list_" })
  local _, inserted, below = edited.tab("x = kms.list_", names, 80)
  test.equal(inserted, "")
  test.equal(below, "  kms.list_aliases\r\n  kms.list_keys\r\n")
  test.equal({ edited.tab("nosuch.x", names, 80) }, { 0 })
  test.equal({ edited.tab(":allow", names, 80) }, { 6, ":allow-writes" })
  test.equal({ edited.tab("  ", names, 80) }, { 0, "  " })
end

test["the history is the owner's alone, an entry a chunk, and holds nothing that looks like a secret"] = function()
  local path = test.directory() .. "/state/history"
  local kept = secret.new("correct horse", "vault")
  test.truthy(history.add(path, "for i = 1, 2 do\n  print(i)\nend"))
  for _, text in ipairs { 'x = "CCDB1_abcdefgh"',
    "token=hvs.CAESIabcdefgh", 'f{key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}', "'correct horse'" } do
    test.truthy(not history.add(path, text), text)
  end
  test.equal(tostring(kept), "****")
  test.equal(history.read(path), { "for i = 1, 2 do\n  print(i)\nend" })
  test.equal(file.stat(path).mode & 511, 384)
end

-- The program, through a pipe --------------------------------------------------------------------------------------

test["a script on stdin prints expressions, takes chunks of several lines, and ends at the first error with 1"] = function()
  local result = piped '1 + 1\nfor i = 1, 2 do\nprint("line", i)\nend\ncloud.organization().name\n_\n_1\nnosuch()\nprint "not reached"'
  test.equal(result.status, 1)
  test.equal(result.output, '2\nline\t1\nline\t2\n"Example Co"\n"Example Co"\n2\n')
  test.contains(result.errors, "cmek: stdin:8: 'nosuch' is unknown here")
  test.contains(result.errors, "8 | nosuch()\n")
end

test["a script without an error ends with 0, one that is cut off with 1"] = function()
  test.equal(piped("x = 1").status, 0)
  local result = piped "x = 1\nfor i = 1, 2 do"
  test.equal(result.status, 1)
  test.contains(result.errors, "stdin:2: the chunk that begins here is not complete")
end

test["the prompt cannot write, and says how a script could"] = function()
  local result = piped '#kms.list_keys { region = "us-east-1" }.Keys\nkms.create_key { region = "us-east-1" }'
  test.equal(result.output, "0\n")
  test.equal(result.status, 1)
  test.contains(result.errors, "may only read\nnext: cmek exec --write FILE")
  test.equal(calls(result, "CreateKey"), 0)
  test.equal(calls(result, "ListKeys"), 1)
end

test["plan shows what a recipe would do, ensure what it would make, and neither makes it"] = function()
  local result = piped [[
plan("console", { cluster = "orders-one" })
c = read("cluster", "orders-one")
trust = policy.cross_account { account_id = c.account_id, external_id = cloud.organization().id }
r = ensure("role", { cluster = c, trust = trust })
r.arn
_G]]
  test.contains(result.output, "Plan: 2 to create")
  test.matches(result.errors, " %+   role +crdb%-cmek%-orders%-one%-")
  test.contains(result.output, "known after apply")
  test.equal(calls(result, "CreateRole"), 0)
  test.contains(result.errors, "'_G' is unknown here")
end

test["a misspelt command of the prompt is told with what was meant"] = function()
  test.contains(piped(":trase on").errors, "cmek: :trase is no command of the prompt; did you mean :trace?")
end

test["what was printed last can be saved, never over a file that is there"] = function()
  local result = outside.simulated 'printf "%s\\n" :help "1 + 1" ":save $D/out.txt" ":save $D/out.txt" | $CMEK repl'
  test.equal(result.status, 1)
  test.contains(result.errors, "out.txt' is there already")
  test.contains(result.output, ":allow-writes")
  test.equal(file.read(result.directory .. "/out.txt"), "2\n")
end
