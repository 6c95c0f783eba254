-- host/http.c and host/transfer.c over a real network, that of this machine: tests/http_server.lua is the service.
local door_module = require "door"
local file = require "file"
local journal = require "journal"
local json = require "json"
local process = require "process"
local server = require "server"
local task = require "task"

--- The program that runs this, to be run again.
local function program()
  local command <close> = assert(io.open("/proc/self/cmdline", "rb"))
  return assert(file.canonical(command:read("a"):match "^[^\0]+"))
end

--- Waits for something to become true, ten seconds at the most.
local function until_true(what, condition)
  for _ = 1, 500 do
    if condition() then return end
    os.execute "sleep 0.02"
  end
  error("waited in vain for " .. what, 2)
end

local function lines_of(path)
  local list = {}
  for line in (file.read(path) or ""):gmatch "[^\n]+" do list[#list + 1] = line end
  return list
end

--- Calls fn(URL, log) beside a service of its own; log() lists the requests that it got. Given a certificate it speaks TLS.
local function beside_service(fn, certificate)
  local directory = test.directory()
  for name, text in pairs(certificate or {}) do assert(file.write(directory .. "/" .. name, text)) end
  local child <close> = assert(process.spawn { argv = { program(), "test", "tests/http_server.lua", directory }, environment = { PATH = true } })
  until_true("the service's port", function() return file.exists(directory .. "/port") end)
  local url = ("%s://127.0.0.1:%s"):format(certificate and "https" or "http", file.read(directory .. "/port"))
  return fn(url, function() return lines_of(directory .. "/log") end, child)
end

--- A door that may write to the URL, with its journal's path: request{path=, …} is door.http.request, run as a task.
local function open(url, ca_bundle, log)
  local door = door_module.new { yes = true, user_agent = "cmek/test" }
  local path = test.directory() .. "/run.jsonl"
  if ca_bundle then door:ca_bundle(ca_bundle) end
  door:endpoint("http", url)
  door:seal()
  door:record(log or assert(journal.create(path)))
  assert(door:permit_writes "write?")
  local here = { door = door, tasks = task.new(door), journal = path }
  function here.send(request)
    local what = { url = url .. request.path, method = request.method, headers = request.headers, body = request.body,
      timeout = request.timeout }
    return door.http.request(what)
  end
  function here.request(request) return here.tasks.run(here.send, request) end
  return here
end

--- The outcomes in the journal, each request's line before its own.
local function outcomes(here)
  here.door:note { kind = "end" }
  here.request { path = "/echo" }   -- what is queued goes to disk with the next write
  local list = {}
  for _, entry in ipairs(assert(journal.read(file.read(here.journal)))) do
    if entry.kind == "outcome" then list[#list + 1] = entry.outcome end
  end
  return list
end

--- A port at which nobody listens.
local function free_port()
  local one <close> = server.new { handler = function() end }
  return one.port
end

-- ---- what goes out ----

test["method, headers and body arrive as they were given, and the program says who it is"] = function()
  beside_service(function(url, log)
    local here = open(url)
    local response = here.request { path = "/echo", method = "POST", body = "a=1&b", headers = { { "X-One", "1" }, { "X-Two", "2" } } }
    local seen = json.decode(response.body)
    test.equal({ response.status, seen.method, seen.body }, { 200, "POST", "a=1&b" })
    test.equal({ seen.headers["X-One"], seen.headers["X-Two"], seen.headers["User-Agent"] }, { "1", "2", "cmek/test" })
    test.equal(seen.headers.Expect, nil)
    test.equal(seen.headers["Transfer-Encoding"], nil)
    test.equal(log(), { "POST /echo" })
  end)
end

test["a header that would be two, or is no text, is refused before anything leaves"] = function()
  beside_service(function(url, log)
    local here = open(url)
    for _, header in ipairs { { "X-A", "1\r\nX-B: 2" }, { "X-A\n", "1" }, { "X-A: 1\nX-B", "2" }, { "X-A:", "1" } } do
      test.raises(function() here.request { path = "/echo", headers = { header } } end, "a header holds a line end")
    end
    test.raises(function() here.request { path = "/echo", headers = { { "X-A", "1\0" } } } end, "a header holds a NUL")
    local crowd = {}
    for number = 1, 33 do crowd[number] = { "X-A", tostring(number) } end
    for _, headers in ipairs { "X-A: 1", { "X-A: 1" }, { { "X-A" } }, { { "X-A", true } }, crowd } do
      test.raises(function() here.request { path = "/echo", headers = headers } end, "field 'headers' must be a list of {name, value}")
    end
    test.equal(log(), {})
  end)
end

test["another host than the endpoint's is refused, however it begins"] = function()
  local here = open "http://127.0.0.1:1"
  for _, url in ipairs { "http://127.0.0.1:12/", "http://127.0.0.1:1.evil.example/", "http://127.0.0.1:1@evil.example/", "http://127.0.0.2/" } do
    test.raises(function() here.tasks.run(function() here.door.http.request { url = url } end) end, "no destination is open for")
  end
end

-- ---- what comes back ----

test["headers come by lower-case name, those that come twice are joined"] = function()
  beside_service(function(url)
    local response = open(url).request { path = "/headers" }
    test.equal({ response.status, response.body, response.request_id }, { 201, "made", "r-1" })
    test.equal(response.headers.via, "1.1 a, 1.1 b")
    test.matches(response.headers["x-mixed"], "^one *$")
    test.equal(response.headers["X-MiXeD"], nil)
  end)
end

test["a redirect is an answer, and is not followed"] = function()
  beside_service(function(url, log)
    local response = open(url).request { path = "/redirect", method = "POST", body = "x" }
    test.equal({ response.status, response.headers.location, response.body }, { 302, "/echo", "elsewhere" })
    test.equal(log(), { "POST /redirect" })
  end)
end

test["many answers come at once, each to the task that asked"] = function()
  beside_service(function(url, log)
    local here = open(url)
    local numbers = {}
    for number = 1, 60 do numbers[number] = number end
    local begun = here.door.clock.now()
    local got = here.tasks.run(function()
      return here.tasks.map(numbers, function(number)
        local response = assert(here.send { path = number % 2 == 0 and "/echo" or "/slow/0.3/x", method = "POST", body = tostring(number) })
        return number % 2 == 0 and math.tointeger(tonumber(json.decode(response.body).body)) or number
      end)
    end)
    test.equal(got, numbers)
    test.equal(#log(), 60)
    local took = here.door.clock.now() - begun
    test.truthy(took < 6, ("30 answers of 0.3 s took %.1f s, as if one came after another"):format(took))
  end)
end

-- ---- what does not come back ----

test["a connection that is refused was not sent, and the host and port are named"] = function()
  local port = free_port()
  local here = open(("http://127.0.0.1:%d"):format(port))
  local response, message, kind = here.request { path = "/echo", method = "POST", body = "x" }
  test.equal({ response, kind }, { nil, "unsent" })
  test.contains(message, ("127.0.0.1:%d: "):format(port))
  test.equal(outcomes(here), { "unsent" })
end

test["a host that has no address was not reached"] = function()
  local host = ("x"):rep(64) .. ".invalid"   -- a label too long: no name server is asked
  local response, message, kind = open("https://" .. host).request { path = "/" }
  test.equal({ response, kind }, { nil, "unsent" })
  test.contains(message, host .. ": Could not resolve host")
end

test["an answer that is cut short, and none at all, are lost: who knows what became of the request"] = function()
  beside_service(function(url, log)
    local here = open(url)
    for _, path in ipairs { "/cut", "/gone" } do
      local response, message, kind = here.request { path = path, method = "POST", body = "x" }
      test.equal({ response, kind }, { nil, "lost" })
      test.contains(message, url:match "//(.*)")
    end
    test.equal(log(), { "POST /cut", "POST /gone" })
    test.equal(outcomes(here), { "lost", "lost" })
  end)
end

test["an answer of 50 MB is refused at 16 MiB, and the next one is read"] = function()
  beside_service(function(url)
    local here = open(url)
    local response, message, kind = here.request { path = "/big" }
    test.equal({ response, kind }, { nil, "lost" })
    test.contains(message, "the answer is longer than 16 MiB")
    test.equal(here.request { path = "/echo" }.status, 200)
  end)
end

test["a slow answer is waited for as long as was said, and is lost then"] = function()
  beside_service(function(url)
    local here = open(url)
    local begun = here.door.clock.now()
    local response, message, kind = here.request { path = "/slow/20/x", timeout = 0.4 }
    local took = here.door.clock.now() - begun
    test.equal({ response, kind }, { nil, "lost" })
    test.contains(message, "timed out")
    test.truthy(took >= 0.4 and took < 5, ("0.4 s took %.2f s"):format(took))
    test.equal(here.request { path = "/slow/0.3/x", timeout = 10 }.status, 200)
  end)
end

test["a TLS handshake that does not end is no request"] = function()
  local deaf <close> = server.new { handler = function() end }   -- listens, and is never run
  local _, message, kind = open(("https://127.0.0.1:%d"):format(deaf.port)).request { path = "/", timeout = 0.4 }
  test.equal(kind, "unsent")
  test.matches(message, "timed? ?out")   -- libcurl has a word for each place where it waits
end

test["what a full disk cannot take down does not leave, also not later"] = function()
  beside_service(function(url, log)
    local here = open(url, nil, assert(journal.continue("/dev/full", "")))
    for _, said in ipairs { "cannot write the journal: No space left on device",
      "cannot write the journal: an earlier write failed: No space left on device" } do
      local response, message, kind = here.request { path = "/echo", method = "POST", body = "x" }
      test.equal({ response, message, kind }, { nil, said, "unsent" })
    end
    test.equal(log(), {})
  end)
end

-- ---- whom to believe ----

--- A certificate for 127.0.0.1 that signs itself, and its key, as texts.
local function certificate()
  local directory = test.directory()
  local made = os.execute(("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 "
    .. "-keyout %s/key -out %s/cert 2>/dev/null"):format(directory, directory))
  if not made then test.skip "no openssl command" end
  return { cert = file.read(directory .. "/cert"), key = file.read(directory .. "/key") }, directory .. "/cert"
end

test["a certificate that nobody vouches for is refused, one of the CA bundle is believed, for its own host alone"] = function()
  local pair, bundle = certificate()
  beside_service(function(url, log)
    local _, message, kind = open(url).request { path = "/echo" }
    test.equal(kind, "unsent")
    test.contains(message, "certificate")
    _, message, kind = open((url:gsub("127.0.0.1", "localhost")), bundle).request { path = "/echo" }
    test.equal(kind, "unsent")
    test.contains(message, "localhost")
    test.equal(log(), {})
    test.equal(open(url, bundle).request({ path = "/echo" }).status, 200)
  end, pair)
end

test["plain HTTP where TLS is spoken, and TLS where it is not, bring no answer"] = function()
  local pair = certificate()
  beside_service(function(url)
    test.equal((open((url:gsub("https", "http"))).request { path = "/echo", timeout = 5 }), nil)
  end, pair)
  beside_service(function(url, log)
    local _, _, kind = open((url:gsub("http", "https"))).request { path = "/echo", timeout = 5 }
    test.equal(kind, "unsent")
    test.equal(log(), {})
  end)
end

-- ---- signals and proxies, in a program of its own: `cmek exec` ----

--- What `cmek exec SCRIPT` did beside the service at which every AWS host is; meanwhile(child, log) is called while it runs.
local function executed(script, meanwhile, more)
  return beside_service(function(url, log)
    local directory = test.directory()
    local script_path = directory .. "/script.lua"
    assert(file.write(script_path, script))
    local environment = { PATH = true, HOME = directory, CMEK_STATE_DIR = directory .. "/state", AWS_ENDPOINT_URL = url .. "/slow/" .. more.delay,
      AWS_REGION = "us-east-1", AWS_ACCESS_KEY_ID = "AKIASIMULATEDCMEK001", AWS_EC2_METADATA_DISABLED = "true",
      AWS_SECRET_ACCESS_KEY = "simulated/secret/not-a-real-one/00000001", COCKROACH_API_KEY = "not-a-real-cloud-key" }
    for name, value in pairs(more.environment or {}) do environment[name] = value end
    local child <close> = assert(process.spawn { environment = environment, argv = { "sh", "-c",
      ('exec "$@" >%s/out 2>%s/errors </dev/null'):format(directory, directory), "sh",
      program(), "exec", table.unpack(more.write and { "--write", "--yes", script_path } or { script_path }) } })
    meanwhile(child, log)
    local status
    until_true("the end of cmek exec", function() status = child:poll() return status end)
    local run
    for _, name in ipairs(file.list(directory .. "/state/runs") or {}) do
      if name:find "%.jsonl$" then run = file.read(directory .. "/state/runs/" .. name) end
    end
    return status, file.read(directory .. "/out"), file.read(directory .. "/errors"), log(), run
  end)
end

--- Sends the signal once the service has a request.
local function interrupting(signal)
  return function(child, log)
    until_true("the request", function() return #log() > 0 end)
    assert(child:kill(signal))
  end
end

test["a write on its way when SIGINT comes is waited for, and nothing follows it"] = function()
  local status, output, errors, log, run = executed([[
    print(kms.create_key { region = "us-east-1" }.KeyMetadata.KeyId)
    kms.create_alias { region = "us-east-1", AliasName = "alias/after", TargetKeyId = "k" }
  ]], interrupting "SIGINT", { write = true, delay = "1.5" })
  test.equal(output, "key-after-all\n")
  test.contains(errors, "SIGINT")
  test.equal(#log, 1)
  local entries = assert(journal.read(run))
  local kinds = {}
  for _, entry in ipairs(entries) do
    if entry.kind == "outcome" then kinds[#kinds + 1] = entry.outcome end
  end
  test.equal(kinds[1], "answered")
  test.equal(status, 130)
end

test["a read on its way when a signal comes is given up"] = function()
  for signal, want in pairs { SIGINT = 130, SIGTERM = 143 } do
    local begun = os.time()
    local status, output, errors = executed([[print(kms.describe_key { region = "us-east-1", KeyId = "k" })]], interrupting(signal),
      { delay = "30" })
    test.truthy(os.time() - begun < 8)
    test.equal({ status, output }, { want, "" })
    test.contains(errors, "kms DescribeKey us-east-1: stopped by " .. signal)
  end
end

test["what is for this machine goes by no proxy"] = function()
  local proxy = ("http://127.0.0.1:%d"):format(free_port())
  local status, output = executed([[print(kms.describe_key { region = "us-east-1", KeyId = "k" }.KeyMetadata.KeyId)]], function() end,
    { delay = "0", environment = { http_proxy = proxy, HTTP_PROXY = proxy, https_proxy = proxy, ALL_PROXY = proxy } })
  test.equal({ status, output }, { 0, "key-after-all\n" })
end
