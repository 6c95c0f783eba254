-- test_crypto.lua -- host/crypto.c against published vectors: FIPS 180, RFC 4231, RFC 4648, the GCM specification's test cases.
local crypto = require "crypto"

local hex, unhex = crypto.hex, crypto.unhex

-- ---- digests ----

local TWO_BLOCKS = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"

test["SHA-256 gives FIPS 180's digests"] = function()
  test.equal(hex(crypto.sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
  test.equal(hex(crypto.sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  test.equal(hex(crypto.sha256(TWO_BLOCKS)), "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")
  test.equal(hex(crypto.sha256(("a"):rep(1000000))), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
end

test["SHA-1 gives FIPS 180's digests"] = function()
  test.equal(hex(crypto.sha1("")), "da39a3ee5e6b4b0d3255bfef95601890afd80709")
  test.equal(hex(crypto.sha1("abc")), "a9993e364706816aba3e25717850c26c9cd0d89d")
  test.equal(hex(crypto.sha1(TWO_BLOCKS)), "84983e441c3bd26ebaae4aa1f95129e5e54670f1")
end

test["HMAC-SHA256 gives RFC 4231's codes"] = function()
  local cases = {
    { ("\x0b"):rep(20), "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
    { "Jefe", "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
    { ("\xaa"):rep(20), ("\xdd"):rep(50), "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe" },
    { unhex "0102030405060708090a0b0c0d0e0f10111213141516171819", ("\xcd"):rep(50),
      "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b" },
    { ("\x0c"):rep(20), "Test With Truncation", "a3b6167473100ee06e0c796c2955552b" },
    { ("\xaa"):rep(131), "Test Using Larger Than Block-Size Key - Hash Key First",
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
    { ("\xaa"):rep(131), "This is a test using a larger than block-size key and a larger than block-size data. "
      .. "The key needs to be hashed before being used by the HMAC algorithm.",
      "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2" },
    { "", "", "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad" },
  }
  for _, case in ipairs(cases) do test.equal(hex(crypto.hmac_sha256(case[1], case[2])):sub(1, #case[3]), case[3]) end
end

test["random bytes are as many as asked for, and differ"] = function()
  test.equal(#crypto.random(0), 0)
  test.equal(#crypto.random(65), 65)
  test.truthy(crypto.random(16) ~= crypto.random(16))
  test.raises(function() crypto.random(-1) end, "0 to 1048576 bytes")
  test.raises(function() crypto.random(1048577) end, "0 to 1048576 bytes")
end

test["equal compares every byte and the length"] = function()
  test.equal(crypto.equal("", ""), true)
  test.equal(crypto.equal("a\0b", "a\0b"), true)
  test.equal(crypto.equal("a\0b", "a\0c"), false)
  test.equal(crypto.equal("ab", "abc"), false)
end

-- ---- encodings ----

test["hex goes both ways, and what is no hex gives nil"] = function()
  test.equal(hex("\0\x7f\xff"), "007fff")
  test.equal(unhex("007FfF"), "\0\x7f\xff")
  test.equal(unhex(""), "")
  for _, text in ipairs { "0", "0g", "g0", " 00", "0x00", "00\0" } do test.equal(unhex(text), nil) end
end

test["base64 writes and reads RFC 4648's texts"] = function()
  local cases = { [""] = "", f = "Zg==", fo = "Zm8=", foo = "Zm9v", foob = "Zm9vYg==", fooba = "Zm9vYmE=", foobar = "Zm9vYmFy",
    ["\xfb\xff\xfe"] = "+//+", ["\0"] = "AA==", ["\0\0\0"] = "AAAA" }
  for plain, coded in pairs(cases) do
    test.equal(crypto.base64(plain), coded)
    test.equal(crypto.unbase64(coded), plain)
  end
end

test["base64 that no encoder writes gives nil"] = function()
  for _, text in ipairs {
    "Z", "Zg", "Zg=", "Zg===", "Zm8", "=", "==", "===", "====", "Zg==Zg==", "Z===", "Zm=v", "Zm9v ", " Zm9v", "Zm9v\n", "Zm 9v", "Zm9v====",
    "Zh==", "Zm9=", "-__-", "Zm9\xff", "Zm9\0",
  } do
    test.equal({ text, crypto.unbase64(text) }, { text, nil })
  end
end

test["base64url has its own two characters and no padding"] = function()
  test.equal(crypto.base64url("\xfb\xff\xfe"), "-__-")
  for length, coded in pairs { [0] = "", "-w", "-_8", "-__-", "-__--w" } do
    test.equal(crypto.base64url(("\xfb\xff\xfe\xfb"):sub(1, length)), coded)
  end
end

test["any bytes come back from hex, base64 and percent-encoding"] = function()
  for length = 0, 300 do
    local bytes = crypto.random(length)
    test.truthy(unhex(hex(bytes)) == bytes)
    test.truthy(crypto.unbase64(crypto.base64(bytes)) == bytes)
    test.truthy(crypto.percent_decode(crypto.percent_encode(bytes)) == bytes)
    test.equal((crypto.base64(bytes):gsub("%+", "-"):gsub("/", "_"):gsub("=", "")), crypto.base64url(bytes))
  end
end

test["percent-encoding leaves the unreserved characters alone"] = function()
  test.equal(crypto.percent_encode("AZaz09-._~"), "AZaz09-._~")
  test.equal(crypto.percent_encode("a b/c+d=\u{e9}\0"), "a%20b%2Fc%2Bd%3D%C3%A9%00")
  test.equal(crypto.percent_encode(""), "")
end

test["percent-decoding leaves what is no escape"] = function()
  test.equal(crypto.percent_decode("a%20b%2fc%2Fd+e"), "a b/c/d+e")
  for _, text in ipairs { "%", "%2", "%zz", "%%", "100%" } do test.equal(crypto.percent_decode(text), text) end
  test.equal(crypto.percent_decode("%2%41"), "%2A")
end

-- ---- AES-GCM ----

local PLAIN = unhex(
  "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72" ..
  "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255")
local KEY = "feffe9928665731c6d6a8f9467308308"
local AAD = unhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")

-- Of "The Galois/Counter Mode of Operation" (McGrew, Viega), the cases that NIST published too: key, IV, plaintext, AAD, ciphertext and tag.
local cases = {
  [1] = { ("0"):rep(32), ("0"):rep(24), "", "", "58e2fccefa7e3061367f1d57a4e7455a" },
  [2] = { ("0"):rep(32), ("0"):rep(24), ("\0"):rep(16), "", "0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf" },
  [3] = { KEY, "cafebabefacedbaddecaf888", PLAIN, "",
    "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091473f5985"
    .. "4d5c2af327cd64a62cf35abd2ba6fab4" },
  [4] = { KEY, "cafebabefacedbaddecaf888", PLAIN:sub(1, 60), AAD,
    "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091"
    .. "5bc94fbc3221a5db94fae95ae7121a47" },
  [5] = { KEY, "cafebabefacedbad", PLAIN:sub(1, 60), AAD,
    "61353b4c2806934a777ff51fa22a4755699b2a714fcdc6f83766e5f97b6c742373806900e49f24b22b097544d4896b424989b5e1ebac0f07c23f4598"
    .. "3612d2e79e3b0785561be14aaca2fccb" },
  [7] = { ("0"):rep(48), ("0"):rep(24), "", "", "cd33b28ac773f74ba00ed1f312572435" },
  [13] = { ("0"):rep(64), ("0"):rep(24), "", "", "530f8afbc74536b9a963b4f1c4cb738b" },
  [14] = { ("0"):rep(64), ("0"):rep(24), ("\0"):rep(16), "", "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919" },
  [15] = { KEY .. KEY, "cafebabefacedbaddecaf888", PLAIN, "",
    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad"
    .. "b094dac5d93471bdec1a502270e3cc6c" },
  [16] = { KEY .. KEY, "cafebabefacedbaddecaf888", PLAIN:sub(1, 60), AAD,
    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
    .. "76fc6ece0f4e1768cddf8853bb2d551b" },
}

for _, number in ipairs { 1, 2, 3, 4, 5, 7, 13, 14, 15, 16 } do
  test["AES-GCM seals and opens test case " .. number] = function()
    local key, iv, plain, aad, sealed = unhex(cases[number][1]), unhex(cases[number][2]), cases[number][3], cases[number][4], cases[number][5]
    test.equal(hex(crypto.aes_gcm_seal(key, iv, plain, aad)), sealed)
    test.equal(crypto.aes_gcm_open(key, iv, unhex(sealed), aad), plain)
  end
end

test["a seal does not open once a bit of key, IV, text, tag or AAD is another"] = function()
  local key, iv, aad = crypto.random(32), crypto.random(12), "context"
  local sealed = crypto.aes_gcm_seal(key, iv, "plaintext", aad)
  local function other(text, at) return text:sub(1, at - 1) .. string.char(text:byte(at) ~ 1) .. text:sub(at + 1) end
  test.equal(crypto.aes_gcm_open(key, iv, sealed, aad), "plaintext")
  for at = 1, #sealed do test.equal(crypto.aes_gcm_open(key, iv, other(sealed, at), aad), nil) end
  test.equal(crypto.aes_gcm_open(other(key, 32), iv, sealed, aad), nil)
  test.equal(crypto.aes_gcm_open(key, other(iv, 1), sealed, aad), nil)
  test.equal(crypto.aes_gcm_open(key, iv, sealed, other(aad, 3)), nil)
  test.equal(crypto.aes_gcm_open(key, iv, sealed), nil)
  test.equal(crypto.aes_gcm_open(key, iv, sealed:sub(1, -2), aad), nil)
  test.equal(crypto.aes_gcm_open(key, iv, "too short", aad), nil)
  test.equal(crypto.aes_gcm_open(key, iv, "", aad), nil)
end

test["a key of the wrong length and an empty IV are refused"] = function()
  test.raises(function() crypto.aes_gcm_seal("short", ("i"):rep(12), "", "") end, "16, 24 or 32 bytes")
  test.raises(function() crypto.aes_gcm_open(("k"):rep(33), ("i"):rep(12), ("s"):rep(16), "") end, "16, 24 or 32 bytes")
  test.raises(function() crypto.aes_gcm_seal(("k"):rep(32), "", "", "") end, "1 to 128 bytes")
end

-- ---- RSA ----

local rsa = {}   -- keys by name: making one takes long, and no sentence changes one

local function rsa_key(name)
  rsa[name] = rsa[name] or crypto.rsa_generate(2048)
  return rsa[name]
end

test["what is wrapped by OAEP for a public key is unwrapped by its private key, with the same hash alone"] = function()
  local key, other = rsa_key "one", rsa_key "other"
  local public = crypto.rsa_public(key)
  for _, hash in ipairs { "sha1", "sha256" } do
    for _, text in ipairs { "", "k", crypto.random(32), crypto.random(190) } do
      local wrapped = crypto.rsa_oaep_wrap(public, text, hash)
      test.equal(#wrapped, 256)
      test.truthy(wrapped ~= crypto.rsa_oaep_wrap(public, text, hash))
      test.truthy(crypto.rsa_oaep_unwrap(key, wrapped, hash) == text)
      test.equal(crypto.rsa_oaep_unwrap(key, wrapped, hash == "sha1" and "sha256" or "sha1"), nil)
      test.equal(crypto.rsa_oaep_unwrap(other, wrapped, hash), nil)
      test.equal(crypto.rsa_oaep_unwrap(key, wrapped:sub(1, -2) .. string.char(wrapped:byte(-1) ~ 1), hash), nil)
    end
  end
  test.equal(crypto.rsa_oaep_unwrap(key, "", "sha256"), nil)
end

test["a public key is written as a SubjectPublicKeyInfo of RSA, and read as nothing else"] = function()
  local der = crypto.rsa_public(rsa_key "one")
  test.equal(#der, 294)
  test.equal(hex(der:sub(1, 24)), "30820122300d06092a864886f70d01010105000382010f00")
  for _, bad in ipairs { "", "no DER", der:sub(1, 100), der:sub(2), der .. "\0" } do
    test.raises(function() crypto.rsa_oaep_wrap(bad, "k", "sha256") end, "cannot read an RSA public key in DER")
  end
end

test["OAEP refuses what does not fit, and hashes and sizes it does not know"] = function()
  local key = rsa_key "one"
  local public = crypto.rsa_public(key)
  test.raises(function() crypto.rsa_oaep_wrap(public, ("k"):rep(191), "sha256") end, "cannot wrap by RSA-OAEP")
  test.raises(function() crypto.rsa_oaep_wrap(public, "k", "md5") end, "invalid option 'md5'")
  test.raises(function() crypto.rsa_generate(1024) end, "2048, 3072 or 4096 bits")
  test.raises(function() crypto.rsa_public("key") end, "crypto.rsa_key expected")
end

test["AES key wrap with padding gives back what it took, and nothing of what was changed"] = function()
  local key = ("k"):rep(32)
  for length = 1, 40 do
    local bytes = ("b"):rep(length)
    local wrapped = crypto.aes_kwp_wrap(key, bytes)
    test.equal(#wrapped, (length + 7) // 8 * 8 + 8)
    test.equal(crypto.aes_kwp_unwrap(key, wrapped), bytes)
    test.equal(crypto.aes_kwp_unwrap(("x"):rep(32), wrapped), nil)
    test.equal(crypto.aes_kwp_unwrap(key, wrapped:sub(1, -2)), nil)
  end
end
