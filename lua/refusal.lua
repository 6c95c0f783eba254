--- What a service refused, what got no answer, and what could not even be asked: a value to act on and to read.
---@class Refusal
---@field service string?     "kms", "cloud" …
---@field operation string?   the API's name
---@field region string?
---@field status integer?     of HTTP
---@field code string?        the service's word; for the Cloud the name of its gRPC code
---@field message string
---@field request_id string?
---@field kind "refused"|"lost"|"unsent"|"stopped"|"credentials"|"configuration"
---  lost: left, and whether it was done is not known; credentials: none, wrong or expired; nothing was done
---@field attempts integer?   how often it was sent
---@field what string?        what was being done
---@field next string?        what to do or type
---@field situation string?   which of lua/explain/ it is, with its cause, evidence, advice and commands
---@field at table?          the line of a recipe or script of one's own that asked: lua/located.lua
---@field exit string?        the class of exit status: "credentials" (4), "usage" (2); nil: by what was made
local Refusal = { __name = "Refusal" }
Refusal.__index = Refusal

local M = {}

-- "kms CreateKey us-east-1"
local function place(self)
  local words = {}
  for _, field in ipairs { "service", "operation", "region" } do words[#words + 1] = self[field] end
  return table.concat(words, " ")
end

local LEADS <const> = { unsent = "not sent", lost = "no answer" }   -- the message of "stopped" says so itself

-- "400 NotFoundException: Key … does not exist"
local function verdict(self)
  local head = {}
  if self.status then head[#head + 1] = ("%d"):format(self.status) end
  if self.code and self.service then head[#head + 1] = self.code end   -- the word of a service
  if #head == 0 then head[1] = LEADS[self.kind] end
  local lead, message = table.concat(head, " "), self.message or ""
  if lead == "" then return message end
  return message == "" and lead or lead .. ": " .. message
end

--- A refusal in one line.
---@param self Refusal
---@return string
function M.line(self)
  local parts, where = {}, place(self)
  if where ~= "" then parts[1] = where end
  if self.what then table.insert(parts, 1, self.what) end
  parts[#parts + 1] = verdict(self)
  local text = table.concat(parts, ": ")
  if self.kind == "lost" and self.unknown then text = text .. "; whether it was done is not known" end
  return self.request_id and ("%s (request %s)"):format(text, self.request_id) or text
end

function Refusal:__tostring()
  return M.line(self) .. (self.at and require("located").place(self.at) or "") .. require("explain").text(self)
end

--- A refusal, not raised.
---@param fields table  as Refusal
---@return Refusal
function M.new(fields) return setmetatable(fields, Refusal) end

--- Raises a refusal.
---@param fields table  as Refusal
function M.raise(fields) error(M.new(fields), 0) end

--- Whether a raised value is a refusal, with this code when one is given.
---@param value any
---@param code string?
---@return boolean
function M.is(value, code)
  return getmetatable(value) == Refusal and (code == nil or value.code == code)
end

return M
