--- Moments as services write them, and as seconds since the epoch.
local M = {}

local MONTHS <const> = { Jan = 1, Feb = 2, Mar = 3, Apr = 4, May = 5, Jun = 6, Jul = 7, Aug = 8, Sep = 9, Oct = 10, Nov = 11, Dec = 12 }

-- Days since 1970-01-01 of the proleptic Gregorian calendar, counted from a year that begins in March.
local function days(year, month, day)
  if month <= 2 then year, month = year - 1, month + 12 end
  return 365 * year + year // 4 - year // 100 + year // 400 + (153 * (month - 3) + 2) // 5 + day - 719469
end

local function seconds(year, month, day, hour, minute, second)
  return days(math.tointeger(year), math.tointeger(month), math.tointeger(day)) * 86400.0 + hour * 3600 + minute * 60 + second
end

--- Seconds since the epoch of an RFC 3339 time; a number is one already. nil for anything else.
---@param value any  "2026-02-01T09:00:00Z", with or without a fraction, with Z or an offset
---@return number?
function M.epoch(value)
  if type(value) == "number" then return value end
  if type(value) ~= "string" then return nil end
  local year, month, day, hour, minute, second, zone =
    value:match "^(%d%d%d%d)-(%d%d)-(%d%d)[Tt ](%d%d):(%d%d):(%d%d%.?%d*)(.*)$"
  if not year then return nil end
  local offset = (zone == "Z" or zone == "z") and 0 or nil
  local sign, hours, minutes = zone:match "^([+-])(%d%d):?(%d%d)$"
  if sign then offset = (sign == "+" and 1 or -1) * (hours * 3600 + minutes * 60) end
  return offset and seconds(year, month, day, hour, minute, second) - offset
end

--- Seconds since the epoch of an HTTP date; nil for anything else.
---@param value any  "Sun, 01 Feb 2026 09:00:00 GMT"
---@return number?
function M.http(value)
  if type(value) ~= "string" then return nil end
  local day, month, year, hour, minute, second = value:match "^%a+, (%d%d) (%a%a%a) (%d%d%d%d) (%d%d):(%d%d):(%d%d) GMT$"
  if not day or not MONTHS[month] then return nil end
  return seconds(year, MONTHS[month], day, hour, minute, second)
end

--- A moment as RFC 3339 in UTC, whole seconds.
---@param epoch number  seconds since the epoch
---@return string
function M.text(epoch)
  local whole = math.floor(epoch)
  local rest, count = whole % 86400, whole // 86400 + 719468   -- days since 0000-03-01
  local era = count // 146097
  local inside = count - era * 146097
  local year_inside = (inside - inside // 1460 + inside // 36524 - inside // 146096) // 365
  local day_of_year = inside - (365 * year_inside + year_inside // 4 - year_inside // 100)
  local month = (5 * day_of_year + 2) // 153
  local day = day_of_year - (153 * month + 2) // 5 + 1
  local year = year_inside + era * 400
  if month < 10 then month = month + 3 else month, year = month - 9, year + 1 end
  return ("%04d-%02d-%02dT%02d:%02d:%02dZ"):format(year, month, day, rest // 3600, rest // 60 % 60, rest % 60)
end

--- A length of time in words: "40 s", "11 min", "2 h", "3 days".
---@param length number  seconds
---@return string
function M.span(length)
  local rounded = math.floor(math.abs(length) + 0.5)
  if rounded < 90 then return rounded .. " s" end
  if rounded < 5400 then return (rounded + 30) // 60 .. " min" end
  if rounded < 172800 then return (rounded + 1800) // 3600 .. " h" end
  return (rounded + 43200) // 86400 .. " days"
end

return M
