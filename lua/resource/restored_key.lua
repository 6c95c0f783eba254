--- A key that a cluster's role is let to again: cmek's own Deny is taken out of its policy. All else of the policy stays as it is found.
local access = require "engine.policy.access"
local failure = require "engine.failure"
local policies = require "policy"
local revocation = require "engine.policy.revocation"
local statement = require "policy.revocation"

local M = {}

M.kind = "restored_key"
M.way_back = "cmek run revoke"   -- destroy says so
M.own = true   -- verify: is it there, is nothing denied

M.checks = { { id = "restored_key.exists", severity = "high" }, { id = "restored_key.as_wanted", severity = "high" } }

local USE_SID <const> = require("policy.build").USE_SID

--- What it may call, by service.
M.actions = require("resource.actions").restored_key

---@param want { cluster: table, region: string, arn: string, roles: string[], elsewhere: string[]? }  roles: those that are let in again;
---  elsewhere: keys that are left to the accounts that they are of
function M.defaults() end

function M.name(want) return want.arn:match "[^/]+$" end
function M.region(want) return want.region end

-- What keeps a role from a key, by its policy and state, as far as that can be seen from here; nil when nothing does.
local function kept_from(context, want, have)
  if have.elsewhere then return ("it is left to account %s, as --elsewhere says"):format(have.elsewhere) end
  if have.gone then return "KMS has no such key (any more)" end
  if have.state ~= "Enabled" then return ("the key is %s"):format(have.state) end
  for _, role in ipairs(want.roles) do
    if not revocation.exists(context, role) then return ("the role %s does not exist (any more)"):format(role) end
    for _, action in ipairs(access.ACTIONS) do
      local verdict = policies.evaluate { principal = access.principal { arn = role }, action = action, resource = want.arn,
        resource_account = want.arn:match ":(%d+):key/", resource_kind = "key", resource_policy = statement.without(have.policy),
        unseen = { "identity policies", table.unpack(access.UNSEEN) }, unseen_context = { "*" } }
      if verdict.verdict == "denied" then return ("%s may not %s: %s"):format(role, action, verdict.text) end
    end
  end
end

--- The key and its policy; something with `refused` stands for one that is not ours to change. `kept`: what else keeps the role from it.
function M.find(context, want)
  local have = revocation.find(context, want)
  if not have.refused then have.kept = kept_from(context, want, have) end
  return have
end

--- Why the key is not touched; nil when its policy can be put, or has no Deny of cmek's.
---@return string? reason, string? check
function M.refusal(context, want, have)
  if have.refused then return have.refused, "unreadable" end
  if not have.statement then return nil end
  local orphan = policies.orphans(have.policy)[1]
  if orphan and orphan.statement == ("Statement[%s]"):format(USE_SID) then
    return ("the role of %s was deleted, and KMS takes no new policy while this one names it by its ID: cmek run console --cluster %s makes the "
      .. "role again and puts that right, and leaves the Deny; then run this again"):format(want.arn, require("quote")(want.cluster.name)), "role"
  end
  return revocation.unputtable(context, want, have.policy, statement.without(have.policy)), "policy"
end

--- The statement that it has and should not.
function M.differences(want, have)
  if have.refused then return { { check = "as_wanted", field = "key", have = have.refused, want = want.arn } } end
  if not have.statement then return {} end
  return { { check = "as_wanted", field = ("policy.Statement[%s]"):format(statement.SID),
    have = statement.words(have.statement) } }
end

--- What else keeps the cluster from it: that is not what a revocation did, so it stays as it is.
function M.warnings(want, have)
  if not have.kept then return {} end
  return { { check = "as_wanted", field = "key", text = ("without the revocation's Deny as well, the cluster cannot use %s: %s (cmek verify "
    .. "console --cluster %s tells more)"):format(want.arn, have.kept, require("quote")(want.cluster.name)) } }
end

function M.pending() return nil end

--- The rights that it takes.
---@return engine.Need[]
function M.needs(context, want, have) return revocation.needs(context, want, have) end

--- What the recipe gets.
function M.result(want) return { region = want.region, arn = want.arn, roles = want.roles, elsewhere = want.elsewhere,
  account = want.account } end

--- Takes the Deny out of what the policy has at that moment; what is left is held against that.
function M.update(context, want, have, step)
  step.arn = want.arn
  local what, before = ("letting the role to %s again"):format(want.arn), have.policy
  local policy = revocation.change(context, want, { what = what,
    done = function(policy) return statement.of(policy) == nil end,
    change = function(policy)
      before = policy
      return statement.without(policy)
    end,
  })
  if not policies.equal(policy, statement.without(before)) then
    failure.raise { code = "not_ready", service = "kms", region = want.region, what = what,
      message = "the Deny is gone, and the policy is not what it was beside it: somebody else changed it in the same moment",
      next = ("look at it: cmek verify console --cluster %s"):format(require("quote")(want.cluster.name)) }
  end
  have.arn = want.arn
  return have
end

return M
