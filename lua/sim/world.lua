--- A simulated world: one virtual clock, a queue of events, and the network between operators and the simulated services.
-- A door that was made with `world = …` sends here. Requests and answers are events; nothing waits in real time, and the
-- same seed gives the same history in any process.

local random = require "sim.random"

local World = { __name = "sim.World" }
World.__index = World

local M = {}

---@class sim.WorldOptions
---@field seed integer
---@field handle fun(request: table): table     the simulated services: request to response, as server.new has them
---@field now? number                            start of the clock, seconds since the epoch
---@field latency? number                        seconds from door to service, and back
---@field network? fun(world: table, request: table): table?   what happens to one request; see sim.Way

---@class sim.Way
---@field up? number            seconds from the door to the service
---@field down? number          seconds back
---@field unsent? string        the request never leaves; the error that the door sees
---@field lose_request? string  it leaves and never arrives
---@field lose_answer? string   the service acts, and its answer never comes
---@field give_up? number       seconds after which the door stops waiting; what is on its way still arrives
---@field instead? fun(request: table): table   something between the two answers in the service's place
---@field after? fun(request: table, response: table): table   changes the answer

--- A world.
---@param options sim.WorldOptions
---@return table
function M.new(options)
  return setmetatable({
    now = options.now or 1798761600.0,   -- 2027-01-01T00:00:00Z
    handle = options.handle,
    latency = options.latency or 0.02,
    network = options.network,
    chance = random.new(options.seed),
    events = {},        -- a binary heap by time, then by number
    numbered = 0,
    operators = {},     -- in order of coming
    crashes = 0,
  }, World)
end

--- Random bytes of the world's seed.
---@param count integer
---@return string
function World:random(count) return self.chance:bytes(count) end

-- ---- events ----

local function sooner(a, b)
  if a.time ~= b.time then return a.time < b.time end
  return a.number < b.number
end

local function push(heap, event)
  local at = #heap + 1
  heap[at] = event
  while at > 1 and sooner(heap[at], heap[at // 2]) do
    heap[at], heap[at // 2] = heap[at // 2], heap[at]
    at = at // 2
  end
end

local function pop(heap)
  local top = heap[1]
  heap[1] = heap[#heap]
  heap[#heap] = nil
  local at = 1
  while true do
    local least = at
    for child = 2 * at, 2 * at + 1 do
      if heap[child] and sooner(heap[child], heap[least]) then least = child end
    end
    if least == at then return top end
    heap[at], heap[least] = heap[least], heap[at]
    at = least
  end
end

--- Has fn called when the clock has come `seconds` further.
---@param seconds number
---@param fn function
function World:after(seconds, fn)
  self.numbered = self.numbered + 1
  push(self.events, { time = self.now + seconds, number = self.numbered, fn = fn })
end

-- ---- the network ----

--- The request as a service receives it.
local function on_the_wire(request)
  local host, target = request.url:match "^%a+://([^/?]+)(.*)$"
  local headers, named = {}, false
  for index, header in ipairs(request.headers) do
    headers[index] = { header[1], header[2] }
    named = named or header[1]:lower() == "host"
  end
  if not named then headers[#headers + 1] = { "Host", host } end
  if target:sub(1, 1) ~= "/" then target = "/" .. target end
  return { method = request.method, target = target, headers = headers, body = request.body }
end

-- The answer comes back to the door.
local function deliver(door, id, way, response)
  if way.lose_answer then
    door.http.complete(id, nil, way.lose_answer, "lost")
  elseif response.close then
    door.http.complete(id, nil, "the connection was closed before the whole answer came", "lost")
  else
    door.http.complete(id, response)
  end
end

--- Called by the door: a request leaves. Its answer comes by door.http.complete.
---@param door table
---@param id integer
---@param request table
function World:start(door, id, request)
  local way = self.network and self.network(self, request) or {}
  local up, down = way.up or self.latency, way.down or self.latency
  if way.unsent then
    self:after(up, function() door.http.complete(id, nil, way.unsent, "unsent") end)
    return
  end
  if way.give_up then
    self:after(way.give_up, function() door.http.complete(id, nil, ("no answer after %d s"):format(way.give_up), "lost") end)
  end
  self:after(up, function()
    if way.lose_request then
      self:after(down, function() door.http.complete(id, nil, way.lose_request, "lost") end)
      return
    end
    local wire = on_the_wire(request)
    local response = way.instead and way.instead(wire) or self.handle(wire)
    if way.after then response = way.after(wire, response) end
    self:after(down + (response.delay or 0), function() deliver(door, id, way, response) end)
  end)
end

-- ---- time passes ----

--- Moves to the next event, or to `due` when that comes first. False when neither is left.
---@param due? number
---@return boolean
function World:step(due)
  local event = self.events[1]
  if event and (not due or event.time <= due) then
    pop(self.events)
    self.now = math.max(self.now, event.time)
    event.fn()
    return true
  end
  if not due then return false end
  self.now = math.max(self.now, due)
  return true
end

--- Adds an operator: a program that runs in this world, concurrently with the others.
---@param fn function    runs as a whole program does: doors, tasks, all of it
---@return table operator  { done=, ok=, result= }; operator.due while it sleeps
function World:operate(fn)
  local operator = { thread = coroutine.create(fn), runnable = true }
  self.operators[#self.operators + 1] = operator
  return operator
end

--- Ends an operator at once, as a crash does: nothing of it is closed, and it is never resumed.
---@param operator table
function World:crash(operator)
  operator.done, operator.crashed = true, true
  self.crashes = self.crashes + 1
end

local function resume(operator)
  local ok, result = coroutine.resume(operator.thread)
  if coroutine.status(operator.thread) == "dead" then
    operator.done, operator.ok, operator.result = true, ok, result
  else
    operator.due = result
  end
end

--- Runs until every operator is done; raises when they wait for nothing.
function World:run()
  while true do
    local due, busy
    for _, operator in ipairs(self.operators) do
      if not operator.done then resume(operator) end
    end
    for _, operator in ipairs(self.operators) do
      if not operator.done then
        busy = true
        if operator.due and (not due or operator.due < due) then due = operator.due end
      end
    end
    if not busy then return end
    if not self:step(due) then error("the operators wait for nothing", 0) end
  end
end

return M
