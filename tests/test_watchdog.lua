-- The watchdog: what computes on and on is ended and its line named; what waits is left alone. The limit is 20 s of processor
-- time; below `cmek sim` these sentences shorten it.
local file = require "file"
local json = require "json"
local outside = dofile "tests/outside.lua"

--- Runs cmek with these words; `limit` in seconds of processor time. `spent` is what it took of that.
local function run(words, limit, environment)
  local directory = test.directory()
  local variables = { "CMEK_STATE_DIR=" .. directory .. "/state", "CMEK_COMPUTING_MAX=" .. limit, environment or "CMEK_SIM=1" }
  local pipe <close> = assert(io.popen(("(env %s timeout 100 %s %s) >%s/out 2>%s/err </dev/null; echo $?; times")
    :format(table.concat(variables, " "), outside.cmek, words, directory, directory)))
  local status, minutes, seconds = pipe:read "a":match "^(%d+)\n[^\n]*\n(%d+)m([%d.]+)s"
  return { status = math.tointeger(tonumber(status)), stdout = file.read(directory .. "/out"), stderr = file.read(directory .. "/err"),
    spent = 60 * minutes + seconds }
end

local function written(text)
  local path = test.directory() .. "/mine.lua"
  assert(file.write(path, text))
  return path
end

-- What starting takes is no endless loop, also where programs are slow.
local LIMIT <const> = math.max(0.1, 3 * run("exec " .. written "return 0", 20).spent)

--- A script that has to be ended; its text is told.
local function ended(text)
  local path = written(text)
  local result = run("exec " .. path, LIMIT)
  test.equal({ result.status, result.stdout }, { 1, "" })
  return result.stderr, path
end

--- A recipe of one's own that does this, and what came of `cmek WORD` with it below the simulator.
local function recipe(word, body)
  local path = written('return { api = 1, summary = "x", args = { { "cluster", "which" } }, touches = { "cloud", "iam" },\n  run = function(arg)\n'
    .. body .. "\n  end }\n")
  local result = outside.simulated(("export CMEK_COMPUTING_MAX=%s; $CMEK %s %s --cluster orders"):format(LIMIT, word, path))
  return result, path
end

test["a recipe that loops without end is ended with exit status 1, its line and what to do"] = function()
  local result, path = recipe("plan", "    local n = 0\n    while true do n = n + 1 end")
  test.equal({ result.status, result.output }, { 1, "" })
  test.contains(result.errors, ("cmek: %s:4: stopped: it computed for %g s and waited for nothing\n"):format(path, LIMIT))
  test.contains(result.errors, "\nnext: look there for a loop without an end\n")
end

test["a loop of the library is told by the recipe's line that called it"] = function()
  local result, path = recipe("plan", "    local endless = setmetatable({}, { __index = rawlen })   -- whatever is looked up: 0\n"
    .. '    policy.cmek { role = "arn:aws:iam::210987654321:role/x", admins = endless }')
  test.equal(result.status, 1)
  test.contains(result.errors, path .. ":4: stopped: ")
end

test["a recipe that made something before it loops is unfinished: exit status 5, what was made, and the line to resume"] = function()
  local result, path = recipe("run --yes", [[
    local cluster = read("cluster", arg.cluster)
    local role = ensure("role", { cluster = cluster, trust = policy.cross_account { account_id = cluster.account_id, external_id = "x" } })
    while type(role.arn) == "string" do end]])
  test.equal({ result.status, result:writes() }, { 5, 1 })
  test.contains(result.errors, path .. ":5: stopped: ")
  test.matches(result.errors, "next: look there for a loop without an end, then cmek resume %S+\nmade or changed:\n +role ")
end

test["a recipe that loops while it is loaded is ended too, and --json tells it as a document"] = function()
  local path = written "\nwhile true do end"
  local result = run(("run %s --json"):format(path), LIMIT)
  local document = json.decode(result.stdout)
  test.equal({ result.status, document.schema, document.error.code, document.error.next },
    { 1, "cmek.error/1", "endless", "look there for a loop without an end" })
  test.contains(document.error.message, path .. ":2: stopped: ")
end

test["catching the error does not help a script: it is ended where it goes on"] = function()
  local text, path = ended "local function spin() while true do end end\nlocal count = 0\nwhile true do\n  pcall(spin)\n  count = count + 1\nend"
  test.matches(text, "^cmek: " .. path:gsub("%p", "%%%0") .. ":[45]: stopped: ")   -- outside of spin
end

test["catching it does not help where other tasks compute, either: the process is ended"] = function()
  local text, path = ended "while true do\n  pcall(task.map, { 1 }, function()\n    while true do end\n  end)\nend"
  test.contains(text, path .. ":")
  test.contains(text, "stopped: ")
end

test["one call that does not come back is ended with the process, and its line is told"] = function()
  for _, call in ipairs { '("").rep("", 1 << 60)', 'table.move({}, 1, 1 << 60, 2)', '(("a"):rep(100)):find((".-"):rep(20) .. "b")' } do
    local text, path = ended("local n = 1\ntask.map({ 1 }, function()\n  return " .. call .. "\nend)")
    test.contains(text, path .. ":3: stopped: ")
    test.contains(text, "\nnext: look there for a loop without an end\n")
  end
  local path = written 'local odd = "\\"" return ("").rep("", 1 << 60)'
  local result = run(("run %s --json"):format(path), LIMIT)
  local document = json.decode(result.stdout)
  test.equal({ result.status, document.schema, document.error.code }, { 1, "cmek.error/1", "endless" })
  test.contains(document.error.message, path .. ":1: stopped: ")
end

test["a call that does not come back leaves the journal whole, and the run is there to be resumed"] = function()
  local result = recipe("run --yes", [[
    local cluster = read("cluster", arg.cluster)
    local role = ensure("role", { cluster = cluster, trust = policy.cross_account { account_id = cluster.account_id, external_id = "x" } })
    if type(role.arn) == "string" then return ("").rep("", 1 << 60) end]])
  test.equal({ result.status, result:writes() }, { 5, 1 })
  test.contains(result.errors, "cmek runs lists what was begun")
  local runs = outside.simulated("$CMEK runs; cat $D/state/simulated-runs/*.jsonl >$D/journal", { directory = result.directory })
  test.matches(runs.output, "mine%.lua +orders +unfinished\n")
  local last = assert(require("journal").read(assert(file.read(result.directory .. "/journal"))))
  test.equal({ last[#last - 1].operation, last[#last].outcome }, { "CreateRole", "answered" })
end

test["what waits again and again is not ended, however long it computes in all"] = function()
  local text = [[
    for _ = 1, 8 do
      local total = 0
      for n = 1, 3000000 do total = total + n %% 7 end
      %s
    end
    print "done"]]
  local waiting, busy = "exec " .. written(text:format "task.sleep(0.001)"), "exec " .. written(text:format "")
  local limit = run(waiting, 20).spent / 2
  local result = run(waiting, limit)
  test.equal({ result.status, result.stdout, result.stderr }, { 0, "done\n", "" })
  test.equal(run(busy, limit).status, 1)
end

test["the limit can only be shortened, and only below the simulator"] = function()
  local path = written "local n = 0\nfor _ = 1, 8000000 do n = n + 1 end\nprint 'done'"
  local short = LIMIT / 100
  test.equal(run("exec " .. path, short).status, 1)
  test.equal(run("exec " .. path, short, "CMEK_SIM=0").stdout, "done\n")
  for _, wrong in ipairs { "-1", "nan", "x", "0", "''", "1e-9x" } do test.equal(run("exec " .. path, wrong).stdout, "done\n") end
end

test["what computes on and on when a signal asks it to stop is ended by that signal, long before its limit, whatever it catches"] = function()
  for _, loop in ipairs { "while true do end", "while true do pcall(function() while true do end end) end",
    "task.map({ 1, 2 }, function() while true do end end)" } do
    local path = written("print 'begun' " .. loop)
    local result = outside.simulated(([[export CMEK_COMPUTING_MAX=%g; $CMEK exec %s >$D/said 2>$D/told & pid=$!
      until [ -s $D/said ]; do sleep 0.05; done; kill -TERM $pid; wait $pid; echo "status $?"; cat $D/told]]):format(8 * LIMIT, path))
    test.equal(result.output, "status 143\ncmek: stopped by SIGTERM\n")
  end
end
