-- The instance's metadata: IMDSv2, when v1 will do, and what is said of a service that is slow, absent, old or somebody else.
local secret = require "secret"
local stand_in = dofile "tests/stand_in.lua"
local identities = dofile "tests/identities.lua"
local open, refused, says = identities.open, identities.refused, identities.says

local ROLES <const> = "/latest/meta-data/iam/security-credentials/"

local function role_keys(fields)
  local body = { Code = "Success", Type = "AWS-HMAC", AccessKeyId = "ASIAINSTANCE", SecretAccessKey = secret.new("key-of-the-instance", "aws"),
    Token = secret.new("token-of-the-instance", "aws"), Expiration = "2026-02-01T15:00:00Z" }
  for name, value in pairs(fields or {}) do body[name] = value end
  return says(body)
end

--- A metadata service as it should be; `other` answers before it where it gives something.
local function instance(other)
  local tokens = 0
  return function(request)
    local answer, message, kind
    if other then answer, message, kind = other(request) end
    if answer or message then return answer, message, kind end
    if request.method == "PUT" then
      tokens = tokens + 1
      return says(secret.new("imds-token-" .. tokens, "imds"), 200, { ["x-aws-ec2-metadata-token-ttl-seconds"] = "21600" })
    end
    if request.path == ROLES then return says "ops-role" end
    return role_keys()
  end
end

local function put(request) return request.method == "PUT" end
local function token(request) return request.headers["X-aws-ec2-metadata-token"] end

test["an instance's role is asked for with a token of six hours"] = function()
  local here = open { answer = instance() }
  local keys = here.get()
  test.equal({ keys.access_key_id, keys.source, keys.expiration },
    { "ASIAINSTANCE", "the instance's metadata, role ops-role", stand_in.NOW + 21600.0 })
  test.equal(identities.paths(here), { "PUT /latest/api/token", "GET " .. ROLES, "GET " .. ROLES .. "ops-role" })
  test.equal(here.asked[1].headers["X-aws-ec2-metadata-token-ttl-seconds"], "21600")
  test.truthy(secret.is(token(here.asked[2])) and secret.is(token(here.asked[3])))
  test.equal({ here.endpoints.imds.url, here.asked[1].timeout, here.asked[1].service }, { "http://169.254.169.254", 1, "imds" })
end

test["they come last: a profile, a container and the environment are asked first"] = function()
  local static = "[default]\naws_access_key_id = AKIAFILE\naws_secret_access_key = key-of-the-file\n"
  local here = open { answer = instance(), credentials = static }
  test.equal(here.get().access_key_id, "AKIAFILE")
  test.equal({ #here.asked, here.endpoints.imds }, { 0 })
  here = open { answer = instance() }   -- the control
  test.equal(here.get().access_key_id, "ASIAINSTANCE")
end

test["the address is the mode's, or the one that is named; both can stand in the profile"] = function()
  local function address(environment, config)
    local here = open { answer = instance(), environment = environment, config = config }
    here.get()
    return here.endpoints.imds.url
  end
  test.equal(address { AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE = "IPv6" }, "http://[fd00:ec2::254]")
  test.equal(address({}, "[default]\nec2_metadata_service_endpoint_mode = ipv6\n"), "http://[fd00:ec2::254]")
  test.equal(address { AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE = "IPv6", AWS_EC2_METADATA_SERVICE_ENDPOINT = "http://127.0.0.1:1338/" },
    "http://127.0.0.1:1338")
  refused({ answer = instance(), environment = { AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE = "v6" } }, "is 'v6'; it must be IPv4 or IPv6")
end

test["where nothing is, there is no source; the message says what was looked for"] = function()
  local raised, here = refused({ answer = function() return nil, "169.254.169.254: Connection refused", "unsent" end },
    "no AWS credentials: no AWS_ACCESS_KEY_ID, no profile 'default' in ")
  test.contains(raised, "no instance's metadata service is at http://169.254.169.254")
  test.equal(#here.asked, 1)
  raised = refused({ environment = { AWS_EC2_METADATA_DISABLED = "TRUE" } }, "no AWS credentials")
  test.contains(raised, "AWS_EC2_METADATA_DISABLED is true")
end

test["an instance without a role is no source either"] = function()
  local here = instance(function(request) return request.path == ROLES and says("", 404) or nil end)
  test.contains(refused({ answer = here }, "no AWS credentials"), "the instance has no role (http://169.254.169.254)")
end

test["who asks again right after a failure is told the same, without another wait"] = function()
  local here = open { answer = function() return nil, "timed out", "lost" end }
  test.raises(here.get, "no answer within 1 s")
  local asked = #here.asked
  test.raises(here.get, "no answer within 1 s")
  test.equal(#here.asked, asked)
  here.now = here.now + 11
  test.raises(here.get, "no answer within 1 s")
  test.equal(#here.asked, 2 * asked)
end

test["a service that is slow is an error that names the time and how to give it more"] = function()
  local slow = function() return nil, "169.254.169.254: Operation timed out after 1001 milliseconds with 0 bytes received", "lost" end
  local raised = refused({ answer = slow }, "the instance's metadata service (http://169.254.169.254): no answer within 1 s")
  test.contains(raised.next, "export AWS_METADATA_SERVICE_TIMEOUT=5")
  local here = open { answer = slow, environment = { AWS_METADATA_SERVICE_TIMEOUT = "3", AWS_METADATA_SERVICE_NUM_ATTEMPTS = "2" } }
  test.raises(here.get, "no answer within 3 s")
  test.equal({ #here.asked, here.asked[1].timeout }, { 4, 3 })   -- the token twice, then v1 twice
  refused({ answer = slow, environment = { AWS_METADATA_SERVICE_TIMEOUT = "soon" } }, "AWS_METADATA_SERVICE_TIMEOUT is 'soon'")
end

test["a service that does not know tokens is asked as of old, unless that is off"] = function()
  for _, status in ipairs { 403, 404, 405 } do
    local old = instance(function(request) return put(request) and says("no", status) or nil end)
    local here = open { answer = old }
    test.equal(here.get().access_key_id, "ASIAINSTANCE")
    test.equal(token(here.asked[2]), nil)
    refused({ answer = old, environment = { AWS_EC2_METADATA_V1_DISABLED = "true" } },
      ("no token for IMDSv2 came (HTTP %d: 'no'), and IMDSv1 is off here (AWS_EC2_METADATA_V1_DISABLED)"):format(status))
    refused({ answer = old, config = "[default]\nec2_metadata_v1_disabled = true\n" }, "ec2_metadata_v1_disabled of profile 'default'")
  end
end

test["a token that does not come where only v2 is spoken hints at the hop limit"] = function()
  local bridged = instance(function(request)
    if put(request) then return nil, "timed out", "lost" end
    return says("", 401)
  end)
  local raised = refused({ answer = bridged }, "it wants IMDSv2, whose token did not come (timed out)")
  test.contains(raised.next, "--http-put-response-hop-limit 2")
  raised = refused({ answer = bridged, environment = { AWS_EC2_METADATA_V1_DISABLED = "true" } }, "IMDSv1 is off here")
  test.contains(raised.next, "--http-put-response-hop-limit 2")
end

test["a 400 for the token is an error; a token that has become worthless is replaced once"] = function()
  refused({ answer = instance(function(request) return put(request) and says("bad", 400) or nil end) }, "asked for a token it answers HTTP 400")
  local spent = true
  local here = open { answer = instance(function(request)
    if request.path == ROLES and spent then
      spent = false
      return says("", 401)
    end
  end) }
  test.equal(here.get().access_key_id, "ASIAINSTANCE")
  test.equal(identities.paths(here),
    { "PUT /latest/api/token", "GET " .. ROLES, "PUT /latest/api/token", "GET " .. ROLES, "GET " .. ROLES .. "ops-role" })
  refused({ answer = instance(function(request) return not put(request) and says("", 401) or nil end) }, "it answers HTTP 401")
end

test["a page instead of a token, of a role or of keys is somebody else's"] = function()
  local html = { ["content-type"] = "text/html; charset=utf-8" }
  local pages = {
    ["asked for a token it sends a page"] = function(request)
      return put(request) and says(secret.new("<html>sign in</html>", "imds"), 200, html) or nil
    end,
    ["an HTML page: Sign in"] = function(request) return request.path == ROLES and says("<html>Sign in</html>", 200, html) or nil end,
    ["Sign in to the network"] = function(request) return request.path ~= ROLES and not put(request) and identities.page() or nil end,
  }
  for text, page in pairs(pages) do refused({ answer = instance(page) }, text) end
  for _, name in ipairs { "../../etc/passwd", ("a"):rep(1000), "a b", "\0" } do
    refused({ answer = instance(function(request) return request.path == ROLES and says(name) or nil end) }, "somebody else")
  end
end

test["an answer that says no success, or lacks something, is told in its words"] = function()
  local function keys(fields)
    return instance(function(request) return not put(request) and request.path ~= ROLES and role_keys(fields) or nil end)
  end
  refused({ answer = keys { Code = "AssumeRoleUnauthorizedAccess", Message = "EC2 cannot assume the role" } },
    "the role ops-role: HTTP 200: AssumeRoleUnauthorizedAccess: EC2 cannot assume the role")
  refused({ answer = keys { AccessKeyId = "" } }, "the answer has no AccessKeyId or no SecretAccessKey")
  for _, wrong in ipairs { "later", 1e300, 0 / 0, -1, true } do refused({ answer = keys { Expiration = wrong } }, "its Expiration '") end
  for _, body in ipairs { "text", {}, { Code = 1 }, { AccessKeyId = {} } } do
    refused({ answer = instance(function(request) return not put(request) and request.path ~= ROLES and says(body) or nil end) }, "the role ops-role")
  end
end

test["credentials that have expired and are handed out all the same are used, with one warning, and asked for again after minutes"] = function()
  local here = open { answer = instance(function(request)
    return not put(request) and request.path ~= ROLES and role_keys { Expiration = "2020-04-02T00:49:51Z" } or nil
  end) }
  local keys = here.get()
  test.equal(keys.access_key_id, "ASIAINSTANCE")
  local lasts = keys.expiration - here.now
  test.truthy(lasts >= 900 + 120 and lasts <= 900 + 600, lasts)
  test.equal(#here.events, 1)
  test.contains(here.events[1].text, "hands out credentials that expired at 2020-04-02T00:49:51Z")
  test.equal(here.value:described().expired_at, require("time").epoch "2020-04-02T00:49:51Z")
  local asked = #here.asked
  here.get()
  test.equal(#here.asked, asked)
  here.now = here.now + 601
  here.get()
  test.truthy(#here.asked > asked)
  test.equal(#here.events, 1)
end

test["keys near their end are asked for anew with the token that is still good; failures serve until ten minutes before"] = function()
  local broken = false
  local here = open { answer = instance(function() if broken then return nil, "timed out", "lost" end end) }
  here.get()
  here.now, broken = stand_in.NOW + 21600 - 800, true
  test.equal(here.get().access_key_id, "ASIAINSTANCE")
  local asked = #here.asked
  here.get()
  test.equal(#here.asked, asked)   -- once a minute is enough
  here.now = stand_in.NOW + 21600 - 590
  test.raises(here.get, "no answer within 1 s")
end
