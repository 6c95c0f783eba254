--- Vault as whoami tells it: where it is, which one, in which namespace, by whose token with which policies, and until when.
local clean = require "clean"
local json = require "json"
local refusal = require "refusal"
local settings = require "vault.settings"
local time = require "time"

local M = {}

local function null(value)
  if value == nil then return json.null end
  return value
end

--- Whether something in this session points to Vault.
---@param session Session
---@return boolean
function M.wanted(session)
  local client, environment = session.vault_client, session.environment
  if client.wrong or client.method then return true end
  if client.settings.source ~= "the default" or settings.text(environment, "NAMESPACE") then return true end
  for _, name in ipairs { "COCKROACH_API_KEY", "AWS_SECRET_ACCESS_KEY" } do
    if environment.reference(name, name:find "^AWS" and "aws" or "cloud") then return true end
  end
  return settings.secret(environment, "TOKEN") ~= nil
end

-- OpenBao knows no performance standbys, and says nothing of them.
local function edition(health)
  if type(health.version) ~= "string" then return nil end
  if health.version:find("+ent", 1, true) then return "Enterprise" end
  return health.performance_standby == nil and "OpenBao" or "community"
end

-- Which node of a cluster answers.
local function node(health)
  if health.replication_dr_mode == "secondary" then return "disaster-recovery secondary" end
  return health.performance_standby and "performance standby" or health.standby and not health.sealed and "standby" or "active"
end

local function add_token(part, session)
  local client = session.vault_client
  client.token:get()
  part.source = client.token.source
  local data = clean(session.vault.lookup_self()) or {}
  local policies = json.array {}
  for _, list in ipairs { data.policies or {}, data.identity_policies or {} } do table.move(list, 1, #list, #policies + 1, policies) end
  part.display_name, part.policies, part.token_type = null(data.display_name), policies, null(data.type)
  local ttl = type(data.ttl) == "number" and data.ttl > 0 and data.ttl or nil
  part["until"] = ttl and time.text(session.clock.now() + ttl) or json.null
  part.renewable = data.renewable == true
end

--- The part of whoami's document. In a task.
---@param session Session
---@param failed fun(raised: any): table  what went wrong, for the document; raises what is no refusal
---@return table
function M.part(session, failed)
  local client = session.vault_client
  local part = { address = json.null, address_source = json.null, namespace = json.null, version = json.null, edition = json.null,
    sealed = json.null, node = json.null, source = json.null, display_name = json.null, policies = json.array {}, token_type = json.null,
    ["until"] = json.null, renewable = json.null }
  local ok, raised = pcall(function()
    local here = client:use()
    part.address, part.address_source, part.namespace = here.address, here.source, null(client:namespace())
    local health = session.vault.read_health() or {}
    part.version, part.edition, part.sealed = null(health.version), null(edition(health)), health.sealed == true
    part.node = not part.sealed and health.initialized ~= false and node(health) or json.null
    if health.sealed or health.initialized == false then
      refusal.raise(require("explain").complete { service = "vault", operation = "ReadHealth", kind = "refused", status = 503,
        message = health.sealed and health.initialized ~= false and "Vault is sealed" or "Vault is not initialized", attempts = 1,
        endpoint_source = here.source, about = { address = here.address, words = health.initialized == false and "initialized: false"
          or "sealed: true" } })
    end
    add_token(part, session)
  end)
  if not ok then part.error = failed(raised) end
  return part
end

return M
