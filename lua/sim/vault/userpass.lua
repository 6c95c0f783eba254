--- The simulated Vault: user names and passwords.
local crypto = require("crypto")
local lockout = require("sim.vault.lockout")
local paths = require("sim.vault.paths")
local refusal = require("sim.vault.refusal")
local roles = require("sim.vault.roles")
local tokens = require("sim.vault.tokens")

local function digest(password) return crypto.hex(crypto.sha256("simulated password: " .. password)) end

local function set_password(_, user)
  if user.password then user.password_sha256, user.password = digest(user.password), nil end
  if not user.password_sha256 then refusal.bad "missing password" end
end

local list_row, user_row = roles.rows { noun = "User", path = "users", store = "users", hidden = { password_sha256 = true },
  fields = { password = "string" }, check = set_password }

local function login(r)
  local user, password = roles.store(r, "users")[r.fields.username:lower()], r.fields.password
  if not password or password == "" then refusal.raise(500, "missing password") end
  local name = r.fields.username:lower()
  if not user then refusal.bad "invalid username or password" end
  lockout.guard(r, name, function()
    if not crypto.equal(user.password_sha256, digest(password)) then refusal.bad "invalid username or password" end
  end)
  return tokens.login(r, user, { display_name = "userpass-" .. name, meta = { username = name }, alias = name })
end

local function change(r)
  local user = roles.store(r, "users")[r.fields.username:lower()] or refusal.bad "username does not exist"
  user.password_sha256 = digest(r.fields.password or refusal.bad "missing password")
end

return { rows = paths.rows {
  { "Login", "^login/(NAME)$", { "username" }, fields = { password = "string" }, open = true, write = login },
  list_row, user_row,
  { "Password", "^users/(NAME)/password$", { "username" }, fields = { password = "string" }, write = change },
} }
