-- host/terminal.c: lines, hidden input, whole writes. `script` gives the program a terminal of its own.
local terminal = require "terminal"
local process = require "process"
local file = require "file"

local function sh(script, input)
  return process.run { argv = { "/bin/sh", "-c", script }, input = input, timeout = 20 }
end

--- The program that runs this, to be run again.
local function program()
  local command <close> = assert(io.open("/proc/self/cmdline", "rb"))
  return assert(file.canonical(command:read("a"):match "^[^\0]+"))
end

--- What a Lua text prints in a fresh process that reads `input`.
local function piped(text, input)
  local path = test.directory() .. "/main.lua"
  assert(file.write(path, 'local terminal, secret = require "terminal", require "secret"\n' .. text))
  return sh(program() .. " test " .. path, input)
end

--- What is seen on a terminal at which the Lua text runs; `typed` is shell that types, half a second after the text has begun.
local function at_terminal(text, typed, after)
  if sh "command -v script".status ~= 0 then test.skip "no program `script`" end
  local path = test.directory() .. "/main.lua"
  local head = 'local terminal, secret = require "terminal", require "secret" require("file").write(%q, "")\n'
  assert(file.write(path, head:format(path .. ".begun") .. text))
  local command = ("%s test %s%s"):format(program(), path, after or "")
  local wait = ("while [ ! -e %s.begun ]; do sleep 0.05; done; sleep 0.5; "):format(path)
  local result = sh(("(%s) | script -qec '%s' /dev/null"):format(wait .. typed, command))
  return (result.output:gsub("\r", "")), result
end

test["a pipe is no terminal, and has a width all the same"] = function()
  test.equal(piped('print(terminal.is_terminal "stdin", terminal.is_terminal "stdout")', "").output, "false\tfalse\n")
  test.truthy(terminal.width() > 0)
  test.raises(function() terminal.is_terminal "stdlog" end, "invalid option 'stdlog'")
end

test["lines are read one by one, to the end of input"] = function()
  local text = 'while true do local line, why = terminal.read_line "never shown: " print(line, why) if not line then break end end'
  local result = piped(text, "one\n\ntwo\r\nlast without end")
  test.equal(result.output, "one\tnil\n\tnil\ntwo\tnil\nlast without end\tnil\nnil\tthe input has ended\n")
  test.equal(result.error_output, "")
end

test["a line that is too long is refused, and the next one is read"] = function()
  test.equal(piped("print((terminal.read_line())) print((terminal.read_line()))", ("x"):rep(70000) .. "\nnext\n").output, "nil\nnext\n")
end

test["what is not read is left for others"] = function()
  local path = test.directory() .. "/main.lua"
  assert(file.write(path, 'print(require("terminal").read_line())'))
  test.equal(sh(program() .. " test " .. path .. "; cat", "mine\nyours\n").output, "mine\nyours\n")
end

test["writes are whole and in order with print"] = function()
  local result = piped('io.write "a" terminal.write("b") terminal.write_error(("e"):rep(50000)) print "c"')
  test.equal(result.output, "abc\n")
  test.equal(result.error_output, ("e"):rep(50000))
end

test["a closed pipe is an answer, no death"] = function()
  local result = sh(("(%s test %s; echo status $? >&2) | true"):format(program(), (function()
    local path = test.directory() .. "/main.lua"
    assert(file.write(path, [[
      local terminal, ok, message = require "terminal"
      repeat ok, message = terminal.write(("x"):rep(100000)) until not ok
      terminal.write_error(message .. "\n")]]))
    return path
  end)()))
  test.equal(result.error_output, "cannot write to stdout: Broken pipe\nstatus 0\n")
end

test["a terminal is one, and shows its prompt on it"] = function()
  local seen = at_terminal('print(terminal.is_terminal "stdin") print("got", terminal.read_line("name: "))', "echo orders")
  test.contains(seen, "true\n")
  test.contains(seen, "name: ")
  test.contains(seen, "got\torders")
end

test["hidden input is a secret and does not show; other input does"] = function()
  local text = 'local s = terminal.read_hidden("key: ", "cloud") print(secret.is(s), secret.length(s), s)'
  local seen = at_terminal(text, "echo typed-in-silence")
  test.contains(seen, "key: ")
  test.contains(seen, "true\t16\t****")
  test.equal(seen:find("silence", 1, true), nil)
  test.contains(at_terminal('terminal.read_line "name: "', "echo typed-aloud"), "typed-aloud")
end

test["an empty line is no secret, nor is the end of input"] = function()
  local text = 'print(terminal.read_hidden("key: ", "cloud"))'
  test.contains(at_terminal(text, "echo"), "nil\tan empty line was entered")
  test.contains(at_terminal(text, "printf \"\\\\004\"; sleep 0.2"), "nil\tnothing was entered")
end

test["a line as long as a terminal's is refused, not cut"] = function()
  local text = 'print(terminal.read_hidden("key: ", "cloud"))'
  test.contains(at_terminal(text, "head -c 5000 /dev/zero | tr \"\\\\000\" x; echo"), "nil\tthe line is too long")
end

test["the echo is back after hidden input, and after a signal during it"] = function()
  local after = '; stty -a | grep -ow -- "-*echo"; echo status $?'
  test.contains(at_terminal('terminal.read_hidden("key: ", "cloud")', "echo x; sleep 0.3", after), "\necho\n")
  local interrupted = at_terminal([[
    require("process").spawn { argv = { "/bin/sh", "-c", "sleep 0.5; kill -INT $PPID; sleep 1" } }
    terminal.read_hidden("key: ", "cloud")
    print "went on"]], "sleep 1.5", after)
  test.contains(interrupted, "\necho\n")
  test.equal(interrupted:find("went on", 1, true), nil)
end

test["without a terminal nothing hidden is read"] = function()
  if sh "command -v setsid".status ~= 0 then test.skip "no program `setsid`" end
  local path = test.directory() .. "/main.lua"
  assert(file.write(path, 'print(require("terminal").read_hidden("key: ", "cloud"))'))
  local result = sh("setsid -w " .. program() .. " test " .. path, "typed\n")
  test.equal(result.output, "nil\tthere is no terminal to ask at\n")
end
