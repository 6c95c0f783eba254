--- What goes wrong in a recipe, a script or at a prompt, told by its line: file and line, the line with a marker, and what may have been meant.
--- The calls that led there are told with --traceback alone.
local embedded = require "embedded"
local texts = require "source"
local trace = require "trace"

---@class Located
---@field message string    "./mine.lua:31: …"
---@field path string
---@field line integer
---@field words string       the message without the place
---@field next string?       what to type
---@field at { file: string, line: integer, text: string, from: integer, to: integer }?  the line, and which of its characters are marked
---@field traceback string?
---@class located.Options
---@field traceback boolean?
---@field path string?                     of the recipe or script
---@field stops engine.Stops?              somebody may look at what went wrong
---@field sources table<string, string>?   texts that stand in no file, by the name that messages give them
---@field chunks table<string, string>?    what of them is looked through, where that is not the whole
---@field script boolean?                  it is any Lua, and no recipe
---@field own boolean?                     it is of one's own: a recipe in a file, a script, what was typed
---@field allow string?                    what to type so that it may write
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

--- The place and the line of something that says no place by itself, from the next line on; "" where it is not known.
---@param at table?
---@return string
function M.place(at) return at and ("\n%s:%d%s"):format(at.file, at.line, M.excerpt(at)) or "" end

function Located:__tostring()
  return self.message .. M.excerpt(self.at) .. (self.next and "\nnext: " .. self.next or "") .. (self.traceback and "\n" .. self.traceback or "")
end

--- The same for whoever sees the line anyway: what the door says of a write is no mistake in it.
---@return string
function Located:without_place()
  return self.words .. (self.next and "" or M.excerpt(self.at)) .. (self.next and "\nnext: " .. self.next or "")
    .. (self.traceback and "\n" .. self.traceback or "")
end

-- Whether these are the library's own words.
local function is_library(path) return path:find "^lua/" ~= nil and embedded.source(path) ~= nil end

local function read(path, sources)
  return sources[path] or embedded.source(path) or path ~= "" and require("file").read(path, SOURCE_MAX) or nil
end

-- The innermost line of the recipe's among the calls; with `short`, as messages shorten a path, the one of that file.
local function innermost(calls, sources, short)
  local tail = short and short:gsub("^%.%.%.", "")
  for _, call in ipairs(calls) do
    local named = call.source:match "^=(.*)$"
    local path = call.source:match "^@(.*)$" or sources[named] and named
    if path and not is_library(path) and (not tail or path:sub(-#tail) == tail) then return path, call.line end
  end
end

-- Where a message comes from, and its words without the place.
local function place(message, calls, sources)
  local path, line, words = message:match "^([^\n]-):(%d+): (.*)$"
  if not path then
    path, line = innermost(calls, sources)
    return path, line, message
  end
  line = math.tointeger(tonumber(line))
  if is_library(path) then
    path, line = innermost(calls, sources)
  elseif path:find "^%.%.%." then
    path = innermost(calls, sources, path) or path
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

-- What the library says of nothing in particular, as it is in a recipe.
local SAID <const> = {
  { "^attempt to compare two (%a+) values$", "two %ss cannot be compared" },
  { "^attempt to compare (%a+) with (%a+)$", "a %s cannot be compared with a %s" },
  { "^attempt to index a (%a+) value$", "something is %s here, and has no fields" },
  { "^attempt to call a (%a+) value$", "something is %s here, and no function" },
  { "^door: the region '(.-)' is not open$",
    "the region %s is none of the cluster's, nor that of the credentials (--region): a recipe reaches those alone" },
}

local function plain(words)
  for _, pair in ipairs(PLAIN) do
    local kind, name = words:match(pair[1])
    if kind then return pair[2]:format(name, kind == "nil" and kind or "a " .. kind) end
  end
  for _, pair in ipairs(SAID) do
    if words:find(pair[1]) then return pair[2]:format(words:match(pair[1])) end
  end
  return words
end

-- What is found in a text without running it. An expression of a prompt is no chunk by itself.
local function look(path, text, script)
  local check, lead = require("authoring.check"), "return "
  if not script or load(text, "=chunk", "t", {}) then return check.look(path, nil, text, script) end
  local findings = check.look(path, nil, lead .. text, script)
  for _, found in ipairs(findings) do
    if found.line == 1 and found.column then found.column = found.column - #lead end
  end
  return findings
end

-- What `cmek recipes check` finds of the name that the message is about, or of what is given to the function that complains, on that line, or
-- on any where none is given.
local function finding(path, text, line, words, script)
  local ok, findings = pcall(look, path, text, script)
  local complains = words:match "^bad argument #%d+ to '([%w_]+)'"
  for _, found in ipairs(ok and findings or {}) do
    local named = found.file == path and (not line or found.line == line) and found.text:match ".*no .-('[^']+')" or found.text:match "^('[^']+')"
    if named and words:find(named, 1, true) then return found end
    if complains and found.line == line and found.text:find("." .. complains .. " has no field", 1, true) then return found end
  end
end

-- What stands behind a name that the message is about: how it is used there.
local USED <const> = { { "has no fields$", "^%s*[.:%[]" }, { "and no function$", "^%s*[%({\"'%[]" }, { "^attempt to index", "^%s*[.:%[]" },
  { "^attempt to call", "^%s*[%({\"'%[]" } }

-- A name as a word of a line: the first, or the first that is used as the message says.
local function find_word(line, name, words)
  local behind, first, last
  for _, pair in ipairs(USED) do behind = behind or words:find(pair[1]) and pair[2] end
  for from, to in line:gmatch("()%f[%w_]" .. name:gsub("%p", "%%%0") .. "()%f[^%w_]") do
    if not first then first, last = from, to - 1 end
    if behind and line:find(behind, to) then return from, to - 1 end
  end
  return first, last
end

-- The same in exactly these words, on whichever line of the recipe or of a file beside it: a call that is the last thing that a function
-- does has left no line of its own.
local function found_as(path, text, words)
  local ok, findings = pcall(look, path, text, false)
  for _, found in ipairs(ok and findings or {}) do
    if found.text == words then return found end
  end
end

-- Which characters of the line are meant: the word that check found, one that the message quotes, else all of it.
local function mark(line, words, found)
  if found and found.column then
    local to = line:match("^[\"']?[%w_]*[\"']?()", found.column)
    return found.column, math.max(found.column, to - 1)
  end
  local sign = words:match "near '([^']+)'$"
  local before = sign and sign:find "^%p+$" and line:match("^.*()" .. sign:gsub("%p", "%%%0"))   -- of several the last
  if before then return before, before + #sign - 1 end
  for name in words:gmatch "'([^']+)'" do
    local from, to = find_word(line, name, words)
    if from then return from, to end
  end
  return line:find "%S" or 1, #(line:match "^(.-)%s*$")
end

-- What helps with a mistake in a recipe of one's own: what check tells, else what is said of the function that complains, else how recipes
-- are written.
local function following(path, words, found)
  if found then return "cmek recipes check " .. require("quote")(path) end
  local name = words:match "^([%a_]+%.[%a_]+): " or words:match "^([%a_]+): " or words:match "^(%a+) '"
  name = name == "kind" and "resource" or name
  if name and require("docs").of(name) then return "cmek help " .. name end
  return "cmek help writing"
end

-- What the door says of a write to what may only read, for whoever may let it write.
local function is_forbidden(words) return words:find "^door: .* may only read$" ~= nil end

--- A message of Lua's or the library's, told by the recipe's line that it comes from. What is no text stays what it is.
---@param raised any
---@param options located.Options?
---@return any
function M.of(raised, options)
  if type(raised) ~= "string" or raised:find "^stopped by SIG" then return raised end   -- a signal comes from no line
  options = options or {}
  local sources, chunks, script = options.sources or {}, options.chunks or {}, options.script
  local path, line, words = place(raised, trace.calls(), sources)
  path = path or options.path   -- a function that was called last of all has left no line: return policy.cmek { … }
  local text = path and read(path, sources)
  local part = chunks[path] or text
  if text and not line then line = (finding(path, part, nil, words, script) or not script and found_as(path, part, words) or {}).line end
  if not path or not line then return raised end
  local source, at, found = text and texts.line(text, line), nil, nil
  if source then
    found = finding(path, part, line, words, script)
    local same = not found and not script and found_as(path, part, words)
    local elsewhere = same and texts.line(same.file == path and text or read(same.file, sources) or "", same.line)
    if elsewhere then path, line, source, found = same.file, same.line, elsewhere, same end
    if found and (words:find "^attempt to" or found.text:find("; did you mean", 1, true)) then words = found.text end
    local from, to = mark(source, words, found)
    at = { file = path, line = line, text = source, from = from, to = to }
  end
  local told = plain(words)
  return setmetatable({ message = ("%s:%d: %s"):format(path, line, told), path = path, line = line, words = told, at = at,
    next = is_forbidden(words) and options.allow or options.own and not script and at and following(path, words, found) or nil,
    traceback = options.traceback and trace.text() or nil }, Located)
end

--- What Lua says of a text that is no Lua, with its line.
---@param message string  "./mine.lua:3: unexpected symbol near '='"
---@param text string     of the file
---@return string
function M.with_line(message, text)
  local line, words = message:match ":(%d+): (.*)$"
  line = math.tointeger(tonumber(line))
  local source = line and texts.line(text, line)
  if not source then return message end
  local from, to = mark(source, words, nil)
  return message .. M.excerpt { line = line, text = source, from = from, to = to }
end

--- What is wrong with a recipe's own table, told by the line of it that check finds; without a line where it finds none.
---@param path string
---@param text string     of the recipe
---@param words string    what is wrong with it
---@return string
function M.of_table(path, text, words)
  local subject = words:match "^field '([^']+)'" or words:match "^(%a+)"
  local ok, findings = pcall(function() return require("authoring.check").look(path, nil, text) end)
  for _, found in ipairs(ok and findings or {}) do
    if found.file == path and subject and found.text:find(subject, 1, true) then
      local source = texts.line(text, found.line)
      local from, to = mark(source, words, found)
      if words:find "^%a+ must be a .*, not nil$" then words = found.text end
      return ("%s:%d: %s%s"):format(path, found.line, words, M.excerpt { line = found.line, text = source, from = from, to = to })
    end
  end
  return ("%s: %s"):format(path, words)
end

-- Whether this is what a service answered, or the library makes of it; what credentials, settings and the network do comes from no line.
local function is_answer(raised)
  if require("refusal").is(raised) then return raised.kind == "refused" end
  return require("engine.failure").is(raised)
end

-- How calls that a service or the library refuses stand in a line.
local CALLS <const> = { "%f[%w_]ensure%f[^%w_]", "%f[%w_]read%f[^%w_]", "%f[%w_]preflight%f[^%w_]", "%f[%w_]%l+%.[%l_]+" }

-- The line of one's own that called what was refused.
local function calling(options)
  local sources = options.sources or {}
  local path, line = innermost(trace.calls(), sources)
  local text = path and texts.line(read(path, sources) or "", line)
  if not text then return nil end
  for _, pattern in ipairs(CALLS) do
    local from, to = text:find(pattern)
    if from then return { file = path, line = line, text = text, from = from, to = to } end
  end
  return { file = path, line = line, text = text, from = text:find "%S" or 1, to = #text }
end

--- Whether this is something that was told by its line.
---@param value any
---@return boolean
function M.is(value) return getmetatable(value) == Located end

--- Calls a recipe's function; what it raises as a text is told by its line.
---@param options located.Options?
---@param fn function
function M.call(options, fn, ...)
  local stops = options and options.stops
  local results = table.pack(xpcall(fn, function(raised)
    local told = M.of(raised, options)
    if stops then stops:look(raised, told) end
    if options and options.own and is_answer(told) and not told.at then told.at = calling(options) end
    return told
  end, ...))
  if not results[1] then
    if stops then stops:failed(results[2]) end
    error(results[2], 0)
  end
  return table.unpack(results, 2, results.n)
end

return M
