--- Which answers to try again, and how long to wait; how fast to ask. It says what it waits for.
--- A write whose answer was lost is never simply repeated: only a request that is marked `safe` is.
---@class retry.Outcome  one exchange, as its client has read it
---@field response table?   nil: there was no whole answer
---@field status integer?
---@field code string?      the service's word for what it refused
---@field message string?
---@field kind "answered"|"refused"|"unsent"|"lost"|"stopped"
---@class retry.Call
---@field name string       "kms CreateKey us-east-1"
---@field client string     whose budget of retries is used: "kms us-east-1"
---@field rules retry.Rules
---@field safe boolean      may be sent again although nobody knows whether it was done
---@field pace { key: string, rate: number, burst: number? }?   requests a second; and at once, when that is another number
---@field send fun(attempt: integer): retry.Outcome
---@field mend (fun(outcome: retry.Outcome): boolean?)?  true: what was wrong is put right, which it can be once
---@class retry.Rules
---@field attempts integer  in total
---@field throttled integer?   in total where the last was refused for its pace, which nothing is done by; without it as many as else
---@field classify fun(outcome: retry.Outcome, safe: boolean): string?   "transient", "timeout", "throttling", "behind"; nil: final
---@field delay fun(class: string, count: integer, outcome: retry.Outcome, chance: number, now: number): number   seconds
---@field budget { capacity: integer, cost: table<string, integer> }?
local Retry = { __name = "Retry" }
Retry.__index = Retry

local time = require "time"

local M = {}

-- AWS --------------------------------------------------------------------------------------------------------------

local function set(text)
  local names = {}
  for name in text:gmatch "%S+" do names[name] = true end
  return names
end

local THROTTLING <const> = set [[ Throttling ThrottlingException ThrottledException RequestThrottled RequestThrottledException
  TooManyRequestsException ProvisionedThroughputExceededException TransactionInProgressException RequestLimitExceeded
  BandwidthLimitExceeded LimitExceededException SlowDown PriorRequestNotComplete EC2ThrottledException ]]
local TRANSIENT <const> = set "RequestTimeout RequestTimeoutException IDPCommunicationError"
local SERVER <const> = { [500] = true, [502] = true, [503] = true, [504] = true }

-- Trying again cannot help: the certificate stays unknown, the journal full, the answer long, a page to log in at that page.
local FINAL <const> = { "certificate", "journal", "is longer than", "libcurl cannot be used", "URL", "private key", "proxy scheme",
  "wrong version number", "the token " }

local function hopeless(outcome)
  local message = tostring(outcome.message)
  for _, words in ipairs(FINAL) do
    if message:find(words, 1, true) then return true end
  end
  return outcome.status == 200 and message:find("an HTML page", 1, true) ~= nil
end

-- No whole answer: what certainly did not leave may be sent again; what left, only when it does no harm.
local function broken(outcome, safe)
  if outcome.kind == "stopped" or hopeless(outcome) then return nil end
  if outcome.kind ~= "unsent" and not safe then return nil end
  return tostring(outcome.message):lower():find "timed? ?out" and "timeout" or "transient"
end

local function classify_aws(outcome, safe)
  if not outcome.response then return broken(outcome, safe) end
  if outcome.kind == "answered" then return nil end
  local quota = outcome.code == "LimitExceededException" and outcome.service == "kms"   -- of keys and aliases, not of speed
  if THROTTLING[outcome.code] then return not quota and "throttling" or nil end
  if not safe then return nil end
  if TRANSIENT[outcome.code] or SERVER[outcome.status] or outcome.kind == "lost" and not hopeless(outcome) then return "transient" end
end

local BASE <const> = { transient = 0.05, timeout = 0.05, throttling = 1.0 }
local LONGEST <const> = 20.0   -- seconds between two attempts
local LATER <const> = 5.0      -- seconds by which the service may ask for more

local function delay_aws(class, count, outcome, chance)
  local delay = chance * math.min(LONGEST, BASE[class] * 2.0 ^ (count - 1))
  local headers = outcome.response and outcome.response.headers or {}
  local asked = tostring(headers["x-amz-retry-after"] or ""):match "^%d+$"
  if not asked then return delay end
  return math.max(delay, math.min(delay + LATER, asked / 1000))
end

--- The SDKs' standard mode with the values of 2026.
---@type retry.Rules
M.AWS = {
  attempts = 3, classify = classify_aws, delay = delay_aws,
  budget = { capacity = 500, cost = { transient = 14, timeout = 14, throttling = 5 } },
}

-- CockroachDB Cloud ------------------------------------------------------------------------------------------------

-- As the vendor's Terraform provider does it, for reads; 429 says that nothing was done, so a write may follow it as well.
local function classify_cloud(outcome, safe)
  if not outcome.response then return broken(outcome, safe) end
  if outcome.kind == "answered" then return nil end
  if outcome.status == 429 then return "throttling" end
  if not safe or hopeless(outcome) then return nil end
  if outcome.kind == "lost" or outcome.status >= 500 and outcome.status ~= 501 then return "transient" end
end

-- Seconds of a Retry-After, which is a number or a date; nil without one.
local function asked_for(asked, outcome, now)
  local date = time.http(asked)
  local seconds = tonumber(tostring(asked or ""):match "^%d+$") or date and date - (time.http(outcome.response.date) or now)
  return seconds and math.max(0.0, math.min(300.0, seconds))
end

-- Processes that share a user are refused in the same moment, and told to come again in the same moment: from the second time on they
-- spread themselves.
local function delay_cloud(class, count, outcome, chance, now)
  local delay = math.min(30.0, 2.0 ^ (count - 1))
  if outcome.status ~= 429 and outcome.status ~= 503 then return delay end
  local asked = asked_for(outcome.response.headers and outcome.response.headers["retry-after"], outcome, now)
  return (asked or delay) + (class == "throttling" and asked and count > 1 and chance * math.min(count, 5) or 0.0)
end

---@type retry.Rules
M.CLOUD = { attempts = 5, throttled = 12, classify = classify_cloud, delay = delay_cloud }

--- Requests a second that the Cloud allows a user.
M.CLOUD_RATE = 10

-- Vault ------------------------------------------------------------------------------------------------------------

-- As Vault's own client does it: 412 (this node has not caught up), 429 and what is 5xx, but 501. The first two, and a sealed Vault, say
-- that nothing was done, so a write may follow them as well.
local function classify_vault(outcome, safe)
  if not outcome.response then return broken(outcome, safe) end
  if outcome.kind == "answered" or hopeless(outcome) then return nil end
  if outcome.status == 412 then return "behind" end
  if outcome.status == 429 then return "throttling" end
  local sealed = outcome.status == 503 and tostring(outcome.message):find("Vault is sealed", 1, true)
  if outcome.status == 501 or not safe and not sealed then return nil end
  if outcome.kind == "lost" or outcome.status >= 500 then return "transient" end
end

local function delay_vault(_, count, outcome, chance, now)
  local headers = outcome.response and (outcome.status == 429 or outcome.status == 503) and outcome.response.headers or {}
  return asked_for(headers["retry-after"], outcome, now) or count * (1.0 + 0.5 * chance)
end

--- The rules of one who is asked so often in total.
---@param attempts integer
---@return retry.Rules
function M.vault(attempts) return { attempts = attempts, classify = classify_vault, delay = delay_vault } end

--- What stands for a code where an answer has none.
---@param status integer
---@return string?
function M.status_text(status)
  local texts = { [400] = "BadRequest", [401] = "Unauthorized", [403] = "Forbidden", [404] = "NotFound", [405] = "MethodNotAllowed",
    [412] = "PreconditionFailed", [413] = "PayloadTooLarge", [429] = "TooManyRequests",
    [500] = "InternalServerError", [501] = "NotImplemented", [502] = "BadGateway", [503] = "ServiceUnavailable", [504] = "GatewayTimeout" }
  return texts[status]
end

-- The loop ---------------------------------------------------------------------------------------------------------

--- What is remembered between requests: budgets of retries, and when the next request of a pace may leave.
---@param options { clock: table, tasks: table, listen: fun(event: table), attempts: integer? }
---  attempts: AWS_MAX_ATTEMPTS, for rules with a budget
function M.new(options)
  return setmetatable({
    clock = options.clock, tasks = options.tasks, listen = options.listen, attempts = options.attempts, budgets = {}, paces = {},
  }, Retry)
end

function Retry:wait(reason, seconds)
  self.listen { kind = "waiting", reason = reason, seconds = seconds }
  self.tasks.sleep(seconds)
end

--- Waits until one more request of this pace may leave. As many as may leave in a second may leave at once.
---@param key string
---@param rate number  requests a second
---@param at_once number?  as many without `rate`
function Retry:keep_pace(key, rate, at_once)
  local now, burst = self.clock.now(), math.max(1.0, at_once or rate)
  local pace = self.paces[key] or { left = burst, at = now }
  pace.left = math.min(burst, pace.left + (now - pace.at) * rate) - 1
  pace.at = now
  self.paces[key] = pace
  if pace.left < 0 then
    self:wait(("%s: no more than %s requests a second"):format(key, ("%g"):format(rate)), -pace.left / rate)
  end
end

-- Takes the price of a retry from the client's budget; nil when it is used up.
local function pay(self, call, class)
  local budget = call.rules.budget
  if not budget then return 0 end
  local left = self.budgets[call.client] or budget.capacity
  local cost = budget.cost[class]
  if left < cost then return nil end
  self.budgets[call.client] = left - cost
  return cost
end

-- A success gives back what its last retry took, or 1.
local function refund(self, call, paid)
  local budget = call.rules.budget
  if not budget then return end
  local left = self.budgets[call.client] or budget.capacity
  self.budgets[call.client] = math.min(budget.capacity, left + (paid or 1))
end

-- A random number from 0 up to 1.
local function chance(clock) return string.unpack("<I4", clock.random(4)) / 2.0 ^ 32 end

local SAID <const> = { throttling = "asks for fewer requests", timeout = "did not answer in time", transient = "has trouble",
  behind = "has not caught up yet" }

local function reason(call, class, outcome)
  local detail = outcome.code or outcome.message or (outcome.status and tostring(outcome.status))
  local said = outcome.kind == "unsent" and "cannot be reached" or SAID[class]
  return ("%s: the service %s%s; trying again"):format(call.name, said, detail and (" (%s)"):format(detail) or "")
end

-- Whether another attempt shall be made, after the wait for it. The price that was paid for it.
local function again(self, call, outcome, count)
  local class = call.rules.classify(outcome, call.safe)
  local limit = class == "throttling" and call.rules.throttled or call.rules.budget and self.attempts or call.rules.attempts
  class = count < limit and class
  local paid = class and pay(self, call, class)
  if not paid then return nil end
  local delay = call.rules.delay(class, count, outcome, chance(self.clock), self.clock.now())
  self:wait(reason(call, class, outcome), delay)
  return paid
end

--- Sends, and sends again where that may help and can do no harm.
---@param call retry.Call
---@return retry.Outcome outcome  the last one
---@return integer attempts
function Retry:run(call)
  local paid
  for count = 1, math.huge do
    self.tasks.check()
    if call.pace then self:keep_pace(call.pace.key, call.pace.rate, call.pace.burst) end
    local outcome = call.send(count)
    outcome.kind = outcome.kind or "answered"
    if outcome.kind == "answered" then
      refund(self, call, paid)
      return outcome, count
    end
    if not (call.mend and call.mend(outcome)) then
      paid = again(self, call, outcome, count)
      if not paid then return outcome, count end
    end
  end
end

return M
