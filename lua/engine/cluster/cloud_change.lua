--- A change of a cluster that the Cloud is asked for: once, however its answer is lost; then it is waited for. A locked
--- cluster is waited for, and lack of access is judged by what can be seen before propagation is blamed.
---@class engine.CloudChange
---@field cluster table
---@field specs table[]      region_specs: the keys that every region listed uses in the end
---@field handed table[]?   the run's region_specs, where only some of them are asked for
---@field operation string   of the API, as refusals name it
---@field what string        "enabling CMEK of cluster orders"
---@field verb string        "enable CMEK", as in "took the request to …"
---@field failed string      the code of a change that the Cloud took and could not make, and
---@field situation string   the situation that it is
---@field before (fun(): boolean?)?  called before each sending, which it leaves out by true: the Cloud has it already
---@field send fun(): any    asks for it
---@field old string?        how the Cloud's account of the specs looked before: lua/engine/cluster/cmek.lua's signature
---@field shows (fun(): boolean)?   whether the Cloud shows that it took the request, for a change that does not show in its account of the keys
---@field anew boolean?      the keys are the ones in use already: that they are used again shows by a newer account alone
local access = require "engine.policy.access"
local cmek = require "engine.cluster.cmek"
local failure = require "engine.failure"

local M = {}

local SETTLE <const> = { 0.25, 0.25, 0.5, 0.5, 1, 1, 2, 4, 8, 10 }   -- seconds between looks while the Cloud works
local SETTLE_BOUND <const> = 7200     -- seconds until every region is enabled
local BUSY_PAUSE <const> = 10         -- seconds between two requests to a Cloud that says so
local BUSY_BOUND <const> = 7200       -- seconds until the cluster is not locked any more
local ACCESS_BOUND <const> = 600      -- seconds that a new role and key may need to be seen by CockroachDB

-- Looking ------------------------------------------------------------------------------------------------------------

-- The Cloud's account of the wanted keys, read anew.
local function look(context, change)
  local info = context.session.cloud.cmek(change.cluster.id)
  return info, cmek.signature(info, change.specs)
end

--- Asks the Cloud something during a long wait: nil where it could not say, which is told, and asked again.
---@param context engine.Context
---@param fn fun(): any
---@return any
function M.patiently(context, fn)
  local value, refused = context:try(context.uncertain, fn)
  if not refused then return value end
  context:warn(("while it is waited for, the Cloud does not always answer (%s); it is asked again"):format(require("refusal").line(refused)))
end

-- Whether every wanted region is known to the Cloud with its key, whatever its state.
local function accepted(change, info)
  for _, spec in ipairs(change.specs) do
    if cmek.state(info, spec) == "absent" then return false end
  end
  return true
end

-- Whether the Cloud has taken the request since the change's old account, from us or from another operator.
local function taken(context, change, old)
  if change.shows then return change.shows() end
  local info, signature = look(context, change)
  return signature ~= old and accepted(change, info)
end

-- The answer was lost, or says that it is done: only the Cloud can say what it has.
local function look_for_outcome(context, change, old)
  return context:poll {
    reason = "asking the Cloud whether it took the request to " .. change.verb, bound = context.LAG,
    check = function() return taken(context, change, old) or nil end,
  } or false
end

local function still_locked(change, operation, message)
  failure.raise({ code = "not_ready", service = "cloud", operation = operation, what = change.what, message = message },
    "cluster.locked", { message = message, name = change.cluster.name })
end

--- Waits until no other job holds the cluster: as it is then. Raises when it is held for too long.
---@param context engine.Context
---@param change engine.CloudChange
---@return table cluster
function M.wait_for_lock(context, change)
  local name = change.cluster.name
  local cluster = context:poll {
    reason = ("cluster %s is locked by another job; waiting until it is free (cmek status --cluster %s)"):format(name, name), bound = BUSY_BOUND,
    delays = { 2, 5, 10 },
    check = function()
      local now = M.patiently(context, function() return context.session.cloud.cluster(change.cluster.id) end)
      return now and now.state ~= "LOCKED" and now.state ~= "CREATING" and now or nil
    end,
  }
  return cluster or still_locked(change, "GetCluster", ("the cluster is still locked after %d min"):format(BUSY_BOUND // 60))
end

-- Refusals -----------------------------------------------------------------------------------------------------------

-- What a refusal of the request means: "busy", "access", "already", or nil for what is final or unknown.
local function meaning(refused)
  if refused.kind ~= nil and refused.kind ~= "refused" then return nil end
  local message = tostring(refused.message or ""):lower():gsub("arn:[^%s']+", ""):gsub("aws_kms", "")   -- names are not what is wrong
  if refused.status == 503 or message:find "%f[%a]lock" then return "busy" end
  if refused.status == 409 or message:find "already .*enabled" then return "already" end
  local key_access = message:find "permission" or message:find "assume" or message:find "kms"
  if refused.status == 400 and key_access or refused.status == 403 and message:find "kms" then return "access" end
end

-- The command that puts role and keys right.
local function console(context, change)
  return context.console and context.console() or "cmek run console --cluster " .. change.cluster.name
end

-- Raises with the situation that was seen: { id, facts }.
local function with_situation(context, change, fields, told)
  local facts = { name = change.cluster.name, mend = console(context, change) }
  for name, value in pairs(told[2]) do facts[name] = value end   -- order cannot be seen
  failure.raise(fields, told[1], facts)
end

local function no_access(context, change, refused, message, told)
  with_situation(context, change, {
    code = refused.code or "refused", service = "cloud", operation = change.operation, request_id = refused.request_id, what = change.what,
    message = ("CockroachDB Cloud says '%s'. %s"):format(refused.message or "", message),
  }, told or { "access.unseen", { said = ("CockroachDB Cloud says '%s'"):format(refused.message or "") } })
end

-- Wrong now: fails, naming it. Right and new: comes back, to be tried again. Else fails, naming what cannot be seen.
local function judge_access(context, change, refused, first)
  local fault, newest, told = access.fault(context, change.cluster, context:once("organization"), change.specs)
  local now = context.clock.now()
  local new = now - newest < ACCESS_BOUND
  if fault and now - newest > context.LAG then no_access(context, change, refused, fault, told) end
  if new and now - first < ACCESS_BOUND then
    local seen = context.spec and ("role and key are new, and the Cloud says '%s'"):format(refused.message or "")
      or "role and key are right, as far as can be seen, and new"
    local reason = seen .. "; CockroachDB does not see them yet (it may take some minutes)"
    context:wait(fault and "what is read may be old: " .. fault or reason, math.min(10, 2 + (now - first) / 4))
    return
  end
  if fault then no_access(context, change, refused, fault, told) end
  if context.spec then
    no_access(context, change, refused, "With --spec AWS is not looked at: whoever made role and keys can find what is wrong with "
      .. "cmek verify console")
  end
  no_access(context, change, refused, ("Trust, key policy and key are right, as far as can be seen, and were not changed in the last %d min. "
    .. "What cannot be seen from here: %s"):format(ACCESS_BOUND // 60, table.concat(access.UNSEEN, ", ")))
end

-- Asking -------------------------------------------------------------------------------------------------------------

local function lost(context, change, refused)
  failure.raise({ code = "lost", service = "cloud", operation = change.operation, request_id = refused.request_id, what = change.what,
    message = ("the answer was lost (%s), and after %d min the Cloud shows nothing of the request; it was sent once and is not sent again by itself")
      :format(refused.message or refused.status or "?", context.LAG // 60) }, "cloud.lost", { name = change.cluster.name })
end

-- One sending. True when the Cloud has taken the request.
local function send(context, change, first)
  if change.before and change.before() then return true end
  local done, refused = context:try(function(refused) return meaning(refused) or context.uncertain(refused) end, function()
    return context:write(change.send)
  end)
  if done then return true end
  local kind = meaning(refused)
  if kind == "busy" then
    M.wait_for_lock(context, change)
    if taken(context, change, change.old) then return true end
    context:wait(("the Cloud says '%s' of cluster %s"):format(refused.message or refused.status, change.cluster.name), BUSY_PAUSE)
    return false
  elseif kind == "access" then
    judge_access(context, change, refused, first)
    return taken(context, change, change.old)   -- somebody else's request may have been taken since
  elseif look_for_outcome(context, change, kind == "already" and "" or change.old) then
    return true
  elseif kind == "already" then
    no_access(context, change, refused, "It does not show the wanted keys, so it was enabled with others")
  end
  return lost(context, change, refused)
end

-- How all regions stand: whether every one uses its key, and the Cloud's words on one that failed.
local function stand(change, info)
  local all, failed = true, nil
  for _, spec in ipairs(change.specs) do
    local state, message = cmek.state(info, spec)
    all = all and state == "enabled"
    failed = failed or state == "failed" and message
  end
  return all, failed
end

--- Waits until every region and its key is ENABLED. A failure that an earlier try left, read late, is not taken for one of this try.
---@param context engine.Context
---@param change engine.CloudChange
---@return { info: table }
function M.settle(context, change)
  local started, moved = context.clock.now(), not change.anew
  local settled = context:poll {
    reason = ("waiting until every region of %s uses its key"):format(change.cluster.name), bound = SETTLE_BOUND, delays = SETTLE,
    check = function()
      local info = M.patiently(context, function() return context.session.cloud.cmek(change.cluster.id) end)
      if not info then return nil end
      local signature, all, failed = cmek.signature(info, change.specs), stand(change, info)
      local late = signature == change.old and context.clock.now() - started < context.LAG
      if failed and not late then return { failed = failed } end
      moved = moved or not late
      return all and moved and { info = info } or nil
    end,
  }
  if settled and not settled.failed then return settled end
  if not settled then
    failure.raise { code = "not_ready", service = "cloud", operation = "GetCMEKClusterInfo", what = change.what,
      message = ("not every region is enabled after %d min"):format(SETTLE_BOUND // 60) }
  end
  local fault, _, told = access.fault(context, change.cluster, context:once("organization"), change.specs)
  with_situation(context, change, { code = change.failed, service = "cloud", operation = "GetCMEKClusterInfo", what = change.what,
    message = settled.failed .. (fault and "; seen from here: " .. fault or "") }, told or { change.situation, { said = settled.failed } })
end

--- Asks for the change until the Cloud has taken it.
---@param context engine.Context
---@param change engine.CloudChange
function M.ask(context, change)
  local first, deadline = context.clock.now(), context.clock.now() + BUSY_BOUND
  if #change.specs > 0 then require("engine.cluster.handed_over").note(context, change) end   -- a change that gives the Cloud no keys hands none over
  while not send(context, change, first) do
    if context.clock.now() > deadline then
      still_locked(change, change.operation, ("the Cloud has not taken the request after %d min"):format(BUSY_BOUND // 60))
    end
  end
end

--- Asks for the change, then waits until it is made.
---@param context engine.Context
---@param change engine.CloudChange
---@param step table
---@return { info: table }
function M.make(context, change, step)
  M.ask(context, change)
  step.begun = true
  return M.settle(context, change)
end

return M
