-- Layouts over several AWS accounts: a key and its role in different ones need both sides, done where the layout says how to get there, told else.
local accounts = dofile "tests/accounts.lua"
local file = require "file"
local json = require "json"
local names = require "names"
local operators = accounts.operators
local outside = dofile "tests/outside.lua"

local OWN <const>, OTHER <const>, BY_PROFILE <const> = accounts.OWN, accounts.OTHER, accounts.BY_PROFILE
local open, written, warned = accounts.open, accounts.written, accounts.warned

local function key_in(who, account, region) return accounts.key_in(who, account, region, 1) end

local function run(who, layout, options)
  options = options or {}
  options.arguments = options.arguments or {}
  options.arguments.layout = layout
  return operators.run(who, options.recipe or "console", options)
end

local function done(who, layout, options)
  local report, status = run(who, layout, options)
  test.equal({ status, report.error }, { 0 })
  return report
end

test["a key that a profile's account is to have is made there: its policy names the role here, the role is allowed to use it, and the Cloud can"] =
  function()
    local who = open()
    local layout = written(BY_PROFILE)
    local report = done(who, layout, { arguments = { enable = "true" } })
    local key = key_in(who, OTHER, "eu-west-1")
    test.truthy(key and not key_in(who, OWN, "eu-west-1"))
    local statements = json.decode(key.Policy).Statement
    test.equal({ statements[1].Principal.AWS, statements[2].Principal.AWS },
      { operators.role(who).Arn, ("arn:aws:iam::%s:root"):format(OTHER) })
    test.equal(report.handover.region_specs[1].key_spec.uri, key.Arn)
    local plan = run(who, layout, { mode = "plan" })
    test.equal({ plan.summary.create, plan.summary.change }, { 0, 0 })
    local verified, status = run(who, layout, { mode = "verify" })
    test.equal({ status, verified.findings }, { 0, json.array {} })
    local seen = {}
    for _, check in ipairs(verified.checked) do seen[check.id .. " " .. tostring(check.region)] = check.result end
    test.equal({ seen["role_use.policy null"] or seen["role_use.policy " .. tostring(json.null)], seen["key.access eu-west-1"] }, { "ok", "ok" })
  end

test["the plan of it shows every step and request, and makes nothing in either account"] = function()
  local who = open()
  local plan = run(who, written(BY_PROFILE), { mode = "plan", requests = true })
  local steps = {}
  for _, step in ipairs(plan.steps) do steps[#steps + 1] = step.kind end
  test.equal({ plan.summary.create, steps[#steps] }, { 5, "role_use" })
  test.equal({ key_in(who, OTHER, "eu-west-1"), operators.role(who) }, {})
  local asked = {}
  for _, request in ipairs(plan.requests) do asked[request.operation] = (asked[request.operation] or 0) + 1 end
  test.equal({ asked.CreateKey, asked.PutRolePolicy }, { 3, 1 })
end

test["one side that was taken away is a finding, and run puts it right"] = function()
  local who = open()
  local layout = written(BY_PROFILE)
  done(who, layout, { arguments = { enable = "true" } })
  who.session.door:permit_writes "?"
  operators.within(who, function(session)
    session.iam.delete_role_policy { RoleName = names.role(operators.CLUSTER), PolicyName = names.USE_POLICY }
  end)
  local verified, status = run(who, layout, { mode = "verify" })
  test.equal({ status, verified.findings[1].id }, { 6, "role_use.exists" })
  test.equal(done(who, layout).summary.create, 1)
  test.equal(select(2, run(who, layout, { mode = "verify" })), 0)
end

test["a role_arn is assumed with the credentials in force"] = function()
  local who = open()
  local state = require("sim.state")
  local trust = json.encode { Version = "2012-10-17", Statement = { { Effect = "Allow", Action = "sts:AssumeRole",
    Principal = { AWS = ("arn:aws:iam::%s:root"):format(OWN) } } } }
  local hand = operators.beside(who, { who = state.USERS[2] })
  hand.door:permit_writes "?"
  operators.within(hand, function(session)
    session.iam.create_role { RoleName = "keys", AssumeRolePolicyDocument = trust }
    session.iam.put_role_policy { RoleName = "keys", PolicyName = "all",
      PolicyDocument = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}' }
  end)
  local layout = written(('return { ["us-east-1"] = { role_arn = "arn:aws:iam::%s:role/keys" }, ["us-west-2"] = { replica_of = "us-east-1" }, '
    .. '["eu-west-1"] = { key = "us-east-1" } }'):format(OTHER))
  done(who, layout, { arguments = { enable = "true" } })
  test.equal(key_in(who, OTHER, "us-west-2").KeyId, key_in(who, OTHER, "us-east-1").KeyId)
  test.equal(run(who, layout, { mode = "verify" }).findings, json.array {})
end

test["a key of an account that nothing reaches is not looked at: what its owners have to do is printed, and done it works"] = function()
  local who = open()
  local hand = operators.beside(who, { who = require("sim.state").USERS[2] })
  hand.door:permit_writes "?"
  hand.door:region "us-west-2"
  local arn = operators.within(hand, function(session) return session.kms.create_key { region = "us-west-2" }.KeyMetadata.Arn end)
  local layout = written(('return { ["us-east-1"] = { }, ["us-west-2"] = { key = "%s" }, ["eu-west-1"] = { } }'):format(arn))
  local report = done(who, layout)
  test.equal({ report.summary.create, report.handover.region_specs[3].key_spec.uri }, { 4, arn })
  local statement = json.decode(warned(who):match ".*add this statement to its policy: (%b{})")
  test.equal(statement.Principal.AWS, operators.role(who).Arn)
  operators.within(hand, function(session)
    local document = json.decode(session.kms.get_key_policy { region = "us-west-2", KeyId = arn }.Policy)
    table.insert(document.Statement, statement)
    session.kms.put_key_policy { region = "us-west-2", KeyId = arn, Policy = json.encode(document) }
  end)
  done(who, layout, { arguments = { enable = "true" } })
  local verified, status = run(who, layout, { mode = "verify" })   -- what cannot be read is never well
  test.equal({ status, #verified.findings, verified.findings[1].id, verified.findings[1].severity, verified.findings[1].object },
    { 6, 1, "key.exists", "unknown", arn })
end

test["a role of an account that nothing reaches: the key's side is done, the role's is printed as a command"] = function()
  local who = open()
  local hand = operators.beside(who, { who = require("sim.state").USERS[2] })
  hand.door:permit_writes "?"
  local role = operators.within(hand, function(session)
    local cluster, org = session.cloud.find_cluster "orders", session.cloud.organization()
    return session.iam.create_role { RoleName = "theirs", AssumeRolePolicyDocument = json.encode(require("policy").cross_account {
      account_id = cluster.account_id, external_id = org.id }) }.Role.Arn
  end)
  local entry = ('{ role = "%s" }'):format(role)
  local layout = written(('return { ["us-east-1"] = %s, ["us-west-2"] = %s, ["eu-west-1"] = %s }'):format(entry, entry, entry))
  local report = done(who, layout)
  test.equal({ report.summary.create, operators.role(who) }, { 3 })
  test.equal(json.decode(key_in(who, OWN, "us-east-1").Policy).Statement[1].Principal.AWS, role)
  local verified = run(who, layout, { mode = "verify" }).findings[1]
  test.equal({ verified.id, verified.severity }, { "role.exists", "unknown" })
  run(who, layout)
  test.contains(warned(who), "aws iam put-role-policy --role-name theirs --policy-name crdb-cmek-kms --policy-document")
end

test["a profile of another account than the key that it stands beside is refused, and so is one that is not there"] = function()
  local who = open()
  local arn = "arn:aws:kms:us-west-2:111122223333:key/5b1f7c2e-0d34-4c1e-8f5a-9e7a6b5c4d3e"
  local layout = written(('return { ["us-east-1"] = { }, ["us-west-2"] = { key = "%s", profile = "security" }, ["eu-west-1"] = { } }'):format(arn))
  test.raises(function() run(who, layout) end, "profile security leads to account 345678901234, and " .. arn .. " is of account 111122223333")
  test.raises(function() run(who, written(BY_PROFILE:gsub("security", "nobody"))) end, "nobody")
end

test["destroy takes back what was made in both accounts: what the role may do first, the role last"] = function()
  local who = open()
  local layout = written(BY_PROFILE)
  done(who, layout)
  local report, status = run(who, layout, { mode = "destroy" })
  test.equal({ status, report.error, report.summary.delete }, { 0, nil, 5 })
  test.equal({ who.simulation.state.aws[OTHER].kms["eu-west-1"].keys[1].KeyState, operators.role(who) }, { "PendingDeletion" })
end

test["a hand-over of keys of several accounts names them, and is read again; one that names one account is held to that"] = function()
  local who = open()
  local report = done(who, written(BY_PROFILE))
  local path, handover = test.directory() .. "/spec", require "handover"
  handover.write(path, { recipe = { origin = "console", hash = "0" }, given = {} }, report, who.world.now)
  local read = handover.read(path)
  test.equal(read.document.accounts, json.array { OWN, OTHER })
  local text = file.read(path):gsub('"accounts": %b[],%s*', "")
  assert(file.write(path, text))
  test.raises(function() handover.read(path) end, "is of account")
end

test["what of several accounts CockroachDB does not see yet is looked at in each of them, and waited for"] = function()
  local who = open()
  local layout = written(BY_PROFILE)
  table.insert(who.simulation.faults, require("sim.faults").read
    "error service=cloud operation=EnableCMEKSpec code=INVALID_ARGUMENT status=400 count=2 message=no permission to use the KMS key")
  local report = done(who, layout, { arguments = { enable = "true" } })
  test.equal(report.run.status, "done")
  local key = key_in(who, OTHER, "eu-west-1")
  key.KeyState, key.Enabled = "Disabled", false
  local other = open()
  table.insert(other.simulation.faults, require("sim.faults").read
    "error service=cloud operation=EnableCMEKSpec code=INVALID_ARGUMENT status=400 message=no permission to use the KMS key")
  run(other, layout)
  key_in(other, OTHER, "eu-west-1").Policy = key.Policy:gsub("kms:Encrypt", "kms:Sign")
  other.world.now = other.world.now + 86400
  local failed, status = run(other, layout, { recipe = "enable" })
  test.equal({ status, failed.run.status }, { 1, "failed" })
  test.contains(failed.error.message, "eu-west-1: the role may not kms:Encrypt")
end

test["status shows keys of another account where --reach leads there, with what is due of them, and says how else"] = function()
  local who = open()
  local layout = written(BY_PROFILE)
  done(who, layout, { arguments = { enable = "true" } })
  local function chain(with)
    return operators.within(who, function(session) return require("status").chain(session, "orders", with) end)
  end
  local function key_of(entry)
    for _, region in ipairs(entry.cmek.regions) do
      if region.region == "eu-west-1" then return region.keys[1] end
    end
  end
  test.contains(key_of(chain()).aws.refused, "it is of account 345678901234, and the AWS credentials are of 210987654321")
  test.equal(chain().due[1].next, "cmek status --cluster orders --reach PROFILE")
  local entry = chain { reach = { layout }, keys = true }
  test.equal({ key_of(entry).aws.state, key_of(entry).aws.aliases, key_of(entry).last_use.told, entry.due },
    { "Enabled", { names.alias(operators.CLUSTER) }, true, {} })
  key_in(who, OTHER, "eu-west-1").KeyState = "Disabled"
  test.contains(chain { reach = { "security" } }.due[1].text, "the key is Disabled")
end

test["from outside: --reach of status is of one cluster, and what it names has to be there"] = function()
  local result = outside.simulated([[
    $CMEK status --reach security; echo $?
    $CMEK status --cluster orders --reach nobody; echo $?
    $CMEK status --cluster orders --reach ./none.lua; echo $?]])
  test.equal(result.output:gsub("[^%d\n]", ""):gsub("\n", ""), "242")
  for _, words in ipairs { "--reach is of one cluster", "the AWS profile 'nobody'", "reading the layout './none.lua'" } do
    test.contains(result.errors, words)
  end
end

test["destroy without the layout is refused, and takes nothing: the role may use keys there"] = function()
  local who = open()
  local layout = written(BY_PROFILE)
  done(who, layout)
  local report, status = run(who, nil, { mode = "destroy" })
  test.equal({ status, operators.role(who) ~= nil, key_in(who, OWN, "us-east-1").KeyState }, { 1, true, "Enabled" })
  test.contains(report.error.message, "name the layout that they were made with (--layout FILE)")
  test.equal(select(2, run(who, layout, { mode = "destroy" })), 0)
end

test["what is in Vault stays as long as a key of another account has its material"] = function()
  local result = outside.simulated([[
    printf '[profile security]\naws_access_key_id = AKIASIMULATEDCMEK002\n' >$D/config
    printf 'aws_secret_access_key = simulated/secret/not-a-real-one/00000002\n' >>$D/config
    export AWS_CONFIG_FILE=$D/config; cd $D
    printf 'return { ["us-east-1"] = { profile = "security" } }' >layout.lua
    $CMEK run vault-transit --cluster orders-one --layout ./layout.lua --yes >/dev/null 2>&1 || exit 9
    $CMEK destroy vault-transit --cluster orders-one --layout ./layout.lua --confirm orders-one]])
  test.equal(result.status, 0)
  test.contains(result.text, "it stays: arn:aws:kms:us-east-1:345678901234:key/")
  test.equal(result:writes "TransitDeleteKey", 0)
end
