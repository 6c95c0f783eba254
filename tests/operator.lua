-- An operator in this process, through the real door, session and retries, against simulated services that a test may edit.
local file_arguments = require "arguments"
local json = require "json"
local recipes = require "recipe"

local M = {}

M.ACCOUNT, M.OTHER_ACCOUNT = "210987654321", "345678901234"
M.CLUSTER = { id = "8b6d7a10-4c1e-4b7a-9a53-0f2c6e9d41b7", name = "orders" }

--- Makes an RSA key for the simulation, of each size once: for the simulated Vault, which holds the size against it.
M.rsa_of_size = dofile("tests/pairs.lua").size

-- The shortest one, whatever size was asked for.
local function short_rsa() return M.rsa_of_size(2048) end

local memory = dofile("tests/torture/disk.lua").new   -- a journal without a file

-- Somebody who signs with these keys, at a door of his own.
local function operator(here, simulation, who, options)
  local door = require("door").new { world = here, yes = options.yes ~= false, confirm = options.confirm or "orders" }
  local environment = {
    AWS_ACCESS_KEY_ID = who.access_key_id, AWS_SECRET_ACCESS_KEY = who.secret_access_key, AWS_REGION = "us-east-1",
    AWS_CONFIG_FILE = "/dev/null", AWS_SHARED_CREDENTIALS_FILE = "/dev/null",
    AWS_SESSION_TOKEN = who.session_token,
    COCKROACH_API_KEY = options.api_key or require("sim.cloud").KEYS[1].secret,
  }
  for name, value in pairs(options.environment or {}) do environment[name] = value end
  local session = require("session").open { door = door, environment = environment, vault_auth = options.vault_auth,
    listener = options.listener }
  session:seal()
  local disk = memory()
  local journal = require("journal").over(disk)
  door:record(journal)
  return { world = here, simulation = simulation, door = door, session = session, disk = disk, journal = journal }
end

--- An operator in a world of simulated services. Options: network (of the world), sim (options of the simulation), yes, confirm,
--- environment (adds), vault_auth, listener (of the session).
function M.open(options)
  options = options or {}
  local here, simulation
  here = require("sim.world").new { seed = options.seed or 1, handle = function(request) return simulation:handle(request) end,
    network = options.network }
  local simulated = { now = function() return here.now end, random = function(count) return here:random(count) end,
    rsa_generate = short_rsa }
  for name, value in pairs(options.sim or {}) do simulated[name] = value end
  simulation = require("sim").new(simulated)
  return operator(here, simulation, simulation.accounts[1], options)
end

--- Somebody else in the same world. Options: who (of simulation:add_user), api_key, yes, confirm.
function M.beside(other, options) return operator(other.world, other.simulation, options.who, options) end

--- Runs a recipe. Options: mode, arguments, entries, run_id, requests, stop, steps, trust; the rest goes to the engine.
---@return table report, integer status
function M.run(who, name, options)
  options = options or {}
  local recipe = recipes.load(name, { steps = options.steps, trust = options.trust })
  local values = { cluster = "orders" }
  for key, value in pairs(options.arguments or {}) do values[key] = value end
  who.events = {}
  local arguments, given = file_arguments.resolve(recipe.args, { { origin = "flags", values = values } })
  local engine = require("engine").new {
    session = who.session, recipe = recipe, mode = options.mode or "run", run_id = options.run_id or "run-1", entries = options.entries,
    arguments = arguments, given = given, flags = options.flags, spec = options.spec, requests = options.requests,
    stop = options.stop,
    listener = function(event) table.insert(who.events, event) end,
    confirm_writes = function(question) return who.door:permit_writes(question) end,
    confirm_irreversible = function(text, cluster) return who.door:permit_irreversible(text, cluster) end,
    confirm_deletion = function(...) return who.door:permit_deletion(...) end,
  }
  local report, status = who.session.tasks.run(function() return engine:execute() end)
  json.encode(report)   -- every report can be written
  return report, status
end

--- Calls fn in a task, with the operator's session; it may delete as well.
function M.within(who, fn)
  who.door:permit_deletion("?", "orders")
  return who.session.tasks.run(function() return fn(who.session) end)
end

--- The one role of the cluster, in the simulation's state.
function M.role(who, name)
  for _, role in ipairs(who.simulation.state.aws[M.ACCOUNT].iam.roles) do
    if role.RoleName == (name or require("names").role(M.CLUSTER)) then return role end
  end
end

--- The key that has the cluster's alias in a region, in the simulation's state; and what KMS holds there.
function M.key(who, region)
  local place = who.simulation.state.aws[M.ACCOUNT].kms[region]
  for _, alias in ipairs(place.aliases) do
    for _, key in ipairs(place.keys) do
      if alias.AliasName == require("names").alias(M.CLUSTER) and key.KeyId == alias.TargetKeyId then return key, place end
    end
  end
end

--- Takes requests that went out: "kms TagResource us-east-1" and so on, in order, from the simulation's log.
function M.log(who)
  local list = {}
  who.simulation.on_request = function(entry)
    list[#list + 1] = ("%s %s%s"):format(entry.service, entry.operation, entry.region and entry.service == "kms" and " " .. entry.region or "")
  end
  return list
end

return M
