-- Replicas of a multi-Region key: made after the primary has its alias, kept equal, found again, taken back before it.
local crypto = require "crypto"
local json = require "json"
local names = require "names"
local operators = dofile "tests/operator.lua"
local outside = dofile "tests/outside.lua"
local transit = dofile "tests/transit.lua"

local PRIMARY <const>, REPLICAS <const> = "eu-west-1", { "us-east-1", "us-west-2" }
local REPLICA <const> = { layout = "replica" }

local function open(options)
  local who = operators.open(options)
  who.vault = transit.new(function(count) return who.world:random(count) end)
  who.session.vault = transit.functions(who.vault)
  return who
end

local function run(who, options)
  options = options or {}
  options.arguments = options.arguments or REPLICA
  return operators.run(who, options.recipe or "console", options)
end

local function done(who, options)
  local report, status = run(who, options)
  test.equal({ status, report.error }, { 0 })
  return report
end

local function key(who, region) return (operators.key(who, region)) end

local function tags(of)
  local map = {}
  for _, tag in ipairs(of.Tags) do map[tag.TagKey] = tag.TagValue end
  return map
end

local function fault(who, text) table.insert(who.simulation.faults, require("sim.faults").read(text)) end

local function step(report, region)
  for _, one in ipairs(report.steps) do
    if one.region == region then return one end
  end
end

local function count(log, pattern)
  local found = 0
  for _, line in ipairs(log) do found = found + (line:find(pattern) and 1 or 0) end
  return found
end

local function within(who, fn) return operators.within(who, function(session) return fn(session.kms) end) end

test["one multi-Region key and its replicas: the same ID everywhere, each with the alias, policy and tags of its region"] = function()
  local who = open()
  local log = operators.log(who)
  local report = done(who)
  test.equal(report.summary.create, 4)
  local primary = key(who, PRIMARY)
  test.equal({ primary.MultiRegion, primary.MultiRegionConfiguration.MultiRegionKeyType }, { true, "PRIMARY" })
  for _, region in ipairs(REPLICAS) do
    local replica = key(who, region)
    test.equal({ replica.KeyId, replica.MultiRegionConfiguration.MultiRegionKeyType, replica.Policy }, { primary.KeyId, "REPLICA", primary.Policy })
    test.equal({ tags(replica)["cmek:cluster"], tags(replica)["cmek:region"], tags(replica)["cmek:run"] }, { operators.CLUSTER.id, region, "run-1" })
    test.equal(replica.KeyRotationEnabled, true)
  end
  test.equal(count(log, "^kms EnableKeyRotation"), 1)
  for i, line in ipairs(log) do   -- the primary's alias is there before any replica is asked for
    if line:find "ReplicateKey" then
      test.truthy(count({ table.unpack(log, 1, i) }, "^kms CreateAlias eu%-west%-1") == 1, line)
    end
  end
  for _, spec in ipairs(report.handover.region_specs) do test.equal(spec.key_spec.uri:match ":kms:([^:]*):", spec.region) end
end

test["a second run finds nothing to do, verify nothing to find, and a plan lists the requests"] = function()
  local who = open()
  local listed = {}
  for _, request in ipairs(run(who, { mode = "plan", requests = true }).requests) do
    listed[#listed + 1] = ("%s %s"):format(request.operation, type(request.region) == "string" and request.region or "")
  end
  test.contains(table.concat(listed, "\n"), "ReplicateKey eu-west-1\nCreateAlias us-east-1")
  done(who, { arguments = { layout = "replica", enable = true } })
  test.equal(done(who).summary.unchanged, 4)
  local report, status = run(who, { mode = "verify" })
  test.equal({ status, #report.findings }, { 0, 0 })
  local seen = 0
  for _, check in ipairs(report.checked) do seen = seen + (check.id == "key.replica" and 1 or 0) end
  test.equal(seen, 2)
end

test["a replica whose policy or tags were changed is a finding, and run puts that one right"] = function()
  local who = open()
  done(who)
  local replica = key(who, "us-west-2")
  local policy = replica.Policy
  who.session.door:permit_writes "?"
  within(who, function(kms)
    kms.put_key_policy { region = "us-west-2", KeyId = replica.Arn, Policy = (policy:gsub("kms:Decrypt", "kms:Encrypt")) }
    kms.untag_resource { region = "us-west-2", KeyId = replica.Arn, TagKeys = { "cmek:region" } }
  end)
  local report, status = run(who, { mode = "verify" })
  test.equal({ status, #report.findings > 0, report.findings[1].region }, { 6, true, "us-west-2" })
  test.equal(done(who).summary.change, 1)
  test.equal({ key(who, "us-west-2").Policy, tags(key(who, "us-west-2"))["cmek:region"] }, { policy, "us-west-2" })
end

test["a run that dies after ReplicateKey leaves a replica that the next one goes on with: KMS is not asked for another"] = function()
  local who = open()
  fault(who, "error service=kms operation=CreateAlias code=AccessDeniedException region=us-east-1")
  local _, status = run(who)
  test.equal({ status, key(who, "us-east-1") }, { 5 })
  who.simulation.faults = {}
  local log = operators.log(who)
  local plan = run(who, { mode = "plan", run_id = "run-2" })
  test.contains(step(plan, "us-east-1").reason, "made the replica and has not claimed its alias")
  done(who, { run_id = "run-2" })
  test.equal({ key(who, "us-east-1").KeyId, count(log, "ReplicateKey us%-east%-1") }, { key(who, PRIMARY).KeyId, 0 })
end

test["an answer to ReplicateKey that is lost makes no second request where the replica is there"] = function()
  local who = open()
  fault(who, "lost_answer service=kms operation=ReplicateKey count=1")
  local log = operators.log(who)
  done(who)
  test.equal(count(log, "ReplicateKey"), 2)
end

test["a replica that KMS takes its time to make is waited for, and told of in a plan"] = function()
  local who = open { sim = { replication = 40 } }
  done(who)
  local waited = false
  for _, event in ipairs(who.events) do waited = waited or event.kind == "waiting" and event.reason:find "has made the replica" ~= nil end
  test.truthy(waited)
  key(who, "us-west-2").KeyState, key(who, "us-west-2")._ready = "Creating", who.world.now + 60
  local plan, status = run(who, { mode = "plan" })
  test.equal({ status, step(plan, "us-west-2").reason }, { 0, "KMS is still making the replica; it is waited for" })
  done(who)
  test.equal(key(who, "us-west-2").KeyState, "Enabled")
end

test["a primary that was moved to another region is still the cluster's: nothing differs, and what moves works all the while"] = function()
  local who = open()
  done(who)
  who.session.door:permit_writes "?"
  within(who, function(kms) kms.update_primary_region { KeyId = key(who, PRIMARY).Arn, PrimaryRegion = "us-east-1" } end)
  test.equal(key(who, PRIMARY).MultiRegionConfiguration.MultiRegionKeyType, "REPLICA")
  key(who, PRIMARY).KeyState = "Updating"
  key(who, PRIMARY)._ready = who.world.now + 3600
  test.equal(done(who).summary.unchanged, 4)
  local log = operators.log(who)
  test.equal(done(who, { arguments = { layout = "replica", rotation = 180 } }).summary.change, 1)
  test.equal({ count(log, "EnableKeyRotation us%-east%-1"), key(who, "us-west-2").RotationPeriodInDays }, { 1, 180 })
end

test["states that a replica can be in are told: disabled, pending deletion; a primary that waits for its replicas' end"] = function()
  for _, case in ipairs {
    { "us-west-2", "Disabled", "is Disabled: enable it" }, { "us-west-2", "PendingDeletion", "is PendingDeletion: cancel its deletion" },
    { PRIMARY, "PendingReplicaDeletion", "it waits for the deletion of its replicas" },
  } do
    local who = open()
    done(who)
    key(who, case[1]).KeyState = case[2]
    local report, status = run(who)
    test.equal({ status, step(report, case[1]).action }, { 1, "refuse" })
    test.contains(step(report, case[1]).reason, case[3])
    report, status = run(who, { mode = "verify" })
    test.equal({ status, report.findings[1].id, report.findings[1].region }, { 6, "key.state", case[1] })
  end
end

test["keys of their own do not become replicas: that is a rotation, and it is said before anything is made"] = function()
  local who = open()
  done(who, { arguments = {} })
  local report, status = run(who)
  test.equal({ status, report.summary.refused, report.summary.create }, { 1, 3, 0 })
  test.contains(step(report, PRIMARY).reason, "is a single-Region key")
  test.contains(step(report, "us-east-1").reason, "there is no usable key in eu-west-1 yet")
  test.equal(step(report, "us-east-1").told.situation, "kms.no-replica")
  report = run(who, { mode = "verify" })
  local found = {}
  for _, finding in ipairs(report.findings) do found[finding.id .. " " .. finding.region] = true end
  test.truthy(found["key.replica us-east-1"])
end

test["a replica that somebody else made is left alone"] = function()
  local who = open()
  fault(who, "error service=kms operation=ReplicateKey code=AccessDeniedException")
  run(who)
  who.simulation.faults = {}
  within(who, function(kms) kms.replicate_key { KeyId = key(who, PRIMARY).Arn, ReplicaRegion = "us-east-1" } end)
  local report, status = run(who)
  test.equal({ status, step(report, "us-east-1").action }, { 1, "refuse" })
  test.contains(step(report, "us-east-1").reason, "was not made by cmek")
end

test["destroy takes the replicas first, then the primary, which ends after them; with or without --layout"] = function()
  for _, arguments in ipairs { REPLICA, {} } do
    local who = open()
    done(who)
    local report, status = run(who, { mode = "destroy", arguments = arguments })
    test.equal({ status, report.error, report.summary.delete }, { 0, nil, 4 })
    for _, region in ipairs { PRIMARY, table.unpack(REPLICAS) } do
      test.truthy(who.simulation.state.aws[operators.ACCOUNT].kms[region].keys[1].KeyState:find "^Pending")
    end
  end
end

test["a primary is not deleted while another region that is not the cluster's has a replica of it"] = function()
  local who = open()
  done(who)
  who.session.door:permit_writes "?"
  operators.within(who, function(session)
    session.door:region "eu-central-1"
    session.kms.replicate_key { KeyId = key(who, PRIMARY).Arn, ReplicaRegion = "eu-central-1" }
  end)
  local report, status = run(who, { mode = "destroy" })
  test.equal(status, 1)
  test.contains(report.error.message, "has replicas in eu-central-1, which have to be deleted first")
end

test["of a cluster that is gone the replicas are cleaned before their primary, which stays as long as one is there"] = function()
  local who = open()
  done(who)
  for _, cluster in ipairs(who.simulation.state.cloud.clusters) do cluster.state = cluster.name == "orders" and "DELETED" or cluster.state end
  operators.within(who, function(session)
    local context = require("engine.context").new { session = session, mode = "destroy", run_id = "run-9", listener = function() end }
    context:identity()
    local found = require("engine.cluster.orphans").find(context, { regions = {}, flags = {} })
    local order = {}
    for i, orphan in ipairs(found.list) do order[i] = orphan.region or "role" end
    test.equal(order, { "us-east-1", "us-west-2", PRIMARY, "role" })
    test.contains(found:stays(found.list[3]), "has replicas in us-east-1, us-west-2, which have to be deleted first")
    for _, orphan in ipairs(found.list) do
      test.equal({ orphan.name, found:stays(orphan) }, { orphan.name })
      found:clean(orphan)
    end
  end)
  test.equal(operators.role(who), nil)
end

-- Imported material -------------------------------------------------------------------------------------------------------

local TRANSIT <const> = "vault-transit"

test["vault-transit: the one transit key's material is imported into the primary and into each replica"] = function()
  local who = open()
  local report = done(who, { recipe = TRANSIT })
  test.equal(report.summary.create, 5)
  local material = who.vault.keys["transit/" .. names.vault_key(operators.CLUSTER, PRIMARY)].versions[1]
  for _, region in ipairs { PRIMARY, table.unpack(REPLICAS) } do
    local one = key(who, region)
    test.equal({ one.Origin, one.KeyState, one.ExpirationModel }, { "EXTERNAL", "Enabled", "KEY_MATERIAL_DOES_NOT_EXPIRE" })
    test.truthy(one.KeyMaterials[1]._bytes == material)
    test.equal(tags(one)["cmek:material"], ("transit/%s:1"):format(names.vault_key(operators.CLUSTER, PRIMARY)))
  end
  test.equal(done(who, { recipe = TRANSIT }).summary.unchanged, 6)
  local verified, status = run(who, { recipe = TRANSIT, mode = "verify" })
  test.equal({ status, #verified.findings }, { 0, 0 })
end

test["vault-transit: material that was deleted from one replica is found by verify and imported again by run"] = function()
  local who = open()
  done(who, { recipe = TRANSIT })
  who.session.door:permit_writes "?"
  local replica = key(who, "us-west-2")
  local before = replica.CurrentKeyMaterialId
  within(who, function(kms) kms.delete_imported_key_material { region = "us-west-2", KeyId = replica.Arn } end)
  local report, status = run(who, { recipe = TRANSIT, mode = "verify" })
  test.equal({ status, report.findings[1].id, report.findings[1].region }, { 6, "key.material", "us-west-2" })
  test.contains(report.findings[1].mend, "--layout replica")
  test.equal(done(who, { recipe = TRANSIT }).summary.change, 1)
  test.equal({ key(who, "us-west-2").KeyState, key(who, "us-west-2").CurrentKeyMaterialId }, { "Enabled", before })
end

test["vault-transit: the plan of a new replica of a primary that is there lists the import too"] = function()
  local result = outside.simulated([[
    $CMEK run vault-transit --cluster orders --layout replica --enable --yes --confirm orders >/dev/null 2>&1 || exit 9
    $CMEK plan add-region --cluster orders --add eu-central-1=3 --requests --json]])
  local list = {}
  for i, request in ipairs(json.decode(result.output).requests) do list[i] = request.operation end
  test.equal(list, { "ReplicateKey", "GetParametersForImport", "TransitExport", "ImportKeyMaterial", "CreateAlias", "UpdateCluster" })
end

test["KMS takes no other material for a replica than its family's"] = function()
  local who = open()
  done(who, { recipe = TRANSIT })
  who.session.door:permit_writes "?"
  local replica = key(who, "us-west-2")
  local raised = test.raises(function()
    within(who, function(kms)
      kms.delete_imported_key_material { region = "us-west-2", KeyId = replica.Arn }
      replica.CurrentKeyMaterialId = nil   -- as of a replica that never had any
      local given = kms.get_parameters_for_import { region = "us-west-2", KeyId = replica.Arn, WrappingAlgorithm = "RSAES_OAEP_SHA_256",
        WrappingKeySpec = "RSA_2048" }
      kms.import_key_material { region = "us-west-2", KeyId = replica.Arn, ImportToken = given.ImportToken,
        ExpirationModel = "KEY_MATERIAL_DOES_NOT_EXPIRE",
        EncryptedKeyMaterial = crypto.base64(crypto.rsa_oaep_wrap(crypto.unbase64(given.PublicKey), ("x"):rep(32), "sha256")) }
    end)
  end, "IncorrectKeyMaterialException")
  test.truthy(raised)
  test.equal(done(who, { recipe = TRANSIT }).summary.change, 1)   -- the family's own is taken
end

test["vault-transit: of wrapped material nobody has a copy, so there are no replicas"] = function()
  local who = open()
  local report, status = run(who, { recipe = TRANSIT, arguments = { layout = "replica", form = "wrapped" } })
  test.equal({ status, step(report, "us-east-1").action, #who.vault.wrapped }, { 1, "refuse", 0 })
  test.contains(step(report, "us-east-1").reason, "--form exportable")
end
