--- `cmek whoami`: which AWS account, as whom, by which credentials and until when; which organization of CockroachDB Cloud, by
--- which key and what it may do. Each part that fails is told on its own.
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
  local _, session, progress = require("operation").connect(common, nil, nil, output, true)
  local document, status = session.tasks.run(require("whoami").tell, session, common)
  progress:clear()
  if output.json then
    output:document(document)
  else
    output:result(require("ui.whoami").text(document, output, session.clock.now()))
  end
  return status
end

return M
