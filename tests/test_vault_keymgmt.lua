-- The recipe vault: keys that Vault's key management engine makes in KMS, through the real door and client, against the simulated Vault and KMS.
local here = dofile "tests/keymgmt.lua"
local names = require "names"

local operators, open, again, run, done, mount = here.operators, here.open, here.again, here.run, here.done, here.mount
local tags, keys_in, ONE <const>, REGION <const>, cluster_one, one = here.tags, here.keys_in, here.ONE, here.REGION, here.cluster_one, here.one
local whole, mortal, fault, sent, vault_call, MINE <const> = here.whole, here.mortal, here.fault, here.sent, here.vault_call, here.MINE
local told, versions = here.told, here.versions

local REGIONS <const> = { "us-east-1", "us-west-2", "eu-west-1" }
local function name(region) return names.vault_key(operators.CLUSTER, region) end

-- Plan, run, run again -------------------------------------------------------------------------------------------------

test["a plan shows the role, the engine, and in each region provider, key, distribution and KMS key; it makes nothing"] = function()
  local who = open()
  local report, status = run(who, { mode = "plan" })
  test.equal({ status, report.summary.create, mount(who) }, { 0, 14 })
  local kinds = {}
  for _, step in ipairs(report.steps) do kinds[step.kind] = (kinds[step.kind] or 0) + 1 end
  test.equal(kinds, { role = 1, vault_mount = 1, vault_provider = 3, vault_key = 3, vault_distribution = 3, key = 3 })
  test.truthy(not who.disk.text:find('"effect":"write"', 1, true))
end

test["in each region the KMS key is the one that Vault made, with tags, alias and policy; Vault keeps its rights to it"] = function()
  local who = open()
  local report = done(who)
  for _, region in ipairs(REGIONS) do
    local key = operators.key(who, region)
    test.equal({ key.Origin, key.KeyState, #keys_in(who, region) }, { "EXTERNAL", "Enabled", 1 })
    test.equal({ tags(key)[names.TAG_CLUSTER], tags(key)[names.TAG_MATERIAL] },
      { operators.CLUSTER.id, ("keymgmt/%s:1"):format(name(region)) })
    test.equal(mount(who).data.kms[name(region)].distributions[name(region)].versions["1"], key.KeyId)
    test.contains(key.Policy, "arn:aws:iam::210987654321:root")
    test.contains(key.Policy, "crdb-cmek-kms")
  end
  test.equal(#report.handover.region_specs, 3)
  test.equal(names.mounted_for(mount(who).description), operators.CLUSTER.id)
end

test["a second run finds nothing to do, and verify nothing to find; the credentials are unknown, and never well"] = function()
  local who = open()
  done(who, { arguments = { enable = "true" } })
  test.equal(done(who, { arguments = { enable = "true" } }).summary.unchanged, 15)
  local report, status = run(who, { mode = "verify", arguments = { enable = "true" } })
  test.equal({ status, #report.findings }, { 0, 0 })
  local seen = {}
  for _, check in ipairs(report.checked) do seen[check.id .. " " .. check.result] = (seen[check.id .. " " .. check.result] or 0) + 1 end
  for _, kind in ipairs { "vault_provider", "vault_key", "vault_distribution" } do
    for _, check in ipairs(require("resource." .. kind).checks) do
      local result = check.id == "vault_provider.credentials" and " unknown" or " ok"
      test.equal({ check.id, seen[check.id .. result] }, { check.id, 3 })
    end
  end
end

test["what a plan would send to Vault and KMS is listed, with what only the run can tell by name, and none of it is sent"] = function()
  local who = open()
  local report = run(who, { mode = "plan", requests = true })
  local count, last = {}, {}
  for _, request in ipairs(report.requests) do
    count[request.operation], last[request.operation] = (count[request.operation] or 0) + 1, request
  end
  test.equal({ count.EnableMount, count.KeymgmtWriteProvider, count.KeymgmtWriteKey, count.KeymgmtDistribute, count.TagResource, count.CreateAlias,
    count.PutKeyPolicy, count.CreateKey }, { 1, 3, 3, 3, 3, 3, 3 })
  test.contains(last.CreateAlias.parameters.TargetKeyId, "known after apply")
  test.equal({ last.KeymgmtWriteKey.parameters.type, last.KeymgmtDistribute.parameters.purpose }, { "aes256-gcm96", "encrypt,decrypt" })
  test.equal(mount(who), nil)
end

-- Two operators, deaths and lost answers -------------------------------------------------------------------------------------

test["wherever a run dies, resume finishes it, and so does anybody's next run: one key, which is Vault's"] = function()
  for _, moment in ipairs { { "vault", "enable_mount" }, { "vault", "keymgmt_write_provider" }, { "vault", "keymgmt_write_key" },
    { "vault", "keymgmt_distribute" }, { "kms", "tag_resource" }, { "kms", "create_alias" }, { "kms", "put_key_policy" } } do
    for _, when in ipairs { "before", "after" } do
      for _, way in ipairs { "resume", "anew" } do
        local who = open()
        mortal(who, moment[1], moment[2], when)
        local _, status = run(who, one())
        test.equal({ moment[2], when, status ~= 0 }, { moment[2], when, true })
        who.journal:sync()
        local entries = way == "resume" and require("journal").read(who.disk.text) or nil
        local other = again(who)
        local report
        report, status = run(other, one { entries = entries, run_id = entries and "run-1" or "run-2" })
        test.equal({ moment[2], when, way, status, report.error }, { moment[2], when, way, 0 })
        whole(other)
      end
    end
  end
end

test["a request whose answer was lost is looked up, and sent once"] = function()
  for operation, in_journal in require("sorted") { ["system/EnableMount"] = "EnableMount", ["keymgmt/WriteProvider"] = "KeymgmtWriteProvider",
    ["keymgmt/WriteKey"] = "KeymgmtWriteKey", ["keymgmt/WriteDistribution"] = "KeymgmtDistribute" } do
    local who = open()
    fault(who, ("lost_answer service=vault operation=%s count=1"):format(operation))
    local report, status = run(who, one())
    test.equal({ operation, status, report.error, sent(who, in_journal) }, { operation, 0, nil, 1 })
    whole(who)
  end
end

test["one that never arrived is not sent again by itself: it is told, and the next run sends it"] = function()
  local who = open()
  fault(who, "reset service=vault operation=keymgmt/WriteDistribution count=1")
  local report, status = run(who, one())
  test.equal({ status, report.run.status, sent(who, "KeymgmtDistribute") }, { 5, "unfinished", 1 })
  local entries = require("journal").read(who.disk.text)
  report, status = run(again(who), one { entries = entries })
  test.equal({ status, report.error }, { 0 })
  whole(who)
end

test["a distribution may take longer than other requests: it is waited for, and not sent twice"] = function()
  local who = open()
  fault(who, "stall service=vault operation=keymgmt/WriteDistribution count=1 seconds=85")
  local report, status = run(who, one())
  test.equal({ status, report.error, sent(who, "KeymgmtDistribute") }, { 0, nil, 1 })
  who = open()
  fault(who, "stall service=vault operation=keymgmt/WriteDistribution count=1 seconds=200")   -- longer than anybody waits
  report, status = run(who, one())
  test.equal({ status, report.error, sent(who, "KeymgmtDistribute") }, { 0, nil, 1 })
  whole(who)
end

-- Programs side by side, each begun so many seconds after the other.
local function together(who, delay, ...)
  local results = {}
  who.world.operators = {}
  for i, program in ipairs { ... } do
    who.world:operate(function()
      local begin = who.world.now + (i - 1) * delay
      while who.world.now < begin do coroutine.yield(begin) end
      results[i] = program()
    end)
  end
  who.world:run()
  for _, operator in ipairs(who.world.operators) do test.truthy(operator.ok, operator.result) end
  return table.unpack(results)
end

test["two operators at once end with one key in each region, and hand over the same"] = function()
  for _, delay in ipairs { 0, 0.1, 0.3, 0.6, 1, 1.5 } do
    local who = open { seed = 7 }
    fault(who, "variant service=vault operation=keymgmt/WriteDistribution")   -- who comes second is refused
    local other = again(who)
    local ours, theirs = together(who, delay, function() return run(who) end, function() return run(other, { run_id = "run-2" }) end)
    test.equal({ delay, ours.error, theirs.error }, { delay })
    for _, region in ipairs(REGIONS) do test.equal({ delay, #keys_in(who, region) }, { delay, 1 }) end
    test.equal(ours.handover, theirs.handover)
    test.equal(done(other, { run_id = "run-3" }).summary.unchanged, 14)
  end
end

-- Versions -------------------------------------------------------------------------------------------------------------------

local function alias_of(who, generation)
  for _, alias in ipairs(who.simulation.state.aws[operators.ACCOUNT].kms[REGION].aliases) do
    if alias.AliasName == names.alias(cluster_one(who), generation) then return alias.TargetKeyId end
  end
end

test["a key that somebody rotated in Vault is told with the command that finishes it; the version in use stays handed over"] = function()
  for _, enable in ipairs { "true", "false" } do
    local who = open { confirm = ONE.name }
    local arguments = { enable = enable }
    local first = run(who, one { arguments = arguments }).handover
    vault_call(who, "POST", ("keymgmt/key/%s/rotate"):format(MINE), {})
    local report, status = run(who, one())
    test.equal({ enable, status, report.summary.unchanged, #keys_in(who, REGION) }, { enable, 0, 6, 2 })
    test.equal(report.handover, first)
    test.contains(told(who), "its newest version is 2, and 1 is in use")
    test.contains(told(who), "cmek run rotate --cluster orders-one")
    report = run(who, one { mode = "verify", arguments = arguments })
    test.equal({ #report.findings, report.findings[1].id, report.findings[1].mend },
      { 1, "vault_distribution.version", "cmek run rotate --cluster orders-one" })
    test.equal({ alias_of(who, 1), alias_of(who, 2) }, { versions(who)["1"] })
  end
end

test["a key that had been rotated before it came to KMS is known by its newest version, whose number is the generation"] = function()
  local who = open { confirm = ONE.name }
  vault_call(who, "POST", "sys/mounts/keymgmt", { type = "keymgmt" })
  vault_call(who, "POST", "keymgmt/key/" .. MINE, { type = "aes256-gcm96" })
  vault_call(who, "POST", ("keymgmt/key/%s/rotate"):format(MINE), {})
  local report, status = run(who, one())
  test.equal({ status, report.error }, { 0 })
  test.equal({ alias_of(who, 1), alias_of(who, 2) }, { nil, versions(who)["2"] })
  test.equal(run(who, one()).summary.unchanged, 6)
  report, status = operators.run(again(who, { confirm = ONE.name }), "enable", one())
  test.equal({ status, report.error }, { 0 })
  report, status = run(again(who), one { mode = "verify", arguments = { enable = "true" } })
  test.equal({ status, #report.findings }, { 0, 0 })
end

test["where the Cloud uses one of the versions, that one is meant, whatever aliases there are"] = function()
  local who = open { confirm = ONE.name }
  run(who, one { arguments = { enable = "true" } })
  vault_call(who, "POST", ("keymgmt/key/%s/rotate"):format(MINE), {})
  operators.within(who, function(session)
    session.kms.create_alias { region = REGION, AliasName = names.alias(cluster_one(who), 2), TargetKeyId = versions(who)["2"] }
  end)
  local report, status = run(who, one())
  test.equal({ status, report.handover.region_specs[1].key_spec.uri:match "[^/]+$" }, { 0, versions(who)["1"] })
end

test["a distribution that was refused is asked for again by resume at once: nobody works on it any more"] = function()
  local who = open()
  fault(who, "error service=vault operation=keymgmt/WriteDistribution status=400 count=3 message=api error AccessDeniedException: no")
  test.equal(select(2, run(who)), 5)
  who.journal:sync()
  local before, claimed = who.world.now, 0
  who.simulation.on_request = function(entry)   -- what may have been left is looked for when all is made
    if entry.operation == "CreateAlias" then claimed = who.world.now - before end
  end
  done(again(who), { entries = require("journal").read(who.disk.text) })
  test.truthy(claimed > 0 and claimed < 60, claimed)
end
