--- How the simulated CockroachDB Cloud says no: google.rpc.Status in an HTTP answer. Raised, and caught by sim/cloud.lua alone.
local Refusal = { __name = "sim.CloudRefusal" }

local M = {}

local CODES <const> = {
  INVALID_ARGUMENT = 3, NOT_FOUND = 5, ALREADY_EXISTS = 6, PERMISSION_DENIED = 7, RESOURCE_EXHAUSTED = 8, FAILED_PRECONDITION = 9,
  UNIMPLEMENTED = 12, INTERNAL = 13, UNAVAILABLE = 14, UNAUTHENTICATED = 16,
}

--- Ends the request.
---@param status integer  of HTTP
---@param code string  name of the gRPC code
---@param message string
---@param headers table?  more headers, as pairs
function M.raise(status, code, message, headers)
  error(setmetatable({ status = status, code = code, number = CODES[code], message = message, headers = headers or {} }, Refusal), 0)
end

function M.is(value) return getmetatable(value) == Refusal end

--- 400, the field is wrong. The message is formatted after "invalid argument: ".
function M.invalid(message, ...)
  M.raise(400, "INVALID_ARGUMENT", "invalid argument: " .. message:format(...))
end

--- 400 as protobuf's JSON reader words it, with the place where the value stands.
---@param body string
---@param value string
function M.enum(body, value)
  local at = body:find(('"%s"'):format(value), 1, true) or 1
  local before = body:sub(1, at - 1)
  local _, lines = before:gsub("\n", "")
  M.raise(400, "INVALID_ARGUMENT", ('proto: (line %d:%d): invalid value for enum type: "%s"'):format(lines + 1, #before:match "[^\n]*$" + 1, value))
end

--- 404 of a cluster.
---@param id string
function M.not_found(id)
  M.raise(404, "NOT_FOUND", ("internal call failed: cluster '%s' not found"):format(id))
end

return M
