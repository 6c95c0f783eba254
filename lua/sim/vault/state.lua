--- Everything the simulated Vault knows, in the shape that `cmek sim --state` writes:
--- { edition =, namespaces = { [PATH] = { id =, mounts = { ["kv/"] = {…, data =} }, auth = { ["approle/"] = {…} }, policies = { NAME = TEXT } } } }.
--- PATH is "" or ends in a slash. Members beginning with _ (tokens, leases, secrets) are gone with the process.
local crypto = require("crypto")
local json = require("json")
local policy = require("sim.vault.policy")

local M = {}

--- What is served: the version it tells, whether it has namespaces and the licensed engines; home: the namespace where the operator's
--- token is from, above which there is nothing for him.
M.EDITIONS = {
  enterprise = { version = "1.21.1+ent", namespaces = true, licensed = true },
  hcp = { version = "1.21.1+ent", namespaces = true, licensed = true, home = "admin/" },
  community = { version = "1.21.1" },
  openbao = { version = "2.7.2", namespaces = true, bao = true },
}

--- In which condition the server may be.
M.CONDITIONS = { "active", "standby", "performance-standby", "dr-secondary", "sealed", "uninitialised" }

--- The token of the operator, who may do everything.
M.ROOT_TOKEN = "hvs.SIMULATEDCMEKROOTTOKEN01"

--- Whom the server itself is in AWS: its own credentials, for keymgmt providers that name none.
M.SERVER = { account = "210987654321", name = "vault-server", access_key_id = "AKIASIMULATEDVAULT001",
  secret_access_key = "simulated/secret/not-a-real-one/00000004",
  policies = { '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*","Action":["kms:CreateKey","kms:GetParametersForImport",'
    .. '"kms:ImportKeyMaterial","kms:EnableKey","kms:DisableKey","kms:ScheduleKeyDeletion","kms:CreateAlias","kms:UpdateAlias","kms:DeleteAlias",'
    .. '"kms:ListAliases","kms:TagResource","kms:ReplicateKey","kms:DescribeKey"]}]}' } }

-- Identifiers of things that are there from the start: the same in every run.
local function digest(text) return crypto.hex(crypto.sha256("simulated vault: " .. text)) end

local function uuid_of(hex)
  return ("%s-%s-4%s-8%s-%s"):format(hex:sub(1, 8), hex:sub(9, 12), hex:sub(14, 16), hex:sub(18, 20), hex:sub(21, 32))
end

--- A mount as sys/mounts and sys/auth show it.
---@param kind string
---@param given table  description, config, options, local, seal_wrap
---@param hex string  of 32 digits or more
function M.mount(kind, given, hex)
  return {
    type = kind, description = given.description or "", accessor = ("%s_%s"):format(kind, hex:sub(-8)), uuid = uuid_of(hex),
    config = given.config or { default_lease_ttl = 0, max_lease_ttl = 0, force_no_cache = false }, options = given.options or json.null,
    ["local"] = given["local"] == true, seal_wrap = given.seal_wrap == true, external_entropy_access = false,
    plugin_version = "", running_plugin_version = "v1.0.0+builtin", running_sha256 = "", deprecation_status = "supported", data = {},
  }
end

--- A namespace with what each has.
---@param path string
---@param id string
function M.namespace(path, id)
  local function mount(kind, description) return M.mount(kind, { description = description }, digest(path .. kind)) end
  local token = mount("token", "token based credentials")
  token.config.token_type, token.deprecation_status = "default-service", nil
  return {
    id = id, path = path, custom_metadata = {}, uuid = uuid_of(digest("namespace " .. path)),
    mounts = {
      ["sys/"] = mount("system", "system endpoints used for control, policy and debugging"),
      ["identity/"] = mount("identity", "identity store"),
      ["cubbyhole/"] = mount("cubbyhole", "per-token private secret storage"),
    },
    auth = { ["token/"] = token },
    policies = { default = policy.DEFAULT },
  }
end

--- A server as it is after its start: a KV store at secret/, and its root token.
---@param edition string?  of EDITIONS
---@return table
function M.new(edition)
  local root = M.namespace("", "root")
  root.mounts["secret/"] = M.mount("kv", { description = "key/value secret storage", options = { version = "2" } }, digest "secret")
  local vault = { edition = edition or "enterprise", cluster_name = "vault-cluster-simulated", cluster_id = uuid_of(digest "cluster"),
    namespaces = { [""] = root } }
  local home = M.EDITIONS[vault.edition].home
  if home then vault.namespaces[home] = M.namespace(home, "adm1n") end
  return vault
end

--- What the process adds: tokens, wrapped answers, leases.
---@param vault table
---@param now number
function M.start(vault, now)
  vault._tokens, vault._accessors, vault._wrapped, vault._leases, vault._quotas = {}, {}, {}, {}, {}
  local root = { id = M.ROOT_TOKEN, accessor = digest("root"):sub(1, 24), policies = json.array { "root" },
    namespace = M.EDITIONS[vault.edition].home or "", created = now,
    creation_ttl = 0, explicit_max_ttl = 0, num_uses = 0, display_name = "root", path = "auth/token/root", orphan = true, type = "service",
    renewable = false, meta = json.null, entity_id = "" }
  vault._tokens[root.id], vault._accessors[root.accessor] = root, root
end

return M
