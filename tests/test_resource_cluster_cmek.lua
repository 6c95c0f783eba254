-- Enabling CMEK: once, for every region, and waiting for it.
local fakes = dofile "tests/fakes.lua"
local names = require "names"

local ENABLE <const> = { arguments = { enable = true }, confirm = "orders" }

local function actions(report)
  local list = {}
  for i, step in ipairs(report.steps) do list[i] = step.kind .. " " .. step.action end
  return list
end

local function reasons(world)
  local list = {}
  for _, event in ipairs(world.events) do
    if event.kind == "waiting" then list[#list + 1] = event.reason end
  end
  return table.concat(list, "\n")
end

test["console --enable shows the irreversible step with its reason and enables with the keys that it made"] = function()
  local world = fakes.world()
  local plan = fakes.run(world, "console", { mode = "plan", arguments = { enable = true } })
  test.equal(actions(plan)[5], "cluster_cmek create")
  test.equal(plan.steps[5].irreversible, true)
  test.contains(plan.steps[5].reason, "backups from before it")
  local report, status = fakes.run(world, "console", ENABLE)
  test.equal({ status, report.error }, { 0 })
  test.equal({ world.asked.name, fakes.count(world, "enable_cmek") }, { "orders", 1 })
  test.equal(world.cmek[fakes.CLUSTER].specs, report.handover.region_specs)
  test.contains(reasons(world), "every region of orders uses its key")
end

test["without the cluster's name nothing is made"] = function()
  local world = fakes.world()
  local report, status = fakes.run(world, "console", { arguments = { enable = true } })
  test.equal({ status, report.run.status, next(world.roles) }, { 1, "declined" })
  test.contains(report.error.message, "not the cluster's name")
end

test["enabled already, the same recipe has nothing to do"] = function()
  local world = fakes.world()
  fakes.run(world, "console", ENABLE)
  local report, status = fakes.run(world, "console", ENABLE)
  test.equal({ status, report.summary.unchanged, fakes.count(world, "enable_cmek") }, { 0, 5, 1 })
end

test["the recipe enable reads role and keys, and says what is missing"] = function()
  local world = fakes.world()
  local raised = test.raises(function() fakes.run(world, "enable", { confirm = "orders" }) end, "there is no role")
  test.contains(raised.next, "cmek run console")
  fakes.run(world, "console")
  local report, status = fakes.run(world, "enable", { confirm = "orders" })
  test.equal({ status, report.error, #report.steps }, { 0, nil, 1 })
  test.equal(#world.cmek[fakes.CLUSTER].specs, 3)
end

test["a cluster that uses other keys is refused, and they are named"] = function()
  local world = fakes.world()
  local uri = "arn:aws:kms:us-east-1:210987654321:key/0aaaaaaa-0000-4000-8000-000000000001"
  world.cmek[fakes.CLUSTER] = { done = 0, specs = { { region = "us-east-1", key_spec = { uri = uri, auth_principal = "r" } } } }
  local report, status = fakes.run(world, "console")
  test.equal({ status, report.steps[2].action }, { 1, "refuse" })
  test.contains(report.steps[2].reason, uri .. " (ENABLED)")
  test.contains(report.steps[2].reason, "not cmek's")
  test.equal(next(world.roles), nil)
end

test["keys of ours with another role than the one in use are a rotation, and refused"] = function()
  local world = fakes.world()
  fakes.run(world, "console", ENABLE)
  world.cmek[fakes.CLUSTER].specs[1].key_spec.auth_principal = "arn:aws:iam::210987654321:role/old"
  local report, status = fakes.run(world, "console", ENABLE)
  test.equal({ status, actions(report)[5] }, { 1, "cluster_cmek refuse" })
  test.contains(report.steps[5].reason, "is a rotation")
end

test["a POST whose answer was lost is looked up and not repeated"] = function()
  local world = fakes.world()
  world.fault = function(call) return call.operation == "enable_cmek" and "lose answer" or nil end
  local report, status = fakes.run(world, "console", ENABLE)
  test.equal({ status, report.error, fakes.count(world, "enable_cmek") }, { 0, nil, 1 })
end

test["a POST whose answer was lost and of which the Cloud shows nothing is not sent again; resume asks once more"] = function()
  local world, lost = fakes.world(), false
  world.fault = function(call)
    if call.operation == "enable_cmek" and not lost then
      lost = true
      return "lose request"
    end
  end
  local report, status = fakes.run(world, "console", ENABLE)
  test.equal({ status, report.run.status, fakes.count(world, "enable_cmek") }, { 5, "unfinished", 1 })
  test.contains(report.error.message, "sent once and is not sent again by itself")
  test.equal({ report.error.situation, report.error.commands }, { "cloud.lost", { "cmek status --cluster orders", "cmek resume run-1" } })
  report, status = fakes.run(world, "console", ENABLE)
  test.equal({ status, report.error, fakes.count(world, "enable_cmek") }, { 0, nil, 2 })
end

test["a locked cluster is waited for"] = function()
  local world = fakes.world()
  local cluster = world.clusters[1]
  cluster.state = "LOCKED"
  local since = world.now
  world.on_enable = function()
    if world.now < since + 30 then return { status = 503, code = "UNAVAILABLE", message = "couldn't lock cluster" } end
  end
  world.fault = function() cluster.state = world.now < since + 30 and "LOCKED" or "CREATED" end
  local report, status = fakes.run(world, "console", ENABLE)
  test.equal({ status, report.error }, { 0 })
  test.contains(reasons(world), "locked by another job")
end

test["access that CockroachDB does not see yet is waited for when it is right and new"] = function()
  local world = fakes.world()
  local since = world.now
  world.on_enable = function()
    if world.now < since + 60 then
      return { status = 400, code = "INVALID_ARGUMENT", message = "invalid argument: Insufficient permissions to access the KMS key" }
    end
  end
  local report, status = fakes.run(world, "console", ENABLE)
  test.equal({ status, report.error }, { 0 })
  test.contains(reasons(world), "right, as far as can be seen, and new")
end

local function refuse_access()
  return { status = 400, code = "INVALID_ARGUMENT", message = "invalid argument: Insufficient permissions to access the KMS key" }
end

test["access that is wrong fails at once and names the statement"] = function()
  local world = fakes.world()
  fakes.run(world, "console")
  world.now = world.now + 5000
  world.on_enable = refuse_access
  local role = world.roles[names.role(world.clusters[1])]
  role.AssumeRolePolicyDocument = role.AssumeRolePolicyDocument:gsub("sts:ExternalId\":\"[^\"]*", "sts:ExternalId\":\"other")
  local before = world.now
  local report, status = fakes.run(world, "enable", { confirm = "orders" })
  test.equal({ status, report.run.status }, { 1, "failed" })
  test.contains(report.error.message, "sts:externalid")
  test.truthy(world.now - before < 10)
end

test["access that is right and old fails and says what cannot be seen"] = function()
  local world = fakes.world()
  fakes.run(world, "console")
  world.now = world.now + 5000
  world.on_enable = refuse_access
  local before = world.now
  local report, status = fakes.run(world, "enable", { confirm = "orders" })
  test.equal(status, 1)
  test.contains(report.error.message, "resource control policies")
  test.truthy(world.now - before < 10)
end

test["a request that the Cloud finds wrong is no lack of access, although it names keys of KMS: it fails at once"] = function()
  for _, message in ipairs { "invalid argument: invalid key uri 'arn:aws:kms:us-east-1:210987654321:key/x'",
    "invalid argument: key type AWS_KMS is not valid for a GCP cluster" } do
    local world = fakes.world()
    fakes.run(world, "console")
    world.on_enable = function() return { code = "INVALID_ARGUMENT", message = message, status = 400 } end
    local before = world.now
    local report, status = fakes.run(world, "enable", { confirm = "orders" })
    test.equal({ status, report.error.code }, { 1, "INVALID_ARGUMENT" })
    test.contains(report.error.message, message)
    test.truthy(world.now - before < 10)
  end
end

test["a region that fails shows the Cloud's own words, and resume asks again"] = function()
  local world = fakes.world { enable_fails = "key is in the wrong account" }
  local report, status = fakes.run(world, "console", ENABLE)
  test.equal({ status, report.run.status }, { 5, "unfinished" })
  test.contains(report.error.message, "key is in the wrong account")
  test.equal(report.error.commands[#report.error.commands], "cmek resume run-1")
  test.contains(report.error.evidence, "key is in the wrong account")
  world.enable_fails = nil
  local again, done = fakes.run(world, "console", ENABLE)
  test.equal({ done, again.error, actions(again)[5] }, { 0, nil, "cluster_cmek change" })
  test.equal(again.steps[5].irreversible, true)
end

test["being enabled by somebody else, it is waited for without a question"] = function()
  local world = fakes.world()
  fakes.run(world, "console", ENABLE)
  world.cmek[fakes.CLUSTER].done = world.now + 100
  world.question = nil
  local report, status = fakes.run(world, "enable")
  test.equal({ status, report.error, world.question }, { 0 })
  test.truthy(world.now >= world.cmek[fakes.CLUSTER].done)
end
