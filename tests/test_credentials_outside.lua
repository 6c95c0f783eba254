-- Every source of AWS credentials from outside: `cmek whoami` and `cmek run` with what a machine, a container, a CI job or a
-- sign-in gives, over real HTTP to the simulated services.
local crypto = require "crypto"
local file = require "file"
local identity = require "sim.identity"
local json = require "json"
local outside = dofile "tests/outside.lua"
local time = require "time"

local NO_KEYS <const> = "unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY; "

-- None of what services give as secrets is in what people and files get to see.
local function silent(result)
  local texts = { result.text }
  for _, name in ipairs(file.list(result.directory .. "/state/runs") or {}) do
    texts[#texts + 1] = file.read(result.directory .. "/state/runs/" .. name)
  end
  local state = json.decode(assert(file.read(result.directory .. "/after")))
  test.truthy(state.aws)
  for _, text in ipairs(texts) do
    for _, secret in ipairs { identity.CONTAINER.token, identity.SIGN_IN.access, identity.SIGN_IN.refresh, identity.SIGN_IN.client_secret,
      "simulated-imds-token" } do
      test.equal(text:find(secret, 1, true), nil)
    end
    test.equal(text:match "SecretAccessKey\":", nil)
  end
end

--- What whoami says; its AWS part, the exit status, the result.
local function whoami(command, options)
  options = options or {}
  local directory = options.directory or test.directory()
  local words = { "--state", directory .. "/after" }
  for _, word in ipairs(options.sim or {}) do words[#words + 1] = word end
  local result = outside.simulated(command .. ' "$CMEK" whoami --json' .. (options.flags or ""), { sim = words, directory = directory })
  outside.plain(result.text)
  silent(result)
  return assert(json.decode(result.output)).aws, result.status, result
end

--- Seconds to wait for an answer: few where none is to come, more than it takes where one is.
local WAIT <const> = { slow = 0.2, bridged = 1 }

local function patience(mode) return ("AWS_METADATA_SERVICE_TIMEOUT=%g "):format(WAIT[mode] or 20) end

local function metadata(mode) return whoami(patience(mode), { sim = { "--metadata", mode } }) end

-- ---- instance metadata ----

test["an instance's role is found by IMDSv2, or by v1 where that is all there is"] = function()
  for _, mode in ipairs { "on", "v1" } do
    local aws, status = metadata(mode)
    test.equal({ status, aws.arn, aws.kind, aws.ends },
      { 0, "arn:aws:sts::210987654321:assumed-role/cmek-sim-instance/i-0123456789abcdef0", "metadata", json.null })
  end
end

test["credentials that an instance hands out expired are used, and a warning says so"] = function()
  local aws, status, result = metadata "expired"
  test.equal({ status, aws.account_id, aws.expired_at }, { 0, "210987654321", "2020-04-02T00:49:51Z" })
  test.contains(result.errors, "hands out credentials that expired at 2020-04-02T00:49:51Z")
end

test["metadata that are slow, a page, without a role or out of reach end with 4 and what to do"] = function()
  for mode, text in pairs {
    slow = { "no answer within 0.2 s", "AWS_METADATA_SERVICE_TIMEOUT" },
    html = { "somebody else than the metadata service", "AWS_EC2_METADATA_DISABLED" },
    ["no-role"] = { "the instance has no role", "export AWS_PROFILE" }, bridged = { "it wants IMDSv2, whose token did not come", "hop-limit 2" },
    refused = { "it wants IMDSv2, whose token did not come (HTTP 403)", "AWS_EC2_METADATA_DISABLED" },
  } do
    local aws, status = metadata(mode)
    test.equal({ mode, status, aws.account_id }, { mode, 4, json.null })
    test.contains(aws.error.message, text[1])
    test.contains(aws.error.next, text[2])
  end
  local aws, status = whoami(NO_KEYS .. "unset AWS_EC2_METADATA_DISABLED; AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:9")
  test.equal(status, 4)
  test.contains(aws.error.message, "no instance's metadata service is at http://127.0.0.1:9")
end

test["metadata and containers are asked by no proxy"] = function()
  local proxy = "http_proxy=http://127.0.0.1:9 HTTP_PROXY=http://127.0.0.1:9 ALL_PROXY=http://127.0.0.1:9"
  local _, status = whoami(patience "on" .. proxy, { sim = { "--metadata", "on" } })
  test.equal(status, 0)
end

test["a run with an instance's role makes everything, and nothing when the metadata are somebody else's"] = function()
  local directory = test.directory()
  local sim = { "--state", directory .. "/after", "--metadata" }
  sim[#sim + 1] = "on"
  local result = outside.simulated(patience "on" .. '"$CMEK" run console --cluster orders-one --yes', { directory = directory, sim = sim })
  test.equal({ result.status, result:writes() > 0 }, { 0, true })
  silent(result)
  result = outside.simulated("AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:9 \"$CMEK\" run console --cluster orders --yes",
    { sim = { "--metadata", "on" } })
  test.equal({ result.status, result:writes() }, { 4, 0 })
  test.contains(result.errors, "no instance's metadata service is at http://127.0.0.1:9")
  for _, mode in ipairs { "html", "slow", "no-role" } do
    result = outside.simulated(patience(mode) .. '"$CMEK" run console --cluster orders --yes', { sim = { "--metadata", mode } })
    outside.plain(result.text)
    test.equal({ result.status, result:writes() }, { 4, 0 })
    test.contains(result.errors, "next: ")
  end
end

test["keys that a service calls expired are asked for anew, once, and the request is made again, once"] = function()
  local simulation
  local here = require("sim.world").new { seed = 1, handle = function(request) return simulation:handle(request) end }
  simulation = require("sim").new { now = function() return here.now end, random = function(count) return here:random(count) end, metadata = "on" }
  local asked = {}
  simulation.on_request = function(entry) asked[#asked + 1] = entry.operation end
  local session = require("session").open { door = require("door").new { world = here }, environment = { AWS_REGION = "us-east-1",
    AWS_EC2_METADATA_SERVICE_ENDPOINT = "http://127.0.0.1:1", AWS_CONFIG_FILE = "/dev/null", AWS_SHARED_CREDENTIALS_FILE = "/dev/null" } }
  session:seal()
  simulation.faults = { { kind = "expired", service = "kms", count = 1 } }
  session.tasks.run(session.kms.list_aliases, { region = "us-east-1" })
  test.equal(asked, { "GetToken", "ListRoles", "GetRoleCredentials", "ListAliases", "ListRoles", "GetRoleCredentials", "ListAliases" })
  simulation.faults = { { kind = "expired", service = "kms" } }
  asked = {}
  local raised = test.raises(function() session.tasks.run(session.kms.list_aliases, { region = "us-east-1" }) end, "ExpiredTokenException")
  test.equal({ raised.exit, asked }, { "credentials", { "ListAliases", "ListRoles", "GetRoleCredentials", "ListAliases" } })
end

-- ---- container ----

local CONTAINER <const> = NO_KEYS .. 'AWS_CONTAINER_CREDENTIALS_FULL_URI="$AWS_ENDPOINT_URL' .. identity.CONTAINER.path .. '" '

test["a container's credentials, with the token of a variable or of a file"] = function()
  local aws, status = whoami(CONTAINER .. "AWS_CONTAINER_AUTHORIZATION_TOKEN=" .. identity.CONTAINER.token)
  test.equal({ status, aws.kind, aws.arn }, { 0, "container", "arn:aws:sts::210987654321:assumed-role/cmek-sim-task/i-0123456789abcdef0" })
  aws, status = whoami(("printf '%%s\\n' %s > $D/token; "):format(identity.CONTAINER.token) .. CONTAINER
    .. "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=$D/token")
  test.equal({ status, aws.kind }, { 0, "container" })
  aws, status = whoami(CONTAINER .. "AWS_CONTAINER_AUTHORIZATION_TOKEN=wrong-container-token")
  test.equal(status, 4)
  test.contains(aws.error.message, "HTTP 401: InvalidTokenException: The authorization token is not valid")
end

test["an address that would be told the token in clear is not asked"] = function()
  local aws, status = whoami(NO_KEYS .. "AWS_CONTAINER_AUTHORIZATION_TOKEN=a-token-of-the-test "
    .. "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://credentials.example/x")
  test.equal(status, 4)
  test.contains(aws.error.message, "AWS_CONTAINER_CREDENTIALS_FULL_URI: the endpoint of container, 'http://credentials.example/x', "
    .. "would carry credentials in clear")
end

-- ---- web identity ----

test["a CI job's token is traded for its role; the role is checked by the account"] = function()
  local directory = test.directory()
  local document = { Version = "2012-10-17", Statement = { { Effect = "Allow", Action = "sts:AssumeRoleWithWebIdentity",
    Principal = { Federated = "arn:aws:iam::210987654321:oidc-provider/ci.example" },
    Condition = { StringEquals = { ["ci.example:sub"] = "repo:orders" } } } } }
  assert(file.write(directory .. "/after", json.encode { aws = { ["210987654321"] = { iam = { roles = { { RoleName = "ci",
    AssumeRolePolicyDocument = json.encode(document) } } } } } }))
  local function job(subject, seconds)
    assert(file.write(directory .. "/token", identity.web_identity({ time = function() return os.time() end }, { sub = subject, seconds = seconds })))
    return whoami(NO_KEYS .. "AWS_WEB_IDENTITY_TOKEN_FILE=$D/token AWS_ROLE_ARN=arn:aws:iam::210987654321:role/ci AWS_ROLE_SESSION_NAME=job-7",
      { directory = directory })
  end
  local aws, status = job "repo:orders"
  test.equal({ status, aws.kind, aws.arn }, { 0, "web-identity", "arn:aws:sts::210987654321:assumed-role/ci/job-7" })
  aws, status = job "repo:others"
  test.equal({ status, aws.error.code }, { 4, "AccessDenied" })
  test.contains(aws.error.next, "trust policy must allow sts:AssumeRoleWithWebIdentity")
  aws, status = job("repo:orders", -60)
  test.equal({ status, aws.error.code }, { 4, "ExpiredTokenException" })
end

-- ---- IAM Identity Center ----

local CONFIG <const> = [[
[profile work]
sso_session = my-sso
sso_account_id = 210987654321
sso_role_name = Admin
[sso-session my-sso]
sso_region = us-east-1
sso_start_url = https://simulated.awsapps.com/start
]]

local function signed_in(expires, flags, change)
  local directory = test.directory()
  local cache = directory .. "/.aws/sso/cache"
  assert(file.mkdir(cache))
  assert(file.write(directory .. "/config", CONFIG))
  local path = ("%s/%s.json"):format(cache, crypto.hex(crypto.sha1 "my-sso"))
  local sign_in = { startUrl = identity.SIGN_IN.start_url, region = "us-east-1", accessToken = identity.SIGN_IN.access,
    expiresAt = time.text(os.time() + expires), clientId = identity.SIGN_IN.client, clientSecret = identity.SIGN_IN.client_secret,
    registrationExpiresAt = time.text(os.time() + 86400), refreshToken = identity.SIGN_IN.refresh }
  for name, value in pairs(change or {}) do sign_in[name] = value end
  if expires then assert(file.write(path, json.encode(sign_in), 420)) end
  local aws, status, result = whoami(NO_KEYS .. "AWS_CONFIG_FILE=$D/config", { directory = directory, flags = flags or " --profile work" })
  return aws, status, path, result
end

test["a sign-in gives the permission set's keys"] = function()
  local aws, status = signed_in(7200)
  test.equal({ status, aws.kind, aws.ends }, { 0, "sso", json.null })
  test.matches(aws.arn, "assumed%-role/AWSReservedSSO_Admin_")
end

test["a sign-in that has run out is renewed, and written back for its owner alone"] = function()
  local aws, status, path = signed_in(-60)
  test.equal({ status, aws.kind }, { 0, "sso" })
  local kept = json.decode(assert(file.read(path)))
  test.matches(kept.accessToken, "^simulated%-sso%-access%-token%-%x+$")
  test.truthy(time.epoch(kept.expiresAt) > os.time() + 28000)
  test.equal(file.stat(path).mode & 511, 384)
end

test["one that cannot be renewed, or is not accepted, ends with 4 and the command to sign in"] = function()
  local aws, status = signed_in(-60, nil, { refreshToken = "another-refresh-token" })
  test.equal({ status, aws.error.next }, { 4, "aws sso login --profile work" })
  test.contains(aws.error.message, "cannot be renewed: HTTP 400: invalid_grant: Invalid refresh token provided")
  aws, status = signed_in(7200, nil, { accessToken = "another-access-token" })
  test.equal({ status, aws.error.next }, { 4, "aws sso login --profile work" })
end
