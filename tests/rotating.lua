-- What the sentences about rotation share: the recipe run by an operator, and what stands in the simulated services afterwards.
local names = require "names"
local operators = dofile "tests/operator.lua"

local M = { REGIONS = { "us-east-1", "us-west-2", "eu-west-1" }, DAY = 86400 }

function M.run(who, options) return operators.run(who, "rotate", options) end

--- Rotates, which has to end well.
---@return table report
function M.done(who, options)
  local report, status = M.run(who, options)
  test.equal({ status, report.error }, { 0 })
  return report
end

--- The tags of a key, by name.
function M.tags(key)
  local map = {}
  for _, tag in ipairs(key.Tags) do map[tag.TagKey] = tag.TagValue end
  return map
end

--- What KMS holds in a region.
function M.place(who, region) return who.simulation.state.aws[operators.ACCOUNT].kms[region] end

--- The key of a generation.
function M.key_of(who, region, generation)
  for _, alias in ipairs(M.place(who, region).aliases) do
    for _, key in ipairs(M.place(who, region).keys) do
      if alias.AliasName == names.alias(operators.CLUSTER, generation) and key.KeyId == alias.TargetKeyId then return key end
    end
  end
end

return M
