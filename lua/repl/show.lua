--- Values as the prompt prints them: sorted, indented, cycles named, secrets masked, lists of records as tables. Pure: text in, text out.
--- Whatever a value's metatable does, it is printed; nothing in it steers a terminal.
local columns = require "ui.table"
local secret = require "secret"
local unknown = require "unknown"

local M = {}

local DEPTH <const> = 12          -- tables within tables that are shown
local MEMBERS <const> = 500000    -- members that are shown in all: a table can hold another many times
local CELL <const> = 60           -- characters of a cell
local LINE <const> = 72           -- characters of a table that stands in one line
local FEW <const> = 8             -- members of such a table
local RESERVED <const> = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat return then until true while]]):gmatch "%a+" do
  RESERVED[word] = true
end
local COLOURS <const> = { string = "green", number = "yellow", boolean = "cyan", ["nil"] = "dim" }

-- Fields that tell one record from another; where not all fit, these stay.
local FIRST <const> = { "name", "Name", "AliasName", "RoleName", "TagKey", "id", "KeyId", "region", "state", "status" }

local function plain(_, text) return text end

-- Texts and numbers ----------------------------------------------------------------------------------------------------

-- Characters that are not seen, or turn the order of what is read.
local UNSEEN <const> = { { 0x80, 0x9F }, { 0xAD, 0xAD }, { 0x200B, 0x200F }, { 0x2028, 0x202E }, { 0x2060, 0x2069 }, { 0xFEFF, 0xFEFF } }

local function is_unseen(code)
  for _, range in ipairs(UNSEEN) do
    if code >= range[1] and code <= range[2] then return true end
  end
  return false
end

local ESCAPES <const> = { ["\n"] = "\\n", ["\t"] = "\\t", ["\r"] = "\\r" }

local function escape(c) return ESCAPES[c] or ("\\%03d"):format(c:byte()) end

-- What would not be seen as it is, as it would be typed: control characters, bytes that are no UTF-8.
local function written_out(text)
  text = text:gsub("[\0-\31\127]", escape)
  if not text:find "[\128-\255]" then return text end
  local parts, at = {}, 1
  while at <= #text do
    local length, bad = utf8.len(text, at)
    local last = length and #text or bad - 1
    parts[#parts + 1] = text:sub(at, last):gsub(utf8.charpattern, function(c)
      local code = #c > 1 and utf8.codepoint(c)
      return code and is_unseen(code) and ("\\u{%X}"):format(code) or nil
    end)
    if not length then parts[#parts + 1] = escape(text:sub(bad, bad)) end
    at = length and last + 1 or bad + 1
  end
  return table.concat(parts)
end

-- A string in quotes, as it could be typed.
local function quoted(text) return '"' .. written_out((text:gsub('[\\"]', "\\%0"))) .. '"' end

-- A number with as many digits as tell it from every other.
local function number(value)
  if value ~= value then return "nan" end
  if math.type(value) == "integer" or value % 1 == 0 and math.abs(value) < 1e15 then return tostring(value) end
  for digits = 14, 17 do
    local text = ("%%.%dg"):format(digits):format(value)
    if tonumber(text) == value then return text:find "[.en]" and text or text .. ".0" end
  end
  return tostring(value)   -- inf
end

-- What a table says of itself by its metatable, asked once; nil for one that says nothing, or fails to.
local function own_words(value, said)
  if said[value] == nil then
    local meta = getmetatable(value)
    local ok, text = false, nil
    if type(meta) == "table" and rawget(meta, "__tostring") then ok, text = pcall(tostring, value) end
    said[value] = ok and type(text) == "string" and text or false
  end
  return said[value] or nil
end

-- A value that is no table to look into; nil for one that is.
local function scalar(value, options)
  local kind, paint = type(value), options.paint
  if value == require("json").null then return paint("dim", "null") end
  if kind == "table" and unknown.is(value) then return paint("yellow", (unknown.show(value))) end
  if kind == "string" then return paint(COLOURS.string, quoted(unknown.show(value))) end
  if kind == "number" then return paint(COLOURS.number, number(value)) end
  if kind == "table" or kind == "function" then
    local described = options.describe(value)
    if described then return paint("cyan", described) end
  end
  if kind == "table" then return own_words(value, options.said) end
  if kind == "userdata" then return secret.is(value) and paint("dim", "****") or "<userdata>" end
  if kind == "function" or kind == "thread" then return paint("cyan", "<" .. kind .. ">") end
  return paint(COLOURS[kind], tostring(value))
end

-- The same without colours.
local function bare(value, options)
  return scalar(value, options.bare)
end

-- Tables ---------------------------------------------------------------------------------------------------------------

-- The keys of a table in order, those that have none last.
local function keys_of(value)
  local ordered, rest = {}, {}
  for key in next, value do
    local kind = type(key)
    if kind == "number" or kind == "string" or kind == "boolean" then ordered[key] = true else rest[#rest + 1] = key end
  end
  local list = {}
  for key in require("sorted")(ordered) do list[#list + 1] = key end
  return table.move(rest, 1, #rest, #list + 1, list)
end

local function is_list(value)
  local count = 0
  for _ in next, value do count = count + 1 end
  return count > 0 and count == rawlen(value)
end

local function is_record(value, options)
  if type(value) ~= "table" or bare(value, options) or next(value) == nil then return false end
  for key in next, value do
    if type(key) ~= "string" then return false end
  end
  return true
end

local function cut(text, width)
  if columns.width(text) <= width then return text end
  local last = utf8.offset(text, width) or width
  return text:sub(1, last - 1) .. "…"
end

-- A cell: texts without quotes; of a table only how much it holds.
local function cell(value, options)
  if value == nil then return "" end
  if type(value) == "string" then return cut(written_out(unknown.show(value)), CELL) end
  local text = bare(value, options)
  if text then return cut((text:gsub("%s+", " ")), CELL) end
  if is_list(value) then return ("{ %d }"):format(rawlen(value)) end
  return next(value) == nil and "{}" or "{…}"
end

-- The fields of records: what names them first.
local function fields_of(list, options)
  local seen, nested, names = {}, {}, {}
  for i = 1, rawlen(list) do
    local record = rawget(list, i)
    if not is_record(record, options) then return nil end
    for name, value in next, record do
      seen[name] = true
      nested[name] = nested[name] or type(value) == "table" and not bare(value, options) or nil
    end
  end
  for _, name in ipairs(FIRST) do
    if seen[name] then names[#names + 1], seen[name] = name, nil end
  end
  for _, inside in ipairs { false, true } do   -- those that hold tables last
    for name in require("sorted")(seen) do
      if (nested[name] or false) == inside then names[#names + 1] = name end
    end
  end
  return names
end

-- A list of records as a table with a head, as many fields as fit; nil when it is none.
local function records(list, options)
  local names = is_list(list) and rawlen(list) > 1 and fields_of(list, options)
  if not names then return nil end
  local rows, used = {}, 0
  for i = 0, rawlen(list) do rows[i + 1] = {} end
  for _, name in ipairs(names) do
    local column = { written_out(name) }
    local widest = columns.width(column[1])
    for i = 1, rawlen(list) do
      column[i + 1] = cell(rawget(rawget(list, i), name), options)
      widest = math.max(widest, columns.width(column[i + 1]))
    end
    if used + widest + 3 <= options.width or used == 0 then
      used = used + widest + 2
      for i, text in ipairs(column) do table.insert(rows[i], text) end
    end
  end
  if #rows[1] < #names then table.insert(rows[1], "…") end
  return (columns.render(rows):gsub("\n$", ""))
end

local function label(key, list, options)
  if list then return "" end
  if type(key) == "string" then return (key:find "^[%a_][%w_]*$" and not RESERVED[key] and key or "[" .. quoted(key) .. "]") .. " = " end
  return ("[%s] = "):format(type(key) == "table" and "table" or bare(key, options))
end

-- The columns of a text without colours; nil when it has several lines.
local function columns_of(text)
  return not text:find("\n", 1, true) and columns.width((text:gsub("\27%[[%d;]*m", ""))) or nil
end

local render

-- The members of a table, each rendered once; and whether they stand in one line, which those of a small table do.
local function members_of(value, indent, seen, options)
  local keys, list, parts = keys_of(value), is_list(value), {}
  local length = #keys <= FEW and 4
  for i, key in ipairs(keys) do
    if options.left == 0 then
      parts[i] = "…"
      return parts, false
    end
    options.left = options.left - 1
    parts[i] = label(key, list, options) .. render(rawget(value, key), indent .. "  ", seen, options)
    local width = length and columns_of(parts[i])
    length = width and length + width + 2 <= LINE and length + width + 2
  end
  return parts, length
end

function render(value, indent, seen, options)
  local text = scalar(value, options)
  if text then return (text:gsub("\n", "\n" .. indent)) end
  if seen[value] then return options.paint("dim", "<the table around it>") end
  if next(value) == nil then return "{}" end
  if #seen >= DEPTH then return options.paint("dim", "{…}") end
  seen[value], seen[#seen + 1] = true, value
  local parts, together = members_of(value, indent, seen, options)
  seen[value], seen[#seen] = nil, nil
  if together then return "{ " .. table.concat(parts, ", ") .. " }" end
  for i, part in ipairs(parts) do parts[i] = ("%s  %s,\n"):format(indent, part) end
  return "{\n" .. table.concat(parts) .. indent .. "}"
end

--- A value as text, without a line's end.
---@param value any
---@param options { width: number?, paint: (fun(colour: string, text: string): string)?, describe: (fun(value: any): string?)? }?
---  width: columns for tables of records; describe: what stands for a function or a table of the library
---@return string
function M.render(value, options)
  options = { width = options and options.width or math.huge, paint = options and options.paint or plain, left = MEMBERS,
    describe = options and options.describe or function() end, said = {} }
  options.bare = { paint = plain, describe = options.describe, said = options.said }
  if type(value) == "string" and value:find("\n", 1, true) and utf8.len(value) then return (unknown.show(value):gsub("\n$", "")) end
  if type(value) == "table" and not scalar(value, options) then
    local text = records(value, options)
    if text then return text end
  end
  return render(value, "", {}, options)
end

--- The first lines of a text, each cut to a width, colours left out of the count.
---@param text string
---@param width number
---@param height number
---@return string shown, integer left_out  lines
function M.fit(text, width, height)
  local lines, left_out = {}, 0
  for line in (text .. "\n"):gmatch "([^\n]*)\n" do
    if #lines < height then
      local uncoloured = line:gsub("\27%[[%d;]*m", "")
      lines[#lines + 1] = columns.width(uncoloured) > width and cut(uncoloured, width) or line
    else
      left_out = left_out + 1
    end
  end
  return table.concat(lines, "\n"), left_out
end

return M
