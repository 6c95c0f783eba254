--- The world of a script (`cmek exec`) and of the prompt (`cmek repl`): a recipe's safe names, print, pcall, json, tasks, and the services.
--- Unlike a recipe they may have globals.
local M = {}

--- The services, by the names that recipes give them.
M.SERVICES = { "cloud", "iam", "kms", "sts", "tagging", "vault" }

local called = setmetatable({}, { __mode = "k" })   -- the dotted names of services' functions

--- The name of a service's function: "kms.create_key"; nil when it is none.
---@param fn any
---@return string?
function M.name_of(fn) return called[fn] end

-- A service whose calls open the hosts of the region that they name: there is no recipe that reads it from a cluster.
local function opening(door, service, name)
  return setmetatable({}, { __service = name, __index = function(_, field)
    local fn = service[field]
    if type(fn) ~= "function" then return fn end
    local function call(options, ...)
      if type(options) == "table" and options.region then door:region(options.region) end
      return fn(options, ...)
    end
    called[call] = name .. "." .. field
    return call
  end })
end

-- What a script does at once; it runs as a task already.
local function tasks_of(session)
  local said = {}
  for _, name in ipairs { "map", "all", "spawn", "daemon", "sleep", "deadline", "check" } do said[name] = session.tasks[name] end
  return said
end

---@param options { path: string, door: table, session: table, output: ui.Output, arguments: string[]?,
---  services: table<string, table>? }
---  path: of the script; files are required from beside it; services: what stands for the session's
---@return table environment  _ENV of its chunks
---@return Sandbox sandbox    what its names can be added to
function M.new(options)
  local session, output = options.session, options.output
  local sandboxes = require "sandbox"
  local sandbox = sandboxes.new { path = options.path, is_file = true }
  sandbox.script = true
  local read_only = sandboxes.read_only
  local names = { arg = options.arguments, task = read_only(tasks_of(session)), json = read_only(require "json"),
    pcall = require("task").protected(session.tasks, options.door), error = error, assert = assert, next = next,
    print = function(...)
      local words = table.pack(...)
      for i = 1, words.n do words[i] = tostring(words[i]) end
      output:print(table.concat(words, "\t") .. "\n")
    end }
  local services = options.services or session
  for _, service in ipairs(M.SERVICES) do
    names[service] = opening(options.door, services[service], service)
  end
  names.aws = opening(options.door, services.aws, "aws")
  sandbox:bind(names)
  return setmetatable({}, { __index = sandbox.environment }), sandbox
end

return M
