--- Wanted and found policies: differences to read, foreign statements, merging, meaning.
local json = require("json")
local policy = require("policy")

local A = "210987654321"
local ROLE, ROOT = "arn:aws:iam::" .. A .. ":role/crdb-cmek", "arn:aws:iam::" .. A .. ":root"
local ORG = "0f4be3a2-6a1c-4d5e-9b7f-2c8d1e6a7f90"
local USE = "Statement[Allow use of the key for CMEK]"

local function key() return policy.cmek { role = ROLE, account = A } end
local function trust() return policy.cross_account { account_id = "345678901234", external_id = ORG } end
local function doc(...) return { Version = "2012-10-17", Statement = json.array { ... } } end

-- A wanted policy with one change made to it by hand.
local function by_hand(made, change)
  change(made)
  return made
end

local audit = { Sid = "Audit", Effect = "Allow", Principal = { AWS = "arn:aws:iam::" .. A .. ":user/auditor" },
  Action = "kms:DescribeKey", Resource = "*" }

local function same(found, wanted)
  test.equal(policy.differences(wanted or key(), found), {})
end

test["the same policy has no difference"] = function() same(key()) end
test["text and table are the same"] = function() same(policy.json(key())) end

test["order of statements, members, actions and principals does not matter"] = function()
  same(by_hand(key(), function(have)
    have.Statement = json.array { have.Statement[2], have.Statement[1] }
    have.Statement[2].Action = json.array { "kms:ReEncrypt*", "kms:DescribeKey", "kms:GenerateDataKey*", "kms:Decrypt", "kms:Encrypt" }
  end))
end

test["a string and a list of one are the same"] = function()
  same(by_hand(key(), function(have)
    have.Statement[1].Principal.AWS = json.array { ROLE }
    have.Statement[2].Action = json.array { "kms:*" }
    have.Statement[2].Resource = json.array { "*" }
  end))
end

test["a double in a list and the case of an action do not matter"] = function()
  same(by_hand(key(), function(have)
    have.Statement[1].Action = json.array { "KMS:encrypt", "kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*", "kms:DescribeKey", "kms:ReEncrypt*" }
  end))
end

test["the bare account number is its root ARN, in the policy's partition"] = function()
  same(by_hand(key(), function(have) have.Statement[2].Principal.AWS = A end))
  local gov = policy.cross_account { account_id = "345678901234", external_id = ORG, partition = "aws-us-gov" }
  same(by_hand(policy.cross_account { account_id = "345678901234", external_id = ORG, partition = "aws-us-gov" },
    function(have) have.Statement[1].Principal.AWS = "345678901234" end), gov)
end

test["a Statement that is an object, an empty Condition, a list of condition values and the case of a condition key"] = function()
  local have = trust()
  have.Statement = have.Statement[1]
  have.Statement.Condition = { StringEquals = { ["STS:externalid"] = json.array { ORG } } }
  same(have, trust())
  same(by_hand(key(), function(changed) changed.Statement[1].Condition = {} end))
end

test["a number and its text are the same condition value"] = function()
  local function timed(value) return doc { Sid = "A", Effect = "Allow", Principal = "*", Action = "kms:*", Resource = "*",
    Condition = { NumericLessThan = { ["kms:RotationPeriodInDays"] = value } } } end
  same(timed(365), timed("365"))
end

test["Principal * is Principal AWS *"] = function()
  same(doc { Sid = "A", Effect = "Deny", Principal = { AWS = "*" }, Action = "kms:*", Resource = "*" },
    doc { Sid = "A", Effect = "Deny", Principal = "*", Action = "kms:*", Resource = "*" })
end

test["a percent-encoded answer of IAM is compared"] = function()
  local text = policy.json(trust()):gsub("[^%w._~-]", function(character) return ("%%%02X"):format(character:byte()) end)
  same(text, trust())
end

test["an absent Version is 2008-10-17, which is a difference"] = function()
  test.equal(policy.differences(key(), by_hand(key(), function(have) have.Version = nil end)),
    { { field = "Version", want = "2012-10-17", have = "2008-10-17" } })
end

test["another Id is a difference where one is wanted"] = function()
  test.equal(policy.differences(key(), by_hand(key(), function(have) have.Id = "key-default-1" end)),
    { { field = "Id", want = "crdb-cmek-kms", have = "key-default-1" } })
  same(by_hand(trust(), function(have) have.Id = "mine" end), trust())
end

test["an action taken away shows both lists"] = function()
  local list = policy.differences(key(), by_hand(key(), function(have) table.remove(have.Statement[1].Action) end))
  test.equal(#list, 1)
  test.equal(list[1].field, USE .. ".Action")
  test.equal(table.concat(list[1].have, " "), "kms:Decrypt kms:DescribeKey kms:Encrypt kms:GenerateDataKey*")
  test.equal(table.concat(list[1].want, " "), "kms:Decrypt kms:DescribeKey kms:Encrypt kms:GenerateDataKey* kms:ReEncrypt*")
end

test["every field has its name"] = function()
  local list = policy.differences(key(), by_hand(key(), function(have)
    local use = have.Statement[1]
    use.Effect, use.Principal, use.Resource = "Deny", { AWS = "*" }, "arn:aws:kms:*:*:key/1"
    use.Condition = { StringEquals = { ["kms:ViaService"] = "ec2.us-east-1.amazonaws.com" } }
  end))
  test.equal(list, {
    { field = USE .. ".Effect", want = "Allow", have = "Deny" },
    { field = USE .. ".Principal.AWS", want = ROLE, have = "*" },
    { field = USE .. ".Resource", want = "*", have = "arn:aws:kms:*:*:key/1" },
    { field = USE .. ".Condition.StringEquals.kms:ViaService", have = "ec2.us-east-1.amazonaws.com" },
  })
end

test["a statement that is missing shows as a whole"] = function()
  local list = policy.differences(key(), by_hand(key(), function(have) table.remove(have.Statement, 1) end))
  test.equal(#list, 1)
  test.equal(list[1].field, USE)
  test.equal(list[1].have, nil)
  test.contains(list[1].want, '"Principal":{"AWS":"' .. ROLE .. '"}')
end

test["no policy at all: every statement is missing"] = function()
  local list = policy.differences(key(), nil)
  test.equal({ list[1].field, list[2].field, list[3].field }, { "Id", USE, "Statement[Enable IAM User Permissions]" })
end

test["another external ID is one difference in one field"] = function()
  test.equal(policy.differences(trust(), by_hand(trust(), function(have) have.Statement[1].Condition.StringEquals["sts:ExternalId"] = "x" end)),
    { { field = "Statement[1].Condition.StringEquals.sts:ExternalId", want = ORG, have = "x" } })
end

test["trust opened to everybody shows principal and condition"] = function()
  test.equal(policy.differences(trust(), doc { Effect = "Allow", Principal = { AWS = "*" }, Action = "sts:AssumeRole" }), {
    { field = "Statement[1].Principal.AWS", want = "arn:aws:iam::345678901234:root", have = "*" },
    { field = "Statement[1].Condition.StringEquals.sts:ExternalId", want = ORG },
  })
end

test["a wanted statement without a Sid takes its equal under any Sid"] = function()
  local have = by_hand(trust(), function(made) made.Statement[1].Sid = "Cockroach" end)
  same(have, trust())
  test.equal(policy.foreign(trust(), have), {})
end

test["of two statements without Sid the liker one is ours, the other foreign"] = function()
  local other = { Effect = "Allow", Principal = { Service = "ec2.amazonaws.com" }, Action = "sts:AssumeRole" }
  local ours = by_hand(trust(), function(made) made.Statement[1].Condition.StringEquals["sts:ExternalId"] = "x" end).Statement[1]
  local have = doc(other, ours)
  test.equal(#policy.differences(trust(), have), 1)
  test.equal(policy.foreign(trust(), have), { other })
  test.equal(policy.json(policy.merge(trust(), have)), policy.json(doc(trust().Statement[1], other)))
end

test["a foreign statement is no difference and is listed as found"] = function()
  local have = by_hand(key(), function(made) table.insert(made.Statement, 1, audit) end)
  same(have)
  test.equal(policy.foreign(key(), have), { audit })
end

test["merging wants own statements as wanted and keeps foreign ones as found"] = function()
  local have = by_hand(key(), function(made)
    made.Statement[1].Action = "kms:*"
    table.remove(made.Statement, 2)
    table.insert(made.Statement, 1, audit)
  end)
  local merged = policy.merge(key(), have)
  same(merged)
  test.equal(policy.foreign(key(), merged), { audit })
  test.equal(policy.json(merged.Statement[3]), policy.json(audit))
  test.equal(#merged.Statement, 3)
end

test["merging into nothing or into the same is the wanted policy"] = function()
  test.equal(policy.json(policy.merge(key(), nil)), policy.json(key()))
  test.equal(policy.json(policy.merge(key(), policy.json(key()))), policy.json(key()))
end

test["merging twice changes nothing more"] = function()
  local have = by_hand(key(), function(made) table.insert(made.Statement, audit) end)
  local once = policy.merge(key(), have)
  test.equal(policy.json(policy.merge(key(), once)), policy.json(once))
end

test["merging keeps the Id of a policy that wants none"] = function()
  test.equal(policy.merge(trust(), by_hand(trust(), function(have) have.Id = "mine" end)).Id, "mine")
end

test["merging changes neither of the two"] = function()
  local want, have = key(), by_hand(key(), function(made) table.insert(made.Statement, audit) end)
  local before = policy.json(want) .. policy.json(have)
  policy.merge(want, have)
  test.equal(policy.json(want) .. policy.json(have), before)
end

test["a foreign statement survives with members and condition that cmek does not know"] = function()
  local odd = { Sid = "Odd", Effect = "Deny", NotPrincipal = { AWS = ROOT }, NotAction = "kms:*", Resource = "*", New = { deep = json.array { 1 } } }
  local merged = policy.merge(key(), by_hand(key(), function(have) table.insert(have.Statement, odd) end))
  test.contains(policy.json(merged), '{"Sid":"Odd","Effect":"Deny","NotPrincipal":{"AWS":"' .. ROOT
    .. '"},"NotAction":"kms:*","Resource":"*","New":{"deep":[1]}}')
end

test["a deleted role's id is an orphan, never equal to its ARN"] = function()
  local have = by_hand(key(), function(made) made.Statement[1].Principal.AWS = "AROACMEKCMEKCMEKCMEKC" end)
  test.equal(policy.differences(key(), have), { { field = USE .. ".Principal.AWS", want = ROLE, have = "AROACMEKCMEKCMEKCMEKC",
    orphans = { "AROACMEKCMEKCMEKCMEKC" } } })
  test.equal(policy.orphans(have), { { statement = USE, id = "AROACMEKCMEKCMEKCMEKC" } })
  test.equal(policy.orphans(key()), {})
  same(policy.merge(key(), have))
end

test["an orphan beside the right ARN is a difference"] = function()
  local have = by_hand(key(), function(made) made.Statement[1].Principal.AWS = json.array { ROLE, "AIDABOBBOBBOBBOBBOBBO" } end)
  test.equal(policy.differences(key(), have)[1].orphans, { "AIDABOBBOBBOBBOBBOBBO" })
end

test["equal looks at everything, foreign statements too"] = function()
  test.truthy(policy.equal(key(), policy.json(key())))
  test.truthy(not policy.equal(key(), by_hand(key(), function(have) table.insert(have.Statement, audit) end)))
  test.truthy(not policy.equal(key(), by_hand(key(), function(have) have.Id = nil end)))
  test.truthy(not policy.equal(key(), by_hand(key(), function(have) have.Statement[1].Effect = "Deny" end)))
  test.truthy(not policy.equal(key(), by_hand(key(), function(have) have.Statement[1].Strange = true end)))
end

test["a Sid is cosmetic on request"] = function()
  local have = by_hand(key(), function(made) made.Statement[1].Sid = "Other" end)
  test.truthy(not policy.equal(key(), have))
  test.truthy(policy.equal(key(), have, { sid = false }))
end

test["a statement that stands twice is not one that stands once"] = function()
  local one = trust().Statement[1]
  test.truthy(not policy.equal(doc(one, one), doc(one)))
end

test["what is no policy cannot be compared, and says why"] = function()
  test.raises(function() policy.differences(key(), "{") end, "cannot compare policies: the policy is not JSON")
  test.raises(function() policy.differences(key(), "{}") end, "no Statement")
  test.raises(function() policy.merge(key(), '{"Statement":["x"]}') end, "statement 1 of the policy is no object")
end

test["a wider policy covers a narrower one"] = function()
  local wide = doc { Sid = "All", Effect = "Allow", Principal = { AWS = json.array { ROLE, ROOT } }, Action = "kms:*", Resource = "*" }
  test.truthy(policy.covers(key(), wide))
  test.truthy(policy.covers(key(), key()))
  test.truthy(policy.covers(trust(), trust()))
end

test["a narrower policy does not cover, and the missing action is named"] = function()
  local covered, what = policy.covers(key(), by_hand(key(), function(have) table.remove(have.Statement[1].Action) end))
  test.equal(covered, false)
  test.equal(what, "kms:ReEncrypt* for " .. ROLE .. " is not granted")
end

test["a list of actions does not cover a wildcard, a wildcard covers a list"] = function()
  local function with(action) return doc { Effect = "Allow", Principal = { AWS = ROLE }, Action = action, Resource = "*" } end
  test.truthy(not policy.covers(with("kms:*"), with(json.array { "kms:Encrypt", "kms:Decrypt" })))
  test.truthy(policy.covers(with(json.array { "kms:Encrypt", "kms:Re*" }), with("kms:*")))
  test.truthy(policy.covers(with("kms:decrypt"), with("kms:De*")))
  test.truthy(not policy.covers(with("kms:De*"), with("kms:De?rypt")))
end

test["a condition narrows, unless it is wanted as well"] = function()
  local free = doc { Effect = "Allow", Principal = { AWS = "arn:aws:iam::345678901234:root" }, Action = "sts:AssumeRole" }
  test.truthy(policy.covers(trust(), free))
  test.truthy(not policy.covers(free, trust()))
end

test["a Deny that can hit makes it not covered"] = function()
  local function but(statement) return by_hand(key(), function(have) table.insert(have.Statement, statement) end) end
  test.truthy(not policy.covers(key(), but { Effect = "Deny", Principal = "*", Action = "kms:Dec*", Resource = "*" }))
  test.truthy(not policy.covers(key(), but { Effect = "Deny", Principal = { AWS = ROOT }, Action = "*", Resource = "arn:aws:kms:*:*:key/*" }))
  test.truthy(not policy.covers(key(), but { Effect = "Deny", NotPrincipal = { AWS = ROOT }, Action = "*", Resource = "*" }))
  test.truthy(policy.covers(trust(), by_hand(trust(), function(have)
    table.insert(have.Statement, { Effect = "Deny", Principal = { AWS = "arn:aws:iam::456789012345:root" }, Action = "sts:*" })
  end)))
end

test["a statement of cmek's own that is not wanted any more is a difference, and goes; in a policy of another kind it is foreign"] = function()
  local role, admin = "arn:aws:iam::210987654321:role/crdb-cmek", "arn:aws:iam::210987654321:role/Admin"
  local by_account = policy.cmek { role = role, account = "210987654321" }
  local by_admin = policy.cmek { role = role, admins = { admin } }
  for _, case in ipairs { { by_admin, by_account, "Enable IAM User Permissions" }, { by_account, by_admin, "Allow administration of the key" } } do
    local want, have, left = table.unpack(case)
    local differences = policy.differences(want, have)
    test.equal(#differences, 2)
    test.equal({ differences[2].field, differences[2].want }, { ("Statement[%s]"):format(left) })
    test.contains(differences[2].have, left)
    test.equal({ #policy.foreign(want, have), #policy.merge(want, have).Statement }, { 0, 2 })
    test.equal(policy.differences(want, policy.merge(want, have)), {})
    local other = { Version = want.Version, Statement = want.Statement }
    test.equal({ #policy.foreign(other, have), #policy.merge(other, have).Statement }, { 1, 3 })
  end
end
