--- The simulated Vault: what the roles of all logins share. A role is kept as the fields that it was given, over what was there.
local json = require("json")
local paths = require("sim.vault.paths")
local refusal = require("sim.vault.refusal")
local sorted = require("sorted")
local tokens = require("sim.vault.tokens")

local M = {}

--- Fields of a role: those of its tokens and these.
---@param own table<string, any>
---@return table<string, any>
function M.fields(own)
  local all = {}
  for name, rule in sorted(tokens.ROLE_FIELDS) do all[name] = rule end
  for name, rule in sorted(own) do all[name] = rule end
  return all
end

--- The map of that name in a mount's state.
function M.store(r, name)
  r.store[name] = r.store[name] or {}
  return r.store[name]
end

--- A list row and a row of one role.
---@param options { noun: string, path: string, store: string, fields: table, check: (fun(r: table, role: table))?, hidden: table?, lower: boolean? }
---@return table list_row, table row
function M.rows(options)
  local own = M.fields(options.fields)
  local function name_of(r)
    local name = r.captured.name
    return options.lower ~= false and name:lower() or name
  end
  local function find(r) return M.store(r, options.store)[name_of(r)] end
  local function write(r)
    local role = find(r) or {}
    local fresh = next(role) == nil
    for name in sorted(own) do
      if r.present[name] or fresh then role[name] = r.fields[name] end
    end
    if role.policies then role.token_policies, role.policies = role.policies, nil end
    if options.check then options.check(r, role) end
    M.store(r, options.store)[name_of(r)] = role
  end
  local function read(r)
    local data = {}
    for name, value in sorted(find(r) or refusal.absent()) do
      if not (options.hidden and options.hidden[name]) then data[name] = value end
    end
    return { data = data }
  end
  local function list(r)
    local keys = json.array {}
    for name in sorted(M.store(r, options.store)) do keys[#keys + 1] = name end
    return paths.keys(keys)
  end
  local pattern = options.path:gsub("%p", "%%%0")
  return { options.noun .. "s", "^" .. pattern .. "/?$", list = list },
    { options.noun, "^" .. pattern .. "/(NAME)$", { "name" }, fields = own, read = read, write = write,
      exists = function(r) return find(r) ~= nil end,
      delete = function(r) M.store(r, options.store)[name_of(r)] = nil end }
end

return M
