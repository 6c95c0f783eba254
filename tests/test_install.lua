-- make install and uninstall: what stands where, with which modes, and that a plain user can.

--- The folder of the program that runs these tests.
local build <const> = (function()
  local command <close> = assert(io.open("/proc/self/cmdline", "rb"))
  return assert(require("file").canonical(command:read("a"):match "^[^\0]+")):match "^(.*)/"
end)()

-- What a shell command prints; $SCRATCH is a folder of its own, `put` is make install.
local function shell(command)
  local scratch = test.directory()
  local before = ("exec 2>&1 </dev/null; export SCRATCH=%s BUILD=%s; put() { host/install \"$@\"; }; "):format(scratch, build)
  local pipe <close> = assert(io.popen(before .. command))
  return pipe:read "a"
end

local FILES <const> = [[
-rw-r--r-- share/bash-completion/completions/cmek
-rw-r--r-- share/doc/cmek/README.md
-rw-r--r-- share/doc/cmek/copyright
-rw-r--r-- share/fish/vendor_completions.d/cmek.fish
-rw-r--r-- share/man/man1/cmek.1
-rw-r--r-- share/zsh/site-functions/_cmek
-rwxr-xr-x bin/cmek
]]

local LIST <const> = "(cd $SCRATCH/p && find . -type f -printf '%M %P\\n' | LC_ALL=C sort)"

test["the files stand where the hierarchy wants them, whatever the umask"] = function()
  for _, mask in ipairs { "022", "077", "000" } do
    test.equal(shell(("umask %s; PREFIX=$SCRATCH/p put > /dev/null; "):format(mask) .. LIST), FILES)
    test.equal(shell(("umask %s; PREFIX=$SCRATCH/p put > /dev/null; find $SCRATCH/p -type d ! -perm 755"):format(mask)), "")
  end
end

test["installing twice is installing once, and uninstalling leaves no file"] = function()
  test.equal(shell("export PREFIX=$SCRATCH/p; put > /dev/null; put > /dev/null; " .. LIST), FILES)
  local seen = shell("export PREFIX=$SCRATCH/p; put > /dev/null; touch $PREFIX/bin/other; put uninstall; put uninstall; " .. LIST)
  test.equal(seen, "-rw-r--r-- bin/other\n")
end

test["a program that runs can be replaced"] = function()
  local seen = shell [[export PREFIX=$SCRATCH/p; put > /dev/null
    $PREFIX/bin/cmek sim --port-file $SCRATCH/port > /dev/null 2>&1 &
    while ! [ -s $SCRATCH/port ]; do sleep 0.02; done; put > /dev/null; echo "status $?"; kill $!]]
  test.contains(seen, "status 0\n")
end

test["DESTDIR stands in front of it and is in no file"] = function()
  local seen = shell [[export PREFIX=/usr DESTDIR=$SCRATCH/p; put; find $DESTDIR -name '*cmek*' -type f | wc -l; grep -rlF $SCRATCH $DESTDIR | wc -l]]
  test.equal(seen, "5\n0\n")
end

test["what was installed is this program, and its page and completions are what it prints"] = function()
  local seen = shell [[export PREFIX=$SCRATCH/p; put > /dev/null; cd $PREFIX; bin/cmek version
    bin/cmek completion zsh | cmp - share/zsh/site-functions/_cmek
    bin/cmek version --licenses | cmp - share/doc/cmek/copyright; grep -c '^.TH CMEK 1 "20' share/man/man1/cmek.1]]
  test.equal(seen, ("cmek %s\n1\n"):format(require "version"))
end

test["it says where the program is, and when that is not on PATH"] = function()
  test.matches(shell "PREFIX=$SCRATCH/p put", "^cmek %S+ is in %S+/p/bin, which is not on PATH\n$")
  test.matches(shell "PREFIX=$SCRATCH/p PATH=$SCRATCH/p/bin:$PATH put", "^cmek %S+ is in %S+/p/bin\n$")
end

test["a prefix that is no absolute path is refused"] = function()
  test.equal(shell "PREFIX=here put; echo $?", "PREFIX must be an absolute path, not 'here'\n2\n")
end

test["a prefix that cannot be written is told with two ways out, and nothing is made"] = function()
  local seen = shell [[mkdir -m 555 $SCRATCH/closed; export PREFIX=$SCRATCH/closed/p; chmod 755 $SCRATCH
    if [ $(id -u) = 0 ]; then setpriv --reuid 65534 --regid 65534 --clear-groups sh -c 'test -x host/install' || exit
      setpriv --reuid 65534 --regid 65534 --clear-groups host/install; else host/install; fi; echo $?; ls $SCRATCH/closed]]
  if seen == "" then test.skip "another user cannot read this checkout" end
  test.matches(seen, "^%S+ cannot be written: sudo make install, or make install PREFIX=$HOME/.local\n1\n$")
end
