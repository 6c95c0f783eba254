--- The simulated KMS: rotation. Key.KeyMaterials holds every material that a key ever had, the oldest first.
local json = require("json")
local regions = require("sim.kms_regions")
local wire = require("sim.wire")

local M = {}

local DAY <const> = 86400
local ON_DEMAND_LIMIT <const> = 25

local function rotate(simulation, key, at, kind)
  key.CurrentKeyMaterialId = simulation:hex(32)
  table.insert(key.KeyMaterials, { KeyMaterialId = key.CurrentKeyMaterialId, RotationDate = at, RotationType = kind })
end

--- Does the automatic rotations that have come due.
---@param call table
---@param key table
function M.settle(call, key)
  if regions.is_replica(key) then return end
  while key.KeyRotationEnabled and key.NextRotationDate and key.NextRotationDate <= call.now and key.KeyState == "Enabled" do
    rotate(call.simulation, key, key.NextRotationDate, "AUTOMATIC")
    key.NextRotationDate = key.NextRotationDate + key.RotationPeriodInDays * DAY
    regions.share_rotation(call, key)
  end
end

local function check_kind(kms, key)
  if key.KeySpec ~= "SYMMETRIC_DEFAULT" then
    wire.refuse("UnsupportedOperationException", ("%s key spec is %s which is not valid for this operation."):format(key.Arn, key.KeySpec))
  end
  if key.Origin ~= "AWS_KMS" then kms.wrong_origin(key) end
  if regions.is_replica(key) then
    wire.refuse("UnsupportedOperationException", ("%s is not a multi-region primary key."):format(key.Arn))
  end
end

local function enable_key_rotation(kms)
  return function(call, p, key)
    check_kind(kms, key)
    kms.check_state(key, "rotation")
    local period = p.RotationPeriodInDays or key.KeyRotationEnabled and key.RotationPeriodInDays or 365
    if not key.KeyRotationEnabled or period ~= key.RotationPeriodInDays then key.NextRotationDate = math.floor(call.now) + period * DAY end
    key.KeyRotationEnabled, key.RotationPeriodInDays = true, period
    regions.share_rotation(call, key)
  end
end

local function disable_key_rotation(kms)
  return function(call, _, key)
    check_kind(kms, key)
    kms.check_state(key, "rotation")
    key.KeyRotationEnabled, key.RotationPeriodInDays, key.NextRotationDate = false, nil, nil
    regions.share_rotation(call, key)
  end
end

local function get_key_rotation_status(_, p, key)
  local enabled = key.KeyRotationEnabled and not key.KeyState:find("^Pending")
  return {
    KeyId = p.KeyId, KeyRotationEnabled = enabled, RotationPeriodInDays = enabled and key.RotationPeriodInDays or nil,
    NextRotationDate = enabled and key.NextRotationDate or nil,
  }
end

local function rotate_key_on_demand(kms)
  return function(call, _, key)
    check_kind(kms, key)
    kms.check_state(key, "rotation")
    local count = 0
    for _, material in ipairs(key.KeyMaterials) do
      if material.RotationType == "ON_DEMAND" then count = count + 1 end
    end
    if count >= ON_DEMAND_LIMIT then
      wire.refuse("LimitExceededException", "The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations \z
        can be performed for this key: " .. key.Arn)
    end
    rotate(call.simulation, key, call.now, "ON_DEMAND")
    regions.share_rotation(call, key)
    return { KeyId = key.KeyId }
  end
end

local function list_key_rotations(kms)
  return function(call, p, key)
    local list, place = {}, {}
    for index, material in ipairs(key.KeyMaterials) do
      if material.RotationDate or p.IncludeKeyMaterial == "ALL_KEY_MATERIAL" then
        local shown = { KeyId = key.KeyId, KeyMaterialId = material.KeyMaterialId, RotationDate = material.RotationDate,
          RotationType = material.RotationType, ImportState = material.ImportState, ExpirationModel = material.ExpirationModel,
          ValidTo = material.ValidTo }
        shown.KeyMaterialState = material.KeyMaterialId == key.CurrentKeyMaterialId and "CURRENT" or "NON_CURRENT"
        list[#list + 1], place[shown] = shown, ("%06d"):format(index)
      end
    end
    return kms.list(call, p, "Rotations", json.array(list), function(item) return place[item] end, 100)
  end
end

--- The rows of these operations.
---@param kms table  sim.kms: its tools
function M.operations(kms)
  local r = kms.rules
  local only_key = { KeyId = r.key }
  return {
    EnableKeyRotation = { write = true, run = enable_key_rotation(kms),
      parameters = { KeyId = r.key, RotationPeriodInDays = { type = "integer", min = 90, max = 2560 } } },
    DisableKeyRotation = { write = true, run = disable_key_rotation(kms), parameters = only_key },
    GetKeyRotationStatus = { cross = true, states = "rotation_status", run = get_key_rotation_status, parameters = only_key },
    RotateKeyOnDemand = { write = true, run = rotate_key_on_demand(kms), parameters = only_key },
    ListKeyRotations = { run = list_key_rotations(kms), parameters = { KeyId = r.key, Limit = r.limit, Marker = r.marker,
      IncludeKeyMaterial = { type = "string", values = { "ALL_KEY_MATERIAL", "ROTATIONS_ONLY" } } } },
  }
end

return M
