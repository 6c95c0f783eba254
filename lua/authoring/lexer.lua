--- Lua 5.4 as words: what `cmek recipes check` reads a recipe by, without running it. The text is one that `load` has taken already.
---@class authoring.Token
---@field kind "name"|"string"|"number"|"word"|"eof"  word: a keyword or a sign
---@field value string
---@field line integer
---@field column integer
---@field from integer    where it stands in the text
---@field to integer
local M = {}

local KEYWORDS <const> = {}
for word in ("and break do else elseif end false for function goto if in local nil not or repeat return then true until while"):gmatch "%a+" do
  KEYWORDS[word] = true
end

local SIGNS <const> = { "...", "<<", ">>", "//", "==", "~=", "<=", ">=", "::", ".." }   -- longest first; others have one character
local ESCAPES <const> = { n = "\n", t = "\t", r = "\r", a = "\a", b = "\b", f = "\f", v = "\v", ["\n"] = "\n" }

-- What a quoted text means; an escape of a kind that no name of a field has stays as it is written.
local function unquote(text)
  return (text:gsub("\\(.)", function(letter) return ESCAPES[letter] or (letter:find "%p" and letter) or nil end))
end

-- The end of a text in quotes that begins at `at`.
local function closing(text, at)
  local quote = text:sub(at, at)
  local place = at + 1
  while text:sub(place, place) ~= quote do
    if place > #text then return #text end
    place = place + (text:sub(place, place) == "\\" and 2 or 1)
  end
  return place
end

-- A long text or comment at `at`: where it ends and what it holds; nil when none begins there.
local function long(text, at)
  local equals, start = text:match("^%[(=*)%[\n?()", at)
  if not equals then return nil end
  local from, to = text:find("]" .. equals .. "]", start, true)
  return to or #text, text:sub(start, (from or #text + 1) - 1)
end

-- The token at `at`, which is no blank and no comment: kind, value and where it ends.
local function read(text, at)
  local name = text:match("^[%a_][%w_]*", at)
  if name then return KEYWORDS[name] and "word" or "name", name, at + #name - 1 end
  local number = text:match("^0[xX][%x.pP]*", at) or text:match("^%.?%d[%d.]*[eE][+-]?%d+", at) or text:match("^%.?%d[%d.]*", at)
  if number then return "number", number, at + #number - 1 end
  local letter = text:sub(at, at)
  if letter == '"' or letter == "'" then
    local to = closing(text, at)
    return "string", unquote(text:sub(at + 1, to - 1)), to
  end
  local to, held = long(text, at)
  if to then return "string", held, to end
  for _, sign in ipairs(SIGNS) do
    if text:sub(at, at + #sign - 1) == sign then return "word", sign, at + #sign - 1 end
  end
  return "word", letter, at
end

-- Where the next token begins: behind blanks and comments.
local function skip(text, at)
  while true do
    at = text:match("^%s*()", at)
    if text:sub(at, at + 1) ~= "--" then return at end
    local to = long(text, at + 2)
    at = to and to + 1 or text:match("^[^\n]*()", at)
  end
end

--- The words of a chunk; the last is of kind "eof".
---@param text string
---@return authoring.Token[]
function M.tokens(text)
  local list, at, line, start = {}, text:match "^#[^\n]*()" or 1, 1, 1
  local counted = 1   -- lines are counted up to here
  while true do
    at = skip(text, at)
    while true do
      local newline = text:find("\n", counted, true)
      if not newline or newline >= at then break end
      line, start, counted = line + 1, newline + 1, newline + 1
    end
    if at > #text then break end
    local kind, value, to = read(text, at)
    list[#list + 1] = { kind = kind, value = value, line = line, column = at - start + 1, from = at, to = to }
    at = to + 1
  end
  list[#list + 1] = { kind = "eof", value = "the end", line = line, column = 1, from = #text + 1, to = #text }
  return list
end

return M
