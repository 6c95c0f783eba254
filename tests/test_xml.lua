-- host/xml.c: the answers of IAM and STS as tables.
local xml = require "xml"
local json = require "json"
local secret = require "secret"

local function refused(text, message)
  local root, got = xml.decode(text)
  test.equal(root, nil)
  test.contains(got, message)
end

--- The content of <r>…</r>.
local function content(inner, options)
  local root, value = xml.decode("<r>" .. inner .. "</r>", options)
  if not root then error(value) end
  return value
end

test["an answer of IAM becomes names and texts; namespaces and attributes are dropped"] = function()
  local root, value = xml.decode [[<?xml version="1.0" encoding="UTF-8"?>
<GetRoleResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/">
  <GetRoleResult>
    <Role>
      <RoleName>crdb-cmek-orders</RoleName>
      <AssumeRolePolicyDocument>%7B%22Version%22%3A%222012-10-17%22%7D</AssumeRolePolicyDocument>
      <Tags>
        <member><Key>a</Key><Value>1</Value></member>
        <member><Key>b</Key><Value/></member>
      </Tags>
      <MaxSessionDuration unit="s">3600</MaxSessionDuration>
    </Role>
  </GetRoleResult>
  <ResponseMetadata><RequestId>8f1b</RequestId></ResponseMetadata>
</GetRoleResponse>]]
  test.equal(root, "GetRoleResponse")
  test.equal(value, {
    GetRoleResult = { Role = {
      RoleName = "crdb-cmek-orders", AssumeRolePolicyDocument = "%7B%22Version%22%3A%222012-10-17%22%7D",
      Tags = { { Key = "a", Value = "1" }, { Key = "b", Value = "" } }, MaxSessionDuration = "3600",
    } },
    ResponseMetadata = { RequestId = "8f1b" },
  })
end

test["a list of one is a list, and is marked as one"] = function()
  local value = content "<Tags><member><Key>a</Key></member></Tags><Names><member>x</member></Names>"
  test.equal(value, { Tags = { { Key = "a" } }, Names = { "x" } })
  test.truthy(json.is_array(value.Tags))
  test.equal(content "<Map><entry><key>a</key><value>1</value></entry></Map>", { Map = { { key = "a", value = "1" } } })
end

test["an empty element is an empty text, however it is written"] = function()
  test.equal(content "<a/><b></b><c><![CDATA[]]></c><d><!-- nothing --></d>", { a = "", b = "", c = "", d = "" })
  local root, value = xml.decode "<OK/>"
  test.equal({ root, value }, { "OK", "" })
end

test["elements that are repeated make a list, unless others stand beside them"] = function()
  test.equal(content "<a><i>1</i><i>2</i></a>", { a = { "1", "2" } })
  refused("<r><i>1</i><i>2</i><j/></r>", "the element 'i' stands twice in 'r', beside others")
  refused("<r><member>1</member><member>2</member><j/></r>", "the element 'member' stands twice in 'r'")
end

test["prefixes are dropped"] = function()
  test.equal(content '<x:a xmlns:x="urn:x"><x:b>1</x:b></x:a>', { a = { b = "1" } })
end

test["texts keep their blanks and line ends; between elements they are dropped"] = function()
  test.equal(content "\n <a> x\n y </a>\t<b>  </b>\n", { a = " x\n y ", b = "  " })
end

test["the five entities and numbers are understood, in many pieces too"] = function()
  test.equal(content "<a>&lt;&gt;&amp;&quot;&apos;&#65;&#x20AC;&#10;</a><b>x<![CDATA[<&>]]>y<!-- z -->&amp;</b>", { a = "<>&\"'A€\n", b = "x<&>y&" })
end

test["no other entity, and no DOCTYPE"] = function()
  refused("<r>&nbsp;</r>", "undefined entity")
  refused("<!DOCTYPE r><r/>", "line 1: a DOCTYPE is not accepted")
  refused('<!DOCTYPE r SYSTEM "file:///etc/passwd"><r/>', "a DOCTYPE is not accepted")
  refused('<!DOCTYPE r [<!ENTITY a "b">]><r>&a;</r>', "a DOCTYPE is not accepted")
  refused('<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;">]><r>&b;</r>', "a DOCTYPE is not accepted")
  refused('<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><r>&x;</r>', "a DOCTYPE is not accepted")
  refused("<!DOCTYPE html>\n<html><body>502</body></html>", "a DOCTYPE is not accepted")
end

test["what is not XML is refused with its line"] = function()
  refused("", "no element found")
  refused("not XML", "line 1: syntax error")
  refused("<r>", "no element found")
  refused("<r>\n<a></r>", "line 2: mismatched tag")
  refused("<r/><r/>", "junk after document element")
  refused("<r/>x", "junk after document element")
  refused("<r a=1/>", "not well-formed")
  refused("<r>\0</r>", "not well-formed")
  refused("<r>&#0;</r>", "reference to invalid character number")
  refused("<r>\xFF</r>", "not well-formed")
  refused("<r>a\xC0\x80</r>", "not well-formed")
  refused('<?xml version="1.0" encoding="no-such"?><r/>', "unknown encoding")
  refused('{"message":"no"}', "not well-formed")
end

test["text beside elements is refused"] = function()
  refused("<r>text<a/></r>", "text stands beside an element")
  refused("<r><a/>text</r>", "text stands beside an element")
  refused("<r><a/><b>x</b> text <c/></r>", "text stands beside an element")
end

test["another encoding comes out as UTF-8"] = function()
  local _, value = xml.decode '<?xml version="1.0" encoding="ISO-8859-1"?><r><a>\xE9</a></r>'
  test.equal(value, { a = "é" })
end

test["100 levels are read, 101 are not; half a million elements, and not more"] = function()
  local function nested(depth) return ("<a>"):rep(depth) .. ("</a>"):rep(depth) end
  test.equal((xml.decode(nested(100))), "a")
  refused(nested(101), "nested deeper than 100 levels")
  refused(("<a>"):rep(1000000), "nested deeper than 100 levels")
  test.equal(#content(("<a/>"):rep(10000)), 10000)
  refused("<r>" .. ("<a/>"):rep(500001) .. "</r>", "more than 500000 elements")
  refused("<r>" .. ("x"):rep((16 << 20) + 1) .. "</r>", "more than 16777216")
end

-- ---- secrets ----

local options = { secrets = { "SecretAccessKey", "SessionToken", "Keys" }, audience = "aws" }

test["elements named as secrets come out sealed"] = function()
  local value = content("<Credentials><AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>not/a&amp;real&#x6f;ne</SecretAccessKey>\n"
    .. "<SessionToken>\nneither this</SessionToken></Credentials>", options).Credentials
  test.equal(value.AccessKeyId, "ASIAEXAMPLE")
  test.truthy(secret.equal(value.SecretAccessKey, "not/a&realone"))
  test.truthy(secret.equal(value.SessionToken, "\nneither this"))
  test.equal(content("<SecretAccessKey>plain</SecretAccessKey>"), { SecretAccessKey = "plain" })
end

test["everything within a secret element is secret; an empty one is a secret too"] = function()
  local value = content("<Keys><member>one</member><member><deep>two</deep></member></Keys><x:SessionToken xmlns:x='u'/>", options)
  test.truthy(secret.equal(value.Keys[1], "one"))
  test.truthy(secret.equal(value.Keys[2].deep, "two"))
  test.equal(secret.length(value.SessionToken), 0)
end

test["a broken document with a secret in it is refused without quoting it"] = function()
  for _, text in ipairs { "<r><SessionToken>hidden-1", "<r><SessionToken>hidden-1</r>", "<r><SessionToken>hidden-1&no;</SessionToken></r>",
    "<r><SessionToken>hidden-1<a/></SessionToken></r>" } do
    local root, message = xml.decode(text, options)
    test.equal(root, nil)
    test.equal(message:find("hidden", 1, true), nil)
  end
  local root, message = xml.decode("<SessionToken>a</SessionToken>", { secrets = { "SessionToken" } })
  test.equal(root, nil)
  test.contains(message, "audience")
end

test["arguments are checked"] = function()
  test.raises(function() xml.decode() end, "string expected")
  test.raises(function() xml.decode("<a/>", { secret = {} }) end, "unknown field 'secret'")
  test.raises(function() xml.decode("<a/>", { secrets = "a" }) end, "must be a list of strings")
end

-- ---- at random ----

test["a tree that is written down reads back the same, 1000 times"] = function()
  math.randomseed(5)
  local random = math.random
  local texts = { "", "a", "é€😀", "<&>\"'", " x ", "]]" }
  local function escape(text) return (text:gsub("[<&>]", { ["<"] = "&lt;", ["&"] = "&amp;", [">"] = "&gt;" })) end
  local function tree(depth)
    local kind = depth > 5 and 1 or random(3)
    if kind == 1 then
      local text = texts[random(#texts)]
      return text, escape(text)
    end
    local value, parts = {}, {}
    for i = 1, random(1, 4) do
      local name = kind == 2 and "member" or "N" .. i
      local inner, text = tree(depth + 1)
      value[kind == 2 and i or name] = inner
      parts[#parts + 1] = ("<%s>%s</%s>"):format(name, text, name)
    end
    return value, table.concat(parts, ("\n "):rep(random(0, 1)))
  end
  for _ = 1, 1000 do
    local want, text = tree(0)
    local root, got = xml.decode("<r>" .. text .. "</r>")
    test.equal(root, "r")
    test.equal(got, want)
  end
end

test["a damaged document is read or refused, and never more"] = function()
  math.randomseed(6)
  local whole = "<r xmlns='u'><a><member>x&amp;</member><member><SessionToken>hidden-value</SessionToken></member></a><b>\n<c>1</c></b></r>"
  for _ = 1, 5000 do
    local at, kind = math.random(#whole), math.random(4)
    local text
    if kind == 1 then text = whole:sub(1, at - 1)
    elseif kind == 2 then text = whole:sub(1, at - 1) .. string.char(math.random(0, 255)) .. whole:sub(at + 1)
    elseif kind == 3 then text = whole:sub(1, at - 1) .. whole:sub(at + 1)
    else text = whole:sub(1, at) .. whole:sub(math.random(#whole)) end
    local root, message = xml.decode(text, options)
    if not root then test.equal(message:find("hidden-value", 1, true), nil) end
  end
end
