--- The simulated KMS: bringing one's own key material. The pair that wraps it is a real one, so that the wrapping is proved.
local crypto = require("crypto")
local json = require("json")
local state = require("sim.state")
local wire = require("sim.wire")

local M = {}

local DAY <const> = 86400
local bits = { RSA_2048 = 2048, RSA_3072 = 3072, RSA_4096 = 4096 }
local digests = { RSAES_OAEP_SHA_256 = "sha256", RSAES_OAEP_SHA_1 = "sha1" }

local function empty(key)
  key.ExpirationModel, key.ValidTo = nil, nil
  if not key.KeyState:find("^Pending") then key.KeyState, key.Enabled = "PendingImport", false end
end

--- Material whose time is over is gone.
function M.settle(key, now)
  if key.Origin == "EXTERNAL" and key.ValidTo and key.ValidTo <= now then
    for _, material in ipairs(key.KeyMaterials) do material._bytes, material.ImportState = nil, "PENDING_IMPORT" end
    empty(key)
  end
end

local function check_origin(kms, key, group)
  if key.Origin ~= "EXTERNAL" then kms.wrong_origin(key) end
  kms.check_state(key, group)
end

-- Tokens live beside the state: they end with the process, as they end with their day.
local function tokens(call)
  call.simulation.state._import_tokens = call.simulation.state._import_tokens or {}
  return call.simulation.state._import_tokens
end

local IN_TURN <const> = 2

-- The pair that wraps the material of an import. It takes seconds to make, while nobody else is answered: after the first few of a size they
-- are used again, in turn. KMS makes one for each; nobody who imports can tell.
local function wrapping_pair(simulation, size)
  simulation.wrapping_pairs = simulation.wrapping_pairs or {}
  local known = simulation.wrapping_pairs[size] or { asked = 0 }
  simulation.wrapping_pairs[size] = known
  known.asked = known.asked + 1
  local place = (known.asked - 1) % IN_TURN + 1
  known[place] = known[place] or (simulation.rsa_generate or crypto.rsa_generate)(size)
  return known[place]
end

local function get_parameters_for_import(kms)
  return function(call, p, key)
    check_origin(kms, key, "import_start")
    local digest = digests[p.WrappingAlgorithm]
    if not digest or not bits[p.WrappingKeySpec] then
      wire.refuse("UnsupportedOperationException", ("%s with %s is not simulated."):format(p.WrappingAlgorithm, p.WrappingKeySpec))
    end
    local pair = wrapping_pair(call.simulation, bits[p.WrappingKeySpec])
    local token = crypto.base64(call.simulation.random(120))
    local valid_to = math.floor(call.now) + DAY
    tokens(call)[token] = { key = pair, digest = digest, arn = key.Arn, valid_to = valid_to }
    return { KeyId = key.Arn, ImportToken = token, PublicKey = crypto.base64(crypto.rsa_public(pair)), ParametersValidTo = valid_to }
  end
end

-- The bytes that were sent, unwrapped.
local function unwrap(call, p, key)
  local token = tokens(call)[crypto.base64(p.ImportToken)]
  if not token or token.arn ~= key.Arn then wire.refuse("InvalidImportTokenException", nil) end
  if token.valid_to <= call.now then wire.refuse("ExpiredImportTokenException", nil) end
  local bytes = crypto.rsa_oaep_unwrap(token.key, p.EncryptedKeyMaterial, token.digest)
  if not bytes or #bytes ~= 32 then wire.refuse("InvalidCiphertextException", nil) end
  return bytes
end

local function expiry(call, p)
  local model = p.ExpirationModel or "KEY_MATERIAL_EXPIRES"
  if model ~= "KEY_MATERIAL_EXPIRES" then return model end
  if not p.ValidTo then wire.refuse("ValidationException", "A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES") end
  if p.ValidTo <= call.now or p.ValidTo > call.now + 365 * DAY then
    wire.refuse("ValidationException", "The validTo date must be in the future and at most 365 days away.")
  end
  return model, p.ValidTo
end

local function import_key_material(kms)
  return function(call, p, key)
    check_origin(kms, key, "import")
    local model, valid_to = expiry(call, p)
    local bytes = unwrap(call, p, key)
    local id = crypto.hex(crypto.sha256("material of " .. key.KeyId .. bytes))
    local known = key.CurrentKeyMaterialId or require("sim.kms_regions").family_material(call.state, key)
    if known and known ~= id then wire.refuse("IncorrectKeyMaterialException", nil) end
    local material = state.find(key.KeyMaterials, "KeyMaterialId", id)
    if not material then
      material = { KeyMaterialId = id }
      table.insert(key.KeyMaterials, material)
    end
    material._bytes, material.ImportState, material.ExpirationModel, material.ValidTo = bytes, "IMPORTED", model, valid_to
    key.CurrentKeyMaterialId, key.ExpirationModel, key.ValidTo = id, model, valid_to
    if key.KeyState == "PendingImport" then kms.set_state(key, "Enabled") end
    return { KeyId = key.Arn, KeyMaterialId = id }
  end
end

local function delete_imported_key_material(kms)
  return function(_, _, key)
    check_origin(kms, key, "import_delete")
    for _, material in ipairs(key.KeyMaterials) do material._bytes, material.ImportState = nil, "PENDING_IMPORT" end
    empty(key)
    return { KeyId = key.Arn, KeyMaterialId = key.CurrentKeyMaterialId }
  end
end

--- The rows of these operations.
---@param kms table  sim.kms: its tools
function M.operations(kms)
  local r = kms.rules
  local function enum(...) return { type = "string", required = true, values = json.array { ... } } end
  local blob = { type = "blob", required = true, min = 1, max = 6144, secret = true }
  return {
    GetParametersForImport = { write = true, run = get_parameters_for_import(kms), parameters = { KeyId = r.key,
      WrappingAlgorithm = enum("RSAES_PKCS1_V1_5", "RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "RSA_AES_KEY_WRAP_SHA_1",
        "RSA_AES_KEY_WRAP_SHA_256", "SM2PKE"),
      WrappingKeySpec = enum("RSA_2048", "RSA_3072", "RSA_4096", "SM2") } },
    ImportKeyMaterial = { write = true, run = import_key_material(kms), parameters = { KeyId = r.key, ImportToken = blob,
      EncryptedKeyMaterial = blob, ValidTo = { type = "number" }, KeyMaterialDescription = { type = "string", max = 256 },
      KeyMaterialId = { type = "string", min = 64, max = 64 },
      ExpirationModel = { type = "string", values = { "KEY_MATERIAL_EXPIRES", "KEY_MATERIAL_DOES_NOT_EXPIRE" } },
      ImportType = { type = "string", values = { "NEW_KEY_MATERIAL", "EXISTING_KEY_MATERIAL" } } } },
    DeleteImportedKeyMaterial = { write = true, run = delete_imported_key_material(kms),
      parameters = { KeyId = r.key, KeyMaterialId = { type = "string", min = 64, max = 64 } } },
  }
end

return M
