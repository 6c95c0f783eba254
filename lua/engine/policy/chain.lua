--- What hangs on role and keys together, for verify: whether the organization and a permissions boundary leave the role what it
--- needs, whether CockroachDB may assume it, and whether it may use each key.
local access = require "engine.policy.access"
local boundaries = require "engine.policy.boundary"
local documents = require "engine.policy.documents"
local json = require "json"
local mend = require "engine.mend"
local names = require "names"
local policies = require "policy"
local reach = require "engine.account.reach"
local refusal = require "refusal"

local M = {}

local EVERYTHING <const> = { { Version = "2012-10-17", Statement = { Effect = "Allow", Action = "*", Resource = "*" } } }

-- A finding, or what cannot be said, from a verdict; ok without one.
local function tell(list, id, verdict, fields)
  if not verdict then return list:ok(id, fields.text_ok) end
  if verdict.verdict == "unknown" then return list:unknown(id, verdict.text) end
  list:finding(id, { field = fields.field, have = verdict.text, want = "allowed", text = fields.text, mend = fields.mend })
end

-- The role ---------------------------------------------------------------------------------------------------------------

local function boundary(engine, role, haves)
  local list, arn = role.list, role.have.boundary
  if not list:sound "role.boundary" then return end   -- it is not the wanted one
  if not arn then return list:ok "role.boundary" end
  local document, refused = documents.managed(engine.context, arn)
  if not document then return list:unknown("role.boundary", refused) end
  role.boundary_document = document
  local verdict = boundaries.doubt(role.have, document, haves)
  tell(list, "role.boundary", verdict, { field = "PermissionsBoundary", text_ok = arn .. " leaves the role what it needs",
    text = ("the permissions boundary %s takes from the role what the keys' policies give it"):format(arn),
    mend = mend.aws(engine, "iam", "delete-role-permissions-boundary", "--role-name", role.want.name) })
end

-- What the organization's policies leave, as IAM's own simulator tells it: nothing else shows them to an account.
local function organization(engine, role, haves)
  if #haves == 0 then return end
  local arns = {}
  for i, key in ipairs(haves) do arns[i] = key.arn end
  local ok, answer = pcall(engine.session.iam.simulate_principal_policy, {
    PolicySourceArn = role.have.arn, ActionNames = json.array(table.move(access.ACTIONS, 1, #access.ACTIONS, 1, {})), ResourceArns = json.array(arns),
  })
  if not ok and not refusal.is(answer) then error(answer, 0) end
  if not ok then
    role.unseen = "service control policies"
    return
  end
  local denied = {}
  for _, result in ipairs(answer.EvaluationResults or {}) do
    local detail = result.OrganizationsDecisionDetail
    if detail and tostring(detail.AllowedByOrganizations) == "false" then
      denied[#denied + 1] = ("%s on %s"):format(result.EvalActionName, result.EvalResourceName or "*")
    end
  end
  if #denied == 0 then return role.list:ok "role.organization" end
  role.list:finding("role.organization", { field = "service control policies", have = "denied: " .. table.concat(denied, ", "), want = "allowed",
    text = "a service control policy of the organization takes from the role what the keys' policies give it: those who administer the organization "
      .. "have to let these actions through" })
end

-- May CockroachDB assume it, by its trust policy?
local function assume(engine, cluster, role)
  local list, org = role.list, engine.organization
  if not list:sound("role.trust", "role.trust.principal", "role.trust.action", "role.trust.external_id") then return end
  if not org or type(org.id) ~= "string" then return end   -- told of the organization
  local request = access.assuming(cluster, org, role.have.arn, role.have.trust)
  request.identity, request.unseen, request.unseen_context = EVERYTHING, nil, { "*" }
  local verdict = policies.evaluate(request)
  local statement = verdict.verdict == "denied" and verdict.statement and policies.parse(role.have.trust).Statement[verdict.statement.index]
  tell(list, "role.access", verdict.verdict ~= "allowed" and verdict or nil, { field = "trust", text = "CockroachDB cannot assume the role",
    mend = statement and statement.Effect == "Deny" and mend.trust(engine, { name = role.want.name, trust = role.have.trust }, statement) or nil })
end

-- The keys ---------------------------------------------------------------------------------------------------------------

local function use(engine, role, key)
  local list, have = key.list, key.have
  if not list:sound("key.state", "key.spec", "key.policy", "key.policy.use", "key.revoked") then return end
  if not role.list:sound("role.boundary", "role.organization", "role.permissions") then return end
  local own = (engine.uses or {})[role.have.arn]   -- what the role may do of itself with keys of other accounts
  local uses = own and { own } or nil
  if not own and have.arn:match ":(%d+):key/" ~= role.have.arn:match "::(%d+):role/" then return end   -- told of the role's own policy
  local verdict = boundaries.first_doubt(role.have, { have }, function()
    return { resource_policy = have.policy, boundary = role.boundary_document, identity = uses }
  end)
  local statement = verdict and verdict.statement and policies.parse(have.policy).Statement[verdict.statement.index]
  tell(list, "key.access", verdict, { field = "policy", text = "CockroachDB cannot use the key",
    text_ok = "not seen from here: resource control policies" .. (role.unseen and ", " .. role.unseen or ""),
    mend = statement and statement.Effect == "Deny" and mend.key_policy(engine, have, statement) or nil })
end

-- Permissions of a role that uses keys of another account are not to be taken from it before cmek's own policy is there.
local function mind_permissions(engine, role, keys)
  local across, own = false, (engine.uses or {})[role.have.arn] ~= nil
  for _, key in ipairs(keys) do across = across or type(key.arn) == "string" and reach.id(key.arn) ~= reach.id(role.have.arn) end
  for _, finding in ipairs(across and engine.findings or {}) do
    if finding.id == "role.permissions" and finding.object == role.want.name then
      finding.text = ("the role uses keys of another account, for which it needs %s and nothing else"):format(names.USE_POLICY)
      if not own then finding.mend, finding.text = nil, finding.text .. "; as long as that is not there, this may be what lets it" end
    end
  end
end

--- The checks of a role and its keys, as they were handed over.
---@param engine table
---@param handover { cluster: table, role: table, keys: table[] }
function M.inspect(engine, handover)
  local role, found, haves, seen = engine.inspections[handover.role], {}, {}, {}
  if not (role and role.have) then return end
  mind_permissions(engine, role, handover.keys)
  engine = role.list.engine   -- of the role's account
  for _, key in ipairs(handover.keys) do
    local inspection = engine.inspections[key] or engine.inspections[key.key]
    local again = inspection and seen[inspection]   -- a key that serves several regions
    if inspection then seen[inspection] = true end
    if not again and inspection and inspection.have and inspection.have.policy then
      found[#found + 1], haves[#haves + 1] = inspection, inspection.have
    end
  end
  boundary(engine, role, haves)
  organization(engine, role, haves)
  assume(engine, handover.cluster, role)
  for _, key in ipairs(found) do use(engine, role, key) end
end

return M
