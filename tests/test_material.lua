-- Key material from Vault to AWS KMS: wrapped by the host, so that nobody else ever holds the bytes.
local crypto = require "crypto"
local json = require "json"
local material = require "material"
local pairs_of = dofile "tests/pairs.lua"
local secret = require "secret"

local BYTES <const> = ("0123456789abcdef"):rep(2)

local function from_vault(bytes) return secret.new(crypto.base64(bytes), "vault") end

local function pair(bits)
  local key = pairs_of.size(bits)
  return key, crypto.base64(crypto.rsa_public(key))
end

-- What AWS would read: the one way to see it is to be sent it.
local function as_sent(wrapped)
  local sent
  local here = require("sim.world").new { seed = 1, handle = function(request)
    sent = json.decode(request.body).EncryptedKeyMaterial
    return { status = 200, headers = {}, body = "{}" }
  end }
  local door = require("door").new { world = here, yes = true }
  local session = require("session").open { door = door, environment = { AWS_ACCESS_KEY_ID = "AKIAIOSFODNN7EXAMPLE",
    AWS_SECRET_ACCESS_KEY = "x", AWS_REGION = "us-east-1", AWS_CONFIG_FILE = "/dev/null", AWS_SHARED_CREDENTIALS_FILE = "/dev/null" } }
  door:region "us-east-1"
  session:seal()
  door:record(require("journal").over { append = function() return true end, sync = function() return true end })
  door:permit_writes "?"
  session.tasks.run(function()
    session.kms.import_key_material { region = "us-east-1", KeyId = "k", ImportToken = "t", EncryptedKeyMaterial = wrapped }
  end)
  return crypto.unbase64(sent)
end

test["material is wrapped by RSA-OAEP with SHA-256, for each size of key that KMS has"] = function()
  for _, bits in ipairs { 2048, 3072, 4096 } do
    local key, public = pair(bits)
    local sent = as_sent(material.wrap(public, from_vault(BYTES)))
    test.equal(#sent, bits // 8)
    test.equal(crypto.rsa_oaep_unwrap(key, sent, "sha256"), BYTES)
    test.equal(crypto.rsa_oaep_unwrap(key, sent, "sha1"), nil)
  end
end

test["what is wrapped is a secret for AWS, which Lua cannot read"] = function()
  local _, public = pair(2048)
  local wrapped = material.wrap(public, from_vault(BYTES))
  test.truthy(secret.is(wrapped))
  test.equal(tostring(wrapped), "****")
  test.raises(function() json.encode { wrapped } end, "secret")
end

test["a secret of another service is not wrapped: who asks could unwrap it"] = function()
  local _, public = pair(2048)
  test.raises(function() material.wrap(public, secret.new(crypto.base64(BYTES), "aws")) end, "a secret of Vault's")
  test.raises(function() material.wrap(public, crypto.base64(BYTES)) end, "secret expected")
end

test["what is not 32 bytes is refused, and so is what is no public key"] = function()
  local _, public = pair(2048)
  for _, bytes in ipairs { "", "short", ("x"):rep(31), ("x"):rep(33), ("x"):rep(64) } do
    test.equal({ material.wrap(public, from_vault(bytes)) }, { nil, "what Vault gave is not a key of 32 bytes in base64" })
  end
  test.equal({ material.wrap(public, secret.new(("!"):rep(43) .. "=", "vault")) }, { nil, "what Vault gave is not a key of 32 bytes in base64" })
  for _, text in ipairs { "", "=", "====", "A", "AAAA", public:sub(1, -5), public .. "AAAA", ("A"):rep(4000) } do
    test.equal({ material.wrap(text, from_vault(BYTES)) }, { nil, "what KMS gave is no RSA public key of 2048 to 4096 bits" })
    test.equal({ material.pem(text) }, { nil, "what KMS gave is no RSA public key of 2048 to 4096 bits" })
  end
end

test["a public key is written as PEM for Vault, 64 characters a line"] = function()
  local _, public = pair(2048)
  local pem = material.pem(public)
  local head, body, tail = pem:match "^(%-%-%-%-%-BEGIN PUBLIC KEY%-%-%-%-%-\n)(.*)(%-%-%-%-%-END PUBLIC KEY%-%-%-%-%-\n)$"
  test.truthy(head and tail)
  test.equal((body:gsub("\n", "")), public)
  for line in body:gmatch "[^\n]+" do test.truthy(#line <= 64) end
end

test["material has its room where secrets that nobody holds fill the heap for secrets; where they are held it is told"] = function()
  local public = crypto.base64(crypto.rsa_public(pairs_of.size(2048)))
  collectgarbage()
  collectgarbage "stop"   -- it would come by itself, some time
  local function full()
    local held = {}
    for number = 1, 4096 do held[number] = secret.new(("%08d"):format(number):rep(4), "aws") end
    test.equal({ material.wrap(public, from_vault(BYTES)) }, { nil, "there is no room for key material in memory that is never swapped out" })
    test.equal(#held, 4096)
  end
  full()
  local wrapped = material.wrap(public, from_vault(BYTES))
  collectgarbage "restart"
  test.truthy(secret.is(wrapped))
end
