--- The simulated Vault: auth/token, which every namespace has.
local json = require("json")
local paths = require("sim.vault.paths")
local refusal = require("sim.vault.refusal")
local sorted = require("sorted")
local tokens = require("sim.vault.tokens")

local M = {}

local CREATE <const> = { id = "string", policies = "list", ttl = { "duration", 0 }, lease = "duration", explicit_max_ttl = { "duration", 0 },
  num_uses = { "int", 0 }, period = { "duration", 0 }, renewable = { "bool", true }, no_parent = { "bool", false },
  no_default_policy = { "bool", false }, display_name = { "string", "" }, meta = "map", type = { "string", "service" }, entity_alias = "string" }

local function is_root(token)
  for _, name in ipairs(token.policies) do
    if name == "root" then return true end
  end
end

-- Nobody gives away more than he has.
local function check_policies(r, wanted)
  if is_root(r.token) then return end
  local has = {}
  for _, name in ipairs(r.token.policies) do has[name] = true end
  for _, name in ipairs(wanted) do
    if name ~= "default" and not has[name] then refusal.bad "child policies must be subset of parent" end
  end
end

local function create(orphan)
  return function(r)
    local f = r.fields
    local policies = f.policies or r.token.policies
    check_policies(r, policies)
    local name = f.display_name ~= "" and "token-" .. f.display_name or "token"
    local token = tokens.create(r, { policies = policies, ttl = f.ttl, explicit_max_ttl = f.explicit_max_ttl, num_uses = f.num_uses,
      period = f.period, renewable = f.renewable, no_default = f.no_default_policy or f.policies == nil, meta = f.meta, display_name = name,
      type = f.type, path = "auth/token/create", parent = not (orphan or f.no_parent) and r.token or nil })
    return { auth = tokens.auth(token) }
  end
end

local function not_found() refusal.raise(403, "bad token") end

local function named(r) return tokens.find(r.vault, r.fields.token, r.now) or not_found() end

local function of_accessor(r) return r.vault._accessors[r.fields.accessor or ""] or refusal.bad(refusal.several "invalid accessor") end

local function lookup(find, with_id)
  return function(r) return { data = tokens.shown(find(r), r.now, with_id) } end
end

local function renew(find)
  return function(r) return tokens.renew(r, find(r), r.fields.increment) end
end

local function revoke(find)
  return function(r)
    local token = find(r)
    tokens.revoke(r.vault, token)
  end
end

local function own(r) return r.token end

local function list_accessors(r)
  local keys = json.array {}
  for accessor in sorted(r.vault._accessors) do keys[#keys + 1] = accessor end
  return paths.keys(keys)
end

local BY_TOKEN <const> = { token = "string", increment = "duration" }
local BY_ACCESSOR <const> = { accessor = "string", increment = "duration" }

M.rows = {
  { "Create", "^create$", fields = CREATE, write = create(false) },
  { "CreateOrphan", "^create%-orphan$", fields = CREATE, sudo = true, write = create(true) },
  { "LookupSelf", "^lookup%-self$", fields = BY_TOKEN, read = lookup(own, true), write = lookup(own, true) },
  { "Lookup", "^lookup$", fields = BY_TOKEN, write = lookup(named, true) },
  { "LookupAccessor", "^lookup%-accessor$", fields = BY_ACCESSOR, write = lookup(of_accessor, false) },
  { "RenewSelf", "^renew%-self$", fields = BY_TOKEN, write = renew(own) },
  { "Renew", "^renew$", fields = BY_TOKEN, write = renew(named) },
  { "RenewAccessor", "^renew%-accessor$", fields = BY_ACCESSOR, write = renew(of_accessor) },
  { "RevokeSelf", "^revoke%-self$", write = revoke(own) },
  { "Revoke", "^revoke$", fields = BY_TOKEN, write = revoke(named) },
  { "RevokeAccessor", "^revoke%-accessor$", fields = BY_ACCESSOR, write = revoke(of_accessor) },
  { "Accessors", "^accessors$", sudo = true, list = list_accessors },
}

return M
