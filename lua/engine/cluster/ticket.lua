--- The text of a ticket to CockroachDB's support, who alone bring a revoked cluster back: which cluster, what was done to it, and when.
local cmek = require "engine.cluster.cmek"
local json = require "json"
local statement = require "policy.revocation"
local time = require "time"

local M = {}

local function add(lines, text, ...) lines[#lines + 1] = text:format(...) end

-- The keys whose policy this run changed, or that had been changed before.
local function keys_of(lines, engine, ticket)
  local steps = {}
  for _, step in ipairs(engine.steps) do
    if step.want and step.want.arn then steps[step.want.arn] = step end
  end
  for _, key in ipairs(ticket.keys) do
    local step = steps[key.arn] or {}
    local open = step.action == "change" and step.result ~= "done"
    local kept = type(step.have) == "table" and step.have.kept
    add(lines, "    %s%s", key.arn, open and "  (not yet)" or kept and ("  (not usable: %s)"):format(kept) or "")
  end
end

-- Since when the Cloud has it revoked: the latest of its regions; nil when it does not say.
local function revoked_at(info)
  local last
  for _, region in ipairs(info.region_infos or {}) do
    for _, key in ipairs(tostring(region.status):find "^REVOK" and region.key_infos or {}) do
      local moment = tostring(key.status):find "^REVOK" and time.epoch(key.updated_at)
      if moment and moment > (last or 0) then last = moment end
    end
  end
  return last and time.text(last)
end

local function regions_of(cluster)
  local list = {}
  for i, region in ipairs(cluster.regions or {}) do list[i] = region.name end
  return table.concat(list, ", ")
end

local function head(lines, engine, ticket)
  local cluster, organization = ticket.cluster, engine.organization or {}
  add(lines, ticket.restored and "Please bring our cluster %s up again: its CMEK was revoked, and it may use its keys again."
    or "We have revoked CMEK of our cluster %s. It is down on purpose; we will ask you to bring it up again.", cluster.name)
  add(lines, "")
  add(lines, "Organization: %s, ID %s, label %s", organization.name or "", organization.id or "?", organization.label or "")
  add(lines, "Cluster: %s, ID %s, regions %s", cluster.name, cluster.id, regions_of(cluster))
end

local function done(lines, engine, ticket)
  local identity, at = engine.identity or {}, engine.context.changed_at
  add(lines, at and "What was done (cmek %s, run %s, as %s):" or "How it stands (cmek %s, run %s, as %s, changed nothing):", require "version",
    engine.context.run_id, identity.arn or "?")
  local words = ticket.restored and "may use these keys again: the statement '%s' is in none of their policies"
    or "is kept from these keys, by the statement '%s' of their policies"
  add(lines, "  %s%s " .. words .. ":", at and time.text(at) .. "  " or "", table.concat(ticket.roles, " and "), statement.SID)
  keys_of(lines, engine, ticket)
end

--- The ticket of a run that revokes or restores; nil of any other one, and where the Cloud has nothing revoked, so that nothing is to be asked.
---@param engine table
---@return { cluster_id: string, organization_id: any, text: string }?
function M.of(engine)
  local ticket = engine.context.ticket
  local info = ticket and ticket.info
  local revoked = info and cmek.revoked(info) or {}
  if #revoked == 0 then return nil end
  local lines, since = {}, revoked_at(info)
  head(lines, engine, ticket)
  add(lines, "CMEK, as the Cloud has it: %s%s", table.concat(revoked, ", "), since and (" since " .. since) or "")
  add(lines, "")
  done(lines, engine, ticket)
  if not ticket.restored and engine.context.changed_at then
    add(lines, "  Then PATCH /api/v1/clusters/%s/cmek {\"action\":\"REVOKE\"} was sent", ticket.cluster.id)
  end
  return { cluster_id = ticket.cluster.id, organization_id = engine.organization and engine.organization.id or json.null,
    text = table.concat(lines, "\n") .. "\n" }
end

return M
