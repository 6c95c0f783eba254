--- `ensure` and `read`: what a recipe says shall be, compared, made, or verified, by the pass that is running.
local copy = require "engine.copy"
local elsewhere = require "engine.account.elsewhere"
local failure = require "engine.failure"
local report = require "engine.report"
local steps = require "engine.step"
local unknown = require "unknown"

local M = {}

local function key_of(resource, want)
  return table.concat({ resource.kind, resource.region(want) or "", resource.name(want) }, " ")
end

-- Whose a thing is, and which cluster is asked about by name, is not a recipe's word.
local function check_cluster(engine, cluster)
  if type(cluster) ~= "table" or engine.context.clusters[cluster.id] == cluster.name then return end
  local name = type(cluster.id) == "string" and engine.context:cluster_name(cluster.id)
  if name and name == cluster.name then return end
  error(("field 'cluster' must be as read(\"cluster\", …) gives it: %s"):format(name and ("%s is the cluster '%s', not '%s'"):format(cluster.id,
    name, tostring(cluster.name)) or "it has no id"), 0)
end

local function wanted(engine, kind, given, verb)
  if type(given) ~= "table" then error(("ensure: '%s' wants a table of what it shall be"):format(tostring(kind)), 0) end
  local resource = engine:resource(kind)
  if not resource.own then require("engine.fields").check(kind, given, verb) end
  local want = copy.plain(given, function(fn) return fn(given.cluster) end)
  check_cluster(engine, want.cluster)
  resource.defaults(want, engine.context)
  return resource, want
end

-- Plan -------------------------------------------------------------------------------------------------------------

local function warn(engine, resource, want, have)
  for _, warning in ipairs(resource.warnings(want, have)) do engine.context:warn(warning.text, resource.region(want)) end
end

-- Why a step cannot be taken back; nil when it can. What is changed may mean something else than what is made.
local function finality(resource, want)
  local why = resource.irreversible
  return type(why) == "function" and why(want) or why
end

-- Fills the step in with what was found.
local function compare(engine, step)
  local resource, want, context = step.resource, step.want, engine.context
  step.have = resource.find(context, want)
  step.name = resource.name(want)
  local reason, check = resource.refusal(context, want, step.have)
  if reason then
    step.action, step.reason, step.own = "refuse", reason, check == "wanted"
    step.told = require("engine.told").of(engine, resource.kind, want, step.have, check, reason)
    return
  end
  local waits, writes = resource.pending(context, want, step.have)
  step.pending = waits
  if step.have == nil then
    step.action, step.irreversible, step.reason = "create", resource.irreversible ~= nil, finality(resource, want) or waits
    return
  end
  step.arn = type(step.have) == "table" and type(step.have.arn) == "string" and step.have.arn or nil
  step.differences = resource.differences(want, step.have)
  warn(engine, resource, want, step.have)
  step.action = (#step.differences > 0 or writes) and "change" or "none"
  step.irreversible = resource.irreversible ~= nil and #step.differences > 0
  step.reason = waits or step.irreversible and finality(resource, want) or nil
end

local function plan(engine, resource, want)
  local step = steps.new(engine, key_of(resource, want), { kind = resource.kind, name = resource.name(want), region = resource.region(want),
    resource = resource, want = want, engine = engine }, function(step) compare(engine, step) end)
  engine.listener { kind = "planned", step = report.step(step) }
  local usable = (step.action ~= "refuse" or step.own) and step.action ~= "create" and step.have or nil
  step.outcome = resource.result(want, usable)
  return step.outcome
end

-- Do ---------------------------------------------------------------------------------------------------------------

-- The change itself; what it comes to is the thing as it is now. found: the step, or what a later look has found.
local function change(engine, step, want, found)
  local resource, context = step.resource, engine.context
  if found.have == nil then return resource.create(context, want, step) end
  if found.action == "change" or found.pending then return resource.update(context, want, found.have, step) end
  if #resource.differences(want, found.have) > 0 then steps.unplanned(key_of(resource, want)) end
  return found.have
end

-- What is found of a step that is carried out anew, since somebody has looked at what went wrong, as a run that is resumed finds it. What
-- was not planned, and so not agreed to, is not done.
local function look_again(engine, step, want)
  local found = { resource = step.resource, want = want }
  compare(engine, found)
  if found.action == "refuse" then
    failure.raise(failure.with({ code = "refused", region = step.region, what = ("%s %s"):format(step.kind, found.name), message = found.reason },
      found.told))
  end
  local more = step.action == "none" and not step.pending and found.action ~= "none" or step.action == "change" and found.action == "create"
  if more or found.irreversible and not step.irreversible then steps.unplanned(key_of(step.resource, want)) end
  return found
end

-- A step whose name hung on what only the run could tell: the first that is left of its kind and region.
local function unnamed(engine, resource, want)
  for _, step in ipairs(engine.steps) do
    if step.resource == resource and step.region == resource.region(want) and unknown.has(step.name) then
      step.name = resource.name(want)
      engine.by_key[key_of(resource, want)] = step
      return step
    end
  end
end

local function act(engine, resource, want)
  local key = key_of(resource, want)
  local step = engine.by_key[key] or unnamed(engine, resource, want) or steps.unplanned(key)
  if resource.again then resource.again(want, step.want) end
  local thread = coroutine.running()
  local anew = engine.repeated[thread]
  if anew and engine.acted[thread] ~= step then steps.unplanned(key .. " here") end
  if not anew then require("engine.seen").hold(engine, key, step.want, want) end
  engine.acted[thread] = step
  local have = steps.carry_out(engine, step, function()
    return change(engine, step, want, anew and look_again(engine, step, want) or step)
  end)
  step.outcome = resource.result(want, have)
  return step.outcome
end

-- Verify -----------------------------------------------------------------------------------------------------------

local function verify(engine, resource, want) return require("engine.pass.verify").thing(engine, resource, want, "ensure") end

local function destroy(engine, resource, want) return require("engine.pass.destroy").collect(engine, resource, want) end

local PASSES <const> = { plan = plan, ["do"] = act, verify = verify, destroy = destroy }

--- What shall be.
---@param engine table
---@param kind string
---@param given table  plain data
---@return table  what is known of the thing; in a plan, unknown values for what only creation can tell
function M.ensure(engine, kind, given)
  engine = elsewhere.of(engine, type(given) == "table" and given.account or nil)
  local kept = engine:resource(kind)
  local made = engine.spec and engine.spec.of_this_run and not (kept.in_cloud or kept.release)
  if made then return require("engine.cluster.handed_over").thing(engine, kind, given) end   -- before it is asked for what it rests on
  local resource, want = wanted(engine, kind, given, "ensure")
  if engine.spec and not (resource.in_cloud or resource.release) then
    failure.raise { code = "precondition", exit = "usage", what = ("making the %s %s"):format(kind, resource.name(want)),
      message = "with --spec nobody talks to AWS, so nothing can be made there", next = "cmek run enable --spec FILE" }
  end
  return PASSES[engine.phase](engine, resource, want)
end

-- Read -------------------------------------------------------------------------------------------------------------

local function missing(resource, want)
  local region = resource.region(want)
  local text = ("there is no %s %s%s"):format(resource.kind, resource.name(want), region and " in " .. region or "")
  local name = want.cluster and want.cluster.name or ""
  failure.raise({ code = "precondition", region = region, what = "reading what must be there", message = text },
    resource.kind == "role" and "access.role-missing" or "cmek.regions",
    { missing = text, name = name, role = resource.name(want), mend = "cmek run console --cluster " .. require("quote")(name) })
end

--- What must be: a thing that this recipe ensures, or one that is there already. Raises when it is missing or not ours.
---@param engine table
---@param kind string
---@param given table
---@return table
function M.read(engine, kind, given)
  if engine.spec and (kind == "role" or kind == "key") then return require("handover").thing(engine.spec, kind, given) end
  engine = elsewhere.of(engine, given.account)
  local resource, want = wanted(engine, kind, given, "read")
  local step = engine.by_key[key_of(resource, want)]
  if step then return step.outcome end
  if engine.phase == "verify" then return require("engine.pass.verify").thing(engine, resource, want, "read") end
  local have = resource.find(engine.context, want)
  if engine.phase == "destroy" then return resource.result(want, not (type(have) == "table" and have.refused) and have or nil) end   -- not its own
  if have == nil then missing(resource, want) end
  local reason, check = resource.refusal(engine.context, want, have)
  if reason then
    local told = require("engine.told").of(engine, resource.kind, want, have, check, reason)
    failure.raise(failure.with({ code = "refused", region = resource.region(want), what = "reading what must be there", message = reason }, told))
  end
  return resource.result(want, have)
end

return M
