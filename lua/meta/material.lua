---@meta material
-- host/material.c: key material on its way from Vault to AWS KMS.
local material = {}

--- Wraps material for an import into KMS; both are in base64, as the services write them.
---@param public_key string
---@param secret secret.Secret
---@return secret.Secret?  for AWS
---@return string? message
function material.wrap(public_key, secret) end

--- A public key as PEM.
---@param public_key string
---@return string?  the same key as PEM | nil, message
---@return string? message
function material.pem(public_key) end

return material
