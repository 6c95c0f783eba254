-- What a recipe can reach, and what it can make others believe: nothing of the engine is behind what it is given, what it changes is its
-- own, and what it says of itself is taken once.
local file = require "file"
local operators = dofile "tests/operator.lua"
local outside = dofile "tests/outside.lua"
local recipes = require "recipe"

local HEAD <const> = 'return { api = 1, summary = "x", args = { { "cluster", "which", default = "orders" } }, touches = { "cloud", "iam", "kms" },\n'
  .. " run = function(arg)\n"
local ROLE <const> = [[
  local cluster = read("cluster", arg.cluster)
  local role = ensure("role", { cluster = cluster, trust = policy.cross_account { account_id = cluster.account_id, external_id = "x" } })
]]

local function written(text, name, directory)
  local path = (directory or test.directory()) .. "/" .. (name or "mine.lua")
  assert(file.write(path, text))
  return path
end

--- A recipe with this run, carried out by an operator in this process.
local function run(body, options)
  local operator = operators.open(options)
  local log = operators.log(operator)
  local report, status = operators.run(operator, written(HEAD .. body .. "\nend }"), options)
  return report, status, log, operator
end

local function wrote(log, operation)
  for _, line in ipairs(log) do
    if line:find(operation, 1, true) then return true end
  end
  return false
end

-- ---- what is reached ----

--- All that can be reached from a value by looking into tables, as Lua without `debug` can: path and value.
local function crawl(value, path, seen, visit)
  visit(path, value)
  if type(value) ~= "table" or seen[value] then return end
  seen[value] = true
  local metatable = debug.getmetatable(value)
  for key, member in next, value do crawl(member, path .. "." .. tostring(key), seen, visit) end
  local behind = metatable and metatable.__index
  if type(behind) == "table" then crawl(behind, path .. "^", seen, visit) end
end

--- The names of what must not be reached, by value: the library's modules, and what belongs to one operator.
local function forbidden(operator)
  local set = { [operator.door] = "door", [operator.session] = "session", [_G] = "_G", [operator.session.tasks] = "tasks", [string] = "string" }
  for _, part in ipairs { "aws", "cloud", "vault", "http", "clock" } do set[operator.door[part]] = "door." .. part end
  for name, module in pairs(package.loaded) do
    if type(module) == "table" then set[module] = name end
  end
  return set
end

test["nothing of the door, the session, the engine or the library's modules is behind what a recipe is given"] = function()
  local operator = operators.open()
  operators.run(operator, "console", { arguments = { enable = true } })
  local directory = test.directory()
  written("return {}", "kept.lua", directory)
  local path = written(HEAD .. [[
    local kept = require "kept"
    kept.organization, kept.cluster = cloud.organization(), read("cluster", arg.cluster)
    for _, kind in ipairs { "cmek", "in_use" } do kept[kind] = read(kind, kept.cluster) end
    kept.every, kept.rotation = read("every_key", { cluster = kept.cluster }), read("rotation", { cluster = kept.cluster })
    kept.growth = read("growth", { cluster = kept.cluster, add = { "ap-south-1=3" } })
    kept.map = layout(kept.cluster, arg.layout)
    kept.roles = kept.map:roles(function(name, account)
      kept.account = { account }
      return read("role", { cluster = kept.cluster, name = name or names.role })
    end)
    kept.keys = kept.map:keys(kept.roles, function(key)
      kept[#kept + 1] = key
      return read("key", { cluster = kept.cluster, region = key.region })
    end)
    kept.specs, kept.page = handover(kept.cluster, kept.roles, kept.keys), kms.list_keys { region = "us-east-1" }
    kept.role = ensure("role", { cluster = kept.cluster, trust = policy.cross_account { account_id = kept.cluster.account_id,
      external_id = kept.organization.id } })
  end }]], "mine.lua", directory)
  local recipe = recipes.load(path)
  local engine = require("engine").new { session = operator.session, recipe = recipe, mode = "plan", arguments = { cluster = "orders" } }
  operator.session.tasks.run(function() return engine:execute() end)
  local set, count, kept = forbidden(operator), 0, recipe.world.loaded.kept
  set[engine], set[engine.context], set[engine.layout] = "engine", "context", "layout"
  local function visit(where, value)
    count = count + 1
    if set[value] then error(("%s leads to %s"):format(where, set[value]), 0) end
  end
  local seen = {}
  crawl(recipe.world.names, "world", seen, visit)
  crawl(kept, "kept", seen, visit)
  test.truthy(count > 300 and kept.role and kept.specs, ("only %d values were looked at"):format(count))
  local ok, found = pcall(crawl, { a = setmetatable({}, { __index = { b = operator.session } }) }, "x", {}, visit)   -- the control
  test.equal({ ok, found }, { false, "x.a^.b leads to session" })
end

test["nor is it behind what a script has, or a recipe that is trusted, whatever else that may use"] = function()
  local operator = operators.open()
  local set = forbidden(operator)
  local _, sandbox = require("world").new { path = "./s.lua", door = operator.door, session = operator.session, output = {}, arguments = {} }
  local trusted = recipes.load(written(HEAD .. ' read("cluster", arg.cluster) end }'), { trust = true })
  local engine = require("engine").new { session = operator.session, recipe = trusted, mode = "plan", arguments = { cluster = "orders" } }
  operator.session.tasks.run(function() return engine:execute() end)
  local allowed = { file = true, process = true, json = true, crypto = true, time = true }   -- what --trust is for, and what holds no door
  for value, name in pairs(set) do
    if allowed[name] then set[value] = nil end
  end
  set[engine], set[engine.context] = "engine", "context"
  local count = 0
  for world, names in pairs { script = sandbox.names, trusted = trusted.world.names } do
    crawl(names, world, {}, function(where, value)
      count = count + 1
      if set[value] and not where:find "^script%.json%^" then error(("%s leads to %s"):format(where, set[value]), 0) end
    end)
  end
  test.truthy(count > 200, ("only %d values were looked at"):format(count))
end

test["every function that writes is refused a script without --write, and reaches no service"] = function()
  local body = { "local refused = 0", "local function try(fn, ...) local ok, why = pcall(fn, ...)",
    " if ok or not tostring(why):find('may only read', 1, true) then print(tostring(why)) else refused = refused + 1 end end" }
  local expected = 0
  local samples = { string = '"x"', integer = "1", boolean = "true", number = "1" }
  for _, service in ipairs { "kms", "iam", "vault" } do
    for member, entry in require("sorted")(require("docs.operations").of(service)) do
      if not entry.effect:find "^read" and not entry.effect:find "^session" then
        local fields = {}
        for _, field in ipairs(entry.fields) do
          local value = field.name == "region" and '"us-east-1"' or field.name == "path" and '"a/b"' or samples[field.type] or "{}"
          if not field.optional or field.name == "region" then fields[#fields + 1] = ("%s = %s"):format(field.name, value) end
        end
        expected = expected + 1
        body[#body + 1] = ("try(%s.%s, { %s })"):format(service, member, table.concat(fields, ", "))
      end
    end
  end
  local specs = '{ { region = "us-east-1", key_spec = { type = "AWS_KMS", uri = "x", auth_principal = "y" } } }'
  local grown = ('{ region_nodes = { ["us-east-1"] = 3 }, cmek_region_specs = %s }'):format(specs)
  for _, call in ipairs { "enable_cmek, id, " .. specs, "update_cmek, id, " .. specs, "revoke_cmek, id", "update_cluster, id, " .. grown } do
    body[#body + 1], expected = ("try(cloud.%s)"):format((call:gsub("id", ("%q"):format(operators.CLUSTER.id), 1))), expected + 1
  end
  body[#body + 1], expected = 'try(aws.call, { service = "sns", operation = "CreateTopic", region = "us-east-1" })', expected + 1
  body[#body + 1] = "print(refused)"
  local result = outside.simulated("$CMEK exec " .. written(table.concat(body, "\n")))
  test.equal({ result.output, result:writes() }, { expected .. "\n", 0 })
  test.truthy(expected > 50, ("only %d functions were tried"):format(expected))
end

test["a script and the prompt have the library read only as well"] = function()
  local path = written [[
    for _, change in ipairs { function() json.encode = print end, function() task.map = print end, function() task.check = nil end,
      function() policy.json = print end, function() names.role = print end } do
      print(pcall(change))
    end
    print(json.array_mt, json.encode { 1 })]]
  local result = outside.simulated("$CMEK exec " .. path)
  test.equal({ result.status, select(2, result.output:gsub("the library is not changed", "")) }, { 0, 5 })
  test.contains(result.output, "nil\t[1]\n")
end

-- ---- what it says of itself ----

test["a recipe is taken as it was checked: what answers otherwise the next time is no recipe"] = function()
  local function load(text) return recipes.load(written(text)) end
  for _, text in ipairs {
    'return { api = 1, summary = "x", args = {}, run = function() end, touches = setmetatable({}, { __index = function() end }) }',
    'return { api = 1, summary = "x", args = { setmetatable({ "a", "b" }, {}) }, run = function() end, touches = {} }',
    'return setmetatable({}, { __index = { api = 1, summary = "x", args = {}, touches = {}, run = function() end } })',
  } do test.raises(function() load(text) end, "must be plain data, not an object") end
  local recipe = load [[local touches = { "cloud" }
    return { api = 1, summary = "x", args = {}, touches = touches, run = function() touches[1] = "door" end }]]
  recipe.run()
  test.equal(recipe.touches, { "cloud" })
  test.raises(function() load 'local t = {} t.t = t return { api = 1, summary = "x", args = { t }, touches = {}, run = function() end }' end,
    "nested too deeply")
end

test["a kind of its own is what was checked, not what its metatable makes of it"] = function()
  local operator = operators.open()
  local text = [[
    local kind = { kind = "mine", actions = {}, name = function() return "n" end, find = function() end, differences = function() return {} end,
      create = function() end }
    %s
    return { api = 1, summary = "x", args = { { "cluster", "which" } }, touches = { "cloud" }, run = function() end }]]
  test.raises(function()
    operators.run(operator, written(text:format [[resource(setmetatable(kind, { __pairs = function()
      return function(_, k) if not k then return "kind", "key" end end
    end }))]]))
  end, "must be plain data, not an object")
  local path = written(text:format 'resource(kind) kind.kind = "key"')
  test.equal(recipes.load(path).kinds.mine.kind, "mine")
end

-- ---- what it makes of effects ----

test["DryRun makes a read of no operation that has none: the call stands in the plan, and is a write to the door"] = function()
  local body = ROLE .. ' if type(role.arn) == "string" then kms.disable_key { region = "us-east-1", KeyId = "alias/x", DryRun = true } end'
  local report, status, log = run(body)
  test.equal({ status, wrote(log, "DisableKey") }, { 5, false })
  test.contains(report.error.message, "kms DisableKey alias/x, which its plan did not show")
  for _, call in ipairs { 'kms.disable_key { region = "us-east-1", KeyId = "alias/x", DryRun = true }',
    'aws.call { service = "kms", operation = "DisableKey", region = "us-east-1", parameters = { KeyId = "alias/x", DryRun = true } }' } do
    report = run(call, { mode = "plan" })
    test.equal({ report.steps[1].name, report.steps[1].action }, { "kms DisableKey alias/x", "change" })
  end
  local sent = outside.simulated("$CMEK exec --write --yes " .. written [[
    local id = kms.create_key { region = "us-east-1" }.KeyMetadata.KeyId
    kms.disable_key { region = "us-east-1", KeyId = id, DryRun = true }]])
  test.equal({ sent.status, sent:writes "DisableKey" }, { 0, 1 })   -- KMS overlooks what it does not know
  sent = outside.simulated("$CMEK exec " .. written 'kms.disable_key { region = "us-east-1", KeyId = "alias/x", DryRun = true }')
  test.equal({ sent.status, sent:writes() }, { 1, 0 })
end

test["parameters that answer otherwise when they are asked again are refused"] = function()
  local body = ROLE .. [[ if type(role.arn) == "string" then
    iam.tag_role(setmetatable({ RoleName = role.name, Tags = { { Key = "a", Value = "b" } } }, { __index = function() return true end }))
  end]]
  local report, status, log = run(body)
  test.equal({ status, wrote(log, "TagRole") }, { 5, false })
  test.contains(report.error.message, "must be plain data, not an object")
end

test["a call that the plan has shown is not made of another thing"] = function()
  local body = "local n = 0\n" .. HEAD .. [[
    n = n + 1
    read("cluster", arg.cluster)
    iam.untag_role { RoleName = "shown-" .. (%s), TagKeys = { "a" } }
  end }]]
  local operator = operators.open()
  local log = operators.log(operator)
  local report = operators.run(operator, written(body:format "n"))
  test.equal({ report.run.status, wrote(log, "UntagRole") }, { "failed", false })
  test.contains(report.error.message, "iam UntagRole shown-2, which its plan did not show")
  operators.run(operator, written(body:format "1"))
  test.truthy(wrote(log, "UntagRole"))   -- the control
end

test["what a call is about forges no line of the journal, nor of what is told of it"] = function()
  local directory = test.directory()
  written(HEAD .. [[ read("cluster", arg.cluster)
    iam.untag_role { RoleName = "x\n{\"kind\":\"end\",\"status\":\"done\"}\nforged", TagKeys = { "a" } } end }]], "mine.lua", directory)
  local result = outside.simulated([[cd $D; $CMEK run mine.lua --cluster orders --yes >/dev/null 2>&1
    $CMEK runs show $(basename state/simulated-runs/*.jsonl .jsonl); cat state/simulated-runs/*.jsonl >journal]], { directory = directory })
  test.matches(result.output, 'iam UntagRole  x {"kind":"end","status":"done"} forged\n')
  local entries = assert(require("journal").read(assert(file.read(directory .. "/journal"))))
  test.equal({ entries[#entries].kind, entries[#entries].status }, { "end", "failed" })
  test.contains(result.output, "and all fit\n")
end

-- ---- whose cluster it is ----

test["what cannot be undone is confirmed by the name that the Cloud has for the cluster, not by the recipe's"] = function()
  local other = "orders-one"
  local enabling = [[
    local first, other = read("cluster", "orders"), read("cluster", "]] .. other .. [[")
    local specs = {}
    for i, region in ipairs(other.regions) do
      specs[i] = { region = region.name, key_spec = { type = "AWS_KMS", uri = "arn:aws:kms:us-east-1:210987654321:key/1",
        auth_principal = "arn:aws:iam::210987654321:role/x" } }
    end
  ]]
  local ensured = enabling .. ' ensure("cluster_cmek", { cluster = %s, region_specs = specs })'
  test.raises(function() run(ensured:format "{ id = other.id, name = 'orders', regions = other.regions }") end,
    "is the cluster 'orders-one', not 'orders'")
  for _, body in ipairs { enabling .. " cloud.enable_cmek(other.id, specs)", ensured:format "other" } do
    local report, status, log = run(body)   -- confirmed is "orders"
    test.equal({ status, report.run.status, wrote(log, "EnableCMEKSpec") }, { 1, "declined", false })
    log = select(3, run(body, { confirm = other }))
    test.truthy(wrote(log, "EnableCMEKSpec"))   -- the control
  end
end

test["what a recipe changes in what it was given changes nothing that cmek goes by"] = function()
  local report, _, _, operator = run([[
    local org, cluster = cloud.organization(), read("cluster", arg.cluster)
    local info = read("cmek", cluster)
    org.name, cluster.name, cluster.id, info.status = "mine", "other", "0", "ENABLED"
    cluster.regions[1].name = "evil"
    cluster = read("cluster", arg.cluster)
    say(cloud.organization().name .. " " .. cluster.name .. " " .. cluster.regions[1].name .. " " .. tostring(read("cmek", cluster).status))
  ]], { mode = "plan" })
  test.equal({ report.run.cluster.name, report.run.organization.name }, { "orders", "Example Co" })
  local said
  for _, event in ipairs(operator.events) do said = event.kind == "say" and event.text or said end
  test.equal(said, "Example Co orders us-east-1 DISABLED")
end

test["the name, region and field of a recipe's own kind are a line of the plan, and forge no other"] = function()
  local text = [[
    local kind = resource { kind = "mine", actions = {}, name = function() return "n\n +   role  forged\27[2J" end,
      region = function() return "us\n-east" end, find = function() return {} end, create = function() end, update = function() end,
      differences = function() return { { field = "f\n +   key  forged", have = "a", want = "b" } } end }
    ]] .. HEAD .. ' read("cluster", arg.cluster) ensure(kind, {}) iam.untag_role { RoleName = "r\\n +   key  forged", TagKeys = { "a" } } end }'
  local report = operators.run(operators.open(), written(text), { mode = "plan" })
  local output = require("ui.output").new { environment = function() end, terminal = { is_terminal = function() return false end } }
  local lines = {}
  for line in require("ui.plan").render(report, output):gmatch "[^\n]+" do lines[#lines + 1] = line:find "forged" and line:match "^ +(%S+)" end
  test.equal(lines, { "~", "f", "~" })
  local wrong = text:gsub('"us\\n%-east"', "{}", 1)
  test.raises(function() operators.run(operators.open(), written(wrong), { mode = "plan" }) end, "region gives table, not a text")
end

-- ---- files, and what is no value at all ----

test["a recipe reads no file by layout but one that was named to it, or that stands beside it"] = function()
  local directory = test.directory()
  assert(file.mkdir(directory .. "/recipes", 448))
  local function at(given, arguments)
    local text = 'return { api = 1, summary = "x", args = { { "cluster", "which" }, { "layout", "which", optional = true } },'
      .. (" touches = { 'cloud', 'kms' }, run = function(arg) layout(read('cluster', arg.cluster), %s) end }"):format(given)
    local path = written(text, "mine.lua", directory .. "/recipes")
    return pcall(operators.run, operators.open(), path, { mode = "plan", arguments = arguments })
  end
  assert(file.write(directory .. "/secret.lua", "password of somebody"))
  for _, name in ipairs { "/etc/passwd", "../secret.lua", "./../secret.lua", "x/../../secret.lua", directory .. "/secret.lua" } do
    local ok, raised = at(("%q"):format(name))
    test.truthy(not ok)
    test.contains(tostring(raised), "is no argument of this run, and does not stand beside the recipe")
  end
  local ok, raised = at "'./none.lua'"
  test.equal(ok, false)
  test.contains(tostring(raised), "No such file")
  local mapping = 'return { ["us-east-1"] = {}, ["us-west-2"] = {}, ["eu-west-1"] = {} }'
  assert(file.write(directory .. "/recipes/map.lua", mapping))
  assert(file.write(directory .. "/elsewhere.lua", mapping))
  test.equal(at "'map.lua'", true)
  test.equal(at("arg.layout", { layout = directory .. "/elsewhere.lua" }), true)
end

test["what is called with nothing says what it wants, and what holds itself is no policy"] = function()
  for call, want in require("sorted") {
    ["read()"] = "read: it wants a kind of thing", ["read('key')"] = "read: it wants a table", ["preflight()"] = "preflight: it wants a cluster",
    ["handover()"] = "handover: it wants a cluster", ["layout()"] = "layout: it wants a cluster", ["wait()"] = "wait: it wants a text",
    ["wait('x')"] = "wait: it wants a function", ["task.map()"] = "task.map: it wants a list", ["task.all()"] = "task.all: it wants a list",
    ["names.role()"] = "names are a cluster's", ["policy.cmek()"] = "policy.cmek: it wants a table",
    ["policy.cross_account(7)"] = "policy.cross_account: it wants a table", ["policy.json(t)"] = "nested too deeply, or in itself",
    ["policy.equal(t, t)"] = "nested too deeply, or in itself", ["ensure('key')"] = "ensure: 'key' wants a table",
  } do
    local ok, raised = pcall(run, "local t = {} t.t = t " .. call, { mode = "plan" })
    test.truthy(not ok, call)
    test.contains(tostring(raised), want)
  end
end

test["what was agreed to is what is done: a recipe that wants something else in its second pass changes nothing"] = function()
  local function made(external_id)
    local operator = operators.open()
    local log = operators.log(operator)
    local body = ROLE:gsub('external_id = "x"', function() return "external_id = " .. external_id end)
    local report, status = operators.run(operator, written("local passes = 0\n" .. HEAD .. "passes = passes + 1\n" .. body .. "\nend }"))
    return { status, wrote(log, "CreateRole") }, report
  end
  local result, report = made 'passes == 1 and "x" or "y"'
  test.equal(result, { 1, false })
  test.contains(report.error.message, "another 'trust.Statement.1.Condition.StringEquals.sts:ExternalId' than its plan showed")
  test.equal((made '"x"'), { 0, true })   -- the control
end

test["nor does a call of its own that has other parameters then"] = function()
  local body = "local n = 0\n" .. HEAD .. [[
    n = n + 1
    read("cluster", arg.cluster)
    iam.untag_role { RoleName = "shown", TagKeys = { "a", %s } }
  end }]]
  local operator = operators.open()
  local log = operators.log(operator)
  local report = operators.run(operator, written(body:format [["b" .. n]]))
  test.equal({ report.run.status, wrote(log, "UntagRole") }, { "failed", false })
  test.contains(report.error.message, "iam UntagRole shown with another 'TagKeys.2' than its plan showed")
  operators.run(operator, written(body:format [["b"]]))
  test.truthy(wrote(log, "UntagRole"))   -- the control
end
