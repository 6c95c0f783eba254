--- What stands at a place in a line of Lua that is being typed: a name, a text, a field of a table, an argument of a call. It never raises.
---@class repl.Frame
---@field open string            "", "(", "{" or "["
---@field callee string?         the dotted name of what is called, or of what the table is for
---@field index integer          the argument, from 1
---@field arguments table<integer, string>   those before it that are texts
---@field key string?            of a table: the field whose value is being typed
---@field given table<string, string|true>   of a table: its fields so far, with those values that are texts
---@field fresh boolean          nothing of this argument, field or value is typed yet
---@class repl.Place
---@field kind "name"|"text"|"none"   none: in a comment, or behind what is no name
---@field start integer          where what is being typed begins
---@field partial string         it, up to the place
---@field chain (string|integer)[]    of a name: what stands before its last dot
---@field quote string?          of a text: how it began
---@field frame repl.Frame       what it stands in
---@field frames repl.Frame[]    all, from the outermost

local M = {}

local PAIRS <const> = { [")"] = "(", ["}"] = "{", ["]"] = "[" }
local WORDS <const> = {}
for word in ("and break do else elseif end for function goto if in local not or repeat return then until while"):gmatch "%a+" do
  WORDS[word] = true
end

local function new_frame(open, callee, arguments)
  return { open = open, callee = callee, index = 1, arguments = {}, given = {}, fresh = true, of = arguments }
end

--- The name of a chain: "kms.create_key"; nil where it goes through indexes or there is none.
---@param chain (string|integer)[]?
---@return string?
function M.name_of(chain)
  if not chain or #chain == 0 then return nil end
  for _, part in ipairs(chain) do
    if type(part) ~= "string" then return nil end
  end
  return table.concat(chain, ".")
end

-- What a table is for that opens here: of the call before it, or an argument of the call around it.
local function table_of(frame, chain)
  local name = M.name_of(chain)
  if name then return new_frame("{", name, {}) end
  if frame.open == "(" and frame.fresh then return new_frame("{", frame.callee, frame.arguments) end
  if frame.open == "{" and frame.key and frame.fresh then return new_frame("{", nil, {}) end
  return new_frame("{", nil, {})
end

local Scanner = {}
Scanner.__index = Scanner

function Scanner:frame() return self.frames[#self.frames] end

-- Something was typed that is no name.
function Scanner:typed()
  self.chain, self.dotted = nil, false
  self:frame().fresh = false
end

function Scanner:place(kind, start, more)
  local place = { kind = kind, start = start, partial = self.text:sub(start), chain = {}, frame = self:frame(), frames = self.frames }
  for name, value in pairs(more or {}) do place[name] = value end   -- order cannot be seen
  return place
end

-- A text in quotes or long brackets; the place, when it is not closed.
function Scanner:string(at)
  local text, long = self.text, self.text:match("^%[(=*)%[", at)
  local from = long and at + #long + 2 or at + 1
  local close
  if long then
    local _, last = text:find("]" .. long .. "]", from, true)
    close = last
  else
    local quote, now = text:sub(at, at), from
    while now <= #text do
      local c = text:sub(now, now)
      if c == "\\" then
        now = now + 1
      elseif c == quote then
        close = now
        break
      end
      now = now + 1
    end
  end
  if not close then return self:place("text", from, { quote = text:sub(at, from - 1), chain = self.chain or {} }) end
  local value, frame = text:sub(from, close - (long and #long + 2 or 1)), self:frame()
  if frame.open == "(" and frame.fresh then frame.arguments[frame.index] = value end
  if frame.open == "{" and frame.key and frame.fresh then frame.given[frame.key] = value end
  local index = frame.open == "[" and text:sub(close + 1, close + 1) == "]" and frame.before
  self:typed()
  if index then
    table.remove(self.frames)
    self.chain = table.move(index, 1, #index, 1, {})
    table.insert(self.chain, value)
    return nil, close + 2
  end
  return nil, close + 1
end

function Scanner:name(at)
  local text = self.text
  local word = text:match("^[%a_][%w_]*", at)
  local chain = self.dotted and self.chain or nil
  if at + #word > #text then return self:place(self.dotted and not chain and "none" or "name", at, { chain = chain or {} }) end
  local dotted = self.dotted
  self.dotted = false
  if WORDS[word] and not dotted then
    self:typed()
    self:frame().fresh = true
  elseif dotted then
    if chain then table.insert(chain, word) end
  else
    self.chain, self.fresh_before = { word }, self:frame().fresh
    self:frame().fresh = false
  end
  return nil, at + #word
end

function Scanner:open(c)
  local frame, chain = self:frame(), self.chain
  local fresh
  if c == "(" then
    fresh = new_frame("(", M.name_of(chain), {})
  elseif c == "{" then
    fresh = table_of(frame, chain)
  else
    fresh = new_frame("[", nil, {})
    fresh.before = chain
  end
  self:typed()
  table.insert(self.frames, fresh)
end

function Scanner:close(c)
  local chain
  local frame = self:frame()
  if c == "]" and frame.open == "[" and frame.before and frame.number then
    chain = table.move(frame.before, 1, #frame.before, 1, {})
    table.insert(chain, frame.number)
  end
  if frame.open == PAIRS[c] and #self.frames > 1 then table.remove(self.frames) end
  self:typed()
  self.chain = chain
end

function Scanner:next()
  local frame = self:frame()
  if frame.open == "(" or frame.open == "{" then frame.index, frame.key = frame.index + 1, nil end
  self:typed()
  frame.fresh = true
end

-- "=": the name before it is a field of the table.
function Scanner:assign()
  local frame = self:frame()
  local name = frame.open == "{" and self.fresh_before and M.name_of(self.chain)
  self:typed()
  frame.fresh = true
  if name and not name:find(".", 1, true) then frame.key, frame.given[name] = name, true end
end

-- What stands at `at`: where to go on, or the place when the line ends in it.
function Scanner:step(at)
  local text = self.text
  local c = text:sub(at, at)
  if c:find "%s" then return nil, text:match("^%s+()", at) end
  if text:find("^%-%-%[=*%[", at) then
    local close = text:match("^%-%-%[(=*)%[", at)
    local _, last = text:find("]" .. close .. "]", at, true)
    if not last then return self:place("none", #text + 1) end
    return nil, last + 1
  end
  if text:find("^%-%-", at) then
    local line = text:find("\n", at, true)
    if not line then return self:place("none", #text + 1) end
    return nil, line + 1
  end
  if c == '"' or c == "'" or text:find("^%[=*%[", at) then return self:string(at) end
  if c:find "[%a_]" then return self:name(at) end
  if c:find "%d" then
    local number = text:match("^[%w_.]+", at)
    self:typed()
    if self:frame().open == "[" then self:frame().number = math.tointeger(tonumber(number)) end
    return nil, at + #number
  end
  if (c == "." or c == ":") and not text:find("^%.%.", at) and not text:find("^::", at) then
    self.dotted = true
    return nil, at + 1
  end
  if text:find("^[=~<>]=", at) then
    self:typed()
    self:frame().fresh = true
    return nil, at + 2
  end
  if c == "(" or c == "{" or c == "[" then
    self:open(c)
  elseif PAIRS[c] then
    self:close(c)
  elseif c == "," or c == ";" then
    self:next()
  elseif c == "=" then
    self:assign()
  else
    self:typed()
  end
  return nil, at + 1
end

--- What stands at the end of a text.
---@param text string
---@return repl.Place
function M.at_end(text)
  local self = setmetatable({ text = text, frames = { new_frame("", nil, {}) }, dotted = false }, Scanner)
  local at = 1
  while at <= #text do
    local place, go_on = self:step(at)
    if place then return place end
    at = go_on
  end
  return self:place(self.dotted and not self.chain and "none" or "name", #text + 1, { chain = self.dotted and self.chain or {} })
end

return M
