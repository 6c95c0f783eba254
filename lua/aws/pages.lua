--- Lists come in pages: all of them as one answer.
local M = {}

local PAGES_MAX <const> = 10000

--- Reads all pages.
---@param parameters table   of the request, to which the next page's is added
---@param member string   of the answers, the list; never nil in the whole
---@param ask fun(): table
---@param more fun(answer: table): string?, any   the parameter that asks for the next page, and its value; nil on the last one
---@param endless fun()   raises that the service points at a page that was read: it would keep us for ever
---@return table  the first answer with the members of all
function M.whole(parameters, member, ask, more, endless)
  local whole, seen
  for _ = 1, PAGES_MAX do
    local answer = ask()
    local parameter, marker = more(answer)
    whole, seen = whole or answer, seen or {}
    whole[member] = whole[member] or {}
    if whole ~= answer then table.move(answer[member] or {}, 1, #(answer[member] or {}), #whole[member] + 1, whole[member]) end
    if not parameter then break end
    if seen[marker] then endless() end
    seen[marker], parameters[parameter] = true, marker
  end
  return whole
end

return M
