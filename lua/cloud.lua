--- The CockroachDB Cloud API, version 2024-09-16: the organization, clusters and the keys that encrypt them.
---@class cloud.Client
local Client = { __name = "cloud.Client" }

local clean = require "clean"
local explain = require "explain"
local refusal = require "refusal"
local retry = require "retry"

local M = {}

local VERSION <const> = "2024-09-16"
local ROOT <const> = "/api/v1/"
local UUID <const> = "^%x%x%x%x%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$"

-- Reading the answer -----------------------------------------------------------------------------------------------

local function read(response, message, kind)
  if not response then return { kind = kind, message = message } end
  local outcome = { response = response, status = response.status }
  if response.status < 300 then
    if response.fault then
      outcome.kind = "lost"
      outcome.message = ("the answer is not the JSON that was expected (%s): %s"):format(response.fault, explain.glimpse(response.text))
    end
    return outcome
  end
  outcome.kind = "refused"
  local body = type(response.body) == "table" and response.body or {}
  outcome.message = type(body.message) == "string" and body.message or response.fault and explain.glimpse(response.text) or nil
  outcome.code = retry.status_text(response.status)
  return outcome
end

-- Asking -----------------------------------------------------------------------------------------------------------

-- The bearer, which is looked for when it is first needed.
local function token(self)
  self.key = self.key or self.find_key()
  return self.key
end

local function call(self, request)
  local bearer = token(self)
  local outcome, attempts = self.retry:run {
    name = "cloud " .. request.operation, client = "cloud", rules = retry.CLOUD, safe = request.method == "GET",
    pace = { key = "cloud", rate = retry.CLOUD_RATE },
    send = function(attempt)
      return read(self.door.cloud.request { method = request.method, path = ROOT .. request.path, query = request.query,
        body = request.body, token = bearer, headers = self.headers, attempt = attempt })
    end,
  }
  if outcome.kind == "answered" then return clean(outcome.response.body) or {} end
  refusal.raise(explain.complete {
    service = "cloud", operation = request.operation, status = outcome.status, code = outcome.code, message = outcome.message,
    request_id = outcome.response and outcome.response.request_id, kind = outcome.kind, attempts = attempts,
    unknown = outcome.kind == "lost" and request.method ~= "GET" or nil,
  })
end

-- Finding a cluster ------------------------------------------------------------------------------------------------

local function describe(list)
  local lines = {}
  for _, cluster in ipairs(list) do lines[#lines + 1] = ("%s (%s)"):format(cluster.name, cluster.id) end
  return table.concat(lines, ", ")
end

local function not_found(text, clusters)
  local names, tail = {}, nil
  for _, cluster in ipairs(clusters) do
    names[#names + 1] = cluster.name
    if cluster.id:sub(-12) == text:lower() then tail = cluster end
  end
  local near = require("ui.near").near(text, names)
  local list = near[1] and near or names
  local message = ("there is no cluster '%s'"):format(text)
  if tail then
    message = message .. ("; these are the last 12 characters of %s's ID, which is %s"):format(tail.name, tail.id)
  elseif list[1] then
    message = message .. ("; %s: %s"):format(near[1] and "did you mean" or "there are", table.concat(list, ", "))
  else
    message = message .. "; this key sees none"
  end
  refusal.raise { kind = "refused", what = "looking for the cluster", message = message }
end

local FUNCTIONS <const> = {
  --- The organization; its id is the external ID.
  organization = function(self) return call(self, { operation = "GetOrganization", method = "GET", path = "organization" }) end,

  --- All clusters that the key sees.
  clusters = function(self, options)
    local list, page = {}, nil
    repeat
      local answer = call(self, { operation = "ListClusters", method = "GET", path = "clusters",
        query = { show_inactive = options and options.show_inactive or nil, ["pagination.page"] = page } })
      for _, cluster in ipairs(answer.clusters or {}) do list[#list + 1] = cluster end
      page = answer.pagination and answer.pagination.next_page
    until not page or page == ""
    return list
  end,

  --- A cluster by its id.
  cluster = function(self, id) return call(self, { operation = "GetCluster", method = "GET", path = "clusters/" .. id }) end,

  --- The CMEK state of a cluster. Before it was ever enabled the service may answer 404.
  cmek = function(self, id)
    local ok, answer = pcall(call, self, { operation = "GetCMEKClusterInfo", method = "GET", path = "clusters/" .. id .. "/cmek" })
    if ok then
      answer.region_infos = answer.region_infos or {}
      return answer
    end
    if refusal.is(answer) and answer.status == 404 then return { status = "DISABLED", region_infos = {} } end
    error(answer, 0)
  end,

  --- Enables CMEK. Cannot be undone.
  enable_cmek = function(self, id, region_specs)
    return call(self, { operation = "EnableCMEKSpec", method = "POST", path = "clusters/" .. id .. "/cmek",
      body = { region_specs = require("json").array(region_specs) } })
  end,
}

--- A cluster by name, UUID or console URL; raises with candidates when there is none, or more than one.
local function find_cluster(self, text)
  local id = text:match "/cluster/(%x+%-[%x-]+)" or text
  if id:find(UUID) then return FUNCTIONS.cluster(self, id:lower()) end
  local clusters, found = FUNCTIONS.clusters(self), {}
  for _, cluster in ipairs(clusters) do
    if cluster.name == text then found[#found + 1] = cluster end
  end
  if #found == 1 then return found[1] end
  if #found == 0 then not_found(text, clusters) end
  refusal.raise { kind = "refused", what = "looking for the cluster",
    message = ("'%s' is the name of %d clusters: %s; name one by its ID"):format(text, #found, describe(found)) }
end

--- The functions of the Cloud for one operator.
---@param options { door: table, retry: Retry, find_key: (fun(): userdata), headers: table? }
function M.new(options)
  local self = setmetatable({ door = options.door, retry = options.retry, find_key = options.find_key, headers = options.headers or {} }, Client)
  self.headers["Cc-Version"] = VERSION
  local functions = { find_cluster = function(text) return find_cluster(self, text) end }
  for name, fn in require("sorted")(FUNCTIONS) do
    functions[name] = function(...) return fn(self, ...) end
  end
  return functions
end

return M
