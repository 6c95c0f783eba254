--- The simulated KMS: making keys, looking at them, switching and deleting them, their tags.
local auth = require("sim.auth")
local json = require("json")
local kms_policy = require("sim.kms_policy")
local state = require("sim.state")
local wire = require("sim.wire")

local M = {}

local KEY_LIMIT <const> = 100000   -- keys per account and region
local TAG_LIMIT <const> = 50

-- Showing ---------------------------------------------------------------------------------------------------------

local METADATA <const> = { "AWSAccountId", "KeyId", "Arn", "CreationDate", "Enabled", "Description", "KeyUsage", "KeyState", "DeletionDate",
  "ValidTo", "Origin", "ExpirationModel", "KeyManager", "CustomerMasterKeySpec", "KeySpec", "EncryptionAlgorithms", "SigningAlgorithms",
  "MacAlgorithms", "MultiRegion", "MultiRegionConfiguration", "PendingDeletionWindowInDays", "CurrentKeyMaterialId" }

--- KeyMetadata of a key.
---@return table
function M.metadata(key)
  local shown = {}
  for _, name in ipairs(METADATA) do shown[name] = key[name] end
  shown.Enabled = key.KeyState == "Enabled"
  return shown
end

-- Tags ------------------------------------------------------------------------------------------------------------

-- The organization's tag policies: for a tag's key, the values that it may have.
local function check_tag_policy(call, tags)
  local account = call.simulation.state.aws[call.caller.account]
  local policies = account and account.organization and account.organization.TagPolicies or {}
  for _, tag in ipairs(tags or {}) do
    local allowed = policies[tag.TagKey]
    for _, value in ipairs(allowed or {}) do
      if value == tag.TagValue then allowed = nil end
    end
    if allowed then
      wire.refuse("TagException", ("The tag policy does not allow the specified value for the following tag key: '%s'."):format(tag.TagKey))
    end
  end
end

--- Refuses the call when these tags, beside those that are there, are not possible.
function M.check_tags(call, tags, have)
  check_tag_policy(call, tags)
  local seen, count = {}, 0
  for _, tag in ipairs(have or {}) do
    seen[tag.TagKey], count = "old", count + 1
  end
  for _, tag in ipairs(tags or {}) do
    if seen[tag.TagKey] == "new" then wire.refuse("TagException", "Duplicate tag keys") end
    if tag.TagKey:lower():find("^aws:") then wire.refuse("TagException", "Tags beginning with aws: are reserved") end
    if not seen[tag.TagKey] then count = count + 1 end
    seen[tag.TagKey] = "new"
  end
  if count > TAG_LIMIT then wire.refuse("TagException", "Too many tags") end
end

--- The list with these tags set.
function M.merge_tags(have, tags)
  for _, tag in ipairs(tags or {}) do
    local _, index = state.find(have, "TagKey", tag.TagKey)
    have[index or #have + 1] = { TagKey = tag.TagKey, TagValue = tag.TagValue }
  end
  return have
end

-- Making ----------------------------------------------------------------------------------------------------------

-- What a key of this kind can do: usages, and the member that lists its algorithms.
local specs = {
  SYMMETRIC_DEFAULT = { ENCRYPT_DECRYPT = { "EncryptionAlgorithms", "SYMMETRIC_DEFAULT" } },
  RSA_2048 = { ENCRYPT_DECRYPT = { "EncryptionAlgorithms", "RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256" },
    SIGN_VERIFY = { "SigningAlgorithms", "RSASSA_PKCS1_V1_5_SHA_256", "RSASSA_PSS_SHA_256" } },
  ECC_NIST_P256 = { SIGN_VERIFY = { "SigningAlgorithms", "ECDSA_SHA_256" }, KEY_AGREEMENT = { "KeyAgreementAlgorithms", "ECDH" } },
  HMAC_256 = { GENERATE_VERIFY_MAC = { "MacAlgorithms", "HMAC_SHA_256" } },
}
specs.RSA_3072, specs.RSA_4096 = specs.RSA_2048, specs.RSA_2048

local SPECS <const> = { "RSA_2048", "RSA_3072", "RSA_4096", "ECC_NIST_P256", "SYMMETRIC_DEFAULT", "HMAC_256" }

local function kind_of(p)
  local spec = p.KeySpec or p.CustomerMasterKeySpec or "SYMMETRIC_DEFAULT"
  local usage = p.KeyUsage or (spec == "SYMMETRIC_DEFAULT" and "ENCRYPT_DECRYPT")
  if not usage then wire.refuse("ValidationException", "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.") end
  local algorithms = specs[spec][usage]
  if not algorithms then wire.refuse("ValidationException", ("KeyUsage %s is not compatible with KeySpec %s"):format(usage, spec)) end
  return spec, usage, algorithms
end

-- The key as it will be, not in the state yet.
local function draft(call, p)
  local simulation, spec, usage, algorithms = call.simulation, kind_of(p)
  local origin = p.Origin or "AWS_KMS"
  local key = {
    KeyId = p.MultiRegion and "mrk-" .. simulation:hex(16) or simulation:uuid(), CreationDate = call.now, Description = p.Description,
    KeySpec = spec, CustomerMasterKeySpec = spec, KeyUsage = usage, Origin = origin, MultiRegion = p.MultiRegion == true,
    KeyState = origin == "EXTERNAL" and "PendingImport" or "Enabled", Tags = M.merge_tags(json.array {}, p.Tags),
  }
  state.complete_key(simulation, call.caller.account, call.region, key)
  if algorithms[1] ~= "EncryptionAlgorithms" then key.EncryptionAlgorithms, key.CurrentKeyMaterialId = nil, nil end
  key[algorithms[1]] = json.array { table.unpack(algorithms, 2) }
  if p.MultiRegion then
    key.MultiRegionConfiguration = { MultiRegionKeyType = "PRIMARY", PrimaryKey = { Arn = key.Arn, Region = call.region },
      ReplicaKeys = json.array {} }
  end
  return key
end

local function create_key(kms)
  return function(call, p)
    local context = kms.context_of(call, { KeySpec = p.KeySpec or "SYMMETRIC_DEFAULT", KeyUsage = p.KeyUsage or "ENCRYPT_DECRYPT",
      Origin = p.Origin or "AWS_KMS", MultiRegion = p.MultiRegion == true }, p)
    auth.authorize(call, { action = "kms:CreateKey", resource = "*", context = context })
    if p.Tags and #p.Tags > 0 then
      auth.authorize(call, { action = "kms:TagResource", resource = kms.arn(call, call.caller.account, "key/*"), context = context })
    end
    if p.Origin == "AWS_CLOUDHSM" or p.Origin == "EXTERNAL_KEY_STORE" then
      wire.refuse("ValidationException", "You must specify a CustomKeyStoreId for a KMS key with this origin.")
    end
    M.check_tags(call, p.Tags)
    local here = state.region(call.state, call.caller.account, call.region)
    if #here.keys >= KEY_LIMIT then wire.refuse("LimitExceededException", "You have reached the limit of KMS keys in this account and Region.") end
    local key = draft(call, p)
    kms_policy.set(call, key, p.Policy, p.BypassPolicyLockoutSafetyCheck)
    table.insert(here.keys, key)
    return { KeyMetadata = M.metadata(key) }
  end
end

-- The rest --------------------------------------------------------------------------------------------------------

local function list_keys(kms)
  return function(call, p)
    auth.authorize(call, { action = "kms:ListKeys", resource = "*" })
    local list = {}
    for index, key in ipairs(state.region(call.state, call.caller.account, call.region).keys) do
      list[index] = { KeyId = key.KeyId, KeyArn = key.Arn }
    end
    return kms.list(call, p, "Keys", list, function(item) return item.KeyId end, 100)
  end
end

local DAY <const> = 86400

local function schedule_key_deletion(kms)
  return function(call, p, key)
    local days = p.PendingWindowInDays or 30
    if require("sim.kms_regions").has_replicas(key) then
      kms.set_state(key, "PendingReplicaDeletion")
      key.PendingDeletionWindowInDays = days
    else
      kms.set_state(key, "PendingDeletion")
      key.DeletionDate = math.floor(call.now) + days * DAY
    end
    return { KeyId = key.Arn, DeletionDate = key.DeletionDate, KeyState = key.KeyState, PendingWindowInDays = days }
  end
end

local function cancel_key_deletion(kms)
  return function(_, _, key)
    local empty = key.Origin == "EXTERNAL" and not key.ExpirationModel
    kms.set_state(key, empty and "PendingImport" or "Disabled")
    key.DeletionDate, key.PendingDeletionWindowInDays = nil, nil
    return { KeyId = key.Arn }
  end
end

local function untag_resource(_, p, key)
  for _, name in ipairs(p.TagKeys) do
    if name:lower():find("^aws:") then wire.refuse("TagException", "Tags beginning with aws: are reserved") end
    local _, index = state.find(key.Tags, "TagKey", name)
    if index then table.remove(key.Tags, index) end
  end
  key._tagged = true   -- it stays in the index of tagged resources
end

local function list_resource_tags(kms)
  return function(call, p, key)
    local tags = {}
    for index, tag in ipairs(key.Tags) do tags[index] = { TagKey = tag.TagKey, TagValue = tag.TagValue } end
    return kms.list(call, p, "Tags", tags, function(tag) return tag.TagKey end, 50)
  end
end

-- Grants are what a test or a state file put there; none is made here.
local function revoke_grant(_, p, key)
  local _, index = state.find(key.Grants or {}, "GrantId", p.GrantId)
  if not index then wire.refuse("NotFoundException", ("Grant %s is not found."):format(p.GrantId)) end
  table.remove(key.Grants, index)
end

--- The rows of these operations.
---@param kms table  sim.kms: its tools
function M.operations(kms)
  local r = kms.rules
  local only_key = { KeyId = r.key }
  local enums = {
    usage = { type = "string", values = { "SIGN_VERIFY", "ENCRYPT_DECRYPT", "GENERATE_VERIFY_MAC", "KEY_AGREEMENT" } },
    spec = { type = "string", values = SPECS },
    origin = { type = "string", values = { "AWS_KMS", "EXTERNAL", "AWS_CLOUDHSM", "EXTERNAL_KEY_STORE" } },
  }
  return {
    CreateKey = { write = true, key = false, run = create_key(kms), parameters = { Policy = r.policy, Description = r.description,
      KeyUsage = enums.usage, KeySpec = enums.spec, CustomerMasterKeySpec = enums.spec, Origin = enums.origin, MultiRegion = r.flag, Tags = r.tags,
      BypassPolicyLockoutSafetyCheck = r.flag } },
    DescribeKey = { alias = true, cross = true, parameters = { KeyId = r.key, GrantTokens = r.grant_tokens },
      run = function(_, _, key) return { KeyMetadata = M.metadata(key) } end },
    ListKeys = { key = false, run = list_keys(kms), parameters = { Limit = r.limit, Marker = r.marker } },
    EnableKey = { write = true, states = "switch", parameters = only_key, run = function(_, _, key) kms.set_state(key, "Enabled") end },
    DisableKey = { write = true, states = "switch", parameters = only_key, run = function(_, _, key) kms.set_state(key, "Disabled") end },
    UpdateKeyDescription = { write = true, states = "mark", run = function(_, p, key) key.Description = p.Description end,
      parameters = { KeyId = r.key, Description = { type = "string", required = true, max = 8192 } } },
    ScheduleKeyDeletion = { write = true, states = "schedule", run = schedule_key_deletion(kms),
      parameters = { KeyId = r.key, PendingWindowInDays = { type = "integer", min = 7, max = 30 } } },
    CancelKeyDeletion = { write = true, states = "cancel", run = cancel_key_deletion(kms), parameters = only_key },
    TagResource = { write = true, states = "mark", parameters = { KeyId = r.key, Tags = { type = "list", required = true, member = r.tags.member } },
      run = function(call, p, key)
        M.check_tags(call, p.Tags, key.Tags)
        M.merge_tags(key.Tags, p.Tags)
      end },
    UntagResource = { write = true, states = "mark", run = untag_resource, parameters = { KeyId = r.key, TagKeys = r.tag_keys } },
    ListResourceTags = { run = list_resource_tags(kms),
      parameters = { KeyId = r.key, Marker = r.marker, Limit = { type = "integer", min = 1, max = 50 } } },
    RevokeGrant = { write = true, run = revoke_grant,
      parameters = { KeyId = r.key, GrantId = { type = "string", required = true, min = 1, max = 128 } } },
    ListGrants = { cross = true, parameters = { KeyId = r.key, Limit = r.limit, Marker = r.marker },
      run = function(call, p, key) return kms.list(call, p, "Grants", key.Grants or {}, function(grant) return grant.GrantId end, 50) end },
  }
end

return M
