-- console and enable in this process, through the real door, session and retries, against the simulated services.
local operators = dofile "tests/operator.lua"
local names = require "names"
local policies = require "policy"

local open, run = operators.open, operators.run

local ENABLE <const> = { arguments = { enable = "true" } }

local function reasons(operator)
  local list = {}
  for _, event in ipairs(operator.events) do
    if event.kind == "waiting" then list[#list + 1] = event.reason end
  end
  return table.concat(list, "\n")
end

test["console --enable makes role and keys, hands them over and waits until CMEK is enabled"] = function()
  local operator = open()
  local report, status = run(operator, "console", ENABLE)
  test.equal({ status, report.error }, { 0 })
  local cmek = operator.session.tasks.run(function() return operator.session.cloud.cmek(report.run.cluster.id) end)
  test.equal(cmek.status, "ENABLED")
  for i, region in ipairs(cmek.region_infos) do
    test.equal(region.key_infos[1].spec, report.handover.region_specs[i].key_spec)
  end
  test.equal(#report.warnings, 0)
  local again = run(operator, "console", ENABLE)
  test.equal(again.summary, { create = 0, change = 0, delete = 0, unchanged = 5, refused = 0 })
  local verified, fine = run(operator, "console", { mode = "verify", arguments = { enable = "true" } })
  test.equal({ fine, #verified.findings }, { 0, 0 })
end

test["a run says whether the cluster uses the keys already, and what to type when it does not"] = function()
  local operator = open()
  local report = run(operator, "console")
  test.equal(report.cmek, { status = "DISABLED", uses = "none", next = "cmek run enable --cluster orders" })
  report = run(operator, "console", { arguments = { enable = "true" }, run_id = "run-2" })
  test.equal(report.cmek, { status = "ENABLED", uses = "all" })
  report = run(operator, "console", { run_id = "run-3" })
  test.equal(report.cmek, { status = "ENABLED", uses = "all" })
  local shown, terminal = {}, { is_terminal = function() return false end, write_error = function() end }
  terminal.write = function(text) shown[#shown + 1] = text end
  require("ui.result").tell(report, require("ui.output").new { environment = function() end, terminal = terminal })
  test.contains(table.concat(shown), "CMEK of cluster orders is ENABLED with these keys\n")
  test.truthy(not table.concat(shown):find("run enable", 1, true))
end

test["a role that was deleted while the cluster uses it is made again and the keys let it in; nothing is asked of the Cloud"] = function()
  local operator = open()
  run(operator, "console", ENABLE)
  local first = operators.role(operator).RoleId
  operators.within(operator, function(session) session.iam.delete_role { RoleName = names.role(operators.CLUSTER) } end)
  operator.world:after(600, function() end)
  while operator.world:step() do end
  local log = operators.log(operator)
  local report, status = run(operator, "console", { arguments = { enable = "true" }, run_id = "run-2" })
  test.equal({ status, report.error }, { 0 })
  test.equal({ report.summary.create, report.summary.change, report.summary.refused }, { 1, 3, 0 })
  test.truthy(operators.role(operator).RoleId ~= first)
  test.truthy(not table.concat(log, "\n"):find("EnableCMEKSpec", 1, true))
  local verified, fine = run(operator, "console", { mode = "verify", arguments = { enable = "true" } })
  test.equal({ fine, #verified.findings }, { 0, 0 })
end

test["a role that is slow to be known is waited for by KMS and by the Cloud"] = function()
  local operator = open { sim = { propagation = 25 } }
  local report, status = run(operator, "console", ENABLE)
  test.equal({ status, report.error }, { 0 })
  test.contains(reasons(operator), "role is new")
end

test["a plan makes nothing, and its door could not write"] = function()
  local operator = open()
  local report, status = run(operator, "console", { mode = "plan", arguments = { enable = "true" } })
  test.equal({ status, report.summary.create, operator.disk.text }, { 0, 5, "" })
  for _, check in ipairs(report.preflight) do test.truthy(check.result ~= "finding", check.id) end
end

test["the attempt is on disk before CreateKey is, and each key's end is written down"] = function()
  local operator = open()
  run(operator, "console")
  operator.journal:sync()
  local lines = require("journal").read(operator.disk.text)
  local first, ends = {}, 0
  for number, line in ipairs(lines) do
    local what = line.kind == "request" and line.operation or line.kind
    first[what .. " " .. (line.region or "")] = first[what .. " " .. (line.region or "")] or number
    if line.kind == "attempt-end" and line.result == "claimed" then ends = ends + 1 end
  end
  for _, region in ipairs { "us-east-1", "us-west-2", "eu-west-1" } do
    test.truthy(first["attempt " .. region] < first["CreateKey " .. region])
  end
  test.equal(ends, 3)
end

test["clusters that cannot have CMEK are refused, each for its own reason"] = function()
  for cluster, reason in pairs { ["orders-gcp"] = "GCP", ["orders-public"] = "private", ["orders-creating"] = "CREATING" } do
    local operator = open()
    test.raises(function() run(operator, "console", { arguments = { cluster = cluster } }) end, reason)
    test.equal(operator.disk.text, "")
  end
end

test["a cluster that uses keys of others is refused, and they are named"] = function()
  local operator = open()
  local report, status = run(operator, "console", { mode = "plan", arguments = { cluster = "orders-enabled" } })
  test.equal(status, 1)
  test.contains(report.steps[2].reason, "345678901234:key/")
  test.contains(report.steps[2].reason, "not cmek's")
end

test["lost answers to CreateKey and to enabling are looked up"] = function()
  local lost = {}
  local operator = open { network = function(_, request)
    for _, header in ipairs(request.headers) do
      local create = header[2] == "TrentService.CreateKey"
      if create and not lost[request.url] then
        lost[request.url] = true
        return { lose_answer = "the connection was closed" }
      end
    end
    if request.method == "POST" and request.url:find("/cmek$") and not lost.cmek then
      lost.cmek = true
      return { lose_answer = "the connection was closed" }
    end
  end }
  local report, status = run(operator, "console", ENABLE)
  test.equal({ status, report.error }, { 0 })
  for _, region in ipairs { "us-east-1", "us-west-2", "eu-west-1" } do
    local keys = operator.simulation.state.aws["210987654321"].kms[region].keys
    local count = 0
    for _ in pairs(keys) do count = count + 1 end
    test.equal(count, 1)
  end
end

test["what was changed by hand shows by field and is repaired"] = function()
  local operator = open()
  run(operator, "console")
  local session = operator.session
  local alias = names.alias { id = "8b6d7a10-4c1e-4b7a-9a53-0f2c6e9d41b7", name = "orders" }
  local id = session.tasks.run(function()
    local key = session.kms.find_alias { region = "us-west-2", name = alias }.TargetKeyId
    session.kms.enable_key_rotation { region = "us-west-2", KeyId = key, RotationPeriodInDays = 90 }
    local policy = policies.parse(session.kms.get_key_policy { region = "us-west-2", KeyId = key }.Policy)
    policy.Statement[1].Action = "kms:Decrypt"
    table.insert(policy.Statement, { Sid = "Theirs", Effect = "Allow", Principal = { AWS = "arn:aws:iam::210987654321:root" },
      Action = "kms:DescribeKey", Resource = "*" })
    session.kms.put_key_policy { region = "us-west-2", KeyId = key, PolicyName = "default", Policy = policies.json(policy) }
    return key
  end)
  local plan = run(operator, "console", { mode = "plan" })
  test.equal(plan.summary.change, 1)
  local fields = {}
  for _, step in ipairs(plan.steps) do
    for _, difference in ipairs(step.differences) do fields[#fields + 1] = difference.field end
  end
  test.equal(fields, { "policy.Statement[Allow use of the key for CMEK].Action", "rotation" })
  local _, status = run(operator, "console")
  test.equal(status, 0)
  local policy = session.tasks.run(function() return session.kms.get_key_policy { region = "us-west-2", KeyId = id }.Policy end)
  test.contains(policy, "Theirs")
  test.contains(policy, "kms:ReEncrypt*")
end
