-- What a company asks of all that is made, and what must hold of a policy before it is put.
local arguments = require "arguments"
local failure = require "ui.failure"
local fakes = dofile "tests/fakes.lua"
local file = require "file"
local json = require "json"
local names = require "names"
local operators = dofile "tests/operator.lua"
local recipes = require "recipe"

local ROLE <const> = names.role(operators.CLUSTER)
local OPERATOR <const> = "arn:aws:iam::210987654321:user/operator"

-- Tags of a role or a key, by key.
local function tags_of(list)
  local map = {}
  for _, tag in ipairs(list) do map[tag.Key or tag.TagKey] = tag.Value or tag.TagValue end
  return map
end

-- What the arguments of console say of these flags: the message and exit status of the refusal.
local function refused_arguments(values)
  local ok, raised = pcall(arguments.resolve, recipes.load("console").args, { { origin = "flags", values = values } })
  test.equal(ok, false)
  return tostring(raised), failure.status(raised)
end

-- The same, which have nothing to say.
local function accepted(values)
  values.cluster = "x"
  arguments.resolve(recipes.load("console").args, { { origin = "flags", values = values } })
end

local function reasons(report)
  local list = {}
  for _, step in ipairs(report.steps) do
    if step.action == "refuse" then list[#list + 1] = ("%s %s"):format(step.kind, step.reason) end
  end
  return list
end

local function made(who)
  local aws, count = who.simulation.state.aws[operators.ACCOUNT], 0
  for _, place in require("sorted")(aws.kms) do count = count + #place.keys end
  return count + #aws.iam.roles
end

-- A run that is refused, naming this, and makes nothing.
local function refuses(who, options, text, recipe)
  local before = made(who)
  local report, status = operators.run(who, recipe or "console", options)
  test.equal({ status, report.run.status, made(who) - before }, { 1, "failed", 0 })
  test.contains(table.concat(reasons(report), "\n"), text)
  return report
end

-- A recipe of a user's own: console with something replaced.
local function recipe_with(from, to)
  local text, count = recipes.source "console":gsub(from, function() return to end)
  test.equal(count, 1)
  local path = test.directory() .. "/mine.lua"
  assert(file.write(path, text))
  return path
end

-- Raised by a run before anything was made.
local function raised_by(who, name, options)
  local ok, raised = pcall(operators.run, who, name, options)
  test.equal({ ok, made(who) }, { false, 0 })
  return tostring(raised)
end

-- Somebody whom these statements limit.
local function limited(who, ...)
  local secret = "simulated/secret/not-a-real-one/00000009"
  local user = who.simulation:add_user { account = operators.ACCOUNT, name = "somebody", secret_access_key = secret, policies = {
    { Version = "2012-10-17", Statement = json.array { { Effect = "Allow", Action = "*", Resource = "*" }, ... } } } }
  user.secret_access_key = secret
  return operators.beside(who, { who = user })
end

-- Tags -----------------------------------------------------------------------------------------------------------------------

test["--tag stands on role and keys; what is missing or different is drift, and repaired; tags of others stay"] = function()
  local who = operators.open()
  local wanted = { tag = { "team=data", "cost center=47:11" } }
  operators.run(who, "console", { arguments = wanted })
  local role, key = operators.role(who), operators.key(who, "us-west-2")
  for _, thing in ipairs { role, key } do
    local tags = tags_of(thing.Tags)
    test.equal({ tags.team, tags["cost center"], tags["cmek:cluster"] }, { "data", "47:11", operators.CLUSTER.id })
  end
  test.equal(operators.run(who, "console", { mode = "plan", arguments = wanted }).summary.unchanged, 4)
  table.insert(key.Tags, { TagKey = "theirs", TagValue = "x" })
  table.insert(role.Tags, { Key = "theirs", Value = "x" })
  local changed = { tag = { "team=date", "Stage=live" } }
  local plan = operators.run(who, "console", { mode = "plan", arguments = changed })
  test.equal(plan.summary.change, 4)
  test.equal(plan.steps[1].differences, { { field = "tags.Stage", have = json.null, want = "live" },
    { field = "tags.team", have = "data", want = "date" } })
  local _, status = operators.run(who, "console", { arguments = changed })
  test.equal(status, 0)
  role, key = operators.role(who), operators.key(who, "us-west-2")
  for _, thing in ipairs { role, key } do
    local tags = tags_of(thing.Tags)
    test.equal({ tags.team, tags.Stage, tags["cost center"], tags.theirs }, { "date", "live", "47:11", "x" })
  end
end

test["verify finds a wanted tag that is missing, and the command that it prints names the tags"] = function()
  local who = operators.open()
  operators.run(who, "console")
  local report, status = operators.run(who, "console", { mode = "verify", arguments = { tag = { "cost center=1" } } })
  test.equal({ status, report.findings[1].id, report.findings[1].field }, { 6, "role.tags", "tags.cost center" })
  test.contains(report.findings[1].mend, "--tag 'cost center=1'")
end

test["IAM's tags are the same in any case of letters, KMS's are not"] = function()
  local who = operators.open()
  operators.run(who, "console", { arguments = { tag = { "team=data" } } })
  local plan = operators.run(who, "console", { mode = "plan", arguments = { tag = { "Team=data" } } })
  test.equal({ plan.steps[1].action, plan.steps[2].action }, { "none", "change" })
end

test["a tag that AWS or cmek does not take is refused by its flag"] = function()
  for text, words in require("sorted") { ["team"] = "--tag must be KEY=VALUE, not 'team'", ["=x"] = "KEY=VALUE",
    ["cmek:cluster=x"] = "begin with cmek: are cmek's own", ["CMEK:run=x"] = "cmek's own", ["aws:x=y"] = "begin with aws: are AWS's own",
    [("k"):rep(129) .. "=v"] = "key has at most 128 characters", ["k=" .. ("v"):rep(257)] = "value has at most 256 characters",
    ["k=a,b"] = "letters, digits, blanks and _ . : / = + - @", ["k=a\nb"] = "letters, digits", ["k=\xff"] = "letters, digits" } do
    local message, status = refused_arguments { cluster = "x", tag = { text } }
    test.contains(message, words)
    test.equal(status, 2)
  end
  accepted { tag = { "Größe=ä=b", "leer=", "k=" .. ("é"):rep(256) } }
end

test["a tag that stands twice, and more tags than a thing can bear, are refused before anything is made"] = function()
  test.contains(raised_by(operators.open(), "console", { arguments = { tag = { "Team=a", "team=b" } } }), "the tag 'team' stands twice (as 'Team')")
  local who, many = operators.open(), {}
  for i = 1, 49 do many[i] = ("k%d=v"):format(i) end
  refuses(who, { arguments = { tag = many } }, "role with the wanted tags it would bear 51, and AWS allows 50")
  refuses(who, { arguments = { tag = table.move(many, 1, 47, 1, {}) } }, "key with the wanted tags it would bear 51, and AWS allows 50")
  operators.run(who, "console")
  refuses(who, { arguments = { tag = many } }, "with the wanted tags it would bear 51, and AWS allows 50")
end

test["a tag that a tag policy or the service refuses is explained, and a run with another one goes on with what was made"] = function()
  local who = operators.open()
  who.simulation.state.aws[operators.ACCOUNT].organization = { TagPolicies = { team = { "data", "platform" } } }
  local report, status = operators.run(who, "console", { arguments = { tag = { "team=x" } } })
  test.equal({ status, report.error.code, made(who) }, { 5, "TagException", 1 })
  test.matches(report.error.next, "^run this again with a %-%-tag KEY=VALUE that the tag policy allows; what was made is found and gone on with$")
  report, status = operators.run(who, "console", { arguments = { tag = { "team=data" } }, run_id = "run-2" })
  test.equal({ status, report.error, made(who) }, { 0, nil, 4 })
  test.equal(tags_of(operators.role(who).Tags).team, "data")
  local explained = require("explain").complete { service = "iam", code = "InvalidInput", status = 400, kind = "refused",
    message = "Duplicate tag keys found." }
  test.contains(explained.next, "with other tags (--tag KEY=VALUE)")
end

-- The role -------------------------------------------------------------------------------------------------------------------

test["a role's name of more than 64 characters, a path and an ARN that cannot be are refused by their flags"] = function()
  local cases = {
    { { role = ("r"):rep(65) }, "--role must be a role's name, 1 to 64 of the characters A-Z a-z 0-9 _ + = , . @ -" },
    { { role = ("r"):rep(65) }, "or the ARN of a role (it has 65)" },
    { { role = "a b" }, "--role must be a role's name" }, { { role = "arn:aws:iam::210987654321:user/x" }, "--role must be a role's name" },
    { { role_path = "cmek" }, "--role-path must be a path that begins and ends with /" }, { { role_path = "/a b/" }, "--role-path must be" },
    { { role_path = "/" .. ("p"):rep(511) .. "/" }, "(it has 513)" },
    { { permissions_boundary = "limits" }, "--permissions-boundary must be the ARN of a managed policy" },
    { { permissions_boundary = "arn:aws:iam::210987654321:role/x" }, "--permissions-boundary must be the ARN of a managed policy" },
    { { admin = { "*" } }, "without a wildcard" }, { { admin = { "arn:aws:iam::210987654321:role/*" } }, "without a wildcard" },
    { { admin = { OPERATOR, "Admin" } }, "--admin must be the ARN of a role, a user or an account's root" },
    { { admin = { "arn:aws:iam::210987654321:group/ops" } }, "--admin must be the ARN" },
    { { admin = { "arn:aws:iam::2109:role/x" } }, "--admin must be" },
    { { admin = { "arn:aws:sts::210987654321:assumed-role/ops/me" } }, "a session ends, its role does not" },
  }
  for _, case in ipairs(cases) do
    case[1].cluster = "x"
    local message, status = refused_arguments(case[1])
    test.contains(message, case[2])
    test.equal(status, 2)
  end
  for _, admin in ipairs { OPERATOR, "arn:aws:iam::210987654321:root", "210987654321", "arn:aws-cn:iam::210987654321:role/a/b/c" } do
    accepted { admin = { admin }, role = ("r"):rep(64) }
  end
end

test["a recipe's own role is held to the same"] = function()
  local path = recipe_with("name = name or arg.role,", "name = (\"x\"):rep(65),")
  test.contains(raised_by(operators.open(), path), "role: field 'name' must be a role's name, 1 to 64")
end

test["--role-path is the new role's path; a role that has another one is refused, since it cannot be changed"] = function()
  local who = operators.open()
  local report, status = operators.run(who, "console", { arguments = { role_path = "/cmek/prod/", enable = "true" } })
  test.equal({ status, report.steps[1].arn }, { 0, "arn:aws:iam::210987654321:role/cmek/prod/" .. ROLE })
  test.equal(operators.run(who, "console", { mode = "plan" }).summary.unchanged, 4)   -- whatever it is
  refuses(who, { arguments = { role_path = "/cmek/" } }, "has the path /cmek/prod/ and not /cmek/, which cannot be changed")
  local found = operators.run(who, "console", { mode = "verify", arguments = { role_path = "/cmek/" } }).findings
  test.equal({ #found, found[1].id, found[1].have, found[1].want, found[1].mend }, { 1, "role.path", "/cmek/prod/", "/cmek/", json.null })
end

local function put_policy(who, name, actions)
  local policies = who.simulation.state.aws[operators.ACCOUNT].iam.policies
  table.insert(policies, { PolicyName = name, Arn = "arn:aws:iam::210987654321:policy/" .. name, Path = "/", DefaultVersionId = "v1",
    PolicyId = "ANPASIMULATED0000" .. #policies, CreateDate = "2026-01-01T00:00:00Z", AttachmentCount = 0, PolicyDocument = json.encode {
      Version = "2012-10-17", Statement = json.array { { Sid = "Some", Effect = "Allow", Action = json.array(actions), Resource = "*" } } } })
  return "arn:aws:iam::210987654321:policy/" .. name
end

test["--permissions-boundary is set with the role, is drift where it is missing, and is put right"] = function()
  local who = operators.open()
  local boundary = put_policy(who, "limits", { "kms:*" })
  operators.run(who, "console")
  local wanted = { permissions_boundary = boundary }
  local plan = operators.run(who, "console", { mode = "plan", arguments = wanted })
  test.equal(plan.steps[1].differences, { { field = "PermissionsBoundary", have = json.null, want = boundary } })
  local found = operators.run(who, "console", { mode = "verify", arguments = wanted })
  test.equal({ found.findings[1].id, found.findings[1].field }, { "role.boundary", "PermissionsBoundary" })
  local _, status = operators.run(who, "console", { arguments = wanted })
  test.equal({ status, operators.role(who).PermissionsBoundary.PermissionsBoundaryArn }, { 0, boundary })
  test.equal(#operators.run(who, "console", { mode = "verify", arguments = wanted }).findings, 0)
  local fresh = operators.open()
  boundary = put_policy(fresh, "limits", { "kms:*" })
  operators.run(fresh, "console", { arguments = wanted })
  test.equal(operators.role(fresh).PermissionsBoundary.PermissionsBoundaryArn, boundary)
end

test["a boundary that does not exist, or that keeps the role from the keys, is found before anything is made, and named"] = function()
  local who = operators.open()
  local function with(arn) return { arguments = { permissions_boundary = arn } } end
  refuses(who, with "arn:aws:iam::210987654321:policy/nowhere", "the permissions boundary arn:aws:iam::210987654321:policy/nowhere does not exist")
  local narrow = put_policy(who, "narrow", { "kms:Describe*", "kms:Encrypt" })
  refuses(who, with(narrow), "the permissions boundary " .. narrow .. " takes from the role what the keys' policies give it")
  local report = refuses(who, with(narrow), 'permissions boundary, statement 1 "Some"')
  test.contains(reasons(report)[1], "kms:Decrypt")
  operators.run(who, "console", with(put_policy(who, "wide", { "*" })))   -- the control
  test.equal(made(who), 4)
  operators.role(who).PermissionsBoundary.PermissionsBoundaryArn = narrow   -- put there by somebody else
  refuses(who, {}, narrow)
end

test["a boundary that may not be read is said to be unknown, and tried"] = function()
  local who = operators.open()
  local boundary = put_policy(who, "limits", { "kms:*" })
  local secret = "simulated/secret/not-a-real-one/00000009"
  local user = who.simulation:add_user { account = operators.ACCOUNT, name = "somebody", secret_access_key = secret, policies = {
    { Version = "2012-10-17", Statement = json.array { { Effect = "Allow", Action = "*", Resource = "*" },
      { Effect = "Deny", Action = "iam:GetPolicy", Resource = "*" } } } } }
  user.secret_access_key = secret
  local report, status = operators.run(operators.beside(who, { who = user }), "console", { arguments = { permissions_boundary = boundary } })
  test.equal(status, 0)
  test.contains(report.warnings[1].text, "may not be read")
end

test["a service control policy that keeps the role from the keys is found and named, before and after the role is there"] = function()
  local function organize(who)
    who.simulation.state.aws[operators.ACCOUNT].organization = { ServiceControlPolicies = { { { Version = "2012-10-17", Statement = json.array {
      { Effect = "Allow", Action = "*", Resource = "*" }, { Sid = "NoDecrypt", Effect = "Deny", Action = "kms:Decrypt", Resource = "*" } } } } } }
  end
  local who = operators.open()
  organize(who)
  refuses(who, {}, "a service control policy of the organization, by IAM's policy simulator for " .. OPERATOR .. ", denies kms:Decrypt on")
  who = operators.open()
  operators.run(who, "console")   -- the control
  test.equal(made(who), 4)
  organize(who)
  refuses(who, {}, ("by IAM's policy simulator for %s, denies kms:Decrypt on"):format(operators.role(who).Arn))
end

-- The keys -------------------------------------------------------------------------------------------------------------------

test["--multi-region-key makes multi-Region keys; a single-Region key that is there is refused, since it keeps its kind"] = function()
  local who, wanted = operators.open(), { multi_region_key = "true", enable = "true" }
  local report, status = operators.run(who, "console", { arguments = wanted })
  test.equal({ status, operators.key(who, "us-west-2").MultiRegion }, { 0, true })
  test.matches(report.handover.region_specs[1].key_spec.uri, "key/mrk%-%x+$")
  test.equal(operators.run(who, "console", { mode = "plan", arguments = wanted }).summary.unchanged, 5)
  test.equal(operators.run(who, "console", { mode = "plan" }).summary.unchanged, 4)
  who = operators.open()
  operators.run(who, "console")
  refuses(who, { arguments = { multi_region_key = "true" } }, "is a single-Region key, and no key becomes a multi-Region key later")
  local found = operators.run(who, "console", { mode = "verify", arguments = { multi_region_key = "true" } })
  local ids = {}
  for _, finding in ipairs(found.findings) do ids[finding.id] = true end
  test.truthy(ids["key.spec"])
end

test["an administrator of another partition is refused before anything is made"] = function()
  local words = raised_by(operators.open(), "console", { arguments = { admin = { "arn:aws-cn:iam::210987654321:role/x" } } })
  test.contains(words, "is of the partition aws-cn, and the credentials are of aws")
end

test["an administrator that does not exist, or has another path, is named before anything is made; one that may not be read is tried"] = function()
  local nobody = "arn:aws:iam::210987654321:role/nobody"
  for _, arn in ipairs { nobody, "arn:aws:iam::210987654321:user/nobody" } do
    refuses(operators.open(), { arguments = { admin = { OPERATOR, arn } } }, "the policy names " .. arn .. ", which does not exist")
  end
  local who = operators.open()
  who.door:permit_writes "May the test write?"
  operators.within(who, function(session)
    session.iam.create_role { RoleName = "nobody", Path = "/teams/", AssumeRolePolicyDocument = json.encode { Version = "2012-10-17",
      Statement = { Effect = "Allow", Principal = { AWS = "arn:aws:iam::210987654321:root" }, Action = "sts:AssumeRole" } } }
  end)
  refuses(who, { arguments = { admin = { OPERATOR, nobody } } }, "the one of that name is arn:aws:iam::210987654321:role/teams/nobody")
  who = operators.open()
  local blind = limited(who, { Sid = "Blind", Effect = "Deny", Action = "iam:GetRole", Resource = nobody })
  local report, status = operators.run(blind, "console", { arguments = { admin = { "arn:aws:iam::210987654321:user/somebody", nobody } } })
  test.equal({ status, report.error.code }, { 5, "MalformedPolicyDocumentException" })
  test.contains(report.error.message, "or it does not accept arn:aws:iam::210987654321:role/nobody")
end

test["--account is 12 digits, and holds for scripts as well"] = function()
  local outside = dofile "tests/outside.lua"
  local result = outside.simulated [[echo 'print "ran"' >$D/x.lua
    $CMEK exec --account 345678901234 $D/x.lua; echo $? >$D/one; $CMEK exec --account 210987654321 $D/x.lua; echo $? >$D/two
    $CMEK plan console --cluster orders --account mine]]
  test.equal({ file.read(result.directory .. "/one"), file.read(result.directory .. "/two"), result.status }, { "2\n", "0\n", 2 })
  test.equal(select(2, result.output:gsub("ran", "")), 1)
  test.contains(result.errors, "--account must be an AWS account of 12 digits, not 'mine'")
end

-- Policies -------------------------------------------------------------------------------------------------------------------

test["the caller keeps control: under administrators without the caller no key is made, and no policy is put"] = function()
  local who = operators.open()
  refuses(who, { arguments = { admin = { "arn:aws:iam::210987654321:role/other" } } }, OPERATOR .. " could not change it again")
  local _, status = operators.run(who, "console", { arguments = { admin = { OPERATOR, "arn:aws:iam::210987654321:root" } } })
  test.equal(status, 0)
end

test["--admin takes the key from the account that administered it, and without it the account has it again"] = function()
  local who = operators.open()
  operators.run(who, "console", { arguments = { enable = "true" } })
  local function administrators()
    local list = {}
    for _, statement in ipairs(json.decode(operators.key(who, "us-west-2").Policy).Statement) do
      if statement.Action == "kms:*" then list[#list + 1] = statement.Principal.AWS end
    end
    return list
  end
  test.equal(administrators(), { "arn:aws:iam::210987654321:root" })
  local _, status = operators.run(who, "console", { arguments = { admin = { OPERATOR } } })
  test.equal({ status, administrators() }, { 0, { OPERATOR } })
  test.equal(operators.run(who, "console", { mode = "plan", arguments = { admin = { OPERATOR } } }).summary.unchanged, 4)
  local report, found = operators.run(who, "console", { mode = "verify" })
  test.equal({ found, report.findings[1].id }, { 6, "key.policy.administration" })
  _, status = operators.run(who, "console")
  test.equal({ status, administrators() }, { 0, { "arn:aws:iam::210987654321:root" } })
end

test["rules of a company that want a boundary on roles and tags on keys are met by the arguments, and named where they are not"] = function()
  local who = operators.open()
  local boundary = put_policy(who, "limits", { "kms:*" })
  local somebody = limited(who,
    { Sid = "Bounded", Effect = "Deny", Action = "iam:CreateRole", Resource = "*",
      Condition = { StringNotEquals = { ["iam:PermissionsBoundary"] = boundary } } },
    { Sid = "Tagged", Effect = "Deny", Action = { "kms:CreateKey" }, Resource = "*", Condition = { Null = { ["aws:RequestTag/team"] = "true" } } })
  local report, status = operators.run(somebody, "console")
  test.equal({ status, made(who) }, { 1, 0 })
  test.contains(report.error and report.error.next or "", "a rule of the company may want --permissions-boundary ARN")
  local asked = { permissions_boundary = boundary, tag = { "team=data" } }
  report, status = operators.run(somebody, "console", { arguments = asked, run_id = "run-2" })
  test.equal({ status, report.error, made(who) }, { 0, nil, 4 })
end

test["a recipe's own policy with a wildcard principal is refused, of a key and of a role, however it is written"] = function()
  local wildcards = { '"*"', '{ AWS = "*" }', '{ AWS = { key.role, "*" } }', '{ AWS = "arn:aws:iam::210987654321:role/*" }' }
  for _, wildcard in ipairs(wildcards) do
    local document = ('{ Version = "2012-10-17", Statement = { { Sid = "Mine", Effect = "Allow", Action = "kms:*", Resource = "*", '
      .. 'Principal = %s } } }'):format(wildcard)
    local path = recipe_with("policy = policy.cmek (%b{})", "policy = " .. document)
    refuses(operators.open(), {}, "the wanted policy's Statement[Mine] lets everybody in", path)
  end
  local trust = '{ Version = "2012-10-17", Statement = { { Effect = "Allow", Action = "sts:AssumeRole", Principal = "*" } } }'
  local path = recipe_with("trust = policy.cross_account (%b{})", "trust = " .. trust)
  refuses(operators.open(), {}, "lets everybody in: name who is meant as its Principal", path)
  local but = '{ Version = "2012-10-17", Statement = { { Effect = "Allow", Action = "kms:*", Resource = "*", NotPrincipal = { AWS = key.role } } } }'
  refuses(operators.open(), {}, "lets everybody in", recipe_with("policy = policy.cmek (%b{})", "policy = " .. but))
end

test["a recipe's own trust in another account without an external ID is refused"] = function()
  local trust = '{ Version = "2012-10-17", Statement = { { Sid = "Mine", Effect = "Allow", Action = "sts:AssumeRole", Principal = '
    .. '{ AWS = "arn:aws:iam::" .. cluster.account_id .. ":root" }%s } } }'
  local condition = ', Condition = { StringEquals = { ["sts:ExternalId"] = org.id } }'
  local function with(more) return recipe_with("trust = policy.cross_account (%b{})", "trust = " .. trust:format(more)) end
  refuses(operators.open(), {}, "Statement[Mine] lets arn:aws:iam::571234890001:root assume the role without an external ID", with "")
  local _, status = operators.run(operators.open(), with(condition))
  test.equal(status, 0)
end

test["a recipe that puts a policy itself is held to the same"] = function()
  local path = recipe_with("%-%- Step 2, option A%.", [[kms.put_key_policy { region = "us-east-1", KeyId = "x", Policy = '{"Version":"2012-10-17",]]
    .. [["Statement":[{"Sid":"Open","Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}]}' } -- ]])
  test.contains(raised_by(operators.open(), path), "Statement[Open] lets everybody in")
end

test["the role that CockroachDB assumes gets the five actions and no more, in a wanted statement as in one of others"] = function()
  local path = recipe_with("admins = arg.admin", "admins = { key.role, \"" .. OPERATOR .. "\" }")
  refuses(operators.open(), {}, "Statement[Allow administration of the key] lets the role that CockroachDB Cloud assumes do kms:*", path)
  refuses(operators.open(), { arguments = { admin = { OPERATOR, "arn:aws:iam::210987654321:role/" .. ROLE } } }, "assumes do kms:*")
  local who = operators.open()
  operators.run(who, "console")
  local key = operators.key(who, "us-west-2")
  local changed = json.decode(json.encode(key._policy))
  table.remove(changed.Statement[1].Action)
  table.insert(changed.Statement, { Sid = "More", Effect = "Allow", Principal = { AWS = operators.role(who).Arn }, Action = "kms:CreateGrant",
    Resource = "*" })
  key._policy, key.Policy = changed, json.encode(changed)
  refuses(who, {}, "Statement[More] lets the role that CockroachDB Cloud assumes do kms:CreateGrant")
end

-- Drifts the key's own statement, so that its policy must be put, beside a statement of somebody else.
local function beside(who, statement)
  operators.run(who, "console")
  local key = operators.key(who, "us-west-2")
  local changed = json.decode(json.encode(key._policy))
  table.remove(changed.Statement[1].Action)
  table.insert(changed.Statement, statement)
  key._policy, key.Policy = changed, json.encode(changed)
end

test["a statement of others that lets everybody in is not put again; one that a condition keeps inside the account is"] = function()
  local open = { Sid = "Everybody", Effect = "Allow", Principal = { AWS = "*" }, Action = "kms:Decrypt", Resource = "*" }
  local who = operators.open()
  beside(who, open)
  local report = refuses(who, {}, "Statement[Everybody], which is not cmek's and would be put again, lets everybody in")
  test.equal({ report.steps[2].action, report.steps[3].region, report.steps[3].action }, { "none", "us-west-2", "refuse" })
  who = operators.open()
  open.Condition = { StringEquals = { ["kms:CallerAccount"] = operators.ACCOUNT } }
  beside(who, open)
  local _, status = operators.run(who, "console")
  test.equal(status, 0)
  test.contains(operators.key(who, "us-west-2").Policy, "Everybody")
end

test["a statement that everybody may already use is told and does not stop a run that puts no policy"] = function()
  local who = operators.open()
  operators.run(who, "console")
  local key = operators.key(who, "us-west-2")
  local changed = json.decode(key.Policy)
  table.insert(changed.Statement, { Sid = "Everybody", Effect = "Allow", Principal = "*", Action = "kms:Decrypt", Resource = "*" })
  key.Policy = json.encode(changed)
  local report, status = operators.run(who, "console")
  test.equal({ status, report.summary.unchanged }, { 0, 4 })
  test.contains(report.warnings[1].text, "Everybody")
end

test["a statement of others that would lock us out beside our own is found before the policy is put"] = function()
  local who = operators.open()
  beside(who, { Sid = "Freeze", Effect = "Deny", Principal = { AWS = OPERATOR }, Action = "kms:PutKeyPolicy", Resource = "*" })
  refuses(who, {}, 'statement 3 "Freeze" denies it')
end

test["a policy that is over its quota is refused with both numbers, of a key and of a role"] = function()
  local admins = {}
  for i = 1, 600 do admins[i] = ("arn:aws:iam::210987654321:role/%s%04d"):format(("a"):rep(40), i) end
  admins[601] = OPERATOR
  refuses(operators.open(), { arguments = { admin = admins } }, "bytes, and KMS takes 32768")
  local function longer(count) return recipe_with('external_id = org%.id', ('external_id = org.id .. ("x"):rep(%d)'):format(count)) end
  refuses(operators.open(), {}, "characters, and IAM takes 4096", longer(4000))
  local who = operators.open()
  local report, status = operators.run(who, longer(2000))   -- AWS may have raised this account's
  test.equal({ status, report.error.code, made(who) }, { 1, "LimitExceeded", 0 })
  test.contains(report.warnings[1].text, "unless AWS has raised the quota ACLSizePerRole")
end

test["a statement that comes between the plan and the put is seen right before it"] = function()
  local world = fakes.world()
  fakes.run(world, "console")
  local id = next(world.kms["us-west-2"].keys)
  local key = world.kms["us-west-2"].keys[id]
  local changed = json.decode(key.policy)
  table.remove(changed.Statement[1].Action)
  key.policy = json.encode(changed)
  local reads = 0
  world.fault = function(call)
    reads = reads + (call.operation == "get_key_policy" and call.region == "us-west-2" and 1 or 0)
    if reads == 2 and call.operation == "get_key_policy" then
      table.insert(changed.Statement, { Sid = "Late", Effect = "Allow", Principal = "*", Action = "kms:*", Resource = "*" })
      key.policy = json.encode(changed)
    end
  end
  local report, status = fakes.run(world, "console")
  test.equal({ status, report.run.status, fakes.count(world, "put_key_policy") }, { 1, "failed", 0 })
  test.contains(report.error.message, "Statement[Late], which is not cmek's and would be put again")
end
