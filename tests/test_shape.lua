-- The shape of an answer: what is missing or of another kind is told by its name.
local json = require "json"
local shape = require "shape"

local CLUSTER <const> = { ["id!"] = "text", size = "number", on = "truth", regions = shape.list { ["name!"] = "text" }, spec = { uri = "text" },
  names = shape.list "text" }

test["an answer that has the shape, and more, has no fault; what need not be there may be missing"] = function()
  test.equal(shape.fault({ id = "c1", size = 3, on = false, regions = { { name = "a", more = { 1 } } }, spec = { uri = "u" }, names = { "n" },
    other = 7 }, CLUSTER), nil)
  test.equal(shape.fault({ id = "c1" }, CLUSTER), nil)
end

test["what must be there and is not is named with its place"] = function()
  test.equal(shape.fault({}, CLUSTER), "the answer has no id")
  test.equal(shape.fault({ id = "c1", regions = { { name = "a" }, {} } }, CLUSTER), "the answer has no regions[2].name")
end

test["another kind of thing than was expected is named, and what it is"] = function()
  local function fault(name, value) return shape.fault({ id = "c1", [name] = value }, CLUSTER) end
  test.equal(fault("id", 7), "the answer's id is a number where a text was expected")
  test.equal(fault("size", "7"), "the answer's size is a text where a number was expected")
  test.equal(fault("on", "true"), "the answer's on is a text where true or false was expected")
  test.equal(fault("regions", { name = "a" }), "the answer's regions is an object where a list was expected")
  test.equal(fault("regions", "a"), "the answer's regions is a text where a list was expected")
  test.equal(fault("regions", { json.null }), "the answer's regions[1] is null where an object was expected")
  test.equal(fault("spec", { "u" }), "the answer's spec is a list where an object was expected")
  test.equal(fault("spec", true), "the answer's spec is true or false where an object was expected")
  test.equal(fault("names", { "a", {} }), "the answer's names[2] is an object where a text was expected")
end
