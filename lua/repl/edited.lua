--- Lines that are edited at the terminal: the prompt, TAB, and the history, one entry a chunk.
---@class repl.Edited
---@field editor userdata
---@field repl Repl?       whose prompt it is
---@field path string?     of the history
local Edited = { __name = "repl.Edited" }
Edited.__index = Edited

local M = {}

local LIST_MAX <const> = 60   -- candidates that are listed

--- nil and why, where lines cannot be edited.
---@param output ui.Output
---@return repl.Edited?, string?
function M.new(output)
  local editor, message = require("edit").new()
  if not editor then return nil, message end
  local history = require "repl.history"
  local self = setmetatable({ editor = editor, output = output, path = history.path() }, Edited)
  for _, entry in ipairs(self.path and history.read(self.path) or {}) do editor:add(entry) end
  return self
end

-- The longest text that all begin with.
local function common_start(list)
  local start = list[1].text
  for _, entry in ipairs(list) do
    while entry.text:sub(1, #start) ~= start do start = start:sub(1, -2) end
  end
  return start
end

local function listing(list, width)
  local rows = {}
  for i, entry in ipairs(list) do
    if i > LIST_MAX then break end
    rows[i] = { entry.text, entry.hint or "" }
  end
  local lines = {}
  for line in require("ui.table").render(rows, "  "):gmatch "[^\n]+" do lines[#lines + 1] = require("repl.show").fit(line, width, 1) end
  if #list > LIST_MAX then lines[#lines + 1] = ("  … %d more"):format(#list - LIST_MAX) end
  return table.concat(lines, "\r\n") .. "\r\n"
end

--- What TAB does to a line: characters to take away before the cursor, text to put there, text to show below.
---@param before string  the line before the cursor
---@param world table    as lua/repl/candidates.lua has it
---@param width number
---@return integer away, string? insert, string? below
function M.tab(before, world, width)
  if before:find "^%s*$" then return 0, "  " end
  local start, list = require("repl.candidates").of(before, world)
  if #list == 0 then return 0 end
  local typed, text = before:sub(start), common_start(list)
  local away = utf8.len(typed) or #typed
  if #list == 1 or #text > #typed then return away, text end
  return 0, "", listing(list, width)
end

--- The next line.
---@param pending string?  the lines of the chunk before it
---@return string? line, string? why  "cancelled", or the end of input
function Edited:line(pending)
  local prompt = self.repl:prompt(pending ~= nil)
  local line, why = self.editor:line(prompt, function(before) return M.tab(before, self.repl:known(), self.output:width()) end)
  if not line and why ~= "cancelled" then self.output:note "\n" end
  return line, why
end

--- Keeps a chunk.
---@param text string
function Edited:keep(text)
  if require("repl.history").add(self.path, text) then self.editor:add(text) end
end

return M
