--- IAM, API version 2010-05-08: roles, their trust, tags and policies. One endpoint for all regions of a partition.

local operations = require "aws.operations"
local refusal = require "refusal"
local shape = require "shape"

local M = {}

-- What is used of the answers.
local TAG <const> = { ["Key!"] = "text", Value = "text" }
local DOCUMENT <const> = { ["PolicyDocument!"] = "text" }
local ROLE <const> = { ["Arn!"] = "text", RoleId = "text", ["AssumeRolePolicyDocument!"] = "text", Tags = shape.list(TAG),
  PermissionsBoundary = { PermissionsBoundaryArn = "text" } }

--- A write that is not `safe` is not known to be harmless when it is done twice.
---@type table<string, aws.Operation>
local OPERATIONS <const> = {
  GetRole = { safe = true, result = { ["Role!"] = ROLE } }, GetUser = { safe = true },
  GetRolePolicy = { safe = true, result = DOCUMENT }, GetUserPolicy = { safe = true, result = DOCUMENT },
  GetGroupPolicy = { safe = true, result = DOCUMENT }, GetPolicy = { safe = true, result = { ["Policy!"] = {} } },
  GetPolicyVersion = { safe = true, result = { ["PolicyVersion!"] = { ["Document!"] = "text" } } },
  ListUserPolicies = { list = "PolicyNames", of = "text" }, ListAttachedUserPolicies = { list = "AttachedPolicies" },
  ListGroupsForUser = { list = "Groups" }, ListGroupPolicies = { list = "PolicyNames", of = "text" },
  ListAttachedGroupPolicies = { list = "AttachedPolicies" }, ListRoles = { list = "Roles" }, ListRoleTags = { list = "Tags", of = TAG },
  ListRolePolicies = { list = "PolicyNames", of = "text" }, ListAttachedRolePolicies = { list = "AttachedPolicies" },
  ListInstanceProfilesForRole = { list = "InstanceProfiles" },
  SimulatePrincipalPolicy = { list = "EvaluationResults" }, SimulateCustomPolicy = { list = "EvaluationResults" },
  CreateRole = { result = { ["Role!"] = { Arn = "text" } } }, UpdateRole = {}, DeleteRole = {}, UpdateAssumeRolePolicy = { safe = true },
  TagRole = { safe = true }, UntagRole = {}, PutRolePolicy = { safe = true }, DeleteRolePolicy = {},
  AttachRolePolicy = {}, DetachRolePolicy = {}, PutRolePermissionsBoundary = {},
}

-- Policy documents come percent-encoded, numbers as texts.
local function decode(role)
  if role.AssumeRolePolicyDocument then
    role.AssumeRolePolicyDocument = require("crypto").percent_decode(role.AssumeRolePolicyDocument)
  end
  role.MaxSessionDuration = math.tointeger(tonumber(role.MaxSessionDuration))
  return role
end

--- The operations as functions, each under its name in snake_case, with parameters and answers as the API names them;
--- lists are whole.
---@param caller aws.Caller
---@return table<string, fun(parameters: table?): table>
function M.new(caller)
  local iam = operations.functions(caller, "iam", OPERATIONS, false)
  local get_role, create_role, list_roles, get_policy_version = iam.get_role, iam.create_role, iam.list_roles, iam.get_policy_version

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

  function iam.list_roles(parameters)
    local answer = list_roles(parameters)
    for _, role in ipairs(answer.Roles) do decode(role) end
    return answer
  end

  for _, name in ipairs { "get_role_policy", "get_user_policy", "get_group_policy" } do
    local call = iam[name]
    iam[name] = function(parameters)
      local answer = call(parameters)
      answer.PolicyDocument = require("crypto").percent_decode(answer.PolicyDocument)
      return answer
    end
  end

  function iam.get_policy_version(parameters)
    local answer = get_policy_version(parameters)
    answer.PolicyVersion.Document = require("crypto").percent_decode(answer.PolicyVersion.Document)
    return answer
  end

  --- A role; nil when there is none.
  ---@param want { RoleName: string }
  ---@return table?
  function iam.find_role(want)
    local ok, answer = pcall(iam.get_role, want)
    if ok then return answer.Role end
    if refusal.is(answer, "NoSuchEntity") then return nil end
    error(answer, 0)
  end

  return iam
end

return M
