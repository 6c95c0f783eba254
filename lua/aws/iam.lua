--- IAM, API version 2010-05-08: roles, their trust, tags and policies. One endpoint for all regions of a partition.

local operations = require "aws.operations"
local refusal = require "refusal"
local shape = require "shape"

local M = {}

-- Policy documents come percent-encoded, numbers as texts.
local function decoded(document) return require("crypto").percent_decode(document) end

local function decode(role)
  if role.AssumeRolePolicyDocument then role.AssumeRolePolicyDocument = decoded(role.AssumeRolePolicyDocument) end
  role.MaxSessionDuration = math.tointeger(tonumber(role.MaxSessionDuration))
end

local function with_role(answer)
  decode(answer.Role)
  return answer
end

local function with_roles(answer)
  for _, role in ipairs(answer.Roles) do decode(role) end
  return answer
end

local function with_document(answer)
  answer.PolicyDocument = decoded(answer.PolicyDocument)
  return answer
end

local function with_version(answer)
  answer.PolicyVersion.Document = decoded(answer.PolicyVersion.Document)
  return answer
end

-- What is used of the answers.
local TAG <const> = { ["Key!"] = "text", Value = "text" }
local DOCUMENT <const> = { ["PolicyDocument!"] = "text" }
local ROLE <const> = { ["Arn!"] = "text", RoleId = "text", ["AssumeRolePolicyDocument!"] = "text", Tags = shape.list(TAG),
  PermissionsBoundary = { PermissionsBoundaryArn = "text" } }

--- A write that is not `safe` is not known to be harmless when it is done twice.
---@type table<string, aws.Operation>
local OPERATIONS <const> = {
  GetRole = { safe = true, result = { ["Role!"] = ROLE }, after = with_role }, GetUser = { safe = true },
  GetRolePolicy = { safe = true, result = DOCUMENT, after = with_document },
  GetUserPolicy = { safe = true, result = DOCUMENT, after = with_document },
  GetGroupPolicy = { safe = true, result = DOCUMENT, after = with_document },
  GetPolicy = { safe = true, result = { ["Policy!"] = {} } },
  GetPolicyVersion = { safe = true, result = { ["PolicyVersion!"] = { ["Document!"] = "text" } }, after = with_version },
  ListUserPolicies = { list = "PolicyNames", of = "text" }, ListAttachedUserPolicies = { list = "AttachedPolicies" },
  ListGroupsForUser = { list = "Groups" }, ListGroupPolicies = { list = "PolicyNames", of = "text" },
  ListAttachedGroupPolicies = { list = "AttachedPolicies" }, ListRoles = { list = "Roles", after = with_roles },
  ListRoleTags = { list = "Tags", of = TAG }, ListRolePolicies = { list = "PolicyNames", of = "text" },
  ListAttachedRolePolicies = { list = "AttachedPolicies" }, ListInstanceProfilesForRole = { list = "InstanceProfiles" },
  SimulatePrincipalPolicy = { list = "EvaluationResults" }, SimulateCustomPolicy = { list = "EvaluationResults" },
  CreateRole = { result = { ["Role!"] = { Arn = "text" } }, after = with_role }, UpdateRole = {}, DeleteRole = {},
  UpdateAssumeRolePolicy = { safe = true }, TagRole = { safe = true }, UntagRole = {}, PutRolePolicy = { safe = true },
  DeleteRolePolicy = {}, AttachRolePolicy = {}, DetachRolePolicy = {}, PutRolePermissionsBoundary = {},
}

M.OPERATIONS = OPERATIONS

--- The operations as functions, each under its name in snake_case, with parameters and answers as the API names them;
--- lists are whole.
---@param caller aws.Caller
---@return table<string, fun(parameters: table|string?): table>
function M.new(caller)
  local iam = operations.functions(caller, "iam", OPERATIONS, false)

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
