-- The simulated CockroachDB Cloud: what AWS has to allow before a specification is taken, and what becomes of it as time passes.
local json = require "json"
local cloud = dofile "tests/cloud_client.lua"

local world, ask, get, refused, cluster, cmek = cloud.world, cloud.ask, cloud.get, cloud.refused, cloud.cluster, cloud.cmek
local inside, chain, spec, key = cloud.inside, cloud.chain, cloud.spec, cloud.key
local CMEK <const>, ORDERS <const> = cloud.CMEK, cloud.ORDERS
local trusting_role, key_policy, enabled = cloud.trusting_role, cloud.key_policy, cloud.enabled
local client = dofile "tests/sim_client.lua"

local function statuses(info)
  local list = { info.status }
  for _, region in ipairs(info.region_infos) do
    list[#list + 1] = region.region .. " " .. region.status
    for _, entry in ipairs(region.key_infos) do list[#list + 1] = entry.status end
  end
  return list
end

-- Access: AWS decides --------------------------------------------------------------------------------------------------------

local DENIED <const> = "invalid argument: Insufficient permissions to access the KMS key"

-- What each line breaks; the control, which breaks nothing, is accepted.
local broken = {
  { "a trust for another account", function(w) return trusting_role(w, "571234890002") end },
  { "another external ID", function(w) return trusting_role(w, "571234890001", "exco-label") end },
  { "a role that does not exist", function() return "arn:aws:iam::210987654321:role/nobody" end },
  { "a key of another use", nil, { KeyUsage = "SIGN_VERIFY", KeySpec = "ECC_NIST_P256" } },
  { "a policy without the role", nil, { Policy = key_policy("arn:aws:iam::210987654321:root") } },
  { "a policy that leaves ReEncrypt out", nil, nil, '["kms:Encrypt","kms:Decrypt","kms:GenerateDataKey*","kms:DescribeKey"]' },
  { "a disabled key", nil, nil, nil, function(w, arn) w:call("kms", "DisableKey", { KeyId = arn }) end },
  { "a key that is to be deleted", nil, nil, nil,
    function(w, arn) w:call("kms", "ScheduleKeyDeletion", { KeyId = arn, PendingWindowInDays = 7 }) end },
}

local function one_region(w, role, uri)
  local one = inside(w, "orders-one")
  one.account_id = "571234890001"
  return ask(w, "POST", ("/clusters/%s/cmek"):format(one.id), { region_specs = json.array { spec("us-east-1", uri, role) } })
end

for _, line in ipairs(broken) do
  test["POST is refused for " .. line[1]] = function()
    local w = world()
    local role = line[2] and line[2](w) or trusting_role(w, "571234890001")
    local exists = role:match "nobody$" == nil
    local parameters = line[3] or { Policy = exists and key_policy(role, line[4]) or key_policy "arn:aws:iam::210987654321:root" }
    local uri = key(w, "us-east-1", role, parameters)
    if line[5] then line[5](w, uri) end
    local answer = one_region(w, role, uri)
    refused(answer, 400, 3)
    test.equal(answer.body.message, DENIED)
  end
end

test["POST is accepted when role, external ID, key and policy are right, and for a role that asks no external ID"] = function()
  local w = world()
  local role = trusting_role(w, "571234890001")
  test.equal(one_region(w, role, key(w, "us-east-1", role)).status, 200)
  w = world()
  role = w:role("open", { AssumeRolePolicyDocument = client.trust "arn:aws:iam::571234890001:root" })
  test.equal(one_region(w, role, key(w, "us-east-1", role)).status, 200)
end

test["an explicit Deny in the key's policy wins"] = function()
  local w = world()
  local role = trusting_role(w, "571234890001")
  local text = key_policy(role):gsub("%]}$",
    (',{"Sid":"no","Effect":"Deny","Principal":{"AWS":"%s"},"Action":"kms:Decrypt","Resource":"*"}]}'):format(role))
  refused(one_region(w, role, key(w, "us-east-1", role, { Policy = text })), 400, 3)
end

test["a key in another account than the role needs both sides"] = function()
  local w = world()
  local role = trusting_role(w, "571234890001")
  local foreign = key_policy(role):gsub("210987654321:root", "345678901234:root")
  local uri = w:call("kms", "CreateKey", { Policy = foreign }, { who = client.OTHER }).KeyMetadata.Arn
  refused(one_region(w, role, uri), 400, 3)
  w:call("iam", "PutRolePolicy", { RoleName = "crdb-cmek", PolicyName = "use", PolicyDocument =
    ('{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"%s"}]}'):format(uri) })
  test.equal(one_region(w, role, uri).status, 200)
end

test["a role is not seen until it has propagated"] = function()
  local w = world { propagation = 5 }
  local role = trusting_role(w, "571234890001")
  local uri = key(w, "us-east-1", role, { Policy = key_policy "arn:aws:iam::210987654321:root" })
  refused(one_region(w, role, uri), 400, 3)
  w.now = w.now + 5
  w:call("kms", "PutKeyPolicy", { KeyId = uri, Policy = key_policy(role) })
  test.equal(one_region(w, role, uri).status, 200)
end

test["the session that tried the key is gone afterwards"] = function()
  local w = world()
  local role = trusting_role(w, "571234890001")
  one_region(w, role, key(w, "us-east-1", role))
  test.equal(next(w.simulation.state._sessions), nil)
end

-- Time ------------------------------------------------------------------------------------------------------------------------

test["enabling locks the cluster and settles the regions one by one, by name"] = function()
  local w = world()
  local body, keys, role = chain(w)
  local answer = ask(w, "POST", CMEK, body)
  test.equal(answer.body.status, "ENABLING")
  test.equal(answer.body.region_infos[2], { region = "us-east-1", status = "ENABLING", key_infos = { {
    status = "ENABLING", user_message = "", created_at = answer.body.region_infos[2].key_infos[1].created_at,
    updated_at = answer.body.region_infos[2].key_infos[1].created_at,
    spec = { type = "AWS_KMS", uri = keys["us-east-1"], auth_principal = role } } } })
  local at = w.now
  local function after(seconds)
    w.now = at + seconds
    return statuses(get(w, CMEK, { pause = 0 }).body)
  end
  local shown = get(w, "/clusters/" .. ORDERS, { pause = 0 }).body
  test.equal({ shown.state, shown.operation_status }, { "LOCKED", "CRDB_CMEK_OPERATION_RUNNING" })
  test.equal(after(0.4), { "ENABLING", "eu-west-1 ENABLING", "ENABLING", "us-east-1 ENABLING", "ENABLING", "us-west-2 ENABLING", "ENABLING" })
  test.equal(after(0.6), { "ENABLING", "eu-west-1 ENABLED", "ENABLED", "us-east-1 ENABLING", "ENABLING", "us-west-2 ENABLING", "ENABLING" })
  test.equal(after(1.0), { "ENABLED", "eu-west-1 ENABLED", "ENABLED", "us-east-1 ENABLED", "ENABLED", "us-west-2 ENABLED", "ENABLED" })
  shown = cluster(w)
  test.equal({ shown.state, shown.operation_status, shown.job }, { "CREATED", "UNSPECIFIED", nil })
end

test["a second POST is refused while enabling and when enabled, by choice as 409"] = function()
  local w = world()
  local body = chain(w)
  ask(w, "POST", CMEK, body, { pause = 0 })
  refused(ask(w, "POST", CMEK, body, { pause = 0 }), 400, 9, "already enabled")
  w.now = w.now + 10
  w.simulation.choices = { already = 409 }
  refused(ask(w, "POST", CMEK, body), 409, 6)
end

test["what breaks between POST and its region's turn fails that region, with a message, and can be tried again"] = function()
  local w = world()
  local body, keys = chain(w)
  ask(w, "POST", CMEK, body, { pause = 0 })
  w:call("kms", "DisableKey", { KeyId = keys["us-east-1"] })
  w.now = w.now + 10
  local info = cmek(w)
  test.equal(statuses(info), { "ENABLE_FAILED", "eu-west-1 ENABLED", "ENABLED", "us-east-1 ENABLE_FAILED", "ENABLE_FAILED",
    "us-west-2 ENABLED", "ENABLED" })
  test.contains(info.region_infos[2].key_infos[1].user_message, "Disabled")
  test.equal({ cluster(w).state, cluster(w).operation_status }, { "CREATED", "CRDB_CMEK_OPERATION_FAILED" })
  w:call("kms", "EnableKey", { KeyId = keys["us-east-1"] })
  test.equal(ask(w, "POST", CMEK, body).status, 200)
  w.now = w.now + 10
  test.equal({ cmek(w).status, #cmek(w).region_infos[2].key_infos, cmek(w).region_infos[2].key_infos[1].user_message }, { "ENABLED", 1, "" })
end

test["a change in AWS counts from the moment it is made, though nobody asked the Cloud meanwhile"] = function()
  local w = world()
  local body, keys = chain(w)
  ask(w, "POST", CMEK, body, { pause = 0 })
  w.now = w.now + 10
  w:call("kms", "DisableKey", { KeyId = keys["us-east-1"] })
  test.equal(cmek(w).status, "ENABLED")
end

test["PUT with a new key rotates the regions it lists: the new one is enabled, the old one disabled and still listed"] = function()
  local w, _, keys, role = enabled()
  local fresh = key(w, "us-east-1", role)
  local info = ask(w, "PUT", CMEK, { region_specs = json.array { spec("us-east-1", fresh, role) } }).body
  test.equal(statuses(info), { "ROTATING", "eu-west-1 ENABLED", "ENABLED", "us-east-1 ROTATING", "DISABLING", "ENABLING",
    "us-west-2 ENABLED", "ENABLED" })
  w.now = w.now + 10
  info = cmek(w)
  test.equal(statuses(info), { "ENABLED", "eu-west-1 ENABLED", "ENABLED", "us-east-1 ENABLED", "DISABLED", "ENABLED",
    "us-west-2 ENABLED", "ENABLED" })
  test.equal({ info.region_infos[2].key_infos[1].spec.uri, info.region_infos[2].key_infos[2].spec.uri }, { keys["us-east-1"], fresh })
end

test["PUT with the same key re-wraps: one entry, updated later"] = function()
  local w, body = enabled()
  local before = cmek(w).region_infos[1].key_infos[1]
  ask(w, "PUT", CMEK, { region_specs = json.array { body.region_specs[1] } })
  test.equal({ cmek(w).region_infos[1].status, #cmek(w).region_infos[1].key_infos }, { "ENABLED", 1 })
  local after = cmek(w).region_infos[1].key_infos[1]
  test.equal({ after.status, after.created_at }, { "ENABLED", before.created_at })
  test.truthy(after.updated_at > before.updated_at)
end

test["a rotation that fails leaves the old key enabled"] = function()
  local w, _, _, role = enabled()
  local fresh = key(w, "us-east-1", role)
  ask(w, "PUT", CMEK, { region_specs = json.array { spec("us-east-1", fresh, role) } }, { pause = 0 })
  w:call("kms", "DisableKey", { KeyId = fresh })
  w.now = w.now + 10
  test.equal(statuses(cmek(w)), { "ROTATE_FAILED", "eu-west-1 ENABLED", "ENABLED", "us-east-1 ROTATE_FAILED", "ENABLED", "ENABLE_FAILED",
    "us-west-2 ENABLED", "ENABLED" })
end

test["the key in use after a failed rotation is not the last that is listed: another rotation disables it, and a revocation revokes it"] = function()
  local w, _, keys, role = enabled()
  local failing, good = key(w, "us-east-1", role), key(w, "us-east-1", role)
  local function put(uri, pause)
    return ask(w, "PUT", CMEK, { region_specs = json.array { spec("us-east-1", uri, role) } }, { pause = pause })
  end
  put(failing, 0)
  w:call("kms", "DisableKey", { KeyId = failing })
  w.now = w.now + 10
  ask(w, "PATCH", CMEK, { action = "REVOKE" })
  w.now = w.now + 10
  test.equal(cmek(w).status, "REVOKED")
  test.truthy(require("sim.cmek").restore(w.simulation, inside(w)))
  test.equal({ table.unpack(statuses(cmek(w)), 4, 6) }, { "us-east-1 ENABLED", "ENABLED", "ENABLE_FAILED" })
  put(good)
  w.now = w.now + 10
  test.equal({ table.unpack(statuses(cmek(w)), 4, 7) }, { "us-east-1 ENABLED", "DISABLED", "ENABLE_FAILED", "ENABLED" })
  test.equal(cmek(w).region_infos[2].key_infos[1].spec.uri, keys["us-east-1"])
end

test["REVOKE ends in REVOKED, from which only support leads back"] = function()
  local w, body = enabled()
  test.equal(ask(w, "PATCH", CMEK, { action = "REVOKE" }).body.status, "REVOKING")
  w.now = w.now + 10
  test.equal(statuses(cmek(w)), { "REVOKED", "eu-west-1 REVOKED", "REVOKED", "us-east-1 REVOKED", "REVOKED", "us-west-2 REVOKED", "REVOKED" })
  refused(ask(w, "POST", CMEK, body), 400, 9, "support")
  refused(ask(w, "PUT", CMEK, body), 400, 9)
  refused(ask(w, "PATCH", CMEK, { action = "REVOKE" }), 400, 9)
  test.truthy(require("sim.cmek").restore(w.simulation, inside(w)))
  test.equal(cmek(w).status, "ENABLED")
end

-- Regions --------------------------------------------------------------------------------------------------------------------

local function add(w, nodes, specs)
  return ask(w, "PATCH", "/clusters/" .. ORDERS, { dedicated = { region_nodes = nodes, cmek_region_specs = specs } })
end
local FOUR <const> = { ["eu-west-1"] = 3, ["us-east-1"] = 3, ["us-west-2"] = 3, ["us-east-2"] = 3 }

test["a region is added with its key, and both are there afterwards"] = function()
  local w, _, _, role = enabled()
  local uri = key(w, "us-east-2", role)
  local answer = add(w, FOUR, json.array { spec("us-east-2", uri, role) })
  test.equal({ answer.status, answer.body.state, answer.body.operation_status }, { 200, "LOCKED", "CRDB_SCALE_RUNNING" })
  w.now = w.now + 10
  test.equal({ #cluster(w).regions, cluster(w).regions[4].name, cluster(w).state }, { 4, "us-east-2", "CREATED" })
  test.equal(statuses(cmek(w))[6], "us-east-2 ENABLED")
end

test["adding a region to a CMEK cluster wants its key, and no key for a region that is there"] = function()
  local w, body, _, role = enabled()
  refused(add(w, FOUR, json.array {}), 400, 3, "region_specs is empty")
  refused(add(w, FOUR, json.array { body.region_specs[1] }), 400, 3, "already has a CMEK spec")
  refused(add(w, FOUR, json.array { spec("us-east-2", key(w, "us-east-2", role), role), body.region_specs[1] }), 400, 3, "already has")
  refused(add(w, { ["us-east-1"] = 3, ["us-east-2"] = 3 }, json.array {}), 400, 3, "one region or at least three")
  refused(add(w, { ["eu-west-1"] = 3, ["us-east-1"] = 3, ["us-west-2"] = 3, ["us-east1"] = 3 }, json.array {}), 400, 3,
    "invalid region name 'us-east1' for AWS")
  test.equal(#cluster(w).regions, 3)
end

test["a region that the map leaves out is taken out, and the Cloud goes on naming its keys"] = function()
  local w, _, _, role = enabled()
  local uri = key(w, "us-east-2", role)
  local map = { ["us-east-1"] = 3, ["us-west-2"] = 4, ["us-east-2"] = 3 }
  test.equal(add(w, map, json.array { spec("us-east-2", uri, role) }).status, 200)
  w.now = w.now + 10
  local found = {}
  for _, region in ipairs(cluster(w).regions) do found[region.name] = region.node_count end
  test.equal({ found, #cmek(w).region_infos }, { map, 4 })
end
