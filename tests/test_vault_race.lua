-- Making and destroying in the same moment, with a Vault that keeps the copy: KMS shows late what was made, and no key is used whose copy is gone.
local crypto = require "crypto"
local json = require "json"
local names = require "names"
local operators = dofile "tests/operator.lua"
local vault_state = require "sim.vault.state"

local RECIPE <const> = "vault-transit"
local ONE <const> = { name = "orders-one", id = "5e0c94f3-27ab-4d18-8c66-91d3b7a2e5f4" }
local REGION <const> = "us-east-1"
local MINE <const> = names.vault_key(ONE, REGION)

local ENVIRONMENT <const> = { VAULT_ADDR = "http://127.0.0.1:8200", VAULT_TOKEN = vault_state.ROOT_TOKEN }

local function open() return operators.open { environment = ENVIRONMENT, confirm = ONE.name } end
local function again(who)
  return operators.beside(who, { who = who.simulation.accounts[1], environment = ENVIRONMENT, confirm = ONE.name })
end

local function run(who, options)
  options = options or {}
  options.arguments = { cluster = ONE.name }
  return operators.run(who, RECIPE, options)
end

local function transit(who) return who.simulation.state.vault.namespaces[""].mounts["transit/"].data.keys end
local function place(who) return who.simulation.state.aws[operators.ACCOUNT].kms[REGION] end

-- Calls fn once, when a request of this name has been answered.
local function on(who, operation, fn)
  local done = false
  who.simulation.on_request = function(entry)
    if entry.operation ~= operation or done then return end
    done = true
    fn()
  end
end

local function fault(who, text) table.insert(who.simulation.faults, require("sim.faults").read(text)) end

-- Somebody deletes the transit key; and makes one of that name.
local function delete(who) transit(who)[MINE] = nil end
local function make_anew(who)
  local old = transit(who)[MINE]
  transit(who)[MINE] = setmetatable({ versions = { ["1"] = { id = ("6"):rep(32), creation_time = math.floor(who.world.now) + 1 } } },
    { __index = old })
end

-- The one claimed key, which holds what Vault has; the others are set aside.
local function whole(who, others)
  local claimed, aside = nil, 0
  for _, key in ipairs(place(who).keys) do
    if key.KeyId == place(who).aliases[1].TargetKeyId then claimed = key end
    for _, tag in ipairs(key.Tags) do
      if tag.TagKey == names.TAG_STATE and tag.TagValue == names.LOST_RACE then aside = aside + 1 end
    end
  end
  local version = transit(who)[MINE].versions["1"]
  test.equal({ #place(who).aliases, claimed.KeyState, aside }, { 1, "Enabled", others })
  test.truthy(claimed.KeyMaterials[1]._bytes == (version._bytes or crypto.hmac_sha256("simulated key material", version.id)))
end

local function told(who)
  local list = {}
  for _, event in ipairs(who.events) do
    if event.kind == "warning" then list[#list + 1] = event.text end
  end
  return table.concat(list, "\n")
end

-- Destroying ---------------------------------------------------------------------------------------------------------------

-- A transit key that no KMS key has the material of, and a destroying of it; fn happens when its deletion has been allowed.
local function destroying(fn)
  local who = open()
  test.equal(select(2, run(who)), 0)
  place(who).keys, place(who).aliases = json.array {}, json.array {}
  who.world.now = who.world.now + 1000
  on(who, "transit/WriteConfig", function() fn(who) end)
  local report, status = run(again(who), { mode = "destroy", run_id = "run-2" })
  return who, report, status
end

test["a KMS key that is made while destroying, and that KMS shows late, keeps the transit key"] = function()
  local who, report, status = destroying(function(who)
    fault(who, "stale service=kms operation=ListKeys")
    who.simulation:call { principal = { arn = "arn:aws:iam::210987654321:root", account = operators.ACCOUNT, kind = "root" }, service = "kms",
      operation = "CreateKey", region = REGION, parameters = { Tags = json.array { { TagKey = names.TAG_MATERIAL,
        TagValue = ("transit/%s:1"):format(MINE) } } } }
  end)
  test.equal({ status, transit(who)[MINE] and transit(who)[MINE].deletion_allowed }, { 5, false })
  test.contains(report.error.message, "has its material")
end

test["one that a run protects again while it is being destroyed stays; one that nobody protects goes"] = function()
  local who, report, status = destroying(function(who)
    who.world:after(20, function() transit(who)[MINE].deletion_allowed = false end)
  end)
  test.equal({ status, transit(who)[MINE] ~= nil }, { 5, true })
  test.contains(report.error.message, "a run protects it from deletion again")
  who, report, status = destroying(function() end)
  test.equal({ status, report.error, who.simulation.state.vault.namespaces[""].mounts["transit/"] }, { 0, nil, nil })
end

-- Making -------------------------------------------------------------------------------------------------------------------

test["a key whose copy in Vault goes while its material is imported is set aside before it has the alias; resume makes another one"] = function()
  for words, change in require("sorted") { deleted = delete, ["made anew"] = make_anew } do
    local who = open()
    on(who, "ImportKeyMaterial", function() change(who) end)
    local report, status = run(who)
    test.equal({ words, status, #place(who).aliases, place(who).keys[1].KeyState }, { words, 5, 0, "Disabled" })
    test.contains(report.error.message, "somebody destroys what this run makes")
    test.contains(told(who), place(who).keys[1].Arn)
    who.simulation.on_request = nil
    who.journal:sync()
    report, status = run(again(who), { entries = require("journal").read(who.disk.text) })
    test.equal({ words, status, report.error }, { words, 0, nil })
    whole(who, 1)
  end
end

test["a deletion that was allowed meanwhile is forbidden again before the key has the alias"] = function()
  local who, at_alias = open(), nil
  on(who, "ImportKeyMaterial", function()
    transit(who)[MINE].deletion_allowed = true
    on(who, "CreateAlias", function() at_alias = transit(who)[MINE].deletion_allowed end)
  end)
  test.equal({ select(2, run(who)), at_alias }, { 0, false })
  whole(who, 0)
end

test["a resumed run does not claim the alias for a key that an earlier process filled from a copy that is gone"] = function()
  for change, aside in pairs { [make_anew] = 1, [function() end] = 0 } do   -- either order
    local who = open()
    on(who, "ImportKeyMaterial", function() error("the process is gone", 0) end)
    pcall(run, who)
    who.simulation.on_request = nil
    who.journal:sync()
    change(who)
    who.world.now = who.world.now + 400
    local entries = require("journal").read(who.disk.text)
    test.equal({ select(2, run(again(who), { entries = entries })), #place(who).aliases }, { aside == 1 and 5 or 0, 1 - aside })
    if aside == 1 then test.equal(select(2, run(again(who), { run_id = "run-3" })), 0) end
    whole(who, aside)
  end
end
