---@meta journal
-- host/journal.c: an append-only, hash-chained log: JSON lines, each with the SHA-256 of the line before it.
local journal = {}

--- The file must not exist.
---@param path string
---@return any  journal | nil, message
---@return string? message
function journal.create(path) end

--- After the lines of text.
---@param path string
---@param text string
---@return any  journal | nil, message
---@return string? message
function journal.continue(path, text) end

--- Over {append=, sync=}, for simulation.
---@param sink table
---@param text string?
---@return any  journal
function journal.over(sink, text) end

--- The entries of a journal, and the length of its whole lines.
---@param text string
---@return table?  entries, length of the whole lines | nil, message
---@return string? message
function journal.read(text) end

---@class journal.Journal
local Journal = {}

--- Queues a line.
---@param table table
function Journal:append(table) end

--- Puts the queued lines on disk.
---@return boolean?  true | nil, message
---@return string? message
function Journal:sync() end

--- Closes the journal.
---@return boolean?  true | nil, message
---@return string? message
function Journal:close() end

return journal
