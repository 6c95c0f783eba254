--- What a token of Vault's may do, asked before it is needed: what is lacking is told at once, as lines for its policy.
---@class engine.Capability  what is needed on a path: { path =, "create", … }
---@field path string
---@field [integer] string
local json = require "json"
local names = require "names"
local sorted = require "sorted"

local M = {}

local EITHER <const> = { create = "update", update = "create" }   -- Vault decides which a POST is; one of them will do

-- The capabilities of a path that are missing.
local function missing(need, have)
  local set, list = {}, {}
  for _, capability in ipairs(have or {}) do set[capability] = true end
  if set.root then return list end
  for _, capability in ipairs(need) do
    if not set[capability] and not set[EITHER[capability] or ""] or set.deny then list[#list + 1] = capability end
  end
  return list
end

--- Asks Vault. What is lacking: the needs that are not met, each with `lacks`, in words.
---@param context engine.Context
---@param needs engine.Capability[]
---@return engine.Capability[]
function M.lacking(context, needs)
  local paths, short = json.array {}, {}
  for i, need in ipairs(needs) do paths[i] = need.path end
  if #paths == 0 then return short end
  local have = context.session.vault.read_capabilities { paths = paths }
  for _, need in ipairs(needs) do
    local list = missing(need, have[need.path])
    if #list > 0 then
      need.lacks, need.have = ("%s on %s"):format(table.concat(list, ", "), need.path), have[need.path]
      short[#short + 1] = need
    end
  end
  return short
end

-- The path of a policy that stands for all attempts at one import in any region: a * at the end covers what is below it too.
local function pattern(path, cluster)
  return (path:gsub("(/tmp%-" .. names.last12(cluster) .. "%-).*$", "%1*"))
end

--- The lines of a policy that grant what is needed, with what the token has there: of several paths that fit the longest alone decides, so
--- a line that named only what is lacking would take away what another one gives.
---@param needs engine.Capability[]
---@param cluster table?  whose temporary keys may be among them
---@return string
function M.policy(needs, cluster)
  local order, by_path = {}, {}
  for _, need in ipairs(needs) do
    local path = cluster and pattern(need.path, cluster) or need.path
    if not by_path[path] then
      by_path[path] = {}
      order[#order + 1] = path
    end
    for _, capability in ipairs(need) do by_path[path][capability] = true end
    for _, capability in ipairs(need.have or {}) do by_path[path][capability] = capability ~= "deny" or nil end
  end
  for i, path in ipairs(order) do
    local list = {}
    for capability in sorted(by_path[path]) do list[#list + 1] = capability end
    order[i] = ('path "%s" { capabilities = ["%s"] }'):format(path, table.concat(list, '", "'))
  end
  return table.concat(order, "\n")
end

return M
