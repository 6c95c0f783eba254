-- The simulated STS: who may become whom, for how long; section 5.3 of the fact sheet.
local client = dofile "tests/sim_client.lua"
local json = require "json"

local CROSS <const> = "arn:aws:iam::345678901234:root"

local function denied(arn, caller)
  return ("AccessDenied: User: %s is not authorized to perform: sts:AssumeRole on resource: %s"):format(caller, arn)
end

test["a session is somebody of its own"] = function()
  local aws = client.new()
  local arn = aws:role("worker", { Path = "/cmek/" })
  local got = aws:call("sts", "AssumeRole", { RoleArn = arn, RoleSessionName = "s1" })
  local id = aws:call("iam", "GetRole", { RoleName = "worker" }).Role.RoleId
  test.equal(got.AssumedRoleUser, { AssumedRoleId = id .. ":s1", Arn = "arn:aws:sts::210987654321:assumed-role/worker/s1" })
  test.equal(got.Credentials.Expiration, "2026-02-01T10:00:00Z")
  test.matches(got.Credentials.AccessKeyId, "^ASIA")
  local who = { id = got.Credentials.AccessKeyId, secret = got.Credentials.SecretAccessKey, token = got.Credentials.SessionToken }
  test.equal(aws:call("sts", "GetCallerIdentity", {}, { who = who }),
    { Account = "210987654321", Arn = "arn:aws:sts::210987654321:assumed-role/worker/s1", UserId = id .. ":s1" })
end

test["wrong or missing external id, stranger and missing role are refused alike"] = function()
  local aws = client.new()
  local arn = aws:role("crossing", { AssumeRolePolicyDocument = client.trust(CROSS, "org-1") })
  local other, caller = { who = client.OTHER }, "arn:aws:iam::345678901234:user/operator"
  local function refused(role, external_id, more)
    return { aws:refusal("sts", "AssumeRole", { RoleArn = role, RoleSessionName = "test", ExternalId = external_id }, more) }
  end
  test.equal(refused(arn, "org-2", other), { denied(arn, caller), 403 })
  test.equal(refused(arn, nil, other), { denied(arn, caller), 403 })
  test.equal(refused(arn, "org-1", {}), { denied(arn, "arn:aws:iam::210987654321:user/operator"), 403 })
  test.equal(refused(arn .. "s", "org-1", other), { denied(arn .. "s", caller), 403 })
  aws:assume(arn, { ExternalId = "org-1" }, other)
  aws:assume(aws:role("open", { AssumeRolePolicyDocument = client.trust(CROSS) }), { ExternalId = "not-asked-for" }, other)
end

test["across accounts the caller needs a policy of his own too"] = function()
  local aws = client.new()
  local arn = aws:role("crossing", { AssumeRolePolicyDocument = client.trust(CROSS) })
  local function with(policies)
    local user = aws.simulation:add_user { account = "345678901234", name = "u" .. #policies, policies = policies }
    return { who = { id = user.access_key_id, secret = user.secret_access_key } }
  end
  test.equal(aws:refusal("sts", "AssumeRole", { RoleArn = arn, RoleSessionName = "test" }, with {}):match("^%w+"), "AccessDenied")
  aws:assume(arn, {}, with { '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}]}' })
end

test["in one account a trust that names the caller is enough, one that names the account is not"] = function()
  local aws = client.new()
  local user = aws.simulation:add_user { account = "210987654321", name = "poor", policies = {} }
  local who = { who = { id = user.access_key_id, secret = user.secret_access_key } }
  aws:assume(aws:role("named", { AssumeRolePolicyDocument = client.trust(user.arn) }), {}, who)
  local delegated = aws:role("delegated")
  test.equal(aws:refusal("sts", "AssumeRole", { RoleArn = delegated, RoleSessionName = "test" }, who), denied(delegated, user.arn))
end

test["a trust stays with the principal that was meant"] = function()
  local aws = client.new()
  local friend = aws:role("friend")
  local worker = aws:role("worker", { AssumeRolePolicyDocument = client.trust(friend) })
  aws:assume(worker, {}, { who = aws:assume(friend) })
  aws:call("iam", "DeleteRole", { RoleName = "friend" })
  aws:role("friend")
  local who = { who = aws:assume(friend) }
  test.equal(aws:refusal("sts", "AssumeRole", { RoleArn = worker, RoleSessionName = "test" }, who):match("^%w+"), "AccessDenied")
end

test["a session ends with its role"] = function()
  local aws = client.new()
  local who = aws:assume(aws:role("worker"))
  aws:call("iam", "DeleteRole", { RoleName = "worker" })
  test.equal(aws:refusal("sts", "GetCallerIdentity", {}, { who = who }):match("^%w+"), "InvalidClientTokenId")
end

test["a call in a session whose role is gone is refused, also one of another simulated service's"] = function()
  local aws = client.new()
  local who = aws:assume(aws:role("worker"))
  local function call() return aws.simulation:call { session = who.id, service = "sts", operation = "GetCallerIdentity" } end
  test.truthy(call())   -- the control
  aws:call("iam", "DeleteRole", { RoleName = "worker" })
  local answer, refusal = call()
  test.equal({ answer, refusal.code, refusal.status }, { nil, "InvalidClientTokenId", 403 })
end

test["a session lasts as long as the role allows, in a chain one hour"] = function()
  local aws = client.new()
  local arn = aws:role("worker", { MaxSessionDuration = 7200 })
  aws:call("iam", "AttachRolePolicy", { RoleName = "worker", PolicyArn = "arn:aws:iam::aws:policy/AdministratorAccess" })
  local function refused(seconds, more)
    return (aws:refusal("sts", "AssumeRole", { RoleArn = arn, RoleSessionName = "test", DurationSeconds = seconds }, more))
  end
  test.equal(refused(7201), "ValidationError: The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
  test.equal(refused(899), "ValidationError: 1 validation error detected: Value '899' at 'durationSeconds' failed to satisfy constraint: \z
    Member must have value greater than or equal to 900")
  test.equal(refused(3601, { who = aws:assume(arn, { DurationSeconds = 7200 }) }),
    "ValidationError: The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
end

test["names are judged in STS's words"] = function()
  local aws = client.new()
  local arn = aws:role("worker")
  local function refused(p) return (aws:refusal("sts", "AssumeRole", p)) end
  test.equal(refused { RoleArn = arn, RoleSessionName = "Session1:2" }, "ValidationError: 1 validation error detected: Value 'Session1:2' at \z
    'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*")
  test.equal(refused { RoleArn = "arn:aws:iam::210987654321:user/operator", RoleSessionName = "test" },
    "ValidationError: arn:aws:iam::210987654321:user/operator is invalid")
  test.equal(refused { RoleArn = arn, RoleSessionName = "test", Policy = "{" }, "MalformedPolicyDocument: This policy contains invalid Json")
end

test["a session policy narrows the session"] = function()
  local aws = client.new()
  local arn = aws:role("worker")
  aws:call("iam", "AttachRolePolicy", { RoleName = "worker", PolicyArn = "arn:aws:iam::aws:policy/AdministratorAccess" })
  local who = aws:assume(arn, { Policy = json.encode { Version = "2012-10-17",
    Statement = { Effect = "Allow", Action = "kms:List*", Resource = "*" } } })
  aws:call("kms", "ListKeys", {}, { who = who })
  test.equal(aws:refusal("kms", "CreateKey", {}, { who = who }):match("because.*$"), "because no session policy allows the kms:CreateKey action")
end

test["a root user is the account and assumes no role"] = function()
  local aws = client.new()
  local root = aws.simulation:add_user { account = "210987654321", root = true }
  local who = { who = { id = root.access_key_id, secret = root.secret_access_key } }
  test.equal(aws:call("sts", "GetCallerIdentity", {}, who),
    { Account = "210987654321", Arn = "arn:aws:iam::210987654321:root", UserId = "210987654321" })
  test.equal(aws:refusal("sts", "AssumeRole", { RoleArn = aws:role("worker"), RoleSessionName = "test" }, who),
    "AccessDenied: Roles may not be assumed by root accounts.")
  aws:call("kms", "CreateKey", {}, who)
end
