--- Recipes: finds, checks and loads them. A recipe is a table and one function that runs in a sandbox (lua/sandbox.lua).
---@class Recipe
---@field name string       "console", or the path of a file
---@field path string       what messages show: "recipes/console.lua"
---@field origin string     the name by which it is found again, wherever that is asked
---@field hash string       SHA-256 of its text
---@field is_file boolean   it is the user's own, and shown before it runs
---@field files string[]    those beside it that it requires at its top; the hash is of them as well
---@field trusted boolean   it runs without the sandbox (--trust), and is journaled so
---@field summary string
---@field args recipe.Argument[]
---@field touches string[]  services it may call
---@field run fun(arguments: table): any
---@field kinds table<string, table>  its own kinds of things
---@field findings (fun(): authoring.Finding[])?  what check finds in a file's
---@field world table       the names it sees; engine functions are joined to it by bind
local Recipe = { __name = "Recipe" }
Recipe.__index = Recipe

local embedded = require "embedded"
local failure = require "ui.failure"
local sandbox = require "sandbox"

local M = {}

local FOLDER <const> = "recipes/"
local SOURCE_MAX <const> = 1 << 20   -- bytes of a recipe file

--- The version of what a recipe is, which each names.
M.API = 1

local FIELDS <const> = { api = "integer", summary = "string", args = "table", touches = "table", run = "function" }
local SERVICES <const> = { cloud = true, iam = true, kms = true, sts = true, tagging = true, vault = true }

--- The services that a recipe may touch.
---@return string[]
function M.services()
  local list = {}
  for name in require("sorted")(SERVICES) do list[#list + 1] = name end
  return list
end

--- Whether this is one of them.
---@param name any
function M.is_service(name) return SERVICES[name] == true end

--- Whether a recipe may name it in touches: one of them, or a service of AWS that aws.call reaches, by the name that it signs with.
---@param name any
function M.can_be_touched(name)
  return M.is_service(name) or type(name) == "string" and #name < 32 and name:find "^[%l%d][%l%d-]*$" ~= nil
end

--- The service that may have been meant, as it is asked.
---@param name any
---@return string  "; did you mean 'kms'?" or ""
function M.meant(name)
  local known = M.services()
  for service in require("sorted")(require("aws.any").known()) do
    if not SERVICES[service] then known[#known + 1] = service end
  end
  local found = require("ui.near").near(tostring(name), known)[1]
  return found and ("; did you mean '%s'?"):format(found) or ""
end

--- Whether an argument names a file and not a stock recipe.
---@param name string
function M.is_file(name)
  return name:find("/", 1, true) ~= nil or name:find "%.lua$" ~= nil
end

--- The names of the layouts that serve as examples, sorted: "layouts/accounts".
---@return string[]
function M.layouts()
  local names = {}
  for _, path in ipairs(embedded.list(FOLDER .. "layouts/")) do names[#names + 1] = path:match "^recipes/(layouts/[^/]+)%.lua$" end
  return names
end

--- The names of the stock recipes, sorted.
---@return string[]
function M.names()
  local names = {}
  for _, path in ipairs(embedded.list(FOLDER)) do
    names[#names + 1] = path:match "^recipes/([^/]+)%.lua$"
  end
  return names
end

local function unknown(name)
  local near = require("ui.near").near(name, name:find "^layout" and M.layouts() or M.names())
  local guess = near[1] and ("; did you mean '%s'?"):format(table.concat(near, "' or '")) or ""
  failure.usage(("there is no recipe '%s'%s"):format(name, guess),
    "stock recipes: " .. table.concat(M.names(), ", ")
      .. "; layouts: " .. table.concat(M.layouts(), ", ") .. "; the name of a file has a '/' or ends in .lua")
end

--- The text of a recipe and the path that messages show. Raises a usage failure when there is none of that name.
---@param name string  a stock recipe, or a file (with a '/' or ending in .lua)
---@return string text, string path
function M.source(name)
  local example = name:find "^layouts/[%w-]+$" and embedded.source(FOLDER .. name .. ".lua")   -- of a layout, to be shown and ejected
  if example then return example, FOLDER .. name .. ".lua" end
  if M.is_file(name) then
    local text, message = require("file").read(name, SOURCE_MAX)
    if not text then failure.usage(("cannot read the recipe '%s': %s"):format(name, failure.reason(message))) end
    return text, require("source").name(name)
  end
  local path = FOLDER .. name .. ".lua"
  local text = embedded.source(path) or unknown(name)
  return text, path
end

-- Raises what is wrong with a recipe, by its file and line.
local function complain(path, text, ...)
  local source, words = select(2, pcall(M.source, path)), text:format(...)
  failure.usage(type(source) == "string" and require("located").of_table(path, source, words) or ("%s: %s"):format(path, words),
    M.is_file(path) and "cmek recipes check " .. require("quote")(path) or nil)
end

local function check_fields(path, definition)
  if type(definition) ~= "table" then complain(path, "must return a table, not %s", type(definition)) end
  for field in require("sorted")(definition) do
    if not FIELDS[field] then
      local near = require("ui.near").near(tostring(field), { "api", "summary", "args", "touches", "run" })[1]
      complain(path, "field '%s' is unknown; %s", tostring(field),
        near and ("did you mean '%s'?"):format(near) or "a recipe has api, summary, args, touches, run")
    end
  end
  if definition.api ~= M.API then
    local shown = type(definition.api) == "string" and ("the text \"%s\""):format(definition.api) or tostring(definition.api)
    complain(path, "api must be %d, not %s: it says by which rules the recipe is written", M.API, shown)
  end
  for _, field in ipairs { "summary", "args", "touches", "run" } do
    local value = definition[field]
    if type(value) ~= FIELDS[field] then complain(path, "%s must be a %s, not %s", field, FIELDS[field], type(value)) end
  end
end

-- A recipe is data: what is checked and shown is what is used.
local function described(path, definition)
  if type(definition) ~= "table" then return definition end
  local ok, copied = pcall(require("engine.copy").description, definition)
  if not ok then complain(path, "%s", (copied:gsub("^what is given", "what it returns"))) end
  return copied
end

local function check_touches(path, touches)
  for i, service in ipairs(touches) do
    if not M.can_be_touched(service) then complain(path, "touches[%d] '%s' is no service%s", i, tostring(service), M.meant(service)) end
  end
end

-- The SHA-256 of a recipe's text and of the files beside it that it requires at its top, as `cat mine.lua part.lua | sha256sum` has it;
-- and their names.
local function hash_of(world, path, text)
  local texts, files = { text }, {}
  for other, source in require("sorted")(world.sources) do
    if other ~= path and not embedded.source(other) then
      texts[#texts + 1], files[#files + 1] = source, other:match "[^/]*$"
    end
  end
  return require("crypto").hex(require("crypto").sha256(table.concat(texts))), files
end

--- Loads a recipe and checks it; it can be told its arguments and run afterwards.
---@param name string  a stock recipe, or a file
---@param options { reserved: table<string, true>?, trust: boolean?, steps: boolean? }?  flags that are the command's own; trust: the sandbox
---  is lifted; steps: somebody may look at its variables where it stops
---@return Recipe
function M.load(name, options)
  local text, path = M.source(name)
  local is_file, trusted = M.is_file(name), options ~= nil and options.trust or false
  if trusted and not is_file then
    failure.usage(("--trust is for a recipe in a file, and '%s' is one of cmek's own, which needs none"):format(name))
  end
  local world = sandbox.new { path = path, is_file = is_file, trusted = trusted, steps = options and options.steps }
  local chunk, message = world:load(text, path)
  local located = require "located"
  if not chunk then failure.usage(located.with_line(message, text), is_file and "cmek recipes check " .. require("quote")(path) or nil) end
  local ok, definition = pcall(located.call, { own = is_file, path = path }, chunk)
  if not ok then
    if type(definition) == "table" and definition.at then
      failure.usage(definition.message .. located.excerpt(definition.at), definition.next)
    end
    error(definition, 0)
  end
  definition = described(path, definition)
  check_fields(path, definition)
  check_touches(path, definition.touches)
  local args = require("arguments").specifications(definition.args, options and options.reserved or {}, function(...)
    complain(path, ...)
  end)
  local hash, files = hash_of(world, path, text)
  return setmetatable({
    name = name,
    path = path,
    origin = is_file and require("file").canonical(name) or name,
    is_file = is_file,
    trusted = trusted,
    hash = hash,
    files = files,
    summary = definition.summary,
    args = args,
    touches = definition.touches,
    run = definition.run,
    kinds = world.kinds,
    findings = is_file and not trusted and function() return require("authoring.check").look(path, nil, text) end or nil,
    world = world,
  }, Recipe)
end

--- Joins names to what the recipe sees: the engine's functions, the services it touches.
---@param names table<string, any>
function Recipe:bind(names)
  self.world:bind(names)
end

return M
