--- The settings of Vault's own client: VAULT_*, and BAO_* before it, as OpenBao's client reads them. What is wrong with one raises.
---@class vault.Settings
---@field address string       https://host[:port][/prefix], or unix:///path, as it is shown
---@field url string           the same for who sends there
---@field source string        the variable that names it, or "the default"
---@field transport table      door:endpoint's
---@field namespace string?    "admin/team"
---@field timeout number       seconds
---@field attempts integer     in total
---@field rate { rate: number, burst: number }?  requests a second
---@field proxy_source string?  the variable that names a proxy for Vault alone
---@field warnings string[]    what has to be said when Vault is used
local refusal = require "refusal"

local M = {}

local DEFAULT <const> = "https://127.0.0.1:8200"
local TIMEOUT <const> = 60   -- seconds
local UNITS <const> = { ns = 1e-9, us = 1e-6, ms = 1e-3, s = 1, m = 60, h = 3600 }
local SWITCHES <const> = {}
for word in ("1 t T true TRUE True"):gmatch "%S+" do SWITCHES[word] = true end
for word in ("0 f F false FALSE False"):gmatch "%S+" do SWITCHES[word] = false end

local function misset(message, ...) refusal.raise { kind = "configuration", exit = "usage", message = message:format(...) } end

--- How the variables are called in this environment: BAO_NAME where it is set, also to nothing, else VAULT_NAME.
---@param environment Variables
---@param name string  "ADDR"
---@return string
function M.variable(environment, name)
  return environment.set("BAO_" .. name) and "BAO_" .. name or "VAULT_" .. name
end

--- A setting, and the variable that it is from; nil when it is not set.
---@return string?, string
function M.text(environment, name)
  local variable = M.variable(environment, name)
  return environment.text(variable), variable
end

--- A secret setting for Vault.
---@return userdata?, string
function M.secret(environment, name)
  local variable = M.variable(environment, name)
  return environment.secret(variable, "vault"), variable
end

--- A switch, as Go reads one.
---@return boolean?, string
function M.switch(environment, name)
  local text, variable = M.text(environment, name)
  if text and SWITCHES[text] == nil then misset("%s is '%s'; it must be true or false", variable, text) end
  if text then return SWITCHES[text], variable end
  return nil, variable
end

--- Seconds of "60", "90s", "1m30s"; nil when it is none of these.
---@param text string
---@return number?
function M.duration(text)
  if text:find "^%d+$" then return tonumber(text) end
  local seconds, at = 0, 1
  while at <= #text do
    local number, unit, next_at = text:match("^(%d+%.?%d*)(%a+)()", at)
    if not number or not UNITS[unit] then return nil end
    seconds, at = seconds + number * UNITS[unit], next_at
  end
  return at > 1 and seconds or nil
end

local function timeout(environment)
  local text, variable = M.text(environment, "CLIENT_TIMEOUT")
  local seconds = text and M.duration(text) or TIMEOUT
  if text and not M.duration(text) or seconds <= 0 or seconds > 86400 then misset("%s is '%s'; it must be like 60 or 90s", variable, text) end
  return seconds
end

local function attempts(environment)
  local text, variable = M.text(environment, "MAX_RETRIES")
  local count = math.tointeger(tonumber(text or "2"))
  if not count or count < 0 or count > 100 then misset("%s is '%s'; it must be a number from 0", variable, text) end
  return count + 1
end

local function rate(environment)
  local text, variable = M.text(environment, "RATE_LIMIT")
  if not text then return nil end
  local number, burst = text:match "^([%d.]+):(%d+)$"
  number = number or text:match "^[%d.]+$"
  number, burst = tonumber(number), tonumber(burst)
  if not number or number <= 0 or burst and burst < 1 then
    misset("%s is '%s'; it must be like 10 or 10:20, requests a second and at once", variable, text)
  end
  return { rate = number, burst = burst or number }
end

local function certificates(environment, transport)
  local file, directory = M.text(environment, "CACERT"), M.text(environment, "CAPATH")
  transport.ca_file, transport.ca_text = file, M.text(environment, "CACERT_BYTES")
  transport.ca_directory = not (file or transport.ca_text) and directory or nil
  local certificate, certificate_variable = M.text(environment, "CLIENT_CERT")
  local key, key_variable = M.text(environment, "CLIENT_KEY")
  if (certificate == nil) ~= (key == nil) then
    misset("%s is set and %s is not: both client cert and client key must be provided", certificate and certificate_variable or key_variable,
      certificate and key_variable or certificate_variable)
  end
  transport.client_certificate, transport.client_key = certificate, key
  transport.server_name = M.text(environment, "TLS_SERVER_NAME")
end

-- The port of host[:port]; nil without one.
local function port_of(url) return url:match "^https?://[^/]-:(%d+)%f[/\0]" end

-- Records of the DNS are asked for, by Vault's own client, where the address has no port.
local function check_lookup(environment, url, source)
  local wanted, variable = M.switch(environment, "SRV_LOOKUP")
  if not wanted or url:find "^unix:" or port_of(url) then return end
  misset("%s is set, and cmek looks up no SRV records: name host and port in %s", variable, source == "the default" and "VAULT_ADDR" or source)
end

--- The address as it is shown, what requests are sent to, and the variable that it is from.
local function address(environment, transport)
  local text, source = M.text(environment, "AGENT_ADDR")
  if not text then text, source = M.text(environment, "ADDR") end
  if not text then text, source = DEFAULT, "the default" end
  check_lookup(environment, text, source)
  local socket = text:match "^unix://(/.+)$"
  if socket then
    transport.unix_socket = socket
    return text, "http://localhost", source
  end
  local port = port_of(text)
  if not text:find "^https?://[^/]" then misset("%s is '%s'; it must be like https://vault.example:8200 or unix:///path", source, text) end
  if port and tonumber(port) > 65535 then misset("%s is '%s', and there is no port %s", source, text, port) end
  transport.plain = text:find "^http://" ~= nil
  text = text:gsub("/+$", "")
  return text, text, source
end

local function namespace(environment)
  local text, variable = M.text(environment, "NAMESPACE")
  if text and text:find "[^!-~]" then misset("%s is '%s'; a namespace is like admin/team", variable, text) end
  return text
end

local function proxy(environment)
  for _, name in ipairs { "PROXY_ADDR", "HTTP_PROXY" } do
    local value, variable = M.secret(environment, name)
    if value then return value, variable end
  end
end

-- Whether an address is of this machine: nobody listens on the way.
local function is_here(url, transport)
  local host = url:match "^https?://([^/]+)"
  return transport.unix_socket or host:find "^127%.[%d.]+$" or host:find "^127%.[%d.]+:%d+$" or host:find "^localhost" or host:find "^%[::1%]"
end

local function warnings_of(settings, environment)
  local list, transport = {}, settings.transport
  local skip, variable = M.switch(environment, "SKIP_VERIFY")
  transport.skip_verify = skip or nil
  if skip then
    list[1] = ("%s is set: whoever answers at %s is taken for Vault and gets the token. Name its authority instead: VAULT_CACERT=FILE.pem"):format(
      variable, settings.address)
  end
  if transport.plain and not is_here(settings.address, transport) then
    list[#list + 1] = ("%s is %s: the token and every answer travel in clear. Use https://"):format(settings.source, settings.address)
  end
  local mfa, mfa_variable = M.text(environment, "MFA")
  if mfa then list[#list + 1] = mfa_variable .. " is set, and cmek sends no MFA with its requests" end
  return list
end

--- The settings of an environment.
---@param environment Variables
---@return vault.Settings
function M.read(environment)
  local transport = {}
  local settings = { transport = transport, timeout = timeout(environment), attempts = attempts(environment), rate = rate(environment),
    namespace = namespace(environment) }
  settings.address, settings.url, settings.source = address(environment, transport)
  certificates(environment, transport)
  transport.proxy, settings.proxy_source = proxy(environment)
  settings.warnings = warnings_of(settings, environment)
  return settings
end

return M
