--- What the resources work with: the services, reads that are made once, waits that are explained, writes that are counted.
---@class engine.Context
---@field session table      session.lua's: cloud, iam, kms, tagging, clock, tasks, door
---@field tasks task.Scheduler
---@field clock table
---@field mode "plan"|"run"|"verify"|"destroy"
---@field run_id string
---@field attempts engine.Attempts
---@field temporary engine.Temporary[]  transit keys that earlier processes of this run left in Vault
---@field seen table<string, true>  ARNs of roles that IAM has shown
---@field scopes table<thread, table>  whose functions run in a task: lua/engine/calls.lua
---@field clusters table<string, string>  names by ID of the clusters that the recipe has read
---@field spec carried.File?  a hand-over that stands for AWS, which is not asked
---@field layout layout.Layout?  of the recipe
---@field wrote boolean       something was made or changed, or may have been
---@field changed_at number?  when something was last changed by this run, also before it was resumed; seconds since the epoch
local Context = { __name = "engine.Context" }
Context.__index = Context

local failure = require "engine.failure"
local keys = require "engine.key.keys"
local refusal = require "refusal"
local sorted = require "sorted"
local task = require "task"
local unknown = require "unknown"

local M = {}

--- Seconds that KMS, IAM, the tag index and the Cloud may show an older state: what was not seen for so long is not there.
Context.LAG = 300

local DELAYS <const> = { 1, 2, 4, 5 }   -- then 5 again

---@param options { session: table, mode: string, run_id: string, listener: fun(event: table) }
---@return engine.Context
function M.new(options)
  return setmetatable({
    session = options.session, tasks = options.session.tasks, clock = options.session.clock, mode = options.mode,
    run_id = options.run_id, listener = options.listener, reads = {}, ways = {}, wrote = false, seen = {}, warned = {},
    scopes = setmetatable({}, { __mode = "k" }), clusters = {},
  }, Context)
end

--- Whether nobody can say if the service acted.
function Context.uncertain(raised)
  return refusal.is(raised) and (raised.kind == "lost" or math.tointeger(raised.status or 0) >= 500)
end

-- Reads ------------------------------------------------------------------------------------------------------------

--- Starts a read that others will share, unless it has been started.
---@param key string        what is read
---@param fn (fun(): any)?  nil: as it was started before
function Context:begin(key, fn)
  self.ways[key] = fn or self.ways[key]
  if not self.reads[key] then self.reads[key] = self.tasks.spawn(self.ways[key]) end
end

--- A read that is made once in a run: its value, or what it raised.
---@param key string
---@param fn (fun(): any)?  nil: it was started before
---@return any
function Context:once(key, fn)
  self:begin(key, fn)
  local value = self.reads[key].wait()
  if value == task.CANCELLED then error(value, 0) end
  return value
end

--- Has a read made again when it is asked for next: what it showed is out of date.
---@param key string
function Context:forget(key) self.reads[key] = nil end

--- Has reads made again that somebody may have put right what they showed: those that failed and those that a change begins with, or all.
---@param all boolean
function Context:read_again(all)
  for key, read in sorted(self.reads) do
    if all or read.failed() or key:find "^keys " or key:find "^holder " then self:forget(key) end
  end
  for _, attempt in ipairs(self.attempts.list) do attempt.description = nil end   -- of a moment that is past
end

--- Who we are in AWS.
---@return { account: string, arn: string, user_id: string, source: string }
function Context:identity()
  return self:once("identity", function() return self.session:identity() end)
end

--- The name that the Cloud has for a cluster, whatever a recipe says.
---@param id string  UUID
---@return string
function Context:cluster_name(id)
  if not self.clusters[id] then self.clusters[id] = self:once("cluster " .. id, function() return self.session.cloud.find_cluster(id) end).name end
  return self.clusters[id]
end

--- The CMEK state of a cluster, as it was when the plan was made.
---@param cluster table
---@return table  CMEKClusterInfo
function Context:cmek(cluster)
  return self:once("cmek " .. cluster.id, function() return self.session.cloud.cmek(cluster.id) end)
end

--- The aliases of a region, as they were when the plan was made.
---@param region string
---@return table[]
function Context:aliases(region)
  return self:once("aliases " .. region, function() return keys.aliases(self, region) end)
end

--- The value of the tag that says which run made a thing, or put its tags right; known only to a run.
---@return string
function Context:run_tag()
  if self.run_id ~= "" then return self.run_id end
  return unknown.text(unknown.new "ID of the run that puts it right")
end

-- Refusals ---------------------------------------------------------------------------------------------------------

--- Calls fn; a refusal with one of the codes comes back, anything else is raised.
---@param codes table<string, true>|fun(refused: table): any  `uncertain = true`: also when nobody can say whether the service acted
---@param fn fun(): any
---@return any value, table? refusal   value is true where the service answers nothing
function Context.try(_, codes, fn)
  local ok, value = pcall(fn)
  if ok then return value == nil or value end
  if not refusal.is(value) then error(value, 0) end
  local caught
  if type(codes) == "function" then
    caught = codes(value)
  else
    caught = value.code and codes[value.code] or codes.uncertain and Context.uncertain(value)
  end
  if not caught then error(value, 0) end
  return nil, value
end

--- Makes a change: afterwards something was made, or, when the answer was lost, may have been.
---@param fn fun(): any
---@return any
function Context:write(fn)
  local ok, value = pcall(fn)
  if ok or Context.uncertain(value) then
    self.wrote = true
    self.changed_at = self.clock.now()
  end
  if not ok then error(value, 0) end
  return value
end

--- Raises that something is not ours to change.
---@param fields table  as engine.failure has them
function Context.refuse(_, fields)
  fields.code = "refused"
  failure.raise(fields)
end

-- Waits ------------------------------------------------------------------------------------------------------------

--- Waits, and says for what.
---@param reason string
---@param seconds number
function Context:wait(reason, seconds)
  self.listener { kind = "waiting", reason = reason, seconds = seconds }
  self.tasks.sleep(seconds)
end

--- Checks until there is a value or the bound has passed; the last check is made after it.
---@param options { reason: string, bound: number, check: (fun(): any), delays: number[]?, since: number? }
---  bound: seconds, counted from `since` (now); delays: seconds before the 2nd, 3rd … check
---@return any  nil: not within the bound
function Context:poll(options)
  local deadline = (options.since or self.clock.now()) + options.bound
  local delays = options.delays or DELAYS
  for count = 1, math.huge do
    local late = self.clock.now() >= deadline
    local value = options.check()
    if value ~= nil then return value end
    if late then return nil end
    local pause = delays[math.min(count, #delays)]
    self:wait(options.reason, math.max(0.1, math.min(pause, deadline - self.clock.now())))
  end
end

-- Telling ----------------------------------------------------------------------------------------------------------

--- Something the user should know; each text is told once.
---@param text string
---@param region string?
function Context:warn(text, region)
  local key = (region or "") .. " " .. text
  if self.warned[key] then return end
  self.warned[key] = true
  table.insert(self.warned, { text = text, region = region })
  self.listener { kind = "warning", text = text, region = region }
end

--- A line of the run's journal.
---@param entry table
function Context:note(entry)
  if self.mode == "run" or self.mode == "destroy" then self.session.door:note(entry) end
end

return M
