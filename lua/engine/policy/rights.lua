--- May we do what the plan asks? IAM's own policy simulator is asked beforehand; where it does not say yes, the policies that can
--- be read are evaluated, with the key's own. What is denied for sure is refused before anything is made; what is not known is tried.
local documents = require "engine.policy.documents"
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
    PolicySourceArn = source, ActionNames = json.array(table.move(actions, 1, #actions, 1, {})), ResourceArns = json.array(resources),
  }.EvaluationResults or {}
  local decisions = {}
  for _, result in ipairs(results) do
    local organization = (result.OrganizationsDecisionDetail or {}).AllowedByOrganizations
    local sure = #(result.MissingContextValues or {}) == 0
    decisions[("%s %s"):format(result.EvalActionName, result.EvalResourceName or resources[1])] = {
      verdict = result.EvalDecision == "allowed" and "allowed" or sure and "denied" or "unknown",
      organization = tostring(organization) == "false" and sure,
    }
  end
  return decisions
end

-- What is asked about in every region of a cluster.
local function in_regions(identity, cluster, what)
  local partition, list = identity.arn:match "^arn:([^:]+)", {}
  for i, region in ipairs(cluster.regions or {}) do
    list[i] = ("arn:%s:kms:%s:%s:%s"):format(partition, region.name, identity.account, what)
  end
  return list
end

local function keys_of(identity, cluster) return in_regions(identity, cluster, "key/*") end

-- Resources that do not exist yet are asked about by the pattern that they will fit.
local function questions(identity, cluster, role)
  local keys, aliases = keys_of(identity, cluster), in_regions(identity, cluster, require("names").alias(cluster))
  local of_role = { "iam:CreateRole", "iam:TagRole", "iam:UpdateAssumeRolePolicy", "iam:PutRolePermissionsBoundary" }
  local list = { { { "kms:CreateKey" }, { "*" } }, { of_role, { role } } }
  if #keys > 0 then
    table.insert(list, { { "kms:TagResource", "kms:CreateAlias", "kms:EnableKeyRotation", "kms:ReplicateKey", "kms:PutKeyPolicy",
      "kms:GetParametersForImport", "kms:ImportKeyMaterial" }, keys })
    table.insert(list, { { "kms:CreateAlias" }, aliases })
    table.insert(list, { require("engine.policy.access").ACTIONS, keys })   -- what the organization leaves to those of this account
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

--- The same for what is there already: IAM's simulator knows nothing of a key's policy, so what can be read decides.
---@param context engine.Context
function M.foresee_existing(context)
  context:begin("rights", function() return { decisions = {} } end)
end

--- The same for the keys that a plan has found, of all regions together: also what the organization denies is told then.
---@param context engine.Context
---@param actions string[]
---@param arns string[]
function M.foresee_keys(context, actions, arns)
  context:begin("rights", function()
    local source = source_arn(context:identity())
    if not source then return { decisions = {} } end
    local ok, decisions = pcall(simulate, context, source, actions, arns)
    if ok then return { decisions = decisions } end
    if not refusal.is(decisions) then error(decisions, 0) end
    return { decisions = {}, refused = decisions }
  end)
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
  if blind and decision.verdict == "denied" and (decision.organization or not need.policy) then
    return ("%s is not allowed to do %s on %s (%s)"):format(context:identity().arn, need.action, need.resource,
      decision.organization and "a service control policy of the organization, by IAM's policy simulator" or "IAM's policy simulator")
  end
end

-- The plan ---------------------------------------------------------------------------------------------------------------

local function needs_of(engine)
  local list = {}
  for _, step in ipairs(engine.steps) do
    local making = (step.action == "create" or step.action == "change") and step.resource and not step.deletion
    local here = step.engine == nil or step.engine.context == engine.context   -- in another account each right is tried
    local needed = here and (making and step.resource.needs or step.action == "delete" and step.deletion.needs)
    for _, need in ipairs(needed and needed(engine.context, step.want, step.have) or {}) do
      need.step = step
      list[#list + 1] = need
    end
  end
  return list
end

-- Which situation a denial is that is known before anything is tried.
local function told(context, need, text)
  local id = text:find("service control policy", 1, true) and "aws.scp" or text:find("permissions boundary", 1, true) and "aws.boundary"
    or "aws.denied"
  return require("explain").tell(id, { action = need.action, who = context:identity().arn })
end

local function refuse(context, need, text)
  local step = need.step
  if step.action == "refuse" then return end
  step.action, step.irreversible, step.told = "refuse", nil, told(context, need, text)
  step.reason = text .. ": allow it, or use other credentials (--profile)"
end

-- The organization ---------------------------------------------------------------------------------------------------------

--- Starts asking what the organization's policies leave to a role that is there: IAM's simulator alone shows them to an account.
---@param context engine.Context
---@param cluster table
---@param role string  its ARN
function M.foresee_role(context, cluster, role)
  context:begin("organization of " .. role, function()
    local identity = context:identity()
    local ok, decisions = pcall(simulate, context, role, require("engine.policy.access").ACTIONS, keys_of(identity, cluster))
    if not ok and not refusal.is(decisions) then error(decisions, 0) end
    return ok and decisions or {}
  end)
end

-- What the organization takes from a role, and of whom that was asked; nil when nothing is known of it.
local function taken(engine, step)
  local context, role, lost = engine.context, step.have and step.have.arn, {}
  local own = role and context.reads["organization of " .. role]
  local decisions = own and context:once("organization of " .. role) or not role and context:once("rights").decisions or {}
  for name, decision in sorted(decisions) do
    local action, resource = name:match "^(kms:%a+) (arn:.*:key/.*)$"
    for _, use in ipairs(decision.organization and require("engine.policy.access").ACTIONS or {}) do
      if use == action then lost[#lost + 1] = ("%s on %s"):format(action, resource) end
    end
  end
  if #lost == 0 then return nil end
  return ("a service control policy of the organization, by IAM's policy simulator for %s, denies %s, which the role needs: those who "
    .. "administer the organization have to let these actions through"):format(role or context:identity().arn, table.concat(lost, ", "))
end

--- Refuses a role that an organization's policy keeps from using the keys.
---@param engine table
local function judge_organization(engine)
  if not engine.context.reads.rights or engine.mode == "destroy" then return end
  for _, step in ipairs(engine.steps) do
    local text = step.kind == "role" and step.action ~= "refuse" and taken(engine, step)
    if text then step.action, step.reason, step.irreversible = "refuse", text, nil end
  end
end

local WORST <const> = { ok = 1, unknown = 2, finding = 3 }

--- Refuses the steps that take a right which is denied for sure; lists what came of each right.
---@param engine table
function M.judge(engine)
  judge_organization(engine)
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
    if text then refuse(context, need, text) end
    if WORST[result] > WORST[results[need.action] or "ok"] or not results[need.action] then results[need.action] = result end
  end
  for action, result in sorted(results) do
    engine:checked_as { id = "rights." .. action, result = result }
    if result == "unknown" then untold[#untold + 1] = action end
  end
  if #untold > 0 and engine.mode ~= "destroy" then   -- where each right is tried one after the other, and what is left is found again
    local why = simulated.refused and (" (%s)"):format(refusal.line(simulated.refused)) or ""
    engine:checked_as { id = "rights", result = "unknown",
      text = ("whether these credentials may do %s is not known before it is tried%s"):format(table.concat(untold, ", "), why) }
  end
end

return M
