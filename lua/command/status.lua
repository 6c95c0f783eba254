--- `cmek status [--cluster X]`: the clusters that the API key sees and whether each can have CMEK; with --cluster the whole chain
--- behind one. It needs the Cloud's key alone; with AWS credentials it shows the AWS side as well.
local flags = require "flags"

local M = {}

---@param arguments string[]
---@param output ui.Output
---@return integer status
function M.run(arguments, output)
  local common = flags.parse("status", nil, {}, arguments)
  if common.help then
    output:help(flags.help("status", nil, {}) .. "\n")
    return 0
  end
  for _, name in ipairs(common.cluster and {} or { "keys", "reach", "facts" }) do
    if common[name] and not (name == "reach" and #common.reach == 0) then
      require("ui.failure").usage(("--%s is of one cluster: name it with --cluster"):format(name), "cmek status lists the clusters")
    end
  end
  local status, show = require "status", require "ui.status"
  local operation = require "operation"
  local _, session, progress = operation.connect(common, nil, nil, output)
  local clusters = session.tasks.run(function()
    if not common.cluster then return status.all(session) end
    operation.check_account(common, session)
    if common.facts then require("facts").write(common.facts, session, common.cluster) end
    return { status.chain(session, common.cluster, { keys = common.keys, reach = common.reach }) }
  end)
  progress:close()
  if common.facts then output:note(("the facts are in '%s': cmek run console --facts %s needs no access to the Cloud\n"):format(common.facts,
    require("engine.mend").quote(common.facts))) end
  output:result(common.cluster and show.chain(clusters[1], output) or show.list(clusters))
  if output.json then output:document { schema = "cmek.status/1", clusters = require("json").array(clusters) } end
  return 0
end

return M
