--- What ends a command: a message, the exit status and the next thing to type. Raised anywhere below cli.lua, told there once.
---@class ui.Failure
---@field status integer   exit status, as the design lists them
---@field message string
---@field what string?     what was being done
---@field next string?     the command or setting that mends it
local Failure = { __name = "ui.Failure" }

function Failure:__tostring()
  return (self.what and self.what .. ": " .. self.message or self.message) .. require("explain").text(self)
end

local M = {}

--- The exit statuses that scripts rely on.
M.DONE, M.FAILED, M.USAGE, M.PENDING, M.CREDENTIALS, M.UNFINISHED, M.FINDINGS = 0, 1, 2, 3, 4, 5, 6
M.SIGNALS = { SIGHUP = 129, SIGINT = 130, SIGTERM = 143 }

--- Ends the command.
---@param failure { status: integer, message: string, what: string?, next: string? }
function M.raise(failure)
  error(setmetatable(failure, Failure), 0)
end

--- Ends the command with exit status 2: what was typed cannot be meant.
---@param message string
---@param next string?
function M.usage(message, next)
  M.raise { status = M.USAGE, message = message, next = next }
end

--- Whether this was raised here.
function M.is(value)
  return getmetatable(value) == Failure
end

--- The exit status that belongs to what was raised, when nothing was made: 4 for credentials missing, wrong or
--- expired, 130 and 143 for a signal.
---@param value any  a Failure, a refusal of a service, or a message
---@return integer
function M.status(value)
  if type(value) ~= "table" then return M.FAILED end
  if M.is(value) then return value.status end
  if value.kind == "credentials" or value.exit == "credentials" then return M.CREDENTIALS end
  if value.exit == "usage" then return M.USAGE end
  if value.kind == "stopped" then return M.SIGNALS[value.message:match "SIG%u+"] or M.SIGNALS.SIGINT end
  return M.FAILED
end

--- What was raised, as the `error` of a document.
---@return table
function M.document(value)
  return require("engine.failure").document(value)
end

--- Why a file could not be read or written, of the host's message: for a text that names the file itself.
---@param message string  "cannot read 'x': Permission denied"
---@return string
function M.reason(message) return message:match "^cannot %a+ '.*': (.-)$" or message end

return M
