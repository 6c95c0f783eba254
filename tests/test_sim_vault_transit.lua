-- The simulated Vault: transit, and its path to an imported KMS key.
local client = dofile("tests/sim_vault_client.lua")
local crypto = require "crypto"
local json = require "json"
local pem = require "sim.vault.pem"

local function with_transit()
  local vault = client.new()
  vault:call("POST", "sys/mounts/transit", { type = "transit" })
  return vault
end

local NEEDLE <const> = crypto.base64 "thirty-two bytes of key material"

test["transit: a key is made once, read, listed, rotated and deleted only when that is allowed"] = function()
  local vault = with_transit()
  test.equal(vault:refusal("GET", "transit/keys/k"), "404 ")
  local made, answer = vault:call("POST", "transit/keys/k", { exportable = true })
  test.equal({ made.type, made.latest_version, made.exportable, made.supports_encryption, made.imported_key, answer.body.warnings },
    { "aes256-gcm96", 1, true, true, false, json.null })
  made, answer = vault:call("POST", "transit/keys/k", { type = "rsa-2048" })
  test.equal({ made.type, answer.body.warnings[1] }, { "aes256-gcm96", "key k already existed" })
  vault:call("POST", "transit/keys/k/rotate")
  test.equal(vault:call("GET", "transit/keys/k").keys, { ["1"] = 1769936400, ["2"] = 1769936400 })
  test.equal(vault:call("LIST", "transit/keys").keys, json.array { "k" })
  test.equal(vault:refusal("DELETE", "transit/keys/k"), "400 error deleting policy k: deletion is not allowed for this key")
  vault:call("POST", "transit/keys/k/config", { deletion_allowed = "true" })
  vault:call("DELETE", "transit/keys/k")
  test.equal(vault:refusal("DELETE", "transit/keys/k"), "400 error deleting policy k: could not delete key; not found")
end

test["transit: what is encrypted is decrypted, by any version that is still allowed"] = function()
  local vault = with_transit()
  vault:call("POST", "transit/keys/k", {})
  local one = vault:call("POST", "transit/encrypt/k", { plaintext = NEEDLE })
  test.matches(one.ciphertext, "^vault:v1:")
  vault:call("POST", "transit/keys/k/rotate")
  test.equal(vault:call("POST", "transit/encrypt/k", { plaintext = NEEDLE }).key_version, 2)
  test.equal(vault:call("POST", "transit/decrypt/k", { ciphertext = one.ciphertext }).plaintext, NEEDLE)
  vault:call("POST", "transit/keys/k/config", { min_decryption_version = 2 })
  test.equal(vault:refusal("POST", "transit/decrypt/k", { ciphertext = one.ciphertext }),
    "400 ciphertext or signature version is disallowed by policy (too old)")
  test.equal(vault:refusal("POST", "transit/decrypt/k", { ciphertext = "x" }), "400 invalid ciphertext: no prefix")
  test.equal(vault:refusal("POST", "transit/keys/k/config", { min_decryption_version = 3 }),
    "400 cannot set min decryption version of 3, latest key version is 2")
end

test["transit: bytes leave where that is allowed alone, and are those that encrypt"] = function()
  local vault = with_transit()
  vault:call("POST", "transit/keys/closed", {})
  test.equal(vault:refusal("GET", "transit/export/encryption-key/closed"), "400 private key material is not exportable")
  vault:call("POST", "transit/keys/k", { exportable = true })
  local exported = vault:call("GET", "transit/export/encryption-key/k/1")
  test.equal({ exported.name, exported.type, #crypto.unbase64(exported.keys["1"]) }, { "k", "aes256-gcm96", 32 })
  local sealed = crypto.unbase64(vault:call("POST", "transit/encrypt/k", { plaintext = NEEDLE }).ciphertext:match "^vault:v1:(.*)$")
  test.equal(crypto.aes_gcm_open(crypto.unbase64(exported.keys["1"]), sealed:sub(1, 12), sealed:sub(13), ""), crypto.unbase64(NEEDLE))
  test.equal(vault:refusal("GET", "transit/export/rubbish/k"), "400 invalid export type: rubbish")
  test.equal(vault:refusal("GET", "transit/export/encryption-key/k/7"), "400 version does not exist or cannot be found")
  test.equal(vault:refusal("GET", "transit/export/encryption-key/none"), "404 ")
  test.equal(json.encode(vault.aws.simulation:document()):find(exported.keys["1"], 1, true), nil)
end

test["transit: AWS's public key is imported, and what it encrypts is accepted as key material of an EXTERNAL key"] = function()
  local vault = with_transit()
  local aws = vault.aws
  local id = aws:key { Origin = "EXTERNAL" }
  local got = aws:call("kms", "GetParametersForImport", { KeyId = id, WrappingAlgorithm = "RSAES_OAEP_SHA_256", WrappingKeySpec = "RSA_2048" })
  vault:call("POST", "transit/keys/tmp/import", { public_key = pem.encode(crypto.unbase64(got.PublicKey)), type = "rsa-2048" })
  test.equal(vault:call("GET", "transit/keys/tmp").imported_key, true)
  local wrapped = vault:call("POST", "transit/datakey/wrapped/tmp", { bits = 256 })
  test.equal(wrapped.plaintext, nil)
  aws:call("kms", "ImportKeyMaterial", { KeyId = id, ImportToken = got.ImportToken, ExpirationModel = "KEY_MATERIAL_DOES_NOT_EXPIRE",
    EncryptedKeyMaterial = wrapped.ciphertext:match "^vault:v1:(.*)$" })
  test.equal(aws:call("kms", "DescribeKey", { KeyId = id }).KeyMetadata.KeyState, "Enabled")
end

test["transit: imports that cannot be are refused with Vault's words"] = function()
  local vault = with_transit()
  vault:call("POST", "transit/keys/k", {})
  local function refusal(name, body)
    return vault:refusal("POST", ("transit/keys/%s/import"):format(name), body):match "^500 1 error occurred:\n\t%* (.-)\n\n$"
  end
  test.equal(refusal("k", { ciphertext = "x" }),
    "the import path cannot be used with an existing key; use import-version to rotate an existing imported key")
  test.equal(refusal("n", { public_key = "rubbish", type = "rsa-2048" }), "error importing key: error parsing public key: not in PEM format")
  local small = pem.encode(crypto.rsa_public(vault.aws.simulation.rsa_generate(2048)))
  test.contains(refusal("n", { public_key = small, type = "rsa-4096" }), "invalid key size")
  test.equal(refusal("n", { public_key = small, type = "aes256-gcm96" }), "provided type does not support public_key import")
  test.equal(refusal("n", { ciphertext = crypto.base64 "short" }), "provided ciphertext is too short")
end

test["transit: a key wrapped under the wrapping key comes in, and leaves under another by byok-export"] = function()
  local vault = with_transit()
  local public = pem.decode(vault:call("GET", "transit/wrapping_key").public_key)
  local bytes, ephemeral = crypto.unbase64(NEEDLE), ("e"):rep(32)
  local blob = crypto.rsa_oaep_wrap(public, ephemeral, "sha256") .. crypto.aes_kwp_wrap(ephemeral, bytes)
  vault:call("POST", "transit/keys/in/import", { ciphertext = crypto.base64(blob), type = "aes256-gcm96", exportable = true })
  test.equal(vault:call("GET", "transit/export/encryption-key/in").keys["1"], NEEDLE)
  local pair = vault.aws.simulation.rsa_generate(2048)
  vault:call("POST", "transit/keys/out/import", { public_key = pem.encode(crypto.rsa_public(pair)), type = "rsa-2048" })
  local sent = crypto.unbase64(vault:call("GET", "transit/byok-export/out/in").keys["1"])
  local key = crypto.rsa_oaep_unwrap(pair, sent:sub(1, 256), "sha256")
  test.equal(crypto.aes_kwp_unwrap(key, sent:sub(257)), bytes)
  vault:call("POST", "transit/keys/closed", {})
  test.equal(vault:refusal("GET", "transit/byok-export/out/closed"), "400 key is not exportable")
  test.equal(vault:refusal("POST", "transit/keys/in/rotate"), "400 imported key in does not allow rotation within Vault")
end
