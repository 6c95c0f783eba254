--- Operations of AWS: the one place that turns one into a request, through limits and retries, and an answer into a value
--- or a refusal.
---@class aws.Caller
---@field door table
---@field retry Retry
---@field credentials aws.Credentials
---@field endpoints aws.Endpoints
local Caller = { __name = "aws.Caller" }
Caller.__index = Caller

local clean = require "clean"
local explain = require "explain"
local json = require "json"
local refusal = require "refusal"
local retry = require "retry"
local shape = require "shape"
local time = require "time"

local M = {}

local SKEW <const> = 240   -- seconds: AWS's own clients take less for a wrong key, more for a wrong clock

--- The codes of a signature that a wrong clock spoils.
local CLOCK <const> = { RequestTimeTooSkewed = true, RequestExpired = true, RequestInTheFuture = true, InvalidSignatureException = true,
  SignatureDoesNotMatch = true, AuthFailure = true }
local EXPIRED <const> = { ExpiredToken = true, ExpiredTokenException = true, RequestExpired = true }

--- What calls operations for one operator.
---@param options { door: table, retry: Retry, credentials: aws.Credentials, endpoints: aws.Endpoints, listen: fun(event: table) }
---@return aws.Caller
function M.new(options)
  local self = setmetatable({ skews = {}, skew = 0 }, Caller)
  for _, field in ipairs { "door", "retry", "credentials", "endpoints", "listen" } do self[field] = options[field] end
  return self
end

-- Reading the answer -----------------------------------------------------------------------------------------------

-- The service's word, without the namespace before `#` and what stands behind `:`.
local function plain_code(code)
  if type(code) ~= "string" then return nil end
  code = code:gsub("^.*#", ""):gsub(":.*$", "")
  return code ~= "" and code or nil
end

-- Code and message of a refused request, in JSON or XML.
local function refused(response)
  local body = type(response.body) == "table" and response.body or {}
  local inner = type(body.Errors) == "table" and body.Errors or body   -- EC2 puts them into one more
  local fault = type(inner.Error) == "table" and inner.Error or body
  local header = (response.headers or {})["x-amzn-errortype"]
  local code = plain_code(fault.Code) or plain_code(fault.__type) or plain_code(header) or plain_code(fault.code)
  local message = fault.Message or fault.message
  return explain.plain(code), explain.plain(type(message) == "string" and message or nil)
end

local XML <const> = { query = true, ec2 = true, ["rest-xml"] = true }

-- How the service is spoken to, where the request does not say it.
local function format_of(request)
  return request.format or (request.service == "iam" or request.service == "sts") and "query" or "json-1.1"
end

-- What is wrong with an answer that says success: nobody can say what came of the request. nil when nothing is.
local function unreadable(request, response)
  local format = format_of(request)
  local expected = XML[format] and "XML" or "JSON"
  if response.fault then
    return ("the answer is not the %s that was expected (%s): %s"):format(expected, response.fault, explain.glimpse(response.text))
  end
  if response.empty and (request.list or request.result) then return "the answer is empty" end
  if response.body == json.null then return nil end   -- says as much as {}
  if response.body == "" and XML[format] and format ~= "query" then response.body = {} end   -- an element with nothing in it
  local kind = json.is_array(response.body) and "a list" or type(response.body)
  if kind ~= "table" then return ("the answer is %s where an object was expected"):format(kind) end
  if format == "query" and not response.request_id and next(response.body) == nil then
    return ("the answer is empty, or not one to %s"):format(request.operation)
  end
end

local function read(request, response, message, kind)
  if not response then return { kind = kind, message = message, service = request.service } end
  local outcome = { response = response, status = response.status, service = request.service }
  if response.status < 300 then
    outcome.message = unreadable(request, response)
    outcome.kind = outcome.message and "lost" or "answered"
    return outcome
  end
  outcome.kind = "refused"
  outcome.code, outcome.message = refused(response)
  local body = type(response.body) == "table" and response.body or {}
  local id = response.request_id or body.RequestID or body.RequestId
  response.request_id = type(id) == "string" and id or nil
  if response.fault then outcome.message = explain.glimpse(response.text) end
  local elsewhere = response.status < 400 and (response.headers or {}).location
  if elsewhere then outcome.message = ("the answer sends us to %s, where no request of cmek goes"):format(explain.glimpse(elsewhere)) end
  return outcome
end

-- Putting right what can be ----------------------------------------------------------------------------------------

-- A clock that is off by minutes: the difference is kept, for all services until one shows another, and the request is signed anew, once.
local function mend_clock(self, request, outcome)
  local theirs = outcome.response and time.http(outcome.response.date)
  if not CLOCK[outcome.code] or not theirs or request.clock_mended then return false end
  local skew = theirs - self.door.clock.now()
  if math.abs(skew - request.skew) < SKEW then return false end
  request.clock_mended = true
  self.skews[request.place], self.skew = skew, skew
  if not self.clock_told then
    self.clock_told = true
    self.listen { kind = "warning", text = ("this machine's clock is %s %s AWS's; requests are signed with AWS's time. Set the clock: "
      .. "timedatectl set-ntp true"):format(time.span(skew), skew > 0 and "behind" or "ahead of") }
  end
  return true
end

-- Credentials that have run out are asked for anew, once.
local function mend_credentials(self, request, outcome)
  if not EXPIRED[outcome.code] or request.credentials_mended or request.credentials or request.anonymous then return false end
  request.credentials_mended = true
  return self.credentials:renew(request.used)
end

-- Asking -----------------------------------------------------------------------------------------------------------

local function send(self, request, attempt)
  request.used = not request.anonymous and (request.credentials or self.credentials:get()) or nil
  request.skew = self.skews[request.place] or self.skew
  return read(request, self.door.aws.request {
    service = request.service, region = request.region, operation = request.operation, parameters = request.parameters,
    credentials = request.used and { access_key_id = request.used.access_key_id, secret_access_key = request.used.secret_access_key,
      session_token = request.used.session_token },
    attempt = attempt, skew = request.skew, session_key = request.session_key, secrets = request.secrets, protocol = request.protocol,
    host = request.host, version = request.version, target = request.target, method = request.method, path = request.path,
    query = request.query, body = request.body,
  })
end

local ABOUT <const> = { "RoleName", "RoleArn", "KeyId", "AliasName", "TopicArn" }

-- What a call is about, by names and IDs that are no secrets.
local function about(parameters)
  local names = {}
  for _, name in ipairs(ABOUT) do
    local value = parameters and parameters[name]
    names[name] = type(value) == "string" and value or nil
  end
  return names
end

local function refuse(self, request, outcome, attempts)
  refusal.raise(explain.complete {
    service = request.service, operation = request.operation, region = request.region, status = outcome.status,
    code = outcome.code or outcome.kind == "refused" and retry.status_text(outcome.status) or nil, message = outcome.message,
    request_id = outcome.response and outcome.response.request_id, kind = outcome.kind, attempts = attempts,
    unknown = outcome.kind == "lost" and not request.safe or nil, source = request.used and request.used.source,
    endpoint_source = self.endpoints:source(request.service), about = about(request.parameters),
  })
end

local function check_result(self, request, answer, outcome, attempts)
  local wanted = request.list and { [request.list] = shape.list(request.of or {}) } or request.result
  local fault = wanted and shape.fault(answer, wanted)
  if not fault then return end
  outcome.kind, outcome.message = "lost", fault
  refuse(self, request, outcome, attempts)
end

--- Calls an operation.
---@param request { service: string, operation: string, parameters: table, region: string?, safe: boolean?, rate: number?,
---  list: string?, of: any, result: table?, credentials: table?, anonymous: boolean?, session_key: any, format: string?, protocol: string? }
---  safe: may be sent again when its outcome is unknown; rate: requests a second; list: the member that it lists, maybe nothing;
---  of: the shape of its members; result: the shape of the answer; credentials: others than the session's; anonymous: nobody signs;
---  format: how the service is spoken to; protocol and what goes with it: the same of one that the door does not know (lua/aws/any.lua)
---@return table answer  what the service says, without what is null or empty
function Caller:call(request)
  self.endpoints:check(request.service, request.region)
  request.place = request.region and request.service .. " " .. request.region or request.service
  local name = ("%s %s%s"):format(request.service, request.operation, request.region and " " .. request.region or "")
  local outcome, attempts = self.retry:run {
    name = name, client = request.place, rules = retry.AWS, safe = request.safe or false,
    pace = request.rate and { key = name, rate = request.rate } or nil,
    send = function(attempt) return send(self, request, attempt) end,
    mend = function(result) return mend_clock(self, request, result) or mend_credentials(self, request, result) end,
  }
  if outcome.code == "DryRunOperationException" then return { DryRun = true } end
  if outcome.kind ~= "answered" then refuse(self, request, outcome, attempts) end
  local answer = clean(outcome.response.body) or {}   -- of a null nothing is left
  check_result(self, request, answer, outcome, attempts)
  return answer
end

return M
