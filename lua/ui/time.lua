--- Spans of time as people read them while they wait.
local M = {}

--- A span of time: "0.4 s", "12 s", "3 min 20 s", "2 h 5 min".
---@param seconds number
---@return string
function M.duration(seconds)
  if seconds < 10 then return ("%.1f s"):format(seconds) end
  local whole = math.floor(seconds + 0.5)
  if whole < 60 then return whole .. " s" end
  if whole < 3600 then return ("%d min %d s"):format(whole // 60, whole % 60) end
  return ("%d h %d min"):format(whole // 3600, whole % 3600 // 60)
end

return M
