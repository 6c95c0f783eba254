--- Runs as text: the list of them, and what one did.
local columns = require "ui.table"
local history = require "history"

local M = {}

local function null(value) return value == nil or value == require("json").null end

-- A line, and no more than one, whatever a recipe has called a thing.
local function text(value) return null(value) and "" or (tostring(value):gsub("%c+", " ")) end

-- "2026-02-01 09:00:00" of a journal's time.
local function moment(value) return text(value):sub(1, 19):gsub("T", " ") end

-- What it was: the recipe, or "destroy" and the recipe.
local function recipe_of(run)
  return (text(run.command) == "destroy" and "destroy " or "") .. text(run.recipe)
end

--- The runs, oldest first; below them what is wrong with those that cannot be read.
---@param entries table[]     of cmek.runs/1
---@param directory string
---@return string
function M.list(entries, directory)
  if #entries == 0 then return ("no runs in '%s'\n"):format(directory) end
  local rows, wrong = { { "run", "began", "recipe", "cluster", "status" } }, {}
  for i, entry in ipairs(entries) do
    rows[i + 1] = { entry.id, moment(entry.time):sub(1, 16), recipe_of(entry), text(entry.cluster), entry.status }
    if entry.message then wrong[#wrong + 1] = ("- %s: %s\n"):format(entry.id, entry.message) end
  end
  return columns.render(rows) .. (#wrong > 0 and "\nunreadable:\n" .. table.concat(wrong) or "")
end

local function took(seconds)
  return seconds < 1 and ("%.0f ms"):format(seconds * 1000) or require("ui.time").duration(seconds)
end

-- What came of a write: "200 after 20 ms, request 07…".
local function outcome(write)
  local words = { null(write.status) and write.outcome or text(write.status) }
  if write.outcome == "none" then words[1] = "no outcome is recorded: it may have been done" end
  if write.outcome == "lost" then words[1] = words[1] .. ", no whole answer: it may have been done" end
  if not null(write.code) then words[#words + 1] = write.code end
  local line = table.concat(words, " ")
  if not null(write.seconds) then line = ("%s after %s"):format(line, took(write.seconds)) end
  if not null(write.attempt) and write.attempt > 1 then line = ("%s, attempt %d"):format(line, write.attempt) end
  return null(write.request_id) and line or ("%s, request %s"):format(line, write.request_id)
end

local function writes_text(run)
  if #run.writes == 0 then return "\nIt wrote nothing.\n" end
  local rows = {}
  for _, write in ipairs(run.writes) do
    local what = { text(write.service), text(write.operation), text(write.region) }
    rows[#rows + 1] = { text(write.time):sub(12, 23), (table.concat(what, " "):gsub(" $", "")), text(write.target) }
    rows[#rows + 1] = { "", outcome(write) }
  end
  local lines = {}
  for _, row in ipairs(rows) do lines[#lines + 1] = "  " .. columns.pad(row[1], 12) .. "  " .. table.concat(row, "  ", 2):gsub("%s+$", "") end
  return "\nwrites\n" .. table.concat(lines, "\n") .. "\n"
end

local function keys_text(run)
  if #run.keys == 0 then return "" end
  local rows = {}
  for _, key in ipairs(run.keys) do
    rows[#rows + 1] = { text(key.region), null(key.key) and "(no key is known)" or key.key }
    rows[#rows + 1] = { "", ("%s: %s"):format(text(key.alias), history.RESULTS[key.result] or key.result) }
  end
  return "\nkeys\n" .. columns.render(rows, "  ")
end

local function ending(run)
  local parts = {}
  if run.error then parts[1] = "\nIt ended so:\n  " .. require("ui.result").failure(run.error):gsub("\n(.)", "\n  %1") end
  if not null(run.next) then
    local lead = run.status == "unfinished" and "to go on" or "nothing was made or changed; to run it again"
    parts[#parts + 1] = ("\n%s: %s\n"):format(lead, run.next)
  end
  return table.concat(parts)
end

local function journal_text(run)
  local chain = run.chain
  local rows = { { "journal", run.path } }
  rows[2] = { "", chain.whole and ("%d lines; each holds the hash of the one before it, and all fit"):format(chain.lines)
    or "it was changed by somebody and cannot be trusted: " .. chain.message }
  if chain.cut > 0 then rows[3] = { "", "its last line is cut: a crash, or a run that is going on" } end
  return rows
end

--- What one run did.
---@param run table  cmek.journal/1
---@return string
function M.show(run)
  local rows = {
    { "run", ("%s: %s"):format(run.id, run.status) },
    { "began", ("%s, ended %s"):format(moment(run.begun[1]), null(run.ended) and "(it does not say)" or moment(run.ended)) },
  }
  for i = 2, #run.begun do rows[#rows + 1] = { "", "taken up again " .. moment(run.begun[i]) } end
  rows[#rows + 1] = { run.script and "script" or "recipe", recipe_of(run) }
  local made_by = null(run.version) and "" or "by cmek " .. run.version
  local trusted = run.trusted and ", trusted: without the sandbox" or ""
  rows[#rows + 1] = { "", made_by .. (null(run.hash) and "" or ", recipe " .. run.hash:sub(1, 16)) .. trusted }
  if run.typed ~= "" then rows[#rows + 1] = { "arguments", run.typed } end
  if run.cluster then rows[#rows + 1] = { "cluster", text(run.cluster) } end
  if not null(run.aws) then rows[#rows + 1] = { "as", ("%s (account %s)"):format(run.aws.arn, run.aws.account_id) } end
  if not null(run.organization) then rows[#rows + 1] = { "organization", run.organization } end
  local log = journal_text(run)
  table.move(log, 1, #log, #rows + 1, rows)
  return columns.render(rows) .. writes_text(run) .. keys_text(run) .. ending(run)
end

return M
