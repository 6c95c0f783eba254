--- What verify asks of added regions: whether the cluster has them. Their keys are asked about with the cluster's CMEK.
local json = require "json"
local mend = require "engine.mend"

local M = {}

--- The checks of a cluster's new regions.
---@param engine table
---@param list engine.Checks
---@param want table
---@param have table?
function M.inspect(engine, list, want, have)
  local nodes = {}
  for _, region in ipairs(want.cluster.regions or {}) do nodes[region.name] = region.node_count end
  for _, region in ipairs(want.regions) do
    local count = nodes[region.name]
    if not count then
      local growing = have and #have.waiting > 0
      list:finding("cluster_regions.exists", { field = "regions." .. region.name, have = growing and "being added" or json.null, want = "present",
        mend = mend.cmek(engine, "run") })
    elseif count ~= region.node_count then
      list:finding("cluster_regions.nodes", { field = "regions." .. region.name, have = count, want = region.node_count,
        text = "adding regions changes no number of nodes: scale the cluster in the Cloud Console" })
    end
  end
  if list:sound "cluster_regions.exists" then list:ok "cluster_regions.exists" end
  if list:sound "cluster_regions.nodes" then list:ok "cluster_regions.nodes" end
end

return M
