--- The claims of a JSON Web Token. Its signature is not proved here: a token whose signature part is empty counts as forged.
local crypto = require("crypto")
local json = require("json")

local M = {}

--- The claims; nil and what is wrong.
---@param token string
---@param now number
---@return table?, string?
function M.read(token, now)
  local head, body, signature = token:match "^([%w_-]+)%.([%w_-]+)%.([%w_-]*)$"
  local text = body and crypto.unbase64(body:gsub("-", "+"):gsub("_", "/") .. ("="):rep(-#body % 4))
  local claims = head and text and json.decode(text)
  if type(claims) ~= "table" then return nil, "error verifying token signature: go-jose/go-jose: compact JWS format must have three parts" end
  if signature == "" then return nil, "error verifying token signature: no known key successfully validated the token signature" end
  if math.type(claims.exp) and claims.exp + 150 <= now then
    return nil, "invalid expiration time (exp) claim: token is expired"
  end
  if math.type(claims.nbf) and claims.nbf - 150 > now then return nil, "invalid not before (nbf) claim: token not yet valid" end
  return claims
end

--- Is the value among the names? A claim may be one text or a list; `*` in the list of names is anything.
function M.among(value, names)
  for _, name in ipairs(names) do
    if name == "*" or name == value then return true end
    for _, member in ipairs(type(value) == "table" and value or {}) do
      if member == name then return true end
    end
  end
  return false
end

return M
