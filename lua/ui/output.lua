--- Where a command's words go: the result on stdout, progress on stderr, and under --json nothing on stdout but the document.
---@class ui.Output
---@field json nil|"document"|"lines"
---@field colour boolean   stderr and stdout are terminals that show colour
---@field live boolean     stderr is a terminal whose cursor may move
---@field told boolean?     the document was written
---@field broken string?    why stdout takes no more
local Output = { __name = "ui.Output" }
Output.__index = Output

local mask = require("secret").mask   -- a service may quote in its answer what it was sent

local M = {}

local CONTROL <const> = "[\0-\8\11-\31\127]"
local C1 <const> = "\xC2[\x80-\x9F]"   -- control characters beyond ASCII

local ORDER <const> = { "\xE2\x80[\x8E\x8F\xAA-\xAE]", "\xE2\x81[\xA6-\xA9]" }   -- marks that turn the order of what is read

local COLOURS <const> = { bold = "1", dim = "2", red = "31", green = "32", yellow = "33", cyan = "36" }
local PAINTED <const> = { ["0"] = true }
for _, code in pairs(COLOURS) do PAINTED[code] = true end   -- order cannot be seen

-- The text with "?" for what would steer a terminal, since a recipe, a service or a file may have brought it: all control characters but
-- tab and the end of a line. coloured: the colours that are ours stay.
local function tame(text, coloured)
  for _, marks in ipairs(text:find("\xE2", 1, true) and ORDER or {}) do text = text:gsub(marks, "?") end
  if not (text:find(CONTROL) or text:find(C1)) then return text end
  text = text:gsub("\1", "?"):gsub("\27%[([%d;]*)m", function(code) return coloured and PAINTED[code] and "\1[" .. code .. "m" or nil end)
  text = text:gsub("\r\n", "\n"):gsub("[\0\2-\8\11-\31\127]", "?"):gsub(C1, "?")
  return (text:gsub("\1", "\27"))
end

---@param options { json: string?, terminal: table?, environment: (fun(name: string): string?)? }  the last two stand in for the host in tests
---@return ui.Output
function M.new(options)
  local terminal = options.terminal or require "terminal"
  local environment = options.environment or require("process").environment
  local plain = (environment "NO_COLOR" or "") ~= "" or environment "TERM" == "dumb"   -- set and empty means nothing: no-color.org
  local live = terminal.is_terminal "stderr" and not plain
  return setmetatable({
    json = options.json,
    terminal = terminal,
    colour = not plain and live and terminal.is_terminal "stdout",
    live = live,
  }, Output)
end

--- Writes to stdout, secrets masked. What cannot be written, because a pipe was closed or a disk is full, stops nothing that is being
--- done: it is kept in `broken`, and nothing more is written.
---@param text string
function Output:write(text)
  if self.broken then return end
  local done, message = self.terminal.write(mask(text))
  if not done then self.broken = message end
end

--- Text of the result, for stdout; under --json it is left out, since only the document may stand there.
function Output:result(text)
  if not self.json then self:write(tame(text, self.colour)) end
end

--- Text that was asked for as help, in lines that fit the terminal.
---@param text string
---@param verbatim boolean?  it is for a program: its lines stay as they are
function Output:help(text, verbatim)
  if self.json then self:document { schema = "cmek.help/1", text = text } end
  self:result(verbatim and text or self:fit(text))
end

--- What a script prints: as it is where nobody looks at it.
---@param text string
function Output:print(text)
  self:write(self.terminal.is_terminal "stdout" and tame(text, self.colour) or text)
end

--- Text about what goes on, for stderr.
function Output:note(text)
  self.terminal.write_error(mask(tame(text, self.live)))
end

--- The same as note would write, for a line that is drawn.
---@param text string
---@return string
function Output:tame(text) return tame(text, self.live) end

--- What is drawn in place, on a terminal whose cursor may move: its lines are tamed by themselves.
---@param text string
function Output:draw(text) self.terminal.write_error(mask(text)) end


--- The one document of --json, or the last line of --json=lines. After it there is no other: a failure that comes later is told on
--- stderr alone.
---@param value table  without secrets; its schema is the caller's
function Output:document(value)
  if self.told then return end
  local text = require("json").encode(value, self.json ~= "lines" and { indent = 2 } or nil)
  self.told = true
  self:write(text .. "\n")
end

--- One event of --json=lines; elsewhere events are progress, which is not for stdout.
function Output:event(value)
  if self.json == "lines" then self:write(require("json").encode(value) .. "\n") end
end

--- How many columns there are to write in; without end where there is no terminal.
---@return number
function Output:width()
  local terminal = self.terminal
  return (terminal.is_terminal "stdout" or terminal.is_terminal "stderr") and terminal.width() or math.huge
end

--- Prose in lines that fit the terminal, between words, each indented; one line where there is no terminal. What does not fit by
--- itself, such as an ARN, is left whole. Nothing in it steers a terminal: questions are asked with it.
---@param text string
---@param indent string
---@return string[]
function Output:wrap(text, indent)
  local width, columns, lines, line = self:width(), require "ui.table", {}, nil
  for word in tame(text, false):gmatch "%S+" do
    local longer = line and line .. " " .. word or indent .. word
    if line and columns.width(longer) > width then
      lines[#lines + 1], longer = line, indent .. word
    end
    line = longer
  end
  lines[#lines + 1] = line
  return lines
end

local FILLED <const> = 96   -- a line of prose so long was ended for its length, and goes on in the next one

-- A paragraph in lines of their width: its head (the first column of a row, else nothing) stands before the first one.
local function flow(self, paragraph, lines)
  for i, part in ipairs(self:wrap(paragraph.text, (" "):rep(paragraph.indent))) do
    lines[#lines + 1] = i == 1 and paragraph.head .. part:sub(paragraph.indent + 1) or part
  end
end

--- Help in lines that fit the terminal, between words: lines that fit stay as they are, a row of two columns goes on in its second,
--- and prose of long lines is filled anew.
---@param text string
---@return string
function Output:fit(text)
  local width, columns = self:width(), require "ui.table"
  if width == math.huge then return text end
  local lines, open, last = {}, nil, 0   -- open: a paragraph with a line that was too long; last: how long its last line was
  local body, ending = text:match "^(.-)(\n*)$"
  for line in body:gmatch "[^\n]*" do
    local long, indent = columns.width(line), #line:match "^ *"
    local head, rest = line:match "^( *%S.-  +)(%S.*)$"
    local goes_on = open and not head and line ~= "" and indent == open.indent and last + 1 + columns.width(line:match "%S+") > FILLED
    if goes_on then
      open.text = open.text .. " " .. line
    else
      if open then flow(self, open, lines) end
      local before = head and columns.width(head)
      open = long > width and (before and before <= width * 2 // 3 and { head = head, indent = before, text = rest }
        or { head = (" "):rep(indent), indent = indent, text = line }) or nil
      if not open then lines[#lines + 1] = line end
    end
    last = long
  end
  if open then flow(self, open, lines) end
  return table.concat(lines, "\n") .. ending
end

--- A failure told in full, its prose in lines that fit the terminal. What may be copied stays in one: the message, and commands.
---@param text string  as explain.text and what stands before it gave it
---@return string
function Output:trouble(text)
  local function prose(line) return table.concat(self:wrap(line, ""), "\n") end
  return (("\n" .. text):gsub("\n(cause: [^\n]*)", function(line) return "\n" .. prose(line) end)
    :gsub("\n(evidence: [^\n]*)", function(line) return "\n" .. prose(line) end)
    :gsub("\n(next: [^\n]*:)%f[\n]", function(line) return "\n" .. prose(line) end):sub(2))
end

--- The text in a colour where colours are shown.
---@param colour "bold"|"dim"|"red"|"green"|"yellow"|"cyan"
---@return string
function Output:paint(colour, text)
  if not self.colour then return text end
  return ("\27[%sm%s\27[0m"):format(COLOURS[colour], text)
end

return M
