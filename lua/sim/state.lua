--- Everything the simulated AWS knows, in the shape that `cmek sim --state` writes:
--- { aws = { ACCOUNT = { iam = { roles =, users =, policies = }, kms = { REGION = { keys =, aliases = } },
--- sns = { REGION = { topics = } } } } }, members under the API's own names. Members beginning with _ are worked out from the
--- others, or gone with the process.
local json = require("json")
local principals = require("sim.principals")
local sorted = require("sorted")

local M = {}

local ADMINISTRATOR <const> = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
local READER <const> = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*","Action":'
  .. '["kms:Describe*","kms:List*","kms:Get*","iam:Get*","iam:List*","sns:Get*","sns:List*","sts:*","tag:Get*"]}]}'

--- AWS's own policies that can be attached here.
M.MANAGED = {
  ["arn:aws:iam::aws:policy/AdministratorAccess"] = ADMINISTRATOR,
  ["arn:aws:iam::aws:policy/ReadOnlyAccess"] = READER,
  ["arn:aws:iam::aws:policy/AWSDenyAll"] = '{"Version":"2012-10-17","Statement":[{"Sid":"DenyAll","Effect":"Deny","Action":"*","Resource":"*"}]}',
}

--- Who is there from the start: two accounts with an administrator each, and one who may only look.
M.USERS = {
  { account = "210987654321", name = "operator", access_key_id = "AKIASIMULATEDCMEK001",
    secret_access_key = "simulated/secret/not-a-real-one/00000001", policies = { ADMINISTRATOR } },
  { account = "345678901234", name = "operator", access_key_id = "AKIASIMULATEDCMEK002",
    secret_access_key = "simulated/secret/not-a-real-one/00000002", policies = { ADMINISTRATOR } },
  { account = "210987654321", name = "reader", access_key_id = "AKIASIMULATEDREAD0001",
    secret_access_key = "simulated/secret/not-a-real-one/00000003", policies = { READER } },
}

-- Things ----------------------------------------------------------------------------------------------------------

--- An account; made when it is not there yet.
function M.account(state, id)
  local account = state.aws[id]
  if not account then
    account = { iam = { roles = json.array {}, users = json.array {}, policies = json.array {} }, kms = {} }
    state.aws[id] = account
  end
  return account
end

--- What KMS holds in one region of an account; made when it is not there yet.
function M.region(state, account, region)
  local kms = M.account(state, account).kms
  kms[region] = kms[region] or { keys = json.array {}, aliases = json.array {} }
  return kms[region]
end

--- The first member of a list whose field is the value; its place comes second.
function M.find(list, field, value)
  for index, member in ipairs(list) do
    if member[field] == value then return member, index end
  end
end

--- IAM's names are the same in any case of letters.
function M.find_name(list, field, name)
  local lower = name:lower()
  for index, member in ipairs(list) do
    if member[field]:lower() == lower then return member, index end
  end
end

--- A copy of tags.
---@param tags { Key: string, Value: string }[]?
function M.copy_tags(tags)
  local list = json.array {}
  for index, tag in ipairs(tags or {}) do list[index] = { Key = tag.Key, Value = tag.Value } end
  return list
end

--- Tags with others set beside or over them.
---@param have { Key: string, Value: string }[]?
---@param new { Key: string, Value: string }[]
---@param find function  M.find, or M.find_name where keys are the same in any case of letters
function M.merge_tags(have, new, find)
  local list = M.copy_tags(have)
  for _, tag in ipairs(new) do
    local _, index = find(list, "Key", tag.Key)
    list[index or #list + 1] = { Key = tag.Key, Value = tag.Value }
  end
  return list
end

--- A role by name; nil when there is none.
function M.find_role(state, account, name)
  local known = state.aws[account]
  if known then return M.find_name(known.iam.roles, "RoleName", name) end
end

--- A role by its whole ARN, path included.
function M.find_role_arn(state, arn)
  local account = arn:match("^arn:[^:]+:iam::(%d+):role/")
  return account and state.aws[account] and (M.find(state.aws[account].iam.roles, "Arn", arn)) or nil
end

--- The role or user behind a unique id, and its account.
function M.find_id(state, id)
  for number, account in sorted(state.aws) do
    local thing = M.find(account.iam.roles, "RoleId", id) or M.find(account.iam.users, "UserId", id)
    if thing then return thing, number end
  end
end

--- A key by id; nil when there is none.
function M.find_key(state, account, region, id)
  local known = state.aws[account] and state.aws[account].kms[region]
  if known then return M.find(known.keys, "KeyId", id) end
end

-- Principals ------------------------------------------------------------------------------------------------------

local function find_arn(state, arn)
  local account = arn:match("^arn:[^:]+:iam::(%d+):")
  local iam = account and state.aws[account] and state.aws[account].iam
  return iam and (M.find(iam.roles, "Arn", arn) or M.find(iam.users, "Arn", arn))
end

--- Has the news of this role or user reached the other services?
function M.visible(simulation, thing)
  return simulation:time() - (thing._created or -math.huge) >= simulation.propagation
end

--- The ARN of whoever has the id; nil when that one is gone.
function M.arn_of(state, id)
  local thing = M.find_id(state, id)
  return thing and thing.Arn
end

-- Who exists, as another service sees it.
local function finder(simulation)
  local state = simulation.state
  local function seen(thing) return thing and M.visible(simulation, thing) and thing or nil end
  return {
    role_named = function(account, name) return seen((M.find_role(state, account, name))) end,
    arn_of = function(id) return seen((M.find_id(state, id))) end,
    id_of = function(arn)
      local thing = seen(find_arn(state, arn))
      return thing and (thing.RoleId or thing.UserId)
    end,
  }
end

--- A policy as it is kept: ids in the place of ARNs. nil and the principal that does not exist, or is not known yet.
---@param simulation table
---@param document table
---@return table? kept, { kind: string, entry: string }? bad
function M.keep_policy(simulation, document) return principals.keep(document, finder(simulation)) end

--- A kept policy as it is read: a table with ARNs. The order of principals may be another one.
function M.show_policy(simulation, kept)
  local shown = principals.show(kept, function(id) return M.arn_of(simulation.state, id) end)
  if simulation.reorder_principals then
    for _, statement in ipairs(shown.Statement) do
      local list = type(statement.Principal) == "table" and statement.Principal.AWS
      if type(list) == "table" then table.sort(list, function(a, b) return a > b end) end
    end
  end
  return shown
end

-- Texts of the policies that name the id, written anew: somebody came or went.
local function refresh(simulation, thing, text, kept, id)
  if thing[kept] and principals.names(thing[kept], id) then
    thing[text] = principals.pretty(M.show_policy(simulation, thing[kept]))
  end
end

--- A role or user was deleted: policies that name it show its id from now on.
---@param simulation table
---@param id string
function M.forget(simulation, id)
  for _, account in sorted(simulation.state.aws) do
    for _, role in ipairs(account.iam.roles) do refresh(simulation, role, "AssumeRolePolicyDocument", "_trust", id) end
    for _, region in sorted(account.kms) do
      for _, key in ipairs(region.keys) do refresh(simulation, key, "Policy", "_policy", id) end
    end
  end
end

-- Identity policies -----------------------------------------------------------------------------------------------

--- The documents of a managed policy; nil when there is none of that ARN.
function M.managed_policy(state, arn)
  if M.MANAGED[arn] then return json.decode(M.MANAGED[arn]) end
  local account = arn:match("^arn:[^:]+:iam::(%d+):policy/")
  local found = account and state.aws[account] and M.find(state.aws[account].iam.policies, "Arn", arn)
  return found and json.decode(found.PolicyDocument)
end

--- All identity policies of a role or user, as tables.
---@param thing table  with Policies (inline) and AttachedPolicies
---@return table[]
function M.identity_policies(state, thing)
  local list = {}
  for _, inline in ipairs(thing.Policies or {}) do
    inline._document = inline._document or json.decode(inline.PolicyDocument)
    list[#list + 1] = inline._document
  end
  for _, attached in ipairs(thing.AttachedPolicies or {}) do
    list[#list + 1] = M.managed_policy(state, attached.PolicyArn)
  end
  return list
end

-- Documents -------------------------------------------------------------------------------------------------------

--- A copy of a value without the members that begin with _; lists stay lists.
---@param value any
---@param keep_private boolean?
function M.copy(value, keep_private)
  if type(value) ~= "table" then return value end
  local result = {}
  for name, member in next, value do   -- in any order: a copy does not show it
    if keep_private or type(name) ~= "string" or name:sub(1, 1) ~= "_" then result[name] = M.copy(member, keep_private) end
  end
  return setmetatable(result, getmetatable(value))
end

local DEFAULT_KEY <const> = {
  Description = "", KeyUsage = "ENCRYPT_DECRYPT", KeyState = "Enabled", Origin = "AWS_KMS", KeyManager = "CUSTOMER",
  KeySpec = "SYMMETRIC_DEFAULT", CustomerMasterKeySpec = "SYMMETRIC_DEFAULT", MultiRegion = false, KeyRotationEnabled = false,
}

local DEFAULT_ROLE <const> = { Path = "/", Description = "", MaxSessionDuration = 3600, CreateDate = "2026-01-01T00:00:00Z" }

local function fill(thing, defaults)
  for name, value in sorted(defaults) do
    if thing[name] == nil then thing[name] = value end
  end
end

local function fill_lists(thing, names)
  for _, name in ipairs(names) do thing[name] = json.array(thing[name] or {}) end
end

--- Makes a role whole that somebody described by a few members: RoleName and AssumeRolePolicyDocument at least.
---@param simulation table
---@param account string
---@param role table
---@return table role
function M.complete_role(simulation, account, role)
  fill(role, DEFAULT_ROLE)
  fill_lists(role, { "Tags", "Policies", "AttachedPolicies" })
  role.RoleId = role.RoleId or simulation:identifier("AROA", 21)
  role.Arn = role.Arn or ("arn:%s:iam::%s:role%s%s"):format(simulation.partition, account, role.Path, role.RoleName)
  return role
end

--- Makes a key whole that somebody described by a few members.
---@param simulation table
---@param account string
---@param region string
---@param key table
---@return table key
function M.complete_key(simulation, account, region, key)
  fill(key, DEFAULT_KEY)
  fill_lists(key, { "Tags", "KeyMaterials" })
  key.KeyId = key.KeyId or simulation:uuid()
  key.AWSAccountId = account
  key.CreationDate = key.CreationDate or simulation:time()
  key.Arn = key.Arn or ("arn:%s:kms:%s:%s:key/%s"):format(simulation.partition, region, account, key.KeyId)
  key.EncryptionAlgorithms = json.array(key.EncryptionAlgorithms or { "SYMMETRIC_DEFAULT" })
  key.Enabled = key.KeyState == "Enabled"
  if key.Origin == "AWS_KMS" and not key.CurrentKeyMaterialId then
    key.CurrentKeyMaterialId = simulation:hex(32)
    table.insert(key.KeyMaterials, { KeyMaterialId = key.CurrentKeyMaterialId })
  end
  key.Policy = key.Policy or M.default_key_policy(simulation.partition, account)
  return key
end

--- The policy of a key that was made without one.
function M.default_key_policy(partition, account)
  return ('{"Version":"2012-10-17","Id":"key-default-1","Statement":[{"Sid":"Enable IAM User Permissions","Effect":"Allow",'
    .. '"Principal":{"AWS":"arn:%s:iam::%s:root"},"Action":"kms:*","Resource":"*"}]}'):format(partition, account)
end

-- What was described in a document: a policy that names somebody who is not there is kept as it is written.
local function keep_text(simulation, text, owner)
  local document, message = json.decode(text)
  if type(document) ~= "table" then error(("the policy of %s is no JSON object: %s"):format(owner, message or text), 0) end
  return M.keep_policy(simulation, document) or document
end

local function merge_account(simulation, number, from)
  local account = M.account(simulation.state, number)
  local iam = from.iam or {}
  for _, role in ipairs(iam.roles or {}) do
    table.insert(account.iam.roles, M.complete_role(simulation, number, M.copy(role, true)))
  end
  for _, list in ipairs { "users", "policies" } do
    for _, thing in ipairs(iam[list] or {}) do
      local key = list == "users" and "UserName" or "Arn"
      local _, index = M.find(account.iam[list], key, thing[key])
      account.iam[list][index or #account.iam[list] + 1] = M.copy(thing, true)
    end
  end
  for name, region in sorted(from.kms or {}) do
    local to = M.region(simulation.state, number, name)
    for _, key in ipairs(region.keys or {}) do
      table.insert(to.keys, M.complete_key(simulation, number, name, M.copy(key, true)))
    end
    for _, alias in ipairs(region.aliases or {}) do table.insert(to.aliases, M.copy(alias, true)) end
  end
  if from.sns then account.sns = M.copy(from.sns, true) end
end

local function keep_all(simulation, account)
  for _, role in ipairs(account.iam.roles) do
    role._trust = role._trust or keep_text(simulation, role.AssumeRolePolicyDocument, role.Arn)
  end
  for _, region in sorted(account.kms) do
    for _, key in ipairs(region.keys) do
      key._policy = key._policy or keep_text(simulation, key.Policy, key.Arn)
      key.Policy = principals.pretty(M.show_policy(simulation, key._policy))
    end
  end
end

--- Adds what a document in the shape of `--state` describes; members that are left out get what the service would give.
---@param simulation table
---@param aws table<string, table>  by account
function M.merge(simulation, aws)
  for number, account in sorted(aws) do merge_account(simulation, number, account) end
  for _, account in sorted(simulation.state.aws) do keep_all(simulation, account) end
end

return M
