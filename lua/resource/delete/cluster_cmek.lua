--- CMEK of a cluster is never taken back: the Cloud has no way to.
local cluster_cmek = require "resource.cluster_cmek"

local M = {}

--- What the Cloud uses now.
function M.collect(context, want)
  local have = cluster_cmek.find(context, want)
  return have and not have.failed and { { want = want, have = have } } or {}
end

function M.refusal(_, want)
  return ("cluster %s has CMEK enabled, which stays for the life of the cluster"):format(want.cluster.name)
end

return M
