-- Adopting what was not made as console makes it: imported material, keys that Vault's key management made, multi-Region keys, shared ones.
local crypto = require "crypto"
local json = require "json"
local names = require "names"
local operators = dofile "tests/operator.lua"
local policies = require "policy"
local vault_state = require "sim.vault.state"

local ACCOUNT <const>, CLUSTER <const> = operators.ACCOUNT, operators.CLUSTER

local function open(with_vault)
  return operators.open { environment = with_vault and { VAULT_ADDR = "http://127.0.0.1:8200", VAULT_TOKEN = vault_state.ROOT_TOKEN } or nil }
end

-- A chain that is in use, by hand: make(session, region, policy) gives the key that a region uses.
local function by_hand(who, make)
  local hand = operators.beside(who, { who = who.simulation.accounts[1], environment = { VAULT_ADDR = "http://127.0.0.1:8200",
    VAULT_TOKEN = vault_state.ROOT_TOKEN } })
  hand.door:permit_writes "?"
  hand.door:permit_irreversible("?", "orders")
  return operators.within(hand, function(session)
    local cluster, org = session.cloud.find_cluster "orders", session.cloud.organization()
    for _, region in ipairs(cluster.regions) do session.door:region(region.name) end
    local role = session.iam.create_role { RoleName = "by-hand",
      AssumeRolePolicyDocument = json.encode(policies.cross_account { account_id = cluster.account_id, external_id = org.id }) }.Role.Arn
    local specs, document = {}, policies.json(policies.cmek { role = role, account = ACCOUNT })
    for i, region in ipairs(cluster.regions) do
      specs[i] = { region = region.name, key_spec = { type = "AWS_KMS", auth_principal = role, uri = make(session, region.name, document) } }
    end
    session.cloud.enable_cmek(cluster.id, specs)
    session.tasks.sleep(600)
    assert(session.cloud.cmek(cluster.id).status == "ENABLED")
    return role
  end)
end

local function adopt(who, options)
  options = options or {}
  options.run_id = "run-adopt"
  return operators.run(who, "adopt", options)
end

-- Adopts, then goes on as adopt says; the keys are console's from then on.
local function adopted(who)
  local report, status = adopt(who)
  test.equal({ status, report.error }, { 0 })
  local on = report.going_on.arguments
  local given = { role = on.role, key = on.key, layout = on.layout }
  local console = operators.run(who, "console", { arguments = given, run_id = "run-console" })
  test.equal({ console.error, console.summary.create, console.summary.refused }, { nil, 0, 0 })
  local verified = operators.run(who, "console", { mode = "verify", arguments = given })
  test.equal(verified.findings, json.array {})
  return report, given
end

local function tags(key)
  local map = {}
  for _, tag in ipairs(key.Tags) do map[tag.TagKey] = tag.TagValue end
  return map
end

local function warned(who)
  local list = {}
  for _, event in ipairs(who.events) do list[#list + 1] = event.kind == "warning" and event.text or nil end
  return table.concat(list, "\n")
end

local function import(session, region, id, more)
  local given = session.kms.get_parameters_for_import { region = region, KeyId = id, WrappingAlgorithm = "RSAES_OAEP_SHA_256",
    WrappingKeySpec = "RSA_2048" }
  local request = { region = region, KeyId = id, ImportToken = given.ImportToken, ExpirationModel = "KEY_MATERIAL_DOES_NOT_EXPIRE",
    EncryptedKeyMaterial = crypto.base64(crypto.rsa_oaep_wrap(crypto.unbase64(given.PublicKey), ("m"):rep(32), "sha256")) }
  for name, value in pairs(more or {}) do request[name] = value end
  session.kms.import_key_material(request)
end

local function imported(session, region, document)
  local arn = session.kms.create_key { region = region, Policy = document, Origin = "EXTERNAL" }.KeyMetadata.Arn
  import(session, region, arn)
  return arn
end

-- What the vendor's page does with Vault's key management, as somebody types it.
local function distributed(name_of)
  return function(session, region, document)
    local vault, name = session.vault, name_of(region)
    if region == "us-east-1" then vault.enable_mount { path = "keymgmt", type = "keymgmt" } end
    vault.keymgmt_write_provider { mount = "keymgmt", name = "kms-" .. region, provider = "awskms", key_collection = region }
    vault.keymgmt_write_key { mount = "keymgmt", name = name, type = "aes256-gcm96" }
    vault.keymgmt_distribute { mount = "keymgmt", name = "kms-" .. region, key = name, purpose = "encrypt,decrypt", protection = "hsm" }
    local id = vault.keymgmt_read_distribution { mount = "keymgmt", name = "kms-" .. region, key = name }.versions["1"]
    local arn = ("arn:aws:kms:%s:%s:key/%s"):format(region, ACCOUNT, id)
    session.kms.put_key_policy { region = region, KeyId = arn, Policy = document }
    return arn
  end
end

test["keys whose material somebody imported are adopted; where it is from is not known, and said"] = function()
  local who = open()
  by_hand(who, imported)
  adopted(who)
  adopt(who, { mode = "plan" })
  test.contains(warned(who), "where its imported material is from is not known")
  local key = operators.key(who, "us-west-2")
  test.equal({ tags(key)["cmek:cluster"], tags(key)["cmek:material"], key.Origin }, { CLUSTER.id, nil, "EXTERNAL" })
end

test["of keys that Vault's key management made Vault says which version of which key they are, and a tag keeps it"] = function()
  local who = open "with Vault"
  by_hand(who, distributed(function(region) return "crdb-" .. region end))
  adopted(who)
  for _, region in ipairs { "us-east-1", "us-west-2", "eu-west-1" } do
    test.equal(tags(operators.key(who, region))["cmek:material"], ("keymgmt/crdb-%s:1"):format(region))
  end
  test.equal(adopt(who).summary.unchanged, 4)
end

test["the recipe vault goes on with such keys under the names that they have in Vault"] = function()
  local who = open "with Vault"
  local role = by_hand(who, distributed(function(region) return "crdb-" .. region end))
  adopt(who)
  local other = operators.beside(who, { who = who.simulation.accounts[1], environment = { VAULT_ADDR = "http://127.0.0.1:8200",
    VAULT_TOKEN = vault_state.ROOT_TOKEN } })
  local report, status = operators.run(other, "vault", { arguments = { role = role }, run_id = "run-vault" })
  test.equal({ status, report.error, report.summary.create, report.summary.change }, { 0, nil, 0, 0 })
  test.equal({ report.steps[3].name, report.steps[6].name }, { "keymgmt/kms/kms-us-east-1", "keymgmt/key/crdb-us-east-1" })
  report, status = operators.run(other, "vault", { mode = "verify", arguments = { role = role } })
  test.equal({ status, report.findings }, { 0, json.array {} })
end

test["from then on rotate knows their Vault keys, and destroy refuses what is in use"] = function()
  local who = open "with Vault"
  by_hand(who, distributed(function(region) return "crdb-" .. region end))
  adopt(who)
  local function again(recipe, mode)
    local other = operators.beside(who, { who = who.simulation.accounts[1], environment = { VAULT_ADDR = "http://127.0.0.1:8200",
      VAULT_TOKEN = vault_state.ROOT_TOKEN } })
    return operators.run(other, recipe, { mode = mode })
  end
  local names_of = {}
  for _, step in ipairs(again("rotate", "plan").steps) do names_of[step.name] = step.action end
  test.equal(names_of["keymgmt/key/crdb-us-west-2"], "change")
  test.contains(again("console", "destroy").error.message, "names it for us-west-2")
end

test["without a Vault to ask, the Vault key is told by its alias, and nothing is recorded"] = function()
  local who = open()
  by_hand(who, distributed(function(region) return "crdb-" .. region end))
  local report, status = adopt(who)
  test.equal({ status, report.error }, { 0 })
  test.contains(warned(who), "by Vault's key management from the Vault key crdb-us-west-2; no Vault is configured (VAULT_ADDR)")
  test.equal(tags(operators.key(who, "us-west-2"))["cmek:material"], nil)
end

test["a Vault that does not know the key, or refuses to say, keeps nobody from adopting it"] = function()
  local who = open "with Vault"
  by_hand(who, distributed(function(region) return "crdb-" .. region end))
  local report, status = adopt(who, { arguments = { vault_mount = "elsewhere" } })
  test.equal({ status, report.error }, { 0 })
  test.contains(warned(who), "Vault does not say which version of it")
end

test["a multi-Region key with replicas is adopted region by region, and goes on as the layout replica"] = function()
  local who = open()
  local primary
  by_hand(who, function(session, region, document)
    if not primary then
      primary = session.kms.create_key { region = region, Policy = document, MultiRegion = true }.KeyMetadata.Arn
      return primary
    end
    return session.kms.replicate_key { KeyId = primary, ReplicaRegion = region, Policy = document }.ReplicaKeyMetadata.Arn
  end)
  local _, given = adopted(who)
  test.equal(given.layout, "replica")
  for _, region in ipairs { "us-east-1", "us-west-2", "eu-west-1" } do
    test.equal({ region, tags(operators.key(who, region))["cmek:region"] }, { region, region })
  end
end

test["so is one whose replicas were given their material by hand"] = function()
  local who = open()
  local primary
  by_hand(who, function(session, region, document)
    local arn = not primary and session.kms.create_key { region = region, Policy = document, MultiRegion = true, Origin = "EXTERNAL" }.KeyMetadata.Arn
      or session.kms.replicate_key { KeyId = primary, ReplicaRegion = region, Policy = document }.ReplicaKeyMetadata.Arn
    if primary then session.kms.describe_key { region = region, KeyId = arn } end   -- which the simulated KMS has made by then
    primary = primary or arn
    import(session, region, arn)
    return arn
  end)
  adopted(who)
end

test["a key that serves every region is adopted once, and goes on as the layout shared"] = function()
  local who = open()
  local one
  by_hand(who, function(session, _, document)
    one = one or session.kms.create_key { region = "us-west-2", Policy = document }.KeyMetadata.Arn
    return one
  end)
  local report, given = adopted(who)
  test.equal({ given.layout, #report.steps, #report.handover.region_specs }, { "shared:us-west-2", 2, 3 })
end

test["a mapping without a name is gone on with as it is: no file is needed, and rotations keep it"] = function()
  local who = open()
  local shared
  local role = by_hand(who, function(session, region, document)
    if region == "eu-west-1" then return shared end
    local arn = session.kms.create_key { region = region, Policy = document }.KeyMetadata.Arn
    shared = region == "us-west-2" and arn or shared
    return arn
  end)
  test.equal(adopt(who).going_on.arguments, { cluster = "orders" })
  local console, status = operators.run(who, "console")
  test.equal({ status, console.error, console.summary.create }, { 0, nil, 0 })
  test.contains(warned(who), "the cluster uses its keys in a mapping of its own, which is gone on with")
  for _, spec in ipairs(console.handover.region_specs) do test.equal(spec.key_spec.auth_principal, role) end
  who.world.now = who.world.now + 30 * 86400
  test.equal(select(2, operators.run(who, "rotate")), 0)
  local plan = operators.run(who, "console", { mode = "plan" })
  test.equal({ plan.summary.create, plan.summary.change, plan.summary.refused }, { 0, 0, 0 })
  test.equal(#who.simulation.state.aws[ACCOUNT].kms["eu-west-1"].keys, 0)
end

test["two keys of one AWS region are left alone: one alias names the cluster's key there"] = function()
  local who = open()
  by_hand(who, function(session, _, document)
    return session.kms.create_key { region = "us-west-2", Policy = document }.KeyMetadata.Arn
  end)
  test.raises(function() adopt(who) end, "uses two keys that are in us-west-2")
end

test["vault-transit does not take over material that it did not bring"] = function()
  local who = open "with Vault"
  who.simulation.state.vault.namespaces[""].mounts["transit/"] = vault_state.mount("transit", {}, ("7"):rep(32))
  local role = by_hand(who, imported)
  adopt(who)
  local report, status = operators.run(who, "vault-transit", { arguments = { role = role } })
  test.equal({ status, report.summary.refused }, { 1, 3 })
  test.contains(report.steps[#report.steps].reason, ("no tag %s says from where"):format(names.TAG_MATERIAL))
end
