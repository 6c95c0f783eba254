--- A prompt where a recipe has stopped (`run --on-error=repl`, `break()`): what its chunks see of the recipe, and what is told of the place.
---@class repl.Stopped
---@field stop engine.Stop
---@field number integer   the frame whose variables are at hand
local Stopped = { __name = "repl.Stopped" }
Stopped.__index = Stopped

local located = require "located"
local show = require "repl.show"
local trouble = require "repl.trouble"

local M = {}

local LEAST <const> = 20                    -- columns of a value in a list, at the least
local AROUND <const> = "(from around it)"   -- what an upvalue is

---@param stop engine.Stop
---@return repl.Stopped
function M.new(stop) return setmetatable({ stop = stop, number = 1 }, Stopped) end

--- The frame whose variables are at hand; nil where no line of the recipe's was on its way.
---@return engine.Frame?
function Stopped:frame() return self.stop.frames[self.number] end

-- Names ------------------------------------------------------------------------------------------------------------------

--- What a chunk sees: the variables of the frame, `call`, then what it sees elsewhere.
---@param environment table
---@return table
function Stopped:scope(environment)
  return setmetatable({}, {
    __index = function(_, name)
      local frame = self:frame()
      if frame and type(name) == "string" then
        local found, value = frame:get(name)
        if found then return value end
      end
      if name == "call" and self.stop.call then return self.stop.call end
      return environment[name]
    end,
    __newindex = function(_, name, value)
      local frame = self:frame()
      if not (frame and type(name) == "string" and frame:set(name, value)) then environment[name] = value end
    end,
    __metatable = false,
  })
end

--- The names of its own, for completion.
---@return table<string, any>
function Stopped:names()
  local names = { call = self.stop.call }
  for _, variable in ipairs(self:frame() and self:frame():variables() or {}) do
    if variable.value ~= nil then names[variable.name] = variable.value end
  end
  return names
end

-- What is told -------------------------------------------------------------------------------------------------------------

local PASSES <const> = { plan = "while planning", ["do"] = "while doing what was planned", verify = "while verifying", destroy = "while planning" }

-- The line with a marker below what is called, or below all of it.
local function excerpt(frame, call)
  if frame.whole == "" then return "" end
  local from, to
  if call then
    for at in frame.whole:gmatch("()" .. call.name:gsub("%p", "%%%0")) do from, to = from or at, to or at + #call.name - 1 end
  end
  return located.excerpt { line = frame.line, text = frame.whole, from = from or frame.whole:find "%S" or 1, to = to or #frame.whole }
end

--- The place, its line, and what has failed.
---@return string
function Stopped:headline()
  local stop, frame = self.stop, self:frame()
  local place = frame and ("%s:%d"):format(frame.path, frame.line) or "outside of the recipe's lines"
  local failed = stop.raised ~= nil
  local text = ("stopped at %s, %s%s"):format(place, PASSES[stop.phase], failed and "" or ": break()")
  if not failed then return text .. (frame and excerpt(frame) or "") end
  local placed = type(stop.raised) == "table" and rawget(stop.raised, "at") ~= nil
  if frame and not placed then text = text .. excerpt(frame, stop.call) end   -- else the message has the line already
  local said = trouble.text(stop.raised)
  return ("%s\n%s"):format(text, stop.told and said:match "^[^\n]*" or said)
end

-- Whether a call that would be made anew may have been done: nothing looks for what came of it, as ensure does.
local function may_be_done(stop)
  return stop.call ~= nil and stop.call.name:find(".", 1, true) ~= nil and require("refusal").is(stop.raised) and stop.raised.unknown == true
end

--- What can be done about it.
---@return string
function Stopped:advice()
  local stop = self.stop
  local go_on = stop.raised == nil and ":continue goes on"
    or stop.call and (":continue calls %s anew, with what is in call%s; :quit ends with this error"):format(stop.call.name,
      may_be_done(stop) and ", which may have been done: look first, or it is done twice" or "")
    or "nothing can be repeated here; :quit ends with this error"
  return (":locals and :where show what there is, names can be read and set; %s"):format(go_on)
end

--- The calls, innermost first.
---@return string
function Stopped:where()
  local rows = {}
  for i, frame in ipairs(self.stop.frames) do
    rows[i] = { ("%s %d"):format(i == self.number and "→" or " ", i), ("%s:%d"):format(frame.path, frame.line), frame.text }
  end
  return #rows > 0 and (require("ui.table").render(rows):gsub("\n$", "")) or "no line of the recipe's was on its way"
end

--- Chooses the frame whose variables are at hand.
---@param number integer
---@return boolean  whether there is one of that number
function Stopped:choose(number)
  if not self.stop.frames[number] then return false end
  self.number = number
  return true
end

-- A value in one line; within another one a list of records is none in columns.
local function short(value, width)
  local text = show.render({ value }, { width = math.huge }):gsub("%s*\n%s*", " "):gsub(", }", " }")
  return (show.fit(text:match "^{ (.*) }$" or text, width, 1))
end

--- The variables of the frame and what they hold, a line each.
---@param width number  columns of the terminal
---@return string
function Stopped:locals(width)
  local frame, rows, longest = self:frame(), {}, 0
  local variables = frame and frame:variables() or {}
  for _, variable in ipairs(variables) do longest = math.max(longest, #variable.name) end
  local room = math.max(LEAST, width - longest - #AROUND - 7)   -- with what stands between them
  for i, variable in ipairs(variables) do
    rows[i] = { variable.name, "= " .. short(variable.value, room), variable.kind == "upvalue" and AROUND or nil }
  end
  if #rows == 0 then return "this line has no variables" end
  local text = require("ui.table").render(rows):gsub("\n$", "")
  return frame.live and text or text .. "\n(as they were: this call has ended, and nothing goes on with them)"
end

return M
