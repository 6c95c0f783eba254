--- `cmek resume [RUN]`: finishes a run that died, by its journal; without an ID the newest that is not finished.
local failure = require "ui.failure"
local flags = require "flags"
local operation = require "operation"
local runs = require "runs"

local M = {}

--- The order that the first line of the journal holds.
local function order_of(run, common, output)
  local begin = run.begin
  if not begin.recipe then failure.usage(("run %s was the script '%s': run it again"):format(run.id, begin.script or "?")) end
  local recipe = require("recipe").load(begin.recipe, { reserved = flags.reserved(), trust = common.trust or begin.trusted,
    steps = common.on_error ~= nil })
  if recipe.hash ~= begin.hash and begin.trusted and not common.trust then
    failure.usage(("the recipe '%s' has changed since it was trusted with run %s"):format(begin.recipe, run.id),
      ("cmek resume %s --trust"):format(run.id))
  elseif recipe.hash ~= begin.hash then
    output:note(("the recipe '%s' has changed since run %s began\n"):format(begin.recipe, run.id))
  end
  local arguments, given = require("arguments").resolve(recipe.args, { { origin = "run " .. run.id, values = begin.arguments } })
  for _, name in ipairs { "profile", "region", "vault_auth", "vault_auth_mount" } do common[name] = common[name] or begin[name] end
  common.out, common.files = begin.out, { facts = begin.facts and require("facts").of("run " .. run.id, begin.facts),
    spec = begin.spec and require("handover").of("run " .. run.id, begin.spec) }
  return { recipe = recipe, arguments = arguments, given = given, common = common }
end

---@param arguments string[]
---@param output ui.Output
---@return integer status
function M.run(arguments, output)
  local id, rest = flags.first("resume", arguments)
  local common = flags.parse("resume", nil, {}, rest)
  if common.help then
    output:help(flags.help("resume", nil, {}) .. "\n")
    return failure.DONE
  end
  require("step_in").check(common, output)
  local directory, named = runs.locate(common.journal, id)
  if named ~= id then common.journal = directory end   -- the run goes on in the journal that was named
  local run = runs.unfinished(directory, named)
  local word, profile = run.begin.command or "run", not common.profile and run.begin.profile
  output:note(("resuming run %s: %s%s of %s%s\n"):format(run.id, word == "run" and "" or word .. " ", run.begin.recipe or "a script",
    run.begin.time, profile and (", with its profile '%s' (--profile names another)"):format(profile) or ""))
  local report, status = operation.act(word, order_of(run, common, output), output, run)
  require(word == "destroy" and "ui.destroyed" or "ui.result").tell(report, output, true)
  return status
end

return M
