--- What only creation can tell, in a plan: a value that can be passed on or joined into text, and nothing else.
--- Joined, it leaves a mark (U+E0C0 … U+E0C1 around its description) that survives format, table keys and JSON; the door
--- refuses every request that holds one.
local M = {}

local OPEN <const>, CLOSE <const> = utf8.char(0xE0C0), utf8.char(0xE0C1)
local MARKED <const> = OPEN .. "(.-)" .. CLOSE

local Unknown = { __name = "unknown" }
local descriptions = setmetatable({}, { __mode = "k" })

local function text_of(value)
  local description = descriptions[value]
  return description and OPEN .. description .. CLOSE or value
end

local function complain(one, other)
  local description = descriptions[one] or descriptions[other]
  error(("the %s is not known before run: pass it on or join it"):format(description), 2)
end

for _, event in ipairs { "index", "newindex", "len", "lt", "le", "call", "unm", "add", "sub", "mul", "div", "mod", "pow", "idiv",
  "band", "bor", "bxor", "bnot", "shl", "shr", "pairs" } do
  Unknown["__" .. event] = complain
end

function Unknown.__concat(one, other) return text_of(one) .. text_of(other) end
Unknown.__tostring = text_of
Unknown.__json = text_of

--- An unknown value.
---@param description string  what it will be: "ARN of role crdb-cmek-orders"
---@return table
function M.new(description)
  local value = {}
  descriptions[value] = description
  return setmetatable(value, Unknown)
end

-- A thing with fields, none of which is known.
local Thing = { __name = "unknown" }
for event, method in pairs(Unknown) do Thing[event] = method end   -- order cannot be seen
function Thing.__index(value, field)
  if type(field) ~= "string" then complain(value) end
  return M.thing(("%s of %s"):format(field, descriptions[value]))
end

--- An unknown value that has fields: each is unknown as well.
---@param description string  "topic cmek-orders"
---@return table
function M.thing(description)
  local value = {}
  descriptions[value] = description
  return setmetatable(value, Thing)
end

--- Whether this is an unknown value itself (a text that holds one is not).
---@param value any
---@return boolean
function M.is(value) return descriptions[value] ~= nil end

--- The text that stands for an unknown value; anything else as it is.
---@param value any
---@return any
function M.text(value) return descriptions[value] and text_of(value) or value end

--- Whether a value is unknown, or a text or table that holds one.
---@param value any
---@return boolean
function M.has(value)
  if M.is(value) then return true end
  if type(value) == "string" then return value:find(OPEN, 1, true) ~= nil end
  if type(value) ~= "table" then return false end
  for key, member in pairs(value) do   -- order cannot be seen
    if M.has(key) or M.has(member) then return true end
  end
  return false
end

--- As people read it: "(ARN of role crdb-cmek-orders, known after apply)". Tables are copied, their marks replaced.
---@param value any
---@return any
function M.show(value)
  if M.is(value) then value = text_of(value) end
  if type(value) == "string" then return (value:gsub(MARKED, "(%1, known after apply)")) end
  if type(value) ~= "table" then return value end
  local copy = setmetatable({}, getmetatable(value))
  for key, member in pairs(value) do copy[M.show(key)] = M.show(member) end   -- order cannot be seen
  return copy
end

return M
