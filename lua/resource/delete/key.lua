--- Taking a key back. It is tagged, scheduled for deletion with the longest window, and loses its alias last: as long as it is not
--- scheduled the alias leads to it, whatever happens on the way, and afterwards the name is free for a new key.
local claim = require "engine.key.claim"
local failure = require "engine.failure"
local key = require "resource.key"
local keys = require "engine.key.keys"
local mend = require "engine.mend"
local names = require "names"
local sorted = require "sorted"
local time = require "time"

local M = {}

--- Days until KMS deletes a scheduled key: the most that it allows.
M.WINDOW = 30

local SCHEDULED <const> = { PendingDeletion = true, PendingReplicaDeletion = true }

--- Whether a key waits for its end.
---@param have engine.Key
---@return boolean
function M.scheduled(have) return SCHEDULED[have.state] == true end

--- When KMS deletes a scheduled key, RFC 3339; nil when it does not say.
---@param have engine.Key
---@return string?
function M.date(have)
  local at = time.epoch(have.metadata.DeletionDate)
  return at and time.text(at)
end

-- Looking ------------------------------------------------------------------------------------------------------------

-- The wanted key of one alias, as if the recipe had named its generation.
local function of_alias(want, alias)
  local copy = {}
  for name, value in pairs(want) do copy[name] = value end   -- order cannot be seen
  copy.alias, copy.generation, copy.together = alias, names.generation(want.cluster, alias), true
  return copy
end

--- The keys of the cluster's aliases in the region: of every generation, unless one is wanted.
---@param context engine.Context
---@param want table
---@return { want: table, have: engine.Key|{ refused: string } }[]
function M.collect(context, want)
  local by_generation, things = {}, {}
  for _, entry in ipairs(context:aliases(want.region)) do
    local generation = names.generation(want.cluster, entry.AliasName)
    if generation and entry.TargetKeyId and (want.generation or generation) == generation then by_generation[generation] = entry end
  end
  for _, entry in sorted(by_generation) do
    local have = keys.owned(context, want.region, entry.TargetKeyId, want.cluster)
    things[#things + 1] = { want = of_alias(want, entry.AliasName), have = have or
      { refused = ("the alias %s points to key %s, which KMS does not show"):format(entry.AliasName, entry.TargetKeyId) } }
  end
  return things
end

-- Whether a replica goes with its primary: the cluster's alias leads to it, or it waits for its end already.
local function goes_too(context, want, replica)
  for _, entry in ipairs(want.together and context:aliases(replica.Region) or {}) do
    local ours = names.generation(want.cluster, entry.AliasName)
    if ours and entry.TargetKeyId and replica.Arn:sub(-#entry.TargetKeyId) == entry.TargetKeyId then return true end
  end
  local now = keys.find(context, replica.Region, replica.Arn)
  return not now or M.scheduled(now)
end

-- The regions of replicas that would be left without their primary.
local function left_over(context, want, have)
  local configuration, regions = have.metadata.MultiRegionConfiguration or {}, {}
  for _, replica in ipairs(configuration.MultiRegionKeyType == "PRIMARY" and configuration.ReplicaKeys or {}) do
    context.session.door:region(replica.Region)
    if not goes_too(context, want, replica) then regions[#regions + 1] = replica.Region end
  end
  return #regions > 0 and table.concat(regions, ", ")
end

--- Why a key is not deleted; nil when it is this cluster's.
---@return string?
function M.refusal(context, want, have)
  if have.refused then return have.refused end
  local foreign = keys.foreign(have, want.cluster)
  if foreign then return ("the alias %s points to a key that is not ours: %s"):format(want.alias, foreign) end
  local others = not M.scheduled(have) and left_over(context, want, have)
  if others then return ("%s has replicas in %s, which have to be deleted first"):format(have.arn, others) end
end

--- Whether a key was there before cmek, which took it over: it is not cmek's to delete.
---@param have engine.Key|{ refused: string }
---@return boolean
function M.was_there(_, have) return not have.refused and not have.unreadable.tags and not keys.is_made(have) end

--- What becomes of it.
---@return string reason
function M.about(_, have)
  if M.scheduled(have) then return ("it is to be deleted %s already; its alias is released"):format(M.date(have) or "after its replicas") end
  return ("it is scheduled for deletion in %d days, the longest that KMS allows; until then it can be taken back"):format(M.WINDOW)
end

--- What is worth a word before it goes.
---@return string[]
function M.warnings(_, have)
  local list, foreign = {}, require "engine.policy.foreign"
  local ok, document = pcall(require("policy").parse, have.policy)
  for _, statement in ipairs(ok and document.Statement or {}) do
    local own = statement.Sid == require("policy.build").USE_SID
    local who = own and {} or foreign.outsiders(statement, have.arn:match ":(%d+):key/")
    if #who > 0 then
      list[#list + 1] = ("the policy of %s also lets in %s (%s): whoever that is loses the key"):format(have.arn, table.concat(who, ", "),
        foreign.label(statement))
    end
  end
  return list
end

--- The rights that it takes, on the key by its policy as well.
---@param context engine.Context
---@return engine.Need[]
function M.needs(context, want, have)
  local alias, list = ("%s%s"):format(have.arn:match "^arn:[^:]*:kms:[^:]*:%d+:", want.alias), {}
  if have.policy == nil then return list end
  local function need(operation, resource, policy)
    list[#list + 1] = { action = "kms:" .. operation, resource = resource, policy = policy, region = want.region }
  end
  if not M.scheduled(have) then
    if have.tags[names.TAG_STATE] ~= names.RETIRED then need("TagResource", have.arn, have.policy) end
    need("ScheduleKeyDeletion", have.arn, have.policy)
  end
  need("DeleteAlias", have.arn, have.policy)
  need("DeleteAlias", alias)
  require("engine.policy.rights").foresee_existing(context)
  return list
end

-- Deleting -----------------------------------------------------------------------------------------------------------

local function not_ready(want, what, message)
  failure.raise { code = "not_ready", service = "kms", region = want.region, what = what, message = message }
end

-- The key as it is now; whose it is decides once more.
local function again(context, want, have)
  local now = context:poll {
    reason = ("waiting until KMS shows key %s"):format(have.arn), bound = claim.VISIBLE,
    check = function()
      local seen = keys.find(context, want.region, have.id)
      return seen and (seen.unreadable.tags or seen.tags[names.TAG_CLUSTER]) and seen or nil
    end,
  }
  if not now then not_ready(want, "looking at " .. have.arn, ("KMS does not show it with its tags after %d s"):format(claim.VISIBLE)) end
  local reason = M.refusal(context, want, now)
  if reason then context:refuse { service = "kms", region = want.region, what = "deleting " .. have.arn, message = reason } end
  return now
end

-- Marks a key, so that nobody takes it for one in use. What is scheduled already takes no tags.
local function mark(context, want, now)
  if now.tags[names.TAG_STATE] == names.RETIRED then return end
  context:try({ KMSInvalidStateException = true }, function()
    return context:write(function()
      return context.session.kms.tag_resource { region = want.region, KeyId = now.id,
        Tags = { { TagKey = names.TAG_STATE, TagValue = names.RETIRED } } }
    end)
  end)
end

--- Asks for the deletion until KMS says that it stands: twice does no more than once, for what is scheduled is refused.
---@param context engine.Context
---@param want { region: string }
---@param now engine.Key  its state and date are set
---@param guard fun()
function M.schedule(context, want, now, guard)
  local kms = context.session.kms
  local scheduled = context:poll {
    reason = ("waiting until KMS shows %s as scheduled for deletion"):format(now.arn), bound = context.LAG,
    check = function()
      guard()
      local answer = context:try({ KMSInvalidStateException = true, NotFoundException = true, uncertain = true }, function()
        return context:write(function()
          return kms.schedule_key_deletion { region = want.region, KeyId = now.id, PendingWindowInDays = M.WINDOW }
        end)
      end)
      if answer then return { state = answer.KeyState or "PendingDeletion", date = answer.DeletionDate } end
      local seen = keys.find(context, want.region, now.id)
      return seen and M.scheduled(seen) and { state = seen.state, date = seen.metadata.DeletionDate } or nil
    end,
  }
  if not scheduled then not_ready(want, "scheduling the deletion of " .. now.arn, ("KMS does not show it after %d s"):format(context.LAG)) end
  now.state, now.metadata.DeletionDate = scheduled.state, scheduled.date
end

--- Marks and schedules a key.
---@param context engine.Context
---@param want table
---@param have engine.Key
---@param guard fun()  called right before KMS is asked: raises what forbids it
---@return engine.Key  as it is afterwards
function M.delete(context, want, have, guard)
  local now = again(context, want, have)
  if M.scheduled(now) then return now end
  mark(context, want, now)
  M.schedule(context, want, now, guard)
  return now
end

--- Releases the alias, the last of a key. An alias that points to another key by now is not this one's.
function M.finish(context, want, have)
  local done = context:poll {
    reason = ("waiting until KMS lets go of %s in %s"):format(want.alias, want.region), bound = context.LAG,
    check = function()
      local holder = claim.holder(context, want.region, want.alias)
      if holder and holder ~= have.id then return true end
      local deleted, refused = context:try({ NotFoundException = true, uncertain = true }, function()
        return context:write(function() return context.session.kms.delete_alias { region = want.region, AliasName = want.alias } end)
      end)
      return (deleted or refused.code == "NotFoundException") and true or nil
    end,
  }
  if not done then not_ready(want, ("releasing %s"):format(want.alias), ("no answer after %d s"):format(context.LAG)) end
end

-- Taking it back -------------------------------------------------------------------------------------------------------

--- Whether a key is one that cmek has scheduled, or has taken back by half: what is cancelled is Disabled at first.
---@return boolean
function M.retired(have)
  return not have.refused and (M.scheduled(have) or have.state == "Disabled") and have.tags[names.TAG_STATE] == names.RETIRED
end

-- One more step towards a key that can be used; true when it is.
local function step_back(context, want, have)
  local kms, now = context.session.kms, keys.find(context, want.region, have.id)
  if not now then return nil end
  if not M.scheduled(now) and now.state ~= "Disabled" then return now end
  local operation = M.scheduled(now) and kms.cancel_key_deletion or kms.enable_key
  context:try({ KMSInvalidStateException = true, uncertain = true }, function()
    return context:write(function() return operation { region = want.region, KeyId = have.id } end)
  end)
end

--- Takes a scheduled key into use again: the Cloud names it after all. It stays marked until the next run, so that a request that was
--- on its way all the time and schedules it again is seen for what it is.
---@return engine.Key
function M.undo(context, want, have)
  local now = context:poll {
    reason = ("waiting until KMS shows %s in use again"):format(have.arn), bound = context.LAG, delays = { 0.2, 0.2, 0.2, 1, 2, 5 },
    check = function() return step_back(context, want, have) end,
  }
  if not now then not_ready(want, "taking back the deletion of " .. have.arn, ("KMS does not show it Enabled after %d s"):format(context.LAG)) end
  return now
end

--- The command that takes a scheduled key back, with its alias; `cmek run` does the rest, the tag too.
---@param engine table
---@param want table
---@param have engine.Key
---@return string
function M.cancel(engine, want, have)
  local function aws(operation, ...) return mend.aws(engine, "kms", operation, "--region", want.region, ...) end
  local empty = have.metadata.Origin == "EXTERNAL" and have.metadata.ExpirationModel == nil   -- KMS enables no key without material
  local list = { aws("cancel-key-deletion", "--key-id", have.id) }
  if not empty then list[#list + 1] = aws("enable-key", "--key-id", have.id) end
  if want.alias then list[#list + 1] = aws("create-alias", "--alias-name", want.alias, "--target-key-id", have.id) end
  return table.concat(list, " && ")
end

M.name, M.region = key.name, key.region

return M
