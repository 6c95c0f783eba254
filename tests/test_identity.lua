-- host/identity.c behind the door's guards: who may ask for credentials, where, what they are told, and what comes out as a secret.
local door_module = require "door"
local file = require "file"
local secret = require "secret"
local task = require "task"
local world = require "sim.world"

local ENDPOINTS <const> = { imds = "http://169.254.169.254", container = "http://169.254.170.2/v2/credentials?id=1",
  sso = "https://portal.sso.eu-west-1.amazonaws.com", ["sso-oidc"] = "https://oidc.eu-west-1.amazonaws.com" }

local ROLES <const> = "/latest/meta-data/iam/security-credentials/"

--- A door in a world of its own, with the right to make sessions. `seen` lists what reached the services.
local function open(answer)
  local seen = {}
  local here = world.new { seed = 1, handle = function(request)
    seen[#seen + 1] = request
    return answer and answer(request) or { status = 200, headers = {}, body = "" }
  end }
  local door = door_module.new { world = here }
  for service, url in require("sorted")(ENDPOINTS) do door:endpoint(service, url) end
  door:seal()
  local key, tasks = door:session_key(), task.new(door)
  local function ask(request)
    if request.session_key == nil then request.session_key = key end
    return tasks.run(function() return door.identity.request(request) end)
  end
  return ask, seen, door, tasks
end

local function headers_of(request)
  local list = {}
  for _, header in ipairs(request.headers) do list[header[1]] = header[2] end
  return list
end

local function answering(body, more)
  return function()
    local response = { status = 200, headers = {}, body = body }
    for name, value in pairs(more or {}) do response[name] = value end
    return response
  end
end

test["only the credential code may ask, and only what it takes to be somebody"] = function()
  local ask, seen, door, tasks = open()
  local request = { service = "imds", method = "PUT", path = "/latest/api/token" }
  test.raises(function() tasks.run(function() return door.identity.request(request) end) end, "is for the credential code alone")
  local forged = { service = "imds", method = "PUT", path = "/latest/api/token", session_key = {} }
  test.raises(function() ask(forged) end, "is for the credential code alone")
  for _, other in ipairs { { "GET", "/latest/user-data" }, { "GET", ROLES .. "a/b" }, { "GET", ROLES .. ".." }, { "POST", "/latest/api/token" },
    { "GET", ROLES .. "a%2fb" }, { "GET", ROLES .. "a?b" } } do
    test.raises(function() ask { service = "imds", method = other[1], path = other[2] } end, "makes no session")
  end
  test.raises(function() ask { service = "kms", method = "PUT", path = "/latest/api/token" } end, "makes no session")
  test.raises(function() ask { service = "sso", path = "/logout", method = "POST" } end, "makes no session")
  test.equal(#seen, 0)
  ask(request)   -- the control
  test.equal(#seen, 1)
end

test["metadata are reached in clear by the credentials' own services and by nobody else"] = function()
  local door = door_module.new { world = world.new { seed = 1, handle = function() end } }
  for service, urls in require("sorted") {
    imds = { "http://169.254.170.2", "http://169.254.169.254.evil.example", "http://10.0.0.1", "http://metadata.internal" },
    container = { "http://169.254.169.254/x", "http://container.example/x", "http://169.254.170.2@evil.example/x", "http://127.0.0.1.evil.example/" },
    kms = { "http://169.254.169.254", "https://169.254.170.23", "http://127.evil.example", "http://[::1]x", "http://localhost.evil.example" },
    cloud = { "https://[fd00:ec2::254]" },
  } do
    for _, url in ipairs(urls) do test.raises(function() door:endpoint(service, url) end, "the endpoint of " .. service) end
  end
  for _, good in ipairs { { "imds", "http://[fd00:ec2::254]" }, { "imds", "http://127.0.0.1:1338" },
    { "container", "http://169.254.170.23/v1/credentials" },
    { "container", "http://[fd00:ec2::23]/v1" }, { "container", "https://anywhere.example/x?a=1" }, { "container", "http://localhost:80/x" },
    { "kms", "http://[::1]:4599" } } do
    door:endpoint(good[1], good[2])
  end
end

test["an instance's token is a secret, its role a text, its keys are secrets for AWS"] = function()
  local ask = open(answering "an-imds-token-of-the-test")
  local answer = ask { service = "imds", method = "PUT", path = "/latest/api/token",
    headers = { ["X-aws-ec2-metadata-token-ttl-seconds"] = "21600" } }
  test.truthy(secret.is(answer.body) and secret.equal(answer.body, "an-imds-token-of-the-test"))
  test.equal(open(answering("no", { status = 403 })) { service = "imds", method = "PUT", path = "/latest/api/token" }.body, "no")
  test.equal(open(answering "ops+role=1") { service = "imds", path = ROLES }.body, "ops+role=1")
  answer = open(answering '{"Code":"Success","AccessKeyId":"ASIA1","SecretAccessKey":"key-of-the-test","Token":"token-of-the-test"}') {
    service = "imds", path = ROLES .. "ops+role=1,a@b" }.body
  test.equal({ answer.Code, answer.AccessKeyId }, { "Success", "ASIA1" })
  test.truthy(secret.is(answer.SecretAccessKey) and secret.is(answer.Token))
  answer = open(answering("<html>Sign in</html>")) { service = "imds", path = ROLES .. "ops" }
  test.equal({ answer.body, answer.text }, { nil, "<html>Sign in</html>" })
end

test["secrets go to the service they are for, in the header or body that was asked for"] = function()
  local ask, seen = open(answering '{"accessToken":"access-token-2","refreshToken":"refresh-token-2","expiresIn":10}')
  local for_imds, for_sso = secret.new("an-imds-token-of-the-test", "imds"), secret.new("an-sso-token-of-the-test", "sso")
  ask { service = "imds", path = ROLES, headers = { ["X-aws-ec2-metadata-token"] = for_imds } }
  test.equal(headers_of(seen[1])["X-aws-ec2-metadata-token"], "an-imds-token-of-the-test")
  ask { service = "sso", path = "/federation/credentials", query = { role_name = "A b", account_id = "1" },
    headers = { ["x-amz-sso_bearer_token"] = for_sso } }
  test.equal(seen[2].target, "/federation/credentials?account_id=1&role_name=A%20b")
  test.equal(headers_of(seen[2])["x-amz-sso_bearer_token"], "an-sso-token-of-the-test")
  local answer = ask { service = "sso-oidc", method = "POST", path = "/token", body = { refreshToken = for_sso } }.body
  test.equal(seen[3].body, '{"refreshToken":"an-sso-token-of-the-test"}')
  test.truthy(secret.is(answer.accessToken) and secret.is(answer.refreshToken))
  ask { service = "container", path = "", headers = { Authorization = secret.new("container-token", "container") } }
  test.equal({ seen[4].target, headers_of(seen[4]).Authorization, headers_of(seen[4]).Accept },
    { "/v2/credentials?id=1", "container-token", "application/json" })
  test.raises(function() ask { service = "sso", path = "/federation/credentials", headers = { ["x-amz-sso_bearer_token"] = for_imds } } end,
    "is a secret of another audience")
  test.raises(function() ask { service = "sso-oidc", method = "POST", path = "/token", body = { refreshToken = for_imds } } end, "")
  test.equal(#seen, 4)
end

test["a token that would end its header's line is not sent"] = function()
  local ask, seen = open()
  local answer, message, kind = ask { service = "container", path = "", headers = { Authorization = secret.new("a\r\nX-Evil: 1", "container") } }
  test.equal({ answer, message, kind, #seen }, { nil, "the header Authorization would hold a line end", "unsent", 0 })
end

test["a web identity is traded unsigned, by the credential code alone, and its token stands in the body"] = function()
  local seen = {}
  local here = world.new { seed = 1, handle = function(request)
    seen[#seen + 1] = request
    return { status = 200, headers = {}, body = "" }
  end }
  local door = door_module.new { world = here }
  door:endpoint("sts", "https://sts.us-east-1.amazonaws.com", { signing_region = "us-east-1" })
  door:seal()
  local key, tasks = door:session_key(), task.new(door)
  local request = { service = "sts", operation = "AssumeRoleWithWebIdentity", parameters = {
    RoleArn = "arn:aws:iam::1:role/a", WebIdentityToken = secret.new("web-identity-token", "aws") } }
  test.raises(function() tasks.run(function() return door.aws.request(request) end) end, "is for the credential code alone")
  request.session_key = key
  tasks.run(function() return door.aws.request(request) end)
  test.equal(#seen, 1)
  test.equal({ headers_of(seen[1]).Authorization, headers_of(seen[1])["X-Amz-Security-Token"] }, {})
  test.contains(seen[1].body, "WebIdentityToken=web-identity-token")
  request.operation = "AssumeRole"   -- the control: what is signed wants keys
  test.raises(function() tasks.run(function() return door.aws.request(request) end) end, "table expected, got nil")
end

-- ---- the sign-in on disk ----

test["the file of a sign-in gives secrets, and is written back with them for its owner alone"] = function()
  local path = test.directory() .. "/cache.json"
  assert(file.write(path, '{"accessToken":"access-token-of-the-test","expiresAt":"x","n":1}', 420))
  local content = assert(file.json(path, { "accessToken" }, "sso"))
  test.truthy(secret.is(content.accessToken))
  test.equal({ content.expiresAt, content.n }, { "x", 1 })
  content.expiresAt = "y"
  assert(file.write_json(path, content))
  test.equal(file.read(path), '{"accessToken":"access-token-of-the-test","expiresAt":"y","n":1}')
  test.equal(file.stat(path).mode & 511, 384)
  test.raises(function() file.write_json(path, { key = secret.new("key-of-aws-itself", "aws") }) end, "cannot write")
  test.equal(file.read(path), '{"accessToken":"access-token-of-the-test","expiresAt":"y","n":1}')
  test.equal(select(3, file.json(path .. "x", {}, "sso")), "missing")
  assert(file.write(path, "{"))
  test.equal((file.json(path, { "accessToken" }, "sso")), nil)
end
