--- The world of a recipe, apart from the safe part of Lua: what it says, reads and waits with, and the services it touches.
local calls = require "engine.calls"
local copy = require "engine.copy"
local ensure = require "engine.ensure"
local failure = require "engine.failure"
local names = require "names"
local policies = require "policy"
local unknown = require "unknown"

local M = {}

-- A table that can be read and not changed.
local function closed(functions, behind)
  return setmetatable({}, {
    __index = function(_, name)
      local value = functions[name]
      if value == nil and behind then value = behind[name] end
      return value
    end,
    __newindex = function(_, name) error(("the library is not changed by a recipe (field '%s')"):format(tostring(name)), 2) end,
    __metatable = false,
  })
end

-- Raises unless a value is of a kind, naming what was called.
local function demand(name, value, kind, what)
  if type(value) == kind then return end
  error(("%s: it wants %s, got %s"):format(name, what, value == nil and "nil" or "a " .. type(value)), 0)
end

-- A policy takes no principal of another partition.
local function check_partition(admins, partition)
  for _, name in ipairs(type(admins) == "table" and not unknown.is(admins) and admins or { admins }) do
    local other = type(name) == "string" and name:match "^arn:([^:]+):"
    if other and other ~= partition then
      failure.raise { code = "precondition", what = "making the key policy",
        message = ("%s is of the partition %s, and the credentials are of %s: name an administrator of the same one"):format(name, other, partition) }
    end
  end
end

-- Documents for the account that the credentials are of, unless the recipe names another.
local function documents(engine)
  local function fill(options, fields)
    local filled = {}
    for name, value in pairs(options) do filled[name] = value end   -- order cannot be seen
    if type(filled.account) == "table" then filled.account = filled.account.id end   -- of a layout
    for _, field in ipairs(fields) do
      if filled[field] == nil then
        local identity = engine.spec and require("handover").identity(engine.spec) or engine.context:identity()
        filled[field] = field == "account" and identity.account or identity.arn:match "^arn:([^:]+)"
      end
    end
    return filled
  end
  local function cmek(options)
    demand("policy.cmek", options, "table", "a table { role =, admins = }")
    local filled = fill(options, { "account", "partition" })
    check_partition(filled.admins, filled.partition)
    return policies.cmek(filled)
  end
  return closed({
    cmek = cmek,
    cross_account = function(options)
      demand("policy.cross_account", options, "table", "a table { account_id =, external_id = }")
      return policies.cross_account(fill(options, { "partition" }))
    end,
  }, policies)
end

-- The Cloud's facts are read once for both passes of a run.
local function cloud(engine)
  local context, session = engine.context, engine.session
  return setmetatable({
    organization = function()
      context:begin("organization", function() return session.cloud.organization() end)
      engine.organization = engine.phase == "verify" and require("engine.pass.verify").organization(engine) or context:once "organization"
      return copy.own(engine.organization)
    end,
    find_cluster = function(text) return M.cluster(engine, text) end,
  }, { __index = session.cloud })
end

-- Tells what stands in for the Cloud, and holds what stands in for AWS against the Cloud.
local function held_against_files(engine, cluster)
  local context, facts = engine.context, engine.session.facts
  if facts then context:warn(require("facts").note(facts, context.clock.now())) end
  if not engine.spec or engine.spec.of_this_run then return end
  local organization = context:once("organization", function() return engine.session.cloud.organization() end)
  engine.organization = organization
  require("handover").check(engine.spec, organization, cluster, context)
end

--- A cluster, by name, UUID or console URL; its regions can be talked to from here on.
---@param engine table
---@param text string
---@return table
function M.cluster(engine, text)
  local cluster = engine.context:once("cluster " .. tostring(text), function() return engine.session.cloud.find_cluster(text) end)
  if not engine.cluster then held_against_files(engine, cluster) end
  engine.cluster = engine.cluster or cluster
  engine.context.clusters[cluster.id] = cluster.name
  if cluster.cloud_provider == "AWS" then
    for _, region in ipairs(cluster.regions or {}) do engine.session.door:region(region.name) end
  end
  return copy.own(cluster)
end

local CLUSTER <const> = 'a cluster, as read("cluster", …) gives it'

local function found(engine, kind, what)
  if kind == "cmek" then return engine.context:cmek(what) end
  if kind == "every_key" then return require("engine.key.every_key").read(engine, what) end
  if kind == "rotation" then return require("engine.cluster.rotation").read(engine, what) end
  if kind == "growth" then return require("engine.cluster.growth").of(engine, what) end
  if kind == "in_use" then return require("engine.key.existing").read(engine, what) end
  return ensure.read(engine, kind, what)
end

-- What a recipe is given is its own: it cannot change what the library goes by.
local function handed(engine, value)
  local own = copy.own(value)
  if type(own) == "table" then engine.inspections[own] = engine.inspections[value] end
  return own
end

local function read(engine, kind, what)
  demand("read", kind, "string", "a kind of thing")
  if kind ~= "cluster" then demand("read", what, "table", ("a table of what the %s is"):format(kind)) end
  if kind == "cluster" then return M.cluster(engine, what) end
  return handed(engine, found(engine, kind, what))
end

-- The file of a layout: one that whoever runs the recipe has named, or one that stands beside it. A recipe reads no others.
local function file_of(engine, given)
  local recipe = engine.recipe
  if type(given) ~= "string" or not require("layout").is_file(given) or not recipe.path or recipe.trusted then return given end
  for _, value in pairs(engine.arguments) do   -- order cannot be seen
    if value == given then return given end
  end
  local elsewhere = given:find "^/" or ("/" .. given .. "/"):find("/../", 1, true)
  if recipe.is_file and not elsewhere then return (recipe.path:match "^(.*/)" or "./") .. given:gsub("^%./", "") end
  error(("layout: the file '%s' is no argument of this run, and does not stand beside the recipe"):format(given), 0)
end

-- A layout for a recipe: what makes roles and keys, and nothing of the engine behind it.
local function layout(engine, cluster, given, without)
  demand("layout", cluster, "table", CLUSTER)
  local map = require("engine.cluster.layouts").of(engine, cluster, file_of(engine, given), without)
  return closed {
    roles = function(_, make) return map:roles(function(name, account) return make(name, copy.own(account)) end) end,
    keys = function(_, roles, make) return map:keys(roles, function(key) return make(copy.own(key)) end) end,
  }
end

-- Keys by the role that uses them, in the order of the keys.
local function by_role(role, keys)
  local groups, places = {}, {}
  for _, key in ipairs(keys) do
    local used = key.role or role
    if not places[used] then
      places[used] = { role = used, keys = {} }
      groups[#groups + 1] = places[used]
    end
    table.insert(places[used].keys, key)
  end
  return groups
end

local function handover(engine, cluster, role, keys)
  demand("handover", cluster, "table", CLUSTER)
  demand("handover", keys, "table", "a list of keys")
  local specs = require("handover").specs(role, keys)
  for i, group in ipairs(engine.phase == "verify" and by_role(role, keys) or {}) do
    table.insert(engine.handovers, { cluster = cluster, role = group.role, keys = group.keys, specs = specs, first = i == 1 })
  end
  if engine.phase == "do" or not unknown.has(specs) then engine.handed_over = specs end
  return copy.own(specs)
end

-- In a plan something that is not so yet is unknown, not waited for.
local function wait(engine, reason, so, options)
  demand("wait", reason, "string", "a text that says what for")
  demand("wait", so, "function", "a function that gives what is waited for")
  if engine.phase ~= "do" or engine.rehearsal then
    local value = so()
    if value == nil or value == false then return unknown.new(reason) end
    return value
  end
  local bound = options and options.bound or 600
  local value = engine.context:poll { reason = reason, bound = bound, check = function() return so() or nil end }
  if value == nil then error(("%s: not within %g seconds"):format(reason, bound), 0) end
  return value
end

-- Whether the plan has something to make or change by now, or the run has done so before it was taken up.
local function changes(engine)
  if engine.context.wrote then return true end
  for _, step in ipairs(engine.steps) do
    if step.action == "create" or step.action == "change" or step.pending then return true end
  end
  return false
end

-- The plan decides, and the run does what its plan has shown.
local function on_change(engine, fn)
  if type(fn) ~= "function" then error(("on_change wants a function, got %s: on_change(function() … end)"):format(type(fn)), 0) end
  engine.decided = engine.decided or {}
  local number = (engine.counted.on_change or 0) + 1
  engine.counted.on_change = number
  if engine.phase == "plan" then engine.decided[number] = changes(engine) end
  if engine.phase ~= "plan" and engine.phase ~= "do" or not engine.decided[number] then return end
  engine.in_change = true
  local ok, raised = pcall(require("located").call, engine.context.located, fn)
  engine.in_change = nil
  if not ok then error(raised, 0) end
end

local function ask(engine, question)
  if engine.answers[question] == nil then
    local answer = engine.options.ask and engine.options.ask(question)
    if answer == nil then error(("nobody is there to answer: %s"):format(question), 0) end
    engine.answers[question] = answer
  end
  return engine.answers[question]
end

--- The names that a recipe sees in the pass that is running.
---@param engine table
---@return table<string, any>
function M.of(engine)
  local session = engine.session
  local world = {
    --- States that a thing shall be: it is found, compared, and in a run made or changed where it differs.
    ---@param kind string  "key", "role" … or one of resource { … }
    ---@param want table  what it shall be: cmek help ensure key
    ---@return table  what there is then; in a plan what only the run can tell is unknown: pass it on or join it; raises why it is refused
    ---@example local role = ensure("role", { cluster = cluster, trust = trust })
    ensure = function(kind, want) return handed(engine, ensure.ensure(engine, kind, want)) end,
    --- What must be there already.
    ---@param kind string  "cluster" (by name, UUID or console URL), "cmek", "in_use", "every_key", "rotation", "growth" (of a cluster), or a kind
    ---@param what string|table  its name, the cluster, or what is wanted of the kind
    ---@return table  what there is: of a cluster what the Cloud says, of a kind what ensure gives; raises when it is not there
    ---@example local cluster = read("cluster", "orders")
    read = function(kind, what) return read(engine, kind, what) end,
    --- Checks whether a cluster can have CMEK before anything is made; every reason against it is told at once.
    ---@param cluster table  as read("cluster", …) gives it
    ---@param more table?  vault: what is wanted of Vault, which is asked as well; add: regions that the cluster is to have
    ---@return nil; raises what stands in the way
    ---@example preflight(cluster)
    preflight = function(cluster, more)
      demand("preflight", cluster, "table", CLUSTER)
      if engine.phase == "do" then return end
      if engine.spec and engine.spec.of_this_run then more = nil end   -- what it was made with is not needed any more
      local grown = more and more.add and require("engine.cluster.growth").cluster(engine, cluster, more.add)
      require("preflight").run(engine, grown or cluster)
      if more then require("engine.vault.needs").check(engine, cluster, more) end
    end,
    --- Says which role and keys a cluster shall use: the specification that the Cloud takes, and what cmek hands over at the end.
    ---@param cluster table
    ---@param role table  as ensure("role", …) gives it
    ---@param keys table[]  a key a region, as ensure("key", …) gives them
    ---@return table  { region_specs = … }, as cloud.enable_cmek and ensure("cluster_cmek", …) take them
    ---@example return handover(cluster, role, keys)
    handover = function(cluster, role, keys) return handover(engine, cluster, role, keys) end,
    --- Which region of a cluster uses which key and role (cmek help layouts).
    ---@param cluster table
    ---@param given string|table|nil  "own", "shared", "replica", a file, or the mapping itself
    ---@param without table?  what this recipe cannot do
    ---@return table map  checked against the cluster's regions: map:roles(make) and map:keys(roles, make) call make once for each role and
    --- each key of their own, and give them by region; raises what is wrong with it, naming the region
    ---@example local map = layout(cluster, arg.layout)
    layout = function(cluster, given, without) return layout(engine, cluster, given, without) end,
    --- Says which recipe goes on from here, as a command that is printed at the end.
    ---@param recipe string
    ---@param arguments table  by name
    ---@param saved table?  { path =, text = }: the file of a layout that the command names, which a run writes when it is done
    ---@return nil
    ---@example go_on("console", { cluster = cluster.name })
    go_on = function(recipe, arguments, saved)
      if saved then require("layout").check_saved(saved.path, saved.text) end
      engine.going_on = { recipe = recipe, arguments = arguments, saved = saved }
    end,
    task = closed(calls.tasks(engine.context)),
    policy = documents(engine),
    names = closed(names),
    sorted = require "sorted",
    --- Waits until something is so, and says meanwhile what for. A plan looks once.
    ---@param reason string  "until the role can be used"
    ---@param check function  gives what was waited for, or nil
    ---@param options table?  bound: seconds, 600 without
    ---@return any  what check gave; in a plan an unknown, where it is not so yet; raises when it is not so within the bound
    ---@example wait("until the topic is there", function() return topic_of(name) end, { bound = 60 })
    wait = function(reason, check, options) return wait(engine, reason, check, options) end,
    --- Calls a function where something has been made or changed before it: for what is told of that, such as a message. A plan shows what
    --- it would call; verify and destroy leave it out.
    ---@param fn function
    ---@return nil
    ---@example on_change(function() aws.call { service = "sns", operation = "Publish", region = region, parameters = message } end)
    on_change = function(fn) on_change(engine, fn) end,
    --- Says something to whoever runs the recipe, in order with its steps.
    ---@param text string
    ---@return nil
    ---@example say("the role of " .. cluster.name .. " is " .. role.arn)
    say = function(text)
      if engine.phase == "do" or engine.mode ~= "run" then engine.listener { kind = "say", text = unknown.show(tostring(text)) } end
    end,
    --- Asks whoever runs the recipe; each question is asked once.
    ---@param question string
    ---@return string  the answer; raises where nobody is there to answer: arguments are better
    ---@example local team = ask("Whose key is it?")
    ask = function(question) return ask(engine, question) end,
    --- Stops here for whoever sits at the terminal: a prompt with the variables of this line opens, and :continue goes on (cmek help on-error).
    --- `break()` is the same. Where nobody is there it is passed over, with a word.
    ---@return nil
    ---@example break()
    breakpoint = function() engine.stops:pause() end,
  }
  world.aws = closed(calls.any(engine))
  for _, service in ipairs(engine.recipe.touches) do
    if require("recipe").is_service(service) then   -- others are reached by aws.call
      world[service] = closed(calls.service(engine, service, service == "cloud" and cloud(engine) or session[service] or {}))
    end
  end
  return world
end

return M
