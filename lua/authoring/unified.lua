--- Two texts compared line by line, in the form that diff -u has.
local M = {}

local CONTEXT <const> = 3   -- lines shown around a change

local function split(text)
  local lines = {}
  for line in text:gmatch "([^\n]*)\n?" do lines[#lines + 1] = line end
  if lines[#lines] == "" then lines[#lines] = nil end
  return lines
end

-- Lengths of the longest common lists of lines, from each pair of places to the ends of both.
local function lengths(a, b)
  local rows = { [#a + 1] = {} }
  for j = 1, #b + 1 do rows[#a + 1][j] = 0 end
  for i = #a, 1, -1 do
    local row, below = { [#b + 1] = 0 }, rows[i + 1]
    for j = #b, 1, -1 do row[j] = a[i] == b[j] and below[j + 1] + 1 or math.max(below[j], row[j + 1]) end
    rows[i] = row
  end
  return rows
end

--- The lines of both in order, each with its mark: " " in both, "-" in the first alone, "+" in the second alone.
---@return { mark: string, text: string, at: integer }[]  at: the line of the first text that it is, or stands before
function M.lines(first, second)
  local a, b = split(first), split(second)
  local rows, list, i, j = lengths(a, b), {}, 1, 1
  while i <= #a or j <= #b do
    if i <= #a and j <= #b and a[i] == b[j] then
      list[#list + 1] = { mark = " ", text = a[i], at = i }
      i, j = i + 1, j + 1
    elseif i <= #a and (j > #b or rows[i + 1][j] >= rows[i][j + 1]) then
      list[#list + 1] = { mark = "-", text = a[i], at = i }
      i = i + 1
    else
      list[#list + 1] = { mark = "+", text = b[j], at = i }
      j = j + 1
    end
  end
  return list
end

-- The runs of lines to be shown: changes with what is around them.
local function hunks(list)
  local shown, runs = {}, {}
  for k, line in ipairs(list) do
    if line.mark ~= " " then
      for near = math.max(1, k - CONTEXT), math.min(#list, k + CONTEXT) do shown[near] = true end
    end
  end
  for k = 1, #list do
    if shown[k] and not shown[k - 1] then runs[#runs + 1] = { first = k } end
    if shown[k] then runs[#runs].last = k end
  end
  return runs
end

--- The difference of two texts; "" when there is none.
---@param first string
---@param second string
---@param names { [1]: string, [2]: string }
---@return string
function M.diff(first, second, names)
  local list = M.lines(first, second)
  local starts, a, b = {}, 1, 1
  for k, line in ipairs(list) do
    starts[k] = { a, b }
    if line.mark ~= "+" then a = a + 1 end
    if line.mark ~= "-" then b = b + 1 end
  end
  local out = {}
  for _, run in ipairs(hunks(list)) do
    local lines, counts = {}, { ["-"] = 0, ["+"] = 0, [" "] = 0 }
    for k = run.first, run.last do
      counts[list[k].mark] = counts[list[k].mark] + 1
      lines[#lines + 1] = list[k].mark .. list[k].text
    end
    out[#out + 1] = ("@@ -%d,%d +%d,%d @@"):format(starts[run.first][1], counts["-"] + counts[" "], starts[run.first][2],
      counts["+"] + counts[" "])
    table.move(lines, 1, #lines, #out + 1, out)
  end
  if #out == 0 then return "" end
  return ("--- %s\n+++ %s\n%s\n"):format(names[1], names[2], table.concat(out, "\n"))
end

-- The lines of the first text that the second changes, each with all that is changed together with it; what is only added belongs to the
-- line that it stands before.
local function changes(first, second)
  local changed, block, last = {}, nil, 0
  for _, line in ipairs(M.lines(first, second)) do
    if line.mark == " " then
      block = nil
    else
      block = block or { text = "", lines = {} }
      block.text = block.text .. line.mark .. line.text .. "\n"
      if line.mark == "-" or #block.lines == 0 then last = line.at end
      block.lines[#block.lines + 1] = last
      changed[last] = block
    end
  end
  return changed
end

--- The lines of a text that two others changed each in a way of its own.
---@return integer[]
function M.both(origin, one, other)
  local lines, mine = {}, changes(origin, other)
  for at, block in require("sorted")(changes(origin, one)) do
    if mine[at] and mine[at].text ~= block.text then lines[#lines + 1] = at end
  end
  return lines
end

return M
