---@meta terminal
-- host/terminal.c: whoever sits in front of it: questions, hidden input, whole writes.
local terminal = {}

--- Whether a stream is a terminal.
---@param name "stdin"|"stdout"|"stderr"
---@return boolean
function terminal.is_terminal(name) end

--- Columns of the terminal.
---@return integer  columns
function terminal.width() end

--- Lines of the terminal.
---@return integer  lines
function terminal.height() end

--- Reads a line; nil at the end of input, or at a signal.
---@param prompt string?
---@return string?
function terminal.read_line(prompt) end

--- Reads a secret, with the echo off.
---@param prompt string
---@param audience string
---@return secret.Secret?
---@return string? message
function terminal.read_hidden(prompt, audience) end

--- Writes to stdout.
---@param text string
---@return true?
---@return string? message
function terminal.write(text) end

--- Writes to stderr.
---@param text string
---@return true?
---@return string? message
function terminal.write_error(text) end

return terminal
