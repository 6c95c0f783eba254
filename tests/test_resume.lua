-- Finishing what a dead run left: with its journal, here or on another machine, and without it, by tags and aliases.
local fakes = dofile "tests/fakes.lua"
local json = require "json"
local names = require "names"
local outside = dofile "tests/outside.lua"

local function alias(world) return names.alias(world.clusters[1]) end

--- A world with one region, so that a history is short.
local function small(options)
  local world = fakes.world(options)
  world.clusters[1].regions = { { name = "us-east-1" } }
  return world
end

local function region_of(world) return world.kms["us-east-1"] end

local function keys(world)
  local list = {}
  for i, id in ipairs(region_of(world).order) do list[i] = region_of(world).keys[id] end
  return list
end

--- A run that ends at an operation, as a machine that is switched off; its journal is lost with it.
local function die(world, operation, when, run)
  local dead = false
  world.fault = function(call)
    if call.operation == operation and not dead then
      dead = true
      return "crash " .. when
    end
  end
  fakes.run(world, "console", { run_id = run or "run-1" })
  test.truthy(dead)
  world.fault, world.journal = nil, {}
end

local function other_machine(world, options)
  options = options or {}
  options.run_id = options.run_id or "run-2"
  return fakes.run(world, "console", options)
end

-- Without the journal ---------------------------------------------------------------------------------------------------------

test["without the journal, a run goes on with the key that a dead run made and did not claim"] = function()
  local world = small()
  die(world, "create_alias", "before")
  test.equal({ #keys(world), next(region_of(world).aliases) }, { 1 })
  local report, status = other_machine(world)
  test.equal({ status, report.error, #keys(world), fakes.count(world, "create_key") }, { 0, nil, 1, 1 })
  test.equal({ region_of(world).aliases[alias(world)], keys(world)[1].rotation.KeyRotationEnabled }, { keys(world)[1].id, true })
  test.equal(report.handover.region_specs[1].key_spec.uri, keys(world)[1].metadata.Arn)
  test.equal(#report.set_aside, 0)
  report, status = other_machine(world, { run_id = "run-3" })
  test.equal({ status, report.summary.unchanged }, { 0, 2 })
end

test["wherever a run dies, a plain run on another machine finishes it with one role and one key"] = function()
  for _, moment in ipairs { { "create_role", "after" }, { "create_key", "after" }, { "create_alias", "before" }, { "create_alias", "after" },
    { "enable_key_rotation", "before" }, { "enable_key_rotation", "after" } } do
    local world = small()
    die(world, moment[1], moment[2])
    local report, status = other_machine(world)
    test.equal({ moment[1], status, report.error }, { moment[1], 0 })
    test.equal({ moment[1], world.role_count, #keys(world), keys(world)[1].metadata.KeyState }, { moment[1], 1, 1, "Enabled" })
    test.equal(other_machine(world, { mode = "plan" }).summary.unchanged, 2)
  end
end

test["the plan says whose key it goes on with, and the rights that it takes are asked for"] = function()
  local world = small { simulated = {} }
  die(world, "create_alias", "before")
  local plan = other_machine(world, { mode = "plan" })
  test.equal({ plan.steps[2].action, plan.summary.create }, { "change", 0 })
  test.contains(plan.steps[2].reason, keys(world)[1].metadata.Arn .. " was made by run run-1, which has not claimed it: this run goes on with")
  test.equal(plan.steps[2].differences[1], { field = "alias", have = json.null, want = alias(world) })
  local asked = {}
  for _, check in ipairs(plan.preflight) do asked[check.id] = check.result end
  test.equal({ asked["rights.kms:CreateAlias"] ~= nil, asked["rights.kms:CreateKey"] ~= nil }, { true, false })
end

test["the maker may be alive: it finds its key claimed for it, and sets nothing aside"] = function()
  local world = small()
  local helped = false
  world.fault = function(call)
    if call.operation == "create_alias" and not helped then   -- another operator sees the key before its maker claims it
      helped = true
      region_of(world).aliases[alias(world)] = keys(world)[1].id
    end
  end
  local report, status = fakes.run(world, "console")
  test.equal({ status, report.error, #keys(world), #report.set_aside, keys(world)[1].metadata.KeyState }, { 0, nil, 1, 0, "Enabled" })
end

test["a maker that comes back with its journal, after others went on with its key, has nothing to do"] = function()
  local world = small()
  local journal
  world.fault = function(call) return call.operation == "create_alias" and "crash before" or nil end
  fakes.run(world, "console")
  world.fault, journal, world.journal = nil, world.journal, {}
  other_machine(world)
  world.journal = {}
  local report, status = fakes.run(world, "console", { entries = journal })
  test.equal({ status, report.error, #keys(world), #report.set_aside, keys(world)[1].metadata.KeyState }, { 0, nil, 1, 0, "Enabled" })
end

test["of two keys that dead runs left the older is gone on with; the other is told, and not touched"] = function()
  local world = small { index_lag = 1e9 }
  die(world, "create_alias", "before")
  die(world, "create_alias", "before", "run-b")
  world.index_lag = 0
  local before = json.encode(keys(world)[2])
  local report, status = other_machine(world)
  test.equal({ status, #keys(world), region_of(world).aliases[alias(world)] }, { 0, 2, keys(world)[1].id })
  test.equal(json.encode(keys(world)[2]), before)
  test.contains(report.warnings[1].text, keys(world)[2].metadata.Arn .. " was made for this cluster by run run-b, has no alias and is not used")
end

test["when another key is claimed first, it is used, and the one that was found is not touched"] = function()
  local world = small()
  die(world, "create_alias", "before")
  local found = keys(world)[1]
  local before, second = json.encode(found), nil
  world.fault = function(call)
    if call.operation == "create_alias" and not second then
      second = json.decode(before)
      second.id, second.metadata.KeyId = "99999999-2222-4333-8444-000000000001", "99999999-2222-4333-8444-000000000001"
      second.metadata.Arn = second.metadata.Arn:gsub("[^/]+$", second.id)
      region_of(world).keys[second.id], region_of(world).order[2] = second, second.id
      region_of(world).aliases[alias(world)] = second.id
    end
  end
  local report, status = other_machine(world)
  test.equal({ status, report.error, report.handover.region_specs[1].key_spec.uri }, { 0, nil, second.metadata.Arn })
  test.equal({ json.encode(found), #report.set_aside }, { before, 0 })
end

test["a key that is disabled, to be deleted, set aside, retired or of another kind is not gone on with"] = function()
  for _, change in ipairs {
    function(key) key.metadata.KeyState = "Disabled" end,
    function(key) key.metadata.KeyState = "PendingDeletion" end,
    function(key) table.insert(key.tags, { TagKey = "cmek:state", TagValue = "lost-race" }) end,
    function(key) table.insert(key.tags, { TagKey = "cmek:state", TagValue = "retired" }) end,
    function(key) key.metadata.KeySpec = "RSA_2048" end,
    function(key) key.metadata.MultiRegion = true end,
  } do
    local world = small()
    die(world, "create_alias", "before")
    change(keys(world)[1])
    local before = json.encode(keys(world)[1])
    local report, status = other_machine(world)
    test.equal({ status, report.error, #keys(world) }, { 0, nil, 2 })
    test.equal({ region_of(world).aliases[alias(world)], json.encode(keys(world)[1]) }, { keys(world)[2].id, before })
  end
end

test["where the tag index may not be asked, that is said, and a key is made"] = function()
  local world = small()
  die(world, "create_alias", "before")
  world.fault = function(call) return call.operation == "get_resources" and { code = "AccessDeniedException", status = 403 } or nil end
  local report, status = other_machine(world)
  test.equal({ status, #keys(world) }, { 0, 2 })
  test.contains(report.warnings[1].text, "cannot be seen (tagging get_resources us-east-1: 403")
  test.contains(report.warnings[1].text, "allow tag:GetResources")
end

test["a key without its alias is handed over by nobody: enable says that there is none"] = function()
  local world = small()
  die(world, "create_alias", "before")
  test.raises(function() fakes.run(world, "enable", { run_id = "run-2" }) end, "there is no key " .. alias(world))
end

-- Whose a run is ----------------------------------------------------------------------------------------------------------------

-- A run that dies at the first alias, with its journal.
local function dead_run(world)
  world.fault = function(call) return call.operation == "create_alias" and "crash before" or nil end
  fakes.run(world, "console")
  world.fault = nil
  local journal = world.journal
  world.journal = {}
  return journal
end

test["the journal says whose a run is before anything is written"] = function()
  local journal = dead_run(small())
  test.equal({ journal[1].kind, journal[1].account, journal[1].organization, journal[1].cluster },
    { "who", fakes.ACCOUNT, fakes.ORGANIZATION, fakes.CLUSTER })
end

test["a run of another account, cluster or organization is not taken up: it is said whose it is, and nothing is written"] = function()
  for _, case in ipairs {
    { function(world) world.identity.account, world.identity.arn = "345678901234", "arn:aws:iam::345678901234:user/other" end,
      "it is of AWS account 210987654321 (arn:aws:iam::210987654321:user/operator), and these credentials are of account 345678901234",
      "--profile" },
    { function(world) world.clusters[1].id = "11111111-4c1e-4b7a-9a53-0f2c6e9d41b7" end,
      "it is of cluster orders (" .. fakes.CLUSTER .. "), and 'orders' is another one by now (11111111-",
      "cmek run console --cluster " .. fakes.CLUSTER },
    { function(world)
      local cloud = world.session.cloud
      world.session.cloud = setmetatable({ organization = function() return { id = "99999999-0000-4000-8000-000000000000", name = "Other Co" } end },
        { __index = cloud })
    end, "it is of organization Example Co (" .. fakes.ORGANIZATION .. "), and the Cloud's API key is of Other Co", "COCKROACH_API_KEY" },
  } do
    local world = small()
    local journal = dead_run(world)
    case[1](world)
    local before, calls = json.encode(keys(world)), #world.calls
    local raised = test.raises(function() fakes.run(world, "console", { entries = journal }) end, "taking up run run-1: " .. case[2])
    test.contains(raised.next, case[3])
    test.equal(json.encode(keys(world)), before)
    for at = calls + 1, #world.calls do test.truthy(not world.calls[at].operation:find "^create") end
  end
end

test["the control: the same run is taken up by its own"] = function()
  local world = small()
  local journal = dead_run(world)
  local report, status = fakes.run(world, "console", { entries = journal })
  test.equal({ status, report.error, #keys(world) }, { 0, nil, 1 })
end

-- As programs -----------------------------------------------------------------------------------------------------------------------

-- Starts a run of a cluster of one region in the background and ends it the hard way once its key is there; $RUN is its ID. (Of more
-- regions one's request might not have arrived, and resume would look for its key until the services' lag is over.)
local KILLED <const> = [[
  $CMEK run console --cluster orders-one --yes >/dev/null 2>$D/first & pid=$!
  until grep -q '"operation":"CreateKey"' $D/log; do sleep 0.01; done
  kill -9 $pid; wait $pid 2>/dev/null
  RUN=$(basename $D/state/simulated-runs/*.jsonl .jsonl); echo "RUN $RUN"
]]

local function killed_and(command) return outside.simulated(KILLED .. command, { sim = { "--latency", "40" } }) end

local function roles_and_keys(result)
  local roles, made = 0, 0
  for _, entry in ipairs(result.log) do
    if entry.status == 200 and entry.operation == "CreateRole" then roles = roles + 1 end
    if entry.status == 200 and entry.operation == "CreateKey" then made = made + 1 end
  end
  return roles, made
end

test["a run that was killed is finished by another process: cmek resume, without naming it"] = function()
  local result = killed_and "$CMEK resume --yes; echo status $?; $CMEK plan console --cluster orders-one --exit-code >/dev/null 2>&1; echo plan $?"
  test.contains(result.output, "status 0")
  test.contains(result.output, "plan 0")
  test.equal({ roles_and_keys(result) }, { 1, 1 })
end

test["and on another machine, by the journal that was copied: by its directory, or by its path"] = function()
  for _, how in ipairs { "$CMEK resume --journal $D/copied --yes", "$CMEK resume $RUN --journal $D/copied --yes",
    "$CMEK resume $D/copied/$RUN.jsonl --yes", "cd $D/copied && $CMEK resume $RUN.jsonl --yes" } do
    local result = killed_and([[
      mkdir $D/copied; mv $D/state/simulated-runs/$RUN.jsonl $D/copied/; rm -r $D/state
      export CMEK_STATE_DIR=$D/elsewhere; ]] .. how .. "; echo status $?; ls $D/elsewhere 2>/dev/null")
    test.contains(result.output, "status 0")
    test.equal({ roles_and_keys(result) }, { 1, 1 })
  end
end

test["without the journal a plain run finishes it: one role, one key"] = function()
  local result = killed_and [[
    rm -r $D/state; sleep 0.3
    $CMEK run console --cluster orders-one --yes; echo status $?; $CMEK verify console --cluster orders-one >/dev/null; echo verify $?]]
  test.contains(result.output, "status 0")
  test.contains(result.output, "verify 0")
  test.equal({ roles_and_keys(result) }, { 1, 1 })
end

test["a run that is alive is not taken up: the process that has it is named"] = function()
  local result = outside.simulated([[
    $CMEK run console --cluster orders-one --yes >/dev/null 2>&1 & pid=$!
    until grep -q '"operation":"CreateRole"' $D/log; do sleep 0.01; done
    $CMEK resume $(basename $D/state/simulated-runs/*.jsonl .jsonl); echo status $? of $pid
    wait $pid; echo run $?]], { sim = { "--latency", "60" } })
  test.contains(result.output, "run 0")
  test.contains(result.output, "status 1")
  local pid = result.output:match "status 1 of (%d+)"
  test.contains(result.errors, "another cmek is at it: ")
  test.contains(result.errors, pid)
end

test["what is no journal, no run, or a journal under another name, is refused with what would be right"] = function()
  local result = killed_and [[
    cp $D/state/simulated-runs/$RUN.jsonl $D/copy.jsonl
    for what in $D/copy.jsonl $D/nothing.jsonl $D/first ./$RUN none; do $CMEK resume $what 2>&1; echo "status $?"; done]]
  local told = result.output
  local _, count = told:gsub("status 2", "")
  test.equal(count, 5)
  test.matches(told, "copy.jsonl is the journal of run [%w-]+: give it back the name [%w-]+.jsonl")
  test.contains(told, "no such journal")
  test.contains(told, "is neither the ID of a run nor a journal, whose name is that of its run and ends in .jsonl")
end

test["with other credentials it is refused, by exit status 5 since the run stays open, and a right resume still finishes it"] = function()
  local result = killed_and [[
    (export AWS_ACCESS_KEY_ID=AKIASIMULATEDCMEK002 AWS_SECRET_ACCESS_KEY=simulated/secret/not-a-real-one/00000002
    $CMEK resume --yes 2>&1; echo "status $?")
    $CMEK resume --yes >/dev/null 2>&1; echo "own $?"]]
  test.contains(result.output, "status 5")
  test.contains(result.output, "it is of AWS account 210987654321 (arn:aws:iam::210987654321:user/operator)")
  test.contains(result.output, "and these credentials are of account 345678901234")
  test.contains(result.output, "then cmek resume 2")
  test.contains(result.output, "own 0")
  test.equal({ roles_and_keys(result) }, { 1, 1 })
end
