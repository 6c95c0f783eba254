--- `cmek runs [show RUN]`: what was done, by the journals.
local failure = require "ui.failure"
local flags = require "flags"
local runs = require "runs"

local M = {}

local function summary(run)
  local begin = run.begin
  return {
    id = run.id, time = begin.time, command = begin.command, recipe = begin.recipe or begin.script,
    cluster = begin.cluster or begin.arguments and begin.arguments.cluster,
    status = run.status, path = run.path,
  }
end

local function list(directory, output)
  local entries, rows = {}, { { "run", "began", "recipe", "cluster", "status" } }
  for _, id in ipairs(runs.ids(directory)) do
    local run, message = runs.read(directory, id)
    local entry = run and summary(run) or { id = id, status = "unreadable", message = message }
    entries[#entries + 1] = entry
    local recipe = (entry.command == "destroy" and "destroy " or "") .. (entry.recipe or "")
    rows[#rows + 1] = { id, entry.time or "", recipe, tostring(entry.cluster or ""), message or entry.status }
  end
  if output.json then
    output:document { schema = "cmek.runs/1", directory = directory, runs = require("json").array(entries) }
  elseif #entries == 0 then
    output:result(("no runs in '%s'\n"):format(directory))
  else
    output:result(require("ui.table").render(rows))
  end
end

--- One line of a journal in words: when, what, where, and how it ended.
local function row(entry)
  if entry.kind == "request" then
    local what = ("%s %s"):format(entry.service or "", entry.operation or "")
    return { entry.time or "", ("request %s"):format(entry.request or ""), what, entry.region or "", entry.target or "" }
  end
  return { entry.time or "", entry.kind or "", tostring(entry.request or entry.step or ""), entry.region or "",
    tostring(entry.status or entry.outcome or entry.code or entry.name or "") }
end

local function show(directory, id, output)
  if not id then failure.usage("cmek runs show wants the ID of a run", "cmek runs lists them") end
  local run, message = runs.read(directory, id)
  if not run then failure.usage(("there is no run '%s': %s"):format(id, message), "cmek runs lists them") end
  if output.json then
    local document = summary(run)
    document.schema, document.entries = "cmek.journal/1", require("json").array(run.entries)
    output:document(document)
    return
  end
  local rows = {}
  for i, entry in ipairs(run.entries) do rows[i] = row(entry) end
  output:result(("run %s: %s\n"):format(id, run.status) .. require("ui.table").render(rows, "  "))
end

---@param arguments string[]
---@param output ui.Output
---@return integer status
function M.run(arguments, output)
  local word, rest = flags.first("runs", arguments)
  local id
  if word == "show" then id, rest = flags.first("runs", rest) end
  local common = flags.parse("runs", nil, {}, rest)
  if common.help then
    output:help(flags.help("runs", nil, {}) .. "\n")
    return 0
  end
  local directory = runs.directory(common.journal)
  if word == "show" then
    show(directory, id, output)
  elseif word == nil or word == "list" then
    list(directory, output)
  else
    failure.usage(("cmek runs knows no '%s'; it knows list and show RUN"):format(word))
  end
  return 0
end

return M
