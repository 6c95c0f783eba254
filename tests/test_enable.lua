-- Enabling, clause by clause: every region, strict readiness, what somebody else does meanwhile, what is done already.
local json = require "json"
local operator = dofile "tests/operator.lua"

-- The cluster orders with role and keys, CMEK not enabled.
local function prepared()
  local who = operator.open()
  local report, status = operator.run(who, "console")
  test.equal({ status, report.error }, { 0 })
  who.sent = 0
  who.simulation.on_request = function(entry) if entry.operation == "EnableCMEKSpec" then who.sent = who.sent + 1 end end
  return who
end

local function cluster(who)
  for _, one in ipairs(who.simulation.state.cloud.clusters) do
    if one.name == "orders" then return one end
  end
end

local function enable(who, options) return operator.run(who, "enable", options) end

-- What the Cloud says of CMEK is `change`d on its way.
local function answers(who, change)
  local handle = who.world.handle
  who.world.handle = function(request)
    local answer = handle(request)
    if request.method == "GET" and request.target:find "/cmek$" and answer.status == 200 and answer.body ~= "" then
      local info = json.decode(answer.body)
      answer.body = json.encode(change(info) or info)
    end
    return answer
  end
end

-- Readiness ---------------------------------------------------------------------------------------------------------------

-- For so long the Cloud's answer is made something else; whether the run waited for the true one.
local function waits_through(change)
  local who = prepared()
  local from, until_then = nil, nil
  answers(who, function(info)
    if who.sent == 0 then return nil end
    from = from or who.world.now
    until_then = from + 120
    if who.world.now < until_then then return change(info) end
  end)
  local report, status = enable(who)
  test.equal({ status, report.error, who.sent }, { 0, nil, 1 })
  return who.world.now >= until_then
end

local function each_region(fn)
  return function(info)
    for _, region in ipairs(info.region_infos) do fn(region) end
    return info
  end
end

test["an empty list of regions, a region too few, a status that nobody knows: none of it counts as enabled"] = function()
  test.equal(waits_through(function() return { status = "ENABLED", region_infos = json.array {} } end), true)
  test.equal(waits_through(function() return { status = "ENABLING", region_infos = json.null } end), true)
  test.equal(waits_through(each_region(function(region) region.key_infos = json.array {} end)), true)
  test.equal(waits_through(function(info)
    table.remove(info.region_infos)
    info.status = "ENABLED"
    for _, region in ipairs(info.region_infos) do region.status, region.key_infos[1].status = "ENABLED", "ENABLED" end
    return info
  end), true)
  test.equal(waits_through(each_region(function(region) region.status, region.key_infos[1].status = "PONDERING", "ENABLED" end)), true)
end

test["a region that is ENABLED with its key still ENABLING, the other way round, and one that is DISABLED are not ready"] = function()
  test.equal(waits_through(each_region(function(region) region.status, region.key_infos[1].status = "ENABLED", "ENABLING" end)), true)
  test.equal(waits_through(each_region(function(region) region.status, region.key_infos[1].status = "ENABLING", "ENABLED" end)), true)
  test.equal(waits_through(each_region(function(region) region.status, region.key_infos[1].status = "DISABLED", "ENABLING" end)), true)
  test.equal(waits_through(function() end), false)   -- the control
end

test["the Cloud may answer 500, 503 or with a page while it is waited for"] = function()
  for _, kind in ipairs { "500", "503html" } do
    local who = prepared()
    who.simulation.faults = { { kind = kind, service = "cloud", operation = "GetCMEKClusterInfo", skip = 1, count = 40 } }
    local report, status = enable(who)
    test.equal({ kind, status, report.error, who.sent, who.simulation.faults[1].count }, { kind, 0, nil, 1, 0 })
  end
end

test["an enabling that lasts longer than two hours ends as unfinished, and says how to go on"] = function()
  local who = prepared()
  who.simulation.choices = { first = 9000 }
  local report, status = enable(who)
  test.equal({ status, report.run.status, report.error.code }, { 5, "unfinished", "not_ready" })
  test.contains(report.error.message, "not every region is enabled after 120 min")
  test.equal(report.error.commands and report.error.commands[1] or report.error.next, "cmek resume run-1")
end

-- Regions -------------------------------------------------------------------------------------------------------------------

test["one request names every region"] = function()
  local who, body = prepared(), nil
  local handle = who.world.handle
  who.world.handle = function(request)
    if request.method == "POST" and request.target:find "/cmek$" then body = json.decode(request.body) end
    return handle(request)
  end
  enable(who)
  local named = {}
  for i, spec in ipairs(body.region_specs) do named[i] = spec.region end
  test.equal(named, { "eu-west-1", "us-east-1", "us-west-2" })
end

-- Regions change while the question is open.
local function while_asked(who, fn)
  local confirm = who.door.permit_irreversible
  local recipe = require("recipe").load "enable"
  local engine = require("engine").new { session = who.session, recipe = recipe, mode = "run", run_id = "run-1",
    arguments = { cluster = "orders", role = require("names").role },
    confirm_writes = function(text) return who.door:permit_writes(text) end,
    confirm_irreversible = function(...)
      fn()
      return confirm(who.door, ...)
    end }
  return who.session.tasks.run(function() return engine:execute() end)
end

test["a region that is added or removed while the question is open ends it before anything is sent"] = function()
  for _, case in ipairs {
    { "ap-south-1 is new", function(one) table.insert(one.regions, require("sim.clusters").region(one, "ap-south-1", 3)) end },
    { "eu-west-1 is gone", function(one) table.remove(one.regions, 3) end },
  } do
    local who = prepared()
    local report, status = while_asked(who, function() case[2](cluster(who)) end)
    test.equal({ case[1], status, who.sent }, { case[1], 1, 0 })
    test.contains(report.error.message, case[1])
  end
  local who = prepared()
  local _, status = while_asked(who, function() end)   -- the control
  test.equal({ status, who.sent }, { 0, 1 })
end

-- What is done already -------------------------------------------------------------------------------------------------------

test["POST of a cluster that somebody enabled meanwhile with the same keys is taken for done, with others for what it is"] = function()
  for _, choice in ipairs { 400, 409 } do
    local who = prepared()
    who.simulation.choices = { already = choice }
    local keys = {}
    for _, region in ipairs(cluster(who).regions) do
      keys[region.name] = { uri = operator.key(who, region.name).Arn, auth_principal = operator.role(who).Arn }
    end
    local function enabled_with(set)
      cluster(who).cmek = require("sim.clusters").complete({ name = "other", regions = { "us-east-1" }, keys = set }).cmek
    end
    local report, status = while_asked(who, function() enabled_with(keys) end)
    test.equal({ choice, status, report.error }, { choice, 0 })

    who = prepared()
    who.simulation.choices = { already = choice }
    report, status = while_asked(who, function()
      enabled_with { ["us-east-1"] = { uri = "arn:aws:kms:us-east-1:345678901234:key/5b1f7c2e-0d34-4c1e-8f5a-9e7a6b5c4d3e",
        auth_principal = "arn:aws:iam::345678901234:role/x" } }
    end)
    test.equal({ choice, status, who.sent }, { choice, 1, 1 })
    test.contains(report.error.message, "It does not show the wanted keys, so it was enabled with others")
  end
end

test["a lock is waited for in either of the Cloud's words for it"] = function()
  for _, choice in ipairs { 503, 400 } do
    local who = prepared()
    local one, since = cluster(who), who.world.now
    who.simulation.choices = { locked = choice }
    one.state, one.operation_status = "LOCKED", "MAINTENANCE_RUNNING"
    local handle = who.world.handle
    who.world.handle = function(request)
      if who.world.now > since + 45 and not one.job then one.state = "CREATED" end
      return handle(request)
    end
    local report, status = enable(who)
    test.equal({ choice, status, report.error }, { choice, 0 })
    test.truthy(who.sent >= 2)
  end
end

test["a cluster that is revoked is not enabled"] = function()
  local who = prepared()
  enable(who)
  local one = cluster(who)
  for _, info in ipairs(one.cmek.region_infos) do info.status, info.key_infos[1].status = "REVOKED", "REVOKED" end
  one.cmek.status = "REVOKED"
  local sent = who.sent
  local report, status = enable(who)
  test.equal({ status, who.sent, report.steps[1].action }, { 1, sent, "refuse" })
  test.contains(report.steps[1].reason, "revoked")
end
