--- `cmek version`: which cmek this is.
local M = {}

M.summary = "the version, and with --licenses the licences of what is inside"

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
  for _, argument in ipairs(arguments) do
    if argument ~= "--licenses" then
      require("ui.failure").usage(("cmek version knows no '%s'; it takes --licenses"):format(argument))
    end
  end
  if output.json then
    output:document { schema = "cmek.version/1", version = version, licenses = arguments[1] and LICENCES or nil }
  elseif arguments[1] then
    output:result(LICENCES)
  else
    output:result("cmek " .. version .. "\n")
  end
  return 0
end

return M
