--- Whether CockroachDB can use a key, as far as it can be seen from here: the role's trust, the key's policy and state.
--- Before propagation is blamed, this is asked.
local keys = require "engine.key.keys"
local policies = require "policy"
local reach = require "engine.account.reach"
local revocation = require "policy.revocation"
local sorted = require "sorted"
local time = require "time"

local M = {}

--- What CockroachDB does with a key, as actions.
M.ACTIONS = { "kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey", "kms:ReEncryptFrom", "kms:ReEncryptTo" }

--- What nobody here can see.
M.UNSEEN = { "service control policies", "resource control policies" }

local function role_name(arn) return arn:match "[^/]+$" end

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
    action = "sts:AssumeRole", resource = arn, resource_account = reach.id(arn), resource_kind = "role",
    resource_policy = trust, context = { ["sts:ExternalId"] = organization.id },
    unseen = { "identity policies", "permissions boundary", table.unpack(M.UNSEEN) },
  }
end

--- A role as a principal of policy.evaluate.
---@param role { arn: string, id: string }
function M.principal(role)
  return { arn = role.arn, account = reach.id(role.arn), role_arn = role.arn, unique_id = role.id, kind = "role" }
end

-- The external IDs and principals that a trust policy names.
local function named_in(document)
  local ids, principals = {}, {}
  for _, statement in ipairs((policies.parse(document) or {}).Statement or {}) do
    local principal = type(statement.Principal) == "table" and statement.Principal.AWS or statement.Principal
    for _, one in ipairs(type(principal) == "table" and principal or { principal }) do principals[#principals + 1] = tostring(one) end
    for _, keys_of in sorted(type(statement.Condition) == "table" and statement.Condition or {}) do
      for name, values in sorted(type(keys_of) == "table" and keys_of or {}) do
        for _, one in ipairs(name:lower() == "sts:externalid" and (type(values) == "table" and values or { values }) or {}) do
          ids[#ids + 1] = tostring(one)
        end
      end
    end
  end
  return ids, principals
end

-- Which situation a trust policy is that does not let the cluster's account in.
local function trust_situation(cluster, organization, role, verdict)
  local ids, principals = named_in(role.AssumeRolePolicyDocument or "")
  local facts = { role = role.Arn, wants = table.concat(ids, ", "), principals = table.concat(principals, ", "), account = cluster.account_id,
    organization_id = organization.id, verdict = verdict.text }
  if #principals > 0 and not facts.principals:find(cluster.account_id, 1, true) then return "access.trust-account", facts end
  for _, field in ipairs { "label", "name" } do
    if ids[1] and ids[1] == organization[field] then
      facts.is = field
      return "access.external-id-label", facts
    end
  end
  if ids[1] and ids[1] ~= organization.id then return "access.external-id", facts end
  return "access.trust", facts
end

local function trust(cluster, organization, role)
  local verdict = policies.evaluate(M.assuming(cluster, organization, role.Arn, role.AssumeRolePolicyDocument))
  if verdict.verdict ~= "denied" then return nil end
  return { text = "the role cannot be assumed: " .. verdict.text, told = { trust_situation(cluster, organization, role, verdict) } }
end

-- Whether the role is known to have no policies of its own.
local function is_bare(context, name)
  local iam = context.session.iam
  local function none(operation, member)
    local answer = context:try({ AccessDenied = true, NoSuchEntity = true }, function() return operation { RoleName = name } end)
    return answer ~= nil and #(answer[member] or {}) == 0
  end
  return none(iam.list_attached_role_policies, "AttachedPolicies") and none(iam.list_role_policies, "PolicyNames")
end

-- May the role use the key?
local function use(context, cluster, role, key)
  local bare = is_bare(context, role.RoleName or role_name(role.Arn))
  local unseen = { "permissions boundary", table.unpack(M.UNSEEN) }
  if not bare then table.insert(unseen, "identity policies") end
  for _, action in ipairs(M.ACTIONS) do
    local verdict = policies.evaluate {
      principal = M.principal { arn = role.Arn, id = role.RoleId },
      action = action, resource = key.arn, resource_account = reach.id(key.arn), resource_kind = "key", resource_policy = key.policy,
      identity = bare and {} or nil, unseen = unseen,
    }
    if verdict.verdict == "denied" and revocation.of(key.policy) then
      local text = revocation.told(cluster, key.arn)
      return { text = text, told = { "cmek.revoked", { said = text } } }
    elseif verdict.verdict == "denied" then
      local text = ("the role may not %s with %s: %s"):format(action, key.arn, verdict.text)
      return { text = text, told = { "access.key-policy", { verdict = text } } }
    end
  end
end

-- The context in which a thing can be looked at; nil of an account that nothing leads to.
local function place_of(context, arn)
  return reach.leads(reach.account(context, arn)) and reach.context(context, arn) or nil
end

-- What is wrong with a key by itself; else the key.
local function key_fault(context, uri)
  local region = uri:match "^arn:[^:]*:kms:([^:]*):"
  local key = keys.find(context, region, uri)
  if not key then return { text = ("the key %s does not exist"):format(uri), told = { "access.key-missing", { key = uri } } } end
  if keys.works(key) then return nil, key end
  local situation = key.state:find "Deletion" and "access.key-pending-deletion" or "access.key-disabled"
  return { text = ("the key %s is %s"):format(key.arn, key.state), told = { situation, { key = key.arn, region = region, state = key.state } } }
end

-- What is wrong with one region's role and key, and when the newer of them was made. What nothing leads to is left out.
local function region_fault(context, cluster, organization, spec)
  local arn, uri = spec.key_spec.auth_principal, spec.key_spec.uri
  local with_role, with_key, fault, key = place_of(context, arn), place_of(context, uri), nil, nil
  local role = with_role and with_role.session.iam.find_role { RoleName = role_name(arn) }
  if with_role and not role then
    return { text = ("the role %s does not exist"):format(arn), told = { "access.role-missing", { role = arn } } }
  end
  if with_key then fault, key = key_fault(with_key, uri) end
  if fault then return fault end
  local youngest = math.max(role and time.epoch(role.CreateDate) or 0, key and time.epoch(key.metadata.CreationDate) or 0)
  if not role then return nil, youngest end
  return trust(cluster, organization, role) or key and key.policy and use(with_role, cluster, role, key) or nil, youngest
end

--- What is wrong with what can be seen, and when the newest of it was made.
---@param context engine.Context
---@param cluster table
---@param organization table
---@param specs table[]   region_specs
---@return string? fault    naming region, statement and field; nil when all that can be seen is right
---@return number newest    seconds since the epoch; 0 when nothing is known
---@return table? told       the situation that it is, and its facts
function M.fault(context, cluster, organization, specs)
  if context.spec then return nil, time.epoch(context.spec.document.written_at) or 0 end   -- AWS is not looked at
  local newest = context.changed_at or 0
  local faults = context.tasks.map(specs, function(spec)
    local fault, made = region_fault(context, cluster, organization, spec)
    newest = math.max(newest, made or 0)
    return fault and { text = ("%s: %s"):format(spec.region, fault.text), told = fault.told } or false
  end)
  for _, fault in ipairs(faults) do
    if fault then return fault.text, newest, fault.told end
  end
  return nil, newest
end

return M
