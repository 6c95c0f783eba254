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

local function text(value)
  return value ~= nil and value ~= require("json").null and value or ""
end

--- Things that this run made or changed, one a line; "" when there are none.
---@param made table[]  the `made` of a report
---@return string
function M.made(made)
  local rows = {}
  for i, thing in ipairs(made) do
    rows[i] = { thing.kind, text(thing.region), thing.name, text(thing.arn), thing.complete and "" or "(not finished)" }
  end
  return #rows > 0 and "made or changed:\n" .. columns.render(rows, "  ") or ""
end

--- A refusal of a service or another failure, line by line: what was done, the service's words, request ID, next command.
---@param failure table  the `error` of a report
---@return string
function M.failure(failure)
  local words = {}
  for _, field in ipairs { "service", "operation", "region" } do words[#words + 1] = failure[field] end
  local place = table.concat(words, " ")
  local message = failure.message or "?"
  -- the engine's own codes say nothing to people; a service's do
  if failure.service and failure.code and not message:find(failure.code, 1, true) then message = failure.code .. ": " .. message end
  if failure.operation and not message:find(place, 1, true) then message = place .. ": " .. message end
  if failure.what then message = failure.what .. ": " .. message end
  local located = require "located"
  local placed = failure.at and message:find(("%s:%d"):format(failure.at.file, failure.at.line), 1, true)
  local lines = { message .. (placed and located.excerpt or located.place)(failure.at) }
  if failure.request_id then lines[#lines + 1] = "request ID " .. failure.request_id end
  if failure.traceback then lines[#lines + 1] = failure.traceback end
  return table.concat(lines, "\n") .. require("explain").text(failure) .. "\n"
end

-- Whether something was under way already, and the run has waited for it.
local function has_waited(report)
  for _, step in ipairs(report.steps) do
    if step.action == "none" and text(step.reason) ~= "" then return true end
  end
  return false
end

local function sum(report)
  local summary = report.summary
  if summary.create + summary.change + summary.delete == 0 then
    if has_waited(report) then return ("Done: what was under way was waited for (run %s)\n"):format(report.run.id) end
    return require("ui.plan").calm(summary)
  end
  return ("Done: %d created, %d changed, %d deleted (run %s)\n"):format(summary.create, summary.change, summary.delete, report.run.id)
end

--- What the cluster has come to after a run that went well, and what to type next.
local function after(report)
  local name, cmek = report.run.cluster.name, text(report.cmek)
  if report.handover_file and cmek ~= "" and not cmek.next then
    return ("CMEK of cluster %s is %s with these keys; the hand-over is in '%s'\n"):format(name, cmek.status, report.handover_file)
  end
  if report.handover_file then
    local file = require("engine.mend").quote(report.handover_file)
    return ("The hand-over is in '%s'; with the Cloud's API key alone: cmek run enable --spec %s\n"):format(report.handover_file, file)
  end
  if cmek == "" then return ("If the cluster does not use these keys yet: cmek run enable --cluster %s\n"):format(name) end
  if not cmek.next then return ("CMEK of cluster %s is %s with these keys\n"):format(name, cmek.status) end
  if cmek.status:find "^REVOK" then return ("CMEK of cluster %s is %s: %s\n"):format(name, cmek.status, cmek.next) end
  if cmek.uses == "all" then return ("CMEK of cluster %s is %s with these keys; this waits for it: %s\n"):format(name, cmek.status, cmek.next) end
  return ("The cluster does not use these keys yet (CMEK is %s): %s\n"):format(cmek.status, cmek.next)
end

-- The text for support, ready to be sent; "" where nothing is to be asked of them.
local function ticket(report)
  if not report.ticket then return "" end
  local restored = report.run.recipe == "restore"
  local head = restored and "The Cloud keeps it revoked until support brings it up. Send them this (https://support.cockroachlabs.com):\n"
    or ("The cluster is down. The way back is cmek run restore --cluster %s, then a ticket to support; they may want to know this before:\n"):format(
      require("quote")(report.run.cluster.name))
  return head .. "\n" .. report.ticket.text:gsub("([^\n]+)", "  %1")
end

local function set_aside(report)
  local lines = {}
  for _, key in ipairs(report.set_aside or {}) do
    lines[#lines + 1] = ("set aside, disabled, used by nobody: %s\n"):format(type(key) == "table" and (key.arn or key.id) or key)
  end
  return table.concat(lines)
end

--- Tells what a run came to: the document under --json; else keys and hand-over on stdout, what went wrong on stderr.
---@param report table  cmek.run/1
---@param output ui.Output
---@param resumed boolean?  earlier processes may have made something already
function M.tell(report, output, resumed)
  if output.json then output:document(report) end
  local handover = text(report.handover)
  if report.drill and report.drill.ready then
    return output:result(("Drill: all is ready, %d changes could be made now; nothing was changed (run %s)\n"):format(report.summary.change,
      report.run.id))
  end
  if report.run.status == "done" then
    if handover ~= "" then
      if not output.json then output:note "\n" end
      output:result(M.keys(handover) .. "\n" .. M.handover(handover) .. "\n")
    end
    output:result(set_aside(report) .. sum(report))
    if handover ~= "" then output:result(after(report)) end
    output:result(ticket(report))
    if report.going_on then output:result("What differs from cmek's own is told by: " .. report.going_on.command .. "\n") end
    return
  end
  local head = output:paint("red", ("%s (run %s): "):format(report.run.status, report.run.id))
  if report.error.code == "refused" and report.summary.refused > 0 then
    local refused = report.summary.refused
    output:note(head .. (refused == 1 and "1 step is refused, with its reason above (x)\n"
      or ("%d steps are refused, each with its reason above (x)\n"):format(refused)))
  else
    output:note(output:trouble(head .. M.failure(report.error)))
  end
  local made, nothing = M.made(report.made), resumed and "nothing more was made or changed\n" or "nothing was made or changed\n"
  output:result(ticket(report))
  output:note(set_aside(report) .. (made ~= "" and made or report.run.status ~= "unfinished" and nothing or ""))
end

return M
