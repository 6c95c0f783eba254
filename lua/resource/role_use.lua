--- What a role needs of its own to use keys of another account: an inline policy that allows the five actions on them. In the account of a
--- key its policy alone suffices; across accounts both sides have to allow. Keys are added to it and none is taken out, since data and backups
--- need the earlier ones.
local failure = require "engine.failure"
local json = require "json"
local names = require "names"
local policies = require "policy"
local reach = require "engine.account.reach"
local unknown = require "unknown"

local M = {}

M.kind = "role_use"

--- What it may call, by service.
M.actions = require("resource.actions").role_use

--- The checks of verify, in order.
M.checks = {
  { id = "role_use.exists", severity = "high", text = "a role that uses keys of another account has a policy of its own that allows it" },
  { id = "role_use.policy", severity = "high", text = "and that is as wanted: the five actions, on these keys" },
}

local SID <const> = "Use of the keys of other accounts for CMEK"

--- The policy that a role needs for keys of other accounts.
---@param arns any[]  of the keys
---@return table document
function M.document(arns)
  local actions = require("policy.build").USE_ACTIONS
  return { Version = "2012-10-17", Statement = json.array { { Sid = SID:gsub("%W", ""), Effect = "Allow",
    Action = json.array(table.move(actions, 1, #actions, 1, {})), Resource = json.array(arns) } } }
end

local KEY <const> = "^arn:[%w-]+:kms:[%w-]+:%d+:key/[%w-]+$"

-- The keys of other accounts that the cluster has used with the role, by the Cloud's word; none where it does not say.
local function past(context, want)
  local ok, info = pcall(context.cmek, context, want.cluster)
  local list, own = {}, reach.id(want.role.arn)
  for _, region in ipairs(ok and info.region_infos or {}) do
    for _, key in ipairs(region.key_infos or {}) do
      local spec = key.spec or {}
      if own and spec.auth_principal == want.role.arn and reach.id(spec.uri) ~= own then list[#list + 1] = spec.uri end
    end
  end
  return list
end

-- Lists after each other, each key once.
local function together(...)
  local list, seen = {}, {}
  for _, some in ipairs { ... } do
    for _, arn in ipairs(some) do
      local text = unknown.text(arn)
      if not seen[text] then list[#list + 1] = text end
      seen[text] = true
    end
  end
  return list
end

--- Fills in what was left out.
---@param want { cluster: table, role: { name: string, arn: string }, keys: string[], account: engine.Account? }
---@param context engine.Context
function M.defaults(want, context)
  want.keys = together(want.keys, past(context, want))
end

-- The keys that a policy names by their ARNs.
local function named(document)
  local list, statements = {}, (policies.parse(document) or {}).Statement or {}
  for _, statement in ipairs(statements.Effect and { statements } or statements) do
    for _, arn in ipairs(type(statement.Resource) == "table" and statement.Resource or { statement.Resource }) do
      if statement.Effect == "Allow" and tostring(arn):find(KEY) then list[#list + 1] = arn end
    end
  end
  return list
end

--- The keys of other accounts that a role may use by cmek's own policy.
---@param context engine.Context
---@param role string  its name
---@return string[]  ARNs; none where it has no such policy, or that may not be read
function M.keys(context, role)
  local answer = context:try({ NoSuchEntity = true, AccessDenied = true }, function()
    return context.session.iam.get_role_policy { RoleName = role, PolicyName = names.USE_POLICY }
  end)
  return answer and named(answer.PolicyDocument) or {}
end

-- The policy that is wanted: what is there is kept.
local function wanted(want, have) return M.document(together(have and named(have.document) or {}, want.keys)) end

function M.name(want) return ("%s/%s"):format(want.role.name, names.USE_POLICY) end
function M.region() return nil end
function M.foresee() end

--- The policy as IAM shows it; nil when there is none, or no such role yet.
---@param context engine.Context
---@param want table
---@return { document: string }?
function M.find(context, want)
  local answer = context:try({ NoSuchEntity = true }, function()
    return context.session.iam.get_role_policy { RoleName = want.role.name, PolicyName = names.USE_POLICY }
  end)
  return answer and { document = answer.PolicyDocument } or nil
end

function M.refusal() return nil end

function M.differences(want, have)
  local list = {}
  for i, difference in ipairs(policies.differences(wanted(want, have), have.document)) do
    list[i] = { check = "policy", field = "policy." .. difference.field, have = difference.have, want = difference.want }
  end
  return list
end

function M.warnings() return {} end
function M.pending() return nil end

--- The right that it takes.
---@return engine.Need[]
function M.needs(_, want)
  return not unknown.has(want.role.arn) and { { action = "iam:PutRolePolicy", resource = want.role.arn } } or {}
end

--- What the recipe gets.
function M.result(want) return { name = M.name(want) } end

-- Puts the policy beside what it names by now: twice is as good as once.
local function put(context, want)
  local document = policies.json(wanted(want, M.find(context, want)))
  context:try({ uncertain = true }, function()
    return context:write(function()
      return context.session.iam.put_role_policy { RoleName = want.role.name, PolicyName = names.USE_POLICY, PolicyDocument = document }
    end)
  end)
end

local AGAIN <const> = 20   -- seconds without seeing it after which it is put again: somebody else may have put another one at the same time

--- Puts the policy until IAM shows the keys in it.
function M.create(context, want)
  local put_at
  local have = context:poll {
    reason = ("waiting until IAM shows what the role %s may do"):format(want.role.name), bound = context.LAG,
    check = function()
      local seen = M.find(context, want)
      if seen and #M.differences(want, seen) == 0 then return seen end
      if put_at and context.clock.now() - put_at < AGAIN then return nil end
      put(context, want)
      put_at = context.clock.now()
      seen = M.find(context, want)
      return seen and #M.differences(want, seen) == 0 and seen or nil
    end,
  }
  if have then return have end
  failure.raise { code = "not_ready", service = "iam", what = "setting the policy of role " .. want.role.name,
    message = ("IAM does not show it after %d s"):format(context.LAG) }
end

M.update = M.create

return M
