--- Key material of a KMS key that is made in Vault's transit engine: born there, wrapped for AWS, imported, never expiring.
--
-- "exportable": the material is a transit key's, which may be exported. It passes through this process, as a secret that host code alone
-- opens (host/material.c). Vault keeps it, so the same can be imported again when it was deleted from KMS.
-- "wrapped": Vault makes the material and gives it out under KMS's public key alone, so it is in clear nowhere but in Vault's memory and
-- KMS's. Nobody keeps it.
-- "distributed": Vault's key management engine makes the KMS key and fills it by itself (lua/engine/vault/distributed.lua).
---@class engine.Material
---@field form "exportable"|"wrapped"|"distributed"
---@field mount string     where the engine is
---@field name string?     of Vault's key; without a copy there is none
---@field provider string?   distributed: the KMS provider that has it
---@field version integer?   distributed: of Vault's key
---@field id string?         distributed: of the KMS key
local claim = require "engine.key.claim"
local distributed = require "engine.vault.distributed"
local failure = require "engine.failure"
local host = require "material"
local in_vault = require "engine.vault.in_vault"
local names = require "names"
local temporary = require "engine.vault.temporary"
local unknown = require "unknown"

local M = {}

local IMPORTS_MAX <const> = 3   -- of one run for one key, when it is not known what became of one
local SPECS <const> = { { "RSA_4096", "rsa-4096" }, { "RSA_2048", "rsa-2048" } }   -- KMS's word and transit's, best first
local NO_COPY <const> = "no-copy"
local FIXED <const> = "that is fixed for its life"
local OTHERWISE <const> = "with other material it is another key: as long as no cluster uses this one, destroy it and run this again; rotate makes "
  .. "the next key in the same way"
local FORMS <const> = { exportable = true, wrapped = true }   -- whose material this recipe makes, and says so from the beginning

local function what(want, id) return ("importing the material of key %s in %s"):format(id, want.region) end

local function not_done(want, id, message, next)
  failure.raise { code = "not_ready", service = "kms", operation = "ImportKeyMaterial", region = want.region, what = what(want, id),
    message = message, next = next }
end

-- Judging ----------------------------------------------------------------------------------------------------------------

-- The version of the transit key that is the material of the wanted generation.
local function version(want) return names.generation(want.cluster, want.alias) or 1 end

--- The value of the tag that says where a key's material is from: "transit/NAME:1", or "transit/no-copy".
---@param want table  of a key
---@return string
function M.source(want)
  local material = want.material
  if material.form == "wrapped" then return material.mount .. "/" .. NO_COPY end
  return ("%s/%s:%d"):format(material.mount, material.name, version(want))
end

--- Whether a key's material is from where the wanted one's is to come, as its tag says.
---@param want table
---@param have engine.Key
---@return boolean
function M.fits(want, have)
  if not want.material then return (have.metadata.Origin or "AWS_KMS") == "AWS_KMS" end
  return have.tags[names.TAG_MATERIAL] == M.source(want)
end

-- Why a key's material is not from where the wanted one's is to come; nil when it is, or no tag tells.
local function elsewhere(want, have)
  local source = have.tags[names.TAG_MATERIAL]
  if not want.material or source == nil or source == M.source(want) then return nil end
  local copy = not source:find("/" .. NO_COPY, 1, true)
  local way = have.distributed and "the recipe vault," or (distributed.is(want) and "the recipe vault-transit, " or "") .. "--form "
    .. (copy and "exportable" or "wrapped")
  return ("the material of %s is %s (tag %s), and %s: go on with %s --vault-mount %s; %s"):format(have.arn,
    copy and "Vault's " .. source or "without a copy, " .. source, names.TAG_MATERIAL, FIXED, way, source:match "^(.*)/[^/]*$", OTHERWISE)
end

-- How a key gets the same material again, by where its tag says that it is from.
local function way_back(want, have)
  local source = have.tags[names.TAG_MATERIAL]
  if not source or source:find("/" .. NO_COPY, 1, true) then return "import the same material again, if somebody kept it" end
  if have.distributed then
    return ("Vault has it (%s), and its key management fills only keys that it makes itself: import the same, if anybody kept it"):format(source)
  end
  return ("Vault has it (%s): cmek run vault-transit --cluster %s imports it"):format(source, want.cluster.name)
end

-- Whether an import can put a key right: Vault has its material, or none was ever in use.
local function can_be_filled(want, have)
  return want.material ~= nil and not distributed.is(want) and M.fits(want, have) and (want.material.form == "exportable" or have.unclaimed ~= nil)
end

--- Why a key's material is not what CMEK needs, and cannot be made so; nil when it is, or can.
---@param want table
---@param have engine.Key
---@return string?
function M.refusal(want, have)
  local origin, state, expires = have.metadata.Origin, have.state, have.metadata.ExpirationModel == "KEY_MATERIAL_EXPIRES"
  if want.material and origin and origin ~= "EXTERNAL" then
    return ("%s has material that KMS made (Origin %s), and %s: %s"):format(have.arn, origin, FIXED, OTHERWISE)
  end
  if origin ~= "EXTERNAL" or can_be_filled(want, have) then return nil end
  if want.material and FORMS[want.material.form] and not have.tags[names.TAG_MATERIAL] and not have.unreadable.tags then
    return ("%s has material that somebody imported, and no tag %s says from where: it is not of this recipe's making, and cmek run console "
      .. "looks after it"):format(have.arn, names.TAG_MATERIAL)
  end
  local other = elsewhere(want, have) or distributed.is(want) and distributed.other(want, have)
  if other then return other end
  if distributed.is(want) and state == "PendingImport" then
    return ("%s has no key material: it was deleted from KMS, and Vault, which has it, fills only keys that it makes itself; what the key encrypts "
      .. "can be read again only with the same material: import it, if anybody kept it"):format(have.arn)
  end
  if state == "PendingImport" then
    return ("%s has no key material, it was deleted or has expired: %s"):format(have.arn, way_back(want, have))
  end
  if expires then
    return ("the material of %s expires, and from then on nobody can read what it encrypts: CMEK needs material that does not expire; %s")
      :format(have.arn, way_back(want, have))
  end
end

--- What of its material an import would put right.
---@param want table
---@param have engine.Key
---@return table[]
function M.differences(want, have)
  if not want.material or distributed.is(want) or have.metadata.Origin ~= "EXTERNAL" then return {} end
  if have.state == "PendingImport" then return { { check = "material", field = "material", have = "none", want = M.source(want) } } end
  if have.metadata.ExpirationModel ~= "KEY_MATERIAL_EXPIRES" then return {} end
  return { { check = "material", field = "ExpirationModel", have = "KEY_MATERIAL_EXPIRES", want = "KEY_MATERIAL_DOES_NOT_EXPIRE" } }
end

--- What is worth a word of the way that is chosen.
---@param want table
---@param have engine.Key?
---@return string?
function M.word(want, have)
  local material = want.material
  if not material or material.form == "distributed" or have and have.tags[names.TAG_MATERIAL] == M.source(want) then return nil end
  if material.form == "wrapped" then
    return "nobody keeps a copy of the material: if it is ever deleted from KMS (kms:DeleteImportedKeyMaterial, which acts at once), all that "
      .. "it encrypts is lost; a key of one region, no replica of it can be made (cmek help material)"
  end
  return "Vault keeps the material in a key that stays exportable; on its way to KMS it passes through this process, in memory that is wiped "
    .. "(cmek help material; --form wrapped keeps it inside Vault and KMS)"
end

-- Wrapping ---------------------------------------------------------------------------------------------------------------

-- The public key of KMS for this import, with its token, and how Vault calls a key of that size. A KMS that does not know the best size
-- gives the smaller one, which is as safe for an hour.
local function parameters(context, want, id)
  local kms, refused = context.session.kms, nil
  for _, spec in ipairs(SPECS) do
    local answer
    answer, refused = context:try({ ValidationException = true, UnsupportedOperationException = true }, function()
      return kms.get_parameters_for_import { region = want.region, KeyId = id, WrappingAlgorithm = "RSAES_OAEP_SHA_256",
        WrappingKeySpec = spec[1] }
    end)
    if answer then return answer, spec[2] end
  end
  error(refused, 0)
end

-- The exported key, wrapped by this process.
local function wrap_exported(context, want, id, public_key)
  local material, number = want.material, tostring(version(want))
  local answer = context.session.vault.transit_export { mount = material.mount, name = material.name, version = number }
  local secret = answer and answer.keys and answer.keys[number]
  if not secret then
    not_done(want, id, ("Vault's transit key %s/%s has no version %s"):format(material.mount, material.name, number))
  end
  if unknown.has(public_key) then return unknown.text(unknown.new "the material, wrapped for KMS") end
  local wrapped, fault = host.wrap(public_key, secret)
  if not wrapped then not_done(want, id, fault) end
  return wrapped
end

-- Material that Vault makes and gives out under KMS's public key.
local function wrap_inside(context, want, id, public_key, kind)
  local vault, mount = context.session.vault, want.material.mount
  local pem, fault = public_key, nil
  if not unknown.has(public_key) then pem, fault = host.pem(public_key) end
  if not pem then not_done(want, id, fault) end
  local key = { mount = mount, name = names.temporary(want.cluster, want.region, context.clock.uuid()) }
  local _, lost = context:try({ uncertain = true }, function()
    return context:write(function()
      return vault.transit_import_key { mount = mount, name = key.name, type = kind, public_key = pem }
    end)
  end)
  local ok, answer = pcall(vault.transit_wrapped_data_key, { mount = mount, name = key.name, bits = 256 })
  temporary.forget(context, key, want.region)
  if not ok then error(lost or answer, 0) end
  if unknown.has(answer.ciphertext) then return answer.ciphertext end
  local wrapped = tostring(answer.ciphertext):match "^vault:v%d+:([%w+/]+=*)$"
  if not wrapped then not_done(want, id, "Vault's answer holds no wrapped key: it should begin with vault:v1:") end
  return wrapped
end

-- Importing ----------------------------------------------------------------------------------------------------------------

-- What KMS says of the key's material, once it shows the key.
local function look(context, want, id)
  local metadata = context:poll {
    reason = ("waiting until KMS shows key %s"):format(id), bound = claim.VISIBLE,
    check = function()
      local answer = context:try({ NotFoundException = true }, function()
        return context.session.kms.describe_key { region = want.region, KeyId = id }
      end)
      return answer and answer.KeyMetadata or nil
    end,
  }
  if not metadata then not_done(want, id, ("KMS does not show the key after %d s"):format(claim.VISIBLE)) end
  return metadata
end

local function is_filled(metadata)
  return metadata.KeyState ~= "PendingImport" and metadata.ExpirationModel ~= "KEY_MATERIAL_EXPIRES"
end

-- Whether the material is seen in the key within so many seconds.
local function seen(context, want, id, bound)
  return context:poll {
    reason = ("waiting until KMS shows the material of key %s"):format(id), bound = bound,
    check = function() return is_filled(look(context, want, id)) or nil end,
  }
end

-- One import. True when KMS took it; false when nobody knows, or other material is there, which only an earlier import of ours can be.
local function import(context, want, id)
  local given, kind = parameters(context, want, id)
  local material = want.material.form == "wrapped" and wrap_inside(context, want, id, given.PublicKey, kind)
    or wrap_exported(context, want, id, given.PublicKey)
  local done, refused = context:try({ uncertain = true, IncorrectKeyMaterialException = true }, function()
    return context:write(function()
      return context.session.kms.import_key_material { region = want.region, KeyId = id, ImportToken = given.ImportToken,
        EncryptedKeyMaterial = material, ExpirationModel = "KEY_MATERIAL_DOES_NOT_EXPIRE" }
    end)
  end)
  return done ~= nil, refused
end

-- When Vault made the version of the transit key that is the material; nil when it has none, and whether the key may be deleted.
local function copy_of(context, want)
  local mount, name = want.material.mount, want.material.name
  local have = in_vault.look(context, "transit_read_key", { mount = mount, name = name })
  if not have then return nil end
  return (have.keys or {})[tostring(version(want))], have.deletion_allowed == true
end

-- A deletion that is under way is refused from here on. One that was faster shows when the key is read next.
local function protect(context, want)
  context:try(function(refused) return refused.status == 400 or refused.status == 404 or context.uncertain(refused) end, function()
    return context:write(function()
      return context.session.vault.transit_configure_key { mount = want.material.mount, name = want.material.name, deletion_allowed = false }
    end)
  end)
end

local function gone(want)
  return ("whose material Vault has no more: %s was deleted, or made anew, in the same moment"):format(M.source(want))
end

-- Whether Vault keeps the copy of what was imported, the same that it had before. Somebody who destroys allows the deletion of the transit
-- key, waits until KMS shows every key that was made before, looks, and then deletes: from here on that is refused.
local function is_kept(context, want, before)
  return context:poll {
    reason = ("waiting until Vault protects %s from deletion again"):format(M.source(want)), bound = claim.VISIBLE,
    check = function()
      local made, deletable = copy_of(context, want)
      if made == nil or made ~= before then return false end
      if not deletable then return true end
      protect(context, want)
    end,
  }
end

--- Gives the key of an own attempt its material, and sees to it that Vault's copy of that stays until the key's alias shows that it is used.
--- A key that an earlier process has filled is given the same once more: KMS takes no other, so that tells whether Vault still has it.
---@param context engine.Context
---@param want table
---@param id string    the key's ID or ARN
---@param made boolean  by this process, and so without material
---@return string? lost  why the key cannot be used: Vault's copy is gone
function M.fill_new(context, want, id, made)
  if want.material.form ~= "exportable" or unknown.has(id) then return M.fill(context, want, id) end
  local before = copy_of(context, want)
  if before == nil then return gone(want) end
  if not made and is_filled(look(context, want, id)) then
    local _, refused = import(context, want, id)
    if refused and refused.code == "IncorrectKeyMaterialException" then return gone(want) end
  end
  M.fill(context, want, id)
  local kept = is_kept(context, want, before)
  if kept == nil then not_done(want, id, ("Vault does not keep %s from deletion after %d s"):format(M.source(want), claim.VISIBLE)) end
  return not kept and gone(want) or nil
end

--- Gives a key its material, unless it has it. What an import whose answer was lost has done is looked up before the next one.
---@param context engine.Context
---@param want table
---@param id string  the key's ID or ARN
function M.fill(context, want, id)
  if is_filled(look(context, want, id)) then return end
  local refused
  for _ = 1, IMPORTS_MAX do
    local done
    done, refused = import(context, want, id)
    if seen(context, want, id, done and context.LAG or claim.VISIBLE) then return end
  end
  if refused and refused.code == "IncorrectKeyMaterialException" then
    not_done(want, id, ("KMS holds the mark of other material for this key than Vault's %s: that transit key was deleted and made again")
      :format(M.source(want)), "restore the transit key from a backup of Vault; no other material fits this key")
  end
  not_done(want, id, ("after %d imports KMS does not show its material"):format(IMPORTS_MAX))
end

return M
