---@meta identity
-- host/identity.c: requests that it takes to be somebody in AWS and that nobody signs: the metadata of an instance, the credentials of a container,
---@class door.identity
local identity = {}

--- Sends a request of the credential code.
---@param options table  {service=, method=, path=, query=, headers=, body=, timeout=, attempt=, session_key=}
---@return table? response
---@return string? message
---@return string? kind
function identity.request(options) end

return identity
