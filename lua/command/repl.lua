--- `cmek repl`: a prompt with the services and what recipes use at hand. It reads only, until `:allow-writes` was agreed to.
local flags = require "flags"

local M = {}

-- Lines of a pipe, or of a terminal that cannot edit them.
local function plain_reader(terminal, interactive)
  return function(pending)
    return terminal.read_line(interactive and (pending and "…> " or "cmek read> ") or "")
  end
end

---@param arguments string[]
---@param output ui.Output
---@return integer status  1 when lines of a pipe ended at an error
function M.run(arguments, output)
  local common = flags.parse("repl", nil, {}, arguments)
  if common.help then
    output:help(require("command.help").command "repl")
    return 0
  end
  local door, session, progress = require("operation").connect(common, nil, nil, output)
  local interactive = output.terminal.is_terminal "stdin"
  local repl = require("repl").new { door = door, session = session, progress = progress, output = output, common = common,
    interactive = interactive, read = plain_reader(output.terminal, interactive) }
  local ok, status = pcall(repl.run, repl)
  repl:close()
  if not ok then error(status, 0) end
  return status
end

return M
