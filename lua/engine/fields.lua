--- What `ensure` of a kind takes, by the kind's own doc comment: a field that no kind has is misspelt, and one that is missing is told by its
--- name, and not where it is missed.
local sorted = require "sorted"

local M = {}

local known = {}

-- The fields of a kind by name; nil for one that says nothing of them.
local function of(kind)
  if known[kind] == nil then
    local entry = require("docs").of("ensure " .. kind)
    local fields = { account = true }   -- whose credentials: lua/engine/account/elsewhere.lua
    for _, field in ipairs(entry and entry.fields or {}) do fields[field.name] = field end
    known[kind] = entry and fields or false
  end
  return known[kind] or nil
end

local all

-- Those of all kinds: a recipe may leave to its layout which kind it makes.
local function of_any()
  if all then return all end
  all = {}
  for _, kind in ipairs(require("docs").kinds()) do
    for name in pairs(of(kind) or {}) do all[name] = true end   -- order cannot be seen
  end
  return all
end

--- Raises what is misspelt or missing in what a recipe wants of a kind of the library's.
---@param kind string
---@param given table
---@param verb "ensure"|"read"  what is read may be known by less
function M.check(kind, given, verb)
  local fields = of(kind)
  if not fields then return end
  for name in sorted(given) do
    if not fields[name] and not of_any()[name] then
      local names = {}
      for field in sorted(fields) do names[#names + 1] = field end
      local near = require("ui.near").near(tostring(name), names)[1]
      error(("%s: kind '%s' has no field '%s'%s"):format(verb, kind, tostring(name), near and ("; did you mean '%s'?"):format(near) or ""), 0)
    end
  end
  for name, field in sorted(verb == "ensure" and fields or {}) do
    if type(field) == "table" and not field.optional and given[name] == nil then
      error(("ensure: kind '%s' needs a '%s': cmek help ensure %s"):format(kind, name, kind), 0)
    end
  end
end

return M
