-- plan --out and run --plan: exactly what was planned, or a refusal that says what has moved.
local json = require "json"
local json_schema = dofile "tests/json_schema.lua"
local outside = dofile "tests/outside.lua"

-- Makes a word of the shell that runs a script: Lua with the services at hand.
local function script(name, lua)
  return ("cat > $D/%s.lua <<'END'\n%s\nEND\n%s() { \"$CMEK\" exec --write --yes $D/%s.lua >/dev/null; }\n"):format(name, lua, name, name)
end

local ROLE <const> = 'local ROLE = "crdb-cmek-orders-0f2c6e9d41b7"\n'
local PLAN <const> = '"$CMEK" plan console --cluster orders --out $D/plan >/dev/null 2>&1; '
local RUN <const> = '"$CMEK" run --plan $D/plan --yes'
local MADE <const> = '"$CMEK" run console --cluster orders --yes >/dev/null 2>&1; '

local function saved_in(result)
  return assert(json.decode(assert(require("file").read(result.directory .. "/plan", 1 << 20))))
end

local function statuses(text)
  local list = {}
  for status in text:gmatch "status (%d+)" do list[#list + 1] = status end
  return table.concat(list, " ")
end

test["a saved plan is of its schema, and is done exactly"] = function()
  local result = outside.simulated(PLAN .. RUN .. " --json 2>/dev/null")
  test.equal(result.status, 0)
  local saved = saved_in(result)
  test.equal(json_schema.complaint(saved), nil)
  test.equal({ saved.arguments, saved.recipe.origin, saved.version, #saved.rests_on }, { { cluster = "orders" }, "console", require "version", 4 })
  local report = assert(json.decode(result.output))
  test.equal({ report.run.status, report.summary.create }, { "done", 4 })
  test.equal(result:writes "CreateKey", 3)
end

test["a plan that was done already is refused, step by step, and says how to plan anew"] = function()
  local result = outside.simulated(PLAN .. RUN .. " >/dev/null 2>&1; " .. RUN)
  test.equal(result.status, 1)
  test.contains(result.errors, "role crdb-cmek-orders-0f2c6e9d41b7: action: 'create' was planned, and now it is 'none'\n")
  test.contains(result.errors, "key us-west-2 alias/crdb-cmek-orders-0f2c6e9d41b7-g1: action: 'create' was planned, and now it is 'none'\n")
  test.matches(result.errors, "\nnext: plan anew: cmek plan console %-%-cluster orders %-%-out [^\n]+/plan\n")
  test.equal(result:writes "CreateKey", 3)
end

-- What run --plan says when something is changed between plan and run.
local function moved(before, between)
  local result = outside.simulated(MADE .. script("before", ROLE .. before) .. script("between", ROLE .. between)
    .. "before; " .. PLAN .. "between; " .. RUN .. " --json 2>$D/said; status=$?; cat $D/said >&2; exit $status")
  local report = assert(json.decode(result.output))
  test.equal({ result.status, report.run.status, report.error.code }, { 1, "failed", "moved" })
  test.equal(json_schema.complaint(report), nil)
  return report.error.message
end

local KEY <const> = [[
local function key(region)
  for _, alias in ipairs(kms.list_aliases { region = region }.Aliases) do
    if alias.AliasName == "alias/" .. ROLE .. "-g1" then return alias.TargetKeyId end
  end
end
]]
local ROTATION_OFF <const> = KEY .. 'kms.disable_key_rotation { region = "us-east-1", KeyId = key "us-east-1" }'

test["what is changed between plan and run is named by step and field"] = function()
  local message = moved(ROTATION_OFF, KEY
    .. 'kms.enable_key_rotation { region = "us-east-1", KeyId = key "us-east-1", RotationPeriodInDays = 90 }')
  test.contains(message, "alias/crdb-cmek-orders-0f2c6e9d41b7-g1: rotation: off was to become 365, and now it is 90 and is to become 365")
  test.equal(select(2, message:gsub("\n", "")), 1)
end

test["the run's own ID, which a plan cannot know, does not move it"] = function()
  local result = outside.simulated(MADE .. script("before", ROLE .. 'iam.untag_role { RoleName = ROLE, TagKeys = { "cmek:run" } }')
    .. "before; " .. PLAN .. RUN .. " --json 2>/dev/null")
  local report = assert(json.decode(result.output))
  test.equal({ result.status, report.run.status, report.summary.change, saved_in(result).plan.steps[1].differences[1].field },
    { 0, "done", 1, "tags.cmek:run" })
end

test["a change that the plan would not touch moves it as well"] = function()
  local message = moved(ROTATION_OFF, KEY .. [[
    local id = key "us-west-2"
    local policy = json.decode(kms.get_key_policy { region = "us-west-2", KeyId = id }.Policy)
    table.insert(policy.Statement, { Sid = "Other", Effect = "Allow", Principal = { AWS = "arn:aws:iam::210987654321:root" },
      Action = "kms:DescribeKey", Resource = "*" })
    kms.put_key_policy { region = "us-west-2", KeyId = id, Policy = json.encode(policy) }
    iam.tag_role { RoleName = ROLE, Tags = { { Key = "team", Value = "payments" } } }]])
  test.contains(message, "key us-west-2 alias/crdb-cmek-orders-0f2c6e9d41b7-g1: policy: what is there is not what was there")
  test.contains(message, "role crdb-cmek-orders-0f2c6e9d41b7: tags: what is there is not what was there")
end

test["a plan of another organization, cluster or account has moved, whatever its steps"] = function()
  local saved = saved_in(outside.simulated(PLAN))
  local same = require("saved_plan").moved(saved, saved.plan, saved.rests_on)
  test.equal(same, {})
  local other = json.decode(json.encode(saved.plan))
  other.run.aws.account_id, other.run.cluster.id = "345678901234", "another"
  test.equal(require("saved_plan").moved(saved, other, saved.rests_on), {
    "cluster id: the plan was made for 8b6d7a10-4c1e-4b7a-9a53-0f2c6e9d41b7, and this is another",
    "aws account_id: the plan was made for 210987654321, and this is 345678901234" })
end

test["a saved plan that was changed, or is of another cmek, is refused; nothing is made"] = function()
  local result = outside.simulated(PLAN .. [[
    sed 's/"cluster": "orders"/"cluster": "orders-one"/' $D/plan > $D/edited
    sed 's/"version": "[^"]*"/"version": "0.0.1"/' $D/plan > $D/older
    sed 's,cmek.saved_plan/1,cmek.saved_plan/2,' $D/plan > $D/newer
    echo '{}' > $D/none; echo nonsense > $D/nonsense
    for plan in edited older newer none nonsense missing; do
      "$CMEK" run --plan $D/$plan --yes; echo "status $?" >&2
    done; true]])
  test.equal(statuses(result.errors), "1 1 1 2 2 2")
  test.contains(result.errors, "it was changed after it was written")
  test.contains(result.errors, "it was made by cmek 0.0.1 (cmek.saved_plan/1), and this is cmek " .. require "version")
  test.contains(result.errors, "/nonsense' is no plan that cmek saved")
  test.equal(result:writes(), 0)
end

test["a plan whose recipe has changed is refused"] = function()
  local result = outside.simulated [[
    "$CMEK" recipes eject console $D/mine.lua 2>/dev/null
    "$CMEK" plan $D/mine.lua --cluster orders --out $D/plan >/dev/null 2>&1
    echo '-- another line' >> $D/mine.lua
    "$CMEK" run --plan $D/plan --yes]]
  test.equal({ result.status, result:writes() }, { 1, 0 })
  test.contains(result.errors, "/mine.lua' has changed since the plan was made")
end

test["with --plan a recipe, an argument or a file of arguments is what cannot be meant"] = function()
  local result = outside.simulated(PLAN .. [[
    for words in console '--cluster orders' '--args x' '--save-args x' --requests; do
      "$CMEK" run --plan $D/plan $words; echo "status $?" >&2
    done
    "$CMEK" run --plan; echo "status $?" >&2
    "$CMEK" run --plan $D/plan --help]])
  test.equal(statuses(result.errors), "2 2 2 2 2 2")
  test.contains(result.errors, "'console' has no place beside --plan")
  test.contains(result.output, "--confirm NAME")
  test.equal(result:writes(), 0)
end

test["a plan with refused steps is not saved"] = function()
  local result = outside.simulated(MADE
    .. script("between", ROLE .. 'iam.tag_role { RoleName = ROLE, Tags = { { Key = "cmek:cluster", Value = "x" } } }')
    .. 'between; "$CMEK" plan console --cluster orders --out $D/plan; echo "status $?" >&2; ls $D/plan')
  test.contains(result.errors, "not saved: steps are refused (x)")
  test.contains(result.errors, "status 1")
  test.equal(require("file").exists(result.directory .. "/plan"), false)
end

test["the question is asked for a saved plan too, and what cannot be undone wants its word"] = function()
  local result = outside.simulated('"$CMEK" plan console --cluster orders --enable --out $D/plan >/dev/null 2>&1\n'
    .. '"$CMEK" run --plan $D/plan; echo "status $?" >&2\n' .. RUN .. '; echo "status $?" >&2\n' .. RUN .. ' --confirm orders; echo "status $?" >&2')
  test.equal(statuses(result.errors), "1 1 0")
end

test["a plan that cannot be saved is told as one document, with its reason once"] = function()
  local result = outside.simulated '"$CMEK" plan console --cluster orders --out /proc/nowhere/plan --json'
  local document = assert(json.decode(result.output))
  test.equal({ result.status, document.schema, document.error.what }, { 1, "cmek.error/1", "saving the plan" })
  local _, count = result.errors:gsub("/proc/nowhere/plan", "")
  test.equal(count, 1)
end
