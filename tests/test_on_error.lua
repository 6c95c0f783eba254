-- Where a recipe stops for somebody: at what fails, and at break(). What is seen there, what is made anew, and that nothing is made twice.
local file = require "file"
local operator = dofile "tests/operator.lua"
local outside = dofile "tests/outside.lua"
local source = require "source"

local HEAD <const> = 'return { api = 1, summary = "x", args = { { "cluster", "which" } }, touches = { "cloud", "iam", "kms" }, run = function(arg)\n'
local ROLE <const> = [[
  local cluster = read("cluster", arg.cluster)
  local role = ensure("role", { cluster = cluster, trust = policy.cross_account { account_id = cluster.account_id, external_id = "x" } })
]]
local KEYS <const> = [[
  local keys = task.map(cluster.regions, function(region)
    local want = { cluster = cluster, region = region.name, policy = policy.cmek { role = role.arn } }
    return ensure("key", want)
  end)
]]

--- Runs a recipe with this body, whose first line is 2. At each stop `visit` is called with the stop and its number; it says whether to go on.
--- Options: mode, faults, prelude (before the recipe's table).
local function stopped(body, visit, options)
  options = options or {}
  local who = operator.open()
  who.simulation.faults = options.faults or {}
  local path = test.directory() .. "/mine.lua"
  assert(file.write(path, (options.prelude or "") .. HEAD .. body .. "\nend }\n"))
  local stops = {}
  who.requests = operator.log(who)
  local function open(stop)
    stops[#stops + 1] = stop
    if #stops > 20 then error("it stops again and again", 0) end
    return visit(stop, #stops, who)
  end
  local ok, report, status = pcall(operator.run, who, path, { mode = options.mode, steps = true, trust = options.trust,
    stop = { on_error = options.on_error ~= false, open = open } })
  return { ok = ok, report = report, status = status, stops = stops, who = who }
end

local function quit() return false end
local function go_on() return true end

local function count(who, name)
  local number = 0
  for _, request in ipairs(who.requests) do number = number + (request:find(name, 1, true) and 1 or 0) end
  return number
end

local function values(frame)
  local all = {}
  for _, variable in ipairs(frame:variables()) do all[variable.name] = variable.value end
  return all
end

-- A fault for one request.
local function refusing(operation, code, region)
  return { { kind = "error", service = region and "kms" or "iam", operation = operation, region = region, code = code, count = 1 } }
end

local function limit() return refusing("CreateKey", "LimitExceededException", "us-west-2") end

-- The text ---------------------------------------------------------------------------------------------------------------

test["break() is a call, and break the word that it was: in texts and remarks, in loops, before what is called in parentheses"] = function()
  test.equal(source.rewrite "break()", "breakpoint()")
  test.equal(source.rewrite "x() break (\n) y()", "x() breakpoint (\n) y()")
  for _, text in ipairs { '"break()"', "[[break()]]", "-- break()", "--[==[ break()\n]==]", "while x do break end", "while x do break (f)() end",
    "breaks()", "a.break_()" } do
    test.equal(source.rewrite(text), text)
  end
end

test["what is wrong with a text is told of its own lines, also behind a break()"] = function()
  local _, message = source.load("break()\n\nlocal = 3", "mine.lua", {})
  test.equal(message, "mine.lua:3: <name> expected near '='")
  _, message = source.load("break", "mine.lua", {})
  test.matches(message, "^mine.lua:1: break outside")
end

test["the hash is of the text as it was written, and check knows break()"] = function()
  local directory = test.directory()
  local text = HEAD .. "  local x = read('cluster', arg.cluster)\n  break()  -- look\n  return x\nend }\n"
  assert(file.write(directory .. "/mine.lua", text))
  local crypto = require "crypto"
  test.equal(require("recipe").load(directory .. "/mine.lua", { steps = true }).hash, crypto.hex(crypto.sha256(text)))
  test.equal(#require("authoring.check").check(directory .. "/mine.lua"), 0)
  assert(file.write(directory .. "/mine.lua", (text:gsub("local x", "locl x"))))
  test.equal(require("authoring.check").check(directory .. "/mine.lua")[1].line, 2)
end

-- What is seen -----------------------------------------------------------------------------------------------------------

test["a call that fails is stopped at with the variables of its line, also where its value is returned, and of the lines around it"] = function()
  local result = stopped(ROLE .. KEYS, function(stop)
    test.equal({ stop.phase, stop.writes, stop.call.name, stop.call[1], stop.raised.code }, { "do", true, "ensure", "key", "LimitExceededException" })
    test.equal({ stop.frames[1].line, stop.frames[1].text, stop.frames[2].line, stop.frames[1].live }, { 6, 'return ensure("key", want)', 4, true })
    local inner, outer = values(stop.frames[1]), values(stop.frames[2])
    test.equal({ inner.region.name, inner.want, inner.cluster.name }, { "us-west-2", stop.call[2], "orders" })
    test.equal({ outer.arg.cluster, outer.role.arn, outer.keys }, { "orders", inner.role.arn })
    return false
  end, { faults = limit() })
  test.equal(#result.stops, 1)
end

test["after :quit the run ends as it would have ended"] = function()
  local result = stopped(ROLE .. KEYS, quit, { faults = limit() })
  local plain = stopped(ROLE .. KEYS, quit, { faults = limit(), on_error = false })
  test.equal(#plain.stops, 0)
  local one, other = result.report.error, plain.report.error
  test.equal({ result.status, result.report.run.status, one.code, one.message, one.next },
    { plain.status, plain.report.run.status, other.code, other.message, other.next })
  test.equal(result.status, 5)
end

test["what runs beside it has come to rest before anybody is asked, and has made what it had to make"] = function()
  local made
  local result = stopped(ROLE .. KEYS, function(_, _, who)
    made = count(who, "CreateAlias")
    return true
  end, { faults = limit() })
  test.equal(made, 2)
  test.equal({ result.status, #result.stops, result.report.run.status }, { 0, 1, "done" })
  test.equal({ count(result.who, "CreateAlias"), count(result.who, "kms CreateKey") }, { 3, 4 })
end

-- What is made anew ------------------------------------------------------------------------------------------------------

test["a key that has no alias yet is gone on with, and no second one is made"] = function()
  local result = stopped(ROLE .. KEYS, function() return true end, { faults = refusing("CreateAlias", "AccessDeniedException", "us-east-1") })
  test.equal({ result.status, #result.stops, result.stops[1].raised.code }, { 0, 1, "AccessDeniedException" })
  test.equal(count(result.who, "kms CreateKey"), 3)
  for _, region in ipairs { "us-east-1", "us-west-2", "eu-west-1" } do
    test.equal(#result.who.simulation.state.aws[operator.ACCOUNT].kms[region].keys, 1)
  end
  for _, step in ipairs(result.report.steps) do test.equal({ step.action, step.result }, { "create", "done" }) end
end

test["variables that were set are what the recipe goes on with"] = function()
  local body = ROLE .. "  local word, n = 'blue', 1\n  iam.list_roles {}\n  say(word .. n)\n"
  local result = stopped(body, function(stop)
    test.truthy(stop.frames[1]:set("word", "red"))
    test.truthy(not stop.frames[1]:set("nosuch", 1))
    return true
  end, { mode = "plan", faults = refusing("ListRoles", "AccessDenied") })
  local said
  for _, event in ipairs(result.who.events) do said = event.kind == "say" and event.text or said end
  test.equal({ result.status, said }, { 0, "red1" })
end

test["a call is made anew with what its arguments are by then"] = function()
  local result = stopped("  return read('cluster', 'nowhere').name\n", function(stop, number)
    stop.call[2] = number == 1 and "neverwhere" or "orders"
    return true
  end, { mode = "plan" })
  test.equal({ result.ok, #result.stops, result.status }, { true, 2, 0 })
end

test["what the arguments have become is not done where it is not what was planned"] = function()
  local result = stopped(ROLE .. KEYS, function(stop, number)
    if number > 1 then return false end
    stop.call[2].region = "eu-west-1"
    return true
  end, { faults = limit() })
  test.equal(#result.stops, 2)
  test.contains(tostring(result.stops[2].raised), "eu-west-1 alias/crdb-cmek-orders-0f2c6e9d41b7-g1 here, which its plan did not show")
end

test["what was put right outside is read anew"] = function()
  local result = stopped("  local cluster = read('cluster', 'later')\n  ensure('role', { cluster = cluster, trust = policy.cross_account { "
    .. "account_id = cluster.account_id, external_id = 'x' } })\n", function(_, _, who)
    for _, cluster in ipairs(who.simulation.state.cloud.clusters) do
      if cluster.name == "orders" then cluster.name = "later" end
    end
    return true
  end, { mode = "plan" })
  test.equal({ result.ok, #result.stops, result.status, #result.report.steps }, { true, 1, 0, 1 })
end

test["a step that could not be compared stands in the plan once"] = function()
  local result = stopped(ROLE .. KEYS, function() return true end, { mode = "plan", faults = refusing("GetRole", "AccessDenied") })
  test.equal({ #result.stops, result.stops[1].call.name, result.status, #result.report.steps }, { 1, "ensure", 0, 4 })
end

test["a call of a service is one step of the plan, however often it is made"] = function()
  local body = "  read('cluster', arg.cluster)\n  iam.tag_role { RoleName = 'x', Tags = {} }\n"
  local result = stopped(body, function(_, number) return number < 3 end)
  test.equal({ #result.stops, result.stops[1].call.name, result.stops[1].phase, result.stops[1].raised.code },
    { 3, "iam.tag_role", "do", "ValidationError" })
  test.equal({ count(result.who, "TagRole"), #result.report.steps, result.status }, { 3, 1, 1 })
end

-- Where nothing is stopped at, and where nothing can be repeated -------------------------------------------------------------

test["what fails in the recipe's own words shows its variables as they were, and has nothing to repeat"] = function()
  local result = stopped("  local a = { b = 1 }\n  local function inner(x)\n    return x.c.d\n  end\n  return inner(a)\n", function(stop)
    test.equal({ stop.call, stop.frames[1].line, stop.frames[2].line, stop.frames[1].live }, { nil, 4, 6, [4] = false })
    test.equal({ values(stop.frames[1]).x.b, values(stop.frames[2]).a.b }, { 1, 1 })
    test.truthy(stop.frames[1]:set("x", 5))
    test.equal(values(stop.frames[1]).x, 5)
    return false
  end, { mode = "plan" })
  test.equal({ result.ok, #result.stops }, { false, 1 })
  test.contains(tostring(result.report), "mine.lua:4: field 'c' is nil here")
end

test["in a task such a failure is stopped at once, not again around it"] = function()
  local result = stopped("  task.map({ 1, 2 }, function(n)\n    if n == 2 then return n.x.y end\n  end)\n", quit, { mode = "plan" })
  test.equal({ #result.stops, result.stops[1].frames[1].line }, { 1, 3 })
end

local KIND <const> = [[
local topic = resource { kind = "topic", actions = { iam = { "GetRole", "CreateRole" } }, name = function(want) return want.name end,
  find = function(want)
    local looked = "for " .. want.name
    return iam.get_role { RoleName = want.name, looked and nil }
  end,
  differences = function() return {} end, create = function(want) return iam.create_role { RoleName = want.name } end }
]]

test["what fails in a kind's own function is stopped at where the recipe asks for it, with the function's variables as they were"] = function()
  local result = stopped("  ensure(topic, { name = 'x' })\n", function(stop)
    test.equal({ stop.call.name, stop.frames[1].line, stop.frames[1].live, stop.frames[2].live }, { "ensure", 4, false, true })
    test.equal({ values(stop.frames[1]).looked, stop.raised.code }, { "for x", "NoSuchEntity" })
    return false
  end, { mode = "plan", prelude = KIND })
  test.equal(#result.stops, 1)
end

test["what a trusted recipe catches is not stopped at, nor in a task that it starts there; what it raises again is"] = function()
  local body = "  local ok = pcall(kms.describe_key, { region = 'us-east-1', KeyId = 'x' })\n"
    .. "  local again = pcall(task.map, { 1 }, function() return kms.describe_key { region = 'us-east-1', KeyId = 'x' } end)\n"
    .. "  say(tostring(ok or again))\n"
  local result = stopped("  read('cluster', arg.cluster)\n" .. body, quit, { mode = "plan", trust = true })
  test.equal({ #result.stops, result.status }, { 0, 0 })
  result = stopped("  read('cluster', arg.cluster)\n" .. body .. "  local _, e = pcall(kms.describe_key, { region = 'us-east-1', KeyId = 'x' })\n"
    .. "  error(e)\n", quit, { mode = "plan", trust = true })
  test.equal({ #result.stops, result.stops[1].raised.code, result.stops[1].frames[1].line, result.stops[1].call },
    { 1, "NotFoundException", 7 })
end

test["whatever a recipe raises is stopped at or ends it, and is told as a text"] = function()
  for _, case in ipairs { { "nil", 1 }, { "0/0", 1 }, { "5", 1 }, { "{ a = 1 }", 1 }, { "setmetatable({}, { __eq = function() error 'eq' end, "
    .. "__tostring = function() error 'ts' end, __index = function() error 'ix' end })", 1 } } do
    local result = stopped("  error(" .. case[1] .. ")\n", function(stop)
      test.truthy(require("repl.stopped").new(stop):headline():find("mine.lua:2", 1, true))
      return false
    end, { mode = "plan" })
    test.equal({ case[1], #result.stops, result.ok }, { case[1], case[2], false })
  end
end

test["what is waited for is looked for anew from the call that failed"] = function()
  local result = stopped("  wait('until it is there', function()\n    iam.list_roles {}\n    return true\n  end)\n", go_on,
    { mode = "plan", faults = refusing("ListRoles", "AccessDenied") })
  test.equal({ #result.stops, result.stops[1].call.name, result.status }, { 1, "iam.list_roles", 0 })
end

test["a kind's own function that makes something by halves is asked again what there is, and goes on from there"] = function()
  local prelude = [[
local pair = resource { kind = "pair", actions = { iam = { "GetRole", "CreateRole", "TagRole" } }, name = function(want) return want.name end,
  find = function(want) return iam.find_role { RoleName = want.name } end,
  differences = function(_, have)
    return #(have.Tags or {}) > 0 and {} or { { field = "Tags", have = "none", want = "some" } }
  end,
  create = function(want)
    iam.create_role { RoleName = want.name, AssumeRolePolicyDocument = policy.json(
      policy.cross_account { account_id = "571234890001", external_id = "x" }) }
    iam.tag_role { RoleName = want.name, Tags = { { Key = "a", Value = "b" } } }
  end,
  update = function(want) iam.tag_role { RoleName = want.name, Tags = { { Key = "a", Value = "b" } } } end }
]]
  local result = stopped("  read('cluster', arg.cluster)\n  ensure(pair, { name = 'x' })\n", function(stop)
    test.equal({ stop.call.name, stop.frames[1].live, stop.frames[1].text:match "^iam.tag_role" }, { "ensure", false, "iam.tag_role" })
    return true
  end, { prelude = prelude, faults = refusing("TagRole", "AccessDenied") })
  test.equal({ #result.stops, result.status, count(result.who, "CreateRole"), count(result.who, "TagRole") }, { 1, 0, 1, 2 })
end

test["a check that a repeated call makes anew stands once among those made"] = function()
  local prelude = [[
local thing = resource { kind = "thing", actions = { iam = { "ListRoles" } }, name = function() return "x" end, find = function() return {} end,
  differences = function() iam.list_roles {} return {} end, create = function() end }
]]
  local result = stopped("  read('cluster', arg.cluster)\n  ensure(thing, {})\n", go_on,
    { prelude = prelude, mode = "verify", faults = refusing("ListRoles", "AccessDenied") })
  local number = 0
  for _, check in ipairs(result.report.checked) do number = number + (check.id == "thing.exists" and 1 or 0) end
  test.equal({ #result.stops, result.status, number }, { 1, 0, 1 })
end

test["a recipe that may be stopped can change nothing of its world either"] = function()
  for _, text in ipairs { "kms.x = 1", "policy.cmek = 1", "task.map = 1", "aws.call = 1", "ensure = 1" } do
    local function told(on_error)
      local result = stopped("  " .. text .. "\n", quit, { mode = "plan", on_error = on_error })
      test.equal(result.ok, false)
      return tostring(result.report):match "mine.lua:.*%^\n"
    end
    test.equal(told(true), told(false))
  end
  local result = stopped("  assert(kms.list_keys == kms.list_keys and policy.cmek == policy.cmek)\n", quit, { mode = "plan" })
  test.equal({ #result.stops, result.status }, { 0, 0 })
end

test["break() is stopped at with its variables, in each pass, and goes on"] = function()
  local result = stopped(ROLE .. "  break()\n", function(stop)
    test.equal({ stop.raised, stop.call, stop.frames[1].line, values(stop.frames[1]).cluster.name }, { nil, nil, 4, "orders" })
    return true
  end)
  test.equal({ #result.stops, result.stops[1].phase, result.stops[2].phase, result.stops[2].writes, result.status }, { 2, "plan", "do", true, 0 })
end

test["left at break(), a run says so"] = function()
  local result = stopped(ROLE .. "  break()\n", function(stop) return stop.phase == "plan" end)
  test.equal({ result.status, result.report.run.status }, { 5, "unfinished" })
  test.contains(result.report.error.message, "break()")
end

test["what a cancelled task, a signal or somebody who has left raises is not stopped at"] = function()
  local faults = {}
  for i, region in ipairs { "us-east-1", "us-west-2", "eu-west-1" } do
    faults[i] = { kind = "error", service = "kms", operation = "CreateKey", region = region, code = "LimitExceededException" }
  end
  local result = stopped(ROLE .. KEYS, quit, { faults = faults })
  test.equal({ #result.stops, result.status }, { 1, 5 })
end

test["what is under way is never seen: neither the library's variables nor its lines"] = function()
  stopped(ROLE .. KEYS, function(stop)
    for _, frame in ipairs(stop.frames) do
      test.matches(frame.path, "mine%.lua$")
      for _, variable in ipairs(frame:variables()) do
        test.truthy(variable.name ~= "_ENV" and variable.name ~= source.KEPT)
        test.truthy(({ arg = true, cluster = true, role = true, region = true, want = true, keys = true })[variable.name], variable.name)
      end
    end
    local trace = require "trace"
    for depth = 1, 8 do
      local seen, list = pcall(trace.variables, coroutine.running(), depth)
      for _, variable in ipairs(seen and list or {}) do test.truthy(variable.name ~= "engine") end
    end
    return false
  end, { faults = limit() })
end

test["whichever request of a run is refused once, gone on with it makes all of it, and nothing twice"] = function()
  local function run(faults)
    local who, stops = operator.open(), 0
    who.simulation.faults = faults
    local operations, seen = {}, {}
    who.simulation.on_request = function(entry)
      local name = entry.service .. entry.operation
      if entry.service ~= "cloud" and not seen[name] then operations[#operations + 1], seen[name] = entry, true end
    end
    local report, status = operator.run(who, "console", { arguments = { enable = true }, steps = true, stop = { on_error = true, open = function()
      stops = stops + 1
      return stops < 4
    end } })
    return { operations = operations, stops = stops, status = status, report = report, who = who }
  end
  local whole, stopped_at = run {}, 0
  test.truthy(#whole.operations > 12)
  for _, entry in ipairs(whole.operations) do
    local result = run { { kind = "error", service = entry.service, operation = entry.operation, region = entry.region, count = 1, status = 403,
      code = "AccessDeniedException" } }
    stopped_at = stopped_at + result.stops
    test.equal({ entry.operation, result.status, result.report.run.status }, { entry.operation, 0, "done" })
    for _, region in ipairs { "us-east-1", "us-west-2", "eu-west-1" } do
      test.equal(#result.who.simulation.state.aws[operator.ACCOUNT].kms[region].keys, 1)
    end
  end
  test.truthy(stopped_at >= 7)
end

-- The program, at a terminal that moves no cursor ----------------------------------------------------------------------------

local MINE <const> = HEAD .. ROLE .. KEYS .. "  say('done with ' .. #keys)\nend }\n"

--- Types these lines at `cmek ARGUMENTS`, where $D/mine.lua is a recipe; `after` is a shell command that follows.
local function typed(arguments, lines, options)
  options = options or {}
  if not os.execute "command -v script >/dev/null" then test.skip "no program `script`" end
  local directory = options.directory or test.directory()
  assert(file.write(directory .. "/mine.lua", options.text or MINE))
  assert(file.write(directory .. "/typed", lines))
  local result = outside.simulated(("cd $D; TERM=dumb script -qec '$CMEK %s' /dev/null <$D/typed; echo \"status $?\"; %s"):format(arguments,
    options.after or ""), { directory = directory, sim = options.sim })
  result.text = result.text:gsub("\r", "")
  return result
end

local FAULT <const> = { "--fault", "error service=kms operation=CreateKey region=us-west-2 code=LimitExceededException count=1" }

test["a run that stops shows line and error, lets names be looked at and set, and goes on"] = function()
  local result = typed("run ./mine.lua --cluster orders --on-error=repl", "y\nregion.name\n:locals\n:where\n:where 2\n#cluster.regions\n:continue\n",
    { sim = FAULT })
  test.contains(result.text, "stopped at ./mine.lua:6, while doing what was planned\n  6 |     return ensure(\"key\", want)\n"
    .. "    |            ^^^^^^\nkms CreateKey us-west-2: 400 LimitExceededException")
  test.contains(result.text, 'mine.lua:6 write> "us-west-2"\n')
  test.matches(result.text, "\nwant +=")
  test.contains(result.text, '→ 1  ./mine.lua:6  return ensure("key", want)\n  2  ./mine.lua:4  local keys = task.map')
  test.contains(result.text, "→ 2  ./mine.lua:4")
  test.contains(result.text, "write> 3\n")
  test.contains(result.text, "done with 3")
  test.contains(result.text, "Done: 4 created")
  test.contains(result.text, "status 0")
  test.equal(result:writes "CreateKey", 4)   -- with the one that was refused
end

test["before the plan is agreed to, the prompt of a run only reads; what runs, writes and is journaled after"] = function()
  local CREATE <const> = "kms.create_alias { region = 'us-east-1', AliasName = 'alias/mine', TargetKeyId = kms.list_keys { region = 'us-east-1' }"
    .. ".Keys[1].KeyId }\n"
  local lines = { "kms.create_key { region = 'us-east-1' }\n:allow-writes\n:continue\n:continue\n", "y\n", ":continue\n",
    CREATE .. ":continue\n" }
  local result = typed("run ./mine.lua --cluster orders", table.concat(lines), { text = HEAD .. "  break()\n" .. ROLE .. KEYS .. "  break()\nend }\n",
    after = "cat state/*runs/*.jsonl" })
  test.contains(result.text, "mine.lua:2 read> cmek: door: kms CreateKey is a write, and this command may only read\nnext: :continue")
  test.contains(result.text, "what this prompt may write is what its run may")
  test.matches(result.text, "mine%.lua:9 write> ")
  test.equal({ result:writes "CreateAlias", result:writes "CreateKey" }, { 4, 3 })
  test.matches(result.text, '"operation":"CreateAlias"[^\n]*alias/mine')
  test.contains(result.text, "status 0")
end

test["after :quit the run is unfinished and resume finishes it"] = function()
  local result = typed("run ./mine.lua --cluster orders --on-error=repl", "y\n:quit\n", { sim = FAULT,
    after = "$CMEK resume --yes; echo \"resumed $?\"; $CMEK runs" })
  test.contains(result.text, "next: remove what is not needed")
  test.contains(result.text, "status 5")
  test.contains(result.text, "resumed 0")
  test.equal(result:writes "CreateKey", 4)
end

test["what was made by hand at the prompt counts as made by the run"] = function()
  local result = typed("run ./mine.lua --cluster orders --on-error=repl", "y\niam.create_role { RoleName = 'mine', "
    .. "AssumeRolePolicyDocument = policy.json(call[2].trust) }.Role.RoleName\n:quit\n",
    { sim = { "--fault", "error service=iam operation=CreateRole code=LimitExceeded count=1 message=no more" } })
  test.contains(result.text, '"mine"')
  test.contains(result.text, "unfinished (run ")
  test.contains(result.text, "status 5")
end

test["a prompt that is killed leaves a run that resume finishes"] = function()
  if not os.execute "command -v script >/dev/null" then test.skip "no program `script`" end
  local directory = test.directory()
  assert(file.write(directory .. "/mine.lua", MINE))
  local result = outside.simulated([[cd $D; mkfifo in
    TERM=dumb script -qefc 'echo $$ >pid; exec $CMEK run ./mine.lua --cluster orders --on-error=repl' screen <in >/dev/null & exec 3>in; echo y >&3
    until grep -q 'write>' screen; do sleep 0.05; done
    kill -9 $(cat pid); wait; $CMEK resume --yes; echo "resumed $?"; $CMEK runs]], { directory = directory, sim = FAULT })
  test.contains(result.text, "resumed 0")
  test.matches(result.output, "mine%.lua +orders +done")
  test.equal(result:writes "CreateKey", 4)
end

test["where nobody could answer it is refused before anything is asked, and break() is passed over with a word"] = function()
  local directory = test.directory()
  assert(file.write(directory .. "/mine.lua", HEAD .. "  break()\n" .. ROLE .. "end }\n"))
  local function refused(arguments, words)
    local result = outside.simulated("cd $D; $CMEK " .. arguments .. " </dev/null", { directory = directory })
    test.equal({ arguments, result.status, #result.log }, { arguments, 2, 0 })
    test.contains(result.text, words)
  end
  refused("run ./mine.lua --cluster orders --on-error=repl --yes", "--yes is for where nobody sits")
  refused("destroy ./mine.lua --cluster orders --on-error=repl --confirm orders", "--confirm is for where nobody sits")
  refused("plan ./mine.lua --cluster orders --on-error=repl --json", "beside --json there is no place for one")
  refused("verify ./mine.lua --cluster orders --on-error=rpl", "--on-error takes repl, not 'rpl'; did you mean repl?")
  refused("resume --on-error=prompt", "--on-error takes repl, not 'prompt'")
  local result = outside.simulated("cd $D; $CMEK run ./mine.lua --cluster orders --yes </dev/null", { directory = directory })
  test.equal(result.status, 0)
  test.contains(result.errors, "warning: ./mine.lua:2: break() is passed over: nobody sits at a terminal\n")
  test.equal(select(2, result.errors:gsub("passed over", "")), 1)
end

test["through a pipe a plan stops as well, and ends with its error where the lines end"] = function()
  local directory = test.directory()
  assert(file.write(directory .. "/mine.lua", HEAD .. "  local cluster = read('cluster', arg.cluster)\n  return cluster.regons[1]\nend }\n"))
  local function plan(lines)
    assert(file.write(directory .. "/lines", lines))
    return outside.simulated("cd $D; $CMEK plan ./mine.lua --cluster orders --on-error=repl <lines", { directory = directory })
  end
  local result = plan "cluster.name\ncluster.regions[1].name\n"
  test.equal({ result.status, result.output }, { 1, '"orders"\n"us-east-1"\n' })
  test.contains(result.errors, "stopped at ./mine.lua:3, while planning\n./mine.lua:3: field 'regons' is nil here, and has no fields\n  3 |   return")
  test.contains(result.errors, "nothing can be repeated here")
  result = plan ":continue\ncluster.name\n"
  test.equal({ result.status, result.output }, { 1, "" })
  test.contains(result.errors, "there is nothing to repeat: it is this line of the recipe that failed")
  outside.plain(result.text)
end

test["the words of a stopped prompt are for where a recipe has stopped"] = function()
  local result = outside.simulated "echo ':continue' | $CMEK repl"
  test.equal(result.status, 1)
  test.contains(result.errors, ":continue is for where a recipe has stopped, and none has\nnext: cmek help on-error")
end
