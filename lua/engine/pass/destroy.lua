--- Taking a recipe's things back: it runs once to collect what it ensures, the plan is shown and asked about, then the things go in
--- reverse order. Nothing goes that a cluster names, in any status: the Cloud is asked for the plan, again right before
--- things go, and once more when keys are scheduled, so that a cluster that began to use one meanwhile gets it back.
--
-- What one kind asks and does stands in lua/resource/delete/KIND.lua:
--   collect(context, want)        the things that are there: { { want =, have = } … }
--   refusal(context, want, have)  why it stays              about(want, have)  what becomes of it
--   told(engine, want, have)      the situation behind that
--   was_there(want, have)         whether it is not of cmek's making
--   warnings(want, have)          what is worth a word      irreversible       why it cannot be made the same again
--   is_final(want)                whether that is so of this thing; without it, of each
--   stays(engine, want, have)     why it is left as it is, once it is known what else goes
--   named(uses, want, have)       what a cluster names of it, in words; without it, whether one names its ARN
--   delete(context, want, have, guard)  deletes it, calling guard() right before; what it is afterwards
--   finish(context, want, have)   once all of its kind are deleted
--   needs(context, want, have)    rights that it takes (lua/engine/policy/rights.lua)
--   capabilities(want, have)      the same in Vault (lua/engine/vault/capabilities.lua)
--   path(want)                    where it is in a Vault's engine, which goes after what is in it
--   retired(have), undo(context, want, have), date(have), cancel(engine, want, have)  of what can be taken back for a time
local failure = require "engine.failure"
local mend = require "engine.mend"
local named = require "engine.cluster.named"
local report = require "engine.report"
local steps = require "engine.step"

local M = {}

--- What it calls beside the actions of the kinds, by service.
M.actions = named.actions

-- Collecting -----------------------------------------------------------------------------------------------------------

-- What a kind of the recipe's own says and does.
local function own(resource)
  local deletion = {}
  function deletion.collect(context, want)
    local have = resource.find(context, want)
    return have ~= nil and { { want = want, have = have } } or {}
  end
  function deletion.refusal() return nil end
  function deletion.about() return nil end
  function deletion.delete(context, want, have, guard)
    guard()
    return resource.delete(context, want, have)
  end
  return deletion
end

local function deletion_of(resource)
  return resource.own and own(resource) or require("resource.delete." .. resource.kind)
end

local function arn_of(have) return type(have) == "table" and type(have.arn) == "string" and have.arn or nil end

-- What becomes of one thing that is there, as far as it can be told by itself.
local function judge_alone(context, step)
  local resource, deletion, want, have = step.resource, step.deletion, step.want, step.have
  if resource.own and not resource.delete then
    local why = resource.way_back and ("it is taken back by %s"):format(resource.way_back) or "its kind has no delete"
    step.action, step.reason, step.stays = "none", why .. ": it is left as it is", resource.way_back ~= nil
    context:warn(("%s %s stays: %s"):format(step.kind, step.name, why), step.region)
    return
  end
  if want.arn then
    step.action, step.reason = "none", "it is named by its ARN, so it was there before: it is left as it is"
    return
  end
  if deletion.was_there and deletion.was_there(want, have) then
    step.action, step.reason = "none", "cmek did not make it, and took it over: it is left as it is, with its alias and tags"
    return
  end
  local reason = deletion.refusal(context, want, have)
  if reason then
    step.action, step.reason, step.told = "refuse", reason, deletion.told and deletion.told(step.engine, want, have)
    return
  end
  step.reason = deletion.about(want, have)
  step.irreversible = deletion.irreversible ~= nil and (deletion.is_final == nil or deletion.is_final(want))
  for _, text in ipairs(deletion.warnings and deletion.warnings(want, have) or {}) do context:warn(text, step.region) end
end

-- A step for one thing that is there; `asked` is when the recipe asked for it.
local function add(engine, resource, deletion, thing, asked)
  local want, have = thing.want, thing.have
  local key = table.concat({ resource.kind, resource.region(want) or "", resource.name(want) }, " ")
  if engine.by_key[key] then return end   -- of several generations each may have been asked for
  steps.new(engine, key, { kind = resource.kind, name = resource.name(want), region = resource.region(want), resource = resource,
    deletion = deletion, want = want, have = have, arn = arn_of(have), action = "delete", asked = asked, engine = engine },
    function(step) judge_alone(engine.context, step) end)
end

--- `ensure` in this pass: what is there of the wanted thing becomes steps; the recipe gets what is known of it.
---@param engine table
---@param resource table
---@param want table
---@return any
function M.collect(engine, resource, want)
  local deletion, asked = deletion_of(resource), (engine.asked or 0) + 1
  engine.asked, engine.first_asked = asked, engine.first_asked or {}
  engine.first_asked[resource.kind] = engine.first_asked[resource.kind] or asked
  local things, known = deletion.collect(engine.context, want), nil
  for _, thing in ipairs(things) do
    add(engine, resource, deletion, thing, asked)
    known = known or not (type(thing.have) == "table" and thing.have.refused) and thing or nil
  end
  return resource.result(known and known.want or want, known and known.have or nil)
end

-- Judging ----------------------------------------------------------------------------------------------------------------

local IN_USE <const> = "%s: CMEK cannot be switched off, and without this %s nobody can read that cluster's data and backups"

-- What a cluster names of a step's thing, in words.
local function by(step, uses)
  if step.deletion.named then return step.deletion.named(uses, step.want, step.have) end
  return uses:by(step.arn)
end

-- Refuses what a cluster names. A chain that is in use, be it in part, is not left half deleted: what is scheduled of it is taken back.
local function judge(engine, uses)
  local used
  for _, step in ipairs(engine.steps) do
    local use = step.kind ~= "cluster_cmek" and not step.stays and by(step, uses)
    used = used or use
    if use then step.used, step.action, step.irreversible, step.reason = use, "refuse", nil, IN_USE:format(use, (step.kind:gsub("^vault_", ""))) end
  end
  for _, step in ipairs(used and engine.steps or {}) do
    if step.deletion.retired and step.deletion.retired(step.have) then
      step.take_back, step.action, step.reason = true, "change", used .. ": its deletion is cancelled, and it is enabled again"
    end
  end
end

-- What is left as it is, for its own reasons or since something stays in it.
local function keep_what_stays(engine)
  for _, step in ipairs(engine.steps) do
    local reason = step.action == "delete" and step.deletion.stays and step.deletion.stays(engine, step.want, step.have)
    if reason then step.action, step.irreversible, step.reason = "none", nil, reason end
  end
end

-- The steps in the order of deletion: the last kind that the recipe asks for first, things of one kind as they stand. Regions are asked for
-- side by side, so kinds stand between each other; a kind of the recipe's own parts them, since it may hang on what is before it.
local function groups_of(engine)
  local list, groups, part = table.move(engine.steps, 1, #engine.steps, 1, {}), {}, {}
  local places = {}
  for place, step in ipairs(list) do places[step] = place end
  table.sort(list, function(one, other)
    if one.asked ~= other.asked then return one.asked < other.asked end
    return places[one] < places[other]
  end)
  local function close()
    table.sort(part, function(one, other) return one.rank < other.rank end)
    table.move(part, 1, #part, #groups + 1, groups)
    part = {}
  end
  for _, step in ipairs(list) do
    if step.resource.own then close() end
    local group
    for _, candidate in ipairs(part) do group = group or candidate[1].kind == step.kind and candidate or nil end
    if not group then
      group = { rank = engine.first_asked[step.kind] }
      part[#part + 1] = group
    end
    group[#group + 1] = step
    if step.resource.own then close() end
  end
  close()
  local reversed = {}
  for i = #groups, 1, -1 do reversed[#reversed + 1] = groups[i] end
  return reversed
end

local function reorder(engine)
  local groups, list = groups_of(engine), {}
  for _, group in ipairs(groups) do table.move(group, 1, #group, #list + 1, list) end
  engine.steps = list
  return groups
end

-- Deleting ---------------------------------------------------------------------------------------------------------------

local FRESH <const> = 10   -- seconds for which the Cloud's word holds

-- Asks the Cloud anew; tasks that do so in the same moment share the answer.
local function ask(engine)
  engine.asking = engine.asking or engine.context.tasks.spawn(named.read, engine.context)
  local asking = engine.asking
  local ok, uses = pcall(asking.wait)
  if engine.asking == asking then engine.asking = nil end
  if not ok then error(uses, 0) end
  engine.uses = uses
  return uses
end

-- The Cloud's word right before a thing goes; what cannot be taken back is asked about anew.
local function guard(engine, step)
  return function()
    local fresh = not step.irreversible and engine.uses.at > engine.context.clock.now() - FRESH
    local use = by(step, fresh and engine.uses or ask(engine))
    if not use then return end
    failure.raise { code = "refused", service = "cloud", region = step.region, what = ("deleting %s %s"):format(step.kind, step.name),
      message = "since the plan was made " .. use, next = "leave it in use" }
  end
end

-- The Cloud's word after keys were scheduled: when it names one by now the chain is in use, and all of them are taken back.
local function look_back(engine, group)
  if not group[1].deletion.undo then return end
  local uses, use = ask(engine), nil
  for _, step in ipairs(group) do use = use or step.action == "delete" and by(step, uses) end
  if not use then return end
  engine.context.tasks.map(group, function(step)
    if step.action ~= "delete" then return end
    step.deletion.undo(step.engine.context, step.want, step.have)
    step.result, step.taken_back = "failed", true
  end)
  failure.raise { code = "refused", service = "cloud", what = "deleting keys", next = mend.cmek(engine, "run"),
    message = ("since the plan was made %s; the deletion was cancelled and the keys are enabled again"):format(use) }
end

local function delete(engine, step)
  local context, deletion = step.engine.context, step.deletion
  steps.carry_out(engine, step, function()
    local have = deletion.delete(context, step.want, step.have, guard(engine, step))
    step.deletion_date = deletion.date and deletion.date(have)
    step.cancel = deletion.cancel and deletion.cancel(engine, step.want, have)
    return have
  end)
end

local function delete_group(engine, group)
  local context = engine.context
  local ok, raised = pcall(context.tasks.map, group, function(step)
    if step.action == "delete" then delete(engine, step) end
  end)
  look_back(engine, group)   -- also when one of them failed: others may be scheduled
  if not ok then error(raised, 0) end
  context.tasks.map(group, function(step)
    if step.action == "delete" and step.deletion.finish then step.deletion.finish(step.engine.context, step.want, step.have) end
  end)
end

-- Takes back what was scheduled and is named.
local function take_back(engine)
  for _, step in ipairs(engine.steps) do
    if step.take_back then
      steps.carry_out(engine, step, function() return step.deletion.undo(step.engine.context, step.want, step.have) end)
    end
  end
end

-- The whole --------------------------------------------------------------------------------------------------------------

local function question(engine, plan)
  local cluster = engine.cluster
  local name = cluster and cluster.name or engine.recipe.name
  local text = ("Delete these %d%s? Type the %s's name to go on: "):format(plan.summary.delete,
    plan.summary.change > 0 and (" and take back %d"):format(plan.summary.change) or "", cluster and "cluster" or "recipe")
  return text, name, cluster and "the cluster's name" or "the recipe's name"
end

local function refused(engine)
  local list, back, used, told = {}, false, nil, nil
  for _, step in ipairs(engine.steps) do
    back, used, told = back or step.take_back, used or step.used, told or step.told
    if step.action == "refuse" then list[#list + 1] = ("%s %s: %s"):format(step.kind, step.name, step.reason) end
  end
  if #list == 0 then return nil, back end
  if used then told = require("explain").tell("destroy.in-use", { uses = used, verify = mend.cmek(engine, "verify") }) end
  return failure.with({ what = "planning", code = "refused", message = table.concat(list, "\n") }, told), back
end

local function done(engine)
  for _, step in ipairs(engine.steps) do step.result = "done" end
  return report.destroy(engine, "done"), 0
end

-- What comes of a plan that may not be carried out: at most a wrong deletion is taken back.
local function keep(engine, wrong)
  local ok, raised = pcall(take_back, engine)
  if not ok then return engine:abandoned(raised) end
  wrong = wrong or { what = "planning", code = "refused", message = "the cluster uses what was to be deleted; that was taken back" }
  return report.destroy(engine, engine.context.wrote and "unfinished" or "failed", wrong), engine.context.wrote and 5 or 1
end

--- Collects, asks, deletes.
---@param engine table
---@param pass fun()  sets off the first reads and runs the recipe
---@return table report  cmek.destroy/1
---@return integer status
function M.run(engine, pass)
  local context = engine.context
  pass()
  local uses = context:once("named", function() return named.read(context) end)
  engine.identity = engine.identity or context.reads.identity and context:identity()
  engine.uses = uses
  judge(engine, uses)
  local groups = reorder(engine)
  keep_what_stays(engine)
  require("engine.policy.rights").judge(engine)
  local vault_side = require "engine.vault.side"
  vault_side.judge(engine)
  vault_side.tell_elsewhere(engine)
  local plan = report.plan(engine)
  if plan.summary.delete > 0 and plan.summary.refused + plan.summary.change == 0 then
    engine.listener { kind = "say", text = ("asked %d cluster(s) that may have CMEK: none names any of this"):format(uses.asked) }
  end
  engine.listener { kind = "plan", report = plan }
  local wrong, back = refused(engine)
  if wrong and not back then
    return report.destroy(engine, context.wrote and "unfinished" or "failed", wrong), context.wrote and 5 or 1
  end
  if plan.summary.delete + plan.summary.change == 0 then return done(engine) end
  local ok, reason = engine.options.confirm_deletion(question(engine, plan))
  if not ok then
    return report.destroy(engine, "declined", { what = "asking before anything is deleted", message = reason or "declined", code = "declined" }), 1
  end
  if wrong or back then return keep(engine, wrong) end
  local raised
  ok, raised = pcall(function()
    engine.phase = "do"
    for _, group in ipairs(groups) do delete_group(engine, group) end
    context.tasks.check()
  end)
  if not ok then return engine:abandoned(raised) end
  return report.destroy(engine, "done"), 0
end

return M
