--- What verify asks of a key, one by one: whose it is, whether it can be used, and by whom.
local foreign = require "engine.policy.foreign"
local guard = require "engine.policy.guard"
local json = require "json"
local key = require "resource.key"
local keys = require "engine.key.keys"
local material = require "engine.key.material"
local mend = require "engine.mend"
local names = require "names"
local policies = require "policy"
local revocation = require "policy.revocation"
local time = require "time"
local unknown = require "unknown"

local M = {}

local USE_SID <const>, VAULT_SID <const> = require("policy.build").USE_SID, require("policy.build").VAULT_SID

local function run(engine) return mend.cmek(engine, "run") end

local function aws(engine, have, operation, ...)
  return mend.aws(engine, "kms", operation, "--region", have.region, "--key-id", have.arn, ...)
end

-- Which key it is ------------------------------------------------------------------------------------------------------------

-- Whether there is a key to look at.
local function exists(engine, list, want, have, mode)
  if have and not have.refused and not have.unclaimed then
    list:ok("key.exists", have.arn)
    return true
  end
  local command = mode == "read" and mend.cmek(engine, "run", "console", mend.CHAIN) or run(engine)
  if have and have.refused then
    list:finding("key.exists", { have = have.refused, want = want.alias })
  elseif have then
    list:finding("key.exists", { field = "alias", want = want.alias, mend = command,
      text = ("%s is in use and this cluster's by its tags, and no alias points to it"):format(have.arn) })
  else
    list:finding("key.exists", { field = "alias", have = "missing", want = want.alias, mend = command })
  end
  return have ~= nil and not have.refused
end

local function owner(list, want, have)
  local reason = keys.foreign(have, want.cluster)
  if not reason then return list:ok "key.owner" end
  if have.unreadable.tags then return list:unknown("key.owner", have.unreadable.tags) end
  list:finding("key.owner", { field = "tags." .. names.TAG_CLUSTER, have = have.tags[names.TAG_CLUSTER], want = want.cluster.id, text = reason })
end

-- Whether it can be used -----------------------------------------------------------------------------------------------------

local function state(engine, list, have)
  if keys.works(have) then return list:ok("key.state", have.state ~= "Enabled" and have.state or nil) end
  if have.state == "PendingImport" and have.metadata.Origin == "EXTERNAL" then return end   -- told by key.material
  local command, date
  if have.state == "Disabled" then
    command = aws(engine, have, "enable-key")
  elseif have.state == "PendingDeletion" then
    command = aws(engine, have, "cancel-key-deletion") .. " && " .. aws(engine, have, "enable-key")
    date = have.metadata.DeletionDate
  end
  list:finding("key.state", { field = "KeyState", have = have.state, want = "Enabled", mend = command,
    text = date and "it is deleted at " .. time.text(date) or nil })
end

local function kind(list, want, have)
  for _, field in ipairs { "KeyManager", "KeySpec", "KeyUsage" } do
    local value = have.metadata[field]
    if value ~= nil and value ~= keys.KEPT[field] then
      list:finding("key.spec", { field = field, have = value, want = keys.KEPT[field],
        text = "it is fixed for the key's life: another key is needed" })
    end
  end
  if want.multi_region and not keys.is_multi_region(have) then
    list:finding("key.spec", { field = "MultiRegion", have = false, want = true, text = "it is fixed for the key's life: another key is needed" })
  end
  if list:sound "key.spec" then list:ok "key.spec" end
end

local function origin(list, want, have, mode)
  local wanted, origin_now = want.origin or "AWS_KMS", have.metadata.Origin
  if origin_now == nil then return end   -- KMS did not say
  if mode == "read" then return list:ok("key.origin", origin_now) end   -- the recipe that makes it knows from where
  if origin_now == wanted then return list:ok "key.origin" end
  if want.arn and not want.material then return list:ok("key.origin", origin_now) end   -- it was there, with the material that it has
  list:finding("key.origin", { field = "Origin", have = origin_now, want = wanted,
    text = "the key's material is not from where it was to come; it is fixed for the key's life" })
end

-- Material that was imported: KMS has none of its own to fall back on.
local function imported(engine, list, want, have)
  if have.metadata.Origin ~= "EXTERNAL" then return end
  local reason, difference = material.refusal(want, have), material.differences(want, have)[1]
  if not reason and not difference then return list:ok("key.material", have.tags[names.TAG_MATERIAL]) end
  list:finding("key.material", { field = difference and difference.field or "KeyState", have = difference and difference.have or have.state,
    want = difference and difference.want or "Enabled", text = reason, mend = not reason and run(engine) or nil })
end

local function rotation(engine, list, want, have)
  if not want.rotation or not list:sound "key.state" then return end   -- a key that is not enabled does not rotate
  if have.metadata.Origin == "EXTERNAL" then return end                -- told by key.origin
  local now = have.rotation
  if have.unreadable.rotation then return list:unknown("key.rotation", have.unreadable.rotation) end
  if now.enabled == nil then return list:unknown("key.rotation", "KMS does not say whether the key rotates") end
  if not now.enabled then
    return list:finding("key.rotation", { field = "rotation", have = "off", want = want.rotation, mend = run(engine) })
  end
  list:ok "key.rotation"
  if now.period == nil then return end   -- an older KMS
  if math.tointeger(now.period) == want.rotation then return list:ok "key.rotation.period" end
  list:finding("key.rotation.period", { field = "rotation", have = now.period, want = want.rotation, mend = run(engine) })
end

local function tags(engine, list, want, have)
  for _, difference in ipairs(key.tag_differences(want, have)) do
    list:finding("key.tags", { field = difference.field, have = difference.have, want = difference.want, mend = run(engine) })
  end
  if list:sound "key.tags" then list:ok "key.tags" end
end

-- By whom --------------------------------------------------------------------------------------------------------------------

local PARTS <const> = { "key.policy", "key.policy.use", "key.policy.administration" }

local function check_of(field)
  local sid = field:match "^Statement%[(.-)%]"
  if not sid then return "key.policy" end
  return sid == USE_SID and "key.policy.use" or "key.policy.administration"
end

local function policy(engine, list, want, have)
  local ok, differences = pcall(policies.differences, want.policy, have.policy)
  if not ok then return list:unknown("key.policy", differences) end
  local left_out = {}
  for _, difference in ipairs(differences) do
    local id = check_of(difference.field)
    left_out[id] = true
    if not unknown.has(difference.want) then
      list:finding(id, { field = "policy." .. difference.field, have = difference.have, want = difference.want, mend = run(engine) })
    end
  end
  for _, part in ipairs(PARTS) do
    if not left_out[part] then list:ok(part) end
  end
end

local function others(engine, list, want, have)
  local ok, statements = pcall(policies.foreign, want.policy, have.policy)
  if not ok then return end   -- said by key.policy
  local account, shown = have.arn:match "^arn:[^:]*:kms:[^:]*:(%d+):", {}
  for _, statement in ipairs(statements) do
    if statement.Sid == revocation.SID then goto told end   -- by key.revoked
    local who = foreign.outsiders(statement, account)
    local text = #who > 0 and ("%s of another account or service may use or administer the key"):format(table.concat(who, ", "))
      or guard.excess(engine.context, statement)
    if text then
      list:finding("key.policy.foreign", { field = "policy." .. foreign.label(statement), have = json.encode(statement), text = text,
        mend = mend.key_policy(engine, have, statement) })
    else
      shown[#shown + 1] = json.encode(statement)
    end
    ::told::
  end
  if list:sound "key.policy.foreign" then list:ok("key.policy.foreign", #shown > 0 and "kept: " .. table.concat(shown, "; ") or nil) end
end

-- Whether cmek itself keeps the role out.
local function revoked(engine, list, want, have)
  local statement = revocation.of(have.policy)
  if not statement then return list:ok "key.revoked" end
  list:finding("key.revoked", { field = "policy." .. foreign.label(statement), have = revocation.words(statement), want = json.null,
    text = revocation.told(want.cluster, have.arn), mend = mend.restore(engine, want.cluster) })
end

-- The principals that administer, by the wanted policy.
local function administrators(document)
  local list = {}
  for _, statement in ipairs(policies.parse(document).Statement) do
    local administers = statement.Sid ~= USE_SID and statement.Sid ~= VAULT_SID
    local named = administers and type(statement.Principal) == "table" and statement.Principal.AWS
    for _, name in ipairs(type(named) == "table" and named or { named or nil }) do list[#list + 1] = name end
  end
  return list
end

-- Whether those who administer can still change the policy: a statement of somebody else may deny it.
local function control(engine, list, want, have)
  if not list:sound("key.policy", "key.policy.administration") then return end
  for _, who in ipairs(administrators(want.policy)) do
    local account = who:match "^arn:[^:]*:[^:]*::(%d+):"
    local verdict = policies.evaluate {
      principal = { arn = who, account = account }, action = "kms:PutKeyPolicy", resource = have.arn, resource_account = have.arn:match ":(%d+):key/",
      resource_kind = "key", resource_policy = have.policy, unseen = { "identity policies" }, unseen_context = { "*" },
      context = { ["aws:RequestedRegion"] = have.region, ["aws:SecureTransport"] = "true" },
    }
    if verdict.verdict == "denied" then
      local statement = verdict.statement and policies.parse(have.policy).Statement[verdict.statement.index]
      list:finding("key.control", { field = statement and "policy." .. foreign.label(statement), have = verdict.text, want = "allowed",
        text = who .. " cannot change the key's policy while that holds; when nobody can, only AWS Support helps",
        mend = statement and mend.key_policy(engine, have, statement) or nil })
    end
  end
  if list:sound "key.control" then list:ok "key.control" end
end

-- Emulators without grants say so in one way or another.
local GONE <const> = { UnknownOperationException = true, UnsupportedOperationException = true }
local function gone(refused) return GONE[refused.code] or refused.status == 501 end

local function grants(engine, list, have)
  local answer, refused = engine.context:try(function(refused) return refused.code == "AccessDeniedException" or gone(refused) end,
    function() return engine.session.kms.list_grants { region = have.region, KeyId = have.arn } end)
  if refused and gone(refused) then return end
  if refused then return list:unknown("key.grants", refused) end
  local account, shown = have.arn:match ":(%d+):key/", {}
  for _, grant in ipairs(answer.Grants or {}) do
    local who, may = tostring(grant.GranteePrincipal), table.concat(grant.Operations or {}, ", ")
    local named = who:match "^arn:[^:]*:[^:]*:[^:]*:(%d+):"
    if named and named ~= account then
      list:finding("key.grants", { field = "grant " .. tostring(grant.GrantId), have = ("%s may %s"):format(who, may), want = json.null,
        text = "a grant lets somebody of another account use the key, beside its policy",
        mend = aws(engine, have, "revoke-grant", "--grant-id", tostring(grant.GrantId)) })
    else
      shown[#shown + 1] = ("%s may %s"):format(who, may)
    end
  end
  if list:sound "key.grants" then list:ok("key.grants", #shown > 0 and "kept: " .. table.concat(shown, "; ") or nil) end
end

--- The checks of a key that was looked for.
---@param engine table
---@param list engine.Checks
---@param want table
---@param have engine.Key|{ refused: string }|nil
---@param mode "ensure"|"read"  read: another recipe makes it
function M.inspect(engine, list, want, have, mode)
  if not exists(engine, list, want, have, mode) then return end
  owner(list, want, have)
  if not list:sound "key.owner" then return end
  state(engine, list, have)
  kind(list, want, have)
  origin(list, want, have, mode)
  imported(engine, list, want, have)
  tags(engine, list, want, have)
  if have.policy == nil then
    list:unknown("key.policy", have.unreadable.policy or "KMS shows no policy")
  elseif want.policy then
    policy(engine, list, want, have)
    others(engine, list, want, have)
    revoked(engine, list, want, have)
    control(engine, list, want, have)
  end
  rotation(engine, list, want, have)
  grants(engine, list, have)
end

return M
