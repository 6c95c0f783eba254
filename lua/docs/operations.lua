--- What `help` says of functions that are made from data: the services' operations, from the tables that they are made of.
local comments = require "docs.comments"

local M = {}

--- The services, whose calls have an effect.
M.SERVICES = { cloud = true, iam = true, kms = true, sts = true, tagging = true, vault = true }

local AWS <const> = { iam = "IAM", kms = "KMS", sts = "STS", tagging = "Resource Groups Tagging API" }
local REGIONAL <const> = { kms = true, tagging = true }
local REGION <const> = { name = "region", type = "string", optional = true,
  text = "which region's KMS is asked; an ARN of a key says it as well" }
local WHERE <const> = { name = "region", type = "string", optional = false, text = "which region is asked" }
local NAMED_BY_ARN <const> = { KeyId = true, TargetKeyId = true }

--- What stands for a parameter in an example.
local SAMPLES <const> = { region = '"us-east-1"', KeyId = '"alias/crdb-cmek-orders-0123456789ab-g1"', AliasName = '"alias/orders-g2"',
  TargetKeyId = '"1234abcd-12ab-34cd-56ef-1234567890ab"', RoleName = '"crdb-cmek-orders-0123456789ab"', UserName = '"alice"',
  GroupName = '"security"', PolicyArn = '"arn:aws:iam::210987654321:policy/Audit"', PolicyName = '"crdb-cmek-kms"', VersionId = '"v1"',
  AssumeRolePolicyDocument = "policy.json(trust)", PolicyDocument = "policy.json(document)", Policy = "policy.json(document)",
  PolicySourceArn = '"arn:aws:iam::210987654321:role/Admin"', ActionNames = '{ "kms:CreateKey" }', PolicyInputList = "{ policy.json(document) }",
  PermissionsBoundary = '"arn:aws:iam::210987654321:policy/Boundary"', TagKeys = '{ "team" }', ReplicaRegion = '"eu-west-1"',
  PrimaryRegion = '"eu-west-1"', WrappingAlgorithm = '"RSAES_OAEP_SHA_256"', WrappingKeySpec = '"RSA_4096"', mount = '"transit"',
  path = '"transit"', name = '"crdb-cmek-orders-0123456789ab-us-east-1"', key = '"crdb-cmek-orders-0123456789ab-us-east-1"', version = "1",
  paths = '{ "sys/mounts" }', EncodedMessage = "message", Plaintext = '"aGVsbG8="', CiphertextBlob = "blob", ImportToken = "token",
  EncryptedKeyMaterial = "material", DestinationKeyId = '"1234abcd-12ab-34cd-56ef-1234567890ab"', ResourceTypeFilters = '{ "kms:key" }',
  plaintext = '"aGVsbG8="', ciphertext = "wrapped", purpose = '"encrypt,decrypt"', provider = '"awskms"', key_collection = '"us-east-1"',
  data = '{ team = "storage" }', deletion_allowed = "true", custom_metadata = '{ team = "storage" }', Description = '"of orders"' }
--- The same where it hangs on the engine, by what the operations of Vault begin with.
local ENGINES <const> = {
  Keymgmt = { mount = '"keymgmt"', type = '"aes256-gcm96"' }, Transit = { mount = '"transit"' },
  Kv = { mount = '"secret"', path = '"cmek/orders"' }, Enable = { type = '"transit"' }, Read = { name = '"team"' },
}
local OPERATIONS <const> = { KvReadLock = { mount = '"secret"', path = '"cmek/rotation-of-orders-0123456789ab"' },
  TransitDeleteTemporaryKey = { mount = '"transit"', name = '"tmp-0123456789ab-us-east-1-1"' } }
--- Parameters that may be left out, and without which there is little to show.
local SHOWN <const> = { Decrypt = "CiphertextBlob", ReEncrypt = "CiphertextBlob", UpdateRole = "Description", GetResources = "ResourceTypeFilters",
  ReplicateKey = "Description", TransitConfigureKey = "deletion_allowed", KvWriteMetadata = "custom_metadata", KeymgmtWriteKey = "type" }
local TAGS <const> = { kms = '{ { TagKey = "team", TagValue = "storage" } }', iam = '{ { Key = "team", Value = "storage" } }' }

local function function_name(operation) return (operation:gsub("(%l)(%u)", "%1_%2"):lower()) end

--- What stands for a value in an example.
---@param name string       of the parameter
---@param fallback string
---@return string
function M.sample(name, fallback) return SAMPLES[name] or fallback end

--- The effect of an operation, in words that say what it takes to do it.
local EFFECT <const> = {
  read = "read: it changes nothing", session = "session: the credential code's alone", write = "write: it needs the right to write",
  deletion = "deletion: it needs the right to write, and a deletion to be agreed to",
  irreversible = "irreversible: it needs the right to write, and what cannot be undone to be agreed to",
}

--- What the door holds an operation for, in words.
---@param service string
---@param name string  "create_key"
---@return string
function M.effect(service, name) return EFFECT[require("engine.calls").effect(service, name)] end

local function example(service, name, operation, fields, fallback)
  local parts = {}
  local own = service == "vault" and (OPERATIONS[operation] or ENGINES[operation:match "^%u%l+"]) or {}
  for _, field in ipairs(fields) do
    local shown = not field.optional or field.name == "region" or SHOWN[operation] == field.name
    local value = shown and (own[field.name] or field.name == "Tags" and TAGS[service] or SAMPLES[field.name]
      or comments.values(field.type)[1] and ('"%s"'):format(comments.values(field.type)[1]) or "…")
    if value then parts[#parts + 1] = ("%s = %s"):format(field.name, value) end
  end
  return ("%s.%s%s"):format(service, name, #parts > 0 and " { " .. table.concat(parts, ", ") .. " }" or fallback)
end

local function signature(service, name, fields)
  local parts = {}
  for _, field in ipairs(fields) do parts[#parts + 1] = field.name .. (field.optional and "?" or "") end
  return ("%s.%s%s"):format(service, name, #parts > 0 and " { " .. table.concat(parts, ", ") .. " }" or "()")
end

local function finish(service, name, operation, entry)
  entry.name, entry.signature, entry.params = service .. "." .. name, signature(service, name, entry.fields), entry.fields
  entry.effect = M.effect(service, name)
  entry.example = example(service, name, operation, entry.fields, "()")
  return entry
end

-- AWS ----------------------------------------------------------------------------------------------------------------

local function fields_of(service, takes)
  local fields, by_arn = {}, false
  for _, text in ipairs(takes or {}) do
    local field = assert(comments.field(text))
    fields[#fields + 1] = field
    by_arn = by_arn or NAMED_BY_ARN[field.name]
  end
  if REGIONAL[service] then table.insert(fields, 1, by_arn and REGION or WHERE) end
  return fields
end

-- What may stand alone in the place of the table.
local function alone(service, operation)
  local name = require("aws.operations").lone(service, operation)
  return name and REGIONAL[service] and name .. ", an ARN," or name
end

local function of_aws(service, name, operation, entry)
  local gives = {}
  for _, text in ipairs(entry.gives or {}) do gives[#gives + 1] = text end
  return finish(service, name, operation, {
    text = entry.text, fields = fields_of(service, entry.takes), lone = alone(service, operation), errors = entry.errors,
    reference = ("%s %s"):format(AWS[service], operation),
    returns = #gives > 0 and ("{ %s }"):format(table.concat(gives, ", ")) or "{}",
    raises = "what the service refuses: { service, operation, region, code, message, request_id }",
  })
end

-- Vault --------------------------------------------------------------------------------------------------------------

local function of_vault(name, operation)
  local entry, told = require("vault.operations").LIST[operation], require("vault.reference")
  local fields, seen = {}, {}
  local function add(field, optional)
    if seen[field] then return end
    seen[field] = true
    fields[#fields + 1] = { name = field, type = told.TYPES[field] or "string", optional = optional }
  end
  for field in entry[2]:gmatch "{(%a+)}" do add(field, false) end
  for field in entry[3]:gmatch "{(%a+)}" do add(field, false) end
  local needed = {}
  for _, field in ipairs(told.NEEDED[operation] or {}) do needed[field] = true end
  for _, field in ipairs(entry.body or {}) do add(field, not needed[field]) end
  for _, field in ipairs(entry.query or {}) do add(field, true) end
  if not entry.whole then add("namespace", true) end
  local reads = entry[1] == "GET" or entry[1] == "LIST"
  return finish("vault", name, operation, { text = told.TEXTS[operation], fields = fields,
    reference = ("Vault %s %s/%s"):format(entry[1], entry[2], entry[3]),
    returns = reads and "table?  the answer's data; nil when nothing is there" or "table  the answer's data; {} where there is none",
    raises = "what Vault refuses: { service, operation, status, message }" })
end

--- The functions of a service that data makes, by name; {} for a service that has none.
---@param service string
---@return table<string, docs.Entry>
function M.of(service)
  local found = {}
  if AWS[service] then
    for operation, entry in pairs(require("aws.reference." .. service)) do   -- order cannot be seen
      local name = function_name(operation)
      found[name] = of_aws(service, name, operation, entry)
    end
  elseif service == "vault" then
    for operation in pairs(require("vault.operations").LIST) do   -- order cannot be seen
      local name = function_name(operation)
      found[name] = of_vault(name, operation)
    end
  end
  return found
end

return M
