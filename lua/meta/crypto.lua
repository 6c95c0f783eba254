---@meta crypto
-- host/crypto.c: digests, HMAC, random bytes, encodings, constant-time compare; AES-GCM and RSA for the simulated services and for wrapping.
---@class crypto.Key: userdata  of RSA, with its private half

local crypto = {}

--- SHA-1.
---@param text string
---@return string  20 bytes
function crypto.sha1(text) end

--- SHA-256.
---@param text string
---@return string  32 bytes
function crypto.sha256(text) end

--- HMAC with SHA-256.
---@param key string
---@param text string
---@return string  32 bytes
function crypto.hmac_sha256(key, text) end

--- Random bytes.
---@param n integer
---@return string  n bytes
function crypto.random(n) end

--- Whether two are equal, in a time that tells nothing of where they differ.
---@param a string|secret.Secret
---@param b string|secret.Secret
---@return boolean
function crypto.equal(a, b) end

--- Bytes as lower-case digits.
---@param bytes string
---@return string  lower-case digits
function crypto.hex(bytes) end

--- Bytes of digits.
---@param digits string
---@return string?  bytes | nil
function crypto.unhex(digits) end

--- Bytes as base64.
---@param bytes string
---@return string  text
function crypto.base64(bytes) end

--- Bytes as base64url without padding.
---@param bytes string
---@return string  text without padding
function crypto.base64url(bytes) end

--- The bytes of base64; nil for what base64 itself would not write.
---@param text string
---@return string?  bytes | nil
function crypto.unbase64(text) end

--- A text percent-encoded; A-Z a-z 0-9 - . _ ~ stay.
---@param text string
---@return string  text
function crypto.percent_encode(text) end

--- A text percent-decoded; what is no %XX stays.
---@param text string
---@return string  text
function crypto.percent_decode(text) end

--- Encrypts with AES-GCM; the tag stands behind.
---@param key string
---@param iv string
---@param plaintext string
---@param aad string?
---@return string  ciphertext .. tag
function crypto.aes_gcm_seal(key, iv, plaintext, aad) end

--- Decrypts with AES-GCM; nil when it was changed.
---@param key string
---@param iv string
---@param sealed string
---@param aad string?
---@return string?  plaintext | nil
function crypto.aes_gcm_open(key, iv, sealed, aad) end

--- Wraps a key by AES-KWP (RFC 5649); the wrapping key has 32 bytes.
---@param key string
---@param bytes string
---@return string  wrapped
function crypto.aes_kwp_wrap(key, bytes) end

--- Unwraps what aes_kwp_wrap made.
---@param key string
---@param wrapped string
---@return string?  bytes | nil
function crypto.aes_kwp_unwrap(key, wrapped) end

--- A new RSA key.
---@param bits integer
---@return crypto.Key
function crypto.rsa_generate(bits) end

--- The public key as DER (SubjectPublicKeyInfo).
---@param key crypto.Key
---@return string  DER (SubjectPublicKeyInfo)
function crypto.rsa_public(key) end

--- Encrypts by RSA-OAEP with a public key.
---@param der string
---@param bytes string
---@param hash string
---@return string  wrapped
function crypto.rsa_oaep_wrap(der, bytes, hash) end

--- Unwraps what rsa_oaep_wrap made.
---@param key crypto.Key
---@param wrapped string
---@param hash string
---@return string?  bytes | nil
function crypto.rsa_oaep_unwrap(key, wrapped, hash) end

return crypto
