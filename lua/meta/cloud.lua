---@meta cloud
-- host/cloud.c: requests to the CockroachDB Cloud API: bearer, version, JSON both ways.
local cloud = {}

--- Sends a request to CockroachDB Cloud's API.
---@param options table  {method=, path=, query=, body=, token=, headers=, attempt=, timeout=}
---@return table?  response | nil, message, kind
---@return string? message
function cloud.request(options) end

return cloud
