--- `cmek complete WORD…`: what a shell's completion asks (lua/completion/shells.lua). One candidate a line, a tab and what it is for behind it;
--- a line that begins with ':' asks the shell for files, directories or commands.
local M = {}

---@param arguments string[]  the words behind `cmek`, the last one being typed
---@param output ui.Output
---@return integer status
function M.run(arguments, output)
  local list, kind = require("completion.candidates").line(arguments)
  local lines = {}
  for i, candidate in ipairs(list) do
    lines[i] = candidate[1] .. (candidate[2] and "\t" .. candidate[2]:gsub("%c", " ") or "") .. "\n"
  end
  if kind then lines[#lines + 1] = kind .. "\n" end
  output:write(table.concat(lines))
  return 0
end

return M
