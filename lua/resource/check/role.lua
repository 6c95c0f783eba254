--- What verify asks of the role, one by one: whose it is, whom it trusts, what it may do.
local foreign = require "engine.policy.foreign"
local json = require "json"
local mend = require "engine.mend"
local names = require "names"
local policies = require "policy"
local role = require "resource.role"
local unknown = require "unknown"

local M = {}

local SESSION <const> = 3600   -- seconds: what IAM gives a role, and what role chaining is held to anyway

local function run(engine) return mend.cmek(engine, "run") end

-- Whose it is ------------------------------------------------------------------------------------------------------------

local function owner(engine, list, want, have)
  local reason = role.foreign(engine.context, want, have)
  if not reason then return list:ok "role.owner" end
  if have.unreadable.tags then return list:unknown("role.owner", have.unreadable.tags) end
  list:finding("role.owner", { field = "tags." .. names.TAG_CLUSTER, have = have.tags[names.TAG_CLUSTER], want = want.cluster.id, text = reason })
end

local function tags(engine, list, want, have)
  for _, difference in ipairs(role.tag_differences(want, have)) do
    list:finding("role.tags", { field = difference.field, have = difference.have, want = difference.want, mend = run(engine) })
  end
  if list:sound "role.tags" then list:ok "role.tags" end
end

-- Whom it trusts -----------------------------------------------------------------------------------------------------------

-- The check that a field of the trust policy belongs to.
local function check_of(field)
  if field:find "%]%.N?o?t?Principal" then return "role.trust.principal" end
  if field:find "%]%.N?o?t?Action" then return "role.trust.action" end
  if field:find "%.sts:[Ee]xternal[Ii]d$" then return "role.trust.external_id" end
  return "role.trust"
end

local PARTS <const> = { "role.trust", "role.trust.principal", "role.trust.action", "role.trust.external_id" }

-- Own statements, field by field. What is wanted and not known cannot be judged.
local function trust(engine, list, want, have)
  local ok, differences = pcall(policies.differences, want.trust, have.trust)
  if not ok then return list:unknown("role.trust", differences) end
  local left_out = {}
  for _, difference in ipairs(differences) do
    local id = check_of(difference.field)
    local whole = difference.field:find "%]$" ~= nil   -- the statement is missing
    for _, part in ipairs(whole and PARTS or { id }) do left_out[part] = true end
    if not unknown.has(difference.want) then
      list:finding(id, { field = "trust." .. difference.field, have = difference.have, want = difference.want, mend = run(engine) })
    end
  end
  for _, part in ipairs(PARTS) do
    if not left_out[part] then list:ok(part) end
  end
end

local function others(engine, list, want, have)
  local ok, statements = pcall(policies.foreign, want.trust, have.trust)
  if not ok then return end   -- said by role.trust
  local account, shown = have.arn:match "^arn:[^:]*:iam::(%d+):", {}
  for _, statement in ipairs(statements) do
    local who = foreign.outsiders(statement, account)
    if #who > 0 then
      list:finding("role.trust.foreign", { field = "trust." .. foreign.label(statement), have = json.encode(statement),
        text = ("%s may assume the role as well, and so use the keys"):format(table.concat(who, ", ")),
        mend = mend.trust(engine, { name = want.name, trust = have.trust }, statement) })
    else
      shown[#shown + 1] = json.encode(statement)
    end
  end
  if list:sound "role.trust.foreign" then list:ok("role.trust.foreign", #shown > 0 and "kept: " .. table.concat(shown, "; ") or nil) end
end

-- What it may do -------------------------------------------------------------------------------------------------------------

local function permissions(engine, list, want, have)
  if not have.permissions then return list:unknown("role.permissions", have.unreadable.permissions) end
  for _, name in ipairs(have.permissions) do
    local attached = name:find "^arn:"
    list:finding("role.permissions", { field = "permissions", have = name, want = json.null,
      text = "the role needs no permissions: the keys' policies grant what it does",
      mend = attached and mend.aws(engine, "iam", "detach-role-policy", "--role-name", want.name, "--policy-arn", name)
        or mend.aws(engine, "iam", "delete-role-policy", "--role-name", want.name, "--policy-name", name) })
  end
  if #have.permissions == 0 then list:ok "role.permissions" end
end

local function path(list, want, have)
  if (want.path or have.path) == have.path then return list:ok("role.path", have.path) end
  list:finding("role.path", { field = "Path", have = have.path, want = want.path,
    text = "a role keeps its path for life: name another role, or this one's path" })
end

-- Whether it is the wanted one; whether it leaves what is needed is asked once the keys are known.
local function boundary(engine, list, want, have)
  if not want.boundary or want.boundary == have.boundary then return end
  list:finding("role.boundary", { field = "PermissionsBoundary", have = have.boundary or json.null, want = want.boundary, mend = run(engine) })
end

local function session(engine, list, want, have)
  if have.max_session == nil then return end   -- IAM did not say
  if have.max_session == SESSION then return list:ok "role.session" end
  list:finding("role.session", { field = "MaxSessionDuration", have = have.max_session, want = SESSION,
    mend = mend.aws(engine, "iam", "update-role", "--role-name", want.name, "--max-session-duration", SESSION) })
end

--- The checks of a role that was looked for.
---@param engine table
---@param list engine.Checks
---@param want table
---@param have table?
---@param mode "ensure"|"read"  read: another recipe makes it
function M.inspect(engine, list, want, have, mode)
  if not have then
    local command = mode == "read" and mend.cmek(engine, "run", "console", mend.CHAIN) or run(engine)
    return list:finding("role.exists", { have = "missing", want = "present", mend = command })
  end
  list:ok "role.exists"
  owner(engine, list, want, have)
  if not list:sound "role.owner" then return end
  tags(engine, list, want, have)
  if want.trust then
    trust(engine, list, want, have)
    others(engine, list, want, have)
  end
  path(list, want, have)
  permissions(engine, list, want, have)
  boundary(engine, list, want, have)
  session(engine, list, want, have)
end

return M
