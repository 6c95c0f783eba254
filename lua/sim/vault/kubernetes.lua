--- The simulated Vault: logins of a Kubernetes service account. The TokenReview is done here: claims are judged, and signatures where the
--- mount has pem_keys.
local claims = require("sim.vault.claims")
local json = require("json")
local paths = require("sim.vault.paths")
local refusal = require("sim.vault.refusal")
local roles = require("sim.vault.roles")
local sorted = require("sorted")
local tokens = require("sim.vault.tokens")

local CONFIG <const> = { kubernetes_host = "string", kubernetes_ca_cert = "string", token_reviewer_jwt = "string", pem_keys = "list",
  issuer = "string", disable_iss_validation = "bool", disable_local_ca_jwt = "bool" }

local list_row, role_row = roles.rows { noun = "Role", path = "role", store = "roles", fields = {
  bound_service_account_names = { "list", json.array {} }, bound_service_account_namespaces = { "list", json.array {} },
  audience = { "string", "" }, alias_name_source = { "string", "serviceaccount_uid" }, bound_service_account_namespace_selector = "string" },
  check = function(_, role)
    if #role.bound_service_account_names == 0 then refusal.bad '"bound_service_account_names" can not be empty' end
    if #role.bound_service_account_namespaces == 0 then refusal.bad '"bound_service_account_namespaces" can not be empty' end
  end }

local function write_config(r)
  if not r.fields.kubernetes_host or r.fields.kubernetes_host == "" then refusal.bad "no host provided" end
  local config = {}
  for name in sorted(CONFIG) do config[name] = r.fields[name] end
  r.store.config = config
end

local function read_config(r)
  local data = {}
  for name, value in sorted(r.store.config or refusal.absent()) do
    if name ~= "token_reviewer_jwt" then data[name] = value end
  end
  return { data = data }
end

local ALGORITHMS <const> = { "RS256", "RS384", "RS512", "ES256", "ES384", "ES512" }

-- Who the token is of: namespace, name, uid.
local function account_of(found)
  local inner = type(found["kubernetes.io"]) == "table" and found["kubernetes.io"] or {}
  local namespace, name = tostring(found.sub):match "^system:serviceaccount:([^:]+):([^:]+)$"
  local account = type(inner.serviceaccount) == "table" and inner.serviceaccount or {}
  return inner.namespace or namespace, account.name or name, account.uid or "00000000-0000-4000-8000-000000000000"
end

local function login(r)
  local f = r.fields
  if not f.role or f.role == "" then refusal.bad "missing role" end
  if not f.jwt or f.jwt == "" then refusal.bad "missing jwt" end
  local role = roles.store(r, "roles")[f.role:lower()] or refusal.bad('invalid role name "%s"', f.role)
  if not r.store.config then refusal.raise(500, refusal.several "could not load backend configuration") end
  local keys = r.store.config.pem_keys
  local found = claims.read(f.jwt, r.now, keys and #keys > 0 and keys or nil, ALGORITHMS) or refusal.denied()
  if role.audience ~= "" and not claims.among(found.aud, { role.audience }) then
    refusal.raise(403, "invalid audience (aud) claim: audience claim does not match any expected audience")
  end
  local namespace, name, uid = account_of(found)
  if not name then refusal.denied() end
  if not claims.among(namespace, role.bound_service_account_namespaces) then refusal.raise(403, "namespace not authorized") end
  if not claims.among(name, role.bound_service_account_names) then refusal.raise(403, "service account name not authorized") end
  return tokens.login(r, role, { display_name = ("kubernetes-%s-%s"):format(namespace, name), alias = uid,
    meta = { role = f.role:lower(), service_account_name = name, service_account_namespace = namespace, service_account_uid = uid,
      service_account_secret_name = "" } })
end

return { rows = paths.rows {
  { "Login", "^login$", fields = { role = "string", jwt = "string" }, open = true, write = login },
  { "Config", "^config$", fields = CONFIG, read = read_config, write = write_config },
  list_row, role_row,
} }
