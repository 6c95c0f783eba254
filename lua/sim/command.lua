--- `cmek sim [options] [-- COMMAND]`: the simulated services on a loopback port, for a command or until ^C.
local environment = require "sim.environment"
local failure = require "ui.failure"
local file = require "file"
local json = require "json"
local process = require "process"
local terminal = require "terminal"

local M = {}

-- ---- options ----

local function number(text, flag)
  local value = tonumber(text)
  if not value or value < 0 then failure.usage(("%s wants a number of 0 or more, got '%s'"):format(flag, text)) end
  return value
end

local function whole(text, flag)
  return math.tointeger(number(text, flag)) or failure.usage(("%s wants a whole number, got '%s'"):format(flag, text))
end

local function signed(text, flag)
  return tonumber(text) or failure.usage(("%s wants a number, got '%s'"):format(flag, text))
end

local function services(text, flag)
  local only = {}
  for name in text:gmatch "[^,%s]+" do
    if name ~= "aws" and name ~= "cloud" and name ~= "vault" then
      failure.usage(("%s knows no service '%s'; there are aws, cloud, vault"):format(flag, name))
    end
    only[name] = true
  end
  if not next(only) then failure.usage(flag .. " wants at least one of aws, cloud, vault") end
  return only
end

local function metadata(text, flag)
  local modes = require("sim.identity").MODES
  for _, mode in ipairs(modes) do
    if text == mode then return text end
  end
  failure.usage(("%s knows no '%s'; there are %s"):format(flag, text, table.concat(modes, ", ")))
end

local function vault_edition(text, flag)
  local names = {}
  for name in require("sorted")(require("sim.vault.state").EDITIONS) do
    if name == text then return text end
    names[#names + 1] = name
  end
  failure.usage(("%s knows no '%s'; there are %s"):format(flag, text, table.concat(names, ", ")))
end

local function vault_condition(text, flag)
  local names = require("sim.vault.state").CONDITIONS
  for _, name in ipairs(names) do
    if name == text then return text end
  end
  failure.usage(("%s knows no '%s'; there are %s"):format(flag, text, table.concat(names, ", ")))
end

local function path(text) return text end

local function fault(text)
  local ok, read = pcall(require("sim.faults").read, text)
  return ok and read or failure.usage(("--fault '%s': %s"):format(text, tostring(read)))
end

--- Flag, what it takes, how it is read, what it is for.
local OPTIONS <const> = {
  { "latency", "MS", number, "milliseconds until an answer leaves" },
  { "propagation", "S", number, "seconds until a new role is seen by KMS, STS and CockroachDB Cloud" },
  { "enabling", "S", number, "seconds until the Cloud has enabled CMEK in all regions; default: 0.5 and 0.2 for each but the first" },
  { "skew", "S", signed, "seconds by which AWS's clock is ahead of this machine's; negative: behind" },
  { "metadata", "HOW", metadata, "the command's AWS credentials come from instance metadata: on, or slow, html, expired, no-role, v1, \z
    refused, bridged" },
  { "vault-edition", "NAME", vault_edition, "which Vault: enterprise (with keymgmt and namespaces), hcp (the same, all of it in namespace \z
    admin), community, or openbao; default: enterprise" },
  { "vault-condition", "HOW", vault_condition, "the Vault server is active, or standby, performance-standby, dr-secondary, sealed, \z
    uninitialised" },
  { "fault", "FAULT", fault, "something that goes wrong, again and again; may be given several times (below)", many = true },
  { "clusters", "FILE", path, "JSON: a list of clusters instead of the stock ones; name and regions at least" },
  { "organization", "N", whole, "so many clusters: the stock ones, and others of all kinds, such as a large organization has" },
  { "only", "SERVICES", services, "simulate these alone (aws, cloud, vault); the others are refused" },
  { "mixed", nil, nil, "with --only: the others are real, their variables pass through" },
  { "seed", "N", whole, "random numbers from this seed, the same in every run" },
  { "log", "FILE", path, "one JSON object a request" },
  { "state", "FILE", path, "all state: read at start when it exists, written at exit" },
  { "port-file", "FILE", path, "the port, once it is open" },
  { "tls-cert", "FILE", path, "serve TLS with this certificate (PEM), for 127.0.0.1; clients may show theirs (vault write auth/cert/…)" },
  { "tls-key", "FILE", path, "and its key" },
  { "help", nil, nil, "this text" },
}

--- The text of `cmek sim --help`.
function M.help()
  local lines = { "Usage: cmek sim [options] [-- COMMAND [ARG…]]", "",
    "the simulated services: runs COMMAND against them, or serves and prints exports", "", "Options:" }
  for _, option in ipairs(OPTIONS) do
    lines[#lines + 1] = ("  --%-22s %s"):format(option[1] .. (option[2] and " " .. option[2] or ""), option[4])
  end
  local kinds, situations = require("sim.faults").names()
  lines[#lines + 1] = "\nA FAULT is one of these kinds, then any of service= operation= region= skip=N count=N, and last message=TEXT:"
  lines[#lines + 1] = "  " .. table.concat(kinds, " ")
  lines[#lines + 1] = "error takes code= and status=, stall and stale take seconds=; after=true lets the operation happen first. For example:"
  lines[#lines + 1] = "  cmek sim --fault 'error service=kms operation=CreateKey code=LimitExceededException count=1 message=No more keys' -- …"
  lines[#lines + 1] = "Of AWS there are IAM, STS, KMS, the tagging API, and of SNS topics, their tags and what is published; others are refused."
  lines[#lines + 1] = "Operations of Vault are called by engine and what is done, as --log has them: keymgmt/WriteDistribution, kv/ReadData."
  lines[#lines + 1] = "Or it is the name of a known situation (cmek help errors):"
  for i = 1, #situations, 4 do lines[#lines + 1] = "  " .. table.concat(situations, " ", i, math.min(i + 3, #situations)) end
  return table.concat(lines, "\n") .. "\n"
end

--- Its options, as completion and the manual page read them.
---@return flags.Flag[]
function M.flags()
  local list = {}
  for i, option in ipairs(OPTIONS) do
    list[i] = { name = option[1], flag = "--" .. option[1], value = option[2], text = option[4], group = "common" }
  end
  return list
end

local function find_option(name)
  local names = {}
  for _, option in ipairs(OPTIONS) do
    if option[1] == name then return option end
    names[#names + 1] = option[1]
  end
  local near = require("ui.near").near(name, names)[1]
  failure.usage(("cmek sim has no option '--%s'%s"):format(name, near and ("; did you mean '--" .. near .. "'?") or ""), "cmek sim --help lists them")
end

-- The options by name, and the command after "--".
local function parse(arguments)
  local options, at = {}, 1
  while at <= #arguments and arguments[at] ~= "--" do
    local name, value = arguments[at]:match "^%-%-([^=]+)=?(.*)$"
    if not name then
      failure.usage(("cmek sim does not know what '%s' is for"):format(arguments[at]), "a command to run stands after --: cmek sim -- COMMAND")
    end
    local option = find_option(name)
    if option[2] and not arguments[at]:find("=", 1, true) then
      at = at + 1
      value = arguments[at] or failure.usage(("--%s wants %s"):format(name, option[2]))
    end
    local read = option[3] and option[3](value, "--" .. name) or true
    if option.many then
      options[name] = options[name] or {}
      table.insert(options[name], read)
    else
      options[name] = read
    end
    at = at + 1
  end
  return options, { table.unpack(arguments, at + 1) }
end

local function check(options)
  if options.mixed and not options.only then
    failure.usage("--mixed needs --only: which services are simulated, so that the others can be real", "cmek sim --only cloud --mixed -- COMMAND")
  end
  if options.organization and options.clusters then failure.usage("--organization and --clusters each say which clusters there are: give one") end
  if (options["tls-cert"] == nil) ~= (options["tls-key"] == nil) then failure.usage("--tls-cert and --tls-key go together") end
end

-- ---- files ----

local function read_json(name, what)
  local text, message = file.read(name, 64 << 20)
  if not text then failure.usage(("cannot read the %s '%s': %s"):format(what, name, failure.reason(message))) end
  local value
  value, message = json.decode(text)
  if type(value) ~= "table" then failure.usage(("the %s '%s' is not what it should be: %s"):format(what, name, message or "no object or list")) end
  return value
end

local function write(name, text, what)
  local ok, message = file.write(name, text)
  if ok then return end
  failure.raise { status = failure.FAILED, what = "cmek sim", message = ("cannot write the %s '%s': %s"):format(what, name, failure.reason(message)) }
end

-- ---- the simulation ----

local function random_of(seed, clock)
  if not seed then return clock.random end
  local random = require("sim.random").new(seed)
  return function(count) return random:bytes(count) end
end

local function simulate(options, door)
  local clusters = options.clusters and read_json(options.clusters, "list of clusters")
    or options.organization and require("sim.clusters").organization(options.organization)
  if clusters and not json.is_array(clusters) then
    failure.usage(("the list of clusters '%s' is an object: [{\"name\": …, \"regions\": [\"us-east-1\"]}]"):format(options.clusters))
  end
  local state = options.state and file.exists(options.state) and read_json(options.state, "state") or nil
  local ok, result = pcall(require("sim").new, {
    now = door.clock.now, random = random_of(options.seed, door.clock), propagation = options.propagation, only = options.only,
    skew = options.skew, faults = options.fault, metadata = options.metadata,
    vault = { edition = options["vault-edition"], condition = options["vault-condition"] },
    clusters = clusters, state = state, choices = options.enabling and { first = options.enabling, each = 0 } or nil,
  })
  if not ok then
    local text = tostring(result):gsub("^lua/[%w_/]+%.lua:%d+: ", "")
    failure.usage(options.state and ("the state '%s' is not one that cmek sim wrote: %s"):format(options.state, text)
      or ("the simulation cannot start: %s"):format(text))
  end
  if not state and not options.clusters then require("sim.clusters").seed(result) end
  if options.mixed and not result:serves "aws" then result.check_access = require("sim.outside").access(door) end
  return result
end

-- Each request becomes a line of the log as soon as it is answered.
local function keep_log(simulation, name)
  write(name, "", "log")
  simulation.on_request = function(entry)
    local ok, message = file.append(name, json.encode(entry) .. "\n")
    if not ok then error(("cannot write the log '%s': %s"):format(name, failure.reason(message)), 0) end
  end
end

local function serve(simulation, options)
  local latency = (options.latency or 0) / 1000
  local tls = options["tls-cert"] and { cert = options["tls-cert"], key = options["tls-key"], clients = true } or nil
  local function handler(request)
    local response = simulation:handle(request)
    response.delay = (response.delay or 0) + latency
    return response
  end
  local ok, server = pcall(require("server").new, { tls = tls, handler = handler })
  if ok then return server end
  failure.raise { status = tls and failure.USAGE or failure.FAILED, what = "serving", message = tostring(server) }
end

-- ---- the command ----

local function child_environment(settings, simulation, mixed)
  local variables = {}
  for _, name in ipairs(process.environment_names()) do
    if environment.inherited(name, simulation, mixed) then variables[name] = process.inherited(name) end
  end
  for _, setting in ipairs(settings) do variables[setting[1]] = setting[2] end
  if mixed then   -- a proxy that leads to the real services does not lead to ours
    for _, name in ipairs { "NO_PROXY", "no_proxy" } do
      local others = process.environment(name)
      variables[name] = others and others .. ",127.0.0.1" or "127.0.0.1"
    end
  end
  return variables
end

local function spawn(command, variables)
  local child, message = process.spawn { argv = command, environment = variables }
  if not child then failure.raise { status = 127, what = "cmek sim", message = ("cannot run '%s': %s"):format(command[1], message) } end
  return child
end

--- What to paste into a shell, so that its commands talk with this simulation.
local function exports(settings)
  local set, lines = {}, {}
  for _, setting in ipairs(settings) do set[setting[1]] = true end
  local unset = {}
  for _, name in ipairs(environment.NOTORIOUS) do
    if not set[name] then unset[#unset + 1] = name end
  end
  lines[1] = "unset " .. table.concat(unset, " ")
  for _, setting in ipairs(settings) do lines[#lines + 1] = ("export %s='%s'"):format(setting[1], setting[2]) end
  return table.concat(lines, "\n") .. "\n"
end

local function run(server, simulation, options, command)
  local settings = environment.settings {
    url = ("%s://127.0.0.1:%d"):format(options["tls-cert"] and "https" or "http", server.port),
    simulation = simulation, mixed = options.mixed, ca = options["tls-cert"],
  }
  if options["port-file"] then write(options["port-file"], server.port .. "\n", "port file") end
  if #command == 0 then
    terminal.write(exports(settings))
    terminal.write_error(("serving on 127.0.0.1:%d until ^C\n"):format(server.port))
    return server:run()
  end
  return server:run { child = spawn(command, child_environment(settings, simulation, options.mixed)) }
end

---@param arguments string[]
---@param output ui.Output
---@return integer status  the command's; 128 + n when signal n ended it
function M.run(arguments, output)
  local options, command = parse(arguments)
  if options.help then
    output:result(M.help())
    return 0
  end
  check(options)
  local door = require("door").new { user_agent = "cmek-sim/" .. require "version" }
  local simulation = simulate(options, door)
  if options.log then keep_log(simulation, options.log) end
  local server <close> = serve(simulation, options)
  local ended, status, broken = run(server, simulation, options, command)
  if options.state then write(options.state, json.encode(simulation:document(), { indent = 2 }) .. "\n", "state") end
  if broken then
    output:note(("cmek sim: the simulation failed: %s\n"):format(broken))
    return status ~= 0 and status or failure.FAILED
  end
  return ended == "child" and status or 0
end

return M
