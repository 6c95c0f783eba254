---@meta secret
-- host/secret.c: strings that Lua may pass on and never read.
---@class secret.Secret: userdata  tostring gives ****

local secret = {}

--- A secret of a text, for an audience.
---@param text string
---@param audience string
---@return secret.Secret
function secret.new(text, audience) end

--- A variable of the environment as a secret.
---@param name string
---@param audience string
---@return secret.Secret?  nil: it is not set, or empty
function secret.environment(name, audience) end

--- A file as a secret.
---@param path string
---@param audience string
---@param limit integer?
---@return secret.Secret?
---@return string? message
function secret.file(path, audience, limit) end

--- Whether a value is a secret.
---@param value any
---@return boolean
function secret.is(value) end

--- Whether two secrets, or texts, are equal.
---@param a string|secret.Secret
---@param b string|secret.Secret
---@return boolean
function secret.equal(a, b) end

--- How long a secret is, in bytes.
---@param value secret.Secret
---@return number  bytes
function secret.length(value) end

--- The same without the white space around it.
---@param value secret.Secret
---@return secret.Secret
function secret.trimmed(value) end

--- Gives 16 hex digits that are its own and do not tell it.
---@param value secret.Secret
---@return string  16 hex digits that are its own and do not tell it
function secret.fingerprint(value) end

--- "vault:…", which says where a secret is and is none.
---@param value secret.Secret
---@return string?
function secret.reference(value) end

--- An ID of AWS, which is none either.
---@param value secret.Secret
---@return string?
function secret.access_key_id(value) end

--- Gives text with '*' over every live secret.
---@param text string
---@return string  text with '*' over every live secret
function secret.mask(text) end

return secret
