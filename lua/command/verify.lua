--- `cmek verify [RECIPE]`: whether everything is still as the recipe wants it, `console` when none is named. It reads only.
local failure = require "ui.failure"
local flags = require "flags"
local operation = require "operation"

local M = {}

-- The recipe when none is named; a hand-over is for the one that enables.
local function usual(arguments)
  for _, argument in ipairs(arguments) do
    if argument == "--spec" or argument:find "^%-%-spec=" then return "enable" end
  end
  for _, word in ipairs(require "words") do
    if word[1] == "verify" then return word.usual end
  end
end

-- The arguments with a recipe in them. What follows a flag that is not the command's own is that flag's value.
local function with_recipe(arguments)
  local name, _, position = flags.first("verify", arguments)
  local flag = position and (arguments[position - 1] or ""):match "^%-%-([^=]+)$"
  if name and (not flag or flags.reserved()[flag:gsub("-", "_")]) then return arguments end
  return { usual(arguments), table.unpack(arguments) }
end

---@param arguments string[]
---@param output ui.Output
---@return integer status  6 with findings
function M.run(arguments, output)
  local order = operation.read("verify", with_recipe(arguments), output)
  if not order then return failure.DONE end
  local report, status = operation.look("verify", order, output)
  if output.json then output:document(report) end
  output:result(require("ui.verify").render(report, output))
  return status
end

return M
