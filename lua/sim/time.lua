--- Moments as the services write them. The simulator's clock is seconds since the epoch, a float.
local M = {}

-- The civil date of a day number, by the 400-year cycle that begins on 1 March of year 0.
local function civil(days)
  local z = days + 719468
  local era, of_era = z // 146097, z % 146097
  local year_of_era = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
  local day_of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
  local shifted = (5 * day_of_year + 2) // 153
  local month = shifted < 10 and shifted + 3 or shifted - 9
  local year = year_of_era + era * 400 + (month <= 2 and 1 or 0)
  return year, month, day_of_year - (153 * shifted + 2) // 5 + 1
end

local function text(seconds, fraction)
  local whole = math.floor(seconds)
  local year, month, day = civil(whole // 86400)
  local rest = whole % 86400
  return ("%04d-%02d-%02dT%02d:%02d:%02d%sZ"):format(year, month, day, rest // 3600, rest % 3600 // 60, rest % 60, fraction)
end

--- RFC 3339 UTC with whole seconds: "2026-02-01T09:00:00Z".
---@param seconds number  since the epoch
---@return string
function M.rfc3339(seconds) return text(seconds, "") end

--- RFC 3339 UTC with microseconds, as CockroachDB Cloud writes it: "2026-02-01T09:00:00.100000Z".
---@param seconds number  since the epoch
---@return string
function M.micros(seconds)
  local micros = math.floor((seconds - math.floor(seconds)) * 1e6)
  return text(seconds, (".%06d"):format(micros))
end

--- RFC 3339 UTC with milliseconds, for logs.
---@param seconds number  since the epoch
---@return string
function M.millis(seconds)
  return text(seconds, (".%03d"):format(math.floor((seconds - math.floor(seconds)) * 1e3)))
end

return M
