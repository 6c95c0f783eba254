--- What is wrong with a recipe, seen without running it: syntax, names that its world has not, misspelt fields of what the library
--- takes, missing text, services that are used and not in `touches`. Modules beside it that it requires are looked at as well.
local knowledge = require "authoring.knowledge"

local M = {}

local SOURCE_MAX <const> = 1 << 20
local READS <const> = { cluster = "cloud", cmek = "cloud", every_key = "cloud", in_use = "cloud" }   -- what read takes beside kinds

---@class authoring.Finding
---@field file string
---@field line integer
---@field column integer?
---@field text string

local function contains(list, wanted)
  for _, value in ipairs(list) do
    if value == wanted then return true end
  end
  return false
end

local function meant(name, list)
  local near = require("ui.near").near(name, list)[1]
  return near and ("; did you mean '%s'?"):format(near) or ""
end

local function field_of(node, name)
  for _, field in ipairs(node.fields) do
    if field.key == name then return field end
  end
end

-- One file that is looked at.
local Look = {}
Look.__index = Look

function Look:found(at, text, ...)
  table.insert(self.findings, { file = self.path, line = at.line, column = at.column, text = text:format(...) })
end

-- Names ----------------------------------------------------------------------------------------------------------------------

local LIBRARY <const> = { policy = true, names = true, sorted = true }

-- What a function is by its names, also behind a local one: { "policy", "cmek" }; nil when it is of the recipe's own making.
local function path_of(node)
  if node.tag == "name" then
    if not node.declared then return { node.value } end
    return node.declared.value and path_of(node.declared.value)
  end
  if node.tag == "index" and node.key then
    local path = path_of(node.object)
    if path then path[#path + 1] = node.key end
    return path
  end
  local argument = node.tag == "call" and not node.method and node.args[1]
  if argument and argument.tag == "string" and LIBRARY[argument.value] and node.fn.tag == "name" and node.fn.value == "require" then
    return { argument.value }
  end
end

local visit = {}

function visit.name(self, node)
  if node.declared or self.script then return end
  if node.assigned then return self:found(node, "'%s' would be global: write local %s", node.value, node.value) end
  local world = knowledge.world()
  if world[node.value] == nil then return self:found(node, "%s", require("sandbox").missing(world, node.value)) end
  if knowledge.is_service(node.value) then self:uses(node.value, node, node.value) end
end

function visit.index(self, node)
  local path = node.key and path_of(node)
  if node.object.tag == "name" and node.object.declared and node.object.declared == self.arg and self.arguments and not node.assigned then
    if node.key and not contains(self.arguments, node.key) then
      self:found(node, "args has no '%s'%s", node.key, meant(node.key, self.arguments))
    end
  end
  if not path or #path ~= 2 or node.assigned then return end
  local members = knowledge.members(path[1])
  if members and not contains(members, path[2]) then
    self:found(node, "%s has no '%s'%s", path[1], path[2], meant(path[2], members))
  end
end

-- Fields ---------------------------------------------------------------------------------------------------------------------

-- Fields of a table that nobody takes; `complete` is false where others may exist, whose names begin with a capital.
function Look:fields(node, fields, what, complete)
  for _, field in ipairs(node.fields) do
    if field.key and not contains(fields, field.key) then
      local guess = meant(field.key, fields)
      local text = what and ("%s has no field '%s'%s"):format(what, field.key, guess) or ("no kind takes a field '%s'%s"):format(field.key, guess)
      if complete or guess ~= "" or not field.key:find "^%u" then self:found(field, "%s", text) end
    end
  end
end

-- The service of a kind, which has to be touched.
function Look:uses(service, node, what)
  if self.touches and not contains(self.touches, service) then
    self:found(node, "%s is used, and touches does not name \"%s\"", what, service)
  end
end

-- What has to be said of a kind of the library's, in the words of ensure itself.
function Look:needed(node, kind, want)
  for _, field in ipairs(want.fields) do
    if not field.key then return end   -- a run alone can tell
  end
  local missing = {}
  for _, field in ipairs((require("docs").of("ensure " .. kind) or { fields = {} }).fields) do
    if not field.optional and not field_of(want, field.name) then missing[#missing + 1] = field.name end
  end
  table.sort(missing)
  if missing[1] then self:found(node, "ensure: kind '%s' needs a '%s': cmek help ensure %s", kind, missing[1], kind) end
end

-- ensure and read: which kind, and what it shall be.
function Look:thing(node, verb)
  local kind, want = node.args[1], node.args[2]
  local name = kind and kind.tag == "string" and kind.value
  local own = name and self.kinds[name] or kind and kind.tag == "name" and kind.declared
  if name and not own then
    local service = knowledge.service_of(name) or verb == "read" and READS[name]
    local other = verb == "read" and (READS[name] or require("engine.kind").STOCK[name])
    if not service and not other then
      local all = knowledge.kinds()
      for one in require("sorted")(self.kinds) do all[#all + 1] = one end
      self:found(kind, "there is no kind '%s'%s", name, meant(name, all))
      return
    end
    if service then self:uses(service, kind, ("%s \"%s\""):format(verb, name)) end
  end
  if own or not want or want.tag ~= "table" then return end
  if verb == "ensure" and name then self:needed(node, name, want) end
  local fields = name and knowledge.kind(name) or not name and knowledge.fields_of_kinds()
  if fields then self:fields(want, fields, name and ("kind '%s'"):format(name) or nil, true) end
end

-- What aws.call is given, as far as it is written out: a value, or something of the type that is wanted.
local function call_of(want)
  local request, types = {}, {}
  for _, field in ipairs(require("aws.any").FIELDS) do types[field[1]] = field[2] end
  for _, field in ipairs(want.fields) do
    if not field.key then return nil end
    local node = field.node
    if node.tag == "string" or node.tag == "value" and node.value ~= nil and node.value ~= "…" then
      request[field.key] = node.value
    elseif types[field.key] == "table" then
      request[field.key] = {}
    else
      request[field.key] = false   -- only a run can tell
    end
  end
  return request
end

-- What is wrong with a call of any service, in the words of the call itself.
function Look:any_call(node, want)
  local request = call_of(want)
  if not request then return end
  local service = request.service
  if service and (knowledge.is_known_service(service) or request.protocol ~= nil) then
    self:uses(service, node, ("aws.call of %s"):format(service))
    self.called[service] = true
  end
  local any, operation = require "aws.any", request.operation
  for name in require("sorted")(request) do
    if request[name] == false then request[name] = name == "operation" and "Operation" or name == "service" and "sns" or "x" end
  end
  if service == false then request.protocol, request.version, request.target = nil, nil, nil end
  local global = { is_global = function() return require("aws.endpoint").may_be_global(request.service) end }
  local ok, message = pcall(any.check, request, global)
  local wrong = not ok and tostring(message) or service and operation and knowledge.operation(service, operation)
  if wrong then self:found(node, "%s", wrong) end
end

-- Functions of the recipe's own that ask a service for the operation that they are given: local function sns(want, operation, …).
local function note_askers(nodes)
  for _, fn in ipairs(nodes) do
    for at = fn.tag == "function" and fn.first or 1, fn.last or 0 do
      local node = nodes[at]
      local path = node.tag == "call" and not node.method and path_of(node.fn) or {}
      local want = path[1] == "aws" and path[2] == "call" and node.args[1]
      local service = want and want.tag == "table" and field_of(want, "service")
      local operation = want and want.tag == "table" and field_of(want, "operation")
      if service and service.node.tag == "string" and not (knowledge.is_known_service(service.node.value) or field_of(want, "protocol")) then
        service = nil
      end
      for place, declared in ipairs(service and operation and fn.params or {}) do
        if service.node.tag == "string" and operation.node.tag == "name" and operation.node.declared == declared then
          fn.asks = { service = service.node.value, place = place }
        end
      end
    end
  end
end

-- The operation that such a function is asked for.
local function asked_through(node)
  local declared = node.fn.tag == "name" and node.fn.declared
  local asks = declared and declared.value and declared.value.asks
  local operation = asks and node.args[asks.place]
  if not operation or operation.tag ~= "string" then return nil end
  return { node = operation, service = asks.service, operations = { operation.value },
    effect = require("door").effect(asks.service, operation.value) }
end

-- The services' operations that a call asks for, where it is one and written out; nil otherwise.
function Look.service_call(_, node)
  if node.tag ~= "call" or node.method then return nil end
  local through = asked_through(node)
  if through then return through end
  local path = path_of(node.fn)
  if not path or #path ~= 2 then return nil end
  local calls = require "engine.calls"
  if path[1] == "aws" and path[2] == "call" then
    local request = node.args[1] and node.args[1].tag == "table" and call_of(node.args[1]) or {}
    if not request.service or not request.operation then return nil end
    return { node = node, service = request.service, operations = { request.operation },
      effect = require("door").effect(request.service, request.operation) }
  end
  if not knowledge.is_service(path[1]) or not contains(knowledge.members(path[1]) or {}, path[2]) then return nil end
  return { node = node, service = path[1], operations = calls.operations(path[1], path[2]), effect = calls.effect(path[1], path[2]) }
end

function visit.call(self, node)
  local through = not node.method and asked_through(node)
  local wrong = through and knowledge.operation(through.service, through.operations[1])
  if wrong then self:found(through.node, "%s", wrong) end
  local path = not node.method and path_of(node.fn)
  if not path then return end
  if #path == 1 and (path[1] == "ensure" or path[1] == "read") then return self:thing(node, path[1]) end
  if #path == 1 and path[1] == "require" then return self:module(node) end
  local want = node.args[1]
  if not want or want.tag ~= "table" then return end
  local fields, complete = knowledge.fields(path)
  if path[1] == "aws" and path[2] == "call" then return self:any_call(node, want) end
  if fields then self:fields(want, fields, table.concat(path, "."), complete) end
  if #path == 1 and path[1] == "resource" then require("authoring.kinds").look(self, want, node) end
end

-- A module beside the recipe.
function Look:module(node)
  local name = node.args[1] and node.args[1].tag == "string" and node.args[1].value
  if not name or LIBRARY[name] then return end
  local file = name:gsub("%.", "/") .. ".lua"
  local path = (self.path:match "^(.*/)" or "") .. file
  if require("file").exists(path) then
    if not self.seen[path] then M.look(path, self) end
  elseif not require("embedded").source("recipes/" .. file) then
    self:found(node.args[1], "there is no module '%s' in the library or beside the recipe%s", name, meant(name, require("recipe").names()))
  end
end

-- The recipe's table -----------------------------------------------------------------------------------------------------------

-- A table that is written out, as the data that it stands for; what only a run can tell is a function.
local function data(node)
  if node.tag == "string" or node.tag == "value" then return node.value end
  if node.tag ~= "table" then return function() end end
  local result = {}
  for _, field in ipairs(node.fields) do
    if field.key then result[field.key] = data(field.node) elseif not field.computed then result[#result + 1] = data(field.node) end
  end
  return result
end

-- Each argument by itself, so that one that is wrong does not hide the others.
function Look:check_arguments(node)
  local names, whole = {}, true
  for i, field in ipairs(node.fields) do
    if field.key then
      names[#names + 1] = field.key
      self:found(field, "args is a list, so '%s' stands first in its table: { \"%s\", its text, … }", field.key, field.key)
    elseif field.node.tag == "table" then
      local entry = data(field.node)
      if contains(names, entry[1]) then self:found(field, "args[%d] '%s' stands twice", i, entry[1]) end
      names[#names + 1] = type(entry[1]) == "string" and entry[1] or nil
      local ok, wrong = pcall(require("arguments").specifications, { entry }, require("flags").reserved(), function(...)
        error({ text = (...):format(select(2, ...)) }, 0)
      end)
      local text = not ok and (type(wrong) == "table" and wrong.text or tostring(wrong))
      if text then self:found(field, "%s", (text:gsub("^args%[1%]", ("args[%d]"):format(i)))) end
    else
      whole = false
    end
  end
  self.arguments = whole and names or nil
end

local checks = {}

function checks.api(self, field)
  if not field or field.node.value ~= require("recipe").API then
    self:found(field or self.returned, "api must be %d", require("recipe").API)
  end
end

function checks.summary(self, field)
  local text = field and (field.node.tag ~= "string" or field.node.value:find "%S")
  if not text then self:found(field or self.returned, "summary has no text: one line that says what it is for") end
end

function checks.args(self, field)
  if not field then return self:found(self.returned, "args is missing: { { \"cluster\", \"its text\" }, … }, or {}") end
  if field.node.tag == "table" then self:check_arguments(field.node) end
end

function checks.touches(self, field)
  if not field then return self:found(self.returned, "touches is missing: the services it calls, or {}") end
  if field.node.tag ~= "table" then return end
  self.touches = {}
  for _, entry in ipairs(field.node.fields) do
    local name = entry.node.value
    self.touches[#self.touches + 1] = name
    if entry.node.tag == "string" and not require("recipe").can_be_touched(name) then
      self:found(entry, "touches names '%s', which is no service%s", name, require("recipe").meant(name))
    elseif entry.node.tag == "string" and not knowledge.is_known_service(name) then
      table.insert(self.strange, entry)   -- it may be one that aws.call is told how to speak to
    end
  end
end

function checks.run(self, field)
  if not field then return self:found(self.returned, "run is missing: function(arg) … end") end
  self.arg = field.node.tag == "function" and field.node.params[1] or nil
end

local ORDER <const> = { "api", "summary", "args", "touches", "run" }

function Look:recipe(returned)
  if returned and returned.tag == "name" and returned.declared then returned = returned.declared.value end
  if not returned or returned.tag ~= "table" then
    if not returned or returned.tag == "string" or returned.tag == "value" then
      self:found(returned or { line = 1 }, "it must return a table { api = 1, summary =, args =, touches =, run = }")
    end
    return
  end
  self.returned = returned
  self:fields(returned, ORDER, "a recipe", true)
  for _, name in ipairs(ORDER) do checks[name](self, field_of(returned, name)) end
end

-- The whole --------------------------------------------------------------------------------------------------------------------

-- Kinds that are described here, which ensure may name.
local function own_kinds(self, nodes)
  for _, node in ipairs(nodes) do
    local want = node.tag == "call" and node.fn.tag == "name" and node.fn.value == "resource" and node.args[1]
    local kind = want and want.tag == "table" and field_of(want, "kind")
    if kind and kind.node.tag == "string" then self.kinds[kind.node.value] = true end
  end
end

--- Looks at one file.
---@param path string
---@param from table?  the look at the recipe that requires it
---@param text string?
---@param script boolean?  it is any Lua, which returns no recipe and has names of its own
function M.look(path, from, text, script)
  local self = setmetatable({ path = path, script = script or from and from.script, findings = from and from.findings or {},
    seen = from and from.seen or {}, kinds = from and from.kinds or {}, touches = from and from.touches, called = from and from.called or {},
    strange = {} }, Look)
  self.seen[path] = true
  text = text or assert(require("file").read(path, SOURCE_MAX))
  local chunk, message = require("source").load(text, path, {})
  if not chunk then
    self:found({ line = math.tointeger(tonumber(message:match ":(%d+): ")) or 1 }, "%s", message:match ":%d+: (.*)$" or message)
    return self.findings
  end
  local nodes, returned = require("authoring.parser").parse(text)
  self.nodes = nodes
  note_askers(nodes)
  own_kinds(self, nodes)
  if not from and not script then self:recipe(returned) end
  for _, node in ipairs(nodes) do
    if visit[node.tag] then visit[node.tag](self, node) end
  end
  for _, entry in ipairs(self.strange) do
    local name = entry.node.value
    if not self.called[name] then
      self:found(entry, "touches names '%s', which is no service that cmek knows, and no aws.call here%s", name, require("recipe").meant(name))
    end
  end
  return self.findings
end

--- What is wrong with a recipe, by file and line.
---@param name string  a stock recipe, or a file
---@return authoring.Finding[] findings, string path
function M.check(name)
  local text, path = require("recipe").source(name)
  local findings = M.look(path, nil, text)
  table.sort(findings, function(a, b)
    if a.file ~= b.file then return a.file < b.file end
    if a.line ~= b.line then return a.line < b.line end
    if (a.column or 0) ~= (b.column or 0) then return (a.column or 0) < (b.column or 0) end
    return a.text < b.text
  end)
  return findings, path
end

return M
