-- The recipe vault: what somebody else did in Vault and KMS, what a Vault does not have or allow, and what verify finds.
local here = dofile "tests/keymgmt.lua"
local json = require "json"
local names = require "names"
local vault_state = require "sim.vault.state"

local operators, open, again, run, mount, keys_in = here.operators, here.open, here.again, here.run, here.mount, here.keys_in
local ONE <const>, REGION <const>, one, whole, mortal, fault = here.ONE, here.REGION, here.one, here.whole, here.mortal, here.fault
local sent, vault_call, MINE <const> = here.sent, here.vault_call, here.MINE

-- What is in the way ---------------------------------------------------------------------------------------------------------

-- A Vault in which somebody did something first; what the plan refuses, and by which words.
local function refused(change, kind, ...)
  local who = open()
  vault_call(who, "POST", "sys/mounts/keymgmt", { type = "keymgmt" })
  change(who)
  local writes = #who.simulation.state.aws[operators.ACCOUNT].iam.roles
  local report, status = run(who, one())
  test.equal({ kind, status, report.summary.refused, #who.simulation.state.aws[operators.ACCOUNT].iam.roles }, { kind, 1, 1, writes })
  test.equal(report.error.situation, who.told or "vault.name-taken")
  for _, step in ipairs(report.steps) do
    if step.action == "refuse" then
      test.equal(step.kind, kind)
      for _, words in ipairs { ... } do test.contains(step.reason, words) end
    end
  end
  return who
end

test["a provider of our name for another region, or another cloud, is refused with the way out"] = function()
  refused(function(who)
    vault_call(who, "POST", "keymgmt/kms/" .. MINE, { provider = "awskms", key_collection = "eu-west-1" })
  end, "vault_provider", "key_collection is eu-west-1 where us-east-1 is wanted", "vault delete keymgmt/kms/" .. MINE, "--vault-mount")
  refused(function(who)
    vault_call(who, "POST", "keymgmt/kms/" .. MINE, { provider = "gcpckms", key_collection = "us-east-1" })
  end, "vault_provider", "provider is gcpckms where awskms is wanted")
end

test["a key of our name that was made without its type is rsa-2048, and refused; so is one that another provider has"] = function()
  refused(function(who) vault_call(who, "POST", "keymgmt/key/" .. MINE, {}) end, "vault_key", "is of type rsa-2048", "KMS takes aes256-gcm96")
  refused(function(who)
    vault_call(who, "POST", "keymgmt/key/" .. MINE, { type = "aes256-gcm96" })
    vault_call(who, "POST", "keymgmt/kms/theirs", { provider = "awskms", key_collection = "us-east-1" })
    vault_call(who, "POST", "keymgmt/kms/theirs/key/" .. MINE, { purpose = "encrypt,decrypt" })
    who.told = "vault.key-elsewhere"
  end, "vault_distribution", "distributed to the provider theirs already", "one provider alone")
end

test["a distribution with another purpose or protection is refused: both are fixed; their order and form are not"] = function()
  local function distributed(who)
    vault_call(who, "POST", "keymgmt/kms/" .. MINE, { provider = "awskms", key_collection = "us-east-1" })
    vault_call(who, "POST", "keymgmt/key/" .. MINE, { type = "aes256-gcm96" })
    vault_call(who, "POST", ("keymgmt/kms/%s/key/%s"):format(MINE, MINE), { purpose = "encrypt,decrypt" })
    return mount(who).data.kms[MINE].distributions[MINE]
  end
  refused(function(who) distributed(who).purpose = "encrypt" end, "vault_distribution", "purpose 'encrypt' where 'decrypt,encrypt' is wanted")
  refused(function(who) distributed(who).protection = "software" end, "vault_distribution", "protection 'software' where 'hsm' is wanted")
  local who = open()
  vault_call(who, "POST", "sys/mounts/keymgmt", { type = "keymgmt" })
  distributed(who).purpose = "encrypt, decrypt"
  test.equal(select(2, run(who, one())), 0)   -- what was begun by hand under our names is gone on with
  whole(who)
end

test["the other forms that are known of Vault's answers change nothing: other names, lists, 200 with a warning in the place of 204"] = function()
  for _, text in ipairs { "variant service=vault", "warn service=vault" } do
    local who = open()
    fault(who, text)
    local report, status = run(who, one())
    test.equal({ text, status, report.error }, { text, 0 })
    test.equal(run(who, one { mode = "plan", run_id = "" }).summary.unchanged, 6)
    whole(who)
  end
end

test["a KMS key that is tagged for another cluster is left alone, though Vault made it of the key that has our name"] = function()
  local who = open()
  mortal(who, "kms", "tag_resource", "before")
  run(who, one())
  local key = keys_in(who, REGION)[1]
  table.insert(key.Tags, { TagKey = names.TAG_CLUSTER, TagValue = "another" })
  local report, status = run(again(who), one { run_id = "run-2" })
  test.equal({ status, report.summary.refused, #who.simulation.state.aws[operators.ACCOUNT].kms[REGION].aliases }, { 1, 1, 1 })
  test.contains(report.error.message, "belongs to another cluster, another")
end

test["tagged in the last moment, it is left alone as well"] = function()
  local who = open()
  local real = who.session.kms
  who.session.kms = setmetatable({}, { __index = function(_, operation)
    return function(parameters)
      local key = keys_in(who, REGION)[1]
      if operation == "list_resource_tags" and key then   -- a colleague was faster
        key.Tags = json.array { { TagKey = names.TAG_CLUSTER, TagValue = "another" } }
      end
      return real[operation](parameters)
    end
  end })
  local report, status = run(who, one())
  test.equal({ status, sent(who, "TagResource"), sent(who, "CreateAlias") }, { 5, 0, 0 })
  test.contains(report.error.message, "belongs to another cluster, another")
end

test["a distribution that was taken away and made again has another KMS key: that is told, and the old one is kept"] = function()
  local who = open { confirm = ONE.name }
  test.equal(select(2, run(who, one { arguments = { enable = "true" } })), 0)
  local path = ("keymgmt/kms/%s/key/%s"):format(MINE, MINE)
  vault_call(who, "DELETE", path)
  vault_call(who, "POST", path, { purpose = "encrypt,decrypt" })
  local report, status = run(who, one())
  local old = keys_in(who, REGION)[1]
  test.equal({ status, report.summary.refused, old.KeyState }, { 1, 1, "PendingDeletion" })
  test.equal(report.error.situation, "vault.made-anew")
  test.contains(report.error.message, "aws kms cancel-key-deletion --region us-east-1 --key-id " .. old.KeyId)
  report = run(who, one { mode = "verify" })
  local found = {}
  for _, finding in ipairs(report.findings) do found[finding.id] = true end
  test.equal({ found["key.material"], found["key.state"] }, { true, true })
end

test["a KMS key whose material was deleted is not filled by anybody here: that is said"] = function()
  local who = open()
  run(who, one())
  operators.within(who, function(session)
    session.kms.delete_imported_key_material { region = REGION, KeyId = keys_in(who, REGION)[1].KeyId }
  end)
  local report, status = run(who, one())
  test.equal({ status, report.summary.refused }, { 1, 1 })
  test.contains(report.error.message, "fills only keys that it makes itself")
  test.truthy(not tostring(report.error.next):find("vault-transit", 1, true), report.error.next)
end

test["console and vault-transit know a key that Vault's key management made, and lead to no import and no other engine"] = function()
  local who = open()
  run(who, one())
  local report = operators.run(who, "vault-transit", one { mode = "plan" })
  local refused_step = report.steps[#report.steps]
  test.contains(refused_step.reason, "go on with the recipe vault, --vault-mount keymgmt")
  test.equal(refused_step.told.commands, { "cmek run vault --cluster orders-one --vault-mount keymgmt" })
  operators.within(who, function(session)
    session.kms.delete_imported_key_material { region = REGION, KeyId = keys_in(who, REGION)[1].KeyId }
  end)
  report = operators.run(who, "console", one { mode = "plan" })
  test.contains(report.steps[2].reason, "its key management fills only keys that it makes itself")
  test.equal({ report.steps[2].told.situation, #report.steps[2].told.commands }, { "kms.material-lost", 0 })
end

test["nor does vault lead away from the recipe that made a key with transit"] = function()
  local who = open()
  run(who, one())
  operators.within(who, function(session)
    session.kms.tag_resource { region = REGION, KeyId = keys_in(who, REGION)[1].KeyId,
      Tags = json.array { { TagKey = names.TAG_MATERIAL, TagValue = "transit/no-copy" } } }
  end)
  local report = run(who, one { mode = "plan" })
  local last = report.steps[#report.steps]
  test.contains(last.reason, "go on with the recipe vault-transit, --form wrapped --vault-mount transit;")
  test.equal(last.told.commands, { "cmek run vault-transit --cluster orders-one --vault-mount transit --form wrapped" })
end

test["a check whose text has several lines, as a policy's, is one row of what verify prints"] = function()
  local report = { run = {}, findings = json.array {}, checked = {
    { id = "vault_mount.exists", result = "unknown", text = "add to it:\npath 1\npath 2" }, { id = "vault.open", result = "ok" } } }
  local shown = require("ui.verify").render(report, { paint = function(_, _, line) return line end })
  test.contains(shown, "add to it: path 1 path 2\n ok ")
end

-- Preflight --------------------------------------------------------------------------------------------------------------------

test["a token with the policy that cmek prints does all of it; one without is told the lines, before anything is made"] = function()
  local function with_policy(text)
    local who = open()
    vault_call(who, "PUT", "sys/policies/acl/cmek", { policy = text })
    local answer = require("sim.vault").handle(who.simulation, { method = "POST", target = "/v1/auth/token/create",
      body = json.encode { policies = json.array { "cmek" } }, headers = { { "X-Vault-Token", vault_state.ROOT_TOKEN } } }, {})
    return operators.beside(who, { who = who.simulation.accounts[1], environment = { VAULT_ADDR = "http://127.0.0.1:8200",
      VAULT_TOKEN = json.decode(answer.body).auth.client_token } })
  end
  local MOUNTS <const> = 'path "sys/mounts/keymgmt" { capabilities = ["create", "update"] }'
  local who = with_policy(MOUNTS)
  local ok, raised = pcall(run, who, one())
  test.equal({ ok, raised.operation, #who.simulation.state.aws[operators.ACCOUNT].iam.roles }, { false, "ReadCapabilities", 0 })
  for _, line in ipairs { ('path "keymgmt/kms/%s" { capabilities = ["create", "read", "update"] }'):format(MINE),
    ('path "keymgmt/key/%s/kms" { capabilities = ["list"] }'):format(MINE) } do
    test.contains(raised.next, line)
  end
  local lines = raised.next:gsub("^[^\n]*\n", "")
  who = with_policy(MOUNTS .. "\n" .. lines)
  local report, status = run(who, one())
  test.equal({ status, report.error }, { 0 })
  test.equal(run(who, one()).summary.unchanged, 6)
  report, status = run(with_policy(lines), one())
  test.equal({ status, report.steps[2].action }, { 1, "refuse" })
  test.contains(report.steps[2].reason, MOUNTS)
end

test["a Vault without the engine, by its edition or its licence, is told before anything is made, with the recipe that does without"] = function()
  for _, edition in ipairs { "community", "openbao" } do
    local who = open { sim = { vault = { edition = edition } } }
    local ok, raised = pcall(run, who, one())
    test.equal({ edition, ok, raised.situation, #who.simulation.state.aws[operators.ACCOUNT].iam.roles }, { edition, false, "vault.no-engine", 0 })
    test.contains(raised.next, "vault-transit")
  end
  local who = open()
  local vault = who.session.vault
  who.session.vault = setmetatable({ read_license = function() return { autoloaded = { features = json.array { "Namespaces" } } } end },
    { __index = vault })
  local ok, raised = pcall(run, who, one())
  test.equal({ ok, raised.situation }, { false, "vault.no-engine" })
  test.contains(raised.message, "Key Management Secrets Engine")
end

test["an engine that Vault does not have after all is told when it is to be mounted"] = function()
  local who = open()
  fault(who, "error service=vault operation=system/WriteMount count=1 message=plugin not found in the catalog: keymgmt")
  local report, status = run(who, one())
  test.equal({ status, report.error.situation }, { 5, "vault.no-engine" })   -- the role was made
end

test["HCP has it in its namespace"] = function()
  local who = open { sim = { vault = { edition = "hcp" } }, environment = { VAULT_NAMESPACE = "admin" } }
  local report, status = run(who, one())
  test.equal({ status, report.error, who.simulation.state.vault.namespaces["admin/"].mounts["keymgmt/"].type }, { 0, nil, "keymgmt" })
end

test["another engine there, and a sealed Vault, are told; in verify the KMS keys are looked at all the same"] = function()
  local who = open()
  vault_call(who, "POST", "sys/mounts/keymgmt", { type = "kv" })
  local ok, raised = pcall(run, who, one())
  test.equal(ok, false)
  test.contains(raised.message, "is of type kv, and keymgmt is needed")
  who = open { environment = { VAULT_MAX_RETRIES = "0" } }
  run(who, one())
  who.simulation.vault = { condition = "sealed" }
  ok, raised = pcall(run, who, one())
  test.equal({ ok, raised.situation }, { false, "vault.sealed" })
  local report, status = run(who, one { mode = "verify" })
  local results = {}
  for _, check in ipairs(report.checked) do results[check.id] = check.result end
  test.equal({ status, results["vault.open"], results["vault_distribution.exists"], results["key.exists"], results["key.policy"] },
    { 6, "finding", "unknown", "ok", "ok" })
end

test["rights in AWS that taking over Vault's keys needs are asked for beforehand"] = function()
  for _, action in ipairs { "kms:TagResource", "kms:CreateAlias", "kms:PutKeyPolicy" } do
    local who = open()
    local user = who.simulation:add_user { account = operators.ACCOUNT, name = "short",
      secret_access_key = "simulated/secret/not-a-real-one/00000009", policies = { { Version = "2012-10-17",
      Statement = json.array { { Effect = "Allow", Action = "*", Resource = "*" }, { Effect = "Deny", Action = action, Resource = "*" } } } } }
    local other = operators.beside(who, { who = user, environment = { VAULT_ADDR = "http://127.0.0.1:8200", VAULT_TOKEN = vault_state.ROOT_TOKEN } })
    local report, status = run(other, one())
    test.equal({ action, status, report.summary.refused, mount(who) }, { action, 1, 1 })
    test.contains(report.error.message, action)
  end
end

-- Findings ---------------------------------------------------------------------------------------------------------------------

local PATH <const> = ("keymgmt/kms/%s/key/%s"):format(MINE, MINE)

-- The version in use is disabled by somebody who rotated.
local function disable_first(who)
  vault_call(who, "POST", ("keymgmt/key/%s/rotate"):format(MINE), {})
  vault_call(who, "POST", "keymgmt/key/" .. MINE, { min_enabled_version = 2 })
end

test["verify finds each thing that somebody changed in Vault"] = function()
  for id, change in require("sorted") {
    ["vault_key.kept"] = function(who) vault_call(who, "POST", "keymgmt/key/" .. MINE, { deletion_allowed = true }) end,
    ["vault_key.exists"] = function(who) mount(who).data.keys[MINE] = nil end,
    ["vault_key.type"] = function(who) mount(who).data.keys[MINE].type = "rsa-2048" end,
    ["vault_provider.exists"] = function(who) mount(who).data.kms[MINE] = nil end,
    ["vault_provider.region"] = function(who) mount(who).data.kms[MINE].key_collection = "eu-west-1" end,
    ["vault_provider.kind"] = function(who) mount(who).data.kms[MINE].provider = "gcpckms" end,
    ["vault_distribution.exists"] = function(who) vault_call(who, "DELETE", PATH) end,
    ["vault_distribution.purpose"] = function(who) mount(who).data.kms[MINE].distributions[MINE].purpose = "decrypt" end,
    ["vault_distribution.protection"] = function(who) mount(who).data.kms[MINE].distributions[MINE].protection = "software" end,
    ["vault_distribution.enabled"] = disable_first,
    ["vault_mount.exists"] = function(who) vault_call(who, "DELETE", "sys/mounts/keymgmt") end,
  } do
    local who = open()
    run(who, one())
    change(who)
    local report, status = run(who, one { mode = "verify" })
    local found = {}
    for _, finding in ipairs(report.findings) do found[#found + 1] = finding.id end
    test.equal({ id, status }, { id, 6 })
    test.contains(table.concat(found, "\n"), id)
  end
end

test["what run can put right of it, it does: a key that may be deleted; what it cannot is refused with the command"] = function()
  local who = open()
  run(who, one())
  vault_call(who, "POST", "keymgmt/key/" .. MINE, { deletion_allowed = true })
  test.equal({ run(who, one()).summary.change, mount(who).data.keys[MINE].deletion_allowed, mount(who).data.keys[MINE].type },
    { 1, false, "aes256-gcm96" })
  disable_first(who)
  local report, status = run(who, one())
  test.equal(status, 1)
  test.equal(report.error.situation, "vault.version-disabled")
  test.contains(report.error.message, ("vault write keymgmt/key/%s type=aes256-gcm96 min_enabled_version=1"):format(MINE))
end

-- Layouts ----------------------------------------------------------------------------------------------------------------------

test["one key may serve all regions; replicas are for another recipe, which is said"] = function()
  local who = open()
  local report, status = run(who, { arguments = { layout = "shared" } })
  test.equal({ status, report.error, report.summary.create, #report.handover.region_specs }, { 0, nil, 6, 3 })
  test.equal(run(who, { arguments = { layout = "shared" } }).summary.unchanged, 6)
  local ok, raised = pcall(run, open(), { arguments = { layout = "replica" } })
  test.equal(ok, false)
  test.contains(raised.message, "is to have a replica, and the recipe 'vault' makes none")
end
