-- The command line from outside: words, exit statuses, documents.

--- The program that runs these tests.
local cmek <const> = (function()
  local command <close> = assert(io.open("/proc/self/cmdline", "rb"))
  return assert(require("file").canonical(command:read("a"):match "^[^\0]+"))
end)()

local function quoted(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

--- Runs a shell command in which $CMEK is the program; without any account of the caller's.
local function shell(command)
  local directory = test.directory()
  local script = ("export CMEK=%s CMEK_STATE_DIR=%s; unset COCKROACH_API_KEY AWS_PROFILE; (%s) >%s/out 2>%s/err </dev/null; echo $?")
    :format(quoted(cmek), directory .. "/state", command, directory, directory)
  local pipe <close> = assert(io.popen(script))
  local status = math.tointeger(tonumber(pipe:read "a"))
  local function text(name)
    local file <close> = assert(io.open(directory .. "/" .. name, "rb"))
    return file:read "a"
  end
  return { status = status, stdout = text "out", stderr = text "err", directory = directory }
end

--- Runs cmek with these words.
local function run(...)
  local words = { '"$CMEK"' }
  for _, word in ipairs { ... } do words[#words + 1] = quoted(word) end
  return shell(table.concat(words, " "))
end

--- A command against the simulated services.
local function simulated(command)
  return shell('"$CMEK" sim -- sh -c ' .. quoted(command))
end

local function document(result, schema)
  local value = assert(require("json").decode(result.stdout))
  test.equal(value.schema, schema)
  return value
end

test["version says which cmek this is, and its licences on request"] = function()
  test.equal(run("version").stdout, "cmek " .. require("version") .. "\n")
  test.equal(run("--version").stdout, run("version").stdout)
  test.contains(run("version", "--licenses").stdout, "OpenSSL")
  test.equal(document(run("version", "--json"), "cmek.version/1").version, require "version")
end

test["without a word the overview is shown"] = function()
  local result = run()
  test.equal(result.status, 0)
  test.contains(result.stdout, "cmek plan RECIPE")
end

test["every command is in the overview, has help, and says the same of itself"] = function()
  local overview = run("help").stdout
  for _, word in ipairs(require "words") do
    test.equal(overview:find("\n  cmek " .. word[1] .. "[ \n]") == nil, word.hidden == true)
    local asked = run("help", word[1])
    test.equal(asked.status, 0)
    test.contains(asked.stdout, "cmek " .. word[1])
    test.equal(run(word[1], "--help").status, 0)
  end
end

test["every topic of help can be read"] = function()
  for _, topic in ipairs(require("help").names()) do test.equal(run("help", topic).status, 0) end
end

test["an unknown command is usage and names the near one"] = function()
  local result = run "pln"
  test.equal(result.status, 2)
  test.contains(result.stderr, "did you mean 'plan'?")
  test.equal(result.stdout, "")
end

test["a recipe that is typed as a command is told to be one, with the command that shows what it would do"] = function()
  for _, name in ipairs(require("recipe").names()) do
    local result = run(name, "--cluster", "orders")
    test.equal({ result.status, result.stdout }, { 2, "" })
    test.contains(result.stderr, ("'%s' is no command: it is a recipe"):format(name))
    test.contains(result.stderr, "next: cmek plan " .. name .. "\n")
  end
end

test["under --json a failure is a document on stdout"] = function()
  local result = run("plan", "consle", "--json")
  test.equal(result.status, 2)
  test.contains(document(result, "cmek.error/1").error.message, "did you mean 'console'?")
end

test["the recipes are listed, shown and ejected, and no file is replaced"] = function()
  test.contains(run("recipes").stdout, "console")
  test.contains(run("recipes").stdout, "layouts/accounts, ")
  test.contains(run("recipes", "show", "layouts").stderr, "layouts: layouts/accounts, ")
  test.contains(run("recipes", "show", "console").stdout, "summary")
  local result = shell [[cd $(mktemp -d) && "$CMEK" recipes eject console mine.lua && "$CMEK" recipes show ./mine.lua &&
    "$CMEK" recipes eject console mine.lua]]
  test.equal(result.status, 1)
  test.contains(result.stdout, "summary")
  test.contains(result.stderr, "'mine.lua' exists")
  test.equal(run("recipes", "eject", "consle").status, 2)
end

test["the flags of a recipe are its help"] = function()
  local result = run("run", "console", "--help")
  test.equal(result.status, 0)
  test.contains(result.stdout, "--cluster")
  test.contains(run("help", "console").stdout, "--rotation")
end

test["what cannot be meant is exit 2 and says what would be right"] = function()
  local cases = {
    { { "run" }, "wants the name of a recipe" },
    { { "run", "console" }, "--cluster is missing" },
    { { "run", "console", "--clutser", "x" }, "did you mean '--cluster'?" },
    { { "run", "console", "--cluster", "x", "--rotation", "soon" }, "--rotation must be a whole number, not 'soon'" },
    { { "plan", "./nowhere.lua" }, "./nowhere.lua" },
    { { "plan", "console", "--args", "/nowhere.json" }, "/nowhere.json" },
    { { "plan", "console", "--cluster", "x", "--yes" }, "--yes" },
    { { "recipes", "lst" }, "list, show, eject, diff, check, new and test" },
    { { "runs", "lst" }, "list and show" },
    { { "resume" }, "no unfinished run" },
    { { "help", "recipies" }, "topics:" },
  }
  for _, case in ipairs(cases) do
    local result = run(table.unpack(case[1]))
    test.contains(result.stderr, case[2])
    test.equal(result.status, 2)
    test.equal(result.stdout, "")
  end
end

test["no runs is nothing to complain about"] = function()
  local result = run "runs"
  test.equal(result.status, 0)
  test.contains(result.stdout, "no runs in")
  test.equal(#document(run("runs", "--json"), "cmek.runs/1").runs, 0)
end

test["without an API key the variable is named, where keys come from, and a way to try"] = function()
  local result = simulated "unset COCKROACH_API_KEY; $CMEK run console --cluster orders --yes"
  test.equal(result.status, 4)
  test.contains(result.stderr, "COCKROACH_API_KEY")
  test.contains(result.stderr, "cmek sim --")
end

test["plan says what run would do, and with --exit-code that something is pending"] = function()
  local result = simulated "$CMEK plan console --cluster orders --exit-code"
  test.equal(result.status, 3)
  test.matches(result.stdout, "^AWS account %d+ as arn:aws:")
  test.matches(result.stdout, "\nPlan: 4 to create, 0 to change, 0 to delete\n$")
end

test["the document of plan has the shape that others build on"] = function()
  local plan = document(simulated "$CMEK plan console --cluster orders --json", "cmek.plan/1")
  test.equal(plan.run.cluster.name, "orders")
  test.equal(plan.run.recipe, "console")
  test.truthy(plan.run.aws.arn:find "^arn:aws:iam::" and plan.run.aws.account_id:find "^%d+$")
  test.equal(plan.summary, { create = 4, change = 0, delete = 0, unchanged = 0, refused = 0 })
  test.equal(#plan.steps, 4)
  for _, step in ipairs(plan.steps) do test.equal(step.action, "create") end
end

test["run without --yes and without a terminal is declined, names the flag, and makes nothing"] = function()
  local result = simulated "$CMEK run console --cluster orders --json"
  test.equal(result.status, 1)
  test.equal(document(result, "cmek.run/1").run.status, "declined")
  test.contains(result.stderr, "next: look at the plan above, then the same with --yes\n")
end

test["what cannot be undone is not done by --yes alone"] = function()
  local result = simulated "$CMEK run console --cluster orders --enable --yes"
  test.equal(result.status, 1)
  test.contains(result.stderr, "cannot be undone")
  local all = "next: look at the plan above, then the same with --yes --confirm orders\n"
  test.contains(result.stderr, all)
  test.contains(simulated("$CMEK run console --cluster orders --enable").stderr, all)   -- not one flag after the other
  test.contains(simulated("$CMEK run console --cluster orders --enable --yes --confirm order").stderr,
    "asking before anything is changed: --confirm 'order' is not the cluster's name, 'orders'\n")
end

test["a run makes the keys, hands them over, is in the list of runs, and the next finds nothing to do"] = function()
  local result = simulated [[
    $CMEK run console --cluster orders --yes && $CMEK runs && $CMEK plan console --cluster orders --exit-code &&
    $CMEK run console --cluster orders --yes]]
  test.equal(result.status, 0)
  test.contains(result.stdout, '"region_specs"')
  test.matches(result.stdout, "us%-east%-1 +arn:aws:kms:us%-east%-1:%d+:key/%S+ +arn:aws:iam::%d+:role/")
  test.matches(result.stdout, "console +orders +done")
  test.contains(result.stdout, "Nothing to do")
end

test["progress is on stderr, append-only where there is no terminal"] = function()
  local result = simulated "$CMEK run console --cluster orders --yes"
  test.contains(result.stderr, "us-west-2")
  test.truthy(not result.stderr:find "\27" and not result.stderr:find "\r")
end

test["a recipe that reaches for the machine fails and says why"] = function()
  local result = simulated [[
    printf 'return { api = 1, summary = "x", args = {}, touches = {}, run = function() os.execute("id") end }' > $CMEK_STATE_DIR.lua
    $CMEK run $CMEK_STATE_DIR.lua --yes]]
  test.equal(result.status, 1)
  test.contains(result.stderr, "'os' is not part of a recipe's world")
  test.truthy(not (result.stdout .. result.stderr):find "uid=")
end

test["an ejected recipe runs unchanged"] = function()
  local result = simulated "cd $(mktemp -d); $CMEK recipes eject console ./mine.lua && $CMEK run ./mine.lua --cluster orders-one --yes"
  test.equal(result.status, 0)
  test.contains(result.stdout, "arn:aws:kms:")
end

test["a script of exec has the services, its arguments, and its own exit status"] = function()
  local result = simulated [[echo 'print(cloud.organization().id, arg[1]) return 7' > $CMEK_STATE_DIR.s.lua; $CMEK exec $CMEK_STATE_DIR.s.lua hello]]
  test.equal(result.status, 7)
  test.matches(result.stdout, "^%x+%-%S+\thello\n$")
end

test["exec without --write cannot write"] = function()
  local result = simulated [[echo 'kms.create_key { region = "us-east-1" }' > $CMEK_STATE_DIR.s.lua; $CMEK exec $CMEK_STATE_DIR.s.lua]]
  test.equal(result.status, 1)
  test.contains(result.stderr, "may only read")
end

test["exec with --write and --yes writes, in any region, and its journal is among the runs"] = function()
  local result = simulated [[
    echo 'print(kms.create_key { region = "eu-west-1" }.KeyMetadata.KeyState)' > $CMEK_STATE_DIR.s.lua
    $CMEK exec --write $CMEK_STATE_DIR.s.lua; echo "without --yes $?"; $CMEK exec --write --yes $CMEK_STATE_DIR.s.lua; $CMEK runs]]
  test.contains(result.stdout, "without --yes 1\nEnabled\n")
  test.matches(result.stdout, "s.lua +done\n$")
end

test["a run that is killed is unfinished, and resume makes no second key"] = function()
  local result = shell [[export CMEK
    "$CMEK" sim --latency 100 --log $CMEK_STATE_DIR.log -- sh -c '
      $CMEK run console --cluster orders-one --yes & killed=$!
      while ! grep -qs CreateKey $CMEK_STATE_DIR.log; do sleep 0.02; done; kill -9 $killed; wait $killed
      $CMEK runs; $CMEK resume --yes; echo "resume $?"; $CMEK runs; $CMEK resume; echo "resume $?"'
    echo "keys $(grep -c CreateKey $CMEK_STATE_DIR.log)"]]
  test.contains(result.stdout, "unfinished")
  test.contains(result.stdout, "resume 0\n")
  test.matches(result.stdout, "console +orders%-one +done\nresume 2\nkeys 1\n$")
end

test["a run that SIGINT stops after it made something prints the line to resume it, exit 5"] = function()
  local result = shell [[export CMEK
    "$CMEK" sim --latency 100 --log $CMEK_STATE_DIR.log -- sh -c '
      $CMEK run console --cluster orders --yes & stopped=$!
      while ! grep -qs CreateKey $CMEK_STATE_DIR.log; do sleep 0.02; done; kill -INT $stopped; wait $stopped; echo "stopped $?"']]
  test.contains(result.stdout, "stopped 5")
  test.matches(result.stderr, "next: cmek resume %d+%-%d+%-%x+\n")
end

test["whoami names the account and the organization"] = function()
  local result = simulated "$CMEK whoami"
  test.equal(result.status, 0)
  test.matches(result.stdout, "arn:aws:iam::%d+")
end

test["another account than --account is exit 2"] = function()
  local result = simulated "$CMEK plan console --cluster orders --account 000000000001"
  test.equal(result.status, 2)
  test.contains(result.stderr, "000000000001")
end
