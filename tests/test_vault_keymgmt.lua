-- The recipe vault: keys that Vault's key management engine makes in KMS, through the real door and client, against the simulated Vault and KMS.
local crypto = require "crypto"
local file = require "file"
local json = require "json"
local names = require "names"
local operators = dofile "tests/operator.lua"
local vault_state = require "sim.vault.state"

local REGIONS <const> = { "us-east-1", "us-west-2", "eu-west-1" }
local RECIPE <const> = "vault"

-- RSA keys take long to make, and are as good a second time.
local pairs_of = {}
local function rsa_generate(bits)
  pairs_of[bits] = pairs_of[bits] or crypto.rsa_generate(2048)
  return pairs_of[bits]
end

local function open(options)
  options = options or {}
  options.sim = options.sim or {}
  options.sim.rsa_generate = rsa_generate
  options.environment = options.environment or {}
  options.environment.VAULT_ADDR, options.environment.VAULT_TOKEN = "http://127.0.0.1:8200", options.token or vault_state.ROOT_TOKEN
  return operators.open(options)
end

-- Another process of the same operator: a new door, the same services.
local function again(who, options)
  options = options or {}
  options.who = who.simulation.accounts[1]
  options.environment = { VAULT_ADDR = "http://127.0.0.1:8200", VAULT_TOKEN = vault_state.ROOT_TOKEN }
  return operators.beside(who, options)
end

local function run(who, options) return operators.run(who, RECIPE, options) end

local function done(who, options)
  local report, status = run(who, options)
  test.equal({ status, report.error }, { 0 })
  return report
end

local function mount(who) return who.simulation.state.vault.namespaces[""].mounts["keymgmt/"] end
local function name(region) return names.vault_key(operators.CLUSTER, region) end

local function tags(key)
  local map = {}
  for _, tag in ipairs(key.Tags) do map[tag.TagKey] = tag.TagValue end
  return map
end

local function keys_in(who, region)
  local place = who.simulation.state.aws[operators.ACCOUNT].kms[region]
  return place and place.keys or {}
end

-- Plan, run, run again -------------------------------------------------------------------------------------------------

test["a plan shows the role, the engine, and in each region provider, key, distribution and KMS key; it makes nothing"] = function()
  local who = open()
  local report, status = run(who, { mode = "plan" })
  test.equal({ status, report.summary.create, mount(who) }, { 0, 14 })
  local kinds = {}
  for _, step in ipairs(report.steps) do kinds[step.kind] = (kinds[step.kind] or 0) + 1 end
  test.equal(kinds, { role = 1, vault_mount = 1, vault_provider = 3, vault_key = 3, vault_distribution = 3, key = 3 })
  test.truthy(not who.disk.text:find('"effect":"write"', 1, true))
end

test["in each region the KMS key is the one that Vault made, with tags, alias and policy; Vault keeps its rights to it"] = function()
  local who = open()
  local report = done(who)
  for _, region in ipairs(REGIONS) do
    local key = operators.key(who, region)
    test.equal({ key.Origin, key.KeyState, #keys_in(who, region) }, { "EXTERNAL", "Enabled", 1 })
    test.equal({ tags(key)[names.TAG_CLUSTER], tags(key)[names.TAG_MATERIAL] },
      { operators.CLUSTER.id, ("keymgmt/%s:1"):format(name(region)) })
    test.equal(mount(who).data.kms[name(region)].distributions[name(region)].versions["1"], key.KeyId)
    test.contains(key.Policy, "arn:aws:iam::210987654321:root")
    test.contains(key.Policy, "crdb-cmek-kms")
  end
  test.equal(#report.handover.region_specs, 3)
  test.equal(names.mounted_for(mount(who).description), operators.CLUSTER.id)
end

test["a second run finds nothing to do, and verify nothing to find; the credentials are unknown, and never well"] = function()
  local who = open()
  done(who, { arguments = { enable = "true" } })
  test.equal(done(who, { arguments = { enable = "true" } }).summary.unchanged, 15)
  local report, status = run(who, { mode = "verify", arguments = { enable = "true" } })
  test.equal({ status, #report.findings }, { 0, 0 })
  local seen = {}
  for _, check in ipairs(report.checked) do seen[check.id .. " " .. check.result] = (seen[check.id .. " " .. check.result] or 0) + 1 end
  for _, kind in ipairs { "vault_provider", "vault_key", "vault_distribution" } do
    for _, check in ipairs(require("resource." .. kind).checks) do
      local result = check.id == "vault_provider.credentials" and " unknown" or " ok"
      test.equal({ check.id, seen[check.id .. result] }, { check.id, 3 })
    end
  end
end


test["what a plan would send to Vault and KMS is listed, with what only the run can tell by name, and none of it is sent"] = function()
  local who = open()
  local report = run(who, { mode = "plan", requests = true })
  local count, one = {}, {}
  for _, request in ipairs(report.requests) do
    count[request.operation], one[request.operation] = (count[request.operation] or 0) + 1, request
  end
  test.equal({ count.EnableMount, count.KeymgmtWriteProvider, count.KeymgmtWriteKey, count.KeymgmtDistribute, count.TagResource, count.CreateAlias,
    count.PutKeyPolicy, count.CreateKey }, { 1, 3, 3, 3, 3, 3, 3 })
  test.contains(one.CreateAlias.parameters.TargetKeyId, "known after apply")
  test.equal({ one.KeymgmtWriteKey.parameters.type, one.KeymgmtDistribute.parameters.purpose }, { "aes256-gcm96", "encrypt,decrypt" })
  test.equal(mount(who), nil)
end

-- Two operators, deaths and lost answers -------------------------------------------------------------------------------------

local ONE <const> = { id = "", name = "orders-one" }
local REGION <const> = "us-east-1"

local function cluster_one(who)
  for _, cluster in ipairs(who.simulation.state.cloud.clusters) do
    if cluster.name == ONE.name then ONE.id = cluster.id end
  end
  return ONE
end

local function one(options)
  options = options or {}
  options.arguments = options.arguments or {}
  options.arguments.cluster = ONE.name
  return options
end

-- All that belongs to the one region of the small cluster, which is as it shall be.
local function whole(who)
  local name_in_vault = names.vault_key(cluster_one(who), REGION)
  local id = mount(who).data.kms[name_in_vault].distributions[name_in_vault].versions["1"]
  local list = keys_in(who, REGION)
  test.equal({ #list, list[1].KeyId, list[1].KeyState, tags(list[1])[names.TAG_CLUSTER] }, { 1, id, "Enabled", ONE.id })
  test.equal(run(who, one { mode = "plan", run_id = "" }).summary, { create = 0, change = 0, delete = 0, unchanged = 6, refused = 0 })
end

-- A session whose process dies before or after a call.
local function mortal(who, service, call, when)
  local real = who.session[service]
  who.session[service] = setmetatable({}, { __index = function(_, operation)
    return function(parameters)
      if operation ~= call then return real[operation](parameters) end
      if when == "after" then real[operation](parameters) end
      error("the process ends here", 0)
    end
  end })
end

test["wherever a run dies, resume finishes it, and so does anybody's next run: one key, which is Vault's"] = function()
  for _, moment in ipairs { { "vault", "enable_mount" }, { "vault", "keymgmt_write_provider" }, { "vault", "keymgmt_write_key" },
    { "vault", "keymgmt_distribute" }, { "kms", "tag_resource" }, { "kms", "create_alias" }, { "kms", "put_key_policy" } } do
    for _, when in ipairs { "before", "after" } do
      for _, way in ipairs { "resume", "anew" } do
        local who = open()
        mortal(who, moment[1], moment[2], when)
        local _, status = run(who, one())
        test.equal({ moment[2], when, status ~= 0 }, { moment[2], when, true })
        who.journal:sync()
        local entries = way == "resume" and require("journal").read(who.disk.text) or nil
        local other = again(who)
        local report
        report, status = run(other, one { entries = entries, run_id = entries and "run-1" or "run-2" })
        test.equal({ moment[2], when, way, status, report.error }, { moment[2], when, way, 0 })
        whole(other)
      end
    end
  end
end

local function fault(who, text) table.insert(who.simulation.faults, require("sim.faults").read(text)) end

local function sent(who, operation)
  who.journal:sync()
  local count = 0
  for _ in who.disk.text:gmatch(('"operation":"%s"'):format(operation)) do count = count + 1 end
  return count
end

test["a request whose answer was lost is looked up, and sent once"] = function()
  for operation, in_journal in require("sorted") { ["system/EnableMount"] = "EnableMount", ["keymgmt/WriteProvider"] = "KeymgmtWriteProvider",
    ["keymgmt/WriteKey"] = "KeymgmtWriteKey", ["keymgmt/WriteDistribution"] = "KeymgmtDistribute" } do
    local who = open()
    fault(who, ("lost_answer service=vault operation=%s count=1"):format(operation))
    local report, status = run(who, one())
    test.equal({ operation, status, report.error, sent(who, in_journal) }, { operation, 0, nil, 1 })
    whole(who)
  end
end

test["one that never arrived is not sent again by itself: it is told, and the next run sends it"] = function()
  local who = open()
  fault(who, "reset service=vault operation=keymgmt/WriteDistribution count=1")
  local report, status = run(who, one())
  test.equal({ status, report.run.status, sent(who, "KeymgmtDistribute") }, { 5, "unfinished", 1 })
  local entries = require("journal").read(who.disk.text)
  report, status = run(again(who), one { entries = entries })
  test.equal({ status, report.error }, { 0 })
  whole(who)
end

test["a distribution may take longer than other requests: it is waited for, and not sent twice"] = function()
  local who = open()
  fault(who, "stall service=vault operation=keymgmt/WriteDistribution count=1 seconds=85")
  local report, status = run(who, one())
  test.equal({ status, report.error, sent(who, "KeymgmtDistribute") }, { 0, nil, 1 })
  who = open()
  fault(who, "stall service=vault operation=keymgmt/WriteDistribution count=1 seconds=200")   -- longer than anybody waits
  report, status = run(who, one())
  test.equal({ status, report.error, sent(who, "KeymgmtDistribute") }, { 0, nil, 1 })
  whole(who)
end

-- Programs side by side, each begun so many seconds after the other.
local function together(who, delay, ...)
  local results = {}
  who.world.operators = {}
  for i, program in ipairs { ... } do
    who.world:operate(function()
      local begin = who.world.now + (i - 1) * delay
      while who.world.now < begin do coroutine.yield(begin) end
      results[i] = program()
    end)
  end
  who.world:run()
  for _, operator in ipairs(who.world.operators) do test.truthy(operator.ok, operator.result) end
  return table.unpack(results)
end

test["two operators at once end with one key in each region, and hand over the same"] = function()
  for _, delay in ipairs { 0, 0.1, 0.3, 0.6, 1, 1.5 } do
    local who = open { seed = 7 }
    local other = again(who)
    local ours, theirs = together(who, delay, function() return run(who) end, function() return run(other, { run_id = "run-2" }) end)
    test.equal({ delay, ours.error, theirs.error }, { delay })
    for _, region in ipairs(REGIONS) do test.equal({ delay, #keys_in(who, region) }, { delay, 1 }) end
    test.equal(ours.handover, theirs.handover)
    test.equal(done(other, { run_id = "run-3" }).summary.unchanged, 14)
  end
end

-- What is in the way ---------------------------------------------------------------------------------------------------------

-- A request to Vault by its administrator.
local function vault_call(who, method, path, body)
  local answer = require("sim.vault").handle(who.simulation, { method = method, target = "/v1/" .. path, body = body and json.encode(body) or "",
    headers = { { "X-Vault-Token", vault_state.ROOT_TOKEN } } }, {})
  test.truthy(answer.status < 300, answer.body)
  return answer.body ~= "" and json.decode(answer.body).data
end

local MINE <const> = "crdb-cmek-orders-one-91d3b7a2e5f4-us-east-1"

-- A Vault in which somebody did something first; what the plan refuses, and by which words.
local function refused(change, kind, ...)
  local who = open()
  vault_call(who, "POST", "sys/mounts/keymgmt", { type = "keymgmt" })
  change(who)
  local writes = #who.simulation.state.aws[operators.ACCOUNT].iam.roles
  local report, status = run(who, one())
  test.equal({ kind, status, report.summary.refused, #who.simulation.state.aws[operators.ACCOUNT].iam.roles }, { kind, 1, 1, writes })
  for _, step in ipairs(report.steps) do
    if step.action == "refuse" then
      test.equal(step.kind, kind)
      for _, words in ipairs { ... } do test.contains(step.reason, words) end
    end
  end
  return who
end

test["a provider of our name for another region, or another cloud, is refused with the way out"] = function()
  refused(function(who)
    vault_call(who, "POST", "keymgmt/kms/" .. MINE, { provider = "awskms", key_collection = "eu-west-1" })
  end, "vault_provider", "key_collection is eu-west-1 where us-east-1 is wanted", "vault delete keymgmt/kms/" .. MINE, "--vault-mount")
  refused(function(who)
    vault_call(who, "POST", "keymgmt/kms/" .. MINE, { provider = "gcpckms", key_collection = "us-east-1" })
  end, "vault_provider", "provider is gcpckms where awskms is wanted")
end

test["a key of our name that was made without its type is rsa-2048, and refused; so is one that another provider has"] = function()
  refused(function(who) vault_call(who, "POST", "keymgmt/key/" .. MINE, {}) end, "vault_key", "is of type rsa-2048", "KMS takes aes256-gcm96")
  refused(function(who)
    vault_call(who, "POST", "keymgmt/key/" .. MINE, { type = "aes256-gcm96" })
    vault_call(who, "POST", "keymgmt/kms/theirs", { provider = "awskms", key_collection = "us-east-1" })
    vault_call(who, "POST", "keymgmt/kms/theirs/key/" .. MINE, { purpose = "encrypt,decrypt" })
  end, "vault_distribution", "distributed to the provider theirs already", "one provider alone")
end

test["a distribution with another purpose or protection is refused: both are fixed; their order and form are not"] = function()
  local function distributed(who)
    vault_call(who, "POST", "keymgmt/kms/" .. MINE, { provider = "awskms", key_collection = "us-east-1" })
    vault_call(who, "POST", "keymgmt/key/" .. MINE, { type = "aes256-gcm96" })
    vault_call(who, "POST", ("keymgmt/kms/%s/key/%s"):format(MINE, MINE), { purpose = "encrypt,decrypt" })
    return mount(who).data.kms[MINE].distributions[MINE]
  end
  refused(function(who) distributed(who).purpose = "encrypt" end, "vault_distribution", "purpose 'encrypt' where 'decrypt,encrypt' is wanted")
  refused(function(who) distributed(who).protection = "software" end, "vault_distribution", "protection 'software' where 'hsm' is wanted")
  local who = open()
  vault_call(who, "POST", "sys/mounts/keymgmt", { type = "keymgmt" })
  distributed(who).purpose = "encrypt, decrypt"
  test.equal(select(2, run(who, one())), 0)   -- what was begun by hand under our names is gone on with
  whole(who)
end

test["the other forms that are known of Vault's answers change nothing: other names, lists, 200 with a warning in the place of 204"] = function()
  for _, text in ipairs { "variant service=vault", "warn service=vault" } do
    local who = open()
    fault(who, text)
    local report, status = run(who, one())
    test.equal({ text, status, report.error }, { text, 0 })
    test.equal(run(who, one { mode = "plan", run_id = "" }).summary.unchanged, 6)
    whole(who)
  end
end

test["a KMS key that is tagged for another cluster is left alone, though Vault made it of the key that has our name"] = function()
  local who = open()
  mortal(who, "kms", "tag_resource", "before")
  run(who, one())
  local key = keys_in(who, REGION)[1]
  table.insert(key.Tags, { TagKey = names.TAG_CLUSTER, TagValue = "another" })
  local report, status = run(again(who), one { run_id = "run-2" })
  test.equal({ status, report.summary.refused, #who.simulation.state.aws[operators.ACCOUNT].kms[REGION].aliases }, { 1, 1, 1 })
  test.contains(report.error.message, "belongs to another cluster, another")
end

test["tagged in the last moment, it is left alone as well"] = function()
  local who = open()
  local real = who.session.kms
  who.session.kms = setmetatable({}, { __index = function(_, operation)
    return function(parameters)
      local key = keys_in(who, REGION)[1]
      if operation == "list_resource_tags" and key then   -- a colleague was faster
        key.Tags = json.array { { TagKey = names.TAG_CLUSTER, TagValue = "another" } }
      end
      return real[operation](parameters)
    end
  end })
  local report, status = run(who, one())
  test.equal({ status, sent(who, "TagResource"), sent(who, "CreateAlias") }, { 5, 0, 0 })
  test.contains(report.error.message, "belongs to another cluster, another")
end

test["a distribution that was taken away and made again has another KMS key: that is told, and the old one is kept"] = function()
  local who = open { confirm = ONE.name }
  test.equal(select(2, run(who, one { arguments = { enable = "true" } })), 0)
  local path = ("keymgmt/kms/%s/key/%s"):format(MINE, MINE)
  vault_call(who, "DELETE", path)
  vault_call(who, "POST", path, { purpose = "encrypt,decrypt" })
  local report, status = run(who, one())
  local old = keys_in(who, REGION)[1]
  test.equal({ status, report.summary.refused, old.KeyState }, { 1, 1, "PendingDeletion" })
  test.contains(report.error.message, "aws kms cancel-key-deletion --region us-east-1 --key-id " .. old.KeyId)
  report = run(who, one { mode = "verify" })
  local found = {}
  for _, finding in ipairs(report.findings) do found[finding.id] = true end
  test.equal({ found["key.material"], found["key.state"] }, { true, true })
end

test["a KMS key whose material was deleted is not filled by anybody here: that is said"] = function()
  local who = open()
  run(who, one())
  operators.within(who, function(session)
    session.kms.delete_imported_key_material { region = REGION, KeyId = keys_in(who, REGION)[1].KeyId }
  end)
  local report, status = run(who, one())
  test.equal({ status, report.summary.refused }, { 1, 1 })
  test.contains(report.error.message, "fills only keys that it makes itself")
end

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
  local function told(words, source, environment)
    local who = with_keys(function() return source, environment end)
    local ok, raised = pcall(run, who, one { arguments = { provider_credentials = source } })
    test.equal({ words, ok, #who.simulation.state.aws[operators.ACCOUNT].iam.roles }, { words, false, 0 })
    test.contains(("%s\n%s"):format(tostring(raised.message or raised), tostring(raised.next)), words)
  end
  told("no keys of its own", "profile:lead", { AWS_SHARED_CREDENTIALS_FILE = write "[lead]\nrole_arn = arn:aws:iam::210987654321:role/x\n" })
  told("names the AWS profile 'none'", "profile:none")
  told("chmod 600", "file:" .. write("[x]\naws_access_key_id = AKIAX\naws_secret_access_key = x\n", 420))
  told("has 'aws_access_key_id' and no 'aws_secret_access_key'", "file:" .. write "[x]\naws_access_key_id = AKIAX\n")
  told("twice", "file:" .. write "[x]\naws_access_key_id = AKIAX\n[y]\naws_access_key_id = AKIAY\n")
  told("has no 'access_key' and 'secret_key'", "file:" .. write '{"key":"x"}')
  told("/nowhere", "file:/nowhere")
  told("there is nothing at secret/data/nothing", "vault:secret/data/nothing")
  for _, text in ipairs { "profile", "profile:", "prof:x", "vault:secret/aws", "environment:x", "server:x", "AKIASIMULATED0000001" } do
    test.raises(function() run(open(), one { arguments = { provider_credentials = text } }) end, "provider")
  end
end

test["keys that AWS does not know, and keys of another account, are told before anything is made"] = function()
  local who, source = with_keys(function(user) return "file:" .. write(ini(user, NEEDLE .. "x")) end)
  local ok, raised = pcall(run, who, one { arguments = { provider_credentials = source } })
  test.equal({ ok, raised.operation, #who.simulation.state.aws[operators.ACCOUNT].iam.roles }, { false, "GetCallerIdentity", 0 })
  who, source = with_keys(function(_, here)
    local other = here.simulation:add_user { account = operators.OTHER_ACCOUNT, name = "elsewhere", secret_access_key = NEEDLE, policies = {} }
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

local function told(who)
  local list = {}
  for _, event in ipairs(who.events) do
    if event.kind == "warning" then list[#list + 1] = event.text end
  end
  return table.concat(list, "\n")
end

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

test["keys that AWS does not know are told as Vault's"] = function()
  local who = open()
  vault_call(who, "POST", "sys/mounts/keymgmt", { type = "keymgmt" })
  vault_call(who, "POST", "keymgmt/kms/" .. MINE, { provider = "awskms", key_collection = "us-east-1",
    credentials = { access_key = "AKIANOBODY", secret_key = "x" } })
  local report, status = run(who, one())
  test.equal({ status, report.error.situation }, { 5, "vault.aws-credentials" })
  test.contains(report.error.next, "--update-credentials")
end

-- Versions -------------------------------------------------------------------------------------------------------------------

local function alias_of(who, generation)
  for _, alias in ipairs(who.simulation.state.aws[operators.ACCOUNT].kms[REGION].aliases) do
    if alias.AliasName == names.alias(cluster_one(who), generation) then return alias.TargetKeyId end
  end
end

local function versions(who) return mount(who).data.kms[MINE].distributions[MINE].versions end

test["a key that somebody rotated in Vault is told with the command that finishes it; the version in use stays handed over"] = function()
  for _, enable in ipairs { "true", "false" } do
    local who = open { confirm = ONE.name }
    local arguments = { enable = enable }
    local first = run(who, one { arguments = arguments }).handover
    vault_call(who, "POST", ("keymgmt/key/%s/rotate"):format(MINE), {})
    local report, status = run(who, one())
    test.equal({ enable, status, report.summary.unchanged, #keys_in(who, REGION) }, { enable, 0, 6, 2 })
    test.equal(report.handover, first)
    test.contains(told(who), "its newest version is 2, and 1 is in use")
    test.contains(told(who), "cmek run rotate --cluster orders-one")
    report = run(who, one { mode = "verify", arguments = arguments })
    test.equal({ #report.findings, report.findings[1].id, report.findings[1].mend },
      { 1, "vault_distribution.version", "cmek run rotate --cluster orders-one" })
    test.equal({ alias_of(who, 1), alias_of(who, 2) }, { versions(who)["1"] })
  end
end

test["a key that had been rotated before it came to KMS is known by its newest version, whose number is the generation"] = function()
  local who = open { confirm = ONE.name }
  vault_call(who, "POST", "sys/mounts/keymgmt", { type = "keymgmt" })
  vault_call(who, "POST", "keymgmt/key/" .. MINE, { type = "aes256-gcm96" })
  vault_call(who, "POST", ("keymgmt/key/%s/rotate"):format(MINE), {})
  local report, status = run(who, one())
  test.equal({ status, report.error }, { 0 })
  test.equal({ alias_of(who, 1), alias_of(who, 2) }, { nil, versions(who)["2"] })
  test.equal(run(who, one()).summary.unchanged, 6)
  report, status = operators.run(again(who, { confirm = ONE.name }), "enable", one())
  test.equal({ status, report.error }, { 0 })
  report, status = run(again(who), one { mode = "verify", arguments = { enable = "true" } })
  test.equal({ status, #report.findings }, { 0, 0 })
end

test["where the Cloud uses one of the versions, that one is meant, whatever aliases there are"] = function()
  local who = open { confirm = ONE.name }
  run(who, one { arguments = { enable = "true" } })
  vault_call(who, "POST", ("keymgmt/key/%s/rotate"):format(MINE), {})
  operators.within(who, function(session)
    session.kms.create_alias { region = REGION, AliasName = names.alias(cluster_one(who), 2), TargetKeyId = versions(who)["2"] }
  end)
  local report, status = run(who, one())
  test.equal({ status, report.handover.region_specs[1].key_spec.uri:match "[^/]+$" }, { 0, versions(who)["1"] })
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

test["a distribution that was refused is asked for again by resume at once: nobody works on it any more"] = function()
  local who = open()
  table.insert(who.simulation.faults, require("sim.faults").read
    "error service=vault operation=keymgmt/WriteDistribution status=400 count=3 message=api error AccessDeniedException: no")
  test.equal(select(2, run(who)), 5)
  who.journal:sync()
  local before = who.world.now
  done(again(who), { entries = require("journal").read(who.disk.text) })
  test.truthy(who.world.now - before < 60, who.world.now - before)
end
