-- CMEK as a colleague set it up by hand before anybody here came: role, keys with a statement of theirs, enabled.

local json = require "json"
local policies = require "policy"

local M = {}

M.SID = "Auditors"
local ROLE <const> = "orders-kms"
local SETTLED <const> = 900   -- seconds until everything of it is seen and enabled

local function cloud(scene, method, body)
  return scene.simulation:handle { method = method, target = ("/api/v1/clusters/%s/cmek"):format(scene.cluster.id),
    headers = { { "Authorization", "Bearer " .. scene.environment.COCKROACH_API_KEY }, { "Content-Type", "application/json" } }, body = body }
end

local function key(scene, account, region, role)
  local document = policies.cmek { role = role, account = account }
  table.insert(document.Statement, { Sid = M.SID, Effect = "Allow", Principal = { AWS = ("arn:aws:iam::%s:root"):format(account) },
    Action = "kms:DescribeKey", Resource = "*" })
  return scene.call("kms", "CreateKey", region, { Policy = policies.json(document) }).KeyMetadata
end

--- Sets it up. Time passes until it is settled.
---@param scene { simulation: table, world: table, cluster: table, environment: table, account: string, call: function }
---@return { role: string, keys: { region: string, id: string, arn: string }[] }
function M.set_up(scene)
  local trust = policies.cross_account { account_id = scene.cluster.account_id, external_id = scene.simulation.state.cloud.organization.id }
  local made = { role = scene.call("iam", "CreateRole", nil, { RoleName = ROLE, AssumeRolePolicyDocument = json.encode(trust) }).Role.Arn, keys = {} }
  scene.world.now = scene.world.now + SETTLED
  local specs = {}
  for i, region in ipairs(scene.cluster.regions) do
    local metadata = key(scene, scene.account, region.name, made.role)
    made.keys[i] = { region = region.name, id = metadata.KeyId, arn = metadata.Arn }
    specs[i] = { region = region.name, key_spec = { type = "AWS_KMS", uri = metadata.Arn, auth_principal = made.role } }
  end
  scene.world.now = scene.world.now + SETTLED
  local taken = cloud(scene, "POST", json.encode { region_specs = json.array(specs) })
  assert(taken.status == 200, taken.body)
  scene.world.now = scene.world.now + SETTLED
  assert(json.decode(cloud(scene, "GET").body).status == "ENABLED")
  return made
end

return M
