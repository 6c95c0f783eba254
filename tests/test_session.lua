-- Everything one operator talks with, through the real door, signature and all, against the simulated services.
local file = require "file"
local json = require "json"
local refusal = require "refusal"

local ENVIRONMENT <const> = { AWS_ACCESS_KEY_ID = "AKIASIMULATEDCMEK001", AWS_SECRET_ACCESS_KEY = "simulated/secret/not-a-real-one/00000001",
  AWS_REGION = "us-east-1", AWS_CONFIG_FILE = "/dev/null", AWS_SHARED_CREDENTIALS_FILE = "/dev/null" }

local memory = dofile("tests/torture/disk.lua").new   -- a journal without a file

--- A session in a world. Options: sim (of the simulation), environment (adds; false takes away), profile, region, answer (stands above
--- the simulation), network.
local function open(options)
  options = options or {}
  local here = { events = {}, seen = {} }
  here.world = require("sim.world").new { seed = 1, network = options.network, handle = function(request)
    here.seen[#here.seen + 1] = request
    return options.answer and options.answer(request) or here.simulation:handle(request)
  end }
  local simulated = { now = function() return here.world.now end, random = function(count) return here.world:random(count) end }
  for name, value in pairs(options.sim or {}) do simulated[name] = value end
  here.simulation = require("sim").new(simulated)
  here.door = require("door").new { world = here.world, yes = true, confirm = "orders" }
  local environment = { COCKROACH_API_KEY = require("sim.cloud").KEYS[1].secret }
  for name, value in pairs(ENVIRONMENT) do environment[name] = value end
  for name, value in pairs(options.environment or {}) do environment[name] = value ~= false and value or nil end
  here.session = require("session").open { door = here.door, environment = environment, profile = options.profile, region = options.region,
    run_id = "01TEST", listener = function(event) here.events[#here.events + 1] = event end }
  here.session:seal()
  here.disk = memory()
  here.door:record(require("journal").over(here.disk))
  function here.run(fn) return here.session.tasks.run(fn, here.session) end
  function here.fails(fn)
    local ok, raised = pcall(here.run, fn)
    if ok then error("nothing was raised", 2) end
    return raised
  end
  return here
end

-- Profiles in a file of this test.
local function profiles(text)
  local path = test.directory() .. "/config"
  assert(file.write(path, text))
  return { AWS_CONFIG_FILE = path, AWS_ACCESS_KEY_ID = false, AWS_SECRET_ACCESS_KEY = false, AWS_REGION = false }
end

local BASE <const> = [[
[profile base]
aws_access_key_id = AKIASIMULATEDCMEK001
aws_secret_access_key = simulated/secret/not-a-real-one/00000001
region = eu-west-1
]]

test["opening a session sends nothing"] = function()
  test.equal(#open().seen, 0)
end

test["a misspelt option is refused"] = function()
  test.raises(function() require("session").open { door = open().door, profil = "x" } end, "session.open: unknown field 'profil'")
end

test["who we are, by the environment and by a profile, with its region"] = function()
  local here = open()
  local identity = here.run(function(session) return session:identity() end)
  test.equal({ identity.account, identity.arn, identity.source },
    { "210987654321", "arn:aws:iam::210987654321:user/operator", "the environment" })
  test.equal({ here.session.region, here.session.partition }, { "us-east-1", "aws" })
  here = open { environment = profiles(BASE), profile = "base" }
  test.equal(here.run(function(session) return session:identity() end).source, "profile 'base'")
  test.equal(here.session.region, "eu-west-1")
  here = open { environment = profiles(BASE), profile = "base", region = "us-west-2" }
  test.equal(here.session.region, "us-west-2")
end

test["AWS_PROFILE chooses, a profile that is not there is refused at once, also beside keys"] = function()
  local environment = profiles(BASE)
  environment.AWS_PROFILE = "base"
  test.equal(open({ environment = environment }).session.region, "eu-west-1")
  for _, variable in ipairs { "AWS_PROFILE", "AWS_DEFAULT_PROFILE" } do
    local raised = test.raises(function() open { environment = { [variable] = "bass", AWS_CONFIG_FILE = profiles(BASE).AWS_CONFIG_FILE } } end,
      variable .. " names the AWS profile 'bass'")
    test.contains(raised, "did you mean 'base'?")
    test.equal(raised.exit, "credentials")
  end
end

-- A role that the operator's account may assume.
local function role(here, name, principal)
  here.simulation:seed { ["210987654321"] = { iam = { roles = { {
    RoleName = name, AssumeRolePolicyDocument = json.encode { Version = "2012-10-17", Statement = { { Effect = "Allow",
      Principal = { AWS = principal }, Action = "sts:AssumeRole", Condition = { StringEquals = { ["sts:ExternalId"] = "ext-1" } } } } },
    Policies = { { PolicyName = "all", PolicyDocument = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}' } },
  } } } } }
end

local OPS <const> = BASE .. [[
[profile ops]
role_arn = arn:aws:iam::210987654321:role/ops
source_profile = base
external_id = ext-1
region = us-east-1
]]

test["a profile's role is assumed, its session signs, and the session is in the journal without its secrets"] = function()
  local here = open { environment = profiles(OPS), profile = "ops" }
  role(here, "ops", "arn:aws:iam::210987654321:root")
  local identity = here.run(function(session) return session:identity() end)
  test.equal(identity.arn, "arn:aws:sts::210987654321:assumed-role/ops/cmek-01TEST")
  test.equal(identity.source, "profile 'ops', role arn:aws:iam::210987654321:role/ops")
  test.equal(identity.expiration, here.world.now // 1 + 3600.0)
  test.contains(here.disk.text, '"operation":"AssumeRole"')
  test.truthy(not here.disk.text:find "SessionToken")
  here.run(function(session) return session.kms.list_keys { region = "us-east-1" } end)
  test.equal(#here.seen, 3)   -- assumed once
end

test["a role that may not be assumed is told as STS tells it"] = function()
  local here = open { environment = profiles(OPS:gsub("ext%-1", "ext-2")), profile = "ops" }
  role(here, "ops", "arn:aws:iam::210987654321:root")
  local raised = here.fails(function(session) return session:identity() end)
  test.equal({ raised.code, raised.operation, raised.exit }, { "AccessDenied", "AssumeRole" })
  test.contains(raised, "is not authorized to perform: sts:AssumeRole")
  test.contains(raised.next, "wants another external_id")
end

test["an assumed role that has run out is assumed again in the middle"] = function()
  local here = open { environment = profiles(OPS), profile = "ops" }
  role(here, "ops", "arn:aws:iam::210987654321:root")
  here.run(function(session) return session:identity() end)
  here.simulation.faults = { { kind = "expired", service = "kms", count = 1 } }
  here.run(function(session) return session.kms.list_keys { region = "us-east-1" } end)
  local operations = {}
  for _, request in ipairs(here.seen) do operations[#operations + 1] = request.body:match "Action=(%a+)" or "ListKeys" end
  test.equal(operations, { "AssumeRole", "GetCallerIdentity", "ListKeys", "AssumeRole", "ListKeys" })
end

test["a clock that is off is corrected once for all services, and said once"] = function()
  for skew, requests in pairs { [660] = 5, [-1200] = 5 } do   -- IAM and STS allow 15 minutes, KMS 5
    local here = open { sim = { skew = skew } }
    here.run(function(session)
      session:identity()
      session.kms.list_keys { region = "us-east-1" }
      session.kms.list_keys { region = "us-east-1" }
      session.iam.find_role { RoleName = "x" }
    end)
    test.equal(#here.seen, requests)
    local said = {}
    for _, event in ipairs(here.events) do said[#said + 1] = event.text end
    test.equal(#said, 1)
    test.contains(said[1], skew > 0 and "11 min behind AWS's" or "20 min ahead of AWS's")
  end
end

test["a wrong key, an unknown one and a wrong Cloud key end with the status of credentials"] = function()
  for code, environment in pairs { SignatureDoesNotMatch = { AWS_SECRET_ACCESS_KEY = "another-key-than-that" },
    InvalidClientTokenId = { AWS_ACCESS_KEY_ID = "AKIANOBODYKNOWSTHIS1" } } do
    local here = open { environment = environment }
    local raised = here.fails(function(session) return session:identity() end)
    test.equal({ raised.code, raised.exit, #here.seen }, { code, "credentials", 1 })
    test.truthy(not tostring(raised):find("another-key", 1, true))
  end
  local here = open { environment = { COCKROACH_API_KEY = "CCDB1_WRONG_not-a-real-key" } }
  local raised = here.fails(function(session) return session.cloud.organization() end)
  test.equal({ raised.status, raised.exit }, { 401, "credentials" })
end

test["throttling and servers in trouble are waited out, and said"] = function()
  local here = open { sim = { faults = { { kind = "throttle", service = "kms", count = 1 }, { kind = "503html", service = "iam", count = 1 } } } }
  here.run(function(session)
    session.kms.list_keys { region = "us-east-1" }
    session.iam.find_role { RoleName = "x" }
  end)
  test.equal(#here.events, 2)
  test.contains(here.events[1].reason, "kms ListKeys us-east-1: the service asks for fewer requests (ThrottlingException)")
  test.contains(here.events[2].reason, "iam GetRole: the service has trouble")
end

test["CreateKey whose answer was lost is sent once; one that was throttled twice"] = function()
  local here = open { sim = { faults = { { kind = "lost_answer", operation = "CreateKey", count = 1 } } } }
  assert(here.door:permit_writes "write?")
  local function create(session) return session.kms.create_key { region = "us-east-1" } end
  local raised = here.fails(create)
  test.equal({ raised.kind, #here.seen }, { "lost", 1 })
  test.equal(#here.run(function(session) return session.kms.list_keys { region = "us-east-1" } end).Keys, 1)
  here.simulation.faults = { { kind = "throttle", operation = "CreateKey", count = 1 } }
  test.truthy(here.run(create).KeyMetadata.Arn)
  local _, lines = here.disk.text:gsub('"operation":"CreateKey"', "")
  test.equal(lines, 3)   -- every attempt has its line
end

test["half an answer to CreateKey leaves its outcome open"] = function()
  local here = open { sim = { faults = { { kind = "truncate", operation = "CreateKey", count = 1 } } } }
  assert(here.door:permit_writes "write?")
  local raised = here.fails(function(session) return session.kms.create_key { region = "us-east-1" } end)
  test.equal({ raised.kind, #here.seen }, { "lost", 1 })
end

test["lists are whole although the services give them one by one"] = function()
  local here = open { sim = { page_size = 1 } }
  assert(here.door:permit_writes "write?")
  local result = here.run(function(session)
    for i = 1, 3 do
      local key = session.kms.create_key { region = "us-east-1", Tags = { { TagKey = "n", TagValue = tostring(i) } } }.KeyMetadata
      session.kms.create_alias { region = "us-east-1", AliasName = "alias/test-" .. i, TargetKeyId = key.KeyId }
    end
    return { keys = session.kms.list_keys { region = "us-east-1" }.Keys,
      alias = session.kms.find_alias { region = "us-east-1", name = "alias/test-3" },
      clusters = session.cloud.clusters(), tagged = session.tagging.get_resources { region = "us-east-1", ResourceTypeFilters = { "kms:key" } } }
  end)
  test.equal(#result.keys, 3)
  test.equal(result.alias.AliasName, "alias/test-3")
  test.equal(#result.tagged.ResourceTagMappingList, 3)
  test.truthy(#result.clusters >= 6)
end

test["role and policy go through IAM and come back as they were"] = function()
  local here = open()
  assert(here.door:permit_writes "write?")
  local trust = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::345678901234:root"},'
    .. '"Action":"sts:AssumeRole"}]}'
  local found = here.run(function(session)
    session.iam.create_role { RoleName = "r+=,.@-_", AssumeRolePolicyDocument = trust, Description = "a & b <c> %41",
      Tags = { { Key = "a", Value = "b c" } } }
    session.iam.put_role_policy { RoleName = "r+=,.@-_", PolicyName = "p", PolicyDocument = '{"Version":"2012-10-17","Statement":[]}' }
    return { role = session.iam.find_role { RoleName = "r+=,.@-_" },
      policy = session.iam.get_role_policy { RoleName = "r+=,.@-_", PolicyName = "p" } }
  end)
  test.equal(json.decode(found.role.AssumeRolePolicyDocument), json.decode(trust))
  test.equal({ found.role.Description, found.role.MaxSessionDuration, found.role.Tags[1].Value }, { "a & b <c> %41", 3600, "b c" })
  test.equal(json.decode(found.policy.PolicyDocument), json.decode '{"Version":"2012-10-17","Statement":[]}')
end

test["using a key is a write but for a dry run, and what KMS gives back in clear is a secret"] = function()
  local here = open()
  assert(here.door:permit_writes "write?")
  local key = here.run(function(session) return session.kms.create_key { region = "us-east-1" }.KeyMetadata.KeyId end)
  local answers = here.run(function(session)
    local sealed = session.kms.encrypt { region = "us-east-1", KeyId = key, Plaintext = require("crypto").base64 "hello" }
    return { opened = session.kms.decrypt { region = "us-east-1", CiphertextBlob = sealed.CiphertextBlob },
      dry = session.kms.generate_data_key { region = "us-east-1", KeyId = key, KeySpec = "AES_256", DryRun = true } }
  end)
  test.equal({ tostring(answers.opened.Plaintext), answers.dry }, { "****", { DryRun = true } })
end

test["a body that is no XML, an HTML page with success, and one of 17 MB are refused for what they are"] = function()
  local function identity(body, status)
    local here = open { answer = function() return { status = status or 200, headers = {}, body = body } end }
    return here.fails(function(session) return session:identity() end), here
  end
  test.contains(identity "no xml", "the answer is not the XML that was expected")
  test.contains(identity "<!doctype html><title>Sign in</title><p>Wi-Fi of the hotel", "an HTML page: Sign in Wi-Fi of the hotel")
  test.contains(identity "<html><title>Sign in</title></html>", "the answer is empty, or not one to GetCallerIdentity")
  local raised, here = identity(("x"):rep(17 << 20))
  test.contains(raised, "is longer than 16 MiB")
  test.equal(#here.seen, 1)
end

test["an empty answer is no empty list, no disabled CMEK and no key; to a change that has no result it is a yes"] = function()
  local function empty()
    local here = open { answer = function() return { status = 200, headers = {}, body = "" } end }
    assert(here.door:permit_writes "write?")
    return here
  end
  for _, fn in ipairs {
    function(session) return session.kms.list_aliases { region = "us-east-1" } end,
    function(session) return session.kms.get_key_rotation_status { region = "us-east-1", KeyId = "k" } end,
    function(session) return session.tagging.get_resources { region = "us-east-1" } end,
    function(session) return session.kms.create_key { region = "us-east-1" } end,
    function(session) return session.cloud.cmek "8b6d7a10-4c1e-4b7a-9a53-0f2c6e9d41b7" end,
    function(session) return session.cloud.clusters() end,
  } do
    test.contains(empty().fails(fn), "the answer is empty")
  end
  test.equal(empty().run(function(session) return session.kms.enable_key { region = "us-east-1", KeyId = "k" } end), {})
end

test["what the network does is told with what it means for a write"] = function()
  local function with(way)
    local here = open { network = function() return way end }
    assert(here.door:permit_writes "write?")
    local raised = here.fails(function(session) return session.kms.create_key { region = "us-east-1" } end)
    test.truthy(refusal.is(raised))
    return raised
  end
  local raised = with { unsent = "kms.us-east-1.amazonaws.com: Could not resolve host: kms.us-east-1.amazonaws.com" }
  test.equal({ raised.kind, raised.attempts }, { "unsent", 3 })
  test.contains(raised.next, "DNS")
  raised = with { lose_answer = "kms.us-east-1.amazonaws.com: Connection reset" }
  test.equal({ raised.kind, raised.attempts }, { "lost", 1 })
end

test["services behind an own endpoint are reached there, each region's KMS as well"] = function()
  local here = open { environment = { AWS_ENDPOINT_URL = "http://127.0.0.1:4599" } }
  here.door:region "eu-west-1"
  here.run(function(session)
    session:identity()
    session.iam.find_role { RoleName = "x" }
    session.kms.list_keys { region = "eu-west-1" }
  end)
  for _, request in ipairs(here.seen) do
    for _, header in ipairs(request.headers) do
      if header[1] == "Host" then test.equal(header[2], "127.0.0.1:4599") end
    end
  end
  test.equal(#here.seen, 3)
end
