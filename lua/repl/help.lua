--- What `help(kms.create_key)`, `?kms.create_key` and `:help TOPIC` show: the source's own comments, or a topic of `cmek help`.
local failure = require "ui.failure"

local M = {}

local OVERVIEW <const> = [[
An expression is printed; anything else is run. Lines are read until a chunk is complete. What recipes use is at hand:
  cloud.clusters()   kms.list_keys{region = "us-east-1"}   iam.get_role "crdb-cmek"   vault.read "sys/mounts"
  plan("console", {cluster = "orders"})   ensure("key", {…})   read("cluster", "orders")   policy.cmek{…}
_ is the value before, _N that of chunk N in :history.
]]

-- The dotted name of a function that is at hand: "kms.create_key". Functions of services are made anew at each look, and say their name.
local function name_of(repl, fn)
  local name = require("world").name_of(fn)
  if name then return name end
  for field, value in require("sorted")(repl.names) do
    if rawequal(value, fn) then return field end
  end
end

--- What stands for the functions and tables of the library where they are printed.
---@param repl Repl
---@return fun(value: any): string?  nil for anything else
function M.describer(repl)
  local docs, names = require "docs", {}
  for name, value in require("sorted")(repl.names) do
    if type(value) == "table" or type(value) == "function" then names[value] = name end
  end
  return function(value)
    local name = names[value] or require("world").name_of(value)
    if not name then return nil end
    if type(value) == "table" then
      local about = docs.about(name)
      return about and ("<%s: %s; ?%s lists what it has>"):format(name, about, name)
    end
    local entry = docs.of(name)
    return entry and ("<function %s; ?%s tells more>"):format(entry.signature, name) or ("<function %s>"):format(name)
  end
end

---@param repl Repl
---@param what any  nil: the prompt itself
function M.show(repl, what)
  if what == nil or what == "" then
    repl:print(OVERVIEW .. require("repl.commands").list())
    return
  end
  local name = type(what) == "string" and what:gsub("^%?", ""):gsub("%(%)$", "") or name_of(repl, what)
  local text = name and (require("docs").help(name) or require("help").TOPICS[name] or require("command.help").command(name))
  if not text then
    failure.usage(("there is no help on %s"):format(name and "'" .. name .. "'" or tostring(what)), ":help lists what there is; cmek help the topics")
  end
  local lines, width = {}, repl.output:width()
  for line in text:gsub("\n*$", ""):gmatch "[^\n]*" do
    local fits = require("ui.table").width(line) <= width
    for _, part in ipairs(fits and { line } or repl.output:wrap(line, line:match "^ *")) do lines[#lines + 1] = part end
  end
  repl:print(table.concat(lines, "\n"))
end

return M
