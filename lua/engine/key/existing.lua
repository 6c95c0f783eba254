--- Roles and keys that are there already and are named by their ARNs.
local cmek = require "engine.cluster.cmek"
local failure = require "engine.failure"
local keys = require "engine.key.keys"
local names = require "names"
local reach = require "engine.account.reach"
local refusal = require "refusal"

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

-- What of a cluster's use is not so simple that its roles and keys could be taken over; nil when it is.
local function intricate(cluster, used)
  if #used == 0 then
    return ("cluster %s uses no keys of its own: there is nothing to adopt"):format(cluster.name), "cmek run console makes role and keys"
  end
  for i, one in ipairs(used) do
    local before = used[i - 1]
    if before and before.region == one.region then
      return ("cluster %s uses two keys in %s, %s and %s: a rotation goes on"):format(cluster.name, one.region, before.arn, one.arn),
        "adopt when it is done: cmek status --cluster " .. cluster.name
    end
    if not tostring(one.role):find(ROLE) then
      return ("cluster %s uses its keys with '%s', which is not the ARN of a role"):format(cluster.name, tostring(one.role))
    end
  end
end

local function add(list, text)
  for _, known in ipairs(list) do
    if known == text then return end
  end
  list[#list + 1] = text
end

-- The keys, each once, with the regions of the cluster that use it; a status that is not ENABLED is the one that counts.
local function each_once(used)
  local list, by_arn = {}, {}
  for _, key in ipairs(used) do
    local one = by_arn[key.arn]
    if not one then
      one = { region = key.arn:match "^arn:[^:]*:kms:([^:]*):" or key.region, arn = key.arn, status = key.status, serves = {}, roles = {} }
      by_arn[key.arn], list[#list + 1] = one, one
    end
    table.insert(one.serves, key.region)
    add(one.roles, key.role)
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
---@param account string?  of the credentials, where it is known
---@return string?
function M.layout(cluster, info, account)
  local list = each_once(used_by(cluster, info))
  local name = #list > 0 and require("layout").describe(cluster, list, account) or nil
  return name ~= "own" and name or nil
end

-- What leads to other accounts, by their IDs.
local function ways_of(context)
  local ways = {}
  for id, reached in pairs(context.accounts or {}) do ways[id] = reached.as end   -- order cannot be seen
  return ways
end

-- The mapping that the regions of a cluster use.
local function mapping(context, cluster, used)
  local identity = context:identity()
  local role = ("arn:%s:iam::%s:role/%s"):format(identity.arn:match "^arn:([^:]+)", identity.account, names.role(cluster))
  return require("layout").mapping(used, { account = identity.account, role = role }, ways_of(context))
end

-- Of each region one key: while it is rotated the one from before.
local function one_each(used)
  local list, places = {}, {}
  for _, one in ipairs(used) do
    local place = places[one.region] or #list + 1
    if not list[place] or list[place].status ~= "ENABLED" and one.status == "ENABLED" then list[place] = one end
    places[one.region] = place
  end
  return list
end

-- A key or a role as it is now, where it bears this cluster's tag, as what cmek has made or adopted does. What cannot be looked at is not known.
local function known(context, cluster, arn)
  if not reach.leads(reach.account(context, arn)) then return nil end
  local ok, thing = pcall(function()
    local there, name = reach.context(context, arn), arn:match ":role/.-([^/]+)$"
    if name then return require("resource.role").look(there, name) end
    local region = arn:match "^arn:[^:]*:kms:([^:]*):"
    there.session.door:region(region)
    return keys.find(there, region, arn)
  end)
  if not ok and not refusal.is(thing) then error(thing, 0) end
  return ok and thing and thing.arn == arn and thing.tags[names.TAG_CLUSTER] == cluster.id and thing or nil
end

-- Somebody who has given the cluster another key or role must not be followed: then it is as if nothing were known, and verify tells it.
-- A role of an account that nothing leads to is taken at the word of a known key, whose policy names it.
local function all_known(context, cluster, used)
  local seen = {}
  local function look(arn)
    if seen[arn] == nil then seen[arn] = known(context, cluster, arn) or false end
    return seen[arn]
  end
  for _, one in ipairs(used) do
    local key = look(one.arn)
    if not key then return false end
    local away = not reach.leads(reach.account(context, one.role))
    if not (away and tostring(key.policy):find(one.role, 1, true)) and not look(one.role) then return false end
  end
  return true
end

--- The same for whom a mapping will do where there is no name.
---@param context engine.Context
---@param cluster table
---@return string|table|nil
function M.given(context, cluster)
  local used = one_each(used_by(cluster, context:cmek(cluster)))
  if #used == 0 or #used < #(cluster.regions or {}) or intricate(cluster, used) then return nil end
  local account = context:identity().account
  local name = require("layout").describe(cluster, each_once(used), account)
  if name then return name ~= "own" and name or nil end
  return all_known(context, cluster, used) and mapping(context, cluster, used) or nil
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

-- What of a list is of an account that is reached, each with that account; the others are told.
local function reached(context, list, arn_of)
  local kept, last = {}, nil
  for _, one in ipairs(list) do
    local account = reach.account(context, arn_of(one))
    if reach.leads(account) then
      one.account = account
      kept[#kept + 1] = one
    else
      last = reach.advice(context, arn_of(one))
      context:warn(last .. "; it is left as it is")
    end
  end
  return kept, last
end

-- How console goes on with what is used.
local function going_on(cluster, list, roles, account)
  local name, arns = require("layout").describe(cluster, list, account), {}
  for i, key in ipairs(list) do arns[i] = key.arn end
  if name then return { role = roles[1], key = arns, layout = name ~= "own" and name or nil } end
  return {}   -- the mapping in use is gone on with by itself
end

--- The roles and the keys that a cluster uses, as the Cloud has them, but for those of accounts that nothing leads to. Raises when there are
--- none.
---@param context engine.Context
---@param cluster table
---@return { roles: table[], keys: { region: string, arn: string, status: string, serves: string[], roles: string[] }[], pairs: table[],
---  going_on: table, mapping: string, all: table[], arns_of_roles: string[] }  roles, keys: each once, with its account; pairs: one a
---  region, for handover; going_on: arguments of the recipe console; mapping: the text of a file for --layout; all: keys of accounts that
---  nothing leads to as well
function M.in_use(context, cluster)
  local info, account = context:cmek(cluster), context:identity().account
  if info.unknown then
    failure.raise { code = "precondition", exit = "usage", what = "reading what the cluster uses",
      message = "--facts does not tell it: only the Cloud can", next = "leave --facts out" }
  end
  local used, arns, roles, pairs_of = used_by(cluster, info), {}, {}, {}
  local list = each_once(used)
  local message, next_step = intricate(cluster, used)
  if not message then message, next_step = crowded(cluster, list) end
  if message then
    failure.raise { code = "precondition", service = "cloud", what = "reading what the cluster uses", message = message, next = next_step }
  end
  for i, one in ipairs(used) do
    add(arns, one.role)
    pairs_of[i] = { region = one.region, arn = one.arn, role = { arn = one.role, name = one.role:match "[^/]+$" } }
  end
  for i, arn in ipairs(arns) do roles[i] = { arn = arn } end
  for _, key in ipairs(list) do context.session.door:region(key.region) end
  local result = { pairs = pairs_of, going_on = going_on(cluster, list, arns, account), arns_of_roles = arns, all = list }
  result.mapping = require("layout").text(mapping(context, cluster, used))
  local unreached
  result.roles = reached(context, roles, function(role) return role.arn end)
  result.keys, unreached = reached(context, list, function(key) return key.arn end)
  if #result.keys + #result.roles == 0 then
    failure.raise { code = "refused", what = "reading what the cluster uses", message = unreached, next = "cmek whoami" }
  end
  return result
end

--- The same for a recipe. Things of other accounts are looked at by what leads there.
---@param engine table
---@param want table  a cluster, or { cluster =, reach = }
---@return table
function M.read(engine, want)
  reach.open(engine, want.cluster and want.reach)
  return M.in_use(engine.context, want.cluster or want)
end

return M
