--- Which keys and roles the Cloud names, and for which cluster: asked of every cluster that the API key sees, also of those that are no
--- longer active; any status counts. Where one cluster cannot be asked nothing can be said of any key, and that is raised.
---@class engine.Named
---@field clusters table[]            every cluster, as the Cloud lists them
---@field asked integer               how many of them may have keys, and were asked
---@field at number                   when the asking began, seconds since the epoch
---@field uses table<string, { cluster: table, region: string, status: string, text: string }[]>  by ARN of a key or role
---@field unasked { cluster: table, said: string }[]  clusters that did not say, where that is borne
local Named = { __name = "engine.Named" }
Named.__index = Named

local failure = require "engine.failure"
local refusal = require "refusal"
local sorted = require "sorted"
local time = require "time"

local M = {}

--- What it calls, by service.
M.actions = { cloud = { "ListClusters", "GetCMEKClusterInfo" } }

local WHAT <const> = "asking every cluster which keys and roles it uses"
local RATE <const> = require("retry").CLOUD_RATE
local MANY <const> = 5       -- seconds of asking that are worth a word
local TELL <const> = 5       -- seconds between two words about how far it is
local TOGETHER <const> = 8   -- clusters that are asked at the same time
local NEVER <const> = { BASIC = true, STANDARD = true, SERVERLESS = true }   -- plans without CMEK

-- Whether a cluster may name keys of AWS at all.
local function may_have_keys(cluster)
  return cluster.cloud_provider == "AWS" and not NEVER[cluster.plan]
end

-- What a cluster says. A public one can have no CMEK, and may refuse to speak of it.
local function ask(context, cluster)
  local ok, info = pcall(context.session.cloud.cmek, cluster.id)
  if ok then return info end
  if not refusal.is(info) or info.kind == "credentials" or info.kind == "stopped" then error(info, 0) end
  if info.status == 400 and cluster.network_visibility == "PUBLIC" then return {} end
  local fields = { code = "refused", service = info.service, operation = info.operation, request_id = info.request_id, what = WHAT,
    message = ("cluster %s (%s) does not say: %s. What it may depend on is left as it is"):format(cluster.name, cluster.id, refusal.line(info)),
    next = info.next or "run this again when the Cloud answers" }
  local closed = info.status == 403 or info.status == 404
  failure.raise(fields, closed and "destroy.unasked" or nil, { cluster = cluster.name, said = refusal.line(info) })
end

local function note(self, arn, use)
  if not arn then return end
  self.uses[arn] = self.uses[arn] or {}
  table.insert(self.uses[arn], use)
end

local function read(self, cluster, info)
  for _, region in ipairs(info.region_infos or {}) do
    for _, key in ipairs(region.key_infos or {}) do
      local use = { cluster = cluster, region = region.region or "?", status = key.status or "?",
        text = ("cluster %s (%s) names it for %s, %s"):format(cluster.name, cluster.id, region.region or "?", key.status or "in an unknown status") }
      note(self, (key.spec or {}).uri, use)
      note(self, (key.spec or {}).auth_principal, use)
    end
  end
end

-- Asks one cluster; one that does not say is noted where that is borne, for those who only look.
local function ask_one(self, context, cluster, bears)
  if not bears then return ask(context, cluster) end
  local ok, info = pcall(ask, context, cluster)
  if ok then return info end
  if not failure.is(info) then error(info, 0) end
  table.insert(self.unasked, { cluster = cluster, said = info.message })
end

--- Says now and then how far the asking of many clusters is.
---@param clock table
---@param listen fun(event: table)
---@param count integer
---@return fun()  to be called after each
function M.counter(clock, listen, count)
  local done, told = 0, clock.now()
  if count > MANY * RATE then
    listen { kind = "say", text = ("%d clusters are asked, %d a second: about %s"):format(count, RATE, time.span(count / RATE)) }
  end
  return function()
    done = done + 1
    if clock.now() - told < TELL or done == count then return end
    told = clock.now()
    listen { kind = "say", text = ("%d of %d clusters asked"):format(done, count) }
  end
end

--- Asks the Cloud, now.
---@param context engine.Context
---@param options { bears: boolean? }?  bears: a cluster that does not say is noted in `unasked`, and hides no other
---@return engine.Named
function M.read(context, options)
  options = options or {}
  local at = context.clock.now()
  local clusters = context.session.cloud.clusters { show_inactive = true }
  local self = setmetatable({ clusters = clusters, asked = 0, at = at, uses = {}, unasked = {} }, Named)
  local infos, taken, workers, open = {}, 0, {}, 0
  for _, cluster in ipairs(clusters) do open = open + (may_have_keys(cluster) and 1 or 0) end
  local tell = M.counter(context.clock, context.listener, open)
  local function work()
    while taken < #clusters do
      taken = taken + 1
      local mine = taken
      if may_have_keys(clusters[mine]) then
        infos[mine] = ask_one(self, context, clusters[mine], options.bears)
        tell()
      end
    end
  end
  for i = 1, math.min(TOGETHER, #clusters) do workers[i] = work end
  context.tasks.all(workers)
  for i, cluster in ipairs(clusters) do
    if infos[i] then
      self.asked = self.asked + 1
      read(self, cluster, infos[i])
    end
  end
  return self
end

--- By whom a key or role is named, in words; nil when no cluster names it.
---@param arn string?
---@return string?
function Named:by(arn)
  local texts = {}
  for i, use in ipairs(self.uses[arn or ""] or {}) do texts[i] = use.text end
  return #texts > 0 and table.concat(texts, "; ") or nil
end

--- By whom the key of an ID is named, in whichever account and region; nil when no cluster names it.
---@param id string
---@return string?
function Named:by_id(id)
  for arn in sorted(self.uses) do
    if arn:find ":key/" and arn:match "[^/]+$" == id then return self:by(arn) end
  end
end

--- What a cluster names in a region beside these keys, in words; nil when there is nothing.
---@param cluster table
---@param region string
---@param known table<string, true>  ARNs
---@return string?
function Named:by_cluster(cluster, region, known)
  for arn, uses in sorted(self.uses) do
    for _, use in ipairs(arn:match "^arn:[^:]*:kms:([^:]*):" == region and not known[arn] and uses or {}) do
      if use.cluster.id == cluster.id then return ("%s: %s"):format(arn, use.text) end
    end
  end
end

--- Other clusters that name a key or role; nil when none does.
---@param arn string
---@param cluster table  the one that may
---@return string?  their names
function Named:by_others(arn, cluster)
  local names, seen = {}, {}
  for _, use in ipairs(self.uses[arn] or {}) do
    if use.cluster.id ~= cluster.id and not seen[use.cluster.id] then names[#names + 1] = use.cluster.name end
    seen[use.cluster.id] = true
  end
  return #names > 0 and table.concat(names, ", ") or nil
end

--- The cluster of an ID; nil when the Cloud does not list it.
---@param id string
---@return table?
function Named:cluster(id)
  for _, cluster in ipairs(self.clusters) do
    if cluster.id == id then return cluster end
  end
end

return M
