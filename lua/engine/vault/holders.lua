--- Which KMS keys have their material from a key of Vault's, as their tag cmek:material says: in any state, since one that is to be deleted
--- can still be taken back. What may not be looked at may be one of them.
---@class engine.Holders
---@field list { arn: string, region: string, source: string }[]  keys whose material is from Vault, by region
---@field listed table<string, true>   ARNs of all keys that KMS shows
---@field closed string[]              ARNs of keys whose tags may not be read
local keys = require "engine.key.keys"
local names = require "names"
local reach = require "engine.account.reach"
local refusal = require "refusal"
local sorted = require "sorted"

local M = {}

-- The tags of a key; nil and true where they may not be read. A key that is gone by now has none.
local function tags_of(context, region, id)
  local answer, refused = context:try({ NotFoundException = true, AccessDeniedException = true }, function()
    return context.session.kms.list_resource_tags { region = region, KeyId = id }
  end)
  if refused then return refused.code == "NotFoundException" and {} or nil end
  return keys.tags(answer.Tags)
end

-- One region: every key is asked for its tags, since the tag index lags and may be closed.
local function read(context, region)
  local all = keys.list(context, region)
  local tags = context.tasks.map(all, function(entry) return tags_of(context, region, entry.KeyId) or false end)
  local found = { list = {}, listed = {}, closed = {} }
  for i, entry in ipairs(all) do
    found.listed[entry.KeyArn] = true
    local source = tags[i] and tags[i][names.TAG_MATERIAL]
    if not tags[i] then found.closed[#found.closed + 1] = entry.KeyArn end
    if source then found.list[#found.list + 1] = { arn = entry.KeyArn, region = region, source = source } end
  end
  return found
end

-- Every region of the cluster in every account that is reached: a layout may have put keys there.
local function places_of(context, cluster)
  local list = {}
  for _, there in ipairs(reach.contexts(context)) do
    for _, region in ipairs(cluster.regions) do list[#list + 1] = { context = there, region = region.name } end
  end
  return list
end

--- Looks now, in every region of the cluster: a replica bears the material of a key of another region.
---@param context engine.Context
---@param cluster table  its regions are those that the door lets through
---@return engine.Holders
function M.read(context, cluster)
  local together = { list = {}, listed = {}, closed = {} }
  for _, found in ipairs(context.tasks.map(places_of(context, cluster), function(place) return read(place.context, place.region) end)) do
    table.move(found.list, 1, #found.list, #together.list + 1, together.list)
    table.move(found.closed, 1, #found.closed, #together.closed + 1, together.closed)
    for arn in sorted(found.listed) do together.listed[arn] = true end
  end
  return together
end

-- What the tag index shows: that is true, and what it does not show means nothing.
local function by_index(context, cluster)
  local list = {}
  for _, place in ipairs(places_of(context, cluster)) do
    local ok, answer = pcall(place.context.session.tagging.get_resources, { region = place.region, ResourceTypeFilters = { "kms:key" },
      TagFilters = { { Key = names.TAG_MATERIAL } } })
    if not ok and not refusal.is(answer) then error(answer, 0) end
    for _, resource in ipairs(ok and answer.ResourceTagMappingList or {}) do
      for _, tag in ipairs(resource.Tags or {}) do
        if tag.Key == names.TAG_MATERIAL then list[#list + 1] = { arn = resource.ResourceARN, region = place.region, source = tag.Value } end
      end
    end
  end
  return { list = list, listed = {}, closed = {} }
end

--- The same for a plan: the tag index is enough where it shows that a key has the material.
---@param context engine.Context
---@param cluster table
---@param place string  "transit/NAME"
---@return engine.Holders
function M.look(context, cluster, place)
  local indexed = context:once("holders by index", function() return by_index(context, cluster) end)
  if #M.of(indexed, place) > 0 then return indexed end
  return context:once("holders", function() return M.read(context, cluster) end)
end

--- Of those the keys whose material is a version of one key of Vault's.
---@param found engine.Holders
---@param place string  "transit/NAME"
---@return string[]  their ARNs
function M.of(found, place)
  local list = {}
  for _, holder in ipairs(found.list) do
    if holder.source:match "^(.*):%d+$" == place then list[#list + 1] = holder.arn end
  end
  return list
end

return M
