--- The requests that a run would send. The do pass itself is run, after the plan, at a door that writes every change down and
--- answers it itself (lua/engine/pass/rehearsed.lua), so what is shown is what the run's own code asks for. Reads are made, and not listed.
---@class engine.Rehearsal
---@field requests table[]  as the plan's document has them
---@field step table?       whose requests come
local Rehearsal = { __name = "engine.Rehearsal" }
Rehearsal.__index = Rehearsal

local door = require "door"
local json = require "json"
local secret = require "secret"
local sorted = require "sorted"
local unknown = require "unknown"

local M = {}

-- Raised where a run would wait for what the rehearsal cannot show.
local Wait = { __name = "engine.rehearsal.Wait" }

-- Parameters as they are shown: unknown values by name, no secret.
local function shown(value)
  if secret.is(value) then return "****" end
  if type(value) ~= "table" or unknown.is(value) then return unknown.show(value) end
  local copy = setmetatable({}, getmetatable(value))
  for name, member in sorted(value) do copy[name] = shown(member) end
  return copy
end

local function record(self, fields)
  local step = self.step
  fields.step = step and { kind = step.kind, name = unknown.show(step.name), region = step.region or json.null } or json.null
  fields.region = fields.region or json.null
  fields.parameters = shown(fields.parameters)
  table.insert(self.requests, fields)
end

-- The door -------------------------------------------------------------------------------------------------------------

local function answer(body) return { status = 200, headers = {}, body = body, request_id = "rehearsal" } end

-- A request of AWS: what writes is written down.
local function aws_request(self, real, request)
  local effect = door.effect(request.service, request.operation, request.parameters.DryRun == true)
  if effect ~= "read" and effect ~= "session" then
    record(self, { service = request.service, operation = request.operation, region = request.region, method = request.method or "POST",
      path = request.path or "/", parameters = request.parameters })
    return answer(self.world:write(request))
  end
  local response, message, kind
  local function pass()
    response, message, kind = real.aws.request(request)
    return response and type(response.body) == "table" and response.body or {}
  end
  local body = self.world:read(request, pass)
  if response and response.status < 300 then
    response.body = body or response.body
    return response
  elseif response or message then
    return response, message, kind
  end
  if body then return answer(body) end
  return real.aws.request(request)
end

local OPERATIONS <const> = { { "POST", "/cmek$", "EnableCMEKSpec" }, { "PUT", "/cmek$", "UpdateCMEKSpec" },
  { "PATCH", "/cmek$", "UpdateCMEKStatus" }, { "PATCH", "/clusters/[^/]+$", "UpdateCluster" } }

local function cloud_operation(request)
  for _, entry in ipairs(OPERATIONS) do
    if entry[1] == request.method and request.path:find(entry[2]) then return entry[3] end
  end
  return request.method
end

local function cloud_request(self, real, request)
  if request.method == "GET" then
    local body = self.world:cloud(request)
    if body then return answer(body) end
    local response, message, kind = real.cloud.request(request)
    self.world:saw(request, response)
    return response, message, kind
  end
  record(self, { service = "cloud", operation = cloud_operation(request), method = request.method, path = request.path,
    parameters = request.body or {} })
  return answer(self.world:cloud(request))
end

-- A request of Vault: what writes, and what gives a key away, is written down.
local function vault_request(self, real, request, operation)
  local reads = operation == nil or door.effect("vault", operation) == "read"   -- nil: the client looks why it was refused
  local body = reads and operation and self.world:vault(operation, request)
  if body then return answer(body) end
  if reads then
    local response, message, kind = real.vault.request(request)
    if operation and response and type(response.body) == "table" then self.world:rotated(operation, request, response.body.data) end
    return response, message, kind
  end
  record(self, { service = "vault", operation = operation, method = request.method,
    path = unknown.show(("%s/%s"):format(request.mount, request.path)), parameters = request.body or {} })
  return answer(self.world:vault(operation, request) or {})
end

local function recording(self, real)
  return {
    clock = self.clock, http = real.http,
    aws = { request = function(request) return aws_request(self, real, request) end },
    cloud = { request = function(request) return cloud_request(self, real, request) end },
    vault = { request = function(request, operation) return vault_request(self, real, request, operation) end },
    endpoint = function() end, region = function(_, name) real:region(name) end, note = function() end,
  }
end

-- Tasks one after the other: the requests stand in the recipe's order.
local function in_sequence()
  local tasks = { sleep = function() end, check = function() end }
  function tasks.map(list, fn)
    local results = {}
    for i, member in ipairs(list) do results[i] = fn(member, i) end
    return results
  end
  function tasks.all(functions) return tasks.map(functions, function(fn) return fn() end) end
  function tasks.deadline(_, fn, ...) return fn(...) end
  function tasks.spawn(fn, ...)
    local results = table.pack(pcall(fn, ...))
    return { wait = function()
      if not results[1] then error(results[2], 0) end
      return table.unpack(results, 2, results.n)
    end }
  end
  return tasks
end

-- Steps ----------------------------------------------------------------------------------------------------------------

--- Carries a step out, as far as it can be without its being done. nil where nothing can be said of what it comes to.
---@param step table
---@param change fun(): any
---@return any
function Rehearsal:carry_out(step, change)
  self.step = step
  local before = #self.requests
  local ok, have = pcall(change)
  if not ok and getmetatable(have) ~= Wait then error(have, 0) end
  if not ok and #self.requests > before then self.requests[#self.requests].followed_by = have.reason end
  if step.kind == "call" then return unknown.thing("answer of " .. unknown.show(step.name)) end
  return ok and have or nil
end

local function prepared(engine)
  local spec = engine.spec   -- which stands for AWS
  local identity = spec and require("handover").identity(spec) or engine.context:identity()
  local real = engine.session
  local self = setmetatable({ requests = json.array {} }, Rehearsal)
  self.clock = setmetatable({ uuid = function()
    return unknown.text(unknown.new("ID of the attempt at " .. unknown.show(self.step and self.step.name or "it")))
  end }, { __index = real.clock })
  self.world = require("engine.pass.rehearsed").new { account = identity.account, partition = identity.arn:match "^arn:([^:]+)", clock = self.clock,
    region_of = function() return self.step and self.step.region or "?" end,
    key_name = function() return (unknown.show(self.step and self.step.name or "?"):gsub("^alias/", "")) end }
  return self, real:through(recording(self, real.door))
end

--- The requests of the run that a plan leads to, in their order; regions go side by side. Call it when the plan's report is made:
--- the engine is used up afterwards.
---@param engine table
---@param do_pass fun()  runs the recipe in its do pass
---@return table[]
function M.requests(engine, do_pass)
  local self, session = prepared(engine)
  local context, silent = engine.context, function() end
  session.tasks, session.clock = in_sequence(), self.clock
  engine.rehearsal, engine.session, engine.listener = self, session, silent
  context.session, context.tasks, context.clock, context.listener = session, session.tasks, self.clock, silent
  context.run_id = unknown.text(unknown.new "ID of the run")
  context.wait = function(_, reason) error(setmetatable({ reason = reason }, Wait), 0) end
  local ok, raised = pcall(do_pass)
  context.wrote, context.run_id = false, ""
  if not ok then error(raised, 0) end
  return self.requests
end

return M
