--- What verify asks of a distribution: whether Vault has the key in KMS, as CMEK needs it, and whether a rotation was left half done.
local distribution = require "resource.vault_distribution"
local mend = require "engine.mend"

local M = {}

---@param engine table
---@param list engine.Checks
---@param want table
---@param have table?
function M.inspect(engine, list, want, have)
  if not have or have.elsewhere then
    return list:finding("vault_distribution.exists", { have = have and "distributed to " .. have.elsewhere or "missing", want = "present",
      text = "Vault does not look after the region's KMS keys: it can neither rotate nor disable them",
      mend = not have and mend.cmek(engine, "run") or nil })
  end
  list:ok("vault_distribution.exists", have.name)
  for _, field in ipairs { "purpose", "protection" } do
    local wanted = distribution.wanted(want, field)
    if have[field] == wanted then
      list:ok("vault_distribution." .. field)
    else
      list:finding("vault_distribution." .. field, { field = field, have = tostring(have[field]), want = wanted,
        text = "it is fixed for as long as the key is distributed" })
    end
  end
  local disabled = distribution.disabled(want, have)
  if disabled then
    list:finding("vault_distribution.enabled", { field = "min_enabled_version", have = want.key.enabled_from, want = have.version, text = disabled })
  else
    list:ok "vault_distribution.enabled"
  end
  local warning = distribution.warnings(want, have)[1]
  if not warning then return list:ok("vault_distribution.version", tostring(have.version or "")) end
  list:finding("vault_distribution.version", { field = "version", have = have.version, want = have.latest, text = warning.text,
    mend = mend.cmek(engine, "run", "rotate", { cluster = true }) })
end

return M
