--- Changing a key's policy by one statement of cmek's: the Deny of a revocation is put and taken away, all else stays as it is found a
--- moment before. A policy is read anew before each put; what KMS shows afterwards decides, not what it answered.
local every_key = require "engine.key.every_key"
local failure = require "engine.failure"
local guard = require "engine.policy.guard"
local named = require "engine.cluster.named"
local policies = require "policy"
local revocation = require "policy.revocation"

local M = {}

local SEEN <const> = { 0.2, 0.5, 1, 2, 4, 5 }   -- seconds between looks
local AGAIN <const> = 30                        -- seconds without seeing a policy after which it is put again
local FRESH <const> = 10                        -- seconds for which the Cloud's word holds

-- Reading ----------------------------------------------------------------------------------------------------------------

local function account_of(arn) return arn:match "^arn:[^:]*:[^:]*:[^:]*:(%d+):" end

local function unreadable(want, refused)
  return { refused = ("its %s may not be read: allow kms:%s on %s"):format(refused.operation == "DescribeKey" and "state" or "policy",
    refused.operation or "GetKeyPolicy", want.arn) }
end

--- Whether a role is there. What may not be known is there.
---@param context engine.Context
---@param arn string
---@return boolean
function M.exists(context, arn)
  if account_of(arn) ~= context:identity().account then return true end
  return context:once("role of " .. arn, function()
    local role, refused = context:try({ AccessDenied = true }, function()
      return context.session.iam.find_role { RoleName = arn:match "[^/]+$" } or { gone = true }
    end)
    return refused ~= nil or not role.gone
  end)
end

-- Whether every role that was to be kept out is gone, and the policy cannot be put because it still names one of them.
local function cut_off(context, want, policy)
  if not policies.orphans(policy)[1] then return false end
  for _, role in ipairs(want.roles) do
    if M.exists(context, role) then return false end
  end
  return true
end

-- Starts asking whether we may put the policies of all of them.
local function foresee_rights(context, cluster)
  if context.mode == "verify" or not cluster then return end
  local arns, account = {}, context:identity().account
  for _, key in ipairs(every_key.of(context.root or context, cluster).keys) do
    if account_of(key.arn) == account then arns[#arns + 1] = key.arn end
  end
  require("engine.policy.rights").foresee_keys(context, { "kms:PutKeyPolicy" }, arns)
end

-- What stands for a key of another account, which nobody here can read or change: refused, unless it is left to that account.
local function of_another(context, want)
  local account, ours = account_of(want.arn), context:identity().account
  if account == ours then return nil end
  for _, arn in ipairs(want.elsewhere or {}) do
    if arn == want.arn then return { arn = want.arn, elsewhere = account } end
  end
  return { refused = ("%s is a key of account %s, and the credentials are of %s: only that account can change its policy. Name a profile, or a "
    .. "role to assume, that leads there (--reach), or say with --elsewhere %s that it is done there"):format(want.arn, account, ours, want.arn) }
end

--- A key as far as its policy goes; `elsewhere` stands for one that is left to its own account, `refused` for one that is not ours
--- to change, `gone` for one that KMS has not any more, `cut_off` for one whose role was deleted, so that nobody comes to it.
---@param context engine.Context
---@param want { arn: string, region: string, roles: string[] }
---@return table
function M.find(context, want)
  local foreign = of_another(context, want)
  if foreign then return foreign end
  foresee_rights(context, want.cluster)
  local denied, kms = { AccessDeniedException = true, NotFoundException = true }, context.session.kms
  local both = context.tasks.all {
    function() return { context:try(denied, function() return kms.describe_key { region = want.region, KeyId = want.arn } end) } end,
    function() return { context:try(denied, function() return kms.get_key_policy { region = want.region, KeyId = want.arn } end) } end,
  }
  local described, read, refused = both[1][1], both[2][1], both[1][2] or both[2][2]
  if refused and refused.code == "NotFoundException" then return { arn = want.arn, gone = true } end
  if refused then return unreadable(want, refused) end
  local metadata, policy = described.KeyMetadata, read.Policy
  return { arn = want.arn, region = want.region, state = metadata.KeyState, metadata = metadata, policy = policy,
    statement = revocation.of(policy), denied = revocation.denies(policy, want.roles),
    cut_off = not revocation.of(policy) and cut_off(context, want, policy) }
end

--- Grants that let somebody of another account use a key, beside its policy: a Deny for the role does not touch them. What may not be
--- listed is left out.
---@param context engine.Context
---@param want table
---@return { id: string, who: string }[]
function M.grants(context, want)
  return context:once("grants of " .. want.arn, function()
    local answer = context:try(function(refused) return refused.kind == "refused" end, function()
      return context.session.kms.list_grants { region = want.region, KeyId = want.arn }
    end)
    local list = {}
    for _, grant in ipairs(answer and answer.Grants or {}) do
      local owner = account_of(tostring(grant.GranteePrincipal))
      if owner and owner ~= account_of(want.arn) then list[#list + 1] = { id = tostring(grant.GrantId), who = tostring(grant.GranteePrincipal) } end
    end
    return list
  end)
end

--- The rights that changing its policy takes.
---@return engine.Need[]
function M.needs(_, want, have)
  return { { action = "kms:PutKeyPolicy", resource = have.arn, policy = have.policy, region = want.region } }
end

-- Judging ----------------------------------------------------------------------------------------------------------------

--- Why the changed policy would not be taken, or should not; nil when it may be put.
---@param context engine.Context
---@param want table
---@param found string     the policy as it is
---@param changed string   as it would be
---@return string?
function M.unputtable(context, want, found, changed)
  local orphan = policies.orphans(found)[1]
  if orphan then
    return ("the key policy's %s names %s, a role or user that was deleted, so KMS takes no new policy with it: remove that statement"):format(
      orphan.statement, orphan.id)
  end
  return guard.whole(context, changed, want.region)
end

--- Who else depends on a key or role, by the Cloud's word of now or of a few seconds ago; nil when nobody does.
---@param context engine.Context
---@param cluster table
---@param arns string[]
---@param fresh boolean?  asks again when the word is old
---@return string?
function M.others(context, cluster, arns, fresh)
  local root = context.root or context
  local uses = context.uses or root:once("named", function() return named.read(root) end)
  if fresh and uses.at < context.clock.now() - FRESH then
    context.asking = context.asking or context.tasks.spawn(named.read, root)
    local asking = context.asking
    local ok, answer = pcall(asking.wait)
    if context.asking == asking then context.asking = nil end
    if not ok then error(answer, 0) end
    uses, context.uses = answer, answer
  end
  for _, arn in ipairs(arns) do
    local others = uses:by_others(arn, cluster)
    if others then
      return ("cluster %s uses %s as well, and would lose it: give each cluster a role and keys of its own (cmek status --cluster NAME shows "
        .. "what it uses)"):format(others, arn)
    end
  end
end

-- Changing ---------------------------------------------------------------------------------------------------------------

-- One put. A lost answer is no end: what KMS shows next tells.
local function put(context, want, what, found, change)
  local changed = change(found)
  local reason = M.unputtable(context, want, found, changed)
  if reason then context:refuse { service = "kms", region = want.region, what = what, message = reason } end
  context:try({ uncertain = true }, function()
    return context:write(function()
      return context.session.kms.put_key_policy { region = want.region, KeyId = want.arn, PolicyName = "default", Policy = changed }
    end)
  end)
end

--- Puts a changed policy and waits until KMS shows it.
---@param context engine.Context
---@param want table
---@param options { what: string, done: (fun(policy: string): boolean), change: (fun(policy: string): string), guard: fun()? }
---  guard: raises what forbids it, right before each put
---@return string policy  as KMS shows it
function M.change(context, want, options)
  local put_at
  local shown = context:poll {
    reason = ("waiting until KMS shows the policy of %s as it was put"):format(want.arn), bound = context.LAG, delays = SEEN,
    check = function()
      local found = context.session.kms.get_key_policy { region = want.region, KeyId = want.arn }.Policy
      if options.done(found) then return found end
      if put_at and context.clock.now() - put_at < AGAIN then return nil end
      if options.guard then options.guard() end
      put(context, want, options.what, found, options.change)
      put_at = context.clock.now()
      found = context.session.kms.get_key_policy { region = want.region, KeyId = want.arn }.Policy
      return options.done(found) and found or nil
    end,
  }
  if shown then return shown end
  failure.raise { code = "not_ready", service = "kms", operation = "GetKeyPolicy", region = want.region, what = options.what,
    message = ("KMS does not show the policy as it was put after %d s: it is slow, or somebody else changes the same policy"):format(context.LAG) }
end

return M
