--- Where it stands who rotates a cluster's keys: an entry in a KV engine of version 2, written by check-and-set. Without one nothing is
--- lost but a word: two rotations at once end with one key a region and generation, since aliases decide.
local capabilities = require "engine.vault.capabilities"
local failure = require "engine.failure"
local names = require "names"
local refusal = require "refusal"

local M = {}

local DEFAULT <const> = "vault:secret/data/cmek"
local SHAPE <const> = "^vault:([%w_.-][%w_./-]-)/data/([%w_.-][%w_./-]*)$"

local function parse(cluster, text)
  local mount, folder = text:match(SHAPE)
  if not mount then
    failure.raise { code = "precondition", exit = "usage", what = "reading --lock",
      message = ("'%s' is no folder of a KV engine: vault:MOUNT/data/PATH is one, such as %s"):format(text, DEFAULT) }
  end
  return { mount = mount, path = ("%s/%s"):format(folder:gsub("/+$", ""), names.rotation(cluster)) }
end

-- Why the lock cannot stand there; nil when it can.
local function unusable(engine, cluster, place)
  local mount = require("resource.vault_mount").find(engine.context, { path = place.mount })
  local version = mount and tostring((mount.options or {}).version)
  if not mount or mount.type ~= "kv" or version ~= "2" then
    return ("there is no KV engine of version 2 at %s/ that can be seen"):format(place.mount)
  end
  local short = capabilities.lacking(engine.context, { { path = ("%s/data/%s"):format(place.mount, place.path), "create", "update", "read" } })
  if short[1] then return ("the token of Vault lacks %s"):format(short[1].lacks), capabilities.policy(short, cluster) end
end

--- Where a rotation's lock is; nil where there is none, which is told. Raises when the one that is named cannot be.
---@param engine table
---@param cluster table
---@param given string?     --lock
---@param by_vault boolean  the keys' material is Vault's, so Vault is asked anyway
---@return { mount: string, path: string }?
function M.place(engine, cluster, given, by_vault)
  if not given and not by_vault then
    engine.listener { kind = "say", text = "no lock is kept: these keys are KMS's, and Vault is not asked (cmek help rotating)" }
    return nil
  end
  local place = parse(cluster, given or DEFAULT)
  local ok, words, lines = pcall(unusable, engine, cluster, place)
  if not ok then
    if given or not refusal.is(words) then error(words, 0) end
    words = refusal.line(words)
  end
  if not words then return place end
  if given then
    failure.raise { code = "precondition", service = "vault", what = "looking where the lock is to stand", message = words,
      next = lines and "add to its policy:\n" .. lines or "name another place with --lock, or leave it out" }
  end
  engine.context:warn(("no lock is kept: %s (--lock vault:MOUNT/data/PATH names a place); let one operator rotate at a time"):format(words))
end

return M
