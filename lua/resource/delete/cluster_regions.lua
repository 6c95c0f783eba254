--- Regions of a cluster are never taken out: their data would have to move, and their keys are needed as long as it is there.
local cluster_regions = require "resource.cluster_regions"

local M = {}

--- What the Cloud has of them now.
function M.collect(context, want)
  local have = cluster_regions.find(context, want)
  return have and #have.absent < #want.regions and { { want = want, have = have } } or {}
end

function M.refusal(_, want)
  return ("cluster %s has the regions: one is taken out in the Cloud Console, and its key is needed by what was encrypted with it"):format(
    want.cluster.name)
end

return M
