-- The recipe rotate: the next key of each region, given to the Cloud; what is unfinished comes first, and the old keys stay.
local explain = require "explain"
local json = require "json"
local names = require "names"
local operators = dofile "tests/operator.lua"
local rotating = dofile "tests/rotating.lua"
local outside = dofile "tests/outside.lua"

local REGIONS <const>, DAY <const> = rotating.REGIONS, rotating.DAY
local run, done, tags, place, key_of = rotating.run, rotating.done, rotating.tags, rotating.place, rotating.key_of


--- An operator of a cluster with CMEK, long ago.
local function open(options, arguments)
  local who = operators.open(options)
  local values = { enable = "true" }
  for name, value in pairs(arguments or {}) do values[name] = value end
  local report, status = operators.run(who, "console", { arguments = values })
  test.equal({ status, report.error }, { 0 })
  who.world.now = who.world.now + 30 * DAY
  return who
end

local function cluster(who)
  for _, one in ipairs(who.simulation.state.cloud.clusters) do
    if one.name == "orders" then return one end
  end
end

-- The Cloud's account of a region: status of the region, then of each key, the oldest first.
local function account(who, region)
  for _, info in ipairs(cluster(who).cmek.region_infos) do
    if info.region == region then
      local list = { info.status }
      for _, key in ipairs(info.key_infos) do list[#list + 1] = key.status end
      return list
    end
  end
end

local function told(who, kind)
  local list = {}
  for _, event in ipairs(who.events) do
    if event.kind == (kind or "warning") then list[#list + 1] = event.text or event.reason end
  end
  return table.concat(list, "\n")
end

local function actions(report)
  local list = {}
  for i, step in ipairs(report.steps) do list[i] = ("%s %s"):format(step.kind, step.action) end
  return list
end

local function fault(who, text) table.insert(who.simulation.faults, require("sim.faults").read(text)) end

local function count(log, text)
  local found = 0
  for _, line in ipairs(log) do found = found + (line:find(text, 1, true) and 1 or 0) end
  return found
end

local function again(who) return operators.beside(who, { who = who.simulation.accounts[1] }) end

local function entries(who)
  who.journal:sync()
  return require("journal").read(who.disk.text)
end

-- Plan, run, verify ------------------------------------------------------------------------------------------------------------

test["a plan shows a new key in each region, and the Cloud's change with what it means; it changes nothing"] = function()
  local who = open()
  local report, status = run(who, { mode = "plan" })
  test.equal({ status, actions(report) }, { 0, { "key create", "key create", "key create", "cmek_rotation change" } })
  test.equal({ report.steps[1].name, report.steps[4].irreversible }, { names.alias(operators.CLUSTER, 2), true })
  test.contains(report.steps[4].reason, "neither may ever be disabled or deleted")
  test.equal(report.steps[4].differences[2].have, operators.key(who, "us-east-1").Arn)
  test.equal({ account(who, "us-east-1"), key_of(who, "us-east-1", 2) }, { { "ENABLED", "ENABLED" } })
end

test["a run gives every region its next key; the old one stays enabled, and the role is the one in use"] = function()
  local who = open()
  local old = {}
  for _, region in ipairs(REGIONS) do old[region] = operators.key(who, region) end
  local report = done(who)
  for _, region in ipairs(REGIONS) do
    local new = key_of(who, region, 2)
    test.truthy(new.KeyId ~= old[region].KeyId)
    test.equal({ new.KeyState, old[region].KeyState, key_of(who, region, 1).KeyId }, { "Enabled", "Enabled", old[region].KeyId })
    test.equal(account(who, region), { "ENABLED", "DISABLED", "ENABLED" })
    test.equal({ new.KeyRotationEnabled, new.RotationPeriodInDays, tags(new)[names.TAG_CLUSTER] }, { true, 365, operators.CLUSTER.id })
  end
  test.equal({ #report.handover.region_specs, report.handover.region_specs[2].key_spec },
    { 3, { type = "AWS_KMS", uri = key_of(who, "us-east-1", 2).Arn, auth_principal = operators.role(who).Arn } })
  test.equal(report.cmek, { status = "ENABLED", uses = "all" })
  test.contains(told(who, "say"), "these stay enabled, and are needed for what was written before:\n  " .. old["us-east-1"].Arn
    .. " (generation 1)\n")
end

test["policy, tags, rotation and kind of the key in use move forward, statements of others as well"] = function()
  local who = open(nil, { tag = { "team=payments" }, multi_region_key = "true", rotation = "180" })
  local old = operators.key(who, "us-east-1")
  local document = json.decode(old.Policy)
  table.insert(document.Statement, { Sid = "Audit", Effect = "Allow", Action = "kms:DescribeKey", Resource = "*",
    Principal = { AWS = ("arn:aws:iam::%s:root"):format(operators.ACCOUNT) } })
  operators.within(who, function(session)
    session.kms.put_key_policy { region = "us-east-1", KeyId = old.KeyId, PolicyName = "default", Policy = json.encode(document) }
  end)
  done(who)
  local new = key_of(who, "us-east-1", 2)
  test.truthy(require("policy").equal(new.Policy, old.Policy))
  test.contains(new.Policy, "Audit")
  test.equal({ tags(new).team, new.RotationPeriodInDays, new.MultiRegion }, { "payments", 180, true })
  test.truthy(tags(new)[names.TAG_ATTEMPT] ~= tags(old)[names.TAG_ATTEMPT])
  test.truthy(not key_of(who, "us-west-2", 2).Policy:find("Audit", 1, true))   -- which its key in use does not have
end

test["what somebody took out of the role's statement does not move forward: the next key has it whole"] = function()
  local who = open()
  local old = operators.key(who, "us-east-1")
  old.Policy = old.Policy:gsub('"kms:ReEncrypt%*"', '"kms:DescribeKey"')
  done(who)
  test.contains(key_of(who, "us-east-1", 2).Policy, '"kms:ReEncrypt*"')
  test.truthy(not operators.key(who, "us-east-1").Policy:find("ReEncrypt", 1, true))   -- that of the key in use is left as it is
end

test["a policy that is not cmek's, of a key that was taken over, is taken as it is"] = function()
  local who = open()
  local old = operators.key(who, "us-east-1")
  old.Policy = old.Policy:gsub("crdb%-cmek%-kms", "ours"):gsub("Allow use of the key for CMEK", "Cockroach"):gsub("Enable IAM User Permissions", "Us")
  done(who)
  test.truthy(require("policy").equal(key_of(who, "us-east-1", 2).Policy, old.Policy))
  test.contains(key_of(who, "us-west-2", 2).Policy, "crdb-cmek-kms")
end

test["verify of a rotated cluster finds nothing, and one that was begun and left is found"] = function()
  local who = open()
  done(who)
  local report, status = run(who, { mode = "verify" })
  test.equal({ status, #report.findings }, { 0, 0 })
  local seen = {}
  for _, check in ipairs(report.checked) do seen[check.id] = (seen[check.id] or 0) + 1 end
  for _, check in ipairs(require("resource.cmek_rotation").checks) do test.equal({ check.id, seen[check.id] }, { check.id, 3 }) end
  report, status = run(who, { mode = "verify", arguments = { to = "3" } })
  test.equal({ status, report.findings[1].id }, { 6, "key.exists" })
  operators.within(who, function(session)
    local made = session.kms.create_key { region = "us-east-1" }
    session.kms.create_alias { region = "us-east-1", AliasName = names.alias(operators.CLUSTER, 3), TargetKeyId = made.KeyMetadata.KeyId }
  end)
  report, status = run(who, { mode = "verify" })
  test.equal({ status, #report.findings, report.findings[1].id, report.findings[1].region }, { 6, 1, "cmek_rotation.finished", "us-east-1" })
  test.contains(report.findings[1].mend, "cmek run rotate --cluster orders")
end

test["a second run does nothing and says what would; a day later, or by name, the next generation comes"] = function()
  local who = open()
  done(who)
  test.equal(done(who).summary, { create = 0, change = 0, delete = 0, unchanged = 4, refused = 0 })
  test.contains(told(who), "us-east-1, us-west-2, eu-west-1: generation 2 is in use since ")
  test.contains(told(who), "--to 3 rotates again")
  test.equal(done(who, { arguments = { to = "2" } }).summary.unchanged, 4)
  done(who, { arguments = { to = "3" } })
  test.equal(account(who, "eu-west-1"), { "ENABLED", "DISABLED", "DISABLED", "ENABLED" })
  who.world.now = who.world.now + 2 * DAY
  done(who)
  test.truthy(key_of(who, "us-west-2", 4))
end

test["some regions may be rotated alone; --to takes those that are behind along, and none that is not"] = function()
  local who = open()
  local report = done(who, { arguments = { only = { "us-west-2" } } })
  test.equal({ #report.handover.region_specs, key_of(who, "us-east-1", 2), account(who, "us-east-1") }, { 1, nil, { "ENABLED", "ENABLED" } })
  report = done(who, { arguments = { to = "2" } })
  test.equal(actions(report), { "key create", "key none", "key create", "cmek_rotation change" })
  test.equal(account(who, "us-west-2"), { "ENABLED", "DISABLED", "ENABLED" })
  test.raises(function() run(who, { arguments = { to = "4" } }) end, "--to 4 is not the next generation: generation 2 is in use")
  test.raises(function() run(who, { arguments = { only = { "us-gov-1" } } }) end, "which is in us-east-1, us-west-2, eu-west-1")
end

test["the requests that a run would send end in the Cloud's PUT, and are not sent"] = function()
  local who = open()
  local report = run(who, { mode = "plan", requests = true })
  local listed = {}
  for _, request in ipairs(report.requests) do listed[#listed + 1] = request.service .. " " .. request.operation end
  test.equal({ #listed, listed[#listed], report.requests[#report.requests].method }, { 10, "cloud UpdateCMEKSpec", "PUT" })
  test.equal(key_of(who, "us-east-1", 2), nil)
end

test["without the cluster's name nothing is made"] = function()
  local who = open()
  local other = operators.beside(who, { who = who.simulation.accounts[1], confirm = "oders" })
  local report, status = run(other)
  test.equal({ status, report.run.status, key_of(who, "us-east-1", 2) }, { 1, "declined" })
end

-- What is unfinished ---------------------------------------------------------------------------------------------------------------

-- A run that ends when the Cloud is asked, its keys made.
local function dies_before_the_cloud(who)
  fault(who, "error service=cloud operation=UpdateCMEKSpec code=INVALID_ARGUMENT status=400 count=1 message=no")
  local report, status = run(who)
  test.equal({ status, report.run.status }, { 5, "unfinished" })
end

test["a rotation that stopped before the Cloud was asked is finished by the next run, with the keys that it made"] = function()
  local who = open()
  dies_before_the_cloud(who)
  local made = key_of(who, "us-east-1", 2).KeyId
  done(again(who), { run_id = "run-2" })
  test.equal({ key_of(who, "us-east-1", 2).KeyId, key_of(who, "us-east-1", 3) }, { made })
  test.equal(account(who, "us-east-1"), { "ENABLED", "DISABLED", "ENABLED" })
end

test["it is said, also when another generation was asked for: that comes afterwards"] = function()
  local who = open()
  done(who, { arguments = { only = { "us-west-2" } } })
  fault(who, "error service=cloud operation=UpdateCMEKSpec code=INVALID_ARGUMENT status=400 count=1 message=no")
  run(who, { arguments = { only = { "us-east-1" } } })
  local report = run(who, { mode = "plan" })
  test.contains(told(who), "us-east-1: a rotation to generation 2 was begun and not finished: it is finished first")
  -- eu-west-1 is as far behind as us-east-1 was; us-west-2 has that generation
  test.equal(actions(report), { "key none", "key none", "key create", "cmek_rotation change" })
  run(who, { mode = "plan", arguments = { to = "3" } })
  test.contains(told(who), "run this again for generation 3")
end

test["a run that died in a region before its alias is gone on with: one key a region and generation"] = function()
  local who = open()
  fault(who, "error service=kms operation=CreateAlias region=us-west-2 code=LimitExceededException status=400 count=1 message=no")
  test.equal(select(2, run(who)), 5)
  done(again(who), { run_id = "run-2" })
  for _, region in ipairs(REGIONS) do test.equal(#place(who, region).keys, 2) end
end

test["a key from before that lost its alias is not taken for a new one"] = function()
  local who = open()
  done(who)
  local first = key_of(who, "us-east-1", 1)
  operators.within(who, function(session)
    session.kms.delete_alias { region = "us-east-1", AliasName = names.alias(operators.CLUSTER, 1) }
  end)
  done(who, { arguments = { to = "3" } })
  test.truthy(key_of(who, "us-east-1", 3).KeyId ~= first.KeyId)
  test.equal(#place(who, "us-east-1").keys, 3)
end

-- The Cloud ------------------------------------------------------------------------------------------------------------------------

test["an answer that is lost is looked up: the Cloud is asked once"] = function()
  local who = open()
  fault(who, "lost_answer service=cloud operation=UpdateCMEKSpec count=1")
  local log = operators.log(who)
  done(who)
  test.equal(count(log, "cloud UpdateCMEKSpec"), 1)
end

test["a request of which the Cloud shows nothing is not sent again by itself: resume asks once more"] = function()
  local who = open()
  fault(who, "reset service=cloud operation=UpdateCMEKSpec count=1")
  local report, status = run(who)
  test.equal({ status, report.error.situation }, { 5, "cloud.lost" })
  done(again(who), { entries = entries(who) })
  test.equal(account(who, "us-east-1"), { "ENABLED", "DISABLED", "ENABLED" })
end

test["a cluster that another job holds is waited for"] = function()
  local who = open()
  fault(who, "error service=cloud operation=UpdateCMEKSpec code=UNAVAILABLE status=503 count=2 message=couldn't lock cluster")
  done(who)
  test.contains(told(who, "waiting"), "couldn't lock cluster")
end

test["a region whose new key the Cloud cannot use goes on with the old one; its words are told, and what differs; then it is finished"] = function()
  local who = open { sim = { choices = { first = 20, each = 20 } } }
  local key
  who.simulation.on_request = function(entry)
    if entry.operation ~= "UpdateCMEKSpec" then return end
    key = key_of(who, "us-east-1", 2)
    key.KeyState, key.Enabled = "Disabled", false
  end
  local report, status = run(who)
  test.equal({ status, report.error.code, report.error.situation }, { 5, "ROTATE_FAILED", "access.key-disabled" })
  test.contains(report.error.message, "Insufficient permissions to access the KMS key")
  who.world.now = who.world.now + 100
  run(who, { mode = "verify" })
  test.equal(account(who, "us-east-1"), { "ROTATE_FAILED", "ENABLED", "ENABLE_FAILED" })
  key.KeyState, key.Enabled, who.simulation.on_request = "Enabled", true, nil
  local put = {}
  who.simulation.on_request = function(entry) put[#put + 1] = entry.operation == "UpdateCMEKSpec" and entry.operation or nil end
  done(again(who), { run_id = "run-2" })
  test.equal({ account(who, "us-east-1"), account(who, "us-west-2") }, { { "ENABLED", "DISABLED", "ENABLED" }, { "ENABLED", "DISABLED", "ENABLED" } })
end

-- Gives the Cloud the keys of generation 2, as another operator's request does.
local function put_by_another(who)
  local specs = {}
  for i, region in ipairs(REGIONS) do
    specs[i] = { region = region, key_spec = { type = "AWS_KMS", uri = key_of(who, region, 2).Arn, auth_principal = operators.role(who).Arn } }
  end
  local answer = who.simulation:handle { method = "PUT", target = ("/api/v1/clusters/%s/cmek"):format(operators.CLUSTER.id),
    headers = { { "Authorization", "Bearer " .. require("sim.cloud").KEYS[1].secret }, { "Content-Type", "application/json" } },
    body = json.encode { region_specs = json.array(specs) } }
  test.equal(answer.status, 200)
end

test["a request that was refused is not sent again when the Cloud has taken another operator's meanwhile"] = function()
  local who = open()
  fault(who, "error service=cloud operation=UpdateCMEKSpec code=INVALID_ARGUMENT status=400 count=1 "
    .. "message=Insufficient permissions to access the KMS key")
  local log = operators.log(who)
  local see = who.simulation.on_request
  who.simulation.on_request = function(entry)
    see(entry)
    if entry.operation == "UpdateCMEKSpec" and entry.status == 400 then who.world:after(0.5, function() put_by_another(who) end) end
  end
  done(who)
  test.equal(count(log, "cloud UpdateCMEKSpec"), 2)
end

test["a region whose key was used anew and could not be has no other in use: that key is given to it again"] = function()
  local who = open()
  done(who)
  local region = cluster(who).cmek.region_infos[2]
  test.equal({ region.region, region.key_infos[2].status }, { "us-east-1", "ENABLED" })
  cluster(who).cmek.status, region.status, region.key_infos[2].status = "ROTATE_FAILED", "ROTATE_FAILED", "ENABLE_FAILED"
  test.equal(run(who, { mode = "verify" }).findings[1].field, "status")
  done(again(who), { run_id = "run-2" })
  test.equal(account(who, "us-east-1"), { "ENABLED", "DISABLED", "ENABLED" })
end

test["the Cloud failed and nothing that can be seen says why: its words are told as that"] = function()
  local fields = explain.tell("cmek.rotate-failed", { said = "us-east-1: region ROTATE_FAILED", mend = "cmek run console --cluster orders" })
  test.contains(explain.text(fields), "goes on with the key from before")
end

test["access that CockroachDB does not have is judged: wrong policy of the new key fails at once, naming the statement"] = function()
  local who = open()
  dies_before_the_cloud(who)
  who.world.now = who.world.now + DAY
  for _, region in ipairs(REGIONS) do
    local key = key_of(who, region, 2)
    key.Policy = key.Policy:gsub("kms:Decrypt", "kms:DescribeKey")
  end
  local report, status = run(again(who), { run_id = "run-2", mode = "plan" })
  test.equal({ status, report.steps[1].action }, { 0, "change" })   -- put right as the key in use has it
  test.contains(report.steps[1].differences[1].field, "policy.Statement[Allow use of the key for CMEK].Action")
end

-- Resuming -------------------------------------------------------------------------------------------------------------------------

test["a resumed run goes on to the generation that it set out for, though the Cloud has it by now"] = function()
  local who = open()
  who.world.now = who.world.now + 2 * DAY
  local report = done(who)
  test.equal(report.summary.create, 3)
  who.world.now = who.world.now + 2 * DAY
  local other = again(who)
  report = done(other, { entries = entries(who) })
  test.equal({ report.summary.create + report.summary.change, key_of(who, "us-east-1", 3) }, { 0 })
end

test["from when the Cloud has the keys a resumed run waits with the Cloud's key alone: neither AWS nor its credentials are asked"] = function()
  local options = { environment = { VAULT_ADDR = "http://127.0.0.1:9" } }
  for _, recipe in ipairs { "rotate", "console" } do
    local who = recipe == "rotate" and open() or operators.open()
    local asked = recipe == "rotate" and "UpdateCMEKSpec" or "EnableCMEKSpec"
    local arguments = recipe == "console" and { enable = "true" } or nil
    who.simulation.choices = { first = 300, each = 10 }
    who.simulation.on_request = function(entry)
      if entry.operation ~= asked then return end
      fault(who, "error service=cloud operation=GetCMEKClusterInfo code=INVALID_ARGUMENT status=400 count=1 message=no")
    end
    local report, status = operators.run(who, recipe, { arguments = arguments })
    test.equal({ recipe, status, report.run.status }, { recipe, 5, "unfinished" })
    who.simulation.on_request = nil
    local nobody = { access_key_id = "AKIANOBODYNOBODY0001", secret_access_key = "no/secret/of/anybody/0000000000000000001" }
    local other = operators.beside(who, { who = nobody, environment = options.environment })
    local log = operators.log(other)
    report, status = operators.run(other, recipe, { arguments = arguments, entries = entries(who) })
    test.equal({ recipe, status, report.error, #report.steps }, { recipe, 0, nil, 1 })
    test.equal({ count(log, "kms "), count(log, "iam "), count(log, "sts "), count(log, asked) }, { 0, 0, 0, 0 })
    test.contains(told(other), "AWS is not asked")
    test.equal(account(who, "eu-west-1")[1], "ENABLED")
  end
end

-- Bad input ------------------------------------------------------------------------------------------------------------------------

local function refused(who, words, situation, options)
  local ok, raised = pcall(run, who, options)
  test.equal(ok, false)
  for _, text in ipairs(words) do test.contains(tostring(raised), text) end
  test.equal({ raised.situation, key_of(who, "us-east-1", 2) }, { situation })
end

test["a cluster without CMEK, one that is revoked, one whose keys are not cmek's: told, with what to type"] = function()
  local bare = operators.open()
  operators.run(bare, "console")
  refused(bare, { "CMEK is not enabled in us-east-1", "cmek plan console --cluster orders --enable" }, "cmek.not-enabled")
  local who = open()
  operators.within(who, function()
    for _, info in ipairs(cluster(who).cmek.region_infos) do
      info.status, info.key_infos[1].status = "REVOKED", "REVOKED"
    end
  end)
  refused(who, { "CMEK is revoked in us-east-1 (REVOKED)", "support", "cmek run restore --cluster orders" }, "cmek.revoked")
  who = open()
  local key = operators.key(who, "us-east-1")
  key.Tags = json.array {}
  refused(who, { key.Arn, "cmek run adopt --cluster orders" }, "cmek.in-use")
  local report, status = run(who, { mode = "verify" })
  test.equal({ status, report.findings[1].id, report.findings[1].region }, { 6, "cmek_rotation.in_use", "us-east-1" })
end

test["a key in use that is disabled, or is to be deleted, is enabled first: the cluster needs it"] = function()
  local who = open()
  local key = operators.key(who, "us-west-2")
  key.KeyState, key.Enabled = "Disabled", false
  refused(who, { key.Arn .. " is Disabled", "aws kms enable-key --region us-west-2" }, "kms.key-disabled")
  key.KeyState = "PendingDeletion"
  refused(who, { "aws kms cancel-key-deletion --region us-west-2" }, "kms.key-pending-deletion")
end

test["a key in use whose policy still denies it to the cluster, from a revocation, is let to it first"] = function()
  local who = open()
  local key = operators.key(who, "us-west-2")
  key.Policy = require("policy.revocation").with(key.Policy, { operators.role(who).Arn })
  refused(who, { key.Arn, "cmek run restore --cluster orders" }, "cmek.revoked")
end

test["a key in use without its alias, and a policy that names who was deleted"] = function()
  local who = open()
  operators.within(who, function(session)
    session.kms.delete_alias { region = "us-east-1", AliasName = names.alias(operators.CLUSTER) }
  end)
  refused(who, { "has lost the alias", "cmek run console --cluster orders gives it back" })
  who = open()
  local key = operators.key(who, "us-east-1")
  key.Policy = key.Policy:gsub('"arn:aws:iam::%d+:root"', '["%0","AROAGONEGONEGONEGONE1"]'):gsub('""', '"')
  refused(who, { "names AROAGONEGONEGONEGONE1" })
end

test["a hand-over or a file of facts is no place to rotate from: both are refused as that"] = function()
  local result = outside.simulated([[
    $CMEK run console --cluster orders --enable --yes --confirm orders --out $D/spec >/dev/null 2>&1 || exit 9
    $CMEK status --cluster orders --facts $D/facts >/dev/null 2>&1 || exit 9
    $CMEK run rotate --spec $D/spec --yes --confirm orders; echo $?
    $CMEK run rotate --facts $D/facts --yes --confirm orders; echo $?]])
  test.equal(result.output:gsub("%D", ""), "22")
  test.contains(result.errors, "with --spec nobody talks to AWS")
  test.contains(result.errors, "leave --facts out")
end

test["since the plan was made somebody rotated to another key: it is not rotated back"] = function()
  local who = open()
  local function elsewhere()
    local info = cluster(who).cmek.region_infos[2]
    info.key_infos[1].spec.uri = info.key_infos[1].spec.uri:gsub("%x%x%x%x$", "0000")
  end
  who.simulation.on_request = function(entry)
    if entry.operation == "CreateAlias" and entry.region == "us-east-1" then elsewhere() end
  end
  local report, status = run(who)
  test.equal({ status, report.error.region }, { 5, "us-east-1" })
  test.contains(report.error.message, "since the plan was made the cluster uses")
end

test["destroy takes no rotation back, and says what does"] = function()
  local who = open()
  done(who)
  local ok, raised = pcall(run, who, { mode = "destroy" })
  test.equal({ ok, key_of(who, "us-east-1", 1).KeyState }, { false, "Enabled" })
  test.contains(raised.message, "going back is another rotation")
  test.contains(raised.next, "cmek destroy console")
end

test["from outside: what cannot be rotated is told with the exit status of a refused step, and with commands"] = function()
  local result = outside.simulated([[
    $CMEK run rotate --cluster orders --yes --confirm orders; echo $?
    $CMEK run rotate --cluster orders-public --yes --confirm orders-public; echo $?
    $CMEK run rotate --cluster orders-enabled --yes --confirm orders-enabled; echo $?
    $CMEK run rotate --cluster orders --to one; echo $?
    $CMEK run rotate --cluster orders --region us-east-1 --only nowhere --yes; echo $?]])
  test.equal({ result.output:gsub("%D", ""), result:writes() }, { "11122", 0 })
  for _, words in ipairs { "CMEK is not enabled in us-east-1", "cmek plan console --cluster orders --enable", "its network is PUBLIC",
    "is a key of account 345678901234", "which is in us-east-1, us-west-2, eu-west-1" } do
    test.contains(result.errors, words)
  end
  outside.plain(result.text)
end

-- Real processes -------------------------------------------------------------------------------------------------------------------

test["eight processes that rotate at once end with one claimed key a region and generation, and a ninth finds nothing to do"] = function()
  local result = outside.simulated([[
    $CMEK run console --cluster orders --enable --yes --confirm orders >/dev/null 2>&1 || exit 9
    for i in 1 2 3 4 5 6 7 8; do $CMEK run rotate --cluster orders --yes --confirm orders --json >$D/out$i 2>$D/err$i & done; wait
    grep -L '"status": *"done"' $D/out? | xargs -r cat
    $CMEK run rotate --cluster orders --yes --json >$D/last]])
  test.equal(result.output, "")
  test.equal(json.decode(require("file").read(result.directory .. "/last")).summary.unchanged, 4)
  local made, aliases = 0, 0
  for _, entry in ipairs(result.log) do
    aliases = aliases + (entry.operation == "CreateAlias" and entry.status == 200 and 1 or 0)
    made = made + (entry.operation == "CreateKey" and entry.status == 200 and 1 or 0)
  end
  test.equal(aliases, 6)   -- three of generation 1, three of generation 2
  test.truthy(made >= 6)
end

-- The same keys anew -----------------------------------------------------------------------------------------------------------------

local REWRAP <const> = { arguments = { rewrap = "true" } }
local ON_DEMAND <const> = { arguments = { rewrap = "true", on_demand = "true" } }

local function updated(who, region)
  for _, info in ipairs(cluster(who).cmek.region_infos) do
    if info.region == region then return info.key_infos[1].updated_at end
  end
end

local function on_demand(who, region)
  local found = 0
  for _, material in ipairs(operators.key(who, region).KeyMaterials) do found = found + (material.RotationType == "ON_DEMAND" and 1 or 0) end
  return found
end

test["--rewrap gives the Cloud the same keys anew; that KMS has no other material is said"] = function()
  local who = open()
  local before = updated(who, "us-east-1")
  local plan = run(who, { mode = "plan", arguments = REWRAP.arguments })
  test.equal(actions(plan), { "key none", "key none", "key none", "cmek_rotation change" })
  test.contains(plan.steps[4].reason, "wrapped with the material that KMS has now")
  local report = done(who, REWRAP)
  test.equal({ account(who, "us-east-1"), report.summary.create, updated(who, "us-east-1") > before }, { { "ENABLED", "ENABLED" }, 0, true })
  test.contains(told(who), "KMS has not rotated the key since")
  operators.within(who, function(session)
    for _, region in ipairs(REGIONS) do
      session.kms.rotate_key_on_demand { region = region, KeyId = operators.key(who, region).KeyId }
    end
  end)
  done(who, REWRAP)
  test.truthy(not told(who):find("has not rotated", 1, true))
end

test["--on-demand has KMS rotate the material first, once, also when the run dies between"] = function()
  local who = open()
  fault(who, "error service=cloud operation=UpdateCMEKSpec code=INVALID_ARGUMENT status=400 count=1 message=no")
  test.equal({ select(2, run(who, ON_DEMAND)), on_demand(who, "us-east-1") }, { 5, 1 })
  local report = done(again(who), { run_id = "run-2", arguments = ON_DEMAND.arguments })
  test.equal({ on_demand(who, "us-east-1"), report.summary.change }, { 1, 1 })
  done(who, ON_DEMAND)   -- and again when it is asked for again
  test.equal(on_demand(who, "us-east-1"), 2)
end

test["an answer of KMS's or of the Cloud's that is lost is looked up: each is asked once"] = function()
  local who = open()
  fault(who, "lost_answer service=kms operation=RotateKeyOnDemand region=us-east-1 count=1")
  fault(who, "lost_answer service=cloud operation=UpdateCMEKSpec count=1")
  local log = operators.log(who)
  done(who, ON_DEMAND)
  test.equal({ count(log, "kms RotateKeyOnDemand"), count(log, "cloud UpdateCMEKSpec") }, { 3, 1 })
end

test["a rewrapping that the Cloud has is waited for by resume, and not asked for again"] = function()
  local who = open()
  who.simulation.choices = { first = 300, each = 10 }
  who.simulation.on_request = function(request)
    if request.operation ~= "UpdateCMEKSpec" then return end
    fault(who, "error service=cloud operation=GetCMEKClusterInfo code=INVALID_ARGUMENT status=400 count=1 message=no")
  end
  test.equal(select(2, run(who, REWRAP)), 5)
  who.simulation.on_request = nil
  for _ = 1, 2 do   -- while the Cloud is at it, and when it is done
    local other = again(who)
    local log = operators.log(other)
    done(other, { entries = entries(who), arguments = REWRAP.arguments })
    test.equal({ count(log, "cloud UpdateCMEKSpec"), count(log, "kms "), account(who, "us-east-1")[1] }, { 0, 0, "ENABLED" })
  end
end

test["what does not go together is told: --on-demand alone, --rewrap with --to, and imported material"] = function()
  local who = open()
  test.raises(function() run(who, { arguments = { on_demand = "true" } }) end, "--rewrap")
  test.raises(function() run(who, { arguments = { rewrap = "true", to = "2" } }) end, "--to names other ones")
  operators.key(who, "us-east-1").Origin = "EXTERNAL"
  for _, tag in ipairs(operators.key(who, "us-east-1").Tags) do
    if tag.TagKey == "cmek:run" then tag.TagKey, tag.TagValue = names.TAG_MATERIAL, "transit/no-copy" end
  end
  local report, status = run(who, { mode = "plan", arguments = ON_DEMAND.arguments })
  test.equal(status, 1)
  test.contains(json.encode(report.steps), "of which KMS makes no other")
end
