--- What the engine and the resources raise themselves: a precondition that does not hold, a thing that is not ours, a wait that is over.
---@class engine.Failure
---@field what string?     what was being done
---@field message string   what is wrong, with the value, and what would be right
---@field next string?     what to do or type
---@field code string      "precondition", "refused", "not_ready"
---@field region string?
---@field service string?
local Failure = { __name = "engine.Failure" }
Failure.__index = Failure

function Failure:__tostring()
  return (self.what and self.what .. ": " .. self.message or self.message) .. (self.at and require("located").place(self.at) or "")
    .. require("explain").text(self)
end

local M = {}

local FIELDS <const> = { "what", "service", "operation", "region", "code", "message", "request_id", "situation", "cause", "evidence", "advice",
  "commands", "next", "at", "traceback" }

--- Raises a failure.
---@param fields { message: string, code: string, what: string?, next: string?, region: string?, service: string? }
---@param situation string?  which of lua/explain/ it is
---@param facts table?       for its texts
function M.raise(fields, situation, facts)
  if situation then require("explain").tell(situation, facts, fields) end
  error(setmetatable(fields, Failure), 0)
end

--- A failure with what is behind it.
---@param fields table
---@param told table?  of lua/explain.lua
---@return table fields
function M.with(fields, told)
  for _, name in ipairs { "situation", "cause", "evidence", "advice", "commands", "next" } do fields[name] = told and told[name] end
  return fields
end

--- Whether this was raised here, with this code when one is given.
---@param value any
---@param code string?
---@return boolean
function M.is(value, code)
  return getmetatable(value) == Failure and (code == nil or value.code == code)
end

--- Anything that was raised, as the `error` of a report.
---@param value any
---@return table
function M.document(value)
  if type(value) ~= "table" then return { message = tostring(value) } end
  local document = {}
  for _, field in ipairs(FIELDS) do document[field] = value[field] end
  local said = document.message   -- a service may say a code and no more; what explains it has fields of its own
  document.message = said and said ~= "" and said or tostring(value):match "^[^\n]*"
  if document.commands then document.commands = require("json").array(document.commands) end
  return document
end

return M
