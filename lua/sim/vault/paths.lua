--- What the engines and logins of the simulated Vault are: lists of paths, each with its fields and what it does.
---
---   { "Key", "^key/(NAME)$", { "name" }, fields = {…}, read = fn, list = fn, write = fn, delete = fn, patch = fn,
---     exists = fn, open = true, sudo = true, flat = true, raw = true }
---
--- The first member names the operation in logs and faults (ReadKey, WriteKey …), NAME stands for Vault's usual rule of names.
--- exists: a write is a `create` where it says no; without it, an `update`. open: nobody needs a token. judges: the handler asks
--- the policies itself. flat: the data stands at top level as well. raw: no envelope. unwrapped: never wrapped again.
--- A handler takes the request and gives nil (204) or { data =, auth =, status =, … }.
local refusal = require("sim.vault.refusal")

local M = {}

local NAME <const> = "[%%w_][%%w_.-]*"

local VERBS <const> = { read = "Read", list = "List", write = "Write", delete = "Delete", patch = "Patch" }

--- Makes the patterns of a list ready.
---@param rows table[]
---@return table[] rows
function M.rows(rows)
  for _, row in ipairs(rows) do row[2] = row[2]:gsub("NAME", NAME) end
  return rows
end

--- The row for a path inside an engine, and what the path says.
---@param rows table[]
---@param path string
---@return table? row, table? captured
function M.find(rows, path)
  for _, row in ipairs(rows) do
    local found = table.pack(path:match(row[2]))
    if found[1] then
      local captured = {}
      for i, name in ipairs(row[3] or {}) do captured[name] = found[i] end
      return row, captured
    end
  end
end

--- How logs and faults call it.
---@param kind string  of engine
---@param row table?
---@param verb string
function M.operation(kind, row, verb) return ("%s/%s%s"):format(kind, VERBS[verb] or verb, row and row[1] or "") end

--- The handler of a row; refuses what it has not.
---@param row table?
---@param verb string
---@return fun(r: table): table?
function M.handler(row, verb)
  if not row then refusal.raise(404, refusal.several "unsupported path") end
  return row[verb] or refusal.raise(405, refusal.several "unsupported operation")
end

--- The answer to a list: 404 for an empty one.
---@param keys string[]
---@param info table?
function M.keys(keys, info)
  if #keys == 0 then refusal.absent() end
  return { data = { keys = keys, key_info = info } }
end

return M
