--- IAM policy documents: reading, one normal form for all spellings, writing, and the grammar AWS takes.
local condition = require("policy.condition")
local json = require("json")
local sorted = require("sorted")

local M = {}

local function unescape(text)
  return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

local DEPTH_MAX <const> = 20   -- of tables within tables; a statement's condition is at 5

local function too_deep(value, left)
  if left == 0 then return true end
  for _, member in next, value do   -- order cannot be seen
    if type(member) == "table" and too_deep(member, left - 1) then return true end
  end
  return false
end

--- A document from its text. IAM's answers carry it percent-encoded; that is undone first.
---@param document string|table  a table is taken as it is
---@return table? document, string? message
function M.parse(document)
  if type(document) == "table" then
    if too_deep(document, DEPTH_MAX) then return nil, "the policy is nested too deeply, or in itself" end
    return document
  end
  if type(document) ~= "string" then
    return nil, ("a policy is a JSON object or its text, not a %s"):format(type(document))
  end
  local text = document:find("^%s*%%7[Bb]") and unescape(document) or document
  local value, message = json.decode(text)
  if value == nil then return nil, "the policy is not JSON: " .. tostring(message) end
  if type(value) ~= "table" or json.is_array(value) then return nil, "the policy is not a JSON object: " .. text:sub(1, 40) end
  return value
end

local top_order = { "Version", "Id", "Statement" }
local statement_order = { "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition" }

local function is_list(value) return type(value) == "table" and (json.is_array(value) or #value > 0) end
M.is_list = is_list

-- The members of an object in the given order, then the rest sorted.
local function ordered(object, order)
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

local write

local function write_list(list, order)
  local parts = {}
  for i, value in ipairs(list) do parts[i] = write(value, order) end
  return "[" .. table.concat(parts, ",") .. "]"
end

function write(value, order)
  if type(value) ~= "table" or value == json.null then return json.encode(value) end
  if is_list(value) then return write_list(value, order) end
  local parts = {}
  for _, name in ipairs(ordered(value, order)) do
    local inner = name == "Statement" and statement_order or {}
    parts[#parts + 1] = json.encode(name) .. ":" .. write(value[name], inner)
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

--- The document as compact JSON, its members in the order in which the vendor's page prints them.
---@param document string|table
---@return string text; raises when the text is no policy
function M.json(document)
  local value, message = M.parse(document)
  if not value then error(message, 0) end
  return write(value, top_order)
end

--- Any value as JSON with sorted members: equal text means equal value.
function M.canonical(value) return write(value, {}) end

--- One statement as JSON, to be shown to a person.
function M.statement_json(statement) return write(statement, statement_order) end

local function drop_null(value)
  if value ~= json.null then return value end
end

-- A string, or a list of strings, as a sorted list without doubles, none of them changed.
local function set(value)
  value = drop_null(value)
  if value == nil then return nil end
  if type(value) == "string" then return { value } end
  local list, seen = {}, {}
  for _, member in ipairs(is_list(value) and value or { value }) do
    local text = type(member) == "table" and write(member, {}) or tostring(member)
    if not seen[text] then
      seen[text] = true
      list[#list + 1] = text
    end
  end
  table.sort(list)
  return list
end

--- An account's number in the way the policy spells accounts: 12 digits become the root ARN of the partition.
function M.account_arn(text, partition)
  if text:find("^%d%d%d%d%d%d%d%d%d%d%d%d$") then
    return ("arn:%s:iam::%s:root"):format(partition or "aws", text)
  end
  return text
end

-- The partition that the document's own ARNs name.
local function partition_of(document)
  return write(document, {}):match('"arn:(aws[%w-]*):')
end

local function has_account_number(names)
  for _, name in ipairs(names) do
    if #name == 12 and name:find("^%d+$") then return true end
  end
end

-- partition() is asked only where a bare account number stands.
local function principals(value, partition)
  value = drop_null(value)
  if value == nil then return nil end
  if value == "*" then return { AWS = { "*" } } end
  if type(value) ~= "table" or is_list(value) then return { malformed = set(value) } end
  local map = {}
  for kind, names in pairs(value) do
    local list = set(names) or {}
    if kind == "AWS" and has_account_number(list) then
      for i, name in ipairs(list) do list[i] = M.account_arn(name, partition()) end
      list = set(list)
    end
    if #list > 0 then map[kind] = list end
  end
  return map
end

local function conditions(value)
  value = drop_null(value)
  if type(value) ~= "table" then return nil end
  local block, any = {}, false
  for name, keys in pairs(value) do
    local lower = {}
    for key, values in pairs(type(keys) == "table" and keys or {}) do
      lower[key:lower()] = set(values) or {}
      any = true
    end
    block[name] = lower
  end
  return any and block or nil
end

local known = {}
for _, name in ipairs(statement_order) do known[name] = true end

local function rest_of(object)
  local rest
  for name, value in pairs(object) do
    if not known[name] and value ~= json.null then
      rest = rest or {}
      rest[name] = value
    end
  end
  return rest
end

local function statement(raw, index, partition)
  return {
    index = index, raw = raw,
    sid = type(raw.Sid) == "string" and raw.Sid or nil,
    effect = raw.Effect,
    principal = principals(raw.Principal, partition),
    not_principal = principals(raw.NotPrincipal, partition),
    action = set(raw.Action), not_action = set(raw.NotAction),
    resource = set(raw.Resource), not_resource = set(raw.NotResource),
    condition = conditions(raw.Condition),
    rest = rest_of(raw),
  }
end

--- The normal form: lists are sets, principals maps of lists with accounts as root ARNs, condition keys lower-case,
--- values text, an empty Condition none.
---@param like string|table|nil  a document whose partition bare account numbers take when this one names none; else aws
---@return { version: string, id: string?, statements: table[] }? normal, string? message
function M.normalise(document, like)
  local value, message = M.parse(document)
  if not value then return nil, message end
  local list = drop_null(value.Statement)
  if type(list) ~= "table" then return nil, "the policy has no Statement" end
  if not is_list(list) and next(list) ~= nil then list = { list } end
  local found = nil
  local function of_document()
    found = found or partition_of(value) or like and partition_of(M.parse(like) or {}) or "aws"
    return found
  end
  local normal = { version = drop_null(value.Version) or "2008-10-17", id = drop_null(value.Id), statements = {} }
  for index, raw in ipairs(list) do
    if type(raw) ~= "table" or is_list(raw) then return nil, ("statement %d of the policy is no object"):format(index) end
    normal.statements[index] = statement(raw, index, of_document)
  end
  return normal
end

-- Grammar --------------------------------------------------------------------------------------------------------

local kinds = {
  identity        = { principal = false, resource = true, id = false, sid = "^[%w]*$" },
  boundary        = { principal = false, resource = true, id = false, sid = "^[%w]*$" },
  service_control = { principal = false, resource = true, id = false, sid = "^[%w]*$" },
  session         = { principal = false, resource = true, id = false, sid = "^[%w]*$" },
  trust           = { principal = true, resource = false, id = true, sid = "^[%w]*$" },
  key             = { principal = true, resource = true, id = true, sid = "", limit = 32768 },
  resource        = { principal = true, resource = true, id = true, sid = "" },
}

local function fail(message, ...) error({ message = message:format(...) }, 0) end

-- An unknown value's mark is put in before its text is known; what it holds is not the policy's.
local function without_marks(text) return (text:gsub("\xEE\x83\x80.-\xEE\x83\x81", "")) end

local function check_characters(text)
  for _, code in utf8.codes(without_marks(text)) do
    local fine = code == 9 or code == 10 or code == 13 or (code >= 0x20 and code <= 0xFF)
    if not fine then fail("character U+%04X is outside what AWS takes in a policy (tab, line ends, U+0020-U+00FF)", code) end
  end
end

local function strings(value, where)
  local list = is_list(value) and value or { value }
  if #list == 0 then fail("%s is empty; name at least one", where) end
  for _, member in ipairs(list) do
    if type(member) ~= "string" or member == "" then
      fail("%s must be a string or a list of strings, not %s", where, write(member, {}))
    end
  end
  return list
end

local function one_of(raw, names, where, wanted)
  local found
  for _, name in ipairs(names) do
    if raw[name] ~= nil then
      if found then fail("%s has both %s and %s; use one", where, found, name) end
      if not wanted then fail("%s has a %s, which this kind of policy must not have", where, name) end
      found = name
    end
  end
  if wanted and not found then fail("%s has no %s", where, table.concat(names, " or ")) end
  return found
end

local principal_kinds = { AWS = true, Service = true, Federated = true, CanonicalUser = true }

local function check_principal_name(name, where)
  local fine = name == "*" or name:find("^%d%d%d%d%d%d%d%d%d%d%d%d$") or name:find("^arn:aws[%w-]*:%w+::%d+:.+$")
    or name:find("^A%u%u%u[%u%d]+$") or name:find("\xEE\x83\x80", 1, true)
  if not fine then fail("%s %q is no account, ARN or unique id", where, name) end
  if name ~= "*" and without_marks(name):find("[*?]") then
    fail("%s %q has a wildcard; AWS takes only a whole \"*\" (use the condition key aws:PrincipalArn with ArnLike)", where, name)
  end
end

local function check_principal(value, where)
  if value == "*" then return end
  if type(value) ~= "table" or is_list(value) or next(value) == nil then
    fail("%s must be \"*\" or an object such as {\"AWS\": …}, not %s", where, write(value, {}))
  end
  for kind, names in sorted(value) do
    if not principal_kinds[kind] then fail("%s names %q; AWS knows AWS, Service, Federated, CanonicalUser", where, kind) end
    for _, name in ipairs(strings(names, where .. "." .. kind)) do
      if kind == "AWS" then check_principal_name(name, where .. ".AWS") end
    end
  end
end

local function check_actions(value, where, kind)
  for _, action in ipairs(strings(value, where)) do
    if action ~= "*" and not action:find("^[%w-]+:[%w*?]+$") then
      fail("%s %q is not of the form service:Action", where, action)
    end
    if kind == "trust" and not action:lower():find("^sts:") then
      fail("%s %q does not belong into a trust policy; only sts: actions do", where, action)
    end
  end
end

local function check_resources(value, where)
  for _, resource in ipairs(strings(value, where)) do
    if resource ~= "*" and not resource:find("^arn:") then fail("%s %q is neither \"*\" nor an ARN", where, resource) end
  end
end

local function check_condition_key(name, key, values, where)
  local texts = {}
  for _, value in ipairs(is_list(values) and values or { values }) do
    if type(value) == "table" then fail("%s.%s.%s holds %s, not text, a number or a truth value", where, name, key, write(value, {})) end
    texts[#texts + 1] = tostring(value)
  end
  local fine, message = condition.check(name, texts)
  if not fine then fail("%s.%s: %s", where, key, message) end
end

local function check_condition(value, where)
  if value == nil then return end
  if type(value) ~= "table" or is_list(value) then fail("%s must be an object", where) end
  for name, keys in sorted(value) do
    if type(keys) ~= "table" or is_list(keys) then fail("%s.%s must be an object of condition keys", where, name) end
    local seen = {}
    for key, values in sorted(keys) do
      if seen[key:lower()] then fail("%s.%s names %s twice", where, name, key) end
      seen[key:lower()] = true
      check_condition_key(name, key, values, where)
    end
  end
end

local function check_sid(raw, where, rules, seen)
  if raw.Sid == nil then return end
  if type(raw.Sid) ~= "string" or not raw.Sid:find(rules.sid) then
    fail("%s has the Sid %s, which holds characters AWS does not take here", where, write(raw.Sid, {}))
  end
  if seen[raw.Sid] and raw.Sid ~= "" then fail("the Sid %q stands twice", raw.Sid) end
  seen[raw.Sid] = true
end

local function check_members(object, order, where)
  local allowed = {}
  for _, name in ipairs(order) do allowed[name] = true end
  for name in sorted(object) do
    if not allowed[name] then fail("%s has a member %q that AWS does not know", where, name) end
  end
end

local function check_statement(raw, index, kind, seen)
  local rules, where = kinds[kind], ("statement %d"):format(index)
  if type(raw) ~= "table" or is_list(raw) then fail("%s is no object", where) end
  check_members(raw, statement_order, where)
  check_sid(raw, where, rules, seen)
  if raw.Effect ~= "Allow" and raw.Effect ~= "Deny" then
    fail("%s has the Effect %s; it is \"Allow\" or \"Deny\"", where, write(raw.Effect == nil and json.null or raw.Effect, {}))
  end
  local principal = one_of(raw, { "Principal", "NotPrincipal" }, where, rules.principal)
  if principal then check_principal(raw[principal], where .. "." .. principal) end
  if principal == "NotPrincipal" and raw.Effect == "Allow" then fail("%s allows by NotPrincipal, which AWS does not support", where) end
  local action = one_of(raw, { "Action", "NotAction" }, where, true)
  check_actions(raw[action], where .. "." .. action, kind)
  local resource = one_of(raw, { "Resource", "NotResource" }, where, rules.resource)
  if resource then check_resources(raw[resource], where .. "." .. resource) end
  check_condition(raw.Condition, where .. ".Condition")
end

local function check(document, kind)
  local rules = kinds[kind]
  check_members(document, top_order, "the policy")
  local version = document.Version
  if version ~= nil and version ~= "2012-10-17" and version ~= "2008-10-17" then
    fail("the policy's Version is %s; it is \"2012-10-17\"", write(version, {}))
  end
  if document.Id ~= nil and not rules.id then fail("the policy has an Id, which this kind of policy must not have") end
  if type(document.Statement) ~= "table" then fail("the policy has no Statement") end
  local list = is_list(document.Statement) and document.Statement or { document.Statement }
  local seen = {}
  for index, raw in ipairs(list) do check_statement(raw, index, kind, seen) end
  local text = write(document, top_order)
  check_characters(text)
  if rules.limit and #without_marks(text) > rules.limit then
    fail("the policy has %d bytes; AWS takes %d", #text, rules.limit)
  end
end

--- Would AWS take this document? Grammar only: it does not ask whether principals exist.
---@param document string|table
---@param kind "identity"|"key"|"trust"|"resource"|"boundary"|"service_control"|"session"
---@return true? fine, string? message naming statement and member
function M.validate(document, kind)
  if not kinds[kind] then
    local names = "identity, key, trust, resource, boundary, service_control, session"
    error(("policy.validate: kind %q is none of %s"):format(tostring(kind), names), 2)
  end
  local value, message = M.parse(document)
  if not value then return nil, message end
  local fine, trouble = pcall(check, value, kind)
  if fine then return true end
  if type(trouble) == "table" and trouble.message then return nil, trouble.message end
  error(trouble, 0)
end

return M
