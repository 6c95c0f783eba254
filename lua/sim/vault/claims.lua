--- The claims of a JSON Web Token, and whether one of some keys has signed it.
local crypto = require("crypto")
local json = require("json")
local pki = require("pki")

local M = {}

local NO_KEY <const> = "error verifying token signature: no known key successfully validated the token signature"

local function unbase64url(text) return crypto.unbase64(text:gsub("-", "+"):gsub("_", "/") .. ("="):rep(-#text % 4)) end

local function object_of(text)
  local plain = text and unbase64url(text)
  local value = plain and json.decode(plain)
  return type(value) == "table" and value or nil
end

local function signed(keys, algorithm, text, signature)
  for _, pem in ipairs(keys) do
    if pki.verify(algorithm, pem, text, signature) then return true end
  end
  return false
end

--- The claims; nil and what is wrong.
---@param token string
---@param now number
---@param keys string[]?  PEM; nil: whoever signs is believed, as the TokenReview of a cluster that is not there
---@param algorithms string[]?  those that the mount takes; RS256 without
---@return table?, string?
function M.read(token, now, keys, algorithms)
  local head, body, signature = token:match "^([%w_-]+)%.([%w_-]+)%.([%w_-]*)$"
  local header, claims = object_of(head), object_of(body)
  if not header or not claims then return nil, "error verifying token signature: go-jose/go-jose: compact JWS format must have three parts" end
  local algorithm, taken = tostring(header.alg), false
  for _, name in ipairs(algorithms and #algorithms > 0 and algorithms or { "RS256" }) do taken = taken or name == algorithm end
  local proof = signature ~= "" and unbase64url(signature)
  if not proof or keys and not (taken and signed(keys, algorithm, head .. "." .. body, proof)) then return nil, NO_KEY end
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
