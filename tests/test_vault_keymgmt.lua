-- The recipe vault: keys that Vault's key management engine makes in KMS, through the real door and client, against the simulated Vault and KMS.
local crypto = require "crypto"
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

local function keys_in(who, region) return who.simulation.state.aws[operators.ACCOUNT].kms[region].keys end

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

-- Another process ------------------------------------------------------------------------------------------------------

test["another operator finds the same chain"] = function()
  local who = open()
  done(who)
  test.equal(done(again(who), { run_id = "run-2" }).summary.unchanged, 14)
end
