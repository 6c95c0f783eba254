-- The simulator proves who calls, in the order of the fact sheet's section 7.2.
local json = require "json"
local client = dofile "tests/sim_client.lua"

local function whoami(aws, more)
  local what = { service = "sts", operation = "GetCallerIdentity" }
  for name, value in pairs(more or {}) do what[name] = value end
  return aws:send(what)
end

local function list_keys(aws, more)
  local what = { service = "kms", operation = "ListKeys" }
  for name, value in pairs(more or {}) do what[name] = value end
  return aws:send(what)
end

test["a signed request is answered as its signer"] = function()
  local aws = client.new()
  test.equal(whoami(aws).body, { Account = "210987654321", Arn = "arn:aws:iam::210987654321:user/operator",
    UserId = aws.simulation.state.aws["210987654321"].iam.users[1].UserId })
  test.equal(whoami(aws, { who = client.OTHER }).body.Account, "345678901234")
end

test["every answer carries a date, a request id and its length"] = function()
  local aws = client.new()
  local answer = list_keys(aws)
  test.equal(answer.headers.date, "Sun, 01 Feb 2026 09:00:00 GMT")
  test.matches(answer.headers["x-amzn-requestid"], "^%x+%-%x+%-4%x+%-[89ab]%x+%-%x+$")
  test.equal(answer.headers["content-length"], tostring(#answer.response.body))
  test.equal(answer.headers["content-type"], "application/x-amz-json-1.1")
  test.equal(whoami(aws).headers["content-type"], "text/xml")
end

-- What is sent, and what IAM/STS and KMS make of it.
local wrong = {
  { "no Authorization", { authorization = function() return nil end },
    "MissingAuthenticationToken", 403, "MissingAuthenticationTokenException", "Request is missing Authentication Token" },
  { "an Authorization without its parts", { authorization = function() return "AWS4-HMAC-SHA256 Credential=a/b" end },
    "IncompleteSignature", 400, "IncompleteSignatureException", "Authorization header requires 'Signature' parameter." },
  { "another algorithm", { authorization = function() return "AWS4-ECDSA-P256-SHA256 Credential=a" end },
    "IncompleteSignature", 400, "IncompleteSignatureException", "AWS4-ECDSA-P256-SHA256" },
  { "an unknown key id", { who = { id = "AKIASIMULATEDNOBODY1", secret = "x" } },
    "InvalidClientTokenId", 403, "UnrecognizedClientException", "The security token included in the request is invalid" },
  { "a wrong secret", { who = { id = client.OPERATOR.id, secret = "wrong" } },
    "SignatureDoesNotMatch", 403, "InvalidSignatureException",
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method." },
  { "a body that was changed on the way", { signed_body = "something else" },
    "SignatureDoesNotMatch", 403, "InvalidSignatureException", "The request signature we calculated does not match" },
  { "another service in the scope", { scope_service = "s3" },
    "SignatureDoesNotMatch", 403, "InvalidSignatureException", "Credential should be scoped to correct service: '" },
  { "a region that is none", { region = "nowhere" },
    "SignatureDoesNotMatch", 403, "InvalidSignatureException", "Credential should be scoped to a valid Region, not 'nowhere'." },
  { "another terminator", { authorization = function(text) return (text:gsub("aws4_request", "aws5_request")) end },
    "SignatureDoesNotMatch", 403, "InvalidSignatureException",
    "Credential should be scoped with a valid terminator: 'aws4_request', not 'aws5_request'." },
  { "another day in the scope", { authorization = function(text) return (text:gsub("/20260201/", "/20260131/")) end },
    "SignatureDoesNotMatch", 403, "InvalidSignatureException",
    "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '20260131' != '20260201', from '20260201T090000Z'." },
  { "a host that is not signed", { authorization = function(text) return (text:gsub("host;", "")) end },
    "IncompleteSignature", 400, "InvalidSignatureException", "'Host' or ':authority' must be a 'SignedHeader'" },
}

for _, case in ipairs(wrong) do
  local what, more, xml_code, xml_status, json_code, text = table.unpack(case)
  test[what .. " is refused by STS and KMS in their own words"] = function()
    local aws = client.new()
    local xml, kms = whoami(aws, more), list_keys(aws, more)
    test.equal({ xml.code, xml.status }, { xml_code, xml_status })
    test.contains(xml.message, text)
    test.equal({ kms.code, kms.status }, { json_code, 400 })
    test.contains(kms.message, text)
  end
end

test["a stamp is good for 15 minutes at STS and for 5 at KMS"] = function()
  local aws = client.new()
  local late = "20260201T085030Z"   -- nine and a half minutes ago
  test.equal(whoami(aws, { stamp = late }).status, 200)
  test.equal(list_keys(aws, { stamp = late }).message,
    "Signature expired: 20260201T085030Z is now earlier than 20260201T085500Z (20260201T090000Z - 5 min.)")
  test.equal(whoami(aws, { stamp = "20260201T084459Z" }).message,
    "Signature expired: 20260201T084459Z is now earlier than 20260201T084500Z (20260201T090000Z - 15 min.)")
  test.equal(list_keys(aws, { stamp = "20260201T090501Z" }).message,
    "Signature not yet current: 20260201T090501Z is still later than 20260201T090500Z (20260201T090000Z + 5 min.)")
end

test["a service whose clock is off says so in its Date"] = function()
  local aws = client.new { skew = 600 }
  local answer = list_keys(aws)
  test.equal({ answer.code, answer.headers.date }, { "InvalidSignatureException", "Sun, 01 Feb 2026 09:10:00 GMT" })
  test.equal(list_keys(aws, { stamp = "20260201T091000Z" }).status, 200)
end

test["a client is known on every day of ten years"] = function()
  local aws = client.new()
  for day = 1, 3650, 7 do
    aws.now = aws.now + 7 * 86400 + day % 5 * 3601
    test.equal({ day, whoami(aws).status }, { day, 200 })
  end
end

test["IAM takes a signature for any region"] = function()
  local aws = client.new()
  test.equal(aws:send({ service = "iam", operation = "ListRoles", region = "eu-west-1" }).status, 200)
  test.equal(aws:send({ service = "iam", operation = "ListRoles", region = "aws-global" }).status, 200)
end

test["a request may come as a presigned URL"] = function()
  local aws = client.new()
  local sigv4 = require "sigv4"
  if not sigv4.presign then test.skip("no sigv4.presign") end
  local signed = sigv4.presign { method = "GET", path = "/", query = "Action=GetCallerIdentity&Version=2011-06-15", headers = { { "Host", "sts" } },
    body = "", access_key_id = client.OPERATOR.id, secret = client.OPERATOR.secret, region = "us-east-1", service = "sts",
    stamp = "20260201T090000Z", expires = 60 }
  local function get(query) return aws.simulation:handle { method = "GET", target = "/?" .. query, headers = { { "Host", "sts" } }, body = "" } end
  test.contains(get(signed.query).body, "user/operator")
  test.contains(get(signed.query:gsub("X%-Amz%-Signature=%x", "X-Amz-Signature=g")).body, "SignatureDoesNotMatch")
  aws.now = aws.now + 61
  test.contains(get(signed.query).body, "Signature expired")
end

test["operations that do not exist are refused before anybody asks who calls"] = function()
  local aws = client.new()
  local nobody = { id = "AKIASIMULATEDNOBODY1", secret = "x" }
  local xml = aws:send { service = "iam", operation = "MakeCoffee", who = nobody }
  test.equal({ xml.status, xml.code, xml.message }, { 400, "InvalidAction", "Could not find operation MakeCoffee for version 2010-05-08" })
  local kms = aws:send { service = "kms", operation = "MakeCoffee", who = nobody }
  test.equal({ kms.status, kms.code }, { 400, "UnknownOperationException" })
end

test["a body that is no JSON object is a serialization error"] = function()
  local aws = client.new()
  for _, body in ipairs { "{", "[]", '"text"' } do
    test.equal(aws:send({ service = "kms", operation = "ListKeys", body = body }).code, "SerializationException")
  end
  test.equal(aws:send({ service = "kms", operation = "DescribeKey", parameters = { KeyId = 7 } }).code, "SerializationException")
end

test["a session works with its token until it expires"] = function()
  local aws = client.new()
  local who = aws:assume(aws:role("worker"), { DurationSeconds = 900 })
  test.matches(who.id, "^ASIA%w+$")
  test.matches(whoami(aws, { who = who }).body.Arn, "^arn:aws:sts::210987654321:assumed%-role/worker/test$")
  test.matches(whoami(aws, { who = who }).body.UserId, "^AROA%w+:test$")
  for _, token in ipairs { "wrong", false } do
    local thief = { id = who.id, secret = who.secret, token = token or nil }
    test.equal(whoami(aws, { who = thief }).code, "InvalidClientTokenId")
    test.equal(list_keys(aws, { who = thief }).code, "UnrecognizedClientException")
  end
  aws.now = aws.now + 900
  local xml, kms = whoami(aws, { who = who }), list_keys(aws, { who = who })
  test.equal({ xml.status, xml.code, xml.message }, { 403, "ExpiredToken", "The security token included in the request is expired" })
  test.equal({ kms.status, kms.code }, { 400, "ExpiredTokenException" })
end

test["the log holds who did what, and no secret"] = function()
  local aws = client.new()
  list_keys(aws)
  aws:refusal("kms", "CreateKey", {}, { who = client.READER, region = "eu-west-1" })
  test.equal(aws.entries[1].code, json.null)
  local entry = aws.entries[2]
  local id = entry.request_id
  test.equal(entry, { time = "2026-02-01T09:00:00.000Z", service = "kms", region = "eu-west-1", operation = "CreateKey", account = "210987654321",
    principal = "arn:aws:iam::210987654321:user/reader", status = 400, code = "AccessDeniedException", request_id = id, write = true })
end

-- Faults ----------------------------------------------------------------------------------------------------------

test["a throttled call is refused as often as was ordered"] = function()
  local aws = client.new { faults = { { kind = "throttle", operation = "ListKeys", count = 2 }, { kind = "throttle", service = "iam" } } }
  test.equal(aws:refusal("kms", "ListKeys"), "ThrottlingException: You have exceeded the rate at which you may call KMS. \z
    Reduce the frequency of your calls.")
  test.equal(aws:refusal("kms", "ListKeys"):match("^%w+"), "ThrottlingException")
  test.equal(aws:call("kms", "ListKeys").Truncated, false)
  test.equal({ aws:refusal("iam", "ListRoles") }, { "Throttling: Rate exceeded", 400 })
end

test["an answer can be lost after everything was done, or before"] = function()
  local aws = client.new { faults = { { kind = "lost_answer", operation = "CreateKey", count = 1 },
    { kind = "reset", operation = "CreateKey", count = 1 } } }
  local lost = aws.simulation:handle(aws:request { service = "kms", operation = "CreateKey" })
  test.equal({ lost.drop, lost.body }, { true, "" })
  test.equal(#aws:call("kms", "ListKeys").Keys, 1)
  test.equal(aws.simulation:handle(aws:request { service = "kms", operation = "CreateKey" }).drop, true)
  test.equal(#aws:call("kms", "ListKeys").Keys, 1)
  aws:key()
  test.equal(#aws:call("kms", "ListKeys").Keys, 2)
end

test["a body can be cut, late, or a load balancer's page"] = function()
  local aws = client.new { faults = { { kind = "truncate", count = 1 }, { kind = "stall", seconds = 3, count = 1 },
    { kind = "503html", count = 1 } } }
  local request = aws:request { service = "kms", operation = "ListKeys" }
  local cut = aws.simulation:handle(request)
  test.equal({ cut.cut, cut.close, #cut.body }, { true, true, 14 })
  test.equal(aws.simulation:handle(request).delay, 3)
  local page = aws.simulation:handle(request)
  test.equal(page.status, 503)
  test.contains(page.body, "<h1>503 Service Unavailable</h1>")
end

test["an internal error can come before or after the deed"] = function()
  local aws = client.new { faults = { { kind = "500", operation = "CreateKey", count = 1 },
    { kind = "500", operation = "CreateKey", after = true, count = 1 } } }
  test.equal({ aws:refusal("kms", "CreateKey") }, { "KMSInternalException", 500 })
  test.equal(#aws:call("kms", "ListKeys").Keys, 0)
  test.equal({ aws:refusal("kms", "CreateKey") }, { "KMSInternalException", 500 })
  test.equal(#aws:call("kms", "ListKeys").Keys, 1)
end

test["any refusal can be ordered, for one region and after some calls"] = function()
  local aws = client.new { faults = {
    { kind = "error", code = "KMSInvalidStateException", message = "soon", region = "eu-west-1", skip = 1, count = 1 },
    { kind = "expired", service = "sts", count = 1 } } }
  aws:call("kms", "ListKeys", {}, { region = "eu-west-1" })
  aws:call("kms", "ListKeys", {})
  test.equal(aws:refusal("kms", "ListKeys", {}, { region = "eu-west-1" }), "KMSInvalidStateException: soon")
  aws:call("kms", "ListKeys", {}, { region = "eu-west-1" })
  test.equal(aws:refusal("sts", "GetCallerIdentity"):match("^%w+"), "ExpiredToken")
end

test["a fault of a kind that there is not is an error of the one who ordered it"] = function()
  local aws = client.new { faults = { { kind = "flood" } } }
  test.raises(function() aws:call("kms", "ListKeys") end, "there is no fault of kind 'flood'")
end

test["a stale read shows how things were, a write never"] = function()
  local lag = 0
  local aws = client.new { stale = function() return lag end }
  local key = aws:key()
  aws.now = aws.now + 10
  aws:call("kms", "CreateAlias", { AliasName = "alias/a", TargetKeyId = key })
  aws.now = aws.now + 10
  local function mine()
    local found = 0
    for _, alias in ipairs(aws:call("kms", "ListAliases").Aliases) do
      if alias.TargetKeyId then found = found + 1 end
    end
    return found
  end
  test.equal(mine(), 1)
  lag = 15
  test.equal(mine(), 0)
  test.equal(#aws:call("kms", "ListKeys").Keys, 1)
  test.equal(aws:refusal("kms", "CreateAlias", { AliasName = "alias/a", TargetKeyId = key }):match("^%w+"), "AlreadyExistsException")
  lag = 25
  test.equal(#aws:call("kms", "ListKeys").Keys, 0)
  test.equal(aws:refusal("kms", "DescribeKey", { KeyId = key }):match("^%w+"), "NotFoundException")
  lag = 5
  test.equal(mine(), 1)
end

test["the same requests give the same answers in another simulation"] = function()
  local function story()
    local aws = client.new()
    aws:role("worker")
    local key = aws:key()
    aws:call("kms", "Encrypt", { KeyId = key, Plaintext = "aGk=" })
    return json.encode(aws.entries) .. json.encode(aws.simulation:document())
  end
  test.equal(story(), story())
end

test["a state can be written and read again"] = function()
  local aws = client.new()
  local arn = aws:role("worker")
  local key = aws:key { Policy = client.key_policy("210987654321", arn), Tags = { { TagKey = "a", TagValue = "b" } } }
  aws:call("kms", "CreateAlias", { AliasName = "alias/a", TargetKeyId = key })
  local sealed = aws:call("kms", "Encrypt", { KeyId = key, Plaintext = "aGk=" }).CiphertextBlob
  local text = json.encode(aws.simulation:document())
  test.truthy(not text:find('"_', 1, true))
  test.truthy(not text:find("not-a-real-one", 1, true))
  local again = client.new { state = json.decode(text) }
  test.equal(json.encode(again.simulation:document()), text)
  test.equal(again:call("kms", "Decrypt", { CiphertextBlob = sealed }).Plaintext, "aGk=")
  again:call("iam", "DeleteRole", { RoleName = "worker" })
  test.contains(again:call("kms", "GetKeyPolicy", { KeyId = key }).Policy, '"AWS" : "AROA')
end

test["a principal of another service acts without a signature"] = function()
  local aws = client.new()
  local arn = aws:role("crossing", { AssumeRolePolicyDocument = client.trust("arn:aws:iam::571234890001:root", "org-1") })
  local plane = { arn = "arn:aws:iam::571234890001:role/control-plane", account = "571234890001", kind = "role",
    identity = { { Version = "2012-10-17", Statement = { Effect = "Allow", Action = "sts:AssumeRole", Resource = "*" } } } }
  local function assume(external_id)
    return aws.simulation:call { principal = plane, service = "sts", operation = "AssumeRole",
      parameters = { RoleArn = arn, RoleSessionName = "cluster", ExternalId = external_id } }
  end
  local nothing, refusal = assume("wrong")
  test.equal(nothing, nil)
  test.equal(refusal.code, "AccessDeniedException")
  local session = assume("org-1").Credentials.AccessKeyId
  local key = aws:key { Policy = client.key_policy("210987654321", arn) }
  local result = aws.simulation:call { session = session, service = "kms", operation = "Encrypt",
    parameters = { KeyId = key, Plaintext = "aGk=" } }
  test.truthy(result.CiphertextBlob)
end
