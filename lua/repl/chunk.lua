--- What is typed at the prompt, as a chunk of Lua: an expression needs no `return`, and whether more lines belong to it is known.
local M = {}

-- An expression's value is returned. Lua would forget the chunk over a call that it ends in, and with it the line, but for the variable.
local LEAD <const> = require("source").KEEP .. "return "

local function is_open(message) return message:find "<eof>$" ~= nil end

--- A chunk, once its lines are complete.
---@param text string
---@param name string        what messages call it: "chunk 3"
---@param environment table
---@param line integer?      the number of its first line (1)
---@return function? chunk, string? message  neither: more lines belong to it
function M.load(text, name, environment, line)
  local before = ("\n"):rep((line or 1) - 1)
  text = text .. "\n"   -- a text in quotes does not go on in the next line
  local expression, open = load(before .. LEAD .. text, "=" .. name, "t", environment)
  if expression then return expression end
  local chunk, message = load(before .. text, "=" .. name, "t", environment)
  if chunk then return chunk end
  if is_open(message) or is_open(open) then return nil end
  return nil, message
end

--- The chunks that lines are one after the other, each as short as it can be; a line that begins with ":" or "?" is one, too. nil where one
--- of them has an error; the last may lack lines.
---@param text string
---@return string[]?
function M.parts(text)
  local parts, pending = {}, nil
  for line in text:gmatch "[^\n]+" do
    pending = pending and pending .. "\n" .. line or line
    local command, chunk, message = pending == line and line:find "^%s*[:?]", nil, nil
    if not command then chunk, message = M.load(pending, "prompt", {}) end
    if message then return nil end
    if command or chunk then
      parts[#parts + 1], pending = pending, nil
    end
  end
  parts[#parts + 1] = pending
  return parts
end

--- Whether a text says nothing: blanks and comments.
---@param text string
---@return boolean
function M.is_blank(text) return text:gsub("%-%-[^\n]*", ""):find "%S" == nil end

return M
