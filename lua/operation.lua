--- What plan, run, verify, destroy and resume have in common: the recipe and its arguments, a session, a journal, an engine,
--- then the report and the exit status.

local failure = require "ui.failure"
local flags = require "flags"
local runs = require "runs"

local M = {}

--- Asks the person at the terminal for a missing argument; nil where there is nobody.
local function asker(output)
  local terminal = output.terminal
  if output.json or not (terminal.is_terminal "stdin" and terminal.is_terminal "stderr") then return nil end
  return function(spec)
    local answer = terminal.read_line(("%s (%s): "):format(spec.name, spec.text))
    return answer ~= "" and answer or nil
  end
end

local function tell_arguments(recipe, rows, output)
  local sources = require "argument_sources"
  local document = sources.explain(recipe, rows)
  if output.json then output:document(document) end
  output:result(sources.render(document))
end

--- Reads the files that stand for the Cloud (--facts) and for AWS (--spec), before anything is asked.
---@param common table  the command's own flags; gets `files`
function M.open_files(common)
  common.files = common.files or { facts = common.facts and require("facts").read(common.facts),
    spec = common.spec and require("handover").read(common.spec) }
end

-- The cluster that a file is about, for whom no flag names one.
local function cluster_of(common, recipe, sources)
  local has
  for _, spec in ipairs(recipe.args) do has = has or spec.name == "cluster" end
  for _, file in ipairs { common.files.facts or false, common.files.spec or false } do
    local cluster = has and file and file.document.cluster
    if cluster then sources[#sources + 1] = { origin = file.path, values = { cluster = cluster.id } } end
  end
end

-- The whole path of what is a layout's file; anything else as it is.
local function whole(text)
  if type(text) ~= "string" or text:find "^arn:" or not require("layout").is_file(text) then return text end
  return require("file").canonical(text) or text
end

-- A layout's file is found again wherever the run is resumed, and by commands that are printed.
local function found_again(resolved, given)
  if type(given.layout) == "string" then resolved.layout, given.layout = whole(given.layout), whole(given.layout) end
  for i, text in ipairs(type(given.reach) == "table" and given.reach or {}) do
    given.reach[i] = whole(text)
    resolved.reach[i] = given.reach[i]
  end
end

-- What does not go together with these files.
local function check_files(common, given)
  if common.files.facts and given.enable == true then
    failure.usage("--enable: " .. require("facts").NO_ENABLING, require("facts").ENABLING)
  end
  for _, name in ipairs { "layout", "role", "key" } do
    if common.files.spec and given[name] ~= nil then
      failure.usage(("--%s does not go with --spec, which has role and keys: '%s'"):format(name, common.spec))
    end
  end
end

--- What the command line says: recipe, arguments and the command's own flags; nil when it only asked for help, or where its
--- arguments come from.
---@param word string
---@param arguments string[]
---@param output ui.Output
---@return { recipe: Recipe, arguments: table, given: table, common: table }?
function M.read(word, arguments, output)
  local recipes = require "recipe"
  local name, rest = flags.first(word, arguments)
  if not name then
    for _, argument in ipairs(rest) do
      if argument == "--help" then
        output:help(flags.help(word, nil, {}) .. "\n")
        return nil
      end
    end
    failure.usage(("cmek %s wants the name of a recipe: %s"):format(word, table.concat(recipes.names(), ", ")),
      "cmek recipes says what each is for")
  end
  local trust = false
  for _, argument in ipairs(rest) do trust = trust or argument == "--trust" end   -- before its arguments are known
  local recipe = recipes.load(name, { reserved = flags.reserved(), trust = trust, steps = require("step_in").asked(rest) })
  local common, typed = flags.parse(word, name, recipe.args, rest)
  if common.help then
    output:help(require("command.help").recipe(name, word) .. "\n")
    return nil
  end
  local argument_sources, arguments_of = require "argument_sources", require "arguments"
  local sources = {
    { origin = "flags", values = typed },
    { origin = "environment", values = argument_sources.environment(recipe.args) },
  }
  if common.args then sources[3] = { origin = common.args, values = argument_sources.file(common.args) } end
  for _, wrong in ipairs(argument_sources.misspelt(recipe.args)) do
    output:note(("%s is of no argument of the recipe '%s'; did you mean %s?\n"):format(wrong.name, recipe.name, wrong.near))
  end
  require("step_in").check(common, output)
  M.open_files(common)
  cluster_of(common, recipe, sources)
  if common.explain_args then
    tell_arguments(recipe, arguments_of.gather(recipe.args, sources), output)
    return nil
  end
  local resolved, given = arguments_of.resolve(recipe.args, sources, asker(output))
  check_files(common, given)
  found_again(resolved, given)
  if word == "run" and common.out then require("carried").check_writable("--out", common.out) end
  if common.save_args then argument_sources.save(common.save_args, given) end
  return { recipe = recipe, arguments = resolved, given = given, common = common }
end

--- A door and a session for the command's own flags; nothing has gone over the network yet.
---@param common table    the command's own flags
---@param run_id string?  shown in the User-Agent
---@param journal userdata?
---@param output ui.Output
---@param tolerant boolean?  whether what is wrong with the settings is kept in the session's `faults`
---@return table door, table session, ui.Progress progress  told of every wait already
function M.connect(common, run_id, journal, output, tolerant)
  local agent = "cmek/" .. require "version" .. (run_id and " run/" .. run_id or "")
  local door = require("door").new { user_agent = agent }
  if journal then door:record(journal) end
  local session = require("session").open {
    door = door, environment = require("process").environment, profile = common.profile, region = common.region,
    run_id = run_id, tolerant = tolerant, vault_auth = common.vault_auth, vault_auth_mount = common.vault_auth_mount,
  }
  session:seal()
  if common.files and common.files.facts then session:know(common.files.facts) end
  local progress = require("ui.progress").new(output, door.clock)
  session.listener = function(event)
    if event.kind == "clusters" then return require("completion.clusters").remember(event.clusters) end
    progress:tell(event)
  end
  return door, session, progress
end

--- Refuses credentials of another account than --account. In a task.
---@param common table
---@param session table
---@param identity table?  the session's, when it is known
function M.check_account(common, session, identity)
  if not common.account then return end
  if not common.account:find "^%d%d%d%d%d%d%d%d%d%d%d%d$" then
    failure.usage(("--account must be an AWS account of 12 digits, not '%s'"):format(common.account))
  end
  local spec = common.files and common.files.spec
  if spec then
    if spec.account == common.account then return end
    failure.usage(("the hand-over '%s' is of account %s, not of --account %s"):format(spec.path, spec.account, common.account))
  end
  identity = identity or session:identity()
  if identity.account ~= common.account then
    failure.raise(require("explain").tell("aws.other-account", { account = identity.account, arn = identity.arn }, { status = failure.USAGE,
      message = ("the AWS credentials are of account %s (%s), not of --account %s"):format(identity.account, identity.arn, common.account) }))
  end
end

--- The command's own flags that a command to be typed next repeats.
local function repeated(common)
  return { profile = common.profile, region = common.region, account = common.account, journal = common.journal,
    vault_auth = common.vault_auth, vault_auth_mount = common.vault_auth_mount, facts = common.facts, spec = common.spec }
end

--- The engine's options for what a command does.
local function engine_for(word, order, session, progress, output, extra)
  local options = {
    session = session, recipe = order.recipe, arguments = order.arguments, given = order.given, flags = repeated(order.common),
    mode = word, traceback = order.common.traceback, spec = order.common.files and order.common.files.spec or nil,
    listener = function(event) progress:tell(event) end,
    stop = require("step_in").options(order.common,
      { door = session.door, session = session, progress = progress, output = output, recipe = order.recipe, run_id = extra.run_id }),
  }
  for name, value in pairs(extra) do options[name] = value end   -- order cannot be seen
  return require("engine").new(options)
end

-- The exit status of a command that a signal ended before anything was made; nil without a signal.
local function signalled(door)
  local signal = door:stopping()
  return failure.SIGNALS[signal]
end

--- Runs the engine as a task. Returns its report and status; raises what stopped it before anything was made.
local function execute(engine, order, session, progress)
  local ok, report, status = pcall(session.tasks.run, function()
    progress:start(session.tasks)
    M.check_account(order.common, session)
    return engine:execute()
  end)
  if ok then return report, report.run.status == "declined" and signalled(session.door) or status end
  if engine.context.wrote then return engine:abandoned(report) end
  local ended = signalled(session.door)
  if ended then failure.raise { status = ended, what = "stopped by " .. session.door:stopping(), message = "nothing was made" } end
  error(report, 0)
end

--- Plan or verify: reads only, keeps no journal.
---@param word "plan"|"verify"
---@param order table  M.read's
---@param output ui.Output
---@return table report, integer status, Engine engine
function M.look(word, order, output)
  local _, session, progress = M.connect(order.common, nil, nil, output)
  local engine = engine_for(word, order, session, progress, output, { requests = order.common.requests })
  local ok, report, status = pcall(execute, engine, order, session, progress)
  progress:close()
  if not ok then error(report, 0) end
  return report, status, engine
end

-- A path that means the same wherever a run is taken up.
local function absolute(path)
  if not path or path:find "^/" then return path end
  return ("%s/%s"):format(require("file").canonical ".", path)
end

-- Writes the file of --out. What was made stays told when that fails: the exit status that is left then.
local function hand_over(order, report, output, clock)
  if not report.handover.region_specs then
    output:note(("the recipe '%s' hands nothing over, so --out '%s' is not written\n"):format(order.recipe.name, order.common.out))
    return failure.FAILED
  end
  local ok, raised = pcall(require("handover").write, order.common.out, order, report, clock.now())
  if ok then
    report.handover_file = order.common.out
    return nil
  end
  output:note(("%s\nnext: run this again with another --out: nothing is made twice\n"):format(tostring(raised)))
  return failure.FAILED
end

--- A run or a destroying, new or taken up: asks, does, and writes its journal.
---@param word "run"|"destroy"
---@param order table        M.read's, or what the journal of a run to resume says
---@param output ui.Output
---@param resumed runs.Run?
---@return table report, integer status
function M.act(word, order, output, resumed)
  local directory, files = runs.directory(order.common.journal), order.common.files or {}
  local clock = require("door").new { user_agent = "cmek" }.clock
  local id = resumed and resumed.id or runs.new_id(clock)
  local journal = resumed and runs.continue(resumed) or runs.create(directory, id)
  local lock = resumed and resumed.lock or runs.hold(directory, id)
  local door, session, progress = M.connect(order.common, id, journal, output)
  runs.begin(door, journal, directory, {
    run = id, command = word, version = require "version", recipe = order.recipe.origin, hash = order.recipe.hash,
    trusted = order.recipe.trusted or nil, arguments = order.given,
    profile = order.common.profile, region = order.common.region, vault_auth = order.common.vault_auth,
    vault_auth_mount = order.common.vault_auth_mount, resumed = resumed ~= nil, out = absolute(order.common.out),
    facts = files.facts and files.facts.document, spec = files.spec and files.spec.document,
  })
  local engine = engine_for(word, order, session, progress, output, {
    run_id = id, entries = resumed and resumed.entries, accept = order.accept,
    confirm_writes = function(question)
      progress:clear()
      return door:permit_writes(question .. " [y/N] ")
    end,
    confirm_irreversible = function(text, name)
      progress:clear()
      return door:permit_irreversible(table.concat(output:wrap(text, ""), "\n") .. " ", name)
    end,
    confirm_deletion = function(text, name, whose)
      progress:clear()
      return door:permit_deletion(table.concat(output:wrap(text, ""), "\n") .. " ", name, whose)
    end,
    ask = asker(output) and function(question)
      progress:clear()
      return output.terminal.read_line(question .. " ")
    end or nil,
  })
  local ok, report, status = pcall(execute, engine, order, session, progress)
  progress:close()
  runs.finish(door, journal, ok and report.run or { status = "failed" }, ok and report.error or not ok and failure.document(report) or nil)
  lock:close()
  if not ok then error(report, 0) end
  if order.common.out and report.run.status == "done" then status = hand_over(order, report, output, clock) or status end
  local saved = report.going_on and engine.going_on.saved
  if saved then require("layout").save(saved.path, saved.text) end
  if report.going_on and order.common.save_args then
    require("argument_sources").save(order.common.save_args, report.going_on.arguments)
    report.going_on.command = require("engine.mend").going_on(engine, order.common.save_args)
  end
  if engine.context.wrote and report.run.status ~= "done" then status = failure.UNFINISHED end   -- also when resuming was declined
  return report, status
end

return M
