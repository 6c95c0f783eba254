--- What `cmek recipes new` writes: a recipe that runs as it is, and its sentences.
local M = {}

local RECIPE <const> = [[
--- NAME: a role for a cluster. Written to be changed; cmek help writing says what a recipe may do.
return {
  api     = 1,
  summary = "A cross-account role for the cluster, with a tag",
  args    = {   -- each is a flag: --cluster, --team
    { "cluster", "name, UUID or console URL of the cluster" },
    { "team",    "who is asked about the role", default = "platform" },
  },
  touches = { "cloud", "iam" },   -- the services that it calls; others are refused

  run = function(arg)
    local organization, cluster = cloud.organization(), read("cluster", arg.cluster)
    preflight(cluster)

    -- What shall be there: made when it is missing, put right when it differs, else left alone.
    local role = ensure("role", { cluster = cluster, tags = { "team=" .. arg.team },
      trust = policy.cross_account { account_id = cluster.account_id, external_id = organization.id } })

    say("the role is " .. role.arn)
  end,
}
]]

local SENTENCES <const> = [[
-- The sentences of NAME.lua. Each runs against simulated services of its own: cmek recipes test FILE

test["makes the role, and makes it once"] = function()
  local first = run { cluster = "orders", team = "data" }
  equal(first.exit, 0)
  equal(first:count "CreateRole", 1)
  local second = run { cluster = "orders", team = "data" }
  equal(second.exit, 0)
  equal(second:count "CreateRole", 0)
end

test["a plan says what would be made and makes nothing"] = function()
  local result = plan { cluster = "orders" }
  equal(result.summary.create, 1)
  equal(result:writes(), 0)
end

test["the role is made also when IAM asks to come again"] = function()
  local result = run({ cluster = "orders" }, { faults = { "throttle service=iam operation=CreateRole count=1" } })
  equal(result.exit, 0)
end

test["verify has no findings afterwards"] = function()
  run { cluster = "orders" }
  equal(#verify { cluster = "orders" }.findings, 0)
end
]]

--- The texts of a new recipe and of its sentences.
---@param name string  "notify"
---@return string recipe, string sentences
function M.texts(name)
  local function fill(text) return (text:gsub("NAME", function() return name end)) end
  local file = name .. ".lua"
  return fill(RECIPE), (fill(SENTENCES):gsub("test FILE\n", function() return "test ./" .. file .. "\n" end, 1))
end

return M
