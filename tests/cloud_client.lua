--- A client of the simulated CockroachDB Cloud for tests, in a world whose clock they move and whose AWS is simulated too.
--- local cloud = dofile "tests/cloud_client.lua"
local json = require "json"
local client = dofile "tests/sim_client.lua"

local M = {}

M.ORGANIZATION = "0f4be3a2-6a1c-4d5e-9b7f-2c8d1e6a7f90"
M.ORDERS = "8b6d7a10-4c1e-4b7a-9a53-0f2c6e9d41b7"
M.CMEK = "/clusters/" .. M.ORDERS .. "/cmek"

--- Who may change CMEK, who may read clusters, who may read the organization alone.
M.KEY = "CCDB1_SIMULATEDSIMULATED0001_simulatedsimulatedsimulatedsimulated0001"
M.READER = "CCDB1_SIMULATEDSIMULATED0002_simulatedsimulatedsimulatedsimulated0002"
M.MEMBER = "CCDB1_SIMULATEDSIMULATED0003_simulatedsimulatedsimulatedsimulated0003"

local REGIONS <const> = { "eu-west-1", "us-east-1", "us-west-2" }

--- A world: tests/sim_client.lua's client of AWS, with the Cloud beside it.
function M.world(options)
  options = options or {}
  options.only = options.only or { aws = true, cloud = true }
  return client.new(options)
end

--- Sends a request to the Cloud; a second passes first (or more.pause), so that only tests of the rate limit meet it.
function M.ask(w, method, path, body, more)
  more = more or {}
  w.now = w.now + (more.pause or 1)
  local headers = more.headers or { { "Authorization", "Bearer " .. (more.key or M.KEY) } }
  for _, header in ipairs(more.add or {}) do headers[#headers + 1] = header end
  local response = w.simulation:handle { method = method, target = "/api/v1" .. path, headers = headers,
    body = type(body) == "table" and json.encode(body) or body or "" }
  local answer = { status = response.status, text = response.body, body = json.decode(response.body), headers = {}, response = response }
  for _, header in ipairs(response.headers) do answer.headers[header[1]] = header[2] end
  return answer
end

function M.get(w, path, more) return M.ask(w, "GET", path, nil, more) end

--- The answer must be this refusal.
function M.refused(answer, status, code, text)
  test.equal({ answer.status, answer.body.code, #answer.body.details }, { status, code, 0 })
  if text then test.contains(answer.body.message, text) end
end

function M.cluster(w, id) return M.get(w, "/clusters/" .. (id or M.ORDERS)).body end
function M.cmek(w, id) return M.get(w, ("/clusters/%s/cmek"):format(id or M.ORDERS)).body end

--- The state's own cluster, behind the service's back.
function M.inside(w, name)
  for _, one in ipairs(w.simulation.state.cloud.clusters) do
    if one.name == (name or "orders") then return one end
  end
end

--- A role that an account may assume with an external ID; its ARN.
function M.trusting_role(w, account, external_id)
  local trust = client.trust(("arn:aws:iam::%s:root"):format(account), external_id or M.ORGANIZATION)
  return w:role("crdb-cmek", { AssumeRolePolicyDocument = trust })
end

local ALL_FIVE <const> = '["kms:Encrypt","kms:Decrypt","kms:GenerateDataKey*","kms:DescribeKey","kms:ReEncrypt*"]'

--- A key policy: the role uses, the account administers.
function M.key_policy(role, actions)
  return ('{"Version":"2012-10-17","Statement":[{"Sid":"use","Effect":"Allow","Principal":{"AWS":"%s"},"Action":%s,"Resource":"*"},'
    .. '{"Sid":"admin","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::210987654321:root"},"Action":"kms:*","Resource":"*"}]}')
    :format(role, actions or ALL_FIVE)
end

--- A key that the role may use; its ARN.
function M.key(w, region, role, parameters)
  parameters = parameters or {}
  parameters.Policy = parameters.Policy or M.key_policy(role)
  return w:call("kms", "CreateKey", parameters, { region = region }).KeyMetadata.Arn
end

--- One region's specification.
function M.spec(region, uri, role, kind)
  return { region = region, key_spec = { type = kind or "AWS_KMS", uri = uri, auth_principal = role } }
end

--- A right role, a right key in each region of `orders`, and the specification for them.
---@return table body, table<string, string> keys, string role
function M.chain(w)
  local role, keys, specs = M.trusting_role(w, "571234890001"), {}, json.array {}
  for i, region in ipairs(REGIONS) do
    keys[region] = M.key(w, region, role)
    specs[i] = M.spec(region, keys[region], role)
  end
  return { region_specs = specs }, keys, role
end

--- A world in which `orders` has CMEK.
function M.enabled()
  local w = M.world()
  local body, keys, role = M.chain(w)
  test.equal(M.ask(w, "POST", M.CMEK, body).status, 200)
  w.now = w.now + 10
  test.equal(M.cmek(w).status, "ENABLED")
  return w, body, keys, role
end

return M
