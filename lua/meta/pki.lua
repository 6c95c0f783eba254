---@meta pki
-- host/pki.c: signatures and certificates of others, as the simulated Vault judges who logs in with a JSON Web Token or over mutual TLS.
local pki = {}

--- Whether a signature is of that key.
---@param algorithm string
---@param pem string
---@param text string
---@param signature string
---@return boolean
function pki.verify(algorithm, pem, text, signature) end

--- What stands in a certificate.
---@param pem string
---@return table?  {der=, common_name=, serial=, dns={…}, ends=seconds, authority=} | nil
function pki.certificate(pem) end

--- Whether the authority's key has signed it.
---@param pem string
---@param authority string
---@return boolean
function pki.issued(pem, authority) end

return pki
