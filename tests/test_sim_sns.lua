-- The simulated SNS: topics, tags, what is published, who may, and the service's own words for what is wrong.
local client = dofile "tests/sim_client.lua"

local ACCOUNT <const> = client.OPERATOR.account
local function arn(name, region, account) return ("arn:aws:sns:%s:%s:%s"):format(region or "us-east-1", account or ACCOUNT, name) end

local function make(aws, name, more)
  local parameters = { Name = name }
  for field, value in pairs(more or {}) do parameters[field] = value end
  return aws:call("sns", "CreateTopic", parameters).TopicArn
end

local function attributes(aws, topic)
  local map = {}
  for _, entry in ipairs(aws:call("sns", "GetTopicAttributes", { TopicArn = topic }).Attributes) do map[entry.key] = entry.value end
  return map
end

local function tags(aws, topic) return aws:call("sns", "ListTagsForResource", { ResourceArn = topic }).Tags end

test["a topic is made, shown with its attributes, listed, and gone"] = function()
  local aws = client.new()
  local topic = make(aws, "cmek", { ["Attributes.entry.1.key"] = "DisplayName", ["Attributes.entry.1.value"] = "Keys & more" })
  test.equal(topic, arn "cmek")
  local shown = attributes(aws, topic)
  test.equal({ shown.TopicArn, shown.DisplayName, shown.Owner, shown.SubscriptionsConfirmed }, { topic, "Keys & more", ACCOUNT, "0" })
  test.contains(shown.Policy, "__default_policy_ID")
  make(aws, "another")
  test.equal(aws:call("sns", "ListTopics", {}).Topics, { { TopicArn = arn "another" }, { TopicArn = topic } })
  test.equal(aws:call("sns", "ListTopics", {}, { region = "eu-west-1" }).Topics, {})
  for _ = 1, 2 do aws:call("sns", "DeleteTopic", { TopicArn = topic }) end   -- of one that is not there any more as well
  test.equal(aws:refusal("sns", "GetTopicAttributes", { TopicArn = topic }), "NotFound: Topic does not exist")
end

test["CreateTopic gives the one that is there, when it is as wanted, and refuses it otherwise"] = function()
  local aws = client.new()
  local display = { ["Attributes.entry.1.key"] = "DisplayName", ["Attributes.entry.1.value"] = "A", Tags = { { Key = "team", Value = "x" } } }
  local topic = make(aws, "cmek", display)
  test.equal(make(aws, "cmek"), topic)
  test.equal(make(aws, "cmek", display), topic)
  test.equal(aws:refusal("sns", "CreateTopic", { Name = "cmek", ["Attributes.entry.1.key"] = "DisplayName", ["Attributes.entry.1.value"] = "B" }),
    "InvalidParameter: Invalid parameter: Attributes Reason: Topic already exists with different attributes")
  test.equal(aws:refusal("sns", "CreateTopic", { Name = "cmek", Tags = { { Key = "team", Value = "y" } } }),
    "InvalidParameter: Invalid parameter: Tags Reason: Topic already exists with different tags")
  test.equal(#aws:call("sns", "ListTopics", {}).Topics, 1)
end

test["what is published gets an ID, each time another, and stays with the topic in the state"] = function()
  local aws = client.new()
  local topic = make(aws, "cmek")
  local first = aws:call("sns", "Publish", { TopicArn = topic, Message = "done", Subject = "CMEK" }).MessageId
  local second = aws:call("sns", "Publish", { TopicArn = topic, Message = "done", Subject = "CMEK" }).MessageId
  test.truthy(first ~= second)
  local kept = aws.simulation:document().aws[ACCOUNT].sns["us-east-1"].topics[1].Messages
  test.equal({ #kept, kept[1].MessageId, kept[1].Subject, kept[1].Message }, { 2, first, "CMEK", "done" })
end

test["the state is read again with its topics"] = function()
  local aws = client.new()
  local topic = make(aws, "cmek", { Tags = { { Key = "a", Value = "b" } } })
  local json = require "json"
  local again = client.new { state = json.decode(json.encode(aws.simulation:document())) }
  test.equal(tags(again, topic), { { Key = "a", Value = "b" } })
  test.equal(make(again, "cmek"), topic)
end

test["tags are put, replaced, taken away and counted"] = function()
  local aws = client.new()
  local topic = make(aws, "cmek", { Tags = { { Key = "a", Value = "1" } } })
  aws:call("sns", "TagResource", { ResourceArn = topic, Tags = { { Key = "a", Value = "2" }, { Key = "b", Value = "3" } } })
  test.equal(tags(aws, topic), { { Key = "a", Value = "2" }, { Key = "b", Value = "3" } })
  aws:call("sns", "UntagResource", { ResourceArn = topic, TagKeys = { "a", "c" } })
  test.equal(tags(aws, topic), { { Key = "b", Value = "3" } })
  local many = {}
  for i = 1, 50 do many[i] = { Key = "k" .. i, Value = "v" } end
  test.equal(aws:refusal("sns", "TagResource", { ResourceArn = topic, Tags = many }),
    "TagLimitExceeded: Could not complete request: tag quota of per resource exceeded")
  test.equal(aws:refusal("sns", "ListTagsForResource", { ResourceArn = arn "nobody" }), "ResourceNotFound: Resource does not exist")
end

test["what is wrong is said in the service's words"] = function()
  local aws = client.new()
  local topic = make(aws, "cmek")
  for _, case in ipairs {
    { "CreateTopic", { Name = "a b" }, "InvalidParameter: Invalid parameter: Topic Name" },
    { "CreateTopic", { Name = ("x"):rep(257) }, "InvalidParameter: Invalid parameter: Topic Name" },
    { "CreateTopic", {}, "ValidationError: 1 validation error detected: Value null at 'name' failed to satisfy constraint: Member must not be null" },
    { "CreateTopic", { Name = "x", ["Attributes.entry.1.key"] = "Colour", ["Attributes.entry.1.value"] = "red" },
      "InvalidParameter: Invalid parameter: AttributeName" },
    { "GetTopicAttributes", {}, "InvalidParameter: Invalid parameter: TopicArn Reason: no value for required parameter" },
    { "GetTopicAttributes", { TopicArn = "cmek" },
      "InvalidParameter: Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 1" },
    { "GetTopicAttributes", { TopicArn = arn("cmek", "eu-west-1") }, "InvalidParameter: Invalid parameter: TopicArn" },
    { "Publish", { Message = "x" }, "InvalidParameter: Invalid parameter: TopicArn or TargetArn Reason: no value for required parameter" },
    { "Publish", { TopicArn = topic }, "InvalidParameter: Invalid parameter: Empty message" },
    { "Publish", { TopicArn = topic, Message = ("x"):rep(262145) }, "InvalidParameter: Invalid parameter: Message too long" },
    { "Publish", { TopicArn = topic, Message = "x", Subject = ("s"):rep(101) }, "InvalidParameter: Invalid parameter: Subject" },
    { "Publish", { TopicArn = arn "nobody", Message = "x" }, "NotFound: Topic does not exist" },
    { "Subscribe", { TopicArn = topic }, "InvalidAction: Could not find operation Subscribe for version 2010-03-31" },
  } do
    test.equal(aws:refusal("sns", case[1], case[2]), case[3])
  end
end

test["IAM's policies decide who may, by the topic's ARN and its tags; a topic's own policy lets others in"] = function()
  local aws = client.new()
  local topic = make(aws, "cmek", { Tags = { { Key = "team", Value = "storage" } } })
  local document = { Version = "2012-10-17", Statement = {
    { Effect = "Allow", Action = "sns:Publish", Resource = "*", Condition = { StringEquals = { ["aws:ResourceTag/team"] = "storage" } } } } }
  local user = aws.simulation:add_user { account = ACCOUNT, name = "poor", policies = { document } }
  local poor = { who = { id = user.access_key_id, secret = user.secret_access_key } }
  aws:call("sns", "Publish", { TopicArn = topic, Message = "x" }, poor)
  test.equal(aws:refusal("sns", "Publish", { TopicArn = make(aws, "other"), Message = "x" }, poor), ("AuthorizationError: User: %s is not authorized "
    .. "to perform: SNS:Publish on resource: %s because no identity-based policy allows the SNS:Publish action"):format(user.arn, arn "other"))
  test.equal(aws:refusal("sns", "CreateTopic", { Name = "mine" }, poor):match "^%a+", "AuthorizationError")
  test.equal(attributes(aws, topic).Owner, ACCOUNT)
  aws:call("sns", "ListTopics", {}, { who = client.READER })
  test.equal(aws:refusal("sns", "Publish", { TopicArn = topic, Message = "x" }, { who = client.READER }):match "^%a+", "AuthorizationError")
  test.equal(aws:refusal("sns", "Publish", { TopicArn = topic, Message = "x" }, { who = client.OTHER }):match "^%a+", "AuthorizationError")
  aws:call("sns", "SetTopicAttributes", { TopicArn = topic, AttributeName = "Policy", AttributeValue = require("json").encode {
    Version = "2012-10-17", Statement = { { Effect = "Allow", Principal = { AWS = client.OTHER.account }, Action = "SNS:Publish",
      Resource = topic } } } })
  aws:call("sns", "Publish", { TopicArn = topic, Message = "x" }, { who = client.OTHER })
end

test["faults fit it as they fit the others"] = function()
  local aws = client.new { faults = { { kind = "throttle", service = "sns", count = 1 }, { kind = "500", service = "sns", count = 1 } } }
  test.equal(aws:refusal("sns", "ListTopics", {}), "Throttling: Rate exceeded")
  test.contains(aws:refusal("sns", "ListTopics", {}), "InternalError: ")
  test.equal(aws:call("sns", "ListTopics", {}).Topics, {})
end
