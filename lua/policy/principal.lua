--- The Principal of a statement, held against the one who calls.
local pattern = require("policy.pattern")
local sorted = require("sorted")

local NO, MAYBE, YES = pattern.NO, pattern.MAYBE, pattern.YES
local M = {}

local function kind_of(arn)
  if arn:find(":assumed-role/", 1, true) then return "session" end
  if arn:find(":user/", 1, true) then return "user" end
  if arn:find(":role/", 1, true) then return "role" end
  if arn:find(":root$") then return "root" end
  if arn:find("^[%w.-]+%.amazonaws%.com") then return "service" end
  return "user"
end

-- The role behind a session, without its path, which a session's ARN does not show.
local function role_of(arn)
  local partition, account, name = arn:match("^arn:([^:]+):sts::(%d+):assumed%-role/([^/]+)/")
  return partition and ("arn:%s:iam::%s:role/%s"):format(partition, account, name)
end

--- The caller in the words of this module.
---@param principal { arn: string, account: string?, role_arn: string?, unique_id: string?, kind: string? }
function M.caller(principal)
  local arn = principal.arn
  local kind = principal.kind or kind_of(arn)
  return {
    arn = arn, kind = kind,
    account = principal.account or arn:match("^arn:[^:]*:[^:]*:[^:]*:(%d+):"),
    role_arn = kind == "session" and (principal.role_arn or role_of(arn)) or kind == "role" and arn or nil,
    unique_id = principal.unique_id and principal.unique_id:match("^[^:]+"),
    user_id = principal.unique_id,
  }
end

-- The account that an entry names, by root ARN (an account is in one partition only) or bare number.
local function account_in(entry) return entry:match("^arn:[^:]*:iam::(%d+):root$") or entry:match("^%d+$") end

-- What an entry of Principal.AWS says about the caller: the kind of grant, or nil. "A statement for the account"
-- delegates; a role's ARN is limited by boundary and session policy; the rest grants directly.
local function grant_of(entry, who)
  if entry == "*" then return "direct" end
  if who.kind == "service" or who.kind == "federated" then return nil end
  if who.account and account_in(entry) == who.account then return "account" end
  if entry == who.arn then return who.kind == "role" and "role" or "direct" end
  if entry == who.role_arn then return "role" end
  if who.unique_id and entry == who.unique_id then return who.role_arn and "role" or "direct" end
end

--- How far an Allow reaches: an account delegates, a role's ARN is limited by boundary and session policy.
M.strength = { account = 1, role = 2, direct = 3 }

local function stronger(one, other)
  return (M.strength[one] or 0) >= (M.strength[other] or 0) and one or other
end

local function named(principals, who)
  local best
  for _, entry in ipairs(principals.AWS or {}) do best = stronger(best, grant_of(entry, who)) end
  local own = who.kind == "service" and principals.Service or who.kind == "federated" and principals.Federated or {}
  for _, entry in ipairs(own) do
    if entry == who.arn then best = "direct" end
  end
  return best
end

-- "When you use NotPrincipal, you must also specify the account ARN of the not-denied principal. Otherwise, the policy
-- might deny access to the entire account": all of session, role and account excepts for certain, some of them maybe.
-- "NotPrincipal with a Deny effect will always deny any IAM principal that has a permissions boundary attached."
local function excepted(principals, who, bounded)
  local wanted, listed, missing = {}, {}, 0
  for _, name in ipairs { who.arn, who.role_arn or who.arn, who.kind ~= "service" and who.account or who.arn } do wanted[name] = true end
  if who.kind == "root" then wanted[who.arn] = nil end
  for _, list in sorted(principals) do
    for _, entry in ipairs(list) do
      if entry == "*" then return YES end
      local name = account_in(entry) or entry
      if wanted[name] then listed[name] = true end
    end
  end
  for name in sorted(wanted) do
    if not listed[name] then missing = missing + 1 end
  end
  if bounded or next(listed) == nil then return NO end
  return missing == 0 and YES or MAYBE
end

--- Does the statement speak of the caller?
---@param bounded boolean  has the caller a permissions boundary?
---@return integer answer, string? grant "account", "role" or "direct"
function M.match(statement, who, bounded)
  if statement.not_principal then
    -- "Using it with Effect Allow is not supported."
    if statement.effect ~= "Deny" then return NO end
    return YES - excepted(statement.not_principal, who, bounded), "direct"
  end
  local grant = named(statement.principal or {}, who)
  return grant and YES or NO, grant
end

return M
