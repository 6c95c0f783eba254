-- outside.lua -- cmek as a user's script meets it: the program itself, in a shell, beside the simulated services or a hostile one.
local file = require "file"
local json = require "json"
local process = require "process"

local M = {}

--- The program that runs these tests.
M.cmek = (function()
  local command <close> = assert(io.open("/proc/self/cmdline", "rb"))
  return assert(file.canonical(command:read("a"):match "^[^\0]+"))
end)()

--- Waits for something to become true, ten seconds at the most.
function M.until_true(what, condition)
  for _ = 1, 500 do
    local value = condition()
    if value then return value end
    os.execute "sleep 0.02"
  end
  error("waited in vain for " .. what, 2)
end

local function environment_of(directory, more)
  local variables = { PATH = true, HOME = directory, TMPDIR = directory, D = directory, CMEK = M.cmek, CMEK_STATE_DIR = directory .. "/state" }
  for name, value in pairs(more or {}) do variables[name] = value end   -- order cannot be seen
  return variables
end

--- What the simulator saw: a table a request, as `sim --log` has it.
local function read_log(directory)
  local list = {}
  for line in (file.read(directory .. "/log", 16 << 20) or ""):gmatch "[^\n]+" do list[#list + 1] = assert(json.decode(line)) end
  return list
end

local function count(log, want)
  local number = 0
  for _, entry in ipairs(log) do
    if want(entry) then number = number + 1 end
  end
  return number
end

local Result = {}
Result.__index = Result

--- How many writes the services were asked for; of one operation alone where it is named.
function Result:writes(operation)
  return count(self.log, function(entry) return entry.write and (operation == nil or entry.operation == operation) end)
end

--- How many requests were answered with this status or a higher one, by these services.
function Result:refused(status)
  return count(self.log, function(entry) return entry.service ~= "cloud" and entry.status >= status and entry.status ~= 404 end)
end

--- Runs a shell command in which $CMEK is the program and $D a directory of its own, against the simulated services.
---@param command string
---@param options { sim: string[]?, directory: string?, environment: table? }?  directory: of an earlier one, with its journals and state
---@return { status: integer, output: string, errors: string, text: string, log: table[], directory: string }
function M.simulated(command, options)
  options = options or {}
  local directory = options.directory or test.directory()
  local argv = { M.cmek, "sim", "--log", directory .. "/log" }
  for _, word in ipairs(options.sim or {}) do argv[#argv + 1] = word end
  -- the simulator scrubs what speaks to the services: these come after it
  for _, word in ipairs { "--", "sh", "-c", "export AWS_MAX_ATTEMPTS=1; " .. command } do argv[#argv + 1] = word end
  local result = assert(process.run { argv = argv, environment = environment_of(directory, options.environment), timeout = 60 })
  return setmetatable({ status = result.status, output = result.output, errors = result.error_output,
    text = result.output .. result.error_output, log = read_log(directory), directory = directory }, Result)
end

--- Starts such a command without waiting; finish() gives what simulated() gives.
---@return fun(): table finish
function M.begin(command, options)
  local directory = test.directory()
  local argv = { M.cmek, "sim", "--log", directory .. "/log" }
  for _, word in ipairs(options and options.sim or {}) do argv[#argv + 1] = word end
  for _, word in ipairs { "--", "sh", "-c", ("(%s) >$D/out 2>$D/errors </dev/null"):format(command) } do argv[#argv + 1] = word end
  local child = assert(process.spawn { argv = argv, environment = environment_of(directory) })
  return function()
    local status
    for _ = 1, 1500 do
      status = child:poll()
      if status then break end
      os.execute "sleep 0.02"
    end
    child:close()
    local output, errors = file.read(directory .. "/out") or "", file.read(directory .. "/errors") or ""
    return setmetatable({ status = status, output = output, errors = errors, text = output .. errors, log = read_log(directory),
      directory = directory }, Result)
  end
end

local hostile

--- A hostile service for all of a file's sentences: its URL, and what it was asked since the last look, a line a request.
---@return string url, fun(): string[] seen
function M.hostile()
  if not hostile then
    local directory = test.directory()
    hostile = { directory = directory, at = 1 }
    hostile.child = assert(process.spawn { argv = { M.cmek, "test", "tests/hostile.lua", directory }, environment = { PATH = true } })
    hostile.port = M.until_true("the hostile service's port", function() return file.read(directory .. "/port") end)
  end
  local function seen()
    local text = file.read(hostile.directory .. "/log", 16 << 20) or ""
    local list = {}
    for line in text:sub(hostile.at):gmatch "[^\n]+" do list[#list + 1] = line end
    hostile.at = #text + 1
    return list
  end
  seen()
  return "http://127.0.0.1:" .. hostile.port, seen
end

--- A certificate that vouches for itself, for these names ("IP:127.0.0.1,DNS:aws.invalid"): $D/cert and $D/key of a directory.
---@param names string
---@param days integer?  until it ends; -1: it has ended
---@return string directory
function M.certificate(names, days)
  local directory = test.directory()
  local made = os.execute(([[cd %s && echo subjectAltName=%s >names && openssl req -newkey rsa:2048 -nodes -subj /CN=cmek -keyout key -out csr \
    2>errors && openssl x509 -req -in csr -signkey key -days %d -extfile names -out cert 2>errors]]):format(directory, names, days or 2))
  if not made then test.skip "no openssl command" end
  return directory
end

--- Nothing of Lua's own words in what a user reads.
function M.plain(text)
  for _, words in ipairs { "stack traceback", "attempt to ", "bad argument" } do
    if text:find(words, 1, true) then error(("'%s' is shown to a user: %s"):format(words, text), 2) end
  end
end

return M
