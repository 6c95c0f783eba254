-- One operator: plan, run and resume of `console --enable` as whole programs, on a disk and a network that may fail; before it
-- of `adopt`, where CMEK was set up by hand.

local disk = dofile "tests/torture/disk.lua"
local journal = require "journal"
local json = require "json"
local recipe = require "recipe"

local M = {}

---@class torture.Operator
---@field name string
---@field recipe string     what it runs: "adopt", and when that is done "console"
---@field adopted boolean    the last command was the last one of adopt
---@field disks table[]     one a run; the last one belongs to the run that is not finished
---@field lost table[]      those of a machine that is gone
---@field output string[]   everything that was reported
---@field status integer?   of the last command

function M.new(scene, name, environment)
  return { scene = scene, name = name, environment = environment, disks = {}, lost = {}, output = {}, runs = 0, recipe = "console" }
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

local function arguments(loaded, scene)
  local given = { cluster = scene.cluster_name, enable = loaded.name == "console" or nil }
  if scene.adopted and loaded.name == "console" then
    given.role, given.key = scene.adopted.role, {}
    for i, key in ipairs(scene.adopted.keys) do given.key[i] = key.arn end
  end
  return (require("arguments").resolve(loaded.args, { { origin = "flags", values = given } }))
end

-- What lua/command does for a word, without its terminal.
local function perform(operator, word)
  local scene = operator.scene
  local door = open_door(operator)
  local session = require("session").open { door = door, environment = operator.environment }
  session:seal()
  local entries = {}
  if word ~= "plan" then
    local log
    log, entries = open_journal(operator, word)
    door:record(log)
    operator.log = log
  end
  local run_id = entries[1] and entries[1].run or ("%s-%d"):format(operator.name, operator.runs)
  if word == "run" then door:note { kind = "run", run = run_id } end
  local loaded = recipe.load(operator.recipe, {})
  local engine = require("engine").new {
    session = session, recipe = loaded, arguments = arguments(loaded, scene), mode = word == "plan" and "plan" or "run", run_id = run_id,
    entries = entries,
    listener = function(event)
      local text = event.text or event.reason
      if not text then return end
      operator.output[#operator.output + 1] = text
      scene:say("%s: %s", operator.name, text)
    end,
    confirm_writes = function(question) return door:permit_writes(question) end,
    confirm_irreversible = function(text, name) return door:permit_irreversible(text, name) end,
  }
  local ok, report, status = pcall(session.tasks.run, function() return engine:execute() end)
  if not ok and type(report) ~= "table" then error(report, 0) end
  if not ok then report, status = engine:abandoned(report) end
  operator.output[#operator.output + 1] = json.encode(report)
  if operator.log then assert(operator.log:sync()) end
  return status, report
end

--- Runs one command to its end, inside the world.
---@param operator torture.Operator
---@param word "plan"|"run"|"resume"
---@return integer status
function M.command(operator, word)
  operator.scene:say("%s: %s", operator.name, word)
  local status, report = perform(operator, word)
  operator.status, operator.report = status, report
  operator.adopted = operator.recipe == "adopt" and word ~= "plan" and status == 0
  if operator.adopted then operator.recipe = "console" end
  local error_text = report and report.error and (" " .. tostring(report.error.message)) or ""
  operator.scene:say("%s: %s ends with %d%s", operator.name, word, status, error_text)
  return status
end

--- What the operator does after a command that ended, or was ended.
---@return "run"|"resume"|nil
function M.next_word(operator, crashed)
  if operator.disks[1] == nil then return "run" end
  if crashed or operator.status == 5 then return "resume" end
  if operator.adopted then return "run" end
  return operator.status ~= 0 and "run" or nil
end

--- The machine is gone, and with it the journals: whoever goes on has none.
function M.lose(operator)
  operator.scene:say("%s: the machine is lost", operator.name)
  table.move(operator.disks, 1, #operator.disks, #operator.lost + 1, operator.lost)
  operator.disks = {}
end

--- The machine goes off in the middle of whatever runs.
function M.crash(operator, chance)
  operator.scene:say("%s: crash", operator.name)
  if operator.door then operator.door:shut() end
  local last = operator.disks[#operator.disks]
  if last then last:crash(chance) end
end

return M
