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
---@field last string?          the whole of what was printed last
---@field traced boolean?       `:trace on`
local Repl = { __name = "Repl" }
Repl.__index = Repl

local chunks = require "repl.chunk"
local failure = require "ui.failure"
local show = require "repl.show"
local trouble = require "repl.trouble"

local M = {}

local LEAST <const> = 5   -- lines of a value that are shown even on the lowest terminal

---@param options { door: table, session: Session, progress: ui.Progress, output: ui.Output, common: table, interactive: boolean,
---  read: fun(prompt: string): string?, string? }  read: a line, without its end; nil: there are no more, and why
---@return Repl
function M.new(options)
  local self = setmetatable({ door = options.door, session = options.session, progress = options.progress, output = options.output,
    common = options.common, interactive = options.interactive, read = options.read, run_id = "", chunks = {}, failed = {}, line = 0 }, Repl)
  self.name = self.interactive and "prompt" or "stdin"
  self.environment, self.begin, self.names = require("repl.world").new(self)
  return self
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
  local texts = {}
  for i = 1, values.n do
    texts[i] = show.render(values[i], { width = self.interactive and self.output:width() or math.huge,
      paint = function(colour, text) return self.output:paint(colour, text) end })
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

--- Runs a compiled chunk as a task.
---@param chunk function
---@return boolean ok, any ...  its values, or what it raised
function Repl:call(chunk)
  self.begin()
  return pcall(self.session.tasks.run, function()
    if not self.checked then
      require("operation").check_account(self.common, self.session)
      self.checked = true
    end
    return chunk()
  end)
end

function Repl:tell(raised, text, line)
  self.output:note("cmek: " .. trouble.text(raised, { text = text, name = self.name, line = line }, self.interactive) .. "\n")
end

-- Runs a chunk and prints. Returns whether it went well.
function Repl:evaluate(chunk, text, line)
  local results = table.pack(self:call(chunk))
  self.progress:close()
  if not results[1] then
    self:keep(text, { n = 0 })
    self.failed[#self.chunks] = true
    self:tell(results[2], text, line)
    return false
  end
  local values = table.pack(table.unpack(results, 2, results.n))
  self:keep(text, values)
  local shown, raised = pcall(self.print_values, self, values)
  if not shown then self:tell(raised, text, line) end
  return shown
end

--- Takes one more line. Returns "more" while lines are missing, else whether it went well.
---@param pending string?  the lines of the chunk before it
---@param first integer    the number of the chunk's first line
---@param line string
---@return "more"|boolean result, string? pending
function Repl:feed(pending, first, line)
  local text = pending and pending .. "\n" .. line or line
  if not pending and line:find "^%s*:" then return require("repl.commands").run(self, line) end
  if not pending and line:find "^%s*%?" then return require("repl.commands").run(self, ":help " .. line:match "^%s*%?%s*(.*)") end
  if chunks.is_blank(text) then return true end
  local chunk, message = chunks.load(text, self.name, self.environment, self.interactive and 1 or first)
  if chunk then return self:evaluate(chunk, text, self.interactive and 1 or first) end
  if not message then return "more", text end
  self:tell(message, text, self.interactive and 1 or first)
  return false
end

--- Reads and runs until there are no more lines or somebody leaves.
---@return integer status
function Repl:run()
  local pending, first = nil, 1
  while not self.leaving do
    local line, why = self.read(pending)
    if not line then
      if why == "cancelled" then pending = nil goto continue end
      if pending and not self.interactive then
        self:tell(("stdin:%d: the chunk that begins here is not complete"):format(first), pending, first)
        return trouble.STATUS
      end
      break
    end
    self.line = self.line + 1
    if not pending then first = self.line end
    local result
    result, pending = self:feed(pending, first, line)
    if result == false and not self.interactive then return trouble.STATUS end
    ::continue::
  end
  return failure.DONE
end

--- Ends what was begun: the journal of a prompt that was let write.
function Repl:close()
  if self.journal then require("runs").finish(self.door, self.journal, { status = "done" }) end
  self.journal = nil
end

-- Rights and words -------------------------------------------------------------------------------------------------

--- Asks at the terminal for the right to write. What is written from then on is in a journal.
function Repl:allow_writes()
  if self.journal then return end
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

--- Begins anew: globals and what was required are gone.
function Repl:reload()
  self.environment, self.begin, self.names = require("repl.world").new(self)
end

--- Help on a name that is at hand, or a topic of `cmek help`.
---@param what any  a name, or a function of the library
function Repl:help(what)
  require("repl.help").show(self, what)
end

return M
