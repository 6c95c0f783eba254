-- Break-glass and the way back: which policies and what of the Cloud change, in which order, what is refused, and what a drill tells.
local file = require "file"
local json = require "json"
local names = require "names"
local operators = dofile "tests/operator.lua"
local outside = dofile "tests/outside.lua"
local policies = require "policy"
local revocation = require "policy.revocation"

local ACCOUNT <const>, OTHER <const> = operators.ACCOUNT, operators.OTHER_ACCOUNT
local ROLE <const> = ("arn:aws:iam::%s:role/%s"):format(ACCOUNT, names.role(operators.CLUSTER))

-- A cluster that has CMEK enabled, a day ago.
local function enabled(options)
  local who = operators.open(options)
  local report, status = operators.run(who, "console", { arguments = { enable = true, multi_region_key = options and options.multi_region } })
  assert(status == 0, json.encode(report.error or {}))
  operators.within(who, function(session) session.tasks.sleep(86400) end)
  return who
end

local function cluster_of(who, name)
  for _, cluster in ipairs(who.simulation.state.cloud.clusters) do
    if cluster.name == (name or "orders") then return cluster end
  end
end

-- Every key of an account, by region.
local function keys_of(who)
  local list = {}
  for region, place in require("sorted")(who.simulation.state.aws[ACCOUNT].kms) do
    for _, key in ipairs(type(region) == "string" and place.keys or {}) do list[#list + 1] = key end
  end
  return list
end

local function policies_of(who)
  local list = {}
  for i, key in ipairs(keys_of(who)) do list[i] = key.Policy end
  return list
end

local function denied(who)
  local list = {}
  for i, key in ipairs(keys_of(who)) do list[i] = revocation.denies(key.Policy, { ROLE }) end
  return list
end

-- The operations that write, in order, without those that the rate limit refuses.
local function writes(who)
  local list = {}
  who.simulation.on_request = function(entry)
    if entry.write and entry.status ~= 429 then list[#list + 1] = entry.operation end
  end
  return list
end

local function run(who, recipe, options)
  options = options or {}
  options.run_id = options.run_id or "run-" .. recipe
  return operators.run(who, recipe, options)
end

local function now(who) return operators.within(who, function(session) return session.cloud.cmek(operators.CLUSTER.id) end) end

local function usable(who) return require("sim.access").check(who.simulation, cluster_of(who), now(who).region_infos[1].key_infos[1].spec) end

-- The statement ----------------------------------------------------------------------------------------------------------

local BASE <const> = policies.json(policies.cmek { role = ROLE, account = ACCOUNT })

test["the Deny keeps the role from the key against an Allow and a grant, however it comes, and nobody from changing the policy"] = function()
  local policy = revocation.with(BASE, { ROLE })
  test.truthy(policies.validate(policy, "key"))
  local session = { arn = ("arn:aws:sts::%s:assumed-role/%s/x"):format(ACCOUNT, names.role(operators.CLUSTER)), account = ACCOUNT, role_arn = ROLE,
    kind = "session" }
  local user = { arn = ("arn:aws:iam::%s:user/operator"):format(ACCOUNT), account = ACCOUNT }
  local function verdict(principal, action, document)
    return policies.evaluate { principal = principal, action = action, resource = "arn:aws:kms:us-east-1:210987654321:key/x",
      resource_account = ACCOUNT, resource_kind = "key", resource_policy = document,
      identity = { { Version = "2012-10-17", Statement = { Effect = "Allow", Action = "kms:*", Resource = "*" } } } }.verdict
  end
  for _, action in ipairs { "kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:CreateGrant" } do
    test.equal({ action, verdict(session, action, policy), verdict(session, action, BASE), verdict(user, action, policy) },
      { action, "denied", "allowed", "allowed" })
  end
  for _, action in ipairs { "kms:PutKeyPolicy", "kms:DescribeKey" } do
    test.equal({ verdict(session, action, policy), verdict(user, action, policy) }, { "allowed", "allowed" })
  end
end

test["a policy with the Deny and without it again is what it was, statements of others and their order with it"] = function()
  local document = policies.parse(BASE)
  table.insert(document.Statement, 1, { Sid = "Auditors", Effect = "Allow", Principal = { AWS = ACCOUNT }, Action = json.array { "kms:List*" },
    Resource = "*" })
  local text = policies.json(document)
  test.equal(revocation.without(revocation.with(text, { ROLE })), text)
  test.equal(revocation.with(revocation.with(text, { "arn:aws:iam::1:role/old" }), { ROLE }), revocation.with(text, { ROLE }))
  local of_another = revocation.with(text, { "arn:aws:iam::1:role/old" })
  test.equal({ revocation.denies(text, { ROLE }), revocation.denies(of_another, { ROLE }) }, { false, false })
  test.equal(revocation.without '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"kms:List*","Resource":"*"}}',
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"kms:List*","Resource":"*"}]}')
end

-- There and back -----------------------------------------------------------------------------------------------------------

test["every key is denied first, then the Cloud is told and waited for; neither role nor key is deleted"] = function()
  local who = enabled()
  test.truthy(usable(who))
  local order = writes(who)
  local report, status = run(who, "revoke")
  test.equal({ status, report.error, report.run.status, report.summary.change }, { 0, nil, "done", 4 })
  test.equal(order, { "PutKeyPolicy", "PutKeyPolicy", "PutKeyPolicy", "UpdateCMEKStatus" })
  test.equal(denied(who), { true, true, true })
  test.equal(now(who).status, "REVOKED")
  test.equal({ #keys_of(who), operators.role(who) ~= nil, (usable(who)) }, { 3, true, nil })
end

test["a plan marks what only support can bring back, says what will stop and how it comes back, and changes nothing"] = function()
  local who = enabled()
  local order = writes(who)
  local report, status = run(who, "revoke", { mode = "plan" })
  local last = report.steps[4]
  test.equal({ status, last.kind, last.irreversible, report.steps[1].irreversible, #order }, { 0, "revoked_cluster", true, false, 0 })
  for _, words in ipairs { "every node in every region stops", "cmek run restore", "support" } do test.contains(last.reason, words) end
  test.equal(report.steps[1].differences[1].want, "Deny " .. ROLE)
end

test["restore takes exactly the Deny away: each policy is what it was, statements of others too, and the role may use the key again"] = function()
  local who = enabled()
  local key = keys_of(who)[1]
  local document = policies.parse(key.Policy)
  table.insert(document.Statement, { Sid = "Auditors", Effect = "Allow", Principal = { AWS = ("arn:aws:iam::%s:root"):format(ACCOUNT) },
    Action = "kms:Describe*", Resource = "*" })
  key.Policy = policies.json(document)
  local before = policies_of(who)
  run(who, "revoke")
  local order = writes(who)
  local report, status = run(who, "restore")
  test.equal({ status, report.error, report.summary.change, report.summary.unchanged }, { 0, nil, 3, 1 })
  test.equal(order, { "PutKeyPolicy", "PutKeyPolicy", "PutKeyPolicy" })
  for i, policy in ipairs(policies_of(who)) do test.truthy(policies.equal(policy, before[i])) end
  test.truthy(usable(who))
  test.equal(now(who).status, "REVOKED")
end

test["both are done once: again there is nothing to do, and nothing is asked"] = function()
  local who = enabled()
  run(who, "revoke")
  local order = writes(who)
  local report, status = run(who, "revoke", { run_id = "run-3" })
  test.equal({ status, report.summary.change, report.summary.unchanged, #order }, { 0, 0, 4, 0 })
  run(who, "restore")
  order = writes(who)
  report, status = run(who, "restore", { run_id = "run-5" })
  test.equal({ status, report.summary.change, #order }, { 0, 0, 0 })
end

test["what support does in the simulator brings the cluster back, after restore alone"] = function()
  local who = enabled()
  local support = function() return require("sim.cmek").restore(who.simulation, cluster_of(who)) end
  run(who, "revoke")
  test.equal(support(), false)
  run(who, "restore")
  test.equal({ support(), now(who).status }, { true, "ENABLED" })
  local report, status = run(who, "restore", { mode = "verify" })
  test.equal({ status, #report.findings }, { 0, 0 })
  report, status = run(who, "console", { mode = "verify", run_id = "run-6" })
  test.equal({ status, #report.findings }, { 0, 0 })
  test.equal(run(who, "restore", { run_id = "run-7" }).ticket, nil)
end

test["the ticket names cluster and organization by their IDs, the time, and what was done to which key"] = function()
  local who = enabled()
  local report = run(who, "revoke")
  local function has(text, list)
    for _, words in ipairs(list) do test.contains(text, words) end
  end
  local ids = { "orders, ID " .. operators.CLUSTER.id, "ID 0f4be3a2-6a1c-4d5e-9b7f-2c8d1e6a7f90", "REVOKED since 20", ROLE,
    keys_of(who)[1].Arn, "run run-" }
  has(report.ticket.text, ids)
  has(report.ticket.text, { "down on purpose", '{"action":"REVOKE"}' })
  report = run(who, "restore")
  has(report.ticket.text, ids)
  has(report.ticket.text, { "Please bring our cluster orders up again", "may use these keys again" })
  test.truthy(not report.ticket.text:find('"action"', 1, true))
  test.equal({ report.ticket.cluster_id, report.ticket.organization_id }, { operators.CLUSTER.id, "0f4be3a2-6a1c-4d5e-9b7f-2c8d1e6a7f90" })
end

-- Every key --------------------------------------------------------------------------------------------------------------

-- A past key of a region, as a rotation leaves it.
local function past_key(who, region)
  local document = policies.json(policies.cmek { role = ROLE, account = ACCOUNT })
  local arn = operators.within(who, function(session)
    session.door:region(region)
    return session.kms.create_key { region = region, Policy = document }.KeyMetadata.Arn
  end)
  for _, info in ipairs(cluster_of(who).cmek.region_infos) do
    if info.region == region then
      table.insert(info.key_infos, 1, { status = "DISABLED", user_message = "", spec = { type = "AWS_KMS", uri = arn, auth_principal = ROLE },
        created_at = "2026-01-01T00:00:00Z", updated_at = "2026-01-02T00:00:00Z" })
    end
  end
  return arn
end

test["past keys are denied as well, whatever their status"] = function()
  local who = enabled()
  past_key(who, "us-east-1")
  local report, status = run(who, "revoke")
  test.equal({ status, report.summary.change, denied(who) }, { 0, 5, { true, true, true, true } })
  run(who, "restore")
  test.equal(denied(who), { false, false, false, false })
end

test["a role that the cluster had before is kept from every key as well"] = function()
  local who = enabled()
  local old = ("arn:aws:iam::%s:role/old"):format(ACCOUNT)
  past_key(who, "us-east-1")
  cluster_of(who).cmek.region_infos[2].key_infos[1].spec.auth_principal = old
  local report, status = run(who, "revoke")
  test.equal({ status, report.error, report.summary.change }, { 0, nil, 5 })
  for _, key in ipairs(keys_of(who)) do test.equal(revocation.of(key.Policy).Condition.ArnEquals["aws:PrincipalArn"], { ROLE, old }) end
  report, status = run(who, "restore")
  test.equal({ status, report.error, denied(who) }, { 0, nil, { false, false, false, false } })
  test.equal(#report.warnings, 2)   -- of the past key, whose role is gone, and of the Cloud
end

test["where many clusters have to be asked it is said how many, and how long that takes"] = function()
  local who = enabled()
  local list = who.simulation.state.cloud.clusters
  for i = 1, 60 do
    local copy = json.decode(json.encode(cluster_of(who, "orders-one")))
    copy.name, copy.id = "more-" .. i, ("00000000-0000-4000-8000-%012d"):format(i)
    table.insert(list, copy)
  end
  run(who, "revoke", { mode = "plan" })
  local said = {}
  for _, event in ipairs(who.events) do said[#said + 1] = event.kind == "say" and event.text or nil end
  test.matches(table.concat(said, "\n"), "%d+ clusters are asked, 10 a second: about %d")
end

test["of a multi-Region key every replica is denied, also in a region that the cluster does not have"] = function()
  local who = enabled { multi_region = true }
  local key = operators.key(who, "us-east-1")
  local root = { arn = ("arn:aws:iam::%s:root"):format(ACCOUNT), account = ACCOUNT, kind = "root" }
  for _, region in ipairs { "ap-southeast-2", "us-west-2" } do
    assert(who.simulation:call { principal = root, service = "kms", region = "us-east-1", operation = "ReplicateKey",
      parameters = { KeyId = key.Arn, ReplicaRegion = region, Policy = BASE } })
  end
  test.equal(#keys_of(who), 5)
  local report, status = run(who, "revoke")
  test.equal({ status, report.error, report.summary.change }, { 0, nil, 6 })
  test.equal(denied(who), { true, true, true, true, true })
  report, status = run(who, "restore")
  test.equal({ status, report.summary.change, denied(who) }, { 0, 5, { false, false, false, false, false } })
end

test["a key that waits for its deletion is denied, and the command that saves it is told; a key that is gone is told and no hindrance"] = function()
  local who = enabled()
  local past = past_key(who, "us-east-1")
  operators.within(who, function(session)
    session.kms.schedule_key_deletion { region = "us-west-2", KeyId = operators.key(who, "us-west-2").Arn, PendingWindowInDays = 30 }
  end)
  local place = who.simulation.state.aws[ACCOUNT].kms["us-east-1"]
  for i = #place.keys, 1, -1 do
    if place.keys[i].Arn == past then table.remove(place.keys, i) end
  end
  local report, status = run(who, "revoke")
  test.equal({ status, report.error, report.summary.change, denied(who) }, { 0, nil, 4, { true, true, true } })
  local texts = {}
  for i, warning in ipairs(report.warnings) do texts[i] = warning.text end
  local text = table.concat(texts, "\n")
  test.contains(text, "aws kms cancel-key-deletion --region us-west-2")
  test.contains(text, "KMS has no key " .. past)
end

test["a role that is gone and still stands in the policies by its ID keeps nothing from being revoked"] = function()
  local who = enabled()
  operators.within(who, function(session) session.iam.delete_role { RoleName = names.role(operators.CLUSTER) } end)
  operators.within(who, function(session) session.tasks.sleep(600) end)
  local report, status = run(who, "revoke")
  test.equal({ status, report.error, now(who).status }, { 0, nil, "REVOKED" })
  test.contains(report.warnings[1].text, "is gone")
  report, status = run(who, "restore")
  test.equal({ status, report.summary.change }, { 0, 0 })
  test.contains(report.ticket.text, "not usable: the role " .. ROLE .. " does not exist")
end

test["a role that was deleted since the revocation is made again by console, which leaves the Deny; then restore takes it away"] = function()
  local who = enabled()
  run(who, "revoke")
  operators.within(who, function(session) session.iam.delete_role { RoleName = names.role(operators.CLUSTER) } end)
  operators.within(who, function(session) session.tasks.sleep(600) end)
  local report, status = run(who, "restore")
  test.equal({ status, report.summary.refused }, { 1, 3 })
  test.contains(report.error.message, "cmek run console --cluster orders makes the role again")
  report, status = run(who, "console", { run_id = "run-4" })
  test.equal({ status, report.error, report.summary.create, report.summary.change, denied(who) }, { 0, nil, 1, 3, { true, true, true } })
  report, status = run(who, "restore", { run_id = "run-5" })
  test.equal({ status, report.error, denied(who), (usable(who)) }, { 0, nil, { false, false, false }, true })
end

test["a grant to another account is told, with the command that ends it; a grant to the role needs none"] = function()
  local who = enabled()
  local key = keys_of(who)[1]
  local function grant(id, who_may) return { GrantId = id, GranteePrincipal = who_may, Operations = json.array { "Decrypt" } } end
  who.session.kms.list_grants = function(p)   -- the simulated KMS has none
    return { Grants = p.KeyId == key.Arn and json.array { grant("g-1", ROLE), grant("g-2", ("arn:aws:iam::%s:root"):format(OTHER)) } or nil }
  end
  local report = run(who, "revoke", { mode = "plan" })
  test.equal(#report.warnings, 1)
  test.contains(report.warnings[1].text, ("aws kms revoke-grant --region eu-west-1 --key-id %s --grant-id g-2"):format(key.Arn))
end

test["the requests that a run would send are those that it sends"] = function()
  local who = enabled()
  local plan = run(who, "revoke", { mode = "plan", requests = true })
  local planned, order = {}, writes(who)
  for i, request in ipairs(plan.requests) do planned[i] = request.operation end
  test.equal(#order, 0)
  run(who, "revoke")
  test.equal(planned, order)
  test.equal(plan.requests[4].parameters, { action = "REVOKE" })
end

-- Refused ----------------------------------------------------------------------------------------------------------------

-- Nothing may have changed.
local function untouched(who, order)
  test.equal({ #order, now(who).status }, { 0, "ENABLED" })
  for _, one in ipairs(denied(who)) do test.equal(one, false) end
end

-- Another cluster that names an ARN.
local function let_name(who, spec)
  cluster_of(who, "orders-one").cmek = { status = "ENABLED", region_infos = json.array { { region = "us-east-1", status = "ENABLED",
    key_infos = json.array { { status = "DISABLED", spec = spec, user_message = "" } } } } }
end

for _, case in ipairs {
  { "a key", function(who) return { type = "AWS_KMS", uri = operators.key(who, "us-west-2").Arn, auth_principal = "arn:aws:iam::1:role/x" } end },
  { "the role", function() return { type = "AWS_KMS", auth_principal = ROLE,
    uri = "arn:aws:kms:us-east-1:210987654321:key/11111111-2222-4333-8444-555555555555" } end },
} do
  test["refused when another cluster uses " .. case[1]] = function()
    local who = enabled()
    let_name(who, case[2](who))
    local order = writes(who)
    local report, status = run(who, "revoke")
    test.equal({ status, report.error.situation }, { 1, "revoke.shared" })
    test.contains(report.error.message, "cluster orders-one uses arn:aws:")
    untouched(who, order)
  end
end

test["refused when a cluster cannot be asked"] = function()
  local closed
  local who = enabled { network = function(_, request)
    if not (closed and request.url:find("5e0c94f3-27ab-4d18-8c66-91d3b7a2e5f4/cmek", 1, true)) then return nil end
    return { instead = function()
      return { status = 403, headers = { { "Content-Type", "application/json" } }, body = '{"code":7,"message":"no"}' }
    end }
  end }
  local order = writes(who)
  closed = true
  test.raises(function() run(who, "revoke") end, "orders-one")
  untouched(who, order)
end

test["since the plan another cluster may have begun to use the role: asked again before a policy is put"] = function()
  local who = enabled()
  local order = writes(who)
  local asked, door = false, who.door
  -- somebody thinks for long before the name is typed
  who.door = setmetatable({ permit_writes = function(_, ...) return door:permit_writes(...) end,
    permit_irreversible = function(_, ...)
      let_name(who, { type = "AWS_KMS", uri = "arn:aws:kms:us-east-1:210987654321:key/11111111-2222-4333-8444-555555555555", auth_principal = ROLE })
      who.session.tasks.sleep(60)
      asked = true
      return door:permit_irreversible(...)
    end }, { __index = door })
  local report, status = run(who, "revoke")
  test.equal({ asked, status, #order }, { true, 1, 0 })
  test.contains(report.error.message, "since the plan was made: cluster orders-one uses " .. ROLE)
end

for _, case in ipairs {
  { "a cluster that never had CMEK", "orders-one", "CMEK was never enabled for it" },
  { "a cluster on another cloud", "orders-gcp", "" },
} do
  test["nothing to revoke: " .. case[1]] = function()
    local who = operators.open()
    local raised = test.raises(function() run(who, "revoke", { arguments = { cluster = case[2] } }) end, case[3])
    test.equal(require("engine").status_of(raised, false), 1)
    test.raises(function() run(who, "restore", { arguments = { cluster = case[2] } }) end, case[3])
  end
end

-- A policy of one key that is as somebody left it.
local function with_statement(key, statement)
  local document = policies.parse(key.Policy)
  table.insert(document.Statement, statement)
  key.Policy = policies.json(document)
end

local function filler(key)   -- as long as KMS takes it
  local statement = { Sid = "Filler", Effect = "Deny", Principal = { AWS = "*" }, Action = "kms:RetireGrant", Resource = "*",
    Condition = { StringEquals = { ["aws:PrincipalTag/x"] = "" } } }
  local length = 32768 - #key.Policy - #policies.json { Version = "2012-10-17", Statement = json.array { statement } } + 30
  statement.Condition.StringEquals["aws:PrincipalTag/x"] = ("x"):rep(length)
  return statement
end

for _, case in ipairs {
  { "a key of another account", "is a key of account " .. OTHER, function(who)
    local spec = cluster_of(who).cmek.region_infos[1].key_infos[1].spec
    spec.uri = spec.uri:gsub(ACCOUNT, OTHER)
  end },
  { "a policy that may not be read", "its policy may not be read: allow kms:GetKeyPolicy", function(who)
    who.simulation.faults = { { kind = "error", operation = "GetKeyPolicy", region = "us-west-2", code = "AccessDeniedException" } }
  end },
  { "a key that may not be looked at", "its state may not be read: allow kms:DescribeKey", function(who)
    who.simulation.faults = { { kind = "error", operation = "DescribeKey", region = "us-west-2", code = "AccessDeniedException" } }
  end },
  { "a policy that is as long as KMS takes it", "and KMS takes 32768", function(who)
    local key = keys_of(who)[1]
    with_statement(key, filler(key))
  end },
  { "a policy that names somebody who was deleted", "a role or user that was deleted, so KMS takes no new policy with it", function(who)
    with_statement(keys_of(who)[1], { Sid = "Left", Effect = "Allow", Principal = { AWS = "AROAEXAMPLEEXAMPLE123" }, Action = "kms:Decrypt",
      Resource = "*" })
  end },
  { "a policy that the caller could not change again", "could not change it again", function(who)
    with_statement(keys_of(who)[1], { Sid = "Locked", Effect = "Deny", Principal = { AWS = ("arn:aws:iam::%s:user/operator"):format(ACCOUNT) },
      Action = "kms:PutKeyPolicy", Resource = "*" })
  end },
} do
  test["refused before anything is changed, by a drill as by a run: " .. case[1]] = function()
    local who = enabled()
    case[3](who)
    local order = writes(who)
    for _, drill in ipairs { true, false } do
      local report, status = run(who, "revoke", { arguments = { drill = drill }, run_id = "run-" .. tostring(drill) })
      test.equal({ status, report.summary.refused }, { 1, 1 })
      test.contains(report.error.message, case[2])
    end
    test.equal({ #order, cluster_of(who).cmek.status }, { 0, "ENABLED" })
  end
end

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
      with_statement(keys_of(who)[1], added)
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

-- A drill ----------------------------------------------------------------------------------------------------------------

test["a drill that finds all ready says so, with each check, and cannot write even where yes was said"] = function()
  local who = enabled()
  local order = writes(who)
  local report, status = run(who, "revoke", { arguments = { drill = true } })
  test.equal({ status, report.error, report.run.status, report.drill.ready }, { 0, nil, "done", true })
  local ids = {}
  for _, check in ipairs(report.drill.checks) do ids[check.id] = check.result end
  test.equal({ ids["revoked_key.ready"], ids["revoked_cluster.ready"], ids["rights.kms:PutKeyPolicy"] }, { "ok", "ok", "ok" })
  untouched(who, order)
  test.equal(report.ticket, nil)
  test.equal({ who.door:permit_writes "?" }, { nil, "this command may only read" })
end

test["a drill of somebody who has not the right is refused; of somebody of whom that cannot be known it is not ready"] = function()
  local who = enabled()
  local reads = { Version = "2012-10-17", Statement = { Effect = "Allow", Action = json.array { "kms:Describe*", "kms:Get*", "kms:List*",
    "sts:*", "tag:*" }, Resource = "*" } }
  local function drill(document)
    local user = who.simulation:add_user { account = ACCOUNT, name = "reader-" .. #document.Statement.Action, policies = { document } }
    return run(operators.beside(who, { who = user }), "revoke", { arguments = { drill = true } })
  end
  local report, status = drill(reads)
  test.equal({ status, report.run.status, report.drill and report.drill.ready }, { 6, "failed", false })
  test.contains(report.error.message, "whether these credentials may do kms:PutKeyPolicy is not known before it is tried")
  table.insert(reads.Statement.Action, "iam:*")
  report, status = drill(reads)
  test.equal({ status, report.summary.refused }, { 1, 3 })
  test.contains(report.error.message, "kms:PutKeyPolicy")
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
