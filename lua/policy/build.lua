--- The two documents of the vendor's page, as tables.
local json = require("json")
local sorted = require("sorted")

local M = {}

-- Words of the page: changing one makes every existing key differ.
M.KEY_POLICY_ID = "crdb-cmek-kms"
M.USE_SID = "Allow use of the key for CMEK"
M.ADMIN_SID = "Enable IAM User Permissions"
M.KEY_ADMIN_SID = "Allow administration of the key"
--- Of keys that a Vault distributes: where the account does not administer, Vault's own principal has to be named. It is not among the Sids
--- that go when they are not wanted: whoever puts another policy does not take the key from Vault.
M.VAULT_SID = "Allow Vault to manage the key"
--- Sids of statements that are cmek's own: one that is not wanted any more goes.
M.OWN_SIDS = { [M.USE_SID] = true, [M.ADMIN_SID] = true, [M.KEY_ADMIN_SID] = true }
M.VAULT_ACTIONS = { "kms:DescribeKey", "kms:GetParametersForImport", "kms:ImportKeyMaterial", "kms:EnableKey", "kms:DisableKey",
  "kms:CreateAlias", "kms:UpdateAlias", "kms:DeleteAlias", "kms:TagResource", "kms:ScheduleKeyDeletion" }
M.USE_ACTIONS = { "kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*", "kms:DescribeKey", "kms:ReEncrypt*" }

-- A text, or an unknown value of the engine's, which leaves its mark when it is joined.
local function need(options, name, caller, what)
  local value = options[name]
  if type(value) == "table" then value = value .. "" end
  if type(value) ~= "string" or value == "" then
    error(("policy.%s: field '%s' must be %s, got %s"):format(caller, name, what, tostring(value)), 3)
  end
  return value
end

local function only(options, names, caller)
  for name in sorted(options) do
    if not names[name] then error(("policy.%s: unknown field '%s'"):format(caller, tostring(name)), 3) end
  end
end

local function root(account, partition) return "arn:" .. (partition or "aws") .. ":iam::" .. account .. ":root" end

--- The trust policy that the AWS console makes for "another AWS account" with "require external ID".
---@param options { account_id: string, external_id: string, partition: string? }  account_id: who assumes the role, a cluster's account_id;
---  external_id: the organization's id
---@return table document
---@example policy.cross_account { account_id = cluster.account_id, external_id = cloud.organization().id }
function M.cross_account(options)
  only(options, { account_id = true, external_id = true, partition = true }, "cross_account")
  local account = need(options, "account_id", "cross_account", "the 12-digit account of the cluster")
  local external_id = need(options, "external_id", "cross_account", "the organization ID")
  return {
    Version = "2012-10-17",
    Statement = json.array { {
      Effect = "Allow",
      Principal = { AWS = root(account, options.partition) },
      Action = "sts:AssumeRole",
      Condition = { StringEquals = { ["sts:ExternalId"] = external_id } },
    } },
  }
end

local function admin_names(admins)
  local names = {}
  for i, admin in ipairs(type(admins) == "string" and { admins } or admins or {}) do
    names[i] = type(admin) == "table" and admin .. "" or admin
  end
  return names
end

-- Who may change the key's policy later: the account's IAM policies decide, or just the admins.
local function administration(options)
  local names = admin_names(options.admins)
  if #names > 0 then
    return { Sid = M.KEY_ADMIN_SID, Effect = "Allow", Principal = { AWS = #names == 1 and names[1] or json.array(names) },
      Action = "kms:*", Resource = "*" }
  end
  local account = need(options, "account", "cmek", "the 12-digit account of the key")
  return { Sid = M.ADMIN_SID, Effect = "Allow", Principal = { AWS = root(account, options.partition) },
    Action = "kms:*", Resource = "*" }
end

-- The role, or all of them where a key is used by several.
local function users(options)
  local list = type(options.role) == "table" and rawget(options.role, 1) ~= nil and options.role
  if not list then return need(options, "role", "cmek", "the ARN of the role") end
  local names = {}
  for i in ipairs(list) do names[i] = need(list, i, "cmek", "the ARN of a role") end
  return json.array(names)
end

-- What Vault needs to disable, enable, rotate and take back the key that it made.
local function of_vault(options)
  if options.vault == nil or #admin_names(options.admins) == 0 then return nil end   -- the account's IAM policies decide
  return { Sid = M.VAULT_SID, Effect = "Allow", Principal = { AWS = need(options, "vault", "cmek", "the ARN of Vault's principal") },
    Action = json.array(table.move(M.VAULT_ACTIONS, 1, #M.VAULT_ACTIONS, 1, {})), Resource = "*" }
end

--- The statement of the page by which the role uses the key.
---@param principal table  as the policy language has it: { AWS = … }
---@return table statement
function M.use(principal)
  return { Sid = M.USE_SID, Effect = "Allow", Principal = principal, Action = json.array(table.move(M.USE_ACTIONS, 1, #M.USE_ACTIONS, 1, {})),
    Resource = "*" }
end

--- The key policy of the page's appendix: the role uses the key, the account or the admins administer it.
---@param options { role: string|string[], account: string?, admins: string[]|string?, partition: string?, vault: string? }  account: needed
---  without admins; a recipe's is that of its credentials; vault: who made the key and keeps its rights to it where admins alone administer
---@return table document
---@example policy.cmek { role = role.arn, admins = arg.admin }
function M.cmek(options)
  only(options, { role = true, account = true, admins = true, partition = true, vault = true }, "cmek")
  local use = M.use { AWS = users(options) }
  return { Version = "2012-10-17", Id = M.KEY_POLICY_ID, Statement = json.array { use, administration(options), of_vault(options) } }
end

return M
