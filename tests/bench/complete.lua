-- complete.lua -- how long a completion takes by the number of names that are kept: `cmek test tests/bench/complete.lua` prints ratios of
-- pairs that were run in turn, one a line.
local complete = require "repl.complete"
local names_cache = require "repl.names_cache"

local ROUNDS <const>, TIMES <const> = 31, 200
local LINES <const> = { 'cloud.find_cluster "orders-', 'iam.get_role { RoleName = "orders-0000', "kms.desc" }

local function world(count)
  local cache, names = names_cache.new(), {}
  for i = 1, count do names[i] = ("orders-%05d"):format(i) end
  for _, kind in ipairs { "cluster", "role", "alias" } do cache:add(kind, "", names) end
  return { names = { cloud = {}, iam = {}, kms = {} }, environment = {}, live = cache, commands = {} }
end

local many, few = world(10000), world(10)

local function seconds(here, line)
  local start = os.clock()
  for _ = 1, TIMES do complete.candidates(line, #line, here) end
  return os.clock() - start
end

-- The line of which many names make the most.
local function worst()
  local ratio = 0
  for _, line in ipairs(LINES) do ratio = math.max(ratio, seconds(many, line) / seconds(few, line)) end
  return ratio
end

worst()
for _ = 1, ROUNDS do print(worst()) end
