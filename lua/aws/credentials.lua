--- Who we are in AWS: the sources of credentials in the SDKs' order, and what they give, kept until it runs out.
-- A source that is not set up is passed by; one that is set up and fails is an error, never a reason to try the next.
---@class aws.Keys  what signs requests
---@field access_key_id string
---@field secret_access_key userdata   secret for AWS
---@field session_token userdata?      secret for AWS
---@field expiration number?           seconds since the epoch
---@field source string                where it came from: "the environment", "profile 'x'" …
---@class aws.Credentials
local Credentials = { __name = "aws.Credentials" }
Credentials.__index = Credentials

local clean = require "clean"
local refusal = require "refusal"
local secret = require "secret"
local time = require "time"

local M = {}

local ADVISORY <const>, MANDATORY <const> = 900, 600   -- seconds before the end: ask for new ones; do without the old ones

local function fail(message, next_step)
  refusal.raise { kind = "credentials", exit = "credentials", message = message, next = next_step or require("explain").NO_AWS }
end

--- Prints keys of a profile for the environment: for what is not read here yet. A profile that is named on the command line
--- comes before the environment, so it has to go from there.
local function export_line(self, profile_name)
  local named = profile_name and "--profile " .. profile_name .. " " or ""
  return ('eval "$(aws configure export-credentials %s--format env)"%s'):format(named, self.explicit and "   # then without --profile" or "")
end

local function unsupported(self, what, profile_name)
  fail(("%s, which cmek does not read yet"):format(what), export_line(self, profile_name))
end

-- Environment ------------------------------------------------------------------------------------------------------

local function check_expiration(self, text, source)
  if not text then return nil end
  local at = time.epoch(text)
  if not at then fail(("%s: the expiration '%s' is no time like 2026-02-01T09:00:00Z"):format(source, text)) end
  local now = self.clock.now()
  if at <= now then
    fail(("the AWS credentials of %s expired at %s, %s ago"):format(source, time.text(at), time.span(now - at)),
      "get new credentials, then run this again")
  end
  return at
end

-- The keys of the environment; nil when there are none.
local function from_environment(self)
  local id = self.environment.text "AWS_ACCESS_KEY_ID"
  local key = self.environment.secret("AWS_SECRET_ACCESS_KEY", "aws")
  if not id and not key then return nil end
  if not key then fail("AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not", "set both, or unset both and use a profile") end
  if not id then fail("AWS_SECRET_ACCESS_KEY is set and AWS_ACCESS_KEY_ID is not", "set both, or unset both and use a profile") end
  return { kind = "environment", source = "the environment", load = function()
    return {
      access_key_id = id, secret_access_key = key,
      session_token = self.environment.secret("AWS_SESSION_TOKEN", "aws") or self.environment.secret("AWS_SECURITY_TOKEN", "aws"),
      expiration = check_expiration(self, self.environment.text "AWS_CREDENTIAL_EXPIRATION", "the environment"),
    }
  end }
end

-- Profiles: one kind of source each; nil when the profile does not set it up ------------------------------------------------

local function static_keys(profile, origin)
  local id, key = profile:text "aws_access_key_id", profile:secret "aws_secret_access_key"
  if not id and not key then return nil end
  if origin and profile.origins[id and "aws_access_key_id" or "aws_secret_access_key"] ~= origin then return nil end
  if not id or not key then
    fail(("the AWS profile '%s' has %s and no %s"):format(profile.name, id and "aws_access_key_id" or "aws_secret_access_key",
      id and "aws_secret_access_key" or "aws_access_key_id"), "write both into " .. profile.all.credentials_path)
  end
  return { kind = "static", source = ("profile '%s'"):format(profile.name), load = function()
    return { access_key_id = id, secret_access_key = key,
      session_token = profile:secret "aws_session_token" or profile:secret "aws_security_token" }
  end }
end

local function web_identity(self, profile)
  if profile:text "web_identity_token_file" then
    unsupported(self, ("the AWS profile '%s' has a web_identity_token_file"):format(profile.name), profile.name)
  end
end

local function sso(self, profile)
  for _, name in ipairs { "sso_session", "sso_start_url", "sso_account_id", "sso_role_name" } do
    if profile:text(name) then
      unsupported(self, ("the AWS profile '%s' is one of IAM Identity Center (%s)"):format(profile.name, name), profile.name)
    end
  end
end

local function login(self, profile)
  if profile:text "login_session" then
    unsupported(self, ("the AWS profile '%s' has a login_session (aws login)"):format(profile.name), profile.name)
  end
end

-- What a program's output lacks; nil when it is as credential_process wants it.
local function fault_of(output)
  if type(output) ~= "table" then return "it did not print a JSON object" end
  if output.Version ~= 1 then return ("it printed Version %s, and cmek knows 1"):format(tostring(output.Version)) end
  if type(output.AccessKeyId) ~= "string" or output.AccessKeyId == "" or not secret.is(output.SecretAccessKey) then
    return "it printed no AccessKeyId or no SecretAccessKey"
  end
end

-- Runs the program that a profile names. Its output is parsed in C; only its complaint is shown.
local function run_process(self, command)
  local process = self.process or require "process"
  local words, message = process.argv_split(command)
  if not words then return nil, message end
  local result
  result, message = process.run { argv = words, json = true, timeout = 60, secrets = { "SecretAccessKey", "SessionToken" }, audience = "aws" }
  if not result then return nil, message end
  if result.status ~= 0 then
    local complaint = tostring(result.error_output or ""):gsub("%s+$", "")
    return nil, ("it ended with %s: %s"):format(result.signal and "signal " .. result.signal or "status " .. tostring(result.status),
      complaint ~= "" and complaint or "it said nothing on stderr")
  end
  message = fault_of(result.output)
  return not message and result.output or nil, message
end

local function credential_process(self, profile)
  local command = profile:text "credential_process"
  if not command then return nil end
  local source = ("credential_process of profile '%s'"):format(profile.name)
  return { kind = "process", source = source, renewable = true, load = function()
    local output, message = run_process(self, command)
    if not output then
      fail(("%s gives no credentials: %s"):format(source, message), "run it by hand, or mend it in " .. self.profiles.config_path)
    end
    local token = clean(output.SessionToken)
    if token and secret.length(token) == 0 then token = nil end
    return { access_key_id = output.AccessKeyId, secret_access_key = output.SecretAccessKey, session_token = token,
      expiration = check_expiration(self, clean(output.Expiration), source) }
  end }
end

-- Assume role ------------------------------------------------------------------------------------------------------

local resolve   -- a profile's source; below

local function session_name(self, profile)
  local name = profile:text "role_session_name" or "cmek-" .. (self.run_id or ("%d"):format(self.clock.now() // 1))
  return (name:gsub("[^%w+=,.@_-]", "-"):sub(1, 64))
end

local function token_code(self, profile, serial)
  local code = self.ask and self.ask(("MFA code of %s for profile '%s': "):format(serial, profile.name))
  code = code and code:gsub("%s", "")
  if not code then
    fail(("the AWS profile '%s' asks for an MFA code (mfa_serial %s), and there is no terminal to ask at"):format(profile.name, serial),
      export_line(self, profile.name))
  end
  if not code:find "^%d%d%d%d%d%d$" then fail(("an MFA code has 6 digits, got %d characters"):format(#code), "run this again") end
  return code
end

local function assume_parameters(self, profile)
  local serial, duration = profile:text "mfa_serial", profile:text "duration_seconds"
  if duration and not duration:find "^%d+$" then
    fail(("duration_seconds of the AWS profile '%s' is '%s'; it must be a number of seconds, 900 to 43200"):format(profile.name, duration))
  end
  return {
    RoleArn = profile:text "role_arn", RoleSessionName = session_name(self, profile), ExternalId = profile:text "external_id",
    DurationSeconds = math.tointeger(duration), SerialNumber = serial, TokenCode = serial and token_code(self, profile, serial),
  }
end

local function assume(self, profile, base)
  local source = ("profile '%s', role %s"):format(profile.name, profile:text "role_arn")
  return { kind = "role", source = source, renewable = true, waits = true, load = function()
    local keys = base.load()
    keys.source = base.source
    local made = self.assume_role { parameters = assume_parameters(self, profile), credentials = keys }
    return { access_key_id = made.AccessKeyId, secret_access_key = made.SecretAccessKey, session_token = made.SessionToken,
      expiration = time.epoch(made.Expiration) }
  end }
end

local METADATA <const> = { Ec2InstanceMetadata = "the instance's metadata", EcsContainer = "the container's credentials" }

local function named_source(self, profile, name)
  if name == "Environment" then
    return from_environment(self) or fail(("the AWS profile '%s' has credential_source = Environment, and AWS_ACCESS_KEY_ID is not set")
      :format(profile.name))
  end
  if METADATA[name] then
    unsupported(self, ("the AWS profile '%s' takes its credentials from %s (credential_source = %s)"):format(
      profile.name, METADATA[name], name), profile.name)
  end
  fail(("the AWS profile '%s' has credential_source = %s; it must be Environment, Ec2InstanceMetadata or EcsContainer"):format(profile.name, name))
end

local function source_profile(self, profile, name, seen)
  local base = self.profiles:profile(name, ("source_profile of profile '%s'"):format(profile.name))
  if base == profile or seen[name] then
    local keys = base == profile and static_keys(base)   -- a profile may name itself when it has keys
    if keys then return keys end
    fail(("the AWS profile '%s' has a source_profile that leads back to '%s'"):format(profile.name, name),
      "break the loop in " .. self.profiles.config_path)
  end
  return resolve(self, base, seen)
end

local function assume_role(self, profile, seen)
  if not profile:text "role_arn" then return nil end
  local from, named = profile:text "source_profile", profile:text "credential_source"
  local web = profile:text "web_identity_token_file"
  local count = (from and 1 or 0) + (named and 1 or 0) + (web and 1 or 0)
  if count ~= 1 then
    fail(("the AWS profile '%s' has role_arn and %s of source_profile, credential_source and web_identity_token_file; it needs exactly one")
      :format(profile.name, count == 0 and "none" or "more than one"), "mend it in " .. self.profiles.config_path)
  end
  if web then return web_identity(self, profile) end
  seen[profile.name] = true
  return assume(self, profile, from and source_profile(self, profile, from, seen) or named_source(self, profile, named))
end

-- The order --------------------------------------------------------------------------------------------------------

-- The source that a profile sets up. Of a profile that is another's source, static keys come before its own role.
function resolve(self, profile, seen)
  local first = next(seen) == nil
  return not first and static_keys(profile) or assume_role(self, profile, seen) or web_identity(self, profile) or sso(self, profile)
    or static_keys(profile, "credentials") or login(self, profile) or credential_process(self, profile) or static_keys(profile, "config")
    or not first and fail(("the AWS profile '%s' is a source_profile and has no credentials"):format(profile.name)) or nil
end

-- What is set up outside of profiles, and not read yet.
local function outside(self)
  local text = self.environment.text
  if text "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI" or text "AWS_CONTAINER_CREDENTIALS_FULL_URI" then
    unsupported(self, "AWS_CONTAINER_CREDENTIALS_… names the container's credentials")
  end
end

local function environment_identity(self)
  if self.environment.text "AWS_WEB_IDENTITY_TOKEN_FILE" then
    unsupported(self, "AWS_WEB_IDENTITY_TOKEN_FILE names a web identity")
  end
end

local function find_source(self)
  local keys = not self.explicit and from_environment(self)
  if keys then return keys end
  local role = self.profile and self.profile:text "role_arn" and not self.profile:text "web_identity_token_file"
  if not role and not self.explicit then environment_identity(self) end
  local source = self.profile and resolve(self, self.profile, {})
  if source then return source end
  outside(self)
  local looked = self.profile and ("profile '%s' has none"):format(self.profile.name)
    or ("no AWS_ACCESS_KEY_ID, no profile 'default' in %s or %s"):format(self.profiles.config_path, self.profiles.credentials_path)
  fail(("no AWS credentials: %s; an instance's metadata is not asked yet"):format(looked))
end

-- The value --------------------------------------------------------------------------------------------------------

--- The credentials of one operator. Nothing is read or asked before `get`.
---@param options { environment: Variables, profiles: aws.Profiles, profile: aws.Profile?, explicit: boolean, clock: table, tasks: table,
---  assume_role: (fun(request: { parameters: table, credentials: aws.Keys }): table), ask: (fun(prompt: string): string?)?,
---  process: table?, run_id: string? }   explicit: the profile was named on the command line
---@return aws.Credentials
function M.new(options)
  local self = setmetatable({}, Credentials)
  for name, value in require("sorted")(options) do self[name] = value end
  return self
end

local function load(self)
  self.from = self.from or find_source(self)
  local keys = self.from.load()
  keys.source = self.from.source
  self.keys = keys
  return keys
end

-- One load at a time: whoever needs new keys meanwhile waits for the same.
local function load_once(self)
  self.from = self.from or find_source(self)
  if not self.from.waits then return load(self) end
  while true do
    local loading = self.loading or self.tasks.spawn(load, self)
    self.loading = loading
    local ok, keys = pcall(loading.wait, loading)
    if self.loading == loading then self.loading = nil end
    if not ok then error(keys, 0) end
    if self.keys == keys then return keys end
    self.tasks.check()   -- who was loading was cancelled; we may not have been
  end
end

--- What signs the next request.
---@return aws.Keys
function Credentials:get()
  local have = self.keys
  if not have then return load_once(self) end
  local left = have.expiration and have.expiration - self.clock.now() or math.huge
  if left > ADVISORY then return have end
  if not self.from.renewable then
    if left <= 0 then check_expiration(self, time.text(have.expiration), have.source) end
    return have
  end
  if left <= MANDATORY then return load_once(self) end
  local ok, keys = pcall(load_once, self)
  if not ok and not refusal.is(keys) then error(keys, 0) end
  return ok and keys or have
end

--- Asks for new keys after a service said that these have run out.
---@param used aws.Keys  those that were refused
---@return boolean  there are others now
function Credentials:renew(used)
  if self.keys ~= used then return true end
  if not (self.from and self.from.renewable) then return false end
  load_once(self)
  return true
end

--- Where the credentials come from, once they are known.
---@return string?
function Credentials:source() return self.from and self.from.source end

--- When they end, seconds since the epoch; nil when they do not, or are not known yet.
---@return number?
function Credentials:expiration() return self.keys and self.keys.expiration end

return M
