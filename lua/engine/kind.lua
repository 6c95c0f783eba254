--- Kinds of a recipe's own: what `resource { … }` describes, checked, and as the engine works with it. Stock kinds are in
--- lua/resource/; these are the same thing in a recipe's words: functions without the engine's context, which call the
--- services that the recipe touches.
local calls = require "engine.calls"
local copy = require "engine.copy"
local failure = require "engine.failure"
local refusal = require "refusal"
local sorted = require "sorted"
local unknown = require "unknown"

local M = {}

--- Kinds that the library has.
M.STOCK = { cluster_cmek = true, cmek_rotation = true, rotation_lock = true, material_rotation = true, cluster_regions = true, growth = true,
  key = true, replica = true, role = true, role_use = true, adopted_key = true, adopted_role = true,
  transit_key = true, vault_mount = true, vault_provider = true, vault_key = true, vault_distribution = true, cluster = true, cmek = true,
  revoked_key = true, revoked_cluster = true, restored_key = true, restored_cluster = true, every_key = true,
  in_use = true, rotation = true, call = true }

local FUNCTION <const> = "function"
local FIELDS <const> = {
  { "kind", "string", "a word of lower-case letters, digits and '_'" },
  { "actions", "table", "{ service = { \"Operation\", … } }: all that its functions call" },
  { "name", FUNCTION, "name(want) gives the text that people see" },
  { "find", FUNCTION, "find(want) gives what is there now, or nil" },
  { "differences", FUNCTION, "differences(want, have) gives a list of { field =, have =, want = }", optional = true },
  { "create", FUNCTION, "create(want) makes it" },
  { "update", FUNCTION, "update(want, have) changes what differs", optional = true },
  { "delete", FUNCTION, "delete(want, have) takes it back", optional = true },
  { "absent", "table", "a list of the codes by which a service says to find that it is not there", optional = true },
  { "ready", FUNCTION, "ready(have) says whether it can be used", optional = true },
  { "region", FUNCTION, "region(want) gives its region", optional = true },
  { "irreversible", "string", "why making it cannot be undone", optional = true },
}

--- What describes a kind: name, type, and what it is for.
M.FIELDS = FIELDS

-- Checking -----------------------------------------------------------------------------------------------------------------

local function complain(kind, text, ...)
  error(("resource%s: %s"):format(type(kind) == "string" and " '" .. kind .. "'" or "", text:format(...)), 0)
end

local function check_fields(definition)
  local known, names = {}, {}
  for i, field in ipairs(FIELDS) do known[field[1]], names[i] = true, field[1] end
  for name in sorted(definition) do
    if not known[name] then complain(definition.kind, "field '%s' is unknown; it has %s", tostring(name), table.concat(names, ", ")) end
  end
  for _, field in ipairs(FIELDS) do
    local value = definition[field[1]]
    if not (value == nil and field.optional) and type(value) ~= field[2] then
      complain(definition.kind, "field '%s' must be a %s, got %s: %s", field[1], field[2], type(value), field[3])
    end
  end
end

local function check_actions(definition)
  for service, operations in sorted(definition.actions) do
    if type(operations) ~= "table" then complain(definition.kind, "actions.%s must be a list of operations", tostring(service)) end
    for i, operation in ipairs(operations) do
      if type(operation) ~= "string" or not operation:find "^%u%w+$" then
        complain(definition.kind, "actions.%s[%d] '%s' is no operation of the API, such as \"GetRole\"", tostring(service), i, tostring(operation))
      end
    end
  end
end

local function check_absent(definition)
  for i, code in ipairs(definition.absent or {}) do
    if type(code) ~= "string" then complain(definition.kind, "absent[%d] must be a code, such as \"NotFound\", got %s", i, type(code)) end
  end
  if definition.absent and #definition.absent == 0 then complain(definition.kind, "absent names no code: absent = { \"NotFound\" }") end
end

--- Checks a description; raises what is wrong with it, naming the field.
---@param definition table
---@param taken table<string, table>  kinds that the recipe has already
---@return table definition  a copy
function M.check(definition, taken)
  if type(definition) ~= "table" then error(("resource wants a table { kind =, … }, got %s"):format(type(definition)), 0) end
  local ok, copied = pcall(copy.description, definition)
  if not ok then complain(nil, "%s", copied) end
  definition = copied
  check_fields(definition)
  local kind = definition.kind
  if not kind:find "^%l[%l%d_]*$" then complain(nil, "kind '%s' must be %s", kind, FIELDS[1][3]) end
  if M.STOCK[kind] then complain(nil, "kind '%s' is one of cmek's own: choose another name", kind) end
  if taken[kind] then complain(nil, "kind '%s' is described twice: describe it once, outside of run", kind) end
  check_actions(definition)
  check_absent(definition)
  return definition
end

-- Working with it ----------------------------------------------------------------------------------------------------------

local WRITERS <const> = { create = true, update = true, delete = true }

-- Calls a function of the description; it may call what its actions name, and write where it is one that makes or changes.
local function caller(context, definition)
  local actions = {}
  for service, operations in sorted(definition.actions) do
    actions[service] = {}
    for _, operation in ipairs(operations) do actions[service][operation] = true end
  end
  return function(field, ...)
    return calls.within(context, { kind = definition.kind, actions = actions, writes = WRITERS[field] == true, doing = field },
      definition[field], ...)
  end
end

-- What a function of the description gives is none of what it should: told by the line where it stands.
local function wrong(definition, field, text, ...)
  error(("%skind '%s': %s"):format(definition.place and definition.place(field) or "", definition.kind, text:format(...)), 0)
end

local function check_differences(definition, list)
  if type(list) ~= "table" then wrong(definition, "differences", "differences gives %s, not a list", type(list)) end
  local checked = {}
  for i, difference in ipairs(list) do
    if type(difference) ~= "table" or type(difference.field) ~= "string" then
      wrong(definition, "differences", "differences gives a list whose [%d] has no field: { field =, have =, want = }", i)
    end
    checked[i] = { check = "as_wanted", field = difference.field, have = difference.have, want = difference.want }
  end
  return checked
end

-- What keeps a thing from being as it was made; nil when it is.
local function missing(resource, want, found)
  if found == nil then return "find gives nothing" end
  if not resource.ready(found) then return "ready does not say so" end
  local differs = resource.differences(want, found)
  return #differs > 0 and ("it differs in %s"):format(differs[1].field) or nil
end

local function settle(context, resource, want, lost)
  local why
  local function look()
    local found = resource.find(context, want)
    why = missing(resource, want, found)
    return not why and found or nil
  end
  local have = look()
  if have == nil then
    have = context:poll { reason = ("waiting until %s %s is as it was made: %s yet"):format(resource.kind, resource.name(want), why),
      bound = context.LAG, check = look }
  end
  if have ~= nil then return have end
  if lost then error(lost, 0) end
  failure.raise { code = "not_ready", what = ("making %s %s"):format(resource.kind, resource.name(want)),
    message = ("it does not show as it was made after %d s: %s"):format(context.LAG, why) }
end

-- A set of the codes by which a service says that there is no such thing.
local function codes(list)
  local set = {}
  for _, code in ipairs(list or {}) do set[code] = true end
  return set
end

--- A kind as the engine works with it, its functions bound to one engine's context.
---@param definition table
---@param context engine.Context
---@return table resource
function M.adapt(definition, context)
  local call, absent = caller(context, definition), codes(definition.absent)
  local resource = { kind = definition.kind, actions = definition.actions, irreversible = definition.irreversible, own = true,
    checks = { { id = definition.kind .. ".exists", severity = "high" }, { id = definition.kind .. ".as_wanted", severity = "medium" } } }

  function resource.defaults() end
  function resource.refusal(_, want, have)
    if have ~= nil and not definition.update and #resource.differences(want, have) > 0 then
      return ("%s %s differs, and its kind has no update"):format(resource.kind, resource.name(want)), "as_wanted"
    end
  end
  function resource.warnings() return {} end
  function resource.pending() return nil end
  function resource.name(want)
    local name = call("name", want)
    if type(name) ~= "string" then wrong(definition, "name", "name gives %s, not a text", type(name)) end
    return name
  end
  function resource.region(want)
    local region = definition.region and call("region", want) or nil
    if region ~= nil and type(region) ~= "string" then wrong(definition, "region", "region gives %s, not a text", type(region)) end
    return region
  end
  function resource.ready(have) return not definition.ready or call("ready", have) == true end
  function resource.differences(want, have)
    return definition.differences and check_differences(definition, call("differences", want, have)) or {}   -- it is there, or not
  end
  function resource.find(_, want)
    local ok, have = pcall(call, "find", want)
    if ok then return have end
    if calls.is_not_yet(have) or refusal.is(have) and absent[have.code] then return nil end   -- the former hangs on what is not made yet
    error(have, 0)
  end
  function resource.result(want, have)
    return have == nil and unknown.thing(("%s %s"):format(resource.kind, resource.name(want))) or have
  end

  -- A change whose answer was lost is not repeated: what can be found decides.
  function resource.create(_, want)
    local _, lost = context:try({ uncertain = true }, function() return call("create", want) end)
    return settle(context, resource, want, lost)
  end
  function resource.update(_, want, have)
    local _, lost = context:try({ uncertain = true }, function() return call("update", want, have) end)
    return settle(context, resource, want, lost)
  end
  -- Gone is what can no longer be found; a deletion whose answer was lost is not repeated.
  resource.delete = definition.delete and function(_, want, have)
    local _, lost = context:try({ uncertain = true }, function() return call("delete", want, have) end)
    local gone = context:poll {
      reason = ("waiting until %s %s is gone"):format(resource.kind, resource.name(want)), bound = context.LAG,
      check = function() return resource.find(context, want) == nil or nil end,
    }
    if gone then return have end
    if lost then error(lost, 0) end
    failure.raise { code = "not_ready", what = ("deleting %s %s"):format(resource.kind, resource.name(want)),
      message = ("it is still there after %d s"):format(context.LAG) }
  end or nil
  return resource
end

return M
