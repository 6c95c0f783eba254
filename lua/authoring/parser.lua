--- A chunk of Lua 5.4 as the list of what it names, calls and builds, with the scope of each name: no more than `check` needs, and
--- only of texts that `load` has taken, so nothing is refused here.
---@class authoring.Node
---@field tag "name"|"index"|"call"|"table"|"function"|"string"|"value"
---@field line integer
---@field column integer
---@field value string?            of a text; of a name, the name
---@field declared table?          of a name that is local: its declaration, one table for all its uses
---@field assigned boolean?        of a name or field that is given a value
---@field object authoring.Node?   of an index
---@field key string?              of an index, when it is written out
---@field fn authoring.Node?       of a call
---@field args authoring.Node[]?   of a call
---@field method string?           of a call
---@field fields { key: string?, node: authoring.Node, line: integer, column: integer }[]?  of a table; without key: by its place
---@field params table[]?          of a function: the declarations of its parameters
---@field first integer?           of a function: the place of its first node among all
---@field last integer?            and of its last
local Parser = {}
Parser.__index = Parser

local M = {}

local UNARY <const> = { ["not"] = true, ["-"] = true, ["#"] = true, ["~"] = true }
local BINARY <const> = {}
for sign in ("+ - * / // % ^ & ~ | << >> .. == ~= < <= > >= and or"):gmatch "%S+" do BINARY[sign] = true end
local ENDS <const> = { ["end"] = true, ["else"] = true, ["elseif"] = true, ["until"] = true }

-- Words ----------------------------------------------------------------------------------------------------------------------

function Parser:peek() return self.tokens[self.at] end

function Parser:next()
  local token = self.tokens[self.at]
  if token.kind ~= "eof" then self.at = self.at + 1 end
  return token
end

function Parser:is(word)
  local token = self.tokens[self.at]
  return token.kind == "word" and token.value == word
end

function Parser:take(word)
  if not self:is(word) then return nil end
  return self:next()
end

function Parser:node(tag, token, more)
  local node = more or {}
  node.tag, node.line, node.column = tag, token.line, token.column
  self.nodes[#self.nodes + 1] = node
  return node
end

-- Scopes ---------------------------------------------------------------------------------------------------------------------

function Parser:declare(token)
  local declared = { name = token.value, line = token.line }
  self.scope.names[token.value] = declared
  return declared
end

function Parser:find(name)
  local scope = self.scope
  while scope do
    if scope.names[name] then return scope.names[name] end
    scope = scope.outer
  end
end

function Parser:inside(fn)
  self.scope = { names = {}, outer = self.scope }
  local result = fn()
  self.scope = self.scope.outer
  return result
end

-- Expressions ----------------------------------------------------------------------------------------------------------------

function Parser:list()
  local list = { self:expression() }
  while self:take "," do list[#list + 1] = self:expression() end
  return list
end

function Parser:table()
  local node = self:node("table", self:next(), { fields = {} })
  while not self:take "}" and self:peek().kind ~= "eof" do
    local token, field = self:peek(), {}
    local after = self.tokens[self.at + 1]
    if self:take "[" then
      local key = self:expression()
      self:next()
      self:next()
      field.key, field.computed = key.tag == "string" and key.value or nil, true
    elseif token.kind == "name" and after.kind == "word" and after.value == "=" then
      self.at = self.at + 2
      field.key = token.value
    end
    field.line, field.column = token.line, token.column
    field.node = self:expression()
    node.fields[#node.fields + 1] = field
    if not self:take "," then self:take ";" end
  end
  return node
end

-- Parameters and body, up to its end.
function Parser:body(token, with_self)
  local node = self:node("function", token, { params = {}, first = #self.nodes + 2 })
  self:inside(function()
    if with_self then self:declare { value = "self", line = token.line } end
    self:next()
    while not self:take ")" and self:peek().kind ~= "eof" do
      local name = self:next()
      if name.kind == "name" then node.params[#node.params + 1] = self:declare(name) end
    end
    self:statements()
    self:next()
  end)
  node.last = #self.nodes
  return node
end

function Parser:arguments()
  local token = self:peek()
  if token.kind == "string" then return { self:node("string", self:next(), { value = token.value }) } end
  if self:is "{" then return { self:table() } end
  self:next()
  local list = self:is ")" and {} or self:list()
  self:take ")"
  return list
end

function Parser:primary()
  local token = self:next()
  if token.kind == "name" then return self:node("name", token, { value = token.value, declared = self:find(token.value) }) end
  local inner = self:expression()   -- in parentheses
  self:take ")"
  return inner
end

-- A name or a parenthesis, and what follows it: fields, calls.
function Parser:suffixed()
  local node = self:primary()
  while true do
    local token = self:peek()
    if self:take "." then
      local name = self:next()
      node = self:node("index", name, { object = node, key = name.value })
    elseif self:take "[" then
      local key = self:expression()
      self:take "]"
      node = self:node("index", token, { object = node, key = key.tag == "string" and key.value or nil })
    elseif self:take ":" then
      local name = self:next()
      node = self:node("call", name, { fn = node, method = name.value, args = self:arguments() })
    elseif token.kind == "string" or self:is "(" or self:is "{" then
      node = self:node("call", { line = node.line, column = node.column }, { fn = node, args = self:arguments() })
    else
      return node
    end
  end
end

function Parser:simple()
  local token = self:peek()
  if token.kind == "string" then return self:node("string", self:next(), { value = token.value }) end
  if token.kind == "number" then return self:node("value", self:next(), { value = tonumber(token.value) }) end
  if self:is "{" then return self:table() end
  if self:take "function" then return self:body(token) end
  if token.kind == "name" or self:is "(" then return self:suffixed() end
  self:next()   -- nil, true, false, ...
  local value = nil
  if token.value == "true" then value = true elseif token.value == "false" then value = false end
  return self:node("value", token, { value = value })
end

function Parser:expression()
  while self:peek().kind == "word" and UNARY[self:peek().value] do self:next() end
  local node = self:simple()
  while self:peek().kind == "word" and BINARY[self:peek().value] do
    local token = self:next()
    while self:peek().kind == "word" and UNARY[self:peek().value] do self:next() end
    self:simple()
    node = self:node("value", token, { value = token.value == ".." and "…" or nil })   -- some text, which is enough to know
  end
  return node
end

-- Statements -----------------------------------------------------------------------------------------------------------------

local statements = {}

statements["local"] = function(self)
  if self:take "function" then
    local name = self:next()
    local declared = self:declare(name)
    declared.value = self:body(name)
    return
  end
  local names = {}
  repeat
    names[#names + 1] = self:next()
    if self:take "<" then
      self:next()
      self:next()
    end
  until not self:take ","
  local values = self:take "=" and self:list() or {}
  for i, name in ipairs(names) do self:declare(name).value = values[i] end
end

statements["function"] = function(self)
  local token = self:next()
  local node = self:node("name", token, { value = token.value, declared = self:find(token.value) })
  node.assigned = not (self:is "." or self:is ":")
  local method = false
  while self:is "." or self:is ":" do
    method = self:next().value == ":"
    local name = self:next()
    node = self:node("index", name, { object = node, key = name.value, assigned = true })
  end
  self:body(token, method)
end

statements["if"] = function(self)
  repeat
    self:expression()
    self:take "then"
    self:inside(function() self:statements() end)
  until not self:take "elseif"
  if self:take "else" then self:inside(function() self:statements() end) end
  self:next()
end

statements["while"] = function(self)
  self:expression()
  self:take "do"
  self:inside(function() self:statements() end)
  self:next()
end

statements["do"] = function(self)
  self:inside(function() self:statements() end)
  self:next()
end

statements["repeat"] = function(self)
  self:inside(function()
    self:statements()
    self:take "until"
    self:expression()
  end)
end

statements["for"] = function(self)
  local names = {}
  repeat names[#names + 1] = self:next() until not self:take ","
  self:next()   -- "=" or "in"
  self:list()
  self:take "do"
  self:inside(function()
    for _, name in ipairs(names) do self:declare(name) end
    self:statements()
  end)
  self:next()
end

statements["return"] = function(self)
  local token = self:peek()
  local empty = token.kind == "eof" or token.kind == "word" and (ENDS[token.value] or token.value == ";")
  local list = empty and {} or self:list()
  self:take ";"
  if self.scope.outer == nil then self.returned = list[1] end
end

statements["goto"] = function(self) self:next() end
statements["break"] = function(self)   -- or a call of `break()`, which recipes may write (lua/source.lua)
  local token, after = self.tokens[self.at - 1], self.tokens[self.at + 1]
  if not (self:is "(" and after.kind == "word" and after.value == ")") then return end
  local name = self:node("name", token, { value = require("source").BREAK })
  self:node("call", token, { fn = name, args = self:arguments() })
end
statements[";"] = function() end
statements["::"] = function(self)
  self:next()
  self:next()
end

local function assignment(self)
  local targets = { self:suffixed() }
  while self:take "," do targets[#targets + 1] = self:suffixed() end
  if not self:take "=" then return end
  for _, target in ipairs(targets) do target.assigned = true end
  self:list()
end

function Parser:statements()
  while true do
    local token = self:peek()
    if token.kind == "eof" or token.kind == "word" and ENDS[token.value] then return end
    local statement = token.kind == "word" and statements[token.value]
    if statement then
      self:next()
      statement(self)
    else
      assignment(self)
    end
  end
end

--- What a chunk holds.
---@param text string  that `load` takes
---@return authoring.Node[] nodes, authoring.Node? returned  what the chunk returns
function M.parse(text)
  local self = setmetatable({ tokens = require("authoring.lexer").tokens(text), at = 1, nodes = {}, scope = { names = {} } }, Parser)
  self:statements()
  return self.nodes, self.returned
end

return M
