--- The simulated KMS: multi-Region keys. A replica shares id, material, rotation and kind with its primary, nothing else.
local auth = require("sim.auth")
local json = require("json")
local kms_policy = require("sim.kms_policy")
local sorted = require("sorted")
local state = require("sim.state")
local wire = require("sim.wire")

local M = {}

-- Every member of the family: primary and replicas.
local function family(root, key)
  local list = {}
  for _, region in sorted(root.aws[key.AWSAccountId].kms) do
    local member = state.find(region.keys, "KeyId", key.KeyId)
    if member and member.MultiRegionConfiguration then list[#list + 1] = member end
  end
  return list
end

local function region_of(key) return key.Arn:match("^arn:[^:]+:kms:([^:]+):") end

-- Writes into each member who the primary is and who the replicas are.
local function introduce(members, primary)
  local replicas = json.array {}
  for _, member in ipairs(members) do
    if member ~= primary then replicas[#replicas + 1] = { Arn = member.Arn, Region = region_of(member) } end
  end
  for _, member in ipairs(members) do
    member.MultiRegionConfiguration = {
      MultiRegionKeyType = member == primary and "PRIMARY" or "REPLICA",
      PrimaryKey = { Arn = primary.Arn, Region = region_of(primary) }, ReplicaKeys = state.copy(replicas),
    }
  end
end

local ROTATION <const> = { "KeyRotationEnabled", "RotationPeriodInDays", "NextRotationDate", "CurrentKeyMaterialId", "KeyMaterials" }

--- What happened to a primary's rotation has happened to its replicas.
---@param call table
---@param key table
function M.share_rotation(call, key)
  if not M.has_replicas(key) or key.Origin ~= "AWS_KMS" then return end
  for _, member in ipairs(family(call.state, key)) do
    if member ~= key then
      for _, name in ipairs(ROTATION) do member[name] = state.copy(key[name]) end
    end
  end
end

--- The material that a replica of imported material must be given: its family's. nil where any will do.
---@param root table  the state
---@param key table
---@return string?  KeyMaterialId
function M.family_material(root, key)
  for _, member in ipairs(key.MultiRegionConfiguration and family(root, key) or {}) do
    if member.CurrentKeyMaterialId then return member.CurrentKeyMaterialId end
  end
end

--- Is the key the copy of another one?
function M.is_replica(key)
  return key.MultiRegionConfiguration ~= nil and key.MultiRegionConfiguration.MultiRegionKeyType == "REPLICA"
end

--- Does a primary have replicas?
function M.has_replicas(key)
  local regions = key.MultiRegionConfiguration
  return regions ~= nil and regions.MultiRegionKeyType == "PRIMARY" and #regions.ReplicaKeys > 0
end

--- A replica that was being made, or a primary that was moving, is done when its time has come.
function M.settle(key, now)
  if key._ready and key._ready <= now then
    key._ready = nil
    if key.KeyState == "Creating" then key.KeyState = key.Origin == "EXTERNAL" and "PendingImport" or "Enabled" end
    if key.KeyState == "Updating" then key.KeyState = key._before or "Enabled" end
    key.Enabled, key._before = key.KeyState == "Enabled", nil
  end
end

--- A key is gone: its family hears of it, and a primary that waited for this begins its own last days.
function M.forget(simulation, key)
  if not M.is_replica(key) then return end
  local members, primary = family(simulation.state, key), nil
  for _, member in ipairs(members) do
    if member.MultiRegionConfiguration.MultiRegionKeyType == "PRIMARY" then primary = member end
  end
  if not primary then return end
  introduce(members, primary)
  if primary.KeyState == "PendingReplicaDeletion" and #members == 1 then
    primary.KeyState = "PendingDeletion"
    primary.DeletionDate = math.floor(simulation:time()) + primary.PendingDeletionWindowInDays * 86400
    primary.PendingDeletionWindowInDays = nil
  end
end

-- Only one member of a family may be copied and moved.
local function need_primary(key)
  local regions = key.MultiRegionConfiguration
  if not regions or regions.MultiRegionKeyType ~= "PRIMARY" then
    wire.refuse("UnsupportedOperationException", ("%s is not a multi-region primary key."):format(key.Arn))
  end
end

local SHARED <const> = { "KeyId", "KeySpec", "CustomerMasterKeySpec", "KeyUsage", "Origin", "MultiRegion" }

local function draft(call, key, p)
  local replica = { Description = p.Description, KeyState = "Creating", _ready = call.now + (call.simulation.replication or 0), Tags = json.array {},
    MultiRegionConfiguration = {} }
  for _, name in ipairs(SHARED) do replica[name] = key[name] end
  for _, name in ipairs(key.Origin == "AWS_KMS" and ROTATION or {}) do replica[name] = state.copy(key[name]) end
  return state.complete_key(call.simulation, key.AWSAccountId, p.ReplicaRegion, replica)
end

local function replicate_key(kms)
  local keys = require("sim.kms_keys")
  return function(call, p, key)
    need_primary(key)
    kms.check_state(key, "replicate")
    local home = call.region
    local here = state.region(call.state, key.AWSAccountId, p.ReplicaRegion)
    if state.find(here.keys, "KeyId", key.KeyId) then
      wire.refuse("AlreadyExistsException", ("A replica of the key %s already exists in the Region %s."):format(key.Arn, p.ReplicaRegion))
    end
    keys.check_tags(call, p.Tags)
    call.region = p.ReplicaRegion
    auth.authorize(call, { action = "kms:CreateKey", resource = "*", context = kms.context_of(call, { MultiRegion = true }, p) })
    local replica = draft(call, key, p)
    keys.merge_tags(replica.Tags, p.Tags)
    kms_policy.set(call, replica, p.Policy, p.BypassPolicyLockoutSafetyCheck)
    call.region = home
    table.insert(here.keys, replica)
    introduce(family(call.state, key), key)
    local shown = keys.metadata(replica)
    shown.CurrentKeyMaterialId = nil
    local tags = json.array {}
    for index, tag in ipairs(replica.Tags) do tags[index] = state.copy(tag) end
    return { ReplicaKeyMetadata = shown, ReplicaPolicy = replica.Policy, ReplicaTags = tags }
  end
end

local function update_primary_region(kms)
  return function(call, p, key)
    need_primary(key)
    kms.check_state(key, "primary")
    local replica = state.find_key(call.state, key.AWSAccountId, p.PrimaryRegion, key.KeyId)
    if not replica then wire.refuse("NotFoundException", ("Key '%s' does not exist"):format(key.Arn:gsub(call.region, p.PrimaryRegion, 1))) end
    kms.check_state(replica, "primary")
    introduce(family(call.state, key), replica)
    for _, member in ipairs { key, replica } do
      member._before, member._ready = member._before or member.KeyState, call.now + (call.simulation.replication or 0)
      kms.set_state(member, "Updating")
    end
  end
end

--- The rows of these operations.
---@param kms table  sim.kms: its tools
function M.operations(kms)
  local r = kms.rules
  local region = { type = "string", required = true, min = 1, max = 32, pattern = { "([a-z]+-){2,3}\\d+", "^%l+%-[%l-]+%-%d+$" } }
  return {
    ReplicateKey = { write = true, run = replicate_key(kms), parameters = { KeyId = r.key, ReplicaRegion = region, Policy = r.policy,
      Description = r.description, Tags = r.tags, BypassPolicyLockoutSafetyCheck = r.flag } },
    UpdatePrimaryRegion = { write = true, run = update_primary_region(kms), parameters = { KeyId = r.key, PrimaryRegion = region } },
  }
end

return M
