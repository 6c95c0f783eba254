-- test_sigv4.lua -- host/sigv4.c: AWS's own vectors stage by stage, known answers, the key cache, requests that want to break it.
local sigv4 = require "sigv4"
local crypto = require "crypto"
local json = require "json"
local secret = require "secret"

local KEY_ID, KEY = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"   -- AWS's documented example
local FORM = "application/x-www-form-urlencoded; charset=utf-8"

--- The request of a vector, raw text as the data's README describes it.
---@return { method: string, path: string, query: string, headers: string[][], body: string }
local function parse(text)
  local head, body = text:match("^(.-\n)\n(.*)$")
  local lines = {}
  for line in (head or text):gmatch("[^\n]+") do lines[#lines + 1] = line end
  local method, target = lines[1]:match("^(%S+) (.*) HTTP/1.1$")
  local headers = {}
  for i = 2, #lines do
    local name, value = lines[i]:match("^([^%s:][^:]*):(.*)$")
    if name then
      headers[#headers + 1] = { name, value }
    else
      headers[#headers][2] = headers[#headers][2] .. "\n" .. lines[i]
    end
  end
  local path, query = target:match("^([^?]*)%??(.*)$")
  return { method = method, path = path, query = query, headers = headers, body = body or "" }
end

--- What sigv4 takes, from a vector; the headers are those of the query form.
local function request_of(vector)
  local context, request = vector.context, parse(vector.request)
  request.access_key_id = context.credentials.access_key_id
  request.secret = context.credentials.secret_access_key
  request.region, request.service = context.region, context.service
  request.stamp = context.timestamp:gsub("[-:]", "")
  request.keep_path = not context.normalize
  return request
end

local function add_headers(vector, request)
  local context, headers = vector.context, request.headers
  headers[#headers + 1] = { "X-Amz-Date", request.stamp }
  if context.credentials.token and not context.omit_session_token then
    headers[#headers + 1] = { "X-Amz-Security-Token", context.credentials.token }
  end
  if context.sign_body then
    headers[#headers + 1] = { "x-amz-content-sha256", crypto.hex(crypto.sha256(request.body)) }
  end
end

--- The parameters of a query, sorted, so that two can be compared that differ in order alone.
local function parameters(query)
  local list = {}
  for pair in query:gmatch("[^&]+") do list[#list + 1] = pair end
  table.sort(list)
  return list
end

for line in io.lines("tests/data/sigv4-vectors.jsonl") do
  local vector = json.decode(line)

  test["AWS's vector " .. vector.name .. " is signed alike in a header, at every stage"] = function()
    local request = request_of(vector)
    add_headers(vector, request)
    local got = sigv4.sign(request)
    test.equal(got.canonical_request, vector.header_canonical_request)
    test.equal(got.string_to_sign, vector.header_string_to_sign)
    test.equal(got.signature, vector.header_signature)
    test.contains(vector.header_signed_request .. "\n", "\nAuthorization:" .. got.authorization .. "\n")
  end

  test["AWS's vector " .. vector.name .. " is signed alike in a query, at every stage"] = function()
    local context, request = vector.context, request_of(vector)
    request.expires = context.expiration_in_seconds
    if not context.omit_session_token then request.session_token = context.credentials.token end
    local got = sigv4.presign(request)
    test.equal(got.canonical_request, vector.query_canonical_request)
    test.equal(got.string_to_sign, vector.query_string_to_sign)
    test.equal(got.signature, vector.query_signature)
    -- The vector's line is text before it goes on the wire; so are the parameters that the request had already.
    local wanted = parse(vector.query_signed_request).query:gsub("&X%-Amz%-Security%-Token=[^&]*", context.omit_session_token and "" or "%0")
    test.equal(parameters(got.query), parameters(wanted))
  end
end

test["the vectors are all there"] = function()
  local count = 0
  for _ in io.lines("tests/data/sigv4-vectors.jsonl") do count = count + 1 end
  test.equal(count, 19)
end

local function list_users()
  return {
    method = "GET", path = "/", query = "Action=ListUsers&Version=2010-05-08",
    headers = { { "Content-Type", FORM }, { "Host", "iam.amazonaws.com" }, { "X-Amz-Date", "20150830T123600Z" } },
    access_key_id = KEY_ID, secret = KEY, region = "us-east-1", service = "iam", stamp = "20150830T123600Z",
  }
end

local function caller_identity()
  return {
    method = "POST", body = "Action=GetCallerIdentity&Version=2011-06-15",
    headers = { { "Content-Type", FORM }, { "Host", "sts.us-east-1.amazonaws.com" }, { "X-Amz-Date", "20260102T030405Z" } },
    access_key_id = KEY_ID, secret = KEY, region = "us-east-1", service = "sts", stamp = "20260102T030405Z",
  }
end

test["ListUsers has the documented canonical hash and signature"] = function()
  local got = sigv4.sign(list_users())
  test.equal(crypto.hex(crypto.sha256(got.canonical_request)), "f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59")
  test.equal(got.signature, "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7")
  test.equal(got.authorization, "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
    .. "SignedHeaders=content-type;host;x-amz-date, Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7")
end

test["the documented derived key makes the same signature"] = function()
  local key = crypto.unhex("c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9")
  local got = sigv4.sign(list_users())
  test.equal(got.signature, crypto.hex(crypto.hmac_sha256(key, got.string_to_sign)))
end

test["a POST of STS has its known signature, without and with a session token"] = function()
  local request = caller_identity()
  test.contains(sigv4.sign(request).canonical_request, "\nab821ae955788b0e33ebd34c208442ccfc2d406e2edc5e7a39bd6458fbb4f843")
  test.equal(sigv4.sign(request).signature, "b57eccc771c57ff3d2d1121eb0768f9b5a596f1e2aa97e452275256232edfb15")
  table.insert(request.headers, { "X-Amz-Security-Token", "EXAMPLETOKEN==" })
  test.equal(sigv4.sign(request).signature, "56fcc76777ce1725ecc4ff037db4c3ac445974d1bfa7e0f7292dadab4406ebf0")
end

test["a POST of KMS to a loopback port has its known signature"] = function()
  local got = sigv4.sign {
    method = "POST", path = "/", body = '{"KeyId":"alias/cmek"}',
    headers = { { "Host", "127.0.0.1:4599" }, { "X-Amz-Target", "TrentService.DescribeKey" }, { "X-Amz-Date", "20260102T030405Z" },
      { "Content-Type", "application/x-amz-json-1.1" } },
    access_key_id = KEY_ID, secret = secret.new(KEY, "aws"), region = "eu-west-1", service = "kms", stamp = "20260102T030405Z",
  }
  test.equal(got.signed_headers, "content-type;host;x-amz-date;x-amz-target")
  test.equal(got.signature, "815e6bd1d89d262ff510ff1bab731d6ae8b15a63d2e90415e94439dd140a925e")
end

-- ---- the traps, one by one ----

--- The line of the canonical request: 2 the path, 3 the query.
local function line_of(n, fields)
  local request = caller_identity()
  for _, name in ipairs { "path", "query", "keep_path" } do request[name] = fields[name] end
  local lines = {}
  for line in (sigv4.sign(request).canonical_request .. "\n"):gmatch("(.-)\n") do lines[#lines + 1] = line end
  return lines[n]
end

test["a path is normalized, then encoded once more as it goes on the wire"] = function()
  local cases = {
    [""] = "/", ["/"] = "/", ["//"] = "/", ["/."] = "/", ["/./"] = "/", ["/.."] = "/", ["/../.."] = "/", ["/a/.."] = "/", ["/a/../"] = "/",
    ["/a/b/../c"] = "/a/c", ["//a///b//"] = "/a/b/", ["/a/./b/."] = "/a/b", ["/..a/.b/c.."] = "/..a/.b/c..", ["/a/../../b"] = "/b",
    ["/a%20b"] = "/a%2520b", ["/a b"] = "/a%20b", ["/a+b=c&d;e:f@g"] = "/a%2Bb%3Dc%26d%3Be%3Af%40g", ["/\u{1234}"] = "/%E1%88%B4",
    ["/-._~"] = "/-._~", ["/a/b"] = "/a/b",
  }
  for path, want in pairs(cases) do test.equal({ path, line_of(2, { path = path }) }, { path, want }) end
end

test["a path to keep keeps dot segments and repeated slashes"] = function()
  test.equal(line_of(2, { path = "/a//b/../c/.", keep_path = true }), "/a//b/../c/.")
  test.equal(line_of(2, { path = "", keep_path = true }), "/")
end

test["a query is split, encoded once and sorted by name, then value"] = function()
  local cases = {
    [""] = "", ["a"] = "a=", ["a="] = "a=", ["b=2&a=1"] = "a=1&b=2", ["a=2&a=1&A=3"] = "A=3&a=1&a=2", ["a=b=c"] = "a=b%3Dc",
    ["a=%2f&b=/"] = "a=%2F&b=%2F", ["a=%7E~"] = "a=~~", ["a=1+2"] = "a=1%2B2", ["a=1%202"] = "a=1%202", ["a=100%"] = "a=100%25",
    ["a=%4"] = "a=%254", ["a=%zz"] = "a=%25zz", ["a-b=1&a=2"] = "a=2&a-b=1", ["\u{1234}=\u{e9}"] = "%E1%88%B4=%C3%A9",
    ["a=1&&b=2&"] = "a=1&b=2", ["b=1&X-Amz-Signature=ffff&a=2"] = "a=2&b=1", ["X-Amz-Sig=1"] = "X-Amz-Sig=1",
  }
  for query, want in pairs(cases) do test.equal({ query, line_of(3, { query = query }) }, { query, want }) end
end

test["headers are lower case, sorted, trimmed, collapsed and joined in the order they came"] = function()
  local request = caller_identity()
  request.headers = { { "X-B", " 2  1 " }, { "x-a", '" q   w "' }, { "X-b", "a\t b" }, { "X-Empty", "" }, { "x-Fold", "one\r\n   two" } }
  local got = sigv4.sign(request)
  test.equal(got.signed_headers, "x-a;x-b;x-empty;x-fold")
  test.contains(got.canonical_request, '\nx-a:" q w "\nx-b:2 1,a b\nx-empty:\nx-fold:one two\n\nx-a;')
end

test["a presigned query that is signed again keeps its signature: X-Amz-Signature takes no part"] = function()
  local request = list_users()
  request.headers = { { "Host", "iam.amazonaws.com" } }
  local first = sigv4.presign(request)
  request.query = first.query
  test.equal(sigv4.sign(request).signature, first.signature)
end

-- ---- the key cache ----

--- The signature by SigV4's key chain, step by step.
local function reckon(request, string_to_sign)
  local key = "AWS4" .. request.secret
  for _, text in ipairs { request.stamp:sub(1, 8), request.region, request.service, "aws4_request", string_to_sign } do
    key = crypto.hmac_sha256(key, text)
  end
  return crypto.hex(key)
end

local function check(request)
  local got = sigv4.sign(request)
  test.equal(got.signature, reckon(request, got.string_to_sign))
  return got.signature
end

test["a new secret under the same key id is not signed with the old one's derived key"] = function()
  local request = caller_identity()
  local first = check(request)
  request.secret = "another/secret"
  local second = check(request)
  test.truthy(first ~= second)
  request.secret = KEY
  test.equal(check(request), first)
end

test["day, region, service and key id each have a key of their own"] = function()
  local seen = {}
  for _, field in ipairs { "stamp", "region", "service", "access_key_id", "method" } do
    local request = caller_identity()
    request[field] = ({ stamp = "20260103T030405Z", region = "us-east-2", service = "kms", access_key_id = "AKIDEXAMPLE2" })[field] or "GET"
    local signature = check(request)
    -- The key id is no part of what is signed, so it changes nothing but the place in the cache.
    if field ~= "access_key_id" then
      test.equal(seen[signature], nil)
      seen[signature] = true
    end
  end
end

test["more scopes than the cache holds are all signed right, twice over"] = function()
  for _ = 1, 2 do
    for i = 1, 100 do
      local request = caller_identity()
      request.region, request.secret = "region-" .. i % 50, "secret-" .. i
      check(request)
    end
  end
end

test["a secret longer than a block of SHA-256, and an empty one, are signed right"] = function()
  for _, length in ipairs { 0, 59, 60, 61, 64, 65, 500, 1024 } do
    local request = caller_identity()
    request.secret = ("s"):rep(length)
    check(request)
  end
end

-- ---- what is refused ----

test["what cannot be signed is refused, and the message names it"] = function()
  local function refused(field, value, message)
    local request = caller_identity()
    request[field] = value
    test.raises(function() sigv4.sign(request) end, message)
  end
  refused("stamp", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z")
  refused("stamp", "20260102T030405", "20260102T030405")
  refused("stamp", "20260102T030405ZZ", "20260102T030405ZZ")
  refused("stamp", "", "stamp")
  refused("method", "GET\n/", "words")
  refused("method", "", "words")
  refused("headers", { { "X-A\nx-b", "1" } }, "words")
  refused("headers", { { "", "1" } }, "words")
  refused("headers", { "X-A: 1" }, "headers[1]")
  refused("headers", "X-A: 1", "headers must be a list")
  refused("path", "/a\0b", "zero byte")
  refused("region", 7, "region must be a string")
  refused("body", {}, "body must be a string")
  refused("secret", secret.new("for/the/cloud", "cloud"), "is a secret for cloud")
  refused("secret", ("s"):rep(1025), "cannot sign")
  refused("access_key_id", ("A"):rep(400), "cannot sign")
  refused("querry", "a=1", "no field 'querry'")
end

test["a presigned request lives from a second to a week"] = function()
  for _, expires in ipairs { 0, -1, 604801, 1.5, "soon" } do
    local request = caller_identity()
    request.expires = expires
    test.raises(function() sigv4.presign(request) end, "expires must be 1 to 604800 seconds")
  end
end

-- ---- anything at all ----

local function random_text(length, alphabet)
  local bytes = {}
  for i = 1, length do
    if alphabet then
      local at = math.random(#alphabet)
      bytes[i] = alphabet:sub(at, at)
    else
      bytes[i] = string.char(math.random(255))
    end
  end
  return table.concat(bytes)
end

test["random requests of any bytes are signed as the chain says"] = function()
  math.randomseed(20260102)
  local word = "abcXYZ019-._~"
  for _ = 1, 1000 do
    local request = {
      method = random_text(math.random(8), "GETPOSLI"), path = random_text(math.random(0, 60), math.random(2) == 1 and "/.%2a" or nil),
      query = random_text(math.random(0, 80), math.random(2) == 1 and "&=%2Fa" or nil), body = random_text(math.random(0, 100)),
      headers = {}, access_key_id = random_text(20, word), secret = random_text(math.random(40), word), region = random_text(9, word),
      service = random_text(3, word), stamp = ("%08dT%06dZ"):format(math.random(0, 99999999), math.random(0, 999999)),
      keep_path = math.random(2) == 1,
    }
    for i = 1, math.random(0, 12) do
      request.headers[i] = { random_text(math.random(4), "aAbB-"), random_text(math.random(0, 30), math.random(2) == 1 and " \t\r\na" or nil) }
    end
    check(request)
    local presigned = sigv4.presign(request)
    test.matches(presigned.query, "&X%-Amz%-Signature=%x+$")
  end
end
