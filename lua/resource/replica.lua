--- A replica of a cluster's multi-Region key in another region: the primary's ID and material, with a policy, an alias and tags of its own.
-- KMS makes one replica a region and no more, so asking twice makes no second one; whose the primary is was decided by its alias before.
local claim = require "engine.key.claim"
local failure = require "engine.failure"
local key = require "resource.key"
local keys = require "engine.key.keys"
local material = require "engine.key.material"
local names = require "names"
local policies = require "policy"
local principal = require "engine.key.principal"
local unknown = require "unknown"

local M = setmetatable({}, { __index = key })   -- what is not said here is as of any key

M.kind = "replica"
M.checked_as = "key"

--- What it may call, by service.
M.actions = require("resource.actions").replica

local TRIES_MAX <const> = 3   -- requests of one run for one replica, when it is not known what became of one

--- Fills in what was left out: the generation and the material are the primary's.
---@param want { cluster: table, region: string, primary: table, policy: table|string, tags: string[]|table?, serves: string[]? }
---  primary: what `ensure` gave for the key in its region
---@param context engine.Context
function M.defaults(want, context)
  local primary = want.primary
  if type(primary) ~= "table" or not primary.arn or not primary.region then
    error("replica: field 'primary' must be what ensure gave for the key that it is a replica of", 0)
  end
  key.defaults(want, context)
  want.alias = names.alias(want.cluster, primary.generation)
  want.material, want.multi_region, want.rotation = primary.material, true, nil   -- KMS rotates the primary, and the replicas with it
  want.origin = want.material and "EXTERNAL" or nil
end

-- The ID that the whole family has; nil while the primary is still to be made.
local function family(want)
  return type(want.primary.arn) == "string" and not unknown.has(want.primary.arn) and want.primary.arn:match "[^/]+$" or nil
end

-- The same, once it is made, or taken for made by a rehearsal.
local function id_of(want) return want.primary.arn:match "[^/]+$" end

-- Its ARN: the primary's in another region.
local function arn_of(want) return (want.primary.arn:gsub("^(arn:[^:]*:kms:)[^:]*", "%1" .. want.region)) end

-- Reading ----------------------------------------------------------------------------------------------------------

--- The key that has the alias; else the replica that a run left without one, which its primary's ID finds.
function M.find(context, want)
  local have, id = key.find(context, want), family(want)
  if have or not id then return have end
  have = context:try({ AccessDeniedException = true }, function() return keys.find(context, want.region, id) or false end) or nil
  if have then have.unclaimed = "left" end
  return have
end

-- Judging ----------------------------------------------------------------------------------------------------------

--- Whether a key is the wanted primary's replica. Either may be the primary by now: another region's can be made that.
---@param want table
---@param have engine.Key
---@return boolean
function M.belongs(want, have) return have.id == id_of(want) end

local function stranger(want, have)
  if M.belongs(want, have) then return nil end
  if unknown.has(want.primary.arn) then   -- refused itself, or not made yet: whose replica this is cannot be said
    return ("%s has the alias %s, and there is no usable key in %s yet that it could be a replica of: that one comes first"):format(have.arn,
      want.alias, want.primary.region)
  end
  return ("%s has the alias %s, and it is no replica of the key in %s (%s): another key is a rotation, or name the layout that the cluster has "
    .. "(--layout)"):format(have.arn, want.alias, want.primary.region, unknown.show(want.primary.arn))
end

-- A replica that KMS is still making is waited for, so it is judged as what it will be.
local function as_made(want, have)
  if have.state ~= "Creating" then return have end
  local made = { state = want.material and "PendingImport" or "Enabled" }
  return setmetatable(made, { __index = have })
end

--- Why the replica is not made or touched; nil when it can be.
---@return string? reason, string? check
function M.refusal(context, want, have)
  if want.material and want.material.form == "wrapped" then
    return "nobody keeps a copy of wrapped material, and each replica needs its own import of the same: --form exportable, or a layout without "
      .. "replicas", "wanted"
  end
  if have and not have.refused and not keys.foreign(have, want.cluster) then
    local reason = stranger(want, have)
    if reason then return reason, "replica" end
  end
  return key.refusal(context, want, have and not have.refused and as_made(want, have) or have)
end

--- Why there is work although nothing differs.
function M.pending(context, want, have)
  if have and have.state == "Creating" then return "KMS is still making the replica; it is waited for", true end
  if have and have.unclaimed == "left" then return "an earlier run made the replica and has not claimed its alias: this run goes on with it" end
  return key.pending(context, want, have)
end

--- The rights that it takes: those of a key, and to replicate the primary.
---@return engine.Need[]
function M.needs(context, want, have)
  local list = key.needs(context, want, have)
  if have then return list end
  local identity = context:identity()
  local primary = family(want) and want.primary.arn
    or ("arn:%s:kms:%s:%s:key/*"):format(identity.arn:match "^arn:([^:]+)", want.primary.region, identity.account)
  table.insert(list, 1, { action = "kms:ReplicateKey", resource = primary, policy = want.policy, region = want.primary.region })
  return list
end

-- Making -----------------------------------------------------------------------------------------------------------

local function not_ready(want, what, message)
  failure.raise { code = "not_ready", service = "kms", operation = "ReplicateKey", region = want.region, what = what, message = message }
end

local function what(want) return ("replicating %s to %s"):format(want.primary.arn, want.region) end

-- The family's primary, which alone can be replicated: it may have moved since it was made.
local function primary_now(context, want)
  local answer = context.session.kms.describe_key { KeyId = want.primary.arn }
  local configuration = answer.KeyMetadata.MultiRegionConfiguration or {}
  return (configuration.PrimaryKey or {}).Arn or want.primary.arn
end

-- One request. KMS allows one replica a region, so one that is there already is the one that is wanted.
local function ask(context, want)
  local region = primary_now(context, want):match "^arn:[^:]*:kms:([^:]*):"
  principal.put(context, { policy = want.policy, what = what(want) }, function()
    local codes = { AlreadyExistsException = true, NotFoundException = true, KMSInvalidStateException = true, uncertain = true }
    local _, refused = context:try(codes, function()
      return context:write(function()
        return context.session.kms.replicate_key { region = region, KeyId = id_of(want), ReplicaRegion = want.region,
          Policy = policies.json(want.policy), Description = keys.description(want.cluster), Tags = key.new_tags(context, want) }
      end)
    end)
    return refused or true
  end)
end

-- The replica once KMS shows it and has made it; nil when it does not within so many seconds.
local function shown(context, want, bound)
  return context:poll {
    reason = ("waiting until KMS has made the replica in %s"):format(want.region), bound = bound,
    check = function()
      local have = keys.find(context, want.region, id_of(want))
      return have and have.state ~= "Creating" and have or nil
    end,
  }
end

local function replicate(context, want, step)
  local have = family(want) and keys.find(context, want.region, id_of(want))   -- of one that is just made there is no replica
  for _ = 1, have and 0 or TRIES_MAX do
    ask(context, want)
    step.arn = arn_of(want)
    have = shown(context, want, claim.VISIBLE)
    if have then return have end
  end
  return shown(context, want, context.LAG) or not_ready(want, what(want), ("KMS does not show it as made after %d s"):format(context.LAG))
end

-- The replica with its tags, which say whose it is.
local function owned(context, want)
  local have = keys.owned(context, want.region, id_of(want), want.cluster)
  local foreign = have and keys.foreign(have, want.cluster)
  if foreign then context:refuse { service = "kms", region = want.region, what = what(want), message = foreign } end
  return have
end

-- Gives it its material and its alias; nobody else's key may have that.
local function claim_alias(context, want)
  if want.material then material.fill(context, want, id_of(want)) end
  local holder = claim.claim(context, want.region, want.alias, id_of(want))
  if holder == id_of(want) then return end
  context:refuse { service = "kms", region = want.region, what = ("claiming %s for the replica in %s"):format(want.alias, want.region),
    message = ("it points to another key, %s"):format(holder) }
end

--- Makes the replica, or goes on with one that is there.
function M.create(context, want, step)
  replicate(context, want, step)
  owned(context, want)
  claim_alias(context, want)
  local complete = keys.find(context, want.region, id_of(want))
  complete = complete and keys.works(complete) and complete.policy and not keys.foreign(complete, want.cluster) and complete
  return key.mend(context, want, complete or key.wait_for(context, want, id_of(want)))
end

--- Repairs what differs. One without its alias, or still in the making, is finished first.
function M.update(context, want, have, step)
  step.arn = have.arn
  if have.unclaimed or have.state == "Creating" then return M.create(context, want, step) end
  return key.mend(context, want, have)
end

return M
