--- Statements of a policy that are not cmek's: they are kept, and judged by whom they let in.
local json = require "json"
local sorted = require "sorted"

local M = {}

local function list_of(value) return type(value) == "table" and value or { value } end

-- Reading about a key, or telling more about a session, lets nobody use anything.
local function harmless(action)
  local word = action:lower()
  return word:find "^kms:describe" or word:find "^kms:list" or word:find "^kms:get[^*]" or word == "sts:tagsession"
    or word == "sts:setsourceidentity"
end

local function only_harmless(statement)
  if statement.Action == nil then return false end
  for _, action in ipairs(list_of(statement.Action)) do
    if not harmless(tostring(action)) then return false end
  end
  return true
end

local ACCOUNT_KEYS <const> = { ["aws:principalaccount"] = true, ["aws:sourceaccount"] = true, ["aws:sourceowner"] = true,
  ["kms:calleraccount"] = true }
local ARN_KEYS <const> = { ["aws:sourcearn"] = true, ["aws:principalarn"] = true }
local EQUAL <const> = { StringEquals = true, StringEqualsIgnoreCase = true, StringLike = true, ArnEquals = true, ArnLike = true }

local function account_of(arn) return arn:match "^arn:[^:]*:[^:]*:[^:]*:(%d+):" end

-- Whether every value of a condition names the account.
local function names_account(key, values, account)
  for _, value in ipairs(list_of(values)) do
    local named = ARN_KEYS[key] and account_of(tostring(value)) or ACCOUNT_KEYS[key] and tostring(value)
    if named ~= account then return false end
  end
  return #list_of(values) > 0
end

-- Whether a condition keeps the statement to the account, whoever its principal is.
local function kept_inside(statement, account)
  for operator, keys in sorted(type(statement.Condition) == "table" and statement.Condition or {}) do
    for key, values in sorted(EQUAL[operator] and type(keys) == "table" and keys or {}) do
      if names_account(key:lower(), values, account) then return true end
    end
  end
  return false
end

-- A principal that is not of the account; ids of deleted roles and users are nobody.
local function outside(kind, name, account)
  if kind ~= "AWS" then return account_of(name) ~= account end
  if name == account or name:find "^A[RI][OD]A%w+$" then return false end
  return account_of(name) ~= account
end

--- Whom a statement lets use or administer the thing, although they are not of the account; {} when nobody.
---@param statement table  as it stands in the policy
---@param account string   12 digits
---@return string[]
function M.outsiders(statement, account)
  if statement.Effect ~= "Allow" or only_harmless(statement) or kept_inside(statement, account) then return {} end
  if statement.NotPrincipal ~= nil then return { "everybody but " .. json.encode(statement.NotPrincipal) } end
  if type(statement.Principal) ~= "table" then return { tostring(statement.Principal) } end
  local list = {}
  for kind, names in sorted(statement.Principal) do
    for _, name in ipairs(list_of(names)) do
      if outside(kind, tostring(name), account) then list[#list + 1] = tostring(name) end
    end
  end
  return list
end

--- A statement in a few words, to be shown: its Sid, or all of it.
---@param statement table
---@return string
function M.label(statement)
  return statement.Sid and ("Statement[%s]"):format(statement.Sid) or "Statement " .. json.encode(statement)
end

return M
