-- The simulated KMS: identifiers, parameters, aliases, policies; texts of the fact sheet's section 7.5.
local json = require "json"
local sorted = require "sorted"
local client = dofile "tests/sim_client.lua"

local ACCOUNT <const> = "210987654321"
local UNKNOWN <const> = "11111111-2222-3333-4444-555555555555"

local function arn_of(key, region) return ("arn:aws:kms:%s:%s:key/%s"):format(region or "us-east-1", ACCOUNT, key) end

local function metadata(aws, key, more) return aws:call("kms", "DescribeKey", { KeyId = key }, more).KeyMetadata end

-- The key itself, behind the service's back.
local function inside(aws, key, region)
  for _, one in ipairs(aws.simulation.state.aws[ACCOUNT].kms[region or "us-east-1"].keys) do
    if one.KeyId == key then return one end
  end
end

-- Keys ---------------------------------------------------------------------------------------------------------------

test["a fresh key has the members of the recorded one"] = function()
  local aws = client.new()
  local made = aws:call("kms", "CreateKey", { Description = "CMEK" }).KeyMetadata
  local key = made.KeyId
  test.matches(made.CurrentKeyMaterialId, "^" .. ("%x"):rep(64) .. "$")
  made.CurrentKeyMaterialId = nil
  test.equal(made, {
    AWSAccountId = ACCOUNT, KeyId = key, Arn = arn_of(key), CreationDate = 1769936400, Enabled = true, Description = "CMEK",
    KeyUsage = "ENCRYPT_DECRYPT", KeyState = "Enabled", Origin = "AWS_KMS", KeyManager = "CUSTOMER", CustomerMasterKeySpec = "SYMMETRIC_DEFAULT",
    KeySpec = "SYMMETRIC_DEFAULT", EncryptionAlgorithms = { "SYMMETRIC_DEFAULT" }, MultiRegion = false,
  })
end

test["moments are written with an exponent and operations without output have an empty body"] = function()
  local aws = client.new()
  aws.now = aws.now + 0.5
  local answer = aws:send { service = "kms", operation = "CreateKey" }
  test.contains(answer.response.body, '"CreationDate":1.7699364005E9,')
  test.equal(aws:send({ service = "kms", operation = "DisableKey", parameters = { KeyId = answer.body.KeyMetadata.KeyId } }).response.body, "")
end

test["a key is found by id, ARN, alias and alias ARN, where each is taken"] = function()
  local aws = client.new()
  local key = aws:key()
  aws:call("kms", "CreateAlias", { AliasName = "alias/a", TargetKeyId = arn_of(key) })
  for _, name in ipairs { key, arn_of(key), "alias/a", "arn:aws:kms:us-east-1:210987654321:alias/a" } do
    test.equal(metadata(aws, name).KeyId, key)
  end
  test.equal(aws:refusal("kms", "GetKeyPolicy", { KeyId = "alias/a" }), "NotFoundException: Invalid keyId 'alias/a'")
  test.equal(aws:refusal("kms", "EnableKey", { KeyId = "arn:aws:kms:us-east-1:210987654321:alias/a" }):match("^%w+"), "InvalidArnException")
end

test["what is no key is not found, and it is said why"] = function()
  local aws = client.new()
  local function refused(id) return (aws:refusal("kms", "DescribeKey", { KeyId = id })) end
  test.equal(refused(UNKNOWN), ("NotFoundException: Key '%s' does not exist"):format(arn_of(UNKNOWN)))
  test.equal(refused("cmek"), "NotFoundException: Invalid keyId 'cmek'")
  test.equal(refused(arn_of(UNKNOWN, "eu-west-1")), "NotFoundException: Invalid arn eu-west-1")
  test.equal(refused("alias/a"), "NotFoundException: Alias arn:aws:kms:us-east-1:210987654321:alias/a is not found.")
  test.equal(refused("arn:aws:kms:us-east-1"):match("^%w+"), "InvalidArnException")
  local key = aws:key({}, { region = "eu-west-1" })
  test.equal(refused(key):match("^%w+"), "NotFoundException")
  test.equal(metadata(aws, key, { region = "eu-west-1" }).Arn, arn_of(key, "eu-west-1"))
end

test["keys are listed in pages, whose marker holds when a key comes in between"] = function()
  local aws = client.new()
  local made, seen = {}, {}
  for _ = 1, 7 do made[aws:key()] = true end
  local marker
  repeat
    local page = aws:call("kms", "ListKeys", { Limit = 3, Marker = marker })
    for _, key in ipairs(page.Keys) do
      test.equal(key.KeyArn, arn_of(key.KeyId))
      seen[key.KeyId] = true
    end
    test.equal(page.NextMarker ~= nil, page.Truncated)
    marker = page.NextMarker
    aws:key()
  until not marker
  for key in pairs(made) do test.truthy(seen[key]) end
  test.equal(aws:refusal("kms", "ListKeys", { Marker = "bm90IG91cnM=" }),
    "InvalidMarkerException: Could not deserialize marker 'bm90IG91cnM='")
end

test["a page can be made as short as one"] = function()
  local aws = client.new { page_size = 1 }
  aws:key()
  aws:key()
  test.equal(#aws:call("kms", "ListKeys", {}).Keys, 1)
end

-- Parameters ---------------------------------------------------------------------------------------------------------

local bad_parameters = {
  { "DescribeKey", {}, "1 validation error detected: Value null at 'keyId' failed to satisfy constraint: Member must not be null" },
  { "CreateKey", { Tags = { { TagKey = ("k"):rep(129), TagValue = "" } } }, "1 validation error detected: Value '" .. ("k"):rep(129)
    .. "' at 'tags.1.member.tagKey' failed to satisfy constraint: Member must have length less than or equal to 128" },
  { "GenerateDataKey", { KeyId = UNKNOWN, NumberOfBytes = 0 },
    "1 validation error detected: Value '0' at 'numberOfBytes' failed to satisfy constraint: Member must have value greater than or equal to 1" },
  { "CreateKey", { KeyUsage = "PAINT" }, "1 validation error detected: Value 'PAINT' at 'keyUsage' failed to satisfy constraint: Member must \z
    satisfy enum value set: [SIGN_VERIFY, ENCRYPT_DECRYPT, GENERATE_VERIFY_MAC, KEY_AGREEMENT]" },
  { "Encrypt", { KeyId = UNKNOWN, Plaintext = "" },
    "1 validation error detected: Value at 'plaintext' failed to satisfy constraint: Member must have length greater than or equal to 1" },
  { "ListAliases", { Limit = 101 },
    "1 validation error detected: Value '101' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 100" },
  { "CreateAlias", { AliasName = "alias/a b", TargetKeyId = UNKNOWN }, "1 validation error detected: Value 'alias/a b' at 'aliasName' failed to \z
    satisfy constraint: Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$" },
  { "CreateAlias", {}, "2 validation errors detected: Value null at 'aliasName' failed to satisfy constraint: Member must not be null; \z
    Value null at 'targetKeyId' failed to satisfy constraint: Member must not be null" },
  { "EnableKeyRotation", { KeyId = UNKNOWN, RotationPeriodInDays = 89 }, "1 validation error detected: Value '89' at 'rotationPeriodInDays' failed \z
    to satisfy constraint: Member must have value greater than or equal to 90" },
  { "ScheduleKeyDeletion", { KeyId = UNKNOWN, PendingWindowInDays = 6 }, "1 validation error detected: Value '6' at 'pendingWindowInDays' failed \z
    to satisfy constraint: Member must have value greater than or equal to 7" },
  { "CreateAlias", { AliasName = "cmek", TargetKeyId = UNKNOWN },
    'Alias must start with the prefix "alias/". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html' },
}

test["parameters are judged in the service's own words"] = function()
  local aws = client.new()
  for _, case in ipairs(bad_parameters) do
    local code, status = aws:refusal("kms", case[1], case[2])
    test.equal({ code, status }, { "ValidationException: " .. case[3], 400 })
  end
end

-- Aliases ------------------------------------------------------------------------------------------------------------

test["aliases are made, moved, listed by key and deleted"] = function()
  local aws = client.new()
  local one, two = aws:key(), aws:key()
  aws:call("kms", "CreateAlias", { AliasName = "alias/a", TargetKeyId = one })
  aws.now = aws.now + 5
  aws:call("kms", "UpdateAlias", { AliasName = "alias/a", TargetKeyId = two })
  test.equal(aws:call("kms", "ListAliases", { KeyId = one }).Aliases, {})
  test.equal(aws:call("kms", "ListAliases", { KeyId = two }).Aliases, { { AliasName = "alias/a",
    AliasArn = "arn:aws:kms:us-east-1:210987654321:alias/a", TargetKeyId = two, CreationDate = 1769936400, LastUpdatedDate = 1769936405 } })
  aws:call("kms", "DeleteAlias", { AliasName = "alias/a" })
  for _, operation in ipairs { "DeleteAlias", "UpdateAlias" } do
    test.equal(aws:refusal("kms", operation, { AliasName = "alias/a", TargetKeyId = two }),
      "NotFoundException: Alias arn:aws:kms:us-east-1:210987654321:alias/a is not found.")
  end
end

test["the list of aliases names AWS's own, without keys, and comes in pages"] = function()
  local aws = client.new()
  local key = aws:key()
  for index = 1, 5 do aws:call("kms", "CreateAlias", { AliasName = "alias/a" .. index, TargetKeyId = key }) end
  local names, marker = {}, nil
  repeat
    local page = aws:call("kms", "ListAliases", { Limit = 2, Marker = marker })
    for _, alias in ipairs(page.Aliases) do names[#names + 1] = alias.AliasName end
    marker = page.NextMarker
  until not marker
  test.equal(#names, 8)
  test.contains(table.concat(names, " "), "alias/aws/s3")
  test.equal(aws:refusal("kms", "CreateAlias", { AliasName = "alias/aws/mine", TargetKeyId = key }), "NotAuthorizedException")
end

test["a key has at most fifty aliases"] = function()
  local aws = client.new()
  local key = aws:key()
  for index = 1, 50 do aws:call("kms", "CreateAlias", { AliasName = "alias/a" .. index, TargetKeyId = key }) end
  test.equal(aws:refusal("kms", "CreateAlias", { AliasName = "alias/b", TargetKeyId = key }):match("^%w+"), "LimitExceededException")
end

test["an alias moves only between keys of one kind"] = function()
  local aws = client.new()
  local signing = aws:key { KeySpec = "RSA_2048", KeyUsage = "SIGN_VERIFY" }
  aws:call("kms", "CreateAlias", { AliasName = "alias/a", TargetKeyId = aws:key() })
  test.equal(aws:refusal("kms", "UpdateAlias", { AliasName = "alias/a", TargetKeyId = signing }):match("^%w+"), "ValidationException")
end

-- Policies -----------------------------------------------------------------------------------------------------------

test["without a policy a key gets the default one, printed as KMS prints"] = function()
  local aws = client.new()
  local got = aws:call("kms", "GetKeyPolicy", { KeyId = aws:key(), PolicyName = "default" })
  test.equal(got.PolicyName, "default")
  test.equal(got.Policy, [[
{
  "Version" : "2012-10-17",
  "Id" : "key-default-1",
  "Statement" : [ {
    "Sid" : "Enable IAM User Permissions",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "arn:aws:iam::210987654321:root"
    },
    "Action" : "kms:*",
    "Resource" : "*"
  } ]
}]])
end

local function use_of(aws, key)
  local document = json.decode(aws:call("kms", "GetKeyPolicy", { KeyId = key }).Policy)
  return document.Statement[1].Principal.AWS
end

test["a policy keeps the role, not its name"] = function()
  local aws = client.new()
  local arn = aws:role("user")
  local key = aws:key { Policy = client.key_policy(ACCOUNT, arn) }
  local who = aws:assume(arn)
  test.equal(use_of(aws, key), arn)
  aws:call("kms", "Encrypt", { KeyId = key, Plaintext = "aGk=" }, { who = who })
  aws:call("iam", "DeleteRole", { RoleName = "user" })
  test.matches(use_of(aws, key), "^AROA%w+$")
  local printed = aws:call("kms", "GetKeyPolicy", { KeyId = key }).Policy
  test.equal(aws:refusal("kms", "PutKeyPolicy", { KeyId = key, Policy = printed }),
    "MalformedPolicyDocumentException: Policy contains a statement with one or more invalid principals.")
  aws:role("user")
  test.matches(use_of(aws, key), "^AROA%w+$")
  who = aws:assume(arn)
  test.equal(aws:refusal("kms", "Encrypt", { KeyId = key, Plaintext = "aGk=" }, { who = who }), ("AccessDeniedException: User: \z
    arn:aws:sts::210987654321:assumed-role/user/test is not authorized to perform: kms:Encrypt on resource: %s because no identity-based policy \z
    allows the kms:Encrypt action"):format(arn_of(key)))
  aws:call("kms", "PutKeyPolicy", { KeyId = key, Policy = client.key_policy(ACCOUNT, arn) })
  aws:call("kms", "Encrypt", { KeyId = key, Plaintext = "aGk=" }, { who = who })
  test.equal(use_of(aws, key), arn)
end

test["the state's own text of a policy follows"] = function()
  local aws = client.new()
  local arn = aws:role("user")
  local key = aws:key { Policy = client.key_policy(ACCOUNT, arn) }
  test.contains(inside(aws, key).Policy, arn)
  aws:call("iam", "DeleteRole", { RoleName = "user" })
  test.contains(inside(aws, key).Policy, "AROA")
end

test["a policy may come back with its principals in another order"] = function()
  local aws = client.new { reorder_principals = true }
  local one, two = aws:role("one"), aws:role("two")
  local document = json.decode(client.key_policy(ACCOUNT, one))
  document.Statement[1].Principal.AWS = json.array { one, two }
  local key = aws:key { Policy = json.encode(document) }
  test.equal(use_of(aws, key), { two, one })
end

local bad_principals = { "arn:aws:iam::210987654321:role/nobody", "arn:aws:iam::210987654321:role/*", "arn:aws:iam::210987654321:user/nobody",
  "AROAEXAMPLEEXAMPLE123", "arn:aws:sts::210987654321:assumed-role/nobody/x", "somebody" }

test["principals that do not exist make a policy malformed"] = function()
  local aws = client.new()
  for _, principal in ipairs(bad_principals) do
    test.equal({ principal, (aws:refusal("kms", "CreateKey", { Policy = client.key_policy(ACCOUNT, principal) })) },
      { principal, "MalformedPolicyDocumentException: Policy contains a statement with one or more invalid principals." })
  end
  test.equal(#aws:call("kms", "ListKeys").Keys, 0)
  for _, principal in ipairs { "*", "571234890001", "arn:aws:iam::571234890001:root", "arn:aws:iam::210987654321:user/reader" } do
    aws:key { Policy = client.key_policy(ACCOUNT, principal) }
  end
  test.equal(#aws:call("kms", "ListKeys").Keys, 4)
end

test["a role is nobody to KMS and STS until the news has spread"] = function()
  local aws = client.new { propagation = 10 }
  local arn = aws:role("young")
  test.equal(aws:refusal("kms", "CreateKey", { Policy = client.key_policy(ACCOUNT, arn) }),
    "MalformedPolicyDocumentException: Policy contains a statement with one or more invalid principals.")
  test.equal(aws:refusal("sts", "AssumeRole", { RoleArn = arn, RoleSessionName = "test" }):match("^%w+"), "AccessDenied")
  test.equal(aws:call("iam", "GetRole", { RoleName = "young" }).Role.Arn, arn)
  aws.now = aws.now + 10
  aws:key { Policy = client.key_policy(ACCOUNT, arn) }
  aws:assume(arn)
end

test["a policy that shuts its author out is refused, unless he insists"] = function()
  local aws = client.new()
  local vendor = ('{"Version":"2012-10-17","Statement":[{"Sid":"use","Effect":"Allow","Principal":{"AWS":"%s"},'
    .. '"Action":"kms:Encrypt","Resource":"*"}]}'):format(aws:role("user"))
  local text = "MalformedPolicyDocumentException: The new key policy will not allow you to update the key policy in the future."
  test.equal(aws:refusal("kms", "CreateKey", { Policy = vendor }), text)
  local key = aws:key()
  test.equal(aws:refusal("kms", "PutKeyPolicy", { KeyId = key, Policy = vendor }), text)
  aws:call("kms", "PutKeyPolicy", { KeyId = key, Policy = vendor, BypassPolicyLockoutSafetyCheck = true })
  test.equal(aws:refusal("kms", "PutKeyPolicy", { KeyId = key, Policy = client.key_policy(ACCOUNT, "*") }), ("AccessDeniedException: User: \z
    arn:aws:iam::210987654321:user/operator is not authorized to perform: kms:PutKeyPolicy on resource: %s because no resource-based policy \z
    allows the kms:PutKeyPolicy action"):format(arn_of(key)))
end

test["broken policies are malformed, too long ones beyond the limit"] = function()
  local aws = client.new()
  local function code(policy) return (aws:refusal("kms", "CreateKey", { Policy = policy }):match("^%w+")) end
  test.equal(code("{"), "MalformedPolicyDocumentException")
  test.equal(code("[]"), "MalformedPolicyDocumentException")
  test.equal(code('{"Version":"2012-10-17","Statement":[{"Effect":"Perhaps","Principal":"*","Action":"kms:*","Resource":"*"}]}'),
    "MalformedPolicyDocumentException")
  test.equal(code(client.key_policy(ACCOUNT, "*") .. (" "):rep(33000)), "LimitExceededException")
  aws:key { Policy = '{"Version":"2012-10-17","Statement":[{"Sid":"no effect","Effect":"Allow","Principal":"*"},\z
    {"Effect":"Allow","Principal":{"AWS":"210987654321"},"Action":"kms:*","Resource":"*"}]}' }
end

test["refusals say which policy is to blame"] = function()
  local aws = client.new()
  local deny = json.decode(client.key_policy(ACCOUNT, "*"))
  deny.Statement[3] = { Effect = "Deny", Principal = "*", Action = "kms:Decrypt", Resource = "*" }
  local key = aws:key { Policy = json.encode(deny) }
  local blob = aws:call("kms", "Encrypt", { KeyId = key, Plaintext = "aGk=" }).CiphertextBlob
  test.equal(aws:refusal("kms", "Decrypt", { CiphertextBlob = blob, KeyId = key }), ("AccessDeniedException: User: \z
    arn:aws:iam::210987654321:user/operator is not authorized to perform: kms:Decrypt on resource: %s with an explicit deny in \z
    a resource-based policy"):format(arn_of(key)))
  test.equal(aws:refusal("kms", "Decrypt", { CiphertextBlob = blob }), "AccessDeniedException: The ciphertext refers to a customer master key that \z
    does not exist, does not exist in this region, or you are not allowed to access.")
  test.equal(aws:refusal("kms", "DisableKey", { KeyId = aws:key() }, { who = client.READER }):match("because.*"),
    "because no identity-based policy allows the kms:DisableKey action")
end

test["another account needs both sides, and is not told whether the key exists"] = function()
  local aws = client.new()
  local private, shared = aws:key(), aws:key { Policy = client.key_policy(ACCOUNT, "arn:aws:iam::345678901234:root") }
  local blind = "AccessDeniedException: User: arn:aws:iam::345678901234:user/operator is not authorized to perform: kms:DescribeKey on this \z
    resource because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly \z
    denies access"
  test.equal(aws:refusal("kms", "DescribeKey", { KeyId = arn_of(private) }, { who = client.OTHER }), blind)
  test.equal(aws:refusal("kms", "DescribeKey", { KeyId = arn_of(UNKNOWN) }, { who = client.OTHER }), blind)
  test.equal(metadata(aws, arn_of(shared), { who = client.OTHER }).AWSAccountId, ACCOUNT)
  local poor = aws.simulation:add_user { account = "345678901234", name = "poor", policies = {} }
  test.equal(aws:refusal("kms", "DescribeKey", { KeyId = arn_of(shared) },
    { who = { id = poor.access_key_id, secret = poor.secret_access_key } }):match("^%w+"), "AccessDeniedException")
  test.equal(aws:refusal("kms", "PutKeyPolicy", { KeyId = arn_of(shared), Policy = "{}" }, { who = client.OTHER }):match("^%w+"),
    "AccessDeniedException")
end

test["who may make keys and tag them makes one with tags; who may not tag is told so"] = function()
  local aws = client.new()
  local arn = aws:role "maker"
  local function may(...)
    aws:call("iam", "PutRolePolicy", { RoleName = "maker", PolicyName = "make", PolicyDocument = json.encode { Version = "2012-10-17",
      Statement = { { Effect = "Allow", Action = json.array { ... }, Resource = "*" } } } })
  end
  local tagged = { Tags = { { TagKey = "a", TagValue = "b" } }, BypassPolicyLockoutSafetyCheck = true }
  may("kms:CreateKey", "kms:TagResource")
  test.truthy(aws:call("kms", "CreateKey", tagged, { who = aws:assume(arn) }).KeyMetadata.KeyId)
  may "kms:CreateKey"
  test.contains(aws:refusal("kms", "CreateKey", tagged, { who = aws:assume(arn) }), "no identity-based policy allows the kms:TagResource action")
end

test["the reader may look and not touch"] = function()
  local aws = client.new()
  local key = aws:key()
  for _, operation in ipairs { "DescribeKey", "GetKeyPolicy", "GetKeyRotationStatus", "ListResourceTags" } do
    aws:call("kms", operation, { KeyId = key }, { who = client.READER })
  end
  aws:call("kms", "ListAliases", {}, { who = client.READER })
  for operation, more in sorted { CreateKey = {}, DisableKey = { KeyId = key }, ScheduleKeyDeletion = { KeyId = key },
    Encrypt = { KeyId = key, Plaintext = "aGk=" } } do
    test.equal({ aws:refusal("kms", operation, more, { who = client.READER }):match("^(%w+).*kms:(%w+) action") },
      { "AccessDeniedException", operation })
  end
end
