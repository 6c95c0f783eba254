-- `cmek whoami`, seen from outside: of use also when half of it is broken; and `cmek run` with credentials that end too soon.
local json = require "json"
local outside = dofile "tests/outside.lua"
local refusal = require "refusal"
local time = require "time"

local function whoami(command, options)
  local result = outside.simulated((command or "") .. ' "$CMEK" whoami --json', options)
  outside.plain(result.text)
  return assert(json.decode(result.output)), result.status, result
end

local NO_KEYS <const> = "env -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY "

-- ---- all is well ----

test["whoami tells account, name, source and end, and where everything is and why"] = function()
  local ends = time.text(os.time() + 3600)
  local document, status = whoami("AWS_CREDENTIAL_EXPIRATION=" .. ends)
  local aws, cloud = document.aws, document.cloud
  test.equal({ status, aws.account_id, aws.arn, aws.kind, aws.source, aws.access_key_id },
    { 0, "210987654321", "arn:aws:iam::210987654321:user/operator", "environment", "the environment", "AKIASIMULATEDCMEK001" })
  test.equal({ aws["until"], aws.ends, aws.region, aws.region_source }, { ends, ends, "us-east-1", "AWS_REGION" })
  test.equal({ document.endpoints[1].service, document.endpoints[1].source }, { "iam", "AWS_ENDPOINT_URL" })
  test.equal({ document.organization.name, cloud.credential, cloud.server_source }, { "Example Co", "COCKROACH_API_KEY", "COCKROACH_SERVER" })
  test.equal({ cloud.clusters_seen, cloud.clusters[1].name, cloud.clusters[1].cmek }, { 6, "orders", "allowed" })
end

test["as text it is one part of AWS and one of the Cloud, with the sources in brackets"] = function()
  local result = outside.simulated '"$CMEK" whoami'
  test.equal({ result.status, result.errors }, { 0, "" })
  for _, line in ipairs { "\n  account       210987654321\n", "\n  by            the environment, from AWS_ACCESS_KEY_ID, key AKIASIMULATEDCMEK001\n",
    "\n  until         no end is known\n", "\n  region        us-east-1 (AWS_REGION)\n", "(AWS_ENDPOINT_URL)\n",
    "\n  organization  Example Co (0f4be3a2-6a1c-4d5e-9b7f-2c8d1e6a7f90)\n", "which takes Cluster Operator or Cluster Admin" } do
    test.contains(result.output, line)
  end
end

test["each endpoint says whether a variable, the profile, its services section or nobody names it"] = function()
  local document = whoami([[
    printf '[profile a]\nregion = eu-west-1\nservices = s\n[services s]\niam =\n  endpoint_url = http://127.0.0.1:9\n' > $D/config
    export AWS_CONFIG_FILE=$D/config; ]] .. 'unset AWS_REGION AWS_DEFAULT_REGION; AWS_ENDPOINT_URL_STS=$AWS_ENDPOINT_URL; unset AWS_ENDPOINT_URL; '
    .. "export AWS_ENDPOINT_URL_STS AWS_PROFILE=a;")
  local sources = {}
  for _, endpoint in ipairs(document.endpoints) do sources[endpoint.service] = endpoint.source end
  test.equal(sources, { iam = "endpoint_url of iam in [services s]", sts = "AWS_ENDPOINT_URL_STS", kms = "computed for the partition aws",
    tagging = "computed for the partition aws" })
  test.equal({ document.aws.region, document.aws.region_source, document.aws.profile, document.aws.profile_source },
    { "eu-west-1", "region of profile 'a'", "a", "AWS_PROFILE" })
  test.contains(document.aws.notes[1], "AWS_PROFILE = a gives no credentials: those of the environment come before it")
end

test["a proxy's password and the CA bundle's content are not shown, the proxy and the bundle's name are"] = function()
  local document, _, result = whoami "HTTPS_PROXY=http://me:hunter2-not-real@proxy.example:3128 AWS_CA_BUNDLE=/etc/ssl/corporate.pem"
  test.equal(document.network.proxies, json.array { { variable = "HTTPS_PROXY", value = "http://****@proxy.example:3128" } })
  test.equal({ document.network.ca_bundle, document.network.ca_bundle_source }, { "/etc/ssl/corporate.pem", "AWS_CA_BUNDLE" })
  test.equal(result.text:find("hunter2", 1, true), nil)
end

-- ---- half of it is broken ----

test["without AWS credentials the Cloud is still told, and the other way round; both end with 4"] = function()
  local document, status = whoami(NO_KEYS)
  test.equal({ status, document.aws.account_id, document.organization.name }, { 4, json.null, "Example Co" })
  test.contains(document.aws.error.message, "no AWS credentials")
  test.contains(document.aws.error.next, "export AWS_PROFILE=NAME")
  document, status = whoami "env -u COCKROACH_API_KEY "
  test.equal({ status, document.aws.account_id, document.organization }, { 4, "210987654321", json.null })
  test.contains(document.cloud.error.message, "COCKROACH_API_KEY is not set")
  document, status = whoami(NO_KEYS .. "COCKROACH_API_KEY=not-a-key ")
  test.equal(status, 4)
  test.truthy(document.aws.error and document.cloud.error)
end

test["a profile that is not there, or a server that is none, breaks its own part alone"] = function()
  local document, status = whoami "AWS_PROFILE=nowhere"
  test.equal({ status, document.organization.name }, { 4, "Example Co" })
  test.contains(document.aws.error.message, "AWS_PROFILE names the AWS profile 'nowhere'")
  test.equal({ document.aws.region, #document.endpoints }, { "us-east-1", 4 })
  document, status = whoami "COCKROACH_SERVER=http://cockroach.example"
  test.equal({ status, document.aws.account_id }, { 2, "210987654321" })
  test.contains(document.cloud.error.message, "COCKROACH_SERVER: the endpoint of cloud")
  document, status = whoami "AWS_REGION=us_east_1"
  test.equal({ status, document.organization.name, #document.endpoints }, { 2, "Example Co", 0 })
  test.contains(document.aws.error.message, "AWS_REGION is 'us_east_1', which is no region")
end

test["credentials that AWS refuses are told with their source; a service that is not there is no credential's fault"] = function()
  local document, status = whoami "AWS_ACCESS_KEY_ID=AKIANOBODYKNOWSTHIS0 "
  test.equal({ status, document.aws.error.code, document.aws.source, document.aws.access_key_id },
    { 4, "InvalidClientTokenId", "the environment", "AKIANOBODYKNOWSTHIS0" })
  document, status = whoami "AWS_ENDPOINT_URL_STS=http://127.0.0.1:9 "
  test.equal({ status, document.organization.name }, { 1, "Example Co" })
  test.contains(document.aws.error.next, "AWS_ENDPOINT_URL_STS")
  local text = outside.simulated('AWS_ENDPOINT_URL_STS=http://127.0.0.1:9 "$CMEK" whoami').output
  test.matches(text, "\n  problem +sts GetCallerIdentity us%-east%-1:")
  test.matches(text, "\n  next +nothing %a+ there: check the endpoint %(AWS_ENDPOINT_URL_STS%)[^\n]*\n")
end

test["a key that may not read a cluster's CMEK is told so, by cluster"] = function()
  local document, status = whoami("COCKROACH_API_KEY=" .. require("sim.cloud").KEYS[2].secret .. " ")
  test.equal({ status, document.cloud.clusters[1].cmek }, { 0, "denied" })
end

test["credentials of another account than --account are an error of usage"] = function()
  local result = outside.simulated '"$CMEK" whoami --account 345678901234'
  test.equal(result.status, 2)
  test.contains(result.output, "not of --account 345678901234")
  test.contains(result.output, "Example Co")
end

-- ---- run with credentials that end too soon ----

local function running(seconds, arguments)
  return outside.simulated(("AWS_CREDENTIAL_EXPIRATION=%s \"$CMEK\" run %s --yes"):format(time.text(os.time() + seconds), arguments))
end

test["run refuses a session that would end before its work in AWS, before anything is made"] = function()
  local result = running(300, "console --cluster orders")
  test.equal({ result.status, result:writes() }, { 4, 0 })
  test.matches(result.errors, "the AWS credentials %(the environment%) end at %S+Z, in 5 min, and what is to be done in AWS may take up to 12 min")
  test.contains(result.errors, "next: get credentials that last longer")
  result = running(1000, "console --cluster orders-one")   -- the control
  test.equal({ result.status, result:writes() > 0 }, { 0, true })
end

test["plan warns of such a session, and plans all the same"] = function()
  local result = outside.simulated(('AWS_CREDENTIAL_EXPIRATION=%s "$CMEK" plan console --cluster orders'):format(time.text(os.time() + 300)))
  test.equal(result.status, 0)
  test.contains(result.errors, "nothing renews them")
end

test["what is left to do decides: where nothing is to be made any session will do"] = function()
  local run = '"$CMEK" run console --cluster orders-one --yes'
  local result = outside.simulated(("%s && AWS_CREDENTIAL_EXPIRATION=%s %s"):format(run, time.text(os.time() + 300), run))
  test.equal(result.status, 0)
end

test["a session that ends while somebody thinks about the question is refused as well"] = function()
  local lasting = require "engine.lasting"
  local now = 1000.0
  local function step(kind, action) return { kind = kind, action = action, resource = require("resource." .. kind) } end
  local engine = { context = { LAG = 300, clock = { now = function() return now end } }, identity = { source = "profile 'x'", ends = 2000.0 },
    steps = { step("role", "create"), step("transit_key", "create"), step("key", "create"), step("key", "create"), step("cluster_cmek", "create") } }
  test.equal(lasting.seconds(engine), 720)
  lasting.check(engine)
  now = 1500.0
  local raised = test.raises(function() lasting.check(engine) end, "end at 1970-01-01T00:33:20Z, in 8 min")
  test.truthy(refusal.is(raised))
  engine.identity.ends = nil   -- renewed before it ends
  lasting.check(engine)
  engine.identity.ends, engine.steps = 1500.0, { step("cluster_cmek", "create"), step("transit_key", "create"), step("key", "none") }
  lasting.check(engine)
end

test["the document is of the schema that it names"] = function()
  local against = dofile("tests/json_schema.lua").against
  for _, command in ipairs { "", NO_KEYS, "env -u COCKROACH_API_KEY ", "AWS_REGION=us_east_1" } do
    test.equal(against(require("schema").find "whoami", (whoami(command))), nil)
  end
end
