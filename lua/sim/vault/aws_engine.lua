--- The simulated Vault: the AWS secrets engine, whose credentials are good in the simulated AWS until their lease ends.
local aws_state = require("sim.state")
local json = require("json")
local paths = require("sim.vault.paths")
local refusal = require("sim.vault.refusal")
local roles = require("sim.vault.roles")
local state = require("sim.vault.state")
local sts = require("sim.sts")

local KINDS <const> = { assumed_role = true, iam_user = true }

local list_row, role_row = roles.rows { noun = "Role", path = "roles", store = "roles", lower = false, fields = {
  credential_type = { "string", "" }, role_arns = { "list", json.array {} }, policy_arns = { "list", json.array {} },
  policy_document = { "string", "" }, default_sts_ttl = { "duration", 0 }, max_sts_ttl = { "duration", 0 } },
  check = function(_, role)
    if not KINDS[role.credential_type] then refusal.bad("unrecognized credential type: %s", role.credential_type) end
  end }

-- The answer with its lease, which a revocation ends early.
local function leased(r, data, seconds, revoke)
  local id = ("%s%s/%s"):format(r.mount_path, r.inner, r.simulation:hex(12))
  r.vault._leases[id] = { ttl = seconds, expires = r.now + seconds, revoke = revoke }
  data.ttl = seconds
  return { data = data, lease_id = id, lease_duration = seconds, renewable = revoke ~= nil and data.session_token == json.null }
end

local function chosen_arn(r, role)
  local wanted = r.fields.role_arn
  if not wanted or wanted == "" then
    if #role.role_arns ~= 1 then refusal.bad "did not supply a role_arn parameter and unable to determine one" end
    return role.role_arns[1]
  end
  for _, arn in ipairs(role.role_arns) do
    if arn == wanted then return arn end
  end
  refusal.bad("role_arn %q not in allowed role arns for Vault role %q", wanted, r.captured.name)
end

local function assume(r, role)
  local arn = chosen_arn(r, role)
  local target = aws_state.find_role_arn(r.simulation.state, arn)
  if not target then
    refusal.bad("error assuming role: AccessDenied: User: arn:aws:iam::%s:user/%s is not authorized to perform: sts:AssumeRole on resource: %s",
      state.SERVER.account, state.SERVER.name, arn)
  end
  local given = r.fields.ttl and r.fields.ttl > 0 and r.fields.ttl or nil
  local seconds = given or role.default_sts_ttl > 0 and role.default_sts_ttl or 3600
  local name = r.fields.role_session_name or ("vault-%s-%s"):format(r.token.display_name, r.captured.name):sub(1, 32)
  local session = sts.open(r.simulation, target, { name = name, seconds = seconds })
  local sessions = r.simulation.state._sessions
  return leased(r, { access_key = session.access_key_id, secret_key = session.secret, security_token = session.token, session_token = session.token,
    arn = ("arn:aws:sts::%s:assumed-role/%s/%s"):format(arn:match "::(%d+):", target.RoleName, name) }, seconds,
    function() sessions[session.access_key_id] = nil end)
end

local function make_user(r, role)
  local name = ("vault-%s-%s-%s"):format(r.token.display_name, r.captured.name, r.simulation:hex(5)):sub(1, 64)
  local user = r.simulation:add_user { account = state.SERVER.account, name = name,
    policies = role.policy_document ~= "" and { role.policy_document } or {} }
  local keys = r.simulation.state._access_keys
  return leased(r, { access_key = user.access_key_id, secret_key = user.secret_access_key, security_token = json.null, session_token = json.null },
    2764800, function() keys[user.access_key_id] = nil end)
end

local function credentials(r)
  local role = roles.store(r, "roles")[r.captured.name] or refusal.bad('Role "%s" not found', r.captured.name)
  if role.credential_type == "assumed_role" then return assume(r, role) end
  return make_user(r, role)
end

local CREDENTIALS <const> = { role_arn = "string", role_session_name = "string", ttl = "duration" }

return { rows = paths.rows {
  { "ConfigRoot", "^config/root$", fields = { access_key = "string", secret_key = "string", region = "string", iam_endpoint = "string",
    sts_endpoint = "string", max_retries = "int" }, write = function() end },
  list_row, role_row,
  { "Credentials", "^creds/(NAME)$", { "name" }, fields = CREDENTIALS, read = credentials, write = credentials },
  { "Credentials", "^sts/(NAME)$", { "name" }, fields = CREDENTIALS, read = credentials, write = credentials },
} }
