--- The engine: runs a recipe as a plan, as a run with its plan before it, as a verification, or to take its things back.
-- A run is two passes over the recipe: the first reads, compares and lists the steps; after the question the second does
-- them, with what the first has read. Nothing is remembered between runs: the services are the state, the journal only
-- says which attempts of this run have an end that nobody knows.
--
-- Events for the listener, each with `kind`:
--   planned { step }         a step was compared                  step-start { step }   its change begins
--   step-done { step }       it is as wanted                      step-failed { step, error }
--   waiting { reason, seconds }                                   warning { text, region? }
--   say { text }             the recipe's own words               plan { report }       the plan of a run, before the question
-- Steps are as the documents have them (lua/engine/report.lua).
---@class Engine
---@field mode "plan"|"run"|"verify"|"destroy"
---@field recipe { name: string, touches: string[], kinds: table<string, table>?, run: function }
---@field context engine.Context
---@field steps table[]         in the order of the recipe
---@field cluster table?        the first cluster that was read
---@field identity table?
---@field handed_over table?    what the recipe handed over
---@field going_on { recipe: string, arguments: table }?  the recipe that goes on from here, as this one says
---@field given table<string, any>  the arguments that are no defaults, for commands to be typed
---@field flags table<string, string>  profile, region … that they repeat
---@field rests_on table[]      what the plan rests on, as lua/engine/seen.lua has it
---@field checked table[]       checks made, with their results
---@field findings table[]      of verify
---@field handovers table[]     of verify: cluster, role, keys and specs that were handed over
---@field scope table?          whose the run is, by its journal: lua/engine/scope.lua
---@field stops engine.Stops
---@field repeated table<thread, true>  whose call is made anew
---@field acted table<thread, table>     the step that a task has done last, or tried to
---@field inspections table<table, table>  of verify: by what the recipe got for a thing, its checks and the thing
local Engine = { __name = "Engine" }
Engine.__index = Engine

local attempts = require "engine.key.attempt"
local context = require "engine.context"
local failure = require "engine.failure"
local report = require "engine.report"
local sorted = require "sorted"

local M = {}

local RESOURCES <const> = {   -- the service that each is a thing of
  role = "iam", adopted_role = "iam", role_use = "iam",
  key = "kms", replica = "kms", adopted_key = "kms", cluster_cmek = "cloud", cmek_rotation = "cloud",
  transit_key = "vault", vault_mount = "vault", vault_provider = "vault", vault_key = "vault", vault_distribution = "vault",
  cluster_regions = "cloud", rotation_lock = "vault", material_rotation = "kms",
  revoked_key = "kms", revoked_cluster = "cloud", restored_key = "kms", restored_cluster = "cloud",
}
--- The kinds that the library has, each with the service that it is a thing of.
M.RESOURCES = RESOURCES

local OPTIONS <const> = { session = true, recipe = true, arguments = true, mode = true, run_id = true, entries = true, listener = true,
  given = true, flags = true, traceback = true, stop = true, requests = true, accept = true, spec = true, confirm_writes = true,
  confirm_irreversible = true, confirm_deletion = true, ask = true }

-- What the journal of the run says, when it is resumed: whether something was changed, and when last.
local function remember(self, entries)
  local changed_at = require("engine.journaled").changed_at(entries)
  self.context.wrote, self.context.changed_at = changed_at ~= nil, changed_at
  if #entries == 0 then return end   -- nothing is resumed
  self.context.temporary = require("engine.vault.temporary").left(entries)
  require("engine.vault.leftovers").replay(self.context, entries)
  self.scope = require("engine.scope").of(entries)
end

--- An engine for one recipe and its arguments.
---@param options {
---  session: table,                session.lua's
---  recipe: table,                 recipe.load's
---  arguments: table,              as arguments.resolve gives them; a function is a default that wants the cluster
---  given: table<string, any>?,    those of the arguments that are no defaults: commands to be typed repeat them
---  flags: table<string, string>?, the command's own flags that they repeat as well: profile, region, account, journal
---  mode: "plan"|"run"|"verify"|"destroy",
---  run_id: string?,
---  entries: table[]?,             the lines of its journal, when a run is resumed
---  spec: carried.File?,           a hand-over, which stands for AWS
---  traceback: boolean?,           the calls that led to an error of the recipe's are told
---  stop: { open: (fun(stop: engine.Stop): boolean), on_error: boolean }?,   somebody looks where the recipe stops: lua/engine/stop.lua
---  requests: boolean?,            a plan lists the requests that run would send
---  accept: (fun(engine: Engine, plan: table): table?)?,   why a run does not do its plan, as the `error` of its report
---  listener: (fun(event: table))?,
---  confirm_writes: (fun(question: string, plan: table): boolean?, string?)?,
---  confirm_irreversible: (fun(text: string, cluster_name: string): boolean?, string?)?,
---  confirm_deletion: (fun(text: string, name: string, whose: string): boolean?, string?)?,
---  ask: (fun(question: string): string?)? }
---@return Engine
function M.new(options)
  for name in sorted(options) do
    if not OPTIONS[name] then error(("engine.new: unknown field '%s'"):format(name), 2) end
  end
  local self = setmetatable({
    mode = options.mode, recipe = options.recipe, arguments = options.arguments or {}, options = options, session = options.session,
    repeated = setmetatable({}, { __mode = "k" }), acted = setmetatable({}, { __mode = "k" }),
    steps = {}, by_key = {}, kinds = {}, checked = {}, findings = {}, answers = {}, handovers = {}, inspected = {}, inspections = {},
    given = options.given or { cluster = (options.arguments or {}).cluster }, flags = options.flags or {},
    listener = options.listener or function() end, spec = options.spec,
  }, Engine)
  self.context = context.new { session = options.session, mode = options.mode, run_id = options.run_id or "", listener = self.listener }
  self.stops = require("engine.stop").new(self, options.stop)
  self.context.spec = options.spec
  self.context.located = { traceback = options.traceback, path = options.recipe.path, own = options.recipe.is_file,
    stops = options.stop and self.stops }
  self.context.console = function() return require("engine.mend").cmek(self, "run", "console", require("engine.mend").CHAIN) end
  self.context.attempts = attempts.new(self.context, options.entries)
  remember(self, options.entries or {})
  return self
end

--- The exit status that belongs to what was raised.
---@param raised any
---@param wrote boolean  whether something was made, or may have been
---@return integer
function M.status_of(raised, wrote)
  if wrote then return 5 end
  if type(raised) ~= "table" then return 1 end
  if raised.kind == "credentials" or raised.exit == "credentials" then return 4 end
  return raised.exit == "usage" and 2 or 1
end

-- Beginning --------------------------------------------------------------------------------------------------------

-- A kind of the recipe's own: it calls what its actions name, of the services that the recipe touches.
local function own_kind(self, definition)
  for service in sorted(definition.actions) do
    if not self.touched[service] then
      error(("resource '%s': its actions name '%s', and the recipe's touches do not: touches = { %s\"%s\" }"):format(definition.kind,
        tostring(service), #self.recipe.touches > 0 and '"' .. table.concat(self.recipe.touches, '", "') .. '", ' or "", tostring(service)), 0)
    end
  end
  return require("engine.kind").adapt(definition, self.context)
end

--- A kind of thing: the library's, or one that the recipe describes with resource { … }.
---@param kind string
---@return table
function Engine:resource(kind)
  if RESOURCES[kind] then return require("resource." .. kind) end
  local own = self.recipe.kinds or {}
  if not own[kind] then
    local names = {}
    for name in sorted(RESOURCES) do names[#names + 1] = name end
    for name in sorted(own) do names[#names + 1] = name end
    if type(kind) ~= "string" then
      error(("ensure wants the name of a kind, got %s%s"):format(kind == true and "true" or type(kind),
        kind == true and ": a file that returns nothing gives true where it is required" or ""), 0)
    end
    local near = require("ui.near").near(kind, names)[1]
    error(("ensure: there is no kind '%s'%s"):format(kind, near and ("; did you mean '%s'?"):format(near)
      or "; there are " .. table.concat(names, ", ")), 0)
  end
  self.kinds[kind] = self.kinds[kind] or own_kind(self, own[kind])
  return self.kinds[kind]
end

-- What the door opens: the services that the recipe names, and of others the operations that its things need.
local function touched(self)
  local set, all, list = { sts = true }, {}, {}
  for _, service in ipairs(self.recipe.touches) do set[service] = true end
  self.touched = set
  local function add(actions)
    for service, operations in sorted(actions) do
      for _, operation in ipairs(operations) do all[set[service] and service or service .. "." .. operation] = true end
    end
  end
  for service in sorted(set) do all[service] = true end
  local actions = require "resource.actions"
  for kind, service in sorted(RESOURCES) do
    if set[service] then add(actions[kind]) end
  end
  if set.iam or set.kms then add(require("engine.policy.rights").actions) end
  if self.mode == "destroy" then add(require("engine.pass.destroy").actions) end
  for entry in sorted(all) do list[#list + 1] = entry end
  return list
end

-- Reads that nearly every recipe begins with: their answers travel together.
local function set_off(self)
  local here, session = self.context, self.session
  session.door:touches(touched(self))
  self.spec = self.spec or require("engine.cluster.handed_over").take_up(self, self.options.entries or {})
  here.spec = self.spec
  if self.touched.cloud then
    local cluster = self.arguments.cluster
    if type(cluster) == "string" then here:begin("cluster " .. cluster, function() return session.cloud.find_cluster(cluster) end) end
    here:begin("organization", function() return session.cloud.organization() end)
  end
  if (self.touched.iam or self.touched.kms) and not self.spec then here:begin("identity", function() return session:identity() end) end
end

--- Starts what a resource will read; nothing when the recipe does not touch its service.
---@param kind string
---@param want table
function Engine:foresee(kind, want)
  if not self.touched[RESOURCES[kind]] then return end
  local resource = self:resource(kind)
  resource.defaults(want, self.context)
  resource.foresee(self.context, want)
end

-- Runs the recipe's function in a pass: "plan", "do", "verify" or "destroy".
local function pass(self, name)
  self.phase, self.counted = name, {}
  if self.recipe.bind then self.recipe:bind(self.stops:watch(require("engine.environment").of(self))) end
  local arguments = {}
  for key, value in pairs(self.arguments) do arguments[key] = value end   -- order cannot be seen
  return require("located").call(self.context.located, self.recipe.run, arguments)
end

--- One check of preflight or verify, with its result.
---@param check { id: string, object: string?, region: string?, result: "ok"|"finding"|"unknown", text: string? }
function Engine:checked_as(check)
  if self.phase == "do" then return end
  local place = #self.checked + 1
  for i, other in ipairs(self.repeated[coroutine.running()] and self.checked or {}) do   -- made by the call that is made anew
    if other.id == check.id and other.object == check.object and other.region == check.region then place = i end
  end
  self.checked[place] = check
end

--- Something that is not as it should be. Its check stands once among those made, also when several things are wrong.
---@param finding { id: string, severity: string, object: string?, region: string?, field: string?, have: any, want: any,
---  text: string?, mend: string? }
function Engine:found(finding)
  table.insert(self.findings, finding)
  local result = finding.severity == "unknown" and "unknown" or "finding"
  for _, check in ipairs(self.checked) do
    if check.id == finding.id and check.object == finding.object and check.region == finding.region then
      if result == "finding" then check.result = result end
      return
    end
  end
  self:checked_as { id = finding.id, object = finding.object, region = finding.region, result = result,
    text = finding.text or type(finding.have) == "string" and finding.have or nil }
end

-- Plan -------------------------------------------------------------------------------------------------------------

-- What stands near the things that would be made or changed, and should be known before they are.
local function look_around(self)
  self.context.tasks.map(self.steps, function(step)
    local changes = step.action == "create" or step.action == "change"
    if changes and step.resource and step.resource.look_around then step.resource.look_around((step.engine or self).context, step.want, step.have) end
  end)
end

-- What check finds in a recipe that loads all the same: a field that is misspelt may be one that nobody misses.
local function look_through(self)
  for _, found in ipairs(self.recipe.findings and self.recipe.findings() or {}) do
    self.context:warn(("%s:%d: %s"):format(found.file, found.line, found.text))
  end
end

local function plan_pass(self)
  set_off(self)
  require("engine.scope").check(self)
  pass(self, "plan")
  self.identity = self.identity or self.context.reads.identity and self.context:identity()
  self.organization = self.organization or self.context.reads.organization and self.context:once("organization")
  require("engine.scope").note(self)
  require("engine.policy.rights").judge(self)
  for _, other in sorted(self.elsewhere or {}) do require("engine.policy.rights").judge(other) end
  look_around(self)
  look_through(self)
  self.rests_on = require("engine.seen").of(self)
  return report.plan(self)
end

-- Reads of later steps set off while the first are done.
local function prepare(self)
  for _, step in ipairs(self.steps) do
    if step.action == "create" and step.resource.prepare then step.resource.prepare((step.engine or self).context, step.want) end
  end
end

--- What a run would do, with the requests if they are wanted. Raises what stands in its way.
---@return table report  cmek.plan/1
function Engine:plan()
  local plan = plan_pass(self)
  local short = require("engine.lasting").problem(self)
  if short then self.context:warn(short) end
  if self.options.requests then
    prepare(self)
    plan.requests = plan.summary.refused > 0 and require("json").array {}   -- a run with refused steps sends none
      or require("engine.pass.rehearsal").requests(self, function() pass(self, "do") end)
  end
  return plan
end

-- Run --------------------------------------------------------------------------------------------------------------

local function question(plan)
  local summary, source = plan.summary, plan.run.source
  local whose = source and (" with %s (sha256 %s, touches %s%s)"):format(plan.run.recipe, source.hash:sub(1, 12),
    require("ui.plan").touched(source.touches), source.trusted and ", trusted" or "") or ""
  return ("Create %d, change %d, delete %d%s?"):format(summary.create, summary.change, summary.delete, whose)
end

-- The name of the cluster that a step is about.
local function cluster_of(self, step)
  local cluster = (step.want or step).cluster or self.cluster
  return self.context:cluster_name(cluster.id)
end

-- Where nobody can be asked, all that has to be agreed to beforehand is named at once.
local function beforehand(self, reason, irreversible)
  if not reason:find("there is no terminal", 1, true) then return nil end
  local name = irreversible[1] and " --confirm " .. require("engine.mend").quote(cluster_of(self, irreversible[1])) or ""
  return "look at the plan above, then the same with --yes" .. name
end

-- Asks for the right to write, and for what cannot be undone. nil when granted, else why not, and what to do next.
local function declined(self, plan)
  local irreversible = {}
  for _, step in ipairs(self.steps) do
    if step.irreversible then irreversible[#irreversible + 1] = step end
  end
  local summary = plan.summary
  if summary.create + summary.change + summary.delete == 0 then return nil end
  local ok, reason = self.options.confirm_writes(question(plan), plan)
  if not ok then return reason or "declined", beforehand(self, reason or "", irreversible) end
  for _, step in ipairs(irreversible) do
    local text = ("%s %s cannot be undone: %s. Type the cluster's name to go on: "):format(step.kind, step.name, step.reason or "")
    ok, reason = self.options.confirm_irreversible(text, cluster_of(self, step))
    if not ok then return reason or "declined", beforehand(self, reason or "", irreversible) end
  end
end

-- Whether there is anything to do or to wait for.
local function pending(self, plan)
  for _, step in ipairs(self.steps) do
    if step.pending then return true end
  end
  return plan.summary.create + plan.summary.change + plan.summary.delete > 0 or require("engine.vault.leftovers").owes(self.context)
end

local function stopped(self)
  local signal = self.session.door.stopping and self.session.door:stopping()
  return signal and require("ui.failure").SIGNALS[signal] or nil
end

-- The report and exit status of a run that did not come to its end.
local function unfinished(self, raised)
  local wrote = self.context.wrote
  if wrote then require("engine.vault.leftovers").tell_later(self.context, require("engine.mend").resume(self)) end
  local document = report.failure(failure.document(raised))
  document.made = report.made(self)
  if wrote and not (type(raised) == "table" and raised.other_arguments) then   -- a run that is resumed has those that it began with
    local resume = require("engine.mend").resume(self)
    document.next = ("%s%s"):format(document.next and document.next .. ", then " or "", resume)
    if document.commands then document.commands[#document.commands + 1] = resume end
  end
  local status = not wrote and stopped(self) or M.status_of(raised, wrote)
  local documents = self.mode == "destroy" and report.destroy or report.run
  return documents(self, wrote and "unfinished" or "failed", document), status
end

local function refused(self)
  local list = {}
  local told
  for _, step in ipairs(self.steps) do
    if step.action == "refuse" then
      list[#list + 1], told = ("%s %s: %s"):format(step.kind, step.name, step.reason), told or step.told
    end
  end
  return #list > 0 and failure.with({ what = "planning", code = "refused", message = table.concat(list, "\n") }, told) or nil
end

local function do_pass(self)
  local ok, raised = pcall(function()
    prepare(self)
    pass(self, "do")
    require("engine.vault.leftovers").look_again(self.context, require("engine.mend").resume(self))
    self.context.tasks.check()
  end)
  if not ok then return unfinished(self, raised) end
  for _, step in ipairs(self.steps) do   -- what was held for as long as the run lasts
    if step.resource and step.resource.release then step.resource.release(self.context, step.want) end
  end
  return report.run(self, "done"), 0
end

--- Plans, asks, does. Raises what stood in the way before anything was made.
---@return table report  cmek.run/1
---@return integer status  exit status
function Engine:run()
  local plan = plan_pass(self)
  self.listener { kind = "plan", report = plan }
  local wrong = self.options.accept and self.options.accept(self, plan) or refused(self)
  if wrong then return report.run(self, self.context.wrote and "unfinished" or "failed", wrong), M.status_of(wrong, self.context.wrote) end
  if require("engine.pass.drill").is(self) then return require("engine.pass.drill").finish(self) end
  if not pending(self, plan) then
    for _, step in ipairs(self.steps) do step.result = "done" end
    return report.run(self, "done"), 0
  end
  local lasting = require "engine.lasting"
  lasting.check(self)
  local reason, following = declined(self, plan)
  if reason then
    return report.run(self, "declined", { what = "asking before anything is changed", message = reason, code = "declined", next = following }), 1
  end
  lasting.check(self)   -- somebody may have thought for long
  return do_pass(self)
end

-- Verify -----------------------------------------------------------------------------------------------------------

--- Whether everything is still as the recipe wants it. What may not be read is a check that could not be made.
---@return table report  cmek.verify/1
---@return integer status  0, or 6 with findings
function Engine:verify()
  local verification = require "engine.pass.verify"
  verification.guard(self, function()
    set_off(self)
    pass(self, "verify")
    verification.finish(self)
  end)
  self.identity = self.identity or self.context.reads.identity and self.context:identity()
  return report.verify(self), #self.findings > 0 and 6 or 0
end

-- Destroy ----------------------------------------------------------------------------------------------------------

--- Deletes what the recipe ensures, in reverse order. Raises what stood in the way before anything was deleted.
---@return table report  cmek.destroy/1
---@return integer status  exit status
function Engine:destroy()
  return require("engine.pass.destroy").run(self, function()
    set_off(self)
    self.context:begin("named", function() return require("engine.cluster.named").read(self.context) end)
    require("engine.scope").check(self)
    pass(self, "destroy")
    self.identity = self.identity or self.context.reads.identity and self.context:identity()
    require("engine.scope").note(self)
  end)
end

--- Does what the engine was made for, in a task.
---@return table report
---@return integer status  exit status; a plan with refused steps gives 1
function Engine:execute()
  if require("engine.pass.drill").is(self) then self.session.door:read_only() end
  if self.mode == "run" then return self:run() end
  if self.mode == "verify" then return self:verify() end
  if self.mode == "destroy" then return self:destroy() end
  local plan = self:plan()
  return plan, plan.summary.refused > 0 and 1 or 0
end

--- The report of a run as it stands, for a program that has to end now.
---@param raised any  what ended it
---@return table report, integer status
function Engine:abandoned(raised)
  return unfinished(self, raised)
end

return M
