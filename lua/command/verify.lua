--- `cmek verify RECIPE`: whether everything is still as the recipe wants it. It reads only.
local failure = require "ui.failure"
local operation = require "operation"

local M = {}

---@param arguments string[]
---@param output ui.Output
---@return integer status  6 with findings
function M.run(arguments, output)
  local order = operation.read("verify", arguments, output)
  if not order then return failure.DONE end
  local report, status = operation.look("verify", order, output)
  if output.json then output:document(report) end
  output:result(require("ui.verify").render(report, output))
  return status
end

return M
