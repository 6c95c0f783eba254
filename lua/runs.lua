--- The journals of runs: a file a run, in one directory, named after the run's ID.
--- cmek's own lines: kind "begin" (recipe and arguments, or script), "end" (status); between them the door's and the engine's.
---@class runs.Run
---@field id string
---@field path string
---@field begin table      the first line
---@field status string    "done", "unfinished"; without a write "failed", "declined", or "stopped" for one that says nothing of its end
---@field entries table[]  every line
---@field text string      the file as it is
---@field cut integer      bytes of a last line that was cut by a crash, or is being written

local failure = require "ui.failure"

local M = {}

local JOURNAL_MAX <const> = 64 << 20   -- bytes
local WRONG <const> = { "what", "service", "operation", "code", "message", "request_id" }   -- of an error, in the last line

--- The directory of the journals. Those of simulated runs stand apart: no `resume` of a real run shall meet them.
---@param given string?  the value of --journal
---@return string
function M.directory(given)
  if given then return given end
  local state, message = require("file").state_directory()
  if not state then
    failure.raise { status = failure.FAILED, what = "finding a place for the journal", message = message,
      next = "name one with --journal DIR, or CMEK_STATE_DIR" }
  end
  local simulated = require("process").environment "CMEK_SIM" == "1"
  return state .. (simulated and "/simulated-runs" or "/runs")
end

--- A new ID: the time to the millisecond, so that IDs sort, and four random digits.
---@param clock table  door.clock
---@return string  "20260201-090000-1233f9a"
function M.new_id(clock)
  local now = clock.now()
  local stamp = require("time").text(now):gsub("[-:Z]", ""):gsub("T", "-")
  return ("%s-%03d%s"):format(stamp, math.floor(now % 1 * 1000), require("crypto").hex(clock.random(2)))
end

--- Where a run is looked for: in the directory of the journals by its ID, or by the path of its journal, which may be a copy from another machine.
--- Raises a usage failure when the path is not that of a run's journal.
---@param given string?  the value of --journal
---@param named string?  an ID, or a path: with a '/' or ending in .jsonl
---@return string directory, string? id
function M.locate(given, named)
  if not named or not (named:find("/", 1, true) or named:find "%.jsonl$") then return M.directory(given), named end
  local folder, id = ("./" .. named):match "^%./(.-)/?([^/]+)%.jsonl$"
  if not id then
    failure.usage(("'%s' is neither the ID of a run nor a journal, whose name is that of its run and ends in .jsonl"):format(named),
      "cmek runs lists the runs")
  end
  return folder == "" and (named:sub(1, 1) == "/" and "/" or ".") or folder, id
end

local function path_of(directory, id)
  return directory .. "/" .. id .. ".jsonl"
end

local function unwritable(directory, message)
  failure.raise {
    status = failure.FAILED, what = "nothing may be made that cannot be recorded",
    message = ("the journal directory '%s' cannot be written: %s"):format(directory, message),
    next = "name another with --journal DIR, or CMEK_STATE_DIR",
  }
end

--- Makes the journal of a new run. Raises a failure that names the directory.
---@param directory string
---@param id string
---@return userdata journal
function M.create(directory, id)
  local made, message = require("file").mkdir(directory, 448)   -- 0700
  if not made then unwritable(directory, message) end
  local journal
  journal, message = require("journal").create(path_of(directory, id))
  if not journal then unwritable(directory, message) end
  return journal
end

--- What the lines say of the end of a run. What made something and is not done is unfinished, also when taking it up was declined.
local function status_of(entries)
  local status
  for _, entry in ipairs(entries) do
    if entry.kind == "begin" then status = nil end
    if entry.kind == "end" then status = entry.status end
  end
  if status == "done" then return status end
  return require("engine.journaled").changed_at(entries) and "unfinished" or status or "stopped"
end

local function begins(entries)
  return entries[1] ~= nil and entries[1].kind == "begin"
end

--- One run as its journal tells it; nil and a message when it cannot be read, or was changed by somebody.
---@param directory string
---@param id string
---@return runs.Run?, string?
function M.read(directory, id)
  local path = path_of(directory, id)
  local text, message = require("file").read(path, JOURNAL_MAX)
  if not text then return nil, message end
  local entries, whole = require("journal").read(text)
  if not entries then return nil, ("%s: %s"):format(path, whole) end
  if not begins(entries) then return nil, path .. " does not begin like the journal of a run" end
  local named = entries[1].run
  if named and named ~= id then return nil, ("%s is the journal of run %s: give it back the name %s.jsonl"):format(path, named, named) end
  return { id = id, path = path, begin = entries[1], status = status_of(entries), entries = entries, text = text, cut = #text - whole }
end

--- What still can be read of a journal whose chain is broken: its lines up to the first that is none. nil when it is no journal.
---@param directory string
---@param id string
---@return table[]? entries
function M.salvage(directory, id)
  local text = require("file").read(path_of(directory, id), JOURNAL_MAX)
  local json, entries = require "json", {}
  for line in (text or ""):gmatch "([^\n]*)\n" do
    local entry = json.decode(line)
    if type(entry) ~= "table" or type(entry.kind) ~= "string" then break end
    entries[#entries + 1] = entry
  end
  return begins(entries) and entries or nil
end

--- The IDs of the runs in a directory, oldest first; none when there is no such directory.
---@return string[]
function M.ids(directory)
  local ids = {}
  for _, name in ipairs(require("file").list(directory) or {}) do
    ids[#ids + 1] = name:match "^(.+)%.jsonl$"
  end
  return ids
end

--- Holds a run, so that no other process takes it up meanwhile. Raises a failure when one has it.
---@param directory string
---@param id string
---@return userdata lock  to be closed
function M.hold(directory, id)
  local file = require "file"
  local made, message = file.mkdir(directory .. "/locks", 448)   -- 0700
  if not made then unwritable(directory, message) end
  -- a file beside the journal, since the lock's owner is written into it; it stays, or a third process could slip between
  local lock
  lock, message = file.lock(directory .. "/locks/" .. id)
  if not lock and not message:find("is locked by", 1, true) then unwritable(directory, message) end
  if not lock then
    failure.raise { status = failure.FAILED, what = ("taking up run %s"):format(id), message = "another cmek is at it: " .. message,
      next = "wait for it, or end it with ^C" }
  end
  return lock
end

local function held(directory, id)
  if not require("file").exists(path_of(directory, id)) then return nil, "no such journal" end
  local lock = M.hold(directory, id)
  local run, message = M.read(directory, id)
  if run then run.lock = lock else lock:close() end
  return run, message
end

--- The run to resume: the one named, else the newest that is not finished; held. Raises a usage failure when there is none.
---@param directory string
---@param id string?
---@return runs.Run  with its `lock`
function M.unfinished(directory, id)
  if id then
    local run, message = held(directory, id)
    if not run then
      failure.usage(("there is no run '%s' to resume: %s"):format(id, message), "cmek runs lists them")
    end
    return run
  end
  local ids, broken = M.ids(directory), nil
  for i = #ids, 1, -1 do
    local run, message = M.read(directory, ids[i])
    if run and run.status == "unfinished" and run.begin.recipe then return held(directory, ids[i]) end
    if not run and not broken then broken = { id = ids[i], message = message } end
  end
  if broken then
    failure.usage(("there is no unfinished run in '%s' that can be read; of run %s %s"):format(directory, broken.id, broken.message),
      ("cmek runs show %s tells what of it can be read; running its recipe again goes on with what is there"):format(broken.id))
  end
  failure.usage(("there is no unfinished run in '%s'"):format(directory), "cmek runs lists them; --journal DIR names another directory")
end

--- Takes up a run's journal where it ended. Raises when the file cannot be written or another process holds it.
---@param run runs.Run
---@return userdata journal
function M.continue(run)
  local journal, message = require("journal").continue(run.path, run.text)
  if not journal then unwritable(run.path, message) end
  return journal
end

local function note(door, journal, directory, line)
  door:note(line)
  local done, message = journal:sync()
  if not done then unwritable(directory, message) end
end

--- Writes the first line of a run, or of its being taken up. Raises a failure when it does not reach the disk.
---@param door table
---@param journal userdata
---@param directory string
---@param line { run: string, recipe: string, arguments: table }
function M.begin(door, journal, directory, line)
  line.kind = "begin"
  note(door, journal, directory, line)
end

--- Writes how a run ended, and closes its journal. Nothing more can be lost here: what cannot be written is not raised.
---@param door table
---@param journal userdata
---@param run { status: string, cluster: table? }
---@param wrong table?  the `error` of a report: why it is not done
function M.finish(door, journal, run, wrong)
  local line = { kind = "end", status = run.status, cluster = type(run.cluster) == "table" and run.cluster.name or nil }
  for _, name in ipairs(wrong and WRONG or {}) do line[name] = wrong[name] end
  pcall(door.note, door, line)
  journal:close()
end

return M
