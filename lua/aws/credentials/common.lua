--- What the sources of AWS credentials have in common. Each source is a value:
---@class aws.Source
---@field kind string        "environment", "static", "process", "role", "web-identity", "sso", "container", "metadata"
---@field source string      for people: "the environment", "profile 'x'" …
---@field place string?      the file, program or address that it reads
---@field renewable boolean? may be asked again for keys that last longer
---@field waits boolean?     asks over the network
---@field register (fun(door: table, endpoints: aws.Endpoints))?  opens the hosts that it asks; before the door is sealed
---@field load fun(): aws.Keys
local clean = require "clean"
local explain = require "explain"
local refusal = require "refusal"
local time = require "time"

local M = {}

--- Ends the search: a source that is set up and fails is an error.
---@param message string
---@param next_step string?
---@param situation string?  of lua/explain/, in the place of a next step
---@param facts table?
function M.fail(message, next_step, situation, facts)
  local fields = { kind = "credentials", exit = "credentials", message = message, next = next_step }
  refusal.raise(next_step and fields or explain.tell(situation or "aws.no-credentials", facts or { seen = message }, fields))
end

--- Prints keys of a profile for the environment: for what cmek does not read. A profile that is named on the command line comes
--- before the environment, so it has to go from there.
---@param self aws.Credentials
---@param profile_name string?
---@return string
function M.export_line(self, profile_name)
  local named = profile_name and "--profile " .. profile_name .. " " or ""
  return ('eval "$(aws configure export-credentials %s--format env)"%s'):format(named, self.explicit and "   # then without --profile" or "")
end

--- The end of keys, from their text; raises when it is none, or past.
---@param self aws.Credentials
---@param text any      a string, or somebody's mistake
---@param source string
---@return number?  seconds since the epoch
function M.check_expiration(self, text, source)
  if not text then return nil end
  local at = type(text) == "string" and time.epoch(text)
  if not at then M.fail(("%s: the expiration '%s' is no time like 2026-02-01T09:00:00Z"):format(source, tostring(text))) end
  local now = self.clock.now()
  if at <= now then
    M.fail(("the AWS credentials of %s expired at %s, %s ago"):format(source, time.text(at), time.span(now - at)),
      "get new credentials, then run this again")
  end
  return at
end

--- A setting: the environment's, else the profile's; nil when neither has it. What it is called comes second.
---@param self aws.Credentials
---@param variable string
---@param property string?
---@return string?, string?
function M.setting(self, variable, property)
  local value = self.environment.text(variable)
  if value then return value, variable end
  value = property and self.profile and self.profile:text(property)
  if value then return value, ("%s of profile '%s'"):format(property, self.profile.name) end
end

--- A setting that is a number above 0.
---@param self aws.Credentials
---@param default number
---@return number
function M.number(self, variable, property, default)
  local text, name = M.setting(self, variable, property)
  local value = text and tonumber(text) or default
  if text and not tonumber(text) or value <= 0 or value > 3600 then M.fail(("%s is '%s'; it must be a number above 0"):format(name, text)) end
  return value
end

--- The name of a session: the wanted one, else one that tells of this run; as STS takes it.
---@param self aws.Credentials
---@param wanted string?
---@return string
function M.session_name(self, wanted)
  local name = wanted or "cmek-" .. (self.run_id or ("%d"):format(self.clock.now() // 1))
  return (name:gsub("[^%w+=,.@_-]", "-"):sub(1, 64))
end

-- Asking -----------------------------------------------------------------------------------------------------------

--- Asks until there is an answer that asking again would not better.
---@param self aws.Credentials
---@param request table   door.identity.request's
---@param attempts integer
---@param pause number    seconds between two
---@return table? response, string? message, string? kind
function M.ask(self, request, attempts, pause)
  local response, message, kind
  for attempt = 1, attempts do
    if attempt > 1 then self.tasks.sleep(pause) end
    request.attempt = attempt
    response, message, kind = self.identity(request)
    if kind == "stopped" then refusal.raise { kind = "stopped", message = message } end
    if response and response.status < 500 and response.status ~= 429 then break end
  end
  return response, message, kind
end

--- What a refusing or unreadable answer says, in one line.
---@param response table
---@return string
function M.said(response)
  local body = type(response.body) == "table" and clean(response.body) or {}
  local code = body.__type or (response.headers or {})["x-amzn-errortype"] or body.code or body.Code or body.error
  local message = body.message or body.Message or body.error_description
  local words = { ("HTTP %d"):format(response.status) }
  if type(code) == "string" then words[#words + 1] = code:gsub("^.*#", ""):gsub(":.*$", "") end
  local text = response.fault and response.text or response.body
  if type(message) == "string" then
    words[#words + 1] = message
  elseif type(text) == "string" and text ~= "" then
    words[#words + 1] = explain.glimpse(text)
  end
  return table.concat(words, ": ")
end

local FAR <const> = 1e11   -- seconds since the epoch: what is later is no time that somebody meant

--- Seconds since the epoch of a text, or of milliseconds as SSO counts them; nil when it is neither.
---@param value any
---@return number?
function M.moment(value)
  if type(value) == "string" then return time.epoch(value) end
  local seconds = type(value) == "number" and value / 1000
  return seconds and seconds > 0 and seconds < FAR and seconds or nil
end

--- Keys as a service gives them in JSON: AccessKeyId and secrets. nil, and what is wrong, when something lacks.
---@param body any
---@param names { id: string, secret: string, token: string, expiration: string }
---@return aws.Keys?, string?
function M.keys(body, names)
  local secret = require "secret"
  body = type(body) == "table" and clean(body) or {}
  if type(body[names.id]) ~= "string" or body[names.id] == "" or not secret.is(body[names.secret]) then
    return nil, ("the answer has no %s or no %s"):format(names.id, names.secret)
  end
  local token = body[names.token]
  if not secret.is(token) or secret.length(token) == 0 then token = nil end
  local expiration = body[names.expiration]
  local ends = M.moment(expiration)
  if expiration ~= nil and not ends then return nil, ("its %s '%s' is no time"):format(names.expiration, tostring(expiration)) end
  return { access_key_id = body[names.id], secret_access_key = body[names.secret], session_token = token, expiration = ends }
end

--- What to say of an answer that should hold keys; nil when it is a good one.
---@param response table?
---@param message string?
---@return string?
function M.unusable(response, message)
  if not response then return "no answer: " .. tostring(message) end
  if response.status ~= 200 or response.fault then return M.said(response) end
end

return M
