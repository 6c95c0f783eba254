--- IAM Identity Center: a sign-in by `aws sso login` is traded for keys of an account and a permission set.
local common = require "aws.credentials.common"
local token = require "aws.credentials.sso_token"

local M = {}

local TIMEOUT <const>, ATTEMPTS <const>, PAUSE <const> = 10, 3, 1   -- seconds, times, seconds
local NAMES <const> = { id = "accessKeyId", secret = "secretAccessKey", token = "sessionToken", expiration = "expiration" }
local SHARED <const> = { "sso_region", "sso_start_url" }            -- of the session, or of the profile in the legacy form

-- The settings of the profile and of the session that it names.
local function settings(self, profile)
  local found = { account = profile:text "sso_account_id", role = profile:text "sso_role_name", session = profile:text "sso_session" }
  for _, name in ipairs(SHARED) do found[name] = profile:text(name) end
  if not found.session then return found end
  local section = self.profiles.sso_sessions[found.session]
  if not section then
    common.fail(("the AWS profile '%s' names sso_session = %s, and %s has no [sso-session %s]"):format(profile.name, found.session,
      self.profiles.config_path, found.session), "aws configure sso-session")
  end
  for _, name in ipairs(SHARED) do
    local value = type(section[name]) == "string" and section[name] ~= "" and section[name] or nil
    if value and found[name] and value ~= found[name] then
      common.fail(("%s of the AWS profile '%s' is %s, and in [sso-session %s] it is %s"):format(name, profile.name, found[name],
        found.session, value), "mend it in " .. self.profiles.config_path)
    end
    found[name] = value or found[name]
  end
  return found
end

local function check(self, profile, found)
  local lacking = {}
  for _, pair in ipairs { { "sso_region", found.sso_region }, { "sso_start_url", found.sso_start_url },
    { "sso_account_id", found.account }, { "sso_role_name", found.role } } do
    if not pair[2] then lacking[#lacking + 1] = pair[1] end
  end
  if #lacking > 0 then
    common.fail(("the AWS profile '%s' is one of IAM Identity Center and lacks %s"):format(profile.name, table.concat(lacking, ", ")),
      "aws configure sso --profile " .. profile.name .. ", or mend it in " .. self.profiles.config_path)
  end
end

local function explain(setup, response, wrong)
  local status = response and response.status
  if status == 401 then
    common.fail(("%s: the sign-in is not accepted any more (%s)"):format(setup.named, wrong), "aws sso login --profile " .. setup.profile)
  end
  if status == 403 or status == 404 then
    common.fail(("%s: no access to the permission set %s in account %s (%s)"):format(setup.named, setup.role, setup.account, wrong),
      "check sso_account_id and sso_role_name, and in IAM Identity Center that you are assigned them")
  end
  common.fail(("%s: %s gives no keys: %s"):format(setup.named, setup.url, wrong),
    "run this again; if that does not help, check sso_region and HTTPS_PROXY")
end

local function load(self, setup, source)
  local signed_in = token.get(self, setup)
  local response, message = common.ask(self, { service = "sso", method = "GET", path = "/federation/credentials", timeout = TIMEOUT,
    query = { role_name = setup.role, account_id = setup.account }, headers = { ["x-amz-sso_bearer_token"] = signed_in.access } },
    ATTEMPTS, PAUSE)
  local wrong, keys = common.unusable(response, message), nil
  if not wrong then keys, wrong = common.keys(type(response.body) == "table" and response.body.roleCredentials, NAMES) end
  if wrong then explain(setup, response, wrong) end
  source.renews_until = not signed_in.renewable and signed_in.ends or nil
  return keys
end

--- The profile's permission set; nil when it has none.
---@param self aws.Credentials
---@param profile aws.Profile
---@return aws.Source?
function M.source(self, profile)
  if not (profile:text "sso_account_id" or profile:text "sso_role_name") then return nil end   -- a session alone is for other services
  local found = settings(self, profile)
  check(self, profile, found)
  local setup = { profile = profile.name, named = ("profile '%s' of IAM Identity Center"):format(profile.name), legacy = not found.session,
    account = found.account, role = found.role, cache = token.path(self, found.session or found.sso_start_url) }
  local source = { kind = "sso", renewable = true, waits = true, place = setup.cache,
    source = ("profile '%s', IAM Identity Center (%s, %s in %s)"):format(profile.name, found.sso_start_url, found.role, found.account) }
  function source.register(door, endpoints)
    local region = require("aws.endpoint").check_region(found.sso_region, ("sso_region of profile '%s'"):format(profile.name))
    setup.url = endpoints:register_login(door, region)
  end
  function source.load() return load(self, setup, source) end
  return source
end

return M
