--- What destroying came to, as text: what is gone, what can still be taken back and how, and why something stays.
local columns = require "ui.table"
local result = require "ui.result"

local M = {}

local function text(value) return value ~= nil and value ~= require("json").null and value or "" end

-- Keys that wait for their end, each with the command that takes it back. What Vault has taken out of KMS it does not take in again.
local function scheduled(deleted)
  local lines, more = {}, ", and cmek run does the rest"
  for _, thing in ipairs(deleted) do
    if thing.kind == "vault_distribution" then more = ", as a key of KMS alone: Vault has it no more" end
    if thing.cancel then
      lines[#lines + 1] = ("%s  %s  until %s\n  %s\n"):format(text(thing.region), text(thing.arn), text(thing.deletion_date), thing.cancel)
    end
  end
  if #lines == 0 then return "" end
  return ("Scheduled for deletion; until then each can be taken back%s:\n%s"):format(more, table.concat(lines))
end

local function gone(deleted)
  local rows = {}
  for _, thing in ipairs(deleted) do
    if not thing.cancel then rows[#rows + 1] = { thing.kind, text(thing.region), thing.name, text(thing.arn) } end
  end
  return #rows > 0 and "Deleted:\n" .. columns.render(rows, "  ") or ""
end

--- Tells what destroying came to: the document under --json; else what is gone on stdout, what went wrong on stderr.
---@param report table  cmek.destroy/1
---@param output ui.Output
---@param resumed boolean?  earlier processes may have deleted something already
function M.tell(report, output, resumed)
  if output.json then output:document(report) end
  local summary, deleted = report.summary, scheduled(report.deleted) .. gone(report.deleted)
  if report.run.status == "done" then
    if summary.delete == 0 and summary.unchanged > 0 then
      return output:result("Nothing to delete now: what is there stays, each for the reason above (=)\n")
    end
    if summary.delete == 0 then
      return output:result(resumed and "Nothing is left to delete.\n" or "Nothing to delete: there is nothing of this recipe here.\n")
    end
    return output:result(("%sDone: %d deleted (run %s)\n"):format(deleted, #report.deleted, report.run.id))
  end
  local head = output:paint("red", ("%s (run %s): "):format(report.run.status, report.run.id))
  if report.error.code == "refused" and summary.refused > 0 then
    output:note(head .. ("%d of the steps %s refused, with the reason above (x)\n"):format(summary.refused, summary.refused == 1 and "is" or "are"))
    if report.error.situation == "destroy.in-use" then output:note(output:trouble(require("explain").text(report.error):sub(2) .. "\n")) end
  else
    output:note(output:trouble(head .. result.failure(report.error)))
  end
  output:result(deleted)
  if deleted == "" and report.run.status ~= "unfinished" then output:note(resumed and "nothing more was deleted\n" or "nothing was deleted\n") end
end

return M
