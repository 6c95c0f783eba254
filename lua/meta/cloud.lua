---@meta cloud
-- host/cloud.c: requests to the CockroachDB Cloud API: bearer, version, JSON both ways.
---@class door.cloud
local cloud = {}

--- Sends a request to CockroachDB Cloud's API.
---@param options table  {method=, path=, query=, body=, token=, headers=, attempt=, timeout=}
---@return table? response
---@return string? message
---@return string? kind
function cloud.request(options) end

return cloud
