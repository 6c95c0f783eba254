---@meta json
-- host/json.c: JSON read and written, members sorted.
local json = {}

--- Reads JSON. null is json.null; arrays remember that they are arrays.
---@param text string
---@param options { secrets: string[]?, audience: string? }?  secrets: members of these names become secrets; audience: whom they may go to
---@return any value
---@return string? message
---@example local document, message = json.decode(text)
function json.decode(text, options) end

--- Writes a value as JSON; members are sorted, so that equal values have equal texts.
---@param value any
---@param options { indent: integer? }?
---@return string; raises for what JSON has not, such as a function
---@example print(json.encode(cluster, { indent = 2 }))
function json.encode(value, options) end

--- Marks a table as an array: it is written as [...] also when it is empty.
---@param list table?
---@return table  the list, or a new one
---@example json.encode { tags = json.array() }
function json.array(list) end

--- Whether a value was an array, or is marked as one.
---@param value any
---@return boolean
function json.is_array(value) end

--- What stands for null.
json.null = nil

return json
