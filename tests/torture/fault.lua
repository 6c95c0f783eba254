-- Planted faults: a module of the library is replaced, and everything that stands on it is loaded anew.

local embedded = require "embedded"

local M = {}

-- Every library module, forgotten; the next require loads it anew.
local function forget()
  for _, path in ipairs(embedded.list "lua/") do
    local name = path:match "^lua/(.+)%.lua$":gsub("/init$", ""):gsub("/", ".")
    package.loaded[name] = nil
  end
end

--- The scenes of a library with one fault, or with none.
---@param file string?   under tests/faults
---@param fn fun(scene: table, fault: table?): any
---@return any
function M.with(file, fn)
  forget()
  local fault
  if file then
    fault = dofile(file)
    package.loaded[fault.module] = fault.patch(require(fault.module))
  end
  local results = table.pack(pcall(fn, dofile "tests/torture/scene.lua", fault))
  forget()
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

return M
