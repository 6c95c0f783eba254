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

--- Whether the value is a list of texts and numbers alone.
local function plain_list(value)
  if type(value) ~= "table" or #value == 0 then return false end
  for key, element in pairs(value) do   -- order cannot be seen
    if math.type(key) ~= "integer" or type(element) == "table" then return false end
  end
  return true
end

--- Elements that only one of two lists has.
local function list_lines(have, want)
  local function missing_from(list, other, mark, lines)
    local there = {}
    for _, element in ipairs(other) do there[element] = true end
    for _, element in ipairs(list) do
      if not there[element] then lines[#lines + 1] = mark .. tostring(element) end
    end
  end
  local lines = {}
  missing_from(have, want, "- ", lines)
  missing_from(want, have, "+ ", lines)
  return #lines > 0 and lines or { "(the same elements in another order)" }
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

--- The lines that show how a value changes.
---@param have any  what is there
---@param want any  what shall be
---@return string[]
function M.lines(have, want)
  if plain_list(have) and plain_list(want) then return list_lines(have, want) end
  if type(have) ~= "table" and type(want) ~= "table" and not (M.show(have) .. M.show(want)):find "\n" then
    return { M.show(have) .. " → " .. M.show(want) }
  end
  local function text(value)
    if type(value) ~= "table" then return M.show(value) end
    return require("json").encode(value, { indent = 2 })
  end
  return near_changes(merged(split(text(have)), split(text(want))))
end

return M
