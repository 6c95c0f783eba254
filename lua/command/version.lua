--- `cmek version`: which cmek this is.
local M = {}

local LICENCES <const> = [[
cmek                    MIT         The cmek authors
Lua 5.4                 MIT         Lua.org, PUC-Rio
lua-cjson               MIT         Mark Pulford
argparse                MIT         Peter Melnichenko, Paul Ouellette
expat                   MIT         Thai Open Source Software Center, Clark Cooper, Expat maintainers
libevent                BSD         Niels Provos, Nick Mathewson
libcurl (shared)        curl        Daniel Stenberg and contributors
OpenSSL 3 (shared)      Apache-2.0  The OpenSSL Project Authors
]]

---@param arguments string[]  what follows the command word
---@param output table  where results go (ui/output.lua)
---@return integer status
function M.run(arguments, output)
  local version = require "version"
  local common = require("flags").parse("version", nil, {}, arguments)
  if common.help then
    output:help(require("command.help").command "version")
  elseif output.json then
    output:document { schema = "cmek.version/1", version = version, licenses = common.licenses and LICENCES or nil }
  else
    output:result(common.licenses and LICENCES or "cmek " .. version .. "\n")
  end
  return 0
end

return M
