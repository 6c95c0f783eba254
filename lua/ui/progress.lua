--- Progress on stderr. On a terminal what is under way is drawn in place (lua/ui/live.lua); elsewhere, and under NO_COLOR or
--- TERM=dumb, lines are appended. Under --json=lines each event is a line on stdout instead.
---@class ui.Progress
---@field output ui.Output
---@field clock table
---@field live ui.Live?                    while something is drawn in place
---@field under_way table<string, number>  steps that have begun, and when
---@field waits table<string, number>      reasons that were told, and the time of the last telling
local Progress = { __name = "ui.Progress" }
Progress.__index = Progress

local duration = require("ui.time").duration
local moment = require("time").text

local M = {}

local REPEAT <const> = 30   -- seconds until a wait is told again
local ENABLES <const> = { cluster_cmek = "enabling", cluster_regions = "adding" }   -- a kind of thing that is not made
local VERBS <const> = { create = "creating", change = "changing", delete = "deleting", none = "waiting for" }

--- A listener for an engine.
---@param output ui.Output
---@param clock table  door.clock
---@return ui.Progress
function M.new(output, clock)
  return setmetatable({ output = output, clock = clock, under_way = {}, waits = {} }, Progress)
end

--- From here on what is under way is drawn in place, where the terminal can.
---@param tasks task.Scheduler  in one of whose tasks this is called
function Progress:start(tasks)
  local output = self.output
  if not output.live or output.json == "lines" then return end
  self.live = require("ui.live").new(output, self.clock)
  local live = self.live
  tasks.daemon(function() live:tick() end)
end

--- Makes room for a question.
function Progress:clear()
  if self.live then self.live:erase() end
end

--- Somebody types now: what is told stands in lines of its own until resume.
function Progress:pause()
  if self.live then self.live:pause() end
end

--- Nobody types any more.
---@param tasks task.Scheduler  in one of whose tasks this is called
function Progress:resume(tasks)
  local live = self.live
  if live then tasks.daemon(function() live:tick() end) end
end

--- The end of what is drawn in place; the steps stay.
function Progress:close()
  if self.live then self.live:close() end
  self.live = nil
end

--- A line that stays.
function Progress:line(text)
  if self.live then self.live:line(text) else self.output:note(text .. "\n") end
end

local function present(value)
  return value ~= nil and value ~= require("json").null
end

local function title(step)
  local words = { step.kind }
  if present(step.region) then words[#words + 1] = step.region end
  words[#words + 1] = step.name
  return table.concat(words, " ")
end

-- How long a step took, which ends here.
local function ended(self, step)
  local name = title(step)
  local began = self.under_way[name]
  self.under_way[name] = nil
  return began and duration(self.clock.now() - began) or ""
end

-- Lines that are appended ------------------------------------------------------------------------------------------------

local PLAIN <const> = {
  ["step-start"] = function(self, event)
    local name = title(event.step)
    self.under_way[name] = self.clock.now()
    self:line(("  … %s: %s"):format(name, ENABLES[event.step.kind] or VERBS[event.step.action]))
  end,
  ["step-done"] = function(self, event)
    local took = ended(self, event.step)
    local arn = present(event.step.arn) and "  " .. event.step.arn or ""
    self:line(("  %s %s  %s%s"):format(self.output:paint("green", "✓"), title(event.step), took, arn))
  end,
  ["step-failed"] = function(self, event)
    local took = ended(self, event.step)
    self:line(("  %s %s  %s  %s"):format(self.output:paint("red", "✗"), title(event.step), took, event.error.message or ""))
  end,
  ["waiting"] = function(self, event)
    local now, last = self.clock.now(), self.waits[event.reason]
    if last and now - last < REPEAT then return end
    self.waits[event.reason] = now
    self:line("    waiting: " .. event.reason:gsub("^waiting ", ""))
  end,
}

-- What is drawn in place ---------------------------------------------------------------------------------------------------

local LIVE <const> = {
  ["planned"] = function(self, event) self.live.doing = "planning " .. title(event.step) end,
  ["step-start"] = function(self, event) self.live:step(event.step, "under way") end,
  ["step-done"] = function(self, event) self.live:step(event.step, "done") end,
  ["step-failed"] = function(self, event)
    local stopped = tostring(event.error.message):find "^stopped by SIG" ~= nil   -- which is told once, at the end
    self.live:step(event.step, stopped and "stopped" or "failed")
    if not stopped then self:line(("  %s %s: %s"):format(self.output:paint("red", "✗"), title(event.step), event.error.message or "")) end
  end,
  ["waiting"] = function(self, event) self.live:wait(event.reason, event.seconds) end,
}

local BOTH <const> = {
  ["warning"] = function(self, event)
    local place = event.region and event.region .. ": " or ""
    self:line(self.output:paint("yellow", "  warning: ") .. place .. event.text)
  end,
  ["say"] = function(self, event) self:line("  " .. event.text) end,
  ["plan"] = function(self, event)
    self:clear()
    self.output:note(require("ui.plan").render(event.report, self.output, true) .. "\n")
    if self.live then self.live:plan(event.report.steps) end
  end,
}

--- Tells one event.
---@param event table  as lua/engine.lua lists them, or a retry's { kind = "waiting" }
function Progress:tell(event)
  if self.output.json == "lines" then
    local line = { schema = "cmek.event/1", time = moment(self.clock.now()) }
    for name, value in pairs(event) do line[name] = value end   -- order cannot be seen
    self.output:event(line)
    return
  end
  local handler = (self.live and LIVE or PLAIN)[event.kind] or BOTH[event.kind]
  if handler then handler(self, event) end
end

return M
