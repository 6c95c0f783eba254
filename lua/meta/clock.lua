---@meta clock
-- host/clock.c: door.clock: time, sleep and randomness, of the machine or of a simulated world.
---@class door.clock
local clock = {}

--- The time, in seconds since the epoch.
---@return number  seconds since the epoch
function clock.now() end

--- Waits; raises when the process is asked to stop.
---@param seconds number
function clock.sleep(seconds) end

--- Random bytes.
---@param count integer
---@return string  bytes
function clock.random(count) end

--- Gives a random UUID (RFC 9562, version 4).
---@return string  a random UUID (RFC 9562, version 4)
function clock.uuid() end

return clock
