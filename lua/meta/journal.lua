---@meta journal
-- host/journal.c: an append-only, hash-chained log: JSON lines, each with the SHA-256 of the line before it.
local journal = {}

--- The file must not exist.
---@param path string
---@return journal.Journal?
---@return string? message
function journal.create(path) end

--- After the lines of text.
---@param path string
---@param text string
---@return journal.Journal?
---@return string? message
function journal.continue(path, text) end

--- Over {append=, sync=}, for simulation.
---@param sink table
---@param text string?
---@return journal.Journal
function journal.over(sink, text) end

--- The entries of a journal, and the length of its whole lines.
---@param text string
---@return table[]? entries
---@return integer|string length  of the whole lines; or the message
function journal.read(text) end

---@class journal.Journal
local Journal = {}

--- Queues a line.
---@param table table
function Journal:append(table) end

--- Puts the queued lines on disk.
---@return true?
---@return string? message
function Journal:sync() end

--- Closes the journal.
---@return true?
---@return string? message
function Journal:close() end

return journal
