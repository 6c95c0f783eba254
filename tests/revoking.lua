-- What the sentences about revoking share: a cluster that has CMEK, the recipes run on it, and what stands in the simulated services.
local json = require "json"
local names = require "names"
local operators = dofile "tests/operator.lua"
local policies = require "policy"
local revocation = require "policy.revocation"

local ACCOUNT <const> = operators.ACCOUNT

local M = { ROLE = ("arn:aws:iam::%s:role/%s"):format(ACCOUNT, names.role(operators.CLUSTER)) }

--- A cluster that has CMEK enabled, a day ago.
function M.enabled(options)
  local who = operators.open(options)
  local report, status = operators.run(who, "console", { arguments = { enable = true, multi_region_key = options and options.multi_region } })
  assert(status == 0, json.encode(report.error or {}))
  operators.within(who, function(session) session.tasks.sleep(86400) end)
  return who
end

--- A cluster as the simulated Cloud has it.
function M.cluster_of(who, name)
  for _, cluster in ipairs(who.simulation.state.cloud.clusters) do
    if cluster.name == (name or "orders") then return cluster end
  end
end

--- Every key of an account, by region.
function M.keys_of(who)
  local list = {}
  for region, place in require("sorted")(who.simulation.state.aws[ACCOUNT].kms) do
    for _, key in ipairs(type(region) == "string" and place.keys or {}) do list[#list + 1] = key end
  end
  return list
end

--- The policies of those keys.
function M.policies_of(who)
  local list = {}
  for i, key in ipairs(M.keys_of(who)) do list[i] = key.Policy end
  return list
end

--- Which of them keep the role away, each as revocation.denies has it.
function M.denied(who)
  local list = {}
  for i, key in ipairs(M.keys_of(who)) do list[i] = revocation.denies(key.Policy, { M.ROLE }) end
  return list
end

--- The operations that write, in order, without those that the rate limit refuses.
function M.writes(who)
  local list = {}
  who.simulation.on_request = function(entry)
    if entry.write and entry.status ~= 429 then list[#list + 1] = entry.operation end
  end
  return list
end

--- Runs revoke or restore, each under its own run ID.
function M.run(who, recipe, options)
  options = options or {}
  options.run_id = options.run_id or "run-" .. recipe
  return operators.run(who, recipe, options)
end

--- The cluster's CMEK as the Cloud answers it.
function M.now(who) return operators.within(who, function(session) return session.cloud.cmek(operators.CLUSTER.id) end) end

--- Whether the Cloud could use the first region's key.
function M.usable(who) return require("sim.access").check(who.simulation, M.cluster_of(who), M.now(who).region_infos[1].key_infos[1].spec) end

--- A policy of one key that is as somebody left it, with a statement of theirs.
function M.with_statement(key, statement)
  local document = policies.parse(key.Policy)
  table.insert(document.Statement, statement)
  key.Policy = policies.json(document)
end

return M
