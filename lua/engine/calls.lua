--- The services as a recipe calls them. Each call is known by the API's operations: writes are steps of the plan and count as
--- something made, and a kind of the recipe's own calls what its `actions` name and nothing else.
local copy = require "engine.copy"
local door = require "door"
local sorted = require "sorted"
local steps = require "engine.step"
local unknown = require "unknown"

local M = {}

-- Functions that are not named after the one operation that they call.
local OPERATIONS <const> = {
  cloud = { organization = { "GetOrganization" }, clusters = { "ListClusters" }, cluster = { "GetCluster" },
    find_cluster = { "ListClusters", "GetCluster" }, cmek = { "GetCMEKClusterInfo" }, enable_cmek = { "EnableCMEKSpec" },
    revoke_cmek = { "UpdateCMEKStatus" }, update_cmek = { "UpdateCMEKSpec" } },
  iam = { find_role = { "GetRole" } },
  kms = { find_alias = { "ListAliases" }, find_key = { "DescribeKey" } },
  vault = { read = { "ReadMount" } },   -- of any path: the door judges each
}
local STRENGTH <const> = { read = 0, session = 1, write = 2, deletion = 3, irreversible = 4 }
local REASONS <const> = {
  write = "called by the recipe itself, at every run", irreversible = "called by the recipe itself, and cannot be taken back",
  deletion = "a run deletes nothing: what a kind of the recipe's own makes, its delete takes back (cmek destroy)",
}

--- The API's operations behind a function of a service.
---@param service string
---@param name string  "tag_resource"
---@return string[]
function M.operations(service, name)
  local known = (OPERATIONS[service] or {})[name]
  return known or { (("_" .. name):gsub("_(%l)", string.upper):gsub("_", "")) }
end

--- What a call does: the strongest effect of its operations.
---@return "read"|"session"|"write"|"deletion"|"irreversible"
function M.effect(service, name, parameters)
  local dry_run = type(parameters) == "table" and rawget(parameters, "DryRun") == true
  local strongest = "read"
  for _, operation in ipairs(M.operations(service, name)) do
    local effect = door.effect(service, operation, dry_run)
    if STRENGTH[effect] > STRENGTH[strongest] then strongest = effect end
  end
  return strongest
end

-- What is not there yet ------------------------------------------------------------------------------------------------

local NotYet = { __name = "engine.NotYet" }
function NotYet:__tostring() return self.message end

--- Whether this was raised because a call needs what only the run can tell.
function M.is_not_yet(raised) return getmetatable(raised) == NotYet end

local function refuse_unknown(call)
  if not unknown.has(call.parameters) then return end
  error(setmetatable({ message = ("%s: it is asked about what is not known before run: %s"):format(call.name,
    require("json").encode(unknown.show(call.parameters))) }, NotYet), 0)
end

-- What a kind may do ---------------------------------------------------------------------------------------------------

--- Whose functions run in the calling task: a kind of the recipe's own, or nobody's.
---@param context engine.Context
---@return { kind: string, actions: table<string, table<string, true>>, writes: boolean, doing: string }?
function M.scope(context) return context.scopes[coroutine.running()] end

--- Calls fn with a scope, in this task.
---@param context engine.Context
---@param scope table?
---@param fn function
function M.within(context, scope, fn, ...)
  local thread = coroutine.running()
  local outer = context.scopes[thread]
  context.scopes[thread] = scope
  local stops = context.located and context.located.stops
  local results = table.pack(xpcall(fn, function(raised)
    local told = require("located").of(raised, context.located)
    if stops then stops:look(raised, told) end
    return told
  end, ...))
  context.scopes[thread] = outer
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

local function check_scope(scope, call)
  for _, operation in ipairs(call.operations) do
    if not (scope.actions[call.service] or {})[operation] then
      local named = {}
      for name in sorted(scope.actions[call.service] or {}) do named[#named + 1] = name end
      local near = require("ui.near").near(operation, named)[1]
      error(("kind '%s' calls %s, and its actions do not name %s%s"):format(scope.kind, call.name, operation,
        near and ("; did you mean '%s'?"):format(near) or (": actions = { %s = { \"%s\", … } }"):format(call.service, operation)), 0)
    end
  end
  local read = call.effect ~= "read" and require("aws.any").meant_read(call.service, call.operations[1])
  if read then
    error(("kind '%s': %s has no operation '%s' that cmek knows to read; did you mean '%s'?"):format(scope.kind, call.service, call.operations[1],
      read), 0)
  end
  if call.effect ~= "read" and not scope.writes then
    error(("kind '%s': %s calls %s, which changes something: only create, update and delete may"):format(scope.kind, scope.doing, call.name), 0)
  end
  if call.effect == "deletion" and scope.doing ~= "delete" then
    error(("kind '%s': %s calls %s, which deletes: only delete may, for cmek destroy"):format(scope.kind, scope.doing, call.name), 0)
  end
end

-- Writes of the recipe itself ------------------------------------------------------------------------------------------

local TARGETS <const> = { "KeyId", "TargetKeyId", "AliasName", "RoleName", "PolicyArn", "TopicArn", "ResourceArn", "Name" }

-- What a call is about, for people.
local function target(parameters)
  if type(parameters) == "string" then return " " .. parameters end
  for _, name in ipairs(TARGETS) do
    if type(parameters) == "table" and parameters[name] ~= nil then return " " .. tostring(unknown.text(parameters[name])) end
  end
  return ""
end

-- The nth such call of this pass: what it is about may not be known in the plan, so it is counted.
local function key_of(engine, service, operation, region)
  local counted, thread = engine.counted, coroutine.running()
  local key = ("call %s %s %s"):format(region or "", service, operation)
  local last = counted[thread]
  if engine.repeated[thread] and last and last.key == key then return last.whole end   -- the same call, anew
  counted[key] = (counted[key] or 0) + 1
  counted[thread] = { key = key, whole = ("%s %d"):format(key, counted[key]) }
  return counted[thread].whole
end

local ABOUT_CHANGE <const> = "called by the recipe itself, when a run has made or changed something"

-- What an earlier process of this run did of a call that cannot be made twice; nil when it may be made.
local function earlier(engine, call)
  engine.sent = engine.sent or require("engine.sent").before(engine.options and engine.options.entries)
  return not call.safe and engine.sent[call.key] or nil
end

local CLI <const> = { monitoring = "cloudwatch", states = "stepfunctions", tagging = "resourcegroupstaggingapi" }

-- The AWS CLI's command for a call; nil where it cannot be said so.
local function by_hand(call)
  if call.service == "cloud" or call.service == "vault" or unknown.has(call.parameters) then return nil end
  local parameters = {}
  for name, value in sorted(call.parameters) do
    if name ~= "region" and not name:find "^%u%w*$" then return nil end   -- written as the protocol has it
    if name ~= "region" then parameters[name] = value end
  end
  local ok, text = pcall(require("json").encode, parameters)   -- a secret is not written
  local operation = call.operation:gsub("(%l)(%u)", "%1-%2"):lower()
  return ok and ("do it by hand: aws %s %s --region %s --cli-input-json %s"):format(CLI[call.service] or call.service, operation,
    call.region or "us-east-1", require("quote")(text)) or nil
end

-- The step of a call that an earlier process made, or may have made: it is not made again.
local function kept(engine, call, before)
  local at = before.at and " at " .. require("time").text(before.at) or ""
  local reason = before.done and ("an earlier process of this run called it%s"):format(at)
    or ("an earlier process of this run sent it%s and got no answer: whether it was done is not known, so it is not sent again"):format(at)
  if not before.done then
    local again = engine.in_change and by_hand(call) or not engine.in_change and "a new run sends it: " .. require("engine.mend").cmek(engine, "run")
    engine.context:warn(("%s: %s. If it was not, %s"):format(unknown.show(call.title), reason, again or "do it by hand"), call.region)
  end
  local step = steps.new(engine, call.key, { kind = "call", name = unknown.show(call.title), region = call.region, action = "none",
    reason = reason, about = call.title, kept = unknown.thing(("answer of %s, which an earlier process of this run had"):format(call.operation)) })
  engine.listener { kind = "planned", step = require("engine.report").step(step) }
  return step.kept
end

local function in_plan(engine, call)
  local before = earlier(engine, call)
  if before then return kept(engine, call, before) end
  local step = steps.new(engine, call.key, { kind = "call", name = unknown.show(call.title), region = call.region,
    action = call.effect == "deletion" and "refuse" or "change",
    reason = call.effect == "write" and engine.in_change and ABOUT_CHANGE or REASONS[call.effect] or REASONS.write,
    irreversible = call.effect == "irreversible" or nil, cluster = call.cluster, about = call.title, parameters = call.parameters })
  engine.listener { kind = "planned", step = require("engine.report").step(step) }
  return unknown.thing("answer of " .. call.operation)
end

local function in_do(engine, call)
  local step = engine.by_key[call.key] or steps.unplanned(call.title)
  if step.about ~= call.title and not unknown.has(step.about) then steps.unplanned(call.title) end
  if step.kept then
    step.result = "done"
    return step.kept
  end
  if not engine.repeated[coroutine.running()] then require("engine.seen").hold(engine, call.title, step.parameters, call.parameters) end
  step.name = unknown.show(call.title)   -- what the plan could not know
  local send = call.send
  if not call.safe then send = function() return require("engine.sent").noted(engine.context, call.key, call.send) end end
  return steps.carry_out(engine, step, function() return engine.context:write(send) end)
end

local function in_verify(engine, call)
  engine:found { id = "call", severity = "unknown", object = call.title, region = call.region,
    have = "the recipe calls it at every run, so it cannot be said whether it is still so" }
  return unknown.thing("answer of " .. call.operation)
end

local function in_destroy(engine, call)
  engine.context:warn(("the recipe itself calls %s at every run: what that has done is not taken back"):format(unknown.show(call.title)), call.region)
  return unknown.thing("answer of " .. call.operation)
end

local PASSES <const> = { plan = in_plan, ["do"] = in_do, verify = in_verify, destroy = in_destroy }

local function direct(engine, call)
  local operation = table.concat(call.operations, " ")
  local parameters = call.parameters
  call.region = call.region or type(parameters) == "table" and type(parameters.region) == "string" and parameters.region or nil
  call.key, call.operation = key_of(engine, call.service, operation, call.region), operation
  call.title = ("%s %s%s"):format(call.service, operation, call.way or target(parameters))
  if call.effect == "irreversible" and call.service == "cloud" and type(parameters) == "string" then call.cluster = { id = parameters } end
  return PASSES[engine.phase](engine, call)
end

-- One call, judged: who may make it, when, and what stands for its answer where it is not made.
local function make(engine, call)
  local scope, reads = M.scope(engine.context), call.effect == "read"
  if scope then check_scope(scope, call) end
  if engine.phase == "destroy" and not scope and reads and unknown.has(call.parameters) then return unknown.thing("answer of " .. call.short) end
  local sent = reads or (scope or engine.phase == "do") and not engine.rehearsal
  if sent then refuse_unknown(call) end
  if reads then return call.send() end
  require("engine.policy.guard").call(call.service, call.short, call.parameters)
  if scope then return engine.context:write(call.send) end
  return direct(engine, call)
end

-- What is judged is what is sent: a table that answers otherwise when it is asked again is no data.
local function data(name, value)
  if type(value) ~= "table" or unknown.is(value) then return value end
  return copy.plain(value, function() error(name .. " takes data, no functions", 0) end)
end

local LISTED <const> = { iam = "aws.iam", kms = "aws.kms" }

-- Whether a call may be made again when nobody knows whether it was done: what the services' own tables do not say so of may not.
local function harmless(service, operations)
  local known = LISTED[service] and require(LISTED[service]).OPERATIONS
  for _, operation in ipairs(known and operations or {}) do
    if not (known[operation] and (known[operation].safe or known[operation].list)) then return false end
  end
  return true   -- those of the Cloud and of Vault are judged by their clients
end

local function wrapped(engine, service, name, fn)
  local operations = M.operations(service, name)
  return function(parameters, ...)
    local more = table.pack(...)
    parameters = data(service .. "." .. name, parameters)
    return make(engine, { service = service, short = name, name = service .. "." .. name, operations = operations,
      safe = harmless(service, operations),
      effect = M.effect(service, name, parameters), parameters = parameters,
      send = function() return fn(parameters, table.unpack(more, 1, more.n)) end })
  end
end

-- "CreateTopic" is create_topic, which is how the guard knows policies that are put.
local function function_name(operation) return (operation:gsub("(%l)(%u)", "%1_%2"):lower()) end

--- Any service of AWS for a recipe: aws.call { … }, of services that it touches.
---@param engine table
---@return { call: fun(request: table): table }
function M.any(engine)
  local session = engine.session
  return { call = function(request)
    request = data("aws.call", request)
    require("aws.any").check(request, session.endpoints)
    local service, operation, parameters = request.service, request.operation, request.parameters or {}
    if not engine.touched[service] then
      error(("aws.call: %s is called, and touches does not name it: touches = { %s }"):format(service,
        '"' .. table.concat(engine.recipe.touches, '", "') .. ('", "%s"'):format(service)), 0)
    end
    local way = request.method and (" %s %s"):format(request.method, unknown.text(request.path))   -- by REST the operation is a word of the recipe's
    return make(engine, { service = service, way = way, short = function_name(operation), name = ("aws.call %s %s"):format(service, operation),
      operations = { operation }, effect = door.effect(service, operation, parameters.DryRun == true), parameters = parameters,
      safe = request.safe or false, region = request.region, send = function() return session.aws.call(request) end })
  end }
end

--- A service for a recipe.
---@param engine table
---@param service string
---@param functions table<string, function>
---@return table<string, function>
function M.service(engine, service, functions)
  return setmetatable({}, { __index = function(known, name)
    local fn = functions[name]
    if type(fn) ~= "function" then return fn end
    known[name] = wrapped(engine, service, name, fn)
    return known[name]
  end })
end

--- Task functions for a recipe: what a kind may do holds in the tasks that it starts as well.
---@param context engine.Context
---@return { map: function, all: function }
function M.tasks(context)
  local tasks = context.tasks
  local function inherited(fn)
    local scope = M.scope(context)
    if context.located.stops then fn = context.located.stops:inherited(fn) end
    local function located(...) return require("located").call(context.located, fn, ...) end
    if not scope then return located end
    return function(...) return M.within(context, scope, located, ...) end
  end
  return {
    map = function(list, fn)
      if type(list) ~= "table" or type(fn) ~= "function" then
        error(("task.map: it wants a list and a function, got %s and %s"):format(type(list), type(fn)), 0)
      end
      return tasks.map(list, inherited(fn))
    end,
    all = function(list)
      if type(list) ~= "table" then error(("task.all: it wants a list of functions, got %s"):format(type(list)), 0) end
      local functions = {}
      for i, fn in sorted(list) do functions[i] = inherited(fn) end
      return tasks.all(functions)
    end,
  }
end

return M
