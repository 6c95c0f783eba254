--- Where the imported material of a key that somebody else made is from, as far as it can be told. Vault's key management gives the KMS
--- keys that it makes an alias with the name of the Vault key; which version of that it is, Vault alone knows.
local refusal = require "refusal"
local settings = require "vault.settings"
local sorted = require "sorted"

local M = {}

local OF_VAULT <const> = "^alias/hashicorp/(.+)%-%d+$"   -- the Vault key, and when it was distributed

--- The name of the Vault key that a KMS key was made from, by the alias that Vault gave it; nil without one.
---@param aliases { AliasName: string, TargetKeyId: string? }[]
---@param id string  the KMS key's
---@return string?
function M.vault_key(aliases, id)
  for _, entry in ipairs(aliases) do
    local name = entry.TargetKeyId == id and entry.AliasName:match(OF_VAULT)
    if name then return name end
  end
end

--- Whether Vault's key management has put into KMS the Vault key that a key's material is from.
---@param aliases { AliasName: string }[]  of the region
---@param source string?  the value of the tag cmek:material
---@return boolean
function M.is_distributed(aliases, source)
  local name = tostring(source):match "([^/]+):%d+$"
  for _, entry in ipairs(name and aliases or {}) do
    if entry.AliasName:match(OF_VAULT) == name then return true end
  end
  return false
end

--- The recipe that made a key, by where its material is from, and its argument where that is not the default.
---@param source string?      the value of the tag cmek:material
---@param distributed boolean  whether Vault's key management has put that key into KMS
---@return string recipe, string ...  words of a command
function M.recipe(source, distributed)
  local mount = tostring(source):match "^(.+)/[^/]+$"
  if not mount then return "console" end
  local recipe, default = distributed and "vault" or "vault-transit", distributed and "keymgmt" or "transit"
  if mount == default then return recipe end
  return recipe, "--vault-mount", mount
end

--- Whether a Vault is named in the environment, so that it may be asked.
---@param session table
---@return boolean
function M.can_ask(session)
  return settings.text(session.environment, "AGENT_ADDR") ~= nil or settings.text(session.environment, "ADDR") ~= nil
end

-- The version of a Vault key that is a KMS key's material, by where it was distributed to.
local function version(vault, mount, name, id)
  for _, provider in ipairs(vault.keymgmt_list_key_providers { mount = mount, name = name }.keys or {}) do
    local distribution = vault.keymgmt_read_distribution { mount = mount, name = provider, key = name }
    for number, made in sorted(distribution.versions or {}) do
      if made == id then return number end
    end
  end
end

--- The value of the tag cmek:material for a KMS key that Vault's key management made; nil and the reason when that cannot be told.
---@param context engine.Context
---@param mount string
---@param name string  of the Vault key
---@param id string    of the KMS key
---@return string?, string? reason
function M.source(context, mount, name, id)
  if not M.can_ask(context.session) then return nil, "no Vault is configured (VAULT_ADDR), so which version of it cannot be asked" end
  local number, refused = context:try(function() return true end, function()
    return version(context.session.vault, mount, name, id) or false
  end)
  if refused then return nil, ("Vault does not say which version of it (%s)"):format(refusal.line(refused)) end
  if not number then return nil, ("Vault's engine at %s/ has no version of it that is this key"):format(mount) end
  return ("%s/%s:%s"):format(mount, name, number)
end

return M
