--- What Vault must offer before anything is made with one of its engines: it is open, the engine is there or can be had, and the token
--- may do what it will be asked.
local capabilities = require "engine.vault.capabilities"
local explain = require "explain"
local failure = require "engine.failure"
local names = require "names"
local refusal = require "refusal"
local sorted = require "sorted"

local M = {}

--- The checks that verify makes before it looks at anything in Vault.
M.checks = {
  { id = "vault.open", severity = "high", text = "Vault can be asked, and is not sealed" },
}

-- What is done with the paths below the mount, region by region: of transit by the form that the material takes, and by the key and its
-- version where those are known.
local function transit(cluster, region, need, options, known)
  if options.form == "wrapped" then
    local key = names.temporary(cluster, region, "x")
    need(("keys/%s/import"):format(key), "create", "update")
    need(("datakey/wrapped/%s"):format(key), "create", "update")
    need(("keys/%s/config"):format(key), "create", "update")
    need(("keys/%s"):format(key), "delete")
  else
    local key, version = known and known.key or names.vault_key(cluster, region), known and known.version or 1
    need(("keys/%s"):format(key), "create", "update", "read")
    if version > 1 then need(("keys/%s/rotate"):format(key), "create", "update") end
    need(("export/encryption-key/%s/%d"):format(key, version), "read")
  end
end

local function keymgmt(_, region, need, options, known)
  if known then   -- what is there is rotated
    need(("key/%s"):format(known.key), "read")
    need(("key/%s/rotate"):format(known.key), "create", "update")
    need(("kms/%s/key/%s"):format(known.provider, known.key), "read")
    return
  end
  local key, provider = options.names(region)
  need(("kms/%s"):format(provider), "create", "update", "read")
  need(("key/%s"):format(key), "create", "update", "read")
  need(("key/%s/kms"):format(key), "list")
  need(("kms/%s/key/%s"):format(provider, key), "create", "update", "read")
end

local ENGINES <const> = { transit = transit, keymgmt = keymgmt }

-- Which engine is asked for, and where it is mounted.
local function engine_of(options)
  for kind in sorted(ENGINES) do
    if options[kind] then return kind, options[kind] end
  end
end

-- A temporary key is in each region; what lasts, in those where the layout wants a key that is no replica.
local function wanted(engine, cluster, kind, mount, options)
  local list = {}
  local function need(path, ...) list[#list + 1] = { path = mount .. "/" .. path, ... } end
  function options.names(region)
    local want, engine_names = { cluster = cluster, region = region, mount = mount }, require "engine.vault.keymgmt"
    return engine_names.key_name(engine.context, want), engine_names.provider_name(engine.context, want)
  end
  local origins = options.form ~= "wrapped" and engine.layout and engine.layout:origins()
  for _, region in ipairs(options.keys or origins or cluster.regions or {}) do
    ENGINES[kind](cluster, region.name, need, options, options.keys and region)
  end
  return list
end

-- In verify a Vault that cannot be asked leaves its checks open; what is in AWS is looked at all the same.
local function seal_status(engine)
  local ok, status = pcall(engine.session.vault.read_seal_status)
  if ok then return status end
  if engine.mode ~= "verify" or not refusal.is(status) then error(status, 0) end
  engine:found { id = "vault.open", severity = "unknown", object = "Vault", have = refusal.line(status), text = status.next }
end

-- The version of a Vault that is open; nil in verify when it is not.
local function check_open(engine)
  local status = seal_status(engine)
  if not status then return nil end
  local words = status.initialized == false and "Vault is not initialized" or status.sealed and "Vault is sealed"
  if words then
    local here = engine.session.vault_client and engine.session.vault_client.settings or {}
    local told = explain.tell(status.initialized == false and "vault.uninitialised" or "vault.sealed",
      { address = here.address, words = words, attempts = 1, source_of_address = here.source },
      { code = "precondition", service = "vault", what = "checking Vault", message = words })
    engine:found { id = "vault.open", severity = "high", object = "Vault", have = words, want = M.checks[1].text, text = told.next }
    if engine.mode == "verify" then return nil end
    failure.raise(told)
  end
  engine:checked_as { id = "vault.open", object = "Vault", result = "ok", text = status.version }
  return status.version or ""
end

local FEATURE <const> = "Key Management Secrets Engine"

-- Why this Vault cannot have the engine, which is not mounted yet; nil when it can, or when that is not seen.
local function not_to_be_had(engine, kind, version)
  if kind ~= "keymgmt" then return nil end
  if version ~= "" and not version:find("+ent", 1, true) then return ("version %s is none of Vault Enterprise's"):format(version) end
  local license = engine.context:try(function() return true end, function() return engine.session.vault.read_license() or false end)
  local features = license and ((license.autoloaded or {}).features or license.features)
  for _, feature in ipairs(type(features) == "table" and features or { FEATURE }) do
    if feature == FEATURE then return nil end
  end
  return ("its licence does not have the feature '%s'"):format(FEATURE)
end

-- What is mounted there may be another engine; what is not is mounted by the recipe, where this Vault has it.
local function check_mount(engine, kind, mount, version)
  local found = require("resource.vault_mount").find(engine.context, { path = mount })
  if found and found.type == kind then return end
  local what = ("looking for the engine %s"):format(kind)
  if found then
    failure.raise { code = "precondition", service = "vault", what = what,
      message = ("the engine at %s/ is of type %s, and %s is needed"):format(mount, tostring(found.type), kind),
      next = "name another path (--vault-mount PATH): what is there already is used, else it is mounted there" }
  end
  local words = not_to_be_had(engine, kind, version)
  if not words then return end
  failure.raise({ code = "precondition", service = "vault", what = what, message = words }, "vault.no-engine",
    { address = engine.session.vault_client and engine.session.vault_client.settings.address or "Vault", words = words })
end

-- What the token lacks is told all at once, as lines for its policy.
local function check_capabilities(engine, cluster, mount, needs)
  local short, lacks = capabilities.lacking(engine.context, needs), {}
  for i, need in ipairs(short) do lacks[i] = need.lacks end
  engine:checked_as { id = "vault.capabilities", object = mount .. "/", result = #short > 0 and "finding" or "ok" }
  if #short == 0 then return end
  failure.raise { code = "precondition", service = "vault", operation = "ReadCapabilities", what = "checking what the token of Vault may do",
    message = "its policies lack " .. table.concat(lacks, "; "), next = "add to its policy:\n" .. capabilities.policy(short, cluster) }
end

--- Checks Vault before anything is made; in verify whether it is open, and what needs it is looked at thing by thing.
---@param engine table
---@param cluster table
---@param options { transit: string?, keymgmt: string?, form: "exportable"|"wrapped"|nil, keys: table[]? }
---  the mount of the engine that is used; form: transit's; keys: of a rotation, by region: { name = the region's, key =, provider =, version = }
function M.check(engine, cluster, options)
  local kind, mount = engine_of(options)
  if not kind then return end
  if engine.mode == "destroy" then return require("engine.vault.side").begin(engine, cluster, mount, kind) end
  local version = check_open(engine)
  if engine.mode == "verify" then return end
  check_mount(engine, kind, mount, version)
  check_capabilities(engine, cluster, mount, wanted(engine, cluster, kind, mount, options))
end

return M
