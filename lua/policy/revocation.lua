--- The statement that keeps a cluster's role from a key while the cluster's CMEK is revoked. It stands beside all others and is known by
--- its Sid; nothing else of a policy changes with it. The role is named by a condition and not as Principal: KMS would store the unique ID
--- of a Principal, refuse one that was deleted, and let in another role that is made under its name.
local build = require("policy.build")
local document = require("policy.document")
local json = require("json")

local M = {}

--- Its Sid, which is cmek's own.
M.SID = "Deny use of the key while CMEK is revoked"

-- What the role could do with the key, and let others do. That it may look at the key is left, so that CockroachDB sees that it is there and
-- denied; and that the policy can be changed is never denied, to nobody.
local function actions()
  local list = json.array {}
  for _, action in ipairs(build.USE_ACTIONS) do
    if action ~= "kms:DescribeKey" then list[#list + 1] = action end
  end
  list[#list + 1] = "kms:CreateGrant"
  return list
end

--- The statement for these roles.
---@param roles string[]  ARNs
---@return table
function M.statement(roles)
  local named = #roles == 1 and roles[1] or json.array(table.move(roles, 1, #roles, 1, {}))
  return { Sid = M.SID, Effect = "Deny", Principal = { AWS = "*" }, Action = actions(), Resource = "*",
    Condition = { ArnEquals = { ["aws:PrincipalArn"] = named } } }
end

--- The statement in a few words; nil when there is none.
---@param statement table?
---@return string?
function M.words(statement)
  if not statement then return nil end
  local named = ((statement.Condition or {}).ArnEquals or {})["aws:PrincipalArn"]
  if named == nil then return document.statement_json(statement) end
  return "Deny " .. (type(named) == "table" and table.concat(named, " and ") or tostring(named))
end

--- What is said of a key that has it, wherever else than in a revocation.
---@param cluster { name: string }
---@param arn string  of the key
---@return string
function M.told(cluster, arn)
  return ("cluster %s is revoked: the policy of %s denies its role the key, which stays so until cmek run restore --cluster %s"):format(cluster.name,
    arn, require("quote")(cluster.name))
end

local function statements(policy)
  local read, message = document.parse(policy)
  if not read then error("cannot read the policy: " .. message, 0) end
  local list = read.Statement or {}
  return document.is_list(list) and list or next(list) == nil and {} or { list }, read
end

--- The statement of a policy that has it; nil when it has none.
---@param policy string|table|nil
---@return table?
function M.of(policy)
  for _, statement in ipairs(policy ~= nil and statements(policy) or {}) do
    if statement.Sid == M.SID then return statement end
  end
end

-- The policy with its other statements as they stand, and perhaps one more.
local function rewritten(policy, more)
  local list, read = statements(policy)
  local copy, kept = {}, json.array {}
  for name, value in pairs(read) do copy[name] = value end   -- order cannot be seen
  for _, statement in ipairs(list) do
    if statement.Sid ~= M.SID then kept[#kept + 1] = statement end
  end
  kept[#kept + 1] = more
  copy.Statement = kept
  return document.json(copy)
end

--- The policy with the statement for these roles, in the place of an earlier one.
---@param policy string|table
---@param roles string[]
---@return string
function M.with(policy, roles) return rewritten(policy, M.statement(roles)) end

--- The policy without the statement, all else as found.
---@param policy string|table
---@return string
function M.without(policy) return rewritten(policy) end

--- Whether a policy has the statement for these roles already.
---@param policy string|table|nil
---@param roles string[]
---@return boolean
function M.denies(policy, roles)
  local have = M.of(policy)
  if not have then return false end
  local compare = require("policy.compare")
  local function alone(statement) return { Version = "2012-10-17", Statement = json.array { statement } } end
  return compare.equal(alone(have), alone(M.statement(roles)))
end

return M
