-- The recipe rotate where the cluster's keys are of several AWS accounts: the next key is made in the account of the one in use.
local accounts = dofile "tests/accounts.lua"
local json = require "json"
local operators = accounts.operators

local OWN <const>, OTHER <const>, DAY <const> = accounts.OWN, accounts.OTHER, 86400

local function open(text, recipe)
  local who = accounts.open()
  local layout = accounts.written(text or accounts.BY_PROFILE)
  local report, status = operators.run(who, recipe or "console", { arguments = { layout = layout, enable = "true" } })
  test.equal({ status, report.error }, { 0 })
  who.world.now = who.world.now + 30 * DAY
  return who, layout
end

local function run(who, arguments, mode, more)
  local options = { arguments = arguments, mode = mode }
  for name, value in pairs(more or {}) do options[name] = value end
  return operators.run(who, "rotate", options)
end

local function done(who, arguments, more)
  local report, status = run(who, arguments, nil, more)
  test.equal({ status, report.error }, { 0 })
  return report
end

local function uri(report, region)
  for _, spec in ipairs(report.handover.region_specs) do
    if spec.region == region then return spec.key_spec.uri end
  end
end

local function verified(who, recipe, arguments)
  local report, status = operators.run(who, recipe, { mode = "verify", arguments = arguments })
  test.equal({ status, report.findings }, { 0, json.array {} })
end

test["the next key is made in the account that --reach leads to, and the role may use it beside the one from before"] = function()
  local who, layout = open()
  local old = accounts.key_in(who, OTHER, "eu-west-1", 1)
  local report = done(who, { reach = { "security" } })
  local new = accounts.key_in(who, OTHER, "eu-west-1", 2)
  test.equal({ uri(report, "eu-west-1"), accounts.key_in(who, OWN, "us-east-1", 2).Arn == uri(report, "us-east-1") }, { new.Arn, true })
  test.truthy(require("policy").equal(new.Policy, old.Policy))
  test.equal({ old.KeyState, accounts.allowed(who) }, { "Enabled", { old.Arn, new.Arn } })
  verified(who, "rotate", { reach = { "security" } })
  verified(who, "console", { layout = layout })
  verified(who, "enable", { layout = layout })
end

test["a layout's file says how its accounts are reached"] = function()
  local who, layout = open()
  local plan = run(who, { reach = { layout } }, "plan", { requests = true })
  test.equal({ plan.summary.create, plan.summary.change, plan.summary.refused }, { 3, 2, 0 })
  local where = {}
  for _, request in ipairs(plan.requests) do where[#where + 1] = request.operation == "PutRolePolicy" and "PutRolePolicy" or nil end
  test.equal(where, { "PutRolePolicy" })
  done(who, { reach = { layout } })
  test.truthy(accounts.key_in(who, OTHER, "eu-west-1", 2))
end

test["what the role may do with earlier keys stays, also when the layout is run again, and comes back when it was taken away"] = function()
  local who, layout = open()
  done(who, { reach = { "security" } })
  local both = accounts.allowed(who)
  local report = operators.run(who, "console", { arguments = { layout = layout } })
  test.equal({ report.summary.create + report.summary.change, accounts.allowed(who) }, { 0, both })
  operators.within(who, function(session)
    session.iam.delete_role_policy { RoleName = require("names").role(operators.CLUSTER), PolicyName = require("names").USE_POLICY }
  end)
  operators.run(who, "console", { arguments = { layout = layout } })
  local again = accounts.allowed(who)
  table.sort(again)
  table.sort(both)
  test.equal(again, both)
end

test["where nothing leads to the account the regions of the own one are rotated alone, and what the others need is told"] = function()
  local who = open()
  local ok, raised = pcall(run, who, {})
  test.equal(ok, false)
  test.contains(raised.message, "is a key of account 345678901234")
  for _, words in ipairs { "--reach", "--key ARN" } do test.contains(raised.advice, words) end
  test.equal(#raised.commands, 1)
  test.matches(raised.commands[1], "^aws kms create%-key %-%-region eu%-west%-1 ")   -- in a line of its own, to be copied
  local report = done(who, { only = { "us-east-1", "us-west-2" } })
  test.equal({ report.summary.create, accounts.key_in(who, OTHER, "eu-west-1", 2) }, { 2 })
end

test["verify tells a key that nothing leads to as one that cannot be looked at"] = function()
  local who = open()
  local report, status = run(who, {}, "verify")
  test.equal({ status, #report.findings, report.findings[1].severity, report.findings[1].region }, { 6, 1, "unknown", "eu-west-1" })
end

test["the next key of an account that nothing leads to is made there and named: it is given to the Cloud, and the role may use it"] = function()
  local who = open()
  local command = select(2, pcall(run, who, {})).commands[1]
  local policy = command:match "%-%-policy '(.-)'"
  local theirs = accounts.theirs(who)
  local arn = operators.within(theirs, function(session)
    return session.kms.create_key { region = "eu-west-1", Policy = policy }.KeyMetadata.Arn
  end)
  local report = done(who, { key = { arn } })
  test.equal({ uri(report, "eu-west-1"), accounts.allowed(who)[2] }, { arn, arn })
  for _, info in ipairs(who.simulation.state.cloud.clusters) do test.truthy(info.name ~= "orders" or info.cmek.status == "ENABLED") end
  test.equal(done(who, { key = { arn }, to = "2" }).summary.change, 0)
end

test["--key names a key of an account that nothing leads to, and no other"] = function()
  local who = open()
  local mine = accounts.key_in(who, OWN, "us-east-1", 1).Arn
  test.raises(function() run(who, { reach = { "security" }, key = { mine } }) end, "is not of an account and AWS region in which")
  test.raises(function() run(who, { reach = { "security" }, key = { "key" } }) end, "is not the ARN of a key")
end

test["--rewrap wraps the store key with a key of another account as well; --on-demand has KMS rotate it where the account is reached"] = function()
  local who = open()
  test.equal(done(who, { rewrap = "true" }).summary.create, 0)
  local ok, raised = pcall(run, who, { rewrap = "true", on_demand = "true" })
  test.equal(ok, false)
  test.contains(raised.commands[1], "aws kms rotate-key-on-demand --region eu-west-1")
  done(who, { rewrap = "true", on_demand = "true", reach = { "security" } })
  test.equal(accounts.key_in(who, OTHER, "eu-west-1", 1).KeyMaterials[2].RotationType, "ON_DEMAND")
end

test["a run that died after it made the other account's key is resumed to the same key"] = function()
  local who = open()
  table.insert(who.simulation.faults,
    require("sim.faults").read "error service=cloud operation=UpdateCMEKSpec code=INVALID_ARGUMENT status=400 count=1 message=no")
  local arguments = { reach = { "security" } }
  test.equal(select(2, run(who, arguments)), 5)
  who.journal:sync()
  local report = done(who, arguments, { entries = require("journal").read(who.disk.text) })
  test.equal({ #who.simulation.state.aws[OTHER].kms["eu-west-1"].keys, uri(report, "eu-west-1") },
    { 2, accounts.key_in(who, OTHER, "eu-west-1", 2).Arn })
end
