--- Web identity: a token that somebody keeps fresh in a file (Kubernetes, a CI service) is traded for a role's session.
local common = require "aws.credentials.common"
local refusal = require "refusal"
local secret = require "secret"
local time = require "time"

local M = {}

-- What to look at when STS does not take the token.
local ADVICE <const> = {
  ExpiredTokenException = "the token in the file has expired: whoever writes it (Kubernetes, the CI job) has to write a new one",
  InvalidIdentityToken = "the role's account needs an OIDC provider for the token's issuer: aws iam list-open-id-connect-providers",
  IDPRejectedClaim = "the token's issuer, audience or subject is not the one that the account's OIDC provider and the role's trust policy name",
  AccessDenied = "the role's trust policy must allow sts:AssumeRoleWithWebIdentity to the token's issuer, audience and subject",
}

local function trade(self, from, token)
  local ok, answer = pcall(self.assume_with_web_identity, { parameters = {
    RoleArn = from.role, RoleSessionName = common.session_name(self, from.session_name), WebIdentityToken = token } })
  if ok then return answer end
  if refusal.is(answer) and ADVICE[answer.code] then
    answer.kind, answer.exit, answer.next, answer.commands = "credentials", "credentials", ADVICE[answer.code], nil
  end
  error(answer, 0)
end

local function source(self, from)
  local text = ("web identity of %s, role %s"):format(from.named, from.role)
  return { kind = "web-identity", source = text, place = from.file, renewable = true, waits = true, load = function()
    local token, message = secret.file(from.file, "aws")   -- anew each time: it is replaced when it nears its end
    if not token then common.fail(("the web identity of %s: %s"):format(from.named, message), "check " .. from.setting) end
    local made = trade(self, from, token)
    return { access_key_id = made.AccessKeyId, secret_access_key = made.SecretAccessKey, session_token = made.SessionToken,
      expiration = time.epoch(made.Expiration) }
  end }
end

--- The web identity that the environment or the profile sets up; nil when neither does.
---@param self aws.Credentials
---@param profile aws.Profile?
---@param environment boolean  whether the environment's variables count, and before the profile
---@return aws.Source?
function M.source(self, profile, environment)
  local function get(variable, property)
    local value = environment and self.environment.text(variable)
    if value then return value, variable end
    value = profile and profile:text(property)
    return value, value and ("%s of profile '%s'"):format(property, profile.name)
  end
  local file, setting = get("AWS_WEB_IDENTITY_TOKEN_FILE", "web_identity_token_file")
  if not file then return nil end
  local role = get("AWS_ROLE_ARN", "role_arn")
  if not role then
    common.fail(("%s names a token, and no role that it is for is named"):format(setting),
      setting == "AWS_WEB_IDENTITY_TOKEN_FILE" and "export AWS_ROLE_ARN=arn:aws:iam::…:role/…" or "add role_arn to the profile")
  end
  local named = setting == "AWS_WEB_IDENTITY_TOKEN_FILE" and "the environment" or ("profile '%s'"):format(profile.name)
  return source(self, { file = file, setting = setting, role = role, session_name = get("AWS_ROLE_SESSION_NAME", "role_session_name"),
    named = named })
end

return M
