-- Pairs of RSA keys for tests. They take long to make, and are as good a second time: one of each size serves a whole process, whoever
-- loads this file and however often.
local crypto = require "crypto"

local NAME <const> = "tests.pairs"
local made = package.loaded[NAME] or {}
package.loaded[NAME] = made

local M = {}

--- The pair of a size.
---@param bits integer
---@return userdata
function M.size(bits)
  made[bits] = made[bits] or crypto.rsa_generate(bits)
  return made[bits]
end

return M
