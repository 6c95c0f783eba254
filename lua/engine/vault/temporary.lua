--- Transit keys that last as long as an import: each holds a public key of KMS's, under which Vault gives key material out. The journal has
--- the requests that made them and took them away, so a run that is resumed knows what an earlier process of it left.
---@class engine.Temporary
---@field mount string
---@field name string   "tmp-…": names.temporary
local names = require "names"
local refusal = require "refusal"

local M = {}

-- Whether nothing came of a request that was to make one.
local function none(outcome)
  return outcome.outcome == "unsent" or outcome.outcome == "stopped" or outcome.outcome == "answered" and outcome.status >= 400
    and outcome.status < 500
end

local function done(outcome) return outcome.outcome == "answered" and outcome.status < 300 end

local WAYS <const> = {   -- of a request, by its operation: what it is about, and when there is no such key afterwards
  TransitImportKey = { "^(.+)/keys/(tmp%-[^/]+)/import$", none },
  TransitDeleteTemporaryKey = { "^(.+)/keys/(tmp%-[^/]+)$", done },
}

--- What a run's journal leaves in Vault, or may leave there, oldest first.
---@param entries table[]
---@return engine.Temporary[]
function M.left(entries)
  local list, by_target, sent = {}, {}, {}   -- each process that took the run up numbered its requests anew
  for _, entry in ipairs(entries) do
    local way = entry.kind == "request" and WAYS[entry.operation]
    if entry.kind == "request" then sent[entry.request] = nil end
    if way then
      local mount, name = entry.target:match(way[1])
      local key = by_target[name] or { mount = mount, name = name }
      if not by_target[name] then list[#list + 1] = key end
      by_target[name], sent[entry.request] = key, { key = key, gone = way[2] }
      if way[2] == none then key.gone = nil end   -- asked for again
    end
    local answered = entry.kind == "outcome" and sent[entry.request]
    if answered and answered.gone(entry) then answered.key.gone = true end
  end
  local left = {}
  for _, key in ipairs(list) do
    if not key.gone then left[#left + 1] = key end
  end
  return left
end

--- Those that the run has left in a region.
---@param context engine.Context
---@param want table  of a key
---@return engine.Temporary[]
function M.of(context, want)
  local prefix, list = names.temporary(want.cluster, want.region, ""), {}
  for _, key in ipairs(want.material and context.temporary or {}) do
    if not key.gone and key.name:sub(1, #prefix) == prefix then list[#list + 1] = key end
  end
  return list
end

local function absent(refused)
  local words = tostring(refused.message)
  return refused.status == 404 or words:find("not found", 1, true) or words:find("no existing key", 1, true)
end

--- Takes one away. It is of use to nobody once the material is under it; that it could not be taken away is told and no failure.
---@param context engine.Context
---@param key engine.Temporary
---@param region string
function M.forget(context, key, region)
  local vault = context.session.vault
  local _, refused = context:try(function() return true end, function()
    vault.transit_configure_key { mount = key.mount, name = key.name, deletion_allowed = true }
    vault.transit_delete_temporary_key { mount = key.mount, name = key.name }
  end)
  key.gone = not refused or absent(refused)
  if key.gone then return end
  context:warn(("the transit key %s/%s, which holds nothing but a public key of KMS's, could not be deleted (%s): "
    .. "vault write %s/keys/%s/config deletion_allowed=true && vault delete %s/keys/%s"):format(key.mount, key.name,
    refusal.line(refused), key.mount, key.name, key.mount, key.name), region)
end

--- Takes away what the run has left in a region.
---@param context engine.Context
---@param want table  of a key
function M.sweep(context, want)
  for _, key in ipairs(M.of(context, want)) do M.forget(context, key, want.region) end
end

return M
