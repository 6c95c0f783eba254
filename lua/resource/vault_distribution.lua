--- A key of Vault's that its key management engine has put into KMS: for each version a KMS key, which Vault makes, fills and names by itself.
--- What the recipe gets is the material of a KMS key: of the version that the cluster uses, else of the one whose alias was claimed last,
--- else of the newest.
local choice = require "engine.key.choice"
local failure = require "engine.failure"
local in_vault = require "engine.vault.in_vault"
local keymgmt = require "engine.vault.keymgmt"
local leftovers = require "engine.vault.leftovers"
local names = require "names"
local refusal = require "refusal"
local unknown = require "unknown"

local M = {}

M.kind = "vault_distribution"

--- What it may call, by service.
M.actions = require("resource.actions").vault_distribution

--- The checks of verify, in order.
M.checks = {
  { id = "vault_distribution.exists", severity = "high", text = "Vault has the region's key in KMS, by the provider of the region" },
  { id = "vault_distribution.purpose", severity = "high", text = "for encrypting and decrypting" },
  { id = "vault_distribution.protection", severity = "high", text = "protected by hsm, as all that KMS keeps" },
  { id = "vault_distribution.enabled", severity = "high", text = "Vault does not keep the version that is in use disabled" },
  { id = "vault_distribution.version", severity = "medium", text = "the version that is in use is Vault's newest: no rotation was left half done" },
}

local BASE <const>, EACH <const> = 60, 30   -- seconds that a distribution may take, and for each version

--- Fills in what was left out.
---@param want { cluster: table, region: string, provider: table, key: table, purpose: string?, protection: string?, version: integer?,
---  serves: string[]? }
---  provider, key: what ensure gave for these; version: that is meant, where it is not the one in use
function M.defaults(want)
  for _, field in ipairs { "provider", "key" } do
    if type(want[field]) ~= "table" or not want[field].name then
      error(("vault_distribution: field '%s' must be what ensure gave for it"):format(field), 0)
    end
  end
  want.mount = want.key.mount
  want.purpose, want.protection = want.purpose or "encrypt,decrypt", want.protection or "hsm"
end

function M.name(want) return ("%s/kms/%s/key/%s"):format(want.mount, want.provider.name, want.key.name) end
function M.region(want) return want.region end
function M.foresee(context, want) choice.foresee(context, want) end

-- Reading ----------------------------------------------------------------------------------------------------------

-- Purposes in one order, whether they come as a list or as a text.
local function purposes(value)
  local list = {}
  for _, text in ipairs(type(value) == "table" and value or { tostring(value or "") }) do
    for purpose in tostring(text):gmatch "[%a]+" do list[#list + 1] = purpose end
  end
  table.sort(list)
  return table.concat(list, ",")
end

--- What a field that is fixed shall be, as it reads back.
---@param want table
---@param field "purpose"|"protection"
function M.wanted(want, field) return field == "purpose" and purposes(want.purpose) or want.protection end

local function id_of(arn) return tostring(arn):match "[^/]+$" end

-- The version that is meant, of those that are in KMS.
local function chosen(context, want, versions, latest)
  if want.version then return want.version end
  local by_id, best = {}, nil
  for version, id in pairs(versions) do by_id[id_of(id)] = version end   -- order cannot be seen
  for _, used in ipairs(choice.in_use(context, want)) do
    if by_id[id_of(used.uri)] then return by_id[id_of(used.uri)] end
  end
  for _, entry in ipairs(context:aliases(want.region)) do
    local version = names.generation(want.cluster, entry.AliasName) and by_id[entry.TargetKeyId or ""]
    if version then best = math.max(best or version, version) end
  end
  return best or latest
end

-- The distribution as Vault shows it; nil when there is none.
local function look(context, want)
  local data = in_vault.look(context, "keymgmt_read_distribution", { mount = want.mount, name = want.provider.name, key = want.key.name })
  if not data then return nil end
  local versions, latest = keymgmt.versions(data)
  return { name = data.name, purpose = purposes(data.purpose), protection = data.protection, versions = versions, latest = latest }
end

-- Another provider that has the key, which may be in one alone.
local function elsewhere(context, want)
  local answer = in_vault.look(context, "keymgmt_list_key_providers", { mount = want.mount, name = want.key.name })
  for _, name in ipairs(answer and answer.keys or {}) do
    if name ~= want.provider.name then return name end
  end
end

--- The distribution; nil when there is none. Something with `elsewhere` stands for a key that another provider has.
---@param context engine.Context
---@param want table
---@return table?
function M.find(context, want)
  local have = look(context, want)
  if not have then
    local other = elsewhere(context, want)
    return other and { elsewhere = other } or nil
  end
  have.version = chosen(context, want, have.versions, have.latest)
  return have
end

-- Judging ----------------------------------------------------------------------------------------------------------

--- Why Vault keeps the version that is meant disabled in KMS; nil when it does not.
---@return string?
function M.disabled(want, have)
  if not have.version or have.version >= (want.key.enabled_from or 1) then return nil end
  return ("Vault keeps version %d of %s/key/%s disabled in KMS (min_enabled_version is %d), and that is the one in use: with it nobody can read what "
    .. "it encrypts: vault write %s/key/%s type=%s min_enabled_version=%d"):format(have.version, want.mount, want.key.name, want.key.enabled_from,
    want.mount, want.key.name, keymgmt.TYPE, have.version)
end

--- Why the distribution is not gone on with; nil when it can be.
---@return string? reason
function M.refusal(_, want, have)
  if not have then return nil end
  if have.elsewhere then
    return ("Vault's key %s/key/%s is distributed to the provider %s already, and a key may be in one provider alone: take it from there, if nobody "
      .. "uses it (vault delete %s/kms/%s/key/%s, which schedules its KMS keys for deletion), or name another mount (--vault-mount)"):format(
      want.mount, want.key.name, have.elsewhere, want.mount, have.elsewhere, want.key.name)
  end
  for _, field in ipairs { "purpose", "protection" } do
    local wanted = M.wanted(want, field)
    if have[field] ~= wanted then
      return ("%s in Vault has the %s '%s' where '%s' is wanted, and that is fixed once a key is distributed: with another one it is another key, "
        .. "in another mount (--vault-mount)"):format(M.name(want), field, tostring(have[field]), wanted)
    end
  end
  local coming = want.version and want.version > (have.latest or 0)   -- by a rotation of the key, which puts it into KMS as well
  if not coming and (not have.version or not have.versions[have.version]) then
    return ("%s in Vault has no version %s: versions below the key's min_enabled_version are left out (vault read %s/key/%s)"):format(M.name(want),
      tostring(have.version or want.version or "at all"), want.mount, want.key.name)
  end
  return M.disabled(want, have)
end

function M.differences() return {} end

--- What is worth a word: a rotation that somebody began in Vault is not handed over by itself.
function M.warnings(want, have)
  if have.elsewhere or want.version or not have.version or have.latest <= have.version then return {} end
  return { { check = "version", field = "version", have = have.latest,
    text = ("%s/key/%s was rotated in Vault: its newest version is %d, and %d is in use; it stays so until the rotation is finished: "
      .. "cmek run rotate --cluster %s"):format(want.mount, want.key.name, have.latest, have.version, require("quote")(want.cluster.name)) } }
end


--- Why there is work although nothing differs: Vault puts a new version into KMS when the key is rotated.
---@return string? reason, boolean? writes
function M.pending(_, want, have)
  if have and not have.elsewhere and want.version and not have.versions[want.version] then
    return ("version %d comes into KMS with the rotation of the key"):format(want.version)
  end
end

--- What the recipe gets: the material of a KMS key, which is there already.
---@return engine.Material
function M.result(want, have)
  local version = have and have.version or want.version or want.key.version
  return { form = "distributed", mount = want.mount, name = want.key.name, provider = want.provider.name, version = version,
    id = have and have.versions and have.versions[version] and id_of(have.versions[version])
      or unknown.new(("ID of the KMS key that Vault makes of %s/key/%s in %s"):format(want.mount, want.key.name, want.region)) }
end

-- Changing ---------------------------------------------------------------------------------------------------------

-- Seconds that Vault may take: a KMS key for each version.
local function timeout(context, want)
  local settings = (context.session.vault_client or {}).settings or {}
  return math.max(settings.timeout or 0, BASE + EACH * (want.key.version or 1))
end

-- Whether a request may have left a key: not one that was done, or refused before a first key was made.
local function may_leave(want, done, refused)
  if done or not refused then return false end
  local first = (want.key.version or 1) == 1 and tostring(refused.message):find("operation error KMS: CreateKey,", 1, true)
  return done == nil or not first and keymgmt.may_leave(refused)
end

-- Asks for it. The refusal when it was definite; true when it was taken, nil when nobody knows.
local function ask(context, want)
  local done, refused = context:try(function() return true end, function()
    return context:write(function()
      return context.session.vault.keymgmt_distribute { mount = want.mount, name = want.provider.name, key = want.key.name,
        purpose = want.purpose, protection = want.protection, timeout = timeout(context, want) }
    end)
  end)
  if done then return true end
  if not context.uncertain(refused) or keymgmt.of_aws(refused) then return false, refused end
  return nil, refused
end

-- The distribution once Vault shows it with a version that fits.
local function wait(context, want, bound)
  return context:poll {
    reason = ("waiting until Vault has the key of %s in KMS"):format(want.region), bound = bound,
    check = function()
      local have = look(context, want)
      return have and have.latest and have or nil
    end,
  }
end

--- The distribution once it has the wanted version, which Vault makes when it rotates the key.
function M.update(context, want)
  local have = context:poll {
    reason = ("waiting until Vault has version %d of the key of %s in KMS"):format(want.version, want.region), bound = BASE,
    check = function()
      local seen = look(context, want)
      return seen and seen.versions[want.version] and seen or nil
    end,
  }
  if not have then
    failure.raise { code = "not_ready", service = "vault", region = want.region, what = "looking for the KMS key of " .. M.name(want),
      message = ("Vault does not show version %d there after %d s"):format(want.version, BASE) }
  end
  leftovers.tell(context, want, have)
  have.version = want.version
  return have
end

--- Has Vault make the KMS keys. What became of a request whose answer was lost is looked up for as long as Vault may work on it, and it is not
--- sent again by the same run.
function M.create(context, want)
  local what, open = "distributing " .. M.name(want), leftovers.open(context, want)
  local have, refused = open and wait(context, want, math.max(0, open.at + context.LAG - context.clock.now())) or nil, nil
  if open then leftovers.finish(context, want, true) end
  if not have then
    leftovers.begin(context, want)
    local done
    done, refused = ask(context, want)
    have = wait(context, want, done == false and 0 or context.LAG)   -- somebody else may have been faster
    if have or done == false then leftovers.finish(context, want, may_leave(want, done, refused)) end   -- nobody works on it any more
  end
  leftovers.tell(context, want, have)
  if have then
    have.version = chosen(context, want, have.versions, have.latest)
    local wrong = M.refusal(context, want, have)
    if wrong then context:refuse { service = "vault", region = want.region, what = what, message = wrong } end
    return have
  end
  if refused and refusal.is(refused) then error(refused, 0) end
  failure.raise { code = "not_ready", service = "vault", region = want.region, what = what,
    message = ("Vault does not show the distribution after %d s"):format(context.LAG) }
end

return M
