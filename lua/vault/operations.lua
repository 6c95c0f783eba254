--- Vault's API as plain functions: vault.keymgmt_read_key { mount = "keymgmt", name = "k" } is GET keymgmt/key/k. Names in braces are of
--- the parameters, as are `mount`, `namespace` (below the session's own) and the fields of the body.
---@class vault.Operation
---@field [1] string       the method
---@field [2] string       the mount: "sys", "auth/token", or "{mount}"
---@field [3] string       the path under it
---@field body string[]?   fields of the body
---@field safe boolean?    may be sent again when nobody knows whether it was done
---@field query string[]?
---@field whole boolean?   the answer has no envelope, and the root namespace alone has the path

local sorted = require "sorted"

local M = {}

local PROVIDER <const>, DISTRIBUTION <const> = { "provider", "key_collection", "credentials" }, { "purpose", "protection" }

---@type table<string, vault.Operation>
M.LIST = {
  ReadHealth = { "GET", "sys", "health", whole = true, query = { "standbyok", "perfstandbyok", "sealedcode", "uninitcode", "standbycode",
    "drsecondarycode", "performancestandbycode" } },
  ReadSealStatus = { "GET", "sys", "seal-status", whole = true },
  ReadLeader = { "GET", "sys", "leader", whole = true },
  ListMounts = { "GET", "sys", "mounts" },
  ReadMount = { "GET", "sys", "mounts/{path}" },
  InspectMount = { "GET", "sys", "internal/ui/mounts/{path}" },
  ListAuthMounts = { "GET", "sys", "auth" },
  ReadCapabilities = { "POST", "sys", "capabilities-self", body = { "paths" }, safe = true },
  ListNamespaces = { "LIST", "sys", "namespaces" },
  ReadNamespace = { "GET", "sys", "namespaces/{name}" },
  ReadLicense = { "GET", "sys", "license/status" },
  ListPolicies = { "LIST", "sys", "policies/acl" },
  ReadPolicy = { "GET", "sys", "policies/acl/{name}" },
  EnableMount = { "POST", "sys", "mounts/{path}", body = { "type", "description", "config", "options", "local", "seal_wrap" } },
  DisableMount = { "DELETE", "sys", "mounts/{path}" },
  LookupSelf = { "GET", "auth/token", "lookup-self" },

  KeymgmtListKeys = { "LIST", "{mount}", "key" },
  KeymgmtReadKey = { "GET", "{mount}", "key/{name}" },
  KeymgmtWriteKey = { "POST", "{mount}", "key/{name}", body = { "type", "replica_regions", "deletion_allowed", "min_enabled_version" } },
  KeymgmtRotateKey = { "POST", "{mount}", "key/{name}/rotate" },
  KeymgmtDeleteKey = { "DELETE", "{mount}", "key/{name}" },
  KeymgmtListKeyProviders = { "LIST", "{mount}", "key/{name}/kms" },
  KeymgmtListProviders = { "LIST", "{mount}", "kms" },
  KeymgmtReadProvider = { "GET", "{mount}", "kms/{name}" },
  KeymgmtWriteProvider = { "POST", "{mount}", "kms/{name}", body = PROVIDER },
  KeymgmtDeleteProvider = { "DELETE", "{mount}", "kms/{name}" },
  KeymgmtListDistributions = { "LIST", "{mount}", "kms/{name}/key" },
  KeymgmtReadDistribution = { "GET", "{mount}", "kms/{name}/key/{key}" },
  KeymgmtDistribute = { "POST", "{mount}", "kms/{name}/key/{key}", body = DISTRIBUTION },
  KeymgmtReplicate = { "POST", "{mount}", "kms/{name}/key/{key}/replicate" },
  KeymgmtDeleteDistribution = { "DELETE", "{mount}", "kms/{name}/key/{key}" },

  TransitListKeys = { "LIST", "{mount}", "keys" },
  TransitReadKey = { "GET", "{mount}", "keys/{name}" },
  TransitReadWrappingKey = { "GET", "{mount}", "wrapping_key" },
  TransitCreateKey = { "POST", "{mount}", "keys/{name}", body = { "type", "exportable", "allow_plaintext_backup", "auto_rotate_period", "derived" } },
  TransitRotateKey = { "POST", "{mount}", "keys/{name}/rotate" },
  TransitConfigureKey = { "POST", "{mount}", "keys/{name}/config", body = { "deletion_allowed", "exportable", "min_decryption_version",
    "min_encryption_version", "auto_rotate_period" }, safe = true },
  TransitImportKey = { "POST", "{mount}", "keys/{name}/import", body = { "ciphertext", "public_key", "type", "hash_function", "allow_rotation",
    "exportable" } },
  TransitImportVersion = { "POST", "{mount}", "keys/{name}/import_version", body = { "ciphertext", "public_key", "hash_function" } },
  TransitDeleteTemporaryKey = { "DELETE", "{mount}", "keys/{name}", safe = true },   -- its name begins with tmp-
  TransitDeleteKey = { "DELETE", "{mount}", "keys/{name}" },
  TransitExport = { "GET", "{mount}", "export/encryption-key/{name}/{version}" },
  TransitEncrypt = { "POST", "{mount}", "encrypt/{name}", body = { "plaintext", "key_version", "padding_scheme" } },
  TransitWrappedDataKey = { "POST", "{mount}", "datakey/wrapped/{name}", body = { "bits" }, safe = true },   -- Vault keeps nothing of it

  KvReadLock = { "GET", "{mount}", "data/{path}" },   -- the path ends in rotation-of-…; what is kept there is no secret
  KvRead = { "GET", "{mount}", "data/{path}", query = { "version" } },   -- what is kept there comes as secrets
  KvWrite = { "POST", "{mount}", "data/{path}", body = { "options", "data" } },
  KvReadMetadata = { "GET", "{mount}", "metadata/{path}" },
  KvWriteMetadata = { "POST", "{mount}", "metadata/{path}", body = { "custom_metadata", "cas_required", "max_versions", "delete_version_after" } },
  KvList = { "LIST", "{mount}", "metadata/{path}" },
  KvDelete = { "DELETE", "{mount}", "metadata/{path}" },
}

-- "ListMounts" is list_mounts.
local function function_name(operation) return (operation:gsub("(%l)(%u)", "%1_%2"):lower()) end

local function take(name, given, rest, what)
  local value = rest[what]
  rest[what] = nil
  if type(value) == "number" and math.type(value) == "integer" then value = tostring(value) end
  if type(value) ~= "string" or value == "" then
    error(("bad argument #1 to '%s' (field '%s' must be a text, got %s)"):format(name, what, type(given[what])), 0)
  end
  return value
end

local function fill(name, template, given, rest)
  return (template:gsub("{(%a+)}", function(what) return take(name, given, rest, what) end))
end

local function pick(rest, fields)
  local picked
  for _, field in ipairs(fields or {}) do
    if rest[field] ~= nil then
      picked = picked or {}
      picked[field], rest[field] = rest[field], nil
    end
  end
  return picked
end

--- The request of an operation.
---@param operation string
---@param given table?
---@return table  vault.Client:call's
function M.request(operation, given)
  local entry, name, rest = M.LIST[operation], function_name(operation), {}
  for field, value in sorted(given or {}) do rest[field] = value end
  local request = { operation = operation, method = entry[1], safe = entry.safe or entry[1] == "GET" or entry[1] == "LIST", whole = entry.whole,
    mount = fill(name, entry[2], given or {}, rest), path = fill(name, entry[3], given or {}, rest),
    namespace = rest.namespace, timeout = rest.timeout }
  rest.namespace, rest.timeout = nil, nil
  request.body, request.query = pick(rest, entry.body), pick(rest, entry.query)
  local unknown = next(rest)
  if unknown ~= nil then error(("bad argument #1 to '%s' (unknown field '%s')"):format(name, tostring(unknown)), 0) end
  return request
end

--- The functions of Vault for recipes: each takes one table, and gives the answer's data without what is null or empty, {} where there is
--- none; nil where a read finds nothing there.
---@param call fun(request: table): table?
---@return table<string, function>
function M.functions(call)
  local functions = {}
  for operation in sorted(M.LIST) do
    functions[function_name(operation)] = function(given) return call(M.request(operation, given)) end
  end

  --- What stands at a path, as `vault read` shows it. The door knows which paths only read; any other counts as a write.
  ---@param path string  "sys/mounts"
  ---@return table? data  nil where nothing is there
  function functions.read(path)
    local mount, rest = tostring(path):match "^/?([^/]+)/(.+)$"
    if not mount then error(("bad argument #1 to 'read' (a path below a mount, such as \"sys/mounts\", not '%s')"):format(tostring(path)), 0) end
    return call { operation = "Read", method = "GET", safe = true, mount = mount, path = rest }
  end
  return functions
end

return M
