--- A cluster whose CMEK is revoked at the Cloud, after its role was kept from every key. The Cloud has no way back: support has.
local cloud_change = require "engine.cluster.cloud_change"
local reach = require "engine.account.reach"
local failure = require "engine.failure"
local refusal = require "refusal"
local revocation = require "engine.policy.revocation"

local M = {}

M.kind = "revoked_cluster"
M.in_cloud = true
M.way_back = "cmek run restore"   -- destroy says so
M.own = true   -- verify: is it there, is it revoked

M.checks = { { id = "revoked_cluster.exists", severity = "high" }, { id = "revoked_cluster.as_wanted", severity = "high" } }

--- What it may call, by service.
M.actions = require("resource.actions").revoked_cluster

--- Why it cannot be taken back.
M.irreversible = "the cluster restarts and cannot start: every node in every region stops, and with it all SQL, changefeeds, backups and "
  .. "restores. Nothing is deleted. It does not come back by itself and by no call of the API: cmek run restore lets it to its keys again, "
  .. "and then CockroachDB's support brings it up, on a ticket whose text this run writes"

local SETTLE <const> = { 0.25, 0.25, 0.5, 0.5, 1, 1, 2, 4, 8, 10 }   -- seconds between looks while it is being revoked
local SETTLE_BOUND <const> = 7200     -- seconds until every region is revoked
local SHOWN <const> = 30              -- seconds that KMS may show an older policy than it has shown before

---@param want { cluster: table, keys: { arn: string, region: string, roles: string[] }[], roles: string[] }  keys: all that it has
---@param context engine.Context
function M.defaults(want, context)
  context.ticket = context.ticket or { cluster = want.cluster, keys = want.keys, roles = want.roles }
end

function M.name(want) return want.cluster.name end
function M.region() return nil end

-- Reading ----------------------------------------------------------------------------------------------------------

-- Regions whose status is not yet one of a revocation that was taken, and those that are still on their way.
local function stand(info)
  local open, moving, failed = {}, {}, nil
  for _, region in ipairs(info.region_infos or {}) do
    local text = ("%s %s"):format(region.region, region.status or "?")
    if region.status == "REVOKING" then
      moving[#moving + 1] = text
    elseif region.status ~= "REVOKED" then
      open[#open + 1] = text
    end
    if region.status == "REVOKE_FAILED" then
      local last = region.key_infos[#region.key_infos] or {}
      failed = ("%s: %s"):format(text, (last.user_message or "") ~= "" and last.user_message or "the Cloud gives no reason")
    end
  end
  return open, moving, failed
end

--- What the Cloud says.
function M.find(context, want)
  context.ticket.info = context:cmek(want.cluster)
  return { info = context.ticket.info }
end

-- Judging ----------------------------------------------------------------------------------------------------------

--- Why the cluster is not touched; nil when it may be.
---@return string? reason, string? check
function M.refusal(context, want)
  local others = revocation.others(context, want.cluster, want.roles)
  return others, others and "shared" or nil
end

--- The regions that are not revoked.
function M.differences(_, have)
  local open, list = stand(have.info), {}
  for i, text in ipairs(open) do
    local region, status = text:match "^(%S+) (.*)$"
    list[i] = { check = "as_wanted", field = "status." .. region, have = status, want = "REVOKED" }
  end
  return list
end

function M.warnings(want, have)
  local open = stand(have.info)
  if #open == 0 or want.cluster.state ~= "LOCKED" then return {} end
  return { { check = "as_wanted", field = "state", text = ("cluster %s is locked by another job: the role is kept from the keys at once, and the "
    .. "Cloud revokes when it is free"):format(want.cluster.name) } }
end

--- Why there is work although nothing differs: it is being revoked.
---@return string?
function M.pending(_, _, have)
  local open, moving = stand(have.info)
  if #open == 0 and #moving > 0 then return ("%s; it is waited for"):format(table.concat(moving, ", ")) end
end

--- What the recipe gets.
function M.result(want) return { cluster = want.cluster.id } end

-- Revoking ---------------------------------------------------------------------------------------------------------

local function what(want) return ("revoking CMEK of cluster %s"):format(want.cluster.name) end

-- Every key that the Cloud names is one of those whose policy has the Deny.
local function check_named(want, info)
  local known = {}
  for _, key in ipairs(want.keys) do known[key.arn] = true end
  for _, region in ipairs(info.region_infos or {}) do
    for _, key in ipairs(region.key_infos or {}) do
      if not known[(key.spec or {}).uri] then
        failure.raise { code = "refused", service = "cloud", region = region.region, what = what(want),
          message = ("since the plan was made the cluster was given another key, %s"):format(tostring((key.spec or {}).uri)),
          next = "run this again: it begins with the keys that there are then" }
      end
    end
  end
end

-- And has it still. A policy that was just put may be shown as it was for a while.
local function check_denied(context, want)
  context.tasks.map(want.keys, function(key)
    local now
    local denied = context:poll {
      reason = ("looking whether the policy of %s keeps the role out still"):format(key.arn), bound = SHOWN,
      check = function()
        now = revocation.find(reach.context(context, key.arn), key)
        return (now.gone or now.cut_off or now.denied or now.elsewhere) and true or nil
      end,
    }
    if denied then return end
    failure.raise { code = "refused", service = "kms", region = key.region, what = what(want),
      message = now.refused or ("since the role was kept from %s somebody took the Deny out of its policy again"):format(key.arn),
      next = "agree with whoever restores at the same time; then run this again" }
  end)
end

-- The same once the Cloud is through, so that whoever restored meanwhile is told of. That may have taken longer than credentials of AWS last.
local function look_again(context, want)
  local ok, raised = pcall(check_denied, context, want)
  if ok then return end
  if not refusal.is(raised) then error(raised, 0) end
  context:warn(("whether every key denies the role still could not be looked at in the end (%s): cmek verify revoke --cluster %s"):format(
    refusal.line(raised), require("quote")(want.cluster.name)))
end

-- The Cloud's account of it, read anew.
local function look(context, want) return context.session.cloud.cmek(want.cluster.id) end

-- What the Cloud is asked for. One that says that it is revoked already has what was asked for, from another operator.
local function change_of(context, want)
  return {
    cluster = want.cluster, specs = {}, operation = "UpdateCMEKStatus", what = what(want), verb = "revoke CMEK",
    shows = function() return #stand(look(context, want)) == 0 end,
    send = function()
      context:try(function(refused) return refused.status == 400 and tostring(refused.message or ""):lower():find "revoked" end,
        function() return context.session.cloud.revoke_cmek(want.cluster.id) end)
    end,
  }
end

local function not_settled(want, code, message, next_step)
  failure.raise { code = code, service = "cloud", operation = "GetCMEKClusterInfo", what = what(want), message = message, next = next_step }
end

-- The Cloud's statuses until every region is revoked.
local function settle(context, want)
  local started = context.clock.now()
  local settled = context:poll {
    reason = ("waiting until CMEK of %s is revoked in every region"):format(want.cluster.name), bound = SETTLE_BOUND, delays = SETTLE,
    check = function()
      local info = look(context, want)
      local open, moving, failed = stand(info)
      context.ticket.info = info
      if failed then return { failed = failed } end
      if #open > 0 and context.clock.now() - started > context.LAG then return { open = open } end
      return #open + #moving == 0 and { info = info } or nil
    end,
  } or {}
  if settled.info then return settled end
  if settled.failed then
    not_settled(want, "REVOKE_FAILED", settled.failed,
      "the role is kept from every key all the same; send support the IDs of cluster and organization")
  end
  if settled.open then
    not_settled(want, "not_ready", ("the Cloud took the request and %d s later shows %s"):format(context.LAG, table.concat(settled.open, ", ")))
  end
  not_settled(want, "not_ready", ("not every region is revoked after %d min"):format(SETTLE_BOUND // 60))
end

--- Asks the Cloud once every key is denied; waits until every region is revoked.
function M.update(context, want, have, step)
  if #M.differences(want, have) > 0 then
    have = { info = look(context, want) }
    check_named(want, have.info)
    check_denied(context, want)
    if #stand(have.info) > 0 then cloud_change.make(context, change_of(context, want), step) end
  end
  step.begun = true
  local settled = settle(context, want)
  look_again(context, want)
  return settled
end

return M
