-- The recipe vault-transit: material that is born in Vault, and what becomes of it when runs die, answers are lost, keys lose their material.
local crypto = require "crypto"
local names = require "names"
local operators = dofile "tests/operator.lua"
local transit = dofile "tests/transit.lua"

local REGIONS <const> = { "us-east-1", "us-west-2", "eu-west-1" }
local RECIPE <const> = "vault-transit"
local WRAPPED <const> = { form = "wrapped" }

local function open(options)
  local who = operators.open(options)
  who.vault = transit.new(function(count) return who.world:random(count) end)
  who.session.vault = transit.functions(who.vault)
  return who
end

-- Another process of the same operator: a new door, the same services.
local function again(who)
  local other = operators.beside(who, { who = who.simulation.accounts[1] })
  other.vault, other.session.vault = who.vault, transit.functions(who.vault)
  return other
end

local function run(who, options)
  local report, status = operators.run(who, RECIPE, options)
  return report, status
end

local function done(who, options)
  local report, status = run(who, options)
  test.equal({ status, report.error }, { 0 })
  return report
end

local function vault_key(who, region) return who.vault.keys["transit/" .. names.vault_key(operators.CLUSTER, region)] end
local function material(key) return key.KeyMaterials[1] and key.KeyMaterials[1]._bytes end

local function tags(key)
  local map = {}
  for _, tag in ipairs(key.Tags) do map[tag.TagKey] = tag.TagValue end
  return map
end

local function keys_of(who, region)
  local list = {}
  for _, key in ipairs(who.simulation.state.aws[operators.ACCOUNT].kms[region].keys) do
    if tags(key)[names.TAG_CLUSTER] then list[#list + 1] = key end
  end
  return list
end

local function count(who, operation)
  local found = 0
  for _, name in ipairs(who.vault.calls) do found = found + (name == operation and 1 or 0) end
  return found
end

local function told(who)
  local list = {}
  for _, event in ipairs(who.events) do
    if event.kind == "warning" then list[#list + 1] = event.text end
  end
  return table.concat(list, "\n")
end

local function within(who, fn) return operators.within(who, function(session) return fn(session.kms) end) end

-- A fault of the simulated KMS, as `cmek sim --fault` takes it.
local function fault(who, text) table.insert(who.simulation.faults, require("sim.faults").read(text)) end

-- Plan, run, run again -------------------------------------------------------------------------------------------------

test["a plan shows the role, and a transit key and a KMS key per region; it says which way the material takes, and makes nothing"] = function()
  local who = open()
  local report, status = run(who, { mode = "plan" })
  test.equal({ status, report.summary.create, next(who.vault.keys), who.disk.text }, { 0, 7, nil, "" })
  test.equal(report.steps[3].name, "transit/crdb-cmek-orders-0f2c6e9d41b7-us-east-1")
  test.contains(told(who), "passes through this process")
  run(who, { mode = "plan", arguments = WRAPPED })
  test.contains(told(who), "nobody keeps a copy")
end

test["in each region the material of the KMS key is that of the transit key; it does not expire"] = function()
  local who = open()
  local report = done(who)
  for _, region in ipairs(REGIONS) do
    local key = operators.key(who, region)
    test.equal({ key.Origin, key.KeyState, key.ExpirationModel }, { "EXTERNAL", "Enabled", "KEY_MATERIAL_DOES_NOT_EXPIRE" })
    test.truthy(material(key) == vault_key(who, region).versions[1])
    test.equal(tags(key)[names.TAG_MATERIAL], ("transit/crdb-cmek-orders-0f2c6e9d41b7-%s:1"):format(region))
    test.equal(#keys_of(who, region), 1)
  end
  test.equal(#report.handover.region_specs, 3)
  test.truthy(material(operators.key(who, "us-east-1")) ~= material(operators.key(who, "us-west-2")))
end

test["a second run finds nothing to do, and verify nothing to find: each check of Vault stands in its list"] = function()
  local who = open()
  done(who, { arguments = { enable = "true" } })
  local calls = #who.vault.calls
  test.equal(done(who).summary.unchanged, 8)
  test.equal({ count(who, "transit_export"), #who.vault.calls > calls }, { 3, true })
  local report, status = run(who, { mode = "verify", arguments = { enable = "true" } })
  test.equal({ status, #report.findings }, { 0, 0 })
  local seen = {}
  for _, check in ipairs(report.checked) do seen[check.id] = (seen[check.id] or 0) + 1 end
  for _, check in ipairs(require("resource.transit_key").checks) do test.equal({ check.id, seen[check.id] }, { check.id, 3 }) end
  test.equal({ seen["vault.open"], seen["vault_mount.type"], seen["key.material"], seen["key.origin"] }, { 1, 1, 3, 3 })
end

test["enable takes these keys as they are, and its verify has nothing against where their material is from"] = function()
  local who = open()
  done(who)
  local report, status = operators.run(who, "enable")
  test.equal({ status, report.error }, { 0 })
  report, status = operators.run(who, "enable", { mode = "verify" })
  test.equal({ status, #report.findings }, { 0, 0 })
  local console = operators.run(who, "console", { mode = "verify" })   -- whose keys have KMS's, which KMS rotates
  for i = 1, 3 do test.equal(console.findings[i].id, "key.origin") end
  test.equal({ #console.findings, operators.run(who, "console").summary.unchanged }, { 3, 4 })
end

test["wrapped: the material is Vault's and KMS's alone, and nothing of it stays in Vault"] = function()
  local who = open()
  done(who, { arguments = WRAPPED })
  test.equal({ count(who, "transit_export"), next(who.vault.keys), #who.vault.wrapped }, { 0, nil, 3 })
  local given = {}
  for _, bytes in ipairs(who.vault.wrapped) do given[bytes] = true end
  for _, region in ipairs(REGIONS) do
    local key = operators.key(who, region)
    test.truthy(given[material(key)])
    test.equal({ key.KeyState, key.ExpirationModel, tags(key)[names.TAG_MATERIAL] },
      { "Enabled", "KEY_MATERIAL_DOES_NOT_EXPIRE", "transit/no-copy" })
  end
  test.equal(done(who, { arguments = WRAPPED }).summary.unchanged, 5)
end

test["a KMS that does not take RSA_4096 gets RSA_2048, of which Vault is told"] = function()
  for _, form in ipairs { "exportable", "wrapped" } do
    local who = open()
    fault(who, "error service=kms operation=GetParametersForImport code=ValidationException count=1 message=RSA_4096 is not supported")
    local kinds = {}
    who.vault.faults.transit_import_key = function(p) kinds[#kinds + 1] = p.type end
    done(who, { arguments = { form = form } })
    table.sort(kinds)
    test.equal(kinds, form == "wrapped" and { "rsa-2048", "rsa-4096", "rsa-4096" } or {})
  end
end

test["a public key that cannot be taken out of Vault again is told, and is no failure"] = function()
  local who = open()
  who.vault.faults.transit_delete_temporary_key = function(_, refuse) refuse("TransitDeleteTemporaryKey", 403) end
  done(who, { arguments = WRAPPED })
  test.contains(told(who), "vault delete transit/keys/tmp-0f2c6e9d41b7-")
end

test["neither material nor import token stands in the journal; the requests do"] = function()
  local who = open()
  done(who)
  who.journal:sync()
  test.contains(who.disk.text, "ImportKeyMaterial")
  for _, region in ipairs(REGIONS) do
    test.truthy(not who.disk.text:find(crypto.base64(vault_key(who, region).versions[1]), 1, true))
  end
  for token in pairs(who.simulation.state._import_tokens) do test.truthy(not who.disk.text:find(token, 1, true)) end
  test.truthy(next(who.simulation.state._import_tokens))
end

test["the requests that a run would send are listed, with what only the run can tell by name"] = function()
  for _, form in ipairs { "exportable", "wrapped" } do
    local who = open()
    who.session.vault_client = { through = function(_, door) return transit.through(door) end }
    local report = run(who, { mode = "plan", requests = true, arguments = { form = form } })
    local seen = {}
    for _, request in ipairs(report.requests) do seen[request.operation] = (seen[request.operation] or 0) + 1 end
    test.equal({ seen.CreateKey, seen.GetParametersForImport, seen.ImportKeyMaterial, seen.CreateAlias }, { 3, 3, 3, 3 })
    test.equal(next(who.vault.keys), nil)
  end
end

-- Runs that die, and answers that are lost --------------------------------------------------------------------------------

-- A run that ends between CreateKey and the import of its material, in every region.
local function dies(who, options)
  local broken = true
  local function stop(_, refuse)
    if broken then refuse("?", 500, "gone") end
  end
  who.vault.faults.transit_export, who.vault.faults.transit_import_key = stop, stop
  local report, status = run(who, options)
  test.equal({ status, report.run.status }, { 5, "unfinished" })
  for _, region in ipairs(REGIONS) do test.equal(keys_of(who, region)[1].KeyState, "PendingImport") end
  broken = false
end

test["a key that a run left without material is finished by resume"] = function()
  for _, form in ipairs { "exportable", "wrapped" } do
    local who = open()
    dies(who, { arguments = { form = form } })
    who.journal:sync()
    local other = again(who)
    done(other, { arguments = { form = form }, entries = require("journal").read(who.disk.text) })
    for _, region in ipairs(REGIONS) do
      test.equal({ #keys_of(who, region), operators.key(who, region).KeyState }, { 1, "Enabled" })
    end
  end
end

test["and by the next run of anybody, who has no journal of it"] = function()
  for _, form in ipairs { "exportable", "wrapped" } do
    local who = open()
    dies(who, { arguments = { form = form } })
    done(again(who), { arguments = { form = form }, run_id = "run-2" })
    for _, region in ipairs(REGIONS) do
      test.equal({ #keys_of(who, region), operators.key(who, region).KeyState }, { 1, "Enabled" })
    end
  end
end

test["a recipe that wants other material makes a key of its own, and leaves that one"] = function()
  local who = open()
  dies(who)
  local report, status = operators.run(again(who), "console", { run_id = "run-2" })
  test.equal({ status, report.summary.create }, { 0, 3 })
  test.equal({ #keys_of(who, "us-east-1"), operators.key(who, "us-east-1").Origin }, { 2, "AWS_KMS" })
end

test["a key without material whose alias another key has is set aside as it is: KMS disables no such key"] = function()
  local who = open { sim = { index_lag = 1e6 } }   -- nobody finds it by its tags
  dies(who)
  done(again(who), { run_id = "run-2" })
  who.journal:sync()
  done(again(who), { entries = require("journal").read(who.disk.text) })
  for _, region in ipairs(REGIONS) do
    local left, used = table.unpack(keys_of(who, region))
    test.equal({ left.KeyState, tags(left)[names.TAG_STATE], used.KeyState }, { "PendingImport", names.LOST_RACE, "Enabled" })
    test.equal(operators.key(who, region), used)
  end
end

test["material that arrives only when another key has the alias makes no key that is enabled: what was sent is waited for"] = function()
  local who = open { sim = { index_lag = 1e6 } }
  dies(who)
  done(again(who), { run_id = "run-2" })
  who.journal:sync()
  local entries, left = require("journal").read(who.disk.text), keys_of(who, "us-east-1")[1]
  table.insert(entries, { kind = "request", operation = "ImportKeyMaterial", service = "kms", region = "us-east-1", target = left.KeyId,
    request = 1000, time = require("time").text(who.world.now) })
  who.world:after(100, function() left.KeyState, left.Enabled = "Enabled", true end)
  done(again(who), { entries = entries })
  test.equal({ left.KeyState, tags(left)[names.TAG_STATE] }, { "Disabled", names.LOST_RACE })
end

test["an import whose answer is lost is looked up, not made again"] = function()
  for _, form in ipairs { "exportable", "wrapped" } do
    local who = open()
    fault(who, "lost_answer service=kms operation=ImportKeyMaterial count=2")
    done(who, { arguments = { form = form } })
    test.equal(form == "wrapped" and #who.vault.wrapped or count(who, "transit_export"), 3)
  end
end

test["an import that never arrived is made again"] = function()
  for _, form in ipairs { "exportable", "wrapped" } do
    local who = open()
    fault(who, "reset service=kms operation=ImportKeyMaterial count=1")
    done(who, { arguments = { form = form } })
    for _, region in ipairs(REGIONS) do test.equal(#keys_of(who, region), 1) end
  end
end

-- Material that is gone ------------------------------------------------------------------------------------------------------

local function delete_material(who, region)
  within(who, function(kms) kms.delete_imported_key_material { region = region, KeyId = operators.key(who, region).KeyId } end)
end

test["material that was deleted from KMS is found by verify, and imported again by run: the same bytes into the same key"] = function()
  local who = open()
  done(who)
  local key = operators.key(who, "us-west-2")
  delete_material(who, "us-west-2")
  test.equal(material(key), nil)
  local report, status = run(who, { mode = "verify" })
  test.equal({ status, #report.findings, report.findings[1].id, report.findings[1].region }, { 6, 1, "key.material", "us-west-2" })
  test.contains(report.findings[1].mend, "cmek run vault-transit")
  local mended = done(who)
  test.equal({ mended.summary.change, mended.steps[6].differences[1].field }, { 1, "material" })
  test.truthy(material(key) == vault_key(who, "us-west-2").versions[1])
  test.equal(key.KeyState, "Enabled")
end

test["without a copy nobody can: that is said, and no other material is tried"] = function()
  local who = open()
  done(who, { arguments = WRAPPED })
  delete_material(who, "us-west-2")
  local report, status = run(who, { arguments = WRAPPED })
  test.equal({ status, report.summary.refused, #who.vault.wrapped }, { 1, 1, 3 })
  local verified = run(who, { mode = "verify", arguments = WRAPPED })
  test.equal({ verified.findings[1].id, verified.findings[1].mend }, { "key.material", require("json").null })
  test.contains(verified.findings[1].text, "if somebody kept it")
end

test["a transit key that was deleted and made again does not fit: KMS refuses, and why is told"] = function()
  local who = open()
  done(who)
  delete_material(who, "us-west-2")
  vault_key(who, "us-west-2").versions[1] = ("x"):rep(32)
  local report, status = run(who)
  test.equal({ status, report.run.status }, { 1, "failed" })   -- nothing was changed
  test.contains(report.error.message, "deleted and made again")
  test.contains(report.error.next, "restore the transit key")
end

-- Gives the key of a region material that expires tomorrow: its own.
local function let_expire(who, region)
  local key, kms_material = operators.key(who, region), require "material"
  within(who, function(kms)
    local given = kms.get_parameters_for_import { region = region, KeyId = key.KeyId, WrappingAlgorithm = "RSAES_OAEP_SHA_256",
      WrappingKeySpec = "RSA_2048" }
    kms.import_key_material { region = region, KeyId = key.KeyId, ImportToken = given.ImportToken, ValidTo = who.world.now + 86400,
      EncryptedKeyMaterial = kms_material.wrap(given.PublicKey, require("secret").new(crypto.base64(material(key)), "vault")) }
  end)
end

test["material that expires is refused for CMEK; where Vault has it, run imports it for good"] = function()
  local who = open()
  done(who)
  let_expire(who, "eu-west-1")
  local console, status = operators.run(who, "console", { mode = "plan" })
  test.equal({ status, console.summary.refused }, { 1, 1 })
  test.contains(console.steps[4].reason, "expires")
  test.contains(console.steps[4].reason, "cmek run vault-transit --cluster orders")
  test.equal(run(who, { mode = "verify" }).findings[1].field, "ExpirationModel")
  done(who)
  test.equal(operators.key(who, "eu-west-1").ExpirationModel, "KEY_MATERIAL_DOES_NOT_EXPIRE")
end

-- What is in the way ---------------------------------------------------------------------------------------------------------

test["a key whose material KMS made stays what it is; how to get another one is said"] = function()
  local who = open()
  test.equal(select(2, operators.run(who, "console")), 0)
  local report, status = run(who)
  test.equal({ status, report.summary.refused, next(who.vault.keys) }, { 1, 3, nil })
  test.contains(report.steps[4].reason, "destroy it and run this again")
end

test["the way that a key's material took is fixed: another one is refused, and nothing is made in Vault that would look like its copy"] = function()
  for _, form in ipairs { "exportable", "wrapped" } do
    local who = open()
    done(who, { arguments = { form = form } })
    local before = #who.vault.wrapped + count(who, "transit_create_key")
    local other = { form = form == "wrapped" and "exportable" or "wrapped" }
    local report, status = run(who, { arguments = other })
    test.equal({ status, report.summary.refused, #who.vault.wrapped + count(who, "transit_create_key") }, { 1, 3, before })
    test.contains(report.steps[#report.steps].reason, ("go on with --form %s --vault-mount transit;"):format(form))
    test.equal(run(who, { mode = "verify", arguments = other }).findings[1].id, "key.material")
  end
end

test["a transit key of our name that is none for KMS is refused; one that lost the version as well"] = function()
  local who = open()
  local place = "transit/" .. names.vault_key(operators.CLUSTER, "us-east-1")
  who.vault.keys[place] = { type = "rsa-2048", versions = { "x" } }
  local report, status = run(who)
  test.equal({ status, report.steps[3].action }, { 1, "refuse" })
  test.contains(report.steps[3].reason, "rsa-2048")
  who.vault.keys[place] = { type = "aes256-gcm96", exportable = true, versions = {} }
  test.contains(run(who).steps[3].reason, "no version 1")
end

test["a transit key that cannot be exported, or may be deleted, is put right"] = function()
  local who = open()
  done(who)
  vault_key(who, "us-east-1").exportable, vault_key(who, "us-east-1").deletion_allowed = false, true
  local report = run(who, { mode = "verify" })
  test.equal({ #report.findings, report.findings[1].id, report.findings[2].id }, { 2, "transit_key.exportable", "transit_key.kept" })
  test.equal(done(who).summary.change, 1)
  test.equal({ vault_key(who, "us-east-1").exportable, vault_key(who, "us-east-1").deletion_allowed }, { true, false })
end

test["a transit key that is gone is a finding while its material is in KMS"] = function()
  local who = open()
  done(who)
  who.vault.keys["transit/" .. names.vault_key(operators.CLUSTER, "us-east-1")] = nil
  local report, status = run(who, { mode = "verify" })
  test.equal({ status, report.findings[1].id, report.findings[1].region }, { 6, "transit_key.exists", "us-east-1" })
end

-- Runs that must make nothing.
local function refused(change, pattern)
  local who = open()
  change(who.vault)
  local ok, raised = pcall(run, who)
  test.equal({ ok, who.disk.text, next(who.vault.keys) }, { false, "", nil })
  test.contains(("%s\n%s"):format(raised.message, raised.next), pattern)
  return raised
end

test["a Vault that is sealed, or has another engine there, is told before anything is made"] = function()
  refused(function(vault) vault.sealed = true end, "Vault is sealed\nhave it unsealed (vault operator unseal)")
  refused(function(vault) vault.mounts.transit = "kv" end, "of type kv, and transit is needed")
end

test["in verify that is a finding, and what hangs on Vault goes on being looked at"] = function()
  local who = open()
  done(who)
  who.vault.mounts = {}
  local report, status = run(who, { mode = "verify" })
  test.equal({ status, report.findings[1].id }, { 6, "vault_mount.exists" })
end

test["a token that may not do all of it is told by the lines that its policy lacks"] = function()
  local raised = refused(function(vault)
    vault.capabilities = function(path) return path:find "/export/" and { "deny" } or { "read", "update" } end
  end, 'path "transit/export/encryption-key/crdb-cmek-orders-0f2c6e9d41b7-us-east-1/1" { capabilities = ["read"] }')
  test.truthy(not raised.next:find("transit/keys/", 1, true))   -- create or update: one of them will do
end

test["for the wrapped way the lines name the keys that last as long as an import"] = function()
  local who = open()
  who.vault.capabilities = function() return { "deny" } end
  local _, raised = pcall(run, who, { arguments = WRAPPED })
  test.equal(raised.next, [[add to its policy:
path "transit/keys/tmp-0f2c6e9d41b7-*" { capabilities = ["create", "delete", "update"] }
path "transit/datakey/wrapped/tmp-0f2c6e9d41b7-*" { capabilities = ["create", "update"] }]])
end

test["a Vault that cannot be asked leaves its checks open in verify, and keeps nobody from destroying what is in AWS"] = function()
  local who = open { confirm = "orders" }
  done(who)
  local function gone() require("refusal").raise { service = "vault", operation = "?", kind = "unsent", message = "connection refused" } end
  who.vault.faults.read_seal_status, who.vault.faults.transit_read_key = gone, gone
  local report, status = run(who, { mode = "verify" })
  test.equal(status, 6)
  for _, finding in ipairs(report.findings) do test.equal(finding.severity, "unknown") end
  test.equal(#report.findings, 4)
  test.equal(select(2, run(who, { mode = "destroy" })), 0)
  test.contains(told(who), "cannot be seen")
end

test["a mount is a path"] = function()
  for _, text in ipairs { "transit/", "/transit", "../sys", "a b", "sys/mounts", "" } do
    test.raises(function() run(open(), { arguments = { vault_mount = text } }) end, "vault")
  end
end

-- Through the real door and client, to the simulated Vault ---------------------------------------------------------------------

local function simulated(change)
  local vault = require "sim.vault.state"
  local who = operators.open { sim = { rsa_generate = operators.rsa_of_size },
    environment = { VAULT_ADDR = "http://127.0.0.1:8200", VAULT_TOKEN = vault.ROOT_TOKEN } }
  local root = who.simulation.state.vault.namespaces[""]
  if not change then root.mounts["transit/"] = vault.mount("transit", {}, ("7"):rep(32)) end
  return who
end

test["both ways work with the simulated Vault, and its token stands in no journal"] = function()
  for _, form in ipairs { "exportable", "wrapped" } do
    local who = simulated()
    done(who, { arguments = { form = form, enable = "true" } })
    who.journal:sync()
    test.contains(who.disk.text, form == "wrapped" and "TransitWrappedDataKey" or "TransitExport")
    test.truthy(not who.disk.text:find(require("sim.vault.state").ROOT_TOKEN, 1, true))
    local report, status = run(who, { mode = "verify", arguments = { form = form, enable = "true" } })
    test.equal({ status, #report.findings }, { 0, 0 })
    test.equal(done(who, { arguments = { form = form, enable = "true" } }).summary.create, 0)
  end
end

local function temporary(who)
  local list = {}
  for name in pairs(who.simulation.state.vault.namespaces[""].mounts["transit/"].data.keys) do list[#list + 1] = name:match "^tmp%-.*" end
  return #list
end

test["answers of Vault that are lost on the wrapped way end nothing, and leave no temporary key"] = function()
  for _, operation in ipairs { "WriteImport", "WriteDatakey", "WriteConfig", "DeleteKey" } do
    local who = simulated()
    fault(who, ("lost_answer service=vault operation=transit/%s count=2"):format(operation))
    done(who, { arguments = WRAPPED })
    test.equal({ operation, temporary(who), told(who):find("could not be deleted", 1, true) }, { operation, 0 })
  end
end

test["temporary keys that a run has left in Vault are taken away when it is resumed"] = function()
  local who = simulated()
  fault(who, "throttle service=vault operation=transit/WriteImport count=2")   -- so two are asked for again
  table.insert(who.simulation.faults, { kind = "error", service = "vault", operation = "transit/DeleteKey", status = 403 })
  done(who, { arguments = WRAPPED })
  test.equal(temporary(who), 3)
  who.simulation.faults = {}
  who.journal:sync()
  local report = done(who, { arguments = WRAPPED, entries = require("journal").read(who.disk.text) })
  test.equal({ temporary(who), report.summary.change }, { 0, 3 })
  test.contains(report.steps[3].reason, "this run has left transit/tmp-0f2c6e9d41b7-us-east-1-")
  who.journal:sync()
  test.equal(done(who, { arguments = WRAPPED, entries = require("journal").read(who.disk.text) }).summary.change, 0)
end

test["a plan's requests are those of the run, without their being sent"] = function()
  local who = simulated()
  local report = run(who, { mode = "plan", requests = true })
  local listed = {}
  for _, request in ipairs(report.requests) do listed[#listed + 1] = request.service .. " " .. request.operation end
  test.contains(table.concat(listed, "\n"), "vault TransitCreateKey\nkms CreateKey\nkms GetParametersForImport\nvault TransitExport\n"
    .. "kms ImportKeyMaterial\nkms CreateAlias")
  test.truthy(not who.disk.text:find('"effect":"write"', 1, true))   -- whose token it is was asked
  test.equal(next(who.simulation.state.vault.namespaces[""].mounts["transit/"].data.keys), nil)
end

test["where there is no transit engine it is mounted: a step of the plan, done once, and its description says for whom"] = function()
  local who = simulated "no engine"
  local plan = run(who, { mode = "plan", requests = true })
  test.equal({ plan.steps[2].kind, plan.steps[2].name, plan.steps[2].action }, { "vault_mount", "transit/", "create" })
  test.equal(done(who).summary.create, 8)
  test.equal(done(who).summary.unchanged, 8)
  local report, status = run(who, { mode = "verify" })
  test.equal({ status, #report.findings }, { 0, 0 })
  local mount = who.simulation.state.vault.namespaces[""].mounts["transit/"]
  test.equal(names.mounted_for(mount.description), operators.CLUSTER.id)
  mount.type = "kv"
  local ok, raised = pcall(run, who)
  test.equal(ok, false)
  test.contains(raised.message, "of type kv, and transit is needed")
end

test["a token that may not mount an engine is told the line that its policy lacks"] = function()
  local who = open()
  who.vault.mounts, who.vault.capabilities = {}, function(path) return path:find "^sys/" and { "deny" } or { "root" } end
  local report, status = run(who)
  test.equal({ status, report.steps[2].action }, { 1, "refuse" })
  test.contains(report.steps[2].reason, 'path "sys/mounts/transit" { capabilities = ["create", "update"] }')
end
