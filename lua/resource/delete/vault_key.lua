--- Taking a key of Vault's key management engine back, once no provider has it: its KMS keys wait for their end by then, with material of their own,
--- so that Vault's is of no use to them any more.
local in_vault = require "engine.vault.in_vault"
local thing = require "resource.vault_key"
local vault_side = require "engine.vault.side"

local M = { name = thing.name, region = thing.region }

--- Why what is deleted cannot be made the same again.
M.irreversible = "Vault gives the material of such a key to nobody, so none of it is left"

--- The key, with the providers that have it.
function M.collect(context, want)
  local have = vault_side.read(context, want, thing.name(want), function()
    local key = thing.find(context, want)
    local answer = key and in_vault.look(context, "keymgmt_list_key_providers", { mount = want.mount, name = want.name })
    if key then key.providers = answer and answer.keys or {} end
    return key
  end)
  return have and { { want = want, have = have } } or {}
end

function M.refusal() return nil end

function M.about() return M.irreversible end

--- Why it stays where it is; nil when it goes.
function M.stays(engine, want, have)
  if have.type ~= want.type then return ("it stays: it has our name, and is of type %s"):format(tostring(have.type)) end
  local going = vault_side.going(engine)
  for _, provider in ipairs(have.providers) do
    if not going[("%s/kms/%s/key/%s"):format(want.mount, provider, want.name)] then
      return ("it stays: it is distributed to the provider %s"):format(provider)
    end
  end
end

--- The path that it takes in the engine.
function M.path(want) return thing.name(want) end

--- What the token of Vault has to be allowed.
---@return engine.Capability[]
function M.capabilities(want) return { { path = M.path(want), "read", "update", "delete" } } end

-- Lets Vault delete it; what was lost on the way is sent again, since it does no more than once. False when there is no such key any more.
local function allow(context, want)
  local there
  in_vault.settle(context, { what = "allowing the deletion of " .. thing.name(want), region = want.region, check = function()
    local now = thing.find(context, want)
    there = now ~= nil
    if not there or now.deletion_allowed == true then return true end
    in_vault.write(context, "keymgmt_write_key", { mount = want.mount, name = want.name, type = want.type, deletion_allowed = true })
    local seen = thing.find(context, want)
    return seen and seen.deletion_allowed == true or nil
  end })
  return there
end

--- Deletes it, until Vault shows it no more.
---@param context engine.Context
---@param want table
---@param have table
---@param guard fun()
function M.delete(context, want, have, guard)
  if not allow(context, want) then return have end
  local refused = vault_side.delete(context, { name = thing.name(want), region = want.region, guard = guard,
    find = function() return thing.find(context, want) end,
    ask = function() return context.session.vault.keymgmt_delete_key { mount = want.mount, name = want.name } end })
  if refused then error(refused, 0) end
  return have
end

return M
