--- What verify asks of a mount.
local mend = require "engine.mend"

local M = {}

---@param engine table
---@param list engine.Checks
---@param want table
---@param have table?
function M.inspect(engine, list, want, have)
  if not have then
    return list:finding("vault_mount.exists", { have = "missing", want = want.type, mend = mend.cmek(engine, "run"),
      text = "nothing is seen there: it is missing, or the token may do nothing below it" })
  end
  list:ok "vault_mount.exists"
  if have.type == want.type then return list:ok "vault_mount.type" end
  list:finding("vault_mount.type", { field = "type", have = tostring(have.type), want = want.type })
end

return M
