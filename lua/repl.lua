--- The prompt: reads lines until a chunk is complete, runs it as a task, prints what it comes to. It reads only, until the person at the
--- terminal has agreed to `:allow-writes`; the door holds to that.
---@class Repl
---@field door table
---@field session Session
---@field progress ui.Progress
---@field output ui.Output
---@field common table          the command's own flags
---@field interactive boolean   somebody sits there; else lines come from a pipe, and the first error ends it
---@field run_id string         of the journal, once the prompt may write; "" before
---@field journal userdata?
---@field chunks string[]       those that were run, in order
---@field failed table<integer, true>  numbers of those that raised something
---@field name string           of the chunk that runs, in messages: "chunk 3", "stdin"
---@field lines string[]        of stdin, as they were read
---@field typed table<string, string>  the texts of chunks, by their names
---@field latest string?        the last one's, its lines where messages count them
---@field last string?          the whole of what was printed last
---@field traced boolean?       `:trace on`
---@field live repl.NamesCache  names for TAB
---@field inside Recipe?        whose run it is opened in, when that stops
---@field stopped repl.Stopped?   where
---@field leaving boolean?      no more lines are read
---@field going_on boolean?     :continue was typed
local Repl = { __name = "Repl" }
Repl.__index = Repl

local chunks = require "repl.chunk"
local failure = require "ui.failure"
local located = require "located"
local task = require "task"
local show = require "repl.show"
local trouble = require "repl.trouble"

local M = {}

local MEANT <const> = { help = ":help", quit = ":quit", exit = ":quit" }   -- as other prompts have them
local PARTS <const> = { "aws", "cloud", "vault" }   -- of the door, by which requests leave
local WHO <const> = 20    -- times 50 ms that the first chunk waits to know whose account this is
local LEAST <const> = 5   -- lines of a value that are shown even on the lowest terminal

---@param options { door: table, session: Session, progress: ui.Progress, output: ui.Output, common: table, interactive: boolean,
---  read: (fun(pending: string?): string?, string?), keep: (fun(text: string))?, order: table?, inside: Recipe?, run_id: string? }
---  read: the next line, without its end, of the chunk whose earlier lines it is given; nil and why: "cancelled", or there are no more;
---  keep: told of each chunk, for the history; order: the recipe and the arguments that were named, as operation.read has them;
---  inside: the recipe in whose run it opens (step_in), and run_id: that run
---@return Repl
function M.new(options)
  local self = setmetatable({ door = options.door, session = options.session, progress = options.progress, output = options.output,
    common = options.common, interactive = options.interactive, read = options.read, keep_text = options.keep or function() end,
    order = options.order, inside = options.inside, run_id = options.run_id or "", chunks = {}, failed = {}, line = 0,
    lines = {}, typed = {} }, Repl)
  self.name = "stdin"
  self.live = self.interactive and require("repl.names_cache").open() or require("repl.names_cache").new()
  for _, part in ipairs(PARTS) do self:watch(part) end
  self.checked, self.looked = self.inside ~= nil, self.inside ~= nil   -- by the run, which says whose it is
  self:reload()
  return self
end

-- The prompt -------------------------------------------------------------------------------------------------------

--- Whether it may write: what it was let, or what the run may that has stopped.
---@return boolean
function Repl:may_write()
  if self.stopped then return self.stopped.stop.writes end
  return self.journal ~= nil
end

-- What stands in the prompt before its right: the line that has stopped, or whose account it is.
local function place_of(self)
  local frame = self.stopped and self.stopped.stop.frames[1]
  if frame then return ("%s:%d "):format(frame.path:match "[^/]*$", frame.line) end
  if self.stopped then return "" end
  return "cmek " .. (self.account and ("%s…%s "):format(self.account:sub(1, 4), self.session.region and ":" .. self.session.region or "") or "")
end

--- The prompt's own text: whose account and which region, once that is known, and whether it only reads.
---@param more boolean  lines of a chunk are missing
---@return string  what moves no cursor stands between \1
function Repl:prompt(more)
  local text = ("%s%s>"):format(place_of(self), self:may_write() and "write" or "read")
  if more then text = (" "):rep(utf8.len(text) - 1) .. "…" end
  if not self.output.colour then return text .. " " end
  local colour = self:may_write() and "1;31" or "1"
  return ("\1\27[%sm\1%s\1\27[0m\1 "):format(colour, text)
end

-- Asks beside the first request who this is; the prompt shows it as soon as the answer is there.
function Repl:look_who()
  if self.looked or not self.interactive then return end
  self.looked, self.asking = true, true
  self.session.tasks.daemon(function()
    local ok, identity = pcall(self.session.identity, self.session)
    self.account, self.asking = ok and identity.account or nil, false
    self.looked = ok or self.door:stopping() == nil   -- after ^C it is asked again
    self.live:belong(self.account)
  end)
  self.live:read(self.session, { self.session.region })
end

-- What a request is, in words that hold no value that was sent.
local function title(part, request)
  local words = { part }
  for _, field in ipairs { "service", "operation", "region", "method", "mount", "path" } do
    local value = request[field]
    if type(value) == "string" and value ~= part then words[#words + 1] = value end
  end
  return table.concat(words, " ")
end

-- Sees each request of a part of the door: for `:trace`, and to know when the first one is made.
function Repl:watch(part)
  local functions, clock = self.door[part], self.door.clock
  local send = functions.request
  functions.request = function(request, ...)
    self:look_who()
    if not self.traced then return send(request, ...) end
    local began = clock.now()
    local answer, message, code = send(request, ...)
    local status = type(answer) == "table" and answer.status or message
    self.output:note(self.output:paint("dim", ("  %s: %s, %.0f ms"):format(title(part, request), tostring(status),
      (clock.now() - began) * 1000)) .. "\n")
    return answer, message, code
  end
end

-- Printing ---------------------------------------------------------------------------------------------------------

--- Prints a text, on a terminal no more of it than fits; `:page` shows all.
---@param text string
function Repl:print(text)
  self.last = text
  local output = self.output
  if self.interactive and output.terminal.is_terminal "stdout" then
    local left_out
    text, left_out = show.fit(text, output:width(), math.max(LEAST, output.terminal.height() - 4))
    if left_out > 0 then text = text .. "\n" .. output:paint("dim", ("… %d more lines (:page, :save FILE)"):format(left_out)) end
  end
  output:result(text .. "\n")
end

-- What a chunk came to. nil alone is nothing to print; it is told that there was one where others stand beside it.
function Repl:print_values(values)
  if values.n == 0 or (values.n == 1 and values[1] == nil) then return end
  local texts, describe = {}, require("repl.help").describer(self)
  for i = 1, values.n do
    texts[i] = show.render(values[i], { width = self.interactive and self.output:width() or math.huge,
      paint = function(colour, text) return self.output:paint(colour, text) end,
      describe = describe })
  end
  self:print(table.concat(texts, "\n"))
end

-- Running ----------------------------------------------------------------------------------------------------------

-- Keeps what a chunk came to: `_` is the last value, `_N` that of chunk N.
function Repl:keep(text, values)
  local number = #self.chunks + 1
  self.chunks[number] = text
  if values.n > 0 and values[1] ~= nil then
    rawset(self.environment, "_", values[1])
    rawset(self.environment, "_" .. number, values[1])
  end
end

-- Calls fn in a task of its own; where a recipe has stopped, the tasks of the run rest meanwhile.
function Repl:in_task(fn)
  local tasks = self.session.tasks
  if not self.stopped then return pcall(tasks.run, fn) end
  local results = table.pack(pcall(function() return tasks.spawn(fn).wait() end))
  task.rest(tasks, true)
  return table.unpack(results, 1, results.n)
end

--- Runs a compiled chunk as a task.
---@param chunk function
---@return boolean ok, any ...  its values, or what it raised
function Repl:call(chunk)
  local options = self:located()
  self.begin()
  return self:in_task(function()
    if not self.checked then
      require("operation").check_account(self.common, self.session)
      self.checked = true
    end
    local results = table.pack(located.call(options, chunk))
    for _ = 1, WHO do
      if self.asking then self.session.tasks.sleep(0.05) end
    end
    return table.unpack(results, 1, results.n)
  end)
end

-- What ^C stopped is over.
function Repl:go_on()
  local stopped = self.door:stopping()
  if self.interactive and (stopped == nil or stopped == "SIGINT") then self.door:go_on() end
  return stopped
end

-- Keeps the lines of a chunk, by the name that messages give it: those of stdin are one text.
function Repl:remember(text, first)
  local number = first
  for line in (text .. "\n"):gmatch "([^\n]*)\n" do
    self.lines[number], number = line, number + 1
  end
  self.typed[self.name] = self.interactive and text or table.concat(self.lines, "\n")
  self.latest = ("\n"):rep(first - 1) .. text
end

-- By which texts a chunk is told of.
function Repl:located()
  local sources = {}
  for name, text in pairs(self.inside and self.inside.world.sources or {}) do sources[name] = text end   -- order cannot be seen
  for name, text in pairs(self.typed) do sources[name] = text end   -- order cannot be seen
  return { traceback = self.common.traceback, sources = sources, chunks = { [self.name] = self.latest }, script = true,
    own = not self.interactive or self.latest ~= nil and self.latest:find "\n" ~= nil,
    allow = self.interactive and (self.stopped and ":continue leads on to where the plan is agreed to"
      or ":allow-writes lets this prompt write, once you agree") or "cmek exec --write FILE lets a script write, once it is agreed to" }
end

function Repl:tell(raised)
  self.output:note(self.output:trouble("cmek: " .. trouble.text(raised, self.interactive and self.name or nil) .. "\n"))
end

-- Runs a chunk and prints. Returns whether it went well.
function Repl:evaluate(chunk, text)
  local results = table.pack(self:call(chunk))
  if not self.stopped then self.progress:close() end
  local stopped = self:go_on()
  if stopped and not results[1] and self.interactive then
    self:keep(text, { n = 0 })
    self.failed[#self.chunks] = true
    self.output:note(stopped == "SIGINT" and "\ncancelled\n" or "")
    self.leaving = self.leaving or stopped ~= "SIGINT"
    return false
  end
  if not results[1] then
    self:keep(text, { n = 0 })
    self.failed[#self.chunks] = true
    self:tell(results[2])
    return false
  end
  local values = table.pack(table.unpack(results, 2, results.n))
  self:keep(text, values)
  local shown, raised = pcall(self.print_values, self, values)
  if self:go_on() == "SIGINT" and self.interactive then
    self.output:note "\ncancelled\n"
  elseif not shown then
    self:tell(raised)
  end
  return shown
end

--- Takes one more line. Returns "more" while lines are missing, else whether it went well.
---@param pending string?  the lines of the chunk before it
---@param first integer    the number of the chunk's first line
---@param line string
---@return "more"|boolean result, string? pending
function Repl:feed(pending, first, line)
  local text = pending and pending .. "\n" .. line or line
  if not pending and self.interactive then line = MEANT[line:match "^%s*(.-)[%s()]*$"] or line end
  if not pending and line:find "^%s*[:?]" then self.keep_text(line) end
  if not pending and line:find "^%s*:" then return require("repl.commands").run(self, line) end
  if not pending and line:find "^%s*%?" then return require("repl.commands").run(self, ":help " .. line:match "^%s*%?%s*(.*)") end
  if chunks.is_blank(text) then return true end
  if self.interactive then self.name, first = ("chunk %d"):format(#self.chunks + 1), 1 end
  local chunk, message = chunks.load(text, self.name, self.scope, first)
  if not chunk and not message then return "more", text end
  self.keep_text(text)
  self:remember(text, first)
  if chunk then return self:evaluate(chunk, text) end
  self:tell(located.of(message, self:located()))
  return false
end

--- Reads and runs until there are no more lines or somebody leaves.
---@return integer status
function Repl:run()
  local pending, first = nil, 1
  while not self.leaving do
    self:go_on()
    local line, why = self.read(pending)
    if not line then
      if why == "cancelled" or self.interactive and self.door:stopping() == "SIGINT" then
        pending = nil
        goto continue
      end
      if pending and not self.interactive then
        self:tell(("stdin:%d: the chunk that begins here is not complete"):format(first))
        return trouble.STATUS
      end
      break
    end
    self.line = self.line + 1
    self.lines[self.line] = line
    if not pending then first = self.line end
    local result
    result, pending = self:feed(pending, first, line)
    if result == false and not self.interactive then return trouble.STATUS end
    ::continue::
  end
  return failure.SIGNALS[self.door:stopping()] or failure.DONE
end

--- Where a recipe has stopped: shows the place, and reads and runs until somebody goes on or leaves. In the task that has stopped.
---@param stop engine.Stop
---@return boolean go_on
function Repl:step_in(stop)
  self.stopped = require("repl.stopped").new(stop)
  self.scope = self.stopped:scope(self.environment)
  self.leaving, self.going_on = false, false
  local advice = table.concat(self.output:wrap(self.stopped:advice(), ""), "\n")
  self.output:note(("%s\n%s\n"):format(self.output:trouble(self.stopped:headline()), self.output:paint("dim", advice)))
  local ok, raised = pcall(self.run, self)
  self.stopped, self.scope = nil, self.environment
  if not ok then error(raised, 0) end
  return self.going_on
end

--- Ends what was begun: the journal of a prompt that was let write.
function Repl:close()
  self.live:save()
  if self.journal then require("runs").finish(self.door, self.journal, { status = "done" }) end
  self.journal = nil
end

-- Rights and words -------------------------------------------------------------------------------------------------

--- Asks at the terminal for the right to write. What is written from then on is in a journal.
function Repl:allow_writes()
  if self:may_write() then return end
  if self.stopped then
    failure.usage("what this prompt may write is what its run may: that reads until its plan is agreed to", ":continue, or :quit")
  end
  local runs = require "runs"
  local directory = runs.directory(self.common.journal)
  local ok, reason = self.door:permit_writes "Let this prompt create and change things? [y/N] "
  if not ok then failure.raise { status = failure.FAILED, what = "letting the prompt write", message = reason } end
  self.run_id = runs.new_id(self.door.clock)
  local journal = runs.create(directory, self.run_id)
  self.door:record(journal)
  runs.begin(self.door, journal, directory, { run = self.run_id, version = require "version", script = "prompt" })
  self.journal = journal
end

--- What TAB can complete.
---@return repl.World
function Repl:known()
  local environment = self.environment
  if self.stopped then
    local names = self.stopped:names()   -- they hide what has the same name elsewhere
    for name, value in next, environment do   -- order cannot be seen
      if names[name] == nil then names[name] = value end
    end
    environment = names
  end
  return { names = self.names, environment = environment, live = self.live, commands = require("repl.commands").known(self) }
end

--- Begins anew: globals and what was required are gone.
function Repl:reload()
  self.environment, self.begin, self.names = require("repl.world").new(self)
  self.scope = self.stopped and self.stopped:scope(self.environment) or self.environment
end

--- Help on a name that is at hand, or a topic of `cmek help`.
---@param what any  a name, or a function of the library
function Repl:help(what)
  require("repl.help").show(self, what)
end

return M
