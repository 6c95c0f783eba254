--- `cmek plan RECIPE`: what run would do. It reads only.
local failure = require "ui.failure"
local operation = require "operation"
local plan = require "ui.plan"

local M = {}

---@param arguments string[]
---@param output ui.Output
---@return integer status  3 with --exit-code when something is pending
function M.run(arguments, output)
  local order = operation.read("plan", arguments, output)
  if not order then return failure.DONE end
  local report, status, engine = operation.look("plan", order, output)
  local saved = order.common.out and report.summary.refused == 0
  if saved then require("saved_plan").write(order.common.out, order, report, engine) end   -- before the one document that there is
  if output.json then output:document(report) end
  output:result(plan.render(report, output))
  if order.common.out and not saved then
    output:note "not saved: steps are refused (x), so run would not do it\n"
  elseif saved then
    output:note(("saved; to do exactly this: cmek run --plan %s\n"):format(require("engine.mend").quote(order.common.out)))
  end
  if status == failure.DONE and order.common.exit_code and plan.pending(report.summary) then return failure.PENDING end
  return status
end

return M
