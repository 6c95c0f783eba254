--- Who may do what, and why not: AWS's evaluation of identity policies, resource policies, boundaries, session
--- policies and service control policies, for one request.
--- Every statement is matched once, with NO, MAYBE or YES. Then the rules run twice: hoping (a MAYBE allows and never
--- denies) and fearing (the reverse). Where both agree the verdict is certain, else it is unknown.
local condition = require("policy.condition")
local document = require("policy.document")
local explain = require("policy.explain")
local pattern = require("policy.pattern")
local principals = require("policy.principal")
local sorted = require("sorted")

local NO, MAYBE, YES = pattern.NO, pattern.MAYBE, pattern.YES
local M = {}

-- Statements -----------------------------------------------------------------------------------------------------

local function match_action(statement, request)
  local list = statement.action or statement.not_action
  if not list then return NO end
  local found = NO
  for _, action in ipairs(list) do found = math.max(found, (pattern.like(action:lower(), request.action))) end
  return statement.action and found or YES - found
end

local function match_resource(statement, request, resolve, source)
  local list = statement.resource or statement.not_resource
  if not list then return source.kind == "role" and YES or NO end
  local found, broken = NO, false
  for _, resource in ipairs(list) do
    local one, why = pattern.resource(resource, request.resource, resolve)
    found, broken = math.max(found, one), broken or why == "unresolved"
  end
  if statement.not_resource then found = YES - found end
  return broken and math.min(found, MAYBE) or found
end

local function miss(list, field, want, have) list[#list + 1] = { field = field, want = want, have = have } end

local function match_condition(statement, request, resolve, misses)
  local met, unmet = condition.evaluate(statement.condition, request.lookup, resolve)
  for _, one in ipairs(unmet) do
    miss(misses, ("Condition.%s.%s"):format(one.operator, one.key), one.want, one.have)
  end
  return met
end

local function flat(map)
  local list = {}
  for _, names in sorted(map or {}) do table.move(names, 1, #names, #list + 1, list) end
  return list
end

-- One statement against the request: { source, statement, effect, match, grant, misses }.
local function judge_statement(statement, request, source)
  local resolve = source.version == "2012-10-17" and request.resolve or nil
  local misses = {}
  local principal, grant = YES, "direct"
  if source.principals then
    principal, grant = principals.match(statement, request.who, request.bounded)
    if principal < YES then
      miss(misses, statement.not_principal and "NotPrincipal" or "Principal",
        flat(statement.principal or statement.not_principal), request.who.arn)
    end
  end
  local action, resource = match_action(statement, request), match_resource(statement, request, resolve, source)
  if action < YES then
    miss(misses, statement.action and "Action" or "NotAction", statement.action or statement.not_action or {}, request.said)
  end
  if resource < YES then
    miss(misses, statement.not_resource and "NotResource" or "Resource", statement.resource or statement.not_resource or {}, request.resource)
  end
  local met = match_condition(statement, request, resolve, misses)
  return { source = source.label, statement = statement, effect = statement.effect, grant = grant, misses = misses,
    match = math.min(principal, action, resource, met) }
end

-- What cannot be read may say anything: it allows and denies, maybe.
local function anything(label, only)
  local list = {}
  for _, effect in ipairs(only and { only } or { "Allow", "Deny" }) do
    list[#list + 1] = { source = label, effect = effect, match = MAYBE, grant = "direct", misses = {}, blind = true }
  end
  return list
end

local function broken(statement, source)
  if statement.effect ~= "Allow" and statement.effect ~= "Deny" then return "its Effect is neither Allow nor Deny" end
  if not source.principals and (statement.principal or statement.not_principal) then return "an identity policy has no Principal" end
  if source.principals and not (statement.principal or statement.not_principal) then return "it names no Principal" end
  if statement.principal and statement.principal.malformed then return "its Principal is no object" end
  if statement.raw.Condition ~= nil and type(statement.raw.Condition) ~= "table" then return "its Condition is no object" end
end

-- All statements of one document; a document that AWS would not have taken may say anything.
local function judge(text, source, request)
  local normal, message = document.normalise(text)
  local list = {}
  if normal then source.version = normal.version end
  for index, statement in ipairs(normal and normal.statements or {}) do
    local wrong = broken(statement, source)
    if wrong then
      message = ("statement %d: %s"):format(index, wrong)
      break
    end
    list[index] = judge_statement(statement, request, source)
  end
  if not message then return list end
  local label = ("%s (malformed: %s)"):format(source.label, message)
  request.unseen[#request.unseen + 1] = label
  return anything(label)
end

local function judge_all(documents, label, request, into)
  into = into or {}
  if type(documents) == "string" or (documents and not document.is_list(documents) and next(documents) ~= nil) then
    documents = { documents }
  end
  for index, text in ipairs(documents or {}) do
    local name = #documents > 1 and ("%s %d"):format(label, index) or label
    local judged = judge(text, { label = name }, request)
    table.move(judged, 1, #judged, #into + 1, into)
  end
  return into
end

-- The request -----------------------------------------------------------------------------------------------------

local function principal_type(who)
  return ({ user = "User", session = "AssumedRole", role = "AssumedRole", root = "Account" })[who.kind]
end

-- What every request carries, where the caller of this function left it out.
local function implied(who, request)
  local keys = {
    ["aws:principalarn"] = who.role_arn or (who.kind ~= "service" and who.arn or nil),
    ["aws:principalaccount"] = who.account,
    ["aws:principaltype"] = principal_type(who),
    ["aws:principalisawsservice"] = tostring(who.kind == "service"),
    ["aws:userid"] = who.kind == "root" and who.account or who.user_id,
    ["aws:resourceaccount"] = request.resource_account,
  }
  if who.kind == "user" then keys["aws:username"] = who.arn:match("([^/:]+)$") end
  if who.kind == "service" then keys["aws:principalservicename"] = who.arn end
  return keys
end

local function context_of(request, who)
  local keys = implied(who, request)
  for name, value in sorted(request.context or {}) do
    keys[name:lower()] = type(value) == "table" and value or tostring(value)
  end
  local unseen = request.unseen_context or {}
  return function(name)
    if keys[name] ~= nil then return keys[name] end
    for _, like in ipairs(unseen) do
      if pattern.like(like:lower(), name) == YES then return condition.UNSEEN end
    end
  end
end

local function resolver(lookup)
  return function(name)
    local value = lookup(name:lower())
    if value == condition.UNSEEN then return nil, "unseen" end
    if type(value) == "table" then return nil, "unresolved" end
    return value
  end
end

local function resource_kind(request)
  if request.resource_kind then return request.resource_kind end
  if request.action:lower():find("^sts:assumerole") then return "role" end
  if request.resource:find("^arn:[^:]*:kms:[^:]*:%d*:key/") then return "key" end
end

local function need(request, name)
  if type(request[name]) ~= "string" then
    error(("policy.evaluate: field '%s' must be a string, got %s"):format(name, type(request[name])), 4)
  end
end

local labels = { key = "key policy", role = "trust policy" }

-- What the caller of this function says it could not look at, by where it would act; any other word can only deny.
local blind_spots = {
  ["identity policies"] = "identity", ["resource policy"] = "resource", ["key policy"] = "resource",
  ["trust policy"] = "resource", ["grants"] = "grants", ["session policies"] = "session",
  ["permissions boundary"] = "boundary",
}

local function look_away(word, sets)
  local place = blind_spots[word]
  if place == "grants" then
    table.move(anything(word, "Allow"), 1, 1, #sets.resource + 1, sets.resource)
  elseif place then
    sets[place] = sets[place] or {}
    table.move(anything(word), 1, 2, #sets[place] + 1, sets[place])
  else
    sets.levels[#sets.levels + 1] = anything(word)
  end
end

local function prepare(request)
  for _, name in ipairs { "action", "resource" } do need(request, name) end
  if type(request.principal) ~= "table" or type(request.principal.arn) ~= "string" then
    error("policy.evaluate: field 'principal' must be a table with arn", 3)
  end
  local who = principals.caller(request.principal)
  local lookup, kind = context_of(request, who), resource_kind(request)
  return {
    who = who, said = request.action, action = request.action:lower(), resource = request.resource,
    kind = kind, label = labels[kind] or "resource policy", lookup = lookup, resolve = resolver(lookup),
    bounded = request.boundary ~= nil, unseen = table.move(request.unseen or {}, 1, #(request.unseen or {}), 1, {}),
    account = request.resource_account or request.resource:match("^arn:[^:]*:[^:]*:[^:]*:(%d+):") or who.account,
  }
end

-- Every policy's statements, matched.
local function match_all(request, asked)
  local sets = { levels = {}, resource = {}, identity = judge_all(request.identity, "identity policy", asked) }
  sets.boundary = request.boundary and judge_all(request.boundary, "permissions boundary", asked)
  sets.session = request.session and judge_all(request.session, "session policy", asked)
  if request.resource_policy then
    sets.resource = judge(request.resource_policy, { label = asked.label, principals = true, kind = asked.kind }, asked)
  end
  for _, level in ipairs(request.service_control or {}) do
    sets.levels[#sets.levels + 1] = judge_all(level, "service control policy", asked)
  end
  for _, word in ipairs(request.unseen or {}) do look_away(word, sets) end
  return sets
end

-- The rules -------------------------------------------------------------------------------------------------------

-- Hoping, a MAYBE allows and does not deny; fearing, the reverse.
local function counts(one, hoping)
  if one.effect == "Allow" then return one.match >= (hoping and MAYBE or YES) end
  return one.match >= (hoping and YES or MAYBE)
end

local function first(list, effect, hoping)
  for _, one in ipairs(list) do
    if one.effect == effect and counts(one, hoping) then return one end
  end
end

local function strongest(list, hoping)
  local best
  for _, one in ipairs(list) do
    local grants = one.effect == "Allow" and counts(one, hoping)
    if grants and (not best or principals.strength[one.grant] > principals.strength[best.grant]) then best = one end
  end
  return best
end

local function denied(reason, one) return { verdict = "denied", reason = reason, by = one } end
local function allowed(one) return { verdict = "allowed", reason = "allow", by = one } end

local function explicit_deny(sets, hoping)
  for _, list in ipairs { sets.resource, sets.identity, sets.boundary or {}, sets.session or {} } do
    local one = first(list, "Deny", hoping)
    if one then return denied("explicit_deny", one) end
  end
  for _, level in ipairs(sets.levels) do
    local one = first(level, "Deny", hoping)
    if one then return denied("explicit_deny", one) end
  end
end

-- Boundary and session policy: what limits a role's ARN and the identity policies, and grants nothing.
local function limits(sets, hoping)
  if sets.boundary and not first(sets.boundary, "Allow", hoping) then return denied("boundary") end
  if sets.session and not first(sets.session, "Allow", hoping) then return denied("session") end
end

-- "By default, all requests are implicitly denied with the exception of the AWS account root user."
local function identity_side(sets, asked, hoping)
  if asked.who.kind == "root" then return allowed() end
  local one = first(sets.identity, "Allow", hoping)
  if not one then return denied("no_identity_grant") end
  return limits(sets, hoping) or allowed(one)
end

local function no_grant(asked) return denied(asked.kind == "role" and "trust" or "no_resource_grant") end

-- In one account either side is enough, but for keys and roles, whose policies must allow and may delegate.
local function same_account(sets, asked, grant, hoping)
  local reach = grant and grant.grant
  if reach == "direct" or (reach == "account" and asked.who.kind == "root") then return allowed(grant) end
  if reach == "role" then return limits(sets, hoping) or allowed(grant) end
  if not grant and (asked.kind == "key" or asked.kind == "role") then return no_grant(asked) end
  local identity = identity_side(sets, asked, hoping)
  if identity.verdict == "allowed" and not identity.by then identity.by = grant end
  return identity
end

local function rules(sets, asked, hoping)
  local deny = explicit_deny(sets, hoping)
  if deny then return deny end
  for _, level in ipairs(sets.levels) do
    if not first(level, "Allow", hoping) then return denied("service_control") end
  end
  -- STS answers "Roles may not be assumed by root accounts."
  if asked.kind == "role" and asked.who.kind == "root" then return denied("trust") end
  local grant = strongest(sets.resource, hoping)
  if asked.who.kind == "service" or asked.who.kind == "federated" then
    return grant and allowed(grant) or no_grant(asked)
  end
  if asked.who.account == asked.account then return same_account(sets, asked, grant, hoping) end
  if not grant then return no_grant(asked) end
  local identity = identity_side(sets, asked, hoping)
  return identity.verdict == "allowed" and allowed(grant) or identity
end

--- May this principal do this? Unknown, never allowed, when it hangs on something that cannot be seen.
--- Documents are JSON text or tables. Absent lists are empty: say in `unseen` what could not be looked at
--- ("identity policies", "key policy", "trust policy", "resource policy", "grants" may also allow; "session policies",
--- "permissions boundary", "service control policies" and every other word can only deny), and in `unseen_context`
--- which condition keys, * and ? allowed, nobody here can know.
---@param request { principal: { arn: string, account: string?, role_arn: string?, unique_id: string?, kind: string? },
---  action: string, resource: string, resource_account: string?, resource_kind: string?, context: table?, identity: table?,
---  resource_policy: any, boundary: any, session: table?, service_control: table?, unseen: string[]?, unseen_context: string[]? }
---@return { verdict: "allowed"|"denied"|"unknown", reason: string, statement: table?, text: string, unseen: string[], near: table? }
---@example print(policy.evaluate { principal = { arn = role.arn }, action = "kms:Encrypt", resource = key.arn, resource_policy = document }.text)
function M.evaluate(request)
  local asked = prepare(request)
  local sets = match_all(request, asked)
  local hope = rules(sets, asked, true)
  if hope.verdict == "denied" then return explain.result(hope, asked, sets) end
  local fear = rules(sets, asked, false)
  if fear.verdict == "allowed" then return explain.result(hope, asked, sets) end
  for _, doubt in ipairs(explain.doubts(sets)) do asked.unseen[#asked.unseen + 1] = doubt end
  fear.verdict = "unknown"
  return explain.result(fear, asked, sets)
end

return M
