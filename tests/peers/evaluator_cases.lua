--- Random requests with the policies that decide them, from a seed: made so that most parts fit, then spoilt here and
--- there, or nearly everything would be denied.
local json = require("json")

local A, B = "210987654321", "345678901234"
local KEY = "arn:aws:kms:us-east-1:" .. A .. ":key/1234abcd-12ab-34cd-56ef-1234567890ab"
local ROLE = "arn:aws:iam::" .. A .. ":role/apps/cmek"
local ORG, OTHER = "0f4be3a2-6a1c-4d5e-9b7f-2c8d1e6a7f90", "another organization"

local function root(account) return "arn:aws:iam::" .. account .. ":root" end
local function chance(percent) return math.random(100) <= percent end
local function pick(list) return list[math.random(#list)] end

local function some(list)
  local chosen = {}
  for _, one in ipairs(list) do
    if chance(50) then chosen[#chosen + 1] = one end
  end
  return #chosen > 0 and chosen or { pick(list) }
end

-- A list of one is as often a plain string.
local function value_of(list) return #list == 1 and chance(70) and list[1] or json.array(list) end

local principals = {
  { weight = 30, arn = "arn:aws:iam::" .. A .. ":user/team/bob", account = A, kind = "user", name = "bob" },
  { weight = 30, arn = "arn:aws:sts::" .. A .. ":assumed-role/ops/run", account = A, kind = "session",
    role_arn = "arn:aws:iam::" .. A .. ":role/ops" },
  { weight = 20, arn = "arn:aws:iam::" .. B .. ":user/eve", account = B, kind = "user", name = "eve" },
  { weight = 20, arn = "arn:aws:sts::" .. B .. ":assumed-role/crl/run", account = B, kind = "session",
    role_arn = "arn:aws:iam::" .. B .. ":role/crl" },
  { weight = 4, arn = root(A), account = A, kind = "root" },
  { weight = 6, arn = "cloudtrail.amazonaws.com", kind = "service" },
}

local function principal()
  local total = 0
  for _, one in ipairs(principals) do total = total + one.weight end
  local at = math.random(total)
  for _, one in ipairs(principals) do
    at = at - one.weight
    if at <= 0 then return one end
  end
end

-- Condition keys: type, the values that requests and policies take, and which actions' requests carry the key.
local crypto = { ["kms:Encrypt"] = true, ["kms:Decrypt"] = true, ["kms:GenerateDataKey"] = true }
local function on(...)
  local set = {}
  for _, action in ipairs { ... } do set[action] = true end
  return set
end
local any_kms = on("kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey", "kms:PutKeyPolicy", "kms:TagResource",
  "kms:EnableKeyRotation", "kms:ScheduleKeyDeletion", "kms:CreateGrant")
local keys = {
  { name = "aws:PrincipalArn", type = "arn" },
  { name = "aws:PrincipalAccount", type = "string", values = { A, B } },
  { name = "aws:PrincipalTag/blob", type = "binary", values = { "QmluYXJ5", "QmluYXJ6" } },
  { name = "aws:PrincipalOrgID", type = "string", values = { "o-a1b2c3d4e5", "o-z9y8x7w6v5" } },
  { name = "aws:PrincipalTag/team", type = "string", values = { "storage", "Storage", "payments" } },
  { name = "aws:RequestedRegion", type = "string", values = { "us-east-1", "us-west-2", "eu-west-1" } },
  { name = "aws:userid", type = "string", values = { "AIDABOBBOBBOBBOBBOBBO", "AROAOPSOPSOPSOPSOPSOP:run" } },
  { name = "aws:SourceVpce", type = "string", values = { "vpce-0a1b2c3d", "vpce-1a2b3c4d" } },
  { name = "aws:UserAgent", type = "string", values = { "cmek/1.0 run/1", "aws-cli/2" } },
  { name = "aws:SourceIp", type = "address", values = { "203.0.113.7", "198.51.100.9", "2001:db8:1234:5678::9" } },
  { name = "aws:SecureTransport", type = "bool", values = { "true", "false" } },
  { name = "aws:MultiFactorAuthPresent", type = "bool", values = { "true", "false" } },
  { name = "aws:ViaAWSService", type = "bool", values = { "true", "false" } },
  { name = "aws:MultiFactorAuthAge", type = "number", values = { "60", "900", "3600" } },
  { name = "aws:CurrentTime", type = "date", values = { "2025-06-01T00:00:00Z", "2026-01-01T00:00:00Z", "2026-01-01T12:30:00Z" } },
  { name = "aws:EpochTime", type = "date", values = { "1748736000", "1767225600", "1767270600" } },
  { name = "aws:TokenIssueTime", type = "date", values = { "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z" } },
  { name = "aws:CalledVia", type = "string", many = true, values = { "cloudformation.amazonaws.com", "dynamodb.amazonaws.com",
    "athena.amazonaws.com" } },
  { name = "aws:PrincipalOrgPaths", type = "string", many = true, values = { "o-a1b2c3d4e5/r-ab12/ou-1/", "o-a1b2c3d4e5/r-ab12/ou-2/" } },
  { name = "kms:ViaService", type = "string", values = { "ec2.us-east-1.amazonaws.com", "s3.us-east-1.amazonaws.com" }, on = any_kms },
  { name = "kms:CallerAccount", type = "string", values = { A, B }, on = any_kms },
  { name = "kms:KeySpec", type = "string", values = { "SYMMETRIC_DEFAULT", "RSA_2048" }, on = any_kms },
  { name = "kms:KeyUsage", type = "string", values = { "ENCRYPT_DECRYPT", "SIGN_VERIFY" }, on = any_kms },
  { name = "kms:KeyOrigin", type = "string", values = { "AWS_KMS", "EXTERNAL" }, on = any_kms },
  { name = "kms:MultiRegion", type = "bool", values = { "true", "false" }, on = any_kms },
  { name = "aws:ResourceTag/cmek:cluster", type = "string", values = { "orders", "payments" }, on = any_kms },
  { name = "kms:ResourceAliases", type = "string", many = true, values = { "alias/crdb-cmek-orders-g1", "alias/crdb-cmek-orders-g2", "alias/x" },
    on = any_kms },
  { name = "kms:RequestAlias", type = "string", values = { "alias/crdb-cmek-orders-g1", "alias/x" }, on = crypto },
  { name = "kms:EncryptionContext:app", type = "string", values = { "crdb", "other" }, on = crypto },
  { name = "kms:EncryptionContextKeys", type = "string", many = true, values = { "app", "cluster", "region" }, on = crypto },
  { name = "kms:EncryptionAlgorithm", type = "string", values = { "SYMMETRIC_DEFAULT", "RSAES_OAEP_SHA_256" }, on = on("kms:Encrypt",
    "kms:Decrypt") },
  { name = "kms:BypassPolicyLockoutSafetyCheck", type = "bool", values = { "true", "false" }, on = on("kms:PutKeyPolicy") },
  { name = "kms:RotationPeriodInDays", type = "number", values = { "90", "365", "2560" }, on = on("kms:EnableKeyRotation") },
  { name = "kms:ScheduleKeyDeletionPendingWindowInDays", type = "number", values = { "7", "14", "30" }, on = on("kms:ScheduleKeyDeletion") },
  { name = "kms:GrantIsForAWSResource", type = "bool", values = { "true", "false" }, on = on("kms:CreateGrant") },
  { name = "kms:GrantOperations", type = "string", many = true, values = { "Decrypt", "Encrypt", "CreateGrant" }, on = on("kms:CreateGrant") },
  { name = "aws:TagKeys", type = "string", many = true, values = { "cmek:cluster", "cmek:region", "cost" }, on = on("kms:TagResource",
    "sts:AssumeRole") },
  { name = "aws:RequestTag/cost", type = "string", values = { "1234", "5678" }, on = on("kms:TagResource", "sts:AssumeRole") },
  { name = "sts:ExternalId", type = "string", values = { ORG, OTHER }, on = on("sts:AssumeRole"), common = true },
  { name = "sts:RoleSessionName", type = "string", values = { "cockroach-1", "cmek-run" }, on = on("sts:AssumeRole") },
  { name = "sts:SourceIdentity", type = "string", values = { "bob", "eve" }, on = on("sts:AssumeRole") },
  { name = "sts:TransitiveTagKeys", type = "string", many = true, values = { "cost", "team" }, on = on("sts:AssumeRole") },
}

local function applies(key, action) return key.on == nil or key.on[action] == true end

local function context_of(who, action)
  local context = {}
  for _, key in ipairs(keys) do
    if applies(key, action) and chance(75) then
      context[key.name] = key.many and json.array(chance(4) and { "" } or some(key.values)) or key.values and pick(key.values) or nil
    end
  end
  if who.kind == "service" then return context end
  context["aws:PrincipalArn"] = who.role_arn or who.arn
  context["aws:PrincipalAccount"] = who.account
  context["aws:username"] = who.name
  if who.kind ~= "session" then context["aws:TokenIssueTime"] = nil end
  return context
end

-- Conditions ------------------------------------------------------------------------------------------------------

local operators = {
  string = { "StringEquals", "StringEquals", "StringLike", "StringEqualsIgnoreCase", "StringNotEquals", "StringNotLike",
    "StringNotEqualsIgnoreCase" },
  arn = { "ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike", "StringLike", "StringEquals" },
  number = { "NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals", "NumericGreaterThan", "NumericGreaterThanEquals" },
  date = { "DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals" },
  bool = { "Bool" },
  binary = { "BinaryEquals" },
  address = { "IpAddress", "NotIpAddress" },
}
local wanted = {
  number = { "60", "90", "365", "900", "14", "30.0" },
  date = { "2025-12-31T23:59:59Z", "2026-01-01T00:00:00Z", "2026-01-01T02:00:00+02:00", "1767225600", "2026-02-01" },
  address = { "203.0.113.0/24", "198.51.100.9", "2001:DB8:1234:5678::/64", "0.0.0.0/0", "203.0.113.128/25", "2001:db8::/32", "::/0" },
}

local function blur(text)
  local way = math.random(5)
  if way == 1 then return text:sub(1, math.random(#text)) .. "*" end
  if way == 2 then return "*" .. text:sub(math.random(#text)) end
  if way == 3 then return text:gsub("%w", "?", 1) end
  if way == 4 then return "*" end
  return text
end

local function blurred_arn(arn)
  return pick { arn, arn:gsub("[^/]+$", "*"), arn:gsub(":%d+:", ":*:"), arn:gsub("^arn:aws:iam", "arn:*:iam"), arn:sub(1, -2) .. "?" }
end

local function texts(key, name, context)
  local have = context[key.name]
  local pool = wanted[key.type] or key.values or { context["aws:PrincipalArn"] or ROLE, root(B), ROLE }
  local list = {}
  for index = 1, math.random(2) do
    local text = pick(pool)
    if not wanted[key.type] and chance(55) and type(have) == "string" then text = have end
    if name:find("Arn") then text = (blurred_arn(text)) elseif name:find("Like") then text = (blur(text)) end
    if name:find("^String") and chance(10) then text = pick { "${aws:username}", "${aws:PrincipalTag/team}",
      "${aws:PrincipalTag/none, 'storage'}", "${*}" } end
    list[index] = text
  end
  -- A set of many values is only met by naming most of them.
  if key.many and chance(60) then list = table.move(key.values, 1, #key.values, 1, {}) end
  return list
end

local function condition(context)
  local block, action_keys = {}, {}
  for _, key in ipairs(keys) do
    if context[key.name] ~= nil or chance(6) or (key.common and chance(50)) then action_keys[#action_keys + 1] = key end
  end
  for _ = 1, chance(80) and 1 or 2 do
    local key = pick(action_keys)
    local name = pick(operators[key.type])
    if key.many and not chance(4) then name = pick { "ForAllValues:", "ForAnyValue:" } .. name end
    if chance(context[key.name] == nil and 50 or 12) then name = name .. "IfExists" end
    local list = texts(key, name, context)
    if chance(8) then name, list = "Null", { pick { "true", "false" } } end
    block[name] = block[name] or {}
    block[name][chance(5) and key.name:lower() or key.name] = value_of(list)
  end
  return block
end

-- Statements ------------------------------------------------------------------------------------------------------

local function action_part(statement, action, fits)
  local service, name = action:match("^(.-):(.+)$")
  local other = service == "kms" and "kms:CreateAlias" or "sts:TagSession"
  if not fits then
    statement.Action = other
  elseif chance(8) then
    statement.NotAction = value_of { other, "iam:*" }
  else
    statement.Action = value_of(chance(30) and { other, action } or { pick { action, service .. ":*", action:lower(),
      service .. ":" .. name:sub(1, 3) .. "*",
      (action:gsub(".$", "?")) } })
  end
end

local function resource_part(statement, resource, fits)
  if not fits then
    statement.Resource = resource .. "x"
  elseif chance(6) then
    statement.NotResource = resource .. "x"
  else
    statement.Resource = value_of { pick { "*", "*", resource, (resource:gsub("[^/]+$", "*")), (resource:gsub(":us%-east%-1:", ":*:")),
      (resource:gsub("[^:]$", "?")) } }
  end
end

local function base(effect, asked, odds, conditional)
  local statement = { Effect = effect }
  action_part(statement, asked.action, chance(odds))
  if chance(conditional) then statement.Condition = condition(asked.context) end
  return statement
end

local function identity_statement(effect, asked, odds, conditional)
  local statement = base(effect, asked, odds, conditional)
  resource_part(statement, asked.resource, chance(odds))
  return statement
end

local function names(who)
  return { who.arn, who.arn, who.role_arn or who.arn, who.role_arn or who.arn, root(who.account), who.account, "*" }
end

local function principal_part(statement, who, fits)
  if who.kind == "service" then
    statement.Principal = { Service = value_of { fits and who.arn or "lambda.amazonaws.com" } }
    return
  end
  local strangers = { root("456789012345"), "arn:aws:iam::" .. who.account .. ":role/nobody" }
  if statement.Effect == "Deny" and chance(12) then
    statement.NotPrincipal = { AWS = value_of(pick {
      { who.arn, who.role_arn or root(who.account), root(who.account) }, { who.arn }, { root(who.account) }, strangers }) }
    return
  end
  local list = fits and (chance(25) and { pick(names(who)), pick(strangers) } or { pick(names(who)) }) or { pick(strangers) }
  statement.Principal = #list == 1 and list[1] == "*" and chance(50) and "*" or { AWS = value_of(list) }
end

local function resource_statement(effect, asked, odds, conditional)
  local statement = base(effect, asked, odds, conditional)
  principal_part(statement, asked.who, chance(odds))
  if asked.kind == "key" then
    statement.Resource = chance(90) and "*" or asked.resource
    if chance(2) then statement.Resource = nil end
  end
  return statement
end

local function doc(make, asked, odds, denies)
  local statements = json.array {}
  for _ = 1, math.random(2) do statements[#statements + 1] = make("Allow", asked, odds, 35) end
  if chance(denies) then table.insert(statements, math.random(#statements + 1), make("Deny", asked, 55, 70)) end
  return { Version = not chance(7) and "2012-10-17" or nil, Statement = #statements == 1 and chance(30) and statements[1] or statements }
end

local function docs(asked, odds, denies)
  local list = {}
  for index = 1, math.random(2) do list[index] = doc(identity_statement, asked, odds, denies) end
  return json.array(list)
end

local kms_actions = { "kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey", "kms:PutKeyPolicy", "kms:TagResource",
  "kms:EnableKeyRotation",
  "kms:ScheduleKeyDeletion", "kms:CreateGrant" }

--- One case: who, action, resource, context and every policy that applies.
local function case()
  local who, key = principal(), chance(65)
  local asked = { who = who, kind = key and "key" or "role", action = key and pick(kms_actions) or "sts:AssumeRole", resource = key and KEY or ROLE,
    resource_account = A }
  asked.context = context_of(who, asked.action)
  asked.resource_policy = doc(resource_statement, asked, 88, 15)
  asked.identity, asked.service_control = json.array {}, json.array {}
  if who.kind == "service" then return asked end
  asked.identity = (who.account ~= A and chance(90) or chance(65)) and docs(asked, 88, 10) or json.array {}
  if who.kind ~= "root" and chance(20) then asked.boundary = doc(identity_statement, asked, 88, 10) end
  if who.kind == "session" and chance(20) then asked.session = doc(identity_statement, asked, 88, 10) end
  for level = 1, chance(25) and math.random(3) or 0 do asked.service_control[level] = docs(asked, 92, 8) end
  return asked
end

return { case = case, seed = math.randomseed, operators = operators }
