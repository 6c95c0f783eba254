-- lua/unknown.lua: values that a plan does not know yet.
local json = require "json"
local unknown = require "unknown"

local ARN <const> = "ARN of role r"

test["an unknown value can be joined on either side, and keeps its mark through format, keys and JSON"] = function()
  local value = unknown.new(ARN)
  local mark = "\u{E0C0}" .. ARN .. "\u{E0C1}"
  test.equal("a " .. value .. " b", "a " .. mark .. " b")
  test.equal(("%s"):format(value), mark)
  test.equal(value .. unknown.new "x", mark .. "\u{E0C0}x\u{E0C1}")
  test.contains(json.encode { ["k" .. value] = "v" .. value }, mark)
end

test["everything else that is done with one raises and says what it is"] = function()
  local value = unknown.new(ARN)
  for _, use in ipairs {
    function() return value.arn end, function() return value:sub(1, 2) end, function() return #value end, function() return value < "x" end,
    function() return "x" <= value end, function() return value() end, function() value.x = 1 end, function() return value + 1 end,
    function() return -value end, function() return next(pairs(value)) end, function() return ipairs(value)(value, 0) end,
  } do
    test.raises(use, "the ARN of role r is not known before run: pass it on or join it")
  end
end

test["a thing that is not known has fields, which are not known either and say whose they are"] = function()
  local topic = unknown.thing "topic cmek-orders"
  test.equal(unknown.show(topic.arn .. "/x"), "(arn of topic cmek-orders, known after apply)/x")
  test.equal(unknown.show(topic.policy.id), "(id of policy of topic cmek-orders, known after apply)")
  test.truthy(unknown.is(topic.arn) and unknown.has { topic })
  for _, use in ipairs { function() return topic[1] end, function() return topic.arn:sub(1, 2) end, function() return #topic end,
    function() topic.arn = 1 end, function() return topic < topic end, function() return next(pairs(topic)) end } do
    test.raises(use, "is not known before run: pass it on or join it")
  end
end

test["is tells the value itself, has tells what holds one"] = function()
  local value = unknown.new(ARN)
  test.truthy(unknown.is(value))
  test.equal({ unknown.is("a" .. value), unknown.is {}, unknown.is "a" }, { false, false, false })
  test.truthy(unknown.has { a = { "x" .. value } })
  test.truthy(unknown.has { ["x" .. value] = 1 })
  test.equal(unknown.has { a = { "x" }, b = 1 }, false)
end

test["shown, it reads as what comes after apply, also inside tables"] = function()
  local shown = "(ARN of role r, known after apply)"
  test.equal(unknown.show(unknown.new(ARN)), shown)
  test.equal(unknown.show { "a " .. unknown.new(ARN), n = 5 }, { "a " .. shown, n = 5 })
end

test["text gives the mark of an unknown value and leaves the rest alone"] = function()
  test.equal(unknown.text "a", "a")
  test.equal(unknown.text(unknown.new "x"), "\u{E0C0}x\u{E0C1}")
end
