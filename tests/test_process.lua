-- host/process.c and child.c: children without a shell, their output, the environment.
local process = require "process"
local secret = require "secret"
local json = require "json"
local file = require "file"

local function sh(script, options)
  local wanted = { argv = { "/bin/sh", "-c", script } }
  for name, value in pairs(options or {}) do wanted[name] = value end
  return process.run(wanted)
end

test["a child's status, output and complaints come back"] = function()
  test.equal(sh "printf 'a\\nb'; echo c >&2; exit 3", { status = 3, output = "a\nb", error_output = "c\n" })
end

test["no shell reads the words"] = function()
  local result = process.run { argv = { "printf", "%s|", "$HOME", "a b", "*", ";echo", "" } }
  test.equal(result.output, "$HOME|a b|*|;echo||")
end

test["a program is found by PATH"] = function()
  test.equal(process.run { argv = { "true" } }.status, 0)
end

test["a program that is not found, or cannot be run, is named"] = function()
  local result, message = process.run { argv = { "no-such-program-anywhere" } }
  test.equal(result, nil)
  test.equal(message, "cannot run 'no-such-program-anywhere': No such file or directory")
  test.contains(select(2, process.run { argv = { "/etc/passwd" } }), "Permission denied")
  test.contains(select(2, process.spawn { argv = { "no-such-program-anywhere" } }), "No such file")
end

test["a child that a signal ends says which"] = function()
  test.equal(sh "kill -9 $$".signal, 9)
end

test["input reaches the child, all of it, also when it answers meanwhile"] = function()
  local text = ("0123456789abcdef"):rep(60000)
  test.equal(process.run { argv = { "cat" }, input = text }.output, text)
  test.equal(process.run { argv = { "true" }, input = text }.status, 0)
  test.equal(process.run { argv = { "cat" }, input = "" }.output, "")
end

test["a child never reads our own input unless it is a terminal"] = function()
  test.equal(sh("if [ -t 0 ]; then echo terminal; else cat; fi").output:gsub("terminal\n", ""), "")
end

test["output of more than a mebibyte ends the child"] = function()
  local result, message = sh "yes"
  test.equal(result, nil)
  test.equal(message, "'/bin/sh' wrote more than 1048576 bytes")
  test.equal(#sh("head -c 1048576 /dev/zero").output, 1048576)
end

test["of complaints the first 64 KiB are kept"] = function()
  local result = sh "head -c 300000 /dev/zero | tr '\\0' x >&2; echo done"
  test.equal(result.output, "done\n")
  test.truthy(#result.error_output <= 65536 and #result.error_output > 0)
end

test["complaints are fit for a message: UTF-8, and without live secrets"] = function()
  local known = secret.new("hidden-in-a-complaint", "aws")
  local result = sh "printf 'bad \\377 hidden-in-a-complaint \\303\\251' >&2"
  test.equal(result.error_output, "bad ? " .. ("*"):rep(21) .. " é")
  test.equal(secret.length(known), 21)
end

test["a child that takes too long is ended"] = function()
  local started = os.time()
  local result, message = sh("sleep 30", { timeout = 0.2 })
  test.equal(result, nil)
  test.equal(message, "'/bin/sh' did not finish within 0.2 seconds")
  result, message = sh("trap '' TERM; while :; do sleep 0.1; done", { timeout = 0.2 })
  test.equal(result, nil)
  test.contains(message, "did not finish")
  test.truthy(os.time() - started < 10)
end

test["a child that closes its output and goes on is waited for"] = function()
  test.equal(sh("exec >&- 2>&-; sleep 0.2; exit 4").status, 4)
  test.contains(select(2, sh("exec >&- 2>&-; sleep 30", { timeout = 0.2 })), "did not finish")
end

test["a grandchild that holds the output is not waited for without end"] = function()
  local started = os.time()
  local result = sh "sleep 20 & echo out"
  test.equal(result.output, "out\n")
  test.truthy(os.time() - started < 10)
end

-- ---- the environment ----

test["a child inherits the environment, or gets exactly what is given"] = function()
  test.equal(sh("echo $HOME").output, os.getenv "HOME" .. "\n")
  test.equal(process.run { argv = { "/usr/bin/env" }, environment = {} }.output, "")
  test.equal(process.run { argv = { "/usr/bin/env" }, environment = { B = "2", A = "1 = x", C = "" } }.output, "A=1 = x\nB=2\nC=\n")
end

test["a variable can be handed on without being read"] = function()
  test.equal(process.inherited "HOME", true)
  test.equal(process.inherited "CMEK_NO_SUCH_VARIABLE", nil)
  test.equal(process.run { argv = { "/usr/bin/env" }, environment = { HOME = true, CMEK_NO_SUCH_VARIABLE = true } }.output,
    "HOME=" .. os.getenv "HOME" .. "\n")
end

test["variables are read by name, but not those that hold secrets"] = function()
  test.equal(process.environment "HOME", os.getenv "HOME")
  test.equal(process.environment "CMEK_NO_SUCH_VARIABLE", nil)
  for _, name in ipairs { "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "COCKROACH_API_KEY", "COCKROACH_API_JWT",
    "VAULT_TOKEN", "BAO_TOKEN", "VAULT_SECRET_ID", "AWS_CONTAINER_AUTHORIZATION_TOKEN" } do
    test.raises(function() process.environment(name) end, ("'%s' holds a secret: read it by secret.environment"):format(name))
  end
end

test["names of variables come sorted, each once"] = function()
  local names = process.environment_names()
  test.truthy(#names > 0)
  for i = 2, #names do test.truthy(names[i - 1] < names[i]) end
  local seen = {}
  for _, name in ipairs(names) do seen[name] = true end
  test.equal(seen.HOME, true)
end

-- ---- output as JSON, with secrets ----

test["output is decoded, and its secrets are secrets"] = function()
  local result = sh([[echo '{"Version":1,"AccessKeyId":"AKIAEXAMPLE","SecretAccessKey":"not-a-real-one","SessionToken":"neither/this"}']],
    { json = true, secrets = { "SecretAccessKey", "SessionToken" }, audience = "aws" })
  test.equal(result.status, 0)
  test.equal(result.output.Version, 1)
  test.equal(result.output.AccessKeyId, "AKIAEXAMPLE")
  test.truthy(secret.equal(result.output.SecretAccessKey, "not-a-real-one"))
  test.truthy(secret.equal(result.output.SessionToken, "neither/this"))
end

test["a secret that a child also complains about is masked"] = function()
  local result = sh([[echo '{"SecretAccessKey":"not-a-real-one"}'; echo using not-a-real-one >&2]],
    { json = true, secrets = { "SecretAccessKey" }, audience = "aws" })
  test.equal(result.error_output, "using **************\n")
end

test["output that is not JSON is an error that does not quote it"] = function()
  local result, message = sh("echo not-a-real-one", { json = true })
  test.equal(result, nil)
  test.contains(message, "the output of '/bin/sh' is not JSON: line 1, column 1: expected a value, got 'n'")
  test.equal(message:find("real", 1, true), nil)
end

test["of a command that failed, output that may hold secrets is not shown"] = function()
  test.equal(sh("echo x; echo why >&2; exit 1", { json = true }), { status = 1, error_output = "why\n" })
  test.equal(sh("echo x; exit 1", { secret = true, audience = "vault" }), { status = 1, error_output = "" })
end

test["the whole output can be a secret, without its line end"] = function()
  local result = sh("printf 'not-a-real-token\\r\\n'", { secret = true, audience = "vault" })
  test.truthy(secret.equal(result.output, "not-a-real-token"))
end

-- ---- children that share our output ----

test["a spawned child is looked at without waiting, and ends with its status"] = function()
  local mark = test.directory() .. "/mark"
  local child <close> = process.spawn { argv = { "/bin/sh", "-c", "while [ ! -e " .. mark .. " ]; do sleep 0.05; done; exit 7" } }
  test.truthy(child.pid > 0)
  test.equal(child:poll(), nil)
  assert(file.write(mark, ""))
  local status
  repeat status = child:poll() until status
  test.equal(status, 7)
  test.equal(child:poll(), 7)
  test.equal(child:kill(), nil)
end

test["a spawned child can be signalled"] = function()
  local child <close> = process.spawn { argv = { "sleep", "30" } }
  test.equal(child:kill "SIGTERM", true)   -- SIGINT is ignored below what a shell runs in the background
  local status
  repeat status = child:poll() until status
  test.equal(status, 143)
  test.raises(function() child:kill "SIGNAL" end, "invalid option")
  test.raises(function() child:kill(0) end, "no such signal")
  test.raises(function() return child.wait end, "a child has no 'wait'")
end

test["a child that is let go of is ended"] = function()
  local child = process.spawn { argv = { "sleep", "30" } }
  local pid = child.pid
  child:close()
  child:close()
  test.equal(child:poll(), 143)
  test.equal(file.exists("/proc/" .. pid), false)
end

test["a child gets SIGPIPE and SIGXFSZ back, and nothing that we have open"] = function()
  local ignored = tonumber(sh("grep SigIgn /proc/self/status").output:match "SigIgn:%s+(%x+)", 16)
  test.equal(ignored & 0x1001000, 0)   -- SIGPIPE is 13, SIGXFSZ 25
  local handle = io.open(os.tmpname())
  test.equal(sh("ls /proc/self/fd | tr '\\n' ' '").output, "0 1 2 3 ")   -- 3 is ls's own
  handle:close()
end

-- ---- words ----

test["a command is split as a shell splits it, and nothing is expanded"] = function()
  local split = process.argv_split
  test.equal(split "a b  c\t d\n", { "a", "b", "c", "d" })
  test.equal(split "", {})
  test.equal(split "   ", {})
  test.equal(split [['a b' "c d" e\ f]], { "a b", "c d", "e f" })
  test.equal(split [[a'b'"c"d '' ""]], { "abcd", "", "" })
  test.equal(split [["a\"b\\c\$d\`e\n" 'f\g"']], { 'a"b\\c$d`e\\n', 'f\\g"' })
  test.equal(split [[$HOME ~ * `ls` $(ls) a;b|c #d]], { "$HOME", "~", "*", "`ls`", "$(ls)", "a;b|c", "#d" })
  for _, text in ipairs { "'a", '"a', [[a\]], [["a\]], [["a\"]] } do
    local words, message = split(text)
    test.equal(words, nil)
    test.equal(message, "a quote is not closed, or a backslash stands at the end")
  end
end

test["arguments are checked"] = function()
  test.raises(function() process.run {} end, "field 'argv' must begin with a program's name")
  test.raises(function() process.run { argv = {} } end, "must begin with a program's name")
  test.raises(function() process.run { argv = { "" } } end, "must begin with a program's name")
  test.raises(function() process.run { argv = { "a", 1 } } end, "must be a list of strings, [2] is number")
  test.raises(function() process.run { argv = { "a\0b" } } end, "holds a NUL")
  test.raises(function() process.run { argv = { "true" }, shell = true } end, "unknown field 'shell'")
  test.raises(function() process.run { argv = { "true" }, environment = { ["A=B"] = "c" } } end, "has the name 'A=B'")
  test.raises(function() process.run { argv = { "true" }, environment = { "A" } } end, "has the name ''")
  test.raises(function() process.run { argv = { "true" }, environment = { A = 1 } } end, "must be a string without NUL or true, got number")
  test.raises(function() process.run { argv = { "true" }, environment = { A = "a\0" } } end, "must be a string without NUL")
  test.raises(function() process.run { argv = { "true" }, input = {} } end, "field 'input' must be a string")
  test.raises(function() process.run { argv = { "true" }, timeout = "1" } end, "field 'timeout' must be a number")
  test.raises(function() process.run { argv = { "true" }, json = 1 } end, "field 'json' must be a boolean")
  test.raises(function() process.run { argv = { "true" }, secret = true } end, "field 'audience' must say whom")
  test.raises(function() process.argv_split "a\0b" end, "holds no NUL")
end

test["the process knows its number"] = function()
  test.equal(process.pid(), tonumber(sh("echo $PPID").output))
end

test["output is a value of its own: a later run does not change it"] = function()
  local first = sh("echo '[1]'", { json = true })
  local second = sh("echo '[2]'", { json = true })
  test.equal(json.encode { first.output, second.output }, "[[1],[2]]")
end
