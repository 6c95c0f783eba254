-- IAM Identity Center: the sign-in that `aws sso login` leaves, its renewal, and keys for it.
local crypto = require "crypto"
local file = require "file"
local json = require "json"
local secret = require "secret"
local stand_in = dofile "tests/stand_in.lua"
local identities = dofile "tests/identities.lua"
local open, refused, says = identities.open, identities.refused, identities.says

local CONFIG <const> = [[
[profile work]
sso_session = my-sso
sso_account_id = 210987654321
sso_role_name = Admin
[sso-session my-sso]
sso_region = eu-west-1
sso_start_url = https://example.awsapps.com/start
sso_registration_scopes = sso:account:access
]]

local LEGACY <const> = [[
[profile work]
sso_region = eu-west-1
sso_start_url = https://example.awsapps.com/start
sso_account_id = 210987654321
sso_role_name = Admin
]]

local LOGIN <const> = "aws sso login --profile work"

local function portal(fields)
  local credentials = { accessKeyId = "ASIASSO", secretAccessKey = secret.new("key-of-the-portal", "aws"),
    sessionToken = secret.new("token-of-the-portal", "aws"), expiration = (stand_in.NOW + 7200) * 1000 }
  for name, value in pairs(fields or {}) do credentials[name] = value end
  return says { roleCredentials = credentials }
end

local function sign_in(fields)
  local content = { startUrl = "https://example.awsapps.com/start", region = "eu-west-1", accessToken = "access-token-1",
    expiresAt = "2026-02-01T17:00:00Z", clientId = "client", clientSecret = "client-secret-1", registrationExpiresAt = "2026-05-01T00:00:00Z",
    refreshToken = "refresh-token-1" }
  for name, value in pairs(fields or {}) do content[name] = value ~= false and value or nil end
  return content
end

--- A profile with a sign-in in the cache; nil: nobody has signed in.
local function at_work(content, options)
  options = options or {}
  local here = open { profile = "work", config = options.config or CONFIG, answer = options.answer or function() return portal() end,
    environment = options.environment }
  local name = crypto.hex(crypto.sha1(options.config == LEGACY and "https://example.awsapps.com/start" or "my-sso"))
  here.cache = ("%s/.aws/sso/cache/%s.json"):format(here.directory, name)
  assert(file.mkdir(here.directory .. "/.aws/sso/cache"))
  if content then assert(file.write(here.cache, type(content) == "table" and json.encode(content) or content)) end
  return here
end

local function fails(content, text, options)
  local raised = test.raises(at_work(content, options).get, text)
  test.equal({ raised.exit, raised.kind }, { "credentials", "credentials" })
  return raised
end

test["a session's sign-in lies under its name, a legacy one under its start URL"] = function()
  test.equal(crypto.hex(crypto.sha1 "my-sso"), "0ad374308c5a4e22f723adf10145eafad7c4031c")
  for _, config in ipairs { CONFIG, LEGACY } do
    local here = at_work(sign_in(), { config = config })
    local keys = here.get()
    test.equal({ keys.access_key_id, keys.expiration, keys.source }, { "ASIASSO", stand_in.NOW + 7200.0,
      "profile 'work', IAM Identity Center (https://example.awsapps.com/start, Admin in 210987654321)" })
    local request = here.asked[1]
    test.equal({ request.service, request.path, request.query },
      { "sso", "/federation/credentials", { role_name = "Admin", account_id = "210987654321" } })
    test.truthy(secret.equal(request.headers["x-amz-sso_bearer_token"], "access-token-1"))
    test.equal({ here.endpoints.sso.url, here.endpoints["sso-oidc"].url },
      { "https://portal.sso.eu-west-1.amazonaws.com", "https://oidc.eu-west-1.amazonaws.com" })
  end
end

test["the portal's address can be named, and is that of the region's partition"] = function()
  local here = at_work(sign_in(), { environment = { AWS_ENDPOINT_URL_SSO = "http://127.0.0.1:4599/",
    AWS_ENDPOINT_URL_SSO_OIDC = "https://oidc.example" } })
  test.equal({ here.endpoints.sso.url, here.endpoints["sso-oidc"].url }, { "http://127.0.0.1:4599", "https://oidc.example" })
  here = at_work(sign_in(), { config = (CONFIG:gsub("eu%-west%-1", "cn-north-1")) })
  test.equal(here.endpoints.sso.url, "https://portal.sso.cn-north-1.amazonaws.com.cn")
end

test["who has not signed in, or whose sign-in has expired, is given the command"] = function()
  test.equal(fails(nil, "nobody has signed in (there is no ").next, LOGIN)
  local raised = fails(sign_in { expiresAt = "2026-02-01T08:00:00UTC", refreshToken = false },
    "the sign-in expired at 2026-02-01T08:00:00Z, 60 min ago")
  test.equal(raised.next, LOGIN)
  test.equal(fails(sign_in { expiresAt = "2026-02-01T08:00:00Z" }, "the sign-in expired", { config = LEGACY }).next, LOGIN)
  test.equal(fails("{", "cannot be read").next, LOGIN)
  test.equal(fails(sign_in { accessToken = false }, "holds no accessToken or no expiresAt").next, LOGIN)
end

test["what the portal refuses is told apart: the sign-in, or the permission set"] = function()
  local function answering(status, code, message)
    return { answer = function() return says({ message = message }, status, { ["x-amzn-errortype"] = code .. ":http://internal.amazon.com/" }) end }
  end
  test.equal(fails(sign_in(), "UnauthorizedException: Session token not found or invalid", answering(401, "UnauthorizedException",
    "Session token not found or invalid")).next, LOGIN)
  test.contains(fails(sign_in(), "no access to the permission set Admin in account 210987654321 (HTTP 403: ForbiddenException: No access)",
    answering(403, "ForbiddenException", "No access")).next, "sso_role_name")
  fails(sign_in(), "gives no keys: HTTP 200: an HTML page", { answer = function() return identities.page() end })
  local here = at_work(sign_in(), { answer = function(_, number) return number < 3 and says({}, 429) or portal() end })
  test.equal(here.get().access_key_id, "ASIASSO")
end

test["a profile that lacks something, or contradicts its session, is refused by name"] = function()
  refused({ profile = "work", config = CONFIG:gsub("%[sso%-session my%-sso%]", "[sso-session other]"), answer = portal },
    "has no [sso-session my-sso]")
  refused({ profile = "work", config = CONFIG:gsub("sso_role_name[^\n]*", ""), answer = portal }, "lacks sso_role_name")
  refused({ profile = "work", config = CONFIG:gsub("sso_start_url[^\n]*", ""), answer = portal }, "lacks sso_start_url")
  refused({ profile = "work", config = CONFIG:gsub("sso_role_name", "sso_region = us-east-1\nsso_role_name"), answer = portal },
    "sso_region of the AWS profile 'work' is us-east-1, and in [sso-session my-sso] it is eu-west-1")
end

-- ---- renewal ----

local function renewing(fields)
  return function(request)
    if request.service == "sso" then return portal() end
    local body = { accessToken = secret.new("access-token-2", "sso"), refreshToken = secret.new("refresh-token-2", "sso"),
      expiresIn = 28800, tokenType = "Bearer" }
    for name, value in pairs(fields or {}) do body[name] = value end
    return says(body)
  end
end

test["a sign-in that ends within 15 minutes is renewed and written back, for its owner's eyes alone"] = function()
  local here = at_work(sign_in { expiresAt = "2026-02-01T09:10:00Z", more = "kept" }, { answer = renewing() })
  here.get()
  test.equal({ here.asked[1].service, here.asked[1].path, here.asked[1].method }, { "sso-oidc", "/token", "POST" })
  test.equal({ here.asked[1].body.clientId, here.asked[1].body.grantType }, { "client", "refresh_token" })
  test.truthy(secret.equal(here.asked[1].body.refreshToken, "refresh-token-1") and secret.equal(here.asked[1].body.clientSecret, "client-secret-1"))
  test.truthy(secret.equal(here.asked[2].headers["x-amz-sso_bearer_token"], "access-token-2"))
  local kept = json.decode(assert(file.read(here.cache)))
  test.equal({ kept.accessToken, kept.refreshToken, kept.clientSecret, kept.expiresAt, kept.more },
    { "access-token-2", "refresh-token-2", "client-secret-1", "2026-02-01T17:00:01Z", "kept" })
  test.equal(file.stat(here.cache).mode & 511, 384)
end

test["a renewal that fails is tolerated while the sign-in is valid, and tried once a minute"] = function()
  local function answer(request)
    if request.service == "sso" then return portal { expiration = (stand_in.NOW + 60) * 1000 } end
    return says({ error = "invalid_grant", error_description = "no more" }, 400)
  end
  local here = at_work(sign_in { expiresAt = "2026-02-01T09:10:00Z" }, { answer = answer })
  test.equal(here.get().access_key_id, "ASIASSO")
  here.get()
  local tried = 0
  for _, request in ipairs(here.asked) do tried = tried + (request.service == "sso-oidc" and 1 or 0) end
  test.equal({ tried, #here.asked }, { 1, 3 })
  here.now = stand_in.NOW + 700
  local raised = test.raises(here.get, "the sign-in expired at 2026-02-01T09:10:00Z")
  test.contains(raised, "and it cannot be renewed: HTTP 400: invalid_grant: no more")
  test.equal(raised.next, LOGIN)
end

test["a renewal or keys that last nonsense are refused, and nothing is written"] = function()
  for _, nonsense in ipairs { 1e300, -5, "long", true } do
    local here = at_work(sign_in { expiresAt = "2026-02-01T08:00:00Z" }, { answer = renewing { expiresIn = nonsense } })
    local before = file.read(here.cache)
    test.raises(here.get, "it cannot be renewed: the answer has no accessToken or no expiresIn")
    test.equal(file.read(here.cache), before)
    fails(sign_in(), nonsense == "long" and "its expiration 'long' is no time" or "gives no keys: ",
      { answer = function() return portal { expiration = nonsense } end })
  end
end

test["an expired sign-in is renewed where it can be; without a live registration it cannot"] = function()
  test.equal(at_work(sign_in { expiresAt = "2026-02-01T08:00:00Z" }, { answer = renewing() }).get().access_key_id, "ASIASSO")
  test.equal(fails(sign_in { expiresAt = "2026-02-01T08:00:00Z", registrationExpiresAt = "2026-01-01T00:00:00Z" }, "the sign-in expired",
    { answer = renewing() }).next, LOGIN)
end

test["keys of a sign-in that cannot be renewed end for good, those of one that can do not"] = function()
  local here = at_work(sign_in { refreshToken = false, expiresAt = "2026-02-01T12:00:00Z" })
  here.get()
  test.equal(here.value:ends(), stand_in.NOW + 10800.0)
  here = at_work(sign_in())
  here.get()
  test.equal({ here.value:ends(), here.value:expiration() }, { nil, stand_in.NOW + 7200.0 })
end
