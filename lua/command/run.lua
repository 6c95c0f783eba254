--- `cmek run RECIPE`: plans, asks, does.
local operation = require "operation"

local M = {}

-- Whether the command line names a saved plan.
local function is_saved(arguments)
  for _, argument in ipairs(arguments) do
    if argument == "--plan" or argument:find "^%-%-plan=" then return true end
  end
  return false
end

---@param arguments string[]
---@param output ui.Output
---@return integer status
function M.run(arguments, output)
  local order
  if is_saved(arguments) then order = require("saved_plan").order(arguments, output) else order = operation.read("run", arguments, output) end
  if not order then return 0 end
  local report, status = operation.act("run", order, output)
  require("ui.result").tell(report, output)
  return status
end

return M
