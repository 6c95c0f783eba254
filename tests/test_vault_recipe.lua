-- A recipe that touches Vault: its calls are steps, its token is nobody's but the client's, and what would be sent is shown.
local file = require "file"
local json = require "json"
local operator = dofile "tests/operator.lua"

local RECIPE <const> = [[
local a_key = resource {
  kind = "a_key", actions = { vault = { "TransitReadKey", "TransitCreateKey" } },
  name = function(want) return want.name end,
  find = function(want) return vault.transit_read_key { mount = "transit", name = want.name } end,
  differences = function() return {} end,
  create = function(want)
    vault.transit_create_key { mount = "transit", name = want.name, type = "aes256-gcm96" }
    return vault.transit_read_key { mount = "transit", name = want.name }
  end,
}

return {
  api = 1, summary = "a transit key", args = { { "cluster", "the cluster" }, { "key", "its name", default = "k" } }, touches = { "cloud", "vault" },
  run = function(arg) return ensure(a_key, { cluster = read("cluster", arg.cluster), name = arg.key }) end,
}
]]

--- An operator beside whom a Vault with one transit mount stands; seen lists what reached it.
local function open(environment)
  local seen, keys = {}, {}
  local function vault(wire)
    local token
    for _, header in ipairs(wire.headers) do token = header[1] == "X-Vault-Token" and header[2] or token end
    seen[#seen + 1] = ("%s %s %s"):format(wire.method, wire.target, token or "-")
    local name = wire.target:match "^/v1/transit/keys/(.*)$"
    local function answer(status, body) return { status = status, headers = {}, body = body and json.encode(body) or "" } end
    if wire.target:find "login" then return answer(200, { auth = { client_token = "hvs.made-up-login", lease_duration = 3600 } }) end
    if not name then return answer(wire.method == "POST" and 204 or 200, wire.method == "GET" and { data = { ttl = 0 } } or nil) end
    if wire.method == "POST" then keys[name] = json.decode(wire.body).type end
    if not keys[name] then return answer(404, { errors = json.array {} }) end
    return answer(200, { data = { name = name, type = keys[name] } })
  end
  local who = operator.open { environment = environment, network = function(_, request)
    if request.url:find("127.0.0.1:8200", 1, true) then return { instead = vault } end
  end }
  local path = test.directory() .. "/transit.lua"
  assert(file.write(path, RECIPE))
  return who, path, seen
end

local TOKEN <const> = { VAULT_TOKEN = "hvs.made-up-token" }

test["its kinds plan, run and find nothing to do afterwards, and the journal has the write without the token"] = function()
  local who, path, seen = open(TOKEN)
  local report, status = operator.run(who, path, { mode = "plan" })
  test.equal({ status, report.summary.create, #seen }, { 0, 1, 2 })
  report, status = operator.run(who, path)
  test.equal({ status, report.run.status, report.steps[1].result }, { 0, "done", "done" })
  test.equal(operator.run(who, path, { mode = "plan" }).summary.unchanged, 1)
  local text = who.disk.text .. who.disk.queued
  test.contains(text, '"operation":"TransitCreateKey"')
  test.equal(text:find("hvs.", 1, true), nil)
end

test["plan --requests shows what would be sent to Vault, and sends none of it"] = function()
  local who, path, seen = open(TOKEN)
  local report = operator.run(who, path, { mode = "plan", requests = true })
  local request = report.requests[1]
  test.equal({ request.service, request.operation, request.method, request.path, request.parameters },
    { "vault", "TransitCreateKey", "POST", "transit/keys/k", { type = "aes256-gcm96" } })
  for _, line in ipairs(seen) do test.equal(line:match "^%u+", "GET") end
end

test["a recipe that does not say that it touches Vault, and a kind that does not name the operation, do not get there"] = function()
  local who, path, seen = open(TOKEN)
  local text = file.read(path)
  assert(file.write(path, (text:gsub('{ "cloud", "vault" }', '{ "cloud" }'))))
  test.raises(function() operator.run(who, path, { mode = "plan" }) end, "its actions name 'vault', and the recipe's touches do not")
  assert(file.write(path, (text:gsub('"TransitReadKey", ', ""))))
  test.raises(function() operator.run(who, path, { mode = "plan" }) end, "its actions do not name TransitReadKey")
  test.equal(#seen, 0)
end
