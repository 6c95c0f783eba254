--- `cmek exec [--write] FILE [ARG…]`: any Lua script with the services at hand; also as the first line of one:
--- `#!/usr/bin/env -S cmek exec`; FILE may be -, which is stdin. It reads, unless --write is given and agreed to.
local failure = require "ui.failure"
local flags = require "flags"
local located = require "located"

local M = {}

local SCRIPT_MAX <const> = 1 << 20
local STDIN <const> = "/dev/stdin"

local function load_script(path, environment)
  local text, message = require("file").read(path, SCRIPT_MAX)
  if not text then failure.usage(("cannot read the script '%s': %s"):format(path, failure.reason(message)), "cmek exec FILE, or - for stdin") end
  text, path = text:gsub("^#[^\n]*", "", 1), require("source").name(path)
  local sources, chunk = { [path] = text }
  chunk, message = load(require("source").KEEP .. text, "@" .. path, "t", environment)
  if not chunk then failure.usage(tostring(located.of(message, { script = true, sources = sources }))) end
  return chunk, sources
end

-- What a script writes is in a journal, and agreed to beforehand. Returns the journal and its run's ID.
local function journal_of(common)
  local runs = require "runs"
  local directory = runs.directory(common.journal)
  local id = runs.new_id(require("door").new { user_agent = "cmek" }.clock)
  return runs.create(directory, id), id, directory
end

local function permit(door, journal, path)
  local ok, reason = door:permit_writes(("Let '%s' write? [y/N] "):format(path))
  if not ok then
    require("runs").finish(door, journal, { status = "declined" })
    failure.raise { status = failure.FAILED, what = ("letting '%s' write"):format(path), message = reason }
  end
end

---@param arguments string[]
---@param output ui.Output
---@return integer status  what the script returns; 0 when it returns nothing
function M.run(arguments, output)
  local path, _, position = flags.first("exec", arguments)
  for i = 1, position and position - 1 or #arguments do   -- what stands behind the file is the script's
    if arguments[i] == "-" then
      path, position = STDIN, i
      break
    end
  end
  local common = flags.parse("exec", nil, {}, { table.unpack(arguments, 1, position and position - 1) })
  if common.help then
    output:help(flags.help("exec", nil, {}) .. "\n")
    return 0
  end
  if not path then failure.usage("cmek exec wants the file of a script", "cmek exec [--write] FILE [ARG…], FILE may be - for stdin") end
  local script_arguments = { [0] = path, table.unpack(arguments, position + 1) }
  local journal, id, directory
  if common.write then journal, id, directory = journal_of(common) end
  local door, session = require("operation").connect(common, id, journal, output)
  local environment = require("world").new { path = path, door = door, session = session, output = output, arguments = script_arguments }
  local chunk, sources = load_script(path, environment)
  if journal then
    require("runs").begin(door, journal, directory, { run = id, version = require "version", script = path })
    permit(door, journal, path)
  end
  local options = { script = true, path = require("source").name(path), traceback = common.traceback, sources = sources,
    own = true,
    allow = not common.write and ("cmek exec --write %s lets it write, once it is agreed to"):format(require("quote")(path)) or nil }
  local ok, result = pcall(session.tasks.run, function(...)
    require("operation").check_account(common, session)
    return located.call(options, chunk, ...)
  end, table.unpack(script_arguments))
  if journal then require("runs").finish(door, journal, { status = ok and "done" or "failed" }) end
  local signal = not ok and type(result) == "string" and door:stopping()
  if signal then failure.raise { status = failure.SIGNALS[signal], message = result } end
  if not ok then
    local told = require("sandbox").told(result)
    if told ~= result then failure.raise { status = failure.FAILED, message = ("%s %s"):format(path, told) } end   -- of the script's own
    error(result, 0)
  end
  return math.type(result) == "integer" and result & 0xff or 0
end

return M
