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

local function open_session(call, role, p)
  local simulation = call.simulation
  local session = {
    access_key_id = simulation:identifier("ASIA", 20), secret = crypto.base64(simulation.random(30)),
    token = crypto.base64(simulation.random(180)), role_id = role.RoleId, name = p.RoleSessionName,
    expires = math.floor(call.now) + seconds_of(call, role, p.DurationSeconds or 3600), policies = session_policies(call, p), tags = p.Tags,
  }
  simulation.state._sessions[session.access_key_id] = session
  return session
end

local function assume_role(call, p)
  local role = target(call, p.RoleArn)
  if call.caller.kind == "root" then auth.deny(call, "Roles may not be assumed by root accounts.") end
  auth.authorize(call, { action = "sts:AssumeRole", resource = p.RoleArn, account = p.RoleArn:match("::(%d+):"), kind = "role", brief = true,
    policy = role and role._trust or { Version = "2012-10-17", Statement = json.array {} },
    context = { ["sts:ExternalId"] = p.ExternalId, ["sts:RoleSessionName"] = p.RoleSessionName, ["sts:SourceIdentity"] = p.SourceIdentity } })
  local session = open_session(call, role, p)
  local account = role.Arn:match("::(%d+):")
  return {
    Credentials = { AccessKeyId = session.access_key_id, SecretAccessKey = session.secret, SessionToken = session.token,
      Expiration = time.rfc3339(session.expires) },
    AssumedRoleUser = { AssumedRoleId = role.RoleId .. ":" .. session.name,
      Arn = ("arn:%s:sts::%s:assumed-role/%s/%s"):format(call.simulation.partition, account, role.RoleName, session.name) },
  }
end

local text = { type = "string" }
local tags = { type = "list", max = 50, member = { type = "structure", members = {
  Key = { type = "string", required = true, min = 1, max = 128 }, Value = { type = "string", required = true, max = 256 } } } }

M.operations = {
  GetCallerIdentity = { run = get_caller_identity, parameters = {} },
  AssumeRole = { run = assume_role, parameters = {
    RoleArn = { type = "string", required = true, min = 20, max = 2048 },
    RoleSessionName = { type = "string", required = true, min = 2, max = 64, pattern = { "[\\w+=,.@-]*", "^[%w_+=,.@-]*$" } },
    DurationSeconds = { type = "integer", min = 900, max = 43200 },
    ExternalId = { type = "string", min = 2, max = 1224, pattern = { "[\\w+=,.@:\\/-]*", "^[%w_+=,.@:/-]*$" } },
    Policy = { type = "string", min = 1 },
    PolicyArns = { type = "list", max = 10, member = { type = "structure", members = { arn = text } } },
    Tags = tags, TransitiveTagKeys = { type = "list", member = text },
    SerialNumber = text, TokenCode = text, SourceIdentity = text,
  } },
}

--- Does one operation of STS.
---@return table? result
function M.run(call, operation) return operation.run(call, check.parameters(call, operation.parameters)) end

return M
