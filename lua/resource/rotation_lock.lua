--- Who rotates a cluster's keys: held by one run from before anything is made until the rotation is done, also while that run is dead.
local mend = require "engine.mend"
local quote = require "quote"
local refusal = require "refusal"
local time = require "time"

local M = {}

M.kind = "rotation_lock"

--- What it may call, by service.
M.actions = require("resource.actions").rotation_lock

--- Verify asks nothing of it.
M.checks = {}

local HELD <const>, FREE <const> = "held", "free"

---@param want { cluster: table, mount: string, path: string, take_over: string? }  take_over: the run that is given up
function M.defaults(want)
  if not (want.mount and want.path) then error("rotation_lock: fields 'mount' and 'path' say where it is", 0) end
end

function M.name(want) return ("%s/data/%s"):format(want.mount, want.path) end
function M.region() return nil end
function M.foresee() end

-- Reading ------------------------------------------------------------------------------------------------------------

-- Who holds the entry, and its version; nil when nothing is kept there.
local function kept(context, want)
  local answer = context.session.vault.kv_read_lock { mount = want.mount, path = want.path }
  local data = answer and answer.data
  if not data then return nil end
  return { version = math.tointeger((answer.metadata or {}).version) or 0,
    holder = data.state == HELD and { run = data.run, operator = data.operator, since = data.since } or nil }
end

-- How often an entry was written that is not kept, or was deleted; 0 for one that may not be looked at.
local function writings(context, want)
  local known = context:try(function(refused) return refused.status == 403 end, function()
    return context.session.vault.kv_read_metadata { mount = want.mount, path = want.path } or false
  end)
  return known and math.tointeger(known.current_version) or 0
end

-- The entry as it is now: its version, and who holds it. An entry that somebody deleted is free, and keeps its count; one that was
-- written between two reads is neither: so a count is believed when nothing is kept there after it was read.
local function look(context, want)
  local now = kept(context, want)
  if now then return now end
  local version = writings(context, want)
  return version > 0 and kept(context, want) or { version = version }
end

--- Who holds it; nil when it is free. A run that goes on at the Cloud alone holds it since before.
function M.find(context, want)
  if context.spec then return { holder = { run = context.run_id } } end
  local have = look(context, want)
  return have.holder and have or nil
end

local function is_mine(context, holder) return context.run_id ~= "" and holder.run == context.run_id end

local function told(want, holder)
  local again = ("cmek run rotate --cluster %s --take-over %s"):format(quote(want.cluster.name), quote(tostring(holder.run)))
  return ("run %s of %s rotates the keys of cluster %s since %s (%s): cmek resume %s finishes it where its journal is; if that run is given up: %s")
    :format(tostring(holder.run), tostring(holder.operator), want.cluster.name, tostring(holder.since), M.name(want), tostring(holder.run), again)
end

--- Why the rotation is not begun: another run's is not finished.
---@return string? reason
function M.refusal(context, want, have)
  if not have or is_mine(context, have.holder) or have.holder.run == want.take_over then return nil end
  return told(want, have.holder)
end

function M.differences(want, have)
  if have.holder.run ~= want.take_over then return {} end
  return { { check = "holder", field = "holder", have = ("run %s of %s, since %s"):format(have.holder.run, tostring(have.holder.operator),
    tostring(have.holder.since)), want = "this run" } }
end

function M.warnings() return {} end

--- Why there is work although nothing differs: a run that is resumed has it already, and gives it back.
---@return string? reason, boolean? writes
function M.pending(context, _, have)
  if have and is_mine(context, have.holder) then return "this run has it, and gives it back when the rotation is done", true end
end

function M.result(want) return { mount = want.mount, path = want.path } end

-- Taking and giving back ---------------------------------------------------------------------------------------------

local function mismatch(refused) return refused.status == 400 and tostring(refused.message):find("check-and-set", 1, true) ~= nil end

-- Writes the entry when nobody has since it was read. What became of it is read by whoever wants to know.
local function write(context, want, version, state)
  local identity = context.session.facts == nil and context.reads.identity and context:identity() or {}
  context:try(function(refused) return mismatch(refused) or context.uncertain(refused) end, function()
    return context:write(function()
      return context.session.vault.kv_write { mount = want.mount, path = want.path, options = { cas = version }, data = { state = state,
        run = context.run_id, operator = identity.arn or "?", since = time.text(context.clock.now()), cluster = want.cluster.id } }
    end)
  end)
end

-- Takes it, or raises who was faster.
local function take(context, want)
  local now = look(context, want)
  if not now.holder or now.holder.run == want.take_over then
    write(context, want, now.version, HELD)
    if context.mode == "plan" then return now end   -- a rehearsal
    now = look(context, want)
  end
  if now.holder and is_mine(context, now.holder) then return now end
  context:refuse { service = "vault", what = ("taking the lock %s"):format(M.name(want)),
    message = now.holder and told(want, now.holder) or "Vault does not show it as it was written", next = "wait until that run is done" }
end

function M.create(context, want) return take(context, want) end
function M.update(context, want, have) return is_mine(context, have.holder) and have or take(context, want) end

--- Gives it back at the end of a run that is done. That it could not be is told, and no failure.
---@param context engine.Context
---@param want table
function M.release(context, want)
  local ok, raised = pcall(function()
    local now = look(context, want)
    if now.holder and is_mine(context, now.holder) then write(context, want, now.version, FREE) end
    now = look(context, want)
    return now.holder and is_mine(context, now.holder) and "Vault does not show it as it was written" or nil
  end)
  if ok and not raised then return end
  if not ok and not refusal.is(raised) then error(raised, 0) end
  context:warn(("the rotation is done, and its lock could not be given back (%s): vault kv put -mount=%s %s state=free"):format(
    ok and raised or refusal.line(raised), mend.quote(want.mount), mend.quote(want.path)))
end

return M
