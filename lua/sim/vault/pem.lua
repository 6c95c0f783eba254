--- Public keys as text: PEM around DER.
local crypto = require("crypto")

local M = {}

--- "-----BEGIN PUBLIC KEY-----" and so on, in lines of 64.
---@param der string
---@return string
function M.encode(der)
  local lines = crypto.base64(der):gsub(("."):rep(64), "%0\n")
  return "-----BEGIN PUBLIC KEY-----\n" .. lines:gsub("\n$", "") .. "\n-----END PUBLIC KEY-----\n"
end

--- The DER of a PEM text; nil when it is none.
---@param text string
---@return string?
function M.decode(text)
  local body = text:match "%-%-%-%-%-BEGIN PUBLIC KEY%-%-%-%-%-(.-)%-%-%-%-%-END PUBLIC KEY%-%-%-%-%-"
  return body and crypto.unbase64((body:gsub("%s+", ""))) or nil
end

return M
