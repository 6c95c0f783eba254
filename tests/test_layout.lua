-- Layouts: which key and role each region uses, checked before anything is made, and what comes of each.
local file = require "file"
local json = require "json"
local operators = dofile "tests/operator.lua"

local REGIONS <const> = { "eu-west-1", "us-east-1", "us-west-2" }
local KEY <const> = "arn:aws:kms:%s:210987654321:key/5b1f7c2e-0d34-4c1e-8f5a-9e7a6b5c4d3e"

local function run(who, layout, options)
  options = options or {}
  options.arguments = options.arguments or {}
  options.arguments.layout = layout
  return operators.run(who, options.recipe or "console", options)
end

local function done(who, layout, options)
  local report, status = run(who, layout, options)
  test.equal({ status, report.error }, { 0 })
  return report
end

-- A file of Lua data.
local function written(text)
  local path = test.directory() .. "/layout.lua"
  assert(file.write(path, text))
  return path
end

-- The words with which a layout is refused; nothing was asked of AWS by then.
local function refused(text)
  local who = operators.open()
  local log = operators.log(who)
  local ok, raised = pcall(run, who, text:find "^return" and written(text) or text, { mode = "plan" })
  test.equal({ ok, raised.exit }, { false, "usage" })
  for _, line in ipairs(log) do test.truthy(not line:find "Create", line) end
  return tostring(raised)
end

local function keys_in(who, region)
  local place = who.simulation.state.aws[operators.ACCOUNT].kms[region]
  return place and #place.keys or 0
end

local function uris(report)
  local list = {}
  for _, spec in ipairs(report.handover.region_specs) do list[spec.region] = spec.key_spec.uri:match ":kms:([^:]*):" end
  return list
end

local OTHERS <const> = '["us-east-1"] = { }, ["us-west-2"] = { }, '

-- Bad input ------------------------------------------------------------------------------------------------------------

test["a layout that misses a region, names one too many, or names one twice is refused by the region's name"] = function()
  test.contains(refused "return { [\"us-east-1\"] = { } }", "it says nothing of us-west-2, eu-west-1: every region of cluster orders must have a key")
  test.contains(refused("return { " .. OTHERS .. '["eu-west-1"] = { }, ["eu-west-9"] = { } }'),
    "cluster orders is not in eu-west-9; it is in us-east-1, us-west-2, eu-west-1; did you mean 'eu-west-1'?")
  test.contains(refused("return { " .. OTHERS .. '["us-east-1"] = { } }'), "'us-east-1' stands there twice")
end

test["what is not data is not run, and the line is named"] = function()
  test.contains(refused "return {\n  [\"us-east-1\"] = os.exit(3),\n}", "line 2: a text, a number, true, false or { … } was expected, not 'os.exit'")
  test.contains(refused "return 5", "is not Lua data")
  test.contains(refused("return { { }, { } }"), "it is a list, and a table of regions is wanted")
  test.contains(refused("return { " .. OTHERS .. '["eu-west-1"] = "own" }'), "eu-west-1 must be a table")
  test.contains(refused("return { " .. OTHERS .. '["eu-west-1"] = { replica = "us-east-1" } }'), "field 'replica'; did you mean 'replica_of'?")
  test.contains(refused "/nowhere/layout.lua", "reading the layout '/nowhere/layout.lua': it cannot be read")
end

test["a name that is none, or a home that the cluster does not have, is told with what there is"] = function()
  test.contains(refused "sharde", "did you mean 'shared'?")
  test.contains(refused "shared:eu-west-7", "cluster orders is not in eu-west-7")
  test.contains(refused "own:us-east-1", "there is none of that name")
end

test["ARNs in the wrong place, of another partition, or of CockroachDB's own account are refused"] = function()
  local function entry(text) return refused("return { " .. OTHERS .. '["eu-west-1"] = { ' .. text .. " } }") end
  test.contains(entry 'key = "arn:aws:iam::210987654321:role/x"', "is the ARN of a role, and that of a key is wanted")
  test.contains(entry('role = "' .. KEY:format "eu-west-1" .. '"'), "is the ARN of a key, and that of a role is wanted")
  test.contains(entry 'key = "arn:aws:kms:eu-west-1:210987654321:alias/mine"', "is an alias: aliases move")
  test.contains(entry('key = "' .. KEY:format("cn-north-1"):gsub("arn:aws:", "arn:aws-cn:") .. '"'), "is of the partition aws-cn")
  test.contains(entry 'key = "arn:aws:kms:eu-west-1:571234890001:key/5b1f7c2e-0d34-4c1e-8f5a-9e7a6b5c4d3e"', "CockroachDB's own account")
  test.contains(entry 'key = "mine"', "is neither the ARN of a key")
  test.contains(entry 'role = "no role!"', "is not the ARN of a role")
  test.contains(entry 'key = "us-east-1", replica_of = "us-east-1"', "has both key and replica_of")
end

test["regions that share or replicate must name one that has a key of its own"] = function()
  local function entries(one, two)
    return refused(('return { ["us-east-1"] = { }, ["us-west-2"] = { %s }, ["eu-west-1"] = { %s } }'):format(one, two))
  end
  test.contains(entries('key = "us-east-1"', 'key = "us-west-2"'), "which has no key of its own (it shares that of us-east-1)")
  test.contains(entries('replica_of = "us-east-1"', 'replica_of = "us-west-2"'), "(its is a replica of us-east-1)")
  test.contains(entries('replica_of = "us-west-2"', ""), "is the region itself")
  test.contains(entries('key = "us-east-9"', ""), "us-west-2.key is 'us-east-9', and the cluster is in")
  test.contains(entries('key = "' .. KEY:format "us-east-1" .. '"', ""), "would each have a key of their own in us-east-1")
end

-- What comes of them ---------------------------------------------------------------------------------------------------

test["own is what is done without --layout"] = function()
  local who = operators.open()
  done(who)
  test.equal(done(who, "own").summary.unchanged, 4)
end

test["shared: one key serves every region; enable, verify, status and destroy know it"] = function()
  local who = operators.open()
  local report = done(who, "shared")
  test.equal({ report.summary.create, uris(report) },
    { 2, { ["eu-west-1"] = "eu-west-1", ["us-east-1"] = "eu-west-1", ["us-west-2"] = "eu-west-1" } })
  done(who, "shared", { recipe = "enable" })
  test.equal(done(who, "shared").summary.unchanged, 2)
  local verified, status = run(who, "shared", { mode = "verify" })
  test.equal({ status, #verified.findings }, { 0, 0 })
  local used = 0
  for _, check in ipairs(verified.checked) do used = used + (check.id == "cluster_cmek.key" and 1 or 0) end
  test.equal(used, 3)
  local destroyed = run(who, "shared", { mode = "destroy" })
  test.contains(destroyed.error.message, "names it for us-west-2")
end

test["shared:REGION says where the key is; one that is not in use is taken back with or without the layout"] = function()
  local who = operators.open()
  test.equal(uris(done(who, "shared:us-west-2"))["us-east-1"], "us-west-2")
  test.equal({ keys_in(who, "us-west-2"), keys_in(who, "us-east-1") }, { 1, 0 })
  local report, status = run(who, nil, { mode = "destroy" })
  test.equal({ status, report.summary.delete }, { 0, 2 })
end

test["a cluster that uses one layout is not moved to another by the way: each region's key in use is named"] = function()
  local who = operators.open()
  done(who, "shared", { arguments = { enable = "true" } })
  local report, status = run(who, "own")
  test.equal({ status, report.summary.refused }, { 1, 2 })
  local reasons = {}
  for _, step in ipairs(report.steps) do
    reasons[#reasons + 1] = step.action == "refuse" and step.reason or nil
    test.equal(step.action ~= "refuse" or step.told.situation, step.action ~= "refuse" or "layout.other")
  end
  test.contains(table.concat(reasons, "\n"), "name the layout that the cluster has, or leave --layout out")
  for _, region in ipairs { "us-east-1", "us-west-2" } do test.equal(keys_in(who, region), 0) end
end

test["a key that some regions use is not handed over for others that use their own: by name, as a file, and by its ARN"] = function()
  local who = operators.open()
  local used = done(who, nil, { arguments = { enable = "true" } }).handover.region_specs
  local arn
  for _, spec in ipairs(used) do arn = spec.region == "eu-west-1" and spec.key_spec.uri or arn end
  local shared = '["us-east-1"] = { key = "%s" }, ["us-west-2"] = { key = "%s" }'
  for _, layout in ipairs { "shared", written("return { " .. shared:format("eu-west-1", "eu-west-1") .. ', ["eu-west-1"] = { } }'),
    written("return { " .. shared:format(arn, arn) .. (', ["eu-west-1"] = { key = "%s" } }'):format(arn)) } do
    local report, status = run(who, layout)
    test.equal({ status, report.summary.refused, report.handover }, { 1, 1, json.null }, layout)
    local step
    for _, one in ipairs(report.steps) do step = one.action == "refuse" and one or step end
    test.contains(step.reason, "in us-east-1 (ENABLED), and a key in eu-west-1 is wanted for it")
    test.equal(step.told.situation, "layout.other")
  end
  local verified, status = run(who, "shared", { mode = "verify" })
  test.equal({ status, #verified.findings }, { 6, 2 })
end

test["without --layout a cluster is gone on with as it is: run, verify and enable say so and find nothing to do"] = function()
  for _, layout in ipairs { "shared:us-west-2", "replica" } do
    local who = operators.open()
    done(who, layout, { arguments = { enable = "true" } })
    local report = done(who)
    test.equal({ report.summary.create, report.summary.change, report.layout }, { 0, 0 })
    test.contains(json.encode(report.warnings), ("the cluster uses its keys in the layout '%s'"):format(layout))
    local verified, status = run(who, nil, { mode = "verify" })
    test.equal({ status, verified.findings }, { 0, json.array {} })
    test.equal(done(who, nil, { recipe = "enable" }).summary.create, 0)
  end
end

test["a file mixes them: a key of its own with a replica, and a region that shares; a role of a region's own is made"] = function()
  local who = operators.open()
  local layout = written [[return {
    ["us-east-1"] = { },
    ["us-west-2"] = { replica_of = "us-east-1" },
    ["eu-west-1"] = { key = "us-east-1", role = "crdb-eu" },   -- from afar
  }]]
  local report = done(who, layout, { arguments = { enable = "true" } })
  test.equal(report.summary.create, 5)
  test.equal(uris(report), { ["us-east-1"] = "us-east-1", ["us-west-2"] = "us-west-2", ["eu-west-1"] = "us-east-1" })
  local function users(region) return json.decode(operators.key(who, region).Policy).Statement[1].Principal.AWS end
  test.equal({ users "us-east-1", users "us-west-2" },
    { { operators.role(who).Arn, operators.role(who, "crdb-eu").Arn }, operators.role(who).Arn })
  test.equal(done(who, layout, { arguments = { enable = "true" } }).summary.unchanged, 5)
  local verified, status = run(who, layout, { mode = "verify" })
  test.equal({ status, #verified.findings }, { 0, 0 })
  local roles = {}
  for _, check in ipairs(verified.checked) do roles[check.id .. " " .. tostring(check.object)] = true end
  test.truthy(roles["role.access crdb-eu"])
end

test["a key that is there is named by its ARN, in another AWS region too, and must be the cluster's"] = function()
  local who = operators.open()
  done(who, "shared:us-west-2")
  local arn = operators.key(who, "us-west-2").Arn
  local layout = written(('return { ["us-east-1"] = { key = "%s" }, ["us-west-2"] = { key = "%s" }, ["eu-west-1"] = { } }'):format(arn, arn))
  local report = done(who, layout)
  test.equal({ report.summary.create, uris(report) },
    { 1, { ["us-east-1"] = "us-west-2", ["us-west-2"] = "us-west-2", ["eu-west-1"] = "eu-west-1" } })
  local stranger = written(('return { ["us-east-1"] = { key = "%s" }, ["us-west-2"] = { }, ["eu-west-1"] = { } }'):format(KEY:format "us-east-1"))
  local _, status = run(operators.open(), stranger)
  test.equal(status, 1)
end

test["status tells the layout in what it prints, what member of a family a key is, and asks no rotation of imported material"] = function()
  local who = operators.open()
  done(who, "replica", { arguments = { enable = "true" } })
  local replica = operators.key(who, "us-west-2")
  replica.KeyState = "Disabled"
  local entry = operators.within(who, function(session) return require("status").chain(session, "orders") end)
  test.equal({ entry.cmek.regions[1].keys[1].aws.multi_region_type, entry.cmek.regions[3].keys[1].aws.multi_region_type }, { "PRIMARY", "REPLICA" })
  test.equal(#entry.due, 1)
  replica.KeyState, operators.key(who, "eu-west-1").KeyRotationEnabled = "Enabled", false
  entry = operators.within(who, function(session) return require("status").chain(session, "orders") end)
  test.equal(entry.due[1].next, "cmek run console --cluster orders --layout replica")
  for _, region in ipairs(REGIONS) do operators.key(who, region).Origin = "EXTERNAL" end
  test.equal(#operators.within(who, function(session) return require("status").chain(session, "orders") end).due, 0)
end

for _, region in ipairs(REGIONS) do
  test["replica:" .. region .. " has its primary there"] = function()
    local who = operators.open()
    done(who, "replica:" .. region)
    test.equal(operators.key(who, region).MultiRegionConfiguration.MultiRegionKeyType, "PRIMARY")
  end
end

-- The drawing, the examples, the stock recipe --------------------------------------------------------------------------

local function drawn(report)
  local output = require("ui.output").new { width = 100 }
  return require("ui.plan").render(report, output)
end

test["a plan draws region, key and role, marks what is slower, and says what stops when a key or a region is lost"] = function()
  local report = run(operators.open(), "shared:us-east-1", { mode = "plan" })
  local text = drawn(report)
  test.contains(text, "layout shared:us-east-1:")
  test.contains(text, "us-west-2  ->  key of us-east-1 (slower: asked of KMS in us-east-1)  ->  crdb-cmek-orders-0f2c6e9d41b7")
  test.contains(text, "no node of the cluster that restarts comes back")
  text = drawn(run(operators.open(), "replica", { mode = "plan" }))
  test.contains(text, "us-west-2  ->  replica of eu-west-1  ->")
  test.contains(text, "without the replica in us-west-2, or KMS there, nodes of us-west-2 that restart do not come back; the other regions")
  test.contains(text, "replicas go on without their primary")
  test.equal(run(operators.open(), nil, { mode = "plan" }).layout, nil)
  test.equal(#run(operators.open(), "own", { mode = "plan" }).layout.losses, 3)
end

test["the layouts that are shipped are data, for the regions that they name"] = function()
  local shipped = require("embedded").list "recipes/layouts/"
  test.truthy(#shipped >= 2)
  for _, path in ipairs(shipped) do
    local data = assert(require("data").read(require("embedded").source(path)))
    local regions = {}
    for region in require("sorted")(data) do regions[#regions + 1] = { name = region } end
    local layout = require("layout").of({ name = "x", regions = regions, account_id = "571234890001" }, data, "aws")
    test.equal(#layout.places, #regions)
    test.equal(require("recipe").source(path:match "^recipes/(.*)%.lua$"), require("embedded").source(path))
  end
end

test["multi-region: its mapping is made, verified, enabled and found again; ejected and edited it is another"] = function()
  local who = operators.open()
  local function at(options)
    options.recipe = options.recipe or "multi-region"
    return run(who, nil, options)
  end
  local report, status = at {}
  test.equal({ status, report.error, report.summary.create }, { 0, nil, 4 })
  test.equal(report.cmek.next, "cmek run multi-region --cluster orders --enable")
  test.equal({ operators.key(who, "us-west-2").KeyId, operators.key(who, "eu-west-1").MultiRegion }, { operators.key(who, "us-east-1").KeyId, false })
  test.equal(select(2, at { arguments = { enable = "true" } }), 0)
  local verified
  verified, status = at { mode = "verify" }
  test.equal({ status, #verified.findings }, { 0, 0 })
  local text, count = require("recipe").source "multi-region":gsub('%["eu%-west%-1"%] = {},', '["eu-west-9"] = {},')
  test.equal(count, 1)
  local path = test.directory() .. "/mine.lua"
  assert(file.write(path, text))
  local ok, raised = pcall(at, { recipe = path, mode = "plan" })
  test.equal(ok, false)
  test.contains(tostring(raised), "reading the layout of the recipe: cluster orders is not in eu-west-9")
end

test["--layout is completed: names, and files of Lua data once a path is begun"] = function()
  local candidates = require "completion.candidates"
  local words, kind = candidates.line { "plan", "console", "--layout", "" }
  test.equal({ words[1][1], words[2][1], words[3][1], kind }, { "own", "shared", "replica" })
  test.equal(select(2, candidates.line { "plan", "console", "--layout", "./" }), ":files .lua")
end

test["the recipe vault makes no replicas and works in one account: that is said before anything is made"] = function()
  test.raises(function() run(operators.open(), "replica", { recipe = "vault", mode = "plan" }) end, "and the recipe 'vault' makes none: Vault's key")
  local layout = written("return { " .. OTHERS .. '["eu-west-1"] = { profile = "security" } }')
  test.raises(function() run(operators.open(), layout, { recipe = "vault", mode = "plan" }) end, "the recipe 'vault' works in one")
  layout = written("return { " .. OTHERS .. '["eu-west-1"] = { key = "' .. KEY:format "eu-west-1" .. '" } }')
  test.raises(function() run(operators.open(), layout, { recipe = "vault", mode = "plan" }) end, "the recipe 'vault' uses none")
end

test["from outside: a run with a layout file is resumed from another directory, and the plan is drawn"] = function()
  local outside = dofile "tests/outside.lua"
  local result = outside.simulated([[
    mkdir "$D/a" && cd "$D/a"
    printf 'return { ["us-east-1"] = {}, ["us-west-2"] = { replica_of = "us-east-1" }, ["eu-west-1"] = { key = "us-east-1" } }' > l.lua
    $CMEK plan console --cluster orders --layout l.lua
    $CMEK run console --cluster orders --layout ./l.lua --yes; echo "ended $?"
    cd / && $CMEK resume --yes; echo "resumed $?"
    $CMEK verify console --cluster orders --layout "$D/a/l.lua"; echo "verified $?"
  ]], { sim = { "--fault", "error service=kms operation=ReplicateKey code=AccessDeniedException count=1" } })
  test.contains(result.text, "eu-west-1  ->  key of us-east-1 (slower: asked of KMS in us-east-1)  ->  crdb-cmek-orders-0f2c6e9d41b7")
  test.contains(result.text, "ended 5")
  test.contains(result.text, "resumed 0")
  test.contains(result.text, "verified 0")
  outside.plain(result.text)
end

-- A key that somebody made, tagged for a cluster.
local function by_hand(who, owner, parameters)
  parameters.region, parameters.Tags = "us-west-2", { { TagKey = "cmek:cluster", TagValue = owner } }
  who.session.door:permit_writes "?"
  return operators.within(who, function(session)
    session.door:region "us-west-2"
    return session.kms.create_key(parameters).KeyMetadata.Arn
  end)
end

test["a key of a file that CMEK cannot use, or that is another cluster's, is refused before anything is made"] = function()
  local own, other = operators.CLUSTER.id, "11111111-2222-4333-8444-555555555555"
  for _, case in ipairs {
    { own, { KeySpec = "RSA_2048", KeyUsage = "ENCRYPT_DECRYPT" }, "has KeySpec RSA_2048, and CMEK needs SYMMETRIC_DEFAULT" },
    { own, { KeySpec = "HMAC_256", KeyUsage = "GENERATE_VERIFY_MAC" }, "has KeySpec HMAC_256" },
    { own, {}, "is Disabled: enable it", "Disabled" },
    { own, {}, "is PendingDeletion: cancel its deletion", "PendingDeletion" },
    { other, {}, "belongs to another cluster, " .. other },
  } do
    local who = operators.open()
    local arn = by_hand(who, case[1], case[2])
    if case[4] then who.simulation.state.aws[operators.ACCOUNT].kms["us-west-2"].keys[1].KeyState = case[4] end
    local layout = written(('return { ["us-east-1"] = { key = "%s" }, ["us-west-2"] = { key = "us-east-1" }, ["eu-west-1"] = { } }'):format(arn))
    local report, status = run(who, layout)
    test.equal({ status, report.summary.refused, operators.role(who), keys_in(who, "eu-west-1") }, { 1, 1, nil, 0 })
    test.contains(report.error.message, case[3])
  end
end

test["a wait for a cluster with replicas is picked up with the Cloud's key alone"] = function()
  local outside = dofile "tests/outside.lua"
  local result = outside.simulated([[
    $CMEK run console --cluster orders --layout replica --yes > /dev/null
    $CMEK run console --cluster orders --layout replica --enable --yes --confirm orders; echo "ended $?"
    unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
    $CMEK resume --yes; echo "resumed $?"
  ]], { sim = { "--fault", "error service=cloud operation=GetCMEKClusterInfo code=X status=400 skip=3 count=1" } })
  test.contains(result.text, "ended 5")
  test.contains(result.text, "resumed 0")
end

-- Keys in use, as a mapping says them --------------------------------------------------------------------------------------------------

local function key(region, id, account) return ("arn:aws:kms:%s:%s:key/%s"):format(region, account or "210987654321", id) end

local function described(list, ways)
  local used = {}
  for i, one in ipairs(list) do
    used[i] = { region = one[1], arn = one[2], role = ("arn:aws:iam::%s:role/%s"):format(one[4] or "210987654321", one[3] or "own") }
  end
  return require("layout").mapping(used, { account = "210987654321", role = "arn:aws:iam::210987654321:role/own" }, ways or {})
end

test["keys in use are described by their regions, and by ARN where nothing else says which key it is"] = function()
  local family = "mrk-11111111222243338444555555555555"
  local one = key("us-east-1", "a1")
  test.equal(described { { "us-east-1", one }, { "us-west-2", one }, { "eu-west-1", key("eu-central-1", "c1") } },
    { ["us-east-1"] = {}, ["us-west-2"] = { key = "us-east-1" }, ["eu-west-1"] = { key = key("eu-central-1", "c1") } })
  local replica = { "us-west-2", key("us-west-2", family), "other" }
  test.equal(described { { "us-east-1", key("us-east-1", family) }, replica, { "eu-west-1", key("eu-west-1", "d1") } },
    { ["us-east-1"] = {}, ["us-west-2"] = { replica_of = "us-east-1", role = "arn:aws:iam::210987654321:role/other" }, ["eu-west-1"] = {} })
end

test["of other accounts what leads there is said; a key that nothing leads to is named by its ARN"] = function()
  local other, theirs = "345678901234", "arn:aws:iam::345678901234:role/theirs"
  local ways = { [other] = { profile = "security" } }
  test.equal(described({ { "us-east-1", key("us-east-1", "a1", other) } }, ways), { ["us-east-1"] = { profile = "security" } })
  test.equal(described { { "us-east-1", key("us-east-1", "a1", other) } }, { ["us-east-1"] = { key = key("us-east-1", "a1", other) } })
  test.equal(described({ { "us-east-1", key("us-east-1", "a1"), "theirs", other } }, ways),
    { ["us-east-1"] = { key = key("us-east-1", "a1"), role = theirs, profile = "security" } })
  test.equal(described({ { "us-east-1", key("us-east-1", "a1", other) }, { "us-west-2", key("us-east-1", "a1", other) } }, ways),
    { ["us-east-1"] = { profile = "security" }, ["us-west-2"] = { key = "us-east-1" } })
end
