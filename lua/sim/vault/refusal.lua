--- How the simulated Vault says no: a status and a list of texts. Raised, and caught by sim/vault.lua alone.
local Refusal = { __name = "sim.VaultRefusal" }

local M = {}

--- Ends the request.
---@param status integer  of HTTP
---@param text string?  nil: a list without texts, as "not found" is said
---@param more { headers: table?, body: table? }?  body: what is sent instead of the list of errors
function M.raise(status, text, more)
  error(setmetatable({ status = status, text = text, headers = more and more.headers or {}, body = more and more.body }, Refusal), 0)
end

function M.is(value) return getmetatable(value) == Refusal end

--- Texts as Go's multierror prints them.
---@param ... string
---@return string
function M.several(...)
  local count = select("#", ...)
  local head = count == 1 and "1 error occurred:" or ("%d errors occurred:"):format(count)
  return ("%s\n\t* %s\n\n"):format(head, table.concat({ ... }, "\n\t* "))
end

--- 400, the engine's own complaint.
function M.bad(text, ...) M.raise(400, select("#", ...) > 0 and text:format(...) or text) end

--- 404 `{"errors":[]}`: there is nothing.
function M.absent() M.raise(404) end

--- 403 without a token.
function M.denied() M.raise(403, "permission denied") end

--- 403 by the policies.
function M.forbidden() M.raise(403, M.several "permission denied") end

return M
