-- A cluster with CMEK grows: keys first, one request with the complete map, then both waits; and what may come between.
local json = require "json"
local json_schema = dofile "tests/json_schema.lua"
local names = require "names"
local operator = dofile "tests/operator.lua"
local outside = dofile "tests/outside.lua"

local ADD <const> = { add = { "ap-southeast-2=5" } }

-- The cluster orders with CMEK, made by these arguments of console; `asked` are the bodies of what the Cloud was asked to change.
local function enabled(arguments, options)
  local who = operator.open(options)
  local given = { enable = true }
  for name, value in pairs(arguments or {}) do given[name] = value end
  local report, status = operator.run(who, "console", { arguments = given })
  test.equal({ status, report.error }, { 0 })
  who.asked, who.fails = {}, {}
  local handle = who.world.handle
  who.world.handle = function(request)
    if request.method == "PATCH" or request.method == "PUT" then table.insert(who.asked, json.decode(request.body)) end
    if who.meanwhile and request.method == "PATCH" then who.meanwhile() end
    return handle(request)
  end
  return who
end

local function cluster(who)
  for _, one in ipairs(who.simulation.state.cloud.clusters) do
    if one.name == "orders" then return one end
  end
end

local function add(who, options)
  options = options or {}
  options.arguments = options.arguments or ADD
  return operator.run(who, "add-region", options)
end

local function added(who, options)
  local report, status = add(who, options)
  test.equal({ status, report.error }, { 0 })
  return report
end

local function regions(who)
  local map = {}
  for _, region in ipairs(cluster(who).regions) do map[region.name] = region.node_count end
  return map
end

local function keys_in(who, region)
  return #(who.simulation.state.aws[operator.ACCOUNT].kms[region] or { keys = {} }).keys
end

local function reasons(who)
  local list = {}
  for _, event in ipairs(who.events) do list[#list + 1] = event.reason or event.text end
  return table.concat(list, "\n")
end

-- A region that somebody else adds, or takes out, in the Cloud Console.
local function region_of_others(who, name, spec)
  local one = cluster(who)
  table.insert(one.regions, require("sim.clusters").region(one, name, 3))
  spec = spec or one.cmek.region_infos[1].key_infos[1].spec
  table.insert(one.cmek.region_infos, { region = name, status = "ENABLED", key_infos = json.array { { status = "ENABLED", spec = spec,
    user_message = "", created_at = "2026-01-10T08:00:00Z", updated_at = "2026-01-10T08:00:00Z" } } })
end

-- The way -----------------------------------------------------------------------------------------------------------------

test["a region is added: its key is made first, and the Cloud is given all regions with their nodes and the new key alone"] = function()
  local who = enabled()
  cluster(who).regions[1].node_count = 7
  local log = operator.log(who)
  local report = added(who)
  local made, patched
  for i, line in ipairs(log) do
    made = made or line == "kms CreateAlias ap-southeast-2" and i
    patched = patched or line == "cloud UpdateCluster" and i
  end
  test.truthy(made < patched)
  local key, role = operator.key(who, "ap-southeast-2"), operator.role(who)
  test.equal(who.asked, { { dedicated = { region_nodes = { ["ap-southeast-2"] = 5, ["eu-west-1"] = 3, ["us-east-1"] = 7, ["us-west-2"] = 3 },
    cmek_region_specs = { { region = "ap-southeast-2", key_spec = { type = "AWS_KMS", uri = key.Arn, auth_principal = role.Arn } } } } } })
  test.equal(report.handover.region_specs, who.asked[1].dedicated.cmek_region_specs)
  test.equal({ regions(who)["ap-southeast-2"], cluster(who).state, cluster(who).cmek.status }, { 5, "CREATED", "ENABLED" })
  test.equal(report.cmek, { status = "ENABLED", uses = "all" })
  test.contains(reasons(who), "has grown into ap-southeast-2 (about half an hour a region)")
end

test["several regions are added by one request, and a cluster of one grows to three"] = function()
  local who = operator.open { confirm = "orders-one" }
  operator.run(who, "console", { arguments = { cluster = "orders-one", enable = true } })
  local log = operator.log(who)
  added(who, { arguments = { cluster = "orders-one", add = { "us-west-2=3", "eu-west-1=3" } } })
  local count = 0
  for _, line in ipairs(log) do count = count + (line == "cloud UpdateCluster" and 1 or 0) end
  test.equal(count, 1)
end

test["afterwards it has nothing to do, verify of it and of console find nothing, and destroy takes no region out"] = function()
  local who = enabled()
  added(who)
  who.world.now = who.world.now + 400
  test.equal({ added(who).summary.unchanged, #who.asked }, { 2, 1 })
  for _, word in ipairs { "add-region", "console" } do
    local report, status = operator.run(who, word, { mode = "verify", arguments = word == "add-region" and ADD or nil })
    test.equal({ word, status, report.findings }, { word, 0, {} })
  end
  local report, status = add(who, { mode = "destroy" })
  test.equal({ status, #report.deleted }, { 1, 0 })
end

test["verify of a region that is not there, or has another number of nodes, is a finding"] = function()
  local who = enabled()
  local report, status = add(who, { mode = "verify" })
  test.equal(status, 6)
  local found = {}
  for _, finding in ipairs(report.findings) do found[finding.id] = finding.mend end
  test.contains(found["cluster_regions.exists"], "cmek run add-region --cluster orders --add ap-southeast-2=5")
  added(who)
  report = add(who, { mode = "verify", arguments = { add = { "ap-southeast-2=4" } } })
  test.equal({ report.findings[1].id, report.findings[1].have, #report.findings }, { "cluster_regions.nodes", 5, 1 })
end

test["the plan marks the request, says what it costs, and shows it; without the cluster's name typed nothing is made"] = function()
  local who = enabled(nil, { confirm = "orders" })
  local plan = add(who, { mode = "plan", requests = true })
  test.equal(json_schema.complaint(json.decode(json.encode(plan))), nil)
  test.equal({ plan.steps[2].name, plan.steps[2].action, plan.steps[2].irreversible }, { "orders +ap-southeast-2=5", "create", true })
  test.contains(plan.steps[2].reason, "nodes are paid for")
  local last = plan.requests[#plan.requests]
  test.equal({ last.operation, last.method, last.parameters.dedicated.region_nodes["us-east-1"] }, { "UpdateCluster", "PATCH", 3 })
  local other = operator.beside(who, { who = who.simulation.accounts[1], confirm = "another" })
  local report, status = add(other)
  test.equal({ status, report.run.status, keys_in(who, "ap-southeast-2"), #who.asked }, { 1, "declined", 0, 0 })
end

-- What cannot be ------------------------------------------------------------------------------------------------------------

local function refused(who, arguments, words)
  local raised = test.raises(function() add(who, { mode = "plan", arguments = arguments }) end, words)
  test.equal({ #who.asked, keys_in(who, "ap-southeast-2") }, { 0, 0 })
  return raised
end

test["a region that the Cloud does not offer, one named twice, and two regions in all are refused, and what would do is named"] = function()
  local who = enabled()
  refused(who, { add = { "ap-southeast-9=3" } }, "offers no region ap-southeast-9 on AWS; did you mean ap-southeast-")
  refused(who, { add = { "ap-southeast-2=3", "ap-southeast-2=4" } }, "--add names ap-southeast-2 twice")
  local one = operator.open { confirm = "orders-one" }
  one.asked = {}
  operator.run(one, "console", { arguments = { cluster = "orders-one", enable = true } })
  local raised = refused(one, { cluster = "orders-one", add = { "ap-southeast-2=3" } }, "it would have two regions")
  test.equal(raised.situation, "cluster.shape")
end

test["two nodes, no nodes and no region at all are errors of the command line"] = function()
  for _, text in ipairs { "ap-southeast-2=2", "ap-southeast-2", "ap-southeast-2=three", "=3", "Sydney=3" } do
    test.equal({ text, require("shapes").wanted("region_nodes", text) ~= nil }, { text, true })
  end
  test.equal(require("shapes").wanted("region_nodes", "ap-southeast-2=3"), nil)   -- the control
  local result = outside.simulated '"$CMEK" plan add-region --cluster orders; "$CMEK" plan add-region --cluster orders --add x=1; echo $?'
  test.contains(result.errors, "--add is missing")
  test.contains(result.errors, "REGION=NODES with at least 3 nodes")
  test.contains(result.output, "2\n")
end

test["without CMEK, and while it is revoked, no region is added"] = function()
  local who = operator.open()
  who.asked = {}
  test.equal(refused(who, ADD, "CMEK is not enabled (DISABLED)").situation, "cmek.not-enabled")
  who = enabled()
  local one = cluster(who)
  for _, info in ipairs(one.cmek.region_infos) do
    info.status, info.key_infos[1].status = "REVOKED", "REVOKED"
  end
  one.cmek.status = "REVOKED"
  local raised = refused(who, ADD, "is revoked (eu-west-1 REVOKED, ")
  test.equal({ raised.situation, raised.commands }, { "cmek.revoked", { "cmek run restore --cluster orders" } })
end

test["a region that is there with another key, without one, or with other nodes is refused, and what is there is named"] = function()
  local who = enabled()
  region_of_others(who, "ap-southeast-2")
  local report, status = add(who, { mode = "plan" })
  test.equal({ status, report.steps[#report.steps].action }, { 1, "refuse" })
  local one = cluster(who)
  table.remove(one.cmek.region_infos)
  report = add(who, { mode = "plan" })
  test.contains(report.steps[2].reason, "the Cloud names no key of it")
  table.remove(one.regions)
  added(who)
  report = add(who, { mode = "plan", arguments = { add = { "ap-southeast-2=9" } } })
  test.contains(report.steps[2].reason, "with 5 nodes and not 9")
end

-- Forms of keys -------------------------------------------------------------------------------------------------------------

test["new keys are of the form of the others: multi-Region, one that all share, a replica of the same primary"] = function()
  local who = enabled { multi_region_key = true }
  added(who)
  test.matches(operator.key(who, "ap-southeast-2").KeyId, "^mrk%-")
  who = enabled { layout = "shared" }
  local shared = cluster(who).cmek.region_infos[1].key_infos[1].spec.uri
  added(who)
  test.equal({ keys_in(who, "ap-southeast-2"), who.asked[1].dedicated.cmek_region_specs[1].key_spec.uri }, { 0, shared })
  who = enabled { layout = "replica" }
  local first = cluster(who).cmek.region_infos[1].key_infos[1].spec.uri:match "[^/]+$"
  added(who)
  test.equal(operator.key(who, "ap-southeast-2").KeyId, first)
end

test["a primary, or a key that all share, is not built on when it is to be deleted"] = function()
  for layout, state in require("sorted") { replica = "PendingReplicaDeletion", shared = "PendingDeletion" } do
    local who = enabled { layout = layout }
    operator.key(who, "eu-west-1").KeyState = state   -- where both layouts have the one that the others hang on
    test.raises(function() add(who, { mode = "plan" }) end, ("%s: "):format(state))
  end
end

test["where the keys' material is Vault's the new region's is too, from a transit key of its own"] = function()
  local transit = dofile "tests/transit.lua"
  local who = operator.open()
  who.vault = transit.new(function(count) return who.world:random(count) end)
  who.session.vault = transit.functions(who.vault)
  local report, status = operator.run(who, "vault-transit", { arguments = { enable = true } })
  test.equal({ status, report.error }, { 0 })
  added(who)
  local key = operator.key(who, "ap-southeast-2")
  test.equal(key.Origin, "EXTERNAL")
  test.truthy(who.vault.keys["transit/" .. names.vault_key(operator.CLUSTER, "ap-southeast-2")])
end

test["where Vault's key management makes the keys it makes the new region's too, through a provider of its own"] = function()
  local who = operator.open { environment = { VAULT_ADDR = "http://127.0.0.1:8200", VAULT_TOKEN = require("sim.vault.state").ROOT_TOKEN } }
  local report, status = operator.run(who, "vault", { arguments = { enable = true } })
  test.equal({ status, report.error }, { 0 })
  report = added(who)
  local kinds = {}
  for i, step in ipairs(report.steps) do kinds[i] = step.kind end
  test.equal(kinds, { "vault_provider", "vault_key", "vault_distribution", "key", "cluster_regions" })
  test.equal({ operator.key(who, "ap-southeast-2").Origin, added(who).summary.unchanged }, { "EXTERNAL", 5 })
end

test["a key that is there is taken by its ARN, whatever the others are"] = function()
  local who = enabled()
  local own = operator.within(who, function(session)
    session.door:region "ap-southeast-2"
    return session.kms.create_key { region = "ap-southeast-2", KeySpec = "SYMMETRIC_DEFAULT", KeyUsage = "ENCRYPT_DECRYPT",
      Tags = { { TagKey = names.TAG_CLUSTER, TagValue = operator.CLUSTER.id } } }.KeyMetadata.Arn
  end)
  added(who, { arguments = { add = ADD.add, key = { own } } })
  test.equal(who.asked[1].dedicated.cmek_region_specs[1].key_spec.uri, own)
end

-- What comes between ----------------------------------------------------------------------------------------------------------

test["a request whose answer is lost is looked up, and not sent again"] = function()
  local who = enabled()
  who.simulation.faults = { { kind = "lost_answer", service = "cloud", operation = "UpdateCluster", count = 1 } }
  added(who)
  test.equal({ #who.asked, regions(who)["ap-southeast-2"] }, { 1, 5 })
end

test["a request of which the Cloud shows nothing is sent once; a later run, which shows it again, sends it anew with the same key"] = function()
  local who = enabled()
  who.simulation.faults = { { kind = "reset", service = "cloud", operation = "UpdateCluster", count = 1 } }
  local report, status = add(who)
  test.equal({ status, report.run.status, report.error.situation, #who.asked }, { 5, "unfinished", "cloud.lost", 1 })
  test.equal(report.error.commands[#report.error.commands], "cmek resume run-1")
  added(who)
  test.equal({ #who.asked, keys_in(who, "ap-southeast-2") }, { 2, 1 })
end

test["a cluster that another job holds is waited for, and what the job has changed goes into the request"] = function()
  local who = enabled()
  local one, since = cluster(who), who.world.now
  one.state, one.operation_status = "LOCKED", "CRDB_SCALE_RUNNING"
  local handle = who.world.handle
  who.world.handle = function(request)
    if who.world.now > since + 60 and one.state == "LOCKED" and not one.job then
      one.state, one.operation_status, one.regions[1].node_count = "CREATED", "UNSPECIFIED", 9
    end
    return handle(request)
  end
  added(who)
  test.equal({ #who.asked, who.asked[1].dedicated.region_nodes["us-east-1"] }, { 1, 9 })
  test.contains(reasons(who), "is locked by another job")
end

-- The first request that makes a key lets something happen before the Cloud is asked.
local function while_keys_are_made(who, fn)
  local handle, done = who.world.handle, false
  who.world.handle = function(request)
    if not done and json.encode(request.headers):find("TrentService.CreateAlias", 1, true) then
      done = true
      fn()
    end
    return handle(request)
  end
  return function() return done end
end

test["a region that somebody else adds meanwhile stays, with its nodes, and is told of"] = function()
  local who = enabled()
  local happened = while_keys_are_made(who, function() region_of_others(who, "ap-south-1") end)
  added(who)
  test.truthy(happened())
  test.equal({ who.asked[1].dedicated.region_nodes["ap-south-1"], #who.asked[1].dedicated.cmek_region_specs }, { 3, 1 })
  test.contains(reasons(who), "ap-south-1 was added by somebody else meanwhile")
end

test["the same region added by somebody else meanwhile, with another key, is left to them: nothing is sent"] = function()
  local who = enabled()
  local happened = while_keys_are_made(who, function() region_of_others(who, "ap-southeast-2") end)
  local report, status = add(who)
  test.truthy(happened())
  test.equal({ status, #who.asked }, { 5, 0 })
  test.contains(report.error.message, "ap-southeast-2 is there already, with arn:aws:kms:eu-west-1")
end

test["the same region added meanwhile by another cmek, with the same key, is waited for and not asked for again"] = function()
  local who = enabled()
  local other = operator.beside(who, { who = who.simulation.accounts[1] })
  local report, status = add(who, { run_id = "run-1" })
  test.equal({ status, report.error }, { 0 })
  local again, done = add(other, { run_id = "run-2" })
  test.equal({ done, again.error, #who.asked, keys_in(who, "ap-southeast-2") }, { 0, nil, 1, 1 })
end

test["a region that was taken out meanwhile ends it: the map that the user saw is not sent"] = function()
  local who = enabled()
  local happened = while_keys_are_made(who, function()
    table.remove(cluster(who).regions, 3)
  end)
  local report, status = add(who)
  test.truthy(happened())
  test.equal({ status, #who.asked }, { 5, 0 })
  test.contains(report.error.message, "is no region of the cluster any more, since the plan was made; nothing was sent")
end

test["a job of the Cloud's that fails is told in its words, and the run is taken up with the key that is made"] = function()
  local who = enabled()
  who.meanwhile = function()
    local one = cluster(who)
    who.meanwhile = nil
    local settle = one
    settle.broken = true
  end
  local handle = who.world.handle
  who.world.handle = function(request)
    local one = cluster(who)
    if one.broken and one.job then
      one.job, one.broken, one.state, one.operation_status = nil, nil, "CREATED", "CRDB_SCALE_FAILED"
      table.remove(one.cmek.region_infos)
      for i = #one.cmek.region_infos, 1, -1 do
        if one.cmek.region_infos[i].region == "ap-southeast-2" then table.remove(one.cmek.region_infos, i) end
      end
    end
    return handle(request)
  end
  local report, status = add(who)
  test.equal({ status, report.error.situation }, { 5, "cluster.not-grown" })
  test.contains(report.error.message, "CRDB_SCALE_FAILED")
end

test["a run that gave one of its regions its key once more is taken up with all of them"] = function()
  local who = enabled()
  local both = { add = { "ap-southeast-2=3", "sa-east-1=3" } }
  local handle = who.world.handle
  who.world.handle = function(request)
    local patch = request.method == "PATCH"
    local answer = handle(request)
    if patch then
      local key = operator.key(who, "sa-east-1")
      key.KeyState, key.Enabled = "Disabled", false
    end
    return answer
  end
  add(who, { arguments = both })
  local key = operator.key(who, "sa-east-1")
  key.KeyState, key.Enabled = "Enabled", true
  who.simulation.choices = { first = 300 }
  local put, cut = false, 1
  who.world.handle = function(request)
    put = put or request.method == "PUT"
    local answer = handle(request)
    if put and request.method == "GET" and cut > 0 then
      cut = cut - 1
      return { status = 400, headers = { { "Content-Type", "application/json" } }, body = '{"code":3,"message":"no"}' }
    end
    return answer
  end
  local other = operator.beside(who, { who = who.simulation.accounts[1] })
  local _, status = add(other, { arguments = both })
  test.equal({ status, who.asked[2].region_specs[1].region }, { 5, "sa-east-1" })
  local entries = require("journal").read(other.disk.text)
  local report, ended = add(operator.beside(who, { who = who.simulation.accounts[1] }), { arguments = both, entries = entries })
  test.equal({ ended, report.error, #report.handover.region_specs }, { 0, nil, 2 })
end

test["a new region whose key the Cloud cannot use is told of, and given its key once more where that is put right"] = function()
  local who = enabled()
  local key
  who.meanwhile = function() who.meanwhile, who.later = nil, true end
  local handle = who.world.handle
  who.world.handle = function(request)
    local answer = handle(request)
    if who.later then
      who.later, key = nil, operator.key(who, "ap-southeast-2")
      key.KeyState, key.Enabled = "Disabled", false
    end
    return answer
  end
  local report, status = add(who)
  test.equal({ status, report.run.status }, { 5, "unfinished" })
  test.contains(report.error.message, "region ENABLE_FAILED")
  key.KeyState, key.Enabled = "Enabled", true
  added(who)
  test.equal({ #who.asked, who.asked[2].region_specs[1].region, cluster(who).cmek.status }, { 2, "ap-southeast-2", "ENABLED" })
end

test["where some keys are replicas of each other and others are not, a new region gets a key of its own, and that is said"] = function()
  local path = test.directory() .. "/layout.lua"
  assert(require("file").write(path, 'return { ["us-east-1"] = {}, ["us-west-2"] = { replica_of = "us-east-1" }, ["eu-west-1"] = {} }'))
  local who = enabled { layout = path }
  local report = added(who)
  test.truthy(not report.handover.region_specs[1].key_spec.uri:find("mrk-", 1, true))
  test.contains(reasons(who), "the new regions get keys of their own")
end
