---@meta aws
-- host/aws.c: requests to AWS: the operation and its body are written here, so that what is signed is what was judged.
---@class door.aws
local aws = {}

--- Sends a signed request to a service of AWS.
---@param options table  {service=, region=, operation=, parameters=, credentials=, ...}; of a service that door.services does not name also
---  host=, protocol=, version= | target= | method=, path=, query=, body=, and secrets= of any
---@return table? response
---@return string? message
---@return string? kind
function aws.request(options) end

return aws
