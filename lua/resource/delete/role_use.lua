--- Taking back what a role may do with keys of other accounts, before the role goes.
local names = require "names"
local use = require "resource.role_use"

local M = { name = use.name, region = use.region }

---@return { want: table, have: table }[]
function M.collect(context, want)
  local have = use.find(context, want)
  return have and { { want = want, have = have } } or {}
end

function M.refusal() return nil end
function M.about() return "the role may use no key of another account from then on" end

---@param context engine.Context
---@param want table
---@param have table
---@param guard fun()
function M.delete(context, want, have, guard)
  guard()
  context:try({ NoSuchEntity = true, uncertain = true }, function()
    return context:write(function()
      return context.session.iam.delete_role_policy { RoleName = want.role.name, PolicyName = names.USE_POLICY }
    end)
  end)
  return have
end

return M
