--- CMEK of a cluster: every region with its key and role. It can be enabled once and never switched off.
local cloud_change = require "engine.cluster.cloud_change"
local cmek = require "engine.cluster.cmek"

local M = {}

M.kind = "cluster_cmek"

--- What it may call, by service.
M.actions = require("resource.actions").cluster_cmek

--- The checks of verify, in order.
M.checks = {
  { id = "cluster_cmek.exists", severity = "high", text = "CMEK is enabled for the cluster" },
  { id = "cluster_cmek.regions", severity = "high", text = "every region of the cluster is named once, and no other" },
  { id = "cluster_cmek.key", severity = "high", text = "the region uses this key" },
  { id = "cluster_cmek.role", severity = "high", text = "with this role" },
  { id = "cluster_cmek.enabled", severity = "high", text = "region and key are ENABLED" },
}

--- Why making it cannot be taken back.
M.irreversible = "CMEK stays enabled for the life of the cluster, and managed backups from before it can no longer be restored"

--- The Cloud works for hours, and needs no credentials of AWS meanwhile.
M.in_cloud = true

local FRESH <const> = 60   -- seconds for which the Cloud's word on the regions holds; it refuses other ones itself

---@param want { cluster: table, region_specs: table[] }
function M.defaults(want)
  if type(want.region_specs) ~= "table" then error("cluster_cmek: field 'region_specs' must be the list that handover gives", 0) end
end

function M.name(want) return want.cluster.name end
function M.region() return nil end

-- Reading ----------------------------------------------------------------------------------------------------------

--- Starts what `find` reads, before it is asked for.
function M.foresee(context, want)
  context:begin("cmek " .. want.cluster.id, function() return context.session.cloud.cmek(want.cluster.id) end)
  context:begin("organization", function() return context.session.cloud.organization() end)
end

--- What the Cloud says; nil when CMEK was never enabled, or when it failed and can be asked for again.
function M.find(context, want)
  local info = context:cmek(want.cluster)
  local any, failed
  for _, spec in ipairs(want.region_specs) do
    if #cmek.live(info, spec.region) > 0 then any = true end
    local state, message = cmek.state(info, spec)
    if state == "failed" then failed = message end
  end
  for _, entry in ipairs(info.region_infos or {}) do
    if #cmek.live(info, entry.region) > 0 then any = true end
  end
  return (any or failed) and { info = info, failed = failed } or nil
end

-- Judging ----------------------------------------------------------------------------------------------------------

local function uncovered(want)
  local named, missing = {}, {}
  for _, spec in ipairs(want.region_specs) do
    if named[spec.region] then return ("the region %s stands twice"):format(spec.region) end
    named[spec.region] = true
  end
  for _, region in ipairs(want.cluster.regions or {}) do
    if not named[region.name] then missing[#missing + 1] = region.name end
  end
  if #missing > 0 then return "every region of the cluster must have a key; missing: " .. table.concat(missing, ", ") end
end

-- The key that a region uses, or is being given, although another one is wanted. What it is being rotated away from is none.
local function other_key(info, spec)
  local key = cmek.live(info, spec.region)[1]
  return key and not cmek.same(key, spec.key_spec) and key or nil
end

--- Why the cluster is not touched; nil when it can be enabled, or is as wanted.
---@return string? reason, string? check
function M.refusal(context, want, have)
  if context:cmek(want.cluster).unknown then
    return ("%s: %s"):format(require("facts").NO_ENABLING, require("facts").ENABLING), "exists"
  end
  local gap = uncovered(want)
  if gap then return gap, "exists" end
  if not have then return nil end
  local revoked = cmek.revoked(have.info)
  if #revoked > 0 then return ("CMEK of cluster %s is revoked (%s)"):format(want.cluster.name, table.concat(revoked, ", ")), "revoked" end
  for _, spec in ipairs(want.region_specs) do
    local key = other_key(have.info, spec)
    if key then
      return ("the cluster uses %s with role %s in %s (%s): enabling another key is a rotation, not an enabling "
        .. "(cmek run rotate --cluster %s)"):format(key.uri, key.auth_principal, spec.region, key.status, want.cluster.name), "enabled"
    end
    if cmek.state(have.info, spec) == "absent" and not have.failed then
      return ("the cluster has CMEK in other regions and none in %s: adding a region is another step"):format(spec.region), "enabled"
    end
  end
end

--- A cluster whose enabling failed differs: it is asked for again.
function M.differences(want, have)
  local list = {}
  for _, spec in ipairs(want.region_specs) do
    local state, message = cmek.state(have.info, spec)
    if state == "failed" or state == "absent" then
      list[#list + 1] = { check = "enabled", field = "status." .. spec.region, have = message or "absent", want = "ENABLED" }
    end
  end
  return list
end

function M.warnings() return {} end

--- Why there is work although nothing differs: it is being enabled.
---@return string? reason, boolean? writes
function M.pending(_, want, have)
  if not have then return nil end
  for _, spec in ipairs(want.region_specs) do
    if cmek.state(have.info, spec) == "pending" then return ("%s is being enabled; it is waited for"):format(spec.region) end
  end
end

--- What the recipe gets.
function M.result(want) return { cluster = want.cluster.id, region_specs = want.region_specs } end

-- Enabling ---------------------------------------------------------------------------------------------------------

local function read_cluster(context, want) return { at = context.clock.now(), cluster = context.session.cloud.cluster(want.cluster.id) } end

--- Starts what is read before the Cloud is asked, while role and keys are made.
function M.prepare(context, want)
  context:begin("regions " .. want.cluster.id, function() return read_cluster(context, want) end)
end

-- The cluster as it is after the question, however long somebody thought.
local function cluster_now(context, want)
  local seen = context:once("regions " .. want.cluster.id, function() return read_cluster(context, want) end)
  if context.clock.now() - seen.at > FRESH then seen = read_cluster(context, want) end
  return seen.cluster
end

-- Raises when the cluster has other regions by now than the plan knew: then nothing is sent.
local function check_regions(context, want)
  local before, now, changed = {}, {}, {}
  for _, region in ipairs(want.cluster.regions or {}) do before[region.name] = true end
  for _, region in ipairs(cluster_now(context, want).regions or {}) do
    now[region.name] = true
    if not before[region.name] then changed[#changed + 1] = region.name .. " is new" end
  end
  for _, region in ipairs(want.cluster.regions or {}) do
    if not now[region.name] then changed[#changed + 1] = region.name .. " is gone" end
  end
  if #changed == 0 then return end
  context:refuse { service = "cloud", operation = "EnableCMEKSpec", what = ("enabling CMEK of cluster %s"):format(want.cluster.name),
    message = ("the cluster's regions have changed since the plan was made (%s); every region must be named, and no other, so nothing was sent")
      :format(table.concat(changed, ", ")), next = "plan anew: the keys that are made are found again" }
end

-- What the Cloud is asked for.
local function enabling(context, want)
  return { before = function() check_regions(context, want) end, cluster = want.cluster, specs = want.region_specs, operation = "EnableCMEKSpec",
    what = ("enabling CMEK of cluster %s"):format(want.cluster.name), verb = "enable CMEK", failed = "ENABLE_FAILED",
    situation = "cmek.enable-failed",
    send = function() return context.session.cloud.enable_cmek(want.cluster.id, want.region_specs) end }
end

--- Enables CMEK for every region at once, then waits until every region and its key is ENABLED.
function M.create(context, want, step)
  M.foresee(context, want)
  local change = enabling(context, want)
  change.old = cmek.signature(context:cmek(want.cluster), want.region_specs)
  return cloud_change.make(context, change, step)
end

--- Asks again where enabling failed; waits where it goes on.
function M.update(context, want, have, step)
  if #M.differences(want, have) > 0 then return M.create(context, want, step) end
  return cloud_change.settle(context, enabling(context, want))
end

return M
