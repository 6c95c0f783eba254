--- A mount is not taken back: with it go all keys of it, also those that others have there.
local mount = require "resource.vault_mount"

local M = { name = mount.name, region = mount.region }

function M.collect(context, want)
  context:warn(("the engine at %s/ stays in Vault: unmounting it destroys every key in it (vault secrets disable %s)"):format(want.path, want.path))
  return {}
end

return M
