--- What may stand where the cursor is.
local M = {}

-- Fields of the tables that are at hand, by their dotted names.
local function simple(before, names)
  local path = before:match "[%a_][%w_.]*$" or ""
  local start = #before - #path + 1
  local holder, rest = names, path
  for name in path:gmatch "([%w_]+)%." do
    holder = type(holder) == "table" and holder[name] or nil
    rest = rest:sub(#name + 2)
  end
  local list = {}
  for name, value in require("sorted")(type(holder) == "table" and holder or {}) do
    if type(name) == "string" and name:sub(1, #rest) == rest then
      list[#list + 1] = { text = path:sub(1, #path - #rest) .. name, hint = type(value) == "table" and "…" or nil }
    end
  end
  return start, list
end

local function commands(before, known)
  local list = {}
  for _, command in ipairs(known) do
    if command[1]:sub(1, #before) == before then list[#list + 1] = { text = command[1], hint = command.text } end
  end
  return 1, list
end

--- The place where the word at the cursor begins, and what it may become.
---@param before string  the line before the cursor
---@param world { names: table, environment: table?, commands: { [1]: string, text: string }[]? }
---  names: what is at hand, services as tables of functions; environment: the globals of the chunks; commands: what begins with ":"
---@return integer start, { text: string, hint: string? }[]
function M.of(before, world)
  if before:find "^:[%w-]*$" then return commands(before, world.commands or {}) end
  local known, complete = pcall(require, "repl.complete")
  if known then return complete.candidates(before, #before + 1, world) end
  return simple(before, world.names)
end

return M
