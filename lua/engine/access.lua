--- Whether CockroachDB can use a key, as far as it can be seen from here: the role's trust, the key's policy and state.
--- Before propagation is blamed, this is asked.
local keys = require "engine.keys"
local policies = require "policy"
local time = require "time"

local M = {}

--- What CockroachDB does with a key, as actions.
M.ACTIONS = { "kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey", "kms:ReEncryptFrom", "kms:ReEncryptTo" }

--- What nobody here can see.
M.UNSEEN = { "service control policies", "resource control policies" }

local function role_name(arn) return arn:match "[^/]+$" end

local function account_of(arn) return arn:match "^arn:[^:]*:[^:]*:[^:]*:(%d+):" end

--- The question whether the cluster's account may assume a role, with the organization as external ID.
---@param cluster table
---@param organization table
---@param arn string
---@param trust string  the role's trust policy
---@return table request  for policy.evaluate
function M.assuming(cluster, organization, arn, trust)
  return {
    principal = {
      arn = ("arn:%s:iam::%s:role/crl-kms-user-%s"):format(arn:match "^arn:([^:]+)", cluster.account_id, cluster.id:sub(-12)),
      account = cluster.account_id, kind = "role",
    },
    action = "sts:AssumeRole", resource = arn, resource_account = account_of(arn), resource_kind = "role",
    resource_policy = trust, context = { ["sts:ExternalId"] = organization.id },
    unseen = { "identity policies", "permissions boundary", table.unpack(M.UNSEEN) },
  }
end

--- A role as a principal of policy.evaluate.
---@param role { arn: string, id: string }
function M.principal(role)
  return { arn = role.arn, account = account_of(role.arn), role_arn = role.arn, unique_id = role.id, kind = "role" }
end

local function trust(cluster, organization, role)
  local verdict = policies.evaluate(M.assuming(cluster, organization, role.Arn, role.AssumeRolePolicyDocument))
  if verdict.verdict == "denied" then return "the role cannot be assumed: " .. verdict.text end
end

-- May the role use the key?
local function use(role, key)
  for _, action in ipairs(M.ACTIONS) do
    local verdict = policies.evaluate {
      principal = M.principal { arn = role.Arn, id = role.RoleId },
      action = action, resource = key.arn, resource_account = account_of(key.arn), resource_kind = "key", resource_policy = key.policy,
      unseen = { "identity policies", "permissions boundary", table.unpack(M.UNSEEN) },
    }
    if verdict.verdict == "denied" then return ("the role may not %s with %s: %s"):format(action, key.arn, verdict.text) end
  end
end

-- What is wrong with one region's role and key, and when the newer of them was made.
local function region_fault(context, cluster, organization, spec)
  local role = context.session.iam.find_role { RoleName = role_name(spec.key_spec.auth_principal) }
  if not role then return ("the role %s does not exist"):format(spec.key_spec.auth_principal) end
  local region = spec.key_spec.uri:match "^arn:[^:]*:kms:([^:]*):"
  local key = keys.find(context, region, spec.key_spec.uri)
  if not key then return ("the key %s does not exist"):format(spec.key_spec.uri) end
  if key.state ~= "Enabled" then return ("the key %s is %s"):format(key.arn, key.state) end
  local youngest = math.max(time.epoch(role.CreateDate) or 0, time.epoch(key.metadata.CreationDate) or 0)
  return trust(cluster, organization, role) or key.policy and use(role, key) or nil, youngest
end

--- What is wrong with what can be seen, and when the newest of it was made.
---@param context engine.Context
---@param cluster table
---@param organization table
---@param specs table[]   region_specs
---@return string? fault    naming region, statement and field; nil when all that can be seen is right
---@return number newest    seconds since the epoch; 0 when nothing is known
function M.fault(context, cluster, organization, specs)
  if context.spec then return nil, time.epoch(context.spec.document.written_at) or 0 end   -- AWS is not looked at
  local newest = context.changed_at or 0
  local faults = context.tasks.map(specs, function(spec)
    local fault, made = region_fault(context, cluster, organization, spec)
    newest = math.max(newest, made or 0)
    return fault and ("%s: %s"):format(spec.region, fault) or false
  end)
  for _, fault in ipairs(faults) do
    if fault then return fault, newest end
  end
  return nil, newest
end

return M
