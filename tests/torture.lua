-- torture.lua -- whole programs in a simulated world, from a seed: `cmek test tests/torture.lua [--seed N] [--runs N]`,
-- also --fault FILE (a planted fault), --until 'INVARIANT|…' (ends when one of these is broken), --calm all (no bad luck),
-- --tell all (prints each history), --recipe vault-transit or vault (the keys' material is from Vault), --story NAME. A history that
-- ends wrongly is printed and can be replayed by its seed; the last line is `N runs, N failed`.

collectgarbage("setpause", 1000)   -- a history leaves much behind and holds little: memory is cheaper than going through it again

local options = { runs = 200 }
do
  local arguments = { ... }
  for at = 1, #arguments, 2 do
    local name = arguments[at]:match "^%-%-(%a+)$"
    options[name or "?"] = math.tointeger(tonumber(arguments[at + 1])) or arguments[at + 1]
  end
end

local function expected(invariant)
  for name in (options["until"] or ""):gmatch "[^|]+" do
    if name == invariant then return true end
  end
end

local function torture(scene, fault)
  local runs, failed = 0, 0
  local told = fault or {}   -- where a fault was seen to show
  local first, recipe, story = options.seed or told.seed or 1, options.recipe or told.recipe, options.story or told.story
  for seed = first, first + options.runs - 1 do
    local history = scene.new { seed = seed, calm = options.calm ~= nil, recipe = recipe, story = story }
    local invariant, detail = history:run()
    runs = runs + 1
    if options.tell or invariant and failed == 0 and not options["until"] then print(table.concat(history.history, "\n")) end
    if invariant then
      failed = failed + 1
      print(("%s   seed %d: %s: %s"):format(expected(invariant) and "CAUGHT" or "FAILED", seed, invariant, detail))
      if expected(invariant) then break end
      if failed == 1 then print(("replay it: make torture SEED=%d RUNS=1%s"):format(seed, recipe and " RECIPE=" .. recipe or "")) end
    end
  end
  return runs, failed
end

local runs, failed = dofile "tests/torture/fault.lua".with(options.fault, torture)
print(("%d runs, %d failed"):format(runs, failed))
return failed > 0 and 1 or 0
