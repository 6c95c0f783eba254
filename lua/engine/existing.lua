--- Roles and keys that are there already and are named by their ARNs.
local cmek = require "engine.cmek"
local failure = require "engine.failure"
local names = require "names"

local M = {}

local KEY <const>, ROLE <const> = "^arn:[%w-]+:kms:([%w-]+):%d+:key/[%w-]+$", "^arn:[%w-]+:iam::%d+:role/(.+)$"

local function misnamed(message, situation, facts)
  failure.raise({ code = "precondition", exit = "usage", what = "reading the ARNs of keys", message = message }, situation, facts)
end

-- One ARN in the place of the other.
local function swapped(arn, is, wanted)
  misnamed(("'%s' is the ARN of a %s, and that of a %s is wanted"):format(arn, is, wanted), "cmek.swapped", { arn = arn, is = is, wanted = wanted })
end

local function regions(cluster)
  local set, list = {}, {}
  for i, region in ipairs(cluster.regions or {}) do set[region.name], list[i] = true, region.name end
  return set, table.concat(list, ", ")
end

--- The ARN of a wanted region's key: the one that is wanted, or of a list the one of that region; nil when there is none.
--- Raises when one of them is no key's ARN, or is of a region that the cluster does not have, or when two are of one region.
---@param want { cluster: table, region: string, arn: string|string[]|nil }
---@return string?
function M.key(want)
  if type(want.arn) ~= "table" then return want.arn end
  local known, listed = regions(want.cluster)
  local by_region = {}
  for _, arn in ipairs(want.arn) do
    local region = arn:match(KEY)
    if arn:find(ROLE) then swapped(arn, "role", "key") end
    if not region then misnamed(("'%s' is not the ARN of a key (arn:aws:kms:REGION:ACCOUNT:key/ID)"):format(arn)) end
    if not known[region] then
      misnamed(("%s is in %s, and cluster %s is in %s: CMEK wants a key in each of these"):format(arn, region, want.cluster.name, listed))
    end
    if by_region[region] then misnamed(("%s and %s are both in %s: one key serves a region"):format(by_region[region], arn, region)) end
    by_region[region] = arn
  end
  return by_region[want.region]
end

--- How a thing that was named by its ARN, and says nothing of whose it is, becomes a cluster's.
---@param cluster table
---@param have { arn: string?, region: string?, name: string? }  of a key its ARN and region, of a role its name
---@return string
function M.advice(cluster, have)
  local tag = have.region and ("aws kms tag-resource --region %s --key-id %s --tags TagKey=%s,TagValue=%s"):format(have.region, have.arn,
    names.TAG_CLUSTER, cluster.id)
    or ("aws iam tag-role --role-name %s --tags Key=%s,Value=%s"):format(have.name, names.TAG_CLUSTER, cluster.id)
  return ("; where the cluster uses it: cmek run adopt --cluster %s, else say whose it is: %s"):format(cluster.name, tag)
end

--- The name of a role, and its ARN where that is what was given.
---@param text string  a name or an ARN
---@return string name, string? arn
function M.role(text)
  if text:find(KEY) then swapped(text, "key", "role") end
  local path = text:match(ROLE)
  if path then return path:match "[^/]+$", text end
  return text
end

-- What of a cluster's use is not so simple that its role and keys could be taken over; nil when it is.
local function intricate(cluster, keys, roles)
  if #keys == 0 then
    return ("cluster %s uses no keys of its own: there is nothing to adopt"):format(cluster.name), "cmek run console makes role and keys"
  end
  for i, key in ipairs(keys) do
    if keys[i - 1] and keys[i - 1].region == key.region then
      return ("cluster %s uses two keys in %s, %s and %s: a rotation goes on"):format(cluster.name, key.region, keys[i - 1].arn, key.arn),
        "adopt when it is done: cmek status --cluster " .. cluster.name
    end
  end
  if #roles > 1 then
    return ("cluster %s uses its keys with %d roles (%s): cmek works with one role for all regions of a cluster"):format(cluster.name, #roles,
      table.concat(roles, ", ")), "give the cluster one role for all its regions, or leave role and keys as they are"
  end
  if not roles[1]:find(ROLE) then return ("cluster %s uses its keys with '%s', which is not the ARN of a role"):format(cluster.name, roles[1]) end
end

-- The keys, each once, with the regions of the cluster that use it; a status that is not ENABLED is the one that counts.
local function each_once(used)
  local list, by_arn = {}, {}
  for _, key in ipairs(used) do
    local one = by_arn[key.arn]
    if not one then
      one = { region = key.arn:match "^arn:[^:]*:kms:([^:]*):" or key.region, arn = key.arn, status = key.status, serves = {} }
      by_arn[key.arn], list[#list + 1] = one, one
    end
    table.insert(one.serves, key.region)
    if key.status ~= "ENABLED" then one.status = key.status end
  end
  return list
end

-- What the regions of a cluster use now.
local function used_by(cluster, info)
  local list = {}
  for _, region in ipairs(cluster.regions or {}) do
    for _, key in ipairs(cmek.live(info, region.name)) do
      list[#list + 1] = { region = region.name, arn = key.uri, status = key.status, role = key.auth_principal }
    end
  end
  return list
end

--- The layout that a cluster's keys in use have, as --layout takes it; nil where it is a key a region, has no name, or nothing is used.
---@param cluster table
---@param info table  CMEKClusterInfo
---@return string?
function M.layout(cluster, info)
  local list = each_once(used_by(cluster, info))
  if #list == 0 then return nil end
  return (require("layout").describe(cluster, list))
end

-- Two keys of one AWS region: the cluster's alias can name one of them.
local function crowded(cluster, list)
  local by_region = {}
  for _, key in ipairs(list) do
    local other = by_region[key.region]
    if other then
      return ("cluster %s uses two keys that are in %s, %s and %s: one alias names the cluster's key of a region"):format(cluster.name, key.region,
        other, key.arn), "leave them as they are, or rotate one of them away"
    end
    by_region[key.region] = key.arn
  end
end

--- The role and the keys that a cluster uses, as the Cloud has them. Raises when there are none, or not one of each.
---@param context engine.Context
---@param cluster table
---@return { role: string, keys: { region: string, arn: string, status: string, serves: string[] }[], arns: string[]?,
---  layout: string? }  layout: as --layout takes it, where it is not `own`; a file has the keys as well
function M.in_use(context, cluster)
  local info, roles, seen, arns = context:cmek(cluster), {}, {}, {}
  if info.unknown then
    failure.raise { code = "precondition", exit = "usage", what = "reading what the cluster uses",
      message = "--facts does not tell it: only the Cloud can", next = "leave --facts out" }
  end
  local used = used_by(cluster, info)
  for _, key in ipairs(used) do
    if not seen[key.role] then roles[#roles + 1] = key.role end
    seen[key.role] = true
  end
  local list = each_once(used)
  local message, next_step = intricate(cluster, used, roles)
  if not message then message, next_step = crowded(cluster, list) end
  if message then
    failure.raise { code = "precondition", service = "cloud", what = "reading what the cluster uses", message = message, next = next_step }
  end
  for i, key in ipairs(list) do
    context.session.door:region(key.region)
    arns[i] = key.arn
  end
  local layout, mapping = require("layout").describe(cluster, list)
  if mapping then
    layout, arns = ("./layout-%s.lua"):format(cluster.name:gsub("[^%w_-]", "-")), nil
    context:warn(("which region uses which key has no name; as a layout it is this file, %s:\n%s"):format(layout, mapping))
  end
  return { role = roles[1], keys = list, arns = arns, layout = layout }
end

return M
