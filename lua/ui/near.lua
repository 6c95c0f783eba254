--- Names near a mistyped one, for "did you mean".
local M = {}

--- How many single-character edits lie between two short texts (two swapped neighbours count as one).
local function distance(a, b)
  local rows = { [0] = {} }
  for j = 0, #b do rows[0][j] = j end
  for i = 1, #a do
    rows[i] = { [0] = i }
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      local best = math.min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + cost)
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        best = math.min(best, rows[i - 2][j - 2] + 1)
      end
      rows[i][j] = best
    end
  end
  return rows[#a][#b]
end

--- The names that may have been meant, nearest first: a few edits away, or beginning alike.
---@param name string
---@param names string[]
---@return string[]
function M.near(name, names)
  local found = {}
  for _, candidate in ipairs(names) do
    local edits = distance(name:lower(), candidate:lower())
    local alike = #name > 1 and (candidate:find(name, 1, true) == 1 or name:find(candidate, 1, true) == 1)
    if edits <= math.max(1, #name // 3) or alike then found[#found + 1] = { candidate, edits } end
  end
  table.sort(found, function(a, b)
    if a[2] ~= b[2] then return a[2] < b[2] end
    return a[1] < b[1]
  end)
  for i, entry in ipairs(found) do found[i] = entry[1] end
  return found
end

return M
