--- What the prompt has at hand: the world of a script (lua/world.lua), and what recipes say: plan, ensure, read, policy …
local arguments = require "arguments"
local failure = require "ui.failure"
local world = require "world"

local M = {}

-- The functions of an engine that a recipe sees; those that only make sense in a whole run are left out.
local SAID <const> = { "read", "preflight", "handover", "layout", "wait", "say", "ask" }

-- A plan, which prints as `cmek plan` shows it.
local Plan = {}
function Plan:__tostring() return (self.shown:gsub("\n*$", "")) end

-- The report of plan, which is read by a door of its own, which only reads.
function M.plan(name, given, common, output)
  if type(name) ~= "string" then failure.usage('plan wants the name of a recipe: plan("console", { cluster = "orders" })') end
  local recipe = require("recipe").load(name, { reserved = require("flags").reserved() })
  local resolved, kept = arguments.resolve(recipe.args, { { origin = "plan", values = given or {} },
    { origin = "environment", values = require("argument_sources").environment(recipe.args) } })
  local report = require("operation").look("plan", { recipe = recipe, arguments = resolved, given = kept, common = common }, output)
  return setmetatable(report, { __tostring = Plan.__tostring, __index = { shown = require("ui.plan").render(report, output) } })
end

-- An engine for one chunk: what it reads is read once, and anew in the next chunk.
local function engine_of(repl, sandbox)
  local touched = {}
  for _, service in ipairs(world.SERVICES) do touched[service] = true end
  local engine = require("engine").new { session = repl.session, mode = repl:may_write() and "run" or "plan", run_id = repl.run_id,
    recipe = { name = "prompt", touches = world.SERVICES, kinds = sandbox.kinds }, arguments = {}, flags = {},
    listener = function(event) repl.progress:tell(event) end,
    ask = function(question) return repl.output.terminal.read_line(question .. " ") end }
  engine.touched, engine.phase, engine.counted = touched, "plan", {}
  return engine
end

-- What shall be. Where the prompt may not write, or the step needs more than agreeing to write, it is compared and shown.
local function ensure(repl, engine, said, kind, want)
  engine.phase = "plan"
  local result = said.ensure(kind, want)
  local step = engine.steps[#engine.steps]
  if step.action == "refuse" then
    failure.raise { status = failure.FAILED, what = ("%s %s"):format(step.kind, step.name), message = step.reason or "refused" }
  end
  if step.action == "none" then return result end
  repl.output:note(require("ui.plan").steps({ require("engine.report").step(step) }, repl.output))
  if step.irreversible then
    failure.raise { status = failure.FAILED, what = ("%s %s"):format(step.kind, step.name),
      message = "what cannot be undone is not done at a prompt", next = "let a recipe do it: cmek help enabling" }
  end
  if not repl:may_write() then return result end
  engine.phase = "do"
  local made = said.ensure(kind, want)
  engine.phase = "plan"
  return made
end

--- The environment of the chunks, and a function that begins the next one.
---@param repl Repl
---@return table environment
---@return fun() begin
---@return table<string, any> names  what is at hand, by name
function M.new(repl)
  local services = {}
  for _, service in ipairs(world.SERVICES) do services[service] = repl.live:watch(service, repl.session[service]) end
  services.aws = repl.live:watch("aws", repl.session.aws)
  local inside = repl.inside
  local environment, sandbox = world.new { path = inside and inside.is_file and inside.path or "./prompt", door = repl.door,
    session = repl.session, output = repl.output, services = services, arguments = repl.order and repl.order.arguments or {} }
  for kind, definition in pairs(inside and inside.kinds or {}) do sandbox.kinds[kind] = definition end   -- order cannot be seen
  local engine, said
  local function current()
    if not engine then
      engine = engine_of(repl, sandbox)
      said = require("engine.environment").of(engine)
    end
    return said
  end
  local names = {
    --- What a recipe would do; nothing is made. At the prompt of a recipe its name and arguments may be left out.
    ---@param name string?  a stock recipe, or a file
    ---@param given table?  its arguments by name
    ---@return table  the report of cmek plan --json (cmek.plan/1), which prints as cmek plan does; raises what stands in the way
    ---@example plan("console", { cluster = "orders" })
    plan = function(name, given)
      local order = name == nil and repl.order
      local report = M.plan(order and order.recipe.name or name, order and order.given or given, repl.common, repl.output)
      local aws = report.run.aws
      repl.account = repl.account or type(aws) == "table" and aws.account_id or nil   -- as every first answer, it says whose account this is
      repl.live:belong(repl.account)
      return report
    end,
    ensure = function(kind, want)
      current()
      return ensure(repl, engine, said, kind, want)
    end,
    policy = setmetatable({}, { __index = function(_, name) return current().policy[name] end }),
    --- What is said of a function, a table of them, or a topic of cmek help. ?NAME is the same.
    ---@param what any?  a function of the library, or a name as text; left out: the prompt itself
    ---@return nil; raises when nothing is known of it
    ---@example help(kms.create_key)
    help = function(what) return repl:help(what) end,
  }
  for _, name in ipairs(SAID) do names[name] = function(...) return current()[name](...) end end
  sandbox:bind(names)
  return environment, function() engine, said = nil, nil end, sandbox.names
end

return M
