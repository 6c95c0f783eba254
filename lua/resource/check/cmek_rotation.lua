--- What verify asks of a rotation: whether each region uses the key of its generation, and none was left unfinished.
local checks = require "engine.checks"
local cmek = require "engine.cluster.cmek"
local mend = require "engine.mend"
local resource = require "resource.cmek_rotation"
local rotation = require "engine.cluster.rotation"
local unknown = require "unknown"

local M = {}

local function rotate(engine) return mend.cmek(engine, "run", "rotate", { cluster = true, to = true, only = true }) end

local function status(engine, list, info, spec)
  local state, message = cmek.state(info, spec)
  if state == "enabled" then return list:ok "cmek_rotation.enabled" end
  local key = cmek.key(info, spec) or {}
  list:finding("cmek_rotation.enabled", { field = "status", want = "region ENABLED, key ENABLED", text = message or nil, mend = rotate(engine),
    have = ("region %s, key %s"):format((cmek.region(info, spec.region) or {}).status or "?", key.status or "?") })
end

-- One region: which key it uses, and how that stands.
local function region(engine, list, want, info, spec, due)
  list:ok("cmek_rotation.in_use", ("generation %d, %s"):format(due.from, want.used[spec.region]))
  if due.begun then
    list:finding("cmek_rotation.finished", { field = "generation", have = due.from, want = due.begun, mend = rotate(engine),
      text = ("the key of generation %d is there, and the region does not use it"):format(due.begun) })
  else
    list:ok "cmek_rotation.finished"
  end
  local uri = not unknown.has(spec.key_spec.uri) and spec.key_spec.uri
  if not uri or uri ~= want.used[spec.region] then
    return list:finding("cmek_rotation.generation", { field = "uri", have = want.used[spec.region], want = uri or "a key of that generation",
      mend = rotate(engine) })
  end
  list:ok "cmek_rotation.generation"
  status(engine, list, info, spec)
end

--- The checks of the keys in use. Regions whose key cannot be rotated were told when they were read.
---@param engine table
---@param want { cluster: table, region_specs: table[], used: table<string, string> }
---@param have { info: table }
function M.inspect(engine, _, want, have)
  local by_region = {}
  for _, due in ipairs(rotation.unfinished(engine)) do by_region[due.region] = due end
  for _, spec in ipairs(want.region_specs) do
    region(engine, checks.new(engine, resource.checks, want.cluster.name, spec.region), want, have.info, spec, by_region[spec.region])
  end
end

return M
