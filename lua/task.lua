--- Tasks: every recipe and every prompt line runs as one, so that a call may always wait. C sleeps, this schedules.
-- A scheduler belongs to a door. Tasks form a tree: when one of a group fails, the others start nothing new, what they
-- have on its way is waited for, and the first error is raised in the task that waits for the group.

local M = {}

-- Raised in a task that may start nothing new; swallowed by the group that it belongs to.
local CANCELLED = setmetatable({}, { __name = "task.Cancelled", __tostring = function() return "cancelled" end })
M.CANCELLED = CANCELLED

-- What tasks.deadline raises when the time is over.
local Overdue = { __name = "task.Overdue" }
Overdue.__index = Overdue
function Overdue:__tostring() return ("not done after %g seconds"):format(self.seconds) end

local internal = setmetatable({}, { __mode = "k" })   -- by scheduler, what scripts are not given

--- Sleeps until everything else in the scheduler has come to rest: done, waiting for others, or resting like this. Those that rest wake one by
--- one, each when all that the one before it began has come to rest.
---@param tasks task.Scheduler
---@param first boolean?  before others that rest
function M.rest(tasks, first) internal[tasks].rest(first) end

--- Whether something else in the scheduler has not come to rest.
---@param tasks task.Scheduler
---@return boolean
function M.busy(tasks) return internal[tasks].busy() end

--- The threads of the running task and of those that wait for it, from it outwards.
---@param tasks task.Scheduler
---@return thread[]
function M.threads(tasks) return internal[tasks].threads() end

--- pcall and xpcall for scripts: an error is theirs to catch, and what ends the task is not: a signal, a deadline that has passed, another
--- task's failure.
---@param tasks task.Scheduler
---@param door table
---@return function pcall, function xpcall
function M.protected(tasks, door)
  local function passed(ok, ...)
    if not ok then
      local stopping = door.stopping and door:stopping()
      if stopping then error("stopped by " .. stopping, 0) end
      tasks.check()
    end
    return ok, ...
  end
  return function(fn, ...) return passed(pcall(fn, ...)) end, function(fn, handler, ...) return passed(xpcall(fn, handler, ...)) end
end

---@class task.Scheduler  a recipe has map and all of it; run is for who starts a program
---@field run fun(fn: function, ...): any
---@field map fun(list: table, fn: function): table
---@field all fun(fns: function[]): table
---@field spawn fun(fn: function, ...): table
---@field daemon fun(fn: function)
---@field sleep fun(seconds: number)
---@field deadline fun(seconds: number, fn: function, ...): any
---@field check fun()

--- A scheduler over a door.
---@param door table
---@return task.Scheduler
function M.new(door)
  local tasks = {}
  local ready, first, last = {}, 1, 0   -- a queue of tasks that can go on
  local by_thread = {}
  local alive, running = 0, nil
  local blocked, resting = 0, {}        -- tasks that wait for others, but for daemons; those that wait until all is at rest

  local function enqueue(task)
    last = last + 1
    ready[last] = task
  end

  local function finish(task, ok, ...)
    task.done, task.ok, task.results = true, ok, table.pack(...)
    by_thread[task.thread] = nil
    if not task.daemon then alive = alive - 1 end
    if not ok then coroutine.close(task.thread) end
    local group = task.group
    if not group then return end
    group.pending = group.pending - 1
    if not ok then
      -- A member that was cancelled from further up has no result either: who waits for the group must not go on.
      if group.failed == nil and task.results[1] ~= CANCELLED then group.failed = { task.results[1] } end
      group.cancelled = true
    end
    if group.pending > 0 then return end
    for _, waiter in ipairs(group.waiters or {}) do enqueue(waiter) end
    group.waiters = nil
  end

  local function after(task, ok, ...)
    if coroutine.status(task.thread) == "dead" then finish(task, ok, ...) end
  end

  local function step(task)
    local before = running
    running = task
    if task.fn then
      local fn, arguments = task.fn, task.arguments
      task.fn, task.arguments = nil, nil
      after(task, coroutine.resume(task.thread, fn, table.unpack(arguments, 1, arguments.n)))
    else
      after(task, coroutine.resume(task.thread))
    end
    running = before
  end

  local function start(group, fn, ...)
    local task = { group = group, parent = running, fn = fn, arguments = table.pack(...) }
    task.thread = coroutine.create(function(body, ...)
      if group and group.cancelled then error(CANCELLED, 0) end
      return body(...)
    end)
    by_thread[task.thread] = task
    alive = alive + 1
    if group then group.pending = group.pending + 1 end
    enqueue(task)
    return task
  end

  --- Sleeps until every task of the group is done; raises its first error. Several may wait for one group.
  local function wait_for(group)
    if group.pending > 0 then
      group.waiters = group.waiters or {}
      table.insert(group.waiters, running)
      local counted = running.daemon and 0 or 1
      blocked = blocked + counted
      coroutine.yield()
      blocked = blocked - counted
    end
    if group.failed then error(group.failed[1], 0) end
    if group.cancelled then error(CANCELLED, 0) end
  end

  local function need_task(name)
    if not running then error(("task.%s outside a task"):format(name), 3) end
  end

  local function cancelled(task)
    while task do
      if task.group and task.group.cancelled then return true end
      task = task.parent
    end
    return false
  end

  --- The nearest deadline above a task.
  local function deadline_of(task)
    local nearest
    while task do
      if task.overdue and (not nearest or task.overdue.at < nearest.at) then nearest = task.overdue end
      task = task.parent
    end
    return nearest
  end

  --- Raises where the running task may start nothing new: another task of its group has failed, or a deadline has passed. A recipe needs it
  --- nowhere, since every call does it.
  ---@return nil; raises why it may not go on
  ---@example task.check()
  function tasks.check()
    if cancelled(running) then error(CANCELLED, 0) end
    local overdue = deadline_of(running)
    if overdue and door.clock.now() >= overdue.at then error(overdue, 0) end
  end

  --- Waits; other tasks go on. A recipe waits for something: wait.
  ---@param seconds number
  ---@return nil
  ---@example task.sleep(2)
  function tasks.sleep(seconds)
    tasks.check()
    local overdue = deadline_of(running)
    if overdue then seconds = math.min(seconds, math.max(0, overdue.at - door.clock.now())) end
    door.clock.sleep(seconds)
    tasks.check()
  end

  --- Calls fn with every member of a list, all at once.
  ---@param list table
  ---@param fn fun(member: any, place: integer): any
  ---@return table  its first results, in the order of the list; raises the first error of one, when the others have ended: they start nothing new
  ---@example local keys = task.map(cluster.regions, function(region) return kms.list_keys { region = region.name }.Keys end)
  function tasks.map(list, fn)
    need_task "map"
    local group = { pending = 0 }
    local children = {}
    for index, member in ipairs(list) do children[index] = start(group, fn, member, index) end
    wait_for(group)
    local results = {}
    for index, child in ipairs(children) do results[index] = child.results[1] end
    return results
  end

  --- Calls functions, all at once.
  ---@param fns function[]
  ---@return table  their first results, in the order of the list; raises the first error of one, as task.map does
  ---@example local clusters, keys = table.unpack(task.all { cloud.clusters, function() return kms.list_keys { region = "us-east-1" } end })
  function tasks.all(fns)
    return tasks.map(fns, function(fn) return fn() end)
  end

  --- Starts a task, beside which the caller goes on.
  ---@param fn function
  ---@param ... any  what it is called with
  ---@return table handle  handle.wait() gives its results, or raises its error
  ---@example local clusters = task.spawn(cloud.clusters)
  function tasks.spawn(fn, ...)
    need_task "spawn"
    local group = { pending = 0 }
    local task = start(group, fn, ...)
    return {
      wait = function()
        wait_for(group)
        return table.unpack(task.results, 1, task.results.n)
      end,
      failed = function() return task.done == true and not task.ok end,
    }
  end

  --- Starts a task that nobody waits for: it goes no further when all others are done, and what it raises ends it alone.
  ---@param fn function
  ---@return nil
  ---@example task.daemon(function() while true do task.sleep(10) print "still there" end end)
  function tasks.daemon(fn)
    local task = start(nil, fn)
    task.daemon, task.parent = true, nil
    alive = alive - 1
  end

  --- Calls a function that may take so long.
  ---@param seconds number
  ---@param fn function
  ---@param ... any  what it is called with
  ---@return any  its results; raises when it starts something after that time
  ---@example task.deadline(30, function() return cloud.clusters() end)
  function tasks.deadline(seconds, fn, ...)
    need_task "deadline"
    local group = { pending = 0 }
    local task = start(group, fn, ...)
    task.overdue = setmetatable({ at = door.clock.now() + seconds, seconds = seconds }, Overdue)
    wait_for(group)
    return table.unpack(task.results, 1, task.results.n)
  end

  internal[tasks] = {
    rest = function(before)
      need_task "rest"
      table.insert(resting, before and 1 or #resting + 1, running)
      coroutine.yield()
    end,
    busy = function() return alive > blocked + #resting + 1 end,   -- with the one that asks
    threads = function()
      local threads, task = {}, running
      while task do
        threads[#threads + 1], task = task.thread, task.parent
      end
      return threads
    end,
  }

  function tasks.run(fn, ...)
    local main = start(nil, fn, ...)
    while alive > 0 do
      local task
      if first <= last then
        task = ready[first]
        ready[first], first = nil, first + 1
      elseif #resting > 0 and alive == blocked + #resting then
        task = table.remove(resting, 1)
      else
        task = by_thread[door.http.wait()] or error("every task waits for another", 0)
      end
      step(task)
    end
    if not main.ok then error(main.results[1], 0) end
    return table.unpack(main.results, 1, main.results.n)
  end

  return tasks
end

return M
