--- What AWS refuses: the credentials, what they may do, how often and how much.

-- What statements that deny making things often let through.
local RULES <const> = { CreateRole = "--permissions-boundary ARN, --role-path PATH or --tag KEY=VALUE", CreateKey = "--tag KEY=VALUE" }

-- What "… is not authorized to perform: kms:CreateKey on resource: …" says.
local function denial(refusal)
  local message = refusal.message or ""
  return {
    action = message:match "not authorized to perform: ([%w%-]+:%w+)" or ("%s:%s"):format(refusal.service, refusal.operation),
    who = message:match "^User: (%S+)" or "these credentials",
    where = message:match "explicit deny in (an? [%a%- ]*policy)" or message:match "explicit deny in (an? [%a%- ]*boundary)" or "a policy",
    rules = RULES[refusal.operation] and "; a rule of the company may want " .. RULES[refusal.operation] or "",
    role = refusal.about and refusal.about.RoleArn or message:match "on resource: (%S+)$" or "the role",
  }
end

local UNKNOWN_ID <const> = "InvalidClientTokenId UnrecognizedClientException AuthFailure"
local EXPIRED <const> = "ExpiredToken ExpiredTokenException RequestExpired"
local SIGNATURE <const> = "SignatureDoesNotMatch InvalidSignatureException IncompleteSignature IncompleteSignatureException "
  .. "MissingAuthenticationToken MissingAuthenticationTokenException"
local DENIED <const> = "AccessDenied AccessDeniedException AuthorizationError"
local THROTTLED <const> = "Throttling ThrottlingException ThrottledException RequestThrottled TooManyRequestsException RequestLimitExceeded SlowDown"
local QUOTA <const> = "LimitExceeded LimitExceededException"

return {
  { id = "aws.unsimulated", title = "the simulator does not have the service",
    fits = { codes = "UnknownOperationException InvalidAction", message = "is not simulated here" },
    cause = "of AWS, cmek sim and the sentences of a recipe have IAM, KMS, SNS, STS and tagging alone, and reach nothing real",
    evidence = "{service} {operation} was asked of the simulator",
    next = "leave it out of what is tried here, or plan it in an account of yours, where a plan only reads", commands = { "cmek help testing" } },

  { id = "aws.no-credentials", title = "no AWS credentials",
    cause = "role and keys are made with the credentials of an account of yours, and none were found",
    evidence = "{seen}",
    next = "export AWS_PROFILE=NAME, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or use --profile NAME; to try cmek without any",
    commands = { "cmek sim -- cmek plan console --cluster orders" } },

  { id = "aws.unknown-key", title = "AWS does not know the access key ID", exit = "credentials",
    fits = { codes = UNKNOWN_ID },
    cause = "AWS does not know this access key ID ({source}): it may be deleted or inactive, of another partition, "
      .. "a temporary one without its AWS_SESSION_TOKEN, or the region is not enabled for the account",
    evidence = "{service} answers {code}",
    next = "look which credentials are in force, and set them anew", commands = { "cmek whoami" } },

  { id = "aws.expired", title = "the session has expired", exit = "credentials",
    fits = { codes = EXPIRED },
    cause = "temporary credentials end after minutes or hours, and these have",
    evidence = "{service} answers {code} to {source}",
    next = "{source}: get new credentials (for a profile of IAM Identity Center: aws sso login), then run this again" },

  { id = "aws.other-account", title = "the credentials are of another account than --account",
    cause = "the AWS credentials that are in force, by flag, environment or profile, are not those that were meant",
    evidence = "STS says account {account} ({arn})",
    next = "name other credentials with --profile or AWS_PROFILE", commands = { "cmek whoami" } },

  { id = "aws.clock", title = "this machine's clock is wrong", exit = "credentials",
    fits = { codes = SIGNATURE, message = "signature expired" },
    facts = function() return { span = "more than five minutes" } end,
    cause = "requests are signed with the time, and AWS takes them for five minutes at most; the difference is put right once, for this run",
    evidence = "AWS's clock and this machine's are {span} apart",
    next = "set the clock", commands = { "timedatectl set-ntp true" } },

  { id = "aws.region", title = "the region is none of AWS's", exit = "usage",
    fits = { codes = SIGNATURE, message = "scoped to a valid region" },
    cause = "requests are signed for a region, and AWS has none of this name",
    evidence = "{service} was asked in the region {region}",
    next = "name another with --region or AWS_REGION; which one is in force, and why", commands = { "cmek whoami" } },

  { id = "aws.signature", title = "the secret access key does not fit, or something changes the request", exit = "credentials",
    fits = { codes = SIGNATURE },
    cause = "the secret access key does not belong to this access key ID, or something on the way changes the request",
    evidence = "{service} answers {code} to {source}",
    next = "{source}: the secret access key does not belong to this access key ID, or something on the way changes "
      .. "the request; check both, and the proxy if there is one" },

  { id = "aws.mfa", title = "the role wants a code of an MFA device", exit = "credentials",
    cause = "the profile's role is assumed with a one-time code, and nobody is there to type it",
    evidence = "profile '{profile}' has mfa_serial {serial}, and there is no terminal to ask at",
    next = "take a session at a terminal first, then run this with it", commands = { "{export}" } },

  { id = "aws.assume-role", title = "the role cannot be assumed",
    fits = { service = "sts", operations = "AssumeRole", codes = DENIED }, facts = denial,
    cause = "STS says the same when the role does not exist, does not trust {who}, or wants another external_id",
    evidence = "{who} asked for {role}",
    next = "STS says the same when the role does not exist, does not trust {who}, or wants another external_id: check these, "
      .. "and that sts:AssumeRole is allowed to it",
    commands = { "aws sts get-caller-identity" } },

  { id = "aws.scp", title = "a policy of the AWS organization denies it",
    fits = { codes = DENIED, message = "service control policy" }, facts = denial,
    cause = "a service control policy of the organization does not let accounts do this, whatever their own policies allow",
    evidence = "{action} by {who}",
    next = "have {action} allowed by those who administer the organization, or use an account or region that may",
    commands = { "cmek whoami" } },

  { id = "aws.boundary", title = "a permissions boundary denies it",
    fits = { codes = DENIED, message = "permissions boundary" }, facts = denial,
    cause = "a permissions boundary on these credentials leaves less than their policies allow",
    evidence = "{action} by {who}",
    next = "have {action} allowed in the boundary, or use other credentials (--profile)", commands = { "cmek whoami" } },

  { id = "aws.explicit-deny", title = "a policy denies it",
    fits = { codes = DENIED, message = "explicit deny" }, facts = denial,
    cause = "a statement with Effect Deny names this action: no other policy can allow it",
    evidence = "{action} is denied to {who} by {where}",
    next = "{action} is denied to {who} by {where}: have that statement changed, or use other credentials (--profile){rules}",
    commands = { "cmek whoami" } },

  { id = "aws.denied", title = "the credentials may not do it",
    fits = { codes = DENIED }, facts = denial,
    cause = "no policy of these credentials, and none of the thing, allows this action",
    evidence = "{action} by {who}",
    next = "allow {action} to {who}, or use other credentials (--profile)", commands = { "cmek whoami" } },

  { id = "aws.throttled", title = "AWS asks for fewer requests",
    fits = { codes = THROTTLED },
    cause = "account and region have a rate for each operation, which all its users share",
    evidence = "{service} {operation} was refused {attempts} times, with waits between",
    next = "run this again, or give it more patience: export AWS_MAX_ATTEMPTS=10" },

  { id = "iam.quota-roles", title = "the account has as many roles as it may",
    fits = { service = "iam", codes = QUOTA, message = "rolesperaccount" },
    cause = "an account has 1000 roles at most, until AWS raises that",
    evidence = "IAM says '{message}'",
    next = "remove what is not needed, or ask AWS for a higher quota (Service Quotas in the AWS console)",
    commands = { "aws service-quotas request-service-quota-increase --service-code iam --quota-code L-FE177D64 --desired-value 2000" } },

  { id = "iam.quota-trust", title = "the role's trust policy is too long",
    fits = { service = "iam", codes = QUOTA, message = "aclsizeperrole" },
    cause = "a trust policy has 2048 characters at most, white space not counted, until AWS raises that; statements of others are kept, and count",
    evidence = "IAM says '{message}'",
    next = "remove statements that nobody needs, or ask AWS for a higher quota (Service Quotas in the AWS console)",
    commands = { "aws service-quotas request-service-quota-increase --service-code iam --quota-code L-C07B4B0D --desired-value 4096" } },

  { id = "kms.on-demand", title = "KMS rotates the key on demand no more",
    fits = { service = "kms", codes = QUOTA, operations = "RotateKeyOnDemand" },
    cause = "KMS rotates the material of a key on demand 25 times in the key's life; its own rotation by time goes on",
    evidence = "KMS says '{message}' in {region}",
    next = "give the cluster new keys by a rotation without --rewrap, or wrap with what there is, without --on-demand",
    commands = { "cmek help rotating" } },

  { id = "kms.quota", title = "a quota of KMS is reached",
    fits = { service = "kms", codes = QUOTA },
    cause = "an account has so many keys, aliases and grants in a region at most; keys that are to be deleted count until they are gone",
    evidence = "KMS answers {code} to {operation} in {region}",
    next = "remove what is not needed, or ask AWS for a higher quota (Service Quotas in the AWS console)",
    commands = { "aws service-quotas list-service-quotas --region {region} --service-code kms" } },

  { id = "aws.quota", title = "a quota is reached",
    fits = { codes = QUOTA },
    cause = "the account has as many of these as it may",
    evidence = "{service} says '{message}'",
    next = "remove what is not needed, or ask AWS for a higher quota (Service Quotas in the AWS console)" },

  { id = "aws.tag-policy", title = "the organization's tag policy does not take a tag",
    fits = { codes = "TagException TagPolicyViolation TagPolicyException InvalidInput", message = "tag polic" },
    cause = "a tag policy of the organization decides which values a tag may have",
    evidence = "{service} says '{message}'",
    next = "run this again with a --tag KEY=VALUE that the tag policy allows; what was made is found and gone on with", other_arguments = true },

  { id = "aws.tags", title = "a tag is refused, or there are too many",
    fits = { codes = "TagException TagPolicyViolation TagPolicyException InvalidInput", message = "tag" },
    cause = "a thing has 50 tags at most; names and values are short, and aws: begins none of them",
    evidence = "{service} says '{message}'",
    next = "run this again with other tags (--tag KEY=VALUE): AWS takes 50, of letters, digits, blanks and _ . : / = + - @",
    other_arguments = true },

  { id = "iam.principal-unknown", title = "IAM does not know a principal of the trust policy",
    fits = { service = "iam", codes = "MalformedPolicyDocument", message = "invalid principal" },
    cause = "the trust policy names an account, role or user that is not there, or was made moments ago",
    evidence = "IAM says '{message}'",
    next = "run this again; if it stays so, look at the account that the Cloud names for the cluster", commands = { "cmek status" } },

  { id = "aws.region-disabled", title = "the region is not enabled for the account",
    fits = { codes = "RegionDisabledException OptInRequired" },
    cause = "regions that AWS opened after March 2019 are off until an account switches them on",
    evidence = "{service} answers {code}",
    next = "enable the region for the account", commands = { "aws account enable-region --region-name {region}" } },

  { id = "aws.trouble", title = "AWS has trouble of its own",
    fits = { services = "iam sts kms tagging", status_from = 500, not_html = true },
    cause = "the request was well-formed and the service failed to do it",
    evidence = "{service} {operation} answers {status} (requests: {attempts})",
    next = "run this again; https://health.aws.amazon.com tells of outages" },
}
