-- The simulated Vault: order of checks, envelope, policies, tokens, wrapping, namespaces, mounts, conditions, KV, faults.
local client = dofile("tests/sim_vault_client.lua")
local json = require "json"

local DENIED <const> = "403 1 error occurred:\n\t* permission denied\n\n"

-- ---- the order of checks ----

test["a sealed server answers nothing but its health and seal status"] = function()
  local vault = client.new { vault = { condition = "sealed" } }
  test.equal(vault:refusal("GET", "sys/mounts"), "503 Vault is sealed")
  test.equal(vault:refusal("GET", "nothing/here", "{bad", { token = false }), "503 Vault is sealed")
  local health = vault:send { path = "sys/health", token = false }
  test.equal({ health.status, health.body.sealed, health.body.cluster_name }, { 503, true, nil })
  test.equal(vault:send { path = "sys/seal-status", token = false }.body.sealed, true)
end

test["the health says in which condition the server is, and the query may choose the codes"] = function()
  local function status(condition, query)
    return client.new { vault = { condition = condition } }:send { path = "sys/health" .. (query or ""), token = false }.status
  end
  test.equal({ status "active", status "standby", status "performance-standby", status "dr-secondary", status "uninitialised" },
    { 200, 429, 473, 472, 501 })
  test.equal({ status("standby", "?standbyok=true"), status("sealed", "?sealedcode=299"), status("performance-standby", "?perfstandbyok=true") },
    { 200, 299, 200 })
  local body = client.new():send { path = "sys/health", token = false }.body
  test.equal({ body.version, body.initialized, body.standby, body.data }, { "1.21.1+ent", true, false, nil })
end

test["bad JSON is seen before a bad token, and an unknown verb before both"] = function()
  local vault = client.new()
  test.contains(vault:refusal("POST", "secret/data/x", "{bad", { token = "wrong" }), "400 failed to parse JSON input: ")
  test.equal(vault:refusal("POST", "secret/data/x", "null"), "400 no data provided")   -- as the official client sends no fields
  test.equal(vault:send { method = "BREW", path = "secret/data/x", body = "{bad" }.body, { errors = json.array {} })
  test.equal(vault:send { method = "BREW", path = "secret/data/x" }.status, 405)
  test.equal(vault:refusal("PATCH", "secret/data/x", { data = {} }), "415 PATCH requires Content-Type of application/merge-patch+json, provided ")
end

test["a missing or wrong token is told apart from a missing right"] = function()
  local vault = client.new()
  test.equal(vault:refusal("GET", "secret/data/x", nil, { token = false }), "403 permission denied")
  test.equal(vault:refusal("GET", "secret/data/x", nil, { token = "hvs.wrong" }),
    "403 2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n")
  test.equal(client.new { vault = { edition = "openbao" } }:refusal("GET", "secret/data/x", nil, { token = "s.wrong" }), "403 permission denied")
  test.equal(vault:refusal("GET", "secret/data/x", nil, { token = vault:token_with "# nothing" }), DENIED)
  test.equal(vault:send({ path = "sys/mounts", token = false, headers = { { "Authorization", "Bearer " .. client.ROOT } } }).status, 200)
end

test["only who may go there learns that there is nothing"] = function()
  local vault = client.new()
  test.equal(vault:refusal("GET", "keymgmt/key/x"), '404 no handler for route "keymgmt/key/x". route entry not found.')
  test.equal(vault:refusal("GET", "keymgmt/key/x", nil, { token = vault:token_with "# nothing" }), DENIED)
  test.equal(vault:refusal("POST", "auth/approle/login", { role_id = "x" }, { token = false }), "403 permission denied")
  test.equal(vault:refusal("GET", "sys/nothing"), "404 1 error occurred:\n\t* unsupported path\n\n")
  test.equal(vault:refusal("DELETE", "sys/capabilities-self"), "405 1 error occurred:\n\t* unsupported operation\n\n")
  test.equal(vault:refusal("POST", "secret/data/x/", { data = { a = "b" } }), "400 cannot write to a path ending in '/'")
end

-- ---- the envelope ----

test["an answer stands in the envelope, and unknown or doubled fields are warned of"] = function()
  local vault = client.new()
  local answer = vault:send { method = "POST", path = "secret/data/a", body = { data = { k = "v" }, path = "b", colour = "red" } }
  local body = answer.body
  test.equal({ answer.status, body.lease_id, body.renewable, body.lease_duration, body.auth, body.wrap_info, body.mount_type },
    { 200, "", false, 0, json.null, json.null, "kv" })
  test.equal(body.warnings, json.array { "Endpoint ignored these unrecognized parameters: [colour]",
    "Endpoint replaced the value of these parameters with the values captured from the endpoint's path: [path]" })
  test.equal(answer.headers["cache-control"], "no-store")
  test.equal(vault:send { path = "secret/data/a" }.body.warnings, json.null)
end

test["old system routes have their result twice"] = function()
  local vault = client.new()
  local body = vault:send { path = "sys/mounts" }.body
  test.equal({ body["secret/"].type, body.data["secret/"].options.version }, { "kv", "2" })
end

-- ---- policies ----

local function may(vault, text, method, path, body)
  local answer = vault:send { method = method, path = path, body = body, token = vault:token_with(text) }
  return answer.status ~= 403
end

test["policies: exact paths, globs, segments, and deny wins"] = function()
  local vault = client.new()
  vault:call("POST", "secret/data/team/a", { data = { k = "v" } })
  local function read(text) return may(vault, text, "GET", "secret/data/team/a") end
  test.equal(read 'path "secret/data/team/a" { capabilities = ["read"] }', true)
  test.equal(read 'path "secret/data/team" { capabilities = ["read"] }', false)
  test.equal(read 'path "secret/data/*" { capabilities = ["read"] }', true)
  test.equal(read 'path "secret/+/team/a" { capabilities = ["read"] }', true)
  test.equal(read 'path "secret/+/a" { capabilities = ["read"] }', false)
  test.equal(read 'path "secret/+/team*" { capabilities = ["read"] } # with a comment', true)
  test.equal(read 'path "secret/*" { capabilities = ["read"] }\npath "secret/data/team/*" { capabilities = ["deny"] }', false)
  test.equal(read 'path "secret/*" { capabilities = ["deny"] }\npath "secret/data/team/a" { capabilities = ["read"] }', true)
  test.equal(read 'path "secret/data/team/a" { capabilities = ["read", "deny"] }', false)
  test.equal(read '{"path":{"secret/data/team/a":{"capabilities":["read"]}}}', true)
  test.equal(read 'path "secret/data/team/a" { policy = "read" }', true)
  test.equal(read 'path "secret/data/team/a" { capabilities = ["update"] }', false)
end

test["policies: parameters that are allowed, denied and wanted, and answers that have to come wrapped"] = function()
  local vault = client.new()
  vault:call("POST", "sys/mounts/kv1", { type = "kv", options = { version = "1" } })
  vault:call("POST", "kv1/a", { k = "v" })
  local function write(more, body)
    return may(vault, ('path "kv1/a" { capabilities = ["create", "update"] %s }'):format(more), "POST", "kv1/a", body)
  end
  local function judged(more, cases)
    for i, case in ipairs(cases) do test.equal({ more, i, write(more, case[1]) }, { more, i, case[2] }) end
  end
  judged('allowed_parameters = { "color" = ["red", "blue*"] "any" = [] }', { { { color = "red" }, true }, { { COLOR = "bluest" }, true },
    { { color = "yellow" }, false }, { { any = 1 }, true }, { { other = 1 }, false }, { nil, true } })
  judged('denied_parameters = { "color" = ["*low"] "never" = [] }', { { { color = "red" }, true }, { { color = "yellow" }, false },
    { { never = 1 }, false }, { { other = 1 }, true } })
  judged('denied_parameters = { "*" = [] }', { { { color = "red" }, false }, { nil, true } })
  judged('required_parameters = ["color"]', { { { color = 1 }, true }, { { other = 1 }, false }, { nil, false } })
  local token = vault:token_with 'path "kv1/a" { capabilities = ["read"] min_wrapping_ttl = "10s" max_wrapping_ttl = "1m" }'
  for ttl, status in pairs { [false] = 403, ["5s"] = 403, ["10s"] = 200, ["60s"] = 200, ["61s"] = 403 } do
    test.equal({ ttl, vault:send({ path = "kv1/a", token = token, wrap = ttl or nil }).status }, { ttl, status })
  end
  local wrong = 'path "x" { capabilities = ["read"] min_wrapping_ttl = 60 max_wrapping_ttl = 10 }'
  test.contains(vault:refusal("PUT", "sys/policies/acl/x", { policy = wrong }), "max_wrapping_ttl cannot be less than min_wrapping_ttl")
end

test["the same path twice, in one policy or two, adds up, and deny in one is enough"] = function()
  local vault = client.new()
  local token = vault:token_with('path "secret/data/a" { capabilities = ["read"] }', 'path "secret/data/a" { capabilities = ["create", "update"] }')
  vault:call("POST", "secret/data/a", { data = { k = "v" } }, { token = token })
  test.equal(vault:call("GET", "secret/data/a", nil, { token = token }).data, { k = "v" })
  token = vault:token_with 'path "secret/data/a" { capabilities = ["read"] } path "secret/data/a" { capabilities = ["update"] }'
  vault:call("POST", "secret/data/a", { data = { k = "v" } }, { token = token })
  vault:call("GET", "secret/data/a", nil, { token = token })
  token = vault:token_with('path "secret/data/a" { capabilities = ["read"] }', 'path "secret/data/a" { capabilities = ["deny"] }')
  test.equal(vault:refusal("GET", "secret/data/a", nil, { token = token }), DENIED)
end

test["a write is a create where nothing is, and an update where something is"] = function()
  local vault = client.new()
  local creator = vault:token_with 'path "secret/data/*" { capabilities = ["create"] }'
  vault:call("POST", "secret/data/a", { data = { k = "v" } }, { token = creator })
  test.equal(vault:refusal("POST", "secret/data/a", { data = { k = "w" } }, { token = creator }), DENIED)
  local updater = vault:token_with 'path "secret/data/*" { capabilities = ["update"] }'
  vault:call("POST", "secret/data/a", { data = { k = "w" } }, { token = updater })
  test.equal(vault:refusal("POST", "secret/data/b", { data = { k = "w" } }, { token = updater }), DENIED)
end

test["a list is asked for with and without the last slash, and by GET too"] = function()
  local vault = client.new()
  vault:call("POST", "secret/data/team/a", { data = { k = "v" } })
  local token = vault:token_with 'path "secret/metadata/team" { capabilities = ["list"] }'
  test.equal(vault:call("LIST", "secret/metadata/team", nil, { token = token }).keys, json.array { "a" })
  test.equal(vault:call("GET", "secret/metadata/team?list=true", nil, { token = token }).keys, json.array { "a" })
  test.equal(vault:refusal("LIST", "secret/metadata", nil, { token = token }), DENIED)
  test.equal(vault:refusal("LIST", "secret/metadata/none"), "404 ")
end

test["capabilities-self says what a token may"] = function()
  local vault = client.new()
  test.equal(vault:call("POST", "sys/capabilities-self", { paths = json.array { "keymgmt/key/k1" } })["keymgmt/key/k1"], json.array { "root" })
  local token = vault:token_with [[
    path "sys/capabilities-self" { capabilities = ["update"] }
    path "keymgmt/key/*" { capabilities = ["read", "create", "update"] }]]
  local answer = vault:send { method = "POST", path = "sys/capabilities-self", body = { paths = json.array { "keymgmt/key/k1", "keymgmt/kms/a" } },
    token = token }
  test.equal(answer.body.data, { ["keymgmt/key/k1"] = json.array { "create", "read", "update" }, ["keymgmt/kms/a"] = json.array { "deny" } })
  test.equal(answer.body["keymgmt/kms/a"], json.array { "deny" })
  test.equal(vault:refusal("POST", "sys/capabilities-self", {}), "400 paths must be supplied")
end

test["a policy that cannot be read is refused, as is an empty one; lists and reads show the others"] = function()
  local vault = client.new()
  test.equal(vault:refusal("PUT", "sys/policies/acl/x", { policy = "" }), "400 'policy' parameter not supplied or empty")
  test.contains(vault:refusal("PUT", "sys/policies/acl/x", { policy = 'path "a" { capabilities = ["fly"] }' }), 'invalid capability "fly"')
  test.contains(vault:refusal("PUT", "sys/policies/acl/x", { policy = 'path "a" { capabilities = ' }), "400 failed to parse policy")
  vault:call("PUT", "sys/policies/acl/x", { policy = 'path "a" { capabilities = ["read"] }' })
  test.equal(vault:call("GET", "sys/policies/acl/x"), { name = "x", policy = 'path "a" { capabilities = ["read"] }' })
  test.equal(vault:call("LIST", "sys/policies/acl").keys, json.array { "default", "x", "root" })
  vault:call("DELETE", "sys/policies/acl/x")
  test.equal(vault:refusal("GET", "sys/policies/acl/x"), "404 ")
end

-- ---- tokens ----

test["a token is looked up, renewed, ends with its time, and takes those that it made along"] = function()
  local vault = client.new()
  local parent = vault:call("POST", "auth/token/create", { policies = json.array { "default" }, ttl = "1h" })
  test.equal({ parent.lease_duration, parent.renewable, parent.policies }, { 3600, true, json.array { "default" } })
  local own = { token = parent.client_token }
  vault.aws.now = vault.aws.now + 600
  test.equal(vault:call("GET", "auth/token/lookup-self", nil, own).ttl, 3000)
  test.equal(vault:call("POST", "auth/token/renew-self", { increment = "2h" }, own).lease_duration, 7200)
  vault.aws.now = vault.aws.now + 7201
  test.contains(vault:refusal("GET", "auth/token/lookup-self", nil, own), "invalid token")
  test.equal(vault:call("GET", "auth/token/lookup-self").ttl, 0)
  test.equal(vault:refusal("POST", "auth/token/renew-self", {}), "400 lease is not renewable")
end

test["revoke-self ends a token; the children go with it and orphans stay"] = function()
  local vault = client.new()
  local token = vault:token_with 'path "auth/token/*" { capabilities = ["create", "update", "read", "sudo"] }'
  local child = vault:call("POST", "auth/token/create", {}, { token = token }).client_token
  local orphan = vault:call("POST", "auth/token/create-orphan", {}, { token = token }).client_token
  vault:call("POST", "auth/token/revoke-self", nil, { token = token })
  test.contains(vault:refusal("GET", "auth/token/lookup-self", nil, { token = child }), "invalid token")
  test.equal(vault:call("GET", "auth/token/lookup-self", nil, { token = orphan }).orphan, true)
end

test["a token of two uses serves twice, refused requests counted"] = function()
  local vault = client.new()
  local token = vault:call("POST", "auth/token/create", { policies = json.array { "default" }, num_uses = 2 }).client_token
  test.equal(vault:refusal("GET", "sys/mounts", nil, { token = token }), DENIED)
  test.equal(vault:call("GET", "auth/token/lookup-self", nil, { token = token }).num_uses, 0)
  test.contains(vault:refusal("GET", "auth/token/lookup-self", nil, { token = token }), "invalid token")
end

test["nobody makes a token with more than he has"] = function()
  local vault = client.new()
  local token = vault:token_with 'path "auth/token/create" { capabilities = ["update"] }'
  test.equal(vault:refusal("POST", "auth/token/create", { policies = json.array { "root" } }, { token = token }),
    "400 child policies must be subset of parent")
end

-- ---- wrapping ----

test["a wrapped answer is looked up without being used, and unwrapped once"] = function()
  local vault = client.new()
  vault:call("POST", "secret/data/a", { data = { k = "v" } })
  local info = vault:send { path = "secret/data/a", wrap = "5m" }.body.wrap_info
  test.equal({ info.ttl, info.creation_path, info.wrapped_accessor }, { 300, "secret/data/a", nil })
  local seen = vault:call("POST", "sys/wrapping/lookup", { token = info.token }, { token = false })
  test.equal({ seen.creation_path, seen.creation_ttl }, { "secret/data/a", 300 })
  test.equal(vault:call("POST", "sys/wrapping/unwrap", nil, { token = info.token }).data, { k = "v" })
  test.equal(vault:refusal("POST", "sys/wrapping/unwrap", { token = info.token }), "400 wrapping token is not valid or does not exist")
  info = vault:send { path = "secret/data/a", wrap = "60" }.body.wrap_info
  vault.aws.now = vault.aws.now + 61
  test.equal(vault:refusal("POST", "sys/wrapping/unwrap", { token = info.token }), "400 wrapping token is not valid or does not exist")
end

-- ---- mounts and namespaces ----

test["engines are mounted once, where the edition has them"] = function()
  local vault = client.new()
  vault:call("POST", "sys/mounts/other", { type = "kv", options = { version = "1" } })
  test.equal(vault:refusal("POST", "sys/mounts/other", { type = "kv" }), "400 path is already in use at other/")
  test.equal(vault:refusal("POST", "sys/mounts/x", {}), "400 backend type must be specified as a string")
  test.equal(vault:refusal("POST", "sys/mounts/sys", { type = "kv" }), '403 cannot mount "sys/"')
  test.equal(vault:refusal("POST", "sys/mounts/x", { type = "nothing" }), "400 plugin not found in the catalog: nothing")
  test.equal(vault:refusal("GET", "sys/mounts/x"), "400 No secret engine mount at x/")
  vault:call("DELETE", "sys/mounts/other")
  vault:call("DELETE", "sys/mounts/other")
  local bao = client.new { vault = { edition = "openbao" } }
  test.equal(bao:refusal("POST", "sys/mounts/secret", { type = "kv" }), "400 path is already in use at secret/")
  test.equal(bao:refusal("POST", "sys/mounts/keymgmt", { type = "keymgmt" }), "400 plugin not found in the catalog: keymgmt")
  test.equal(client.new { vault = { edition = "community" } }:refusal("POST", "sys/mounts/keymgmt", { type = "keymgmt" }),
    "400 plugin not found in the catalog: keymgmt")
end

test["whoever may use a mount may ask what it is"] = function()
  local vault = client.new()
  local token = vault:token_with 'path "secret/data/x/*" { capabilities = ["read"] }'
  local data = vault:call("GET", "sys/internal/ui/mounts/secret/data/x", nil, { token = token })
  test.equal({ data.path, data.type, data.options.version }, { "secret/", "kv", "2" })
  test.contains(vault:refusal("GET", "sys/internal/ui/mounts/secret", nil, { token = vault:token_with 'path "x" { capabilities = ["read"] }' }),
    "403 preflight capability check returned 403")
end

test["namespaces are apart, by header and by path; a token serves in its own and below"] = function()
  local vault = client.new()
  vault:call("POST", "sys/namespaces/team", {})
  vault:call("POST", "sys/namespaces/sub", {}, { namespace = "team" })
  test.equal(vault:call("LIST", "sys/namespaces").keys, json.array { "team/" })
  vault:call("POST", "sys/mounts/kv", { type = "kv", options = { version = "1" } }, { namespace = "team/sub" })
  vault:call("POST", "team/sub/kv/a", { k = "v" })
  test.equal(vault:call("GET", "sub/kv/a", nil, { namespace = "team" }), { k = "v" })
  test.equal(vault:call("GET", "kv/a", nil, { namespace = "/team/sub/" }), { k = "v" })
  test.contains(vault:refusal("GET", "kv/a"), "404 no handler for route")
  vault:call("PUT", "sys/policies/acl/p", { policy = 'path "kv/*" { capabilities = ["read"] }\npath "sub/kv/*" { capabilities = ["read"] }' },
    { namespace = "team" })
  local token = vault:call("POST", "auth/token/create", { policies = json.array { "p" } }, { namespace = "team" }).client_token
  test.equal(vault:call("GET", "sub/kv/a", nil, { namespace = "team", token = token }), { k = "v" })
  test.equal(vault:call("GET", "auth/token/lookup-self", nil, { namespace = "team", token = token }).namespace_path, "team/")
  test.equal(vault:refusal("GET", "secret/data/a", nil, { token = token }), DENIED)
  test.contains(vault:refusal("GET", "kv/a", nil, { namespace = "none" }), "404 no handler for route")
  test.equal(client.new { vault = { edition = "openbao" } }:refusal("GET", "kv/a", nil, { namespace = "none" }), "404 namespace not found")
end

test["on HCP all is in the namespace admin, and nothing above it"] = function()
  local vault = client.new { vault = { edition = "hcp" } }
  test.contains(vault:refusal("GET", "sys/mounts"), "403 ")
  vault:call("POST", "sys/mounts/keymgmt", { type = "keymgmt" }, { namespace = "admin" })
  test.equal(vault:call("GET", "admin/sys/mounts/keymgmt").type, "keymgmt")
  test.equal(vault:call("GET", "auth/token/lookup-self", nil, { namespace = "admin" }).namespace_path, "admin/")
  test.equal(vault:send({ path = "sys/health", token = false }).status, 200)
end

test["the licence is Enterprise's alone"] = function()
  local features = client.new():call("GET", "sys/license/status").autoloaded.features
  test.contains(table.concat(features, ","), "Key Management Secrets Engine")
  test.equal(client.new { vault = { edition = "community" } }:refusal("GET", "sys/license/status"),
    "404 1 error occurred:\n\t* unsupported path\n\n")
end

-- ---- KV ----

test["KV 2 keeps versions, and check-and-set lets one writer win"] = function()
  local vault = client.new()
  local first = vault:call("POST", "secret/data/a", { options = { cas = 0 }, data = { k = "v1" } })
  test.equal({ first.version, first.destroyed, first.deletion_time, first.custom_metadata }, { 1, false, "", json.null })
  test.equal(vault:refusal("POST", "secret/data/a", { options = { cas = 0 }, data = { k = "v2" } }),
    "400 check-and-set parameter did not match the current version")
  vault:call("POST", "secret/data/a", { options = { cas = 1 }, data = { k = "v2" } })
  test.equal(vault:call("GET", "secret/data/a").data, { k = "v2" })
  test.equal(vault:call("GET", "secret/data/a?version=1").data, { k = "v1" })
  test.equal(vault:refusal("POST", "secret/data/a", { options = {} }), "400 no data provided")
  vault:call("POST", "secret/config", { cas_required = true })
  test.equal(vault:refusal("POST", "secret/data/a", { data = { k = "v3" } }), "400 check-and-set parameter required for this call")
end

test["a deleted version of KV 2 is a 404 with a body; a missing one is without"] = function()
  local vault = client.new()
  vault:call("POST", "secret/data/a", { data = { k = "v1" } })
  vault:call("DELETE", "secret/data/a")
  local answer = vault:send { path = "secret/data/a" }
  test.equal({ answer.status, answer.body.data.data, answer.body.data.metadata.version }, { 404, json.null, 1 })
  vault:call("POST", "secret/undelete/a", { versions = json.array { "1" } })
  test.equal(vault:call("GET", "secret/data/a").data, { k = "v1" })
  vault:call("POST", "secret/destroy/a", { versions = json.array { 1 } })
  test.equal(vault:send({ path = "secret/data/a" }).body.data.metadata.destroyed, true)
  test.equal(vault:send({ path = "secret/data/none" }).body, { errors = json.array {} })
end

test["who forgets data/ is told so; KV 1 has no such thing"] = function()
  local vault = client.new()
  local answer = vault:send { path = "secret/a" }
  test.equal(answer.status, 404)
  test.contains(answer.body.warnings[1], "Invalid path for a versioned K/V secrets engine")
  vault:call("POST", "sys/mounts/one", { type = "kv" })
  vault:call("POST", "one/a/b", { k = "v", n = 1 })
  answer = vault:send { path = "one/a/b" }
  test.equal({ answer.body.data, answer.body.lease_duration }, { { k = "v", n = 1 }, 2764800 })
  test.equal(vault:call("LIST", "one").keys, json.array { "a/" })
end

-- ---- limits, faults, log, state ----

test["a quota of requests is refused with the seconds to wait"] = function()
  local vault = client.new()
  vault:call("POST", "sys/quotas/rate-limit/all", { rate = 2, interval = "10s" })
  vault:call("GET", "sys/mounts")
  vault:call("GET", "sys/mounts")
  local answer = vault:send { path = "sys/mounts" }
  test.equal({ answer.status, answer.errors[1], answer.headers["retry-after"] },
    { 429, 'request path "sys/mounts": rate limit quota exceeded', "10" })
  vault.aws.now = vault.aws.now + 11
  vault:call("GET", "sys/mounts")
end

test["faults on order: throttled, an own error, an answer that is lost after the write"] = function()
  local read = require("sim.faults").read
  local vault = client.new { faults = { read "throttle service=vault operation=system/ReadMounts count=1",
    read "error service=vault operation=kv/ReadData status=412 count=1 message=required index state not present",
    read "lost_answer service=vault operation=kv/WriteData count=1" } }
  local answer = vault:send { path = "sys/mounts" }
  test.equal({ answer.status, answer.headers["retry-after"] }, { 429, "1" })
  test.equal(vault:send({ path = "sys/mounts" }).status, 200)
  test.equal(vault:refusal("GET", "secret/data/a"), "412 required index state not present")
  test.equal(vault:send({ method = "POST", path = "secret/data/a", body = { data = { k = "v" } } }).response.drop, true)
  test.equal(vault:call("GET", "secret/data/a").data, { k = "v" })
end

test["faults that are Vault's alone: a warning, a proxy without LIST, another address"] = function()
  local read = require("sim.faults").read
  local vault = client.new { faults = { read "warn service=vault operation=system/WriteMount count=1",
    read "no_list service=vault operation=system/ListPolicies", read "redirect service=vault operation=kv/ReadData message=http://127.0.0.1:1" } }
  local answer = vault:send { method = "POST", path = "sys/mounts/x", body = { type = "kv" } }
  test.equal({ answer.status, answer.body.warnings }, { 200, json.array { "a warning on order" } })
  test.equal(vault:send({ method = "LIST", path = "sys/policies/acl" }).status, 405)
  test.equal(vault:call("GET", "sys/policies/acl?list=true").keys, json.array { "default", "root" })
  answer = vault:send { path = "secret/data/a" }
  test.equal({ answer.status, answer.headers.location }, { 307, "http://127.0.0.1:1/v1/secret/data/a" })
end

test["the log names operation, path and who it was, and holds nothing of what was sent"] = function()
  local vault = client.new()
  vault:call("POST", "secret/data/a", { data = { k = "needle-in-the-data" } })
  local token = vault:token_with 'path "secret/*" { capabilities = ["read"] }'
  vault:call("GET", "secret/data/a", nil, { token = token })
  vault:refusal("POST", "secret/data/a", '{"needle-in-bad-json')
  local entry = vault.aws.entries[1]
  test.equal({ entry.service, entry.operation, entry.path, entry.principal, entry.status, entry.write },
    { "vault", "kv/WriteData", "secret/data/a", "root", 200, true })
  local all = json.encode(json.array(vault.aws.entries))
  test.equal(all:find("needle", 1, true), nil)
  test.equal(all:find(token, 1, true), nil)
  test.equal(all:find(client.ROOT, 1, true), nil)
end

test["a state document carries mounts, policies and secrets into the next run, and no token"] = function()
  local vault = client.new()
  vault:call("POST", "secret/data/a", { data = { k = "v" } })
  vault:call("POST", "sys/mounts/more", { type = "kv" })
  local token = vault:token_with 'path "secret/*" { capabilities = ["read"] }'
  local text = json.encode(vault.aws.simulation:document())
  test.equal(text:find(token, 1, true), nil)
  local again = client.new { state = json.decode(text) }
  test.equal(again:call("GET", "secret/data/a").data, { k = "v" })
  test.equal(again:call("GET", "sys/mounts/more").type, "kv")
end

test["the same seed gives the same answers"] = function()
  local function history()
    local vault = client.new()
    local parts = { vault:send({ method = "POST", path = "auth/token/create", body = {} }).response.body }
    parts[2] = vault:send({ path = "auth/token/lookup-self", wrap = "5m" }).response.body
    return table.concat(parts)
  end
  test.equal(history(), history())
end
