---@meta embedded
-- host/embedded.c: the Lua sources that the program carries.
local embedded = {}

--- The text of a source.
---@param path string  "lua/cloud.lua"
---@return string?
function embedded.source(path) end

--- The paths that begin so, sorted.
---@param prefix string?
---@return string[]
function embedded.list(prefix) end

return embedded
