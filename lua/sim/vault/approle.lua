--- The simulated Vault: AppRole. Secret ids end with the process; answers that carry one may come wrapped, as every answer.
local json = require("json")
local lockout = require("sim.vault.lockout")
local paths = require("sim.vault.paths")
local refusal = require("sim.vault.refusal")
local roles = require("sim.vault.roles")
local sorted = require("sorted")
local time = require("sim.time")
local tokens = require("sim.vault.tokens")

local M = {}

local list_row, role_row = roles.rows { noun = "Role", path = "role", store = "roles", hidden = { role_id = true }, fields = {
  bind_secret_id = { "bool", true }, secret_id_num_uses = { "int", 0 }, secret_id_ttl = { "duration", 0 },
  secret_id_bound_cidrs = { "list", json.array {} }, local_secret_ids = { "bool", false }, role_id = "string" },
  check = function(r, role) role.role_id = role.role_id or r.simulation:uuid() end }

local function role_of(r)
  return roles.store(r, "roles")[r.fields.role_name:lower()]
    or refusal.raise(404, ("role %q does not exist"):format(r.fields.role_name))
end

local function secret_ids(r) return roles.store(r, "_secret_ids") end

local function new_secret_id(r)
  local role, f = role_of(r), r.fields
  if not role.bind_secret_id then refusal.bad "bind_secret_id is not set on the role" end
  local id = f.secret_id or r.simulation:uuid()
  local ttl, uses = f.ttl or role.secret_id_ttl, f.num_uses or role.secret_id_num_uses
  local entry = { role = f.role_name:lower(), accessor = r.simulation:uuid(), uses = uses, ttl = ttl, created = r.now,
    expires = ttl > 0 and r.now + ttl or nil }
  secret_ids(r)[id] = entry
  return { data = { secret_id = id, secret_id_accessor = entry.accessor, secret_id_num_uses = uses, secret_id_ttl = ttl } }
end

local function list_secret_ids(r)
  role_of(r)
  local keys = json.array {}
  for _, entry in sorted(secret_ids(r)) do
    if entry.role == r.fields.role_name:lower() then keys[#keys + 1] = entry.accessor end
  end
  return paths.keys(keys)
end

local function live(r, id)
  local entry = id and secret_ids(r)[id]
  if entry and entry.expires and entry.expires <= r.now then
    secret_ids(r)[id] = nil
    return nil
  end
  return entry
end

local function lookup(r)
  local entry = live(r, r.fields.secret_id)
  if not entry or entry.role ~= r.fields.role_name:lower() then return nil end
  return { data = { secret_id_accessor = entry.accessor, secret_id_num_uses = entry.uses, secret_id_ttl = entry.ttl,
    creation_time = time.micros(entry.created), expiration_time = entry.expires and time.micros(entry.expires) or "0001-01-01T00:00:00Z" } }
end

local function use_secret_id(r, role_name)
  local id = r.fields.secret_id
  local entry = live(r, id)
  if not entry or entry.role ~= role_name then refusal.bad "invalid role or secret ID" end
  if entry.uses > 0 then
    entry.uses = entry.uses - 1
    if entry.uses == 0 then secret_ids(r)[id] = nil end
  end
end

local function login(r)
  local f = r.fields
  if not f.role_id or f.role_id == "" then refusal.bad "missing role_id" end
  local role, role_name
  for name, candidate in sorted(roles.store(r, "roles")) do
    if candidate.role_id == f.role_id then role, role_name = candidate, name end
  end
  if not role then refusal.bad "invalid role or secret ID" end
  if role.bind_secret_id then
    if not f.secret_id or f.secret_id == "" then refusal.bad "missing secret_id" end
    lockout.guard(r, f.role_id, function() use_secret_id(r, role_name) end)
  end
  return tokens.login(r, role, { display_name = "approle", meta = { role_name = role_name }, alias = f.role_id })
end

local ROLE <const> = { "role_name" }

M.rows = paths.rows {
  { "Login", "^login$", fields = { role_id = "string", secret_id = "string" }, open = true, write = login },
  list_row, role_row,
  { "RoleID", "^role/(NAME)/role%-id$", ROLE, fields = { role_id = "string" },
    read = function(r) return { data = { role_id = role_of(r).role_id } } end,
    write = function(r) role_of(r).role_id = r.fields.role_id end },
  { "SecretID", "^role/(NAME)/secret%-id$", ROLE, fields = { metadata = "string", cidr_list = "list", token_bound_cidrs = "list",
    num_uses = "int", ttl = "duration" }, write = new_secret_id, list = list_secret_ids },
  { "CustomSecretID", "^role/(NAME)/custom%-secret%-id$", ROLE, fields = { secret_id = "string", num_uses = "int", ttl = "duration",
    metadata = "string" }, write = new_secret_id },
  { "SecretIDLookup", "^role/(NAME)/secret%-id/lookup$", ROLE, fields = { secret_id = "string" }, write = lookup },
  { "SecretIDDestroy", "^role/(NAME)/secret%-id/destroy$", ROLE, fields = { secret_id = "string" },
    write = function(r) secret_ids(r)[r.fields.secret_id or ""] = nil end },
}

return M
