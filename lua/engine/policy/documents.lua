--- Policies as they can be read here: a managed policy, and all that speak about a user or a role. What may not be read is said.
local M = {}

-- Whatever the reason, what did not come was not read; only what ends the command is raised.
local function unreadable(refused) return refused.kind ~= "credentials" and refused.kind ~= "stopped" end

--- The document of a managed policy, in its default version.
---@param context engine.Context
---@param arn string
---@return string? document, table? refusal  why it may not be read
function M.managed(context, arn)
  local iam = context.session.iam
  local document, refused = context:try(unreadable, function()
    local version = iam.get_policy({ PolicyArn = arn }).Policy.DefaultVersionId
    return iam.get_policy_version({ PolicyArn = arn, VersionId = version }).PolicyVersion.Document
  end)
  return document, refused
end

---@class engine.Documents
---@field identity { name: string, document: string }[]
---@field boundary string?
---@field unread string[]   what could not be read: "identity policies", "permissions boundary"

local function new() return { identity = {}, unread = {} } end

local function unread(found, what)
  for _, known in ipairs(found.unread) do
    if known == what then return end
  end
  table.insert(found.unread, what)
end

-- A list of IAM's; nil, and noted, when it may not be read.
local function list(context, found, member, fn)
  local answer = context:try(unreadable, fn)
  if not answer then unread(found, "identity policies") end
  return answer and answer[member] or {}
end

local function keep(found, name, document)
  if not document then return unread(found, "identity policies") end
  table.insert(found.identity, { name = name, document = document })
end

-- Inline and attached policies of a user, group or role; `of` names it as the operations want it.
local function policies_of(context, found, kind, of)
  local iam, noun = context.session.iam, kind:lower()
  local field = kind .. "Name"
  local function listing(operation, member)
    return function() return list(context, found, member, function() return iam[operation:format(noun)] { [field] = of } end) end
  end
  local lists = context.tasks.all { listing("list_%s_policies", "PolicyNames"), listing("list_attached_%s_policies", "AttachedPolicies") }
  local documents = context.tasks.all {
    function()
      return context.tasks.map(lists[1], function(name)
        local answer = context:try(unreadable, function() return iam["get_" .. noun .. "_policy"] { [field] = of, PolicyName = name } end)
        return answer and answer.PolicyDocument or false
      end)
    end,
    function() return context.tasks.map(lists[2], function(one) return M.managed(context, one.PolicyArn) or false end) end,
  }
  for i, name in ipairs(lists[1]) do keep(found, ("%s of %s %s"):format(name, noun, of), documents[1][i]) end
  for i, one in ipairs(lists[2]) do keep(found, one.PolicyArn, documents[2][i]) end
end

local function boundary(context, found, read)
  local thing = context:try(unreadable, read)
  local arn = thing and thing.PermissionsBoundary and thing.PermissionsBoundary.PermissionsBoundaryArn
  if not thing then return unread(found, "permissions boundary") end
  found.arn = thing.Arn
  if not arn then return end
  found.boundary_arn, found.boundary = arn, M.managed(context, arn)
  if not found.boundary then unread(found, "permissions boundary") end
end

local function of_user(context, name)
  local found, iam = new(), context.session.iam
  context.tasks.all {
    function() policies_of(context, found, "User", name) end,
    function() boundary(context, found, function() return iam.get_user({ UserName = name }).User end) end,
    function()
      local groups = list(context, found, "Groups", function() return iam.list_groups_for_user { UserName = name } end)
      context.tasks.map(groups, function(group) policies_of(context, found, "Group", group.GroupName) end)
    end,
  }
  return found
end

local function of_role(context, name)
  local found, iam = new(), context.session.iam
  context.tasks.all {
    function() policies_of(context, found, "Role", name) end,
    function() boundary(context, found, function() return iam.get_role({ RoleName = name }).Role end) end,
  }
  unread(found, "session policies")
  return found
end

--- All that can be read about whoever has this ARN; nil for the account's root user, whom no policy limits.
---@param context engine.Context
---@param arn string
---@return engine.Documents?
function M.of(context, arn)
  if arn:find ":root$" then return nil end
  local role = arn:match ":assumed%-role/([^/]+)/" or arn:match ":role/.-([^/]+)$"
  local found
  if role then found = of_role(context, role) end
  local user = arn:match ":user/(.+)$"
  if user then found = of_user(context, user:match "[^/]+$") end
  if not found then
    found = new()
    unread(found, "identity policies")
  end
  table.sort(found.identity, function(a, b) return a.name < b.name end)
  return found
end

return M
