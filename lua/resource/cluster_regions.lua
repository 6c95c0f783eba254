--- Regions of a cluster that has CMEK, each with its key and role: the Cloud is asked for all of them at once, with the complete map of
--- regions and nodes, and the keys of the new ones alone.
local cloud_change = require "engine.cluster.cloud_change"
local cmek = require "engine.cluster.cmek"
local failure = require "engine.failure"
local growth = require "engine.cluster.growth"

local M = {}

M.kind = "cluster_regions"

--- What it may call, by service.
M.actions = require("resource.actions").cluster_regions

--- The checks of verify, in order.
M.checks = {
  { id = "cluster_regions.exists", severity = "high", text = "the cluster has the region" },
  { id = "cluster_regions.nodes", severity = "low", text = "with so many nodes" },
}

--- Why it cannot be taken back.
M.irreversible = "the new nodes are paid for from the moment that they run, and nothing of cmek takes a region out again"

--- The Cloud works for hours, and needs no credentials of AWS meanwhile.
M.in_cloud = true

local GROW_BOUND <const> = 7200   -- seconds until the cluster has its new regions
local GROW <const> = { 0.5, 1, 2, 4, 8, 10 }   -- seconds between looks meanwhile

---@param want { cluster: table, regions: { name: string, node_count: integer }[], region_specs: table[] }
---  cluster: as it was when the plan was made; region_specs: of the new regions, as handover gives them
function M.defaults(want)
  if type(want.regions) ~= "table" or type(want.region_specs) ~= "table" then
    error("cluster_regions: fields 'regions' and 'region_specs' must be the new regions and what handover gives for them", 0)
  end
end

function M.name(want)
  local parts = {}
  for i, region in ipairs(want.regions) do parts[i] = ("+%s=%d"):format(region.name, region.node_count) end
  return ("%s %s"):format(want.cluster.name, table.concat(parts, " "))
end

function M.region() return nil end

-- Reading ----------------------------------------------------------------------------------------------------------

--- Starts what `find` reads, before it is asked for.
function M.foresee(context, want) context:begin("cmek " .. want.cluster.id, function() return context.session.cloud.cmek(want.cluster.id) end) end

-- The nodes of each region that a cluster has.
local function nodes_of(cluster)
  local nodes = {}
  for _, region in ipairs(cluster.regions or {}) do nodes[region.name] = math.tointeger(region.node_count) or 0 end
  return nodes
end

-- How the wanted regions stand, by what the Cloud says of the cluster and of its keys.
local function standing(cluster, info, want)
  local have = { cluster = cluster, info = info, nodes = nodes_of(cluster), absent = {}, failed = {}, waiting = {}, there = 0 }
  for _, spec in ipairs(want.region_specs) do
    local here, state, message = have.nodes[spec.region] ~= nil, cmek.state(info, spec)
    if state == "failed" and here then
      table.insert(have.failed, { spec = spec, message = message })
    elseif state == "pending" or state == "enabled" and not here or here and state == "absent" and cluster.state == "LOCKED" then
      table.insert(have.waiting, spec)
    elseif state == "enabled" then
      have.there = have.there + 1
    elseif not here then
      table.insert(have.absent, spec)
    end
  end
  return have
end

--- What the Cloud says of the regions; nil when none of them is there.
function M.find(context, want)
  local have = standing(want.cluster, context:cmek(want.cluster), want)
  if context.spec and want.cluster.state == "LOCKED" then   -- the run has asked for them, and is taken up
    table.move(have.absent, 1, #have.absent, #have.waiting + 1, have.waiting)
    have.absent = {}
  end
  for _, region in ipairs(want.regions) do
    if have.nodes[region.name] then return have end
  end
  return #have.absent < #want.regions and have or nil
end

-- Judging ----------------------------------------------------------------------------------------------------------

-- Why a region that is there is not the one that is wanted.
local function another(have, spec, node_count)
  for _, key in ipairs(cmek.live(have.info, spec.region)) do
    if not cmek.same(key, spec.key_spec) then
      return ("%s is there already, with %s and role %s (%s): a region is added once, and another key is a rotation"):format(
        spec.region, key.uri, key.auth_principal, key.status)
    end
  end
  if not have.nodes[spec.region] then return nil end
  if cmek.state(have.info, spec) == "absent" and have.cluster.state ~= "LOCKED" then
    return ("%s is a region of the cluster already, and the Cloud names no key of it: a region is given its key when it is added; "
      .. "ask the vendor's support"):format(spec.region)
  end
  if have.nodes[spec.region] ~= node_count then
    return ("%s is a region of the cluster already, with %d nodes and not %d: adding regions changes no number of nodes"):format(
      spec.region, have.nodes[spec.region], node_count)
  end
end

local function refusal(want, have)
  local wanted = nodes_of { regions = want.regions }
  for _, spec in ipairs(want.region_specs) do
    local reason = another(have, spec, wanted[spec.region])
    if reason then return reason end
  end
end

--- Why the cluster is not asked for them; nil when it can be, or has them.
---@return string? reason, string? check
function M.refusal(_, want, have)
  if have then return refusal(want, have), "exists" end
end

function M.differences(_, have)
  local list = {}
  for _, spec in ipairs(have.absent) do list[#list + 1] = { check = "exists", field = "regions." .. spec.region, want = "present" } end
  for _, failed in ipairs(have.failed) do
    list[#list + 1] = { check = "enabled", field = "status." .. failed.spec.region, have = failed.message, want = "ENABLED" }
  end
  return list
end

function M.warnings() return {} end

local function listed(regions)
  local list = {}
  for i, region in ipairs(regions) do list[i] = region.name or region.region end
  return table.concat(list, ", ")
end

--- Why there is work although nothing differs: the cluster is growing.
---@return string? reason, boolean? writes
function M.pending(_, _, have)
  if have and #have.waiting > 0 then return ("%s is being added; it is waited for"):format(listed(have.waiting)) end
end

--- What the recipe gets.
function M.result(want) return { cluster = want.cluster.id, region_specs = want.region_specs } end

-- Adding -----------------------------------------------------------------------------------------------------------

local function what(want) return ("adding %s to cluster %s"):format(listed(want.regions), want.cluster.name) end

-- How it stands now, when no other job holds the cluster.
local function look(context, want, change)
  local cluster = context.session.cloud.cluster(want.cluster.id)
  if cluster.state == "LOCKED" then cluster = cloud_change.wait_for_lock(context, change) end
  return standing(cluster, context.session.cloud.cmek(want.cluster.id), want)
end

-- Raises when the cluster is another one by now than the plan knew: then nothing is sent. Regions that others added meanwhile stay.
local function check_unchanged(context, want, have)
  local before, reason = nodes_of(want.cluster), refusal(want, have)
  if reason then context:refuse { service = "cloud", operation = "UpdateCluster", what = what(want), message = reason } end
  for name in require("sorted")(before) do
    if not have.nodes[name] then
      context:refuse { service = "cloud", operation = "UpdateCluster", what = what(want),
        message = ("%s is no region of the cluster any more, since the plan was made; nothing was sent"):format(name) }
    end
  end
  local count = #have.absent
  for name in require("sorted")(have.nodes) do
    local new = before[name] == nil
    for _, region in ipairs(want.regions) do new = new and region.name ~= name end
    if new then context:warn(("%s was added by somebody else meanwhile; it stays as it is"):format(name)) end
    count = count + 1
  end
  local shape = growth.shape(count)
  if shape then context:refuse { service = "cloud", operation = "UpdateCluster", what = what(want), message = shape } end
end

-- The complete map: what the cluster has now, and the new regions.
local function map_of(want, have)
  local nodes, wanted = {}, nodes_of { regions = want.regions }
  for name, count in pairs(have.nodes) do   -- order cannot be seen
    if count < 1 then failure.raise { code = "precondition", service = "cloud", operation = "GetCluster", what = what(want),
      message = ("the Cloud names no number of nodes of %s, and it has to be told all of them; nothing was sent"):format(name) } end
    nodes[name] = count
  end
  for _, spec in ipairs(have.absent) do nodes[spec.region] = wanted[spec.region] end
  return nodes
end

-- What the Cloud is asked for: made anew from what it shows before each sending.
local function adding(context, want)
  local self = { cluster = want.cluster, specs = want.region_specs, operation = "UpdateCluster", what = what(want),
    verb = "add " .. listed(want.regions), failed = "ENABLE_FAILED", situation = "cmek.add-failed" }
  local body
  function self.shows() return #look(context, want, self).absent == 0 end
  function self.before()
    local have = look(context, want, self)
    check_unchanged(context, want, have)
    body = { region_nodes = map_of(want, have), cmek_region_specs = have.absent }
    return #have.absent == 0
  end
  function self.send() return context.session.cloud.update_cluster(want.cluster.id, body) end
  return self
end

-- The same keys once more, for regions that are there and whose key failed.
local function retrying(context, want, failed)
  local specs = {}
  for i, entry in ipairs(failed) do specs[i] = entry.spec end
  return { cluster = want.cluster, specs = specs, handed = want.region_specs, operation = "UpdateCMEKSpec",
    what = ("giving %s of cluster %s their keys"):format(
    listed(specs), want.cluster.name), verb = "give the new regions their keys", failed = "ENABLE_FAILED", situation = "cmek.add-failed",
    old = cmek.signature(context:cmek(want.cluster), specs),
    send = function() return context.session.cloud.update_cmek(want.cluster.id, specs) end }
end

-- The cluster has its new regions and no job holds it.
local function wait_for_regions(context, want)
  local started, name = context.clock.now(), want.cluster.name
  local ended = context:poll {
    reason = ("waiting until cluster %s has grown into %s (about half an hour a region)"):format(name, listed(want.regions)),
    bound = GROW_BOUND, delays = GROW,
    check = function()
      local cluster, missing = cloud_change.patiently(context, function() return context.session.cloud.cluster(want.cluster.id) end), {}
      if not cluster or cluster.state == "LOCKED" then return nil end
      local nodes = nodes_of(cluster)
      for _, region in ipairs(want.regions) do
        if not nodes[region.name] then missing[#missing + 1] = region.name end
      end
      if #missing == 0 then return { cluster = cluster } end
      local late = context.clock.now() - started < context.LAG
      return not late and { operation = cluster.operation_status, missing = table.concat(missing, ", ") } or nil
    end,
  }
  if ended and ended.cluster then return end
  local message = ended and ("no job holds the cluster (its last: %s), and it has no region %s"):format(ended.operation or "?", ended.missing)
    or ("the cluster is still growing after %d min"):format(GROW_BOUND // 60)
  failure.raise({ code = ended and "ADD_FAILED" or "not_ready", service = "cloud", operation = "GetCluster", what = what(want),
    message = message }, "cluster.not-grown", { said = message, name = name })
end

-- Both waits: for the cluster, then for the keys.
local function wait(context, want, change)
  wait_for_regions(context, want)
  return cloud_change.settle(context, change)
end

--- Asks for the regions that are missing, with their keys, then waits until the cluster has them and uses the keys.
function M.create(context, want, step)
  local change = adding(context, want)
  cloud_change.ask(context, change)
  step.begun = true
  return wait(context, want, change)
end

--- Asks for what is missing, and once more for keys that failed; waits where it goes on.
function M.update(context, want, have, step)
  if #have.absent > 0 then return M.create(context, want, step) end
  if #have.failed > 0 then return cloud_change.make(context, retrying(context, want, have.failed), step) end
  return wait(context, want, adding(context, want))
end


return M
