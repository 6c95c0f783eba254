--- Policy documents: reading, writing, the page's two, the grammar.
local json = require("json")
local policy = require("policy")

local ROLE = "arn:aws:iam::210987654321:role/crdb-cmek"
local ORG = "0f4be3a2-6a1c-4d5e-9b7f-2c8d1e6a7f90"

test["policy.cmek prints the page's statement to the letter"] = function()
  test.equal(policy.json(policy.cmek { role = ROLE, account = "210987654321" }),
    '{"Version":"2012-10-17","Id":"crdb-cmek-kms","Statement":[{"Sid":"Allow use of the key for CMEK","Effect":"Allow",'
    .. '"Principal":{"AWS":"arn:aws:iam::210987654321:role/crdb-cmek"},"Action":["kms:Encrypt","kms:Decrypt","kms:GenerateDataKey*",'
    .. '"kms:DescribeKey","kms:ReEncrypt*"],"Resource":"*"},{"Sid":"Enable IAM User Permissions","Effect":"Allow",'
    .. '"Principal":{"AWS":"arn:aws:iam::210987654321:root"},"Action":"kms:*","Resource":"*"}]}')
end

test["policy.cmek lets named admins administer instead of the account"] = function()
  local one = policy.cmek { role = ROLE, admins = { "arn:aws:iam::210987654321:role/admin" } }
  test.equal(one.Statement[2].Principal, { AWS = "arn:aws:iam::210987654321:role/admin" })
  test.equal(one.Statement[2].Action, "kms:*")
  local two = policy.cmek { role = ROLE, admins = { "arn:aws:iam::210987654321:role/a", "arn:aws:iam::210987654321:role/b" } }
  test.contains(policy.json(two), '"AWS":["arn:aws:iam::210987654321:role/a","arn:aws:iam::210987654321:role/b"]')
  test.equal(policy.cmek { role = ROLE, admins = {}, account = "210987654321" }.Statement[2].Sid, "Enable IAM User Permissions")
end

test["policy.cmek and policy.cross_account follow the partition"] = function()
  local key = policy.cmek { role = "arn:aws-us-gov:iam::210987654321:role/x", account = "210987654321", partition = "aws-us-gov" }
  test.equal(key.Statement[2].Principal.AWS, "arn:aws-us-gov:iam::210987654321:root")
  local trust = policy.cross_account { account_id = "345678901234", external_id = ORG, partition = "aws-cn" }
  test.equal(trust.Statement[1].Principal.AWS, "arn:aws-cn:iam::345678901234:root")
end

test["policy.cross_account prints what the AWS console makes"] = function()
  test.equal(policy.json(policy.cross_account { account_id = "345678901234", external_id = ORG }),
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::345678901234:root"},'
    .. '"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"' .. ORG .. '"}}}]}')
end

test["the page's documents are valid"] = function()
  test.equal(policy.validate(policy.cmek { role = ROLE, account = "210987654321" }, "key"), true)
  test.equal(policy.validate(policy.cross_account { account_id = "345678901234", external_id = ORG }, "trust"), true)
end

test["a builder refuses what is missing or misspelt and names it"] = function()
  test.raises(function() policy.cmek { account = "210987654321" } end, "field 'role' must be the ARN of the role")
  test.raises(function() policy.cmek { role = ROLE } end, "field 'account'")
  test.raises(function() policy.cmek { role = ROLE, account = "210987654321", admin = "x" } end, "unknown field 'admin'")
  test.raises(function() policy.cross_account { account_id = "345678901234" } end, "field 'external_id'")
  test.raises(function() policy.cross_account { account_id = "", external_id = ORG } end, "field 'account_id'")
end

test["an unknown value leaves its mark in the document, through writing, merging and comparing"] = function()
  local mark = "\u{E0C0}ARN of role crdb-cmek, known after apply\u{E0C1}"
  local unknown = setmetatable({}, {
    __index = function() error("not known before run") end, __len = function() error("not known before run") end,
    __concat = function(left, right) return (type(left) == "string" and left or "") .. mark .. (type(right) == "string" and right or "") end,
  })
  local doc = policy.cmek { role = unknown, account = "210987654321" }
  test.contains(policy.json(doc), mark)
  test.equal(policy.validate(doc, "key"), true)
  test.contains(policy.json(policy.merge(doc, policy.cmek { role = ROLE, account = "210987654321" })), mark)
  test.equal(policy.differences(doc, policy.cmek { role = ROLE, account = "210987654321" }),
    { { field = "Statement[Allow use of the key for CMEK].Principal.AWS", want = mark, have = ROLE } })
  test.contains(policy.json(policy.cross_account { account_id = unknown, external_id = unknown }), "arn:aws:iam::" .. mark .. ":root")
end

test["IAM's percent-encoded text is read"] = function()
  local text = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Principal%22%3A%7B%22AWS%22%3A"
    .. "%22arn%3Aaws%3Aiam%3A%3A345678901234%3Aroot%22%7D%2C%22Action%22%3A%22sts%3AAssumeRole%22%7D%5D%7D"
  local doc = policy.parse(text)
  test.equal(doc.Statement[1].Action, "sts:AssumeRole")
  test.truthy(policy.equal(text, policy.json(doc)))
end

test["KMS's printing of a policy is read"] = function()
  local printed = '{\n  "Version" : "2012-10-17",\n  "Id" : "crdb-cmek-kms",\n  "Statement" : [ {\n    "Sid" : "Enable IAM User Permissions",\n'
    .. '    "Effect" : "Allow",\n    "Principal" : {\n      "AWS" : "arn:aws:iam::210987654321:root"\n    },\n    "Action" : "kms:*",\n'
    .. '    "Resource" : "*"\n  } ]\n}'
  test.equal(policy.parse(printed).Statement[1].Action, "kms:*")
end

test["text that is no policy is refused with a reason"] = function()
  for text, reason in pairs { ["{"] = "not JSON", ["[]"] = "not a JSON object", ["1"] = "not a JSON object", [""] = "not JSON" } do
    local doc, message = policy.parse(text)
    test.equal(doc, nil)
    test.contains(message, reason)
  end
  local _, message = policy.parse(nil)
  test.contains(message, "not a nil")
end

test["a member that stands twice is refused"] = function()
  local doc, message = policy.parse('{"Version":"2012-10-17","Version":"2008-10-17","Statement":[]}')
  test.equal(doc, nil)
  test.contains(message, "not JSON")
end

test["writing keeps members that are not known, after the known ones"] = function()
  test.equal(policy.json('{"Zeta":1,"Statement":{"Resource":"*","Extra":true,"Effect":"Deny"},"Alpha":[],"Version":"2012-10-17"}'),
    '{"Version":"2012-10-17","Statement":{"Effect":"Deny","Resource":"*","Extra":true},"Alpha":[],"Zeta":1}')
end

-- A statement that AWS takes, one member changed; "" takes the member away.
local function changed(member, value, base)
  local statement = { Effect = "Allow", Principal = { AWS = ROLE }, Action = "kms:Decrypt", Resource = "*" }
  for name, own in pairs(base or {}) do statement[name] = own ~= "" and own or nil end
  statement[member] = value
  if value == "" then statement[member] = nil end
  return { Version = "2012-10-17", Statement = json.array { statement } }
end
local in_identity, in_trust = { Principal = "" }, { Resource = "", Action = "sts:AssumeRole" }

local refused = {
  { "key", changed("Effect", "allow"), 'statement 1 has the Effect "allow"' },
  { "key", changed("Effect", ""), "the Effect null" },
  { "key", changed("Principal", ""), "statement 1 has no Principal or NotPrincipal" },
  { "key", changed("NotPrincipal", { AWS = ROLE }), "both Principal and NotPrincipal" },
  { "key", changed("NotPrincipal", { AWS = ROLE }, { Principal = "" }), "allows by NotPrincipal" },
  { "key", changed("Principal", "arn:aws:iam::210987654321:root"), 'must be "*" or an object' },
  { "key", changed("Principal", { User = ROLE }), 'names "User"' },
  { "key", changed("Principal", { AWS = "arn:aws:iam::210987654321:role/*" }), "has a wildcard" },
  { "key", changed("Principal", { AWS = "bob" }), "no account, ARN or unique id" },
  { "key", changed("Principal", { AWS = json.array {} }), "is empty" },
  { "key", changed("Action", ""), "has no Action or NotAction" },
  { "key", changed("NotAction", "kms:*"), "both Action and NotAction" },
  { "key", changed("Action", "Decrypt"), "not of the form service:Action" },
  { "key", changed("Action", { nested = true }), "must be a string or a list of strings" },
  { "key", changed("Resource", ""), "has no Resource or NotResource" },
  { "key", changed("Resource", "key/1"), 'neither "*" nor an ARN' },
  { "key", changed("Condition", { StringSame = { a = "b" } }), 'condition operator "StringSame" is none of AWS\'s' },
  { "key", changed("Condition", { NumericEquals = { a = "many" } }), 'cannot compare with "many"' },
  { "key", changed("Condition", { StringEquals = { a = { b = "c" } } }), "not text, a number or a truth value" },
  { "key", changed("Condition", { StringEquals = "a" }), "must be an object of condition keys" },
  { "key", changed("Condition", { StringEquals = { ["kms:ViaService"] = "a", ["KMS:viaservice"] = "b" } }), "twice" },
  { "key", changed("Sid", 1), "the Sid" },
  { "key", changed("Sid", "snow \u{2603}"), "character U+2603" },
  { "key", changed("Resouce", "*"), 'a member "Resouce"' },
  { "key", changed("Condition", { StringEquals = { a = "\u{2603}" } }), "character U+2603" },
  { "key", { Version = "2012-10-18", Statement = {} }, 'Version is "2012-10-18"' },
  { "key", { Version = "2012-10-17" }, "no Statement" },
  { "key", changed("Resource", "arn:aws:kms:::" .. ("x"):rep(32768)), "AWS takes 32768" },
  { "trust", changed("Resource", "*", in_trust), "must not have" },
  { "trust", changed("Action", "kms:Decrypt", in_trust), "only sts: actions do" },
  { "trust", changed("Sid", "with space", in_trust), "the Sid" },
  { "identity", changed("Effect", "Allow"), "has a Principal, which this kind of policy must not have" },
  { "identity", changed("Sid", "with space", in_identity), "the Sid" },
  { "identity", { Version = "2012-10-17", Id = "x", Statement = {} }, "has an Id" },
}

test["what AWS would refuse is refused, naming statement and member"] = function()
  for _, case in ipairs(refused) do
    local fine, message = policy.validate(case[2], case[1])
    test.equal(fine, nil)
    test.contains(message, case[3])
  end
end

local taken = {
  { "key", changed("Sid", "Allow use of the key for CMEK") },
  { "key", changed("Sid", "Zürich, §1") },
  { "key", changed("Principal", "*") },
  { "key", changed("Principal", { AWS = "*" }) },
  { "key", changed("Principal", { AWS = json.array { "210987654321", "AROACMEKCMEKCMEKCMEKC" }, Service = "ec2.amazonaws.com" }) },
  { "key", changed("Condition", { StringEquals = { a = "é" } }) },
  { "key", changed("Condition", {
    ["ForAllValues:StringLikeIfExists"] = { ["aws:TagKeys"] = json.array { "a*" } }, Bool = { ["aws:SecureTransport"] = true } }) },
  { "trust", changed("Action", json.array { "sts:AssumeRole", "sts:TagSession" }, in_trust) },
  { "identity", changed("Action", "*", in_identity) },
  { "boundary", changed("NotAction", "iam:*", { Principal = "", Action = "" }) },
  { "service_control", changed("Effect", "Deny", in_identity) },
  { "session", changed("Resource", "arn:aws:kms:*:210987654321:key/*", in_identity) },
}

test["what AWS takes is taken"] = function()
  for index, case in ipairs(taken) do
    local fine, message = policy.validate(case[2], case[1])
    test.truthy(fine, ("case %d: %s"):format(index, message))
  end
end

test["a Sid that stands twice is refused"] = function()
  local one = { Sid = "A", Effect = "Allow", Principal = { AWS = ROLE }, Action = "kms:Decrypt", Resource = "*" }
  local _, message = policy.validate({ Version = "2012-10-17", Statement = json.array { one, one } }, "key")
  test.contains(message, 'the Sid "A" stands twice')
end

test["a kind of policy that does not exist is a mistake of the caller"] = function()
  test.raises(function() policy.validate("{}", "bucket") end, 'kind "bucket" is none of identity, key, trust')
end
