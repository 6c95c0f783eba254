--- The simulated services: a function from request to response over a table of state, a clock and random bytes.
---
---   local simulation = require("sim").new { now = fn, random = fn }
---   simulation:handle(request) -> response              as server.new wants it
---   simulation:call { principal =, service =, region =, operation =, parameters = } -> result | nil, refusal
---   simulation:document() -> what `--state` writes;  simulation.state, simulation.faults, simulation.on_request = fn(entry)
---
--- Specification: the fact sheet on AWS, its section 7. The Cloud side is sim/cloud.lua, Vault is sim/vault.lua.
local auth = require("sim.auth")
local crypto = require("crypto")
local faults = require("sim.faults")
local json = require("json")
local sorted = require("sorted")
local state = require("sim.state")
local time = require("sim.time")
local wire = require("sim.wire")

local Simulation = { __name = "sim.Simulation" }
Simulation.__index = Simulation

local M = {}

local services = { iam = "sim.iam", sts = "sim.sts", kms = "sim.kms", tagging = "sim.tagging", sns = "sim.sns" }

-- Options and their defaults; nil ones are left out.
local defaults = {
  propagation = 0,         -- seconds until a new role exists for KMS, STS and other policies
  index_lag = 0,           -- seconds by which GetResources is behind
  skew = 0,                -- seconds by which the services' clock is ahead
  page_size = math.huge,   -- no page is longer than this
  partition = "aws",
  replication = 0,         -- seconds that a replica is Creating, and a new primary Updating
  reorder_principals = false,
}
local known = { metadata = true, now = true, random = true, clusters = true, only = true, state = true, stale = true, faults = true, choices = true,
  rsa_generate = true, vault = true }

local function check_options(options)
  for name in sorted(options) do
    if not known[name] and defaults[name] == nil then error(("sim.new: unknown field '%s'"):format(name), 3) end
  end
  for _, name in ipairs { "now", "random" } do
    if type(options[name]) ~= "function" then
      error(("sim.new: field '%s' must be a function, got %s"):format(name, type(options[name])), 3)
    end
  end
end

local function fresh_state() return { aws = {}, _access_keys = {}, _sessions = {} } end

-- A document of an earlier run: users first, or its policies would name strangers.
local function restore(self, document)
  for _, user in ipairs(state.USERS) do self:add_user(user) end
  if document and document.aws then state.merge(self, document.aws) end
end

--- A simulation.
---@param options { now: fun(): number, random: fun(count: integer): string, clusters: table?, propagation: number?, index_lag: number?,
---  stale: (fun(call: table): number)?, skew: number?, page_size: integer?, partition: string?, replication: number?, reorder_principals: boolean?,
---  only: table?, state: table?, faults: table?, choices: table?, metadata: string?, rsa_generate: function?,
---  vault: { edition: string?, condition: string? }? }
---  stale: how old a picture this read shows, in seconds; rsa_generate: stands in for crypto's, which is slow;
---  metadata: what becomes of instance metadata (lua/sim/identity.lua)
---@return table simulation
function M.new(options)
  check_options(options)
  local self = setmetatable({ state = fresh_state(), history = {} }, Simulation)
  for name, value in sorted(defaults) do self[name] = value end
  for name, value in sorted(options) do self[name] = value end
  self.state, self.faults = fresh_state(), options.faults or {}
  restore(self, options.state)
  if self:serves("cloud") then
    self.state.cloud = require("sim.cloud").new_state(options.clusters)
    if options.state and options.state.cloud then
      for name, value in sorted(options.state.cloud) do self.state.cloud[name] = value end
    end
  end
  if self:serves("vault") then
    self.state.vault = require("sim.vault").new_state(self, options.state and state.copy(options.state.vault))
  end
  self.accounts = state.USERS
  return self
end

-- Small tools of the handlers -------------------------------------------------------------------------------------

--- The services' clock, in seconds since the epoch.
function Simulation:time() return self.now() + self.skew end

--- Is this service simulated here?
---@param name "aws"|"cloud"|"vault"
function Simulation:serves(name) return not self.only or self.only[name] == true end

--- Lower-case hex of so many random bytes.
function Simulation:hex(count) return crypto.hex(self.random(count)) end

--- A random UUID.
function Simulation:uuid()
  local hex = self:hex(16)
  return ("%s-%s-4%s-%s%s-%s"):format(hex:sub(1, 8), hex:sub(9, 12), hex:sub(14, 16),
    ("89ab"):sub(hex:byte(17) % 4 + 1, hex:byte(17) % 4 + 1), hex:sub(18, 20), hex:sub(21, 32))
end

local LETTERS <const> = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

--- An AWS identifier: prefix, then random letters and digits up to the length.
function Simulation:identifier(prefix, length)
  return prefix .. self.random(length - #prefix):gsub(".", function(byte)
    local index = byte:byte() % 32 + 1
    return LETTERS:sub(index, index)
  end)
end

--- Somebody who can sign: a user with identity policies, or the root user of an account.
---@param who { account: string, name: string?, policies: string[]?, root: boolean?, access_key_id: string?, secret_access_key: string? }
---@return { access_key_id: string, secret_access_key: string, arn: string }
function Simulation:add_user(who)
  local iam = state.account(self.state, who.account).iam
  local id = who.access_key_id or self:identifier("AKIA", 20)
  local secret = who.secret_access_key or crypto.base64(self.random(30))
  local arn = ("arn:%s:iam::%s:%s"):format(self.partition, who.account, who.root and "root" or "user/" .. who.name)
  self.state._access_keys[id] = { account = who.account, secret = secret, root = who.root, user = who.name }
  if not who.root then
    local policies = json.array {}
    for index, text in ipairs(who.policies or {}) do
      policies[index] = { PolicyName = "policy-" .. index, PolicyDocument = type(text) == "table" and json.encode(text) or text }
    end
    local digest = crypto.hex(crypto.sha256(arn)):upper():gsub("[018]", "Z")
    table.insert(iam.users, { UserName = who.name, UserId = "AIDA" .. digest:sub(1, 17), Path = "/", Arn = arn,
      CreateDate = time.rfc3339(self:time()), Policies = policies, Tags = json.array {} })
  end
  return { access_key_id = id, secret_access_key = secret, arn = arn }
end

--- Adds roles, keys and aliases that are described in the shape of `--state`; what is left out gets what the service would give.
---@param aws table<string, table>  by account
function Simulation:seed(aws) state.merge(self, aws) end

--- All state as one document, as `--state` writes it: without what begins with _.
function Simulation:document() return state.copy(self.state) end

-- How things were -------------------------------------------------------------------------------------------------

local KEEP <const> = 300   -- seconds of history: no picture is older

local function looks_back(self)
  if self.stale or self.index_lag > 0 then return true end
  for _, fault in ipairs(self.faults) do
    if fault.kind == "stale" then return true end
  end
end

-- Before a write: the AWS side as it is, for reads that shall come late.
local function remember(self)
  if not looks_back(self) then return end
  local now = self.now()
  while self.history[2] and self.history[2].time < now - KEEP do table.remove(self.history, 1) end
  table.insert(self.history, { time = now, aws = state.copy(self.state.aws, true) })
end

-- The state as it was so many seconds ago: the picture taken before the first write since then.
local function picture(self, seconds)
  local at = self.now() - seconds
  for _, moment in ipairs(self.history) do
    if moment.time > at then return setmetatable({ aws = moment.aws }, { __index = self.state }) end
  end
  return self.state
end

local function choose_state(self, call, operation, fault)
  if operation.write then return self.state end
  local seconds = self.stale and self.stale(call) or 0
  if call.service == "tagging" then seconds = math.max(seconds, self.index_lag) end
  if fault and fault.kind == "stale" then seconds = fault.seconds or 60 end
  return seconds > 0 and picture(self, seconds) or self.state
end

-- From request to answer ------------------------------------------------------------------------------------------

local function find_operation(call)
  local service = call.service and services[call.service]
  local operation = service and require(service).operations[call.operation]
  if operation then return operation, require(service) end
  local elsewhere = not service and call.signed_for and not services[call.signed_for]
    and ("%s is not simulated here, and nothing real is reached"):format(call.signed_for) or nil
  if call.protocol == "json" or elsewhere then wire.refuse("UnknownOperationException", elsewhere, 400) end
  wire.refuse(call.operation and "InvalidAction" or "MissingAction", ("Could not find operation %s for version %s"):format(
    call.operation or "", call.version or "NO_VERSION_SPECIFIED"), 400)
end

-- Writes to who pays for them, which change nothing that can be read.
local USES <const> = { Encrypt = true, Decrypt = true, ReEncrypt = true, GenerateDataKey = true, GenerateDataKeyWithoutPlaintext = true,
  AssumeRole = true, AssumeRoleWithWebIdentity = true }

local function perform(self, call, operation, service, fault)
  call.state = choose_state(self, call, operation, fault)
  if operation.write and not USES[call.operation] then remember(self) end
  call.fault = fault
  return service.run(call, operation)
end

local function answer(self, call, request)
  local operation, service = find_operation(call)
  call.write = operation.write and not ((operation.parameters or {}).DryRun and call.parameters.DryRun == true)   -- others overlook it
  if not operation.anonymous then auth.identify(call, request) end
  local fault = faults.take(self, call)
  call.taken = fault
  if fault and fault.kind == "reset" then return nil, faults.dropped() end
  faults.before(call, fault)
  if call.unreadable then wire.refuse("SerializationException", nil, 400) end
  local result = perform(self, call, operation, service, fault)
  faults.after(call, fault)
  return result
end

local function respond(self, call, request)
  local ok, result, response = pcall(answer, self, call, request)
  if not ok then
    if not wire.is_refusal(result) then error(result, 0) end
    call.code = result.code
    response = result.code == "html" and wire.html(call, result.status) or wire.refused(call, result)
  else
    response = response or wire.answer(call, result)
  end
  return faults.on_the_way(call.taken, response)
end

local function serve_aws(self, request, entry)
  local call = wire.read(request)
  call.simulation, call.now, call.request_id = self, self:time(), entry.request_id
  call.user_agent = wire.header(request, "user-agent")
  local response = respond(self, call, request)
  entry.service, entry.region, entry.operation = call.service, call.region or call.scope_region, call.operation
  entry.write, entry.code = call.write, call.code
  if call.caller then entry.account, entry.principal = call.caller.account, call.caller.arn end
  return response
end

local function not_here(entry)
  entry.service, entry.operation, entry.code = "none", "none", "NotSimulated"
  return { status = 404, headers = { { "Content-Type", "text/plain" } }, body = "this service is not simulated here\n" }
end

local function route(self, request, entry)
  if request.target:find("^/api/v1/") then
    if not self:serves("cloud") then return not_here(entry) end
    return require("sim.cloud").handle(self, request, entry)
  end
  if request.target:find("^/v1/") then
    if not self:serves("vault") then return not_here(entry) end
    return require("sim.vault").handle(self, request, entry)
  end
  if not self:serves("aws") then return not_here(entry) end
  if self.state.cloud then require("sim.cloud").settle(self) end
  return require("sim.identity").handle(self, request, entry) or serve_aws(self, request, entry)
end

local log_fields = { "service", "region", "operation", "account", "principal", "status", "code" }

local function log(self, entry, response)
  entry.status = response.status
  entry.write = entry.write == true
  for _, name in ipairs(log_fields) do
    if entry[name] == nil then entry[name] = json.null end
  end
  if self.on_request then self.on_request(entry) end
end

--- Answers one request.
---@param request { method: string, target: string, headers: table, body: string? }
---@return { status: integer, headers: table, body: string, delay: number?, close: boolean?, drop: boolean?, cut: boolean? }
---  drop: no answer comes; cut: the body ends early
function Simulation:handle(request)
  local entry = { time = time.millis(self:time()), request_id = self:uuid() }
  local response = route(self, request, entry)
  local dated = false
  for _, header in ipairs(response.headers) do dated = dated or header[1] == "Date" end
  if not dated then table.insert(response.headers, { "Date", wire.http_date(self:time()) }) end
  log(self, entry, response)
  return response
end

--- Does one operation for somebody of another simulated service: no signature, no log, no fault.
---@param what { principal: table, service: string, region: string?, operation: string, parameters: table? }  principal as policy.evaluate
---  has it, with `identity`: its policies as tables; or session = an answer's Credentials.AccessKeyId, to act as that session
---@return table? result {} where the operation has no output, table? refusal { code=, message=, status= }
function Simulation:call(what)
  local call = { simulation = self, now = self:time(), request_id = "in-process", service = what.service, protocol = "json",
    operation = what.operation, parameters = what.parameters or {}, region = what.region or "us-east-1" }
  local session = what.session and self.state._sessions[what.session]
  call.caller = session and auth.session_caller(self, session) or what.principal
  if session and not call.caller then   -- its role was deleted since
    return nil, { code = "InvalidClientTokenId", message = "The security token included in the request is invalid.", status = 403 }
  end
  if not call.caller then error("simulation:call: neither a principal nor a session", 2) end
  call.caller.identity = call.caller.identity or {}
  local ok, result = pcall(function()
    local operation, service = find_operation(call)
    return perform(self, call, operation, service)
  end)
  if ok then return result or {} end
  if not wire.is_refusal(result) then error(result, 0) end
  return nil, result
end

return M
