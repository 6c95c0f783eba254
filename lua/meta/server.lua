---@meta server
-- host/server.c: a loopback HTTP server for the simulator, on libevent's evhttp, with a loop of its own.
local server = {}

--- A server on loopback.
---@param options table  {handler=, port=, tls={cert=, key=, clients=}}
---@return any  server
function server.new(options) end

---@class server.Server
local Server = {}

--- Serves until its child has ended, the time has passed, or a signal came.
---@param options table  {child=, seconds=}
---@return string?  "child"|"seconds"|"signal", status|nil|number, failure|nil
function Server:run(options) end

--- Ends the server.
function Server:close() end

return server
