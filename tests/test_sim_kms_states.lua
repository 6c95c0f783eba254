-- The simulated KMS: states of keys, table 5.7 of the fact sheet cell by cell; deletion, tags, rotation.
local sorted = require "sorted"
local client = dofile "tests/sim_client.lua"

local ACCOUNT <const> = "210987654321"

local function arn_of(key, region) return ("arn:aws:kms:%s:%s:key/%s"):format(region or "us-east-1", ACCOUNT, key) end

local function metadata(aws, key, more) return aws:call("kms", "DescribeKey", { KeyId = key }, more).KeyMetadata end

-- The key itself, behind the service's back.
local function inside(aws, key, region)
  for _, one in ipairs(aws.simulation.state.aws[ACCOUNT].kms[region or "us-east-1"].keys) do
    if one.KeyId == key then return one end
  end
end

-- States -------------------------------------------------------------------------------------------------------------

local D, S, U, OK = "DisabledException", "KMSInvalidStateException", "UnsupportedOperationException", "ok"
local STATES <const> = { "Disabled", "PendingDeletion", "PendingReplicaDeletion", "PendingImport", "Creating", "Updating" }

-- Section 5.7, cell by cell: what each call does with a key in the states above, in their order. "D or S" is S here.
local table_5_7 = {
  DescribeKey          = { OK, OK, OK, OK, OK, OK },
  GetKeyPolicy         = { OK, OK, OK, OK, OK, OK },
  PutKeyPolicy         = { OK, OK, OK, OK, OK, OK },
  ListResourceTags     = { OK, OK, OK, OK, OK, OK },
  ListKeyPolicies      = { OK, OK, OK, OK, OK, OK },
  ListKeyRotations     = { OK, OK, OK, OK, OK, OK },
  DeleteAlias          = { OK, OK, OK, OK, OK, OK },
  Encrypt              = { D, S, S, S, S, OK },
  Decrypt              = { D, S, S, S, S, OK },
  ReEncrypt            = { D, S, S, S, S, OK },
  GenerateDataKey      = { D, S, S, S, S, OK },
  GenerateDataKeyWithoutPlaintext = { D, S, S, S, S, OK },
  EnableKey            = { OK, S, S, S, S, S },
  DisableKey           = { OK, S, S, S, S, S },
  CreateAlias          = { OK, S, S, OK, OK, OK },
  TagResource          = { OK, S, S, OK, OK, OK },
  UntagResource        = { OK, S, S, OK, OK, OK },
  UpdateKeyDescription = { OK, S, S, OK, OK, OK },
  UpdateAlias          = { OK, S, S, OK, OK, OK },
  EnableKeyRotation    = { D, S, S, U, S, OK },
  DisableKeyRotation   = { D, S, S, U, S, OK },
  GetKeyRotationStatus = { OK, OK, OK, U, OK, OK },
  ReplicateKey         = { D, S, S, S, S, S },
  UpdatePrimaryRegion  = { D, S, S, S, S, OK },
  GetParametersForImport    = { OK, S, S, OK, S, S },
  ImportKeyMaterial         = { OK, S, S, OK, S, OK },
  DeleteImportedKeyMaterial = { OK, OK, OK, OK, S, S },
  ScheduleKeyDeletion  = { OK, S, S, OK, OK, S },
  CancelKeyDeletion    = { S, OK, OK, S, S, S },
}

-- What each operation needs beside the key.
local function arguments(aws, operation, key, other)
  local more = {
    PutKeyPolicy = { Policy = client.key_policy(ACCOUNT, "arn:aws:iam::210987654321:root") },
    Encrypt = { Plaintext = "aGk=" }, Decrypt = { CiphertextBlob = aws.blob }, ReEncrypt = { CiphertextBlob = aws.blob, DestinationKeyId = other },
    GenerateDataKey = { KeySpec = "AES_256" }, GenerateDataKeyWithoutPlaintext = { KeySpec = "AES_256" },
    CreateAlias = { AliasName = "alias/new", TargetKeyId = key }, UpdateAlias = { AliasName = "alias/other", TargetKeyId = key },
    DeleteAlias = { AliasName = "alias/mine" },
    TagResource = { Tags = { { TagKey = "a", TagValue = "b" } } }, UntagResource = { TagKeys = { "a" } },
    UpdateKeyDescription = { Description = "d" }, ReplicateKey = { ReplicaRegion = "eu-west-1" },
    UpdatePrimaryRegion = { PrimaryRegion = "eu-west-1" },
    GetParametersForImport = { WrappingAlgorithm = "RSAES_OAEP_SHA_256", WrappingKeySpec = "RSA_2048" },
    ImportKeyMaterial = { ImportToken = "eA==", EncryptedKeyMaterial = "eA==", ExpirationModel = "KEY_MATERIAL_DOES_NOT_EXPIRE" },
  }
  local p = more[operation] or {}
  if operation:find("Alias$") == nil then p.KeyId = key end
  if operation == "Decrypt" or operation == "ReEncrypt" then p.KeyId = nil end
  return p
end

local imports = { GetParametersForImport = true, ImportKeyMaterial = true, DeleteImportedKeyMaterial = true }
local families = { ReplicateKey = true, UpdatePrimaryRegion = true }

local function try(operation, state)
  local aws = client.new()
  local key = aws:key { MultiRegion = families[operation] }
  local other = aws:key()
  aws:call("kms", "CreateAlias", { AliasName = "alias/mine", TargetKeyId = key })
  aws:call("kms", "CreateAlias", { AliasName = "alias/other", TargetKeyId = other })
  aws.blob = aws:call("kms", "Encrypt", { KeyId = key, Plaintext = "aGk=" }).CiphertextBlob
  if operation == "UpdatePrimaryRegion" then aws:call("kms", "ReplicateKey", { KeyId = key, ReplicaRegion = "eu-west-1" }) end
  local row = inside(aws, key)
  row.KeyState = state
  if imports[operation] or (state == "PendingImport" and not families[operation]) then row.Origin = "EXTERNAL" end
  local answer = aws:send { service = "kms", operation = operation, parameters = arguments(aws, operation, key, other) }
  -- The token is none: then the state was no obstacle.
  if answer.code == "InvalidImportTokenException" then return OK end
  if answer.code == "MalformedPolicyDocumentException" then return answer.message end
  return answer.code or OK
end

for operation, cells in sorted(table_5_7) do
  test[("%s does in every state of a key what the table says"):format(operation)] = function()
    for index, state in ipairs(STATES) do
      test.equal({ state, try(operation, state) }, { state, cells[index] })
    end
  end
end

test["a state that forbids is named with the key"] = function()
  local aws = client.new()
  local key = aws:key()
  local function refused(operation, state)
    inside(aws, key).KeyState = state
    return (aws:refusal("kms", operation, { KeyId = key, Plaintext = "aGk=" }))
  end
  local arn = arn_of(key)
  test.equal(refused("Encrypt", "Disabled"), "DisabledException: " .. arn .. " is disabled.")
  test.equal(refused("Encrypt", "PendingDeletion"),
    "KMSInvalidStateException: " .. arn .. " is pending deletion (or pending replica deletion).")
  test.equal(refused("Encrypt", "PendingImport"), "KMSInvalidStateException: " .. arn .. " is pending import.")
  test.equal(refused("Encrypt", "Creating"), "KMSInvalidStateException: " .. arn .. " is creating.")
  test.equal(refused("EnableKey", "Updating"), "KMSInvalidStateException: " .. arn .. " is updating.")
  test.equal(refused("CancelKeyDeletion", "Enabled"),
    "KMSInvalidStateException: " .. arn .. " is not pending deletion (or pending replica deletion).")
  inside(aws, key).Origin = "EXTERNAL"
  test.equal(refused("EnableKeyRotation", "Enabled"),
    "UnsupportedOperationException: " .. arn .. " origin is EXTERNAL which is not valid for this operation.")
  inside(aws, key).Origin = "AWS_KMS"
  test.equal((aws:refusal("kms", "DeleteImportedKeyMaterial", { KeyId = key })),
    "UnsupportedOperationException: " .. arn .. " origin is AWS_KMS which is not valid for this operation.")
end

test["deletion can be cancelled, leaves the key disabled, and happens when its day comes"] = function()
  local aws = client.new()
  local key = aws:key()
  aws:call("kms", "CreateAlias", { AliasName = "alias/a", TargetKeyId = key })
  local scheduled = aws:call("kms", "ScheduleKeyDeletion", { KeyId = key, PendingWindowInDays = 7 })
  test.equal(scheduled, { KeyId = arn_of(key), DeletionDate = 1769936400 + 7 * 86400, KeyState = "PendingDeletion", PendingWindowInDays = 7 })
  test.equal(metadata(aws, key).Enabled, false)
  test.equal(aws:call("kms", "CancelKeyDeletion", { KeyId = key }), { KeyId = arn_of(key) })
  local after = metadata(aws, key)
  test.equal({ after.KeyState, after.DeletionDate }, { "Disabled" })
  aws:call("kms", "EnableKey", { KeyId = key })
  test.equal(metadata(aws, key).Enabled, true)
  aws:call("kms", "ScheduleKeyDeletion", { KeyId = key })
  aws.now = aws.now + 30 * 86400 - 1
  test.equal(aws:refusal("kms", "CreateAlias", { AliasName = "alias/a", TargetKeyId = aws:key() }),
    "AlreadyExistsException: An alias with the name arn:aws:kms:us-east-1:210987654321:alias/a already exists")
  aws.now = aws.now + 1
  test.equal(aws:refusal("kms", "DescribeKey", { KeyId = key }):match("^%w+"), "NotFoundException")
  aws:call("kms", "CreateAlias", { AliasName = "alias/a", TargetKeyId = aws:key() })
end

-- Tags and rotation --------------------------------------------------------------------------------------------------

test["tags are set, replaced, listed in pages and removed"] = function()
  local aws = client.new()
  local key = aws:key { Tags = { { TagKey = "a", TagValue = "1" }, { TagKey = "b", TagValue = "2" } } }
  aws:call("kms", "TagResource", { KeyId = key, Tags = { { TagKey = "a", TagValue = "3" }, { TagKey = "c", TagValue = "" } } })
  local page = aws:call("kms", "ListResourceTags", { KeyId = key, Limit = 2 })
  test.equal({ page.Tags, page.Truncated }, { { { TagKey = "a", TagValue = "3" }, { TagKey = "b", TagValue = "2" } }, true })
  test.equal(aws:call("kms", "ListResourceTags", { KeyId = key, Marker = page.NextMarker }).Tags, { { TagKey = "c", TagValue = "" } })
  aws:call("kms", "UntagResource", { KeyId = key, TagKeys = { "a", "x" } })
  test.equal(#aws:call("kms", "ListResourceTags", { KeyId = key }).Tags, 2)
end

test["tags that cannot be are refused"] = function()
  local aws = client.new()
  local key = aws:key()
  local function refused(tags) return (aws:refusal("kms", "TagResource", { KeyId = key, Tags = tags })) end
  test.equal(refused { { TagKey = "a", TagValue = "" }, { TagKey = "a", TagValue = "1" } }, "TagException: Duplicate tag keys")
  test.equal(refused { { TagKey = "AWS:a", TagValue = "" } }, "TagException: Tags beginning with aws: are reserved")
  local many = {}
  for index = 1, 51 do many[index] = { TagKey = "k" .. index, TagValue = "" } end
  test.equal(refused(many), "TagException: Too many tags")
end

test["rotation has a period and a next day, and comes when that day does"] = function()
  local aws = client.new()
  local key = aws:key()
  test.equal(aws:call("kms", "GetKeyRotationStatus", { KeyId = key }), { KeyId = key, KeyRotationEnabled = false })
  aws:call("kms", "EnableKeyRotation", { KeyId = key, RotationPeriodInDays = 90 })
  test.equal(aws:call("kms", "GetKeyRotationStatus", { KeyId = key }),
    { KeyId = key, KeyRotationEnabled = true, RotationPeriodInDays = 90, NextRotationDate = 1769936400 + 90 * 86400 })
  local blob = aws:call("kms", "Encrypt", { KeyId = key, Plaintext = "aGk=" }).CiphertextBlob
  local before = metadata(aws, key).CurrentKeyMaterialId
  aws.now = aws.now + 181 * 86400
  local rotations = aws:call("kms", "ListKeyRotations", { KeyId = key }).Rotations
  test.equal({ #rotations, rotations[1].RotationType, rotations[1].RotationDate }, { 2, "AUTOMATIC", 1769936400 + 90 * 86400 })
  test.truthy(metadata(aws, key).CurrentKeyMaterialId ~= before)
  test.equal(aws:call("kms", "Decrypt", { CiphertextBlob = blob }).KeyMaterialId, before)
  test.equal(aws:call("kms", "GetKeyRotationStatus", { KeyId = key }).NextRotationDate, 1769936400 + 270 * 86400)
  aws:call("kms", "DisableKeyRotation", { KeyId = key })
  test.equal(aws:call("kms", "GetKeyRotationStatus", { KeyId = key }), { KeyId = key, KeyRotationEnabled = false })
end

test["a key is rotated on demand twenty-five times"] = function()
  local aws = client.new()
  local key = aws:key()
  for _ = 1, 25 do aws:call("kms", "RotateKeyOnDemand", { KeyId = key }) end
  test.equal(aws:refusal("kms", "RotateKeyOnDemand", { KeyId = key }), "LimitExceededException: The on-demand rotations limit has been reached for \z
    the given keyId. No more on-demand rotations can be performed for this key: " .. arn_of(key))
  local page = aws:call("kms", "ListKeyRotations", { KeyId = key, Limit = 20, IncludeKeyMaterial = "ALL_KEY_MATERIAL" })
  test.equal({ #page.Rotations, page.Rotations[1].RotationDate, page.Truncated }, { 20, nil, true })
  test.equal(#aws:call("kms", "ListKeyRotations", { KeyId = key, Marker = page.NextMarker, IncludeKeyMaterial = "ALL_KEY_MATERIAL" }).Rotations, 6)
end
