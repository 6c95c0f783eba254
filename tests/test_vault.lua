-- Vault as a client sees it: settings, tokens, logins, envelopes, what is refused and why, and secrets that are kept there.
local file = require "file"
local json = require "json"
local refusal = require "refusal"
local secret = require "secret"
local stand_in = dofile "tests/stand_in.lua"

local NEEDLE <const> = "made-up-needle-0001"

--- Members of these names are secrets, as host/vault.c has them.
local SECRET <const> = { client_token = true, id = true, secret_id = true }

local function sealed(value, all)
  if type(value) ~= "table" then return all and type(value) == "string" and secret.new(value, all) or value end
  local copy = setmetatable({}, getmetatable(value))
  for name, member in pairs(value) do
    copy[name] = SECRET[name] and type(member) == "string" and secret.new(member, "vault") or sealed(member, all)
  end
  return copy
end

--- A Vault of "METHOD mount/path" to answers, and a session with a token. Options: environment, method, mount.
local function open(answers, options)
  options = options or {}
  local home = test.directory()
  local environment = { VAULT_TOKEN = "hvs.made-up-token", HOME = home }
  for name, value in pairs(options.environment or {}) do environment[name] = value end
  local here
  here = stand_in.session(function(request)
    local name = ("%s %s/%s"):format(request.method, request.mount or "", request.path)
    local special = answers[name]
    if type(special) == "function" then special = special(request, here) end
    if special == nil and name == "GET auth/token/lookup-self" then special = { data = { ttl = 0 } } end
    if special == nil and name == "POST auth/token/revoke-self" then special = { status = 204 } end
    if special == nil then special = { status = 404, errors = json.array {} } end
    if special.kind then return nil, special.message, special.kind end
    local response = { status = special.status or 200, headers = special.headers or {}, fault = special.fault, text = special.text }
    if special.body then
      response.body = special.body
    elseif not special.fault then
      response.body = sealed({ data = special.data, auth = special.auth, errors = special.errors, warnings = special.warnings,
        wrap_info = special.wrap_info, request_id = "v-1" }, special.audience)
    end
    return response
  end, environment, { vault_auth = options.method, vault_auth_mount = options.mount })
  here.home, here.vault = home, here.session.vault
  return here
end

local function refused(errors, status) return { status = status or 400, errors = json.array(type(errors) == "table" and errors or { errors }) } end

local function names(here)
  local list = {}
  for i, request in ipairs(here.sent) do list[i] = ("%s %s/%s"):format(request.method or "GET", request.mount or "", request.path) end
  return list
end

local function reason(here, fn) return tostring(stand_in.raised(here, fn)) end

-- ---- settings ----

local function settings(environment)
  return require("vault.settings").read(require("variables").of(environment))
end

test["without any setting it is this machine, by HTTPS, three tries of a minute"] = function()
  local read = settings {}
  test.equal({ read.address, read.source, read.timeout, read.attempts, read.rate, read.namespace, #read.warnings },
    { "https://127.0.0.1:8200", "the default", 60, 3, nil, nil, 0 })
end

test["address, prefix, socket, certificates, name, proxy, time, tries and rate are as Vault's own client reads them"] = function()
  local read = settings { VAULT_ADDR = "https://vault.example:8200/edge/", VAULT_CACERT = "/ca.pem", VAULT_CAPATH = "/cas",
    VAULT_CLIENT_CERT = "/c.pem", VAULT_CLIENT_KEY = "/k.pem",
    VAULT_TLS_SERVER_NAME = "v.internal", VAULT_CLIENT_TIMEOUT = "1m30s", VAULT_MAX_RETRIES = "0",
    VAULT_RATE_LIMIT = "5:8", VAULT_PROXY_ADDR = "http://proxy:1", VAULT_HTTP_PROXY = "http://other:1", VAULT_NAMESPACE = "admin" }
  test.equal({ read.address, read.source, read.timeout, read.attempts, read.rate, read.namespace },
    { "https://vault.example:8200/edge", "VAULT_ADDR", 90, 1, { rate = 5, burst = 8 }, "admin" })
  local way = read.transport
  test.equal({ way.ca_file, way.ca_directory, way.client_certificate, way.client_key, way.server_name, tostring(way.proxy), way.skip_verify },
    { "/ca.pem", nil, "/c.pem", "/k.pem", "v.internal", "****", nil })
  read = settings { VAULT_ADDR = "https://a.example", VAULT_AGENT_ADDR = "unix:///run/vault.sock" }
  test.equal({ read.address, read.source, read.transport.unix_socket }, { "unix:///run/vault.sock", "VAULT_AGENT_ADDR", "/run/vault.sock" })
  read = settings { VAULT_CACERT_BYTES = "-----BEGIN", VAULT_CAPATH = "/cas" }
  test.equal({ read.transport.ca_text, read.transport.ca_directory }, { "-----BEGIN", nil })
end

test["BAO_ comes before VAULT_, also where it is empty"] = function()
  local read = settings { VAULT_ADDR = "https://vault.example", BAO_ADDR = "https://bao.example", VAULT_NAMESPACE = "admin", BAO_NAMESPACE = "" }
  test.equal({ read.address, read.source, read.namespace }, { "https://bao.example", "BAO_ADDR", nil })
end

test["skipping verification and plain HTTP beyond this machine are warned of; plain HTTP here is not"] = function()
  local read = settings { VAULT_SKIP_VERIFY = "1", VAULT_ADDR = "https://vault.example" }
  test.equal(read.transport.skip_verify, true)
  test.contains(read.warnings[1], "VAULT_SKIP_VERIFY is set: whoever answers at https://vault.example is taken for Vault")
  test.contains(settings({ VAULT_ADDR = "http://vault.example:8200" }).warnings[1], "travel in clear")
  for _, here in ipairs { "http://127.0.0.1:8200", "http://localhost:8200", "http://[::1]:8200", "unix:///run/v" } do
    test.equal(#settings({ VAULT_ADDR = here }).warnings, 0)
  end
  test.equal(#settings({ VAULT_ADDR = "http://127.example.com" }).warnings, 1)
end

test["a setting that cannot be meant is refused by its name when Vault is used, and not before"] = function()
  local cases = { { "VAULT_ADDR", "vault.example:8200", "must be like https://" }, { "BAO_ADDR", "ftp://x", "BAO_ADDR is 'ftp://x'" },
    { "VAULT_CLIENT_TIMEOUT", "soon", "must be like 60 or 90s" }, { "VAULT_MAX_RETRIES", "-1", "must be a number from 0" },
    { "VAULT_RATE_LIMIT", "fast", "must be like 10 or 10:20" }, { "VAULT_SKIP_VERIFY", "maybe", "must be true or false" },
    { "VAULT_CLIENT_CERT", "/c.pem", "VAULT_CLIENT_CERT is set and VAULT_CLIENT_KEY is not" } }
  for _, case in ipairs(cases) do
    local here = open({}, { environment = { [case[1]] = case[2] } })
    local raised = stand_in.raised(here, function() here.vault.list_mounts() end)
    test.contains(raised, case[3])
    test.equal({ raised.exit, #here.sent }, { "usage", 0 })
  end
end

-- ---- envelopes ----

test["an answer is its data without what is null or empty; warnings are told once, and an empty list is nothing"] = function()
  local here = open { ["GET sys/mounts"] = { data = { ["kv/"] = { type = "kv", description = "" } }, warnings = json.array { "old route" } },
    ["LIST transit/keys"] = { status = 404, errors = json.array {} } }
  here.run(function()
    test.equal(here.vault.list_mounts(), { ["kv/"] = { type = "kv" } })
    here.vault.list_mounts()
    test.equal(here.vault.transit_list_keys { mount = "transit" }, nil)
  end)
  local told = {}
  for _, event in ipairs(here.events) do told[#told + 1] = event.text end
  test.equal(told, { "Vault warns: old route" })
end

test["a request has its namespace below the session's, and its time"] = function()
  local here = open({ ["POST keymgmt/key/k"] = { status = 204 } },
    { environment = { VAULT_NAMESPACE = "admin", VAULT_CLIENT_TIMEOUT = "5" } })
  here.run(function()
    test.equal(here.vault.keymgmt_write_key { mount = "keymgmt", name = "k", type = "aes256-gcm96", namespace = "team/" }, {})
  end)
  local sent = here.sent[2]
  test.equal({ sent.namespace, sent.timeout, sent.body, tostring(sent.token) }, { "admin/team/", 5, { type = "aes256-gcm96" }, "****" })
  test.raises(function() here.vault.keymgmt_write_key { mount = "keymgmt", name = "k", typ = "x" } end, "unknown field 'typ'")
  test.raises(function() here.vault.keymgmt_read_key { mount = "keymgmt" } end, "field 'name' must be a text, got nil")
end

test["health is read without a token, whatever its status says"] = function()
  for _, status in ipairs { 200, 429, 472, 473, 501, 503 } do
    local body = { initialized = status ~= 501, sealed = status == 503, version = "1.21.1+ent" }
    local here = open({ ["GET sys/health"] = { status = status, body = body } }, { environment = { VAULT_TOKEN = false } })
    here.run(function() test.equal(here.vault.read_health().version, "1.21.1+ent") end)
    test.equal({ #here.sent, here.sent[1].token }, { 1, nil })
  end
end

test["where LIST is refused on the way, GET with ?list=true asks the same"] = function()
  local here = open { ["LIST kv/metadata/a"] = { status = 405, fault = "no JSON", text = "<html>Method Not Allowed</html>" },
    ["GET kv/metadata/a"] = function(request) return request.query and request.query.list and { data = { keys = json.array { "x" } } } or nil end }
  here.run(function() test.equal(here.vault.kv_list({ mount = "kv", path = "a" }).keys[1], "x") end)
end

-- ---- refusals ----

test["a refusal has the path, the namespace and the server's words, and what to do"] = function()
  local cases = {
    { refused("Vault is sealed", 503), "Vault is sealed", "vault operator unseal" },
    { refused("1 error occurred:\n\t* plugin not found in the catalog: keymgmt\n\n"), "plugin not found in the catalog: keymgmt", "vault-transit" },
    { refused("no handler for route \"kv/x\". route entry not found.", 404), "no handler for route", "vault secrets list" },
    { refused("namespace not found", 404), "namespace not found", "VAULT_NAMESPACE" },
    { refused("rate limit quota exceeded", 429), "429 TooManyRequests", "VAULT_RATE_LIMIT" },
    { { status = 307, headers = { location = "https://10.0.0.2:8200/v1/x" } }, "sends us to 'https://10.0.0.2:8200/v1/x'", "load balancer" },
    { { status = 400, fault = "no JSON", text = "Client sent an HTTP request to an HTTPS server." }, "HTTPS server", "VAULT_ADDR=https://" },
    { { kind = "unsent", message = "vault.example: SSL certificate problem: unable to get local issuer certificate" }, "certificate",
      "VAULT_CACERT" },
    { { kind = "unsent", message = "vault.example: Could not resolve host: vault.example" }, "not sent", "check VAULT_ADDR" },
    { { kind = "unsent", message = "x: OpenSSL: error:0A00045C: tlsv13 alert certificate required" }, "required", "VAULT_CLIENT_CERT" },
    { { status = 200, fault = "the text ends too early", text = '{"data":' }, "the text ends too early", "next:" },
    { { status = 200, wrap_info = { token = "x" } }, "came wrapped", "" },
    { refused("internal", 500), "500 InternalServerError", "server's log" },
    { { kind = "lost", message = "vault.example: OpenSSL SSL_read: Connection reset by peer" }, "whether it was done", "VAULT_CLIENT_CERT" },
  }
  for _, case in ipairs(cases) do
    local here = open({ ["POST sys/mounts/x"] = case[1] }, { environment = { VAULT_ADDR = "https://vault.example", VAULT_NAMESPACE = "team" } })
    local raised = stand_in.raised(here, function() here.vault.enable_mount { path = "x", type = "keymgmt" } end)
    local text = tostring(raised)
    for i = 2, 3 do test.contains(text, case[i]) end
    test.contains(text, "vault EnableMount: ")
    test.contains(text, "POST sys/mounts/x in namespace team/")
    test.equal(text:find "{[%l_]+}", nil)
  end
end

test["words without end are cut"] = function()
  local here = open { ["POST transit/keys/k"] = refused { ("é"):rep(40000), ("x"):rep(40000) } }
  local text = reason(here, function() here.vault.transit_create_key { mount = "transit", name = "k" } end)
  test.truthy(#text < 10000 and utf8.len(text) ~= nil)
  test.contains(text, "é…")
end

test["403: a token that Vault does not know ends with the status of credentials"] = function()
  local here = open { ["GET transit/keys/k"] = refused("permission denied", 403), ["GET auth/token/lookup-self"] = refused("permission denied", 403) }
  local raised = stand_in.raised(here, function() here.vault.transit_read_key { mount = "transit", name = "k" } end)
  test.equal({ raised.exit, raised.situation, raised.source }, { "credentials", "vault.token-refused", "VAULT_TOKEN" })
end

test["403: a token that is known and may not look at itself is told apart, with what its policies want"] = function()
  local denied = refused("permission denied", 403)
  local here = open { ["POST sys/capabilities-self"] = denied, ["GET auth/token/lookup-self"] = denied,
    ["GET sys/internal/ui/mounts/sys"] = refused("preflight capability check returned 403, please ensure client's policies grant access", 403) }
  local raised = stand_in.raised(here, function() here.vault.read_capabilities { paths = json.array { "transit/keys/k" } } end)
  test.equal({ raised.exit, raised.situation }, { nil, "vault.token-blind" })
  test.contains(raised.next, 'path "sys/capabilities-self" { capabilities = ["update"] }')
end

test["403: a policy that does not allow the path is named, with what the token has and the line to add"] = function()
  local here = open { ["POST transit/keys/k"] = refused("1 error occurred:\n\t* permission denied\n\n", 403),
    ["POST sys/capabilities-self"] = { data = { ["transit/keys/k"] = json.array { "read" } } } }
  local raised = stand_in.raised(here, function() here.vault.transit_create_key { mount = "transit", name = "k" } end)
  test.equal({ raised.exit, raised.situation }, { nil, "vault.denied" })
  test.contains(raised, 'path "transit/keys/k" { capabilities = ["create", "update"] }')
  test.contains(raised, "has there: read (namespace: the root)")
end

test["403 of somebody else on the way says nothing against the token, and asks nothing more with it"] = function()
  local here = open { ["GET transit/keys/k"] = { status = 403, fault = "no JSON", text = "<html>Blocked</html>" } }
  local raised = stand_in.raised(here, function() here.vault.transit_read_key { mount = "transit", name = "k" } end)
  test.equal({ raised.exit, raised.situation, #here.sent }, { nil, "way.html", 2 })
end

test["who sends us elsewhere on the same host is no standby"] = function()
  local cases = { ["/v1/transit/keys/k/"] = false, ["https://vault.example/v1/x"] = false, ["http://vault.example:1/v1/x"] = true }
  for location, standby in require("sorted")(cases) do
    local here = open({ ["GET transit/keys/k"] = { status = 307, headers = { location = location } } },
      { environment = { VAULT_ADDR = "https://vault.example" } })
    local text = reason(here, function() here.vault.transit_read_key { mount = "transit", name = "k" } end)
    test.contains(text, "sends us to '" .. location .. "'")
    test.equal({ location, text:find("standby", 1, true) ~= nil }, { location, standby })
  end
end

test["403: capabilities that are there say that the policy wants more of the request"] = function()
  local here = open { ["POST transit/keys/k"] = refused("1 error occurred:\n\t* permission denied\n\n", 403),
    ["POST sys/capabilities-self"] = { data = { ["transit/keys/k"] = json.array { "create", "read", "update" } } } }
  local raised = stand_in.raised(here, function() here.vault.transit_create_key { mount = "transit", name = "k" } end)
  test.equal({ raised.exit, raised.situation }, { nil, "vault.denied-request" })
  test.contains(raised, "allowed_parameters")
end

-- ---- trying again ----

local function counting(statuses, more)
  return open { ["GET transit/keys/k"] = function()
    return { status = table.remove(statuses, 1) or 200, errors = json.array {}, headers = more, data = {} }
  end }
end

test["412, 429 and 5xx are tried again, with growing waits or as Retry-After says; 501 and 400 are not"] = function()
  for _, status in ipairs { 412, 429, 500, 502, 503 } do
    local here = counting { status, status }
    here.run(function() here.vault.transit_read_key { mount = "transit", name = "k" } end)
    test.equal(#here.sent, 4)
    local first, second = here.sent[3].time - here.sent[2].time, here.sent[4].time - here.sent[3].time
    test.truthy(first >= 1 and first <= 1.5 and second >= 2 and second <= 3)
  end
  local here = counting({ 429 }, { ["retry-after"] = "7" })
  here.run(function() here.vault.transit_read_key { mount = "transit", name = "k" } end)
  test.equal(here.sent[3].time - here.sent[2].time, 7)
  for _, status in ipairs { 501, 400 } do
    here = counting { status }
    test.truthy(refusal.is(stand_in.raised(here, function() here.vault.transit_read_key { mount = "transit", name = "k" } end)))
    test.equal(#here.sent, 2)
  end
end

test["a write that may have been done is not sent again; one that surely was not is"] = function()
  local function tries(answer)
    local count = 0
    local here = open { ["POST transit/keys/k"] = function()
      count = count + 1
      return answer
    end }
    local raised = stand_in.raised(here, function() here.vault.transit_create_key { mount = "transit", name = "k" } end)
    return count, raised
  end
  for _, status in ipairs { 500, 502, 503 } do test.equal((tries(refused("x", status))), 1) end
  local count, raised = tries { kind = "lost", message = "connection reset" }
  test.equal(count, 1)
  test.contains(raised, "whether it was done is not known")
  for _, answer in ipairs { refused("Vault is sealed", 503), refused("x", 429), refused("x", 412),
    { kind = "unsent", message = "Failed to connect" } } do
    test.equal((tries(answer)), 3)
  end
end

-- ---- tokens ----

test["a token is of the environment, else a helper's, else of ~/.vault-token; without one it is said where one comes from"] = function()
  local here = open({}, { environment = { VAULT_TOKEN = "" } })
  local raised = stand_in.raised(here, function() here.vault.list_mounts() end)
  test.equal({ raised.exit, raised.situation, #here.sent }, { "credentials", "vault.no-token", 0 })
  assert(file.write(here.home .. "/.vault-token", "hvs.of-the-file\n"))
  here.run(function() here.vault.list_mounts() end)
  test.equal({ here.session.vault_client.token.source, secret.equal(here.sent[1].token, "hvs.of-the-file") },
    { here.home .. "/.vault-token", true })

  here = open({}, { environment = { VAULT_TOKEN = "" } })
  assert(file.write(here.home .. "/helper", "#!/bin/sh\n[ \"$1\" = get ] && printf hvs.of-the-helper\n", tonumber("700", 8)))
  assert(file.write(here.home .. "/.vault", ('token_helper = "%s/helper"\n'):format(here.home)))
  here.run(function() here.vault.list_mounts() end)
  test.equal(secret.equal(here.sent[1].token, "hvs.of-the-helper"), true)

  here = open({}, { environment = { VAULT_TOKEN = "" } })
  assert(file.write(here.home .. "/helper", "#!/bin/sh\necho locked >&2\nexit 3\n", tonumber("700", 8)))
  assert(file.write(here.home .. "/.vault", ('token_helper = "%s/helper"\n'):format(here.home)))
  test.contains(reason(here, function() here.vault.list_mounts() end), "failed (3): 'locked'")
end

-- ---- logins ----

local AUTH <const> = { client_token = "hvs.of-the-login", lease_duration = 100, renewable = true, policies = json.array { "cmek" } }

test["each method posts what Vault wants, once, and its token goes with the next requests and is revoked at the end"] = function()
  local jwt = test.directory() .. "/jwt"
  assert(file.write(jwt, "ey.made-up.jwt\n"))
  local cases = {
    { "approle", { VAULT_ROLE_ID = "r-1", VAULT_SECRET_ID = "s-1" }, "login", { role_id = "r-1", secret_id = "s-1" } },
    { "kubernetes", { VAULT_ROLE = "cmek", VAULT_JWT_FILE = jwt }, "login", { role = "cmek", jwt = "ey.made-up.jwt" } },
    { "jwt", { VAULT_JWT = "ey.other" }, "login", { jwt = "ey.other" } },
    { "userpass", { VAULT_USERNAME = "Me", VAULT_PASSWORD = NEEDLE }, "login/me", { password = NEEDLE } },
    { "cert", { VAULT_CLIENT_CERT = "/c", VAULT_CLIENT_KEY = "/k", VAULT_ROLE = "web" }, "login", { name = "web" } },
    { "aws", { VAULT_ROLE = "cmek", VAULT_AWS_IAM_SERVER_ID = "vault.example" }, "login", { role = "cmek", iam_http_request_method = "POST",
      iam_request_url = "dXJs", iam_request_body = "Ym9keQ==", iam_request_headers = "c2lnbmVk" } },
  }
  for _, case in ipairs(cases) do
    local method, path = case[1], case[3]
    local here = open({ [("POST auth/%s/%s"):format(method, path)] = { auth = AUTH }, ["GET sys/mounts"] = { data = {} } },
      { environment = case[2], method = method })
    here.run(function()
      here.session.tasks.map({ 1, 2, 3 }, function() here.vault.list_mounts() end)
    end)
    local body = {}
    for name, value in pairs(here.sent[1].body) do
      body[name] = value
      if secret.is(value) then body[name] = secret.equal(value, case[4][name] or "") and case[4][name] end
    end
    test.equal(body, case[4])
    test.equal({ here.sent[1].token, here.sent[1].session_key }, { nil, "the key to sessions" })
    test.equal(secret.equal(here.sent[2].token, "hvs.of-the-login"), true)
    local list = names(here)
    test.equal({ #list, list[1], list[5] }, { 5, ("POST auth/%s/%s"):format(method, path), "POST auth/token/revoke-self" })
  end
end

test["another mount is named by --vault-auth-mount; a method that is none, and what lacks, are told"] = function()
  local here = open({ ["POST auth/team/approle/login"] = { auth = AUTH } },
    { method = "approle", mount = "auth/team/approle/", environment = { VAULT_ROLE_ID = "r" } })
  here.run(function() here.vault.list_mounts() end)
  test.equal(names(here)[1], "POST auth/team/approle/login")
  here = open({}, { method = "ldap" })
  test.contains(reason(here, function() here.vault.list_mounts() end), "--vault-auth 'ldap' is no method; there are token, approle, aws")
  for method, words in pairs { approle = "VAULT_ROLE_ID is not set", jwt = "VAULT_JWT is not set, nor is VAULT_JWT_FILE",
    userpass = "VAULT_USERNAME is not set", cert = "VAULT_CLIENT_CERT and VAULT_CLIENT_KEY are not set" } do
    here = open({}, { method = method })
    local raised = stand_in.raised(here, function() here.vault.list_mounts() end)
    test.contains(raised, words)
    test.equal({ raised.exit, #here.sent }, { "credentials", 0 })
  end
end

test["a refused login ends with the status of credentials and names the mount; a wanted second factor is told"] = function()
  local environment = { VAULT_ROLE_ID = "r", VAULT_SECRET_ID = NEEDLE }
  local here = open({ ["POST auth/approle/login"] = refused "invalid role or secret ID" }, { method = "approle", environment = environment })
  local raised = stand_in.raised(here, function() here.vault.list_mounts() end)
  test.equal({ raised.exit, raised.situation }, { "credentials", "vault.login" })
  test.contains(raised, "invalid role or secret ID")
  test.contains(raised, "--vault-auth-mount names another mount than auth/approle")
  test.equal(tostring(raised):find(NEEDLE, 1, true), nil)
  here = open({ ["POST auth/approle/login"] = { auth = { mfa_requirement = { mfa_request_id = "x" } } } },
    { method = "approle", environment = environment })
  test.equal(stand_in.raised(here, function() here.vault.list_mounts() end).situation, "vault.mfa")
end

test["a login by AWS that STS or the server's ID refuses is told as that"] = function()
  local cases = { ["vault.login-sts"] = "error making upstream request: received error code 403 from STS: <Code>SignatureDoesNotMatch</Code>",
    ["vault.login-server-id"] = 'error validating X-Vault-AWS-IAM-Server-ID header: expected "a" but got "b"',
    ["vault.login"] = 'entry for role x not found' }
  for id, words in require("sorted")(cases) do
    local here = open({ ["POST auth/aws/login"] = refused(words) }, { method = "aws" })
    local raised = stand_in.raised(here, function() here.vault.list_mounts() end)
    test.equal({ raised.situation, raised.exit }, { id, "credentials" })
    test.contains(raised, words)
  end
end

test["a wrapped secret_id is unwrapped when its wrapping was made by this AppRole mount, and is left alone when it was not"] = function()
  local environment = { VAULT_ROLE_ID = "r", VAULT_SECRET_ID = "hvs.wrapping", VAULT_SECRET_ID_WRAPPED = "true" }
  local function answers(path)
    return { ["POST sys/wrapping/lookup"] = { data = { creation_path = path } }, ["POST sys/wrapping/unwrap"] = { data = { secret_id = NEEDLE } },
      ["POST auth/approle/login"] = { auth = AUTH } }
  end
  local here = open(answers "auth/approle/role/cmek/secret-id", { method = "approle", environment = environment })
  here.run(function() here.vault.list_mounts() end)
  test.equal(secret.equal(here.sent[3].body.secret_id, NEEDLE), true)
  test.equal({ secret.equal(here.sent[1].body.token, "hvs.wrapping"), here.sent[1].token, secret.equal(here.sent[2].token, "hvs.wrapping") },
    { true, nil, true })
  for _, path in ipairs { "cubbyhole/x", "auth/other/role/cmek/secret-id", "sys/wrapping/wrap" } do
    here = open(answers(path), { method = "approle", environment = environment })
    test.contains(reason(here, function() here.vault.list_mounts() end), "was made at '" .. path .. "'")
    test.equal(names(here), { "POST sys/wrapping/lookup" })
  end
  here = open({ ["POST sys/wrapping/lookup"] = refused "wrapping token is not valid or does not exist" },
    { method = "approle", environment = environment })
  test.equal(stand_in.raised(here, function() here.vault.list_mounts() end).situation, "vault.wrapped")
end

test["a token is renewed at half of its life while others work, and no longer"] = function()
  local here = open({ ["POST auth/approle/login"] = { auth = AUTH }, ["POST auth/token/renew-self"] = { auth = { lease_duration = 100 } } },
    { method = "approle", environment = { VAULT_ROLE_ID = "r" } })
  here.run(function()
    here.vault.list_mounts()
    here.session.tasks.sleep(170)
  end)
  local renewals = {}
  for _, request in ipairs(here.sent) do
    if request.path == "renew-self" then renewals[#renewals + 1] = request.time - stand_in.NOW end
  end
  test.equal(renewals, { 50.0, 100.0, 150.0 })
  test.equal(here.sent[#here.sent].path, "revoke-self")
end

test["a token of a login that has ended is made anew; one that somebody else made is not revoked"] = function()
  local logins = 0
  local here = open({ ["POST auth/approle/login"] = function()
    logins = logins + 1
    return { auth = { client_token = "hvs.login-" .. logins, lease_duration = 100, renewable = false } }
  end, ["GET sys/mounts"] = function(request) return secret.equal(request.token, "hvs.login-1") and logins == 1 and request.time > stand_in.NOW + 100
    and refused("permission denied", 403) or { data = {} } end }, { method = "approle", environment = { VAULT_ROLE_ID = "r" } })
  here.run(function()
    here.vault.list_mounts()
    here.session.tasks.sleep(200)
    here.vault.list_mounts()
  end)
  test.equal(logins, 2)
  here = open {}
  here.run(function() here.vault.list_mounts() end)
  test.equal(names(here), { "GET auth/token/lookup-self", "GET sys/mounts" })
end

test["the token of a login is revoked also when what used it fails; that it cannot be is told"] = function()
  local here = open({ ["POST auth/approle/login"] = { auth = AUTH }, ["POST auth/token/revoke-self"] = refused("x", 500) },
    { method = "approle", environment = { VAULT_ROLE_ID = "r" } })
  test.contains(reason(here, function()
    here.vault.list_mounts()
    error("something else", 0)
  end), "something else")
  test.equal(here.sent[#here.sent].path, "revoke-self")
  test.contains(here.events[#here.events].text, "the token of the login to Vault could not be revoked; it ends at 2026-02-01T09:01:40Z")
end

test["a login whose token has ended by itself is not said to be left behind"] = function()
  local here = open({ ["POST auth/approle/login"] = { auth = { client_token = "hvs.short", lease_duration = 60, renewable = false } },
    ["POST auth/token/revoke-self"] = refused("permission denied", 403) }, { method = "approle", environment = { VAULT_ROLE_ID = "r" } })
  here.run(function()
    here.vault.list_mounts()
    here.session.tasks.sleep(100)
  end)
  test.equal(#here.events, 0)
end

-- ---- what is kept in Vault ----

local function keeping(environment, more)
  return open({ ["GET kv/data/cmek"] = function(request)
    return { data = { data = { api_key = NEEDLE, access_key = "AKIASIMULATEDCMEK009", secret_key = "made-up-secret-key" } },
      audience = request.audience }
  end, ["GET kv/data/gone"] = { status = 404, body = { data = { data = json.null, metadata = { version = 1 } } } },
  ["GET //api/v1/organization"] = { body = { id = "o" } } }, { environment = environment, method = more and more.method })
end

test["COCKROACH_API_KEY may say where in Vault the key is: it is fetched once, as a secret of the Cloud's, and bears the requests"] = function()
  local here = keeping { COCKROACH_API_KEY = "vault:kv/data/cmek#api_key" }
  here.run(function()
    here.session.cloud.organization()
    here.session.cloud.organization()
  end)
  test.equal(names(here), { "GET auth/token/lookup-self", "GET kv/data/cmek", "GET //api/v1/organization", "GET //api/v1/organization" })
  test.equal({ here.sent[2].audience, here.sent[2].session_key, secret.equal(here.sent[3].token, NEEDLE) }, { "cloud", "the key to sessions", true })
end

test["AWS's keys may stand there as well, the ID too"] = function()
  local here = keeping { AWS_ACCESS_KEY_ID = "vault:kv/data/cmek#access_key", AWS_SECRET_ACCESS_KEY = "vault:kv/data/cmek#secret_key" }
  here.run(function()
    local keys = here.session.credentials:get()
    test.equal({ keys.access_key_id, secret.equal(keys.secret_access_key, "made-up-secret-key"), keys.session_token },
      { "AKIASIMULATEDCMEK009", true, nil })
  end)
  here = keeping { AWS_ACCESS_KEY_ID = "vault:kv/data/cmek#api_key", AWS_SECRET_ACCESS_KEY = "vault:kv/data/cmek#secret_key" }
  test.contains(reason(here, function() here.session.credentials:get() end), "holds is no AWS access key ID")
end

test["a reference that leads nowhere is told with its place and its variable; one that is malformed too"] = function()
  local cases = { { "vault:kv/data/gone#api_key", "there is nothing at kv/data/gone", "credentials" },
    { "vault:kv/data/cmek#apikey", "what is kept at kv/data/cmek has no 'apikey'", "credentials" },
    { "vault:kv/data/other#api_key", "there is nothing at kv/data/other", "credentials" },
    { "vault:kv/data/cmek", "is like vault:kv/data/PATH#FIELD", "usage" },
    { "vault:kv/cmek#api_key", "is like vault:kv/data/PATH#FIELD", "usage" } }
  for _, case in ipairs(cases) do
    local here = keeping { COCKROACH_API_KEY = case[1] }
    local raised = stand_in.raised(here, function() here.session.cloud.organization() end)
    test.contains(raised, case[2])
    test.contains(raised, "COCKROACH_API_KEY")
    test.equal(raised.exit, case[3])
  end
end

test["a login that needs what the login would open is refused, and does not wait for itself"] = function()
  local here = keeping({ AWS_ACCESS_KEY_ID = "vault:kv/data/cmek#access_key", AWS_SECRET_ACCESS_KEY = "vault:kv/data/cmek#secret_key" },
    { method = "aws" })
  test.contains(reason(here, function() here.vault.list_mounts() end), "the login to Vault by aws needs AWS keys that are kept in Vault")
end
