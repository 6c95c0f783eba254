---@meta trace
-- host/trace.c: where the running task is: its calls, innermost first.
local trace = {}

--- The calls of Lua that are running, innermost first.
---@return { source: string, line: integer }[]
function trace.calls() end

--- The calls as lines for people.
---@return string  "stack traceback: …"
function trace.text() end

return trace
