-- Who we are in AWS: the order of the sources, what each gives, and what is said when one fails.
local file = require "file"
local secret = require "secret"
local stand_in = dofile "tests/stand_in.lua"
local identities = dofile "tests/identities.lua"
local open, key_of, refused = identities.open, identities.key_of, identities.refused

local ENVIRONMENT <const> = { AWS_ACCESS_KEY_ID = "AKIAENV", AWS_SECRET_ACCESS_KEY = "key-of-the-environment" }

local STATIC <const> = "[default]\naws_access_key_id = AKIAFILE\naws_secret_access_key = key-of-the-file\n"

-- ---- environment ----

test["keys of the environment come first, and say so"] = function()
  local id, keys = key_of { environment = ENVIRONMENT, credentials = STATIC }
  test.equal({ id, keys.source, keys.session_token, keys.expiration }, { "AKIAENV", "the environment" })
  test.truthy(secret.equal(keys.secret_access_key, secret.new("key-of-the-environment", "aws")))
end

test["a profile that is named on the command line comes before the environment"] = function()
  test.equal(key_of { environment = ENVIRONMENT, credentials = STATIC, explicit = true }, "AKIAFILE")
end

test["the session token has two names, and empty is unset"] = function()
  for name, value in pairs { AWS_SESSION_TOKEN = "token-one", AWS_SECURITY_TOKEN = "token-two" } do
    local environment = { [name] = value }
    for key, text in pairs(ENVIRONMENT) do environment[key] = text end
    local _, keys = key_of { environment = environment }
    test.truthy(secret.equal(keys.session_token, secret.new(value, "aws")))
  end
  test.equal(key_of { environment = { AWS_ACCESS_KEY_ID = "", AWS_SECRET_ACCESS_KEY = "" }, credentials = STATIC }, "AKIAFILE")
end

test["half a pair is an error, in the environment and in a profile"] = function()
  refused({ environment = { AWS_ACCESS_KEY_ID = "A" }, credentials = STATIC }, "AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not")
  refused({ environment = { AWS_SECRET_ACCESS_KEY = "x" } }, "AWS_SECRET_ACCESS_KEY is set and AWS_ACCESS_KEY_ID is not")
  refused({ credentials = "[default]\naws_access_key_id = A\n" }, "the AWS profile 'default' has aws_access_key_id and no aws_secret_access_key")
  refused({ config = "[default]\naws_secret_access_key = x\n" }, "has aws_secret_access_key and no aws_access_key_id")
end

test["expired keys of the environment are refused before they are used; a date that is none is refused"] = function()
  local environment = { AWS_CREDENTIAL_EXPIRATION = "2026-02-01T08:45:00Z" }
  for key, text in pairs(ENVIRONMENT) do environment[key] = text end
  refused({ environment = environment }, "of the environment expired at 2026-02-01T08:45:00Z, 15 min ago")
  environment.AWS_CREDENTIAL_EXPIRATION = "tomorrow"
  refused({ environment = environment }, "the expiration 'tomorrow' is no time like")
  environment.AWS_CREDENTIAL_EXPIRATION = "2026-02-01T09:30:00+00:00"
  local here = open { environment = environment }
  test.equal(here.get().expiration, stand_in.NOW + 1800.0)
  here.now = here.now + 1900
  test.raises(here.get, "expired")
end

-- ---- profiles ----

test["keys of the credentials file come before a process, and keys of the config file after it"] = function()
  local process = { argv_split = function(text) return { text } end, run = function()
    return { status = 0, output = { Version = 1, AccessKeyId = "AKIAPROCESS", SecretAccessKey = secret.new("key-of-the-process", "aws") } }
  end }
  local config = "[default]\ncredential_process = make-keys\naws_access_key_id = AKIACONFIG\naws_secret_access_key = x\n"
  test.equal(key_of { config = config, credentials = STATIC, process = process }, "AKIAFILE")
  test.equal(key_of { config = config, process = process }, "AKIAPROCESS")
  test.equal(key_of { config = "[default]\naws_access_key_id = AKIACONFIG\naws_secret_access_key = x\n" }, "AKIACONFIG")
end

test["nothing at all is told with where was looked and how to go on"] = function()
  local raised = refused({}, "no AWS credentials: no AWS_ACCESS_KEY_ID, no profile 'default' in ")
  test.contains(raised, "next: export AWS_PROFILE=NAME")
  test.contains(raised, "cmek sim --")
  refused({ config = "[default]\nregion = a\n" }, "no AWS credentials: profile 'default' has none")
end

test["a login session is an error with the line to paste, not a reason to go on"] = function()
  local config = "[profile work]\nlogin_session = x\naws_access_key_id = A\naws_secret_access_key = b\n"
  local raised = refused({ profile = "work", config = config }, "has a login_session (aws login), which cmek does not read")
  test.equal(raised.next, 'eval "$(aws configure export-credentials --profile work --format env)"')
  raised = refused({ profile = "work", explicit = true, config = config }, "login_session")
  test.contains(raised.next, "# then without --profile")
end

test["what is set up and fails is an error, not a reason to go on: web identity and SSO stand before keys in a file"] = function()
  refused({ environment = { AWS_WEB_IDENTITY_TOKEN_FILE = "/nowhere", AWS_ROLE_ARN = "arn:aws:iam::1:role/a" }, credentials = STATIC },
    "web identity")
  refused({ config = "[default]\nsso_account_id = 1\n", credentials = STATIC }, "one of IAM Identity Center and lacks sso_region")
  test.equal(key_of { config = "[default]\nlogin_session = s\n", credentials = STATIC }, "AKIAFILE")
  test.equal(key_of { environment = { AWS_CONTAINER_CREDENTIALS_FULL_URI = "http://elsewhere.example/" }, credentials = STATIC }, "AKIAFILE")
end

-- ---- roles ----

local ROLE <const> = [[
[profile base]
aws_access_key_id = AKIABASE
aws_secret_access_key = key-of-base
[profile ops]
role_arn = arn:aws:iam::210987654321:role/ops
source_profile = base
external_id = ext
duration_seconds = 1800
]]

test["a role is assumed with its source's keys and the profile's options"] = function()
  local here = open { profile = "ops", config = ROLE, run_id = "01ABC" }
  local keys = here.get()
  test.equal({ keys.access_key_id, keys.expiration }, { "ASIA1", stand_in.NOW + 3600.0 })
  test.equal(here.assumed[1].parameters, { RoleArn = "arn:aws:iam::210987654321:role/ops", RoleSessionName = "cmek-01ABC",
    ExternalId = "ext", DurationSeconds = 1800 })
  test.equal(here.assumed[1].credentials.access_key_id, "AKIABASE")
  test.equal(keys.source, "profile 'ops', role arn:aws:iam::210987654321:role/ops")
end

test["a session's name is the profile's, cut to what STS takes, else it has the time"] = function()
  local function name(line) return open { profile = "ops", config = ROLE .. line } end
  local here = name "role_session_name = me at work, with a very long name that goes on and on and on and on\n"
  here.get()
  test.equal(here.assumed[1].parameters.RoleSessionName, "me-at-work,-with-a-very-long-name-that-goes-on-and-on-and-on-and")
  here = name ""
  here.get()
  test.equal(here.assumed[1].parameters.RoleSessionName, "cmek-1769936400")
end

test["roles chain: each is assumed with the keys of the one before"] = function()
  local here = open { profile = "top", config = ROLE .. "[profile top]\nrole_arn = arn:aws:iam::1:role/top\nsource_profile = ops\n" }
  test.equal(here.get().access_key_id, "ASIA2")
  test.equal({ here.assumed[1].credentials.access_key_id, here.assumed[2].credentials.access_key_id }, { "AKIABASE", "ASIA1" })
end

test["a source with keys of its own is used as it is, its role is not; the first profile's keys are not used when it has a role"] = function()
  local here = open { profile = "top", config = [[
[profile top]
role_arn = arn:aws:iam::1:role/top
source_profile = middle
aws_access_key_id = AKIATOP
aws_secret_access_key = x
[profile middle]
role_arn = arn:aws:iam::1:role/middle
source_profile = nowhere
aws_access_key_id = AKIAMIDDLE
aws_secret_access_key = y
]] }
  test.equal(here.get().access_key_id, "ASIA1")
  test.equal(here.assumed[1].credentials.access_key_id, "AKIAMIDDLE")
end

test["a profile may be its own source when it has keys, and a loop is refused"] = function()
  local own = "[profile a]\nrole_arn = arn:aws:iam::1:role/a\nsource_profile = a\n"
  local here = open { profile = "a", config = own .. "aws_access_key_id = AKIAOWN\naws_secret_access_key = x\n" }
  here.get()
  test.equal(here.assumed[1].credentials.access_key_id, "AKIAOWN")
  refused({ profile = "a", config = own }, "source_profile that leads back to 'a'")
  refused({ profile = "a", config = "[profile a]\nrole_arn = r\nsource_profile = b\n[profile b]\nrole_arn = r\nsource_profile = c\n"
    .. "[profile c]\nrole_arn = r\nsource_profile = a\n" }, "the AWS profile 'c' has a source_profile that leads back to 'a'")
end

test["a role needs exactly one source, and the source must exist and have credentials"] = function()
  refused({ profile = "a", config = "[profile a]\nrole_arn = r\n" }, "role_arn and none of source_profile")
  refused({ profile = "a", config = "[profile a]\nrole_arn = r\nsource_profile = b\ncredential_source = Environment\n" }, "more than one")
  refused({ profile = "a", config = "[profile a]\nrole_arn = r\nsource_profile = b\n" }, "source_profile of profile 'a' names the AWS profile 'b'")
  refused({ profile = "a", config = "[profile a]\nrole_arn = r\nsource_profile = b\n[profile b]\nregion = x\n" },
    "the AWS profile 'b' is a source_profile and has no credentials")
  refused({ profile = "a", config = ROLE .. "[profile a]\nrole_arn = r\nsource_profile = base\nduration_seconds = 1h\n" }, "is '1h'; it must be")
end

test["a named credential source is the environment, the container or the instance's metadata"] = function()
  local config = "[profile a]\nrole_arn = r\ncredential_source = %s\n"
  local here = open { profile = "a", explicit = true, environment = ENVIRONMENT, config = config:format "Environment" }
  here.get()
  test.equal(here.assumed[1].credentials.access_key_id, "AKIAENV")
  refused({ profile = "a", config = config:format "Environment" }, "AWS_ACCESS_KEY_ID is not set")
  refused({ profile = "a", config = config:format "Ec2InstanceMetadata" }, "and AWS_EC2_METADATA_DISABLED is true")
  refused({ profile = "a", config = config:format "Ec2InstanceMetadata", answer = function() return nil, "refused", "unsent" end },
    "no instance's metadata service is at http://169.254.169.254")
  refused({ profile = "a", config = config:format "EcsContainer" }, "the AWS profile 'a' (credential_source = EcsContainer)")
  here = open { profile = "a", environment = { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI = "/v2/x" }, config = config:format "EcsContainer",
    answer = function()
      return identities.says { AccessKeyId = "ASIACONTAINER", SecretAccessKey = secret.new("key-of-the-container", "aws") }
    end }
  here.get()
  test.equal(here.assumed[1].credentials.access_key_id, "ASIACONTAINER")
  refused({ profile = "a", config = config:format "Magic" }, "it must be Environment, Ec2InstanceMetadata or EcsContainer")
end

test["an MFA code is asked for and goes along; without a terminal the line to paste is told"] = function()
  local asked = {}
  local config = ROLE .. "mfa_serial = arn:aws:iam::1:mfa/me\n"
  local here = open { profile = "ops", config = config, ask = function(prompt)
    asked[#asked + 1] = prompt
    return "123 456"
  end }
  here.get()
  test.equal({ here.assumed[1].parameters.SerialNumber, here.assumed[1].parameters.TokenCode }, { "arn:aws:iam::1:mfa/me", "123456" })
  test.equal(#asked, 1)
  local raised = refused({ profile = "ops", config = config }, "asks for an MFA code")
  test.contains(raised.next, "--profile ops")
  raised = refused({ profile = "ops", config = config, ask = function() return "12345a" end }, "an MFA code has 6 digits, got 6 characters")
  test.truthy(not tostring(raised):find "12345a")
end

-- ---- new keys ----

test["a role is assumed anew 10 minutes before its end, by one task while the others wait for it"] = function()
  local here = open { profile = "ops", config = ROLE }
  here.get()
  here.now = stand_in.NOW + 3600 - 590
  local ids = here.run(function()
    return here.tasks.map({ 1, 2, 3, 4 }, function() return here.value:get().access_key_id end)
  end)
  test.equal({ ids, #here.assumed }, { { "ASIA2", "ASIA2", "ASIA2", "ASIA2" }, 2 })
end

test["15 minutes before the end new keys are tried for, and the old ones serve while there are none"] = function()
  local fail = false
  local here = open { profile = "ops", config = ROLE, assume = function(_, number)
    if fail then require("refusal").raise { kind = "unsent", message = "no way" } end
    return { AccessKeyId = "ASIA" .. number, SecretAccessKey = secret.new("k", "aws"), Expiration = "2026-02-01T10:00:00Z" }
  end }
  here.get()
  fail = true
  here.now = stand_in.NOW + 3600 - 800
  test.equal(here.get().access_key_id, "ASIA1")
  here.now = stand_in.NOW + 3600 - 500
  test.raises(here.get, "no way")
end

test["keys that a service calls expired are renewed once for all who used them"] = function()
  local here = open { profile = "ops", config = ROLE }
  local old = here.get()
  local answers = here.run(function()
    return here.tasks.map({ 1, 2 }, function() return here.value:renew(old) end)
  end)
  test.equal({ answers, #here.assumed }, { { true, true }, 2 })
  test.equal(here.run(function() return here.value:renew(old) end), true)   -- somebody has been faster
  test.equal(#here.assumed, 2)
  local fixed = open { environment = ENVIRONMENT }
  test.equal(fixed.run(function() return fixed.value:renew(fixed.value:get()) end), false)
end

test["who waits for keys goes on when the task that asked for them was cancelled"] = function()
  local here = open { profile = "ops", config = ROLE }
  local got
  here.run(function()
    local first = here.tasks.spawn(function()
      pcall(here.tasks.all, {
        function() return here.value:get() end,
        function()
          here.tasks.sleep(0.5)
          error "over"
        end,
      })
    end)
    local second = here.tasks.spawn(function()
      here.tasks.sleep(0.1)
      got = here.value:get().access_key_id
    end)
    first.wait()
    second.wait()
  end)
  test.truthy(got)
end

-- ---- credential_process ----

-- A program that prints this and ends so.
local function program(text, status, complaint)
  local path = test.directory() .. "/make keys"
  assert(file.write(path, ("#!/bin/sh\ncat <<'END'\n%s\nEND\necho '%s' >&2\nexit %d\n"):format(text, complaint or "", status or 0), 448))
  return ("[default]\ncredential_process = '%s' \"an argument\"\n"):format(path)
end

test["a process prints keys, which never are Lua strings"] = function()
  local here = open { config = program(
    '{"Version":1,"AccessKeyId":"AKIAP","SecretAccessKey":"key-of-p","SessionToken":"token-of-p","Expiration":"2026-02-01T10:00:00Z"}') }
  local keys = here.get()
  test.equal({ keys.access_key_id, keys.expiration, keys.source }, { "AKIAP", stand_in.NOW + 3600.0, "credential_process of profile 'default'" })
  test.truthy(secret.equal(keys.secret_access_key, secret.new("key-of-p", "aws")))
  test.truthy(secret.equal(keys.session_token, secret.new("token-of-p", "aws")))
end

test["a process without expiration is asked once, one with it again before its end"] = function()
  local count = 0
  local function process(expiration)
    return { argv_split = function(text) return { text } end, run = function()
      count = count + 1
      return { status = 0, output = { Version = 1, AccessKeyId = "P" .. count, SecretAccessKey = secret.new("k", "aws"), Expiration = expiration } }
    end }
  end
  local here = open { config = "[default]\ncredential_process = p\n", process = process(nil) }
  here.get()
  here.now = here.now + 1e6
  test.equal(here.get().access_key_id, "P1")
  here = open { config = "[default]\ncredential_process = p\n", process = process "2026-02-01T10:00:00Z" }
  here.get()
  here.now = here.now + 3100
  test.equal(here.get().access_key_id, "P3")
end

test["a process that cannot be started is told"] = function()
  refused({ config = "[default]\ncredential_process = /no/such/program\n" }, "cannot run '/no/such/program'")
end

test["a process that fails is told with its own words, one that prints something else with what is wrong"] = function()
  refused({ config = program("", 3, "vault is sealed") }, "ended with status 3: vault is sealed")
  refused({ config = program "no JSON" }, "is not JSON")
  refused({ config = program '{"Version":2,"AccessKeyId":"A","SecretAccessKey":"not-a-key"}' }, "printed Version 2, and cmek knows 1")
  refused({ config = program '{"Version":1,"AccessKeyId":"A"}' }, "printed no AccessKeyId or no SecretAccessKey")
  refused({ config = program '{"Version":1,"AccessKeyId":"A","SecretAccessKey":"not-a-key","Expiration":"2026-02-01T08:00:00Z"}' },
    "credential_process of profile 'default' expired at 2026-02-01T08:00:00Z, 60 min ago")
  refused({ config = "[default]\ncredential_process = 'open\n" }, "a quote is not closed")
end
