-- Taking a chain back: what is deleted, in which order, and everything that is not.
local json = require "json"
local names = require "names"
local operators = dofile "tests/operator.lua"
local outside = dofile "tests/outside.lua"
local verifier = dofile "tests/verifier.lua"

local ROLE <const> = names.role(operators.CLUSTER)
local REGIONS <const> = { "us-east-1", "us-west-2", "eu-west-1" }

local function made(options)
  local who = operators.open(options)
  local report, status = operators.run(who, "console")
  assert(status == 0, json.encode(report.error or {}))
  return who
end

local function destroy(who, options)
  options = options or {}
  options.mode, options.run_id = "destroy", options.run_id or "run-2"
  return operators.run(who, options.recipe or "console", options)
end

local function tag(key, name)
  for _, one in ipairs(key.Tags) do
    if one.TagKey == name then return one.TagValue end
  end
end

-- Keys of the cluster, by region and in the order of their making.
local function keys_of(who)
  local list = {}
  for _, region in ipairs(REGIONS) do
    local place = who.simulation.state.aws[operators.ACCOUNT].kms[region]
    for _, key in ipairs(place and place.keys or {}) do
      if tag(key, names.TAG_CLUSTER) == operators.CLUSTER.id then list[#list + 1] = key end
    end
  end
  return list
end

local function states(who)
  local list = {}
  for i, key in ipairs(keys_of(who)) do list[i] = key.KeyState end
  return list
end

local function untouched(who)
  for _, key in ipairs(keys_of(who)) do
    test.equal({ key.KeyState, tag(key, names.TAG_STATE) }, { "Enabled", nil })
  end
  for _, region in ipairs(REGIONS) do test.truthy(operators.key(who, region)) end
  test.truthy(operators.role(who))
end

-- The writes that go out from here on, in order.
local function writes(who)
  local list = {}
  who.simulation.on_request = function(entry)
    if entry.write then list[#list + 1] = entry.operation end
  end
  return list
end

test["keys are tagged, scheduled with the longest window and lose their alias; the role goes last"] = function()
  local who = made()
  local order = writes(who)
  local report, status = destroy(who)
  test.equal({ status, report.run.status, report.schema }, { 0, "done", "cmek.destroy/1" })
  test.equal(report.summary, { create = 0, change = 0, delete = 4, unchanged = 0, refused = 0 })
  local kinds, dates = {}, {}
  for i, step in ipairs(report.steps) do kinds[i], dates[i] = step.kind, step.deletion_date and step.deletion_date:sub(1, 10) end
  test.equal(kinds, { "key", "key", "key", "role" })
  test.equal(dates, { "2027-01-31", "2027-01-31", "2027-01-31" })
  for _, key in ipairs(keys_of(who)) do test.equal({ key.KeyState, tag(key, names.TAG_STATE) }, { "PendingDeletion", "retired" }) end
  test.equal(#keys_of(who), 3)
  for _, region in ipairs(REGIONS) do test.equal(operators.key(who, region), nil) end
  test.equal(operators.role(who), nil)
  test.equal(order[#order], "DeleteRole")
  table.sort(order)
  test.equal(table.concat(order, " "), "DeleteAlias DeleteAlias DeleteAlias DeleteRole ScheduleKeyDeletion ScheduleKeyDeletion "
    .. "ScheduleKeyDeletion TagResource TagResource TagResource")
end

test["once more there is nothing to delete, and nothing is asked"] = function()
  local who = made()
  destroy(who)
  local order = writes(who)
  local report, status = destroy(who, { run_id = "run-3" })
  test.equal({ status, #report.steps, report.summary.delete }, { 0, 0, 0 })
  test.equal(order, {})
end

test["the printed command takes a key back with its alias, and a run makes the rest of the chain good"] = function()
  local who = made()
  local before = operators.key(who, "us-east-1").Arn
  local report = destroy(who)
  for _, thing in ipairs(report.deleted) do
    if thing.cancel then verifier.mend(who, thing.cancel) end
  end
  test.equal({ operators.key(who, "us-east-1").Arn, operators.key(who, "us-east-1").KeyState }, { before, "Enabled" })
  local again, status = operators.run(who, "console", { run_id = "run-3" })
  test.equal({ status, again.summary.create, again.summary.change }, { 0, 1, 3 })   -- the role, and the policies that name it
  test.equal(#keys_of(who), 3)
end

test["after destroying, a run makes a new chain under the same names"] = function()
  local who = made()
  destroy(who)
  local report, status = operators.run(who, "console", { run_id = "run-3" })
  test.equal({ status, report.summary.create, report.warnings }, { 0, 4, {} })
  test.equal(operators.key(who, "us-east-1").KeyState, "Enabled")
  test.equal(#keys_of(who), 6)
end

-- The guard ------------------------------------------------------------------------------------------------------------

test["a chain that its cluster uses is refused, with the cluster, the region and the status"] = function()
  local who = verifier.enabled()
  local report, status = destroy(who)
  test.equal({ status, report.run.status, report.summary.refused, report.summary.delete }, { 1, "failed", 4, 0 })
  test.contains(report.steps[1].reason, "cluster orders (8b6d7a10-4c1e-4b7a-9a53-0f2c6e9d41b7) names it for us-east-1, ENABLED")
  test.contains(report.error.message, "CMEK cannot be switched off")
  test.equal({ report.error.situation, report.error.commands }, { "destroy.in-use", { "cmek verify console --cluster orders" } })
  untouched(who)
end

-- A specification that names a key.
local function of_key(key) return { type = "AWS_KMS", uri = key.Arn, auth_principal = "arn:aws:iam::1:role/x" } end

-- Another cluster whose CMEK names a key of ours, or the role.
local function let_name(who, cluster_name, status, spec)
  for _, cluster in ipairs(who.simulation.state.cloud.clusters) do
    if cluster.name == cluster_name then
      cluster.cmek = { status = "ENABLED", region_infos = json.array { { region = "us-east-1", status = "ENABLED",
        key_infos = json.array { { status = status, spec = spec, user_message = "" } } } } }
      return cluster
    end
  end
end

for _, status in ipairs { "DISABLED", "ENABLE_FAILED", "REVOKED", "SOMETHING_NEW" } do
  test["a key that another cluster names with the status " .. status .. " is refused"] = function()
    local who = made()
    let_name(who, "orders-one", status, of_key(operators.key(who, "us-west-2")))
    local report, exit = destroy(who)
    test.equal({ exit, report.summary.refused, report.summary.delete }, { 1, 1, 3 })
    test.contains(report.error.message, "orders-one")
    untouched(who)
  end
end

test["a role that a deleted cluster still names is refused"] = function()
  local who = made()
  let_name(who, "orders-one", "ENABLED", { type = "AWS_KMS", uri = "arn:aws:kms:us-east-1:1:key/x", auth_principal = operators.role(who).Arn }).state
    = "DELETED"
  local report, exit = destroy(who)
  test.equal({ exit, report.steps[4].action, report.summary.refused }, { 1, "refuse", 1 })
  untouched(who)
end

-- The answer of the Cloud to some requests.
local function network(fits, response)
  return function(_, request)
    if not fits(request.url) then return nil end
    local answer = { status = response, headers = { { "Content-Type", "application/json" } }, body = '{"code":7,"message":"no"}' }
    return { instead = function() return answer end }
  end
end

test["when one cluster's CMEK may not be read nothing is deleted, and that cluster is named"] = function()
  local closed = false
  local who = made { network = function(...)
    return closed and network(function(target) return target:find("5e0c94f3-27ab-4d18-8c66-91d3b7a2e5f4/cmek", 1, true) end, 403)(...) or nil
  end }
  closed = true
  local raised = test.raises(function() destroy(who) end, "cluster orders-one (5e0c94f3-27ab-4d18-8c66-91d3b7a2e5f4) does not say")
  test.equal({ require("engine").status_of(raised, false), raised.situation }, { 1, "destroy.unasked" })
  untouched(who)
  closed = false
  test.equal(select(2, destroy(who)), 0)   -- the control
end

test["a public cluster that refuses to speak of CMEK, and one of another cloud, are no obstacle"] = function()
  local asked = {}
  local who = made { network = function(world, request)
    asked[#asked + 1] = request.url
    return network(function(target) return target:find("c27f1b88-90d4-4e6b-b1a5-64e8f03d9c12/cmek", 1, true) end, 400)(world, request)
  end }
  test.equal(select(2, destroy(who)), 0)
  test.equal(table.concat(asked, " "):find("19a4d6e7-3f52-4c09-a8b7-d05e2c71f836/cmek", 1, true), nil)
end

test["every page of clusters is asked, a few at a time"] = function()
  local clusters = {}
  for i = 1, 25 do clusters[i] = { name = ("c%02d"):format(i), regions = { "us-east-1" } } end
  clusters[26] = { name = "orders", id = operators.CLUSTER.id, regions = { "us-east-1" } }
  local who = operators.open { sim = { clusters = clusters, choices = { page = 10, rate = 1000 } } }
  test.equal(select(2, operators.run(who, "console")), 0)
  let_name(who, "c25", "DISABLED", of_key(operators.key(who, "us-east-1")))
  local report, status = destroy(who)
  test.equal({ status, report.clusters_asked }, { 1, 26 })
  test.contains(report.error.message, "c25")
end

test["a cluster that begins to use a key between plan and deletion keeps it"] = function()
  local who = made()
  local enabled = false
  who.simulation.on_request = function(entry)
    if entry.operation == "ScheduleKeyDeletion" and not enabled then
      enabled = true
      let_name(who, "orders-one", "ENABLING", of_key(operators.key(who, "us-east-1")))
    end
  end
  local report, status = destroy(who)
  test.equal({ status, report.run.status }, { 5, "unfinished" })
  test.contains(report.error.message, "the deletion was cancelled and the keys are enabled again")
  local key = operators.key(who, "us-east-1")
  test.equal({ key.KeyState, tag(key, names.TAG_STATE) }, { "Enabled", "retired" })
  test.truthy(operators.role(who))
  local _, finished = operators.run(who, "console", { run_id = "run-3" })
  test.equal({ finished, tag(key, names.TAG_STATE) }, { 0, nil })
end

test["a key that was scheduled and is named after all is taken back by the next destroying, and the rest stays"] = function()
  local who = made()
  local key = operators.key(who, "us-east-1")
  operators.within(who, function(session)
    session.kms.tag_resource { region = "us-east-1", KeyId = key.KeyId, Tags = { { TagKey = names.TAG_STATE, TagValue = names.RETIRED } } }
    session.kms.schedule_key_deletion { region = "us-east-1", KeyId = key.KeyId }
  end)
  let_name(who, "orders-one", "ENABLED", of_key(key))
  local report, status = destroy(who)
  test.equal({ status, report.steps[1].action, report.steps[1].result }, { 5, "change", "done" })
  operators.run(who, "console", { run_id = "run-3" })
  untouched(who)
end

test["one whose taking back was cut short, cancelled and not enabled yet, is taken back to the end"] = function()
  local who = verifier.enabled()
  local key = operators.key(who, "us-east-1")
  operators.within(who, function(session)
    session.kms.tag_resource { region = "us-east-1", KeyId = key.KeyId, Tags = { { TagKey = names.TAG_STATE, TagValue = names.RETIRED } } }
    session.kms.disable_key { region = "us-east-1", KeyId = key.KeyId }
  end)
  local report, status = destroy(who)
  test.equal({ status, report.steps[1].action, report.steps[1].result, key.KeyState }, { 5, "change", "done", "Enabled" })
end

-- What is not ours -------------------------------------------------------------------------------------------------------

test["a key under the alias that bears another cluster's tag, or none, is refused"] = function()
  for _, value in ipairs { "5e0c94f3-27ab-4d18-8c66-91d3b7a2e5f4", false } do
    local who = made()
    local key = operators.key(who, "us-east-1")
    operators.within(who, function(session)
      if value then
        session.kms.tag_resource { region = "us-east-1", KeyId = key.KeyId, Tags = { { TagKey = names.TAG_CLUSTER, TagValue = value } } }
      else
        session.kms.untag_resource { region = "us-east-1", KeyId = key.KeyId, TagKeys = { names.TAG_CLUSTER } }
      end
    end)
    local report, status = destroy(who)
    test.equal({ status, report.steps[1].action, key.KeyState }, { 1, "refuse", "Enabled" })
    test.truthy(operators.role(who))
  end
end

local READ_ONLY <const> = "arn:aws:iam::aws:policy/ReadOnlyAccess"

local HANGS_ON <const> = {
  { "an attached policy", function(session) session.iam.attach_role_policy { RoleName = ROLE, PolicyArn = READ_ONLY } end, READ_ONLY },
  { "an inline policy", function(session)
    session.iam.put_role_policy { RoleName = ROLE, PolicyName = "extra",
      PolicyDocument = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}' }
  end, "extra" },
  { "a statement of somebody else in its trust policy", function(session)
    local found = json.decode(session.iam.get_role({ RoleName = ROLE }).Role.AssumeRolePolicyDocument)
    table.insert(found.Statement, { Sid = "Ops", Effect = "Allow", Action = "sts:AssumeRole", Principal = { AWS = operators.ACCOUNT } })
    session.iam.update_assume_role_policy { RoleName = ROLE, PolicyDocument = json.encode(found) }
  end, "Statement[Ops]" },
}

for _, case in ipairs(HANGS_ON) do
  test["a role with " .. case[1] .. " is refused, that is named, and what is printed takes it off"] = function()
    local who = made()
    operators.within(who, case[2])
    local report, status = destroy(who)
    test.equal({ status, report.summary.refused }, { 1, 1 })
    test.contains(report.steps[4].reason, case[3])
    untouched(who)
    test.matches(report.steps[4].told.situation, "^destroy%.")
    verifier.mend(who, table.concat(report.steps[4].told.commands, " && "))
    test.equal(select(2, destroy(who)), 0)
  end
end

test["a policy that is attached while the keys go keeps the role, and is named"] = function()
  local who = made()
  who.simulation.on_request = function(entry)
    if entry.operation == "DeleteAlias" then HANGS_ON[1][2] { iam = { attach_role_policy = function(parameters)
      who.simulation:call { principal = { arn = "arn:aws:iam::210987654321:root", account = operators.ACCOUNT, kind = "root" }, service = "iam",
        operation = "AttachRolePolicy", parameters = parameters }
    end } } end
  end
  local report, status = destroy(who)
  test.equal({ status, #report.deleted }, { 5, 3 })
  test.contains(report.error.message, READ_ONLY)
  test.contains(report.error.next, "cmek resume run-2")
  test.truthy(operators.role(who))
end

-- Consent ----------------------------------------------------------------------------------------------------------------

test["without the cluster's name nothing is deleted; --yes is no consent"] = function()
  for _, confirm in ipairs { "order", "ORDERS", "yes" } do
    local who = made()
    local other = operators.beside(who, { who = who.simulation.accounts[1], confirm = confirm, yes = true })
    local report, status = destroy(other)
    test.equal({ status, report.run.status }, { 1, "declined" })
    untouched(who)
  end
end

-- Rights -----------------------------------------------------------------------------------------------------------------

local SECRET <const> = "simulated/secret/not-a-real-one/00000009"

-- Somebody with these statements beside the one who made the chain.
local function somebody(who, ...)
  local user = who.simulation:add_user { account = operators.ACCOUNT, name = "somebody", secret_access_key = SECRET,
    policies = { { Version = "2012-10-17", Statement = json.array { { Effect = "Allow", Action = "*", Resource = "*" }, ... } } } }
  user.secret_access_key = SECRET
  return operators.beside(who, { who = user })
end

for action, kind in require("sorted") { ["kms:ScheduleKeyDeletion"] = "key", ["kms:TagResource"] = "key", ["kms:DeleteAlias"] = "key",
  ["iam:DeleteRole"] = "role" } do
  test["without the right to " .. action .. " the plan is refused, and nothing is begun"] = function()
    local who = made()
    local order = writes(who)
    local report, status = destroy(somebody(who, { Effect = "Deny", Action = action, Resource = "*" }))
    test.equal({ status, report.run.status, report.summary.refused }, { 1, "failed", kind == "key" and 3 or 1 })
    test.contains(report.error.message, "may not do " .. action)
    test.equal(order, {})
    untouched(who)
  end
end

test["a key whose own policy denies it is refused in the plan"] = function()
  local who = made()
  local key = operators.key(who, "us-west-2")
  local policy = json.decode(key.Policy)
  table.insert(policy.Statement, { Sid = "Freeze", Effect = "Deny", Principal = { AWS = "*" }, Action = "kms:ScheduleKeyDeletion", Resource = "*" })
  operators.within(who, function(session)
    session.kms.put_key_policy { region = "us-west-2", KeyId = key.KeyId, Policy = json.encode(policy) }
  end)
  local report, status = destroy(who)
  test.equal({ status, report.summary.refused, report.steps[2].action }, { 1, 1, "refuse" })
  untouched(who)
end

-- Half-way ---------------------------------------------------------------------------------------------------------------

test["what is denied half-way leaves exit 5 and the rest; destroying again finishes it"] = function()
  local who = made()
  who.simulation.faults = { { kind = "error", operation = "ScheduleKeyDeletion", region = "us-west-2", code = "AccessDeniedException" } }
  local report, status = destroy(who)
  test.equal({ status, report.run.status }, { 5, "unfinished" })
  test.contains(report.error.next, "cmek resume run-2")
  test.truthy(operators.role(who))
  who.simulation.faults = {}
  local again, finished = destroy(who, { entries = require("journal").read(who.disk.text) })
  test.equal({ finished, again.run.status }, { 0, "done" })
  test.equal(states(who), { "PendingDeletion", "PendingDeletion", "PendingDeletion" })
  test.equal(operators.role(who), nil)
end

for _, operation in ipairs { "ScheduleKeyDeletion", "DeleteAlias", "DeleteRole", "TagResource" } do
  test["a lost answer to " .. operation .. " is looked up, and ends well"] = function()
    local who = made()
    local fault = { kind = "lost_answer", operation = operation, count = 1 }
    who.simulation.faults = { fault }
    local report, status = destroy(who)
    test.equal({ status, report.run.status, fault.count }, { 0, "done", 0 })
    test.equal(states(who), { "PendingDeletion", "PendingDeletion", "PendingDeletion" })
    test.equal(operators.role(who), nil)
  end
end

test["a run whose destroyed key it once claimed makes another when it is resumed"] = function()
  local who = made()
  destroy(who)
  local report, status = operators.run(who, "console", { entries = require("journal").read(who.disk.text) })
  test.equal({ status, report.summary.create }, { 0, 4 })
  test.equal(operators.key(who, "us-east-1").KeyState, "Enabled")
end

-- Several generations, and kinds of a recipe's own -------------------------------------------------------------------------

test["keys of every generation go, and a key of the cluster that has no alias is left to cmek orphans"] = function()
  local who = made()
  local second, third = operators.within(who, function(session)
    local function key()
      return session.kms.create_key({ region = "us-west-2", Description = "CMEK of CockroachDB cluster orders",
        Tags = { { TagKey = names.TAG_CLUSTER, TagValue = operators.CLUSTER.id } } }).KeyMetadata
    end
    local rotated, loose = key(), key()
    session.kms.create_alias { region = "us-west-2", AliasName = names.alias(operators.CLUSTER, 2), TargetKeyId = rotated.KeyId }
    return rotated.KeyId, loose.KeyId
  end)
  local report, status = destroy(who)
  test.equal({ status, report.summary.delete }, { 0, 5 })
  local by_id = {}
  for _, key in ipairs(keys_of(who)) do by_id[key.KeyId] = key.KeyState end
  test.equal({ by_id[second], by_id[third] }, { "PendingDeletion", "Enabled" })
end

-- A recipe with kinds of its own, in a file: notes on a key, made after it, and one that cannot be taken back.
local function own_recipe(delete)
  local path = test.directory() .. "/own.lua"
  assert(require("file").write(path, ([[
    local function note(kind, delete)
      return resource { kind = kind, actions = { kms = { "ListResourceTags", "TagResource", "UntagResource" } },
        name = function(want) return kind .. " of " .. want.region end,
        region = function(want) return want.region end,
        find = function(want)
          for _, tag in ipairs(kms.list_resource_tags { region = want.region, KeyId = want.key }.Tags) do
            if tag.TagKey == kind then return { arn = want.key .. "#" .. kind } end
          end
        end,
        differences = function() return {} end,
        create = function(want) kms.tag_resource { region = want.region, KeyId = want.key, Tags = { { TagKey = kind, TagValue = "x" } } } end,
        delete = delete }
    end
    local removable = note("label", %s)
    local fixed = note("mark")
    return { api = 1, summary = "own", args = { { "cluster", "the cluster" } }, touches = { "cloud", "iam", "kms" },
      run = function(arg)
        local cluster = read("cluster", arg.cluster)
        preflight(cluster)
        local org = cloud.organization()
        local role = ensure("role", { cluster = cluster, trust = policy.cross_account { account_id = cluster.account_id, external_id = org.id } })
        local key = ensure("key", { cluster = cluster, region = "us-east-1", policy = policy.cmek { role = role.arn } })
        ensure(removable, { region = "us-east-1", key = key.arn })
        ensure(fixed, { region = "us-east-1", key = key.arn })
      end }]]):format(delete), 420))
  return path
end

test["a recipe's own thing goes before what it was made on, by its delete; one without a delete stays, and that is said"] = function()
  local path = own_recipe [[function(want) kms.untag_resource { region = want.region, KeyId = want.key, TagKeys = { "label" } } end]]
  local who = operators.open()
  test.equal(select(2, operators.run(who, path)), 0)
  local order = writes(who)
  local report, status = destroy(who, { recipe = path })
  test.equal({ status, report.run.status }, { 0, "done" })
  test.equal(order, { "UntagResource", "TagResource", "ScheduleKeyDeletion", "DeleteAlias", "DeleteRole" })
  test.equal({ report.steps[1].action, report.summary.unchanged }, { "none", 1 })
  test.contains(report.warnings[1].text, "its kind has no delete")
end

test["a kind's delete that leaves the thing there is told, and what comes after is not begun"] = function()
  local path = own_recipe "function() end"
  local who = operators.open()
  test.equal(select(2, operators.run(who, path)), 0)
  local report, status = destroy(who, { recipe = path })
  test.equal({ status, report.run.status }, { 1, "failed" })
  test.contains(report.error.message, "it is still there after 300 s")
  test.equal(states(who), { "Enabled" })
end

-- From outside -----------------------------------------------------------------------------------------------------------

test["every document of destroying is of its schema"] = function()
  local json_schema = dofile "tests/json_schema.lua"
  local function sound(report) test.equal(json_schema.complaint(json.decode(json.encode(report))), nil) end
  local who = verifier.enabled()
  sound((destroy(who)))
  who = made()
  sound((destroy(operators.beside(who, { who = who.simulation.accounts[1], confirm = "no" }))))
  sound((destroy(who)))
  for _, event in ipairs(who.events) do
    local line = json.decode(json.encode(event))
    line.schema, line.time = "cmek.event/1", "2026-02-01T09:00:00Z"
    sound(line)
  end
  sound((destroy(who)))
end

test["from outside: destroy takes the name, prints the cancel command, keeps a journal that runs shows"] = function()
  local result = outside.simulated [[
    unset AWS_MAX_ATTEMPTS
    "$CMEK" run console --cluster orders-one --yes >/dev/null
    "$CMEK" destroy console --cluster orders-one --yes; echo "status $?"
    "$CMEK" destroy console --cluster orders-one --confirm orders-one; echo "status $?"
    "$CMEK" destroy console --cluster orders-one --confirm orders-one; echo "status $?"
    "$CMEK" runs
    COCKROACH_API_KEY= "$CMEK" destroy console --cluster orders-one --confirm orders-one; echo "status $?"]]
  local statuses = {}
  for status in result.output:gmatch "status (%d+)" do statuses[#statuses + 1] = status end
  test.equal(table.concat(statuses, " "), "1 0 0 4")
  test.matches(result.output, "aws kms cancel%-key%-deletion %-%-region us%-east%-1 %-%-key%-id %x+")
  test.contains(result.output, "Done: 2 deleted")
  test.contains(result.output, "destroy console")
  test.equal({ result:writes "ScheduleKeyDeletion", result:writes "DeleteRole" }, { 1, 1 })
end

test["from outside: a destroying that failed half-way is taken up by resume, which wants the name again"] = function()
  local result = outside.simulated([[
    unset AWS_MAX_ATTEMPTS
    "$CMEK" run console --cluster orders-one --yes >/dev/null
    "$CMEK" destroy console --cluster orders-one --confirm orders-one; echo "status $?"
    "$CMEK" resume; echo "status $?"
    "$CMEK" resume --yes --confirm orders-one; echo "status $?"
    "$CMEK" resume --confirm orders-one; echo "status $?"]],
    { sim = { "--fault", "error service=iam operation=DeleteRole code=AccessDenied status=403 count=1" } })
  local statuses = {}
  for status in result.output:gmatch "status (%d+)" do statuses[#statuses + 1] = status end
  test.equal(table.concat(statuses, " "), "5 5 0 2", result.text)
  test.contains(result.errors, "destroy console of ")
  test.matches(result.errors, "cmek resume %d+%-%d+")
  test.equal({ result:writes "ScheduleKeyDeletion", result:writes "DeleteRole" }, { 1, 2 })
end
