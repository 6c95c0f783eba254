--- `cmek runs [show RUN]`: what was done, by the journals.
local failure = require "ui.failure"
local flags = require "flags"
local runs = require "runs"

local M = {}

-- A run of the list; of one that cannot be read, why.
local function entry_of(directory, id, journal)
  local run, message = runs.read(directory, id)
  if not run then return { id = id, status = "unreadable", message = message } end
  local whole = require("history").of(run, journal)
  return { id = id, time = whole.time, ended = whole.ended, command = whole.command, recipe = whole.recipe,
    cluster = whole.cluster, status = run.status,
    path = run.path, next = whole.next }
end

local function list(directory, journal, output)
  local entries = {}
  for i, id in ipairs(runs.ids(directory)) do entries[i] = entry_of(directory, id, journal) end
  output:result(require("ui.runs").list(entries, directory))
  if output.json then
    output:document { schema = "cmek.runs/1", directory = directory, runs = require("json").array(entries) }
  end
  return failure.DONE
end

-- The run, and what is wrong with its journal, of which the lines that are left are shown all the same.
local function find(directory, id)
  local run, message = runs.read(directory, id)
  if run then return run end
  local entries = runs.salvage(directory, id)
  if not entries then failure.usage(("there is no run '%s': %s"):format(id, message), "cmek runs lists them") end
  return { id = id, path = ("%s/%s.jsonl"):format(directory, id), status = "unreadable", entries = entries }, message
end

local function show(directory, id, journal, output)
  if not id then failure.usage("cmek runs show wants the ID of a run", "cmek runs lists them") end
  local run, broken = find(directory, id)
  local document = require("history").of(run, journal, broken)
  output:result(require("ui.runs").show(document))
  document.schema = "cmek.journal/1"
  if output.json then output:document(document) end
  return broken and failure.FAILED or failure.DONE
end

---@param arguments string[]
---@param output ui.Output
---@return integer status  1 for a journal that was changed
function M.run(arguments, output)
  local word, rest = flags.first("runs", arguments)
  local id
  if word == "show" then id, rest = flags.first("runs", rest) end
  local common = flags.parse("runs", nil, {}, rest)
  if common.help then
    output:help(flags.help("runs", nil, {}) .. "\n")
    return failure.DONE
  end
  local directory = runs.directory(common.journal)
  if word == "show" then return show(directory, id, common.journal, output) end
  if word == nil or word == "list" then return list(directory, common.journal, output) end
  failure.usage(("cmek runs knows no '%s'; it knows list and show RUN"):format(word))
end

return M
