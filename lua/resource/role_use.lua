--- What a role needs of its own to use keys of another account: an inline policy that allows the five actions on them. In the account of a
-- key its policy alone suffices; across accounts both sides have to allow.
local failure = require "engine.failure"
local json = require "json"
local names = require "names"
local policies = require "policy"
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

--- Fills in what was left out.
---@param want { cluster: table, role: { name: string, arn: string }, keys: string[], account: engine.Account? }
function M.defaults(want)
  want.policy = M.document(table.move(want.keys, 1, #want.keys, 1, {}))
end

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
  for i, difference in ipairs(policies.differences(want.policy, have.document)) do
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

--- Puts the policy: twice is as good as once.
function M.create(context, want)
  context:write(function()
    return context.session.iam.put_role_policy { RoleName = want.role.name, PolicyName = names.USE_POLICY,
      PolicyDocument = policies.json(want.policy) }
  end)
  local have = context:poll {
    reason = ("waiting until IAM shows what the role %s may do"):format(want.role.name), bound = context.LAG,
    check = function()
      local seen = M.find(context, want)
      return seen and #M.differences(want, seen) == 0 and seen or nil
    end,
  }
  if have then return have end
  failure.raise { code = "not_ready", service = "iam", what = "setting the policy of role " .. want.role.name,
    message = ("IAM does not show it after %d s"):format(context.LAG) }
end

M.update = M.create

return M
