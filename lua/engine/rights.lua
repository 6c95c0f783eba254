--- May we do what the plan asks? IAM's own policy simulator is asked beforehand; where it does not say yes, the policies that can
--- be read are evaluated, with the key's own. What is denied for sure is refused before anything is made; what is not known is tried.
local documents = require "engine.documents"
local json = require "json"
local policies = require "policy"
local refusal = require "refusal"
local sorted = require "sorted"

local M = {}

--- What it may call, by service.
M.actions = { iam = { "SimulatePrincipalPolicy", "GetUser", "GetRole", "GetPolicy", "GetPolicyVersion", "ListUserPolicies", "GetUserPolicy",
  "ListAttachedUserPolicies", "ListGroupsForUser", "ListGroupPolicies", "GetGroupPolicy", "ListAttachedGroupPolicies", "ListRolePolicies",
  "GetRolePolicy", "ListAttachedRolePolicies" } }

---@class engine.Need  a right that a step takes
---@field action string
---@field resource string    ARN, or "*"
---@field policy any         of a key: its policy as it will be found; nil where identity policies alone decide
---@field region string?

local EVERYTHING <const> = { { Version = "2012-10-17", Statement = { Effect = "Allow", Action = "*", Resource = "*" } } }

-- IAM's policy simulator -------------------------------------------------------------------------------------------------

-- The ARN whose policies are simulated; nil for the account's root user, who needs none.
local function source_arn(identity)
  local partition, account, role = identity.arn:match "^arn:([^:]+):sts::(%d+):assumed%-role/([^/]+)/"
  if role then return ("arn:%s:iam::%s:role/%s"):format(partition, account, role) end
  return identity.arn:find ":user/" and identity.arn or nil
end

-- One question: actions that are asked about the same kind of resource. Results by "action resource".
local function simulate(context, source, actions, resources)
  local results = context.session.iam.simulate_principal_policy {
    PolicySourceArn = source, ActionNames = json.array(actions), ResourceArns = json.array(resources),
  }.EvaluationResults or {}
  local decisions = {}
  for _, result in ipairs(results) do
    local organization = (result.OrganizationsDecisionDetail or {}).AllowedByOrganizations
    local sure = #(result.MissingContextValues or {}) == 0
    decisions[("%s %s"):format(result.EvalActionName, result.EvalResourceName or resources[1])] = {
      verdict = result.EvalDecision == "allowed" and "allowed" or sure and "denied" or "unknown",
      organization = tostring(organization) == "false",
    }
  end
  return decisions
end

-- Resources that do not exist yet are asked about by the pattern that they will fit.
local function questions(identity, cluster, role)
  local partition, keys, aliases = identity.arn:match "^arn:([^:]+)", {}, {}
  for i, region in ipairs(cluster.regions or {}) do
    local place = ("arn:%s:kms:%s:%s:"):format(partition, region.name, identity.account)
    keys[i], aliases[i] = place .. "key/*", place .. require("names").alias(cluster)
  end
  local list = { { { "kms:CreateKey" }, { "*" } }, { { "iam:CreateRole", "iam:TagRole", "iam:UpdateAssumeRolePolicy" }, { role } } }
  if #keys > 0 then
    table.insert(list, { { "kms:TagResource", "kms:CreateAlias", "kms:EnableKeyRotation" }, keys })
    table.insert(list, { { "kms:CreateAlias" }, aliases })
  end
  return list
end

-- All answers together, and why there are none.
local function ask_simulator(context, cluster, role)
  local identity = context:identity()
  local source, together, refused = source_arn(identity), {}, nil
  if not source then return { decisions = together } end
  local answers = context.tasks.map(questions(identity, cluster, role), function(question)
    local ok, decisions = pcall(simulate, context, source, question[1], question[2])
    if ok then return decisions end
    if not refusal.is(decisions) then error(decisions, 0) end
    refused = refused or decisions
    return {}
  end)
  for _, decisions in ipairs(answers) do
    for name, decision in pairs(decisions) do together[name] = decision end   -- order cannot be seen
  end
  return { decisions = together, refused = refused }
end

--- Starts asking, so that the answers are there when the plan is.
---@param context engine.Context
---@param cluster table
---@param role string  its ARN, as it will be
function M.foresee(context, cluster, role)
  context:begin("rights", function() return ask_simulator(context, cluster, role) end)
end

-- The policies -----------------------------------------------------------------------------------------------------------

-- A session's ARN does not tell its role's path: a policy may name the role under any.
local function may_name_role(identity, found, policy)
  local role = not found.arn and identity.arn:match ":assumed%-role/([^/]+)/"
  return role and policy and policies.json(policy):find("/" .. role .. '"', 1, true) ~= nil
end

local function evaluate(context, need, found, identity_documents)
  local identity = context:identity()
  local unseen = { "service control policies", table.unpack(found.unread) }
  return policies.evaluate {
    principal = { arn = identity.arn, account = identity.account, unique_id = identity.user_id, role_arn = found.arn },
    action = need.action, resource = need.resource, resource_account = identity.account, resource_kind = need.policy and "key" or "resource",
    resource_policy = need.policy, identity = identity_documents, boundary = found.boundary, unseen = unseen,
    context = { ["aws:RequestedRegion"] = need.region, ["aws:SecureTransport"] = "true" }, unseen_context = { "*" },
  }
end

-- The verdict's sentence, with the policies' own names.
local function sentence(verdict, found)
  local text = verdict.text:gsub("identity policy (%d+)", function(number)
    local entry = found.identity[math.tointeger(tonumber(number))]
    return entry and ("the policy '%s'"):format(entry.name)
  end)
  if #found.identity == 1 then text = text:gsub("identity policy, statement", function()
    return ("the policy '%s', statement"):format(found.identity[1].name)
  end) end
  return (text:gsub("permissions boundary, statement", ("permissions boundary %s, statement"):format(found.boundary_arn or "")))
end

-- What is said for sure against a need; nil when nothing is. `read` gives the policies, which are read when they are needed.
local function denied(context, need, decision, read)
  if decision and decision.verdict == "allowed" and not need.policy then return nil end
  local allowed = decision and decision.verdict == "allowed"
  local found = allowed and { identity = {}, unread = {} } or read()
  if not found then return nil end   -- the account's root user
  if may_name_role(context:identity(), found, need.policy) then return nil end
  local list = {}
  for i, entry in ipairs(found.identity) do list[i] = entry.document end
  local verdict = evaluate(context, need, found, allowed and EVERYTHING or list)
  if verdict.verdict == "denied" then return sentence(verdict, found) end
  local blind = decision and (decision.organization or #found.unread > 0)   -- else what was read tells more than the simulator
  if blind and decision.verdict == "denied" and not need.policy then
    return ("%s is not allowed to do %s on %s (%s)"):format(context:identity().arn, need.action, need.resource,
      decision.organization and "a service control policy of the organization, by IAM's policy simulator" or "IAM's policy simulator")
  end
end

-- The plan ---------------------------------------------------------------------------------------------------------------

local function needs_of(engine)
  local list = {}
  for _, step in ipairs(engine.steps) do
    local needed = (step.action == "create" or step.action == "change") and step.resource and step.resource.needs
    for _, need in ipairs(needed and needed(engine.context, step.want, step.have) or {}) do
      need.step = step
      list[#list + 1] = need
    end
  end
  return list
end

local function refuse(step, text)
  if step.action == "refuse" then return end
  step.action, step.irreversible = "refuse", nil
  step.reason = text .. ": allow it, or use other credentials (--profile)"
end

local WORST <const> = { ok = 1, unknown = 2, finding = 3 }

--- Refuses the steps that take a right which is denied for sure; lists what came of each right.
---@param engine table
function M.judge(engine)
  local context, needs = engine.context, needs_of(engine)
  if #needs == 0 or not context.reads.rights then return end
  local simulated = context:once "rights"
  local function read()
    return context:once("documents", function() return documents.of(context, context:identity().arn) or false end)
  end
  local results, untold = {}, {}
  for _, need in ipairs(needs) do
    local decision = simulated.decisions[("%s %s"):format(need.action, need.resource)]
    local text = denied(context, need, decision, read)
    local known = decision and decision.verdict == "allowed" or not source_arn(context:identity())
    local result = text and "finding" or known and "ok" or "unknown"
    if text then refuse(need.step, text) end
    if WORST[result] > WORST[results[need.action] or "ok"] or not results[need.action] then results[need.action] = result end
  end
  for action, result in sorted(results) do
    engine:checked_as { id = "rights." .. action, result = result }
    if result == "unknown" then untold[#untold + 1] = action end
  end
  if #untold > 0 then
    local why = simulated.refused and (" (%s)"):format(refusal.line(simulated.refused)) or ""
    engine:checked_as { id = "rights", result = "unknown",
      text = ("whether these credentials may do %s is not known before it is tried%s"):format(table.concat(untold, ", "), why) }
  end
end

return M
