--- What is behind a step that is refused: which of the known situations it is, by what was found.
local explain = require "explain"
local keys = require "engine.key.keys"
local mend = require "engine.mend"
local names = require "names"
local policies = require "policy"

local M = {}

local function text(value) return value ~= nil and tostring(value) or nil end

-- Keys ---------------------------------------------------------------------------------------------------------------

local STATES <const> = { Disabled = "kms.key-disabled", PendingDeletion = "kms.key-pending-deletion",
  PendingReplicaDeletion = "kms.key-pending-deletion" }

local function wrong_kind(have)
  for _, field in ipairs { "KeyManager", "KeySpec", "KeyUsage" } do
    local value = have.metadata[field]
    if value ~= nil and value ~= keys.KEPT[field] then return field, value end
  end
end

-- The statement that names nobody, and the command that puts the policy without it.
local function orphan(engine, have, facts)
  for _, statement in ipairs(policies.parse(have.policy).Statement or {}) do
    local found = policies.orphans({ Version = "2012-10-17", Statement = { statement } })[1]
    if found then
      facts.statement, facts.id = statement.Sid and ("Statement[%s]"):format(statement.Sid) or "a statement", found.id
      facts.put = mend.key_policy(engine, have, statement)
      return "kms.orphan-principal"
    end
  end
end

-- A run of the recipe with other arguments than were given.
local function with_others(engine, others)
  local given = {}
  for argument, value in pairs(engine.given) do given[argument] = value end   -- order cannot be seen
  for argument, value in pairs(others) do given[argument] = value end
  return mend.cmek(setmetatable({ given = given }, { __index = engine }), "run")
end

-- A run of the recipe that made a key with material of Vault's, and with the arguments that it was made with.
local function as_it_was(engine, have, source)
  local mount, rest = source:match "^(.*)/([^/]*)$"
  local name, others = have.distributed and "vault" or "vault-transit", { vault_mount = mount }
  if not have.distributed then others.form = rest == "no-copy" and "wrapped" or "exportable" end
  if name == engine.recipe.name then return with_others(engine, others) end
  others.cluster, others.role = engine.given.cluster, engine.given.role
  return mend.cmek(setmetatable({ given = others, recipe = { args = require("recipe").load(name).args } }, { __index = engine }), "run", name)
end

-- Material that is not what CMEK needs, or from elsewhere than where it was to come from.
local function material(engine, want, have)
  local source = have.tags[names.TAG_MATERIAL]
  local mount, copy = tostring(source):match "^(.*)/[^/]*$", source and not source:find "/no%-copy$"
  if have.distributed or require("engine.vault.distributed").is(want) then copy = false end   -- Vault fills only keys of its own making with it
  local facts = { key = have.arn, origin = have.metadata.Origin, source = source or "not told by a tag", tag = names.TAG_MATERIAL,
    again = mend.cmek(engine, "run", "console", mend.CHAIN),
    import = copy and ("cmek run vault-transit --cluster %s --vault-mount %s"):format(mend.quote(want.cluster.name), mend.quote(mount)) or nil }
  if want.material and have.metadata.Origin ~= "EXTERNAL" then return "kms.material-of-kms", facts end
  if want.material and source and source ~= require("engine.key.material").source(want) then
    facts.as_it_was = as_it_was(engine, have, source)
    return "kms.material-elsewhere", facts
  end
  if have.state == "PendingImport" then return facts.import and "kms.material-gone" or "kms.material-lost", facts end
  if have.metadata.ExpirationModel == "KEY_MATERIAL_EXPIRES" then return "kms.material-expires", facts end
end

local function key(engine, want, have, check, reason)
  local locked_out = reason:find("could not change it again", 1, true)
  if locked_out then return "kms.lockout", { source = engine.context:identity().arn } end
  if check == "policy" and reason:find("--vault-principal", 1, true) then return "vault.locked-out", { reason = reason } end
  if not have or type(have) ~= "table" then return nil end
  if have.used_in then return "layout.other", { keys = have.in_use, region = have.used_in, name = want.cluster.name } end
  if have.in_use then
    return "cmek.in-use", { keys = have.in_use, region = want.region, name = want.cluster.name }
  end
  if have.refused then return nil end
  local facts = { key = have.arn, region = have.region, alias = want.alias, state = have.state }
  if check == "material" and reason:find("the distribution was taken away", 1, true) then return "vault.made-anew", { reason = reason } end
  if check == "owner" then
    facts.why = keys.foreign(have, want.cluster)
    return facts.why and not want.arn and "kms.alias-taken" or nil, facts
  end
  if check == "replica" then
    facts.primary, facts.name = require("unknown").show(want.primary.arn), want.cluster.name
    return "kms.no-replica", facts
  end
  if check == "state" and STATES[have.state] then return STATES[have.state], facts end
  if check == "state" then
    facts.field, facts.value = wrong_kind(have)
    return facts.field and not want.arn and "kms.key-of-wrong-kind" or nil, facts
  end
  if check == "material" then return material(engine, want, have) end
  if check == "policy" and have.policy == nil then return "kms.policy-unreadable", facts end
  if check == "policy" then return orphan(engine, have, facts), facts end
end

-- Roles --------------------------------------------------------------------------------------------------------------

local function role(engine, want, have, check, reason)
  if not have or check ~= "owner" or not have.arn or have.unreadable.tags then return nil end
  local owner = have.tags[names.TAG_CLUSTER]
  if owner == want.cluster.id then return nil end
  if owner and want.arn and not engine.given.role then return "cluster.shared", { uses = reason } end   -- the one that the cluster uses
  local facts = { arn = have.arn, owner = owner, other_role = with_others(engine, { role = want.name:sub(1, 60) .. "-2" }) }
  return owner and "iam.role-of-another-cluster" or "iam.role-foreign", facts
end

-- CMEK ---------------------------------------------------------------------------------------------------------------

local function cluster_cmek(engine, want, have, check, reason)
  if check == "revoked" then return "cmek.revoked", { said = reason, restore = mend.restore(engine, want.cluster) } end
  if check == "exists" or reason:find("adding a region", 1, true) then return "cmek.regions", { missing = reason, name = want.cluster.name } end
  local used, with, region, status = reason:match "uses (%S+) with role (%S+) in (%S+) %((%S+)%)"
  if have and used then
    return "cmek.other-key", { key = used, role = with, region = region, status = status, name = want.cluster.name }
  end
end

-- Revocations --------------------------------------------------------------------------------------------------------

local function revocation(engine, _, have, check, reason)
  if check == "shared" then return "cluster.shared", { uses = reason } end
  if check == "policy" and have.policy and #policies.orphans(have.policy) > 0 then
    local facts = { key = have.arn, region = have.region }
    return orphan(engine, have, facts), facts
  end
end

-- Vault's key management ------------------------------------------------------------------------------------------------

local function vault_thing(_, _, have, _, reason)
  if type(have) ~= "table" or reason:find("--provider-credentials", 1, true) then return nil end
  local id = have.elsewhere and "vault.key-elsewhere" or reason:find("min_enabled_version is", 1, true) and "vault.version-disabled"
  return id or "vault.name-taken", { reason = reason }
end

local KINDS <const> = { vault_provider = vault_thing, vault_key = vault_thing, vault_distribution = vault_thing,
   revoked_key = revocation, revoked_cluster = revocation, restored_key = revocation,
  key = key, replica = key, role = role, cluster_cmek = cluster_cmek }

--- What is behind a refusal; nil where it is no known situation.
---@param engine table
---@param kind string
---@param want table
---@param have any
---@param check string?   which of the kind's checks refuses
---@param reason string
---@return table?  of lua/explain.lua
function M.of(engine, kind, want, have, check, reason)
  if not KINDS[kind] then return nil end
  local id, facts = KINDS[kind](engine, want, have, check, reason)
  if not id then return nil end
  for name, value in pairs(facts) do facts[name] = text(value) end   -- order cannot be seen
  return explain.tell(id, facts)
end

return M
