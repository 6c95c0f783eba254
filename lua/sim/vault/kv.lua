--- The simulated Vault: the key/value store, versions 1 and 2. A secret's data is kept as JSON text, so that it comes back as it came.
local json = require("json")
local paths = require("sim.vault.paths")
local refusal = require("sim.vault.refusal")
local roles = require("sim.vault.roles")
local sorted = require("sorted")
local time = require("sim.time")

local M = {}

-- The names directly below a path; a folder ends in a slash.
local function names_below(map, prefix, present)
  local seen, keys = {}, json.array {}
  for path, secret in sorted(map) do
    local rest = path:sub(1, #prefix) == prefix and path:sub(#prefix + 1)
    local name = rest and (rest:match "^[^/]+/" or rest)
    if name and name ~= "" and not seen[name] and (not present or present(secret)) then
      seen[name] = true
      keys[#keys + 1] = name
    end
  end
  return paths.keys(keys)
end

local function folder(path) return path == "" and "" or (path:gsub("/*$", "/")) end

-- ---- version 1 ----

local ONE <const> = paths.rows {
  { "Secret", "^(.*)$", { "path" }, lease = true,
    exists = function(r) return roles.store(r, "secrets")[r.captured.path] ~= nil end,
    list = function(r) return names_below(roles.store(r, "secrets"), folder(r.captured.path)) end,
    read = function(r)
      local text = roles.store(r, "secrets")[r.captured.path] or refusal.absent()
      r.ignored = {}
      return { data = json.decode(text), lease_duration = 2764800 }
    end,
    write = function(r)
      if next(r.given) == nil then refusal.bad "missing data fields" end
      roles.store(r, "secrets")[r.captured.path] = json.encode(r.given)
    end,
    delete = function(r) roles.store(r, "secrets")[r.captured.path] = nil end },
}

-- ---- version 2 ----

local function config(r)
  r.store.config = r.store.config or { max_versions = 0, cas_required = false, delete_version_after = 0 }
  return r.store.config
end

local function find(r) return roles.store(r, "secrets")[r.captured.path] end

local NEVER <const> = ""

local function metadata_of(secret, number)
  local version = secret.versions[tostring(number)]
  return { created_time = version.created_time, deletion_time = version.deletion_time, destroyed = version.destroyed, version = number,
    custom_metadata = secret.custom_metadata or json.null }
end

local function new_secret(r)
  local now = time.micros(r.now)
  return { created_time = now, updated_time = now, current_version = 0, oldest_version = 0, max_versions = 0, cas_required = false,
    versions = {} }
end

local function check_cas(r, secret)
  local options = r.fields.options or {}
  local cas = options.cas ~= nil and math.tointeger(tonumber(options.cas))
  local current = secret and secret.current_version or 0
  if cas then
    if cas ~= current then refusal.bad "check-and-set parameter did not match the current version" end
  elseif config(r).cas_required or secret and secret.cas_required then
    refusal.bad "check-and-set parameter required for this call"
  end
end

local function add_version(r, secret, data)
  local number, now = secret.current_version + 1, time.micros(r.now)
  secret.current_version, secret.updated_time = number, now
  secret.versions[tostring(number)] = { created_time = now, deletion_time = NEVER, destroyed = false, data = json.encode(data) }
  local most = secret.max_versions > 0 and secret.max_versions or config(r).max_versions > 0 and config(r).max_versions or 10
  for old = math.max(1, secret.oldest_version), number - most do
    secret.versions[tostring(old)] = nil
    secret.oldest_version = old + 1
  end
  return { data = metadata_of(secret, number) }
end

local function write_data(r)
  local data = r.fields.data
  if type(data) ~= "table" then refusal.bad "no data provided" end
  local secret = find(r)
  check_cas(r, secret)
  secret = secret or new_secret(r)
  roles.store(r, "secrets")[r.captured.path] = secret
  return add_version(r, secret, data)
end

local function patch_data(r)
  local secret = find(r) or refusal.absent()
  local version = secret.versions[tostring(secret.current_version)]
  if not version or not version.data or version.deletion_time ~= NEVER then refusal.absent() end
  if type(r.fields.data) ~= "table" then refusal.bad "no data provided" end
  check_cas(r, secret)
  local data = json.decode(version.data)
  for name, value in sorted(r.fields.data) do data[name] = value ~= json.null and value or nil end
  return add_version(r, secret, data)
end

local function read_data(r)
  local secret = find(r) or refusal.absent()
  local number = (r.fields.version or 0) > 0 and r.fields.version or secret.current_version
  local version = secret.versions[tostring(number)] or refusal.absent()
  if version.deletion_time ~= NEVER or version.destroyed then
    return { status = 404, data = { data = json.null, metadata = metadata_of(secret, number) } }
  end
  return { data = { data = json.decode(version.data), metadata = metadata_of(secret, number) } }
end

-- Marks versions: all that are named, or the current one.
local function mark(change)
  return function(r)
    local secret = find(r)
    if not secret then return end
    local list = r.fields.versions or { secret.current_version }
    if #list == 0 then refusal.bad "No version number provided" end
    for _, number in ipairs(list) do
      local version = secret.versions[tostring(number)]
      if version then change(version, time.micros(r.now)) end
    end
  end
end

local function delete(version, now) version.deletion_time = now end

local function undelete(version) version.deletion_time = NEVER end

local function destroy(version) version.destroyed, version.data = true, nil end

local function read_metadata(r)
  local secret = find(r) or refusal.absent()
  local versions = {}
  for number, version in sorted(secret.versions) do
    versions[number] = { created_time = version.created_time, deletion_time = version.deletion_time, destroyed = version.destroyed }
  end
  return { data = { cas_required = secret.cas_required, created_time = secret.created_time, current_version = secret.current_version,
    custom_metadata = secret.custom_metadata or json.null, delete_version_after = "0s", max_versions = secret.max_versions,
    oldest_version = secret.oldest_version, updated_time = secret.updated_time, versions = versions } }
end

local function write_metadata(r)
  local secret = find(r) or new_secret(r)
  for _, name in ipairs { "cas_required", "max_versions", "custom_metadata" } do
    if r.present[name] then secret[name] = r.fields[name] end
  end
  roles.store(r, "secrets")[r.captured.path] = secret
end

local function read_config(r)
  return { data = { max_versions = config(r).max_versions, cas_required = config(r).cas_required, delete_version_after = "0s" } }
end

local function write_config(r)
  for _, name in ipairs { "cas_required", "max_versions" } do
    if r.present[name] then config(r)[name] = r.fields[name] end
  end
end

-- Somebody forgot `data/`.
local function no_such_path(r)
  r.warn('Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use. If using the Vault CLI, \z
use \'vault kv %s\' for this operation.', r.verb == "write" and "put" or r.verb == "read" and "get" or r.verb)
  return { status = 404 }
end

local function exists(r) return find(r) ~= nil end

local PATH <const> = { "path" }
local VERSIONS <const> = { versions = "list" }

local TWO <const> = paths.rows {
  { "Config", "^config$", fields = { max_versions = "int", cas_required = "bool", delete_version_after = "string" }, read = read_config,
    write = write_config },
  { "Data", "^data/(.+)$", PATH, fields = { data = "any", options = "map", version = "int" }, exists = exists, read = read_data,
    write = write_data, patch = patch_data, delete = mark(delete) },
  { "Delete", "^delete/(.+)$", PATH, fields = VERSIONS, write = mark(delete) },
  { "Undelete", "^undelete/(.+)$", PATH, fields = VERSIONS, write = mark(undelete) },
  { "Destroy", "^destroy/(.+)$", PATH, fields = VERSIONS, write = mark(destroy) },
  { "Metadata", "^metadata/?(.*)$", PATH, fields = { cas_required = "bool", max_versions = "int", custom_metadata = "map",
    delete_version_after = "string" }, exists = exists, read = read_metadata, write = write_metadata,
    list = function(r) return names_below(roles.store(r, "secrets"), folder(r.captured.path)) end,
    delete = function(r) roles.store(r, "secrets")[r.captured.path] = nil end },
  { "Nothing", "^(.*)$", PATH, read = no_such_path, list = no_such_path, write = no_such_path, delete = no_such_path },
}

--- The rows that a mount has, by its version.
function M.rows_of(mount) return mount.options ~= json.null and tostring(mount.options.version) == "2" and TWO or ONE end

return M
