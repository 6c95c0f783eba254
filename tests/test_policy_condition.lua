--- Condition operators: each case with AWS's words (IAM User Guide, "Condition operators", "Conditions with multiple
--- context keys or values", "Variables and tags") that decide it, shortened.
local condition = require("policy.condition")
local json = require("json")
local policy = require("policy")
local value = require("policy.value")

local BOB = "arn:aws:iam::210987654321:user/bob"
local KEY = "arn:aws:kms:us-east-1:210987654321:key/1234abcd-12ab-34cd-56ef-1234567890ab"
local list = json.array

local says = {
  string = "StringEquals: exact matching, case sensitive.",
  ignore = "StringEqualsIgnoreCase: exact matching, ignoring case.",
  like = "StringLike: case-sensitive matching. The values can include multi-character match wildcards (*) and single-character match wildcards (?).",
  missing = "If the key that you specify in a policy condition is not present in the request context, the values do not match.",
  missing_not = "If the policy condition requires that the key is not matched, and the right key is not present, the condition is true.",
  either = "If a single condition operator includes multiple values for a context key, those values are evaluated using a logical OR.",
  neither = "If a single negated matching condition operator includes multiple values for a context key, those values are evaluated using "
      .. "a logical NOR.",
  all = "Multiple condition operators, and multiple context keys of one operator, are evaluated using a logical AND.",
  exists = "IfExists: If the key is not present, evaluate the condition element as true.",
  null = "Null: true - the key doesn't exist, false - the key exists and its value is not null.",
  every = "ForAllValues: true if every context key value in the request matches at least one value in the policy.",
  every_none = "ForAllValues also returns true if there are no context keys in the request, or if the values resolve to an empty data "
      .. "set, such as an empty string.",
  some = "ForAnyValue: true if any one of the context key values matches any one of the condition values in the policy.",
  some_none = "For no matching context key or if the key does not exist, ForAnyValue returns false.",
  set = "Multivalued context keys require a condition set operator.",
  number = "Numeric condition operators compare a key to an integer or decimal value.",
  date = "You must specify date/time values with one of the W3C implementations of the ISO 8601 date formats or in epoch (UNIX) time.",
  bool = "Boolean conditions compare a key to true or false.",
  address = "The value must be in the standard CIDR format (for example, 203.0.113.0/24 or 2001:DB8:1234:5678::/64).",
  prefix = "If you specify an IP address without the associated routing prefix, IAM uses the default prefix value of /32.",
  arn = "Each of the six colon-delimited components of the ARN is checked separately and each can include wildcards.",
  alike = "The ArnEquals and ArnLike condition operators behave identically.",
  key = "Key names are case-insensitive.",
  binary = "BinaryEquals compares the value of the key byte for byte against a base-64 encoded representation of the binary value in the policy.",
  variable = "You can use a policy variable with the String and ARN condition operators.",
  star = "${*} - use where you need an * (asterisk) character.",
  default = "To add a default value to a variable, surround the default value with single quotes.",
  unresolved = "If AWS cannot resolve a variable, this might cause the entire statement to be invalid.",
  unsaid = "AWS refuses such a policy; cmek does not guess: unknown, never allowed.",
  visible = "cmek's own rule: what it cannot see makes a verdict unknown, never allowed.",
}

local tags = "aws:TagKeys"
local iam = "arn:aws:iam::210987654321:user/"

-- A case: sentence, AWS's words, Condition of the only Allow, context of the request, verdict.
local cases = {
  { "StringEquals takes the same text", says.string, { StringEquals = { ["kms:ViaService"] = "a" } }, { ["kms:ViaService"] = "a" }, "allowed" },
  { "StringEquals minds case", says.string, { StringEquals = { ["kms:ViaService"] = "a" } }, { ["kms:ViaService"] = "A" }, "denied" },
  { "StringEquals knows no wildcard", says.like, { StringEquals = { ["kms:ViaService"] = "*" } }, { ["kms:ViaService"] = "a" }, "denied" },
  { "StringEquals without the key", says.missing, { StringEquals = { ["kms:ViaService"] = "a" } }, {}, "denied" },
  { "any value of a list will do", says.either, { StringEquals = { ["kms:ViaService"] = list { "a", "b" } } }, { ["kms:ViaService"] = "b" },
    "allowed" },
  { "StringNotEquals takes another text", says.neither, { StringNotEquals = { ["kms:ViaService"] = "a" } }, { ["kms:ViaService"] = "b" }, "allowed" },
  { "StringNotEquals refuses the same", says.neither, { StringNotEquals = { ["kms:ViaService"] = "a" } }, { ["kms:ViaService"] = "a" }, "denied" },
  { "StringNotEquals refuses any value of its list", says.neither,
    { StringNotEquals = { ["kms:ViaService"] = list { "a", "b" } } }, { ["kms:ViaService"] = "b" }, "denied" },
  { "StringNotEquals without the key is true", says.missing_not, { StringNotEquals = { ["kms:ViaService"] = "a" } }, {}, "allowed" },
  { "StringEqualsIgnoreCase", says.ignore, { StringEqualsIgnoreCase = { ["kms:ViaService"] = "aB" } }, { ["kms:ViaService"] = "Ab" }, "allowed" },
  { "StringNotEqualsIgnoreCase", says.ignore, { StringNotEqualsIgnoreCase = { ["kms:ViaService"] = "aB" } }, { ["kms:ViaService"] = "Ab" },
    "denied" },
  { "StringLike with *", says.like, { StringLike = { ["kms:ViaService"] = "ec2.*.com" } },
    { ["kms:ViaService"] = "ec2.us-east-1.amazonaws.com" }, "allowed" },
  { "StringLike with ?", says.like, { StringLike = { ["kms:ViaService"] = "a?c" } }, { ["kms:ViaService"] = "abc" }, "allowed" },
  { "StringLike ? is one character, not none", says.like, { StringLike = { ["kms:ViaService"] = "a?c" } }, { ["kms:ViaService"] = "ac" }, "denied" },
  { "StringLike ? is one character of Latin-1", says.like, { StringLike = { ["kms:ViaService"] = "a?c" } }, { ["kms:ViaService"] = "aéc" },
    "allowed" },
  { "StringLike matches the whole text", says.like, { StringLike = { ["kms:ViaService"] = "b" } }, { ["kms:ViaService"] = "abc" }, "denied" },
  { "StringLike minds case", says.like, { StringLike = { ["kms:ViaService"] = "A*" } }, { ["kms:ViaService"] = "abc" }, "denied" },
  { "StringLike takes magic characters of other languages as they are", says.like,
    { StringLike = { ["kms:ViaService"] = "a.%d+[x]*" } }, { ["kms:ViaService"] = "a.%d+[x]1" }, "allowed" },
  { "StringNotLike", says.like, { StringNotLike = { ["kms:ViaService"] = "a*" } }, { ["kms:ViaService"] = "abc" }, "denied" },
  { "StringNotLike without the key is true", says.missing_not, { StringNotLike = { ["kms:ViaService"] = "a*" } }, {}, "allowed" },

  { "operators are joined by and", says.all,
    { StringEquals = { ["kms:ViaService"] = "a" }, Bool = { ["aws:SecureTransport"] = "true" } }, { ["kms:ViaService"] = "a" }, "denied" },
  { "keys are joined by and", says.all,
    { StringEquals = { ["kms:ViaService"] = "a", ["kms:CallerAccount"] = "1" } }, { ["kms:ViaService"] = "a", ["kms:CallerAccount"] = "2" },
    "denied" },
  { "all of it met", says.all,
    { StringEquals = { ["kms:ViaService"] = "a", ["kms:CallerAccount"] = "1" }, Bool = { ["aws:SecureTransport"] = "true" } },
    { ["kms:ViaService"] = "a", ["kms:CallerAccount"] = "1", ["aws:SecureTransport"] = "true" }, "allowed" },
  { "key names do not mind case", says.key, { StringEquals = { ["AWS:principalACCOUNT"] = "210987654321" } }, {}, "allowed" },
  { "an empty Condition is none", says.all, {}, {}, "allowed" },

  { "Bool true", says.bool, { Bool = { ["aws:MultiFactorAuthPresent"] = "true" } }, { ["aws:MultiFactorAuthPresent"] = "true" }, "allowed" },
  { "Bool as JSON truth", says.bool, { Bool = { ["aws:MultiFactorAuthPresent"] = true } }, { ["aws:MultiFactorAuthPresent"] = true }, "allowed" },
  { "Bool false is not true", says.bool, { Bool = { ["aws:MultiFactorAuthPresent"] = "true" } },
    { ["aws:MultiFactorAuthPresent"] = "false" }, "denied" },
  { "Bool without the key", says.missing, { Bool = { ["aws:MultiFactorAuthPresent"] = "false" } }, {}, "denied" },
  { "BoolIfExists without the key", says.exists, { BoolIfExists = { ["aws:MultiFactorAuthPresent"] = "false" } }, {}, "allowed" },
  { "BoolIfExists with the key", says.exists, { BoolIfExists = { ["aws:MultiFactorAuthPresent"] = "false" } },
    { ["aws:MultiFactorAuthPresent"] = "true" }, "denied" },
  { "Bool against something else", says.unsaid, { Bool = { ["aws:SecureTransport"] = "yes" } }, { ["aws:SecureTransport"] = "true" }, "unknown" },

  { "Null true without the key", says.null, { Null = { ["aws:TokenIssueTime"] = "true" } }, {}, "allowed" },
  { "Null true with the key", says.null, { Null = { ["aws:TokenIssueTime"] = "true" } },
    { ["aws:TokenIssueTime"] = "2026-01-01T00:00:00Z" }, "denied" },
  { "Null false with the key", says.null, { Null = { ["aws:TokenIssueTime"] = "false" } },
    { ["aws:TokenIssueTime"] = "2026-01-01T00:00:00Z" }, "allowed" },
  { "Null false without the key", says.null, { Null = { ["aws:TokenIssueTime"] = "false" } }, {}, "denied" },
  { "Null true with an empty list", says.null, { Null = { [tags] = "true" } }, { [tags] = list {} }, "allowed" },

  { "NumericEquals compares numbers, not texts", says.number, { NumericEquals = { ["kms:RotationPeriodInDays"] = "365" } },
    { ["kms:RotationPeriodInDays"] = "365.0" }, "allowed" },
  { "NumericEquals of another number", says.number, { NumericEquals = { ["kms:RotationPeriodInDays"] = 365 } },
    { ["kms:RotationPeriodInDays"] = 90 }, "denied" },
  { "NumericNotEquals", says.number, { NumericNotEquals = { ["kms:RotationPeriodInDays"] = "365" } },
    { ["kms:RotationPeriodInDays"] = "90" }, "allowed" },
  { "NumericLessThan is strict", says.number, { NumericLessThan = { ["kms:RotationPeriodInDays"] = "90" } },
    { ["kms:RotationPeriodInDays"] = "90" }, "denied" },
  { "NumericLessThan by value, not by text", says.number, { NumericLessThan = { ["kms:RotationPeriodInDays"] = "365" } },
    { ["kms:RotationPeriodInDays"] = "90" }, "allowed" },
  { "NumericLessThanEquals takes the bound", says.number, { NumericLessThanEquals = { ["kms:RotationPeriodInDays"] = "90" } },
    { ["kms:RotationPeriodInDays"] = "90" }, "allowed" },
  { "NumericGreaterThan", says.number, { NumericGreaterThan = { ["kms:RotationPeriodInDays"] = "90" } },
    { ["kms:RotationPeriodInDays"] = "91" }, "allowed" },
  { "NumericGreaterThan is strict", says.number, { NumericGreaterThan = { ["kms:RotationPeriodInDays"] = "90" } },
    { ["kms:RotationPeriodInDays"] = "90" }, "denied" },
  { "NumericGreaterThanEquals takes the bound", says.number, { NumericGreaterThanEquals = { ["kms:RotationPeriodInDays"] = "90" } },
    { ["kms:RotationPeriodInDays"] = "90" }, "allowed" },
  { "a request value that is no number", says.number, { NumericLessThan = { ["kms:RotationPeriodInDays"] = "90" } },
    { ["kms:RotationPeriodInDays"] = "many" }, "denied" },
  { "a policy value that is no number", says.unsaid, { NumericNotEquals = { ["kms:RotationPeriodInDays"] = "many" } },
    { ["kms:RotationPeriodInDays"] = "90" }, "unknown" },

  { "DateGreaterThan", says.date, { DateGreaterThan = { ["aws:CurrentTime"] = "2026-01-01T00:00:00Z" } },
    { ["aws:CurrentTime"] = "2026-01-01T00:00:01Z" }, "allowed" },
  { "DateGreaterThan is strict", says.date, { DateGreaterThan = { ["aws:CurrentTime"] = "2026-01-01T00:00:00Z" } },
    { ["aws:CurrentTime"] = "2026-01-01T00:00:00Z" }, "denied" },
  { "DateGreaterThanEquals takes the bound", says.date, { DateGreaterThanEquals = { ["aws:CurrentTime"] = "2026-01-01" } },
    { ["aws:CurrentTime"] = "2026-01-01T00:00:00Z" }, "allowed" },
  { "DateLessThan", says.date, { DateLessThan = { ["aws:CurrentTime"] = "2026-01-01T00:00:00Z" } },
    { ["aws:CurrentTime"] = "2025-12-31T23:59:59Z" }, "allowed" },
  { "DateLessThan is strict", says.date, { DateLessThan = { ["aws:CurrentTime"] = "2026-01-01T00:00:00Z" } },
    { ["aws:CurrentTime"] = "2026-01-01T00:00:00Z" }, "denied" },
  { "DateLessThanEquals takes the bound", says.date, { DateLessThanEquals = { ["aws:CurrentTime"] = "2026-01-01T00:00:00Z" } },
    { ["aws:CurrentTime"] = "2026-01-01T00:00:00Z" }, "allowed" },
  { "DateEquals in two zones", says.date, { DateEquals = { ["aws:CurrentTime"] = "2026-01-01T02:00:00+02:00" } },
    { ["aws:CurrentTime"] = "2026-01-01T00:00:00Z" }, "allowed" },
  { "DateNotEquals", says.date, { DateNotEquals = { ["aws:CurrentTime"] = "2026-01-01T00:00:00Z" } },
    { ["aws:CurrentTime"] = "2026-01-02T00:00:00Z" }, "allowed" },
  { "a date against seconds", says.date, { DateEquals = { ["aws:EpochTime"] = "2026-01-01T00:00:00Z" } },
    { ["aws:EpochTime"] = "1767225600" }, "allowed" },
  { "a date that is none", says.unsaid, { DateLessThan = { ["aws:CurrentTime"] = "2026-13-01" } },
    { ["aws:CurrentTime"] = "2026-01-01T00:00:00Z" }, "unknown" },

  { "IpAddress in a range", says.address, { IpAddress = { ["aws:SourceIp"] = "203.0.113.0/24" } }, { ["aws:SourceIp"] = "203.0.113.77" }, "allowed" },
  { "IpAddress outside a range", says.address, { IpAddress = { ["aws:SourceIp"] = "203.0.113.0/24" } },
    { ["aws:SourceIp"] = "203.0.114.1" }, "denied" },
  { "IpAddress in a range that ends inside a byte", says.address, { IpAddress = { ["aws:SourceIp"] = "203.0.113.128/25" } },
    { ["aws:SourceIp"] = "203.0.113.127" }, "denied" },
  { "IpAddress without a prefix is one address", says.prefix, { IpAddress = { ["aws:SourceIp"] = "203.0.113.7" } },
    { ["aws:SourceIp"] = "203.0.113.8" }, "denied" },
  { "IpAddress of everything", says.address, { IpAddress = { ["aws:SourceIp"] = "0.0.0.0/0" } }, { ["aws:SourceIp"] = "198.51.100.1" }, "allowed" },
  { "NotIpAddress", says.address, { NotIpAddress = { ["aws:SourceIp"] = list { "203.0.113.0/24", "198.51.100.0/24" } } },
    { ["aws:SourceIp"] = "198.51.100.1" }, "denied" },
  { "NotIpAddress without the key is true", says.missing_not, { NotIpAddress = { ["aws:SourceIp"] = "203.0.113.0/24" } }, {}, "allowed" },
  { "IPv6 in a range, in another spelling", says.address, { IpAddress = { ["aws:SourceIp"] = "2001:DB8:1234:5678::/64" } },
    { ["aws:SourceIp"] = "2001:db8:1234:5678:0:0:0:9" }, "allowed" },
  { "IPv6 outside a range", says.address, { IpAddress = { ["aws:SourceIp"] = "2001:DB8:1234:5678::/64" } },
    { ["aws:SourceIp"] = "2001:db8:1234:5679::9" }, "denied" },
  { "IPv4 is not in an IPv6 range", says.address, { IpAddress = { ["aws:SourceIp"] = "::/0" } }, { ["aws:SourceIp"] = "203.0.113.7" }, "denied" },
  { "both families in one list", says.address, { IpAddress = { ["aws:SourceIp"] = list { "203.0.113.0/24", "2001:db8::/32" } } },
    { ["aws:SourceIp"] = "2001:db8::1" }, "allowed" },
  { "a range that is none", says.unsaid, { IpAddress = { ["aws:SourceIp"] = "203.0.113.0/33" } }, { ["aws:SourceIp"] = "203.0.113.7" }, "unknown" },

  { "ArnEquals", says.arn, { ArnEquals = { ["aws:PrincipalArn"] = BOB } }, {}, "allowed" },
  { "ArnEquals takes wildcards as well", says.alike, { ArnEquals = { ["aws:PrincipalArn"] = iam .. "*" } }, {}, "allowed" },
  { "ArnLike", says.arn, { ArnLike = { ["aws:PrincipalArn"] = "arn:aws:iam::*:user/b?b" } }, {}, "allowed" },
  { "ArnLike checks part by part", says.arn,
    { ArnLike = { ["aws:SourceArn"] = "arn:aws:someservice:*:111122223333:finance/*" } },
    { ["aws:SourceArn"] = "arn:aws:someservice:us-east-2:999999999999:store/abc:111122223333:finance/document.txt" }, "denied" },
  { "StringLike does not", says.arn,
    { StringLike = { ["aws:SourceArn"] = "arn:aws:someservice:*:111122223333:finance/*" } },
    { ["aws:SourceArn"] = "arn:aws:someservice:us-east-2:999999999999:store/abc:111122223333:finance/document.txt" }, "allowed" },
  { "ArnLike minds case", says.arn, { ArnLike = { ["aws:PrincipalArn"] = iam .. "B*" } }, {}, "denied" },
  { "a lone * has not six components", says.arn, { ArnLike = { ["aws:PrincipalArn"] = "*" } }, {}, "unknown" },
  { "ArnNotEquals", says.alike, { ArnNotEquals = { ["aws:PrincipalArn"] = iam .. "eve" } }, {}, "allowed" },
  { "ArnNotLike", says.alike, { ArnNotLike = { ["aws:PrincipalArn"] = iam .. "*" } }, {}, "denied" },
  { "ArnLike without the key", says.missing, { ArnLike = { ["aws:SourceArn"] = "arn:aws:iam::*:user/*" } }, {}, "denied" },
  { "ArnLikeIfExists without the key", says.exists, { ArnLikeIfExists = { ["aws:SourceArn"] = "arn:aws:iam::*:user/*" } }, {}, "allowed" },

  { "BinaryEquals", says.binary, { BinaryEquals = { ["kms:EncryptionContext:blob"] = "QmluYXJ5" } },
    { ["kms:EncryptionContext:blob"] = "QmluYXJ5" }, "allowed" },
  { "BinaryEquals of other bytes", says.binary, { BinaryEquals = { ["kms:EncryptionContext:blob"] = "QmluYXJ5" } },
    { ["kms:EncryptionContext:blob"] = "QmluYXJ6" }, "denied" },

  { "StringEqualsIfExists without the key", says.exists, { StringEqualsIfExists = { ["kms:ViaService"] = "a" } }, {}, "allowed" },
  { "StringEqualsIfExists with another value", says.exists, { StringEqualsIfExists = { ["kms:ViaService"] = "a" } },
    { ["kms:ViaService"] = "b" }, "denied" },
  { "NumericLessThanIfExists without the key", says.exists, { NumericLessThanIfExists = { ["kms:RotationPeriodInDays"] = "90" } }, {}, "allowed" },
  { "DateLessThanIfExists without the key", says.exists, { DateLessThanIfExists = { ["aws:TokenIssueTime"] = "2020-01-01" } }, {}, "allowed" },
  { "IpAddressIfExists without the key", says.exists, { IpAddressIfExists = { ["aws:SourceIp"] = "203.0.113.0/24" } }, {}, "allowed" },
  { "ForAnyValue with IfExists without the key", says.exists, { ["ForAnyValue:StringEqualsIfExists"] = { [tags] = "a" } }, {}, "allowed" },

  { "ForAllValues, all listed", says.every, { ["ForAllValues:StringEquals"] = { [tags] = list { "a", "b", "c" } } }, { [tags] = list { "a",
    "b" } }, "allowed" },
  { "ForAllValues, one not listed", says.every, { ["ForAllValues:StringEquals"] = { [tags] = list { "a", "b" } } }, { [tags] = list { "a",
    "z" } }, "denied" },
  { "ForAllValues without the key", says.every_none, { ["ForAllValues:StringEquals"] = { [tags] = "a" } }, {}, "allowed" },
  { "ForAllValues of an empty text", says.every_none, { ["ForAllValues:StringEquals"] = { [tags] = "a" } }, { [tags] = list { "" } }, "allowed" },
  { "ForAllValues with Null false keeps the missing out", says.every_none,
    { ["ForAllValues:StringEquals"] = { [tags] = "a" }, Null = { [tags] = "false" } }, {}, "denied" },
  { "ForAllValues with a negated operator", says.every, { ["ForAllValues:StringNotEquals"] = { [tags] = "z" } }, { [tags] = list { "a",
    "z" } }, "denied" },
  { "ForAllValues with StringLike", says.every, { ["ForAllValues:StringLike"] = { [tags] = "cmek:*" } }, { [tags] = list { "cmek:cluster",
    "cmek:run" } }, "allowed" },
  { "ForAnyValue, one listed", says.some, { ["ForAnyValue:StringEquals"] = { [tags] = list { "a", "b" } } }, { [tags] = list { "z", "b" } },
    "allowed" },
  { "ForAnyValue, none listed", says.some, { ["ForAnyValue:StringEquals"] = { [tags] = list { "a", "b" } } }, { [tags] = list { "y",
    "z" } }, "denied" },
  { "ForAnyValue without the key", says.some_none, { ["ForAnyValue:StringEquals"] = { [tags] = "a" } }, {}, "denied" },
  { "ForAnyValue with a negated operator", says.some, { ["ForAnyValue:StringNotEquals"] = { [tags] = "a" } }, { [tags] = list { "a",
    "z" } }, "allowed" },
  { "ForAnyValue with a negated operator without the key", says.some_none, { ["ForAnyValue:StringNotEquals"] = { [tags] = "a" } }, {}, "denied" },
  { "many values without a set operator", says.set, { StringEquals = { [tags] = "a" } }, { [tags] = list { "a", "b" } }, "unknown" },

  { "a variable in StringEquals", says.variable, { StringEquals = { ["kms:ViaService"] = "${aws:PrincipalAccount}" } },
    { ["kms:ViaService"] = "210987654321" }, "allowed" },
  { "a variable in ArnLike", says.variable, { ArnLike = { ["aws:PrincipalArn"] = "arn:aws:iam::*:user/${aws:username}" } }, {}, "allowed" },
  { "a variable's name does not mind case", says.key, { StringEquals = { ["kms:ViaService"] = "${AWS:UserName}" } },
    { ["kms:ViaService"] = "bob" }, "allowed" },
  { "a variable amid text", says.variable, { StringLike = { ["kms:ViaService"] = "x-${aws:username}-*" } },
    { ["kms:ViaService"] = "x-bob-1" }, "allowed" },
  { "${*} is an asterisk", says.star, { StringLike = { ["kms:ViaService"] = "${*}" } }, { ["kms:ViaService"] = "a" }, "denied" },
  { "${*} matches an asterisk", says.star, { StringLike = { ["kms:ViaService"] = "${*}" } }, { ["kms:ViaService"] = "*" }, "allowed" },
  { "${$} and ${?} in StringEquals", says.star, { StringEquals = { ["kms:ViaService"] = "${$}${?}" } }, { ["kms:ViaService"] = "$?" }, "allowed" },
  { "a default for a missing variable", says.default, { StringEquals = { ["kms:ViaService"] = "${aws:PrincipalTag/team, 'nobody'}" } },
    { ["kms:ViaService"] = "nobody" }, "allowed" },
  { "no default where there is a value", says.default,
    { StringEquals = { ["kms:ViaService"] = "${aws:PrincipalTag/team, 'nobody'}" } }, { ["kms:ViaService"] = "nobody",
    ["aws:PrincipalTag/team"] = "x" }, "denied" },
  { "a missing variable matches nothing", says.unresolved, { StringEquals = { ["kms:ViaService"] = "${aws:PrincipalTag/team}" } },
    { ["kms:ViaService"] = "x" }, "denied" },
  { "a missing variable in a negated operator is not a yes", says.unresolved,
    { StringNotEquals = { ["kms:ViaService"] = "${aws:PrincipalTag/team}" } }, { ["kms:ViaService"] = "x" }, "unknown" },

  { "an operator that AWS does not know", says.unsaid, { StringSounds = { ["kms:ViaService"] = "a" } }, { ["kms:ViaService"] = "a" }, "unknown" },
  { "a set operator that AWS does not know", says.unsaid, { ["ForSomeValues:StringEquals"] = { [tags] = "a" } }, { [tags] = list { "a" } },
    "unknown" },
  { "NullIfExists is none of AWS's", "You can add IfExists to the end of any condition operator name except the Null condition.",
    { NullIfExists = { [tags] = "true" } }, {}, "unknown" },
  { "a key that nobody can know", says.visible, { StringEquals = { ["kms:ViaService"] = "a" } }, { ["kms:ViaService"] = policy.UNSEEN }, "unknown" },
  { "a key that nobody can know under Null", says.visible, { Null = { ["kms:ViaService"] = "true" } },
    { ["kms:ViaService"] = policy.UNSEEN }, "unknown" },
  { "a key that nobody can know beside one that fails", says.all,
    { StringEquals = { ["kms:ViaService"] = "a" }, Bool = { ["aws:SecureTransport"] = "true" } },
    { ["kms:ViaService"] = policy.UNSEEN, ["aws:SecureTransport"] = "false" }, "denied" },
}

local function key_policy(effect, block)
  return { Effect = effect, Principal = { AWS = BOB }, Action = "kms:*", Resource = "*", Condition = block }
end

local function verdict(context, ...)
  return policy.evaluate {
    principal = { arn = BOB, account = "210987654321", kind = "user" }, action = "kms:Decrypt", resource = KEY, context = context,
    resource_policy = { Version = "2012-10-17", Statement = list { ... } },
  }.verdict
end

-- What a Deny with the same condition makes of an unconditional Allow.
local opposite = { allowed = "denied", denied = "allowed", unknown = "unknown" }

for _, case in ipairs(cases) do
  local sentence, _, block, context, want = table.unpack(case)
  test["condition: " .. sentence] = function()
    test.equal(verdict(context, key_policy("Allow", block)), want)
    test.equal(verdict(context, key_policy("Allow"), key_policy("Deny", block)), opposite[want])
  end
end

test["condition: every operator of AWS's stands in a case"] = function()
  local used = {}
  for _, case in ipairs(cases) do
    for name in pairs(case[3]) do used[name:gsub("^For%a+Values?:", ""):gsub("IfExists$", "")] = true end
  end
  for _, name in ipairs {
    "StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike", "StringNotLike",
    "NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals", "NumericGreaterThan", "NumericGreaterThanEquals",
    "DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals", "Bool", "BinaryEquals",
    "IpAddress", "NotIpAddress", "ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike", "Null",
  } do test.truthy(used[name], name .. " stands in no case") end
end

test["condition: what was not met is listed with both sides"] = function()
  local answer, misses = condition.evaluate({ StringEquals = { ["kms:viaservice"] = { "a" } } }, function() return "b" end)
  test.equal(answer, 0)
  test.equal(misses, { { operator = "StringEquals", key = "kms:viaservice", want = { "a" }, have = "b" } })
end

test["condition: dates in all W3C forms"] = function()
  for text, seconds in pairs {
    ["1970-01-01T00:00:00Z"] = 0, ["1970-01-02"] = 86400, ["1970"] = 0, ["1970-02"] = 2678400, ["2000-03-01"] = 951868800,
    ["2024-02-29T12:00Z"] = 1709208000, ["2026-01-01T00:00:00.5Z"] = 1767225600.5, ["2026-01-01T00:00:00-05:30"] = 1767245400,
    ["1767225600"] = 1767225600, ["1969-12-31T23:59:59Z"] = -1,
  } do test.truthy(value.date(text) == seconds, ("%s is %s"):format(text, value.date(text))) end
  for _, text in ipairs { "", "2026-02-29", "2026-00-10", "2026-1-1", "2026-01-01T00:00:00", "2026-01-01 00:00:00Z", "2026-01-01T25:00Z", "now" } do
    test.truthy(value.date(text) == nil, text .. " is read as a date")
  end
end

test["condition: addresses, and what is none"] = function()
  for _, text in ipairs { "0.0.0.0/0", "255.255.255.255", "::", "::1/128", "1::", "::ffff:192.0.2.1", "2001:db8::8:800:200c:417a",
  "1:2:3:4:5:6:7:8" } do
    test.truthy(value.address(text), text .. " is not read as an address")
  end
  for _, text in ipairs { "", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.4/33", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", ":::",
  "g::1", "::1/129", "1.2.3.4/" } do
    test.truthy(not value.address(text), text .. " is read as an address")
  end
  test.truthy(value.inside(value.address("::ffff:192.0.2.0/120"), value.address("::ffff:192.0.2.9")))
end

test["condition: numbers, and what is none"] = function()
  for _, text in ipairs { "0", "-1", "+3.50", "1e3", "9007199254740993" } do test.truthy(value.number(text), text .. " is not read as a number") end
  for _, text in ipairs { "", "0x10", "inf", "nan", "1 ", "1,5", "1-2", "e3" } do test.truthy(not value.number(text),
  text .. " is read as a number") end
end
