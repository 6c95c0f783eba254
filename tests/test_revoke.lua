-- Break-glass and the way back: which policies and what of the Cloud change, in which order, what is refused, and what a drill tells.
local json = require "json"
local names = require "names"
local operators = dofile "tests/operator.lua"
local policies = require "policy"
local revocation = require "policy.revocation"
local revoking = dofile "tests/revoking.lua"

local ACCOUNT <const>, OTHER <const>, ROLE <const> = operators.ACCOUNT, operators.OTHER_ACCOUNT, revoking.ROLE
local enabled, run, now, usable = revoking.enabled, revoking.run, revoking.now, revoking.usable
local cluster_of, keys_of, policies_of = revoking.cluster_of, revoking.keys_of, revoking.policies_of
local denied, writes = revoking.denied, revoking.writes

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
    test.equal({ status, report.error.situation }, { 1, "cluster.shared" })
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
    revoking.with_statement(key, filler(key))
  end },
  { "a policy that names somebody who was deleted", "a role or user that was deleted, so KMS takes no new policy with it", function(who)
    revoking.with_statement(keys_of(who)[1], { Sid = "Left", Effect = "Allow", Principal = { AWS = "AROAEXAMPLEEXAMPLE123" }, Action = "kms:Decrypt",
      Resource = "*" })
  end },
  { "a policy that the caller could not change again", "could not change it again", function(who)
    revoking.with_statement(keys_of(who)[1], { Sid = "Locked", Effect = "Deny", Action = "kms:PutKeyPolicy", Resource = "*",
      Principal = { AWS = ("arn:aws:iam::%s:user/operator"):format(ACCOUNT) } })
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
