--- What a run came to, as text: the table of keys, the hand-over, and what to do when it did not finish.
local columns = require "ui.table"

local M = {}

--- The table region / key / role of a hand-over.
---@param handover { region_specs: table[] }
---@return string
function M.keys(handover)
  local rows = { { "region", "key", "role" } }
  for _, spec in ipairs(handover.region_specs) do
    rows[#rows + 1] = { spec.region, spec.key_spec.uri, spec.key_spec.auth_principal }
  end
  return columns.render(rows)
end

--- The hand-over as the Cloud API takes it.
---@param handover table
---@return string
function M.handover(handover)
  return require("json").encode(handover, { indent = 2 }) .. "\n"
end

--- Things that this run made or changed, one a line; "" when there are none.
---@param steps table[]
---@return string
function M.made(steps)
  local rows = {}
  for _, step in ipairs(steps) do
    if step.result == "done" and step.action ~= "none" then
      rows[#rows + 1] = { step.kind, step.region or "", step.name or "", step.arn or "" }
    end
  end
  return #rows > 0 and "made so far:\n" .. columns.render(rows, "  ") or ""
end

--- A refusal of a service or another failure, line by line: what was done, the service's words, request ID, next command.
---@param failure table  the `error` of a report
---@return string
function M.failure(failure)
  local place = {}
  for _, field in ipairs { "service", "operation" } do place[#place + 1] = failure[field] end
  if failure.region then place[#place + 1] = "in " .. failure.region end
  local lines = {}
  if failure.what then lines[1] = failure.what end
  local message = failure.message or "?"
  if failure.code and not message:find(failure.code, 1, true) then message = failure.code .. ": " .. message end
  if #place > 0 and not message:find(failure.operation or "", 1, true) then
    message = table.concat(place, " ") .. ": " .. message
  end
  lines[#lines + 1] = message
  if failure.request_id then lines[#lines + 1] = "request ID " .. failure.request_id end
  if failure.next then lines[#lines + 1] = "next: " .. failure.next end
  return table.concat(lines, "\n") .. "\n"
end

return M
