-- The recipe vault: the AWS credentials that Vault gets, what AWS refuses them, and whose rights to a key are kept.
local file = require "file"
local here = dofile "tests/keymgmt.lua"
local json = require "json"
local vault_state = require "sim.vault.state"

local operators, open, again, run, mount, keys_in = here.operators, here.open, here.again, here.run, here.mount, here.keys_in
local REGION <const>, one, fault, vault_call, MINE <const>, told = here.REGION, here.one, here.fault, here.vault_call, here.MINE, here.told

-- Vault's AWS credentials ------------------------------------------------------------------------------------------------------

local NEEDLE <const> = "simulated/needle/not-a-real-one/00000077"

-- A user whose keys Vault is to have, and an operator who has them where `place` says: what --provider-credentials is then.
local function with_keys(place, policies)
  local who = open()
  local user = who.simulation:add_user { account = operators.ACCOUNT, name = "vault-in-aws", secret_access_key = NEEDLE,
    policies = policies or { '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*","Action":"kms:*"}]}' } }
  local source, environment = place(user, who)
  environment = environment or {}
  environment.VAULT_ADDR, environment.VAULT_TOKEN = "http://127.0.0.1:8200", vault_state.ROOT_TOKEN
  local other = operators.beside(who, { who = who.simulation.accounts[1], environment = environment })
  other.user = user
  return other, source
end

local function write(text, mode)
  local path = test.directory() .. "/keys"
  assert(file.write(path, text, mode))
  return path
end

local function ini(user, key)
  return ("[vault]\naws_access_key_id = %s\naws_secret_access_key = %s\n"):format(user.access_key_id, key or user.secret_access_key)
end

local PLACES <const> = {
  profile = function(user) return "profile:vault", { AWS_SHARED_CREDENTIALS_FILE = write(ini(user)) } end,
  ["ini file"] = function(user) return "file:" .. write(ini(user)) end,
  ["json file"] = function(user)
    return "file:" .. write(('{"access_key":"%s","secret_key":"%s"}'):format(user.access_key_id, user.secret_access_key))
  end,
  ["kv entry"] = function(user, who)
    vault_call(who, "POST", "secret/data/aws", { data = { access_key = user.access_key_id, secret_key = user.secret_access_key } })
    return "vault:secret/data/aws"
  end,
  ["kv fields"] = function(user, who)
    vault_call(who, "POST", "secret/data/aws", { data = { id = user.access_key_id, word = user.secret_access_key } })
    return "vault:secret/data/aws#id,word"
  end,
}

test["Vault gets the keys of a profile, a file or a KV entry, uses them, and they stand in nothing that is left"] = function()
  for place, keys in require("sorted")(PLACES) do
    local who, source = with_keys(keys)
    local principals = {}
    who.simulation.on_request = function(entry)
      if entry.operation == "ImportKeyMaterial" then principals[entry.principal] = true end
    end
    local report, status = run(who, one { arguments = { provider_credentials = source } })
    test.equal({ place, status, report.error }, { place, 0 })
    test.equal(principals, { ["arn:aws:iam::210987654321:user/vault-in-aws"] = true })
    local kept
    for _, credentials in pairs(who.simulation.state.vault._credentials) do kept = credentials end
    test.equal(kept, { access_key = who.user.access_key_id, secret_key = NEEDLE })   -- the control: Vault has them
    who.journal:sync()
    for _, text in ipairs { who.disk.text, json.encode(report), json.encode(json.array(who.events)) } do
      test.equal({ place, text:find(NEEDLE, 1, true) or text:find(who.user.access_key_id, 1, true) }, { place })
    end
  end
end

test["the keys of the environment are those of cmek itself"] = function()
  local who = open()
  test.equal(select(2, run(who, one { arguments = { provider_credentials = "environment" } })), 0)
  local kept
  for _, credentials in pairs(who.simulation.state.vault._credentials) do kept = credentials end
  test.equal(kept.access_key, who.simulation.accounts[1].access_key_id)
end

test["a plan of what is sent shows no keys"] = function()
  local who, source = with_keys(PLACES.profile)
  local report = run(who, one { mode = "plan", requests = true, arguments = { provider_credentials = source } })
  for _, request in ipairs(report.requests) do
    if request.operation == "KeymgmtWriteProvider" then
      test.equal(request.parameters.credentials, { access_key = "****", secret_key = "****" })
    end
  end
  test.truthy(not json.encode(report):find(NEEDLE, 1, true))
end

test["credentials that are not there, are half, or may be read by others are told before anything is made"] = function()
  local function complains(words, source, environment)
    local who = with_keys(function() return source, environment end)
    local ok, raised = pcall(run, who, one { arguments = { provider_credentials = source } })
    test.equal({ words, ok, #who.simulation.state.aws[operators.ACCOUNT].iam.roles }, { words, false, 0 })
    test.contains(("%s\n%s"):format(tostring(raised.message or raised), tostring(raised.next)), words)
  end
  complains("no keys of its own", "profile:lead", { AWS_SHARED_CREDENTIALS_FILE = write "[lead]\nrole_arn = arn:aws:iam::210987654321:role/x\n" })
  complains("names the AWS profile 'none'", "profile:none")
  complains("chmod 600", "file:" .. write("[x]\naws_access_key_id = AKIAX\naws_secret_access_key = x\n", 420))
  complains("has 'aws_access_key_id' and no 'aws_secret_access_key'", "file:" .. write "[x]\naws_access_key_id = AKIAX\n")
  complains("twice", "file:" .. write "[x]\naws_access_key_id = AKIAX\n[y]\naws_access_key_id = AKIAY\n")
  complains("has no 'access_key' and 'secret_key'", "file:" .. write '{"key":"x"}')
  complains("/nowhere", "file:/nowhere")
  complains("there is nothing at secret/data/nothing", "vault:secret/data/nothing")
  for _, text in ipairs { "profile", "profile:", "prof:x", "vault:secret/aws", "environment:x", "server:x", "AKIASIMULATED0000001" } do
    local raised = test.raises(function() run(open(), one { arguments = { provider_credentials = text } }) end, "provider")
    test.truthy(#text < 15 or not tostring(raised):find(text, 1, true), raised)   -- it may be a key
  end
end

test["keys that AWS does not know, and keys of another account, are told before anything is made"] = function()
  local who, source = with_keys(function(user) return "file:" .. write(ini(user, NEEDLE .. "x")) end)
  local ok, raised = pcall(run, who, one { arguments = { provider_credentials = source } })
  test.contains(raised.next, "name others (--provider-credentials)")
  test.equal({ ok, raised.operation, #who.simulation.state.aws[operators.ACCOUNT].iam.roles }, { false, "GetCallerIdentity", 0 })
  who, source = with_keys(function(_, world)
    local other = world.simulation:add_user { account = operators.OTHER_ACCOUNT, name = "elsewhere", secret_access_key = NEEDLE, policies = {} }
    return "file:" .. write(ini(other))
  end)
  ok, raised = pcall(run, who, one { arguments = { provider_credentials = source } })
  test.equal(ok, false)
  test.contains(raised.message, "are of account 345678901234, where Vault would make the keys, and cmek's are of 210987654321")
end

test["--update-credentials sends them again: a change that is shown, and done each time"] = function()
  local who, source = with_keys(PLACES.profile)
  test.equal(select(2, run(who, one())), 0)
  test.equal(next(who.simulation.state.vault._credentials or {}), nil)
  local arguments = { provider_credentials = source, update_credentials = "true" }
  local plan = run(who, one { mode = "plan", arguments = arguments })
  test.equal({ plan.summary.change, plan.steps[3].differences[1].want }, { 1, "those of profile 'vault'" })
  test.equal(select(2, run(who, one { arguments = arguments })), 0)
  test.truthy(next(who.simulation.state.vault._credentials))
  local report, status = run(who, one { arguments = { update_credentials = "true" } })
  test.equal({ status, report.summary.refused }, { 1, 1 })
  test.contains(report.error.message, "cannot be taken back")
  who.simulation.faults = { require("sim.faults").read "lost_answer service=vault operation=keymgmt/WriteProvider count=1" }
  report, status = run(who, one { arguments = arguments })
  test.equal({ status, report.run.status }, { 5, "unfinished" })
  test.contains(report.error.next, "--update-credentials")
end

local HALF <const> = { '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*","Action":["kms:CreateKey",'
  .. '"kms:GetParametersForImport"]}]}' }

test["what AWS refuses Vault is told with the rights; a key that was left without material is shown, and not deleted"] = function()
  for _, status_of_vault in ipairs { 400, 500 } do
    local who, source = with_keys(PLACES.profile, HALF)
    if status_of_vault == 500 then fault(who, "variant service=vault operation=keymgmt/WriteDistribution") end
    local before = who.world.now
    local report, status = run(who, one { arguments = { provider_credentials = source } })
    test.equal({ status, report.error.situation, who.world.now - before < 60 }, { 5, "vault.aws-denied", true })
    test.contains(report.error.next, "ImportKeyMaterial")
    local left = keys_in(who, REGION)[1]
    test.equal({ left.KeyState, #keys_in(who, REGION) }, { "PendingImport", 1 })
    test.contains(told(who), ("aws kms schedule-key-deletion --region us-east-1 --key-id %s"):format(left.Arn))
    report, status = run(again(who), one { run_id = "", mode = "plan" })
    test.equal({ status, report.summary.create }, { 0, 2 })   -- distribution and key
  end
end

test["so is one that was left with its material: it could be used, and nothing leads to it"] = function()
  local who, source = with_keys(PLACES.profile, { '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*","Action":["kms:CreateKey",'
    .. '"kms:GetParametersForImport","kms:ImportKeyMaterial","kms:TagResource"]}]}' })
  test.equal(select(2, run(who, one { arguments = { provider_credentials = source } })), 5)
  local left = keys_in(who, REGION)[1]
  test.equal({ left.KeyState, #keys_in(who, REGION) }, { "Enabled", 1 })
  test.contains(told(who), ("%s came while Vault distributed"):format(left.Arn))
end

test["a run whose keys the Cloud has is resumed without AWS and without Vault"] = function()
  local who = open()
  test.equal(select(2, run(who, { arguments = { enable = "true" } })), 0)
  who.journal:sync()
  local other = again(who)
  local report, status = run(other, { arguments = { enable = "true" }, entries = require("journal").read(who.disk.text) })
  test.equal({ status, report.summary.unchanged }, { 0, 1 })
  test.contains(told(other), "AWS is not asked")
end

test["a resumed run tells what its first process has left, when the next distribution has worked"] = function()
  local who, source = with_keys(PLACES.profile, HALF)
  run(who, one { arguments = { provider_credentials = source } })
  who.journal:sync()
  who.simulation.state.vault._credentials = {}   -- somebody has mended them
  local other = again(who)
  local report, status = run(other, one { entries = require("journal").read(who.disk.text) })
  test.equal({ status, report.error }, { 0 })
  local left, used = keys_in(who, REGION)[1], keys_in(who, REGION)[2]
  test.equal({ left.KeyState, used.KeyState, #keys_in(who, REGION) }, { "PendingImport", "Enabled", 2 })
  test.contains(told(other), left.Arn)
  test.truthy(not told(other):find(used.Arn, 1, true))
end

-- A run that Vault's rights end in the middle, while KMS shows its region as it was before.
local function unseen(operation)
  local who, source = with_keys(PLACES.profile, HALF)
  fault(who, "stale service=kms operation=" .. operation)
  test.equal(select(2, run(who, one { arguments = { provider_credentials = source } })), 5)
  who.journal:sync()
  who.simulation.faults, who.simulation.state.vault._credentials = {}, {}   -- KMS has caught up, and somebody has mended Vault's rights
  return who, keys_in(who, REGION)[1]
end

test["what KMS does not show at once, in its list or by itself, the resumed run looks for until KMS must show it"] = function()
  for _, operation in ipairs { "ListKeys", "DescribeKey" } do
    local who, left = unseen(operation)
    test.truthy(not told(who):find(left.Arn, 1, true))
    test.contains(told(who), "may have left a key that KMS does not show yet: cmek resume run-1")
    test.contains(told(who), "aws kms list-keys --region us-east-1")
    local other, failed_at = again(who), who.world.now
    fault(other, ("stale service=kms operation=%s count=2"):format(operation))
    local report, status = run(other, one { entries = require("journal").read(who.disk.text) })
    test.equal({ status, report.error, other.world.now - failed_at > 250 }, { 0, nil, true })
    local used = keys_in(who, REGION)[2]
    test.contains(told(other), left.Arn .. " came while Vault distributed")
    test.truthy(not told(other):find(used.Arn, 1, true))
  end
end

test["so does a resumed run that finds everything done, by somebody else"] = function()
  local who, left = unseen "ListKeys"
  test.equal(select(2, run(again(who), one { run_id = "run-2" })), 0)
  local other = again(who)
  local report, status = run(other, one { entries = require("journal").read(who.disk.text) })
  test.equal({ status, report.error, report.summary.create }, { 0, nil, 0 })
  test.contains(told(other), left.Arn .. " came while Vault distributed")
end

test["where Vault was refused before it made a first key, nothing can be left, and nothing is looked for"] = function()
  local who, source = with_keys(PLACES.profile, { (HALF[1]:gsub('"kms:CreateKey",', "")) })
  run(who, one { arguments = { provider_credentials = source } })
  test.equal(#keys_in(who, REGION), 0)
  test.truthy(not told(who):find("may have left", 1, true), told(who))
end

test["keys that AWS does not know are told as Vault's"] = function()
  local who = open()
  vault_call(who, "POST", "sys/mounts/keymgmt", { type = "keymgmt" })
  vault_call(who, "POST", "keymgmt/kms/" .. MINE, { provider = "awskms", key_collection = "us-east-1",
    credentials = { access_key = "AKIANOBODY", secret_key = "x" } })
  local report, status = run(who, one())
  test.equal({ status, report.error.situation }, { 5, "vault.aws-credentials" })
  test.contains(report.error.next, "--update-credentials")
end

test["keys that Vault makes in another account are told as that: KMS of ours does not show them, and nothing is claimed"] = function()
  local who = open()
  local other = who.simulation:add_user { account = operators.OTHER_ACCOUNT, name = "elsewhere", secret_access_key = NEEDLE,
    policies = { '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*","Action":"*"}]}' } }
  vault_call(who, "POST", "sys/mounts/keymgmt", { type = "keymgmt" })
  vault_call(who, "POST", "keymgmt/kms/" .. MINE, { provider = "awskms", key_collection = "us-east-1",
    credentials = { access_key = other.access_key_id, secret_key = NEEDLE } })
  local report, status = run(who, one())
  test.equal({ status, #keys_in(who, REGION) }, { 5, 0 })
  test.contains(report.error.message, "the credentials of Vault's provider " .. MINE .. " are of another account")
  test.contains(json.encode(json.array(who.events)), "it never does where the credentials of Vault's provider " .. MINE)   -- while it waits
  report, status = run(again(who), one { mode = "plan", run_id = "" })
  test.equal({ status, report.summary.refused }, { 1, 1 })
end

-- Rights to the key ------------------------------------------------------------------------------------------------------------

local ADMIN <const> = "arn:aws:iam::210987654321:user/operator"

local function statement_of(key, sid)
  for _, statement in ipairs(json.decode(key.Policy).Statement) do
    if statement.Sid == sid then return statement end
  end
end

test["with --admin, Vault's rights are not lost silently: it is refused until it is said whom Vault is in AWS"] = function()
  local who = open()
  local report, status = run(who, one { arguments = { admin = ADMIN } })
  test.equal({ status, report.summary.refused, mount(who) }, { 1, 1 })
  test.equal(report.error.situation, "vault.locked-out")
  test.contains(report.error.message, "--vault-principal")
  local arguments = { admin = ADMIN, vault_principal = "arn:aws:iam::210987654321:user/vault-server" }
  report, status = run(who, one { arguments = arguments })
  test.equal({ status, report.error }, { 0 })
  local statement = statement_of(keys_in(who, REGION)[1], "Allow Vault to manage the key")
  test.equal(statement.Principal.AWS, arguments.vault_principal)
  test.equal(run(who, one { arguments = arguments }).summary.unchanged, 6)
  vault_call(who, "POST", "keymgmt/key/" .. MINE, { min_enabled_version = 1 })   -- Vault reaches its key: it enables it again
  report, status = run(who, one { mode = "verify", arguments = arguments })
  test.equal({ status, #report.findings, report.findings[1] }, { 0, 0 })
  report, status = operators.run(again(who), "console", one { mode = "plan", arguments = { admin = ADMIN } })   -- which knows nothing of Vault
  test.equal({ status, report.summary.unchanged }, { 0, 2 })
end

test["whose the credentials are is known where cmek was given them, and is named beside the administrators"] = function()
  local who, source = with_keys(PLACES.profile)
  local report, status = run(who, one { arguments = { admin = ADMIN, provider_credentials = source } })
  test.equal({ status, report.error }, { 0 })
  test.equal(statement_of(keys_in(who, REGION)[1], "Allow Vault to manage the key").Principal.AWS, "arn:aws:iam::210987654321:user/vault-in-aws")
end

test["a principal that does not exist is told before anything is made"] = function()
  local report, status = run(open(), one { arguments = { admin = ADMIN, vault_principal = "arn:aws:iam::210987654321:user/nobody" } })
  test.equal(status, 1)
  test.contains(report.error.message, "user/nobody, which does not exist")
end
