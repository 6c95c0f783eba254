-- Vault's transit engine as a table, with real cryptography, in the place of a session's `vault`: for sentences about the recipe.
local crypto = require "crypto"
local json = require "json"
local refusal = require "refusal"
local secret = require "secret"

local M = {}

local function refuse(operation, status, message)
  refusal.raise { service = "vault", operation = operation, kind = "refused", status = status, message = message or "permission denied" }
end

local function der(pem) return crypto.unbase64((pem:gsub("%-%-%-%-%-[^\n]*", ""):gsub("\n", ""))) end

local operations = {}

function operations.read_seal_status(vault) return { initialized = true, sealed = vault.sealed, version = "2.7.2" } end

function operations.inspect_mount(vault, p)
  local mount = vault.mounts[p.path] or refuse("InspectMount", 403)
  return type(mount) == "table" and mount or { type = mount }
end

function operations.read_capabilities(vault, p)
  local answer = {}
  for _, path in ipairs(p.paths) do answer[path] = vault.capabilities(path) end
  return answer
end

function operations.transit_read_key(vault, p)
  local key = vault.keys[p.mount .. "/" .. p.name]
  if not key then return nil end
  local versions = {}
  for number in pairs(key.versions) do versions[tostring(number)] = 1795677941 end   -- order cannot be seen
  return { name = p.name, type = key.type, exportable = key.exportable, deletion_allowed = key.deletion_allowed, derived = false, keys = versions,
    latest_version = #key.versions > 0 and #key.versions or nil }
end

function operations.transit_list_keys(vault, p)
  local list = {}
  for place in require("sorted")(vault.keys) do
    local mount, name = place:match "^(.*)/([^/]+)$"
    if mount == p.mount then list[#list + 1] = name end
  end
  return #list > 0 and { keys = list } or nil
end

function operations.transit_create_key(vault, p)
  local place = p.mount .. "/" .. p.name
  vault.keys[place] = vault.keys[place] or { type = p.type, exportable = p.exportable, deletion_allowed = false, versions = { vault.random(32) } }
  return {}
end

function operations.transit_configure_key(vault, p)
  local key = vault.keys[p.mount .. "/" .. p.name]
  if p.exportable ~= nil then key.exportable = p.exportable end
  if p.deletion_allowed ~= nil then key.deletion_allowed = p.deletion_allowed end
  return {}
end

function operations.transit_export(vault, p)
  local key = vault.keys[p.mount .. "/" .. p.name]
  if not key.exportable then refuse("TransitExport", 400, "private key material is not exportable") end
  return { name = p.name, keys = { [p.version] = secret.new(crypto.base64(key.versions[math.tointeger(p.version)]), "vault") } }
end

function operations.transit_rotate_key(vault, p)
  local key = vault.keys[p.mount .. "/" .. p.name]
  table.insert(key.versions, vault.random(32))
  return {}
end

function operations.transit_import_key(vault, p)
  local place = p.mount .. "/" .. p.name
  if vault.keys[place] then refuse("TransitImportKey", 400, "the import path cannot be used with an existing key") end
  vault.keys[place] = { type = p.type, public = der(p.public_key), versions = {}, deletion_allowed = false }
  return {}
end

function operations.transit_wrapped_data_key(vault, p)
  local bytes = vault.random(p.bits // 8)
  table.insert(vault.wrapped, bytes)
  return { ciphertext = "vault:v1:" .. crypto.base64(crypto.rsa_oaep_wrap(vault.keys[p.mount .. "/" .. p.name].public, bytes, "sha256")) }
end

function operations.transit_delete_temporary_key(vault, p)
  local key = vault.keys[p.mount .. "/" .. p.name]
  if not key.deletion_allowed then refuse("TransitDeleteTemporaryKey", 400, "deletion is not allowed for this key") end
  vault.keys[p.mount .. "/" .. p.name] = nil
  return {}
end

--- A Vault that lasts as long as the test: mounts, keys, capabilities and `sealed` may be edited; `calls` lists what was asked, and
--- `wrapped` the bytes that it gave to nobody but KMS.
---@param random fun(count: integer): string
function M.new(random)
  return { sealed = false, mounts = { transit = "transit" }, keys = {}, calls = {}, wrapped = {}, random = random, faults = {},
    capabilities = function() return { "root" } end }
end

--- What a session calls. vault.faults[operation] is called before it, and may raise.
function M.functions(vault)
  return setmetatable({}, { __index = function(_, operation)
    local fn = operations[operation] or error(("transit: no %s"):format(operation), 2)
    return function(parameters)
      table.insert(vault.calls, operation)
      json.encode(parameters or {})   -- nothing secret, nothing that is no JSON
      if vault.faults[operation] then vault.faults[operation](parameters, refuse) end
      return fn(vault, parameters or {})
    end
  end })
end

--- What a rehearsal calls: requests as the client makes them, at the rehearsal's door.
function M.through(door)
  return { functions = setmetatable({}, { __index = function(_, name)
    local operation = ("_" .. name):gsub("_(%l)", string.upper)
    return function(parameters)
      return door.vault.request(require("vault.operations").request(operation, parameters), operation).body.data or {}
    end
  end }) }
end

return M
