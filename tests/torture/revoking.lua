-- The story of a cluster that is kept from its keys by one or two, and let to them again by as many, while luck is bad; and what must be true.
local json = require "json"
local names = require "names"

local M = {}

local MOMENT <const> = 400   -- seconds after which everything that was written is read as it was

local function role_of(scene) return ("arn:aws:iam::%s:role/%s"):format(scene.account, names.role(scene.cluster)) end

-- The claimed key of each region, as the services have it now: region, ID and policy.
local function keys_of(scene)
  local list = {}
  for i, region in ipairs(scene.regions) do
    local id = scene:claimed(region)
    for _, key in ipairs(scene.simulation.state.aws[scene.account].kms[region].keys) do
      if key.KeyId == id then list[i] = { region = region, id = id, policy = key.Policy } end
    end
  end
  return list
end

local function statuses(rest)
  local list = {}
  for i, region in ipairs(rest.cluster.cmek.region_infos) do list[i] = region.status end
  return table.concat(list, " ")
end

-- Read plainly: the statement of cmek's, and the document without it. What cmek itself makes of a policy is not asked.
local function taken_apart(text)
  local document, deny = json.decode(text), nil
  for at = #document.Statement, 1, -1 do
    if document.Statement[at].Effect == "Deny" then deny = table.remove(document.Statement, at) end
  end
  return deny, json.encode(document)
end

local function denies(text, role)
  local deny = taken_apart(text)
  local actions = deny and table.concat(deny.Action, " ") or ""
  return deny ~= nil and deny.Condition.ArnEquals["aws:PrincipalArn"] == role and actions:find "kms:Decrypt" ~= nil
end

-- The first key that does not deny the role, or still does.
local function not_denied(scene, wanted)
  for _, key in ipairs(keys_of(scene)) do
    if denies(key.policy, role_of(scene)) ~= wanted then return key.region .. " " .. key.policy end
  end
end

-- Beside the Deny each policy is as it was.
local function changed(scene, before)
  for i, key in ipairs(keys_of(scene)) do
    local _, now = taken_apart(key.policy)
    local _, then_ = taken_apart(before[i].policy)
    if now ~= then_ then return ("%s: %s was %s"):format(key.region, now, then_) end
  end
end

-- The Cloud is told when every key denies the role, and not before.
local function watch(scene, early)
  local seen = scene.simulation.on_request
  scene.simulation.on_request = function(entry)
    seen(entry)
    if entry.operation == "UpdateCMEKStatus" and entry.status == 200 then early[#early + 1] = not_denied(scene, true) end
  end
end

-- Somebody gives a statement of theirs to a key.
local function meddle(scene)
  local region = scene.regions[scene.chance:below(#scene.regions)]
  local id = scene:claimed(region)
  local document = json.decode(scene:as_colleague("kms", "GetKeyPolicy", region, { KeyId = id, PolicyName = "default" }).Policy)
  table.insert(document.Statement, { Sid = "Colleague", Effect = "Allow", Principal = { AWS = ("arn:aws:iam::%s:root"):format(scene.account) },
    Action = "kms:DescribeKey", Resource = "*" })
  scene:as_colleague("kms", "PutKeyPolicy", region, { KeyId = id, PolicyName = "default", Policy = json.encode(document) })
  scene:say("a colleague changes the policy in %s", region)
end

local function act(scene, recipe)
  scene:bad_luck()
  local operators = {}
  for number = 1, scene.chance:chance(0.5) and 2 or 1 do
    operators[number] = scene:operator { name = ("%s-%d"):format(recipe, number), goal = "run", recipe = recipe }
  end
  scene:live(operators, 20)
  scene:good_luck()
  scene:recover(operators)
  scene:drain()
  scene.world.now = scene.world.now + MOMENT
  scene:let_cloud_work()
end

--- Plays it.
---@param scene table  in which the cluster has its keys enabled
function M.play(scene)
  scene.world.now = scene.world.now + MOMENT
  local before, early = keys_of(scene), {}
  watch(scene, early)
  act(scene, "revoke")
  scene:judge {
    { "a revoked cluster is kept from every key", function() return not_denied(scene, true) end },
    { "the Cloud is told after every key denies the role", function() return early[1] end },
    { "the Cloud says that it is revoked", function(rest)
      return statuses(rest) ~= ("REVOKED "):rep(#scene.regions):sub(1, -2) and statuses(rest) or nil
    end },
    { "a policy is as it was beside the Deny", function() return changed(scene, before) end },
  }
  meddle(scene)
  scene.world.now = scene.world.now + MOMENT
  before = keys_of(scene)
  act(scene, "restore")
  scene:judge {
    { "a restored cluster is let to every key", function() return not_denied(scene, false) end },
    { "a policy is as it was before the Deny", function() return changed(scene, before) end },
    { "only support ends a revocation", function(rest) return not statuses(rest):find "^REVOKED" and statuses(rest) or nil end },
  }
end

return M
