--- The documents of plan, run, verify and destroy: cmek.plan/1, cmek.run/1, cmek.verify/1, cmek.destroy/1.
local cmek = require "engine.cluster.cmek"
local json = require "json"
local mend = require "engine.mend"
local sorted = require "sorted"
local unknown = require "unknown"

local M = {}

local COUNTS <const> = { create = "create", change = "change", delete = "delete", none = "unchanged", refuse = "refused" }

local function shown(value)
  if value == nil then return json.null end
  return unknown.show(value)
end

--- What is behind a refused step; nil without it.
---@param told table?  of lua/explain.lua
---@return table?
function M.told(told)
  if not told then return nil end
  return { situation = told.situation, cause = told.cause, evidence = told.evidence, advice = told.advice, commands = json.array(told.commands),
    next = told.next }
end

-- A name is a line of the plan, and no more than one, whatever a recipe calls it.
local function line(text) return (unknown.show(text):gsub("%c+", " ")) end

--- A step as documents and events show it.
---@param step table
---@param whole boolean?  with what became of it
---@return table
function M.step(step, whole)
  local differences = json.array {}
  for i, difference in ipairs(step.differences) do
    differences[i] = { field = line(difference.field), have = shown(difference.have), want = shown(difference.want) }
  end
  return {
    kind = step.kind, name = line(step.name), region = step.region and line(step.region) or json.null, action = step.action,
    reason = step.reason or json.null, irreversible = step.irreversible and true or false, differences = differences, told = M.told(step.told),
    arn = whole and (step.arn or json.null) or nil, result = whole and (step.result or "skipped") or nil,
    deletion_date = whole and step.deletion_date or nil, cancel = whole and step.cancel or nil,
  }
end

local function steps(engine, whole)
  local list = json.array {}
  for i, step in ipairs(engine.steps) do list[i] = M.step(step, whole) end
  return list
end

local function warnings(engine)
  local list = json.array {}
  for i, warning in ipairs(engine.context.warned) do list[i] = { text = warning.text, region = warning.region or json.null } end
  return list
end

--- How many steps there are of each kind.
---@return { create: integer, change: integer, delete: integer, unchanged: integer, refused: integer }
function M.summary(engine)
  local summary = { create = 0, change = 0, delete = 0, unchanged = 0, refused = 0 }
  for _, step in ipairs(engine.steps) do
    local name = COUNTS[step.action]
    summary[name] = summary[name] + 1
  end
  return summary
end

-- A recipe of the user's own: which text it is that runs, and what it may call.
local function source(recipe)
  if not recipe.is_file then return nil end
  local touches = json.array {}
  for i, service in ipairs(recipe.touches) do touches[i] = service end
  local files = recipe.files and #recipe.files > 0 and json.array(table.move(recipe.files, 1, #recipe.files, 1, {})) or nil
  return { path = recipe.origin, hash = recipe.hash, files = files, touches = touches, trusted = recipe.trusted }
end

-- Whose cluster, in which account.
local function run(engine)
  local cluster, organization, identity = engine.cluster, engine.organization, engine.identity
  return {
    recipe = engine.recipe.name, source = source(engine.recipe),
    cluster = cluster and { id = cluster.id, name = cluster.name } or json.null,
    organization = organization and { id = shown(organization.id), name = organization.name, label = organization.label } or json.null,
    aws = identity and { account_id = identity.account, arn = identity.arn } or json.null,
  }
end

local function preflight(engine)
  local list = json.array {}
  for i, check in ipairs(engine.checked) do list[i] = { id = check.id, result = check.result, text = check.text } end
  return list
end

--- cmek.plan/1
function M.plan(engine)
  return { schema = "cmek.plan/1", run = run(engine), summary = M.summary(engine), steps = steps(engine), warnings = warnings(engine),
    preflight = preflight(engine), layout = require("engine.cluster.layouts").drawing(engine) }
end

--- What this run made or changed, also when it is not complete: the failure must name it.
---@return { kind: string, name: string, region: string?, arn: string?, complete: boolean }[]
function M.made(engine)
  local list = json.array {}
  for _, step in ipairs(engine.steps) do
    local something = step.result == "done" or step.arn or step.begun
    if engine.context.wrote and something and step.action ~= "none" and step.action ~= "refuse" then
      list[#list + 1] = { kind = step.kind, name = line(step.name), region = step.region or json.null, arn = step.arn or json.null,
        complete = step.result == "done" }
    end
  end
  return list
end

-- The command that enables CMEK with what was handed over: a recipe that has its layout in itself does it itself.
local function enabling(engine)
  local own = engine.layout and type(engine.layout.layout.given) == "table"
  return own and mend.cmek(engine, "run") .. " --enable" or mend.cmek(engine, "run", "enable", mend.CHAIN)
end

-- Whether the cluster uses what was handed over, by what the Cloud said: { status, uses = "all"|"some"|"none", next }.
local function use(engine)
  local read = engine.cluster and engine.handed_over and engine.context.reads["cmek " .. engine.cluster.id]
  if not read or engine.session.facts then return json.null end
  local info, specs, used = read.wait(), engine.handed_over.region_specs, 0
  for _, step in ipairs(engine.steps) do
    if step.resource and step.resource.in_cloud then return { status = "ENABLED", uses = "all" } end   -- which was waited for
  end
  for _, spec in ipairs(specs) do
    local state = cmek.state(info, spec)
    used = used + ((state == "enabled" or state == "pending") and 1 or 0)
  end
  local all = used == #specs
  local revoked = #cmek.revoked(info) > 0
  return { status = info.status or "DISABLED", uses = all and "all" or used > 0 and "some" or "none",
    next = revoked and mend.restore(engine, engine.cluster)
      or not (all and info.status == "ENABLED") and enabling(engine) or nil }
end

-- The recipe that goes on from here, its arguments, and the command that says what it would do.
local function going_on(engine)
  local on = engine.going_on
  return on and { recipe = on.recipe, arguments = on.arguments, command = mend.going_on(engine) }
end

--- cmek.run/1
---@param status "done"|"failed"|"declined"|"unfinished"
---@param failure table?  the `error`
function M.run(engine, status, failure)
  local head = run(engine)
  head.id, head.status = engine.context.run_id, status
  local set_aside = json.array {}
  for i, key in ipairs(engine.context.attempts:set_aside()) do set_aside[i] = key end
  for _, other in sorted(engine.elsewhere or {}) do
    for _, key in ipairs(other.context.attempts:set_aside()) do set_aside[#set_aside + 1] = key end
  end
  return { schema = "cmek.run/1", run = head, summary = M.summary(engine), steps = steps(engine, true), warnings = warnings(engine),
    handover = engine.handed_over or json.null, cmek = status == "done" and use(engine) or json.null, set_aside = set_aside,
    made = M.made(engine), error = failure,
    ticket = (status == "done" or engine.context.wrote) and require("engine.cluster.ticket").of(engine) or nil,
    going_on = status == "done" and going_on(engine) or nil }
end

--- cmek.destroy/1
---@param status "done"|"failed"|"declined"|"unfinished"
---@param failure table?  the `error`
function M.destroy(engine, status, failure)
  local head, deleted = run(engine), json.array {}
  head.id, head.status = engine.context.run_id, status
  for _, step in ipairs(engine.steps) do
    if step.action == "delete" and (step.result == "done" or step.deletion_date) and not step.taken_back then
      deleted[#deleted + 1] = { kind = step.kind, name = step.name, region = step.region or json.null, arn = step.arn or json.null,
        deletion_date = step.deletion_date, cancel = step.cancel }
    end
  end
  return { schema = "cmek.destroy/1", run = head, summary = M.summary(engine), steps = steps(engine, true), warnings = warnings(engine),
    clusters_asked = engine.uses and engine.uses.asked or json.null, deleted = deleted, error = failure }
end

local KINDS <const> = { cloud = 1, cluster = 1, aws = 1, role = 2, key = 3, cluster_cmek = 4, cluster_regions = 4 }

-- Checks or findings in an order that no answer's lateness changes: by kind, thing and region, then as help lists the checks.
local function in_order(list)
  local ranks, places = {}, {}
  for rank, check in ipairs(require("engine.pass.verify").known()) do ranks[check.id] = rank end
  for place, entry in ipairs(list) do
    local kind = KINDS[entry.id:match "^[^.]+"] or 5
    local object = kind > 1 and entry.object or ""
    places[entry] = ("%d %s %s %03d %06d"):format(kind, object, entry.region or "", ranks[entry.id] or 0, place)
  end
  local ordered = table.move(list, 1, #list, 1, {})
  table.sort(ordered, function(one, other) return places[one] < places[other] end)
  return ordered
end

--- cmek.verify/1
function M.verify(engine)
  local checked, findings = json.array {}, json.array {}
  for i, check in ipairs(in_order(engine.checked)) do
    checked[i] = { id = check.id, object = check.object or json.null, region = check.region or json.null, result = check.result, text = check.text }
  end
  for i, finding in ipairs(in_order(engine.findings)) do
    findings[i] = {
      id = finding.id, severity = finding.severity, object = finding.object or json.null, region = finding.region or json.null,
      field = finding.field or json.null, have = shown(finding.have), want = shown(finding.want), text = finding.text,
      mend = finding.mend or json.null,
    }
  end
  return { schema = "cmek.verify/1", run = run(engine), checked = checked, findings = findings, warnings = warnings(engine) }
end

--- A failure as text for one field: nothing of a secret, no unknown's mark.
---@param document table
---@return table
function M.failure(document)
  local copy = {}
  for name, value in sorted(document) do copy[name] = type(value) == "string" and unknown.show(value) or value end
  return copy
end

return M
