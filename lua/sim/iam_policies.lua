--- The simulated IAM: what is attached to a role, inline policies and managed ones.
local crypto = require("crypto")
local json = require("json")
local state = require("sim.state")
local wire = require("sim.wire")

local M = {}

local INLINE_LIMIT <const> = 10240   -- characters of all inline policies of a role, white space not counted
local ATTACHED_LIMIT <const> = 10

local function no_policy(name) wire.refuse("NoSuchEntity", ("The role policy with name %s cannot be found."):format(name), 404) end

local function put_role_policy(iam)
  return function(call, p)
    local role = iam.role(call, p)
    iam.modifiable(role)
    local document = iam.document(p.PolicyDocument, "identity")
    local _, index = state.find(role.Policies, "PolicyName", p.PolicyName)
    local total = iam.size(p.PolicyDocument)
    for place, inline in ipairs(role.Policies) do
      if place ~= index then total = total + iam.size(inline.PolicyDocument) end
    end
    if total > INLINE_LIMIT then
      wire.refuse("LimitExceeded", ("Maximum policy size of %d bytes exceeded for role %s"):format(INLINE_LIMIT, role.RoleName), 409)
    end
    role.Policies[index or #role.Policies + 1] = { PolicyName = p.PolicyName, PolicyDocument = p.PolicyDocument, _document = document }
  end
end

local function get_role_policy(iam)
  return function(call, p)
    local role = iam.role(call, p)
    local inline = state.find(role.Policies, "PolicyName", p.PolicyName) or no_policy(p.PolicyName)
    return { RoleName = role.RoleName, PolicyName = inline.PolicyName, PolicyDocument = crypto.percent_encode(inline.PolicyDocument) }
  end
end

local function delete_role_policy(iam)
  return function(call, p)
    local role = iam.role(call, p)
    iam.modifiable(role)
    local _, index = state.find(role.Policies, "PolicyName", p.PolicyName)
    if not index then no_policy(p.PolicyName) end
    table.remove(role.Policies, index)
  end
end

local function list_role_policies(iam)
  return function(call, p)
    local role = iam.role(call, p)
    local function name_of(inline) return inline.PolicyName end
    return iam.list(call, p, "PolicyNames", role.Policies, name_of, name_of)
  end
end

local function attach_role_policy(iam)
  return function(call, p)
    local role = iam.role(call, p)
    iam.modifiable(role)
    if not state.managed_policy(call.state, p.PolicyArn) then
      wire.refuse("NoSuchEntity", ("Policy %s does not exist or is not attachable."):format(p.PolicyArn), 404)
    end
    if state.find(role.AttachedPolicies, "PolicyArn", p.PolicyArn) then return end
    if #role.AttachedPolicies >= ATTACHED_LIMIT then
      wire.refuse("LimitExceeded", ("Cannot exceed quota for PoliciesPerRole: %d"):format(ATTACHED_LIMIT), 409)
    end
    table.insert(role.AttachedPolicies, { PolicyArn = p.PolicyArn, PolicyName = p.PolicyArn:match("([^/]+)$") })
  end
end

local function detach_role_policy(iam)
  return function(call, p)
    local role = iam.role(call, p)
    iam.modifiable(role)
    local _, index = state.find(role.AttachedPolicies, "PolicyArn", p.PolicyArn)
    if not index then wire.refuse("NoSuchEntity", ("Policy %s was not found."):format(p.PolicyArn), 404) end
    table.remove(role.AttachedPolicies, index)
  end
end

local function list_attached_role_policies(iam)
  return function(call, p)
    local role = iam.role(call, p)
    return iam.list(call, p, "AttachedPolicies", role.AttachedPolicies, function(one) return one.PolicyName end)
  end
end

local function list_instance_profiles_for_role(iam)
  return function(call, p)
    local role = iam.role(call, p)
    return iam.list(call, p, "InstanceProfiles", role.InstanceProfiles or json.array {}, function(one) return one.InstanceProfileName end)
  end
end

--- The rows of these operations.
---@param iam table  sim.iam: its tools
function M.operations(iam)
  local rules = iam.rules
  local role, list = { RoleName = rules.role_name }, { RoleName = rules.role_name, Marker = rules.marker, MaxItems = rules.max_items }
  local inline = { RoleName = rules.role_name, PolicyName = rules.policy_name }
  local attached = { RoleName = rules.role_name, PolicyArn = rules.arn }
  return {
    PutRolePolicy = { write = true, run = put_role_policy(iam),
      parameters = { RoleName = role.RoleName, PolicyName = rules.policy_name, PolicyDocument = rules.document } },
    GetRolePolicy = { run = get_role_policy(iam), parameters = inline },
    DeleteRolePolicy = { write = true, run = delete_role_policy(iam), parameters = inline },
    ListRolePolicies = { run = list_role_policies(iam), parameters = list },
    AttachRolePolicy = { write = true, run = attach_role_policy(iam), parameters = attached },
    DetachRolePolicy = { write = true, run = detach_role_policy(iam), parameters = attached },
    ListAttachedRolePolicies = { run = list_attached_role_policies(iam), parameters = list },
    ListInstanceProfilesForRole = { run = list_instance_profiles_for_role(iam), parameters = list },
  }
end

return M
