--- The simulated Vault: who tries a wrong secret too often is not let in for a while, with the right one neither (user lockout, as Vault and
--- OpenBao have it by default for userpass and AppRole).
local refusal = require("sim.vault.refusal")
local roles = require("sim.vault.roles")

local M = {}

local TRIES <const>, SECONDS <const> = 5, 900

--- Runs a login's check of a name; what it refuses counts.
---@param r table
---@param name string
---@param check fun(): any
---@return any  what the check gives
function M.guard(r, name, check)
  local list = roles.store(r, "_lockouts")
  local seen = list[name]
  if seen and r.now >= seen.at + SECONDS then
    list[name], seen = nil, nil
  end
  if seen and seen.count >= TRIES then refusal.denied() end
  local ok, result = pcall(check)
  if ok then
    list[name] = nil
    return result
  end
  if refusal.is(result) and result.status == 400 then list[name] = { count = (seen and seen.count or 0) + 1, at = r.now } end
  error(result, 0)
end

return M
