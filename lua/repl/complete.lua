--- What may stand at a place of a line at the prompt, and what the call there takes: from the library's own descriptions, the values that are
--- at hand, and names that were kept. It asks nobody, evaluates nothing, and never raises for what is half typed.
---@class repl.World
---@field names table<string, any>             what the library gives: globals by name
---@field environment table?                   the globals of the chunks
---@field live repl.NamesCache?                names of clusters, roles …
---@field commands (string|{ [1]: string, text: string? })[]?   what begins with ":"
---@field list (fun(directory: string): string[]?)?  the names in a directory; else the disk's
---@class repl.Candidate
---@field text string   what is put in the place of what was typed
---@field hint string?  what it is

local comments = require "docs.comments"
local docs = require "docs"
local scan = require "repl.scan"

local M = {}

local MANY <const> = 200     -- candidates of values that are at hand
local GLIMPSE <const> = 40   -- columns of a value

--- AWS's regions of the partition that most accounts are of, beside those that were seen.
local REGIONS <const> = { "af-south-1", "ap-east-1", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-south-2",
  "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5", "ca-central-1", "ca-west-1", "eu-central-1",
  "eu-central-2", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3", "il-central-1", "me-central-1", "me-south-1",
  "mx-central-1", "sa-east-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2" }

--- Of which kind the names are that a field wants.
local LIVE <const> = { region = "region", ReplicaRegion = "region", PrimaryRegion = "region", RoleName = "role", AliasName = "alias", KeyId = "alias",
  TargetKeyId = "alias", cluster = "cluster", mount = "mount", role = "role", path = "mount" }
--- The same of arguments.
local LIVE_ARGUMENTS <const> = { ["cloud.find_cluster"] = { "cluster" }, ["cloud.cluster"] = { "cluster" } }
local READABLE <const> = { "cluster", "cmek", "every_key", "growth", "in_use", "rotation" }
local LIBRARY <const> = { "names", "policy", "sorted" }

--- What follows a command of the prompt: a file, a topic, a chunk of Lua, or one of these words.
local TAKES <const> = { save = "file", ["save-recipe"] = "file", help = "topic", time = "chunk", trace = { "on", "off" } }

local function begins(text, prefix) return text:sub(1, #prefix) == prefix end

-- Gathers what begins so, each once.
local function gather(prefix)
  local list, seen = {}, {}
  return list, function(text, hint)
    if begins(text, prefix) and not seen[text] then
      seen[text] = true
      list[#list + 1] = { text = text, hint = hint }
    end
  end
end

local function in_order(list)
  table.sort(list, function(a, b) return a.text < b.text end)
  return list
end

-- Names ----------------------------------------------------------------------------------------------------------------

local function hint_of(name, value)
  local entry = docs.of(name)
  if entry then return entry.signature end
  return value ~= nil and type(value) or nil
end

-- What a value is, at a glance: nothing in it is called.
local function glimpse(value)
  local kind = type(value)
  if kind == "string" or kind == "number" or kind == "boolean" then
    local text = require("repl.show").render(kind == "string" and value:sub(1, 4 * GLIMPSE):gsub("%s+", " ") or value)
    return (require("repl.show").fit(text, GLIMPSE, 1))
  end
  if kind ~= "table" then return kind end
  return rawlen(value) > 0 and ("{ %d }"):format(rawlen(value)) or next(value) == nil and "{}" or "{…}"
end

local function globals(world, prefix)
  local list, add = gather(prefix)
  for name, value in next, world.environment or {} do
    if type(name) == "string" and begins(name, prefix) then add(name, glimpse(value)) end
  end
  for name, value in next, world.names do
    if type(name) == "string" and begins(name, prefix) then add(name, hint_of(name, value)) end
  end
  return in_order(list)
end

-- The value that a chain leads to: through tables that are at hand, and nothing that would run code.
local function value_of(world, chain)
  local value
  for i, part in ipairs(chain) do
    if i == 1 then
      value = world.environment and rawget(world.environment, part)
      if value == nil then value = rawget(world.names, part) end
    else
      value = type(value) == "table" and rawget(value, part) or nil
    end
  end
  return type(value) == "table" and value or nil
end

local function fields(world, chain, prefix)
  local list, add = gather(prefix)
  local name = scan.name_of(chain)
  local own = name and #chain == 1 and world.environment and rawget(world.environment, name) ~= nil   -- a variable hides the library
  for _, member in ipairs(name and not own and docs.names(name .. "." .. prefix) or {}) do
    add(member:sub(#name + 2), docs.of(member).signature)
  end
  local count = 0
  for key, value in next, value_of(world, chain) or {} do
    if type(key) == "string" and key:find "^[%a_][%w_]*$" and begins(key, prefix) and count < MANY then
      count = count + 1
      add(key, glimpse(value))
    end
  end
  return in_order(list)
end

-- What a call takes ----------------------------------------------------------------------------------------------------

local recipes = {}   -- arguments by recipe, as they were when they were first asked for

local function arguments_of(recipe)
  if recipes[recipe] == nil then
    local ok, loaded = pcall(function() return require("recipe").load(recipe, { reserved = require("flags").reserved() }) end)
    recipes[recipe] = ok and loaded.args or false
  end
  local list = {}
  for i, argument in ipairs(recipes[recipe] or {}) do
    list[i] = { name = argument.name, type = argument.type, optional = argument.default ~= nil or argument.optional, text = argument.text,
      choices = argument.choices }
  end
  return list
end

-- The fields of the table that a frame is, and what they are described as.
local function fields_of(frame)
  if not frame.callee then return {} end
  local first = frame.of and frame.of[1]
  if frame.callee == "ensure" then
    local entry = first and docs.of("ensure " .. first)
    return entry and entry.fields or {}, entry
  end
  if frame.callee == "plan" then return first and arguments_of(first) or {} end
  local entry = docs.of(frame.callee)
  return entry and entry.fields or {}, entry
end

local function field_of(frame, name)
  for _, field in ipairs((fields_of(frame))) do
    if field.name == name then return field end
  end
end

local function parameters(frame, prefix)
  local list, add = gather(prefix)
  for _, field in ipairs((fields_of(frame))) do
    if not frame.given[field.name] then add(field.name .. " = ", field.type .. (field.text and ", " .. field.text or "")) end
  end
  return list
end

-- Values -----------------------------------------------------------------------------------------------------------------

local function live(world, kind, prefix, region, add)
  for _, name in ipairs(world.live and world.live:find(kind, prefix, region) or {}) do add(name, kind) end
  for _, name in ipairs(kind == "region" and REGIONS or {}) do add(name, "region") end
end

-- The texts that may stand for a field.
local function of_field(world, frame, name, prefix)
  local list, add = gather(prefix)
  local field = field_of(frame, name)
  for _, value in ipairs(field and (field.choices or comments.values(field.type)) or {}) do add(value, name) end
  local region = frame.given.region
  if LIVE[name] and (field or not frame.callee) then
    live(world, LIVE[name], prefix, type(region) == "string" and region or nil, add)
  end
  return in_order(list)
end

local function files(world, partial)
  local directory, name = partial:match "^(.*/)([^/]*)$"
  local list, add = gather(partial)
  local names = (world.list or require("file").list)(directory or ".")
  for _, entry in ipairs(names or {}) do
    if begins(entry, name or partial) and (entry:sub(1, 1) ~= "." or (name or partial):sub(1, 1) == ".") then
      local path = (directory or "") .. entry
      local there = not world.list and require("file").stat(path)
      add(path .. (there and there.kind == "directory" and "/" or ""), there and there.kind or "file")
    end
  end
  return in_order(list)
end

local function modules(world, partial)
  local list, add = gather(partial)
  for _, name in ipairs(LIBRARY) do add(name, "library") end
  for _, file in ipairs(files(world, "")) do
    local name = file.text:match "^([%w_%-]+)%.lua$"
    if name then add(name, "file") end
  end
  for _, name in ipairs(require("recipe").names()) do add(name, "recipe") end
  return in_order(list)
end

local function topics(partial)
  local list, add = gather(partial)
  for _, name in ipairs(docs.names(partial)) do add(name, hint_of(name)) end
  for _, name in ipairs(docs.table_names()) do add(name, "table") end
  for _, name in ipairs(require("help").names()) do add(name, "topic") end
  return in_order(list)
end

local function recipe_names(world, partial)
  if partial:find "[./]" then return files(world, partial) end
  local list, add = gather(partial)
  for _, name in ipairs(require("recipe").names()) do add(name, "recipe") end
  return in_order(list)
end

local function listed(words, prefix, hint)
  local list, add = gather(prefix)
  for _, word in ipairs(words) do add(word, hint) end
  return list
end

-- The texts that may stand as an argument of a call.
local function of_argument(world, callee, index, arguments, partial)
  if callee == "require" then return modules(world, partial) end
  if callee == "load" or callee == "loadfile" or callee == "dofile" then return files(world, partial) end
  if callee == "help" then return topics(partial) end
  if callee == "plan" then return index == 1 and recipe_names(world, partial) or {} end
  if callee == "ensure" then return index == 1 and listed(docs.kinds(), partial, "kind") or {} end
  if callee == "read" and index == 1 then return listed(READABLE, partial, "what read knows") end
  local kind = (LIVE_ARGUMENTS[callee] or {})[index] or callee == "read" and arguments[1] == "cluster" and "cluster"
  local entry = not kind and index == 1 and docs.of(callee)
  for _, field in ipairs(entry and entry.fields or {}) do   -- one text stands for the first that has to be given
    if not kind and not field.optional and field.name ~= "region" then kind = LIVE[field.name] end
  end
  local list, add = gather(partial)
  if kind then live(world, kind, partial, nil, add) end
  return list
end

local function texts(world, place)
  local frame, callee = place.frame, scan.name_of(place.chain)
  if callee then return of_argument(world, callee, 1, {}, place.partial) end   -- f "…"
  if not frame.fresh then return {} end
  if frame.open == "(" and frame.callee then return of_argument(world, frame.callee, frame.index, frame.arguments, place.partial) end
  if frame.open == "{" and frame.key then return of_field(world, frame, frame.key, place.partial) end
  return {}
end

-- The values of a field, quoted; nothing where there are none.
local function quoted_values(world, frame)
  local list = {}
  local field = field_of(frame, frame.key)
  if field and field.type == "boolean" then return { { text = "true", hint = "boolean" }, { text = "false", hint = "boolean" } } end
  for _, value in ipairs(of_field(world, frame, frame.key, "")) do list[#list + 1] = { text = ('"%s"'):format(value.text), hint = value.hint } end
  return list
end

-- Lines that are no Lua --------------------------------------------------------------------------------------------------

local function commands(world)
  local given = world.commands
  if not given then
    local ok, own = pcall(require, "repl.commands")
    given = ok and own.names and own.names() or {}
  end
  return given
end

-- ":save fi": where what is typed begins, and what may stand there.
local function command(line, world)
  local word, blanks, rest = line:match "^:([%w%-]*)(%s*)(.*)$"
  if not word then return #line + 1, {} end
  if blanks == "" then
    local list, add = gather(":" .. word)
    for _, entry in ipairs(commands(world)) do
      if type(entry) == "table" then
        add((entry[1]:find "^:" and "" or ":") .. entry[1], entry.text)
      else
        add(entry)
      end
    end
    return 1, list
  end
  local takes, start = TAKES[word], #line - #rest + 1
  if takes == "file" then return start, files(world, rest) end
  if takes == "topic" then return start, topics(rest) end
  if type(takes) == "table" then return start, listed(takes, rest) end
  if takes ~= "chunk" then return start, {} end
  local at, list = M.candidates(rest, #rest, world)
  return start + at - 1, list
end

--- What may stand where the cursor is: in the place of what is typed from `start` on.
---@param line string      of a chunk of several lines, all of them up to here
---@param position integer  bytes before the cursor
---@param world repl.World
---@return integer start, repl.Candidate[] list  sorted; names that were kept: the first thirty, and the last
function M.candidates(line, position, world)
  line = line:sub(1, position)
  if line:find "^%s*:" then
    local indent = #line:match "^%s*"
    local start, list = command(line:sub(indent + 1), world)
    return start + indent, list
  end
  if line:find "^%s*%?" then
    local rest = line:match "^%s*%?%s*(.*)$"
    return #line - #rest + 1, topics(rest)
  end
  local place = scan.at_end(line)
  if place.kind == "none" then return place.start, {} end
  if place.kind == "text" then return place.start, texts(world, place) end
  local frame = place.frame
  if #place.chain > 0 then return place.start, fields(world, place.chain, place.partial) end
  if frame.open == "{" and frame.fresh and not frame.key then
    local list = parameters(frame, place.partial)
    if #list > 0 or place.partial == "" then return place.start, list end
  end
  if frame.open == "{" and frame.fresh and frame.key and place.partial == "" then
    local list = quoted_values(world, frame)
    if #list > 0 then return place.start, list end
  end
  return place.start, globals(world, place.partial)
end

-- What is typed in ---------------------------------------------------------------------------------------------------------

local function argument_hint(frame, entry)
  local name = entry.arguments and entry.arguments[frame.index]
  for _, parameter in ipairs(entry.params or {}) do
    if parameter.name == name then return ("%s: %s%s"):format(name, parameter.type, parameter.text and ", " .. parameter.text or "") end
  end
end

local function table_hint(frame)
  local key = frame.key and field_of(frame, frame.key)
  if key then return ("%s: %s%s"):format(key.name, key.type, key.text and ", " .. key.text or "") end
  local parts = {}
  for _, field in ipairs((fields_of(frame))) do
    if not frame.given[field.name] then parts[#parts + 1] = field.name .. (field.optional and "?" or "") end
  end
  return #parts > 0 and "{ " .. table.concat(parts, ", ") .. " }" or nil
end

-- A function, and of it the argument that is being typed; one whose arguments are not described by what it does.
local function said(entry, hint)
  if not hint and not entry.signature:find "[({]" then hint = entry.text and entry.text:match "^[^\n]*" end
  return entry.signature .. (hint and "  " .. hint or "")
end

-- Of a command of the prompt: what it takes and does, once its whole word is there.
local function command_hint(line, world)
  local word = line:match "^%s*(:[%w%-]+)"
  for _, entry in ipairs(commands(world)) do
    if type(entry) == "table" and entry[1] == word then return (entry.usage and word .. " " .. entry.usage or word) .. "  " .. (entry.text or "") end
  end
end

--- What the call takes in which the cursor is: the call, and of it the argument or field that is being typed; nil where there is none that is
--- known.
---@param line string
---@param position integer  bytes before the cursor
---@param world repl.World
---@return string?
function M.signature(line, position, world)
  line = line:sub(1, position)
  local chunk = line:match "^%s*:time%s+(.*)$"
  if line:find "^%s*[:?]" and not chunk then return command_hint(line, world) end
  line = chunk or line
  local place = scan.at_end(line)
  for i = #place.frames, 1, -1 do
    local frame = place.frames[i]
    if frame.callee and frame.open == "{" then
      local _, entry = fields_of(frame)
      local hint = table_hint(frame)
      local name = entry and entry.name or frame.callee
      if hint then return name .. " " .. hint end
    elseif frame.callee and frame.open == "(" then
      local entry = docs.of(frame.callee)
      local hint = entry and argument_hint(frame, entry)
      if entry then return said(entry, hint) end
    end
  end
end

--- The text that all candidates have in common.
---@param list repl.Candidate[]
---@return string
function M.common(list)
  local common = list[1] and list[1].text or ""
  for _, candidate in ipairs(list) do
    while not begins(candidate.text, common) do common = common:sub(1, (utf8.offset(common, -1) or 1) - 1) end
  end
  return common
end

return M
