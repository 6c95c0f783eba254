--- The calls of a recipe where it has stopped, from the line that stopped outwards through the tasks that wait for it, with what their
--- variables hold. While the recipe waits there they are its own, and can be given other values; of what has ended on the way they are copies.
---@class engine.Frame
---@field path string
---@field line integer
---@field text string       the line, without the blanks around it
---@field live boolean      the recipe goes on in it
---@field thread thread?    live: of the call
---@field depth integer?    live: its place there
---@field held table[]?     of a copy: { name =, value =, kind = }
local Frame = { __name = "engine.Frame" }
Frame.__index = Frame

local source = require "source"
local trace = require "trace"

local M = {}

local function new(call, sources, fields)
  local path = call.source:match "^[@=](.*)$" or call.source
  local text = sources[path] or require("embedded").source(path)
  fields.path, fields.line, fields.whole = path, call.line, text and source.line(text, call.line) or ""
  fields.text = fields.whole:match "^%s*(.-)%s*$"
  return setmetatable(fields, Frame)
end

--- The calls of these threads, innermost first.
---@param threads thread[]
---@param sources table<string, string>  the texts of the recipe, by path
---@return engine.Frame[]
function M.of(threads, sources)
  local frames = {}
  for _, thread in ipairs(threads) do
    for _, call in ipairs(trace.stack(thread)) do
      frames[#frames + 1] = new(call, sources, { live = true, thread = thread, depth = call.depth })
    end
  end
  return frames
end

--- Copies of the calls of the running thread, for when it has left them.
---@param sources table<string, string>
---@return engine.Frame[]
function M.copies(sources)
  local frames, thread = {}, coroutine.running()
  for i, call in ipairs(trace.stack(thread)) do
    frames[i] = new(call, sources, { live = false, held = trace.variables(thread, call.depth), depth = call.depth })
  end
  return frames
end

--- What the variables hold: of several of one name that which the line sees.
---@return { name: string, value: any, kind: "local"|"upvalue" }[]
function Frame:variables()
  local all, last, list = self.held or trace.variables(self.thread, self.depth), {}, {}
  for i, variable in ipairs(all) do
    local before = all[last[variable.name]]
    if not (before and before.kind == "local" and variable.kind == "upvalue") then last[variable.name] = i end
  end
  for i, variable in ipairs(all) do
    if last[variable.name] == i and variable.name ~= source.KEPT then list[#list + 1] = variable end
  end
  return list
end

--- What a variable holds.
---@param name string
---@return boolean found, any value
function Frame:get(name)
  for _, variable in ipairs(self:variables()) do
    if variable.name == name then return true, variable.value end
  end
  return false
end

--- Gives a variable another value.
---@param name string
---@param value any
---@return boolean found
function Frame:set(name, value)
  if self.live then return name ~= source.KEPT and trace.assign(self.thread, self.depth, name, value) end
  for _, variable in ipairs(self:variables()) do
    if variable.name == name then
      variable.value = value
      return true
    end
  end
  return false
end

return M
