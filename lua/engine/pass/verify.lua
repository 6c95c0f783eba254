--- The pass of verify: each thing is found and its checks are made, then what hangs on several of them: whether CockroachDB can
--- use the keys, and whether the cluster does. A check that rests on one which failed is left out, so that a fault is told once.
local checks = require "engine.checks"
local mend = require "engine.mend"
local refusal = require "refusal"
local unknown = require "unknown"

local M = {}

-- Where nothing more can be said ------------------------------------------------------------------------------------------

local Stop = { __name = "engine.verify.Stop" }

--- Ends the pass: what follows would rest on what was found.
function M.stop() error(setmetatable({}, Stop), 0) end

--- Whether a service refused for lack of rights.
---@param raised any
---@return boolean
function M.is_denied(raised)
  return refusal.is(raised) and (raised.status == 403 or tostring(raised.code):find "^AccessDenied" ~= nil) and raised.kind ~= "credentials"
end

local NAMES <const> = { GetOrganization = "cloud.organization", ListClusters = "cluster.exists", GetCluster = "cluster.exists" }

--- Runs the pass; what may not be read is a check that could not be made. Raises what is not about rights.
---@param engine table
---@param pass fun()
function M.guard(engine, pass)
  local ok, raised = pcall(pass)
  if ok or getmetatable(raised) == Stop then return end
  if not M.is_denied(raised) then error(raised, 0) end
  local id = NAMES[raised.operation] or ("%s.%s"):format(raised.service, raised.operation)
  engine:found { id = id, severity = "unknown", object = type(engine.arguments.cluster) == "string" and engine.arguments.cluster or nil,
    have = refusal.line(raised), text = raised.next }
end

--- The organization; what stands for one when it may not be read.
---@param engine table
---@return table
function M.organization(engine)
  local ok, organization = pcall(engine.context.once, engine.context, "organization", engine.session.cloud.organization)
  if ok then return organization end
  if not M.is_denied(organization) then error(organization, 0) end
  if not engine.no_organization then
    engine.no_organization = true
    engine:found { id = "cloud.organization", severity = "unknown", have = refusal.line(organization), text = organization.next }
  end
  return { id = unknown.new "ID of the organization" }
end

-- Things -----------------------------------------------------------------------------------------------------------------

-- The checks of a kind that a recipe describes itself.
local function inspect_own(engine, list, resource, want, have)
  local exists, as_wanted = resource.checks[1].id, resource.checks[2].id
  if have == nil then return list:finding(exists, { have = "missing", want = "present", mend = mend.cmek(engine, "run") }) end
  list:ok(exists)
  for _, difference in ipairs(resource.differences(want, have)) do
    list:finding(as_wanted, { field = difference.field, have = difference.have, want = difference.want, text = difference.text,
      mend = difference.mend ~= false and mend.cmek(engine, "run") or nil })
  end
  if list:sound(as_wanted) then list:ok(as_wanted) end
end

-- Finds a thing and makes its checks.
local function inspect(engine, resource, want, mode)
  local list = checks.new(engine, resource.checks, resource.name(want), resource.region(want))
  local seen, have = pcall(resource.find, engine.context, want)
  if not seen and not refusal.is(have) then error(have, 0) end
  list.object = resource.name(want)   -- finding it may have told its name
  if not seen then
    list:unknown((resource.checked_as or resource.kind) .. ".exists", have)
    have = nil
  elseif resource.own then
    inspect_own(engine, list, resource, want, have)
  else
    require("resource.check." .. resource.kind).inspect(engine, list, want, have, mode)
  end
  return list, have
end

--- What shall be: its checks. The recipe gets what is known of it.
---@param engine table
---@param resource table
---@param want table
---@param mode "ensure"|"read"
---@return any
function M.thing(engine, resource, want, mode)
  local list, have = inspect(engine, resource, want, mode)
  local kind = resource.checked_as or resource.kind
  local usable = have ~= nil and list:sound(kind .. ".exists", kind .. ".owner") and have or nil
  local result = resource.result(want, usable)
  engine.inspected[resource.kind] = true
  -- what hangs on role and keys together is asked of the stock kinds, whose checks it goes on from
  if type(result) == "table" and not unknown.is(result) and not resource.own then
    engine.inspections[result] = { list = list, have = usable, want = want }
  end
  return result
end

-- The whole --------------------------------------------------------------------------------------------------------------

-- What the Cloud uses, where the recipe did not ask for it itself.
local function inspect_use(engine, handover)
  local resource = engine:resource "cluster_cmek"
  local want = { cluster = handover.cluster, region_specs = {} }
  for i, spec in ipairs(handover.specs.region_specs) do want.region_specs[i] = spec end
  inspect(engine, resource, want, "look")
end

--- Makes the checks that need more than one thing.
---@param engine table
function M.finish(engine)
  if engine.context.reads.organization then engine.organization = M.organization(engine) end
  for _, handover in ipairs(engine.handovers) do
    require("engine.policy.chain").inspect(engine, handover)
    local asked = engine.inspected.cluster_cmek or engine.inspected.cmek_rotation
    if handover.first and not asked and engine.touched.cloud and not engine.session.facts then inspect_use(engine, handover) end
  end
end

--- The checks that there are, for help: by ID what must be so.
---@return { id: string, severity: string, text: string }[]
function M.known()
  local list = {}
  local function add(rows) table.move(rows, 1, #rows, #list + 1, list) end
  add(require("preflight").checks)
  add(require("engine.vault.needs").checks)
  for _, kind in ipairs { "role", "role_use", "vault_mount", "transit_key", "vault_provider", "vault_key", "vault_distribution", "key",
    "cluster_cmek", "cmek_rotation", "cluster_regions" } do
    add(require("resource." .. kind).checks)
  end
  return list
end

return M
