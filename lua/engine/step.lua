--- Steps: what a plan lists and a run carries out, one after the other or side by side.
local failure = require "engine.failure"
local report = require "engine.report"
local task = require "task"

local M = {}

--- A new step of a plan. Raises when the recipe asks for the same thing twice. What fails while it is filled in leaves no step behind.
---@param engine table
---@param key string     what it is known by in both passes
---@param fields table   kind, name, region …
---@param fill (fun(step: table))?
---@return table step
function M.new(engine, key, fields, fill)
  if engine.by_key[key] then error(("ensure: %s stands in the recipe twice"):format(key), 0) end
  local step = { action = "none", differences = {} }
  for name, value in pairs(fields) do step[name] = value end   -- order cannot be seen
  engine.by_key[key] = step
  table.insert(engine.steps, step)
  local ok, raised = pcall(fill or function() end, step)
  if ok then return step end
  engine.by_key[key] = nil
  for place, other in ipairs(engine.steps) do
    if other == step then
      table.remove(engine.steps, place)
      break
    end
  end
  error(raised, 0)
end

--- Raises that a recipe's second pass asks for what its plan did not show.
---@param key string
function M.unplanned(key)
  failure.raise { code = "precondition", what = "running the recipe",
    message = ("it asks for %s, which its plan did not show: a recipe must ask for the same in both passes"):format(key:gsub("%s+", " ")) }
end

--- Does a step, telling of its beginning and its end.
---@param engine table
---@param step table
---@param change fun(): any  its value: what it comes to
---@return any
function M.carry_out(engine, step, change)
  if engine.rehearsal then return engine.rehearsal:carry_out(step, change) end
  local quiet = step.action == "none" and not step.pending
  if not quiet then engine.listener { kind = "step-start", step = report.step(step) } end
  local ok, have = pcall(change)
  if not ok then
    step.result = (have ~= task.CANCELLED or (step.arn or step.begun) and step.action ~= "none") and "failed" or "skipped"
    if have ~= task.CANCELLED then
      engine.listener { kind = "step-failed", step = report.step(step, true), error = failure.document(have) }
      if engine.stops and type(have) == "table" then engine.stops.told[have] = true end
    end
    error(have, 0)
  end
  step.arn, step.result = type(have) == "table" and type(have.arn) == "string" and have.arn or step.arn, "done"
  if not quiet then engine.listener { kind = "step-done", step = report.step(step, true) } end
  return have
end

return M
