--- Taking back the way from Vault to KMS in a region, once it leads to no key any more. Vault forgets the credentials with it.
local in_vault = require "engine.vault.in_vault"
local thing = require "resource.vault_provider"
local vault_side = require "engine.vault.side"

local M = { name = thing.name, region = thing.region }

--- The provider, with the keys that it has.
function M.collect(context, want)
  local have = vault_side.read(context, want, thing.name(want), function()
    local provider = thing.find(context, want)
    local answer = provider and in_vault.look(context, "keymgmt_list_distributions", { mount = want.mount, name = want.name })
    if provider then provider.keys = answer and answer.keys or {} end
    return provider
  end)
  return have and { { want = want, have = have } } or {}
end

function M.refusal() return nil end

function M.about() return "Vault forgets its AWS credentials with it" end

--- Why it stays where it is; nil when it goes.
function M.stays(engine, want, have)
  if thing.refusal(engine.context, want, have) then
    return ("it stays: it leads to %s in %s, which is not this region's KMS"):format(tostring(have.provider), tostring(have.key_collection))
  end
  local going = vault_side.going(engine)
  for _, name in ipairs(have.keys) do
    if not going[("%s/key/%s"):format(M.path(want), name)] then return ("it stays: it has the key %s"):format(name) end
  end
end

--- The path that it takes in the engine.
function M.path(want) return thing.name(want) end

--- What the token of Vault has to be allowed.
---@return engine.Capability[]
function M.capabilities(want) return { { path = M.path(want), "read", "delete" } } end

--- Deletes it, until Vault shows it no more.
---@param context engine.Context
---@param want table
---@param have table
---@param guard fun()
function M.delete(context, want, have, guard)
  local refused = vault_side.delete(context, { name = thing.name(want), region = want.region, guard = guard,
    find = function() return thing.find(context, want) end,
    ask = function() return context.session.vault.keymgmt_delete_provider { mount = want.mount, name = want.name } end })
  if refused then error(refused, 0) end
  return have
end

return M
