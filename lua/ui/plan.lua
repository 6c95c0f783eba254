--- A plan as text: whose account and which cluster, the steps with their marks, the differences, the sum.
local diff = require "ui.diff"
local columns = require "ui.table"

local M = {}

local MARKS <const> = { create = "+", change = "~", delete = "-", none = "=", refuse = "x" }
local COLOURS <const> = { create = "green", change = "yellow", delete = "red", none = "dim", refuse = "red" }

-- Documents say null where there is nothing.
local function present(value)
  return value ~= nil and value ~= require("json").null
end

--- The services that a recipe touches, in words.
---@param touches string[]
function M.touched(touches) return #touches > 0 and table.concat(touches, ", ") or "nothing" end

--- The lines that say where a run works: AWS account, ARN, organization and cluster.
---@param run table  the `run` of a report
---@return string
function M.head(run)
  local lines = {}
  if present(run.aws) then lines[1] = ("AWS account %s as %s\n"):format(run.aws.account_id, run.aws.arn) end
  local source = run.source
  if source then
    local files = source.files and " with " .. table.concat(source.files, ", ") or ""
    lines[#lines + 1] = ("recipe %s%s, sha256 %s, touches %s%s\n"):format(source.path, files, source.hash, M.touched(source.touches),
      source.trusted and "; trusted: without the sandbox" or "")
  end
  local cluster, organization = present(run.cluster) and run.cluster, present(run.organization) and run.organization
  if organization then
    lines[#lines + 1] = ("organization %s (%s)"):format(organization.name or organization.label or "", organization.id)
    lines[#lines + 1] = cluster and ", " or "\n"
  end
  if cluster then lines[#lines + 1] = ("cluster %s (%s)\n"):format(cluster.name, cluster.id) end
  return table.concat(lines)
end

-- A difference that is not of a policy's statement.
local function plain_difference(difference)
  local lines = diff.lines(difference.have, difference.want)
  if #lines == 1 and not lines[1]:find "^[-+] " then return { difference.field .. ": " .. lines[1] } end
  local result = { difference.field .. ":" }
  for _, line in ipairs(lines) do result[#result + 1] = "  " .. line end
  return result
end

-- The differences of a step in lines. Those of one statement stand together, field by field, with what stays beside what changes.
local function difference_lines(differences)
  local lines, statement = {}, nil
  for _, difference in ipairs(differences) do
    local document, name, field = difference.field:match "^(.-)%.?Statement%[(.-)%]%.?(.*)$"
    if not document then
      statement = nil
      for _, line in ipairs(plain_difference(difference)) do lines[#lines + 1] = line end
    else
      local head = ("%s, statement %s:"):format(document, name:find "^%d+$" and name or "'" .. name .. "'")
      if head ~= statement then lines[#lines + 1], statement = head, head end
      if field ~= "" then lines[#lines + 1] = ("  %s:"):format(field) end
      for _, line in ipairs(diff.marked(difference.have, difference.want)) do
        lines[#lines + 1] = (field ~= "" and "    " or "  ") .. line
      end
    end
  end
  return lines
end

local function paint_line(line, output)
  local mark = line:match "^%s*([-+]) "
  if mark == "+" then return output:paint("green", line) end
  if mark == "-" then return output:paint("red", line) end
  return line
end

--- The mark in front of a step: what happens, and "!" when it cannot be taken back.
---@param step table
---@return string
function M.mark(step)
  return MARKS[step.action] .. (step.irreversible and "!" or " ")
end

local INDENT <const> = "       "

-- What is behind a refused step: prose that fits the terminal, commands as they can be pasted.
local function told_lines(told, output)
  local lines = {}
  for line in (present(told) and require("explain").text(told) or ""):gmatch "[^\n]+" do
    local command = line:find "^  "
    for _, part in ipairs(command and { INDENT .. line } or output:wrap(line, INDENT)) do lines[#lines + 1] = part end
  end
  return lines
end

local function explanation(step, output)
  local lines = {}
  if present(step.reason) and step.reason ~= "" then
    local colour = step.action == "refuse" and "red" or step.irreversible and "yellow" or "dim"
    for i, line in ipairs(output:wrap((step.irreversible and "cannot be undone: " or "") .. step.reason, INDENT)) do
      lines[i] = output:paint(colour, line)
    end
  end
  for _, line in ipairs(told_lines(step.told, output)) do lines[#lines + 1] = line end
  for _, line in ipairs(difference_lines(step.differences or {})) do lines[#lines + 1] = INDENT .. paint_line(line, output) end
  return lines
end

-- The rows of the steps as lines: columns, or, where the terminal is too narrow for them, names on lines of their own.
local function step_lines(steps, output)
  local rows, lines = {}, {}
  for i, step in ipairs(steps) do rows[i] = { M.mark(step), step.kind, present(step.region) and step.region or "", step.name } end
  local fits = true
  for line in columns.render(rows, " "):gmatch "[^\n]+" do
    lines[#lines + 1] = line
    fits = fits and columns.width(line) <= output:width()
  end
  if fits then return lines end
  for i, row in ipairs(rows) do
    lines[i] = (" %s %s %s"):format(row[1], row[2], row[3]):gsub(" +$", "") .. "\n     " .. row[4]
  end
  return lines
end

--- The steps, one a line, each with its reason and its differences below it.
---@param steps table[]
---@param output ui.Output
---@return string
function M.steps(steps, output)
  local lines = {}
  for i, line in ipairs(step_lines(steps, output)) do
    lines[#lines + 1] = output:paint(COLOURS[steps[i].action], line)
    for _, detail in ipairs(explanation(steps[i], output)) do lines[#lines + 1] = detail end
  end
  return #lines > 0 and table.concat(lines, "\n") .. "\n" or ""
end

local KINDS <const> = { key = "key of its own", replica = "replica of %s", shared = "key of %s" }

-- The layout that was asked for: region, key and role, and what stops when one of them is lost.
local function layout(report, output)
  local drawn = report.layout
  if not drawn then return "" end
  local rows, lines = {}, {}
  for i, entry in ipairs(drawn.regions) do
    local kind = KINDS[entry.kind]:format(present(entry.of) and entry.of or "")
    rows[i] = { entry.region, "->", kind .. (entry.slower and (" (slower: asked of KMS in %s)"):format(entry.key_region) or ""), "->",
      entry.role:match "^arn:.*role/(.*)$" or entry.role:match "^%(ARN of role (%S+)," or entry.role }
  end
  for _, entry in ipairs(drawn.losses) do
    for _, line in ipairs(output:wrap(entry.text, "    ")) do lines[#lines + 1] = line end
  end
  return ("layout %s:\n%s%s\n\n"):format(drawn.name, columns.render(rows, "  "), table.concat(lines, "\n"))
end

-- What cannot be said of our rights, in one line.
local function rights(report, output)
  for _, check in ipairs(report.preflight or {}) do
    if check.id == "rights" and check.text then return output:paint("dim", check.text) .. "\n" end
  end
  return ""
end

--- `Plan: 4 to create, 1 to change, 0 to delete`
---@param summary table
---@return string
function M.sum(summary)
  local text = ("Plan: %d to create, %d to change, %d to delete"):format(summary.create, summary.change, summary.delete)
  if summary.refused > 0 then text = text .. (", %d refused"):format(summary.refused) end
  return text
end

--- What is said when there is nothing to do.
---@param summary table
---@return string
function M.calm(summary)
  if summary.unchanged == 1 then return "Nothing to do: it is as wanted.\n" end
  return summary.unchanged > 0 and ("Nothing to do: all %d are as wanted.\n"):format(summary.unchanged) or "Nothing to do.\n"
end

--- Whether there is something to do.
function M.pending(summary)
  return summary.create + summary.change + summary.delete > 0
end

-- What is said between the steps and the sum of a plan that no run follows at once.
local function notices(report, output)
  local lines = {}
  if not M.pending(report.summary) and report.summary.refused == 0 then lines[1] = M.calm(report.summary) end
  if not report.requests and report.summary.create > 0 then
    lines[1] = output:paint("dim", "with --requests: what is made in full, policies and all, as it would be sent") .. "\n"
  end
  -- at a terminal they have been seen on stderr; a plan that is kept has them too
  for _, warning in ipairs(output.terminal.is_terminal "stdout" and {} or report.warnings or {}) do
    local place = present(warning.region) and warning.region .. ": " or ""
    lines[#lines + 1] = ("warning: %s%s\n"):format(place, warning.text)
  end
  return table.concat(lines)
end

--- The whole plan.
---@param report table  cmek.plan/1
---@param output ui.Output
---@param leads_to_run boolean?  the run itself will say when there is nothing to do
---@return string
function M.render(report, output, leads_to_run)
  local steps = M.steps(report.steps, output)
  if report.requests then steps = steps .. "\n" .. require("ui.requests").render(report.requests, output) end
  return M.head(report.run) .. "\n" .. (steps ~= "" and steps .. "\n" or "") .. layout(report, output)
    .. (leads_to_run and "" or notices(report, output)) .. rights(report, output) .. output:paint("bold", M.sum(report.summary)) .. "\n"
end

return M
