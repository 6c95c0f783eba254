--- What verify asks of a KMS provider in Vault. Its credentials are never shown, so that they are right is never said.
local keymgmt = require "engine.vault.keymgmt"
local mend = require "engine.mend"

local M = {}

---@param engine table
---@param list engine.Checks
---@param want table
---@param have table?
function M.inspect(engine, list, want, have)
  if not have then
    return list:finding("vault_provider.exists", { have = "missing", want = "present", mend = mend.cmek(engine, "run"),
      text = "without it Vault can neither rotate nor disable the region's keys" })
  end
  list:ok "vault_provider.exists"
  for _, check in ipairs { { "kind", "provider", keymgmt.PROVIDER }, { "region", "key_collection", want.region } } do
    local id, field, wanted = "vault_provider." .. check[1], check[2], check[3]
    if have[field] == wanted then
      list:ok(id)
    else
      list:finding(id, { field = field, have = tostring(have[field]), want = wanted, text = "it is fixed for the provider's life" })
    end
  end
  list:unseen("vault_provider.credentials", "Vault shows none of them: --update-credentials sends them again")
end

return M
