-- The key of a region: what is its own, what is refused, which generation is in use.
local fakes = dofile "tests/fakes.lua"
local json = require "json"
local names = require "names"
local policies = require "policy"

local function small()
  local world = fakes.world()
  world.clusters[1].regions = { { name = "us-east-1" } }
  fakes.run(world, "console")
  local id, key = next(world.kms["us-east-1"].keys)
  return world, key, id
end

local function plan(world)
  local report, status = fakes.run(world, "console", { mode = "plan" })
  return report.steps[2], status, report
end

test["a key that is disabled, pending deletion or of another kind is refused and says what it is"] = function()
  local world, key = small()
  for _, change in ipairs { { "KeyState", "Disabled", "is Disabled: enable it" }, { "KeyState", "PendingDeletion", "cancel its deletion" },
    { "KeySpec", "RSA_2048", "has KeySpec RSA_2048, and CMEK needs SYMMETRIC_DEFAULT" } } do
    local before = key.metadata[change[1]]
    key.metadata[change[1]] = change[2]
    local step, status = plan(world)
    test.equal({ status, step.action }, { 1, "refuse" })
    test.contains(step.reason, change[3])
    key.metadata[change[1]] = before
  end
  test.equal(plan(world).action, "none")
end

test["a policy that names a deleted role in a foreign statement cannot be put again, which is said before it is tried"] = function()
  local world, key = small()
  local policy = json.decode(key.policy)
  policy.Statement[1].Action = "kms:Decrypt"
  table.insert(policy.Statement,
    { Sid = "Gone", Effect = "Allow", Principal = { AWS = "AROAEXAMPLEEXAMPLE123" }, Action = "kms:DescribeKey", Resource = "*" })
  key.policy = json.encode(policy)
  local step = plan(world)
  test.equal(step.action, "refuse")
  test.contains(step.reason, "Statement[Gone] names AROAEXAMPLEEXAMPLE123")
end

test["a role that was made again needs the policy again, though its ARN reads the same"] = function()
  local world, key = small()
  local policy = json.decode(key.policy)
  policy.Statement[1].Principal.AWS = "AROAOLDOLDOLDOLDOLD12"   -- as KMS shows a principal that is gone
  key.policy = json.encode(policy)
  local step = plan(world)
  test.equal(step.action, "change")
  test.equal(step.differences[1].have, "AROAOLDOLDOLDOLDOLD12")
  local _, status = fakes.run(world, "console")
  test.equal(status, 0)
  test.truthy(policies.equal(key.policy, policies.cmek { role = world.roles[names.role(world.clusters[1])].Arn, account = fakes.ACCOUNT }))
end

test["a tag of the region that is missing is put back; the policy is written only when it differs"] = function()
  local world, key = small()
  for i = #key.tags, 1, -1 do
    if key.tags[i].TagKey == "cmek:region" then table.remove(key.tags, i) end
  end
  local step = plan(world)
  test.equal(step.differences[1], { field = "tags.cmek:region", have = json.null, want = "us-east-1" })
  local puts = fakes.count(world, "put_key_policy")
  fakes.run(world, "console")
  test.equal({ plan(world).action, fakes.count(world, "put_key_policy") }, { "none", puts })
end

local function drop_tag(key, name)
  for i = #key.tags, 1, -1 do
    if key.tags[i].TagKey == name then table.remove(key.tags, i) end
  end
end

test["tags that tell where a key comes from are put right by field; the cluster's tag decides whose it is, and is never given"] = function()
  local world, key = small()
  drop_tag(key, "cmek:run")
  drop_tag(key, "cmek:attempt")   -- says something only while the attempt is open
  table.insert(key.tags, { TagKey = "cmek:state", TagValue = "lost-race" })
  test.equal(plan(world).differences, {
    { field = "tags.cmek:run", have = json.null, want = "run-1" },
    { field = "tags.cmek:state", have = "lost-race", want = json.null },
  })
  local _, status = fakes.run(world, "console", { run_id = "run-2" })
  test.equal({ status, plan(world).action }, { 0, "none" })
  local tags = {}
  for _, entry in ipairs(key.tags) do tags[entry.TagKey] = entry.TagValue end
  test.equal(tags, { ["cmek:cluster"] = fakes.CLUSTER, ["cmek:region"] = "us-east-1", ["cmek:run"] = "run-2" })
  drop_tag(key, "cmek:cluster")
  local writes = #world.calls
  local report, refused = fakes.run(world, "console")
  test.equal({ refused, report.steps[2].action }, { 1, "refuse" })
  for at = writes + 1, #world.calls do test.truthy(not world.calls[at].operation:find "tag_resource") end
end

test["in a plan the run that will put a tag right is not known yet"] = function()
  local world, key = small()
  drop_tag(key, "cmek:run")
  local report = fakes.run(world, "console", { mode = "plan", run_id = "" })
  test.equal(report.steps[2].differences[1].want, "(ID of the run that puts it right, known after apply)")
end

test["a stranger's new key is refused at once; one with cmek's description is waited for, and it is said why"] = function()
  local world, key = small()
  local tags = key.tags
  key.tags, key.metadata.Description = {}, "a colleague's"
  local before = world.now
  local report, status = fakes.run(world, "console")
  test.equal({ status, report.steps[2].action, world.now - before < 5 }, { 1, "refuse", true })
  key.metadata.Description, before = "CMEK of CockroachDB cluster orders", world.now
  world.fault = function() key.tags = world.now > before + 10 and tags or {} end
  report, status = fakes.run(world, "console")
  test.equal({ status, report.steps[2].action, world.now - before > 10 }, { 0, "none", true })
  local reason
  for _, event in ipairs(world.events) do reason = reason or event.kind == "waiting" and event.reason end
  test.contains(reason, "by its description made for this cluster, but does not show its tags yet, which tell whose it is")
  world.fault, key.tags, before = nil, {}, world.now
  report, status = fakes.run(world, "console")
  test.equal({ status, report.steps[2].action }, { 1, "refuse" })
  test.truthy(world.now - before > 25 and world.now - before < 40)
end

local function in_use(world, key)
  world.cmek[fakes.CLUSTER] = { done = 0, specs = { { region = "us-east-1",
    key_spec = { uri = key.metadata.Arn, auth_principal = world.roles[names.role(world.clusters[1])].Arn } } } }
end

test["a key in use whose alias was taken from it gets it back, without waiting when it is old"] = function()
  local world, key, id = small()
  in_use(world, key)
  world.kms["us-east-1"].aliases = {}
  world.now = world.now + 5000
  local before = world.now
  local step = plan(world)
  test.equal({ step.action, step.differences, world.now - before < 10 },
    { "change", { { field = "alias", have = json.null, want = names.alias(world.clusters[1]) } }, true })
  local report, status = fakes.run(world, "console")
  test.equal({ status, report.error, world.key_count }, { 0, nil, 1 })
  test.equal(world.kms["us-east-1"].aliases[names.alias(world.clusters[1])], id)
  test.equal(plan(world).action, "none")
end

test["it does not get an alias that points to another key"] = function()
  local world, key = small()
  in_use(world, key)
  local region = world.kms["us-east-1"]
  local other = json.decode(json.encode(key))
  other.id = "22222222-2222-4333-8444-000000000002"
  region.keys[other.id], region.order[2], region.aliases[names.alias(world.clusters[1])] = other, other.id, other.id
  world.now = world.now + 5000
  local step, status = plan(world)
  test.equal({ status, step.action }, { 1, "refuse" })
  test.contains(step.reason, "points to another key, " .. other.id)
end

test["the generation is the one that the cluster uses"] = function()
  local world, key = small()
  local cluster, region = world.clusters[1], world.kms["us-east-1"]
  local second = json.decode(json.encode(key))
  second.id, second.metadata.KeyId = "22222222-2222-4333-8444-000000000002", "22222222-2222-4333-8444-000000000002"
  second.metadata.Arn = second.metadata.Arn:gsub("[^/]+$", second.id)
  region.keys[second.id], region.order[2] = second, second.id
  region.aliases[names.alias(cluster, 2)] = second.id
  world.cmek[cluster.id] = { done = 0, specs = { { region = "us-east-1",
    key_spec = { uri = second.metadata.Arn, auth_principal = world.roles[names.role(cluster)].Arn } } } }
  local report, status = fakes.run(world, "console")
  test.equal({ status, report.steps[2].name, report.steps[2].action }, { 0, names.alias(cluster, 2), "none" })
  test.equal(report.handover.region_specs[1].key_spec.uri, second.metadata.Arn)
end

test["while the Cloud rotates, the key that comes is the one that is meant, whichever ARN is first; console waits with --enable"] = function()
  for _, first in ipairs { "0", "9" } do
    local world, key = small()
    local cluster, region = world.clusters[1], world.kms["us-east-1"]
    local second = json.decode(json.encode(key))
    second.id = first .. "2222222-2222-4333-8444-000000000002"
    second.metadata.KeyId, second.metadata.Arn = second.id, second.metadata.Arn:gsub("[^/]+$", second.id)
    region.keys[second.id], region.order[2] = second, second.id
    region.aliases[names.alias(cluster, 2)] = second.id
    local function entry(one, status)
      return { status = status, spec = { uri = one.metadata.Arn, auth_principal = world.roles[names.role(cluster)].Arn } }
    end
    world.cmek[cluster.id] = { info = { status = "ROTATING", region_infos = { { region = "us-east-1", status = "ROTATING",
      key_infos = { entry(key, "DISABLING"), entry(second, "ENABLING") } } } } }
    local report, status = fakes.run(world, "console", { mode = "plan", arguments = { enable = true } })
    test.equal({ status, report.steps[2].name, report.summary.refused, report.steps[3].action }, { 0, names.alias(cluster, 2), 0, "none" })
  end
end

test["a key in use whose alias is not seen yet is ours by its tag, and the alias is waited for"] = function()
  local world, key, id = small()
  local cluster, region = world.clusters[1], world.kms["us-east-1"]
  world.cmek[cluster.id] = { done = 0, specs = { { region = "us-east-1",
    key_spec = { uri = key.metadata.Arn, auth_principal = world.roles[names.role(cluster)].Arn } } } }
  local since = world.now
  world.fault = function() region.aliases[names.alias(cluster)] = world.now > since + 20 and id or nil end
  region.aliases = {}
  local step = plan(world)
  test.equal(step.action, "none")
  test.truthy(world.now > since + 20)
end

test["a rotation of 0 days, or none, is not ours to judge"] = function()
  local world, key = small()
  key.rotation = { KeyRotationEnabled = false }
  local report = fakes.run(world, fakes.recipe([[
    return { touches = { "cloud", "iam", "kms" }, run = function(arg)
      local cluster = read("cluster", arg.cluster)
      ensure("key", { cluster = cluster, region = "us-east-1", policy = policy.cmek { role = "arn:aws:iam::210987654321:role/]]
      .. names.role(world.clusters[1]) .. [[" } })
    end }]]), { mode = "plan" })
  test.equal(report.steps[1].action, "none")
end

test["a key that another operator has claimed since the plan is used, and no second one is made"] = function()
  local world = fakes.world()
  world.clusters[1].regions = { { name = "us-east-1" } }
  local other = fakes.world()
  other.clusters = world.clusters
  fakes.run(other, "console")
  world.fault = function(call)
    if call.operation == "create_role" then world.kms = other.kms end
  end
  local report, status = fakes.run(world, "console")
  test.equal({ status, report.error, fakes.count(world, "create_key") }, { 0, nil, 0 })
  local id = next(other.kms["us-east-1"].keys)
  test.contains(report.handover.region_specs[1].key_spec.uri, id)
end
