--- `cmek exec [--write] FILE [ARG…]`: any Lua script with the services at hand; also as the first line of one:
--- `#!/usr/bin/env -S cmek exec`. It reads, unless --write is given and agreed to.
local failure = require "ui.failure"
local flags = require "flags"

local M = {}

local SCRIPT_MAX <const> = 1 << 20

local SERVICES <const> = { "cloud", "iam", "kms", "sts", "tagging" }

local function load_script(path, environment)
  local text, message = require("file").read(path, SCRIPT_MAX)
  if not text then failure.usage(("cannot read the script '%s': %s"):format(path, message)) end
  local chunk
  chunk, message = load(text:gsub("^#[^\n]*", "", 1), "@" .. path, "t", environment)
  if not chunk then failure.usage(message) end
  return chunk
end

--- What a script sees: a recipe's safe names, its arguments, print, pcall, json, tasks, and the services.
local function world(path, session, output, script_arguments)
  local sandbox = require("sandbox").new { path = path, is_file = true }
  local names = { arg = script_arguments, task = session.tasks, json = require "json", pcall = pcall, next = next,
    print = function(...)
      local words = table.pack(...)
      for i = 1, words.n do words[i] = tostring(words[i]) end
      output.terminal.write(table.concat(words, "\t") .. "\n")
    end }
  for _, service in ipairs(SERVICES) do names[service] = session[service] end
  sandbox:bind(names)
  return setmetatable({}, { __index = sandbox.environment })   -- a script may have globals
end

---@param arguments string[]
---@param output ui.Output
---@return integer status  what the script returns; 0 when it returns nothing
function M.run(arguments, output)
  local path, _, position = flags.first("exec", arguments)
  -- what stands after the file is the script's
  local common = flags.parse("exec", nil, {}, { table.unpack(arguments, 1, position and position - 1) })
  if common.help then
    output:result(flags.help("exec", nil, {}) .. "\n")
    return 0
  end
  if not path then failure.usage("cmek exec wants the file of a script", "cmek exec [--write] FILE [ARG…]") end
  local script_arguments = { table.unpack(arguments, position + 1) }
  local operation = require "operation"
  local door, session = operation.connect(common, nil, nil, output)
  script_arguments[0] = path
  local chunk = load_script(path, world(path, session, output, script_arguments))
  if common.write then operation.permit_writes(door, common, ("Let '%s' write?"):format(path)) end
  local result = session.tasks.run(chunk, table.unpack(script_arguments))
  return math.type(result) == "integer" and result & 0xff or 0
end

return M
