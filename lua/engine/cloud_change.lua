--- A change of a cluster that the Cloud is asked for: to enable CMEK, to add regions. It is sent, and what became of a sending whose answer
--- was lost is looked up: it is never sent again before a person, or another run, has seen that nothing came of it. Then it is waited for.
---@class engine.CloudChange
---@field cluster table
---@field region_specs table[]   the keys that it is about
---@field what string            "enabling CMEK of cluster orders"
---@field operation string       the API's name: "EnableCMEKSpec"
---@field kind string            of the resource that asks
---@field send fun()             asks the Cloud
---@field taken fun(before: boolean?): boolean   whether the Cloud shows that it took the request; reads it anew. before: or had it before
---@field note table?            more for the journal, by which the wait is taken up
local access = require "engine.access"
local cmek = require "engine.cmek"
local failure = require "engine.failure"

local M = {}

local SETTLE <const> = { 0.25, 0.25, 0.5, 0.5, 1, 1, 2, 4, 8, 10 }   -- seconds between looks while the Cloud works
local BUSY_PAUSE <const> = 10         -- seconds between two requests to a Cloud that says so
local ACCESS_BOUND <const> = 600      -- seconds that a new role and key may need to be seen by CockroachDB

--- Seconds that a job of the Cloud's may take, and that a cluster may be locked by another one.
M.BOUND = 7200

--- The Cloud's account of the wanted keys, read anew.
---@return table info, string signature
function M.look(context, change)
  local info = context.session.cloud.cmek(change.cluster.id)
  return info, cmek.signature(info, change.region_specs)
end

--- Whether every wanted region is known to the Cloud with its key, whatever its state.
function M.names_all(info, specs)
  for _, spec in ipairs(specs) do
    if cmek.state(info, spec) == "absent" then return false end
  end
  return true
end

-- Locks ------------------------------------------------------------------------------------------------------------------

--- Waits until no other job holds the cluster: as it is then. Raises when it is held for too long.
---@param context engine.Context
---@param change engine.CloudChange
---@return table cluster
function M.wait_for_lock(context, change)
  local name = change.cluster.name
  local cluster = context:poll {
    reason = ("cluster %s is locked by another job; waiting until it is free (cmek status --cluster %s)"):format(name, name), bound = M.BOUND,
    delays = { 2, 5, 10 },
    check = function()
      local now = context.session.cloud.cluster(change.cluster.id)
      return now.state ~= "LOCKED" and now.state ~= "CREATING" and now or nil
    end,
  }
  if cluster then return cluster end
  local message = ("the cluster is still locked after %d min"):format(M.BOUND // 60)
  return failure.raise({ code = "not_ready", service = "cloud", operation = "GetCluster", what = change.what, message = message },
    "cluster.locked", { message = message, name = name })
end

-- Refusals ---------------------------------------------------------------------------------------------------------------

-- What a refusal means: "busy", "access", "already", or nil for what is final or unknown.
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
  local fault, newest, told = access.fault(context, change.cluster, context:once("organization"), change.region_specs)
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

-- Asking -----------------------------------------------------------------------------------------------------------------

-- The answer was lost, or says that it is done: only the Cloud can say what it has.
local function look_for_outcome(context, change, already)
  return context:poll {
    reason = ("asking the Cloud whether it took the request (%s)"):format(change.what), bound = context.LAG,
    check = function() return change.taken(already) or nil end,
  } or false
end

-- One sending. True when the Cloud has taken the request.
local function send(context, change, first)
  local done, refused = context:try(function(refused) return meaning(refused) or context.uncertain(refused) end, function()
    return context:write(change.send)
  end)
  if done then return true end
  local kind = meaning(refused)
  if kind == "busy" then
    M.wait_for_lock(context, change)
    if change.taken() then return true end
    context:wait(("the Cloud says '%s' of cluster %s"):format(refused.message or refused.status, change.cluster.name), BUSY_PAUSE)
    return false
  elseif kind == "access" then
    judge_access(context, change, refused, first)
    return false
  elseif look_for_outcome(context, change, kind == "already") then
    return true
  elseif kind == "already" then
    no_access(context, change, refused, "It does not show the wanted keys, so it was enabled with others")
  end
  return failure.raise({ code = "lost", service = "cloud", operation = change.operation, request_id = refused.request_id, what = change.what,
    message = ("the answer was lost (%s), and after %d min the Cloud shows nothing of the request; it was sent once and is not sent again by itself")
      :format(refused.message or refused.status or "?", context.LAG // 60) }, "cloud.lost", { name = change.cluster.name })
end

--- Asks the Cloud for a change until it has taken it. Raises what stands in the way.
---@param context engine.Context
---@param change engine.CloudChange
function M.ask(context, change)
  local line = { kind = "asks", resource = change.kind, cluster = change.cluster.id, region_specs = change.region_specs }
  for name, value in pairs(change.note or {}) do line[name] = value end   -- order cannot be seen
  context:note(line)
  local first = context.clock.now()
  while not send(context, change, first) do
    if context.clock.now() - first > M.BOUND then
      local message = ("the Cloud has not taken the request after %d min"):format(M.BOUND // 60)
      failure.raise({ code = "not_ready", service = "cloud", operation = change.operation, what = change.what, message = message },
        "cluster.locked", { message = message, name = change.cluster.name })
    end
  end
end

-- Waiting ----------------------------------------------------------------------------------------------------------------

--- Waits until every wanted region and its key is ENABLED.
---@param context engine.Context
---@param change engine.CloudChange
---@param old string  how it looked before (M.look), so that a failure of an earlier try, read late, is not taken for one of this try
---@return table info
function M.settle(context, change, old)
  local started = context.clock.now()
  local settled = context:poll {
    reason = ("waiting until every region of %s uses its key"):format(change.cluster.name), bound = M.BOUND, delays = SETTLE,
    check = function()
      local info, signature = M.look(context, change)
      local all, failed = true, nil
      for _, spec in ipairs(change.region_specs) do
        local state, message = cmek.state(info, spec)
        all = all and state == "enabled"
        failed = failed or state == "failed" and message
      end
      local late = signature == old and context.clock.now() - started < context.LAG
      if failed and not late then return { failed = failed } end
      return all and { info = info } or nil
    end,
  }
  if settled and not settled.failed then return settled end
  if not settled then
    failure.raise { code = "not_ready", service = "cloud", operation = "GetCMEKClusterInfo", what = change.what,
      message = ("not every region is enabled after %d min"):format(M.BOUND // 60) }
  end
  local fault, _, told = access.fault(context, change.cluster, context:once("organization"), change.region_specs)
  return with_situation(context, change, { code = "ENABLE_FAILED", service = "cloud", operation = "GetCMEKClusterInfo", what = change.what,
    message = settled.failed .. (fault and "; seen from here: " .. fault or "") }, told or { "cmek.enable-failed", { said = settled.failed } })
end

return M
