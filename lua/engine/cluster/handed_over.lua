--- A run whose keys the Cloud has been given goes on at the Cloud alone when it is resumed: role and keys were complete before, so no
--- credentials of AWS are needed for what may last two hours. Its journal says which keys.
local cmek = require "engine.cluster.cmek"
local handover = require "handover"

local M = {}

local LINE <const> = "handed-over"

--- Writes down what the Cloud is asked for; the line is on disk before the request leaves.
---@param context engine.Context
---@param change engine.CloudChange
function M.note(context, change)
  local specs = change.handed or change.specs
  context:note { kind = LINE, operation = change.operation, cluster = change.cluster.id, cluster_name = change.cluster.name,
    region_specs = require("json").array(table.move(specs, 1, #specs, 1, {})), before = change.old, anew = change.anew }
end

-- The last such line; nil when there is none.
local function last(entries)
  for i = #entries, 1, -1 do
    if entries[i].kind == LINE then return entries[i] end
  end
end

-- Whether the Cloud has what it was asked for, or is at it; what failed has to be put right in AWS. While a cluster grows, its new regions
-- may not show.
local function is_taken(context, info, line)
  for _, spec in ipairs(line.region_specs) do
    local state = cmek.state(info, spec)
    local grows = state == "absent" and line.operation == "UpdateCluster" and context.session.cloud.cluster(line.cluster).state == "LOCKED"
    if state ~= "enabled" and state ~= "pending" and not grows then return false end
  end
  return not line.anew or cmek.signature(info, line.region_specs) ~= line.before
end

--- What stands for AWS in a run that is resumed; nil when it is none of these.
---@param engine table
---@param entries table[]  the lines of its journal
---@return carried.File?
function M.take_up(engine, entries)
  local line = engine.mode == "run" and last(entries)
  if not line or not is_taken(engine.context, engine.context:cmek { id = line.cluster }, line) then return nil end
  local file = handover.of("run " .. engine.context.run_id, { region_specs = line.region_specs })
  file.of_this_run = true
  engine.context:warn("the Cloud has the keys of this run: it is gone on with there, and AWS is not asked")
  return file
end

--- What a recipe gets for a thing that was made before the keys were handed over; nil for what it can do without.
---@param engine table
---@param kind string
---@param given table
function M.thing(engine, kind, given)
  if kind == "role" or kind == "key" then return handover.thing(engine.spec, kind, given) end
  return given
end

return M
