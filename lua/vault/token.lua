--- The token of Vault: the environment's, a token helper's or ~/.vault-token, or one that a login makes, which is renewed while it is in
--- use and given back at the end. It never is a Lua string.
---@class vault.Token
---@field source string?   "VAULT_TOKEN", "the token helper", "~/.vault-token", "the login by approle" …; once it is known
---@field ends number?     seconds since the epoch, where it is known
local Token = { __name = "vault.Token" }
Token.__index = Token

local explain = require "explain"
local file = require "file"
local process = require "process"
local refusal = require "refusal"
local secret = require "secret"
local settings = require "vault.settings"

local M = {}

local LEAST <const> = 10        -- seconds: what ends sooner is not worth renewing
local HELPER_MAX <const> = 65536

---@param client vault.Client
function M.new(client) return setmetatable({ client = client }, Token) end

local function fail(message, next_step)
  refusal.raise { service = "vault", kind = "credentials", exit = "credentials", what = "looking for a token", message = message, next = next_step }
end

-- Where it stands ----------------------------------------------------------------------------------------------------

-- token_helper = "/path" of ~/.vault; the first that stands there.
local function helper_of(environment, home)
  local path = settings.text(environment, "CONFIG_PATH") or home and home .. "/.vault"
  local text = path and file.exists(path) and file.read(path, HELPER_MAX) or ""
  for line in text:gmatch "[^\r\n]+" do
    local command = line:match '^%s*token_helper%s*=%s*"(.-)"%s*$'
    if command and command ~= "" then return command, path end
  end
end

-- A helper is run by a shell, with `get` as its last word; nothing on stdout is no token.
local function ask_helper(command, path)
  local result, message = process.run { argv = { "/bin/sh", "-c", command .. " get" }, secret = true, audience = "vault", timeout = 60 }
  local following = ("run it by hand: %s get; or take token_helper out of %s and export VAULT_TOKEN=…"):format(command, path)
  if not result then fail(("the token helper of %s cannot be run: %s"):format(path, message), following) end
  if result.status ~= 0 then
    fail(("the token helper of %s failed (%s): %s"):format(path, result.status or "signal " .. tostring(result.signal),
      explain.glimpse(result.error_output)), following)
  end
  return secret.is(result.output) and secret.length(result.output) > 0 and result.output or nil
end

-- A token that stands somewhere, and where; nil when none does.
local function find(client)
  local environment = client.environment
  local token, variable = settings.secret(environment, "TOKEN")
  if token then return token, variable end
  local home = environment.text "HOME"
  local command, path = helper_of(environment, home)
  if command then
    token = ask_helper(command, path)
    if token then return token, "the token helper " .. command end
    return nil
  end
  path = environment.text "BAO_TOKEN_PATH" or home and home .. "/.vault-token"
  if not path or not file.exists(path) then return nil end
  local message
  token, message = secret.file(path, "vault")
  if token then   -- as Vault's own client takes it: blanks around it do not count, and nothing is no token
    token = secret.trimmed(token)
    return secret.length(token) > 0 and token or nil, path
  end
  if message:find ": it is empty$" then return nil end
  fail(message, "vault login writes it anew, or export VAULT_TOKEN=…")
end

local function none(client)
  refusal.raise(explain.tell("vault.no-token", { address = client.settings.address }, { service = "vault", kind = "credentials", exit = "credentials",
    what = "talking to Vault", message = "no token for Vault" }))
end

-- Its life -----------------------------------------------------------------------------------------------------------

-- What is known of a token that somebody else made: a policy may forbid it to look, and then nothing is.
local function look(self)
  local client = self.client
  local response = client.door.vault.request { method = "GET", mount = "auth/token", path = "lookup-self", namespace = client:namespace(),
    token = self.value, timeout = client.settings.timeout, session_key = client.session_key }
  local data = response and response.status == 200 and type(response.body) == "table" and type(response.body.data) == "table" and response.body.data
  if not data then return end
  self.described = data
  if type(data.ttl) == "number" and data.ttl > 0 then self.ends, self.renewable = client.door.clock.now() + data.ttl, data.renewable == true end
end

-- Prolongs it; false when that is refused.
local function prolong(self)
  local client = self.client
  local response = client.door.vault.request { method = "POST", mount = "auth/token", path = "renew-self", namespace = client:namespace(),
    token = self.value, body = {}, timeout = client.settings.timeout, session_key = client.session_key }
  local auth = response and response.status == 200 and type(response.body) == "table" and response.body.auth
  if type(auth) ~= "table" or type(auth.lease_duration) ~= "number" or auth.lease_duration <= 0 then return false end
  self.ends = client.door.clock.now() + auth.lease_duration
  return true
end

-- Renews it at half of its life, for as long as other tasks run.
local function keep(self)
  if not self.renewable or not self.ends then return end
  local value, tasks, clock = self.value, self.client.tasks, self.client.door.clock
  tasks.daemon(function()
    while self.value == value do
      local left = self.ends - clock.now()
      if left < LEAST then return end
      tasks.sleep(left / 2)
      if self.value ~= value or not prolong(self) then return end
    end
  end)
end

local function take_login(self)
  local login = require "vault.login"
  local auth, source = login.run(self.client)
  self.value, self.source, self.made, self.described = auth.client_token, source, true, nil
  local lasting = auth.lease_duration or 0
  self.ends = lasting > 0 and self.client.door.clock.now() + lasting or nil
  self.renewable = auth.renewable == true
end

local function load(self)
  local client = self.client
  client:use()
  if client.method and client.method ~= "token" then
    take_login(self)
  else
    local token, source = find(client)
    if not token then none(client) end
    self.value, self.source, self.made = token, source, false
    look(self)
  end
  keep(self)
  return self.value
end

--- The token. One task finds it, others that need it meanwhile wait for the same.
---@return userdata
function Token:get()
  if self.value then return self.value end
  local loading = self.loading or self.client.tasks.spawn(load, self)
  self.loading = loading
  local ok, value = pcall(loading.wait, loading)
  if self.loading == loading then self.loading = nil end
  if not ok then error(value, 0) end
  return value
end

--- Logs in anew after Vault refused a token of a login.
---@param used userdata
---@return boolean  there is another now
function Token:renew(used)
  if self.value and self.value ~= used then return true end
  if not self.made or not self.ends or self.ends > self.client.door.clock.now() then return false end
  self.value = nil
  self:get()
  return true
end

--- Forgets the token. What a login made is to be revoked.
---@return { token: userdata, ends: number? }?
function Token:forget()
  local value, made = self.value, self.made
  self.value, self.loading = nil, nil
  if made and value then return { token = value, ends = self.ends } end
end

return M
