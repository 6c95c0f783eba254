-- What is sent again, how long is waited, and what is said of it.
local retry = require "retry"
local stand_in = dofile "tests/stand_in.lua"

-- Sends scripted outcomes; the last one for ever.
local function open(outcomes, options)
  local here = stand_in.new()
  here.retry = retry.new { clock = here.door.clock, tasks = here.tasks, listen = here.listen, attempts = options and options.attempts }
  here.times = {}
  here.call = { name = "kms CreateKey us-east-1", client = "kms us-east-1", rules = retry.AWS, safe = false,
    send = function(attempt)
      here.times[#here.times + 1] = here.now
      local outcome = {}
      for name, value in pairs(outcomes[math.min(attempt, #outcomes)]) do outcome[name] = value end
      return outcome
    end }
  for name, value in pairs(options and options.call or {}) do here.call[name] = value end
  function here.outcome()
    local outcome, attempts
    here.run(function() outcome, attempts = here.retry:run(here.call) end)
    return outcome, attempts
  end
  return here
end

local DONE <const> = { response = { status = 200 }, status = 200, kind = "answered" }
local function refused(code, status, headers)
  return { response = { status = status or 400, headers = headers or {} }, status = status or 400, code = code, kind = "refused", service = "kms" }
end
local LOST <const> = { kind = "lost", message = "127.0.0.1:1: Connection reset by peer" }
local UNSENT <const> = { kind = "unsent", message = "127.0.0.1:1: Connection refused" }
local SAFE <const> = { call = { safe = true } }

local function attempts_of(outcome, options)
  local _, count = open({ outcome }, options).outcome()
  return count
end

test["a write whose answer was lost is sent once, a read three times"] = function()
  test.equal(attempts_of(LOST), 1)
  test.equal(attempts_of(LOST, SAFE), 3)
end

test["what certainly did not leave is sent again, also a write"] = function()
  test.equal(attempts_of(UNSENT), 3)
end

test["a server's error leaves the outcome of a write open: it is sent once"] = function()
  for _, status in ipairs { 500, 502, 503, 504 } do
    test.equal(attempts_of(refused("KMSInternalException", status)), 1)
    test.equal(attempts_of(refused("KMSInternalException", status), SAFE), 3)
  end
  test.equal(attempts_of(refused("NotImplemented", 501), SAFE), 1)
end

test["throttling says that nothing was done: a write is sent again, whatever the status"] = function()
  for _, code in ipairs { "ThrottlingException", "Throttling", "SlowDown", "RequestLimitExceeded", "PriorRequestNotComplete" } do
    test.equal(attempts_of(refused(code)), 3)
  end
  test.equal(attempts_of(refused("ThrottlingException", 503)), 3)
end

test["LimitExceededException is a quota of keys in KMS and not tried again; elsewhere it is one of speed"] = function()
  test.equal(attempts_of(refused "LimitExceededException"), 1)
  local elsewhere = refused "LimitExceededException"
  elsewhere.service = "tagging"
  test.equal(attempts_of(elsewhere), 3)
end

test["what is refused for good is sent once: policy, access, missing things, IAM's quota"] = function()
  for _, code in ipairs { "MalformedPolicyDocumentException", "AccessDeniedException", "NotFoundException", "LimitExceeded", "ValidationError" } do
    test.equal(attempts_of(refused(code), SAFE), 1)
  end
  test.equal(attempts_of(refused(nil, 429), SAFE), 1)   -- by code alone
end

test["a page of somebody else that comes with 200 is there the next time as well; one of a gateway in trouble need not be"] = function()
  local page = "the answer is not the JSON that was expected (line 1): an HTML page: Please log in"
  for _, rules in ipairs { retry.AWS, retry.CLOUD } do
    local function attempts(status, kind, message)
      return attempts_of({ response = { status = status, headers = {} }, status = status, kind = kind, message = message },
        { call = { safe = true, rules = rules } })
    end
    test.equal(attempts(200, "lost", page), 1)
    test.equal(attempts(502, "refused", "an HTML page: Bad Gateway"), rules.attempts)
    test.equal(attempts(200, "lost", "the answer is empty"), rules.attempts)
  end
end

test["an unknown certificate, a full journal and an answer without end are not asked for again"] = function()
  for _, message in ipairs { "h: SSL certificate problem: self-signed certificate", "cannot write the journal: No space left on device",
    "h: the answer is longer than 16 MiB" } do
    test.equal(attempts_of({ kind = "unsent", message = message }, SAFE), 1)
  end
end

test["who is asked to stop does not try again"] = function()
  test.equal(attempts_of({ kind = "stopped", message = "stopped by SIGINT" }, SAFE), 1)
end

test["the wait before retry n is a random part of 50 ms or 1 s, doubled each time"] = function()
  local here = open({ refused "ThrottlingException" }, { attempts = 5 })
  here.outcome()
  local waits = {}
  for i = 2, #here.times do waits[#waits + 1] = here.times[i] - here.times[i - 1] end
  test.equal(waits, { 0.5, 1.0, 2.0, 4.0 })   -- the stand-in's chance is one half
  local transient = open({ LOST }, SAFE)
  transient.outcome()
  test.truthy(math.abs(transient.times[2] - transient.times[1] - 0.025) < 1e-6)
end

test["no wait is longer than 20 s"] = function()
  local here = open({ refused "ThrottlingException" }, { attempts = 8 })
  here.outcome()
  test.equal(here.times[8] - here.times[7], 10.0)
end

test["x-amz-retry-after is obeyed up to 5 s more than the own wait, and garbage is ignored"] = function()
  local function wait(text)
    local here = open { refused("ThrottlingException", 400, { ["x-amz-retry-after"] = text }) }
    here.outcome()
    return here.times[2] - here.times[1]
  end
  test.equal(wait "2000", 2.0)
  test.equal(wait "100", 0.5)       -- not less than the own
  test.equal(wait "60000", 5.5)
  test.equal(wait "soon", 0.5)
  test.equal(wait "-3", 0.5)
end

test["an empty budget ends the retries at once, and success fills it again"] = function()
  local here = open({ LOST }, SAFE)
  local counts = {}
  for i = 1, 19 do counts[i] = select(2, here.outcome()) end
  test.equal({ counts[1], counts[17], counts[18], counts[19] }, { 3, 3, 2, 1 })   -- 500 / 14 = 35 retries
  here.call.send = function() return DONE end
  for _ = 1, 14 do here.outcome() end
  here.call.send = function() return LOST end
  test.equal(select(2, here.outcome()), 2)
end

test["budgets are kept apart by client"] = function()
  local here = open({ LOST }, SAFE)
  for _ = 1, 20 do here.outcome() end
  here.call.client = "kms eu-west-1"
  test.equal(select(2, here.outcome()), 3)
end

test["each wait is said, with whom and why"] = function()
  local here = open { refused "ThrottlingException", DONE }
  local outcome, attempts = here.outcome()
  test.equal({ outcome.kind, attempts }, { "answered", 2 })
  test.equal(#here.events, 1)
  test.equal({ here.events[1].kind, here.events[1].seconds }, { "waiting", 0.5 })
  test.contains(here.events[1].reason, "kms CreateKey us-east-1: the service asks for fewer requests (ThrottlingException)")
end

test["what did not leave is told as not reached, a lost answer as trouble"] = function()
  local here = open { UNSENT }
  here.outcome()
  test.contains(here.events[1].reason, "the service cannot be reached (127.0.0.1:1: Connection refused)")
  here = open({ LOST }, SAFE)
  here.outcome()
  test.contains(here.events[1].reason, "the service has trouble")
end

test["what was put right is sent again without a wait, beside the retries"] = function()
  local mended = false
  local here = open({ refused "ExpiredTokenException", DONE }, { call = { mend = function()
    local first = not mended
    mended = true
    return first
  end } })
  local outcome, attempts = here.outcome()
  test.equal({ outcome.kind, attempts, #here.events, here.times[2] - here.times[1] }, { "answered", 2, 0, 0 })
end

-- ---- pace ----

test["as many requests as a second allows leave at once, the next wait their turn"] = function()
  local here = open({ DONE }, { call = { pace = { key = "kms CreateKey us-east-1", rate = 5 } } })
  here.run(function()
    local numbers = {}
    for i = 1, 12 do numbers[i] = i end
    here.tasks.map(numbers, function() return here.retry:run(here.call) end)
  end)
  local late = {}
  for i, time in ipairs(here.times) do late[i] = math.floor((time - stand_in.NOW) * 10 + 0.5) / 10 end
  test.equal(late, { 0.0, 0.0, 0.0, 0.0, 0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4 })
  test.contains(here.events[1].reason, "no more than 5 requests a second")
end

test["one request in four seconds is a pace as well, and other keys do not wait for it"] = function()
  local here = open({ DONE }, { call = { pace = { key = "slow", rate = 0.25 } } })
  here.outcome()
  here.outcome()
  test.equal(here.times[2] - here.times[1], 4.0)
  here.call.pace = { key = "other", rate = 0.25 }
  here.outcome()
  test.equal(here.times[3] - here.times[2], 0.0)
end

-- ---- the Cloud ----

local function cloud(outcomes, more)
  local call = { name = "cloud ListClusters", client = "cloud", rules = retry.CLOUD, safe = true }
  for name, value in pairs(more or {}) do call[name] = value end
  return open(outcomes, { call = call })
end

test["a read of the Cloud is tried five times, 1, 2, 4 and 8 s apart, and after 501 not"] = function()
  local here = cloud { refused(nil, 500) }
  local _, attempts = here.outcome()
  test.equal({ attempts, here.now - stand_in.NOW }, { 5, 15.0 })
  test.equal(select(2, cloud({ refused(nil, 501) }).outcome()), 1)
  test.equal(select(2, cloud({ refused(nil, 404) }).outcome()), 1)
  test.equal(select(2, cloud({ LOST }).outcome()), 5)
end

test["a write to the Cloud is sent again after 429 and when it did not leave, and never else"] = function()
  local write = { safe = false }
  test.equal(select(2, cloud({ refused(nil, 429), DONE }, write).outcome()), 2)
  test.equal(select(2, cloud({ UNSENT, DONE }, write).outcome()), 2)
  for _, outcome in ipairs { refused(nil, 500), refused(nil, 503), refused(nil, 504), LOST } do
    test.equal(select(2, cloud({ outcome }, write).outcome()), 1)
  end
end

test["Retry-After counts in seconds or names a date, after 429 and 503"] = function()
  local function wait(status, text, date)
    local first = refused(nil, status, { ["retry-after"] = text })
    first.response.date = date
    local here = cloud { first, DONE }
    here.outcome()
    return here.now - stand_in.NOW + 0.0
  end
  test.equal(wait(429, "7"), 7.0)
  test.equal(wait(503, "Sun, 01 Feb 2026 09:00:12 GMT"), 12.0)
  test.equal(wait(500, "7"), 1.0)
  test.equal(wait(429, "whenever"), 1.0)
  test.equal(wait(429, "86400"), 300.0)                              -- nobody waits a day
  test.equal(wait(429, "Sun, 01 Feb 2026 08:00:12 GMT"), 0.0)
  test.equal(wait(429, "Sun, 01 Feb 2026 08:00:12 GMT", "Sun, 01 Feb 2026 08:00:00 GMT"), 12.0)   -- by the service's clock
end

test["a task that was cancelled sends nothing more"] = function()
  local here = open({ LOST }, SAFE)
  local ok = pcall(here.run, function()
    here.tasks.all {
      function() return here.retry:run(here.call) end,
      function() error "over" end,
    }
  end)
  test.equal({ ok, #here.times }, { false, 1 })
end

test["processes that share a user of the Cloud's spread themselves when they are told to come again, and are patient"] = function()
  local late = { kind = "refused", status = 429, response = { headers = { ["retry-after"] = "1" } } }
  local function delay(count, chance) return retry.CLOUD.delay("throttling", count, late, chance, 0) end
  test.equal({ delay(1, 0.5), delay(2, 0.5), delay(9, 0.5), delay(9, 0.0) }, { 1.0, 2.0, 3.5, 1.0 })
  test.equal(select(2, cloud({ refused(nil, 429, { ["retry-after"] = "1" }) }).outcome()), 12)
  test.equal(select(2, cloud({ refused(nil, 500) }).outcome()), 5)
end
