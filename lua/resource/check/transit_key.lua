--- What verify asks of a transit key: whether the material of a region's keys is still there, and is kept.
local key = require "resource.transit_key"
local mend = require "engine.mend"

local M = {}

--- The checks of a key that was looked for.
---@param engine table
---@param list engine.Checks
---@param want table
---@param have table?
function M.inspect(engine, list, want, have)
  if not have then
    return list:finding("transit_key.exists", { have = "missing", want = "present",
      text = "without it the material cannot be imported again, should it ever be deleted from KMS; a key that is made anew has other material" })
  end
  list:ok "transit_key.exists"
  local wrong = key.wrong(have)
  if wrong then return list:finding("transit_key.type", { field = "type", have = tostring(have.type), want = "aes256-gcm96", text = wrong }) end
  list:ok "transit_key.type"
  if key.has_version(want, have) then
    list:ok("transit_key.version", want.version)
  else
    local made = not key.is_behind(want, have)
    list:finding("transit_key.version", { field = "keys", have = "missing", want = want.version,
      text = made and "it was trimmed: restore it from a backup of Vault" or "Vault has not made it yet",
      mend = not made and mend.cmek(engine, "run") or nil })
  end
  for _, difference in ipairs(key.differences(want, have)) do
    if difference.check ~= "version" then   -- told above
      list:finding("transit_key." .. difference.check, { field = difference.field, have = difference.have, want = difference.want,
        mend = mend.cmek(engine, "run") })
    end
  end
  for _, check in ipairs { "exportable", "kept" } do
    if list:sound("transit_key." .. check) then list:ok("transit_key." .. check) end
  end
end

return M
