-- The stories that a history may tell, each with its weight: who does what while luck is bad, and what must be true when everything
-- has come to rest. Without bad luck (calm) the first is told, up to where nothing is destroyed.

local invariants = dofile "tests/torture/invariants.lua"
local json = require "json"
local names = require "names"
local revoking = dofile "tests/torture/revoking.lua"

local M = {}

local ENABLE <const> = { enable = true }
local WEEK <const> = 7 * 86400
local MONTH <const> = 31 * 86400   -- in which KMS deletes what is scheduled

local function runners(scene, count, arguments)
  local list, recipe = {}, scene.adopted and "adopt" or nil
  for number = 1, count do
    list[number] = scene:operator { name = "operator-" .. number, goal = "run", recipe = recipe, arguments = arguments }
  end
  return list
end

local function destroyers(scene, count)
  local list = {}
  for number = 1, count do list[number] = scene:operator { name = "destroyer-" .. number, goal = "destroy" } end
  return list
end

local function one_or_two(scene) return not scene.calm and scene.chance:chance(0.5) and 2 or 1 end

-- Verify ---------------------------------------------------------------------------------------------------------------

local function findings(report)
  local list, seen = {}, {}
  for _, finding in ipairs(report.findings or {}) do
    local name = finding.id .. (type(finding.region) == "string" and " " .. finding.region or "")
    if not seen[name] then list[#list + 1] = name end
    seen[name] = true
  end
  table.sort(list)
  return table.concat(list, ", ")
end

-- What a colleague breaks, and what verify has to find then.
local BREAKS <const> = {
  { "key.state", "kms", "DisableKey" },
  { "key.rotation", "kms", "DisableKeyRotation" },
  { "key.tags", "kms", "UntagResource", { TagKeys = { names.TAG_RUN } } },
  { "role.permissions", "iam", "AttachRolePolicy", { PolicyArn = "arn:aws:iam::aws:policy/ReadOnlyAccess" } },
}

-- An imported key does not rotate; it can lose its material, and Vault the copy that it keeps.
local IMPORTED <const> = table.move(BREAKS, 3, 4, 3, { BREAKS[1], { "key.material", "kms", "DeleteImportedKeyMaterial" } })
local COPIED <const> = table.move(IMPORTED, 1, #IMPORTED, 4, { { "transit_key.exists", "vault" }, { "transit_key.kept", "vault" },
  { "transit_key.version", "vault" } })

local BREAKS_OF <const> = { wrapped = IMPORTED, exportable = COPIED,
  distributed = table.move(IMPORTED, 1, #IMPORTED, 2, { { "vault_key.kept", "vault" } }) }

local function shatter(scene)
  local breaks = scene.vault and BREAKS_OF[scene.vault.form] or BREAKS
  local case = breaks[scene.chance:below(#breaks)]
  local region = scene.regions[scene.chance:below(#scene.regions)]
  if case[2] == "vault" then
    scene:say("a colleague breaks %s in %s", case[1], region)
    scene.vault:shatter(case[1], region)
    return case[1] .. " " .. region
  end
  local parameters = {}
  for name, value in pairs(case[4] or {}) do parameters[name] = value end   -- order cannot be seen
  if case[2] == "kms" then parameters.KeyId = scene:claimed(region) end
  if case[2] == "iam" then parameters.RoleName = scene.adopted and scene.adopted.role:match "[^/]+$" or names.role(scene.cluster) end
  scene:say("a colleague breaks %s in %s", case[1], region)
  if not scene:as_colleague(case[2], case[3], region, parameters) then error("nothing was broken by " .. case[3]) end
  return case[2] == "kms" and case[1] .. " " .. region or case[1]
end

local function verify(scene, expected, invariant)
  local auditor = scene:operator { name = "auditor", goal = "verify", arguments = ENABLE }
  local status, report = scene:alone(auditor, "verify")
  local found = report.findings and findings(report) or json.encode(report.error or report)
  if found ~= expected or status ~= (expected == "" and 0 or 6) then
    scene:broken(invariant, ("found '%s', not '%s', status %d"):format(found, expected, status))
  end
end

-- The stories -------------------------------------------------------------------------------------------------------------

-- A chain in use cannot be destroyed, whatever is tried.
local function try_to_destroy(scene)
  local destroyer = destroyers(scene, 1)[1]
  local status, report = scene:alone(destroyer, "destroy")
  scene:judge(invariants.enabled)
  if status ~= 1 then scene:broken("what is in use is kept", ("status %d: %s"):format(status, json.encode(report.error or {}))) end
end

local function enable(scene)
  scene.machines_are_lost = not scene.calm and scene.turn:chance(0.15)
  scene:bad_luck()
  scene:colleagues()
  local operators = runners(scene, one_or_two(scene), ENABLE)
  scene:live(operators, 60)
  scene:good_luck()
  scene:recover(operators)
  scene:drain()
  scene:judge(invariants.enabled)
  scene.world.now = scene.world.now + 400   -- the tag index and everything else has caught up
  verify(scene, "", "verify finds nothing where all is well")
  if scene.calm then return end
  if scene.chance:chance(0.5) then
    verify(scene, shatter(scene), "verify finds exactly what is wrong")
  else
    try_to_destroy(scene)
  end
end

-- The same where CMEK was set up by hand: it is adopted first.
local function adopt(scene)
  scene:set_up_by_hand()
  enable(scene)
end

-- The journal of a run is copied to another machine and taken up there, whether its own process is dead or alive.
local function two_machines(scene)
  scene:bad_luck()
  local operators = runners(scene, 2, ENABLE)
  operators[2].copies = operators[1]
  scene:live(operators, 20, { [operators[2]] = 2.5 * scene.chance:uniform() })
  scene:good_luck()
  scene:recover(operators)
  scene:drain()
  scene:judge(invariants.enabled)
end

-- Another cluster names a key, in a status that says it is not in use.
local function let_name(scene)
  local region = scene.regions[scene.chance:below(#scene.regions)]
  local uri = ("arn:aws:kms:%s:%s:key/%s"):format(region, scene.account, scene:claimed(region))
  local status = scene.chance:chance(0.5) and "DISABLED" or "ENABLE_FAILED"
  scene:say("another cluster names %s, %s", uri, status)
  local cluster = scene:cluster_of "orders-public"
  cluster.cmek = { status = "ENABLED", region_infos = json.array { { region = region, status = "ENABLED", key_infos = json.array {
    { status = status, user_message = "", spec = { type = "AWS_KMS", uri = uri, auth_principal = "arn:aws:iam::345678901234:role/x" } } } } } }
end

local function destroying(scene)
  scene:bad_luck()
  local operators = destroyers(scene, one_or_two(scene))
  scene:live(operators, 8)
  scene:good_luck()
  scene:recover(operators, 120)
  scene:drain()
end

local function destroy(scene)
  scene:recover(runners(scene, 1))
  scene.world.now = scene.world.now + 400
  if scene.vault and scene.turn:chance(0.3) then scene.vault:store_another() end
  local named = scene.chance:chance(0.25)
  if named then let_name(scene) end
  destroying(scene)
  scene:judge(named and invariants.kept or scene.vault and scene.vault.form == "distributed" and invariants.emptied or invariants.destroyed)
  if not scene.vault or named or scene.vault.form == "distributed" then return end
  scene.world.now = scene.world.now + MONTH
  destroying(scene)
  scene:judge(invariants.emptied)
end

-- One makes and enables what the other destroys; often it is there already, and its use and its end begin in the same moment.
local function race(scene)
  if scene.chance:chance(0.6) then scene:recover(runners(scene, 1)) end
  if scene.chance:chance(0.5) then scene:bad_luck() end   -- without, the two are never far apart
  local maker, destroyer = runners(scene, 1, ENABLE)[1], destroyers(scene, 1)[1]
  scene:live({ maker, destroyer }, 20, { [maker] = 1.5 * scene.chance:uniform(), [destroyer] = 1.5 * scene.chance:uniform() })
  scene:good_luck()
  scene:recover({ destroyer }, 120)
  scene:recover { maker }
  scene:drain()
  scene:judge(invariants.enabled_after_all)
end

-- What verify has to find of versions that Vault has too many of: without an entry in KV nothing keeps two from rotating in the same moment.
local function surplus(scene, count)
  if count < 2 or not scene.vault or scene.vault.form ~= "distributed" or scene.vault.locks then return "" end
  local list, rest = {}, scene.vault:rest()
  for _, region in ipairs(scene.regions) do
    local key = rest.keys[names.vault_key(scene.cluster, region)]
    if key.versions[tostring(scene.generation + 1)] then list[#list + 1] = "vault_distribution.version " .. region end
  end
  table.sort(list)
  return table.concat(list, ", ")
end

-- One key for all regions, with replicas: made by up to four who do not know of each other, then kept from whoever would destroy it; or
-- taken back, before the cluster uses it.
local function replicate(scene)
  scene.arguments.layout = "replica"
  if scene.turn:chance(0.3) then
    scene:recover(runners(scene, 1))
    scene.world.now = scene.world.now + 400
    destroying(scene)
    return scene:judge(invariants.destroyed)
  end
  scene:bad_luck()
  scene:colleagues()
  local operators = runners(scene, scene.chance:below(4), ENABLE)
  scene:live(operators, 60)
  scene:good_luck()
  scene:recover(operators)
  scene:drain()
  scene:judge(invariants.replicated)
  scene.world.now = scene.world.now + 400
  verify(scene, "", "verify finds nothing where all is well")
  try_to_destroy(scene)
end

-- The next keys, by up to four who do not know of each other.
local function rotate(scene)
  scene:recover(runners(scene, 1, ENABLE))
  scene.world.now = scene.world.now + WEEK
  scene.generation = 2
  scene.machines_are_lost = scene.turn:chance(0.15)
  scene:bad_luck()
  scene:colleagues()
  local operators = {}
  for number = 1, scene.chance:below(4) do
    operators[number] = scene:operator { name = "rotator-" .. number, goal = "run", recipe = "rotate" }
  end
  scene:live(operators, 60)
  scene:good_luck()
  scene:recover(operators)
  scene:drain()
  scene:let_cloud_work()
  scene:judge(invariants.rotated)
  scene.world.now = scene.world.now + 400
  verify(scene, surplus(scene, #operators), "verify finds nothing where all is well")
end

local NEW <const> = { "ap-southeast-2", "sa-east-1" }

-- Which of them one operator adds: two regions in all cannot be.
local function wanted_regions(scene)
  local add = { NEW[1] .. "=3", NEW[2] .. "=3" }
  if #scene.regions >= 2 and scene.chance:chance(0.5) then table.remove(add, scene.chance:below(2)) end
  return add
end

-- The cluster grows, by up to four who do not know of each other, and who may want different regions.
local function add_region(scene)
  scene:recover(runners(scene, 1, ENABLE))
  scene.world.now = scene.world.now + WEEK
  scene.machines_are_lost = scene.turn:chance(0.15)
  scene:bad_luck()
  local operators = {}
  for number = 1, scene.chance:below(4) do
    operators[number] = scene:operator { name = "grower-" .. number, goal = "run", recipe = "add-region",
      arguments = { add = wanted_regions(scene) } }
  end
  scene:live(operators, 60)
  scene:good_luck()
  scene:recover(operators)
  scene:drain()
  scene:let_cloud_work()
  for _, operator in ipairs(operators) do scene:grown(operator.arguments.add) end
  scene:judge(invariants.grown)
  scene.world.now = scene.world.now + 400
  if scene.vault then scene:recover(runners(scene, 1, ENABLE)) end   -- what bad days did to the older keys in Vault
  verify(scene, "", "verify finds nothing where all is well")
end

local function revoke(scene)
  scene:recover(runners(scene, 1, ENABLE))
  revoking.play(scene)
end

local STORIES <const> = {
  { name = "enable", weight = 5, play = enable },
  { name = "adopt", weight = 1, play = adopt, of = "console" },
  { name = "two machines", weight = 1, play = two_machines },
  { name = "destroy", weight = 2, play = destroy },
  { name = "race", weight = 2, play = race },
  { name = "rotate", weight = 2, play = rotate },
  { name = "add-region", weight = 0, play = add_region },   -- told when it is named
  { name = "replica", weight = 0, play = replicate },
  { name = "revoke", weight = 0, play = revoke },
}

--- The story of a history.
---@param scene table
---@return { name: string, play: fun(scene: table) }
function M.choose(scene)
  if scene.calm then return STORIES[1] end
  local told, total = {}, 0
  for _, story in ipairs(STORIES) do
    if story.name == scene.wanted_story then return story end
    if not story.of or story.of == scene.recipe then
      told[#told + 1] = story
      total = total + story.weight
    end
  end
  local at = scene.turn:below(total)
  for _, story in ipairs(told) do
    at = at - story.weight
    if at <= 0 then return story end
  end
end

return M
