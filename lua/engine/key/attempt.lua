--- Attempts at making a key. CreateKey has no client token, so each attempt has an ID of its own: it stands in the journal
--- before the request leaves, and in a tag of the key. After an unknown outcome the key is looked for; nothing is sent twice.
---@class engine.Attempt
---@field id string
---@field cluster string   UUID
---@field region string
---@field alias string     that the key is made for
---@field at number        when it was begun, or CreateKey last sent, seconds since the epoch
---@field before table<string, true>  IDs of the keys that were there before
---@field sent boolean     CreateKey may have left: its own line is on disk before it does
---@field key string?      ARN, once it is known
---@field importing number?  when an earlier process of the run last sent material to its key
---@field result string?   how it ended: "claimed", "lost-race", "tagged" (and not disabled), "named", "absent", "refused", "deleted"; nil
---  while it is open
---@class engine.Attempts
local Attempts = { __name = "engine.Attempts" }
Attempts.__index = Attempts

local failure = require "engine.failure"
local keys = require "engine.key.keys"
local names = require "names"
local refusal = require "refusal"
local sorted = require "sorted"
local time = require "time"

local M = {}

local LINE <const>, KEY_LINE <const>, END_LINE <const> = "attempt", "attempt-key", "attempt-end"

local function set_of(list)
  local set = {}
  for _, id in ipairs(list or {}) do set[id] = true end
  return set
end

-- CreateKey went out, maybe again after a definite refusal: the key may be younger than its attempt.
local function sent(self, entry)
  for _, attempt in ipairs(self.list) do
    if not attempt.result and attempt.region == entry.region then
      attempt.sent, attempt.at = true, math.max(attempt.at, time.epoch(entry.time) or 0)
    end
  end
end

-- Material went out to the key of an attempt, and may still be on its way.
local function imported(self, entry)
  for _, attempt in ipairs(self.list) do
    if attempt.key and attempt.key:match "[^/]+$" == entry.target then attempt.importing = time.epoch(entry.time) end
  end
end

-- What a journal says of the attempts of its run.
local function replay(self, entries)
  for _, entry in ipairs(entries) do
    local known = self.by_id[entry.attempt]
    if entry.kind == "request" and entry.operation == "CreateKey" then sent(self, entry) end
    if entry.kind == "request" and entry.operation == "ImportKeyMaterial" then imported(self, entry) end
    if entry.kind == LINE then
      local attempt = { id = entry.attempt, cluster = entry.cluster, region = entry.region, alias = entry.alias, at = entry.at,
        before = set_of(entry.before), sent = false }
      self.by_id[attempt.id] = attempt
      table.insert(self.list, attempt)
    elseif entry.kind == KEY_LINE and known then
      known.key = entry.key
    elseif entry.kind == END_LINE and known then
      known.result, known.key = entry.result, entry.key or known.key
    end
  end
end

--- The attempts of a run.
---@param context engine.Context
---@param entries table[]?  the lines of its journal, when the run is resumed
---@return engine.Attempts
function M.new(context, entries)
  local self = setmetatable({ context = context, list = {}, by_id = {} }, Attempts)
  replay(self, entries or {})
  return self
end

--- Those whose end is not known, oldest first.
---@param region string
---@param alias string
---@return engine.Attempt[]
function Attempts:open(region, alias)
  local found = {}
  for _, attempt in ipairs(self.list) do
    if not attempt.result and attempt.region == region and attempt.alias == alias then found[#found + 1] = attempt end
  end
  return found
end

--- The one whose key has the alias, as this run has seen before; nil when there is none.
---@param region string
---@param alias string
---@return engine.Attempt?
function Attempts:claimed(region, alias)
  for _, attempt in ipairs(self.list) do
    if attempt.result == "claimed" and attempt.region == region and attempt.alias == alias then return attempt end
  end
end

--- Begins an attempt: its line is in the journal's queue, so it is on disk before any later request leaves.
---@param options { cluster: string, region: string, alias: string, before: string[] }  before: IDs of all keys of the region
---@return engine.Attempt
function Attempts:begin(options)
  local clock = self.context.clock
  local attempt = { id = clock.uuid(), cluster = options.cluster, region = options.region, alias = options.alias, at = clock.now(),
    before = set_of(options.before), sent = true }
  self.context:note {
    kind = LINE, attempt = attempt.id, cluster = attempt.cluster, region = attempt.region, alias = attempt.alias, run = self.context.run_id,
    at = attempt.at, before = require("json").array(table.move(options.before, 1, #options.before, 1, {})),
  }
  self.by_id[attempt.id] = attempt
  table.insert(self.list, attempt)
  return attempt
end

--- Records the key that an attempt made.
---@param attempt engine.Attempt
---@param arn string
function Attempts:learn(attempt, arn)
  if attempt.key == arn then return end
  attempt.key = arn
  self.context:note { kind = KEY_LINE, attempt = attempt.id, region = attempt.region, key = arn }
end

--- Records how an attempt ended.
---@param attempt engine.Attempt
---@param result "claimed"|"lost-race"|"tagged"|"named"|"absent"|"refused"|"deleted"
function Attempts:settle(attempt, result)
  attempt.result = result
  self.context:note { kind = END_LINE, attempt = attempt.id, region = attempt.region, alias = attempt.alias, result = result, key = attempt.key }
end

-- Looking for a key whose making has an unknown outcome -----------------------------------------------------------------

-- The tag index lags and may be closed to us: what it shows is true, what it does not show means nothing.
local function by_index(self, attempt)
  local ok, answer = pcall(self.context.session.tagging.get_resources, {
    region = attempt.region, ResourceTypeFilters = { "kms:key" },
    TagFilters = { { Key = names.TAG_ATTEMPT, Values = { attempt.id } } },
  })
  if not ok and not refusal.is(answer) then error(answer, 0) end
  local first = ok and (answer.ResourceTagMappingList or {})[1]
  return first and first.ResourceARN
end

-- Whether a key bears the attempt's tag; "unseen" while KMS does not show it, "closed" when we may not look.
local function bears(self, attempt, id)
  local answer, refused = self.context:try({ NotFoundException = true, AccessDeniedException = true }, function()
    return self.context.session.kms.list_resource_tags { region = attempt.region, KeyId = id }
  end)
  if refused then return refused.code == "NotFoundException" and "unseen" or "closed" end
  for _, tag in ipairs(answer.Tags or {}) do
    if tag.TagKey == names.TAG_ATTEMPT then return tag.TagValue == attempt.id end
  end
  return false
end

-- Every key that was not there before, by its own tags. Returns its ARN, and the keys that could not be looked at.
local function by_list(self, attempt)
  local new, closed = {}, {}
  for _, key in ipairs(keys.list(self.context, attempt.region)) do
    if not attempt.before[key.KeyId] then new[#new + 1] = key end
  end
  local answers = self.context.tasks.map(new, function(key) return bears(self, attempt, key.KeyId) end)
  for i, key in ipairs(new) do
    if answers[i] == true then return key.KeyArn end
    if answers[i] == "closed" then closed[#closed + 1] = key.KeyArn end
  end
  return nil, closed
end

local function cannot_tell(attempt, closed)
  failure.raise {
    code = "not_ready", service = "kms", region = attempt.region,
    what = ("looking for the key of attempt %s in %s"):format(attempt.id, attempt.region),
    message = "these keys are new and their tags may not be read, so it cannot be said whether one of them is ours: "
      .. table.concat(closed, ", "),
    next = "allow kms:ListResourceTags on them",
  }
end

--- The ARN of the key that an attempt made; nil when it made none, which takes the services' whole lag to be sure of.
--- Raises when it could not be looked at everything.
---@param attempt engine.Attempt
---@return string? arn
function Attempts:find(attempt)
  if attempt.key then return attempt.key end
  if not attempt.sent then
    self:settle(attempt, "absent")
    return nil
  end
  local closed
  local arn = self.context:poll {
    reason = ("looking for the key that attempt %s may have made in %s"):format(attempt.id, attempt.region),
    bound = self.context.LAG, since = attempt.at, delays = { 1, 2, 4, 8, 15 },
    check = function()
      local found = self.context.tasks.all {
        function() return by_index(self, attempt) or false end,
        function()
          local listed
          listed, closed = by_list(self, attempt)
          return listed or false
        end,
      }
      return found[1] or found[2] or nil
    end,
  }
  if arn then
    self:learn(attempt, arn)
    return arn
  end
  if closed and #closed > 0 then cannot_tell(attempt, closed) end
  self:settle(attempt, "absent")
  return nil
end

--- The keys that were made and set aside, for reports: by region, then by ARN.
---@return { region: string, arn: string, attempt: string }[]
function Attempts:set_aside()
  local list, by_arn = {}, {}
  for _, attempt in ipairs(self.list) do
    if attempt.result == "lost-race" then by_arn[attempt.key] = { region = attempt.region, arn = attempt.key, attempt = attempt.id } end
  end
  for _, entry in sorted(by_arn) do list[#list + 1] = entry end
  return list
end

return M
