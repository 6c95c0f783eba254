--- What verify asks of a key of Vault's key management engine.
local mend = require "engine.mend"

local M = {}

---@param engine table
---@param list engine.Checks
---@param want table
---@param have table?
function M.inspect(engine, list, want, have)
  if not have then
    return list:finding("vault_key.exists", { have = "missing", want = "present",
      text = "without it Vault has lost the material, and nobody can rotate the key; one that is made anew has other material" })
  end
  list:ok "vault_key.exists"
  if have.type == want.type then
    list:ok "vault_key.type"
  else
    list:finding("vault_key.type", { field = "type", have = tostring(have.type), want = want.type, text = "it is fixed for the key's life" })
  end
  if have.deletion_allowed ~= true then return list:ok "vault_key.kept" end
  list:finding("vault_key.kept", { field = "deletion_allowed", have = true, want = false, mend = mend.cmek(engine, "run") })
end

return M
