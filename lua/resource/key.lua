--- A KMS key of one region and generation, with its alias, policy, tags and rotation. Whoever holds the alias is the key.
local choice = require "engine.key.choice"
local claim = require "engine.key.claim"
local distributed = require "engine.vault.distributed"
local existing = require "engine.key.existing"
local failure = require "engine.failure"
local guard = require "engine.policy.guard"
local json = require "json"
local keys = require "engine.key.keys"
local material = require "engine.key.material"
local names = require "names"
local policies = require "policy"
local principal = require "engine.key.principal"
local provenance = require "engine.key.provenance"
local refusal = require "refusal"
local revocation = require "policy.revocation"
local shapes = require "shapes"
local temporary = require "engine.vault.temporary"
local unknown = require "unknown"

local M = {}

M.kind = "key"

--- What it may call, by service.
M.actions = require("resource.actions").key

--- The checks of verify, in order.
M.checks = {
  { id = "key.exists", severity = "high", text = "the alias is there and points to a key" },
  { id = "key.owner", severity = "high", text = "its tag cmek:cluster names this cluster" },
  { id = "key.state", severity = "high", text = "it is Enabled: neither disabled nor to be deleted" },
  { id = "key.spec", severity = "high", text = "it is a symmetric key of the customer's, for encrypting and decrypting" },
  { id = "key.origin", severity = "medium", text = "its material was made by KMS, or comes from Vault where that is asked for" },
  { id = "key.material", severity = "high", text = "material that was imported is there, and does not expire" },
  { id = "key.tags", severity = "low", text = "its tags cmek:region and cmek:run are there and right, and so are those that are asked for" },
  { id = "key.policy", severity = "high", text = "its policy can be read, and is cmek's by Version and Id" },
  { id = "key.policy.use", severity = "high", text = "the statement that lets the role use it is as wanted, field by field" },
  { id = "key.policy.administration", severity = "high", text = "so is the statement of those who administer it" },
  { id = "key.policy.foreign", severity = "high", text = "no other statement lets others use or administer it, or its role do more" },
  { id = "key.revoked", severity = "high", text = "no revocation of cmek's keeps the role from it" },
  { id = "key.control", severity = "high", text = "those who administer it may still change its policy: nothing denies it" },
  { id = "key.rotation", severity = "medium", text = "KMS rotates it" },
  { id = "key.rotation.period", severity = "medium", text = "in the wanted number of days" },
  { id = "key.grants", severity = "high", text = "no grant lets another account use it" },
  { id = "key.replica", severity = "high", text = "where it is to be a replica: it is one of the cluster's multi-Region key" },
  { id = "key.access", severity = "high", text = "all in all, the role may use it" },
}

local KEPT <const> = keys.KEPT
local ASIDE <const> = { [names.LOST_RACE] = true, [names.RETIRED] = true }   -- what cmek:state says of a key that is not in use
local OWN_TAGS <const> = { [names.TAG_CLUSTER] = "", [names.TAG_REGION] = "", [names.TAG_RUN] = "", [names.TAG_ATTEMPT] = "" }
local ATTEMPTS_MAX <const> = 3   -- keys that one run tries to make for one alias
local AFTER_YOU <const> = 0.015  -- seconds for the writes of all regions to leave, on which more waits than on what is read beside them

--- Fills in what was left out. A generation that is not named is the one in use, else the first.
---@param want { cluster: table, region: string, arn: string|string[]|nil, generation: integer?, policy: table|string, rotation: integer?,
---  tags: string[]|table?, multi_region: boolean?, material: engine.Material?, inherits: string?, serves: string[]? }
---  arn: of a key that is there, or a list in which the one of this region counts; rotation: days; multi_region: what is made is one;
---  material: what is made has its material from Vault; inherits: a policy whose statements that are not cmek's a new key gets as well;
---  serves: the regions that use it, where they are others than its own
---@param context engine.Context
function M.defaults(want, context)
  want.arn = existing.key(want)
  want.alias = names.alias(want.cluster, want.generation or distributed.is(want) and want.material.version or nil)
  want.tags = shapes.tags(want.tags, "key")
  want.run = context:run_tag()
  want.origin = want.material and "EXTERNAL" or nil
end

function M.name(want) return want.alias end
function M.region(want) return want.region end

-- Reading ----------------------------------------------------------------------------------------------------------

--- Starts what `find` and `look_around` read, before it is asked for.
M.foresee = choice.foresee

--- Tells of keys of this cluster that no alias points to, and what the way that its material takes means.
function M.look_around(context, want, have)
  choice.look_around(context, want, have)
  local word = material.word(want, have)
  if word then context:warn(word) end
end

-- Attempts whose key is the one that has the alias are done; a crash may have come before that was written down.
local function settle_claimed(context, want, key)
  for _, attempt in ipairs(context.attempts:open(want.region, want.alias)) do
    if key.tags[names.TAG_ATTEMPT] == attempt.id then
      context.attempts:learn(attempt, key.arn)
      context.attempts:settle(attempt, "claimed")
    end
  end
end

--- The key that holds the alias, as KMS shows it now; nil when the alias is not seen.
--- A key with `refused` stands for one that is not ours.
function M.find(context, want)
  M.foresee(context, want)
  local entry, other = choice.of(context, want)
  if not entry and not other and distributed.is(want) then return distributed.find(context, want) end
  if not entry then return other end
  local generation = names.generation(want.cluster, entry.AliasName)
  if generation then want.alias = entry.AliasName end
  local key = keys.owned(context, want.region, entry.TargetKeyId, want.cluster)
  if not key then
    return { refused = ("the alias %s points to key %s, which KMS does not show"):format(entry.AliasName, entry.TargetKeyId) }
  end
  key.distributed = provenance.is_distributed(context:aliases(want.region), key.tags[names.TAG_MATERIAL])
  settle_claimed(context, want, key)
  return key
end

-- Judging ----------------------------------------------------------------------------------------------------------

-- Does a policy name a role, or one of that name that is still to be made?
local function names_role(policy, role)
  local text = unknown.show(policies.json(policy))
  return text:find('"' .. role .. '"', 1, true) or text:find(("ARN of role %s, known after"):format(role:match "[^/]+$"), 1, true)
end

-- Would the wanted policy take the key from the role by which the cluster uses it?
local function taken_away(context, want, have)
  for _, used in ipairs(want.policy and choice.in_use(context, want) or {}) do
    local role = used.uri == have.arn and used.auth_principal
    if role and not names_role(want.policy, role) then
      return ("the cluster uses %s with the role %s, from which the wanted policy would take it: name that role (--role %s)"):format(
        have.arn, role, role), "policy"
    end
  end
end

local function single(want, have)
  if want.multi_region and not keys.is_multi_region(have) then
    return ("%s is a single-Region key, and no key becomes a multi-Region key later: leave --multi-region-key out, or make another key "
      .. "by a rotation"):format(have.arn)
  end
end

local function orphaned(want, have)
  local orphan = policies.orphans { Version = "2012-10-17", Statement = policies.foreign(want.policy, have.policy) }[1]
  if orphan then
    return ("the key policy's %s names %s, a role or user that was deleted, so KMS takes no new policy with it: remove that statement"):format(
      orphan.statement, orphan.id), "policy"
  end
end

-- What must not be put as its policy, or would be refused.
local function unwise(context, want, found)
  return guard.key(context, want.policy, found, want.region) or principal.missing(context, want.policy)
end

-- What keeps the wanted policy from being put, where it has to be.
local function unputtable(context, want, have)
  if not want.policy or #M.differences(want, have) == 0 then return nil end
  local reason, check = orphaned(want, have)
  if reason or #policies.differences(want.policy, have.policy) == 0 then return reason, check end
  return unwise(context, want, have.policy), "policy"
end

--- Why the key is not touched; nil when it is this cluster's and usable.
---@return string? reason, string? check
function M.refusal(context, want, have)
  local locked_out = distributed.is(want) and distributed.locked_out(want, have and not have.refused and have or nil)
  if locked_out then return locked_out, "policy" end
  if not have then
    return want.policy and (unwise(context, want, want.inherits) or shapes.too_many(shapes.tag_differences(want.tags, {}), OWN_TAGS))
  end
  if have.refused then return have.refused, "owner" end
  local foreign = not distributed.claimable(want, have) and keys.foreign(have, want.cluster)
  if foreign and want.arn then
    local untagged = not (have.unreadable.tags or have.tags[names.TAG_CLUSTER])
    return foreign .. (untagged and existing.advice(want.cluster, have) or ""), "owner"
  end
  if foreign then return ("the alias %s points to a key that is not ours: %s"):format(want.alias, foreign), "owner" end
  local reason = material.refusal(want, have)
  if reason then return reason, "material" end
  if #material.differences(want, have) == 0 then reason = keys.unusable(have) end
  reason = reason or single(want, have)
  if reason then return reason, "state" end
  if have.policy == nil then
    return ("the policy of %s may not be read: allow kms:GetKeyPolicy on it"):format(have.arn), "policy"
  end
  local overtagged = shapes.too_many(M.tag_differences(want, have), have.tags)
  if overtagged then return ("%s: %s"):format(have.arn, overtagged), "tags" end
  local taken, check = taken_away(context, want, have)
  if taken then return taken, check end
  return unputtable(context, want, have)
end

local function rotation_difference(want, have, origin)
  if origin == "EXTERNAL" then return nil end   -- KMS rotates no material that it has not made
  if not want.rotation or have.enabled == nil then return nil end   -- what KMS leaves out is unknown, never drift
  if not have.enabled then return { check = "rotation", field = "rotation", have = "off", want = want.rotation } end
  if have.period and math.tointeger(have.period) ~= want.rotation then
    return { check = "rotation", field = "rotation", have = have.period, want = want.rotation }
  end
end

--- What of its tags is put right: where it belongs and where it comes from. Whose key it is decides before this.
---@return table[]
function M.tag_differences(want, have)
  local list, tags, wanted = {}, have.tags, shapes.tag_differences(want.tags, have.tags)
  if have.unreadable.tags then return list end
  if distributed.is(want) then list = distributed.tag_differences(want, have, material.source(want)) end
  local function differ(name, value) list[#list + 1] = { check = "tags", field = "tags." .. name, have = tags[name], want = value } end
  if tags[names.TAG_REGION] ~= want.region then differ(names.TAG_REGION, want.region) end
  if tags[names.TAG_RUN] == nil then differ(names.TAG_RUN, want.run) end
  if ASIDE[tags[names.TAG_STATE]] then differ(names.TAG_STATE, nil) end   -- it has the alias
  return table.move(wanted, 1, #wanted, #list + 1, list)
end

function M.differences(want, have)
  local list = {}
  if have.unclaimed then list[1] = { check = "alias", field = "alias", want = want.alias } end
  for _, difference in ipairs(material.differences(want, have)) do list[#list + 1] = difference end
  for _, difference in ipairs(want.policy and policies.differences(want.policy, have.policy) or {}) do
    list[#list + 1] = { check = "policy", field = "policy." .. difference.field, have = difference.have, want = difference.want }
  end
  list[#list + 1] = rotation_difference(want, have.rotation, have.metadata.Origin)
  for _, difference in ipairs(M.tag_differences(want, have)) do list[#list + 1] = difference end
  return list
end

--- What is no difference and still worth a word.
function M.warnings(want, have)
  local list = {}
  for _, statement in ipairs(policies.foreign(want.policy, have.policy)) do
    local text = ("the policy of %s has a statement that is not cmek's, which is kept: %s"):format(have.arn, json.encode(statement))
    if statement.Sid == revocation.SID then text = revocation.told(want.cluster, have.arn) end
    list[#list + 1] = { check = "policy", field = "policy", have = json.encode(statement), text = text }
  end
  return list
end

local TAKES <const> = { policy = { "PutKeyPolicy" }, rotation = { "EnableKeyRotation" }, tags = { "TagResource" }, alias = { "CreateAlias" },
  material = { "GetParametersForImport", "ImportKeyMaterial" } }

--- The rights that making or repairing it takes: on the key by its policy, on what is beside it by the caller's own policies.
---@param context engine.Context
---@return engine.Need[]
function M.needs(context, want, have)
  local identity, list = context:identity(), {}
  local place = ("arn:%s:kms:%s:%s:"):format(identity.arn:match "^arn:([^:]+)", want.region, identity.account)
  local function need(operation, resource, policy)
    list[#list + 1] = { action = "kms:" .. operation, resource = resource, policy = policy, region = want.region }
  end
  local made = distributed.is(want)   -- by Vault, with the policy that KMS gives a key by itself
  local checks = have and {} or { alias = true, rotation = want.rotation ~= nil or nil, material = want.material ~= nil and not made or nil,
    policy = made or nil, tags = made or nil }
  for _, difference in ipairs(have and M.differences(want, have) or {}) do checks[difference.check] = true end
  if not have and not made then
    need("CreateKey", "*")
    need("TagResource", place .. "key/*")
  end
  if checks.alias then need("CreateAlias", place .. want.alias) end
  for check in require("sorted")(checks) do
    for _, operation in ipairs(TAKES[check]) do
      need(operation, have and have.arn or place .. "key/*", have and have.policy or not made and want.policy or nil)
    end
  end
  return list
end

--- What is to be said of a key that another run left, and why there is work although nothing differs: attempts of this run whose
--- end is not known.
---@return string? reason, boolean? writes
function M.pending(context, want, have)
  if have and have.unclaimed == "left" then
    return ("%s was made by run %s, which has not claimed it: this run goes on with that key"):format(have.arn, have.tags[names.TAG_RUN] or "?")
  end
  local open, left = context.attempts:open(want.region, want.alias), temporary.of(context, want)
  if #open == 0 and left[1] then return ("this run has left %s/%s in Vault, which is taken away"):format(left[1].mount, left[1].name), true end
  if #open == 0 then return nil end
  return ("it is not known how %d earlier attempt(s) of this run at making this key ended; that is looked up first"):format(#open), true
end

--- Takes over what the plan found out about a thing's name.
function M.again(want, planned) want.alias = planned.alias end

--- What the recipe gets.
function M.result(want, have)
  return { region = want.region, alias = want.alias, generation = names.generation(want.cluster, want.alias), material = want.material,
    arn = have and have.arn or unknown.new("ARN of key " .. want.alias .. " in " .. want.region) }
end

-- Changing ---------------------------------------------------------------------------------------------------------

--- Starts what `create` reads, while the steps before it are done: the keys that are there, and whether somebody has the alias by now.
function M.prepare(context, want)
  context:begin("keys " .. want.region, function() return keys.list(context, want.region) end)
  context:begin("holder " .. want.region .. want.alias, function() return claim.holder(context, want.region, want.alias) or false end)
end

local function before(context, want)
  M.prepare(context, want)
  local ids = {}
  for i, key in ipairs(context:once("keys " .. want.region)) do ids[i] = key.KeyId end
  return ids
end

local function tags(context, want, attempt)
  local list = {}
  for _, tag in ipairs {
    { names.TAG_CLUSTER, want.cluster.id }, { names.TAG_REGION, want.region }, { names.TAG_RUN, context.run_id },
    attempt and { names.TAG_ATTEMPT, attempt.id },
  } do
    list[#list + 1] = { TagKey = tag[1], TagValue = tag[2] }
  end
  if want.material then list[#list + 1] = { TagKey = names.TAG_MATERIAL, TagValue = material.source(want) } end
  for key, value in require("sorted")(want.tags) do list[#list + 1] = { TagKey = key, TagValue = value } end
  return list
end

-- Raises when the policy may not be put, as things are now.
local function guarded(context, want, found, what)
  local reason = guard.key(context, want.policy, found, want.region)
  if reason then context:refuse { service = "kms", region = want.region, what = what, message = reason } end
end

-- Sends CreateKey, once for every definite refusal of a role that is still new. Its answer; nil when the outcome is unknown.
local function send(context, want, attempt)
  local answer = principal.put(context, { policy = want.policy, what = ("making a key for %s in %s"):format(want.alias, want.region) }, function()
    local made, lost = context:try({ uncertain = true }, function()
      attempt.at = context.clock.now()
      return context:write(function()
        return context.session.kms.create_key {
          region = want.region, KeySpec = KEPT.KeySpec, KeyUsage = KEPT.KeyUsage, Origin = want.origin or "AWS_KMS",
          MultiRegion = want.multi_region or nil,
          Policy = policies.json(want.inherits and policies.merge(want.policy, want.inherits) or want.policy),
          Description = keys.description(want.cluster), Tags = tags(context, want, attempt),
        }
      end)
    end)
    return made or lost
  end)
  return answer.KeyMetadata and answer
end

-- A new attempt.
local function make(context, want)
  guarded(context, want, want.inherits, ("making a key for %s in %s"):format(want.alias, want.region))
  local attempt = context.attempts:begin { cluster = want.cluster.id, region = want.region, alias = want.alias, before = before(context, want) }
  local ok, answer = pcall(send, context, want, attempt)
  if not ok then
    if refusal.is(answer) or failure.is(answer) then context.attempts:settle(attempt, "refused") end
    error(answer, 0)
  end
  if not answer then return end
  attempt.description = answer
  context.attempts:learn(attempt, answer.KeyMetadata.Arn)
end

-- Whether the key of an attempt was destroyed since: it is no longer what the attempt is about.
local function ended(context, attempt)
  if attempt.description then return false end   -- made a moment ago
  local answer = context:try({ NotFoundException = true }, function()
    return context.session.kms.describe_key { region = attempt.region, KeyId = attempt.key }
  end)
  if not answer or not tostring(answer.KeyMetadata.KeyState):find "^Pending.*Deletion$" then return false end
  context.attempts:settle(attempt, "deleted")
  return true
end

-- The first own attempt that has a key: one that has the alias already, though KMS may not show it, an open one, else a new one.
local function own_attempt(context, want)
  local claimed = context.attempts:claimed(want.region, want.alias)
  if claimed and not ended(context, claimed) then return claimed end
  for count = 0, ATTEMPTS_MAX do
    for _, attempt in ipairs(context.attempts:open(want.region, want.alias)) do
      if context.attempts:find(attempt) and not ended(context, attempt) then return attempt end
    end
    if count < ATTEMPTS_MAX then make(context, want) end
  end
  failure.raise { code = "not_ready", service = "kms", operation = "CreateKey", region = want.region,
    what = ("making a key for %s in %s"):format(want.alias, want.region),
    message = ("%d attempts were lost on the way and made no key"):format(ATTEMPTS_MAX) }
end

-- A change to a key that may be too new to be changed.
local function patiently(context, want, what, fn)
  local done = context:poll {
    reason = ("the key in %s is new and cannot be changed yet"):format(want.region), bound = claim.VISIBLE,
    check = function()
      return (context:try({ NotFoundException = true, KMSInvalidStateException = true, DisabledException = true }, function()
        return context:write(fn)
      end))
    end,
  }
  if done == nil then
    failure.raise { code = "not_ready", service = "kms", region = want.region, what = what,
      message = ("KMS refuses to change the new key after %d s"):format(claim.VISIBLE) }
  end
end

-- The rotation of a multi-Region key is its primary's, wherever that is by now.
local function rotate(context, want, id, primary)
  patiently(context, want, "switching the rotation of the key on", function()
    return context.session.kms.enable_key_rotation { region = not primary and want.region or nil, KeyId = primary or id,
      RotationPeriodInDays = want.rotation }
  end)
end

-- Own statements as wanted, foreign ones as found a moment before.
local function put_policy(context, want, id)
  local kms, what = context.session.kms, ("setting the policy of key %s in %s"):format(id, want.region)
  principal.put(context, { policy = want.policy, what = what }, function()
    local found = kms.get_key_policy { region = want.region, KeyId = id }.Policy
    if #policies.differences(want.policy, found) == 0 then return true end
    guarded(context, want, found, what)
    return context:write(function()
      return kms.put_key_policy { region = want.region, KeyId = id, PolicyName = "default",
        Policy = policies.json(policies.merge(want.policy, found)) }
    end)
  end)
end

local function tag(context, want, have)
  local kms, set, cut = context.session.kms, {}, {}
  for _, difference in ipairs(M.tag_differences(want, have)) do
    local name = difference.field:match "^tags%.(.*)$"
    if difference.want == nil then cut[#cut + 1] = name else set[#set + 1] = { TagKey = name, TagValue = difference.want } end
  end
  patiently(context, want, "tagging the key", function()
    if #set > 0 then kms.tag_resource { region = want.region, KeyId = have.id, Tags = set } end
    if #cut > 0 then kms.untag_resource { region = want.region, KeyId = have.id, TagKeys = cut } end
  end)
end

-- Gives a key the alias that it lost, or that the run which made it did not come to. Returns who has it.
local function reclaim(context, want, have)
  local holder = claim.claim(context, want.region, want.alias, have.id)
  if holder == have.id or have.unclaimed == "left" then return holder end
  context:refuse { service = "kms", region = want.region, what = ("giving %s its alias back"):format(have.arn),
    message = ("%s points to another key by now, %s"):format(want.alias, holder) }
end

-- The key once it is seen, usable and ours, and as `fits` wants it.
local function wait_for(context, want, id, fits)
  local last
  local have = context:poll {
    reason = ("waiting until KMS shows the key in %s as it was made"):format(want.region), bound = context.LAG,
    check = function()
      last = keys.find(context, want.region, id)
      local seen = last and keys.works(last) and last.policy and not keys.foreign(last, want.cluster)
      if seen and (not fits or fits(last)) then return last end
    end,
  }
  if have then return have end
  failure.raise { code = "not_ready", service = "kms", region = want.region, what = ("waiting for key %s in %s"):format(id, want.region),
    message = ("after %d s KMS does not show it as it was made%s"):format(context.LAG, last and "; it is " .. last.state or "") }
end

-- Every open attempt but the one that has the alias ends here: its key is set aside, or it made none.
local function end_attempts(context, want, holder)
  for _, attempt in ipairs(context.attempts:open(want.region, want.alias)) do
    local arn = context.attempts:find(attempt)
    if arn and arn:sub(-#holder) == holder then
      context.attempts:settle(attempt, "claimed")
    elseif arn and not ended(context, attempt) then
      claim.set_aside(context, want.cluster, attempt, ("which key %s already has"):format(holder))
    end
  end
end

local function mend(context, want, have)
  local checks = {}
  for _, difference in ipairs(M.differences(want, have)) do checks[difference.check] = true end
  if checks.material then material.fill(context, want, have.id) end
  if checks.policy then put_policy(context, want, have.id) end
  if checks.rotation then rotate(context, want, have.id, select(2, keys.is_replica(have))) end
  if checks.tags then tag(context, want, have) end
  if next(checks) == nil then return have end
  return wait_for(context, want, have.id, function(key) return #M.differences(want, key) == 0 end)
end

-- The key that another operator was faster with.
local function give_way(context, want, holder, step)
  local winner = claim.winner(context, want.cluster, want.region, want.alias, holder)
  step.arn = winner.arn
  end_attempts(context, want, holder)
  return mend(context, want, winner)
end

-- Tags the key that Vault made before it has the alias, so that a run that dies between leaves a key that says whose it is.
local function take_over(context, want, id)
  local now = distributed.again(context, want, id)
  local reason = M.refusal(context, want, now)
  if reason then context:refuse { service = "kms", region = want.region, what = ("taking over %s"):format(now.arn), message = reason } end
  if #M.tag_differences(want, now) > 0 then tag(context, want, now) end
end

-- Material comes before the alias is claimed: who has the alias can be used. A key whose copy in Vault went meanwhile is set aside.
local function fill(context, want, attempt)
  local lost = material.fill_new(context, want, attempt.key:match "[^/]+$", attempt.description ~= nil)
  attempt.description = nil
  if not lost then return end
  claim.set_aside(context, want.cluster, attempt, lost)
  failure.raise { code = "not_ready", service = "vault", region = want.region, what = ("making a key for %s in %s"):format(want.alias, want.region),
    message = ("%s was made, %s; somebody destroys what this run makes: the key is set aside, and another one is made with Vault's new key"):format(
      attempt.key, lost) }
end

--- Makes the key: an own attempt's key claims the alias, or gives way to the key that was faster.
function M.create(context, want, step)
  if distributed.is(want) then return M.update(context, want, distributed.again(context, want, want.material.id), step) end
  temporary.sweep(context, want)
  M.prepare(context, want)
  local holder = context:once("holder " .. want.region .. want.alias)
  if holder then return give_way(context, want, holder, step) end
  local attempt = own_attempt(context, want)
  local id, seen, rotated = attempt.key:match "[^/]+$", nil, want.rotation == nil
  step.arn = attempt.key
  if want.material then fill(context, want, attempt) end
  local function switch_rotation_on()
    if not rotated then rotate(context, want, id) end
    rotated = true
  end
  context.tasks.all {
    function() holder = claim.claim(context, want.region, want.alias, id) end,
    function()
      seen = keys.find(context, want.region, id,
        { description = attempt.description, before_rotation = switch_rotation_on, later = AFTER_YOU })
    end,
  }
  if holder ~= id then return give_way(context, want, holder, step) end
  if not attempt.result then context.attempts:settle(attempt, "claimed") end
  end_attempts(context, want, holder)
  switch_rotation_on()   -- reading a key that is not seen yet ends before that
  local complete = seen and keys.works(seen) and seen.policy and not keys.foreign(seen, want.cluster)
  return mend(context, want, complete and seen or wait_for(context, want, id))
end

--- Repairs what differs, and ends what an earlier attempt left open.
function M.update(context, want, have, step)
  step.arn = have.arn
  temporary.sweep(context, want)
  if have.unclaimed == "distributed" then
    take_over(context, want, have.id)
    reclaim(context, want, have)
    have = wait_for(context, want, have.id)
  elseif have.unclaimed then
    if #material.differences(want, have) > 0 then material.fill(context, want, have.id) end
    local holder = reclaim(context, want, have)
    if holder ~= have.id then return give_way(context, want, holder, step) end
    have.unclaimed = nil
  end
  end_attempts(context, want, have.id)
  return mend(context, want, have)
end

-- What a replica is made and put right with: lua/resource/replica.lua.
M.new_tags, M.mend, M.wait_for = tags, mend, wait_for

return M
