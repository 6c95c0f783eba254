--- Policies as IAM and KMS keep them: a role's or user's ARN in Principal becomes its unique id, and is printed as the ARN
--- again as long as that very role or user exists. Whoever is created anew under the name is somebody else.
local json = require("json")
local sorted = require("sorted")

local M = {}

-- One entry of Principal.AWS as it is kept; nil when there is nobody of that name.
local function keep(entry, find)
  if entry == "*" then return entry end
  if entry:find("^%d%d%d%d%d%d%d%d%d%d%d%d$") then return ("arn:aws:iam::%s:root"):format(entry) end
  if entry:find("^arn:aws[%w-]*:iam::%d%d%d%d%d%d%d%d%d%d%d%d:root$") then return entry end
  local partition, account, role = entry:match("^(arn:aws[%w-]*):sts::(%d+):assumed%-role/([^/]+)/[%w+=,.@-]+$")
  if partition then
    return find.role_named(account, role) and entry or nil
  end
  if entry:find("^A%u%u%u[%u%d]+$") then
    return find.arn_of(entry) and entry or nil
  end
  return find.id_of(entry)
end

-- A copy, its principals changed by `change(kind, entry)`; the first entry that it changes to nil comes second.
local function map_principals(value, change)
  local list, bad = {}, nil
  local function one(kind, entry)
    local changed = type(entry) == "string" and change(kind, entry) or nil
    if changed == nil then bad = bad or { kind = kind, entry = tostring(entry) } end
    return changed
  end
  if type(value) ~= "table" then return one("AWS", value), bad end
  for kind, entries in sorted(value) do
    if type(entries) == "table" then
      list[kind] = json.array {}
      for _, entry in ipairs(entries) do table.insert(list[kind], (one(kind, entry))) end
    else
      list[kind] = one(kind, entries)
    end
  end
  return list, bad
end

local function each_statement(document, fn)
  local copy = {}
  for name, member in sorted(document) do copy[name] = member end
  local list = document.Statement
  if type(list) ~= "table" then return copy end
  if not (json.is_array(list) or #list > 0) then
    copy.Statement = fn(list)
    return copy
  end
  copy.Statement = json.array {}
  for index, statement in ipairs(list) do copy.Statement[index] = fn(statement) end
  return copy
end

local function with_principals(document, change)
  local bad
  local copy = each_statement(document, function(statement)
    if type(statement) ~= "table" then return statement end
    local changed = {}
    for name, member in sorted(statement) do
      local wrong
      if name == "Principal" then member, wrong = map_principals(member, change) end
      changed[name] = member
      bad = bad or wrong
    end
    return changed
  end)
  return copy, bad
end

--- The document with unique ids in the place of names.
---@param document table
---@param find { role_named: function, arn_of: function, id_of: function }  who exists, for whoever asks
---@return table? kept, { kind: string, entry: string }? bad the first principal that is nobody
function M.keep(document, find)
  local kept, bad = with_principals(document, function(kind, entry)
    if kind == "AWS" then return keep(entry, find) end
    if kind == "Service" then return entry:find("^[%w.-]+%.amazonaws%.com") and entry or nil end
    return entry
  end)
  if bad then return nil, bad end
  return kept
end

--- The document as it is shown: ids of those who exist as their ARNs.
---@param document table
---@param arn_of fun(id: string): string?
---@return table
function M.show(document, arn_of)
  return (with_principals(document, function(kind, entry)
    return kind == "AWS" and arn_of(entry) or entry
  end))
end

--- Does the kept document name this id?
---@return boolean
function M.names(document, id)
  local found = false
  with_principals(document, function(_, entry)
    found = found or entry == id
    return entry
  end)
  return found
end

-- Printing --------------------------------------------------------------------------------------------------------

local top_order = { "Version", "Id", "Statement" }
local statement_order = { "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition" }

local function member_names(object, order)
  local names, known = {}, {}
  for _, name in ipairs(order) do
    known[name] = true
    if object[name] ~= nil then names[#names + 1] = name end
  end
  for name in sorted(object) do
    if not known[name] then names[#names + 1] = name end
  end
  return names
end

local print_value

local function print_object(object, indent, order)
  local pad, lines = ("  "):rep(indent + 1), {}
  for _, name in ipairs(member_names(object, order)) do
    local inner = name == "Statement" and statement_order or {}
    lines[#lines + 1] = ("%s%s : %s"):format(pad, json.encode(name), print_value(object[name], indent + 1, inner))
  end
  if #lines == 0 then return "{ }" end
  return ("{\n%s\n%s}"):format(table.concat(lines, ",\n"), ("  "):rep(indent))
end

function print_value(value, indent, order)
  if type(value) ~= "table" then return json.encode(value) end
  if not (json.is_array(value) or #value > 0) then return print_object(value, indent, order) end
  local parts = {}
  for index, member in ipairs(value) do parts[index] = print_value(member, indent, order) end
  return #parts == 0 and "[ ]" or "[ " .. table.concat(parts, ", ") .. " ]"
end

--- JSON as KMS prints policies: two spaces of indent, blanks around colons and inside brackets.
---@param document table
---@return string
function M.pretty(document) return print_value(document, 0, top_order) end

return M
