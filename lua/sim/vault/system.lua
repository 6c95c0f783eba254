--- The simulated Vault: what stands below sys/: health, seal, mounts, logins, policies, capabilities, leases, licence, quotas.
local json = require("json")
local paths = require("sim.vault.paths")
local policy = require("sim.vault.policy")
local refusal = require("sim.vault.refusal")
local sorted = require("sorted")
local state = require("sim.vault.state")
local tokens = require("sim.vault.tokens")

local M = {}

local function edition(r) return state.EDITIONS[r.vault.edition] end

-- ---- without a token, without an envelope ----

local HEALTH <const> = {
  active = { 200, "activecode" }, standby = { 429, "standbycode", "standbyok" },
  ["performance-standby"] = { 473, "performancestandbycode", "perfstandbyok" },
  ["dr-secondary"] = { 472, "drsecondarycode" }, sealed = { 503, "sealedcode" }, uninitialised = { 501, "uninitcode" },
}

local function is_true(text) return text ~= nil and text ~= "false" and text ~= "0" end

local function health(r)
  local row = HEALTH[r.condition]
  local status = row[1]
  if row[3] and is_true(r.query[row[3]]) then status = tonumber(r.query.activecode) or 200 end
  status = tonumber(r.query[row[2]]) or status
  local sealed = r.condition == "sealed" or r.condition == "uninitialised"
  local body = {
    initialized = r.condition ~= "uninitialised", sealed = sealed, standby = r.condition:find("standby", 1, true) ~= nil or sealed,
    replication_performance_mode = "disabled",
    replication_dr_mode = r.condition == "dr-secondary" and "secondary" or "disabled", server_time_utc = math.floor(r.now),
    version = edition(r).version,
  }
  if not edition(r).bao then body.performance_standby = r.condition == "performance-standby" end
  if not sealed then body.cluster_name, body.cluster_id = r.vault.cluster_name, r.vault.cluster_id end
  return { raw = body, status = status }
end

local function seal_status(r)
  local sealed = r.condition == "sealed" or r.condition == "uninitialised"
  return { raw = {
    type = "shamir", initialized = r.condition ~= "uninitialised", sealed = sealed, t = r.condition == "uninitialised" and 0 or 1,
    n = r.condition == "uninitialised" and 0 or 1, progress = 0, nonce = "", version = edition(r).version,
    [edition(r).bao and "commit_date" or "build_date"] = "2026-01-01T00:00:00Z", migration = false, recovery_seal = false, storage_type = "inmem",
    cluster_name = not sealed and r.vault.cluster_name or nil, cluster_id = not sealed and r.vault.cluster_id or nil,
  } }
end

local function init(r) return { raw = { initialized = r.condition ~= "uninitialised" } } end

-- ---- mounts and logins ----

local function shown(mount)
  local copy = {}
  for name, value in sorted(mount) do
    if name ~= "data" then copy[name] = value end
  end
  return copy
end

local function all(list)
  local data = {}
  for path, mount in sorted(list) do data[path] = shown(mount) end
  return { data = data }
end

local function slashed(path) return (path:gsub("^/+", ""):gsub("/*$", "/")) end

local PROTECTED <const> = { ["sys/"] = true, ["auth/"] = true, ["cubbyhole/"] = true, ["identity/"] = true }

local function check_type(r, login)
  local kind = r.fields.type
  if not kind or kind == "" then refusal.bad "backend type must be specified as a string" end
  if kind == "kv-v2" and not login then return "kv", { version = "2" } end
  if not require("sim.vault").engine(r.vault, kind, login) then refusal.bad("plugin not found in the catalog: %s", kind) end
  return kind, r.fields.options or (kind == "kv" and { version = "1" }) or nil
end

-- Does another mount stand at this path, above it or below it?
local function taken(list, path)
  for other in sorted(list) do
    if path:sub(1, #other) == other or other:sub(1, #path) == path then return other end
  end
end

local MOUNT_FIELDS <const> = { type = "string", description = { "string", "" }, config = "map", options = "map", ["local"] = { "bool", false },
  seal_wrap = { "bool", false }, external_entropy_access = "bool", plugin_version = "string", plugin_name = "string" }

local function enable(r, list, prefix, login)
  local path = slashed(r.fields.path)
  if not login and (PROTECTED[path] or path:find "^sys/" or path:find "^auth/") then
    refusal.raise(edition(r).bao and 400 or 403, ('cannot mount "%s"'):format(path))
  end
  local kind, options = check_type(r, login)
  local other = taken(list, path)
  if other then refusal.bad("path is already in use at %s", prefix .. other) end
  local mount = state.mount(kind, { description = r.fields.description, options = options, ["local"] = r.fields["local"],
    seal_wrap = r.fields.seal_wrap }, r.simulation:hex(16))
  if login then mount.config.token_type, mount.options = "default-service", options or {} end
  if kind == "keymgmt" then mount.running_plugin_version = "v0.17.0+ent" end
  list[path] = mount
end

local function disable(list, path, protected)
  if protected then refusal.bad("cannot unmount %q", path) end
  list[path] = nil
end

local function read_mount(r)
  local path = slashed(r.fields.path)
  local mount = r.namespace.mounts[path]
  return { data = shown(mount or refusal.bad("No secret engine mount at %s", path)) }
end

local function read_login(r)
  local path = slashed(r.fields.path)
  return { data = shown(r.namespace.auth[path] or refusal.bad("No auth engine at %s", path)) }
end

-- Whoever may do anything below a mount may know what it is.
local function reaches(r, path)
  local rules = tokens.rules(r.vault, r.token)
  return not rules or policy.reaches(rules, r.namespace.path:sub(#r.token.namespace + 1) .. path)
end

local function ui_mount(r)
  local path = r.fields.path .. "/"
  local login = path:match "^auth/(.*)$"
  local list, inner = login and r.namespace.auth or r.namespace.mounts, login or path
  for prefix, mount in sorted(list) do
    local full = (login and "auth/" or "") .. prefix
    if inner:sub(1, #prefix) == prefix and reaches(r, full) then
      local data = shown(mount)
      data.path = full
      return { data = data }
    end
  end
  refusal.raise(403, ("preflight capability check returned 403, please ensure client's policies grant access to path \"%s\""):format(path))
end

-- ---- policies ----

local function read_policy(key)
  return function(r)
    local name = r.fields.name:lower()
    local text = name == "root" and "" or r.namespace.policies[name] or refusal.absent()
    return { data = { name = name, [key] = text } }
  end
end

local function decoded(text)
  local plain = not text:find "[%s{]" and require("crypto").unbase64(text)
  return plain or text
end

local function write_policy(r)
  local name = r.fields.name:lower()
  local text = r.fields.policy or r.fields.rules
  if not text or text == "" then refusal.bad "'policy' parameter not supplied or empty" end
  text = decoded(text)
  local rules, message = policy.parse(text)
  if not rules then refusal.bad("failed to parse policy: %s", message) end
  if name == "root" then refusal.bad 'cannot update "root" policy' end
  r.namespace.policies[name] = text
end

local function delete_policy(r)
  local name = r.fields.name:lower()
  if name == "root" or name == "default" then refusal.bad("cannot delete %s policy", name) end
  r.namespace.policies[name] = nil
end

local function list_policies(key)
  return function(r)
    local keys = json.array {}
    for name in sorted(r.namespace.policies) do keys[#keys + 1] = name end
    if r.namespace.path == "" then keys[#keys + 1] = "root" end
    local data = { keys = keys }
    if key then data[key] = keys end
    return { data = data }
  end
end

local POLICY <const> = { policy = "string", rules = "string" }

-- ---- capabilities ----

local function capabilities(of)
  return function(r)
    local list = r.present.paths and r.fields.paths or r.fields.path or {}
    if #list == 0 then refusal.bad "paths must be supplied" end
    local token = of(r) or refusal.bad "invalid token"
    local data = {}
    for _, path in ipairs(list) do
      local full = r.namespace.path:sub(#token.namespace + 1) .. path
      data[path] = tokens.capabilities(r.vault, token, full)
    end
    if #list == 1 then data.capabilities = data[list[1]] end
    return { data = data }
  end
end

local function own(r) return r.token end

local function token_named(r) return tokens.find(r.vault, r.fields.token, r.now) end

local function token_of_accessor(r) return r.vault._accessors[r.fields.accessor or ""] end

local CAPABILITIES <const> = { paths = "list", path = "list", token = "string", accessor = "string" }

-- ---- namespaces ----

local function with_namespaces(handler)
  return function(r)
    if not edition(r).namespaces then refusal.raise(404, refusal.several "unsupported path") end
    return handler(r, r.namespace.path .. slashed(r.fields.path or ""))
  end
end

local function shown_namespace(r, namespace)
  local data = { id = namespace.id, path = namespace.path, custom_metadata = namespace.custom_metadata, uuid = namespace.uuid }
  if edition(r).bao then data.locked, data.tainted = false, false end
  return data
end

local write_namespace = with_namespaces(function(r, path)
  local found = r.vault.namespaces[path]
  if not found then
    found = state.namespace(path, require("crypto").base64url(r.simulation.random(6)):gsub("[_-]", "x"):sub(1, 5))
    r.vault.namespaces[path] = found
  end
  found.custom_metadata = r.fields.custom_metadata or found.custom_metadata
  return { data = shown_namespace(r, found) }
end)

local read_namespace = with_namespaces(function(r, path) return { data = shown_namespace(r, r.vault.namespaces[path] or refusal.absent()) } end)

local delete_namespace = with_namespaces(function(r, path)
  for other in sorted(r.vault.namespaces) do
    if other ~= path and other:sub(1, #path) == path then refusal.bad("namespace %q has child namespaces", path) end
  end
  if not r.vault.namespaces[path] then
    r.warn "requested namespace does not exist"
    return {}
  end
  r.vault.namespaces[path] = nil
  return nil
end)

local list_namespaces = with_namespaces(function(r)
  local keys, info, own_path = json.array {}, {}, r.namespace.path
  for path, namespace in sorted(r.vault.namespaces) do
    local inner = path:sub(1, #own_path) == own_path and path:sub(#own_path + 1):match "^[^/]+/$"
    if inner then
      keys[#keys + 1] = inner
      info[inner] = shown_namespace(r, namespace)
    end
  end
  return paths.keys(keys, info)
end)

-- ---- leases, licence, quotas ----

local function revoke_lease(r)
  local id = r.fields.lease_id
  if not id or id == "" then refusal.bad "lease_id must be specified" end
  local lease = r.vault._leases[id]
  r.vault._leases[id] = nil
  if lease and lease.revoke then lease.revoke() end
end

local function renew_lease(r)
  local lease = r.vault._leases[r.fields.lease_id or ""] or refusal.bad "lease not found"
  lease.expires = r.now + (r.fields.increment or lease.ttl)
  return { lease_id = r.fields.lease_id, renewable = true, lease_duration = math.floor(lease.expires - r.now), data = json.null }
end

local function license(r)
  if not edition(r).licensed then refusal.raise(404, refusal.several "unsupported path") end
  local year = "2030-01-01T00:00:00Z"
  return { data = { autoloading_used = true, autoloaded = { license_id = "00000000-0000-4000-8000-000000000001", customer_id = "simulated",
    features = json.array { "HSM", "Performance Replication", "DR Replication", "MFA", "Sentinel", "Seal Wrapping", "Control Groups",
      "Performance Standby", "Namespaces", "KMIP", "Entropy Augmentation", "Transform Secrets Engine", "Lease Count Quotas",
      "Key Management Secrets Engine", "Automated Snapshots" },
    start_time = "2026-01-01T00:00:00Z", expiration_time = year, termination_time = year } } }
end

local function write_quota(r)
  local rate = tonumber(r.fields.rate)
  if not rate or rate <= 0 then refusal.bad "'rate' is invalid" end
  r.vault._quotas[r.fields.name] = { rate = rate, interval = r.fields.interval, path = r.fields.path, count = 0 }
end

local function read_quota(r)
  local quota = r.vault._quotas[r.fields.name] or refusal.absent()
  return { data = { name = r.fields.name, type = "rate-limit", path = quota.path, rate = quota.rate, interval = quota.interval, block_interval = 0,
    role = "", inheritable = false } }
end

local function leader(r)
  if edition(r).bao then return { raw = { ha_enabled = false } } end
  return { raw = { ha_enabled = false, is_self = r.condition == "active", leader_address = "" } }
end

-- ---- the rows ----

M.rows = {
  { "Health", "^health$", raw = true, read = health, head = health },
  { "SealStatus", "^seal%-status$", raw = true, read = seal_status },
  { "Init", "^init$", raw = true, read = init },
  { "Leader", "^leader$", raw = true, read = leader },
  { "Mounts", "^mounts$", flat = true, read = function(r) return all(r.namespace.mounts) end },
  { "MountTune", "^mounts/(.+)/tune$", { "path" }, fields = { description = "string", default_lease_ttl = "duration", max_lease_ttl = "duration",
    options = "map" }, flat = true,
    read = function(r)
      local mount = r.namespace.mounts[slashed(r.fields.path)] or refusal.bad("cannot fetch sysview for path %q", slashed(r.fields.path))
      return { data = { default_lease_ttl = tokens.MAX_TTL, max_lease_ttl = tokens.MAX_TTL, force_no_cache = false, description = mount.description,
        options = mount.options } }
    end,
    write = function(r)
      local mount = r.namespace.mounts[slashed(r.fields.path)] or refusal.bad("no mount at %q", slashed(r.fields.path))
      mount.description = r.fields.description or mount.description
      for name, value in sorted(r.fields.options or {}) do
        mount.options = mount.options ~= json.null and mount.options or {}
        mount.options[name] = value
      end
    end },
  { "Mount", "^mounts/(.-)/?$", { "path" }, fields = MOUNT_FIELDS, flat = true, read = read_mount,
    write = function(r) enable(r, r.namespace.mounts, "", false) end,
    delete = function(r)
      local path = slashed(r.fields.path)
      disable(r.namespace.mounts, path, PROTECTED[path])
    end },
  { "Auth", "^auth$", flat = true, read = function(r) return all(r.namespace.auth) end },
  { "AuthMount", "^auth/(.-)/?$", { "path" }, fields = MOUNT_FIELDS, sudo = true, flat = true, read = read_login,
    write = function(r) enable(r, r.namespace.auth, "", true) end,
    delete = function(r)
      local path = slashed(r.fields.path)
      disable(r.namespace.auth, path, path == "token/")
    end },
  { "Policies", "^policies/acl$", flat = true, list = list_policies(), read = list_policies() },
  { "Policy", "^policies/acl/(.+)$", { "name" }, fields = POLICY, flat = true, read = read_policy "policy", write = write_policy,
    delete = delete_policy },
  { "Policies", "^policy$", flat = true, list = list_policies "policies", read = list_policies "policies" },
  { "Policy", "^policy/(.+)$", { "name" }, fields = POLICY, flat = true, read = read_policy "rules", write = write_policy, delete = delete_policy },
  { "CapabilitiesSelf", "^capabilities%-self$", fields = CAPABILITIES, flat = true, write = capabilities(own) },
  { "Capabilities", "^capabilities$", fields = CAPABILITIES, flat = true, write = capabilities(token_named) },
  { "CapabilitiesAccessor", "^capabilities%-accessor$", fields = CAPABILITIES, flat = true, write = capabilities(token_of_accessor) },
  { "Namespaces", "^namespaces$", list = list_namespaces },
  { "Namespace", "^namespaces/(.-)/?$", { "path" }, fields = { custom_metadata = "map" }, read = read_namespace, write = write_namespace,
    patch = write_namespace, delete = delete_namespace },
  { "LeaseRevoke", "^leases/revoke$", fields = { lease_id = "string", sync = "bool" }, write = revoke_lease },
  { "LeaseRenew", "^leases/renew$", fields = { lease_id = "string", increment = "duration" }, write = renew_lease },
  { "License", "^license/status$", read = license },
  { "UIMount", "^internal/ui/mounts/(.-)/?$", { "path" }, judges = true, read = ui_mount },
  { "Quota", "^quotas/rate%-limit/(.+)$", { "name" }, fields = { rate = "string", interval = { "duration", 1 }, path = { "string", "" },
    block_interval = "duration", type = "string", role = "string" }, read = read_quota, write = write_quota,
    delete = function(r) r.vault._quotas[r.fields.name] = nil end },
}

table.move(require("sim.vault.wrapping").rows, 1, #require("sim.vault.wrapping").rows, #M.rows + 1, M.rows)

paths.rows(M.rows)

return M
