-- The torture: 2,000 histories end well. tests/test_torture_faults.lua holds that they would not if cmek were wrong.
-- Histories run in processes of their own, two at a time. TORTURE_SEEDS sets another number: the sanitizers are slow.

local SEEDS <const> = math.tointeger(tonumber(os.getenv "TORTURE_SEEDS" or 2000))
local function program()
  local file <close> = io.open("/proc/self/cmdline", "rb")
  return file:read("a"):match "^[^\0]+"
end

-- Starts a torture of its own; what it prints is read later.
local function start(arguments)
  return io.popen(("%s test tests/torture.lua %s 2>&1"):format(program(), arguments))
end

local function finish(process)
  local text = process:read "a"
  return process:close() == true, text
end

test[("%d histories of operators who make, look and destroy end in the promised state"):format(SEEDS)] = function()
  local half = SEEDS // 2
  local processes = { start(("--seed 1 --runs %d"):format(half)), start(("--seed %d --runs %d"):format(half + 1, SEEDS - half)) }
  for _, process in ipairs(processes) do
    local ok, text = finish(process)
    test.matches(text, "%d+ runs, 0 failed\n$")
    test.truthy(ok)
  end
end

test["so do histories of keys whose material is from Vault"] = function()
  local processes = {}
  for i, recipe in ipairs { "vault-transit", "vault" } do
    processes[i] = start(("--recipe %s --runs %d"):format(recipe, math.max(1, SEEDS // 15)))
  end
  for _, process in ipairs(processes) do
    local ok, text = finish(process)
    test.matches(text, "%d+ runs, 0 failed\n$")
    test.truthy(ok)
  end
end

test["and histories of a cluster that grows, by operators who may want different regions"] = function()
  local ok, text = finish(start(("--story add-region --runs %d"):format(math.max(1, SEEDS // 20))))
  test.matches(text, "%d+ runs, 0 failed\n$")
  test.truthy(ok)
end

test["and histories of one key with replicas, made by up to four or taken back"] = function()
  local ok, text = finish(start(("--story replica --runs %d"):format(math.max(1, SEEDS // 20))))
  test.matches(text, "%d+ runs, 0 failed\n$")
  test.truthy(ok)
end

test["a seed replays its history exactly, also in another process"] = function()
  local told = {}
  for number = 1, 2 do
    local _, text = finish(start "--seed 17 --runs 1 --tell all")
    told[number] = text
  end
  test.equal(told[1], told[2])
  test.contains(told[1], "CreateKey")
  local _, other = finish(start "--seed 18 --runs 1 --tell all")
  test.truthy(other ~= told[1])
end

test["in some histories operators adopt what was made by hand, and in some a machine is lost with its journal"] = function()
  local _, text = finish(start "--story adopt --seed 6 --runs 1 --tell all")
  for _, line in ipairs { "iam TagRole", "the machine is lost", "CreateAlias" } do test.contains(text, line) end
  test.truthy(not text:find("CreateKey", 1, true))   -- adopting makes no key
end

test["in some histories a cluster begins to use what is being destroyed, and keeps it"] = function()
  local _, text = finish(start "--story race --seed 13 --runs 1 --tell all")
  for _, line in ipairs { "the story: race", "ScheduleKeyDeletion", "CancelKeyDeletion", "1 runs, 0 failed" } do test.contains(text, line) end
end
