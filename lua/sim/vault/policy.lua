--- Vault's policies: HCL (or JSON) with paths and capabilities, and which of them decides about a path. The most specific pattern
--- decides; the same pattern in several policies adds up; `deny` wins within it.
local json = require("json")
local parameters = require("sim.vault.parameters")
local sorted = require("sorted")

local M = {}

-- ---- reading HCL ----

local CAPABILITIES <const> = { create = true, read = true, update = true, delete = true, list = true, sudo = true, deny = true,
  patch = true, subscribe = true, recover = true, scan = true }

-- The old word for several capabilities.
local OLD <const> = { deny = { "deny" }, read = { "read", "list" }, write = { "create", "read", "update", "delete", "list" },
  sudo = { "create", "read", "update", "delete", "list", "sudo" } }

local Reader = {}
Reader.__index = Reader

function Reader:skip()
  while true do
    local at = self.at
    at = self.text:match("^%s+()", at) or at
    at = self.text:match("^#[^\n]*()", at) or self.text:match("^//[^\n]*()", at) or self.text:match("^/%*.-%*/()", at) or at
    if at == self.at then return end
    self.at = at
  end
end

function Reader:take(pattern)
  self:skip()
  local first, after = self.text:match("^(" .. pattern .. ")()", self.at)
  if first then self.at = after end
  return first
end

function Reader:want(pattern, what)
  local found = self:take(pattern)
  if found then return found end
  local _, line = self.text:sub(1, self.at):gsub("\n", "")
  error({ text = ("At %d: expected %s"):format(line + 1, what) }, 0)
end

function Reader:string()
  local quoted = self:take '"[^"\n]*"'
  return quoted and quoted:sub(2, -2)
end

function Reader:value()
  if self:take "%[" then
    local list = {}
    while not self:take "%]" do
      list[#list + 1] = self:value()
      self:take ","
    end
    return list
  end
  if self:take "{" then return self:body "}" end
  return self:string() or self:want("[%w_.-]+", "a value")
end

-- name = value, name { … }, name "label" { … }: the last kind is gathered as a list of { label, … }: a label may come twice.
function Reader:body(closing)
  local members = {}
  while not (closing and self:take(closing)) do
    self:skip()
    if not closing and self.at > #self.text then break end
    local name = self:string() or self:want("[%a_][%w_-]*", "a name")
    if self:take "[=:]" then
      members[name] = self:value()
    else
      local label = self:string()
      self:want("{", "'{'")
      local inner = self:body "}"
      if label then
        members[name] = members[name] or json.array {}
        table.insert(members[name], { label, inner })
      else
        members[name] = inner
      end
    end
    self:take ","
  end
  return members
end

local function read_text(text)
  if text:find "^%s*{" then
    local value = json.decode(text)
    if type(value) == "table" then return value end
  end
  local reader = setmetatable({ text = text, at = 1 }, Reader)
  return reader:body(nil)
end

-- { pattern, capabilities } of one path block.
local function rule_of(pattern, block)
  if type(pattern) ~= "string" or type(block) ~= "table" then error({ text = "path wants a block" }, 0) end
  local capabilities = {}
  local list = block.capabilities or OLD[block.policy or ""] or {}
  if type(list) ~= "table" then error({ text = ("path %q: capabilities must be a list"):format(pattern) }, 0) end
  for _, name in ipairs(list) do
    if not CAPABILITIES[name] then error({ text = ("path %q: invalid capability %q"):format(pattern, name) }, 0) end
    capabilities[name] = true
  end
  return { pattern = (pattern:gsub("^/+", "")), capabilities = capabilities, said = parameters.read(pattern, block) }
end

--- A policy's text as rules; nil and why not.
---@param text string
---@return { pattern: string, capabilities: table<string, boolean>, said: table }[]?, string?  said: what sim/vault/parameters.lua reads
function M.parse(text)
  local ok, result = pcall(function()
    local rules = {}
    local paths = read_text(text).path
    if paths ~= nil and type(paths) ~= "table" then error({ text = "path wants a block" }, 0) end
    for key, block in sorted(paths or {}) do
      if math.type(key) and type(block) == "table" then key, block = block[1], block[2] end
      rules[#rules + 1] = rule_of(key, block)
    end
    return rules
  end)
  if ok then return result end
  if type(result) ~= "table" then error(result, 0) end
  return nil, result.text
end

-- ---- deciding ----

local function plain(text) return (text:gsub("%p", "%%%0")) end

-- Does a pattern cover a path? `+` is one segment, `*` at the end is anything.
local function covers(pattern, path)
  local prefix = pattern:sub(-1) == "*"
  local parts = {}
  for segment, slash in (prefix and pattern:sub(1, -2) or pattern):gmatch "([^/]*)(/?)" do
    parts[#parts + 1] = (segment == "+" and "[^/]+" or plain(segment)) .. slash
  end
  return path:find("^" .. table.concat(parts) .. (prefix and "" or "$")) ~= nil
end

local function first_wild(pattern) return math.min(pattern:find("+", 1, true) or math.huge, pattern:find "%*$" or math.huge) end

local function count_plus(pattern) return select(2, pattern:gsub("%+", "")) end

-- Is `a` less specific than `b`? The five steps of Vault's documentation.
local function weaker(a, b)
  if first_wild(a) ~= first_wild(b) then return first_wild(a) < first_wild(b) end
  local a_prefix, b_prefix = a:sub(-1) == "*", b:sub(-1) == "*"
  if a_prefix ~= b_prefix then return a_prefix end
  if count_plus(a) ~= count_plus(b) then return count_plus(a) > count_plus(b) end
  if #a ~= #b then return #a < #b end
  return a < b
end

--- The capabilities that rules give on a path; empty when none covers it.
---@param rules table[]  of all policies together
---@param path string  relative to the token's namespace
---@return table<string, boolean>, table[] deciding  the rules that decide
function M.capabilities(rules, path)
  local best
  for _, rule in ipairs(rules) do
    if covers(rule.pattern, path) and (not best or weaker(best, rule.pattern)) then best = rule.pattern end
  end
  local found, deciding = {}, {}
  for _, rule in ipairs(rules) do
    if rule.pattern == best then
      deciding[#deciding + 1] = rule
      for name in sorted(rule.capabilities) do found[name] = true end
    end
  end
  if found.deny then return { deny = true }, deciding end
  return found, deciding
end

--- May this be done? A list asks for the path with and without its last slash.
---@param rules table[]
---@param path string
---@param capability string
---@param sudo boolean?  the path wants `sudo` too
---@param request { judged: boolean, data: table, wrapping: integer? }?
---@return boolean
function M.allows(rules, path, capability, sudo, request)
  local found, deciding = M.capabilities(rules, path)
  if capability == "list" and not found.list and not found.deny and path:sub(-1) == "/" then
    found, deciding = M.capabilities(rules, path:sub(1, -2))
  end
  return found[capability] == true and (not sudo or found.sudo == true) and (not request or parameters.allow(deciding, request))
end

--- Do rules give anything on the path, or on any path below it?
---@param rules table[]
---@param path string  ends in a slash
---@return boolean
function M.reaches(rules, path)
  for _, rule in ipairs(rules) do
    local fixed = rule.pattern:match "^[^+*]*"
    local below = fixed:sub(1, #path) == path
    local above = #fixed < #rule.pattern and path:sub(1, #fixed) == fixed
    if (below or above) and not rule.capabilities.deny and next(rule.capabilities) then return true end
  end
  return false
end

--- What every token may do that is not told otherwise.
M.DEFAULT = [[
path "auth/token/lookup-self" { capabilities = ["read"] }
path "auth/token/renew-self" { capabilities = ["update"] }
path "auth/token/revoke-self" { capabilities = ["update"] }
path "sys/capabilities-self" { capabilities = ["update"] }
path "sys/internal/ui/resultant-acl" { capabilities = ["read"] }
path "sys/renew" { capabilities = ["update"] }
path "sys/leases/renew" { capabilities = ["update"] }
path "sys/leases/lookup" { capabilities = ["update"] }
path "cubbyhole/*" { capabilities = ["create", "read", "update", "delete", "list"] }
path "sys/wrapping/wrap" { capabilities = ["update"] }
path "sys/wrapping/lookup" { capabilities = ["update"] }
path "sys/wrapping/unwrap" { capabilities = ["update"] }
path "sys/tools/hash" { capabilities = ["update"] }
path "sys/tools/hash/*" { capabilities = ["update"] }
]]

return M
