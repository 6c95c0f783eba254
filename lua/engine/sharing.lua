--- Which other clusters of the organization name a key or a role for their CMEK, in any status.
local M = {}

local function add(users, thing, cluster)
  if not thing then return end
  users[thing] = users[thing] or {}
  users[thing][cluster.name] = true
end

-- By ARN of key or role the names of other clusters; what could not be asked for.
local function ask(context, cluster)
  local others, users, unread = {}, {}, {}
  for _, other in ipairs(context.session.cloud.clusters()) do
    if other.id ~= cluster.id and other.cloud_provider == "AWS" then others[#others + 1] = other end
  end
  local answers = context.tasks.map(others, function(other)
    local info, refused = context:try(function(refused) return refused.status == 403 or refused.status == 404 end, function()
      return context.session.cloud.cmek(other.id)
    end)
    return info or refused
  end)
  for i, info in ipairs(answers) do
    if not info.region_infos then unread[#unread + 1] = others[i].name end
    for _, region in ipairs(info.region_infos or {}) do
      for _, key in ipairs(region.key_infos or {}) do
        add(users, key.spec and key.spec.uri, others[i])
        add(users, key.spec and key.spec.auth_principal, others[i])
      end
    end
  end
  return { users = users, unread = unread }
end

--- Starts asking.
---@param context engine.Context
---@param cluster table
function M.foresee(context, cluster)
  context:begin("sharing", function() return ask(context, cluster) end)
end

--- The names of the other clusters that use a thing; {} when none is known to.
---@param context engine.Context
---@param cluster table
---@param arn string  of a key or role
---@return string[] users, string[] unread  unread: clusters whose CMEK may not be read
function M.of(context, cluster, arn)
  M.foresee(context, cluster)
  local answer, list = context:once "sharing", {}
  for name in require("sorted")(answer.users[arn] or {}) do list[#list + 1] = name end
  return list, answer.unread
end

return M
