--- Pages of lists. A marker carries the name of the last thing shown, so that pages hold when things come and go.
local crypto = require("crypto")
local json = require("json")

local M = {}

--- Sorted by `key(item)`, what comes after the marker, at most `limit`.
---@param items table[]
---@param options { key: fun(item: table): string, limit: integer, marker: string?, word: string }  word: what the marker is for
---@return table[]? page nil when the marker is none of ours, string? next_marker
function M.cut(items, options)
  local after
  if options.marker then
    local text = crypto.unbase64(options.marker) or ""
    after = text:match("^" .. options.word .. ":(.*)$")
    if not after then return nil end
  end
  local list = table.move(items, 1, #items, 1, {})
  table.sort(list, function(a, b) return options.key(a) < options.key(b) end)
  local page = json.array {}
  for _, item in ipairs(list) do
    local key = options.key(item)
    if #page == options.limit then return page, crypto.base64(options.word .. ":" .. options.key(page[#page])) end
    if not after or key > after then page[#page + 1] = item end
  end
  return page
end

return M
