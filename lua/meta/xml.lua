---@meta xml
-- host/xml.c: XML answers as tables, by expat.
local xml = {}

--- Reads XML.
---@param text string
---@param options { secrets: string[], audience: string }?  secrets: members of these names come as secrets; audience: whom they may go to
---@return string? root  its name; nil: it is no XML
---@return any content  of the root, or what is wrong
function xml.decode(text, options) end

return xml
