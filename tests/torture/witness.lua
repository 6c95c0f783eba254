-- What is seen at the moment when it happens: what the Cloud names when a key is scheduled or a role deleted, and in which order.

local names = require "names"
local sorted = require "sorted"

---@class torture.Witness
---@field named_deleted string[]  what was scheduled or deleted although it was named
---@field role_first string[]     roles that went while keys of their cluster were in place
---@field short string[]          keys that were scheduled with a shorter window
---@field empty string[]          keys that got the cluster's alias before they had material
local Witness = {}
Witness.__index = Witness

local M = {}

local GRACE <const> = 120    -- seconds for which nobody can know better: answers are lost, and requests late on their way
local WINDOW <const> = 30 * 86400

---@param scene table
function M.new(scene)
  return setmetatable({ scene = scene, since = {}, scheduled = {}, roles = {}, named_deleted = {}, role_first = {}, short = {},
    empty = {} }, Witness)
end

local function state_of(self) return self.scene.simulation.state end

--- The ARNs of keys and roles that a cluster's CMEK names, in any status.
---@return table<string, true>
function Witness:named()
  local set = {}
  for _, cluster in ipairs(state_of(self).cloud.clusters) do
    for _, region in ipairs(cluster.cmek and cluster.cmek.region_infos or {}) do
      for _, key in ipairs(region.key_infos) do set[key.spec.uri], set[key.spec.auth_principal] = true, true end
    end
  end
  return set
end

-- Since when each is named.
local function follow(self)
  local now, set = self.scene.world.now, self:named()
  for arn in sorted(set) do self.since[arn] = self.since[arn] or now end
  for arn in sorted(self.since) do
    if not set[arn] then self.since[arn] = nil end
  end
end

local function deleted(self, arn)
  local since = self.since[arn]
  if since and self.scene.world.now - since > GRACE then
    table.insert(self.named_deleted, ("%s, named for %.0f s"):format(arn, self.scene.world.now - since))
  end
end

local function each_key(self, fn)
  for _, account in sorted(state_of(self).aws) do
    for _, place in sorted(account.kms) do
      for _, key in ipairs(place.keys) do fn(key, place) end
    end
  end
end

local function see_keys(self)
  local now = self.scene.world.now
  each_key(self, function(key)
    local waits = key.KeyState == "PendingDeletion"
    if waits and not self.scheduled[key.Arn] then
      deleted(self, key.Arn)
      if key.DeletionDate < now + WINDOW - 60 then table.insert(self.short, key.Arn) end
    end
    self.scheduled[key.Arn] = waits or nil
  end)
end

-- Keys of the cluster that still have an alias and could be used.
local function in_place(self)
  local found
  each_key(self, function(key, place)
    for _, alias in ipairs(key.KeyState == "Enabled" and place.aliases or {}) do
      if alias.TargetKeyId == key.KeyId and names.generation(self.scene.cluster, alias.AliasName) then found = key.Arn end
    end
  end)
  return found
end

local function see_roles(self)
  local now = {}
  for _, account in sorted(state_of(self).aws) do
    for _, role in ipairs(account.iam.roles) do now[role.Arn] = true end
  end
  for arn in sorted(self.roles) do
    if not now[arn] then
      deleted(self, arn)
      local key = in_place(self)
      if key then table.insert(self.role_first, ("%s went before %s"):format(arn, key)) end
    end
  end
  self.roles = now
end

local function see_aliases(self)
  each_key(self, function(key, place)
    for _, alias in ipairs(key.KeyState == "PendingImport" and place.aliases or {}) do
      if alias.TargetKeyId == key.KeyId and names.generation(self.scene.cluster, alias.AliasName) then table.insert(self.empty, key.Arn) end
    end
  end)
end

local SEES <const> = { ScheduleKeyDeletion = see_keys, CancelKeyDeletion = see_keys, CreateRole = see_roles, DeleteRole = see_roles,
  CreateAlias = see_aliases }

--- One request has been answered.
---@param entry table  of the simulator's log
function Witness:see(entry)
  if entry.status < 300 and SEES[entry.operation] then SEES[entry.operation](self) end
  if entry.service == "cloud" then follow(self) end
  if entry.service == "vault" then self.scene.vault:see(entry) end
end

return M
