--- Vault and OpenBao for one operator: an operation becomes a request, through limits and retries, and an answer a value or a refusal. Nothing
--- is asked before the first call: neither settings nor token matter to who does not use Vault.
---@class vault.Client
---@field door table
---@field settings vault.Settings?   once they are read
---@field wrong Refusal?             what is wrong with them; raised by each that uses Vault
---@field token vault.Token
local Client = { __name = "vault.Client" }
Client.__index = Client

local clean = require "clean"
local explain = require "explain"
local json = require "json"
local operations = require "vault.operations"
local refusal = require "refusal"
local retry = require "retry"
local settings = require "vault.settings"
local shape = require "shape"

local M = {}

-- Reading the answer -----------------------------------------------------------------------------------------------

local PARTS <const> = { warnings = shape.list "text", errors = shape.list "text", data = {}, auth = {}, wrap_info = {} }

local WORDS_MAX <const> = 1500   -- characters: STS's XML fits, and no answer floods a terminal

local function cut(text)
  if (utf8.len(text) or 0) <= WORDS_MAX then return text end
  return text:sub(1, utf8.offset(text, WORDS_MAX) - 1) .. "…"
end

-- A service's words in one line: "1 error occurred:\n\t* permission denied\n\n" says "permission denied".
local function plain(text)
  text = text:gsub("^%d+ errors? occurred:%s*", ""):gsub("%s*\n%s*%* ", "; "):gsub("^%* ", ""):gsub("%s+$", ""):gsub("%s*\n%s*", " ")
  return cut(explain.plain(text))
end

local function unreadable(response)
  if response.fault then
    return ("the answer is not the JSON that was expected (%s): %s"):format(response.fault, explain.glimpse(response.text))
  end
  if response.body == json.null then return nil end
  local kind = json.is_array(response.body) and "a list" or type(response.body)
  if kind ~= "table" then return ("the answer is %s where an object was expected"):format(kind) end
end

-- What is wrong with a read's answer that has nothing of what Vault always gives.
local function stranger(request, envelope)
  return request.safe and envelope.request_id == nil and envelope.data == nil and "the answer is not one of Vault's"
end

-- What a status says where its answer has no words.
local STATUS <const> = { [412] = "this node has not caught up with what was written", [472] = "this node is a DR secondary",
  [473] = "this node is a performance standby" }

-- Vault's own words, or somebody else's: proxies and gateways have other forms, JSON or none.
local function words_of(response, envelope)
  if response.fault then
    local text = explain.glimpse(response.text)
    return text:find "^an HTML page" and text or "the answer is not one of Vault's: " .. text
  end
  local words = {}
  for _, text in ipairs(type(envelope.errors) == "table" and envelope.errors or {}) do
    if type(text) == "string" then words[#words + 1] = plain(text) end
  end
  for _, name in ipairs { "message", "error", "error_description" } do
    if #words == 0 and type(envelope[name]) == "string" then words[1] = "the answer is not one of Vault's: " .. plain(envelope[name]) end
  end
  return #words > 0 and cut(table.concat(words, "; ")) or STATUS[response.status]
end

-- Where an answer sends us, in words; nil when it does not.
local function elsewhere(response, url)
  local location = response.status < 400 and (response.headers or {}).location
  if not location then return nil end
  local host = location:match "^%a+://([^/?#]+)"
  local standby = host and host ~= url:match "^%a+://([^/?#]+)" and location:find("/v1/", 1, true)
  return ("the answer sends us to %s, where no request of cmek goes%s"):format(explain.glimpse(location),
    standby and ": this node is a standby" or "")
end

local function read(request, url, response, message, kind)
  if not response then return { kind = kind, message = message } end
  local outcome = { response = response, status = response.status }
  local fault = unreadable(response)
  local envelope = not fault and clean(response.body) or {}
  outcome.envelope = envelope
  if response.status < 300 or request.whole and envelope.initialized ~= nil then
    outcome.message = fault or not request.whole and (stranger(request, envelope) or shape.fault(envelope, PARTS)) or nil
    if envelope.wrap_info and not request.wrap_ttl then outcome.message = "the answer came wrapped, and nobody asked for that" end
    outcome.kind = outcome.message and "lost" or "answered"
    return outcome
  end
  outcome.kind, outcome.message = "refused", words_of(response, envelope)
  outcome.foreign = type(response.body) ~= "table" or not response.body.errors   -- not Vault's own form
  outcome.message = elsewhere(response, url) or outcome.message
  return outcome
end

-- Refusing -----------------------------------------------------------------------------------------------------------

local CAPABILITY <const> = { GET = { "read" }, LIST = { "list" }, POST = { "create", "update" }, PUT = { "create", "update" }, PATCH = { "patch" },
  DELETE = { "delete" } }

-- One request that finds out why another was refused; nil where it finds out nothing.
local function probe(self, request)
  request.namespace = request.path ~= "seal-status" and self:namespace(request.namespace) or nil
  request.timeout, request.session_key = self.settings.timeout, self.session_key
  local response = self.door.vault.request(request)
  return response and response.status, response and type(response.body) == "table" and clean(response.body) or {}
end

-- Whether capabilities are all that is wanted.
local function holds(have, wanted)
  local set = {}
  for _, capability in ipairs(have) do set[capability] = true end
  for _, capability in ipairs(wanted) do
    if not set[capability] and not set.root then return false end
  end
  return true
end

local function says(answer, words)
  for _, text in ipairs(type(answer.errors) == "table" and answer.errors or {}) do
    if type(text) == "string" and text:find(words, 1, true) then return true end
  end
  return false
end

-- Whether Vault knows a token that may not look at itself: what is mounted it tells to each token that it knows, or says that this one's
-- policies do not reach there. Of one that it does not know Vault says so, and OpenBao only that it is denied.
local function is_known(self, request, outcome)
  if tostring(outcome.message):find("invalid token", 1, true) then return false end
  local status, answer = probe(self, { method = "GET", mount = "sys", path = "internal/ui/mounts/" .. request.mount:match "^[^/]+",
    token = request.used })
  return status == 200 or status == 403 and says(answer, "preflight capability check")
end

-- Why 403: the token itself, or what its policies say of this path. A Vault that nobody has initialised says that it is sealed.
local function diagnose(self, request, outcome)
  if outcome.status == 503 and tostring(outcome.message):find "sealed" then
    local status, seal = probe(self, { method = "GET", mount = "sys", path = "seal-status" })
    if status == 200 and seal.initialized == false then outcome.message = "Vault is not initialized" end
  end
  if outcome.status ~= 403 or outcome.foreign or not request.used or request.situation then return {} end
  local status = probe(self, { method = "GET", mount = "auth/token", path = "lookup-self", token = request.used })
  if status == 403 then return is_known(self, request, outcome) and { blind = true } or { bad_token = true } end
  local path = request.mount .. "/" .. request.path
  local ok, answer = probe(self, { method = "POST", mount = "sys", path = "capabilities-self", token = request.used,
    namespace = request.namespace, body = { paths = json.array { path } } })
  local have = ok == 200 and ((answer.data or {})[path] or answer[path])
  local wanted = CAPABILITY[request.method]
  local known = type(have) == "table"
  return { granted = known and holds(have, wanted), have = known and table.concat(have, ", ") or "not known", wanted = table.concat(wanted, " or "),
    policy = ('path "%s" { capabilities = ["%s"] }'):format(path, table.concat(wanted, '", "')) }
end

local function where(self, request)
  local namespace = self:namespace(request.namespace)
  return ("%s %s/%s%s"):format(request.method, request.mount, request.path, namespace and (" in namespace %s"):format(namespace) or "")
end

local function refuse(self, request, outcome, attempts)
  local found = diagnose(self, request, outcome)
  local fields = {
    service = "vault", operation = request.operation, status = outcome.status,
    code = outcome.kind == "refused" and retry.status_text(outcome.status) or nil,
    message = ("%s (%s)"):format(outcome.message or "no word of why", where(self, request)),
    request_id = outcome.response and outcome.response.request_id,
    kind = outcome.kind, attempts = attempts, source = self.token.source, endpoint_source = self.settings.source,
    proxy_source = self.settings.proxy_source,
    unknown = outcome.kind == "lost" and not request.safe or nil,
    about = { address = self.settings.address, path = request.mount .. "/" .. request.path, mount = request.mount,
      namespace = self:namespace(request.namespace) or "the root", have = found.have, wanted = found.wanted, policy = found.policy,
      words = outcome.message },
  }
  if found.bad_token then
    fields.kind, fields.exit = "credentials", "credentials"
    explain.tell("vault.token-refused", { source = self.token.source, address = self.settings.address }, fields)
  end
  if found.blind then explain.tell("vault.token-blind", fields.about, fields) end
  if found.granted then explain.tell("vault.denied-request", fields.about, fields) end
  if request.session and outcome.kind == "refused" and (outcome.status < 500 and outcome.status ~= 429) then
    fields.exit = "credentials"
    local situation = request.situation
    for _, pair in ipairs(request.situations or {}) do
      if fields.message:find(pair[1], 1, true) then situation = pair[2] end
    end
    if situation then explain.tell(situation, request.facts, fields) end
  end
  refusal.raise(explain.complete(fields))
end

-- Asking -------------------------------------------------------------------------------------------------------------

--- The settings, read once; raises what is wrong with them, and says what has to be said when Vault is used.
---@return vault.Settings
function Client:use()
  if self.wrong then error(self.wrong, 0) end
  if not self.told then
    self.told = true
    for _, text in ipairs(self.settings.warnings) do self.listen { kind = "warning", text = text } end
  end
  return self.settings
end

--- The namespace of a request: the session's own, and one below it.
---@param below string?
---@return string?  ends in a slash
function Client:namespace(below)
  local parts = {}
  for _, part in ipairs { self.settings.namespace or "", below or "" } do
    part = part:gsub("^/+", ""):gsub("/+$", "")
    if part ~= "" then parts[#parts + 1] = part end
  end
  return #parts > 0 and table.concat(parts, "/") .. "/" or nil
end

local function send(self, request, attempt)
  local query = request.query
  local method = request.method
  if method == "LIST" and request.as_get then
    method, query = "GET", { list = true }
  end
  request.used = nil
  if not request.anonymous then request.used = request.token or self.token:get() end
  return read(request, self.settings.url, self.door.vault.request({ method = method, mount = request.mount, path = request.path,
    namespace = not request.whole and self:namespace(request.namespace) or nil, query = query, body = request.body, token = request.used,
    wrap_ttl = request.wrap_ttl,
    audience = request.audience, attempt = attempt, timeout = request.timeout or self.settings.timeout,
    session_key = request.session and self.session_key or nil }, request.operation))
end

-- What stands between does not know LIST: GET with ?list=true says the same.
local function mend_list(request, outcome)
  if request.method ~= "LIST" or request.as_get or not outcome.foreign then return false end
  if outcome.status ~= 400 and outcome.status ~= 405 and outcome.status ~= 501 then return false end
  request.as_get = true
  return true
end

-- A token that a login made, and that has ended, is made anew, once.
local function mend_token(self, request, outcome)
  if outcome.status ~= 403 or request.token or request.anonymous or request.token_mended then return false end
  request.token_mended = true
  return self.token:renew(request.used)
end

local function tell_warnings(self, envelope)
  for _, text in ipairs(envelope.warnings or {}) do
    if not self.warned[text] then
      self.warned[text] = true
      self.listen { kind = "warning", text = "Vault warns: " .. plain(text) }
    end
  end
end

-- Whether a read says that nothing is there, and not that nobody serves the path.
local function absent(request, outcome)
  local there = outcome.envelope and outcome.envelope.data   -- a version of KV that was deleted
  return outcome.status == 404 and request.safe and not outcome.message and (there ~= nil or not outcome.foreign)
end

--- Calls an operation.
---@param request { operation: string, method: string, mount: string, path: string, namespace: string?, query: table?, body: table?,
---  safe: boolean?, whole: boolean?, anonymous: boolean?, session: boolean?, token: userdata?, audience: string?, wrap_ttl: string?,
---  envelope: boolean?, situation: string?,
---  situations: { [1]: string, [2]: string }[]?, facts: table? }
---  safe: may be sent again when its outcome is unknown; whole: there is no envelope, and no namespace but the root has it;
---  session: only with the credential code's key;
---  envelope: all of it is the result; situation, facts: what a refusal is explained by, or,
---  where these words stand in it, one of situations
---@return table? data  nil where a read finds nothing
function Client:call(request)
  local here = self:use()
  request.anonymous = request.anonymous or request.whole and not request.token
  local outcome, attempts = self.retry:run {
    name = ("vault %s"):format(request.operation), client = "vault", rules = retry.vault(here.attempts), safe = request.safe or false,
    pace = here.rate and { key = "vault", rate = here.rate.rate, burst = here.rate.burst } or nil,
    send = function(attempt) return send(self, request, attempt) end,
    mend = function(result) return mend_list(request, result) or mend_token(self, request, result) end,
  }
  local envelope = outcome.envelope or {}
  if outcome.kind ~= "answered" then
    if absent(request, outcome) then return envelope.data end
    refuse(self, request, outcome, attempts)
  end
  tell_warnings(self, envelope)
  if request.whole or request.envelope then return envelope end
  return envelope.data or {}
end

--- Gives back what a login was given. Whatever comes of it is told, not raised.
---@param run fun(fn: function): any  runs a task
function Client:close(run)
  local made = self.token:forget()
  if not made then return end
  local ok, response = pcall(run, function()
    return self.door.vault.request { method = "POST", mount = "auth/token", path = "revoke-self", namespace = self:namespace(),
      token = made.token, timeout = 5, session_key = self.session_key }
  end)
  if ok and response and response.status < 300 or made.ends and made.ends <= self.door.clock.now() then return end
  self.listen { kind = "warning", text = ("the token of the login to Vault could not be revoked; it ends %s"):format(
    made.ends and "at " .. require("time").text(made.ends) or "by itself") }
end

--- Opens the client; registers Vault's endpoint on the door, which is not sealed yet.
---@param options { door: table, retry: Retry, environment: Variables, listen: fun(event: table), tasks: task.Scheduler, session_key: any,
---  method: string?, mount: string?, identity: (fun(): aws.Keys, string?)? }
---  method, mount: of the login (--vault-auth, --vault-auth-mount); identity: keys of AWS, and the partition
---@return vault.Client
function M.open(options)
  local self = setmetatable({ warned = {} }, Client)
  for _, field in ipairs { "door", "retry", "environment", "listen", "tasks", "session_key", "method", "mount", "identity" } do
    self[field] = options[field]
  end
  local ok, raised = pcall(function()
    self.settings = settings.read(self.environment)
    local added, message = pcall(self.door.endpoint, self.door, "vault", self.settings.url, { transport = self.settings.transport })
    if added then return end
    refusal.raise { kind = "configuration", exit = "usage", message = ("%s: %s"):format(self.settings.source, tostring(message):gsub("^door: ", "")) }
  end)
  if not ok and not refusal.is(raised) then error(raised, 0) end
  self.wrong = not ok and raised or nil
  self.token = require("vault.token").new(self)
  self.functions = operations.functions(function(request) return self:call(request) end)
  return self
end

--- The same client at another door.
---@param door table  with vault.request
---@return vault.Client
function Client:through(door)
  local other = setmetatable({ door = door }, { __index = self })
  other.functions = operations.functions(function(request) return Client.call(other, request) end)
  return other
end

return M
