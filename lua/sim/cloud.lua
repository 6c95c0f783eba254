--- The simulated CockroachDB Cloud API: organization, clusters and their CMEK, over `simulation.state.cloud`.
---
---   state.cloud = { organization = {…}, clusters = { Cluster with its `cmek`, and `job` while one runs }, _keys = { API keys } }
---   cloud.new_state(list) makes one; cloud.handle(simulation, request, entry) answers; cloud.settle(simulation) does what has come
---   due, and is to be called before any other service looks at or changes the state too, so that each moment sees what it had.
---
--- Checks come in the order of facts/cockroach-cloud.md, section 7. What the real service leaves open is in CHOICES.
local cmek = require "sim.cmek"
local clusters = require "sim.clusters"
local crypto = require "crypto"
local faults = require "sim.faults"
local json = require "json"
local refusal = require "sim.cloud_refusal"
local sorted = require "sorted"

local M = {}

--- What nobody outside knows, and the timings; `simulation.choices` overrides single ones.
local CHOICES <const> = {
  first = 0.5,         -- seconds from an accepted change to its first region
  each = 0.2,          -- and from region to region
  unset = 200,         -- GET of cmek before any enable: 200 or 404
  already = 400,       -- POST when enabled: 400 or 409
  locked = 503,        -- a cluster held by another job: 503 or 400
  not_private = 400,   -- not Advanced or public: 400 or 403
  page = 100,          -- page size where the request names none
  rate = 10,           -- requests a second and key
}

--- The API keys that there are: what a client sends, and the roles of its service account.
M.KEYS = {
  { secret = "CCDB1_SIMULATEDSIMULATED0001_simulatedsimulatedsimulatedsimulated0001", roles = { "ORG_MEMBER", "CLUSTER_OPERATOR_WRITER" } },
  { secret = "CCDB1_SIMULATEDSIMULATED0002_simulatedsimulatedsimulatedsimulated0002", roles = { "ORG_MEMBER", "CLUSTER_DEVELOPER" } },
  { secret = "CCDB1_SIMULATEDSIMULATED0003_simulatedsimulatedsimulatedsimulated0003", roles = { "ORG_MEMBER" } },
}

local READERS <const> = { "ORG_ADMIN", "CLUSTER_ADMIN", "CLUSTER_OPERATOR_WRITER", "CLUSTER_DEVELOPER", "FOLDER_ADMIN", "FOLDER_MOVER",
  "METRICS_VIEWER", "CLUSTER_MONITOR" }
local OPERATORS <const> = { "CLUSTER_ADMIN", "CLUSTER_OPERATOR_WRITER" }
local MEMBERS <const> = { "ORG_MEMBER", "ORG_ADMIN" }

local LATEST <const> = "2024-09-16"
local VERSIONS <const> = { ["2022-03-31"] = true, ["2022-09-20"] = true, ["2023-04-10"] = true, [LATEST] = true, latest = true }

--- The state of a Cloud side.
---@param list table?  short descriptions of clusters (sim/clusters.lua); without one the design's
---@return table
function M.new_state(list)
  return { organization = clusters.ORGANIZATION, clusters = clusters.all(list), _keys = M.KEYS }
end

local function choices_of(simulation)
  return setmetatable({}, { __index = function(_, name)
    local own = simulation.choices and simulation.choices[name]
    if own ~= nil then return own end
    return CHOICES[name]
  end })
end

-- ---- who asks ----

local function header(request, name)
  for _, pair in ipairs(request.headers) do
    if #pair[1] == #name and pair[1]:lower() == name then return pair[2] end
  end
end

-- The key's entry in the state; its printable part, and nothing more, goes into the log.
local function authenticate(simulation, request, entry)
  local bearer = (header(request, "authorization") or ""):match "^[Bb]earer +(.+)$"
  if not bearer then refusal.raise(401, "UNAUTHENTICATED", "missing bearer token in the Authorization header") end
  for _, key in ipairs(simulation.state.cloud._keys) do
    if crypto.equal(key.secret, bearer) then
      entry.principal = key.secret:match "^(CCDB1_[^_]+)_"
      return key
    end
  end
  refusal.raise(401, "UNAUTHENTICATED", "the API key is not valid")
end

-- At most so many requests in any second: the times of the last ones are kept beside the state, not in it.
local function limit(simulation, key, choices)
  simulation.rates = simulation.rates or {}
  local now, times = simulation:time(), simulation.rates[key.secret] or {}
  while times[1] and times[1] <= now - 1 do table.remove(times, 1) end
  simulation.rates[key.secret] = times
  if #times >= choices.rate then
    refusal.raise(429, "RESOURCE_EXHAUSTED", "rate limit exceeded", { { "Retry-After", "1" } })
  end
  times[#times + 1] = now
end

local function version_of(request)
  local asked = header(request, "cc-version")
  if not asked or asked == "" then return LATEST end
  if not VERSIONS[asked] then refusal.raise(400, "INVALID_ARGUMENT", "invalid Cc-Version") end
  return asked == "latest" and LATEST or asked
end

local function require_role(call, wanted)
  for _, role in ipairs(call.key.roles) do
    for _, want in ipairs(wanted) do
      if role == want then return end
    end
  end
  refusal.raise(403, "PERMISSION_DENIED", ("permission denied: the service account needs one of the roles %s"):format(table.concat(wanted, ", ")))
end

-- ---- what is asked about ----

local function find_cluster(call)
  local id = call.id:lower()
  if not id:match "^%x+%-%x+%-%x+%-%x+%-%x+$" or #id ~= 36 then refusal.invalid("invalid cluster_id") end
  for _, cluster in ipairs(call.simulation.state.cloud.clusters) do
    if cluster.id == id then return cluster end
  end
  refusal.not_found(call.id)
end

-- A cluster as this version of the API shows it: without what is ours, and its plan under the old name.
local function shown(cluster, version)
  local copy = {}
  for name, value in next, cluster do   -- in any order: a copy does not show it
    if name ~= "cmek" and name ~= "job" then copy[name] = value end
  end
  if version ~= LATEST and copy.plan == "ADVANCED" then copy.plan = "DEDICATED" end
  return copy
end

local function page_number(call, name, most)
  local text = call.query["pagination." .. name]
  if not text or text == "" then return nil end
  local number = math.tointeger(tonumber(text))
  if not number or number < 0 or number > most then refusal.invalid("invalid pagination.%s '%s'", name, text) end
  return number
end

-- Tokens are opaque: base64 of the offset.
local function offset_of(call)
  local token = call.query["pagination.page"]
  if not token or token == "" then return 0 end
  local number = (crypto.unbase64(token) or ""):match "^from:(%d+)$"
  if not number then refusal.invalid("invalid pagination.page '%s'", token) end
  return math.tointeger(tonumber(number))
end

local function token(offset) return crypto.base64("from:" .. offset) end

local function paged(call, list)
  local offset = offset_of(call)
  local size = page_number(call, "limit", 2147483647) or 0
  if size == 0 then size = call.choices.page end
  local items = json.array {}
  for i = offset + 1, math.min(offset + size, #list) do items[#items + 1] = list[i] end
  local more, before = offset + size < #list, offset > 0
  if not more and not before then return items, json.null end
  return items, { next_page = more and token(offset + size) or "", previous_page = before and token(math.max(0, offset - size)) or "" }
end

local SORT_FIELDS <const> = { NAME = "name", CREATED_AT = "created_at", DELETED_AT = "deleted_at" }

local function sort_clusters(call, list)
  local field = SORT_FIELDS[call.query["pagination.sort_by"] or "NAME"]
  if not field then refusal.invalid("invalid pagination.sort_by '%s'", call.query["pagination.sort_by"]) end
  local order = call.query["pagination.sort_order"] or "ASC"
  if order ~= "ASC" and order ~= "DESC" then refusal.invalid("invalid pagination.sort_order '%s'", order) end
  local function value(cluster) return type(cluster[field]) == "string" and cluster[field] or "" end
  table.sort(list, function(a, b)
    if value(a) == value(b) then return a.id < b.id end
    return (value(a) < value(b)) == (order == "ASC")
  end)
end

-- ---- operations ----

local function get_organization(call)
  require_role(call, MEMBERS)
  return call.simulation.state.cloud.organization
end

local function list_clusters(call)
  require_role(call, READERS)
  local list, all = {}, call.query.show_inactive == "true"
  for _, cluster in ipairs(call.simulation.state.cloud.clusters) do
    if all or (cluster.state ~= "DELETED" and cluster.state ~= "CREATION_FAILED") then list[#list + 1] = shown(cluster, call.version) end
  end
  sort_clusters(call, list)
  local items, pagination = paged(call, list)
  return { clusters = items, pagination = pagination }
end

local function get_cluster(call)
  local cluster = find_cluster(call)
  require_role(call, READERS)
  return shown(cluster, call.version)
end

local function available_regions(call)
  require_role(call, MEMBERS)
  local provider = call.query.provider
  if provider ~= nil and provider ~= "AWS" and provider ~= "GCP" and provider ~= "AZURE" then refusal.invalid("invalid provider '%s'", provider) end
  local list = {}
  for _, region in ipairs(provider == nil and clusters.AWS_REGIONS or provider == "AWS" and clusters.AWS_REGIONS or {}) do
    list[#list + 1] = { name = region[1], location = region[2], provider = "AWS", serverless = false, distance = 0 }
  end
  local items, pagination = paged(call, list)
  return { regions = items, pagination = pagination }
end

-- The complete wanted map of region to nodes: the regions of it that are new, and those of the cluster that it leaves out, sorted.
local function check_nodes(cluster, nodes)
  if type(nodes) ~= "table" or json.is_array(nodes) then refusal.invalid("dedicated.region_nodes must be an object of region and node count") end
  local known, here, added, removed, count = {}, {}, {}, {}, 0
  for _, region in ipairs(clusters.AWS_REGIONS) do known[region[1]] = true end
  for _, region in ipairs(cluster.regions) do here[region.name] = true end
  for name, number in sorted(nodes) do
    if not known[name] then refusal.invalid("invalid region name '%s' for %s", name, cluster.cloud_provider) end
    if math.type(number) ~= "integer" or number < 3 then refusal.invalid("region '%s' needs at least 3 nodes", name) end
    if not here[name] then added[#added + 1] = name end
    count, here[name] = count + 1, nil
  end
  for name in sorted(here) do removed[#removed + 1] = name end
  if count == 2 then refusal.invalid("a cluster has one region or at least three") end
  return added, removed
end

local function update_cluster(call)
  local cluster = find_cluster(call)
  require_role(call, OPERATORS)
  cmek.check_lock(cluster, call.choices)
  local dedicated = call.message.dedicated
  if type(dedicated) ~= "table" or cluster.cloud_provider ~= "AWS" then
    refusal.invalid("of a cluster's members only 'dedicated.region_nodes' of an AWS cluster can be changed here")
  end
  local added, removed = check_nodes(cluster, dedicated.region_nodes)
  for _, region in ipairs(cluster.regions) do region.node_count = dedicated.region_nodes[region.name] or region.node_count end
  local specs = dedicated.cmek_region_specs
  if #added + #removed > 0 then
    local change = { nodes = dedicated.region_nodes, added = added, removed = removed, specs = specs, body = call.body }
    cmek.change_regions(call.simulation, cluster, change, call.choices)
  elseif type(specs) == "table" and #specs > 0 then
    refusal.invalid("region '%s' already has a CMEK spec", tostring(type(specs[1]) == "table" and specs[1].region))
  end
  return shown(cluster, call.version)
end

-- The four of …/cmek share everything but the last step.
local function cmek_operation(change)
  return function(call)
    local cluster = find_cluster(call)
    require_role(call, OPERATORS)
    return change(call, cluster)
  end
end

local get_cmek = cmek_operation(function(call, cluster) return cmek.get(cluster, call.choices) end)
local post_cmek = cmek_operation(function(call, cluster) return cmek.post(call.simulation, cluster, call.message, call.body, call.choices) end)
local put_cmek = cmek_operation(function(call, cluster) return cmek.put(call.simulation, cluster, call.message, call.body, call.choices) end)
local patch_cmek = cmek_operation(function(call, cluster) return cmek.patch(call.simulation, cluster, call.message, call.body, call.choices) end)

-- Path pattern, then method → operation. A capture is the cluster's id. The first that matches wins.
local ROUTES <const> = {
  { "^/api/v1/organization$", GET = { "GetOrganizationInfo", get_organization } },
  { "^/api/v1/clusters$", GET = { "ListClusters", list_clusters } },
  { "^/api/v1/clusters/available%-regions$", GET = { "ListAvailableRegions", available_regions } },
  { "^/api/v1/clusters/([^/]+)$", GET = { "GetCluster", get_cluster }, PATCH = { "UpdateCluster", update_cluster } },
  { "^/api/v1/clusters/([^/]+)/cmek$",
    GET = { "GetCMEKClusterInfo", get_cmek }, POST = { "EnableCMEKSpec", post_cmek },
    PUT = { "UpdateCMEKSpec", put_cmek }, PATCH = { "UpdateCMEKStatus", patch_cmek } },
}

-- ---- from request to answer ----

local function parse_query(text)
  local query = {}
  for name, value in text:gmatch "([^&=]+)=?([^&]*)" do
    query[crypto.percent_decode(name)] = crypto.percent_decode((value:gsub("%+", " ")))
  end
  return query
end

local function route(request, call)
  local path, query = request.target:match "^([^?]*)%??(.*)$"
  call.query = parse_query(query)
  for _, line in ipairs(ROUTES) do
    local captured = path:match(line[1])
    if captured then
      call.id = captured
      if line[request.method] then return line[request.method] end
      refusal.raise(501, "UNIMPLEMENTED", "Method Not Allowed")
    end
  end
  refusal.raise(404, "NOT_FOUND", "Not Found")
end

local function read_message(request)
  if request.method == "GET" then return {} end
  local message, why = json.decode(request.body ~= "" and request.body or "{}")
  if type(message) ~= "table" or json.is_array(message) then
    refusal.raise(400, "INVALID_ARGUMENT", "proto: syntax error (line 1:1): " .. (why or "an object is wanted"))
  end
  return message
end

-- Faults on order (sim/faults.lua), as this service words them.
local function refuse_by_fault(call, after)
  local fault = call.fault or {}
  if (fault.after == true) ~= after then return end
  if fault.kind == "throttle" then refusal.raise(429, "RESOURCE_EXHAUSTED", "rate limit exceeded", { { "Retry-After", "1" } }) end
  if fault.kind == "500" then refusal.raise(500, "INTERNAL", "internal error") end
  if fault.kind == "503html" then refusal.raise(fault.status or 503, "html", "") end
  if fault.kind == "error" then refusal.raise(fault.status, fault.code, fault.message or "") end
end

local function perform(call, request, entry)
  local key = authenticate(call.simulation, request, entry)
  limit(call.simulation, key, call.choices)
  call.key, call.version = key, version_of(request)
  local operation = route(request, call)
  entry.operation, entry.write = operation[1], request.method ~= "GET"
  call.service, call.operation = "cloud", operation[1]
  call.fault = faults.take(call.simulation, call)
  if call.fault and call.fault.kind == "reset" then return nil end
  refuse_by_fault(call, false)
  call.body, call.message = request.body, read_message(request)
  local result = operation[2](call)
  refuse_by_fault(call, true)
  return result
end

local function refused(call, result, entry)
  entry.code = result.code
  if result.code == "html" then
    return { status = result.status, headers = { { "Content-Type", "text/html" } }, body = "<html><body><h1>Bad Gateway</h1></body></html>\n" }
  end
  local headers = { { "Content-Type", "application/json" }, { "Cc-Version", call.version } }
  table.move(result.headers, 1, #result.headers, #headers + 1, headers)
  local status = { code = result.number, message = result.message, details = json.array {} }
  return { status = result.status, headers = headers, body = json.encode(status) }
end

--- Answers one request of the Cloud API.
---@param simulation table  with time(), random(n), state, and perhaps choices and faults
---@param request { method: string, target: string, headers: table, body: string }
---@param entry table  of the log: service, operation, principal, code and write are filled in
---@return { status: integer, headers: table, body: string }
function M.handle(simulation, request, entry)
  M.settle(simulation)
  entry.service, entry.operation, entry.write = "cloud", request.method .. " " .. request.target:match "^[^?]*", request.method ~= "GET"
  local call = { simulation = simulation, choices = choices_of(simulation), version = LATEST }
  local ok, result = pcall(perform, call, request, entry)
  if not ok and not refusal.is(result) then error(result, 0) end
  if not ok then return faults.on_the_way(call.fault, refused(call, result, entry)) end
  if result == nil then return faults.dropped() end
  local headers = { { "Content-Type", "application/json" }, { "Cc-Version", call.version } }
  return faults.on_the_way(call.fault, { status = 200, headers = headers, body = json.encode(result) })
end

--- Does what has come due on every cluster.
---@param simulation table
function M.settle(simulation) cmek.settle(simulation) end

return M
