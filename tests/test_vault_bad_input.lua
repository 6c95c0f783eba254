-- Bad input to what talks with Vault, as a user's script meets it: settings, tokens, files, servers that are none or not ready. Each case
-- ends with its status, says what is wrong in words that help, and names what to type next.
local file = require "file"
local outside = dofile "tests/outside.lua"

local PRELUDE <const> = [[
export VAULT_MAX_RETRIES=0
read() { "$CMEK" exec "$@" $D/read.lua; }
write() { "$CMEK" exec --write --yes $D/write.lua; }
]]

--- Runs cases beside one simulated Vault: { name, command, status, words… }. Whether none of them shows a needle is looked at as well.
local function met(cases, options)
  options = options or {}
  local directory = options.directory or test.directory()
  options.directory = directory
  assert(file.write(directory .. "/read.lua", "vault.list_mounts()"))
  assert(file.write(directory .. "/write.lua", 'vault.transit_create_key { mount = "transit", name = "k" }'))
  local lines = { PRELUDE, options.before or "" }
  for i, case in ipairs(cases) do
    lines[#lines + 1] = ("( %s ) >$D/case-%d 2>&1 </dev/null; echo $? >$D/status-%d"):format(case[2], i, i)
  end
  local result = outside.simulated(table.concat(lines, "\n"), options)
  test.equal({ result.status, result.text }, { 0, "" })
  for i, case in ipairs(cases) do
    local text, status = file.read(("%s/case-%d"):format(directory, i)), tonumber(file.read(("%s/status-%d"):format(directory, i)))
    if status ~= case[3] then error(("%s: ends with %s, not %d: %s"):format(case[1], status, case[3], text), 2) end
    for word = 4, #case do
      if not text:find(case[word], 1, true) then error(("%s: no '%s' in\n%s"):format(case[1], case[word], text), 2) end
    end
    outside.plain(text)
    for _, pattern in ipairs { "needle", "%f[%w]lua/[%w/_]+%.lua:%d", "{[%l_]+}" } do   -- a token, a line of the program, a fact that is missing
      if text:find(pattern) and not case.quotes then error(("%s: '%s' is shown: %s"):format(case[1], pattern, text), 2) end
    end
  end
  return result
end

test["a setting of Vault's that cannot be meant ends with 2, by its name and with what it may be"] = function()
  met {
    { "timeout", "VAULT_CLIENT_TIMEOUT=soon read", 2, "VAULT_CLIENT_TIMEOUT is 'soon'", "like 60 or 90s" },
    { "no time at all", "VAULT_CLIENT_TIMEOUT=0 read", 2, "VAULT_CLIENT_TIMEOUT is '0'" },
    { "rate", "VAULT_RATE_LIMIT=fast read", 2, "VAULT_RATE_LIMIT is 'fast'", "10:20" },
    { "half a rate", "VAULT_RATE_LIMIT=5: read", 2, "VAULT_RATE_LIMIT is '5:'" },
    { "none at once", "VAULT_RATE_LIMIT=5:0 read", 2, "VAULT_RATE_LIMIT is '5:0'" },
    { "tries", "VAULT_MAX_RETRIES=-1 read", 2, "VAULT_MAX_RETRIES is '-1'" },
    { "switch", "VAULT_SKIP_VERIFY=yes read", 2, "VAULT_SKIP_VERIFY is 'yes'" },
    { "BAO_ before VAULT_", "BAO_SKIP_VERIFY=yes read", 2, "BAO_SKIP_VERIFY is 'yes'" },
    { "namespace", "VAULT_NAMESPACE='no body' read", 2, "VAULT_NAMESPACE is 'no body'", "admin/team" },
    { "no scheme", "VAULT_ADDR=vault.example:8200 read", 2, "VAULT_ADDR is 'vault.example:8200'", "https://vault.example:8200" },
    { "port", "VAULT_ADDR=http://127.0.0.1:99999 read", 2, "there is no port 99999" },
    { "a user in it", "VAULT_ADDR=http://me:needle@127.0.0.1:8200 read", 2, "VAULT_ADDR", quotes = true },
    { "a query", "VAULT_ADDR='http://127.0.0.1:8200/?x=y' read", 2, "VAULT_ADDR" },
    { "socket", "VAULT_ADDR=unix://vault.sock read", 2, "unix:///path" },
    { "one half of a pair", "VAULT_CLIENT_CERT=$D/c.pem read", 2, "VAULT_CLIENT_KEY is not: both client cert and client key must be provided" },
    { "the other half", "VAULT_CLIENT_KEY=$D/k.pem read", 2, "VAULT_CLIENT_KEY is set and VAULT_CLIENT_CERT is not" },
    { "records of the DNS", "VAULT_SRV_LOOKUP=true VAULT_ADDR=http://vault.example read", 2, "VAULT_SRV_LOOKUP", "name host and port in VAULT_ADDR" },
    { "none with a port", "VAULT_SRV_LOOKUP=true read", 0 },   -- where Vault's own client looks up nothing
    { "method", "read --vault-auth ldap", 2, "'ldap' is no method", "approle" },
    { "mount of it", "read --vault-auth jwt --vault-auth-mount 'a b'", 2, "--vault-auth-mount is 'a b'" },
    { "region of it", "VAULT_AWS_STS_REGION='eu west' read --vault-auth aws", 2, "VAULT_AWS_STS_REGION is 'eu west'" },
    { "name of it", "VAULT_USERNAME='m e' VAULT_PASSWORD=x read --vault-auth userpass", 2, "VAULT_USERNAME is 'm e'" },
    { "wrapped or not", "VAULT_ROLE_ID=r VAULT_SECRET_ID=s VAULT_SECRET_ID_WRAPPED=maybe read --vault-auth approle", 2, "VAULT_SECRET_ID_WRAPPED" },
  }
end

test["what is not the whole of what is meant is warned of each time, and goes on"] = function()
  local again = "( VAULT_SKIP_VERIFY=1 read && VAULT_SKIP_VERIFY=1 read )"
  local result = met {
    { "unverified", again, 0, "VAULT_SKIP_VERIFY is set: whoever answers" },
    { "second factor", "VAULT_MFA=id:1 read", 0, "VAULT_MFA is set, and cmek sends no MFA" },
    { "nothing", "read", 0 },
  }
  local _, count = file.read(result.directory .. "/case-1"):gsub("is set: whoever answers", "")
  test.equal({ count, file.read(result.directory .. "/case-3") }, { 2, "" })
end

test["an address where no Vault is: which one, from where, and what to look at"] = function()
  met {
    { "nobody listens", "VAULT_ADDR=http://127.0.0.1:9 read", 1, "Failed to connect", "check VAULT_ADDR (http://127.0.0.1:9): vault status" },
    { "no such host", "VAULT_ADDR=http://nowhere.invalid:8200 read", 1, "resolve host: nowhere.invalid", "next: check VAULT_ADDR" },
    { "the default", "unset VAULT_ADDR; read", 1, "127.0.0.1:8200", "check VAULT_ADDR, which is not set (https://127.0.0.1:8200)" },
    { "no socket", "VAULT_ADDR=unix://$D/none read", 1, "next: check VAULT_ADDR (unix:///", "/none)" },
    { "https to http", "VAULT_ADDR=https://${VAULT_ADDR#http://} read", 1, "export VAULT_ADDR=http://" },
    { "another service", "VAULT_ADDR=$COCKROACH_SERVER/api read", 1, "the answer is not one of Vault's", "check VAULT_ADDR: vault status" },
    { "a proxy that is none", "VAULT_PROXY_ADDR=nonsense read", 1, "check VAULT_PROXY_ADDR: http://HOST:PORT" },
    { "of no known kind", "VAULT_HTTP_PROXY=nonsense://x read", 1, "check VAULT_HTTP_PROXY" },
  }
end

test["TLS that does not work: authority, name, time, files of either side, and no passphrase is asked for"] = function()
  local good, ended = outside.certificate "IP:127.0.0.1", outside.certificate("IP:127.0.0.1", -1)
  local other = outside.certificate "DNS:other"
  local before = ([[
    G=%s O=%s E=%s
    openssl rsa -in $G/key -aes128 -passout pass:x -out $D/locked.pem 2>/dev/null; echo rubbish >$D/rubbish.pem
    unset SSL_CERT_FILE CURL_CA_BUNDLE
  ]]):format(good, other, ended)
  met({
    { "the control", "read", 0 },
    { "nobody knows it", "unset VAULT_CACERT; read", 1, "certificate problem", "export VAULT_CACERT=FILE.pem" },
    { "another authority", "VAULT_CACERT=$O/cert read", 1, "certificate problem", "VAULT_CACERT" },
    { "another name", "VAULT_TLS_SERVER_NAME=other read", 1, "VAULT_TLS_SERVER_NAME where its name is another" },
    { "no file of it", "VAULT_CACERT=$D/none.pem read", 1, "none.pem", "check VAULT_CACERT" },
    { "no certificate in it", "VAULT_CACERT=$D/rubbish.pem read", 1, "rubbish.pem", "check VAULT_CACERT" },
    { "no certificate as text", "unset VAULT_CACERT; VAULT_CACERT_BYTES=rubbish read", 1, "VAULT_CACERT_BYTES" },
    { "as text", "B=$(cat $VAULT_CACERT); unset VAULT_CACERT; VAULT_CACERT_BYTES=$B read", 0 },
    { "no client certificate there", "VAULT_CLIENT_CERT=$D/none.pem VAULT_CLIENT_KEY=$D/none.pem read", 1, "none.pem",
      "check VAULT_CLIENT_CERT and VAULT_CLIENT_KEY" },
    { "no key there", "VAULT_CLIENT_CERT=$O/cert VAULT_CLIENT_KEY=$D/none.pem read", 1, "none.pem", "VAULT_CLIENT_KEY" },
    { "another's key", "VAULT_CLIENT_CERT=$O/cert VAULT_CLIENT_KEY=$G/key read", 1, "next: check VAULT_CLIENT_CERT and VAULT_CLIENT_KEY" },
    { "a locked key", "VAULT_CLIENT_CERT=$G/cert VAULT_CLIENT_KEY=$D/locked.pem read", 1, "the key without a passphrase" },
    { "http to https", "VAULT_ADDR=http://${VAULT_ADDR#https://} read", 1, "where it speaks TLS: export VAULT_ADDR=https://" },
  }, { sim = { "--tls-cert", good .. "/cert", "--tls-key", good .. "/key" }, before = before })
  met({ { "it has ended", "read", 1, "expired", "one that has ended has to be renewed at the server" } },
    { sim = { "--tls-cert", ended .. "/cert", "--tls-key", ended .. "/key" }, before = "unset SSL_CERT_FILE CURL_CA_BUNDLE" })
end

test["what stands for a token and is none is sent nowhere, and ends with 4 and where it stands"] = function()
  local before = [[
    unset VAULT_TOKEN
    helper() { printf '#!/bin/sh\n%s\n' "$1" >$D/helper; chmod 700 $D/helper; printf 'token_helper = "%s"\n' "${2:-$D/helper}" >$D/.vault; read; }
    kept() { rm -rf $D/.vault-token $D/.vault; printf "$1" >$D/.vault-token; read; }
  ]]
  local result = met({
    { "two lines", "VAULT_TOKEN='hvs.needle\nmore' read", 4, "VAULT_TOKEN gives it", "vault login" },
    { "a line end", "VAULT_TOKEN=$(printf 'hvs.needle\\nx') read", 4, "and was sent nowhere", "next: look at VAULT_TOKEN" },
    { "not printable", "VAULT_TOKEN=$(printf 'hvs.needle\\001') read", 4, "next: look at VAULT_TOKEN" },
    { "BAO_TOKEN", "BAO_TOKEN='hvs. needle' read", 4, "look at BAO_TOKEN" },
    { "none", "read", 4, "no token for Vault", "vault login, or export VAULT_TOKEN" },
    { "a helper that fails", "helper 'echo locked >&2; exit 3'", 4, "failed (3): 'locked'", "/helper get" },
    { "a helper that is not there", "helper '' $D/nothing", 4, "failed (127)", "next: run it by hand" },
    { "a helper of two lines", "helper 'printf \"hvs.needle\\ntwo\\n\"'", 4, "look at the token helper" },
    { "a helper without one", "helper :", 4, "no token for Vault" },
    { "an empty file", "kept ''", 4, "no token for Vault" },
    { "a file of blanks", "kept ' \\n\\n'", 4, "no token for Vault" },
    { "a file of two lines", "kept 'hvs.needle\\ntwo\\n'", 4, "/.vault-token gives it" },
    { "a directory", "rm $D/.vault-token; mkdir $D/.vault-token; read", 4, "Is a directory", "next: vault login" },
    { "unknown", "VAULT_TOKEN=hvs.needle-needle read", 4, "refuses the token of VAULT_TOKEN", "vault login" },
  }, { before = before })
  for _, entry in ipairs(result.log) do test.equal({ entry.service, entry.status }, { "vault", 403 }) end   -- the last one alone
  test.equal(#result.log, 3)
end

test["~/.vault-token is taken as Vault's own client takes it: whoever may read it, with the blanks around it"] = function()
  met({ { "of a file", "printf '%s\\n' $T >$D/.vault-token; chmod 644 $D/.vault-token; read", 0 },
    { "with more of them", "printf '\\n %s \\n\\n' $T >$D/.vault-token; read", 0 } }, { before = "T=$VAULT_TOKEN; unset VAULT_TOKEN" })
end

test["a Vault that is not ready: sealed, not initialised, a secondary; standbys that pass requests on serve"] = function()
  local run = '"$CMEK" run vault-transit --cluster orders-one --yes'
  local cases = {
    ["sealed"] = { 1, "Vault is sealed", "vault operator unseal" },
    ["uninitialised"] = { 1, "Vault is not initialized", "VAULT_ADDR: a Vault that serves others is initialised" },
    ["dr-secondary"] = { 1, "DR secondary", "export VAULT_ADDR=https://" },
    ["standby"] = { 0 }, ["performance-standby"] = { 0 },
  }
  for condition, want in require("sorted")(cases) do
    local result = met({ { condition, "read", table.unpack(want) }, { condition .. ", run", run, table.unpack(want) },
      { condition .. ", whoami", '"$CMEK" whoami', 0, "Vault", table.unpack(want, 2) } }, { sim = { "--vault-condition", condition } })
    test.equal({ condition, result:writes "CreateKey" }, { condition, want[1] == 0 and 1 or 0 })
  end
end

test["a namespace that is not there, as each edition tells it"] = function()
  met { { "Enterprise", "VAULT_NAMESPACE=team read", 1, "no handler for route", "the namespace team/", "vault namespace list" } }
  met({ { "OpenBao", "VAULT_NAMESPACE=team read", 1, "namespace not found", "check VAULT_NAMESPACE" } }, { sim = { "--vault-edition", "openbao" } })
  met({ { "above HCP's", "unset VAULT_NAMESPACE; read", 4, "HCP's is admin" } }, { sim = { "--vault-edition", "hcp" } })
end

test["whoami tells which Vault it is, also in a namespace, and which node of it"] = function()
  local who = "\"$CMEK\" whoami | sed -n '/^Vault/,$p'"
  local editions = { enterprise = "1.21.1+ent, Enterprise", hcp = "1.21.1+ent, Enterprise", community = "1.21.1, community",
    openbao = "2.7.2, OpenBao" }
  for edition, words in require("sorted")(editions) do
    local namespace = edition == "openbao" and 'curl -sf -X POST -H "X-Vault-Token: $VAULT_TOKEN" $VAULT_ADDR/v1/sys/namespaces/team >/dev/null; '
      .. "export VAULT_NAMESPACE=team; " or ""
    met({ { edition, namespace .. who, 0, "version       " .. words .. "\n", "policies      root" } }, { sim = { "--vault-edition", edition } })
  end
  local nodes = { standby = "a standby", ["performance-standby"] = "a performance standby", ["dr-secondary"] = "a disaster-recovery secondary" }
  for condition, words in require("sorted")(nodes) do
    met({ { condition, who, 0, "Enterprise, " .. words } }, { sim = { "--vault-condition", condition } })
  end
end

test["answers that no Vault gives, or only one that is not the right node, are told for what they are"] = function()
  local url = outside.hostile()
  local function at(fault) return ("VAULT_TOKEN=hvs.needle VAULT_ADDR=%s/%s read"):format(url, fault) end
  met({
    { "wrapped", at "wrapped", 1, "came wrapped, and nobody asked for that", "X-Vault-Wrap-TTL", "next: name the server itself" },
    { "no envelope", at "bare", 1, "the answer is not one of Vault's", "vault status" },
    { "a text as data", at "odd", 1, "the answer's data is a text", "check the endpoint (VAULT_ADDR)" },
    { "half", at "half", 1, "the text ends", "next: " },
    { "cut", at "cut", 1, "cut short on the way", "next: " },
    { "a web page", at "html", 1, "an HTML page", "check the endpoint (VAULT_ADDR)" },
    { "behind", at "behind", 1, "412 PreconditionFailed: required index state not present", "name the active node" },
    { "performance standby", at "pstandby", 1, "473: this node is a performance standby", "name the active node" },
    { "secondary", at "secondary", 1, "472: this node is a DR secondary", "name the primary" },
    { "not done there", at "unsupported", 1, "unsupported operation", "vault secrets list -detailed" },
    { "too often", at "later", 1, "429 TooManyRequests", "rate limit quota exceeded", "VAULT_RATE_LIMIT" },
    { "a gateway", at "forbidden", 1, "Forbidden by the gateway", "something between here and Vault", "vault status" },
    { "a firewall", at "waf", 1, "Blocked by the firewall", "next: " },   -- 403, and no word against the token
    { "another node", at "active", 1, "http://192.0.2.1:8200/v1/sys/mounts", "this node is a standby", "name the active node" },
    { "another path", at "slash", 1, "sends us to '/slash/v1/sys/mounts/'", "somebody else than the service answers" },
  })
end

test["412 and 429 are waited out, as long as Vault says, and said for what they are"] = function()
  met({
    { "behind", "VAULT_MAX_RETRIES=2 read", 0, "has not caught up yet" },
    { "too often", "VAULT_MAX_RETRIES=2 read", 0, "asks for fewer requests" },
  }, { sim = { "--fault", "error service=vault operation=system/ReadMounts status=412 count=1 message=required index state not present",
    "--fault", "throttle service=vault operation=system/ReadMounts count=1 skip=1" } })
end

-- ---- logins ----

test["login by certificate: the one that a role knows, one of its authority, another one, and none"] = function()
  local server, mine, other = outside.certificate "IP:127.0.0.1", outside.certificate "DNS:cmek.example", outside.certificate "DNS:other.example"
  local before = ([[
    M=%s O=%s
    openssl req -newkey rsa:2048 -nodes -subj /CN=of-mine -keyout $D/child.key -out $D/child.csr 2>/dev/null
    openssl x509 -req -in $D/child.csr -CA $M/cert -CAkey $M/key -CAcreateserial -CAserial $D/serial -days 2 -out $D/child.pem 2>/dev/null
    put() { curl -sf --cacert $VAULT_CACERT -H "X-Vault-Token: $VAULT_TOKEN" --data-binary @- $VAULT_ADDR/v1/$1; }
    echo '{"type":"cert"}' | put sys/auth/cert
    pem=$(awk '{ printf "%%s\\n", $0 }' $M/cert)
    printf '{"certificate":"%%s","token_policies":"cmek"}' "$pem" | put auth/cert/certs/web
    printf '{"certificate":"%%s","allowed_common_names":"nobody"}' "$pem" | put auth/cert/certs/narrow
    unset VAULT_TOKEN
    as() { VAULT_CLIENT_CERT=$1 VAULT_CLIENT_KEY=$2 VAULT_ROLE=$3 "$CMEK" whoami --vault-auth cert | sed -n '/^Vault/,$p'; }
  ]]):format(mine, other)
  met({
    { "its own", "as $M/cert $M/key web", 0, "the login by cert, as web", "cmek, default" },
    { "of its authority, by no name", "as $D/child.pem $D/child.key ''", 0, "the login by cert, as web" },
    { "with a name that the role does not admit", "as $D/child.pem $D/child.key narrow", 0, "no chain matching all constraints",
      "check VAULT_CLIENT_CERT" },
    { "unknown", "as $O/cert $O/key web", 0, "invalid certificate or no client certificate supplied", "check VAULT_CLIENT_CERT" },
    { "unknown, and used", "VAULT_CLIENT_CERT=$O/cert VAULT_CLIENT_KEY=$O/key read --vault-auth cert", 4, "invalid certificate" },
    { "none", "read --vault-auth cert", 4, "VAULT_CLIENT_CERT and VAULT_CLIENT_KEY are not set", "export VAULT_CLIENT_CERT=FILE.pem" },
  }, { sim = { "--tls-cert", server .. "/cert", "--tls-key", server .. "/key" }, before = before })
end

local SETUP <const> = [[
ROOT=$VAULT_TOKEN; unset VAULT_TOKEN
put() { curl -sf -H "X-Vault-Token: $ROOT" ${2:+-H "X-Vault-Wrap-TTL: $2"} --data-binary @- $VAULT_ADDR/v1/$1; }
field() { sed 's/.*"'$1'":"\([^"]*\)".*/\1/'; }
for m in approle userpass jwt kubernetes aws; do echo '{"type":"'$m'"}' | put sys/auth/$m; done
echo '{"token_policies":"cmek","secret_id_num_uses":1}' | put auth/approle/role/cmek
ROLE=$(curl -sf -H "X-Vault-Token: $ROOT" $VAULT_ADDR/v1/auth/approle/role/cmek/role-id | field role_id)
secret_id() { echo '{}' | put auth/approle/role/cmek/secret-id | field secret_id; }
wrapped() { echo "${2:-{\}}" | put ${1:-auth/approle/role/cmek/secret-id} 60s | sed 's/.*"wrap_info":{[^}]*"token":"\([^"]*\)".*/\1/'; }
echo '{"password":"right","token_policies":"cmek"}' | put auth/userpass/users/me
echo '{"kubernetes_host":"https://k"}' | put auth/kubernetes/config
echo '{"bound_service_account_names":"cmek","bound_service_account_namespaces":"ops"}' | put auth/kubernetes/role/cmek
echo '{"iam_server_id_header_value":"vault.example"}' | put auth/aws/config/client
for r in operator:mine nobody:other; do
  echo '{"bound_iam_principal_arn":"arn:aws:iam::210987654321:user/'${r%:*}'","token_policies":"cmek"}' | put auth/aws/role/${r#*:}
done
login() { m=$1; shift; env "$@" "$CMEK" whoami --vault-auth $m | sed -n '/^Vault/,$p'; }
refused() { m=$1; shift; env "$@" "$CMEK" exec --vault-auth $m $D/read.lua; }
part() { printf '%s' "$1" | base64 -w0 | tr '+/' '-_' | tr -d =; }
pod() { printf '%s.%s.c2lnbmVk' "$(part '{"alg":"RS256"}')" "$(part '{"sub":"system:serviceaccount:ops:'$1'","exp":'$2'}')"; }
]]

test["each login without what it needs ends with 4, by the name of what is missing and how to give it"] = function()
  met({
    { "approle", "refused approle", 4, "VAULT_ROLE_ID is not set, nor is VAULT_ROLE_ID_FILE", "next: export VAULT_ROLE_ID" },
    { "approle, no secret", "refused approle VAULT_ROLE_ID=$ROLE", 4, "missing secret_id", "next: check VAULT_ROLE_ID and VAULT_SECRET_ID" },
    { "approle, no file", "refused approle VAULT_ROLE_ID=$ROLE VAULT_SECRET_ID_FILE=$D/none", 4, "VAULT_SECRET_ID_FILE", "ls -l" },
    { "approle, no file of the role", "refused approle VAULT_ROLE_ID_FILE=$D/none", 4, "VAULT_ROLE_ID_FILE", "ls -l" },
    { "approle, an empty one", "refused approle VAULT_ROLE_ID_FILE=/dev/null", 4, "'/dev/null' is empty", "check VAULT_ROLE_ID_FILE" },
    { "userpass", "refused userpass", 4, "VAULT_USERNAME is not set", "next: export VAULT_USERNAME=NAME" },
    { "userpass, no password", "refused userpass VAULT_USERNAME=me", 4, "VAULT_PASSWORD is not set", "export VAULT_PASSWORD_FILE=FILE" },
    { "jwt", "refused jwt", 4, "VAULT_JWT is not set", "export VAULT_JWT_FILE=FILE" },
    { "jwt, no file", "refused jwt VAULT_JWT_FILE=$D/none", 4, "VAULT_JWT_FILE", "ls -l" },
    { "kubernetes", "refused kubernetes VAULT_ROLE=cmek", 4, "/var/run/secrets/kubernetes.io/serviceaccount/token", "VAULT_JWT_FILE" },
    { "kubernetes, no role", "refused kubernetes VAULT_JWT=a.b.c", 4, "VAULT_ROLE is not set", "export VAULT_ROLE=ROLE" },
    { "cert", "refused cert", 4, "VAULT_CLIENT_CERT and VAULT_CLIENT_KEY are not set" },
    { "aws", "refused aws AWS_ACCESS_KEY_ID= AWS_SECRET_ACCESS_KEY=", 4, "no AWS credentials", "AWS_PROFILE" },
  }, { before = SETUP })
end

test["each login goes through as it should, and whoami tells of its token by whom, what it may and until when"] = function()
  met({
    { "approle", "login approle VAULT_ROLE_ID=$ROLE VAULT_SECRET_ID=$(secret_id)", 0, "the login by approle", "cmek, default", "renewed before" },
    { "approle, wrapped", "login approle VAULT_ROLE_ID=$ROLE VAULT_SECRET_ID=$(wrapped) VAULT_SECRET_ID_WRAPPED=1", 0, "the login by approle" },
    { "userpass", "login userpass VAULT_USERNAME=Me VAULT_PASSWORD=right", 0, "the login by userpass, as userpass-me", "cmek, default" },
    { "kubernetes", "login kubernetes VAULT_ROLE=cmek VAULT_JWT=$(pod cmek 9999999999)", 0, "as kubernetes-ops-cmek" },
    { "aws", "login aws VAULT_ROLE=mine VAULT_AWS_IAM_SERVER_ID=vault.example", 0, "the login by aws, as aws-operator" },
  }, { before = SETUP })
end

test["each login that is refused ends with 4, in the server's words, and says what to check"] = function()
  met({
    { "approle", "refused approle VAULT_ROLE_ID=nobody VAULT_SECRET_ID=s", 4, "invalid role or secret ID", "VAULT_SECRET_ID_WRAPPED=true" },
    { "used up", [[set -- approle VAULT_ROLE_ID=$ROLE VAULT_SECRET_ID=$(secret_id); login "$@" | grep -q 'as approle' && refused "$@"]],
      4, "invalid role or secret ID", "used up" },
    { "wrapped, used twice", [[W=$(wrapped); set -- approle VAULT_ROLE_ID=$ROLE VAULT_SECRET_ID=$W VAULT_SECRET_ID_WRAPPED=1
        login "$@" | grep -q 'as approle' && refused "$@"]], 4, "wrapping token is not valid or does not exist", "have it destroyed" },
    { "wrapped elsewhere", [[W=$(wrapped sys/wrapping/wrap '{"secret_id":"x"}')
        refused approle VAULT_ROLE_ID=$ROLE VAULT_SECRET_ID=$W VAULT_SECRET_ID_WRAPPED=1]],
      4, "was made at 'sys/wrapping/wrap', and not by auth/approle", "ask who gave it to you" },
    { "not wrapped at all", "refused approle VAULT_ROLE_ID=$ROLE VAULT_SECRET_ID=$(secret_id) VAULT_SECRET_ID_WRAPPED=1",
      4, "unset VAULT_SECRET_ID_WRAPPED" },
    { "password", "refused userpass VAULT_USERNAME=me VAULT_PASSWORD=wrong", 4, "invalid username or password", "VAULT_PASSWORD" },
    { "locked", [[for i in 1 2 3 4 5; do refused userpass VAULT_USERNAME=me VAULT_PASSWORD=wrong >/dev/null 2>&1; done
        refused userpass VAULT_USERNAME=me VAULT_PASSWORD=right]], 4, "403 Forbidden: permission denied", "locked after too many wrong passwords" },
    { "no such mount", "refused 'userpass --vault-auth-mount nowhere' VAULT_USERNAME=me VAULT_PASSWORD=x",
      4, "no login is mounted there", "vault auth list" },
    { "jwt", "refused jwt VAULT_JWT=a.b.c VAULT_ROLE=ci", 4, "could not load configuration", "VAULT_JWT is of the issuer and audience" },
    { "a pod's token that has ended", "refused kubernetes VAULT_ROLE=cmek VAULT_JWT=$(pod cmek 1000)", 4, "permission denied", "has ended" },
    { "another pod's", "refused kubernetes VAULT_ROLE=cmek VAULT_JWT=$(pod other 9999999999)", 4, "service account name not authorized" },
    { "a role that is not there", "refused kubernetes VAULT_ROLE=none VAULT_JWT=$(pod cmek 9999999999)",
      4, 'invalid role name "none"', "VAULT_ROLE" },
    { "aws without the server's ID", "refused aws VAULT_ROLE=mine", 4, "missing header", "export VAULT_AWS_IAM_SERVER_ID" },
    { "aws with another one", "refused aws VAULT_ROLE=mine VAULT_AWS_IAM_SERVER_ID=other", 4, 'expected "vault.example" but got "other"' },
    { "aws by a wrong key", "refused aws VAULT_ROLE=mine VAULT_AWS_IAM_SERVER_ID=vault.example AWS_SECRET_ACCESS_KEY=wrong",
      4, "SignatureDoesNotMatch",
      "cmek whoami" },
    { "aws of another region", "refused aws VAULT_ROLE=mine VAULT_AWS_IAM_SERVER_ID=vault.example VAULT_AWS_STS_REGION=eu-west-1", 4,
      "scoped to a valid region, not 'eu-west-1'", "VAULT_AWS_STS_REGION" },
    { "aws in no such role", "refused aws VAULT_ROLE=none VAULT_AWS_IAM_SERVER_ID=vault.example", 4, "entry for role none not found", "VAULT_ROLE" },
    { "aws in another's role", "refused aws VAULT_ROLE=other VAULT_AWS_IAM_SERVER_ID=vault.example",
      4, "does not belong to the role", "cmek whoami tells" },
  }, { before = SETUP })
end

-- ---- what a token may ----

test["a token that ends, or may not do one thing, in the middle of a run: what lacks is named, and nothing is left half known"] = function()
  local run = '"$CMEK" run vault-transit --cluster orders-one --yes'
  local before = SETUP .. [[
    may() {
      all='capabilities = [\"create\", \"read\", \"update\", \"list\"]'
      printf '{"policy":"path \\"sys/mounts/*\\" { %s } path \\"%s\\" { %s %s }"}' "$all" "$1" "$all" "$2" | put sys/policies/acl/p$3
      export VAULT_TOKEN=$(printf '{"policies":["p%s"]}' $3 | put auth/token/create | field client_token)
    }
  ]]
  met({
    { "one path", "may 'transit/keys/*' '' 1; " .. run, 1, "lack read on transit/export/encryption-key/crdb-cmek-orders-one-",
      'path "transit/export/encryption-key/', 'capabilities = ["read"]' },
    { "wrapped answers alone", "may 'transit/*' 'min_wrapping_ttl = \\\"10s\\\"' 2; " .. run, 1, "min_wrapping_ttl", "vault policy read NAME" },
    { "some parameters alone", "may 'transit/*' 'allowed_parameters = { \\\"type\\\" = [] }' 3; " .. run, 5, "which is what create or update takes",
      "allowed_parameters", "cmek resume", "made or changed:", quotes = true },
  }, { before = before })
end

test["a token that Vault no longer knows when the material is imported: what was made is told, and resume goes on with another"] = function()
  local result = outside.simulated([[
    curl -sf -H "X-Vault-Token: $VAULT_TOKEN" -d '{"type":"transit"}' $VAULT_ADDR/v1/sys/mounts/transit
    "$CMEK" run vault-transit --cluster orders-one --yes; echo "run $?"
    "$CMEK" resume --yes; echo "resume $?"
  ]], { sim = { "--fault", "expired service=vault operation=transit/ReadExport count=1",
    "--fault", "expired service=vault operation=token/ReadLookupSelf skip=1 count=1" } })
  test.contains(result.text, "run 5")
  test.contains(result.text, "refuses the token of VAULT_TOKEN also when it is asked about itself")
  test.contains(result.text, "made or changed:")
  test.contains(result.text, "resume 0")
  test.equal(result:writes "CreateKey", 1)
end

test["a reference into Vault may name anything that KV keeps; one that cannot be meant is told by its variable alone"] = function()
  met({
    { "creds", "keep creds/cmek; COCKROACH_API_KEY=vault:secret/data/creds/cmek#api_key \"$CMEK\" status", 0, "orders-one" },
    { "export", "keep export/cmek; COCKROACH_API_KEY=vault:secret/data/export/cmek#api_key \"$CMEK\" status", 0, "orders-one" },
    { "climbing", "COCKROACH_API_KEY=vault:secret/data/../sys/x#k \"$CMEK\" status",
      2, "COCKROACH_API_KEY holds a reference", "vault:kv/data/PATH#FIELD" },
    { "coded", "COCKROACH_API_KEY=vault:secret/data/a%2fb#k \"$CMEK\" status", 2, "COCKROACH_API_KEY holds a reference" },
    { "nowhere", "COCKROACH_API_KEY=vault:secret/data/none#k \"$CMEK\" status", 4, "there is nothing at secret/data/none", "vault kv get" },
  }, { before = [[keep() {
    curl -sf -H "X-Vault-Token: $VAULT_TOKEN" -d '{"data":{"api_key":"'$COCKROACH_API_KEY'"}}' $VAULT_ADDR/v1/secret/data/$1 >/dev/null
  }]] })
end
