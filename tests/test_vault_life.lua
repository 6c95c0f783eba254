-- How long a token of Vault is needed: for the writes, renewed meanwhile, and not for the hours in which the Cloud enables. In simulated time.
local json = require "json"
local operator = dofile "tests/operator.lua"
local state = require "sim.vault.state"

local ADDRESS <const> = "http://127.0.0.1:8200"
local POLICY <const> = [[
path "sys/mounts/transit" { capabilities = ["create", "update"] }
path "transit/*" { capabilities = ["create", "read", "update", "list"] }
]]

--- An operator beside a whole simulated Vault, which is asked in `here.asked`: { operation, seconds since the beginning, status }.
local function open(options)
  local here = { asked = {}, told = {} }
  local who
  options.environment = options.environment or {}
  options.environment.VAULT_ADDR = ADDRESS
  options.listener = function(event) here.told[#here.told + 1] = event.text end
  who = operator.open(options)
  function here.put(path, body, token)
    local answer = who.simulation:handle { method = "POST", target = "/v1/" .. path, body = json.encode(body),
      headers = { { "Host", "127.0.0.1:8200" }, { "X-Vault-Token", token or state.ROOT_TOKEN } } }
    assert(answer.status < 300, answer.body)
    return answer.body ~= "" and json.decode(answer.body) or nil
  end
  here.put("sys/policies/acl/cmek", { policy = POLICY })
  here.who, here.began = who, who.world.now
  who.simulation.on_request = function(entry)
    if entry.service == "vault" then here.asked[#here.asked + 1] = { entry.operation, who.world.now - here.began, entry.status } end
  end
  return here
end

local function with_login(user, sim)
  local here = open { vault_auth = "userpass", sim = sim, environment = { VAULT_USERNAME = "me", VAULT_PASSWORD = "made-up-password" } }
  here.put("sys/auth/userpass", { type = "userpass" })
  user.password, user.token_policies = "made-up-password", "cmek"
  here.put("auth/userpass/users/me", user)
  here.asked = {}
  return here
end

local function times(here, operation)
  local list = {}
  for _, entry in ipairs(here.asked) do
    if entry[1] == operation then list[#list + 1] = entry[2] end
  end
  return list
end

local function last(here, want)
  local latest = -1
  for _, entry in ipairs(here.asked) do
    if want(entry) then latest = math.max(latest, entry[2]) end
  end
  return latest
end

local TWO_HOURS <const> = { choices = { first = 7200, each = 0 } }

local function run(here)
  local report, status = operator.run(here.who, "vault-transit", { arguments = { enable = true } })
  test.equal({ status, report.error, report.run.status }, { 0, nil, "done" })
  test.truthy(here.who.world.now - here.began > 7200)
end

test["a token that lasts two minutes is enough for a run whose enabling takes two hours"] = function()
  local home = test.directory()
  local here = open { sim = TWO_HOURS, environment = { HOME = home } }
  local auth = here.put("auth/token/create", { policies = { "cmek" }, ttl = "2m", explicit_max_ttl = "2m", renewable = false }).auth
  assert(require("file").write(home .. "/.vault-token", auth.client_token))
  run(here)
  test.truthy(last(here, function() return true end) < 120)
end

test["a login's token is renewed at half of its life while others work, as long as it may be, and revoked at the end"] = function()
  local here = with_login({ token_ttl = "20m", token_max_ttl = "24h" }, TWO_HOURS)
  run(here)
  local renewals = times(here, "token/WriteRenewSelf")
  test.truthy(#renewals >= 11 and #renewals <= 13, #renewals .. " renewals")
  test.equal({ #times(here, "userpass/WriteLogin"), #times(here, "token/WriteRevokeSelf") }, { 1, 1 })
  test.truthy(times(here, "token/WriteRevokeSelf")[1] > 7200)
  test.truthy(last(here, function(entry) return entry[1]:find "^transit/" ~= nil end) < 120)
end

test["a login whose token may not outlast the wait ends well all the same, and nobody is told of a token that has ended by itself"] = function()
  local here = with_login({ token_ttl = "2m", token_max_ttl = "5m" }, TWO_HOURS)
  run(here)
  test.equal(#times(here, "userpass/WriteLogin"), 1)
  test.truthy(last(here, function(entry) return entry[1] == "token/WriteRenewSelf" end) < 600)
  for _, text in ipairs(here.told) do test.equal(text:find("revoked", 1, true), nil) end
end
