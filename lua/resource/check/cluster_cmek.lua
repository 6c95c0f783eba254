--- What verify asks of the cluster: whether every region uses its key, with its role.
local checks = require "engine.checks"
local cmek = require "engine.cluster.cmek"
local json = require "json"
local mend = require "engine.mend"
local resource = require "resource.cluster_cmek"
local unknown = require "unknown"

local M = {}

local function enable(engine) return mend.cmek(engine, "run", "enable", mend.CHAIN) end

-- How often the Cloud names each region; every region of the cluster once and no other one.
local function regions(list, want, info)
  local named, wanted = {}, {}
  for _, entry in ipairs(info.region_infos or {}) do named[entry.region] = (named[entry.region] or 0) + 1 end
  for _, region in ipairs(want.cluster.regions or {}) do
    wanted[region.name] = true
    if named[region.name] ~= 1 then
      list:finding("cluster_cmek.regions", { field = region.name, have = named[region.name] or "missing", want = 1 })
    end
  end
  for region, count in require("sorted")(named) do
    if not wanted[region] then list:finding("cluster_cmek.regions", { field = region, have = count, want = json.null }) end
  end
  if list:sound "cluster_cmek.regions" then list:ok "cluster_cmek.regions" end
end

-- The keys in use in a region that are not the wanted one.
local function used(info, region)
  local uris = {}
  for i, live in ipairs(cmek.live(info, region)) do uris[i] = live.uri end
  return #uris > 0 and table.concat(uris, " and ") or json.null
end

-- What the Cloud names for the wanted key's ARN: the entry in use, else the latest.
local function entry_of(info, spec)
  local found
  for _, key in ipairs((cmek.region(info, spec.region) or {}).key_infos or {}) do
    local later = found and (key.updated_at or "") < (found.updated_at or "")
    if key.spec and key.spec.uri == spec.key_spec.uri and not later then found = key end
  end
  return found
end

local function status(engine, list, info, spec, entry)
  local state, message = cmek.state(info, { region = spec.region, key_spec = entry.spec })
  local shown = ("region %s, key %s"):format((cmek.region(info, spec.region) or {}).status or "?", entry.status or "?")
  if state == "enabled" then return list:ok "cluster_cmek.enabled" end
  local revoked = tostring(entry.status):find "^REVOK"
    and ("CMEK is revoked, which support alone ends; %s writes them the text"):format(mend.restore(engine, engine.cluster))
  list:finding("cluster_cmek.enabled", { field = "status", have = shown, want = "region ENABLED, key ENABLED",
    text = message or revoked or nil, mend = (state == "failed" or entry.status == "ENABLING") and enable(engine) or nil })
end

-- One region: which key, which role, and how it stands.
local function region(engine, want, info, spec)
  local list = checks.new(engine, resource.checks, want.cluster.name, spec.region)
  if unknown.has(spec.key_spec.uri) then return end   -- told of the key itself
  local entry = entry_of(info, spec)
  if not entry or entry.status == "DISABLED" then
    return list:finding("cluster_cmek.key", { field = "uri", have = used(info, spec.region), want = spec.key_spec.uri,
      text = "the region uses another key, or none" })
  end
  list:ok "cluster_cmek.key"
  local principal = spec.key_spec.auth_principal
  if not unknown.has(principal) then
    if entry.spec.auth_principal == principal then
      list:ok "cluster_cmek.role"
    else
      list:finding("cluster_cmek.role", { field = "auth_principal", have = entry.spec.auth_principal, want = principal })
    end
  end
  status(engine, list, info, spec, entry)
end

--- The checks of a cluster's CMEK.
---@param engine table
---@param list engine.Checks
---@param want { cluster: table, region_specs: table[] }
---@param mode "ensure"|"look"  look: the recipe does not ask for it, so that never having enabled it is no fault
function M.inspect(engine, list, want, _, mode)
  local info = engine.context:cmek(want.cluster)
  if #(info.region_infos or {}) == 0 then
    if mode == "look" then return list:ok("cluster_cmek.exists", "not enabled yet: " .. enable(engine)) end
    return list:finding("cluster_cmek.exists", { field = "status", have = info.status or "DISABLED", want = "ENABLED", mend = enable(engine) })
  end
  list:ok("cluster_cmek.exists", info.status)
  regions(list, want, info)
  for _, spec in ipairs(want.region_specs) do
    if cmek.region(info, spec.region) then region(engine, want, info, spec) end
  end
end

return M
