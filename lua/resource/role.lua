--- The IAM role that CockroachDB Cloud assumes: its trust policy, and the tags that say whose it is. It gets no permissions.
local boundaries = require "engine.policy.boundary"
local existing = require "engine.key.existing"
local failure = require "engine.failure"
local guard = require "engine.policy.guard"
local json = require "json"
local names = require "names"
local policies = require "policy"
local rights = require "engine.policy.rights"
local shapes = require "shapes"
local sorted = require "sorted"
local unknown = require "unknown"

local M = {}

M.kind = "role"

--- What it may call, by service.
M.actions = require("resource.actions").role

--- The checks of verify, in order.
M.checks = {
  { id = "role.exists", severity = "high", text = "the role is there" },
  { id = "role.owner", severity = "high", text = "its tag cmek:cluster names this cluster" },
  { id = "role.tags", severity = "low", text = "its tag cmek:run is there, and those that are asked for" },
  { id = "role.trust", severity = "high", text = "its trust policy has the statement for CockroachDB, which allows" },
  { id = "role.trust.principal", severity = "high", text = "that statement trusts the cluster's AWS account" },
  { id = "role.trust.action", severity = "high", text = "it allows sts:AssumeRole" },
  { id = "role.trust.external_id", severity = "high", text = "it wants the organization's ID as external ID" },
  { id = "role.trust.foreign", severity = "high", text = "no other statement lets another account or service assume the role" },
  { id = "role.path", severity = "low", text = "its path is the one that is asked for, if one is" },
  { id = "role.permissions", severity = "medium", text = "no policies are attached to the role: it needs none" },
  { id = "role.session", severity = "low", text = "its sessions last an hour" },
  { id = "role.boundary", severity = "high", text = "its permissions boundary is the one that is asked for, and lets the role use the keys" },
  { id = "role.organization", severity = "high", text = "the organization's service control policies, where IAM tells, do so too" },
  { id = "role.access", severity = "high", text = "all in all, CockroachDB may assume the role" },
}

--- Fills in what was left out: the name carries the cluster.
---@param want { cluster: table, name: string?, trust: table|string, path: string?, boundary: string?, tags: string[]|table? }
---  name: or the ARN of a role that is there; path, boundary, tags: what is not given may be as it is
---@param context engine.Context
function M.defaults(want, context)
  want.name, want.arn = existing.role(want.name or names.role(want.cluster))
  shapes.check("role", want.arn or want.name, "role: field 'name'")
  if want.path ~= nil then shapes.check("path", want.path, "role: field 'path'") end
  if want.boundary ~= nil then shapes.check("policy", want.boundary, "role: field 'boundary'") end
  want.tags = shapes.tags(want.tags, "role")
  want.run = context:run_tag()
end

function M.name(want) return want.name end
function M.region() return nil end

-- Reading ----------------------------------------------------------------------------------------------------------

local function tags_of(list)
  local map = {}
  for _, tag in ipairs(list or {}) do map[tag.Key] = tag.Value end
  return map
end

-- What a part of the role says; false and the refusal when it may not be read.
local function part(context, fn)
  local answer, refused = context:try({ AccessDenied = true, NoSuchEntity = true }, fn)
  if answer then return answer end
  if refused.code == "NoSuchEntity" then return {} end
  return false, refused
end

--- What is attached to a role: ARNs of managed policies, names of inline ones, sorted; nil and the refusal when that may not be read.
---@return string[]?, table? refusal
function M.permissions(context, name)
  local iam, refused = context.session.iam, nil
  local function reader(operation)
    return function()
      local answer, no = part(context, function() return operation { RoleName = name } end)
      refused = refused or no
      return answer
    end
  end
  local read = context.tasks.all { reader(iam.list_attached_role_policies), reader(iam.list_role_policies) }
  if not (read[1] and read[2]) then return nil, refused end
  local list = {}
  for _, policy in ipairs(read[1].AttachedPolicies or {}) do list[#list + 1] = policy.PolicyArn or policy.PolicyName end
  for _, policy in ipairs(read[2].PolicyNames or {}) do
    if policy ~= names.USE_POLICY then list[#list + 1] = policy end   -- cmek's own, for keys of other accounts
  end
  table.sort(list)
  return list
end

--- The role as IAM shows it now; nil when it is not seen, or when its ARN is not an ARN yet.
---@param context engine.Context
---@param name string
function M.look(context, name)
  local role = context.session.iam.find_role { RoleName = name }
  if not role or not tostring(role.Arn):find("^arn:") then return nil end
  context.seen[role.Arn] = true
  local tags, unreadable = role.Tags, nil
  if tags == nil then   -- left out of the answer, which says nothing about them
    tags, unreadable = part(context, function() return context.session.iam.list_role_tags { RoleName = name } end)
    tags = tags and tags.Tags or {}
  end
  return { arn = role.Arn, id = role.RoleId, path = role.Arn:match ":role(/.-)[^/]+$", trust = role.AssumeRolePolicyDocument,
    tags = tags_of(tags), created = role.CreateDate, description = role.Description, max_session = role.MaxSessionDuration,
    boundary = role.PermissionsBoundary and role.PermissionsBoundary.PermissionsBoundaryArn, unreadable = { tags = unreadable } }
end

local DESCRIPTION <const> = "Lets CockroachDB Cloud use the CMEK keys of cluster "

--- Whether cmek made a role: by its description, or by its name, which is then one that only cmek gives.
---@param have { description: string? }
---@param name string
---@return boolean
function M.is_made(have, name)
  return tostring(have.description):find(DESCRIPTION, 1, true) == 1 or name:find "^crdb%-cmek%-.+%-%x+$" ~= nil and #name:match "%x+$" == 12
end

--- Starts what `find` reads, before it is asked for.
function M.foresee(context, want)
  if want.boundary then boundaries.foresee(context, want.boundary) end
  context:begin("role " .. want.name, function() return M.look(context, want.name) or false end)
  context:begin("permissions " .. want.name, function()
    local list, refused = M.permissions(context, want.name)
    return { list = list, refused = refused }
  end)
end

--- The role of that name; nil when there is none.
function M.find(context, want)
  M.foresee(context, want)
  local have = context:once("role " .. want.name) or nil
  guard.outside(context, have and have.arn or unknown.text(M.result(want).arn))
  guard.outside(context, M.arn(context:identity(), want))
  if have then
    local permitted = context:once("permissions " .. want.name)
    have.permissions, have.unreadable.permissions = permitted.list, permitted.refused
    if context.mode ~= "verify" and context.mode ~= "destroy" then rights.foresee_role(context, want.cluster, have.arn) end
  end
  return have
end

-- Judging ----------------------------------------------------------------------------------------------------------

--- Why a role that was named by its ARN is not the one that is there; nil when it is, or when just its name was given.
---@return string?
function M.misnamed(context, want, have)
  if not want.arn or have and have.arn == want.arn then return nil end
  local account = want.arn:match ":(%d+):role/"
  if account ~= context:identity().account then
    return ("%s is a role of account %s, and the credentials are of %s"):format(want.arn, account, context:identity().account)
  end
  if have then return ("the role of that name is %s, not %s"):format(have.arn, want.arn) end
  return ("there is no role %s: name one that is there, or give a name instead of an ARN to have it made"):format(want.arn)
end

--- Why the role is not this cluster's; nil when it is, or when there is none.
---@return string?
function M.foreign(context, want, have)
  local wrong = M.misnamed(context, want, have)
  if wrong then return wrong end
  local owner = have and have.tags[names.TAG_CLUSTER]
  if not have or owner == want.cluster.id then return nil end
  if have.unreadable.tags then
    return ("the tags of %s may not be read, so it cannot be said whose it is: allow iam:ListRoleTags on it"):format(have.arn)
  end
  if owner then
    return ("%s belongs to another cluster, %s (tag %s)%s"):format(have.arn, owner, names.TAG_CLUSTER,
      want.arn and "" or ": name another role with --role")
  end
  return ("%s was not made by cmek (it has no tag %s): it is left alone until it is adopted%s"):format(have.arn, names.TAG_CLUSTER,
    want.arn and existing.advice(want.cluster, { name = want.name }) or ", or name another role with --role")
end

-- A role keeps its path for life.
local function misplaced(want, have)
  if not (have and want.path) or have.path == want.path then return nil end
  return ("%s has the path %s and not %s, which cannot be changed: name another role with --role, or its own path with --role-path"):format(
    have.arn, have.path, want.path)
end

local OWN_TAGS <const> = { [names.TAG_CLUSTER] = "", [names.TAG_RUN] = "" }

local function overtagged(want, have)
  if have then return shapes.too_many(M.tag_differences(want, have), have.tags) end
  return shapes.too_many(shapes.tag_differences(want.tags, {}), OWN_TAGS)
end

-- What may not be put as its trust policy.
local function untrustworthy(context, want, have)
  if not want.trust or have and #policies.differences(want.trust, have.trust) == 0 then return nil end
  return guard.trust(context, want.trust, have and have.trust)
end

--- Why the role is not touched; nil when it is this cluster's and can be as it is wanted.
---@return string? reason, string? check  "wanted": it is this cluster's all the same
function M.refusal(context, want, have)
  local foreign = M.foreign(context, want, have)
  if foreign then return foreign, "owner" end
  return misplaced(want, have) or overtagged(want, have) or untrustworthy(context, want, have)
    or boundaries.fault(context, want, have), "wanted"
end

--- What of its tags is put right: whose the role is decides before this.
function M.tag_differences(want, have)
  if have.unreadable.tags then return {} end
  local list = shapes.tag_differences(want.tags, have.tags, true)
  if have.tags[names.TAG_RUN] == nil then list[#list + 1] = { check = "tags", field = "tags." .. names.TAG_RUN, want = want.run } end
  return list
end

function M.differences(want, have)
  local list = {}
  for _, difference in ipairs(policies.differences(want.trust, have.trust)) do
    list[#list + 1] = { check = "trust", field = "trust." .. difference.field, have = difference.have, want = difference.want }
  end
  if want.boundary and want.boundary ~= have.boundary then
    list[#list + 1] = { check = "boundary", field = "PermissionsBoundary", have = have.boundary, want = want.boundary }
  end
  for _, difference in ipairs(M.tag_differences(want, have)) do list[#list + 1] = difference end
  return list
end

--- What is no difference and still worth a word.
function M.warnings(want, have)
  local list = {}
  for _, name in ipairs(have.permissions or {}) do
    list[#list + 1] = { check = "permissions", field = "permissions", have = name,
      text = ("the role %s has the permissions of %s attached; it needs none"):format(want.name, name) }
  end
  for _, statement in ipairs(policies.foreign(want.trust, have.trust)) do
    list[#list + 1] = { check = "trust", field = "trust", have = json.encode(statement),
      text = ("the role %s also trusts what this statement says, which is kept: %s"):format(want.name, json.encode(statement)) }
  end
  return list
end

local TAKES <const> = { tags = "iam:TagRole", trust = "iam:UpdateAssumeRolePolicy", boundary = "iam:PutRolePermissionsBoundary" }

--- The rights that making or repairing it takes.
---@param context engine.Context
---@return engine.Need[]
function M.needs(context, want, have)
  local identity, actions, list = context:identity(), {}, {}
  local arn = have and have.arn or M.arn(identity, want)
  if not have then actions = { "iam:CreateRole", "iam:TagRole" } end
  for _, difference in ipairs(have and M.differences(want, have) or {}) do
    local action = TAKES[difference.check]
    if actions[#actions] ~= action then actions[#actions + 1] = action end
  end
  for i, action in ipairs(actions) do list[i] = { action = action, resource = arn } end
  return list
end

--- The ARN that a role will have.
---@param identity { arn: string, account: string }
---@param want { name: string, path: string? }
---@return string
function M.arn(identity, want)
  return ("arn:%s:iam::%s:role%s%s"):format(identity.arn:match "^arn:([^:]+)", identity.account, want.path or "/", want.name)
end

function M.pending() return nil end

--- What the recipe gets.
function M.result(want, have)
  return { name = want.name, arn = have and have.arn or unknown.new("ARN of role " .. want.name) }
end

-- Changing ---------------------------------------------------------------------------------------------------------

-- The role once it is seen, and as `fits` wants it.
local function wait_for(context, want, reason, fits)
  local have = context:poll {
    reason = reason, bound = context.LAG,
    check = function()
      local role = M.look(context, want.name)
      if role and (not fits or fits(role)) then return role end
    end,
  }
  if have then return have end
  failure.raise { code = "not_ready", service = "iam", operation = "GetRole", what = "waiting for the role " .. want.name,
    message = ("IAM does not show it as it was made after %d s"):format(context.LAG) }
end

local function tags(context, want)
  local list = {
    { Key = names.TAG_CLUSTER, Value = want.cluster.id },
    { Key = names.TAG_RUN, Value = context.run_id },
  }
  for key, value in sorted(want.tags) do list[#list + 1] = { Key = key, Value = value } end
  return list
end

-- Role names are unique in an account, so asking twice cannot make two.
local function ask(context, want, step)
  local iam = context.session.iam
  return context:poll {
    reason = "the answer to CreateRole was lost; looking whether the role is there", bound = context.LAG,
    check = function()
      local done, refused = context:try({ EntityAlreadyExists = true, uncertain = true }, function()
        return context:write(function()
          return iam.create_role { RoleName = want.name, Path = want.path, PermissionsBoundary = want.boundary, Tags = tags(context, want),
            AssumeRolePolicyDocument = policies.json(want.trust),
            Description = DESCRIPTION .. want.cluster.name }
        end)
      end)
      if done then
        step.arn = type(done) == "table" and done.Role and done.Role.Arn or step.arn
        return true
      end
      if refused.code == "EntityAlreadyExists" or iam.find_role { RoleName = want.name } then return true end
    end,
  }
end

--- Makes the role and waits until it is seen. One that somebody else of this cluster made meanwhile is as good.
function M.create(context, want, step)
  ask(context, want, step)
  return M.update(context, want)
end

-- Own statements as wanted, foreign ones as found a moment before.
local function put_trust(context, want, have)
  local reason = guard.trust(context, want.trust, have.trust)
  if reason then context:refuse { service = "iam", what = "setting the trust policy of role " .. want.name, message = reason } end
  context:write(function()
    return context.session.iam.update_assume_role_policy { RoleName = want.name,
      PolicyDocument = policies.json(policies.merge(want.trust, have.trust)) }
  end)
end

local function put_boundary(context, want)
  context:write(function()
    return context.session.iam.put_role_permissions_boundary { RoleName = want.name, PermissionsBoundary = want.boundary }
  end)
end

local function tag(context, want, have)
  local set = {}
  for i, difference in ipairs(M.tag_differences(want, have)) do
    set[i] = { Key = difference.field:match "^tags%.(.*)$", Value = difference.want }
  end
  context:write(function() return context.session.iam.tag_role { RoleName = want.name, Tags = set } end)
end

--- Repairs what differs.
function M.update(context, want)
  local have = wait_for(context, want, "waiting until IAM shows the role " .. want.name)
  local reason = M.refusal(context, want, have)
  if reason then context:refuse { service = "iam", what = "making the role " .. want.name, message = reason } end
  local checks = {}
  for _, difference in ipairs(M.differences(want, have)) do checks[difference.check] = true end
  if next(checks) == nil then return have end
  if checks.trust then put_trust(context, want, have) end
  if checks.boundary then put_boundary(context, want) end
  if checks.tags then tag(context, want, have) end
  return wait_for(context, want, ("waiting until IAM shows the role %s as it is wanted"):format(want.name), function(role)
    return #M.differences(want, role) == 0
  end)
end

return M
