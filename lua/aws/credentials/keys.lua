--- Keys that stand somewhere as they are: in the environment, in a profile.
local common = require "aws.credentials.common"

local M = {}

local fail = common.fail

-- An ID that may stand in Vault: it is no secret, and is one there.
local function id_of(self, id)
  if not id:find "^vault:" then return id end
  local kept = self.environment.secret("AWS_ACCESS_KEY_ID", "aws")
  return require("secret").access_key_id(kept) or fail(("what %s holds is no AWS access key ID"):format(id))
end

--- The keys of the environment; nil when there are none.
---@param self aws.Credentials
---@return aws.Source?
function M.environment(self)
  local id = self.environment.text "AWS_ACCESS_KEY_ID"
  local reference = self.environment.reference("AWS_SECRET_ACCESS_KEY", "aws")
  local key = reference or self.environment.secret("AWS_SECRET_ACCESS_KEY", "aws")
  if not id and not key then return nil end
  if not key then fail("AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not", "set both, or unset both and use a profile") end
  if not id then fail("AWS_SECRET_ACCESS_KEY is set and AWS_ACCESS_KEY_ID is not", "set both, or unset both and use a profile") end
  local kept = reference or id:find "^vault:"
  return { kind = "environment", source = "the environment", place = "AWS_ACCESS_KEY_ID", waits = kept and true or nil, load = function()
    return {
      access_key_id = kept and id_of(self, id) or id, secret_access_key = self.environment.secret("AWS_SECRET_ACCESS_KEY", "aws"),
      session_token = self.environment.secret("AWS_SESSION_TOKEN", "aws") or self.environment.secret("AWS_SECURITY_TOKEN", "aws"),
      expiration = common.check_expiration(self, self.environment.text "AWS_CREDENTIAL_EXPIRATION", "the environment"),
    }
  end }
end

--- The keys of a profile; nil when it has none, or has them from the other file.
---@param profile aws.Profile
---@param origin "config"|"credentials"|nil
---@return aws.Source?
function M.profile(profile, origin)
  local id, key = profile:text "aws_access_key_id", profile:secret "aws_secret_access_key"
  if not id and not key then return nil end
  local from = profile.origins[id and "aws_access_key_id" or "aws_secret_access_key"]
  if origin and from ~= origin then return nil end
  if not id or not key then
    fail(("the AWS profile '%s' has %s and no %s"):format(profile.name, id and "aws_access_key_id" or "aws_secret_access_key",
      id and "aws_secret_access_key" or "aws_access_key_id"), "write both into " .. profile.all.credentials_path)
  end
  local place = from == "config" and profile.all.config_path or profile.all.credentials_path
  return { kind = "static", source = ("profile '%s'"):format(profile.name), place = place, load = function()
    return { access_key_id = id, secret_access_key = key,
      session_token = profile:secret "aws_session_token" or profile:secret "aws_security_token" }
  end }
end

return M
