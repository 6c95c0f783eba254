-- Break-glass that is stopped half-way, meets other runs, other accounts, or is typed at a shell.
local file = require "file"
local json = require "json"
local operators = dofile "tests/operator.lua"
local outside = dofile "tests/outside.lua"
local policies = require "policy"
local revocation = require "policy.revocation"
local revoking = dofile "tests/revoking.lua"

local ACCOUNT <const>, OTHER <const>, ROLE <const> = operators.ACCOUNT, operators.OTHER_ACCOUNT, revoking.ROLE
local enabled, run, now = revoking.enabled, revoking.run, revoking.now
local cluster_of, keys_of = revoking.cluster_of, revoking.keys_of
local denied, writes = revoking.denied, revoking.writes

-- Half-way ---------------------------------------------------------------------------------------------------------------

-- The same operator with a journal of this run alone.
local function anew(who) return operators.beside(who, { who = who.simulation.accounts[1] }) end

-- Takes up a run by its journal.
local function resume(who) return run(who, "revoke", { entries = require("journal").read(who.disk.text) }) end

test["a Deny that is refused half-way leaves the Cloud untold and exit 5; resuming puts the rest and goes on"] = function()
  local who = anew(enabled())
  who.simulation.faults = { { kind = "error", operation = "PutKeyPolicy", region = "us-west-2", code = "AccessDeniedException" } }
  local report, status = run(who, "revoke")
  test.equal({ status, report.run.status, cluster_of(who).cmek.status }, { 5, "unfinished", "ENABLED" })
  test.contains(report.error.next, "cmek resume run-revoke")
  who.simulation.faults = {}
  local order = writes(who)
  report, status = resume(who)
  test.equal({ status, report.error, denied(who) }, { 0, nil, { true, true, true } })
  test.equal(order[#order], "UpdateCMEKStatus")
  test.truthy(#order < 4)
end

test["where only the Cloud was left to be told a run tells it, and puts no policy again"] = function()
  local who = enabled()
  who.simulation.faults = { { kind = "error", operation = "UpdateCMEKStatus", code = "PERMISSION_DENIED", status = 403, message = "no" } }
  local report, status = run(who, "revoke")
  test.equal({ status, denied(who) }, { 5, { true, true, true } })
  test.contains(report.error.message, "no")
  who.simulation.faults = {}
  local order = writes(who)
  report, status = run(who, "revoke", { run_id = "run-3" })
  test.equal({ status, report.summary.change, order }, { 0, 1, { "UpdateCMEKStatus" } })
end

test["where the Cloud was told and a Deny is missing, that alone is put; the name is not asked for again"] = function()
  local who = enabled()
  run(who, "revoke")
  local key = keys_of(who)[2]
  key.Policy = revocation.without(key.Policy)
  local nameless = operators.beside(who, { who = who.simulation.accounts[1], confirm = "another" })
  local order = writes(who)
  local report, status = run(nameless, "revoke", { run_id = "run-3" })
  test.equal({ status, report.error, report.summary.change, order, denied(who) }, { 0, nil, 1, { "PutKeyPolicy" }, { true, true, true } })
end

for _, case in ipairs {
  { "PutKeyPolicy", "revoke", 0 }, { "UpdateCMEKStatus", "revoke", 0 }, { "PutKeyPolicy", "restore", 0 },
} do
  test[("a lost answer to %s of %s is looked up, and ends well; the Cloud is told once"):format(case[1], case[2])] = function()
    local who = enabled()
    if case[2] == "restore" then run(who, "revoke") end
    local fault = { kind = "lost_answer", operation = case[1], count = 1 }
    who.simulation.faults = { fault }
    local order = writes(who)
    local report, status = run(who, case[2])
    test.equal({ status, report.error, fault.count }, { 0, nil, 0 })
    local told = 0
    for _, operation in ipairs(order) do told = told + (operation == "UpdateCMEKStatus" and 1 or 0) end
    test.equal({ told, denied(who)[1] }, { case[2] == "revoke" and 1 or 0, case[2] == "revoke" })
  end
end

test["a PATCH that never arrived is not sent again by itself: the run says what it saw, and resuming sends it"] = function()
  local who = anew(enabled())
  who.simulation.faults = { { kind = "reset", operation = "UpdateCMEKStatus", count = 1 } }
  local report, status = run(who, "revoke")
  test.equal({ status, report.error.situation, cluster_of(who).cmek.status }, { 5, "cloud.lost", "ENABLED" })
  report, status = resume(who)
  test.equal({ status, report.error, now(who).status }, { 0, nil, "REVOKED" })
end

test["a cluster that another job holds is waited for, after the keys are denied"] = function()
  local who = enabled()
  local cluster = cluster_of(who)
  cluster.state, cluster.operation_status = "LOCKED", "MAINTENANCE_RUNNING"
  who.world:after(900, function() cluster.state, cluster.operation_status = "CREATED", "UNSPECIFIED" end)
  local report, status = run(who, "revoke")
  test.equal({ status, report.error, now(who).status, denied(who)[1] }, { 0, nil, "REVOKED", true })
  test.contains(report.warnings[1].text, "is locked by another job: the role is kept from the keys at once")
end

test["a policy that somebody changes between the plan and the put keeps what they put, there and back"] = function()
  local who = enabled()
  local door, added = who.door, { Sid = "Auditors", Effect = "Allow", Principal = { AWS = ("arn:aws:iam::%s:root"):format(ACCOUNT) },
    Action = "kms:Describe*", Resource = "*" }
  who.door = setmetatable({
    permit_writes = function(_, ...) return door:permit_writes(...) end,
    permit_irreversible = function(_, ...)
      revoking.with_statement(keys_of(who)[1], added)
      return door:permit_irreversible(...)
    end }, { __index = door })
  local _, status = run(who, "revoke")
  local document = policies.parse(keys_of(who)[1].Policy)
  test.equal({ status, #document.Statement, document.Statement[3].Sid, denied(who)[1] }, { 0, 4, "Auditors", true })
  who.door = door
  run(who, "restore")
  document = policies.parse(keys_of(who)[1].Policy)
  test.equal({ #document.Statement, document.Statement[3].Sid }, { 3, "Auditors" })
end

test["somebody who restores at the same time is noticed before the Cloud is told"] = function()
  local who = enabled()
  local puts = 0
  who.simulation.on_request = function(entry)
    puts = puts + (entry.operation == "PutKeyPolicy" and 1 or 0)
    if puts == 3 then   -- the Deny stands, and is seen; a moment later it is gone
      puts = 4
      who.world:after(0.5, function()
        local key = keys_of(who)[2]
        key.Policy = revocation.without(key.Policy)
      end)
    end
  end
  who.simulation.faults = { { kind = "stall", operation = "GetCMEKClusterInfo", seconds = 2, skip = 0 } }
  local report, status = run(who, "revoke")
  test.equal({ status, report.run.status, cluster_of(who).cmek.status }, { 5, "unfinished", "ENABLED" })
  test.contains(report.error.message, "somebody took the Deny out of its policy again")
end

test["a key that the cluster is given after the plan is not overlooked"] = function()
  local who = enabled()
  local door = who.door
  who.door = setmetatable({
    permit_writes = function(_, ...) return door:permit_writes(...) end,
    permit_irreversible = function(_, ...)
      local info = cluster_of(who).cmek.region_infos[1]
      table.insert(info.key_infos, { status = "ENABLED", user_message = "", created_at = "2026-01-01T00:00:00Z", updated_at = "2026-01-02T00:00:00Z",
        spec = { type = "AWS_KMS", uri = "arn:aws:kms:eu-west-1:210987654321:key/11111111-2222-4333-8444-555555555555", auth_principal = ROLE } })
      return door:permit_irreversible(...)
    end }, { __index = door })
  local report, status = run(who, "revoke")
  test.equal({ status, cluster_of(who).cmek.status }, { 5, "ENABLED" })
  test.contains(report.error.message, "since the plan was made the cluster was given another key")
end

-- What others do with a revoked cluster -------------------------------------------------------------------------------------

test["no other run takes the Deny away: console keeps it, says that the cluster is revoked and names restore"] = function()
  local who = enabled()
  run(who, "revoke")
  for i, key in ipairs(keys_of(who)) do   -- something to repair
    if i == 1 then key.Policy = key.Policy:gsub("kms:Encrypt\"", "kms:EncryptX\"", 1) end
  end
  local report, status = run(who, "console", { run_id = "run-3" })
  test.equal({ status, report.error, report.summary.change, denied(who) }, { 0, nil, 1, { true, true, true } })
  test.contains(report.warnings[1].text, "cluster orders is revoked")
  test.contains(report.warnings[1].text, "cmek run restore --cluster orders")
  test.equal(report.cmek, { status = "REVOKED", uses = "all", next = "cmek run restore --cluster orders" })
  report, status = run(who, "enable", { run_id = "run-4" })
  test.equal({ status, report.error.situation, report.error.commands }, { 1, "cmek.revoked", { "cmek run restore --cluster orders" } })
end

test["verify finds the revocation under its own name, once a key, and is calm when it is over"] = function()
  local who = enabled()
  run(who, "revoke")
  local report, status = run(who, "console", { mode = "verify" })
  local found = {}
  for i, finding in ipairs(report.findings) do found[i] = finding.id end
  test.equal({ status, found }, { 6, { "key.revoked", "key.revoked", "key.revoked", "cluster_cmek.enabled", "cluster_cmek.enabled",
    "cluster_cmek.enabled" } })
  test.equal(report.findings[1].mend, "cmek run restore --cluster orders")
  run(who, "restore")
  require("sim.cmek").restore(who.simulation, cluster_of(who))
  test.equal(select(2, run(who, "console", { mode = "verify", run_id = "run-4" })), 0)
end

test["verify revoke tells what is missing of a revocation, verify restore what is left of it"] = function()
  local who = enabled()
  test.equal(select(2, run(who, "revoke", { mode = "verify" })), 6)
  test.equal(select(2, run(who, "restore", { mode = "verify" })), 0)
  run(who, "revoke")
  test.equal(select(2, run(who, "revoke", { mode = "verify" })), 0)
  local report, status = run(who, "restore", { mode = "verify" })
  test.equal({ status, #report.findings }, { 6, 6 })
end

test["destroying a revoked cluster's chain is refused as before, and destroy revoke takes nothing back but says what does"] = function()
  local who = enabled()
  run(who, "revoke")
  local report, status = run(who, "console", { mode = "destroy", run_id = "run-3" })
  test.equal({ status, report.summary.refused }, { 1, 4 })
  test.contains(report.steps[1].reason, "REVOKED")
  local order = writes(who)
  report, status = run(who, "revoke", { mode = "destroy", run_id = "run-4" })
  test.equal({ status, report.summary.delete, #order, denied(who)[1] }, { 0, 0, 0, true })
  test.contains(report.warnings[1].text, "it is taken back by cmek run restore")
end

test["a key of another account is left to it where that is said, with the statement that it has to put"] = function()
  local who = enabled()
  local spec = cluster_of(who).cmek.region_infos[1].key_infos[1].spec
  spec.uri = spec.uri:gsub(ACCOUNT, OTHER)
  local report, status = run(who, "revoke", { arguments = { elsewhere = { spec.uri } } })
  test.equal({ status, report.error, report.summary.change, now(who).status }, { 0, nil, 3, "REVOKED" })
  test.contains(report.warnings[1].text, ('"Sid":"%s","Effect":"Deny"'):format(revocation.SID))
  report, status = run(who, "restore", { arguments = { elsewhere = { spec.uri } } })
  test.equal({ status, report.error, report.summary.change }, { 0, nil, 2 })
end

-- Several accounts -----------------------------------------------------------------------------------------------------

-- A cluster one of whose keys is in another account, which the profile `security` leads to; as a layout makes it.
local function in_two_accounts()
  local config, layout = test.directory() .. "/config", test.directory() .. "/layout.lua"
  local probe = require("sim.state").USERS[2]
  assert(file.write(config, ("[profile security]\naws_access_key_id = %s\naws_secret_access_key = %s\n"):format(probe.access_key_id,
    probe.secret_access_key)))
  assert(file.write(layout, 'return { ["us-east-1"] = {}, ["us-west-2"] = {}, ["eu-west-1"] = { profile = "security" } }'))
  local who = operators.open { environment = { AWS_CONFIG_FILE = config } }
  local report, status = operators.run(who, "console", { arguments = { layout = layout, enable = true } })
  test.equal({ status, report.error }, { 0 })
  operators.within(who, function(session) session.tasks.sleep(86400) end)
  who.config = config
  return who, who.simulation.state.aws[OTHER].kms["eu-west-1"].keys[1]
end

test["a key of another account is denied and given back by the profile that leads there"] = function()
  local who, there = in_two_accounts()
  test.contains(there.Arn, OTHER)
  local before = there.Policy
  local report, status = run(who, "revoke")
  test.equal({ status, report.summary.refused }, { 1, 1 })
  test.contains(report.error.message, "(--reach)")
  local reach = { reach = { "security" } }
  report, status = run(who, "revoke", { arguments = reach, mode = "plan", requests = true })
  test.equal({ status, #report.requests, there.Policy }, { 0, 4, before })
  report, status = run(who, "revoke", { arguments = reach, run_id = "run-2" })
  test.equal({ status, report.error, report.summary.change, now(who).status }, { 0, nil, 4, "REVOKED" })
  test.equal({ revocation.denies(there.Policy, { ROLE }), denied(who) }, { true, { true, true } })
  test.equal(select(2, run(who, "revoke", { arguments = reach, mode = "verify" })), 0)
  report, status = run(who, "restore", { arguments = reach, run_id = "run-3" })
  test.equal({ status, report.error, report.summary.change, policies.equal(there.Policy, before) }, { 0, nil, 3, true })
end

test["a drill asks the other account for its rights as well"] = function()
  local who = in_two_accounts()
  local reach = { reach = { "security" }, drill = true }
  local one = operators.beside(who, { who = who.simulation.accounts[1], environment = { AWS_CONFIG_FILE = who.config } })
  local report, status = run(one, "revoke", { arguments = reach })
  test.equal({ status, report.error, report.drill.ready }, { 0, nil, true })
  local rights = 0
  for _, check in ipairs(report.drill.checks) do rights = rights + (check.id == "rights.kms:PutKeyPolicy" and 1 or 0) end
  test.equal(rights, 2)
end

-- From outside -----------------------------------------------------------------------------------------------------------

test["every document of revoking and restoring is of its schema"] = function()
  local json_schema = dofile "tests/json_schema.lua"
  local who = enabled()
  local function sound(report) test.equal(json_schema.complaint(json.decode(json.encode(report))), nil) end
  sound((run(who, "revoke", { mode = "plan" })))
  sound((run(operators.beside(who, { who = who.simulation.accounts[1] }), "revoke", { arguments = { drill = true } })))
  sound((run(operators.beside(who, { who = who.simulation.accounts[1], confirm = "no" }), "revoke")))
  for _, recipe in ipairs { "revoke", "restore" } do
    sound((run(who, recipe)))
    for _, event in ipairs(who.events) do
      local line = json.decode(json.encode(event))
      line.schema, line.time = "cmek.event/1", "2026-02-01T09:00:00Z"
      sound(line)
    end
    sound((run(who, recipe, { mode = "verify" })))
  end
end

-- One cluster alone, so that the others need not be asked.
local function alone(command)
  local directory = test.directory()
  assert(file.write(directory .. "/clusters.json", '[{"name":"orders-one","regions":["us-east-1"]}]'))
  return outside.simulated(command, { directory = directory, sim = { "--clusters", directory .. "/clusters.json" } })
end

test["from outside: a drill, a run that wants the name, one that has it, the way back, and the text for support"] = function()
  local result = alone [[
    unset AWS_MAX_ATTEMPTS
    "$CMEK" run console --cluster orders-one --enable --yes --confirm orders-one >/dev/null
    "$CMEK" run revoke --cluster orders-one --drill --yes --confirm orders-one; echo "status $?"
    "$CMEK" run revoke --cluster orders-one --yes; echo "status $?"
    "$CMEK" run revoke --cluster orders-one --yes --confirm orders-one; echo "status $?"
    "$CMEK" status --cluster orders-one; echo "status $?"
    "$CMEK" run restore --cluster orders-one --yes; echo "status $?"]]
  local statuses = {}
  for status in result.output:gmatch "status (%d+)" do statuses[#statuses + 1] = status end
  test.equal(table.concat(statuses, " "), "0 1 0 0 0", result.text)
  for _, words in ipairs { "Drill: all is ready, 2 changes could be made now; nothing was changed", "The cluster is down.", "Cluster: orders-one, ID",
    "Please bring our cluster orders-one up again", "next: cmek run restore --cluster orders-one", "CMEK          REVOKED" } do
    test.contains(result.output, words)
  end
  test.contains(result.errors, "--confirm NAME, with the cluster's name, confirms beforehand")
  test.equal({ result:writes "PutKeyPolicy", result:writes "UpdateCMEKStatus", result:writes "ScheduleKeyDeletion" }, { 2, 1, 0 })
  outside.plain(result.text)
end

test["from outside: two who revoke at once end with every key denied and CMEK revoked"] = function()
  local result = alone [[
    unset AWS_MAX_ATTEMPTS
    "$CMEK" run console --cluster orders-one --enable --yes --confirm orders-one >/dev/null 2>&1
    for i in 1 2; do
      ("$CMEK" run revoke --cluster orders-one --yes --confirm orders-one >$D/out$i 2>&1; echo "status $?" >>$D/statuses) &
    done
    wait
    sort $D/statuses
    "$CMEK" verify revoke --cluster orders-one >/dev/null; echo "verified $?"]]
  test.equal(result.output, "status 0\nstatus 0\nverified 0\n", result.text)
end
