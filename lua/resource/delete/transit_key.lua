--- Taking a transit key back. It is the one copy of its material outside KMS: as long as a KMS key has that material, be it one that waits for
--- its end, the copy stays, and a later destroying deletes it. Keys that were to last as long as an import go at once.
local failure = require "engine.failure"
local holders = require "engine.vault.holders"
local in_vault = require "engine.vault.in_vault"
local key = require "resource.transit_key"
local mend = require "engine.mend"
local names = require "names"
local vault_side = require "engine.vault.side"

local M = { name = key.name, region = key.region }

--- Why what is deleted cannot be made the same again.
M.irreversible = "no KMS key has its material any more, and this is the last copy of it"

local SETTLE <const> = 60   -- seconds

-- Looking ------------------------------------------------------------------------------------------------------------

-- One of the keys that hold KMS's public key, of which nothing is lost.
local function is_temporary(want) return want.temporary ~= nil end

-- What was left of imports of this cluster: keys with a name and a kind that nothing else of cmek's has.
local function temporaries(context, want)
  local things, prefix = {}, names.temporary(want.cluster, "", "")
  prefix = prefix:sub(1, -2)   -- "tmp-0f2c6e9d41b7-", before the region
  for _, name in ipairs(vault_side.list(context, want.mount) or {}) do
    if name:sub(1, #prefix) == prefix then
      local wanted = { cluster = want.cluster, mount = want.mount, name = name, temporary = true }
      local have = key.find(context, wanted)   -- an import that has ended meanwhile took its own away
      things[#things + 1] = have and { want = wanted, have = have }
    end
  end
  return things
end

--- The transit key of the region, or what was left of imports. A Vault that cannot be asked keeps nobody from taking back what is in AWS.
function M.collect(context, want)
  if want.temporary then return temporaries(context, want) end
  local have = vault_side.read(context, want, "the transit key " .. key.name(want), function() return key.find(context, want) end)
  if not have then return {} end
  have.found = holders.look(context, want.cluster, key.name(want))
  return { { want = want, have = have } }
end

function M.refusal() return nil end

-- The commands that delete it all the same.
local function by_hand(want)
  return ("vault write %s/keys/%s/config deletion_allowed=true && vault delete %s/keys/%s"):format(want.mount, want.name, want.mount, want.name)
end

-- What has its material, or may have it; nil when nothing does.
local function in_use(want, found)
  local using = holders.of(found, key.name(want))
  if #using > 0 then
    return ("%s %s its material, which could be imported again from here alone"):format(table.concat(using, ", "),
      #using == 1 and "has" or "have"), true
  end
  if #found.closed > 0 then
    return ("the tags of %d key(s) may not be read (%s), and one of them may have its material: allow kms:ListResourceTags on them, or delete "
      .. "it by hand: %s"):format(#found.closed, found.closed[1], by_hand(want))
  end
end

--- Why it stays where it is; nil when it goes.
---@param engine table
---@param want table
---@param have table
---@return string?
function M.stays(engine, want, have)
  if is_temporary(want) then
    local fits = have.imported_key == true and tostring(have.type):find "^rsa%-"
    return not fits and "it stays: it has the name of a key that lasts as long as an import, and is another one" or nil
  end
  local wrong = key.wrong(have)
  if wrong then return ("it stays: it has our name, and %s"):format(wrong) end
  local reason, later = in_use(want, have.found)
  return reason and ("it stays: %s%s"):format(reason, later and ("; once KMS has deleted it for good this takes it away: %s"):format(
    mend.cmek(engine, "destroy")) or "")
end

--- What a cluster names that may have its material: keys that KMS does not show. nil when there are none.
---@param uses engine.Named
---@return string?
function M.named(uses, want, have)
  if is_temporary(want) or #holders.of(have.found, key.name(want)) > 0 then return nil end
  return uses:by_cluster(want.cluster, want.region, have.found.listed)
end

--- What becomes of it.
function M.about(want)
  return is_temporary(want) and "an import left it; it holds a public key of KMS's and nothing else" or M.irreversible
end

--- Whether anything is lost with it.
function M.is_final(want) return not is_temporary(want) end

--- The path that it takes in the engine, for the engine's own deletion.
function M.path(want) return ("%s/keys/%s"):format(want.mount, want.name) end

--- What the token of Vault has to be allowed.
---@return engine.Capability[]
function M.capabilities(want)
  return { { path = M.path(want) .. "/config", "create", "update" }, { path = M.path(want), "delete" } }
end

-- Deleting -----------------------------------------------------------------------------------------------------------

local function configure(context, want, allowed)
  in_vault.write(context, "transit_configure_key", { mount = want.mount, name = want.name, deletion_allowed = allowed })
end

local function not_ready(want, message)
  failure.raise { code = "not_ready", service = "vault", region = want.region, what = "deleting " .. key.name(want), message = message }
end

-- Lets Vault delete it, until Vault shows that it may. nil when there is no such key any more.
local function allow(context, want)
  local gone
  local allowed = context:poll {
    reason = ("waiting until Vault allows the deletion of %s"):format(key.name(want)), bound = SETTLE,
    check = function()
      local now = key.find(context, want)
      gone = now == nil
      if gone or now.deletion_allowed then return true end
      configure(context, want, true)
      local seen = key.find(context, want)
      return seen and seen.deletion_allowed or nil
    end,
  }
  if not allowed then not_ready(want, ("Vault does not allow it after %d s"):format(SETTLE)) end
  return not gone
end

-- A KMS key may have got this material since the plan was made: then the copy stays. Whoever imports it from now on forbids the deletion again,
-- and finds out when that came too late; what was made before is seen when KMS has caught up. True when the key is gone.
local function look_again(context, want)
  if is_temporary(want) then return false end
  context:wait(("waiting until KMS shows every key that may have the material of %s"):format(key.name(want)), context.LAG)
  local reason = in_use(want, holders.read(context, want.cluster))
  local now = key.find(context, want)
  if not reason and now and not now.deletion_allowed then reason = "a run protects it from deletion again, and so makes use of it" end
  if reason then context:refuse { service = "kms", region = want.region, what = "deleting " .. key.name(want), message = reason } end
  return now == nil
end

--- Deletes it. What forbids that at the last moment leaves it as protected as it was.
---@param context engine.Context
---@param want table
---@param have table
---@param guard fun()  called right before: raises what forbids it
function M.delete(context, want, have, guard)
  if not allow(context, want) then return have end
  local ok, gone = pcall(function()
    local nothing = look_again(context, want)
    guard()
    return nothing
  end)
  if not ok then
    pcall(configure, context, want, false)
    error(gone, 0)
  end
  if gone then return have end
  local vault = context.session.vault
  local operation = is_temporary(want) and vault.transit_delete_temporary_key or vault.transit_delete_key
  local refused = vault_side.delete(context, { name = key.name(want), region = want.region, guard = guard,
    find = function() return key.find(context, want) end, ask = function() return operation { mount = want.mount, name = want.name } end })
  if refused then error(refused, 0) end
  return have
end

return M
