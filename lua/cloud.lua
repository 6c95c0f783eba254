--- The CockroachDB Cloud API, version 2024-09-16: the organization, clusters and the keys that encrypt them.
---@class cloud.Client
---@field door table
---@field retry Retry
---@field environment Variables
---@field headers table<string, string>
---@field server string?   COCKROACH_SERVER, where it is set
---@field listen fun(event: table)   told of each full list of clusters
local Client = { __name = "cloud.Client" }
Client.__index = Client

local clean = require "clean"
local explain = require "explain"
local json = require "json"
local refusal = require "refusal"
local retry = require "retry"
local shape = require "shape"
local sorted = require "sorted"

local M = {}

local SERVER <const> = "https://cockroachlabs.cloud"

--- Where the API is, unless COCKROACH_SERVER says otherwise.
M.SERVER = SERVER

local VERSION <const> = "2024-09-16"
local ROOT <const> = "/api/v1/"
local UUID <const> = "^%x%x%x%x%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$"
local PAGES_MAX <const> = 1000
local LISTED_MAX <const> = 20   -- candidates that a refusal names

--- What gRPC calls its codes; the answers carry the numbers.
local GRPC <const> = { "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
  "UNAUTHENTICATED" }
local BY_STATUS <const> = { [400] = 3, [401] = 16, [403] = 7, [404] = 5, [429] = 8, [500] = 13, [501] = 12, [503] = 14, [504] = 4 }

-- Reading the answer -----------------------------------------------------------------------------------------------

local function unreadable(response)
  if response.fault then
    return ("the answer is not the JSON that was expected (%s): %s"):format(response.fault, explain.glimpse(response.text))
  end
  if response.empty then return "the answer is empty" end
  if response.body == json.null then return nil end   -- says as much as {}
  local kind = json.is_array(response.body) and "a list" or type(response.body)
  if kind ~= "table" then return ("the answer is %s where an object was expected"):format(kind) end
end

local function read(response, message, kind)
  if not response then return { kind = kind, message = message } end
  local outcome = { response = response, status = response.status }
  if response.status < 300 then
    outcome.message = unreadable(response)
    outcome.kind = outcome.message and "lost" or "answered"
    return outcome
  end
  local body = type(response.body) == "table" and response.body or {}
  outcome.kind = "refused"
  outcome.message = type(body.message) == "string" and explain.plain(body.message) or response.fault and explain.glimpse(response.text) or nil
  outcome.code = GRPC[math.type(body.code) and body.code or BY_STATUS[response.status]]
  local elsewhere = response.status < 400 and (response.headers or {}).location
  if elsewhere then outcome.message = ("the answer sends us to %s, where no request of cmek goes"):format(explain.glimpse(elsewhere)) end
  return outcome
end

-- Asking -----------------------------------------------------------------------------------------------------------

-- The bearer, looked for when it is first needed.
local function find_token(self)
  local key, jwt = self.environment.secret("COCKROACH_API_KEY", "cloud"), self.environment.secret("COCKROACH_API_JWT", "cloud")
  if key and jwt then
    refusal.raise { kind = "credentials", exit = "credentials", service = "cloud",
      message = "COCKROACH_API_KEY and COCKROACH_API_JWT are both set, and may be of different identities", next = "unset one of them" }
  end
  if not key and not jwt then
    refusal.raise(explain.tell("cloud.no-key", {}, { kind = "credentials", exit = "credentials", what = "talking to CockroachDB Cloud",
      message = "COCKROACH_API_KEY is not set" }))
  end
  if jwt and not self.headers["Cc-Vanity-Name"] then
    refusal.raise { kind = "credentials", exit = "credentials", service = "cloud",
      message = "COCKROACH_API_JWT is set and COCKROACH_VANITY_NAME is not",
      next = "export COCKROACH_VANITY_NAME=… (the organization's name in its login URL)" }
  end
  self.token, self.source = key or jwt, key and "COCKROACH_API_KEY" or "COCKROACH_API_JWT"
end

local function refuse(self, request, outcome, attempts)
  refusal.raise(explain.complete {
    service = "cloud", operation = request.operation, status = outcome.status, code = outcome.code, message = outcome.message,
    request_id = outcome.response and outcome.response.request_id, kind = outcome.kind, attempts = attempts, source = self.source,
    unknown = outcome.kind == "lost" and request.method ~= "GET" or nil, endpoint_source = self.server and "COCKROACH_SERVER",
  })
end

-- One call: operation is the API's name, path stands below /api/v1/, result lists members that the answer must have.
local function call(self, request)
  if not self.token then find_token(self) end
  local outcome, attempts = self.retry:run {
    name = "cloud " .. request.operation, client = "cloud", rules = retry.CLOUD, safe = request.method == "GET",
    pace = { key = "cloud", rate = retry.CLOUD_RATE },
    send = function(attempt)
      return read(self.door.cloud.request { method = request.method, path = ROOT .. request.path, query = request.query,
        body = request.body, token = self.token, headers = self.headers, attempt = attempt })
    end,
  }
  if outcome.kind ~= "answered" then refuse(self, request, outcome, attempts) end
  local answer = clean(outcome.response.body) or {}
  local fault = request.result and shape.fault(answer, request.result)
  if fault then
    outcome.kind, outcome.message = "lost", fault
    refuse(self, request, outcome, attempts)
  end
  return answer
end

-- The path of a cluster; raises when the ID is none, for it becomes part of what is judged.
local function path_of(id, rest)
  if type(id) ~= "string" or not id:find(UUID) then
    error(("a cluster's ID is a UUID, not '%s'"):format(tostring(id)), 0)
  end
  return "clusters/" .. id:lower() .. (rest or "")
end

-- What is used of the answers.
local ORGANIZATION <const> = { ["id!"] = "text", name = "text", label = "text" }
local CLUSTER <const> = { ["id!"] = "text", ["name!"] = "text", plan = "text", cloud_provider = "text", account_id = "text", state = "text",
  network_visibility = "text", regions = shape.list { ["name!"] = "text" } }
local CLUSTERS <const> = { clusters = shape.list(CLUSTER), pagination = { next_page = "text" } }
local REGIONS <const> = { regions = shape.list { ["name!"] = "text", provider = "text" }, pagination = { next_page = "text" } }
local KEY_INFO <const> = { ["status!"] = "text", user_message = "text",
  ["spec!"] = { type = "text", ["uri!"] = "text", auth_principal = "text" } }
local CMEK <const> = { status = "text",
  region_infos = shape.list { ["region!"] = "text", ["status!"] = "text", key_infos = shape.list(KEY_INFO) } }

-- The operations ---------------------------------------------------------------------------------------------------

--- The organization; its id is the external ID, its label is not.
---@return { id: string, name: string, label: string }
function Client:organization()
  return call(self, { operation = "GetOrganization", method = "GET", path = "organization", result = ORGANIZATION })
end

--- All clusters that the key sees.
---@param options { show_inactive: boolean? }?  also deleted and failed ones
---@return table[]
function Client:clusters(options)
  local list, page, seen = {}, nil, {}
  for _ = 1, PAGES_MAX do
    local answer = call(self, { operation = "ListClusters", method = "GET", path = "clusters", result = CLUSTERS,
      query = { show_inactive = options and options.show_inactive or nil, ["pagination.page"] = page } })
    for _, cluster in ipairs(answer.clusters or {}) do list[#list + 1] = cluster end
    page = answer.pagination and answer.pagination.next_page
    if not page then
      if not (options and options.show_inactive) then self.listen { kind = "clusters", clusters = list } end
      return list
    end
    if seen[page] then break end
    seen[page] = true
  end
  refusal.raise { kind = "refused", service = "cloud", operation = "ListClusters", message = "the service gives the same page for ever" }
end

--- A cluster by its ID. Its account_id is the AWS account that will use the key.
---@param id string  UUID
---@return table
function Client:cluster(id)
  return call(self, { operation = "GetCluster", method = "GET", path = path_of(id), result = CLUSTER })
end

-- Enabling cannot be undone: that CMEK is not enabled is believed when it is said, not when something is left out.
local function check_whole(info)
  local function need(name, value, status)
    if value or status == nil or status == "DISABLED" then return end
    refusal.raise(explain.complete { kind = "lost", service = "cloud", operation = "GetCMEKClusterInfo", status = 200,
      message = ("the answer has no %s where the status is %s"):format(name, status) })
  end
  need("region_infos", info.region_infos, info.status)
  for i, region in ipairs(info.region_infos or {}) do need(("region_infos[%d].key_infos"):format(i), region.key_infos, region.status) end
end

--- The CMEK state of a cluster. Before it was ever enabled the service may answer 404.
---@param id string  UUID
---@return { status: string, region_infos: table[] }
function Client:cmek(id)
  local ok, answer = pcall(call, self, { operation = "GetCMEKClusterInfo", method = "GET", path = path_of(id, "/cmek"), result = CMEK })
  if ok then
    check_whole(answer)
    answer.region_infos = answer.region_infos or {}
    return answer
  end
  if refusal.is(answer) and answer.status == 404 then return { status = "DISABLED", region_infos = {} } end
  error(answer, 0)
end

-- Raises when a specification would be refused, or would mean something else than it says.
local function check_specs(specs)
  local seen = {}
  if type(specs) ~= "table" or #specs == 0 then error("CMEK wants a list of region_specs", 0) end
  for i, spec in ipairs(specs) do
    local key = type(spec) == "table" and spec.key_spec or {}
    if not spec.region or key.type ~= "AWS_KMS" or not key.uri or not key.auth_principal then
      error(("region_specs[%d] must have region and key_spec { type = 'AWS_KMS', uri =, auth_principal = }"):format(i), 0)
    end
    if seen[spec.region] then error(("region_specs[%d]: the region '%s' stands twice"):format(i, spec.region), 0) end
    seen[spec.region] = true
  end
end

--- Enables CMEK, for every region of the cluster at once. It cannot be undone.
---@param id string  UUID
---@param region_specs { region: string, key_spec: { type: string, uri: string, auth_principal: string } }[]
---@return table  CMEKClusterInfo
function Client:enable_cmek(id, region_specs)
  check_specs(region_specs)
  local list = json.array(table.move(region_specs, 1, #region_specs, 1, {}))
  return call(self, { operation = "EnableCMEKSpec", method = "POST", path = path_of(id, "/cmek"), body = { region_specs = list } })
end

--- Revokes CMEK of a cluster, which restarts and cannot start: nothing of the API brings it back.
---@param id string  UUID
---@return table  CMEKClusterInfo
function Client:revoke_cmek(id)
  return call(self, { operation = "UpdateCMEKStatus", method = "PATCH", path = path_of(id, "/cmek"), body = { action = "REVOKE" } })
end

--- Gives regions of a cluster with CMEK other keys, or the ones that they use anew: those that are listed.
---@param id string  UUID
---@param region_specs table[]  as enable_cmek takes them
---@return table  CMEKClusterInfo
function Client:update_cmek(id, region_specs)
  check_specs(region_specs)
  local list = json.array(table.move(region_specs, 1, #region_specs, 1, {}))
  return call(self, { operation = "UpdateCMEKSpec", method = "PUT", path = path_of(id, "/cmek"), body = { region_specs = list } })
end

--- Gives a cluster regions and nodes: all that it shall have, and the keys of the new regions alone.
---@param id string  UUID
---@param dedicated { region_nodes: table<string, integer>, cmek_region_specs: table[] }
---@return table  Cluster
function Client:update_cluster(id, dedicated)
  local nodes, specs = dedicated.region_nodes, dedicated.cmek_region_specs
  check_specs(specs)
  for _, spec in ipairs(specs) do
    if math.type(nodes[spec.region]) ~= "integer" then error(("update_cluster: region_nodes has no number for '%s'"):format(spec.region), 0) end
  end
  return call(self, { operation = "UpdateCluster", method = "PATCH", path = path_of(id),
    body = { dedicated = { region_nodes = nodes, cmek_region_specs = json.array(table.move(specs, 1, #specs, 1, {})) } } })
end

--- The regions that clusters can have on a cloud.
---@param provider "AWS"|"GCP"|"AZURE"
---@return { name: string, location: string? }[]
function Client:list_available_regions(provider)
  local list, page = {}, nil
  for _ = 1, PAGES_MAX do
    local answer = call(self, { operation = "ListAvailableRegions", method = "GET", path = "clusters/available-regions", result = REGIONS,
      query = { provider = provider, ["pagination.page"] = page } })
    for _, region in ipairs(answer.regions or {}) do
      if region.provider == nil or region.provider == provider then list[#list + 1] = region end
    end
    page = answer.pagination and answer.pagination.next_page
    if not page then break end
  end
  return list
end

-- Finding a cluster ------------------------------------------------------------------------------------------------

local function describe(clusters)
  local parts = {}
  for _, cluster in ipairs(clusters) do parts[#parts + 1] = ("%s (%s)"):format(cluster.name, cluster.id) end
  if #parts > LISTED_MAX then
    parts[LISTED_MAX + 1] = ("… and %d more"):format(#parts - LISTED_MAX)
    parts = table.move(parts, 1, LISTED_MAX + 1, 1, {})
  end
  return table.concat(parts, ", ")
end

-- The clusters whose names are near, in that order.
local function near(text, clusters)
  local names, by_name, found = {}, {}, {}
  for _, cluster in ipairs(clusters) do names[#names + 1], by_name[cluster.name] = cluster.name, cluster end
  for i, name in ipairs(require("ui.near").near(text, names)) do found[i] = by_name[name] end
  return found
end

local function not_found(situation, message, facts)
  refusal.raise(explain.tell("cloud.cluster-" .. situation, facts, { kind = "refused", code = "NOT_FOUND", what = "looking for the cluster",
    message = message }))
end

-- Other texts that the console shows near a cluster.
local function explain_other(self, text, clusters)
  for _, cluster in ipairs(clusters) do
    if cluster.id:sub(-12) == text:lower() then
      not_found("last12", ("'%s' is the end of an ID: the cluster is %s"):format(text, describe { cluster }),
        { text = text, id = cluster.id, name = cluster.name })
    end
  end
  local ok, organization = pcall(self.organization, self)
  if not ok and not refusal.is(organization) then error(organization, 0) end
  if ok and (text == organization.label or text:lower() == organization.id or text == organization.name) then
    not_found("is-organization", ("'%s' is the organization, not a cluster; it has %s"):format(text,
      #clusters > 0 and describe(clusters) or "none that this key sees"),
      { organization = organization.name or "", label = organization.label or "", organization_id = organization.id })
  end
end

local function unknown(self, text, clusters)
  explain_other(self, text, clusters)
  local close = near(text, clusters)
  local hint = #close > 0 and "; did you mean " .. describe(close) .. "?" or #clusters > 0 and "; there are " .. describe(clusters)
    or "; this key sees no cluster at all"
  local situation = #clusters == 0 and "none" or "unknown"
  not_found(situation, ("there is no cluster '%s'%s"):format(text, hint),
    { seen = ("the key of %s sees %d clusters"):format(self.source, #clusters) })
end

--- A cluster by name, UUID or console URL. Raises with candidates when there is none, or more than one.
---@param text string
---@return table
function Client:find_cluster(text)
  if type(text) ~= "string" or text == "" then error("find_cluster wants a name, a UUID or a console URL", 0) end
  local id = text:match "^https?://[^/]+/cluster/([^/?#]+)" or text
  if id:find(UUID) then
    local ok, cluster = pcall(self.cluster, self, id)
    if ok then return cluster end
    if not refusal.is(cluster) or cluster.status ~= 404 then error(cluster, 0) end
    unknown(self, id, self:clusters())
  end
  local clusters, found = self:clusters(), {}
  for _, cluster in ipairs(clusters) do
    if cluster.name == text then found[#found + 1] = cluster end
  end
  if #found == 1 then return found[1] end
  if #found == 0 then unknown(self, text, clusters) end
  not_found("ambiguous", ("'%s' is the name of %d clusters: %s"):format(text, #found, describe(found)),
    { seen = describe(found), id = found[1].id })
end

-- The client -------------------------------------------------------------------------------------------------------

local function register(door, server)
  local ok, message = pcall(door.endpoint, door, "cloud", (server or SERVER):gsub("/+$", ""), nil)
  if ok then return end
  refusal.raise { kind = "configuration", exit = "usage", message = "COCKROACH_SERVER: " .. tostring(message):gsub("^door: ", "") }
end

--- The functions of the Cloud for one operator; registers its endpoint on the door. The key is looked for at the first call.
---@param options { door: table, retry: Retry, environment: Variables, listen: (fun(event: table))? }
---@return table<string, function>  organization, clusters, cluster, find_cluster, cmek, enable_cmek, revoke_cmek
function M.open(options)
  local environment = options.environment
  local self = setmetatable({ door = options.door, retry = options.retry, environment = environment,
    listen = options.listen or function() end, server = environment.text "COCKROACH_SERVER", headers = { ["Cc-Version"] = VERSION,
      ["Cc-Vanity-Name"] = environment.text "COCKROACH_VANITY_NAME", ["Cc-Username"] = environment.text "COCKROACH_USERNAME" } }, Client)
  register(self.door, self.server)
  local functions = {}
  for name, fn in sorted(Client) do
    if type(fn) == "function" then functions[name] = function(...) return fn(self, ...) end end
  end
  return functions
end

return M
