--- role_arn of a profile: a role that is assumed with the keys of another source.
local common = require "aws.credentials.common"
local container = require "aws.credentials.container"
local keys = require "aws.credentials.keys"
local metadata = require "aws.credentials.metadata"
local time = require "time"

local M = {}

local fail = common.fail

local function token_code(self, profile, serial)
  local code = self.ask and self.ask(("MFA code of %s for profile '%s': "):format(serial, profile.name))
  code = code and code:gsub("%s", "")
  if not code then
    fail(("the AWS profile '%s' asks for an MFA code (mfa_serial %s), and there is no terminal to ask at"):format(profile.name, serial),
      nil, "aws.mfa", { serial = serial, profile = profile.name, export = common.export_line(self, profile.name) })
  end
  if not code:find "^%d%d%d%d%d%d$" then fail(("an MFA code has 6 digits, got %d characters"):format(#code), "run this again") end
  return code
end

local function parameters(self, profile)
  local serial, duration = profile:text "mfa_serial", profile:text "duration_seconds"
  if duration and not duration:find "^%d+$" then
    fail(("duration_seconds of the AWS profile '%s' is '%s'; it must be a number of seconds, 900 to 43200"):format(profile.name, duration))
  end
  return {
    RoleArn = profile:text "role_arn", RoleSessionName = common.session_name(self, profile:text "role_session_name"),
    ExternalId = profile:text "external_id", DurationSeconds = math.tointeger(duration), SerialNumber = serial,
    TokenCode = serial and token_code(self, profile, serial),
  }
end

local function assume(self, profile, base)
  local source = { kind = "role", source = ("profile '%s', role %s"):format(profile.name, profile:text "role_arn"), base = base,
    place = self.profiles.config_path, renewable = true, waits = true, asks = profile:text "mfa_serial" ~= nil, register = base.register }
  function source.load()
    local from = base.load()
    from.source = base.source
    local made = self.assume_role { parameters = parameters(self, profile), credentials = from }
    source.renews_until = base.renewable and base.renews_until or not base.renewable and from.expiration or nil
    return { access_key_id = made.AccessKeyId, secret_access_key = made.SecretAccessKey, session_token = made.SessionToken,
      expiration = time.epoch(made.Expiration) }
  end
  return source
end

--- A role that is assumed with the credentials of somebody, without a profile that says so.
---@param self aws.Credentials
---@param arn string
---@param base aws.Credentials
---@return aws.Source
function M.direct(self, arn, base)
  local source = { kind = "role", source = "role " .. arn, renewable = true, waits = true }
  function source.load()
    local made = self.assume_role { parameters = { RoleArn = arn, RoleSessionName = common.session_name(self) }, credentials = base:get() }
    return { access_key_id = made.AccessKeyId, secret_access_key = made.SecretAccessKey, session_token = made.SessionToken,
      expiration = time.epoch(made.Expiration) }
  end
  return source
end

local function named_source(self, profile, name)
  local whose = ("the AWS profile '%s' (credential_source = %s)"):format(profile.name, name)
  if name == "Environment" then
    return keys.environment(self) or fail(whose .. " takes its credentials from the environment, and AWS_ACCESS_KEY_ID is not set")
  end
  if name == "EcsContainer" then
    return container.source(self) or fail(whose .. " takes its credentials from the container, and neither "
      .. "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor AWS_CONTAINER_CREDENTIALS_FULL_URI is set")
  end
  if name == "Ec2InstanceMetadata" then return metadata.source(self, whose) end
  fail(("the AWS profile '%s' has credential_source = %s; it must be Environment, Ec2InstanceMetadata or EcsContainer"):format(profile.name, name))
end

local function source_profile(self, profile, name, seen, resolve)
  local base = self.profiles:profile(name, ("source_profile of profile '%s'"):format(profile.name))
  if base == profile or seen[name] then
    local own = base == profile and keys.profile(base)   -- a profile may name itself when it has keys
    if own then return own end
    fail(("the AWS profile '%s' has a source_profile that leads back to '%s'"):format(profile.name, name),
      "break the loop in " .. self.profiles.config_path)
  end
  return resolve(self, base, seen)
end

--- The role of a profile; nil when it has none, or has it by web identity.
---@param self aws.Credentials
---@param profile aws.Profile
---@param seen table<string, true>  profiles on the way here
---@param resolve fun(self: aws.Credentials, profile: aws.Profile, seen: table): aws.Source
---@return aws.Source?
function M.source(self, profile, seen, resolve)
  if not profile:text "role_arn" then return nil end
  local from, named = profile:text "source_profile", profile:text "credential_source"
  local web = profile:text "web_identity_token_file"
  local count = (from and 1 or 0) + (named and 1 or 0) + (web and 1 or 0)
  if count ~= 1 then
    fail(("the AWS profile '%s' has role_arn and %s of source_profile, credential_source and web_identity_token_file; it needs exactly one")
      :format(profile.name, count == 0 and "none" or "more than one"), "mend it in " .. self.profiles.config_path)
  end
  if web then return nil end
  seen[profile.name] = true
  return assume(self, profile, from and source_profile(self, profile, from, seen, resolve) or named_source(self, profile, named))
end

return M
