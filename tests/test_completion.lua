-- Completion: what may stand next, as the program says it and as real shells show it; the names of clusters, and whose they are.
local complete = require "completion.candidates"

--- The program that runs these tests.
local cmek <const> = (function()
  local command <close> = assert(io.open("/proc/self/cmdline", "rb"))
  return assert(require("file").canonical(command:read("a"):match "^[^\0]+"))
end)()

local function quoted(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

--- What a shell command prints, with $CMEK and, unless the command sets it, a state directory of its own.
local function shell(command, state)
  local script = ("export CMEK=%s CMEK_STATE_DIR=%s; unset COCKROACH_API_KEY COCKROACH_API_JWT CMEK_SIM AWS_PROFILE; %s")
    :format(quoted(cmek), state or test.directory(), command)
  local pipe <close> = assert(io.popen("exec 2>&1 </dev/null; " .. script))
  return pipe:read "a"
end

-- A shell that is not there is a sentence left out; where everything has to be there, a failure.
local function wanted(program)
  if os.execute("command -v " .. program .. " >/dev/null") then return end
  if os.getenv "CI" == "true" then error(program .. " is missing: host/setup --with-tools", 0) end
  test.skip(program .. " is not installed")
end

--- The candidates of a line of words, the last one after the last blank; and what else is asked of the shell.
local function candidates(line)
  local typed = {}
  for word in (line .. " "):gmatch "(.-) " do typed[#typed + 1] = word end
  local list, kind = complete.line(typed)
  local names = {}
  for i, candidate in ipairs(list) do names[i] = candidate[1] end
  return " " .. table.concat(names, " ") .. " ", kind, list
end

local function offers(line, name) return candidates(line):find(" " .. name .. " ", 1, true) ~= nil end

-- ---- what the program says ----

test["regions that can be added are offered with the fewest nodes that they may have, and status with its flags"] = function()
  test.truthy(offers("run add-region --cluster orders --add ap-s", "ap-southeast-2=3"))
  test.equal(offers("run console --cluster orders --tag ap-s", "ap-southeast-2=3"), false)   -- the control
  test.truthy(offers("run rotate --cluster orders --only ap-s", "ap-southeast-2"))
  test.truthy(offers("status --cluster orders --k", "--keys"))
end

test["where Vault's AWS credentials may be from is offered, and files behind file:"] = function()
  for _, source in ipairs { "server", "environment", "file:", "vault:" } do
    test.truthy(offers("run vault --provider-credentials ", source), source)
  end
  test.equal(select(2, candidates "run vault --provider-credentials file:/t"), ":files")
  test.truthy(not offers("run vault --vault-mount ", "server"))   -- the control
end

test["every command that help shows is offered, and none that it hides"] = function()
  for _, word in ipairs(require "words") do test.equal(offers("", word[1]), not word.hidden) end
  test.equal(candidates "pla", " plan ")
end

test["behind a recipe its arguments are offered as flags, and the command's own"] = function()
  for _, flag in ipairs { "--cluster", "--rotation", "--enable", "--exit-code", "--json" } do test.truthy(offers("plan console ", flag), flag) end
  test.truthy(not offers("run console ", "--exit-code"))
  test.truthy(not offers("plan enable ", "--rotation"))
  test.truthy(offers("verify --cluster x --", "--rotation"), "verify without a recipe is of the usual one")
end

test["a flag that was given is not offered again, unless it may be repeated"] = function()
  test.truthy(not offers("plan console --role x --", "--role"))
  test.truthy(not offers("plan console --role=x --", "--role"))
  test.truthy(offers("plan console --admin x --", "--admin"))
end

test["recipes are offered by name, and files of recipes once a path is begun"] = function()
  local names, kind = candidates "run "
  test.contains(names, " console ")
  test.equal(kind, nil)
  for _, line in ipairs { "run ./", "run .", "plan lib/x", "recipes show ./" } do test.equal(select(2, candidates(line)), ":files .lua") end
end

test["an argument of a recipe's own file is offered too"] = function()
  local path = test.directory() .. "/mine.lua"
  assert(require("file").write(path, [[return { api = 1, summary = "x", touches = {}, run = function() end,
    args = { { "colour", "which", choices = { "green", "red" } } } }]]))
  test.truthy(offers(("plan %s "):format(path), "--colour"))
  test.equal(candidates(("plan %s --colour "):format(path)), " green red ")
  test.equal(candidates(("plan %s --colour=r"):format(path)), " --colour=red ")
end

test["where a file or a directory is wanted the shell is asked for one"] = function()
  for line, kind in require("sorted") { ["plan console --args "] = ":files", ["plan console --save-args="] = ":files",
    ["exec "] = ":files", ["exec x.lua "] = ":files",
    ["run console --journal "] = ":directories", ["sim --log "] = ":files", ["sim -- "] = ":commands",
    ["sim -- sh -c "] = ":files", ["resume ./"] = ":files .jsonl", ["recipes eject console "] = ":files" } do
    local names, seen = candidates(line)
    test.equal(line .. " " .. tostring(seen), line .. " " .. kind)
    test.equal(names, "  ")
  end
end

test["behind cmek sim -- a command of cmek is completed, with the simulated clusters"] = function()
  test.equal(candidates "sim -- cmek pl", " plan ")
  test.contains(candidates "sim --latency 5 -- build/cmek run console --cluster ", " orders orders-one ")
  test.truthy(offers("sim --la", "--latency") and offers("sim ", "--"))
end

test["words of a command are offered, then what follows them"] = function()
  test.equal(candidates "recipes ", " list show eject diff check new test ")
  test.contains(candidates "recipes show ", " console ")
  test.equal(candidates "completion ", " bash zsh fish ")
  test.truthy(offers("help ", "environment") and offers("help ", "console") and offers("help json ", "plan"))
end

test["nothing that is half typed raises"] = function()
  for _, line in ipairs { "nonsense ", "plan nonsense --", "plan ./nowhere.lua --", "run --args", "run --=", "run = ", "--", "-", "sim -- cmek",
    "exec --write ", "resume x y ", "help json plan ", "plan console --cluster=x=y", "\27[31m", "plan \255" } do
    test.truthy(pcall(candidates, line), line)
  end
end

-- ---- clusters ----

local KEY <const> = "export COCKROACH_API_KEY=CCDB1_%s_0123456789; "

test["clusters are offered once a command has listed them, and the question does not reach the network"] = function()
  local log = test.directory() .. "/log"
  local seen = shell(("export LOG=%s; $CMEK sim --log $LOG -- sh -c '%s'"):format(log, [[
    $CMEK complete run console --cluster or; echo "-- $(wc -l < $LOG)"; $CMEK status >/dev/null; asked=$(wc -l < $LOG)
    $CMEK complete run console --cluster or; $CMEK complete run console --confirm=orders-o
    test $asked -gt 0 && test $asked = $(wc -l < $LOG) && echo quiet]])):gsub("\n", " ")
  test.equal(seen, "-- 0 orders orders-creating orders-enabled orders-gcp orders-one orders-public --confirm=orders-one quiet ")
end

test["the names that one API key saw are not offered to another, nor to nobody, nor of another server"] = function()
  local state = test.directory()
  local function keep(name, key)   -- as a real listing would keep it: by this key, of the default server
    local keeper = state .. "/keep.lua"
    assert(require("file").write(keeper, ('require("completion.clusters").remember { { name = "%s" } }'):format(name)))
    shell(KEY:format(key) .. "$CMEK test " .. keeper, state)
  end
  keep("ours", "A")
  keep("theirs", "B")
  local ask = "$CMEK complete status --cluster ''"
  test.equal(shell(KEY:format "A" .. ask, state), "ours\n")
  test.equal(shell(KEY:format "B" .. ask, state), "theirs\n")
  test.equal(shell(KEY:format "C" .. ask, state), "")
  test.equal(shell(ask, state), "")
  test.equal(shell(KEY:format "A" .. "COCKROACH_SERVER=https://elsewhere.example " .. ask, state), "")
  test.equal(shell(KEY:format "A" .. "COCKROACH_API_JWT=x COCKROACH_VANITY_NAME=o " .. ask, state), "", "of two minds")
  test.equal(shell(KEY:format "A" .. "CMEK_SIM=1 " .. ask, state), "", "simulated")
end

test["simulated names stay with simulations, whatever port they are on"] = function()
  local state = test.directory()
  local first = shell([[$CMEK sim -- sh -c '$CMEK status >/dev/null'; $CMEK sim -- sh -c '$CMEK complete status --cluster orders-o']], state)
  test.equal(first, "orders-one\n")
  local real = shell([[$CMEK sim -- sh -c 'unset CMEK_SIM; $CMEK complete status --cluster ""']], state)
  test.equal(real, "")
  test.equal(#require("file").list(state .. "/simulated-clusters"), 1)
end

test["what is kept holds names and nothing of the key, and is the user's alone"] = function()
  local state = test.directory()
  shell([[umask 000; $CMEK sim -- $CMEK status]], state)
  local file = require "file"
  local directory = state .. "/simulated-clusters"
  local name = file.list(directory)[1]
  test.equal(file.stat(directory).mode & 511, 448)
  test.equal(file.stat(directory .. "/" .. name).mode & 511, 384)
  local text = file.read(directory .. "/" .. name)
  test.contains(text, '"orders-one"')
  test.truthy(not (name .. text):find "SIMULATED")
end

test["what is no name, or none that a shell reads as one word, is neither kept nor offered"] = function()
  local state = test.directory()
  local keep = [[require("completion.clusters").remember { { name = "a b" }, {}, { name = 7 }, "x", { name = "$(id)" }, { name = "good-1" } }]]
  assert(require("file").write(state .. "/keep.lua", keep))
  test.equal(shell(KEY:format "A" .. "$CMEK test " .. state .. "/keep.lua; $CMEK complete status --cluster ''", state), "good-1\n")
end

test["a run is offered where one is wanted, newest first, and to resume only what is not finished"] = function()
  local seen = shell [[$CMEK sim -- sh -c '$CMEK run console --cluster orders --yes >/dev/null 2>&1
    $CMEK complete runs show ""; echo "--"; $CMEK complete resume ""']]
  test.matches(seen, "^%d+%-%d+%-%x+\tconsole, done\n%-%-\n$")
end

-- ---- the shells ----

test["bash completes words, arguments, values behind = and files"] = function()
  wanted "bash"
  local script = test.directory() .. "/complete.bash"
  assert(require("file").write(script, [=[
    source <("$CMEK" completion bash)
    try() { COMP_WORDS=("$CMEK" "$@"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _cmek; echo "${COMPREPLY[*]}"; }
    try pl
    try run con
    try run '"con'   # as readline hands over a quote that is open
    try plan console --rot
    try sim -- cmek run console --cluster = orders-o   # as readline breaks --cluster=orders-o
    try sim -- cmek run console --cluster =
    try plan recipes/cons
    try plan console --args = lua/vers
    try plan console --journal lu
    complete -p cmek]=]))
  test.equal(shell("bash --norc " .. script), "plan\nconsole\nconsole\n--rotation\norders-one\n"
    .. "orders orders-one orders-public orders-gcp orders-creating orders-enabled\nrecipes/console.lua\nlua/version.lua\nlua\n"
    .. "complete -F _cmek cmek\n")
end

test["zsh completes words, arguments, values behind = and files"] = function()
  wanted "zsh"
  local lines = { "cmek pl", "cmek plan console --rot", "cmek sim -- cmek run console --cluster=orders-o", "cmek plan recipes/cons",
    "cmek plan console --args=lua/vers", "cmek plan console --journal lu", "cmek run " }
  for i, line in ipairs(lines) do lines[i] = quoted(line) end
  local seen = shell("zsh -f tests/completion.zsh $CMEK " .. table.concat(lines, " "))
  for _, want in ipairs { "<<cmek plan >>", "<<cmek plan console --rotation >>", "<<cmek sim -- cmek run console --cluster=orders-one >>",
    "<<cmek plan recipes/console.lua >>", "<<cmek plan console --args=lua/version.lua >>", "<<cmek plan console --journal lua/>>",
    " -- Enable CMEK with the cluster's role and keys" } do
    test.contains(seen, want)
  end
  test.truthy(seen:find "\nenable +%-%- Enable CMEK")
end

test["fish completes words, arguments, values behind = and files"] = function()
  wanted "fish"
  local home = test.directory()
  local lines = { "cmek pl", "cmek plan console --rot", "cmek sim -- cmek run console --cluster=orders-o", "cmek plan recipes/cons",
    "cmek plan console --args=lua/vers", "cmek plan console --journal lu" }
  local commands = {}
  for i, line in ipairs(lines) do commands[i] = ("complete -C '%s'"):format(line) end
  local seen = shell(("export HOME=%s PATH=%s:$PATH; $CMEK completion fish > $HOME/cmek.fish; fish -N -c %s"):format(home,
    quoted(cmek:match "^(.*)/"), quoted("source ~/cmek.fish; " .. table.concat(commands, "; "))))
  test.equal(seen:gsub("\t[^\n]*", ""), "plan\n--rotation\n--cluster=orders-one\nrecipes/console.lua\n--args=lua/version.lua\nlua/\n")
end

test["a shell that cmek does not know is usage"] = function()
  test.contains(shell "$CMEK completion tcsh; echo $?", "it knows bash, zsh and fish\nnext: in ~/.bashrc: eval \"$(cmek completion bash)\"\n2\n")
end
