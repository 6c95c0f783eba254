---@meta http
-- host/http.c: requests for Lua: a request sleeps in the task that made it, http.wait() returns the task that woke.
---@class door.http
local http = {}

--- Sends a request, and sleeps until its answer is there.
---@param options table  {url=, method=, headers={{name, value}…}, body=, timeout=}
---@return table? response
---@return string? message
---@return string? kind
function http.request(options) end

--- The task that woke; nil when none sleeps.
---@return thread?
function http.wait() end

--- Gives the answer of a simulated world to a request that waits for it.
---@param id integer
---@param response table?
---@param message string?
---@param kind string?
function http.complete(id, response, message, kind) end

return http
