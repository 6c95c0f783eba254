---@meta vault
-- host/vault.c: requests to Vault and OpenBao: token, namespace, wrapping, LIST, and JSON both ways.
local vault = {}

--- Sends a request to Vault.
---@param options table  {method=, mount=, path=, namespace=, query=, body=, token=, wrap_ttl=, audience=, attempt=, timeout=, session_key=}
---@return table?  response | nil, message, kind
---@return string? message
function vault.request(options) end

--- Signs a GetCallerIdentity for the login to Vault by aws.
function vault.sign_identity() end

return vault
