---@meta xml
-- host/xml.c: XML answers as tables, by expat.
local xml = {}

--- Reads XML.
---@param text string
---@param options table?  {secrets={names}
---@param audience string
---@return any  root's name, content | nil, message
---@return string? message
function xml.decode(text, options, audience) end

return xml
