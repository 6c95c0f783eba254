--- The keys that a rotation leads to: one may serve several regions of the cluster, and replicas follow their primary.
---@class engine.rotation.Group
---@field kind "key"|"replica"|"given"   given: made by others, and taken as it is
---@field region string       its own
---@field generation integer
---@field regions string[]    of the cluster, which it serves
---@field due engine.Due      of the first of them: what moves forward is the same for all
---@field of engine.rotation.Group?  a replica's primary
local calls = require "engine.calls"
local failure = require "engine.failure"
local unknown = require "unknown"

local M = {}

local FORWARD <const> = { "arn", "generation", "policy", "inherits", "tags", "rotation", "multi_region", "material", "account" }

local function name_of(place, generation) return ("%s %s"):format(place, tostring(generation)) end

local function name_of_due(due) return due.given or name_of(due.place, due.generation) end

-- A replica without its primary: it is looked at as any key, and cannot be made.
local function alone(cluster, group, tolerant)
  local due = group.due
  if tolerant or due.generation == due.from then return "key" end
  failure.raise { code = "precondition", exit = "usage", what = ("rotating the keys of cluster %s"):format(cluster.name),
    message = ("the key in use in %s is a replica of the one in %s, and is rotated with it"):format(group.region, due.replica_of),
    next = ("--only %s --only %s, or without --only"):format(due.replica_of, group.region) }
end

--- The keys, by their regions and generations, in the order of the cluster's regions.
---@param cluster table
---@param regions engine.Due[]
---@param tolerant boolean  nothing is made
---@return engine.rotation.Group[]
function M.of(cluster, regions, tolerant)
  local list, by_name = {}, {}
  for _, due in ipairs(regions) do
    local name = name_of_due(due)
    local group = by_name[name]
    if not group then
      group = { kind = "key", region = due.place, generation = due.generation, regions = {}, due = due }
      by_name[name], list[#list + 1] = group, group
    end
    table.insert(group.regions, due.region)
  end
  for _, group in ipairs(list) do
    local primary = group.due.replica_of
    group.of = primary and by_name[name_of(primary, group.generation)]
    group.kind = group.due.given and "given" or primary and (group.of and "replica" or alone(cluster, group, tolerant)) or "key"
  end
  return list
end

-- What the recipe is told of a key.
local function told(group, made)
  local near = #group.regions == 1 and group.regions[1] == group.region
  local key = { kind = group.kind, region = group.region, serves = not near and table.move(group.regions, 1, #group.regions, 1, {}) or nil,
    primary = group.of and made[group.of] }
  for _, name in ipairs(FORWARD) do key[name] = group.due[name] end
  return key
end

--- Has each key made, primaries first.
---@param engine table
---@param groups engine.rotation.Group[]
---@param roles table<string, table>  by region of the cluster
---@param make fun(key: table): table
---@return table[]  one for each region of the cluster
function M.make(engine, groups, roles, make)
  local map, made, list = calls.tasks(engine.context).map, {}, {}
  for _, group in ipairs(groups) do
    if group.kind == "given" then made[group] = { region = group.region, arn = group.due.given } end
  end
  for _, kind in ipairs { "key", "replica" } do
    local some = {}
    for _, group in ipairs(groups) do
      if group.kind == kind then some[#some + 1] = group end
    end
    local keys = map(some, function(group) return make(told(group, made)) end)
    for i, group in ipairs(some) do made[group] = keys[i] end
  end
  for _, group in ipairs(groups) do
    for _, region in ipairs(group.regions) do
      local key = made[group]
      local own = region == group.region and not unknown.is(key)
      if own then key.role = roles[region] end
      list[#list + 1] = own and key or { region = region, arn = key.arn, role = roles[region], key = key }
    end
  end
  return list
end

return M
