--- What CockroachDB Cloud says of a cluster, in a file (cmek.facts/1): for those who make role and keys and have no access to the Cloud.
local carried = require "carried"
local failure = require "engine.failure"
local json = require "json"

local M = {}

local SCHEMA <const> = "cmek.facts/1"
local AGAIN <const> = "cmek status --cluster NAME --facts FILE writes such a file"

--- Writes what the Cloud says of a cluster. In a task. Raises when the cluster cannot have CMEK.
---@param path string
---@param session table
---@param text string  names the cluster
function M.write(path, session, text)
  local cluster, organization = session.cloud.find_cluster(text), session.cloud.organization()
  local wrong = require("preflight").ineligible(cluster)
  if #wrong > 0 then
    failure.raise { code = "precondition", service = "cloud", what = ("writing the facts of cluster %s (%s)"):format(cluster.name, cluster.id),
      message = table.concat(wrong, "; "), next = "nothing was written; cmek status lists the clusters and why one is not eligible" }
  end
  local regions = json.array {}
  for i, region in ipairs(cluster.regions) do regions[i] = { name = region.name } end
  carried.write("--facts", path, SCHEMA, {
    organization = { id = organization.id, name = organization.name, label = organization.label },
    cluster = { id = cluster.id, name = cluster.name, plan = cluster.plan, cloud_provider = cluster.cloud_provider, state = cluster.state,
      network_visibility = cluster.network_visibility, account_id = cluster.account_id, regions = regions },
  }, session.clock.now())
end

local function check(file)
  local document = file.document
  local organization = carried.object(file, "organization", document.organization)
  local cluster, seen = carried.object(file, "cluster", document.cluster), {}
  carried.field(file, "organization.id", organization.id, carried.UUID)
  carried.field(file, "cluster.id", cluster.id, carried.UUID)
  carried.field(file, "cluster.name", cluster.name, carried.TEXT)
  carried.field(file, "cluster.account_id", cluster.account_id, carried.ACCOUNT)
  for i, region in ipairs(carried.list(file, "cluster.regions", cluster.regions)) do
    local place = ("cluster.regions[%d]"):format(i)
    local name = carried.field(file, place .. ".name", carried.object(file, place, region).name, carried.REGION)
    if seen[name] then carried.refuse(file, ("cluster.regions: %s stands twice"):format(name), AGAIN) end
    seen[name] = true
  end
  for _, field in ipairs { "plan", "cloud_provider", "state", "network_visibility" } do
    carried.field(file, "cluster." .. field, cluster[field], carried.TEXT)
  end
end

--- Reads and checks a file of facts.
---@param path string
---@return carried.File
function M.read(path)
  local file = { flag = "--facts", path = path, again = AGAIN }
  file.document = carried.read(file, SCHEMA)
  check(file)
  return file
end

--- The facts as they stand in a journal.
---@param path string
---@param document table
---@return carried.File
function M.of(path, document)
  local file = { flag = "--facts", path = path, again = AGAIN, document = document }
  check(file)
  return file
end

-- Of one cluster, whatever it is called by.
local function is_named(cluster, text)
  local id = text:match "^https?://[^/]+/cluster/([^/?#]+)" or text
  return id:lower() == cluster.id:lower() or text == cluster.name
end

--- What stands for the Cloud's client: it answers from the facts, and asks nobody. Which keys the cluster uses it does not know.
---@param file carried.File
---@return table<string, function>
function M.cloud(file)
  local organization, cluster = file.document.organization, file.document.cluster
  local function find(text)
    if is_named(cluster, tostring(text)) then return cluster end
    failure.raise { code = "precondition", exit = "usage", what = "reading the facts",
      message = ("'%s' is of cluster %s (%s), not of '%s'"):format(file.path, cluster.name, cluster.id, tostring(text)),
      next = ("cmek status --cluster %s --facts FILE writes those of that cluster"):format(tostring(text)) }
  end
  return {
    organization = function() return organization end,
    find_cluster = find, cluster = find,
    clusters = function() return { cluster } end,
    cmek = function() return { region_infos = {}, unknown = true } end,
    enable_cmek = function()
      failure.raise { code = "precondition", exit = "usage", what = "enabling CMEK", message = M.NO_ENABLING, next = M.ENABLING }
    end,
  }
end

--- Why CMEK is not enabled from facts, and how it is.
M.NO_ENABLING = "with --facts nobody talks to CockroachDB Cloud, so CMEK cannot be enabled"
M.ENABLING = "cmek run console --facts FILE --out SPEC hands role and keys over; then, with the Cloud's API key: cmek run enable --spec SPEC"

--- What whoever works with facts should know: how old they are, and what they do not tell.
---@param file carried.File
---@param now number
---@return string
function M.note(file, now)
  return ("the facts in '%s' are %s; they do not tell which keys the cluster uses, which cmek run enable --spec asks the Cloud"):format(file.path,
    carried.age(file, file.document, now))
end

return M
