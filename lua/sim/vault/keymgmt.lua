--- The simulated Vault: the key management engine of Enterprise. Distributing makes real EXTERNAL keys in the simulated KMS, by the
--- provider's credentials. Texts and codes that no public source settles are marked so in the fact sheet on Vault, section 6.3.
local aws = require("sim.vault.aws_client")
local crypto = require("crypto")
local json = require("json")
local paths = require("sim.vault.paths")
local refusal = require("sim.vault.refusal")
local roles = require("sim.vault.roles")
local sorted = require("sorted")
local time = require("sim.time")

local M = {}

local TYPES <const> = { ["aes256-gcm96"] = true, ["rsa-2048"] = true, ["rsa-3072"] = true, ["rsa-4096"] = true, ["ecdsa-p256"] = true,
  ["ecdsa-p384"] = true, ["ecdsa-p521"] = true }
local PROVIDERS <const> = { awskms = true, azurekeyvault = true, gcpckms = true }
local PURPOSES <const> = { encrypt = true, decrypt = true, sign = true, verify = true, wrap = true, unwrap = true }

local function keys(r) return roles.store(r, "keys") end
local function providers(r) return roles.store(r, "kms") end

local function key_of(r) return keys(r)[r.captured.name] end
local function provider_of(r) return providers(r)[r.captured.kms] end

local function names(map)
  local list = json.array {}
  for name in sorted(map) do list[#list + 1] = name end
  return paths.keys(list)
end

-- Where a key is distributed: the provider's name, the distribution.
local function distributed(r, key_name)
  for name, provider in sorted(providers(r)) do
    if provider.distributions[key_name] then return name, provider.distributions[key_name] end
  end
end

-- ---- keys ----

local function add_version(r, key)
  key.latest_version = key.latest_version + 1
  key.versions[tostring(key.latest_version)] = { id = r.simulation:hex(16), creation_time = time.micros(r.now) }
end

local function bytes_of(version) return crypto.hmac_sha256("simulated key material", version.id) end

local function client(r, provider)
  return { region = provider.key_collection, credentials = r.vault._credentials and r.vault._credentials[provider.id] or {} }
end

-- Versions below the minimum are disabled in KMS, the others enabled.
local function switch(r, key)
  local name, distribution = distributed(r, r.captured.name)
  if not name then return end
  for number, id in sorted(distribution.versions) do
    local operation = tonumber(number) < key.min_enabled_version and "DisableKey" or "EnableKey"
    local done, message = aws.kms(r, client(r, providers(r)[name]), operation, { KeyId = id })
    if not done then refusal.bad("error updating key versions in KMS provider: %s", message) end
  end
end

local function update_key(r, key)
  local f = r.fields
  if r.present.type and f.type ~= key.type then refusal.bad "key type cannot be changed" end
  if r.present.min_enabled_version then
    if f.min_enabled_version > key.latest_version or f.min_enabled_version < 0 then
      refusal.bad "min_enabled_version must be between 0 and the latest key version"
    end
    key.min_enabled_version = math.max(1, f.min_enabled_version)
    switch(r, key)
  end
  if r.present.deletion_allowed then key.deletion_allowed = f.deletion_allowed end
end

local function write_key(r)
  local f, key = r.fields, key_of(r)
  if key then return update_key(r, key) end
  if not TYPES[f.type] then refusal.bad("unsupported key type: %s", f.type) end
  if f.replica_regions and #f.replica_regions > 0 and f.type ~= "aes256-gcm96" then
    refusal.bad("replica_regions is not supported for keys of type %s", f.type)
  end
  key = { type = f.type, deletion_allowed = f.deletion_allowed or false, latest_version = 0, min_enabled_version = 1, versions = {},
    replica_regions = f.replica_regions }
  add_version(r, key)
  keys(r)[r.captured.name] = key
end

local function read_key(r)
  local key = key_of(r) or refusal.absent()
  local versions = {}
  for number, version in sorted(key.versions) do
    if tonumber(number) >= key.min_enabled_version then versions[number] = { creation_time = version.creation_time } end
  end
  return { data = { name = r.captured.name, type = key.type, deletion_allowed = key.deletion_allowed, latest_version = key.latest_version,
    min_enabled_version = key.min_enabled_version, versions = versions, replica_regions = key.replica_regions } }
end

local function no_key(name) refusal.bad('key "%s" not found', name) end

local function delete_key(r)
  local key = key_of(r)
  if not key then return end
  if not key.deletion_allowed then refusal.bad("deletion is not allowed for key %q", r.captured.name) end
  local name = distributed(r, r.captured.name)
  if name then refusal.bad("key %q is distributed to KMS provider %q", r.captured.name, name) end
  keys(r)[r.captured.name] = nil
end

local function key_providers(r)
  local name = distributed(r, r.captured.name)
  return paths.keys(json.array { name })
end

-- ---- providers ----

local REQUIRED <const> = { access_key = "secret_key", secret_key = "access_key" }

local function check_credentials(credentials)
  for name, other in sorted(REQUIRED) do
    if credentials[name] and not credentials[other] then refusal.bad("missing %s in credentials", other) end
  end
end

local function keep_credentials(r, provider)
  if not r.fields.credentials then return end
  check_credentials(r.fields.credentials)
  r.vault._credentials = r.vault._credentials or {}
  r.vault._credentials[provider.id] = r.fields.credentials
end

local function write_provider(r)
  local f, provider = r.fields, provider_of(r)
  if not f.provider and not provider then refusal.bad "provider is required" end
  if f.provider and not PROVIDERS[f.provider] then refusal.bad("unsupported provider: %s", f.provider) end
  if provider then
    if f.provider and f.provider ~= provider.provider then refusal.bad "provider cannot be changed" end
    if f.key_collection and f.key_collection ~= provider.key_collection then refusal.bad "key_collection cannot be changed" end
  else
    if not f.key_collection or f.key_collection == "" then refusal.bad "key_collection is required" end
    provider = { id = r.simulation:hex(8), provider = f.provider, key_collection = f.key_collection, distributions = {} }
  end
  keep_credentials(r, provider)
  providers(r)[r.captured.kms] = provider
end

local function read_provider(r)
  local provider = provider_of(r) or refusal.absent()
  return { data = { provider = provider.provider, key_collection = provider.key_collection } }
end

local function delete_provider(r)
  local provider = provider_of(r)
  if not provider then return end
  if next(provider.distributions) then refusal.bad("cannot delete KMS provider %q: keys are distributed to it", r.captured.kms) end
  providers(r)[r.captured.kms] = nil
end

-- ---- distribution ----

local function check_purpose(list)
  if not list or #list == 0 then refusal.bad "purpose is required" end
  for _, name in ipairs(list) do
    if not PURPOSES[name] then refusal.bad("invalid purpose: %s", name) end
    if name ~= "encrypt" and name ~= "decrypt" then refusal.bad("purpose %q is not supported by awskms", name) end
  end
  table.sort(list)
  return table.concat(list, ",")
end

-- Refuses what cannot be distributed; the purposes as they read back.
local function check_distribution(r, key, provider)
  local f = r.fields
  if not provider then refusal.bad('KMS provider "%s" not found', r.captured.kms) end
  if not key then no_key(r.captured.name) end
  local purpose = check_purpose(f.purpose)
  if f.protection ~= "hsm" and f.protection ~= "software" then refusal.bad("invalid protection: %s", f.protection) end
  if provider.provider ~= "awskms" then refusal.bad("provider %s is not simulated", provider.provider) end
  if f.protection ~= "hsm" then refusal.bad "protection \"software\" is not supported by awskms" end
  if key.type ~= "aes256-gcm96" then refusal.bad("key type %q is not supported by awskms", key.type) end
  local elsewhere = distributed(r, r.captured.name)
  if elsewhere and elsewhere ~= r.captured.kms then
    refusal.bad("key %q is already distributed to KMS provider %q", r.captured.name, elsewhere)
  end
  return purpose
end

local function tags_of(r, number)
  return json.array { { TagKey = "vault-key", TagValue = r.captured.name }, { TagKey = "vault-key-version", TagValue = tostring(number) } }
end

local function import_version(r, provider, key, number)
  local id, message = aws.import(r, client(r, provider), bytes_of(key.versions[number]),
    { tags = tags_of(r, number), multi_region = key.replica_regions and #key.replica_regions > 0 })
  return id or refusal.bad("error distributing key to KMS provider: %s", message)
end

local function distribute(r)
  local key, provider = key_of(r), provider_of(r)
  local purpose = check_distribution(r, key, provider)
  local have = provider.distributions[r.captured.name]
  if have then
    if have.purpose ~= purpose or have.protection ~= r.fields.protection then refusal.bad "purpose and protection cannot be changed" end
    if r.fault and r.fault.kind == "variant" then refusal.bad("key %q is already distributed to KMS provider %q", r.captured.name, r.captured.kms) end
    return nil
  end
  local versions = {}
  for number in sorted(key.versions) do
    if tonumber(number) >= key.min_enabled_version then versions[number] = import_version(r, provider, key, number) end
  end
  local name = ("%s-%d"):format(r.captured.name, math.floor(r.now))
  local done, message = aws.kms(r, client(r, provider), "CreateAlias", { AliasName = "alias/hashicorp/" .. name,
    TargetKeyId = versions[tostring(key.latest_version)] })
  if not done then refusal.bad("error distributing key to KMS provider: %s", message) end
  provider.distributions[r.captured.name] = { name = name, purpose = purpose, protection = r.fields.protection,
    distribution_time = time.micros(r.now), versions = versions }
end

local function distribution_of(r)
  local provider = provider_of(r)
  return provider and provider.distributions[r.captured.name] or refusal.absent(), provider
end

local function read_distribution(r)
  local found = distribution_of(r)
  local versions = {}
  for number, id in sorted(found.versions) do versions[number] = id end
  return { data = { name = found.name, purpose = found.purpose, protection = found.protection, distribution_time = found.distribution_time,
    versions = versions } }
end

local function delete_distribution(r)
  local provider = provider_of(r)
  local found = provider and provider.distributions[r.captured.name]
  if not found then return end
  local function must(operation, parameters)
    local done, message = aws.kms(r, client(r, provider), operation, parameters)
    if not done and not message:find("NotFoundException", 1, true) and not message:find("is pending deletion", 1, true) then
      refusal.bad("error deleting key from KMS provider: %s", message)
    end
  end
  must("DeleteAlias", { AliasName = "alias/hashicorp/" .. found.name })
  for _, id in sorted(found.versions) do must("ScheduleKeyDeletion", { KeyId = id }) end
  provider.distributions[r.captured.name] = nil
end

-- ---- rotation and replication ----

local function rotate(r)
  local key = key_of(r) or no_key(r.captured.name)
  local name, distribution = distributed(r, r.captured.name)
  add_version(r, key)
  if not name then return end
  local provider, number = providers(r)[name], tostring(key.latest_version)
  local ok, id = pcall(import_version, r, provider, key, number)
  local done, message = ok, id
  if ok then
    done, message = aws.kms(r, client(r, provider), "UpdateAlias", { AliasName = "alias/hashicorp/" .. distribution.name, TargetKeyId = id })
  end
  if not done then   -- nothing was rotated; what was made in KMS stays there
    key.versions[number], key.latest_version = nil, key.latest_version - 1
    if not ok then error(id, 0) end
    refusal.bad("error rotating key in KMS provider: %s", message)
  end
  distribution.versions[number] = id
end

local function replicate(r)
  local key = key_of(r) or no_key(r.captured.name)
  local distribution, provider = distribution_of(r)
  if not key.replica_regions or #key.replica_regions == 0 then refusal.bad('key "%s" does not have replica_regions', r.captured.name) end
  for _, region in ipairs(key.replica_regions) do
    local id = distribution.versions[tostring(key.latest_version)]
    local done, message = aws.kms(r, client(r, provider), "ReplicateKey", { KeyId = id, ReplicaRegion = region })
    if not done and not message:find("AlreadyExistsException", 1, true) then refusal.bad("error replicating key: %s", message) end
  end
end

-- ---- the rows ----

local NAME <const>, KMS <const>, BOTH <const> = { "name" }, { "kms" }, { "kms", "name" }

M.rows = paths.rows {
  { "Keys", "^key/?$", list = function(r) return names(keys(r)) end },
  { "Rotate", "^key/(NAME)/rotate$", NAME, write = rotate },
  { "KeyProviders", "^key/(NAME)/kms/?$", NAME, list = key_providers },
  { "Key", "^key/(NAME)$", NAME, fields = { type = { "string", "rsa-2048" }, replica_regions = "list", deletion_allowed = "bool",
    min_enabled_version = "int" }, exists = function(r) return key_of(r) ~= nil end, read = read_key, write = write_key, delete = delete_key },
  { "Providers", "^kms/?$", list = function(r) return names(providers(r)) end },
  { "Provider", "^kms/(NAME)$", KMS, fields = { provider = "string", key_collection = "string", credentials = "map" },
    exists = function(r) return provider_of(r) ~= nil end, read = read_provider, write = write_provider, delete = delete_provider },
  { "Distributions", "^kms/(NAME)/key/?$", KMS, list = function(r) return names((provider_of(r) or refusal.absent()).distributions) end },
  { "Replicate", "^kms/(NAME)/key/(NAME)/replicate$", BOTH, write = replicate },
  { "Distribution", "^kms/(NAME)/key/(NAME)$", BOTH, fields = { purpose = "list", protection = { "string", "hsm" } },
    exists = function(r) return provider_of(r) ~= nil and provider_of(r).distributions[r.captured.name] ~= nil end,
    read = read_distribution, write = distribute, delete = delete_distribution },
}

return M
