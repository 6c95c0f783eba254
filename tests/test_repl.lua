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
  test.contains(select(2, loaded '"no end'), "unfinished string")
  local _, message = loaded "for for"
  test.contains(message, "prompt:1: ")
end

test["a text of blanks and remarks says nothing"] = function()
  test.truthy(chunks.is_blank "  -- nothing")
  test.truthy(not chunks.is_blank "x -- something")
end

-- Printing ---------------------------------------------------------------------------------------------------------

test["tables are sorted and indented, small ones stand in one line"] = function()
  test.equal(show.render { b = 2, a = { 1, "two" }, ["not a name"] = true, ["end"] = 1 },
    '{ a = { 1, "two" }, b = 2, ["end"] = 1, ["not a name"] = true }')
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

test["a secret is printed as stars wherever it stands"] = function()
  local kept = secret.new("correct horse", "vault")
  local meta = { __tostring = function() return "holds " .. tostring(kept) end, __index = { inner = kept }, __name = "Holder" }
  for _, value in ipairs { { { deep = { kept } } }, { [kept] = 1 }, setmetatable({}, meta), setmetatable({ kept }, { __index = kept }),
    { { name = "a", key = kept }, { name = "b", key = kept } }, { function() return kept end } } do
    local text = show.render(value, { width = 80 })
    test.truthy(not text:find "horse", text)
  end
  test.equal(show.render { [kept] = kept }, "{ [****] = **** }")
  test.equal(show.render { { name = "a", key = kept }, { name = "b" } }, "name  key\na     ****\nb")
  test.equal(trouble.text { kept }, "raised { **** }")
end

test["what would steer a terminal is written out"] = function()
  test.equal(show.render { "\27[2J\0" }, [[{ "\027[2J\000" }]])
end

test["whatever a metatable does, the table is printed"] = function()
  local function bad() error "not this" end
  local metas = { { __tostring = bad }, { __tostring = function() return {} end }, { __tostring = coroutine.yield }, { __name = "\27[2J" },
    { __index = bad, __len = bad, __eq = bad, __lt = bad, __pairs = bad, __concat = bad, __metatable = "none" } }
  for _, meta in ipairs(metas) do
    test.equal(show.render { setmetatable({ 1, x = 2 }, meta) }, "{ { [1] = 1, x = 2 } }")
    test.equal(show.render({ setmetatable({ x = 1 }, meta), { x = 2 } }, { width = 80 }), "x\n1\n2")
  end
  test.equal(show.render { setmetatable({}, { __tostring = function() return "two\nlines" end }) }, "{\n  two\n  lines,\n}")
end

test["a table that holds another many times is printed in time, and so is a long one"] = function()
  local wide = { 1 }
  for _ = 1, 8 do wide = { wide, wide, wide, wide, wide, wide, wide, wide } end
  test.matches(show.render(wide), "…,\n")
  local deep = { 1 }
  for _ = 1, 30 do deep = { deep } end
  test.contains(show.render(deep), "{…}")
  local long = {}
  for i = 1, 100000 do long[i] = i end
  test.equal(select(2, show.render(long):gsub("\n", "")), 100001)
end

test["a number is told from every other, a text that is none from what is"] = function()
  test.equal(show.render { 0.1, 0.1 + 0.2, 2 ^ 53, 1e300, 1 / 0, 0 / 0 },
    "{ 0.1, 0.30000000000000004, 9007199254740992.0, 1e+300, inf, nan }")
  test.equal(show.render "\255é\200\0\u{9B}2J\u{202E}\u{200B}\r", '"\\255é\\200\\000\\u{9B}2J\\u{202E}\\u{200B}\\r"')
  test.equal(show.render({ { name = "a\27[2J\n" }, { name = "\255" } }, { width = 80 }), "name\na\\027[2J\\n\n\\255")
end

test["functions and tables of the library are printed by what they are"] = function()
  local result = piped "kms\nkms.list_keys\nprint\n{ policy }\nfunction f() end\nf"
  test.equal(result.output, [[
<kms: AWS KMS: keys and aliases of a region; ?kms lists what it has>
<function kms.list_keys { region, ResourceOwners? }; ?kms.list_keys tells more>
<function print(...); ?print tells more>
{
  <policy: IAM policy documents: made, compared by meaning, evaluated; ?policy lists what it has>,
}
<function>
]])
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

test["an error shows its line with a marker, and its place where it is not the chunk that was typed last"] = function()
  local told = require("located").of("chunk 2:2: 'nosuch' is unknown here", { sources = { ["chunk 2"] = "local x = 1\nlocal y = nosuch.field" },
    script = true })
  local words = "'nosuch' is unknown here\n  2 | local y = nosuch.field\n    |           ^^^^^^"
  test.equal(trouble.text(told, "chunk 2"), words)
  test.equal(trouble.text(told, "chunk 3"), "chunk 2:2: " .. words)
  test.equal(trouble.text(told), "chunk 2:2: " .. words)
end

test["what a chunk raises of its own is shown as what it is"] = function()
  test.equal(trouble.text { code = 3 }, "raised { code = 3 }")
end

-- The terminal -----------------------------------------------------------------------------------------------------

test["TAB completes fields and commands, and lists what there is where several may follow"] = function()
  local names = { names = { kms = { describe_key = print, list_keys = print, list_aliases = print }, known = 1 },
    commands = require("repl.commands").known() }
  test.equal({ edited.tab("kms.desc", "", names, 80) }, { 4, "describe_key" })
  test.equal({ edited.tab("if x then\n  y = kms.li", "", names, 80) }, { 2, "list_" })
  local _, inserted, below = edited.tab("x = kms.list_", "", names, 40)
  test.equal(inserted, "")
  test.matches(below, "^  list_aliases +kms.list_aliases[^\n]*…\r\n")
  test.equal({ edited.tab("nosuch.x", "", names, 80) }, { 0 })
  test.equal({ edited.tab(":allow", "", names, 80) }, { 6, ":allow-writes" })
  test.equal({ edited.tab("  ", "", names, 80) }, { 0, "  " })
end

test["names of one kind are listed in columns, as many as fit"] = function()
  local cache = require("repl.names_cache").new()
  cache:add("cluster", "", { "one", "two", "three", "four", "five" })
  local world = { names = {}, live = cache }
  local function below(width) return (select(3, edited.tab('cloud.cluster "', "", world, width)):gsub("\r", "")) end
  test.equal(below(80), "  five  four  one  three  two\n")
  test.equal(below(24), "  five  one    two\n  four  three\n")
  test.equal(below(8), "  five\n  four\n  one\n  three\n  two\n")
end

test["TAB ends a text that can be but one, and no text that may go on or has its end"] = function()
  local world = { names = {}, list = function(directory) return directory == "." and { "mine.lua", "other" } or {} end }
  test.equal({ edited.tab('plan("cons', "", world, 80) }, { 4, 'console"' })
  test.equal({ edited.tab("plan('console", "", world, 80) }, { 7, "console'" })
  test.equal({ edited.tab('plan("cons', '")', world, 80) }, { 4, "console" })
  test.equal({ edited.tab('plan("console', '")', world, 80) }, { 0 })
  test.equal({ edited.tab('plan("va', "", world, 80) }, { 2, "vault" })
  test.equal({ edited.tab("plan([[cons", "", world, 80) }, { 4, "console" })
end

test["Enter goes on in a new line where lines are missing, and there alone"] = function()
  for _, text in ipairs { "for i = 1, 2 do", "f {", "x = [[", ":time for i = 1, 2 do", "-- a remark\nif x then" } do
    test.truthy(edited.is_open(text), text)
  end
  for _, text in ipairs { "", "  -- a remark", "1 + 1", "x = = 1", "?kms.create_key", ":save (", ":time f()" } do
    test.truthy(not edited.is_open(text), text)
  end
end

test["lines that are pasted together are one chunk where they can be one, and else run one after the other"] = function()
  for _, text in ipairs { "a = 1", "a = 1\nb = 2", "for i = 1, 2 do\n  f(i)\nend", "f {\n  1,", "a = 1\nb = = 2\nc = 3", "1 +\n2" } do
    test.equal(edited.apart(text), nil)
  end
  test.equal(edited.apart "1 + 1\nfor i = 1, 2 do\n  f(i)\nend\n:time f()\n?f\nf {",
    { "1 + 1", "for i = 1, 2 do\n  f(i)\nend", ":time f()", "?f", "f {" })
end

test["what the call takes is shown while it is typed, in one row, also what a command of the prompt takes"] = function()
  local world = { names = {}, commands = require("repl.commands").known() }
  test.equal(edited.hint("kms.describe_key { Key", world, 80), "  kms.describe_key { region?, KeyId, GrantTokens? }")
  test.equal(edited.hint("kms.describe_key { Key", world, 24), "  kms.describe_key { r…")
  test.equal(edited.hint("x = {\n  kms.describe_key { KeyId = ", world, 80), "  kms.describe_key KeyId: string")
  test.equal(edited.hint(":time kms.describe_key { KeyId = ", world, 80), "  kms.describe_key KeyId: string")
  test.equal(edited.hint(":save x", world, 80), "  :save FILE  what was printed last, into a file")
  for _, text in ipairs { "", "x = 1", "kms.describe_key { KeyId = 'x' }", "kms.describe_key", ":nosuch", "-- f(", "nosuch(" } do
    test.equal(edited.hint(text, world, 80), nil)
  end
end

test["the history is the owner's alone, an entry a chunk, and holds nothing that looks like a secret"] = function()
  local path = test.directory() .. "/state/history"
  local kept = secret.new("correct horse", "vault")
  test.truthy(history.add(path, "for i = 1, 2 do\n  print(i)\nend"))
  for _, text in ipairs { 'x = "CCDB1_abcdefgh"',
    "token=hvs.CAESIabcdefgh", 'f{key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}', "'correct horse'",
    'vault.write("secret/x", { password = "hunter2" })', "token = 'abc'", '{ ["client-secret"] = "abc" }', 'x = "{\\"api_key\\": \\"abc\\"}"',
    "DB_PASSWORD=[[hunter2]]" } do
    test.truthy(not history.add(path, text), text)
  end
  for _, text in ipairs { "token = nil", "x.password", 'kms.list_keys { NextToken = "abc" }', 'secret_name = "orders"', "tokens = { 1 }" } do
    test.truthy(history.harmless(text), text)
  end
  test.equal(tostring(kept), "****")
  test.equal(history.read(path), { "for i = 1, 2 do\n  print(i)\nend" })
  test.equal(file.stat(path).mode & 511, 384)
end

test["a history that has grown long goes on in a new file, and nothing that prompts add meanwhile is lost"] = function()
  local path = test.directory() .. "/history"
  for i = 1, 2001 do history.add(path, ("x = %d"):format(i)) end
  test.equal(#history.read(path), 2000)
  test.equal(file.stat(path), nil)
  history.add(path, "x = 2002")
  local entries = history.read(path)
  test.equal({ #entries, entries[1], entries[2000] }, { 2000, "x = 3", "x = 2002" })
  test.equal(#history.read(path), 2000)
  test.truthy(file.stat(path), "a short file stays where it is")
end

-- The program, through a pipe --------------------------------------------------------------------------------------

test["a script on stdin prints expressions, takes chunks of several lines, and ends at the first error with 1"] = function()
  local result = piped '1 + 1\nfor i = 1, 2 do\nprint("line", i)\nend\ncloud.organization().name\n_\n_1\nnosuch()\nprint "not reached"'
  test.equal(result.status, 1)
  test.equal(result.output, '2\nline\t1\nline\t2\n"Example Co"\n"Example Co"\n2\n')
  test.contains(result.errors, "cmek: stdin:8: 'nosuch' is unknown here")
  test.contains(result.errors, "8 | nosuch()\n")
end

test["what the library says of a chunk is told by its line as well, with what was meant"] = function()
  local function errors(line) return piped("1\n" .. line).errors end
  test.equal(errors 'kms.lst_keys { region = "us-east-1" }', [[
cmek: stdin:2: kms has no 'lst_keys'; did you mean 'list_keys'?
  2 | kms.lst_keys { region = "us-east-1" }
    |     ^^^^^^^^
]])
  test.equal(errors 'kms.list_keys { rgion = "us-east-1" }', [[
cmek: stdin:2: kms.list_keys has no field 'rgion'; did you mean 'region'?
  2 | kms.list_keys { rgion = "us-east-1" }
    |                 ^^^^^
]])
  test.contains(errors "x = {}\nx.a.b = 1", "stdin:3: field 'a' is nil here, and has no fields\n  3 | x.a.b = 1\n    |   ^\n")
  test.contains(errors "function f() return nil + 1 end\n\nf()", "stdin:2: attempt to perform arithmetic")
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
  test.contains(result.errors, "may only read\n  2 | kms.create_key")
  test.contains(result.errors, "\nnext: cmek exec --write FILE")
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

test["the prompt of a recipe has its arguments, and plan() is of it"] = function()
  local result = outside.simulated [[printf "%s\n" arg.cluster "plan()" | $CMEK repl console --cluster orders-one]]
  test.equal(result.status, 0)
  test.contains(result.output, '"orders-one"\nAWS account')
  test.contains(result.output, "Plan: 2 to create")
end

test["what was typed is saved as a recipe that can be planned"] = function()
  local result = outside.simulated [[printf "%s\n" "c = read(\"cluster\", \"orders-one\")" "c.name" "for i = 1, 2 do" "  say(c.name .. i)" "end" \
    ":save-recipe $D/mine.lua" | $CMEK repl && $CMEK plan $D/mine.lua]]
  test.equal(result.status, 0)
  test.contains(result.errors, "orders-one2")
  test.matches(result.errors, "/mine%.lua written; cmek recipes check /[^ ]*/mine%.lua says what is still to be done to it\n")
  test.contains(result.output, "Plan: 0 to create")
end

test["what is global in a chunk of several statements is local in the recipe that is saved, functions too"] = function()
  local result = outside.simulated [[printf "%s\n" "function twice(x)" "  return 2 * x" "end" "do a = 1" "end" "b = 2" "b = twice(b)" \
    ":save-recipe $D/mine.lua" | $CMEK repl && cat $D/mine.lua && $CMEK plan $D/mine.lua]]
  test.contains(result.output, "    local function twice(x)\n      return 2 * x\n    end\n")
  test.contains(result.output, "    local b = 2\n    b = twice(b)\n")
  local text = require("repl.chunk").parts "a = 1\nfor i = 1, 2 do\n  b = i\nend\nf {"
  test.equal(text, { "a = 1", "for i = 1, 2 do\n  b = i\nend", "f {" })
end

test[":time says how long a chunk took, :trace what was asked, without what was sent"] = function()
  local result = piped ':trace on\n:time #kms.list_keys { region = "us-west-2" }.Keys\n:trace off\n#kms.list_keys { region = "us-west-2" }.Keys'
  test.equal(result.output, "0\n0\n")
  test.matches(result.errors, "^  aws kms ListKeys us%-west%-2: 200, %d+ ms\n%d+%.%d+ s\n$")
end

-- The program, at a terminal that moves no cursor ----------------------------------------------------------------------

local function typed(lines, environment, around)
  if not os.execute "command -v script >/dev/null" then test.skip "no program `script`" end
  local directory = test.directory()
  assert(file.write(directory .. "/typed", lines .. "\n:quit\n"))
  local result = outside.simulated([[TERM=dumb script -qec "]] .. (around or "") .. [[ $CMEK repl; echo status \$?" /dev/null <$D/typed; $CMEK runs]],
    { directory = directory, environment = environment })
  return (result.output:gsub("\r", "")), result
end

test["who declines at the terminal has a prompt that reads; who agrees has one that writes, makes what is missing and is journaled"] = function()
  local ENSURE <const> = [[
c = read("cluster", "orders-one")
ensure("role", { cluster = c, trust = policy.cross_account { account_id = c.account_id, external_id = cloud.organization().id } }).name]]
  local output, result = typed(":allow-writes\nn\n" .. ENSURE)
  test.contains(output, "cmek: letting the prompt write: declined")
  test.truthy(not output:find "write> ")
  test.equal(calls(result, "CreateRole"), 0)
  test.equal(result.status, 0)
  output, result = typed(":allow-writes\ny\n" .. ENSURE .. "\nkms.schedule_key_deletion { region = 'us-east-1', KeyId = 'x' }")
  test.equal(calls(result, "CreateRole"), 1)
  test.contains(output, "us-east-1 write> ")
  test.contains(output, "may only create and update")
  test.matches(output, "prompt +done")
  test.truthy(not output:find "\27", "a terminal that moves no cursor gets no sequence")
end

test["an error ends the chunk and not the prompt, and says what to type"] = function()
  local output, result = typed 'kms.create_key { region = "us-east-1" }\n1 + nil\n1 + 1'
  test.equal(result.status, 0)
  test.contains(output, "may only read\nnext: :allow-writes lets this prompt write, once you agree")
  test.contains(output, "attempt to perform arithmetic on a nil value\n  1 | 1 + nil\n    | ^^^^^^^\n")
  test.contains(output, "read> 2\n")
end

test["help shows the source's own comments, a topic, or what the prompt knows"] = function()
  local result = piped "help(kms.create_key)\n?policy.cmek\n:help rotating\n:help\nhelp(1)"
  test.contains(result.output, "kms.create_key { region, ")
  test.contains(result.output, "policy.cmek")
  test.contains(result.output, "cmek run rotate --cluster X")
  test.contains(result.output, ":save-recipe FILE")
  test.contains(result.errors, "cmek: there is no help on 1\nnext: ")
  test.contains(piped("?kms.create_kye").errors, "there is no help on 'kms.create_kye'; did you mean kms.create_key?")
  result = piped "help(task.map)\nhelp(policy.cmek)\nhelp(policy.evaluate)\nhelp(json.encode)\nhelp(string.format)\nhelp(pairs)"
  for _, signature in ipairs { "task.map(list, fn)", "policy.cmek(options)", "policy.evaluate(request)", "json.encode(value, options?)",
    "string.format", "pairs(t)" } do test.contains("\n" .. result.output, "\n" .. signature .. "\n") end
end

test["what computes without an end is ended, each time, and the prompt goes on"] = function()
  local output, result = typed("while true do end\npcall(function() while true do end end)\n#plan(\"console\", { cluster = \"orders-one\" }).steps",
    { CMEK_COMPUTING_MAX = "0.4" })
  test.equal(result.status, 0)
  test.equal(select(2, output:gsub("it computed for 0.4 s", "")), 2)
  test.contains(output, "read> 2\n")
end

test["what computes is ended when the terminal goes away, or when the prompt is asked to end"] = function()
  for signal, status in pairs { HUP = 129, TERM = 143 } do   -- order cannot be seen
    local output = typed("while true do end", { CMEK_COMPUTING_MAX = "15" }, "timeout --foreground --preserve-status -s " .. signal .. " 1")
    test.contains(output, "status " .. status)
    test.truthy(not output:find "it computed", output)
  end
end

test["a prompt has no --json"] = function()
  local result = outside.simulated "$CMEK repl --json </dev/null"
  test.equal(result.status, 2)
  test.contains(result.errors, "a prompt has no --json")
end

test["Vault is read by path, as its own command line does it"] = function()
  local result = piped ':trace on\nvault.read("sys/mounts")["sys/"].type\nvault.read "transit/export/encryption-key/x"'
  test.equal(result.output, '"system"\n')
  test.contains(result.errors, "vault GET sys mounts: 200")
  test.contains(result.errors, "may only read")
end
