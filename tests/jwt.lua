-- jwt.lua -- JSON Web Tokens that are really signed, by the openssl command: local key = dofile("tests/jwt.lua").new(); key.token { sub = … }
local crypto = require "crypto"
local file = require "file"
local json = require "json"

local M = {}

--- A key of its own: `pem`, its public half, and token(claims), signed with it (RS256); `name` of the algorithm is another word in the head.
---@return { pem: string, token: fun(claims: table, name: string?): string }
function M.new()
  local directory = test.directory()
  local made = os.execute(("cd %s && openssl genrsa -out key 2048 2>errors && openssl rsa -in key -pubout -out pem 2>errors"):format(directory))
  if not made then test.skip "no openssl command" end
  local function token(claims, name)
    local text = crypto.base64url(json.encode { alg = name or "RS256", typ = "JWT" }) .. "." .. crypto.base64url(json.encode(claims))
    assert(file.write(directory .. "/text", text))
    assert(os.execute(("cd %s && openssl dgst -sha256 -sign key -out signature text"):format(directory)))
    return text .. "." .. crypto.base64url(assert(file.read(directory .. "/signature")))
  end
  return { pem = assert(file.read(directory .. "/pem")), token = token }
end

return M
