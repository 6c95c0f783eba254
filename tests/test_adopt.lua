-- A chain that was made by hand and is in use: adopt takes it over and changes nothing else; console then repairs it.
local json = require "json"
local names = require "names"
local operators = dofile "tests/operator.lua"
local policies = require "policy"
local verifier = dofile "tests/verifier.lua"

local ACCOUNT <const>, CLUSTER <const> = operators.ACCOUNT, operators.CLUSTER
local REGIONS <const> = { "us-east-1", "us-west-2", "eu-west-1" }
local ROLE <const> = ("arn:aws:iam::%s:role/platform/crdb-by-hand"):format(ACCOUNT)
local ALIAS <const> = names.alias(CLUSTER)

-- The page's steps as somebody does them by hand, with a statement of theirs in each key's policy. Options: cluster (its name); use: role
-- and keys that are there; unused: CMEK is not enabled with them.
local function by_hand(who, options)
  options = options or {}
  local hand = operators.beside(who, { who = who.simulation.accounts[1], confirm = options.cluster or "orders" })
  hand.door:permit_writes "?"
  hand.door:permit_irreversible("?", options.cluster or "orders")
  return operators.within(hand, function(session)
    local cluster, org = session.cloud.find_cluster(options.cluster or "orders"), session.cloud.organization()
    local made = { keys = {}, organization = org.id }
    for _, region in ipairs(cluster.regions) do session.door:region(region.name) end
    made.role = options.use and options.use.role or session.iam.create_role { RoleName = "crdb-by-hand", Path = "/platform/",
      AssumeRolePolicyDocument = json.encode(policies.cross_account { account_id = cluster.account_id, external_id = org.id }) }.Role.Arn
    local specs = {}
    for i, region in ipairs(cluster.regions) do
      local document = policies.cmek { role = made.role, account = ACCOUNT }
      table.insert(document.Statement, { Sid = "Auditors", Effect = "Allow", Principal = { AWS = ("arn:aws:iam::%s:root"):format(ACCOUNT) },
        Action = "kms:Describe*", Resource = "*" })
      local arn = options.use and options.use.keys[region.name]
        or session.kms.create_key { region = region.name, Policy = policies.json(document) }.KeyMetadata.Arn
      made.keys[region.name] = arn
      specs[i] = { region = region.name, key_spec = { type = "AWS_KMS", uri = arn, auth_principal = made.role } }
    end
    if options.unused then return made end
    session.cloud.enable_cmek(cluster.id, specs)
    session.tasks.sleep(600)
    assert(session.cloud.cmek(cluster.id).status == "ENABLED")   -- the simulated Cloud goes on when it is asked
    return made
  end)
end

local function adopt(who, options)
  options = options or {}
  options.run_id = options.run_id or "run-adopt"
  return operators.run(who, "adopt", options)
end

local function console(who, made, options)
  options = options or {}
  options.arguments = { role = made.role, key = { made.keys["us-east-1"], made.keys["us-west-2"], made.keys["eu-west-1"] } }
  options.run_id = options.run_id or "run-console"
  return operators.run(who, "console", options)
end

local function key_of(who, arn)
  local region, id = arn:match "^arn:aws:kms:([^:]*):%d+:key/(.*)$"
  local place = who.simulation.state.aws[ACCOUNT].kms[region]
  for _, key in ipairs(place.keys) do
    if key.KeyId == id then return key, place end
  end
end

local function aliases_of(who, arn)
  local key, place = key_of(who, arn)
  local list = {}
  for _, alias in ipairs(place.aliases) do
    if alias.TargetKeyId == key.KeyId then list[#list + 1] = alias.AliasName end
  end
  return list
end

local function tags(list)
  local map = {}
  for _, tag in ipairs(list or {}) do map[tag.TagKey or tag.Key] = tag.TagValue or tag.Value end
  return map
end

local function warned(report)
  local list = {}
  for i, warning in ipairs(report.warnings) do list[i] = warning.text end
  return table.concat(list, "\n")
end

-- The chain -------------------------------------------------------------------------------------------------------------

test["adopt gives role and keys the cluster's tags and aliases, and changes nothing else of them"] = function()
  local who = operators.open()
  local made = by_hand(who)
  local before = {}
  for region, arn in pairs(made.keys) do before[region] = key_of(who, arn).Policy end
  local trust = operators.role(who, "crdb-by-hand").AssumeRolePolicyDocument
  local log = operators.log(who)
  local report, status = adopt(who)
  test.equal({ status, report.error, report.summary.change }, { 0, nil, 4 })
  test.equal(tags(operators.role(who, "crdb-by-hand").Tags), { ["cmek:cluster"] = CLUSTER.id, ["cmek:run"] = "run-adopt" })
  for region, arn in pairs(made.keys) do
    local key = key_of(who, arn)
    test.equal(tags(key.Tags), { ["cmek:cluster"] = CLUSTER.id, ["cmek:region"] = region, ["cmek:run"] = "run-adopt" })
    test.equal({ aliases_of(who, arn), key.Policy }, { { ALIAS }, before[region] })
  end
  test.equal(operators.role(who, "crdb-by-hand").AssumeRolePolicyDocument, trust)
  for _, entry in ipairs(log) do
    for _, word in ipairs { "Create[RK]", "Put", "Update", "Rotation$", "Rotation ", "Disable", "Enable" } do
      test.truthy(not entry:find(word) or entry:find "GetKeyRotation", entry)
    end
  end
  test.equal(report.handover.region_specs[1].key_spec.auth_principal, ROLE)
end

test["it says with which arguments console goes on"] = function()
  local who = operators.open()
  local made = by_hand(who)
  local report = adopt(who, { flags = { profile = "ops" } })
  test.equal(report.going_on.recipe, "console")
  test.equal(report.going_on.arguments, { cluster = "orders", role = ROLE,
    key = { made.keys["us-east-1"], made.keys["us-west-2"], made.keys["eu-west-1"] } })
  test.equal(report.going_on.command, ("cmek plan console --cluster orders --role %s --key %s --key %s --key %s --profile ops"):format(
    ROLE, made.keys["us-east-1"], made.keys["us-west-2"], made.keys["eu-west-1"]))
end

test["before it, console refuses the chain and names adopt; after it, there is nothing to create, run repairs, verify is clean"] = function()
  local who = operators.open()
  local made = by_hand(who)
  local plan, status = console(who, made, { mode = "plan" })
  test.equal({ status, plan.summary.refused, plan.summary.create }, { 1, 4, 0 })
  test.contains(operators.run(who, "console", { mode = "plan" }).steps[2].reason, "cmek run adopt --cluster orders")
  adopt(who)
  plan, status = console(who, made, { mode = "plan" })
  test.equal({ status, plan.summary }, { 0, { create = 0, change = 3, delete = 0, unchanged = 1, refused = 0 } })
  test.equal(plan.steps[2].differences, { { field = "rotation", have = "off", want = 365 } })
  local report
  report, status = console(who, made)
  test.equal({ status, report.error }, { 0 })
  test.contains(key_of(who, made.keys["us-west-2"]).Policy, "Auditors")
  report, status = console(who, made, { mode = "verify" })
  test.equal({ status, #report.findings }, { 0, 0 })
  report, status = operators.run(who, "enable", { mode = "plan", arguments = { role = ROLE } })
  test.equal({ status, report.summary.unchanged }, { 0, 1 })
end

test["a second adopt finds nothing to do; so does one of what cmek made"] = function()
  local who = operators.open()
  by_hand(who)
  adopt(who)
  local report, status = adopt(who)
  test.equal({ status, report.summary.unchanged, report.going_on ~= nil }, { 0, 4, true })
  who = operators.open()
  operators.run(who, "console", { arguments = { enable = "true" } })
  report, status = adopt(who)
  test.equal({ status, report.summary.unchanged }, { 0, 4 })
end

test["verify adopt says whether the chain is adopted, and what is not"] = function()
  local who = operators.open()
  local made = by_hand(who)
  local report, status = adopt(who, { mode = "verify" })
  test.equal({ status, report.findings[1].id, report.findings[1].field, report.findings[1].mend },
    { 6, "adopted_key.as_wanted", "tags.cmek:cluster", "cmek run adopt --cluster orders" })
  adopt(who)
  report, status = adopt(who, { mode = "verify" })
  test.equal({ status, report.findings }, { 0, {} })
  key_of(who, made.keys["us-east-1"]).KeyState = "Disabled"
  test.equal(select(2, adopt(who, { mode = "verify" })), 0)   -- that is console's to verify
  test.equal(select(2, console(who, made, { mode = "verify" })), 6)
end

test["a plan shows what would be tagged, and declining changes nothing"] = function()
  local who = operators.open()
  local made = by_hand(who)
  local plan, status = adopt(who, { mode = "plan" })
  test.equal({ status, plan.steps[1].kind, plan.steps[2].kind, plan.steps[2].region }, { 0, "adopted_role", "adopted_key", "us-east-1" })
  test.equal(plan.steps[2].differences[4], { field = "alias", have = json.null, want = ALIAS })
  local shy = operators.beside(who, { who = who.simulation.accounts[1], yes = false })
  local report, declined = adopt(shy)
  test.equal({ declined, report.run.status }, { 1, "declined" })
  test.equal({ aliases_of(who, made.keys["us-east-1"]), tags(operators.role(who, "crdb-by-hand").Tags) }, { {}, {} })
end

test["without --role, console does not take the keys from the role by which the cluster uses them"] = function()
  local who = operators.open()
  by_hand(who)
  adopt(who)
  local report, status = operators.run(who, "console", { run_id = "run-2" })
  test.equal({ status, report.summary.refused }, { 1, 3 })
  test.contains(report.steps[2].reason, "--role " .. ROLE)
end

-- Changes the role's trust by hand.
local function retrust(who, change)
  local role = operators.role(who, "crdb-by-hand")
  local document = json.decode(role.AssumeRolePolicyDocument)
  change(document)
  local hand = operators.beside(who, { who = who.simulation.accounts[1] })
  hand.door:permit_writes "?"
  operators.within(hand, function(session)
    session.iam.update_assume_role_policy { RoleName = "crdb-by-hand", PolicyDocument = json.encode(document) }
  end)
  return role
end

test["a wrong trust is told and not changed by adopt; console shows its field and repairs it"] = function()
  local who = operators.open()
  local made = by_hand(who)
  local role = retrust(who, function(document) document.Statement[1].Condition.StringEquals["sts:ExternalId"] = "another" end)
  local report, status = adopt(who)
  test.equal(status, 0)
  test.contains(warned(report), "sts:ExternalId")
  test.contains(role.AssumeRolePolicyDocument, "another")
  local plan = console(who, made, { mode = "plan" })
  test.equal({ plan.steps[1].action, plan.summary.create }, { "change", 0 })
  test.contains(plan.steps[1].differences[1].field, "sts:ExternalId")
  console(who, made)
  test.contains(operators.role(who, "crdb-by-hand").AssumeRolePolicyDocument, made.organization)
end

-- The policy that the console's wizard writes for a key with a role as its user.
local function wizard(role)
  return json.encode { Version = "2012-10-17", Id = "key-consolepolicy-3", Statement = json.array {
    { Sid = "Enable IAM User Permissions", Effect = "Allow", Principal = { AWS = ("arn:aws:iam::%s:root"):format(ACCOUNT) }, Action = "kms:*",
      Resource = "*" },
    { Sid = "Allow use of the key", Effect = "Allow", Principal = { AWS = role }, Resource = "*",
      Action = { "kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey" } },
    { Sid = "Allow attachment of persistent resources", Effect = "Allow", Principal = { AWS = role }, Resource = "*",
      Action = { "kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant" }, Condition = { Bool = { ["kms:GrantIsForAWSResource"] = "true" } } },
  } }
end

test["keys with the policy of the console's wizard: what lets the role do more is named, with the command; then run repairs"] = function()
  local who = operators.open()
  local made = by_hand(who)
  local hand = operators.beside(who, { who = who.simulation.accounts[1] })
  hand.door:permit_writes "?"
  operators.within(hand, function(session)
    for region, arn in require("sorted")(made.keys) do
      session.door:region(region)
      session.kms.put_key_policy { region = region, KeyId = arn, Policy = wizard(made.role) }
    end
  end)
  test.equal(select(2, adopt(who)), 0)
  local plan, status = console(who, made, { mode = "plan" })
  test.equal({ status, plan.summary.create, plan.summary.refused }, { 1, 0, 3 })
  test.contains(plan.steps[2].reason, "Statement[Allow attachment of persistent resources] lets the role")
  test.contains(plan.steps[2].reason, "remove it (cmek verify prints the command)")
  for _, finding in ipairs(console(who, made, { mode = "verify" }).findings) do
    if finding.id == "key.policy.foreign" then verifier.mend(who, finding.mend) end
  end
  local report
  report, status = console(who, made)
  test.equal({ status, report.error, report.summary.change }, { 0, nil, 3 })
  test.contains(key_of(who, made.keys["us-east-1"]).Policy, "Allow use of the key for CMEK")
  test.equal(console(who, made, { mode = "verify" }).findings, {})
end

-- What is not adopted --------------------------------------------------------------------------------------------------------

-- The key that the Cloud says a region uses.
local function used(who, region)
  for _, cluster in ipairs(who.simulation.state.cloud.clusters) do
    for _, info in ipairs(cluster.name == "orders" and cluster.cmek.region_infos or {}) do
      if info.region == region then return info.key_infos[1], info end
    end
  end
end

local function hand_over_alias(who, made, region)
  local _, place = key_of(who, made.keys[region])
  local other = json.decode(json.encode(place.keys[1]))
  other.KeyId = "99999999-2222-4333-8444-000000000001"
  table.insert(place.aliases, { AliasName = ALIAS, AliasArn = ("arn:aws:kms:%s:%s:%s"):format(region, ACCOUNT, ALIAS), TargetKeyId = other.KeyId })
end

--- Each: what is wrong, the step that is refused (2: us-east-1's key; 1: the role), words of its reason.
local REFUSED <const> = {
  { "a key that is gone", 2, "KMS does not show it", function(who) used(who, "us-east-1").spec.uri =
    ("arn:aws:kms:us-east-1:%s:key/11111111-2222-4333-8444-555555555555"):format(ACCOUNT) end },
  { "a disabled key", 2, "is Disabled: enable it", function(who, made)
    key_of(who, made.keys["us-east-1"]).KeyState = "Disabled" end },
  { "a key of another kind", 2, "KeySpec RSA_2048", function(who, made)
    key_of(who, made.keys["us-east-1"]).KeySpec = "RSA_2048" end },
  { "a key without its imported material", 2, "it has no key material", function(who, made)
    local key = key_of(who, made.keys["us-east-1"])
    key.Origin, key.KeyState = "EXTERNAL", "PendingImport" end },
  { "a key whose imported material expires", 2, "CMEK needs material that does not", function(who, made)
    local key = key_of(who, made.keys["us-east-1"])
    key.Origin, key.ExpirationModel = "EXTERNAL", "KEY_MATERIAL_EXPIRES" end },
  { "a key of a key store", 2, "in a key store of its own (Origin AWS_CLOUDHSM)", function(who, made)
    key_of(who, made.keys["us-east-1"]).Origin = "AWS_CLOUDHSM" end },
  { "a key that is tagged for another cluster", 2, "belongs to another cluster, 1234", function(who, made)
    key_of(who, made.keys["us-east-1"]).Tags = { { TagKey = "cmek:cluster", TagValue = "1234" } } end },
  { "a key whose alias another key has", 2, "points to another key, 99999999", function(who, made) hand_over_alias(who, made, "us-east-1") end },
  { "a key whose use is revoked", 2, "is REVOKED", function(who) used(who, "us-east-1").status = "REVOKED" end },
  { "a role that is tagged for another cluster", 1, "belongs to another cluster, 1234", function(who)
    operators.role(who, "crdb-by-hand").Tags = { { Key = "cmek:cluster", Value = "1234" } } end },
  { "a role of another path", 1, "the role of that name is " .. ROLE, function(who)
    for _, region in ipairs(REGIONS) do used(who, region).spec.auth_principal = ("arn:aws:iam::%s:role/crdb-by-hand"):format(ACCOUNT) end end },
}

for _, case in ipairs(REFUSED) do
  test[case[1] .. " is refused with the reason, and nothing is tagged"] = function()
    local who = operators.open()
    local made = by_hand(who)
    case[4](who, made)
    local report, status = adopt(who)
    test.equal({ status, report.run.status, report.steps[case[2]].action }, { 1, "failed", "refuse" })
    test.contains(report.steps[case[2]].reason, case[3])
    test.equal({ aliases_of(who, made.keys["us-west-2"]), report.going_on }, { {} })
  end
end

test["a chain that two clusters use is refused for both, naming the other one"] = function()
  local who = operators.open()
  local made = by_hand(who)
  retrust(who, function(document) document.Statement[1].Principal.AWS = "*" end)
  by_hand(who, { cluster = "orders-one", use = made })
  local report, status = adopt(who)
  test.equal({ status, report.summary }, { 1, { create = 0, change = 2, delete = 0, unchanged = 0, refused = 2 } })
  test.contains(report.steps[1].reason, "cluster orders-one uses it as well")
  test.contains(report.steps[2].reason, "cluster orders-one uses it as well")
  report, status = adopt(who, { arguments = { cluster = "orders-one" } })
  test.equal({ status, report.steps[2].action }, { 1, "refuse" })
  test.contains(report.steps[2].reason, "cluster orders uses it as well")
end

test["a cluster without CMEK, in the middle of a rotation, or with a role that is none, is refused as a whole"] = function()
  local who = operators.open()
  test.contains(test.raises(function() adopt(who) end, "uses no keys of its own: there is nothing to adopt"), "cmek run console")
  by_hand(who)
  local role = used(who, "us-east-1").spec.auth_principal
  used(who, "us-east-1").spec.auth_principal = "other"
  test.raises(function() adopt(who) end, "with 'other', which is not the ARN of a role")
  used(who, "us-east-1").spec.auth_principal = role
  local second = json.decode(json.encode((used(who, "us-west-2"))))
  second.spec.uri = second.spec.uri:gsub("[^/]+$", "11111111-2222-4333-8444-555555555555")
  table.insert(select(2, used(who, "us-west-2")).key_infos, second)
  test.raises(function() adopt(who) end, "uses two keys in us-west-2")
end

-- Somebody of the account with a policy of his own beside all that he may do.
local function somebody(who, action)
  local statement = { Sid = "No", Effect = "Deny", Action = action, Resource = "*" }
  local user = who.simulation:add_user { account = ACCOUNT, name = "somebody", secret_access_key = "simulated/secret/not-a-real-one/00000009",
    policies = { { Version = "2012-10-17", Statement = json.array { { Effect = "Allow", Action = "*", Resource = "*" }, statement } } } }
  user.secret_access_key = "simulated/secret/not-a-real-one/00000009"
  return operators.beside(who, { who = user })
end

test["what adopting takes and these credentials may not do is refused before anything is tagged"] = function()
  for action, step in pairs { ["iam:TagRole"] = 1, ["kms:TagResource"] = 2, ["kms:CreateAlias"] = 2 } do
    local who = operators.open()
    local made = by_hand(who)
    local report, status = adopt(somebody(who, action))
    test.equal({ action, status, report.steps[step].action }, { action, 1, "refuse" })
    test.contains(report.steps[step].reason, "may not do " .. action)
    test.equal({ aliases_of(who, made.keys["us-west-2"]), tags(operators.role(who, "crdb-by-hand").Tags) }, { {}, {} })
  end
end

test["tags that may not be read do not say whose a thing is: it is left alone, naming the right"] = function()
  for action, step in pairs { ["kms:ListResourceTags"] = 2, ["kms:DescribeKey"] = false } do
    local who = operators.open()
    by_hand(who)
    local other = somebody(who, action)
    if step then
      local report, status = adopt(other)
      test.equal({ status, report.steps[step].action }, { 1, "refuse" })
      test.contains(report.steps[step].reason, "allow " .. action)
    else
      test.raises(function() adopt(other) end, "kms DescribeKey us-east-1")
    end
  end
end

-- What happens on the way ----------------------------------------------------------------------------------------------------

test["a key that somebody tags for another cluster after the plan is left alone"] = function()
  local who = operators.open()
  local made = by_hand(who)
  who.simulation.on_request = function(entry)
    if entry.operation == "TagRole" then key_of(who, made.keys["us-east-1"]).Tags = { { TagKey = "cmek:cluster", TagValue = "1234" } } end
  end
  local report, status = adopt(who)
  test.equal({ status, report.run.status }, { 5, "unfinished" })
  test.contains(report.error.message, "belongs to another cluster, 1234")
  test.equal(aliases_of(who, made.keys["us-east-1"]), {})
end

test["an adopt that ended between tags and alias is finished by another, and by console"] = function()
  for _, recipe in ipairs { "adopt", "console" } do
    local who = operators.open()
    local made = by_hand(who)
    adopt(who)
    local _, place = key_of(who, made.keys["us-east-1"])
    table.remove(place.aliases)
    test.equal(aliases_of(who, made.keys["us-east-1"]), {})
    local report, status
    if recipe == "adopt" then report, status = adopt(who, { run_id = "run-2" }) else report, status = console(who, made) end
    test.equal({ status, report.error }, { 0 })
    test.equal(aliases_of(who, made.keys["us-east-1"]), { ALIAS })
    test.equal(tags(key_of(who, made.keys["us-east-1"]).Tags)["cmek:run"], "run-adopt")
  end
end

-- Roles and keys by their ARNs ------------------------------------------------------------------------------------------------

local function plan_with(who, arguments) return operators.run(who, "console", { mode = "plan", arguments = arguments }) end

local function arn(region, id, account)
  return ("arn:aws:kms:%s:%s:key/%s"):format(region, account or ACCOUNT, id or "11111111-2222-4333-8444-555555555555")
end

test["--key wants ARNs of keys, one a region of the cluster; what is wrong with one is a usage error"] = function()
  local who = operators.open()
  for _, case in ipairs {
    { { "alias/x" }, "'alias/x' is not the ARN of a key" },
    { { "arn:aws:kms:us-east-1:210987654321:alias/x" }, "is not the ARN of a key" },
    { { arn "ap-south-1" }, "is in ap-south-1, and cluster orders is in us-east-1, us-west-2, eu-west-1" },
    { { arn "us-east-1", arn("us-east-1", "22222222-2222-4333-8444-555555555555") }, "are both in us-east-1" },
  } do
    local raised = test.raises(function() plan_with(who, { key = case[1] }) end, case[2])
    test.equal(require("engine").status_of(raised, false), 2)
  end
end

test["a key or role that is named by its ARN and is not there, or is of another account, is refused and not made"] = function()
  local who = operators.open()
  for _, case in ipairs {
    { { key = { arn "us-east-1" } }, 2, "there is no key " .. arn "us-east-1" },
    { { key = { arn("us-east-1", nil, "345678901234") } }, 2, "is a key of account 345678901234, and the credentials are of " .. ACCOUNT },
    { { role = "arn:aws:iam::210987654321:role/nobody" }, 1, "there is no role arn:aws:iam::210987654321:role/nobody" },
    { { role = "arn:aws:iam::345678901234:role/nobody" }, 1, "is a role of account 345678901234" },
  } do
    local report, status = plan_with(who, case[1])
    test.equal({ status, report.steps[case[2]].action }, { 1, "refuse" })
    test.contains(report.steps[case[2]].reason, case[3])
  end
end

-- Does a command of the AWS CLI as it was printed, on the simulated services.
local function type_in(who, reason) verifier.mend(who, reason:match "say whose it is: (aws .*)$") end

test["a role and a key that were made by hand and are not in use become the cluster's by the commands that are printed"] = function()
  local who = operators.open()
  local made = by_hand(who, { unused = true })
  local arguments = { role = made.role, key = { made.keys["us-east-1"] } }
  local report, status = operators.run(who, "console", { arguments = arguments })
  test.equal({ status, report.steps[1].action, report.steps[2].action }, { 1, "refuse", "refuse" })
  test.contains(report.steps[1].reason, "where the cluster uses it: cmek run adopt --cluster orders, else say whose it is: aws iam tag-role ")
  type_in(who, report.steps[1].reason)
  type_in(who, report.steps[2].reason)
  report, status = operators.run(who, "console", { arguments = arguments, run_id = "run-2" })
  test.equal({ status, report.error, report.summary.create, report.steps[2].action }, { 0, nil, 2, "change" })
  test.equal(#aliases_of(who, made.keys["us-east-1"]), 1)
  test.contains(key_of(who, made.keys["us-east-1"]).Policy, "Auditors")
end

test["regions without a --key get one that is made; another key than the one in use is a rotation"] = function()
  local who = operators.open()
  operators.run(who, "console")
  local key, place = operators.key(who, "us-west-2")
  local report = plan_with(who, { key = { key.Arn } })
  test.equal(report.summary.unchanged, 4)
  operators.run(who, "enable", { run_id = "run-2" })
  local other = json.decode(json.encode(key))
  other.KeyId = "22222222-2222-4333-8444-555555555555"
  other.Arn = arn("us-west-2", other.KeyId)
  table.insert(place.keys, other)
  report = plan_with(who, { key = { other.Arn } })
  test.equal(report.steps[3].action, "refuse")
  test.contains(report.steps[3].reason, "another key is a rotation")
end
