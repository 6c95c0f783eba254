--- `cmek version`: which cmek this is.
local M = {}

---@param arguments string[]  what follows the command word
---@param output table  where results go (ui/output.lua)
---@return integer status
function M.run(arguments, output)
  local version = require "version"
  local common = require("flags").parse("version", nil, {}, arguments)
  if common.help then
    output:help(require("command.help").command "version")
  elseif output.json then
    output:document { schema = "cmek.version/1", version = version, licenses = common.licenses and require("licences").render() or nil }
  else
    output:result(common.licenses and require("licences").render() or "cmek " .. version .. "\n")
  end
  return 0
end

return M
