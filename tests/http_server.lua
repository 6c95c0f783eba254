-- http_server.lua -- the service that tests/test_http.lua talks to, in a process of its own.
-- usage: cmek test tests/http_server.lua DIRECTORY
-- Writes its port to DIRECTORY/port and a line for each request to DIRECTORY/log. Speaks TLS where DIRECTORY/cert is.
local file = require "file"
local json = require "json"
local server = require "server"

local directory = ...

local function log(line)
  local handle <close> = assert(io.open(directory .. "/log", "ab"))
  handle:write(line, "\n")
end

--- What each path answers.
local answers = {}

function answers.echo(request)
  local headers = {}
  for _, header in ipairs(request.headers) do headers[header[1]] = header[2] end
  return { status = 200, body = json.encode { method = request.method, headers = headers, body = request.body } }
end

function answers.headers()
  return { status = 201, body = "made", headers = {
    { "X-Request-ID", "r-1" }, { "X-MiXeD", "  one  " }, { "Via", "1.1 a" }, { "VIA", "1.1 b" } } }
end

function answers.cut() return { status = 200, body = '{"half":', cut = true } end
function answers.gone() return { status = 200, body = "", close = true } end
function answers.big() return { status = 200, body = ("x"):rep(50 * 1000 * 1000) } end
function answers.redirect() return { status = 302, headers = { { "Location", "/echo" } }, body = "elsewhere" } end

--- A key, as CreateKey and DescribeKey answer, after so many seconds.
local function key(delay)
  return { status = 200, delay = delay, body = '{"KeyMetadata":{"KeyId":"key-after-all","Arn":"arn:aws:kms:us-east-1:210987654321:key/k"}}' }
end

--- /slow/SECONDS/ANYTHING
function answers.slow(_, rest) return key(tonumber(rest:match "^[%d.]+")) end

local function handle(request)
  local name, rest = request.target:match "^/([%a]+)/?(.*)$"
  log(request.method .. " " .. request.target)
  local answer = answers[name or ""]
  return answer and answer(request, rest) or { status = 404, body = "" }
end

local tls
if file.exists(directory .. "/cert") then tls = { cert = directory .. "/cert", key = directory .. "/key" } end
local one <close> = server.new { handler = handle, tls = tls }
assert(file.write(directory .. "/port", tostring(one.port)))
one:run { seconds = 60 }
return 0
