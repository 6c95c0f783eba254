-- Recipes of one's own that call any service: a topic and a message. What a plan shows, what a resumed run sends again, what is told once.
local file = require "file"
local json = require "json"
local operators = dofile "tests/operator.lua"

local TOPIC <const> = [[
local function sns(want, operation, parameters, list)
  return aws.call { service = "sns", operation = operation, region = want.region, parameters = parameters, list = list }
end
local topic = resource {
  kind = "topic", actions = { sns = { "ListTopics", "GetTopicAttributes", "CreateTopic", "DeleteTopic" } },
  name = function(want) return want.name end, region = function(want) return want.region end,
  find = function(want)
    for _, found in ipairs(sns(want, "ListTopics", {}, "Topics").Topics) do
      if found.TopicArn:match "[^:]+$" == want.name then return { arn = found.TopicArn } end
    end
  end,
  create = function(want) sns(want, "CreateTopic", { Name = want.name }) end,
  delete = function(want, have) sns(want, "DeleteTopic", { TopicArn = have.arn }) end,
}
]]

-- A recipe with the topic; `body` is the rest of its run, after `region` and `news`.
local function recipe(body, more)
  more = more or {}
  local path = test.directory() .. "/mine.lua"
  assert(file.write(path, ([[%s
    return { api = 1, summary = "x", args = { { "cluster", "the cluster" }, { "text", "of the message", default = "made" } }, touches = { %s },
      run = function(arg)
        local cluster = read("cluster", arg.cluster)
        local region = cluster.regions[1].name
        local news = ensure(topic, { region = region, name = "cmek-" .. cluster.name })
        %s
      end }]]):format(more.topic or TOPIC, more.touches or '"cloud", "sns"', body)))
  return path
end

local PUBLISH <const> = [[aws.call { service = "sns", operation = "Publish", region = region,
  parameters = { TopicArn = news.arn, Message = arg.text } }]]
local ON_CHANGE <const> = "on_change(function() " .. PUBLISH .. " end)"

local function topics(who)
  local sns = who.simulation.state.aws[operators.ACCOUNT].sns
  return sns and sns["us-east-1"] and sns["us-east-1"].topics or {}
end

local function messages(who) return topics(who)[1] and #topics(who)[1].Messages or 0 end

-- The journal as a process that takes the run up reads it.
local function entries(who)
  who.journal:sync()
  local list = {}
  for line in who.disk.text:gmatch "[^\n]+" do list[#list + 1] = json.decode(line) end
  return list
end

-- An operator whose first Publish meets this on its way.
local function meeting(way)
  local met = false
  return operators.open { network = function(_, request)
    if not met and tostring(request.body):find("Action=Publish", 1, true) then
      met = true
      return way
    end
  end }
end

-- on_change --------------------------------------------------------------------------------------------------------------------

test["what is told of a change is planned with it, sent once, and left out when nothing is to be done"] = function()
  local who, path = operators.open(), recipe(ON_CHANGE)
  local plan = operators.run(who, path, { mode = "plan" })
  test.equal({ plan.steps[1].action, plan.steps[2].kind, plan.steps[2].action }, { "create", "call", "change" })
  test.equal(plan.steps[2].name, "sns Publish (arn of topic cmek-orders, known after apply)")
  test.contains(plan.steps[2].reason, "when a run has made or changed something")
  test.equal(#topics(who), 0)
  local report, status = operators.run(who, path)
  test.equal({ status, report.error, messages(who), report.steps[2].name },
    { 0, nil, 1, "sns Publish arn:aws:sns:us-east-1:210987654321:cmek-orders" })
  report, status = operators.run(who, path)
  test.equal({ status, #report.steps, messages(who) }, { 0, 1, 1 })
  local verified, well = operators.run(who, path, { mode = "verify" })
  test.equal({ well, #verified.findings }, { 0, 0 })
end

test["a call outside of it is made at every run, which verify cannot judge"] = function()
  local who, path = operators.open(), recipe(PUBLISH)
  operators.run(who, path)
  operators.run(who, path)
  test.equal(messages(who), 2)
  local verified, status = operators.run(who, path, { mode = "verify" })
  test.equal({ status, verified.findings[1].id, verified.findings[1].severity }, { 6, "call", "unknown" })
end

test["what fails in it fails the run, and it takes a function"] = function()
  test.raises(function() operators.run(operators.open(), recipe "on_change(function() return news.arn .. cluster.nothing.x end)") end,
    "field 'nothing' is nil here")
  test.raises(function() operators.run(operators.open(), recipe "on_change { }", { mode = "plan" }) end, "on_change wants a function, got table")
end

test["by REST it is told what is asked for: the operation's name is the recipe's own word"] = function()
  local plan = operators.run(operators.open(), recipe([[aws.call { service = "lambda", operation = "ListFunctions", region = region,
    protocol = "rest-json", method = "DELETE", path = "/2015-03-31/functions/orders" }]],
    { touches = '"cloud", "sns", "lambda"' }), { mode = "plan" })
  test.equal(plan.steps[2].name, "lambda ListFunctions DELETE /2015-03-31/functions/orders")
end

-- Kinds ------------------------------------------------------------------------------------------------------------------------

test["a kind over any service is planned, made, verified, and taken back"] = function()
  local who, path = operators.open(), recipe ""
  test.equal(operators.run(who, path, { mode = "plan" }).summary.create, 1)
  test.equal(#topics(who), 0)
  operators.run(who, path)
  test.equal(#topics(who), 1)
  local verified = operators.run(who, path, { mode = "verify" })
  test.equal(verified.checked[#verified.checked].id, "topic.as_wanted")
  local destroyed, status = operators.run(who, path, { mode = "destroy" })
  test.equal({ status, destroyed.steps[1].result, #topics(who) }, { 0, "done", 0 })
end

test["a list of several pages is looked through whole before something is made"] = function()
  local who, path = operators.open { sim = { page_size = 1 } }, recipe ""
  for _, name in ipairs { "a", "b", "cmek-orders", "d" } do
    operators.within(who, function(session)
      session.aws.call { service = "sns", operation = "CreateTopic", region = "us-east-1", parameters = { Name = name } }
    end)
  end
  test.equal(operators.run(who, path, { mode = "plan" }).summary.unchanged, 1)
end

test["codes of absence stand in the kind; any other refusal is told"] = function()
  local by_arn = TOPIC:gsub("find = function.-\n  end,\n", [[find = function(want)
    return sns(want, "GetTopicAttributes", { TopicArn = "arn:aws:sns:us-east-1:210987654321:" .. want.name }).Attributes
  end,
  absent = { "NotFound" },
]])
  local who, path = operators.open(), recipe("", { topic = by_arn })
  test.equal(operators.run(who, path, { mode = "plan" }).steps[1].action, "create")
  operators.run(who, path)
  test.equal(operators.run(who, path, { mode = "plan" }).steps[1].action, "none")
  test.raises(function() operators.run(who, recipe("", { topic = (by_arn:gsub("absent[^\n]*", "")):gsub("want.name }", "want.name .. 'x' }") }),
    { mode = "plan" }) end, "NotFound")
  for value, wrong in pairs { ["{}"] = "absent names no code", ["{ 404 }"] = "absent[1] must be a code" } do
    test.raises(function() operators.run(who, recipe("", { topic = (by_arn:gsub('{ "NotFound" }', value)) }), { mode = "plan" }) end, wrong)
  end
end

test["a thing that does not show says for what it waits, and what was missing in the end"] = function()
  local who = operators.open()
  local blind = TOPIC:gsub('== want.name', '== "another"')
  local report, status = operators.run(who, recipe("", { topic = blind }))
  test.equal({ status, report.run.status }, { 5, "unfinished" })
  test.contains(report.error.message, "it does not show as it was made after 300 s: find gives nothing")
  local waits
  for _, event in ipairs(who.events) do waits = waits or event.kind == "waiting" and event.reason end
  test.equal(waits, "waiting until topic cmek-orders is as it was made: find gives nothing yet")
end

test["a service is called when touches names it, and not otherwise"] = function()
  test.raises(function()
    operators.run(operators.open(), recipe("aws.call { service = 'sqs', operation = 'ListQueues', region = region }"), { mode = "plan" })
  end, 'aws.call: sqs is called, and touches does not name it: touches = { "cloud", "sns", "sqs" }')
  test.raises(function() operators.run(operators.open(), recipe "sqs.send {}", { mode = "plan" }) end,
    "'sqs' has no functions of its own: aws.call {")
  test.raises(function() operators.run(operators.open(), recipe "kms.list_keys { region = region }", { mode = "plan" }) end,
    "'kms' is a service that touches does not name")
end

-- Taken up again ------------------------------------------------------------------------------------------------------------------

local FAILS <const> = ON_CHANGE .. [[ wait("something else", function() return %s end, { bound = 1 })]]

test["a message that was sent is not sent again by the process that takes the run up"] = function()
  local who = operators.open()
  local _, status = operators.run(who, recipe(FAILS:format "false"))
  test.equal({ status, messages(who) }, { 5, 1 })
  local report, done = operators.run(who, recipe(FAILS:format "true"), { entries = entries(who) })
  test.equal({ done, report.run.status, messages(who) }, { 0, "done", 1 })
  test.equal({ report.steps[2].action, #report.warnings }, { "none", 0 })
  test.contains(report.steps[2].reason, "an earlier process of this run called it at ")
end

test["one whose answer was lost is told, and not sent again"] = function()
  local who, path = meeting { lose_answer = "the connection was closed" }, recipe(ON_CHANGE)
  local report, status = operators.run(who, path)
  test.equal({ status, report.run.status, messages(who) }, { 5, "unfinished", 1 })
  test.contains(report.error.message, "the connection was closed")
  test.contains(report.error.next, "cmek resume run-1")
  report, status = operators.run(who, path, { entries = entries(who) })
  test.equal({ status, report.run.status, messages(who) }, { 0, "done", 1 })
  test.matches(report.warnings[1].text, "^sns Publish arn.-: an earlier process of this run sent it at .- and got no answer: whether it was done is "
    .. "not known, so it is not sent again%. If it was not, do it by hand: aws sns publish %-%-region us%-east%-1 %-%-cli%-input%-json "
    .. "'{\"Message\":\"made\",\"TopicArn\":\"arn:aws:sns:us%-east%-1:210987654321:cmek%-orders\"}'$")
  report = operators.run(who, path, { entries = entries(who) })   -- nor by the one after that
  test.equal({ report.run.status, messages(who) }, { "done", 1 })
end

test["one that never left, or was refused, is sent by the process that takes the run up"] = function()
  for _, way in ipairs { { unsent = "no route" }, { instead = function()
    return { status = 403, headers = {}, body = "<ErrorResponse><Error><Code>AuthorizationError</Code><Message>no</Message></Error></ErrorResponse>" }
  end } } do
    local unsent = 0
    local who = operators.open { network = function(_, request)
      if tostring(request.body):find("Action=Publish", 1, true) and unsent < 5 then
        unsent = unsent + (way.unsent and 1 or 5)
        return way
      end
    end }
    local path = recipe(ON_CHANGE)
    test.equal({ select(2, operators.run(who, path)), messages(who) }, { 5, 0 })
    unsent = 5
    local report = operators.run(who, path, { entries = entries(who) })
    test.equal({ report.error, report.run.status, messages(who) }, { nil, "done", 1 })
  end
end

test["a run that died before its message sends it when it is taken up, though nothing else is to be done"] = function()
  local who = operators.open()
  local early = recipe("wait('x', function() return false end, { bound = 1 }) " .. ON_CHANGE)
  test.equal({ select(2, operators.run(who, early)), messages(who) }, { 5, 0 })
  local report = operators.run(who, recipe(ON_CHANGE), { entries = entries(who) })
  test.equal({ report.run.status, report.steps[1].action, messages(who) }, { "done", "none", 1 })
end

test["what is said to do no harm is called again, and a call of another service's own functions as its table says"] = function()
  local who = meeting { lose_answer = "the connection was closed" }
  local safe = recipe((PUBLISH:gsub("region = region,", "region = region, safe = true,")))
  local report = operators.run(who, safe)
  test.equal({ report.run.status, messages(who) }, { "done", 2 })   -- within the one process
  operators.run(who, safe, { entries = entries(who) })
  test.equal(messages(who), 3)
  local function keys(of) return #(of.simulation.state.aws[operators.ACCOUNT].kms["us-east-1"] or { keys = {} }).keys end
  local key = recipe("kms.create_key { region = region, Description = 'x' }", { touches = '"cloud", "sns", "kms"' })
  who = operators.open()
  local made = operators.run(who, key)
  test.equal({ made.error, keys(who) }, { nil, 1 })
  operators.run(who, key, { entries = entries(who) })
  test.equal(keys(who), 1)
  operators.run(who, key, { run_id = "run-2" })   -- the control: another run makes another
  test.equal(keys(who), 2)
end

-- Stopped at ------------------------------------------------------------------------------------------------------------------------

test["one that was made anew where the run had stopped, and was refused then, may have been done the first time"] = function()
  local who, path, stops = meeting { lose_answer = "the connection was closed" }, recipe(ON_CHANGE), {}
  local function open(stop)
    stops[#stops + 1] = stop.call.name
    local doubt = require("repl.stopped").new(stop):advice():find("which may have been done: look first", 1, true)
    test.equal(doubt ~= nil, #stops == 1)
    who.simulation.faults = { { kind = "error", service = "sns", operation = "Publish", code = "Throttled", status = 400, count = 1 } }
    return #stops == 1
  end
  local _, status = operators.run(who, path, { steps = true, stop = { on_error = true, open = open } })
  test.equal({ stops, status, messages(who) }, { { "aws.call", "aws.call" }, 5, 1 })
  who.simulation.faults = {}
  local report, done = operators.run(who, path, { entries = entries(who) })
  test.equal({ done, messages(who) }, { 0, 1 })
  test.contains(report.warnings[1].text, "whether it was done is not known, so it is not sent again")
end

test["what fails in a function's own words is not called anew as a whole: what it has sent would be sent again, or left out"] = function()
  local who, stops = operators.open(), {}
  local path = recipe("on_change(function()\n" .. PUBLISH .. "\nif type(news.arn) == 'string' then return cluster.nothing.x end end)")
  local _, status = operators.run(who, path, { steps = true, stop = { on_error = true, open = function(stop)
    stops[#stops + 1] = stop.call and stop.call.name or "nothing"
    return stop.call ~= nil and #stops < 3
  end } })
  test.equal({ stops, messages(who), status }, { { "nothing" }, 1, 5 })
end
