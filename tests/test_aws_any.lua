-- aws.call: any service of AWS, by its protocol, through the real door; and what the door takes a call for.
local any = require "aws.any"
local file = require "file"
local json = require "json"
local outside = dofile "tests/outside.lua"
local secret = require "secret"
local world = require "sim.world"

local XML <const> = '<%sResponse xmlns="http://x/"><%sResult>%s</%sResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></%sResponse>'
local function xml(operation, inner) return { body = XML:format(operation, operation, inner, operation, operation) } end

-- A session in a world of its own, whose services answer what `answer(request)` gives; `sent` lists the requests as they left.
local function open(answer, options)
  options = options or {}
  local sent = {}
  local here = world.new { seed = 1, handle = function(request)
    local headers = {}
    for _, header in ipairs(request.headers) do headers[header[1]:lower()] = header[2] end
    sent[#sent + 1] = { method = request.method, target = request.target, body = request.body, headers = headers, host = headers.host,
      signed_for = (headers.authorization or ""):match "Credential=[^/]*/%d+/(.-)/aws4_request" }
    local response = answer and answer(request, #sent) or {}
    local operation = (request.body or ""):match "^Action=(%w+)"
    return { status = response.status or 200, headers = response.headers or {},
      body = response.body or operation and xml(operation, "<A>a</A>").body or "{}" }
  end }
  local door = require("door").new { world = here, yes = true }
  local environment = { AWS_ACCESS_KEY_ID = "AKIASIMULATEDCMEK001", AWS_SECRET_ACCESS_KEY = "simulated/secret/not-a-real-one/00000001",
    AWS_REGION = options.region or "us-east-1", AWS_CONFIG_FILE = "/dev/null", AWS_SHARED_CREDENTIALS_FILE = "/dev/null",
    COCKROACH_API_KEY = "CCDB1_SIMULATED_not-a-real-cloud-key" }
  for name, value in pairs(options.environment or {}) do environment[name] = value end
  local session = require("session").open { door = door, environment = environment }
  session:seal()
  door:region "eu-west-1"
  local journal = { text = "" }
  function journal:append(lines) self.text = self.text .. lines return true end
  function journal:sync() return self.text ~= nil end
  door:record(require("journal").over(journal))
  if options.write ~= false then assert(door:permit_writes "?") end
  return { session = session, door = door, sent = sent, journal = journal, call = function(request)
    return session.tasks.run(session.aws.call, request)
  end }
end

-- What a call raises.
local function fails(here, request)
  local ok, raised = pcall(here.call, request)
  if ok then error("nothing was raised", 2) end
  return raised
end

-- Protocols ------------------------------------------------------------------------------------------------------------------

test["a service of the query protocol is asked by action and version, and its lists and maps are tables"] = function()
  local here = open(function()
    return xml("GetTopicAttributes", "<Attributes><entry><key>TopicArn</key><value>arn:t</value></entry>"
      .. "<entry><key>DisplayName</key><value></value></entry></Attributes>")
  end)
  local answer = here.call { service = "sns", operation = "GetTopicAttributes", region = "eu-west-1", parameters = { TopicArn = "arn:t" } }
  test.equal(answer, { Attributes = { TopicArn = "arn:t" } })
  local sent = here.sent[1]
  test.equal({ sent.method, sent.host, sent.target, sent.body, sent.signed_for, sent.headers["content-type"] },
    { "POST", "sns.eu-west-1.amazonaws.com", "/", "Action=GetTopicAttributes&Version=2010-03-31&TopicArn=arn%3At", "eu-west-1/sns",
      "application/x-www-form-urlencoded; charset=utf-8" })
  here.call { service = "sns", operation = "CreateTopic", region = "eu-west-1", parameters = { Name = "a", Tags = { { Key = "k", Value = "v" } },
    ["Attributes.entry.1.key"] = "DisplayName", ["Attributes.entry.1.value"] = "A" } }
  test.equal(here.sent[2].body, "Action=CreateTopic&Version=2010-03-31&Attributes.entry.1.key=DisplayName&Attributes.entry.1.value=A&Name=a"
    .. "&Tags.member.1.Key=k&Tags.member.1.Value=v")
end

test["a service of JSON is asked by its target, 1.0 or 1.1"] = function()
  local here = open(function() return { body = '{"QueueUrl":"https://q"}' } end)
  test.equal(here.call { service = "sqs", operation = "GetQueueUrl", region = "us-east-1", parameters = { QueueName = "q" } }.QueueUrl, "https://q")
  here.call { service = "events", operation = "ListRules", region = "us-east-1" }
  local first, second = here.sent[1], here.sent[2]
  test.equal({ first.headers["x-amz-target"], first.headers["content-type"], first.body, first.host },
    { "AmazonSQS.GetQueueUrl", "application/x-amz-json-1.0", '{"QueueName":"q"}', "sqs.us-east-1.amazonaws.com" })
  test.equal({ second.headers["x-amz-target"], second.headers["content-type"], second.body },
    { "AWSEvents.ListRules", "application/x-amz-json-1.1", "{}" })
end

test["a service that cmek does not know is asked as the caller says: JSON, query and both of REST"] = function()
  local here = open(function(_, number)
    if number == 4 then return { body = "<ListAll><Name>n</Name></ListAll>" } end
    if number == 2 then return xml("ListThings", "<Things><member>a</member></Things>") end
  end)
  here.call { service = "kinesis", operation = "ListStreams", region = "us-east-1", protocol = "json-1.1", target = "Kinesis_20131202" }
  here.call { service = "rds", operation = "ListThings", region = "us-east-1", protocol = "query", version = "2014-10-31",
    parameters = { ["Filters.Filter.1.Name"] = "x" } }
  here.call { service = "lambda", operation = "TagResource", region = "us-east-1", protocol = "rest-json", method = "POST",
    path = "/2017-03-31/tags/arn%3Aaws", query = { b = "2", a = "ä" }, parameters = { Tags = { team = "x" } } }
  local answer = here.call { service = "s3", operation = "ListBuckets", region = "us-east-1", protocol = "rest-xml", method = "GET", path = "/" }
  test.equal(answer, { Name = "n" })
  local json_one, query, rest, s3 = table.unpack(here.sent)
  test.equal({ json_one.host, json_one.headers["x-amz-target"] }, { "kinesis.us-east-1.amazonaws.com", "Kinesis_20131202.ListStreams" })
  test.equal(query.body, "Action=ListThings&Version=2014-10-31&Filters.Filter.1.Name=x")
  test.equal({ rest.method, rest.target, rest.body, rest.headers["content-type"] },
    { "POST", "/2017-03-31/tags/arn%3Aaws?a=%C3%A4&b=2", '{"Tags":{"team":"x"}}', "application/json" })
  test.equal({ s3.method, s3.target, s3.body, s3.headers["content-type"], s3.headers["x-amz-content-sha256"] },
    { "GET", "/", "", nil, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" })
end

test["all pages of a list come as one, however the service asks for the next"] = function()
  local here = open(function(request)
    local token = request.body:match "NextToken=(%w+)"
    if token == "two" then return xml("ListTopics", "<Topics><member><TopicArn>c</TopicArn></member></Topics>") end
    return xml("ListTopics", "<NextToken>two</NextToken>"
      .. "<Topics><member><TopicArn>a</TopicArn></member><member><TopicArn>b</TopicArn></member></Topics>")
  end)
  local parameters = {}
  local answer = here.call { service = "sns", operation = "ListTopics", region = "us-east-1", list = "Topics", parameters = parameters }
  test.equal(answer, { Topics = { { TopicArn = "a" }, { TopicArn = "b" }, { TopicArn = "c" } } })
  test.equal({ #here.sent, next(parameters) }, { 2 })
  here = open(function() return { body = "{}" } end)
  test.equal(here.call { service = "events", operation = "ListRules", region = "us-east-1", list = "Rules" }.Rules, {})
  here = open(function() return { body = '{"NextToken":"x"}' } end)
  test.contains(fails(here, { service = "events", operation = "ListRules", region = "us-east-1", list = "Rules" }),
    "gives the same page of ListRules for ever")
end

test["EC2 writes its lists flat, and reads its items"] = function()
  local here = open(function()
    return { body = "<DescribeVpcsResponse><requestId>r</requestId><vpcSet><item><vpcId>vpc-1</vpcId></item></vpcSet></DescribeVpcsResponse>" }
  end)
  local answer = here.call { service = "ec2", operation = "DescribeVpcs", region = "us-east-1", parameters = { VpcId = { "vpc-1", "vpc-2" } } }
  test.equal(answer.vpcSet, { { vpcId = "vpc-1" } })
  test.equal(here.sent[1].body, "Action=DescribeVpcs&Version=2016-11-15&VpcId.1=vpc-1&VpcId.2=vpc-2")
end

test["each signature is of its service, region, method, path and query"] = function()
  local here = open()
  here.call { service = "lambda", operation = "GetFunction", region = "us-east-1", protocol = "rest-json", method = "GET",
    path = "/2015-03-31/functions/my%20fn", query = { Qualifier = "1" } }
  local sent = here.sent[1]
  local headers = {}
  for _, name in ipairs { "host", "x-amz-content-sha256", "x-amz-date" } do headers[#headers + 1] = { name, sent.headers[name] } end
  local wanted = require("sigv4").sign { method = "GET", path = "/2015-03-31/functions/my%20fn", query = "Qualifier=1", headers = headers, body = "",
    access_key_id = "AKIASIMULATEDCMEK001", secret = "simulated/secret/not-a-real-one/00000001", region = "us-east-1", service = "lambda",
    stamp = sent.headers["x-amz-date"] }
  test.contains(sent.headers.authorization, "Signature=" .. wanted.signature)
end

-- Where it goes ----------------------------------------------------------------------------------------------------------------

test["endpoints follow partition, FIPS, host and the settings of AWS's clients"] = function()
  local function host(environment, more, region)
    local here = open(nil, { environment = environment, region = region })
    local request = { service = "events", operation = "ListRules", region = region or "us-east-1" }
    for name, value in pairs(more or {}) do request[name] = value end
    here.call(request)
    return here.sent[1].host
  end
  test.equal(host(), "events.us-east-1.amazonaws.com")
  test.equal(host(nil, nil, "cn-north-1"), "events.cn-north-1.amazonaws.com.cn")
  test.equal(host { AWS_USE_FIPS_ENDPOINT = "true" }, "events-fips.us-east-1.amazonaws.com")
  test.equal(host { AWS_USE_DUALSTACK_ENDPOINT = "true" }, "events.us-east-1.api.aws")
  test.equal(host { AWS_ENDPOINT_URL = "http://127.0.0.1:4599" }, "127.0.0.1:4599")
  test.equal(host { AWS_ENDPOINT_URL_EVENTBRIDGE = "http://127.0.0.1:1" }, "127.0.0.1:1")
  local function of(service, operation) return { service = service, operation = operation, protocol = "json-1.1", target = "X" } end
  test.equal(host({ AWS_ENDPOINT_URL_KINESIS = "http://127.0.0.1:2" }, of("kinesis", "A")), "127.0.0.1:2")
  test.equal(host({ AWS_ENDPOINT_URL_KINESIS = "http://127.0.0.1:2", AWS_IGNORE_CONFIGURED_ENDPOINT_URLS = "true" }, of("kinesis", "A")),
    "kinesis.us-east-1.amazonaws.com")
  test.equal(host(nil, { service = "ecr", operation = "DescribeRepositories" }), "api.ecr.us-east-1.amazonaws.com")
  local more = of("airflow", "A")
  more.host = "env.airflow"
  test.equal(host(nil, more), "env.airflow.us-east-1.amazonaws.com")
end

test["an address that is none does no harm before it is called, and is told then"] = function()
  local here = open(nil, { environment = { AWS_ENDPOINT_URL_S3 = "http://minio.example:9000" } })
  here.call { service = "sns", operation = "ListTopics", region = "us-east-1" }
  local raised = fails(here, { service = "s3", operation = "ListBuckets", region = "us-east-1", protocol = "rest-xml", method = "GET", path = "/" })
  test.contains(raised, "AWS_ENDPOINT_URL_S3: the endpoint of s3, 'http://minio.example:9000', would carry credentials in clear")
  test.equal(#here.sent, 1)
end

test["Route 53 is one for all regions, and signed for its own"] = function()
  local here = open(function() return { body = "<ListHostedZonesResponse/>" } end, { region = "eu-west-1" })
  here.call { service = "route53", operation = "ListHostedZones", protocol = "rest-xml", method = "GET", path = "/2013-04-01/hostedzone" }
  test.equal({ here.sent[1].host, here.sent[1].signed_for }, { "route53.amazonaws.com", "us-east-1/route53" })
end

test["a region of another partition, and one that is not open, are refused before they are asked"] = function()
  local here = open()
  test.contains(fails(here, { service = "sns", operation = "ListTopics", region = "cn-north-1" }), "is in the partition aws-cn")
  test.contains(fails(here, { service = "sns", operation = "ListTopics", region = "ap-south-1" }), "the region 'ap-south-1' is not open")
  test.equal(#here.sent, 0)
end

-- What it is taken for -----------------------------------------------------------------------------------------------------------

test["what the table does not know is a write, and nothing that a caller says makes a read of it"] = function()
  local here = open(nil, { write = false })
  here.call { service = "sns", operation = "ListTopics", region = "us-east-1" }   -- the control: it may read
  for _, request in ipairs {
    { service = "sns", operation = "Publish", safe = true }, { service = "sns", operation = "ListTopicsAndDelete" },
    { service = "kinesis", operation = "ListStreams", protocol = "json-1.1", target = "Kinesis_20131202" },
    { service = "lambda", operation = "ListTopics", protocol = "rest-json", method = "GET", path = "/" },
    { service = "sns2", operation = "ListTopics", protocol = "query", version = "2010-03-31" },
    { service = "kms", operation = "ListTopics" },
  } do
    request.region = "us-east-1"
    test.contains(fails(here, request), ("door: %s %s is a write, and this command may only read"):format(request.service, request.operation))
  end
  test.equal(#here.sent, 1)
end

test["how a known service is spoken to is not the caller's to say, also not past the checks"] = function()
  local here = open()
  local credentials = { access_key_id = "AKIASIMULATEDCMEK001", secret_access_key = secret.new("not-a-real-one", "aws") }
  for _, more in ipairs { { target = "AmazonSQS.DeleteQueue" }, { protocol = "query" }, { host = "kms" }, { path = "/x" },
    { version = "2014-11-01" } } do
    local request = { service = "kms", operation = "ListKeys", region = "us-east-1", parameters = {}, credentials = credentials }
    for name, value in pairs(more) do request[name] = value end
    test.raises(function() here.session.tasks.run(here.door.aws.request, request) end, "how kms is spoken to is known")
  end
  for _, name in ipairs { "cloud", "vault", "sso", "sso-oidc", "imds", "container", "../kms", "a.b", "KMS" } do
    test.raises(function()
      here.session.tasks.run(here.door.aws.request, { service = name, operation = "X", region = "us-east-1", protocol = "json-1.1",
        target = "X", credentials = credentials })
    end, "bad argument #1 to 'request'")
  end
  for _, path in ipairs { "", "x", "/a b", "/a?b", "/a#b", "/../x", "/a/./b", "//evil.example", "/a\nb", "/\\x", "/%2e%2E/x", "/a/%2e./b" } do
    test.raises(function()
      here.session.tasks.run(here.door.aws.request, { service = "lambda", operation = "X", region = "us-east-1", protocol = "rest-json",
        method = "GET", path = path, credentials = credentials })
    end, "field 'path' cannot be")
  end
  for _, name in ipairs { "Action", "Version", "action", "VERSION", "A&Action", "A=b" } do
    test.contains(fails(here, { service = "sns", operation = "ListTopics", region = "us-east-1", parameters = { [name] = "DeleteTopic" } }),
      "takes no parameter '" .. name .. "'")
  end
  for _, host in ipairs { "evil.example/", "a..b", ".a", "a@b" } do
    test.contains(fails(here, { service = "x", operation = "X", region = "us-east-1", protocol = "json-1.1", target = "X", host = host }),
      "field 'host' cannot be")
  end
  for host, name in pairs { kms = "kms", ["sts-fips"] = "sts", email = "ses", ["api.ecr"] = "ecr" } do
    local request = { service = "x", operation = "X", region = "us-east-1", protocol = "json-1.1", target = "X", host = host }
    test.contains(fails(here, request), ("the host '%s' is that of %s"):format(host, name))
    request.credentials = credentials
    test.raises(function() here.session.tasks.run(here.door.aws.request, request) end, "there is " .. name)
  end
  test.raises(function()
    here.session.tasks.run(here.door.aws.request, { service = "kms", operation = ("x"):rep(101), region = "us-east-1", credentials = credentials })
  end, "field 'operation' cannot be")
  test.equal(#here.sent, 0)
end

test["a write stands in the journal before it leaves, and its answer's secrets are none of Lua's texts"] = function()
  local here = open(function() return { body = '{"SecretString":"hidden-1","Password":"hidden-2","Name":"n"}' } end)
  local answer = here.call { service = "secretsmanager", operation = "GetSecretValue", region = "us-east-1", parameters = { SecretId = "s" },
    secrets = { "Password" } }
  test.equal({ tostring(answer.SecretString), tostring(answer.Password), answer.Name }, { "****", "****", "n" })
  test.contains(here.journal.text, '"operation":"GetSecretValue"')
  test.equal(here.journal.text:find("hidden", 1, true), nil)
  here.call { service = "sqs", operation = "SendMessage", region = "us-east-1", parameters = { MessageBody = answer.SecretString } }
  test.equal(here.sent[2].body, '{"MessageBody":"hidden-1"}')   -- and can be passed on
end

test["what gives keys, tokens and passwords is known by the names of its members, whoever is asked"] = function()
  local here = open(function() return { body = '{"PrivateKeyPlaintext":"hidden-1","KeyId":"k","Inner":{"authorizationToken":"hidden-2"}}' } end)
  local answer = here.call { service = "kms", operation = "GenerateDataKeyPair", region = "us-east-1", parameters = { KeyId = "k" } }
  test.equal({ tostring(answer.PrivateKeyPlaintext), answer.KeyId, tostring(answer.Inner.authorizationToken) }, { "****", "k", "****" })
end

test["tables within the parameters are written as they are, whatever their metatables say"] = function()
  local here = open(function() return { body = "<ListTopicsResponse><ListTopicsResult/></ListTopicsResponse>" } end)
  local list = setmetatable({ "a" }, { __len = function() error "it was asked" end })
  local map = setmetatable({ A = "b" }, { __index = function() error "it was asked" end })
  pcall(here.call, { service = "sns", operation = "Publish", region = "us-east-1", parameters = { List = list, Map = map } })
  test.contains(here.sent[1].body, "List.member.1=a&Map.A=b")
end

test["no setting of AWS's says where the Cloud, Vault or the machine's own credentials are asked"] = function()
  local names, directory = {}, test.directory()
  for _, name in ipairs { "CLOUD", "VAULT", "IMDS", "CONTAINER" } do names["AWS_ENDPOINT_URL_" .. name] = "http://127.0.0.1:9" end
  names.AWS_ENDPOINT_URL_KINESIS = "http://127.0.0.1:9"   -- the control
  assert(file.write(directory .. "/config", "[default]\nservices = mine\n[services mine]\ncloud =\n  endpoint_url = http://127.0.0.1:9\n"))
  local here = open(nil, { environment = names })
  local added = {}
  for name in pairs(here.session.endpoints.others) do added[#added + 1] = name end
  table.sort(added)
  test.equal(table.concat(added, " "), "* cloudfront kinesis organizations route53")
  local result = outside.simulated([[export AWS_CONFIG_FILE=$D/config
    export AWS_ENDPOINT_URL_CLOUD=http://127.0.0.1:9 AWS_ENDPOINT_URL_VAULT=http://127.0.0.1:9
    $CMEK status && echo 'print(vault.read "sys/mounts")' | $CMEK repl]], { directory = directory })
  test.equal({ result.status, result.errors }, { 0, "" })
end

test["by REST the journal says what was asked for, whatever the operation is called"] = function()
  local here = open()
  here.call { service = "lambda", operation = "ListFunctions", region = "us-east-1", protocol = "rest-json",
    method = "DELETE", path = "/functions/a" }
  test.contains(here.journal.text, '"target":"DELETE /functions/a"')
end

-- Refusals ---------------------------------------------------------------------------------------------------------------------

test["a refusal of each protocol has its code, message and request ID"] = function()
  local function refused(request, status, body, headers)
    local here = open(function() return { status = status, body = body, headers = headers } end)
    request.region = "us-east-1"
    local raised = fails(here, request)
    return { raised.service, raised.code, raised.message, raised.request_id, raised.status }
  end
  test.equal(refused({ service = "sns", operation = "GetTopicAttributes", parameters = { TopicArn = "x" } }, 404,
    "<ErrorResponse><Error><Code>NotFound</Code><Message>Topic does not exist</Message></Error><RequestId>r-1</RequestId></ErrorResponse>"),
    { "sns", "NotFound", "Topic does not exist", "r-1", 404 })
  test.equal(refused({ service = "ec2", operation = "DescribeVpcs" }, 400,
    "<Response><Errors><Error><Code>InvalidVpcID.NotFound</Code><Message>no</Message></Error></Errors><RequestID>r-2</RequestID></Response>"),
    { "ec2", "InvalidVpcID.NotFound", "no", "r-2", 400 })
  test.equal(refused({ service = "sqs", operation = "GetQueueUrl" }, 400, '{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"no"}',
    { { "x-amzn-RequestId", "r-3" } }), { "sqs", "QueueDoesNotExist", "no", "r-3", 400 })
  test.equal(refused({ service = "lambda", operation = "GetFunction", protocol = "rest-json", method = "GET", path = "/" }, 404, '{"Message":"no"}',
    { { "x-amzn-ErrorType", "ResourceNotFoundException:http://x/" }, { "x-amzn-RequestId", "r-4" } }),
    { "lambda", "ResourceNotFoundException", "no", "r-4", 404 })
  test.equal(refused({ service = "s3", operation = "GetBucketTagging", protocol = "rest-xml", method = "GET", path = "/b", query = { tagging = "" } },
    404, "<Error><Code>NoSuchBucket</Code><Message>no</Message><RequestId>r-5</RequestId></Error>"), { "s3", "NoSuchBucket", "no", "r-5", 404 })
end

test["what is asked for too fast is asked again; a write whose answer was lost is not, unless it does no harm"] = function()
  local slow = { status = 400, body = "<ErrorResponse><Error><Code>Throttling</Code><Message>slow</Message></Error></ErrorResponse>" }
  local here = open(function(_, number) return number == 1 and slow or xml("Publish", "<MessageId>m</MessageId>") end)
  test.equal(here.call { service = "sns", operation = "Publish", region = "us-east-1" }, { MessageId = "m" })
  test.equal(#here.sent, 2)
  local broken = { status = 500, body = "<ErrorResponse><Error><Code>InternalError</Code></Error></ErrorResponse>" }
  for safe, count in pairs { [false] = 1, [true] = 3 } do
    here = open(function() return broken end)
    test.equal(fails(here, { service = "sns", operation = "Publish", region = "us-east-1", safe = safe }).code, "InternalError")
    test.equal(#here.sent, count)
  end
end

-- Mistakes ---------------------------------------------------------------------------------------------------------------------

test["what is wrong with a call is told before anybody is asked, with what may have been meant"] = function()
  local here = open()
  local function with(changes)
    local request = { service = "sns", operation = "ListTopics", region = "us-east-1" }
    for name, value in pairs(changes) do request[name] = value ~= json.null and value or nil end
    return request
  end
  for _, case in ipairs {
    { 5, "it wants a table, got number: aws.call { service = " },
    { with { paramters = {} }, "it has no field 'paramters'; did you mean 'parameters'?" },
    { with { TopicArn = "x" }, "it has no field 'TopicArn': the operation's own stand in parameters = { TopicArn = … }" },
    { with { parameters = "x" }, "field 'parameters' must be a table, got string" },
    { with { parameters = { "x" } }, "field 'parameters' wants names, got [1]" },
    { with { service = json.null }, "field 'service' is missing" },
    { with { service = "SNS" }, "there is no service 'SNS'" }, { with { service = "SNS" }, "did you mean 'sns'?" },
    { with { service = "secretmanager" }, "cmek does not know the service 'secretmanager'; did you mean 'secretsmanager'; of one that" },
    { with { service = "cloud" }, "'cloud' is no service of AWS: call cloud's functions" },
    { with { operation = json.null }, "field 'operation' is missing" },
    { with { operation = "list_topics" }, "there is no operation 'list_topics': the API names them like \"ListTopics\"" },
    { with { region = json.null }, "field 'region' is missing: sns is asked in a region" },
    { with { protocol = "json-1.1" }, "field 'protocol' of sns is known as 'query': leave it out" },
    { with { version = "2012-01-01" }, "field 'version' of sns is known as '2010-03-31': leave it out" },
    { with { service = "lambda", protocol = "rest_json" }, "there is no protocol 'rest_json'; did you mean 'rest-json'?" },
    { with { service = "lambda", protocol = "rest-json", method = "GET" }, "the protocol rest-json wants path = " },
    { with { service = "rds", protocol = "query" }, "the protocol query wants version = " },
    { with { service = "rds", protocol = "query", version = "2014-10-31", target = "x" }, "field 'target' has no meaning by the protocol query" },
  } do
    test.contains(fails(here, case[1]), "aws.call: ")
    test.contains(fails(here, case[1]), case[2])
  end
  test.equal(#here.sent, 0)
  here.call(with { protocol = "query", version = "2010-03-31" })   -- what is so may be said
  test.equal(#here.sent, 1)
end

test["an operation that is not known and looks like a read is told with the read that may have been meant"] = function()
  local here = open(nil, { write = false })
  local function said(operation) return fails(here, { service = "sns", operation = operation, region = "us-east-1" }) end
  test.equal(said "ListTopic", "aws.call: sns has no operation 'ListTopic' that cmek knows to read; did you mean 'ListTopics'?")
  test.contains(said "SetTopicAttributes", "is a write, and this command may only read")   -- GetTopicAttributes is near, and not meant
  test.contains(said "GetEverythingElse", "is a write, and this command may only read")
end

test["the services that are known by themselves have each a protocol, and what it needs"] = function()
  local known, count = any.known(), 0
  for _, service in pairs(known) do
    count = count + 1
    test.truthy(service.protocol:find "^json" and service.target or service.version)
  end
  test.truthy(count >= 20 and known.kms.target == "TrentService")
end
