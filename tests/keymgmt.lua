-- Operators beside a simulated Vault with its key management engine, for sentences about the recipe vault.
local json = require "json"
local names = require "names"
local operators = dofile "tests/operator.lua"
local vault_state = require "sim.vault.state"

local RECIPE <const> = "vault"

local function open(options)
  options = options or {}
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

local function tags(key)
  local map = {}
  for _, tag in ipairs(key.Tags) do map[tag.TagKey] = tag.TagValue end
  return map
end

local function keys_in(who, region)
  local place = who.simulation.state.aws[operators.ACCOUNT].kms[region]
  return place and place.keys or {}
end

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

local function fault(who, text) table.insert(who.simulation.faults, require("sim.faults").read(text)) end

local function sent(who, operation)
  who.journal:sync()
  local count = 0
  for _ in who.disk.text:gmatch(('"operation":"%s"'):format(operation)) do count = count + 1 end
  return count
end

-- A request to Vault by its administrator.
local function vault_call(who, method, path, body)
  local answer = require("sim.vault").handle(who.simulation, { method = method, target = "/v1/" .. path, body = body and json.encode(body) or "",
    headers = { { "X-Vault-Token", vault_state.ROOT_TOKEN } } }, {})
  test.truthy(answer.status < 300, answer.body)
  return answer.body ~= "" and json.decode(answer.body).data
end

local MINE <const> = "crdb-cmek-orders-one-91d3b7a2e5f4-us-east-1"

local function told(who)
  local list = {}
  for _, event in ipairs(who.events) do
    if event.kind == "warning" then list[#list + 1] = event.text end
  end
  return table.concat(list, "\n")
end

local function versions(who) return mount(who).data.kms[MINE].distributions[MINE].versions end

return {
  operators = operators, open = open, again = again, run = run, done = done, mount = mount, tags = tags,
  keys_in = keys_in, ONE = ONE, REGION = REGION, cluster_one = cluster_one, one = one, whole = whole, mortal = mortal,
  fault = fault, sent = sent, vault_call = vault_call, MINE = MINE, told = told, versions = versions
}
