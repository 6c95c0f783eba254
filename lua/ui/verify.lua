--- A verification as text: every check with its result, then the findings and how to mend them.
local columns = require "ui.table"
local diff = require "ui.diff"
local plan = require "ui.plan"

local M = {}

local MARKS <const> = { ok = "ok", finding = "FINDING", unknown = "unknown" }
local COLOURS <const> = { ok = "green", finding = "red", unknown = "yellow" }

local function text(value)
  return value ~= nil and value ~= require("json").null and value or ""
end

local function finding_lines(finding)
  local lines = { ("%s: %s %s %s"):format(finding.severity, finding.id, text(finding.region), text(finding.object)) }
  if text(finding.field) ~= "" then lines[#lines + 1] = "  " .. finding.field end
  for _, line in ipairs(diff.lines(finding.have, finding.want)) do lines[#lines + 1] = "  " .. line end
  if text(finding.mend) ~= "" then lines[#lines + 1] = "  mend: " .. finding.mend end
  return table.concat(lines, "\n") .. "\n"
end

---@param report table  cmek.verify/1
---@param output ui.Output
---@return string
function M.render(report, output)
  local rows = {}
  for i, check in ipairs(report.checked) do
    rows[i] = { MARKS[check.result], check.id, text(check.region), text(check.object), text(check.text) }
  end
  local parts, at = { plan.head(report.run), "\n" }, 0
  for line in columns.render(rows, " "):gmatch "[^\n]+" do
    at = at + 1
    parts[#parts + 1] = output:paint(COLOURS[report.checked[at].result], line) .. "\n"
  end
  for _, finding in ipairs(report.findings) do parts[#parts + 1] = "\n" .. finding_lines(finding) end
  parts[#parts + 1] = ("\n%d checks, %d findings\n"):format(#report.checked, #report.findings)
  return table.concat(parts)
end

return M
