--- What is under way, on a terminal: a block of lines that is drawn again in place. The steps of a run with their marks and times,
--- and what is waited for, since when. What shall stay is printed above the block. The cursor stands below it, and is never hidden.
---@class ui.Live
---@field output ui.Output
---@field clock table
---@field steps ui.live.Step[]   those of the plan that are to be done, in its order
---@field waits table[]          { reason, since, till }, oldest first
---@field doing string           what is done while there are no steps
---@field rows integer           lines that were drawn; 0 when the block is not there
local Live = { __name = "ui.Live" }
Live.__index = Live

---@class ui.live.Step
---@field kind string
---@field region string   "" where it has none
---@field name string
---@field state "to come"|"under way"|"done"|"failed"|"stopped"
---@field began number?
---@field ended number?

local columns = require "ui.table"
local duration = require("ui.time").duration

local M = {}

local TICK <const> = 0.1           -- seconds between two drawings
local SPINNER <const> = { "⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏" }
local MARKS <const> = { ["to come"] = { "·", "dim" }, done = { "✓", "green" }, failed = { "✗", "red" }, stopped = { "■", "yellow" } }
local SLACK <const> = 1            -- seconds that a wait is shown beyond its time: the next one may follow
local NARROW <const> = 60          -- columns below which nothing is padded
local TOOK <const> = 6             -- columns of a usual time

---@param output ui.Output
---@param clock table  door.clock
---@return ui.Live
function M.new(output, clock)
  return setmetatable({ output = output, clock = clock, steps = {}, waits = {}, doing = "reading", rows = 0, began = clock.now() }, Live)
end

-- Texts ------------------------------------------------------------------------------------------------------------------

-- A text in that many columns, its middle left out where it does not fit.
local function fit(text, width)
  local length = columns.width(text)
  if length <= width then return text end
  if width < 2 then return ("…"):rep(math.max(0, width)) end
  local tail = (width - 1) // 2
  local head = width - 1 - tail
  return text:sub(1, utf8.offset(text, head + 1) - 1) .. "…" .. (tail > 0 and text:sub(utf8.offset(text, -tail)) or "")
end

-- A text of a service's in one line, without what would move the cursor.
local function clean(text)
  text = text:gsub("%c+", " ")
  return utf8.len(text) and text or (text:gsub("[\128-\255]", "?"))
end

local function spinner(self) return SPINNER[math.floor((self.clock.now() - self.began) / TICK) % #SPINNER + 1] end

-- Columns of the kinds and of the regions; 0 where the terminal is narrow.
local function widths_of(self, width)
  local kind, region = 0, 0
  for _, step in ipairs(width < NARROW and {} or self.steps) do
    kind, region = math.max(kind, columns.width(step.kind)), math.max(region, columns.width(step.region))
  end
  return kind, region
end

local function padded(text, width)
  return columns.pad(text, math.max(width, columns.width(text)))
end

-- "⠋ key  us-east-1  alias/…-g1  3.2 s": the time is always to be seen, the name as far as it fits.
local function step_line(self, step, width)
  local kind, region = widths_of(self, width)
  local lead = padded(step.kind, kind) .. (region > 0 and "  " .. padded(step.region, region) or step.region ~= "" and " " .. step.region or "")
  local took = step.began and duration((step.ended or self.clock.now()) - step.began) or ""
  local room = width - columns.width(lead) - TOOK - 8   -- the same for a short time and a long one
  local mark, colour = table.unpack(MARKS[step.state] or { spinner(self), "cyan" })
  local text = ("%s  %s  %s"):format(lead, fit(step.name, math.max(6, room)), took):gsub("%s+$", "")
  text = fit(text, width - 4)
  return ("  %s %s"):format(self.output:paint(colour, mark), step.state == "to come" and self.output:paint("dim", text) or text)
end

local function plain_line(self, text, width, colour)
  return self.output:paint(colour, fit(text, width))
end

local function wait_line(self, wait, width, indent)
  local text = ("%swaiting %s: %s"):format(indent, duration(self.clock.now() - wait.since), (clean(wait.reason):gsub("^waiting ", "")))
  if columns.width(text) > width then text = text:sub(1, utf8.offset(text, width) - 1) .. "…" end
  return plain_line(self, text, width, "dim")
end

-- The block --------------------------------------------------------------------------------------------------------------

-- The step that a wait is about: the first under way whose region or name it names; nil where none is.
local function step_of(self, wait)
  for _, step in ipairs(self.steps) do
    local named = step.region ~= "" and wait.reason:find(step.region, 1, true) or wait.reason:find(step.name, 1, true)
    if step.state == "under way" and named then return step end
  end
end

-- Waits that go on, by their step; those of none under false.
local function waits_by_step(self)
  local by_step, now = { [false] = {} }, self.clock.now()
  for _, wait in ipairs(self.waits) do
    if now <= wait.till + SLACK then
      local step = step_of(self, wait) or false
      by_step[step] = by_step[step] or {}
      table.insert(by_step[step], wait)
    end
  end
  return by_step
end

local function sum_line(self, width)
  local done = 0
  for _, step in ipairs(self.steps) do done = done + (step.state == "done" and 1 or 0) end
  return plain_line(self, ("  %d of %d done, %s"):format(done, #self.steps, duration(self.clock.now() - self.began)), width, "dim")
end

-- What is left out first where the block does not fit: what is done, from the top, then what is to come, from the end.
local function hidden(self, excess)
  local set, count = {}, 0
  local function hide(state, from, to, by)
    for i = from, to, by do
      if count < excess and self.steps[i].state == state then set[i], count = true, count + 1 end
    end
  end
  hide("done", 1, #self.steps, 1)
  hide("to come", #self.steps, 1, -1)
  hide("under way", #self.steps, 1, -1)
  return set, count
end

--- The lines of the block.
---@param width integer    of the terminal, in columns
---@param height integer?  of the block at the most; nil: as many lines as it takes
---@return string[]
function Live:frame(width, height)
  width = width - 1   -- a full line would wrap in some terminals
  local by_step, lines = waits_by_step(self), {}
  if #self.steps == 0 then
    lines[1] = plain_line(self, ("  %s %s, %s"):format(spinner(self), self.doing, duration(self.clock.now() - self.began)), width, "dim")
  else
    local rows = #self.steps + 1
    for _, waits in pairs(by_step) do rows = rows + #waits end   -- order cannot be seen
    local left_out, count = {}, 0
    if height and rows > height then left_out, count = hidden(self, rows - height + 1) end
    for i, step in ipairs(self.steps) do
      if not left_out[i] then lines[#lines + 1] = step_line(self, step, width) end
      for _, wait in ipairs(not left_out[i] and by_step[step] or {}) do lines[#lines + 1] = wait_line(self, wait, width, "      ") end
    end
    if count > 0 then lines[#lines + 1] = plain_line(self, ("  … and %d more"):format(count), width, "dim") end
    lines[#lines + 1] = sum_line(self, width)
  end
  for _, wait in ipairs(by_step[false]) do lines[#lines + 1] = wait_line(self, wait, width, "    ") end
  return lines
end

-- What moves the cursor to the beginning of what was drawn. A terminal that became narrower may have wrapped lines of it meanwhile,
-- or not yet, or never will: a few of them may be left above, but nothing that was printed before is ever drawn over.
local function back(self)
  local rows = self.rows
  self.rows = 0
  return rows > 0 and ("\r\27[%dA"):format(rows) or "\r"
end

--- Takes the block away.
function Live:erase()
  if self.rows > 0 then self.output:draw(back(self) .. "\27[J") end
end

--- Draws the block, in the place of the one before.
function Live:draw()
  local terminal = self.output.terminal
  local parts = { back(self) }
  for _, line in ipairs(self:frame(terminal.width(), math.max(3, terminal.height() - 2))) do
    parts[#parts + 1], self.rows = self.output:tame(line) .. "\27[K\n", self.rows + 1
  end
  parts[#parts + 1] = "\27[J"
  self.output:draw(table.concat(parts))
end

--- Prints a line that stays, above the block.
---@param text string
function Live:line(text)
  local there = self.rows > 0
  self:erase()
  self.output:note(text .. "\n")
  if there then self:draw() end
end

-- Takes the block away and leaves the steps, as they are now.
local function leave(self)
  self:erase()
  local left = self.left
  self.drawing, self.left = nil, true
  for _, step in ipairs(self.running and not left and self.steps or {}) do
    self.output:note(step_line(self, step, self.output.terminal.width() - 1) .. "\n")
  end
end

--- Somebody types now: nothing is drawn until the next tick() begins. The steps stay as they are now.
function Live:pause() leave(self) end

--- The end: the steps stay as they are now.
function Live:close()
  for _, step in ipairs(self.running and self.steps or {}) do
    if step.state == "under way" then step.state, step.ended = "stopped", self.clock.now() end
  end
  leave(self)
end

-- What happens -----------------------------------------------------------------------------------------------------------

local function same(step, other)
  return step.kind == other.kind and step.name == clean(other.name) and step.region == (type(other.region) == "string" and other.region or "")
end

-- The step of an event; one whose name was not known in the plan takes the first of its kind and region that is to come.
local function find(self, event)
  for _, step in ipairs(self.steps) do
    if same(step, event) then return step end
  end
  for _, step in ipairs(self.steps) do
    if step.kind == event.kind and step.state == "to come" and step.region == (type(event.region) == "string" and event.region or "") then
      step.name = clean(event.name)
      return step
    end
  end
  local step = { kind = event.kind, name = clean(event.name), region = type(event.region) == "string" and event.region or "", state = "to come" }
  table.insert(self.steps, step)
  return step
end

--- The steps that are to be done.
---@param steps table[]  of a plan's document
function Live:plan(steps)
  self.steps, self.waits = {}, {}
  for _, step in ipairs(steps) do
    if step.action ~= "none" and step.action ~= "refuse" then find(self, step) end
  end
end

--- A step begins, is done, or failed.
---@param event table  the step
---@param state string
function Live:step(event, state)
  local step, now = find(self, event), self.clock.now()
  if not self.running then self.running, self.began = true, now end
  step.state = state
  if state == "under way" then step.began = now else step.ended = now end
end

--- Something is waited for.
---@param reason string
---@param seconds number
function Live:wait(reason, seconds)
  local now = self.clock.now()
  for _, wait in ipairs(self.waits) do
    if wait.reason == reason then
      if now > wait.till + SLACK then wait.since = now end
      wait.till = now + seconds
      return
    end
  end
  table.insert(self.waits, { reason = reason, since = now, till = now + seconds })
end

--- Draws as time goes by, until it is paused or closed; a task of its own that nobody waits for.
function Live:tick()
  local drawing = {}
  self.drawing, self.left = drawing, false
  while self.drawing == drawing do
    self:draw()
    self.clock.sleep(TICK)
  end
end

return M
