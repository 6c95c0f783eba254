--- The simulated IAM: reading what is attached to users, and managed policies with their one version. There are no groups.
local crypto = require("crypto")
local json = require("json")
local auth = require("sim.auth")
local state = require("sim.state")
local wire = require("sim.wire")

local M = {}

local VERSION <const> = "v1"

local function none(what, name) wire.refuse("NoSuchEntity", ("The %s with name %s cannot be found."):format(what, name), 404) end

-- The user that the call names, once the caller may do the action on him.
local function user_of(iam, call, p)
  local user = state.find_name(iam.account(call).iam.users, "UserName", p.UserName)
  local arn = ("arn:%s:iam::%s:user/%s"):format(call.simulation.partition, call.caller.account, p.UserName)
  auth.authorize(call, { action = "iam:" .. call.operation, resource = user and user.Arn or arn })
  return user or none("user", p.UserName)
end

local function list_user_policies(iam)
  return function(call, p)
    local function name_of(inline) return inline.PolicyName end
    return iam.list(call, p, "PolicyNames", user_of(iam, call, p).Policies or {}, name_of, name_of)
  end
end

local function get_user_policy(iam)
  return function(call, p)
    local user = user_of(iam, call, p)
    local inline = state.find(user.Policies or {}, "PolicyName", p.PolicyName) or none("user policy", p.PolicyName)
    return { UserName = user.UserName, PolicyName = inline.PolicyName, PolicyDocument = crypto.percent_encode(inline.PolicyDocument) }
  end
end

local function list_attached_user_policies(iam)
  return function(call, p)
    local list = json.array {}
    for index, one in ipairs(user_of(iam, call, p).AttachedPolicies or {}) do
      list[index] = { PolicyArn = one.PolicyArn, PolicyName = one.PolicyArn:match("([^/]+)$") }
    end
    return iam.list(call, p, "AttachedPolicies", list, function(one) return one.PolicyName end)
  end
end

local function list_groups_for_user(iam)
  return function(call, p)
    user_of(iam, call, p)
    return iam.list(call, p, "Groups", json.array {}, tostring)
  end
end

-- A managed policy, once the caller may do the action on it.
local function managed(call, p)
  auth.authorize(call, { action = "iam:" .. call.operation, resource = p.PolicyArn })
  return state.managed_policy(call.state, p.PolicyArn) or wire.refuse("NoSuchEntity", ("Policy %s was not found."):format(p.PolicyArn), 404)
end

local function get_policy(call, p)
  managed(call, p)
  return { Policy = { PolicyName = p.PolicyArn:match("([^/]+)$"), Arn = p.PolicyArn, DefaultVersionId = VERSION, Path = "/", IsAttachable = true } }
end

local function get_policy_version(call, p)
  local document = managed(call, p)
  if p.VersionId ~= VERSION then wire.refuse("NoSuchEntity", ("Policy %s version %s does not exist."):format(p.PolicyArn, p.VersionId), 404) end
  return { PolicyVersion = { Document = crypto.percent_encode(json.encode(document)), VersionId = VERSION, IsDefaultVersion = true } }
end

--- The rows of these operations.
---@param iam table  sim.iam: its tools
function M.operations(iam)
  local rules = iam.rules
  local user = { type = "string", required = true, min = 1, max = 64, pattern = { "[\\w+=,.@-]+", "^[%w_+=,.@-]+$" } }
  local list = { UserName = user, Marker = rules.marker, MaxItems = rules.max_items }
  return {
    ListUserPolicies = { run = list_user_policies(iam), parameters = list },
    GetUserPolicy = { run = get_user_policy(iam), parameters = { UserName = user, PolicyName = rules.policy_name } },
    ListAttachedUserPolicies = { run = list_attached_user_policies(iam), parameters = list },
    ListGroupsForUser = { run = list_groups_for_user(iam), parameters = list },
    GetPolicy = { run = get_policy, parameters = { PolicyArn = rules.arn } },
    GetPolicyVersion = { run = get_policy_version,
      parameters = { PolicyArn = rules.arn, VersionId = { type = "string", required = true, pattern = { "v[1-9][0-9]*", "^v[1-9]%d*" } } } },
  }
end

return M
