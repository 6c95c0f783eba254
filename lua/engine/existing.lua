--- Roles and keys that are there already and are named by their ARNs.
local failure = require "engine.failure"

local M = {}

local KEY <const>, ROLE <const> = "^arn:[%w-]+:kms:([%w-]+):%d+:key/[%w-]+$", "^arn:[%w-]+:iam::%d+:role/(.+)$"

local function misnamed(message)
  failure.raise { code = "precondition", exit = "usage", what = "reading the ARNs of keys", message = message }
end

local function regions(cluster)
  local set, list = {}, {}
  for i, region in ipairs(cluster.regions or {}) do set[region.name], list[i] = true, region.name end
  return set, table.concat(list, ", ")
end

--- The ARN of a wanted region's key: the one that is wanted, or of a list the one of that region; nil when there is none.
--- Raises when one of them is no key's ARN, or is of a region that the cluster does not have, or when two are of one region.
---@param want { cluster: table, region: string, arn: string|string[]|nil }
---@return string?
function M.key(want)
  if type(want.arn) ~= "table" then return want.arn end
  local known, names = regions(want.cluster)
  local by_region = {}
  for _, arn in ipairs(want.arn) do
    local region = arn:match(KEY)
    if not region then misnamed(("'%s' is not the ARN of a key (arn:aws:kms:REGION:ACCOUNT:key/ID)"):format(arn)) end
    if not known[region] then
      misnamed(("%s is in %s, and cluster %s is in %s: CMEK wants a key in each of these"):format(arn, region, want.cluster.name, names))
    end
    if by_region[region] then misnamed(("%s and %s are both in %s: one key serves a region"):format(by_region[region], arn, region)) end
    by_region[region] = arn
  end
  return by_region[want.region]
end

--- The name of a role, and its ARN where that is what was given.
---@param text string  a name or an ARN
---@return string name, string? arn
function M.role(text)
  local path = text:match(ROLE)
  if path then return path:match "[^/]+$", text end
  return text
end

return M
