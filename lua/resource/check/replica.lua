--- What verify asks of a replica: all that it asks of a key, and whose replica it is.
local key = require "resource.check.key"
local replica = require "resource.replica"
local unknown = require "unknown"

local M = {}

--- The checks of a replica that was looked for.
---@param engine table
---@param list engine.Checks
---@param want table
---@param have engine.Key|{ refused: string }|nil
---@param mode "ensure"|"read"
function M.inspect(engine, list, want, have, mode)
  key.inspect(engine, list, want, have, mode)
  if not have or have.refused or unknown.has(want.primary.arn) then return end   -- the primary's own checks tell of it
  if replica.belongs(want, have) then return list:ok("key.replica", want.primary.arn) end
  list:finding("key.replica", { field = "KeyId", have = have.id, want = want.primary.arn,
    text = ("it has the alias and is another key than that in %s"):format(want.primary.region) })
end

return M
