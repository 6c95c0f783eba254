--- Documents that are carried from one who may talk to CockroachDB Cloud to one who may talk to AWS, and back: JSON files that hold no
--- secret. Hands edit them, mail cuts them and versions differ, so all that is read is checked, and what is wrong is named.
local failure = require "ui.failure"
local json = require "json"

local M = {}

local SIZE_MAX <const> = 1 << 20   -- bytes
local SHOWN <const> = 100          -- of a value that is wrong

--- What must hold of a field: a Lua pattern, and what it is called.
M.UUID = { "^%x%x%x%x%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$", "a UUID" }
M.ACCOUNT = { "^%d%d%d%d%d%d%d%d%d%d%d%d$", "an AWS account of 12 digits" }
M.REGION = { "^%l%l%l?%l?%-[%l-]+%-%d%d?$", "the name of an AWS region" }
M.TEXT = { "^[^%c]+$", "a text" }

---@class carried.File
---@field flag string       "--facts"
---@field path string
---@field document table

--- Ends the command: the file is not what it should be.
---@param file { flag: string, path: string }
---@param message string
---@param next string?
function M.refuse(file, message, next)
  failure.usage(("%s '%s': %s"):format(file.flag, file.path, message), next)
end

--- A field of a document; refuses the file when it is not like the kind.
---@param file { flag: string, path: string }
---@param place string      "cluster.id"
---@param value any
---@param kind string[]     M.UUID …
---@return string
function M.field(file, place, value, kind)
  if type(value) == "string" and value:find(kind[1]) then return value end
  local shown = require("secretlike").kind(value) or (value == nil or value == json.null) and "missing"
    or ("'%s'"):format(type(value) == "string" and value:sub(1, SHOWN) or json.encode(value))
  M.refuse(file, ("%s must be %s, and is %s"):format(place, kind[2], shown), file.again)
end

--- An object within a document, or refuses the file.
---@return table
function M.object(file, place, value)
  if type(value) == "table" and not json.is_array(value) then return value end
  M.refuse(file, ("%s must be an object"):format(place), file.again)
end

--- A list within a document, which has something in it.
---@return table
function M.list(file, place, value)
  if type(value) == "table" and json.is_array(value) and #value > 0 then return value end
  M.refuse(file, ("%s must be a list with something in it"):format(place), file.again)
end

-- Whether it is of this schema: else what it is instead.
local function check_schema(file, document, schema)
  local have = document.schema
  if have == schema then return end
  local name = tostring(have):match "^(cmek%.[%l_]+)/%d+$"
  if name and schema:find(name .. "/", 1, true) == 1 then
    M.refuse(file, ("it is %s, written by cmek %s; this is cmek %s, which reads %s"):format(have, tostring(document.cmek), require "version", schema),
      "read it with that cmek, or have it written by this one")
  end
  M.refuse(file, ("it is %s, and should be %s"):format(name and "a document " .. have or "no document of cmek's", schema), file.again)
end

--- Reads a document.
---@param file { flag: string, path: string, again: string }  again: the command that writes such a file
---@param schema string  "cmek.facts/1"
---@param plain (fun(document: table): boolean)?  whether a document without a schema will do
---@return table
function M.read(file, schema, plain)
  local text, message = require("file").read(file.path, SIZE_MAX)
  if not text then failure.usage(("cannot read %s '%s': %s"):format(file.flag, file.path, failure.reason(message)), file.again) end
  local document
  document, message = json.decode(text)
  if document == nil then M.refuse(file, "it is not JSON: " .. message, file.again) end
  M.object(file, "the document", document)
  if not (document.schema == nil and plain and plain(document)) then
    check_schema(file, document, schema)
    M.written_at(file, document)
  end
  return document
end

local TOMORROW <const> = 86400   -- seconds by which clocks may differ

--- When it was written, as seconds since the epoch.
---@param file { flag: string, path: string, again: string? }
---@param document table
---@return number
function M.written_at(file, document)
  local at = type(document.written_at) == "string" and require("time").epoch(document.written_at)
  if not at then M.refuse(file, "written_at must be a time such as 2026-02-01T09:00:00Z", file.again) end
  return at
end

--- How old it is, in words. Refuses what was written in the future.
---@param file { flag: string, path: string, again: string? }
---@param document table
---@param now number
---@return string  "3 days old (written 2026-02-01T09:00:00Z by cmek 0.1.0)"
function M.age(file, document, now)
  local at = M.written_at(file, document)
  if at > now + TOMORROW then M.refuse(file, ("it says that it was written at %s, which is to come"):format(document.written_at), file.again) end
  return ("%s old (written %s by cmek %s)"):format(require("time").span(math.max(0, now - at)), document.written_at, tostring(document.cmek))
end

--- Writes a document.
---@param flag string
---@param path string
---@param schema string
---@param document table
---@param now number
function M.write(flag, path, schema, document, now)
  document.schema, document.cmek, document.written_at = schema, require "version", require("time").text(now)
  local done, message = require("file").write(path, json.encode(document, { indent = 2 }) .. "\n", 420)   -- 0644: nothing in it is secret
  if not done then
    failure.raise { status = failure.FAILED, what = ("writing %s"):format(flag), message = message }
  end
end

--- Raises when a file could not be written there, before anything is done whose result it shall hold.
---@param flag string
---@param path string
function M.check_writable(flag, path)
  local files = require "file"
  local found = files.stat(path)
  local message = found and found.kind == "directory" and "it is a directory" or nil
  if not message and not found then
    local done
    done, message = files.write(path, "")
    if done then files.remove(path) end
  end
  if message then failure.usage(("cannot write %s '%s': %s"):format(flag, path, failure.reason(message)), "name another file; nothing was made") end
end

return M
