--- Taking an engine out of Vault: with it would go every key in it, so only one goes that cmek mounted for this cluster and that is empty by then.
local mount = require "resource.vault_mount"
local names = require "names"
local vault_side = require "engine.vault.side"

local M = { name = mount.name, region = mount.region }

local NAMED_MAX <const> = 3 -- things in it that are named

--- The engine that is there.
function M.collect(context, want)
  if vault_side.is_closed(context) then return {} end
  local have = mount.find(context, want)
  if not have then return {} end
  have.holds = vault_side.contents(context, want)
  return { { want = want, have = have } }
end

function M.refusal() return nil end

function M.about() return "cmek mounted it, and nothing will be left in it" end

-- What is in it beside what these paths lead to.
local function left(have, going)
  local list = {}
  for _, path in ipairs(have.holds) do
    if not going[path] then list[#list + 1] = path end
  end
  return list
end

local function holding(list)
  local more = #list > NAMED_MAX and (" and %d more"):format(#list - NAMED_MAX) or ""
  return ("it stays: %s%s in it, and would be lost with it"):format(table.concat(list, ", ", 1, math.min(#list, NAMED_MAX)) .. more,
    #list == 1 and " is" or " are")
end

--- Why it stays where it is; nil when it goes.
---@param engine table
---@param want table
---@param have table
---@return string?
function M.stays(engine, want, have)
  local owner = names.mounted_for(have.description)
  if not owner then return "it stays: cmek did not mount it" end
  if owner ~= want.cluster.id then return ("it stays: cmek mounted it for another cluster, %s"):format(owner) end
  if have.type ~= want.type then return ("it stays: it is of type %s"):format(tostring(have.type)) end
  if not have.holds then return ("it stays: what is in it cannot be seen: %s"):format(have.unseen or "its list may not be read") end
  local list = left(have, vault_side.going(engine))
  return #list > 0 and holding(list) or nil
end

--- What the token of Vault has to be allowed.
---@return engine.Capability[]
function M.capabilities(want) return { { path = "sys/mounts/" .. want.path, "delete" } } end

--- Unmounts it, if it is empty now.
---@param context engine.Context
---@param want table
---@param have table
---@param guard fun()
function M.delete(context, want, have, guard)
  local function find()   -- one that somebody else mounted since is not it
    local now = mount.find(context, want)
    return now and names.mounted_for(now.description) == want.cluster.id and now.type == want.type
  end
  local refused = vault_side.delete(context, { name = mount.name(want), find = find,
    guard = function()
      local holds = vault_side.contents(context, want) or { "what cannot be seen" }
      if #holds > 0 then context:refuse { service = "vault", what = "unmounting " .. mount.name(want), message = holding(holds) } end
      guard()
    end,
    ask = function() return context.session.vault.disable_mount { path = want.path } end })
  if refused then error(refused, 0) end
  return have
end

return M
