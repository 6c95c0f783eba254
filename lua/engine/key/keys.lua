--- KMS keys as they are now: metadata, policy, tags and rotation of one key, read together.
local names = require "names"
local time = require "time"

local M = {}

---@class engine.Key
---@field id string
---@field arn string
---@field state string         KeyState
---@field metadata table       KeyMetadata
---@field policy string?       JSON text; nil when it could not be read
---@field tags table<string, string>
---@field rotation { enabled: boolean?, period: integer?, next: number? }  nil fields: KMS did not say; next: seconds since the epoch
---@field unreadable table<string, table>  by part, the refusal

--- Tags as KMS lists them, by key.
---@param list { TagKey: string, TagValue: string }[]?
---@return table<string, string>
function M.tags(list)
  local map = {}
  for _, tag in ipairs(list or {}) do map[tag.TagKey] = tag.TagValue end
  return map
end

-- A part of a key; what may not be read, or does not exist for such keys, is left out and noted.
local function part(context, unreadable, name, fn)
  local answer, refused = context:try({ AccessDeniedException = true, UnsupportedOperationException = true, UnknownOperationException = true }, fn)
  if refused then unreadable[name] = refused end
  return answer or {}
end

local function parts(context, region, id, known)
  local kms, unreadable = context.session.kms, {}
  local function reader(name, operation)
    return function()
      return part(context, unreadable, name, function() return operation { region = region, KeyId = id } end)
    end
  end
  local function later(read)
    return function()
      if known.later then context.tasks.sleep(known.later) end
      return read()
    end
  end
  local read = context.tasks.all {
    function()   -- first, since more may depend on what is done before
      if known.before_rotation then known.before_rotation() end
      return reader("rotation", kms.get_key_rotation_status)()
    end,
    function() return known.description or kms.describe_key { region = region, KeyId = id } end,
    later(reader("policy", kms.get_key_policy)),
    later(reader("tags", kms.list_resource_tags)),
  }
  return unreadable, table.unpack(read)
end

--- What a key of CMEK is, fixed for its life.
M.KEPT = { KeySpec = "SYMMETRIC_DEFAULT", KeyUsage = "ENCRYPT_DECRYPT", KeyManager = "CUSTOMER" }

local CANCEL <const> = "cancel its deletion (CancelKeyDeletion) and enable it if it shall be used"
local MENDS <const> = { Disabled = "enable it (EnableKey) if it shall be used", PendingDeletion = CANCEL,
  PendingReplicaDeletion = "it waits for the deletion of its replicas, to be deleted then: " .. CANCEL,
  Creating = "KMS is still making it: run this again in some minutes" }

--- Whether CMEK can use a key as it is now. One whose primary is moving to another region (Updating) encrypts and decrypts all the while.
---@param key engine.Key
---@return boolean
function M.works(key) return key.state == "Enabled" or key.state == "Updating" end

--- Why a key cannot be used for CMEK, whoever's it is; nil when it can.
---@param key engine.Key
---@return string?
function M.unusable(key)
  if not M.works(key) then return ("%s is %s: %s"):format(key.arn, key.state, MENDS[key.state] or "it cannot be used") end
  for _, field in ipairs { "KeyManager", "KeySpec", "KeyUsage" } do
    local value = key.metadata[field]
    if value ~= nil and value ~= M.KEPT[field] then
      return ("%s has %s %s, and CMEK needs %s, which cannot be changed"):format(key.arn, field, value, M.KEPT[field])
    end
  end
end

--- The aliases of a region, as KMS shows them now.
---@param context engine.Context
---@param region string
---@return { AliasName: string, TargetKeyId: string? }[]
function M.aliases(context, region)
  return context.session.kms.list_aliases { region = region, Limit = 100 }.Aliases or {}
end

--- The IDs of all keys of a region, as KMS shows them now.
---@return { KeyId: string, KeyArn: string }[]
function M.list(context, region)
  return context.session.kms.list_keys { region = region, Limit = 1000 }.Keys or {}
end

--- A key and all that belongs to it. Raises KMS's refusal when there is no such key.
---@param context engine.Context
---@param region string
---@param id string  or ARN
---@param known { description: table?, before_rotation: fun()?, later: number? }?  the answer of CreateKey or DescribeKey, when
---  it is fresh; what is done before the rotation is read, while the rest is; seconds that policy and tags can wait
---@return engine.Key
function M.describe(context, region, id, known)
  local unreadable, rotation, description, policy, tags = parts(context, region, id, known or {})
  local metadata = description.KeyMetadata
  return {
    id = metadata.KeyId, arn = metadata.Arn, region = region, state = metadata.KeyState, metadata = metadata,
    policy = policy.Policy, tags = M.tags(tags.Tags), unreadable = unreadable,
    rotation = { enabled = rotation.KeyRotationEnabled, period = rotation.RotationPeriodInDays, next = rotation.NextRotationDate },
  }
end

--- The same; nil while KMS does not show the key.
function M.find(context, region, id, known)
  return (context:try({ NotFoundException = true }, function() return M.describe(context, region, id, known) end))
end

--- Whether it is a multi-Region key. An older KMS does not say so; its ID does.
---@param key engine.Key
---@return boolean
function M.is_multi_region(key)
  if key.metadata.MultiRegion ~= nil then return key.metadata.MultiRegion end
  return key.id:find "^mrk%-" ~= nil
end

--- Whether it is the copy of a multi-Region key of another region, and where the original is.
---@param key engine.Key
---@return boolean replica, string? primary  ARN
function M.is_replica(key)
  local configuration = key.metadata.MultiRegionConfiguration or {}
  return configuration.MultiRegionKeyType == "REPLICA", (configuration.PrimaryKey or {}).Arn
end

local UNTOLD <const> = { AccessDeniedException = true, UnsupportedOperationException = true, UnknownOperationException = true,
  KMSInvalidStateException = true, ValidationException = true }

--- When KMS rotated the material of a key last; nil when it never did.
---@param context engine.Context
---@param key engine.Key
---@return number? moment, table? refused, integer on_demand  why KMS does not say; how often somebody asked for it
function M.last_rotation(context, key)
  local answer, refused = context:try(UNTOLD, function()
    return context.session.kms.list_key_rotations { region = key.region, KeyId = key.arn }
  end)
  local last, on_demand = nil, 0
  for _, rotation in ipairs(answer and answer.Rotations or {}) do
    local moment = time.epoch(rotation.RotationDate)
    if moment and (not last or moment > last) then last = moment end
    on_demand = on_demand + (rotation.RotationType == "ON_DEMAND" and 1 or 0)
  end
  return last, refused, on_demand
end

--- Whether a key was made so lately that its tags may not show yet.
---@param context engine.Context
---@param key engine.Key
---@return boolean
function M.is_young(context, key)
  local created = time.epoch(key.metadata.CreationDate)
  return created ~= nil and context.clock.now() - created < context.LAG
end

--- The description that cmek gives a key of a cluster. It is made with the key and shown with it, before any tag can be late.
---@param cluster table
---@return string
function M.description(cluster) return ("CMEK of CockroachDB cluster %s"):format(cluster.name) end

local BY_VAULT <const> = "/crdb%-cmek%-[^/]*$"   -- the name of the Vault key that it is from is one that cmek gives

--- Whether cmek made a key, or Vault did for it. One that was there before, and was named by its ARN or adopted, bears the cluster's tag as well.
---@param key engine.Key
---@return boolean
function M.is_made(key)
  return key.tags[names.TAG_ATTEMPT] ~= nil or tostring(key.metadata.Description):find("^" .. M.description { name = "" }) ~= nil
    or tostring(key.tags[names.TAG_MATERIAL]):find(BY_VAULT) ~= nil
end

-- Seconds that a run waits for the tags of a key that has none yet: they are made with the key, so they are seldom late.
local TAGS_LATE <const> = 30

-- Without tags, and still perhaps cmek's for this cluster: new, and with the description of such a key.
local function undecided(context, key, cluster)
  return not (key.tags[names.TAG_CLUSTER] or key.unreadable.tags) and M.is_young(context, key)
    and key.metadata.Description == M.description(cluster)
end

--- A key whose owner can be told. A run waits for a key that KMS does not show yet, and for the tags of one that cmek may have
--- made moments ago, this run or another operator's; a stranger's key is not waited for, and a plan shows what is there.
--- nil when KMS does not show the key.
---@param context engine.Context
---@param region string
---@param id string
---@param cluster table
---@return engine.Key?
function M.owned(context, region, id, cluster)
  local key = M.find(context, region, id)
  if context.mode ~= "run" or key and not undecided(context, key, cluster) then return key end
  local reason = key and "key %s in %s is new and by its description made for this cluster, but does not show its tags yet, which tell whose it is"
    or "KMS does not show key %s in %s yet, which has the alias"
  return context:poll {
    reason = reason:format(id, region), bound = TAGS_LATE,
    check = function()
      key = M.find(context, region, id)
      return key and not undecided(context, key, cluster) and key or nil
    end,
  } or key
end

--- Why a key is not this cluster's; nil when it is.
---@param key engine.Key
---@param cluster table
---@return string?
function M.foreign(key, cluster)
  local owner = key.tags[names.TAG_CLUSTER]
  if owner == cluster.id then return nil end
  if key.unreadable.tags then
    return ("the tags of %s may not be read, so it cannot be said whose it is: allow kms:ListResourceTags on it"):format(key.arn)
  end
  if owner then return ("%s belongs to another cluster, %s (tag %s)"):format(key.arn, owner, names.TAG_CLUSTER) end
  return ("%s was not made by cmek (it has no tag %s): it is left alone until it is adopted"):format(key.arn, names.TAG_CLUSTER)
end

return M
