-- verify as a whole: what it lists, what it says when it may not look, its document and its text.
local json = require "json"
local verifier = dofile "tests/verifier.lua"
local verification = require "engine.pass.verify"

local REGIONS <const> = { "eu-west-1", "us-east-1", "us-west-2" }

local function everywhere(id)
  local list = {}
  for i, region in ipairs(REGIONS) do list[i] = id .. " " .. region end
  return list
end

--- Somebody beside the operator, with these policies and the operator's Cloud key or another one.
local function beside(who, policies, options)
  options = options or {}
  options.who = who.simulation:add_user { account = verifier.ACCOUNT, name = options.name or "auditor", policies = policies,
    secret_access_key = "simulated/secret/not-a-real-one/00000009" }
  options.who.secret_access_key = "simulated/secret/not-a-real-one/00000009"
  return verifier.beside(who, options)
end

local function allow(...)
  return { Version = "2012-10-17", Statement = { Effect = "Allow", Action = json.array { ... }, Resource = "*" } }
end

local function all_but(...)
  return { Version = "2012-10-17", Statement = json.array { { Effect = "Allow", Action = "*", Resource = "*" },
    { Effect = "Deny", Action = json.array { ... }, Resource = "*" } } }
end

test["when all is well every check that there is stands in the list, and there are no findings"] = function()
  local list, report, status = verifier.found(verifier.enabled())
  test.equal({ list, status, report.findings }, { {}, 0, json.array {} })
  test.equal({ report.schema, report.run.recipe, report.run.cluster.name }, { "cmek.verify/1", "console", "orders" })
  for _, check in ipairs(verification.known()) do
    local unlisted = check.id == "cloud.organization" or check.id == "cluster.exists"   -- listed when they cannot be read
    local of_vault = check.id:find "^vault[._]" or check.id:find "^transit_key%." or check.id == "key.material"   -- tests/test_vault_transit.lua
    local of_layouts = check.id == "key.replica" or check.id:find "^role_use"   -- tests/test_replica.lua, test_layout_accounts.lua
    unlisted = unlisted or of_vault or of_layouts or check.id:find "^cmek_rotation%."   -- tests/test_rotate.lua
      or check.id:find "^cluster_regions%."   -- tests/test_add_region.lua
    local regional = check.id:find "^key%." or check.id:find "^cluster_cmek%.[ker][^x][^gi]"
    test.equal({ check.id, #verifier.rows(report, check.id) }, { check.id, unlisted and 0 or regional and 3 or 1 })
  end
  test.equal(verifier.results(report), { ok = #report.checked, finding = 0, unknown = 0 })
end

test["the list stands in one order, whichever answer comes first"] = function()
  local function ids(network)
    local _, report = verifier.found(verifier.enabled { network = network })
    local list = {}
    for i, check in ipairs(report.checked) do list[i] = check.id .. " " .. tostring(check.region) end
    return list
  end
  local late = ids(function(_, request) return { up = request.url:find "us%-east%-1" and 2.0 or 0.01, down = 0.01 } end)
  test.equal(late, ids())
  test.truthy(table.concat(late, "\n"):find "key%.grants us%-east%-1\nkey%.access us%-east%-1\nkey%.exists us%-west%-2")
end

test["every check is documented by its ID, and no other one is"] = function()
  local known, documented = {}, {}
  for _, check in ipairs(verification.known()) do known[check.id] = check.text end
  for id, text in require("help").topic("checks"):gmatch "\n  (%l[%l_]*%.[%l_.]+) +([^\n]+)" do documented[id] = text end
  test.equal(documented, known)
end

test["each read that is denied is one check that could not be made, and exit 6"] = function()
  local cases = {
    { "iam:GetRole", { "role.exists" } },
    { "iam:ListAttachedRolePolicies", { "role.permissions" } },
    { "iam:ListRolePolicies", { "role.permissions" } },
    { "iam:GetPolicy", { "role.boundary" } },
    { "iam:GetPolicyVersion", { "role.boundary" } },
    { "kms:ListAliases", everywhere "key.exists" },
    { "kms:DescribeKey", everywhere "key.exists" },
    { "kms:ListResourceTags", everywhere "key.owner" },
    { "kms:GetKeyPolicy", everywhere "key.policy" },
    { "kms:GetKeyRotationStatus", everywhere "key.rotation" },
    { "kms:ListGrants", everywhere "key.grants" },
  }
  local who = verifier.enabled()
  verifier.within(who, function(session)
    session.iam.put_role_permissions_boundary { RoleName = require("names").role(verifier.CLUSTER),
      PermissionsBoundary = "arn:aws:iam::aws:policy/AdministratorAccess" }
  end)
  for i, case in ipairs(cases) do
    local list, report, status = verifier.found(beside(who, { all_but(case[1]) }, { name = "auditor-" .. i }))
    test.equal({ case[1], list, status }, { case[1], case[2], 6 })
    for _, finding in ipairs(report.findings) do
      test.equal({ finding.severity, finding.mend }, { "unknown", json.null })
      test.contains(finding.have, case[1]:match ":(.*)")
    end
    test.equal(verifier.results(report).finding, 0)
  end
  test.equal((verifier.found(beside(who, { all_but "s3:GetObject" }))), {})   -- the control
end

test["with rights to read all is well; what only IAM's policy simulator tells is said to be unseen"] = function()
  local who = verifier.enabled()
  local list, report, status = verifier.found(beside(who, { allow("iam:Get*", "iam:List*", "kms:Describe*", "kms:Get*", "kms:List*") }))
  test.equal({ list, status }, { {}, 0 })
  test.equal(#verifier.rows(report, "role.organization"), 0)
  test.contains(verifier.rows(report, "key.access")[1].text, "not seen from here: resource control policies, service control policies")
  local _, whole = verifier.found(who)
  test.equal({ #verifier.rows(whole, "role.organization"), verifier.rows(whole, "key.access")[1].text },
    { 1, "not seen from here: resource control policies" })
end

test["with no rights in AWS at all nothing is well but the Cloud's side"] = function()
  local who = verifier.enabled()
  local list, report, status = verifier.found(beside(who, {}))
  local wanted = everywhere "key.exists"
  table.insert(wanted, "role.exists")
  test.equal({ list, status }, { wanted, 6 })
  for _, check in ipairs(report.checked) do
    if check.result == "ok" then test.truthy(check.id:find "^cluster" or check.id == "aws.account", check.id) end
  end
  test.equal(verifier.rows(report, "cluster_cmek.exists")[1].result, "ok")
end

test["a Cloud key without the right to see CMEK, to see clusters, or anything, leaves what it can tell"] = function()
  local who = verifier.enabled()
  local keys = require("sim.cloud").KEYS
  local admin = { { Version = "2012-10-17", Statement = { Effect = "Allow", Action = "*", Resource = "*" } } }
  local list, report, status = verifier.found(beside(who, admin, { api_key = keys[2].secret }))
  test.equal({ list, status, #verifier.rows(report, "key.access") }, { { "cluster_cmek.exists" }, 6, 3 })
  test.contains(report.findings[1].text, "Cluster Operator")
  who.simulation.state.cloud._keys = { keys[1], keys[2], { secret = keys[3].secret, roles = { "CLUSTER_OPERATOR_WRITER" } } }
  list, report, status = verifier.found(beside(who, admin, { name = "second", api_key = keys[3].secret }))
  test.equal({ list, status, #verifier.rows(report, "role.trust.principal") }, { { "cloud.organization" }, 6, 1 })
  test.equal(#verifier.rows(report, "role.trust.external_id"), 0)
  who.simulation.state.cloud._keys = keys
end

test["a cluster that may not be read is a check that could not be made; a wrong key is no verification at all"] = function()
  local who = verifier.enabled()
  local admin = { { Version = "2012-10-17", Statement = { Effect = "Allow", Action = "*", Resource = "*" } } }
  who.simulation.faults = { { kind = "error", service = "cloud", operation = "GetCluster", status = 403, code = "PERMISSION_DENIED",
    message = "no" } }
  local arguments = { cluster = verifier.CLUSTER.id }
  local list, _, status = verifier.found(beside(who, admin), { arguments = arguments })
  test.equal({ list, status }, { { "cluster.exists" }, 6 })
  who.simulation.faults = {}
  local raised = test.raises(function() verifier.found(beside(who, admin, { name = "second", api_key = "CCDB1_NOBODY" })) end, "")
  test.equal(require("ui.failure").status(raised), 4)
end

test["a region that does not answer is unknown, and the others are verified"] = function()
  local cut = false
  local who = verifier.enabled { network = function(_, request)
    if cut and request.url:find "kms%.us%-west%-2" then return { unsent = "connection refused" } end
  end }
  cut = true
  local list, report, status = verifier.found(who)
  test.equal({ list, status, report.findings[1].severity }, { { "key.exists us-west-2" }, 6, "unknown" })
  test.equal(#verifier.rows(report, "key.access"), 2)
end

test["several faults of one check are several findings and one line of the list"] = function()
  local who = verifier.enabled()
  local key = verifier.key(who, "us-west-2")
  key.KeySpec, key.KeyUsage = "RSA_2048", "SIGN_VERIFY"
  local _, report = verifier.found(who)
  test.equal({ #report.findings, #verifier.rows(report, "key.spec") }, { 2, 3 })
end

test["the commands that mend carry the arguments and flags in use, as a shell takes them"] = function()
  local who = verifier.enabled()
  verifier.role(who).Tags = json.array { verifier.role(who).Tags[1] }
  verifier.key(who, "us-west-2").KeyState = "Disabled"
  local options = {
    arguments = { enable = "true", rotation = "180", admin = { "arn:aws:iam::210987654321:user/operator" }, cluster = verifier.CLUSTER.id },
    flags = { profile = "pay roll", account = verifier.ACCOUNT } }
  local _, report = verifier.found(who, options)
  local mends = {}
  for _, finding in ipairs(report.findings) do mends[finding.id] = finding.mend end
  test.equal(mends["role.tags"], "cmek run console --cluster " .. verifier.CLUSTER.id
    .. " --admin arn:aws:iam::210987654321:user/operator --rotation 180 --enable --profile 'pay roll' --account 210987654321")
  test.matches(mends["key.state"], "^aws kms enable%-key %-%-region us%-west%-2 %-%-key%-id arn:aws:kms:%S+ %-%-profile 'pay roll'$")
end

test["the text lists every check, then each finding with its field, what is there, what shall be, and how to mend it"] = function()
  local who = verifier.enabled()
  verifier.key(who, "us-west-2").RotationPeriodInDays = 90
  local _, report = verifier.found(who)
  local output = require("ui.output").new { environment = function() end, terminal = { is_terminal = function() return false end } }
  local text = require("ui.verify").render(report, output)
  test.contains(text, "\n FINDING  key.rotation.period")
  test.contains(text, "\n ok       role.trust.external_id")
  test.contains(text, "\nmedium: key.rotation.period us-west-2 alias/crdb-cmek-orders-0f2c6e9d41b7-g1\n  rotation: 90 → 365\n"
    .. "  mend: cmek run console --cluster orders --enable\n")
  test.matches(text, ("\n%d checks, 1 finding\n$"):format(#report.checked))
end

-- From outside -----------------------------------------------------------------------------------------------------------

local function shell(command)
  local program <close> = io.open("/proc/self/cmdline", "rb")
  local cmek = require("file").canonical(program:read("a"):match "^[^\0]+")
  local line = "CMEK_STATE_DIR=%s; export CMEK_STATE_DIR; '%s' sim -- sh -c '%s' 2>/dev/null </dev/null; echo \"status $?\""
  local pipe <close> = io.popen(line:format(test.directory(), cmek, command:gsub("CMEK", cmek)))
  local text = pipe:read "a"
  return text:match "^(.*)status", math.tointeger(tonumber(text:match "status (%d+)%s*$"))
end

test["without a recipe it is console, wherever the flags stand; findings exit 6 and --json is one document"] = function()
  local run <const> = "CMEK run console --cluster orders --enable --yes --confirm orders >/dev/null; "
  local text, status = shell(run .. "CMEK verify --cluster orders --json")
  local report = json.decode(text)
  test.equal({ status, report.schema, report.run.recipe, #report.findings }, { 0, "cmek.verify/1", "console", 0 })
  for _, command in ipairs { "verify console --cluster orders", "verify --account 210987654321 --cluster orders", "verify --cluster=orders",
    "verify --account 210987654321 console --cluster orders", "verify enable --cluster orders" } do
    text, status = shell(run .. "CMEK " .. command)
    test.equal({ command, status }, { command, 0 })
    test.matches(text, "\n%d+ checks, 0 findings\n$")
  end
  text, status = shell "CMEK verify --cluster orders --json"
  report = json.decode(text)
  test.equal({ status, report.findings[1].id, report.findings[1].mend }, { 6, "role.exists", "cmek run console --cluster orders" })
  text, status = shell "CMEK verify --help"
  test.equal(status, 0)
  test.contains(text, "--rotation")
end
