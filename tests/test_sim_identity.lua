-- The simulated metadata, container credentials, Identity Center and web identities; sections 3.4 to 3.8 of the fact sheet.
local client = dofile "tests/sim_client.lua"
local identity = require "sim.identity"
local json = require "json"

local ROLES <const> = "/latest/meta-data/iam/security-credentials/"

local function ask(aws, method, target, headers, body)
  return aws.simulation:handle { method = method, target = target, headers = headers or {}, body = body }
end

local function token(aws)
  return ask(aws, "PUT", "/latest/api/token", { { "X-aws-ec2-metadata-token-ttl-seconds", "60" } }).body
end

local function whoami(aws, keys)
  return aws:call("sts", "GetCallerIdentity", {}, { who = { id = keys.id, secret = keys.secret, token = keys.token } }).Arn
end

test["metadata want a token of their own; its keys are those of a session that can do everything"] = function()
  local aws = client.new()
  test.equal(ask(aws, "GET", ROLES).status, 401)
  test.equal(ask(aws, "GET", ROLES, { { "X-aws-ec2-metadata-token", "another" } }).status, 401)
  test.equal(ask(aws, "PUT", "/latest/api/token").status, 400)
  local shown = { { "X-aws-ec2-metadata-token", token(aws) } }
  test.equal(ask(aws, "GET", ROLES, shown).body, "cmek-sim-instance")
  local keys = json.decode(ask(aws, "GET", ROLES .. "cmek-sim-instance", shown).body)
  test.equal({ keys.Code, keys.Type, keys.Expiration }, { "Success", "AWS-HMAC", "2026-02-01T15:00:00Z" })
  test.equal(whoami(aws, { id = keys.AccessKeyId, secret = keys.SecretAccessKey, token = keys.Token }),
    "arn:aws:sts::210987654321:assumed-role/cmek-sim-instance/i-0123456789abcdef0")
  test.equal(ask(aws, "GET", ROLES .. "other", shown).status, 404)
  test.equal(aws.entries[1].service, "imds")
end

test["no role is there before somebody asks for its keys"] = function()
  local aws = client.new()
  test.equal(#aws:call("iam", "ListRoles", {}).Roles, 0)
  ask(aws, "GET", ROLES .. "cmek-sim-instance", { { "X-aws-ec2-metadata-token", token(aws) } })
  test.equal(#aws:call("iam", "ListRoles", {}).Roles, 1)
end

test["each way in which metadata can be otherwise"] = function()
  local function statuses(mode)
    local aws = client.new { metadata = mode }
    local put = ask(aws, "PUT", "/latest/api/token", { { "X-aws-ec2-metadata-token-ttl-seconds", "60" } })
    local with = ask(aws, "GET", ROLES, { { "X-aws-ec2-metadata-token", put.body } })
    return { put.status, put.delay or 0, with.status, ask(aws, "GET", ROLES).status }
  end
  test.equal(statuses "on", { 200, 0, 200, 401 })
  test.equal(statuses "slow", { 200, 30, 200, 401 })
  test.equal(statuses "html", { 200, 0, 200, 200 })
  test.equal(statuses "no-role", { 200, 0, 404, 401 })
  test.equal(statuses "v1", { 404, 0, 200, 200 })
  test.equal(statuses "refused", { 403, 0, 401, 401 })
  test.equal(statuses "bridged", { 200, 30, 200, 401 })
  local aws = client.new { metadata = "expired" }
  test.contains(ask(aws, "GET", ROLES .. "cmek-sim-instance", { { "X-aws-ec2-metadata-token", token(aws) } }).body, "2020-04-02T00:49:51Z")
end

test["a container has to show its token"] = function()
  local aws = client.new()
  test.equal(ask(aws, "GET", identity.CONTAINER.path).status, 401)
  local keys = json.decode(ask(aws, "GET", identity.CONTAINER.path, { { "Authorization", identity.CONTAINER.token } }).body)
  test.matches(whoami(aws, { id = keys.AccessKeyId, secret = keys.SecretAccessKey, token = keys.Token }), "assumed%-role/cmek%-sim%-task/")
end

test["the portal knows a sign-in and one that was renewed, and gives one permission set"] = function()
  local aws, sign_in = client.new(), identity.SIGN_IN
  local function keys(access, role)
    local answer = ask(aws, "GET", "/federation/credentials?account_id=210987654321&role_name=" .. role, { { "x-amz-sso_bearer_token", access } })
    return json.decode(answer.body), answer.status
  end
  local got = keys(sign_in.access, "Admin").roleCredentials
  test.matches(whoami(aws, { id = got.accessKeyId, secret = got.secretAccessKey, token = got.sessionToken }), "AWSReservedSSO_Admin_")
  test.equal(got.expiration, 1769957400000 + 600000)
  test.equal(select(2, keys(sign_in.access, "Other")), 403)
  test.equal(select(2, keys("another", "Admin")), 401)
  local body = { clientId = sign_in.client, clientSecret = sign_in.client_secret, grantType = "refresh_token", refreshToken = sign_in.refresh }
  local renewed = json.decode(ask(aws, "POST", "/token", {}, json.encode(body)).body)
  test.equal(renewed.expiresIn, 28800)
  test.truthy(keys(renewed.accessToken, "Admin").roleCredentials)
  body.refreshToken = "another"
  test.equal(ask(aws, "POST", "/token", {}, json.encode(body)).status, 400)
end

test["a web identity is judged by issuer, audience, subject and time"] = function()
  local aws = client.new()
  local arn = aws:role("ci", { AssumeRolePolicyDocument = json.encode { Version = "2012-10-17", Statement = { { Effect = "Allow",
    Principal = { Federated = "arn:aws:iam::210987654321:oidc-provider/ci.example" }, Action = "sts:AssumeRoleWithWebIdentity",
    Condition = { StringEquals = { ["ci.example:aud"] = "sts.amazonaws.com", ["ci.example:sub"] = "repo:orders" } } } } } })
  local function trade(claims)
    local token_of = type(claims) == "table" and identity.web_identity(aws.simulation, claims) or claims
    local body = ("Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=%s&RoleSessionName=job&WebIdentityToken=%s"):format(arn, token_of)
    return ask(aws, "POST", "/", { { "Content-Type", "application/x-www-form-urlencoded" } }, body)
  end
  local good = trade { sub = "repo:orders" }
  test.equal(good.status, 200)
  test.contains(good.body, "<Arn>arn:aws:sts::210987654321:assumed-role/ci/job</Arn>")
  for text, claims in pairs { AccessDenied = { sub = "repo:others" }, ExpiredTokenException = { sub = "repo:orders", seconds = -1 },
    InvalidIdentityToken = "no.token" } do
    test.contains(trade(claims).body, ("<Code>%s</Code>"):format(text))
  end
  test.contains(trade({ sub = "repo:orders", iss = "https://evil.example" }).body, "<Code>AccessDenied</Code>")
  test.contains(trade({ sub = "repo:orders", aud = "other" }).body, "<Code>AccessDenied</Code>")
end

test["metadata are off for a command, unless they are asked for: then they are all it has"] = function()
  local function told(mode)
    local aws = client.new { metadata = mode }
    local set = {}
    for _, setting in ipairs(require("sim.environment").settings { url = "http://127.0.0.1:1", simulation = aws.simulation, mixed = false }) do
      set[setting[1]] = setting[2]
    end
    return { set.AWS_EC2_METADATA_DISABLED or false, set.AWS_EC2_METADATA_SERVICE_ENDPOINT or false, set.AWS_ACCESS_KEY_ID ~= nil }
  end
  test.equal(told(nil), { "true", false, true })
  test.equal(told "on", { false, "http://127.0.0.1:1", false })
end

test["sim --metadata takes one of the words that it lists"] = function()
  local outside = dofile "tests/outside.lua"
  local result = outside.simulated("true", { sim = { "--metadata", "off" } })
  test.equal(result.status, 2)
  test.contains(result.errors, "--metadata knows no 'off'; there are on, slow, html, expired, no-role, v1, refused, bridged")
end
