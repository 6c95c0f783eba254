--- The half of signer.py that cmek signs: a JSON object a line in, with what sigv4 takes (body and key material in base64), a line out.
---   cmek test tests/peers/signer.lua REQUESTS ANSWERS
local crypto = require "crypto"
local json = require "json"
local secret = require "secret"
local sigv4 = require "sigv4"

local requests, answers = ...

local out = assert(io.open(answers, "wb"))
for line in io.lines(requests) do
  local request = assert(json.decode(line))
  local presign = request.presign
  request.presign = nil
  request.body = crypto.unbase64(request.body)
  request.secret = secret.new(request.secret, "aws")
  if presign and request.session_token then request.session_token = secret.new(request.session_token, "aws") end
  local signed = (presign and sigv4.presign or sigv4.sign)(request)
  out:write(json.encode { canonical_request = signed.canonical_request, signed = signed.authorization or signed.query }, "\n")
end
assert(out:close())
return 0
