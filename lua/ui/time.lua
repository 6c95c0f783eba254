--- Times as people read them.
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

--- A moment in RFC 3339, UTC, whole seconds.
---@param seconds number  since the epoch
---@return string
function M.rfc3339(seconds)
  local whole = math.floor(seconds)
  local days, rest = whole // 86400, whole % 86400
  -- civil date from days, by the 400-year cycle that begins on 1 March of year 0
  local z = days + 719468
  local era, of_era = z // 146097, z % 146097
  local year_of_era = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
  local day_of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
  local shifted = (5 * day_of_year + 2) // 153
  local day = day_of_year - (153 * shifted + 2) // 5 + 1
  local month = shifted < 10 and shifted + 3 or shifted - 9
  local year = year_of_era + era * 400 + (month <= 2 and 1 or 0)
  return ("%04d-%02d-%02dT%02d:%02d:%02dZ"):format(year, month, day, rest // 3600, rest % 3600 // 60, rest % 60)
end

return M
