--- The simulated SNS, API version 2010-03-31: topics with their attributes and tags, and what is published to them. Nobody subscribes:
--- the messages stay with the topic, in `--state`, where a test finds them.
local auth = require("sim.auth")
local check = require("sim.check")
local json = require("json")
local page = require("sim.page")
local policy = require("policy")
local sorted = require("sorted")
local state = require("sim.state")
local time = require("sim.time")
local wire = require("sim.wire")

local M = {}

local TAG_LIMIT <const> = 50
local MESSAGE_LIMIT <const> = 262144   -- bytes
local PAGE <const> = 100

--- Attributes that CreateTopic and SetTopicAttributes take.
local SETTABLE <const> = { DeliveryPolicy = true, DisplayName = true, Policy = true, KmsMasterKeyId = true, SignatureVersion = true,
  TracingConfig = true }

local function invalid(text, ...) wire.refuse("InvalidParameter", "Invalid parameter: " .. text:format(...)) end

-- Topics --------------------------------------------------------------------------------------------------------------

-- What SNS holds in the region, in the picture that this call sees.
local function here(call, account)
  local known = call.state.aws[account] or state.account(call.state, account)
  known.sns = known.sns or {}
  known.sns[call.region] = known.sns[call.region] or { topics = json.array {} }
  return known.sns[call.region]
end

local function arn_of(call, name)
  return ("arn:%s:sns:%s:%s:%s"):format(call.simulation.partition, call.region, call.caller.account, name)
end

local function policy_of(topic)
  local document = topic and topic.Attributes.Policy and json.decode(topic.Attributes.Policy)
  return type(document) == "table" and document or nil
end

local function authorize(call, arn, topic, more)
  local tags = auth.tag_context(more and more.tags, topic and topic.Tags, more and more.keys)
  auth.authorize(call, { action = "SNS:" .. call.operation, resource = arn, account = arn:match "^arn:[^:]*:sns:[^:]*:(%d+):",
    policy = policy_of(topic), context = tags })
end

-- The parts of a topic's ARN; refuses what is none, and one of another region.
local function parse(call, arn, field)
  if not arn then invalid("%s Reason: no value for required parameter", field) end
  local count = select(2, arn:gsub(":", "")) + 1
  if count < 6 then invalid("%s Reason: An ARN must have at least 6 elements, not %d", field, count) end
  local region, account, name = arn:match "^arn:[%w-]+:sns:([%w-]+):(%d+):([^:]+)$"
  if not region or region ~= call.region then invalid("%s", field) end
  return account, name
end

-- The topic that the call names, once the caller may do that; nil when there is none.
local function find(call, arn, field, more)
  local account = parse(call, arn, field)
  local topic, index = state.find(here(call, account).topics, "TopicArn", arn)
  authorize(call, arn, topic, more)
  return topic, index, here(call, account).topics
end

local function topic_of(call, p)
  local topic = find(call, p.TopicArn, "TopicArn")
  return topic or wire.refuse("NotFound", "Topic does not exist", 404)
end

local function tagged_of(call, p, more)
  local topic = find(call, p.ResourceArn, "ResourceArn", more)
  return topic or wire.refuse("ResourceNotFound", "Resource does not exist", 404)
end

-- Tags ----------------------------------------------------------------------------------------------------------------

local function check_tags(tags)
  local seen = {}
  for _, tag in ipairs(tags or {}) do
    if seen[tag.Key] then invalid "Duplicated keys are not allowed." end
    if tag.Key:lower():find "^aws:" then invalid "Tags Reason: tag keys cannot begin with aws:" end
    seen[tag.Key] = true
  end
end

local function merged(have, new)
  local list = state.merge_tags(have, new, state.find)
  if #list > TAG_LIMIT then wire.refuse("TagLimitExceeded", "Could not complete request: tag quota of per resource exceeded") end
  return list
end

local function same_tags(have, want)
  if #have ~= #want then return false end
  for _, tag in ipairs(want) do
    local found = state.find(have, "Key", tag.Key)
    if not found or found.Value ~= tag.Value then return false end
  end
  return true
end

-- Attributes ----------------------------------------------------------------------------------------------------------

local function check_attribute(name, value)
  if not SETTABLE[name] then invalid "AttributeName" end
  if name ~= "Policy" then return end
  local document = json.decode(value)
  if type(document) ~= "table" or not policy.validate(document, "resource") then invalid "Policy Error: null" end
end

local function default_policy(arn, account)
  return ('{"Version":"2008-10-17","Id":"__default_policy_ID","Statement":[{"Sid":"__default_statement_ID","Effect":"Allow",'
    .. '"Principal":{"AWS":"*"},"Action":["SNS:GetTopicAttributes","SNS:SetTopicAttributes","SNS:AddPermission","SNS:RemovePermission",'
    .. '"SNS:DeleteTopic","SNS:Subscribe","SNS:ListSubscriptionsByTopic","SNS:Publish"],"Resource":"%s","Condition":'
    .. '{"StringEquals":{"AWS:SourceOwner":"%s"}}}]}'):format(arn, account)
end

-- Operations ----------------------------------------------------------------------------------------------------------

-- The ARN of a topic of that name that is as the call wants it; refuses one that is not.
local function existing(topic, attributes, tags)
  for name, value in sorted(attributes) do
    if topic.Attributes[name] ~= value then invalid "Attributes Reason: Topic already exists with different attributes" end
  end
  if tags and not same_tags(topic.Tags, tags) then invalid "Tags Reason: Topic already exists with different tags" end
  return { TopicArn = topic.TopicArn }
end

local function create_topic(call, p)
  if not p.Name:find "^[%w_-]+$" or #p.Name > 256 then invalid "Topic Name" end
  local topics, arn = here(call, call.caller.account).topics, arn_of(call, p.Name)
  local topic = state.find(topics, "TopicArn", arn)
  authorize(call, arn, topic, { tags = p.Tags })
  if p.Tags then
    auth.authorize(call, { action = "SNS:TagResource", resource = arn, context = auth.tag_context(p.Tags, topic and topic.Tags) })
  end
  check_tags(p.Tags)
  local attributes = p.Attributes or {}
  for name, value in sorted(attributes) do check_attribute(name, value) end
  if topic then return existing(topic, attributes, p.Tags) end
  topic = { TopicArn = arn, Attributes = {}, Tags = merged({}, p.Tags or {}), Messages = json.array {} }
  for name, value in sorted(attributes) do topic.Attributes[name] = value end
  topic.Attributes.Policy = topic.Attributes.Policy or default_policy(arn, call.caller.account)
  table.insert(topics, topic)
  return { TopicArn = arn }
end

local function get_topic_attributes(call, p)
  local topic = topic_of(call, p)
  local shown = { TopicArn = topic.TopicArn, Owner = topic.TopicArn:match ":(%d+):", DisplayName = "", SubscriptionsConfirmed = "0",
    SubscriptionsPending = "0", SubscriptionsDeleted = "0" }
  for name, value in sorted(topic.Attributes) do shown[name] = value end
  return { Attributes = wire.map(shown) }
end

local function set_topic_attributes(call, p)
  local topic = topic_of(call, p)
  check_attribute(p.AttributeName, p.AttributeValue or "")
  topic.Attributes[p.AttributeName] = p.AttributeValue or ""
end

-- Deleting a topic that is not there succeeds.
local function delete_topic(call, p)
  local topic, index, topics = find(call, p.TopicArn, "TopicArn")
  if topic then table.remove(topics, index) end
end

local function list_topics(call, p)
  auth.authorize(call, { action = "SNS:ListTopics", resource = arn_of(call, "*") })
  local topics = here(call, call.caller.account).topics
  local list, marker = page.cut(topics, { limit = math.min(PAGE, call.simulation.page_size), marker = p.NextToken, word = "ListTopics",
    key = function(topic) return topic.TopicArn end })
  if not list then invalid "NextToken" end
  for index, topic in ipairs(list) do list[index] = { TopicArn = topic.TopicArn } end
  return { Topics = list, NextToken = marker }
end

local function publish(call, p)
  if not p.TopicArn and not p.TargetArn then invalid "TopicArn or TargetArn Reason: no value for required parameter" end
  local topic = topic_of(call, { TopicArn = p.TopicArn or p.TargetArn })
  if (p.Message or "") == "" then invalid "Empty message" end
  if #p.Message > MESSAGE_LIMIT then invalid "Message too long" end
  if p.Subject and (#p.Subject > 100 or not p.Subject:find "^[!-~][ -~]*$") then invalid "Subject" end
  local id = call.simulation:uuid()
  table.insert(topic.Messages, { MessageId = id, Subject = p.Subject, Message = p.Message, Timestamp = time.millis(call.now) })
  return { MessageId = id }
end

local function list_tags(call, p) return { Tags = state.copy_tags(tagged_of(call, p).Tags) } end

local function tag_resource(call, p)
  local topic = tagged_of(call, p, { tags = p.Tags })
  check_tags(p.Tags)
  topic.Tags = merged(topic.Tags, p.Tags)
  return {}
end

local function untag_resource(call, p)
  local topic = tagged_of(call, p, { keys = p.TagKeys })
  for _, key in ipairs(p.TagKeys) do
    local _, index = state.find(topic.Tags, "Key", key)
    if index then table.remove(topic.Tags, index) end
  end
  return {}
end

-- The table -----------------------------------------------------------------------------------------------------------

local text = { type = "string" }
local tags = { type = "list", member = { type = "structure", members = {
  Key = { type = "string", required = true, min = 1, max = 128 }, Value = { type = "string", required = true, max = 256 } } } }
local required_tags = { type = "list", required = true, member = tags.member }
local arn = { type = "string", required = true, min = 1, max = 1011 }

M.operations = {
  CreateTopic = { run = create_topic, write = true, parameters = { Name = { type = "string", required = true },
    Attributes = { type = "map", member = text }, Tags = tags } },
  DeleteTopic = { run = delete_topic, write = true, parameters = { TopicArn = text } },
  GetTopicAttributes = { run = get_topic_attributes, parameters = { TopicArn = text } },
  ListTagsForResource = { run = list_tags, parameters = { ResourceArn = arn } },
  ListTopics = { run = list_topics, parameters = { NextToken = text } },
  Publish = { run = publish, write = true, parameters = { TopicArn = text, TargetArn = text, Message = text, Subject = text } },
  SetTopicAttributes = { run = set_topic_attributes, write = true, parameters = { TopicArn = text,
    AttributeName = { type = "string", required = true }, AttributeValue = text } },
  TagResource = { run = tag_resource, write = true, parameters = { ResourceArn = arn, Tags = required_tags } },
  UntagResource = { run = untag_resource, write = true, parameters = { ResourceArn = arn,
    TagKeys = { type = "list", required = true, member = text } } },
}

--- Does one operation of SNS.
---@return table? result
function M.run(call, operation) return operation.run(call, check.parameters(call, operation.parameters)) end

return M
