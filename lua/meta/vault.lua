---@meta vault
-- host/vault.c: requests to Vault and OpenBao: token, namespace, wrapping, LIST, and JSON both ways.
---@class door.vault
local vault = {}

--- Sends a request to Vault.
---@param options table  {method=, mount=, path=, namespace=, query=, body=, token=, wrap_ttl=, audience=, attempt=, timeout=, session_key=}
---@return table? response
---@return string? message
---@return string? kind
function vault.request(options) end

--- Signs a GetCallerIdentity for the login to Vault by aws.
---@param options table  {url=, region=, server_id=, credentials=, skew=, session_key=}
---@return table fields  iam_* of the login
function vault.sign_identity(options) end

return vault
