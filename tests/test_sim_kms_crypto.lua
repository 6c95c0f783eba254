-- The simulated KMS: encryption, dry runs, several regions, imported material.
local sorted = require "sorted"
local client = dofile "tests/sim_client.lua"

local ACCOUNT <const> = "210987654321"

local function arn_of(key, region) return ("arn:aws:kms:%s:%s:key/%s"):format(region or "us-east-1", ACCOUNT, key) end

local function metadata(aws, key, more) return aws:call("kms", "DescribeKey", { KeyId = key }, more).KeyMetadata end

-- Cryptography -------------------------------------------------------------------------------------------------------

local CONTEXT <const> = { cluster = "orders", region = "us-east-1" }

local function sealed(aws, key)
  return aws:call("kms", "Encrypt", { KeyId = key, Plaintext = "c2VjcmV0", EncryptionContext = CONTEXT }).CiphertextBlob
end

test["what was encrypted is decrypted with the same context"] = function()
  local aws = client.new()
  local key = aws:key()
  local blob = sealed(aws, key)
  test.truthy(blob ~= sealed(aws, key))
  local opened = aws:call("kms", "Decrypt", { CiphertextBlob = blob, EncryptionContext = CONTEXT })
  test.equal({ opened.Plaintext, opened.KeyId, opened.EncryptionAlgorithm }, { "c2VjcmV0", arn_of(key), "SYMMETRIC_DEFAULT" })
end

test["a changed context or ciphertext opens nothing, and nothing is said"] = function()
  local aws = client.new()
  local crypto = require "crypto"
  local blob = sealed(aws, aws:key())
  local raw = crypto.unbase64(blob)
  local contexts = { { cluster = "orders" }, { cluster = "orders", region = "us-east-1", more = "" }, { cluster = "us-east-1", region = "orders" },
    { Cluster = "orders", region = "us-east-1" } }
  for _, context in ipairs(contexts) do
    test.equal(aws:refusal("kms", "Decrypt", { CiphertextBlob = blob, EncryptionContext = context }), "InvalidCiphertextException")
  end
  test.equal(aws:refusal("kms", "Decrypt", { CiphertextBlob = blob }), "InvalidCiphertextException")
  for _, place in ipairs { 1, 60, 100, #raw - 20, #raw } do
    local changed = raw:sub(1, place - 1) .. string.char(raw:byte(place) ~ 1) .. raw:sub(place + 1)
    local code = aws:refusal("kms", "Decrypt", { CiphertextBlob = crypto.base64(changed), EncryptionContext = CONTEXT }):match("^%w+")
    test.truthy(code == "InvalidCiphertextException" or code == "AccessDeniedException")
  end
  local short = crypto.base64(raw:sub(1, 90))
  test.equal(aws:refusal("kms", "Decrypt", { CiphertextBlob = short, EncryptionContext = CONTEXT }), "InvalidCiphertextException")
  test.equal(aws:refusal("kms", "Decrypt", { CiphertextBlob = "bm90aGluZw==" }), "InvalidCiphertextException")
end

test["a ciphertext knows its key"] = function()
  local aws = client.new()
  local key, other = aws:key(), aws:key()
  local blob = sealed(aws, key)
  aws:call("kms", "CreateAlias", { AliasName = "alias/a", TargetKeyId = key })
  for _, name in ipairs { key, arn_of(key), "alias/a" } do
    aws:call("kms", "Decrypt", { CiphertextBlob = blob, KeyId = name, EncryptionContext = CONTEXT })
  end
  test.equal(aws:refusal("kms", "Decrypt", { CiphertextBlob = blob, KeyId = other, EncryptionContext = CONTEXT }),
    "IncorrectKeyException: The key ID in the request does not identify a CMK that can perform this operation.")
  test.equal(aws:refusal("kms", "Decrypt", { CiphertextBlob = blob, EncryptionContext = CONTEXT }, { region = "eu-west-1" }):match("^%w+"),
    "AccessDeniedException")
end

test["data keys come with and without plaintext, in the size that was asked for"] = function()
  local aws = client.new()
  local key = aws:key()
  local whole = aws:call("kms", "GenerateDataKey", { KeyId = key, KeySpec = "AES_256" })
  test.equal(aws:call("kms", "Decrypt", { CiphertextBlob = whole.CiphertextBlob }).Plaintext, whole.Plaintext)
  test.equal(#require("crypto").unbase64(whole.Plaintext), 32)
  local bare = aws:call("kms", "GenerateDataKeyWithoutPlaintext", { KeyId = key, NumberOfBytes = 64 })
  test.equal(bare.Plaintext, nil)
  test.equal(#require("crypto").unbase64(aws:call("kms", "Decrypt", { CiphertextBlob = bare.CiphertextBlob }).Plaintext), 64)
  for _, wrong in ipairs { { KeyId = key }, { KeyId = key, KeySpec = "AES_256", NumberOfBytes = 3 } } do
    test.equal(aws:refusal("kms", "GenerateDataKey", wrong), "ValidationException: Please specify either number of bytes or key spec.")
  end
end

test["a ciphertext moves to another key"] = function()
  local aws = client.new()
  local key, other = aws:key(), aws:key()
  local moved = aws:call("kms", "ReEncrypt", { CiphertextBlob = sealed(aws, key), SourceEncryptionContext = CONTEXT, DestinationKeyId = other,
    DestinationEncryptionContext = { new = "context" } })
  test.equal({ moved.SourceKeyId, moved.KeyId }, { arn_of(key), arn_of(other) })
  test.equal(aws:call("kms", "Decrypt", { CiphertextBlob = moved.CiphertextBlob, EncryptionContext = { new = "context" } }).Plaintext, "c2VjcmV0")
end

test["a key for signatures encrypts nothing"] = function()
  local aws = client.new()
  local key = aws:key { KeySpec = "RSA_2048", KeyUsage = "SIGN_VERIFY" }
  test.equal(aws:refusal("kms", "Encrypt", { KeyId = key, Plaintext = "aGk=" }),
    "InvalidKeyUsageException: " .. arn_of(key) .. " key usage is SIGN_VERIFY which is not valid for Encrypt.")
end

test["a dry run that would go well is refused as such, any other as always"] = function()
  local aws = client.new()
  local key = aws:key()
  local blob = sealed(aws, key)
  local well = "DryRunOperationException: The request would have succeeded, but the DryRun option is set."
  local calls = { Encrypt = { KeyId = key, Plaintext = "aGk=" }, Decrypt = { CiphertextBlob = blob },
    GenerateDataKey = { KeyId = key, KeySpec = "AES_256" }, GenerateDataKeyWithoutPlaintext = { KeyId = key, KeySpec = "AES_256" },
    ReEncrypt = { CiphertextBlob = blob, DestinationKeyId = key } }
  for operation, parameters in sorted(calls) do
    parameters.DryRun = true
    test.equal(aws:refusal("kms", operation, parameters), well)
    test.equal(aws.entries[#aws.entries].write, false)
    test.equal(aws:refusal("kms", operation, parameters, { who = client.READER }):match("^%w+"), "AccessDeniedException")
  end
  test.equal(aws:refusal("kms", "Decrypt", { KeyId = key, DryRun = true, DryRunModifiers = { "IGNORE_CIPHERTEXT" } }), well)
  aws:call("kms", "DisableKey", { KeyId = key })
  for operation, parameters in sorted(calls) do
    test.equal(aws:refusal("kms", operation, parameters):match("^%w+"), "DisabledException")
  end
end

-- Several regions ----------------------------------------------------------------------------------------------------

test["a replica shares id and material, and nothing else"] = function()
  local aws = client.new { replication = 5 }
  local key = aws:key { MultiRegion = true, Tags = { { TagKey = "a", TagValue = "b" } } }
  test.matches(key, "^mrk%-%x+$")
  local made = aws:call("kms", "ReplicateKey", { KeyId = key, ReplicaRegion = "eu-west-1" })
  test.equal({ made.ReplicaKeyMetadata.KeyState, made.ReplicaKeyMetadata.Enabled, made.ReplicaKeyMetadata.CurrentKeyMaterialId, #made.ReplicaTags },
    { "Creating", false, nil, 0 })
  test.equal(aws:refusal("kms", "Encrypt", { KeyId = key, Plaintext = "aGk=" }, { region = "eu-west-1" }):match("^%w+"), "KMSInvalidStateException")
  aws.now = aws.now + 5
  local here, there = metadata(aws, key), metadata(aws, key, { region = "eu-west-1" })
  test.equal({ there.KeyState, there.CurrentKeyMaterialId }, { "Enabled", here.CurrentKeyMaterialId })
  test.equal(here.MultiRegionConfiguration, { MultiRegionKeyType = "PRIMARY", PrimaryKey = { Arn = arn_of(key), Region = "us-east-1" },
    ReplicaKeys = { { Arn = arn_of(key, "eu-west-1"), Region = "eu-west-1" } } })
  local opened = aws:call("kms", "Decrypt", { CiphertextBlob = sealed(aws, key), EncryptionContext = CONTEXT }, { region = "eu-west-1" })
  test.equal({ opened.Plaintext, opened.KeyId }, { "c2VjcmV0", arn_of(key, "eu-west-1") })
  aws:call("kms", "EnableKeyRotation", { KeyId = key })
  test.equal(aws:call("kms", "GetKeyRotationStatus", { KeyId = key }, { region = "eu-west-1" }).KeyRotationEnabled, true)
  test.equal(aws:refusal("kms", "EnableKeyRotation", { KeyId = key }, { region = "eu-west-1" }),
    "UnsupportedOperationException: " .. arn_of(key, "eu-west-1") .. " is not a multi-region primary key.")
  test.equal(aws:refusal("kms", "ReplicateKey", { KeyId = key, ReplicaRegion = "eu-west-1" }):match("^%w+"), "AlreadyExistsException")
  test.equal(aws:refusal("kms", "ReplicateKey", { KeyId = aws:key(), ReplicaRegion = "eu-west-1" }):match(" is not a multi%-region primary key.$"),
    " is not a multi-region primary key.")
end

test["the primary moves, and waits for its replicas before it goes"] = function()
  local aws = client.new()
  local key = aws:key { MultiRegion = true }
  aws:call("kms", "ReplicateKey", { KeyId = key, ReplicaRegion = "eu-west-1" })
  aws:call("kms", "UpdatePrimaryRegion", { KeyId = key, PrimaryRegion = "eu-west-1" })
  test.equal(metadata(aws, key).MultiRegionConfiguration.MultiRegionKeyType, "REPLICA")
  local primary = { region = "eu-west-1" }
  test.equal(aws:call("kms", "ScheduleKeyDeletion", { KeyId = key, PendingWindowInDays = 9 }, primary).KeyState, "PendingReplicaDeletion")
  aws:call("kms", "ScheduleKeyDeletion", { KeyId = key, PendingWindowInDays = 7 })
  aws.now = aws.now + 7 * 86400
  test.equal(aws:refusal("kms", "DescribeKey", { KeyId = key }):match("^%w+"), "NotFoundException")
  test.equal(metadata(aws, key, primary).DeletionDate, aws.now + 9 * 86400)
end

-- Import -------------------------------------------------------------------------------------------------------------

test["key material is brought, wrapped by a real key, and the same must come back"] = function()
  local crypto = require "crypto"
  local aws = client.new()
  local key = aws:key { Origin = "EXTERNAL" }
  test.equal({ metadata(aws, key).KeyState, metadata(aws, key).CurrentKeyMaterialId }, { "PendingImport" })
  local function import(bytes, more)
    local given = aws:call("kms", "GetParametersForImport", { KeyId = key, WrappingAlgorithm = "RSAES_OAEP_SHA_256", WrappingKeySpec = "RSA_2048" })
    local p = { KeyId = key, ImportToken = given.ImportToken, ExpirationModel = "KEY_MATERIAL_DOES_NOT_EXPIRE",
      EncryptedKeyMaterial = crypto.base64(crypto.rsa_oaep_wrap(crypto.unbase64(given.PublicKey), bytes, "sha256")) }
    for name, value in sorted(more or {}) do p[name] = value end
    return aws:send { service = "kms", operation = "ImportKeyMaterial", parameters = p }
  end
  local material = ("m"):rep(32)
  test.equal(import(material, { ExpirationModel = "KEY_MATERIAL_EXPIRES" }).message,
    "A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES")
  test.equal(import(material, { ImportToken = "eA==" }).code, "InvalidImportTokenException")
  test.equal(import("short").code, "InvalidCiphertextException")
  local id = import(material).body.KeyMaterialId
  test.equal({ metadata(aws, key).KeyState, metadata(aws, key).CurrentKeyMaterialId }, { "Enabled", id })
  local blob = sealed(aws, key)
  aws:call("kms", "DeleteImportedKeyMaterial", { KeyId = key })
  test.equal(aws:refusal("kms", "Decrypt", { CiphertextBlob = blob, EncryptionContext = CONTEXT }),
    "KMSInvalidStateException: " .. arn_of(key) .. " is pending import.")
  test.equal(import(("n"):rep(32)).code, "IncorrectKeyMaterialException")
  test.equal(import(material).status, 200)
  test.equal(aws:call("kms", "Decrypt", { CiphertextBlob = blob, EncryptionContext = CONTEXT }).Plaintext, "c2VjcmV0")
end
