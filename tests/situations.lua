-- situations.lua -- how each situation of lua/explain/ is produced: with simulated services that have the fault, or a state that somebody
-- left, or a setting that is wrong. tests/test_explain.lua walks them; tests/peers/explain.py runs the AWS CLI's commands as well.
local file = require "file"
local json = require "json"
local outside = dofile "tests/outside.lua"

local M = {}

M.ACCOUNT, M.CLUSTER = "210987654321", "orders-one"

local RUN <const>, PLAN <const> = "cmek run console --cluster orders-one --yes", "cmek plan console --cluster orders-one"
local TRANSIT <const> = "cmek run vault-transit --cluster orders-one --yes"
local ENABLE <const> = "cmek run enable --cluster orders-one --yes --confirm orders-one"
local READ <const> = "cmek exec $D/script.lua"
local WRITE <const> = "cmek exec --write --yes $D/script.lua"

-- What somebody did to the cluster's role and key: functions of the state that `sim --state` reads.
local function role_of(state) return state.aws[M.ACCOUNT].iam.roles[1] end
local function key_of(state) return state.aws[M.ACCOUNT].kms["us-east-1"].keys[1] end

local function cluster_of(state)
  for _, cluster in ipairs(state.cloud.clusters) do
    if cluster.name == M.CLUSTER then return cluster end
  end
end

local function trust(from, to)
  return function(state)
    local role = role_of(state)
    local changed, count = role.AssumeRolePolicyDocument:gsub(from, to)
    role.AssumeRolePolicyDocument = changed
    assert(count > 0, "the trust policy has no " .. from)
  end
end

local function key(members)
  return function(state)
    for name, value in pairs(members) do key_of(state)[name] = value end   -- order cannot be seen
  end
end

-- Material that somebody, or vault-transit, imported.
local function imported(source, members)
  return function(state)
    key(members)(state)
    key_of(state).Origin = "EXTERNAL"
    key_of(state).ExpirationModel = members.ExpirationModel or members.KeyState ~= "PendingImport" and "KEY_MATERIAL_DOES_NOT_EXPIRE" or nil
    if source then table.insert(key_of(state).Tags, { TagKey = "cmek:material", TagValue = source }) end
  end
end

-- A policy of the key without the role's statement, or with one more.
local function without_use(state)
  local policy = json.decode(key_of(state).Policy)
  table.remove(policy.Statement, 1)
  key_of(state).Policy = json.encode(policy)
end

local function with_orphan(state)
  local policy = json.decode(key_of(state).Policy)
  table.insert(policy.Statement, { Sid = "Left", Effect = "Allow", Principal = { AWS = "AROAEXAMPLEEXAMPLE123" }, Action = "kms:Decrypt",
    Resource = "*" })
  policy.Statement[1].Action = { "kms:Decrypt" }
  key_of(state).Policy = json.encode(policy)
end

local function locked_policy(state)   -- only the caller's own rights are left, which a plan cannot know
  without_use(state)
end

local function grown(state)
  local cluster = cluster_of(state)
  local region = {}
  for name, value in pairs(cluster.regions[1]) do region[name] = value end   -- order cannot be seen
  region.name = "us-west-2"
  table.insert(cluster.regions, region)
end

-- As revoke leaves it.
local function revoked(state)
  local info = cluster_of(state).cmek
  info.status, info.region_infos[1].status, info.region_infos[1].key_infos[1].status = "REVOKED", "REVOKED", "REVOKED"
  key_of(state).Policy = require("policy.revocation").with(key_of(state).Policy, { role_of(state).Arn })
end

-- Another cluster that uses the same keys.
local function shared(state)
  for _, cluster in ipairs(state.cloud.clusters) do
    if cluster.name == "orders" then cluster.cmek = cluster_of(state).cmek end
  end
end

-- As if the vendor's page had been followed by hand: nothing of cmek's names and tags.
local function by_hand(state)
  role_of(state).Tags, key_of(state).Tags = json.array {}, json.array {}
  local renamed = json.decode((json.encode(state):gsub("crdb%-cmek%-orders%-one%-91d3b7a2e5f4", "by-hand")))
  for name, value in pairs(renamed) do state[name] = value end   -- order cannot be seen
end

-- The hostile service's URL is in $URL.
local function hostile(fault) return "AWS_ENDPOINT_URL_KMS=$URL/" .. fault .. " " .. PLAN end

-- A script that has Vault put a key into KMS with these credentials.
local function distribute(credentials)
  return ([[vault.enable_mount { path = "k", type = "keymgmt" }
    vault.keymgmt_write_provider { mount = "k", name = "p", provider = "awskms", key_collection = "us-east-1", credentials = %s }
    vault.keymgmt_write_key { mount = "k", name = "n", type = "aes256-gcm96" }
    vault.keymgmt_distribute { mount = "k", name = "p", key = "n", purpose = "encrypt,decrypt" }]]):format(credentials)
end

--- Each with its situation. `state`: what somebody did before; `fault`: of `sim --fault`; `sim`: more of its options; `run`: what meets it;
--- `script`: what cmek exec runs; `mended`: what goes well after the printed commands, which is `run` where it says true; `answers`:
--- typed at the terminal; `printed`: false where no command of cmek's among them can be run here; `aws`: what goes well after the
--- commands of the AWS CLI.
M.CASES = {
  -- CockroachDB Cloud
  { "cloud.no-key", run = "unset COCKROACH_API_KEY; " .. PLAN },
  { "cloud.key-refused", run = "COCKROACH_API_KEY=CCDB1_nobody_nothing " .. PLAN },
  { "cloud.no-operator", run = "COCKROACH_API_KEY=$DEVELOPER " .. PLAN },
  { "cloud.version", fault = "cloud.version", run = PLAN },
  { "cloud.cluster-unknown", run = "cmek plan console --cluster order-one" },
  { "cloud.cluster-none", sim = { "--clusters", "$D/none.json" }, run = "cmek plan console --cluster orders" },
  { "cloud.cluster-last12", run = "cmek plan console --cluster 91d3b7a2e5f4" },
  { "cloud.cluster-is-organization", run = "cmek plan console --cluster exco" },
  { "cloud.cluster-ambiguous", sim = { "--clusters", "$D/two.json" }, run = "cmek plan console --cluster twin" },

  -- the cluster
  { "cluster.network", run = "cmek plan console --cluster orders-public" },
  { "cluster.plan", state = function(state) cluster_of(state).plan = "STANDARD" end, run = PLAN },
  { "cluster.cloud", run = "cmek plan console --cluster orders-gcp" },
  { "cluster.state", run = "cmek plan console --cluster orders-creating" },
  { "cluster.account", state = function(state) cluster_of(state).account_id = "" end, run = PLAN },
  { "cluster.own-account", state = function(state) cluster_of(state).account_id = M.ACCOUNT end, run = PLAN },

  -- CMEK
  { "cmek.in-use", enabled = true, state = by_hand, run = PLAN, answers = "y\n",
    mended = PLAN .. " --role arn:aws:iam::210987654321:role/by-hand" },
  { "cmek.revoked", enabled = true, state = revoked, run = ENABLE, answers = "y\n", printed = true },
  { "cluster.shared", enabled = true, state = shared, run = "cmek plan revoke --cluster orders-one" },
  { "cmek.regions", state = grown, run = ENABLE, mended = true, answers = "y\n" },
  { "layout.wrong", run = "cmek plan console --cluster orders-one --layout shared:eu-west-9" },
  { "cmek.swapped", run = "cmek plan enable --cluster orders-one --key arn:aws:iam::210987654321:role/x" },
  { "access.role-missing", state = function(state) state.aws[M.ACCOUNT].iam.roles = json.array {} end, run = ENABLE, mended = true, answers = "y\n" },
  { "access.external-id", state = trust("0f4be3a2%-6a1c", "0f4be3a2-0000"), run = ENABLE, mended = true, answers = "y\n" },
  { "access.external-id-label", state = trust("0f4be3a2%-[%x-]+", "exco"), run = ENABLE, mended = true, answers = "y\n" },
  { "access.trust-account", state = trust("571234890002", "571234890009"), run = ENABLE, mended = true, answers = "y\n" },
  { "access.trust", state = trust("sts:AssumeRole", "sts:TagSession"), run = ENABLE, mended = true, answers = "y\n" },
  { "access.key-policy", state = without_use, run = ENABLE, mended = true, answers = "y\n" },
  { "access.unseen", fault = "access.unseen", aged = true, run = ENABLE, printed = false },
  { "access.key-disabled", aged = true, sim = { "--enabling", "1.2" }, script = [[kms.disable_key { region = "us-east-1", KeyId = arg[1] }]],
    run = "(sleep 0.6; " .. WRITE .. " $KEY) & " .. ENABLE .. "; r=$?; wait; exit $r", printed = false, aws = ENABLE,
    answers = "y\norders-one\n" },

  -- credentials
  { "aws.no-credentials", run = "unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY; " .. PLAN },
  { "aws.unknown-key", run = "AWS_ACCESS_KEY_ID=AKIANOBODY " .. PLAN },
  { "aws.expired", fault = "aws.expired", run = PLAN },
  { "aws.region", run = PLAN .. " --region nowhere" },
  { "aws.signature", run = "AWS_SECRET_ACCESS_KEY=nonsense " .. PLAN },
  { "aws.mfa", run = "printf '[profile ops]\\nrole_arn=arn:aws:iam::210987654321:role/x\\nmfa_serial=arn:aws:iam::210987654321:mfa/me\\n"
    .. "source_profile=base\\n[profile base]\\naws_access_key_id=AKIAX\\naws_secret_access_key=x\\n' >$D/config; "
    .. "unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY; AWS_CONFIG_FILE=$D/config AWS_PROFILE=ops " .. PLAN },
  { "aws.assume-role", aws = "true",
    run = "printf '[profile ops]\\nrole_arn=arn:aws:iam::210987654321:role/x\\ncredential_source=Environment\\n' >$D/config; "
    .. "AWS_CONFIG_FILE=$D/config " .. PLAN .. " --profile ops" },
  { "aws.other-account", run = PLAN .. " --account 111122223333" },

  -- rights, rates, quotas
  { "aws.denied", fault = "aws.denied count=1", fresh = true, run = RUN, mended = PLAN, answers = "y\n" },
  { "aws.explicit-deny", fault = "aws.explicit-deny", fresh = true, run = RUN },
  { "aws.scp", fault = "aws.scp count=1", fresh = true, run = RUN, mended = PLAN, answers = "y\n" },
  { "aws.boundary", fault = "aws.boundary", fresh = true, run = RUN },
  { "aws.throttled", fault = "aws.throttled count=1", fresh = true, run = RUN },
  { "aws.trouble", fault = "aws.trouble", run = PLAN },
  { "aws.region-disabled", fault = "aws.region-disabled", run = "cmek plan console --cluster orders" },
  { "aws.tags", fault = "aws.tags count=1", fresh = true, run = RUN },
  { "aws.tag-policy", fault = "aws.tag-policy count=1", fresh = true, run = RUN },
  { "aws.quota", fault = "iam.quota-tags", fresh = true, run = RUN },
  { "iam.quota-roles", fault = "iam.quota-roles", fresh = true, run = RUN },
  { "iam.quota-trust", fault = "iam.quota-trust", fresh = true, run = RUN },
  { "iam.principal-unknown", fault = "iam.principal-unknown", fresh = true, run = RUN },
  { "kms.quota", fault = "kms.quota count=1", fresh = true, run = RUN, mended = PLAN, answers = "y\n" },
  { "kms.on-demand", enabled = true, fault = "kms.on-demand",
    run = "cmek run rotate --cluster orders-one --rewrap --on-demand --yes --confirm orders-one" },
  { "kms.lockout", fault = "kms.lockout count=1", fresh = true, run = RUN, mended = PLAN, answers = "y\n" },
  { "kms.policy-size", aws = "true", fault = "kms.policy-size count=1", state = locked_policy, run = RUN },

  -- roles and keys
  { "iam.role-foreign", state = function(state) role_of(state).Tags = json.array {} end, run = PLAN .. " --role crdb-cmek-orders-one-91d3b7a2e5f4",
    mended = "cmek plan console --cluster orders-one --role crdb-cmek-orders-one-91d3b7a2e5f4-2", answers = "y\n" },
  { "iam.role-of-another-cluster", run = PLAN, mended = "cmek plan console --cluster orders-one --role crdb-cmek-orders-one-91d3b7a2e5f4-2",
    state = function(state)
      for _, tag in ipairs(role_of(state).Tags) do
        if tag.Key == "cmek:cluster" then tag.Value = "8b6d7a10-4c1e-4b7a-9a53-0f2c6e9d41b7" end
      end
    end, answers = "y\n" },
  { "iam.role-exists", fresh = true, aws = "true", run = WRITE, script = [[
      local role = { RoleName = "x", AssumeRolePolicyDocument = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow",'
        .. '"Principal":{"AWS":"210987654321"},"Action":"sts:AssumeRole"}]}' }
      iam.create_role(role) iam.create_role(role)]] },
  { "aws.unsimulated", run = READ, script = [[aws.call { service = "sqs", operation = "ListQueues", region = "us-east-1" }]] },
  { "kms.alias-taken", state = key { Tags = json.array {} }, run = PLAN, aws = PLAN },
  { "kms.alias-exists", aws = "true", run = WRITE .. " $KEY", script = [[
      for _ = 1, 2 do kms.create_alias { region = "us-east-1", AliasName = "alias/twice", TargetKeyId = arg[1] } end]] },
  { "kms.key-disabled", state = key { KeyState = "Disabled", Enabled = false }, run = PLAN, aws = PLAN },
  { "kms.key-pending-deletion", state = key { KeyState = "PendingDeletion", Enabled = false, DeletionDate = 4102444800 }, run = PLAN, aws = PLAN },
  { "kms.key-of-wrong-kind", state = key { KeySpec = "RSA_2048", KeyUsage = "SIGN_VERIFY" }, run = PLAN, aws = PLAN },
  { "kms.policy-unreadable", fault = "error service=kms operation=GetKeyPolicy code=AccessDeniedException message=User: x is not authorized",
    run = PLAN },
  { "kms.material-of-kms", run = TRANSIT, mended = PLAN },
  { "kms.material-elsewhere", state = imported("transit/no-copy", {}), run = TRANSIT },
  { "kms.material-gone", state = imported("transit/crdb-cmek-orders-one-91d3b7a2e5f4-us-east-1:1", { KeyState = "PendingImport", Enabled = false }),
    run = RUN, printed = false },   -- no Vault lasts from one simulation to the next
  { "kms.material-lost", state = imported(nil, { KeyState = "PendingImport", Enabled = false }), run = RUN },
  { "kms.material-expires", state = imported(nil, { ExpirationModel = "KEY_MATERIAL_EXPIRES", ValidTo = 1900000000 }), run = RUN },
  { "kms.orphan-principal", state = with_orphan, run = PLAN, aws = PLAN },
  { "kms.state", aws = "true", run = WRITE .. " $KEY", script = [[
      kms.disable_key { region = "us-east-1", KeyId = arg[1] } kms.enable_key_rotation { region = "us-east-1", KeyId = arg[1] }]] },
  { "iam.not-found", run = READ, script = [[iam.get_role "crdb-cmek"]] },
  { "kms.not-found", run = READ, script = [[kms.describe_key { region = "us-east-1", KeyId = "00000000-0000-4000-8000-000000000001" }]] },
  { "other", fault = "other count=1", fresh = true, run = RUN },

  -- Vault
  { "vault.no-token", run = "unset VAULT_TOKEN; " .. READ, script = "vault.list_mounts()" },
  { "vault.token-refused", run = "VAULT_TOKEN=hvs.nobody " .. READ, script = "vault.list_mounts()", printed = false },
  { "vault.login", fault = "error service=vault operation=vault/none status=400 message=invalid username or password",
    run = "VAULT_USERNAME=me VAULT_PASSWORD=x cmek exec --vault-auth userpass $D/script.lua", script = "vault.list_mounts()" },
  { "vault.token-malformed", run = "VAULT_TOKEN='hvs.made up' " .. READ, script = "vault.list_mounts()" },
  { "vault.login-denied", run = "VAULT_USERNAME=me VAULT_PASSWORD=x cmek exec --vault-auth userpass $D/script.lua", script = "vault.list_mounts()" },
  { "vault.login-file", run = "VAULT_JWT_FILE=$D/none cmek exec --vault-auth jwt $D/script.lua", script = "vault.list_mounts()" },
  { "vault.behind", fault = "error service=vault operation=system/ReadMounts status=412 message=required index state not present",
    run = "VAULT_MAX_RETRIES=0 " .. READ, script = "vault.list_mounts()" },
  { "vault.performance-standby", run = "VAULT_ADDR=$URL/pstandby " .. READ, script = "vault.list_mounts()" },
  { "vault.unsupported", run = "VAULT_ADDR=$URL/unsupported " .. READ, script = "vault.list_mounts()" },
  { "vault.wrapping", run = "VAULT_MAX_RETRIES=0 VAULT_ADDR=$URL/wrapped " .. READ, script = "vault.list_mounts()" },
  { "vault.stranger", run = "VAULT_ADDR=$COCKROACH_SERVER/api " .. READ, script = "vault.list_mounts()" },
  { "vault.speaks-tls", tls = true, run = "VAULT_MAX_RETRIES=0 VAULT_ADDR=http://${VAULT_ADDR#https://} " .. READ, script = "vault.list_mounts()" },
  { "vault.client-file", tls = true, run = "VAULT_CLIENT_CERT=$D/none VAULT_CLIENT_KEY=$D/none " .. READ, script = "vault.list_mounts()" },
  { "vault.ca-file", tls = true, run = "VAULT_CACERT=$D/none " .. READ, script = "vault.list_mounts()" },
  { "vault.proxy", run = "VAULT_PROXY_ADDR=nonsense://x " .. READ, script = "vault.list_mounts()" },
  { "vault.sealed", sim = { "--vault-condition", "sealed" }, run = "VAULT_MAX_RETRIES=0 " .. READ, script = "vault.list_mounts()" },
  { "vault.uninitialised", sim = { "--vault-condition", "uninitialised" }, run = "VAULT_MAX_RETRIES=0 " .. READ, script = "vault.list_mounts()" },
  { "vault.dr-secondary", sim = { "--vault-condition", "dr-secondary" }, run = READ, script = "vault.list_mounts()" },
  { "vault.namespace", sim = { "--vault-edition", "openbao" }, run = "VAULT_NAMESPACE=nobody " .. READ, script = "vault.list_mounts()" },
  { "vault.aws-credentials", run = WRITE, script = distribute [[{ access_key = "AKIASIMULATEDNOBODY1", secret_key = "x" }]] },
  { "vault.aws-denied", run = WRITE, script = distribute [[{ access_key = "AKIASIMULATEDREAD0001",
    secret_key = "simulated/secret/not-a-real-one/00000003" }]] },
  { "vault.aws", run = WRITE, script = distribute "nil", sim = { "--fault", "error service=kms operation=CreateKey code=LimitExceededException" } },
  { "vault.no-engine", sim = { "--vault-edition", "community" }, run = WRITE, script = [[vault.enable_mount { path = "k", type = "keymgmt" }]] },
  { "vault.no-route", run = READ, script = [[vault.transit_read_key { mount = "nowhere", name = "k" }]] },
  { "vault.reference", run = "COCKROACH_API_KEY=vault:secret/data/nothing#key " .. PLAN },
  { "vault.unreachable", run = "VAULT_MAX_RETRIES=0 VAULT_ADDR=http://127.0.0.1:9 " .. READ, script = "vault.list_mounts()" },
  { "vault.certificate", tls = true, run = "unset VAULT_CACERT SSL_CERT_FILE CURL_CA_BUNDLE; " .. READ, script = "vault.list_mounts()" },
  { "vault.not-tls", run = "VAULT_MAX_RETRIES=0 VAULT_ADDR=https://${VAULT_ADDR#http://} " .. READ, script = "vault.list_mounts()" },

  -- the way there
  { "way.dns", run = "AWS_ENDPOINT_URL_KMS=https://nowhere.invalid " .. PLAN },
  { "way.no-answer", run = "AWS_ENDPOINT_URL_KMS=http://127.0.0.1:9 " .. PLAN, or_else = "way.refused" },
  { "way.certificate", tls = true, run = "unset AWS_CA_BUNDLE SSL_CERT_FILE CURL_CA_BUNDLE; " .. PLAN },
  { "way.ca-file", tls = true, run = "AWS_CA_BUNDLE=$D/nothing " .. PLAN },
  { "way.proxy", run = "HTTPS_PROXY=$URL AWS_ENDPOINT_URL_KMS=https://0.0.0.0:9 " .. PLAN },
  { "way.proxy-address", run = "HTTPS_PROXY=nonsense://x AWS_ENDPOINT_URL_KMS=https://0.0.0.0:9 " .. PLAN },
  { "way.cut", run = hostile "cut" },
  { "way.long", run = hostile "big" },
  { "way.html", run = hostile "html" },
  { "way.elsewhere", run = hostile "elsewhere" },
  { "way.no-service", run = hostile "list" },
  { "way.lost", run = hostile "gone" },
  { "way.lost-write", run = "AWS_ENDPOINT_URL_KMS=$URL/gone/CreateKey " .. WRITE, script = [[kms.create_key { region = "us-east-1" }]] },
}

--- A script of the shell in which `cmek` is the program; KEY is the cluster's key, DEVELOPER another API key.
---@param state table?  as `sim --state` writes it
function M.prelude(state)
  local held = state and state.aws[M.ACCOUNT]
  local keys = held and held.kms["us-east-1"] and held.kms["us-east-1"].keys or {}
  return ('cmek() { "$CMEK" "$@"; }; export KEY=%s DEVELOPER=%s; '):format(keys[1] and keys[1].KeyId or "none",
    require("sim.cloud").KEYS[2].secret)
end

--- The commands that a text prints below `next:`.
---@param text string
---@return string[]
function M.commands(text)
  local list, below = {}, false
  for line in text:gmatch "[^\n]*" do
    local command = line:match "^ *  (%S.*)$"
    if line:find "^ *next: .*:$" then
      below = true
    elseif below and command then
      list[#list + 1] = command
    else
      below = false
    end
  end
  return list
end

-- Running them ---------------------------------------------------------------------------------------------------------

-- The state after `run console` (and `run enable`) of long ago, made once.
local states = {}

local function base(enabled)
  if states[enabled] then return json.decode(states[enabled]) end
  local directory = test.directory()
  local words = enabled and "--enable --confirm orders-one" or ""
  local result = outside.simulated('"$CMEK" run console --cluster orders-one --yes ' .. words, { directory = directory,
    sim = { "--state", directory .. "/state.json" } })
  test.equal(result.status, 0)
  local state = json.decode(file.read(directory .. "/state.json"))
  local account = state.aws[M.ACCOUNT]
  for _, role in ipairs(account.iam.roles) do role.CreateDate = "2026-01-10T08:00:00Z" end
  for _, one in ipairs(account.kms["us-east-1"].keys) do one.CreationDate = 1768032000 end
  states[enabled] = json.encode(state)
  return json.decode(states[enabled])
end

local CERTIFICATE

local function options_of(case, directory)
  local sim, path, state = {}, directory .. "/state.json", nil
  if not case.fresh and not case.tls then
    state = not (case.sim and case.sim[1] == "--clusters") and base(case.enabled == true) or nil
    if state and case.state then case.state(state) end
    if state then assert(file.write(path, json.encode(state))) end
  end
  if case.fault then sim = { "--fault", case.fault } end
  for _, word in ipairs(case.sim or {}) do sim[#sim + 1] = (word:gsub("%$D", directory)) end
  if state or case.fresh then table.move({ "--state", path }, 1, 2, #sim + 1, sim) end
  if case.tls then
    CERTIFICATE = CERTIFICATE or outside.certificate "IP:127.0.0.1"
    table.move({ "--tls-cert", CERTIFICATE .. "/cert", "--tls-key", CERTIFICATE .. "/key" }, 1, 4, #sim + 1, sim)
  end
  return { directory = directory, sim = sim, environment = { URL = (outside.hostile()) } }, state
end

--- Produces a situation.
---@return table result, table options  of outside.simulated: the directory with the state that it leaves
function M.produce(case)
  local directory = test.directory()
  assert(file.write(directory .. "/none.json", "[]"))
  assert(file.write(directory .. "/two.json", '[{"name":"twin","regions":["us-east-1"]},{"name":"twin","regions":["us-east-1"],"id":"' ..
    '11111111-2222-4333-8444-555555555555"}]'))
  if case.script then assert(file.write(directory .. "/script.lua", case.script)) end
  local options, state = options_of(case, directory)
  return outside.simulated(M.prelude(state) .. case.run, options), options
end

-- Runs a command as it is printed, at a terminal where it is answered; its exit status.
local function as_printed(command, case, options)
  local path = options.directory .. "/command"
  assert(file.write(path, ('cmek() { "$CMEK" "$@"; }\n%s\n'):format(command)))
  local asks = command:find "^cmek run " or command:find "^cmek resume "
  local at_terminal = ("printf '%s' | script -qec 'sh %s' /dev/null"):format(case.answers or "y\\n", path)
  local result = outside.simulated(asks and at_terminal or "sh " .. path, options)
  return result.status, result.text
end

-- Where the situation is left, the services are as they are without the fault.
local function without_fault(options)
  local sim, skip = {}, false
  for _, word in ipairs(options.sim) do
    if skip or word == "--fault" then skip = word == "--fault" else sim[#sim + 1] = word end
  end
  options.sim = sim
  return options
end

--- Runs the commands that a text prints, each as it is printed; then what they mend has to go well.
---@param runs fun(command: string): any  which of them
---@param mended string|true?             what goes well afterwards; true: what met the situation
function M.follow(case, result, options, runs, mended)
  without_fault(options)
  for _, command in ipairs(M.commands(result.text)) do
    if runs(command) then
      local status, text = as_printed(command, case, options)
      if status ~= 0 then error(("%s: '%s' as printed ends with %d: %s"):format(case[1], command, status, text), 0) end
    end
  end
  if not mended then return end
  local again = outside.simulated(M.prelude() .. (mended == true and case.run or mended), options)
  if again.status ~= 0 then error(("%s: not mended by what was printed: %s"):format(case[1], again.text), 0) end
end

return M
