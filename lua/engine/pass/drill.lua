--- A drill: everything that a run reads, compares and checks before it begins, and nothing of what it would do. The door has given up
--- every right to write before the first request.
local report = require "engine.report"

local M = {}

--- Whether a run is one: its recipe has an argument `drill`, and it is set.
---@param engine table
---@return boolean
function M.is(engine) return engine.mode == "run" and engine.arguments.drill == true end

-- What was checked: each step that could be done, and each right.
local function checks(engine)
  local list, open = {}, {}
  for _, step in ipairs(engine.steps) do
    list[#list + 1] = { id = step.kind .. ".ready", object = step.name, region = step.region, result = "ok",
      text = step.action == "none" and "nothing to do" or nil }
  end
  local cluster, named = engine.cluster or {}, engine.context.reads.named
  if engine.context.reads["cmek " .. tostring(cluster.id)] then
    list[#list + 1] = { id = "cloud.rights", object = cluster.name, result = "ok",
      text = "the API key may read the cluster's CMEK, which takes the same role as changing it" }
  end
  if named then
    list[#list + 1] = { id = "cluster.others", object = cluster.name, result = "ok",
      text = ("clusters asked: %d; no other one names these keys or the role"):format(named.wait().asked) }
  end
  for _, check in ipairs(engine.checked) do
    list[#list + 1] = { id = check.id, object = check.object, region = check.region, result = check.result, text = check.text }
    if check.result ~= "ok" then open[#open + 1] = check.text or check.id end
  end
  return list, open
end

--- What a drill came to, once its plan is made and no step of it is refused.
---@param engine table
---@return table report    cmek.run/1
---@return integer status  0; 6 when something could not be checked
function M.finish(engine)
  require("engine.lasting").check(engine)
  local list, open = checks(engine)
  local failure = #open > 0 and { what = "drilling", code = "unknown", message = table.concat(open, "; "),
    next = "let these credentials read what it takes (cmek help revoking), or find out by hand" } or nil
  local document = report.run(engine, failure and "failed" or "done", failure)
  document.drill = { ready = failure == nil, checks = require("json").array(list) }
  return document, failure and 6 or 0
end

return M
