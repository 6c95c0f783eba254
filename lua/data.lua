--- Lua data: a text that returns a table of literals, read and never run. So no file of arguments can loop, call or look around.
---
---     return { cluster = "orders-prod", admin = { "arn:…", "arn:…" }, rotation = 180, enable = false }   -- comments are fine
local M = {}

local DEPTH_MAX <const> = 20
local SHOWN <const> = 16   -- characters of what stands where something else should
local WORDS <const> = { ["true"] = true, ["false"] = false }
local RESERVED <const> = {}   -- words that are no names in Lua
for word in ("and break do else elseif end false for function goto if in local nil not or repeat return then true until while"):gmatch "%a+" do
  RESERVED[word] = true
end

-- What is wrong with a text; raised by the parts below, caught by `read`.
local Fault = {}

---@class data.Reader
---@field text string
---@field at integer    the next character
---@field depth integer
local Reader = {}
Reader.__index = Reader

function Reader:fail(wanted)
  local _, lines = self.text:sub(1, self.at - 1):gsub("\n", "")
  local rest = self.text:match("^[%w_.]+", self.at) or self.text:match("^[^%s%w]", self.at)
  local secret = require("secretlike").kind(self.text:match("^[^%s,;}\"']+", self.at))
  local found = secret or rest and ("'%s'"):format(rest:sub(1, SHOWN)) or "the end of the text"
  error(setmetatable({ message = ("line %d: %s was expected, not %s"):format(lines + 1, wanted, found) }, Fault), 0)
end

-- Passes white space and comments.
function Reader:skip()
  repeat
    local from = self.at
    self.at = self.text:match("^%s*()", self.at)
    local level, inside = self.text:match("^%-%-%[(=*)%[()", self.at)
    if level then
      local _, last = self.text:find("]" .. level .. "]", inside, true)
      if not last then self:fail "the end of a comment" end
      self.at = last + 1
    else
      self.at = self.text:match("^%-%-[^\n]*()", self.at) or self.at
    end
  until self.at == from
end

-- Takes a word or sign, when it stands here.
function Reader:take(pattern)
  self:skip()
  local found, after = self.text:match("^(" .. pattern .. ")()", self.at)
  if found then self.at = after end
  return found
end

-- The end of a text in quotes or long brackets that begins here; nil when none does. What lies between is one literal.
local function end_of_text(self)
  local quote = self.text:match("^[\"']", self.at)
  if quote then
    local at = self.at + 1
    while true do
      local sign = self.text:sub(at, at)
      if sign == quote then return at end
      if sign == "" then self:fail "the end of a text" end
      at = at + (sign == "\\" and 2 or 1)
    end
  end
  local level, inside = self.text:match("^%[(=*)%[()", self.at)
  if not level then return nil end
  local _, last = self.text:find("]" .. level .. "]", inside, true)
  return last or self:fail "the end of a text"
end

-- A text, by Lua's own rules of escapes; nil when none begins here.
function Reader:string()
  self:skip()
  local last = end_of_text(self)
  if not last then return nil end
  local literal = load("return " .. self.text:sub(self.at, last), "=text", "t", {})   -- one literal, which can do nothing
  if not literal then self:fail "a text without broken escapes" end
  self.at = last + 1
  return literal()
end

function Reader:number()
  local found = self:take "-?%s*%.?%d[%w.]*"
  if not found then return nil end
  local number = tonumber((found:gsub("%s", "")))
  if not number then
    self.at = self.at - #found
    self:fail "a number"
  end
  return number
end

function Reader:value()
  local text = self:string()
  if text ~= nil then return text end
  if self:take "{" then return self:table() end
  local number = self:number()
  if number ~= nil then return number end
  local from, word = self.at, self:take "[%a_][%w_]*"
  if word and WORDS[word] ~= nil then return WORDS[word] end
  self.at = from
  self:skip()
  self:fail "a text, a number, true, false or { … }"
end

-- The name of a member with its '='; nil for an element of a list.
function Reader:name()
  local from = self.at
  local name = self:take "[%a_][%w_]*"
  if name and not RESERVED[name] and self:take "=" then return name end
  self.at = from
  if name or not self:take "%[" or self.text:find("^[%[=]", self.at) then
    self.at = from
    return nil
  end
  name = self:string() or self:number()
  if name == nil then self:fail "a text or a number" end
  if not self:take "%]" then self:fail "']'" end
  if not self:take "=" then self:fail "'='" end
  return name
end

function Reader:twice(name)
  local _, lines = self.text:sub(1, self.at - 1):gsub("\n", "")
  error(setmetatable({ message = ("line %d: '%s' stands there twice"):format(lines + 1, tostring(name):sub(1, SHOWN)) }, Fault), 0)
end

function Reader:table()
  local result, count = {}, 0
  self.depth = self.depth + 1
  if self.depth > DEPTH_MAX then self:fail(("no more than %d tables in each other"):format(DEPTH_MAX)) end
  while not self:take "}" do
    local name = self:name()
    local value = self:value()
    if name == nil then
      count = count + 1
      name = count
    end
    if result[name] ~= nil then self:twice(name) end
    result[name] = value
    if not self:take "[,;]" then
      if not self:take "}" then self:fail "',' or '}'" end
      break
    end
  end
  self.depth = self.depth - 1
  return result
end

--- The table that a text of Lua data returns.
---@param text string
---@return table? value, string? message  "line 3: a text, a number … was expected, not 'os.exit'"
function M.read(text)
  local reader = setmetatable({ text = text, at = text:match "^\xEF\xBB\xBF()" or 1, depth = 0 }, Reader)
  local ok, value = pcall(function()
    if not reader:take "return%f[^%w_]" then reader:fail "'return { … }'" end
    if not reader:take "{" then reader:fail "'{'" end
    local result = reader:table()
    reader:take ";"
    reader:skip()
    if reader.at <= #text then reader:fail "the end of the text" end
    return result
  end)
  if ok then return value end
  if getmetatable(value) ~= Fault then error(value, 0) end
  return nil, value.message
end

return M
