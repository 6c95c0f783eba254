-- A door that answers from a function, with a clock that moves only when every task sleeps: for sentences about the clients.
local task = require "task"

local M = {}

M.NOW = 1769936400   -- 2026-02-01T09:00:00Z

-- Tasks sleep in door.clock.sleep; door.http.wait wakes the one that is due next.
local function clock_of(here)
  local clock, http, sleepers, numbered = {}, {}, {}, 0
  function clock.now() return here.now end
  function clock.random(count) return ("\0"):rep(count - 1) .. string.char(here.chance or 128) end
  function clock.sleep(seconds)
    numbered = numbered + 1
    table.insert(sleepers, { due = here.now + seconds, number = numbered, thread = coroutine.running() })
    coroutine.yield()
  end
  function http.wait()
    table.sort(sleepers, function(a, b)
      if a.due ~= b.due then return a.due < b.due end
      return a.number < b.number
    end)
    local first = table.remove(sleepers, 1)
    if not first then return nil end
    here.now = math.max(here.now, first.due)
    return first.thread
  end
  return clock, http
end

--- A stand-in for door, tasks and the world. `answer(request, number)` gives what door.aws.request and door.cloud.request
--- return: a response, or nil, message, kind. `here.sent` lists the requests, each with the time of its sending.
---@param answer function?
---@param latency number?  seconds
function M.new(answer, latency)
  local here = { now = M.NOW, sent = {}, endpoints = {}, regions = {}, events = {} }
  local door = {}
  door.clock, door.http = clock_of(here)
  local function request(what)
    local entry = { time = here.now }
    for name, value in pairs(what) do entry[name] = value end
    here.sent[#here.sent + 1] = entry
    local number = #here.sent
    door.clock.sleep(latency or 0)
    return answer(entry, number)
  end
  door.aws, door.cloud = { request = request }, { request = request }
  door.vault = { request = request, sign_identity = function(what)
    here.signed = what
    return { iam_http_request_method = "POST", iam_request_url = "dXJs", iam_request_body = "Ym9keQ==", iam_request_headers = "c2lnbmVk" }
  end }
  function door.endpoint(_, service, url, options)
    here.endpoints[service] = { url = url, signing_region = options and options.signing_region, transport = options and options.transport }
  end
  function door.region(_, name) here.regions[name] = true end
  function door.ca_bundle(_, path) here.ca_bundle = path end
  function door.seal() here.sealed = true end
  function door.session_key() return "the key to sessions" end
  here.door, here.tasks = door, task.new(door)
  here.listen = function(event) here.events[#here.events + 1] = event end
  here.run = function(fn) return here.tasks.run(fn) end
  return here
end

--- A session on a stand-in, with keys in the environment; `environment` adds to it.
function M.session(answer, environment, options)
  local here = M.new(answer, options and options.latency)
  local variables = { AWS_ACCESS_KEY_ID = "AKIASIMULATEDCMEK001", AWS_SECRET_ACCESS_KEY = "simulated/secret/not-a-real-one/00000001",
    AWS_REGION = "us-east-1", AWS_CONFIG_FILE = "/dev/null", AWS_SHARED_CREDENTIALS_FILE = "/dev/null",
    COCKROACH_API_KEY = "CCDB1_SIMULATED_not-a-real-cloud-key" }
  for name, value in pairs(environment or {}) do variables[name] = value ~= false and value or nil end
  local settings = { door = here.door, environment = variables, listener = here.listen }
  for name, value in pairs(options or {}) do
    if name ~= "latency" then settings[name] = value end
  end
  here.session = require("session").open(settings)
  here.tasks = here.session.tasks
  return here
end

--- A refused answer of KMS.
function M.refused(code, message, more)
  local response = { status = 400, headers = {}, body = { __type = code, message = message }, request_id = "r-1" }
  for name, value in pairs(more or {}) do response[name] = value end
  return response
end

--- An answer.
function M.answer(body, more)
  local response = { status = 200, headers = {}, body = body or {}, request_id = "r-2" }
  for name, value in pairs(more or {}) do response[name] = value end
  return response
end

--- What fn raises, inside a task.
function M.raised(here, fn)
  local ok, raised = pcall(here.run, fn)
  if ok then error("nothing was raised", 2) end
  return raised
end

return M
