--- What of an answer is used, and as what. A service that leaves out what must be there, or gives another kind of thing, is told by the
--- member's name at once, and not where it is missed. Members that a shape does not name may be anything.
--- A shape is "text", "number" or "truth"; { name = shape, … } for an object, in which "name!" must be there; or list(shape).
local json = require "json"
local sorted = require "sorted"

local M = {}

local List = {}

--- A list whose members all have a shape.
---@param of any  a shape
function M.list(of) return setmetatable({ of = of }, List) end

local KINDS <const> = { text = "string", number = "number", truth = "boolean" }
local NAMES <const> = { string = "a text", number = "a number", boolean = "true or false" }

-- "a text", as people call what is there.
local function kind_of(value)
  if value == json.null then return "null" end
  if type(value) ~= "table" then return NAMES[type(value)] or "a " .. type(value) end
  return #value > 0 and "a list" or "an object"
end

local function expected(value, path, what)
  if kind_of(value) ~= what then return ("the answer's %s is %s where %s was expected"):format(path, kind_of(value), what) end
end

local function list_fault(value, shape, path)
  local fault = expected(value, path, "a list")
  for i, member in ipairs(fault and {} or value) do
    fault = fault or M.fault(member, shape.of, ("%s[%d]"):format(path, i))
  end
  return fault
end

-- What a shape says of each member, in order; taken apart once.
local members_of = setmetatable({}, { __mode = "k" })
local function members(shape)
  local list = members_of[shape]
  if not list then
    list = {}
    for name, wanted in sorted(shape) do
      local plain = name:match "^(.*)!$"
      list[#list + 1] = { name = plain or name, wanted = wanted, must = plain ~= nil }
    end
    members_of[shape] = list
  end
  return list
end

local function object_fault(value, shape, path)
  local fault = path and expected(value, path, "an object")
  for _, known in ipairs(fault and {} or members(shape)) do
    local member = value[known.name]
    if member == nil then
      if known.must then return "the answer has no " .. (path and path .. "." or "") .. known.name end
    else
      fault = fault or M.fault(member, known.wanted, (path and path .. "." or "") .. known.name)
    end
  end
  return fault
end

--- What is wrong with an answer, as a sentence; nil when it has the shape. It is clean: nothing in it is null or empty.
---@param value any
---@param shape any
---@param path string?  of the value in the answer
---@return string?
function M.fault(value, shape, path)
  if value == nil then return nil end
  if type(shape) == "string" then return type(value) ~= KINDS[shape] and expected(value, path, NAMES[KINDS[shape]]) or nil end
  return (getmetatable(shape) == List and list_fault or object_fault)(value, shape, path)
end

return M
