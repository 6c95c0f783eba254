--- The world of a recipe: safe names only, nothing that reaches the machine, nothing whose order or value differs from run to run.
---@class Sandbox
---@field environment table   the _ENV of the recipe's chunks: reads come from names, writes raise
---@field names table<string, any>
---@field kinds table<string, table>   what the recipe described with resource { … }, by kind
---@field sources table<string, string>  the texts that were loaded, by path
local Sandbox = { __name = "Sandbox" }
Sandbox.__index = Sandbox

local M = {}

-- Texts carry their library as methods, so ("").dump would reach it; nothing here needs bytecode.
rawset(string, "dump", nil)
if getmetatable("") then getmetatable("").__metatable = false end   -- nor does anybody get at the methods themselves, once this was loaded

local SOURCE_MAX <const> = 1 << 20

--- Library modules that a recipe may require: pure functions, without a door.
local LIBRARY <const> = { policy = true, names = true, sorted = true }

local BASE <const> = { "ipairs", "select", "tonumber", "tostring", "type", "rawequal", "rawlen" }

--- Why a name that Lua programs have is missing here.
local ABSENT <const> = {
  io = "a recipe reads and writes no files", os = "a recipe starts nothing and reads no clock",
  debug = "a recipe sees no internals", package = "use require", load = "use require", loadfile = "use require",
  dofile = "use require", loadstring = "use require", next = "its order differs from run to run: use sorted(t)",
  pcall = "a recipe handles no errors: run it again, every step can be repeated",
  xpcall = "a recipe handles no errors: run it again, every step can be repeated",
  print = "use say", coroutine = "use task.map", getmetatable = "a recipe sees no internals",
  rawget = "a recipe sees no internals", rawset = "a recipe sees no internals", collectgarbage = "a recipe sees no internals",
}

-- What a script may look for, and only recipes and the prompt have.
local OF_RECIPES <const> = { ensure = true, read = true, preflight = true, handover = true, layout = true, go_on = true, on_change = true,
  ask = true, resource = true }

--- Metamethods that would run code at a moment nobody chose, or hide a table from the library's checks.
local HOOKS <const> = { "__gc", "__close", "__metatable", "__mode" }

local own = setmetatable({}, { __mode = "k" })   -- metatables that recipes and scripts have made

-- The metatable is copied: a hook that is put into it later is none.
local function safe_setmetatable(value, metatable)
  if type(metatable) ~= "table" then return setmetatable(value, metatable) end
  local copied = {}
  for name, member in next, metatable do copied[name] = member end   -- order cannot be seen
  for _, hook in ipairs(HOOKS) do
    if copied[hook] ~= nil then error("a recipe's metatable has no " .. hook, 2) end
  end
  own[copied] = true
  return setmetatable(value, copied)
end

-- A recipe raises texts: who tells of it looks into nothing that could answer with code, or claim to be a refusal.
local function safe_error(message, level)
  if type(message) ~= "string" then error(("error takes a text, got %s"):format(message == nil and "nil" or "a " .. type(message)), 2) end
  error(message, level == 0 and 0 or (math.tointeger(level) or 1) + 1)
end

local function safe_assert(...)
  local value, message = ...
  if value or select("#", ...) == 0 then return assert(...) end
  error(type(message) == "string" and message or "assertion failed!", 0)
end

--- What was raised, as something that can be told: an object that a recipe or script has made itself becomes the text that it gives, or
--- what is in it.
---@param raised any
---@return any
function M.told(raised)
  local metatable = getmetatable(raised)
  if raised == nil then return "raised nil" end
  if type(raised) ~= "table" or metatable ~= nil and not own[metatable] then return raised end
  if metatable and metatable.__tostring then
    local ok, text = pcall(tostring, raised)
    return ok and "raised: " .. text or "raised an object that does not say what it is: " .. tostring(M.told(text))
  end
  return "raised " .. require("repl.show").render(raised, { width = math.huge }):gsub("%s*\n%s*", " ")
end

local function copy(library, ...)
  local result = {}
  for name, value in pairs(library) do result[name] = value end   -- order cannot be seen
  for _, name in ipairs { ... } do result[name] = nil end
  return result
end

--- A table of functions that can be read and not changed, so that no recipe alters the library under the others.
function M.read_only(module)
  if type(module) ~= "table" then return module end
  return setmetatable({}, {
    __index = module,
    __call = function(_, ...) return module(...) end,
    __newindex = function(_, name) error(("the library is not changed by a recipe (field '%s')"):format(name), 2) end,
    __metatable = false,
  })
end

--- The same of one of the library's modules, which is loaded when it is first looked into.
local function library(name)
  return M.read_only(setmetatable({}, { __index = function(_, field) return require(name)[field] end }))
end

--- Why a name that Lua programs have is none of a recipe's; nil for other names.
---@param name any
---@return string?
function M.absent(name)
  local reason = ABSENT[name]
  return reason and ("'%s' is not part of a recipe's world: %s"):format(name, reason) or nil
end

--- Why a name is not in this world, and which one may have been meant.
---@param names table<string, any>
---@param name any
---@return string
function M.missing(names, name)
  local reason, whose = ABSENT[name], names.print and "a script" or "a recipe"   -- print is what scripts and prompts have, and recipes not
  if reason then return ("'%s' is not part of %s's world: %s"):format(name, whose, (reason:gsub("a recipe", whose))) end
  if OF_RECIPES[name] and names.print then return ("'%s' is of recipes and of the prompt, not of scripts: cmek help writing"):format(name) end
  if name == "plan" then return "'plan' is of the prompt (cmek repl), not of recipes and scripts" end
  local recipe = require "recipe"
  if recipe.is_service(name) then return ("'%s' is a service that touches does not name: touches = { …, \"%s\" }"):format(name, name) end
  if type(name) == "string" and require("aws.any").known()[name] then
    return ("'%s' has no functions of its own: aws.call { service = \"%s\", operation = … }"):format(name, name)
  end
  local known = {}
  for key in require("sorted")(names) do known[#known + 1] = key end
  local near = require("ui.near").near(tostring(name), known)
  return ("'%s' is unknown here%s"):format(tostring(name), near[1] and "; did you mean '" .. near[1] .. "'?" or "")
end

--- What a trusted recipe may use of the machine. The door is not among it, nor what could make another one: every exchange with a service
--- goes the way of other recipes.
local MACHINE <const> = { file = true, process = true, json = true, crypto = true, time = true }
local LIFTED <const> = { "assert", "error", "getmetatable", "next", "pcall", "rawget", "rawset", "setmetatable", "xpcall" }

-- Lifts the sandbox: all of Lua, globals of its own, and the machine's files and processes.
local function lift(self, look)
  for _, name in ipairs(LIFTED) do self.names[name] = _G[name] end
  for name in pairs(MACHINE) do self.names[name] = M.read_only(require(name)) end   -- order cannot be seen
  self.environment = setmetatable({}, { __index = look })
  self.names.load = function(text, name, _, environment) return load(text, name, "t", environment or self.environment) end
end

--- A world with the safe part of Lua, the library's pure modules and a `require`.
---@param options { path: string, is_file: boolean, trusted: boolean?, steps: boolean? }  the recipe; files are required from beside it;
---  trusted: --trust; steps: somebody may look at the variables where it stops
---@return Sandbox
function M.new(options)
  local sorted = require "sorted"
  local names = {
    math = copy(math, "random", "randomseed"), string = copy(string), table = copy(table), utf8 = copy(utf8),
    setmetatable = safe_setmetatable, error = safe_error, assert = safe_assert, pairs = sorted, sorted = sorted,
    policy = library "policy", names = library "names",
  }
  for _, name in ipairs(BASE) do names[name] = _G[name] end
  local self = setmetatable({ names = names, loaded = {}, kinds = {}, sources = {}, is_file = options.is_file, trusted = options.trusted,
    steps = options.steps }, Sandbox)
  self.folder = options.path:match "^(.*/)" or ""
  local function look(_, name)
    local value = names[name]
    if value == nil then error(M.missing(names, name), 2) end
    return value
  end
  self.environment = setmetatable({}, {
    __index = look,
    __newindex = function(_, name) error(("'%s' would be global: write local %s"):format(tostring(name), tostring(name)), 2) end,
    __metatable = false,
  })
  if options.trusted then lift(self, look) end
  --- A module: policy, names and sorted of the library, a file beside the recipe, or a stock recipe. Nothing is looked for elsewhere.
  ---@param name string  "regions" is regions.lua
  ---@return any  what its chunk returned; raises when there is none
  ---@example local console = require "console"
  names.require = function(name) return self:require(name) end
  --- Describes a kind of thing of the recipe's own, which ensure then takes (cmek help writing).
  ---@param definition { kind: string, actions: table<string, string[]>, name: function, find: function, create: function,
  ---  differences: function?, update: function?, delete: function?, ready: function?, region: function?, absent: string[]?,
  ---  irreversible: string? }
  ---  kind: a word of its own; actions: the operations that its functions call, by service: { sns = { "CreateTopic" } }; name: name(want) gives
  ---  the text that people see; find: find(want) gives what is there now, or nil; create: create(want) makes it, which find then shows;
  ---  differences: differences(want, have) gives a list of { field =, have =, want = }, without it none; update: update(want, have) changes what
  ---  differs; delete: delete(want, have) takes it back, for cmek destroy; ready: ready(have) says whether it can be used; region: region(want)
  ---  gives its region; absent: codes by which a service says to find that it is not there; irreversible: why making it cannot be undone
  ---@return string  the kind; raises what is wrong with the description, naming the field
  ---@example local tag = resource { kind = "role_tag", actions = { iam = { "ListRoleTags", "TagRole" } }, name = name, find = find,
  --- create = create, update = create }
  names.resource = function(definition) return self:describe(definition) end
  return self
end

-- The first line from a number on that a pattern fits; nil without one.
local function line_with(text, pattern, from)
  local number = 0
  for line in (text .. "\n"):gmatch "([^\n]*)\n" do
    number = number + 1
    if number >= from and line:find(pattern) then return number end
  end
end

-- Where a kind is described: a function from a field's name, or nil, to "mine.lua:5: ". A module that returns it leaves no line among the calls.
local function place_of(self)
  local path, line, above = nil, 1, 0
  for _, call in ipairs(require("trace").calls()) do
    local source = call.source:match "^@(.*)$"
    if source and self.sources[source] then path, line = source, call.line break end
    if source == "lua/sandbox.lua" then above = above + 1 end
  end
  if self.loading and above > 2 then path, line = self.loading, 1 end   -- require stands between it and the recipe's own line
  local text = path and self.sources[path] or ""
  line = line_with(text, "%f[%w_]resource%f[^%w_]", line) or line
  return function(field)
    return path and ("%s:%d: "):format(path, field and line_with(text, "%f[%w_]" .. field .. "%s*=", line) or line) or ""
  end
end

--- Keeps the description of a kind of the recipe's own. Raises what is wrong with it.
---@param definition table
---@return string kind  what ensure takes
function Sandbox:describe(definition)
  local place = place_of(self)
  local ok, checked = pcall(require("engine.kind").check, definition, self.kinds)
  if not ok then error(place(tostring(checked):match "field '(%a+)'") .. tostring(checked), 0) end
  self.kinds[checked.kind], checked.place = checked, place
  return checked.kind
end

--- Names that only a run has: the engine's functions and the services. Values of earlier runs are replaced.
function Sandbox:bind(names)
  for name, value in pairs(names) do self.names[name] = value end   -- order cannot be seen
end

--- The text of a module: beside the recipe, else among the stock recipes.
local function find(self, name)
  local file = name:gsub("%.", "/") .. ".lua"
  if self.is_file then
    local path = self.folder .. file
    if require("file").exists(path) then return require("file").read(path, SOURCE_MAX), require("source").name(path) end
  end
  return require("embedded").source("recipes/" .. file), "recipes/" .. file
end

--- A chunk of this world.
---@param text string
---@param path string  what messages show
---@return function? chunk, string? message
function Sandbox:load(text, path)
  self.sources[path] = text
  return require("source").load(text, path, self.environment, self.steps or self.is_file)   -- of what is one's own each line is told
end

--- What a recipe gets for `require "name"`: a pure module of the library, or a chunk of its own world.
---@param name string
function Sandbox:require(name)
  if type(name) ~= "string" or not name:find "^[%w_%-][%w_%-.]*$" or name:find("..", 1, true) then
    error(("require takes the name of a module, not '%s'"):format(tostring(name)), 3)
  end
  if LIBRARY[name] or self.trusted and MACHINE[name] then return M.read_only(require(name)) end
  if self.loaded[name] ~= nil then return self.loaded[name] end
  local text, path = find(self, name)
  if not text then error(("there is no module '%s' in the library or beside the %s"):format(name, self.script and "script" or "recipe"), 3) end
  local chunk, message = self:load(text, path)
  if not chunk then error(message, 0) end
  local outer = self.loading
  self.loading = path
  local result = chunk()
  self.loading = outer
  self.loaded[name] = result == nil and true or result
  return self.loaded[name]
end

return M
