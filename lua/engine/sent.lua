--- Calls that a recipe makes itself and that cannot be made twice, over all processes of a run: each is noted before it is sent and when it
--- is done. A run that is taken up makes none again that was done, and none of which nobody knows whether it was.
local time = require "time"

local M = {}

local LINE <const> = "call"
local WORDS <const> = { begun = "begun", done = "done" }

--- Makes a call, between its two lines in the journal.
---@param context engine.Context
---@param key string    the same in every process of the run
---@param send fun(): any
---@return any
function M.noted(context, key, send)
  context:note { kind = LINE, call = key, state = WORDS.begun }
  local answer = send()
  context:note { kind = LINE, call = key, state = WORDS.done }
  return answer
end

-- Nothing came of a request that never left, or that the service refused as it stood.
local function void(outcome)
  if not outcome then return false end
  if outcome.outcome == "unsent" or outcome.outcome == "stopped" then return true end
  return outcome.outcome == "answered" and (outcome.status or 0) >= 400 and outcome.status < 500
end

-- Whether something that was sent while the call was under way may have been it. Which request was whose call's is not written down, so
-- that of each that is under way every request of its operation counts.
local function may_be_done(call)
  for _, request in ipairs(call.requests) do
    if not void(request.outcome) then return true end
  end
  return false
end

--- What became of such calls in earlier processes of the run, by key; what is not there was never sent, or refused.
---@param entries table[]?  the lines of the run's journal
---@return table<string, { done: boolean, at: number? }>  at: seconds since the epoch
function M.before(entries)
  local calls, numbered = {}, {}   -- each process numbers its requests anew: the latest of a number is meant
  for _, entry in ipairs(entries or {}) do
    if entry.kind == LINE and entry.state == WORDS.begun then   -- once more, where a stopped run went on: what was sent before still counts
      calls[entry.call] = calls[entry.call] or { requests = {}, operation = entry.call:match " (%S+ %S+) %d+$" }
    elseif entry.kind == LINE and calls[entry.call] then
      calls[entry.call].done, calls[entry.call].at = true, time.epoch(entry.time)
    elseif entry.kind == "request" then
      local request = { at = time.epoch(entry.time) }
      numbered[entry.request] = request
      for _, call in pairs(calls) do   -- order cannot be seen
        if not call.done and call.operation == ("%s %s"):format(entry.service, entry.operation) then
          call.requests[#call.requests + 1], call.at = request, request.at
        end
      end
    elseif entry.kind == "outcome" and numbered[entry.request] then
      numbered[entry.request].outcome = entry
    end
  end
  local result = {}
  for key, call in pairs(calls) do   -- order cannot be seen
    if call.done or may_be_done(call) then result[key] = { done = call.done or false, at = call.at } end
  end
  return result
end

return M
