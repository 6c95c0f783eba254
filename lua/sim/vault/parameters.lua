--- The simulated Vault: what a policy says of a request beside its path: the parameters that it allows, denies and wants, and how long an
--- answer has to be wrapped. As in Vault, the parameters of read, create, update and patch matter, in any case of letters but where they are
--- wanted: there the request has to have them in small ones.
local fields = require("sim.vault.fields")
local json = require("json")
local sorted = require("sorted")

local M = {}

-- A map of lists by lower-case names; nil without one.
local function map_of(pattern, name, value)
  if value == nil then return nil end
  if type(value) ~= "table" then error({ text = ("path %q: %s must be a map"):format(pattern, name) }, 0) end
  local map = {}
  for parameter, values in sorted(value) do
    if type(values) ~= "table" then error({ text = ("path %q: %s of %q must be a list"):format(pattern, name, parameter) }, 0) end
    map[tostring(parameter):lower()] = values
  end
  return map
end

--- Of a path's block, what this file is about; raises { text = } for what cannot be meant.
---@param pattern string
---@param block table
---@return { allowed: table?, denied: table?, required: string[]?, min_wrapping: integer?, max_wrapping: integer? }
function M.read(pattern, block)
  local least, most = fields.duration(block.min_wrapping_ttl), fields.duration(block.max_wrapping_ttl)
  if least and most and most > 0 and most < least then
    error({ text = ("path %q: max_wrapping_ttl cannot be less than min_wrapping_ttl"):format(pattern) }, 0)
  end
  return { allowed = map_of(pattern, "allowed_parameters", block.allowed_parameters),
    denied = map_of(pattern, "denied_parameters", block.denied_parameters), required = block.required_parameters,
    min_wrapping = least, max_wrapping = most }
end

-- A list without members stands for every value; a text may have a * at one end.
local function among(values, value)
  if #values == 0 then return true end
  local text = type(value) == "table" and json.encode(value) or tostring(value)
  for _, wanted in ipairs(values) do
    wanted = tostring(wanted)
    local prefix, suffix = wanted:match "^(.*)%*$", wanted:match "^%*(.*)$"
    if wanted == text or prefix and text:sub(1, #prefix) == prefix or suffix and suffix ~= "" and text:sub(-#suffix) == suffix then return true end
  end
  return false
end

-- What several policies say of one pattern adds up; a list without members wins over one that has some.
local function add(maps, one)
  for name, values in sorted(one or {}) do
    local list = maps[name]
    if list and (#list == 0 or #values == 0) then
      maps[name] = {}
    else
      maps[name] = table.move(values, 1, #values, #(list or {}) + 1, list or {})
    end
  end
end

local function wrapping_fits(said, ttl)
  if (said.min_wrapping or 0) == 0 and (said.max_wrapping or 0) == 0 then return true end
  if not ttl then return false end
  return ttl >= (said.min_wrapping or 0) and ((said.max_wrapping or 0) == 0 or ttl <= said.max_wrapping)
end

local function denied(map, data)
  if not next(map) then return false end
  if map["*"] then return true end
  for name, value in sorted(data) do
    local values = map[name:lower()]
    if values and among(values, value) then return true end
  end
  return false
end

local function allowed(map, data)
  if not next(map) then return true end
  for name, value in sorted(data) do
    local values = map[name:lower()]
    if not (values or map["*"]) or values and not among(values, value) then return false end
  end
  return true
end

--- Whether what rules of one pattern say lets a request through.
---@param rules { said: table }[]
---@param request { judged: boolean, data: table, wrapping: integer? }  judged: of a kind whose parameters matter; wrapping: for how long
---@return boolean
function M.allow(rules, request)
  local allows, denies, data = {}, {}, request.data
  for _, rule in ipairs(rules) do
    local said = rule.said
    if not wrapping_fits(said, request.wrapping) then return false end
    for _, name in ipairs(request.judged and said.required or {}) do
      if data[name:lower()] == nil then return false end
    end
    add(allows, said.allowed)
    add(denies, said.denied)
  end
  if not request.judged or next(data) == nil then return true end
  return not denied(denies, data) and allowed(allows, data)
end

return M
