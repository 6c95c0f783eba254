--- The instance's metadata: the role of the EC2 instance that we run on, by IMDSv2, and by v1 where v2 has no answer.
local common = require "aws.credentials.common"
local secret = require "secret"
local time = require "time"
local variables = require "variables"

local M = {}

local HOSTS <const> = { ipv4 = "http://169.254.169.254", ipv6 = "http://[fd00:ec2::254]" }
local ROLES <const> = "/latest/meta-data/iam/security-credentials/"
local TTL <const> = 21600         -- seconds that a token is asked for
local TOKEN_MAX <const> = 1024    -- bytes; theirs have 56
local NAME_MAX <const> = 128      -- of a role; IAM takes 64
local NAMES <const> = { id = "AccessKeyId", secret = "SecretAccessKey", token = "Token", expiration = "Expiration" }

-- Keys that have run out and are handed out all the same are used: 15 minutes, and 2 to 10 random ones until they are asked for again.
local STABLE <const>, SPREAD_FROM <const>, SPREAD <const> = 900, 120, 480

local HOP <const> = "in a container the token's answer needs one hop more: aws ec2 modify-instance-metadata-options --instance-id ID "
  .. "--http-put-response-hop-limit 2 --http-endpoint enabled; or export AWS_METADATA_SERVICE_TIMEOUT=5"
local OFF <const> = "to do without it: export AWS_EC2_METADATA_DISABLED=true"

local function fail(place, message, next_step)
  common.fail(("the instance's metadata service (%s): %s"):format(place.url, message), next_step or OFF)
end

local function is_page(response)
  return tostring((response.headers or {})["content-type"]):lower():find("text/html", 1, true) ~= nil
end

-- Asking -----------------------------------------------------------------------------------------------------------

local function ask(self, place, request)
  request.service, request.timeout = "imds", place.timeout
  return common.ask(self, request, place.attempts, 0)
end

-- What became of the request for a token: the token, or nil and "absent" (nothing is there), "silent" (it was heard and no answer
-- came), "refused".
local function ask_token(self, place)
  local response, message, kind = ask(self, place, { method = "PUT", path = "/latest/api/token",
    headers = { ["X-aws-ec2-metadata-token-ttl-seconds"] = tostring(TTL) } })
  if not response then
    place.message = message
    return nil, kind == "unsent" and "absent" or "silent"
  end
  if response.status == 200 and secret.is(response.body) then
    if is_page(response) or secret.length(response.body) > TOKEN_MAX then
      fail(place, "asked for a token it sends a page: somebody else than the metadata service answers")
    end
    local ttl = tonumber((response.headers or {})["x-aws-ec2-metadata-token-ttl-seconds"]) or TTL
    return response.body, self.clock.now() + ttl
  end
  if response.status == 403 or response.status == 404 or response.status == 405 then
    place.message = common.said(response)
    return nil, "refused"
  end
  fail(place, "asked for a token it answers " .. common.said(response))
end

-- A token that will do; nil where v1 has to. Raises when v1 may not.
local function token(self, place)
  if place.token and self.clock.now() < place.token_ends then return place.token end
  local value, state = ask_token(self, place)
  if value then
    place.token, place.token_ends, place.state = value, state, nil
    return value
  end
  place.token, place.state = nil, state
  if state ~= "absent" and place.v1_disabled then
    fail(place, ("no token for IMDSv2 came (%s), and IMDSv1 is off here (%s)"):format(place.message, place.v1_disabled),
      state == "silent" and HOP or "export AWS_EC2_METADATA_V1_DISABLED=false, or see why IMDSv2 is refused")
  end
end

-- A GET, with a token where there is one; one that has become worthless is replaced, once.
local function get(self, place, path)
  for round = 1, 2 do
    local value = token(self, place)
    if place.state == "absent" then return nil, place.message, "unsent" end
    local response, message, kind = ask(self, place, { method = "GET", path = path, headers = { ["X-aws-ec2-metadata-token"] = value } })
    if not response or response.status ~= 401 or not value or round == 2 then return response, message, kind end
    place.token = nil
  end
end

-- What an answer that is none of the expected ones means.
local function refuse(place, response, message)
  if not response then
    fail(place, ("no answer within %g s (%s)"):format(place.timeout, message), "export AWS_METADATA_SERVICE_TIMEOUT=5, or " .. OFF)
  end
  if response.status == 401 and place.state then
    fail(place, ("it wants IMDSv2, whose token did not come (%s)"):format(place.message), place.state == "silent" and HOP or nil)
  end
  fail(place, "it answers " .. common.said(response))
end

-- Roles and keys ---------------------------------------------------------------------------------------------------

-- The name of the instance's role; nil and why where there is none to be had.
local function role(self, place)
  local response, message, kind = get(self, place, ROLES)
  if not response and kind == "unsent" then return nil, ("no instance's metadata service is at %s"):format(place.url) end
  if response and response.status == 404 then return nil, ("the instance has no role (%s)"):format(place.url) end
  if not response or response.status ~= 200 then refuse(place, response, message) end
  local text = tostring(response.body)
  local name = text:match "^%s*([^\r\n]*)"
  if name == "" then return nil, ("the instance has no role (%s)"):format(place.url) end
  if is_page(response) or #name > NAME_MAX or not name:find "^[%w+=,.@_-]+$" or name:sub(1, 1) == "." then
    fail(place, ("asked for the instance's role it answers %s: somebody else than the metadata service answers"):format(
      require("explain").glimpse(text)))
  end
  return name
end

-- Keys that have run out, with the time until which they are used.
local function extend(self, place, keys)
  local now = self.clock.now()
  local chance = string.unpack("<I4", self.clock.random(4)) / 2.0 ^ 32
  keys.expired_at, keys.expiration = keys.expiration, now + STABLE + SPREAD_FROM + chance * SPREAD
  if place.told then return keys end
  place.told = true
  self.listen { kind = "warning", text = ("the instance's metadata service hands out credentials that expired at %s; they are used all the "
    .. "same, as AWS may still take them"):format(time.text(keys.expired_at)) }
  return keys
end

-- The keys; nil and why where the source is absent.
local function load(self, place)
  local name, absent = role(self, place)
  if not name then return nil, absent end
  local response, message = get(self, place, ROLES .. name)
  if not response or response.status ~= 200 or response.fault then refuse(place, response, message) end
  local body = type(response.body) == "table" and response.body or {}
  if body.Code ~= nil and body.Code ~= "Success" then
    fail(place, ("the role %s: %s"):format(name, common.said(response)), "check the instance's profile and its role")
  end
  local keys, wrong = common.keys(body, NAMES)
  if not keys then fail(place, ("the role %s: %s"):format(name, wrong)) end
  place.role = name
  if keys.expiration and keys.expiration <= self.clock.now() then return extend(self, place, keys) end
  return keys
end

-- Settings ---------------------------------------------------------------------------------------------------------

local function switch(self, variable, property)
  local value, name = common.setting(self, variable, property)
  return variables.switch(value, name) and name or nil
end

local function address(self)
  local url, name = common.setting(self, "AWS_EC2_METADATA_SERVICE_ENDPOINT", "ec2_metadata_service_endpoint")
  if url then return (url:gsub("/+$", "")), name end
  local mode, setting = common.setting(self, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ec2_metadata_service_endpoint_mode")
  local host = HOSTS[(mode or "IPv4"):lower()]
  if not host then common.fail(("%s is '%s'; it must be IPv4 or IPv6"):format(setting, mode)) end
  return host
end

--- The instance's metadata; nil when they are off. Without `required` its load may give nil, and why there is nothing to ask.
---@param self aws.Credentials
---@param required string?  what it is the credentials of: then its absence is an error
---@return aws.Source?
function M.source(self, required)
  if variables.switch(self.environment.text "AWS_EC2_METADATA_DISABLED", "AWS_EC2_METADATA_DISABLED") then
    if required then common.fail(required .. " takes its credentials from the instance's metadata, and AWS_EC2_METADATA_DISABLED is true",
      "unset AWS_EC2_METADATA_DISABLED") end
    return nil
  end
  local url, setting = address(self)
  local place = { url = url, v1_disabled = switch(self, "AWS_EC2_METADATA_V1_DISABLED", "ec2_metadata_v1_disabled"),
    timeout = common.number(self, "AWS_METADATA_SERVICE_TIMEOUT", "metadata_service_timeout", 1),
    attempts = math.ceil(common.number(self, "AWS_METADATA_SERVICE_NUM_ATTEMPTS", "metadata_service_num_attempts", 1)) }
  local source = { kind = "metadata", source = "the instance's metadata", place = url, renewable = true, waits = true }
  function source.register(door)
    local ok, fault = pcall(door.endpoint, door, "imds", url)
    if not ok then common.fail(("%s: %s"):format(setting, (tostring(fault):gsub("^door: ", "")))) end
  end
  function source.load()
    local keys, absent = load(self, place)
    if not keys and required then common.fail(("%s takes its credentials from the instance's metadata: %s"):format(required, absent)) end
    if keys then source.source = ("the instance's metadata, role %s"):format(place.role) end
    return keys, absent
  end
  return source
end

return M
