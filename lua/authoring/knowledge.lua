--- What a recipe may name and call, read where it stands: the world that a run gives it, the operations of the services, the doc
--- comments of the library. Nothing here is a list of its own.
local calls = require "engine.calls"
local embedded = require "embedded"
local sorted = require "sorted"

local M = {}

-- Services whose functions are never called here: they have no door.
local function services()
  return {
    iam = require("aws.iam").new {}, kms = require("aws.kms").new {}, sts = require("aws.sts").new({}, ""),
    tagging = require("aws.tagging").new {}, aws = require("aws.any").new {}, vault = require("vault.operations").functions(function() end),
  }
end

local known

--- The names that every recipe sees, with what is behind them.
---@return table<string, any>
function M.world()
  if known then return known end
  local session = services()
  local sandbox = require("sandbox").new { path = "", is_file = false }
  local engine = { recipe = { touches = require("recipe").services() }, session = session, context = {} }
  sandbox:bind(require("engine.environment").of(engine))
  known = sandbox.names
  return known
end

--- Whether this is a service, which a recipe has to touch.
---@param name string
function M.is_service(name) return require("recipe").is_service(name) end

local function keys(value)
  local list = {}
  for key in sorted(value or {}) do list[#list + 1] = key end
  return list
end

-- The functions of a source file with their doc comments: fn(name, comment).
local function each_function(path, fn)
  local comment = {}
  for line in embedded.source(path):gmatch "[^\n]*" do
    local text = line:match "^%s*%-%-%-(.*)$"
    if text then
      comment[#comment + 1] = text
    else
      local name = line:match "^%s*function [%w_]+[.:]([%w_]+)%("
      if name then fn(name, table.concat(comment, "\n")) end
      comment = {}
    end
  end
end

-- The fields of the first parameter that a comment describes as a table: { a: string, b: integer? }.
local function described(comment)
  local shape = comment:match "@param [%w_]+%??%s+(%b{})"
  if not shape then return nil end
  local fields, depth, start = {}, 0, 2
  for at = 2, #shape do
    local letter = shape:sub(at, at)
    if letter:find "[{(<%[]" then depth = depth + 1 end
    if depth > 0 and letter:find "[})>%]]" then
      depth = depth - 1
    elseif depth == 0 and (letter == "," or at == #shape) then
      fields[#fields + 1] = shape:sub(start, at):match "^%s*([%w_]+)%??%s*:"
      start = at + 1
    end
  end
  return #fields > 0 and fields or nil
end

--- The fields of what a kind of thing is wanted to be, by its doc comment.
---@param kind string
---@return string[]?
function M.kind(kind)
  local text = embedded.source("lua/resource/" .. kind .. ".lua")
  if not text then return nil end
  local fields = described((text:gsub("\n%-%-%-", "\n"):gsub("@param want table", "")))
  if fields then fields[#fields + 1] = "account" end   -- whose credentials: lua/engine/account/elsewhere.lua
  return fields
end

--- The service that a kind of the library's is a thing of, which a recipe that ensures it touches.
---@param kind string
---@return string?
function M.service_of(kind) return require("engine").RESOURCES[kind] end

--- The kinds that the library has.
function M.kinds() return keys(require("engine").RESOURCES) end

--- All fields that some kind has.
function M.fields_of_kinds()
  local all = {}
  for _, kind in ipairs(M.kinds()) do
    for _, field in ipairs(M.kind(kind) or {}) do all[field] = true end
  end
  return keys(all)
end

-- The documented fields of a function of these sources.
local function documented(prefix, name)
  local found
  for _, path in ipairs(embedded.list(prefix)) do
    each_function(path, function(candidate, comment)
      if candidate == name and not found then found = described(comment) end
    end)
  end
  return found
end

local AWS <const> = { iam = true, kms = true, sts = true, tagging = true }

-- The parameters of an operation of AWS, as the simulated service has them: it may know fewer than the real one.
local function parameters(service, name)
  local own = documented(("lua/aws/%s.lua"):format(service), name)
  if own then return own, true end
  local set = {}
  for _, operation in ipairs(calls.operations(service, name)) do
    local row = require("sim." .. service).operations[operation]
    if not row then return nil end
    for field in pairs(row.parameters or {}) do set[field] = true end   -- sorted below
  end
  if service == "kms" then set.DryRun = true end
  if service == "kms" or service == "tagging" then set.region = true end
  return keys(set), false
end

local function vault_fields(name)
  for operation, entry in sorted(require("vault.operations").LIST) do
    if operation:gsub("(%l)(%u)", "%1_%2"):lower() == name then
      local list = { "namespace", "timeout" }
      for field in (entry[2] .. "/" .. entry[3]):gmatch "{(%a+)}" do list[#list + 1] = field end
      for _, part in ipairs { entry.body or {}, entry.query or {} } do table.move(part, 1, #part, #list + 1, list) end
      return list, true
    end
  end
end

--- The fields of the table that a function takes, by its path: { "policy", "cmek" }.
---@param path string[]
---@return string[]? fields, boolean? complete  false: there may be others, whose names begin with a capital
function M.fields(path)
  local of, name = path[1], path[2]
  if #path == 1 and of == "resource" then
    local fields = {}
    for i, field in ipairs(require("engine.kind").FIELDS) do fields[i] = field[1] end
    return fields, true
  end
  if #path ~= 2 then return nil end
  if of == "aws" and name == "call" then
    local fields = {}
    for i, field in ipairs(require("aws.any").FIELDS) do fields[i] = field[1] end
    return fields, true
  end
  if of == "policy" then return documented("lua/policy/", name), true end
  if of == "vault" then return vault_fields(name) end
  if AWS[of] then return parameters(of, name) end
end

-- The operations of a service that are all known here; nil where others may exist.
local function operations(service)
  if AWS[service] then return keys(require("aws.reference." .. service)) end
  if service == "vault" then return keys(require("vault.operations").LIST) end
end

--- What is wrong with the name of an operation, in words; nil when nothing is.
---@param service string
---@param operation string
---@return string?
function M.operation(service, operation)
  local list = operations(service) or {}
  if not operation:find "^%u%w+$" then
    local meant = (("_" .. operation):gsub("_(%l)", string.upper):gsub("[^%w]", ""))
    return ("'%s' is no operation: the API names them like \"%s\""):format(operation, meant:find "^%u%w+$" and meant or "GetRole")
  end
  for _, name in ipairs(list) do
    if name == operation then return nil end
  end
  local read = #list == 0 and require("aws.any").meant_read(service, operation)
  if read then return ("%s has no operation '%s' that cmek knows to read; did you mean '%s'?"):format(service, operation, read) end
  local near = require("ui.near").near(operation, list)[1]   -- which is not there may be newer than cmek, and aws.call asks for it
  return near and ("%s has no operation '%s' here; did you mean '%s'?"):format(service, operation, near) or nil
end

--- The services that touches may name without a call of theirs being seen: those that have functions, and those that aws.call knows.
---@param name string
function M.is_known_service(name) return M.is_service(name) or require("aws.any").known()[name] ~= nil end

--- The members of a part of the world: of policy, names, kms, string …; nil when it is no table.
---@param name string
---@return string[]?
function M.members(name)
  if name == "policy" or name == "names" then return keys(require(name)) end
  if name == "task" then return keys(calls.tasks {}) end
  if name == "cloud" then
    local list = {}
    each_function("lua/cloud.lua", function(fn) list[#list + 1] = fn:find "^%l" and fn or nil end)
    return list
  end
  local service = services()[name]
  if service then return keys(service) end
  local value = M.world()[name]
  return type(value) == "table" and keys(value) or nil
end

return M
