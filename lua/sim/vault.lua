--- The simulated Vault: from a request to its answer, in the order of checks that the fact sheet on Vault has (its section 6.1):
--- sealed, body, namespace, token, policies, route, path and verb, and then the engine. The engines are sim/vault/*.lua.
local crypto = require("crypto")
local faults = require("sim.faults")
local fields = require("sim.vault.fields")
local json = require("json")
local paths = require("sim.vault.paths")
local policy = require("sim.vault.policy")
local refusal = require("sim.vault.refusal")
local sorted = require("sorted")
local state = require("sim.vault.state")
local tokens = require("sim.vault.tokens")
local wire = require("sim.wire")
local wrapping = require("sim.vault.wrapping")

local M = {}

local ENGINES <const> = {
  system = "sim.vault.system", token = "sim.vault.auth_token", approle = "sim.vault.approle", userpass = "sim.vault.userpass",
  jwt = "sim.vault.jwt", oidc = "sim.vault.jwt", kubernetes = "sim.vault.kubernetes", cert = "sim.vault.cert", aws_auth = "sim.vault.aws_login",
  aws = "sim.vault.aws_engine",
  kv = "sim.vault.kv", transit = "sim.vault.transit", keymgmt = "sim.vault.keymgmt", cubbyhole = "sim.vault.cubbyhole",
}

local LOGINS <const> = { token = true, approle = true, userpass = true, jwt = true, oidc = true, kubernetes = true, cert = true }

local METHODS <const> = { GET = "read", LIST = "list", POST = "write", PUT = "write", PATCH = "patch", DELETE = "delete", HEAD = "head" }

-- ---- the state ----

--- The engines that can be mounted, and the logins, by type: the module that has the rows; nil for what is not in the catalog.
---@param vault table
---@param kind string
---@param login boolean?
---@return string? module
function M.engine(vault, kind, login)
  local edition = state.EDITIONS[vault.edition]
  if login then
    if kind == "aws" then return not edition.bao and ENGINES.aws_auth or nil end
    return LOGINS[kind] and ENGINES[kind] or nil
  end
  if kind == "keymgmt" then return edition.licensed and ENGINES.keymgmt or nil end
  if kind == "aws" then return not edition.bao and ENGINES.aws or nil end
  if kind == "kv" or kind == "transit" or kind == "system" or kind == "cubbyhole" then return ENGINES[kind] end
end

-- Whom the server is in AWS. A document of an earlier run brings the user, and not his keys.
local function add_server(simulation)
  local who = state.SERVER
  local account = simulation.state.aws[who.account]
  for _, user in ipairs(account and account.iam.users or {}) do
    if user.UserName == who.name then
      simulation.state._access_keys[who.access_key_id] = { account = who.account, secret = who.secret_access_key, user = who.name }
      return
    end
  end
  simulation:add_user(who)
end

--- A server as it is after its start, or as a document of an earlier run has it.
---@param simulation table
---@param document table?
---@return table vault
function M.new_state(simulation, document)
  local choices = simulation.vault or {}
  local vault = document and document.namespaces and document or state.new(choices.edition)
  if choices.edition then vault.edition = choices.edition end
  state.start(vault, simulation:time())
  if simulation:serves "aws" then add_server(simulation) end
  return vault
end

-- ---- reading a request ----

local function query_of(text)
  local query = {}
  for _, pair in ipairs(wire.form(text)) do query[pair[1]] = pair[2] end
  return query
end

local function read_target(r)
  local path, query = r.request.target:match "^/v1/([^?]*)%??(.*)$"
  r.path, r.query = crypto.percent_decode(path), query_of(query)
  r.verb = METHODS[r.request.method]
  if r.verb == "read" and (r.query.list == "true" or r.query.list == "1") then r.verb = "list" end
end

local function read_body(r)
  r.given = {}
  if r.verb == "read" or r.verb == "list" or r.verb == "delete" then
    for name, value in sorted(r.query) do
      if name ~= "list" then r.given[name] = value end
    end
  end
  local body = r.request.body or ""
  if body == "" or r.verb == "read" or r.verb == "list" then return end
  local kind = wire.header(r.request, "content-type") or ""
  if r.verb == "patch" and not kind:find("application/merge-patch+json", 1, true) then
    refusal.raise(415, "PATCH requires Content-Type of application/merge-patch+json, provided " .. kind)
  end
  local value, message = json.decode(body)
  if value == json.null then return end   -- `vault write -f` sends it
  if type(value) ~= "table" or json.is_array(value) then
    refusal.bad("failed to parse JSON input: %s", message or "an object is wanted")
  end
  r.given = value
end

-- ---- namespace and route ----

-- What the root namespace alone has, as OpenBao says it (what Vault does is not known, and so not simulated); what is asked of the server,
-- whatever the namespace.
local ROOT_ALONE <const> = { ["sys/health"] = true, ["sys/init"] = true }
local OF_SERVER <const> = { ["sys/seal-status"] = true, ["sys/leader"] = true }

local function read_namespace(r)
  local edition = state.EDITIONS[r.vault.edition]
  local header = wire.header(r.request, "x-vault-namespace") or ""
  local name = header:gsub("^/+", ""):gsub("/*$", "/"):gsub("^root/", ""):gsub("^/$", "")
  if not edition.namespaces then name = "" end
  if OF_SERVER[r.path] then name = "" end
  local full = name .. r.path
  for path in sorted(r.vault.namespaces) do   -- sorted: a longer one that begins alike comes later
    if full:sub(1, #path) == path and #path >= #name then r.namespace = r.vault.namespaces[path] end
  end
  if edition.bao and #name > 0 and ROOT_ALONE[r.path] then refusal.bad "operation unavailable in namespaces" end
  if not r.namespace or (#name > 0 and not r.vault.namespaces[name]) then
    refusal.raise(404, edition.bao and "namespace not found" or ('no handler for route "%s". route entry not found.'):format(r.path))
  end
  r.path = full:sub(#r.namespace.path + 1)
end

local function longest(list, path)
  local found
  for prefix in sorted(list) do
    if (path .. "/"):sub(1, #prefix) == prefix and (not found or #prefix > #found) then found = prefix end
  end
  return found
end

local function find_route(r)
  local login = r.path:match "^auth/(.*)$"
  local list, inner = login and r.namespace.auth or r.namespace.mounts, login or r.path
  local prefix = longest(list, inner)
  r.operation = "vault/none"
  if not prefix then return end
  r.mount, r.mount_path = list[prefix], (login and "auth/" or "") .. prefix
  local module = M.engine(r.vault, r.mount.type, login ~= nil)
  r.engine, r.store = module and require(module), r.mount.data
  r.inner = (inner .. "/"):sub(#prefix + 1, -2)
  if r.verb == "list" then r.inner = r.inner:gsub("/$", "") end
  local rows = r.engine and (r.engine.rows_of and r.engine.rows_of(r.mount) or r.engine.rows) or {}
  r.row, r.captured = paths.find(rows, r.inner)
  r.operation = paths.operation(r.mount.type, r.row, r.verb)
end

-- ---- who, and may he ----

local function token_of(r)
  local bearer = (wire.header(r.request, "authorization") or ""):match "^Bearer%s+(.+)$"
  return wire.header(r.request, "x-vault-token") or bearer
end

local function identify(r)
  local id = token_of(r)
  if not id or id == "" then refusal.denied() end
  local token = tokens.find(r.vault, id, r.now)
  if r.fault and r.fault.kind == "expired" and r.fault.service == "vault" then token = nil end
  if token and r.namespace.path:sub(1, #token.namespace) ~= token.namespace then refusal.forbidden() end
  if not token then
    if state.EDITIONS[r.vault.edition].bao then refusal.denied() end
    refusal.raise(403, refusal.several("permission denied", "invalid token"))
  end
  r.token, r.entry.principal = token, token.display_name
  if token.num_uses > 0 then
    token.num_uses = token.num_uses - 1
    r.used_up = token.num_uses == 0
  end
end

local CAPABILITY <const> = { read = "read", list = "list", write = "update", patch = "patch", delete = "delete", head = "read" }

local function authorize(r)
  local rules = tokens.rules(r.vault, r.token)
  if not rules then return end
  local capability = CAPABILITY[r.verb]
  if r.verb == "write" and r.row and r.row.exists and not r.row.exists(r) then capability = "create" end
  local path = r.namespace.path:sub(#r.token.namespace + 1) .. r.path
  if r.verb == "list" then path = path:gsub("/*$", "/") end
  local request = { judged = r.verb == "read" or r.verb == "write" or r.verb == "patch", data = r.given,
    wrapping = fields.duration(wire.header(r.request, "x-vault-wrap-ttl")) }
  if not policy.allows(rules, path, capability, r.row and r.row.sudo, request) then refusal.forbidden() end
end

-- ---- quotas and faults ----

local function count_quota(r)
  for _, quota in sorted(r.vault._quotas) do
    if r.path:sub(1, #quota.path) == quota.path and not r.path:find "^sys/quotas/" and not r.path:find "^sys/health" then
      if r.now >= (quota.since or 0) + quota.interval then quota.since, quota.count = r.now, 0 end
      quota.count = quota.count + 1
      if quota.count > quota.rate then
        refusal.raise(429, ('request path "%s": rate limit quota exceeded'):format(r.path), { headers = {
          { "Retry-After", tostring(math.max(1, math.ceil(quota.since + quota.interval - r.now))) } } })
      end
    end
  end
end

local refusals = {}

function refusals.throttle(r)
  refusal.raise(429, ('request path "%s": rate limit quota exceeded'):format(r.path), { headers = { { "Retry-After", "1" } } })
end

refusals["500"] = function() refusal.raise(500, refusal.several "internal error") end

refusals["503html"] = function(_, fault)
  refusal.raise(fault.status or 503, "html", { body = "<html><body><h1>Service Unavailable</h1></body></html>\n" })
end

refusals["error"] = function(_, fault) refusal.raise(fault.status or 400, fault.message or fault.code) end

-- A proxy that knows no LIST.
function refusals.no_list(r)
  if r.request.method == "LIST" then
    refusal.raise(405, "html", { body = "<html><body><h1>Method Not Allowed</h1></body></html>\n" })
  end
end

function refusals.redirect(r, fault)
  refusal.raise(307, nil, { headers = { { "Location", (fault.message or "") .. r.request.target } } })
end

local function refuse_by_fault(r, after)
  local fault = r.fault
  if fault and refusals[fault.kind] and (fault.after == true) == after then refusals[fault.kind](r, fault) end
end

-- A key's versions under the name of an old sample, and purposes as a list the other way round: both are seen in the wild.
local function vary(r, answer)
  local data = r.fault and r.fault.kind == "variant" and answer and answer.data
  if not data then return end
  if r.operation == "keymgmt/ReadKey" then data.keys, data.versions = data.versions, nil end
  if data.purpose then data.purpose = json.array { "encrypt", "decrypt" } end
end

-- ---- answering ----

local function json_response(status, body, headers)
  local text = body and json.encode(body) .. "\n" or ""
  local list = { { "Cache-Control", "no-store" }, { "Strict-Transport-Security", "max-age=31536000; includeSubDomains" } }
  if body then list[#list + 1] = { "Content-Type", "application/json" } end
  table.move(headers or {}, 1, #(headers or {}), #list + 1, list)
  return { status = status, headers = list, body = text }
end

local function envelope(r, answer)
  local body = { request_id = r.entry.request_id, lease_id = answer.lease_id or "", renewable = answer.renewable or false,
    lease_duration = answer.lease_duration or 0, data = answer.data or json.null, wrap_info = answer.wrap_info or json.null,
    warnings = #r.warnings > 0 and json.array(r.warnings) or json.null, auth = answer.auth or json.null }
  if r.mount and not state.EDITIONS[r.vault.edition].bao then body.mount_type = r.mount.type end
  if r.row and r.row.flat and answer.data then
    for name, value in sorted(answer.data) do
      if body[name] == nil then body[name] = value end
    end
  end
  return body
end

local function respond(r, answer)
  if answer and answer.raw then return json_response(answer.status or 200, answer.raw) end
  if answer and (answer.data or answer.auth) then
    table.move(r.ignored, 1, #r.ignored, #r.warnings + 1, r.warnings)
  end
  if r.fault and r.fault.kind == "warn" then r.warn(r.fault.message or "a warning on order") end
  if not answer and #r.warnings == 0 then return json_response(204) end
  local body = envelope(r, answer or {})
  local ttl = wire.header(r.request, "x-vault-wrap-ttl")
  if ttl and answer and not (r.row and r.row.unwrapped) then body = wrapping.wrap(r, body, ttl) end
  return json_response(answer and answer.status or 200, body)
end

local function run(r)
  if r.row and r.row.raw then return paths.handler(r.row, r.verb)(r) end
  if not (r.row and r.row.open) then
    identify(r)
    if not (r.row and r.row.judges) then authorize(r) end
  end
  if not r.engine then
    refusal.raise(404, ('no handler for route "%s". route entry not found.'):format(r.path))
  end
  if r.verb == "write" and r.path:sub(-1) == "/" then refusal.bad "cannot write to a path ending in '/'" end
  local handler = paths.handler(r.row, r.verb)
  r.fields, r.present, r.ignored = fields.read(r.row.fields or {}, r.given, r.captured)
  return handler(r)
end

local ALWAYS <const> = { ["sys/health"] = true, ["sys/seal-status"] = true, ["sys/init"] = true, ["sys/unseal"] = true, ["sys/leader"] = true }

local function check_condition(r)
  if ALWAYS[r.path] then return end
  if r.condition == "sealed" or r.condition == "uninitialised" then refusal.raise(503, "Vault is sealed") end
  if r.condition == "dr-secondary" then refusal.bad "path disabled in replication DR secondary mode" end
end

local function perform(r)
  read_target(r)
  check_condition(r)
  if not r.verb then refusal.raise(405) end
  read_body(r)
  read_namespace(r)
  find_route(r)
  r.entry.operation, r.entry.path, r.entry.namespace = r.operation, r.path, r.namespace.path
  r.entry.write = r.verb == "write" or r.verb == "delete" or r.verb == "patch"
  r.fault = faults.take(r.simulation, { service = "vault", operation = r.operation })
  if r.fault and r.fault.kind == "reset" then return faults.dropped() end
  refuse_by_fault(r, false)
  count_quota(r)
  local answer = run(r)
  refuse_by_fault(r, true)
  vary(r, answer)
  return respond(r, answer)
end

local CODES <const> = { [400] = "BadRequest", [403] = "PermissionDenied", [404] = "NotFound", [405] = "UnsupportedOperation",
  [412] = "NotCaughtUp", [429] = "TooManyRequests", [500] = "InternalError", [503] = "Unavailable" }

-- What AWS refused Vault may come as a trouble of Vault's own.
local function vary_refusal(r, result)
  if r.fault and r.fault.kind == "variant" and result.status == 400 and tostring(result.text):find("operation error KMS", 1, true) then
    result.status, result.text = 500, refusal.several(result.text)
  end
end

-- The log gets a word and not the text, which may quote what was sent.
local function refused(r, result)
  r.entry.code = CODES[result.status] or tostring(result.status)
  if type(result.body) == "string" then
    return { status = result.status, headers = { { "Content-Type", "text/html" } }, body = result.body }
  end
  return json_response(result.status, result.body or { errors = json.array { result.text } }, result.headers)
end

--- Answers one request of the Vault API.
---@param simulation table
---@param request { method: string, target: string, headers: table, body: string }
---@param entry table  of the log: service, operation, path, namespace, principal, code and write are filled in
---@return { status: integer, headers: table, body: string }
function M.handle(simulation, request, entry)
  local choices = simulation.vault or {}
  entry.service, entry.operation = "vault", request.method
  local r = { simulation = simulation, vault = simulation.state.vault, request = request, entry = entry, now = simulation:time(),
    condition = choices.condition or "active", warnings = {}, ignored = {} }
  function r.warn(text, ...) r.warnings[#r.warnings + 1] = select("#", ...) > 0 and text:format(...) or text end
  local ok, result = pcall(perform, r)
  if not ok and not refusal.is(result) then error(result, 0) end
  if r.used_up and r.token then tokens.revoke(r.vault, r.token) end
  if not ok then
    vary_refusal(r, result)
    result = refused(r, result)
  end
  if r.delay then result.delay = (result.delay or 0) + r.delay end
  return faults.on_the_way(r.fault, result)
end

return M
