--- Which key of a region is meant: the one that the recipe names by its ARN, the one that the cluster uses, the one that has the
--- alias, or one that a run made for this cluster and left without an alias.
local cmek = require "engine.cluster.cmek"
local distributed = require "engine.vault.distributed"
local keys = require "engine.key.keys"
local material = require "engine.key.material"
local names = require "names"
local refusal = require "refusal"
local sorted = require "sorted"

local M = {}

local function region_of(uri) return uri:match "^arn:[^:]*:kms:([^:]*):" end

-- What there is --------------------------------------------------------------------------------------------------------------

-- Keys that bear this cluster's tags in this region. The index lags and may be closed: what it does not show means nothing.
local function tagged(context, want)
  local ok, answer = pcall(context.session.tagging.get_resources, {
    region = want.region, ResourceTypeFilters = { "kms:key" },
    TagFilters = { { Key = names.TAG_CLUSTER, Values = { want.cluster.id } }, { Key = names.TAG_REGION, Values = { want.region } } },
  })
  if not ok and not refusal.is(answer) then error(answer, 0) end
  return ok and { list = answer.ResourceTagMappingList or {} } or { list = {}, refused = answer }
end

--- Starts what is read here, before it is asked for.
---@param context engine.Context
---@param want table
function M.foresee(context, want)
  context:begin("aliases " .. want.region, function() return keys.aliases(context, want.region) end)
  if context.mode ~= "verify" then context:begin("tagged " .. want.region, function() return tagged(context, want) end) end
end

--- The alias of this cluster that points to a key; nil when none does.
---@param cluster table
---@param aliases table[]
---@param key string  ARN
function M.alias_of(cluster, aliases, key)
  for _, entry in ipairs(aliases) do
    if entry.TargetKeyId and key:sub(-#entry.TargetKeyId) == entry.TargetKeyId and names.generation(cluster, entry.AliasName) then
      return entry
    end
  end
end

--- The alias of that name, when it points to a key.
---@param aliases table[]
---@param alias string
function M.entry_named(aliases, alias)
  for _, entry in ipairs(aliases) do
    if entry.AliasName == alias and entry.TargetKeyId then return entry end
  end
end

-- Each key and role once, though several regions use them.
local function live_in(info, regions)
  local list, seen = {}, {}
  for _, region in ipairs(regions) do
    for _, used in ipairs(cmek.live(info, region)) do
      local name = ("%s %s"):format(used.uri, used.auth_principal)
      if not seen[name] then
        seen[name], used.region = true, region
        list[#list + 1] = used
      end
    end
  end
  return list
end

--- The keys that the cluster uses in the regions that this key serves. Verify goes on without knowing: that they may not be read is told
--- of the cluster.
---@return { uri: string, auth_principal: string?, status: string, region: string }[]
function M.in_use(context, want)
  local ok, info = pcall(context.cmek, context, want.cluster)
  if ok then return live_in(info, want.serves or { want.region }) end
  if context.mode == "verify" and refusal.is(info) then return {} end
  error(info, 0)
end

-- Keys that are the cluster's own and lost their alias ---------------------------------------------------------------------------

-- A key in use that is this cluster's by its tags; nil when it is not, or may not be read.
local function own_in_use(context, want, uri)
  local region = region_of(uri)
  if region ~= want.region then return nil end
  local key = context:try({ AccessDeniedException = true }, function() return keys.find(context, region, uri) or false end)
  return key and key.tags[names.TAG_CLUSTER] == want.cluster.id and key or nil
end

--- The alias of a key of this cluster's, which may not be seen yet when cmek has just made the key; nil when it has none.
---@param context engine.Context
---@param want { cluster: table, region: string }
---@param key engine.Key
function M.late_alias(context, want, key)
  return context:poll {
    reason = ("waiting until KMS shows the alias of %s"):format(key.arn),
    bound = context.mode ~= "verify" and key.tags[names.TAG_ATTEMPT] and keys.is_young(context, key) and context.LAG or 0,
    check = function() return M.alias_of(want.cluster, keys.aliases(context, want.region), key.arn) end,
  }
end

-- Such a key without an alias: it gets the alias back, when that is free.
local function unclaimed(want, aliases, key)
  local taken = M.entry_named(aliases, want.alias)
  if taken then
    return { refused = ("%s is this cluster's own by its tags and has no alias; %s points to another key, %s"):format(
      key.arn, want.alias, taken.TargetKeyId) }
  end
  key.unclaimed = "lost"
  return key
end

-- Keys that a run left -------------------------------------------------------------------------------------------------------------

local function tags_of(resource)
  local tags = {}
  for _, tag in ipairs(resource.Tags or {}) do tags[tag.Key] = tag.Value end
  return tags
end

-- Keys of this cluster that no alias points to, that were neither set aside nor retired, and that no attempt of this run made: ARN and tags.
local function without_alias(context, want)
  local known, list = {}, {}
  for _, entry in ipairs(context:aliases(want.region)) do known[entry.TargetKeyId or ""] = true end
  for _, resource in ipairs(context:once("tagged " .. want.region).list) do
    local tags = tags_of(resource)
    local own = context.attempts.by_id[tags[names.TAG_ATTEMPT] or ""]
    if not own and not known[resource.ResourceARN:match "[^/]+$"] and not tags[names.TAG_STATE] then
      list[#list + 1] = { arn = resource.ResourceARN, tags = tags }
    end
  end
  return list
end

-- Whether such a key can be gone on with, by what KMS itself shows of it.
local function fit(key, want)
  local kind = key and keys.is_multi_region(key) == (want.multi_region or false) and keys.is_replica(key) == (want.primary ~= nil)
  if not kind then return false end
  local usable = material.fits(want, key) and (#material.differences(want, key) > 0 or not keys.unusable(key))
  return usable and not keys.foreign(key, want.cluster) and not key.tags[names.TAG_STATE] and key.policy ~= nil
end

-- The keys that the Cloud names for the region, in any status.
local function known_to_cloud(context, want)
  local set = {}
  for _, info in ipairs((cmek.region(context:cmek(want.cluster), want.region) or {}).key_infos or {}) do set[(info.spec or {}).uri or ""] = true end
  return set
end

-- The oldest key that a run made for this cluster and did not claim. Its maker may be dead, or alive: going on with the key is safe
-- in both cases, since the alias decides whose generation is whose, and a maker sets its own key aside only when it has seen the
-- alias on another one. Own attempts come first: this run's journal knows more of them.
local function left(context, want)
  if distributed.is(want) or #context.attempts:open(want.region, want.alias) > 0 then return nil end   -- what Vault has made is known by its ID
  local named = known_to_cloud(context, want)
  local found = context.tasks.map(without_alias(context, want), function(resource)
    if named[resource.arn] then return false end   -- a key from before that lost its alias is no new one
    local key = context:try({ AccessDeniedException = true }, function() return keys.find(context, want.region, resource.arn) or false end)
    return fit(key, want) and key or false
  end)
  local by_age = {}
  for _, key in ipairs(found) do
    if key then by_age[("%020.6f %s"):format(key.metadata.CreationDate or 0, key.arn)] = key end
  end
  local _, oldest = sorted(by_age)()
  if oldest then oldest.unclaimed = "left" end
  return oldest
end

--- Tells of keys of this cluster that no alias points to, beside the one that is gone on with.
---@param context engine.Context
---@param want table
---@param have engine.Key?
function M.look_around(context, want, have)
  local refused = context:once("tagged " .. want.region).refused
  if refused and not have then
    context:warn(("whether an earlier run left a key for this cluster without an alias cannot be seen (%s): allow tag:GetResources"):format(
      refusal.line(refused)))
  end
  for _, resource in ipairs(without_alias(context, want)) do
    if not (have and have.arn == resource.arn) then
      local run = resource.tags[names.TAG_RUN] or "?"
      context:warn(("%s was made for this cluster by run %s, has no alias and is not used: %s"):format(resource.arn, run,
        ("cmek resume %s sets it aside, where that run's journal is; else cmek orphans"):format(run)), want.region)
    end
  end
end

-- The choice -----------------------------------------------------------------------------------------------------------------------

-- A region of the cluster that uses another key than the one of this layout.
local function other_layout(want, used)
  return { in_use = used.uri, used_in = used.region,
    refused = ("the cluster uses %s in %s (%s), and a key in %s is wanted for it: name the layout that the cluster has, or leave --layout "
      .. "out, for another key is a rotation"):format(used.uri, used.region, used.status, want.region) }
end

local function not_ours(want, live)
  for _, key in ipairs(live) do
    if region_of(key.uri) ~= want.region then return other_layout(want, key) end
  end
  local uris = {}
  for i, key in ipairs(live) do uris[i] = ("%s (%s)"):format(key.uri, key.status) end
  local named = table.concat(uris, " and ")
  return { in_use = named, refused = ("the cluster already uses %s in %s, which is not cmek's: adopt it (cmek run adopt --cluster %s), "
    .. "or leave it in use"):format(named, want.region, want.cluster.name) }
end

-- What stands for a key that several regions are to share, where one of them uses another; nil where all that use one use this. Verify tells
-- it of the cluster, and a rotation gives them the next one.
local function shared_otherwise(context, want, id)
  if want.generation or not want.serves or context.mode == "verify" then return nil end
  for _, region in ipairs(want.serves) do
    local used, other = false, nil
    for _, key in ipairs(cmek.live(context:cmek(want.cluster), region)) do
      if key.uri:sub(-#id) == id then used = true else other = { uri = key.uri, status = key.status, region = region } end
    end
    if other and not used then return other_layout(want, other) end
  end
end

-- Why a key that is named by its ARN is not meant after all; nil when it may be.
local function misnamed(context, want, live)
  local account = want.arn:match ":(%d+):key/"
  if account ~= context:identity().account then
    return ("%s is a key of account %s, and the credentials are of %s"):format(want.arn, account, context:identity().account)
  end
  local uses
  for _, used in ipairs(live) do
    if used.uri == want.arn then return nil end
    uses = used
  end
  if uses and context.mode ~= "verify" then   -- verify tells what is used beside what is there
    return ("the cluster uses %s in %s (%s), not %s: another key is a rotation (cmek run rotate --cluster %s makes the next one)"):format(uses.uri,
      want.region, uses.status, want.arn, want.cluster.name)
  end
end

-- The key of that ARN, by its alias where it has one.
local function named(context, want, aliases, live)
  local wrong = misnamed(context, want, live)
  if wrong then return nil, { refused = wrong } end
  local other = shared_otherwise(context, want, want.arn)
  if other then return nil, other end
  local entry = M.alias_of(want.cluster, aliases, want.arn)
  if entry then return entry end
  local key = keys.owned(context, want.region, want.arn, want.cluster)
  if not key then return nil, { refused = ("there is no key %s"):format(want.arn) } end
  if keys.foreign(key, want.cluster) then return nil, key end
  entry = M.late_alias(context, want, key)
  if entry then return entry end
  return nil, unclaimed(want, aliases, key)
end

-- The key of a generation that is named: the one that has its alias, or one that a run made and did not claim.
local function of_generation(context, want, aliases)
  local entry = M.entry_named(aliases, want.alias)
  if entry or context.mode == "verify" or not want.policy then return entry end
  return nil, left(context, want)
end

-- The alias of the highest generation: a key that Vault had rotated before it came here has no first one.
local function last_claimed(want, aliases)
  local best, last = 0, nil
  for _, entry in ipairs(aliases) do
    local generation = entry.TargetKeyId and names.generation(want.cluster, entry.AliasName)
    if generation and generation > best then best, last = generation, entry end
  end
  return last
end

--- The alias whose key is meant; nil where there is none, and then a key without one, or what stands for a key that is not ours.
---@param context engine.Context
---@param want table
---@return table? entry, engine.Key|{ refused: string }|nil
function M.of(context, want)
  local aliases, live = context:aliases(want.region), M.in_use(context, want)
  if want.arn then return named(context, want, aliases, live) end
  for _, used in ipairs(live) do
    local entry = M.alias_of(want.cluster, aliases, used.uri)
    local key = not entry and own_in_use(context, want, used.uri)
    entry = entry or key and M.late_alias(context, want, key)
    if want.generation and (entry or key) then return of_generation(context, want, aliases) end
    local other = (entry or key) and shared_otherwise(context, want, used.uri)
    if other then return nil, other end
    if entry then return entry end
    if key and not want.generation then return nil, unclaimed(want, aliases, key) end
  end
  if #live > 0 and context.mode ~= "verify" then return nil, not_ours(want, live) end   -- verify tells what is used beside what is there
  local entry = M.entry_named(aliases, want.alias) or not want.generation and last_claimed(want, aliases) or nil
  if entry or context.mode == "verify" or not want.policy then return entry end   -- without a policy it is read, and not put right
  return nil, left(context, want)
end

return M
