--- What went wrong in a chunk, for people: the message, the line of the chunk with a marker, what to type next.
local failure = require "ui.failure"

local M = {}

local READS_ONLY <const> = "may only read"

-- The line that a message names, with a marker below what it quotes, or below the whole line.
local function marked(text, number, message)
  local line, at = nil, 0
  for one in (text .. "\n"):gmatch "([^\n]*)\n" do
    at = at + 1
    if at == number then line = one end
  end
  if not line or line == "" then return "" end
  local name = message:match "near '([^']+)'" or message:match "'([^']+)'"
  local first, last
  if name then first, last = line:find(name, 1, true) end
  first, last = first or line:find "%S" or 1, last or #line
  local head = ("  %d | "):format(number)
  local lead = line:sub(1, first - 1):gsub("[^\t]", " ")
  return ("\n%s%s\n%s%s%s"):format(head, line, (" "):rep(#head), lead, ("^"):rep(math.max(1, utf8.len(line, first, last) or last - first + 1)))
end

--- What was raised as a text: that of a refusal or failure as the commands tell it, of Lua itself with the line.
---@param raised any
---@param chunk { text: string, name: string, line: integer }  line: the number of its first one
---@param interactive boolean  whether `:allow-writes` can be typed
---@return string
function M.text(raised, chunk, interactive)
  if type(raised) ~= "string" then return (tostring(raised):gsub("\n*$", "")) end
  raised = raised:gsub("^lua/[%w_/]+%.lua:%d+: ", "")   -- a place in the library helps nobody
  local number, message = raised:match("^" .. chunk.name .. ":(%d+): (.*)$")
  if not number then message = raised end
  local text = raised
  if number and #chunk.text > 0 then
    text = (interactive and message or raised) .. marked(("\n"):rep(chunk.line - 1) .. chunk.text, tonumber(number), message)
  end
  if message:find("^door: ") and message:find(READS_ONLY, 1, true) then
    text = text .. (interactive and "\nnext: :allow-writes lets this prompt write, once you agree"
      or "\nnext: cmek exec --write FILE lets a script write, once it is agreed to")
  end
  return text
end

--- The exit status of a script that ends so.
M.STATUS = failure.FAILED

return M
