--- Taking a key of Vault's out of KMS. Vault schedules the deletion of the KMS keys of all versions, so the Cloud is asked about each of them, also
--- about those that have no alias of cmek's. Before Vault is asked cmek has scheduled them itself, with the longest window: until then nothing
--- is lost, and a cluster that began to use one meanwhile gets it back while Vault still has it.
local key_deletion = require "resource.delete.key"
local in_vault = require "engine.vault.in_vault"
local keymgmt = require "engine.vault.keymgmt"
local keys = require "engine.key.keys"
local refusal = require "refusal"
local thing = require "resource.vault_distribution"
local vault_side = require "engine.vault.side"

local M = { name = thing.name, region = thing.region }

--- Why what is taken out cannot be put back the same.
M.irreversible = "distributed again, it is other KMS keys, which cannot read what these have encrypted"

-- Looking ------------------------------------------------------------------------------------------------------------

local function place(want) return { mount = want.mount, name = want.provider.name, key = want.key.name } end

-- The KMS keys of all versions, by version; one that KMS does not show has no `arn`.
local function keys_of(context, want, versions)
  local list = {}
  for version, id in require("sorted")(versions) do
    id = tostring(id):match "[^/]+$"
    list[#list + 1] = { version = version, id = id, key = keys.find(context, want.region, id) }
  end
  return list
end

--- The distribution, with what it has in KMS.
function M.collect(context, want)
  local have = vault_side.read(context, want, thing.name(want), function() return thing.find(context, want) end)
  if not have then return {} end
  if not have.elsewhere then have.keys = keys_of(context, want, have.versions) end
  return { { want = want, have = have } }
end

function M.refusal() return nil end

--- Why it stays where it is; nil when it goes.
function M.stays(_, want, have)
  return have.elsewhere and ("it stays: %s/key/%s is distributed to the provider %s, which is not this region's"):format(want.mount, want.key.name,
    have.elsewhere) or nil
end

--- What a cluster names of it: the KMS key of any version, in whichever account.
---@param uses engine.Named
---@return string?
function M.named(uses, _, have)
  for _, entry in ipairs(have.keys or {}) do
    local by = uses:by_id(entry.id)
    if by then return ("%s (version %d is key %s)"):format(by, entry.version, entry.id) end
  end
end

local function becomes(want, entry)
  if not entry.key then return ("version %d is key %s, which KMS does not show"):format(entry.version, entry.id) end
  if key_deletion.scheduled(entry.key) then
    return ("version %d is %s, to be deleted %s"):format(entry.version, entry.key.arn, key_deletion.date(entry.key) or "")
  end
  local own = entry.key.tags[require("names").TAG_CLUSTER] == want.cluster.id
  return ("version %d is %s, %s: scheduled for deletion in %d days"):format(entry.version, entry.key.arn, own and "this cluster's" or
    "which bears no tag of this cluster's", key_deletion.WINDOW)
end

--- What becomes of it.
function M.about(want, have)
  if have.elsewhere then return nil end
  local list = {}
  for i, entry in ipairs(have.keys) do list[i] = becomes(want, entry) end
  return ("%s. %s"):format(M.irreversible, table.concat(list, "; "))
end

--- The path that it takes in the engine.
function M.path(want) return thing.name(want) end

--- What the token of Vault has to be allowed.
---@return engine.Capability[]
function M.capabilities(want) return { { path = M.path(want), "read", "delete" } } end

--- The rights that scheduling takes, where cmek's own steps do not take them already.
---@param context engine.Context
---@return engine.Need[]
function M.needs(context, want, have)
  local list = {}
  for _, entry in ipairs(have.keys or {}) do
    if entry.key and entry.key.policy and not key_deletion.scheduled(entry.key) then
      list[#list + 1] = { action = "kms:ScheduleKeyDeletion", resource = entry.key.arn, policy = entry.key.policy, region = want.region }
    end
  end
  require("engine.policy.rights").foresee_existing(context)
  return list
end

-- Deleting -----------------------------------------------------------------------------------------------------------

local BASE <const>, EACH <const> = 60, 30   -- seconds that Vault may take, and for each version

local function look(context, want) return in_vault.look(context, "keymgmt_read_distribution", place(want)) end

-- Has Vault take it out; the refusal when it refuses.
local function delete(context, want, have, guard)
  local parameters = place(want)
  parameters.timeout = BASE + EACH * #have.keys
  return vault_side.delete(context, { name = thing.name(want), region = want.region, bound = context.LAG, guard = guard, definite = keymgmt.of_aws,
    find = function() return look(context, want) end,
    ask = function() return context.session.vault.keymgmt_delete_distribution(parameters) end })
end

-- Every KMS key of it waits for its end. One that does so already is left as it is.
local function schedule(context, want, have, guard)
  for _, entry in ipairs(have.keys) do
    if entry.key and not key_deletion.scheduled(entry.key) then key_deletion.schedule(context, want, entry.key, guard) end
  end
end

-- What Vault answers when a key waits for its end already is documented nowhere. When it refuses, the keys are let go for the moment that it
-- takes to schedule them itself; what it left out is scheduled again.
local function by_vault(context, want, have, guard, refused)
  context:warn(("Vault does not take %s out of KMS while its keys wait for their end (%s): they are taken back for a moment, so that Vault "
    .. "schedules them itself"):format(thing.name(want), refusal.line(refused)), want.region)
  for _, entry in ipairs(have.keys) do
    if entry.key then entry.key = key_deletion.undo(context, want, entry.key) end
  end
  local again = delete(context, want, have, guard)
  have.keys = keys_of(context, want, have.versions)
  schedule(context, want, have, guard)
  if again then error(again, 0) end
end

--- Takes it out of KMS.
---@param context engine.Context
---@param want table
---@param have table
---@param guard fun()  called right before: raises what forbids it
---@return table  as it was, with its keys as they are
function M.delete(context, want, have, guard)
  local now = look(context, want)
  if not now then return have end
  have.versions = keymgmt.versions(now)   -- one that was added since is asked about too, by the guard
  have.keys = keys_of(context, want, have.versions)
  guard()
  schedule(context, want, have, guard)
  local refused = delete(context, want, have, guard)
  if refused and refused.status ~= 403 then
    by_vault(context, want, have, guard, refused)
  elseif refused then
    error(refused, 0)
  end
  have.keys = keys_of(context, want, have.versions)
  return have
end

--- The first day on which KMS deletes a key of it.
---@return string?
function M.date(have)
  local first
  for _, entry in ipairs(have.keys or {}) do
    local date = entry.key and key_deletion.scheduled(entry.key) and key_deletion.date(entry.key)
    first = date and (not first or date < first) and date or first
  end
  return first
end

return M
