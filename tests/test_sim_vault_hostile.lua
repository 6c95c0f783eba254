-- The simulated Vault under what no client sends: whatever comes, an answer goes, and nothing breaks.
local client = dofile("tests/sim_vault_client.lua")
local json = require "json"
local policy = require "sim.vault.policy"
local random = require "sim.random"

test["a policy's text, broken anywhere, is read or refused"] = function()
  local chance = random.new(11)
  local text = 'path "a/+/b*" { capabilities = ["read", "list"] } # x\npath "b" { policy = "write" allowed_parameters = { "k" = ["v"] } }'
  test.truthy(policy.parse(text))
  local letters, refused = [["{}[]=,#*+/\n a]], 0
  for _ = 1, 3000 do
    local at, letter = chance:below(#text), chance:below(#letters)
    local broken = text:sub(1, at - 1) .. letters:sub(letter, letter) .. text:sub(at + chance:below(3) - 1)
    if not policy.parse(broken) then refused = refused + 1 end
  end
  test.truthy(refused > 300)
  for _, odd in ipairs { "path = 1", 'path = ["a"]', 'path "a" { capabilities = "read" }', 'path "a" = 1', '{"path":[1]}', '{"path":{"a":1}}',
    '{"path":{"a":{"capabilities":[1]}}}', "[", "}", '"' } do
    test.equal({ odd, (policy.parse(odd)) }, { odd, nil })
  end
end

local PATHS <const> = { "sys/mounts", "sys/mounts/kv", "sys/auth/approle", "sys/policies/acl/p", "sys/capabilities-self", "sys/namespaces/a",
  "sys/health",
  "sys/wrapping/wrap", "sys/wrapping/unwrap", "sys/leases/revoke", "sys/quotas/rate-limit/q", "sys/internal/ui/mounts/secret", "secret/data/a",
  "secret/metadata/a", "secret/config", "secret/undelete/a", "kv/a", "auth/token/create", "auth/token/lookup", "auth/token/renew-self",
  "auth/approle/role/r", "auth/approle/role/r/secret-id", "auth/approle/login", "auth/jwt/config", "auth/jwt/role/r", "auth/jwt/login",
  "auth/kubernetes/config", "auth/kubernetes/role/r", "auth/kubernetes/login", "auth/userpass/users/u", "auth/userpass/login/u",
  "auth/aws/role/r",
  "auth/aws/login", "auth/aws/config/client", "auth/cert/login", "aws/roles/r", "aws/creds/r", "aws/sts/r", "transit/keys/k", "transit/keys/k/config",
  "transit/keys/k/import", "transit/keys/k/rotate", "transit/encrypt/k", "transit/decrypt/k", "transit/export/encryption-key/k",
  "transit/datakey/plaintext/k", "transit/byok-export/k/k", "keymgmt/key/k", "keymgmt/key/k/rotate", "keymgmt/kms/e", "keymgmt/kms/e/key/k",
  "keymgmt/kms/e/key/k/replicate", "keymgmt/key/k/kms", "", "/", "sys", "auth/", "secret/data/", "%zz", "secret/data/%00" }

local FIELDS <const> = {
  "type", "data", "options", "policy", "paths", "path", "token", "ttl", "policies", "config", "role", "jwt", "password",
  "role_id",
  "secret_id", "token_policies", "provider", "key_collection", "credentials", "purpose", "protection", "min_enabled_version", "deletion_allowed",
  "plaintext", "ciphertext", "bits", "public_key", "exportable", "versions", "rate", "interval", "user_claim", "bound_audiences", "role_type",
  "bound_claims", "kubernetes_host", "iam_http_request_method", "iam_request_url", "iam_request_body", "iam_request_headers", "role_arns",
  "credential_type", "replica_regions", "wrapping", "jwt_validation_pubkeys", "custom_metadata", "lease_id", "hash", "key_version" }

local VALUES <const> = { "", "x", "1", "1h", "true", "aes256-gcm96", "awskms", "us-east-1", "encrypt,decrypt", "a=b", "YQ==", "eA.eA.eA",
  "vault:v1:YQ==",
  "jwt", 0, 1, -1, 2.5, 256, true, false, json.null, json.array {}, json.array { "a" }, json.array { 1, json.null }, {}, { k = "v" },
  { cas = "x" }, { k = { k = json.null } }, "iam_user", "assumed_role", "kv", "approle", "POST", "eyJhIjoxfQ==" }

local METHODS <const> = { "GET", "LIST", "POST", "POST", "POST", "PUT", "DELETE", "PATCH", "HEAD" }

test["requests made by chance are all answered: nothing in the simulator raises"] = function()
  local chance = random.new(5)
  local vault = client.new()
  for _, login in ipairs { "approle", "jwt", "kubernetes", "userpass", "aws", "cert" } do
    vault:call("POST", "sys/auth/" .. login, { type = login })
  end
  for _, engine in ipairs { "kv", "transit", "keymgmt", "aws" } do vault:call("POST", "sys/mounts/" .. engine, { type = engine }) end
  local good = 0
  for _ = 1, 4000 do
    local body = {}
    for _ = 1, chance:below(4) do body[chance:pick(FIELDS)] = chance:pick(VALUES) end
    local answer = vault:send { method = chance:pick(METHODS), path = chance:pick(PATHS), body = chance:chance(0.03) and "[1]" or body,
      wrap = chance:chance(0.03) and chance:pick { "5m", "x", "-1" } or nil,
      headers = { { "Content-Type", "application/merge-patch+json" } } }
    test.truthy(answer.status >= 200 and answer.status < 600)
    if answer.status < 300 then good = good + 1 end
  end
  test.truthy(good > 400)
end
