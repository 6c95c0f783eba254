--- The simulated Vault: logins by TLS certificate, where the server speaks TLS (`cmek sim --tls-cert`). A role knows a certificate, or an
--- authority by which the client's is issued, and may ask for names in it.
local paths = require("sim.vault.paths")
local pki = require("pki")
local refusal = require("sim.vault.refusal")
local roles = require("sim.vault.roles")
local json = require("json")
local sorted = require("sorted")
local tokens = require("sim.vault.tokens")

local NOBODY <const> = "invalid certificate or no client certificate supplied"

local list_row, role_row = roles.rows { noun = "Cert", path = "certs", store = "certs", fields = { certificate = { "string", "" },
  allowed_common_names = { "list", json.array {} }, allowed_dns_sans = { "list", json.array {} }, display_name = { "string", "" } },
  check = function(_, role)
    if not pki.certificate(role.certificate) then refusal.bad "failed to parse certificate" end
  end }

-- Does a text fit one of the patterns, in which * is anything?
local function fits(texts, patterns)
  if #patterns == 0 then return true end
  for _, glob in ipairs(patterns) do
    local pattern = "^" .. glob:gsub("[^%w*]", "%%%0"):gsub("%*", ".*") .. "$"
    for _, text in ipairs(texts) do
      if text:find(pattern) then return true end
    end
  end
  return false
end

-- The first role that the certificate is of; nil, and whether one of them trusts it and wants other names.
local function role_of(r, pem, shown)
  local trusted = false
  for name, role in sorted(roles.store(r, "certs")) do
    local wanted = not r.fields.name or r.fields.name == "" or r.fields.name:lower() == name
    if wanted and (pki.certificate(role.certificate).der == shown.der or pki.issued(pem, role.certificate)) then
      if fits({ shown.common_name }, role.allowed_common_names) and fits(shown.dns, role.allowed_dns_sans) then return role, name end
      trusted = true
    end
  end
  return nil, trusted
end

local function login(r)
  local pem = r.request.certificate
  local shown = pem and pki.certificate(pem)
  if not shown or shown.ends <= r.now then refusal.bad(NOBODY) end
  local role, name = role_of(r, pem, shown)
  if not role then refusal.bad(name and "no chain matching all constraints could be found for this login certificate" or NOBODY) end
  return tokens.login(r, role, { display_name = role.display_name ~= "" and role.display_name or name, alias = shown.common_name,
    meta = { cert_name = name, common_name = shown.common_name, serial_number = shown.serial } })
end

return { rows = paths.rows {
  { "Login", "^login$", fields = { name = "string" }, open = true, write = login },
  list_row, role_row,
} }
