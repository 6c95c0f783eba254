--- Where a recipe stops for somebody who looks at it: at a call of the library that fails, where that is asked for, and at `break()`.
---
--- What fails is stopped at as long as the recipe's own lines are still there: the call stands between them and the library. What runs beside
--- it goes on, and the prompt opens when all of that has come to rest, so that no request is on its way while somebody thinks. To go on is to
--- make the same call anew, with the arguments in `call`: nothing else of the recipe is run again. What fails in the recipe's own words, or
--- in those of a kind of its own, has left its lines by then: their variables are shown as they were.
---@class engine.Stops
---@field engine Engine
---@field open fun(stop: engine.Stop): boolean  somebody looks; false: the run ends
---@field on_error boolean
---@field over boolean?                          nobody wants to look any more
---@field seen table<any, { thread: thread, frames: engine.Frame[] }>  where errors came from that are on their way
---@field told table<any, true>                  what was raised and told when a step failed
---@field guarded table<thread, integer>         calls of pcall that the recipe is in
---@class engine.Stop
---@field raised any               what has failed; nil: `break()`
---@field call { name: string, n: integer, [integer]: any }?  what is called anew; nil: there is nothing to repeat
---@field frames engine.Frame[]    from the line that has stopped outwards
---@field phase "plan"|"do"|"verify"|"destroy"
---@field writes boolean           the run may write
---@field told boolean             what has failed was told when its step did
---@field changed_at number?      when something was last changed by the run, or by who looked; seconds since the epoch
local Stops = { __name = "engine.Stops" }
Stops.__index = Stops

local calls = require "engine.calls"
local frames = require "engine.frames"
local task = require "task"

local M = {}

--- For an engine.
---@param engine Engine
---@param options { open: fun(stop: engine.Stop): boolean, on_error: boolean? }?  open: asks somebody; nil: nobody is there
---@return engine.Stops
function M.new(engine, options)
  return setmetatable({ engine = engine, open = options and options.open, on_error = options and options.on_error or false,
    seen = {}, told = setmetatable({}, { __mode = "k" }), guarded = setmetatable({}, { __mode = "k" }) }, Stops)
end

function Stops:sources()
  local world = self.engine.recipe.world
  return world and world.sources or {}
end

-- The signal that asks the run to stop, if one has come.
function Stops:signal()
  local door = self.engine.session.door
  return door.stopping and door:stopping() or nil
end

-- Whether somebody would look at an error: it is none that a signal made, or that a task was cancelled by, and something can be kept of it.
function Stops:wanted(raised)
  return self.on_error and raised ~= nil and rawequal(raised, raised) and not self.over and not rawequal(raised, task.CANCELLED)
    and not self.engine.rehearsal and not self:signal()
end

-- Stops here, once all that runs beside it has come to rest. Returns whether to go on.
function Stops:stop(stop)
  local engine = self.engine
  if task.busy(engine.session.tasks) then
    local at = frames.of({ (coroutine.running()) }, self:sources())[1] or (stop.frames or {})[1]
    engine.listener { kind = "say", text = ("%s has stopped: the prompt opens when what runs beside it has come to rest"):format(
      at and ("%s:%d"):format(at.path, at.line) or "a task") }
  end
  task.rest(engine.session.tasks)
  if self.over or self:signal() then return false end
  stop.phase, stop.writes, stop.told = engine.phase, engine.phase == "do", stop.raised ~= nil and self.told[stop.raised] == true
  local live = frames.of(task.threads(engine.session.tasks), self:sources())
  stop.frames = table.move(live, 1, #live, #(stop.frames or {}) + 1, stop.frames or {})
  self.over = true   -- what the recipe's functions do when somebody calls them there is not stopped at
  local go_on = self.open(stop)
  if stop.changed_at then engine.context.wrote, engine.context.changed_at = true, stop.changed_at end
  self.over = not go_on
  return go_on
end

-- Errors -----------------------------------------------------------------------------------------------------------------

--- Keeps where an error comes from, while its calls are there. For the handler of an xpcall.
---@param raised any
---@param told any?  what it is raised as from here on
function Stops:look(raised, told)
  if not self:wanted(raised) then return end
  local seen = self.seen[raised] or { frames = frames.copies(self:sources()), thread = coroutine.running() }
  self.seen[raised] = nil
  self.seen[told or raised] = seen
end

-- Copies of the calls that have ended: those deeper than the one that goes on.
function Stops:ended(raised, depth)
  local seen, list, thread = self.seen[raised], {}, coroutine.running()
  self.seen[raised] = nil
  for _, frame in ipairs(seen and seen.frames or {}) do
    if seen.thread ~= thread or frame.depth > depth then list[#list + 1] = frame end
  end
  return list
end

-- Whether a pcall of the recipe's own may do something about an error.
function Stops:is_caught() return (self.guarded[coroutine.running()] or 0) > 0 end

-- Whether an error ends here: who calls a kind's function may do something about it as well.
function Stops:is_outermost() return not calls.scope(self.engine.context) and not self:is_caught() end

--- A recipe's function has failed, and has left its lines. Somebody looks; there is nothing to repeat.
---@param raised any  as it was raised
function Stops:failed(raised)
  if self:wanted(raised) and self:is_outermost() then self:stop { raised = raised, frames = self:ended(raised, 0) } end
end

-- The depth of the innermost call of the recipe's.
local function depth_of() return (require("trace").stack(coroutine.running())[1] or { depth = 0 }).depth end

-- A function of the library, at which the recipe stops when it fails.
local function watched(self, name, fn)
  return function(...)
    local call = table.pack(...)
    local thread, repeated = coroutine.running(), self.engine.repeated
    call.name = name
    while true do
      local results = table.pack(xpcall(fn, function(raised)
        self:look(raised)
        return raised
      end, table.unpack(call, 1, call.n)))
      repeated[thread] = nil
      if results[1] then return table.unpack(results, 2, results.n) end
      local raised = results[2]
      if self:is_caught() then self.seen[raised] = nil end   -- where it is raised again is where it comes from then
      if not self:wanted(raised) or not self:is_outermost() then error(raised, 0) end
      if not self:stop { raised = raised, call = call, frames = self:ended(raised, depth_of()) } then error(raised, 0) end
      self.engine.context:read_again(self.engine.phase ~= "do")
      repeated[thread] = true
    end
  end
end

-- The functions of a service, of `policy` …: each is made when it is asked for.
local function watched_table(self, name, functions)
  local known = {}
  return setmetatable({}, {
    __index = function(_, field)
      local value = functions[field]
      if type(value) ~= "function" or type(field) ~= "string" then return value end
      known[value] = known[value] or watched(self, name .. "." .. field, value)
      return known[value]
    end,
    __newindex = function(_, field, value) functions[field] = value end,   -- which refuses it
    __metatable = false,
  })
end

-- pcall of a recipe that is trusted: what it catches is not stopped at.
local function guarding(self, fn)
  return function(...)
    local thread = coroutine.running()
    self.guarded[thread] = (self.guarded[thread] or 0) + 1
    local results = table.pack(fn(...))
    self.guarded[thread] = self.guarded[thread] - 1
    return table.unpack(results, 1, results.n)
  end
end

local UNWATCHED <const> = { say = true, go_on = true, task = true, names = true, sorted = true,
  breakpoint = true, on_change = true }

--- The names that a recipe sees, with those of them watched that may fail.
---@param names table<string, any>  of lua/engine/environment.lua
---@return table<string, any>
function Stops:watch(names)
  if not self.on_error then return names end
  local all = {}
  for name, value in pairs(names) do   -- order cannot be seen
    local kind = not UNWATCHED[name] and type(value)
    all[name] = kind == "function" and watched(self, name, value) or kind == "table" and watched_table(self, name, value) or value
  end
  if self.engine.recipe.trusted then all.pcall, all.xpcall = guarding(self, pcall), guarding(self, xpcall) end
  return all
end

--- A function that a task of the recipe's runs: what catches errors around the call that starts it does so for the task as well.
---@param fn function
---@return function
function Stops:inherited(fn)
  local count = self.guarded[coroutine.running()]
  if not count or count == 0 then return fn end
  return function(...)
    self.guarded[coroutine.running()] = count
    return fn(...)
  end
end

-- break() ----------------------------------------------------------------------------------------------------------------

--- Stops where a recipe says `break()`. Where nobody is there it is passed over, and said once.
function Stops:pause()
  local engine = self.engine
  if self.over or engine.rehearsal then return end
  local at = frames.of({ (coroutine.running()) }, self:sources())[1]   -- there is one: it is kept (lua/source.lua)
  if not self.open then
    engine.context:warn(("%s:%d: break() is passed over: nobody sits at a terminal"):format(at.path, at.line))
  elseif not self:stop {} then
    if self:signal() then error("stopped by " .. self:signal(), 0) end
    require("engine.failure").raise { code = "stopped", message = ("%s:%d: left at its break()"):format(at.path, at.line) }
  end
end

return M
