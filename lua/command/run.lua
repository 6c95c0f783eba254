--- `cmek run RECIPE`: plans, asks, does.
local operation = require "operation"

local M = {}

---@param arguments string[]
---@param output ui.Output
---@return integer status
function M.run(arguments, output)
  local saved = require "saved_plan"
  local order
  if saved.named(arguments) then order = saved.order(arguments, output) else order = operation.read("run", arguments, output) end
  if not order then return 0 end
  local report, status = operation.act("run", order, output)
  require("ui.result").tell(report, output)
  return status
end

return M
