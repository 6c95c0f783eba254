--- Doc comments, read from a source: what stands in lines of `---` above a definition. Pure: text in, tables out.
---@class docs.Parameter
---@field name string
---@field type string
---@field optional boolean
---@field text string?
---@class docs.Entry
---@field name string                      the public name: "kms.create_key"
---@field signature string                 as it is called
---@field text string
---@field params docs.Parameter[]          of the call
---@field fields docs.Parameter[]?         what the table has that it takes, where it takes one
---@field returns string?                  types, and what they are
---@field results { type: string, text: string? }[]?  the same, one by one
---@field raises string?
---@field example string?

local M = {}

-- Types --------------------------------------------------------------------------------------------------------------

local OPEN <const>, CLOSE <const> = "[{(<]", "[})>]"

-- The place where a type ends: at a blank that is in no bracket and belongs to no `fun(): x` or list of types.
local function type_end(text)
  local depth, at = 0, 1
  while at <= #text do
    local c = text:sub(at, at)
    if c:find(OPEN) then
      depth = depth + 1
    elseif c:find(CLOSE) then
      depth = depth - 1
    elseif c == " " and depth == 0 and not text:sub(1, at - 1):find "[:,|]$" then
      return at - 1
    end
    at = at + 1
  end
  return #text
end

-- A text at the commas, or at another mark, that are in no bracket.
local function split(text, mark)
  local parts, depth, from = {}, 0, 1
  for at = 1, #text do
    local c = text:sub(at, at)
    if c:find(OPEN) then
      depth = depth + 1
    elseif c:find(CLOSE) then
      depth = depth - 1
    elseif c == mark and depth == 0 then
      parts[#parts + 1], from = text:sub(from, at - 1), at + 1
    end
  end
  parts[#parts + 1] = text:sub(from)
  for i, part in ipairs(parts) do parts[i] = part:match "^%s*(.-)%s*$" end
  return parts
end

--- A field or parameter as types write it: "name?: type", "name: type?".
---@param text string
---@return docs.Parameter?
function M.field(text)
  local name, mark, kind = text:match "^([%a_][%w_]*)(%??):%s*(.*)$"
  if not name then return nil end
  local optional = mark == "?" or kind:find "%?$" ~= nil or kind:find("|nil", 1, true) ~= nil
  return { name = name, type = (kind:gsub("%?$", "")), optional = optional }
end

--- The fields of a table type; nil for another type.
---@param kind string  "{ region: string, KeyId: string? }"
---@return docs.Parameter[]?
function M.fields(kind)
  local inner = kind:match "^{%s*(.-)%s*}%??$"
  if not inner or not inner:find ":" then return nil end
  local list = {}
  for _, part in ipairs(split(inner, ",")) do list[#list + 1] = M.field(part) end
  return #list > 0 and list or nil
end

--- The texts that a type allows: "a"|"b"; none for other types.
---@param kind string
---@return string[]
function M.values(kind)
  local list = {}
  for _, part in ipairs(split(kind, "|")) do list[#list + 1] = part:match '^"([^"]*)"$' end
  return list
end

-- A comment ----------------------------------------------------------------------------------------------------------

-- Lines of a comment as its parts: the text, and each @tag with what goes on in the lines after it.
local function parts_of(lines)
  local text, tags = {}, {}
  for _, line in ipairs(lines) do
    local tag, rest = line:match "^%-%-%-@(%a+)%s*(.*)$"
    local last = tags[#tags]
    if tag then
      tags[#tags + 1] = { tag = tag, text = rest }
    elseif last then
      last.text = last.text .. " " .. line:gsub("^%-+%s*", "")
    else
      text[#text + 1] = line:gsub("^%-+ ?", "")
    end
  end
  return table.concat(text, " "):gsub("%s+", " "):match "^%s*(.-)%s*$", tags
end

-- What a text says of fields by name: "region: its own; serves: …". Returns what it says beside.
local function told(fields, text)
  local rest = {}
  for _, part in ipairs(text and text ~= "" and split(text, ";") or {}) do
    local names, what = part:match "^([%w_, ]+):%s+(.*)$"
    local of_fields = false
    for name in (names or ""):gmatch "[%w_]+" do
      for _, field in ipairs(fields) do
        if field.name == name then field.text, of_fields = what, true end
      end
    end
    if not of_fields then rest[#rest + 1] = part end
  end
  return #rest > 0 and table.concat(rest, "; ") or nil
end

local function parameter(text)
  local name, mark, rest = text:match "^([%a_.][%w_.]*)(%??)%s+(.*)$"
  if not name then return { name = text, type = "any", optional = false } end
  local ends = type_end(rest)
  local kind, what = rest:sub(1, ends), rest:sub(ends + 1):match "^%s*(.-)%s*$"
  local optional = mark == "?" or kind:find "%?$" ~= nil or kind:find("|nil", 1, true) ~= nil
  return { name = name, type = (kind:gsub("%?$", "")), optional = optional, text = what ~= "" and what or nil }
end

local function read(comment, arguments)
  local text, tags = parts_of(comment)
  local entry = { text = text, params = {}, arguments = arguments }
  for _, tag in ipairs(tags) do
    if tag.tag == "param" then
      local found = parameter(tag.text)
      table.insert(entry.params, found)
      local fields = M.fields(found.type)
      if fields then
        found.text = told(fields, found.text)
        entry.fields = entry.fields or fields
      end
    elseif tag.tag == "return" then
      local ends = type_end(tag.text)
      local what = tag.text:sub(ends + 1):gsub("^;?%s*raises .*$", ""):gsub(";%s+raises .*$", ""):match "^%s*(.-)%s*$"
      entry.results = entry.results or {}
      table.insert(entry.results, { type = tag.text:sub(1, ends):gsub(";.*$", ""), text = what ~= "" and what or nil })
      entry.returns = (entry.returns and entry.returns .. ", " or "") .. tag.text
    elseif tag.tag == "raises" then
      entry.raises = tag.text
    elseif tag.tag == "example" then
      entry.example = tag.text
    end
  end
  local returned, raised = (entry.returns or ""):match "^(.-);%s+raises (.*)$"
  if returned then entry.returns, entry.raises = returned, entry.raises or raised end
  return entry
end

-- A source -----------------------------------------------------------------------------------------------------------

-- The name that a line defines, its arguments, and what it is a member of; nil when it is no definition.
local function definition(line)
  if line:find "^%s*local " then return nil end
  local name, arguments = line:match "^%s*function ([%w_.:]+)%((.-)%)"
  if not name then name, arguments = line:match "^%s*([%w_.]+) = function%((.-)%)" end
  if not name then name = line:match "^%s*([%w_.]+) = [^=]" end
  if not name then name = line:match "^%s*([%w_.]+), [%w_., ]+ = " end
  if not name then arguments = line:match "^return function%((.-)%)" end
  if not name and not arguments then return nil end
  local list = {}
  for argument in (arguments or ""):gmatch "[%w_.]+" do list[#list + 1] = argument end
  return name and name:match "([%w_]+)$" or "return", arguments and list or nil, name and name:match "^([%w_]+)[.:]" or nil
end

-- Functions that a class's fields describe: `---@field map fun(list: table): table   what it does`.
local function of_field(line, into)
  local name, rest = line:match "^%-%-%-@field ([%w_]+) (fun%(.*)$"
  if not name then return end
  local ends = type_end(rest)
  local kind, text = rest:sub(1, ends), rest:sub(ends + 1):match "^%s*(.-)%s*$"
  local arguments, returns = kind:match "^fun%((.*)%):%s*(.*)$"
  arguments = arguments or kind:match "^fun%((.*)%)$"
  local entry = { text = text, params = {}, arguments = {}, returns = returns, owner = "field" }
  for i, part in ipairs(split(arguments or "", ",")) do
    local found = M.field(part) or { name = part, type = "any", optional = false }
    if found.name ~= "" then entry.params[i], entry.arguments[i] = found, found.name end
  end
  into[name] = entry
  return entry
end

--- The comments of a source, by the last part of the name that each describes; "return" is that of a module that is a function, "" that of
--- the file. A function without a comment has an entry without a text; of several of a name the first that has one counts.
---@param source string
---@return table<string, table>
function M.of(source)
  local found, comment, head, field = {}, {}, nil, nil
  for line in (source .. "\n"):gmatch "(.-)\n" do
    if line:find "^%s*%-%-%-" then
      line = line:gsub("^%s+", "")
      local more = line:match "^%-%-%-%s%s+(.*)$"
      if field and more and #comment > 0 then field.text = field.text .. " " .. more end
      if line:find "^%-%-%-@field" then field = of_field(line, found) end
      comment[#comment + 1] = line
    else
      field = nil
      head = head or #comment > 0 and comment or {}
      local name, arguments, owner = definition(line)
      local before = found[name]
      if name and (not before or before.text == "") and (#comment > 0 or arguments) then
        local names = { name }
        if not arguments then   -- "M.A, M.B = 1, 2" has one comment for both
          for more in line:match("^[^=,]*(.-)="):gmatch "([%w_]+)%f[,%s]" do names[#names + 1] = more end
        end
        for _, each in ipairs(names) do
          found[each] = read(comment, arguments)
          found[each].owner = owner
        end
      end
      comment = {}
    end
  end
  found[""] = read(head or {}, nil)
  return found
end

--- The first comment of a source whose parameter is a table with fields; what a kind of thing wants.
---@param source string
---@return table?
function M.first_table(source)
  local comment = {}
  for line in (source .. "\n"):gmatch "(.-)\n" do
    if line:find "^%-%-%-" then
      comment[#comment + 1] = line
    else
      local entry = #comment > 0 and read(comment, nil)
      if entry and entry.fields then return entry end
      comment = {}
    end
  end
end

return M
