-- The container's credentials and web identities: what CI, ECS and Kubernetes set up in the environment.
local file = require "file"
local refusal = require "refusal"
local secret = require "secret"
local stand_in = dofile "tests/stand_in.lua"
local identities = dofile "tests/identities.lua"
local open, refused, says = identities.open, identities.refused, identities.says

local function keys() return says { AccessKeyId = "ASIACONTAINER", SecretAccessKey = secret.new("key-of-the-container", "aws"),
  Token = secret.new("token-of-the-container", "aws"), Expiration = "2026-02-01T10:00:00Z" } end

-- ---- container ----

test["a relative address is below the container's host and wins over a full one"] = function()
  local here = open { answer = keys, environment = { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI = "/v2/credentials/1?id=2",
    AWS_CONTAINER_CREDENTIALS_FULL_URI = "http://127.0.0.1:9/x" } }
  local got = here.get()
  test.equal({ got.access_key_id, got.expiration, got.source }, { "ASIACONTAINER", stand_in.NOW + 3600.0,
    "the container's credentials (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI)" })
  test.equal({ here.endpoints.container.url, here.asked[1].method, here.asked[1].path, here.asked[1].timeout },
    { "http://169.254.170.2/v2/credentials/1?id=2", "GET", "", 2 })
  refused({ answer = keys, environment = { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI = ".example.com/" } }, "it must begin with /")
end

test["the token goes along: the file's, anew each time, before the variable's"] = function()
  local path = test.directory() .. "/token"
  local here = open { answer = keys, environment = { AWS_CONTAINER_CREDENTIALS_FULL_URI = "http://169.254.170.23/v1/credentials",
    AWS_CONTAINER_AUTHORIZATION_TOKEN = "token-of-the-variable", AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE = path } }
  for _, text in ipairs { "first-token-in-the-file", "second-token-in-the-file" } do
    assert(file.write(path, text .. "\n"))
    here.now = here.now + 3600
    here.get()
    test.truthy(secret.equal(here.asked[#here.asked].headers.Authorization, text))
  end
  assert(file.remove(path))
  here.now = here.now + 3600
  test.contains(test.raises(here.get, "cannot read the secret in"), "next: check AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
  here = open { answer = keys, environment = { AWS_CONTAINER_CREDENTIALS_FULL_URI = "http://localhost/x",
    AWS_CONTAINER_AUTHORIZATION_TOKEN = "token-of-the-variable" } }
  here.get()
  test.truthy(secret.equal(here.asked[1].headers.Authorization, "token-of-the-variable"))
end

test["the container is asked three times, a second apart; what it refuses for good is told at once"] = function()
  local environment = { AWS_CONTAINER_CREDENTIALS_FULL_URI = "http://127.0.0.1/x" }
  local here = open { answer = function(_, number) return number < 3 and says("", 503) or keys() end, environment = environment }
  test.equal(here.get().access_key_id, "ASIACONTAINER")
  test.equal({ #here.asked, here.asked[2].time - here.asked[1].time }, { 3, 2 })   -- the answer takes one itself
  local raised
  local function refusing() return says({ code = "InvalidTokenException", message = "no such pod" }, 400) end
  raised, here = refused({ answer = refusing, environment = environment },
    "the container's credentials (AWS_CONTAINER_CREDENTIALS_FULL_URI) gives none: HTTP 400: InvalidTokenException: no such pod")
  test.equal(#here.asked, 1)
  test.contains(raised.next, "AWS_CONTAINER_CREDENTIALS_FULL_URI")
  refused({ answer = function() return nil, "127.0.0.1: Connection refused", "unsent" end, environment = environment }, "no answer: 127.0.0.1")
  refused({ answer = function() return identities.page() end, environment = environment }, "an HTML page: Sign in to the network")
  refused({ answer = function() return says {} end, environment = environment }, "the answer has no AccessKeyId or no SecretAccessKey")
end

-- ---- web identity ----

local ROLE <const> = "arn:aws:iam::210987654321:role/ci"

local function token_file(text)
  local path = test.directory() .. "/token"
  assert(file.write(path, text))
  return path
end

test["the token of the environment is traded for its role, unsigned by anybody, and read anew for each trade"] = function()
  local path = token_file "web-identity-token-1"
  local here = open { run_id = "01ABC", environment = { AWS_WEB_IDENTITY_TOKEN_FILE = path, AWS_ROLE_ARN = ROLE } }
  local got = here.get()
  test.equal({ got.access_key_id, got.source }, { "ASIA1", "web identity of the environment, role " .. ROLE })
  test.equal({ here.traded[1].parameters.RoleArn, here.traded[1].parameters.RoleSessionName, here.traded[1].credentials }, { ROLE, "cmek-01ABC" })
  test.truthy(secret.equal(here.traded[1].parameters.WebIdentityToken, "web-identity-token-1"))
  assert(file.write(path, "web-identity-token-2"))
  here.now = here.now + 3600 - 590
  here.get()
  test.truthy(secret.equal(here.traded[2].parameters.WebIdentityToken, "web-identity-token-2"))
end

test["the profile may name the token and the role; the environment is stronger unless the profile is named on the command line"] = function()
  local config = ("[profile ci]\nrole_arn = %s\nweb_identity_token_file = %s\nrole_session_name = me\n"):format(ROLE,
    token_file "token-of-the-profile")
  local environment = { AWS_WEB_IDENTITY_TOKEN_FILE = token_file "token-of-the-environment", AWS_ROLE_ARN = ROLE .. "-env" }
  local here = open { profile = "ci", config = config, environment = environment }
  here.get()
  test.equal({ here.traded[1].parameters.RoleArn, here.traded[1].parameters.RoleSessionName }, { ROLE .. "-env", "me" })
  here = open { profile = "ci", config = config, environment = environment, explicit = true }
  here.get()
  test.equal(here.traded[1].parameters.RoleArn, ROLE)
  test.truthy(secret.equal(here.traded[1].parameters.WebIdentityToken, "token-of-the-profile"))
end

test["a web identity can be what another profile's role is assumed with"] = function()
  local config = "[profile top]\nrole_arn = %s\nsource_profile = ci\n[profile ci]\nrole_arn = %s\nweb_identity_token_file = %s\n"
  local here = open { profile = "top", config = config:format(ROLE .. "-top", ROLE, token_file "token-of-the-profile") }
  here.get()
  test.equal({ #here.traded, here.assumed[1].credentials.access_key_id, here.assumed[1].parameters.RoleArn }, { 1, "ASIA1", ROLE .. "-top" })
end

test["a token without a role, and a file that cannot be read, are errors that name their setting"] = function()
  local raised = refused({ environment = { AWS_WEB_IDENTITY_TOKEN_FILE = "/nowhere" } }, "AWS_WEB_IDENTITY_TOKEN_FILE names a token, and no role")
  test.contains(raised.next, "export AWS_ROLE_ARN=")
  raised = refused({ environment = { AWS_WEB_IDENTITY_TOKEN_FILE = "/nowhere", AWS_ROLE_ARN = ROLE } }, "cannot read the secret in '/nowhere'")
  test.equal(raised.next, "check AWS_WEB_IDENTITY_TOKEN_FILE")
end

test["what STS does not like about the token is told with what to look at"] = function()
  for code, text in pairs { ExpiredTokenException = "has to write a new one", InvalidIdentityToken = "an OIDC provider",
    IDPRejectedClaim = "audience", AccessDenied = "sts:AssumeRoleWithWebIdentity" } do
    local raised = refused({ environment = { AWS_WEB_IDENTITY_TOKEN_FILE = token_file "a-token-of-ci", AWS_ROLE_ARN = ROLE }, trade = function()
      refusal.raise { service = "sts", operation = "AssumeRoleWithWebIdentity", code = code, status = 400, kind = "refused", message = "no" }
    end }, code)
    test.contains(raised.next, text)
  end
end
