-- Answers that lack something, or hold another kind of thing: every member of every answer that a plan and a verification read is
-- taken away, made null or another kind of thing in turn. Nothing of that may show as a change to be made, nor fail in Lua's own words.
local json = require "json"
local operators = dofile "tests/operator.lua"

-- An operator whose role, keys and CMEK are as wanted, and what the simulation answers as it is.
local who = operators.open { confirm = "orders-one" }
local answers_of = who.simulation.handle

local function outcome(mode)
  local ok, report, status = pcall(operators.run, who, "console", { mode = mode, arguments = { cluster = "orders-one", enable = true } })
  return ok and report or nil, ok and status or report
end

local function operation_of(request)
  for _, pair in ipairs(request.headers) do
    if pair[1]:lower() == "x-amz-target" then return pair[2]:match "%.(%a+)$" end
  end
  local action = request.body:match "^Action=(%a+)"
  return action or (request.method .. " " .. request.target:gsub("%x+%-%x+%-%x+%-%x+%-%x+", "ID")), action ~= nil
end

local function sorted_keys(value)
  local keys = {}
  for key in pairs(value) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  return keys
end

-- The places of an answer's members; of a list its first member alone.
local function places(into, operation, value, path)
  for _, key in ipairs(type(value) == "table" and sorted_keys(value) or {}) do
    if math.type(key) ~= "integer" or key == 1 then
      local place = table.move(path, 1, #path, 1, {})
      place[#place + 1] = key
      into[operation .. " " .. table.concat(place, ".")] = { operation = operation, path = place }
      places(into, operation, value[key], place)
    end
  end
end

local NOTHING <const> = {}   -- the member is taken away

local function put(value, path, new)
  for i = 1, #path - 1 do value = value[path[i]] end
  local last = path[#path]
  if new ~= NOTHING then
    value[last] = new
  elseif math.type(last) == "integer" then
    table.remove(value, last)
  else
    value[last] = nil
  end
end

-- What is read when all is as wanted: { operation, path } of JSON, { operation, tag } of XML, by name.
local function read_places()
  local found = {}
  who.simulation.handle = function(self, request)
    local response, operation, xml = answers_of(self, request), operation_of(request)
    if xml then
      for tag in response.body:gmatch "<(%a%w*)>" do found[operation .. " <" .. tag .. ">"] = { operation = operation, tag = tag } end
    elseif response.status < 300 then
      places(found, operation, json.decode(response.body), {})
    end
    return response
  end
  assert(outcome "plan")
  assert(outcome "verify")
  return found
end

local function with(place, new)
  who.simulation.handle = function(self, request)
    local response = answers_of(self, request)
    if operation_of(request) ~= place.operation or response.status >= 300 then return response end
    if place.tag then
      response.body = response.body:gsub("<" .. place.tag .. ">.-</" .. place.tag .. ">", new)
    else
      local value = json.decode(response.body)
      put(value, place.path, new)
      response.body = json.encode(value)
    end
    return response
  end
end

-- Says as much as an empty list, by the rule that what is absent, null and empty is the same; of a tag without value it cannot be
-- said whose the thing is, so it is left alone, and what hangs on it is not known.
local KNOWN <const> = { ["ListAliases Aliases"] = true, ["GetRole <Value>"] = true }

local function judge(name, mode)
  local report, raised = outcome(mode)
  local text = report and json.encode(report) or tostring(raised)
  for _, words in ipairs { "attempt to ", "bad argument", "stack traceback", '"lua/', "^lua/" } do
    if text:find(words) then error(("%s without %s: %s"):format(mode, name, text:sub(1, 400)), 0) end
  end
  return report
end

test["a member that is left out of an answer, or is null, is no change to be made"] = function()
  local _, status = outcome "run"
  test.equal(status, 0)
  local found = read_places()
  test.truthy(#sorted_keys(found) > 120)
  for i, name in ipairs(sorted_keys(found)) do
    with(found[name], found[name].tag and "" or i % 2 == 0 and json.null or NOTHING)
    local plan = judge(name, "plan")
    local changes = plan and plan.summary.create + plan.summary.change or 0
    if changes > 0 and not KNOWN[name] then error(("without %s a plan wants %d changes: %s"):format(name, changes, json.encode(plan.steps)), 0) end
  end
end

test["a member of another kind is told in words, or does no harm"] = function()
  local kinds, found = { "", 7, "zzz", json.array {}, {}, true, json.array { 1 }, { a = 1 } }, read_places()
  for i, name in ipairs(sorted_keys(found)) do
    if not found[name].tag then
      with(found[name], kinds[i % #kinds + 1])
      judge(name, i % 3 == 0 and "verify" or "plan")
    end
  end
end
