--- Whose a run is: organization, cluster and AWS account stand in its journal before anything is written, and it is taken up for no other.
local failure = require "engine.failure"

local M = {}

local LINE <const> = "who"

--- Writes it down, for each process that has a part in the run; what the recipe does not ask for is left out.
---@param engine table
function M.note(engine)
  local cluster, organization, identity = engine.cluster or {}, engine.organization or {}, engine.identity or {}
  engine.context:note { kind = LINE, account = identity.account, arn = identity.arn, organization = organization.id,
    organization_name = organization.name, cluster = cluster.id, cluster_name = cluster.name }
end

--- What a journal says of it first; nil when it says nothing.
---@param entries table[]
---@return { account: string?, arn: string?, organization: string?, cluster: string? }?  and their names
function M.of(entries)
  for _, entry in ipairs(entries) do
    if entry.kind == LINE then return entry end
  end
end

local function refuse(engine, message, next_step)
  failure.raise { code = "refused", what = ("taking up run %s"):format(engine.context.run_id), message = message, next = next_step }
end

-- A fact that is read anyway; nil where it is not asked for, or may not be read.
local function read(engine, key)
  if not engine.context.reads[key] then return nil end
  return (engine.context:try(function(refused) return refused.status == 403 end, function() return engine.context:once(key) end))
end

--- Raises when a run that is taken up is of another organization, cluster or account than these credentials and arguments.
---@param engine table
function M.check(engine)
  local known = engine.scope
  if not known then return end
  local organization = known.organization and read(engine, "organization")
  if organization and organization.id ~= known.organization then
    refuse(engine, ("it is of organization %s (%s), and the Cloud's API key is of %s (%s)"):format(known.organization_name or "?",
      known.organization, organization.name or "?", organization.id), "set COCKROACH_API_KEY to a key of that organization")
  end
  local cluster = known.cluster and read(engine, "cluster " .. tostring(engine.arguments.cluster))
  if cluster and cluster.id ~= known.cluster then
    refuse(engine, ("it is of cluster %s (%s), and '%s' is another one by now (%s)"):format(known.cluster_name or "?", known.cluster,
      engine.arguments.cluster, cluster.id),
      ("cmek run %s --cluster %s begins anew; without this journal its keys are found by their tags"):format(engine.recipe.name, known.cluster))
  end
  local identity = known.account and read(engine, "identity")
  if identity and identity.account ~= known.account then
    refuse(engine, ("it is of AWS account %s (%s), and these credentials are of account %s (%s)"):format(known.account, known.arn, identity.account,
      identity.arn), "name credentials of that account with --profile or the AWS_* variables")
  end
end

return M
