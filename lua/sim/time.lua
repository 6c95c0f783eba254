--- Moments as the services write them. The simulator's clock is seconds since the epoch, a float.
local time = require "time"

local M = {}

local function with_fraction(seconds, digits)
  local fraction = math.floor((seconds - math.floor(seconds)) * 10 ^ digits)
  return (time.text(seconds):gsub("Z$", (".%0" .. digits .. "dZ"):format(fraction)))
end

--- RFC 3339 UTC with whole seconds: "2026-02-01T09:00:00Z".
---@param seconds number  since the epoch
---@return string
function M.rfc3339(seconds) return time.text(seconds) end

--- RFC 3339 UTC with microseconds, as CockroachDB Cloud writes it: "2026-02-01T09:00:00.100000Z".
---@param seconds number  since the epoch
---@return string
function M.micros(seconds) return with_fraction(seconds, 6) end

--- RFC 3339 UTC with milliseconds, for logs.
---@param seconds number  since the epoch
---@return string
function M.millis(seconds) return with_fraction(seconds, 3) end

return M
