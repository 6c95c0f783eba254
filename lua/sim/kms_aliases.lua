--- The simulated KMS: aliases.
local auth = require("sim.auth")
local state = require("sim.state")
local wire = require("sim.wire")

local M = {}

local ALIAS_LIMIT <const> = 50   -- aliases per key

-- AWS's own aliases, without a key until a service first wants one.
local OF_AWS <const> = { "alias/aws/ebs", "alias/aws/s3", "alias/aws/secretsmanager" }

local function check_name(name)
  if not name:find("^alias/") then
    wire.refuse("ValidationException",
      'Alias must start with the prefix "alias/". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html')
  end
  if name == "alias/" then wire.refuse("InvalidAliasNameException", "Alias name must not be empty") end
  if name:find("^alias/aws/") then wire.refuse("NotAuthorizedException", nil) end
end

local function here(call) return state.region(call.state, call.caller.account, call.region) end

-- The alias needs the right in an identity policy, the key in its own policy as well.
local function may_change_alias(kms, call, name)
  auth.authorize(call, { action = "kms:" .. call.operation, resource = kms.arn(call, call.caller.account, name) })
end

local function target_of(kms, call, p)
  local action = "kms:" .. call.operation
  local key = kms.resolve(call, p.TargetKeyId, false, action)
  if key.AWSAccountId ~= call.caller.account then kms.deny_blindly(call, action) end
  kms.authorize(call, key, action, p)
  return key
end

local function check_room(aliases, key)
  local count = 0
  for _, alias in ipairs(aliases) do
    if alias.TargetKeyId == key.KeyId then count = count + 1 end
  end
  if count >= ALIAS_LIMIT then
    wire.refuse("LimitExceededException", ("You cannot have more than %d aliases for the KMS key %s"):format(ALIAS_LIMIT, key.Arn))
  end
end

local function create_alias(kms)
  return function(call, p)
    check_name(p.AliasName)
    may_change_alias(kms, call, p.AliasName)
    local key, aliases = target_of(kms, call, p), here(call).aliases
    kms.check_state(key, "mark")
    local arn = kms.arn(call, call.caller.account, p.AliasName)
    if state.find(aliases, "AliasName", p.AliasName) then
      wire.refuse("AlreadyExistsException", ("An alias with the name %s already exists"):format(arn))
    end
    check_room(aliases, key)
    table.insert(aliases, { AliasName = p.AliasName, AliasArn = arn, TargetKeyId = key.KeyId, CreationDate = call.now, LastUpdatedDate = call.now })
  end
end

-- The alias and its place; refuses the call when there is none.
local function existing(kms, call, name)
  local alias, index = state.find(here(call).aliases, "AliasName", name)
  if not alias then
    wire.refuse("NotFoundException", ("Alias %s is not found."):format(kms.arn(call, call.caller.account, name)))
  end
  return alias, index
end

local function update_alias(kms)
  return function(call, p)
    check_name(p.AliasName)
    may_change_alias(kms, call, p.AliasName)
    local alias = existing(kms, call, p.AliasName)
    local old = state.find_key(call.state, call.caller.account, call.region, alias.TargetKeyId)
    kms.authorize(call, old, "kms:UpdateAlias", p)
    local key = target_of(kms, call, p)
    kms.check_state(key, "mark")
    if key.KeySpec ~= old.KeySpec or key.KeyUsage ~= old.KeyUsage then
      wire.refuse("ValidationException", ("Alias %s cannot be changed from a KMS key of type %s with usage %s to a KMS key of type %s with usage %s")
        :format(alias.AliasArn, old.KeySpec, old.KeyUsage, key.KeySpec, key.KeyUsage))
    end
    if key.KeyId ~= old.KeyId then check_room(here(call).aliases, key) end
    alias.TargetKeyId, alias.LastUpdatedDate = key.KeyId, call.now
  end
end

local function delete_alias(kms)
  return function(call, p)
    check_name(p.AliasName)
    may_change_alias(kms, call, p.AliasName)
    local alias, index = existing(kms, call, p.AliasName)
    local key = state.find_key(call.state, call.caller.account, call.region, alias.TargetKeyId)
    kms.authorize(call, key, "kms:DeleteAlias", p)
    table.remove(here(call).aliases, index)
  end
end

local function list_aliases(kms)
  return function(call, p)
    auth.authorize(call, { action = "kms:ListAliases", resource = "*" })
    local key = p.KeyId and kms.resolve(call, p.KeyId, false, "kms:ListAliases")
    local list = {}
    for _, alias in ipairs(here(call).aliases) do
      if not key or alias.TargetKeyId == key.KeyId then list[#list + 1] = state.copy(alias) end
    end
    for _, name in ipairs(key and {} or OF_AWS) do
      list[#list + 1] = { AliasName = name, AliasArn = kms.arn(call, call.caller.account, name) }
    end
    return kms.list(call, p, "Aliases", list, function(alias) return alias.AliasName end, 50)
  end
end

--- The rows of these operations.
---@param kms table  sim.kms: its tools
function M.operations(kms)
  local r = kms.rules
  local both = { AliasName = r.alias, TargetKeyId = r.key }
  return {
    CreateAlias = { write = true, key = false, run = create_alias(kms), parameters = both },
    UpdateAlias = { write = true, key = false, run = update_alias(kms), parameters = both },
    DeleteAlias = { write = true, key = false, run = delete_alias(kms), parameters = { AliasName = r.alias } },
    ListAliases = { key = false, run = list_aliases(kms),
      parameters = { KeyId = r.optional_key, Marker = r.marker, Limit = { type = "integer", min = 1, max = 100 } } },
  }
end

return M
