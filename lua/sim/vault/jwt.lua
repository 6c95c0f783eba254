--- The simulated Vault: logins by JSON Web Token, signed by one of the mount's jwt_validation_pubkeys. Of an issuer whose keys are elsewhere
--- (jwks_url, oidc_discovery_url) the claims alone are judged: nothing here goes on the network.
local claims = require("sim.vault.claims")
local json = require("json")
local paths = require("sim.vault.paths")
local refusal = require("sim.vault.refusal")
local roles = require("sim.vault.roles")
local sorted = require("sorted")
local tokens = require("sim.vault.tokens")

local CONFIG <const> = { jwt_validation_pubkeys = "list", jwks_url = "string", oidc_discovery_url = "string", bound_issuer = "string",
  default_role = "string", jwks_ca_pem = "string", oidc_discovery_ca_pem = "string", jwt_supported_algs = "list", oidc_client_id = "string",
  oidc_client_secret = "string", provider_config = "map" }

local list_row, role_row = roles.rows { noun = "Role", path = "role", store = "roles", fields = {
  role_type = { "string", "oidc" }, bound_audiences = { "list", json.array {} }, user_claim = { "string", "" }, bound_subject = { "string", "" },
  bound_claims = { "map", {} }, claim_mappings = { "map", {} }, groups_claim = { "string", "" }, allowed_redirect_uris = "list",
  bound_claims_type = { "string", "string" }, expiration_leeway = "duration", not_before_leeway = "duration", clock_skew_leeway = "duration" },
  check = function(_, role)
    if role.user_claim == "" then refusal.bad "a user claim must be defined on the role" end
    if role.role_type == "jwt" and #role.bound_audiences == 0 and role.bound_subject == "" and next(role.bound_claims) == nil then
      refusal.bad "must have at least one bound constraint when creating/updating a role"
    end
  end }

local function write_config(r)
  local config = {}
  for name in sorted(CONFIG) do config[name] = r.fields[name] end
  if not (config.jwt_validation_pubkeys or config.jwks_url or config.oidc_discovery_url) then
    refusal.bad "exactly one of 'jwt_validation_pubkeys', 'jwks_url', 'jwks_pairs' or 'oidc_discovery_url' must be set"
  end
  r.store.config = config
end

local function read_config(r)
  local data = {}
  for name, value in sorted(r.store.config or refusal.absent()) do
    if name ~= "oidc_client_secret" then data[name] = value end
  end
  return { data = data }
end

local function check_audience(role, found)
  if #role.bound_audiences == 0 then
    if found.aud ~= nil then refusal.bad "audience claim found in JWT but no audiences bound to the role" end
  elseif not claims.among(found.aud, role.bound_audiences) then
    refusal.bad "error validating token: invalid audience (aud) claim: audience claim does not match any expected audience"
  end
end

local function check_claims(role, found)
  for name, wanted in sorted(role.bound_claims) do
    if not claims.among(found[name], type(wanted) == "table" and wanted or { wanted }) then
      refusal.bad('error validating claims: claim "%s" does not match any associated bound claim values', name)
    end
  end
end

local function login(r)
  local config, f = r.store.config or refusal.bad "could not load configuration", r.fields
  local name = f.role or config.default_role or refusal.bad "missing role"
  local role = roles.store(r, "roles")[name:lower()] or refusal.bad('role "%s" could not be found', name)
  if role.role_type == "oidc" then refusal.bad "role with oidc role_type is not allowed" end
  if not f.jwt or f.jwt == "" then refusal.bad "missing token" end
  local found, message = claims.read(f.jwt, r.now, config.jwt_validation_pubkeys, config.jwt_supported_algs)
  if not found then refusal.bad("error validating token: %s", message) end
  if config.bound_issuer and found.iss ~= config.bound_issuer then
    refusal.bad "error validating token: invalid issuer (iss) claim"
  end
  if role.bound_subject ~= "" and found.sub ~= role.bound_subject then refusal.bad "error validating token: invalid subject (sub) claim" end
  check_audience(role, found)
  check_claims(role, found)
  local user = found[role.user_claim]
  if type(user) ~= "string" then refusal.bad('claim "%s" not found in token', role.user_claim) end
  return tokens.login(r, role, { display_name = r.mount.type .. "-" .. user, meta = { role = name:lower() }, alias = user })
end

return { rows = paths.rows {
  { "Login", "^login$", fields = { role = "string", jwt = "string" }, open = true, write = login },
  { "Config", "^config$", fields = CONFIG, read = read_config, write = write_config },
  list_row, role_row,
} }
