--- A layout at work: roles and keys are made by the recipe's own functions, once each, and every region gets its pair.
---@class engine.Layout
---@field layout layout.Layout
---@field entries { region: string, arn: any, role: table, key: table }[]?  what came of it, for the plan's drawing
local Layout = { __name = "engine.Layout" }
Layout.__index = Layout

local calls = require "engine.calls"
local elsewhere = require "engine.account.elsewhere"
local failure = require "engine.failure"
local json = require "json"
local layouts = require "layout"
local policies = require "policy"
local reach = require "engine.account.reach"
local unknown = require "unknown"

local M = {}

-- Accounts ---------------------------------------------------------------------------------------------------------

local function fail(self, text, ...)
  local message = text:format(...)
  failure.raise({ code = "precondition", exit = "usage", what = ("reading the layout '%s'"):format(self.layout.name), message = message },
    "layout.wrong", { wrong = message })
end

-- The account that a place's profile or role leads to; nil where it names none.
local function reached_by(self, place)
  if not (place.profile or place.role_arn) then return nil end
  local engine = self.engine
  local identity = engine.context:once("account of " .. (place.profile or place.role_arn), function()
    return elsewhere.session(engine, place):identity()
  end)
  if identity.account == self.account then return nil end
  reach.add(engine, place)
  return { id = identity.account, profile = place.profile, role_arn = place.role_arn }
end

-- Whose a thing of a place is: nil for the credentials' own account. One of an account that nothing reaches has its ID alone.
local function whose(self, reached, arn)
  local id = reach.id(arn)
  if not id or id == self.account then return nil end
  if reached and reached.id == id then return reached end
  return { id = id }
end

-- An entry whose profile leads to an account that neither its key nor its role is of was mistaken for another. A key without an ARN is of
-- the account that it leads to.
local function check_reached(self, place, reached)
  local ids = { reach.id(place.arn) or false, reach.id(place.role) or false }
  local made = place.kind == "key" and not place.arn
  if not reached or made or not (ids[1] or ids[2]) or ids[1] == reached.id or ids[2] == reached.id then return end
  fail(self, "%s: %s leads to account %s, and %s is of account %s", place.region, place.profile and "profile " .. place.profile or place.role_arn,
    reached.id, place.arn or place.role, ids[1] or ids[2])
end

local function settle_accounts(self)
  local by_region = {}
  for _, place in ipairs(self.layout.places) do
    local reached = reached_by(self, place)
    check_reached(self, place, reached)
    by_region[place.region] = place
    place.key_account = whose(self, reached, place.arn)
    if not place.arn and place.kind == "key" then place.key_account = reached end
    place.role_account = whose(self, reached, place.role)
  end
  for _, place in ipairs(self.layout.places) do
    if place.of then place.key_account = by_region[place.of].key_account end
  end
end

-- What the recipe does not do is refused before anything is made.
local function check_limits(self, without)
  for _, place in ipairs(self.layout.places) do
    if without.replicas and place.kind == "replica" then
      fail(self, "%s is to have a replica, and the recipe '%s' makes none: %s", place.region, self.engine.recipe.name, without.replicas)
    end
    if without.existing and place.arn then
      fail(self, "%s is to have a key that is there, and the recipe '%s' uses none: %s", place.region, self.engine.recipe.name, without.existing)
    end
    local elsewhere_too = place.profile or place.role_arn or place.arn and reach.id(place.arn) ~= self.account
    if without.accounts and elsewhere_too then
      fail(self, "%s is to have a key of another account, and the recipe '%s' works in one: %s", place.region, self.engine.recipe.name,
        without.accounts)
    end
  end
end

-- The layout that the cluster's keys in use have, for whom nobody has named one; nil where that is a key a region, or cannot be asked.
local function in_use(engine, cluster)
  if engine.session.facts or not engine.touched.cloud then return nil end
  local ok, given = pcall(require("engine.key.existing").given, engine.context, cluster)
  if not ok or given == nil then return nil end   -- preflight, or the cluster's own checks, tell of it
  local what = type(given) == "table" and "in a mapping of its own" or ("in the layout '%s'"):format(given)
  engine.context:warn(("the cluster uses its keys %s, which is gone on with; another one would be a rotation"):format(what))
  return given, "in use"
end

--- The layout of a recipe's cluster. Regions that are in it and not the cluster's can be talked to from here on.
---@param engine table
---@param cluster table
---@param given string|table|nil
---@param without { replicas: string?, accounts: string?, existing: string? }?  what the recipe does not do, and why
---@return engine.Layout
function M.of(engine, cluster, given, without)
  local name
  if engine.spec then given = nil elseif not given then given, name = in_use(engine, cluster) end   -- a hand-over has its keys and roles
  local layout = layouts.of(cluster, given, engine.session.partition, name)
  for _, place in ipairs(layout.places) do
    if place.key_region ~= place.region then engine.session.door:region(place.key_region) end
  end
  local self = setmetatable({ engine = engine, layout = layout, cluster = cluster }, Layout)
  if given then
    self.account = engine.context:identity().account
    check_limits(self, without or {})
    settle_accounts(self)
  end
  engine.layout, engine.context.layout = self, layout
  return self
end

-- What nothing leads to cannot be looked at, which verify tells.
local function unseen(self, id, arn, region)
  self.engine:found { id = id, severity = "unknown", object = arn, region = region,
    have = ("it is of account %s, which no profile or role_arn of the layout leads to"):format(reach.id(arn)) }
end

-- Roles ------------------------------------------------------------------------------------------------------------

-- A role of such an account.
local function role_unseen(self, arn)
  if self.engine.phase == "verify" then unseen(self, "role.exists", arn) end
  return { name = arn:match "[^/]+$", arn = arn, unreached = true }
end

--- The roles: each is made once, by the name that the layout has for it; nil for the cluster's own.
---@param make fun(name: string?, account: engine.Account?): table
---@return table<string, table> roles  by region
function Layout:roles(make)
  local by_name, roles = {}, {}
  for _, place in ipairs(self.layout.places) do
    local name = place.role or ""
    local there = reach.leads(place.role_account)
    by_name[name] = by_name[name] or there and make(place.role, place.role_account) or role_unseen(self, name)
    roles[place.region] = by_name[name]
  end
  return roles
end

-- Keys -------------------------------------------------------------------------------------------------------------

-- The regions that a key serves, and the ARNs of the roles that use it there.
local function served(layout, roles, place)
  local regions, arns, seen = {}, {}, {}
  for _, other in ipairs(layout.places) do
    local role = roles[other.region]
    if other == place or other.kind == "shared" and other.of == place.region then
      regions[#regions + 1] = other.region
      if not seen[role] then arns[#arns + 1] = role.arn end
      seen[role] = true
    end
  end
  return regions, #arns == 1 and arns[1] or arns
end

-- What the recipe is told of a key.
local function wanted(self, roles, place, primary)
  local regions, role = served(self.layout, roles, place)
  local near = #regions == 1 and regions[1] == place.key_region
  return { kind = place.kind, region = place.key_region, serves = not near and regions or nil, arn = place.arn, primary = primary,
    multi_region = place.multi_region, role = role, account = place.key_account }
end

-- A region's pair. What the recipe's function gave is handed over itself where it is of that region.
local function entry(place, key, role)
  if not unknown.is(key) and type(key) == "table" and key.region == place.region then
    key.role = key.role or role
    return key
  end
  local known = type(key) == "table" and not unknown.is(key)
  return { region = place.region, arn = known and key.arn or key, role = role, key = key }
end

-- A key of an account that nothing reaches: what those who administer it have to do is told.
local function unreached(self, roles, place)
  if self.engine.phase == "verify" then
    unseen(self, "key.exists", place.arn, place.region)
    return { region = place.key_region, arn = place.arn }
  end
  local _, role = served(self.layout, roles, place)
  local statement = policies.cmek { role = role, account = place.key_account.id }.Statement[1]
  self.engine.context:warn(("%s is of account %s, which no profile or role_arn of the layout reaches: it is not looked at. Those who administer it "
    .. "have to add this statement to its policy: %s"):format(place.arn, place.key_account.id, unknown.show(json.encode(statement))), place.region)
  return { region = place.key_region, arn = place.arn }
end

-- Across accounts a key's policy does not suffice: the role has to be allowed in its own.
local function let_use(self, roles)
  local list = {}
  for i, place in ipairs(self.layout.places) do
    list[i] = { role = roles[place.region], arn = self.entries[i].arn, account = place.role_account,
      key_account = (place.key_account or {}).id or self.account, role_account = (place.role_account or {}).id or self.account }
  end
  require("engine.account.role_uses").ensure(self.engine, self.cluster, list)
end

-- Whether the recipe makes roles, or looks at what another one makes.
local function makes(engine)
  if engine.phase == "verify" then return true end
  for _, step in ipairs(engine.steps) do
    if step.kind == "role" or step.kind == "key" then return true end
  end
  return false
end

--- The keys: those of their own first, then replicas of them.
---@param roles table<string, table>
---@param make fun(key: { kind: "key"|"replica", region: string, serves: string[]?, arn: string?, primary: table?, multi_region: boolean?,
---  role: any, account: engine.Account? }): table
---@return { region: string, arn: any, role: table }[]  one a region of the cluster
function Layout:keys(roles, make)
  local map, made = calls.tasks(self.engine.context).map, {}
  for _, kind in ipairs { "key", "replica" } do
    local places = {}
    for _, place in ipairs(self.layout.places) do
      if place.kind == kind then places[#places + 1] = place end
    end
    local keys = map(places, function(place)
      if not reach.leads(place.key_account) then return unreached(self, roles, place) end
      return make(wanted(self, roles, place, made[place.of]))
    end)
    for i, place in ipairs(places) do made[place.region] = keys[i] end
  end
  self.entries = {}
  for i, place in ipairs(self.layout.places) do
    self.entries[i] = entry(place, made[place.region] or made[place.of], roles[place.region])
  end
  if self.layout.asked and makes(self.engine) then let_use(self, roles) end
  return self.entries
end

--- The regions in which a key is made, each with a name of its own in Vault.
---@return { name: string }[]
function Layout:origins()
  local list = {}
  for _, place in ipairs(self.layout.places) do
    if place.kind == "key" then list[#list + 1] = { name = place.key_region } end
  end
  return list
end

-- Drawing ----------------------------------------------------------------------------------------------------------

-- What of a cluster stops when a key, or KMS in its region, is lost.
local function loss(layout, place, regions)
  local what = ("without the %s in %s, or KMS there, "):format(place.kind, place.key_region)
  if #layout.places == 1 then return what .. "no node of the cluster that restarts comes back" end
  if #regions == #layout.places then
    return what .. "no node of the cluster that restarts comes back: one key for all is the riskiest layout"
  end
  return ("%snodes of %s that restart do not come back; the other regions go on"):format(what, table.concat(regions, ", "))
end

local function losses(layout)
  local list, families = json.array {}, 0
  for _, place in ipairs(layout.places) do
    if place.kind ~= "shared" then
      local regions = {}
      for _, other in ipairs(layout.places) do
        if other == place or other.kind == "shared" and other.of == place.region then regions[#regions + 1] = other.region end
      end
      list[#list + 1] = { region = place.key_region, text = loss(layout, place, regions) }
      if place.kind == "key" and place.multi_region then families = families + 1 end
    end
  end
  if families > 0 then
    list[#list + 1] = { region = json.null, text = "replicas go on without their primary; until another one is made the primary (aws kms "
      .. "update-primary-region) KMS rotates none of them. Who has the material of one has that of all" }
  end
  return list
end

local function key_text(place, key)
  if place.arn then return place.arn end
  local arn = type(key.arn) == "string" and not unknown.has(key.arn) and key.arn
  return arn or unknown.show(unknown.text(key.arn))
end

--- The layout as a plan shows it; nil where nobody asked for one.
---@param engine table
---@return table?
function M.drawing(engine)
  local self = engine.layout
  if not self or not self.layout.asked or not self.entries or engine.mode == "destroy" then return nil end
  local regions = json.array {}
  for i, place in ipairs(self.layout.places) do
    local pair = self.entries[i]
    regions[i] = { region = place.region, kind = place.kind, of = place.of or json.null, key_region = place.key_region,
      key = key_text(place, pair), role = unknown.show(unknown.text(pair.role.arn)), slower = place.key_region ~= place.region }
  end
  return { name = self.layout.name, regions = regions, losses = losses(self.layout) }
end

return M
