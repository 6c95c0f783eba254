-- host/json.c and json_scan.c: what lua-cjson loses is kept, what cannot be carried exactly is refused.
local json = require "json"
local secret = require "secret"

local function refused(text, message)
  local value, got = json.decode(text)
  test.equal(value, nil)
  test.contains(got, message)
end

local function kept(text)
  local value, message = json.decode(text)
  test.equal(message, nil)
  test.equal(json.encode(value), text)
end

-- ---- numbers ----

test["an integer is an integer, and prints without .0"] = function()
  local value = json.decode "[8, 0, -7, 123456789012345]"
  test.equal(value, { 8, 0, -7, 123456789012345 })
  test.equal(math.type(value[1]), "integer")
  test.equal(json.encode(value), "[8,0,-7,123456789012345]")
end

test["integers of 16 digits and more keep every digit, to the ends of 64 bits"] = function()
  kept "[9007199254740993,9223372036854775807,-9223372036854775808,1234567890123456]"
end

test["an integer beyond 64 bits is refused and quoted"] = function()
  refused("9223372036854775808", "the number 9223372036854775808 is beyond what can be held")
  refused("[-9223372036854775809]", "line 1, column 2: the number -9223372036854775809")
end

test["a fraction or an exponent makes a float, even a whole one"] = function()
  local value = json.decode "[1.0, 1E2, 1.767322999123E9, -0.5, 2e-3]"
  for i = 1, 5 do test.equal(math.type(value[i]), "float") end
  test.equal(value, { 1.0, 100.0, 1767322999.123, -0.5, 0.002 })
  test.equal(json.encode(value), "[1.0,100.0,1767322999.123,-0.5,0.002]")
end

test["floats are written in the shortest form that reads back the same"] = function()
  test.equal(json.encode { 0.1, 1 / 3, 1e300, 5e-324, 0.1 + 0.2 },
    "[0.1,0.3333333333333333,1e+300,4.94065645841247e-324,0.30000000000000004]")
end

test["minus zero keeps its sign"] = function()
  test.equal(json.encode(json.decode "[-0, -0.0]"), "[-0.0,-0.0]")
end

test["a float that would become infinite or vanish is refused"] = function()
  refused("1e400", "beyond what can be held")
  refused("-1e400", "beyond what can be held")
  refused("1e-400", "beyond what can be held")
  test.equal(json.decode "0e-400", 0.0)
end

test["a number may have 511 characters"] = function()
  test.equal(json.decode("0." .. ("1"):rep(509)), tonumber("0." .. ("1"):rep(30)))
  refused("0." .. ("1"):rep(510), "a number of 512 characters is too long")
end

test["what lua-cjson takes for a number and JSON does not is refused"] = function()
  for _, text in ipairs { "NaN", "Infinity", "-Infinity", "nan", "0x10", "01", "-01", "+1", ".5", "1.", "1.e3", "1e", "1e+", "-", "--1", "1_0" } do
    test.equal((json.decode(text)), nil)
    test.equal((json.decode("[" .. text .. "]")), nil)
  end
  refused("01", "a number does not begin with 0")
end

-- ---- arrays, objects, null ----

test["an empty array stays an array, an empty object an object"] = function()
  kept '{"a":[],"b":{},"c":[[],{}]}'
  local value = json.decode '{"a":[ \n ],"b":{}}'
  test.equal(value.a, {})
  test.equal(json.is_array(value.a), true)
  test.equal(json.is_array(value.b), false)
  test.equal(json.is_array(json.decode "[1]"), true)
end

test["an array may hold nulls, at its end too"] = function()
  kept "[1,2,null,4,null]"
  test.equal(#json.decode "[null,null]", 2)
  test.equal(json.decode "null", json.null)
end

test["an unmarked empty table is an object, a marked one an array"] = function()
  test.equal(json.encode {}, "{}")
  test.equal(json.encode(json.array {}), "[]")
  test.equal(json.encode(json.array()), "[]")
  test.truthy(json.is_array(json.array {}))
end

test["a member named twice is refused, however it is spelled"] = function()
  refused('{"a":1,"b":2,"a":3}', "the object that ends here has the member 'a' twice")
  refused('{"a":1,"\\u0061":3}', "the member 'a' twice")
  refused('{"x":[{"":1,"":2}]}', "the member '' twice")
  kept '{"a":{"a":{"a":1}},"b":{"a":1}}'
end

test["keys that look like indexes stay names"] = function()
  kept '{"1":"a","2":"b"}'
end

test["keys are written in the order of their bytes"] = function()
  test.equal(json.encode { b = 1, a = 2, B = 3, ["a b"] = 4, aa = 5, [""] = 6, ["ä"] = 7 }, '{"":6,"B":3,"a":2,"a b":4,"aa":5,"b":1,"ä":7}')
end

test["tables that are neither list nor object are refused"] = function()
  test.raises(function() json.encode { 1, 2, a = 3 } end, "the keys of a table must all be strings, or 1 to its length")
  test.raises(function() json.encode { [1] = 1, [100] = 2 } end, "keys of a table")
  test.raises(function() json.encode { [1.5] = 1 } end, "keys of a table")
  test.raises(function() json.encode { [true] = 1 } end, "keys of a table")
  test.raises(function() json.encode { a = { b = { { 1, x = 1 } } } } end, "a.b[1]: the keys")
  test.raises(function() json.encode(json.array { a = 1 }) end, "an array needs the keys 1 to its length")
end

-- ---- strings ----

test["escapes mean what they say"] = function()
  test.equal(json.decode [["\"\\\/\b\f\n\r\t\u00e9\u20AC\uD83D\uDE00\u0000x"]], '"\\/\b\f\n\r\té€😀\0x')
end

test["a slash is written as it is, control characters as escapes"] = function()
  test.equal(json.encode 'a/b"\\\n\t\b\f\r\0\31\127é', '"a/b\\"\\\\\\n\\t\\b\\f\\r\\u0000\\u001f\127é"')
end

test["raw control characters are refused"] = function()
  refused('"a\nb"', "byte 0A in a string must be written as an escape")
  refused('{"a\0":1}', "byte 00")
  refused('"\31"', "byte 1F")
end

test["half of a surrogate pair is refused"] = function()
  for _, text in ipairs { [["\uD800"]], [["\uDC00"]], [["\uD800x"]], [["\uD800\n"]], [["\uD800\uD800"]], [["\uDE00\uD83D"]] } do
    refused(text, "half of a surrogate pair")
  end
end

test["bad escapes are refused"] = function()
  refused([["\x41"]], "no such escape")
  refused([["\u12"]], "four hexadecimal digits")
  refused([["\u12G4"]], "four hexadecimal digits")
  refused([["\]], "no such escape")
  refused("\"\\\0\"", "no such escape")
end

test["invalid UTF-8 is refused both ways"] = function()
  for _, bytes in ipairs { "\xFF", "\x80", "\xC0\x80", "\xC3", "\xE0\x80\x80", "\xED\xA0\x80", "\xF0\x80\x80\x80",
    "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xE2\x82", "\xE2(\xA1" } do
    refused('"' .. bytes .. '"', "not UTF-8")
    refused('{"' .. bytes .. '":1}', "not UTF-8")
    test.raises(function() json.encode { a = bytes } end, "a: a string that is not UTF-8")
    test.raises(function() json.encode { [bytes] = 1 } end, "a string that is not UTF-8")
  end
  kept '"\xF4\x8F\xBF\xBF\xEF\xBF\xBF"'
end

test["a string that looks like a mark of json.c is just a string"] = function()
  for _, text in ipairs { [["\u0001n5"]], [["\u0001s1"]], [["\u0001a"]], [["\u0001t"]], [["\u0001"]], [["\u0001\u0001n1"]] } do
    kept(text)
    kept("[" .. text .. "]")
    kept('{"a":' .. text .. "}")
    kept('{' .. text .. ':1}')
  end
end

-- ---- the text as a whole ----

test["what is not one JSON value is refused with its place"] = function()
  refused("", "line 1, column 1: the text ends where a value is expected")
  refused("  \n ", "line 2, column 2: the text ends")
  refused("{} x", "line 1, column 4: something follows the value")
  refused("1 2", "something follows")
  refused("[1,]", "expected a value, got ']'")
  refused("[1 2]", "expected ',' or ']', got '2'")
  refused('{"a" 1}', "expected ':', got '1'")
  refused('{a:1}', "expected a member's name in quotes, got 'a'")
  refused('{"a":1,}', "a member's name in quotes, got '}'")
  refused('{"a":1', "the text ends where ',' or '}' is expected")
  refused('"abc', "the text ends within a string")
  refused("tru", "expected a value, got 't'")
  refused("'a'", "expected a value")
  refused("[1,\n 2,\n x]", "line 3, column 2")
  refused("\xEF\xBB\xBF{}", "byte order mark")
  refused("<html>", "expected a value, got '<'")
  refused("\xFF", "got byte FF")
  refused("// c\n1", "expected a value")
  refused("1\0", "something follows")
  refused("\f1", "expected a value")
end

test["200 levels are read and written, 201 are not"] = function()
  local deep = ("["):rep(200) .. ("]"):rep(200)
  kept(deep)
  kept((('{"a":'):rep(199)) .. "{}" .. ("}"):rep(199))
  refused("[" .. deep .. "]", "nested deeper than 200 levels")
  refused(("["):rep(1000000), "nested deeper than 200 levels")
  test.raises(function() json.encode { json.decode(deep) } end, "nested deeper than 200 levels")
end

test["a table that holds itself is refused"] = function()
  local t = {}
  t.t = { t }
  test.raises(function() json.encode(t) end, "or holds itself")
end

test["what has no JSON form is refused with its place"] = function()
  test.raises(function() json.encode { a = { print } } end, "cannot write JSON: a[1]: a function has no JSON form")
  test.raises(function() json.encode(coroutine.create(print)) end, "cannot write JSON: a thread has no JSON form")
  test.raises(function() json.encode { x = 0 / 0 } end, "x: a number that is not finite")
  test.raises(function() json.encode { math.huge } end, "[1]: a number that is not finite")
  test.raises(function() json.encode(nil) end, "a nil has no JSON form")
  test.raises(function() json.encode() end, "value expected")
  test.raises(function() json.encode(setmetatable({}, { __index = { a = 1 } })) end, "only stands for another")
end

test["a value may say what it is in JSON"] = function()
  local value = setmetatable({}, { __json = function() return "as text" end, __index = error })
  test.equal(json.encode { value, { a = value } }, '["as text",{"a":"as text"}]')
  local parent = { a = 1, z = 2 }
  parent.m = setmetatable({}, { __json = function()
    for _, key in ipairs { "a", "m", "z" } do parent[key] = nil end
    collectgarbage()
    return 1
  end })
  test.raises(function() json.encode(parent) end, "z: a nil has no JSON form")
end

test["an indent makes a text for people, and reads back the same"] = function()
  local value = json.decode '{"a":[1,{"b":[]}],"c":{},"d":"x"}'
  local text = json.encode(value, { indent = 2 })
  test.equal(text, '{\n  "a": [\n    1,\n    {\n      "b": []\n    }\n  ],\n  "c": {},\n  "d": "x"\n}')
  test.equal(json.encode(json.decode(text)), json.encode(value))
end

test["arguments are checked"] = function()
  test.raises(function() json.decode() end, "string expected")
  test.raises(function() json.decode("1", { secret = {} }) end, "unknown field 'secret'")
  test.raises(function() json.decode("1", { secrets = "a" }) end, "field 'secrets' must be a list of strings, got string")
  test.raises(function() json.decode("1", { secrets = { 1 } }) end, "field 'secrets' must be a list of strings, [1] is number")
  test.raises(function() json.encode({}, { indent = 99 }) end, "an indent is 0 to 16 spaces")
  test.raises(function() json.encode({}, { pretty = true }) end, "unknown field 'pretty'")
  test.raises(function() json.array(1) end, "table expected")
end

-- ---- secrets ----

local options = { secrets = { "Secret", "keys" }, audience = "aws" }

test["a member named as secret comes out as one, and with what was written"] = function()
  local value = json.decode([[{"Id":"a","Secret":"p\u0061ss/w\n\u20ac\uD83D\uDE00d","n":1}]], options)
  test.equal(secret.is(value.Secret), true)
  test.equal(secret.is(value.Id), false)
  test.truthy(secret.equal(value.Secret, "pass/w\n€😀d"))
  test.equal(value.n, 1)
end

test["without a name given the same member is a string"] = function()
  test.equal(json.decode([[{"Secret":"abc"}]]).Secret, "abc")
end

test["everything within a secret member is secret, but its shape, null and truth values"] = function()
  local value = json.decode('{"keys":["one-1",{"deep":"two-2"},12345678901234567890123,1.5,null,true,[]]}', options).keys
  test.truthy(secret.equal(value[1], "one-1"))
  test.truthy(secret.equal(value[2].deep, "two-2"))
  test.truthy(secret.equal(value[3], "12345678901234567890123"))
  test.truthy(secret.equal(value[4], "1.5"))
  test.equal(value[5], json.null)
  test.equal(value[6], true)
  test.equal(json.is_array(value[7]), true)
end

test["many secrets in one text keep their places"] = function()
  local parts = {}
  for i = 1, 200 do parts[i] = ('{"i":%d,"Secret":"value-%d"}'):format(i, i) end
  local value = json.decode("[" .. table.concat(parts, ",") .. "]", options)
  for i = 1, 200 do test.truthy(secret.equal(value[i].Secret, "value-" .. i)) end
end

test["an empty secret is a secret too, and a name that only resembles is none"] = function()
  local value = json.decode('{"Secret":"","secret":"a","Secret2":"b"}', options)
  test.equal(secret.length(value.Secret), 0)
  test.equal(value.secret, "a")
  test.equal(value.Secret2, "b")
end

test["a secret's name may be written with escapes"] = function()
  test.equal(secret.is(json.decode([[{"Secr\u0065t":"abc"}]], options).Secret), true)
end

test["nothing that can be reached from an answer is a string with a secret's bytes"] = function()
  local value = json.decode('{"Secret":"never-a-string-1","other":{"a":["b"]}}', options)
  local function reach(v, seen)
    if type(v) == "table" then
      for k, m in pairs(v) do reach(k, seen) reach(m, seen) end
    elseif type(v) == "string" then
      seen[#seen + 1] = v
    end
    return seen
  end
  for _, text in ipairs(reach(value, {})) do test.equal(text:find("never", 1, true), nil) end
  test.equal(tostring(value.Secret), "****")
end

test["a broken text with a secret in it is refused without quoting it"] = function()
  for _, text in ipairs { '{"Secret":"hidden-value-1', '{"Secret":"hidden-value-1\\x"}', '{"Secret":"hidden-value-1\xFF"}',
    '{"Secret":"hidden-value-1"]', '{"Secret":"hidden-value-1","Secret":"hidden-value-1"}', '{"keys":[99999999999999999999}' } do
    local value, message = json.decode(text, options)
    test.equal(value, nil)
    test.equal(message:find("hidden", 1, true), nil)
    test.equal(message:find("9999", 1, true), nil)
  end
end

test["secrets without an audience are an error, not strings"] = function()
  local value, message = json.decode('{"Secret":"abc"}', { secrets = { "Secret" } })
  test.equal(value, nil)
  test.contains(message, "audience")
end

test["a secret is not written"] = function()
  test.raises(function() json.encode { a = { secret.new("not shown here", "aws") } } end, "a[1]: a secret is not written")
end

-- ---- at random ----

local function generator(seed)
  math.randomseed(seed)
  local random = math.random
  local strings = { "", "a", "é€😀", "\1", "\1n5", "\0", "\"\\/", "\u{E0C0}x\u{E0C1}", "1", "\127", "a\nb" }
  local function text() return strings[random(#strings)] .. (random(3) == 1 and strings[random(#strings)] or "") end
  local function value(depth)
    local kind = random(depth > 5 and 6 or 8)
    if kind == 1 then return random(0) end
    if kind == 2 then return random(-1000, 1000) end
    if kind == 3 then return (random() - 0.5) * 10.0 ^ random(-300, 300) end
    if kind == 4 then return random(2) == 1 end
    if kind == 5 then return json.null end
    if kind == 6 then return text() end
    local t = {}
    if kind == 7 then
      for i = 1, random(0, 5) do t[i] = value(depth + 1) end
      return json.array(t)
    end
    for _ = 1, random(0, 5) do t[text()] = value(depth + 1) end
    return t
  end
  return value
end

test["what is written reads back the same, types and all, 3000 times"] = function()
  local value = generator(7)
  for i = 1, 3000 do
    local one = value(0)
    local text = json.encode(one, { indent = i % 2 })
    local back, message = json.decode(text)
    if message then error(message .. ": " .. text) end
    test.equal(back, one)
    test.equal(json.encode(back, { indent = i % 2 }), text)
  end
end

test["a damaged text is read or refused, and never more"] = function()
  local value = generator(11)
  for _ = 1, 3000 do
    local text = json.encode { Secret = "hidden-value-1", x = value(0) }
    local at = math.random(#text)
    local kind = math.random(4)
    if kind == 1 then text = text:sub(1, at - 1)
    elseif kind == 2 then text = text:sub(1, at - 1) .. string.char(math.random(0, 255)) .. text:sub(at + 1)
    elseif kind == 3 then text = text:sub(1, at - 1) .. text:sub(at + 1)
    else text = text:sub(1, at) .. text:sub(math.random(#text)) end
    local got, message = json.decode(text, options)
    if got == nil then
      test.equal(type(message), "string")
      test.equal(message:find("hidden-value", 1, true), nil)
    else
      test.equal(json.encode(json.decode(text)), json.encode(json.decode(json.encode(json.decode(text)))))
    end
  end
end
