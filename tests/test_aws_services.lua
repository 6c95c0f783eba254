-- IAM, STS, KMS and tagging as functions: what leaves, what comes back, what is said of a refusal.
local json = require "json"
local refusal = require "refusal"
local stand_in = dofile "tests/stand_in.lua"
local answer, refused = stand_in.answer, stand_in.refused

local KEY <const> = "arn:aws:kms:us-west-2:210987654321:key/5b1f7c2e-0d34-4c1e-8f5a-9e7a6b5c4d3e"

-- A session whose AWS answers with the given answers in turn, the last one for ever; a function gets the request.
local function open(answers, environment, options)
  return stand_in.session(function(request, number)
    local reply = answers[math.min(number, #answers)]
    if type(reply) == "function" then return reply(request, number) end
    return reply
  end, environment, options)
end

local function ask(answers, fn, environment)
  local here = open(answers, environment)
  local result = here.run(function() return fn(here.session) end)
  return result, here
end

local function fails(answers, fn, environment)
  local here = open(answers, environment)
  local raised = stand_in.raised(here, function() return fn(here.session) end)
  test.truthy(refusal.is(raised), tostring(raised))
  return raised, here
end

local function lost() return nil, "kms.us-east-1.amazonaws.com: Connection reset by peer", "lost" end

-- ---- calling ----

test["a function is named after the operation, takes the API's names, and its region apart"] = function()
  local result, here = ask({ answer { KeyMetadata = { KeyId = "k", Arn = KEY, Description = "", DeletionDate = json.null } } }, function(session)
    return session.kms.create_key { region = "eu-west-1", Tags = { { TagKey = "a", TagValue = "b" } }, MultiRegion = false }
  end)
  test.equal(result, { KeyMetadata = { KeyId = "k", Arn = KEY } })
  local sent = here.sent[1]
  test.equal({ sent.service, sent.operation, sent.region, sent.attempt }, { "kms", "CreateKey", "eu-west-1", 1 })
  test.equal(sent.parameters, { Tags = { { TagKey = "a", TagValue = "b" } }, MultiRegion = false })
  test.equal({ sent.credentials.access_key_id, tostring(sent.credentials.secret_access_key) }, { "AKIASIMULATEDCMEK001", "****" })
end

test["every operation of the services has its function"] = function()
  local here = open { answer() }
  for service, names in pairs {
    iam = "create_role get_role update_assume_role_policy update_role tag_role untag_role list_role_tags list_roles put_role_policy get_role_policy "
      .. "delete_role_policy list_role_policies delete_role list_attached_role_policies simulate_principal_policy find_role",
    sts = "get_caller_identity",
    kms = "create_key describe_key list_keys list_aliases create_alias update_alias delete_alias get_key_policy put_key_policy tag_resource "
      .. "untag_resource list_resource_tags enable_key_rotation disable_key_rotation get_key_rotation_status encrypt decrypt generate_data_key "
      .. "enable_key disable_key schedule_key_deletion cancel_key_deletion find_alias find_key rotate_key_on_demand list_key_rotations",
    tagging = "get_resources",
  } do
    for name in names:gmatch "%S+" do test.equal(type(here.session[service][name]), "function") end
  end
end

test["a key's ARN tells its region, and another region beside it is a mistake"] = function()
  local _, here = ask({ answer { KeyMetadata = { KeyId = "k", Arn = KEY } } }, function(session) return session.kms.describe_key { KeyId = KEY } end)
  test.equal(here.sent[1].region, "us-west-2")
  for complaint, given in pairs {
    ["field 'region' is us-east-1, and KeyId is of us-west-2"] = { region = "us-east-1", KeyId = KEY },
    ["bad argument #1 to 'describe_key' (field 'region' must be a string, got nil)"] = { KeyId = "k" },
    ["unknown field 'keyId': parameters have the API's names"] = { region = "us-east-1", keyId = "k" },
  } do
    test.contains(stand_in.raised(here, function() return here.session.kms.describe_key(given) end), complaint)
  end
  test.contains(stand_in.raised(here, function() return here.session.iam.get_role { region = "us-east-1", RoleName = "r" } end),
    "bad argument #1 to 'get_role' (field 'region': this service has none)")
  test.equal(#here.sent, 1)
end

test["what has one parameter that must be given takes it alone; anything else takes a table"] = function()
  local cases = {
    { function(session) return session.iam.get_role "crdb-cmek" end, "RoleName", "crdb-cmek",
      answer { Role = { Arn = "a", AssumeRolePolicyDocument = "%7B%7D" } } },
    { function(session) return session.kms.describe_key(KEY) end, "KeyId", KEY, answer { KeyMetadata = { KeyId = "k", Arn = KEY } } },
    { function(session) return session.kms.get_key_policy(KEY) end, "KeyId", KEY, answer { Policy = "{}" } },
  }
  for _, case in ipairs(cases) do
    local _, here = ask({ case[4] }, case[1])
    test.equal({ #here.sent, here.sent[1].parameters[case[2]] }, { 1, case[3] })
  end
  local _, here = ask({}, function() end)
  for complaint, call in pairs {
    ["bad argument #1 to 'get_role_policy' (table expected, got string)"] = function() return here.session.iam.get_role_policy "r" end,
    ["bad argument #1 to 'list_keys' (table expected, got string)"] = function() return here.session.kms.list_keys "us-east-1" end,
    ["bad argument #1 to 'get_role' (table expected, got number)"] = function() return here.session.iam.get_role(5) end,
    ["bad argument #1 to 'describe_key' (field 'region' must be a string, got nil)"] = function() return here.session.kms.describe_key "k" end,
  } do
    test.contains(stand_in.raised(here, call), complaint)
  end
end

test["a region of another partition than the credentials' is refused before it is asked"] = function()
  local raised, here = fails({ answer() }, function(session) return session.kms.list_keys { region = "cn-north-1" } end)
  test.contains(raised, "the region cn-north-1 is in the partition aws-cn, and the credentials' region us-east-1 is in aws")
  test.equal({ #here.sent, raised.exit }, { 0, "usage" })
end

-- ---- refusals ----

test["a refusal reads as service, operation, region, status, code, message and request"] = function()
  local raised = fails({ refused("MalformedPolicyDocumentException", "Policy contains a statement with one or more invalid principals.") },
    function(session) return session.kms.create_key { region = "us-east-1" } end)
  test.equal(tostring(raised):match "^[^\n]*", "kms CreateKey us-east-1: 400 MalformedPolicyDocumentException: "
    .. "Policy contains a statement with one or more invalid principals. (request r-1)")
  test.matches(tostring(raised), "\ncause: .*\nevidence: .*\nnext: ")
  test.truthy(refusal.is(raised, "MalformedPolicyDocumentException"))
  test.truthy(not refusal.is(raised, "NotFoundException"))
  test.equal({ raised.kind, raised.status, raised.region, raised.attempts }, { "refused", 400, "us-east-1", 1 })
end

test["the code is taken from body or header, without namespace and what follows a colon"] = function()
  local function code(response)
    return fails({ response }, function(session) return session.kms.describe_key { region = "us-east-1", KeyId = "k" } end).code
  end
  test.equal(code(refused("com.amazonaws.kms#NotFoundException", "m")), "NotFoundException")
  test.equal(code(refused(nil, "m", { headers = { ["x-amzn-errortype"] = "NotFoundException:http://internal/" } })), "NotFoundException")
  test.equal(code(refused(nil, nil, { body = { code = "DisabledException", Message = "x" } })), "DisabledException")
  test.equal(code(refused(nil, nil, { status = 502, body = {} })), "BadGateway")
end

test["errors in XML have their code and message inside Error"] = function()
  local raised = fails({ refused(nil, nil, { status = 404, body = { Error = { Type = "Sender", Code = "NoSuchEntity",
    Message = "The role with name x cannot be found." } } }) }, function(session) return session.iam.get_role { RoleName = "x" } end)
  test.equal(raised.code, "NoSuchEntity")
  test.contains(raised, "iam GetRole: 404 NoSuchEntity: The role with name x cannot be found.")
end

test["an HTML page of a server in trouble becomes its words"] = function()
  local raised, here = fails({ { status = 500, headers = {}, fault = "mismatched tag", text = [[<!doctype html>
<html lang=en><style>p { color: red }</style>
<title>500 Internal Server Error</title>
<h1>Internal Server Error</h1>]] } }, function(session) return session.iam.get_role { RoleName = "x" } end)
  test.contains(raised, "iam GetRole: 500 InternalServerError: an HTML page: 500 Internal Server Error Internal Server Error\n")
  test.contains(raised.next, "somebody else than the service answers: check the endpoint and HTTPS_PROXY")
  test.equal(#here.sent, 3)
end

test["what cannot be read is shown as one short line that JSON can hold"] = function()
  local explain = require "explain"
  test.equal(explain.glimpse "a\n\tb\0c", "'a b c'")
  test.equal(explain.glimpse "\xFF\xFEh\xE4", "'??h?'")
  test.equal(explain.glimpse(("ä"):rep(400)), "'" .. ("ä"):rep(159) .. "…'")
  test.equal({ explain.glimpse "", explain.glimpse(nil) }, { "nothing", "nothing" })
end

test["an answer that was cut is told alike, whatever this libcurl says of it"] = function()
  for _, words in ipairs { "transfer closed with 17 bytes remaining to read", "end of response with 17 bytes missing" } do
    local told = { service = "kms", operation = "ListAliases", kind = "lost", message = "no answer: 127.0.0.1:1: " .. words }
    test.contains(require("explain").complete(told).next, "the answer was cut short on the way")
  end
end

test["an answer of success that cannot be read leaves the outcome of a write open, and a read is tried again"] = function()
  local cut = { status = 200, headers = {}, fault = "unexpected end", text = '{"KeyMetadata":{"KeyI' }
  local raised, here = fails({ cut }, function(session) return session.kms.create_key { region = "us-east-1" } end)
  test.contains(raised, "the answer is not the JSON that was expected (unexpected end): '{\"KeyMetadata\":{\"KeyI'")
  test.contains(raised, "whether it was done is not known")
  test.equal({ raised.kind, #here.sent }, { "lost", 1 })
  local result
  result, here = ask({ cut, answer { KeyMetadata = { KeyId = "k", Arn = KEY } } }, function(session)
    return session.kms.describe_key { region = "us-east-1", KeyId = "k" }
  end)
  test.equal({ result.KeyMetadata.KeyId, #here.sent }, { "k", 2 })
end

test["an answer of null says as much as an empty one"] = function()
  local result = ask({ answer(json.null) }, function(session)
    return session.kms.enable_key_rotation { region = "us-east-1", KeyId = "k", RotationPeriodInDays = 365 }
  end)
  test.equal(result, {})
end

test["an answer that lacks its result, is no object, or is another page's XML is refused"] = function()
  local function create(session) return session.kms.create_key { region = "us-east-1" } end
  test.contains(fails({ answer {} }, create), "the answer has no KeyMetadata")
  test.contains(fails({ answer "text" }, create), "the answer is string where an object was expected")
  test.contains(fails({ answer(json.array { 1 }) }, create), "the answer is a list where an object was expected")
  local strange = { status = 200, headers = {}, body = {} }   -- well-formed XML that is no answer of IAM's
  test.contains(fails({ strange }, function(session) return session.iam.tag_role { RoleName = "r" } end),
    "the answer is empty, or not one to TagRole")
end

test["what did not arrive says so, and whether a write may have been done"] = function()
  local unsent = function() return nil, "127.0.0.1:4599: Connection refused", "unsent" end
  local environment = { AWS_ENDPOINT_URL_KMS = "http://127.0.0.1:4599" }
  local raised, here = fails({ unsent }, function(session) return session.kms.create_key { region = "us-east-1" } end, environment)
  test.contains(raised, "kms CreateKey us-east-1: not sent: 127.0.0.1:4599: Connection refused")
  test.contains(raised.next, "nothing listens there: check the endpoint (AWS_ENDPOINT_URL_KMS)")
  test.equal({ raised.kind, #here.sent }, { "unsent", 3 })
  raised, here = fails({ lost }, function(session) return session.kms.create_key { region = "us-east-1" } end)
  test.contains(raised, "no answer: kms.us-east-1.amazonaws.com: Connection reset by peer; whether it was done is not known")
  test.equal({ raised.kind, #here.sent }, { "lost", 1 })
  local certificate = function() return nil, "h: SSL certificate problem: unable to get local issuer certificate", "unsent" end
  raised, here = fails({ certificate }, function(session) return session.kms.list_keys { region = "us-east-1" } end)
  test.contains(raised.next, "AWS_CA_BUNDLE")
  test.equal(#here.sent, 1)
end

test["next steps: who may not do what, expired and unknown keys, quotas"] = function()
  local function next_of(code, message, status)
    local reply = refused(code, message, { status = status })
    local raised = fails({ reply }, function(session) return session.kms.create_key { region = "us-east-1" } end)
    return raised.advice, raised.exit
  end
  test.equal({ next_of("AccessDeniedException", "User: arn:aws:iam::1:user/u is not authorized to perform: kms:TagResource on resource: x "
    .. "because no identity-based policy allows the kms:TagResource action") },
    { "allow kms:TagResource to arn:aws:iam::1:user/u, or use other credentials (--profile)" })
  test.contains(next_of("AccessDeniedException", "User: arn:aws:iam::1:user/u is not authorized to perform: kms:CreateKey "
    .. "with an explicit deny in a resource-based policy"), "is denied to arn:aws:iam::1:user/u by a resource-based policy")
  test.contains(next_of("AccessDeniedException", "User: arn:aws:iam::1:user/u is not authorized to perform: kms:CreateKey "
    .. "with an explicit deny in a service control policy"), "have kms:CreateKey allowed by those who administer the organization")
  test.contains(next_of "AccessDenied", "allow kms:CreateKey to these credentials")
  for _, code in ipairs { "ExpiredTokenException", "UnrecognizedClientException", "InvalidClientTokenId", "InvalidSignatureException" } do
    local text, exit = next_of(code, "m")
    test.truthy(text)
    test.equal(exit, "credentials")
  end
  test.contains(next_of("LimitExceededException", "m"), "Service Quotas")
end

-- ---- what is repeated ----

local REPEATED <const> = {
  kms = { PutKeyPolicy = true, TagResource = true, EnableKey = true, DisableKey = true, EnableKeyRotation = true, UpdateAlias = true,
    CreateKey = false, CreateAlias = false, DeleteAlias = false, UntagResource = false, DisableKeyRotation = false, RotateKeyOnDemand = false,
    ScheduleKeyDeletion = false, CancelKeyDeletion = false, UpdateKeyDescription = false,
    DescribeKey = true, ListKeys = true, GetKeyPolicy = true, Encrypt = true, Decrypt = true, GenerateDataKey = true },
  iam = { UpdateAssumeRolePolicy = true, PutRolePolicy = true, TagRole = true, CreateRole = false, UpdateRole = false, DeleteRole = false,
    UntagRole = false, DeleteRolePolicy = false, AttachRolePolicy = false, DetachRolePolicy = false, PutRolePermissionsBoundary = false,
    GetRole = true, ListRoles = true },
  sts = { GetCallerIdentity = true }, tagging = { GetResources = true },
}

test["after a lost answer only reads and the writes that are known to be harmless are sent again"] = function()
  for service, operations in pairs(REPEATED) do
    for operation, repeated in pairs(operations) do
      local name = operation:gsub("(%l)(%u)", "%1_%2"):lower()
      local here = open { lost }
      stand_in.raised(here, function()
        return here.session[service][name] { region = (service == "kms" or service == "tagging") and "us-east-1" or nil, KeyId = "k" }
      end)
      test.equal({ operation, #here.sent }, { operation, repeated and 3 or 1 })
    end
  end
end

test["AWS_MAX_ATTEMPTS counts all attempts; what is no number or no mode is refused"] = function()
  local _, here = fails({ lost }, function(session) return session.kms.list_keys { region = "us-east-1" } end, { AWS_MAX_ATTEMPTS = "5" })
  test.equal({ #here.sent, here.sent[5].attempt }, { 5, 5 })
  test.raises(function() open({}, { AWS_MAX_ATTEMPTS = "many" }) end, "AWS_MAX_ATTEMPTS is 'many'")
  test.raises(function() open({}, { AWS_MAX_ATTEMPTS = "0" }) end, "AWS_MAX_ATTEMPTS is '0'")
  test.raises(function() open({}, { AWS_RETRY_MODE = "eager" }) end, "the retry mode is 'eager'")
end

test["CreateKey keeps the pace that KMS allows, region by region"] = function()
  local here = open { answer { KeyMetadata = { KeyId = "k", Arn = KEY } } }
  here.run(function()
    here.session.tasks.map({ 1, 2, 3, 4, 5, 6, 7 }, function() return here.session.kms.create_key { region = "us-east-1" } end)
    here.session.kms.create_key { region = "eu-west-1" }
  end)
  local late = {}
  for i, request in ipairs(here.sent) do late[i] = math.floor((request.time - stand_in.NOW) * 10 + 0.5) end
  test.equal(late, { 0, 0, 0, 0, 0, 2, 4, 4 })
end

-- ---- the clock and the keys ----

test["a clock that is off is corrected once for all endpoints, and said once"] = function()
  local skewed = refused("InvalidSignatureException", "Signature expired", { date = "Sun, 01 Feb 2026 09:11:00 GMT" })
  local here = open { function(request)
    return request.skew == 660 and answer { Keys = {} } or skewed
  end }
  here.run(function()
    here.session.tasks.map({ 1, 2 }, function() return here.session.kms.list_keys { region = "us-east-1" } end)
    here.session.kms.list_keys { region = "us-east-1" }
    here.session.kms.list_keys { region = "us-west-2" }
  end)
  local skews = {}
  for i, request in ipairs(here.sent) do skews[i] = request.skew end
  test.equal(skews, { 0, 0, 660.0, 660.0, 660.0, 660.0 })
  test.equal(#here.events, 1)
  test.contains(here.events[1].text, "this machine's clock is 11 min behind AWS's")
end

test["a clock that is right within 4 minutes means that the key is wrong, and a correction that does not help is the last"] = function()
  local near = refused("SignatureDoesNotMatch", "m", { date = "Sun, 01 Feb 2026 09:03:00 GMT" })
  local raised, here = fails({ near }, function(session) return session.kms.list_keys { region = "us-east-1" } end)
  test.equal({ #here.sent, raised.exit }, { 1, "credentials" })
  local far = refused("InvalidSignatureException", "m", { date = "Sun, 01 Feb 2026 08:30:00 GMT" })
  raised, here = fails({ far }, function(session) return session.kms.list_keys { region = "us-east-1" } end)
  test.equal({ #here.sent, here.sent[2].skew, raised.exit }, { 2, -1800.0, "credentials" })
  test.contains(here.events[1].text, "30 min ahead of AWS's")
end

test["keys of the environment that a service calls expired end with the status of credentials"] = function()
  local raised, here = fails({ refused("ExpiredTokenException", "The security token included in the request is expired") },
    function(session) return session.kms.list_keys { region = "us-east-1" } end)
  test.equal({ #here.sent, raised.exit, raised.kind }, { 1, "credentials", "credentials" })
end

-- ---- lists ----

test["lists come whole, page by page, without what says how they go on"] = function()
  local result, here = ask({ answer { Keys = { { KeyId = "a" } }, Truncated = true, NextMarker = "m1" },
    answer { Keys = json.array {}, Truncated = true, NextMarker = "m2" }, answer { Keys = { { KeyId = "b" } }, Truncated = false } },
    function(session) return session.kms.list_keys { region = "us-east-1", Limit = 1 } end)
  test.equal(result, { Keys = { { KeyId = "a" }, { KeyId = "b" } } })
  test.equal(here.sent[3].parameters, { Limit = 1, Marker = "m2" })
  result = ask({ answer { Roles = { { RoleName = "a" } }, IsTruncated = "true", Marker = "m" },
    answer { Roles = { { RoleName = "b" } }, IsTruncated = "false" } },
    function(session) return session.iam.list_roles() end)
  test.equal(result, { Roles = { { RoleName = "a" }, { RoleName = "b" } } })
  result = ask({ answer { ResourceTagMappingList = json.array {}, PaginationToken = "t" },
    answer { ResourceTagMappingList = { { ResourceARN = "a" } }, PaginationToken = "" } },
    function(session) return session.tagging.get_resources { region = "us-east-1" } end)
  test.equal(result, { ResourceTagMappingList = { { ResourceARN = "a" } } })
  test.equal(ask({ answer {} }, function(session) return session.kms.list_aliases { region = "us-east-1" } end), { Aliases = {} })
end

test["a list that turns in circles is left"] = function()
  test.contains(fails({ answer { Keys = {}, Truncated = true, NextMarker = "m" } }, function(session)
    return session.kms.list_keys { region = "us-east-1" }
  end), "the same page for ever")
end

-- ---- IAM, KMS, STS ----

test["a role's trust comes decoded and its session duration as a number, and a role that is not there is nil"] = function()
  local role = { RoleName = "r", Arn = "arn:aws:iam::210987654321:role/r", AssumeRolePolicyDocument = "%7B%22Version%22%3A%222012-10-17%22%7D",
    MaxSessionDuration = "3600", Tags = "" }
  test.equal(ask({ answer { Role = role } }, function(session) return session.iam.find_role { RoleName = "r" } end),
    { RoleName = "r", Arn = role.Arn, AssumeRolePolicyDocument = '{"Version":"2012-10-17"}', MaxSessionDuration = 3600 })
  local gone = refused(nil, nil, { status = 404, body = { Error = { Code = "NoSuchEntity" } } })
  test.equal(ask({ gone }, function(session) return session.iam.find_role { RoleName = "r" } end), nil)
  local denied = refused(nil, nil, { status = 403, body = { Error = { Code = "AccessDenied" } } })
  test.equal(fails({ denied }, function(session) return session.iam.find_role { RoleName = "r" } end).code, "AccessDenied")
end

test["an alias is looked for in the whole list, a key that is not there is nil"] = function()
  local pages = { answer { Aliases = { { AliasName = "alias/a" } }, Truncated = true, NextMarker = "m" },
    answer { Aliases = { { AliasName = "alias/b", TargetKeyId = "k" } } } }
  local function find(name) return function(session) return session.kms.find_alias { region = "us-east-1", name = name } end end
  test.equal(ask(pages, find "alias/b"), { AliasName = "alias/b", TargetKeyId = "k" })
  test.equal(ask(pages, find "alias/B"), nil)
  local function key(session) return session.kms.find_key { region = "us-east-1", KeyId = "k" } end
  test.equal(ask({ answer { KeyMetadata = { KeyId = "k", Arn = KEY } } }, key), { KeyId = "k", Arn = KEY })
  test.equal(ask({ refused("NotFoundException", "m") }, key), nil)
end

test["the policy's name is always sent, and a dry run that would succeed is an answer"] = function()
  local _, here = ask({ answer { Policy = "{}" } }, function(session) return session.kms.get_key_policy { region = "us-east-1", KeyId = "k" } end)
  test.equal(here.sent[1].parameters, { KeyId = "k", PolicyName = "default" })
  test.equal(ask({ refused("DryRunOperationException", "The request would have succeeded") }, function(session)
    return session.kms.encrypt { region = "us-east-1", KeyId = "k", Plaintext = "eA==", DryRun = true }
  end), { DryRun = true })
  test.equal(fails({ refused("AccessDeniedException", "m") }, function(session)
    return session.kms.encrypt { region = "us-east-1", KeyId = "k", Plaintext = "eA==", DryRun = true }
  end).code, "AccessDeniedException")
end

test["who we are says also by which credentials"] = function()
  local result, here = ask({ answer { Account = "210987654321", Arn = "arn:aws:iam::210987654321:user/u", UserId = "AIDA" } },
    function(session) return session:identity() end)
  test.equal(result, { account = "210987654321", arn = "arn:aws:iam::210987654321:user/u", user_id = "AIDA", source = "the environment" })
  test.equal({ here.sent[1].operation, here.sent[1].region }, { "GetCallerIdentity", "us-east-1" })
end
