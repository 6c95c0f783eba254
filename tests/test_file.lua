-- host/file.c and disk.c: whole reads, writes that are all or nothing, lines with secrets, locks, places.
local file = require "file"
local secret = require "secret"
local process = require "process"

local function run(script) return process.run { argv = { "/bin/sh", "-c", script } }.output end

test["what is written is read back, byte by byte"] = function()
  local path = test.directory() .. "/a"
  for _, text in ipairs { "", "x", "a\0b\r\n\255", ("y"):rep(100000) } do
    test.equal(file.write(path, text), true)
    test.equal(file.read(path), text)
  end
end

test["a file that is missing says so, in words and in one"] = function()
  local text, message, kind = file.read "/no/such/file"
  test.equal(text, nil)
  test.equal(message, "cannot read '/no/such/file': No such file or directory")
  test.equal(kind, "missing")
  test.equal(select(3, file.read "/"), nil)
  test.contains(select(2, file.read "/"), "Is a directory")
end

test["a file longer than the limit is refused"] = function()
  local path = test.directory() .. "/a"
  file.write(path, ("x"):rep(1000))
  test.equal(#file.read(path, 1000), 1000)
  test.contains(select(2, file.read(path, 999)), "File too large")
  test.contains(select(2, file.read "/dev/zero"), "File too large")
end

test["a file is private unless said otherwise"] = function()
  local path = test.directory() .. "/a"
  file.write(path, "x")
  test.equal(file.stat(path).mode, 384)       -- 0600
  file.write(path, "x", 420)
  test.equal(file.stat(path).mode, 420)       -- 0644
  file.write(path, "x")
  test.equal(file.stat(path).mode, 384)
end

test["a write replaces the file whole: who has it open reads the old one to its end"] = function()
  local path = test.directory() .. "/a"
  file.write(path, "old text")
  local handle <close> = io.open(path)
  file.write(path, "new")
  test.equal(handle:read "a", "old text")
  test.equal(file.read(path), "new")
end

test["a write that fails leaves the old file and nothing beside it"] = function()
  local directory = test.directory()
  local path = directory .. "/a"
  file.write(path, "old")
  local ok, message = file.write(path .. "/b", "new")
  test.equal(ok, nil)
  test.contains(message, "cannot write '" .. path .. "/b': Not a directory")
  file.mkdir(directory .. "/full")
  test.contains(select(2, file.write(directory .. "/full", "new")), "Is a directory")
  test.equal(file.read(path), "old")
  test.equal(file.list(directory), { "a", "full" })
end

test["a disk that is full is told, and the old file stays"] = function()
  if run "[ -w /dev/full ] && echo yes" ~= "yes\n" then test.skip "no /dev/full" end
  test.contains(select(2, file.write("/dev/full", "x")), "No space left on device")
  test.contains(select(2, file.append("/dev/full", "x")), "No space left on device")
end

test["a link stays a link; what it leads to is replaced"] = function()
  local directory = test.directory()
  file.write(directory .. "/target", "old")
  run("ln -s target " .. directory .. "/link")
  file.write(directory .. "/link", "new")
  test.equal(file.read(directory .. "/target"), "new")
  test.equal(run("readlink " .. directory .. "/link"), "target\n")
  test.equal(file.canonical(directory .. "/./link"), file.canonical(directory) .. "/target")
end

test["a pipe is written into, not replaced"] = function()
  local path = test.directory() .. "/pipe"
  run("mkfifo " .. path)
  local reader = io.popen("cat " .. path)
  test.equal(file.write(path, "through"), true)
  test.equal(reader:read "a", "through")
  reader:close()
  test.equal(file.stat(path).kind, "other")
end

test["appending adds at the end and makes the file"] = function()
  local path = test.directory() .. "/log"
  test.equal(file.append(path, "a\n"), true)
  test.equal(file.append(path, "b\n"), true)
  test.equal(file.read(path), "a\nb\n")
  test.equal(file.stat(path).mode, 384)
end

test["directories are made with their parents, private, and again without harm"] = function()
  local directory = test.directory()
  local path = directory .. "/a//b/c/"
  test.equal(file.mkdir(path), true)
  test.equal(file.mkdir(path), true)
  test.equal(file.stat(directory .. "/a/b").mode, 448)
  test.equal(file.stat(directory .. "/a/b/c").kind, "directory")
  file.write(directory .. "/f", "")
  test.contains(select(2, file.mkdir(directory .. "/f/x")), "cannot make the directory")
  test.contains(select(2, file.mkdir(directory .. "/f")), "File exists")
end

test["names are listed in the order of their bytes"] = function()
  local directory = test.directory()
  for _, name in ipairs { "b", "a", "B", ".hidden", "ä", "10", "9" } do file.write(directory .. "/" .. name, "") end
  test.equal(file.list(directory), { ".hidden", "10", "9", "B", "a", "b", "ä" })
  local names, _, kind = file.list(directory .. "/none")
  test.equal(names, nil)
  test.equal(kind, "missing")
end

test["files are removed, renamed, looked at"] = function()
  local directory = test.directory()
  file.write(directory .. "/a", "12345")
  test.equal(file.exists(directory .. "/a"), true)
  test.equal(file.stat(directory .. "/a").size, 5)
  test.equal(file.stat(directory .. "/a").kind, "file")
  test.truthy(math.abs(file.stat(directory .. "/a").mtime - os.time()) < 60)
  test.equal(file.rename(directory .. "/a", directory .. "/b"), true)
  test.equal(file.exists(directory .. "/a"), false)
  test.equal(file.remove(directory .. "/b"), true)
  test.equal(select(3, file.remove(directory .. "/b")), "missing")
  test.equal(file.remove(directory), true)
  test.equal(select(3, file.stat(directory)), "missing")
  test.equal(file.canonical(directory), nil)
end

-- ---- lines ----

local function lines(text, names)
  local path = test.directory() .. "/credentials"
  file.write(path, text)
  return file.lines(path, names or { "aws_secret_access_key", "aws_session_token" }, "aws")
end

test["lines that name a secret come with it sealed, the others as they are"] = function()
  local got = lines "[default]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = not/a+real=one\n\nregion=eu-west-1"
  test.equal(#got, 5)
  test.equal(got[1], "[default]")
  test.equal(got[2], "aws_access_key_id = AKIAEXAMPLE")
  test.equal(got[3].name, "aws_secret_access_key")
  test.equal(got[3].indent, false)
  test.truthy(secret.equal(got[3].value, "not/a+real=one"))
  test.equal(got[4], "")
  test.equal(got[5], "region=eu-west-1")
end

test["the name may be in any case, indented, with any blanks, with = or : or by a slip with none"] = function()
  for _, line in ipairs { "AWS_Secret_Access_Key=value-1", "aws_secret_access_key\t=\t value-1 \t\r", "aws_secret_access_key: value-1",
    "aws_secret_access_key value-1" } do
    local got = lines(line)[1]
    test.equal(got.name, "aws_secret_access_key")
    test.truthy(secret.equal(got.value, "value-1"))
  end
  test.equal(lines("  aws_session_token = value-1")[1].indent, true)
  test.equal(secret.length(lines("aws_session_token =")[1].value), 0)
  test.equal(secret.length(lines("aws_session_token")[1].value), 0)
end

test["a longer name is another name"] = function()
  test.equal(lines("aws_session_token_2 = x")[1], "aws_session_token_2 = x")
  test.equal(lines("my_aws_session_token = x")[1], "my_aws_session_token = x")
end

test["of a comment its sign is left: old keys are commented out"] = function()
  test.equal(lines "# aws_secret_access_key = old\n  ; also old\n#", { "#", ";", "#" })
end

test["line ends of every kind, a byte order mark, no end at all"] = function()
  test.equal(lines "\xEF\xBB\xBFa\r\nb\n\nc", { "a", "b", "", "c" })
  test.equal(lines "", {})
  test.equal(lines "\n", { "" })
  test.equal(lines("a\0b = c", {}), { "a\0b = c" })
end

test["lines of a missing file say so"] = function()
  local got, message, kind = file.lines("/no/such/file", { "a" }, "aws")
  test.equal(got, nil)
  test.contains(message, "No such file")
  test.equal(kind, "missing")
end

-- ---- locks ----

test["a lock is held by one, names its owner, and is free when closed"] = function()
  local path = test.directory() .. "/lock"
  local lock = file.lock(path)
  test.truthy(lock)
  local second, message = file.lock(path)
  test.equal(second, nil)
  test.equal(message, ("'%s' is locked by process %d"):format(path, process.pid()))
  lock:close()
  lock:close()
  local third <close> = file.lock(path)
  test.truthy(third)
end

test["a lock goes with its scope and with the collector"] = function()
  local path = test.directory() .. "/lock"
  do
    local _ <close> = file.lock(path)
  end
  file.lock(path)
  collectgarbage()
  collectgarbage()
  local lock <close> = file.lock(path)
  test.truthy(lock)
end

test["a lock is not handed to children"] = function()
  local path = test.directory() .. "/lock"
  local lock = file.lock(path)
  local child <close> = process.spawn { argv = { "sh", "-c", "echo >$0.begun; exec sleep 30", path } }
  while not file.exists(path .. ".begun") do os.execute "sleep 0.01" end   -- under valgrind it is a fork first
  lock:close()
  local again <close> = file.lock(path)
  test.truthy(again)
  test.equal(child:poll(), nil)
end

test["a lock that cannot be made says why"] = function()
  local lock, message, kind = file.lock "/no/such/directory/lock"
  test.equal(lock, nil)
  test.contains(message, "cannot lock")
  test.equal(kind, "missing")
end

-- ---- places ----

local function places(environment)
  local path = test.directory() .. "/places.lua"
  file.write(path, 'local f = require "file" print(f.state_directory(), f.config_directory(), f.home())')
  local command <close> = assert(io.open("/proc/self/cmdline", "rb"))
  local self = assert(file.canonical(command:read("a"):match "^[^\0]+"))
  return process.run { argv = { self, "test", path }, environment = environment }.output
end

test["state and configuration lie where XDG says, or CMEK_STATE_DIR"] = function()
  test.equal(places { HOME = "/h" }, "/h/.local/state/cmek\t/h/.config/cmek\t/h\n")
  test.equal(places { HOME = "/h", XDG_STATE_HOME = "/s", XDG_CONFIG_HOME = "/c" }, "/s/cmek\t/c/cmek\t/h\n")
  test.equal(places { HOME = "/h", XDG_STATE_HOME = "relative", XDG_CONFIG_HOME = "" }, "/h/.local/state/cmek\t/h/.config/cmek\t/h\n")
  test.equal(places { HOME = "/h", XDG_STATE_HOME = "/s", CMEK_STATE_DIR = "here" }, "here\t/h/.config/cmek\t/h\n")
end

test["paths are checked"] = function()
  test.raises(function() file.read "" end, "the path is empty")
  test.raises(function() file.read "a\0b" end, "a path holds no NUL")
  test.raises(function() file.read(("x"):rep(5000)) end, "the path is too long")
  test.raises(function() file.write("a", nil) end, "string expected")
  test.raises(function() file.write("a", "b", 10000) end, "a mode is 0 to 4095")
  test.raises(function() file.read("a", 0) end, "a limit is 1 byte")
end
