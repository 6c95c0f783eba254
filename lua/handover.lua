--- What CockroachDB Cloud is given in the end: for every region a key and the role that uses it. Also in a file (cmek.handover/1), for
--- those who enable CMEK and have no access to AWS.
local carried = require "carried"
local failure = require "engine.failure"
local json = require "json"
local names = require "names"
local sorted = require "sorted"
local unknown = require "unknown"

local M = {}

--- The region_specs of a cluster, sorted by region, as the Cloud API takes them.
---@param role { arn: string }
---@param keys { region: string, arn: string, role: { arn: string }?, serves: string[]? }[]  a key may name a role of its own, and the
---  regions that it serves, where that is not its own alone
---@return { region_specs: table[] }  raises when a region stands twice
function M.specs(role, keys)
  local list, seen = {}, {}
  for _, key in ipairs(keys) do
    for _, region in ipairs(key.serves or { key.region }) do
      if seen[region] then error(("handover: the region '%s' stands twice"):format(region), 0) end
      seen[region] = true
      list[#list + 1] = { region = region,
        key_spec = { type = "AWS_KMS", uri = unknown.text(key.arn), auth_principal = unknown.text((key.role or role).arn) } }
    end
  end
  table.sort(list, function(one, other) return one.region < other.region end)
  return { region_specs = json.array(list) }
end

-- The file -------------------------------------------------------------------------------------------------------------

local SCHEMA <const> = "cmek.handover/1"
local AGAIN <const> = "cmek run console --cluster NAME --out FILE writes such a file"
local KEY <const> = { "^arn:aws[%w-]*:kms:[%w-]+:%d%d%d%d%d%d%d%d%d%d%d%d:key/[%w-]+$", "the ARN of a KMS key (arn:aws:kms:REGION:ACCOUNT:key/ID)" }
local ROLE <const> = { "^arn:aws[%w-]*:iam::%d%d%d%d%d%d%d%d%d%d%d%d:role/[!-~]+$", "the ARN of an IAM role (arn:aws:iam::ACCOUNT:role/NAME)" }
local KIND <const> = { "^AWS_KMS$", "AWS_KMS" }

local function account_of(arn) return arn:match "^arn:[^:]*:[^:]*:[^:]*:(%d+):" end

-- The accounts that keys and roles are of, where a layout has several; nil of one.
local function accounts_of(specs)
  local set, list = {}, {}
  for _, spec in ipairs(specs) do
    for _, arn in ipairs { spec.key_spec.uri, spec.key_spec.auth_principal } do set[account_of(arn)] = true end
  end
  for account in sorted(set) do list[#list + 1] = account end
  return #list > 1 and json.array(list) or nil
end

--- Writes what a run handed over.
---@param path string
---@param order { recipe: Recipe, given: table }
---@param report table  cmek.run/1
---@param now number
function M.write(path, order, report, now)
  local run, specs = report.run, report.handover.region_specs
  carried.write("--out", path, SCHEMA, {
    organization = { id = run.organization.id, name = run.organization.name }, cluster = run.cluster, run = run.id,
    account = specs[1].key_spec.uri:match "^arn:[^:]*:kms:[^:]*:(%d+):", region_specs = specs, arguments = order.given,
    accounts = accounts_of(specs),
    recipe = { name = order.recipe.origin, hash = order.recipe.hash },
  }, now)
end

-- One region's key and role.
local function check_spec(file, place, spec, account, others)
  carried.object(file, place, spec)
  local key = carried.object(file, place .. ".key_spec", spec.key_spec)
  carried.field(file, place .. ".region", spec.region, carried.REGION)
  carried.field(file, place .. ".key_spec.type", key.type, KIND)
  carried.field(file, place .. ".key_spec.uri", key.uri, KEY)
  carried.field(file, place .. ".key_spec.auth_principal", key.auth_principal, ROLE)
  for name, arn in sorted { uri = key.uri, auth_principal = key.auth_principal } do
    if account_of(arn) ~= account and not others[account_of(arn)] then
      carried.refuse(file, ("%s.key_spec.%s is of account %s, and the rest of account %s"):format(place, name, account_of(arn), account), AGAIN)
    end
    if arn:match "^arn:([^:]+)" ~= key.uri:match "^arn:([^:]+)" then
      carried.refuse(file, ("%s.key_spec: key and role are of different partitions of AWS"):format(place), AGAIN)
    end
  end
end

local function check(file)
  local document, seen = file.document, {}
  if document.schema then
    carried.field(file, "organization.id", carried.object(file, "organization", document.organization).id, carried.UUID)
    carried.field(file, "cluster.id", carried.object(file, "cluster", document.cluster).id, carried.UUID)
    carried.field(file, "cluster.name", document.cluster.name, carried.TEXT)
    carried.field(file, "account", document.account, carried.ACCOUNT)
  end
  local specs = carried.list(file, "region_specs", document.region_specs)
  local first = type(specs[1]) == "table" and type(specs[1].key_spec) == "table" and specs[1].key_spec.uri
  local account, others = document.account or type(first) == "string" and account_of(first), {}
  for i, other in ipairs(document.accounts and carried.list(file, "accounts", document.accounts) or {}) do
    carried.field(file, ("accounts[%d]"):format(i), other, carried.ACCOUNT)
    others[other] = true
  end
  for i, spec in ipairs(specs) do
    check_spec(file, ("region_specs[%d]"):format(i), spec, account, others)
    if seen[spec.region] then carried.refuse(file, ("region_specs: %s stands twice"):format(spec.region), AGAIN) end
    seen[spec.region] = true
  end
  file.account = account
  return file
end

--- Reads and checks a hand-over, or plain region_specs as run prints them.
---@param path string
---@return carried.File
function M.read(path)
  local file = { flag = "--spec", path = path, again = AGAIN }
  file.document = carried.read(file, SCHEMA, function(document) return document.region_specs ~= nil end)
  return check(file)
end

--- A hand-over as it stands in a journal: the run that wrote it knew its accounts.
---@param path string
---@param document table
---@return carried.File
function M.of(path, document)
  document.accounts = document.accounts or accounts_of(document.region_specs)
  return check { flag = "--spec", path = path, again = AGAIN, document = document }
end

-- Held against the Cloud ---------------------------------------------------------------------------------------------------

local function mismatch(file, message, next)
  failure.raise { code = "precondition", what = ("checking the hand-over '%s'"):format(file.path), message = message, next = next }
end

local function check_regions(file, cluster)
  local named, missing, extra = {}, {}, {}
  for _, spec in ipairs(file.document.region_specs) do named[spec.region] = true end
  for _, region in ipairs(cluster.regions or {}) do
    if not named[region.name] then missing[#missing + 1] = region.name end
    named[region.name] = nil
  end
  for region in sorted(named) do extra[#extra + 1] = region end
  local parts = {}
  if #missing > 0 then parts[1] = "it has no key for " .. table.concat(missing, ", ") end
  if #extra > 0 then parts[#parts + 1] = "the cluster is not in " .. table.concat(extra, ", ") end
  if #parts > 0 then
    mismatch(file, ("the regions are not those of cluster %s: %s"):format(cluster.name, table.concat(parts, "; and ")),
      "have it made anew: cmek status --cluster " .. cluster.name .. " --facts FILE, then cmek run console --facts FILE --out SPEC")
  end
end

-- A role that bears another cluster's name: cmek's own end like the cluster's ID.
local function check_names(file, cluster)
  for _, spec in ipairs(file.document.region_specs) do
    local name = spec.key_spec.auth_principal:match "[^/]+$"
    local tail = name:match "^crdb%-cmek%-.*%-(%x%x%x%x%x%x%x%x%x%x%x%x)$"
    if tail and tail ~= names.last12(cluster) then
      mismatch(file, ("the role %s is by its name of another cluster than %s (%s)"):format(name, cluster.name, cluster.id))
    end
  end
end

--- Raises when a hand-over is not for this organization and this cluster as it is now.
---@param file carried.File
---@param organization { id: string, name: string? }
---@param cluster table
---@param context engine.Context
function M.check(file, organization, cluster, context)
  local document = file.document
  if document.schema then
    local of, for_cluster = document.organization, document.cluster
    if of.id:lower() ~= organization.id:lower() then
      mismatch(file, ("it is for organization %s (%s), and the Cloud's API key is of %s (%s)"):format(tostring(of.name), of.id,
        tostring(organization.name), organization.id), "set COCKROACH_API_KEY to a key of that organization")
    end
    if for_cluster.id:lower() ~= cluster.id:lower() then
      mismatch(file, ("it is for cluster %s (%s), not for %s (%s)"):format(for_cluster.name, for_cluster.id, cluster.name, cluster.id),
        "leave --cluster out, or take the hand-over of that cluster")
    end
    context:warn(("the hand-over '%s' is %s"):format(file.path, carried.age(file, document, context.clock.now())))
  else
    context:warn(("'%s' has region_specs alone: it names neither organization nor cluster, so it cannot be told for which it was made; "
      .. "checked are its ARNs, its regions and the role's name"):format(file.path))
  end
  if file.account == cluster.account_id then
    mismatch(file, ("its keys are of account %s, which is CockroachDB's own account for this cluster"):format(file.account))
  end
  check_regions(file, cluster)
  check_names(file, cluster)
end

--- Whose the keys of a hand-over are, as far as documents about them want to know.
---@param file carried.File
---@return { account: string, arn: string }
function M.identity(file) return { account = file.account, arn = file.document.region_specs[1].key_spec.auth_principal } end

--- The role or a region's key of a hand-over, as a recipe reads them.
---@param file carried.File
---@param kind "role"|"key"
---@param want { region: string?, name: string? }  of a role its name, or the ARN of the one that is meant
---@return table
function M.thing(file, kind, want)
  local meant = kind == "role" and tostring(want.name):find "^arn:" and want.name
  for _, spec in ipairs(file.document.region_specs) do
    local role = { arn = spec.key_spec.auth_principal, name = spec.key_spec.auth_principal:match "[^/]+$" }
    if kind == "role" and (not meant or role.arn == meant) then return role end
    if kind == "key" and spec.region == want.region then return { region = spec.region, arn = spec.key_spec.uri, role = role } end
  end
  failure.raise { code = "precondition", message = ("the hand-over '%s' has no %s for %s"):format(file.path, kind, tostring(meant or want.region)) }
end

return M
