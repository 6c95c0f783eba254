-- Whose a key is: lost answers, races, crashes and resuming, on services that are tables.
local fakes = dofile "tests/fakes.lua"
local json = require "json"
local names = require "names"

local function alias(world) return names.alias(world.clusters[1]) end

--- A world with one region, so that a history is short.
local function small(options)
  local world = fakes.world(options)
  world.clusters[1].regions = { { name = "us-east-1" } }
  return world
end

local function keys(world)
  local list = {}
  for _, id in ipairs(world.kms["us-east-1"].order) do list[#list + 1] = world.kms["us-east-1"].keys[id] end
  return list
end

local function tag(key, name)
  for _, entry in ipairs(key.tags) do
    if entry.TagKey == name then return entry.TagValue end
  end
end

--- One live key that holds the alias; every other one is disabled, tagged, and named in the journal.
local function one_claimed_key(world)
  local holder = world.kms["us-east-1"].aliases[alias(world)]
  test.truthy(holder, "no key holds the alias")
  local quarantined = {}
  for _, line in ipairs(world.journal) do
    if line.kind == "attempt-end" and line.result == "lost-race" then quarantined[line.key] = true end
  end
  for _, key in ipairs(keys(world)) do
    if key.id == holder then
      test.equal(key.metadata.KeyState, "Enabled")
      test.equal(tag(key, "cmek:state"), nil)
    else
      test.equal({ key.metadata.KeyState, tag(key, "cmek:state") }, { "Disabled", "lost-race" })
      test.truthy(quarantined[key.metadata.Arn], "not named in the journal: " .. key.metadata.Arn)
    end
  end
end

--- A fault of the nth call of an operation.
local function at(operation, n, what)
  local count = 0
  return function(call)
    if call.operation ~= operation then return nil end
    count = count + 1
    return count == n and what or nil
  end
end

test["a CreateKey whose answer was lost is looked for and not repeated"] = function()
  local world = small()
  world.fault = at("create_key", 1, "lose answer")
  local report, status = fakes.run(world, "console")
  test.equal({ status, report.error }, { 0 })
  test.equal({ #keys(world), fakes.count(world, "create_key") }, { 1, 1 })
  one_claimed_key(world)
end

test["the same when the tag index lags for longer than the search, or may not be asked"] = function()
  for _, options in ipairs { { index_lag = 1e9 }, { denied = true } } do
    local world = small(options)
    local lose = at("create_key", 1, "lose answer")
    world.fault = function(call)
      if world.denied and call.operation == "get_resources" then return { code = "AccessDeniedException" } end
      return lose(call)
    end
    local _, status = fakes.run(world, "console")
    test.equal({ status, #keys(world) }, { 0, 1 })
  end
end

test["a CreateKey that never arrived is made again only when the lag is over, with an attempt of its own"] = function()
  local world = small()
  world.fault = at("create_key", 1, "lose request")
  local before = world.now
  local _, status = fakes.run(world, "console")
  test.equal({ status, #keys(world), fakes.count(world, "create_key") }, { 0, 1, 2 })
  test.truthy(world.now - before > 300)
  one_claimed_key(world)
end

test["a key whose tags may not be read is no evidence that there is none"] = function()
  local world = small()
  local lose = at("create_key", 1, "lose answer")
  world.fault = function(call)
    if call.operation == "get_resources" or call.operation == "list_resource_tags" then return { code = "AccessDeniedException" } end
    return lose(call)
  end
  local report, status = fakes.run(world, "console")
  test.equal({ status, report.run.status, fakes.count(world, "create_key") }, { 5, "unfinished", 1 })
  test.contains(report.error.message, "may not be read")
end

test["an alias whose answer was lost is asked for again, and is ours"] = function()
  for _, what in ipairs { "lose answer", "lose request" } do
    local world = small()
    world.fault = at("create_alias", 1, what)
    local _, status = fakes.run(world, "console")
    test.equal({ status, #keys(world) }, { 0, 1 })
    one_claimed_key(world)
  end
end

test["the key that came too late is tagged, disabled and reported, and the winner is handed over"] = function()
  local world = small()
  local winner
  world.fault = function(call)
    if call.operation == "create_alias" and not winner then   -- another operator is faster
      local region = world.kms["us-east-1"]
      winner = json.decode(json.encode(keys(world)[1]))
      winner.id, winner.metadata.KeyId = "99999999-2222-4333-8444-000000000001", "99999999-2222-4333-8444-000000000001"
      winner.metadata.Arn = winner.metadata.Arn:gsub("[^/]+$", winner.id)
      for _, entry in ipairs(winner.tags) do
        if entry.TagKey == "cmek:attempt" then entry.TagValue = "of another operator" end
      end
      region.keys[winner.id], region.order[#region.order + 1] = winner, winner.id
      region.aliases[alias(world)] = winner.id
    end
  end
  local report, status = fakes.run(world, "console")
  test.equal({ status, report.error }, { 0 })
  one_claimed_key(world)
  test.equal(report.handover.region_specs[1].key_spec.uri, winner.metadata.Arn)
  test.equal(report.set_aside[1].arn, keys(world)[1].metadata.Arn)
  test.contains(report.warnings[1].text, "used by nothing")
end

test["an alias that points to a stranger's key is left alone, and so is our key"] = function()
  local world = small()
  world.fault = function(call)
    if call.operation == "create_alias" then
      local region = world.kms["us-east-1"]
      local stranger = { id = "s", tags = {}, policy = keys(world)[1].policy, rotation = {},
        metadata = { KeyId = "s", Arn = "arn:aws:kms:us-east-1:1:key/s", KeyState = "Enabled", CreationDate = 0 } }
      region.keys.s, region.order[#region.order + 1] = stranger, "s"
      region.aliases[alias(world)] = "s"
    end
  end
  local report, status = fakes.run(world, "console")
  test.equal({ status, report.run.status }, { 5, "unfinished" })
  test.contains(report.error.message, "not made by cmek")
  test.equal(keys(world)[1].metadata.KeyState, "Enabled")
  test.equal(report.error.made[2].arn, keys(world)[1].metadata.Arn)
end

--- Runs until an operation is called, and drops everything before or after it has acted: what a crash leaves.
local function crash(world, operation, when)
  world.fault = at(operation, 1, "crash " .. when)
  fakes.run(world, "console")
  world.fault = nil
  test.equal(fakes.count(world, operation), 1)
end

local function resume(world)
  local entries = {}
  for i, line in ipairs(world.journal) do entries[i] = line end
  return fakes.run(world, "console", { entries = entries })
end

test["after a crash at CreateKey, resume adopts the key that the attempt made"] = function()
  local world = small()
  crash(world, "create_key", "after")
  test.equal({ #keys(world), next(world.kms["us-east-1"].aliases) }, { 1 })
  local report, status = resume(world)
  test.equal({ status, report.error }, { 0 })
  test.equal(#keys(world), 1)
  one_claimed_key(world)
end

test["after a crash before CreateKey, resume waits until the attempt cannot have made one, then makes it"] = function()
  local world = small()
  crash(world, "create_key", "before")
  local made = world.kms["us-east-1"] and #keys(world) or 0
  test.equal(made, 0)
  local _, status = resume(world)
  test.equal({ status, #keys(world) }, { 0, 1 })
  one_claimed_key(world)
end

test["after a crash before CreateKey was in the journal, nothing has left, and resume makes the key at once"] = function()
  for when, least in pairs { unsent = 0, before = 290 } do
    local world = small()
    crash(world, "create_key", when)
    local begun = world.now
    local _, status = resume(world)
    test.equal({ when, status, #keys(world) }, { when, 0, 1 })
    test.equal({ when, world.now - begun > least, world.now - begun < least + 60 }, { when, true, true })
    one_claimed_key(world)
  end
end

test["after a crash at CreateAlias, resume finds nothing to make"] = function()
  local world = small()
  crash(world, "create_alias", "after")
  local _, status = resume(world)
  test.equal({ status, #keys(world) }, { 0, 1 })
  one_claimed_key(world)
end

test["resume sets the key of an attempt aside when another run, which did not see it, has the alias by then"] = function()
  local world = small { index_lag = 1e9 }
  crash(world, "create_key", "after")
  local first = keys(world)[1]
  local journal = world.journal
  world.journal = {}
  fakes.run(world, "console", { run_id = "run-2" })
  test.equal(#keys(world), 2)
  world.journal = journal
  local report, status = resume(world)
  test.equal({ status, report.error }, { 0 })
  test.equal({ first.metadata.KeyState, report.set_aside[1].arn }, { "Disabled", first.metadata.Arn })
  one_claimed_key(world)
end

test["a plan goes on with the oldest key that a dead run has made, and tells of others, and which run to resume"] = function()
  local world = small { index_lag = 1e9 }
  crash(world, "create_key", "after")
  world.journal = {}
  crash(world, "create_alias", "before")
  local first, second = table.unpack(keys(world))
  world.index_lag = 0
  local plan = fakes.run(world, "console", { mode = "plan", run_id = "run-3" })
  test.equal({ plan.steps[2].action, plan.steps[2].differences[1] }, { "change", { field = "alias", have = json.null, want = alias(world) } })
  test.contains(plan.steps[2].reason, first.metadata.Arn .. " was made by run run-1")
  test.contains(plan.warnings[1].text, second.metadata.Arn .. " was made for this cluster by run run-1, has no alias")
  test.contains(plan.warnings[1].text, "cmek resume run-1")
  test.equal(#plan.warnings, 1)
  resume(world)
  test.equal(#fakes.run(world, "console", { mode = "plan" }).warnings, 0)
end

test["a key that the Cloud names is never disabled"] = function()
  local world = small { index_lag = 1e9 }
  crash(world, "create_key", "after")
  local first = keys(world)[1]
  local journal = world.journal
  world.journal = {}
  fakes.run(world, "console", { run_id = "run-2" })
  world.journal = journal
  world.cmek[fakes.CLUSTER] = { done = 0, fail = "gone", specs = { { region = "us-east-1",
    key_spec = { uri = first.metadata.Arn, auth_principal = "r" } } } }
  resume(world)
  test.equal(first.metadata.KeyState, "Enabled")
end

test["a CreateRole whose answer was lost makes one role"] = function()
  for _, what in ipairs { "lose answer", "lose request" } do
    local world = small()
    world.fault = at("create_role", 1, what)
    local _, status = fakes.run(world, "console")
    test.equal({ status, world.role_count }, { 0, 1 })
  end
end
