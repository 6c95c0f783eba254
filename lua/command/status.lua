--- `cmek status [--cluster X]`: the clusters that the API key sees: whether each can have CMEK or why not, and the keys in use.
--- It asks CockroachDB Cloud alone.
local flags = require "flags"

local M = {}

local function regions_of(info)
  local regions = {}
  for i, region in ipairs(info.region_infos) do
    local keys = {}
    for k, key in ipairs(region.key_infos or {}) do
      local spec = key.spec or {}
      keys[k] = { status = key.status, uri = spec.uri, auth_principal = spec.auth_principal, created_at = key.created_at,
        updated_at = key.updated_at, user_message = key.user_message }
    end
    regions[i] = { region = region.region, status = region.status, keys = require("json").array(keys) }
  end
  return require("json").array(regions)
end

--- What there is to say of a cluster, as the document has it.
local function describe(session, cluster)
  local json = require "json"
  local wrong = require("preflight").ineligible(cluster)
  local info = #wrong == 0 and session.cloud.cmek(cluster.id) or { status = json.null, region_infos = {} }
  local names = {}
  for i, region in ipairs(cluster.regions or {}) do names[i] = region.name end
  return {
    id = cluster.id, name = cluster.name, plan = cluster.plan, cloud = cluster.cloud_provider, state = cluster.state,
    network = cluster.network_visibility, regions = json.array(names), eligible = #wrong == 0, reasons = json.array(wrong),
    cmek = { status = info.status, regions = regions_of(info) },
  }
end

local function key_rows(cluster)
  local rows = {}
  for _, region in ipairs(cluster.cmek.regions) do
    for _, key in ipairs(region.keys) do
      rows[#rows + 1] = { region.region, key.status or "", key.uri or "", key.auth_principal or "", key.created_at or "" }
    end
  end
  return rows
end

local function render(clusters)
  local columns = require "ui.table"
  local rows = { { "cluster", "cloud", "plan", "network", "state", "CMEK", "regions" } }
  for i, c in ipairs(clusters) do
    rows[i + 1] = { c.name, c.cloud or "", c.plan or "", c.network or "", c.state or "",
      c.eligible and c.cmek.status or "not eligible", table.concat(c.regions, " ") }
  end
  local parts = { columns.render(rows) }
  for _, c in ipairs(clusters) do
    local keys = key_rows(c)
    if #keys > 0 then parts[#parts + 1] = ("\nkeys of %s\n"):format(c.name) .. columns.render(keys, "  ") end
    if not c.eligible then parts[#parts + 1] = ("\n%s cannot have CMEK: %s\n"):format(c.name, table.concat(c.reasons, "; ")) end
  end
  return table.concat(parts)
end

---@param arguments string[]
---@param output ui.Output
---@return integer status
function M.run(arguments, output)
  local common = flags.parse("status", nil, {}, arguments)
  if common.help then
    output:help(flags.help("status", nil, {}) .. "\n")
    return 0
  end
  local _, session = require("operation").connect(common, nil, nil, output)
  local clusters = session.tasks.run(function()
    local list = common.cluster and { session.cloud.find_cluster(common.cluster) } or session.cloud.clusters {}
    return session.tasks.map(list, function(cluster) return describe(session, cluster) end)
  end)
  if output.json then
    output:document { schema = "cmek.status/1", clusters = require("json").array(clusters) }
  else
    output:result(render(clusters))
  end
  return 0
end

return M
