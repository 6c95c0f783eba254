-- `cmek status`: every cluster that the key sees, and one with the whole chain behind it.
local json = require "json"
local json_schema = dofile "tests/json_schema.lua"
local operator = dofile "tests/operator.lua"
local outside = dofile "tests/outside.lua"
local status = require "status"

local ORDERS <const> = [["$CMEK" run console --cluster orders --enable --yes --confirm orders >/dev/null 2>&1; ]]

-- The document of a command that prints one; it is of its schema.
local function document(result)
  local value = assert(json.decode(result.output))
  test.equal(json_schema.complaint(value), nil)
  return value
end

-- Clusters by name.
local function by_name(list)
  local map = {}
  for _, cluster in ipairs(list) do map[cluster.name] = cluster end
  return map
end

-- What is due of the cluster orders after something was changed in the simulation; texts, and the commands to type.
local function due_after(change)
  local who = operator.open()
  operator.run(who, "console", { arguments = { enable = true } })
  change(who)
  local entry = operator.within(who, function(session) return status.chain(session, "orders") end)
  test.equal(json_schema.complaint(json.decode(json.encode { schema = "cmek.status/1", clusters = { entry } })), nil)
  return entry.due, entry
end

-- The one line that is due, which says this; its command.
local function only(due, words)
  test.equal(#due, 1)
  test.contains(due[1].text, words)
  return due[1].next
end

test["status lists each cluster with plan, cloud, network, state and CMEK, and says once why some cannot have it"] = function()
  local result = outside.simulated '"$CMEK" status'
  test.equal(result.status, 0)
  test.matches(result.output, "orders +AWS +ADVANCED +PRIVATE +CREATED +DISABLED\n")
  test.matches(result.output, "orders%-gcp +GCP +ADVANCED +PRIVATE +CREATED +no: cloud\n")
  test.matches(result.output, "orders%-public +AWS +ADVANCED +PUBLIC +CREATED +no: network\n")
  test.contains(result.output, "- orders-creating: it is still being created (state CREATING)")
  for line in result.output:gmatch "[^\n]+" do test.truthy(require("ui.table").width(line) <= 80, line) end
end

test["status needs the Cloud's key alone"] = function()
  local result = outside.simulated('unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY; "$CMEK" status --json')
  local clusters = by_name(document(result).clusters)
  test.equal(clusters["orders"].eligible, true)
  test.equal(clusters["orders-gcp"].lacks, { "cloud" })
  test.equal(clusters["orders-enabled"].cmek.status, "ENABLED")
  for _, entry in ipairs(result.log) do test.equal(entry.service, "cloud") end
end

test["a cluster whose CMEK may not be read does not hide the others"] = function()
  local key = require("sim.cloud").KEYS[2].secret   -- a developer's
  local result = outside.simulated(("COCKROACH_API_KEY=%s; \"$CMEK\" status"):format(key))
  test.equal(result.status, 0)
  test.matches(result.output, "orders%-public +AWS +ADVANCED +PUBLIC")
  test.matches(result.output, "orders +AWS +ADVANCED +PRIVATE +CREATED +cannot be read\n")
  test.contains(result.output, "PERMISSION_DENIED")
end

test["a thousand clusters come in pages, few at a time and within the Cloud's ten requests a second, and it says how far it is"] = function()
  local clusters = {}
  for i = 1, 1000 do clusters[i] = { name = ("c-%04d"):format(i), regions = { "us-east-1" }, plan = i % 4 == 0 and "STANDARD" or "ADVANCED" } end
  local who = operator.open { sim = { clusters = clusters } }
  local at_once, most, throttled, said, began = 0, 0, 0, {}, who.world.now
  local handle = who.world.handle
  who.world.handle = function(request)
    local response = handle(request)
    if response.status == 429 and who.world.now > began + 3 then throttled = throttled + 1 end   -- the first ten may leave at once
    return response
  end
  local ask = who.session.cloud.cmek
  who.session.cloud.cmek = function(id)
    at_once = at_once + 1
    most = math.max(most, at_once)
    local answer = ask(id)
    at_once = at_once - 1
    return answer
  end
  who.session.listener = function(event) if event.kind == "say" then said[#said + 1] = event.text end end
  local list = operator.within(who, status.all)
  test.equal(#list, 1000)
  test.equal(list[4].eligible, false)
  test.equal(list[1].cmek.status, "DISABLED")
  test.truthy(most <= 16, most)
  test.equal(throttled, 0)
  test.truthy(who.world.now - began < 90, "750 clusters took " .. who.world.now - began)
  test.contains(said[1], "750 clusters are asked")
  test.contains(said[2], "of 750 clusters asked")
  test.truthy(#said >= 10 and #said < 30)
end

test["status of one cluster shows regions, keys with alias, state, rotation and tags, the role's trust and the Cloud's dates"] = function()
  local result = outside.simulated(ORDERS .. 'sleep 1; "$CMEK" status --cluster orders')
  test.equal(result.status, 0)
  for _, words in ipairs { "cluster       orders (8b6d7a10-4c1e-4b7a-9a53-0f2c6e9d41b7)", "CockroachDB's AWS account for it: 571234890001",
    "organization  Example Co (0f4be3a2-6a1c-4d5e-9b7f-2c8d1e6a7f90)", "CMEK          ENABLED",
    "role  arn:aws:iam::210987654321:role/crdb-cmek-orders-0f2c6e9d41b7", "trusts arn:aws:iam::571234890001:root",
    "with external ID 0f4be3a2-6a1c-4d5e-9b7f-2c8d1e6a7f90", "\nus-west-2  ENABLED\n  key    arn:aws:kms:us-west-2:210987654321:key/",
    "alias/crdb-cmek-orders-0f2c6e9d41b7-g1", "Enabled, SYMMETRIC_DEFAULT, ENCRYPT_DECRYPT, material of AWS_KMS",
    "rotation on every 365 days, next on ", "cmek:cluster=8b6d7a10-4c1e-4b7a-9a53-0f2c6e9d41b7", "Cloud  ENABLED, given 2",
    "Nothing is due or wrong" } do
    test.contains(result.output, words)
  end
end

test["without AWS credentials the Cloud's side is shown, and said that AWS was not asked"] = function()
  local result = outside.simulated(ORDERS .. [[sleep 1; unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
    "$CMEK" status --cluster orders; "$CMEK" status --cluster orders --json >$D/document]])
  test.contains(result.output, "AWS           was not asked: no AWS credentials")
  test.matches(result.output, "key +arn:aws:kms:us%-east%-1:%d+:key/[%x-]+\n  Cloud  ENABLED")
  local entry = document { output = require("file").read(result.directory .. "/document") }.clusters[1]
  test.equal(entry.aws.asked, false)
  test.equal(entry.cmek.regions[1].keys[1].aws, json.null)
end

test["a cluster without keys is told what to type, and one whose keys are made and unused as well"] = function()
  local who = operator.open()
  local entry = operator.within(who, function(session) return status.chain(session, "orders") end)
  test.equal(#entry.due, 3)
  test.equal(entry.due[1].next, "cmek run console --cluster orders")
  operator.run(who, "console")
  entry = operator.within(who, function(session) return status.chain(session, "orders") end)
  test.contains(entry.due[1].text, "the cluster does not use it yet")
  test.equal(entry.due[1].next, "cmek run enable --cluster orders")
  test.equal(entry.cmek.regions[1].keys[1].aws.aliases, { "alias/crdb-cmek-orders-0f2c6e9d41b7-g1" })
end

test["what is wrong with a key, its role or its use is one line each, with the command"] = function()
  local due, entry = due_after(function() end)
  test.equal(due, {})   -- the control
  test.equal(entry.aws.asked, true)
  local function key(who) return (operator.key(who, "us-west-2")) end

  local command = only(due_after(function(who) key(who).KeyState, key(who).Enabled = "Disabled", false end), "the key is Disabled")
  test.matches(command, "^aws kms enable%-key %-%-region us%-west%-2 %-%-key%-id arn:aws:kms:us%-west%-2:")
  command = only(due_after(function(who)
    operator.within(who, function(session) session.kms.schedule_key_deletion { region = "us-west-2", KeyId = key(who).KeyId } end)
  end), "the key is PendingDeletion (it will be gone on 2027-01-3")
  test.matches(command, "^aws kms cancel%-key%-deletion .* && aws kms enable%-key ")
  command = only(due_after(function(who)
    operator.within(who, function(session) session.kms.disable_key_rotation { region = "us-west-2", KeyId = key(who).KeyId } end)
  end), "KMS does not rotate the key")
  test.equal(command, "cmek run console --cluster orders")
end

test["a role whose external ID is another is named in each region, and so is a role that is gone"] = function()
  local due = due_after(function(who)
    local role = operator.role(who)
    operator.within(who, function(session)
      session.iam.update_assume_role_policy { RoleName = role.RoleName,
        PolicyDocument = (role.AssumeRolePolicyDocument:gsub("0f4be3a2", "11111111")) }
    end)
  end)
  test.equal(#due, 3)
  test.contains(due[1].text, "the role cannot be assumed")
  test.equal(due[1].next, "cmek run console --cluster orders")
  due = due_after(function(who) who.simulation.state.aws[operator.ACCOUNT].iam.roles = json.array {} end)
  test.contains(due[1].text, "does not exist")
end

test["a key that KMS rotated after the Cloud took it is due to be given again"] = function()
  local due = due_after(function(who)
    operator.within(who, function(session)
      who.world.now = who.world.now + 86400
      session.kms.rotate_key_on_demand { region = "us-west-2", KeyId = operator.key(who, "us-west-2").KeyId }
      session.tasks.sleep(3600)
    end)
  end)
  only(due, "it takes the new material only when it is given the key again")
end

test["keys and role of another account are shown, and said not to be readable"] = function()
  local result = outside.simulated '"$CMEK" status --cluster orders-enabled'
  test.equal(result.status, 0)
  test.contains(result.output, "it is of account 345678901234, and the AWS credentials are of 210987654321")
end

-- Every key, current and past ---------------------------------------------------------------------------------------------------

-- The cluster orders after a rotation, looked at with --keys.
local function rotated(change)
  local who = operator.open()
  local report, status_code = operator.run(who, "console", { arguments = { enable = true } })
  test.equal({ status_code, report.error }, { 0 })
  report, status_code = operator.run(who, "rotate")
  test.equal({ status_code, report.error }, { 0 })
  if change then change(who) end
  local entry = operator.within(who, function(session) return status.chain(session, "orders", { keys = true }) end)
  test.equal(json_schema.complaint(json.decode(json.encode { schema = "cmek.status/1", clusters = { entry } })), nil)
  return entry, who
end

-- The keys of a region: the current one, and the past.
local function keys_of(entry, region)
  local current, past
  for _, one in ipairs(entry.cmek.regions) do
    for _, key in ipairs(one.region == region and one.keys or {}) do
      if key.current then current = key else past = past or key end
    end
  end
  return current, past
end

local function cloud_cluster(who, name)
  for _, cluster in ipairs(who.simulation.state.cloud.clusters) do
    if cluster.name == name then return cluster end
  end
end

test["with --keys each key, current and past, has who names it and when KMS says that it was last used; nothing is changed"] = function()
  local entry, who = rotated()
  local current, past = keys_of(entry, "us-west-2")
  test.equal({ past.status, past.aws.state, past.aws.aliases }, { "DISABLED", "Enabled", { "alias/crdb-cmek-orders-0f2c6e9d41b7-g1" } })
  test.equal(past.named_by, { { cluster = { id = operator.CLUSTER.id, name = "orders" }, region = "us-west-2", status = "DISABLED" } })
  test.equal({ current.named_by[1].status, current.last_use.operation }, { "ENABLED", "ReEncrypt" })
  test.truthy(past.last_use.at < current.last_use.at)
  test.equal({ entry.keys.clusters_asked, entry.keys.clusters_silent, entry.due }, { 5, {}, {} })
  local writes = 0
  who.simulation.on_request = function(one) writes = writes + (one.write and 1 or 0) end
  operator.within(who, function(session) return status.chain(session, "orders", { keys = true }) end)
  test.equal(writes, 0)
end

test["the text of --keys says it too, and that nothing follows from a key's being idle"] = function()
  local result = outside.simulated(ORDERS .. [["$CMEK" run rotate --cluster orders --yes --confirm orders >/dev/null 2>&1; sleep 1
    "$CMEK" status --cluster orders --keys; "$CMEK" status --cluster orders >$D/without; "$CMEK" status --keys; echo $?]])
  test.matches(result.output, "\n  earlier  arn:aws:kms:us%-west%-2:.*\n  named    by orders for us%-west%-2, DISABLED\n  used     last on 2")
  test.contains(result.output, "5 clusters were asked which keys they name.")
  test.contains(result.output, "publishes no rule of how long a key is needed")
  test.contains(result.output, "idle proves nothing")
  test.contains(result.output, "\n2\n")
  test.contains(result.errors, "--keys is of one cluster")
  local without = require("file").read(result.directory .. "/without")
  test.contains(without, "  earlier  arn:")   -- the control
  test.equal(without:find("named", 1, true), nil)
  for line in result.output:gmatch "[^\n]+" do test.truthy(require("ui.table").width(line) <= 100, line) end
end

test["a key that another cluster names, in any status, is told with that cluster"] = function()
  local entry = rotated(function(who)
    local uri = cloud_cluster(who, "orders").cmek.region_infos[1].key_infos[1].spec.uri
    cloud_cluster(who, "orders-one").cmek = { status = "ENABLE_FAILED", region_infos = json.array { { region = "us-east-1",
      status = "ENABLE_FAILED",
      key_infos = json.array { { status = "ENABLE_FAILED", user_message = "", spec = { type = "AWS_KMS", uri = uri, auth_principal = "r" } } } } } }
  end)
  local _, past = keys_of(entry, "eu-west-1")
  local names = {}
  for i, use in ipairs(past.named_by) do names[i] = ("%s %s %s"):format(use.cluster.name, use.region, use.status) end
  test.equal(names, { "orders eu-west-1 DISABLED", "orders-one us-east-1 ENABLE_FAILED" })
end

test["a cluster that does not say is named, since it may name any key; it hides no other"] = function()
  local entry = rotated(function(who)
    who.simulation.faults = { { kind = "error", service = "cloud", operation = "GetCMEKClusterInfo", code = "PERMISSION_DENIED", status = 403,
      skip = 1, count = 1, message = "no" } }
  end)
  test.equal({ entry.keys.clusters_asked, #entry.keys.clusters_silent }, { 4, 1 })
  test.contains(entry.keys.clusters_silent[1].said, "does not say")
  test.equal(#keys_of(entry, "us-west-2").named_by >= 0, true)
end

test["where KMS does not tell of a key's use, or records none, that is said and no date is made up"] = function()
  local entry = rotated(function(who)
    who.simulation.faults = { { kind = "error", service = "kms", operation = "GetKeyLastUsage", region = "us-west-2", code = "AccessDeniedException",
      status = 400, message = "not authorized to perform: kms:GetKeyLastUsage" } }
    for _, key in ipairs(who.simulation.state.aws[operator.ACCOUNT].kms["us-east-1"].keys) do key.KeyLastUsage = nil end
  end)
  local current = keys_of(entry, "us-west-2")
  test.equal(current.last_use.told, false)
  test.contains(current.last_use.reason, "kms:GetKeyLastUsage")
  local _, past = keys_of(entry, "us-east-1")
  test.equal({ past.last_use.told, past.last_use.at }, { true, json.null })
  test.matches(past.last_use.recorded_since, "^2")
end

test["a past key that is disabled or to be deleted is due, for what its time has left needs it"] = function()
  local entry = rotated(function(who)
    for _, key in ipairs(who.simulation.state.aws[operator.ACCOUNT].kms["us-west-2"].keys) do
      if key.Arn == cloud_cluster(who, "orders").cmek.region_infos[3].key_infos[1].spec.uri then key.KeyState, key.Enabled = "Disabled", false end
    end
  end)
  test.matches(only(entry.due, "the earlier key is Disabled: data and backups from its time need it"), "^aws kms enable%-key ")
end

test["a key that a rotation made and the cluster does not use yet is due, with rotate to finish it"] = function()
  local entry = rotated(function(who)
    who.world.now = who.world.now + 7 * 86400   -- a rotation of today would be gone on with
    who.simulation.faults = { { kind = "error", service = "cloud", operation = "UpdateCMEKSpec", code = "INVALID_ARGUMENT", status = 400,
      message = "no" } }
    operator.run(who, "rotate", { run_id = "run-2" })
  end)
  test.equal(#entry.due, 3)
  test.equal({ entry.due[1].text, entry.due[1].next }, { "the key is made, and the cluster does not use it yet", "cmek run rotate --cluster orders" })
end

test["a region that the cluster does not have any more is shown as that, with its keys"] = function()
  local entry, who = rotated(function(who) table.remove(cloud_cluster(who, "orders").regions, 3) end)
  local gone = {}
  for _, region in ipairs(entry.cmek.regions) do gone[region.region] = not region.in_cluster and #region.keys or nil end
  test.equal(gone, { ["eu-west-1"] = 2 })
  local output = { paint = function(_, _, text) return text end }
  test.contains(require("ui.status").chain(entry, output), "eu-west-1  ENABLED  no region of the cluster any more")
  test.truthy(who)
end

test["sim --organization makes an organization of so many clusters; status counts them by what it says of them"] = function()
  local result = outside.simulated('"$CMEK" status; "$CMEK" status --json >$D/document', { sim = { "--organization", "20" } })
  test.equal(result.status, 0)
  test.contains(result.output, "\n20 clusters: ")
  local entries = document { output = require("file").read(result.directory .. "/document") }.clusters
  test.equal(#entries, 20)
  local clusters = require("sim.clusters").organization(1000)
  test.equal({ #clusters, clusters[1].name, clusters[1000].name }, { 1000, "orders", "app-0994" })
end
