--- What CockroachDB Cloud is given in the end: for every region a key and the role that uses it.
local json = require "json"
local unknown = require "unknown"

local M = {}

--- The region_specs of a cluster, sorted by region, as the Cloud API takes them.
---@param role { arn: string }
---@param keys { region: string, arn: string, role: { arn: string }? }[]  a key may name a role of its own
---@return { region_specs: table[] }  raises when a region stands twice
function M.specs(role, keys)
  local list, seen = {}, {}
  for i, key in ipairs(keys) do
    if seen[key.region] then error(("handover: the region '%s' stands twice"):format(key.region), 0) end
    seen[key.region] = true
    list[i] = { region = key.region,
      key_spec = { type = "AWS_KMS", uri = unknown.text(key.arn), auth_principal = unknown.text((key.role or role).arn) } }
  end
  table.sort(list, function(one, other) return one.region < other.region end)
  return { region_specs = json.array(list) }
end

return M
