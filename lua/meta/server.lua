---@meta server
-- host/server.c: a loopback HTTP server for the simulator, on libevent's evhttp, with a loop of its own.
local server = {}

--- A server on loopback.
---@param options table  {handler=, port=, tls={cert=, key=, clients=}}
---@return server.Server
function server.new(options) end

---@class server.Server
local Server = {}

--- Serves until its child has ended, the time has passed, or a signal came.
---@param options table  {child=, seconds=}
---@return "child"|"seconds"|"signal" ended  what ended it
---@return integer? status  of the child, or the signal's number
---@return string? failure
function Server:run(options) end

--- Ends the server.
function Server:close() end

return server
