--- What verify asks of what a role may do with keys of other accounts.
local mend = require "engine.mend"
local use = require "resource.role_use"

local M = {}

---@param engine table
---@param list engine.Checks
---@param want table
---@param have { document: string }?
function M.inspect(engine, list, want, have)
  if not have then
    return list:finding("role_use.exists", { have = "missing", want = "present", mend = mend.cmek(engine, "run"),
      text = "without it the role cannot use the keys of other accounts, whatever their policies say" })
  end
  list:ok "role_use.exists"
  engine.uses = engine.uses or {}
  engine.uses[want.role.arn] = have.document   -- for the checks that hang on role and keys together
  for _, difference in ipairs(use.differences(want, have)) do
    list:finding("role_use.policy", { field = difference.field, have = difference.have, want = difference.want, mend = mend.cmek(engine, "run") })
  end
  if list:sound "role_use.policy" then list:ok "role_use.policy" end
end

return M
