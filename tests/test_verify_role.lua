-- verify of the role: each thing that can be wrong with it, broken by itself, is found by itself.
local json = require "json"
local names = require "names"
local verifier = dofile "tests/verifier.lua"

local ROLE <const> = names.role(verifier.CLUSTER)
local OUTSIDER <const> = "arn:aws:iam::345678901234:root"

-- Changes the trust policy by hand: change(document).
local function retrust(who, change)
  verifier.within(who, function(session)
    local document = json.decode(session.iam.get_role({ RoleName = ROLE }).Role.AssumeRolePolicyDocument)
    change(document)
    session.iam.update_assume_role_policy { RoleName = ROLE, PolicyDocument = json.encode(document) }
  end)
end

local function statement(change)
  return function(who) retrust(who, function(document) change(document.Statement[1]) end) end
end

local function another(added)
  return function(who) retrust(who, function(document) table.insert(document.Statement, added) end) end
end

local function iam(operation, parameters)
  return function(who) verifier.within(who, function(session) session.iam[operation](parameters) end) end
end

local function tag(key, value)
  return function(who)
    for _, entry in ipairs(verifier.role(who).Tags) do
      if entry.Key == key then entry.Value = value or entry.Value end
      if entry.Key == key and not value then entry.Key = "other" end
    end
  end
end

test["a role that is missing is found, and what rests on it is not told as well"] = function()
  local who = verifier.enabled()
  verifier.within(who, function(session) session.iam.delete_role { RoleName = ROLE } end)
  local list, report, status = verifier.found(who)
  test.equal({ list, status }, { { "role.exists" }, 6 })
  test.equal({ report.findings[1].mend, report.findings[1].severity }, { "cmek run console --cluster orders --enable", "high" })
  test.equal({ #verifier.rows(report, "key.exists"), #verifier.rows(report, "key.policy.use"), #verifier.rows(report, "role.access") }, { 3, 0, 0 })
end

local CASES <const> = {
  { "another cluster's tag", finds = "role.owner", breaks = tag("cmek:cluster", "another"), field = "tags.cmek:cluster", have = "another",
    want = verifier.CLUSTER.id, mends = false, text = "belongs to another cluster" },
  { "no tag of a cluster", finds = "role.owner", breaks = tag "cmek:cluster", have = json.null, mends = false, text = "not made by cmek" },
  { "no tag of a run", finds = "role.tags", breaks = tag "cmek:run", field = "tags.cmek:run", severity = "low", mends = "run" },
  { "a trust policy that denies", finds = "role.trust", breaks = statement(function(own) own.Effect = "Deny" end), have = "Deny", want = "Allow",
    mends = "run" },
  { "a trust policy with a condition more", finds = "role.trust", mends = "run",
    breaks = statement(function(own) own.Condition.Bool = { ["aws:MultiFactorAuthPresent"] = "true" } end) },
  { "a trust policy without the statement", finds = "role.trust", mends = "run", field = "trust.Statement[1]",
    breaks = function(who)
      retrust(who, function(document)
        document.Statement = json.array { { Sid = "Theirs", Effect = "Allow", Principal = { AWS = "arn:aws:iam::210987654321:root" },
          Action = "sts:AssumeRole" } }
      end)
    end },
  { "another trusted account", finds = "role.trust.principal", breaks = statement(function(own) own.Principal.AWS = OUTSIDER end), have = OUTSIDER,
    field = "trust.Statement[1].Principal.AWS", mends = "run" },
  { "another action", finds = "role.trust.action", breaks = statement(function(own) own.Action = "sts:TagSession" end), have = "sts:TagSession",
    mends = "run" },
  { "another external ID", finds = "role.trust.external_id", have = "exco", mends = "run",
    field = "trust.Statement[1].Condition.StringEquals.sts:ExternalId",
    breaks = statement(function(own) own.Condition.StringEquals["sts:ExternalId"] = "exco" end) },
  { "no external ID", finds = "role.trust.external_id", have = json.null, mends = "run", breaks = statement(function(own) own.Condition = nil end) },
  { "a statement that trusts another account", finds = "role.trust.foreign", mends = "aws", text = OUTSIDER .. " may assume the role",
    breaks = another { Sid = "Theirs", Effect = "Allow", Principal = { AWS = OUTSIDER }, Action = "sts:AssumeRole" } },
  { "a statement that trusts everybody", finds = "role.trust.foreign", mends = "aws",
    breaks = another { Sid = "Open", Effect = "Allow", Principal = "*", Action = "sts:AssumeRole" } },
  { "a statement that trusts a service", finds = "role.trust.foreign", mends = "aws",
    breaks = another { Sid = "Backup", Effect = "Allow", Principal = { Service = "backup.amazonaws.com" }, Action = "sts:AssumeRole" } },
  { "a statement that denies CockroachDB", finds = "role.access", mends = "aws", text = "CockroachDB cannot assume the role",
    breaks = another { Sid = "Freeze", Effect = "Deny", Principal = "*", Action = "sts:AssumeRole" } },
  { "an attached policy", finds = "role.permissions", mends = "aws", severity = "medium", have = "arn:aws:iam::aws:policy/ReadOnlyAccess",
    breaks = iam("attach_role_policy", { RoleName = ROLE, PolicyArn = "arn:aws:iam::aws:policy/ReadOnlyAccess" }) },
  { "an inline policy", finds = "role.permissions", mends = "aws", have = "mine",
    breaks = function(who)
      verifier.role(who).Policies = json.array { { PolicyName = "mine", PolicyDocument = '{"Version":"2012-10-17","Statement":[]}' } }
    end },
  { "longer sessions", finds = "role.session", mends = "aws", severity = "low", have = 7200, want = 3600,
    breaks = iam("update_role", { RoleName = ROLE, MaxSessionDuration = 7200 }) },
  { "a boundary that takes the keys away", finds = "role.boundary", mends = "aws", text = "AWSDenyAll takes from the role",
    breaks = iam("put_role_permissions_boundary", { RoleName = ROLE, PermissionsBoundary = "arn:aws:iam::aws:policy/AWSDenyAll" }) },
  { "a boundary that does not name using keys", finds = "role.boundary", mends = "aws",
    breaks = iam("put_role_permissions_boundary", { RoleName = ROLE, PermissionsBoundary = "arn:aws:iam::aws:policy/ReadOnlyAccess" }) },
  { "an organization that denies using keys", finds = "role.organization", mends = false, text = "those who administer the organization",
    breaks = function(who)
      who.simulation.state.aws[verifier.ACCOUNT].organization = { ServiceControlPolicies = { { { Version = "2012-10-17", Statement = json.array {
        { Effect = "Allow", Action = "*", Resource = "*" }, { Effect = "Deny", Action = "kms:Decrypt", Resource = "*" } } } } } }
    end },
}

for _, case in ipairs(CASES) do
  test[("%s: %s and nothing else"):format(case[1], case.finds)] = function() verifier.check(case) end
end

test["a foreign statement that lets nobody else in, and one that is for the account itself, are shown and are no finding"] = function()
  local own = "arn:aws:iam::210987654321:root"
  for _, added in ipairs {
    { Sid = "Ours", Effect = "Allow", Principal = { AWS = own }, Action = "sts:AssumeRole" },
    { Sid = "Tags", Effect = "Allow", Principal = { AWS = OUTSIDER }, Action = "sts:TagSession" },
    { Sid = "Not", Effect = "Deny", Principal = { AWS = OUTSIDER }, Action = "sts:AssumeRole" },
    { Sid = "Source", Effect = "Allow", Principal = { Service = "backup.amazonaws.com" }, Action = "sts:AssumeRole",
      Condition = { StringEquals = { ["aws:SourceAccount"] = "210987654321" } } },
  } do
    local who = verifier.enabled()
    another(added)(who)
    local list, report, status = verifier.found(who)
    test.equal({ list, status }, { {}, 0 })
    test.contains(verifier.rows(report, "role.trust.foreign")[1].text, ('"Sid":"%s"'):format(added.Sid))
  end
end

test["a boundary that leaves what is needed is told with its ARN"] = function()
  local who = verifier.enabled()
  iam("put_role_permissions_boundary", { RoleName = ROLE, PermissionsBoundary = "arn:aws:iam::aws:policy/AdministratorAccess" })(who)
  local list, report = verifier.found(who)
  test.equal(list, {})
  test.contains(verifier.rows(report, "role.boundary")[1].text, "policy/AdministratorAccess leaves the role what it needs")
end
