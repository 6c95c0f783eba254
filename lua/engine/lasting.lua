--- A run needs credentials for as long as it works in AWS; a session that ends before would leave half of it made.
-- What the Cloud does afterwards takes none, however long it takes.
local principal = require "engine.key.principal"
local refusal = require "refusal"
local time = require "time"

local M = {}

-- Whether a kind of thing is nothing of AWS's: the Cloud's, or Vault's alone.
local function elsewhere(resource)
  local actions = resource.actions
  return resource.in_cloud or actions.vault ~= nil and actions.kms == nil and actions.iam == nil
end

-- Seconds that a step of a kind may take, at the most; things of a kind are made together, kinds one after another.
local function bound(context, step)
  if elsewhere(step.resource) then return 0 end
  local waits = step.action == "create" and (step.kind == "key" or step.kind == "replica") and principal.BOUND or 0   -- until KMS knows the new role
  return context.LAG + waits                                                             -- until what was made is shown
end

--- How long the work in AWS may take, at the most.
---@param engine Engine
---@return number  seconds; 0: there is none
function M.seconds(engine)
  local longest, total = {}, 0
  for _, step in ipairs(engine.steps) do
    local busy = step.action == "create" or step.action == "change" or step.action == "delete"
    local seconds = busy and bound(engine.context, step) or 0
    if seconds > (longest[step.kind] or 0) then
      total = total + seconds - (longest[step.kind] or 0)
      longest[step.kind] = seconds
    end
  end
  return total
end

--- What is wrong when the credentials end before the work can be done, and nothing renews them; nil when they last.
---@param engine Engine
---@return string?
function M.problem(engine)
  local ends = engine.identity and engine.identity.ends
  local needed = ends and M.seconds(engine) or 0
  local left = ends and ends - engine.context.clock.now() or math.huge
  if needed == 0 or left >= needed then return nil end
  return ("the AWS credentials (%s) end at %s, in %s, and what is to be done in AWS may take up to %s; nothing renews them"):format(
    engine.identity.source or "of unknown source", time.text(ends), time.span(left), time.span(needed))
end

--- Raises that problem, if there is one.
---@param engine Engine
function M.check(engine)
  local problem = M.problem(engine)
  if not problem then return end
  refusal.raise { kind = "credentials", exit = "credentials", what = "before anything is made", message = problem,
    next = "get credentials that last longer, or some that renew themselves (cmek help credentials), then run this again" }
end

return M
