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

-- "high: key.rotation us-east-1 alias/…", its field with what is there and what shall be, and how to mend it.
local function finding_lines(finding)
  local words = { finding.severity .. ":", finding.id, text(finding.region), text(finding.object) }
  local lines = { (table.concat(words, " "):gsub(" +", " "):gsub(" $", "")) }
  if text(finding.text) ~= "" then lines[#lines + 1] = "  " .. finding.text end
  local unknown = finding.severity == "unknown"
  if unknown then
    lines[#lines + 1] = "  " .. diff.show(finding.have)
  else
    local shown = diff.lines(finding.have, finding.want)
    local field = text(finding.field)
    if #shown == 1 then
      lines[#lines + 1] = ("  %s%s"):format(field ~= "" and field .. ": " or "", shown[1])
    else
      if field ~= "" then lines[#lines + 1] = ("  %s:"):format(field) end
      for _, line in ipairs(shown) do lines[#lines + 1] = "    " .. line end
    end
  end
  if text(finding.mend) ~= "" then lines[#lines + 1] = "  mend: " .. finding.mend end
  return table.concat(lines, "\n") .. "\n"
end

local function counted(n, what) return ("%d %s%s"):format(n, what, n == 1 and "" or "s") end

local ROW_MAX <const> = 100   -- bytes; what is longer stands with the finding alone

---@param report table  cmek.verify/1
---@param output ui.Output
---@return string
function M.render(report, output)
  local rows = {}
  for i, check in ipairs(report.checked) do
    local one_line = tostring(text(check.text)):gsub("%s*\n%s*", " ")   -- lines of a policy stand with the finding
    if check.result ~= "ok" and #one_line > ROW_MAX then one_line = "told below" end
    rows[i] = { MARKS[check.result], check.id, text(check.region), text(check.object), one_line }
  end
  local parts, at = { plan.head(report.run), "\n" }, 0
  for line in columns.render(rows, " "):gmatch "[^\n]+" do
    at = at + 1
    parts[#parts + 1] = output:paint(COLOURS[report.checked[at].result], line) .. "\n"
  end
  for _, finding in ipairs(report.findings) do parts[#parts + 1] = "\n" .. finding_lines(finding) end
  local unmade = 0
  for _, check in ipairs(report.checked) do unmade = unmade + (check.result == "unknown" and 1 or 0) end
  parts[#parts + 1] = ("\n%s, %s%s\n"):format(counted(#report.checked, "check"), counted(#report.findings, "finding"),
    unmade > 0 and (", %d of which could not be checked"):format(unmade) or "")
  return table.concat(parts)
end

return M
