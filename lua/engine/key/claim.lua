--- Whose a generation is: the key that holds its alias, as seen by reading the alias back. A key of an own attempt that came
--- too late is tagged, disabled and reported; no key outside one's own attempts is touched.
local failure = require "engine.failure"
local keys = require "engine.key.keys"
local names = require "names"

local M = {}

--- Seconds for a key that was just made to be seen by the operations that work on it.
M.VISIBLE = 120

--- The ID of the key that an alias points to now; nil when it is not seen.
---@param context engine.Context
---@param region string
---@param alias string
---@return string?
function M.holder(context, region, alias)
  for _, entry in ipairs(keys.aliases(context, region)) do
    if entry.AliasName == alias then return entry.TargetKeyId end
  end
end

-- Asks for the alias. True when somebody certainly has it now; false when it must be asked again.
local function ask(context, region, alias, id)
  local codes = { AlreadyExistsException = true, NotFoundException = true, KMSInvalidStateException = true, uncertain = true }
  local done, refused = context:try(codes, function()
    return context:write(function()
      return context.session.kms.create_alias { region = region, AliasName = alias, TargetKeyId = id }
    end)
  end)
  return done ~= nil or refused.code == "AlreadyExistsException"
end

--- Claims an alias for a key and reads back who has it: this key, or the one that was faster.
---@param context engine.Context
---@param region string
---@param alias string
---@param id string     the key's ID
---@return string holder  ID of the key that has the alias
function M.claim(context, region, alias, id)
  local asked = false
  local holder = context:poll {
    reason = ("waiting until KMS shows who has %s in %s"):format(alias, region), bound = context.LAG,
    check = function()
      asked = asked or ask(context, region, alias, id)
      return M.holder(context, region, alias)
    end,
  }
  if holder then return holder end
  failure.raise {
    code = "not_ready", service = "kms", operation = "ListAliases", region = region,
    what = ("claiming %s in %s for key %s"):format(alias, region, id),
    message = ("KMS does not show the alias after %d s"):format(context.LAG),
  }
end

--- The key that was faster, once it is sure whose it is. Raises when it is not this cluster's, or not usable.
---@param context engine.Context
---@param cluster table
---@param region string
---@param alias string
---@param id string
---@return engine.Key
function M.winner(context, cluster, region, alias, id)
  local key = keys.owned(context, region, id, cluster)
  local what = ("claiming %s in %s"):format(alias, region)
  if not key then
    failure.raise { code = "not_ready", service = "kms", region = region, what = what,
      message = ("it points to key %s, which KMS does not show"):format(id) }
  end
  local foreign = keys.foreign(key, cluster)
  if foreign then context:refuse { service = "kms", region = region, what = what, message = "it points to a key that is not ours: " .. foreign } end
  if not keys.works(key) then
    context:refuse { service = "kms", region = region, what = what,
      message = ("it points to %s, which is %s: enable that key, or take the alias from it"):format(key.arn, key.state) }
  end
  return key
end

-- What proves that a key is of this attempt: its own tag, read from KMS itself.
local function prove(context, attempt)
  return context:poll {
    reason = ("key %s is new and does not show its tags yet"):format(attempt.key), bound = context.LAG,
    check = function()
      local answer = context:try({ NotFoundException = true }, function()
        return context.session.kms.list_resource_tags { region = attempt.region, KeyId = attempt.key }
      end)
      local tag = answer and keys.tags(answer.Tags)[names.TAG_ATTEMPT]
      if tag then return tag == attempt.id end
    end,
  }
end

-- Whether the Cloud names a key, in any status; nil when it cannot be asked. Asked anew: this decides what is disabled.
local function named(context, cluster, arn)
  local now = context.session.cloud.cmek(cluster.id)
  if now.unknown then return nil end
  for _, region in ipairs(now.region_infos or {}) do
    for _, info in ipairs(region.key_infos or {}) do
      if info.spec and info.spec.uri == arn then return true end
    end
  end
  return false
end

-- A change to a key that may be too new to be changed.
local function change(context, attempt, fn)
  local done = context:poll {
    reason = ("key %s is new and cannot be changed yet"):format(attempt.key), bound = M.VISIBLE,
    check = function()
      return (context:try({ NotFoundException = true, KMSInvalidStateException = true }, function() return context:write(fn) end))
    end,
  }
  if not done then
    failure.raise { code = "not_ready", service = "kms", region = attempt.region, what = ("setting key %s aside"):format(attempt.key),
      message = ("KMS refuses to change it after %d s"):format(M.VISIBLE) }
  end
end

-- Whether a key has no material, and so can be used by nobody; KMS disables no such key.
local function is_empty(context, attempt)
  local answer = context:try({ NotFoundException = true }, function()
    return context.session.kms.describe_key { region = attempt.region, KeyId = attempt.key }
  end)
  return answer ~= nil and answer.KeyMetadata.KeyState == "PendingImport"
end

-- Whether it stays so: what was sent before the run died may still be on its way.
local function stays_empty(context, attempt)
  return context:poll {
    reason = ("material that was sent to key %s may still be on its way"):format(attempt.key),
    bound = attempt.importing and context.LAG or 0, since = attempt.importing,
    check = function()
      if not is_empty(context, attempt) then return false end
    end,
  } == nil
end

local function disable(context, attempt)
  local _, refused = context:try({ KMSInvalidStateException = true }, function()
    return context:write(function() return context.session.kms.disable_key { region = attempt.region, KeyId = attempt.key } end)
  end)
  if not refused or stays_empty(context, attempt) then return end
  change(context, attempt, function() return context.session.kms.disable_key { region = attempt.region, KeyId = attempt.key } end)
end

--- Sets the key of an own attempt aside, because it will not have the alias: tags it, disables it, says so.
---@param context engine.Context
---@param cluster table
---@param attempt engine.Attempt  its key is known
---@param why string              "which key … already has", after the alias
function M.set_aside(context, cluster, attempt, why)
  local region, key, kms = attempt.region, attempt.key, context.session.kms
  if not prove(context, attempt) then
    failure.raise { code = "not_ready", service = "kms", region = region, what = ("setting key %s aside"):format(key),
      message = ("it does not show the tag %s=%s, so it is left alone"):format(names.TAG_ATTEMPT, attempt.id) }
  end
  local used = named(context, cluster, key)
  if used then
    context.attempts:settle(attempt, "named")
    context:warn(("%s was made for %s, %s, but the cluster names it: it is left as it is"):format(key, attempt.alias, why), region)
    return
  end
  change(context, attempt, function()
    return kms.tag_resource { region = region, KeyId = key, Tags = { { TagKey = names.TAG_STATE, TagValue = names.LOST_RACE } } }
  end)
  if used == nil then
    context.attempts:settle(attempt, "tagged")
    context:warn(("%s was made for %s, %s: it is tagged %s=%s, and not disabled, since --facts does not tell whether "
      .. "the cluster uses it; cmek orphans, with the Cloud's API key, finds it"):format(key, attempt.alias, why, names.TAG_STATE,
      names.LOST_RACE), region)
    return
  end
  disable(context, attempt)
  context.attempts:settle(attempt, "lost-race")
  context:warn(("%s was made for %s, %s: it is tagged %s=%s and disabled; it is used by nothing"):format(
    key, attempt.alias, why, names.TAG_STATE, names.LOST_RACE), region)
end

return M
