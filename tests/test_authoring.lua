-- Recipes of one's own: ejected with their origin, compared with it, looked at without being run, begun, and tested by sentences.
local check = require "authoring.check"
local file = require "file"
local json = require "json"
local origin = require "authoring.origin"
local outside = dofile "tests/outside.lua"
local recipe = require "recipe"
local unified = require "authoring.unified"

local function written(text, name, directory)
  local path = (directory or test.directory()) .. "/" .. (name or "mine.lua")
  assert(file.write(path, text))
  return path
end

-- `cmek recipes …` in a directory of its own, with its own state directory.
local function run(command, directory)
  return outside.simulated("cd $D; " .. command, { directory = directory })
end

local console = recipe.source "console"

-- What check finds, as lines.
local function found(text, name, directory)
  local path, lines = written(text, name, directory), {}
  for i, finding in ipairs(check.check(path)) do
    lines[i] = ("%s:%d: %s"):format(finding.file:match "[^/]*$", finding.line, finding.text)
  end
  return lines
end

-- The same of a recipe whose run has this body, from line 3 on.
local function in_run(body, touches)
  local t = 'return { api = 1, summary = "x", args = { { "cluster", "its name" } }, touches = { %s }, run = function(arg)\nlocal _ = arg\n%s\nend }'
  return found(t:format(touches or '"cloud", "iam", "kms", "tagging", "sts", "vault"', body))
end

-- Origin ---------------------------------------------------------------------------------------------------------------------

test["an ejected recipe says in its first line where it is from, by version and hash, and runs unchanged"] = function()
  local result = run "$CMEK recipes eject console && $CMEK run ./console.lua --cluster orders --yes --json >run.json"
  test.equal(result.status, 0)
  local from, rest = origin.read(assert(file.read(result.directory .. "/console.lua")))
  test.equal(from, { name = "console", version = require "version", hash = origin.hash(console) })
  test.equal(rest, console)
  test.equal(json.decode(file.read(result.directory .. "/run.json")).run.status, "done")
end

test["an ejected multi-region still finds the console that it is built on"] = function()
  local result = run "$CMEK recipes eject multi-region ./mine.lua && $CMEK plan ./mine.lua --cluster orders"
  test.contains(result.output, "Plan: ")
  test.equal(run("$CMEK plan multi-region --cluster orders").status, result.status)
end

test["every stock recipe and layout can be ejected, and is a recipe or a layout all the same"] = function()
  for _, name in ipairs(recipe.names()) do test.equal(recipe.load(written(origin.eject(name))).summary, recipe.load(name).summary) end
  local result = run "$CMEK recipes eject layouts/residency ./map.lua && $CMEK recipes diff map.lua"
  test.equal(result.status, 0)
  test.contains(result.output, "map.lua is as it was ejected.")
  test.contains(file.read(result.directory .. "/map.lua"), "-- From the recipe layouts/residency of cmek ")
end

test["a copy of what was ejected is kept under its hash"] = function()
  local result = run "$CMEK recipes eject console"
  test.equal(file.read(("%s/state/origins/%s.lua"):format(result.directory, origin.hash(console))), console)
end

-- A file of an older cmek, whose console had another summary and a line more at its end, changed in one line of its own.
local function upgraded(keep)
  local directory = test.directory()
  local old = console:gsub("Create the cross%-account role", "Make the cross-account role") .. "-- the end\n"
  local line = origin.eject("console"):match "^[^\n]*\n":gsub(origin.hash(console), origin.hash(old)):gsub("of cmek [%d.]+", "of cmek 0.0.9")
  written(line .. old:gsub('default = 365', 'default = 90'), "mine.lua", directory)
  if keep then
    assert(file.mkdir(directory .. "/state/origins"))
    written(old, origin.hash(old) .. ".lua", directory .. "/state/origins")
  end
  return directory, old
end

test["diff after an upgrade tells what the stock recipe changed apart from what the file did"] = function()
  local result = run("$CMEK recipes diff mine.lua --json", upgraded(true))
  local document = json.decode(result.output)
  test.equal(document.schema, "cmek.recipe_diff/1")
  test.contains(document.stock, '\n+  summary = "Create the cross-account role')
  test.contains(document.stock, "\n--- the end\n")
  test.truthy(not document.stock:find("default = 90", 1, true))
  test.contains(document.mine, "default = 90")
  test.truthy(not document.mine:find("\n+  summary", 1, true))
  test.equal(document.both, {})
end

test["a line that both sides changed is named"] = function()
  test.equal(unified.both("a\nb\nc\n", "a\nB\nc\n", "a\nbb\nc\n"), { 2 })
  test.equal(unified.both("a\nb\nc\n", "a\nB\nc\n", "a\nB\nc\n"), {})   -- in the same way
  test.equal(unified.both("a\nb\nc\n", "A\nb\nc\n", "a\nb\nC\n"), {})
end

test["without the copy diff says how to get it, and takes it as a second file; another text is refused"] = function()
  local directory, old = upgraded(false)
  local result = run("$CMEK recipes diff mine.lua", directory)
  test.equal(result.status, 1)
  test.contains(result.errors, "that version prints it: cmek recipes show console > origin.lua")
  written(old, "origin.lua", directory)
  result = run("$CMEK recipes diff mine.lua origin.lua", directory)
  test.equal(result.status, 0)
  test.contains(result.output, "What cmek has changed in console since:")
  written(old .. "x", "origin.lua", directory)
  test.contains(run("$CMEK recipes diff mine.lua origin.lua", directory).errors, "its SHA-256 is another")
end

test["a file that was not ejected has nothing to be compared with, and that is said"] = function()
  local directory = test.directory()
  written(console, "mine.lua", directory)
  local result = run("$CMEK recipes diff mine.lua", directory)
  test.equal(result.status, 2)
  test.contains(result.errors, "does not say which recipe it is from")
end

test["differences come as diff -u writes them, so that patch takes them"] = function()
  local first = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n"
  local second = "1\nzwei\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n"
  test.equal(unified.diff(first, second, { "a", "b" }),
    "--- a\n+++ b\n@@ -1,5 +1,5 @@\n 1\n-2\n+zwei\n 3\n 4\n 5\n@@ -10,3 +10,4 @@\n 10\n 11\n 12\n+13\n")
  test.equal(unified.diff(first, first, { "a", "b" }), "")
end

-- check ----------------------------------------------------------------------------------------------------------------------

test["check finds nothing in the stock recipes"] = function()
  for _, name in ipairs(recipe.names()) do test.equal(check.check(name), {}) end
end

test["check tells a syntax error by its line"] = function()
  test.equal(found "return {\n  api = = 1 }", { "mine.lua:2: unexpected symbol near '='" })
end

test["check finds globals that no recipe has, and says why or what was meant"] = function()
  test.equal(in_run "ensrue('key', {})\nos.exit()\nx = 1\nlocal y = 2\nreturn y, policy.cmekk", {
    "mine.lua:3: 'ensrue' is unknown here; did you mean 'ensure'?",
    "mine.lua:4: 'os' is not part of a recipe's world: a recipe starts nothing and reads no clock",
    "mine.lua:5: 'x' would be global: write local x",
    "mine.lua:7: policy has no 'cmekk'; did you mean 'cmek'?" })
end

test["check finds misspelt arguments of what the library has, by file and line"] = function()
  local cases = {
    { "policy.cmek { role = 'x', admin5 = {} }", "policy.cmek has no field 'admin5'; did you mean 'admins'?" },
    { "ensure('key', { cluster = {}, region = 'x', policy = {}, rotaton = 1 })", "kind 'key' has no field 'rotaton'; did you mean 'rotation'?" },
    { "ensure('rolle', {})", "there is no kind 'rolle'; did you mean 'role'?" },
    { "kms.describe_key { region = 'x', keyid = 'y' }", "kms.describe_key has no field 'keyid'; did you mean 'KeyId'?" },
    { "kms.describe_kye { }", "kms has no 'describe_kye'; did you mean 'describe_key'?" },
    { "iam.create_role { RoleNam = 'y' }", "iam.create_role has no field 'RoleNam'; did you mean 'RoleName'?" },
    { "vault.kv_read { mount = 'x', pth = 'y' }", "vault.kv_read has no field 'pth'; did you mean 'path'?" },
    { "cloud.organisation()", "cloud has no 'organisation'; did you mean 'organization'?" },
    { "local cmek = policy.cmek cmek { role = 'x', admin = {} }", "policy.cmek has no field 'admin'; did you mean 'admins'?" },
    { "require('policy').cmek { rolle = 'x' }", "policy.cmek has no field 'rolle'; did you mean 'role'?" },
    { "return arg.clutser", "args has no 'clutser'; did you mean 'cluster'?" },
    { "resource { kind = 'topic', actoins = {}, name = tostring, find = tostring, create = tostring }",
      "resource has no field 'actoins'; did you mean 'actions'?" },
    { "require 'nowhere'", "there is no module 'nowhere' in the library or beside the recipe" },
  }
  for _, case in ipairs(cases) do test.equal(in_run(case[1]), { "mine.lua:3: " .. case[2] }) end
end

test["check knows what is local, in every way that Lua has to make it so"] = function()
  test.equal(in_run [==[
    local a <const>, b = 1, "x \" os"
    local function f(c, ...) if a then return c, ... elseif b then return f(b) else return nil end end
    for i = 1, 3 do f(i) end
    for k, v in pairs { [a] = 1, n = f, [[os]] } do f(k, v) end
    repeat local done = true until done
    while a == 2 do break end
    do local t = { f = f } function t.g(x) return x end function t:h() return self end f(t.g(t:h())) end
    goto over
    ::over:: f "text" f { 1 } f [=[ os ]=] -- os
    --[[ os
    os ]]
    return -a + #b .. 0x1F // 1e3 << 2, not b, function(o) return o end]==], {})
end

test["check finds what a recipe lacks: api, summary, texts of arguments, run"] = function()
  test.equal(found 'return { api = 2, summary = "",\n  args = { { "a" },\n  { "b", "text", typ = "x" } }, touches = { "KMS" }, author = "me" }', {
    "mine.lua:1: run is missing: function(arg) … end",
    "mine.lua:1: api must be 1",
    "mine.lua:1: summary has no text: one line that says what it is for",
    "mine.lua:2: args[1] 'a' has no text",
    "mine.lua:3: args[2] 'b' has an unknown field 'typ'",
    "mine.lua:3: touches names 'KMS', which is no service; did you mean 'kms'?",
    "mine.lua:3: a recipe has no field 'author'",
  })
  test.equal(found "local x = 1", { "mine.lua:1: it must return a table { api = 1, summary =, args =, touches =, run = }" })
end

test["check finds services that are used and not touched, by themselves and through kinds"] = function()
  test.equal(in_run("local c = read('cluster', arg.cluster)\nensure('role', { cluster = c, trust = {} })\n"
    .. "kms.list_keys { region = 'x' }", '"cloud"'), {
    'mine.lua:4: ensure "role" is used, and touches does not name "iam"',
    'mine.lua:5: kms is used, and touches does not name "kms"' })
  test.equal(in_run("local c = read('cluster', arg.cluster)\nensure('role', { cluster = c, trust = {} })", '"cloud", "iam"'), {})
end

test["check looks into the modules beside the recipe, and takes kinds of the recipe's own"] = function()
  local directory = test.directory()
  written("local M = {}\nfunction M.f() return polcy end\nreturn M", "part.lua", directory)
  test.equal(found('local topic = resource { kind = "topic", actions = {}, name = tostring, find = tostring, create = tostring }\n'
    .. 'return { api = 1, summary = "x", args = {}, touches = {}, run = function()\n'
    .. '  ensure(topic, { any = require("part").f() })\n  ensure("topic", { any = 1 })\nend }', "mine.lua", directory),
    { "part.lua:2: 'polcy' is unknown here; did you mean 'policy'?" })
end

test["check finds what is wrong with a call of any service, in the words of the call itself"] = function()
  local touches = '"cloud", "sns", "lambda"'
  local cases = {
    { "aws.call { service = 'sns', opration = 'ListTopics', region = arg.cluster }",
      "aws.call: it has no field 'opration'; did you mean 'operation'?" },
    { "aws.call { service = 'sns', operation = 'list_topics', region = 'x' }",
      "aws.call: there is no operation 'list_topics': the API names them like \"ListTopics\"" },
    { "aws.call { service = 'sns', operation = 'ListTopics', parameters = arg }",
      'aws.call: field \'region\' is missing: sns is asked in a region: region = "us-east-1", or one of the cluster\'s: cluster.regions[1].name' },
    { "aws.call { service = 'sns', operation = arg.x .. 'y', region = 'x', TopicArn = 'y' }",
      "aws.call: it has no field 'TopicArn': the operation's own stand in parameters = { TopicArn = … }" },
    { "aws.call { service = 'lambda', operation = 'Invoke', region = 'x', protocol = 'rest-json', method = 'GET' }",
      'aws.call: the protocol rest-json wants path = "/2015-03-31/functions" as well' },
    { "aws.call { service = 'sqs', operation = 'ListQueues', region = 'x' }", 'aws.call of sqs is used, and touches does not name "sqs"' },
    { "aws.call { service = 'sns', operation = 'ListTopic', region = 'x' }",
      "sns has no operation 'ListTopic' that cmek knows to read; did you mean 'ListTopics'?" },
    { "aws.cal { service = 'sns' }", "aws has no 'cal'; did you mean 'call'?" },
    { "sns.list_topics {}", "'sns' has no functions of its own: aws.call { service = \"sns\", operation = … }" },
  }
  for _, case in ipairs(cases) do
    local lines = {}
    for _, line in ipairs(in_run(case[1], touches)) do
      if not line:find("args has no", 1, true) and not line:find("touches names 'lambda'", 1, true) then lines[#lines + 1] = line end
    end
    test.equal(lines, { "mine.lua:3: " .. case[2] })
  end
  test.equal(in_run("aws.call { service = arg.cluster, operation = arg.cluster, region = arg.cluster, parameters = arg.cluster }"
    .. "\naws.call(arg)\naws.call { service = 'route53', operation = 'Invoke', protocol = 'rest-xml', method = 'GET', path = '/' }"
    .. "\naws.call { service = 'lambda', operation = 'Invoke', region = 'x', protocol = 'rest-json', method = 'GET', path = '/' }",
    '"cloud", "lambda", "route53"'), {})
end

test["a service that nobody knows and nothing calls is told as misspelt"] = function()
  test.equal(in_run("local c = read('cluster', arg.cluster)", '"cloud", "kmss"'),
    { "mine.lua:1: touches names 'kmss', which is no service that cmek knows, and no aws.call here; did you mean 'kms'?" })
end

-- What is found of a kind: a topic, with changes; from line 2 on.
local function of_kind(changes, touches)
  local parts = { kind = '"topic"', actions = '{ sns = { "ListTopics", "CreateTopic" } }', name = "function(want) return want.name end",
    find = 'function() return aws.call { service = "sns", operation = "ListTopics", region = "x" }.Topics end',
    create = 'function() aws.call { service = "sns", operation = "CreateTopic", region = "x" } end' }
  for name, value in pairs(changes) do parts[name] = value or nil end
  local lines = {}
  for name, value in require("sorted")(parts) do lines[#lines + 1] = ("%s = %s,\n"):format(name, value) end
  return found(('return { api = 1, summary = "x", args = {}, touches = { %s }, run = function() end, x = resource {\n%s} }')
    :format(touches or '"sns", "iam"', table.concat(lines)))
end

test["check sees through a function that is given the operation"] = function()
  local asker = "local function sns(want, operation) return aws.call { service = 'sns', operation = operation, region = want } end\n"
  local function of(operation, field)
    return in_run(asker .. ("resource { kind = 'topic', actions = { sns = { 'ListTopics', 'CreateTopic' } }, name = tostring, find = tostring,\n"
      .. "create = tostring, %s = function() sns('x', '%s') end }"):format(field or "update", operation), '"sns"')
  end
  test.equal(of "CreateTopic", {})
  test.equal(of "create_topic", { "mine.lua:5: 'create_topic' is no operation: the API names them like \"CreateTopic\"" })
  test.equal(of "CreatTopic", { "mine.lua:5: update calls sns CreatTopic, and actions do not name it; did you mean 'CreateTopic'?" })
  test.equal(of("CreateTopic", "ready"), { "mine.lua:5: ready calls sns CreateTopic, which changes something: only create, update and delete may" })
end

test["check names what a kind of the library's needs, and what no kind takes"] = function()
  test.equal(in_run("ensure('role', { trust = {} })"), { "mine.lua:3: ensure: kind 'role' needs a 'cluster': cmek help ensure role" })
  test.equal(in_run("ensure(arg.cluster, { tag = 'x' })"), { "mine.lua:3: no kind takes a field 'tag'; did you mean 'tags'?" })
end

test["check finds what is wrong with a kind of the recipe's own"] = function()
  local own = "mine.lua:1: a recipe has no field 'x'"
  test.equal(of_kind {}, { own })
  local cases = {
    { { find = false }, "mine.lua:1: resource has no find: find(want) gives what is there now, or nil" },
    { { find = false, name = false, actions = false }, "mine.lua:1: resource has no actions, no name and no find: cmek help resource" },
    { { find = '"x"' }, "mine.lua:4: find must be a function, and is a string: find(want) gives what is there now, or nil" },
    { { kind = '"key"' }, "mine.lua:5: kind 'key' is one of cmek's own: choose another name" },
    { { kind = '"My Topic"' }, "mine.lua:5: kind 'My Topic' must be a word of lower-case letters, digits and '_'" },
    { { find = 'function() return aws.call { service = "sns", operation = "GetTopicAttributes", region = "x" } end' },
      'mine.lua:4: find calls sns GetTopicAttributes, and actions do not name it: actions = { sns = { "GetTopicAttributes", … } }' },
    { { find = 'function() return aws.call { service = "sns", operation = "CreateTopic", region = "x" } end' },
      "mine.lua:4: find calls sns CreateTopic, which changes something: only create, update and delete may" },
    { { actions = '{ sns = { "ListTopics", "CreateTopic" }, iam = { "GetRoel" } }' },
      "mine.lua:2: actions.iam: iam has no operation 'GetRoel' here; did you mean 'GetRole'?" },
    { { actions = '{ sns = { "ListTopics", "CreateTopic", "list_tags" } }' },
      "mine.lua:2: actions.sns: 'list_tags' is no operation: the API names them like \"ListTags\"" },
    { { actions = '{ sns = { "ListTopics", "CreateTopic" }, kms = { "ListKeys" } }' },
      'mine.lua:2: actions.kms is used, and touches does not name "kms"' },
    { { actions = '{ sns = "ListTopics" }', find = "tostring", create = "tostring" },
      'mine.lua:2: actions.sns is a list of operations: sns = { "ListTopics" }' },
    { { update = "function() iam.delete_role { RoleName = 'x' } end", actions = '{ sns = { "ListTopics", "CreateTopic" }, iam = { "DeleteRole" } }' },
      "mine.lua:7: update calls iam DeleteRole, which deletes: only delete may, for cmek destroy" },
  }
  for _, case in ipairs(cases) do
    local lines = {}
    for _, line in ipairs(of_kind(case[1])) do
      if line ~= own then lines[#lines + 1] = line end
    end
    test.equal(lines, { case[2] })
  end
end

test["check ends with 6 when something is wrong, and 0 when nothing is"] = function()
  local result = run [[$CMEK recipes eject console mine.lua; $CMEK recipes check mine.lua && sed -i 's/admins = /admin5 = /' mine.lua &&
    $CMEK recipes check mine.lua]]
  test.equal(result.status, 6)
  test.contains(result.output, "mine.lua: nothing is wrong with it\n")
  test.matches(result.output, "\nmine.lua:40: policy.cmek has no field 'admin5'; did you mean 'admins'%?\n")
  local document = json.decode(run("$CMEK recipes check mine.lua --json", result.directory).output)
  test.equal({ document.schema, document.findings[1].line }, { "cmek.recipe_check/1", 40 })
end

test["a layout is no recipe, and check says what looks at it"] = function()
  local result = run "$CMEK recipes eject layouts/residency ./map.lua; $CMEK recipes check map.lua"
  test.equal(result.status, 2)
  test.contains(result.errors, "cmek plan console --cluster NAME --layout ./map.lua")
end

-- new and test ---------------------------------------------------------------------------------------------------------------

test["a new recipe runs, has nothing that check finds, and its sentences hold"] = function()
  local result = run [[$CMEK recipes new notify && $CMEK recipes check notify.lua && $CMEK run ./notify.lua --cluster orders --yes &&
    $CMEK recipes test notify.lua]]
  test.equal(result.status, 0)
  test.contains(result.output, "ok      makes the role, and makes it once\n")
  test.contains(result.output, "4 of 4 sentences hold\n")
  test.equal(file.list(result.directory .. "/state/trials"), {})   -- nothing is left of the simulated services
  local again = run("$CMEK recipes new notify", result.directory)
  test.equal(again.status, 1)
  test.contains(again.errors, "exists")
end

test["a sentence that does not hold is told with its line, and ends the command with 1"] = function()
  local directory = test.directory()
  run("$CMEK recipes new mine", directory)
  written('test["fails"] = function()\n  local result = run({ cluster = "orders" }, { faults = { "error service=iam operation=CreateRole '
    .. 'code=LimitExceeded message=No more" } })\n  contains(result.error.message, "No more")\n  equal(result.exit, 0)\nend\n'
    .. 'test["has no machine"] = function() os.exit(0) end', "mine.test.lua", directory)
  local result = run("$CMEK recipes test ./mine.lua --json", directory)
  test.equal(result.status, 1)
  local document = json.decode(result.output)
  test.equal(document.sentences[1].sentence, "fails")
  test.contains(document.sentences[1].wrong, "./mine.test.lua:4: got 1, want 0\n  4 |   equal(result.exit, 0)\n")
  test.matches(document.sentences[1].wrong, "\ncmek run ended with exit status 1: .*No more")
  test.contains(document.sentences[2].wrong, "'os' is not part of a recipe's world")
end
