--- Faults on order: `simulation.faults` is a list of { kind =, service =, operation =, region =, skip =, count =, … }. The first that
--- fits an operation and still has a count is used up by it; without count it stays.
---
---   kind            what happens                                                        more members
---   throttle        refused by the rate limit
---   error           refused with this code                                             code, message, status
---   500             an internal error in the service's own form
---   503html         a load balancer's page                                             status
---   expired         the caller's session counts as expired
---   reset           the connection is dropped, nothing was done
---   lost_answer     the connection is dropped after everything was done
---   truncate        everything is done, and half of the answer arrives
---   stall           the answer comes late                                              seconds
---   stale           a read shows how things were                                       seconds
---   arn_is_id       GetRole shows the unique id in the place of the ARN
---   warn            Vault's answer carries a warning, 204 becomes 200                   message
---   no_list         a proxy before Vault knows no LIST
---   redirect        Vault sends the client elsewhere, by 307                            message: where
---   variant         Vault's keymgmt answers in its other known forms
---
--- after = true lets the operation happen first, with throttle, error, 500 and 503html.
local auth = require("sim.auth")
local sorted = require("sorted")
local wire = require("sim.wire")

local M = {}

local NUMBERS <const> = { count = true, skip = true, status = true, seconds = true }
local MEMBERS <const> = { service = true, operation = true, region = true, code = true, message = true, after = true }

local kinds = { throttle = true, error = true, ["500"] = true, ["503html"] = true, expired = true, reset = true, lost_answer = true,
  truncate = true, stall = true, stale = true, arn_is_id = true, warn = true, no_list = true, redirect = true, variant = true }

local function fits(fault, call)
  if not kinds[fault.kind] then error(("simulation.faults: there is no fault of kind '%s'"):format(tostring(fault.kind)), 0) end
  for _, name in ipairs { "service", "operation", "region" } do
    if fault[name] ~= nil and fault[name] ~= call[name] then return false end
  end
  return fault.count == nil or fault.count > 0
end

-- A member of a fault as it is written on a command line.
local function member(name, value)
  if NUMBERS[name] then return tonumber(value) or error(("%s wants a number, got '%s'"):format(name, value), 0) end
  if not MEMBERS[name] then error(("a fault has no '%s'"):format(name), 0) end
  if name == "after" then return value == "true" end
  return value
end

--- A fault from its text: a kind or the name of a known situation (sim/situations.lua), then members; what follows message= is it.
---@param text string  "error service=kms operation=CreateKey code=LimitExceededException count=1 message=No more keys"
---@return table fault  raises a text that says what is wrong
function M.read(text)
  local known, fault = require "sim.situations", {}
  local word, rest = text:match "^%s*(%S+)%s*(.*)$"
  if not word then error("a fault begins with its kind", 0) end
  if not kinds[word] and not known[word] then error(("there is no fault '%s'; cmek sim --help lists them"):format(word), 0) end
  for name, value in pairs(known[word] or { kind = word }) do fault[name] = value end   -- order cannot be seen
  local before, message = (" " .. rest):match "^(.-) message=(.*)$"
  for name, value in (before or rest):gmatch "(%S-)=(%S*)" do fault[name] = member(name, value) end
  fault.message = message or fault.message
  return fault
end

--- The names that a fault's text may begin with: kinds, then situations; sorted.
---@return string[] kinds, string[] situations
function M.names()
  local lists = { {}, {} }
  for name in sorted(kinds) do table.insert(lists[1], name) end
  for name in sorted(require "sim.situations") do table.insert(lists[2], name) end
  return lists[1], lists[2]
end

--- The fault for this call; nil without one. Counts it.
---@param simulation table
---@param call table
---@return table? fault
function M.take(simulation, call)
  for _, fault in ipairs(simulation.faults) do
    if fits(fault, call) then
      if (fault.skip or 0) == 0 then
        if fault.count then fault.count = fault.count - 1 end
        return fault
      end
      fault.skip = fault.skip - 1
    end
  end
end

local refusals = {}

function refusals.throttle(call)
  if call.protocol == "query" then wire.refuse("Throttling", "Rate exceeded", 400) end
  if call.service == "kms" then
    wire.refuse("ThrottlingException", "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.", 400)
  end
  wire.refuse("ThrottledException", "Rate exceeded", 400)
end

refusals["error"] = function(_, fault) wire.refuse(fault.code, fault.message, fault.status) end

refusals["500"] = function(call)
  if call.service == "kms" then wire.refuse("KMSInternalException", "", 500) end
  if call.service == "tagging" then wire.refuse("InternalServiceException", "", 500) end
  local names = { iam = "ServiceFailure", sns = "InternalError" }
  wire.refuse(names[call.service] or "InternalFailure", "We encountered an internal error. Please try again.", 500)
end

refusals["503html"] = function(_, fault) wire.refuse("html", nil, fault.status or 503) end

function refusals.expired(call) auth.expire(call) end

local function refuse(call, fault)
  local by_kind = refusals[fault.kind]
  if by_kind then by_kind(call, fault) end
end

--- What a fault does before the operation happens.
function M.before(call, fault)
  if fault and not fault.after then refuse(call, fault) end
end

--- What a fault does to an operation that has happened.
function M.after(call, fault)
  if fault and fault.after then refuse(call, fault) end
end

--- An answer that never comes: the server closes the connection.
function M.dropped() return { status = 0, headers = {}, body = "", close = true, drop = true } end

--- What a fault does to the answer on its way.
---@param fault table?
---@param response table
---@return table response
function M.on_the_way(fault, response)
  if not fault then return response end
  if fault.kind == "lost_answer" then return M.dropped() end
  if fault.kind == "stall" then response.delay = (response.delay or 0) + (fault.seconds or 1) end
  if fault.kind == "truncate" then
    response.body = response.body:sub(1, #response.body // 2)
    response.close, response.cut = true, true
  end
  return response
end

return M
