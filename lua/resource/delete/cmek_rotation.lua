--- A rotation is not taken back: what was written since needs the new keys.
local M = {}

--- What the Cloud uses now.
function M.collect(_, want) return { { want = want, have = {} } } end

function M.refusal(_, want)
  local name = require("quote")(want.cluster.name)
  return ("the keys of cluster %s were rotated, and what was written since needs them; going back is another rotation, and what cmek made for "
    .. "the cluster is taken back by: cmek destroy console --cluster %s"):format(want.cluster.name, name)
end

return M
