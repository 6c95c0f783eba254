-- host/vault.c behind the door's guards: what each request to Vault does, with somebody who tries to get around it; what is sent, and what
-- comes out as a secret.
local crypto = require "crypto"
local door_module = require "door"
local journal = require "journal"
local json = require "json"
local secret = require "secret"
local task = require "task"
local unknown = require "unknown"
local world = require "sim.world"

local TOKEN <const> = secret.new("hvs.not-a-real-token-00000001", "vault")

local memory = dofile("tests/torture/disk.lua").new   -- a journal without a file

--- A door in a world of its own. here.ask(request) sends with a token; here.session(request) as the credential code does.
local function open(options)
  options = options or {}
  local here = { seen = {}, disk = memory() }
  local place = world.new { seed = 1, handle = function(request)
    here.seen[#here.seen + 1] = request
    return options.answer and options.answer(request) or { status = 200, headers = {}, body = "{}" }
  end }
  here.door = door_module.new { world = place, yes = true }
  here.door:endpoint("vault", options.url or "https://vault.example:8200/edge", { transport = options.transport })
  here.door:seal()
  here.door:record(journal.over(here.disk))
  if options.write then assert(here.door:permit_writes "write?") end
  local key, tasks = here.door:session_key(), task.new(here.door)
  function here.ask(request)
    if request.token == nil then request.token = TOKEN end
    request.token = request.token or nil
    return tasks.run(function() return here.door.vault.request(request) end)
  end
  function here.session(request)
    request.session_key = key
    return here.ask(request)
  end
  function here.sign(request)
    request.session_key = key
    return tasks.run(function() return here.door.vault.sign_identity(request) end)
  end
  return here
end

local function headers_of(request)
  local list = {}
  for _, header in ipairs(request.headers) do list[header[1]] = header[2] end
  return list
end

-- ---- effect ----

test["what an owner keeps is secret; who rotates a cluster's keys is none, at an entry of that name alone"] = function()
  local here = open { answer = function() return { status = 200, headers = {}, body = '{"data":{"data":{"run":"r-1","token":"t"}}}' } end }
  local function kept(path) return here.ask({ method = "GET", mount = "kv", path = path }).body.data.data end
  for _, path in ipairs { "data/cmek/rotation-of-orders-0f2c6e9d41b7", "data/a/b/c/rotation-of-x" } do
    test.equal({ path, kept(path).run, secret.is(kept(path).token) }, { path, "r-1", true })
  end
  for _, path in ipairs { "data/cmek/other", "data/rotation-of-x", "data/cmek/rotation-of-x/y", "data/cmek/rotation-of-" } do
    local value = kept(path)
    test.truthy(secret.is(value) or secret.is(value.run), path)
  end
end

test["what a request does is told by method and path under the mount, whatever the mount is called"] = function()
  local here = open()
  for _, read in ipairs { { "GET", "sys", "mounts" }, { "POST", "sys", "capabilities-self" }, { "GET", "sys", "health" },
    { "GET", "auth/token", "lookup-self" }, { "PUT", "sys", "wrapping/lookup" }, { "LIST", "keymgmt", "kms" }, { "GET", "a/b", "kms/aws/key/k" },
    { "GET", "team/kv", "data/some/where" }, { "LIST", "transit", "keys" }, { "GET", "transit", "wrapping_key" } } do
    test.equal(here.ask({ method = read[1], mount = read[2], path = read[3] }).status, 200)
  end
  local sent = #here.seen
  test.equal(sent, 10)
  for _, write in ipairs { { "POST", "keymgmt", "key/k" }, { "PUT", "keymgmt", "key/k/rotate" }, { "GET", "transit", "export/encryption-key/k/1" },
    { "GET", "transit", "byok-export/a/b" }, { "GET", "transit", "backup/k" }, { "POST", "transit", "encrypt/k" },
    { "POST", "transit", "datakey/wrapped/k" }, { "POST", "sys", "mounts/keymgmt" }, { "GET", "nobody", "knows" }, { "PATCH", "kv", "data/x" },
    { "GET", "sys", "raw/core" }, { "GET", "pki", "crl/rotate" }, { "POST", "sys", "health" } } do
    test.raises(function() here.ask { method = write[1], mount = write[2], path = write[3] } end, "is a write, and this command may only read")
  end
  test.equal(#here.seen, sent)
end

test["deletions are deletions, but for the temporary key of a transit import"] = function()
  local here = open { write = true }
  for _, path in ipairs { "key/k", "kms/aws", "kms/aws/key/k", "keys/k" } do
    test.raises(function() here.ask { method = "DELETE", mount = "m", path = path } end, "is a deletion, and this command may only create and update")
  end
  test.raises(function() here.ask { method = "DELETE", mount = "sys", path = "mounts/m" } end, "is a deletion")
  test.equal(#here.seen, 0)
  here.ask { method = "DELETE", mount = "transit", path = "keys/tmp-01" }
  test.equal(#here.seen, 1)
end

test["logins, dynamic credentials, unwrapping and leases are for the credential code alone, in every mode"] = function()
  local here = open()
  local sessions = { { "POST", "auth/approle", "login" }, { "POST", "auth/my/userpass", "login/me" }, { "PUT", "auth/token", "renew-self" },
    { "POST", "auth/token", "revoke-self" }, { "POST", "sys", "wrapping/unwrap" }, { "GET", "aws", "creds/role" }, { "POST", "aws", "sts/role" },
    { "PUT", "sys", "leases/revoke" }, { "GET", "db", "static-creds/x" } }
  for _, session in ipairs(sessions) do
    test.raises(function() here.ask { method = session[1], mount = session[2], path = session[3] } end, "is for the credential code alone")
    local forged = { method = session[1], mount = session[2], path = session[3], session_key = {} }
    test.raises(function() here.ask(forged) end, "is for the credential code alone")
  end
  test.equal(#here.seen, 0)
  for _, session in ipairs(sessions) do here.session { method = session[1], mount = session[2], path = session[3] } end
  test.equal(#here.seen, #sessions)
end

test["no word of where the mount ends makes a read of what gives keys or credentials away, nor a write of what deletes"] = function()
  local here = open { write = true }
  for _, dressed in ipairs { { "GET", "aws/creds", "data/x" }, { "GET", "aws/creds/key", "k" }, { "GET", "aws/creds/x", "kms/y" } } do
    test.raises(function() here.ask { method = dressed[1], mount = dressed[2], path = dressed[3] } end, "is for the credential code alone")
  end
  for _, dressed in ipairs { { "keymgmt/kms", "aws/key/k" }, { "keymgmt", "kms/aws/key/k" }, { "keymgmt/kms/aws", "key/k" },
    { "kv/metadata", "keys/tmp-1" } } do
    test.raises(function() here.ask { method = "DELETE", mount = dressed[1], path = dressed[2] } end, "is a deletion")
  end
  here = open()
  for _, dressed in ipairs { { "GET", "transit/export/encryption-key", "data/1" }, { "GET", "transit/export", "key/k" },
    { "GET", "sys/raw", "data/x" },
    { "GET", "auth", "data/x" }, { "GET", "auth/approle", "key/k" }, { "GET", "identity/oidc", "key/k" }, { "GET", "cubbyhole/x", "data/y" },
    { "POST", "sys/capabilities-self", "data/x" }, { "GET", "transit/backup", "metadata/x" } } do
    test.raises(function() here.ask { method = dressed[1], mount = dressed[2], path = dressed[3] } end, "is a write")
  end
  test.raises(function() here.ask { method = "GET", mount = "transit", path = "export/x/k", query = { list = true } } end, "is a write")
  test.equal(#here.seen, 0)
end

test["what is kept in KV comes out as secrets, whatever it is called there and whatever the caller takes it for"] = function()
  local here = open { answer = function() return { status = 200, headers = {}, body = '{"data":{"data":{"api_key":"made-up"},"name":"k"}}' } end }
  for _, read in ipairs { { "kv", "data/creds/x" }, { "kv", "data/export/x" }, { "kv", "data/keys/x" }, { "kv", "data/backup/x" } } do
    local answer = here.session { mount = read[1], path = read[2], audience = "cloud" }
    test.equal({ read[2], secret.is(answer.body.data.data.api_key) }, { read[2], true })
  end
  local answer = here.ask { mount = "kv/data", path = "keys/x" }   -- as if it were a key of transit
  test.equal({ secret.is(answer.body.data.data.api_key), secret.is(answer.body.data.name) }, { true, true })
  answer = here.ask { mount = "transit", path = "keys/x" }         -- the control
  test.equal({ answer.body.data.data.api_key, answer.body.data.name }, { "made-up", "k" })
  local sent = #here.seen
  for _, path in ipairs { "data/creds/x", "data/export/x" } do   -- who is not the credential code is judged as before
    test.raises(function() here.ask { mount = "kv", path = path, session_key = {} } end, "is for the credential code alone")
  end
  local dressed = { method = "DELETE", mount = "kv/metadata", path = "keys/tmp-1", session_key = {} }
  test.raises(function() here.ask(dressed) end, "this command may only read")
  test.equal(#here.seen, sent)
end

test["a path is what was judged: nothing in it is decoded, cut or climbed with"] = function()
  local here = open()
  for _, wrong in ipairs { { "kv", "data/../creds/x" }, { "kv", "data/a%2fb" }, { "kv", "data/a?list=true" }, { "kv", "data/a#b" },
    { "kv", "data//x" },
    { "kv", "/data/x" }, { "kv", "data/x/" }, { "", "x" }, { "kv", "" }, { "kv", "data/a b" }, { "kv", "data/a\nb" },
    { "kv", "data/./x" }, { "..", "x" } } do
    test.raises(function() here.ask { mount = wrong[1], path = wrong[2] } end, "is no path of the API")
  end
  test.raises(function() here.ask { method = "get", mount = "kv", path = "data/x" } end, "'get' is no method of the API")
  test.raises(function() here.ask { mount = "kv", path = "data/" .. tostring(unknown.text(unknown.new "x")) } end, "not known before run")
  test.equal(#here.seen, 0)
end

test["a wrapped answer, and one whose secrets are another service's, are made for the credential code alone"] = function()
  local here = open()
  test.raises(function() here.ask { mount = "kv", path = "data/x", wrap_ttl = "60s" } end, "is for the credential code alone")
  test.raises(function() here.ask { mount = "kv", path = "data/x", audience = "cloud" } end, "is for the credential code alone")
  here.session { mount = "kv", path = "data/x", wrap_ttl = "60s" }
  test.equal(headers_of(here.seen[1])["X-Vault-Wrap-TTL"], "60s")
  here = open { write = true }
  test.raises(function() here.ask { mount = "transit", path = "export/encryption-key/k", audience = "aws" } end, "is for Vault alone")
end

-- ---- what is sent ----

test["a request bears token, namespace and X-Vault-Request below the address's own path; a body is JSON"] = function()
  local here = open { write = true }
  here.ask { method = "POST", mount = "sys", path = "mounts/keymgmt", namespace = "admin/team/", body = { type = "keymgmt" } }
  local request = here.seen[1]
  test.equal({ request.method, request.target, request.body }, { "POST", "/edge/v1/sys/mounts/keymgmt", '{"type":"keymgmt"}' })
  local headers = headers_of(request)
  test.equal({ headers["X-Vault-Token"], headers["X-Vault-Namespace"], headers["X-Vault-Request"], headers["Content-Type"] },
    { "hvs.not-a-real-token-00000001", "admin/team/", "true", "application/json" })
  here.ask { method = "LIST", mount = "keymgmt", path = "key" }
  test.equal({ here.seen[2].method, here.seen[2].target, here.seen[2].body }, { "LIST", "/edge/v1/keymgmt/key", "" })
  here.ask { mount = "kv", path = "data/x", query = { version = 3 } }
  test.equal(here.seen[3].target, "/edge/v1/kv/data/x?version=3")
  here.ask { mount = "sys", path = "health", token = false }
  test.equal(headers_of(here.seen[4])["X-Vault-Token"], nil)
end

test["a token that no header can carry never leaves, and a secret of others neither"] = function()
  local here = open()
  for _, text in ipairs { "hvs.a\nX-Evil: 1", "hvs.ä", "two words" } do
    local response, message, kind = here.ask { mount = "sys", path = "mounts", token = secret.new(text, "vault") }
    test.equal({ response, message, kind }, { nil, "the token holds a character that no token has", "unsent" })
  end
  test.raises(function() here.ask { mount = "sys", path = "mounts", token = secret.new("x", "cloud") } end, "must be a secret for Vault")
  test.raises(function() here.ask { mount = "sys", path = "mounts", token = "hvs.text" } end, "must be a secret for Vault")
  test.raises(function() here.ask { mount = "sys", path = "mounts", namespace = "a\nb" } end, "does not belong there")
  test.raises(function() here.session { method = "POST", mount = "auth/approle", path = "login", body = { secret_id = secret.new("x", "aws") } } end,
    "a secret that is not for this service")
  test.equal(#here.seen, 0)
end

test["the journal has a write before it leaves and a session too, without what is secret"] = function()
  local here = open { write = true, answer = function()
    return { status = 200, headers = {}, body = '{"request_id":"0f6c1c1e","auth":{"client_token":"hvs.made-up-token-0002"}}' }
  end }
  here.ask { method = "POST", mount = "keymgmt", path = "key/k", body = { type = "aes256-gcm96" } }
  here.session { method = "POST", mount = "auth/userpass", path = "login/me", body = { password = secret.new("made-up-password-3", "vault") } }
  here.ask { mount = "sys", path = "mounts" }
  here.door:note { kind = "end" }
  local text = here.disk.text .. here.disk.queued
  test.contains(text, '"effect":"write"')
  test.contains(text, '"operation":"KeymgmtWriteKey"')
  test.contains(text, '"target":"keymgmt/key/k"')
  test.contains(text, '"request_id":"0f6c1c1e"')
  test.contains(text, '"operation":"Login"')
  test.equal(text:find("ListMounts", 1, true), nil)
  for _, needle in ipairs { "hvs.", "made-up", "aes256" } do test.equal({ needle, text:find(needle, 1, true) }, { needle, nil }) end
end

-- ---- what comes back ----

test["tokens, credentials and what an owner keeps come out as secrets; names and numbers do not"] = function()
  local bodies = {
    ["/v1/auth/approle/login"] = [[{"auth":{"client_token":"hvs.made-up-1","accessor":"a1","lease_duration":60,"policies":["p"]},"wrap_info":null}]],
    ["/v1/aws/creds/x"] = [[{"lease_id":"aws/creds/x/1",
      "data":{"access_key":"AKIA","secret_key":"made-up-2","security_token":null,"session_token":"made-up-3"}}]],
    ["/v1/kv/data/x"] = [[{"data":{"data":{"api_key":"made-up-4","number":5},"metadata":{"version":7}}}]],
    ["/v1/sys/wrapping/unwrap"] = [[{"data":{"secret_id":"made-up-5","secret_id_accessor":"x"}}]],
    ["/v1/transit/export/encryption-key/k"] = [[{"data":{"name":"k","keys":{"1":"bWFkZS11cA=="}}}]],
    ["/v1/auth/token/lookup-self"] = [[{"data":{"id":"hvs.made-up-6","accessor":"b","policies":["p"],"ttl":60}}]],
    ["/v1/sys/mounts"] = [[{"data":{"kv/":{"type":"kv"}},"wrap_info":{"token":"hvs.made-up-7","ttl":5}}]],
  }
  local here = open { url = "https://vault.example", write = true, answer = function(request)
    return { status = 200, headers = {}, body = bodies[request.target] }
  end }
  local login = here.session({ method = "POST", mount = "auth/approle", path = "login" }).body.auth
  test.equal({ secret.is(login.client_token), login.accessor, login.lease_duration, login.policies[1] }, { true, "a1", 60, "p" })
  local keys = here.session({ mount = "aws", path = "creds/x" }).body.data
  test.equal({ keys.access_key, secret.is(keys.secret_key), secret.is(keys.session_token), keys.security_token == json.null },
    { "AKIA", true, true, true })
  local kept = here.session({ mount = "kv", path = "data/x", audience = "cloud" }).body.data.data
  test.equal({ secret.is(kept.api_key), secret.is(kept.number), tostring(kept.api_key) }, { true, true, "****" })
  test.equal(secret.is(here.session({ method = "POST", mount = "sys", path = "wrapping/unwrap" }).body.data.secret_id), true)
  local exported = here.ask({ mount = "transit", path = "export/encryption-key/k" }).body.data
  test.equal({ exported.name, secret.is(exported.keys["1"]) }, { "k", true })
  local self = here.ask({ mount = "auth/token", path = "lookup-self" }).body.data
  test.equal({ secret.is(self.id), self.accessor, self.ttl }, { true, "b", 60 })
  local mounts = here.ask({ mount = "sys", path = "mounts" }).body
  test.equal({ mounts.data["kv/"].type, secret.is(mounts.wrap_info.token) }, { "kv", true })
end

-- ---- the signed identity ----

test["an identity is signed for one server, and its signature and session token never are texts"] = function()
  local here = open()
  local credentials = { access_key_id = "AKIASIMULATEDCMEK001", secret_access_key = secret.new("made-up-aws-secret", "aws"),
    session_token = secret.new("made-up-session-token", "aws") }
  local fields = here.sign { url = "https://sts.eu-west-1.amazonaws.com/", region = "eu-west-1", server_id = "vault.example",
    credentials = credentials }
  test.equal({ fields.iam_http_request_method, crypto.unbase64(fields.iam_request_url), crypto.unbase64(fields.iam_request_body) },
    { "POST", "https://sts.eu-west-1.amazonaws.com/", "Action=GetCallerIdentity&Version=2011-06-15" })
  test.equal(tostring(fields.iam_request_headers), "****")
  here.session { method = "POST", mount = "auth/aws", path = "login", token = false, body = fields }
  local headers = json.decode(crypto.unbase64(json.decode(here.seen[1].body).iam_request_headers))
  test.contains(headers.Authorization[1], "SignedHeaders=content-length;content-type;host;x-amz-date;x-amz-security-token;x-vault-aws-iam-server-id")
  test.contains(headers.Authorization[1], "/eu-west-1/sts/aws4_request")
  test.equal({ headers.Host[1], headers["Content-Length"][1], headers["X-Vault-AWS-IAM-Server-ID"][1], headers["X-Amz-Security-Token"][1] },
    { "sts.eu-west-1.amazonaws.com", "43", "vault.example", "made-up-session-token" })
  test.raises(function() task.new(here.door).run(function() here.door.vault.sign_identity { credentials = credentials } end) end,
    "is for the credential code alone")
  test.raises(function() here.sign { url = "http://sts.amazonaws.com/", credentials = credentials } end, "must be like https://sts.amazonaws.com/")
end

-- ---- the way there ----

test["a way of its own is Vault's alone; http to another machine is for an address that somebody named"] = function()
  local function add(service, url, transport)
    door_module.new({ world = world.new { seed = 1, handle = function() end } }):endpoint(service, url, { transport = transport })
  end
  test.raises(function() add("kms", "https://kms.example", { skip_verify = true }) end, "kms is reached as all the others are")
  test.raises(function() add("vault", "http://vault.example:8200", {}) end, "http is for this machine alone")
  add("vault", "http://vault.example:8200", { plain = true })
  add("vault", "http://127.0.0.1:8200", {})
  test.raises(function() add("vault", "https://vault.example", { ca_fiel = "x" }) end, "unknown field 'ca_fiel'")
  test.raises(function() add("vault", "https://vault.example", { client_certificate = "x" }) end, "go together")
end

-- ---- the table ----

test["each function of Vault's is in the table by its name, and what it sends is judged as its name is"] = function()
  local operations = require "vault.operations"
  local words = { write = "is a write", deletion = "is a deletion" }
  for operation in require("sorted")(operations.LIST) do
    local effect = door_module.effect("vault", operation)
    test.truthy(effect == "read" or effect == "write" or effect == "deletion")
    local given = {}
    for name in (operations.LIST[operation][2] .. "/" .. operations.LIST[operation][3]):gmatch "{(%a+)}" do given[name] = "n" end
    if operation == "TransitDeleteTemporaryKey" then given.name = "tmp-1" end
    local request = operations.request(operation, given)
    local here, sent = open(), { method = request.method, mount = request.mount, path = request.path }
    local ok, raised = pcall(here.ask, sent)
    test.equal({ operation, ok }, { operation, effect == "read" })
    if not ok then test.contains(raised, ("vault %s %s"):format(operation, words[effect])) end
  end
end

test["a secret stands in no body that Vault would show again as a text, and in those that it is for it does"] = function()
  local here = open { write = true }
  local kept = secret.new("kept-by-an-owner-0001", "vault")
  for path, body in require("sorted") {
    ["sys/mounts/x"] = { type = "kv", description = kept }, ["kv/metadata/x"] = { custom_metadata = { a = kept } },
    ["transit/keys/x"] = { type = kept }, ["kv/anything"] = { a = kept }, ["keymgmt/key/x"] = { type = kept } } do
    local mount, rest = path:match "^([^/]+)/(.+)$"
    test.raises(function() here.ask { method = "POST", mount = mount, path = rest, body = body } end, "takes no secret")
  end
  test.equal(#here.seen, 0)
  here.ask { method = "POST", mount = "kv", path = "data/x", body = { data = { a = kept } } }
  here.ask { method = "POST", mount = "keymgmt", path = "kms/x", body = { credentials = { access_key = kept } } }
  test.equal(#here.seen, 2)
end
