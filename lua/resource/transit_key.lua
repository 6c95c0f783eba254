--- A key of Vault's transit engine that is the material of a cluster's KMS keys in one region: its version N is that of generation N.
--- It stays exportable, which transit does not take back, so that the same material can be imported again.
local in_vault = require "engine.vault.in_vault"
local names = require "names"

local M = {}

M.kind = "transit_key"

--- What it may call, by service.
M.actions = require("resource.actions").transit_key

--- The checks of verify, in order.
M.checks = {
  { id = "transit_key.exists", severity = "high", text = "the material is there in Vault: a transit key of the region's name" },
  { id = "transit_key.type", severity = "high", text = "it is an aes256-gcm96 key, neither derived nor convergent" },
  { id = "transit_key.version", severity = "high", text = "the version that KMS has is still there" },
  { id = "transit_key.exportable", severity = "medium", text = "it can be exported, so that its material can be imported again" },
  { id = "transit_key.kept", severity = "medium", text = "Vault does not allow its deletion" },
}

local TYPE <const> = "aes256-gcm96"
local ROTATIONS_MAX <const> = 3   -- requests of one run for one version, when it is not known what became of one
local LOST <const> = 20           -- seconds in which Vault shows a version that it made

--- Fills in what was left out.
---@param want { cluster: table, region: string, mount: string?, name: string?, version: integer? }
function M.defaults(want)
  want.mount = want.mount or "transit"
  want.name = want.name or names.vault_key(want.cluster, want.region)
  want.version = tostring(want.version or 1)
end

function M.name(want) return want.mount .. "/" .. want.name end
function M.region(want) return want.region end
function M.foresee() end

--- The key as Vault shows it; nil when there is none.
---@param context engine.Context
---@param want table
---@return table?
function M.find(context, want)
  return in_vault.look(context, "transit_read_key", { mount = want.mount, name = want.name })
end

--- Why its material is none for KMS; nil when it is.
---@param have table
---@return string?
function M.wrong(have)
  if have.type ~= TYPE then return ("it is of type %s, and KMS takes %s"):format(tostring(have.type), TYPE) end
  if have.derived == true then return "it is a derived key, which has no material of its own" end
end

--- Whether a version is there.
---@param want table
---@param have table
---@return boolean
function M.has_version(want, have) return type(have.keys) == "table" and have.keys[want.version] ~= nil end

-- Versions that Vault has made of it so far.
local function latest(have) return math.tointeger(have.latest_version) or 1 end

--- Whether the wanted version is still to be made.
---@param want table
---@param have table
---@return boolean
function M.is_behind(want, have) return latest(have) < math.tointeger(want.version) end

--- Why the key is not touched; nil when it can be used.
---@return string? reason
function M.refusal(_, want, have)
  if not have and want.version == "1" then return nil end
  if not have then
    return ("%s is not in Vault, whose next version was to be the material: restore it from a backup of Vault; a key that is made anew has "
      .. "other material"):format(M.name(want))
  end
  local wrong = M.wrong(have)
  if wrong then
    return ("%s in Vault has our name, and %s: look what it is for, and name another mount (--vault-mount)"):format(M.name(want), wrong)
  end
  if not M.has_version(want, have) and not M.is_behind(want, have) then
    return ("%s in Vault has no version %s, which is the material of the key: restore it from a backup of Vault"):format(M.name(want),
      want.version)
  end
end

function M.differences(want, have)
  local list = {}
  if M.is_behind(want, have) then
    list[1] = { check = "version", field = "latest_version", have = latest(have), want = math.tointeger(want.version) }
  end
  if have.exportable ~= true then list[#list + 1] = { check = "exportable", field = "exportable", have = false, want = true } end
  if have.deletion_allowed == true then list[#list + 1] = { check = "kept", field = "deletion_allowed", have = true, want = false } end
  return list
end

function M.warnings() return {} end
function M.pending() return nil end

--- What the recipe gets: the material of a key.
---@return engine.Material
function M.result(want) return { form = "exportable", mount = want.mount, name = want.name } end

-- Changing -----------------------------------------------------------------------------------------------------------

-- A write whose answer was lost is not repeated: what is there decides.
local function settle(context, want, lost, fits)
  return in_vault.settle(context, { what = "making " .. M.name(want), region = want.region, lost = lost, check = function()
    local seen = M.find(context, want)
    return seen and fits(seen) and seen or nil
  end })
end

--- Makes the key. Transit leaves a key of that name as it is, so somebody who was faster has made the same one.
function M.create(context, want)
  local lost = in_vault.write(context, "transit_create_key", { mount = want.mount, name = want.name, type = TYPE, exportable = true })
  local have = settle(context, want, lost, function() return true end)
  local wrong = M.refusal(context, want, have)
  if wrong then context:refuse { service = "vault", region = want.region, what = "making " .. M.name(want), message = wrong } end
  return #M.differences(want, have) > 0 and M.update(context, want, have) or have
end

-- One more version. What a rotation whose answer was lost has done is looked up before the next one. Somebody who rotates at the same
-- time makes a version too many, of which nothing is lost: which one is a generation's is fixed by its number.
local function rotate(context, want, have)
  local before = latest(have)
  for _ = 1, ROTATIONS_MAX do
    local lost = in_vault.write(context, "transit_rotate_key", { mount = want.mount, name = want.name })
    local seen = context:poll {
      reason = ("waiting until Vault shows version %d of %s"):format(before + 1, M.name(want)), bound = lost and LOST or 60,
      check = function()
        local now = M.find(context, want)
        return now and latest(now) > before and now or nil
      end,
    }
    if seen then return seen end
  end
  require("engine.failure").raise { code = "not_ready", service = "vault", region = want.region, what = "rotating " .. M.name(want),
    message = ("Vault shows no version %d"):format(before + 1) }
end

function M.update(context, want, have)
  if M.is_behind(want, have) then have = M.find(context, want) or have end   -- somebody may have rotated it since the plan
  while M.is_behind(want, have) do have = rotate(context, want, have) end
  local wanted, differs = { mount = want.mount, name = want.name }, false
  for _, difference in ipairs(M.differences(want, have)) do wanted[difference.field], differs = difference.want, true end
  if not differs then return have end
  local lost = in_vault.write(context, "transit_configure_key", wanted)
  return settle(context, want, lost, function(seen) return #M.differences(want, seen) == 0 end)
end

return M
