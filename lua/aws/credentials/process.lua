--- credential_process: a program that prints keys. Its output is parsed in C; only its complaint is shown.
local clean = require "clean"
local common = require "aws.credentials.common"
local secret = require "secret"

local M = {}

local TIMEOUT <const> = 60   -- seconds

-- What a program's output lacks; nil when it is as credential_process wants it.
local function fault_of(output)
  if type(output) ~= "table" then return "it did not print a JSON object" end
  if output.Version ~= 1 then return ("it printed Version %s, and cmek knows 1"):format(tostring(output.Version)) end
  if type(output.AccessKeyId) ~= "string" or output.AccessKeyId == "" or not secret.is(output.SecretAccessKey) then
    return "it printed no AccessKeyId or no SecretAccessKey"
  end
end

local function run(self, command)
  local process = self.process or require "process"
  local words, message = process.argv_split(command)
  if not words then return nil, message end
  local result
  result, message = process.run { argv = words, json = true, timeout = TIMEOUT, secrets = { "SecretAccessKey", "SessionToken" }, audience = "aws" }
  if not result then return nil, message end
  if result.status ~= 0 then
    local complaint = tostring(result.error_output or ""):gsub("%s+$", "")
    return nil, ("it ended with %s: %s"):format(result.signal and "signal " .. result.signal or "status " .. tostring(result.status),
      complaint ~= "" and complaint or "it said nothing on stderr")
  end
  message = fault_of(result.output)
  return not message and result.output or nil, message
end

--- The program of a profile; nil when it names none.
---@param self aws.Credentials
---@param profile aws.Profile
---@return aws.Source?
function M.source(self, profile)
  local command = profile:text "credential_process"
  if not command then return nil end
  local source = ("credential_process of profile '%s'"):format(profile.name)
  return { kind = "process", source = source, place = command:match "^%S+", renewable = true, load = function()
    local output, message = run(self, command)
    if not output then
      common.fail(("%s gives no credentials: %s"):format(source, message), "run it by hand, or mend it in " .. self.profiles.config_path)
    end
    local token = clean(output.SessionToken)
    if token and secret.length(token) == 0 then token = nil end
    return { access_key_id = output.AccessKeyId, secret_access_key = output.SecretAccessKey, session_token = token,
      expiration = common.check_expiration(self, clean(output.Expiration), source) }
  end }
end

return M
