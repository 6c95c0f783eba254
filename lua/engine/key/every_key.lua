--- Every key that a cluster's data may rest on: those that the Cloud names for it, current and past, in any status and region, and, of a
--- multi-Region key, the primary and each replica, which have the same material and policies of their own.
local failure = require "engine.failure"
local reach = require "engine.account.reach"
local sorted = require "sorted"

local M = {}

--- What it calls, by service.
M.actions = { cloud = { "GetCMEKClusterInfo" }, kms = { "DescribeKey" } }

local ARN <const> = "^arn:[%w-]+:kms:([%w-]+):(%d+):key/([%w-]+)$"

---@class engine.EveryKey
---@field region string     in which the key is
---@field arn string
---@field roles string[]    by which the cluster uses it, sorted
---@field account engine.Account?  where it is not of the credentials' own
---@field uses string[]     where and how: "us-east-1 ENABLED"; of a key that is only related to a named one: "replica of …"

local function impossible(cluster, message, next_step)
  failure.raise { code = "precondition", service = "cloud", what = ("reading which keys cluster %s has"):format(cluster.name), message = message,
    next = next_step }
end

-- What the Cloud names, by ARN.
local function named(cluster, info)
  local by_arn = {}
  for _, region in ipairs(info.region_infos or {}) do
    for _, key in ipairs(region.key_infos or {}) do
      local spec = key.spec or {}
      local place = type(spec.uri) == "string" and spec.uri:match(ARN)
      if not place or spec.type and spec.type ~= "AWS_KMS" then
        impossible(cluster, ("in %s it names '%s', which is no key of AWS KMS"):format(region.region, tostring(spec.uri)))
      end
      local entry = by_arn[spec.uri] or { region = place, arn = spec.uri, roles = {}, uses = {} }
      by_arn[spec.uri] = entry
      if spec.auth_principal then entry.roles[spec.auth_principal] = true end
      table.insert(entry.uses, ("%s %s"):format(region.region, key.status or "in an unknown status"))
    end
  end
  return by_arn
end

-- The ARNs of the primary and the replicas of a multi-Region key; {} where it is none, is gone, or is not ours to look at.
local function family(root, entry)
  local _, account, id = entry.arn:match(ARN)
  local context = reach.context(root, entry.arn)
  if account ~= context:identity().account or not id:find "^mrk%-" then return {} end
  local answer = context:try({ AccessDeniedException = true, NotFoundException = true }, function()
    return context.session.kms.describe_key { region = entry.region, KeyId = entry.arn }
  end)
  local all, list = (answer and answer.KeyMetadata or {}).MultiRegionConfiguration or {}, {}
  for _, one in ipairs { all.PrimaryKey or {}, table.unpack(all.ReplicaKeys or {}) } do list[#list + 1] = one.Arn end
  return list
end

local function names_of(set)
  local list = {}
  for name in sorted(set) do list[#list + 1] = name end
  return list
end

local function read(context, cluster)
  local info = context:cmek(cluster)
  if info.unknown then impossible(cluster, "--facts does not tell it: only the Cloud can", "leave --facts out") end
  local by_arn, entries = named(cluster, info), {}
  for _, entry in sorted(by_arn) do
    context.session.door:region(entry.region)
    entries[#entries + 1] = entry
  end
  local families = context.tasks.map(entries, function(entry) return family(context, entry) end)
  for i, entry in ipairs(entries) do
    for _, arn in ipairs(families[i]) do
      local other = by_arn[arn] or { region = arn:match(ARN), arn = arn, roles = {}, uses = { "replica of " .. entry.arn } }
      by_arn[arn] = other
      for role in sorted(entry.roles) do other.roles[role] = true end
      context.session.door:region(other.region)
    end
  end
  local list, roles = {}, {}
  for _, entry in sorted(by_arn) do
    for role in sorted(entry.roles) do roles[role] = true end
    entry.roles = names_of(entry.roles)
    local account = reach.account(context, entry.arn)
    entry.account = account and reach.leads(account) and account or nil
    list[#list + 1] = entry
  end
  return { keys = list, roles = names_of(roles), status = info.status or "DISABLED" }
end

--- The same for a recipe. Keys of other accounts are looked at by what leads there.
---@param engine table
---@param want { cluster: table, reach: string[]? }  reach: profiles, ARNs of roles to assume, or files of layouts
---@return table
function M.read(engine, want)
  reach.open(engine, want.reach)
  return M.of(engine.context, want.cluster)
end

--- Every key of a cluster, by ARN, and the roles by which it uses them. Raises when it has none.
---@param context engine.Context  of the credentials in force
---@param cluster table
---@return { keys: engine.EveryKey[], roles: string[], status: string }
function M.of(context, cluster)
  local all = context:once("every key " .. cluster.id, function() return read(context, cluster) end)
  if #all.keys == 0 then
    impossible(cluster, "CMEK was never enabled for it: the Cloud names no key", "cmek status --cluster " .. require("quote")(cluster.name))
  end
  if #all.roles == 0 then impossible(cluster, "it names no role by which the keys are used") end
  return all
end

return M
