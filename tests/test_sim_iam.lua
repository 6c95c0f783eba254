-- The simulated IAM: roles, their trust and policies, what they answer and how they refuse; section 5.2 of the fact sheet.
local client = dofile "tests/sim_client.lua"
local crypto = require "crypto"
local json = require "json"
local sorted = require "sorted"

local ROOT <const> = "arn:aws:iam::210987654321:root"

local function role(aws, name) return aws:call("iam", "GetRole", { RoleName = name }).Role end

local function trust_of(aws, name) return json.decode(crypto.percent_decode(role(aws, name).AssumeRolePolicyDocument)) end

-- Roles -----------------------------------------------------------------------------------------------------------

test["a role has path, id and ARN, and answers to its name in any case of letters"] = function()
  local aws = client.new()
  local made = aws:call("iam", "CreateRole", { RoleName = "crdb-cmek", Path = "/cmek/", AssumeRolePolicyDocument = client.trust(ROOT),
    Tags = { { Key = "cmek:run", Value = "01H" } } }).Role
  test.matches(made.RoleId, "^AROA[A-Z2-7]+$")
  test.equal(#made.RoleId, 21)
  test.equal({ made.Arn, made.Path, made.CreateDate, made.MaxSessionDuration, made.RoleLastUsed, made.Tags },
    { "arn:aws:iam::210987654321:role/cmek/crdb-cmek", "/cmek/", "2026-02-01T09:00:00Z", nil, nil, { { Key = "cmek:run", Value = "01H" } } })
  local got = role(aws, "CRDB-cmek")
  test.equal({ got.RoleName, got.MaxSessionDuration, got.RoleLastUsed, got.Description }, { "crdb-cmek", "3600", {}, nil })
end

test["a trust policy is percent-encoded in answers"] = function()
  local aws = client.new()
  aws:role("worker")
  test.matches(role(aws, "worker").AssumeRolePolicyDocument, "^%%7B%%22Version%%22%%3A%%222012%-10%-17%%22%%2C")
  test.equal(trust_of(aws, "worker").Statement[1].Principal.AWS, ROOT)
end

test["a name is taken in any case of letters"] = function()
  local aws = client.new()
  aws:role("worker")
  test.equal({ aws:refusal("iam", "CreateRole", { RoleName = "Worker", AssumeRolePolicyDocument = client.trust(ROOT) }) },
    { "EntityAlreadyExists: Role with name Worker already exists.", 409 })
end

test["a role that is not there cannot be found by any operation"] = function()
  local aws = client.new()
  local more = { GetRole = {}, UpdateAssumeRolePolicy = { PolicyDocument = client.trust(ROOT) }, UpdateRole = {}, DeleteRole = {}, ListRoleTags = {},
    TagRole = { Tags = { { Key = "a", Value = "b" } } }, UntagRole = { TagKeys = { "a" } }, ListRolePolicies = {}, ListAttachedRolePolicies = {},
    PutRolePolicy = { PolicyName = "p", PolicyDocument = "{}" }, GetRolePolicy = { PolicyName = "p" }, DeleteRolePolicy = { PolicyName = "p" },
    AttachRolePolicy = { PolicyArn = "arn:aws:iam::aws:policy/ReadOnlyAccess" }, ListInstanceProfilesForRole = {},
    DetachRolePolicy = { PolicyArn = "arn:aws:iam::aws:policy/ReadOnlyAccess" },
    PutRolePermissionsBoundary = { PermissionsBoundary = "arn:aws:iam::aws:policy/ReadOnlyAccess" } }
  for operation, parameters in sorted(more) do
    parameters.RoleName = "nobody"
    test.equal({ operation, aws:refusal("iam", operation, parameters) },
      { operation, "NoSuchEntity: The role with name nobody cannot be found.", 404 })
  end
end

test["parameters are judged in IAM's words"] = function()
  local aws = client.new()
  local function refused(operation, parameters) return (aws:refusal("iam", operation, parameters)) end
  test.equal(refused("GetRole", { RoleName = "a/b" }), "ValidationError: 1 validation error detected: Value 'a/b' at 'roleName' failed to satisfy \z
    constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]+")
  test.equal(refused("GetRole", { RoleName = ("x"):rep(65) }), "ValidationError: 1 validation error detected: Value '" .. ("x"):rep(65)
    .. "' at 'roleName' failed to satisfy constraint: Member must have length less than or equal to 64")
  test.equal(refused("GetRole", {}),
    "ValidationError: 1 validation error detected: Value null at 'roleName' failed to satisfy constraint: Member must not be null")
  test.matches(refused("CreateRole", { RoleName = "x", Path = "cmek/", AssumeRolePolicyDocument = client.trust(ROOT) }), "at 'path'")
  test.matches(refused("CreateRole", { RoleName = "x", MaxSessionDuration = 3599, AssumeRolePolicyDocument = client.trust(ROOT) }),
    "Value '3599' at 'maxSessionDuration' failed to satisfy constraint: Member must have value greater than or equal to 3600")
  test.matches(refused("ListRoles", { MaxItems = 1001 }), "at 'maxItems'")
  test.matches(refused("TagRole", { RoleName = "x", Tags = { { Key = ("k"):rep(129), Value = "" } } }), "at 'tags.1.member.key'")
  test.equal(aws:refusal("iam", "ListRoles", { MaxItems = "many" }), "MalformedInput")
end

test["roles are listed by path, without tags, in pages"] = function()
  local aws = client.new()
  for index = 1, 5 do aws:role("role-" .. index, { Path = index % 2 == 1 and "/odd/" or "/", Tags = { { Key = "a", Value = "b" } } }) end
  local names, marker = {}, nil
  repeat
    local page = aws:call("iam", "ListRoles", { MaxItems = 2, Marker = marker })
    for _, one in ipairs(page.Roles) do
      test.equal({ one.Tags, one.RoleLastUsed, one.PermissionsBoundary }, {})
      names[#names + 1] = one.RoleName
    end
    test.equal(page.IsTruncated, page.Marker and "true" or "false")
    marker = page.Marker
  until not marker
  test.equal(names, { "role-1", "role-2", "role-3", "role-4", "role-5" })
  test.equal(#aws:call("iam", "ListRoles", { PathPrefix = "/odd/" }).Roles, 3)
  test.equal(aws:refusal("iam", "ListRoles", { Marker = "bm90IG91cnM=" }), "ValidationError: Invalid Marker.")
end

test["a role of one account is none of another's"] = function()
  local aws = client.new()
  aws:role("worker")
  test.equal(aws:call("iam", "ListRoles", {}, { who = client.OTHER }).Roles, {})
  test.equal(aws:refusal("iam", "GetRole", { RoleName = "worker" }, { who = client.OTHER }):match("^%w+"), "NoSuchEntity")
end

test["a role is updated in place"] = function()
  local aws = client.new()
  aws:role("worker")
  test.equal(aws:send({ service = "iam", operation = "UpdateRole", parameters = { RoleName = "worker", Description = "d & <e>" } }).body, {})
  aws:call("iam", "UpdateRole", { RoleName = "worker", MaxSessionDuration = 7200 })
  test.equal({ role(aws, "worker").Description, role(aws, "worker").MaxSessionDuration }, { "d & <e>", "7200" })
end

test["tags of a role are set, replaced in any case of letters, listed and removed"] = function()
  local aws = client.new()
  aws:role("worker", { Tags = { { Key = "a", Value = "1" } } })
  aws:call("iam", "TagRole", { RoleName = "worker", Tags = { { Key = "A", Value = "2" }, { Key = "b", Value = "" } } })
  test.equal(aws:call("iam", "ListRoleTags", { RoleName = "worker" }).Tags, { { Key = "A", Value = "2" }, { Key = "b", Value = "" } })
  local page = aws:call("iam", "ListRoleTags", { RoleName = "worker", MaxItems = 1 })
  test.equal({ #page.Tags, page.IsTruncated }, { 1, "true" })
  aws:call("iam", "UntagRole", { RoleName = "worker", TagKeys = { "a", "x" } })
  test.equal(aws:call("iam", "ListRoleTags", { RoleName = "worker" }).Tags, { { Key = "b", Value = "" } })
  test.equal(aws:refusal("iam", "TagRole", { RoleName = "worker", Tags = { { Key = "c", Value = "" }, { Key = "C", Value = "" } } }),
    "InvalidInput: Duplicate tag keys found. Please note that Tag keys are case insensitive.")
  test.equal(aws:refusal("iam", "TagRole", { RoleName = "worker", Tags = { { Key = "aws:x", Value = "" } } }):match("^%w+"), "InvalidInput")
  local many = {}
  for index = 1, 50 do many[index] = { Key = "k" .. index, Value = "" } end
  test.equal({ aws:refusal("iam", "TagRole", { RoleName = "worker", Tags = many }) },
    { "LimitExceeded: The number of tags has reached the maximum limit: 50", 409 })
end

test["an account has at most a thousand roles"] = function()
  local aws = client.new()
  aws:role("worker")
  local roles = aws.simulation.state.aws["210987654321"].iam.roles
  for index = #roles + 1, 1000 do roles[index] = { RoleName = "r" .. index, RoleId = "AROA" .. index, Path = "/", Arn = "arn" .. index } end
  test.equal({ aws:refusal("iam", "CreateRole", { RoleName = "more", AssumeRolePolicyDocument = client.trust(ROOT) }) },
    { "LimitExceeded: Cannot exceed quota for RolesPerAccount: 1000", 409 })
end

test["a role whose ARN has not spread shows its id there"] = function()
  local aws = client.new { faults = { { kind = "arn_is_id", operation = "GetRole", count = 1 } } }
  local arn = aws:role("worker")
  test.matches(role(aws, "worker").Arn, "^AROA")
  test.equal(role(aws, "worker").Arn, arn)
end

-- Trust -----------------------------------------------------------------------------------------------------------

local malformed = {
  { "{", "This policy contains invalid Json" },
  { "[]", "This policy contains invalid Json" },
  { '{"Version":"2012-10-17","Version":"2012-10-17","Statement":[]}', "This policy contains invalid Json" },
  { '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Resource":"*"}]}',
    "Has prohibited field Resource" },
  { client.trust("arn:aws:iam::210987654321:role/nobody"), 'Invalid principal in policy: "AWS":"arn:aws:iam::210987654321:role/nobody"' },
  { client.trust("AROAEXAMPLEEXAMPLE123"), 'Invalid principal in policy: "AWS":"AROAEXAMPLEEXAMPLE123"' },
  { '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"nobody"},"Action":"sts:AssumeRole"}]}',
    'Invalid principal in policy: "Service":"nobody"' },
}

test["a trust policy that cannot be is malformed, when made and when changed"] = function()
  local aws = client.new()
  aws:role("worker")
  for _, case in ipairs(malformed) do
    local want = { "MalformedPolicyDocument: " .. case[2], 400 }
    test.equal({ aws:refusal("iam", "CreateRole", { RoleName = "x", AssumeRolePolicyDocument = case[1] }) }, want)
    test.equal({ aws:refusal("iam", "UpdateAssumeRolePolicy", { RoleName = "worker", PolicyDocument = case[1] }) }, want)
  end
  test.equal(#aws:call("iam", "ListRoles", {}).Roles, 1)
end

test["white space does not count against the size of a trust policy"] = function()
  local aws = client.new()
  aws:role("roomy", { AssumeRolePolicyDocument = client.trust(ROOT) .. (" "):rep(3000) })
  local long = client.trust(ROOT, ("x"):rep(2048))
  test.equal({ aws:refusal("iam", "CreateRole", { RoleName = "x", AssumeRolePolicyDocument = long }) },
    { "LimitExceeded: Cannot exceed quota for ACLSizePerRole: 2048", 409 })
end

test["a trust policy keeps the principal, not its name"] = function()
  local aws = client.new()
  local arn = aws:role("friend")
  aws:role("worker", { AssumeRolePolicyDocument = client.trust(arn) })
  test.equal(trust_of(aws, "worker").Statement[1].Principal.AWS, arn)
  aws:call("iam", "DeleteRole", { RoleName = "friend" })
  test.matches(trust_of(aws, "worker").Statement[1].Principal.AWS, "^AROA")
  test.matches(aws.simulation.state.aws["210987654321"].iam.roles[1].AssumeRolePolicyDocument, "AROA")
  aws:role("friend")
  test.matches(trust_of(aws, "worker").Statement[1].Principal.AWS, "^AROA")
  aws:call("iam", "UpdateAssumeRolePolicy", { RoleName = "worker", PolicyDocument = client.trust(arn) })
  test.equal(trust_of(aws, "worker").Statement[1].Principal.AWS, arn)
end

test["an account by its number is printed as its root"] = function()
  local aws = client.new()
  aws:role("worker", { AssumeRolePolicyDocument = client.trust("571234890001") })
  test.equal(trust_of(aws, "worker").Statement[1].Principal.AWS, "arn:aws:iam::571234890001:root")
end

-- Policies of roles -----------------------------------------------------------------------------------------------

local ALLOW <const> = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:Encrypt","Resource":"*"}]}'

test["inline policies are put, read, listed and deleted"] = function()
  local aws = client.new()
  aws:role("worker")
  for _, name in ipairs { "b", "a" } do aws:call("iam", "PutRolePolicy", { RoleName = "worker", PolicyName = name, PolicyDocument = ALLOW }) end
  test.equal(aws:call("iam", "ListRolePolicies", { RoleName = "worker" }).PolicyNames, { "a", "b" })
  local page = aws:call("iam", "ListRolePolicies", { RoleName = "worker", MaxItems = 1 })
  test.equal(aws:call("iam", "ListRolePolicies", { RoleName = "worker", Marker = page.Marker }).PolicyNames, { "b" })
  local got = aws:call("iam", "GetRolePolicy", { RoleName = "worker", PolicyName = "a" })
  test.equal({ got.RoleName, got.PolicyName, crypto.percent_decode(got.PolicyDocument) }, { "worker", "a", ALLOW })
  aws:call("iam", "DeleteRolePolicy", { RoleName = "worker", PolicyName = "a" })
  for _, operation in ipairs { "GetRolePolicy", "DeleteRolePolicy" } do
    test.equal({ aws:refusal("iam", operation, { RoleName = "worker", PolicyName = "a" }) },
      { "NoSuchEntity: The role policy with name a cannot be found.", 404 })
  end
end

test["an inline policy must be one, and all of them fit into 10240 characters"] = function()
  local aws = client.new()
  aws:role("worker")
  local function put(name, document)
    return (aws:refusal("iam", "PutRolePolicy", { RoleName = "worker", PolicyName = name, PolicyDocument = document }))
  end
  test.equal(put("a", "{"), "MalformedPolicyDocument: This policy contains invalid Json")
  test.equal(put("a", client.trust(ROOT)):match("^%w+"), "MalformedPolicyDocument")
  local big = ALLOW:gsub('"Resource":"%*"', '"Resource":"arn:aws:kms:*:*:' .. ("x"):rep(6000) .. '"')
  aws:call("iam", "PutRolePolicy", { RoleName = "worker", PolicyName = "a", PolicyDocument = big })
  aws:call("iam", "PutRolePolicy", { RoleName = "worker", PolicyName = "a", PolicyDocument = big })
  test.equal(put("b", big), "LimitExceeded: Maximum policy size of 10240 bytes exceeded for role worker")
end

test["managed policies are attached and detached"] = function()
  local aws = client.new()
  aws:role("worker")
  local arn = "arn:aws:iam::aws:policy/ReadOnlyAccess"
  for _ = 1, 2 do aws:call("iam", "AttachRolePolicy", { RoleName = "worker", PolicyArn = arn }) end
  test.equal(aws:call("iam", "ListAttachedRolePolicies", { RoleName = "worker" }).AttachedPolicies,
    { { PolicyArn = arn, PolicyName = "ReadOnlyAccess" } })
  aws:call("iam", "DetachRolePolicy", { RoleName = "worker", PolicyArn = arn })
  test.equal(aws:refusal("iam", "DetachRolePolicy", { RoleName = "worker", PolicyArn = arn }), "NoSuchEntity: Policy " .. arn .. " was not found.")
  test.equal(aws:refusal("iam", "AttachRolePolicy", { RoleName = "worker", PolicyArn = "arn:aws:iam::aws:policy/Nothing" }),
    "NoSuchEntity: Policy arn:aws:iam::aws:policy/Nothing does not exist or is not attachable.")
end

test["a role is deleted only when nothing hangs on it"] = function()
  local aws = client.new()
  aws:role("worker")
  local arn = "arn:aws:iam::aws:policy/ReadOnlyAccess"
  local inside = aws.simulation.state.aws["210987654321"].iam.roles[1]
  inside.InstanceProfiles = json.array { { InstanceProfileName = "p" } }
  aws:call("iam", "PutRolePolicy", { RoleName = "worker", PolicyName = "a", PolicyDocument = ALLOW })
  aws:call("iam", "AttachRolePolicy", { RoleName = "worker", PolicyArn = arn })
  local function refused() return { aws:refusal("iam", "DeleteRole", { RoleName = "worker" }) } end
  test.equal(refused(), { "DeleteConflict: Cannot delete entity, must detach all policies first.", 409 })
  aws:call("iam", "DetachRolePolicy", { RoleName = "worker", PolicyArn = arn })
  test.equal(refused(), { "DeleteConflict: Cannot delete entity, must delete policies first.", 409 })
  aws:call("iam", "DeleteRolePolicy", { RoleName = "worker", PolicyName = "a" })
  test.equal(refused(), { "DeleteConflict: Cannot delete entity, must remove roles from instance profile first.", 409 })
  test.equal(#aws:call("iam", "ListInstanceProfilesForRole", { RoleName = "worker" }).InstanceProfiles, 1)
  inside.InstanceProfiles = nil
  aws:call("iam", "DeleteRole", { RoleName = "worker" })
  test.equal(aws:refusal("iam", "DeleteRole", { RoleName = "worker" }), "NoSuchEntity: The role with name worker cannot be found.")
end

test["a role of a service cannot be changed"] = function()
  local aws = client.new()
  aws:role("AWSServiceRoleForX", { Path = "/aws-service-role/x.amazonaws.com/" })
  for operation, more in sorted { UpdateAssumeRolePolicy = { PolicyDocument = client.trust(ROOT) }, UpdateRole = {}, DeleteRole = {} } do
    more.RoleName = "AWSServiceRoleForX"
    test.equal({ aws:refusal("iam", operation, more):match("^%w+") }, { "UnmodifiableEntity" })
  end
end

-- Who may ---------------------------------------------------------------------------------------------------------

test["the reader reads and changes nothing"] = function()
  local aws = client.new()
  local arn = aws:role("worker")
  local reader = { who = client.READER }
  test.equal(aws:call("iam", "GetRole", { RoleName = "worker" }, reader).Role.Arn, arn)
  aws:call("iam", "ListRoles", {}, reader)
  test.equal({ aws:refusal("iam", "DeleteRole", { RoleName = "worker" }, reader) }, { "AccessDenied: User: arn:aws:iam::210987654321:user/reader \z
    is not authorized to perform: iam:DeleteRole on resource: arn:aws:iam::210987654321:role/worker because no identity-based policy allows the \z
    iam:DeleteRole action", 403 })
  test.equal(aws:refusal("iam", "GetRole", { RoleName = "nobody" }, reader):match("^%w+"), "NoSuchEntity")
  test.equal(aws:refusal("iam", "DeleteRole", { RoleName = "nobody" }, reader):match("^%w+"), "AccessDenied")
end

local function limited(aws, statement)
  local user = aws.simulation:add_user { account = "210987654321", name = "limited",
    policies = { { Version = "2012-10-17", Statement = statement } } }
  return { who = { id = user.access_key_id, secret = user.secret_access_key } }
end

test["identity policies are evaluated with their conditions"] = function()
  local aws = client.new()
  local who = limited(aws, json.array {
    { Effect = "Allow", Action = "iam:*", Resource = "arn:aws:iam::210987654321:role/cmek-*" },
    { Effect = "Deny", Action = "iam:TagRole", Resource = "*", Condition = { StringEquals = { ["aws:RequestTag/owner"] = "nobody" } } },
  })
  local other = { RoleName = "other", AssumeRolePolicyDocument = client.trust(ROOT) }
  test.equal(aws:refusal("iam", "CreateRole", other, who):match("^%w+"), "AccessDenied")
  aws:call("iam", "CreateRole", { RoleName = "cmek-1", AssumeRolePolicyDocument = client.trust(ROOT) }, who)
  aws:call("iam", "TagRole", { RoleName = "cmek-1", Tags = { { Key = "owner", Value = "me" } } }, who)
  test.equal(aws:refusal("iam", "TagRole", { RoleName = "cmek-1", Tags = { { Key = "owner", Value = "nobody" } } }, who):match("with an.*$"),
    "with an explicit deny in an identity-based policy")
end

test["a boundary limits what a role's sessions may"] = function()
  local aws = client.new()
  local arn = aws:role("worker")
  aws:call("iam", "AttachRolePolicy", { RoleName = "worker", PolicyArn = "arn:aws:iam::aws:policy/AdministratorAccess" })
  local who = aws:assume(arn)
  aws:call("iam", "CreateRole", { RoleName = "one", AssumeRolePolicyDocument = client.trust(ROOT) }, { who = who })
  aws:call("iam", "PutRolePermissionsBoundary", { RoleName = "worker", PermissionsBoundary = "arn:aws:iam::aws:policy/ReadOnlyAccess" })
  test.equal(aws:refusal("iam", "CreateRole", { RoleName = "two", AssumeRolePolicyDocument = client.trust(ROOT) }, { who = who }):match("because.*$"),
    "because no permissions boundary allows the iam:CreateRole action")
  test.equal(role(aws, "worker").PermissionsBoundary,
    { PermissionsBoundaryType = "Policy", PermissionsBoundaryArn = "arn:aws:iam::aws:policy/ReadOnlyAccess" })
end

test["service control policies deny what everybody else allows"] = function()
  local aws = client.new()
  aws.simulation.state.aws["210987654321"].organization = { ServiceControlPolicies = { { { Version = "2012-10-17", Statement = json.array {
    { Effect = "Allow", Action = "*", Resource = "*" }, { Effect = "Deny", Action = "kms:CreateKey", Resource = "*" } } } } } }
  test.equal(aws:refusal("kms", "CreateKey", {}):match("with an.*$"), "with an explicit deny in a service control policy")
  aws:call("kms", "ListKeys", {})
end

test["the policies of a user and a managed policy can be read; there are no groups"] = function()
  local aws = client.new()
  test.equal(aws:call("iam", "ListUserPolicies", { UserName = "reader" }).PolicyNames, { "policy-1" })
  local inline = aws:call("iam", "GetUserPolicy", { UserName = "reader", PolicyName = "policy-1" }).PolicyDocument
  test.contains(require("crypto").percent_decode(inline), "kms:Describe*")
  test.equal(#aws:call("iam", "ListGroupsForUser", { UserName = "reader" }).Groups, 0)
  aws.simulation.state.aws["210987654321"].iam.users[1].AttachedPolicies = { { PolicyArn = "arn:aws:iam::aws:policy/ReadOnlyAccess" } }
  local attached = aws:call("iam", "ListAttachedUserPolicies", { UserName = "operator" }).AttachedPolicies[1].PolicyArn
  local version = aws:call("iam", "GetPolicy", { PolicyArn = attached }).Policy.DefaultVersionId
  local document = aws:call("iam", "GetPolicyVersion", { PolicyArn = attached, VersionId = version }).PolicyVersion.Document
  test.contains(require("crypto").percent_decode(document), "iam:Get*")
  test.matches(aws:refusal("iam", "GetPolicy", { PolicyArn = "arn:aws:iam::aws:policy/Nowhere" }), "^NoSuchEntity")
  test.matches(aws:refusal("iam", "GetUserPolicy", { UserName = "reader", PolicyName = "x" }), "^NoSuchEntity")
end

test["the policy simulator says what the organization and the boundary leave"] = function()
  local aws = client.new()
  local arn = aws:role("worker")
  local function detail()
    return aws:call("iam", "SimulatePrincipalPolicy", { PolicySourceArn = arn, ActionNames = { "kms:Decrypt" } }).EvaluationResults[1]
  end
  test.equal({ detail().OrganizationsDecisionDetail, detail().PermissionsBoundaryDecisionDetail }, {})
  aws.simulation.state.aws["210987654321"].organization = { ServiceControlPolicies = { { { Version = "2012-10-17", Statement = json.array {
    { Effect = "Allow", Action = "*", Resource = "*" }, { Effect = "Deny", Action = "kms:Decrypt", Resource = "*" } } } } } }
  aws:call("iam", "PutRolePermissionsBoundary", { RoleName = "worker", PermissionsBoundary = "arn:aws:iam::aws:policy/AdministratorAccess" })
  test.equal({ detail().EvalDecision, detail().OrganizationsDecisionDetail.AllowedByOrganizations,
    detail().PermissionsBoundaryDecisionDetail.AllowedByPermissionsBoundary }, { "explicitDeny", "false", "true" })
end

test["a user sees himself, others by name"] = function()
  local aws = client.new()
  local me = aws:call("iam", "GetUser", {}).User
  test.equal({ me.UserName, me.Arn }, { "operator", "arn:aws:iam::210987654321:user/operator" })
  test.matches(me.UserId, "^AIDA")
  test.equal(aws:call("iam", "GetUser", { UserName = "reader" }).User.UserName, "reader")
  test.equal({ aws:refusal("iam", "GetUser", { UserName = "nobody" }) }, { "NoSuchEntity: The user with name nobody cannot be found.", 404 })
  local who = aws:assume(aws:role("worker"))
  test.equal(aws:refusal("iam", "GetUser", {}, { who = who }):match("^%w+"), "ValidationError")
end

-- The policy simulator --------------------------------------------------------------------------------------------

test["the policy simulator answers for a role by the same evaluator"] = function()
  local aws = client.new()
  local arn = aws:role("worker")
  local policy = json.encode { Version = "2012-10-17", Statement = json.array {
    { Effect = "Allow", Action = "kms:*", Resource = "*", Condition = { StringEquals = { ["aws:RequestedRegion"] = "us-east-1" } } },
    { Effect = "Deny", Action = "kms:CreateKey", Resource = "*" } } }
  aws:call("iam", "PutRolePolicy", { RoleName = "worker", PolicyName = "a", PolicyDocument = policy })
  local function decisions(region)
    local list = {}
    local results = aws:call("iam", "SimulatePrincipalPolicy", { PolicySourceArn = arn,
      ActionNames = { "kms:Encrypt", "kms:CreateKey", "iam:GetRole" }, ContextEntries = { { ContextKeyName = "aws:RequestedRegion",
        ContextKeyType = "string", ContextKeyValues = { region } } } }).EvaluationResults
    for index, result in ipairs(results) do list[index] = result.EvalActionName .. " " .. result.EvalDecision end
    return list
  end
  test.equal(decisions("us-east-1"), { "kms:Encrypt allowed", "kms:CreateKey explicitDeny", "iam:GetRole implicitDeny" })
  test.equal(decisions("eu-west-1"), { "kms:Encrypt implicitDeny", "kms:CreateKey explicitDeny", "iam:GetRole implicitDeny" })
  local nobody = { PolicySourceArn = "arn:aws:iam::210987654321:role/nobody", ActionNames = { "kms:Encrypt" } }
  test.equal({ aws:refusal("iam", "SimulatePrincipalPolicy", nobody) },
    { "NoSuchEntity: The entity with ARN arn:aws:iam::210987654321:role/nobody cannot be found.", 404 })
end

test["the policy simulator takes policies by themselves, and answers in pages"] = function()
  local aws = client.new()
  local asked = { PolicyInputList = { ALLOW }, ActionNames = { "kms:Encrypt", "kms:Decrypt" }, MaxItems = 1 }
  local first = aws:call("iam", "SimulateCustomPolicy", asked)
  test.equal({ first.EvaluationResults[1].EvalDecision, first.EvaluationResults[1].EvalResourceName, first.IsTruncated }, { "allowed", "*", "true" })
  asked.Marker = first.Marker
  local second = aws:call("iam", "SimulateCustomPolicy", asked)
  test.equal({ #second.EvaluationResults, second.EvaluationResults[1].EvalDecision }, { 1, "implicitDeny" })
end
