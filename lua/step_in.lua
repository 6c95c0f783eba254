--- The prompt that opens where a recipe stops: for `--on-error=repl` and for `break()`. It is one prompt for the whole run: what it was told at
--- one stop it knows at the next.
local failure = require "ui.failure"

local M = {}

local VALUES <const> = { "repl" }

--- Refuses what nobody could answer at, before anything is asked or made.
---@param common table      the command's own flags
---@param output ui.Output
function M.check(common, output)
  local value = common.on_error
  if value == nil then return end
  if value ~= VALUES[1] then
    local near = require("ui.near").near(value, VALUES)[1]
    failure.usage(("--on-error takes repl, not '%s'%s"):format(value, near and "; did you mean repl?" or ""), "cmek help on-error")
  end
  if output.json then failure.usage("--on-error=repl opens a prompt, and beside --json there is no place for one", "leave one of them out") end
  local alone = common.yes and "--yes" or common.confirm and "--confirm"
  if alone and not output.terminal.is_terminal "stdin" then
    failure.usage(("--on-error=repl wants somebody to type, and %s is for where nobody sits: stdin is no terminal"):format(alone),
      "leave one of them out, or run it at a terminal")
  end
end

--- Whether arguments ask for it, before they are read in full: the recipe is loaded first.
---@param arguments string[]
---@return boolean
function M.asked(arguments)
  for _, argument in ipairs(arguments) do
    if argument == "--on-error" or argument:find "^%-%-on%-error=" then return true end
  end
  return false
end

-- When the journal of the run says that something was changed, be it by hand.
local function changed_at(here)
  local runs = require "runs"
  local run = here.run_id and runs.read(runs.directory(here.journal), here.run_id)
  return run and require("engine.journaled").changed_at(run.entries) or nil
end

-- Opens the prompt, and gives the terminal back to the run.
local function open(here, stop)
  local repl, tasks = here.repl, here.session.tasks
  here.progress:pause()
  local ok, go_on = pcall(repl.step_in, repl, stop)
  here.door:prompt_over()
  if not ok then error(go_on, 0) end
  if stop.writes then stop.changed_at = changed_at(here) end
  if go_on then here.progress:resume(tasks) end
  return go_on
end

--- What an engine is told of who may look; nil where nobody is there.
---@param common table   the command's own flags
---@param here { door: table, session: Session, progress: ui.Progress, output: ui.Output, recipe: Recipe, run_id: string? }
---@return { open: (fun(stop: engine.Stop): boolean), on_error: boolean }?
function M.options(common, here)
  local output = here.output
  local at_terminal = output.terminal.is_terminal "stdin" and output.terminal.is_terminal "stderr" and not output.json
  if not (common.on_error or at_terminal) then return nil end
  here.journal = common.journal
  return { on_error = common.on_error ~= nil, open = function(stop)
    if not here.repl then
      local reader, interactive = require("repl.reader").new(output)
      here.repl = require("repl").new { door = here.door, session = here.session, progress = here.progress, output = output, common = common,
        interactive = interactive, read = function(pending) return reader:line(pending) end, keep = function(text) reader:keep(text) end,
        inside = here.recipe, run_id = here.run_id }
      reader.repl = here.repl
    end
    return open(here, stop)
  end }
end

return M
