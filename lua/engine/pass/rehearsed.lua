--- What a rehearsal has changed: answers to the requests of a run that has not been. A write is taken as done; a read shows what
--- was there with what the writes would have made of it. IDs that only the service can give are unknown, by name.
---@class engine.Rehearsed
---@field account string
---@field partition string
local Rehearsed = { __name = "engine.Rehearsed" }
Rehearsed.__index = Rehearsed

local time = require "time"
local unknown = require "unknown"

local M = {}

---@param options { account: string, partition: string, clock: table, key_name: fun(): string, region_of: fun(): string }
---  key_name, region_of: of the key that is being made
---@return engine.Rehearsed
function M.new(options)
  local self = { roles = {}, keys = {}, policies = {}, rotations = {}, tags = {}, aliases = {}, cmek = {}, seen = {}, transit = {},
    vault_things = {}, turned = {}, described = {} }
  for name, value in pairs(options) do self[name] = value end   -- order cannot be seen
  return setmetatable(self, Rehearsed)
end

local function id_of(parameters) return tostring(parameters.KeyId):match "[^/]+$" end

-- What a key is known by: replicas have their primary's ID.
local function place_of(parameters, request) return request.region .. " " .. id_of(parameters) end

-- Tags as a service lists them, with what was set and cut.
local function retagged(list, changes, key, value)
  local result = {}
  for _, tag in ipairs(list or {}) do
    if changes[tag[key]] == nil then result[#result + 1] = tag end
  end
  for name, text in require("sorted")(changes) do
    if text then result[#result + 1] = { [key] = name, [value] = text } end
  end
  return result
end

local function changes_of(self, subject)
  self.tags[subject] = self.tags[subject] or {}
  return self.tags[subject]
end

-- Writes: (self, parameters, request) -> the answer's body ---------------------------------------------------------------

local WRITES <const> = { iam = {}, kms = {} }

function WRITES.iam.CreateRole(self, p)
  local role = { RoleName = p.RoleName, RoleId = unknown.text(unknown.new("ID of role " .. p.RoleName)), Path = p.Path or "/",
    Arn = ("arn:%s:iam::%s:role%s%s"):format(self.partition, self.account, p.Path or "/", p.RoleName), Tags = p.Tags,
    AssumeRolePolicyDocument = require("crypto").percent_encode(p.AssumeRolePolicyDocument), CreateDate = time.text(self.clock.now()),
    PermissionsBoundary = p.PermissionsBoundary and { PermissionsBoundaryArn = p.PermissionsBoundary } or nil }
  self.roles[p.RoleName] = { made = role }
  return { Role = role }
end

function WRITES.iam.UpdateAssumeRolePolicy(self, p)
  self.roles[p.RoleName] = self.roles[p.RoleName] or {}
  self.roles[p.RoleName].trust = require("crypto").percent_encode(p.PolicyDocument)
end

function WRITES.iam.PutRolePermissionsBoundary(self, p)
  self.roles[p.RoleName] = self.roles[p.RoleName] or {}
  self.roles[p.RoleName].boundary = { PermissionsBoundaryArn = p.PermissionsBoundary }
end

function WRITES.iam.TagRole(self, p)
  for _, tag in ipairs(p.Tags) do changes_of(self, p.RoleName)[tag.Key] = tag.Value end
end

-- A key that was made: what can be read of it from now on.
local function made(self, metadata, p, region)
  local place = region .. " " .. metadata.KeyId
  self.keys[place], self.policies[place], self.rotations[place] = metadata, p.Policy, { KeyRotationEnabled = false }
  for _, tag in ipairs(p.Tags or {}) do changes_of(self, place)[tag.TagKey] = tag.TagValue end
  return metadata
end

function WRITES.kms.CreateKey(self, p, request)
  local id = unknown.text(unknown.new(("ID of key %s in %s"):format(self.key_name(), request.region)))
  local metadata = { KeyId = id, Arn = ("arn:%s:kms:%s:%s:key/%s"):format(self.partition, request.region, self.account, id),
    KeyState = p.Origin == "EXTERNAL" and "PendingImport" or "Enabled", KeyManager = "CUSTOMER", KeySpec = p.KeySpec, KeyUsage = p.KeyUsage,
    Origin = p.Origin, Description = p.Description, MultiRegion = p.MultiRegion, Enabled = p.Origin ~= "EXTERNAL", CreationDate = self.clock.now() }
  if p.MultiRegion then
    metadata.MultiRegionConfiguration = { MultiRegionKeyType = "PRIMARY", PrimaryKey = { Arn = metadata.Arn, Region = request.region } }
  end
  return { KeyMetadata = made(self, metadata, p, request.region) }
end

function WRITES.kms.ReplicateKey(self, p, request)
  local primary = self.keys[place_of(p, request)] or self.described[id_of(p)] or {}
  local function arn_in(region) return ("arn:%s:kms:%s:%s:key/%s"):format(self.partition, region, self.account, id_of(p)) end
  local metadata = { KeyId = id_of(p), Arn = arn_in(p.ReplicaRegion), KeyManager = "CUSTOMER", MultiRegion = true, CreationDate = self.clock.now(),
    KeyState = primary.Origin == "EXTERNAL" and "PendingImport" or "Enabled", Enabled = primary.Origin ~= "EXTERNAL", Origin = primary.Origin,
    KeySpec = primary.KeySpec or "SYMMETRIC_DEFAULT", KeyUsage = primary.KeyUsage or "ENCRYPT_DECRYPT",
    MultiRegionConfiguration = { MultiRegionKeyType = "REPLICA", PrimaryKey = { Arn = arn_in(request.region), Region = request.region } } }
  return { ReplicaKeyMetadata = made(self, metadata, p, p.ReplicaRegion) }
end

function WRITES.kms.GetParametersForImport(_, p)
  local function of(what) return unknown.text(unknown.new(("%s of KMS for %s"):format(what, id_of(p)))) end
  return { KeyId = p.KeyId, PublicKey = of "public key", ImportToken = of "import token" }
end

function WRITES.kms.ImportKeyMaterial(self, p, request)
  local key = self.keys[place_of(p, request)]
  if key then key.KeyState, key.Enabled, key.ExpirationModel = "Enabled", true, p.ExpirationModel end
end

function WRITES.kms.CreateAlias(self, p, request)
  table.insert(self.aliases, { region = request.region, AliasName = p.AliasName, TargetKeyId = p.TargetKeyId:match "[^/]+$" })
end

function WRITES.kms.PutKeyPolicy(self, p, request) self.policies[place_of(p, request)] = p.Policy end

function WRITES.kms.EnableKeyRotation(self, p, request)
  self.rotations[place_of(p, request)] = { KeyRotationEnabled = true, RotationPeriodInDays = p.RotationPeriodInDays or 365 }
end

function WRITES.kms.TagResource(self, p, request)
  for _, tag in ipairs(p.Tags) do changes_of(self, place_of(p, request))[tag.TagKey] = tag.TagValue end
end

function WRITES.kms.UntagResource(self, p, request)
  for _, name in ipairs(p.TagKeys) do changes_of(self, place_of(p, request))[name] = false end
end

-- Reads: (self, parameters, request, pass) -> the answer's body; nil: as the service answers. pass() asks it. --------------

local READS <const> = { iam = {}, kms = {} }

function READS.iam.GetRole(self, p, _, pass)
  local known, changes = self.roles[p.RoleName], self.tags[p.RoleName]
  if not (known or changes) then return nil end
  local role = known and known.made or pass().Role
  if known and known.trust then role.AssumeRolePolicyDocument = known.trust end
  if known and known.boundary then role.PermissionsBoundary = known.boundary end
  if role.Tags then role.Tags = retagged(role.Tags, changes or {}, "Key", "Value") end
  return { Role = role }
end

function READS.iam.ListRoleTags(self, p, _, pass)
  local known, changes = self.roles[p.RoleName], self.tags[p.RoleName]
  if not (known or changes) then return nil end
  return { Tags = retagged((known and known.made or pass()).Tags, changes or {}, "Key", "Value") }
end

local function none_of_made(member)
  return function(self, p) return (self.roles[p.RoleName] or {}).made and { [member] = {} } or nil end
end
READS.iam.ListAttachedRolePolicies, READS.iam.ListRolePolicies = none_of_made "AttachedPolicies", none_of_made "PolicyNames"

function READS.kms.DescribeKey(self, p, request, pass)
  local metadata = self.keys[place_of(p, request)]
  if metadata then return { KeyMetadata = metadata } end
  if not unknown.has(p) then self.described[id_of(p)] = pass().KeyMetadata end   -- what a replica of it is made of
end

function READS.kms.GetKeyPolicy(self, p, request)
  local policy = self.policies[place_of(p, request)]
  return policy and { Policy = policy, PolicyName = "default" }
end

function READS.kms.GetKeyRotationStatus(self, p, request) return self.rotations[place_of(p, request)] end

function READS.kms.ListResourceTags(self, p, request, pass)
  local changes = self.tags[place_of(p, request)]
  if not changes then return nil end
  return { Tags = retagged(not self.keys[place_of(p, request)] and pass().Tags or {}, changes, "TagKey", "TagValue") }
end

function READS.kms.ListAliases(self, _, request, pass)
  local body = pass()
  if body.Truncated == true then return body end   -- more pages follow
  local list = table.move(body.Aliases or {}, 1, #(body.Aliases or {}), 1, {})
  for _, alias in ipairs(self.aliases) do
    if alias.region == request.region then list[#list + 1] = { AliasName = alias.AliasName, TargetKeyId = alias.TargetKeyId } end
  end
  body.Aliases = list
  return body
end

-- Both ----------------------------------------------------------------------------------------------------------------

--- The body that a write would be answered with.
---@param request { service: string, operation: string, region: string?, parameters: table }
---@return table
function Rehearsed:write(request)
  local write = (WRITES[request.service] or {})[request.operation]
  return write and write(self, request.parameters, request) or {}
end

--- The body that a read is answered with; nil where the service itself may answer.
---@param request table
---@param pass fun(): table  asks the service: its body
---@return table?
function Rehearsed:read(request, pass)
  local read = (READS[request.service] or {})[request.operation]
  local body = read and read(self, request.parameters, request, pass)
  if body == nil and unknown.has(request.parameters) then return {} end   -- about what is not there
  return body
end

-- Vault: what transit would show of a key that was made, and what it would give out.
local VAULT <const> = {
  TransitCreateKey = function(self, place, body)
    self.transit[place] = { type = body.type, exportable = body.exportable, keys = { ["1"] = self.clock.now() } }
  end,
  TransitReadKey = function(self, place) return self.transit[place] end,
  TransitExport = function(_, place)
    local version = place:match "[^/]+$"
    return { keys = { [version] = unknown.text(unknown.new("the material " .. place)) } }
  end,
  TransitWrappedDataKey = function() return { ciphertext = unknown.text(unknown.new "the material, wrapped by Vault for KMS") } end,
  EnableMount = function(self, place, body) self.vault_things[place:match "^sys/mounts/(.*)$"] = { type = body.type } end,
  InspectMount = function(self, place) return self.vault_things[place:match "^sys/internal/ui/mounts/(.*)$"] end,
}

-- The same of the key management engine: what it makes in KMS can be read there from then on.
local function kept(self, place) return self.vault_things[place] end
VAULT.KeymgmtReadProvider, VAULT.KeymgmtReadKey, VAULT.KeymgmtReadDistribution = kept, kept, kept

function VAULT.KeymgmtWriteProvider(self, place, body)
  self.vault_things[place] = { provider = body.provider, key_collection = body.key_collection }
end

function VAULT.KeymgmtWriteKey(self, place, body)
  self.vault_things[place] = { type = body.type, deletion_allowed = false, latest_version = 1, min_enabled_version = 1, versions = { ["1"] = {} } }
end

-- The KMS key that Vault makes of a version of its key: its ID.
local function made_by_vault(self, name, region)
  local id = unknown.text(unknown.new(("ID of the KMS key that Vault makes of %s in %s"):format(name, region)))
  made(self, { KeyId = id, Arn = ("arn:%s:kms:%s:%s:key/%s"):format(self.partition, region, self.account, id), KeyState = "Enabled", Enabled = true,
    KeyManager = "CUSTOMER", KeySpec = "SYMMETRIC_DEFAULT", KeyUsage = "ENCRYPT_DECRYPT", Origin = "EXTERNAL", MultiRegion = false,
    CreationDate = self.clock.now(), ExpirationModel = "KEY_MATERIAL_DOES_NOT_EXPIRE" }, { Policy = require("json").encode { Version = "2012-10-17",
    Statement = { { Sid = "Enable IAM User Permissions", Effect = "Allow", Principal = { AWS = ("arn:%s:iam::%s:root"):format(self.partition,
    self.account) }, Action = "kms:*", Resource = "*" } } } }, region)
  return id
end

function VAULT.KeymgmtDistribute(self, place, body)
  local provider, name = place:match "^(.*/kms/[^/]+)/key/(.*)$"
  local region = (self.vault_things[provider] or {}).key_collection or self.region_of()
  self.vault_things[place] = { name = name, purpose = body.purpose, protection = body.protection,
    versions = { ["1"] = made_by_vault(self, name, region) } }
end

-- What keys of Vault's were rotated, by place: for each new version the ID of the KMS key that Vault makes of it, or true.
local function turn(self, place, id)
  local key = place:match "^(.*)/rotate$"
  self.turned[key] = self.turned[key] or {}
  table.insert(self.turned[key], id)
end

function VAULT.TransitRotateKey(self, place) turn(self, place, true) end
function VAULT.KeymgmtRotateKey(self, place) turn(self, place, made_by_vault(self, place:match "([^/]+)/rotate$", self.region_of())) end

--- Adds to what Vault shows of a key, or of where it was distributed to, the versions that it would have by now.
---@param operation string
---@param request { mount: string, path: string }
---@param data table?  of Vault's answer
function Rehearsed:rotated(operation, request, data)
  local key = ("%s/%s"):format(request.mount, operation == "KeymgmtReadDistribution" and request.path:match "(key/[^/]+)$" or request.path)
  for _, id in ipairs(type(data) == "table" and self.turned[key] or {}) do
    local versions, latest = data.versions or data.keys or {}, 0
    for number in require("sorted")(versions) do latest = math.max(latest, math.tointeger(tonumber(number)) or 0) end
    versions[tostring(latest + 1)] = id == true and self.clock.now() or id
    if data.latest_version then data.latest_version = latest + 1 end
  end
end

--- A request of Vault: its envelope; nil where Vault itself may answer.
---@param operation string
---@param request { mount: string, path: string, body: table? }
---@return table?
function Rehearsed:vault(operation, request)
  local data = VAULT[operation] and VAULT[operation](self, ("%s/%s"):format(request.mount, request.path), request.body or {})
  return data and { data = data }
end

--- What the Cloud itself has answered.
---@param request { path: string }
---@param response { body: any }?
function Rehearsed:saw(request, response) self.seen[request.path] = response and response.body end

-- All that the Cloud names of a cluster's CMEK, revoked.
local function revoked(info)
  local regions = {}
  for i, region in ipairs(type(info) == "table" and info.region_infos or {}) do
    regions[i] = { region = region.region, status = "REVOKED", key_infos = region.key_infos }
  end
  return { status = "REVOKED", region_infos = regions }
end

--- A request of the Cloud: CMEK that was asked for is enabled at once, and what is revoked is revoked at once.
---@param request { method: string, path: string, body: table? }
---@return table?
function Rehearsed:cloud(request)
  if request.method == "GET" then return self.cmek[request.path] end
  if (request.body or {}).action == "REVOKE" then
    self.cmek[request.path] = revoked(self.cmek[request.path] or self.seen[request.path])
    return self.cmek[request.path]
  end
  local regions = {}
  for i, spec in ipairs((request.body or {}).region_specs or {}) do
    regions[i] = { region = spec.region, status = "ENABLED", key_infos = { { status = "ENABLED", spec = spec.key_spec } } }
  end
  if request.path:find "/cmek$" then self.cmek[request.path] = { status = "ENABLED", region_infos = regions } end
  return self.cmek[request.path] or {}
end

return M
