-- What the calls of a task hold: seen and set by who may, by name, and nothing of the library's.
local trace = require "trace"

-- A chunk of somebody's own that waits in the middle, as a thread.
local function waiting(text, ...)
  local chunk = assert(load(text, "@./mine.lua", "t", { yield = coroutine.yield, tostring = tostring }))
  local thread = coroutine.create(chunk)
  assert(coroutine.resume(thread, ...))
  return thread
end

local TEXT <const> = [[
local outer, given = "o", ...
local function inner(a)
  local b <const>, a = { 1 }, a + 1
  for i = 1, 1 do
    local r = yield(b)
    return outer .. given .. a .. tostring(b[1]) .. tostring(r)
  end
end
local result = inner(1)
return result
]]

local function names(thread, depth)
  local list = {}
  for i, variable in ipairs(trace.variables(thread, depth)) do list[i] = variable.kind .. " " .. variable.name end
  return list
end

test["the calls of a thread are told from the innermost, each with its line and its place from below"] = function()
  local stack = trace.stack(waiting(TEXT, "g"))
  test.equal({ #stack, stack[1].source, stack[1].line, stack[1].depth, stack[2].line, stack[2].depth }, { 2, "@./mine.lua", 5, 2, 9, 1 })
end

test["variables are the locals in their order, then what is around; neither the compiler's own nor the world is among them"] = function()
  local thread = waiting(TEXT, "g")
  test.equal(names(thread, 2), { "local a", "local b", "local a", "local i", "upvalue outer", "upvalue given" })
  test.equal(names(thread, 1), { "local outer", "local given", "local inner" })
  local values = trace.variables(thread, 2)
  test.equal({ values[1].value, values[2].value[1], values[3].value, values[5].value }, { 1, 1, 2, "o" })
end

test["a variable that is set is what its line goes on with: of several of one name the one that the line sees"] = function()
  local thread = waiting(TEXT, "g")
  test.equal({ trace.assign(thread, 2, "a", 5), trace.assign(thread, 2, "outer", "O"), trace.assign(thread, 2, "nosuch", 1) }, { true, true, false })
  test.equal(trace.variables(thread, 2)[1].value, 1)
  test.truthy(trace.assign(thread, 1, "given", "G"))
  test.truthy(trace.assign(thread, 2, "b", { 7 }))
  test.equal({ coroutine.resume(thread, nil) }, { true, "OG57nil" })
end

test["neither a call that is not there nor one of the library's is looked at"] = function()
  local thread = waiting(TEXT, "g")
  for _, depth in ipairs { 0, 3, 4, -1, math.mininteger, math.maxinteger } do
    test.equal(pcall(trace.variables, thread, depth), false)
    test.equal(pcall(trace.assign, thread, depth, "a", 1), false)
  end
  test.equal(pcall(trace.assign, thread, 2, "_ENV", {}), false)
  test.equal(pcall(trace.assign, thread, 2, "(for state)", 1), false)
  test.equal(pcall(trace.stack, "x"), false)
  local library = coroutine.create(function() return require("sorted")(setmetatable({}, { __pairs = coroutine.yield })) end)
  local inside = coroutine.create(function() require("located").call(nil, coroutine.yield) end)
  for _, one in ipairs { library, inside } do
    coroutine.resume(one)
    for _, call in ipairs(trace.stack(one)) do test.truthy(not call.source:find("^@lua/")) end
  end
  local seen, told = 0, nil
  for depth = 1, 6 do
    local ok, message = pcall(trace.variables, inside, depth)
    seen, told = seen + (ok and 1 or 0), tostring(message):find("is the library's", 1, true) and message or told
  end
  test.equal(seen, 1)   -- this file's own function
  test.truthy(told)
end

test["a thread whose calls have no end is told of by the innermost, in no time"] = function()
  local thread = waiting "local function deep(n) if n == 0 then yield() end local x = n return deep(n - 1) + x end deep(150000)"
  local stack = trace.stack(thread)
  test.equal({ #stack <= 200, stack[1].depth, trace.variables(thread, stack[1].depth)[1].value }, { true, 150002, 0 })
end
