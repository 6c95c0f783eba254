---@meta trace
-- host/trace.c: where the running task is: its calls, innermost first, and what the variables of a recipe's functions hold.
local trace = {}

--- The calls of Lua that are running, innermost first.
---@return { source: string, line: integer }[]
function trace.calls() end

--- The calls as lines for people.
---@return string  "stack traceback: …"
function trace.text() end

--- The calls of a thread that are no library function's, innermost first.
---@param thread thread
---@return { source: string, line: integer, depth: integer }[]  depth: counted from the outermost call, the library's among them
function trace.stack(thread) end

--- What the variables of a call hold, first its locals in the order of their declaration, then the upvalues of its function.
---@param thread thread
---@param depth integer  of trace.stack
---@return { name: string, value: any, kind: "local"|"upvalue" }[]  raises for a call of the library's
function trace.variables(thread, depth) end

--- Gives a variable of a call another value: the local of that name that its line sees, else the upvalue.
---@param thread thread
---@param depth integer
---@param name string
---@param value any
---@return boolean  false: there is none of that name
function trace.assign(thread, depth, name, value) end

return trace
