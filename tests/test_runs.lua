-- `cmek runs` and `cmek runs show RUN`: what was done, as the journals tell it.
local file = require "file"
local json = require "json"
local json_schema = dofile "tests/json_schema.lua"
local outside = dofile "tests/outside.lua"

local RUN <const> = [["$CMEK" run console --cluster orders --enable --yes --confirm orders >/dev/null 2>&1; ]]
local FIRST <const> = [[$("$CMEK" runs | sed -n 's/^\(2[^ ]*\) .*/\1/p' | head -1)]]   -- the ID of the oldest run

local function document(text)
  local value = assert(json.decode(text))
  test.equal(json_schema.complaint(value), nil)
  return value
end

-- The path of the only journal of a directory.
local function journal_of(directory)
  local folder = directory .. "/state/simulated-runs"
  for _, name in ipairs(file.list(folder)) do
    if name:find "%.jsonl$" then return folder .. "/" .. name end
  end
end

test["runs show says when and by whom, with which recipe and arguments, each write with its outcome and request ID, and the keys"] = function()
  local result = outside.simulated(RUN .. '"$CMEK" runs show ' .. FIRST)
  test.equal(result.status, 0)
  for _, words in ipairs { ": done\n", "recipe        console\n", "by cmek " .. require "version", "arguments     --cluster orders --enable\n",
    "as            arn:aws:iam::210987654321:user/operator (account 210987654321)", "organization  0f4be3a2-6a1c-4d5e-9b7f-2c8d1e6a7f90",
    "and all fit\n", "kms CreateKey us-west-2\n", "kms CreateAlias us-east-1  alias/crdb-cmek-orders-0f2c6e9d41b7-g1\n",
    "\nkeys\n", "alias/crdb-cmek-orders-0f2c6e9d41b7-g1: it has the alias\n" } do
    test.contains(result.output, words)
  end
  local writes, made = 0, {}
  for _ in result.output:gmatch "\n +200 after [%d.]+ m?s" do writes = writes + 1 end
  test.equal(writes, result:writes())
  for _, entry in ipairs(result.log) do made[entry.request_id] = entry.operation end
  for id in result.output:gmatch "request ([%x-]+)\n" do test.truthy(made[id], id .. " is no request of the simulator's log") end
end

test["runs show --json has the same, and the journal line by line"] = function()
  local result = outside.simulated(RUN .. '"$CMEK" runs show --json ' .. FIRST)
  local run = document(result.output)
  test.equal({ run.status, run.recipe, run.aws.account_id, run.chain.whole, run.next }, { "done", "console", "210987654321", true, json.null })
  test.equal({ #run.writes, #run.keys, run.keys[1].result }, { result:writes(), 3, "claimed" })
  test.equal(run.hash, require("recipe").load("console").hash)
  test.equal(#run.entries, run.chain.lines)
end

test["a run that was refused shows the refusal; the command that it prints runs it again"] = function()
  local result = outside.simulated([["$CMEK" run console --cluster orders >/dev/null 2>&1; "$CMEK" runs show ]] .. FIRST)
  test.contains(result.output, ": declined\n")
  test.contains(result.output, "It wrote nothing.")
  test.contains(result.output, "there is no terminal to ask at")
  test.contains(result.output, "to run it again: cmek run console --cluster orders\n")
end

test["a run that died says how to go on, by a command that does it, where its journal is too"] = function()
  local result = outside.simulated([[
    "$CMEK" run console --cluster orders-one --yes --journal $D/runs >/dev/null 2>&1 & killed=$!
    while ! grep -qs CreateKey $D/log; do sleep 0.02; done; kill -9 $killed; wait $killed 2>/dev/null
    id=$("$CMEK" runs --journal $D/runs | sed -n 's/^\(2[^ ]*\) .* unfinished$/\1/p'); "$CMEK" runs show $id --journal $D/runs
    cmek() { "$CMEK" "$@"; }
    eval "$("$CMEK" runs show $id --journal $D/runs | sed -n 's/^to go on: //p') --yes" >/dev/null 2>&1; echo "resume $?"
    "$CMEK" runs show $id --journal $D/runs]], { sim = { "--latency", "40" } })   -- slow enough to be killed on the way
  test.matches(result.output, "to go on: cmek resume 2[%w-]+ %-%-journal /")
  test.contains(result.output, "resume 0\n")
  test.contains(result.output, "taken up again 2")
  test.truthy(result:writes "CreateKey" <= 1)
end

test["files that are no journals, and journals that cannot be read, do not stop the list and are named in it"] = function()
  local result = outside.simulated(RUN .. [[cd $D/state/simulated-runs
    printf 'half a line' >20260101-000000-0000000.jsonl; echo '{"a":1}' >b.jsonl; echo '[1,2]' >c.jsonl; mkdir d.jsonl; echo hello >e.txt
    echo '{"kind":"begin","prev":"","seq":1,"arguments":["x"],"recipe":{},"time":5}' >f.jsonl; head -c 5000 /dev/urandom >g.jsonl
    : >h.jsonl; for id in b c d e f g h nothing ../x; do "$CMEK" runs show $id >$D/shown 2>&1; echo "$id $?"; cat $D/shown >>$D/all; done
    "$CMEK" runs; "$CMEK" runs --json >$D/document]])
  test.matches(result.output, "console +orders +done\n")
  for _, id in ipairs { "20260101-000000-0000000", "b", "c", "d", "g", "h" } do
    test.matches(result.output, "\n" .. id:gsub("%-", "%%-") .. " +unreadable\n")
    test.contains(result.output, "- " .. id .. ": ")
  end
  test.contains(result.output, "b 2\nc 2\nd 2\ne 2\nf 0\ng 2\nh 2\nnothing 2\n../x 2\n")
  outside.plain(result.text .. file.read(result.directory .. "/all"))
  local listed = document(file.read(result.directory .. "/document"))
  test.equal(#listed.runs, 8)
end

test["a journal that somebody changed is told, with the line, and its run is neither listed as done nor resumed"] = function()
  local result = outside.simulated(RUN)
  local path = journal_of(result.directory)
  local text = file.read(path)
  local id = path:match "([^/]+)%.jsonl$"
  local script = ([["$CMEK" runs show %s; echo "show $?"; "$CMEK" runs; "$CMEK" resume %s; echo "resume $?"]]):format(id, id)
  local again = outside.simulated(script, { directory = result.directory })
  test.contains(again.output, "and all fit")   -- the control
  test.contains(again.output, "show 0\n")
  assert(file.write(path, (text:gsub('"operation":"CreateAlias"', '"operation":"DeleteAlias"', 1))))
  again = outside.simulated(script, { directory = result.directory })
  test.matches(again.output, "cannot be trusted: .*the journal was changed before line %d+: its hash chain breaks there")
  test.contains(again.output, "show 1\n")
  test.contains(again.output, "kms DeleteAlias")   -- what stands there is shown
  test.matches(again.output, id:gsub("%-", "%%-") .. " +unreadable\n")
  test.contains(again.output, "resume 2\n")
end

test["a last line that a crash cut is said, and changes nothing else"] = function()
  local result = outside.simulated(RUN)
  local path = journal_of(result.directory)
  assert(file.write(path, file.read(path):gsub("\n[^\n]+\n$", "\n") .. '{"kind":"outc'))
  local again = outside.simulated('"$CMEK" runs show ' .. path:match "([^/]+)%.jsonl$", { directory = result.directory })
  test.equal(again.status, 0)
  test.contains(again.output, "its last line is cut")
  test.contains(again.output, ": unfinished\n")
end

test["without a run, and without a directory of runs, it is said"] = function()
  local result = outside.simulated [["$CMEK" runs; "$CMEK" runs show; echo $?]]
  test.matches(result.output, "^no runs in '/.*/simulated%-runs'\n2\n$")
end
