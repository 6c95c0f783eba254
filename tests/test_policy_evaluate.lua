--- Who may do what: each case with AWS's words, shortened (IAM User Guide, KMS Developer Guide, STS and Organizations
--- documentation), that decide it. The cases about condition operators stand in test_policy_condition.lua.
local json = require("json")
local policy = require("policy")

local A, B = "210987654321", "345678901234"
local KEY = "arn:aws:kms:us-east-1:" .. A .. ":key/1234abcd-12ab-34cd-56ef-1234567890ab"
local ROOT, OTHER_ROOT = "arn:aws:iam::" .. A .. ":root", "arn:aws:iam::" .. B .. ":root"
local BOB, OTHER_BOB = "arn:aws:iam::" .. A .. ":user/team/bob", "arn:aws:iam::" .. B .. ":user/bob"
local ROLE = "arn:aws:iam::" .. A .. ":role/apps/cmek"
local SESSION = "arn:aws:sts::" .. A .. ":assumed-role/cmek/run"
local LOGS = "arn:aws:logs:us-east-1:" .. A .. ":log-group"
local STREAM = LOGS .. ":app:log-stream:one"
local CMEK = "arn:aws:iam::" .. A .. ":role/crdb-cmek"
local ORG = "0f4be3a2-6a1c-4d5e-9b7f-2c8d1e6a7f90"

local bob = { arn = BOB, account = A, kind = "user", unique_id = "AIDABOBBOBBOBBOBBOBBO" }
local session = { arn = SESSION, account = A, kind = "session", role_arn = ROLE, unique_id = "AROACMEKCMEKCMEKCMEKC:run" }
local root = { arn = ROOT, account = A, kind = "root", unique_id = A }
local stranger = { arn = OTHER_BOB, account = B, kind = "user", unique_id = "AIDAOTHEROTHEROTHERO1" }

local function statement(effect, more)
  local made = { Effect = effect, Action = "kms:*", Resource = "*" }
  for name, value in pairs(more or {}) do
    if value == false then value = nil end
    made[name] = value
  end
  for name in pairs(more or {}) do
    if more[name] == false then made[name] = nil end
  end
  return made
end
local function allow(more) return statement("Allow", more) end
local function deny(more) return statement("Deny", more) end
local function doc(...) return { Version = "2012-10-17", Statement = json.array { ... } } end
local function aws(...) return { AWS = select("#", ...) == 1 and ... or json.array { ... } } end
local function key_for(who, more)
  local made = allow(more)
  made.Principal = type(who) == "table" and who or aws(who)
  return doc(made)
end
local function trusts(who, conditions)
  return doc { Effect = "Allow", Principal = type(who) == "table" and who or aws(who), Action = "sts:AssumeRole", Condition = conditions }
end

local everything = doc(allow { Action = "*" })
local delegated = key_for(ROOT)
local cmek_policy = policy.cmek { role = CMEK, account = A }
local cmek_trust = policy.cross_account { account_id = B, external_id = ORG }

-- What AWS says, where several cases hang on the same words.
local says = {
  default = "By default, all requests are implicitly denied with the exception of the AWS account root user, which has full access.",
  deny = "An explicit deny in any of these policies overrides the allow.",
  key = "No AWS principal, including the account root user or key creator, has any permissions to a KMS key unless they are "
    .. "explicitly allowed, and never denied, in a key policy, IAM policy, or grant.",
  key_first = "Unless the key policy explicitly allows it, you cannot use IAM policies to allow access to a KMS key.",
  account = "The account ARN and the shortened account ID behave the same way. Both delegate permissions to the account.",
  no_effect = "If either of the required Resource or Action elements are missing from a key policy statement, the policy statement has no effect.",
  trust = "IAM role trust policies and KMS key policies are exceptions to this logic, because they must explicitly allow access "
    .. "for principals.",
  both = "The request is allowed only if both evaluations return a decision of Allow.",
  other_account = "When you allow access to a different account, an administrator in that account must then grant access to an "
    .. "identity in that account.",
  direct = "If a resource-based policy grants permission directly to the IAM user or the session principal that is making the "
    .. "request, then an implicit deny in an identity-based policy, a permissions boundary, or a session policy does not impact "
    .. "the final decision.",
  role = "Resource-based policies that grant permissions to an IAM role ARN are limited by an implicit deny in a permissions "
    .. "boundary or session policy.",
  star = "For IAM users and role principals within your account, no other permissions are required.",
  star_arn = "Identity-based policy types, such as permissions boundaries or session policies, do not limit permissions granted "
    .. "using the aws:PrincipalArn condition key with a wildcard(*) in the Principal element.",
  boundary = "The entity can perform only the actions that are allowed by both its identity-based policies and its permissions boundaries.",
  scp = "If the enforcement code does not find any applicable Allow statements in the SCPs, then the request is implicitly denied.",
  scp_levels = "For a permission to be allowed for a specific account, there must be an explicit Allow statement at every level from "
    .. "the root through each OU in the direct path to the account (including the target account itself).",
  session = "If a session policy is present and does not allow the requested action, then the request is implicitly denied.",
  unique = "If you delete and recreate a role referenced in a policy's Principal element, the policy no longer applies: the new role "
    .. "has a new principal ID that does not match the ID stored in the policy.",
  not_principal = "When you use NotPrincipal, you must also specify the account ARN of the not-denied principal. Otherwise, the policy "
    .. "might deny access to the entire account containing the principal.",
  wildcard = "You cannot use a wildcard to match part of a principal name or ARN.",
  case = "The prefix and the action name are case insensitive.",
  star_text = "You can use wildcard characters (* and ?) within the individual segments of an ARN. An asterisk represents any "
    .. "combination of characters and a question mark any single character.",
  star_colon = "If the * wildcard is the last character of a resource ARN segment, it can expand to match beyond the colon boundaries.",
  external = "If the external ID does not match or is missing, the condition is not met and AssumeRole fails (sts:ExternalId is compared "
    .. "with the ExternalId parameter of the request).",
  version = "If you don't include the Version element and set it to an appropriate version date, variables like ${aws:username} are "
    .. "treated as literal strings in the policy.",
  unresolved = "If AWS cannot resolve a variable, this might cause the entire statement to be invalid.",
  grammar = "The principal_block element is required in resource-based policies and in trust policies for IAM roles. It must not be "
    .. "included in identity-based policies.",
  visible = "cmek's own rule: what it cannot see makes a verdict unknown, never allowed.",
}

-- A case: sentence, AWS's words, what differs from "bob asks for kms:Decrypt on the key", verdict, reason.
local cases = {
  -- deny and default
  { "nothing allows, so it is denied", says.default, { resource_policy = doc(allow { Principal = aws(ROLE) }) }, "denied", "no_resource_grant" },
  { "an identity policy's Deny beats the key policy's Allow", says.deny,
    { resource_policy = key_for(BOB), identity = { doc(deny()) } }, "denied", "explicit_deny" },
  { "a key policy's Deny beats the identity policy's Allow", says.deny,
    { resource_policy = doc(allow { Principal = aws(ROOT) }, deny { Principal = aws(BOB) }), identity = { everything } }, "denied", "explicit_deny" },
  { "the order of Deny and Allow does not matter", says.deny,
    { resource_policy = doc(deny { Principal = aws(BOB) }, allow { Principal = aws(BOB) }) }, "denied", "explicit_deny" },
  { "a Deny for another action does not hit", says.deny,
    { resource_policy = key_for(BOB), identity = { doc(deny { Action = "kms:Encrypt" }) } }, "allowed" },
  { "a Deny for the account hits everybody in it", says.account,
    { resource_policy = doc(allow { Principal = aws(BOB) }, deny { Principal = aws(ROOT) }) }, "denied", "explicit_deny" },
  { "a Deny for everybody hits the one who is allowed by name", says.deny,
    { resource_policy = doc(allow { Principal = aws(BOB) }, deny { Principal = "*" }) }, "denied", "explicit_deny" },
  { "a Deny in the boundary beats a direct grant", says.deny,
    { resource_policy = key_for(BOB), boundary = doc(deny()) }, "denied", "explicit_deny" },
  { "a Deny in a session policy beats a direct grant", says.deny,
    { principal = session, resource_policy = key_for(SESSION), session = { doc(deny()) } }, "denied", "explicit_deny" },
  { "a Deny in a service control policy beats every Allow", says.deny,
    { resource_policy = key_for(BOB), identity = { everything }, service_control = { { everything, doc(deny()) } } }, "denied", "explicit_deny" },

  -- key policies
  { "an identity policy alone opens no key", says.key_first, { resource_policy = doc(allow { Principal = aws(ROLE) }), identity = { everything } },
    "denied", "no_resource_grant" },
  { "a key without a policy is open to nobody", says.key, { identity = { everything } }, "denied", "no_resource_grant" },
  { "the key policy alone is enough for a user it names", says.direct, { resource_policy = key_for(BOB) }, "allowed" },
  { "the key policy alone is enough for the role it names", says.trust, { principal = session, resource_policy = key_for(ROLE) }, "allowed" },
  { "the account statement alone gives a user nothing", says.account, { resource_policy = delegated }, "denied", "no_identity_grant" },
  { "the account statement and an identity policy together allow", says.account,
    { resource_policy = delegated, identity = { everything } }, "allowed" },
  { "the bare account number is the account statement", says.account,
    { resource_policy = key_for(A), identity = { everything } }, "allowed" },
  { "the bare account number alone gives nothing either", says.account, { resource_policy = key_for(A) }, "denied", "no_identity_grant" },
  { "a bare account number is the account in every partition", says.account,
    { principal = { arn = "arn:aws-us-gov:iam::" .. A .. ":user/x", kind = "user" }, resource_policy = key_for(A), identity = { everything },
      resource = "arn:aws-us-gov:kms:us-gov-west-1:" .. A .. ":key/1" }, "allowed" },
  { "the account's root user may do what the account statement says", says.default, { principal = root, resource_policy = delegated }, "allowed" },
  { "the root user has nothing on a key that does not name the account", says.key,
    { principal = root, resource_policy = key_for(BOB) }, "denied", "no_resource_grant" },
  { "any principal opens the key to users of the account", says.star, { resource_policy = key_for("*") }, "allowed" },
  { "Principal * is Principal AWS *", says.star, { resource_policy = doc(allow { Principal = "*" }) }, "allowed" },
  { "several principals are alternatives", "This is a logical OR and not a logical AND.",
    { resource_policy = doc(allow { Principal = aws(ROLE, BOB) }) }, "allowed" },
  { "a path is part of a user's ARN", says.wildcard, { resource_policy = key_for("arn:aws:iam::" .. A .. ":user/bob") }, "denied",
    "no_resource_grant" },
  { "a user's name is case-sensitive", "In a Principal element, the user name part of the ARN is case sensitive.",
    { resource_policy = key_for("arn:aws:iam::" .. A .. ":user/team/Bob") }, "denied", "no_resource_grant" },
  { "a wildcard inside a principal matches nobody", says.wildcard,
    { resource_policy = key_for("arn:aws:iam::" .. A .. ":user/*") }, "denied", "no_resource_grant" },
  { "a key statement without Resource has no effect", says.no_effect,
    { resource_policy = key_for(BOB, { Resource = false }) }, "denied", "no_resource_grant" },
  { "a key statement without Action has no effect", says.no_effect,
    { resource_policy = key_for(BOB, { Action = false }) }, "denied", "no_resource_grant" },
  { "the vendor's policy lets the CMEK role decrypt", says.trust,
    { principal = { arn = "arn:aws:sts::" .. A .. ":assumed-role/crdb-cmek/crl", kind = "session", role_arn = CMEK },
    resource_policy = cmek_policy }, "allowed" },
  { "the vendor's policy does not let the CMEK role change it", says.account,
    { principal = { arn = "arn:aws:sts::" .. A .. ":assumed-role/crdb-cmek/crl", kind = "session", role_arn = CMEK },
      action = "kms:PutKeyPolicy", resource_policy = cmek_policy }, "denied", "no_identity_grant" },
  { "the vendor's statement alone would lock the administrator out", says.key_first,
    { action = "kms:PutKeyPolicy", identity = { everything }, resource_policy = { Version = "2012-10-17", Statement = cmek_policy.Statement[1] } },
    "denied", "no_resource_grant" },
  { "kms:GenerateDataKey* reaches the variant without plaintext", says.star_text,
    { principal = { arn = "arn:aws:sts::" .. A .. ":assumed-role/crdb-cmek/crl", kind = "session", role_arn = CMEK },
      action = "kms:GenerateDataKeyWithoutPlaintext", resource_policy = cmek_policy }, "allowed" },

  -- roles, sessions, unique ids
  { "a session is its role, with the role's path",
    "The role session principal is granted the permissions based on the ARN of the role that was assumed.",
    { principal = session, resource_policy = key_for(ROLE) }, "allowed" },
  { "a session's role without its path is another role", says.wildcard,
    { principal = session, resource_policy = key_for("arn:aws:iam::" .. A .. ":role/cmek") }, "denied", "no_resource_grant" },
  { "without a role ARN the session's own name gives it", "arn:aws:sts::AWS-account-ID:assumed-role/role-name/role-session-name",
    { principal = { arn = SESSION, kind = "session" }, resource_policy = key_for("arn:aws:iam::" .. A .. ":role/cmek") }, "allowed" },
  { "a session ARN names this session", says.direct, { principal = session, resource_policy = key_for(SESSION) }, "allowed" },
  { "another session of the role is not this one", "Principals must always name a specific session.",
    { principal = session, resource_policy = key_for("arn:aws:sts::" .. A .. ":assumed-role/cmek/other") }, "denied", "no_resource_grant" },
  { "a stored role id is the role that has it", says.unique, { principal = session, resource_policy = key_for("AROACMEKCMEKCMEKCMEKC") }, "allowed" },
  { "a role made again does not match the old id", says.unique,
    { principal = { arn = SESSION, kind = "session", role_arn = ROLE, unique_id = "AROANEWNEWNEWNEWNEWNE:run" },
      resource_policy = key_for("AROACMEKCMEKCMEKCMEKC") }, "denied", "no_resource_grant" },
  { "a stored user id is the user that has it", says.unique, { resource_policy = key_for("AIDABOBBOBBOBBOBBOBBO") }, "allowed" },
  { "an id does not match somebody whose id is not known", says.unique,
    { principal = { arn = BOB, kind = "user" }, resource_policy = key_for("AIDABOBBOBBOBBOBBOBBO") }, "denied", "no_resource_grant" },

  -- boundaries and session policies
  { "a boundary limits what identity policies give", says.boundary,
    { resource_policy = delegated, identity = { everything }, boundary = doc(allow { Action = "s3:*" }) }, "denied", "boundary" },
  { "a boundary gives nothing itself", "It limits the user's permissions but does not provide permissions on its own.",
    { resource_policy = delegated, boundary = everything }, "denied", "no_identity_grant" },
  { "boundary and identity policy together allow", says.boundary,
    { resource_policy = delegated, identity = { everything }, boundary = everything }, "allowed" },
  { "a boundary does not limit a grant to the user's ARN", says.direct,
    { resource_policy = key_for(BOB), boundary = doc(allow { Action = "s3:*" }) }, "allowed" },
  { "a boundary limits a grant to the role's ARN", says.role,
    { principal = session, resource_policy = key_for(ROLE), boundary = doc(allow { Action = "s3:*" }) }, "denied", "boundary" },
  { "a boundary does not limit a grant to the session's ARN", says.direct,
    { principal = session, resource_policy = key_for(SESSION), boundary = doc(allow { Action = "s3:*" }) }, "allowed" },
  { "a boundary does not limit a grant to everybody", says.star_arn,
    { principal = session, boundary = doc(allow { Action = "s3:*" }),
      resource_policy = doc(allow { Principal = "*", Condition = { ArnEquals = { ["aws:PrincipalArn"] = ROLE } } }) }, "allowed" },
  { "a session policy limits what identity policies give", says.session,
    { principal = session, resource_policy = delegated, identity = { everything }, session = { doc(allow { Action = "s3:*" }) } }, "denied",
    "session" },
  { "a session policy limits a grant to the role's ARN", says.role,
    { principal = session, resource_policy = key_for(ROLE), session = { doc(allow { Action = "s3:*" }) } }, "denied", "session" },
  { "a session policy does not limit a grant to the session's ARN", says.direct,
    { principal = session, resource_policy = key_for(SESSION), session = { doc(allow { Action = "s3:*" }) } }, "allowed" },
  { "a session policy gives nothing itself", says.session,
    { principal = session, resource_policy = delegated, session = { everything } }, "denied", "no_identity_grant" },
  { "one of several session policies is enough",
    "The resulting session's permissions are the intersection of the identity-based policy and the session policies.",
    { principal = session, resource_policy = key_for(ROLE), session = { doc(allow { Action = "s3:*" }), everything } }, "allowed" },

  -- service control policies
  { "a level of SCPs that does not allow denies", says.scp,
    { resource_policy = key_for(BOB), service_control = { { doc(allow { Action = "s3:*" }) } } }, "denied", "service_control" },
  { "every level of SCPs must allow", says.scp_levels,
    { resource_policy = key_for(BOB), service_control = { { everything }, { doc(allow { Action = "s3:*" }) }, { everything } } }, "denied",
    "service_control" },
  { "on one level any policy may allow", says.scp_levels,
    { resource_policy = key_for(BOB), service_control = { { doc(allow { Action = "s3:*" }), everything } } }, "allowed" },
  { "SCPs give nothing themselves", "No permissions are granted by an SCP.", { resource_policy = delegated, service_control = { { everything } } },
    "denied", "no_identity_grant" },
  { "SCPs limit the root user too", "The SCP maximum applies to principals in member accounts, including each AWS account root user.",
    { principal = root, resource_policy = delegated, service_control = { { doc(allow { Action = "s3:*" }) } } }, "denied", "service_control" },

  -- two accounts
  { "across accounts the key policy alone is not enough", says.both, { principal = stranger, resource_policy = key_for(OTHER_BOB) },
    "denied", "no_identity_grant" },
  { "across accounts the identity policy alone is not enough", says.both, { principal = stranger, resource_policy = delegated,
    identity = { everything } },
    "denied", "no_resource_grant" },
  { "across accounts both together allow", says.both, { principal = stranger, resource_policy = key_for(OTHER_BOB),
    identity = { everything } }, "allowed" },
  { "the other account may be named as a whole", says.other_account,
    { principal = stranger, resource_policy = key_for(OTHER_ROOT), identity = { everything } }, "allowed" },
  { "the other account's statement does not do its own half", says.other_account, { principal = stranger, resource_policy = key_for(OTHER_ROOT) },
    "denied", "no_identity_grant" },
  { "everybody still means both halves across accounts",
    "For principals in other accounts, they must also have identity-based permissions in their account.",
    { principal = stranger, resource_policy = key_for("*") }, "denied", "no_identity_grant" },
  { "a boundary limits the other account's half", says.both,
    { principal = stranger, resource_policy = key_for(OTHER_BOB), identity = { everything }, boundary = doc(allow { Action = "s3:*" }) },
    "denied", "boundary" },
  { "the account a resource is in may be said", says.both,
    { principal = stranger, resource = "*", resource_kind = "key", resource_account = A, resource_policy = key_for(OTHER_BOB),
    identity = { everything } }, "allowed" },
  { "the role of another account needs a policy on the key", says.both,
    { principal = { arn = "arn:aws:sts::" .. B .. ":assumed-role/crdb-cmek/crl", kind = "session" },
      resource_policy = key_for("arn:aws:iam::" .. B .. ":role/crdb-cmek") }, "denied", "no_identity_grant" },

  -- trust policies
  { "trust naming the caller is enough in one account", says.trust,
    { action = "sts:AssumeRole", resource = ROLE, resource_policy = trusts(BOB) }, "allowed" },
  { "trust in the account wants the caller's policy too", says.account,
    { action = "sts:AssumeRole", resource = ROLE, resource_policy = trusts(ROOT) }, "denied", "no_identity_grant" },
  { "trust in the account and the caller's policy allow", says.account,
    { action = "sts:AssumeRole", resource = ROLE, resource_policy = trusts(ROOT), identity = { doc(allow { Action = "sts:AssumeRole",
    Resource = ROLE }) } }, "allowed" },
  { "all rights do not help without trust", says.trust,
    { action = "sts:AssumeRole", resource = ROLE, resource_policy = trusts(OTHER_ROOT), identity = { everything } }, "denied", "trust" },
  { "root users assume no roles", "STS answers: Roles may not be assumed by root accounts.",
    { principal = root, action = "sts:AssumeRole", resource = ROLE, resource_policy = trusts(ROOT), identity = { everything } }, "denied", "trust" },
  { "a service may be trusted by name", "The policy enables the service to assume the role.",
    { principal = { arn = "ec2.amazonaws.com", kind = "service" }, action = "sts:AssumeRole", resource = ROLE,
      resource_policy = trusts { Service = "ec2.amazonaws.com" } }, "allowed" },
  { "another service is not trusted", "A service principal is an identifier for a service.",
    { principal = { arn = "lambda.amazonaws.com", kind = "service" }, action = "sts:AssumeRole", resource = ROLE,
      resource_policy = trusts { Service = "ec2.amazonaws.com" } }, "denied", "trust" },
  { "a service is not in the account", "A service principal is an identifier for a service.",
    { principal = { arn = "ec2.amazonaws.com", kind = "service" }, action = "sts:AssumeRole", resource = ROLE,
    resource_policy = trusts(ROOT) }, "denied", "trust" },
  { "the right external ID opens the CMEK role", says.external,
    { principal = stranger, action = "sts:AssumeRole", resource = CMEK, resource_policy = cmek_trust, identity = { everything },
      context = { ["sts:ExternalId"] = ORG } }, "allowed" },
  { "a wrong external ID does not", says.external,
    { principal = stranger, action = "sts:AssumeRole", resource = CMEK, resource_policy = cmek_trust, identity = { everything },
      context = { ["sts:ExternalId"] = "another organization" } }, "denied", "trust" },
  { "no external ID does not", says.external,
    { principal = stranger, action = "sts:AssumeRole", resource = CMEK, resource_policy = cmek_trust, identity = { everything } }, "denied",
    "trust" },
  { "an external ID that nobody asked for is ignored", "An ExternalId that the trust policy does not check has no effect.",
    { principal = stranger, action = "sts:AssumeRole", resource = CMEK, resource_policy = trusts(OTHER_ROOT), identity = { everything },
      context = { ["sts:ExternalId"] = "whatever" } }, "allowed" },
  { "the right external ID from a third account does not help", says.trust,
    { principal = { arn = "arn:aws:iam::456789012345:user/eve", kind = "user" }, action = "sts:AssumeRole", resource = CMEK,
      resource_policy = cmek_trust, identity = { everything }, context = { ["sts:ExternalId"] = ORG } }, "denied", "trust" },
  { "one's own account may not assume the CMEK role", says.trust,
    { action = "sts:AssumeRole", resource = CMEK, resource_policy = cmek_trust, identity = { everything }, context = { ["sts:ExternalId"] = ORG } },
    "denied", "trust" },

  -- NotAction, NotResource, NotPrincipal
  { "NotAction allows everything else", "NotAction matches everything except the specified list of actions.",
    { resource_policy = delegated, identity = { doc(allow { Action = false, NotAction = "iam:*" }) } }, "allowed" },
  { "NotAction does not allow what it names", "NotAction matches everything except the specified list of actions.",
    { resource_policy = delegated, identity = { doc(allow { Action = false, NotAction = "kms:*" }) } }, "denied", "no_identity_grant" },
  { "NotAction with Deny denies everything else",
    "NotAction with Deny denies access to all of the listed resources except for the actions specified.",
    { resource_policy = key_for(BOB), identity = { doc(deny { Action = false, NotAction = "iam:*" }) } }, "denied", "explicit_deny" },
  { "NotResource spares what it names", "NotResource matches every resource except those specified.",
    { resource_policy = key_for(BOB), identity = { doc(deny { Resource = false, NotResource = KEY }) } }, "allowed" },
  { "NotResource reaches the rest", "NotResource matches every resource except those specified.",
    { resource_policy = key_for(BOB), identity = { doc(deny { Resource = false, NotResource = KEY .. "x" }) } }, "denied", "explicit_deny" },
  { "NotPrincipal with Allow allows nobody", "NotPrincipal must be used with Effect Deny. Using it with Effect Allow is not supported.",
    { resource_policy = doc(allow { NotPrincipal = aws(ROLE) }) }, "denied", "no_resource_grant" },
  { "NotPrincipal spares the user named with its account", says.not_principal,
    { resource_policy = doc(allow { Principal = aws(BOB) }, deny { NotPrincipal = aws(BOB, ROOT) }) }, "allowed" },
  { "NotPrincipal without the account may deny it", says.not_principal,
    { resource_policy = doc(allow { Principal = aws(BOB) }, deny { NotPrincipal = aws(BOB) }) }, "unknown" },
  { "NotPrincipal denies who is not named", "NotPrincipal denies access to all principals except the principal specified.",
    { resource_policy = doc(allow { Principal = aws(BOB) }, deny { NotPrincipal = aws(ROLE, OTHER_ROOT) }) }, "denied", "explicit_deny" },
  { "NotPrincipal spares a session named with its role and account", says.not_principal,
    { principal = session, resource_policy = doc(allow { Principal = aws(ROLE) }, deny { NotPrincipal = aws(SESSION, ROLE, ROOT) }) }, "allowed" },
  { "NotPrincipal with role and account alone may deny the session", says.not_principal,
    { principal = session, resource_policy = doc(allow { Principal = aws(ROLE) }, deny { NotPrincipal = aws(ROLE, ROOT) }) }, "unknown" },
  { "NotPrincipal always denies who has a boundary",
    "The NotPrincipal element with a Deny effect will always deny any IAM principal that has a permissions boundary policy attached.",
    { boundary = everything, resource_policy = doc(allow { Principal = aws(BOB) }, deny { NotPrincipal = aws(BOB, ROOT) }) }, "denied",
    "explicit_deny" },

  -- patterns
  { "actions do not mind case", says.case, { resource_policy = key_for(BOB, { Action = "KMS:decrypt" }) }, "allowed" },
  { "an action pattern with * and ?", says.star_text, { resource_policy = key_for(BOB, { Action = "kms:De?ry*" }) }, "allowed" },
  { "? is exactly one character", says.star_text, { resource_policy = key_for(BOB, { Action = "kms:Decryp?t" }) }, "denied", "no_resource_grant" },
  { "a service is not the prefix of another", says.case, { resource_policy = key_for(BOB, { Action = "km:*" }) }, "denied", "no_resource_grant" },
  { "a list of actions is alternatives", says.case,
    { resource_policy = key_for(BOB, { Action = json.array { "kms:Encrypt", "kms:Decrypt" } }) }, "allowed" },
  { "resources mind case", "In the Resource element, names are case sensitive.",
    { resource_policy = delegated, identity = { doc(allow { Resource = KEY:upper():gsub("^ARN:AWS:KMS:US%-EAST%-1", "arn:aws:kms:us-east-1") }) } },
    "denied", "no_identity_grant" },
  { "a resource pattern over regions and keys", says.star_text,
    { resource_policy = delegated, identity = { doc(allow { Resource = "arn:aws:kms:*:" .. A .. ":key/*" }) } }, "allowed" },
  { "a resource pattern of another account", says.star_text,
    { resource_policy = delegated, identity = { doc(allow { Resource = "arn:aws:kms:*:" .. B .. ":key/*" }) } }, "denied", "no_identity_grant" },
  { "a * that ends its segment runs over colons", says.star_colon,
    { action = "logs:GetLogEvents", resource = STREAM, identity = { doc(allow { Action = "logs:*", Resource = LOGS .. ":*:one" }) } }, "allowed" },
  { "a * inside a segment is not promised to", says.star_colon,
    { action = "logs:GetLogEvents", resource = STREAM, identity = { doc(allow { Action = "logs:*", Resource = LOGS .. ":a*m:one" }) } }, "unknown" },
  { "an unfinished ARN is completed",
    "If you specify an incomplete ARN, AWS automatically completes the ARN by adding wildcard characters to all missing fields.",
    { resource_policy = delegated, identity = { doc(allow { Resource = "arn:aws:kms" }) } }, "allowed" },
  { "a field left out is not guessed",
    "If you specify an incomplete ARN, AWS automatically completes the ARN by adding wildcard characters to all missing fields.",
    { resource_policy = delegated, identity = { doc(allow { Resource = "arn:aws:kms:*:key/*" }) } }, "denied", "no_identity_grant" },

  -- policy variables
  { "a variable takes the request's value", "AWS substitutes a value from the request context key in place of the variable in your policy.",
    { resource_policy = delegated, identity = { doc(allow { Resource = "arn:aws:kms:us-east-1:" .. A .. ":key/${aws:PrincipalTag/key}" }) },
      context = { ["aws:PrincipalTag/key"] = "1234abcd-12ab-34cd-56ef-1234567890ab" } }, "allowed" },
  { "a variable's * is no wildcard", "${*} - use where you need an * (asterisk) character.",
    { resource_policy = delegated, identity = { doc(allow { Resource = "arn:aws:kms:us-east-1:" .. A .. ":key/${aws:PrincipalTag/key}" }) },
      context = { ["aws:PrincipalTag/key"] = "*" } }, "denied", "no_identity_grant" },
  { "a variable without value matches nothing", "Any attempt to match it fails and causes the statement to be invalid.",
    { resource_policy = delegated, identity = { doc(allow { Resource = "arn:aws:kms:us-east-1:" .. A .. ":key/${aws:PrincipalTag/key}" }) } },
    "denied", "no_identity_grant" },
  { "a variable without value may spoil the rest of its statement", says.unresolved,
    { resource_policy = delegated, identity = { doc(allow { Resource = json.array { KEY, "arn:aws:s3:::${aws:PrincipalTag/key}" } }) } }, "unknown" },
  { "without Version a variable is plain text", says.version,
    { resource_policy = delegated,
    identity = { { Statement = allow { Resource = "arn:aws:kms:us-east-1:" .. A .. ":key/${aws:PrincipalTag/key}" } } },
      context = { ["aws:PrincipalTag/key"] = "1234abcd-12ab-34cd-56ef-1234567890ab" } }, "denied", "no_identity_grant" },
  { "a user's name is known without being told", "It returns the user's friendly name (like Adele or David).",
    { resource_policy = doc(allow { Principal = aws(BOB), Condition = { StringEquals = { ["kms:ViaService"] = "${aws:username}" } } }),
      context = { ["kms:ViaService"] = "bob" } }, "allowed" },
  { "a role has no user name", "aws:username is not present for a role.",
    { principal = session, context = { ["kms:ViaService"] = "bob" },
      resource_policy = doc(allow { Principal = aws(SESSION), Condition = { StringEquals = { ["kms:ViaService"] = "${aws:username}" } } }) },
    "denied", "no_resource_grant" },

  -- other resources
  { "other resources are open to the account's identity policies",
    "If an action is allowed by an identity-based policy, a resource-based policy, or both, then AWS allows the action.",
    { action = "kms:CreateKey", resource = "*", identity = { everything } }, "allowed" },
  { "and closed without one", says.default, { action = "kms:CreateKey", resource = "*" }, "denied", "no_identity_grant" },
  { "a resource policy of another kind grants as well",
    "If either the identity-based policy or the resource-based policy within the same account allows the request and the other doesn't, "
        .. "the request is still allowed.",
    { action = "s3:GetObject", resource = "arn:aws:s3:::b/o", resource_policy = doc(allow { Principal = aws(BOB), Action = "s3:*" }) }, "allowed" },

  -- what cannot be seen
  { "unseen SCPs make an Allow unknown", says.visible, { resource_policy = key_for(BOB), unseen = { "service control policies" } }, "unknown" },
  { "unseen SCPs do not weaken a Deny", says.deny,
    { resource_policy = key_for(BOB), identity = { doc(deny()) }, unseen = { "service control policies" } }, "denied", "explicit_deny" },
  { "unseen SCPs cannot make up for a missing grant", says.key, { resource_policy = key_for(ROLE), unseen = { "service control policies" } },
    "denied", "no_resource_grant" },
  { "unseen identity policies might allow", says.visible, { resource_policy = delegated, unseen = { "identity policies" } }, "unknown" },
  { "unseen identity policies might deny", says.visible, { resource_policy = key_for(BOB), unseen = { "identity policies" } }, "unknown" },
  { "an unseen key policy might allow", says.visible, { identity = { everything }, unseen = { "key policy" } }, "unknown" },
  { "grants might allow", "To allow access you can use a key policy, IAM policies, and grants.",
    { resource_policy = key_for(ROLE), unseen = { "grants" } }, "unknown" },
  { "a policy of another account that nobody can see", says.visible,
    { principal = stranger, resource_policy = key_for(OTHER_BOB), identity = { everything },
    unseen = { "resource control policies of 210987654321" } }, "unknown" },
  { "a condition on a key that nobody knows", says.visible,
    { resource_policy = doc(allow { Principal = aws(BOB), Condition = { IpAddress = { ["aws:SourceIp"] = "203.0.113.0/24" } } }),
      unseen_context = { "aws:SourceIp", "aws:SourceVpc*" } }, "unknown" },
  { "a Deny on a key that nobody knows", says.visible,
    { resource_policy = doc(allow { Principal = aws(BOB) }, deny { Principal = "*",
    Condition = { StringNotEquals = { ["aws:SourceVpce"] = "vpce-1" } } }),
      unseen_context = { "aws:SourceVpc*" } }, "unknown" },
  { "another statement settles it without that key", says.deny,
    { resource_policy = doc(allow { Principal = aws(BOB) }, allow { Principal = aws(BOB),
    Condition = { IpAddress = { ["aws:SourceIp"] = "203.0.113.0/24" } } }),
      unseen_context = { "*" } }, "allowed" },

  -- malformed documents
  { "a key policy that is no JSON allows nobody", says.grammar, { resource_policy = "{", identity = { everything } }, "unknown" },
  { "an identity policy with a Principal is no identity policy", says.grammar,
    { resource_policy = delegated, identity = { doc(allow { Principal = aws(BOB) }) } }, "unknown" },
  { "a key statement without Principal spoils the policy", says.grammar, { resource_policy = doc(allow()) }, "unknown" },
  { "an Effect in another spelling spoils the policy", "The Effect value is case sensitive.",
    { resource_policy = doc({ Effect = "allow", Principal = aws(BOB), Action = "kms:*", Resource = "*" }) }, "unknown" },
  { "a malformed policy beside an explicit Deny is denied", says.deny,
    { resource_policy = key_for(BOB), identity = { "[]", doc(deny()) } }, "denied", "explicit_deny" },
}

local function request_of(change)
  local request = { principal = bob, action = "kms:Decrypt", resource = KEY }
  for name, value in pairs(change) do request[name] = value end
  return request
end

for _, case in ipairs(cases) do
  local sentence, _, change, verdict, reason = table.unpack(case)
  test["policy: " .. sentence] = function()
    local result = policy.evaluate(request_of(change))
    test.equal(result.verdict, verdict)
    if verdict ~= "unknown" then test.equal(result.reason, reason or "allow") end
    test.contains(result.text, verdict == "allowed" and " may do " or verdict == "denied" and " may not do " or " may or may not do ")
    if verdict == "unknown" then test.truthy(#result.unseen > 0, "an unknown verdict names what it hangs on") end
  end
end

-- Cases that an evaluator gets wrong, by the reason they should have.
local function wrong_verdicts(evaluate)
  local wrong = {}
  for _, case in ipairs(cases) do
    if evaluate(request_of(case[3])).verdict ~= case[4] then wrong[case[5] or "allow"] = (wrong[case[5] or "allow"] or 0) + 1 end
  end
  return wrong
end

test["policy: these cases catch an evaluator that does not see Deny"] = function()
  test.equal(wrong_verdicts(policy.evaluate), {})
  local faulty = dofile("tests/faults/policy_deny_ignored.lua")(require("policy.evaluate"))
  test.truthy(wrong_verdicts(faulty.evaluate).explicit_deny >= 10)
end

test["policy: these cases catch an evaluator that does not see conditions"] = function()
  local function without(document)
    local text = type(document) == "table" and policy.json(document) or document
    return (text:gsub('"Condition":%b{}', '"Sid":"x"'))
  end
  local wrong = wrong_verdicts(function(request)
    if request.resource_policy then request.resource_policy = without(request.resource_policy) end
    return policy.evaluate(request)
  end)
  test.truthy(wrong.trust >= 2)
end

test["policy: every case names AWS's words"] = function()
  for _, case in ipairs(cases) do
    test.truthy(type(case[2]) == "string" and #case[2] > 10, case[1])
  end
  test.truthy(#cases >= 110, "there are " .. #cases .. " cases")
end

test["policy: documents may be text, and an Allow read as text is the same"] = function()
  local text = policy.json(key_for(BOB))
  test.equal(policy.evaluate(request_of { resource_policy = text }).verdict, "allowed")
end

test["policy: a verdict names the statement behind it"] = function()
  local result = policy.evaluate(request_of { resource_policy = doc(allow { Principal = aws(BOB) }, deny { Principal = aws(BOB), Sid = "No" }) })
  test.equal(result.statement, { policy = "key policy", sid = "No", index = 2 })
  test.contains(result.text, 'key policy, statement 2 "No" denies it')
end

test["policy: a refusal names the statement and field that came nearest"] = function()
  local result = policy.evaluate(request_of { principal = stranger, action = "sts:AssumeRole", resource = CMEK, resource_policy = cmek_trust,
    identity = { everything }, context = { ["sts:ExternalId"] = "wrong" } })
  test.equal(result.near.statement, { policy = "trust policy", index = 1 })
  test.equal(result.near.misses, { { field = "Condition.StringEquals.sts:externalid", want = { ORG }, have = "wrong" } })
  test.contains(result.text, 'the request has "wrong"')
end

test["policy: an unknown verdict lists what could not be seen"] = function()
  local result = policy.evaluate(request_of { resource_policy = key_for(BOB), unseen = { "service control policies" } })
  test.equal(result.unseen, { "service control policies" })
  test.equal(result.reason, "unseen")
end

test["policy: a request without a principal is a mistake of the caller"] = function()
  test.raises(function() policy.evaluate { action = "kms:Decrypt", resource = KEY } end, "field 'principal'")
  test.raises(function() policy.evaluate { principal = bob, resource = KEY } end, "field 'action'")
end

test["policy: evaluating changes neither request nor documents"] = function()
  local request = request_of { resource_policy = key_for(BOB), unseen = { "grants" }, context = { ["aws:SourceIp"] = "192.0.2.1" } }
  local before = json.encode(request)
  policy.evaluate(request)
  test.equal(json.encode(request), before)
end
