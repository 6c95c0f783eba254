-- What the plan asks for and these credentials may not do is refused before anything is made.
local json = require "json"
local names = require "names"
local operators = dofile "tests/operator.lua"

local ALL <const> = { Sid = "All", Effect = "Allow", Action = "*", Resource = "*" }
local SECRET <const> = "simulated/secret/not-a-real-one/00000009"

local function document(...)
  return { Version = "2012-10-17", Statement = json.array { ... } }
end

local function deny(action)
  return { Sid = "Not" .. action:match ":(.*)":gsub("*", ""), Effect = "Deny", Action = action, Resource = "*" }
end

--- Somebody with these policies beside an operator.
local function somebody(who, ...)
  local users = who.simulation.state.aws[operators.ACCOUNT].iam.users
  local name = "somebody"
  for _, user in ipairs(users) do
    if user.UserName == name then name = "another" end
  end
  local user = who.simulation:add_user { account = operators.ACCOUNT, name = name, policies = { ... }, secret_access_key = SECRET }
  user.secret_access_key = SECRET
  return operators.beside(who, { who = user }), users[#users]
end

local function made(who)
  local aws = who.simulation.state.aws[operators.ACCOUNT]
  local count = #aws.iam.roles
  for _, place in require("sorted")(aws.kms) do count = count + #place.keys end
  return count
end

--- The reasons of the refused steps, by kind; and that nothing was made.
local function refused(who, options)
  local before = made(who)
  local report, status = operators.run(who, "console", options)
  local reasons = {}
  for _, step in ipairs(report.steps) do
    if step.action == "refuse" then reasons[#reasons + 1] = step.kind .. ": " .. step.reason end
  end
  test.equal({ status, report.run.status, made(who) }, { 1, "failed", before })
  return reasons, report
end

test["an action that making takes and a statement denies is refused, naming action, policy and statement, before anything is made"] = function()
  local cases = { ["iam:CreateRole"] = "role", ["iam:TagRole"] = "role", ["kms:CreateKey"] = "key", ["kms:TagResource"] = "key",
    ["kms:CreateAlias"] = "key", ["kms:EnableKeyRotation"] = "key" }
  for action, kind in require("sorted")(cases) do
    local reasons = refused(somebody(operators.open(), document(ALL, deny(action))))
    test.equal({ action, #reasons }, { action, kind == "key" and 3 or 1 })
    test.contains(reasons[1], kind .. ": arn:aws:iam::210987654321:user/somebody may not do " .. action)
    test.contains(reasons[1], ('the policy \'policy-1 of user somebody\', statement 2 "Not%s" denies it'):format(action:match ":(.*)"))
  end
end

test["an action that a repair takes is refused as well, and one that it does not take is not"] = function()
  local function drift(who)
    operators.run(who, "console")
    return who, operators.role(who), (operators.key(who, "us-west-2"))
  end
  local cases = {
    { "iam:UpdateAssumeRolePolicy", "role", function(_, role) role._trust.Statement[1].Condition = nil end },
    { "iam:TagRole", "role", function(_, role) role.Tags = json.array { role.Tags[1] } end },
    { "kms:EnableKeyRotation", "key", function(_, _, key) key.RotationPeriodInDays = 90 end },
    { "kms:PutKeyPolicy", "key", function(_, _, key)
      local changed = json.decode(json.encode(key._policy))
      table.remove(changed.Statement[1].Action)
      key._policy, key.Policy = changed, json.encode(changed)
    end },
    { "kms:TagResource", "key", function(_, _, key) key.Tags = json.array { key.Tags[1], key.Tags[3] } end },
  }
  for _, case in ipairs(cases) do
    local who, role, key = drift(operators.open())
    case[3](who, role, key)
    local other = somebody(who, document(ALL, deny(case[1])))
    local reasons = refused(other)
    test.equal({ case[1], #reasons }, { case[1], 1 })
    test.contains(reasons[1], case[2] .. ": ")
    test.contains(reasons[1], case[1])
    local _, status = operators.run(somebody(who, document(ALL, deny "kms:CreateKey", deny "iam:CreateRole")), "console")   -- the control
    test.equal(status, 0)
  end
end

test["without the right to IAM's policy simulator the policies that can be read decide"] = function()
  local reasons = refused(somebody(operators.open(), document(ALL, deny "iam:SimulatePrincipalPolicy"), document(deny "kms:CreateKey")))
  test.contains(reasons[1], "the policy 'policy-2 of user somebody', statement 1 \"NotCreateKey\" denies it")
end

test["what no policy grants is denied for sure when all of them were read; a condition on the region counts"] = function()
  local some = document({ Effect = "Allow", Action = json.array { "iam:*", "sts:*", "kms:List*", "kms:Get*", "kms:Describe*" }, Resource = "*" },
    { Sid = "East", Effect = "Allow", Action = "kms:*", Resource = "*", Condition = { StringEquals = { ["aws:RequestedRegion"] = "us-east-1" } } })
  local reasons, report = refused(somebody(operators.open(), some))
  test.equal(#reasons, 2)
  test.contains(reasons[1], "no identity policy of the caller allows it")
  test.equal({ report.steps[2].region, report.steps[2].action }, { "us-east-1", "create" })
end

test["rights that cannot be known are said once, and tried"] = function()
  local who = operators.open()
  local blind = somebody(who, document(ALL, deny "iam:Simulate*", deny "iam:ListUserPolicies", deny "iam:ListAttachedUserPolicies"))
  local plan, status = operators.run(blind, "console", { mode = "plan" })
  local said = {}
  for _, check in ipairs(plan.preflight) do
    if check.id == "rights" then said[#said + 1] = check.text end
  end
  test.equal({ status, #said, #plan.warnings }, { 0, 1, 0 })
  test.contains(said[1], "whether these credentials may do iam:CreateRole, iam:TagRole, kms:CreateAlias, kms:CreateKey, kms:EnableKeyRotation, "
    .. "kms:TagResource is not known before it is tried (iam SimulatePrincipalPolicy")
  local output = require("ui.output").new { environment = function() end, terminal = { is_terminal = function() return false end } }
  test.contains(require("ui.plan").render(plan, output), "\n" .. said[1] .. "\nPlan: 4 to create")
  local _, done = operators.run(blind, "console")
  test.equal(done, 0)
end

test["with every right nothing but the policy simulator is asked, and each right is listed as well"] = function()
  local who = operators.open()
  local log = operators.log(who)
  local plan = operators.run(who, "console", { mode = "plan" })
  local listed = {}
  for _, check in ipairs(plan.preflight) do
    if check.id:find "^rights" then listed[#listed + 1] = check.id .. " " .. check.result end
  end
  test.equal(listed, { "rights.iam:CreateRole ok", "rights.iam:TagRole ok", "rights.kms:CreateAlias ok", "rights.kms:CreateKey ok",
    "rights.kms:EnableKeyRotation ok", "rights.kms:TagResource ok" })
  local asked = table.concat(log, "\n")
  test.contains(asked, "SimulatePrincipalPolicy")
  test.equal({ asked:find "GetUser", asked:find "ListUserPolicies" }, {})
end

test["a permissions boundary and the organization's policies are named when they take a right away"] = function()
  local who, user = somebody(operators.open(), document(ALL))
  user.PermissionsBoundary = { PermissionsBoundaryType = "Policy", PermissionsBoundaryArn = "arn:aws:iam::aws:policy/ReadOnlyAccess" }
  test.contains(refused(who)[1], "the permissions boundary does not allow it")
  local free = somebody(operators.open(), document(ALL))
  free.simulation.state.aws[operators.ACCOUNT].organization = { ServiceControlPolicies = { { document(ALL, deny "kms:CreateKey") } } }
  test.contains(refused(free)[1], "a service control policy of the organization, by IAM's policy simulator")
end

test["a key's own policy that denies us is named"] = function()
  local who = operators.open()
  operators.run(who, "console")
  local key = operators.key(who, "us-west-2")
  local changed = json.decode(json.encode(key._policy))
  table.remove(changed.Statement[1].Action)
  table.insert(changed.Statement, { Sid = "Freeze", Effect = "Deny", Principal = "*", Action = "kms:PutKeyPolicy", Resource = "*" })
  key._policy, key.Policy = changed, json.encode(changed)
  local reasons = refused(who)
  test.contains(reasons[1], 'may not do kms:PutKeyPolicy')
  test.contains(reasons[1], 'key policy, statement 3 "Freeze" denies it')
end

test["a session of a role is judged by the role's policies, also where the role has a path"] = function()
  local who = operators.open()
  who.door:permit_writes "May the test write?"
  operators.within(who, function(session)
    session.iam.create_role { RoleName = "ops", Path = "/teams/", AssumeRolePolicyDocument = json.encode { Version = "2012-10-17",
      Statement = { Effect = "Allow", Principal = { AWS = "arn:aws:iam::210987654321:root" }, Action = "sts:AssumeRole" } } }
    session.iam.attach_role_policy { RoleName = "ops", PolicyArn = "arn:aws:iam::aws:policy/AdministratorAccess" }
    session.iam.put_role_policy { RoleName = "ops", PolicyName = "limits", PolicyDocument = json.encode(document(deny "kms:CreateAlias")) }
  end)
  local function assume()
    local user = who.simulation.state.aws[operators.ACCOUNT].iam.users[1]
    local got = who.simulation:call { principal = { arn = user.Arn, account = operators.ACCOUNT, kind = "user", unique_id = user.UserId,
      identity = { document(ALL) } }, service = "sts", operation = "AssumeRole",
      parameters = { RoleArn = "arn:aws:iam::210987654321:role/teams/ops", RoleSessionName = "ci" } }.Credentials
    return operators.beside(who, { who = { access_key_id = got.AccessKeyId, secret_access_key = got.SecretAccessKey,
      session_token = got.SessionToken } })
  end
  local reasons = refused(assume())
  test.contains(reasons[1], "the policy 'limits of role ops', statement 1 \"NotCreateAlias\" denies it")
  operators.within(who, function(session) session.iam.delete_role_policy { RoleName = "ops", PolicyName = "limits" } end)
  local _, status = operators.run(assume(), "console", { arguments = { admin = { "arn:aws:iam::210987654321:role/teams/ops" } } })
  test.equal({ status, made(who) }, { 0, 5 })
  test.truthy(operators.role(who, names.role(operators.CLUSTER)))
end
