--- What the Cloud says of a cluster's CMEK, taken apart: CMEKClusterInfo in, answers out.
local sorted = require "sorted"
local time = require "time"
local unknown = require "unknown"

local M = {}

--- Statuses of a key that the cluster depends on, or is about to; what comes stands before what goes.
local LIVE <const> = { ENABLING = 1, ROTATING = 1, ENABLED = 2, REVOKING = 3, REVOKED = 3, REVOKE_FAILED = 3, DISABLING = 4, DISABLE_FAILED = 4 }

--- A region's info; nil when the Cloud names none.
---@param info table    CMEKClusterInfo
---@param region string
function M.region(info, region)
  for _, entry in ipairs(info.region_infos or {}) do
    if entry.region == region then return entry end
  end
end

--- The keys that a region uses or is about to use: while it is rotated the new one first; else by ARN.
---@param info table
---@param region string
---@return { uri: string, auth_principal: string?, status: string }[]
function M.live(info, region)
  local by_uri, ranked, list = {}, {}, {}
  for _, key in ipairs((M.region(info, region) or {}).key_infos or {}) do
    local spec = key.spec or {}
    if LIVE[key.status] and spec.uri then by_uri[spec.uri] = { uri = spec.uri, auth_principal = spec.auth_principal, status = key.status } end
  end
  for uri, key in pairs(by_uri) do ranked[("%d %s"):format(LIVE[key.status], uri)] = key end   -- order cannot be seen
  for _, key in sorted(ranked) do list[#list + 1] = key end
  return list
end

--- The regions whose CMEK is revoked, or is being revoked, each with its status: "us-east-1 REVOKED".
---@param info table
---@return string[]
function M.revoked(info)
  local list = {}
  for _, region in ipairs(info.region_infos or {}) do
    if tostring(region.status):find "^REVOK" then list[#list + 1] = ("%s %s"):format(region.region, region.status) end
  end
  return list
end

--- Whether a key of the Cloud's is the wanted one: same ARN, same role. A role that is yet to be made has no ARN in a plan; the
--- run, which knows it, compares again.
---@param have { uri: string?, auth_principal: string? }
---@param wanted { uri: string, auth_principal: string }  the key_spec
---@return boolean
function M.same(have, wanted)
  return have.uri == wanted.uri and (have.auth_principal == wanted.auth_principal or unknown.has(wanted.auth_principal))
end

--- The latest info of one wanted key: same ARN, same role.
---@param info table
---@param spec { region: string, key_spec: { uri: string, auth_principal: string } }
---@return table? CMEKKeyInfo
function M.key(info, spec)
  local found
  for _, key in ipairs((M.region(info, spec.region) or {}).key_infos or {}) do
    if M.same(key.spec or {}, spec.key_spec) and (not found or (key.updated_at or "") >= (found.updated_at or "")) then found = key end
  end
  return found
end

--- When the Cloud took a region's key as it is, first or anew; nil when it does not say.
---@param info table
---@param region string
---@param uri string
---@return number?
function M.taken_at(info, region, uri)
  local last
  for _, key in ipairs((M.region(info, region) or {}).key_infos or {}) do
    if (key.spec or {}).uri == uri then last = math.max(last or 0, time.epoch(key.updated_at) or time.epoch(key.created_at) or 0) end
  end
  return last
end

--- How a wanted region stands: "enabled", "pending", "failed", or "absent" when the Cloud does not name that key.
---@param info table
---@param spec table
---@return string state, string? message
function M.state(info, spec)
  local key, region = M.key(info, spec), M.region(info, spec.region)
  if not key then return "absent" end
  local status = region.status or ""
  for _, one in ipairs { key.status or "", status } do
    if one:find "_FAILED$" then
      local hint = key.user_message and key.user_message ~= "" and key.user_message or "the Cloud gives no reason"
      return "failed", ("%s: region %s, key %s: %s"):format(spec.region, status, key.status, hint)
    end
  end
  if key.status == "ENABLED" and status == "ENABLED" then return "enabled" end
  if key.status == "DISABLED" or key.status == "DISABLE_FAILED" then return "absent" end
  return "pending"
end

--- A text that changes whenever the Cloud's account of a wanted set changes: what was read before a request and after it can be told apart.
---@param info table
---@param specs table[]
---@return string
function M.signature(info, specs)
  local parts = { info.status or "" }
  for _, spec in ipairs(specs) do
    local key, region = M.key(info, spec) or {}, M.region(info, spec.region) or {}
    parts[#parts + 1] = ("%s=%s/%s/%s"):format(spec.region, region.status, key.status, key.updated_at)
  end
  return table.concat(parts, " ")
end

return M
