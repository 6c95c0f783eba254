--- The values that conditions compare: numbers, dates, truth, addresses. Each reader gives nil for what it cannot read.
local M = {}

--- A decimal number, as text or already one; no hexadecimal, no infinity.
---@return number?
function M.number(text)
  if text:find("^[+-]?%d+$") or text:find("^[+-]?%d*%.?%d+[eE]?[+-]?%d*$") or text:find("^[+-]?%d+%.$") then
    return tonumber(text)
  end
end

--- "true" or "false" in any case.
---@return boolean?
function M.truth(text)
  local word = text:lower()
  if word == "true" then return true end
  if word == "false" then return false end
end

local function leap(year) return year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0) end

local lengths = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

-- Days since 1970-01-01; nil when there is no such day.
local function days(year, month, day)
  if month < 1 or month > 12 or day < 1 then return nil end
  if day > lengths[month] + (month == 2 and leap(year) and 1 or 0) then return nil end
  local before = year - 1
  local total = before * 365 + before // 4 - before // 100 + before // 400 - 719162
  for m = 1, month - 1 do total = total + lengths[m] + (m == 2 and leap(year) and 1 or 0) end
  return total + day - 1
end

-- "T10:20:30.5+02:00" -> seconds of the day in UTC; nil when it is none.
local function clock(text)
  local hour, minute, rest = text:match("^T(%d%d):(%d%d)(.*)$")
  if not hour then return nil end
  local second, zone = rest:match("^:(%d%d%.?%d*)(.*)$")
  zone = zone or rest
  local sign, zone_hour, zone_minute = zone:match("^([+-])(%d%d):?(%d%d)$")
  if not (zone == "Z" or sign) then return nil end
  hour, minute, second = tonumber(hour), tonumber(minute), tonumber(second or 0)
  if hour > 24 or minute > 59 or second >= 61 then return nil end
  local shift = sign and (tonumber(zone_hour) * 3600 + tonumber(zone_minute) * 60) or 0
  return hour * 3600 + minute * 60 + second - (sign == "-" and -shift or shift)
end

--- A date in one of the W3C forms of ISO 8601 (year, year-month, day, day and time with zone), or seconds since 1970.
---@return number? seconds since the epoch
function M.date(text)
  if text:find("^%-?%d%d%d%d%d+%.?%d*$") then return tonumber(text) end
  local year, rest = text:match("^(%d%d%d%d)(.*)$")
  if not year then return nil end
  local month, after = rest:match("^%-(%d%d)(.*)$")
  local day, time = (after or ""):match("^%-(%d%d)(.*)$")
  if (not month and rest ~= "") or (month and not day and after ~= "") then return nil end
  local count = days(tonumber(year), tonumber(month or 1), tonumber(day or 1))
  local seconds = (time or "") == "" and 0 or clock(time)
  return count and seconds and count * 86400 + seconds
end

local function ipv4(text)
  local bytes = { text:match("^(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)$") }
  for i, byte in ipairs(bytes) do
    bytes[i] = math.tointeger(tonumber(byte))
    if bytes[i] > 255 then return nil end
  end
  return #bytes == 4 and bytes or nil
end

-- The groups of one side of "::" as bytes; nil when one is no group.
local function groups(text)
  local bytes = {}
  if text == "" then return bytes end
  local head, last = text:match("^(.*:)(%d+%.%d+%.%d+%.%d+)$")
  local tail = last and ipv4(last)
  if last and not tail then return nil end
  for group in ((head or text) .. (head and "" or ":")):gmatch("([^:]*):") do
    if not group:find("^%x%x?%x?%x?$") then return nil end
    local number = tonumber(group, 16)
    bytes[#bytes + 1], bytes[#bytes + 2] = number // 256, number % 256
  end
  return tail and table.move(tail, 1, 4, #bytes + 1, bytes) or bytes
end

local function ipv6(text)
  local left, right = text:match("^(.-)::(.*)$")
  if left and right:find("::", 1, true) then return nil end
  local front, back = groups(left or text), groups(left and right or "")
  if not front or not back then return nil end
  local missing = 16 - #front - #back
  if (left and missing < 2) or (not left and missing ~= 0) then return nil end
  for _ = 1, missing do front[#front + 1] = 0 end
  return table.move(back, 1, #back, #front + 1, front)
end

--- An address or a range in CIDR form.
---@return { bytes: integer[], bits: integer }?
function M.address(text)
  local host, prefix = text:match("^([^/]*)/(%d%d?%d?)$")
  host = host or text
  local bytes = host:find(":", 1, true) and ipv6(host) or ipv4(host)
  if not bytes then return nil end
  local bits = math.tointeger(tonumber(prefix or #bytes * 8))
  return bits <= #bytes * 8 and { bytes = bytes, bits = bits } or nil
end

--- Is the address inside the range? IPv4 is never inside an IPv6 range.
---@return boolean
function M.inside(range, address)
  if #range.bytes ~= #address.bytes or address.bits < range.bits then return false end
  local whole, rest = range.bits // 8, range.bits % 8
  for i = 1, whole do
    if range.bytes[i] ~= address.bytes[i] then return false end
  end
  return rest == 0 or range.bytes[whole + 1] >> (8 - rest) == address.bytes[whole + 1] >> (8 - rest)
end

return M
