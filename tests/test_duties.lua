-- Separated duties: one with the Cloud's key writes facts, one with AWS makes role and keys and hands them over, one with the
-- Cloud's key enables CMEK. Each needs only its own credentials, and what they carry is checked.
local facts = require "facts"
local failure = require "ui.failure"
local file = require "file"
local handover = require "handover"
local json = require "json"
local json_schema = dofile "tests/json_schema.lua"
local operators = dofile "tests/operator.lua"
local outside = dofile "tests/outside.lua"

local NO_AWS <const> = "unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN; "
local NO_CLOUD <const> = "unset COCKROACH_API_KEY; "
local ORGANIZATION <const> = "0f4be3a2-6a1c-4d5e-9b7f-2c8d1e6a7f90"
local CLOUD_ACCOUNT <const> = "571234890001"

local function facts_document()
  return { schema = "cmek.facts/1", cmek = "0.1.0", written_at = "2026-02-01T09:00:00Z", organization = { id = ORGANIZATION, name = "Example Co" },
    cluster = { id = operators.CLUSTER.id, name = "orders", plan = "ADVANCED", cloud_provider = "AWS", state = "CREATED",
      network_visibility = "PRIVATE", account_id = CLOUD_ACCOUNT,
      regions = json.array { { name = "us-east-1" }, { name = "us-west-2" }, { name = "eu-west-1" } } } }
end

local function specs(role, regions)
  local list = json.array {}
  for i, region in ipairs(regions or { "eu-west-1", "us-east-1", "us-west-2" }) do
    list[i] = { region = region, key_spec = { type = "AWS_KMS", uri = ("arn:aws:kms:%s:210987654321:key/00000000-0000-4000-8000-00000000000%d")
      :format(region, i), auth_principal = "arn:aws:iam::210987654321:role/" .. (role or "crdb-cmek-orders-0f2c6e9d41b7") } }
  end
  return list
end

local function handover_document()
  return { schema = "cmek.handover/1", cmek = "0.1.0", written_at = "2026-02-01T09:00:00Z", organization = { id = ORGANIZATION, name = "Example Co" },
    cluster = { id = operators.CLUSTER.id, name = "orders" }, account = "210987654321", region_specs = specs(), run = "r", arguments = {},
    recipe = { name = "console", hash = ("0"):rep(64) } }
end

local function written(document, name)
  local path = test.directory() .. "/" .. (name or "file.json")
  assert(file.write(path, type(document) == "string" and document or json.encode(document)))
  return path
end

-- Each case breaks a document; what reads it must refuse it with these words and exit status 2.
local function refuses(read, document, cases)
  read(written(document()))   -- the control
  for _, case in ipairs(cases) do
    local broken = document()
    local text = case[1](broken)
    local path = written(type(text) == "string" and text or broken)
    local raised = test.raises(function() read(path) end, case[2])
    test.contains(tostring(raised), path)
    test.equal(failure.status(raised), 2)
  end
end

-- The whole way --------------------------------------------------------------------------------------------------------------

test["three people, each with own credentials alone: facts, role and keys, CMEK enabled"] = function()
  local result = outside.simulated([[
    say() { echo "$1 $2" >>$D/said; }
    (]] .. NO_AWS .. [[$CMEK status --cluster orders --facts $D/facts; say status $?)
    (]] .. NO_CLOUD .. [[$CMEK plan console --facts $D/facts; say plan $?
      $CMEK run console --facts $D/facts --out $D/spec --yes --json >$D/run; say run $?
      $CMEK verify console --facts $D/facts; say verify $?)
    (]] .. NO_AWS .. [[$CMEK plan enable --spec $D/spec --json >$D/plan; say plan $?
      $CMEK run enable --spec $D/spec --yes --confirm orders; say enable $?
      $CMEK verify --cluster orders --spec $D/spec; say verify $?)]])
  test.equal((file.read(result.directory .. "/said")), "status 0\nplan 0\nrun 0\nverify 0\nplan 0\nenable 0\nverify 0\n")
  for _, name in ipairs { "facts", "spec", "run", "plan" } do
    local document = assert(json.decode((file.read(result.directory .. "/" .. name))))
    test.equal(json_schema.complaint(document), nil)
  end
  test.equal(file.stat(result.directory .. "/facts").mode, 420)   -- 0644: nothing in it is secret
  local spec = assert(json.decode((file.read(result.directory .. "/spec"))))
  test.equal({ spec.schema, spec.organization.id, spec.cluster, spec.account, spec.recipe.name, #spec.recipe.hash, #spec.region_specs, spec.cmek },
    { "cmek.handover/1", ORGANIZATION, operators.CLUSTER, "210987654321", "console", 64, 3, (require "version") })
  test.equal(spec.region_specs, assert(json.decode((file.read(result.directory .. "/run")))).handover.region_specs)
  test.contains(result.errors, "the facts in '" .. result.directory .. "/facts' are ")
  test.contains(result.errors, "they do not tell which keys the cluster uses")
  test.contains(result.errors, "the hand-over '" .. result.directory .. "/spec' is ")
end

test["with --facts nothing is asked of the Cloud, with --spec nothing of AWS, also where there are credentials"] = function()
  local document, asked = facts_document(), {}
  document.written_at = "2026-11-01T09:00:00Z"
  local directory = test.directory()
  assert(file.write(directory .. "/facts", json.encode(document)))
  local result = outside.simulated("$CMEK plan console --facts $D/facts --requests && $CMEK run console --facts $D/facts --out $D/spec --yes",
    { directory = directory })
  test.equal(result.status, 0)
  for _, entry in ipairs(result.log) do asked[entry.service] = true end
  test.equal({ asked.cloud, asked.iam, asked.kms }, { nil, true, true })
  asked = {}
  result = outside.simulated("$CMEK plan enable --spec $D/spec && $CMEK plan enable --spec $D/spec --requests", { directory = directory })
  test.equal(result.status, 0)
  for _, entry in ipairs(result.log) do asked[entry.service] = true end
  test.equal(asked, { cloud = true })
end

test["--enable and recipes that need the Cloud are refused with --facts, and say how it is done"] = function()
  local path = written(facts_document())
  local result = outside.simulated(NO_CLOUD .. ([[
    $CMEK run console --facts %s --enable --yes --confirm orders; echo $? >$D/one
    $CMEK run console --facts %s --yes >$D/out; $CMEK run enable --facts %s --yes --confirm orders; echo $? >$D/two
    $CMEK run adopt --facts %s --yes; echo $? >$D/three]]):format(path, path, path, path))
  local function status(name) return (file.read(result.directory .. "/" .. name)) end
  test.equal({ status "one", status "two", status "three" }, { "2\n", "1\n", "2\n" })
  local _, count = result.text:gsub("cmek run enable %-%-spec SPEC", "")
  test.truthy(count >= 2)
  test.contains(result.text, "--facts does not tell it: only the Cloud can")
  test.equal(result:writes "EnableCMEKSpec", 0)
end

test["a recipe that makes things in AWS is refused with --spec, and so are flags that it answers"] = function()
  local path = written(handover_document())
  for command, words in require("sorted") {
    ["run console --spec %s --yes"] = "with --spec nobody talks to AWS, so nothing can be made there",
    ["run enable --spec %s --role x --yes"] = "--role does not go with --spec",
    ["run enable --spec %s --account 345678901234 --yes"] = "is of account 210987654321, not of --account 345678901234",
  } do
    local result = outside.simulated("$CMEK " .. command:format(path))
    test.contains(result.errors, words)
    test.equal({ result.status, result:writes() }, { 2, 0 })
  end
end

test["a run that was killed is resumed with the facts that its journal holds, from anywhere, and hands over then"] = function()
  local directory = test.directory()
  assert(file.write(directory .. "/facts", json.encode(facts_document())))
  local result = outside.simulated(NO_CLOUD .. [[cd $D
    $CMEK run console --facts facts --out spec --yes & killed=$!
    while ! grep -qs CreateKey log; do sleep 0.02; done; kill -9 $killed; wait $killed
    rm facts; cd /; $CMEK resume --yes; echo $? >$D/two]], { directory = directory, sim = { "--latency", "50" } })
  test.equal(file.read(directory .. "/two"), "0\n")
  test.contains(result.errors, "the facts in 'run ")
  test.equal(#assert(json.decode((file.read(directory .. "/spec")))).region_specs, 3)
end

test["a saved plan keeps to its facts"] = function()
  local path = written(facts_document())
  local result = outside.simulated(NO_CLOUD .. ("$CMEK plan console --facts %s --out $D/plan && "):format(path)
    .. "$CMEK run --plan $D/plan --out $D/spec --yes")
  test.equal(result.status, 0)
  test.truthy(file.exists(result.directory .. "/spec"))
end

test["a hand-over that cannot be written is refused before anything is made"] = function()
  for path, words in require("sorted") { ["/nowhere/spec"] = "cannot write --out '/nowhere/spec'", ["/tmp"] = "it is a directory" } do
    local result = outside.simulated(("$CMEK run console --cluster orders --out %s --yes"):format(path))
    test.contains(result.errors, words)
    test.equal({ result.status, result:writes() }, { 2, 0 })
  end
end

test["facts of a cluster that cannot have CMEK are not written, and --facts wants one cluster"] = function()
  local result = outside.simulated("$CMEK status --cluster orders-public --facts $D/facts; echo $? >$D/one; $CMEK status --facts $D/facts")
  test.equal({ file.read(result.directory .. "/one"), result.status }, { "1\n", 2 })
  test.contains(result.errors, "its network is PUBLIC")
  test.contains(result.errors, "--facts is of one cluster: name it with --cluster")
  test.equal(file.exists(result.directory .. "/facts"), false)
end

-- Facts that are wrong ---------------------------------------------------------------------------------------------------------

test["facts that were edited into nonsense, cut, or are of another version are refused, naming the field"] = function()
  refuses(facts.read, facts_document, {
    { function() return "{" end, "it is not JSON: line 1" }, { function() return "" end, "it is not JSON" },
    { function() return "[1]" end, "the document must be an object" },
    { function(d) d.schema = nil end, "it is no document of cmek's, and should be cmek.facts/1" },
    { function(d) d.schema = "cmek.handover/1" end, "it is a document cmek.handover/1, and should be cmek.facts/1" },
    { function(d) d.schema, d.cmek = "cmek.facts/2", "9.1" end, "it is cmek.facts/2, written by cmek 9.1; this is cmek " .. require "version" },
    { function(d) d.written_at = "yesterday" end, "written_at must be a time" },
    { function(d) d.organization = nil end, "organization must be an object" },
    { function(d) d.organization.id = "exco" end, "organization.id must be a UUID, and is 'exco'" },
    { function(d) d.cluster.id = "0f2c6e9d41b7" end, "cluster.id must be a UUID" },
    { function(d) d.cluster.name = json.null end, "cluster.name must be a text, and is missing" },
    { function(d) d.cluster.account_id = "12345" end, "cluster.account_id must be an AWS account of 12 digits, and is '12345'" },
    { function(d) d.cluster.account_id = "CCDB1_" .. "abcdef" end, "and is an API key of CockroachDB Cloud" },
    { function(d) d.cluster.regions = {} end, "cluster.regions must be a list with something in it" },
    { function(d) d.cluster.regions[2].name = "evil.example.com/" end, "cluster.regions[2].name must be the name of an AWS region" },
    { function(d) d.cluster.regions[3].name = "us-east-1" end, "us-east-1 stands twice" },
    { function(d) d.cluster.plan = 7 end, "cluster.plan must be a text, and is '7'" },
  })
  test.raises(function() facts.read "/nowhere" end, "cannot read --facts '/nowhere'")
end

test["facts of another cluster than the one that is named, and of the future, are refused; a cluster is known by each of its names"] = function()
  local document = facts_document()
  local cloud = facts.cloud { path = "f", flag = "--facts", document = document }
  for _, name in ipairs { "orders", operators.CLUSTER.id, "https://cockroachlabs.cloud/cluster/" .. operators.CLUSTER.id .. "/overview" } do
    test.equal(cloud.find_cluster(name).id, operators.CLUSTER.id)
  end
  local raised = test.raises(function() cloud.find_cluster "payments" end, ("'f' is of cluster orders (%s), not of 'payments'"):format(
    operators.CLUSTER.id))
  test.equal(failure.status(raised), 2)
  local now = require("time").epoch(document.written_at)
  local opened = { path = "f", flag = "--facts", document = document }
  test.contains(facts.note(opened, now + 3 * 86400), "the facts in 'f' are 3 days old (written 2026-02-01")
  test.raises(function() facts.note(opened, now - 2 * 86400) end, "which is to come")
end

test["facts with the account of one's own are refused before anything is made, and so is a cluster that they say is unfit"] = function()
  local mine, public = facts_document(), facts_document()
  mine.cluster.account_id, public.cluster.network_visibility = "210987654321", "PUBLIC"
  for _, case in ipairs { { mine, "which is the account that CockroachDB Cloud uses" }, { public, "its network is PUBLIC" } } do
    local result = outside.simulated(("$CMEK run console --facts %s --yes"):format(written(case[1])))
    test.contains(result.errors, case[2])
    test.equal({ result.status, result:writes() }, { 1, 0 })
  end
end

-- Hand-overs that are wrong ------------------------------------------------------------------------------------------------------

test["a hand-over that was edited into nonsense, cut, or is of another version is refused, naming the field"] = function()
  local key, role = "arn:aws:kms:us-east-1:210987654321:key/00000000-0000-4000-8000-000000000001", "arn:aws:iam::210987654321:role/x"
  local function change(place, value)
    return function(d) d.region_specs[2].key_spec[place] = value end
  end
  refuses(handover.read, handover_document, {
    { function() return '{"region_specs":[' end, "it is not JSON" }, { function() return "{}" end, "it is no document of cmek's" },
    { function(d) d.schema = "cmek.facts/1" end, "it is a document cmek.facts/1, and should be cmek.handover/1" },
    { function(d) d.schema = "cmek.handover/3" end, "it is cmek.handover/3" },
    { function(d) d.organization.id = nil end, "organization.id must be a UUID, and is missing" },
    { function(d) d.cluster = "orders" end, "cluster must be an object" },
    { function(d) d.account = "none" end, "account must be an AWS account of 12 digits" },
    { function(d) d.region_specs = {} end, "region_specs must be a list with something in it" },
    { function(d) d.region_specs[1] = "x" end, "region_specs[1] must be an object" },
    { function(d) d.region_specs[1].key_spec = nil end, "region_specs[1].key_spec must be an object" },
    { function(d) d.region_specs[1].region = "us-west-2" end, "us-west-2 stands twice" },
    { change("type", "NULL_KMS"), "region_specs[2].key_spec.type must be AWS_KMS" },
    { change("uri", role), "region_specs[2].key_spec.uri must be the ARN of a KMS key" },
    { change("uri", "alias/x"), "key_spec.uri must be the ARN of a KMS key" },
    { change("auth_principal", key), "key_spec.auth_principal must be the ARN of an IAM role" },
    { change("auth_principal", json.null), "and is missing" },
    { change("uri", (key:gsub("210987654321", "345678901234"))),
      "region_specs[2].key_spec.uri is of account 345678901234, and the rest of account 210987654321" },
    { change("auth_principal", "arn:aws:iam::345678901234:role/x"), "key_spec.auth_principal is of account 345678901234" },
    { change("auth_principal", "arn:aws-cn:iam::210987654321:role/x"), "different partitions" },
  })
end

-- A run of enable with this hand-over, by somebody without AWS credentials.
local function enable(document, options)
  local who = operators.open(options)
  local path = written(document)
  local ok, report, status = pcall(operators.run, who, "enable", { spec = handover.read(path) })
  local enabled = false
  for _, cluster in ipairs(who.simulation.state.cloud.clusters) do
    if cluster.id == operators.CLUSTER.id then enabled = #(cluster.cmek and cluster.cmek.region_infos or {}) > 0 end
  end
  return ok, report, status, enabled
end

test["a hand-over for another organization, cluster or set of regions, or with CockroachDB's own account, enables nothing"] = function()
  local function changed(change)
    local document = handover_document()
    change(document)
    return document
  end
  local cases = {
    { changed(function(d) d.organization.id = "11111111-2222-4333-8444-555555555555" end), "it is for organization Example Co (11111111" },
    { changed(function(d) d.cluster = { id = "11111111-2222-4333-8444-555555555555", name = "payments" } end),
      "it is for cluster payments (11111111" },
    { changed(function(d) table.remove(d.region_specs, 1) end), "it has no key for eu-west-1" },
    { changed(function(d) d.region_specs = specs(nil, { "eu-west-1", "us-east-1", "us-west-2", "ap-south-1" }) end),
      "the cluster is not in ap-south-1" },
    { changed(function(d) d.region_specs = specs("crdb-cmek-payments-aaaaaaaaaaaa") end), "is by its name of another cluster than orders" },
    { json.decode((json.encode(handover_document()):gsub("210987654321", CLOUD_ACCOUNT))), "which is CockroachDB's own account" },
    { { region_specs = specs("crdb-cmek-payments-aaaaaaaaaaaa") }, "is by its name of another cluster" },
    { { region_specs = specs(nil, { "eu-west-1" }) }, "it has no key for us-east-1, us-west-2" },
  }
  for _, case in ipairs(cases) do
    local ok, raised, _, enabled = enable(case[1])
    test.equal({ ok, enabled, failure.status(raised) }, { false, false, 1 })
    test.contains(tostring(raised), case[2])
  end
end

test["the command that verify prints names the hand-over again"] = function()
  local who = operators.open()
  local made = operators.run(who, "console").handover
  local path = written { region_specs = made.region_specs }
  local report, status = operators.run(who, "enable", { mode = "verify", spec = handover.read(path), flags = { spec = path } })
  test.equal({ status, report.findings[1].mend }, { 6, ("cmek run enable --cluster orders --spec %s"):format(path) })
end

test["plain region_specs are taken for a cluster that is named, and what cannot be told of them is said"] = function()
  local who = operators.open()
  local made = operators.run(who, "console").handover
  local path = written { region_specs = made.region_specs }
  local report, status = operators.run(who, "enable", { spec = handover.read(path), run_id = "run-2" })
  test.equal({ status, report.cmek.uses }, { 0, "all" })
  test.contains(report.warnings[1].text, "it names neither organization nor cluster")
  local result = outside.simulated(("$CMEK run enable --spec %s --yes"):format(path))
  test.equal(result.status, 2)
  test.contains(result.errors, "--cluster is missing")
end

test["keys that the Cloud cannot use are not blamed on what nobody looked at"] = function()
  local ok, report, status, enabled = enable(handover_document())   -- neither role nor keys are there
  test.equal({ ok, status, enabled }, { true, 1, false })
  test.contains(report.error.message, "With --spec AWS is not looked at: whoever made role and keys can find what is wrong")
end

test["a key that lost its race is tagged and not disabled by somebody who cannot ask the Cloud"] = function()
  local who = operators.open()
  who.session:know { path = "f", flag = "--facts", document = facts_document() }
  local _, status = operators.run(who, "console")
  test.equal(status, 0)
  who.door:permit_writes "May the test write?"
  local key = operators.within(who, function(session)
    return session.kms.create_key { region = "us-east-1", Tags = { { TagKey = "cmek:attempt", TagValue = "a" },
      { TagKey = "cmek:cluster", TagValue = operators.CLUSTER.id } } }.KeyMetadata
  end)
  local context = require("engine.context").new { session = who.session, mode = "run", run_id = "run-2", listener = function() end }
  context.attempts = { settle = function(_, _, how) context.settled = how end }
  operators.within(who, function()
    require("engine.key.claim").set_aside(context, operators.CLUSTER, { id = "a", key = key.Arn, region = "us-east-1", alias = "alias/x" }, "h")
  end)
  local kept
  for _, one in ipairs(select(2, operators.key(who, "us-east-1")).keys) do
    if one.Arn == key.Arn then kept = one end
  end
  test.equal({ context.settled, kept.KeyState, #kept.Tags, kept.Tags[3] }, { "tagged", "Enabled", 3,
    { TagKey = "cmek:state", TagValue = "lost-race" } })
  test.contains(context.warned[1].text, "not disabled, since --facts does not tell")
end
