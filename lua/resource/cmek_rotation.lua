--- The keys that regions of a cluster with CMEK use, changed for others or used anew. The keys from before stay needed.
local cloud_change = require "engine.cluster.cloud_change"
local cmek = require "engine.cluster.cmek"

local M = {}

M.kind = "cmek_rotation"

--- What it may call, by service.
M.actions = require("resource.actions").cmek_rotation

--- The checks of verify, in order.
M.checks = {
  { id = "cmek_rotation.in_use", severity = "high", text = "the region uses a key of cmek's, which can be used" },
  { id = "cmek_rotation.finished", severity = "medium", text = "no rotation was begun and left unfinished" },
  { id = "cmek_rotation.generation", severity = "high", text = "the region uses the key of the generation that is named" },
  { id = "cmek_rotation.enabled", severity = "high", text = "region and key are ENABLED" },
}

local OTHER <const> = "what is written from then on can be read with the new key alone, and what was written before, and backups from then, with "
  .. "the old one: neither may ever be disabled or deleted; going back is another rotation"
local ANEW <const> = "the store key is wrapped with the material that KMS has now, and not with the older one again; KMS keeps both for as long "
  .. "as it keeps the key"

--- Why it cannot be taken back.
---@param want table
---@return string
function M.irreversible(want) return want.rewrap and ANEW or OTHER end

--- The Cloud works for hours, and needs no credentials of AWS meanwhile.
M.in_cloud = true

---@param want { cluster: table, region_specs: table[], used: table<string, string>, rewrap: boolean? }
---  used: the key that each region uses as planned; rewrap: the same keys are used anew, as KMS has them now
function M.defaults(want)
  if type(want.region_specs) ~= "table" then error("cmek_rotation: field 'region_specs' must be the list that handover gives", 0) end
  want.used = want.used or {}
end

function M.name(want) return want.cluster.name end
function M.region() return nil end

-- Judging ------------------------------------------------------------------------------------------------------------

--- Starts what `find` reads, before it is asked for.
function M.foresee(context, want)
  context:begin("cmek " .. want.cluster.id, function() return context.session.cloud.cmek(want.cluster.id) end)
  context:begin("organization", function() return context.session.cloud.organization() end)
end

--- What the Cloud says. A run that goes on at the Cloud alone has been taken: it waits, and asks for nothing again.
function M.find(context, want) return { info = context:cmek(want.cluster), taken = context.spec ~= nil or nil } end

function M.refusal() return nil end
function M.warnings() return {} end

-- The key of a region as people know it: what comes after the last slash, and when the Cloud was given it last.
local function shown(info, spec)
  local key = cmek.key(info, spec)
  return ("%s, as it was %s"):format(spec.key_spec.uri, key and key.updated_at or "when it was enabled")
end

--- The regions whose key is another one than the wanted; of one that is used anew, every region.
function M.differences(want, have)
  local list = {}
  for _, spec in ipairs(want.region_specs) do
    local state = cmek.state(have.info, spec)
    if want.rewrap and not have.taken then
      list[#list + 1] = { check = "key", field = "key." .. spec.region, have = shown(have.info, spec), want = spec.key_spec.uri .. ", as it is now" }
    elseif not want.rewrap and (state == "absent" or state == "failed") then
      list[#list + 1] = { check = "key", field = "key." .. spec.region, have = want.used[spec.region], want = spec.key_spec.uri }
    end
  end
  return list
end

--- Why there is work although nothing differs: the Cloud is at it.
---@return string? reason, boolean? writes
function M.pending(_, want, have)
  for _, spec in ipairs(want.region_specs) do
    if cmek.state(have.info, spec) == "pending" then return ("%s is being given its key; it is waited for"):format(spec.region) end
  end
end

--- What the recipe gets.
function M.result(want) return { cluster = want.cluster.id, region_specs = want.region_specs } end

-- Rotating -------------------------------------------------------------------------------------------------------------

-- Raises when a region uses neither the key that the plan has seen nor the wanted one: somebody else has rotated it meanwhile.
local function check_used(context, want, info, spec)
  local planned = want.used[spec.region]
  for _, live in ipairs(planned and cmek.live(info, spec.region) or {}) do
    local left = live.status:find "^DISABL" ~= nil   -- by a rotation that was there before
    if not left and live.uri ~= planned and live.uri ~= spec.key_spec.uri then
      context:refuse { service = "cloud", region = spec.region, what = ("rotating the key of %s"):format(spec.region),
        message = ("since the plan was made the cluster uses %s (%s) there, which is neither %s nor %s"):format(live.uri, live.status, planned,
          spec.key_spec.uri), next = "plan anew: cmek plan rotate --cluster " .. require("quote")(want.cluster.name) }
    end
  end
end

local function change_of(context, want, specs)
  return { cluster = want.cluster, specs = specs, operation = "UpdateCMEKSpec", anew = want.rewrap,
    what = ("%s of cluster %s"):format(want.rewrap and "using the keys anew" or "rotating the keys", want.cluster.name),
    verb = want.rewrap and "use the keys anew" or "rotate the keys", failed = "ROTATE_FAILED", situation = "cmek.rotate-failed",
    send = function() return context.session.cloud.update_cmek(want.cluster.id, specs) end }
end

--- Gives the Cloud the keys of the regions that do not have them yet, then waits until every region uses its key.
function M.update(context, want, have, step)
  local info, open = context.session.cloud.cmek(want.cluster.id), {}
  for _, spec in ipairs(want.region_specs) do
    check_used(context, want, info, spec)
    local state = cmek.state(info, spec)
    local asked = want.rewrap and (have.taken or state == "pending")   -- by this run, or by another one that is at it
    if want.rewrap and not asked or state == "absent" or state == "failed" then open[#open + 1] = spec end
  end
  if #open > 0 then
    local change = change_of(context, want, open)
    change.old = cmek.signature(info, open)
    cloud_change.make(context, change, step)
  end
  local rest = change_of(context, want, want.region_specs)
  rest.anew = nil
  return cloud_change.settle(context, rest)
end

return M
