--- Rows of text in columns.
local M = {}

--- How many characters a text shows.
---@param text string
function M.width(text)
  return utf8.len(text) or #text
end

--- A text padded to a width.
---@param text string
---@param width integer
function M.pad(text, width)
  return text .. (" "):rep(width - M.width(text))
end

--- Lines of columns, two blanks apart; the last column is not padded.
---@param rows string[][]  the first row may be a head
---@param indent string?
---@return string
function M.render(rows, indent)
  local widths = {}
  for _, row in ipairs(rows) do
    for i, cell in ipairs(row) do widths[i] = math.max(widths[i] or 0, M.width(cell)) end
  end
  local lines = {}
  for i, row in ipairs(rows) do
    local cells = {}
    for column, cell in ipairs(row) do
      cell = cell:gsub("[\r\n]+", " ")   -- a row is a line, whatever a service has called a thing
      cells[column] = column < #row and M.pad(cell, widths[column]) or cell
    end
    lines[i] = (indent or "") .. table.concat(cells, "  "):gsub("%s+$", "") .. "\n"
  end
  return table.concat(lines)
end

return M
