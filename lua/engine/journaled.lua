--- What a run's journal says of what came of its writes.
local time = require "time"

local M = {}

local WRITES <const> = { write = true, deletion = true, irreversible = true }

-- Nothing came of a request that never left (a write is stopped only before it does), or that the service refused as it stood.
local function void(outcome)
  if outcome.outcome == "unsent" or outcome.outcome == "stopped" then return true end
  local status = outcome.outcome == "answered" and outcome.status or 0
  return status >= 400 and status < 500
end

--- When something was last made or changed, or may have been: a write without an outcome counts.
---@param entries table[]  the lines of a journal
---@return number?  seconds since the epoch; nil: nothing was made or changed
function M.changed_at(entries)
  local sent, writes = {}, {}   -- each process that took the run up numbered its requests anew: the latest of a number is meant
  for _, entry in ipairs(entries) do
    if entry.kind == "request" then
      sent[entry.request] = entry
      writes[entry] = WRITES[entry.effect]
    elseif entry.kind == "outcome" and void(entry) and sent[entry.request] then
      writes[sent[entry.request]] = nil
    end
  end
  local last
  for entry in pairs(writes) do last = math.max(last or 0, time.epoch(entry.time) or 0) end   -- order cannot be seen
  return last
end

return M
