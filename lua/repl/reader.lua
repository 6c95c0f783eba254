--- Where the lines of a prompt come from: edited at a terminal, else as they are, from a pipe or from a terminal that moves no cursor.
---@class repl.Reader
---@field repl Repl?                                                     whose prompt it is
---@field line fun(self: repl.Reader, pending: string?): string?, string?  the next line of the chunk whose earlier lines it is given
---@field keep fun(self: repl.Reader, text: string)                      a chunk, for the history
local M = {}

-- Lines of a pipe, or of a terminal that cannot edit them.
local function plain(terminal, interactive)
  return { keep = function() end, line = function(self, pending)
    return terminal.read_line(interactive and self.repl:prompt(pending ~= nil):gsub("\1", "") or "")
  end }
end

--- A reader for whoever sits there.
---@param output ui.Output
---@return repl.Reader
---@return boolean interactive  somebody sits there
function M.new(output)
  local terminal = output.terminal
  local interactive = terminal.is_terminal "stdin"
  if not (interactive and terminal.is_terminal "stdout") or require("process").environment "TERM" == "dumb" then
    return plain(terminal, interactive), interactive
  end
  local editor, message = require("repl.edited").new(output)
  if editor then return editor, interactive end
  output:note(("lines cannot be edited: %s\nnext: apt-get install libedit2\n"):format(message))
  return plain(terminal, interactive), interactive
end

return M
