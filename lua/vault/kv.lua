--- Secrets that are kept in Vault: `vault:kv/data/cmek#api_key` in the place of a secret is where it stands, in a KV engine of version 2.
local explain = require "explain"
local refusal = require "refusal"
local secret = require "secret"

local M = {}

-- As host/vault.c has it: nothing in it is decoded, cut or climbed with.
local function is_path(text)
  local whole = "/" .. text .. "/"
  return not text:find '[^!-~]' and not text:find '[?#%%\\"<>{}*]' and not whole:find("//", 1, true) and not whole:find("/./", 1, true)
    and not text:find("..", 1, true)
end

--- Mount, path and field of a reference.
---@param reference string
---@param variable string  what holds it
---@return string mount, string path, string field
function M.split(reference, variable)
  local mount, path, field = reference:match "^vault:([^#]-)/data/([^#]+)#([^#]+)$"
  if not mount or not is_path(mount) or not is_path(path) then
    refusal.raise { kind = "configuration", exit = "usage",
      message = ("%s holds a reference into Vault that leads nowhere; one is like vault:kv/data/PATH#FIELD (KV version 2)"):format(variable) }
  end
  return mount, path, field
end

--- What a reference stands for.
---@param client vault.Client
---@param reference string
---@param variable string
---@param audience "cloud"|"aws"|"vault"
---@return userdata
function M.fetch(client, reference, variable, audience)
  local mount, path, field = M.split(reference, variable)
  local place = ("%s/data/%s"):format(mount, path)
  local answer = client:call { operation = "KvRead", method = "GET", mount = mount, path = "data/" .. path, safe = true, session = true,
    audience = audience }
  local kept = answer and answer.data
  local value = type(kept) == "table" and kept[field]
  if secret.is(value) and secret.length(value) > 0 then return value end
  local message = not kept and ("there is nothing at %s"):format(place) or ("what is kept at %s has no '%s'"):format(place, field)
  refusal.raise(explain.tell("vault.reference", { variable = variable, place = place, field = field },
    { service = "vault", operation = "KvRead", kind = "credentials", exit = "credentials", what = "reading " .. variable, message = message }))
end

--- An environment whose secrets may be references: each is fetched when it is first asked for, and kept.
---@param environment Variables
---@param client fun(): vault.Client
---@return Variables
function M.over(environment, client)
  local kept = {}
  local function secret_of(name, audience)
    local value = environment.secret(name, audience)
    local reference = value and secret.is(value) and audience ~= "vault" and secret.reference(value)
    if not reference then return value end
    local key = name .. " " .. audience
    kept[key] = kept[key] or M.fetch(client(), reference, name, audience)
    return kept[key]
  end
  return setmetatable({ secret = secret_of, reference = function(name, audience)
    local value = environment.secret(name, audience)
    return value and secret.is(value) and secret.reference(value) or nil
  end }, { __index = environment })
end

return M
