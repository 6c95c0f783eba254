--- IAM, API version 2010-05-08: roles, their trust, tags and policies.

local operations = require "aws.operations"

local M = {}

---@type table<string, aws.Operation>
local OPERATIONS <const> = {
  CreateRole = { result = { "Role" } }, GetRole = { safe = true, result = { "Role" } }, UpdateAssumeRolePolicy = { safe = true },
  UpdateRole = { safe = true }, TagRole = { safe = true }, UntagRole = { safe = true }, ListRoleTags = { list = "Tags" },
  ListRoles = { list = "Roles" }, PutRolePolicy = { safe = true }, GetRolePolicy = { safe = true }, DeleteRolePolicy = {},
  ListRolePolicies = { list = "PolicyNames" }, ListAttachedRolePolicies = { list = "AttachedPolicies" }, AttachRolePolicy = { safe = true },
  DetachRolePolicy = {}, ListInstanceProfilesForRole = { list = "InstanceProfiles" }, DeleteRole = {}, GetUser = { safe = true },
  SimulatePrincipalPolicy = { list = "EvaluationResults" }, PutRolePermissionsBoundary = { safe = true },
}

-- Policy documents come percent-encoded.
local function decode(role)
  if role and role.AssumeRolePolicyDocument then
    role.AssumeRolePolicyDocument = require("crypto").percent_decode(role.AssumeRolePolicyDocument)
  end
  return role
end

---@param caller aws.Caller
---@param region string   that the partition's IAM is signed for
function M.new(caller, region)
  local iam = operations.functions(caller, "iam", OPERATIONS, false, region)
  local get_role, create_role, get_role_policy = iam.get_role, iam.create_role, iam.get_role_policy

  function iam.get_role(parameters)
    local answer = get_role(parameters)
    decode(answer.Role)
    return answer
  end

  function iam.create_role(parameters)
    local answer = create_role(parameters)
    decode(answer.Role)
    return answer
  end

  function iam.get_role_policy(parameters)
    local answer = get_role_policy(parameters)
    answer.PolicyDocument = require("crypto").percent_decode(answer.PolicyDocument or "")
    return answer
  end

  --- A role; nil when there is none.
  ---@param want { RoleName: string }
  function iam.find_role(want)
    local ok, answer = pcall(iam.get_role, want)
    if ok then return answer.Role end
    if require("refusal").is(answer, "NoSuchEntity") then return nil end
    error(answer, 0)
  end

  return iam
end

return M
