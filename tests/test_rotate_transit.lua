-- The recipe rotate, where the material of the keys comes from Vault's transit engine: its next version, or the next data key.
local crypto = require "crypto"
local names = require "names"
local operators = dofile "tests/operator.lua"
local rotating = dofile "tests/rotating.lua"
local transit = dofile "tests/transit.lua"

local REGIONS <const>, DAY <const> = rotating.REGIONS, rotating.DAY
local run, done, tags, place = rotating.run, rotating.done, rotating.tags, rotating.place
local key_of = rotating.key_of
local WRAPPED <const> = { form = "wrapped", enable = "true" }

local function open(arguments)
  local who = operators.open()
  who.vault = transit.new(function(count) return who.world:random(count) end)
  who.session.vault = transit.functions(who.vault)
  local report, status = operators.run(who, "vault-transit", { arguments = arguments or { enable = "true" } })
  test.equal({ status, report.error }, { 0 })
  who.world.now = who.world.now + 30 * DAY
  return who
end

local function again(who)
  local other = operators.beside(who, { who = who.simulation.accounts[1] })
  other.vault, other.session.vault = who.vault, transit.functions(who.vault)
  return other
end


local function material(key) return key.KeyMaterials[1] and key.KeyMaterials[1]._bytes end
local function vault_key(who, region) return who.vault.keys["transit/" .. names.vault_key(operators.CLUSTER, region)] end

local function count(who, operation)
  local found = 0
  for _, name in ipairs(who.vault.calls) do found = found + (name == operation and 1 or 0) end
  return found
end

local function fault(who, text) table.insert(who.simulation.faults, require("sim.faults").read(text)) end

test["version 2 of each transit key is the material of generation 2; the key from before keeps its own"] = function()
  local who = open()
  local report = done(who)
  test.equal({ report.summary.create, report.summary.change }, { 3, 4 })
  for _, region in ipairs(REGIONS) do
    local old, new, vault = key_of(who, region, 1), key_of(who, region, 2), vault_key(who, region)
    test.equal({ #vault.versions, material(old) == vault.versions[1], material(new) == vault.versions[2] }, { 2, true, true })
    test.equal({ new.Origin, new.KeyState, new.ExpirationModel, old.KeyState },
      { "EXTERNAL", "Enabled", "KEY_MATERIAL_DOES_NOT_EXPIRE", "Enabled" })
    test.equal(tags(new)[names.TAG_MATERIAL], ("transit/crdb-cmek-orders-0f2c6e9d41b7-%s:2"):format(region))
  end
  report = run(who, { mode = "verify" })
  test.equal(#report.findings, 0)
  test.equal(operators.run(who, "vault-transit", { arguments = { enable = "true" } }).summary.unchanged, 9)   -- what is in use is as it wants it
end

test["wrapped: Vault makes the next data key under KMS's public key, and keeps nothing of it"] = function()
  local who = open(WRAPPED)
  local first = material(key_of(who, "us-east-1", 1))
  done(who)
  test.equal({ #who.vault.wrapped, next(who.vault.keys), count(who, "transit_export") }, { 6, nil, 0 })
  local new = key_of(who, "us-east-1", 2)
  test.equal({ material(new) ~= first, new.KeyState, tags(new)[names.TAG_MATERIAL] }, { true, "Enabled", "transit/no-copy" })
end

test["Vault is rotated no further than the generation: a version that is there already is taken"] = function()
  local who = open()
  table.insert(vault_key(who, "us-west-2").versions, ("7"):rep(32))   -- another run died after this, or somebody rotated by hand
  done(who)
  test.equal({ count(who, "transit_rotate_key"), #vault_key(who, "us-west-2").versions }, { 2, 2 })
  test.equal(material(key_of(who, "us-west-2", 2)), ("7"):rep(32))
end

test["a rotation in Vault whose answer is lost is looked up, and not made twice"] = function()
  local who = open()
  who.vault.faults.transit_rotate_key = function(p)
    who.vault.faults.transit_rotate_key = nil
    table.insert(who.vault.keys[p.mount .. "/" .. p.name].versions, who.world:random(32))
    require("refusal").raise { service = "vault", operation = "TransitRotateKey", kind = "lost", message = "the connection was closed" }
  end
  done(who)
  for _, region in ipairs(REGIONS) do test.equal(#vault_key(who, region).versions, 2) end
end

test["one that never arrived is made when Vault has shown that it was not"] = function()
  local who = open()
  who.vault.faults.transit_rotate_key = function()
    who.vault.faults.transit_rotate_key = nil
    require("refusal").raise { service = "vault", operation = "TransitRotateKey", kind = "lost", message = "the connection was closed" }
  end
  done(who)
  for _, region in ipairs(REGIONS) do test.equal(#vault_key(who, region).versions, 2) end
end

test["a run that dies between Vault and the Cloud is finished by the next one: no version and no key too many"] = function()
  for _, dies in ipairs { "error service=kms operation=ImportKeyMaterial code=LimitExceededException status=400 count=1 message=no",
    "error service=kms operation=CreateKey code=LimitExceededException status=400 count=1 message=no",
    "error service=cloud operation=UpdateCMEKSpec code=INVALID_ARGUMENT status=400 count=1 message=no" } do
    local who = open()
    fault(who, dies)
    test.equal(select(2, run(who)), 5)
    done(again(who), { run_id = "run-2" })
    for _, region in ipairs(REGIONS) do
      test.equal({ dies, #place(who, region).keys, #vault_key(who, region).versions }, { dies, 2, 2 })
      test.truthy(material(key_of(who, region, 2)) == vault_key(who, region).versions[2])
    end
  end
end

test["a transit key that is gone, or has other versions than the generation, is told, and nothing is made"] = function()
  local who = open()
  local name = "transit/" .. names.vault_key(operators.CLUSTER, "us-east-1")
  who.vault.keys[name] = nil
  local report, status = run(who)
  test.equal({ status, report.steps[1].action, who.vault.keys[name] }, { 1, "refuse" })
  test.contains(report.steps[1].reason, "restore it from a backup of Vault")
  who = open()
  for _, tag in ipairs(key_of(who, "us-east-1", 1).Tags) do
    if tag.TagKey == names.TAG_MATERIAL then tag.TagValue = tag.TagValue:gsub(":1$", ":5") end
  end
  local _, raised = pcall(run, who)
  test.contains(raised.message, "has version 5 of Vault's " .. name .. ", and is of generation 1")
  for _, tag in ipairs(key_of(who, "us-east-1", 1).Tags) do
    if tag.TagKey == names.TAG_MATERIAL then tag.TagKey = "other" end
  end
  _, raised = pcall(run, who)
  test.contains(raised.message, "no tag cmek:material says from where")
end

test["what the token of Vault may not do is told by the lines that its policy lacks, before anything is made"] = function()
  local who = open()
  who.vault.capabilities = function(path) return path:find "/rotate$" and { "deny" } or path:find "/2$" and { "deny" } or { "root" } end
  local ok, raised = pcall(run, who)
  test.equal({ ok, count(who, "transit_rotate_key"), key_of(who, "us-east-1", 2) }, { false, 0 })
  test.contains(raised.next, 'path "transit/keys/crdb-cmek-orders-0f2c6e9d41b7-us-east-1/rotate" { capabilities = ["create", "update"] }')
  test.contains(raised.next, 'path "transit/export/encryption-key/crdb-cmek-orders-0f2c6e9d41b7-us-east-1/2" { capabilities = ["read"] }')
end

-- Through the real door and client, to the simulated Vault ---------------------------------------------------------------------

local function simulated()
  local vault = require "sim.vault.state"
  local who = operators.open { sim = { rsa_generate = operators.rsa_of_size },
    environment = { VAULT_ADDR = "http://127.0.0.1:8200", VAULT_TOKEN = vault.ROOT_TOKEN } }
  who.simulation.state.vault.namespaces[""].mounts["transit/"] = vault.mount("transit", {}, ("7"):rep(32))
  local report, status = operators.run(who, "vault-transit", { arguments = { enable = "true" } })
  test.equal({ status, report.error }, { 0 })
  who.world.now = who.world.now + 30 * DAY
  return who
end

test["the requests that a run would send: Vault's rotation, the new key's import, the Cloud's change; none of it is sent"] = function()
  local who = simulated()
  local report, seen = run(who, { mode = "plan", requests = true }), {}
  for _, request in ipairs(report.requests) do seen[request.operation] = (seen[request.operation] or 0) + 1 end
  test.equal({ seen.TransitRotateKey, seen.CreateKey, seen.ImportKeyMaterial, seen.UpdateCMEKSpec, key_of(who, "us-east-1", 2) }, { 3, 3, 3, 1 })
end

test["a rotation works with the simulated Vault, whose token and material stand in no journal"] = function()
  local who = simulated()
  done(who)
  who.journal:sync()
  test.contains(who.disk.text, "TransitRotateKey")
  test.truthy(not who.disk.text:find(require("sim.vault.state").ROOT_TOKEN, 1, true))
  local new = key_of(who, "us-east-1", 2)
  test.truthy(not who.disk.text:find(crypto.base64(material(new)), 1, true))
  test.truthy(material(new) ~= material(key_of(who, "us-east-1", 1)))
  test.equal(#run(who, { mode = "verify" }).findings, 0)
end

-- One operator at a time -------------------------------------------------------------------------------------------------------------

local json = require "json"

-- What is kept in the simulated Vault's store at secret/, and how often it was written.
local function entry(who)
  local secrets = who.simulation.state.vault.namespaces[""].mounts["secret/"].data.secrets or {}
  local kept = secrets["cmek/rotation-of-orders-0f2c6e9d41b7"]
  local version = kept and kept.versions[tostring(kept.current_version)]
  return version and version.data and json.decode(version.data), kept and kept.current_version
end

local function beside(who)
  return operators.beside(who, { who = who.simulation.accounts[1], environment = { VAULT_ADDR = "http://127.0.0.1:8200",
    VAULT_TOKEN = require("sim.vault.state").ROOT_TOKEN } })
end

local function told(who)
  local list = {}
  for _, event in ipairs(who.events) do list[#list + 1] = event.kind == "warning" and event.text or nil end
  return table.concat(list, "\n")
end

local DIES <const> = "error service=cloud operation=UpdateCMEKSpec code=INVALID_ARGUMENT status=400 count=1 message=no"

test["a run holds the lock from before anything is made to its end, and it stands in Vault who"] = function()
  local who, held = simulated(), {}
  who.simulation.on_request = function(request)
    if request.operation == "CreateKey" then held[#held + 1] = entry(who).state end
  end
  local report = done(who)
  test.equal({ report.steps[1].kind, report.steps[1].name, held }, { "rotation_lock", "secret/data/cmek/rotation-of-orders-0f2c6e9d41b7",
    { "held", "held", "held" } })
  local kept, version = entry(who)
  test.equal({ kept.state, kept.run, version }, { "free", "run-1", 2 })
  test.contains(kept.operator, "arn:aws:iam::210987654321:user/")
  who.world.now = who.world.now + 2 * DAY
  done(who, { run_id = "run-2" })   -- it is there for the next one
  test.equal({ entry(who).run, select(2, entry(who)) }, { "run-2", 4 })
end

test["where nothing is to be done it is not taken"] = function()
  local who = simulated()
  done(who)
  test.equal({ done(who).summary.unchanged, select(2, entry(who)) }, { 7, 2 })
end

test["a run that died has it still: others are told whose it is and how to go on; resuming finishes and gives it back"] = function()
  local who = simulated()
  fault(who, DIES)
  test.equal(select(2, run(who)), 5)
  local other = beside(who)
  for _, mode in ipairs { "plan", "run" } do
    local report, status = run(other, { run_id = "run-2", mode = mode })
    test.equal({ status, report.steps[1].action }, { 1, "refuse" })
    for _, words in ipairs { "run run-1 of arn:aws:iam::210987654321:user/", "cmek resume run-1", "--take-over run-1" } do
      test.contains(report.steps[1].reason, words)
    end
  end
  who.journal:sync()
  done(beside(who), { entries = require("journal").read(who.disk.text) })
  test.equal(entry(who).state, "free")
end

test["a run that is given up is named, and another goes on in its place; the one that is named wrongly keeps it"] = function()
  local who = simulated()
  fault(who, DIES)
  run(who)
  local report, status = run(beside(who), { run_id = "run-2", arguments = { take_over = "run-9" } })
  test.equal({ status, report.steps[1].action }, { 1, "refuse" })
  report = done(beside(who), { run_id = "run-2", arguments = { take_over = "run-1" } })
  test.equal({ report.steps[1].action, entry(who).state, entry(who).run }, { "change", "free", "run-2" })
  for _, region in ipairs(REGIONS) do test.equal(#place(who, region).keys, 2) end
end

test["two that begin in the same moment: one gets it, and the other is told who"] = function()
  local who, raced = simulated(), nil
  local other = beside(who)
  who.simulation.on_request = function(request)
    if request.operation ~= "kv/WriteData" or raced then return end
    raced = true
    local secrets = who.simulation.state.vault.namespaces[""].mounts["secret/"].data.secrets
    local kept = secrets["cmek/rotation-of-orders-0f2c6e9d41b7"]
    local version = kept.versions[tostring(kept.current_version)]
    version.data = version.data:gsub('"run":"run%-1"', '"run":"run-0"')   -- as if that one had been the first to write
  end
  local report, status = run(other, { run_id = "run-1" })
  test.equal({ raced, status, key_of(who, "us-east-1", 2) }, { true, 5 })
  test.contains(report.error.message, "run run-0 of ")
end

test["an entry that somebody makes while it is looked for is that one's: what is not there and what was deleted are told apart"] = function()
  local who, reads = simulated(), 0
  local store = who.simulation.state.vault.namespaces[""].mounts["secret/"].data
  store.secrets = store.secrets or {}
  who.simulation.on_request = function(request)
    if request.operation ~= "kv/ReadData" or request.status ~= 404 then return end
    reads = reads + 1
    if reads ~= 2 then return end   -- the first is the plan's
    store.secrets["cmek/rotation-of-orders-0f2c6e9d41b7"] = { created_time = "2027-01-01T00:00:00Z", updated_time = "2027-01-01T00:00:00Z",
      current_version = 1, oldest_version = 0, max_versions = 0, cas_required = false, versions = { ["1"] = {
        created_time = "2027-01-01T00:00:00Z", deletion_time = "", destroyed = false,
        data = json.encode { state = "held", run = "run-0", operator = "another", since = "2027-01-01T00:00:00Z" } } } }
  end
  local report, status = run(who)
  test.equal({ status, entry(who).run, entry(who).state }, { 1, "run-0", "held" })
  test.contains(report.error.message, "run run-0 of another rotates")
  test.equal(key_of(who, "us-east-1", 2), nil)
end

test["a lock whose writing was lost on the way back is looked up"] = function()
  for _, kind in ipairs { "lost_answer", "reset" } do
    local who = simulated()
    fault(who, kind .. " service=vault operation=kv/WriteData count=1")
    local report, status = run(who)
    test.equal({ kind, status }, { kind, kind == "reset" and 5 or 0 })
    if kind == "reset" then test.contains(report.error.message, "Vault does not show it as it was written") end
  end
end

test["an entry that somebody deleted is free, and counts on"] = function()
  local who = simulated()
  fault(who, DIES)
  run(who)
  operators.within(who, function() end)
  local secrets = who.simulation.state.vault.namespaces[""].mounts["secret/"].data.secrets
  local kept = secrets["cmek/rotation-of-orders-0f2c6e9d41b7"]
  kept.versions[tostring(kept.current_version)].deletion_time = "2027-01-01T00:00:00Z"
  done(beside(who), { run_id = "run-2" })
  test.equal({ entry(who).run, entry(who).state }, { "run-2", "free" })
end

test["where there is no store it is said, and the rotation goes on; one that is named must be there, and writable"] = function()
  local who = simulated()
  local mounts = who.simulation.state.vault.namespaces[""].mounts
  mounts["kv/"], mounts["secret/"] = mounts["secret/"], nil
  for _, bad in ipairs { { "vault:nowhere/data/x", "no KV engine of version 2 at nowhere/" }, { "kv/cmek", "vault:MOUNT/data/PATH is one" } } do
    local ok, raised = pcall(run, who, { arguments = { lock = bad[1] } })
    test.equal(ok, false)
    test.contains(raised.message, bad[2])
  end
  local report = run(who, { mode = "plan", arguments = { lock = "vault:kv/data/team/keys" } })
  test.equal(report.steps[1].name, "kv/data/team/keys/rotation-of-orders-0f2c6e9d41b7")
  test.equal(done(who).steps[1].kind, "transit_key")
  test.contains(told(who), "no lock is kept: there is no KV engine of version 2 at secret/")
end

test["what the token may not do there is told by the line that its policy lacks"] = function()
  local who = open()
  who.vault.mounts.secret = { type = "kv", options = { version = "2" } }
  who.vault.capabilities = function(path) return path:find "^secret/" and { "deny" } or { "root" } end
  local ok, raised = pcall(run, who, { arguments = { lock = "vault:secret/data/cmek" } })
  test.equal(ok, false)
  test.contains(raised.next, 'path "secret/data/cmek/rotation-of-orders-0f2c6e9d41b7" { capabilities = ["create", "read", "update"] }')
end

test["keys of KMS are rotated with a lock where one is named, and else Vault is not asked"] = function()
  local vault = require "sim.vault.state"
  local who = operators.open { environment = { VAULT_ADDR = "http://127.0.0.1:8200", VAULT_TOKEN = vault.ROOT_TOKEN } }
  operators.run(who, "console", { arguments = { enable = "true" } })
  who.world.now = who.world.now + 30 * DAY
  local log = operators.log(who)
  done(beside(who), { arguments = { to = "2" } })
  for _, line in ipairs(log) do test.truthy(not line:find "^vault ", line) end
  done(beside(who), { arguments = { to = "3", lock = "vault:secret/data/cmek" } })
  test.equal(entry(who).state, "free")
end

test["a version that somebody has made between plan and run is the one that is wanted: Vault is not rotated once more"] = function()
  local who, rotations = simulated(), 0
  local keys = who.simulation.state.vault.namespaces[""].mounts["transit/"].data.keys
  who.simulation.on_request = function(request)
    if request.operation == "transit/WriteRotate" then rotations = rotations + 1 end
    local key = keys[names.vault_key(operators.CLUSTER, "us-east-1")]
    if request.operation ~= "kv/WriteData" or key.latest_version > 1 then return end   -- the lock, which is taken after the plan
    key.versions["2"] = { id = ("5"):rep(32), creation_time = math.floor(who.world.now) }
    key.latest_version = 2
  end
  done(who)
  test.equal({ rotations, keys[names.vault_key(operators.CLUSTER, "us-east-1")].latest_version }, { 2, 2 })   -- of the two other regions
end

test["four processes at once: one rotates, the others are told whose the lock is, or that it is done; Vault is rotated once"] = function()
  local outside = dofile "tests/outside.lua"
  local result = outside.simulated([[
    $CMEK run vault-transit --cluster orders-one --enable --yes --confirm orders-one >$D/made 2>&1 || { cat $D/made; exit 9; }
    rotate="$CMEK run rotate --cluster orders-one --yes --confirm orders-one --json"
    for i in 1 2 3 4; do ($rotate >$D/out$i 2>$D/err$i; echo $? >$D/status$i) & done; wait
    cat $D/status?; grep -h -o 'rotates the keys of cluster orders-one' $D/out? || true]])
  test.equal(result.status, 0)
  local statuses, told_of = result.output:match "^([%d\n]*)(.*)$"
  local _, done_of = statuses:gsub("0", "")
  local _, refused_of = statuses:gsub("1", "")
  test.truthy(done_of >= 1 and done_of + refused_of == 4, statuses)
  test.equal({ refused_of > 0, told_of ~= "" }, { refused_of > 0, refused_of > 0 })
  local rotations, aliases = 0, 0
  for _, request in ipairs(result.log) do
    rotations = rotations + (request.operation == "transit/WriteRotate" and request.status < 300 and 1 or 0)
    aliases = aliases + (request.operation == "CreateAlias" and request.status == 200 and 1 or 0)
  end
  test.equal({ rotations, aliases }, { 1, 2 })
end

test["a run that goes on at the Cloud alone gives the lock back where Vault can be asked, and else says how"] = function()
  for _, reachable in ipairs { true, false } do
    local who = simulated()
    who.simulation.choices = { first = 300, each = 10 }
    who.simulation.on_request = function(request)
      if request.operation ~= "UpdateCMEKSpec" then return end
      fault(who, "error service=cloud operation=GetCMEKClusterInfo code=INVALID_ARGUMENT status=400 count=1 message=no")
    end
    test.equal(select(2, run(who)), 5)
    who.simulation.on_request = nil
    who.journal:sync()
    local other = reachable and beside(who)
      or operators.beside(who, { who = who.simulation.accounts[1], environment = { VAULT_ADDR = "http://127.0.0.1:8200", VAULT_TOKEN = "hvs.gone" } })
    done(other, { entries = require("journal").read(who.disk.text) })
    test.equal({ reachable, entry(who).state }, { reachable, reachable and "free" or "held" })
    if not reachable then test.contains(told(other), "vault kv put -mount=secret cmek/rotation-of-orders-0f2c6e9d41b7 state=free") end
  end
end
