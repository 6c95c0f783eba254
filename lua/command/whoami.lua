--- `cmek whoami`: which AWS account, as whom and by which credentials; which organization of CockroachDB Cloud.
local flags = require "flags"

local M = {}

---@param arguments string[]
---@param output ui.Output
---@return integer status
function M.run(arguments, output)
  local common = flags.parse("whoami", nil, {}, arguments)
  if common.help then
    output:help(flags.help("whoami", nil, {}) .. "\n")
    return 0
  end
  local _, session = require("operation").connect(common, nil, nil, output)
  local identity, organization
  session.tasks.run(function()
    session.tasks.all {
      function() identity = session:identity() end,
      function() organization = session.cloud.organization() end,
    }
  end)
  if output.json then
    output:document { schema = "cmek.whoami/1",
      aws = { account_id = identity.account, arn = identity.arn, source = identity.source, region = session.region },
      organization = { id = organization.id, name = organization.name, label = organization.label } }
    return 0
  end
  output:result(require("ui.table").render {
    { "AWS account", identity.account },
    { "as", identity.arn },
    { "by", identity.source or "" },
    { "region", session.region or "(none)" },
    { "organization", ("%s (%s)"):format(organization.name or "", organization.id) },
  })
  return 0
end

return M
