--- The credentials of a container: an address that ECS, EKS or another runtime names in the environment, and a token for it.
local common = require "aws.credentials.common"
local secret = require "secret"

local M = {}

local HOST <const> = "http://169.254.170.2"
local TIMEOUT <const>, ATTEMPTS <const>, PAUSE <const> = 2, 3, 1   -- seconds, times, seconds
local NAMES <const> = { id = "AccessKeyId", secret = "SecretAccessKey", token = "Token", expiration = "Expiration" }

-- What goes into Authorization: the file's content, read anew each time, before the variable's; nil when there is neither.
local function authorization(self)
  local path = self.environment.text "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
  if not path then return self.environment.secret("AWS_CONTAINER_AUTHORIZATION_TOKEN", "container") end
  local token, message = secret.file(path, "container")
  if not token then common.fail("the container's credentials: " .. message, "check AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") end
  return token
end

local function load(self, source, setting)
  local response, message = common.ask(self, { service = "container", method = "GET", path = "", timeout = TIMEOUT,
    headers = { Authorization = authorization(self) } }, ATTEMPTS, PAUSE)
  local wrong, keys = common.unusable(response, message), nil
  if not wrong then keys, wrong = common.keys(response.body, NAMES) end
  if wrong then common.fail(("%s gives none: %s"):format(source, wrong), ("check that the task or pod has a role, and %s"):format(setting)) end
  return keys
end

--- The container's credentials; nil when the environment names none.
---@param self aws.Credentials
---@return aws.Source?
function M.source(self)
  local relative, full = self.environment.text "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", self.environment.text "AWS_CONTAINER_CREDENTIALS_FULL_URI"
  if not relative and not full then return nil end
  local setting = relative and "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI" or "AWS_CONTAINER_CREDENTIALS_FULL_URI"
  if relative and relative:sub(1, 1) ~= "/" then common.fail(("%s is '%s'; it must begin with /"):format(setting, relative)) end
  local url = relative and HOST .. relative or full
  local source = ("the container's credentials (%s)"):format(setting)
  return { kind = "container", source = source, place = url, renewable = true, waits = true,
    register = function(door)
      local ok, fault = pcall(door.endpoint, door, "container", url)
      if not ok then common.fail(("%s: %s"):format(setting, (tostring(fault):gsub("^door: ", "")))) end
    end,
    load = function() return load(self, source, setting) end }
end

return M
