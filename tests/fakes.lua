-- Services as tables, and a door whose clock moves only when every task sleeps: for sentences about the engine.
local json = require "json"
local refusal = require "refusal"
local task = require "task"

local M = {}

M.ACCOUNT, M.CLOUD_ACCOUNT, M.OTHER_ACCOUNT = "210987654321", "998877665544", "345678901234"
M.ORGANIZATION = "0f4be3a2-6a1c-4d5e-9b7f-2c8d1e6a7f90"
M.CLUSTER = "8b6d7a10-4c1e-4b7a-9a53-0f2c6e9d41b7"

-- A door with a clock of its own ---------------------------------------------------------------------------------------

local function new_door(world)
  local sleepers, numbered = {}, 0
  local door = { http = {}, clock = {} }
  function door.clock.now() return world.now end
  function door.clock.uuid()
    world.uuids = world.uuids + 1
    return ("00000000-0000-4000-8000-%012d"):format(world.uuids)
  end
  function door.clock.sleep(seconds)
    numbered = numbered + 1
    table.insert(sleepers, { due = world.now + seconds, number = numbered, thread = coroutine.running() })
    coroutine.yield()
  end
  function door.http.wait()
    table.sort(sleepers, function(a, b)
      if a.due ~= b.due then return a.due < b.due end
      return a.number < b.number
    end)
    local first = table.remove(sleepers, 1)
    if not first then return nil end
    world.now = math.max(world.now, first.due)
    return first.thread
  end
  function door.note(_, entry) entry.time = world.now table.insert(world.journal, entry) end
  function door.touches(_, services) world.touches = services end
  function door.region(_, name) world.regions[name] = true end
  function door.stopping(_) return world.signal end
  return door
end

-- What the fakes say -----------------------------------------------------------------------------------------------------

local function refuse(call, code, message, status)
  refusal.raise { service = call.service, operation = call.operation, region = call.region, code = code, message = message or code,
    status = status or 400, kind = "refused", request_id = "r-" .. call.number }
end

local function deep(value)
  if type(value) ~= "table" then return value end
  local copy = setmetatable({}, getmetatable(value))
  for key, member in pairs(value) do copy[key] = deep(member) end
  return copy
end

local function rfc3339(now) return os.date("!%Y-%m-%dT%H:%M:%SZ", math.floor(now)) end

-- IAM ----------------------------------------------------------------------------------------------------------------------

local iam = {}

function iam.find_role(world, _, p) return deep(world.roles[p.RoleName]) end

function iam.create_role(world, call, p)
  if world.roles[p.RoleName] then refuse(call, "EntityAlreadyExists", nil, 409) end
  world.role_count = world.role_count + 1
  local role = { RoleName = p.RoleName, Path = "/", RoleId = ("AROAFAKE%012d"):format(world.role_count), Tags = deep(p.Tags),
    Arn = ("arn:aws:iam::%s:role/%s"):format(M.ACCOUNT, p.RoleName), CreateDate = rfc3339(world.now), made = world.now,
    AssumeRolePolicyDocument = p.AssumeRolePolicyDocument, attached = {} }
  world.roles[p.RoleName] = role
  return { Role = deep(role) }
end

function iam.update_assume_role_policy(world, call, p)
  local role = world.roles[p.RoleName] or refuse(call, "NoSuchEntity", nil, 404)
  role.AssumeRolePolicyDocument = p.PolicyDocument
  return {}
end

function iam.tag_role(world, call, p)
  local role = world.roles[p.RoleName] or refuse(call, "NoSuchEntity", nil, 404)
  for _, tag in ipairs(p.Tags) do table.insert(role.Tags, deep(tag)) end
  return {}
end

function iam.list_attached_role_policies(world, call, p)
  local role = world.roles[p.RoleName] or refuse(call, "NoSuchEntity", nil, 404)
  return { AttachedPolicies = deep(role.attached) }
end

function iam.list_role_policies(world, call, p)
  if not world.roles[p.RoleName] then refuse(call, "NoSuchEntity", nil, 404) end
  return { PolicyNames = {} }
end

-- What is attached to whoever calls may not be read here.
for _, operation in ipairs { "get_user", "list_user_policies", "list_attached_user_policies", "list_groups_for_user" } do
  iam[operation] = function(_, call) refuse(call, "AccessDenied", nil, 403) end
end

function iam.simulate_principal_policy(world, call, p)
  if not world.simulated then refuse(call, "AccessDenied", nil, 403) end
  local results = {}
  for i, action in ipairs(p.ActionNames) do results[i] = { EvalActionName = action, EvalDecision = world.simulated[action] or "allowed" } end
  return { EvaluationResults = results }
end

-- KMS ----------------------------------------------------------------------------------------------------------------------

local kms = {}

local function region_of(world, call)
  world.kms[call.region] = world.kms[call.region] or { keys = {}, aliases = {}, order = {} }
  return world.kms[call.region]
end

local function key_of(world, call, p)
  local region = region_of(world, call)
  local key = region.keys[p.KeyId:match "[^/]+$"]
  return key or refuse(call, "NotFoundException", ("Key '%s' does not exist"):format(p.KeyId))
end

local function check_principals(world, call, text)
  for name in text:gmatch ":role/([%w_-]+)" do
    local role = world.roles[name]
    if not role or world.now - role.made < world.propagation then
      refuse(call, "MalformedPolicyDocumentException", "Policy contains a statement with one or more invalid principals.")
    end
  end
end

function kms.create_key(world, call, p)
  check_principals(world, call, p.Policy)
  local region = region_of(world, call)
  world.key_count = world.key_count + 1
  local id = ("11111111-2222-4333-8444-%012d"):format(world.key_count)
  local key = { id = id, policy = p.Policy, tags = deep(p.Tags), rotation = { KeyRotationEnabled = false }, metadata = {
    KeyId = id, Arn = ("arn:aws:kms:%s:%s:key/%s"):format(call.region, M.ACCOUNT, id), KeyState = "Enabled", KeyManager = "CUSTOMER",
    KeySpec = p.KeySpec, KeyUsage = p.KeyUsage, Origin = p.Origin, Description = p.Description, CreationDate = world.now } }
  region.keys[id] = key
  table.insert(region.order, id)
  return { KeyMetadata = deep(key.metadata) }
end

function kms.list_keys(world, call)
  local list = {}
  for i, id in ipairs(region_of(world, call).order) do list[i] = { KeyId = id, KeyArn = region_of(world, call).keys[id].metadata.Arn } end
  return { Keys = list }
end

local function aliases(world, call)
  local list = {}
  for name, id in require("sorted")(region_of(world, call).aliases) do list[#list + 1] = { AliasName = name, TargetKeyId = id } end
  return list
end

function kms.list_aliases(world, call) return { Aliases = aliases(world, call) } end

function kms.find_alias(world, call, p)
  for _, entry in ipairs(aliases(world, call)) do
    if entry.AliasName == p.name then return entry end
  end
end

function kms.create_alias(world, call, p)
  local region = region_of(world, call)
  key_of(world, call, { KeyId = p.TargetKeyId })
  if region.aliases[p.AliasName] then refuse(call, "AlreadyExistsException") end
  region.aliases[p.AliasName] = p.TargetKeyId
  return {}
end

function kms.describe_key(world, call, p) return { KeyMetadata = deep(key_of(world, call, p).metadata) } end
function kms.get_key_policy(world, call, p) return { Policy = key_of(world, call, p).policy } end
function kms.list_resource_tags(world, call, p) return { Tags = deep(key_of(world, call, p).tags) } end
function kms.get_key_rotation_status(world, call, p) return deep(key_of(world, call, p).rotation) end

function kms.put_key_policy(world, call, p)
  local key = key_of(world, call, p)
  check_principals(world, call, p.Policy)
  key.policy = p.Policy
  return {}
end

function kms.enable_key_rotation(world, call, p)
  key_of(world, call, p).rotation = { KeyRotationEnabled = true, RotationPeriodInDays = p.RotationPeriodInDays }
  return {}
end

function kms.tag_resource(world, call, p)
  local key = key_of(world, call, p)
  for _, tag in ipairs(p.Tags) do
    for i = #key.tags, 1, -1 do
      if key.tags[i].TagKey == tag.TagKey then table.remove(key.tags, i) end
    end
    table.insert(key.tags, deep(tag))
  end
  return {}
end

function kms.untag_resource(world, call, p)
  local key = key_of(world, call, p)
  for i = #key.tags, 1, -1 do
    for _, name in ipairs(p.TagKeys) do
      if key.tags[i].TagKey == name then
        table.remove(key.tags, i)
        break
      end
    end
  end
  return {}
end

function kms.disable_key(world, call, p)
  key_of(world, call, p).metadata.KeyState = "Disabled"
  return {}
end

-- Tagging --------------------------------------------------------------------------------------------------------------------

local tagging = {}

function tagging.get_resources(world, call, p)
  local list = {}
  for _, id in ipairs(region_of(world, call).order) do
    local key, values, tags = region_of(world, call).keys[id], {}, {}
    for i, tag in ipairs(key.tags) do values[tag.TagKey], tags[i] = tag.TagValue, { Key = tag.TagKey, Value = tag.TagValue } end
    local fits = world.now - key.metadata.CreationDate >= world.index_lag
    for _, filter in ipairs(p.TagFilters) do fits = fits and values[filter.Key] == filter.Values[1] end
    if fits then list[#list + 1] = { ResourceARN = key.metadata.Arn, Tags = tags } end
  end
  return { ResourceTagMappingList = list }
end

-- Cloud ----------------------------------------------------------------------------------------------------------------------

local cloud = {}

function cloud.organization() return { id = M.ORGANIZATION, label = "exco", name = "Example Co" } end

function cloud.find_cluster(world, call, text)
  for _, cluster in ipairs(world.clusters) do
    if cluster.name == text or cluster.id == text then return deep(cluster) end
  end
  return refuse(call, "NOT_FOUND", ("there is no cluster '%s'"):format(text), 404)
end

function cloud.cluster(world, call, id) return cloud.find_cluster(world, call, id) end

-- The keys of a cluster, as they are at this moment.
function cloud.cmek(world, _, id)
  local record = world.cmek[id]
  if not record then return { status = "DISABLED", region_infos = {} } end
  if record.info then return deep(record.info) end
  local infos, status = {}, world.now >= record.done and (record.fail and "ENABLE_FAILED" or "ENABLED") or "ENABLING"
  for i, spec in ipairs(record.specs) do
    local key = { status = status, user_message = status == "ENABLE_FAILED" and record.fail or "", spec = deep(spec.key_spec),
      updated_at = tostring(record.done) }
    infos[i] = { region = spec.region, status = status, key_infos = { key } }
  end
  return { status = status, region_infos = infos }
end

function cloud.enable_cmek(world, call, id, specs)
  local problem = world.on_enable and world.on_enable(specs)
  if problem then refuse(call, problem.code, problem.message, problem.status) end
  local old = world.cmek[id]
  if old and not old.fail then refuse(call, "FAILED_PRECONDITION", "failed precondition: CMEK is already enabled", 400) end
  world.cmek[id] = { specs = deep(specs), done = world.now + 5, fail = world.enable_fails }
  return cloud.cmek(world, call, id)
end

M.operations = { iam = iam, kms = kms, tagging = tagging, cloud = cloud }

-- The world ------------------------------------------------------------------------------------------------------------------

-- Every operation takes 50 ms there and 50 ms back; world.fault may change what becomes of it.
local function service(world, name, operations)
  return setmetatable({}, { __index = function(_, operation)
    local fn = operations[operation] or error(("fakes: no %s.%s"):format(name, operation), 2)
    return function(parameters, ...)
      local region = type(parameters) == "table" and parameters.region or nil
      world.numbered = world.numbered + 1
      local call = { service = name, operation = operation, region = region, number = world.numbered, at = world.now }
      table.insert(world.calls, call)
      local what = world.fault and world.fault(call, parameters) or nil
      if what == "crash unsent" then error("crashed", 0) end
      if operation == "create_key" then   -- as the door does it, before the request leaves
        table.insert(world.journal, { kind = "request", effect = "write", operation = "CreateKey", region = region, request = call.number,
          time = world.now })
      end
      world.tasks.sleep(0.05)
      if what == "crash before" then error("crashed", 0) end
      if what == "lose request" then
        world.tasks.sleep(0.05)
        refusal.raise { service = name, operation = operation, region = region, kind = "lost", message = "the connection was closed" }
      elseif type(what) == "table" then
        refusal.raise { service = name, operation = operation, region = region, kind = what.kind or "refused", code = what.code,
          status = what.status or 400, message = what.message or what.code }
      end
      local answer = table.pack(fn(world, call, parameters, ...))
      if what == "crash after" then error("crashed", 0) end
      world.tasks.sleep(0.05)
      if what == "lose answer" then
        refusal.raise { service = name, operation = operation, region = region, kind = "lost", message = "the connection was closed" }
      end
      return table.unpack(answer, 1, answer.n)
    end
  end })
end

--- A world with one cluster, orders.
---@param options table?  any field of the world
function M.world(options)
  local world = {
    now = 1800000000.0, uuids = 0, numbered = 0, role_count = 0, key_count = 0, propagation = 0, index_lag = 0,
    roles = {}, kms = {}, cmek = {}, journal = {}, calls = {}, regions = {},
    identity = { account = M.ACCOUNT, arn = ("arn:aws:iam::%s:user/operator"):format(M.ACCOUNT), user_id = "AIDAFAKE00000000000001", source = "env" },
    clusters = { {
      id = M.CLUSTER, name = "orders", plan = "ADVANCED", cloud_provider = "AWS", account_id = M.CLOUD_ACCOUNT, state = "CREATED",
      network_visibility = "PRIVATE", regions = { { name = "us-east-1" }, { name = "us-west-2" }, { name = "eu-west-1" } },
    } },
  }
  for name, value in pairs(options or {}) do world[name] = value end
  world.door = new_door(world)
  world.tasks = task.new(world.door)
  world.session = {
    door = world.door, clock = world.door.clock, tasks = world.tasks, partition = "aws", region = "us-east-1",
    iam = service(world, "iam", iam), kms = service(world, "kms", kms), tagging = service(world, "tagging", tagging),
    cloud = service(world, "cloud", cloud),
    identity = function() world.tasks.sleep(0.1) return world.identity end,
  }
  return world
end

--- How often an operation was called.
function M.count(world, operation, region)
  local count = 0
  for _, call in ipairs(world.calls) do
    if call.operation == operation and (region == nil or call.region == region) then count = count + 1 end
  end
  return count
end

--- A stock recipe, or one of a test's own, as the engine takes it.
function M.recipe(source, name)
  local world = { names = require "names" }
  local environment = setmetatable({}, { __index = function(_, key)
    local value = world[key]
    if value == nil then value = _G[key] end
    return value
  end })
  if source:find "^[%w_]+$" then name, source = source, io.open("recipes/" .. source .. ".lua"):read "a" end
  local recipe = assert(load(source, "@" .. (name or "recipe"), "t", environment))()
  recipe.name = name or "mine"
  recipe.bind = function(_, bound)
    for key, value in pairs(bound) do world[key] = value end
  end
  return recipe
end

--- Runs a recipe in a world. Options: mode, arguments, entries, yes (default true), confirm; the rest goes to the engine.
---@return table report, integer status, table engine
function M.run(world, recipe, options)
  options = options or {}
  recipe = type(recipe) == "string" and M.recipe(recipe) or recipe
  local arguments = { cluster = "orders" }
  for _, spec in ipairs(recipe.args or {}) do
    if arguments[spec[1]] == nil then arguments[spec[1]] = spec.default end
  end
  for key, value in pairs(options.arguments or {}) do arguments[key] = value end
  world.events = {}
  local engine = require("engine").new {
    session = world.session, recipe = recipe, arguments = arguments, mode = options.mode or "run", run_id = options.run_id or "run-1",
    entries = options.entries, listener = function(event) table.insert(world.events, event) end,
    confirm_writes = function(question) world.question = question if options.yes == false then return nil, "declined" end return true end,
    confirm_irreversible = function(text, name)
      world.asked = { text = text, name = name }
      if options.confirm ~= name then return nil, ("what was typed is not the cluster's name, '%s'"):format(name) end
      return true
    end,
  }
  local report, status = world.tasks.run(function() return engine:execute() end)
  json.encode(report)   -- every report can be written
  return report, status, engine
end

return M
