--- Who somebody is, as the machine or the container that runs him is told, and IAM Identity Center: instance metadata, container
--- credentials, the portal and its OIDC. Nothing here is signed. Off unless a command is pointed at it.
---
---   simulation.metadata   what becomes of instance metadata; nil and "on": as it should be
---     slow      every answer takes half a minute        html      a page of somebody else's answers
---     expired   the keys expired in 2020                no-role   the instance has none
---     v1        tokens are not known                    refused   no token, and nothing without one
---     bridged   the token's answer never comes, and nothing goes without one: a hop limit of 1, seen from a container
local crypto = require("crypto")
local json = require("json")
local sts = require("sim.sts")
local time = require("sim.time")
local wire = require("sim.wire")

local M = {}

--- What `simulation.metadata` may be.
M.MODES = { "on", "slow", "html", "expired", "no-role", "v1", "refused", "bridged" }

--- What a container presents, at which path.
M.CONTAINER = { path = "/container/credentials", token = "simulated-container-authorization-token" }

--- A sign-in, as `aws sso login` would leave it.
M.SIGN_IN = { start_url = "https://simulated.awsapps.com/start", client = "simulated-client", client_secret = "simulated-client-secret",
  access = "simulated-sso-access-token", refresh = "simulated-sso-refresh-token", account = "210987654321", role = "Admin" }

local LATE <const> = 30        -- seconds
local LASTS <const> = 21600    -- seconds of a session, and of a metadata token
local ROLES <const> = "/latest/meta-data/iam/security-credentials/"
local ROLE <const> = "cmek-sim-instance"

-- Answers ---------------------------------------------------------------------------------------------------------

local function answer(status, body, content_type, more)
  local headers = { { "Content-Type", content_type or "text/plain" }, { "Content-Length", tostring(#body) } }
  for _, header in ipairs(more or {}) do headers[#headers + 1] = header end
  return { status = status, headers = headers, body = body }
end

local function says(status, value) return answer(status, json.encode(value), "application/json") end

local function refuse(entry, status, code, value)
  entry.code = code
  return says(status, value)
end

local function page() return answer(200, "<html><body><h1>Welcome to the simulated network. Please sign in.</h1></body></html>\n", "text/html") end

-- Sessions --------------------------------------------------------------------------------------------------------

-- A session of a role that may do everything, which is made when it is first asked for.
local function session(simulation, name)
  local account = M.SIGN_IN.account
  local role = require("sim.state").find_role(simulation.state, account, name)
  if not role then
    simulation:seed { [account] = { iam = { roles = { { RoleName = name,
      AssumeRolePolicyDocument = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},'
        .. '"Action":"sts:AssumeRole"}]}',
      AttachedPolicies = { { PolicyName = "AdministratorAccess", PolicyArn = "arn:aws:iam::aws:policy/AdministratorAccess" } } } } } } }
    role = require("sim.state").find_role(simulation.state, account, name)
  end
  return sts.open(simulation, role, { name = "i-0123456789abcdef0", seconds = LASTS })
end

-- Instance metadata -----------------------------------------------------------------------------------------------

local function role_keys(simulation)
  local made = session(simulation, ROLE)
  return says(200, { Code = "Success", Type = "AWS-HMAC", LastUpdated = time.rfc3339(simulation:time()), AccessKeyId = made.access_key_id,
    SecretAccessKey = made.secret, Token = made.token,
    Expiration = simulation.metadata == "expired" and "2020-04-02T00:49:51Z" or time.rfc3339(made.expires) })
end

local function token(simulation, request, entry)
  local mode = simulation.metadata
  entry.operation = "GetToken"
  if mode == "v1" then return answer(404, "") end
  if mode == "refused" then return answer(403, "") end
  local ttl = tonumber(wire.header(request, "x-aws-ec2-metadata-token-ttl-seconds") or "")
  if not ttl or ttl < 1 or ttl > LASTS then return answer(400, "") end
  simulation.metadata_token = simulation.metadata_token or "simulated-imds-token-" .. simulation:hex(16)
  local response = answer(200, simulation.metadata_token, nil, { { "X-aws-ec2-metadata-token-ttl-seconds", ("%d"):format(ttl) } })
  if mode == "bridged" then response.delay = LATE end
  return response
end

local function metadata(simulation, request, entry)
  local mode, path = simulation.metadata, request.target
  entry.service, entry.operation = "imds", "none"
  if mode == "html" then return page() end
  if path == "/latest/api/token" and request.method == "PUT" then return token(simulation, request, entry) end
  local shown = wire.header(request, "x-aws-ec2-metadata-token")
  if mode ~= "v1" and (shown == nil or shown ~= simulation.metadata_token) then return answer(401, "") end
  if path == "/latest/meta-data/placement/region" then return answer(200, "us-east-1") end
  if path == ROLES then
    entry.operation = "ListRoles"
    return mode == "no-role" and answer(404, "") or answer(200, ROLE)
  end
  entry.operation = "GetRoleCredentials"
  return path == ROLES .. ROLE and role_keys(simulation) or answer(404, "")
end

-- Container -------------------------------------------------------------------------------------------------------

local function container(simulation, request, entry)
  entry.service, entry.operation = "container", "GetCredentials"
  if wire.header(request, "authorization") ~= M.CONTAINER.token then
    return refuse(entry, 401, "InvalidTokenException", { code = "InvalidTokenException", message = "The authorization token is not valid" })
  end
  local made = session(simulation, "cmek-sim-task")
  return says(200, { AccessKeyId = made.access_key_id, SecretAccessKey = made.secret, Token = made.token, Expiration = time.rfc3339(made.expires) })
end

-- IAM Identity Center ---------------------------------------------------------------------------------------------

local function query(target)
  local values = {}
  for _, pair in ipairs(wire.form(target:match("%?(.*)$") or "")) do values[pair[1]] = pair[2] end
  return values
end

local function portal(simulation, request, entry)
  entry.service, entry.operation = "sso", "GetRoleCredentials"
  local shown = wire.header(request, "x-amz-sso_bearer_token")
  if shown ~= M.SIGN_IN.access and (shown == nil or shown ~= simulation.signed_in) then
    return refuse(entry, 401, "UnauthorizedException", { message = "Session token not found or invalid",
      __type = "com.amazonaws.switchboard.portal#UnauthorizedException" })
  end
  local wanted = query(request.target)
  if wanted.account_id ~= M.SIGN_IN.account or wanted.role_name ~= M.SIGN_IN.role then
    return refuse(entry, 403, "ForbiddenException", { message = "No access", __type = "com.amazonaws.switchboard.portal#ForbiddenException" })
  end
  local made = session(simulation, "AWSReservedSSO_" .. wanted.role_name .. "_0123456789abcdef")
  return says(200, { roleCredentials = { accessKeyId = made.access_key_id, secretAccessKey = made.secret, sessionToken = made.token,
    expiration = made.expires * 1000 } })
end

local function oidc(simulation, request, entry)
  entry.service, entry.operation = "sso-oidc", "CreateToken"
  local asked = json.decode(request.body or "")
  asked = type(asked) == "table" and asked or {}
  if asked.clientId ~= M.SIGN_IN.client or asked.clientSecret ~= M.SIGN_IN.client_secret then
    return refuse(entry, 401, "InvalidClientException", { error = "invalid_client", error_description = "Invalid client" })
  end
  if asked.grantType ~= "refresh_token" or asked.refreshToken ~= M.SIGN_IN.refresh then
    return refuse(entry, 400, "InvalidGrantException", { error = "invalid_grant", error_description = "Invalid refresh token provided" })
  end
  simulation.signed_in = "simulated-sso-access-token-" .. simulation:hex(8)
  return says(200, { accessToken = simulation.signed_in, expiresIn = 28800, refreshToken = M.SIGN_IN.refresh, tokenType = "Bearer" })
end

-- Routes ----------------------------------------------------------------------------------------------------------

local ROUTES <const> = { { "^/latest/", metadata }, { "^" .. M.CONTAINER.path .. "$", container }, { "^/federation/credentials", portal },
  { "^/token$", oidc } }

--- Answers what speaks to one of these; nil for anything else.
---@param simulation table
---@param request table
---@param entry table  of the log
---@return table? response
function M.handle(simulation, request, entry)
  for _, route in ipairs(ROUTES) do
    if request.target:find(route[1]) then
      local response = route[2](simulation, request, entry)
      if simulation.metadata == "slow" and entry.service == "imds" then response.delay = LATE end
      return response
    end
  end
end

--- A web identity's token of this subject, as a CI service would issue it; nobody checks its signature here.
---@param simulation table
---@param claims { sub: string, seconds: number?, iss: string?, aud: string? }
---@return string
function M.web_identity(simulation, claims)
  local body = { iss = claims.iss or "https://ci.example", aud = claims.aud or "sts.amazonaws.com", sub = claims.sub,
    exp = math.floor(simulation:time()) + (claims.seconds or 3600) }
  return ("%s.%s.%s"):format(crypto.base64url('{"alg":"none"}'), crypto.base64url(json.encode(body)), crypto.base64url("simulated"))
end

return M
