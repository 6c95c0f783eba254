-- torture.lua -- whole programs in a simulated world, from a seed:
-- `cmek test tests/torture.lua [--seed N] [--runs N] [--fault FILE]`.
-- A history that ends wrongly is printed and can be replayed by its seed; the last line is `N runs, N failed`.

local options = { seed = 1, runs = 200 }
do
  local arguments = { ... }
  for at = 1, #arguments, 2 do
    local name = arguments[at]:match "^%-%-(%a+)$"
    options[name or "?"] = math.tointeger(tonumber(arguments[at + 1])) or arguments[at + 1]
  end
end

local function torture(scene)
  local failed = 0
  for seed = options.seed, options.seed + options.runs - 1 do
    local history = scene.new { seed = seed }
    local invariant, detail = history:run()
    if invariant then
      failed = failed + 1
      if failed == 1 then print(table.concat(history.history, "\n")) end
      print(("FAILED   seed %d: %s: %s"):format(seed, invariant, detail))
      if failed == 1 then print(("replay it: make torture SEED=%d RUNS=1"):format(seed)) end
    end
  end
  return failed
end

local failed = dofile "tests/torture/fault.lua".with(options.fault, torture)
print(("%d runs, %d failed"):format(options.runs, failed))
return failed > 0 and 1 or 0
