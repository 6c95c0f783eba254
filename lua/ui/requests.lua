--- Requests as text: each with its number, the step that it is of, and its parameters in full, policies laid out.
local diff = require "ui.diff"
local json = require "json"

local M = {}

-- A list of small things, such as tags: a line each.
local function list_lines(list)
  local lines = {}
  for i, member in ipairs(list) do
    for _, value in pairs(type(member) == "table" and member or {}) do   -- order cannot be seen
      if type(value) == "table" then return nil end
    end
    lines[i] = type(member) == "string" and member or json.encode(member)
  end
  return lines
end

-- The lines of a parameter's value; a policy is laid out, and is sent as one line.
local function value_lines(value)
  local document = type(value) == "string" and value:find "^%s*{" and json.decode(value)
  if document then value = document end
  if type(value) ~= "table" then return { diff.show(value) } end
  local lines = json.is_array(value) and list_lines(value)
  if lines then return lines end
  lines = {}
  for line in json.encode(value, { indent = 2 }):gmatch "[^\n]+" do lines[#lines + 1] = line end
  return #lines > 3 and lines or { json.encode(value) }
end

local function head(number, request)
  local words = { ("%3d "):format(number), request.service, request.operation }
  if request.region ~= json.null then words[#words + 1] = request.region end
  if request.path ~= "/" then words[#words + 1] = ("(%s %s)"):format(request.method, request.path) end
  return table.concat(words, " ")
end

local function lines_of(number, request, output)
  local lines = { output:paint("bold", head(number, request)) }
  for name, value in require("sorted")(request.parameters) do
    local shown = value_lines(value)
    lines[#lines + 1] = ("       %s:%s"):format(name, #shown == 1 and " " .. shown[1] or "")
    for _, line in ipairs(#shown > 1 and shown or {}) do lines[#lines + 1] = "         " .. line end
  end
  if request.followed_by then lines[#lines + 1] = output:paint("yellow", "       then this step goes on by what it sees: " .. request.followed_by) end
  return table.concat(lines, "\n") .. "\n"
end

--- The requests that run would send.
---@param requests table[]  of cmek.plan/1
---@param output ui.Output
---@return string
function M.render(requests, output)
  if #requests == 0 then return "run would send no request that changes anything\n" end
  local parts = { "Requests that run would send, besides reads; what is of several regions goes side by side:\n" }
  for i, request in ipairs(requests) do parts[#parts + 1] = lines_of(i, request, output) end
  return table.concat(parts)
end

return M
