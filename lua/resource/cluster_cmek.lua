--- CMEK of a cluster: every region with its key and role. It can be enabled once and never switched off.
local access = require "engine.access"
local cmek = require "engine.cmek"
local failure = require "engine.failure"

local M = {}

M.kind = "cluster_cmek"

--- What it may call, by service.
M.actions = {
  cloud = { "GetCMEKClusterInfo", "EnableCMEKSpec", "GetCluster" },
  iam = { "GetRole" }, kms = { "DescribeKey", "GetKeyPolicy", "ListResourceTags", "GetKeyRotationStatus" },
}

--- The checks of verify, in order.
M.checks = {
  { id = "cluster_cmek.exists", severity = "high", text = "CMEK is enabled for the cluster" },
  { id = "cluster_cmek.regions", severity = "high", text = "every region of the cluster is named once, and no other" },
  { id = "cluster_cmek.key", severity = "high", text = "the region uses this key" },
  { id = "cluster_cmek.role", severity = "high", text = "with this role" },
  { id = "cluster_cmek.enabled", severity = "high", text = "region and key are ENABLED" },
}

--- Why making it cannot be taken back.
M.irreversible = "CMEK stays enabled for the life of the cluster, and managed backups from before it can no longer be restored"

local SETTLE <const> = { 0.25, 0.25, 0.5, 0.5, 1, 1, 2, 4, 8, 10 }   -- seconds between looks while it is being enabled
local SETTLE_BOUND <const> = 7200     -- seconds until every region is enabled
local BUSY_PAUSE <const> = 10         -- seconds between two requests to a Cloud that says so
local BUSY_BOUND <const> = 7200       -- seconds until the cluster is not locked any more
local ACCESS_BOUND <const> = 600      -- seconds that a new role and key may need to be seen by CockroachDB

---@param want { cluster: table, region_specs: table[] }
function M.defaults(want)
  if type(want.region_specs) ~= "table" then error("cluster_cmek: field 'region_specs' must be the list that handover gives", 0) end
end

function M.name(want) return want.cluster.name end
function M.region() return nil end

-- Reading ----------------------------------------------------------------------------------------------------------

--- Starts what `find` reads, before it is asked for.
function M.foresee(context, want)
  context:begin("cmek " .. want.cluster.id, function() return context.session.cloud.cmek(want.cluster.id) end)
  context:begin("organization", function() return context.session.cloud.organization() end)
end

--- What the Cloud says; nil when CMEK was never enabled, or when it failed and can be asked for again.
function M.find(context, want)
  local info = context:cmek(want.cluster)
  local any, failed
  for _, spec in ipairs(want.region_specs) do
    if #cmek.live(info, spec.region) > 0 then any = true end
    local state, message = cmek.state(info, spec)
    if state == "failed" then failed = message end
  end
  for _, entry in ipairs(info.region_infos or {}) do
    if #cmek.live(info, entry.region) > 0 then any = true end
  end
  return (any or failed) and { info = info, failed = failed } or nil
end

-- Judging ----------------------------------------------------------------------------------------------------------

local function uncovered(want)
  local named, missing = {}, {}
  for _, spec in ipairs(want.region_specs) do
    if named[spec.region] then return ("the region %s stands twice"):format(spec.region) end
    named[spec.region] = true
  end
  for _, region in ipairs(want.cluster.regions or {}) do
    if not named[region.name] then missing[#missing + 1] = region.name end
  end
  if #missing > 0 then return "every region of the cluster must have a key; missing: " .. table.concat(missing, ", ") end
end

-- The key that a region uses although another one is wanted.
local function other_key(info, spec)
  for _, key in ipairs(cmek.live(info, spec.region)) do
    if not cmek.same(key, spec.key_spec) or key.status:find "^REVOK" then return key end
  end
end

--- Why the cluster is not touched; nil when it can be enabled, or is as wanted.
---@return string? reason, string? check
function M.refusal(context, want, have)
  if context:cmek(want.cluster).unknown then
    return ("%s: %s"):format(require("facts").NO_ENABLING, require("facts").ENABLING), "exists"
  end
  local gap = uncovered(want)
  if gap then return gap, "exists" end
  if not have then return nil end
  for _, spec in ipairs(want.region_specs) do
    local key = other_key(have.info, spec)
    if key then
      return ("the cluster uses %s with role %s in %s (%s): enabling another key is a rotation, not an enabling"):format(
        key.uri, key.auth_principal, spec.region, key.status), "enabled"
    end
    if cmek.state(have.info, spec) == "absent" and not have.failed then
      return ("the cluster has CMEK in other regions and none in %s: adding a region is another step"):format(spec.region), "enabled"
    end
  end
end

--- A cluster whose enabling failed differs: it is asked for again.
function M.differences(want, have)
  local list = {}
  for _, spec in ipairs(want.region_specs) do
    local state, message = cmek.state(have.info, spec)
    if state == "failed" or state == "absent" then
      list[#list + 1] = { check = "enabled", field = "status." .. spec.region, have = message or "absent", want = "ENABLED" }
    end
  end
  return list
end

function M.warnings() return {} end

--- Why there is work although nothing differs: it is being enabled.
---@return string? reason, boolean? writes
function M.pending(_, want, have)
  if not have then return nil end
  for _, spec in ipairs(want.region_specs) do
    if cmek.state(have.info, spec) == "pending" then return ("%s is being enabled; it is waited for"):format(spec.region) end
  end
end

--- What the recipe gets.
function M.result(want) return { cluster = want.cluster.id, region_specs = want.region_specs } end

-- Enabling ---------------------------------------------------------------------------------------------------------

local function what(want) return ("enabling CMEK of cluster %s"):format(want.cluster.name) end

-- The Cloud's account of the wanted keys, read anew.
local function look(context, want)
  local info = context.session.cloud.cmek(want.cluster.id)
  return info, cmek.signature(info, want.region_specs)
end

-- Whether every wanted region is known to the Cloud with its key, whatever its state.
local function accepted(want, info)
  for _, spec in ipairs(want.region_specs) do
    if cmek.state(info, spec) == "absent" then return false end
  end
  return true
end

local function wait_for_lock(context, want)
  local cluster = context:poll {
    reason = ("cluster %s is locked by another job; waiting until it is free (cmek status --cluster %s)"):format(want.cluster.name,
      want.cluster.name), bound = BUSY_BOUND,
    delays = { 2, 5, 10 },
    check = function()
      local now = context.session.cloud.cluster(want.cluster.id)
      return now.state ~= "LOCKED" and now.state ~= "CREATING" and now or nil
    end,
  }
  if not cluster then
    local message = ("the cluster is still locked after %d min"):format(BUSY_BOUND // 60)
    failure.raise({ code = "not_ready", service = "cloud", operation = "GetCluster", what = what(want), message = message },
      "cluster.locked", { message = message, name = want.cluster.name })
  end
end

-- What a refusal of the POST means: "busy", "access", "already", or nil for what is final or unknown.
local function meaning(refused)
  if refused.kind ~= nil and refused.kind ~= "refused" then return nil end
  local message = tostring(refused.message or ""):lower():gsub("arn:[^%s']+", ""):gsub("aws_kms", "")   -- names are not what is wrong
  if refused.status == 503 or message:find "%f[%a]lock" then return "busy" end
  if refused.status == 409 or message:find "already .*enabled" then return "already" end
  local key_access = message:find "permission" or message:find "assume" or message:find "kms"
  if refused.status == 400 and key_access or refused.status == 403 and message:find "kms" then return "access" end
end

-- The command that puts role and keys right.
local function console(context, want)
  return context.console and context.console() or "cmek run console --cluster " .. want.cluster.name
end

-- Raises with the situation that was seen: { id, facts }.
local function with_situation(context, want, fields, told)
  local facts = { name = want.cluster.name, mend = console(context, want) }
  for name, value in pairs(told[2]) do facts[name] = value end   -- order cannot be seen
  failure.raise(fields, told[1], facts)
end

local function no_access(context, want, refused, message, told)
  with_situation(context, want, {
    code = refused.code or "refused", service = "cloud", operation = "EnableCMEKSpec", request_id = refused.request_id, what = what(want),
    message = ("CockroachDB Cloud says '%s'. %s"):format(refused.message or "", message),
  }, told or { "access.unseen", { said = ("CockroachDB Cloud says '%s'"):format(refused.message or "") } })
end

-- Wrong now: fails, naming it. Right and new: comes back, to be tried again. Else fails, naming what cannot be seen.
local function judge_access(context, want, refused, first)
  local fault, newest, told = access.fault(context, want.cluster, context:once("organization"), want.region_specs)
  local now = context.clock.now()
  local new = now - newest < ACCESS_BOUND
  if fault and now - newest > context.LAG then no_access(context, want, refused, fault, told) end
  if new and now - first < ACCESS_BOUND then
    local seen = context.spec and ("role and key are new, and the Cloud says '%s'"):format(refused.message or "")
      or "role and key are right, as far as can be seen, and new"
    local reason = seen .. "; CockroachDB does not see them yet (it may take some minutes)"
    context:wait(fault and "what is read may be old: " .. fault or reason, math.min(10, 2 + (now - first) / 4))
    return
  end
  if fault then no_access(context, want, refused, fault, told) end
  if context.spec then
    no_access(context, want, refused, "With --spec AWS is not looked at: whoever made role and keys can find what is wrong with cmek verify console")
  end
  no_access(context, want, refused, ("Trust, key policy and key are right, as far as can be seen, and were not changed in the last %d min. "
    .. "What cannot be seen from here: %s"):format(ACCESS_BOUND // 60, table.concat(access.UNSEEN, ", ")))
end

-- Whether the Cloud has taken the request since `old` was read, from us or from another operator.
local function taken(context, want, old)
  local info, signature = look(context, want)
  return signature ~= old and accepted(want, info)
end

-- The answer was lost, or says that it is done: only the Cloud can say what it has.
local function look_for_outcome(context, want, old)
  return context:poll {
    reason = "asking the Cloud whether it took the request to enable CMEK", bound = context.LAG,
    check = function() return taken(context, want, old) or nil end,
  } or false
end

-- One sending. True when the Cloud has taken the request.
local function send(context, want, old, first)
  local done, refused = context:try(function(refused) return meaning(refused) or context.uncertain(refused) end, function()
    return context:write(function() return context.session.cloud.enable_cmek(want.cluster.id, want.region_specs) end)
  end)
  if done then return true end
  local kind = meaning(refused)
  if kind == "busy" then
    wait_for_lock(context, want)
    if taken(context, want, old) then return true end
    context:wait(("the Cloud says '%s' of cluster %s"):format(refused.message or refused.status, want.cluster.name), BUSY_PAUSE)
    return false
  elseif kind == "access" then
    judge_access(context, want, refused, first)
    return false
  elseif look_for_outcome(context, want, kind == "already" and "" or old) then
    return true
  elseif kind == "already" then
    no_access(context, want, refused, "It does not show the wanted keys, so it was enabled with others")
  end
  return false
end

-- The Cloud's statuses until every region and its key is enabled. `old`: how it looked before, so that a failure of an
-- earlier try, read late, is not taken for one of this try.
local function settle(context, want, old)
  local started = context.clock.now()
  local settled = context:poll {
    reason = ("waiting until every region of %s uses its key"):format(want.cluster.name), bound = SETTLE_BOUND, delays = SETTLE,
    check = function()
      local info, signature = look(context, want)
      local all, failed = true, nil
      for _, spec in ipairs(want.region_specs) do
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
    failure.raise { code = "not_ready", service = "cloud", operation = "GetCMEKClusterInfo", what = what(want),
      message = ("not every region is enabled after %d min"):format(SETTLE_BOUND // 60) }
  end
  local fault, _, told = access.fault(context, want.cluster, context:once("organization"), want.region_specs)
  with_situation(context, want, { code = "ENABLE_FAILED", service = "cloud", operation = "GetCMEKClusterInfo", what = what(want),
    message = settled.failed .. (fault and "; seen from here: " .. fault or "") }, told or { "cmek.enable-failed", { said = settled.failed } })
end

--- Enables CMEK for every region at once, then waits until every region and its key is ENABLED.
function M.create(context, want, step)
  M.foresee(context, want)
  local old = cmek.signature(context:cmek(want.cluster), want.region_specs)
  local first, deadline = context.clock.now(), context.clock.now() + BUSY_BOUND
  while not send(context, want, old, first) do
    if context.clock.now() > deadline then
      local message = ("the Cloud has not taken the request after %d min"):format(BUSY_BOUND // 60)
      failure.raise({ code = "not_ready", service = "cloud", operation = "EnableCMEKSpec", what = what(want), message = message },
        "cluster.locked", { message = message, name = want.cluster.name })
    end
  end
  step.begun = true
  return settle(context, want, old)
end

--- Asks again where enabling failed; waits where it goes on.
function M.update(context, want, have, step)
  if #M.differences(want, have) > 0 then return M.create(context, want, step) end
  return settle(context, want, "")
end

return M
