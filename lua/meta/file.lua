---@meta file
-- host/file.c: files and directories for Lua: whole reads, atomic writes that are on disk when they return, locks, and where cmek keeps things.
local file = {}

--- A file as a text.
---@param path string
---@param max_bytes integer?
---@return string?
---@return string? message
function file.read(path, max_bytes) end

--- A file's lines; values of these names come as secrets.
---@param path string
---@param names string[]
---@param audience string
---@return (string|{ name: string, value: secret.Secret, indent: string })[]?
---@return string? message
function file.lines(path, names, audience) end

--- A JSON file; members of these names come as secrets.
---@param path string
---@param names string[]
---@param audience string
---@return any value  its members of these names are secrets; nil: it cannot be read
---@return string? message
function file.json(path, names, audience) end

--- Writes a file: all or nothing, and on disk.
---@param path string
---@param text string
---@param mode integer?
---@return true?
---@return string? message
function file.write(path, text, mode) end

--- Writes a JSON file with the secrets of SSO in clear, mode 0600.
---@param path string
---@param value any
---@return true?
---@return string? message
function file.write_json(path, value) end

--- Adds to a file.
---@param path string
---@param text string
---@param mode integer?
---@return true?
---@return string? message
function file.append(path, text, mode) end

--- Makes a directory, with its parents.
---@param path string
---@param mode integer?
---@return true?
---@return string? message
function file.mkdir(path, mode) end

--- The names in a directory, sorted.
---@param directory string
---@return table?  sorted names | nil, message
---@return string? message
function file.list(directory) end

--- Whether there is such a file.
---@param path string
---@return boolean
function file.exists(path) end

--- A file or an empty directory.
---@param path string
---@return true?
---@return string? message
function file.remove(path) end

--- Renames a file.
---@param from string
---@param to string
---@return true?
---@return string? message
function file.rename(from, to) end

--- Locks a file, until it is closed.
---@param path string
---@return file.Lock?
---@return string? message  "locked by …"
function file.lock(path) end

--- What kind of file it is, how long, and of when.
---@param path string
---@return { size: integer, mtime: number, mode: integer, kind: "file"|"directory"|"other" }?
---@return string? message
function file.stat(path) end

--- A path without links and dots.
---@param path string
---@return string?  path without links and dots | nil, message
---@return string? message
function file.canonical(path) end

--- The user's home directory.
---@return string?
function file.home() end

--- Where cmek keeps journals and names.
---@return string?
---@return string? message
function file.state_directory() end

--- Where configuration of the user is kept.
---@return string?
---@return string? message
function file.config_directory() end

---@class file.Lock
local Lock = {}

--- Gives the lock back.
function Lock:close() end

return file
