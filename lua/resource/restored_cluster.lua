--- A cluster that is let to its keys again. What the Cloud made of the revocation stays: only CockroachDB's support ends that, so nothing is
--- asked of the Cloud here but how it stands.
local cmek = require "engine.cluster.cmek"

local M = {}

M.kind = "restored_cluster"
M.in_cloud = true
M.way_back = "cmek run revoke"   -- destroy says so
M.own = true   -- verify: is it there, is it enabled again

M.checks = { { id = "restored_cluster.exists", severity = "high" }, { id = "restored_cluster.as_wanted", severity = "high" } }

--- What it may call, by service.
M.actions = require("resource.actions").restored_cluster

---@param want { cluster: table, keys: { arn: string, region: string, roles: string[] }[], roles: string[] }
---@param context engine.Context
function M.defaults(want, context)
  context.ticket = context.ticket or { cluster = want.cluster, keys = want.keys, roles = want.roles, restored = true }
end

function M.name(want) return want.cluster.name end
function M.region() return nil end

--- What the Cloud says.
function M.find(context, want)
  context.ticket.info = context:cmek(want.cluster)
  return { info = context.ticket.info, verify = context.mode == "verify" }
end

function M.refusal() return nil end

--- Nothing that a run could change; for verify what only support changes.
function M.differences(_, have)
  local list = {}
  for i, text in ipairs(have.verify and cmek.revoked(have.info) or {}) do
    local region, status = text:match "^(%S+) (.*)$"
    list[i] = { check = "as_wanted", field = "status." .. region, have = status, want = "ENABLED", mend = false,
      text = "no call of the Cloud's API ends that: a ticket to CockroachDB's support does (cmek help revoking)" }
  end
  return list
end

--- What stays as it is.
function M.warnings(want, have)
  local revoked = cmek.revoked(have.info)
  if #revoked == 0 then return {} end
  return { { check = "as_wanted", field = "status", text = ("the Cloud keeps CMEK of cluster %s revoked (%s): no call of its API ends that, "
    .. "a ticket to CockroachDB's support does"):format(want.cluster.name, table.concat(revoked, ", ")) } }
end

function M.pending() return nil end

--- What the recipe gets.
function M.result(want) return { cluster = want.cluster.id } end

return M
