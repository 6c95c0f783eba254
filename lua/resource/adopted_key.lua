--- A key that was made by hand and that the cluster uses. Adopting it gives it the cluster's tags and alias; nothing else of it changes.
local choice = require "engine.key.choice"
local claim = require "engine.key.claim"
local failure = require "engine.failure"
local keys = require "engine.key.keys"
local named = require "engine.cluster.named"
local names = require "names"
local provenance = require "engine.key.provenance"

local M = {}

M.kind = "adopted_key"
M.own = true   -- verify: is it there, is it adopted

M.checks = { { id = "adopted_key.exists", severity = "high" }, { id = "adopted_key.as_wanted", severity = "medium" } }

--- What it may call, by service.
M.actions = require("resource.actions").adopted_key

--- Fills in what was left out.
---@param want { cluster: table, region: string, arn: string, status: string?, serves: string[]?, vault_mount: string? }  region: its own;
---  serves: the cluster's regions that use it, where they are others; status: what the Cloud says of it; vault_mount: where Vault's key
---  management is, which may have made it
---@param context engine.Context
function M.defaults(want, context)
  want.alias = names.alias(want.cluster)
  want.run = context:run_tag()
end

function M.name(want) return want.arn:match "[^/]+$" end
function M.region(want) return want.region end

-- Reading ----------------------------------------------------------------------------------------------------------

-- Why a key of another place is of no use to cmek; nil when it is of this account.
local function elsewhere(context, want)
  local account = want.arn:match "^arn:[^:]*:kms:[^:]*:(%d+):key/"
  if not account then return ("%s is not the ARN of a key"):format(want.arn) end
  if account ~= context:identity().account then
    return ("it is a key of account %s, and the credentials are of %s: adopt it with credentials of its account"):format(account,
      context:identity().account)
  end
end

-- Where imported material is from, if its tag does not say so yet.
local function trace(context, want, key, aliases)
  if key.metadata.Origin ~= "EXTERNAL" or key.unreadable.tags or key.tags[names.TAG_MATERIAL] then return end
  local vault_key = provenance.vault_key(aliases, key.id)
  if not vault_key then
    key.untold = "where its imported material is from is not known: who imported it has the copy, if anybody has"
    return
  end
  local why
  key.source, why = provenance.source(context, want.vault_mount or "keymgmt", vault_key, key.id)
  if why then key.untold = ("by its alias it was made by Vault's key management from the Vault key %s; %s"):format(vault_key, why) end
end

-- The key with the alias of this cluster that points to it.
local function look(context, want, aliases)
  local key = keys.find(context, want.region, want.arn)
  if key then key.alias = choice.alias_of(want.cluster, aliases, key.arn) end
  return key
end

--- The key, as KMS shows it; something with `refused` stands for one that cannot be looked at.
function M.find(context, want)
  local reason = elsewhere(context, want)
  if reason then return { refused = reason } end
  context:begin("aliases " .. want.region, function() return keys.aliases(context, want.region) end)
  context:begin("named", function() return named.read(context) end)
  local aliases = context:aliases(want.region)
  local key = look(context, want, aliases)
  if not key then return { refused = "KMS does not show it: it was deleted, or never was" } end
  key.taken = choice.entry_named(aliases, want.alias)
  trace(context, want, key, aliases)
  return key
end

-- Judging ----------------------------------------------------------------------------------------------------------

-- Whose it is, as far as tags tell.
local function owner(want, have)
  local tagged = have.tags[names.TAG_CLUSTER]
  if have.unreadable.tags or tagged and tagged ~= want.cluster.id then return keys.foreign(have, want.cluster) end
end

-- What CMEK cannot do with; KMS's own material, and imported material that stays, are both fine.
local function strange(have)
  local metadata = have.metadata
  local origin = metadata.Origin or "AWS_KMS"
  if origin ~= "AWS_KMS" and origin ~= "EXTERNAL" then
    return ("its material is in a key store of its own (Origin %s): cmek adopts keys whose material KMS made, or was imported"):format(origin)
  end
  if have.state == "PendingImport" then
    return "it has no key material: it was deleted, or has expired. Import the same again, then adopt it"
  end
  if metadata.ExpirationModel == "KEY_MATERIAL_EXPIRES" then
    return "its material expires, and from then on nobody can read what it encrypts: CMEK needs material that does not. Import the same again "
      .. "without an end, then adopt it"
  end
  return keys.unusable(have)
end

local function shared(context, want)
  local others = context:once("named"):by_others(want.arn, want.cluster)
  return others and ("cluster %s uses it as well, and one tag names one cluster: cmek looks after keys of one cluster, so it is left as it is")
    :format(others)
end

--- Why the key is not adopted; nil when it can be, or is.
function M.refusal(context, want, have)
  if have.refused then return have.refused end
  if want.status and want.status ~= "ENABLED" then
    return ("the Cloud says that the cluster's use of it is %s: adopt it when that is ENABLED"):format(want.status)
  end
  local reason = owner(want, have) or strange(have) or shared(context, want)
  if reason then return reason end
  if not have.alias and have.taken then
    return ("the alias %s, which it would get, points to another key, %s: look what that is for"):format(want.alias, have.taken.TargetKeyId)
  end
end

--- The tags and the alias that it lacks.
function M.differences(want, have)
  if have.refused then return { { check = "as_wanted", field = "key", have = have.refused, want = want.arn } } end
  local list, tags = {}, have.tags
  local function differ(name, wanted) list[#list + 1] = { check = "tags", field = "tags." .. name, have = tags[name], want = wanted } end
  if tags[names.TAG_CLUSTER] ~= want.cluster.id then differ(names.TAG_CLUSTER, want.cluster.id) end
  if tags[names.TAG_REGION] ~= want.region then differ(names.TAG_REGION, want.region) end
  if tags[names.TAG_RUN] == nil then differ(names.TAG_RUN, want.run) end
  if have.source then differ(names.TAG_MATERIAL, have.source) end
  if not have.alias then list[#list + 1] = { check = "alias", field = "alias", want = want.alias } end
  return list
end

-- The family of a multi-Region key that the cluster does not use.
local function idle_replicas(want, have)
  local configuration, list, used = have.metadata.MultiRegionConfiguration or {}, {}, {}
  for _, region in ipairs(want.cluster.regions or {}) do used[region.name] = true end
  for _, replica in ipairs(configuration.MultiRegionKeyType == "PRIMARY" and configuration.ReplicaKeys or {}) do
    if not used[replica.Region] then list[#list + 1] = replica.Region end
  end
  return list
end

--- What is worth a word of it.
function M.warnings(want, have)
  local list = {}
  if have.refused then return list end
  if have.untold then
    list[1] = { text = ("%s: %s; without the tag %s it is adopted all the same"):format(want.arn, have.untold, names.TAG_MATERIAL) }
  end
  local idle = idle_replicas(want, have)
  if #idle > 0 then
    list[#list + 1] = { text = ("%s has replicas in %s as well, where the cluster is not: they are left as they are"):format(want.arn,
      table.concat(idle, ", ")) }
  end
  return list
end
function M.pending() return nil end

--- The rights that adopting it takes.
---@return engine.Need[]
function M.needs(_, want, have)
  local list, checks = {}, {}
  for _, difference in ipairs(M.differences(want, have)) do checks[difference.check] = true end
  local function need(operation, resource, policy)
    list[#list + 1] = { action = "kms:" .. operation, resource = resource, policy = policy, region = want.region }
  end
  if checks.tags then need("TagResource", have.arn, have.policy) end
  if checks.alias then
    need("CreateAlias", have.arn:gsub(":key/.*$", ":") .. want.alias)
    need("CreateAlias", have.arn, have.policy)
  end
  return list
end

--- What the recipe gets.
function M.result(want) return { region = want.region, arn = want.arn, serves = want.serves } end

-- Changing ---------------------------------------------------------------------------------------------------------

-- Somebody may have tagged it for another cluster since it was looked at.
local function check_owner(context, want)
  local have = keys.find(context, want.region, want.arn)
  local reason = have and owner(want, have)
  if reason then context:refuse { service = "kms", region = want.region, what = ("adopting %s"):format(want.arn), message = reason } end
end

local function tag(context, want, list)
  context:write(function()
    return context.session.kms.tag_resource { region = want.region, KeyId = want.arn, Tags = list }
  end)
end

local function claim_alias(context, want, have)
  local holder = claim.claim(context, want.region, want.alias, have.id)
  if holder == have.id then return end
  context:refuse { service = "kms", region = want.region, what = ("adopting %s"):format(want.arn),
    message = ("the alias %s points to another key by now, %s"):format(want.alias, holder) }
end

--- Gives it what it lacks: the tags first, so that a run that dies between leaves a key that says whose it is.
function M.update(context, want, have, step)
  step.arn = want.arn
  check_owner(context, want)
  local list, alias = {}, false
  for _, difference in ipairs(M.differences(want, have)) do
    local name = difference.field:match "^tags%.(.*)$"
    if name then list[#list + 1] = { TagKey = name, TagValue = difference.want } else alias = true end
  end
  if #list > 0 then tag(context, want, list) end
  if alias then claim_alias(context, want, have) end
  local adopted = context:poll {
    reason = ("waiting until KMS shows %s as adopted"):format(want.arn), bound = context.LAG,
    check = function()
      local key = look(context, want, keys.aliases(context, want.region))
      if key and key.tags[names.TAG_MATERIAL] == nil then key.source = have.source end
      return key and #M.differences(want, key) == 0 and key or nil
    end,
  }
  if adopted then return adopted end
  failure.raise { code = "not_ready", service = "kms", region = want.region, what = ("adopting %s"):format(want.arn),
    message = ("KMS does not show its tags and alias after %d s"):format(context.LAG) }
end

return M
