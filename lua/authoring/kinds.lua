--- What is wrong with a kind of a recipe's own, seen without running it: what its description lacks or misspells, and what its functions call
--- that it does not name.
local knowledge = require "authoring.knowledge"

local M = {}

local TYPES <const> = { string = "string", table = "table", ["function"] = "function" }
local WRITERS <const> = { create = true, update = true, delete = true }

local function field_of(node, name)
  for _, field in ipairs(node.fields) do
    if field.key == name then return field end
  end
end

-- What a value that is written out is; nil for one that only a run can tell.
local function type_of(node)
  if TYPES[node.tag] then return node.tag end
  if node.tag == "value" and node.value ~= nil and node.value ~= "…" then return type(node.value) end
end

-- The operations that actions name, by service; nil where a run alone can tell them.
local function check_actions(look, field)
  if not field or field.node.tag ~= "table" then return nil end
  local actions, whole = {}, true
  for _, entry in ipairs(field.node.fields) do
    local service = entry.key
    if not service then
      if entry.computed then whole = false else look:found(entry, "actions are by service: actions = { sns = { \"CreateTopic\" } }") end
    else
      actions[service] = {}
      look:uses(service, entry, "actions." .. service)
      if entry.node.tag == "string" then
        look:found(entry.node, "actions.%s is a list of operations: %s = { \"%s\" }", service, service, entry.node.value)
      end
      for _, operation in ipairs(entry.node.tag == "table" and entry.node.fields or {}) do
        if operation.node.tag ~= "string" then whole = false else
          local wrong = knowledge.operation(service, operation.node.value)
          if wrong then look:found(operation.node, "actions.%s: %s", service, wrong) end
          actions[service][operation.node.value] = true
        end
      end
      if entry.node.tag ~= "table" and entry.node.tag ~= "string" then whole = false end
    end
  end
  return whole and actions or nil
end

-- What a function of the description calls: each call of a service that is written out in it.
local function check_calls(look, name, fn, actions)
  for at = fn.first, fn.last do
    local call = look:service_call(look.nodes[at])
    if call then
      for _, operation in ipairs(call.operations) do
        if actions and not (actions[call.service] or {})[operation] and not knowledge.operation(call.service, operation) then
          local list = {}
          for known in require("sorted")(actions[call.service] or {}) do list[#list + 1] = known end
          local near = require("ui.near").near(operation, list)[1]
          look:found(call.node, "%s calls %s %s, and actions do not name it%s", name, call.service, operation,
            near and ("; did you mean '%s'?"):format(near) or (": actions = { %s = { \"%s\", … } }"):format(call.service, operation))
        end
        if call.effect ~= "read" and not WRITERS[name] then
          look:found(call.node, "%s calls %s %s, which changes something: only create, update and delete may", name, call.service, operation)
        elseif call.effect == "deletion" and name ~= "delete" then
          look:found(call.node, "%s calls %s %s, which deletes: only delete may, for cmek destroy", name, call.service, operation)
        end
      end
    end
  end
end

local function check_types(look, node)
  for _, spec in ipairs(require("engine.kind").FIELDS) do
    local field = field_of(node, spec[1])
    local got = field and type_of(field.node)
    if got and got ~= spec[2] then look:found(field, "%s must be a %s, and is a %s: %s", spec[1], spec[2], got, spec[3]) end
  end
end

-- Whether a field that is misspelt may be the one.
local function is_misspelt(node, name)
  local names = {}
  for i, spec in ipairs(require("engine.kind").FIELDS) do names[i] = spec[1] end
  for _, field in ipairs(node.fields) do
    if field.key and require("ui.near").near(field.key, names)[1] == name then return true end
  end
  return false
end

local function tell_missing(look, node, call)
  local missing, why = {}, nil
  for _, spec in ipairs(require("engine.kind").FIELDS) do
    if not spec.optional and not field_of(node, spec[1]) and not is_misspelt(node, spec[1]) then
      missing[#missing + 1], why = spec[1], spec[3]
    end
  end
  if #missing == 1 then look:found(call, "resource has no %s: %s", missing[1], why) end
  if #missing > 1 then
    look:found(call, "resource has no %s and no %s: cmek help resource", table.concat(missing, ", no ", 1, #missing - 1), missing[#missing])
  end
end

--- Looks at a description: resource { … }.
---@param look table  the look at its file
---@param node authoring.Node  the table
---@param call authoring.Node  of resource
function M.look(look, node, call)
  local kind = field_of(node, "kind")
  local stock = kind and kind.node.tag == "string" and kind.node.value
  if stock and not stock:find "^%l[%l%d_]*$" then look:found(kind.node, "kind '%s' must be a word of lower-case letters, digits and '_'", stock) end
  if stock and require("engine.kind").STOCK[stock] then look:found(kind.node, "kind '%s' is one of cmek's own: choose another name", stock) end
  check_types(look, node)
  tell_missing(look, node, call)
  local actions = check_actions(look, field_of(node, "actions"))
  for _, field in ipairs(node.fields) do
    if field.key and field.node.tag == "function" then check_calls(look, field.key, field.node, actions) end
  end
end

return M
