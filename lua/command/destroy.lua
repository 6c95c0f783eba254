--- `cmek destroy RECIPE`: takes back what the recipe makes, in reverse order: shows it, asks for the cluster's name, deletes.
local operation = require "operation"

local M = {}

---@param arguments string[]
---@param output ui.Output
---@return integer status
function M.run(arguments, output)
  local order = operation.read("destroy", arguments, output)
  if not order then return 0 end
  local report, status = operation.act("destroy", order, output)
  require("ui.destroyed").tell(report, output)
  return status
end

return M
