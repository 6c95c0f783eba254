--- Logging in to Vault without a person at the keyboard: a table of methods. Names, roles and files come from VAULT_* (or BAO_*), secrets
--- from variables and files; each method gives the path and the body of its login.
local explain = require "explain"
local refusal = require "refusal"
local secret = require "secret"
local settings = require "vault.settings"

local M = {}

local SERVICE_ACCOUNT <const> = "/var/run/secrets/kubernetes.io/serviceaccount/token"

local function fail(method, message, next_step)
  refusal.raise { service = "vault", kind = "credentials", exit = "credentials", what = ("the login by %s"):format(method), message = message,
    next = next_step }
end

local function unread(method, variable, path, message)
  refusal.raise(explain.tell("vault.login-file", { method = method, variable = variable, path = path }, { service = "vault", kind = "credentials",
    exit = "credentials", what = ("the login by %s"):format(method), message = ("%s: %s"):format(variable, message) }))
end

local function misset(message, ...) refusal.raise { kind = "configuration", exit = "usage", message = message:format(...) } end

-- A text that is sent as it stands: of one line, without the blanks around it that a file or a shell may leave.
local function word_of(client, name)
  local text, variable = settings.text(client.environment, name)
  text = text and text:match "^%s*(.-)%s*$"
  if text and text:find "%c" then misset("%s holds a line end or another character that does not belong there", variable) end
  return text ~= "" and text or nil, variable
end

-- A secret of a variable, or of the file that the variable with _FILE behind it names; nil when neither is set.
local function secret_of(client, method, name)
  local value, variable = settings.secret(client.environment, name)
  if value then return value, variable end
  local path, path_variable = settings.text(client.environment, name .. "_FILE")
  if not path then return nil, variable end
  local message
  value, message = secret.file(path, "vault")
  if not value then unread(method, path_variable, path, message) end
  return value, path_variable
end

local function need(client, method, name)
  local value, variable = secret_of(client, method, name)
  if not value then fail(method, ("%s is not set, nor is %s_FILE"):format(variable, variable), ("export %s_FILE=FILE"):format(variable)) end
  return value, variable
end

local function role(client) return (word_of(client, "ROLE")) end

-- AppRole ------------------------------------------------------------------------------------------------------------

local WRAPPED <const> = "^auth/(.-)/role/[^/]+/secret%-id$"

-- A secret_id that came wrapped: where it was made is looked at before it is unwrapped, which can be done once.
local function unwrap(client, mount, token, variable)
  local facts = { variable = variable }
  local found = client:call { operation = "LookupWrapping", method = "POST", mount = "sys", path = "wrapping/lookup", session = true,
    anonymous = true, body = { token = token }, situation = "vault.wrapped", facts = facts }
  local path = found.creation_path
  if type(path) ~= "string" or path:match(WRAPPED) ~= mount:gsub("^auth/", "") then
    fail("approle", ("what %s wraps was made at '%s', and not by auth/%s: somebody may have put it there in the secret_id's place"):format(
      variable, tostring(path), (mount:gsub("^auth/", ""))), "do not use it; ask who gave it to you")
  end
  local answer = client:call { operation = "Unwrap", method = "POST", mount = "sys", path = "wrapping/unwrap", session = true, token = token,
    situation = "vault.wrapped", facts = facts }
  if not secret.is(answer.secret_id) then fail("approle", ("what %s wraps has no secret_id"):format(variable)) end
  return answer.secret_id
end

local function approle(client, mount)
  local role_id, variable = word_of(client, "ROLE_ID")
  local path, path_variable = settings.text(client.environment, "ROLE_ID_FILE")
  if not role_id and path then
    local text, message = require("file").read(path, 4096)
    role_id = text and text:match "^%s*(.-)%s*$"
    if not text or role_id == "" then unread("approle", path_variable, path, message or ("'%s' is empty"):format(path)) end
  end
  if not role_id then fail("approle", variable .. " is not set, nor is VAULT_ROLE_ID_FILE", "export VAULT_ROLE_ID=…") end
  local secret_id, from = secret_of(client, "approle", "SECRET_ID")
  if secret_id and settings.switch(client.environment, "SECRET_ID_WRAPPED") then
    client.unwrapped = client.unwrapped or unwrap(client, mount, secret_id, from)
    secret_id = client.unwrapped
  end
  return "login", { role_id = role_id, secret_id = secret_id }   -- a role may do without a secret_id
end

-- AWS ----------------------------------------------------------------------------------------------------------------

-- The hosts of STS outside of the partition that has a global one.
local REGIONAL <const> = { ["aws-cn"] = "https://sts.%s.amazonaws.com.cn/", ["aws-us-gov"] = "https://sts.%s.amazonaws.com/" }

local function aws(client)
  local keys, partition, region = client.identity()
  local wanted, variable = word_of(client, "AWS_STS_REGION")
  if wanted and not wanted:find "^[%l%d][%l%d-]*%d$" then misset("%s is '%s'; a region is like eu-west-1", variable, wanted) end
  local pattern = REGIONAL[partition] or wanted and "https://sts.%s.amazonaws.com/"
  region = wanted or region
  local body = client.door.vault.sign_identity { url = pattern and pattern:format(region) or nil, region = pattern and region or nil,
    server_id = word_of(client, "AWS_IAM_SERVER_ID"), session_key = client.session_key,
    credentials = { access_key_id = keys.access_key_id, secret_access_key = keys.secret_access_key, session_token = keys.session_token } }
  body.role = role(client)
  return "login", body
end

-- What the words of a refusal say of it.
local AWS_REFUSALS <const> = { { "permission denied", "vault.login-denied" }, { "from STS", "vault.login-sts" },
  { "IAM-Server-ID", "vault.login-server-id" } }

-- The others ---------------------------------------------------------------------------------------------------------

local function kubernetes(client)
  local jwt = secret_of(client, "kubernetes", "JWT")
  local message
  if not jwt then jwt, message = secret.file(SERVICE_ACCOUNT, "vault") end
  if not jwt then fail("kubernetes", message, "run this in a pod with a service account, or export VAULT_JWT_FILE=FILE") end
  if not role(client) then fail("kubernetes", "VAULT_ROLE is not set", "export VAULT_ROLE=ROLE") end
  return "login", { role = role(client), jwt = jwt }
end

local function jwt_login(client) return "login", { role = role(client), jwt = need(client, "jwt", "JWT") } end

local function userpass(client)
  local name, variable = word_of(client, "USERNAME")
  if not name then fail("userpass", variable .. " is not set", "export VAULT_USERNAME=NAME") end
  if not name:find "^[%w_.@+-]+$" then misset("%s is '%s', which is no user's name", variable, name) end
  return "login/" .. name:lower(), { password = need(client, "userpass", "PASSWORD") }
end

local function certificate(client)
  if not client.settings.transport.client_certificate then
    fail("cert", "VAULT_CLIENT_CERT and VAULT_CLIENT_KEY are not set", "export VAULT_CLIENT_CERT=FILE.pem VAULT_CLIENT_KEY=FILE.pem")
  end
  return "login", { name = role(client) }
end

-- Of each method, what to look at when it is refused; where 403 says more than that something is wrong, what.
local CHECK <const> = {
  approle = "VAULT_ROLE_ID and VAULT_SECRET_ID (used up, ended, or still wrapped: VAULT_SECRET_ID_WRAPPED=true)",
  aws = "VAULT_ROLE, and that it admits the ARN that cmek whoami tells",
  cert = "VAULT_CLIENT_CERT, and that a role of the mount (VAULT_ROLE) knows it or its authority",
  jwt = "VAULT_ROLE, and that VAULT_JWT is of the issuer and audience that the role wants and has not ended",
  kubernetes = "VAULT_ROLE, and that the service account's token (VAULT_JWT_FILE) is of this cluster and has not ended",
  userpass = "VAULT_USERNAME and VAULT_PASSWORD",
}
local NOTHING_THERE <const> = "no login is mounted there"
local DENIED <const> = {
  approle = NOTHING_THERE .. ", or the role is locked after too many wrong attempts (for 15 minutes, where nothing else is set)",
  userpass = NOTHING_THERE .. ", or the user is locked after too many wrong passwords (for 15 minutes, where nothing else is set)",
  kubernetes = NOTHING_THERE .. ", or the service account's token has ended, or is of another cluster or audience than the mount knows",
}
local DENIALS <const> = { { "permission denied", "vault.login-denied" } }

local METHODS <const> = { approle = approle, aws = aws, cert = certificate, jwt = jwt_login, kubernetes = kubernetes, userpass = userpass }

--- The names of --vault-auth.
M.NAMES = { "token", "approle", "aws", "cert", "jwt", "kubernetes", "userpass" }

--- Logs in by the client's method.
---@param client vault.Client
---@return table auth      of the envelope
---@return string source   "the login by approle"
function M.run(client)
  local method = client.method
  local build = METHODS[method]
  if not build then
    refusal.raise { kind = "configuration", exit = "usage",
      message = ("--vault-auth '%s' is no method; there are %s"):format(method, table.concat(M.NAMES, ", ")) }
  end
  local mount = "auth/" .. (client.mount or method):gsub("^/+", ""):gsub("^auth/", ""):gsub("/+$", "")
  if not mount:find "^auth/[%w_.@/-]+$" or mount:find "//" or mount:find("..", 1, true) then
    misset("--vault-auth-mount is '%s'; a mount is like %s or team/%s", client.mount, method, method)
  end
  local path, body = build(client, mount)
  local source = "the login by " .. method
  local facts = { method = method, mount = mount, address = client.settings.address, check = CHECK[method],
    denied = DENIED[method] or NOTHING_THERE }
  local envelope = client:call { operation = "Login", method = "POST", mount = mount, path = path, body = body, session = true, anonymous = true,
    envelope = true, situation = "vault.login", situations = method == "aws" and AWS_REFUSALS or DENIALS, facts = facts }
  local auth = envelope.auth
  if type(auth) ~= "table" or not secret.is(auth.client_token) or secret.length(auth.client_token) == 0 then
    local mfa = type(auth) == "table" and auth.mfa_requirement
    refusal.raise(explain.tell(mfa and "vault.mfa" or "vault.login", facts,
      { service = "vault", operation = "Login", kind = "credentials", exit = "credentials",
        message = mfa and "the login wants a second factor" or "the answer has no auth.client_token" }))
  end
  return auth, source
end

return M
