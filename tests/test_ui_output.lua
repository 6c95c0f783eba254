-- stdout and stderr from outside: the result on one, everything else on the other, and a stdout that takes nothing.
local json = require "json"
local outside = dofile "tests/outside.lua"

local RUN <const> = '"$CMEK" run console --cluster orders --yes'

test["the result is on stdout, plan and progress on stderr"] = function()
  local result = outside.simulated(RUN)
  test.equal(result.status, 0)
  test.matches(result.output, "^region +key +role\n")
  test.contains(result.output, "\nDone: 4 created, 0 changed, 0 deleted (run ")
  test.contains(result.errors, "\nPlan: 4 to create, 0 to change, 0 to delete\n")
  test.contains(result.errors, "\n  ✓ role ")
  test.truthy(not result.output:find("✓", 1, true) and not result.errors:find("region_specs", 1, true))
end

test["there is no control character in either, where neither is a terminal"] = function()
  local result = outside.simulated(RUN .. ' --enable --confirm orders; "$CMEK" verify --cluster orders; "$CMEK" status; "$CMEK" plan nothing')
  test.truthy(not result.text:find "[\0-\8\11-\31\127]")
end

test["under --json stdout holds one document, whatever the command comes to"] = function()
  for _, case in ipairs {
    { "run console --cluster orders --yes", 0, "cmek.run/1" }, { "run console --cluster orders", 1, "cmek.run/1" },
    { "plan console --cluster orders --requests", 0, "cmek.plan/1" }, { "plan console --cluster nothing", 1, "cmek.error/1" },
    { "verify --cluster orders", 6, "cmek.verify/1" }, { "plan console --clutser x", 2, "cmek.error/1" }, { "status", 0, "cmek.status/1" },
    { "help man", 0, "cmek.help/1" }, { "completion bash", 0, "cmek.help/1" }, { "run console --cluster orders-gcp --yes", 1, "cmek.error/1" },
  } do
    local result = outside.simulated('"$CMEK" ' .. case[1] .. " --json")
    local document = assert(json.decode(result.output), case[1])
    test.equal({ case[1], result.status, document.schema }, { case[1], case[2], case[3] })
  end
end

test["a stdout that takes nothing is an exit status other than 0, and is said"] = function()
  for _, words in ipairs { "version", "help", "help json plan", "plan console --cluster orders", "plan console --cluster orders --json",
    "status --json=lines", "recipes show console", "completion bash" } do
    local result = outside.simulated('"$CMEK" ' .. words .. " > /dev/full")
    test.equal({ words, result.status }, { words, 1 })
    test.contains(result.errors, "cmek: cannot write to stdout: No space left on device: the result is not complete\n")
  end
  test.equal(outside.simulated('"$CMEK" plan nothing --json > /dev/full').status, 2)   -- what went wrong before keeps its own
end

test["a reader that goes away does not end a run in the middle"] = function()
  local result = outside.simulated("(" .. RUN .. ' --json=lines; echo "status $?" >&2) | head -n 1; "$CMEK" runs --json')
  test.contains(result.errors, "status 1")
  test.contains(result.errors, "cannot write to stdout: Broken pipe")
  test.contains(result.output, '"status": "done"')
  test.equal(result:writes "CreateKey", 3)
end

test["a full disk under the run's report leaves the run done, and says so"] = function()
  local result = outside.simulated(RUN .. ' > /dev/full; echo "status $?" >&2; "$CMEK" runs')
  test.contains(result.errors, "status 1")
  test.matches(result.output, " console +orders +done\n")
end

test["a failure after the document adds no second one"] = function()
  local written = ""
  local output = require("ui.output").new { json = "document", environment = function() end, terminal = {
    is_terminal = function() return false end, write = function(text) written = written .. text return true end } }
  output:document { schema = "cmek.plan/1" }
  output:document { schema = "cmek.error/1" }
  test.equal(json.decode(written).schema, "cmek.plan/1")
end

test["what cannot be written stops nothing, and nothing more is written"] = function()
  local tries = 0
  local output = require("ui.output").new { environment = function() end, terminal = {
    is_terminal = function() return false end, write = function() tries = tries + 1 return nil, "cannot write to stdout: full" end } }
  output:result "a"
  output:result "b"
  test.equal({ tries, output.broken }, { 1, "cannot write to stdout: full" })
end

-- A stand-in for a terminal that shows colours, and what was written to it.
local function at_terminal()
  local written = { out = "", err = "" }
  local output = require("ui.output").new { environment = function() end, terminal = {
    is_terminal = function() return true end, width = function() return 80 end,
    write = function(text) written.out = written.out .. text return true end,
    write_error = function(text) written.err = written.err .. text return true end } }
  return output, written
end

test["what a recipe or a service says moves no cursor, hides nothing and turns no order, on a terminal either"] = function()
  for _, evil in ipairs { "\27[3A", "\27[2K", "\27[J", "\27[8m", "\27]0;x\7", "\rover", "\8", "\27[1;2H", "\xC2\x9B2J", "\xE2\x80\xAE",
    "\xE2\x81\xA6", "\1[3A", "\1[32m" } do
    for _, way in ipairs { "note", "result", "print" } do
      local output, written = at_terminal()
      output[way](output, "a" .. evil .. "b\n")
      local text = written.out .. written.err
      test.truthy(not text:find "[\0-\8\11-\31\127]" and not text:find "\xC2[\x80-\x9F]" and not text:find "\xE2[\x80\x81][\xA6-\xAE]",
        ("%s lets %q through: %q"):format(way, evil, text))
    end
  end
  local output, written = at_terminal()   -- the control
  output:note(output:paint("green", "✓") .. " Zürich\t…\n")
  test.equal(written.err, "\27[32m✓\27[0m Zürich\t…\n")
end

test["a script prints bytes as they are where nobody looks, and tamed at a terminal"] = function()
  local path = test.directory() .. "/s.lua"
  assert(require("file").write(path, 'print("a\\27]0;x\\7\\0b")'))
  test.equal(outside.simulated('"$CMEK" exec ' .. path).output, "a\27]0;x\7\0b\n")
  local output, written = at_terminal()
  output:print "a\27]0;x\7\0b\n"
  test.equal(written.out, "a?]0;x??b\n")
end
