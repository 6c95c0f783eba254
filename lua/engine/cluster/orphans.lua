--- Keys and roles that cmek made and no cluster uses: found by tags, aliases and names, in every region that a cluster of the
--- organization is in, and judged by what the Cloud names. What may not be looked at is told.
---@class engine.Orphan
---@field kind "key"|"role"
---@field name string        alias, else the key's ID; the role's name
---@field id string          what is typed to have it cleaned: the key's ID, the role's name
---@field region string?
---@field arn string
---@field have table         the key or role as it is
---@field want table         as lua/resource/delete/ takes it
---@field owner string       UUID of the cluster that its tag names
---@field cluster table?     that cluster, where the Cloud lists it
---@field reason "pending"|"unseen"|"gone"|"lost-race"|"unclaimed"|"retired"|"unused"
---@field why string
---@field clean boolean      whether it may be cleaned
---@field material string?    of a key: where in Vault its material is from
---@field mend string?       what to type
local json = require "json"
local key_deletion = require "resource.delete.key"
local keys = require "engine.key.keys"
local mend = require "engine.mend"
local named = require "engine.cluster.named"
local names = require "names"
local provenance = require "engine.key.provenance"
local refusal = require "refusal"
local role_deletion = require "resource.delete.role"
local roles = require "resource.role"
local sorted = require "sorted"
local time = require "time"

local M = {}

--- What it may call, by service.
M.actions = {
  sts = { "GetCallerIdentity" }, cloud = { "ListClusters", "GetCMEKClusterInfo" }, tagging = { "GetResources" },
  kms = { "ListAliases", "ListKeys", "DescribeKey", "GetKeyPolicy", "ListResourceTags", "GetKeyRotationStatus",
    "TagResource", "UntagResource", "ScheduleKeyDeletion", "CancelKeyDeletion", "EnableKey", "DeleteAlias" },
  iam = { "ListRoles", "GetRole", "ListRoleTags", "ListAttachedRolePolicies", "ListRolePolicies", "ListInstanceProfilesForRole", "DeleteRole" },
}

local ALIAS <const>, ROLE <const> = "^alias/crdb%-cmek%-.+%-g%d+$", "^crdb%-cmek%-"
local GONE <const> = { DELETED = true, CREATION_FAILED = true }

-- Looking ------------------------------------------------------------------------------------------------------------

-- What may not be looked at is told; only what ends the command is raised.
local function try(self, what, region, fn)
  local ok, value = pcall(fn)
  if ok then return value end
  if not refusal.is(value) or value.kind == "stopped" then error(value, 0) end
  table.insert(self.unread, { what = what, region = region, why = refusal.line(value) })
  return nil
end

local function is_cmeks(list)
  for _, tag in ipairs(list or {}) do
    if tag.TagKey == names.TAG_CLUSTER then return true end
  end
  return false
end

-- Keys with cmek's tag by the tag index; where that is closed, by the tags of every key.
local function tagged(self, region)
  local session, ids = self.context.session, {}
  local ok, answer = pcall(session.tagging.get_resources, { region = region, ResourceTypeFilters = { "kms:key" },
    TagFilters = { { Key = names.TAG_CLUSTER } } })
  if ok then
    for i, resource in ipairs(answer.ResourceTagMappingList or {}) do ids[i] = resource.ResourceARN:match "[^/]+$" end
    return ids
  end
  if not refusal.is(answer) or answer.kind == "stopped" then error(answer, 0) end
  local list = try(self, "the tag index and the list of keys", region, function() return keys.list(self.context, region) end) or {}
  local found = self.context.tasks.map(list, function(entry)
    local tags = try(self, "the tags of " .. entry.KeyArn, region, function()
      return session.kms.list_resource_tags { region = region, KeyId = entry.KeyId }
    end)
    return tags ~= nil and is_cmeks(tags.Tags)
  end)
  for i, entry in ipairs(list) do
    if found[i] then ids[#ids + 1] = entry.KeyId end
  end
  return ids
end

-- The cluster whose key of a region a Vault key is by its name.
local function cluster_of(self, region, name)
  for _, cluster in ipairs(self.named.clusters) do
    if names.vault_key(cluster, region) == name then return cluster end
  end
end

-- The aliases of a region that tell of keys of cmek's, by ID: cmek's own, and those that Vault gave to what it made for a cluster.
local function aliases_of(self, region)
  local found = { own = {}, vault = {} }
  for _, entry in ipairs(try(self, "the aliases", region, function() return keys.aliases(self.context, region) end) or {}) do
    local id = entry.TargetKeyId
    if id and entry.AliasName:find(ALIAS) then found.own[id] = found.own[id] or entry.AliasName end
    local name = id and provenance.vault_key({ entry }, id)
    if name then self.distributed[region .. " " .. name] = true end
    if name and cluster_of(self, region, name) then found.vault[id] = name end
  end
  return found
end

-- The keys of a region that bear cmek's tag, and those that Vault made for a cluster and no run has taken over.
local function keys_of(self, region)
  local read = self.context.tasks.all { function() return tagged(self, region) end, function() return aliases_of(self, region) end }
  local ids, list, candidates, aliases = {}, {}, {}, read[2]
  for _, id in ipairs(read[1]) do ids[id] = true end
  for _, by_id in ipairs { aliases.own, aliases.vault } do
    for id in pairs(by_id) do ids[id] = true end   -- order cannot be seen
  end
  for id in sorted(ids) do list[#list + 1] = id end
  local found = self.context.tasks.map(list, function(id)
    return try(self, "key " .. id, region, function() return keys.find(self.context, region, id) or false end) or false
  end)
  for _, have in ipairs(found) do
    if have and have.unreadable.tags then
      table.insert(self.unread, { what = "the tags of " .. have.arn, region = region, why = refusal.line(have.unreadable.tags) })
    elseif have and (have.tags[names.TAG_CLUSTER] or aliases.vault[have.id]) then
      have.alias, have.vault_key = aliases.own[have.id], aliases.vault[have.id]
      candidates[#candidates + 1] = have
    end
  end
  return candidates
end

-- The role that a key's policy lets use it: a role that was not given cmek's name is found by that.
local function role_named_by(have)
  local ok, document = pcall(json.decode, have.policy or "")
  for _, statement in ipairs(ok and type(document) == "table" and document.Statement or {}) do
    local principal = statement.Sid == require("policy.build").USE_SID and type(statement.Principal) == "table" and statement.Principal.AWS
    local account = have.arn:match ":(%d+):key/"
    if type(principal) == "string" and principal:match "^arn:[^:]*:iam::(%d+):role/" == account then return principal:match "[^/]+$" end
  end
end

local function roles_of(self, list)
  local set, ordered = {}, {}
  local answer = try(self, "the roles", nil, function() return self.context.session.iam.list_roles() end)
  for _, role in ipairs(answer and answer.Roles or {}) do
    if role.RoleName:find(ROLE) then set[role.RoleName] = true end
  end
  for _, have in ipairs(list) do
    local name = role_named_by(have)
    if name then set[name] = true end
  end
  for name in sorted(set) do ordered[#ordered + 1] = name end
  local found, mine = self.context.tasks.map(ordered, function(name)
    return try(self, "role " .. name, nil, function() return roles.look(self.context, name) or false end) or false
  end), {}
  for i, have in ipairs(found) do
    if have and have.tags[names.TAG_CLUSTER] and roles.is_made(have, ordered[i]) then
      have.name = ordered[i]
      mine[#mine + 1] = have
    end
  end
  return mine
end

-- Judging ------------------------------------------------------------------------------------------------------------

local function unseen(self, owner)
  return ("it is for cluster %s, which is not among the %d that this API key sees: whether that one uses it cannot be said"):format(owner,
    #self.named.clusters), "ask with an API key whose role is on the whole organization of that cluster"
end

-- A scheduled key: why, and the command that takes it back.
local function pending(self, orphan, by)
  orphan.reason, orphan.mend = "pending", key_deletion.cancel(self, orphan.want, orphan.have)
  orphan.why = ("it is to be deleted %s%s"):format(key_deletion.date(orphan.have) or "", by and ", although " .. by or "")
  return orphan
end

-- The words of the recipe that takes a chain back, by where the material of its keys is from.
local function recipe_of(self, have)
  local source = have.tags[names.TAG_MATERIAL]
  local name = tostring(source):match "([^/]+):%d+$"
  return { provenance.recipe(source, name ~= nil and self.distributed[have.region .. " " .. name] == true) }
end

local function taken_back_by(self, orphan)
  local words = orphan.kind == "key" and recipe_of(self, orphan.have) or self.recipes[orphan.owner] or { "console" }
  orphan.mend = mend.own(self, "destroy", words[1], "--cluster", orphan.cluster.name, table.unpack(words, 2))
end

-- A key that Vault made for a cluster, without cmek's tags: nil when a run may be at it.
local function judge_untagged(self, orphan)
  if keys.is_young(self.context, orphan.have) then return nil end
  local gone = GONE[orphan.cluster.state]
  orphan.reason, orphan.mend = gone and "gone" or "unclaimed", not gone and mend.own(self, "run", "vault", "--cluster", orphan.cluster.name) or nil
  orphan.why = ("Vault made it of its key %s, and no run has given it tags and an alias: that run died, or Vault rotated its key since"):format(
    orphan.have.vault_key)
  return orphan
end

-- Why a key of a cluster that is there is used by nobody; nil when a run may be at it.
local function judge_key(self, orphan)
  local have, state = orphan.have, orphan.have.tags[names.TAG_STATE]
  local run = have.tags[names.TAG_RUN] or "?"
  if state == names.LOST_RACE then
    orphan.reason, orphan.clean, orphan.why = "lost-race", true, ("run %s set it aside: another key has the alias that it was made for"):format(run)
  elseif not have.alias then
    if keys.is_young(self.context, have) then return nil end
    orphan.reason, orphan.clean = "unclaimed", true
    orphan.why = ("run %s made it and no alias points to it: that run died, or its alias was taken away%s"):format(run,
      have.state == "PendingImport" and "; it has no key material, so it was never used" or "")
  elseif state == names.RETIRED then
    orphan.reason, orphan.why = "retired", "cmek destroy began to take it back and did not finish"
    taken_back_by(self, orphan)
  else
    orphan.reason, orphan.why = "unused", ("cluster %s does not use it: it is enabled by cmek run enable --cluster %s, or not needed"):format(
      orphan.cluster.name, orphan.cluster.name)
    taken_back_by(self, orphan)
  end
  return orphan
end

local function judge_role(self, orphan)
  orphan.reason, orphan.why = "unused", ("cluster %s does not use it"):format(orphan.cluster.name)
  taken_back_by(self, orphan)
  return orphan
end

-- What is said of a thing that cmek made; nil when it is in use.
local function judge(self, orphan)
  local by = self.named:by(orphan.arn)
  orphan.cluster = self.named:cluster(orphan.owner)
  orphan.want.cluster = { id = orphan.owner, name = orphan.cluster and orphan.cluster.name or orphan.owner }
  orphan.clean = false
  if orphan.kind == "key" and key_deletion.scheduled(orphan.have) then return pending(self, orphan, by) end
  if by then return nil end
  if not orphan.cluster then
    orphan.reason, orphan.why, orphan.mend = "unseen", unseen(self, orphan.owner)
  elseif orphan.kind == "key" and not orphan.have.tags[names.TAG_CLUSTER] then
    orphan = judge_untagged(self, orphan)
  elseif GONE[orphan.cluster.state] then
    orphan.reason, orphan.clean, orphan.why = "gone", true, ("its cluster %s is %s"):format(orphan.cluster.name, orphan.cluster.state)
  else
    orphan = (orphan.kind == "key" and judge_key or judge_role)(self, orphan)
  end
  if orphan and orphan.clean then orphan.mend = mend.own(self, "orphans", "--clean", "--confirm", orphan.id) end
  return orphan
end

local function orphan_of_key(self, have)
  local cluster = have.vault_key and cluster_of(self, have.region, have.vault_key)
  return { kind = "key", name = have.alias or have.id, id = have.id, region = have.region, arn = have.arn, have = have,
    owner = have.tags[names.TAG_CLUSTER] or cluster.id, want = { region = have.region, alias = have.alias },
    material = have.tags[names.TAG_MATERIAL] or have.vault_key }
end

local function orphan_of_role(have)
  return { kind = "role", name = have.name, id = have.name, arn = have.arn, have = have, owner = have.tags[names.TAG_CLUSTER],
    want = { name = have.name, trust = have.trust } }
end

-- The whole ----------------------------------------------------------------------------------------------------------------

-- A primary is deleted after its replicas.
local function replicas_first(list)
  local ordered = {}
  for _, wanted in ipairs { true, false } do
    for _, have in ipairs(list) do
      if keys.is_replica(have) == wanted then ordered[#ordered + 1] = have end
    end
  end
  return ordered
end

-- Where clusters are or were, and where else somebody looks.
local function regions_of(self, more)
  local set, list = {}, {}
  for _, cluster in ipairs(self.named.clusters) do
    for _, region in ipairs(cluster.cloud_provider == "AWS" and cluster.regions or {}) do set[region.name] = true end
  end
  for _, region in ipairs(more) do set[region] = true end
  for region in sorted(set) do list[#list + 1] = region end
  for _, region in ipairs(list) do self.context.session.door:region(region) end
  return list
end

---@class engine.Orphans
---@field context engine.Context
---@field flags table<string, string>  that commands to be typed repeat
---@field named engine.Named
---@field regions string[]
---@field list engine.Orphan[]   keys by region, then roles
---@field distributed table<string, true>  "REGION NAME" of Vault keys that key management has put into KMS
---@field recipes table<string, string[]>  by cluster UUID, the words of the recipe that takes its chain back
---@field live table<string, integer>  by cluster UUID, how many of its keys are not scheduled
---@field unread { what: string, region: string?, why: string }[]
local Orphans = { __name = "engine.Orphans" }
Orphans.__index = Orphans

--- Looks for them. Raises when the Cloud cannot be asked.
---@param context engine.Context
---@param options { regions: string[], flags: table<string, string> }
---@return engine.Orphans
function M.find(context, options)
  local self = setmetatable({ context = context, flags = options.flags, named = named.read(context), list = {}, live = {}, unread = {},
    distributed = {}, recipes = {} }, Orphans)
  self.regions = regions_of(self, options.regions)
  local all = {}
  for _, found in ipairs(context.tasks.map(self.regions, function(region) return keys_of(self, region) end)) do
    table.move(found, 1, #found, #all + 1, all)
  end
  local things = {}
  all = replicas_first(all)
  for _, have in ipairs(all) do
    if have.vault_key or keys.is_made(have) then   -- what was there before, and was taken over, is nobody's to clean
      local thing = orphan_of_key(self, have)
      things[#things + 1], self.recipes[thing.owner] = thing, recipe_of(self, have)
      if not key_deletion.scheduled(have) then self.live[thing.owner] = (self.live[thing.owner] or 0) + 1 end
    end
  end
  for _, have in ipairs(roles_of(self, all)) do things[#things + 1] = orphan_of_role(have) end
  for _, thing in ipairs(things) do self.list[#self.list + 1] = judge(self, thing) end
  return self
end

-- Cleaning -----------------------------------------------------------------------------------------------------------------

--- Why an orphan is not cleaned after all; nil when it may be. The Cloud is asked anew.
---@param orphan engine.Orphan
---@return string?
function Orphans:stays(orphan)
  self.named = named.read(self.context)
  local by = self.named:by(orphan.arn)
  if by then return by end
  if orphan.kind == "key" then return key_deletion.refusal(self.context, orphan.want, orphan.have) end
  local left = self.live[orphan.owner] or 0
  if left > 0 then return ("%d key(s) of its cluster are not scheduled for deletion: these come first"):format(left) end
  local now = role_deletion.collect(self.context, orphan.want)[1]
  return now and role_deletion.refusal(self.context, now.want, now.have)
end

--- Schedules a key, or deletes a role. Gives back what a cluster named meanwhile, and raises that.
---@param orphan engine.Orphan
function Orphans:clean(orphan)
  local context, want = self.context, orphan.want
  local function guard()
    local by = named.read(context):by(orphan.arn)
    if by then context:refuse { service = "cloud", what = "deleting " .. orphan.arn, message = by } end
  end
  if orphan.kind == "role" then
    role_deletion.delete(context, want, orphan.have, guard)
    orphan.result = "deleted"
    return
  end
  local have = key_deletion.delete(context, want, orphan.have, guard)
  local by = named.read(context):by(orphan.arn)
  if by then
    key_deletion.undo(context, want, have)
    context:refuse { service = "cloud", what = "deleting " .. orphan.arn, message = by .. " since it was looked for; its deletion was cancelled" }
  end
  if want.alias then key_deletion.finish(context, want, have) end
  self.live[orphan.owner] = self.live[orphan.owner] - 1
  orphan.result, orphan.have, orphan.cancel = "scheduled", have, key_deletion.cancel(self, want, have)
end

--- When a thing was made, RFC 3339; nil when nobody says.
---@param orphan engine.Orphan
---@return string?
function M.created(orphan)
  local at = time.epoch(orphan.kind == "key" and orphan.have.metadata.CreationDate or orphan.have.created)
  return at and time.text(at)
end

return M
