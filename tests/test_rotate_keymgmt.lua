-- The recipe rotate, where Vault's key management engine makes the KMS keys: Vault rotates, and the key that it made is taken over.
local names = require "names"
local operators = dofile "tests/operator.lua"
local rotating = dofile "tests/rotating.lua"
local vault_state = require "sim.vault.state"

local REGIONS <const>, DAY <const> = rotating.REGIONS, rotating.DAY
local run, done, tags, place = rotating.run, rotating.done, rotating.tags, rotating.place
local key_of = rotating.key_of
local ENVIRONMENT <const> = { VAULT_ADDR = "http://127.0.0.1:8200", VAULT_TOKEN = vault_state.ROOT_TOKEN }

local function open(arguments)
  local who = operators.open { environment = ENVIRONMENT }
  local values = { enable = "true" }
  for name, value in pairs(arguments or {}) do values[name] = value end
  local report, status = operators.run(who, "vault", { arguments = values })
  test.equal({ status, report.error }, { 0 })
  who.world.now = who.world.now + 30 * DAY
  return who
end

local function again(who, token)
  return operators.beside(who, { who = who.simulation.accounts[1], environment = { VAULT_ADDR = ENVIRONMENT.VAULT_ADDR,
    VAULT_TOKEN = token or ENVIRONMENT.VAULT_TOKEN } })
end

local function engine(who) return who.simulation.state.vault.namespaces[""].mounts["keymgmt/"].data end
local function name(region) return names.vault_key(operators.CLUSTER, region) end
local function fault(who, text) table.insert(who.simulation.faults, require("sim.faults").read(text)) end

local function account(who, region)
  for _, cluster in ipairs(who.simulation.state.cloud.clusters) do
    for _, info in ipairs(cluster.name == "orders" and cluster.cmek.region_infos or {}) do
      if info.region == region then
        local list = { info.status }
        for _, key in ipairs(info.key_infos) do list[#list + 1] = key.status end
        return list
      end
    end
  end
end

test["Vault rotates, and the KMS key that it made of version 2 is generation 2: tags, alias, policy; the old one stays enabled"] = function()
  local who = open { tag = { "team=payments" } }
  local report = done(who)
  for _, region in ipairs(REGIONS) do
    local old, new = key_of(who, region, 1), key_of(who, region, 2)
    test.equal(engine(who).kms[name(region)].distributions[name(region)].versions, { ["1"] = old.KeyId, ["2"] = new.KeyId })
    test.equal({ new.KeyState, old.KeyState, #place(who, region).keys, tags(new).team, tags(new)[names.TAG_MATERIAL] },
      { "Enabled", "Enabled", 2, "payments", ("keymgmt/%s:2"):format(name(region)) })
    test.truthy(require("policy").equal(new.Policy, old.Policy))
    test.equal(account(who, region), { "ENABLED", "DISABLED", "ENABLED" })
  end
  test.equal(report.handover.region_specs[2].key_spec.uri, key_of(who, "us-east-1", 2).Arn)
  local verified, status = run(who, { mode = "verify" })
  test.equal({ status, #verified.findings }, { 0, 0 })
  test.equal(operators.run(who, "vault", { arguments = { enable = "true", tag = { "team=payments" } } }).summary.unchanged, 15)
end

test["statements of others in the policy in use, and Vault's own, move forward to the key that Vault makes without them"] = function()
  local who = open { admin = { "arn:aws:iam::210987654321:user/operator" }, vault_principal = "arn:aws:iam::210987654321:user/vault-server" }
  local old = key_of(who, "us-east-1", 1)
  local document = require("json").decode(old.Policy)
  table.insert(document.Statement, { Sid = "Audit", Effect = "Allow", Action = "kms:DescribeKey", Resource = "*",
    Principal = { AWS = "arn:aws:iam::210987654321:user/operator" } })
  operators.within(who, function(session)
    session.kms.put_key_policy { region = "us-east-1", KeyId = old.KeyId, PolicyName = "default", Policy = require("json").encode(document) }
  end)
  done(who)
  local new = key_of(who, "us-east-1", 2)
  test.contains(new.Policy, "Audit")
  test.contains(new.Policy, require("policy.build").VAULT_SID)
end

test["a version that Vault has already, from a run that died or a hand, is taken: Vault is not rotated further"] = function()
  local who = open()
  operators.within(who, function(session) session.vault.keymgmt_rotate_key { mount = "keymgmt", name = name "us-west-2" } end)
  done(again(who))
  for _, region in ipairs(REGIONS) do test.equal(#place(who, region).keys, 2) end
  test.equal(engine(who).keys[name "us-west-2"].latest_version, 2)
end

test["what a rotation that failed has left in KMS is told, and not deleted; the next run has a key of its own"] = function()
  local who = open()
  fault(who, "error service=kms operation=TagResource region=us-west-2 code=LimitExceededException status=400 count=1 message=no")
  test.equal(select(2, run(who)), 5)
  local keys, told = place(who, "us-west-2").keys, {}
  for _, event in ipairs(who.events) do told[#told + 1] = event.kind == "warning" and event.text or nil end
  test.equal({ #keys, keys[2].KeyState }, { 2, "Enabled" })
  test.contains(table.concat(told, "\n"), ("aws kms schedule-key-deletion --region us-west-2 --key-id %s"):format(keys[2].Arn))
  done(again(who), { run_id = "run-2", arguments = { take_over = "run-1" } })
  test.equal({ #keys, key_of(who, "us-west-2", 2).KeyId == keys[3].KeyId }, { 3, true })
end

test["wherever a run dies the next one finishes it, with one KMS key a region and generation"] = function()
  for _, dies in ipairs { "error service=kms operation=CreateAlias region=us-west-2 code=LimitExceededException status=400 count=1 message=no",
    "error service=kms operation=PutKeyPolicy region=us-west-2 code=LimitExceededException status=400 count=1 message=no",
    "error service=cloud operation=UpdateCMEKSpec code=INVALID_ARGUMENT status=400 count=1 message=no",
    "lost_answer service=vault operation=keymgmt/WriteRotate count=1" } do
    local who = open()
    fault(who, dies)
    local _, status = run(who)
    test.equal({ dies, status }, { dies, dies:find "^lost" and 0 or 5 })
    if status ~= 0 then done(again(who), { run_id = "run-2", arguments = { take_over = "run-1" } }) end
    for _, region in ipairs(REGIONS) do
      test.equal({ dies, #place(who, region).keys, account(who, region) }, { dies, 2, { "ENABLED", "DISABLED", "ENABLED" } })
    end
  end
end

test["a plan shows what Vault makes by name, asks for nothing, and lists the requests"] = function()
  local who = open()
  local report, status = run(who, { mode = "plan", requests = true })
  local seen = {}
  for _, request in ipairs(report.requests) do seen[request.operation] = (seen[request.operation] or 0) + 1 end
  test.equal({ status, seen.KeymgmtRotateKey, seen.CreateKey, seen.UpdateCMEKSpec, engine(who).keys[name "us-east-1"].latest_version },
    { 0, 3, nil, 1, 1 })
  test.equal({ seen.TagResource, seen.CreateAlias, seen.PutKeyPolicy }, { 3, 3, 3 })
end

test["a Vault key that is gone is not made anew"] = function()
  local who = open()
  engine(who).keys[name "us-east-1"] = nil
  local report, status = run(who)
  test.equal(status, 1)
  test.contains(report.error.message, "restore it from a backup of Vault")
end

-- A token with such a policy, by the simulated Vault's own API.
local function token_with(who, policy)
  local json = require "json"
  local function ask(method, path, body)
    local response = who.simulation:handle { method = method, target = "/v1/" .. path, body = json.encode(body),
      headers = { { "Host", "127.0.0.1:8200" }, { "X-Vault-Request", "true" }, { "X-Vault-Token", ENVIRONMENT.VAULT_TOKEN } } }
    return response.body ~= "" and json.decode(response.body)
  end
  ask("PUT", "sys/policies/acl/half", { policy = policy })
  return ask("POST", "auth/token/create", { policies = json.array { "half" } }).auth.client_token
end

test["what the token may not do is told by the lines that its policy lacks, before Vault rotates"] = function()
  local who = open()
  local token = token_with(who, 'path "keymgmt/*" { capabilities = ["read", "list"] }')
  local ok, raised = pcall(run, again(who, token))
  test.equal({ ok, engine(who).keys[name "us-east-1"].latest_version }, { false, 1 })
  test.contains(raised.next, ('path "keymgmt/key/%s/rotate" { capabilities = ["create", "list", "read", "update"] }'):format(name "us-east-1"))
  test.truthy(not raised.next:find("kms/", 1, true))
end
