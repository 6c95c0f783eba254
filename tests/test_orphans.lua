-- What cmek made and nobody uses: each kind of orphan is found with its reason, what is in use is not, and cleaning is guarded.
local json = require "json"
local json_schema = dofile "tests/json_schema.lua"
local names = require "names"
local operators = dofile "tests/operator.lua"
local outside = dofile "tests/outside.lua"
local verifier = dofile "tests/verifier.lua"

local REGION <const> = "us-east-1"

local function context_of(who)
  return require("engine.context").new { session = who.session, mode = "destroy", run_id = "run-9", listener = function() end }
end

-- The orphans that are found: "reason kind region", sorted; the engine's account of them.
local function find(who, regions)
  local context, found = context_of(who), nil
  who.session.tasks.run(function()
    context:identity()
    found = require("engine.cluster.orphans").find(context, { regions = regions or {}, flags = {} })
  end)
  local list = {}
  for i, orphan in ipairs(found.list) do
    list[i] = ("%s %s%s"):format(orphan.reason, orphan.kind, orphan.region and " " .. orphan.region or "")
  end
  table.sort(list)
  test.equal(json_schema.complaint(json.decode(json.encode(require("ui.orphans").document(found)))), nil)
  return list, found
end

-- A key with tags, and an alias where one is named.
local function key(who, tags, alias, region)
  return operators.within(who, function(session)
    session.door:region(region or REGION)
    local list = {}
    for name, value in require("sorted")(tags) do list[#list + 1] = { TagKey = name, TagValue = value } end
    local made = session.kms.create_key { region = region or REGION, Tags = json.array(list), Description = "CMEK of CockroachDB cluster orders" }
    local id = made.KeyMetadata.KeyId
    if alias then session.kms.create_alias { region = region or REGION, AliasName = alias, TargetKeyId = id } end
    return id
  end)
end

local function later(who, seconds) who.world.now = who.world.now + seconds end

local function cluster_named(who, name)
  for _, cluster in ipairs(who.simulation.state.cloud.clusters) do
    if cluster.name == name then return cluster end
  end
end

local MINE <const> = { [names.TAG_CLUSTER] = operators.CLUSTER.id }

local function with(more)
  local tags = {}
  for name, value in pairs(MINE) do tags[name] = value end
  for name, value in pairs(more) do tags[name] = value end
  return tags
end

test["a chain in use is no orphan, and what cmek did not make is not looked at"] = function()
  local who = verifier.enabled()
  key(who, {})
  key(who, { team = "x" }, "alias/other")
  operators.within(who, function(session)
    session.iam.create_role { RoleName = "crdb-cmek-by-hand", AssumeRolePolicyDocument = operators.role(who).AssumeRolePolicyDocument }
  end)
  test.equal((find(who)), {})
end

test["a chain that its cluster does not use is told with both commands, and is not cleaned"] = function()
  local who = operators.open()
  operators.run(who, "console")
  local list, found = find(who)
  test.equal(list, { "unused key eu-west-1", "unused key us-east-1", "unused key us-west-2", "unused role" })
  test.equal({ found.list[1].clean, found.list[1].mend }, { false, "cmek destroy console --cluster orders" })
end

test["a key that was set aside, one without an alias, and one whose destroying did not finish"] = function()
  local who = operators.open()
  key(who, with { [names.TAG_STATE] = names.LOST_RACE, [names.TAG_RUN] = "run-7" })
  key(who, with { [names.TAG_RUN] = "run-8" })
  key(who, with { [names.TAG_STATE] = names.RETIRED }, names.alias(operators.CLUSTER))
  test.equal((find(who)), { "lost-race key us-east-1", "retired key us-east-1" })   -- the second may be at work
  later(who, 400)
  local list, found = find(who)
  test.equal(list, { "lost-race key us-east-1", "retired key us-east-1", "unclaimed key us-east-1" })
  for _, orphan in ipairs(found.list) do
    test.equal(orphan.clean, orphan.reason ~= "retired")
    if orphan.clean then test.equal(orphan.mend, "cmek orphans --clean --confirm " .. orphan.id) end
    if orphan.reason == "unclaimed" then test.contains(orphan.why, "run run-8 made it") end
  end
end

test["key and role of a cluster that was deleted may go; of one that this API key does not see nothing can be said"] = function()
  local who = operators.open()
  operators.run(who, "console")
  cluster_named(who, "orders").state = "DELETED"
  test.equal((find(who)), { "gone key eu-west-1", "gone key us-east-1", "gone key us-west-2", "gone role" })
  cluster_named(who, "orders").id = "00000000-0000-4000-8000-000000000000"
  local list, found = find(who)
  test.equal(list, { "unseen key eu-west-1", "unseen key us-east-1", "unseen key us-west-2", "unseen role" })
  test.equal(found.list[1].clean, false)
end

test["a key that waits for its end is told with its date and the command that takes it back"] = function()
  local who = operators.open()
  operators.run(who, "console")
  operators.run(who, "console", { mode = "destroy", run_id = "run-2" })
  local list, found = find(who)
  test.equal(list, { "pending key eu-west-1", "pending key us-east-1", "pending key us-west-2" })
  test.contains(found.list[1].why, "2027-01-31")
  verifier.mend(who, found.list[1].mend)
  later(who, 400)
  test.equal((find(who)), { "pending key us-east-1", "pending key us-west-2", "unclaimed key eu-west-1" })
end

-- Keys from Vault ----------------------------------------------------------------------------------------------------------

local function open_with_vault()
  return operators.open { environment = { VAULT_ADDR = "http://127.0.0.1:8200", VAULT_TOKEN = require("sim.vault.state").ROOT_TOKEN },
    sim = { rsa_generate = operators.rsa_of_size } }
end

test["a chain with keys from Vault is told with where its material is from, and taken back by its own recipe"] = function()
  for words, case in require("sorted") {
    ["vault --cluster orders"] = { "vault", {}, "keymgmt/crdb-cmek-orders-0f2c6e9d41b7-eu-west-1:1" },
    ["vault --cluster orders --vault-mount team"] = { "vault", { vault_mount = "team" }, "team/crdb-cmek-orders-0f2c6e9d41b7-eu-west-1:1" },
    ["vault-transit --cluster orders"] = { "vault-transit", {}, "transit/crdb-cmek-orders-0f2c6e9d41b7-eu-west-1:1" },
    ["vault-transit --cluster orders --vault-mount a/b"] = { "vault-transit", { form = "wrapped", vault_mount = "a/b" }, "a/b/no-copy" },
  } do
    local who = open_with_vault()
    test.equal(select(2, operators.run(who, case[1], { arguments = case[2] })), 0)
    local list, found = find(who)
    test.equal(#list, 4)
    for _, orphan in ipairs(found.list) do test.equal(orphan.mend, "cmek destroy " .. words) end
    test.equal({ found.list[1].region, found.list[1].material }, { "eu-west-1", case[3] })
  end
end

test["a key that Vault made for a cluster, and that no run has taken over, is told once it is not new, and is not cleaned"] = function()
  local who = open_with_vault()
  test.equal(select(2, operators.run(who, "vault")), 0)
  local kms = who.simulation.state.aws[operators.ACCOUNT].kms["us-west-2"]
  kms.keys[1].Tags = json.array {}
  for i = #kms.aliases, 1, -1 do
    if kms.aliases[i].AliasName:find "g1$" then table.remove(kms.aliases, i) end
  end
  test.equal(#find(who), 3)
  later(who, 400)
  local list, found = find(who)
  test.equal(list, { "unclaimed key us-west-2", "unused key eu-west-1", "unused key us-east-1", "unused role" })
  for _, orphan in ipairs(found.list) do
    if orphan.region == "us-west-2" then
      test.equal({ orphan.clean, orphan.mend }, { false, "cmek run vault --cluster orders" })
      test.contains(orphan.why, "Vault made it of its key crdb-cmek-orders-0f2c6e9d41b7-us-west-2")
    end
  end
end

test["a key that a run left without material is told as that, and what takes it back does not enable what cannot be enabled"] = function()
  local who = open_with_vault()
  table.insert(who.simulation.faults, require("sim.faults").read
    "error service=kms operation=ImportKeyMaterial region=us-west-2 code=AccessDeniedException")
  test.equal(select(2, operators.run(who, "vault-transit")), 5)
  later(who, 400)
  local _, found = find(who)
  for _, orphan in ipairs(found.list) do
    if orphan.region == "us-west-2" then
      test.equal({ orphan.reason, orphan.clean, orphan.have.state }, { "unclaimed", true, "PendingImport" })
      test.contains(orphan.why, "it has no key material")
      operators.within(who, function() found:clean(orphan) end)
      test.equal(orphan.cancel, ("aws kms cancel-key-deletion --region us-west-2 --key-id %s"):format(orphan.id))
      verifier.mend(who, orphan.cancel)
    end
  end
  test.contains(table.concat((find(who)), "\n"), "unclaimed key us-west-2")
end

test["a key in a region where no cluster is is found when that region is named"] = function()
  local who = operators.open()
  key(who, with { [names.TAG_STATE] = names.LOST_RACE }, nil, "ap-south-1")
  test.equal((find(who)), {})
  test.equal((find(who, { "ap-south-1" })), { "lost-race key ap-south-1" })
end

test["a role that was not given cmek's name is found by the key that names it"] = function()
  local who = operators.open()
  operators.run(who, "console", { arguments = { role = "ours-only" } })
  test.equal(#find(who), 4)
end

test["where the tag index is closed every key's own tags are read"] = function()
  local who = operators.open()
  key(who, with { [names.TAG_STATE] = names.LOST_RACE })
  who.simulation.faults = { { kind = "error", service = "tagging", code = "AccessDeniedException", status = 400 } }
  test.equal((find(who)), { "lost-race key us-east-1" })
end

test["what may not be looked at is told"] = function()
  local who = operators.open()
  key(who, with { [names.TAG_STATE] = names.LOST_RACE })
  who.simulation.faults = { { kind = "error", service = "iam", operation = "ListRoles", code = "AccessDenied", status = 403 },
    { kind = "error", service = "kms", operation = "ListAliases", region = "eu-west-1", code = "AccessDeniedException" } }
  local list, found = find(who)
  test.equal(list, { "lost-race key us-east-1" })
  test.equal({ #found.unread, found.unread[1].what, found.unread[1].region, found.unread[2].what }, { 2, "the aliases", "eu-west-1", "the roles" })
end

-- Cleaning -----------------------------------------------------------------------------------------------------------------

-- Cleans what may be cleaned, as if each was agreed to; by ID why one stays.
local function clean(who, found)
  local stays = {}
  operators.within(who, function()
    for _, orphan in ipairs(found.list) do
      if orphan.clean then
        stays[orphan.reason .. " " .. orphan.kind] = found:stays(orphan)
        if not stays[orphan.reason .. " " .. orphan.kind] then found:clean(orphan) end
      end
    end
  end)
  return stays
end

local function key_state(who, id, region)
  for _, one in ipairs(who.simulation.state.aws[operators.ACCOUNT].kms[region or REGION].keys) do
    if one.KeyId == id then return one.KeyState end
  end
end

test["cleaning schedules with the longest window, and the role of a deleted cluster goes after its keys"] = function()
  local who = operators.open()
  operators.run(who, "console")
  cluster_named(who, "orders").state = "DELETED"
  local _, found = find(who)
  test.equal(clean(who, found), {})
  for i = 1, 3 do
    test.equal({ found.list[i].result, found.list[i].have.state }, { "scheduled", "PendingDeletion" })
    test.matches(found.list[i].cancel, "^aws kms cancel%-key%-deletion ")
  end
  test.equal({ found.list[4].result, operators.role(who), operators.key(who, REGION) }, { "deleted" })
  test.equal((find(who)), { "pending key eu-west-1", "pending key us-east-1", "pending key us-west-2" })
end

test["the role stays as long as a key of its cluster does"] = function()
  local who = operators.open()
  operators.run(who, "console")
  cluster_named(who, "orders").state = "DELETED"
  local _, found = find(who)
  local role = found.list[4]
  operators.within(who, function() test.contains(found:stays(role), "3 key(s) of its cluster are not scheduled for deletion") end)
end

test["what a cluster names by the time of cleaning stays, also when it begins to in that moment"] = function()
  local who = operators.open()
  local id = key(who, with { [names.TAG_STATE] = names.LOST_RACE })
  local arn = ("arn:aws:kms:us-east-1:%s:key/%s"):format(operators.ACCOUNT, id)
  local cluster = cluster_named(who, "orders-one")
  local spec = { type = "AWS_KMS", uri = arn, auth_principal = "arn:aws:iam::1:role/x" }
  local function name()
    cluster.cmek = { status = "ENABLED", region_infos = json.array { { region = REGION, status = "ENABLED",
      key_infos = json.array { { status = "DISABLED", user_message = "", spec = spec } } } } }
  end
  local _, found = find(who)
  name()
  test.contains(clean(who, found)["lost-race key"], "cluster orders-one")
  test.equal(key_state(who, id), "Enabled")
  cluster.cmek = { status = "DISABLED", region_infos = json.array {} }
  who.simulation.on_request = function(entry) if entry.operation == "ScheduleKeyDeletion" then name() end end
  test.raises(function() clean(who, found) end, "its deletion was cancelled")
  test.equal(key_state(who, id), "Enabled")
end

test["when a cluster cannot be asked nothing is found, and nothing cleaned"] = function()
  local closed = false
  local who = operators.open { network = function(_, request)
    if closed and request.url:find("/cmek", 1, true) then
      return { instead = function() return { status = 403, headers = {}, body = "{}" } end }
    end
  end }
  local id = key(who, with { [names.TAG_STATE] = names.LOST_RACE })
  local _, found = find(who)
  closed = true
  test.raises(function() find(who) end, "does not say")
  test.raises(function() clean(who, found) end, "does not say")
  test.equal(key_state(who, id), "Enabled")
end

-- What was there before ---------------------------------------------------------------------------------------------------

test["a key and a role that were there before are no orphans once taken over, and destroy leaves them, with and without their ARNs"] = function()
  local who = operators.open()
  local key_arn, role_arn = operators.within(who, function(session)
    session.door:region(REGION)
    local made = session.kms.create_key { region = REGION, Description = "theirs", Tags = { { TagKey = names.TAG_CLUSTER,
      TagValue = operators.CLUSTER.id } } }
    local trust = require("policy").json(require("policy").cross_account { account_id = cluster_named(who, "orders").account_id,
      external_id = session.cloud.organization().id })
    local role = session.iam.create_role { RoleName = "crdb-theirs", AssumeRolePolicyDocument = trust,
      Tags = { { Key = names.TAG_CLUSTER, Value = operators.CLUSTER.id } } }
    return made.KeyMetadata.Arn, role.Role.Arn
  end)
  local arguments = { key = { key_arn }, role = role_arn }
  local _, status = operators.run(who, "console", { arguments = arguments })
  test.equal(status, 0)
  later(who, 3600)
  test.equal(find(who), { "unused key eu-west-1", "unused key us-west-2" })
  for _, given in ipairs { {}, { role = role_arn }, arguments } do
    local report, ended = operators.run(who, "console", { mode = "destroy", arguments = given })
    test.equal({ ended, report.error }, { 0 })
    for _, step in ipairs(report.steps) do test.truthy(step.arn ~= key_arn or step.action == "none") end
  end
  cluster_named(who, "orders").state = "DELETED"
  for _, orphan in ipairs(select(2, find(who)).list) do test.truthy(orphan.arn ~= key_arn and orphan.arn ~= role_arn) end
  test.equal(key_state(who, key_arn:match "[^/]+$"), "Enabled")
  test.truthy(operators.within(who, function(session) return session.iam.find_role { RoleName = "crdb-theirs" } end))
end

-- From outside -------------------------------------------------------------------------------------------------------------

test["from outside: without a terminal nothing is cleaned but what --confirm names by its ID"] = function()
  local result = outside.simulated [[
    unset AWS_MAX_ATTEMPTS
    "$CMEK" orphans --json > $D/none; echo "status $?"
    cat > $D/make.lua <<'END'
      for _, state in ipairs { "lost-race", "lost-race" } do
        kms.create_key { region = "us-east-1", Description = "CMEK of CockroachDB cluster orders",
          Tags = { { TagKey = "cmek:cluster", TagValue = "8b6d7a10-4c1e-4b7a-9a53-0f2c6e9d41b7" },
          { TagKey = "cmek:state", TagValue = state } } }
      end
END
    "$CMEK" exec --write --yes $D/make.lua; echo "status $?"
    "$CMEK" orphans --clean </dev/null; echo "status $?"
    ID=$("$CMEK" orphans --json=lines | sed -n 's/.*"id":"\([0-9a-f-]*\)","kind":"key".*/\1/p')
    "$CMEK" orphans --clean --confirm $ID --yes; echo "status $?"
    "$CMEK" orphans --clean --confirm 00000000-0000-4000-8000-000000000000; echo "status $?"
    "$CMEK" orphans --clean --confirm $ID --json; echo "status $?"
    "$CMEK" orphans --clean --confirm $ID; echo "status $?"
    "$CMEK" orphans --confirm $ID; echo "status $?"]]
  local statuses = {}
  for status in result.output:gmatch "status (%d+)" do statuses[#statuses + 1] = status end
  test.equal(table.concat(statuses, " "), "0 0 1 2 2 0 1 2", result.text)
  test.equal({ result:writes "ScheduleKeyDeletion", result:writes "DeleteRole" }, { 1, 0 })
  test.contains(result.errors, "there is no terminal to ask at")
  local document = json.decode(result.output:match "\n({\n.-\n})\n")
  test.equal(json_schema.complaint(document), nil)
  local results = {}
  for _, orphan in ipairs(document.orphans) do results[#results + 1] = tostring(orphan.result ~= json.null and orphan.result or orphan.reason) end
  table.sort(results)
  test.equal(results, { "lost-race", "scheduled" })
end
