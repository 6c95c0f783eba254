-- What must be true when everything has come to rest, each with a name. They look at the simulated services' state and at
-- the journals, not at what cmek says of itself.

local json = require "json"
local names = require "names"

local M = {}

local function tags_of(list, key, value)
  local map = {}
  for _, tag in ipairs(list or {}) do map[tag[key]] = tag[value] end
  return map
end

local function claimed(place, alias)
  local found = {}
  for _, entry in ipairs(place and place.aliases or {}) do
    if entry.AliasName == alias then found[#found + 1] = entry.TargetKeyId end
  end
  return found
end

local function key_by_id(place, id)
  for _, key in ipairs(place and place.keys or {}) do
    if key.KeyId == id then return key end
  end
end

-- The alias of a generation, of the one that is to be in use when none is named.
local function alias_of(rest, generation) return names.alias(rest.cluster, generation or rest.generation) end

local function list_of(value) return type(value) == "table" and value or { value } end

-- The statement of a document that has this Sid.
local function statement(document, sid)
  for _, entry in ipairs(document.Statement) do
    if entry.Sid == sid then return entry end
  end
end

-- The same strings in any order.
local function same_set(a, b)
  local left, right = { table.unpack(list_of(a)) }, { table.unpack(list_of(b)) }
  table.sort(left)
  table.sort(right)
  return table.concat(left, "\n") == table.concat(right, "\n")
end

-- Of no use to anybody: disabled, or without material.
local function is_off(key) return key.KeyState == "Disabled" or key.KeyState == "PendingImport" end

local function is_scheduled(key) return key.KeyState:find "^Pending.*Deletion$" ~= nil end   -- a primary waits for its replicas

-- As its maker left it: usable, not yet usable, or set aside by itself, perhaps not to the end.
local function untouched(key, tags)
  return key.KeyState == "Enabled" or key.KeyState == "PendingImport" or key.KeyState == "Disabled" and tags[names.TAG_STATE] == names.LOST_RACE
end

local FIVE <const> = { "kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*", "kms:DescribeKey", "kms:ReEncrypt*" }

---@class torture.Rest
---@field aws table       the account's part of the state
---@field cluster table   of the state
---@field regions string[]
---@field generation integer  that is to be in use
---@field organization string
---@field account_id string   the cluster's
---@field account string      the operator's
---@field journals string[]   texts
---@field lost string[]       texts of journals that went with their machine
---@field output string       everything that was reported
---@field secrets string[]
---@field strangers { name: string, before: string, after: string }[]
---@field foreign { region: string, sid: string }[]   statements that a colleague added to policies
---@field witness torture.Witness
---@field vault torture.Vault?  where key material is from Vault
---@field wrongly_enabled string[]  keys that the Cloud took although their policy denies the role

-- By name; each returns what is wrong, or nothing.
local known = {}

known["one role"] = function(rest)
  local count = 0
  for _, role in ipairs(rest.aws.iam.roles) do
    if tags_of(role.Tags, "Key", "Value")[names.TAG_CLUSTER] == rest.cluster.id then count = count + 1 end
  end
  if count ~= 1 then return ("%d roles"):format(count) end
end

known["one claimed live key per region and generation"] = function(rest)
  for _, region in ipairs(rest.regions) do
    local place = rest.aws.kms[region]
    local holders = claimed(place, alias_of(rest))
    if #holders ~= 1 then return ("%s: %d keys hold the alias"):format(region, #holders) end
    local key = key_by_id(place, holders[1])
    if key.KeyState ~= "Enabled" then return ("%s: the claimed key is %s"):format(region, key.KeyState) end
  end
end

known["the keys from before a rotation stay enabled"] = function(rest)
  for _, region in ipairs(rest.regions) do
    local place = rest.aws.kms[region]
    for generation = 1, rest.generation - 1 do
      local holders = claimed(place, alias_of(rest, generation))
      local key = #holders == 1 and key_by_id(place, holders[1])
      if not key or key.KeyState ~= "Enabled" then return ("%s: g%d is %s"):format(region, generation, key and key.KeyState or "gone") end
    end
  end
end

known["no generation that nobody asked for"] = function(rest)
  for _, region in ipairs(rest.regions) do
    for _, entry in ipairs(rest.aws.kms[region].aliases) do
      if (names.generation(rest.cluster, entry.AliasName) or 0) > rest.generation then return ("%s: %s"):format(region, entry.AliasName) end
    end
  end
end

known["the wanted policies"] = function(rest)
  local role_arn = rest.cluster.cmek and rest.role_arn
  for _, region in ipairs(rest.regions) do
    local place = rest.aws.kms[region]
    local key = key_by_id(place, claimed(place, alias_of(rest))[1])
    local use = statement(json.decode(key.Policy), "Allow use of the key for CMEK")
    if not use or use.Effect ~= "Allow" or not same_set(use.Action, FIVE) or not same_set(use.Principal.AWS, role_arn) then
      return ("%s: %s"):format(region, key.Policy)
    end
    if not key.Policy:find(("arn:aws:iam::%s:root"):format(rest.account), 1, true) then return region .. ": no administration" end
  end
  local trust = json.decode(rest.role.AssumeRolePolicyDocument)
  local found
  for _, entry in ipairs(trust.Statement) do
    local condition = entry.Condition and entry.Condition.StringEquals
    found = found or condition and condition["sts:ExternalId"] == rest.organization
      and same_set(entry.Principal.AWS, ("arn:aws:iam::%s:root"):format(rest.account_id))
  end
  if not found then return "trust: " .. rest.role.AssumeRolePolicyDocument end
end

known["statements of others survive"] = function(rest)
  for _, foreign in ipairs(rest.foreign) do
    local place = rest.aws.kms[foreign.region]
    local key = key_by_id(place, claimed(place, alias_of(rest))[1])
    if foreign.key == key.KeyId and not statement(json.decode(key.Policy), foreign.sid) then
      return ("%s: the statement '%s' is gone"):format(foreign.region, foreign.sid)
    end
  end
end

known["CMEK enabled with those keys"] = function(rest)
  local cmek = rest.cluster.cmek
  if cmek.status ~= "ENABLED" then return "status " .. tostring(cmek.status) end
  for _, region in ipairs(rest.regions) do
    local place = rest.aws.kms[region]
    local key = key_by_id(place, claimed(place, alias_of(rest))[1])
    local fits = false
    for _, info in ipairs(cmek.region_infos) do
      for _, used in ipairs(info.key_infos) do
        fits = fits or info.region == region and used.status == "ENABLED" and used.spec.uri == key.Arn
          and used.spec.auth_principal == rest.role_arn
      end
    end
    if not fits then return ("%s: %s is not in use"):format(region, key.Arn) end
  end
end

known["one family of keys: a primary and its replicas"] = function(rest)
  local ids, primaries = {}, 0
  for _, region in ipairs(rest.regions) do
    local place = rest.aws.kms[region]
    local key = key_by_id(place, claimed(place, alias_of(rest))[1])
    ids[key.KeyId] = true
    if key.MultiRegionConfiguration.MultiRegionKeyType == "PRIMARY" then primaries = primaries + 1 end
  end
  local id = next(ids)
  if next(ids, id) or primaries ~= 1 then return ("%d primaries; %s and others"):format(primaries, id) end
end

known["nothing that is denied is enabled"] = function(rest)
  return rest.wrongly_enabled[1]
end

known["every other key is quarantined and named in a journal"] = function(rest)
  local journals, lost = table.concat(rest.journals), table.concat(rest.lost)
  for _, region in ipairs(rest.regions) do
    local place = rest.aws.kms[region]
    local holders = {}
    for generation = 1, rest.generation do holders[claimed(place, alias_of(rest, generation))[1] or "?"] = true end
    for _, key in ipairs(place.keys) do
      local tags = tags_of(key.Tags, "TagKey", "TagValue")
      local left = lost:find(tags[names.TAG_ATTEMPT] or "?", 1, true)   -- its maker is gone: nobody else touches it
      local gone = is_scheduled(key)
      if left and not holders[key.KeyId] and not gone and not untouched(key, tags) then
        return ("%s: %s was left, and is %s, %s"):format(region, key.KeyId, key.KeyState, tostring(tags[names.TAG_STATE]))
      end
      if tags[names.TAG_CLUSTER] == rest.cluster.id and not holders[key.KeyId] and not left and not gone then
        if tags[names.TAG_STATE] ~= names.LOST_RACE or not is_off(key) then
          return ("%s: %s is %s, %s"):format(region, key.KeyId, key.KeyState, tostring(tags[names.TAG_STATE]))
        end
        if not journals:find(key.KeyId, 1, true) then return ("%s: %s is in no journal"):format(region, key.KeyId) end
      end
    end
  end
end

known["nothing is scheduled for deletion"] = function(rest)
  for _, region in ipairs(rest.regions) do
    for _, key in ipairs(rest.aws.kms[region].keys) do
      if is_scheduled(key) then return key.KeyId end
    end
  end
end

known["nothing of others is touched"] = function(rest)
  for _, stranger in ipairs(rest.strangers) do
    if stranger.before ~= stranger.after then return ("%s: %s -> %s"):format(stranger.name, stranger.before, stranger.after) end
  end
end

known["no secret in journal or output"] = function(rest)
  local text = table.concat(rest.journals) .. table.concat(rest.lost) .. rest.output
  for _, secret in ipairs(rest.secrets) do
    if text:find(secret, 1, true) then return "a secret of " .. #secret .. " characters" end
  end
end

known["the chain is gone"] = function(rest)
  if rest.role then return "the role " .. rest.role_arn end
  for _, region in ipairs(rest.regions) do
    local place = rest.aws.kms[region]
    if claimed(place, alias_of(rest))[1] then return region .. ": the alias is there" end
    for _, key in ipairs(place.keys) do
      local tags = tags_of(key.Tags, "TagKey", "TagValue")
      local marked = tags[names.TAG_STATE] == names.RETIRED
      if is_scheduled(key) and not marked then return ("%s: %s is not marked"):format(region, key.KeyId) end
    end
  end
end

-- Keys that a cluster's CMEK names, in any status.
known["nothing that is named is left scheduled"] = function(rest)
  for arn in require("sorted")(rest.witness:named()) do
    local region = arn:match "^arn:aws:kms:([^:]+):"
    local key = region and key_by_id(rest.aws.kms[region], arn:match "[^/]+$")
    if key and is_scheduled(key) then return arn end
  end
end

known["nothing that is named is scheduled or deleted"] = function(rest) return rest.witness.named_deleted[1] end
known["no alias without material"] = function(rest) return rest.witness.empty[1] end
known["the role goes after the keys"] = function(rest) return rest.witness.role_first[1] end
known["a deletion has the longest window"] = function(rest) return rest.witness.short[1] end

-- Of key material that is from Vault -----------------------------------------------------------------------------------

-- The keys that have an alias of the cluster's, with their generation.
local function each_claimed(rest, fn)
  for _, region in ipairs(rest.vault and rest.regions or {}) do
    local place = rest.aws.kms[region]
    for generation = 1, rest.generation do
      for _, id in ipairs(claimed(place, alias_of(rest, generation))) do
        local wrong = fn(key_by_id(place, id), generation)
        if wrong then return ("%s: %s %s"):format(region, id, wrong) end
      end
    end
  end
end

known["claimed keys have their material for good"] = function(rest)
  return each_claimed(rest, function(key)
    if key.Origin ~= "EXTERNAL" then return "has Origin " .. tostring(key.Origin) end
    if not rest.vault.bytes[key.Arn] then return "has no material" end
    if key.ExpirationModel ~= "KEY_MATERIAL_DOES_NOT_EXPIRE" then return tostring(key.ExpirationModel) end
  end)
end

-- What a tag names, "transit/NAME:VERSION", is what KMS holds; without a copy no version of any transit key is.
known["material is the version that its tag names"] = function(rest)
  return each_claimed(rest, function(key, generation)
    local source, bytes = tags_of(key.Tags, "TagKey", "TagValue")[names.TAG_MATERIAL], rest.vault.bytes[key.Arn]
    local mount, name, version = tostring(source):match "^([^/]*)/(.*):(%d+)$"
    if name then
      local there = rest.vault.keys[name]
      local meant = mount == rest.vault.engine and version == tostring(generation)
      if not meant or not there or there.versions[version] ~= bytes then return ("is not of %s"):format(source) end
    elseif source ~= "transit/no-copy" or rest.vault.form ~= "wrapped" then
      return "is tagged as " .. tostring(source)
    end
  end)
end

known["no two keys have the same material"] = function(rest)
  local seen = {}
  return each_claimed(rest, function(key)
    local bytes = rest.vault.bytes[key.Arn]
    if seen[bytes] then return "has the material of " .. seen[bytes] end
    seen[bytes] = key.KeyId
  end)
end

known["one key of Vault's per region, or none"] = function(rest)
  local wanted, count = {}, 0
  local copies = rest.vault and rest.vault.form ~= "wrapped"
  for _, region in ipairs(copies and rest.regions or {}) do wanted[names.vault_key(rest.cluster, region)] = true end
  for name in require("sorted")(rest.vault and rest.vault.keys or {}) do
    if not wanted[name] then return name .. " is there" end
    count = count + 1
  end
  if copies and count ~= #rest.regions then return ("%d transit keys"):format(count) end
end

known["what Vault left in KMS is told"] = function(rest)
  if not rest.vault or rest.vault.form ~= "distributed" or #rest.lost > 0 then return end
  for _, region in ipairs(rest.regions) do
    for _, key in ipairs(rest.aws.kms[region].keys) do
      local own = rest.vault.distributed[key.KeyId] or key.Description ~= "Managed by Vault" or key.CreationDate >= rest.vault.rested_at
      if not own and not rest.output:find(key.KeyId, 1, true) then return ("%s: %s is %s"):format(region, key.KeyId, key.KeyState) end
    end
  end
end

known["nothing goes from Vault that is needed"] = function(rest) return rest.vault and rest.vault.lost[1] end
known["nothing is left in Vault"] = function(rest) return rest.vault and rest.vault.left end

known["no temporary key is left in Vault unsaid"] = function(rest)
  local lost = table.concat(rest.lost)
  for _, name in ipairs(rest.vault and rest.vault.temporary or {}) do
    if not rest.output:find(name, 1, true) and not lost:find(name, 1, true) then return name end
  end
end

known["the cluster has every region once, with its nodes"] = function(rest)
  local found, wanted = {}, {}
  for _, region in ipairs(rest.cluster.regions) do found[#found + 1] = ("%s=%d"):format(region.name, region.node_count) end
  for i, name in ipairs(rest.regions) do wanted[i] = name .. "=3" end
  if not same_set(found, wanted) then return table.concat(found, " ") end
end

-- Lists ----------------------------------------------------------------------------------------------------------------

-- In this order, of these names.
local function list(names_of)
  local result = {}
  for i, name in ipairs(names_of) do result[i] = { name, known[name] or error("no invariant " .. name) } end
  return result
end

local ALWAYS <const> = { "nothing that is named is scheduled or deleted", "nothing that is named is left scheduled",
  "a deletion has the longest window", "no alias without material", "nothing of others is touched", "no secret in journal or output",
  "no temporary key is left in Vault unsaid", "nothing goes from Vault that is needed" }

-- Where keys are in place, and their material is from Vault.
local MATERIAL <const> = { "claimed keys have their material for good", "material is the version that its tag names",
  "no two keys have the same material", "one key of Vault's per region, or none", "what Vault left in KMS is told" }

local function with_always(names_of, more)
  local all = {}
  for _, some in ipairs { ALWAYS, names_of, more or {} } do table.move(some, 1, #some, #all + 1, all) end
  return list(all)
end

--- A cluster that uses its keys.
M.enabled = with_always({ "one role", "one claimed live key per region and generation", "the wanted policies", "statements of others survive",
  "CMEK enabled with those keys", "nothing that is denied is enabled", "every other key is quarantined and named in a journal",
  "nothing is scheduled for deletion" }, MATERIAL)

--- One whose keys are replicas of one.
M.replicated = with_always({ "one role", "one claimed live key per region and generation", "one family of keys: a primary and its replicas",
  "the wanted policies", "statements of others survive", "CMEK enabled with those keys", "nothing that is denied is enabled",
  "every other key is quarantined and named in a journal", "nothing is scheduled for deletion" }, MATERIAL)

--- One that uses the keys of its next generation.
M.rotated = with_always({ "one role", "one claimed live key per region and generation", "the keys from before a rotation stay enabled",
  "no generation that nobody asked for", "the wanted policies", "statements of others survive", "CMEK enabled with those keys",
  "every other key is quarantined and named in a journal", "nothing is scheduled for deletion" }, MATERIAL)

--- One that has grown.
M.grown = with_always({ "the cluster has every region once, with its nodes", "one role", "one claimed live key per region and generation",
  "the wanted policies", "CMEK enabled with those keys", "nothing that is denied is enabled", "every other key is quarantined and named in a journal",
  "nothing is scheduled for deletion" }, MATERIAL)

--- The same where somebody has destroyed a chain meanwhile.
M.enabled_after_all = with_always({ "one role", "one claimed live key per region and generation", "the wanted policies",
  "CMEK enabled with those keys", "nothing that is denied is enabled", "every other key is quarantined and named in a journal" }, MATERIAL)

--- A chain that was taken back.
M.destroyed = with_always { "the chain is gone", "every other key is quarantined and named in a journal", "the role goes after the keys" }

--- The same, when KMS has deleted the keys and Vault's side was taken back as well.
M.emptied = with_always { "the chain is gone", "nothing is left in Vault" }

--- A chain that had to stay.
M.kept = with_always({ "one role", "one claimed live key per region and generation", "the wanted policies", "nothing is scheduled for deletion" },
  MATERIAL)

return M
