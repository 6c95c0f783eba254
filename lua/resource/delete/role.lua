--- Deleting the role, once no key is left that it is for. What somebody else has hung on it, or who else may assume it, keeps it.
local failure = require "engine.failure"
local foreign = require "engine.policy.foreign"
local mend = require "engine.mend"
local policies = require "policy"
local role = require "resource.role"

local M = {}

--- Why making it anew would not be the same.
M.irreversible = "KMS knows a role by its unique ID, so one that is made again under this name is another one to every policy that names it"

local SETTLE <const> = 60   -- seconds that IAM may still count what was just detached

-- Looking ------------------------------------------------------------------------------------------------------------

-- Instance profiles that the role is in; none when that may not be read: IAM itself refuses then.
local function profiles(context, name)
  local answer = context:try({ AccessDenied = true, NoSuchEntity = true }, function()
    return context.session.iam.list_instance_profiles_for_role { RoleName = name }
  end)
  local list = {}
  for _, profile in ipairs(answer and answer.InstanceProfiles or {}) do list[#list + 1] = "instance profile " .. profile.InstanceProfileName end
  return list
end

--- The role of that name, with what is attached to it.
---@return { want: table, have: table }[]
function M.collect(context, want)
  local have = role.find(context, want)
  if not have then return {} end
  have.profiles = profiles(context, want.name)
  have.across = not (context.layout and context.layout.asked) and require("resource.role_use").keys(context, want.name) or {}
  return { { want = want, have = have } }
end

--- Whether a role was there before cmek, which took it over.
---@return boolean
function M.was_there(want, have) return not role.is_made(have, want.name) end

-- What hangs on the role, in words.
local function attached(have)
  local list = {}
  for _, name in ipairs(have.permissions or {}) do list[#list + 1] = name end
  table.move(have.profiles or {}, 1, #(have.profiles or {}), #list + 1, list)
  return list
end

local function others(want, have)
  for _, statement in ipairs(policies.foreign(want.trust, have.trust)) do
    if statement.Effect == "Allow" then return statement end
  end
end

-- The commands that take off what hangs on the role.
local function detach(engine, want, have)
  local list = {}
  local function aws(operation, ...) list[#list + 1] = mend.aws(engine, "iam", operation, "--role-name", want.name, ...) end
  for _, name in ipairs(have.permissions or {}) do
    if name:find "^arn:" then aws("detach-role-policy", "--policy-arn", name) else aws("delete-role-policy", "--policy-name", name) end
  end
  for _, name in ipairs(have.profiles or {}) do
    aws("remove-role-from-instance-profile", "--instance-profile-name", name:match "%S+$")
  end
  return table.concat(list, " && ")
end

--- What is behind a refusal; nil where it is no known situation.
---@return table?  of lua/explain.lua
function M.told(engine, want, have)
  local list, statement = attached(have), others(want, have)
  if role.refusal(engine.context, want, have) or have.across and have.across[1] then return nil end
  if #list > 0 then
    return require("explain").tell("destroy.attached", { role = have.arn, attached = table.concat(list, ", "), detach = detach(engine, want, have) })
  end
  return statement and require("explain").tell("destroy.trusted", { role = have.arn, statement = foreign.label(statement),
    put = mend.trust(engine, { name = want.name, trust = have.trust }, statement) })
end

--- Why the role is not deleted; nil when it is this cluster's and nobody else's.
---@return string?
function M.refusal(context, want, have)
  local reason = role.foreign(context, want, have)
  if reason then return reason end
  if have.across and have.across[1] then
    return ("%s may use keys of other accounts, %s: name the layout that they were made with (--layout FILE), which takes them back as well")
      :format(have.arn, table.concat(have.across, ", "))
  end
  local list = attached(have)
  if #list > 0 then
    return ("%s has more on it than cmek gives it: %s. Who attached that may need the role: detach it first"):format(have.arn,
      table.concat(list, ", "))
  end
  local statement = others(want, have)
  if statement then
    return ("%s also trusts what its %s says, so somebody else may use the role: remove that statement first"):format(have.arn,
      foreign.label(statement))
  end
end

--- What becomes of it.
---@return string reason
function M.about() return M.irreversible end

--- The rights that it takes.
---@param context engine.Context
---@return engine.Need[]
function M.needs(context, _, have)
  require("engine.policy.rights").foresee_existing(context)
  return { { action = "iam:DeleteRole", resource = have.arn } }
end

-- Deleting -----------------------------------------------------------------------------------------------------------

-- The role as IAM shows it now, with all that hangs on it; nil when it is not seen.
local function now(context, want)
  local seen = role.look(context, want.name)
  if not seen then return nil end
  seen.permissions, seen.unreadable.permissions = role.permissions(context, want.name)
  seen.profiles = profiles(context, want.name)
  return seen
end

local function conflict(want, seen, refused)
  local list = seen and attached(seen) or {}
  failure.raise {
    code = refused.code, service = "iam", operation = "DeleteRole", request_id = refused.request_id, what = "deleting the role " .. want.name,
    message = ("%s%s"):format(refused.message or "", #list > 0 and ": " .. table.concat(list, ", ") or ""),
    next = "detach what is on it (aws iam list-attached-role-policies, list-role-policies, list-instance-profiles-for-role), then run this again",
  }
end

--- Deletes the role that was planned, by its unique ID: one that was made under its name meanwhile is somebody else's.
---@param context engine.Context
---@param want table
---@param have table
---@param guard fun()  called right before IAM is asked: raises what forbids it
function M.delete(context, want, have, guard)
  local started, refused, seen = context.clock.now(), nil, nil
  local done = context:poll {
    reason = ("waiting until IAM has deleted the role %s"):format(want.name), bound = context.LAG,
    check = function()
      seen = now(context, want)
      if seen and seen.id ~= have.id then return true end
      local reason = seen and M.refusal(context, want, seen)
      if reason then context:refuse { service = "iam", what = "deleting the role " .. want.name, message = reason } end
      guard()
      local deleted
      deleted, refused = context:try({ NoSuchEntity = true, DeleteConflict = true, uncertain = true }, function()
        return context:write(function() return context.session.iam.delete_role { RoleName = want.name } end)
      end)
      if deleted or refused.code == "NoSuchEntity" then return true end
      if refused.code == "DeleteConflict" and context.clock.now() - started > SETTLE then conflict(want, seen, refused) end
    end,
  }
  if not done then
    failure.raise { code = "not_ready", service = "iam", operation = "DeleteRole", what = "deleting the role " .. want.name,
      message = ("IAM has not confirmed it after %d s"):format(context.LAG) }
  end
  return have
end

return M
