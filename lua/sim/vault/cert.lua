--- The simulated Vault: logins by TLS certificate. The server here never sees one, so that nobody can log in: roles can be kept, and a
--- login is told what a server says to a client without certificate.
local paths = require("sim.vault.paths")
local refusal = require("sim.vault.refusal")
local roles = require("sim.vault.roles")

local list_row, role_row = roles.rows { noun = "Cert", path = "certs", store = "certs", fields = { certificate = { "string", "" },
  allowed_common_names = "list", allowed_dns_sans = "list", display_name = { "string", "" } },
  check = function(_, role)
    if not role.certificate:find "BEGIN CERTIFICATE" then refusal.bad "failed to parse certificate" end
  end }

return { rows = paths.rows {
  { "Login", "^login$", fields = { name = "string" }, open = true,
    write = function() refusal.bad "invalid certificate or no client certificate supplied" end },
  list_row, role_row,
} }
