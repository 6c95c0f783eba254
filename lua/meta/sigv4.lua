---@meta sigv4
-- host/sigv4_lua.c: sigv4.c for Lua: the simulator verifies with it, the tests look at every stage.
local sigv4 = {}

--- Signs a request, and gives every stage.
---@param options table  {method=, path=, query=, headers=, body=, ...}
---@return table  {authorization=, and every stage}
function sigv4.sign(options) end

--- Presigns a URL, and gives every stage.
---@param options table  {... expires=, session_token=}
---@return table  {query=, and every stage}
function sigv4.presign(options) end

return sigv4
