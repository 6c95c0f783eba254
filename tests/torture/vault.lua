-- The Vault of a history: an engine for key material, operators with tokens of their own that may do what the recipe's help says and no
-- more, and bad days: it is sealed for a while, tokens end, a policy lacks a path; somebody rotates what is not his.

local crypto = require "crypto"
local names = require "names"
local sorted = require "sorted"
local state = require "sim.vault.state"
local tokens = require "sim.vault.tokens"

local Vault = {}
Vault.__index = Vault

local M = {}

local POLICY <const> = "cmek"
local HORIZON <const> = 60   -- seconds within which a bad day begins
local LASTS <const> = 200    -- seconds that it lasts at most

local MAKE <const>, ALL <const> = { "create", "read", "update" }, { "create", "read", "update", "delete", "list" }

-- By recipe: the engine that it uses, where its keys are, and what the operators' policy grants, by path.
local ENGINES <const> = {
  ["vault-transit"] = { type = "transit", grants = {
    ["transit/keys/crdb-cmek-*"] = ALL,
    ["transit/export/encryption-key/crdb-cmek-*"] = { "read" },
    ["transit/keys/tmp-*"] = ALL,
    ["transit/datakey/wrapped/tmp-*"] = { "create", "update" },
    ["transit/keys"] = { "list" },
    ["sys/mounts/transit"] = { "create", "update", "delete" },
  } },
  vault = { type = "keymgmt", grants = {
    ["keymgmt/kms/crdb-cmek-*"] = ALL,
    ["keymgmt/key/crdb-cmek-*"] = ALL,
    ["keymgmt/key"] = { "list" },
    ["keymgmt/kms"] = { "list" },
    ["sys/mounts/keymgmt"] = { "create", "update", "delete" },
  } },
}
local LOCK <const> = "secret/data/cmek/*"   -- in some histories there is none

local function root(self) return self.scene.simulation.state.vault.namespaces[""] end

local function put_policy(self, lacking)
  local lines = {}
  for path, capabilities in sorted(self.engine.grants) do
    if path ~= lacking then lines[#lines + 1] = ('path "%s" { capabilities = ["%s"] }'):format(path, table.concat(capabilities, '", "')) end
  end
  if self.locks then lines[#lines + 1] = ('path "%s" { capabilities = ["%s"] }'):format(LOCK, table.concat(MAKE, '", "')) end
  root(self).policies[POLICY] = table.concat(lines, "\n")
end

local function mount_of(self) return root(self).mounts[self.engine.type .. "/"] end

local function keys(self)
  local mount = mount_of(self)
  return mount and mount.data.keys or {}
end

-- Bad days -------------------------------------------------------------------------------------------------------------
-- Each begins at its time, and gives back what ends it.

local ASKED <const> = { "GetParametersForImport", "ImportKeyMaterial", "TagResource", "CreateAlias" }

local BAD_DAYS <const> = {
  function(self)
    self.scene:say("Vault is sealed")
    self.scene.simulation.vault = { condition = "sealed" }
    return function() self.scene.simulation.vault = nil end
  end,
  function(self)
    local paths = {}
    for path in sorted(self.engine.grants) do paths[#paths + 1] = path end
    local path = paths[self.chance:below(#paths)]
    self.scene:say("the policy in Vault lacks %s", path)
    put_policy(self, path)
    return function() put_policy(self) end
  end,
  function(self)
    self.scene:say("the tokens of Vault end")
    for _, operator in ipairs(self.scene.operators) do self:end_token(operator) end
    return function()
      for _, operator in ipairs(self.scene.operators) do self:give_token(operator) end
    end
  end,
  function(self)   -- what Vault itself asks of AWS, in the middle of a distribution or rotation; operators ask it again
    if self.engine.type ~= "keymgmt" then return function() end end
    local operation = ASKED[self.chance:below(#ASKED)]
    local fault = { kind = "throttle", service = "kms", operation = operation, skip = self.chance:below(4) - 1, count = 1 }
    self.scene:say("AWS will refuse a %s", operation)
    table.insert(self.scene.simulation.faults, fault)
    return function() fault.count = 0 end
  end,
}

-- Somebody rotates each transit key as soon as it is there, and lets it be deleted.
local function rotate(self, tries)
  self.scene.world:after(0.01, function()
    for name, key in sorted(keys(self)) do
      if name:find "^crdb%-cmek%-" and key.latest_version == 1 then
        self.scene:say("somebody rotates %s in Vault, and lets it be deleted", name)
        key.latest_version, key.deletion_allowed = 2, true
        key.versions["2"] = { id = crypto.hex(self.chance:bytes(16)), creation_time = math.floor(self.scene.world.now) }
      end
    end
    if tries > 0 then rotate(self, tries - 1) end
  end)
end

--- Some of them come, unless luck is good.
function Vault:bad_luck()
  for _, day in ipairs(BAD_DAYS) do
    if self.chance:chance(0.25) then
      self.scene.world:after(HORIZON * self.chance:uniform() ^ 2, function()
        if self.scene.world.now >= self.scene.faults_until then return end
        local over = day(self)
        table.insert(self.ends, over)
        self.scene.world:after(LASTS * self.chance:uniform(), over)
      end)
    end
  end
  if self.engine.type == "transit" and self.chance:chance(0.25) then rotate(self, 2000) end
end

--- They are over.
function Vault:good_luck()
  for _, over in ipairs(self.ends) do over() end
  self.ends = {}
end

-- Tokens -----------------------------------------------------------------------------------------------------------------

--- A token for an operator, in the environment of the next command.
---@param operator torture.Operator
function Vault:give_token(operator)
  local vault = self.scene.simulation.state.vault
  if vault._tokens[operator.environment.VAULT_TOKEN or ""] then return end
  local token = tokens.create({ vault = vault, simulation = { random = function(count) return self.chance:bytes(count) end },
    namespace = root(self), now = self.scene.world.now }, { policies = { POLICY }, display_name = operator.name, path = "auth/token/create" })
  table.insert(self.secrets, token.id)
  operator.environment = setmetatable({ VAULT_ADDR = "http://127.0.0.1:8200", VAULT_TOKEN = token.id }, { __index = self.scene.environment })
end

function Vault:end_token(operator)
  local vault = self.scene.simulation.state.vault
  local token = vault._tokens[operator.environment.VAULT_TOKEN or ""]
  if token then tokens.revoke(vault, token) end
end

-- Colleagues -----------------------------------------------------------------------------------------------------------------

--- What a colleague breaks of a region's transit key, by the check of verify that finds it.
M.BREAKS = {
  ["vault_key.kept"] = function(all, name) all[name].deletion_allowed = true end,
  ["transit_key.exists"] = function(all, name) all[name] = nil end,
  ["transit_key.kept"] = function(all, name) all[name].deletion_allowed = true end,
  ["transit_key.version"] = function(all, name)
    local key = all[name]
    key.latest_version, key.min_decryption_version = key.latest_version + 1, key.latest_version + 1
    key.versions[tostring(key.latest_version)] = { id = ("5"):rep(32), creation_time = 0 }
  end,
}

--- A colleague breaks one.
---@param check string
---@param region string
function Vault:shatter(check, region) M.BREAKS[check](keys(self), names.vault_key(self.scene.cluster, region)) end

-- What is seen when it happens ---------------------------------------------------------------------------------------------

local function each_key(self, fn)
  for _, account in sorted(self.scene.simulation.state.aws) do
    for _, place in sorted(account.kms) do
      for _, key in ipairs(place.keys) do fn(key) end
    end
  end
end

local function is_named(self, key)
  for _, entry in ipairs(self.scene.simulation.state.aws[self.scene.account].kms[key.Arn:match "^arn:aws:kms:([^:]+)"].aliases) do
    if entry.TargetKeyId == key.KeyId then return true end
  end
  return false
end

-- A transit key went: no KMS key may have its material, be it one that waits for its end. Key management keeps nothing for these. One that
-- was made in the same moment and has no name yet must not get one: that is judged in the end.
local function see_deleted(self, name)
  each_key(self, function(key)
    for _, tag in ipairs(key.Tags or {}) do
      local source = tag.TagKey == names.TAG_MATERIAL and tag.TagValue:match "^[^/]*/(.*):%d+$"
      local needed = self.engine.type == "transit" or key.KeyState ~= "PendingDeletion"
      if source == name and needed and self.scene.world.now < (key.DeletionDate or math.huge) then
        local words = ("%s went, and %s is %s"):format(name, key.Arn, key.KeyState)
        local young = self.scene.world.now - key.CreationDate < 400 and not is_named(self, key)
        table.insert(young and self.doubtful or self.lost, young and { key = key, words = words } or words)
      end
    end
  end)
end

--- One request to Vault has been answered.
---@param entry table  of the simulator's log
function Vault:see(entry)
  local what = entry.operation:match "/(.*)$"
  local name = (what == "DeleteKey" or what == "DeleteDistribution") and entry.path:match "/(crdb%-cmek%-[^/]*)$"
  if entry.status < 300 and name then see_deleted(self, name) end
  if entry.status < 300 and what == "DeleteMount" and (self.held or self.mounted) then
    table.insert(self.lost, ("%s went, and %s"):format(entry.path, self.held and "held " .. self.held or "others had mounted it"))
  end
  self.held = next(keys(self))
end

--- A key of others in the engine.
function Vault:store_another()
  if not mount_of(self) then return end
  self.scene:say "others keep a key of theirs in the engine"
  keys(self).payroll = { name = "payroll", type = "aes256-gcm96", latest_version = 1, min_decryption_version = 1, min_encryption_version = 0,
    auto_rotate_period = 0, deletion_allowed = false, exportable = false, min_enabled_version = 1,
    versions = { ["1"] = { id = ("4"):rep(32), creation_time = 0 } } }
  self.another = true
end

-- Whether a transit key has what a KMS key holds.
local function has_copy(rest, key)
  local material = key.KeyMaterials and key.KeyMaterials[1]
  for _, one in sorted(rest.keys) do
    for _, bytes in sorted(one.versions) do
      if material and bytes == material._bytes then return true end
    end
  end
  return false
end

-- In the end -----------------------------------------------------------------------------------------------------------------

---@class torture.Vault  what Vault and KMS hold when everything has come to rest
---@field engine "transit"|"keymgmt"
---@field form "exportable"|"wrapped"|"distributed"
---@field lost string[]   what went too early, or was not ours to take away
---@field left string?    what is still there of what was to go
---@field keys table<string, { versions: table<string, string> }>  transit keys by name; the bytes of each version
---@field bytes table<string, string>   the material that a KMS key holds, by ARN
---@field distributed table<string, true>  IDs of the KMS keys that Vault's key management has
---@field temporary string[]            transit keys that were to last as long as an import; not those whose making was still on its way
---                                     when the last program ended

--- What there is now.
---@return torture.Vault
function Vault:rest()
  local rest = { engine = self.engine.type, form = self.form, keys = {}, bytes = {}, temporary = {}, distributed = {}, lost = self.lost,
    rested_at = self.scene.rested_at }
  local mounted = mount_of(self) ~= nil
  if mounted ~= (self.mounted or self.another or false) then rest.left = mounted and "the engine" or "no engine" end
  if self.another and not keys(self).payroll then table.insert(rest.lost, "payroll is gone") end
  for name, key in sorted(keys(self)) do
    if name:find "^tmp%-" then
      if key.versions["1"].creation_time < self.scene.rested_at then rest.temporary[#rest.temporary + 1] = name end
    elseif name ~= "payroll" then
      rest.left = name
      rest.keys[name] = { versions = {} }
      for number, version in sorted(key.versions) do
        rest.keys[name].versions[number] = version._bytes or crypto.hmac_sha256("simulated key material", version.id)   -- as sim/vault/transit.lua
      end
    end
  end
  for _, provider in sorted(mounted and mount_of(self).data.kms or {}) do
    for _, distribution in sorted(provider.distributions) do
      for _, id in sorted(distribution.versions) do rest.distributed[id] = true end
    end
  end
  for _, doubt in ipairs(self.doubtful) do
    if doubt.key.KeyState == "Enabled" and is_named(self, doubt.key) and not has_copy(rest, doubt.key) then table.insert(rest.lost, doubt.words) end
  end
  each_key(self, function(key)
    local material = key.KeyMaterials and key.KeyMaterials[1]
    rest.bytes[key.Arn] = material and material._bytes
  end)
  return rest
end

--- What must stand in no journal: tokens, and key material as it travels.
---@param rest torture.Vault
---@return string[]
function Vault:all_secrets(rest)
  local list = table.move(self.secrets, 1, #self.secrets, 1, {})
  local function add(bytes)
    for _, text in ipairs { bytes, crypto.base64(bytes), crypto.hex(bytes) } do list[#list + 1] = text end
  end
  for _, key in sorted(rest.keys) do
    for _, bytes in sorted(key.versions) do add(bytes) end
  end
  for _, bytes in sorted(rest.bytes) do add(bytes) end
  return list
end

--- A Vault for a scene; in some there is no engine yet, and the operators mount it.
---@param scene table
function M.open(scene)
  local turn = scene.turn
  local self = setmetatable({ scene = scene, engine = ENGINES[scene.recipe], chance = require "sim.random".new(turn:bits()), ends = {},
    secrets = {}, lost = {}, doubtful = {}, mounted = turn:chance(0.75), locks = turn:chance(0.5) }, Vault)
  self.form = "distributed"
  if self.engine.type == "transit" then
    self.form = turn:chance(0.5) and "wrapped" or "exportable"
    scene.arguments.form = self.form
  end
  if self.mounted then root(self).mounts[self.engine.type .. "/"] = state.mount(self.engine.type, {}, ("7"):rep(32)) end
  put_policy(self)
  return self
end

--- Whether a recipe's keys have their material from Vault.
---@param recipe string
function M.serves(recipe) return ENGINES[recipe] ~= nil end

return M
