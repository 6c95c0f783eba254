--- The environment of a command that runs against the simulated services: everything that could lead it to real ones is
--- scrubbed, and set anew. What is neither is inherited.
local M = {}

local REGION <const> = "us-east-1"

-- The prefixes of each service's variables.
local SERVICES <const> = {
  aws = { "AWS_" },
  cloud = { "COCKROACH_" },
  vault = { "VAULT_", "BAO_" },
}

--- The service to which a variable speaks: "aws", "cloud", "vault", "proxy"; nil for any other.
---@param name string
---@return string?
function M.service(name)
  for _, service in ipairs { "aws", "cloud", "vault" } do
    for _, prefix in ipairs(SERVICES[service]) do
      if name:sub(1, #prefix) == prefix then return service end
    end
  end
  if name:lower():match "_proxy$" then return "proxy" end
end

--- Variables that a shell may hold and that would lead elsewhere; for `unset` in what `cmek sim` prints.
M.NOTORIOUS = {
  "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE",
  "AWS_CREDENTIAL_EXPIRATION", "AWS_EC2_METADATA_SERVICE_ENDPOINT", "AWS_ENDPOINT_URL_SSO", "AWS_ENDPOINT_URL_SSO_OIDC",
  "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN",
  "AWS_ENDPOINT_URL_IAM", "AWS_ENDPOINT_URL_KMS", "AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_RESOURCE_GROUPS_TAGGING_API",
  "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT", "AWS_CA_BUNDLE",
  "COCKROACH_API_JWT", "COCKROACH_VANITY_NAME", "COCKROACH_USERNAME", "VAULT_TOKEN", "VAULT_NAMESPACE", "BAO_ADDR", "BAO_TOKEN",
  "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy",
}

-- What each service's clients are told. A service that is not simulated is told the same: the simulator refuses it, by name.
local tell = {}

function tell.aws(url, simulation)
  local operator, list = simulation.accounts[1], {
    { "AWS_ENDPOINT_URL", url },
    { "AWS_REGION", REGION },
    { "AWS_DEFAULT_REGION", REGION },
    { "AWS_CONFIG_FILE", "/dev/null" },
    { "AWS_SHARED_CREDENTIALS_FILE", "/dev/null" },
    { "AWS_EC2_METADATA_DISABLED", "true" },
  }
  if simulation.metadata then
    list[#list] = { "AWS_EC2_METADATA_SERVICE_ENDPOINT", url }
    return list
  end
  table.insert(list, 1, { "AWS_ACCESS_KEY_ID", operator.access_key_id })
  table.insert(list, 2, { "AWS_SECRET_ACCESS_KEY", operator.secret_access_key })
  return list
end

function tell.cloud(url)
  return {
    { "COCKROACH_SERVER", url },
    { "COCKROACH_API_KEY", require("sim.cloud").KEYS[1].secret },
  }
end

function tell.vault(url, simulation)
  local state = require("sim.vault.state")
  local list = { { "VAULT_ADDR", url }, { "VAULT_TOKEN", state.ROOT_TOKEN } }
  local vault = simulation.state.vault
  local home = vault and state.EDITIONS[vault.edition].home
  if home then list[#list + 1] = { "VAULT_NAMESPACE", home:sub(1, -2) } end
  return list
end

--- What is set anew, in the order in which it reads best.
---@param options { url: string, simulation: table, mixed: boolean, ca: string? }  ca: file of the certificate that the server shows
---@return { [1]: string, [2]: string }[] pairs of name and value
function M.settings(options)
  local list = { { "CMEK_SIM", "1" } }
  for _, service in ipairs { "aws", "cloud", "vault" } do
    if options.simulation:serves(service) or not options.mixed then
      local settings = tell[service](options.url, options.simulation)
      table.move(settings, 1, #settings, #list + 1, list)
    end
  end
  if options.ca then
    for _, name in ipairs { "AWS_CA_BUNDLE", "VAULT_CACERT", "SSL_CERT_FILE", "CURL_CA_BUNDLE" } do list[#list + 1] = { name, options.ca } end
  end
  return list
end

--- Whether a variable of this name goes on to the command.
---@param name string
---@param simulation table
---@param mixed boolean  services that are not simulated are real, and so are the proxies to them
function M.inherited(name, simulation, mixed)
  local service = M.service(name)
  if not service then return true end
  return mixed and (service == "proxy" or not simulation:serves(service))
end

return M
