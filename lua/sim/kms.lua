--- The simulated KMS: which key a request means, whether the caller may, and whether the key's state allows it. What the
--- operations do is in kms_keys, kms_policy, kms_aliases, kms_rotation, kms_crypto, kms_regions and kms_import.
local auth = require("sim.auth")
local check = require("sim.check")
local json = require("json")
local page = require("sim.page")
local sorted = require("sorted")
local state = require("sim.state")
local wire = require("sim.wire")

local M = {}

-- Rules -----------------------------------------------------------------------------------------------------------

local text = { type = "string" }
local tag = { type = "structure", members = {
  TagKey = { type = "string", required = true, min = 1, max = 128 }, TagValue = { type = "string", required = true, max = 256 } } }

M.rules = {
  key = { type = "string", required = true, min = 1, max = 2048 },
  optional_key = { type = "string", min = 1, max = 2048 },
  alias = { type = "string", required = true, min = 1, max = 256, pattern = { "^[a-zA-Z0-9:/_-]+$", "^[%w:/_-]+$" } },
  marker = { type = "string", min = 1, max = 1024 },
  limit = { type = "integer", min = 1, max = 1000 },
  policy = { type = "string", min = 1, max = 131072 },
  policy_name = { type = "string", min = 1, max = 128, pattern = { "[\\w]+", "^[%w_]+$" } },
  description = { type = "string", max = 8192 },
  flag = { type = "boolean" },
  tags = { type = "list", member = tag },
  tag_keys = { type = "list", required = true, member = { type = "string", min = 1, max = 128 } },
  grant_tokens = { type = "list", max = 10, member = { type = "string", min = 1, max = 8192 } },
  context = { type = "map", member = text },
}

-- States ----------------------------------------------------------------------------------------------------------

local D, S, U = "DisabledException", "KMSInvalidStateException", "UnsupportedOperationException"

--- What a state forbids, by group of operations; what is not named here is allowed.
M.states = {
  crypto          = { Disabled = D, PendingDeletion = S, PendingReplicaDeletion = S, PendingImport = S, Creating = S, Unavailable = S },
  switch          = { PendingDeletion = S, PendingReplicaDeletion = S, PendingImport = S, Creating = S, Updating = S },
  mark            = { PendingDeletion = S, PendingReplicaDeletion = S },
  rotation        = { Disabled = D, PendingDeletion = S, PendingReplicaDeletion = S, PendingImport = U, Creating = S },
  rotation_status = { PendingImport = U },
  replicate       = { Disabled = D, PendingDeletion = S, PendingReplicaDeletion = S, PendingImport = S, Creating = S, Updating = S },
  primary         = { Disabled = D, PendingDeletion = S, PendingReplicaDeletion = S, PendingImport = S, Creating = S },
  import_start    = { PendingDeletion = S, PendingReplicaDeletion = S, Creating = S, Updating = S },
  import          = { PendingDeletion = S, PendingReplicaDeletion = S, Creating = S },
  import_delete   = { Creating = S, Updating = S },
  schedule        = { PendingDeletion = S, PendingReplicaDeletion = S, Updating = S },
  cancel          = { Enabled = S, Disabled = S, PendingImport = S, Creating = S, Updating = S, Unavailable = S },
}

local state_texts = {
  Disabled = "%s is disabled.", PendingImport = "%s is pending import.", Creating = "%s is creating.", Updating = "%s is updating.",
  PendingDeletion = "%s is pending deletion (or pending replica deletion).", Unavailable = "%s is unavailable.",
  PendingReplicaDeletion = "%s is pending deletion (or pending replica deletion).",
}

--- Refuses an operation for which the key's origin does not fit.
function M.wrong_origin(key) wire.refuse(U, ("%s origin is %s which is not valid for this operation."):format(key.Arn, key.Origin)) end

--- Refuses the call when the key's state does.
---@param key table
---@param group string  of M.states
function M.check_state(key, group)
  local code = M.states[group][key.KeyState]
  if code == U then M.wrong_origin(key) end
  if not code then return end
  local shown = group == "cancel" and "%s is not pending deletion (or pending replica deletion)." or state_texts[key.KeyState]
  wire.refuse(code, shown:format(key.Arn))
end

--- Puts a key into a state.
function M.set_state(key, name)
  key.KeyState, key.Enabled = name, name == "Enabled"
end

-- What time has done ----------------------------------------------------------------------------------------------

local function delete_due(simulation, here, now)
  for index = #here.keys, 1, -1 do
    local key = here.keys[index]
    if key.DeletionDate and key.DeletionDate <= now then
      table.remove(here.keys, index)
      for place = #here.aliases, 1, -1 do
        if here.aliases[place].TargetKeyId == key.KeyId then table.remove(here.aliases, place) end
      end
      require("sim.kms_regions").forget(simulation, key)
    end
  end
end

--- Does what has come due with an account's keys, in every region: families of keys span several.
---@param call table
---@param account string
function M.settle(call, account)
  local known = call.state.aws[account]
  local rotation, regions, import = require "sim.kms_rotation", require "sim.kms_regions", require "sim.kms_import"
  for _, here in sorted(known and known.kms or {}) do
    delete_due(call.simulation, here, call.now)
    for _, key in ipairs(here.keys) do
      rotation.settle(call, key)
      regions.settle(key, call.now)
      import.settle(key, call.now)
    end
  end
end

-- Which key -------------------------------------------------------------------------------------------------------

local function not_found(shown, ...) wire.refuse("NotFoundException", shown:format(...)) end

local function is_key_id(id)
  return id:find("^%x%x%x%x%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$") ~= nil
    or (#id == 36 and id:find("^mrk%-%x+$") ~= nil)
end

--- The parts of a key's name as a request gives it: account, kind "key" or "alias", id or alias name.
local function parse(call, id, aliases)
  local region, account, kind, name = id:match("^arn:[%w-]+:kms:([%w-]*):(%d*):(%a+)/(.+)$")
  if region then
    if region ~= call.region then not_found("Invalid arn %s", region) end
    if kind == "alias" and aliases then return account, "alias", "alias/" .. name end
    if kind ~= "key" then wire.refuse("InvalidArnException", ("Invalid arn %s"):format(id)) end
    if not is_key_id(name) then not_found("Invalid keyId '%s'", name) end
    return account, "key", name
  end
  if id:find("^arn:") then wire.refuse("InvalidArnException", ("Invalid arn %s"):format(id)) end
  if id:find("^alias/") and aliases then return call.caller.account, "alias", id end
  if not is_key_id(id) then not_found("Invalid keyId '%s'", id) end
  return call.caller.account, "key", id:lower()
end

--- ARN of a thing in the call's region.
function M.arn(call, account, rest) return ("arn:%s:kms:%s:%s:%s"):format(call.simulation.partition, call.region, account, rest) end

local CROSS <const> = "User: %s is not authorized to perform: %s on this resource because the resource does not exist in this Region, \z
no resource-based policies allow access, or a resource-based policy explicitly denies access"

--- Refuses the call as KMS does when it will not say whether the key exists.
function M.deny_blindly(call, action) auth.deny(call, CROSS:format(call.caller.arn, action)) end

-- There is no such key. To say so takes the right to ask.
local function missing(call, account, action, arn, is_alias)
  if account ~= call.caller.account then M.deny_blindly(call, action) end
  local verdict = auth.evaluate(call, { action = action, resource = arn, account = account })
  if verdict.verdict ~= "allowed" then M.deny_blindly(call, action) end
  if is_alias then not_found("Alias %s is not found.", arn) end
  not_found("Key '%s' does not exist", arn)
end

local function find_alias(call, account, name)
  local known = call.state.aws[account] and call.state.aws[account].kms[call.region]
  return known and state.find(known.aliases, "AliasName", name)
end

--- The key that a request means; refuses the call when there is none.
---@param call table
---@param id string  key id, key ARN, and with `aliases` alias name or alias ARN
---@param aliases boolean?
---@param action string
---@return table key
function M.resolve(call, id, aliases, action)
  local account, kind, name = parse(call, id, aliases)
  if account ~= call.caller.account then M.settle(call, account) end
  if kind == "alias" then
    local alias = find_alias(call, account, name)
    if not alias then missing(call, account, action, M.arn(call, account, name), true) end
    name = alias.TargetKeyId
  end
  local key = state.find_key(call.state, account, call.region, name)
  return key or missing(call, account, action, M.arn(call, account, "key/" .. name))
end

-- May the caller --------------------------------------------------------------------------------------------------

local function alias_names(call, key)
  local names = json.array {}
  for _, alias in ipairs(call.state.aws[key.AWSAccountId].kms[call.region].aliases) do
    if alias.TargetKeyId == key.KeyId then names[#names + 1] = alias.AliasName end
  end
  return names
end

local function context_of(call, key, p)
  local context = auth.tag_context(p.Tags, key.Tags, p.TagKeys)
  context["kms:CallerAccount"] = call.caller.account
  context["kms:KeySpec"], context["kms:KeyUsage"], context["kms:KeyOrigin"] = key.KeySpec, key.KeyUsage, key.Origin
  context["kms:MultiRegion"] = key.MultiRegion
  context["kms:BypassPolicyLockoutSafetyCheck"] = p.BypassPolicyLockoutSafetyCheck
  context["kms:EncryptionAlgorithm"] = p.EncryptionAlgorithm
  context["kms:RotationPeriodInDays"], context["kms:ScheduleKeyDeletionPendingWindowInDays"] = p.RotationPeriodInDays, p.PendingWindowInDays
  if key.KeyId then context["kms:ResourceAliases"] = alias_names(call, key) end
  if (p.KeyId or ""):find("alias/", 1, true) then context["kms:RequestAlias"] = p.KeyId:match("alias/.*$") end
  local keys = json.array {}
  for name, value in sorted(p.EncryptionContext or {}) do
    context["kms:EncryptionContext:" .. name] = value
    keys[#keys + 1] = name
  end
  if #keys > 0 then context["kms:EncryptionContextKeys"] = keys end
  return context
end
M.context_of = context_of

--- Refuses the call unless the caller may do the action with the key.
---@param call table
---@param key table
---@param action string
---@param p table  parameters, for conditions
function M.authorize(call, key, action, p)
  local question = { action = action, resource = key.Arn, account = key.AWSAccountId, policy = key._policy, kind = "key",
    context = context_of(call, key, p) }
  if key.AWSAccountId == call.caller.account then return auth.authorize(call, question) end
  if auth.evaluate(call, question).verdict ~= "allowed" then M.deny_blindly(call, action) end
end

--- The key of the call: found, permitted, in a state that allows the operation.
---@param call table
---@param p table  parameters
---@param row table  of the operations
---@return table key
function M.key(call, p, row)
  local action = row.action or "kms:" .. call.operation
  local key = M.resolve(call, p.KeyId, row.alias, action)
  if key.AWSAccountId ~= call.caller.account and not row.cross then M.deny_blindly(call, action) end
  M.authorize(call, key, action, p)
  if row.states then M.check_state(key, row.states) end
  return key
end

-- Pages -----------------------------------------------------------------------------------------------------------

--- A page of a list, with Truncated and NextMarker.
---@param call table
---@param p table  with Limit and Marker
---@param name string  of the list in the answer
---@param items table[]
---@param key fun(item: table): string
---@param limit integer  where the request names none
function M.list(call, p, name, items, key, limit)
  local length = math.min(p.Limit or limit, call.simulation.page_size)
  local list, marker = page.cut(items, { key = key, limit = length, marker = p.Marker, word = call.operation })
  if not list then wire.refuse("InvalidMarkerException", ("Could not deserialize marker '%s'"):format(p.Marker)) end
  return { [name] = list, Truncated = marker ~= nil, NextMarker = marker }
end

-- Operations ------------------------------------------------------------------------------------------------------

--- Refuses the call with the good news of a dry run.
function M.dry_run(p)
  if p.DryRun then
    wire.refuse("DryRunOperationException", "The request would have succeeded, but the DryRun option is set.")
  end
end

--- Rows: { run = fn(call, p, key), parameters =, write =, key = false where the operation names no key, alias = takes alias names,
--- cross = works from another account, states = group of M.states, action = where it is not kms:NAME }.
M.operations = {}

for _, part in ipairs { "keys", "policy", "aliases", "rotation", "crypto", "regions", "import" } do
  for operation, row in sorted(require("sim.kms_" .. part).operations(M)) do M.operations[operation] = row end
end

--- Does one operation of KMS.
---@return table? result
function M.run(call, row)
  local p = check.parameters(call, row.parameters)
  M.settle(call, call.caller.account)
  if row.key == false then return row.run(call, p) end
  return row.run(call, p, M.key(call, p, row))
end

return M
