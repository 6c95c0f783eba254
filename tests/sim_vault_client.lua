--- A client of the simulated Vault for tests: raw requests, sharing nothing with the library. The AWS side is tests/sim_client.lua,
--- in the same simulation.
--- local vault = dofile("tests/sim_vault_client.lua").new { options of sim.new }
local json = require "json"
local sorted = require "sorted"

local M = {}

M.ROOT = "hvs.SIMULATEDCMEKROOTTOKEN01"

local Client = {}
Client.__index = Client

function M.new(options)
  local settings = { only = { aws = true, vault = true } }
  for name, value in sorted(options or {}) do settings[name] = value end
  local aws = dofile("tests/sim_client.lua").new(settings)
  return setmetatable({ aws = aws, token = M.ROOT }, Client)
end

--- An answer { status, body, errors, headers }: what { method, path, body, token (false: none), namespace, wrap, headers } brings.
function Client:send(what)
  local headers = { { "Host", "127.0.0.1:8200" }, { "X-Vault-Request", "true" } }
  local token = what.token == nil and self.token or what.token
  if token then headers[#headers + 1] = { "X-Vault-Token", token } end
  local namespace = what.namespace or self.namespace
  if namespace then headers[#headers + 1] = { "X-Vault-Namespace", namespace } end
  if what.wrap then headers[#headers + 1] = { "X-Vault-Wrap-TTL", what.wrap } end
  for _, header in ipairs(what.headers or {}) do headers[#headers + 1] = header end
  local body = type(what.body) == "table" and json.encode(what.body) or what.body or ""
  local response = self.aws.simulation:handle { method = what.method or "GET", target = "/v1/" .. what.path, headers = headers, body = body }
  local answer = { status = response.status, headers = {}, response = response }
  for _, header in ipairs(response.headers) do answer.headers[header[1]:lower()] = header[2] end
  answer.body = response.body ~= "" and json.decode(response.body) or nil
  answer.errors = type(answer.body) == "table" and answer.body.errors or nil
  return answer
end

local function more_of(what, more)
  for name, value in sorted(more or {}) do what[name] = value end
  return what
end

--- The data of an answer (its auth for a login); nil for 204. Raises when the request was refused.
function Client:call(method, path, body, more)
  local answer = self:send(more_of({ method = method, path = path, body = body }, more))
  if answer.status >= 400 then
    error(("%s %s: %d %s"):format(method, path, answer.status, table.concat(answer.errors or {}, "; ")), 2)
  end
  local envelope = answer.body
  if not envelope then return nil, answer end
  return envelope.data ~= json.null and envelope.data or envelope.auth ~= json.null and envelope.auth or nil, answer
end

--- The refusal of a request, as "STATUS text"; raises when there is none.
function Client:refusal(method, path, body, more)
  local answer = self:send(more_of({ method = method, path = path, body = body }, more))
  if answer.status < 400 then error(("%s %s was not refused: %d"):format(method, path, answer.status), 2) end
  return ("%d %s"):format(answer.status, table.concat(answer.errors or {}, "; "))
end

--- A token with these policies' texts.
function Client:token_with(...)
  local names = {}
  for i, text in ipairs { ... } do
    names[i] = ("test-%d-%d"):format(#self.aws.entries, i)
    self:call("PUT", "sys/policies/acl/" .. names[i], { policy = text })
  end
  return self:call("POST", "auth/token/create", { policies = json.array(names), no_default_policy = true }).client_token
end

return M
