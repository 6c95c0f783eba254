--- What went wrong in a chunk, for people: the message, the line of the chunk with a marker, what to type next.
local failure = require "ui.failure"
local located = require "located"

local M = {}

--- What was raised as a text: that of a refusal or failure as the commands tell it, that of Lua and the library by its line.
---@param raised any
---@param chunk string?  the name of the chunk that was typed a moment ago at a prompt: its place need not be said; nil: in a pipe
---@return string
function M.text(raised, chunk)
  raised = require("sandbox").told(raised)
  if located.is(raised) and raised.path == chunk then raised = raised:without_place() end
  return (tostring(raised):gsub("\n*$", ""))
end

--- The exit status of a script that ends so.
M.STATUS = failure.FAILED

return M
