-- Revoking and restoring in histories with crashes, lost answers, old readings and a second operator; and faults that these have to find.
local faults = dofile "tests/torture/fault.lua"

local SEEDS <const> = 12

-- The first invariant that some history breaks, and its seed; nil when all hold.
local function broken(file, seeds)
  return faults.with(file, function(scene)
    for seed = 1, seeds do
      local history = scene.new { seed = seed, story = "revoke" }
      local invariant, detail = history:run()
      if invariant then return ("%s (seed %d: %s)"):format(invariant, seed, detail), invariant end
    end
  end)
end

test["whatever happens on the way, keys are denied before the Cloud is told, and policies are what they were in the end"] = function()
  test.equal(broken(nil, SEEDS), nil)
end

for _, name in ipairs { "deny_believed", "restored_as_made" } do
  test["caught by its invariant: " .. name:gsub("_", " ")] = function()
    local file = ("tests/faults/%s.lua"):format(name)
    local wanted = {}
    for _, invariant in ipairs(dofile(file).invariants) do wanted[invariant] = true end
    local told, invariant = broken(file, 40)
    test.truthy(wanted[invariant or ""], tostring(told))
  end
end
