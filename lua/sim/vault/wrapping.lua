--- The simulated Vault: answers that wait behind a token of one use.
local fields = require("sim.vault.fields")
local json = require("json")
local refusal = require("sim.vault.refusal")
local time = require("sim.time")
local crypto = require("crypto")
local wire = require("sim.wire")

local M = {}

local GONE <const> = "wrapping token is not valid or does not exist"

--- An envelope put behind a token; what is sent in its place.
---@param r table
---@param body table
---@param ttl string  "5m"
---@return table body
function M.wrap(r, body, ttl)
  local seconds = fields.duration(ttl)
  if not seconds or seconds <= 0 then return body end
  local id = "hvs.CAESW" .. crypto.base64url(r.simulation.random(24))
  r.vault._wrapped[id] = { body = body, ttl = seconds, created = r.now, expires = r.now + seconds, path = r.path }
  local inner = body.auth ~= json.null and body.auth or body.data ~= json.null and body.data or {}
  return { request_id = r.entry.request_id, lease_id = "", renewable = false, lease_duration = 0, data = json.null, warnings = json.null,
    auth = json.null, wrap_info = { token = id, accessor = crypto.base64url(r.simulation.random(18)), ttl = seconds,
      creation_time = time.micros(r.now), creation_path = r.path, wrapped_accessor = inner.accessor or inner.secret_id_accessor } }
end

local function find(r, id)
  if not id or id == "" then refusal.raise(403, "error validating wrapping token: token is empty") end
  local wrapped = r.vault._wrapped[id]
  if wrapped and wrapped.expires <= r.now then
    r.vault._wrapped[id], wrapped = nil, nil
  end
  return wrapped or refusal.bad(GONE)
end

-- The token of the header, or the one in the body.
local function named(r) return r.fields.token or wire.header(r.request, "x-vault-token") end

local function unwrap(r)
  local id = named(r)
  local wrapped = find(r, id)
  r.vault._wrapped[id] = nil
  return { raw = wrapped.body }
end

local function lookup(r)
  local wrapped = find(r, named(r))
  return { data = { creation_path = wrapped.path, creation_time = time.micros(wrapped.created), creation_ttl = wrapped.ttl } }
end

local function rewrap(r)
  local id = named(r)
  local wrapped = find(r, id)
  r.vault._wrapped[id] = nil
  r.path = wrapped.path
  return { raw = M.wrap(r, wrapped.body, tostring(wrapped.ttl)) }
end

local function wrap(r)
  if not wire.header(r.request, "x-vault-wrap-ttl") then refusal.bad "endpoint requires response wrapping to be used" end
  r.ignored = {}   -- whatever is sent is what is wrapped
  return { data = r.given }
end

--- The rows below sys/.
M.rows = {
  { "Unwrap", "^wrapping/unwrap$", fields = { token = "string" }, open = true, unwrapped = true, write = unwrap },
  { "WrappingLookup", "^wrapping/lookup$", fields = { token = "string" }, open = true, write = lookup, read = lookup },
  { "Rewrap", "^wrapping/rewrap$", fields = { token = "string" }, open = true, unwrapped = true, write = rewrap },
  { "Wrap", "^wrapping/wrap$", write = wrap },
}

return M
