-- Kinds that a recipe describes itself with resource { … }, and services that it calls without a kind.
local file = require "file"
local names = require "names"
local operators = dofile "tests/operator.lua"
local recipes = require "recipe"

local ROLE <const> = names.role(operators.CLUSTER)

local function written(text)
  local path = test.directory() .. "/mine.lua"
  assert(file.write(path, text))
  return path
end

--- A recipe with a kind for one tag of a role; `more` stands in its description, `body` in its run.
local function recipe(more, body, touches)
  return written(([[
    local role_tag = resource {
      kind = "role_tag",
      actions = { iam = { "ListRoleTags", "TagRole" } },
      name = function(want) return want.role .. " " .. want.tag end,
      find = function(want)
        for _, tag in ipairs(iam.list_role_tags { RoleName = want.role }.Tags) do
          if tag.Key == want.tag then return tag end
        end
      end,
      differences = function(want, have)
        if have.Value == want.value then return {} end
        return { { field = "value", have = have.Value, want = want.value } }
      end,
      create = function(want) iam.tag_role { RoleName = want.role, Tags = { { Key = want.tag, Value = want.value } } } end,
      update = function(want) iam.tag_role { RoleName = want.role, Tags = { { Key = want.tag, Value = want.value } } } end,
      %s
    }
    return { api = 1, summary = "A tag for the role", args = { { "cluster", "the cluster" }, { "owner", "who", default = "payments" } },
      touches = { %s }, run = function(arg)
        local cluster = read("cluster", arg.cluster)
        %s
      end }]]):format(more or "", touches or '"cloud", "iam"',
        body or ('return ensure(role_tag, { role = "%s", tag = "owner", value = arg.owner })'):format(ROLE)))
end

local function made()
  local operator = operators.open()
  operators.run(operator, "console")
  return operator
end

local function tag_of(operator, key)
  for _, tag in ipairs(operators.role(operator).Tags) do
    if tag.Key == key then return tag.Value end
  end
end

test["a kind of the recipe's own is planned, made, found as wanted by the next run, and verified"] = function()
  local operator, path = made(), recipe()
  local plan = operators.run(operator, path, { mode = "plan" })
  test.equal({ plan.steps[1].kind, plan.steps[1].name, plan.steps[1].action, plan.summary.create },
    { "role_tag", ROLE .. " owner", "create", 1 })
  test.equal(tag_of(operator, "owner"), nil)
  local report, status = operators.run(operator, path)
  test.equal({ status, report.error, report.steps[1].result, tag_of(operator, "owner") }, { 0, nil, "done", "payments" })
  local log = operators.log(operator)
  local again, fine = operators.run(operator, path)
  test.equal({ fine, again.summary.unchanged, again.summary.create }, { 0, 1, 0 })
  test.truthy(not table.concat(log, "\n"):find "TagRole\n")
  local verified, well = operators.run(operator, path, { mode = "verify" })
  test.equal({ well, #verified.findings }, { 0, 0 })
  test.equal({ verified.checked[1].id, verified.checked[2].id }, { "role_tag.exists", "role_tag.as_wanted" })
end

test["what differs shows by field, is a finding of verify, and is changed by a run"] = function()
  local operator, path = made(), recipe()
  operators.run(operator, path)
  local arguments = { owner = "billing" }
  local plan = operators.run(operator, path, { mode = "plan", arguments = arguments })
  test.equal(plan.steps[1].differences, { { field = "value", have = "payments", want = "billing" } })
  local verified, status = operators.run(operator, path, { mode = "verify", arguments = arguments })
  test.equal({ status, verified.findings[1].id, verified.findings[1].field }, { 6, "role_tag.as_wanted", "value" })
  operators.run(operator, path, { arguments = arguments })
  test.equal(tag_of(operator, "owner"), "billing")
end

test["a missing one is a finding, and one that hangs on what is not made yet is shown as to be made"] = function()
  local operator, path = operators.open(), recipe(nil, [[
    local role = ensure("role", { cluster = cluster, name = "mine",
      trust = policy.cross_account { account_id = cluster.account_id, external_id = "x" } })
    return ensure(role_tag, { role = role.arn, tag = "owner", value = arg.owner })]])
  path = written((file.read(path):gsub("want%.role", "want.role:match '[^/]*$'")))
  local plan = operators.run(operator, path, { mode = "plan" })
  test.equal({ plan.steps[2].action, plan.steps[2].name }, { "create", "(ARN of role mine, known after apply) owner" })
  local report = operators.run(operator, path)
  test.equal({ report.steps[2].name, report.steps[2].result }, { "mine owner", "done" })
  local missing = operators.run(made(), recipe(), { mode = "verify" })
  test.equal({ missing.findings[1].id, missing.findings[1].want }, { "role_tag.exists", "present" })
end

test["a kind without update is refused where it differs"] = function()
  local operator = made()
  operators.run(operator, recipe())
  local path = written((file.read(recipe()):gsub("update = [^\n]*\n", "\n")))
  local plan, status = operators.run(operator, path, { mode = "plan", arguments = { owner = "billing" } })
  test.equal({ status, plan.steps[1].action }, { 1, "refuse" })
  test.contains(plan.steps[1].reason, "has no update")
end

test["a kind calls what its actions name and nothing else, also in tasks that it starts; only what makes or changes may write"] = function()
  local cases = {
    { "ready = function() return iam.list_roles() ~= nil end", "kind 'role_tag' calls iam.list_roles, and its actions do not name ListRoles" },
    { "ready = function() return #task.map({ 1 }, function() return iam.find_role { RoleName = 'x' } end) > 0 end", "do not name GetRole" },
    { "ready = function() iam.tag_role { RoleName = '" .. ROLE .. "', Tags = {} } end", "ready calls iam.tag_role, which changes something" },
  }
  for _, case in ipairs(cases) do
    local operator = made()
    local report, status = operators.run(operator, recipe(case[1]))
    test.equal({ status, report.run.status }, { 5, "unfinished" })
    test.contains(report.error.message, case[2])
  end
  local operator = made()
  test.raises(function() operators.run(operator, recipe("region = function() return iam.list_roles() and 'x' end")) end, "do not name ListRoles")
  local log = operators.log(operator)
  test.equal(table.concat(log):find "ListRoles[^%a]", nil)
end

test["its actions are of services that the recipe touches"] = function()
  local path = recipe(nil, nil, '"cloud"')
  test.raises(function() operators.run(made(), path, { mode = "plan" }) end, "its actions name 'iam', and the recipe's touches do not")
end

test["the description of a kind is checked where it is loaded, and the complaint names the field"] = function()
  local whole = { kind = '"grant"', actions = "{ kms = { \"ListGrants\" } }", name = "function() end", find = "function() end",
    differences = "function() end", create = "function() end" }
  local function load_with(changes)
    local parts = {}
    for name, value in require("sorted")(whole) do
      if changes[name] == nil then parts[#parts + 1] = name .. " = " .. value end
    end
    for name, value in require("sorted")(changes) do parts[#parts + 1] = value ~= false and name .. " = " .. value or nil end
    return recipes.load(written("resource { " .. table.concat(parts, ", ")
      .. ' } return { api = 1, summary = "x", args = {}, touches = { "kms" }, run = function() end }'))
  end
  test.equal(load_with({}).kinds.grant.kind, "grant")
  local cases = {
    { { kind = '"key"' }, "kind 'key' is one of cmek's own" }, { { kind = '"Grant"' }, "kind 'Grant' must be a word" },
    { { kind = "1" }, "field 'kind' must be a string, got number" }, { { find = false }, "field 'find' must be a function, got nil" },
    { { create = '"x"' }, "field 'create' must be a function, got string" }, { { actions = false }, "field 'actions' must be a table" },
    { { actions = '{ kms = "ListGrants" }' }, "actions.kms must be a list" },
    { { actions = '{ kms = { "list_grants" } }' }, "actions.kms[1] 'list_grants' is no operation" },
    { { finds = "function() end" }, "field 'finds'" }, { { ready = "true" }, "field 'ready' must be a function" },
  }
  for _, case in ipairs(cases) do
    local raised = test.raises(function() load_with(case[1]) end, case[2])
    test.equal(require("ui.failure").status(raised), 2)
  end
  test.raises(function() recipes.load(written "resource(1)") end, "wants a table")
  test.raises(function()
    recipes.load(written("local d = { kind = 'a', actions = {}, name = tostring, find = tostring, differences = tostring, create = tostring } "
      .. "resource(d) resource(d)"))
  end, "kind 'a' is described twice")
end

test["what a function of a kind gives is checked"] = function()
  local cases = {
    { "name = function%(want%) return .-\n", "name = function() return 7 end,\n", "name gives number, not a text" },
    { "return { { field = .- } }", 'return { "value" }', "[1] has no field" },
  }
  for _, case in ipairs(cases) do
    local operator, path = made(), recipe()
    operators.run(operator, path)
    local text = file.read(path):gsub(case[1], (case[2]:gsub("%%", "%%%%")))
    test.raises(function() operators.run(operator, written(text), { arguments = { owner = "billing" } }) end, case[3])
  end
end

test["a change whose answer was lost is looked for and not repeated"] = function()
  local lost
  local operator = operators.open { network = function(_, request)
    if lost == false and tostring(request.body):find "Action=UpdateRole" then
      lost = true
      return { lose_answer = "the connection was closed" }
    end
  end }
  operators.run(operator, "console")
  lost = false
  local log = operators.log(operator)
  local report, status = operators.run(operator, written(([[
    local text = resource { kind = "role_text", actions = { iam = { "GetRole", "UpdateRole" } },
      name = function(want) return want.role end, find = function(want) return iam.find_role { RoleName = want.role } end,
      differences = function(want, have)
        return have.Description == want.text and {} or { { field = "text", have = have.Description, want = want.text } }
      end,
      create = function() end, update = function(want) iam.update_role { RoleName = want.role, Description = want.text } end }
    return { api = 1, summary = "x", args = { { "cluster", "x" } }, touches = { "iam" }, run = function()
      ensure(text, { role = "%s", text = "new" })
    end }]]):format(ROLE)))
  local count = select(2, table.concat(log, "\n"):gsub("UpdateRole", ""))
  test.equal({ status, report.error, lost, count, operators.role(operator).Description }, { 0, nil, true, 1, "new" })
end

-- Services without a kind ------------------------------------------------------------------------------------------------------

-- Says in `passes` which pass is running: 1 plans, 2 does.
local function calling(after, before)
  return written(([[local passes = 0
  return { api = 1, summary = "x", args = { { "cluster", "the cluster" } }, touches = { "cloud", "iam" }, run = function(arg)
    passes = passes + 1
    local cluster = read("cluster", arg.cluster)
    %s
    local answer = iam.tag_role { RoleName = "%s", Tags = { { Key = "owner", Value = "payments" } } }
    %s
  end }]]):format(before or "", ROLE, after or ""))
end

test["a write that the recipe calls itself is a step of the plan, is done by the run and stands in the journal"] = function()
  local operator, path = made(), calling()
  local plan, status = operators.run(operator, path, { mode = "plan" })
  test.equal({ status, plan.steps[1].kind, plan.steps[1].name, plan.steps[1].action }, { 0, "call", "iam TagRole " .. ROLE, "change" })
  test.contains(plan.steps[1].reason, "at every run")
  test.equal(tag_of(operator, "owner"), nil)
  local report, done = operators.run(operator, path)
  test.equal({ done, report.run.status, report.steps[1].result, tag_of(operator, "owner") }, { 0, "done", "done", "payments" })
  operator.journal:sync()
  test.contains(operator.disk.text, '"operation":"TagRole"')
end

test["when the run fails after such a write, something was made: it exits 5, names it and says how to go on"] = function()
  local report, status = operators.run(made(), calling 'wait("nothing", function() return false end, { bound = 1 })')
  test.equal({ status, report.run.status, report.error.made[1].name }, { 5, "unfinished", "iam TagRole " .. ROLE })
  test.contains(report.error.next, "cmek resume run-1")
  local early = calling(nil, 'if passes == 2 then error("early", 0) end')   -- the control: it fails before
  local nothing, failed = operators.run(made(), early)
  test.equal({ failed, nothing.run.status, #nothing.error.made }, { 1, "failed", 0 })
end

test["its answer is not known in a plan, and verify cannot say whether it is still so"] = function()
  test.raises(function() operators.run(made(), calling "say(answer.x:upper())", { mode = "plan" }) end,
    "x of answer of TagRole is not known before run")
  local report, status = operators.run(made(), calling(), { mode = "verify" })
  test.equal({ status, report.findings[1].id, report.findings[1].severity }, { 6, "call", "unknown" })
end

test["a write that the plan did not show is stopped"] = function()
  local path = calling(nil, 'if passes == 2 then iam.untag_role { RoleName = "x", TagKeys = { "y" } } end')
  local report, status = operators.run(made(), path)
  test.equal({ status, report.run.status }, { 1, "failed" })
  test.contains(report.error.message, "iam UntagRole x, which its plan did not show")
end

test["a read about what is not known yet is refused in words"] = function()
  test.raises(function()
    operators.run(made(), calling "iam.find_role { RoleName = answer .. '' }", { mode = "plan" })
  end, "iam.find_role: it is asked about what is not known before run")
end
