-- host/setup, which names and installs the packages that the build needs, on machines of several kinds: the programs that it calls are
-- stand-ins, so nothing is installed here.
local file = require "file"

-- A machine: its programs by name, each a line of sh; what is not named there is not there, but the plainest.
local function machine(programs, environment)
  local directory = test.directory()
  local bin = directory .. "/bin"
  assert(file.mkdir(bin))
  for _, name in ipairs { "sh", "env", "mktemp", "tail", "rm" } do os.execute(("ln -s $(command -v %s) %s/%s"):format(name, bin, name)) end
  for name, text in require("sorted")(programs) do
    assert(file.write(bin .. "/" .. name, ("#!/bin/sh\n%s\n"):format(text), 493))
  end
  local command = ("exec 2>&1 </dev/null; TMPDIR=%s PATH=%s %s sh host/setup; echo $?"):format(directory, bin, environment or "")
  local pipe <close> = assert(io.popen(command))
  return pipe:read "a"
end

local DPKG <const> = [[for p; do :; done; case $p in gcc|lua5.4) exit 1;; *) printf 'install ok installed';; esac]]
local USER <const>, ROOT <const> = "echo 1000", "echo 0"
local MISSING <const> = "cmek needs these packages, which are missing: gcc lua5.4\n"

test["where nothing is missing it says nothing"] = function()
  test.equal(machine { ["dpkg-query"] = "printf 'install ok installed'", id = USER }, "0\n")
end

test["where there is no dpkg it leaves it to the compiler"] = function()
  test.equal(machine {}, "0\n")
end

test["with DEPS=skip it names what is missing and how to get it, and goes on"] = function()
  test.equal(machine({ ["dpkg-query"] = DPKG, id = USER }, "DEPS=skip"), MISSING .. "make setup installs them\n0\n")
end

test["a plain user without sudo is told what to do as root"] = function()
  test.equal(machine { ["dpkg-query"] = DPKG, id = USER }, MISSING .. "install them as root: apt-get install gcc lua5.4\n1\n")
end

test["a plain user without a terminal uses sudo only if it does not ask"] = function()
  local seen = machine { ["dpkg-query"] = DPKG, id = USER, sudo = [[test "$1" = -n]] }
  test.equal(seen, MISSING .. "0\n")
end

test["root installs them without being asked, and nothing else"] = function()
  local seen = machine { ["dpkg-query"] = DPKG, id = ROOT, ["apt-get"] = [[case "$*" in
    "update -q"|*"--no-install-recommends gcc lua5.4") exit 0;; *) exit 1;; esac]] }
  test.equal(seen, MISSING .. "0\n")
end

test["what apt-get says is shown when it fails, and where all of it stands"] = function()
  local seen = machine { ["dpkg-query"] = DPKG, id = ROOT, ["apt-get"] = "echo 'E: no such mirror'; exit 100" }
  test.matches(seen, "^" .. MISSING:gsub("%p", "%%%0") .. "E: no such mirror\nthe packages could not be installed; the whole output is in %S+\n1\n$")
end
