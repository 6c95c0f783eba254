--- The simulated Vault's tokens: made, found, used up, revoked; and the answer of whoever logs in.
local crypto = require("crypto")
local json = require("json")
local policy = require("sim.vault.policy")
local refusal = require("sim.vault.refusal")
local sorted = require("sorted")
local state = require("sim.vault.state")
local time = require("sim.time")

local M = {}

--- The system's longest time to live, in seconds.
M.MAX_TTL = 2764800

--- The fields by which a role of any login says what its tokens are.
M.ROLE_FIELDS = { token_policies = { "list", json.array {} }, policies = "list", token_ttl = { "duration", 0 }, token_max_ttl = { "duration", 0 },
  token_num_uses = { "int", 0 }, token_period = { "duration", 0 }, token_explicit_max_ttl = { "duration", 0 },
  token_no_default_policy = { "bool", false }, token_type = { "string", "default" }, token_bound_cidrs = { "list", json.array {} } }

--- The members of ROLE_FIELDS in a role as it is read.
function M.role_data(fields, into)
  for name in sorted(M.ROLE_FIELDS) do
    if name ~= "policies" then into[name] = fields[name] end
  end
  if fields.policies then into.token_policies = fields.policies end
  return into
end

local function new_id(r)
  local prefix = state.EDITIONS[r.vault.edition].bao and "s." or "hvs.CAES"
  return prefix .. crypto.base64url(r.simulation.random(24))
end

local function sorted_list(list, with_default)
  local seen, result = {}, json.array {}
  for _, name in ipairs(list) do seen[name:lower()] = true end
  if with_default and not seen.root then seen.default = true end
  for name in sorted(seen) do result[#result + 1] = name end
  return result
end

--- Makes a token.
---@param r table  the request
---@param how { policies: string[], no_default: boolean?, ttl: integer?, max_ttl: integer?, num_uses: integer?, period: integer?, meta: table?,
---  explicit_max_ttl: integer?, renewable: boolean?, display_name: string?, path: string, parent: table?, type: string? }
---@return table token
function M.create(r, how)
  local period = how.period or 0
  local ttl = period > 0 and period or (how.ttl or 0) > 0 and how.ttl or M.MAX_TTL
  local limit = (how.explicit_max_ttl or 0) > 0 and how.explicit_max_ttl or (how.max_ttl or 0) > 0 and how.max_ttl or M.MAX_TTL
  if period == 0 and ttl > limit then ttl = limit end
  local policies = sorted_list(how.policies, not how.no_default)
  local root = #policies == 1 and policies[1] == "root" and (how.ttl or 0) == 0
  local token = {
    id = new_id(r), accessor = crypto.base64url(r.simulation.random(18)), policies = policies, namespace = r.namespace.path, created = r.now,
    creation_ttl = root and 0 or ttl, explicit_max_ttl = how.explicit_max_ttl or 0, num_uses = how.num_uses or 0, limit = limit,
    display_name = how.display_name or "token", path = how.path, orphan = how.parent == nil, parent = how.parent and how.parent.id,
    type = how.type == "batch" and "batch" or "service", renewable = how.renewable ~= false and how.type ~= "batch" and not root,
    meta = how.meta or json.null, period = period, entity_id = how.entity_id or "", expires = not root and r.now + ttl or nil,
  }
  r.vault._tokens[token.id], r.vault._accessors[token.accessor] = token, token
  return token
end

--- The `auth` of an answer.
---@param token table
function M.auth(token)
  return { client_token = token.id, accessor = token.accessor, policies = token.policies, token_policies = token.policies,
    metadata = token.meta, lease_duration = token.creation_ttl, renewable = token.renewable, entity_id = token.entity_id, token_type = token.type,
    orphan = token.orphan, mfa_requirement = json.null, num_uses = token.num_uses }
end

--- What a login gives: a token by the role's settings.
---@param r table
---@param role table  with the members of ROLE_FIELDS
---@param how { display_name: string, meta: table, alias: string }
---@return table answer
function M.login(r, role, how)
  local token = M.create(r, { policies = role.token_policies, no_default = role.token_no_default_policy, ttl = role.token_ttl,
    max_ttl = role.token_max_ttl, num_uses = role.token_num_uses, period = role.token_period, explicit_max_ttl = role.token_explicit_max_ttl,
    meta = how.meta, display_name = how.display_name, path = r.mount_path .. "login", type = role.token_type,
    entity_id = crypto.hex(crypto.sha256(r.mount.accessor .. how.alias)):sub(1, 32):gsub("^(%x%x%x%x%x%x%x%x)(%x%x%x%x)(%x%x%x%x)(%x%x%x%x)",
      "%1-%2-%3-%4-") })
  return { auth = M.auth(token) }
end

--- Ends a token, and those that it made.
function M.revoke(vault, token)
  vault._tokens[token.id], vault._accessors[token.accessor] = nil, nil
  for _, other in sorted(vault._tokens) do
    if other.parent == token.id then M.revoke(vault, other) end
  end
end

--- A token that is still good; nil otherwise.
---@param vault table
---@param id string?
---@param now number
function M.find(vault, id, now)
  local token = id and vault._tokens[id]
  if token and token.expires and token.expires <= now then
    M.revoke(vault, token)
    token = nil
  end
  return token
end

--- Seconds that a token has left; 0 for one that never ends.
function M.ttl(token, now) return token.expires and math.max(0, math.floor(token.expires - now)) or 0 end

--- A token as a lookup shows it.
function M.shown(token, now, with_id)
  return {
    id = with_id and token.id or "", accessor = token.accessor, policies = token.policies, path = token.path, meta = token.meta,
    display_name = token.display_name, num_uses = token.num_uses, orphan = token.orphan, creation_time = math.floor(token.created),
    creation_ttl = token.creation_ttl, expire_time = token.expires and time.micros(token.expires) or json.null,
    issue_time = time.micros(token.created), ttl = M.ttl(token, now), explicit_max_ttl = token.explicit_max_ttl, entity_id = token.entity_id,
    type = token.type, renewable = token.renewable, period = (token.period or 0) > 0 and token.period or nil,
    namespace_path = token.namespace ~= "" and token.namespace or nil,
  }
end

--- Prolongs a token, as far as it may.
---@param r table
---@param token table
---@param increment integer?  seconds
function M.renew(r, token, increment)
  if not token.renewable then refusal.bad "lease is not renewable" end
  local ttl = (increment or 0) > 0 and increment or token.creation_ttl
  if (token.period or 0) > 0 then
    ttl = token.period
  else
    local most = math.floor(token.created + token.limit - r.now)
    if ttl > most then
      ttl = most
      r.warn "TTL of requested increment exceeded the max TTL; capped accordingly"
    end
  end
  token.expires = r.now + ttl
  local auth = M.auth(token)
  auth.lease_duration = ttl
  return { auth = auth }
end

--- The rules of all of a token's policies; nil for root, who may everything.
function M.rules(vault, token)
  local rules = {}
  local namespace = vault.namespaces[token.namespace]
  for _, name in ipairs(token.policies) do
    if name == "root" then return nil end
    local text = namespace and namespace.policies[name]
    local more = text and policy.parse(text) or {}
    table.move(more, 1, #more, #rules + 1, rules)
  end
  return rules
end

--- The capabilities of a token on a path of its namespace, sorted.
---@return string[]
function M.capabilities(vault, token, path)
  local rules = M.rules(vault, token)
  if not rules then return json.array { "root" } end
  local list = json.array {}
  for name in sorted(policy.capabilities(rules, path)) do list[#list + 1] = name end
  if #list == 0 then list[1] = "deny" end
  return list
end

return M
