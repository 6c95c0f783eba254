-- verify of a key: each thing that can be wrong with it, broken by itself, is found by itself and in its region.
local json = require "json"
local names = require "names"
local verifier = dofile "tests/verifier.lua"

local WEST <const> = "us-west-2"
local ALIAS <const> = names.alias(verifier.CLUSTER)
local OUTSIDER <const> = "arn:aws:iam::345678901234:root"
local USE <const>, ADMIN <const> = "Allow use of the key for CMEK", "Enable IAM User Permissions"

local function key(who) return (verifier.key(who, WEST)) end

-- Changes the simulated key itself.
local function edit(change)
  return function(who) change(key(who), select(2, verifier.key(who, WEST))) end
end

local function set(field, value)
  return edit(function(have) have[field] = value end)
end

-- Changes the key's policy by hand, past KMS's own check where it would not take it.
local function repolicy(change)
  return function(who)
    verifier.within(who, function(session)
      local document = json.decode(session.kms.get_key_policy({ region = WEST, KeyId = key(who).KeyId }).Policy)
      change(document)
      session.kms.put_key_policy { region = WEST, KeyId = key(who).KeyId, Policy = json.encode(document), BypassPolicyLockoutSafetyCheck = true }
    end)
  end
end

local function statement(sid, change)
  return repolicy(function(document)
    for at, one in ipairs(document.Statement) do
      if one.Sid == sid then change(one, document.Statement, at) end
    end
  end)
end

local function another(added)
  return repolicy(function(document) table.insert(document.Statement, added) end)
end

local function tag(name, value)
  return edit(function(have)
    for at = #have.Tags, 1, -1 do
      if have.Tags[at].TagKey == name then table.remove(have.Tags, at) end
    end
    if value then table.insert(have.Tags, { TagKey = name, TagValue = value }) end
  end)
end

local function kms(operation, more)
  return function(who)
    verifier.within(who, function(session)
      local parameters = { region = WEST, KeyId = key(who).KeyId }
      for name, value in pairs(more or {}) do parameters[name] = value end
      session.kms[operation](parameters)
    end)
  end
end

local function grant(grantee)
  return edit(function(have)
    have.Grants = json.array { { GrantId = "g-1", GranteePrincipal = grantee, Operations = json.array { "Decrypt" } } }
  end)
end

local function at(id) return id .. " " .. WEST end

local CASES <const> = {
  { "an alias that was taken away", finds = at "key.exists", field = "alias", want = ALIAS, mends = "run", text = "no alias points to it",
    breaks = edit(function(_, place)
      for index, alias in ipairs(place.aliases) do
        if alias.AliasName == ALIAS then table.remove(place.aliases, index) end
      end
    end) },
  { "another cluster's tag", finds = at "key.owner", breaks = tag("cmek:cluster", "another"), have = "another", want = verifier.CLUSTER.id,
    mends = false },
  { "no tag of a cluster", finds = at "key.owner", breaks = tag "cmek:cluster", have = json.null, mends = false },
  { "no tag of a region", finds = at "key.tags", breaks = tag "cmek:region", field = "tags.cmek:region", want = WEST, severity = "low",
    mends = "run" },
  { "another region's tag", finds = at "key.tags", breaks = tag("cmek:region", "eu-north-1"), have = "eu-north-1", mends = "run" },
  { "no tag of a run", finds = at "key.tags", breaks = tag "cmek:run", field = "tags.cmek:run", mends = "run" },
  { "the tag of a key that lost its race", finds = at "key.tags", breaks = tag("cmek:state", "lost-race"), want = json.null, mends = "run" },
  { "a disabled key", finds = at "key.state", breaks = kms "disable_key", have = "Disabled", want = "Enabled", mends = "aws" },
  { "a key pending deletion", finds = at "key.state", breaks = kms("schedule_key_deletion", { PendingWindowInDays = 7 }), have = "PendingDeletion",
    text = "it is deleted at 20", mends = "aws" },
  { "an unavailable key", finds = at "key.state", breaks = set("KeyState", "Unavailable"), have = "Unavailable", mends = false },
  { "an asymmetric key", finds = at "key.spec", breaks = set("KeySpec", "RSA_2048"), field = "KeySpec", want = "SYMMETRIC_DEFAULT", mends = false },
  { "a key for signing", finds = at "key.spec", breaks = set("KeyUsage", "SIGN_VERIFY"), field = "KeyUsage", mends = false },
  { "a key of AWS's own", finds = at "key.spec", breaks = set("KeyManager", "AWS"), field = "KeyManager", mends = false },
  { "imported material", finds = at "key.origin", breaks = set("Origin", "EXTERNAL"), want = "AWS_KMS", severity = "medium", mends = false },
  { "another Id of the policy", finds = at "key.policy", field = "policy.Id", have = "mine", mends = "run",
    breaks = repolicy(function(document) document.Id = "mine" end) },
  { "another Version of the policy", finds = at "key.policy", field = "policy.Version", mends = "run",
    breaks = repolicy(function(document) document.Version = "2008-10-17" end) },
  { "fewer actions for the role", finds = at "key.policy.use", mends = "run", field = "policy.Statement[" .. USE .. "].Action",
    breaks = statement(USE, function(one) table.remove(one.Action) end) },
  { "more actions for the role", finds = at "key.policy.use", mends = "run", breaks = statement(USE, function(one) one.Action = "kms:*" end) },
  { "another principal", finds = at "key.policy.use", mends = "run", field = "policy.Statement[" .. USE .. "].Principal.AWS",
    breaks = statement(USE, function(one) one.Principal.AWS = "arn:aws:iam::210987654321:user/reader" end) },
  { "no statement for the role", finds = at "key.policy.use", mends = "run", field = "policy.Statement[" .. USE .. "]",
    breaks = statement(USE, function(_, all, place) table.remove(all, place) end) },
  { "administration by somebody else", finds = at "key.policy.administration", mends = "run",
    breaks = statement(ADMIN, function(one) one.Principal.AWS = "arn:aws:iam::210987654321:user/operator" end) },
  { "a statement that lets another account use the key", finds = at "key.policy.foreign", mends = "aws", text = OUTSIDER,
    breaks = another { Sid = "Theirs", Effect = "Allow", Principal = { AWS = OUTSIDER }, Action = "kms:Decrypt", Resource = "*" } },
  { "a statement that lets everybody administer it", finds = at "key.policy.foreign", mends = "aws",
    breaks = another { Sid = "Open", Effect = "Allow", Principal = "*", Action = "kms:PutKeyPolicy", Resource = "*" } },
  { "a statement that lets the cluster's own account use it", finds = at "key.policy.foreign", mends = "aws",
    breaks = function(who)
      local account = who.simulation.state.cloud.clusters[1].account_id
      another({ Effect = "Allow", Principal = { AWS = account }, NotAction = "kms:CreateGrant", Resource = "*" })(who)
    end },
  { "a statement that gives the role more than the five actions", finds = at "key.policy.foreign", mends = "aws", text = "kms:CreateGrant",
    breaks = function(who)
      another({ Sid = "More", Effect = "Allow", Principal = { AWS = verifier.role(who).Arn }, Resource = "*",
        Action = json.array { "kms:Decrypt", "kms:CreateGrant" } })(who)
    end },
  { "a statement that denies the role", finds = at "key.access", mends = "aws", text = "CockroachDB cannot use the key",
    breaks = function(who)
      another({ Sid = "Freeze", Effect = "Deny", Principal = { AWS = verifier.role(who).Arn }, Action = "kms:Decrypt", Resource = "*" })(who)
    end },
  { "a statement that denies those who administer", finds = at "key.control", mends = false, text = "only AWS Support helps",
    breaks = another { Sid = "Lock", Effect = "Deny", Principal = "*", Action = "kms:PutKeyPolicy", Resource = "*" } },
  { "no rotation", finds = at "key.rotation", breaks = kms "disable_key_rotation", have = "off", want = 365, severity = "medium", mends = "run" },
  { "another period of rotation", finds = at "key.rotation.period", breaks = kms("enable_key_rotation", { RotationPeriodInDays = 90 }), have = 90,
    want = 365, mends = "run" },
  { "a grant to another account", finds = at "key.grants", breaks = grant(OUTSIDER), field = "grant g-1", mends = "aws" },
}

for _, case in ipairs(CASES) do
  test[("%s: %s and nothing else"):format(case[1], case.finds)] = function() verifier.check(case) end
end

test["a key that is missing is found, and what rests on it is not told as well"] = function()
  local who = verifier.open()
  verifier.run(who, "console")
  verifier.key(who, WEST)
  local _, place = verifier.key(who, WEST)
  place.aliases = json.array {}
  local list, report, status = verifier.found(who, { arguments = {} })
  test.equal({ list, status, report.findings[1].have, report.findings[1].mend },
    { { at "key.exists" }, 6, "missing", "cmek run console --cluster orders" })
  test.equal(#verifier.rows(report, "key.state"), 2)
end

test["a statement that denies one of those who administer can be removed by another one"] = function()
  local boss, who = "arn:aws:iam::210987654321:user/reader", verifier.open()
  local arguments = { admin = { boss, "arn:aws:iam::210987654321:user/operator" } }
  verifier.run(who, "console", { arguments = arguments })
  test.equal((verifier.found(who, { arguments = arguments })), {})
  another { Sid = "NotBoss", Effect = "Deny", Principal = { AWS = boss }, Action = "kms:PutKeyPolicy", Resource = "*" }(who)
  local list, report = verifier.found(who, { arguments = arguments })
  test.equal(list, { at "key.control" })
  verifier.mend(who, report.findings[1].mend)
  test.equal((verifier.found(who, { arguments = arguments })), {})
end

test["foreign statements and grants of the account itself, and those that only read, are shown and are no finding"] = function()
  local own = "arn:aws:iam::210987654321:user/reader"
  local cases = {
    { another { Sid = "Ours", Effect = "Allow", Principal = { AWS = own }, Action = "kms:Decrypt", Resource = "*" }, "key.policy.foreign",
      '"Sid":"Ours"' },
    { another { Sid = "Audit", Effect = "Allow", Principal = { AWS = OUTSIDER }, Action = json.array { "kms:DescribeKey", "kms:GetKeyPolicy" },
      Resource = "*" }, "key.policy.foreign", '"Sid":"Audit"' },
    { another { Sid = "Via", Effect = "Allow", Principal = "*", Action = "kms:*", Resource = "*",
      Condition = { StringEquals = { ["kms:CallerAccount"] = "210987654321" } } }, "key.policy.foreign", '"Sid":"Via"' },
    { another { Sid = "NotThem", Effect = "Deny", Principal = { AWS = OUTSIDER }, Action = "kms:*", Resource = "*" }, "key.policy.foreign",
      '"Sid":"NotThem"' },
    { grant(own), "key.grants", own .. " may Decrypt" },
  }
  for _, case in ipairs(cases) do
    local who = verifier.enabled()
    case[1](who)
    local list, report, status = verifier.found(who)
    test.equal({ list, status }, { {}, 0 })
    local text = ""
    for _, row in ipairs(verifier.rows(report, case[2])) do text = text .. (row.text or "") end
    test.contains(text, case[3])
  end
end

test["a condition that hangs on what nobody here knows makes access unknown, not well"] = function()
  local who = verifier.enabled()
  another { Sid = "Net", Effect = "Deny", Principal = { AWS = verifier.role(who).Arn }, Action = "kms:*", Resource = "*",
    Condition = { NotIpAddress = { ["aws:SourceIp"] = "192.0.2.0/24" } } }(who)
  local list, report, status = verifier.found(who)
  test.equal({ list, status, report.findings[1].severity }, { { at "key.access" }, 6, "unknown" })
  test.contains(report.findings[1].have, "Net")
end

test["a role that was made again is a finding of every key's policy, whose principal is gone"] = function()
  local who = verifier.enabled()
  verifier.within(who, function(session)
    session.iam.delete_role { RoleName = names.role(verifier.CLUSTER) }
  end)
  verifier.run(who, "console", { run_id = "run-2" })
  test.equal((verifier.found(who)), {})
  verifier.within(who, function(session)
    local role = verifier.role(who)
    session.iam.delete_role { RoleName = role.RoleName }
    session.iam.create_role { RoleName = role.RoleName, AssumeRolePolicyDocument = role.AssumeRolePolicyDocument, Tags = role.Tags }
  end)
  local list, report = verifier.found(who)
  test.equal(list, { "key.policy.use eu-west-1", "key.policy.use us-east-1", "key.policy.use us-west-2" })
  test.matches(report.findings[1].have, "^AROA")
  verifier.mend(who, report.findings[1].mend)
  test.equal((verifier.found(who)), {})
end

test["a KMS that has no grants is no finding, whichever way it says so; one that does not let us look is unknown"] = function()
  local refusal = require "refusal"
  for _, case in ipairs { { status = 501 }, { status = 400, code = "UnknownOperationException" } } do
    local who = verifier.enabled()
    who.session.kms.list_grants = function() refusal.raise { service = "kms", operation = "ListGrants", status = case.status, code = case.code,
      kind = "refused", message = "not implemented" } end
    local found, report = verifier.found(who)
    test.equal({ found, #verifier.rows(report, "key.grants") }, { {}, 0 })
  end
  local who = verifier.enabled()
  who.session.kms.list_grants = function() refusal.raise { service = "kms", operation = "ListGrants", status = 400,
    code = "AccessDeniedException", kind = "refused", message = "no" } end
  local _, report = verifier.found(who)
  test.equal(verifier.rows(report, "key.grants")[1].result, "unknown")
end
