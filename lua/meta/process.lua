---@meta process
-- host/process.c: children, without a shell, and the environment.
local process = {}

--- Runs a program to its end, without a shell.
---@param options table  {argv={...}, environment={NAME=text | true: as it is here} | nil: all as here, input=, timeout=60, json=true, secret=true,
---@return table?  {status= | signal=, output=text | decoded JSON | secret, error_output=} | nil, message
---@return string? message
function process.run(options) end

--- Starts a program, and does not wait for it.
---@param options table  {argv={...}, environment=}
---@return any  child | nil, message
---@return string? message
function process.spawn(options) end

--- A variable of the environment; raises for names of secrets.
---@param name string
---@return string?  text | nil
function process.environment(name) end

--- The names of the variables of the environment, sorted.
---@return table  sorted names
function process.environment_names() end

--- What hands a variable on to a child unread.
---@param name string
---@return boolean?  true | nil
function process.inherited(name) end

--- Splits a text into words by a shell's quotes, and nothing else of it.
---@param text string
---@return table?  words | nil, message
---@return string? message
function process.argv_split(text) end

--- The ID of this process.
---@return number  number
function process.pid() end

---@class process.Child
local Child = {}

--- The status of a child that has ended (128 + signal when one ended it); nil while it lives.
---@return number?  status (128 + signal when one ended it) | nil while it lives
function Child:poll() end

--- Sends a signal to a child.
---@param number integer|string
---@return boolean?  true | nil, message
---@return string? message
function Child:kill(number) end

--- Ends it, if it lives, and waits.
function Child:close() end

return process
