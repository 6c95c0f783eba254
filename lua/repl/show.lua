--- Values as the prompt prints them: sorted, indented, cycles named, secrets masked, lists of records as tables. Pure: text in, text out.
local columns = require "ui.table"
local secret = require "secret"
local unknown = require "unknown"

local M = {}

local DEPTH <const> = 12          -- tables within tables that are shown
local CELL <const> = 60           -- characters of a cell
local LINE <const> = 72           -- characters of a table that stands in one line
local RESERVED <const> = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat return then true until while]]):gmatch "%a+" do
  RESERVED[word] = true
end
local COLOURS <const> = { string = "green", number = "yellow", boolean = "cyan", ["nil"] = "dim" }

-- Fields that tell one record from another; where not all fit, these stay.
local FIRST <const> = { "name", "Name", "AliasName", "RoleName", "TagKey", "id", "KeyId", "region", "state", "status" }

local function plain(_, text) return text end

-- A string in quotes, as it could be typed.
local function quoted(text)
  local shown = text:gsub('[\\"]', "\\%0"):gsub("\n", "\\n"):gsub("\t", "\\t"):gsub("[\0-\8\11-\31\127]", function(c)
    return ("\\%03d"):format(c:byte())
  end)
  return '"' .. shown .. '"'
end

-- A value that is no table to look into; nil for one that is.
local function scalar(value, paint)
  local kind = type(value)
  if value == require("json").null then return paint("dim", "null") end
  if kind == "table" and unknown.is(value) then return paint("yellow", (unknown.show(value))) end
  if kind == "string" then return paint(COLOURS.string, quoted(unknown.show(value))) end
  if kind == "table" then
    local meta = getmetatable(value)
    if type(meta) ~= "table" then return nil end
    if rawget(meta, "__tostring") then return tostring(value) end
    local service = rawget(meta, "__service")
    return next(value) == nil and type(service) == "string" and ("<%s: TAB after '%s.' lists what it has>"):format(service, service) or nil
  end
  if kind == "userdata" then return secret.is(value) and paint("dim", "****") or "<userdata>" end
  if kind == "function" or kind == "thread" then return paint("cyan", "<" .. kind .. ">") end
  return paint(COLOURS[kind], tostring(value))
end

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

local function is_record(value)
  if type(value) ~= "table" or scalar(value, plain) or next(value) == nil then return false end
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
local function cell(value)
  if value == nil then return "" end
  if type(value) == "string" then return cut((unknown.show(value):gsub("%c", " ")), CELL) end
  local text = scalar(value, plain)
  if text then return text end
  if is_list(value) then return ("{ %d }"):format(#value) end
  return next(value) == nil and "{}" or "{…}"
end

-- The fields of records: what names them first.
local function fields_of(list)
  local seen, nested, names = {}, {}, {}
  for _, record in ipairs(list) do
    if not is_record(record) then return nil end
    for name, value in next, record do
      seen[name] = true
      nested[name] = nested[name] or not scalar(value, plain) or nil
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
local function records(list, width)
  local names = is_list(list) and #list > 1 and fields_of(list)
  if not names then return nil end
  local rows, used = {}, 0
  for i = 0, #list do rows[i + 1] = {} end
  for _, name in ipairs(names) do
    local column, widest = { name }, columns.width(name)
    for i, record in ipairs(list) do
      column[i + 1] = cell(record[name])
      widest = math.max(widest, columns.width(column[i + 1]))
    end
    if used + widest + 3 <= width or used == 0 then
      used = used + widest + 2
      for i, text in ipairs(column) do table.insert(rows[i], text) end
    end
  end
  if #rows[1] < #names then table.insert(rows[1], "…") end
  return (columns.render(rows):gsub("\n$", ""))
end

local render

local function label(key, list)
  if list then return "" end
  if type(key) == "string" then return (key:find "^[%a_][%w_]*$" and not RESERVED[key] and key or "[" .. quoted(key) .. "]") .. " = " end
  return ("[%s] = "):format(scalar(key, plain) or "table")
end

-- The members of a table in one line; nil when they are too long for it, or hold tables that are not small.
local function one_line(value, keys, list, seen, options)
  local parts, length = {}, 4
  for i, key in ipairs(keys) do
    local member = rawget(value, key)
    local bare = label(key, list) .. render(member, "", seen, options, plain)
    length = length + columns.width(bare) + 2
    if length > LINE or bare:find("\n", 1, true) then return nil end
    parts[i] = label(key, list) .. render(member, "", seen, options, options.paint)
  end
  return "{ " .. table.concat(parts, ", ") .. " }"
end

function render(value, indent, seen, options, paint)
  local text = scalar(value, paint)
  if text then return text end
  if seen[value] then return paint("dim", "<the table around it>") end
  if next(value) == nil then return "{}" end
  if #seen >= DEPTH then return paint("dim", "{…}") end
  seen[value], seen[#seen + 1] = true, value
  local keys, list = keys_of(value), is_list(value)
  text = #keys <= 8 and one_line(value, keys, list, seen, options)
  if not text then
    local lines = { "{" }
    for _, key in ipairs(keys) do
      lines[#lines + 1] = ("%s  %s%s,"):format(indent, label(key, list), render(rawget(value, key), indent .. "  ", seen, options, paint))
    end
    lines[#lines + 1] = indent .. "}"
    text = table.concat(lines, "\n")
  end
  seen[value], seen[#seen] = nil, nil
  return text
end

--- A value as text, without a line's end.
---@param value any
---@param options { width: number?, paint: (fun(colour: string, text: string): string)? }?  width: columns for tables of records
---@return string
function M.render(value, options)
  options = { width = options and options.width or math.huge, paint = options and options.paint or plain }
  if type(value) == "string" and value:find("\n", 1, true) then return (unknown.show(value):gsub("\n$", "")) end
  if type(value) == "table" and not scalar(value, plain) then
    local text = records(value, options.width)
    if text then return text end
  end
  return render(value, "", {}, options, options.paint)
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
      local bare = line:gsub("\27%[[%d;]*m", "")
      lines[#lines + 1] = columns.width(bare) > width and cut(bare, width) or line
    else
      left_out = left_out + 1
    end
  end
  return table.concat(lines, "\n"), left_out
end

return M
