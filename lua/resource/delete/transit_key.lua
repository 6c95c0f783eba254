--- A transit key is not deleted with the KMS keys: it is the one copy of their material, and of no use to anybody else.
local key = require "resource.transit_key"

local M = { name = key.name, region = key.region }

--- Nothing of it goes; how it can is said. A Vault that cannot be asked keeps nobody from taking back what is in AWS.
function M.collect(context, want)
  local have, refused = context:try(function() return true end, function() return key.find(context, want) or false end)
  if refused then
    context:warn(("whether the transit key %s is there cannot be seen (%s): it is left as it is"):format(key.name(want),
      require("refusal").line(refused)), want.region)
  elseif have then
    context:warn(("the transit key %s stays in Vault: with it the material could be imported again. Once the KMS keys are gone for good: "
      .. "vault write %s/keys/%s/config deletion_allowed=true && vault delete %s/keys/%s"):format(key.name(want), want.mount, want.name,
      want.mount, want.name), want.region)
  end
  return {}
end

return M
