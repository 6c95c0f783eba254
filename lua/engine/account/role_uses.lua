--- Across accounts a key's policy does not suffice: each role has to be allowed to use the keys in its own account as well. That is done
--- where its account is reached, and told elsewhere.
local json = require "json"
local names = require "names"
local quote = require "quote"
local reach = require "engine.account.reach"
local unknown = require "unknown"

local M = {}

-- What a role of an account that nothing leads to needs of its own there.
local function tell(engine, role, arns)
  local document = require("resource.role_use").document(arns)
  engine.context:warn(("%s is of account %s, which no profile or role_arn leads to: it is not looked at. Those who administer it "
    .. "have to let CockroachDB assume it, and to give it what it needs across accounts: aws iam put-role-policy --role-name %s "
    .. "--policy-name %s --policy-document %s"):format(role.arn, reach.id(role.arn), role.name, names.USE_POLICY,
    quote(unknown.show(json.encode(document)))))
end

-- The keys of other accounts that each role uses, in the order of the regions.
local function by_role(pairs_of)
  local list, places = {}, {}
  for _, pair in ipairs(pairs_of) do
    if pair.key_account ~= pair.role_account then
      local place = places[pair.role]
      if not place then
        place = { role = pair.role, account = pair.account, keys = {} }
        places[pair.role], list[#list + 1] = place, place
      end
      local known = false
      for _, arn in ipairs(place.keys) do known = known or arn == pair.arn end
      if not known then table.insert(place.keys, pair.arn) end
    end
  end
  return list
end

--- Lets the roles use the keys of other accounts.
---@param engine table
---@param cluster table
---@param pairs_of { role: table, arn: any, key_account: string, role_account: string, account: engine.Account? }[]  one a region;
---  key_account, role_account: their IDs; account: the role's, where it is not the credentials' own
function M.ensure(engine, cluster, pairs_of)
  for _, place in ipairs(by_role(pairs_of)) do
    local role = place.role
    if role.unreached then
      tell(engine, role, place.keys)
    else
      require("engine.ensure").ensure(engine, "role_use", { cluster = cluster, role = { name = role.name, arn = role.arn }, keys = place.keys,
        account = place.account })
    end
  end
end

return M
