-- verify and preflight: what is still so, and what must be so before anything is made.
local fakes = dofile "tests/fakes.lua"
local names = require "names"

local ENABLED <const> = { arguments = { enable = true }, confirm = "orders" }
local VERIFY <const> = { mode = "verify", arguments = { enable = true } }

local function made()
  local world = fakes.world()
  fakes.run(world, "console", ENABLED)
  return world
end

local function results(report)
  local counts = { ok = 0, finding = 0, unknown = 0 }
  for _, check in ipairs(report.checked) do counts[check.result] = counts[check.result] + 1 end
  return counts
end

test["when all is well there are checks and no findings"] = function()
  local report, status = fakes.run(made(), "console", VERIFY)
  test.equal({ status, #report.findings }, { 0, 0 })
  test.equal(results(report), { ok = 5 + 1 + 4 + 3 * 6 + 2, finding = 0, unknown = 0 })
end

test["what is missing or differs is a finding with its field, and how to mend it"] = function()
  local world = made()
  local _, key = next(world.kms["eu-west-1"].keys)
  key.rotation.RotationPeriodInDays = 90
  world.kms["us-east-1"].aliases, world.cmek = {}, {}
  local report, status = fakes.run(world, "console", VERIFY)
  test.equal(status, 6)
  local seen = {}
  for _, finding in ipairs(report.findings) do seen[finding.id] = finding end
  test.equal(seen["key.rotation"].want, 365)
  test.equal({ seen["key.rotation"].region, seen["key.rotation"].severity, seen["key.rotation"].mend }, { "eu-west-1", "medium", "cmek run console" })
  test.equal(seen["key.exists"].region, "us-east-1")
  test.equal(seen["cluster_cmek.exists"].severity, "high")
end

test["what could not be read is unknown, never well"] = function()
  local world = made()
  world.fault = function(call)
    if call.operation == "get_key_rotation_status" then return { code = "AccessDeniedException" } end
  end
  local report, status = fakes.run(world, "console", VERIFY)
  test.equal({ status, results(report).unknown }, { 6, 3 })
  test.equal(report.findings[1].severity, "unknown")
end

test["what enable reads and does not find is a finding too, and the rest is still checked"] = function()
  local world = made()
  local report, status = fakes.run(world, "enable", { mode = "verify" })
  test.equal({ status, #report.findings, results(report).ok }, { 0, 0, 5 + 1 + 1 + 3 + 2 })
  world.roles = {}
  report, status = fakes.run(world, "enable", { mode = "verify" })
  test.equal({ status, report.findings[1].id }, { 6, "role.exists" })
  test.truthy(#report.checked > 8)
end

test["permissions on the role are told in a plan and found in verify"] = function()
  local world = made()
  world.roles[names.role(world.clusters[1])].attached = { { PolicyName = "Admin", PolicyArn = "arn:aws:iam::aws:policy/AdministratorAccess" } }
  local plan = fakes.run(world, "console", { mode = "plan" })
  test.contains(plan.warnings[1].text, "AdministratorAccess")
  local report = fakes.run(world, "console", VERIFY)
  test.equal({ report.findings[1].id, report.findings[1].severity }, { "role.permissions", "medium" })
end

test["a cluster that cannot have CMEK is refused before anything is read in AWS, with all that is wrong"] = function()
  local cases = {
    { { plan = "STANDARD" }, "its plan is STANDARD, and CMEK needs ADVANCED" },
    { { cloud_provider = "GCP" }, "it runs on GCP" },
    { { network_visibility = "PUBLIC" }, "needs a private cluster" },
    { { state = "CREATING" }, "still being created (state CREATING)" },
    { { account_id = "" }, "12-digit account" },
    { { plan = "BASIC", network_visibility = "PUBLIC" }, "ADVANCED; its network is PUBLIC" },
  }
  for _, case in ipairs(cases) do
    local world = fakes.world()
    for field, value in pairs(case[1]) do world.clusters[1][field] = value end
    local raised = test.raises(function() fakes.run(world, "console") end, case[2])
    test.equal(raised.code, "precondition")
    test.equal({ fakes.count(world, "list_aliases"), next(world.roles) }, { 0 })
  end
end

test["credentials of CockroachDB's own account are refused"] = function()
  local world = fakes.world()
  world.identity.account = fakes.CLOUD_ACCOUNT
  test.raises(function() fakes.run(world, "console") end, "yours is another one")
end

test["a locked cluster is told, and console goes on"] = function()
  local world = fakes.world()
  world.clusters[1].state = "LOCKED"
  local report, status = fakes.run(world, "console")
  test.equal({ status, report.error }, { 0 })
  test.contains(report.warnings[1].text, "locked")
end

test["an administrator who is not us is refused in the plan, since KMS would refuse it"] = function()
  local world = fakes.world()
  local report, status = fakes.run(world, "console", { arguments = { admin = { "arn:aws:iam::210987654321:user/boss" } } })
  test.equal({ status, report.steps[2].action }, { 1, "refuse" })
  test.contains(report.steps[2].reason, "--admin")
  local both = { "arn:aws:iam::210987654321:user/boss", world.identity.arn }
  local _, fine = fakes.run(world, "console", { arguments = { admin = both } })
  test.equal(fine, 0)
end

test["a recipe that asks for something else in its second pass is stopped"] = function()
  local recipe = fakes.recipe([[
    local passes = 0
    return { touches = { "cloud", "iam" }, run = function(arg)
      passes = passes + 1
      local cluster = read("cluster", arg.cluster)
      ensure("role", { cluster = cluster, name = "r" .. passes, trust = policy.cross_account { account_id = cluster.account_id, external_id = "x" } })
    end }]])
  local world = fakes.world()
  local report, status = fakes.run(world, recipe)
  test.equal(status, 1)
  test.contains(report.error.message, "role  r2, which its plan did not show")
  test.equal(next(world.roles), nil)
end

test["a recipe waits, says and asks; what is not so yet is unknown in a plan"] = function()
  local recipe = fakes.recipe([[
    return { touches = { "cloud", "iam" }, run = function(arg)
      local name = ask "which role?"
      local cluster = read("cluster", arg.cluster)
      local trust = policy.cross_account { account_id = cluster.account_id, external_id = "x" }
      local role = ensure("role", { cluster = cluster, name = name, trust = trust })
      local found = wait("the role to be seen", function() return iam.find_role { RoleName = name } end)
      say("made " .. role.arn)
      return found
    end }]])
  local world, asked, said = fakes.world(), 0, {}
  local engine = require("engine").new {
    session = world.session, recipe = recipe, arguments = { cluster = "orders" }, mode = "run",
    listener = function(event) if event.kind == "say" then said[#said + 1] = event.text end end,
    confirm_writes = function() return true end, ask = function() asked = asked + 1 return "mine" end,
  }
  local _, status = world.tasks.run(function() return engine:execute() end)
  test.equal({ status, asked, said[1] }, { 0, 1, "made arn:aws:iam::210987654321:role/mine" })
end

test["a recipe cannot change the library through its world"] = function()
  local recipe = fakes.recipe [[return { touches = { "kms" }, run = function() kms.create_key = 1 end }]]
  test.raises(function() fakes.run(fakes.world(), recipe) end, "not changed by a recipe")
end
