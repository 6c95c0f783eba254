--- KMS, API version 2014-11-01: keys, aliases, policies, tags, rotation, use. Each call names its region.

local operations = require "aws.operations"

local M = {}

---@type table<string, aws.Operation>
local OPERATIONS <const> = {
  CreateKey = { rate = 5, result = { "KeyMetadata" } }, DescribeKey = { safe = true, result = { "KeyMetadata" } },
  ListKeys = { list = "Keys" }, ListAliases = { list = "Aliases" }, ListResourceTags = { list = "Tags" }, ListKeyRotations = { list = "Rotations" },
  ListKeyPolicies = { list = "PolicyNames" },
  CreateAlias = { rate = 5 }, UpdateAlias = { safe = true, rate = 5 }, DeleteAlias = { rate = 15 },
  GetKeyPolicy = { safe = true, result = { "Policy" } }, PutKeyPolicy = { safe = true, rate = 15 },
  TagResource = { safe = true, rate = 10 }, UntagResource = { safe = true, rate = 5 },
  EnableKeyRotation = { safe = true, rate = 15 }, DisableKeyRotation = { safe = true, rate = 5 }, GetKeyRotationStatus = { safe = true },
  RotateKeyOnDemand = {}, EnableKey = { safe = true, rate = 5 }, DisableKey = { safe = true, rate = 5 },
  ScheduleKeyDeletion = { rate = 15 }, CancelKeyDeletion = { rate = 5 }, UpdateKeyDescription = { safe = true },
  Encrypt = { safe = true }, Decrypt = { safe = true }, ReEncrypt = { safe = true }, GenerateDataKey = { safe = true },
  GenerateDataKeyWithoutPlaintext = { safe = true },
}

---@param caller aws.Caller
function M.new(caller)
  local kms = operations.functions(caller, "kms", OPERATIONS, true)

  -- A key has one policy, and its name was mandatory until 2023: the emulators and older endpoints want it.
  for _, name in ipairs { "get_key_policy", "put_key_policy" } do
    local call = kms[name]
    kms[name] = function(parameters)
      local named = { PolicyName = "default" }
      for key, value in require("sorted")(parameters) do named[key] = value end
      return call(named)
    end
  end

  --- The alias of that name; nil when the region has none. KMS has no filter by name: all are read.
  ---@param want { region: string, name: string }
  ---@return { AliasName: string, TargetKeyId: string? }?
  function kms.find_alias(want)
    for _, alias in ipairs(kms.list_aliases { region = want.region }.Aliases) do
      if alias.AliasName == want.name then return alias end
    end
  end

  --- A key's metadata; nil when there is no such key.
  ---@param want { region: string, KeyId: string }
  function kms.find_key(want)
    local ok, answer = pcall(kms.describe_key, want)
    if ok then return answer.KeyMetadata end
    if require("refusal").is(answer, "NotFoundException") then return nil end
    error(answer, 0)
  end

  return kms
end

return M
