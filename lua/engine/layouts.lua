--- A layout at work: roles and keys are made by the recipe's own functions, once each, and every region gets its pair.
---@class engine.Layout
---@field layout layout.Layout
---@field entries { region: string, arn: any, role: table, key: table }[]?  what came of it, for the plan's drawing
local Layout = { __name = "engine.Layout" }
Layout.__index = Layout

local calls = require "engine.calls"
local json = require "json"
local layouts = require "layout"
local unknown = require "unknown"

local M = {}

--- The layout of a recipe's cluster. Regions that are in it and not the cluster's can be talked to from here on.
---@param engine table
---@param cluster table
---@param given string|table|nil
---@return engine.Layout
function M.of(engine, cluster, given)
  if engine.spec then given = nil end   -- a hand-over has its keys and roles
  local layout = layouts.of(cluster, given, { partition = engine.session.partition, account = given and engine.context:identity().account })
  for _, place in ipairs(layout.places) do
    if place.key_region ~= place.region then engine.session.door:region(place.key_region) end
  end
  engine.layout = setmetatable({ engine = engine, layout = layout }, Layout)
  return engine.layout
end

--- The roles: each is made once, by the name that the layout has for it; nil for the cluster's own.
---@param make fun(name: string?): table
---@return table<string, table> roles  by region
function Layout:roles(make)
  local names, by_name, roles = {}, {}, {}
  for _, place in ipairs(self.layout.places) do
    local name = place.role or ""
    if not by_name[name] then
      by_name[name] = true
      names[#names + 1] = name
    end
  end
  for _, name in ipairs(names) do by_name[name] = make(name ~= "" and name or nil) end
  for _, place in ipairs(self.layout.places) do roles[place.region] = by_name[place.role or ""] end
  return roles
end

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
    multi_region = place.multi_region, role = role }
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

--- The keys: those of their own first, then replicas of them.
---@param roles table<string, table>
---@param make fun(key: { kind: "key"|"replica", region: string, serves: string[]?, arn: string?, primary: table?, multi_region: boolean?,
---  role: any }): table
---@return { region: string, arn: any, role: table }[]  one a region of the cluster
function Layout:keys(roles, make)
  local map, made = calls.tasks(self.engine.context).map, {}
  for _, kind in ipairs { "key", "replica" } do
    local places = {}
    for _, place in ipairs(self.layout.places) do
      if place.kind == kind then places[#places + 1] = place end
    end
    local keys = map(places, function(place) return make(wanted(self, roles, place, made[place.of])) end)
    for i, place in ipairs(places) do made[place.region] = keys[i] end
  end
  self.entries = {}
  for i, place in ipairs(self.layout.places) do
    self.entries[i] = entry(place, made[place.region] or made[place.of], roles[place.region])
  end
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
  if #regions == #layout.places and #regions > 1 then
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
