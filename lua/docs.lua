--- What the library says of itself: the comments of its sources, which are in the program, by the names that recipes and the prompt use.
local comments = require "docs.comments"
local sorted = require "sorted"

local M = {}

--- Where the members of a table are described: in which sources, and whose functions of them they are.
---@type table<string, { [1]: string, [2]: string }[]>
local TABLES <const> = {
  cloud = { { "lua/cloud.lua", "Client" } }, iam = { { "lua/aws/iam.lua", "iam" } }, kms = { { "lua/aws/kms.lua", "kms" } }, sts = {}, tagging = {},
  aws = { { "lua/aws/any.lua", "aws" } },
  vault = { { "lua/vault/operations.lua", "functions" } },
  task = { { "lua/task.lua", "tasks" } }, names = { { "lua/names.lua", "M" } }, json = { { "lua/meta/json.lua", "json" } },
  policy = { { "lua/policy/document.lua", "M" }, { "lua/policy/build.lua", "M" }, { "lua/policy/compare.lua", "M" },
    { "lua/policy/evaluate.lua", "M" }, { "lua/policy/condition.lua", "M" } },
}

--- What the tables are, in a line.
local ABOUT <const> = {
  cloud = "CockroachDB Cloud's API", iam = "AWS IAM", kms = "AWS KMS: keys and aliases of a region", sts = "AWS STS: who we are",
  aws = "any other service of AWS",
  tagging = "AWS's index of tags", vault = "HashiCorp Vault and OpenBao", task = "doing things at once; a recipe has map and all of it",
  names = "the names that carry a cluster", json = "JSON", policy = "IAM policy documents: made, compared by meaning, evaluated",
}

--- Names that stand by themselves, and the sources that describe them.
local GLOBALS <const> = {
  { "lua/engine/environment.lua", "ensure", "read", "preflight", "handover", "layout", "go_on", "wait", "on_change", "say", "ask", "breakpoint" },
  { "lua/sandbox.lua", "require", "resource" },
  { "lua/repl/world.lua", "plan", "help" },
}

local MODULES <const> = { names = true, policy = true, json = true }   -- whose values can be looked at

local read, tables = {}, {}   -- what was read is kept: sources do not change while we run

local function source_of(path)
  if not read[path] then
    local text = require("embedded").source(path)
    read[path] = text and comments.of(text) or {}
  end
  return read[path]
end

-- Whether what a source describes is what others see under that name: what is required within alone is not, nor what starts a program.
local function is_public(name, member, path)
  if name == "task" then return member ~= "run" end
  if name ~= "policy" and name ~= "names" then return true end
  local there = require(name)[member]
  return there ~= nil and there == require(path:match "^lua/(.*)%.lua$":gsub("/", "."))[member]
end

local function called(name, entry)
  if not entry.arguments then return name end
  local optional, parts = {}, {}
  for _, parameter in ipairs(entry.params) do optional[parameter.name] = parameter.optional end
  for i, argument in ipairs(entry.arguments) do parts[i] = argument .. (optional[argument] and "?" or "") end
  return ("%s(%s)"):format(name, table.concat(parts, ", "))
end

--- What stands for an argument in an example.
local ARGUMENTS <const> = { id = "cluster.id", region_specs = "specs.region_specs", region = '"us-east-1"', provider = '"AWS"', text = '"orders"',
  kind = '"key"', alias = '"alias/crdb-cmek-orders-0123456789ab-g1"' }

-- A call with what has to be given, under the names of the arguments.
local function example(name, entry)
  local parts = {}
  if #entry.params == 1 and entry.fields then
    for _, field in ipairs(entry.fields) do
      if not field.optional then parts[#parts + 1] = field.name .. " = " .. require("docs.operations").sample(field.name, field.name) end
    end
    return #parts > 0 and ("%s { %s }"):format(name, table.concat(parts, ", ")) or name .. "()"
  end
  for _, parameter in ipairs(entry.params) do
    local quoted = parameter.text and parameter.text:match '^"[^"]+"'
    if not parameter.optional then parts[#parts + 1] = quoted or ARGUMENTS[parameter.name] or parameter.name end
  end
  return ("%s(%s)"):format(name, table.concat(parts, ", "))
end

local function finish(name, entry)
  entry.name, entry.signature = name, called(name, entry)
  entry.example = entry.example or entry.arguments and example(name, entry) or nil
  return entry
end

-- A value that is no function: what it is.
local function valued(name, entry, value)
  if entry.arguments then return entry end
  entry.returns = type(value) == "string" and ("%q"):format(value) or nil
  entry.example = name
  return entry
end

-- The functions of a table by name.
local function members(name)
  if tables[name] then return tables[name] end
  local found = require("docs.operations").of(name)
  for _, place in ipairs(TABLES[name]) do
    for member, entry in sorted(source_of(place[1])) do
      if entry.owner == place[2] and is_public(name, member, place[1]) and (not found[member] or entry.text ~= "") then
        local of_module = MODULES[name] and require(name)[member]
        found[member] = valued(name .. "." .. member, finish(name .. "." .. member, entry), of_module)
        if require("docs.operations").SERVICES[name] then entry.effect = require("docs.operations").effect(name, member) end
      end
    end
  end
  tables[name] = found
  return found
end

local function of_global(name)
  name = name == "break" and "breakpoint" or name   -- of which it is a spelling
  if name == "sorted" then
    local source = source_of "lua/sorted.lua"
    if not source.sorted then
      source.sorted = source["return"]
      source.sorted.text = source[""].text .. " " .. source.sorted.text
    end
    return finish(name, source.sorted)
  end
  for _, source in ipairs(GLOBALS) do
    for i = 2, #source do
      local entry = source[i] == name and source_of(source[1])[name]
      if entry then return finish(name, entry) end
    end
  end
end

--- The kinds of things that `ensure` takes, sorted.
---@return string[]
function M.kinds()
  local list = {}
  for _, path in ipairs(require("embedded").list "lua/resource/") do
    local name = path:match "^lua/resource/([%w_]+)%.lua$"
    if name and require("embedded").source(path):find 'kind *= "' then list[#list + 1] = name end   -- beside them stands what they share
  end
  return list
end

--- What stands in an example for what a kind wants.
local WANTED <const> = { region = '"us-east-1"', policy = "policy.cmek { role = role.arn }", region_specs = "specs.region_specs", arn = "key.arn",
  trust = "policy.cross_account { account_id = cluster.account_id, external_id = cloud.organization().id }", path = '"transit"',
  type = '"transit"', mount = '"secret"' }

-- What `ensure` of a kind wants, by the kind's own source.
local function of_kind(kind)
  local path = ("lua/resource/%s.lua"):format(kind)
  local text = kind:find "^[%w_]+$" and require("embedded").source(path)
  if not text then return nil end
  local want = comments.first_table(text)
  local entry = { name = "ensure " .. kind, text = source_of(path)[""].text, fields = want and want.fields or {} }
  local parts, sample = {}, {}
  for i, field in ipairs(entry.fields) do
    parts[i] = field.name .. (field.optional and "?" or "")
    if not field.optional then sample[#sample + 1] = ("%s = %s"):format(field.name, WANTED[field.name] or field.name) end
  end
  entry.params = entry.fields
  entry.signature = ('ensure("%s", { %s })'):format(kind, table.concat(parts, ", "))
  entry.example = ('local %s = ensure("%s", { %s })'):format(kind, kind, table.concat(sample, ", "))
  entry.raises = "why it is refused: somebody else's, not allowed, not ready"
  return entry
end

--- What is said of a public name: a function or value ("kms.create_key", "ensure"), or a kind of thing ("ensure key").
---@param name string
---@return docs.Entry?
function M.of(name)
  name = name:gsub("%(%)$", "")
  local kind = name:match "^ensure%s+([%w_]+)$"
  if kind then return of_kind(kind) end
  local table_name, member = name:match "^(%a+)%.([%w_]+)$"
  if table_name and TABLES[table_name] then return members(table_name)[member] end
  return of_global(name) or require("docs.language").of(name)
end

--- The public names that begin so, sorted; kinds only where "ensure " is asked for.
---@param prefix string?
---@return string[]
function M.names(prefix)
  prefix = prefix or ""
  local list = {}
  local function add(name)
    if name:sub(1, #prefix) == prefix then list[#list + 1] = name end
  end
  local asked = prefix:match "^(%a+)%."
  for name in sorted(TABLES) do
    if not asked or asked == name then
      for member in sorted(members(name)) do add(name .. "." .. member) end
    end
  end
  if not asked then
    add "sorted"
    for _, source in ipairs(GLOBALS) do
      for i = 2, #source do
        if source_of(source[1])[source[i]] then add(source[i]) end
      end
    end
  end
  for _, kind in ipairs(prefix:find "^ensure " and M.kinds() or {}) do add("ensure " .. kind) end
  table.sort(list)
  return list
end

--- The dotted names of what tables have that are no services, Lua's own among them.
---@return string[]
function M.members()
  local list = require("docs.language").members()
  for name in sorted(TABLES) do
    local inside = require("docs.operations").SERVICES[name] and {} or M.names(name .. ".")
    table.move(inside, 1, #inside, #list + 1, list)
  end
  return list
end

--- The tables of functions, sorted: "kms", "policy" …
---@return string[]
function M.table_names()
  local list = {}
  for name in sorted(TABLES) do list[#list + 1] = name end
  list[#list + 1] = "lua"
  return list
end

-- As text --------------------------------------------------------------------------------------------------------------

local WIDTH <const> = 100   -- columns where nobody says how many there are, and at most

local function wrapped(text, indent, width)
  local lines, line = {}, indent
  for word in text:gmatch "%S+" do
    if #line + #word >= width and line:find "%S" then lines[#lines + 1], line = line, indent end
    line = line:find "%S" and line .. " " .. word or line .. word
  end
  lines[#lines + 1] = line
  return table.concat(lines, "\n"):gsub("\1", " ") .. "\n"   -- what a parameter is stands two blanks behind its type
end

local function parameters(list, title, width)
  local rows = {}
  for i, parameter in ipairs(list or {}) do
    local kind = comments.fields(parameter.type) and "table" or parameter.type:gsub('|"', ' | "')
    rows[i] = { parameter.name .. (parameter.optional and "?" or ""), kind .. (parameter.text and " \1" .. parameter.text or "") }
  end
  local widest, lines = 0, {}
  for _, row in ipairs(rows) do widest = math.max(widest, #row[1]) end
  for i, row in ipairs(rows) do
    local text = wrapped(row[2], (" "):rep(widest + 4), width)
    lines[i] = ("  %-" .. widest .. "s  %s"):format(row[1], text:sub(widest + 5))
  end
  return #rows > 0 and ("\n%s\n%s"):format(title, table.concat(lines)) or ""
end

--- An entry as people read it.
---@param entry docs.Entry
---@param width number?  columns
---@return string
function M.text(entry, width)
  width = math.min(width or WIDTH, WIDTH)
  local parts = { entry.signature, "\n", wrapped(entry.text, "  ", width) }
  local function add(title, text)
    if text then parts[#parts + 1] = ("\n%s\n%s"):format(title, wrapped(text, "  ", width)) end
  end
  local alone = entry.fields and #entry.params == 1   -- a table, and nothing else
  if entry.fields == entry.params or alone then
    parts[#parts + 1] = parameters(entry.fields, entry.lone and ("Takes the %s alone, or a table of"):format(entry.lone) or "Takes a table of",
      width)
    if alone and entry.params[1].text then parts[#parts + 1] = wrapped(entry.params[1].text, "  ", width) end
  else
    parts[#parts + 1] = parameters(entry.params, "Takes", width) .. parameters(entry.fields, "  of which", width)
  end
  add("Gives", entry.returns)
  add("Effect", entry.effect)
  add("Raises", entry.raises)
  add("Errors", entry.errors and table.concat(entry.errors, ", "))
  add(entry.reference and entry.reference:find "^Lua" and "Reference" or "API reference", entry.reference)
  if entry.example then parts[#parts + 1] = ("\nExample\n  %s\n"):format(entry.example) end
  return table.concat(parts)
end

local function first_sentence(text) return (text:match "^(.-)[.:;]%s" or text:gsub("%.$", "")) end

--- The functions of a table, each in a line; of "" the tables, and what stands by itself. nil when there is no such table.
---@param name string  "kms"
---@return string?
function M.list(name)
  local rows = {}
  if name == "ensure" then
    for i, kind in ipairs(M.kinds()) do rows[i] = { "ensure " .. kind, first_sentence(of_kind(kind).text) } end
  elseif TABLES[name] then
    for member, entry in sorted(members(name)) do rows[#rows + 1] = { name .. "." .. member, first_sentence(entry.text) } end
  elseif name == "" then
    for table_name, about in sorted(ABOUT) do rows[#rows + 1] = { table_name, about } end
    rows[#rows + 1] = { "lua", require("docs.language").ABOUT }
    for _, global in ipairs(M.names()) do
      if not global:find(".", 1, true) then rows[#rows + 1] = { global, first_sentence(of_global(global).text) } end
    end
  else
    rows = require("docs.language").list(name)
    if not rows then return nil end
  end
  for _, row in ipairs(rows) do
    if #row[2] > WIDTH - 10 then row[2] = row[2]:sub(1, utf8.offset(row[2], -1, WIDTH - 12) - 1) .. "…" end
  end
  return require("ui.table").render(rows, "  ")
end

--- What a table is, in a line; nil when there is no such table.
---@param name string  "kms"
---@return string?
function M.about(name) return ABOUT[name] end

--- What is said of a name as text: of a function, or of a table the list of what it has. nil when nothing is known of it.
---@param name string
---@param width number?  columns
---@return string?
function M.help(name, width)
  local entry = M.of(name)
  if not entry then return M.list(name) end
  return M.text(entry, width) .. (name == "ensure" and "\nKinds\n" .. M.list(name) or "")
end

--- The public names that may have been meant, nearest first.
---@param name string
---@return string[]
function M.near(name)
  local all = M.names(name:find "^ensure " and "ensure " or "")
  for _, more in ipairs { M.table_names(), require("docs.language").members(), require("docs.language").names() } do
    table.move(more, 1, #more, #all + 1, all)
  end
  return require("ui.near").near(name, all)
end

return M
