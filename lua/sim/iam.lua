--- The simulated IAM: roles and their trust. Policies of roles are in iam_policies.lua, the policy simulator in iam_simulate.lua.
local auth = require("sim.auth")
local check = require("sim.check")
local crypto = require("crypto")
local json = require("json")
local page = require("sim.page")
local policy = require("policy")
local sorted = require("sorted")
local state = require("sim.state")
local time = require("sim.time")
local wire = require("sim.wire")

local M = {}

local TRUST_LIMIT <const> = 2048   -- characters, white space not counted
local ROLE_LIMIT <const> = 1000
local TAG_LIMIT <const> = 50

-- Rules -----------------------------------------------------------------------------------------------------------

local rules = {
  role_name = { type = "string", required = true, min = 1, max = 64, pattern = { "[\\w+=,.@-]+", "^[%w_+=,.@-]+$" } },
  policy_name = { type = "string", required = true, min = 1, max = 128, pattern = { "[\\w+=,.@-]+", "^[%w_+=,.@-]+$" } },
  document = { type = "string", required = true, min = 1, max = 131072 },
  arn = { type = "string", required = true, min = 20, max = 2048 },
  path = { type = "string", min = 1, max = 512,
    pattern = { "(\\u002F)|(\\u002F[\\u0021-\\u007E]+\\u002F)", "^/$", "^/[!-~]+/$" } },
  description = { type = "string", max = 1000 },
  duration = { type = "integer", min = 3600, max = 43200 },
  marker = { type = "string", min = 1 },
  max_items = { type = "integer", min = 1, max = 1000 },
  tags = { type = "list", max = TAG_LIMIT, member = { type = "structure", members = {
    Key = { type = "string", required = true, min = 1, max = 128, pattern = { "[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+", "^[%w%s_.:/=+@\x80-\xFF-]+$" } },
    Value = { type = "string", required = true, max = 256, pattern = { "[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*", "^[%w%s_.:/=+@\x80-\xFF-]*$" } } } } },
  tag_keys = { type = "list", required = true, max = TAG_LIMIT, member = { type = "string", min = 1, max = 128 } },
}
M.rules = rules

-- Finding ---------------------------------------------------------------------------------------------------------

--- The caller's account in the picture that this call sees.
function M.account(call) return call.state.aws[call.caller.account] or state.account(call.state, call.caller.account) end

local function no_role(name) wire.refuse("NoSuchEntity", ("The role with name %s cannot be found."):format(name), 404) end

-- The role's ARN as authorization sees it, whether the role is there or not.
local function role_arn(call, name, path)
  return ("arn:%s:iam::%s:role%s%s"):format(call.simulation.partition, call.caller.account, path or "/", name)
end

--- The role that the call names, once the caller may do the action on it; refuses the call otherwise.
---@param call table
---@param p table  parameters, with RoleName
---@param requested table[]?  tags that the call would set
---@return table role
function M.role(call, p, requested, keys)
  local role = state.find_role(call.state, call.caller.account, p.RoleName)
  local context = auth.tag_context(requested, role and role.Tags, keys)
  for _, tag in ipairs(role and role.Tags or {}) do context["iam:ResourceTag/" .. tag.Key] = tag.Value end
  context["iam:PermissionsBoundary"] = p.PermissionsBoundary
  context["iam:PolicyARN"] = p.PolicyArn
  auth.authorize(call, { action = "iam:" .. call.operation, resource = role and role.Arn or role_arn(call, p.RoleName), context = context })
  return role or no_role(p.RoleName)
end

--- Refuses a change to a role that belongs to a service.
function M.modifiable(role)
  if role.Path:find("^/aws%-service%-role/") then
    wire.refuse("UnmodifiableEntity", "Cannot perform the operation on the protected role '" .. role.RoleName
      .. "' - this role is only modifiable by AWS", 400)
  end
end

-- Documents -------------------------------------------------------------------------------------------------------

local function malformed(text) wire.refuse("MalformedPolicyDocument", text, 400) end

--- A policy document from its text; refuses the call when IAM would.
---@param text string
---@param kind "trust"|"identity"
---@return table
function M.document(text, kind)
  local document = json.decode(text)
  if type(document) ~= "table" or json.is_array(document) then malformed("This policy contains invalid Json") end
  local fine, message = policy.validate(document, kind)
  if fine then return document end
  if message:find("which this kind of policy must not have", 1, true) then
    malformed("Has prohibited field " .. (message:match(" has an? ([%w]+)") or "Principal"))
  end
  if message:find("Sid .* twice") then malformed("Statement IDs (SID) in a single policy must be unique.") end
  malformed("Syntax errors in policy.")
end

--- How much of its quota a policy's text takes.
function M.size(text) return #text:gsub("%s", "") end

-- A trust policy, its principals as ids.
local function trust(call, text)
  local document = M.document(text, "trust")
  if M.size(text) > TRUST_LIMIT then
    wire.refuse("LimitExceeded", ("Cannot exceed quota for ACLSizePerRole: %d"):format(TRUST_LIMIT), 409)
  end
  local kept, bad = state.keep_policy(call.simulation, document)
  if not kept then malformed(('Invalid principal in policy: "%s":"%s"'):format(bad.kind, bad.entry)) end
  return kept
end

-- Tags ------------------------------------------------------------------------------------------------------------

local function invalid(text) wire.refuse("InvalidInput", text, 400) end

-- Tags by key, which is the same in any case of letters.
local function check_tags(tags)
  local seen = {}
  for _, tag in ipairs(tags or {}) do
    local key = tag.Key:lower()
    if seen[key] then invalid("Duplicate tag keys found. Please note that Tag keys are case insensitive.") end
    if key:find("^aws:") then invalid("The tag key prefix 'aws:' is reserved") end
    seen[key] = true
  end
end

local function merge_tags(have, new)
  local merged = state.merge_tags(have, new, state.find_name)
  if #merged > TAG_LIMIT then wire.refuse("LimitExceeded", ("The number of tags has reached the maximum limit: %d"):format(TAG_LIMIT), 409) end
  return merged
end

-- Printing --------------------------------------------------------------------------------------------------------

local function shown_trust(call, role)
  local document = role._trust and state.show_policy(call.simulation, role._trust)
  return crypto.percent_encode(document and policy.json(document) or role.AssumeRolePolicyDocument)
end

local function short(call, role)
  return { Path = role.Path, RoleName = role.RoleName, RoleId = role.RoleId, Arn = role.Arn, CreateDate = role.CreateDate,
    AssumeRolePolicyDocument = shown_trust(call, role) }
end

local function whole(call, role)
  local shown = short(call, role)
  shown.MaxSessionDuration = role.MaxSessionDuration
  shown.RoleLastUsed = {}
  if role.Description ~= "" then shown.Description = role.Description end
  if #role.Tags > 0 then shown.Tags = state.copy_tags(role.Tags) end
  shown.PermissionsBoundary = role.PermissionsBoundary
  return shown
end

--- A page of a list, with IsTruncated and Marker.
---@param call table
---@param p table  with MaxItems and Marker
---@param name string  of the list in the answer
---@param items table[]
---@param key fun(item: table): string
---@param show (fun(item: table): any)?
---@return table answer
function M.list(call, p, name, items, key, show)
  local limit = math.min(p.MaxItems or 100, call.simulation.page_size)
  local list, marker = page.cut(items, { key = key, limit = limit, marker = p.Marker, word = call.operation })
  if not list then wire.refuse("ValidationError", "Invalid Marker.", 400) end
  if show then
    for index, item in ipairs(list) do list[index] = show(item) end
  end
  return { [name] = list, IsTruncated = marker ~= nil, Marker = marker }
end

-- Operations on roles ---------------------------------------------------------------------------------------------

local function create_role(call, p)
  local iam, path = M.account(call).iam, p.Path or "/"
  local context = auth.tag_context(p.Tags)
  context["iam:PermissionsBoundary"] = p.PermissionsBoundary
  local arn = role_arn(call, p.RoleName, path)
  auth.authorize(call, { action = "iam:CreateRole", resource = arn, context = context })
  if p.Tags then auth.authorize(call, { action = "iam:TagRole", resource = arn, context = context }) end
  check_tags(p.Tags)
  local kept = trust(call, p.AssumeRolePolicyDocument)
  if state.find_name(iam.roles, "RoleName", p.RoleName) then
    wire.refuse("EntityAlreadyExists", ("Role with name %s already exists."):format(p.RoleName), 409)
  end
  if #iam.roles >= ROLE_LIMIT then wire.refuse("LimitExceeded", ("Cannot exceed quota for RolesPerAccount: %d"):format(ROLE_LIMIT), 409) end
  local role = state.complete_role(call.simulation, call.caller.account, {
    RoleName = p.RoleName, Path = path, Description = p.Description, MaxSessionDuration = p.MaxSessionDuration, Tags = state.copy_tags(p.Tags),
    CreateDate = time.rfc3339(call.now), AssumeRolePolicyDocument = p.AssumeRolePolicyDocument, _trust = kept, _created = call.now,
    PermissionsBoundary = M.boundary(call, p.PermissionsBoundary),
  })
  table.insert(iam.roles, role)
  local shown = whole(call, role)
  shown.RoleLastUsed = nil
  if not p.MaxSessionDuration then shown.MaxSessionDuration = nil end
  return { Role = shown }
end

local function get_role(call, p)
  local shown = whole(call, M.role(call, p))
  if call.fault and call.fault.kind == "arn_is_id" then shown.Arn = shown.RoleId end
  return { Role = shown }
end

local function update_assume_role_policy(call, p)
  local role = M.role(call, p)
  M.modifiable(role)
  role._trust = trust(call, p.PolicyDocument)
  role.AssumeRolePolicyDocument = p.PolicyDocument
end

local function update_role(call, p)
  local role = M.role(call, p)
  M.modifiable(role)
  role.Description = p.Description or role.Description
  role.MaxSessionDuration = p.MaxSessionDuration or role.MaxSessionDuration
  return {}
end

local function tag_role(call, p)
  local role = M.role(call, p, p.Tags)
  check_tags(p.Tags)
  role.Tags = merge_tags(role.Tags, p.Tags)
end

local function untag_role(call, p)
  local role = M.role(call, p, nil, p.TagKeys)
  for _, key in ipairs(p.TagKeys) do
    local _, index = state.find_name(role.Tags, "Key", key)
    if index then table.remove(role.Tags, index) end
  end
end

local function list_role_tags(call, p)
  local role = M.role(call, p)
  return M.list(call, p, "Tags", state.copy_tags(role.Tags), function(tag) return tag.Key end)
end

local function list_roles(call, p)
  local prefix = p.PathPrefix or "/"
  auth.authorize(call, { action = "iam:ListRoles", resource = role_arn(call, "", prefix) })
  local list = {}
  for _, role in ipairs(M.account(call).iam.roles) do
    if role.Path:sub(1, #prefix) == prefix then list[#list + 1] = role end
  end
  return M.list(call, p, "Roles", list, function(role) return role.RoleName end, function(role)
    local shown = short(call, role)
    shown.MaxSessionDuration = role.MaxSessionDuration
    if role.Description ~= "" then shown.Description = role.Description end
    return shown
  end)
end

local function delete_role(call, p)
  local role = M.role(call, p)
  M.modifiable(role)
  local function conflict(what) wire.refuse("DeleteConflict", "Cannot delete entity, must " .. what, 409) end
  if #role.AttachedPolicies > 0 then conflict("detach all policies first.") end
  if #role.Policies > 0 then conflict("delete policies first.") end
  if #(role.InstanceProfiles or {}) > 0 then conflict("remove roles from instance profile first.") end
  local roles = M.account(call).iam.roles
  local _, index = state.find(roles, "RoleId", role.RoleId)
  table.remove(roles, index)
  state.forget(call.simulation, role.RoleId)
end

local function get_user(call, p)
  local users = M.account(call).iam.users
  if not p.UserName and call.caller.kind ~= "user" then
    wire.refuse("ValidationError", "Must specify userName when calling with non-User credentials", 400)
  end
  local name = p.UserName or call.caller.thing.UserName
  local user = state.find_name(users, "UserName", name)
  local arn = ("arn:%s:iam::%s:user/%s"):format(call.simulation.partition, call.caller.account, name)
  auth.authorize(call, { action = "iam:GetUser", resource = user and user.Arn or arn })
  if not user then wire.refuse("NoSuchEntity", ("The user with name %s cannot be found."):format(name), 404) end
  local shown = { Path = user.Path, UserName = user.UserName, UserId = user.UserId, Arn = user.Arn, CreateDate = user.CreateDate }
  if #user.Tags > 0 then shown.Tags = state.copy_tags(user.Tags) end
  shown.PermissionsBoundary = user.PermissionsBoundary
  return { User = shown }
end

-- Boundaries ------------------------------------------------------------------------------------------------------

--- A permissions boundary as a role carries it; nil without an ARN.
function M.boundary(call, arn)
  if not arn then return nil end
  if not state.managed_policy(call.state, arn) then wire.refuse("NoSuchEntity", ("Scope ARN: %s does not exist."):format(arn), 404) end
  return { PermissionsBoundaryType = "Policy", PermissionsBoundaryArn = arn }
end

local function put_role_permissions_boundary(call, p)
  local role = M.role(call, p)
  M.modifiable(role)
  role.PermissionsBoundary = M.boundary(call, p.PermissionsBoundary)
end

local function delete_role_permissions_boundary(call, p)
  local role = M.role(call, p)
  M.modifiable(role)
  role.PermissionsBoundary = nil
end

-- Table -----------------------------------------------------------------------------------------------------------

local name, list = rules.role_name, { RoleName = rules.role_name, Marker = rules.marker, MaxItems = rules.max_items }

M.operations = {
  CreateRole = { write = true, run = create_role, parameters = { RoleName = name, AssumeRolePolicyDocument = rules.document, Path = rules.path,
    Description = rules.description, MaxSessionDuration = rules.duration, PermissionsBoundary = { type = "string", min = 20, max = 2048 },
    Tags = rules.tags } },
  GetRole = { run = get_role, parameters = { RoleName = name } },
  UpdateAssumeRolePolicy = { write = true, run = update_assume_role_policy, parameters = { RoleName = name, PolicyDocument = rules.document } },
  UpdateRole = { write = true, run = update_role,
    parameters = { RoleName = name, Description = rules.description, MaxSessionDuration = rules.duration } },
  TagRole = { write = true, run = tag_role, parameters = { RoleName = name,
    Tags = { type = "list", required = true, max = TAG_LIMIT, member = rules.tags.member } } },
  UntagRole = { write = true, run = untag_role, parameters = { RoleName = name, TagKeys = rules.tag_keys } },
  ListRoleTags = { run = list_role_tags, parameters = list },
  ListRoles = { run = list_roles, parameters = { Marker = rules.marker, MaxItems = rules.max_items,
    PathPrefix = { type = "string", min = 1, max = 512, pattern = { "\\u002F[\\u0021-\\u007F]*", "^/[!-~]*$" } } } },
  DeleteRole = { write = true, run = delete_role, parameters = { RoleName = name } },
  PutRolePermissionsBoundary = { write = true, run = put_role_permissions_boundary,
    parameters = { RoleName = name, PermissionsBoundary = rules.arn } },
  DeleteRolePermissionsBoundary = { write = true, run = delete_role_permissions_boundary, parameters = { RoleName = name } },
  GetUser = { run = get_user, parameters = { UserName = { type = "string", min = 1, max = 128, pattern = { "[\\w+=,.@-]+", "^[%w_+=,.@-]+$" } } } },
}

for _, more in ipairs { "sim.iam_policies", "sim.iam_documents", "sim.iam_simulate" } do
  for operation, row in sorted(require(more).operations(M)) do M.operations[operation] = row end
end

--- Does one operation of IAM.
---@return table? result
function M.run(call, operation) return operation.run(call, check.parameters(call, operation.parameters)) end

return M
