--- The simulated Vault: transit, with real cryptography. A key's bytes are worked out from its version's id, so that a state file
--- needs no secret (as sim/kms_crypto.lua does it); what was imported is gone with the process.
local crypto = require("crypto")
local json = require("json")
local paths = require("sim.vault.paths")
local pem = require("sim.vault.pem")
local refusal = require("sim.vault.refusal")
local roles = require("sim.vault.roles")
local sorted = require("sorted")
local state = require("sim.vault.state")

local M = {}

--- Key types that are simulated: bytes of a symmetric key, bits of an RSA pair.
local TYPES <const> = { ["aes128-gcm96"] = { bytes = 16 }, ["aes256-gcm96"] = { bytes = 32 }, ["rsa-2048"] = { bits = 2048 },
  ["rsa-3072"] = { bits = 3072 }, ["rsa-4096"] = { bits = 4096 } }

local HOUR <const> = 3600

local function keys(r) return roles.store(r, "keys") end

local function find(r, name) return keys(r)[name or r.captured.name] end

local function generate_pair(r, bits) return (r.simulation.rsa_generate or crypto.rsa_generate)(bits) end

-- ---- versions and their bytes ----

local function add_version(r, key, what)
  local version = what or {}
  version.id, version.creation_time = r.simulation:hex(16), math.floor(r.now)
  local bits = TYPES[key.type].bits
  if bits and not version.public_key then
    version._pair = generate_pair(r, bits)
    version.public_key = pem.encode(crypto.rsa_public(version._pair))
  end
  key.latest_version = key.latest_version + 1
  key.versions[tostring(key.latest_version)] = version
end

local function bytes_of(key, version)
  if version._bytes then return version._bytes end
  if version.imported then refusal.raise(500, refusal.several "the imported material is gone with the simulation that held it") end
  return crypto.hmac_sha256("simulated key material", version.id):sub(1, TYPES[key.type].bytes)
end

local function version_of(key, number)
  if number == nil or number == 0 then number = key.latest_version end
  return key.versions[tostring(number)], number
end

-- ---- keys ----

local function shown(r, key)
  local versions = {}
  for number, version in sorted(key.versions) do
    if tonumber(number) >= key.min_decryption_version then
      versions[number] = version.public_key and { creation_time = version.creation_time, public_key = version.public_key, name = key.type }
        or version.creation_time
    end
  end
  local symmetric, soft_deleted = TYPES[key.type].bytes ~= nil, nil
  if state.EDITIONS[r.vault.edition].bao then soft_deleted = false end
  return { name = key.name, type = key.type, latest_version = key.latest_version, min_decryption_version = key.min_decryption_version,
    min_encryption_version = key.min_encryption_version, min_available_version = 0, deletion_allowed = key.deletion_allowed,
    exportable = key.exportable, allow_plaintext_backup = key.allow_plaintext_backup, derived = false, supports_encryption = true,
    supports_decryption = not key.public_only, supports_derivation = symmetric, supports_signing = not symmetric,
    auto_rotate_period = key.auto_rotate_period, imported_key = key.imported == true,
    imported_key_allow_rotation = key.allow_rotation, keys = versions, soft_deleted = soft_deleted }
end

local function new_key(name, fields)
  return { name = name, type = fields.type, exportable = fields.exportable, allow_plaintext_backup = fields.allow_plaintext_backup,
    deletion_allowed = false, latest_version = 0, min_decryption_version = 1, min_encryption_version = 0,
    auto_rotate_period = fields.auto_rotate_period or 0, versions = {} }
end

local function check_type(kind)
  if not TYPES[kind] then refusal.bad('unknown key type %s', kind) end
end

local function check_period(period)
  if period ~= 0 and period < HOUR then refusal.bad "auto rotate period must be 0 to disable or at least an hour" end
end

local function create(r)
  local f, name = r.fields, r.captured.name
  local key = keys(r)[name]
  if key then
    if not state.EDITIONS[r.vault.edition].bao then r.warn("key %s already existed", name) end
    return { data = shown(r, key) }
  end
  check_type(f.type)
  check_period(f.auto_rotate_period)
  if f.derived or f.convergent_encryption then refusal.bad "derived keys are not simulated" end
  key = new_key(name, f)
  add_version(r, key)
  keys(r)[name] = key
  return { data = shown(r, key) }
end

local function absent_key() refusal.bad "key not found" end

local function rotate(r)
  local key = find(r) or absent_key()
  if key.imported and not key.allow_rotation then refusal.bad('imported key %s does not allow rotation within Vault', key.name) end
  add_version(r, key)
  return { data = shown(r, key) }
end

local function set_minimum(key, field, value)
  local what = field == "min_decryption_version" and "decryption" or "encryption"
  if value < 0 then refusal.bad("min %s version cannot be negative", what) end
  if value > key.latest_version then
    refusal.bad("cannot set min %s version of %d, latest key version is %d", what, value, key.latest_version)
  end
  key[field] = field == "min_decryption_version" and math.max(1, value) or value
end

local function configure(r)
  local key, f = find(r) or refusal.bad("no existing key named %s could be found", r.captured.name), r.fields
  for _, field in ipairs { "min_decryption_version", "min_encryption_version" } do
    if r.present[field] then set_minimum(key, field, f[field]) end
  end
  if key.min_encryption_version > 0 and key.min_encryption_version < key.min_decryption_version then
    refusal.bad("cannot set min encryption version of %d, minimum decryption version is %d", key.min_encryption_version, key.min_decryption_version)
  end
  if r.present.deletion_allowed then key.deletion_allowed = f.deletion_allowed end
  if f.exportable then key.exportable = true end                         -- one way
  if f.allow_plaintext_backup then key.allow_plaintext_backup = true end
  if r.present.auto_rotate_period then
    check_period(f.auto_rotate_period)
    key.auto_rotate_period = f.auto_rotate_period
  end
  return { data = shown(r, key) }
end

local function delete(r)
  local key = find(r) or refusal.bad("error deleting policy %s: could not delete key; not found", r.captured.name)
  if not key.deletion_allowed then refusal.bad("error deleting policy %s: deletion is not allowed for this key", key.name) end
  keys(r)[key.name] = nil
end

local function list(r)
  local names = json.array {}
  for name in sorted(keys(r)) do names[#names + 1] = name end
  return paths.keys(names)
end

-- ---- encryption ----

local function unbase64(text, what)
  return type(text) == "string" and crypto.unbase64(text) or refusal.bad("failed to base64-decode %s", what)
end

local function seal(r, key, plaintext, number)
  local version
  version, number = version_of(key, number)
  if not version then refusal.bad "requested version for encryption is higher than the latest key version" end
  if number < key.min_encryption_version then refusal.bad "requested version for encryption is less than the minimum encryption key version" end
  local sealed
  if version.public_key then
    local ok, wrapped = pcall(crypto.rsa_oaep_wrap, pem.decode(version.public_key), plaintext, "sha256")
    if not ok then refusal.bad "failed to RSA encrypt the plaintext: crypto/rsa: message too long for RSA key size" end
    sealed = wrapped
  else
    local iv = r.simulation.random(12)
    sealed = iv .. crypto.aes_gcm_seal(bytes_of(key, version), iv, plaintext)
  end
  return ("vault:v%d:%s"):format(number, crypto.base64(sealed)), number
end

local function check_padding(r)
  local scheme = r.fields.padding_scheme
  if scheme ~= nil and scheme ~= "" and scheme ~= "oaep" then refusal.bad("padding_scheme %s is not simulated", scheme) end
end

local function encrypt(r)
  local f = r.fields
  if f.plaintext == nil then refusal.bad "missing plaintext to encrypt" end
  check_padding(r)
  local key = find(r)
  if not key then
    check_type(f.type)
    key = new_key(r.captured.name, { type = f.type, exportable = false, allow_plaintext_backup = false })
    add_version(r, key)
    keys(r)[key.name] = key
  end
  local text, number = seal(r, key, unbase64(f.plaintext, "plaintext"), f.key_version)
  return { data = { ciphertext = text, key_version = number } }
end

local function open(key, text)
  local number, coded = tostring(text):match "^vault:v(%d+):(.+)$"
  if not number then refusal.bad "invalid ciphertext: no prefix" end
  local version = version_of(key, math.tointeger(tonumber(number)))
  if not version then refusal.bad "invalid ciphertext: version is too new" end
  if tonumber(number) < key.min_decryption_version then refusal.bad "ciphertext or signature version is disallowed by policy (too old)" end
  local sealed = crypto.unbase64(coded) or refusal.bad "invalid ciphertext: could not decode base64"
  if version.public_key then
    if not version._pair then refusal.bad "requested version for decryption does not contain a private part" end
    return crypto.rsa_oaep_unwrap(version._pair, sealed, "sha256") or refusal.bad "failed to RSA decrypt the ciphertext: crypto/rsa: decryption error"
  end
  if #sealed < 28 then refusal.bad "invalid ciphertext length" end
  return crypto.aes_gcm_open(bytes_of(key, version), sealed:sub(1, 12), sealed:sub(13), "")
    or refusal.bad "cipher: message authentication failed"
end

local function decrypt(r)
  if r.fields.ciphertext == nil then refusal.bad "missing ciphertext to decrypt" end
  check_padding(r)
  local key = find(r) or refusal.bad "encryption key not found"
  return { data = { plaintext = crypto.base64(open(key, r.fields.ciphertext)) } }
end

local SIZES <const> = { [128] = 16, [256] = 32, [512] = 64 }

local function datakey(r)
  local kind = r.captured.plaintext
  if kind ~= "plaintext" and kind ~= "wrapped" then refusal.bad "Invalid path, must be 'plaintext' or 'wrapped'" end
  local size = SIZES[r.fields.bits] or refusal.bad "invalid bit length"
  check_padding(r)
  local key = find(r) or refusal.bad "encryption key not found"
  local bytes = r.simulation.random(size)
  local text, number = seal(r, key, bytes, nil)
  return { data = { ciphertext = text, key_version = number, plaintext = kind == "plaintext" and crypto.base64(bytes) or nil } }
end

-- ---- export and import ----

-- The versions that a request means: one, the latest, or all that may still decrypt.
local function chosen(key, which)
  if which == nil or which == "" then
    local all = {}
    for number, version in sorted(key.versions) do
      if tonumber(number) >= key.min_decryption_version then all[number] = version end
    end
    return all
  end
  local number = which == "latest" and key.latest_version or math.tointeger(tonumber(which))
    or refusal.bad 'invalid key version'
  if number < key.min_decryption_version then refusal.bad "version for export is below minimum decryption version" end
  return { [tostring(number)] = key.versions[tostring(number)] or refusal.bad "version does not exist or cannot be found" }
end

local EXPORTS <const> = { ["encryption-key"] = true, ["signing-key"] = true, ["hmac-key"] = true, ["public-key"] = true }

local function export(r)
  local kind = r.captured.type
  if not EXPORTS[kind] then refusal.bad("invalid export type: %s", kind) end
  local key = find(r) or refusal.absent()
  if not key.exportable and kind ~= "public-key" then refusal.bad "private key material is not exportable" end
  local data = { name = key.name, type = key.type, keys = {} }
  for number, version in sorted(chosen(key, r.captured.version)) do
    if kind == "public-key" then
      data.keys[number] = version.public_key or refusal.bad("unknown key type %s for export type public-key", key.type)
    elseif TYPES[key.type].bits then
      refusal.bad "the export of private RSA keys is not simulated"
    else
      data.keys[number] = crypto.base64(bytes_of(key, version))
    end
  end
  return { data = data }
end

local function wrapping_pair(r)
  local vault = r.vault
  vault._wrapping_pair = vault._wrapping_pair or generate_pair(r, 4096)
  return vault._wrapping_pair
end

-- The imports are told as internal failures, as real servers do it.
local function broken(text, ...) refusal.raise(500, refusal.several(select("#", ...) > 0 and text:format(...) or text)) end

-- DER of a public RSA key of exactly the type's bits; lengths of SubjectPublicKeyInfo with the usual exponent.
local DER_LENGTHS <const> = { ["rsa-2048"] = 294, ["rsa-3072"] = 422, ["rsa-4096"] = 550 }

local function public_key(kind, text)
  local der = pem.decode(text) or broken "error importing key: error parsing public key: not in PEM format"
  if not DER_LENGTHS[kind] then broken "provided type does not support public_key import" end
  if #der ~= DER_LENGTHS[kind] or not pcall(crypto.rsa_oaep_wrap, der, "x", "sha256") then
    broken("invalid key size: expected %s bits", kind:match "%d+")
  end
  return pem.encode(der)
end

local RSA_BYTES <const> = 512

local function unwrap(r, kind, text)
  local blob = unbase64(text, "ciphertext")
  if #blob <= RSA_BYTES then broken "provided ciphertext is too short" end
  local digest = ({ SHA256 = "sha256", SHA1 = "sha1" })[r.fields.hash_function:upper()] or broken "unsupported hash function"
  local ephemeral = crypto.rsa_oaep_unwrap(wrapping_pair(r), blob:sub(1, RSA_BYTES), digest)
  local bytes = ephemeral and #ephemeral == 32 and crypto.aes_kwp_unwrap(ephemeral, blob:sub(RSA_BYTES + 1))
  if not bytes then broken "error unwrapping kek: crypto/rsa: decryption error" end
  if #bytes ~= (TYPES[kind].bytes or broken "the import of private RSA keys is not simulated") then
    broken("invalid key size %d bytes for key type %s", #bytes, kind)
  end
  return bytes
end

-- A version from what the request carries.
local function carried(r, kind)
  if r.fields.public_key and r.fields.public_key ~= "" then
    return { public_key = public_key(kind, r.fields.public_key), imported = true }, true
  end
  if not r.fields.ciphertext then broken "one of the following fields, ciphertext and public_key, must be set" end
  return { _bytes = unwrap(r, kind, r.fields.ciphertext), imported = true }, false
end

local function import(r)
  local f = r.fields
  if find(r) then broken "the import path cannot be used with an existing key; use import-version to rotate an existing imported key" end
  check_type(f.type)
  local version, public = carried(r, f.type)
  local key = new_key(r.captured.name, f)
  key.imported, key.allow_rotation, key.public_only = true, f.allow_rotation, public or nil
  add_version(r, key, version)
  keys(r)[key.name] = key
end

local function import_version(r)
  local key = find(r) or refusal.bad("no key found with name %s; to import a new key, use the import/ endpoint", r.captured.name)
  if not key.imported then refusal.bad "the import_version endpoint can only be used with an imported key" end
  add_version(r, key, (carried(r, key.type)))
end

local function byok_export(r)
  local to = find(r, r.captured.destination) or refusal.absent()
  local source = find(r, r.captured.source) or refusal.absent()
  if not source.exportable then refusal.bad "key is not exportable" end
  local wrapping = version_of(to).public_key or refusal.bad "destination key is not an RSA key"
  local digest = ({ SHA256 = "sha256", SHA1 = "sha1" })[r.fields.hash:upper()] or refusal.bad "unsupported hash function"
  local data = { name = source.name, type = source.type, keys = {} }
  for number, version in sorted(chosen(source, r.captured.version)) do
    local ephemeral = r.simulation.random(32)
    data.keys[number] = crypto.base64(crypto.rsa_oaep_wrap(pem.decode(wrapping), ephemeral, digest)
      .. crypto.aes_kwp_wrap(ephemeral, bytes_of(source, version)))
  end
  return { data = data }
end

-- ---- the rows ----

local NAME <const> = { "name" }
local CREATE <const> = { type = { "string", "aes256-gcm96" }, exportable = { "bool", false }, allow_plaintext_backup = { "bool", false },
  derived = { "bool", false }, convergent_encryption = { "bool", false }, auto_rotate_period = { "duration", 0 },
  key_size = "int", context = "string" }
local IMPORT <const> = { ciphertext = "string", public_key = "string", type = { "string", "aes256-gcm96" }, hash_function = { "string", "SHA256" },
  allow_rotation = { "bool", false }, exportable = { "bool", false }, allow_plaintext_backup = { "bool", false },
  auto_rotate_period = { "duration", 0 }, derived = "bool", context = "string", version = "int" }
local ENCRYPT <const> = { plaintext = "string", key_version = { "int", 0 }, padding_scheme = "string", type = { "string", "aes256-gcm96" },
  context = "string", nonce = "string", associated_data = "string" }

local function exists(r) return find(r) ~= nil end

M.rows = paths.rows {
  { "Keys", "^keys/?$", list = list },
  { "Rotate", "^keys/(NAME)/rotate$", NAME, write = rotate },
  { "Config", "^keys/(NAME)/config$", NAME, fields = { deletion_allowed = "bool", exportable = "bool", allow_plaintext_backup = "bool",
    min_decryption_version = "int", min_encryption_version = "int", auto_rotate_period = "duration" }, write = configure },
  { "Import", "^keys/(NAME)/import$", NAME, fields = IMPORT, write = import },
  { "ImportVersion", "^keys/(NAME)/import_version$", NAME, fields = IMPORT, write = import_version },
  { "Key", "^keys/(NAME)$", NAME, fields = CREATE, exists = exists, write = create, delete = delete,
    read = function(r) return { data = shown(r, find(r) or refusal.absent()) } end },
  { "Export", "^export/([^/]+)/(NAME)$", { "type", "name" }, read = export },
  { "Export", "^export/([^/]+)/(NAME)/([^/]+)$", { "type", "name", "version" }, read = export },
  { "BYOKExport", "^byok%-export/(NAME)/(NAME)$", { "destination", "source" }, fields = { hash = { "string", "SHA256" } }, read = byok_export },
  { "BYOKExport", "^byok%-export/(NAME)/(NAME)/([^/]+)$", { "destination", "source", "version" }, fields = { hash = { "string", "SHA256" } },
    read = byok_export },
  { "WrappingKey", "^wrapping_key$",
    read = function(r) return { data = { public_key = pem.encode(crypto.rsa_public(wrapping_pair(r))) } } end },
  { "Encrypt", "^encrypt/(NAME)$", NAME, fields = ENCRYPT, exists = exists, write = encrypt },
  { "Decrypt", "^decrypt/(NAME)$", NAME, fields = { ciphertext = "string", padding_scheme = "string", context = "string", nonce = "string" },
    write = decrypt },
  { "Datakey", "^datakey/([^/]+)/(NAME)$", { "plaintext", "name" }, fields = { bits = { "int", 256 }, padding_scheme = "string",
    context = "string", nonce = "string" }, write = datakey },
}

return M
