--- The library as editors read it: a file of definitions, for who writes recipes with a language server (`cmek help meta >cmek.lua`). Made of
--- what help knows, so that both say the same.
local docs = require "docs"
local sorted = require "sorted"

local M = {}

local HEAD <const> = [[
---@meta
-- What recipes, scripts and the prompt of cmek %s have at hand, for editors with a language server for Lua: put it beside your recipes.
-- Made by `cmek help meta`; `cmek help NAME` says the same of one name.

]]

--- What stands in sentences of a recipe (cmek help testing).
local SENTENCES <const> = [[

--- Sentences about a recipe: test["makes a key in every region"] = function() … end
---@type table<string, fun()>
test = {}

]]
local COMMANDS <const> = { "run", "plan", "verify", "destroy" }

local TYPES <const> = { string = true, integer = true, number = true, boolean = true, table = true, ["function"] = true, fun = true, any = true,
  userdata = true, thread = true, ["nil"] = true, ["true"] = true, ["false"] = true }

local OPEN <const> = "table<string, any>"   -- of which nobody says here what is in it

--- A type as editors know it: what is a class within the library is a table to them.
---@param kind string
---@return string
function M.type(kind)
  local parts = {}
  local function plain(text)
    return (text:gsub("([%a_][%w_.]*)(%??[:<]?)", function(word, behind)
      local known = behind:find "[:<]" or TYPES[word] and word ~= "table"
      return (known and word or OPEN) .. behind
    end))
  end
  local at = 1
  for before, text, behind in kind:gmatch '([^"]*)("[^"]*")()' do
    parts[#parts + 1], at = plain(before) .. text, behind
  end
  return table.concat(parts) .. plain(kind:sub(at))
end

local function note(lines, text)
  local line = "---"
  for word in (text or ""):gmatch "%S+" do
    if #line + #word > 120 then lines[#lines + 1], line = line, "---" end
    line = line .. " " .. word
  end
  lines[#lines + 1] = line
end

local function tag(lines, ...) lines[#lines + 1] = (table.concat({ ... }, " "):gsub("%s+$", "")) end

local function results(lines, entry)
  for _, result in ipairs(entry.results or {}) do
    tag(lines, "---@return", M.type(result.type), result.text and "# " .. result.text or "")
  end
  local of_operation = not entry.results and entry.returns
  if of_operation then tag(lines, "---@return", M.type(of_operation:match "^{ .*" or of_operation:match "^[%a?]+" or "table")) end
end

-- What is called with a table of parameters.
local function of_fields(entry)
  local parts, all = {}, true
  for i, field in ipairs(entry.fields) do
    parts[i] = field.name .. (field.optional and "?: " or ": ") .. M.type(field.type)
    all = all and field.optional
  end
  if #parts == 0 then return nil end
  return ("{ %s }"):format(table.concat(parts, ", ")):gsub("%f[%a]local(%??:)", '["local"]%1'), all
end

local function definition(name, entry)
  local lines = {}
  note(lines, entry.text)
  if entry.effect then note(lines, "Effect: " .. entry.effect .. ".") end
  if entry.raises then note(lines, "Raises " .. entry.raises .. ".") end
  if entry.example then note(lines, "Example: `" .. entry.example .. "`") end
  if not entry.arguments and entry.fields and entry.reference then   -- an operation
    local kind, optional = of_fields(entry)
    if kind then tag(lines, "---@param parameters" .. (optional and "?" or ""), kind) end
    results(lines, entry)
    lines[#lines + 1] = ("function %s(%s) end\n"):format(name, kind and "parameters" or "")
  elseif entry.arguments then
    for _, parameter in ipairs(entry.params) do
      tag(lines, "---@param", parameter.name .. (parameter.optional and "?" or ""), M.type(parameter.type), parameter.text or "")
    end
    results(lines, entry)
    lines[#lines + 1] = ("function %s(%s) end\n"):format(name, table.concat(entry.arguments, ", "))
  else
    lines[#lines + 1] = ("%s = %s\n"):format(name, entry.returns or "{}")
  end
  return table.concat(lines, "\n")
end

--- The whole file.
---@return string
function M.text()
  local parts = { HEAD:format(require "version") }
  for _, name in ipairs(docs.table_names()) do
    if name ~= "lua" then
      parts[#parts + 1] = ("---@class cmek.%s\n%s = {}\n"):format(name, name)   -- a class: a field that it has not is told
      for _, member in ipairs(docs.names(name .. ".")) do parts[#parts + 1] = definition(member, docs.of(member)) end
    end
  end
  for _, name in ipairs(docs.names()) do
    if not name:find(".", 1, true) and name ~= "require" and name ~= "plan" then parts[#parts + 1] = definition(name, docs.of(name)) end
  end
  parts[#parts + 1] = SENTENCES
  for _, command in ipairs(COMMANDS) do
    parts[#parts + 1] = ("--- cmek %s with these arguments, against simulated services; of a script and the prompt, plan(recipe, arguments).\n"
      .. "---@param arguments? table|string\n---@param options? table\n---@return table\nfunction %s(arguments, options) end\n")
      :format(command, command)
  end
  for check, said in sorted { contains = "A text has a part.", equal = "Two values are equal." } do
    parts[#parts + 1] = ("--- %s\n---@param got any\n---@param want any\nfunction %s(got, want) end\n"):format(said, check)
  end
  return table.concat(parts, "\n")
end

return M
