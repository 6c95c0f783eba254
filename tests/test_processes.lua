-- Eight real processes at once on one cluster, each started a little after the one before: one role, and one claimed key a region. Those that
-- rotate stand with rotate's own sentences.
local file = require "file"
local json = require "json"
local names = require "names"
local operators = dofile "tests/operator.lua"
local outside = dofile "tests/outside.lua"

local EIGHT <const> = [[%s
  for i in 1 2 3 4 5 6 7 8; do
    CMEK_STATE_DIR=$D/of$i $CMEK %s --yes --confirm orders --json >$D/out$i 2>$D/err$i & sleep 0.05
  done; wait
  grep -L '"status": *"done"' $D/out? | xargs -r cat]]

-- What is there afterwards: the cluster's roles, and by region its claimed keys and the others that bear its tags and are not set aside.
local function stands(state)
  local roles, claimed, loose = 0, {}, {}
  for _, account in pairs(state.aws) do
    for _, role in ipairs(account.iam.roles) do roles = roles + (role.RoleName == names.role(operators.CLUSTER) and 1 or 0) end
    for region, place in pairs(account.kms) do
      local held = {}
      for _, alias in ipairs(place.aliases) do
        if names.generation(operators.CLUSTER, alias.AliasName) then
          held[alias.TargetKeyId], claimed[region] = true, (claimed[region] or 0) + 1
        end
      end
      for _, key in ipairs(place.keys) do
        local tags = {}
        for _, tag in ipairs(key.Tags or {}) do tags[tag.TagKey] = tag.TagValue end
        local aside = tags[names.TAG_STATE] == names.LOST_RACE and key.KeyState == "Disabled"
        local sound = held[key.KeyId] and key.KeyState == "Enabled" or not held[key.KeyId] and aside
        if tags[names.TAG_CLUSTER] and not sound then loose[#loose + 1] = key.Arn end
      end
    end
  end
  return { roles, claimed, loose }
end

local function eight(before, command)
  local directory = test.directory()
  local sim = { "--state", directory .. "/state.json", "--latency", "0.02" }
  local result = outside.simulated(EIGHT:format(before, command), { sim = sim, directory = directory })
  test.equal({ result.status, result.output }, { 0, "" })
  local state = json.decode(file.read(directory .. "/state.json", 16 << 20))
  local cmek
  for _, cluster in ipairs(state.cloud.clusters) do cmek = cluster.name == "orders" and cluster.cmek or cmek end
  return stands(state), cmek, result
end

local REGIONS <const> = { ["us-east-1"] = 1, ["us-west-2"] = 1, ["eu-west-1"] = 1 }
local CONSOLE <const> = "$CMEK run console --cluster orders %s --yes --confirm orders >/dev/null 2>&1 || exit 9"

test["eight that make one key with its replicas and enable CMEK end with one of each"] = function()
  local there, cmek, result = eight("", "run console --cluster orders --layout replica --enable")
  test.equal({ there, cmek.status }, { { 1, REGIONS, {} }, "ENABLED" })
  local accepted = 0
  for _, entry in ipairs(result.log) do accepted = accepted + (entry.operation == "EnableCMEKSpec" and entry.status == 200 and 1 or 0) end
  test.equal(accepted, 1)
end

test["eight that add the same regions add them once, with one key each"] = function()
  local there, cmek = eight(CONSOLE:format "--enable", "run add-region --cluster orders --add eu-central-1=3 --add ap-southeast-2=3")
  local regions = { ["eu-central-1"] = 1, ["ap-southeast-2"] = 1 }
  for name, count in pairs(REGIONS) do regions[name] = count end
  test.equal({ there, #cmek.region_infos }, { { 1, regions, {} }, 5 })
end
