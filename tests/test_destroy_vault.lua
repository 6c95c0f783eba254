-- Taking back what is in Vault: what goes and in which order, what stays and why, and what becomes of it when answers are lost and runs die.
local crypto = require "crypto"
local json = require "json"
local names = require "names"
local operators = dofile "tests/operator.lua"
local outside = dofile "tests/outside.lua"
local vault_state = require "sim.vault.state"

local REGIONS <const> = { "us-east-1", "us-west-2", "eu-west-1" }
local RECIPE <const> = "vault-transit"
local DAY <const> = 86400

local function open(options)
  options = options or {}
  options.sim = { rsa_generate = operators.rsa_of_size }
  options.environment = { VAULT_ADDR = "http://127.0.0.1:8200", VAULT_TOKEN = vault_state.ROOT_TOKEN }
  return operators.open(options)
end

-- The same operator in another process.
local function again(who)
  return operators.beside(who, { who = who.simulation.accounts[1],
    environment = { VAULT_ADDR = "http://127.0.0.1:8200", VAULT_TOKEN = vault_state.ROOT_TOKEN } })
end

local function root_of(who) return who.simulation.state.vault.namespaces[""] end
local function transit(who) return root_of(who).mounts["transit/"] end

local function keys_in(who)
  local list = {}
  for name in require("sorted")(transit(who) and transit(who).data.keys or {}) do list[#list + 1] = name end
  return list
end

-- A chain of the recipe, its engine mounted by it.
local function made(arguments, options)
  local who = open(options)
  local values = {}
  for name, value in pairs(arguments or {}) do values[name] = value end   -- order cannot be seen
  local report, status = operators.run(who, RECIPE, { arguments = values })
  assert(status == 0, json.encode(report.error or {}))
  return who
end

local function destroy(who, options)
  options = options or {}
  options.sim = { rsa_generate = operators.rsa_of_size }
  options.mode, options.run_id = "destroy", options.run_id or "run-2"
  return operators.run(who, options.recipe or RECIPE, options)
end

-- A chain whose KMS keys were deleted a month ago.
local function long_gone(arguments)
  local who = made(arguments)
  assert(select(2, destroy(who)) == 0)
  who.world.now = who.world.now + 31 * DAY
  return who
end

local function step(report, kind, region)
  for _, one in ipairs(report.steps) do
    if one.kind == kind and (region == nil or one.region == region) then return one end
  end
end

local function told(who)
  local list = {}
  for _, event in ipairs(who.events) do
    if event.kind == "warning" then list[#list + 1] = event.text end
  end
  return table.concat(list, "\n")
end

-- The writes that go out from here on, in order; `fn` may act on each.
local function writes(who, fn)
  local list = {}
  who.simulation.on_request = function(entry)
    if not entry.write or entry.operation == "system/WriteCapabilitiesSelf" then return end
    list[#list + 1] = entry.operation
    if fn then fn(entry, #list) end
  end
  return list
end

-- The token may from now on do what these lines grant, and no more.
local function grant(who, lines)
  root_of(who).policies.mine = lines
  who.simulation.state.vault._tokens[vault_state.ROOT_TOKEN].policies = json.array { "default", "mine" }
end

local function fault(who, text) table.insert(who.simulation.faults, require("sim.faults").read(text)) end

-- What stays, and what goes ---------------------------------------------------------------------------------------------

test["while a KMS key has its material, be it one that is to be deleted, the transit key stays, and the engine with it; both are said"] = function()
  local who = made()
  local report, status = destroy(who)
  test.equal({ status, report.summary.delete, report.summary.unchanged }, { 0, 4, 4 })
  for _, region in ipairs(REGIONS) do
    local stays = step(report, "transit_key", region)
    test.equal(stays.action, "none")
    test.contains(stays.reason, step(report, "key", region).arn .. " has its material")
    test.contains(stays.reason, "cmek destroy vault-transit --cluster orders")
  end
  test.contains(step(report, "vault_mount").reason, "are in it")
  test.equal(#keys_in(who), 3)
  report, status = destroy(who, { run_id = "run-3" })   -- a day later
  test.equal({ status, report.summary.delete, #keys_in(who) }, { 0, 0, 3 })
end

test["once KMS has deleted the keys for good the transit keys go, and last the engine that cmek mounted"] = function()
  local who = long_gone()
  local order = writes(who)
  local report, status = destroy(who, { run_id = "run-3" })
  test.equal({ status, report.error, report.summary.delete, #report.deleted }, { 0, nil, 4, 4 })
  test.equal({ step(report, "transit_key").irreversible, step(report, "vault_mount").irreversible }, { true, false })
  test.equal(transit(who), nil)
  test.equal(order[#order], "system/DeleteMount")
  table.sort(order)
  test.equal(table.concat(order, " "), "system/DeleteMount transit/DeleteKey transit/DeleteKey transit/DeleteKey "
    .. "transit/WriteConfig transit/WriteConfig transit/WriteConfig")
  report, status = destroy(who, { run_id = "run-4" })
  test.equal({ status, #report.steps }, { 0, 0 })
end

test["a key whose deletion was cancelled has its material still to be had: the transit key stays"] = function()
  local who = made()
  destroy(who)
  local key
  operators.within(who, function(session)
    key = session.kms.list_keys { region = "us-west-2" }.Keys[1]
    session.kms.cancel_key_deletion { region = "us-west-2", KeyId = key.KeyId }
  end)
  who.world.now = who.world.now + 31 * DAY
  local report, status = destroy(who, { run_id = "run-3" })
  test.equal({ status, report.summary.delete }, { 0, 2 })
  test.contains(step(report, "transit_key", "us-west-2").reason, key.KeyArn)
  test.equal(keys_in(who), { names.vault_key(operators.CLUSTER, "us-west-2") })
end

test["the wrapped way leaves nothing in Vault: the engine goes at once, after the keys"] = function()
  local who = made { form = "wrapped" }
  local order = writes(who)
  local report, status = destroy(who)
  test.equal({ status, report.summary.delete, transit(who) }, { 0, 5, nil })
  test.equal({ order[#order - 1], order[#order] }, { "DeleteRole", "system/DeleteMount" })
end

-- Takes KMS's public key into Vault, as a run does that dies before it takes it out again.
local function leave_temporary(who, name)
  who.session.tasks.run(function()
    who.door:permit_writes "?"
    who.session.vault.transit_import_key { mount = "transit", name = name, type = "rsa-2048",
      public_key = require("material").pem(crypto.base64(crypto.rsa_public(operators.rsa_of_size(2048)))) }
  end)
end

test["an import that ends while destroying looks around has taken its key away by itself"] = function()
  local who = made()
  leave_temporary(who, "tmp-0f2c6e9d41b7-us-east-1-a")
  local keys, listed = transit(who).data.keys, 0
  who.simulation.on_request = function(entry)
    listed = listed + (entry.operation == "transit/ListKeys" and 1 or 0)
    if listed == 2 then keys["tmp-0f2c6e9d41b7-us-east-1-a"] = nil end   -- the first list is of what the engine holds
  end
  local report, status = destroy(who)
  test.equal({ status, report.error, listed >= 2 }, { 0, nil, true })
end

test["what imports of this cluster left behind is taken away; what bears another cluster's ID, or is another kind of key, is not"] = function()
  local who = made()
  local other = "tmp-91d3b7a2e5f4-us-east-1-x"
  for _, name in ipairs { "tmp-0f2c6e9d41b7-us-east-1-a", "tmp-0f2c6e9d41b7-eu-west-1-b", other } do leave_temporary(who, name) end
  who.session.tasks.run(function()
    who.session.vault.transit_create_key { mount = "transit", name = "tmp-0f2c6e9d41b7-mine", type = "aes256-gcm96" }
  end)
  local report, status = destroy(who)
  test.equal({ status, report.summary.delete }, { 0, 6 })
  test.contains(step(report, "vault_mount").reason, " and 2 more are in it")
  local left = table.concat(keys_in(who), " ")
  test.equal({ left:find "us%-east%-1%-a" or left:find "eu%-west%-1%-b" }, {})
  test.contains(left, other)
  test.contains(left, "tmp-0f2c6e9d41b7-mine")
end

test["an engine stays that cmek did not mount, or mounted for another cluster, or in which others have keys"] = function()
  for words, change in require("sorted") {
    ["cmek did not mount it"] = function(mount) mount.description = "of the platform team" end,
    ["for another cluster, 5e0c94f3-27ab-4d18-8c66-91d3b7a2e5f4"] = function(mount)
      mount.description = names.mount_description { name = "orders-one", id = "5e0c94f3-27ab-4d18-8c66-91d3b7a2e5f4" }
    end,
    ["transit/keys/payments is in it"] = function(mount)
      local one = mount.data.keys[names.vault_key(operators.CLUSTER, "us-east-1")]
      mount.data.keys.payments = setmetatable({ name = "payments" }, { __index = one })
    end,
  } do
    local who = long_gone()
    change(transit(who))
    local report, status = destroy(who, { run_id = "run-3" })
    test.equal({ status, report.summary.delete, step(report, "vault_mount").action }, { 0, 3, "none" })
    test.contains(step(report, "vault_mount").reason, words)
    test.truthy(transit(who))
  end
end

test["a key that is made in the engine while destroying keeps the engine, and that is told"] = function()
  local who = long_gone()
  local new = { name = "payments", type = "aes256-gcm96" }
  writes(who, function(entry)
    if entry.operation == "transit/DeleteKey" then transit(who).data.keys.payments = new end
  end)
  local report, status = destroy(who, { run_id = "run-3" })
  test.equal({ status, report.run.status }, { 5, "unfinished" })
  test.contains(report.error.message, "transit/keys/payments is in it")
  test.equal(keys_in(who), { "payments" })
  report, status = destroy(again(who), { run_id = "run-4" })
  test.equal({ status, step(report, "vault_mount").action }, { 0, "none" })
end

-- The guards -----------------------------------------------------------------------------------------------------------

test["a key of the cluster that is named and that KMS does not show keeps the transit key of its region, and everything"] = function()
  local who = long_gone()
  local uri = "arn:aws:kms:us-east-1:210987654321:key/11111111-2222-4333-8444-000000000001"
  for _, cluster in ipairs(who.simulation.state.cloud.clusters) do
    if cluster.id == operators.CLUSTER.id then
      cluster.cmek = { status = "ENABLED", region_infos = json.array { { region = "us-east-1", status = "ENABLED", key_infos = json.array { {
        status = "DISABLED", user_message = "", spec = { type = "AWS_KMS", uri = uri, auth_principal = "arn:aws:iam::1:role/x" } } } } } }
    end
  end
  local order = writes(who)
  local report, status = destroy(who, { run_id = "run-3" })
  test.equal({ status, report.summary.refused, order }, { 1, 1, {} })
  test.contains(report.error.message, uri .. ": cluster orders")
  test.equal(#keys_in(who), 3)
end

test["a KMS key that gets the material between plan and deletion keeps the transit key, which is protected again"] = function()
  local who = long_gone()
  local done = false
  writes(who, function(entry)
    if entry.operation ~= "transit/WriteConfig" or done then return end
    done = true
    for _, region in ipairs(REGIONS) do
      who.simulation:call { principal = { arn = "arn:aws:iam::210987654321:root", account = operators.ACCOUNT, kind = "root" }, service = "kms",
        operation = "CreateKey", region = region, parameters = { Tags = json.array { { TagKey = names.TAG_MATERIAL,
          TagValue = ("transit/%s:1"):format(names.vault_key(operators.CLUSTER, region)) } } } }
    end
  end)
  local report, status = destroy(who, { run_id = "run-3" })
  test.equal({ status, #report.deleted, #keys_in(who) }, { 5, 0, 3 })
  test.contains(report.error.message, "has its material")
  for _, key in require("sorted")(transit(who).data.keys) do test.equal(key.deletion_allowed, false) end
end

test["keys whose tags may not be read may have the material: the transit keys stay, and how they go all the same is said"] = function()
  local who = long_gone()
  local key = operators.within(who, function(session) return session.kms.create_key({ region = "us-west-2" }).KeyMetadata end)
  fault(who, "error service=kms operation=ListResourceTags region=us-west-2 code=AccessDeniedException")
  local report, status = destroy(who, { run_id = "run-3" })
  test.equal({ status, report.summary.delete, #keys_in(who) }, { 0, 0, 3 })
  for _, words in ipairs { key.Arn, "allow kms:ListResourceTags", "vault delete transit/keys/crdb-cmek-orders-0f2c6e9d41b7-eu-west-1" } do
    test.contains(step(report, "transit_key", "eu-west-1").reason, words)
  end
end

test["without the cluster's name nothing goes from Vault either"] = function()
  local who = long_gone()
  local other = operators.beside(who, { who = who.simulation.accounts[1], confirm = "yes",
    environment = { VAULT_ADDR = "http://127.0.0.1:8200", VAULT_TOKEN = vault_state.ROOT_TOKEN } })
  local report, status = destroy(other, { run_id = "run-3" })
  test.equal({ status, report.run.status, #keys_in(who) }, { 1, "declined", 3 })
end

-- Rights ---------------------------------------------------------------------------------------------------------------

local MINE <const> = "transit/keys/crdb-cmek-orders-0f2c6e9d41b7-"

test["a token that may not delete is told all lines that its policy lacks, before anything goes; with them it does"] = function()
  local who = long_gone()
  local little = 'path "transit/*" { capabilities = ["create", "read", "update", "list"] }\n'
  grant(who, little)
  local order = writes(who)
  local report, status = destroy(who, { run_id = "run-3" })
  test.equal({ status, report.summary.refused, order }, { 1, 4, {} })
  local lines = {}
  for line in report.error.message:gmatch '(path "[^\n]*)' do lines[#lines + 1] = line end
  test.equal(#lines, 4)
  test.contains(report.error.message, 'path "sys/mounts/transit" { capabilities = ["delete"] }')
  test.contains(report.error.message, ('path "%seu-west-1" { capabilities = ["create", "delete", "list", "read", "update"] }'):format(MINE))
  grant(who, little .. table.concat(lines, "\n"))
  report, status = destroy(again(who), { run_id = "run-4" })
  test.equal({ status, report.error, transit(who) }, { 0, nil, nil })
end

test["a token that may not list leaves open what imports have left, and keeps the engine"] = function()
  local who = long_gone()
  grant(who, ('path "%s*" { capabilities = ["create", "read", "update", "delete"] }'):format(MINE))
  local report, status = destroy(who, { run_id = "run-3" })
  test.equal({ status, report.summary.delete, step(report, "vault_mount").action }, { 0, 3, "none" })
  test.contains(told(who), 'path "transit/keys" { capabilities = ["list"] }')
  test.contains(step(report, "vault_mount").reason, "cannot be seen")
  grant(who, 'path "transit/keys" { capabilities = ["list"] }\npath "sys/mounts/transit" { capabilities = ["delete"] }')   -- the control
  test.equal({ select(2, destroy(again(who), { run_id = "run-4" })), transit(who) }, { 0, nil })
end

-- A Vault that cannot be asked -------------------------------------------------------------------------------------------

test["a sealed Vault keeps nobody from taking back what is in AWS; what is in it is left, and the command for later is said once"] = function()
  local who = made()
  who.simulation.vault = { condition = "sealed" }
  local report, status = destroy(who)
  test.equal({ status, report.summary.delete, step(report, "transit_key") }, { 0, 4, nil })
  local _, said = told(who):gsub("Vault is sealed", "")
  test.equal(said, 1)
  test.contains(told(who), "when it can: cmek destroy vault-transit --cluster orders")
  who.simulation.vault = nil
  who.world.now = who.world.now + 31 * DAY
  test.equal({ select(2, destroy(again(who), { run_id = "run-3" })), transit(who) }, { 0, nil })
end

test["nor does one that knows no token"] = function()
  local who = made()
  local other = operators.beside(who, { who = who.simulation.accounts[1], environment = { VAULT_ADDR = "http://127.0.0.1:8200" } })
  local report, status = destroy(other)
  test.equal({ status, report.summary.delete }, { 0, 4 })
  test.contains(told(other), "no token for Vault")
end

test["a recipe that looks at another engine than the one that has the material, or at none, says what stays and what takes it away"] = function()
  for recipe, case in require("sorted") { console = { "vault", {}, "cmek destroy vault --cluster orders" },
    ["vault-transit"] = { "vault-transit", { vault_mount = "team" }, "cmek destroy vault-transit --cluster orders --vault-mount team" } } do
    local who = open()
    test.equal(select(2, operators.run(who, case[1], { arguments = case[2] })), 0)
    local report, status = destroy(who, { recipe = recipe })
    test.equal({ status, report.summary.delete }, { 0, 4 })
    test.contains(told(who), case[3])
    report, status = destroy(again(who), { recipe = case[1], arguments = case[2], run_id = "run-3" })
    test.equal({ status, report.error, step(report, "key") }, { 0, nil, nil })
    test.equal(report.steps[1].name:match "^[^/]+", case[2].vault_mount or "keymgmt")
  end
end

-- Half-way -------------------------------------------------------------------------------------------------------------

for _, operation in ipairs { "transit/WriteConfig", "transit/DeleteKey", "system/DeleteMount" } do
  for _, kind in ipairs { "lost_answer", "reset", "500" } do
    test[("an answer to %s that is lost (%s) is looked up, and ends well"):format(operation, kind)] = function()
      local who = long_gone()
      fault(who, ("%s service=vault operation=%s count=1"):format(kind, operation))
      local report, status = destroy(who, { run_id = "run-3" })
      test.equal({ status, report.error, who.simulation.faults[1].count, transit(who) }, { 0, nil, 0, nil })
    end
  end
end

test["a destroying that dies at any of its writes is finished by another process, from its journal or without"] = function()
  local count = #(function()
    local who = long_gone()
    local list = writes(who)
    destroy(who, { run_id = "run-3" })
    return list
  end)()
  test.truthy(count >= 7)
  for number = 1, count do
    local who = long_gone()
    writes(who, function(_, at)
      if at == number then error("the process is gone", 0) end
    end)
    pcall(destroy, who, { run_id = "run-3" })
    who.simulation.on_request = nil
    who.journal:sync()
    local entries = number % 2 == 0 and require("journal").read(who.disk.text) or nil
    local report, status = destroy(again(who), { run_id = "run-3", entries = entries })
    test.equal({ number, status, report.error, transit(who) }, { number, 0, nil, nil })
  end
end

test["what Vault denies half-way leaves exit 5; resumed with the right, it ends"] = function()
  local who = long_gone()
  fault(who, "error service=vault operation=transit/DeleteKey status=403 code=permission message=permission denied")
  local report, status = destroy(who, { run_id = "run-3" })
  test.equal({ status, report.run.status }, { 5, "unfinished" })
  test.contains(report.error.next, "cmek resume run-3")
  who.simulation.faults = {}
  report, status = destroy(again(who), { run_id = "run-3", entries = require("journal").read(who.disk.text) })
  test.equal({ status, report.error, transit(who) }, { 0, nil, nil })
end

test["each request to Vault that deletes is in the journal before its answer"] = function()
  local who = long_gone()
  destroy(who, { run_id = "run-3" })
  who.journal:sync()
  for _, operation in ipairs { "TransitConfigureKey", "TransitDeleteKey", "DisableMount" } do
    test.contains(who.disk.text, ('"operation":"%s"'):format(operation))
  end
end

test["after all of it a run makes a new chain, in Vault as well"] = function()
  local who = long_gone()
  destroy(who, { run_id = "run-3" })
  local report, status = operators.run(who, RECIPE, { run_id = "run-4" })
  test.equal({ status, report.error, report.summary.create, #keys_in(who) }, { 0, nil, 8, 3 })
end

-- The key management engine ----------------------------------------------------------------------------------------------

local function keymgmt(who) return root_of(who).mounts["keymgmt/"] end
local function vault_key(region) return names.vault_key(operators.CLUSTER, region) end

local function destroy_vault(who, options)
  options = options or {}
  options.sim = { rsa_generate = operators.rsa_of_size }
  options.recipe = "vault"
  return destroy(who, options)
end

local function made_by_vault()
  local who = open()
  local report, status = operators.run(who, "vault")
  assert(status == 0, json.encode(report.error or {}))
  return who
end

-- The KMS keys of a region, oldest first.
local function kms_keys(who, region) return who.simulation.state.aws[operators.ACCOUNT].kms[region].keys end

-- Another version of a region's key, which nobody has given an alias.
local function rotate_by_hand(who, region)
  who.session.tasks.run(function() who.session.vault.keymgmt_rotate_key { mount = "keymgmt", name = vault_key(region) } end)
  return kms_keys(who, region)[2]
end

-- Another cluster that names a key.
local function let_name(who, arn, status)
  for _, cluster in ipairs(who.simulation.state.cloud.clusters) do
    if cluster.name == "orders-one" then
      cluster.cmek = { status = "ENABLED", region_infos = json.array { { region = "us-east-1", status = "ENABLED", key_infos = json.array { {
        status = status, user_message = "", spec = { type = "AWS_KMS", uri = arn, auth_principal = "arn:aws:iam::1:role/x" } } } } } }
    end
  end
end

test["keymgmt: the KMS keys are scheduled first, then Vault's things go: distribution, key, provider, and last the engine"] = function()
  local who = made_by_vault()
  local order = writes(who)
  local report, status = destroy_vault(who)
  test.equal({ status, report.error, report.summary.delete, report.summary.unchanged }, { 0, nil, 14, 0 })
  local kinds = {}
  for _, one in ipairs(report.steps) do kinds[#kinds + 1] = kinds[#kinds] ~= one.kind and one.kind or nil end
  test.equal(kinds, { "key", "vault_distribution", "vault_key", "vault_provider", "role", "vault_mount" })
  local first, last = {}, {}
  for i, operation in ipairs(order) do first[operation], last[operation] = first[operation] or i, i end
  test.truthy(first.DeleteAlias < first["keymgmt/DeleteDistribution"])   -- and Vault's own after that
  for _, pair in ipairs { { "keymgmt/DeleteDistribution", "keymgmt/DeleteKey" }, { "keymgmt/DeleteKey", "keymgmt/DeleteProvider" },
    { "keymgmt/DeleteProvider", "system/DeleteMount" } } do
    test.truthy(last[pair[1]] < first[pair[2]], table.concat(pair, " before "))
  end
  test.equal(order[#order], "system/DeleteMount")
  for _, region in ipairs(REGIONS) do
    test.equal({ kms_keys(who, region)[1].KeyState, #kms_keys(who, region) }, { "PendingDeletion", 1 })
    test.contains(step(report, "vault_distribution", region).reason, "version 1 is " .. kms_keys(who, region)[1].Arn)
    test.equal(step(report, "vault_distribution", region).deletion_date:sub(1, 10), "2027-01-31")   -- thirty days
  end
  test.equal({ keymgmt(who), select(2, destroy_vault(who, { run_id = "run-3" })) }, { nil, 0 })
end

test["keymgmt: the key of a version without an alias is shown in the plan, and scheduled with the longest window as well"] = function()
  local who = made_by_vault()
  local second = rotate_by_hand(who, "us-west-2")
  local report, status = destroy_vault(who)
  test.equal({ status, report.error }, { 0, nil })
  test.contains(step(report, "vault_distribution", "us-west-2").reason, ("version 2 is %s, which bears no tag"):format(second.Arn))
  test.equal({ second.KeyState, math.floor((second.DeletionDate - who.world.now) / DAY + 0.5) }, { "PendingDeletion", 30 })
end

for _, state in ipairs { "ENABLED", "DISABLED", "REVOKED", "SOMETHING_NEW" } do
  test["keymgmt: a key of an older or newer version that any cluster names with the status " .. state .. " keeps all of it"] = function()
    local who = made_by_vault()
    local second = rotate_by_hand(who, "us-west-2")
    let_name(who, second.Arn, state)
    local order = writes(who)
    local report, status = destroy_vault(who)
    test.equal({ status, report.summary.refused, order }, { 1, 1, {} })
    test.contains(report.error.message, "orders-one")
    test.contains(report.error.message, "version 2 is key " .. second.KeyId)
  end
end

test["keymgmt: a cluster that begins to use a key between plan and deletion keeps it, and Vault keeps it too"] = function()
  local who = made_by_vault()
  local key = kms_keys(who, "us-east-1")[1]
  local named = false
  writes(who, function(entry)
    if entry.operation == "ScheduleKeyDeletion" and not named then
      named = true
      let_name(who, key.Arn, "ENABLING")
    end
  end)
  local report, status = destroy_vault(who)
  test.equal({ status, report.run.status, key.KeyState }, { 5, "unfinished", "Enabled" })
  test.contains(report.error.message, "the deletion was cancelled")
  for _, provider in require("sorted")(keymgmt(who).data.kms) do test.truthy(next(provider.distributions)) end
end

test["keymgmt: a version that is added and used between plan and deletion keeps the distribution"] = function()
  local who = made_by_vault()
  local done = false
  writes(who, function(entry)
    if entry.operation ~= "DeleteAlias" or done then return end
    done = true
    local id = "99999999-2222-4333-8444-000000000001"
    keymgmt(who).data.kms[vault_key "us-east-1"].distributions[vault_key "us-east-1"].versions["2"] = id
    let_name(who, "arn:aws:kms:us-east-1:210987654321:key/" .. id, "ENABLED")
  end)
  local report, status = destroy_vault(who)
  test.equal(status, 5)
  test.contains(report.error.message, "version 2 is key 99999999")
  test.truthy(keymgmt(who).data.kms[vault_key "us-east-1"].distributions[vault_key "us-east-1"])
end

test["keymgmt: where Vault refuses keys that wait for their end already, they are let go for a moment, so that it schedules them itself"] = function()
  local who = made_by_vault()
  fault(who, "error service=vault operation=keymgmt/DeleteDistribution status=400 count=1 message=error deleting key from KMS provider: "
    .. "KMSInvalidStateException: it is pending deletion.")
  local report, status = destroy_vault(who)
  test.equal({ status, report.error, keymgmt(who) }, { 0, nil, nil })
  test.contains(told(who), "taken back for a moment")
  for _, region in ipairs(REGIONS) do test.equal(kms_keys(who, region)[1].KeyState, "PendingDeletion") end
end

test["keymgmt: where it refuses them all the same, its words are told, the keys wait for their end, and what hangs on it stays"] = function()
  local who = made_by_vault()
  fault(who, "error service=vault operation=keymgmt/DeleteDistribution status=400 message=error deleting key from KMS provider: no")
  local report, status = destroy_vault(who)
  test.equal({ status, report.run.status }, { 5, "unfinished" })
  test.contains(report.error.message, "error deleting key from KMS provider: no")
  for _, region in ipairs(REGIONS) do test.equal(kms_keys(who, region)[1].KeyState, "PendingDeletion") end
  test.truthy(next(keymgmt(who).data.keys) and operators.role(who))
  who.simulation.faults = {}
  report, status = destroy_vault(again(who), { run_id = "run-3" })
  test.equal({ status, report.error, keymgmt(who) }, { 0, nil, nil })
end

for _, operation in ipairs { "keymgmt/DeleteDistribution", "keymgmt/WriteKey", "keymgmt/DeleteKey", "keymgmt/DeleteProvider",
  "system/DeleteMount" } do
  for _, kind in ipairs { "lost_answer", "reset", "500" } do
    test[("keymgmt: an answer to %s that is lost (%s) is looked up, and ends well"):format(operation, kind)] = function()
      local who = made_by_vault()
      fault(who, ("%s service=vault operation=%s count=1"):format(kind, operation))
      local report, status = destroy_vault(who)
      test.equal({ status, report.error, who.simulation.faults[1].count, keymgmt(who) }, { 0, nil, 0, nil })
      for _, region in ipairs(REGIONS) do
        test.equal({ kms_keys(who, region)[1].KeyState, #kms_keys(who, region) }, { "PendingDeletion", 1 })
      end
    end
  end
end

test["keymgmt: a destroying that dies at any of its writes is finished by another process, from its journal or without"] = function()
  local count = #(function()
    local who = made_by_vault()
    local list = writes(who)
    destroy_vault(who)
    return list
  end)()
  test.truthy(count >= 20)
  for number = 1, count do
    local who = made_by_vault()
    writes(who, function(_, at)
      if at == number then error("the process is gone", 0) end
    end)
    pcall(destroy_vault, who)
    who.simulation.on_request = nil
    who.journal:sync()
    local entries = number % 2 == 0 and require("journal").read(who.disk.text) or nil
    local report, status = destroy_vault(again(who), { entries = entries })
    test.equal({ number, status, report.error, keymgmt(who), operators.role(who) }, { number, 0, nil, nil, nil })
    for _, region in ipairs(REGIONS) do test.equal(kms_keys(who, region)[1].KeyState, "PendingDeletion") end
  end
end

test["keymgmt: what others have by the same engine stays, with all that it hangs on"] = function()
  local who = made_by_vault()
  local place = keymgmt(who).data
  place.keys.payments = place.keys[vault_key "us-east-1"]
  place.kms[vault_key "us-east-1"].distributions.payments = { name = "payments-1", purpose = "decrypt,encrypt", protection = "hsm", versions = {} }
  local report, status = destroy_vault(who)
  test.equal({ status, report.error, report.summary.unchanged }, { 0, nil, 2 })
  test.contains(step(report, "vault_provider", "us-east-1").reason, "it has the key payments")
  test.contains(step(report, "vault_mount").reason, "keymgmt/key/payments")
  test.truthy(place.kms[vault_key "us-east-1"].distributions.payments and place.keys.payments)
  test.equal({ place.keys[vault_key "us-east-1"], place.kms[vault_key "eu-west-1"] }, {})
end

test["keymgmt: a key that is distributed to another provider stays, and its KMS keys with it"] = function()
  local who = made_by_vault()
  local place, name = keymgmt(who).data, vault_key "us-east-1"
  place.kms.other = { id = "0", provider = "awskms", key_collection = "us-east-1", distributions = { [name] = place.kms[name].distributions[name] } }
  place.kms[name].distributions = {}
  local report, status = destroy_vault(who)
  test.equal({ status, report.error }, { 0, nil })
  test.contains(step(report, "vault_distribution", "us-east-1").reason, "distributed to the provider other")
  test.contains(step(report, "vault_key", "us-east-1").reason, "it is distributed to the provider other")
  test.truthy(place.kms.other.distributions[name] and place.keys[name])
end

test["keymgmt: a token that may not delete is told the lines that its policy lacks, before anything goes; with them it does"] = function()
  local who = made_by_vault()
  local little = 'path "keymgmt/*" { capabilities = ["create", "read", "update", "list"] }\n'
  grant(who, little)
  local order = writes(who)
  local report, status = destroy_vault(who)
  test.equal({ status, report.summary.refused, order }, { 1, 10, {} })
  local lines = {}
  for line in report.error.message:gmatch '(path "[^\n]*)' do lines[#lines + 1] = line end
  grant(who, little .. table.concat(lines, "\n"))
  report, status = destroy_vault(again(who), { run_id = "run-3" })
  test.equal({ status, report.error, keymgmt(who) }, { 0, nil, nil })
end

test["keymgmt: a sealed Vault keeps nobody from scheduling the KMS keys; afterwards the rest goes"] = function()
  local who = made_by_vault()
  who.simulation.vault = { condition = "sealed" }
  local report, status = destroy_vault(who)
  test.equal({ status, report.summary.delete }, { 0, 4 })
  test.contains(told(who), "when it can: cmek destroy vault --cluster orders")
  who.simulation.vault = nil
  report, status = destroy_vault(again(who), { run_id = "run-3" })
  test.equal({ status, report.error, keymgmt(who) }, { 0, nil, nil })
end

test["from outside: a destroying of Vault's things that failed half-way is taken up by resume, which wants the name again"] = function()
  local result = outside.simulated([[
    unset AWS_MAX_ATTEMPTS
    "$CMEK" run vault --cluster orders-one --yes >/dev/null 2>&1
    "$CMEK" destroy vault --cluster orders-one --confirm orders-one; echo "status $?"
    "$CMEK" resume --yes; echo "status $?"
    "$CMEK" resume --confirm orders-one; echo "status $?"]],
    { sim = { "--fault", "error service=vault operation=keymgmt/DeleteProvider status=403 count=1 message=permission denied" } })
  local statuses = {}
  for status in result.output:gmatch "status (%d+)" do statuses[#statuses + 1] = status end
  test.equal(table.concat(statuses, " "), "5 5 0", result.text)
  test.contains(result.output, "as a key of KMS alone: Vault has it no more")
  test.equal({ result:writes "keymgmt/DeleteDistribution", result:writes "system/DeleteMount" }, { 1, 1 })
end
