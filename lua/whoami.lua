--- Who we are: in AWS by which credentials, in which region and at which endpoints, and why; in CockroachDB Cloud by which key,
--- and what it may do as far as asking shows. Each part stands on its own: it is of most use when half of it is broken.
local failure = require "ui.failure"
local json = require "json"
local refusal = require "refusal"
local time = require "time"

local M = {}

local ASKED <const> = 5    -- clusters of which it is tried whether their CMEK may be read: the Cloud takes ten requests a second

local function null(value)
  if value == nil then return json.null end
  return value
end

-- What went wrong with a part, as documents show it; keeps the exit status of the worst. Anything but a refusal is raised.
local function failed(found, raised)
  if not refusal.is(raised) and not failure.is(raised) then error(raised, 0) end
  local status = failure.status(raised)
  if status > 128 then error(raised, 0) end   -- ended by a signal
  local weight = { [failure.CREDENTIALS] = 3, [failure.USAGE] = 2, [failure.FAILED] = 1 }
  if (weight[status] or 1) > (weight[found.status] or 0) then found.status = status end
  return failure.document(raised)
end

-- AWS --------------------------------------------------------------------------------------------------------------

local function moment(at) return at and time.text(at) or json.null end

-- The profile in force, and what names it.
local function profile_of(session, common)
  local name, source = common.profile, "--profile"
  for _, variable in ipairs { "AWS_PROFILE", "AWS_DEFAULT_PROFILE" } do
    if not name then name, source = session.environment.text(variable), variable end
  end
  if name then return name, source end
  return session.profile and session.profile.name, session.profile and "the default"
end

-- What is set, and has no effect.
local function notes(session, common)
  local list, text = json.array {}, session.environment.text
  local described = session.credentials and session.credentials:described()
  local kind = described and described.kind
  local name, source = profile_of(session, common)
  if kind == "environment" and name and source ~= "the default" then
    list[#list + 1] = ("%s = %s gives no credentials: those of the environment come before it (--profile would come first)"):format(source, name)
  end
  if common.profile and text "AWS_ACCESS_KEY_ID" then
    list[#list + 1] = "AWS_ACCESS_KEY_ID is not used: --profile comes before it"
  end
  return list
end

local function aws(found, session, common)
  local endpoints = session.endpoints or {}
  local part = { region = null(endpoints.region), region_source = null(endpoints.region_source), partition = null((endpoints.partition or {}).id) }
  local name, source = profile_of(session, common)
  part.profile, part.profile_source = null(name), null(source)
  local ok, identity = pcall(function()
    for _, fault in ipairs { "profile", "endpoints", "attempts" } do
      if session.faults[fault] then error(session.faults[fault], 0) end
    end
    return session:identity()
  end)
  local described = session.credentials and session.credentials:described() or {}
  part.kind, part.source, part.place = null(described.kind), null(described.source), null(described.place)
  part.access_key_id, part.expired_at = null(described.access_key_id), moment(described.expired_at)
  local credentials = session.credentials
  part["until"], part.ends = moment(credentials and credentials:expiration()), moment(credentials and credentials:ends())
  part.account_id, part.arn = json.null, json.null
  if ok then
    part.account_id, part.arn, part.user_id = identity.account, identity.arn, null(identity.user_id)
    ok, identity = pcall(require("operation").check_account, common, session, identity)
  end
  if not ok then part.error = failed(found, identity) end
  part.notes = notes(session, common)
  return part
end

-- Endpoints and the way there --------------------------------------------------------------------------------------

local function computed(endpoints)
  local ways = {}
  if endpoints.ways.fips then ways[#ways + 1] = "FIPS" end
  if endpoints.ways.dual then ways[#ways + 1] = "dual-stack" end
  return ("computed for the partition %s%s"):format(endpoints.partition.id, #ways > 0 and ", " .. table.concat(ways, " and ") or "")
end

local function endpoints_of(session)
  local list, endpoints = json.array {}, session.endpoints
  if not endpoints then return list end
  for service, endpoint in require("sorted")(endpoints.services) do
    list[#list + 1] = { service = service, url = endpoint.url:gsub("{region}", endpoints.region or "{region}"),
      source = endpoint.source or computed(endpoints) }
  end
  return list
end

-- A proxy's URL without the name and password in it.
local function without_user(url) return (url:gsub("^(%a*:?/?/?)[^/@]*@", "%1****@")) end

local PROXIES <const> = { "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY" }   -- as libcurl reads them

local function network_of(session)
  local network = { proxies = json.array {}, ca_bundle = json.null, ca_bundle_source = json.null }
  for _, name in ipairs(PROXIES) do
    local value = session.environment.text(name)
    if value then table.insert(network.proxies, { variable = name, value = name:lower() == "no_proxy" and value or without_user(value) }) end
  end
  local endpoints = session.endpoints
  if endpoints and endpoints.ca_bundle then
    network.ca_bundle, network.ca_bundle_source = endpoints.ca_bundle, endpoints.ca_bundle_source
  end
  for _, name in ipairs { "CURL_CA_BUNDLE", "SSL_CERT_FILE" } do
    local value = session.environment.text(name)
    if value and network.ca_bundle == json.null then network.ca_bundle, network.ca_bundle_source = value, name end
  end
  return network
end

-- The Cloud --------------------------------------------------------------------------------------------------------

-- Whether the key may read the CMEK of a cluster: who may, may enable it as well.
local function try_cmek(session, cluster)
  local ok, raised = pcall(session.cloud.cmek, cluster.id)
  local entry = { id = cluster.id, name = cluster.name, cmek = "allowed" }
  if ok then return entry end
  if not refusal.is(raised) or raised.kind == "stopped" then error(raised, 0) end
  entry.cmek = raised.status == 403 and "denied" or "unknown"
  entry.reason = refusal.line(raised)
  return entry
end

local function clusters_of(part, found, session)
  local ok, clusters = pcall(session.cloud.clusters)
  if not ok then
    part.error = part.error or failed(found, clusters)
    return
  end
  part.clusters_seen = #clusters
  local asked = table.move(clusters, 1, math.min(#clusters, ASKED), 1, {})
  part.clusters = json.array(session.tasks.map(asked, function(cluster) return try_cmek(session, cluster) end))
end

local function cloud(found, session)
  local text = session.environment.text
  local part = { server = text "COCKROACH_SERVER" or require("cloud").SERVER, server_source = text "COCKROACH_SERVER" and "COCKROACH_SERVER"
    or "the default", credential = json.null, clusters = json.array {}, clusters_seen = json.null }
  local environment = session.environment
  for _, name in ipairs { "COCKROACH_API_KEY", "COCKROACH_API_JWT" } do
    if environment.reference(name, "cloud") or environment.secret(name, "cloud") then part.credential = name end
  end
  local ok, organization = pcall(function()
    if session.faults.cloud then error(session.faults.cloud, 0) end
    return session.cloud.organization()
  end)
  if not ok then
    part.error = failed(found, organization)
    if session.faults.cloud or failure.status(organization) == failure.CREDENTIALS then return part end
  else
    part.organization = { id = organization.id, name = organization.name, label = organization.label }
  end
  clusters_of(part, found, session)
  return part
end

--- Everything that can be told. In a task.
---@param session Session  a tolerant one
---@param common { profile: string?, region: string?, account: string? }  the command's own flags
---@return table document  cmek.whoami/1
---@return integer status  0; 4 when a credential is missing or refused, 2 when a setting cannot be meant, 1 when something else failed
function M.tell(session, common)
  local found = { status = failure.DONE }
  local document = { schema = "cmek.whoami/1" }
  session.tasks.all {
    function() document.aws = aws(found, session, common) end,
    function() document.cloud = cloud(found, session) end,
  }
  local vault = require "vault.describe"
  document.vault = vault.wanted(session) and vault.part(session, function(raised)
    return failed(common.vault_auth and found or {}, raised)   -- who has VAULT_ADDR set and does not use Vault is told, and no more
  end) or json.null
  document.endpoints, document.network = endpoints_of(session), network_of(session)
  document.organization, document.cloud.organization = null(document.cloud.organization), nil
  return document, found.status
end

return M
