-- The simulated Vault: the key management engine, and what it does to the simulated KMS.
local client = dofile("tests/sim_vault_client.lua")
local json = require "json"

local ACCOUNT <const> = "210987654321"

local function with_keymgmt(options)
  local vault = client.new(options)
  vault:call("POST", "sys/mounts/keymgmt", { type = "keymgmt" })
  vault:call("POST", "keymgmt/kms/east", { provider = "awskms", key_collection = "us-east-1" })
  vault:call("POST", "keymgmt/key/orders", { type = "aes256-gcm96" })
  return vault
end

local function distribute(vault, more)
  local body = { purpose = "encrypt,decrypt", protection = "hsm" }
  for name, value in pairs(more or {}) do body[name] = value end
  return vault:call("POST", "keymgmt/kms/east/key/orders", body)
end

local function described(vault, id) return vault.aws:call("kms", "DescribeKey", { KeyId = id }).KeyMetadata end

test["keymgmt: a key reads as it was made, rsa-2048 where no type was given, and holds its type"] = function()
  local vault = with_keymgmt()
  local data = vault:call("GET", "keymgmt/key/orders")
  test.equal({ data.name, data.type, data.deletion_allowed, data.latest_version, data.min_enabled_version, data.versions["1"].creation_time },
    { "orders", "aes256-gcm96", false, 1, 1, "2026-02-01T09:00:00.000000Z" })
  vault:call("POST", "keymgmt/key/plain", {})
  test.equal(vault:call("GET", "keymgmt/key/plain").type, "rsa-2048")
  test.contains(vault:refusal("POST", "keymgmt/key/x", { type = "des" }), "unsupported key type")
  test.contains(vault:refusal("POST", "keymgmt/key/orders", { type = "rsa-2048" }), "400 ")
  test.equal(vault:call("LIST", "keymgmt/key").keys, json.array { "orders", "plain" })
  test.contains(vault:refusal("PUT", "keymgmt/key/none/rotate"), 'key "none" not found')
  test.equal(vault:refusal("GET", "keymgmt/key/none"), "404 ")
end

test["keymgmt: a provider shows no credentials, keeps its region, and takes them as an object or as pairs"] = function()
  local vault = with_keymgmt()
  for _, credentials in ipairs { { access_key = "AKIANEEDLE", secret_key = "needle" },
    json.array { "access_key=AKIANEEDLE", "secret_key=needle" } } do
    vault:call("POST", "keymgmt/kms/east", { provider = "awskms", credentials = credentials })
  end
  test.equal(vault:call("GET", "keymgmt/kms/east"), { provider = "awskms", key_collection = "us-east-1" })
  test.contains(vault:refusal("POST", "keymgmt/kms/east", { provider = "awskms", credentials = json.array { "rubbish" } }),
    'invalid key pair "rubbish"')
  test.contains(vault:refusal("POST", "keymgmt/kms/east", { provider = "awskms", key_collection = "eu-west-1" }),
    "key_collection cannot be changed")
  test.contains(vault:refusal("POST", "keymgmt/kms/x", { provider = "awskms" }), "key_collection is required")
  test.contains(vault:refusal("POST", "keymgmt/kms/x", { key_collection = "us-east-1" }), "provider is required")
  local all = json.encode(vault.aws.simulation:document()) .. json.encode(json.array(vault.aws.entries))
  test.equal(all:find("needle", 1, true) or all:find("NEEDLE", 1, true), nil)
end

test["keymgmt: distributing makes an EXTERNAL key with an alias in the KMS, by the server's own credentials"] = function()
  local vault = with_keymgmt()
  test.equal(vault:refusal("GET", "keymgmt/kms/east/key/orders"), "404 ")
  distribute(vault)
  local data = vault:call("GET", "keymgmt/kms/east/key/orders")
  test.equal({ data.name, data.purpose, data.protection }, { "orders-1769936400", "decrypt,encrypt", "hsm" })
  local key = described(vault, data.versions["1"])
  test.equal({ key.Origin, key.KeyState, key.ExpirationModel, key.AWSAccountId },
    { "EXTERNAL", "Enabled", "KEY_MATERIAL_DOES_NOT_EXPIRE", ACCOUNT })
  local alias = vault.aws:call("kms", "ListAliases", { KeyId = key.KeyId }).Aliases[1]
  test.equal(alias.AliasName, "alias/hashicorp/orders-1769936400")
  vault.aws:call("kms", "Encrypt", { KeyId = key.KeyId, Plaintext = "AAAA" })
  local principals = {}
  for _, entry in ipairs(vault.aws.entries) do
    if entry.operation == "ImportKeyMaterial" then principals[#principals + 1] = entry.principal end
  end
  test.equal(principals, { "arn:aws:iam::210987654321:user/vault-server" })
  distribute(vault)
  test.equal(vault:call("GET", "keymgmt/kms/east/key/orders").name, "orders-1769936400")
  test.equal(vault:call("LIST", "keymgmt/kms/east/key").keys, json.array { "orders" })
  test.equal(vault:call("LIST", "keymgmt/key/orders/kms").keys, json.array { "east" })
end

test["keymgmt: what cannot be distributed is refused, and leaves no distribution"] = function()
  local vault = with_keymgmt()
  local function refusal(path, body)
    return vault:refusal("POST", "keymgmt/kms/" .. path, body or { purpose = json.array { "encrypt", "decrypt" } })
  end
  test.contains(refusal "east/key/none", 'key "none" not found')
  test.contains(refusal "none/key/orders", "not found")
  test.contains(refusal("east/key/orders", {}), "purpose is required")
  test.contains(refusal("east/key/orders", { purpose = "sign" }), "purpose")
  test.contains(refusal("east/key/orders", { purpose = "encrypt,decrypt", protection = "software" }), "protection")
  vault:call("POST", "keymgmt/key/plain", {})
  test.contains(refusal "east/key/plain", "rsa-2048")
  vault:call("POST", "keymgmt/kms/west", { provider = "awskms", key_collection = "us-west-2" })
  distribute(vault)
  test.contains(refusal "west/key/orders", "already distributed")
  test.equal(vault:refusal("GET", "keymgmt/kms/west/key/orders"), "404 ")
end

test["keymgmt: AWS judges the provider's credentials, and a key that was not filled stays PendingImport"] = function()
  local vault = with_keymgmt()
  vault:call("POST", "keymgmt/kms/east", { provider = "awskms", credentials = { access_key = "AKIASIMULATEDREAD0001",
    secret_key = "simulated/secret/not-a-real-one/00000003" } })
  test.contains(vault:refusal("POST", "keymgmt/kms/east/key/orders", { purpose = "encrypt,decrypt" }), "api error AccessDeniedException")
  local half = vault.aws.simulation:add_user { account = ACCOUNT, name = "half", policies = {
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*","Action":["kms:CreateKey","kms:GetParametersForImport"]}]}' } }
  vault:call("POST", "keymgmt/kms/east", { provider = "awskms",
    credentials = { access_key = half.access_key_id, secret_key = half.secret_access_key } })
  test.contains(vault:refusal("POST", "keymgmt/kms/east/key/orders", { purpose = "encrypt,decrypt" }), "kms:ImportKeyMaterial")
  test.equal(vault:refusal("GET", "keymgmt/kms/east/key/orders"), "404 ")
  local left = vault.aws:call("kms", "ListKeys", {}).Keys
  test.equal({ #left, described(vault, left[1].KeyId).KeyState }, { 1, "PendingImport" })
  vault:call("POST", "keymgmt/kms/east", { provider = "awskms", credentials = { access_key = "AKIAWRONG", secret_key = "x" } })
  test.contains(vault:refusal("POST", "keymgmt/kms/east/key/orders", { purpose = "encrypt,decrypt" }), "UnrecognizedClientException")
end

test["keymgmt: a rotation is a new KMS key behind the same alias; the old one is disabled by min_enabled_version"] = function()
  local vault = with_keymgmt()
  distribute(vault)
  local first = vault:call("GET", "keymgmt/kms/east/key/orders").versions["1"]
  vault:call("PUT", "keymgmt/key/orders/rotate")
  local data = vault:call("GET", "keymgmt/kms/east/key/orders")
  local second = data.versions["2"]
  test.equal({ data.versions["1"], second ~= first, data.name }, { first, true, "orders-1769936400" })
  test.equal(described(vault, "alias/hashicorp/orders-1769936400").KeyId, second)
  test.equal(described(vault, first).KeyState, "Enabled")
  vault:call("POST", "keymgmt/key/orders", { min_enabled_version = 2 })
  test.equal({ described(vault, first).KeyState, vault:call("GET", "keymgmt/key/orders").versions["1"] }, { "Disabled", nil })
  vault:call("POST", "keymgmt/key/orders", { min_enabled_version = 1 })
  test.equal(described(vault, first).KeyState, "Enabled")
  test.contains(vault:refusal("POST", "keymgmt/key/orders", { min_enabled_version = 9 }), "400 ")
end

test["keymgmt: a rotation that AWS refuses leaves the key at its version"] = function()
  local fault = "error service=kms operation=ImportKeyMaterial skip=1 code=KMSInternalException status=500"
  local vault = with_keymgmt { faults = { require("sim.faults").read(fault) } }
  distribute(vault)
  test.contains(vault:refusal("PUT", "keymgmt/key/orders/rotate"), "KMSInternalException")
  test.equal(vault:call("GET", "keymgmt/key/orders").latest_version, 1)
  test.equal(vault:call("GET", "keymgmt/kms/east/key/orders").versions["2"], nil)
end

test["keymgmt: removing a distribution schedules every version's key, and the Vault key can be distributed anew"] = function()
  local vault = with_keymgmt()
  distribute(vault)
  vault:call("PUT", "keymgmt/key/orders/rotate")
  local versions = vault:call("GET", "keymgmt/kms/east/key/orders").versions
  test.contains(vault:refusal("DELETE", "keymgmt/kms/east"), "400 ")
  vault:call("POST", "keymgmt/key/orders", { deletion_allowed = true })
  test.contains(vault:refusal("DELETE", "keymgmt/key/orders"), "distributed")
  vault:call("DELETE", "keymgmt/kms/east/key/orders")
  for _, id in pairs(versions) do test.equal(described(vault, id).KeyState, "PendingDeletion") end
  test.equal(vault.aws:refusal("kms", "DescribeKey", { KeyId = "alias/hashicorp/orders-1769936400" }):match "^%a+", "NotFoundException")
  vault.aws.now = vault.aws.now + 60
  distribute(vault)
  test.equal(vault:call("GET", "keymgmt/kms/east/key/orders").name, "orders-1769936460")
  vault:call("DELETE", "keymgmt/kms/east/key/orders")
  vault:call("DELETE", "keymgmt/key/orders")
  vault:call("DELETE", "keymgmt/kms/east")
  test.equal(vault:refusal("LIST", "keymgmt/key"), "404 ")
end

test["keymgmt: a key is deleted only when that is allowed"] = function()
  local vault = with_keymgmt()
  test.contains(vault:refusal("DELETE", "keymgmt/key/orders"), "deletion is not allowed")
end

test["keymgmt: a key of several Regions is replicated, one without is not"] = function()
  local vault = with_keymgmt()
  distribute(vault)
  test.contains(vault:refusal("POST", "keymgmt/kms/east/key/orders/replicate", {}), "does not have replica_regions")
  vault:call("POST", "keymgmt/key/wide", { type = "aes256-gcm96", replica_regions = "us-west-2" })
  vault:call("POST", "keymgmt/kms/east/key/wide", { purpose = "encrypt,decrypt" })
  local id = vault:call("GET", "keymgmt/kms/east/key/wide").versions["1"]
  test.matches(id, "^mrk%-")
  vault:call("POST", "keymgmt/kms/east/key/wide/replicate", {})
  test.equal(vault.aws:call("kms", "DescribeKey", { KeyId = id }, { region = "us-west-2" }).KeyMetadata.MultiRegion, true)
end

test["keymgmt: who takes Vault's rights off the key stops its rotation"] = function()
  local vault = with_keymgmt()
  distribute(vault)
  local id = vault:call("GET", "keymgmt/kms/east/key/orders").versions["1"]
  vault.aws:call("kms", "PutKeyPolicy", { KeyId = id, PolicyName = "default", Policy = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow",'
    .. '"Principal":{"AWS":"arn:aws:iam::210987654321:user/operator"},"Action":"kms:*","Resource":"*"}]}' })
  test.contains(vault:refusal("POST", "keymgmt/key/orders", { min_enabled_version = 0 }), "AccessDeniedException")
end

test["keymgmt: the other forms that are known of its answers come on order"] = function()
  local vault = with_keymgmt { faults = { require("sim.faults").read "variant service=vault" } }
  distribute(vault)
  local key = vault:call("GET", "keymgmt/key/orders")
  test.equal({ key.versions, key.keys["1"].creation_time }, { nil, "2026-02-01T09:00:00.000000Z" })
  test.equal(vault:call("GET", "keymgmt/kms/east/key/orders").purpose, json.array { "encrypt", "decrypt" })
  test.contains(vault:refusal("POST", "keymgmt/kms/east/key/orders", { purpose = "encrypt,decrypt", protection = "hsm" }), "already distributed")
  vault:call("POST", "keymgmt/key/second", { type = "aes256-gcm96" })
  vault:call("POST", "keymgmt/kms/west", { provider = "awskms", key_collection = "us-west-2", credentials = { access_key = "AKIANOBODY",
    secret_key = "x" } })
  test.matches(vault:refusal("POST", "keymgmt/kms/west/key/second", { purpose = "encrypt,decrypt" }), "^500 .*UnrecognizedClientException")
end

test["keymgmt: a state document carries keys and distributions on, without their bytes, and rotation goes on from it"] = function()
  local vault = with_keymgmt()
  distribute(vault)
  local again = client.new { state = json.decode(json.encode(vault.aws.simulation:document())) }
  local id = again:call("GET", "keymgmt/kms/east/key/orders").versions["1"]
  again.aws:call("kms", "Encrypt", { KeyId = id, Plaintext = "AAAA" })
  again:call("PUT", "keymgmt/key/orders/rotate")
  test.equal(described(again, again:call("GET", "keymgmt/kms/east/key/orders").versions["2"]).KeyState, "Enabled")
end
