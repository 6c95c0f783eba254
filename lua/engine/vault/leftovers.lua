--- KMS keys that Vault has begun, distributing or rotating a key, and not come to an end with: without material, or with it and without an alias.
--- Nothing of theirs tells whose they are. What came into a region since before the request is shown, and never deleted. The list from before
--- stands in the journal. What KMS does not show yet is looked for at the end of a run that works, this one or the one that resumes it.
local keys = require "engine.key.keys"
local names = require "names"
local sorted = require "sorted"
local time = require "time"

local M = {}

local LINE <const>, END_LINE <const> = "distribution", "distribution-end"
local WORKS <const> = 60   -- seconds that Vault may go on with a request of a process that died

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
---@param context engine.Context
---@param want table
---@param unclear boolean  it was refused on the way, or its answer was lost: it may have left a key that KMS does not show yet
function M.finish(context, want, unclear)
  note(context, { kind = END_LINE, region = want.region, mount = want.mount, name = want.key.name, at = context.clock.now(), unclear = unclear })
  if unclear then context.wrote = true end
end

-- IDs of the keys that came since the first request of this run, apart from those that the distribution has.
local function new_ones(context, want, have)
  local known, first = {}, nil
  for _, entry in ipairs(lines(context)) do first = first or entry.kind == LINE and same(want, entry) and entry or nil end
  for _, id in ipairs(first and first.before or {}) do known[id] = true end
  for _, id in pairs(have and have.versions or {}) do known[tostring(id):match "[^/]+$"] = true end   -- order cannot be seen
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

-- What of a distribution a key has that nothing leads to: "no material", "material" that nobody uses; nil for a key of somebody else's, or
-- one that was made later than is asked for.
local function left(context, want, id, latest)
  local answer = context:try(CLOSED, function() return context.session.kms.describe_key { region = want.region, KeyId = id } end)
  local metadata = answer and answer.KeyMetadata or {}
  local state = metadata.Origin == "EXTERNAL" and metadata.KeyState
  if state ~= "PendingImport" and state ~= "Enabled" or (time.epoch(metadata.CreationDate) or 0) > latest then return nil end
  local tags = context:try(CLOSED, function() return context.session.kms.list_resource_tags { region = want.region, KeyId = id } end)
  if tags and keys.tags(tags.Tags)[names.TAG_CLUSTER] then return nil end   -- what cmek makes itself it fills itself
  if state == "PendingImport" then return "no material (PendingImport)" end
  return not has_alias(context, want, id) and "the material, and no alias" or nil
end

local function place_of(entry) return ("%s/key/%s in %s"):format(entry.mount, entry.name, entry.region) end

--- Tells of keys that came into the region while Vault distributed, and that it has left on the way.
---@param context engine.Context
---@param want table
---@param have table?     the distribution
---@param latest number?  of what was made until then, seconds since the epoch; otherwise of all
function M.tell(context, want, have, latest)
  for _, key in ipairs(new_ones(context, want, have)) do
    local has = left(context, want, key.KeyId, latest or math.huge)
    if has then
      context.wrote = true   -- though what Vault was asked for was refused
      context.left_told = context.left_told or {}
      context.left_told[want.region] = (context.left_told[want.region] or 0) + 1
      context:warn(("%s came while Vault distributed %s, and has %s: a distribution that failed leaves such keys, which "
        .. "nothing uses. If nobody else is importing into it: aws kms schedule-key-deletion --region %s --key-id %s"):format(key.KeyArn or key.KeyId,
        want.key.name, has, want.region, key.KeyArn or key.KeyId), want.region)
    end
  end
end

-- What KMS does not show yet -----------------------------------------------------------------------------------------

-- Where requests of this run may have left keys, how many of them, and when the last one ended.
local function unclear(context)
  local by_name, list = {}, {}
  local function add(entry, since)
    local name = place_of(entry)
    local place = by_name[name] or { name = name, count = 0, since = 0,
      want = { region = entry.region, mount = entry.mount, key = { name = entry.name } } }
    by_name[name], place.count, place.since = place, place.count + 1, math.max(place.since, since)
  end
  local open = {}
  for _, entry in ipairs(lines(context)) do
    open[place_of(entry)] = entry.kind == LINE and entry or nil
    if entry.unclear then add(entry, entry.at) end
  end
  for _, entry in sorted(open) do add(entry, entry.at + WORKS) end
  for _, place in sorted(by_name) do list[#list + 1] = place end
  return list
end

--- Whether a run has to look for what its requests may have left.
---@param context engine.Context
---@return boolean
function M.owes(context) return #unclear(context) > 0 end

-- Says that there may be keys which were not seen, and who looks for them.
local function say(context, place, resume)
  context:warn(("what Vault began for %s failed, or its answer was lost, and it may have left a key that KMS does not show yet: %s looks "
    .. "again. By hand, %d minutes later: aws kms list-keys --region %s, for a key of Origin EXTERNAL with neither a tag %s nor an alias"):format(
    place.name, resume, context.LAG // 60, place.want.region, names.TAG_CLUSTER), place.want.region)
end

--- Tells, when a run did not come to its end, that there may be more than it has seen. Asks nobody.
---@param context engine.Context
---@param resume string  the command that goes on
function M.tell_later(context, resume)
  for _, place in ipairs(unclear(context)) do
    if place.count > ((context.left_told or {})[place.want.region] or 0) then say(context, place, resume) end
  end
end

--- Looks, at the end of a run that works, for what its requests have left and KMS did not show then; waits until KMS shows all that was made
--- before they ended. What may not be looked at is said.
---@param context engine.Context
---@param resume string
function M.look_again(context, resume)
  context.tasks.map(unclear(context), function(place)
    local rest = place.since + context.LAG - context.clock.now()
    if rest > 0 then context:wait(("waiting until KMS shows all that Vault has made for %s, to tell what it left"):format(place.name), rest) end
    local _, refused = context:try(function(raised) return raised.kind ~= "stopped" end, function()
      M.tell(context, place.want, nil, place.since + context.LAG / 2)   -- what is as old shows its alias and tags, if it has any
    end)
    if refused then say(context, place, resume) end
    return true
  end)
end

return M
