--- The simulated STS: who am I, and becoming a role.
local auth = require("sim.auth")
local check = require("sim.check")
local crypto = require("crypto")
local json = require("json")
local state = require("sim.state")
local time = require("sim.time")
local wire = require("sim.wire")

local M = {}

local function get_caller_identity(call)
  local caller = call.caller
  return { Account = caller.account, Arn = caller.arn, UserId = caller.user_id or caller.unique_id or caller.account }
end

-- Whom the ARN names; wrong, missing and not yet known roles are refused alike.
local function target(call, arn)
  if not arn:find("^arn:[%w-]+:iam::%d%d%d%d%d%d%d%d%d%d%d%d:role/[^%s]+$") then
    wire.refuse("ValidationError", ("%s is invalid"):format(arn))
  end
  local role = state.find_role_arn(call.state, arn)
  return role and state.visible(call.simulation, role) and role or nil
end

local function seconds_of(call, role, wanted)
  if wanted > role.MaxSessionDuration then
    wire.refuse("ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
  end
  if call.caller.kind == "session" and wanted > 3600 then
    wire.refuse("ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
  end
  return wanted
end

local function session_policies(call, p)
  local list = {}
  if p.Policy then
    local document = json.decode(p.Policy)
    if type(document) ~= "table" then wire.refuse("MalformedPolicyDocument", "This policy contains invalid Json") end
    list[1] = document
  end
  for _, attached in ipairs(p.PolicyArns or {}) do
    list[#list + 1] = state.managed_policy(call.state, attached.arn or "") or
      wire.refuse("ValidationError", ("Policy %s does not exist"):format(attached.arn))
  end
  return #list > 0 and list or nil
end

--- Opens a session of a role, for whoever has a right to it.
---@param simulation table
---@param role table
---@param how { name: string, seconds: number, policies: table[]?, tags: table[]? }
---@return { access_key_id: string, secret: string, token: string, expires: integer }
function M.open(simulation, role, how)
  local session = {
    access_key_id = simulation:identifier("ASIA", 20), secret = crypto.base64(simulation.random(30)),
    token = crypto.base64(simulation.random(180)), role_id = role.RoleId, name = how.name,
    expires = math.floor(simulation:time()) + how.seconds, policies = how.policies, tags = how.tags,
  }
  simulation.state._sessions[session.access_key_id] = session
  return session
end

local function credentials_of(session)
  return { AccessKeyId = session.access_key_id, SecretAccessKey = session.secret, SessionToken = session.token,
    Expiration = time.rfc3339(session.expires) }
end

local function assumed(call, role, session)
  return { AssumedRoleId = role.RoleId .. ":" .. session.name,
    Arn = ("arn:%s:sts::%s:assumed-role/%s/%s"):format(call.simulation.partition, role.Arn:match("::(%d+):"), role.RoleName, session.name) }
end

local function assume_role(call, p)
  local role = target(call, p.RoleArn)
  if call.caller.kind == "root" then auth.deny(call, "Roles may not be assumed by root accounts.") end
  auth.authorize(call, { action = "sts:AssumeRole", resource = p.RoleArn, account = p.RoleArn:match("::(%d+):"), kind = "role", brief = true,
    policy = role and role._trust or { Version = "2012-10-17", Statement = json.array {} },
    context = { ["sts:ExternalId"] = p.ExternalId, ["sts:RoleSessionName"] = p.RoleSessionName, ["sts:SourceIdentity"] = p.SourceIdentity } })
  local session = M.open(call.simulation, role, { name = p.RoleSessionName, seconds = seconds_of(call, role, p.DurationSeconds or 3600),
    policies = session_policies(call, p), tags = p.Tags })
  return { Credentials = credentials_of(session), AssumedRoleUser = assumed(call, role, session) }
end

-- The claims of a JSON Web Token; its signature is nobody's business here.
local function claims_of(token)
  local body = token:match("^[%w_-]+%.([%w_-]+)%.[%w_-]*$")
  local text = body and crypto.unbase64(body:gsub("-", "+"):gsub("_", "/") .. ("="):rep(-#body % 4))
  local claims = text and json.decode(text)
  if type(claims) == "table" and type(claims.iss) == "string" and type(claims.sub) == "string" and math.type(claims.exp) then return claims end
  wire.refuse("InvalidIdentityToken", "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
end

local function assume_role_with_web_identity(call, p)
  local claims = claims_of(p.WebIdentityToken)
  if claims.exp <= call.now then
    wire.refuse("ExpiredTokenException", ("Token expired: current date/time %d must be before the expiration date/time %d"):format(
      math.floor(call.now), claims.exp))
  end
  local account, issuer = p.RoleArn:match("::(%d+):"), claims.iss:gsub("^https://", "")
  local role = target(call, p.RoleArn)
  call.caller = { kind = "federated", account = account, identity = {},
    arn = ("arn:%s:iam::%s:oidc-provider/%s"):format(call.simulation.partition, account, issuer) }
  local verdict = role and auth.evaluate(call, { action = "sts:AssumeRoleWithWebIdentity", resource = p.RoleArn, account = account, kind = "role",
    policy = role._trust, context = { [issuer .. ":aud"] = claims.aud, [issuer .. ":sub"] = claims.sub } })
  if not verdict or verdict.verdict ~= "allowed" then auth.deny(call, "Not authorized to perform sts:AssumeRoleWithWebIdentity") end
  local session = M.open(call.simulation, role, { name = p.RoleSessionName, seconds = seconds_of(call, role, p.DurationSeconds or 3600) })
  return { Credentials = credentials_of(session), AssumedRoleUser = assumed(call, role, session), SubjectFromWebIdentityToken = claims.sub,
    Audience = claims.aud, Provider = call.caller.arn }
end

local text = { type = "string" }
local role_arn = { type = "string", required = true, min = 20, max = 2048 }
local session_name = { type = "string", required = true, min = 2, max = 64, pattern = { "[\\w+=,.@-]*", "^[%w_+=,.@-]*$" } }
local seconds = { type = "integer", min = 900, max = 43200 }
local tags = { type = "list", max = 50, member = { type = "structure", members = {
  Key = { type = "string", required = true, min = 1, max = 128 }, Value = { type = "string", required = true, max = 256 } } } }

M.operations = {
  GetCallerIdentity = { run = get_caller_identity, parameters = {} },
  AssumeRole = { run = assume_role, parameters = {
    RoleArn = role_arn, RoleSessionName = session_name, DurationSeconds = seconds,
    ExternalId = { type = "string", min = 2, max = 1224, pattern = { "[\\w+=,.@:\\/-]*", "^[%w_+=,.@:/-]*$" } },
    Policy = { type = "string", min = 1 },
    PolicyArns = { type = "list", max = 10, member = { type = "structure", members = { arn = text } } },
    Tags = tags, TransitiveTagKeys = { type = "list", member = text },
    SerialNumber = text, TokenCode = text, SourceIdentity = text,
  } },
  AssumeRoleWithWebIdentity = { anonymous = true, run = assume_role_with_web_identity, parameters = {
    RoleArn = role_arn, RoleSessionName = session_name, DurationSeconds = seconds,
    WebIdentityToken = { type = "string", required = true, min = 4, max = 20000 },
  } },
}

--- Does one operation of STS.
---@return table? result
function M.run(call, operation) return operation.run(call, check.parameters(call, operation.parameters)) end

return M
