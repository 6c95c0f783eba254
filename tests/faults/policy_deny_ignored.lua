--- A planted fault: the evaluator does not see explicit Deny. A replacement of policy.evaluate, made from the real one.
local document = require("policy.document")
local json = require("json")

local function without_deny(policy)
  local read = document.parse(policy)
  if not read or type(read.Statement) ~= "table" then return policy end
  local list = document.is_list(read.Statement) and read.Statement or { read.Statement }
  local kept = json.array {}
  for _, statement in ipairs(list) do
    if statement.Effect ~= "Deny" then kept[#kept + 1] = statement end
  end
  return { Version = read.Version, Id = read.Id, Statement = kept }
end

return function(real)
  return {
    evaluate = function(request)
      local changed = setmetatable({}, { __index = request })
      if request.resource_policy then changed.resource_policy = without_deny(request.resource_policy) end
      changed.identity = {}
      for index, policy in ipairs(request.identity or {}) do changed.identity[index] = without_deny(policy) end
      return real.evaluate(changed)
    end,
  }
end
