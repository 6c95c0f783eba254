--- The access check of a simulated Cloud whose AWS is a real one, or another simulator (`cmek sim --only cloud --mixed`).
--- Nobody here can assume the role as CockroachDB would, so the operator's own credentials read the role's trust, the key and
--- its policy, and policy.evaluate says what CockroachDB could do.
local policy = require "policy"

local M = {}

local ACTIONS <const> = { "kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey", "kms:ReEncryptFrom", "kms:ReEncryptTo" }

local ASSUME <const> = { Version = "2012-10-17", Statement = { { Effect = "Allow", Action = "sts:AssumeRole", Resource = "*" } } }

local function check_trust(simulation, cluster, role)
  local name = "crl-kms-user-" .. cluster.id:sub(-12)
  local result = policy.evaluate {
    principal = { kind = "session", account = cluster.account_id, role_arn = ("arn:aws:iam::%s:role/%s"):format(cluster.account_id, name),
      arn = ("arn:aws:sts::%s:assumed-role/%s/cmek"):format(cluster.account_id, name) },
    identity = { ASSUME }, action = "sts:AssumeRole", resource = role.Arn, resource_kind = "role",
    resource_policy = role.AssumeRolePolicyDocument, context = { ["sts:ExternalId"] = simulation.state.cloud.organization.id },
  }
  if result.verdict ~= "allowed" then return nil, ("the role %s cannot be assumed: %s"):format(role.Arn, result.text) end
  return true
end

local function check_grants(role, key, document)
  local account, name = role.Arn:match "::(%d+):role/(.*)$"
  for _, action in ipairs(ACTIONS) do
    local result = policy.evaluate {
      principal = { kind = "session", account = account, role_arn = role.Arn, unique_id = role.RoleId,
        arn = ("arn:aws:sts::%s:assumed-role/%s/cockroachdb-cmek"):format(account, name:match "[^/]+$") },
      action = action, resource = key.Arn, resource_kind = "key", resource_policy = document,
      identity = {},   -- the role has no permissions of its own
    }
    if result.verdict ~= "allowed" then return nil, ("%s: %s"):format(action, result.text) end
  end
  return true
end

-- What a service leaves out of its answer is unknown, and no reason to refuse.
local function check_key(key)
  local wanted = { KeyUsage = "ENCRYPT_DECRYPT", KeySpec = "SYMMETRIC_DEFAULT", KeyState = "Enabled" }
  for _, field in ipairs { "KeyUsage", "KeySpec", "KeyState" } do
    if key[field] ~= nil and key[field] ~= wanted[field] then return nil, ("the key's %s is %s, not %s"):format(field, key[field], wanted[field]) end
  end
  return true
end

local function check(session, simulation, cluster, spec)
  local region = spec.uri:match "^arn:aws:kms:([^:]+):"
  session.door:region(region)
  local role = session.iam.find_role { RoleName = spec.auth_principal:match "[^/]+$" }
  if not role or role.Arn ~= spec.auth_principal then return nil, ("there is no role %s"):format(spec.auth_principal) end
  local key = session.kms.find_key { region = region, KeyId = spec.uri }
  if not key then return nil, ("there is no key %s"):format(spec.uri) end
  for _, step in ipairs {
    function() return check_trust(simulation, cluster, role) end,
    function() return check_key(key) end,
    function() return check_grants(role, key, session.kms.get_key_policy { region = region, KeyId = spec.uri }.Policy) end,
  } do
    local ok, message = step()
    if not ok then return nil, message end
  end
  return true
end

--- A check_access for a simulation, over the operator's own session, which is opened when the first key is to be tried.
--- What the services refuse, refuses the check.
---@param door table  of its own, not yet sealed
---@return fun(simulation: table, cluster: table, spec: table): true|nil, string?
function M.access(door)
  local session
  local function connect()
    if session then return session end
    session = require("session").open { door = door }
    session:seal()
    return session
  end
  return function(simulation, cluster, spec)
    local ok, result, message = pcall(function()
      return connect().tasks.run(check, session, simulation, cluster, spec)
    end)
    if not ok then return nil, tostring(result) end
    return result, message
  end
end

return M
