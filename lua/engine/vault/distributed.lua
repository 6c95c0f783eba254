--- KMS keys that Vault's key management engine has made: found by their IDs, tagged, and given the cluster's alias. Nothing of their material
--- is cmek's to import.
local claim = require "engine.key.claim"
local failure = require "engine.failure"
local keys = require "engine.key.keys"
local names = require "names"
local policies = require "policy"
local policy_build = require "policy.build"
local unknown = require "unknown"

local M = {}

--- Whether a wanted key is one that Vault makes.
---@param want table  of a key
---@return boolean
function M.is(want) return want.material ~= nil and want.material.form == "distributed" end

local function id_of(want)
  local id = want.material.id
  return type(id) == "string" and not unknown.has(id) and id or nil
end

local function missing(context, want, id)
  return ("Vault says that key %s in %s is its %s/key/%s, and KMS in account %s does not show it: the credentials of Vault's provider %s are of "
    .. "another account, or the key was deleted"):format(id, want.region, want.material.mount, want.material.name, context:identity().account,
    want.material.provider)
end

-- What is waited for. A key of another account is never shown, which KMS does not tell from one that is new.
local function shown(context, want, id)
  return ("waiting until KMS of account %s shows key %s in %s, which Vault has made; it never does where the credentials of Vault's provider %s are "
    .. "of another account"):format(context:identity().account, id, want.region, want.material.provider)
end

--- The key that Vault made and that has no alias yet; nil when it is still to be made.
---@param context engine.Context
---@param want table
---@return engine.Key|{ refused: string }|nil
function M.find(context, want)
  local id = id_of(want)
  if not id or context.mode == "verify" or context.mode == "destroy" then return nil end
  local key = context:poll {
    reason = shown(context, want, id), bound = context.mode == "run" and claim.VISIBLE or 0,
    check = function() return keys.find(context, want.region, id) end,
  }
  if not key then return { refused = missing(context, want, id) } end
  key.unclaimed = "distributed"
  return key
end

--- Whether a key without a cluster's tag may be taken for this cluster's: Vault made it of the key that has our name.
---@param want table
---@param have engine.Key
---@return boolean
function M.claimable(want, have)
  return M.is(want) and have.unclaimed == "distributed" and not have.unreadable.tags and have.tags[names.TAG_CLUSTER] == nil
end

--- Why a key is not the one that Vault has; nil when it is.
---@param want table
---@param have engine.Key
---@return string?
function M.other(want, have)
  local id, material = id_of(want), want.material
  if not id or have.id == id then return nil end
  return ("%s has %s, and the KMS key of version %d of Vault's %s/key/%s is %s by now: the distribution was taken away, which schedules the old "
    .. "key's deletion, and made again. What the old one encrypts is lost with it: take its deletion back (aws kms cancel-key-deletion --region %s "
    .. "--key-id %s) and keep it in use; if nothing was ever encrypted with it, release the alias (aws kms delete-alias --region %s "
    .. "--alias-name %s) and run this again"):format(have.arn, want.alias, material.version, material.mount, material.name, id, want.region,
    have.id, want.region, want.alias)
end

local function with_sid(document, sid)
  for _, statement in ipairs(document and policies.parse(document).Statement or {}) do
    if statement.Sid == sid then return true end
  end
  return false
end

--- Why the wanted policy would take the key from Vault; nil when it does not, as far as can be seen.
---@param want table
---@param have engine.Key?
---@return string?
function M.locked_out(want, have)
  local alone = want.policy and with_sid(want.policy, policy_build.KEY_ADMIN_SID)
  if not alone or with_sid(want.policy, policy_build.VAULT_SID) or have and have.policy and with_sid(have.policy, policy_build.VAULT_SID) then
    return nil
  end
  return "with --admin those alone administer the key, and Vault, which made it, could neither rotate nor disable it: name whom Vault is in AWS "
    .. "(--vault-principal ARN), which is not known where Vault uses its server's identity"
end

--- The tags that make it this cluster's.
---@param want table
---@param have engine.Key
---@param source string  where its material is from
---@return table[]
function M.tag_differences(want, have, source)
  local list = {}
  for _, tag in ipairs { { names.TAG_CLUSTER, want.cluster.id }, { names.TAG_MATERIAL, source } } do
    local name, value = tag[1], tag[2]
    if have.tags[name] == nil then list[#list + 1] = { check = "tags", field = "tags." .. name, want = value } end
  end
  return list
end

--- The key as it is now, right before it is tagged: somebody may have tagged it for another cluster since it was looked at.
---@param context engine.Context
---@param want table
---@param id string
---@return engine.Key
function M.again(context, want, id)
  local have = context:poll {
    reason = shown(context, want, id), bound = claim.VISIBLE,
    check = function() return keys.find(context, want.region, id) end,
  }
  if not have then
    failure.raise { code = "not_ready", service = "kms", region = want.region, what = ("taking over key %s in %s"):format(id, want.region),
      message = missing(context, want, id) }
  end
  have.unclaimed = "distributed"
  return have
end

return M
