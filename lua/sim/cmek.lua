--- CMEK of a simulated cluster: which requests are taken, and what becomes of them as time passes.
--- Nothing runs in the background: settle() does what is due whenever somebody asks. Timings and the choices that the real
--- service leaves open are in `choices` (sim/cloud.lua).
local access = require "sim.access"
local json = require "json"
local refusal = require "sim.cloud_refusal"
local sorted = require "sorted"
local time = require "sim.time"

local M = {}

local KEY_TYPES <const> = { AWS = "AWS_KMS", GCP = "GCP_CLOUD_KMS", AZURE = "AZURE_KEY_VAULT" }
local TYPES <const> = { AWS_KMS = true, GCP_CLOUD_KMS = true, AZURE_KEY_VAULT = true, NULL_KMS = true }

-- ---- the shape of a specification ----

local function text(value) return type(value) == "string" and value or nil end

local function key_uri(uri)
  local resource = uri:match "^arn:aws:kms:[a-z]+%-[a-z%-]+%-%d+:%d%d%d%d%d%d%d%d%d%d%d%d:key/(.+)$"
  if not resource then return false end
  return resource:match "^mrk%-%x+$" and #resource == 36 or resource:match "^%x+%-%x+%-%x+%-%x+%-%x+$" and #resource == 36
end

local function role_arn(arn)
  return arn:match "^arn:aws:iam::%d%d%d%d%d%d%d%d%d%d%d%d:role/[%w+=,.@_/-]+$" ~= nil
end

local function check_key_spec(cluster, region, spec, body)
  if type(spec) ~= "table" then refusal.invalid("region '%s' has no key_spec", region) end
  local kind = spec.type
  if kind ~= nil and kind ~= json.null and not TYPES[kind] then refusal.enum(body, kind) end
  if kind ~= KEY_TYPES[cluster.cloud_provider] then
    refusal.invalid("key type %s is not valid for a %s cluster", text(kind) or "UNSPECIFIED", cluster.cloud_provider)
  end
  for _, field in ipairs { "uri", "auth_principal" } do
    if (text(spec[field]) or "") == "" then refusal.invalid("region '%s': key_spec has no %s", region, field) end
  end
  if kind == "AWS_KMS" and not key_uri(spec.uri) then refusal.invalid("invalid key uri '%s'", spec.uri) end
  if kind == "AWS_KMS" and not role_arn(spec.auth_principal) then refusal.invalid("invalid auth_principal '%s'", spec.auth_principal) end
end

--- The region specifications of a request, checked: a list of { region, spec }, sorted by region.
---@param specs any  the decoded member
---@param body string  the text it came in, for positions
---@return table
function M.check_specs(cluster, specs, body)
  if type(specs) ~= "table" or not json.is_array(specs) or #specs == 0 then refusal.invalid("region_specs is empty") end
  local list, seen = {}, {}
  for _, item in ipairs(specs) do
    local region = type(item) == "table" and text(item.region) or ""
    if region == "" then refusal.invalid("a region spec names no region") end
    if seen[region] then refusal.invalid("region '%s' is listed twice", region) end
    seen[region] = true
    check_key_spec(cluster, region, item.key_spec, body)
    local spec = item.key_spec
    list[#list + 1] = { region = region, spec = { type = spec.type, uri = spec.uri, auth_principal = spec.auth_principal } }
  end
  table.sort(list, function(a, b) return a.region < b.region end)
  return list
end

local function regions_of(cluster)
  local names = {}
  for _, region in ipairs(cluster.regions) do names[region.name] = true end
  return names
end

local function check_regions(cluster, specs, all)
  local missing = regions_of(cluster)
  for _, item in ipairs(specs) do
    if not missing[item.region] then refusal.invalid("region '%s' is not a region of the cluster", item.region) end
    missing[item.region] = nil
  end
  for name in sorted(all and missing or {}) do refusal.invalid("region '%s' has no spec: every region must be listed", name) end
end

local function check_access(simulation, cluster, specs)
  for _, item in ipairs(specs) do
    if not access.check(simulation, cluster, item.spec) then
      refusal.invalid("Insufficient permissions to access the KMS key")
    end
  end
end

-- ---- what the cluster must be ----

local function check_kind(cluster, choices)
  if cluster.plan ~= "ADVANCED" or cluster.network_visibility ~= "PRIVATE" then
    refusal.raise(choices.not_private, choices.not_private == 403 and "PERMISSION_DENIED" or "FAILED_PRECONDITION",
      "failed precondition: CMEK requires a private Advanced cluster")
  end
end

--- Refuses while an exclusive job, or creation, holds the cluster.
function M.check_lock(cluster, choices)
  if cluster.state == "CREATING" or cluster.state == "LOCKED" then
    refusal.raise(choices.locked, choices.locked == 400 and "INVALID_ARGUMENT" or "UNAVAILABLE", "couldn't lock cluster")
  end
  if cluster.state == "DELETED" then refusal.not_found(cluster.id) end
  if cluster.state ~= "CREATED" then
    refusal.raise(400, "FAILED_PRECONDITION", ("failed precondition: the cluster is in state %s"):format(cluster.state))
  end
end

-- ---- changes ----

local function info_of(cmek, region)
  for _, info in ipairs(cmek.region_infos) do
    if info.region == region then return info end
  end
end

-- The region's entry, made when missing; region_infos stay sorted by region.
local function info(cmek, region)
  local found = info_of(cmek, region)
  if found then return found end
  found = { region = region, status = "DISABLED", key_infos = json.array {} }
  table.insert(cmek.region_infos, found)
  table.sort(cmek.region_infos, function(a, b) return a.region < b.region end)
  return found
end

-- The entry of this key, last of its region's, since the current one is; an earlier entry of the same key is used again.
local function key_entry(region_info, spec, now)
  for i, key in ipairs(region_info.key_infos) do
    if key.spec.uri == spec.uri then
      table.insert(region_info.key_infos, table.remove(region_info.key_infos, i))
      key.spec = spec
      return key
    end
  end
  local key = { spec = spec, status = "DISABLED", user_message = "", created_at = now, updated_at = now }
  table.insert(region_info.key_infos, key)
  return key
end

local function set(entry, status, now, message)
  entry.status, entry.updated_at, entry.user_message = status, now, message or ""
end

--- The cluster's status from its regions': a failure wins, then what is under way, then what they have in common.
local function aggregate(cmek)
  local failed, moving, settled
  for _, region_info in ipairs(cmek.region_infos) do
    local status = region_info.status
    if status:find "_FAILED$" then failed = failed or status
    elseif status:find "ING$" then moving = moving or status
    else settled = settled or status end
  end
  cmek.status = failed or moving or settled or "DISABLED"
end

-- Locks the cluster for a job whose steps come due one after the other.
local function begin(simulation, cluster, choices, job)
  local now = simulation:time()
  for i, step in ipairs(job.steps) do step.at = now + choices.first + (i - 1) * choices.each end
  cluster.state, cluster.operation_status, cluster.updated_at = "LOCKED", job.operation .. "_RUNNING", time.micros(now)
  cluster.job = job
  aggregate(cluster.cmek)
end

local function start_keys(simulation, cluster, specs, word)
  local now, steps = time.micros(simulation:time()), {}
  for i, item in ipairs(specs) do
    local region_info = info(cluster.cmek, item.region)
    local key = key_entry(region_info, item.spec, now)
    for _, other in ipairs(region_info.key_infos) do   -- after a rotation that failed the one in use is not the last
      if other ~= key and other.status == "ENABLED" then set(other, "DISABLING", now) end
    end
    set(key, "ENABLING", now)
    region_info.status = word
    steps[i] = { region = item.region, uri = item.spec.uri, word = word }
  end
  return steps
end

local function enable(simulation, cluster, specs, choices)
  check_regions(cluster, specs, true)
  check_access(simulation, cluster, specs)
  begin(simulation, cluster, choices, { operation = "CRDB_CMEK_OPERATION", steps = start_keys(simulation, cluster, specs, "ENABLING") })
end

local function enabled_once(cmek) return cmek.status ~= "DISABLED" and cmek.status ~= "ENABLE_FAILED" end

-- The same where a region that came later has failed: the others have CMEK all the same.
local function enabled_somewhere(cmek)
  for _, region_info in ipairs(cmek.region_infos) do
    if region_info.status == "ENABLED" then return true end
  end
  return enabled_once(cmek)
end

local function check_not_revoked(cmek)
  if cmek.status:find "^REVOK" then
    refusal.raise(400, "FAILED_PRECONDITION", "failed precondition: CMEK is revoked; contact support to restore the cluster")
  end
end

--- GET.
function M.get(cluster, choices)
  if choices.unset == 404 and cluster.cmek.status == "DISABLED" then
    refusal.raise(404, "NOT_FOUND", "CMEK spec not found")
  end
  return cluster.cmek
end

--- POST: the first enable, for every region.
function M.post(simulation, cluster, message, body, choices)
  check_kind(cluster, choices)
  check_not_revoked(cluster.cmek)
  if enabled_once(cluster.cmek) then
    refusal.raise(choices.already, choices.already == 409 and "ALREADY_EXISTS" or "FAILED_PRECONDITION",
      "failed precondition: CMEK is already enabled")
  end
  M.check_lock(cluster, choices)
  enable(simulation, cluster, M.check_specs(cluster, message.region_specs, body), choices)
  return cluster.cmek
end

--- PUT: new keys, or the same ones again, for the regions listed.
function M.put(simulation, cluster, message, body, choices)
  check_kind(cluster, choices)
  check_not_revoked(cluster.cmek)
  M.check_lock(cluster, choices)
  local specs = M.check_specs(cluster, message.region_specs, body)
  if not enabled_somewhere(cluster.cmek) then
    enable(simulation, cluster, specs, choices)
    return cluster.cmek
  end
  check_regions(cluster, specs, false)
  check_access(simulation, cluster, specs)
  begin(simulation, cluster, choices, { operation = "CRDB_CMEK_OPERATION", steps = start_keys(simulation, cluster, specs, "ROTATING") })
  return cluster.cmek
end

--- PATCH: the only action is REVOKE.
function M.patch(simulation, cluster, message, body, choices)
  check_kind(cluster, choices)
  if message.action ~= "REVOKE" then refusal.enum(body, text(message.action) or "") end
  check_not_revoked(cluster.cmek)
  if not enabled_once(cluster.cmek) then
    refusal.raise(400, "FAILED_PRECONDITION", "failed precondition: CMEK is not enabled")
  end
  M.check_lock(cluster, choices)
  local steps, now = {}, time.micros(simulation:time())
  for i, region_info in ipairs(cluster.cmek.region_infos) do
    region_info.status = "REVOKING"
    for _, key in ipairs(region_info.key_infos) do
      if key.status == "ENABLED" then set(key, "REVOKING", now) end
    end
    steps[i] = { region = region_info.region, word = "REVOKING" }
  end
  begin(simulation, cluster, choices, { operation = "CRDB_CMEK_OPERATION", steps = steps })
  return cluster.cmek
end

-- The keys of regions that are to be added, checked.
local function specs_of_added(simulation, cluster, change)
  if #change.added == 0 or not enabled_somewhere(cluster.cmek) then return {} end
  local list = M.check_specs(cluster, change.specs, change.body)
  local missing, here = {}, regions_of(cluster)
  for _, name in ipairs(change.added) do missing[name] = true end
  for _, item in ipairs(list) do
    if here[item.region] then refusal.invalid("region '%s' already has a CMEK spec", item.region) end
    if not missing[item.region] then refusal.invalid("region '%s' is not in region_nodes", item.region) end
    missing[item.region] = nil
  end
  for name in sorted(missing) do refusal.invalid("region '%s' needs a CMEK spec", name) end
  check_access(simulation, cluster, list)
  return list
end

--- Adds regions to a cluster, and takes out those that the map leaves out (PATCH of the cluster itself). What was encrypted in a region
--- that is taken out still needs its keys, so the Cloud goes on naming them.
---@param change { nodes: table, added: string[], removed: string[], specs: any, body: string }
---  nodes: the complete wanted map, checked: region → nodes; specs: cmek_region_specs, as decoded
function M.change_regions(simulation, cluster, change, choices)
  check_not_revoked(cluster.cmek)
  local list, steps = specs_of_added(simulation, cluster, change), {}
  for _, name in ipairs(change.removed) do steps[#steps + 1] = { region = name, word = "REMOVING" } end
  for _, name in ipairs(change.added) do steps[#steps + 1] = { region = name, word = "ADDING", nodes = change.nodes[name] } end
  table.move(start_keys(simulation, cluster, list, "ENABLING"), 1, #list, #steps + 1, steps)
  begin(simulation, cluster, choices, { operation = "CRDB_SCALE", steps = steps })
end

-- ---- time passes ----

-- The key of a step is tried again now: what was right when asked may be broken since.
local function finish_key(simulation, cluster, step, now)
  local region_info = info_of(cluster.cmek, step.region)
  local key = region_info.key_infos[#region_info.key_infos]
  local ok, message = access.check(simulation, cluster, key.spec)
  local old_status = ok and "DISABLED" or "ENABLED"
  for _, other in ipairs(region_info.key_infos) do
    if other.status == "DISABLING" then set(other, old_status, now) end
  end
  if ok then
    set(key, "ENABLED", now)
    region_info.status = "ENABLED"
  else
    set(key, "ENABLE_FAILED", now, "Insufficient permissions to access the KMS key: " .. message)
    region_info.status = step.word == "ROTATING" and "ROTATE_FAILED" or "ENABLE_FAILED"
  end
  return ok
end

local function finish_revoke(cluster, step, now)
  local region_info = info_of(cluster.cmek, step.region)
  region_info.status = "REVOKED"
  for _, key in ipairs(region_info.key_infos) do
    if key.status == "REVOKING" then set(key, "REVOKED", now) end
  end
  return true
end

local function finish_region(cluster, step)
  local region = require("sim.clusters").region(cluster, step.region, step.nodes)
  table.insert(cluster.regions, region)
  return true
end

local function remove_region(cluster, step)
  for i, region in ipairs(cluster.regions) do
    if region.name == step.region then
      table.remove(cluster.regions, i)
      return true
    end
  end
  return true
end

local function take(simulation, cluster, step)
  local now = time.micros(step.at)
  if step.word == "REVOKING" then return finish_revoke(cluster, step, now) end
  if step.word == "REMOVING" then return remove_region(cluster, step) end
  if step.word == "ADDING" then return finish_region(cluster, step) end
  return finish_key(simulation, cluster, step, now)
end

local function settle_one(simulation, cluster, now)
  local job = cluster.job
  while job and job.steps[1] and job.steps[1].at <= now do
    local step = table.remove(job.steps, 1)
    job.failed = not take(simulation, cluster, step) or job.failed
    aggregate(cluster.cmek)
    if not job.steps[1] then
      cluster.job, cluster.state, cluster.updated_at = nil, "CREATED", time.micros(step.at)
      cluster.operation_status = job.failed and job.operation .. "_FAILED" or "UNSPECIFIED"
    end
  end
end

--- Does what has come due on every cluster. Cheap when nothing is.
function M.settle(simulation)
  local now
  for _, cluster in ipairs(simulation.state.cloud.clusters) do
    if cluster.job then
      now = now or simulation:time()
      settle_one(simulation, cluster, now)
    end
  end
end

--- What support does after a revocation: the keys that were in use are again, where they can be reached.
---@return boolean restored
function M.restore(simulation, cluster)
  local now = time.micros(simulation:time())
  for _, region_info in ipairs(cluster.cmek.region_infos) do
    for _, key in ipairs(region_info.key_infos) do
      if key.status == "REVOKED" and access.check(simulation, cluster, key.spec) then
        set(key, "ENABLED", now)
        region_info.status = "ENABLED"
      end
    end
  end
  aggregate(cluster.cmek)
  return cluster.cmek.status == "ENABLED"
end

return M
