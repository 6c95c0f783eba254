--- What to do about a refusal: the next command to type, or the setting that mends it, for the common ones.
local M = {}

local TRY <const> = "to try cmek without any: cmek sim -- cmek plan console --cluster orders"
local KEYS <const> = "service accounts and their API keys are made in the Cloud Console under Access Management > Service accounts"

--- How to get an API key for CockroachDB Cloud.
M.NO_API_KEY = ("export COCKROACH_API_KEY=… (%s); %s"):format(KEYS, TRY)

--- How to get AWS credentials.
M.NO_AWS = "export AWS_PROFILE=NAME, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or use --profile NAME; " .. TRY

-- CockroachDB Cloud ------------------------------------------------------------------------------------------------

local function cloud_status(refusal)
  if refusal.status == 401 then
    refusal.exit, refusal.kind = "credentials", "credentials"
    return ("the Cloud does not accept %s: check it, or make another; %s"):format(refusal.source or "the API key", KEYS)
  end
  if refusal.status == 403 then
    return "give the service account the role Cluster Operator (or Cluster Admin) on this cluster: "
      .. "Cloud Console > Access Management > Service accounts"
  end
  if refusal.status == 404 and refusal.operation == "GetCluster" then
    return "cmek status lists the clusters that this key sees"
  end
end

-- AWS --------------------------------------------------------------------------------------------------------------

local function wrong_credentials(text)
  return function(refusal)
    refusal.exit, refusal.kind = "credentials", "credentials"
    return text:format(refusal.source or "the credentials")
  end
end

local unknown_id = wrong_credentials("AWS does not know this access key ID (%s): it may be deleted or inactive, of another partition, "
  .. "a temporary one without its AWS_SESSION_TOKEN, or the region is not enabled for the account")
local expired = wrong_credentials "%s: get new credentials (for a profile of IAM Identity Center: aws sso login), then run this again"
local wrong_secret = wrong_credentials("%s: the secret access key does not belong to this access key ID, or something on the way changes "
  .. "the request; check both, and the proxy if there is one")

-- What statements that deny making things often let through.
local RULES <const> = { CreateRole = "--permissions-boundary ARN, --role-path PATH or --tag KEY=VALUE", CreateKey = "--tag KEY=VALUE" }

-- "… is not authorized to perform: kms:CreateKey on resource: …"
local function denied(refusal)
  local message = refusal.message or ""
  local action = message:match "not authorized to perform: ([%w%-]+:%w+)" or ("%s:%s"):format(refusal.service, refusal.operation)
  local who = message:match "^User: (%S+)" or "these credentials"
  if refusal.operation == "AssumeRole" then
    return ("STS says the same when the role does not exist, does not trust %s, or wants another external_id: check these, "
      .. "and that sts:AssumeRole is allowed to it"):format(who)
  end
  if message:find("explicit deny", 1, true) then
    local where = message:match "explicit deny in (an? [%a%- ]*policy)" or message:match "explicit deny in (an? [%a%- ]*boundary)"
    local rules = RULES[refusal.operation] and "; a rule of the company may want " .. RULES[refusal.operation] or ""
    return ("%s is denied to %s by %s: have that statement changed, or use other credentials (--profile)%s"):format(action, who,
      where or "a policy", rules)
  end
  return ("allow %s to %s, or use other credentials (--profile)"):format(action, who)
end

local function quota()
  return "remove what is not needed, or ask AWS for a higher quota (Service Quotas in the AWS console)"
end

-- A tag that the service, or a tag policy of the organization, does not take.
local function tags(refusal)
  local message = refusal.message or ""
  if not message:lower():find("tag", 1, true) then return nil end
  local policy = message:lower():find("tag policy", 1, true)
  return policy and "a tag policy of the organization decides which values a tag may have: give one that it allows with --tag KEY=VALUE"
    or "give other tags with --tag KEY=VALUE, or remove some of the thing's own: AWS takes 50, of letters, digits, blanks and _ . : / = + - @"
end

local CODES <const> = {
  TagException = tags, TagPolicyViolation = tags, TagPolicyException = tags, InvalidInput = tags,
  InvalidClientTokenId = unknown_id, UnrecognizedClientException = unknown_id, AuthFailure = unknown_id,
  ExpiredToken = expired, ExpiredTokenException = expired, RequestExpired = expired,
  SignatureDoesNotMatch = wrong_secret, InvalidSignatureException = wrong_secret,
  IncompleteSignature = wrong_secret, IncompleteSignatureException = wrong_secret,
  MissingAuthenticationToken = wrong_secret, MissingAuthenticationTokenException = wrong_secret,
  AccessDenied = denied, AccessDeniedException = denied,
  LimitExceeded = quota, LimitExceededException = quota,
}

-- The way there ----------------------------------------------------------------------------------------------------

local FAULTS <const> = {
  { "libcurl cannot be used", "install libcurl: apt-get install libcurl4 (on Debian 13 and Ubuntu 24.04 libcurl4t64)" },
  { "setting certificate", "AWS_CA_BUNDLE, CURL_CA_BUNDLE or SSL_CERT_FILE names a file of certificates that cannot be read" },
  { "certificate", "the certificate is of an authority that is not trusted here: export AWS_CA_BUNDLE=FILE.pem with the authority's certificate" },
  { "proxy scheme", "HTTPS_PROXY is no proxy's address: http://HOST:PORT" },
  { "resolve", "check the name, the region and DNS; behind a proxy set HTTPS_PROXY" },
  { "response 407", "the proxy wants to know who asks: export HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT" },
  { "connect tunnel failed", "the proxy does not let us through to this host: have it allowed there, or name the host in NO_PROXY" },
  { "refused", "nothing listens there: check the endpoint%s" },
  { "connect to", "nothing answers there: check the endpoint%s, the network and HTTPS_PROXY" },
  { "connect", "check the network, the endpoint%s and HTTPS_PROXY" },
  { "remaining to read", "the answer was cut short on the way: run this again; if that does not help, check the proxies between" },
  { "longer than", "that is no answer of this service: check the endpoint%s and HTTPS_PROXY" },
  { "an html page", "somebody else than the service answers: check the endpoint%s and HTTPS_PROXY" },
  { "sends us to", "somebody else than the service answers: check the endpoint%s and HTTPS_PROXY" },
  { "the answer is", "somebody else than the service answers: check the endpoint%s and HTTPS_PROXY" },
}

local function transport(refusal)
  local message = tostring(refusal.message):lower()
  local from = refusal.endpoint_source and (" (%s)"):format(refusal.endpoint_source) or ""
  for _, fault in ipairs(FAULTS) do
    if message:find(fault[1], 1, true) then return (fault[2]:format(from)) end
  end
  -- a write whose outcome is open is not to be repeated by hand
  if refusal.kind ~= "lost" or refusal.unknown then return nil end
  return ("run this again; if that does not help, check the endpoint%s and the proxies between"):format(from)
end

--- Adds what to do next, and the class of exit status, to a refusal.
---@param refusal table  as Refusal; also `source`, where the credentials came from, and `endpoint_source`, the setting that names the endpoint
---@return table refusal
function M.complete(refusal)
  local explain = CODES[refusal.code]
  local following
  if refusal.service == "cloud" then
    following = cloud_status(refusal)
  elseif explain then
    following = explain(refusal)
  end
  local silent = refusal.kind == "unsent" or refusal.kind == "lost" or (refusal.message or ""):find "^an HTML page"
    or (refusal.status or 400) < 400
  if not following and silent then following = transport(refusal) end
  refusal.next = refusal.next or following
  return refusal
end

--- A service's words as they may be shown: without what would steer a terminal.
---@param text string?
---@return string?
function M.plain(text)
  return text and (text:gsub("[\0-\8\11-\31\127]", " "):gsub("\194[\128-\159]", " "))
end

local GLIMPSE <const> = 160   -- characters

-- One line of text that can be shown and written as JSON, cut to what a message can bear.
local function line_of(text)
  local line = text:gsub("[%c%s]+", " "):gsub("^ ", ""):gsub(" $", "")
  if not utf8.len(line) then line = line:gsub("[\128-\255]", "?") end
  if utf8.len(line) <= GLIMPSE then return line end
  return line:sub(1, utf8.offset(line, GLIMPSE) - 1) .. "…"
end

--- What stands in an answer that could not be read: an HTML page's words, else its beginning, in one line.
---@param text string?
---@return string
function M.glimpse(text)
  if not text or text == "" then return "nothing" end
  local page = text:lower():find("<!doctype html", 1, true) or text:lower():find("<html", 1, true)
  local words = page and text:gsub("<[sS][tT][yY][lL][eE].-</[^>]*>", " "):gsub("<[^>]*>", " ") or text
  return (page and "an HTML page: %s" or "'%s'"):format(line_of(words))
end

return M
