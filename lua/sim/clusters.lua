--- The clusters that a simulation starts with, and what fills up a short description of one.
--- No account of CockroachDB's (`account_id`) is ever a caller's.
local crypto = require "crypto"
local json = require "json"
local sorted = require "sorted"
local time = require "sim.time"

local M = {}

--- The organization, whose ID is the external ID.
M.ORGANIZATION = {
  id = "0f4be3a2-6a1c-4d5e-9b7f-2c8d1e6a7f90",
  label = "exco",
  name = "Example Co",
  created_at = "2023-02-01T10:00:00.123456Z",
}

--- The regions that an Advanced cluster may have on AWS, with where they are.
M.AWS_REGIONS = {
  { "ap-east-1", "Hong Kong" }, { "ap-northeast-1", "Tokyo" }, { "ap-northeast-2", "Seoul" }, { "ap-northeast-3", "Osaka" },
  { "ap-south-1", "Mumbai" }, { "ap-southeast-1", "Singapore" }, { "ap-southeast-2", "Sydney" }, { "ap-southeast-3", "Jakarta" },
  { "ca-central-1", "Montreal" }, { "ca-west-1", "Calgary" }, { "eu-central-1", "Frankfurt" }, { "eu-north-1", "Stockholm" },
  { "eu-south-1", "Milan" }, { "eu-west-1", "Ireland" }, { "eu-west-2", "London" }, { "eu-west-3", "Paris" },
  { "il-central-1", "Tel Aviv" }, { "me-central-1", "UAE" }, { "me-south-1", "Bahrain" }, { "sa-east-1", "Sao Paulo" },
  { "us-east-1", "N. Virginia" }, { "us-east-2", "Ohio" }, { "us-west-2", "Oregon" },
}

local EPOCH <const> = 1768032000   -- 2026-01-10T08:00:00Z: the default clusters' birthday

--- The account in which `orders-enabled` has its key and role, made by another team's hand.
local OTHER_TEAM <const> = "345678901234"

--- The clusters of the design, described shortly.
M.DEFAULT = {
  { name = "orders", id = "8b6d7a10-4c1e-4b7a-9a53-0f2c6e9d41b7", account_id = "571234890001", regions = { "us-east-1", "us-west-2", "eu-west-1" } },
  { name = "orders-one", id = "5e0c94f3-27ab-4d18-8c66-91d3b7a2e5f4", account_id = "571234890002", regions = { "us-east-1" } },
  { name = "orders-public", id = "c27f1b88-90d4-4e6b-b1a5-64e8f03d9c12", account_id = "571234890003", regions = { "us-east-1" },
    network_visibility = "PUBLIC" },
  { name = "orders-gcp", id = "19a4d6e7-3f52-4c09-a8b7-d05e2c71f836", account_id = "crl-prod-simulated", regions = { "us-east1" },
    cloud_provider = "GCP", cidr_range = "172.28.0.0/14" },
  { name = "orders-creating", id = "f3d81c52-6e07-4b9d-93fa-28b5a60c7e41", account_id = "571234890005", regions = { "us-east-1" },
    state = "CREATING" },
  { name = "orders-enabled", id = "64b29e0d-d8f1-4a35-b7c2-7a90e413f58c", account_id = "571234890006", regions = { "us-east-1" },
    keys = { ["us-east-1"] = {
      uri = "arn:aws:kms:us-east-1:" .. OTHER_TEAM .. ":key/5b1f7c2e-0d34-4c1e-8f5a-9e7a6b5c4d3e",
      auth_principal = "arn:aws:iam::" .. OTHER_TEAM .. ":role/orders-enabled-cmek" } } },
}

--- A UUID that the same text always gives.
---@param text string
---@return string
function M.uuid(text)
  local hex = crypto.hex(crypto.sha256(text))
  return ("%s-%s-4%s-a%s-%s"):format(hex:sub(1, 8), hex:sub(9, 12), hex:sub(14, 16), hex:sub(18, 20), hex:sub(21, 32))
end

-- Twelve digits from the name, in a range that no caller's account and no mock has.
local function account_of(name)
  local number = string.unpack(">I4", crypto.sha256("account of " .. name))
  return ("57%010d"):format(number)
end

--- One region of a cluster as the API shows it.
---@param cluster table  with name, id, cloud_provider
---@param name string
---@param nodes integer
---@return table
function M.region(cluster, name, nodes)
  local domain = ("%s-%s.%s-%s.cockroachlabs.cloud"):format(cluster.name, cluster.id:sub(1, 3), cluster.cloud_provider:lower(), name)
  return {
    name = name, node_count = nodes, primary = false, private_endpoint_dns = "",
    sql_dns = domain, ui_dns = "admin-" .. domain, internal_dns = "internal-" .. domain,
    s3_vpc_endpoint_id = cluster.cloud_provider == "AWS" and "vpce-0a1b2c3d4e5f60718" or nil,
  }
end

-- CMEK as it is when keys have long been in use.
local function enabled(keys, at)
  local infos = json.array {}
  for region, key in sorted(keys) do
    infos[#infos + 1] = { region = region, status = "ENABLED", key_infos = json.array { {
      status = "ENABLED", user_message = "", created_at = at, updated_at = at,
      spec = { type = key.type or "AWS_KMS", uri = key.uri, auth_principal = key.auth_principal } } } }
  end
  return { status = "ENABLED", region_infos = infos }
end

local KNOWN <const> = { "name", "id", "account_id", "regions", "nodes", "keys", "cmek", "plan", "cloud_provider", "network_visibility", "state",
  "operation_status", "cockroach_version", "cidr_range", "delete_protection", "labels", "created_at", "updated_at", "deleted_at", "config",
  "creator_id", "egress_traffic_policy", "parent_id", "sql_dns", "upgrade_status" }

local function check(short, index)
  local where = ("cluster %d"):format(index)
  if type(short) ~= "table" then error(("%s must be an object, got %s"):format(where, type(short)), 0) end
  if type(short.name) ~= "string" then error(where .. ": field 'name' must be a string", 0) end
  if type(short.regions) ~= "table" or #short.regions == 0 then
    error(("%s '%s': field 'regions' must be a list of region names, like [\"us-east-1\"]"):format(where, short.name), 0)
  end
  local known = {}
  for _, name in ipairs(KNOWN) do known[name] = true end
  for name in sorted(short) do
    if not known[name] then error(("%s '%s': unknown field '%s'"):format(where, short.name, name), 0) end
  end
end

-- A region of the list may be a name or the API's own object.
local function regions_of(cluster, list, nodes)
  local regions = json.array {}
  for i, region in ipairs(list) do
    regions[i] = type(region) == "table" and region or M.region(cluster, region, nodes)
  end
  return regions
end

local DEFAULTS <const> = {
  plan = "ADVANCED", cloud_provider = "AWS", network_visibility = "PRIVATE", state = "CREATED", operation_status = "UNSPECIFIED",
  cockroach_version = "v25.2.4", upgrade_status = "FINALIZED", creator_id = "3c9f5b1e-58d7-4a0b-8f26-7d1a2b3c4d5e",
  egress_traffic_policy = "ALLOW_ALL", parent_id = "root", delete_protection = "DISABLED", cidr_range = "",
}

--- A whole cluster, as the API shows it, with its `cmek`, from a short description: name and regions at least.
---@param short table  members of Cluster; `regions` may be names; `keys` = { REGION = { uri=, auth_principal= } } means CMEK is on
---@param index integer?  for messages
---@return table
function M.complete(short, index)
  check(short, index or 1)
  local cluster = {}
  for name, value in sorted(DEFAULTS) do cluster[name] = value end
  for name, value in sorted(short) do cluster[name] = value end
  cluster.nodes, cluster.keys = nil, nil
  cluster.id = short.id or M.uuid("cluster " .. short.name)
  cluster.account_id = short.account_id or account_of(short.name)
  cluster.created_at = short.created_at or time.micros(EPOCH)
  cluster.updated_at = short.updated_at or time.micros(EPOCH + 1860)
  cluster.deleted_at = short.deleted_at or json.null
  cluster.labels = short.labels or {}
  cluster.config = short.config or
    { dedicated = { machine_type = "m6i.xlarge", num_virtual_cpus = 4, storage_gib = 35, memory_gib = 16, disk_iops = 3000 } }
  cluster.sql_dns = short.sql_dns or ("%s-%s.cockroachlabs.cloud"):format(cluster.name, cluster.id:sub(1, 3))
  cluster.regions = regions_of(cluster, short.regions, short.nodes or 3)
  cluster.cmek = short.cmek or (short.keys and enabled(short.keys, cluster.updated_at)) or { status = "DISABLED", region_infos = json.array {} }
  return cluster
end

-- What makes the clusters of a large organization differ: the first that fits a number.
local function variety(number)
  if number % 10 == 0 then return { plan = "STANDARD", network_visibility = "PUBLIC" } end
  if number % 10 == 1 then return { cloud_provider = "GCP", regions = { "us-east1" } } end
  if number % 10 == 2 then return { network_visibility = "PUBLIC" } end
  if number % 25 == 3 then return { state = "CREATING" } end
  if number % 2 == 0 then return {} end
  local keys = {}
  for _, region in ipairs { "eu-west-1", "us-east-1", "us-west-2" } do
    keys[region] = { uri = ("arn:aws:kms:%s:%s:key/%s"):format(region, OTHER_TEAM, M.uuid(("key %d %s"):format(number, region))),
      auth_principal = ("arn:aws:iam::%s:role/cmek-app-%04d"):format(OTHER_TEAM, number) }
  end
  return { keys = keys }
end

--- Short descriptions of a large organization's clusters: the design's, and as many others of all kinds as make up the number. Their keys are
--- another team's, and nowhere to be found.
---@param count integer
---@return table
function M.organization(count)
  local list = table.move(M.DEFAULT, 1, math.min(count, #M.DEFAULT), 1, json.array {})
  for number = 1, count - #M.DEFAULT do
    local short = variety(number)
    short.name, short.regions = ("app-%04d"):format(number), short.regions or { "us-east-1", "us-west-2", "eu-west-1" }
    list[#list + 1] = short
  end
  return list
end

--- Puts the role and the key of `orders-enabled` into the simulated AWS, in the account of another team.
---@param simulation table
function M.seed(simulation)
  if not (simulation:serves "aws" and simulation:serves "cloud") then return end
  local policy = require "policy"
  for _, short in ipairs(M.DEFAULT) do
    for region, key in sorted(short.keys or {}) do
      local account, key_id = key.uri:match ":(%d+):key/(.*)$"
      local name = key.auth_principal:match "[^/]+$"
      simulation:seed { [account] = {
        iam = { roles = { { RoleName = name, AssumeRolePolicyDocument =
          policy.json(policy.cross_account { account_id = short.account_id, external_id = M.ORGANIZATION.id }) } } },
        kms = { [region] = {
          keys = { { KeyId = key_id, CreationDate = EPOCH, Description = "CMEK of " .. short.name,
            Policy = policy.json(policy.cmek { role = key.auth_principal, account = account }) } },
          aliases = { { AliasName = "alias/" .. short.name .. "-cmek", TargetKeyId = key_id, CreationDate = EPOCH, LastUpdatedDate = EPOCH,
            AliasArn = ("arn:aws:kms:%s:%s:alias/%s-cmek"):format(region, account, short.name) } },
        } } } }
    end
  end
end

--- Whole clusters from a list of short descriptions; without one, the design's.
---@param list table?
---@return table
function M.all(list)
  local clusters = json.array {}
  for i, short in ipairs(list or M.DEFAULT) do clusters[i] = M.complete(short, i) end
  return clusters
end

return M
