-- hostile.lua -- a service that answers what no service should, in a process of its own; tests/test_bad_input.lua talks with it.
-- usage: cmek test tests/hostile.lua DIRECTORY
-- Writes its port to DIRECTORY/port and a line for each request to DIRECTORY/log. Of http://127.0.0.1:PORT/FAULT/OPERATION that
-- operation meets the fault, all do where none is named; the others are told that there is nothing. CONNECT is refused: as a
-- proxy it shows who was asked for.
local file = require "file"
local server = require "server"

local directory = ...

local function log(line)
  local handle <close> = assert(io.open(directory .. "/log", "ab"))
  handle:write(line, "\n")
end

local NOTHING <const> = { ListAliases = '{"Aliases":[],"Truncated":false}', ListKeys = '{"Keys":[],"Truncated":false}',
  CreateKey = '{"KeyMetadata":{"KeyId":"00000000-0000-4000-8000-000000000001","KeyState":"Enabled",'
    .. '"Arn":"arn:aws:kms:us-east-1:210987654321:key/00000000-0000-4000-8000-000000000001"}}' }

local XML <const> = "<GetCallerIdentityResponse><GetCallerIdentityResult><Account>1</Account>"

--- What each fault answers, instead of `proper`.
local faults = {
  cut = function(proper) return { status = 200, body = proper:sub(1, #proper // 2), cut = true } end,
  half = function(proper) return { status = 200, body = proper:sub(1, #proper // 2) } end,   -- the length fits, the text does not
  text = function() return { status = 200, body = "It works!" } end,
  xml = function() return { status = 200, body = XML .. "<nothing" } end,
  list = function() return { status = 200, body = "[1,2]" } end,
  empty = function() return { status = 200, body = "" } end,
  html = function() return { status = 200, body = "<!DOCTYPE html><html><body>Please log in to the guests' network</body></html>" } end,
  gateway = function() return { status = 502, body = "<html><h1>Bad Gateway</h1></html>" } end,
  big = function() return { status = 200, body = ("x"):rep(50 * 1000 * 1000) } end,
  echo = function(_, request)   -- what was asked, as some services and proxies quote it
    local words = {}
    for i, pair in ipairs(request.headers) do words[i] = pair[1] .. ": " .. pair[2] end
    return { status = 400, body = require("json").encode { __type = "EchoException", code = 3, message = table.concat(words, "; "),
      errors = { table.concat(words, "; ") } } }
  end,
  steering = function()
    return { status = 400, body = '{"__type":"Bad\\u001b[2JException","message":"\\u001b]0;owned\\u0007 \\u001b[2Jgone\\u009b2J\\r ok",'
      .. '"errors":["\\u001b]0;owned\\u0007 \\u001b[2Jgone\\u009b2J\\r ok"]}' }
  end,
  gone = function() return { status = 200, body = "", close = true } end,
  elsewhere = function() return { status = 302, headers = { { "Location", "http://192.0.2.1/login" } }, body = "" } end,
  wrapped = function() return { status = 200, body = '{"request_id":"r","data":null,"wrap_info":{"token":"hvs.made-up","ttl":60}}' } end,
  bare = function() return { status = 200, body = '{"keys":["x"]}' } end,   -- no envelope
  odd = function() return { status = 200, body = '{"request_id":"r","data":"a text","warnings":null}' } end,
  behind = function() return { status = 412, body = '{"errors":["required index state not present"]}' } end,
  pstandby = function() return { status = 473, body = "" } end,
  secondary = function() return { status = 472, body = "" } end,
  unsupported = function() return { status = 405, body = '{"errors":["1 error occurred:\\n\\t* unsupported operation\\n\\n"]}' } end,
  later = function()
    return { status = 429, headers = { { "Retry-After", "1" } }, body = '{"errors":["request path \\"sys/mounts\\": rate limit quota exceeded"]}' }
  end,
  forbidden = function() return { status = 403, body = '{"message":"Forbidden by the gateway"}' } end,
  waf = function() return { status = 403, body = "<html><body>Blocked by the firewall</body></html>" } end,
  active = function(_, request)
    return { status = 307, headers = { { "Location", "http://192.0.2.1:8200" .. request.target:gsub("^/%l+", "") } }, body = "" }
  end,
  slash = function(_, request) return { status = 301, headers = { { "Location", request.target .. "/" } }, body = "" } end,
  expired = function()
    return { status = 400, body = '{"__type":"ExpiredTokenException","message":"The security token included in the request is expired"}' }
  end,
}

local function header(request, name)
  for _, pair in ipairs(request.headers) do
    if pair[1]:lower() == name then return pair[2] end
  end
end

local function operation_of(request)
  local target = header(request, "x-amz-target")
  return target and target:match "%.(%a+)$" or request.body:match "^Action=(%a+)" or request.body:match "&Action=(%a+)"
    or request.target:match "/api/v1/(.*)$" or "?"
end

local function handle(request)
  local operation = operation_of(request)
  log(("%s %s %s"):format(request.method, request.target, operation))
  if request.method == "CONNECT" then return { status = 502, headers = {}, body = "" } end
  local fault, only = request.target:match "^/(%l+)/?(%a*)"
  local proper = NOTHING[operation] or "{}"
  if faults[fault] and (only == "" or only == "api" or only == "v" or only == operation) then return faults[fault](proper, request) end
  return { status = 200, headers = { { "Content-Type", "application/x-amz-json-1.1" } }, body = proper }
end

local one <close> = server.new { handler = handle }
assert(file.write(directory .. "/port", tostring(one.port)))
one:run { seconds = 120 }
return 0
