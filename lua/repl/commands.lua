--- What begins with ':' at the prompt.
local failure = require "ui.failure"

local M = {}

--- A word, what may follow it, what it does, its function: it is given the prompt and the rest of the line.
---@type { [1]: string, usage: string?, text: string, stopped: boolean?, run: fun(repl: Repl, rest: string) }[]
--- stopped: where a recipe has stopped, and nowhere else.
local COMMANDS <const> = {
  { "help", usage = "[NAME]", text = "this, a function of the library, or a topic", run = function(repl, rest) repl:help(rest) end },
  { "allow-writes", text = "let the prompt create and change things, after a question; what it writes is in a journal",
    run = function(repl) repl:allow_writes() end },
  { "page", text = "all of what was printed last", run = function(repl) if repl.last then repl.output:result(repl.last .. "\n") end end },
  { "save", usage = "FILE", text = "what was printed last, into a file", run = function(repl, rest) M.save(repl, rest) end },
  { "time", usage = "CHUNK", text = "run it, and say how long it took", run = function(repl, rest) return M.time(repl, rest) end },
  { "trace", usage = "on|off", text = "show each request and its answer's status", run = function(repl, rest) M.trace(repl, rest) end },
  { "history", text = "the chunks of this prompt, numbered: _N is the value of chunk N", run = function(repl) M.history(repl) end },
  { "save-recipe", usage = "FILE", text = "the chunks that went well, as a recipe to be edited",
    run = function(repl, rest) M.save_recipe(repl, rest) end },
  { "reload", text = "forget globals and what was required, keep the history", run = function(repl) repl:reload() end },
  { "where", usage = "[N]", text = "the lines on whose way the recipe has stopped; N: look at the variables of that one", stopped = true,
    run = function(repl, rest) M.where(repl, rest) end },
  { "locals", text = "the variables there, and what they hold", stopped = true,
    run = function(repl) repl:print(repl.stopped:locals(repl.output:width())) end },
  { "continue", text = "go on: what has failed is called anew, with what is in call; behind break() with the next line", stopped = true,
    run = function(repl) M.go_on(repl) end },
  { "quit", text = "leave (or ^D); where a recipe has stopped, the run ends", run = function(repl) repl.leaving = true end },
}

--- The commands, one a line; those that are for where a recipe has stopped as well.
---@return string
function M.list()
  local rows = {}
  for i, command in ipairs(COMMANDS) do
    rows[i] = { ":" .. command[1] .. (command.usage and " " .. command.usage or ""), command.text }
  end
  return (require("ui.table").render(rows, "  "):gsub("\n$", ""))
end

--- They and what they do, for completion.
---@param repl Repl?
---@return { [1]: string, usage: string?, text: string }[]
function M.known(repl)
  local known = {}
  for _, command in ipairs(COMMANDS) do
    if not command.stopped or repl and repl.stopped then
      known[#known + 1] = { ":" .. command[1], usage = command.usage, text = command.text }
    end
  end
  return known
end

local function find(word)
  for _, command in ipairs(COMMANDS) do
    if command[1] == word then return command end
  end
  local names = {}
  for i, command in ipairs(COMMANDS) do names[i] = command[1] end
  local near = require("ui.near").near(word, names)[1]
  failure.usage((":%s is no command of the prompt%s"):format(word, near and "; did you mean :" .. near .. "?" or ""), ":help lists them")
end

--- Does a command. Returns whether it went well.
---@param repl Repl
---@param line string
---@return boolean
function M.run(repl, line)
  local word, rest = line:match "^%s*:%s*(%S*)%s*(.-)%s*$"
  local ok, result = pcall(function()
    local command = find(word)
    if command.stopped and not repl.stopped then
      failure.usage((":%s is for where a recipe has stopped, and none has"):format(word), "cmek help on-error")
    end
    return command.run(repl, rest)
  end)
  if not ok then repl:tell(result) end
  return ok and result ~= false
end

--- Shows the calls, or chooses the one whose variables are at hand.
function M.where(repl, rest)
  local number = rest ~= "" and math.tointeger(tonumber(rest))
  if rest ~= "" and not (number and repl.stopped:choose(number)) then
    failure.usage((":where takes the number of one of %d lines, not '%s'"):format(#repl.stopped.stop.frames, rest), ":where shows them")
  end
  repl:print(repl.stopped:where())
end

--- Goes on with the recipe.
function M.go_on(repl)
  local stop = repl.stopped.stop
  if stop.raised ~= nil and not stop.call then
    failure.usage("there is nothing to repeat: it is this line of the recipe that failed, not what it calls",
      ":quit, put the line right, then type the command again")
  end
  repl.leaving, repl.going_on = true, true
end

local function path_of(word, rest)
  if rest == "" then failure.usage((":%s wants the name of a file"):format(word), (":%s FILE"):format(word)) end
  return rest
end

local function write(path, text)
  if require("file").exists(path) then failure.usage(("'%s' is there already"):format(path), "name another file") end
  local done, message = require("file").write(path, require("secret").mask(text))
  if not done then failure.raise { status = failure.FAILED, what = "saving", message = message } end
end

--- Writes what was printed last into a new file.
function M.save(repl, rest)
  local path = path_of("save", rest)
  if not repl.last then failure.usage "nothing was printed yet" end
  write(path, repl.last:gsub("\27%[[%d;]*m", "") .. "\n")
  repl.output:note(path .. " written\n")
end

--- Runs a chunk and says how long it took.
function M.time(repl, rest)
  local began = repl.door.clock.now()
  local result = repl:feed(nil, repl.line, rest)
  if result == "more" then failure.usage "the chunk after :time has to stand in one line" end
  repl.output:note(("%.3f s\n"):format(repl.door.clock.now() - began))
  return result
end

--- Shows each request from here on, or no longer.
function M.trace(repl, rest)
  if rest ~= "on" and rest ~= "off" then failure.usage(":trace wants on or off") end
  repl.traced = rest == "on"
end

--- Lists the chunks.
function M.history(repl)
  local lines = {}
  for i, text in ipairs(repl.chunks) do lines[i] = ("%3d  %s"):format(i, (text:gsub("\n", "\n     "))) end
  if #lines > 0 then repl:print(table.concat(lines, "\n")) end
end

-- A statement as a part of a function: what was global is local, what was printed is looked at.
local function statement(text, seen)
  if not load(text, "=chunk", "t", {}) then return "local _ = " .. text end
  local name = text:match "^%s*([%a_][%w_]*)%s*=[^=]" or text:match "^%s*function%s+([%a_][%w_]*)%s*%("
  if not name or seen[name] then return text end
  seen[name] = true
  return "local " .. text:match "^%s*(.*)$"
end

local function statements(chunk, seen)
  local parts = require("repl.chunk").parts(chunk) or { chunk }
  for i, part in ipairs(parts) do parts[i] = statement(part, seen) end
  return table.concat(parts, "\n")
end

--- Writes the chunks that went well as a recipe.
function M.save_recipe(repl, rest)
  local path, body, seen, touched = path_of("save-recipe", rest), {}, {}, {}
  for i, text in ipairs(repl.chunks) do
    if not repl.failed[i] then body[#body + 1] = "    " .. statements(text, seen):gsub("\n", "\n    ") end
  end
  local whole = table.concat(body, "\n")
  for _, service in ipairs(require("world").SERVICES) do
    if (" " .. whole):find("[^%w_.]" .. service .. "%.") or service == "cloud" then touched[#touched + 1] = service end
  end
  write(path, ([[
--- Saved from a prompt: name in args what it shall be told, and take out what was only looked at.
return {
  api     = 1,
  summary = "Saved from a prompt",
  args    = {},
  touches = { "%s" },

  run = function()
%s
  end,
}
]]):format(table.concat(touched, '", "'), whole))
  local name = require("engine.mend").quote(path:find "/" and path or "./" .. path)
  repl.output:note(("%s written; cmek recipes check %s says what is still to be done to it\n"):format(name, name))
end

return M
