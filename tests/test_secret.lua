-- test_secret.lua -- host/secret.c: what Lua cannot do with a secret, where one comes from, and that it is masked wherever it stands.
local secret = require "secret"
local crypto = require "crypto"

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  return path
end

--- Masks with one secret alive, and no other that the text could hold.
local function masked(value, text)
  local s <close> = setmetatable({ secret.new(value, "aws") }, { __close = function() end })
  local out = secret.mask(text)
  test.truthy(s[1])
  return out
end

local VALUE = "k3y/for+tests=only&\"<\\ here"

-- ---- what Lua sees ----

test["a secret is printed as stars, whatever prints it"] = function()
  local s = secret.new(VALUE, "aws")
  test.equal(tostring(s), "****")
  test.equal(("%s|%10s"):format(s, s), "****|      ****")
end

test["a secret cannot be joined, compared, measured, indexed, called or read as a string"] = function()
  local s, other = secret.new(VALUE, "aws"), secret.new(VALUE, "aws")
  test.raises(function() return s .. "" end, "attempt to concatenate a secret value")
  test.raises(function() return "" .. s end, "attempt to concatenate a secret value")
  test.raises(function() return s < other end, "attempt to compare two secret values")
  test.raises(function() return s <= "k" end, "attempt to compare")
  test.raises(function() return #s end, "attempt to get length of a secret value")
  test.raises(function() return s.data end, "attempt to index a secret value")
  test.raises(function() s.data = 1 end, "attempt to index a secret value")
  test.raises(function() return s() end, "attempt to call a secret value")
  test.raises(function() return s + 1 end, "attempt to perform arithmetic on a secret value")
  for _, name in ipairs { "rep", "byte", "upper", "reverse", "len" } do
    test.raises(function() return string[name](s, 1) end, "got secret")
  end
  test.raises(function() return table.concat { s } end, "invalid value")
  test.equal(s == other, false)
end

test["nothing of a secret is in an error message about it"] = function()
  local s = secret.new(VALUE, "aws")
  for _, fn in ipairs { function() return s .. "" end, function() return s.x end, function() return ("x"):rep(s) end } do
    local _, message = pcall(fn)
    test.equal(tostring(message):find(VALUE, 1, true), nil)
  end
end

test["the metatable of a secret is out of reach"] = function()
  local s = secret.new(VALUE, "aws")
  test.equal(getmetatable(s), "secret")
  test.raises(function() setmetatable(s, {}) end, "table expected")
end

test["only a secret is one"] = function()
  test.equal(secret.is(secret.new("", "aws")), true)
  for _, value in ipairs { "text", 1, true, {}, io.stdout } do test.equal(secret.is(value), false) end
  test.equal(secret.is(), false)
  test.raises(function() secret.length("text") end, "secret expected, got string")
end

test["secrets are equal by what they hold"] = function()
  local s = secret.new("one two", "aws")
  test.equal(secret.equal(s, secret.new("one two", "cloud")), true)
  test.equal(secret.equal(s, "one two"), true)
  test.equal(secret.equal("one two", s), true)
  test.equal(secret.equal(s, "one twO"), false)
  test.equal(secret.equal(s, "one two "), false)
  test.equal(secret.equal(secret.new("", "aws"), ""), true)
  test.raises(function() return secret.equal(s, nil) end, "string expected")
end

test["a secret keeps every byte and knows its length"] = function()
  local bytes = {}
  for i = 0, 255 do bytes[#bytes + 1] = string.char(i) end
  local all = table.concat(bytes)
  test.equal(secret.length(secret.new(all, "vault")), 256)
  test.equal(secret.equal(secret.new(all, "vault"), all), true)
  test.equal(secret.length(secret.new("", "aws")), 0)
end

test["an audience is a word, and a secret has a limit"] = function()
  test.raises(function() secret.new("x", "") end, "needs an audience of one word")
  test.raises(function() secret.new("x", ("a"):rep(32)) end, "needs an audience of one word")
  test.raises(function() secret.new("x") end, "string expected, got no value")
  test.raises(function() secret.new(("x"):rep(1048577), "aws") end, "at most 1048576 bytes")
  test.equal(secret.length(secret.new(("x"):rep(1048576), ("a"):rep(31))), 1048576)
end

-- ---- where secrets come from ----

test["a secret of the environment is what the variable holds, and nil when it is not set"] = function()
  test.equal(secret.equal(secret.environment("PATH", "aws"), os.getenv("PATH")), true)
  test.equal(secret.environment("CMEK_NO_SUCH_VARIABLE", "aws"), nil)
end

test["a secret is trimmed to a secret of the same audience"] = function()
  local trimmed = secret.trimmed(secret.new(" \t made up \r\n\n", "vault"))
  test.equal({ secret.equal(trimmed, "made up"), secret.length(secret.trimmed(secret.new(" \n", "vault"))), tostring(trimmed) }, { true, 0, "****" })
end

test["a secret's file loses one line end and nothing else"] = function()
  local directory = test.directory()
  for text, want in pairs {
    ["token"] = "token", ["token\n"] = "token", ["token\r\n"] = "token", ["token\n\n"] = "token\n", [" token \n"] = " token ",
    ["to\0ken"] = "to\0ken", ["token\r"] = "token\r", ["two\nlines\n"] = "two\nlines",
  } do
    local s, message = secret.file(write(directory .. "/token", text), "cloud")
    test.equal(message, nil)
    test.truthy(secret.equal(s, want), ("%q is read wrongly"):format(text))
  end
end

test["a file that is missing, empty, a directory or too long is no secret, and the message says why"] = function()
  local directory = test.directory()
  local function refused(path, message, limit)
    local s, got = secret.file(path, "cloud", limit)
    test.equal(s, nil)
    test.equal(got, ("cannot read the secret in '%s': %s"):format(path, message))
  end
  refused(directory .. "/missing", "No such file or directory")
  refused(directory, "Is a directory")
  refused(write(directory .. "/empty", ""), "it is empty")
  refused(write(directory .. "/blank", "\n"), "it is empty")
  refused(write(directory .. "/long", ("x"):rep(65537)), "it is longer than a secret may be")
  refused(write(directory .. "/long", ("x"):rep(11)), "it is longer than a secret may be", 10)
  test.equal(secret.length(secret.file(write(directory .. "/fits", ("x"):rep(65536)), "cloud")), 65536)
  test.raises(function() secret.file(directory, "cloud", 0) end, "a limit is 1 to 1048576 bytes")
end

-- ---- masking ----

test["a live secret is masked as it is, as often as it stands there, and the length stays"] = function()
  local stars = ("*"):rep(#VALUE)
  test.equal(masked(VALUE, VALUE), stars)
  test.equal(masked(VALUE, "a" .. VALUE .. "b" .. VALUE .. VALUE), "a" .. stars .. "b" .. stars .. stars)
  test.equal(masked(VALUE, "nothing here, k3y/for+tests=only is not all of it"), "nothing here, k3y/for+tests=only is not all of it")
  test.equal(masked(VALUE, ""), "")
end

test["a live secret is masked in base64, wherever it begins in a group of three"] = function()
  for before = 0, 5 do
    for after = 0, 3 do
      local plain = ("u"):rep(before) .. VALUE .. ("v"):rep(after)
      local out = masked(VALUE, "Basic " .. crypto.base64(plain) .. " end")
      test.equal(#out, #("Basic " .. crypto.base64(plain) .. " end"))
      -- All but the characters that it shares with its neighbours.
      local stars = select(2, out:gsub("%*", ""))
      test.truthy(stars >= #VALUE * 8 // 6 - 1, out)
      test.truthy(out:find("^Basic ") and out:find(" end$"), out)
    end
  end
end

test["base64url and base64 that was percent-encoded are masked too"] = function()
  local value = "\xff\xfe\xfd??>>secret"
  local url = crypto.base64url(value)
  test.matches(url, "[-_]")
  test.equal(masked(value, "jwt." .. url .. ".x"):find(url:sub(2, -3), 1, true), nil)
  local coded = crypto.percent_encode(crypto.base64(value))
  test.matches(coded, "%%2B")
  test.matches(masked(value, coded), "^%*+.?%%3D%%3D$")   -- the last character holds the two bits that no other does
end

test["a live secret is masked in percent-encoding: either case, partly, twice, and as a form writes spaces"] = function()
  local coded = crypto.percent_encode(VALUE)
  local spellings = {
    coded, coded:gsub("%%%x%x", string.lower), coded:gsub("%%2F", "/"), crypto.percent_encode(coded), coded:gsub("%%20", "+"),
    (VALUE:gsub(".", function(c) return ("%%%02X"):format(c:byte()) end)),
  }
  for _, text in ipairs(spellings) do
    if type(text) == "string" then test.equal({ text, masked(VALUE, text) }, { text, ("*"):rep(#text) }) end
  end
  test.equal(masked("100%25%done", "x=100%25%done&y=100%2525%25done"), "x=***********&y=***************")
end

test["a live secret is masked in the escapes of JSON and XML"] = function()
  for _, text in ipairs {
    [[k3y/for+tests=only&\"<\\ here]], [[k3y\/for+tests=only&\"<\\ here]], [[k3y/for\u002btests=only\u0026\u0022\u003c\u005C here]],
    [[k3y/for+tests=only&amp;&quot;&lt;\ here]], [[k3y/for+tests=only&amp;&#34;&lt;\ here]],
  } do
    test.equal({ text, masked(VALUE, text) }, { text, ("*"):rep(#text) })
  end
  test.equal(masked("line one\nline two", [[{"pem":"line one\nline two"}]]), '{"pem":"******************"}')
end

test["secrets that overlap are masked whole"] = function()
  local keep = { secret.new("abcdefgh", "aws"), secret.new("efghijkl", "aws"), secret.new("abcdef", "aws"), secret.new("abcdefghijk", "aws") }
  test.equal(secret.mask("-abcdefghijkl-"), "-" .. ("*"):rep(12) .. "-")
  test.equal(secret.mask("-abcdefg-"), "-******g-")
  test.equal(#keep, 4)
end

test["a text of fewer than six bytes is too common to be masked"] = function()
  test.equal(masked("aws12", "aws12"), "aws12")
  test.equal(masked("aws123", "aws123"), "******")
end

test["a secret that is gone is masked no longer"] = function()
  do
    local s = secret.new("gone-and-forgotten", "aws")
    test.equal(secret.mask("gone-and-forgotten"), ("*"):rep(18))
    test.truthy(secret.is(s))
  end
  collectgarbage()
  test.equal(secret.mask("gone-and-forgotten"), "gone-and-forgotten")
end

test["text that ends inside an escape is read no further"] = function()
  for _, text in ipairs { "k3y%", "k3y%2", "k3y%252", "k3y\\", "k3y\\u002", "k3y/for+tests=only&am", "%", "\\", "&", "" } do
    test.equal(masked(VALUE, text), text)
  end
end

test["any secret is found in any text, in every spelling"] = function()
  math.randomseed(7)
  local function random(length)
    local bytes = {}
    for i = 1, length do bytes[i] = string.char(math.random(0, 255)) end
    return table.concat(bytes)
  end
  local function partly(text)
    return (text:gsub(".", function(c) return math.random(2) == 1 and ("%%%02x"):format(c:byte()) or nil end))
  end
  for _ = 1, 300 do
    local value = random(math.random(6, 60))
    local s = secret.new(value, "aws")
    for _, spelled in ipairs { value, crypto.percent_encode(value), crypto.base64(value), (crypto.base64(value):gsub("=", "")) } do
      local before, after = random(math.random(0, 40)), random(math.random(0, 40))
      local out = secret.mask(before .. spelled .. after)
      test.equal(out:sub(#before + 1, #before + #spelled - 4), ("*"):rep(#spelled - 4))
    end
    if not value:find("[%%\\&+_-]") then test.matches(secret.mask(partly(value)), "^%*+$") end
    test.truthy(s)
  end
end

test["more secrets than the secure heap has room for are kept, masked and freed alike"] = function()
  local keep = {}
  for i = 1, 600 do keep[i] = secret.new(("secret number %06d "):format(i):rep(50), "aws") end
  for _, i in ipairs { 1, 300, 600 } do
    local text = ("secret number %06d "):format(i):rep(50)
    test.truthy(secret.equal(keep[i], text))
    test.equal(secret.mask("<" .. text .. ">"), "<" .. ("*"):rep(#text) .. ">")
  end
  keep = nil   -- luacheck: ignore
  collectgarbage()
  local again = secret.new("room again", "aws")
  test.equal(secret.mask("room again"), ("*"):rep(10))
  test.truthy(again)
end

test["a fingerprint is the secret's own, whoever it may be revealed to, and holds nothing of it"] = function()
  local one, same, other = secret.new(VALUE, "aws"), secret.new(VALUE, "cloud"), secret.new(VALUE .. "2", "aws")
  test.matches(secret.fingerprint(one), "^" .. ("%x"):rep(16) .. "$")
  test.equal(secret.fingerprint(one), secret.fingerprint(same))
  test.truthy(secret.fingerprint(one) ~= secret.fingerprint(other))
  test.equal(secret.fingerprint(one), crypto.hex(crypto.hmac_sha256(VALUE, "cmek fingerprint")):sub(1, 16))
  test.raises(function() secret.fingerprint "text" end, "secret expected, got string")
end
