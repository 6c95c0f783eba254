-- One operator: commands as whole programs, on a disk and a network that may fail.

local disk = dofile "tests/torture/disk.lua"
local journal = require "journal"
local json = require "json"
local recipe = require "recipe"

local M = {}

--- The commands, each with its engine's mode; one that writes keeps a journal.
local WORDS <const> = {
  plan = { mode = "plan" }, verify = { mode = "verify" },
  run = { mode = "run", journal = true }, destroy = { mode = "destroy", journal = true },
  resume = { journal = true },   -- in the mode of the command that it takes up
}

---@class torture.Operator
---@field name string
---@field goal "run"|"destroy"  what is done until it is done
---@field recipe string     what it runs: the scene's; "adopt", and when that is done the scene's; "rotate"
---@field adopted boolean    the last command was the last one of adopt
---@field disks table[]     one a run; the last one belongs to the run that is not finished
---@field lost table[]      those of a machine that is gone
---@field copies torture.Operator?  whose journal this one takes up, on a machine of its own
---@field output string[]   everything that was reported
---@field status integer?   of the last command
---@field report table?     its document

--- Somebody who has not begun.
---@param options { name: string, goal: "run"|"destroy", recipe: string?, arguments: table<string, any>? }  arguments: of the scene's recipe
function M.new(scene, options)
  return { scene = scene, name = options.name, goal = options.goal, arguments = options.arguments or {}, environment = scene.environment,
    recipe = options.recipe or scene.recipe, disks = {}, lost = {}, output = {}, daemons = {}, runs = 0 }
end

local function open_door(operator)
  local door = require("door").new { world = operator.scene.world, yes = true, confirm = operator.scene.cluster_name, user_agent = "cmek/torture" }
  operator.door = door
  return door
end

-- The journal of this command: of the unfinished run, or a new one.
local function open_journal(operator, word)
  if word == "resume" then
    local last = operator.disks[#operator.disks]:again()
    local entries, length = journal.read(last.text)
    if not entries then error("the journal cannot be read: " .. length, 0) end
    last.text = last.text:sub(1, length)
    return journal.over(last, last.text), entries
  end
  local fresh = disk.new()
  operator.disks[#operator.disks + 1] = fresh
  operator.runs = operator.runs + 1
  return journal.over(fresh), {}
end

local function arguments(loaded, operator)
  local given, adopted = { cluster = operator.scene.cluster_name }, operator.scene.adopted
  local of_scene = loaded.name == operator.scene.recipe
  local own = loaded.name == operator.recipe and loaded.name ~= "adopt"   -- whose arguments are for what comes after it
  for _, more in ipairs(of_scene and { operator.scene.arguments, operator.arguments } or own and { operator.arguments } or {}) do
    for name, value in pairs(more) do given[name] = value end   -- order cannot be seen
  end
  if adopted and loaded.name == "console" then
    given.role, given.key = adopted.role, {}
    for i, key in ipairs(adopted.keys) do given.key[i] = key.arn end
  end
  return (require("arguments").resolve(loaded.args, { { origin = "flags", values = given } }))
end

-- A session whose daemons are known, so that they end with their process, as the system would end them.
local function open_session(operator, door)
  local session = require("session").open { door = door, environment = operator.environment }
  local daemon = session.tasks.daemon
  function session.tasks.daemon(fn)
    daemon(function()
      table.insert(operator.daemons, (coroutine.running()))
      fn()
    end)
  end
  session:seal()
  return session
end

local function end_daemons(operator)
  for _, thread in ipairs(operator.daemons) do coroutine.close(thread) end
  operator.daemons = {}
end

-- What lua/command does for a word, without its terminal.
local function perform(operator, word)
  local scene, known = operator.scene, WORDS[word]
  local door = open_door(operator)
  local session = open_session(operator, door)
  local entries = {}
  if known.journal then
    local log
    log, entries = open_journal(operator, word)
    door:record(log)
    operator.log = log
  end
  local begin = entries[1] or { run = ("%s-%d"):format(operator.name, operator.runs), command = known.mode or operator.goal }
  if known.journal and not entries[1] then door:note { kind = "begin", run = begin.run, command = begin.command } end
  local loaded = recipe.load(operator.recipe, {})
  local engine = require("engine").new {
    session = session, recipe = loaded, arguments = arguments(loaded, operator), mode = known.mode or begin.command, run_id = begin.run,
    entries = entries,
    listener = function(event)
      local text = event.text or event.reason
      if not text then return end
      operator.output[#operator.output + 1] = text
      scene:say("%s: %s", operator.name, text)
    end,
    confirm_writes = function(question) return door:permit_writes(question) end,
    confirm_irreversible = function(text, name) return door:permit_irreversible(text, name) end,
    confirm_deletion = function(...) return door:permit_deletion(...) end,
  }
  local ok, report, status = pcall(session.tasks.run, function() return engine:execute() end)
  if not ok and type(report) ~= "table" then error(report, 0) end
  if not ok then report, status = engine:abandoned(report) end
  operator.output[#operator.output + 1] = json.encode(report)
  if operator.log then assert(operator.log:sync()) end
  end_daemons(operator)
  return status, report
end

-- A rotation whose run nobody can resume is given up, as its refusal says: the next command goes on in its place.
local function heed(operator, text)
  local run = text:match "%-%-take%-over '?([%w-]+)"
  if operator.scene.lost_runs[run or ""] then operator.arguments.take_over = run end
end

--- Runs one command to its end, inside the world.
---@param operator torture.Operator
---@param word string  one of the commands above
---@return integer status
function M.command(operator, word)
  operator.scene:say("%s: %s", operator.name, word)
  local status, report = perform(operator, word)
  operator.status, operator.report = status, report
  operator.adopted = operator.recipe == "adopt" and word ~= "plan" and status == 0
  if operator.adopted then operator.recipe = operator.scene.recipe end
  local error_text = report and report.error and (" " .. tostring(report.error.message)) or ""
  heed(operator, error_text)
  operator.scene:say("%s: %s ends with %d%s", operator.name, word, status, error_text)
  return status
end

--- Whether destroying was refused by its plan: there is no more to do.
function M.kept(operator)
  local report = operator.report
  return operator.goal == "destroy" and operator.status ~= 0 and report ~= nil and report.summary ~= nil and report.summary.refused > 0
end

--- What the operator does after a command that ended, or was ended; nil when there is no more to do.
---@return string?
function M.next_word(operator, crashed)
  if operator.disks[1] == nil then return operator.goal end
  if crashed or operator.status == 5 and not M.kept(operator) then return "resume" end
  if operator.adopted then return operator.goal end
  return operator.status ~= 0 and not M.kept(operator) and operator.goal or nil
end

--- Takes over the journal of somebody else's run as it is on the disk now. False when there is none yet.
---@return boolean
function M.copy(operator)
  local source = operator.copies.disks[#operator.copies.disks]
  operator.copies = nil
  if not source or source.text == "" then return false end
  operator.scene:say("%s: takes a copy of the journal", operator.name)
  operator.disks[1] = disk.new()
  operator.disks[1].text = source.text
  return true
end

--- The machine is gone, and with it the journals: whoever goes on has none.
function M.lose(operator)
  operator.scene:say("%s: the machine is lost", operator.name)
  for number = 1, operator.runs do operator.scene.lost_runs[("%s-%d"):format(operator.name, number)] = true end
  table.move(operator.disks, 1, #operator.disks, #operator.lost + 1, operator.lost)
  operator.disks = {}
end

--- The machine goes off in the middle of whatever runs.
function M.crash(operator, chance)
  operator.scene:say("%s: crash", operator.name)
  if operator.door then operator.door:shut() end
  end_daemons(operator)
  local last = operator.disks[#operator.disks]
  if last then last:crash(chance) end
end

return M
