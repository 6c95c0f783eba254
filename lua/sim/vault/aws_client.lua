--- The simulated Vault server as a client of the simulated AWS: signed requests, judged there as anybody's.
local crypto = require("crypto")
local json = require("json")
local sigv4 = require("sigv4")
local state = require("sim.vault.state")
local time = require("sim.time")

local M = {}

--- Does one operation of KMS; nil and the text of the refusal when it was refused, or when no answer came.
---@param r table  the request to Vault that wants it
---@param provider { region: string, credentials: table }  credentials: access_key, secret_key, session_token; what is missing is the server's own
---@param operation string
---@param parameters table
---@return table? result, string? message
function M.kms(r, provider, operation, parameters)
  local given = provider.credentials or {}
  local own = not given.access_key and state.SERVER
  local stamp = time.rfc3339(r.simulation:time()):gsub("[-:]", "")
  local headers = { { "Host", ("kms.%s.amazonaws.com"):format(provider.region) }, { "X-Amz-Date", stamp },
    { "Content-Type", "application/x-amz-json-1.1" }, { "X-Amz-Target", "TrentService." .. operation },
    { "User-Agent", "vault-plugin-secrets-keymgmt" } }
  if given.session_token then headers[#headers + 1] = { "X-Amz-Security-Token", given.session_token } end
  local body = json.encode(parameters)
  local signed = sigv4.sign { method = "POST", path = "/", query = "", headers = headers, body = body,
    access_key_id = own and own.access_key_id or given.access_key, secret = own and own.secret_access_key or given.secret_key or "",
    region = provider.region, service = "kms", stamp = stamp }
  headers[#headers + 1] = { "Authorization", signed.authorization }
  local answer = r.simulation:handle { method = "POST", target = "/", headers = headers, body = body }
  r.delay = (r.delay or 0) + (answer.delay or 0)
  local result = not answer.drop and not answer.cut and (answer.body == "" and {} or json.decode(answer.body))
  if answer.status == 200 and type(result) == "table" then return result end
  local request_id = answer.headers[1] and answer.headers[1][2] or ""
  if answer.drop or answer.cut then
    return nil, ("operation error KMS: %s, https response error StatusCode: 0, RequestID: , request send failed: EOF"):format(operation)
  end
  local code = type(result) == "table" and tostring(result.__type or ""):match "([^#]*)$" or "UnknownError"
  local message = type(result) == "table" and (result.message or result.Message) or answer.body
  return nil, ("operation error KMS: %s, https response error StatusCode: %d, RequestID: %s, api error %s: %s"):format(operation, answer.status,
    request_id, code, message)
end

--- A new KMS key of origin EXTERNAL that holds these bytes; nil and why not. A key that was made and could not be filled stays behind.
---@param r table
---@param provider table
---@param bytes string  32
---@param how { tags: table, multi_region: boolean }
---@return string? id, string? message
function M.import(r, provider, bytes, how)
  local made, message = M.kms(r, provider, "CreateKey", { Origin = "EXTERNAL", KeySpec = "SYMMETRIC_DEFAULT", KeyUsage = "ENCRYPT_DECRYPT",
    MultiRegion = how.multi_region or nil, Description = "Managed by Vault" })
  if not made then return nil, message end
  local id = made.KeyMetadata.KeyId
  local got
  got, message = M.kms(r, provider, "GetParametersForImport", { KeyId = id, WrappingAlgorithm = "RSAES_OAEP_SHA_256", WrappingKeySpec = "RSA_2048" })
  if not got then return nil, message end
  local wrapped = crypto.base64(crypto.rsa_oaep_wrap(crypto.unbase64(got.PublicKey), bytes, "sha256"))
  got, message = M.kms(r, provider, "ImportKeyMaterial", { KeyId = id, ImportToken = got.ImportToken, EncryptedKeyMaterial = wrapped,
    ExpirationModel = "KEY_MATERIAL_DOES_NOT_EXPIRE" })
  if not got then return nil, message end
  got, message = M.kms(r, provider, "TagResource", { KeyId = id, Tags = how.tags })
  if not got then return nil, message end
  return id
end

return M
