-- The recipe rotate, where one key serves several regions, or a multi-Region key has replicas.
local names = require "names"
local operators = dofile "tests/operator.lua"
local rotating = dofile "tests/rotating.lua"
local transit = dofile "tests/transit.lua"

local REGIONS <const>, DAY <const> = rotating.REGIONS, rotating.DAY
local run, done, key_of = rotating.run, rotating.done, rotating.key_of

local function open(recipe, layout)
  local who = operators.open()
  who.vault = transit.new(function(count) return who.world:random(count) end)
  who.session.vault = transit.functions(who.vault)
  local report, status = operators.run(who, recipe, { arguments = { enable = "true", layout = layout } })
  test.equal({ status, report.error }, { 0 })
  who.world.now = who.world.now + 30 * DAY
  return who
end

local function place(who, region) return who.simulation.state.aws[operators.ACCOUNT].kms[region] or { keys = {}, aliases = {} } end

local function uris(report)
  local map = {}
  for _, spec in ipairs(report.handover.region_specs) do map[spec.region] = spec.key_spec.uri end
  return map
end

local function bytes(key) return key.KeyMaterials[1]._bytes end

test["one key for all regions: one new key, given to each of them"] = function()
  local who = open("console", "shared")
  local report = done(who)
  local new = key_of(who, "eu-west-1", 2)
  test.equal(uris(report), { ["us-east-1"] = new.Arn, ["us-west-2"] = new.Arn, ["eu-west-1"] = new.Arn })
  test.equal({ #place(who, "eu-west-1").keys, #place(who, "us-west-2").keys, report.summary.create }, { 2, 0, 1 })
  local verified, status = run(who, { mode = "verify" })
  test.equal({ status, #verified.findings }, { 0, 0 })
end

test["of a shared key some regions may be rotated alone; the others follow later, to the same key"] = function()
  local who = open("console", "shared")
  done(who, { arguments = { only = { "us-west-2" } } })
  local report = done(who, { arguments = { to = "2" } })
  local new = key_of(who, "eu-west-1", 2)
  test.equal({ uris(report)["us-east-1"], #place(who, "eu-west-1").keys }, { new.Arn, 2 })
end

test["replicas: a new multi-Region key, and a replica of it in each region, with the policies in use there"] = function()
  local who = open("console", "replica")
  local old = key_of(who, "us-west-2", 1)
  local report = done(who)
  local primary = key_of(who, "us-east-1", 2)
  for _, region in ipairs(REGIONS) do
    local key = key_of(who, region, 2)
    test.equal({ key.KeyId, key.MultiRegion, key.KeyState, uris(report)[region], #place(who, region).keys },
      { primary.KeyId, true, "Enabled", key.Arn, 2 })
  end
  test.truthy(primary.KeyId ~= old.KeyId)
  test.truthy(require("policy").equal(key_of(who, "us-west-2", 2).Policy, old.Policy))
  test.equal(old.KeyState, "Enabled")
  local verified, status = run(who, { mode = "verify" })
  test.equal({ status, #verified.findings }, { 0, 0 })
end

test["a replica is rotated with its primary: alone it is refused, with what to type; after the primary it follows"] = function()
  local who = open("console", "replica")
  local ok, raised = pcall(run, who, { arguments = { only = { "us-west-2" } } })
  test.equal({ ok, raised.next }, { false, "--only eu-west-1 --only us-west-2, or without --only" })
  done(who, { arguments = { only = { "eu-west-1" } } })
  test.equal(key_of(who, "us-west-2", 2), nil)
  done(who, { arguments = { to = "2" } })
  test.equal(key_of(who, "us-west-2", 2).KeyId, key_of(who, "us-east-1", 2).KeyId)
end

test["replicas with material from transit: the next version is imported into each of them"] = function()
  local who = open("vault-transit", "replica")
  done(who)
  local vault = who.vault.keys["transit/" .. names.vault_key(operators.CLUSTER, "eu-west-1")]
  test.equal(#vault.versions, 2)
  for _, region in ipairs(REGIONS) do
    local key = key_of(who, region, 2)
    test.equal({ key.KeyState, bytes(key) == vault.versions[2], bytes(key_of(who, region, 1)) == vault.versions[1] }, { "Enabled", true, true })
  end
  test.equal(run(who, { mode = "verify" }).findings, require("json").array {})
end

test["regions that use roles of their own are rotated together, each with its own"] = function()
  local path = test.directory() .. "/layout.lua"
  assert(require("file").write(path, 'return { ["us-east-1"] = { role = "crdb-one" }, ["us-west-2"] = { key = "us-east-1", role = "crdb-two" }, '
    .. '["eu-west-1"] = { } }'))
  local who = open("console", path)
  local function roles(report)
    local map = {}
    for _, spec in ipairs(report.handover.region_specs) do map[spec.region] = spec.key_spec.auth_principal:match "[^/]+$" end
    return map
  end
  local wanted = { ["us-east-1"] = "crdb-one", ["us-west-2"] = "crdb-two", ["eu-west-1"] = names.role(operators.CLUSTER) }
  local plan = run(who, { mode = "plan" })
  test.equal({ plan.summary.create, plan.summary.change, plan.summary.refused }, { 2, 1, 0 })
  local report = done(who)
  test.equal({ roles(report), uris(report)["us-west-2"] }, { wanted, key_of(who, "us-east-1", 2).Arn })
  for _, info in ipairs(who.simulation.state.cloud.clusters) do test.truthy(info.name ~= "orders" or info.cmek.status == "ENABLED") end
  local verified, status = run(who, { mode = "verify" })
  test.equal({ status, #verified.findings }, { 0, 0 })
end

test["the same keys anew: KMS rotates a primary once, and its replicas with it"] = function()
  local who = open("console", "replica")
  local log = operators.log(who)
  done(who, { arguments = { rewrap = "true", on_demand = "true" } })
  local found = 0
  for _, line in ipairs(log) do found = found + (line:find("kms RotateKeyOnDemand", 1, true) and 1 or 0) end
  test.equal(found, 1)
end

test["a key that two clusters share: the one whose it is rotates away from it and leaves it be; the other is told why it cannot"] = function()
  local who = open("console", "own")
  local of = {}
  for _, cluster in ipairs(who.simulation.state.cloud.clusters) do of[cluster.name] = cluster end
  local infos = {}
  for _, info in ipairs(of.orders.cmek.region_infos) do infos[#infos + 1] = info.region == "us-east-1" and info or nil end
  of["orders-one"].cmek = require("json").decode(require("json").encode { status = "ENABLED", region_infos = infos })
  for recipe, arguments in pairs { rotate = {}, ["add-region"] = { add = { "eu-central-1=3", "ap-southeast-2=3" } } } do
    arguments.cluster = "orders-one"
    local ok, raised = pcall(operators.run, who, recipe, { arguments = arguments })
    test.equal({ recipe, ok, raised.situation, raised.commands }, { recipe, false, "cluster.shared", { "cmek status" } })
    test.contains(raised.message, "belongs to another cluster, " .. operators.CLUSTER.id)
  end
  done(who)
  test.equal({ key_of(who, "us-east-1", 1).KeyState, key_of(who, "us-east-1", 2).KeyState }, { "Enabled", "Enabled" })
end

test["a key that KMS has rotated on demand as often as it does is told in the plan, with the ways that are left"] = function()
  local who = open("console", "own")
  local ask = { arguments = { rewrap = "true", on_demand = "true", only = { "us-east-1" } } }
  for _ = 1, 25 do
    operators.within(who, function(session)
      session.kms.rotate_key_on_demand { region = "us-east-1", KeyId = key_of(who, "us-east-1", 1).KeyId }
    end)
  end
  done(who, { arguments = { rewrap = "true" } })   -- the Cloud has the last of them
  local report, status = run(who, ask)
  test.equal({ status, report.summary.refused }, { 1, 1 })
  test.contains(report.error.message, "on demand 25 times")
  done(who, { arguments = { rewrap = "true" } })
end
