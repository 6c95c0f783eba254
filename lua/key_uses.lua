--- Of each key of a cluster, current and past: which clusters still name it, and when it was last used, where KMS tells. None of it says
--- that a key is not needed any more.
local json = require "json"
local named = require "engine.cluster.named"
local reach = require "engine.account.reach"
local refusal = require "refusal"
local time = require "time"

local M = {}

--- Why nothing follows from a key's being idle.
M.RETENTION = "CockroachDB publishes no rule of how long a key is needed: older data files and every managed backup of a key's time need it, and "
  .. "a backup is read when it is restored. That a key is idle proves nothing, so cmek disables and deletes none of them, current or past."

local UNTOLD <const> = { AccessDeniedException = true, UnknownOperationException = true, UnsupportedOperationException = true,
  NotFoundException = true, KMSInvalidStateException = true }

-- Who names a key.
local function named_by(uses, arn)
  local list = json.array {}
  for i, use in ipairs(uses[arn] or {}) do
    list[i] = { cluster = { id = use.cluster.id, name = use.cluster.name }, region = use.region, status = use.status }
  end
  return list
end

local function moment(value)
  local seconds = time.epoch(value)
  return seconds and time.text(seconds) or json.null
end

-- What KMS says of a key's last use. It has recorded that since some day; what was before it does not know.
local function last_use(context, key)
  local region = key.aws.arn:match "^arn:[^:]*:kms:([^:]*):"
  local kms = reach.context(context, key.aws.arn).session.kms
  local answer, refused = context:try(UNTOLD, function() return kms.get_key_last_usage { region = region, KeyId = key.aws.arn } end)
  if not answer then return { told = false, reason = refusal.line(refused) } end
  local use = answer.KeyLastUsage or {}
  return { told = true, at = moment(use.Timestamp), operation = use.Operation or json.null, recorded_since = moment(answer.TrackingStartDate) }
end

-- Why KMS was not asked about a key.
local function unasked(entry, key)
  if not entry.aws.asked then return "AWS was not asked" end
  if key.aws == json.null then return "it is no key of AWS KMS" end
  return key.aws.refused
end

--- Adds `named_by` and `last_use` to every key of a cluster, and `keys` to the cluster: how many clusters were asked, and which did not say.
--- In a task.
---@param context engine.Context
---@param entry table  of cmek.status/1, with its regions
function M.add(context, entry)
  local found = named.read(context, { bears = true })
  local silent = json.array {}
  for i, one in ipairs(found.unasked) do silent[i] = { id = one.cluster.id, name = one.cluster.name, said = one.said } end
  entry.keys = { clusters_asked = found.asked, clusters_silent = silent, retention = M.RETENTION }
  context.tasks.map(entry.cmek.regions, function(region)
    for _, key in ipairs(region.keys) do
      key.named_by = named_by(found.uses, key.uri)
      local reason = unasked(entry, key)
      key.last_use = reason and { told = false, reason = reason } or last_use(context, key)
    end
  end)
end

return M
