--- The simulated IAM: SimulatePrincipalPolicy and SimulateCustomPolicy. They look at identity policies, boundary and service
--- control policies; a resource policy counts only for a CallerArn of a user, a trust policy never.
local auth = require("sim.auth")
local json = require("json")
local policy = require("policy")
local sorted = require("sorted")
local state = require("sim.state")
local wire = require("sim.wire")

local M = {}

local function context_of(entries)
  local context = {}
  for _, entry in ipairs(entries or {}) do
    local list = entry.ContextKeyValues
    context[entry.ContextKeyName] = entry.ContextKeyType:find("List$") and list or list[1]
  end
  return context
end

local decisions = { explicit_deny = "explicitDeny" }

local function matched(verdict)
  local list = json.array {}
  if verdict.statement then
    list[1] = { SourcePolicyId = verdict.statement.sid or "policy", SourcePolicyType = "IAM Policy" }
  end
  return list
end

-- Condition keys that the policies name and the caller did not give a value for.
local function missing_context(request)
  local found, list = {}, json.array {}
  for _, document in ipairs(request.identity) do
    local statements = document.Statement
    for _, statement in ipairs(statements.Effect and { statements } or statements) do
      for _, keys in sorted(statement.Condition or {}) do
        for key in sorted(keys) do found[key] = not request.context[key] and not key:lower():find "^aws:principal" or nil end
      end
    end
  end
  for key in sorted(found) do list[#list + 1] = key end
  return list
end

-- Whether the organization's policies, or the boundary, leave the action: asked of somebody who may do everything else.
local function left_by(request, field)
  return policy.evaluate {
    principal = request.principal, action = request.action, resource = request.resource, context = request.context,
    resource_account = request.resource_account, resource_kind = "resource",
    identity = { { Version = "2012-10-17", Statement = { Effect = "Allow", Action = "*", Resource = "*" } } }, [field] = request[field],
  }.verdict == "allowed"
end

local function one_result(request, action, resource)
  request.action, request.resource = action, resource
  local verdict = policy.evaluate(request)
  return {
    EvalActionName = action, EvalResourceName = resource, MissingContextValues = missing_context(request),
    EvalDecision = verdict.verdict == "allowed" and "allowed" or decisions[verdict.reason] or "implicitDeny",
    MatchedStatements = matched(verdict),
    OrganizationsDecisionDetail = request.service_control and { AllowedByOrganizations = left_by(request, "service_control") },
    PermissionsBoundaryDecisionDetail = request.boundary and { AllowedByPermissionsBoundary = left_by(request, "boundary") },
  }
end

local function results(iam, call, p, request)
  local list = {}
  for _, action in ipairs(p.ActionNames) do
    if not action:find("^[%w-]+:[%w*]+$") then wire.refuse("InvalidInput", ("Invalid Entity Arn or action: %s"):format(action), 400) end
    for _, resource in ipairs(p.ResourceArns or { "*" }) do list[#list + 1] = one_result(request, action, resource) end
  end
  local place = {}
  for index, result in ipairs(list) do place[result] = ("%06d"):format(index) end
  return iam.list(call, p, "EvaluationResults", list, function(result) return place[result] end)
end

-- Somebody of the caller's account by ARN: the thing, and how policies see him.
local function source_of(call, arn)
  for _, lists in ipairs { { "roles", "role" }, { "users", "user" } } do
    local iam = call.state.aws[call.caller.account].iam
    local thing = state.find(iam[lists[1]], "Arn", arn)
    if thing then
      return thing, { arn = arn, account = call.caller.account, kind = lists[2], unique_id = thing.RoleId or thing.UserId }
    end
  end
  wire.refuse("NoSuchEntity", ("The entity with ARN %s cannot be found."):format(arn), 404)
end

local function simulate_principal_policy(iam)
  return function(call, p)
    auth.authorize(call, { action = "iam:SimulatePrincipalPolicy", resource = p.PolicySourceArn })
    local thing, principal = source_of(call, p.PolicySourceArn)
    local by_user = p.CallerArn and p.CallerArn:find(":user/", 1, true)
    local identity = state.identity_policies(call.state, thing)
    for _, text in ipairs(p.PolicyInputList or {}) do identity[#identity + 1] = iam.document(text, "identity") end
    local boundary = thing.PermissionsBoundary and thing.PermissionsBoundary.PermissionsBoundaryArn
    return results(iam, call, p, {
      principal = principal, identity = identity, context = context_of(p.ContextEntries), resource_account = call.caller.account,
      resource_policy = by_user and p.ResourcePolicy or nil, resource_kind = "resource",
      boundary = boundary and state.managed_policy(call.state, boundary), service_control = auth.organization(call),
    })
  end
end

local function simulate_custom_policy(iam)
  return function(call, p)
    auth.authorize(call, { action = "iam:SimulateCustomPolicy", resource = "*" })
    local identity = {}
    for index, text in ipairs(p.PolicyInputList) do identity[index] = iam.document(text, "identity") end
    local account = call.caller.account
    return results(iam, call, p, {
      principal = { arn = ("arn:%s:iam::%s:user/simulated"):format(call.simulation.partition, account), account = account, kind = "user" },
      identity = identity, context = context_of(p.ContextEntries), resource_account = account, resource_kind = "resource",
    })
  end
end

--- The rows of these operations.
---@param iam table  sim.iam: its tools
function M.operations(iam)
  local text = { type = "string" }
  local texts = { type = "list", member = text }
  local entries = { type = "list", member = { type = "structure", members = {
    ContextKeyName = { type = "string", required = true }, ContextKeyType = { type = "string", required = true },
    ContextKeyValues = { type = "list", required = true, member = text } } } }
  local function parameters(own)
    own.ActionNames = { type = "list", required = true, min = 1, member = text }
    own.ResourceArns, own.ContextEntries, own.ResourcePolicy, own.ResourceOwner, own.CallerArn = texts, entries, text, text, text
    own.MaxItems, own.Marker = iam.rules.max_items, iam.rules.marker
    return own
  end
  return {
    SimulatePrincipalPolicy = { run = simulate_principal_policy(iam),
      parameters = parameters { PolicySourceArn = iam.rules.arn, PolicyInputList = texts } },
    SimulateCustomPolicy = { run = simulate_custom_policy(iam),
      parameters = parameters { PolicyInputList = { type = "list", required = true, min = 1, member = text } } },
  }
end

return M
