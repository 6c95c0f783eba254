--- Progress on stderr: appended lines; on a terminal also one line below them that says what is under way.
--- Under --json=lines each event is a line on stdout instead.
---@class ui.Progress
---@field output ui.Output
---@field clock table
---@field under_way table<string, number>  steps that have begun, and when
---@field order string[]                   those steps in the order of their beginning
---@field waits table<string, number>      reasons that were told, and the time of the last telling
local Progress = { __name = "ui.Progress" }
Progress.__index = Progress

local duration = require("ui.time").duration
local moment = require("time").text

local M = {}

local REPEAT <const> = 30   -- seconds until a wait is told again
local ENABLES <const> = { cluster_cmek = "enabling" }   -- a kind of thing that is not made
local VERBS <const> = { create = "creating", change = "changing", delete = "deleting", none = "waiting for" }

--- A listener for an engine.
---@param output ui.Output
---@param clock table  door.clock
---@return ui.Progress
function M.new(output, clock)
  return setmetatable({ output = output, clock = clock, under_way = {}, order = {}, waits = {} }, Progress)
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

--- Clears the line of what is under way.
function Progress:clear()
  if self.shown then self.output:note "\r\27[K" end
  self.shown = false
end

--- Shows what is under way, on a terminal.
function Progress:show(text)
  local output = self.output
  if not output.live or output.json then return end
  local width = output.terminal.width() or 80
  if (utf8.len(text) or #text) >= width then text = text:sub(1, (utf8.offset(text, width - 1) or width) - 1) .. "…" end
  output:note("\r\27[K" .. output:paint("dim", text))
  self.shown = true
end

--- A line that stays.
function Progress:line(text)
  self:clear()
  self.output:note(text .. "\n")
  if #self.order > 0 then self:show("  … " .. table.concat(self.order, ", ")) end
end

function Progress:finish(step)
  local name = title(step)
  local began = self.under_way[name]
  self.under_way[name] = nil
  for i, other in ipairs(self.order) do
    if other == name then
      table.remove(self.order, i)
      break
    end
  end
  return began and duration(self.clock.now() - began) or ""
end

local HANDLERS <const> = {
  ["planned"] = function(self, event) self:show("  planning " .. title(event.step)) end,
  ["step-start"] = function(self, event)
    local name = title(event.step)
    self.under_way[name] = self.clock.now()
    table.insert(self.order, name)
    if self.output.live then
      self:show("  … " .. table.concat(self.order, ", "))
    else
      self:line(("  … %s: %s"):format(name, ENABLES[event.step.kind] or VERBS[event.step.action]))
    end
  end,
  ["step-done"] = function(self, event)
    local took = self:finish(event.step)
    local arn = present(event.step.arn) and "  " .. event.step.arn or ""
    self:line(("  %s %s  %s%s"):format(self.output:paint("green", "✓"), title(event.step), took, arn))
  end,
  ["step-failed"] = function(self, event)
    local took = self:finish(event.step)
    self:line(("  %s %s  %s  %s"):format(self.output:paint("red", "✗"), title(event.step), took, event.error.message or ""))
  end,
  ["waiting"] = function(self, event)
    local now, last = self.clock.now(), self.waits[event.reason]
    if last and now - last < REPEAT then return end
    self.waits[event.reason] = now
    self:line("    waiting: " .. event.reason:gsub("^waiting ", ""))
  end,
  ["warning"] = function(self, event)
    local place = event.region and event.region .. ": " or ""
    self:line(self.output:paint("yellow", "  warning: ") .. place .. event.text)
  end,
  ["say"] = function(self, event) self:line("  " .. event.text) end,
  ["plan"] = function(self, event)
    self:clear()
    self.output:note(require("ui.plan").render(event.report, self.output, true) .. "\n")
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
  local handler = HANDLERS[event.kind]
  if handler then handler(self, event) end
end

return M
