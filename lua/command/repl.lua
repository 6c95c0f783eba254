--- `cmek repl [RECIPE --ARG …]`: a prompt with the services and what recipes use at hand; `arg` and `plan()` are the recipe's.
--- It reads only, until `:allow-writes` was agreed to.
local flags = require "flags"

local M = {}

---@param arguments string[]
---@param output ui.Output
---@return integer status  1 when lines of a pipe ended at an error
function M.run(arguments, output)
  if output.json then require("ui.failure").usage("a prompt has no --json: json.encode(…) writes a value", "cmek exec FILE runs a script") end
  local order, common
  if flags.first("repl", arguments) then
    order = require("operation").read("repl", arguments, output)
    if not order then return 0 end
    common = order.common
  else
    common = flags.parse("repl", nil, {}, arguments)
  end
  if common.help then
    output:help(require("command.help").command "repl")
    return 0
  end
  local door, session, progress = require("operation").connect(common, nil, nil, output)
  local reader, interactive = require("repl.reader").new(output)
  local repl = require("repl").new { door = door, session = session, progress = progress, output = output, common = common,
    interactive = interactive, read = function(pending) return reader:line(pending) end, keep = function(text) reader:keep(text) end,
    order = order }
  reader.repl = repl
  local ok, status = pcall(repl.run, repl)
  repl:close()
  if not ok then error(status, 0) end
  return status
end

return M
