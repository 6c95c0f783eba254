--- What goes wrong in a recipe, told by its line: file and line, the line with a marker, and what may have been meant. The calls that led
--- there are told with --traceback alone.
local embedded = require "embedded"
local trace = require "trace"

---@class Located
---@field message string    "./mine.lua:31: …"
---@field at { file: string, line: integer, text: string, from: integer, to: integer }?  the line, and which of its characters are marked
---@field traceback string?
local Located = { __name = "Located" }
Located.__index = Located

local M = {}

local SOURCE_MAX <const> = 1 << 20

--- The line that is meant, with a marker below it; "" where it is not known.
---@param at table?
---@return string
function M.excerpt(at)
  if not at then return "" end
  local number = tostring(at.line)
  local blank = at.text:sub(1, at.from - 1):gsub("[^\t]", " ")
  return ("\n  %s | %s\n  %s | %s%s"):format(number, at.text, (" "):rep(#number), blank, ("^"):rep(math.max(1, at.to - at.from + 1)))
end

function Located:__tostring()
  return self.message .. M.excerpt(self.at) .. (self.traceback and "\n" .. self.traceback or "")
end

-- Whether these are the library's own words.
local function is_library(path) return path:find "^lua/" ~= nil and embedded.source(path) ~= nil end

local function read(path)
  return embedded.source(path) or path ~= "" and require("file").read(path, SOURCE_MAX) or nil
end

-- The innermost line of the recipe's among the calls; with `short`, as messages shorten a path, the one of that file.
local function innermost(calls, short)
  local tail = short and short:gsub("^%.%.%.", "")
  for _, call in ipairs(calls) do
    local path = call.source:match "^@(.*)$"
    if path and not is_library(path) and (not tail or path:sub(-#tail) == tail) then return path, call.line end
  end
end

-- Where a message comes from, and its words without the place.
local function place(message, calls)
  local path, line, words = message:match "^([^\n]-):(%d+): (.*)$"
  if not path then
    path, line = innermost(calls)
    return path, line, message
  end
  line = math.tointeger(tonumber(line))
  if is_library(path) then
    path, line = innermost(calls)
  elseif path:find "^%.%.%." then
    path = innermost(calls, path) or path
  end
  return path, line, words
end

-- What Lua says of a value, as people say it.
local PLAIN <const> = {
  { "^attempt to index a (%a+) value %((.-)%)$", "%s is %s here, and has no fields" },
  { "^attempt to call a (%a+) value %((.-)%)$", "%s is %s here, and no function" },
  { "^attempt to concatenate a (%a+) value %((.-)%)$", "%s is %s here, and joins to no text" },
  { "^attempt to perform arithmetic on a (%a+) value %((.-)%)$", "%s is %s here, and no number" },
  { "^attempt to get length of a (%a+) value %((.-)%)$", "%s is %s here, and has no length" },
}

local function plain(words)
  for _, pair in ipairs(PLAIN) do
    local kind, name = words:match(pair[1])
    if kind then return pair[2]:format(name, kind == "nil" and kind or "a " .. kind) end
  end
  return words
end

-- What `cmek recipes check` finds of the name that the message is about, on that line, or on any where none is given.
local function finding(path, text, line, words)
  local ok, findings = pcall(function() return require("authoring.check").look(path, nil, text) end)
  for _, found in ipairs(ok and findings or {}) do
    local named = found.file == path and (not line or found.line == line) and found.text:match ".*no .-('[^']+')" or found.text:match "^('[^']+')"
    if named and words:find(named, 1, true) then return found end
  end
end

-- Which characters of the line are meant: the word that check found, one that the message quotes, else all of it.
local function mark(line, words, found)
  if found and found.column then
    local to = line:match("^[\"']?[%w_]*[\"']?()", found.column)
    return found.column, math.max(found.column, to - 1)
  end
  for name in words:gmatch "'([^']+)'" do
    local from, to = line:find("%f[%w_]" .. name:gsub("%p", "%%%0") .. "%f[^%w_]")
    if from then return from, to end
  end
  return line:find "%S" or 1, #(line:match "^(.-)%s*$")
end

-- The line of a text; nil when it has not so many.
local function line_of(text, number)
  local at = 1
  for line in (text .. "\n"):gmatch "([^\n]*)\n" do
    if at == number then return line end
    at = at + 1
  end
end

--- A message of Lua's or the library's, told by the recipe's line that it comes from. What is no text stays what it is.
---@param raised any
---@param options { traceback: boolean?, path: string? }?  path: of the recipe
---@return any
function M.of(raised, options)
  if type(raised) ~= "string" or raised:find "^stopped by SIG" then return raised end   -- a signal comes from no line
  local path, line, words = place(raised, trace.calls())
  path = path or options and options.path   -- a function that was called last of all has left no line: return policy.cmek { … }
  local text = path and read(path)
  if text and not line then line = (finding(path, text, nil, words) or {}).line end
  if not path or not line then return raised end
  local source = text and line_of(text, line)
  local traceback = options and options.traceback and trace.text() or nil
  if not source then return setmetatable({ message = ("%s:%d: %s"):format(path, line, plain(words)), traceback = traceback }, Located) end
  local found = finding(path, text, line, words)
  if found and (words:find "^attempt to" or found.text:find("; did you mean", 1, true)) then words = found.text end
  local from, to = mark(source, words, found)
  return setmetatable({ message = ("%s:%d: %s"):format(path, line, plain(words)), traceback = traceback,
    at = { file = path, line = line, text = source, from = from, to = to } }, Located)
end

--- Calls a recipe's function; what it raises as a text is told by its line.
---@param options { traceback: boolean?, path: string?, stops: engine.Stops? }?  stops: somebody may look at what went wrong
---@param fn function
function M.call(options, fn, ...)
  local stops = options and options.stops
  local results = table.pack(xpcall(fn, function(raised)
    local told = M.of(raised, options)
    if stops then stops:look(raised, told) end
    return told
  end, ...))
  if not results[1] then
    if stops then stops:failed(results[2]) end
    error(results[2], 0)
  end
  return table.unpack(results, 2, results.n)
end

return M
