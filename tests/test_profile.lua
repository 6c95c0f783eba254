-- ~/.aws/config and ~/.aws/credentials, by the rules that the SDKs' own parser tests share.
local file = require "file"
local profile = require "aws.profile"
local secret = require "secret"
local variables = require "variables"

-- Both files written and read, as they are in life.
local function load(config, credentials)
  local directory = test.directory()
  assert(file.write(directory .. "/config", config or ""))
  assert(file.write(directory .. "/credentials", credentials or ""))
  return profile.load { environment = variables.of {
    AWS_CONFIG_FILE = directory .. "/config", AWS_SHARED_CREDENTIALS_FILE = directory .. "/credentials" } }
end

-- The texts of a profile of the config file.
local function texts(config, name)
  local found = load(config):find(name or "foo")
  return found and found.values
end

test["[profile NAME] and [default] are the config file's sections, a plain [NAME] is ignored"] = function()
  local known = load "[profile foo]\nregion = a\n[bar]\nregion = b\n[default]\nregion = c\n"
  test.equal({ known:find("foo"):text "region", known:find "bar", known:find("default"):text "region" }, { "a", nil, "c" })
end

test["the credentials file has plain [NAME] sections, [profile NAME] is ignored"] = function()
  local known = load(nil, "[foo]\naws_access_key_id = A\n[profile bar]\naws_access_key_id = B\n")
  test.equal({ known:find("foo"):text "aws_access_key_id", known:find "bar" }, { "A", nil })
end

test["[profile default] stands above [default], wherever it is"] = function()
  test.equal(texts("[profile default]\nregion = a\n[default]\nregion = b\noutput = c\n", "default"), { region = "a" })
  test.equal(texts("[default]\nregion = b\noutput = c\n[profile default]\nregion = a\n", "default"), { region = "a" })
end

test["names may be spaced inside and out, and may hold the marks that are allowed"] = function()
  test.equal(texts "[ profile \t foo \t]\nregion = a", { region = "a" })
  test.equal(texts("[profile a-b/c.d%e@f_g:h+1]\nregion = a", "a-b/c.d%e@f_g:h+1"), { region = "a" })
end

test["an invalid name drops its section with all properties"] = function()
  local known = load "[profile in valid]\nregion = a\n[profile 'x']\nregion = b\n[profile foo]\nregion = c\n"
  local names = {}
  for name in require("sorted")(known.profiles) do names[#names + 1] = name end
  test.equal(names, { "foo" })
end

test["a property is split at its first =, both sides trimmed, its name in any case; the value may be empty"] = function()
  test.equal(texts "[profile foo]\nREGION  =\ta=b=c \noutput=\n", { region = "a=b=c", output = "" })
  test.equal(load("[profile foo]\noutput=\n"):find("foo"):text "output", nil)
end

test["lines that begin with # or ; are comments, and so is what follows white space and such a mark"] = function()
  test.equal(texts "# one\n; two\n[profile foo] # three\n;four = 4\nregion = a;b # five\noutput = c ;six\nx = d#e\n",
    { region = "a;b", output = "c", x = "d#e" })
end

test["an indented line continues the value above, its comment marks with it"] = function()
  test.equal(texts "[profile foo]\nregion = a\n  b # c\n\n \t\n\td ; e\n", { region = "a\nb # c\nd ; e" })
end

test["what is commented out never reaches Lua: it may be an old key"] = function()
  test.equal(texts "[profile foo]\nregion = a\n  # aws_secret_access_key = old\n# aws_secret_access_key = older\n", { region = "a" })
end

test["below an empty value indented lines are properties of their own"] = function()
  local values = texts "[profile foo]\ns3 =\n  max = 5\n  name = x = y\nregion = a\n"
  test.equal(values, { s3 = { max = "5", name = "x = y" }, region = "a" })
end

test["sections of one name are joined, and the last of two properties counts"] = function()
  test.equal(texts "[profile foo]\nregion = a\noutput = b\n[profile bar]\n[profile foo]\nregion = c\n", { region = "c", output = "b" })
end

test["line ends of Windows and a byte order mark are taken"] = function()
  test.equal(texts "\xEF\xBB\xBF[profile foo]\r\nregion = a\r\n  b\r\n", { region = "a\nb" })
end

test["what is no line of such a file is refused, with file, line and what would be right"] = function()
  for text, complaint in pairs {
    ["[profile foo\nregion = a"] = "line 1: '[profile foo' opens a section and has no ]",
    ["[profile foo] bar\n"] = "line 1: after ] only a comment may stand, not 'bar'",
    ["[profile foo]\nregion\n"] = "line 2: 'region' is no property: write name = value",
    ["[profile foo]\n= a\n"] = "line 2: '= a' is no property",
    ["region = a\n"] = "line 1: a property before any [section]",
    ["[profile foo]\n  region = a\n"] = "line 2: an indented line continues the property above",
    ["[profile foo]\ns3 =\n  max\n"] = "line 3: 'max' is no property",
  } do
    local raised = test.raises(function() load(text) end, complaint)
    test.contains(raised, "/config")
    test.equal(raised.exit, "credentials")
  end
end

test["secrets come out of both files as secrets, in any case of their names"] = function()
  local known = load("[profile foo]\nAWS_Secret_Access_Key = in-the-config\n",
    "[bar]\naws_access_key_id = A\naws_secret_access_key = in-the-credentials\naws_session_token = token-of-bar\n")
  for name, keys in pairs { foo = { "aws_secret_access_key" }, bar = { "aws_secret_access_key", "aws_session_token" } } do
    for _, key in ipairs(keys) do
      test.truthy(secret.is(known:find(name).values[key]), name .. " " .. key)
      test.equal(known:find(name):text(key), nil)
    end
  end
  test.truthy(secret.equal(known:find("bar"):secret "aws_secret_access_key", secret.new("in-the-credentials", "aws")))
end

test["an indented secret is refused without being shown"] = function()
  local raised = test.raises(function() load("[profile foo]\nregion = a\n  aws_secret_access_key = do-not-show-me\n") end, "line 3")
  test.contains(raised, "begin it at the start of the line")
  test.truthy(not tostring(raised):find("do-not-show-me", 1, true))
end

test["the credentials file's value wins, key by key, and where a key came from is known"] = function()
  local found = load("[profile foo]\nregion = a\naws_access_key_id = C\n", "[foo]\naws_access_key_id = D\n"):find "foo"
  test.equal({ found:text "aws_access_key_id", found:text "region" }, { "D", "a" })
  test.equal({ found.origins.aws_access_key_id, found.origins.region }, { "credentials", "config" })
end

test["a missing file is empty, one that cannot be read is an error"] = function()
  local directory = test.directory()
  local known = profile.load { environment = variables.of {
    AWS_CONFIG_FILE = directory .. "/none", AWS_SHARED_CREDENTIALS_FILE = directory .. "/neither" } }
  test.equal(known.profiles, {})
  test.raises(function()
    profile.load { environment = variables.of { AWS_CONFIG_FILE = directory, AWS_SHARED_CREDENTIALS_FILE = "/dev/null" } }
  end, directory)
end

test["the files are in ~/.aws, and ~ is HOME first"] = function()
  local known = profile.load { environment = variables.of { HOME = "/nowhere" }, files = { exists = function() return false end } }
  test.equal({ known.config_path, known.credentials_path }, { "/nowhere/.aws/config", "/nowhere/.aws/credentials" })
  known = profile.load { environment = variables.of { AWS_CONFIG_FILE = "~/c" },
    files = { exists = function() return false end, home = function() return "/home/x" end } }
  test.equal(known.config_path, "/home/x/c")
end

test["a named profile that does not exist is refused, and near names are told"] = function()
  local known = load "[profile production]\nregion = a\n"
  local raised = test.raises(function() known:profile("prodction", "AWS_PROFILE") end, "AWS_PROFILE names the AWS profile 'prodction'")
  test.contains(raised, "did you mean 'production'?")
  test.equal({ raised.exit, raised.kind }, { "credentials", "credentials" })
end

test["services are the sub-properties of the section that the profile names"] = function()
  local known = load("[profile foo]\nservices = local\n[services local]\nkms =\n  endpoint_url = http://127.0.0.1:4599\n"
    .. "[profile bar]\nservices = gone\n")
  test.equal(known:find("foo"):services(), { kms = { endpoint_url = "http://127.0.0.1:4599" } })
  test.raises(function() known:find("bar"):services() end, "has no [services gone]")
end
