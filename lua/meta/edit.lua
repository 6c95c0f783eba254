---@meta edit
-- host/edit.c: lines that are edited at the terminal, by libedit where it is there.
local edit = {}

--- An editor for the terminal; nil where there is no libedit, or no terminal for it.
---@return edit.Edit?
---@return string? message
function edit.new() end

---@class edit.Edit
local Edit = {}

--- A line, or several where they belong together; nil when ^C ended it, or the input.
---@param prompt string
---@param complete fun(before: string, after: string): integer, string?, string?  given what stands before and behind the cursor when TAB is
---  typed: characters to take away before it, text to put there, text to show below
---@param hint fun(before: string, after: string): string?  the same while nothing is typed: one row to show below the line
---@param open fun(before: string, after: string): boolean  the same at Enter: whether lines are missing
---@return string?
---@return string? message  "cancelled", or that the input has ended
function Edit:line(prompt, complete, hint, open) end

--- Adds what can be called back.
---@param text string
function Edit:add(text) end

--- Gives the terminal back.
function Edit:close() end

return edit
