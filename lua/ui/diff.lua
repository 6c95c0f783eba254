--- Differences of one field as lines: what goes with "-", what comes with "+".
local M = {}

local CONTEXT <const> = 1   -- unchanged lines shown around a change

--- A value as text: texts as they are, anything else as JSON.
---@param value any
---@return string
function M.show(value)
  if value == nil then return "(none)" end
  if type(value) == "string" then return value end
  local json = require "json"
  if value == json.null then return "(none)" end
  if type(value) ~= "table" then return tostring(value) end
  return json.encode(value)
end

-- A value as a list of texts and numbers; nil when it is something else. What is not there is an empty list.
local function elements(value)
  local json = require "json"
  if value == nil or value == json.null then return {} end
  if type(value) ~= "table" then return not tostring(value):find "\n" and { value } or nil end
  for key, element in pairs(value) do   -- order cannot be seen
    if math.type(key) ~= "integer" or type(element) == "table" then return nil end
  end
  return value
end

--- The elements of two lists, each a line: what goes, what stays, what comes. A single value is a list of one.
---@return string[]?  nil when one is no list
function M.elements(have, want)
  have, want = elements(have), elements(want)
  if not (have and want) then return nil end
  local there, wanted, lines = {}, {}, {}
  for _, element in ipairs(want) do wanted[element] = true end
  for _, element in ipairs(have) do
    there[element] = true
    lines[#lines + 1] = (wanted[element] and "  " or "- ") .. tostring(element)
  end
  for _, element in ipairs(want) do
    if not there[element] then lines[#lines + 1] = "+ " .. tostring(element) end
  end
  return lines
end

local function split(text)
  local lines = {}
  for line in (text .. "\n"):gmatch "(.-)\n" do lines[#lines + 1] = line end
  return lines
end

--- Lengths of the longest common runs of lines, from each pair of positions to the ends.
local function common(a, b)
  local lengths = {}
  for i = #a + 1, 1, -1 do
    lengths[i] = {}
    for j = #b + 1, 1, -1 do
      if i > #a or j > #b then
        lengths[i][j] = 0
      elseif a[i] == b[j] then
        lengths[i][j] = lengths[i + 1][j + 1] + 1
      else
        lengths[i][j] = math.max(lengths[i + 1][j], lengths[i][j + 1])
      end
    end
  end
  return lengths
end

--- Every line of both, marked.
local function merged(a, b)
  local lengths, i, j, lines = common(a, b), 1, 1, {}
  while i <= #a or j <= #b do
    if i <= #a and j <= #b and a[i] == b[j] then
      lines[#lines + 1], i, j = "  " .. a[i], i + 1, j + 1
    elseif i <= #a and (j > #b or lengths[i + 1][j] >= lengths[i][j + 1]) then
      lines[#lines + 1], i = "- " .. a[i], i + 1
    else
      lines[#lines + 1], j = "+ " .. b[j], j + 1
    end
  end
  return lines
end

--- The changed lines and those next to them.
local function near_changes(lines)
  local shown, last = {}, 0
  for i, line in ipairs(lines) do
    local near = false
    for k = math.max(1, i - CONTEXT), math.min(#lines, i + CONTEXT) do near = near or lines[k]:sub(1, 1) ~= " " end
    if near then
      if i > last + 1 and last > 0 then shown[#shown + 1] = "  …" end
      shown[#shown + 1], last = line, i
    end
  end
  return shown
end

-- Whether a text is a JSON object.
local function is_document(value) return type(value) == "string" and value:find '^%s*{%s*"' ~= nil end

-- A document or a part of one, however it comes, in lines; {} when there is none.
local function document_lines(value)
  local json = require "json"
  if value == nil or value == json.null then return {} end
  if type(value) == "string" then value = is_document(value) and json.decode(value) or value end
  return split(type(value) == "table" and json.encode(value, { indent = 2 }) or M.show(value))
end

--- What goes and what comes, each line marked, with what is near; all of it where there was nothing before, or shall be nothing.
---@param have any
---@param want any
---@return string[]
function M.marked(have, want)
  local document = is_document(have) or is_document(want)
  return not document and M.elements(have, want) or near_changes(merged(document_lines(have), document_lines(want)))
end

local function is_list(value) return type(value) == "table" and #value > 0 end

--- The lines that show how a value changes: one, with an arrow, for a change from text to text.
---@param have any  what is there
---@param want any  what shall be
---@return string[]
function M.lines(have, want)
  local simple = type(have) ~= "table" and type(want) ~= "table" and not is_document(have) and not is_document(want)
  if simple and not (M.show(have) .. M.show(want)):find "\n" then return { M.show(have) .. " → " .. M.show(want) } end
  if is_list(have) or is_list(want) then return M.marked(have, want) end
  return near_changes(merged(document_lines(have), document_lines(want)))
end

return M
