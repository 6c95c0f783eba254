--- What a rotation starts from and leads to: for each region of a cluster the key in use, its generation and where its material is from,
--- and the generation that comes next. What is in use is what the Cloud says; an unfinished rotation comes before a new one.
---@class engine.Due
---@field region string           of the cluster
---@field place string            the key's own region, which several of the cluster's may use
---@field arn string              of the key in use
---@field role string             by which it is used
---@field from integer            its generation
---@field generation integer      the one that the region shall use; `from` when nothing is due
---@field key string?             the ARN of the key in use where that stays
---@field policy table            own statements of the policy in use
---@field inherits string?        the policy in use, whose other statements move forward
---@field tags table<string, string>  the tags in use that are not cmek's
---@field rotation integer?       days between KMS's own rotations of the key in use
---@field multi_region boolean?
---@field replica_of string?      the region whose key the one in use is a replica of
---@field material engine.Material?
---@field account engine.Account?  whose the key is, where that is not the credentials' own
---@field given string?           of a key in an account that nothing leads to: the one that the region shall use, made by those whose it is
local beyond = require "engine.cluster.rotation_beyond"
local choice = require "engine.key.choice"
local cmek = require "engine.cluster.cmek"
local failure = require "engine.failure"
local groups = require "engine.cluster.rotation_groups"
local guard = require "engine.policy.guard"
local keys = require "engine.key.keys"
local names = require "names"
local policies = require "policy"
local provenance = require "engine.key.provenance"
local reach = require "engine.account.reach"
local revocation = require "policy.revocation"
local time = require "time"

local M = {}

local RECENT <const> = 86400   -- seconds in which a second rotation is one only when it is named
local LINE <const> = "rotation"

-- The key in use -------------------------------------------------------------------------------------------------------

local RANK <const> = { ENABLED = 1, ROTATING = 2, DISABLING = 3, DISABLE_FAILED = 4 }

-- The key that was used anew and could not be, by its latest account: the region has no other, and what is in it needs that one.
local function failed(entry)
  local found
  for _, key in ipairs(entry and entry.status == "ROTATE_FAILED" and entry.key_infos or {}) do
    if key.status == "ENABLE_FAILED" and (not found or (key.updated_at or "") >= (found.updated_at or "")) then found = key end
  end
  return found and { uri = found.spec.uri, auth_principal = found.spec.auth_principal, status = found.status }
end

-- The key that a region uses and the one that it is being given; else why it cannot be rotated.
local function used(info, cluster, region)
  local entry, now, coming = cmek.region(info, region), nil, nil
  for _, key in ipairs(cmek.live(info, region)) do
    if key.status:find "^REVOK" then
      return nil, nil, ("CMEK is revoked in %s (%s): only the vendor's support brings it back, and until then no key can be changed")
        :format(region, key.status), "cmek.revoked"
    end
    if key.status == "ENABLING" then
      coming = key
    elseif not now or RANK[key.status] < RANK[now.status] then
      now = key
    end
  end
  if not now and coming and entry.status == "ROTATING" then return coming end   -- the same key, wrapped anew
  now = now or not coming and failed(entry)
  if now then return now, coming end
  local text = coming and "CMEK is still being enabled in %s: wait until that is done (cmek run enable --cluster %s)"
    or "CMEK is not enabled in %s, so there is no key to rotate: cmek run enable --cluster %s"
  return nil, nil, text:format(region, cluster.name), "cmek.not-enabled"
end

-- The key itself, and its generation; else why cmek does not rotate it.
local function owned(context, cluster, region, uri)
  local entry = choice.alias_of(cluster, context:aliases(region), uri)
  local key = keys.owned(context, region, uri, cluster)
  if not key then return nil, ("the cluster uses %s in %s, and KMS shows no such key"):format(uri, region) end
  local foreign = keys.foreign(key, cluster)
  if foreign and key.tags[names.TAG_CLUSTER] then
    return nil, ("the cluster uses %s in %s, and that key belongs to another cluster, %s (tag %s)"):format(uri, region, key.tags[names.TAG_CLUSTER],
      names.TAG_CLUSTER), "cluster.shared"
  end
  if foreign then
    return nil, ("the cluster uses %s in %s: %s (cmek run adopt --cluster %s)"):format(uri, region, foreign, cluster.name), "cmek.in-use"
  end
  if not entry then   -- another operator's rotation may have made it since the aliases were read
    entry = choice.late_alias(context, { cluster = cluster, region = region }, key)
    context:forget("aliases " .. region)
  end
  if not entry then
    return nil, ("%s has lost the alias that says which generation it is: cmek run console --cluster %s gives it back"):format(uri, cluster.name)
  end
  return key, names.generation(cluster, entry.AliasName)
end

local STATES <const> = { Disabled = "kms.key-disabled", PendingDeletion = "kms.key-pending-deletion" }

-- Why nothing follows the key in use, as it is.
local function unfit(cluster, key)
  if key.policy and revocation.of(key.policy) then return revocation.told(cluster, key.arn), "cmek.revoked" end
  local unusable = keys.unusable(key)
  if unusable then return unusable .. "; the cluster needs it until it has another one, and afterwards", STATES[key.state] end
  if key.policy == nil then
    return ("the policy of %s may not be read, which the next key is to have: allow kms:GetKeyPolicy on it"):format(key.arn)
  end
  local orphan = policies.orphans(key.policy)[1]
  if orphan then
    return ("the key policy's %s names %s, a role or user that was deleted, so KMS takes no key with that policy: remove it from %s"):format(
      orphan.statement, orphan.id, key.arn)
  end
end

-- What moves forward -----------------------------------------------------------------------------------------------------

local build = require "policy.build"

-- The statement that lets the role use the key, as cmek makes it: what somebody took out of the key's in use does not move forward.
local function whole(statement)
  if statement.Sid ~= build.USE_SID then return statement end
  return build.use(statement.Principal)
end

-- The policy of a key in use, as the next key is to have it.
local function parsed(key)
  local document = policies.parse(key.policy)
  local statements = document.Statement.Effect and { document.Statement } or document.Statement
  for i, statement in ipairs(statements) do statements[i] = whole(statement) end
  document.Statement = statements
  return document
end

-- cmek's own statements of the policy, and the policy whose others are kept; a policy that is not cmek's is taken as it is.
local function policy_of(key)
  local document, own = parsed(key), {}
  for _, statement in ipairs(document.Statement) do
    if build.OWN_SIDS[statement.Sid or ""] then own[#own + 1] = statement end
  end
  if document.Id ~= build.KEY_POLICY_ID or #own < 2 then return document end
  return { Version = document.Version, Id = document.Id, Statement = require("json").array(own) }, key.policy
end

local function tags_of(key)
  local tags = {}
  for name, value in pairs(key.tags) do   -- order cannot be seen
    if not name:find "^cmek:" and not name:find "^aws:" then tags[name] = value end
  end
  return tags
end

local USUAL <const> = 365   -- days, where KMS rotates the key and does not say how often

local function period_of(key) return key.rotation.enabled and (math.tointeger(key.rotation.period) or USUAL) or nil end

-- Whether Vault's key management made the key, which is told by the engine there, and where Vault may not be asked by the alias that it gave.
local function is_distributed(context, region, key, mount)
  local ok, found = pcall(require("resource.vault_mount").find, context, { path = mount })
  if ok and found then return found.type == "keymgmt" end
  return provenance.is_distributed(context:aliases(region), key.tags[names.TAG_MATERIAL])
end

-- Material that Vault has: of a transit key, or of one that its key management has put into KMS by a provider.
local function of_vault(context, region, key, mount, name)
  if not is_distributed(context, region, key, mount) then return { form = "exportable", mount = mount, name = name } end
  local providers = context:try(function(refused) return refused.kind == "refused" end, function()
    return context.session.vault.keymgmt_list_key_providers { mount = mount, name = name } or false
  end)
  return { form = "distributed", mount = mount, name = name, provider = providers and (providers.keys or {})[1] or name }
end

-- Where the material is from, as the key's tag says; nil when KMS made it. Else why it is not known.
local function material_of(context, region, key, from)
  if (key.metadata.Origin or "AWS_KMS") == "AWS_KMS" then return nil end
  local source = key.tags[names.TAG_MATERIAL]
  local mount, name, version = tostring(source):match "^(.+)/([^/:]+):(%d+)$"
  if name and math.tointeger(version) == from then return of_vault(context, region, key, mount, name) end
  if name then
    return nil, ("%s has version %s of Vault's %s/%s, and is of generation %d: which version is whose material is not clear, so nothing follows it")
      :format(key.arn, version, mount, name, from)
  end
  mount = tostring(source):match "^(.+)/no%-copy$"
  if mount then return { form = "wrapped", mount = mount } end
  return nil, ("%s has material that somebody imported, and no tag %s says from where: nothing is known to come after it; another key is "
    .. "named by hand, or made by KMS"):format(key.arn, names.TAG_MATERIAL)
end

-- What comes next ----------------------------------------------------------------------------------------------------------

-- The generation after the one in use that somebody has begun: its alias is claimed. The first of them.
local function begun(context, cluster, region, from)
  local first
  for _, entry in ipairs(context:aliases(region)) do
    local generation = entry.TargetKeyId and names.generation(cluster, entry.AliasName)
    if generation and generation > from and (not first or generation < first) then first = generation end
  end
  return first
end

-- When the Cloud was given the key in use; nil when it does not say.
local function given_at(info, region, uri)
  local last
  for _, key in ipairs((cmek.region(info, region) or {}).key_infos or {}) do
    if (key.spec or {}).uri == uri then last = math.max(last or 0, time.epoch(key.created_at) or 0) end
  end
  return last
end

local function describe(context, cluster, info, region, options)
  local now, coming, reason, situation = used(info, cluster, region)
  if not now then return { region = region, fault = reason, situation = situation } end
  local place = now.uri:match "^arn:[^:]*:kms:([^:]*):"
  context.session.door:region(place)
  local account = reach.account(context, now.uri)
  if not reach.leads(account) then
    guard.outside(context, now.auth_principal)
    return beyond.due(context, options, now, { region = region, place = place, account = account, coming = coming and coming.uri })
  end
  local here = reach.context(context, now.uri)
  local key, from, told = owned(here, cluster, place, now.uri)
  if not key then return { region = region, fault = from, situation = told, uri = now.uri } end
  reason, situation = unfit(cluster, key)
  if reason then return { region = region, fault = reason, situation = situation, have = key } end
  local material
  material, reason = material_of(here, place, key, from)
  if reason then return { region = region, fault = reason, have = key } end
  local policy, inherits = policy_of(key)
  local replica, primary = keys.is_replica(key)
  if material and material.form == "distributed" or replica then   -- which is made without a policy of cmek's, or takes one as a whole
    policy, inherits = parsed(key), nil
  end
  guard.outside(context, now.auth_principal)
  return { region = region, place = place, arn = now.uri, role = now.auth_principal, from = from, begun = begun(here, cluster, place, from),
    policy = policy, replica_of = replica and tostring(primary):match "^arn:[^:]*:kms:([^:]*):" or nil,
    inherits = inherits, tags = tags_of(key), material = material, rotation = not replica and period_of(key) or nil,
    multi_region = keys.is_multi_region(key) or nil, account = account,
    given_at = given_at(info, region, now.uri), coming = coming and coming.uri, have = key }
end

-- Which generation each region shall use ---------------------------------------------------------------------------------

local function refuse(message, next_step)
  failure.raise { code = "precondition", exit = "usage", what = "choosing the generation to rotate to", message = message, next = next_step }
end

-- What is the same in several regions is told once.
local function tell(context, said)
  for text, regions in require("sorted")(said) do
    context:warn(("%s: %s"):format(table.concat(regions, ", "), text))
  end
end

local function add(said, due, text, ...)
  text = text:format(...)
  said[text] = said[text] or {}
  table.insert(said[text], due.region)
end

-- What an unfinished rotation leads to: in every region that it has come to, and in those that are just as far behind.
local function finish(context, regions)
  local last = 0
  for _, due in ipairs(regions) do last = math.max(last, due.begun or 0) end
  if last == 0 then return false end
  local said = {}
  for _, due in ipairs(regions) do
    due.generation = due.begun or due.from == last - 1 and last or due.from
    if due.begun then add(said, due, "a rotation to generation %d was begun and not finished: it is finished first", due.begun) end
  end
  tell(context, said)
  return true
end

-- A generation that is named: where it is in use nothing is due.
local function named(context, regions, to)
  local most, said = 0, {}
  for _, due in ipairs(regions) do most = math.max(most, due.from) end
  if to > most + 1 then
    refuse(("--to %d is not the next generation: generation %d is in use"):format(to, most), ("--to %d is"):format(most + 1))
  end
  for _, due in ipairs(regions) do
    due.generation = math.max(to, due.from)
    if due.begun and due.begun < due.generation then
      add(said, due, "a rotation to generation %d was begun and not finished: it is finished first; run this again for generation %d", due.begun, to)
      due.generation = due.begun
    end
  end
  tell(context, said)
end

-- The next one of each. A key that came by a rotation a short while ago is not rotated again by who may not know of that.
local function following(context, regions)
  local said = {}
  for _, due in ipairs(regions) do
    local recent = due.from > 1 and due.given_at and context.clock.now() - due.given_at < RECENT
    due.generation = recent and due.from or due.from + 1
    if recent then
      add(said, due, "generation %d is in use since %s, so nothing is done; --to %d rotates again", due.from, time.text(due.given_at), due.from + 1)
    end
  end
  tell(context, said)
end

-- Whether KMS has other material by now than the Cloud has used.
local function tell_unrotated(context, cluster, regions)
  local info, said = context:cmek(cluster), {}
  for _, due in ipairs(regions) do
    local last, refused = keys.last_rotation(reach.context(context, due.arn), due.have)
    local taken = cmek.taken_at(info, due.region, due.arn)
    if not refused and taken and (last or 0) <= taken then
      add(said, due, "KMS has not rotated the key since the Cloud was given it (%s): it is wrapped anew with the same material (--on-demand has KMS "
        .. "rotate it first)", time.text(taken))
    end
  end
  tell(context, said)
end

local function aim(engine, regions, options)
  local context = engine.context
  if options.rewrap then
    if not options.on_demand and engine.mode ~= "verify" then tell_unrotated(context, options.cluster, regions) end
    for _, due in ipairs(regions) do due.generation = due.from end
    return
  end
  if engine.mode == "verify" then   -- what is in use is looked at; what was begun is told by the check of it
    for _, due in ipairs(regions) do due.generation = options.to or due.from end
  elseif options.to then
    named(context, regions, options.to)
  elseif not finish(context, regions) then
    following(context, regions)
  end
end

-- What this run has set out for, before it was resumed: region by region.
local function remembered(engine)
  for _, entry in ipairs(engine.options.entries or {}) do
    if entry.kind == LINE then
      local by_region = { lock = entry.lock }
      for _, one in ipairs(entry.regions) do by_region[one.region] = one.generation end
      return by_region
    end
  end
end

local function remember(engine, due_now)
  local list = require("json").array {}
  for i, due in ipairs(due_now.regions) do list[i] = { region = due.region, generation = due.generation } end
  engine.context:note { kind = LINE, regions = list, lock = due_now.lock }
end

-- Reading ------------------------------------------------------------------------------------------------------------------

local function wanted(cluster, only)
  local set, list, known = {}, {}, {}
  for i, region in ipairs(cluster.regions or {}) do set[region.name], known[i] = true, region.name end
  for _, name in ipairs(only or {}) do
    if not set[name] then
      refuse(("--only %s is not a region of cluster %s, which is in %s"):format(name, cluster.name, table.concat(known, ", ")))
    end
    list[name] = true
  end
  local chosen = {}
  for _, name in ipairs(known) do
    if next(list) == nil or list[name] then chosen[#chosen + 1] = name end
  end
  return chosen
end

-- What those whose keys they are can do, each by a command of its own.
local function advise(fields, first, found)
  fields.advice, fields.commands = first.beyond.advice, {}
  for _, due in ipairs(found) do
    if due.beyond then table.insert(fields.commands, due.beyond.command) end
  end
  fields.next = require("explain").following(fields)
end

-- Tells what keeps regions from being rotated; in verify they are findings, and the others are looked at.
local function judge(engine, cluster, found)
  local sound, wrong, first = {}, {}, nil
  for _, due in ipairs(found) do
    if due.fault then
      wrong[#wrong + 1], first = due.fault, first or due
      engine:found { id = "cmek_rotation.in_use", severity = due.severity or "high", object = cluster.name, region = due.region, have = due.fault,
        want = "a key of cmek's, usable" }
    else
      sound[#sound + 1] = due
    end
  end
  if first and engine.mode ~= "verify" then
    local facts = first.have and { key = first.have.arn, region = first.region, state = first.have.state } or {}
    facts.restore = "cmek run restore --cluster " .. require("quote")(cluster.name)
    facts.name, facts.keys, facts.region, facts.said = cluster.name, first.uri, first.region, first.fault
    facts.uses = first.fault
    local fields = { code = "precondition", service = "cloud", what = ("rotating the keys of cluster %s"):format(cluster.name),
      message = table.concat(wrong, "\n") }
    if first.beyond then advise(fields, first, found) end
    failure.raise(fields, first.situation, facts)
  end
  return sound
end

-- Checks Vault before anything is made, for the regions whose next material is made there.
local function check_vault(engine, cluster, regions)
  if engine.mode == "verify" then return end
  local by_place, order = {}, {}
  for _, due in ipairs(regions) do
    local material = due.material
    if material and due.generation > due.from and not due.replica_of then
      local place = material.mount .. " " .. material.form
      if not by_place[place] then
        by_place[place] = { [material.form == "distributed" and "keymgmt" or "transit"] = material.mount, form = material.form, keys = {} }
        order[#order + 1] = by_place[place]
      end
      table.insert(by_place[place].keys, { name = due.place, key = material.name, provider = material.provider, version = due.generation })
    end
  end
  for _, options in ipairs(order) do require("engine.vault.needs").check(engine, cluster, options) end
end

-- The regions of a run whose keys the Cloud has.
local function of_this_run(options, engine, set_out)
  local regions = {}
  for i, spec in ipairs(engine.spec.document.region_specs) do
    regions[i] = { region = spec.region, place = spec.region, arn = spec.key_spec.uri, role = spec.key_spec.auth_principal,
      generation = set_out[spec.region] }
  end
  local lock = set_out.lock
  return { groups = groups.of(options.cluster, regions, true), regions = regions,
    lock = lock and { mount = lock.mount, path = lock.path } }
end

-- Whether something is to be made, which one operator at a time does.
local function is_busy(options, regions)
  for _, due in ipairs(regions) do
    if options.rewrap or due.given and due.given ~= due.arn or due.from and due.generation > due.from then return true end
  end
  return false
end

-- Where the lock is: as it is said, else in Vault's usual store where Vault is used at all; nil for none, which is said.
local function lock_of(engine, options, regions)
  if engine.mode == "verify" or not is_busy(options, regions) then return nil end
  local by_vault = false
  for _, due in ipairs(regions) do by_vault = by_vault or due.material ~= nil end
  return require("engine.cluster.rotation_lock").place(engine, options.cluster, options.lock, by_vault)
end

local function check(options)
  local message = options.on_demand and not options.rewrap and "--on-demand has KMS rotate the keys in use, which the Cloud takes with --rewrap"
    or options.rewrap and options.to and "--rewrap uses the same keys anew, and --to names other ones"
  if message then refuse(message, "cmek help rotating") end
end

local function read(engine, options)
  check(options)
  local context, cluster = engine.context, options.cluster
  local info = context:cmek(cluster)
  if info.unknown then
    failure.raise { code = "precondition", exit = "usage", what = "reading what the cluster uses",
      message = "--facts does not tell it: only the Cloud can", next = "leave --facts out" }
  end
  local set_out = remembered(engine)
  if engine.spec and engine.spec.of_this_run then return of_this_run(options, engine, set_out) end
  if engine.spec then
    failure.raise { code = "precondition", exit = "usage", what = "reading what the cluster uses",
      message = "a rotation makes new keys, and with --spec nobody talks to AWS", next = "leave --spec out" }
  end
  local found = context.tasks.map(wanted(cluster, options.only), function(region) return describe(context, cluster, info, region, options) end)
  local regions, looked_at = judge(engine, cluster, found), {}
  beyond.check(options, found)
  for _, due in ipairs(regions) do looked_at[#looked_at + 1] = not due.given and due or nil end
  if set_out then
    for _, due in ipairs(looked_at) do due.generation = math.max(set_out[due.region] or due.from, due.from) end
  else
    aim(engine, looked_at, options)
  end
  local families = groups.of(cluster, regions, engine.mode == "verify")
  check_vault(engine, cluster, regions)
  return { groups = families, regions = regions, lock = lock_of(engine, options, regions) }
end

-- Each role in use is looked at once; regions may have roles of their own.
local function roles_of(context, regions, look)
  local by_arn, by_region = {}, {}
  for _, due in ipairs(regions) do
    local account = reach.account(context, due.role)
    by_arn[due.role] = by_arn[due.role] or reach.leads(account) and look(due.role, account)
      or { name = due.role:match "[^/]+$", arn = due.role, unreached = true }
    by_region[due.region] = by_arn[due.role]
  end
  return by_region
end

--- What of a cluster's keys is due. Raises what is in the way, all of it at once.
---@param engine table
---@param options { cluster: table, to: integer?, only: string[]?, rewrap: boolean?, on_demand: boolean?, lock: string?, reach: string[]?,
---  key: string[]? }
---@return { used: table<string, string>, roles: fun(look: fun(arn: string, account: engine.Account?): table): table<string, table>,
---  keys: fun(roles: table<string, table>, make: fun(key: table): table): table[], lock: table?, needed: string[] }
---  used: the keys in use, by region; roles: looks at each role in use, once, and gives them by region;
---  keys: calls make for each key that shall be in use, and gives one for each region; needed: what is to
---  be said of those that are left
function M.read(engine, options)
  if engine.mode == "destroy" then
    failure.raise { code = "refused", what = "taking back a rotation", message = "what was written since needs the new keys, and what was written "
      .. "before the old ones; going back is another rotation", next = "what cmek made for the cluster is taken back by cmek destroy console "
      .. "(or vault-transit) --cluster " .. require("quote")(options.cluster.name) }
  end
  reach.open(engine, options.reach)
  local due = engine.context:once("rotation", function() return read(engine, options) end)
  if engine.phase == "do" and not engine.rehearsal then remember(engine, due) end
  local result, left, seen = { used = {}, lock = due.lock }, {}, {}
  function result.roles(look) return roles_of(engine.context, due.regions, look) end
  function result.keys(roles, make)
    local list = groups.make(engine, due.groups, roles, make)
    beyond.let_use(engine, options.cluster, due.regions, roles, list)
    return list
  end
  for _, region in ipairs(due.regions) do
    result.used[region.region] = region.arn
    local leaves = region.given and region.given ~= region.arn or region.from and region.generation > region.from
    if leaves and not seen[region.arn] then
      left[#left + 1], seen[region.arn] = "  " .. (region.from and ("%s (generation %d)"):format(region.arn, region.from) or region.arn), true
    end
  end
  result.needed = left[1] and { "these stay enabled, and are needed for what was written before:", table.unpack(left) } or {}
  return result
end

--- The generation that was begun in each region and is not in use, by what was read; for verify.
---@param engine table
---@return { region: string, from: integer, begun: integer? }[]
function M.unfinished(engine)
  local list = {}
  for _, due in ipairs(engine.context:once("rotation").regions) do
    list[#list + 1] = { region = due.region, from = due.from, begun = due.begun }
  end
  return list
end

return M
