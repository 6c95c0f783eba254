-- The recipe `console` on services that are tables: plan, run, run again, change by hand, repair.
local fakes = dofile "tests/fakes.lua"
local names = require "names"
local policies = require "policy"

local REGIONS <const> = { "us-east-1", "us-west-2", "eu-west-1" }

local function cluster(world) return world.clusters[1] end

local function actions(report)
  local list = {}
  for i, step in ipairs(report.steps) do list[i] = step.kind .. " " .. step.action end
  return list
end

test["a plan of an empty account shows a role and three keys, and makes nothing"] = function()
  local world = fakes.world()
  local report, status = fakes.run(world, "console", { mode = "plan" })
  test.equal(status, 0)
  test.equal(actions(report), { "role create", "key create", "key create", "key create" })
  test.equal(report.summary, { create = 4, change = 0, delete = 0, unchanged = 0, refused = 0 })
  test.equal(report.run.aws, { account_id = fakes.ACCOUNT, arn = world.identity.arn })
  test.equal(report.run.cluster, { id = fakes.CLUSTER, name = "orders" })
  test.equal({ next(world.roles), next(world.journal) }, {})
end

test["a run makes the role and a key per region, and hands them over"] = function()
  local world = fakes.world()
  local report, status = fakes.run(world, "console")
  test.equal(report.error, nil)
  test.equal({ status, report.run.status, report.run.id }, { 0, "done", "run-1" })
  local role = world.roles[names.role(cluster(world))]
  test.equal(#report.handover.region_specs, 3)
  for _, spec in ipairs(report.handover.region_specs) do
    local id = world.kms[spec.region].aliases[names.alias(cluster(world))]
    local key = world.kms[spec.region].keys[id]
    test.equal(spec.key_spec, { type = "AWS_KMS", uri = key.metadata.Arn, auth_principal = role.Arn })
    test.equal(key.rotation, { KeyRotationEnabled = true, RotationPeriodInDays = 365 })
    test.truthy(policies.equal(key.policy, policies.cmek { role = role.Arn, account = fakes.ACCOUNT }))
  end
  test.truthy(policies.equal(role.AssumeRolePolicyDocument,
    policies.cross_account { account_id = fakes.CLOUD_ACCOUNT, external_id = fakes.ORGANIZATION }))
  test.equal(world.key_count, 3)
end

test["the key bears cluster, region, run and attempt in tags, and the attempt stood in the journal first"] = function()
  local world = fakes.world()
  fakes.run(world, "console")
  local attempts = {}
  for _, line in ipairs(world.journal) do
    if line.kind == "attempt" then attempts[line.region] = line end
  end
  for _, region in ipairs(REGIONS) do
    local _, key = next(world.kms[region].keys)
    local tags = {}
    for _, tag in ipairs(key.tags) do tags[tag.TagKey] = tag.TagValue end
    test.equal(tags, { ["cmek:cluster"] = fakes.CLUSTER, ["cmek:region"] = region, ["cmek:run"] = "run-1",
      ["cmek:attempt"] = attempts[region].attempt })
    test.truthy(attempts[region].at <= key.metadata.CreationDate)
  end
end

test["a second run finds nothing to do, asks nothing and says so"] = function()
  local world = fakes.world()
  fakes.run(world, "console")
  world.question = nil
  local report, status = fakes.run(world, "console", { run_id = "run-2" })
  test.equal(status, 0)
  test.equal(report.summary, { create = 0, change = 0, delete = 0, unchanged = 4, refused = 0 })
  test.equal(world.question, nil)
  test.equal(#report.handover.region_specs, 3)
  test.equal(world.key_count, 3)
end

test["a declined run makes nothing and exits 1"] = function()
  local world = fakes.world()
  local report, status = fakes.run(world, "console", { yes = false })
  test.equal({ status, report.run.status, report.error.message }, { 1, "declined", "declined" })
  test.equal(next(world.roles), nil)
  test.equal(report.steps[1].result, "skipped")
end

test["hand-made changes show by field and are repaired; a foreign statement survives"] = function()
  local world = fakes.world()
  fakes.run(world, "console")
  local role = world.roles[names.role(cluster(world))]
  role.AssumeRolePolicyDocument = role.AssumeRolePolicyDocument:gsub(fakes.ORGANIZATION:gsub("%-", "%%-"), "someone-else")
  local _, key = next(world.kms["us-west-2"].keys)
  local foreign = { Sid = "Theirs", Effect = "Allow",
    Principal = { AWS = "arn:aws:iam::210987654321:user/auditor" }, Action = "kms:DescribeKey", Resource = "*" }
  local changed = policies.cmek { role = "arn:aws:iam::210987654321:role/else", account = fakes.ACCOUNT }
  table.insert(changed.Statement, foreign)
  key.policy = policies.json(changed)
  key.rotation = { KeyRotationEnabled = true, RotationPeriodInDays = 90 }
  local plan = fakes.run(world, "console", { mode = "plan" })
  test.equal(actions(plan), { "role change", "key none", "key change", "key none" })
  test.equal(plan.steps[1].differences[1].have, "someone-else")
  test.matches(plan.steps[1].differences[1].field, "^trust%..*ExternalId")
  test.equal(plan.steps[3].differences[2], { field = "rotation", have = 90, want = 365 })
  test.contains(plan.warnings[1].text, "Theirs")
  local report, status = fakes.run(world, "console")
  test.equal({ status, report.error }, { 0 })
  test.contains(role.AssumeRolePolicyDocument, fakes.ORGANIZATION)
  test.equal(key.rotation.RotationPeriodInDays, 365)
  test.contains(key.policy, "Theirs")
  test.equal(fakes.run(world, "console", { mode = "plan" }).summary.unchanged, 4)
end

test["rotation that KMS does not tell is no drift"] = function()
  local world = fakes.world()
  fakes.run(world, "console")
  for _, region in ipairs(REGIONS) do
    local _, key = next(world.kms[region].keys)
    key.rotation = region == "us-east-1" and {} or { KeyRotationEnabled = true }
  end
  test.equal(fakes.run(world, "console", { mode = "plan" }).summary.unchanged, 4)
end

test["a role or an alias that cmek did not make is refused, and so is another cluster's"] = function()
  for _, tags in ipairs { {}, { { Key = "cmek:cluster", Value = "another" } } } do
    local world = fakes.world()
    world.roles[names.role(cluster(world))] = { RoleName = "x", Arn = "arn:aws:iam::210987654321:role/x", Tags = tags, attached = {}, made = 0,
      AssumeRolePolicyDocument = '{"Version":"2012-10-17","Statement":[]}' }
    local report, status = fakes.run(world, "console")
    test.equal({ status, report.run.status, report.steps[1].action }, { 1, "failed", "refuse" })
    test.contains(report.steps[1].reason, tags[1] and "another cluster, another" or "not made by cmek")
    test.equal(world.key_count, 0)
  end
end

test["a key behind the alias without our tag is refused once it is old enough to show it"] = function()
  local world = fakes.world()
  fakes.run(world, "console")
  local _, key = next(world.kms["eu-west-1"].keys)
  key.tags = {}
  world.now = world.now + 3600
  local report, status = fakes.run(world, "console", { mode = "plan" })
  test.equal({ status, report.steps[4].action }, { 1, "refuse" })
  test.contains(report.steps[4].reason, key.metadata.Arn .. " was not made by cmek")
end

test["the plan shows what only creation can tell as known after apply"] = function()
  local world = fakes.world()
  fakes.run(world, "console")
  world.roles = {}
  local report = fakes.run(world, "console", { mode = "plan" })
  test.equal(actions(report)[1], "role create")
  test.equal(report.steps[2].differences[1].want, ("(ARN of role %s, known after apply)"):format(names.role(cluster(world))))
end

test["a new role that KMS does not know yet is waited for, saying so"] = function()
  local world = fakes.world { propagation = 12 }
  local report, status = fakes.run(world, "console")
  test.equal({ status, report.error }, { 0 })
  local waited
  for _, event in ipairs(world.events) do waited = waited or event.kind == "waiting" and event.reason end
  test.contains(waited, "role is new")
  test.equal(world.key_count, 3)
end

test["an old role that KMS does not accept fails at once and is named"] = function()
  local world = fakes.world()
  fakes.run(world, "console")
  world.now, world.propagation = world.now + 5000, math.huge
  world.kms = {}
  local before = world.now
  local report, status = fakes.run(world, "console")
  test.equal({ status, report.run.status }, { 1, "failed" })
  test.contains(report.error.message, names.role(cluster(world)) .. " (exists, and is not new)")
  test.truthy(world.now - before < 10)
end

test["AccessDenied half-way names what was made and exits 5"] = function()
  local world = fakes.world()
  world.fault = function(call) return call.operation == "create_key" and call.region == "us-west-2" and { code = "AccessDeniedException" } or nil end
  local report, status = fakes.run(world, "console")
  test.equal({ status, report.run.status, report.error.code }, { 5, "unfinished", "AccessDeniedException" })
  test.equal(report.error.made[1], { kind = "role", name = names.role(cluster(world)), region = require("json").null,
    arn = world.roles[names.role(cluster(world))].Arn, complete = true })
  test.contains(report.error.next, "cmek resume run-1")
end

test["IAM's simulator refuses in the plan what it denies; what it does not say is tried"] = function()
  local world = fakes.world { simulated = { ["kms:CreateKey"] = "explicitDeny" } }
  local report, status = fakes.run(world, "console")
  test.equal({ status, actions(report)[2] }, { 1, "key refuse" })
  test.contains(report.steps[2].reason, "kms:CreateKey")
  test.equal(next(world.roles), nil)
  local silent = fakes.run(fakes.world(), "console", { mode = "plan" })
  local last = silent.preflight[#silent.preflight]
  test.equal({ last.id, last.result }, { "rights", "unknown" })
end
