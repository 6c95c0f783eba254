--- `cmek completion bash|zsh|fish`: the lines that make a shell ask `cmek complete`.
local failure = require "ui.failure"
local flags = require "flags"
local shells = require "completion.shells"

local M = {}

---@param arguments string[]
---@param output ui.Output
---@return integer status
function M.run(arguments, output)
  local name, rest = flags.first("completion", arguments)
  local common = flags.parse("completion", nil, {}, rest)
  if common.help then
    output:help(require("command.help").command "completion")
    return failure.DONE
  end
  local text = shells[name or ""]
  if not text then
    local wrong = name and ("cmek completion knows no shell '%s'; it knows bash, zsh and fish"):format(name)
    failure.usage(wrong or "cmek completion wants the name of a shell: bash, zsh or fish", 'in ~/.bashrc: eval "$(cmek completion bash)"')
  end
  output:help(text, true)
  return failure.DONE
end

return M
