-- What TAB offers at the prompt, and what is shown of the call that is being typed.
local complete = require "repl.complete"
local names_cache = require "repl.names_cache"

local function live()
  local cache = names_cache.new()
  cache:belong "210987654321"
  cache:add("cluster", "", { "orders", "orders-one", "ledger" })
  cache:add("role", "", { "crdb-cmek-orders-0123456789ab", "Admin" })
  cache:add("alias", "us-east-1", { "alias/crdb-cmek-orders-0123456789ab-g1", "alias/aws/ebs" })
  cache:add("alias", "eu-west-1", { "alias/crdb-cmek-orders-0123456789ab-g1", "alias/ledger" })
  return cache
end

local function world()
  return { names = { kms = {}, iam = {}, cloud = {}, vault = {}, policy = {}, ensure = function() end, print = print, math = math },
    environment = setmetatable({ mine = { first = { name = "a", state = "b" }, { id = 1 } }, minimum = 3 },
      { __index = function() error "completion asked for a global" end }),
    live = live(), commands = { { ":save", text = "a file" }, { "save-recipe", text = "a recipe" }, ":time", ":trace" },
    list = function(directory) return directory == "." and { "mine.lua", "notes.txt", ".hidden" } or directory == "sub/" and { "a.lua" } or nil end }
end

--- The texts that are offered where "|" stands, or at the end; and where what they replace begins.
local function offered(line)
  local position = (line:find("|", 1, true) or #line + 1) - 1
  line = line:gsub("|", "", 1)
  local start, list = complete.candidates(line, position, world())
  local texts = {}
  for i, candidate in ipairs(list) do texts[i] = candidate.text end
  return texts, start, list
end

local function offers(line, text)
  for _, candidate in ipairs((offered(line))) do
    if candidate == text then return true end
  end
  return false
end

test["globals are offered: those of the library and one's own"] = function()
  test.equal(offered "mi", { "mine", "minimum" })
  test.equal(offered "x = pol", { "policy" })
  test.equal(offered "for i = 1, 2 do pri", { "print" })
end

test["fields are offered by what is known of a table, and by what is in it"] = function()
  local texts, start, list = offered "kms.desc"
  test.equal({ texts, start, list[1].hint }, { { "describe_key" }, 5, "kms.describe_key { region?, KeyId, GrantTokens? }" })
  test.equal(offered "mine.first.", { "name", "state" })
  test.equal(offered "mine[1].i", { "id" })
  test.equal(offered 'mine["first"].na', { "name" })
  test.equal(offered "print(math.flo", { "floor" })
end

test["a service has the functions of its reference, and more than a few"] = function()
  test.truthy(#offered "kms." > 30)
  test.truthy(offers("vault.read_", "read_health"))
end

test["nothing is offered behind a call, whose value nobody knows, nor in a comment"] = function()
  for _, line in ipairs { "kms.list_keys{}.", "f().na", "x = 1 -- kms.", "x = 1 --[[ kms." } do test.equal((offered(line)), {}) end
end

test["parameters of a known function are offered in its table, without those that are given"] = function()
  test.equal(offered "kms.create_alias{ ", { "region = ", "AliasName = ", "TargetKeyId = " })
  test.equal(offered 'kms.create_alias { region = "us-east-1", ', { "AliasName = ", "TargetKeyId = " })
  test.equal(offered 'kms.create_alias({ AliasName = f(1, { 2 }), Tar', { "TargetKeyId = " })
  test.truthy(offers("policy.cmek { ", "role = "))
end

test["what a kind of thing wants is offered, and the arguments of a recipe"] = function()
  test.truthy(offers('ensure("key", { ', "region = "))
  test.truthy(offers('ensure("role", { cluster = c, ', "trust = "))
  test.equal(offered 'ensure("key", { generat', { "generation = " })
  test.truthy(offers('plan("console", { ', "cluster = "))
  test.equal(offered 'ensure("tran', { "transit_key" })
  test.equal(offered 'ensure "transit', { "transit_key" })
end

test["a value is offered where a field has few, in quotes where none are typed"] = function()
  test.equal(offered 'kms.create_key { Origin = "AWS_', { "AWS_CLOUDHSM", "AWS_KMS" })
  test.equal(offered "kms.create_key { MultiRegion = ", { "true", "false" })
  test.truthy(offers("kms.create_key { Origin = ", '"EXTERNAL"'))
end

test["regions are offered"] = function()
  test.equal(offered 'kms.list_keys { region = "us-', { "us-east-1", "us-east-2", "us-west-1", "us-west-2" })
end

test["live names are offered where their kind belongs, of the region that is named"] = function()
  test.equal(offered 'iam.get_role { RoleName = "crdb', { "crdb-cmek-orders-0123456789ab" })
  test.equal(offered 'iam.get_role "crdb', { "crdb-cmek-orders-0123456789ab" })
  test.equal(offered 'read("cluster", "ord', { "orders", "orders-one" })
  test.equal(offered 'cloud.find_cluster "led', { "ledger" })
  test.equal(offered 'plan("console", { cluster = "ord', { "orders", "orders-one" })
  test.equal(offered 'kms.describe_key { region = "us-east-1", KeyId = "alias/', { "alias/aws/ebs", "alias/crdb-cmek-orders-0123456789ab-g1" })
  test.equal(offered 'kms.describe_key { KeyId = "alias/', { "alias/aws/ebs", "alias/crdb-cmek-orders-0123456789ab-g1", "alias/ledger" })
end

test["files are offered where a file is named"] = function()
  test.equal(offered ":save no", { "notes.txt" })
  test.equal(offered ":save-recipe sub/", { "sub/a.lua" })
  test.equal(offered 'require "mi', { "mine" })
  test.equal(offered 'load("', { "mine.lua", "notes.txt" })
end

test["commands are offered, and what follows them"] = function()
  test.equal(offered ":sa", { ":save", ":save-recipe" })
  test.equal(offered ":trace o", { "on", "off" })
  local texts, start = offered ":time kms.desc"
  test.equal({ texts, start }, { { "describe_key" }, 11 })
  test.equal(offered ":help kms.describe", { "kms.describe_key" })
  test.equal(offered "?kms.describe", { "kms.describe_key" })
end

test["what stands behind the cursor does not count"] = function()
  test.equal(offered "kms.desc| { region = 1 }", { "describe_key" })
  test.equal(offered "mi|ne.first", { "mine", "minimum" })
end

test["a chunk of several lines is completed where it is"] = function()
  test.equal(offered 'ensure("key", {\n  cluster = cluster, -- "of ours"\n  reg', { "region = " })
end

test["nothing that is half typed raises, wherever the cursor is"] = function()
  local line = 'x = ensure("key", { cluster = read("cluster", "or"), [1] = kms.list_keys{region=[[us]]}, y = mine[1].id .. \'a\\\'b\' }) -- done'
  for position = 0, #line do
    complete.candidates(line, position, world())
    complete.signature(line, position, world())
  end
  for _, odd in ipairs { ")", "]]", "}}}", "a..", "::x", "1..", '"\\', "[==[", "{[", "a.b.c(", ":", ":save", "?", "=", ".x", "a:", "f{=", "--[" } do
    complete.candidates(odd, #odd, world())
    complete.signature(odd, #odd, world())
  end
end

test["no metamethod runs while a line is completed"] = function()
  local asked = 0
  local here = world()
  here.environment.trap = setmetatable({}, { __index = function() asked = asked + 1 end, __pairs = function() asked = asked + 1 end })
  complete.candidates("trap.x.", 7, here)
  complete.candidates("trap.", 5, here)
  test.equal(asked, 0)
end

local function signature(line) return complete.signature(line, #line, world()) end

test["the arguments of the call that is being typed are shown"] = function()
  test.equal(signature "kms.create_alias { ", "kms.create_alias { region?, AliasName, TargetKeyId }")
  test.equal(signature 'kms.create_alias { AliasName = "x", ', "kms.create_alias { region?, TargetKeyId }")
  test.equal(signature 'kms.list_keys { region = "', "kms.list_keys region: string, which region is asked")
  test.equal(signature 'ensure("key", { rotation = ', "ensure key rotation: integer, days")
  test.truthy(signature("ensure("):find('ensure(kind, want)  kind: string, "key"', 1, true))
  test.truthy(signature('ensure("key", '):find("want: table", 1, true))
  test.equal(signature "print(", "print(...)")
  test.equal({ signature "nosuch(" or 0, signature "x = 1" or 0, signature ":nosuch " or 0 }, { 0, 0, 0 })
  test.equal(signature ":save ", ":save  a file")
  test.equal(signature ":time kms.list_keys { region = ", "kms.list_keys region: string, which region is asked")
end

test["of a function whose arguments are not described it is shown what it does"] = function()
  test.matches(signature "string.rep(", "^string.rep  %u")
  test.equal(signature "select(", "select(n, ...)")
end

test["of what is at hand the value is seen at a glance, and none of it is called"] = function()
  local here = world()
  here.environment = { v = setmetatable({ name = "or\27[2J", long = ("x"):rep(100), list = { 1, 2 }, none = {}, part = { a = 1 }, count = 3 },
    { __tostring = error, __len = error, __pairs = error }) }
  local _, list = complete.candidates("v.", 2, here)
  local hints = {}
  for i, candidate in ipairs(list) do hints[i] = candidate.text .. " " .. candidate.hint end
  test.equal(hints, { "count 3", "list { 2 }", 'long "' .. ("x"):rep(38) .. "…", 'name "or\\027[2J"', "none {}", "part {…}" })
end

test["what all candidates have in common is known"] = function()
  test.equal(complete.common { { text = "orders" }, { text = "orders-one" } }, "orders")
  test.equal({ complete.common {}, complete.common { { text = "é" }, { text = "è" } } }, { "", "" })
end

-- ---- names that are kept ----

test["names are learned from answers, by account and region"] = function()
  local cache = names_cache.new()
  local cloud = cache:watch("cloud", { clusters = function() return {
    { name = "orders", cloud_provider = "AWS", regions = { { name = "us-east-1" } } },
    { name = "carts", cloud_provider = "GCP", regions = { { name = "us-east1" } } } } end })   -- no region of a service of AWS
  local kms = cache:watch("kms", { list_aliases = function() return { Aliases = { { AliasName = "alias/a" }, { AliasName = "alias/b" } } } end })
  local sts = cache:watch("sts", { get_caller_identity = function() return { Account = "210987654321" } end })
  cloud.clusters()
  sts.get_caller_identity()
  kms.list_aliases { region = "eu-west-1" }
  test.equal({ cache.account, cache:find("cluster", ""), cache:find("region", ""), cache:find("alias", "alias/", "eu-west-1") },
    { "210987654321", { "carts", "orders" }, { "eu-west-1", "us-east-1" }, { "alias/a", "alias/b" } })
  cache:belong "109876543210"
  test.equal({ cache:find("cluster", ""), cache:find("alias", "") }, { {}, {} })
end

test["an answer that makes no sense is passed on and teaches nothing"] = function()
  local cache = names_cache.new()
  local iam = cache:watch("iam", { get_role = function() return 1, "two" end, list_roles = function() error("refused", 0) end })
  test.equal({ iam.get_role { RoleName = "x" } }, { 1, "two" })
  test.equal({ pcall(iam.list_roles) }, { false, "refused" })
  test.equal({ cache:find("role", ""), rawequal(iam.get_role, iam.get_role) }, { {}, true })
end

test["of many names the first are offered, and the last, so that what they have in common is right"] = function()
  local cache, many = names_cache.new(), {}
  for i = 1, 5000 do many[i] = ("orders-%04d"):format(i) end
  cache:add("cluster", "", many)
  local list = cache:find("cluster", "orders-")
  test.equal({ #list, list[1], list[30], list[31] }, { 31, "orders-0001", "orders-0030", "orders-5000" })
  test.equal({ cache:find("cluster", "orders-4999"), cache:find("cluster", "p"), cache:find("cluster", "orders-50000") },
    { { "orders-4999" }, {}, {} })
end

test["names are read in tasks that nobody waits for, and what is refused is not told"] = function()
  local cache, daemons = names_cache.new(), {}
  local session = { tasks = { daemon = function(fn) daemons[#daemons + 1] = fn end },
    cloud = { clusters = function() return { { name = "orders" } } end }, iam = { list_roles = function() error "denied" end },
    kms = { list_aliases = function(given) return { Aliases = { { AliasName = "alias/" .. given.region } } } end } }
  cache:read(session, { "us-east-1" })
  test.equal(cache:find("cluster", ""), {})   -- nothing was waited for
  for _, fn in ipairs(daemons) do fn() end
  test.equal({ #daemons, cache:find("cluster", ""), cache:find("alias", "", "us-east-1"), cache:find("role", "") },
    { 3, { "orders" }, { "alias/us-east-1" }, {} })
end

test["names that a whole list no longer holds are forgotten, and what other prompts keep meanwhile is not lost"] = function()
  local directory = test.directory() .. "/names"
  local function prompt()
    local cache = names_cache.open(directory)
    cache:belong "210987654321"
    return cache
  end
  local first = prompt()
  first:add("alias", "us-east-1", { "alias/gone", "alias/here" })
  first:add("role", "", { "gone", "here" })
  first:save()
  local second, third = prompt(), prompt()
  second:learn("iam", "list_roles", nil, { Roles = { { RoleName = "here" } } })
  second:learn("kms", "list_aliases", { region = "us-east-1" }, { Aliases = { { AliasName = "alias/here" } } })
  third:learn("kms", "list_aliases", { region = "us-east-1", KeyId = "k" }, { Aliases = {} })   -- of one key
  third:learn("cloud", "clusters", nil, { { name = "orders" } })
  test.equal({ second:find("role", ""), third:find("alias", "") }, { { "here" }, { "alias/gone", "alias/here" } })
  third:save()
  second:save()
  local fourth = prompt()
  test.equal({ fourth:find("role", ""), fourth:find("alias", ""), fourth:find("cluster", "") }, { { "here" }, { "alias/here" }, { "orders" } })
end

test["names are kept for the next prompt, readable by their owner alone; a file that is none is left alone"] = function()
  local directory = test.directory() .. "/names"
  local cache = names_cache.open(directory)
  cache:belong "210987654321"
  cache:add("alias", "eu-west-1", { "alias/b", "alias/a" })
  cache:save()
  local path = directory .. "/names.json"
  test.equal(require("file").stat(path).mode & 511, 384)   -- 0600
  local again = names_cache.open(directory)
  test.equal(again:find("alias", ""), {})   -- nobody knows yet whose they are
  again:belong "210987654321"
  test.equal(again:find("alias", "", "eu-west-1"), { "alias/a", "alias/b" })
  for _, text in ipairs { "{", '{"accounts":1}', '{"accounts":{"1":{"alias":[1]}}}' } do
    require("file").write(path, text)
    local third = names_cache.open(directory)
    third:belong "1"
    test.equal(third:find("alias", ""), {})
  end
end
