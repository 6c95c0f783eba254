-- The simulated CockroachDB Cloud: who may ask, pages, and every row of the fact sheet's table of refusals.
local json = require "json"
local cloud = dofile "tests/cloud_client.lua"

local world, ask, get, refused, cluster, cmek = cloud.world, cloud.ask, cloud.get, cloud.refused, cloud.cluster, cloud.cmek
local inside, chain, spec = cloud.inside, cloud.chain, cloud.spec
local CMEK <const>, ORDERS <const> = cloud.CMEK, cloud.ORDERS
local KEY <const>, READER <const>, MEMBER <const> = cloud.KEY, cloud.READER, cloud.MEMBER

-- Reading -------------------------------------------------------------------------------------------------------------

test["the organization has the fixed ID and its answer says which version of the API speaks"] = function()
  local answer = get(world(), "/organization")
  test.equal(answer.body, { id = cloud.ORGANIZATION, label = "exco", name = "Example Co", created_at = "2023-02-01T10:00:00.123456Z" })
  test.equal({ answer.headers["Content-Type"], answer.headers["Cc-Version"] }, { "application/json", "2024-09-16" })
end

test["the clusters are the design's, by name, and one that is asked for is the same"] = function()
  local w = world()
  local list = get(w, "/clusters").body
  local names = {}
  for i, one in ipairs(list.clusters) do names[i] = one.name end
  test.equal(names, { "orders", "orders-creating", "orders-enabled", "orders-gcp", "orders-one", "orders-public" })
  test.equal(list.pagination, json.null)
  test.equal(cluster(w), list.clusters[1])
  test.equal({ list.clusters[1].plan, list.clusters[1].account_id, list.clusters[1].state }, { "ADVANCED", "571234890001", "CREATED" })
  test.truthy(not list.clusters[1].cmek, "the API shows no cmek in a cluster")
end

test["no account of CockroachDB's is a caller's or the mock's, and each cluster has its own"] = function()
  local w, seen = world(), { ["123456789012"] = true }
  for _, user in ipairs(w.simulation.accounts) do seen[user.account] = true end
  for _, one in ipairs(w.simulation.state.cloud.clusters) do
    test.truthy(not seen[one.account_id], one.account_id)
    seen[one.account_id] = true
  end
end

test["clusters come in pages that join to the whole, and the last has no next"] = function()
  local w = world()
  local names, page, pages = {}, nil, 0
  repeat
    local answer = get(w, "/clusters?pagination.limit=4" .. (page and "&pagination.page=" .. page or "")).body
    for _, one in ipairs(answer.clusters) do names[#names + 1] = one.name end
    page, pages = answer.pagination.next_page, pages + 1
    if page == "" then page = nil end
  until not page
  test.equal({ #names, pages, names[6] }, { 6, 2, "orders-public" })
  refused(get(w, "/clusters?pagination.page=nonsense"), 400, 3, "pagination.page")
end

test["clusters are sorted as asked, and deleted ones are shown when asked for"] = function()
  local w = world { clusters = {
    { name = "older", regions = { "us-east-1" }, created_at = "2025-01-01T00:00:00.000000Z" },
    { name = "newer", regions = { "us-east-1" }, created_at = "2026-01-01T00:00:00.000000Z" },
    { name = "gone", regions = { "us-east-1" }, state = "DELETED", created_at = "2024-01-01T00:00:00.000000Z" },
  } }
  local function names(query)
    local list = {}
    for i, one in ipairs(get(w, "/clusters" .. query).body.clusters) do list[i] = one.name end
    return list
  end
  test.equal(names "", { "newer", "older" })
  test.equal(names "?pagination.sort_by=CREATED_AT", { "older", "newer" })
  test.equal(names "?pagination.sort_order=DESC", { "older", "newer" })
  test.equal(names "?show_inactive=true", { "gone", "newer", "older" })
  refused(get(w, "/clusters?pagination.sort_by=SIZE"), 400, 3)
end

test["the regions that AWS clusters may have can be listed"] = function()
  local list = get(world(), "/clusters/available-regions?provider=AWS").body.regions
  test.equal({ #list, list[1].name, list[1].provider }, { 23, "ap-east-1", "AWS" })
end

test["an old version of the API calls the plan by its old name"] = function()
  local answer = get(world(), "/clusters/" .. ORDERS, { add = { { "Cc-Version", "2023-04-10" } } })
  test.equal({ answer.body.plan, answer.headers["Cc-Version"] }, { "DEDICATED", "2023-04-10" })
end

test["a cluster file gives clusters by name and regions alone, the same in every process"] = function()
  local one = require("sim.clusters").complete { name = "payments", regions = { "us-east-2" } }
  test.equal({ one.id, one.account_id, one.regions[1].node_count, one.plan, one.cmek.status },
    { require("sim.clusters").complete({ name = "payments", regions = { "us-east-2" } }).id, one.account_id, 3, "ADVANCED", "DISABLED" })
  test.matches(one.id, "^%x+%-%x+%-4%x+%-a%x+%-%x+$")
  test.matches(one.account_id, "^57%d%d%d%d%d%d%d%d%d%d$")
  test.raises(function() require("sim.clusters").all { { name = "x", region = "us-east-1" } } end, "field 'regions'")
  test.raises(function() require("sim.clusters").all { { name = "x", regions = { "us-east-1" }, colour = "red" } } end, "unknown field 'colour'")
end

-- Refusals, in the order of the checks ------------------------------------------------------------------------------------

test["no bearer, a wrong one and another scheme are 401"] = function()
  local w = world()
  refused(get(w, "/organization", { headers = {} }), 401, 16)
  refused(get(w, "/organization", { key = "nope" }), 401, 16)
  refused(get(w, "/organization", { headers = { { "Authorization", "Basic " .. KEY } } }), 401, 16)
  test.equal(get(w, "/organization").status, 200)
end

test["a key without the role may look at clusters and is refused CMEK with 403"] = function()
  local w = world()
  test.equal(get(w, "/clusters", { key = READER }).status, 200)
  refused(get(w, CMEK, { key = READER }), 403, 7, "CLUSTER_OPERATOR_WRITER")
  refused(ask(w, "POST", CMEK, chain(w), { key = READER }), 403, 7)
  test.equal(get(w, "/organization", { key = MEMBER }).status, 200)
  refused(get(w, "/clusters/" .. ORDERS, { key = MEMBER }), 403, 7)
end

test["an unknown Cc-Version is refused before the path is looked at"] = function()
  refused(get(world(), "/nowhere", { add = { { "Cc-Version", "2020-01-01" } } }), 400, 3, "invalid Cc-Version")
end

test["a body that is no JSON, and an enum that is unknown, are refused with their place"] = function()
  local w = world()
  refused(ask(w, "POST", CMEK, "{"), 400, 3, "proto:")
  refused(ask(w, "PATCH", CMEK, '{"action":"HAHA"}'), 400, 3, 'proto: (line 1:11): invalid value for enum type: "HAHA"')
  local body = { region_specs = json.array { spec("us-east-1", "x", "y", "GCP_KMS") } }
  refused(ask(w, "POST", CMEK, body), 400, 3, 'invalid value for enum type: "GCP_KMS"')
end

test["a cluster ID that is no UUID is 400, an unknown one 404, and so is an unknown path"] = function()
  local w = world()
  refused(get(w, "/clusters/0f2c6e9d41b7"), 400, 3, "invalid cluster_id")
  refused(get(w, "/clusters/11111111-2222-3333-4444-555555555555/cmek"), 404, 5, "11111111-2222-3333-4444-555555555555")
  refused(get(w, "/backups"), 404, 5)
  refused(ask(w, "DELETE", CMEK), 501, 12)
end

test["CMEK of a public cluster is refused, by choice as 403"] = function()
  local w = world()
  local path = ("/clusters/%s/cmek"):format(inside(w, "orders-public").id)
  refused(ask(w, "POST", path, chain(w)), 400, 9, "private Advanced")
  w.simulation.choices = { not_private = 403 }
  refused(ask(w, "POST", path, chain(world())), 403, 7)
  inside(w).plan = "STANDARD"
  refused(ask(w, "POST", CMEK, chain(world())), 403, 7)
end

test["a key type of another cloud, and NULL_KMS, are refused"] = function()
  local w = world()
  local path = ("/clusters/%s/cmek"):format(inside(w, "orders-gcp").id)
  local body = { region_specs = json.array { spec("us-east1", "arn:aws:kms:us-east-1:210987654321:key/x", "y") } }
  refused(ask(w, "POST", path, body), 400, 3, "key type AWS_KMS is not valid for a GCP cluster")
  refused(ask(w, "POST", CMEK, { region_specs = json.array { spec("us-east-1", "x", "y", "NULL_KMS") } }), 400, 3, "NULL_KMS")
end

test["a cluster that is being created or locked is 503, by choice 400; a deleted one 404; a failed one 400"] = function()
  local w = world()
  local path = ("/clusters/%s/cmek"):format(inside(w, "orders-creating").id)
  local body = chain(w)
  refused(ask(w, "POST", path, body), 503, 14, "couldn't lock cluster")
  inside(w).state = "LOCKED"
  refused(ask(w, "POST", CMEK, body), 503, 14)
  w.simulation.choices = { locked = 400 }
  refused(ask(w, "POST", CMEK, body), 400, 3, "couldn't lock cluster")
  inside(w).state = "DELETED"
  refused(ask(w, "POST", CMEK, body), 404, 5)
  inside(w).state = "CREATION_FAILED"
  refused(ask(w, "POST", CMEK, body), 400, 9)
end

test["a specification that lacks something is refused"] = function()
  local w = world()
  local right = spec("us-east-1", "arn:aws:kms:us-east-1:210987654321:key/11111111-2222-3333-4444-555555555555", "arn:aws:iam::210987654321:role/r")
  refused(ask(w, "POST", CMEK, {}), 400, 3, "region_specs is empty")
  refused(ask(w, "POST", CMEK, { region_specs = json.array {} }), 400, 3, "region_specs is empty")
  refused(ask(w, "POST", CMEK, { region_specs = json.array { { region = "us-east-1" } } }), 400, 3, "no key_spec")
  for _, field in ipairs { "uri", "auth_principal" } do
    local body = { region_specs = json.array { spec("us-east-1", right.key_spec.uri, right.key_spec.auth_principal) } }
    body.region_specs[1].key_spec[field] = nil
    refused(ask(w, "POST", CMEK, body), 400, 3, "no " .. field)
  end
end

test["ARNs that are none, or of the wrong kind, are refused"] = function()
  local w = world()
  local uri, role = "arn:aws:kms:us-east-1:210987654321:key/11111111-2222-3333-4444-555555555555", "arn:aws:iam::210987654321:role/path/r"
  for _, bad in ipairs { "11111111-2222-3333-4444-555555555555", "arn:aws:kms:us-east-1:210987654321:alias/x", role, uri .. "0",
    "arn:aws:kms:us-east-1:1:key/11111111-2222-3333-4444-555555555555" } do
    refused(ask(w, "POST", CMEK, { region_specs = json.array { spec("us-east-1", bad, role) } }), 400, 3, "invalid key uri")
  end
  for _, bad in ipairs { uri, "r", "arn:aws:iam::210987654321:user/r", "arn:aws:iam::1:role/r" } do
    refused(ask(w, "POST", CMEK, { region_specs = json.array { spec("us-east-1", uri, bad) } }), 400, 3, "invalid auth_principal")
  end
end

test["a region that is missing, listed twice or not the cluster's is refused, and nothing changes"] = function()
  local w = world()
  local body = chain(w)
  local third = table.remove(body.region_specs)
  refused(ask(w, "POST", CMEK, body), 400, 3, "region 'us-west-2' has no spec")
  table.insert(body.region_specs, body.region_specs[1])
  refused(ask(w, "POST", CMEK, body), 400, 3, "region 'eu-west-1' is listed twice")
  third.region = "sa-east-1"
  body.region_specs[3] = third
  refused(ask(w, "POST", CMEK, body), 400, 3, "region 'sa-east-1' is not a region of the cluster")
  test.equal({ cmek(w).status, cluster(w).state }, { "DISABLED", "CREATED" })
end

test["an eleventh request within a second is 429 with Retry-After, and other keys are not counted"] = function()
  local w = world()
  get(w, "/organization")
  for _ = 2, 10 do test.equal(get(w, "/organization", { pause = 0 }).status, 200) end
  local answer = get(w, "/organization", { pause = 0 })
  refused(answer, 429, 8, "rate limit exceeded")
  test.equal(answer.headers["Retry-After"], "1")
  test.equal(get(w, "/organization", { pause = 0, key = READER }).status, 200)
  test.equal(get(w, "/organization").status, 200)
end

test["GET of cmek before any enable is DISABLED, by choice 404"] = function()
  local w = world()
  test.equal(cmek(w), { status = "DISABLED", region_infos = {} })
  w.simulation.choices = { unset = 404 }
  refused(get(w, CMEK), 404, 5)
end

test["PATCH before any enable is refused; PUT is an enable that wants every region"] = function()
  local w = world()
  refused(ask(w, "PATCH", CMEK, { action = "REVOKE" }), 400, 9)
  local body = chain(w)
  local third = table.remove(body.region_specs)
  refused(ask(w, "PUT", CMEK, body), 400, 3, "has no spec")
  table.insert(body.region_specs, third)
  test.equal(ask(w, "PUT", CMEK, body).body.status, "ENABLING")
end

-- State, log and faults ----------------------------------------------------------------------------------------------------

test["a simulation that goes on from a document finishes what was under way"] = function()
  local w = world()
  ask(w, "POST", CMEK, chain(w))
  local document = json.decode(json.encode(w.simulation:document()))
  test.truthy(not json.encode(document):find("simulatedsimulated", 1, true), "an API key stands in the document")
  local again = world { state = document }
  again.now = w.now + 10
  test.equal({ cmek(again).status, cluster(again).state }, { "ENABLED", "CREATED" })
end

test["orders-enabled is in use by a role and a key of another team, and can be wrapped again"] = function()
  local w = world()
  require("sim.clusters").seed(w.simulation)
  local id = inside(w, "orders-enabled").id
  local info = cmek(w, id)
  test.equal(info.status, "ENABLED")
  local body = { region_specs = json.array { { region = "us-east-1", key_spec = info.region_infos[1].key_infos[1].spec } } }
  test.equal(ask(w, "PUT", ("/clusters/%s/cmek"):format(id), body).status, 200)
  test.equal(#w:call("kms", "ListKeys").Keys, 0)
end

test["a line of the log names the operation and the printable part of the key alone"] = function()
  local w = world()
  get(w, CMEK)
  refused(ask(w, "POST", CMEK, {}), 400, 3)
  get(w, "/organization", { key = "nope" })
  local function line(entry) return { entry.service, entry.operation, entry.principal, entry.status, entry.code, entry.write } end
  test.equal(line(w.entries[1]), { "cloud", "GetCMEKClusterInfo", "CCDB1_SIMULATEDSIMULATED0001", 200, json.null, false })
  test.equal(line(w.entries[2]), { "cloud", "EnableCMEKSpec", "CCDB1_SIMULATEDSIMULATED0001", 400, "INVALID_ARGUMENT", true })
  test.equal(line(w.entries[3]), { "cloud", "GET /api/v1/organization", json.null, 401, "UNAUTHENTICATED", false })
  test.truthy(not json.encode(w.entries[1]):find("simulatedsimulated", 1, true))
end

test["faults on order reach the Cloud: lost after it acted, lost before, a page of a proxy, an error"] = function()
  local w = world()
  local body = chain(w)
  w.simulation.faults = { { kind = "lost_answer", service = "cloud", operation = "EnableCMEKSpec", count = 1 } }
  test.truthy(ask(w, "POST", CMEK, body).response.close)
  test.equal(cmek(w).status, "ENABLED")
  w = world()
  body = chain(w)
  w.simulation.faults = { { kind = "reset", operation = "EnableCMEKSpec", count = 1 },
    { kind = "503html", operation = "GetCluster", status = 502, count = 1 },
    { kind = "error", operation = "GetOrganizationInfo", status = 503, code = "UNAVAILABLE", message = "later", count = 1 } }
  test.truthy(ask(w, "POST", CMEK, body).response.close)
  test.equal(cmek(w).status, "DISABLED")
  local page = get(w, "/clusters/" .. ORDERS)
  test.equal({ page.status, page.headers["Content-Type"], page.text:sub(1, 6) }, { 502, "text/html", "<html>" })
  refused(get(w, "/organization"), 503, 14, "later")
  test.equal(get(w, "/organization").status, 200)
end

test["a simulation without AWS takes every AWS key, and asks whoever it is told to ask"] = function()
  local w = world { only = { cloud = true } }
  local role, uri = "arn:aws:iam::210987654321:role/r", "arn:aws:kms:us-east-1:210987654321:key/11111111-2222-3333-4444-555555555555"
  local path = ("/clusters/%s/cmek"):format(inside(w, "orders-one").id)
  local body = { region_specs = json.array { spec("us-east-1", uri, role) } }
  local asked
  w.simulation.check_access = function(_, one, key_spec)
    asked = { one.name, key_spec.uri }
    return nil, "no"
  end
  refused(ask(w, "POST", path, body), 400, 3)
  test.equal(asked, { "orders-one", uri })
  w.simulation.check_access = nil
  test.equal(ask(w, "POST", path, body).status, 200)
end
