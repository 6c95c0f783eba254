--- Lines that are edited at the terminal: the prompt, TAB, and the history, one entry a chunk.
---@class repl.Edited
---@field editor userdata
---@field repl Repl?       whose prompt it is
---@field path string?     of the history
---@field rest string[]?    of what was pasted: the chunks that are still to be run
---@field ready boolean?     what earlier prompts have kept is there
local Edited = { __name = "repl.Edited" }
Edited.__index = Edited

local M = {}

local LIST_MAX <const> = 60        -- candidates that are listed
local HINTED_MAX <const> = 20000   -- bytes of a chunk that is looked at for each key

--- nil and why, where lines cannot be edited.
---@param output ui.Output
---@return repl.Edited?, string?
function M.new(output)
  local editor, message = require("edit").new()
  if not editor then return nil, message end
  return setmetatable({ editor = editor, output = output, path = require("repl.history").path() }, Edited)
end

-- Reads what earlier prompts have kept, behind the first prompt's back: it is there before any of it is read.
function Edited:prepare()
  if self.ready then return end
  self.ready = true
  for _, entry in ipairs(self.path and require("repl.history").read(self.path) or {}) do self.editor:add(entry) end
  self.repl.live:wake()
end

-- Whether there is more to say of the candidates than of what kind all of them are.
local function differ(list)
  for _, entry in ipairs(list) do
    if entry.hint ~= list[1].hint then return true end
  end
  return #list < 2
end

-- Names in as many columns as fit, in order from the top down.
local function grid(list, width)
  local columns, widest, rows = require "ui.table", 0, {}
  for _, entry in ipairs(list) do widest = math.max(widest, columns.width(entry.text) + 2) end
  local height = math.ceil(#list / math.max(1, (width - 2) // widest))
  for i, entry in ipairs(list) do
    local row = (i - 1) % height + 1
    rows[row] = rows[row] or {}
    table.insert(rows[row], entry.text)
  end
  return rows
end

local function listing(list, width)
  local shown = table.move(list, 1, math.min(#list, LIST_MAX), 1, {})
  local rows = not differ(list) and width < math.huge and grid(shown, width) or {}
  for i, entry in ipairs(#rows == 0 and shown or {}) do rows[i] = { entry.text, entry.hint or "" } end
  local lines = {}
  for line in require("ui.table").render(rows, "  "):gmatch "[^\n]+" do lines[#lines + 1] = require("repl.show").fit(line, width, 1) end
  if #list > LIST_MAX then lines[#lines + 1] = ("  … %d more"):format(#list - LIST_MAX) end
  return #lines > 0 and table.concat(lines, "\r\n") .. "\r\n" or ""
end

-- What ends the text that a candidate completes: its quote, unless that stands there or the candidate is a directory.
local function ending(chunk, after, text)
  local quote = require("repl.scan").at_end(chunk).quote
  local closed = not quote or #quote > 1 or after:sub(1, 1) == quote or text:sub(-1) == "/"
  return closed and "" or quote
end

--- What TAB does to a line: characters to take away before the cursor, text to put there, text to show below.
---@param chunk string   the lines of the chunk up to the cursor
---@param after string   what stands behind it
---@param world repl.World
---@param width number
---@return integer away, string? insert, string? below
function M.tab(chunk, after, world, width)
  local before = chunk:match "[^\n]*$"
  if before:find "^%s*$" then return 0, "  " end
  local complete = require "repl.complete"
  local start, list = complete.candidates(chunk, #chunk, world)
  local typed = chunk:sub(start)
  local text = #list > 0 and complete.common(list) or ""
  if #list == 1 then text = text .. ending(chunk, after, text) end
  if #text > #typed or #list == 1 and text ~= typed then return utf8.len(typed) or #typed, text end
  if #list < 2 then return 0 end
  return 0, "", listing(list, width)
end

--- What is shown below a line while it is typed: what the call takes in which the cursor is, or a command of the prompt. One row, without
--- its end; nil where there is nothing to say.
---@param chunk string   the lines of the chunk up to the cursor
---@param world repl.World
---@param width number
---@return string?
function M.hint(chunk, world, width)
  if #chunk > HINTED_MAX then return nil end
  local text = require("repl.complete").signature(chunk, #chunk, world)
  return text and (require("repl.show").fit("  " .. text:gsub("%c", " "), width - 1, 1))
end

--- Whether lines are missing at the end of a text.
---@param text string
---@return boolean
function M.is_open(text)
  text = text:match "^%s*:time%s+(.*)$" or text
  local chunks = require "repl.chunk"
  if text:find "^%s*[:?]" or chunks.is_blank(text) then return false end
  local chunk, message = chunks.load(text, "prompt", {})
  return not chunk and not message
end

--- Lines that came together, as a chunk: nil where they are one, also one that is not complete or has an error; else what they are one after
--- the other, which is how they would have been typed.
---@param text string
---@return string[]? chunks
function M.apart(text)
  local chunks = require "repl.chunk"
  local chunk, message = chunks.load(text, "prompt", {})
  if not text:find "\n" or chunk or not message then return nil end
  return chunks.parts(text)
end

-- The next chunk of what was pasted, unless the one before has failed.
function Edited:next_pasted()
  local rest, repl = self.rest, self.repl
  if not rest or #rest == 0 then return nil end
  if #repl.chunks > rest.before and repl.failed[#repl.chunks] then
    self.output:note(("what was pasted behind it is not run: %d more\n"):format(#rest))
    self.rest = nil
    return nil
  end
  return table.remove(rest, 1)
end

--- The next line.
---@param pending string?  the lines of the chunk before it
---@return string? line, string? why  "cancelled", or the end of input
function Edited:line(pending)
  local earlier, output = pending and pending .. "\n" or "", self.output
  local pasted = self:next_pasted()
  if pasted then return pasted end
  local line, why = self.editor:line(self.repl:prompt(pending ~= nil), function(before, after)
    return M.tab(earlier .. before, after, self.repl:known(), output:width())
  end, function(before)
    self:prepare()
    local hint = M.hint(earlier .. before, self.repl:known(), output:width())
    return hint and output:paint("dim", hint)
  end, function(before, after) return M.is_open(earlier .. before .. after) end)
  if not line and why ~= "cancelled" then output:note "\n" end
  self.rest = line and not pending and M.apart(line)
  if not self.rest then return line, why end
  self.rest.before = #self.repl.chunks
  return self:next_pasted()
end

--- Keeps a chunk.
---@param text string
function Edited:keep(text)
  if require("repl.history").add(self.path, text) then self.editor:add(text) end
end

return M
