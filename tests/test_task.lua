-- lua/task.lua, in a world whose clock moves only from event to event.

local task = require "task"
local world = require "sim.world"

local function scheduler()
  local here = world.new { seed = 7, handle = function() return { status = 200, headers = {}, body = "" } end }
  local door = require("door").new { world = here }
  return task.new(door), here
end

test["map gives results in the list's order, and its members run at the same time"] = function()
  local tasks, here = scheduler()
  local start = here.now
  local results = tasks.run(function()
    return tasks.map({ 3, 1, 2 }, function(seconds)
      tasks.sleep(seconds)
      return "slept " .. seconds
    end)
  end)
  test.equal(results, { "slept 3", "slept 1", "slept 2" })
  test.equal(here.now - start, 3.0)
end

test["the first error of a group is raised, and the others start nothing new"] = function()
  local tasks = scheduler()
  local after = {}
  local raised = test.raises(function()
    tasks.run(function()
      tasks.map({ 1, 2, 3 }, function(n)
        tasks.sleep(n)
        if n == 1 then error({ code = "first" }, 0) end
        after[#after + 1] = n
      end)
    end)
  end)
  test.equal(raised.code, "first")
  test.equal(after, {})
end

test["cancelling reaches the tasks of a task"] = function()
  local tasks = scheduler()
  local done = 0
  test.raises(function()
    tasks.run(function()
      tasks.all {
        function() tasks.sleep(1) error("stop", 0) end,
        function()
          tasks.map({ 1, 2 }, function() tasks.sleep(2) done = done + 1 end)
        end,
      }
    end)
  end, "stop")
  test.equal(done, 0)
end

test["a deadline ends what would start after it, and says how long it was"] = function()
  local tasks, here = scheduler()
  local start = here.now
  test.raises(function()
    tasks.run(function()
      tasks.deadline(5, function()
        while true do tasks.sleep(2) end
      end)
    end)
  end, "not done after 5 seconds")
  test.equal(here.now - start, 5.0)
end

test["a spawned task gives its results to the one that waits for it"] = function()
  local tasks = scheduler()
  local a, b = tasks.run(function()
    local handle = tasks.spawn(function() tasks.sleep(1) return "a", "b" end)
    tasks.sleep(3)
    return handle.wait()
  end)
  test.equal({ a, b }, { "a", "b" })
end

test["map and sleep outside a task raise"] = function()
  local tasks = scheduler()
  test.raises(function() tasks.map({}, print) end, "outside a task")
end

test["two operators of one world interleave by its clock alone"] = function()
  local here = world.new { seed = 3, handle = function() return { status = 200, headers = {}, body = "" } end }
  local order = {}
  for _, pace in ipairs { 2, 3 } do
    here:operate(function()
      local tasks = task.new(require("door").new { world = here })
      tasks.run(function()
        for _ = 1, 3 do
          tasks.sleep(pace)
          order[#order + 1] = pace
        end
      end)
    end)
  end
  here:run()
  test.equal(order, { 2, 3, 2, 2, 3, 3 })
end

test["several tasks may wait for one"] = function()
  local tasks = scheduler()
  local results = tasks.run(function()
    local handle = tasks.spawn(function() tasks.sleep(2) return "read" end)
    return tasks.map({ 1, 2, 3 }, function(n) return n .. handle.wait() end)
  end)
  test.equal(results, { "1read", "2read", "3read" })
end

test["a group whose members are cancelled from further up gives no results"] = function()
  local tasks = scheduler()
  local results
  test.raises(function()
    tasks.run(function()
      tasks.all {
        function() tasks.sleep(1) error("stop", 0) end,
        function()
          local ok, raised = pcall(tasks.map, { 1, 2 }, function(n) tasks.sleep(2) return n end)
          results = { ok, raised == task.CANCELLED }
        end,
      }
    end)
  end, "stop")
  test.equal(results, { false, true })
end

test["a script's pcall catches errors, and neither a deadline above it, nor the failure of another task, nor a signal"] = function()
  local tasks, here = scheduler()
  local signal
  local protected, with_handler = require("task").protected(tasks, { stopping = function() return signal end })
  local function patient() while true do protected(tasks.sleep, 1) end end
  local start = here.now
  test.equal({ tasks.run(function()
    local caught, message = protected(error, "mine", 0)
    local over, raised = protected(tasks.deadline, 5, patient)
    local all, first = protected(tasks.all, { patient, function() tasks.sleep(2) error("other", 0) end })
    return caught, message, over, tostring(raised), all, first
  end) }, { false, "mine", false, "not done after 5 seconds", false, "other" })
  test.equal(here.now - start, 7.0)
  signal = "SIGINT"
  test.raises(function() tasks.run(function() protected(error, "mine") end) end, "stopped by SIGINT")
  test.raises(function() tasks.run(function() with_handler(error, function() return "well" end) end) end, "stopped by SIGINT")
end
