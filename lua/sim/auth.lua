--- Who calls, proved by the signature over the bytes that came; and whether he may, by sim's policies and policy.evaluate.
local crypto = require("crypto")
local json = require("json")
local policy = require("policy")
local sigv4 = require("sigv4")
local state = require("sim.state")
local time = require("sim.time")
local wire = require("sim.wire")

local M = {}

-- Codes -----------------------------------------------------------------------------------------------------------

-- What goes wrong before a service looks at the request: the code and status of IAM and STS, the code of the JSON services.
local codes = {
  missing   = { "MissingAuthenticationToken", 403, "MissingAuthenticationTokenException" },
  malformed = { "IncompleteSignature", 400, "IncompleteSignatureException" },
  unknown   = { "InvalidClientTokenId", 403, "UnrecognizedClientException" },
  expired   = { "ExpiredToken", 403, "ExpiredTokenException" },
  wrong     = { "SignatureDoesNotMatch", 403, "InvalidSignatureException" },
  denied    = { "AccessDenied", 403, "AccessDeniedException" },
}

local function refuse(call, what, message, ...)
  local row = codes[what]
  local text = select("#", ...) > 0 and message:format(...) or message
  if call.protocol == "json" then wire.refuse(row[3], text, 400) end
  wire.refuse(call.service == "sns" and what == "denied" and "AuthorizationError" or row[1], text, row[2])
end

-- Reading the Authorization ---------------------------------------------------------------------------------------

local function read_authorization(call, request)
  local text = wire.header(request, "authorization")
  if not text then return nil end
  if not text:find("^AWS4%-HMAC%-SHA256%s") then
    refuse(call, "malformed", "Unsupported AWS 'algorithm': '%s'", text:match("^%S*"))
  end
  local claim, absent = {}, {}
  for _, name in ipairs { "Credential", "Signature", "SignedHeaders" } do
    claim[name] = text:match("[%s,]" .. name .. "=([^,%s]*)")
    if not claim[name] then absent[#absent + 1] = ("Authorization header requires '%s' parameter."):format(name) end
  end
  claim.stamp = wire.header(request, "x-amz-date")
  if not claim.stamp then
    absent[#absent + 1] = "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
  end
  if #absent > 0 then refuse(call, "malformed", "%s", table.concat(absent, " ")) end
  claim.token = wire.header(request, "x-amz-security-token")
  return claim
end

-- The same from the query of a presigned URL.
local function read_presigned(request)
  local query = request.target:match("%?(.*)$")
  if not query or not query:find("X-Amz-Signature=", 1, true) then return nil end
  local claim, kept = { presigned = true }, {}
  for part in query:gmatch("[^&]+") do
    local name, value = part:match("^([^=]*)=?(.*)$")
    value = crypto.percent_decode(value)
    if name == "X-Amz-Signature" then claim.Signature = value else kept[#kept + 1] = part end
    if name == "X-Amz-Credential" then claim.Credential = value end
    if name == "X-Amz-SignedHeaders" then claim.SignedHeaders = value end
    if name == "X-Amz-Date" then claim.stamp = value end
    if name == "X-Amz-Security-Token" then claim.token = value end
    if name == "X-Amz-Expires" then claim.expires = tonumber(value) end
  end
  claim.query = table.concat(kept, "&")
  return claim
end

local function split_scope(call, claim)
  local parts = {}
  for part in (claim.Credential .. "/"):gmatch("([^/]*)/") do parts[#parts + 1] = part end
  if #parts ~= 5 then
    refuse(call, "malformed", "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term,\z
      got '%s'", claim.Credential)
  end
  claim.key, claim.day, claim.region, claim.service, claim.terminator = table.unpack(parts)
end

local function check_signed_headers(call, request, claim)
  claim.headers = {}
  local host = false
  for name in claim.SignedHeaders:gmatch("[^;]+") do
    host = host or name == "host"
    for _, header in ipairs(request.headers) do
      if #header[1] == #name and header[1]:lower() == name then claim.headers[#claim.headers + 1] = { name, header[2] } end
    end
  end
  if not host then
    refuse(call, call.protocol == "json" and "wrong" or "malformed", "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
  end
end

-- Times -----------------------------------------------------------------------------------------------------------

local function stamp(seconds)
  return (time.rfc3339(seconds):gsub("[-:]", ""))
end

-- Days since 1970-01-01 of a civil date (H. Hinnant's algorithm).
local function days(year, month, day)
  year = month <= 2 and year - 1 or year
  local era, of_era = year // 400, year % 400
  local day_of_year = (153 * (month + (month > 2 and -3 or 9)) + 2) // 5 + day - 1
  return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + day_of_year - 719468
end

local function seconds_of(text)
  local parts = { text:match("^(%d%d%d%d)(%d%d)(%d%d)T(%d%d)(%d%d)(%d%d)Z$") }
  if #parts ~= 6 then return nil end
  for index, part in ipairs(parts) do parts[index] = math.tointeger(part) end
  return days(parts[1], parts[2], parts[3]) * 86400 + parts[4] * 3600 + parts[5] * 60 + parts[6]
end

local function check_window(call, claim)
  local at, now = seconds_of(claim.stamp), math.floor(call.now)
  if not at then
    refuse(call, "malformed", "Date must be in ISO-8601 'basic format'. Got '%s'. See http://en.wikipedia.org/wiki/ISO_8601", claim.stamp)
  end
  local minutes = call.protocol == "json" and 5 or 15
  local past = claim.expires or minutes * 60
  if at < now - past then
    refuse(call, "wrong", "Signature expired: %s is now earlier than %s (%s - %d min.)", claim.stamp, stamp(now - past), stamp(now), past // 60)
  end
  if at > now + minutes * 60 then
    refuse(call, "wrong", "Signature not yet current: %s is still later than %s (%s + %d min.)",
      claim.stamp, stamp(now + minutes * 60), stamp(now), minutes)
  end
end

local function check_scope(call, claim)
  if claim.terminator ~= "aws4_request" then
    refuse(call, "wrong", "Credential should be scoped with a valid terminator: 'aws4_request', not '%s'.", claim.terminator)
  end
  if claim.service ~= call.service then
    refuse(call, "wrong", "Credential should be scoped to correct service: '%s'. ", call.service)
  end
  -- IAM is one for all regions, and clients with an endpoint of their own sign it with the client's region.
  if call.service ~= "iam" and not claim.region:find("^%l%l[%l-]*%-%l+%-%d+$") then
    refuse(call, "wrong", "Credential should be scoped to a valid Region, not '%s'. ", claim.region)
  end
  if claim.day ~= claim.stamp:sub(1, 8) then
    refuse(call, "wrong", "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s', from '%s'.",
      claim.day, claim.stamp:sub(1, 8), claim.stamp)
  end
end

local function check_signature(call, request, claim, secret)
  local path, query = request.target:match("^([^?]*)%??(.*)$")
  local wanted = sigv4.sign {
    method = request.method, path = path, query = claim.query or query, headers = claim.headers, body = request.body or "",
    access_key_id = claim.key, secret = secret, region = claim.region, service = claim.service, stamp = claim.stamp,
  }
  if not crypto.equal(wanted.signature, claim.Signature) then
    refuse(call, "wrong", "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key \z
      and signing method. Consult the service documentation for details.")
  end
end

-- Callers ---------------------------------------------------------------------------------------------------------

local function user_caller(simulation, key)
  if key.root then
    return { kind = "root", account = key.account, arn = ("arn:%s:iam::%s:root"):format(simulation.partition, key.account),
      user_id = key.account, identity = {} }
  end
  local account = simulation.state.aws[key.account]
  local user = account and state.find(account.iam.users, "UserName", key.user)
  if not user then return nil end
  return { kind = "user", account = key.account, arn = user.Arn, unique_id = user.UserId, user_id = user.UserId,
    identity = state.identity_policies(simulation.state, user), boundary = user.PermissionsBoundary, thing = user }
end

--- The caller that a session of a role is; nil when that role is gone.
function M.session_caller(simulation, session)
  local role, account = state.find_id(simulation.state, session.role_id)
  if not role then return nil end
  local id = session.role_id .. ":" .. session.name
  return { kind = "session", account = account, unique_id = id, user_id = id, role_arn = role.Arn, thing = role, session_policies = session.policies,
    arn = ("arn:%s:sts::%s:assumed-role/%s/%s"):format(simulation.partition, account, role.RoleName, session.name),
    identity = state.identity_policies(simulation.state, role), boundary = role.PermissionsBoundary, tags = session.tags }
end

-- The secret behind a key id, and who holds it.
local function holder(call, claim)
  local simulation = call.simulation
  local key = simulation.state._access_keys[claim.key]
  if key and not claim.token then return key.secret, user_caller(simulation, key) end
  local session = simulation.state._sessions[claim.key]
  if not session or not crypto.equal(session.token, claim.token or "") then return nil end
  if call.now >= session.expires then refuse(call, "expired", "The security token included in the request is expired") end
  return session.secret, M.session_caller(simulation, session)
end

--- Proves who sent the request and puts him into call.caller, the region into call.region; refuses the call otherwise.
---@param call table
---@param request table
function M.identify(call, request)
  local claim = read_authorization(call, request) or read_presigned(request)
  if not claim then refuse(call, "missing", "Request is missing Authentication Token") end
  split_scope(call, claim)
  call.region, call.access_key_id = claim.region, claim.key
  check_signed_headers(call, request, claim)
  local secret, caller = holder(call, claim)
  if not caller then refuse(call, "unknown", "The security token included in the request is invalid.") end
  check_window(call, claim)
  check_scope(call, claim)
  check_signature(call, request, claim, secret)
  call.caller = caller
end

--- Refuses the call as if its credentials had run out.
function M.expire(call) refuse(call, "expired", "The security token included in the request is expired") end

-- Authorization ---------------------------------------------------------------------------------------------------

-- Conditions that every request can be asked about.
local function context_of(call, more)
  local caller = call.caller
  local context = {
    ["aws:CurrentTime"] = time.rfc3339(call.now), ["aws:EpochTime"] = math.floor(call.now), ["aws:SecureTransport"] = true,
    ["aws:RequestedRegion"] = call.region, ["aws:SourceIp"] = "127.0.0.1", ["aws:UserAgent"] = call.user_agent,
  }
  local tags = {}
  for _, tag in ipairs(caller.thing and caller.thing.Tags or {}) do tags[tag.Key] = tag.Value end
  for _, tag in ipairs(caller.tags or {}) do tags[tag.Key] = tag.Value end
  for name, value in next, tags do context["aws:PrincipalTag/" .. name] = value end   -- in any order: a context has none
  for name, value in next, more or {} do context[name] = value end
  return context
end

--- Condition keys of tags that are asked for and of tags that are there. Tags are Key/Value or TagKey/TagValue.
---@return table context
function M.tag_context(requested, existing, keys)
  local context, names = {}, json.array {}
  for _, tag in ipairs(requested or {}) do
    local name = tag.Key or tag.TagKey
    context["aws:RequestTag/" .. name] = tag.Value or tag.TagValue
    names[#names + 1] = name
  end
  for _, name in ipairs(keys or {}) do names[#names + 1] = name end
  if #names > 0 then context["aws:TagKeys"] = names end
  for _, tag in ipairs(existing or {}) do context["aws:ResourceTag/" .. (tag.Key or tag.TagKey)] = tag.Value or tag.TagValue end
  return context
end

-- One document that allows everything and nothing beside it: what most callers here have. No rule can make it say no.
local function all_powerful(caller, question)
  local document = #caller.identity == 1 and caller.identity[1]
  if not document or question.policy or question.kind or caller.boundary or caller.session_policies or question.levels then return false end
  local list = document.Statement
  local only = type(list) == "table" and (list.Effect and list or #list == 1 and list[1])
  return only and only.Effect == "Allow" and only.Action == "*" and only.Resource == "*" and only.Condition == nil
end

local function weak() return setmetatable({}, { __mode = "k" }) end

-- Does a document say the same whatever the circumstances of the request?
local function unconditional(memory, document)
  local known = memory.unconditional[document]
  if known == nil then
    local text = json.encode(document)
    known = not text:find('"Condition"', 1, true) and not text:find("${", 1, true)
    memory.unconditional[document] = known
  end
  return known
end

-- Where the verdict of this question is kept, and under which name; nil when it hangs on more than names and two documents.
-- Documents are replaced and never changed, so a verdict holds as long as they live.
local function place_of(call, question)
  local caller, simulation = call.caller, call.simulation
  local identity, document = caller.identity[1], question.policy
  if #caller.identity ~= 1 or not document or caller.boundary or caller.session_policies or question.levels then return nil end
  simulation.verdicts = simulation.verdicts or { unconditional = weak(), of = weak() }
  local memory = simulation.verdicts
  if not (unconditional(memory, identity) and unconditional(memory, document)) then return nil end
  memory.of[document] = memory.of[document] or weak()
  local verdicts = memory.of[document]
  verdicts[identity] = verdicts[identity] or {}
  return verdicts[identity], table.concat({ caller.arn, caller.unique_id or "", question.action, question.resource, question.account or "" }, "|")
end

local function ask(call, question)
  local caller, simulation = call.caller, call.simulation
  return policy.evaluate {
    principal = { arn = caller.arn, account = caller.account, role_arn = caller.role_arn, unique_id = caller.unique_id, kind = caller.kind },
    action = question.action, resource = question.resource, resource_account = question.account or caller.account,
    context = context_of(call, question.context), identity = caller.identity,
    boundary = caller.boundary and state.managed_policy(simulation.state, caller.boundary.PermissionsBoundaryArn),
    resource_policy = question.policy, resource_kind = question.kind or "resource", session = caller.session_policies,
    service_control = question.levels,
  }
end

--- The service control policies above the caller's account, by level; nil when it is in no organization.
function M.organization(call)
  local account = call.simulation.state.aws[call.caller.account]
  return account and account.organization and account.organization.ServiceControlPolicies
end

--- What policy.evaluate says about the caller and one action.
---@param call table
---@param question { action: string, resource: string, account: string?, policy: table?, kind: string?, context: table? }
---@return table verdict
function M.evaluate(call, question)
  question.levels = M.organization(call)
  if all_powerful(call.caller, question) then return { verdict = "allowed", reason = "allow" } end
  local verdicts, name = place_of(call, question)
  if not verdicts then return ask(call, question) end
  verdicts[name] = verdicts[name] or ask(call, question)
  return verdicts[name]
end

local sources = {
  ["key policy"] = "resource-based policy", ["trust policy"] = "resource-based policy", ["resource policy"] = "resource-based policy",
  ["identity policy"] = "identity-based policy", ["permissions boundary"] = "permissions boundary",
  ["session policy"] = "session policy", ["service control policy"] = "service control policy",
}

local lacking = {
  no_identity_grant = "identity-based policy", no_resource_grant = "resource-based policy", trust = "resource-based policy",
  boundary = "permissions boundary", session = "session policy", service_control = "service control policy",
}

local function explain(question, verdict)
  if verdict.reason == "explicit_deny" then
    local source = verdict.statement and sources[(verdict.statement.policy:gsub(" %d+$", ""))] or "identity-based policy"
    return (" with an explicit deny in %s %s"):format(source:find("^[aeiou]") and "an" or "a", source)
  end
  return (" because no %s allows the %s action"):format(lacking[verdict.reason] or "identity-based policy", question.action)
end

--- Refuses the call unless its caller may do what is asked.
---@param call table
---@param question table  as for evaluate; brief = true: the refusal does not say why, as STS does it
function M.authorize(call, question)
  local verdict = M.evaluate(call, question)
  if verdict.verdict == "allowed" then return end
  local text = ("User: %s is not authorized to perform: %s on resource: %s"):format(call.caller.arn, question.action, question.resource)
  refuse(call, "denied", "%s", question.brief and text or text .. explain(question, verdict))
end

--- Refuses the call with AccessDenied and this text.
function M.deny(call, text) refuse(call, "denied", "%s", text) end

return M
