--- Vault's key management engine as the resources of it see it: what its keys and providers are called, their versions, and AWS's words in its own.
local choice = require "engine.key.choice"
local in_vault = require "engine.vault.in_vault"
local keys = require "engine.key.keys"
local names = require "names"

local M = {}

--- What makes and holds the keys that KMS gets.
M.TYPE, M.PROVIDER = "aes256-gcm96", "awskms"

--- Whether Vault passes on what AWS has refused: that has an end, whatever Vault calls it.
---@param refused Refusal
---@return boolean
function M.of_aws(refused)
  local words = tostring(refused.message)
  return refused.kind == "refused" and (words:find("api error ", 1, true) or words:find("Exception:", 1, true)) ~= nil
end

--- Whether a refused request may have left a KMS key without its material, or without its alias: not one that Vault refused by itself.
---@param refused Refusal
---@return boolean
function M.may_leave(refused)
  return refused.kind ~= "refused" or (refused.status or 0) >= 500 or M.of_aws(refused) or tostring(refused.message):find("KMS", 1, true) ~= nil
end

-- Names --------------------------------------------------------------------------------------------------------------

-- The Vault key that is the material of the key in use, as a tag of that tells: an adopted one has a name of its own.
local function adopted(context, want)
  for _, used in ipairs(choice.in_use(context, want)) do
    local answer = used.uri:find(":kms:" .. want.region .. ":", 1, true)
      and context:try(function(refused) return refused.kind == "refused" end, function()
        return context.session.kms.list_resource_tags { region = want.region, KeyId = used.uri }
      end)
    local tags = answer and keys.tags(answer.Tags) or {}
    local mount, name = tostring(tags[names.TAG_MATERIAL]):match "^(.+)/([^/]+):%d+$"
    if tags[names.TAG_CLUSTER] == want.cluster.id and mount == want.mount then return name end
  end
end

--- The name of a region's key in Vault: the cluster's own, unless the key in use is of another.
---@param context engine.Context
---@param want { cluster: table, region: string, mount: string }
---@return string
function M.key_name(context, want)
  return context:once(("name in %s %s"):format(want.mount, want.region), function()
    return adopted(context, want) or names.vault_key(want.cluster, want.region)
  end)
end

--- The name of the region's provider: the cluster's own, unless the key has one of its own and is in another.
---@return string
function M.provider_name(context, want)
  local own, key = names.vault_key(want.cluster, want.region), M.key_name(context, want)
  if key == own then return own end
  return context:once(("provider in %s %s"):format(want.mount, want.region), function()
    local answer = in_vault.look(context, "keymgmt_list_key_providers", { mount = want.mount, name = key })
    return answer and (answer.keys or {})[1] or own
  end)
end

--- Versions of a key or a distribution, by number. An older form of a key's has them under another name.
---@param data table
---@return table<integer, any> versions, integer? latest
function M.versions(data)
  local versions, latest = {}, nil
  local given = type(data.versions) == "table" and data.versions or type(data.keys) == "table" and data.keys or {}
  for number, value in require("sorted")(given) do
    local version = math.tointeger(tonumber(number))
    if version then
      versions[version] = value
      latest = math.max(latest or version, version)
    end
  end
  return versions, latest
end

return M
