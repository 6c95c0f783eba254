--- Moments as services write them.
local M = {}

--- Seconds since the epoch of an RFC 3339 time in UTC; a number is one already. nil for anything else.
---@param value any  "2026-02-01T09:00:00Z", with or without a fraction
---@return number?
function M.epoch(value)
  if type(value) == "number" then return value end
  if type(value) ~= "string" then return nil end
  local year, month, day, hour, minute, second, zone = value:match "^(%d%d%d%d)-(%d%d)-(%d%d)T(%d%d):(%d%d):(%d%d%.?%d*)(.*)$"
  if zone ~= "Z" and zone ~= "+00:00" then return nil end
  -- Days since 1970-01-01 of the proleptic Gregorian calendar, counted from a year that begins in March.
  local y, m = math.tointeger(year), math.tointeger(month)
  if m <= 2 then y, m = y - 1, m + 12 end
  local days = 365 * y + y // 4 - y // 100 + y // 400 + (153 * (m - 3) + 2) // 5 + math.tointeger(day) - 719469
  return days * 86400.0 + hour * 3600 + minute * 60 + second
end

return M
