--- What is in Vault as resources see it: reads that find nothing, writes whose outcome is looked up and never guessed.
local failure = require "engine.failure"

local M = {}

local SETTLE <const> = 60   -- seconds until Vault shows what it has taken

-- Nothing is mounted there yet.
local function no_engine(refused)
  return refused.status == 404 and tostring(refused.message):find("no handler for route", 1, true) ~= nil
end

--- What Vault has there; nil where there is nothing, or no engine yet.
---@param context engine.Context
---@param operation string  "keymgmt_read_key"
---@param parameters table
---@return table?
function M.look(context, operation, parameters)
  return context:try(no_engine, function() return context.session.vault[operation](parameters) or false end) or nil
end

--- A write. What becomes of one whose answer was lost is for `settle` to say.
---@param context engine.Context
---@param operation string
---@param parameters table
---@return Refusal? lost  the answer did not come, or was no answer
function M.write(context, operation, parameters)
  local _, lost = context:try({ uncertain = true }, function()
    return context:write(function() return context.session.vault[operation](parameters) end)
  end)
  return lost
end

--- Waits until Vault shows a thing as it was made. Raises when it does not: the lost answer, if there is one.
---@param context engine.Context
---@param options { what: string, region: string?, lost: Refusal?, bound: number?, check: fun(): any }  what: "making keymgmt/key/NAME"
---@return any
function M.settle(context, options)
  local bound = options.bound or SETTLE
  local have = context:poll { reason = ("waiting until Vault shows that it is done (%s)"):format(options.what), bound = bound, check = options.check }
  if have then return have end
  if options.lost then error(options.lost, 0) end
  failure.raise { code = "not_ready", service = "vault", region = options.region, what = options.what,
    message = ("Vault does not show it as it was made after %d s"):format(bound) }
end

return M
