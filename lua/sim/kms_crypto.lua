--- The simulated KMS: cryptographic operations with symmetric keys. A ciphertext names the key and the material that made it, and is
--- sealed with AES-256-GCM; those names and the encryption context are bound as authenticated data.
local auth = require("sim.auth")
local crypto = require("crypto")
local sorted = require("sorted")
local state = require("sim.state")
local wire = require("sim.wire")

local M = {}

local MAGIC <const> = "\x01\x02\x02\x00"

-- Sealing ---------------------------------------------------------------------------------------------------------

-- The bytes of a material: imported ones as they came, AWS's own worked out from the id. This is a simulation, so that a state
-- file needs no secret; imported ones of an earlier run are worked out as well, for a state file has none.
local function material_bytes(key, id)
  for _, material in ipairs(key.KeyMaterials) do
    if material.KeyMaterialId == id then
      if material._bytes then return material._bytes end
      if key.Origin == "EXTERNAL" and material.ImportState ~= "IMPORTED" then return nil end
      return crypto.hmac_sha256("simulated key material", id)
    end
  end
end

-- The context as bytes: sorted by name, lengths before texts, so that no two maps look alike.
local function context_bytes(context)
  local parts = {}
  for name, value in sorted(context or {}) do parts[#parts + 1] = string.pack(">s2s2", name, value) end
  return table.concat(parts)
end

local function seal(call, key, plaintext, context)
  local header = MAGIC .. string.pack(">s2s1", key.Arn, crypto.unhex(key.CurrentKeyMaterialId))
  local iv = call.simulation.random(12)
  local bytes = material_bytes(key, key.CurrentKeyMaterialId)
  return header .. iv .. crypto.aes_gcm_seal(bytes, iv, plaintext, header .. context_bytes(context))
end

local function invalid_ciphertext() wire.refuse("InvalidCiphertextException", nil) end

-- { arn, material, header, iv, sealed } of a blob; refuses what is none.
local function split(blob)
  if blob:sub(1, #MAGIC) ~= MAGIC then invalid_ciphertext() end
  local ok, arn, material, at = pcall(string.unpack, ">s2s1", blob, #MAGIC + 1)
  if not ok or #blob < at + 12 + 16 - 1 then invalid_ciphertext() end
  return { arn = arn, material = crypto.hex(material), header = blob:sub(1, at - 1), iv = blob:sub(at, at + 11), sealed = blob:sub(at + 12) }
end

local function open(key, parts, context)
  local bytes = material_bytes(key, parts.material)
  local plaintext = bytes and crypto.aes_gcm_open(bytes, parts.iv, parts.sealed, parts.header .. context_bytes(context))
  return plaintext or invalid_ciphertext()
end

-- Which key -------------------------------------------------------------------------------------------------------

local function check_usage(call, key)
  if key.KeyUsage ~= "ENCRYPT_DECRYPT" then
    wire.refuse("InvalidKeyUsageException", ("%s key usage is %s which is not valid for %s."):format(key.Arn, key.KeyUsage, call.operation))
  end
  if key.KeySpec ~= "SYMMETRIC_DEFAULT" then
    wire.refuse("UnsupportedOperationException", ("%s: encryption with %s is not simulated"):format(key.Arn, key.KeySpec))
  end
end

local NO_KEY <const> = "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not \z
allowed to access."

-- The key that made a ciphertext; it is not said which of the reasons hides it.
local function key_of_blob(kms, call, parts, action, p)
  local region, account, id = parts.arn:match("^arn:[%w-]+:kms:([%w-]+):(%d+):key/(.+)$")
  local here = region == call.region or (id or ""):find("^mrk%-")
  local key = here and state.find_key(call.state, account, call.region, id)
  if not key then auth.deny(call, NO_KEY) end
  local verdict = auth.evaluate(call, { action = action, resource = key.Arn, account = key.AWSAccountId, policy = key._policy, kind = "key",
    context = kms.context_of(call, key, p) })
  if verdict.verdict ~= "allowed" then auth.deny(call, NO_KEY) end
  return key
end

local function same_key(key, parts)
  local id = parts.arn:match("key/(.+)$")
  return parts.arn == key.Arn or (id == key.KeyId and id:find("^mrk%-") ~= nil)
end

-- The key with which a ciphertext is to be opened: the named one must be the one that made it.
local function key_to_open(kms, call, parts, named, action, p)
  local key
  if named then
    key = kms.resolve(call, named, true, action)
    kms.authorize(call, key, action, p)
    if parts and not same_key(key, parts) then
      wire.refuse("IncorrectKeyException", "The key ID in the request does not identify a CMK that can perform this operation.")
    end
  else
    key = key_of_blob(kms, call, parts, action, p)
  end
  check_usage(call, key)
  kms.check_state(key, "crypto")
  return key
end

-- When a key was used ----------------------------------------------------------------------------------------------

local TRACKING <const> = 1772323200   -- 2026-03-01: what was before was not recorded

local function note_use(call, key)
  key.KeyLastUsage = { Operation = call.operation, Timestamp = math.floor(call.now),
    CloudTrailEventId = require("sim.clusters").uuid(("%s %s %.3f"):format(key.Arn, call.operation, call.now)) }
end

local function get_key_last_usage(_, _, key)
  return { KeyId = key.KeyId, KeyLastUsage = key.KeyLastUsage or {}, KeyCreationDate = key.CreationDate,
    TrackingStartDate = math.max(key.CreationDate, TRACKING) }
end

-- Operations ------------------------------------------------------------------------------------------------------

local function encrypt(kms)
  return function(call, p, key)
    check_usage(call, key)
    kms.check_state(key, "crypto")
    kms.dry_run(p)
    note_use(call, key)
    return { CiphertextBlob = crypto.base64(seal(call, key, p.Plaintext, p.EncryptionContext)), KeyId = key.Arn,
      EncryptionAlgorithm = "SYMMETRIC_DEFAULT" }
  end
end

local function ignores_ciphertext(p)
  return p.DryRun and p.DryRunModifiers and p.DryRunModifiers[1] == "IGNORE_CIPHERTEXT"
end

local function parts_of(p)
  if ignores_ciphertext(p) then return nil end
  if not p.CiphertextBlob then
    wire.refuse("ValidationException", "1 validation error detected: Value at 'ciphertextBlob' failed to satisfy constraint: Member must not be null")
  end
  return split(p.CiphertextBlob)
end

local function decrypt(kms)
  return function(call, p)
    local parts = parts_of(p)
    if not parts and not p.KeyId then wire.refuse("ValidationException", "KeyId is required when the ciphertext is ignored.") end
    local key = key_to_open(kms, call, parts, p.KeyId, "kms:Decrypt", p)
    kms.dry_run(p)
    local plaintext = open(key, parts, p.EncryptionContext)
    note_use(call, key)
    return { Plaintext = crypto.base64(plaintext), KeyId = key.Arn, KeyMaterialId = parts.material, EncryptionAlgorithm = "SYMMETRIC_DEFAULT" }
  end
end

local sizes = { AES_256 = 32, AES_128 = 16 }

local function generate_data_key(kms, shows_plaintext)
  return function(call, p, key)
    if (p.KeySpec == nil) == (p.NumberOfBytes == nil) then
      wire.refuse("ValidationException", "Please specify either number of bytes or key spec.")
    end
    check_usage(call, key)
    kms.check_state(key, "crypto")
    kms.dry_run(p)
    note_use(call, key)
    local plaintext = call.simulation.random(p.NumberOfBytes or sizes[p.KeySpec])
    return { CiphertextBlob = crypto.base64(seal(call, key, plaintext, p.EncryptionContext)), KeyId = key.Arn,
      KeyMaterialId = key.CurrentKeyMaterialId, Plaintext = shows_plaintext and crypto.base64(plaintext) or nil }
  end
end

local function re_encrypt(kms)
  return function(call, p)
    local parts = parts_of(p)
    local source_context = { EncryptionContext = p.SourceEncryptionContext, KeyId = p.SourceKeyId }
    local source = key_to_open(kms, call, parts, p.SourceKeyId, "kms:ReEncryptFrom", source_context)
    local target_context = { EncryptionContext = p.DestinationEncryptionContext, KeyId = p.DestinationKeyId }
    local target = key_to_open(kms, call, nil, p.DestinationKeyId, "kms:ReEncryptTo", target_context)
    kms.dry_run(p)
    local blob = seal(call, target, open(source, parts, p.SourceEncryptionContext), p.DestinationEncryptionContext)
    note_use(call, source)
    note_use(call, target)
    return { CiphertextBlob = crypto.base64(blob), SourceKeyId = source.Arn, KeyId = target.Arn, SourceEncryptionAlgorithm = "SYMMETRIC_DEFAULT",
      DestinationEncryptionAlgorithm = "SYMMETRIC_DEFAULT", SourceKeyMaterialId = parts.material,
      DestinationKeyMaterialId = target.CurrentKeyMaterialId }
  end
end

--- The rows of these operations.
---@param kms table  sim.kms: its tools
function M.operations(kms)
  local r = kms.rules
  local algorithm = { type = "string", values = { "SYMMETRIC_DEFAULT", "RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "SM2PKE" } }
  local modifiers = { type = "list", max = 1, member = { type = "string", values = { "IGNORE_CIPHERTEXT" } } }
  local blob = { type = "blob", min = 1, max = 6144, secret = true }
  local data_key = { KeyId = r.key, KeySpec = { type = "string", values = { "AES_256", "AES_128" } },
    NumberOfBytes = { type = "integer", min = 1, max = 1024 }, EncryptionContext = r.context, GrantTokens = r.grant_tokens, DryRun = r.flag }
  return {
    Encrypt = { write = true, alias = true, cross = true, run = encrypt(kms), parameters = { KeyId = r.key,
      Plaintext = { type = "blob", required = true, min = 1, max = 4096, secret = true }, EncryptionContext = r.context,
      EncryptionAlgorithm = algorithm, GrantTokens = r.grant_tokens, DryRun = r.flag } },
    GetKeyLastUsage = { run = get_key_last_usage, parameters = { KeyId = r.key } },
    Decrypt = { write = true, key = false, run = decrypt(kms), parameters = { KeyId = r.optional_key, CiphertextBlob = blob,
      EncryptionContext = r.context, EncryptionAlgorithm = algorithm, GrantTokens = r.grant_tokens, DryRun = r.flag, DryRunModifiers = modifiers } },
    GenerateDataKey = { write = true, alias = true, cross = true, run = generate_data_key(kms, true), parameters = data_key },
    GenerateDataKeyWithoutPlaintext = { write = true, alias = true, cross = true, run = generate_data_key(kms, false), parameters = data_key },
    ReEncrypt = { write = true, key = false, run = re_encrypt(kms), parameters = { CiphertextBlob = blob, SourceKeyId = r.optional_key,
      DestinationKeyId = r.key, SourceEncryptionContext = r.context, DestinationEncryptionContext = r.context, SourceEncryptionAlgorithm = algorithm,
      DestinationEncryptionAlgorithm = algorithm, GrantTokens = r.grant_tokens, DryRun = r.flag, DryRunModifiers = modifiers } },
  }
end

return M
