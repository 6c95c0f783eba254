-- The role: its trust, whose it is, and what IAM shows late.
local fakes = dofile "tests/fakes.lua"
local json = require "json"
local names = require "names"

local function role(world) return world.roles[names.role(world.clusters[1])] end

test["the role is made with the tags of its cluster and run, and with no permissions"] = function()
  local world = fakes.world()
  fakes.run(world, "console")
  test.equal(role(world).Tags, { { Key = "cmek:cluster", Value = fakes.CLUSTER }, { Key = "cmek:run", Value = "run-1" } })
  test.equal(#role(world).attached, 0)
end

test["a foreign statement of the trust policy is told, and survives a repair"] = function()
  local world = fakes.world()
  fakes.run(world, "console")
  local trust = json.decode(role(world).AssumeRolePolicyDocument)
  trust.Statement[1].Condition = nil
  table.insert(trust.Statement, { Sid = "Theirs", Effect = "Allow", Principal = { Service = "backup.amazonaws.com" }, Action = "sts:AssumeRole" })
  role(world).AssumeRolePolicyDocument = json.encode(trust)
  local plan = fakes.run(world, "console", { mode = "plan" })
  test.equal(plan.steps[1].action, "change")
  test.contains(plan.warnings[1].text, "backup.amazonaws.com")
  fakes.run(world, "console")
  local repaired = json.decode(role(world).AssumeRolePolicyDocument)
  test.equal(#repaired.Statement, 2)
  test.equal(repaired.Statement[1].Condition.StringEquals["sts:ExternalId"], fakes.ORGANIZATION)
  test.equal(repaired.Statement[2].Sid, "Theirs")
  test.equal(fakes.run(world, "console", { mode = "plan" }).steps[1].action, "none")
end

test["an ARN that is still the unique ID, or a role that is not seen yet, is waited for"] = function()
  local world = fakes.world()
  local since
  world.fault = function(call)
    if call.operation == "create_role" then since = world.now end
    local made = role(world)
    if not made then return nil end
    made.Arn = world.now < since + 8 and made.RoleId or ("arn:aws:iam::%s:role/%s"):format(fakes.ACCOUNT, made.RoleName)
  end
  local report, status = fakes.run(world, "console")
  test.equal({ status, report.error }, { 0 })
  for _, spec in ipairs(report.handover.region_specs) do test.matches(spec.key_spec.auth_principal, "^arn:aws:iam::") end
end

test["tags that GetRole leaves out are asked for, not taken for missing"] = function()
  local world = fakes.world()
  fakes.run(world, "console")
  local tags = role(world).Tags
  role(world).Tags = nil
  fakes.operations.iam.list_role_tags = function() return { Tags = tags } end
  test.equal(fakes.run(world, "console", { mode = "plan" }).summary.unchanged, 4)
end

test["a role that another operator of this cluster makes meanwhile is as good"] = function()
  local world = fakes.world()
  world.fault = function(call, parameters)
    if call.operation == "create_role" and not role(world) then
      world.roles[parameters.RoleName] = { RoleName = parameters.RoleName, RoleId = "AROAOTHER", Tags = parameters.Tags,
        attached = {}, made = world.now, Arn = ("arn:aws:iam::%s:role/%s"):format(fakes.ACCOUNT, parameters.RoleName),
        AssumeRolePolicyDocument = parameters.AssumeRolePolicyDocument }
    end
  end
  local report, status = fakes.run(world, "console")
  test.equal({ status, report.error, role(world).RoleId }, { 0, nil, "AROAOTHER" })
end

test["a role that a stranger makes meanwhile is refused"] = function()
  local world = fakes.world()
  world.fault = function(call, parameters)
    if call.operation == "create_role" then
      world.roles[parameters.RoleName] = { RoleName = parameters.RoleName, RoleId = "AROAOTHER", Tags = {}, attached = {}, made = world.now,
        Arn = "arn:aws:iam::210987654321:role/x", AssumeRolePolicyDocument = parameters.AssumeRolePolicyDocument }
    end
  end
  local report, status = fakes.run(world, "console")
  test.equal({ status, report.run.status, world.key_count }, { 1, "failed", 0 })
  test.contains(report.error.message, "not made by cmek")
end

test["a missing cmek:run is put back; without cmek:cluster, or when the tags may not be read, the role is left alone"] = function()
  local world = fakes.world()
  fakes.run(world, "console")
  role(world).Tags = { role(world).Tags[1] }
  local plan = fakes.run(world, "console", { mode = "plan", run_id = "" })
  test.equal({ plan.steps[1].action, plan.steps[1].differences[1].field, plan.summary.unchanged }, { "change", "tags.cmek:run", 3 })
  local _, status = fakes.run(world, "console", { run_id = "run-2" })
  test.equal({ status, role(world).Tags[2] }, { 0, { Key = "cmek:run", Value = "run-2" } })
  role(world).Tags = { role(world).Tags[2] }
  test.equal(fakes.run(world, "console", { mode = "plan" }).steps[1].action, "refuse")
  role(world).Tags = nil
  world.fault = function(call) return call.operation == "list_role_tags" and { code = "AccessDenied" } or nil end
  local closed = fakes.run(world, "console", { mode = "plan" })
  test.contains(closed.steps[1].reason, "may not be read")
end

test["a name of one's own is used"] = function()
  local world = fakes.world()
  fakes.run(world, "console", { arguments = { role = "mine" } })
  test.equal(world.roles.mine.RoleName, "mine")
  test.equal(role(world), nil)
end
