-- What must be so before anything is made, and what a recipe may do.
local fakes = dofile "tests/fakes.lua"
local names = require "names"

test["permissions on the role are told in a plan"] = function()
  local world = fakes.world()
  fakes.run(world, "console")
  world.roles[names.role(world.clusters[1])].attached = { { PolicyName = "Admin", PolicyArn = "arn:aws:iam::aws:policy/AdministratorAccess" } }
  local plan = fakes.run(world, "console", { mode = "plan" })
  test.contains(plan.warnings[1].text, "AdministratorAccess")
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
  test.contains(report.error.message, "role r2, which its plan did not show")
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
