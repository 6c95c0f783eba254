---@meta process
-- host/process.c: children, without a shell, and the environment.
local process = {}

--- Runs a program to its end, without a shell.
---@param options { argv: string[], environment: table<string, string|true>?, input: any, timeout: number?, json: boolean?, secret: boolean?,
---  secrets: string[]?, audience: string? }  environment: a text, or true: as it is here; without all is; timeout: seconds, 60 without;
---  json: the output is decoded; secret: it is one; secrets: members of these names are
---@return { status: integer?, signal: integer?, output: any, error_output: string }?
---@return string? message
function process.run(options) end

--- Starts a program, and does not wait for it.
---@param options { argv: string[], environment: table<string, string|true>? }
---@return process.Child?
---@return string? message
function process.spawn(options) end

--- A variable of the environment; raises for names of secrets.
---@param name string
---@return string?
function process.environment(name) end

--- The names of the variables of the environment, sorted.
---@return string[]
function process.environment_names() end

--- What hands a variable on to a child unread.
---@param name string
---@return boolean?  true | nil
function process.inherited(name) end

--- Splits a text into words by a shell's quotes, and nothing else of it.
---@param text string
---@return string[]? words
---@return string? message
function process.argv_split(text) end

--- The ID of this process.
---@return integer
function process.pid() end

---@class process.Child
---@field pid integer
local Child = {}

--- The status of a child that has ended (128 + signal when one ended it); nil while it lives.
---@return number?  status (128 + signal when one ended it) | nil while it lives
function Child:poll() end

--- Sends a signal to a child.
---@param number integer|string
---@return true?
---@return string? message
function Child:kill(number) end

--- Ends it, if it lives, and waits.
function Child:close() end

return process
