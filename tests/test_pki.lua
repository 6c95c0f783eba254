-- Signatures and certificates of others: published examples, and what is made by the openssl command.
local crypto = require "crypto"
local file = require "file"
local outside = dofile "tests/outside.lua"
local pem = require "sim.vault.pem"
local pki = require "pki"

local function raw(text) return crypto.unbase64(text:gsub("-", "+"):gsub("_", "/") .. ("="):rep(-#text % 4)) end

--- Algorithm, the DER before the key's bytes, those bytes, and the token.
local EXAMPLES <const> = {
  { "ES256", "3059301306072a8648ce3d020106082a8648ce3d03010703420004",   -- RFC 7515, A.3
    raw "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU" .. raw "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
      .. ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q" },
  { "EdDSA", "302a300506032b6570032100", raw "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",   -- RFC 8037, A.4
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
      .. ".hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg" },
}

test["a signature of the standards' examples is found to be one, and nothing that differs from it by a bit or a word"] = function()
  for _, example in ipairs(EXAMPLES) do
    local key = pem.encode(crypto.unhex(example[2]) .. example[3])
    local text, signature = example[4]:match "^(.*)%.(.-)$"
    signature = raw(signature)
    test.equal({ example[1], pki.verify(example[1], key, text, signature) }, { example[1], true })
    local bent = string.char(signature:byte(1) ~ 1) .. signature:sub(2)
    for _, wrong in ipairs { { example[1], key, text, bent }, { example[1], key, text .. "x", signature }, { "RS256", key, text, signature },
      { "none", key, text, signature }, { example[1], "rubbish", text, signature }, { example[1], key, text, "" },
      { example[1], key, text, signature .. "x" } } do
      test.equal(pki.verify(table.unpack(wrong)), false)
    end
  end
end

test["a certificate has its names, its end and who issued it; what is none is nil"] = function()
  local one, other = outside.certificate "DNS:a.example,DNS:b.example,IP:127.0.0.1", outside.certificate("DNS:c.example", -1)
  local text, another = file.read(one .. "/cert"), file.read(other .. "/cert")
  local read = pki.certificate(text)
  test.equal({ read.common_name, read.dns, #read.serial > 0, #read.der > 200 }, { "cmek", { "a.example", "b.example" }, true, true })
  test.truthy(read.ends > os.time() and pki.certificate(another).ends < os.time())
  test.equal({ pki.issued(text, text), pki.issued(text, another), pki.issued(another, text), pki.issued("rubbish", text), pki.issued(text, "") },
    { true, false, false, false, false })
  test.equal({ pki.certificate "rubbish", pki.certificate "" }, {})
end
