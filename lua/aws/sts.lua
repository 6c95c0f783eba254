--- STS, API version 2011-06-15: who we are. AssumeRole makes a session, which is the credential code's alone.

local operations = require "aws.operations"

local M = {}

---@type table<string, aws.Operation>
local OPERATIONS <const> = {
  GetCallerIdentity = { safe = true, result = { ["Account!"] = "text", ["Arn!"] = "text", UserId = "text" } },
  DecodeAuthorizationMessage = { safe = true, result = { ["DecodedMessage!"] = "text" } },
}

--- The operations as functions, each under its name in snake_case.
---@param caller aws.Caller
---@param region string?  of the door's destination; nil: the endpoint's own
---@return table<string, fun(parameters: table?): table>
function M.new(caller, region)
  return operations.functions(caller, "sts", OPERATIONS, false, region)
end

--- Assumes a role with given keys. Losing its answer does no harm: a session that nobody has ends by itself.
---@param caller aws.Caller
---@param request { parameters: table, credentials: aws.Keys, session_key: any, region: string? }
---@return { AccessKeyId: string, SecretAccessKey: userdata, SessionToken: userdata, Expiration: string }
function M.assume_role(caller, request)
  return caller:call { service = "sts", operation = "AssumeRole", region = request.region, parameters = request.parameters,
    credentials = request.credentials, session_key = request.session_key, safe = true, result = { ["Credentials!"] = {} } }.Credentials
end

--- Trades the token of a web identity for a role's session. Nobody signs it.
---@param caller aws.Caller
---@param request { parameters: table, session_key: any, region: string? }
---@return { AccessKeyId: string, SecretAccessKey: userdata, SessionToken: userdata, Expiration: string }
function M.assume_with_web_identity(caller, request)
  return caller:call { service = "sts", operation = "AssumeRoleWithWebIdentity", region = request.region, parameters = request.parameters,
    anonymous = true, session_key = request.session_key, safe = true, result = { ["Credentials!"] = {} } }.Credentials
end

return M
