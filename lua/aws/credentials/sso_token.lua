--- The sign-in of IAM Identity Center, as `aws sso login` keeps it in ~/.aws/sso/cache: read, renewed before it ends, written back.
---@class aws.SsoToken
---@field access userdata    secret for SSO
---@field ends number        seconds since the epoch
---@field renewable boolean  can be renewed without anybody
local common = require "aws.credentials.common"
local crypto = require "crypto"
local secret = require "secret"
local time = require "time"

local M = {}

local EARLY <const> = 900   -- seconds before its end: ask for a new one
local PAUSE <const> = 60    -- seconds between two tries
local LONGEST <const> = 1e9 -- seconds that a token can be said to last
local SECRETS <const> = { "accessToken", "refreshToken", "clientSecret", "idToken" }

--- The file of a sign-in. `key` is the session's name, or in the legacy form the start URL.
---@param self aws.Credentials
---@param key string
---@return string
function M.path(self, key)
  local home = self.environment.text "HOME" or (self.files or require "file").home() or ""
  return ("%s/.aws/sso/cache/%s.json"):format(home, crypto.hex(crypto.sha1(key)))
end

-- When a text of the cache says; older clients wrote UTC for Z.
local function moment(text)
  return type(text) == "string" and time.epoch((text:gsub("UTC$", "Z"))) or nil
end

local function login(setup, message)
  common.fail(("%s: %s"):format(setup.named, message), "aws sso login --profile " .. setup.profile)
end

local function read(self, setup)
  local files = self.files or require "file"
  local content, message, missing = files.json(setup.cache, SECRETS, "sso")
  if missing == "missing" then login(setup, "nobody has signed in (there is no " .. setup.cache .. ")") end
  if type(content) ~= "table" then login(setup, ("the sign-in in %s cannot be read: %s"):format(setup.cache, message or "it is no JSON object")) end
  local ends = moment(content.expiresAt)
  if not secret.is(content.accessToken) or not ends then login(setup, setup.cache .. " holds no accessToken or no expiresAt") end
  return content, ends
end

local function can_renew(self, setup, content)
  if setup.legacy or type(content.clientId) ~= "string" or not secret.is(content.clientSecret) or not secret.is(content.refreshToken) then
    return false
  end
  local registered = moment(content.registrationExpiresAt)
  return not registered or registered > self.clock.now()
end

-- Asks for a new token and writes it down. nil, and why, when that fails.
local function renew(self, setup, content)
  setup.tried_at = self.clock.now()
  local response, message = common.ask(self, { service = "sso-oidc", method = "POST", path = "/token", body = {
    clientId = content.clientId, clientSecret = content.clientSecret, grantType = "refresh_token", refreshToken = content.refreshToken } }, 1, 0)
  local wrong = common.unusable(response, message)
  local body = not wrong and type(response.body) == "table" and response.body or {}
  local lasts = math.type(body.expiresIn) and body.expiresIn > 0 and body.expiresIn < LONGEST
  if not wrong and not (secret.is(body.accessToken) and lasts) then wrong = "the answer has no accessToken or no expiresIn" end
  if wrong then return nil, wrong end
  content.accessToken = body.accessToken
  if secret.is(body.refreshToken) then content.refreshToken = body.refreshToken end
  local ends = self.clock.now() + body.expiresIn
  content.expiresAt = time.text(ends)
  local files = self.files or require "file"
  local ok, fault = files.write_json(setup.cache, content)
  if not ok then self.listen { kind = "warning", text = ("the renewed sign-in of %s is used, and is not kept: %s"):format(setup.named, fault) } end
  return ends
end

--- A token that is valid now; raises with the command to sign in when there is none.
---@param self aws.Credentials
---@param setup { cache: string, named: string, profile: string, legacy: boolean?, tried_at: number? }
---@return aws.SsoToken
function M.get(self, setup)
  local content, ends = read(self, setup)   -- anew each time: somebody may have signed in meanwhile
  local now = self.clock.now()
  local renewable = can_renew(self, setup, content)
  local failed
  if renewable and ends - now < EARLY and (ends <= now or not setup.tried_at or now - setup.tried_at >= PAUSE) then
    local later
    later, failed = renew(self, setup, content)
    ends = later or ends
  end
  if ends <= self.clock.now() then
    local words = ("the sign-in expired at %s, %s ago"):format(time.text(ends), time.span(now - ends))
    login(setup, failed and ("%s, and it cannot be renewed: %s"):format(words, failed) or words)
  end
  return { access = content.accessToken, ends = ends, renewable = renewable and not failed }
end

return M
