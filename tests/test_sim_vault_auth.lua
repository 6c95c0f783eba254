-- The simulated Vault: logins.
local client = dofile("tests/sim_vault_client.lua")
local crypto = require "crypto"
local jwt = dofile "tests/jwt.lua"
local json = require "json"
local sigv4 = require "sigv4"

local NOBODY <const> = { token = false }

local function with(login)
  local vault = client.new()
  vault:call("POST", "sys/auth/" .. login, { type = login })
  vault:call("PUT", "sys/policies/acl/cmek", { policy = 'path "secret/*" { capabilities = ["read"] }' })
  return vault
end

-- ---- AppRole ----

local function approle(settings)
  local vault = with "approle"
  vault:call("POST", "auth/approle/role/cmek", settings or { token_policies = "cmek", token_ttl = "20m" })
  return vault, vault:call("GET", "auth/approle/role/cmek/role-id").role_id
end

test["AppRole: role_id and secret_id give a token of the role's policies"] = function()
  local vault, role_id = approle()
  local made = vault:call("POST", "auth/approle/role/cmek/secret-id", {})
  local auth = vault:call("POST", "auth/approle/login", { role_id = role_id, secret_id = made.secret_id }, NOBODY)
  test.equal({ auth.policies, auth.token_policies, auth.metadata, auth.lease_duration, auth.renewable, auth.token_type, auth.orphan },
    { json.array { "cmek", "default" }, json.array { "cmek", "default" }, { role_name = "cmek" }, 1200, true, "service", true })
  local seen = vault:call("GET", "auth/token/lookup-self", nil, { token = auth.client_token })
  test.equal({ seen.path, seen.display_name, seen.ttl, seen.meta }, { "auth/approle/login", "approle", 1200, { role_name = "cmek" } })
end

test["AppRole says what is missing, and not which of the two is wrong"] = function()
  local vault, role_id = approle()
  local function refusal(body) return vault:refusal("POST", "auth/approle/login", body, NOBODY) end
  test.equal(refusal {}, "400 missing role_id")
  test.equal(refusal { role_id = role_id }, "400 missing secret_id")
  test.equal(refusal { role_id = role_id, secret_id = "x" }, "400 invalid role or secret ID")
  test.equal(refusal { role_id = "x", secret_id = "x" }, "400 invalid role or secret ID")
end

test["AppRole: a secret_id comes wrapped, serves as often as the role says, and ends with its time"] = function()
  local vault, role_id = approle { token_policies = "cmek", secret_id_num_uses = 1, secret_id_ttl = "10m" }
  local info = vault:send { method = "POST", path = "auth/approle/role/cmek/secret-id", body = {}, wrap = "2m" }.body.wrap_info
  test.equal(info.creation_path, "auth/approle/role/cmek/secret-id")
  local secret_id = vault:call("POST", "sys/wrapping/unwrap", nil, { token = info.token }).secret_id
  vault:call("POST", "auth/approle/login", { role_id = role_id, secret_id = secret_id }, NOBODY)
  test.equal(vault:refusal("POST", "auth/approle/login", { role_id = role_id, secret_id = secret_id }, NOBODY), "400 invalid role or secret ID")
  secret_id = vault:call("POST", "auth/approle/role/cmek/secret-id", {}).secret_id
  vault.aws.now = vault.aws.now + 601
  test.equal(vault:refusal("POST", "auth/approle/login", { role_id = role_id, secret_id = secret_id }, NOBODY), "400 invalid role or secret ID")
end

test["AppRole below another path, and in a namespace"] = function()
  local vault = client.new()
  vault:call("POST", "sys/namespaces/team", {})
  local team = { namespace = "team" }
  vault:call("POST", "sys/auth/ci/roles", { type = "approle" }, team)
  vault:call("POST", "auth/ci/roles/role/cmek", { token_policies = json.array { "p" }, bind_secret_id = false }, team)
  local role_id = vault:call("GET", "auth/ci/roles/role/cmek/role-id", nil, team).role_id
  test.equal(vault:call("POST", "auth/ci/roles/login", { role_id = role_id }, { namespace = "team", token = false }).policies,
    json.array { "default", "p" })
end

-- ---- userpass, cert ----

test["userpass: the name in any case of letters, a wrong password, none at all"] = function()
  local vault = with "userpass"
  vault:call("POST", "auth/userpass/users/ann", { password = "not-a-real-one", token_policies = "cmek" })
  test.equal(vault:call("POST", "auth/userpass/login/Ann", { password = "not-a-real-one" }, NOBODY).metadata, { username = "ann" })
  test.equal(vault:refusal("POST", "auth/userpass/login/ann", { password = "wrong" }, NOBODY), "400 invalid username or password")
  test.equal(vault:refusal("POST", "auth/userpass/login/bob", { password = "wrong" }, NOBODY), "400 invalid username or password")
  test.equal(vault:refusal("POST", "auth/userpass/login/ann", {}, NOBODY), "500 missing password")
  test.equal(vault:call("GET", "auth/userpass/users/ann").password_sha256, nil)
end

test["userpass, AppRole: after five wrong secrets the right one is refused as well, for a quarter of an hour"] = function()
  local vault = with "userpass"
  vault:call("POST", "auth/userpass/users/ann", { password = "not-a-real-one", token_policies = "cmek" })
  local function try(password) return vault:refusal("POST", "auth/userpass/login/ann", { password = password }, NOBODY) end
  for _ = 1, 4 do test.equal(try "wrong", "400 invalid username or password") end
  vault:call("POST", "auth/userpass/login/ann", { password = "not-a-real-one" }, NOBODY)   -- which begins the count anew
  for _ = 1, 5 do test.equal(try "wrong", "400 invalid username or password") end
  test.equal({ try "wrong", try "not-a-real-one" }, { "403 permission denied", "403 permission denied" })
  vault.aws.now = vault.aws.now + 901
  vault:call("POST", "auth/userpass/login/ann", { password = "not-a-real-one" }, NOBODY)
  local other, role_id = approle()
  for i = 1, 6 do
    test.equal(other:refusal("POST", "auth/approle/login", { role_id = role_id, secret_id = "x" }, NOBODY),
      i <= 5 and "400 invalid role or secret ID" or "403 permission denied")
  end
end

test["a login by certificate is told that none was shown"] = function()
  local vault = with "cert"
  test.equal(vault:refusal("POST", "auth/cert/login", { name = "web" }, NOBODY), "400 invalid certificate or no client certificate supplied")
end

-- ---- tokens of others ----

local function token_of(claims)
  return ("%s.%s.c2lnbmF0dXJl"):format(crypto.base64url '{"alg":"RS256","typ":"JWT"}', crypto.base64url(json.encode(claims)))
end

test["jwt: claims and audiences are judged, with Vault's words"] = function()
  local vault = with "jwt"
  local function refusal(body) return vault:refusal("POST", "auth/jwt/login", body, NOBODY) end
  test.equal(refusal { role = "ci", jwt = "x" }, "400 could not load configuration")
  local key, other = jwt.new(), jwt.new()
  vault:call("POST", "auth/jwt/config", { jwt_validation_pubkeys = json.array { other.pem, key.pem }, bound_issuer = "https://ci.example" })
  vault:call("POST", "auth/jwt/role/ci", { role_type = "jwt", user_claim = "sub", bound_audiences = "vault", token_policies = "cmek",
    bound_claims = { project = "orders" } })
  local now = vault.aws.now
  local function claims(more, name)
    local all = { iss = "https://ci.example", sub = "job", aud = "vault", exp = math.floor(now) + 600, project = "orders" }
    for member, value in pairs(more or {}) do all[member] = value end
    return key.token(all, name)
  end
  test.equal(vault:call("POST", "auth/jwt/login", { role = "ci", jwt = claims() }, NOBODY).metadata, { role = "ci" })
  test.equal(refusal { jwt = claims() }, "400 missing role")
  test.equal(refusal { role = "x", jwt = claims() }, '400 role "x" could not be found')
  test.equal(refusal { role = "ci" }, "400 missing token")
  test.contains(refusal { role = "ci", jwt = "rubbish" }, "400 error validating token: ")
  local good, no_key = claims(), "400 error validating token: error verifying token signature: no known key"
  local head, body, signature = good:match "^(.-)%.(.-)%.(.*)$"
  test.contains(refusal { role = "ci", jwt = ("%s.%s.%s"):format(head, crypto.base64url '{"sub":"root","aud":"vault"}', signature) }, no_key)
  test.contains(refusal { role = "ci", jwt = ("%s.%s."):format(crypto.base64url '{"alg":"none"}', body) }, no_key)
  test.contains(refusal { role = "ci", jwt = ("%s.%s.%s"):format(head, body, signature:reverse()) }, no_key)
  test.contains(refusal { role = "ci", jwt = claims(nil, "RS512") }, no_key)   -- an algorithm that the mount does not take
  test.contains(refusal { role = "ci", jwt = jwt.new().token { iss = "https://ci.example", sub = "job", aud = "vault", project = "orders" } }, no_key)
  test.contains(refusal { role = "ci", jwt = claims { exp = math.floor(now) - 600 } }, "token is expired")
  test.contains(refusal { role = "ci", jwt = claims { aud = "other" } }, "error validating token: invalid audience (aud) claim")
  test.contains(refusal { role = "ci", jwt = claims { project = "other" } }, "400 error validating claims: ")
  vault:call("POST", "auth/jwt/role/loose", { role_type = "jwt", user_claim = "sub", bound_subject = "job" })
  test.equal(refusal { role = "loose", jwt = claims() }, "400 audience claim found in JWT but no audiences bound to the role")
  vault:call("POST", "auth/jwt/role/web", { role_type = "oidc", user_claim = "sub" })
  test.equal(refusal { role = "web", jwt = claims() }, "400 role with oidc role_type is not allowed")
end

test["kubernetes: the service account and its namespace must be the role's"] = function()
  local vault = with "kubernetes"
  vault:call("POST", "auth/kubernetes/config", { kubernetes_host = "https://127.0.0.1:6443" })
  vault:call("POST", "auth/kubernetes/role/cmek", { bound_service_account_names = "cmek", bound_service_account_namespaces = "ops",
    token_policies = "cmek" })
  local function token(namespace, name)
    return token_of { exp = math.floor(vault.aws.now) + 600, sub = ("system:serviceaccount:%s:%s"):format(namespace, name),
      ["kubernetes.io"] = { namespace = namespace, serviceaccount = { name = name, uid = "11111111-2222-4333-8444-555555555555" } } }
  end
  local auth = vault:call("POST", "auth/kubernetes/login", { role = "cmek", jwt = token("ops", "cmek") }, NOBODY)
  test.equal({ auth.metadata.service_account_name, auth.metadata.service_account_namespace, auth.metadata.role }, { "cmek", "ops", "cmek" })
  local function refusal(body) return vault:refusal("POST", "auth/kubernetes/login", body, NOBODY) end
  test.equal(refusal { jwt = "x" }, "400 missing role")
  test.equal(refusal { role = "cmek" }, "400 missing jwt")
  test.equal(refusal { role = "x", jwt = "x" }, '400 invalid role name "x"')
  test.equal(refusal { role = "cmek", jwt = "x" }, "403 permission denied")
  test.equal(refusal { role = "cmek", jwt = token("dev", "cmek") }, "403 namespace not authorized")
  test.equal(refusal { role = "cmek", jwt = token("ops", "web") }, "403 service account name not authorized")
end

-- ---- AWS ----

local OPERATOR <const> = { id = "AKIASIMULATEDCMEK001", secret = "simulated/secret/not-a-real-one/00000001" }
local BODY <const> = "Action=GetCallerIdentity&Version=2011-06-15"

-- The four fields of a login, signed by one of the simulated AWS.
local function login_fields(vault, more)
  local stamp = os.date("!%Y%m%dT%H%M%SZ", math.floor(vault.aws.now))
  local who = more and more.who or OPERATOR
  local headers = { { "Host", "sts.amazonaws.com" }, { "Content-Type", "application/x-www-form-urlencoded; charset=utf-8" }, { "X-Amz-Date", stamp } }
  if who.token then headers[#headers + 1] = { "X-Amz-Security-Token", who.token } end
  for _, header in ipairs(more and more.signed or {}) do headers[#headers + 1] = header end
  local signed = sigv4.sign { method = "POST", path = "/", query = "", headers = headers, body = BODY, access_key_id = who.id, secret = who.secret,
    region = "us-east-1", service = "sts", stamp = stamp }
  headers[#headers + 1] = { "Authorization", signed.authorization }
  for _, header in ipairs(more and more.unsigned or {}) do headers[#headers + 1] = header end
  local map = {}
  for _, header in ipairs(headers) do map[header[1]] = json.array { header[2] } end
  return { role = more and more.role or "cmek", iam_http_request_method = "POST", iam_request_url = crypto.base64 "https://sts.amazonaws.com/",
    iam_request_body = crypto.base64(BODY), iam_request_headers = crypto.base64(json.encode(map)) }
end

local function with_aws()
  local vault = with "aws"
  vault:call("POST", "auth/aws/role/cmek", { auth_type = "iam", bound_iam_principal_arn = "arn:aws:iam::210987654321:user/operator",
    token_policies = "cmek" })
  return vault
end

test["aws: a signed GetCallerIdentity is replayed to the simulated STS, and the role decides about the ARN"] = function()
  local vault = with_aws()
  local auth = vault:call("POST", "auth/aws/login", login_fields(vault), NOBODY)
  test.equal({ auth.metadata.client_arn, auth.metadata.account_id, auth.metadata.auth_type },
    { "arn:aws:iam::210987654321:user/operator", "210987654321", "iam" })
  local replayed = vault.aws.entries[#vault.aws.entries - 1]
  test.equal({ replayed.service, replayed.operation, replayed.principal }, { "sts", "GetCallerIdentity", "arn:aws:iam::210987654321:user/operator" })
  local other = { id = "AKIASIMULATEDCMEK002", secret = "simulated/secret/not-a-real-one/00000002" }
  test.equal(vault:refusal("POST", "auth/aws/login", login_fields(vault, { who = other }), NOBODY),
    '400 IAM Principal "arn:aws:iam::345678901234:user/operator" does not belong to the role "cmek"')
  test.equal(vault:refusal("POST", "auth/aws/login", login_fields(vault, { role = "none" }), NOBODY), "400 entry for role none not found")
end

test["aws: a wrong or old signature is what STS says about it"] = function()
  local vault = with_aws()
  local wrong = { id = OPERATOR.id, secret = "simulated/another/secret" }
  test.contains(vault:refusal("POST", "auth/aws/login", login_fields(vault, { who = wrong }), NOBODY),
    "400 error making upstream request: received error code 403 from STS: ")
  local fields = login_fields(vault)
  vault.aws.now = vault.aws.now + 1000
  test.contains(vault:refusal("POST", "auth/aws/login", fields, NOBODY), "Signature expired")
end

test["aws: each missing field, and headers that are not allowed, are named"] = function()
  local vault = with_aws()
  for _, row in ipairs { { "iam_http_request_method", "missing iam_http_request_method" }, { "iam_request_url", "missing iam_request_url" },
    { "iam_request_body", "missing iam_request_body" }, { "iam_request_headers", "missing iam_request_headers" } } do
    local fields = login_fields(vault)
    fields[row[1]] = nil
    test.equal(vault:refusal("POST", "auth/aws/login", fields, NOBODY), "400 " .. row[2])
  end
  test.equal(vault:refusal("POST", "auth/aws/login", login_fields(vault, { unsigned = { { "X-Amz-Evil", "1" } } }), NOBODY),
    "400 invalid request header: X-Amz-Evil")
end

test["aws: a signature of another region than that of the STS that is asked is refused"] = function()
  local vault = with_aws()
  vault:call("POST", "auth/aws/config/client", { sts_region = "eu-west-1" })
  test.contains(vault:refusal("POST", "auth/aws/login", login_fields(vault), NOBODY), "scoped to a valid region, not 'us-east-1'")
  vault:call("POST", "auth/aws/config/client", { sts_region = "eu-west-1", use_sts_region_from_client = true })
  vault:call("POST", "auth/aws/login", login_fields(vault), NOBODY)
end

test["aws: the server id must be there, right and signed"] = function()
  local vault = with_aws()
  vault:call("POST", "auth/aws/config/client", { iam_server_id_header_value = "vault.example" })
  local PREFIX <const> = "400 error validating X-Vault-AWS-IAM-Server-ID header: "
  local function refusal(more) return vault:refusal("POST", "auth/aws/login", login_fields(vault, more), NOBODY) end
  test.equal(refusal(), PREFIX .. 'missing header "X-Vault-AWS-IAM-Server-ID"')
  test.equal(refusal { signed = { { "X-Vault-AWS-IAM-Server-ID", "other" } } }, PREFIX .. 'expected "vault.example" but got "other"')
  test.equal(refusal { unsigned = { { "X-Vault-AWS-IAM-Server-ID", "vault.example" } } }, PREFIX .. "vault header wasn't signed")
  test.truthy(vault:call("POST", "auth/aws/login", login_fields(vault, { signed = { { "X-Vault-AWS-IAM-Server-ID", "vault.example" } } }), NOBODY))
end

test["aws: a session logs in by its role, and OpenBao has no such login"] = function()
  local vault = with_aws()
  local session = vault.aws:assume(vault.aws:role "ops")
  vault:call("POST", "auth/aws/role/ops", { auth_type = "iam", bound_iam_principal_arn = "arn:aws:iam::210987654321:role/ops" })
  local auth = vault:call("POST", "auth/aws/login", login_fields(vault, { who = session, role = "" }), NOBODY)
  test.equal(auth.metadata.canonical_arn, "arn:aws:iam::210987654321:role/ops")
  test.equal(client.new { vault = { edition = "openbao" } }:refusal("POST", "sys/auth/aws", { type = "aws" }),
    "400 plugin not found in the catalog: aws")
end

-- ---- credentials for AWS ----

test["the aws engine gives credentials of a role or a user, which end with their lease"] = function()
  local vault = client.new()
  vault:call("POST", "sys/mounts/aws", { type = "aws" })
  local arn = vault.aws:role "ops"
  vault:call("POST", "aws/roles/ops", { credential_type = "assumed_role", role_arns = arn })
  local data, answer = vault:call("POST", "aws/sts/ops", { ttl = "30m" })
  test.equal({ answer.body.lease_duration, answer.body.lease_id:sub(1, 12), data.ttl }, { 1800, "aws/sts/ops/", 1800 })
  local who = { id = data.access_key, secret = data.secret_key, token = data.session_token }
  test.equal(vault.aws:call("sts", "GetCallerIdentity", {}, { who = who }).Arn, data.arn)
  vault:call("PUT", "sys/leases/revoke", { lease_id = answer.body.lease_id })
  test.contains(vault.aws:refusal("sts", "GetCallerIdentity", {}, { who = who }), "InvalidClientTokenId")
  vault:call("POST", "aws/roles/user", { credential_type = "iam_user",
    policy_document = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:ListKeys","Resource":"*"}]}' })
  data = vault:call("GET", "aws/creds/user")
  test.equal({ data.session_token, data.security_token }, { json.null, json.null })
  vault.aws:call("kms", "ListKeys", {}, { who = { id = data.access_key, secret = data.secret_key } })
  test.equal(vault:refusal("GET", "aws/creds/none"), '400 Role "none" not found')
  vault:call("POST", "aws/roles/two", { credential_type = "assumed_role", role_arns = json.array { arn, arn .. "2" } })
  test.equal(vault:refusal("GET", "aws/creds/two"), "400 did not supply a role_arn parameter and unable to determine one")
end
