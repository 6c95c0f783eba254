--- `cmek orphans [--clean]`: keys and roles that cmek made and no cluster uses, each with why. With --clean each that may go is asked
--- about by its ID, at the terminal or by --confirm ID, and what is agreed to is scheduled with the longest window or deleted.
local failure = require "ui.failure"
local flags = require "flags"
local runs = require "runs"

local M = {}

local SCRIPT <const> = "cmek orphans --clean"   -- what its journals are of
local WHOSE <const> = { key = "the key's ID", role = "the role's name" }

-- Looks for orphans, in a task.
local function find(session, common, run_id, progress)
  local operation, orphans = require "operation", require "engine.cluster.orphans"
  operation.check_account(common, session)
  local touched = {}
  for service, operations in require("sorted")(orphans.actions) do
    for _, name in ipairs(operations) do touched[#touched + 1] = service .. "." .. name end
  end
  session.door:touches(touched)
  local context = require("engine.context").new { session = session, mode = "destroy", run_id = run_id or "",
    listener = function(event) progress:tell(event) end }
  context:identity()   -- whose keys are looked at is told, and without credentials nothing is
  return orphans.find(context, { regions = { session.region }, flags = { profile = common.profile, region = common.region,
    account = common.account } })
end

-- Cleaning -----------------------------------------------------------------------------------------------------------

local function missing(found, id)
  for _, orphan in ipairs(found.list) do
    if orphan.id == id then
      failure.raise { status = failure.FAILED, what = ("cleaning %s %s"):format(orphan.kind, id), message = orphan.why, next = orphan.mend }
    end
  end
  failure.usage(("there is no orphan '%s'"):format(id), "cmek orphans lists them")
end

-- Those that are asked about: the one that --confirm names, else all that may go.
local function chosen(found, common, output)
  local list = {}
  for _, orphan in ipairs(found.list) do
    if orphan.clean and (not common.confirm or orphan.id == common.confirm) then list[#list + 1] = orphan end
  end
  if common.confirm and #list == 0 then missing(found, common.confirm) end
  if #list > 0 and not common.confirm and not output.terminal.is_terminal "stdin" then
    failure.raise { status = failure.FAILED, what = "asking about each orphan", message = "there is no terminal to ask at", next = list[1].mend }
  end
  return list
end

local function clean_one(found, orphan, door, progress)
  local stays = found:stays(orphan)
  if stays then
    orphan.result, orphan.left = "left", stays
    return
  end
  progress:clear()
  local text = ("%s %s%s\n  %s\nType %s to %s it, or nothing to leave it: "):format(orphan.kind, orphan.region and orphan.region .. " " or "",
    orphan.arn, orphan.why, orphan.id, orphan.kind == "key" and "schedule" or "delete")
  local ok, reason = door:permit_deletion(text, orphan.id, WHOSE[orphan.kind])
  if not ok then
    orphan.result, orphan.left = "left", reason
    return
  end
  found:clean(orphan)
end

-- Cleans the chosen ones, one after the other; what one of them raises ends it.
local function clean(common, output)
  local operation = require "operation"
  local directory = runs.directory(common.journal)
  local id = runs.new_id(require("door").new { user_agent = "cmek" }.clock)
  local journal = runs.create(directory, id)
  local door, session, progress = operation.connect(common, id, journal, output)
  runs.begin(door, journal, directory, { run = id, version = require "version", script = SCRIPT })
  local found
  local ok, raised = pcall(session.tasks.run, function()
    found = find(session, common, id, progress)
    for _, orphan in ipairs(chosen(found, common, output)) do clean_one(found, orphan, door, progress) end
  end)
  progress:clear()
  local wrote = found ~= nil and found.context.wrote
  runs.finish(door, journal, { status = ok and "done" or wrote and "unfinished" or "failed" })
  if not ok and not wrote then error(raised, 0) end
  return found, not ok and raised or nil
end

-- Whether what --confirm names is still there.
local function named_is_left(found, id)
  for _, orphan in ipairs(found.list) do
    if orphan.id == id and orphan.result == "left" then return true end
  end
end

---@param arguments string[]
---@param output ui.Output
---@return integer status
function M.run(arguments, output)
  local common = flags.parse("orphans", nil, {}, arguments)
  if common.help then
    output:help(flags.help("orphans", nil, {}) .. "\n")
    return failure.DONE
  end
  if common.confirm and not common.clean then failure.usage("--confirm names an orphan to be cleaned", "cmek orphans --clean --confirm ID") end
  local show = require "ui.orphans"
  local found, raised
  if common.clean then
    found, raised = clean(common, output)
  else
    local _, session, progress = require("operation").connect(common, nil, nil, output)
    found = session.tasks.run(find, session, common, nil, progress)
    progress:clear()
  end
  if output.json then output:document(show.document(found, raised)) end
  output:result(show.render(found, output))
  output:note(show.trouble(found, raised))
  if raised then return failure.UNFINISHED end
  return common.confirm and named_is_left(found, common.confirm) and failure.FAILED or failure.DONE
end

return M
