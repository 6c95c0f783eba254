-- Adopting what differs from region to region: "a key and IAM role combination per region", also of several AWS accounts.
local accounts = dofile "tests/accounts.lua"
local file = require "file"
local json = require "json"
local operators = accounts.operators
local outside = dofile "tests/outside.lua"
local policies = require "policy"

local OWN <const>, OTHER <const> = accounts.OWN, accounts.OTHER
local REGIONS <const> = { "us-east-1", "us-west-2", "eu-west-1" }

-- A cluster that was set up by hand: `of` gives for each region the account of its key, and the name and account of its role.
local function by_hand(who, of)
  local hands = { [OWN] = operators.beside(who, { who = who.simulation.accounts[1] }), [OTHER] = accounts.theirs(who) }
  hands[OWN].door:permit_writes "?"
  hands[OWN].door:permit_irreversible("?", "orders")
  local cluster, organization = operators.within(hands[OWN], function(session)
    for _, region in ipairs(REGIONS) do session.door:region(region) end
    return session.cloud.find_cluster "orders", session.cloud.organization()
  end)
  local specs, keys, roles = {}, {}, {}
  for i, region in ipairs(REGIONS) do
    local key_account, name, role_account = of(region)
    local role = roles[name] or operators.within(hands[role_account], function(session)
      return session.iam.create_role { RoleName = name, AssumeRolePolicyDocument = policies.json(policies.cross_account {
        account_id = cluster.account_id, external_id = organization.id }) }.Role.Arn
    end)
    roles[name] = role
    if role_account ~= key_account then
      operators.within(hands[role_account], function(session)
        session.iam.put_role_policy { RoleName = name, PolicyName = "by-hand",
          PolicyDocument = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*"}}' }
      end)
    end
    keys[region] = operators.within(hands[key_account], function(session)
      return session.kms.create_key { region = region,
        Policy = policies.json(policies.cmek { role = role, account = key_account }) }.KeyMetadata.Arn
    end)
    specs[i] = { region = region, key_spec = { type = "AWS_KMS", uri = keys[region], auth_principal = role } }
  end
  operators.within(hands[OWN], function(session)
    session.cloud.enable_cmek(cluster.id, specs)
    session.tasks.sleep(600)
    assert(session.cloud.cmek(cluster.id).status == "ENABLED")
  end)
  who.world.now = who.world.now + 30 * 86400
  return keys, roles
end

local function role_a_region(region) return OWN, "crdb-" .. region, OWN end
local function key_elsewhere(region) return region == "eu-west-1" and OTHER or OWN, "crdb-by-hand", OWN end

local function run(who, recipe, arguments, mode) return operators.run(who, recipe, { arguments = arguments, mode = mode }) end

local function done(who, recipe, arguments)
  local report, status = run(who, recipe, arguments)
  test.equal({ status, report.error }, { 0 })
  return report
end

test["a role of its own for each region: each is adopted, and console, rotate and verify go on with them"] = function()
  local who = accounts.open()
  local keys, roles = by_hand(who, role_a_region)
  local report = done(who, "adopt", {})
  test.equal({ report.summary.change, report.going_on.command }, { 6, "cmek plan console --cluster orders" })
  for i, spec in ipairs(report.handover.region_specs) do
    test.equal({ i, spec.key_spec.uri, spec.key_spec.auth_principal }, { i, keys[spec.region], roles["crdb-" .. spec.region] })
  end
  local console = done(who, "console", {})
  test.equal({ console.summary.create, console.handover }, { 0, report.handover })
  test.equal(run(who, "console", {}, "verify").findings, json.array {})
  local rotated = done(who, "rotate", {})
  for _, spec in ipairs(rotated.handover.region_specs) do test.equal(spec.key_spec.auth_principal, roles["crdb-" .. spec.region]) end
  test.equal(run(who, "console", {}, "verify").findings, json.array {})
end

test["a region is added to such a cluster with one of its roles, which is named"] = function()
  local who = accounts.open()
  local _, roles = by_hand(who, role_a_region)
  done(who, "adopt", {})
  local ok, raised = pcall(run, who, "add-region", { add = { "eu-central-1=3" } })
  test.equal({ ok, raised.next }, { false, "name one of them: --role ARN" })
  ok, raised = pcall(run, who, "add-region", { add = { "eu-central-1=3" }, role = "nobody" })
  test.equal(ok, false)
  test.contains(raised.message, "--role nobody is none of those")
  local report = done(who, "add-region", { add = { "eu-central-1=3" }, role = "crdb-eu-west-1" })
  test.equal(report.handover.region_specs[1].key_spec.auth_principal, roles["crdb-eu-west-1"])
end

test["a key of another account is adopted there where --reach leads to it, and the layout that is saved says how"] = function()
  local who = accounts.open()
  local keys = by_hand(who, key_elsewhere)
  local path = test.directory() .. "/orders.lua"
  local report = done(who, "adopt", { reach = { "security" }, save_layout = path })
  test.equal({ report.summary.change, accounts.key_in(who, OTHER, "eu-west-1", 1).Arn }, { 4, keys["eu-west-1"] })
  test.contains(report.going_on.command, "--layout " .. path)
  local used, role = {}, report.handover.region_specs[1].key_spec.auth_principal
  for i, spec in ipairs(report.handover.region_specs) do used[i] = { region = spec.region, arn = spec.key_spec.uri, role = role } end
  local map = require("layout").mapping(used, { account = OWN, role = "" }, { [OTHER] = { profile = "security" } })
  test.equal(map["eu-west-1"], { profile = "security", role = role })
  require("layout").save(path, require("layout").text(map))   -- as a run does when it is done
  local console = done(who, "console", { layout = path })
  test.equal({ console.summary.create, console.handover }, { 1, report.handover })   -- what the role may do with the other account's key
  test.equal(done(who, "rotate", { reach = { path } }).summary.create, 3)
end

test["what nothing leads to is left as it is and told; where that is all, adopting is refused"] = function()
  local who = accounts.open()
  by_hand(who, key_elsewhere)
  local report = done(who, "adopt", {})
  test.equal({ report.summary.change, accounts.key_in(who, OTHER, "eu-west-1", 1) }, { 3 })
  test.contains(accounts.warned(who), "(--reach); it is left as it is")
  local other = accounts.open()
  by_hand(other, function() return OTHER, "crdb-by-hand", OTHER end)
  test.raises(function() run(other, "adopt", {}) end, "is a key of account " .. OTHER)
end

test["a region is added in the account that all keys of the cluster are of"] = function()
  local who = accounts.open()
  by_hand(who, function() return OTHER, "crdb-by-hand", OTHER end)
  done(who, "adopt", { reach = { "security" } })
  local ok, raised = pcall(run, who, "add-region", { add = { "eu-central-1=3" } })
  test.equal(ok, false)
  test.contains(raised.message, "is a key of account " .. OTHER)
  local report = done(who, "add-region", { add = { "eu-central-1=3" }, reach = { "security" } })
  test.contains(report.handover.region_specs[1].key_spec.uri, "arn:aws:kms:eu-central-1:" .. OTHER)
end

test["a role here is let to the key of a new region there"] = function()
  local who = accounts.open()
  local layout = accounts.written(('return { ["us-east-1"] = %s, ["us-west-2"] = %s, ["eu-west-1"] = %s }'):gsub("%%s", '{ profile = "security" }'))
  done(who, "console", { layout = layout, enable = "true" })
  local report = done(who, "add-region", { add = { "eu-central-1=3" }, reach = { layout } })
  local arn = report.handover.region_specs[1].key_spec.uri
  test.contains(arn, ":" .. OTHER .. ":")
  test.equal({ #accounts.allowed(who), accounts.allowed(who)[4] }, { 4, arn })
end

test["from outside: the layout in use is saved by run, and not over something else"] = function()
  local result = outside.simulated([[
    cd $D; R='--yes --confirm orders'
    printf 'return { ["us-east-1"] = { role = "crdb-one" }, ["us-west-2"] = { key = "us-east-1" }, ["eu-west-1"] = { } }' >made.lua
    $CMEK run console --cluster orders --layout ./made.lua --enable $R >/dev/null 2>&1 || exit 9
    $CMEK plan adopt --cluster orders --save-layout ./saved.lua >/dev/null 2>&1; ls saved.lua 2>/dev/null
    $CMEK run adopt --cluster orders --save-layout ./saved.lua $R >/dev/null 2>&1; echo $?; cat saved.lua
    $CMEK plan console --cluster orders --layout ./saved.lua --exit-code >/dev/null 2>&1; echo $?
    $CMEK run adopt --cluster orders --save-layout ./made.lua $R; echo $?
    $CMEK run adopt --cluster orders --save-layout saved $R; echo $?]])
  test.contains(result.output, '0\nreturn {\n  ["eu-west-1"] = {  },\n  ["us-east-1"] = { role = "arn:aws:iam::')
  test.contains(result.output, '["us-west-2"] = { key = "us-east-1"')
  test.equal(result.output:match "(%d+\n%d+\n%d+\n)$", "0\n2\n2\n")
  test.contains(result.errors, "it is there, with something else in it")
  test.contains(result.errors, "such as ./saved.lua")
  test.truthy(file.read(result.directory .. "/saved.lua"))
end

test["keys here that are used with a role there: adopted on both sides, rotated here, and the role there is let to the new keys"] = function()
  local who = accounts.open()
  local keys, roles = by_hand(who, function() return OWN, "crdb-theirs", OTHER end)
  local report = done(who, "adopt", { reach = { "security" } })
  test.equal({ report.summary.change, report.going_on.command }, { 4, "cmek plan console --cluster orders" })
  for _, finding in ipairs(run(who, "rotate", { reach = { "security" } }, "verify").findings) do   -- before the role has cmek's own policy
    test.truthy(finding.id ~= "role.permissions" or finding.mend == json.null and finding.text:find("may be what lets it", 1, true))
  end
  local rotated = done(who, "rotate", { reach = { "security" } })
  test.equal({ rotated.handover.region_specs[1].key_spec.auth_principal, rotated.handover.region_specs[1].key_spec.uri },
    { roles["crdb-theirs"], accounts.key_in(who, OWN, "eu-west-1", 2).Arn })
  local document = operators.within(accounts.theirs(who), function(session)
    return session.iam.get_role_policy { RoleName = "crdb-theirs", PolicyName = require("names").USE_POLICY }.PolicyDocument
  end)
  for region in pairs(keys) do
    for generation = 1, 2 do test.contains(document, accounts.key_in(who, OWN, region, generation).Arn) end
  end
  local found = run(who, "rotate", { reach = { "security" } }, "verify").findings
  test.equal({ #found, found[1].id, found[1].have, type(found[1].mend) }, { 1, "role.permissions", "by-hand", "string" })
  test.contains(found[1].text, "for which it needs crdb-cmek-kms and nothing else")
  local plain = run(who, "console", {}, "verify").findings   -- without what leads there the role is unknown, and the keys are well
  local seen = {}
  for _, finding in ipairs(plain) do seen[finding.id .. " " .. finding.severity] = true end
  test.equal(seen, { ["role.exists unknown"] = true, ["key.rotation medium"] = true })   -- nobody had switched that on
  who.world.now = who.world.now + 30 * 86400
  local ok = done(who, "rotate", {})   -- nothing leads to the role: what it needs is told
  test.contains(accounts.warned(who), "aws iam put-role-policy --role-name crdb-theirs")
  test.equal(ok.summary.create, 3)
end
