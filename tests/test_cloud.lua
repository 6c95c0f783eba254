-- The Cloud API: what is asked, what comes back, how a cluster is found, what is said when it is not.
local json = require "json"
local refusal = require "refusal"
local stand_in = dofile "tests/stand_in.lua"

local ORDERS <const>, BILLING <const> = "8b6d7a10-4c1e-4b7a-9a53-0f2c6e9d41b7", "5e0c94f3-27ab-4d18-8c66-91d3b7a2e5f4"
local ORGANIZATION <const> = { id = "0f4be3a2-6a1c-4d5e-9b7f-2c8d1e6a7f90", label = "exco", name = "Example Co" }
local CLUSTERS <const> = { { id = ORDERS, name = "orders" }, { id = BILLING, name = "billing" },
  { id = "c27f1b88-90d4-4e6b-b1a5-64e8f03d9c12", name = "orders-eu" } }

local function answer(body, status, more)
  more = more or {}
  return stand_in.answer(body, { status = status or 200, headers = more.headers or {}, fault = more.fault, text = more.text })
end

-- A service that has the clusters, or answers as told by "METHOD path".
local function open(answers, environment)
  return stand_in.session(function(request, number)
    local special = answers and answers[request.method .. " " .. request.path]
    if type(special) == "function" then return special(request, number) end
    if special then return special end
    if request.path == "/api/v1/organization" then return answer(ORGANIZATION) end
    if request.path == "/api/v1/clusters" then return answer { clusters = CLUSTERS, pagination = json.null } end
    for _, cluster in ipairs(CLUSTERS) do
      if request.path == "/api/v1/clusters/" .. cluster.id then return answer(cluster) end
    end
    return answer({ code = 5, message = "internal call failed: not found", details = json.array {} }, 404)
  end, environment)
end

local function find(text, answers)
  local here = open(answers)
  return here.run(function() return here.session.cloud.find_cluster(text) end), here
end

-- ---- asking ----

test["a request bears the key and the version, and answers come without what is null or empty"] = function()
  local here = open { ["GET /api/v1/organization"] = answer { id = "o", name = "", label = json.null, list = json.array {},
    more = { deep = json.null }, zero = 0, no = false } }
  test.equal(here.run(function() return here.session.cloud.organization() end), { id = "o", zero = 0, no = false })
  test.equal(here.sent[1].headers, { ["Cc-Version"] = "2024-09-16" })
  test.equal({ here.sent[1].method, tostring(here.sent[1].token) }, { "GET", "****" })
  test.equal(here.endpoints.cloud, { url = "https://cockroachlabs.cloud" })
end

test["a JWT goes with its organization and identity; without the organization, or beside a key, it is refused"] = function()
  local jwt = { COCKROACH_API_KEY = false, COCKROACH_API_JWT = "not-a-real-token", COCKROACH_VANITY_NAME = "exco", COCKROACH_USERNAME = "me" }
  local here = open(nil, jwt)
  here.run(function() return here.session.cloud.organization() end)
  test.equal(here.sent[1].headers, { ["Cc-Version"] = "2024-09-16", ["Cc-Vanity-Name"] = "exco", ["Cc-Username"] = "me" })
  jwt.COCKROACH_VANITY_NAME = false
  here = open(nil, jwt)
  test.contains(stand_in.raised(here, here.session.cloud.organization), "COCKROACH_VANITY_NAME is not")
  here = open(nil, { COCKROACH_API_JWT = "not-a-real-token" })
  test.contains(stand_in.raised(here, here.session.cloud.organization), "are both set")
  test.equal(#here.sent, 0)
end

test["a missing key is told with the variable, where keys come from, and a way to try"] = function()
  local here = open(nil, { COCKROACH_API_KEY = false })
  local raised = stand_in.raised(here, here.session.cloud.organization)
  test.contains(raised, "COCKROACH_API_KEY is not set")
  test.contains(raised.next, "Access Management > Service accounts")
  test.contains(raised.next, "cmek sim -- ")
  test.equal({ raised.exit, #here.sent }, { "credentials", 0 })
end

test["another server is named by COCKROACH_SERVER; one that is no address is refused by that name"] = function()
  test.equal(open(nil, { COCKROACH_SERVER = "http://127.0.0.1:4600/" }).endpoints.cloud, { url = "http://127.0.0.1:4600" })
  local door = require("door").new { world = require("sim.world").new { seed = 1, handle = function() end } }
  local raised = test.raises(function()
    require("session").open { door = door, environment = { COCKROACH_SERVER = "cockroach.example", AWS_CONFIG_FILE = "/dev/null",
      AWS_SHARED_CREDENTIALS_FILE = "/dev/null" } }
  end, "COCKROACH_SERVER: ")
  test.equal(raised.exit, "usage")
end

test["401 is a wrong key and ends with the status of credentials; 403 names the role that lacks"] = function()
  local here = open { ["GET /api/v1/organization"] = answer({ code = 16, message = "unauthenticated" }, 401) }
  local raised = stand_in.raised(here, here.session.cloud.organization)
  test.equal({ raised.exit, raised.kind, raised.code, raised.status }, { "credentials", "credentials", "UNAUTHENTICATED", 401 })
  test.contains(raised.next, "the Cloud does not accept COCKROACH_API_KEY")
  here = open { ["GET /api/v1/clusters/" .. ORDERS .. "/cmek"] = answer({ code = 7, message = "no permission" }, 403) }
  raised = stand_in.raised(here, function() return here.session.cloud.cmek(ORDERS) end)
  test.equal({ raised.exit, raised.kind, raised.code }, { nil, "refused", "PERMISSION_DENIED" })
  test.contains(raised.next, "Cluster Operator")
  test.contains(raised, "cloud GetCMEKClusterInfo: 403 PERMISSION_DENIED: no permission (request r-2)")
end

test["an error without code or with an HTML page is named by its status and the page's words"] = function()
  local here = open { ["GET /api/v1/organization"] = answer(nil, 403, { fault = "line 1: '<'",
    text = "<!DOCTYPE html><html><title>Blocked</title><p>by a proxy</p>" }) }
  local raised = stand_in.raised(here, here.session.cloud.organization)
  test.contains(raised, "403 PERMISSION_DENIED: an HTML page: Blocked by a proxy")
  here = open { ["GET /api/v1/organization"] = answer({}, 418) }
  test.contains(stand_in.raised(here, here.session.cloud.organization), "cloud GetOrganization: 418")
end

test["an answer that is no JSON, no object, or lacks what is needed is refused, after the retries of a read"] = function()
  for complaint, bad in pairs {
    ["the answer is not the JSON that was expected (cut): '{\"id\"'"] = answer(nil, 200, { fault = "cut", text = '{"id"' }),
    ["the answer is string where an object was expected"] = answer "hello",
    ["the answer has no id"] = answer { name = "x" },
  } do
    local here = open { ["GET /api/v1/organization"] = bad }
    test.contains(stand_in.raised(here, here.session.cloud.organization), complaint)
  end
end

test["an answer that sends elsewhere is not followed"] = function()
  local here = open { ["GET /api/v1/organization"] = answer({}, 302, { headers = { location = "https://evil.example/" } }) }
  test.contains(stand_in.raised(here, here.session.cloud.organization), "sends us to 'https://evil.example/'")
  test.equal(#here.sent, 1)
end

-- ---- operations ----

test["clusters come from all pages, and a service that turns in circles is left"] = function()
  local pages = { { clusters = { CLUSTERS[1] }, pagination = { next_page = "p2" } }, { clusters = json.array {}, pagination = { next_page = "p3" } },
    { clusters = { CLUSTERS[2] }, pagination = { next_page = "" } } }
  local here = open { ["GET /api/v1/clusters"] = function(_, number) return answer(pages[number]) end }
  test.equal(#here.run(function() return here.session.cloud.clusters { show_inactive = true } end), 2)
  test.equal(here.sent[3].query, { ["pagination.page"] = "p3", show_inactive = true })
  here = open { ["GET /api/v1/clusters"] = answer { clusters = CLUSTERS, pagination = { next_page = "p2" } } }
  test.contains(stand_in.raised(here, here.session.cloud.clusters), "the same page for ever")
end

test["CMEK that was never enabled is DISABLED, whether the service says so or 404"] = function()
  local path = "GET /api/v1/clusters/" .. ORDERS .. "/cmek"
  for _, reply in ipairs { answer({ code = 5, message = "not found" }, 404), answer { status = "DISABLED", region_infos = json.array {} } } do
    local here = open { [path] = reply }
    test.equal(here.run(function() return here.session.cloud.cmek(ORDERS) end), { status = "DISABLED", region_infos = {} })
  end
end

local function spec(region)
  return { region = region, key_spec = { type = "AWS_KMS", uri = "arn:aws:kms:" .. region .. ":1:key/k", auth_principal = "arn:r" } }
end

test["enabling posts every region once, and is not sent again when its answer is lost"] = function()
  local path = "POST /api/v1/clusters/" .. ORDERS .. "/cmek"
  local here = open { [path] = answer { status = "ENABLING" } }
  test.equal(here.run(function() return here.session.cloud.enable_cmek(ORDERS, { spec "us-east-1", spec "us-west-2" }) end), { status = "ENABLING" })
  test.equal(json.encode(here.sent[1].body), json.encode { region_specs = { spec "us-east-1", spec "us-west-2" } })
  here = open { [path] = function() return nil, "cockroachlabs.cloud: reset", "lost" end }
  local raised = stand_in.raised(here, function() return here.session.cloud.enable_cmek(ORDERS, { spec "us-east-1" }) end)
  test.equal({ raised.kind, #here.sent }, { "lost", 1 })
  test.contains(raised, "whether it was done is not known")
  here = open { [path] = answer({ message = "couldn't lock cluster" }, 503) }
  raised = stand_in.raised(here, function() return here.session.cloud.enable_cmek(ORDERS, { spec "us-east-1" }) end)
  test.equal({ raised.status, #here.sent }, { 503, 1 })
end

test["specifications that would be refused, or mean something else, do not leave"] = function()
  local here = open()
  for complaint, specs in pairs {
    ["stands twice"] = { spec "us-east-1", spec "us-east-1" },
    ["wants a list of region_specs"] = {},
    ["region_specs[1] must have region"] = { { region = "us-east-1", key_spec = { type = "GCP_CLOUD_KMS", uri = "u", auth_principal = "a" } } },
  } do
    test.contains(stand_in.raised(here, function() return here.session.cloud.enable_cmek(ORDERS, specs) end), complaint)
  end
  test.contains(stand_in.raised(here, function() return here.session.cloud.cmek "../../organization" end),
    "a cluster's ID is a UUID, not '../../organization'")
  test.equal(#here.sent, 0)
end

-- ---- finding a cluster ----

test["a cluster is found by name, by UUID in any case, and by the address of its page"] = function()
  test.equal(find("orders").id, ORDERS)
  for _, text in ipairs { ORDERS, ORDERS:upper(), "https://cockroachlabs.cloud/cluster/" .. ORDERS .. "/overview",
    "https://cockroachlabs.cloud/cluster/" .. ORDERS, "https://cockroachlabs.cloud/cluster/" .. ORDERS .. "?tab=1" } do
    local cluster, here = find(text)
    test.equal({ cluster.name, here.sent[1].path, #here.sent }, { "orders", "/api/v1/clusters/" .. ORDERS, 1 })
  end
end

local function not_found(text, answers)
  local here = open(answers)
  local raised = stand_in.raised(here, function() return here.session.cloud.find_cluster(text) end)
  test.truthy(refusal.is(raised, "NOT_FOUND"))
  return tostring(raised), raised
end

test["an unknown name is told with the nearest ones, or with all"] = function()
  test.contains(not_found "ordres", "there is no cluster 'ordres'; did you mean orders (" .. ORDERS .. ")")
  test.contains(not_found "Orders", "did you mean orders")
  test.contains(not_found "payments", "there are orders (" .. ORDERS .. "), billing (" .. BILLING .. "), orders-eu (")
  test.contains(not_found("x", { ["GET /api/v1/clusters"] = answer {} }), "this key sees no cluster at all")
end

test["a cluster that is not found is told without a service's code"] = function()
  test.equal((not_found "zzz"):match "^[^;]*", "looking for the cluster: there is no cluster 'zzz'")
end

test["an unknown UUID is told with the clusters that are there"] = function()
  test.contains(not_found "11111111-2222-3333-4444-555555555555", "there are orders (")
end

test["two clusters of one name are told with their IDs"] = function()
  local twin = { id = BILLING, name = "orders" }
  local text, raised = not_found("orders", { ["GET /api/v1/clusters"] = answer { clusters = { CLUSTERS[1], twin } } })
  test.contains(text, "'orders' is the name of 2 clusters: orders (" .. ORDERS .. "), orders (" .. BILLING .. ")")
  test.contains(raised.next, "name one by its ID: cmek status --cluster ")
end

test["the end of an ID and the organization's label are recognized for what they are"] = function()
  test.contains(not_found "0F2C6E9D41B7", "is the end of an ID: the cluster is orders (" .. ORDERS .. ")")
  for _, text in ipairs { "exco", "Example Co", ORGANIZATION.id } do
    test.contains(not_found(text), ("'%s' is the organization, not a cluster; it has orders"):format(text))
  end
end

test["a long list of candidates is cut"] = function()
  local many = {}
  for i = 1, 30 do many[i] = { id = ("00000000-0000-4000-8000-%012d"):format(i), name = ("c-%d"):format(i) } end
  test.contains(not_found("payments", { ["GET /api/v1/clusters"] = answer { clusters = many } }), "… and 10 more")
end

test["a refusal to list clusters is told as it is, not as a missing cluster"] = function()
  local here = open { ["GET /api/v1/clusters"] = answer({ message = "no" }, 403) }
  test.equal(stand_in.raised(here, function() return here.session.cloud.find_cluster "orders" end).operation, "ListClusters")
end
