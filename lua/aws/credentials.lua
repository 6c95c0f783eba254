--- Who we are in AWS: the sources of credentials in the SDKs' order, and what they give, kept until it runs out.
-- A source that is not set up is passed by; one that is set up and fails is an error, never a reason to try the next.
-- Each source is a file in lua/aws/credentials/.
---@class aws.Keys  what signs requests
---@field access_key_id string
---@field secret_access_key userdata   secret for AWS
---@field session_token userdata?      secret for AWS
---@field expiration number?           seconds since the epoch
---@field expired_at number?           when they ended, where they are used all the same
---@field source string                where it came from: "the environment", "profile 'x'" …
---@class aws.Credentials
local Credentials = { __name = "aws.Credentials" }
Credentials.__index = Credentials

local common = require "aws.credentials.common"
local container = require "aws.credentials.container"
local keys_of = require "aws.credentials.keys"
local metadata = require "aws.credentials.metadata"
local process = require "aws.credentials.process"
local refusal = require "refusal"
local role = require "aws.credentials.role"
local sso = require "aws.credentials.sso"
local time = require "time"
local web_identity = require "aws.credentials.web_identity"

local M = {}

local ADVISORY <const>, MANDATORY <const> = 900, 600   -- seconds before the end: ask for new ones; do without the old ones
local PAUSE <const> = 60                               -- seconds between two tries for keys that are not needed yet
local FRESH <const> = 10                               -- seconds that a failure is not tried again: many ask at once, and each try may wait

-- The order --------------------------------------------------------------------------------------------------------

-- `aws login` binds its keys to a key of its own, which cmek does not have.
local function login(self, profile)
  if profile:text "login_session" then
    common.fail(("the AWS profile '%s' has a login_session (aws login), which cmek does not read"):format(profile.name),
      common.export_line(self, profile.name))
  end
end

-- The source that a profile sets up. Of a profile that is another's source, static keys come before its own role.
local function resolve(self, profile, seen)
  local first = next(seen) == nil
  return not first and keys_of.profile(profile) or role.source(self, profile, seen, resolve)
    or web_identity.source(self, profile, first and not self.explicit) or sso.source(self, profile)
    or keys_of.profile(profile, "credentials") or login(self, profile) or process.source(self, profile) or keys_of.profile(profile, "config")
    or not first and common.fail(("the AWS profile '%s' is a source_profile and has no credentials"):format(profile.name)) or nil
end

local function find_source(self)
  local source = not self.explicit and keys_of.environment(self) or self.profile and resolve(self, self.profile, {})
  if not source and not self.profile then source = web_identity.source(self, nil, true) end
  return source or container.source(self) or metadata.source(self)
end

local function none(self, absent)
  local looked = self.profile and ("profile '%s' has none"):format(self.profile.name)
    or ("no AWS_ACCESS_KEY_ID, no profile 'default' in %s or %s"):format(self.profiles.config_path, self.profiles.credentials_path)
  common.fail(("no AWS credentials: %s; %s"):format(looked, absent or "AWS_EC2_METADATA_DISABLED is true"))
end

-- The value --------------------------------------------------------------------------------------------------------

--- The credentials of one operator. Nothing is asked before `get`.
---@param options { environment: Variables, profiles: aws.Profiles, profile: aws.Profile?, explicit: boolean, clock: table, tasks: table,
---  assume_role: (fun(request: { parameters: table, credentials: aws.Keys }): table),
---  assume_with_web_identity: (fun(request: { parameters: table }): table)?, identity: (fun(request: table): table?, string?, string?)?,
---  ask: (fun(prompt: string): string?)?, listen: (fun(event: table))?, process: table?, files: table?, run_id: string? }
---  explicit: the profile was named on the command line; identity: door.identity.request
---@return aws.Credentials
function M.new(options)
  local self = setmetatable({ listen = function() end }, Credentials)
  for name, value in require("sorted")(options) do self[name] = value end
  return self
end

-- Finds the source, once; what is wrong with the settings is raised by each that needs them.
local function source_of(self)
  if self.from == nil then
    local ok, source = pcall(find_source, self)
    if not ok and not refusal.is(source) then error(source, 0) end
    self.from, self.wrong = ok and source or false, not ok and source or nil
  end
  if self.wrong then error(self.wrong, 0) end
  return self.from or none(self)
end

--- Takes a role that is assumed with somebody's credentials as the source.
---@param arn string
---@param base aws.Credentials
function Credentials:assume(arn, base) self.from = role.direct(self, arn, base) end

--- Whether the source asks hosts of its own, which are opened before the door is sealed.
---@return boolean
function Credentials:asks_elsewhere() return source_of(self).register ~= nil end

--- Opens the hosts that the source asks. What is wrong with the settings shows when keys are needed.
---@param door table  not sealed yet
---@param endpoints aws.Endpoints
function Credentials:register(door, endpoints)
  local ok, raised = pcall(function()
    local source = source_of(self)
    if source.register then source.register(door, endpoints) end
  end)
  if ok then return end
  if not refusal.is(raised) then error(raised, 0) end
  self.wrong = raised
end

local function load(self)
  local source, failed = source_of(self), self.failed
  if failed and self.clock.now() - failed.at < FRESH then error(failed.raised, 0) end
  local ok, keys, absent = pcall(source.load)
  if ok and not keys then ok, keys = pcall(none, self, absent) end
  if not ok then
    if refusal.is(keys) and keys.kind == "credentials" then self.failed = { at = self.clock.now(), raised = keys } end
    error(keys, 0)
  end
  keys.source = source.source
  self.keys = keys
  return keys
end

-- One load at a time: whoever needs new keys meanwhile waits for the same.
local function load_once(self)
  if not source_of(self).waits then return load(self) end
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

-- Tries for new keys while the old ones still serve.
local function try_early(self, have)
  local now = self.clock.now()
  if self.tried_at and now - self.tried_at < PAUSE then return have end
  self.tried_at = now
  local ok, keys = pcall(load_once, self)
  if not ok and (not refusal.is(keys) or keys.kind == "stopped") then error(keys, 0) end
  return ok and keys or have
end

--- What signs the next request.
---@return aws.Keys
function Credentials:get()
  local have = self.keys
  if not have then return load_once(self) end
  local left = have.expiration and have.expiration - self.clock.now() or math.huge
  if left > ADVISORY then return have end
  if not self.from.renewable then
    if left <= 0 then common.check_expiration(self, time.text(have.expiration), have.source) end
    return have
  end
  if left <= MANDATORY then return load_once(self) end
  return try_early(self, have)
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

-- What is known of them --------------------------------------------------------------------------------------------

--- Where the credentials come from, once they are known.
---@return string?
function Credentials:source() return self.from and self.from.source or nil end

--- When they end, seconds since the epoch; nil when they do not, or are not known yet.
---@return number?
function Credentials:expiration() return self.keys and self.keys.expiration end

--- When they end and nothing takes their place without somebody at hand; nil when they do not, or are not known yet.
---@return number?
function Credentials:ends()
  local ends = self:expiration()
  if not ends or not self.from.renewable then return ends end
  if self.from.asks then return ends end
  local renews = self.from.renews_until
  return renews and math.max(renews, ends) or nil
end

--- What whoami tells: the kind of source, where it is read, whose keys they are. nil while there is no source.
---@return { kind: string, source: string, place: string?, access_key_id: string?, expired_at: number? }?
function Credentials:described()
  if not self.from then return nil end
  local keys = self.keys or {}
  return { kind = self.from.kind, source = self.from.source, place = self.from.place, access_key_id = keys.access_key_id,
    expired_at = keys.expired_at }
end

return M
