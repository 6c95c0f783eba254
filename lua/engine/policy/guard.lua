--- What must hold of a policy before it is put, judged as it would stand, cmek's own statements beside those that are kept: the
--- caller keeps control, nobody is let in without a name, the role that CockroachDB assumes gets the five actions and no more, and
--- the service's quota suffices.
local foreign = require "engine.policy.foreign"
local pattern = require "policy.pattern"
local policies = require "policy"

local M = {}

local KEY_POLICY_MAX <const> = 32768   -- bytes
local TRUST_USUAL <const>, TRUST_MAX <const> = 2048, 4096   -- characters, white space not counted; AWS raises the first to the second on demand

local function list_of(value) return type(value) == "table" and value or { value } end

local function statements_of(document)
  local list = policies.parse(document).Statement
  return list.Effect and { list } or list
end

-- Whether a statement names its principals by a wildcard, or by all that it does not name.
local function is_open(statement)
  if statement.Effect ~= "Allow" then return false end
  if statement.NotPrincipal ~= nil or statement.Principal == "*" then return true end
  if type(statement.Principal) ~= "table" then return false end
  for _, names in require("sorted")(statement.Principal) do
    for _, name in ipairs(list_of(names)) do
      if tostring(name):find "[*?]" then return true end
    end
  end
  return false
end

-- A wanted statement that lets in who is not named.
local function unnamed(want)
  for _, statement in ipairs(statements_of(want)) do
    if is_open(statement) then
      return ("the wanted policy's %s lets everybody in: name who is meant as its Principal"):format(foreign.label(statement))
    end
  end
end

-- A statement of others that does, and that no condition keeps inside the account: it would be put again in our name.
local function open_to_all(want, found, account)
  for _, statement in ipairs(found and policies.foreign(want, found) or {}) do
    if is_open(statement) and #foreign.outsiders(statement, account) > 0 then
      return ("%s, which is not cmek's and would be put again, lets everybody in: remove it (cmek verify prints the command), or name "
        .. "who is meant"):format(foreign.label(statement))
    end
  end
end

-- The five actions cover a wanted one when their patterns do: a * of the wanted one is a character to them.
local function covered(action)
  for _, allowed in ipairs(require("policy.build").USE_ACTIONS) do
    if pattern.like(allowed:lower(), action:lower()) == pattern.YES then return true end
  end
  return false
end

local function excess(statement)
  if statement.NotAction ~= nil then return "everything but " .. table.concat(list_of(statement.NotAction), ", ") end
  local list = {}
  for _, action in ipairs(list_of(statement.Action)) do
    if not covered(tostring(action)) then list[#list + 1] = tostring(action) end
  end
  return #list > 0 and table.concat(list, ", ") or nil
end

--- What a statement allows a role that CockroachDB Cloud assumes, beyond using the key; nil when nothing.
---@param context engine.Context
---@param statement table
---@return string?
function M.excess(context, statement)
  local names = statement.Effect == "Allow" and type(statement.Principal) == "table" and statement.Principal.AWS
  for _, name in ipairs(names and list_of(names) or {}) do
    if (context.outside or {})[name] then
      local more = excess(statement)
      return more and ("lets the role that CockroachDB Cloud assumes do %s: it needs %s, and nothing else"):format(more,
        table.concat(require("policy.build").USE_ACTIONS, ", "))
    end
  end
end

-- A statement that does, as the policy would stand.
local function beyond(context, document)
  for _, statement in ipairs(statements_of(document)) do
    local text = M.excess(context, statement)
    if text then return ("%s %s: remove it (cmek verify prints the command)"):format(foreign.label(statement), text) end
  end
end

-- A session's ARN does not tell its role's path, so the role may be named under any.
local function named_by_role(document, identity)
  local role = identity.arn:match ":assumed%-role/([^/]+)/"
  return role ~= nil and policies.json(document):find("/" .. role .. '"', 1, true) ~= nil
end

-- Would the caller still be allowed to change the policy? KMS refuses it otherwise.
local function lockout(document, identity, region)
  if named_by_role(document, identity) then return nil end
  local partition = identity.arn:match "^arn:([^:]+)"
  local verdict = policies.evaluate {
    principal = { arn = identity.arn, account = identity.account, unique_id = identity.user_id }, action = "kms:PutKeyPolicy",
    resource = ("arn:%s:kms:%s:%s:key/new"):format(partition, region, identity.account), resource_account = identity.account,
    resource_kind = "key", resource_policy = document, unseen = { "identity policies" },
    context = { ["aws:RequestedRegion"] = region, ["aws:SecureTransport"] = "true" }, unseen_context = { "*" },
  }
  if verdict.verdict == "denied" then
    return ("under the wanted key policy %s could not change it again, which KMS refuses; name it with --admin as well: %s"):format(
      identity.arn, verdict.text)
  end
end

local DOCUMENTS <const> = {
  kms = { create_key = "Policy", put_key_policy = "Policy" },
  iam = { create_role = "AssumeRolePolicyDocument", update_assume_role_policy = "PolicyDocument" },
}

--- Raises when a call that a recipe makes itself would put a policy that lets everybody in.
---@param service string
---@param name string        "put_key_policy"
---@param parameters any
function M.call(service, name, parameters)
  local field = (DOCUMENTS[service] or {})[name]
  local document = field and type(parameters) == "table" and parameters[field]
  local reason = document and policies.parse(document) and unnamed(document)
  if reason then
    require("engine.failure").raise { code = "refused", service = service, what = ("calling %s.%s"):format(service, name), message = reason }
  end
end

--- Notes a role that outsiders assume: no key's policy gives it more than the five actions.
---@param context engine.Context
---@param arn string  its ARN, or what stands for it in a plan
function M.outside(context, arn)
  context.outside = context.outside or {}
  context.outside[arn] = true
end

--- Why a key's policy is not put; nil when it may be.
---@param context engine.Context
---@param want table|string
---@param found string?  the policy that the key has
---@param region string
---@return string?
function M.key(context, want, found, region)
  local identity = context:identity()
  local document = policies.merge(want, found)
  local size = #policies.json(document)
  if size > KEY_POLICY_MAX then
    return ("the key policy would have %d bytes, and KMS takes %d: name fewer administrators, by their role instead of one by one"):format(
      size, KEY_POLICY_MAX)
  end
  return unnamed(want) or open_to_all(want, found, identity.account) or beyond(context, document)
    or lockout(document, identity, region)
end

--- Why a key's policy that was changed by one statement of cmek's alone is not put; nil when it may be.
---@param context engine.Context
---@param document string  all of it, as it would stand
---@param region string
---@return string?
function M.whole(context, document, region)
  if #document > KEY_POLICY_MAX then
    return ("the key policy would have %d bytes, and KMS takes %d: shorten a statement of it, or take one out that nobody needs"):format(
      #document, KEY_POLICY_MAX)
  end
  return lockout(document, context:identity(), region)
end

-- Whether a statement wants an external ID.
local function wants_external_id(statement)
  for operator, keys in require("sorted")(type(statement.Condition) == "table" and statement.Condition or {}) do
    for key in require("sorted")(type(keys) == "table" and keys or {}) do
      if operator == "StringEquals" and key:lower() == "sts:externalid" then return true end
    end
  end
  return false
end

-- A wanted statement that lets another account in, whoever makes it: CockroachDB's account works for every customer.
local function unasked(want, account)
  for _, statement in ipairs(statements_of(want)) do
    local who = foreign.outsiders(statement, account)[1]
    if who and not who:find "%.amazonaws%.com[%w.]*$" and not wants_external_id(statement) then
      return ("the wanted trust policy's %s lets %s assume the role without an external ID, on behalf of anybody: want the organization's ID "
        .. "as sts:ExternalId (policy.cross_account does)"):format(foreign.label(statement), who)
    end
  end
end

--- Why a role's trust policy is not put; nil when it may be.
---@param context engine.Context
---@param want table|string
---@param found string?  the trust policy that the role has
---@return string?
function M.trust(context, want, found)
  local size = #policies.json(policies.merge(want, found)):gsub("%s", "")
  if size > TRUST_MAX then
    return ("the trust policy would have %d characters, and IAM takes %d: remove statements that are not needed"):format(size, TRUST_MAX)
  elseif size > TRUST_USUAL then
    context:warn(("the trust policy would have %d characters, and IAM takes %d, unless AWS has raised the quota ACLSizePerRole"):format(size,
      TRUST_USUAL))
  end
  local account = context:identity().account
  return unnamed(want) or unasked(want, account) or open_to_all(want, found, account)
end

return M
