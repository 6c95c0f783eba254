--- What `help(kms.create_key)`, `?kms.create_key` and `:help TOPIC` show: the source's own comments, or a topic of `cmek help`.
local failure = require "ui.failure"

local M = {}

local OVERVIEW <const> = [[
An expression is printed, anything else is run; lines are read until a chunk is complete. At hand is what recipes use:
  cloud.clusters()                         the clusters
  kms.list_keys { region = "us-east-1" }   what a service of AWS answers
  iam.get_role "crdb-cmek"                 the same: one argument may stand alone
  vault.read "sys/mounts"                  what Vault has at a path
  plan("console", { cluster = "orders" })  what a recipe would do
  ensure("key", { … })                     what would be made; after :allow-writes it is
  ?kms, ?kms.create_key, ?rotating         what there is, what one takes, a topic
_ is the value before, _N that of chunk N in :history. TAB completes, ^R searches what was typed before, Alt-Enter goes on in a new line,
^C lets the line or what runs go, ^D leaves.
]]

-- The dotted name of a function that is at hand: "kms.create_key". Functions of services are made anew at each look, and say their name.
local function name_of(repl, fn)
  local name = require("world").name_of(fn)
  if name then return name end
  for field, value in require("sorted")(repl.names) do
    if rawequal(value, fn) then return field end
  end
  local docs = require "docs"
  for _, member in ipairs(type(fn) == "function" and docs.members() or {}) do
    local within, field = member:match "^(%w+)%.([%w_]+)$"
    if rawequal((repl.names[within] or {})[field], fn) then return member end
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
    repl:print(repl.output:fit(OVERVIEW .. require("repl.commands").list()))
    return
  end
  local name = type(what) == "string" and what:gsub("^%?", ""):gsub("%(%)$", "") or name_of(repl, what)
  local text = name and (require("docs").help(name, repl.output:width()) or require("help").topic(name) or require("command.help").command(name))
  if not text then
    local near = name and require("docs").near(name)[1]
    local known = near and ("; did you mean %s?"):format(near) or ""
    failure.usage(("there is no help on %s%s"):format(name and "'" .. name .. "'" or tostring(what), known),
      ":help lists what there is; cmek help the topics")
  end
  repl:print((repl.output:fit(text):gsub("\n*$", "")))
end

return M
