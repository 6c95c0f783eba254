--- KMS keys that Vault has begun, distributing or rotating a key, and not come to an end with: without material, or with it and without an alias.
--- Nothing of theirs tells whose they are. What came into a region since before the request is shown, and never deleted. The list from before
--- stands in the journal.
local keys = require "engine.keys"
local names = require "names"

local M = {}

local LINE <const>, END_LINE <const> = "distribution", "distribution-end"

local function same(want, entry)
  return entry.region == want.region and entry.mount == want.mount and entry.name == want.key.name
end

-- The lines of this run about a wanted distribution: those of its journal, when it is resumed, and what was written since.
local function lines(context)
  context.distributions = context.distributions or {}
  return context.distributions
end

--- Takes up what the journal of a run says.
---@param context engine.Context
---@param entries table[]
function M.replay(context, entries)
  for _, entry in ipairs(entries) do
    if entry.kind == LINE or entry.kind == END_LINE then table.insert(lines(context), entry) end
  end
end

--- The last request of this run for a distribution whose end nobody knows; nil when there is none.
---@param context engine.Context
---@param want table
---@return { at: number, before: string[] }?
function M.open(context, want)
  local open
  for _, entry in ipairs(lines(context)) do
    if same(want, entry) then open = entry.kind == LINE and entry or nil end
  end
  return open
end

local function note(context, entry)
  table.insert(lines(context), entry)
  context:note(entry)
end

--- Begins a request: the keys that are in the region stand in the journal before it leaves.
---@param context engine.Context
---@param want table
function M.begin(context, want)
  local before = {}
  for i, key in ipairs(keys.list(context, want.region)) do before[i] = key.KeyId end
  note(context, { kind = LINE, region = want.region, mount = want.mount, name = want.key.name, at = context.clock.now(),
    before = require("json").array(before) })
end

--- Notes that a request came to its end.
function M.finish(context, want)
  note(context, { kind = END_LINE, region = want.region, mount = want.mount, name = want.key.name })
end

-- IDs of the keys that came since the first request of this run, apart from those that the distribution has.
local function new_ones(context, want, have)
  local known, first = {}, nil
  for _, entry in ipairs(lines(context)) do first = first or entry.kind == LINE and same(want, entry) and entry or nil end
  for _, id in ipairs(first and first.before or {}) do known[id] = true end
  for _, id in pairs(have and have.versions or {}) do known[id] = true end   -- order cannot be seen
  local list = {}
  for _, key in ipairs(first and keys.list(context, want.region) or {}) do
    if not known[key.KeyId] then list[#list + 1] = key end
  end
  return list
end

local CLOSED <const> = { NotFoundException = true, AccessDeniedException = true }

local function has_alias(context, want, id)
  for _, entry in ipairs(keys.aliases(context, want.region)) do
    if entry.TargetKeyId == id then return true end
  end
  return false
end

-- What of a distribution a key has that nothing leads to: "no material", "material" that nobody uses; nil for a key of somebody else's.
local function left(context, want, id)
  local answer = context:try(CLOSED, function() return context.session.kms.describe_key { region = want.region, KeyId = id } end)
  local metadata = answer and answer.KeyMetadata or {}
  local state = metadata.Origin == "EXTERNAL" and metadata.KeyState
  if state ~= "PendingImport" and state ~= "Enabled" then return nil end
  local tags = context:try(CLOSED, function() return context.session.kms.list_resource_tags { region = want.region, KeyId = id } end)
  if tags and keys.tags(tags.Tags)[names.TAG_CLUSTER] then return nil end   -- what cmek makes itself it fills itself
  if state == "PendingImport" then return "no material (PendingImport)" end
  return not has_alias(context, want, id) and "the material, and no alias" or nil
end

--- Tells of keys that came into the region while Vault distributed, and that it has left on the way.
---@param context engine.Context
---@param want table
---@param have table?  the distribution
function M.tell(context, want, have)
  for _, key in ipairs(new_ones(context, want, have)) do
    local has = left(context, want, key.KeyId)
    if has then
      context.wrote = true   -- though what Vault was asked for was refused
      context:warn(("%s came while Vault distributed %s, and has %s: a distribution that failed leaves such keys, which "
        .. "nothing uses. If nobody else is importing into it: aws kms schedule-key-deletion --region %s --key-id %s"):format(key.KeyArn or key.KeyId,
        want.key.name, has, want.region, key.KeyArn or key.KeyId), want.region)
    end
  end
end

return M
