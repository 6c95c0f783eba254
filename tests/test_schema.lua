-- The published schemas: what commands print under --json is of them, and what is broken is not.
local json = require "json"
local json_schema = dofile "tests/json_schema.lua"
local operator = dofile "tests/operator.lua"
local schema = require "schema"

--- The program that runs these tests.
local cmek <const> = (function()
  local command <close> = assert(io.open("/proc/self/cmdline", "rb"))
  return assert(require("file").canonical(command:read("a"):match "^[^\0]+"))
end)()

-- What a script of the shell prints, $CMEK being the program, against simulated services; its exit status, the lines of the simulator's log.
local function simulated(script)
  local directory = test.directory()
  local result = assert(require("process").run {
    argv = { cmek, "sim", "--log", directory .. "/log", "--", "sh", "-c", "cd '" .. directory .. "';" .. script }, timeout = 60,
    environment = { PATH = true, HOME = directory, CMEK = cmek, CMEK_STATE_DIR = directory } })
  return result.output, result.status, io.lines(directory .. "/log")
end

local function copy(value)
  return json.decode(json.encode(value))
end

local function sound(document)
  test.equal(json_schema.complaint(copy(document)), nil)
  return document
end

test["each schema has a title, a line that says what it is of, and a word that finds it"] = function()
  test.truthy(#schema.words() > 10)
  for _, word in ipairs(schema.words()) do
    local one = schema.find(word)
    test.equal(one.title, ("cmek.%s/1"):format(word))
    test.truthy(one.description and schema.find(one.title) == one)
    test.equal(one["$schema"], "https://json-schema.org/draft/2020-12/schema")
  end
  test.equal(schema.find "nothing", nil)
end

test["every schema that the library names is published"] = function()
  local embedded, named = require "embedded", 0
  for _, path in ipairs(embedded.list "lua/") do
    for name in embedded.source(path):gmatch '"(cmek%.[%l_]+/1)"' do
      named = named + 1
      test.truthy(schema.find(name), ("%s names %s"):format(path, name))
    end
  end
  test.truthy(named > 20)
end

test["plan, run, verify and a run that is declined or refused are of their schemas"] = function()
  local who = operator.open()
  sound((operator.run(who, "console", { mode = "plan" })))
  sound((operator.run(who, "console", { arguments = { enable = true } })))
  for _, event in ipairs(who.events) do
    local line = copy(event)
    line.schema, line.time = "cmek.event/1", "2026-02-01T09:00:00Z"
    sound(line)
  end
  sound((operator.run(who, "console", { mode = "verify" })))
  operator.within(who, function(session)
    session.iam.update_assume_role_policy { RoleName = operator.role(who).RoleName, PolicyDocument = '{"Version":"2012-10-17","Statement":[]}' }
  end)
  sound((operator.run(who, "console", { mode = "plan" })))
  test.truthy(#sound((operator.run(who, "console", { mode = "verify" }))).findings > 0)
  local declined = operator.open { yes = false }
  test.equal(sound((operator.run(declined, "console"))).run.status, "declined")
end

test["a document that lacks a member, or has one of another type, is not of its schema"] = function()
  local report = copy(operator.run(operator.open(), "console"))
  test.equal(json_schema.complaint(report), nil)
  local function broken(change, complaint)
    local document = copy(report)
    change(document)
    test.equal(json_schema.complaint(document), complaint)
  end
  broken(function(d) d.summary.create = nil end, ".summary has no 'create'")
  broken(function(d) d.summary.create = "4" end, ".summary.create is of type string")
  broken(function(d) d.steps[1].action = "replace" end, ".steps[1].action is 'replace'")
  broken(function(d) d.steps[2].region = 1 end, ".steps[2].region is of type integer")
  broken(function(d) d.run.status = "failed" end, " has no 'error'")
  broken(function(d) d.handover.region_specs[1].key_spec.uri = nil end, ".handover fits none of several")
  broken(function(d) d.schema = "cmek.nothing/1" end, "schema 'cmek.nothing/1' is not published")
  broken(function(d) d.more = { "beside" } end, nil)
end

test["what commands print under --json is of the schema that it names, also when they fail"] = function()
  local output = simulated [[
    for words in version 'version --licenses' help 'help console' 'help json' 'plan --help' 'run console --help' 'verify --help' \
        recipes 'recipes show enable' 'recipes eject enable ./ejected.lua' 'recipes diff ./ejected.lua' 'recipes check ./ejected.lua' \
        'recipes bear' nothing 'plan nothing' 'plan console' \
        'plan console --cluster nothing' 'run console --clutser orders' 'runs' 'runs show x' resume whoami status 'status --cluster nothing'; do
      "$CMEK" $words --json=lines
    done]]
  local seen = {}
  for line in output:gmatch "[^\n]+" do
    local document = sound(assert(json.decode(line)))
    seen[document.schema] = (seen[document.schema] or 0) + 1
  end
  seen["cmek.event/1"] = nil   -- so many commands at once may have to wait for the Cloud
  test.equal(seen, { ["cmek.version/1"] = 2, ["cmek.help/1"] = 6, ["cmek.recipes/1"] = 1, ["cmek.recipe/1"] = 2, ["cmek.error/1"] = 9,
    ["cmek.recipe_diff/1"] = 1, ["cmek.recipe_check/1"] = 1,
    ["cmek.runs/1"] = 1, ["cmek.whoami/1"] = 1, ["cmek.status/1"] = 1 })
end

test["events, the run's document, its journal and the simulator's log are of their schemas"] = function()
  local output, _, log = simulated [[
    "$CMEK" run console --cluster orders --enable --yes --confirm orders --json=lines
    run=$("$CMEK" runs --json=lines | sed 's/.*"id":"\([^"]*\)".*/\1/')
    "$CMEK" runs show "$run" --json=lines]]
  local seen = {}
  for line in output:gmatch "[^\n]+" do seen[sound(assert(json.decode(line))).schema] = true end
  test.equal(seen, { ["cmek.event/1"] = true, ["cmek.run/1"] = true, ["cmek.journal/1"] = true })
  local lines = 0
  for line in log do
    lines = lines + 1
    test.equal(json_schema.against(schema.find "sim_log", assert(json.decode(line))), nil)
  end
  test.truthy(lines > 20)
end

test["help json lists every schema with its members, and prints one as JSON"] = function()
  local text = simulated '"$CMEK" help json'
  for _, word in ipairs(schema.words()) do test.contains(text, ("\n  cmek.%s/1\n"):format(word)) end
  test.contains(text, "summary{change, create, delete, refused, unchanged}")
  test.equal(json.decode((simulated '"$CMEK" help json cmek.run/1')), copy(schema.find "run"))
  local output, status = simulated '"$CMEK" help json rum 2>&1'
  test.equal(status, 2)
  test.contains(output, "did you mean 'run'?")
end
