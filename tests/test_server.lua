-- The loopback server of the simulator, with curl as its client.
local process = require "process"
local server = require "server"

-- Serves the handler while a shell script runs, in which $URL is the server; what it prints, and what run() returned.
local function serve(handler, script, options)
  local directory = test.directory()
  options = options or {}
  local one <close> = server.new { handler = handler, tls = options.tls }
  local url = ("%s://127.0.0.1:%d"):format(options.tls and "https" or "http", one.port)
  local child <close> = assert(process.spawn { argv = { "sh", "-c", ("exec >%s/out 2>&1 </dev/null; %s"):format(directory, script) },
    environment = { PATH = true, URL = url, D = directory } })
  local results = table.pack(one:run { child = child, seconds = 20 })
  local file <close> = assert(io.open(directory .. "/out"))
  return file:read "a", table.unpack(results, 1, results.n)
end

local function hello() return { status = 200, headers = { { "Content-Type", "text/plain" } }, body = "hello" } end

test["a request arrives whole, in the order of its headers, and the answer goes back as the handler made it"] = function()
  local seen
  local text = serve(function(request)
    seen = request
    return { status = 201, headers = { { "X-One", "1" }, { "X-One", "2" } }, body = "made\0it" }
  end, [[curl -si "$URL/a%20b?c=d&e" -H 'X-B: 1' -H 'X-A: 2' -H 'X-B: 3' -d 'a=1&b']])
  test.equal({ seen.method, seen.target, seen.body }, { "POST", "/a%20b?c=d&e", "a=1&b" })
  local own = {}
  for _, header in ipairs(seen.headers) do
    if header[1]:find "^X%-" then own[#own + 1] = header[1] .. "=" .. header[2] end
  end
  test.equal(own, { "X-B=1", "X-A=2", "X-B=3" })
  test.contains(text, "HTTP/1.1 201 ")
  test.contains(text, "X-One: 1\r\nX-One: 2\r\n")
  test.contains(text, "\r\n\r\nmade\0it")
end

test["every method reaches the handler; one that HTTP does not know arrives as LIST"] = function()
  local methods = {}
  serve(function(request)
    methods[#methods + 1] = request.method
    return hello()
  end, [[for m in GET PUT PATCH DELETE OPTIONS LIST PURGE; do curl -s -X $m "$URL/"; done]])
  test.equal(methods, { "GET", "PUT", "PATCH", "DELETE", "OPTIONS", "LIST", "LIST" })
end

test["an answer that waits delays nobody else"] = function()
  local order = {}
  local text = serve(function(request)
    order[#order + 1] = request.target
    return { status = 200, body = request.target .. "\n", delay = request.target == "/slow" and 0.6 or 0 }
  end, [[curl -s "$URL/slow" & sleep 0.2; curl -s "$URL/fast"; wait]])
  test.equal(order, { "/slow", "/fast" })
  test.equal(text, "/fast\n/slow\n")
end

test["a client that goes away while its answer waits harms nobody, nor does a server closed with answers waiting"] = function()
  local text = serve(function(request)
    return { status = 200, body = "fine", delay = request.target == "/slow" and 0.4 or request.target == "/never" and 60 or 0 }
  end, [[curl -s -m 0.1 "$URL/slow"; sleep 0.6; (curl -s -m 0.1 "$URL/never"; true); (curl -s "$URL/never" &) ; sleep 0.1; curl -s "$URL/fast"]])
  test.equal(text, "fine")
end

test["close ends the connection without an answer, cut in the middle of one"] = function()
  local text = serve(function(request)
    if request.target == "/close" then return { status = 200, body = "x", close = true } end
    return { status = 200, body = "half", close = true, cut = true }
  end, [[curl -s "$URL/close"; echo "close $?"; curl -s "$URL/cut"; echo " cut $?"]])
  test.equal(text, "close 52\nhalf cut 18\n")
end

test["what a handler raises is a 500 with its text, and run tells the first of it"] = function()
  local text, ended, status, broken = serve(function(request) error("no " .. request.target, 0) end, [[curl -si "$URL/a"; curl -s "$URL/b"; exit 3]])
  test.contains(text, "HTTP/1.1 500 ")
  test.contains(text, "the handler failed: no /a")
  test.equal({ ended, status, broken }, { "child", 3, "no /a" })
end

test["an answer that is no table, and a header that would be two, are failures of the handler"] = function()
  local text = serve(function(request)
    if request.target == "/a" then return "text" end
    return { status = 200, headers = { { "X-A", "1\r\nX-B: 2" } }, body = "fine" }
  end, [[curl -si "$URL/a"; curl -si "$URL/b"]])
  test.contains(text, "table expected, got string")
  test.truthy(not text:find("\nX-B: 2", 1, true), text)
end

test["a body of megabytes goes both ways, one beyond the bound is refused"] = function()
  local got
  local text = serve(function(request)
    got = #request.body
    return { status = 200, body = request.body }
  end, [[head -c 3000000 /dev/zero >$D/big; curl -s --data-binary @$D/big "$URL/" | wc -c;
    head -c 17000000 /dev/zero | curl -s -o /dev/null -w '%{http_code}\n' -H 'Expect:' --data-binary @- "$URL/"]])
  test.equal(got, 3000000)
  test.matches(text, "^%s*3000000\n")
  test.truthy(not text:find("200", 8, true), text)
end

test["a body that the method does not carry is not taken for the next request"] = function()
  local targets = {}
  serve(function(request)
    targets[#targets + 1] = request.target
    return hello()
  end, [[curl -s -X GET -d 'GET /smuggled HTTP/1.1' "$URL/one" "$URL/two"]])
  test.equal(targets, { "/one", "/two" })
end

test["it listens on loopback alone, on a port of its own"] = function()
  local one <close> = server.new { handler = hello }
  local two <close> = server.new { handler = hello }
  test.truthy(one.port > 0 and two.port > 0 and one.port ~= two.port)
  local pipe <close> = assert(io.popen(("grep -ih ':%04X ' /proc/net/tcp /proc/net/tcp6"):format(one.port)))
  local lines = pipe:read "a"
  test.contains(lines, ("0100007F:%04X"):format(one.port))
  test.truthy(not lines:find(("00000000:%04X"):format(one.port), 1, true), lines)
  test.raises(function() server.new { handler = hello, port = one.port } end, "cannot listen on 127.0.0.1")
end

test["it runs for so many seconds, and can run again until a signal comes"] = function()
  local one <close> = server.new { handler = hello }
  test.equal({ one:run { seconds = 0.05 } }, { "seconds", 0 })
  -- it is served once it runs: a signal that came before would end the tests
  local script = ("curl -s -o /dev/null http://127.0.0.1:%d/; kill -TERM %d"):format(one.port, process.pid())
  local killer = assert(process.spawn { argv = { "sh", "-c", script }, environment = { PATH = true } })
  test.equal({ one:run {} }, { "signal", 15 })
  killer:close()
end

test["a signal that comes for it goes on to its child, whose end ends it"] = function()
  local _, ended, status = serve(hello, ([[trap 'exit 7' TERM; curl -s $URL/; kill -TERM %d; sleep 5 & wait]]):format(process.pid()))
  test.equal({ ended, status }, { "child", 7 })
end

test["it speaks TLS with a certificate that it is given"] = function()
  local directory = test.directory()
  local made = os.execute(("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 "
    .. "-keyout %s/key -out %s/cert 2>/dev/null"):format(directory, directory))
  if not made then test.skip "no openssl command" end
  local tls = { cert = directory .. "/cert", key = directory .. "/key" }
  local text = serve(hello, ("curl -s --cacert %s $URL/; curl -s $URL/; echo \" $?\""):format(tls.cert), { tls = tls })
  test.equal(text, "hello 60\n")
  test.raises(function() server.new { handler = hello, tls = { cert = tls.key, key = tls.cert } } end, "cannot serve TLS")
end

test["a wrong option is refused by name"] = function()
  test.raises(function() server.new { handler = hello, prot = 1 } end, "unknown field 'prot'")
  test.raises(function() server.new { handler = "x" } end, "field 'handler' must be a function")
  local one = server.new { handler = hello }
  test.raises(function() one:run { secnods = 1 } end, "unknown field 'secnods'")
  one:close()
  one:close()
  test.raises(function() one:run { seconds = 1 } end, "the server is closed")
end
