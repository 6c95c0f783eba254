--- KMS, API version 2014-11-01: keys, aliases, policies, tags, rotation, use. Each call names its region, or a key's ARN that does.

local operations = require "aws.operations"
local refusal = require "refusal"

local M = {}

local METADATA <const> = { ["KeyMetadata!"] = { ["Arn!"] = "text", ["KeyId!"] = "text", KeyState = "text", KeySpec = "text", KeyUsage = "text",
  Origin = "text", Description = "text", MultiRegion = "truth", Enabled = "truth", CreationDate = "number", DeletionDate = "number" } }

-- A key has one policy, and its name was mandatory until 2023: the emulators and older endpoints want it.
local ONE_POLICY <const> = { PolicyName = "default" }

--- Rates are KMS's quotas of requests a second and region. A write that is not `safe` is not known to be harmless when it
--- is done twice; using a key changes nothing.
---@type table<string, aws.Operation>
local OPERATIONS <const> = {
  DescribeKey = { safe = true, result = METADATA }, GetKeyPolicy = { safe = true, with = ONE_POLICY, result = { ["Policy!"] = "text" } },
  GetKeyRotationStatus = { safe = true, result = { ["KeyRotationEnabled!"] = "truth", RotationPeriodInDays = "number" } },
  ListKeys = { list = "Keys", of = { ["KeyId!"] = "text", KeyArn = "text" } },
  ListAliases = { list = "Aliases", of = { ["AliasName!"] = "text", TargetKeyId = "text", AliasArn = "text" } },
  ListResourceTags = { list = "Tags", of = { ["TagKey!"] = "text", TagValue = "text" } },
  GetKeyLastUsage = { safe = true, result = { KeyLastUsage = { Operation = "text", Timestamp = "number" }, TrackingStartDate = "number" } },
  ListKeyRotations = { list = "Rotations" }, ListKeyPolicies = { list = "PolicyNames", of = "text" }, ListGrants = { list = "Grants" },
  Encrypt = { safe = true }, Decrypt = { safe = true }, ReEncrypt = { safe = true }, GenerateDataKey = { safe = true },
  GenerateDataKeyWithoutPlaintext = { safe = true },
  ReplicateKey = { rate = 5, result = { ["ReplicaKeyMetadata!"] = METADATA["KeyMetadata!"] } }, UpdatePrimaryRegion = { rate = 5 },
  CreateKey = { rate = 5, result = METADATA }, CreateAlias = { rate = 5 }, UpdateAlias = { safe = true, rate = 5 },
  DeleteAlias = { rate = 15 }, PutKeyPolicy = { safe = true, rate = 15, with = ONE_POLICY }, UpdateKeyDescription = {},
  TagResource = { safe = true, rate = 10 }, UntagResource = { rate = 5 },
  EnableKeyRotation = { safe = true, rate = 15 }, DisableKeyRotation = { rate = 5 }, RotateKeyOnDemand = {},
  EnableKey = { safe = true, rate = 5 }, DisableKey = { safe = true, rate = 5 },
  ScheduleKeyDeletion = { rate = 15 }, CancelKeyDeletion = { rate = 5 },
  GetParametersForImport = { safe = true, rate = 0.25, result = { ["PublicKey!"] = "text" } },   -- each asking gives a new pair
  ImportKeyMaterial = { rate = 15 }, DeleteImportedKeyMaterial = { rate = 15 },
}

M.OPERATIONS = OPERATIONS

--- The operations as functions, each under its name in snake_case, with parameters and answers as the API names them;
--- lists are whole. What was asked with DryRun and would have been done answers { DryRun = true }.
---@param caller aws.Caller
---@return table<string, fun(parameters: table|string?): table>
function M.new(caller)
  local kms = operations.functions(caller, "kms", OPERATIONS, true)

  --- The alias of that name; nil when the region has none. KMS has no filter by name: all are read.
  ---@param want { region: string, name: string }
  ---@return { AliasName: string, TargetKeyId: string? }?
  ---@example kms.find_alias { region = "us-east-1", name = "alias/crdb-cmek-orders-0123456789ab-g1" }
  function kms.find_alias(want)
    for _, alias in ipairs(kms.list_aliases { region = want.region }.Aliases) do
      if alias.AliasName == want.name then return alias end
    end
  end

  --- A key's metadata; nil when there is no such key.
  ---@param want { region: string?, KeyId: string }
  ---@return table?
  function kms.find_key(want)
    local ok, answer = pcall(kms.describe_key, want)
    if ok then return answer.KeyMetadata end
    if refusal.is(answer, "NotFoundException") then return nil end
    error(answer, 0)
  end

  return kms
end

return M
