-- plan --requests: what is shown beforehand is what the simulated services get afterwards, in the same order, parameter by parameter.
local json = require "json"
local operator = dofile "tests/operator.lua"
local wire = require "sim.wire"

-- Writes that the simulated services get from now on.
local function received(who)
  local list, handle = {}, who.simulation.handle
  function who.simulation:handle(request)
    local call = wire.read(request)
    local cloud = request.target:find "^/api/v1/" and request.method ~= "GET"
    if cloud or call.operation and require("door").effect(call.service, call.operation) == "write" then
      table.insert(list, { service = cloud and "cloud" or call.service, operation = cloud and "EnableCMEKSpec" or call.operation,
        region = call.service == "kms" and call.scope_region or json.null, parameters = cloud and json.decode(request.body) or call.parameters })
    end
    return handle(self, request)
  end
  return list
end

local function plain(text) return (text:gsub("%p", "%%%0")) end

-- Whether a value that was sent is the one that was shown; what was not known then may be anything.
local function fits(shown, sent)
  if type(shown) == "table" then
    if type(sent) ~= "table" then return false end
    for name, value in pairs(shown) do
      if not fits(value, sent[name]) then return false end
    end
    for name in pairs(sent) do
      if shown[name] == nil then return false end
    end
    return true
  end
  if type(shown) == "string" and shown:find(", known after apply)", 1, true) then
    local pattern = plain(shown):gsub("%%%(.-known after apply%%%)", ".+")
    return tostring(sent):find("^" .. pattern .. "$") ~= nil
  end
  return tostring(shown) == tostring(sent)   -- IAM takes everything as text
end

local function place(request) return request.service == "kms" and request.region or request.service end

-- By service and region, since regions go side by side.
local function by_place(list)
  local places = {}
  for _, request in ipairs(list) do
    places[place(request)] = places[place(request)] or {}
    table.insert(places[place(request)], request)
  end
  return places
end

local function names_of(list)
  local names = {}
  for i, request in ipairs(list or {}) do names[i] = ("%s %s"):format(request.service, request.operation) end
  return names
end

-- Plans with requests, then runs: both must agree. Returns what was shown.
local function agree(who, recipe, arguments)
  local plan = operator.run(who, recipe, { mode = "plan", arguments = arguments, requests = true })
  json.encode(plan)
  local sent = received(who)
  local report = operator.run(who, recipe, { arguments = arguments })
  test.equal(report.run.status, "done")
  local shown, got = by_place(plan.requests), by_place(sent)
  for where, list in require("sorted")(got) do
    test.equal(names_of(shown[where]), names_of(list))
    for i, request in ipairs(list) do
      test.truthy(fits(shown[where][i].parameters, request.parameters),
        ("%s: shown %s\n      sent %s"):format(where, test.show(shown[where][i].parameters), test.show(request.parameters)))
    end
  end
  test.equal(#plan.requests, #sent)
  for _, request in ipairs(plan.requests) do test.equal(request.followed_by, nil) end
  return plan.requests, sent
end

test["what a first run sends is what its plan shows"] = function()
  local requests, sent = agree(operator.open(), "console", { enable = true })
  test.equal(#requests, 11)
  test.equal(names_of { sent[1], requests[1], requests[2], requests[3], requests[4], requests[11] },
    { "iam CreateRole", "iam CreateRole", "kms CreateKey", "kms CreateAlias", "kms EnableKeyRotation", "cloud EnableCMEKSpec" })
end

test["a parameter that is shown otherwise than it is sent would be noticed"] = function()
  test.truthy(fits({ a = "x/(ID of key a in b, known after apply)" }, { a = "x/1234" }))
  test.truthy(not fits({ a = "x/(ID of key a in b, known after apply)" }, { a = "y/1234" }))
  test.truthy(not fits({ a = "x" }, { a = "x", b = "y" }))
  test.truthy(not fits({ a = "x", b = "y" }, { a = "x" }))
  test.truthy(not fits({ a = { "x" } }, { a = { "z" } }))
end

test["what repairs a change by hand is what the plan shows, with the policies in full"] = function()
  local who = operator.open()
  operator.run(who, "console")
  operator.within(who, function(session)
    local role, key = operator.role(who), operator.key(who, "us-west-2")
    session.iam.update_assume_role_policy { RoleName = role.RoleName,
      PolicyDocument = role.AssumeRolePolicyDocument:gsub("sts:ExternalId", "aws:PrincipalTag/x") }
    session.iam.untag_role { RoleName = role.RoleName, TagKeys = { "cmek:run" } }
    session.kms.disable_key_rotation { region = "us-east-1", KeyId = operator.key(who, "us-east-1").KeyId }
    local policy = json.decode(key.Policy)
    table.remove(policy.Statement[1].Action, 1)
    table.insert(policy.Statement, { Sid = "Auditors", Effect = "Allow", Principal = { AWS = "arn:aws:iam::210987654321:root" },
      Action = "kms:Describe*", Resource = "*" })
    session.kms.put_key_policy { region = "us-west-2", KeyId = key.KeyId, Policy = json.encode(policy) }
    session.kms.untag_resource { region = "eu-west-1", KeyId = operator.key(who, "eu-west-1").KeyId, TagKeys = { "cmek:run", "cmek:region" } }
  end)
  local requests = agree(who, "console")
  local names = names_of(requests)
  table.sort(names)
  test.equal(names, { "iam TagRole", "iam UpdateAssumeRolePolicy", "kms EnableKeyRotation", "kms PutKeyPolicy", "kms TagResource" })
  for _, request in ipairs(requests) do
    if request.operation == "PutKeyPolicy" then
      test.contains(request.parameters.Policy, '"Auditors"')
      test.contains(request.parameters.Policy, '"kms:Encrypt"')
    end
  end
end

test["what a company asks for beside is shown as it is sent, when things are made and when they are there"] = function()
  local arguments = { tag = { "team=payments", "cost=12" }, multi_region_key = true, role_path = "/platform/" }
  local who = operator.open()
  test.equal(#agree(who, "console", arguments), 10)
  local policies = who.simulation.state.aws[operator.ACCOUNT].iam.policies
  arguments.permissions_boundary = "arn:aws:iam::210987654321:policy/limits"
  table.insert(policies, { PolicyName = "limits", Arn = arguments.permissions_boundary, Path = "/", DefaultVersionId = "v1",
    PolicyId = "ANPASIMULATED00001", CreateDate = "2026-01-01T00:00:00Z", AttachmentCount = 0,
    PolicyDocument = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*"}]}' })
  arguments.tag[3] = "stage=live"
  local names = names_of(agree(who, "console", arguments))
  table.sort(names)
  test.equal(names, { "iam PutRolePermissionsBoundary", "iam TagRole", "kms TagResource", "kms TagResource", "kms TagResource" })
end

test["what adopt tags and claims is shown as it is sent"] = function()
  local who = operator.open()
  operator.run(who, "console", { arguments = { enable = true } })
  operator.role(who).Tags = json.array {}
  for _, region in require("sorted")(who.simulation.state.aws[operator.ACCOUNT].kms) do
    region.aliases = json.array {}
    for _, key in ipairs(region.keys) do key.Tags = json.array {} end
  end
  local names = names_of(agree(who, "adopt"))
  table.sort(names)
  test.equal(names, { "iam TagRole", "kms CreateAlias", "kms CreateAlias", "kms CreateAlias", "kms TagResource", "kms TagResource",
    "kms TagResource" })
end

test["what a plan shows is what sim --log has of the run"] = function()
  local outside = dofile "tests/outside.lua"
  local result = outside.simulated('"$CMEK" plan console --cluster orders --enable --requests --json 2>/dev/null; '
    .. '"$CMEK" run console --cluster orders --enable --yes --confirm orders >/dev/null 2>&1')
  local shown, logged = by_place(json.decode(result.output).requests), {}
  for _, entry in ipairs(result.log) do
    if entry.write then table.insert(logged, { service = entry.service, operation = entry.operation, region = entry.region }) end
  end
  for where, list in require("sorted")(by_place(logged)) do test.equal({ where, names_of(list) }, { where, names_of(shown[where]) }) end
end

test["where nothing is to do, or a step is refused, no request would be sent"] = function()
  local who = operator.open()
  operator.run(who, "console")
  test.equal(#operator.run(who, "console", { mode = "plan", requests = true }).requests, 0)
  operator.role(who).Tags[1].Value = "another"
  local plan = operator.run(who, "console", { mode = "plan", requests = true })
  test.truthy(plan.summary.refused > 0)
  test.equal(#plan.requests, 0)
end

test["a rehearsal sends nothing that writes"] = function()
  local who = operator.open()
  local sent = received(who)
  test.equal(#operator.run(who, "console", { mode = "plan", requests = true, arguments = { enable = true } }).requests, 11)
  test.equal(sent, {})
  test.equal(operator.role(who), nil)
end

test["a recipe's own kinds and calls are rehearsed too"] = function()
  local path = test.directory() .. "/mine.lua"
  assert(require("file").write(path, [[
    local role_tag = resource {
      kind = "role_tag", actions = { iam = { "GetRole", "ListRoleTags", "TagRole" } },
      name = function(want) return want.role .. " " .. want.tag end,
      find = function(want)
        for _, tag in ipairs(iam.find_role { RoleName = want.role } and iam.list_role_tags { RoleName = want.role }.Tags or {}) do
          if tag.Key == want.tag then return tag end
        end
      end,
      differences = function(want, have) return have.Value == want.value and {} or { { field = "value", have = have.Value, want = want.value } } end,
      create = function(want) iam.tag_role { RoleName = want.role, Tags = { { Key = want.tag, Value = want.value } } } end,
    }
    return { api = 1, summary = "x", args = { { "cluster", "x" } }, touches = { "cloud", "iam" }, run = function(arg)
      local org, cluster = cloud.organization(), read("cluster", arg.cluster)
      local role = ensure("role", { cluster = cluster,
        trust = policy.cross_account { account_id = cluster.account_id, external_id = org.id } })
      ensure(role_tag, { role = role.name, tag = "team", value = "payments" })
      iam.update_role { RoleName = role.name, Description = "of " .. role.arn }
    end }]]))
  local requests = agree(operator.open(), path)
  test.equal(names_of(requests), { "iam CreateRole", "iam TagRole", "iam UpdateRole" })
end

test["requests are told as text with their policies laid out, before the plan's last line"] = function()
  local who = operator.open()
  local plan = operator.run(who, "console", { mode = "plan", requests = true, arguments = { enable = true } })
  local output = require("ui.output").new { environment = function() end, terminal = { is_terminal = function() return false end } }
  local text = require("ui.plan").render(json.decode(json.encode(plan)), output)
  test.contains(text, "\n  2  kms CreateKey us-east-1\n")
  test.contains(text, '\n         {"TagKey":"cmek:region","TagValue":"us-east-1"}\n')
  test.contains(text, '"Principal": {\n')
  test.contains(text, "TargetKeyId: (ID of key crdb-cmek-orders-0f2c6e9d41b7-g1 in us-east-1, known after apply)\n")
  test.contains(text, "\n 11  cloud EnableCMEKSpec (POST /api/v1/clusters/8b6d7a10-4c1e-4b7a-9a53-0f2c6e9d41b7/cmek)\n")
  test.matches(text, "\nPlan: 5 to create, 0 to change, 0 to delete\n$")
end
