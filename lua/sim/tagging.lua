--- The simulated Resource Groups Tagging API, for KMS keys. Its index is behind by `index_lag` seconds (sim/init.lua).
local auth = require("sim.auth")
local check = require("sim.check")
local json = require("json")
local kms = require("sim.kms")
local page = require("sim.page")
local wire = require("sim.wire")

local M = {}

local function invalid(text) wire.refuse("InvalidParameterException", text) end

local function tags_of(key)
  local tags = json.array {}
  for index, tag in ipairs(key.Tags) do tags[index] = { Key = tag.TagKey, Value = tag.TagValue } end
  return tags
end

local function includes(list, value)
  for _, one in ipairs(list) do
    if one == value then return true end
  end
end

-- One filter: the tag is there, with one of the values if any are named.
local function fits(filter, tags)
  for _, tag in ipairs(tags) do
    if tag.Key == filter.Key and (#(filter.Values or {}) == 0 or includes(filter.Values, tag.Value)) then return true end
  end
end

local function fits_all(filters, tags)
  for _, filter in ipairs(filters or {}) do
    if not fits(filter, tags) then return false end
  end
  return true
end

-- A resource that never had a tag is not in the index; one that lost its tags is.
local function indexed(call, p)
  kms.settle(call, call.caller.account)
  local account = call.state.aws[call.caller.account]
  local region = account and account.kms[call.region]
  local list = {}
  for _, key in ipairs(region and region.keys or {}) do
    local tags = tags_of(key)
    local asked = not p.ResourceARNList or includes(p.ResourceARNList, key.Arn)
    if (#tags > 0 or key._tagged) and asked and fits_all(p.TagFilters, tags) then list[#list + 1] = { ResourceARN = key.Arn, Tags = tags } end
  end
  return list
end

local function wants_keys(types)
  if not types or #types == 0 then return true end
  return includes(types, "kms:key") or includes(types, "kms")
end

local function get_resources(call, p)
  auth.authorize(call, { action = "tag:GetResources", resource = "*" })
  if p.ResourceARNList and (p.TagFilters or p.ResourceTypeFilters or p.ResourcesPerPage) then
    invalid("ResourceARNList can not be used with other filters")
  end
  for _, kind in ipairs(p.ResourceTypeFilters or {}) do
    if not kind:find("^[%w-]+:?[%w%-/]*$") then invalid(("Invalid resource type filter: %s"):format(kind)) end
  end
  local token = p.PaginationToken ~= "" and p.PaginationToken or nil
  local limit = math.min(p.ResourcesPerPage or 50, call.simulation.page_size)
  local found = wants_keys(p.ResourceTypeFilters) and indexed(call, p) or {}
  local list, marker = page.cut(found, { limit = limit, marker = token, word = "GetResources", key = function(item) return item.ResourceARN end })
  if not list then wire.refuse("PaginationTokenExpiredException", "Invalid pagination token") end
  return { PaginationToken = marker or "", ResourceTagMappingList = list }
end

local text = { type = "string" }

M.operations = {
  GetResources = { run = get_resources, parameters = {
    PaginationToken = text, ResourcesPerPage = { type = "integer", min = 1, max = 100 }, ResourceTypeFilters = { type = "list", member = text },
    ResourceARNList = { type = "list", min = 1, max = 100, member = text },
    TagFilters = { type = "list", max = 50, member = { type = "structure", members = {
      Key = { type = "string", required = true, min = 1, max = 128 },
      Values = { type = "list", max = 20, member = { type = "string", max = 256 } } } } },
  } },
}

--- Does one operation of tagging.
---@return table? result
function M.run(call, operation) return operation.run(call, check.parameters(call, operation.parameters)) end

return M
