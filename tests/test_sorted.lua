-- lua/sorted.lua: one order for all processes.
local sorted = require "sorted"

test["keys come as numbers, then strings, then false and true, each in their order"] = function()
  local t = { b = 1, a = 2, [10] = 3, [2] = 4, [-1.5] = 5, [true] = 6, [false] = 7, ["10"] = 8, B = 9 }
  local keys = {}
  for key, value in sorted(t) do
    keys[#keys + 1] = key
    test.equal(value, t[key])
  end
  test.equal(keys, { -1.5, 2, 10, "10", "B", "a", "b", false, true })
end

test["members may be changed and removed on the way"] = function()
  local t, seen = { a = 1, b = 2, c = 3 }, {}
  for key, value in sorted(t) do
    t[key], t.c, t.d = nil, nil, 4
    seen[#seen + 1] = key .. tostring(value)
  end
  test.equal(seen, { "a1", "b2", "cnil" })
end

test["an empty table has no members, and a table as a key no order"] = function()
  for _ in sorted {} do error "a member" end
  test.raises(function() sorted { [{}] = 1 } end, "cannot sort by a key that is a table")
end
