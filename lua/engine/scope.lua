--- Whose a run is: organization, cluster and AWS account stand in its journal before anything is written, and it is taken up for no other.
local failure = require "engine.failure"

local M = {}

local LINE <const> = "scope"

--- Writes it down, once; what the recipe does not ask for is left out.
---@param engine table
function M.note(engine)
  local cluster, organization, identity = engine.cluster, engine.organization, engine.identity
  if engine.scope or not (cluster or identity) then return end
  engine.context:note { kind = LINE, account = identity and identity.account, arn = identity and identity.arn,
    organization = organization and { id = organization.id, name = organization.name },
    cluster = cluster and { id = cluster.id, name = cluster.name } }
end

--- What a journal says of it; nil when it says nothing.
---@param entries table[]
---@return { account: string?, arn: string?, organization: { id: string, name: string }?, cluster: { id: string, name: string }? }?
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
  local was, now = known.organization, known.organization and read(engine, "organization")
  if now and now.id ~= was.id then
    refuse(engine, ("it is of organization %s (%s), and the Cloud's API key is of %s (%s)"):format(was.name, was.id, now.name, now.id),
      "set COCKROACH_API_KEY to a key of that organization")
  end
  was, now = known.cluster, known.cluster and read(engine, "cluster " .. tostring(engine.arguments.cluster))
  if now and now.id ~= was.id then
    refuse(engine, ("it is of cluster %s (%s), and '%s' is another one by now (%s)"):format(was.name, was.id, engine.arguments.cluster, now.id),
      ("cmek run %s --cluster %s begins anew; without this journal its keys are found by their tags"):format(engine.recipe.name, was.id))
  end
  local identity = known.account and read(engine, "identity")
  if identity and identity.account ~= known.account then
    refuse(engine, ("it is of AWS account %s (%s), and these credentials are of account %s (%s)"):format(known.account, known.arn, identity.account,
      identity.arn), "name credentials of that account with --profile or the AWS_* variables")
  end
end

return M
