--- A key of Vault's key management engine, one a region: its material is born in Vault, and its version N is that of generation N.
local in_vault = require "engine.vault.in_vault"
local keymgmt = require "engine.vault.keymgmt"
local leftovers = require "engine.vault.leftovers"
local refusal = require "refusal"

local M = {}

M.kind = "vault_key"

--- What it may call, by service.
M.actions = require("resource.actions").vault_key

--- The checks of verify, in order.
M.checks = {
  { id = "vault_key.exists", severity = "high", text = "the key of the region's name is there in Vault" },
  { id = "vault_key.type", severity = "high", text = "it is an aes256-gcm96 key, the one type that KMS takes" },
  { id = "vault_key.kept", severity = "medium", text = "Vault does not allow its deletion" },
}

local ROTATING <const> = 120   -- seconds that Vault may take: it makes the KMS key of the new version before it answers

--- Fills in what was left out.
---@param want { cluster: table, region: string, mount: string?, name: string?, type: string?, version: integer? }  version: that shall be there
---@param context engine.Context
function M.defaults(want, context)
  want.mount = want.mount or "keymgmt"
  want.name = want.name or keymgmt.key_name(context, want)
  want.type = want.type or keymgmt.TYPE
end

function M.name(want) return ("%s/key/%s"):format(want.mount, want.name) end
function M.region(want) return want.region end
function M.foresee() end

--- The key as Vault shows it; nil when there is none.
---@param context engine.Context
---@param want table
---@return table?  with `latest`, its newest version
function M.find(context, want)
  local have = in_vault.look(context, "keymgmt_read_key", { mount = want.mount, name = want.name })
  if not have then return nil end
  local _, latest = keymgmt.versions(have)
  have.latest = math.tointeger(tonumber(have.latest_version)) or latest
  return have
end

--- Why the key of our name is none for KMS; nil when it is.
---@return string? reason
function M.refusal(_, want, have)
  if not have and (want.version or 1) > 1 then
    return ("%s is not in Vault, whose next version was to be the material: restore it from a backup of Vault; a key that is made anew has "
      .. "other material, and no way to the KMS keys of the old one"):format(M.name(want))
  end
  if not have or have.type == want.type then return nil end
  return ("%s in Vault has our name and is of type %s, which is fixed; KMS takes %s: if nobody uses it, vault write %s deletion_allowed=true && "
    .. "vault delete %s; else name another mount (--vault-mount)"):format(M.name(want), tostring(have.type), want.type, M.name(want), M.name(want))
end

-- Whether the wanted version is still to be made.
local function is_behind(want, have) return want.version ~= nil and have.latest ~= nil and have.latest < want.version end

function M.differences(want, have)
  local list = {}
  if is_behind(want, have) then list[1] = { check = "version", field = "latest_version", have = have.latest, want = want.version } end
  if have.deletion_allowed == true then list[#list + 1] = { check = "kept", field = "deletion_allowed", have = true, want = false } end
  return list
end

function M.warnings() return {} end
function M.pending() return nil end

--- What the recipe gets; version: the wanted one, else its newest.
---@return { mount: string, name: string, version: integer, enabled_from: integer }  enabled_from: older ones Vault keeps disabled in KMS
function M.result(want, have)
  return { mount = want.mount, name = want.name, version = want.version or have and have.latest or 1,
    enabled_from = have and math.tointeger(tonumber(have.min_enabled_version)) or 1 }
end

-- Changing ---------------------------------------------------------------------------------------------------------

-- The type stands in every write: left out it is rsa-2048, should the key be gone by then. What can be changed later is not sent with
-- what makes it: what a Vault does with both at once is not documented.
local function write(context, want, more)
  local parameters = { mount = want.mount, name = want.name, type = want.type }
  for name, value in pairs(more or {}) do parameters[name] = value end   -- order cannot be seen
  return in_vault.write(context, "keymgmt_write_key", parameters)
end

--- Makes the key. A key of that name and type is left as it is, so somebody who was faster has made the same one.
function M.create(context, want)
  local what = "making " .. M.name(want)
  local have = in_vault.settle(context, { what = what, region = want.region, lost = write(context, want),
    check = function() return M.find(context, want) end })
  local wrong = M.refusal(context, want, have)
  if wrong then context:refuse { service = "vault", region = want.region, what = what, message = wrong } end
  return #M.differences(want, have) > 0 and M.update(context, want, have) or have
end

-- One more version, and with it one more KMS key where it is distributed. What became of a request whose answer was lost is looked up for as
-- long as Vault may work on it; it is not sent again by the same run, since each makes a key.
local function rotate_once(context, want, have)
  local settings = (context.session.vault_client or {}).settings or {}
  local lost = in_vault.write(context, "keymgmt_rotate_key", { mount = want.mount, name = want.name,
    timeout = math.max(settings.timeout or 0, ROTATING) })
  return in_vault.settle(context, { what = "rotating " .. M.name(want), region = want.region, lost = lost, bound = lost and context.LAG or nil,
    check = function()
      local seen = M.find(context, want)
      return seen and seen.latest > have.latest and seen or nil
    end }), lost
end

-- What a rotation that failed has left in KMS is told; of one that worked the distribution knows the keys, and tells.
local function rotate(context, want, have)
  local place = { region = want.region, mount = want.mount, key = { name = want.name } }
  leftovers.begin(context, place)
  local ok, seen, lost = pcall(rotate_once, context, want, have)
  if not ok and refusal.is(seen) then leftovers.tell(context, place) end
  leftovers.finish(context, place, lost ~= nil or not ok and (not refusal.is(seen) or keymgmt.may_leave(seen)))
  if not ok then error(seen, 0) end
  return seen
end

function M.update(context, want, have)
  if is_behind(want, have) then have = M.find(context, want) or have end   -- somebody may have rotated it since the plan
  while is_behind(want, have) do have = rotate(context, want, have) end
  if #M.differences(want, have) == 0 then return have end
  return in_vault.settle(context, { what = "changing " .. M.name(want), region = want.region,
    lost = write(context, want, { deletion_allowed = false }), check = function()
      local seen = M.find(context, want)
      return seen and #M.differences(want, seen) == 0 and seen or nil
    end })
end

return M
