--- A cluster whose CMEK is revoked at the Cloud, after its role was kept from every key. The Cloud has no way back: support has.
local failure = require "engine.failure"
local revocation = require "engine.revocation"

local M = {}

M.kind = "revoked_cluster"
M.own = true   -- verify: is it there, is it revoked

M.checks = { { id = "revoked_cluster.exists", severity = "high" }, { id = "revoked_cluster.as_wanted", severity = "high" } }

--- What it may call, by service.
M.actions = { cloud = { "GetCMEKClusterInfo", "UpdateCMEKStatus", "GetCluster", "ListClusters" }, kms = { "GetKeyPolicy" } }

--- Why it cannot be taken back.
M.irreversible = "the cluster restarts and cannot start: every node in every region stops, and with it all SQL, changefeeds, backups and "
  .. "restores. Nothing is deleted. It does not come back by itself and by no call of the API: cmek run restore lets it to its keys again, "
  .. "and then CockroachDB's support brings it up, on a ticket whose text this run writes"

local SETTLE <const> = { 0.25, 0.25, 0.5, 0.5, 1, 1, 2, 4, 8, 10 }   -- seconds between looks while it is being revoked
local SETTLE_BOUND <const> = 7200     -- seconds until every region is revoked
local BUSY_BOUND <const> = 7200       -- seconds until the cluster is not locked any more

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

-- Every key that the Cloud names now is one of those whose policy has the Deny, and has it still.
local function check_denied(context, want, have)
  local known = {}
  for _, key in ipairs(want.keys) do known[key.arn] = true end
  for _, region in ipairs(have.info.region_infos or {}) do
    for _, key in ipairs(region.key_infos or {}) do
      if not known[(key.spec or {}).uri] then
        failure.raise { code = "refused", service = "cloud", region = region.region, what = what(want),
          message = ("since the plan was made the cluster was given another key, %s"):format(tostring((key.spec or {}).uri)),
          next = "run this again: it begins with the keys that there are then" }
      end
    end
  end
  context.tasks.map(want.keys, function(key)
    local now = revocation.find(context, key)
    if now.gone or now.cut_off or now.denied then return end
    failure.raise { code = "refused", service = "kms", region = key.region, what = what(want),
      message = now.refused or ("since the role was kept from %s somebody took the Deny out of its policy again"):format(key.arn),
      next = "agree with whoever restores at the same time; then run this again" }
  end)
end

-- The Cloud's account of it, read anew.
local function look(context, want) return context.session.cloud.cmek(want.cluster.id) end

-- Whether the Cloud has taken the request: every region is revoked or on its way.
local function taken(context, want)
  local open = stand(look(context, want))
  return #open == 0
end

local function wait_for_lock(context, want)
  local free = context:poll {
    reason = ("cluster %s is locked by another job; waiting until it is free (cmek status --cluster %s)"):format(want.cluster.name,
      require("quote")(want.cluster.name)), bound = BUSY_BOUND, delays = { 1, 2, 5 },
    check = function()
      local now = context.session.cloud.cluster(want.cluster.id)
      return now.state ~= "LOCKED" and now.state ~= "CREATING" and now or nil
    end,
  }
  if free then return end
  local message = ("the cluster is still locked after %d min"):format(BUSY_BOUND // 60)
  failure.raise({ code = "not_ready", service = "cloud", operation = "GetCluster", what = what(want), message = message },
    "cluster.locked", { message = message, name = want.cluster.name })
end

local function is_busy(refused)
  return refused.kind == "refused" and (refused.status == 503 or tostring(refused.message or ""):lower():find "%f[%a]lock" ~= nil)
end

-- The answer was lost, or says that it is revoked: only the Cloud can say what it has.
local function look_for_outcome(context, want)
  return context:poll {
    reason = "asking the Cloud whether it took the request to revoke", bound = context.LAG, delays = { 0.5, 1, 2, 4, 8, 15 },
    check = function() return taken(context, want) or nil end,
  } or false
end

-- One sending. True when the Cloud has taken the request.
local function send(context, want)
  local done, refused = context:try(function(refused)
    return is_busy(refused) or context.uncertain(refused) or refused.status == 400 and tostring(refused.message or ""):lower():find "revok"
  end, function()
    return context:write(function() return context.session.cloud.revoke_cmek(want.cluster.id) end)
  end)
  if done then return true end
  if not is_busy(refused) then return look_for_outcome(context, want) end
  wait_for_lock(context, want)
  if taken(context, want) then return true end
  context:wait(("the Cloud says '%s' of cluster %s"):format(refused.message or refused.status, want.cluster.name), 2)
  return false
end

local function settle(context, want)
  local settled = context:poll {
    reason = ("waiting until CMEK of %s is revoked in every region"):format(want.cluster.name), bound = SETTLE_BOUND, delays = SETTLE,
    check = function()
      local info = look(context, want)
      local open, moving, failed = stand(info)
      context.ticket.info = info
      if failed then return { failed = failed } end
      return #open + #moving == 0 and { info = info } or nil
    end,
  }
  if settled and not settled.failed then return settled end
  failure.raise { code = settled and "REVOKE_FAILED" or "not_ready", service = "cloud", operation = "GetCMEKClusterInfo", what = what(want),
    message = settled and settled.failed or ("not every region is revoked after %d min"):format(SETTLE_BOUND // 60),
    next = settled and "the role is kept from every key all the same; send support the cluster's ID and the organization's" or nil }
end

--- Asks the Cloud once every key is denied; waits until every region is revoked.
function M.update(context, want, have, step)
  if #M.differences(want, have) > 0 then
    local deadline = context.clock.now() + BUSY_BOUND
    have = { info = look(context, want) }
    check_denied(context, want, have)
    while #stand(have.info) > 0 and not send(context, want) do
      if context.clock.now() > deadline then
        local message = ("the Cloud has not taken the request after %d min"):format(BUSY_BOUND // 60)
        failure.raise({ code = "not_ready", service = "cloud", operation = "UpdateCMEKStatus", what = what(want), message = message },
          "cluster.locked", { message = message, name = want.cluster.name })
      end
    end
  end
  step.begun = true
  return settle(context, want)
end

return M
