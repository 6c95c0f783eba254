--- What there is to say of clusters: whether each can have CMEK or why not; for one cluster the whole chain from its regions
--- over keys and role to what the Cloud says, and what is due or wrong.
local access = require "engine.policy.access"
local cmek = require "engine.cluster.cmek"
local json = require "json"
local keys = require "engine.key.keys"
local mend = require "engine.mend"
local named = require "engine.cluster.named"
local names = require "names"
local policies = require "policy"
local preflight = require "preflight"
local reach = require "engine.account.reach"
local refusal = require "refusal"
local time = require "time"

local M = {}

local AT_ONCE <const> = 16   -- questions on their way

local function null(value)
  if value == nil then return json.null end
  return value
end

-- A refusal as documents show it; anything else is raised.
local function refused(raised)
  if not refusal.is(raised) then error(raised, 0) end
  return refusal.line(raised)
end

-- Many clusters ------------------------------------------------------------------------------------------------------

local function keys_of(region)
  local list = json.array {}
  for i, key in ipairs(region and region.key_infos or {}) do
    local spec = key.spec or {}
    list[i] = { status = null(key.status), uri = null(spec.uri), auth_principal = null(spec.auth_principal),
      created_at = null(key.created_at), updated_at = null(key.updated_at), user_message = key.user_message or "" }
  end
  return list
end

local function regions_of(info)
  local list = json.array {}
  for i, region in ipairs(info.region_infos) do
    list[i] = { region = region.region, status = null(region.status), keys = keys_of(region) }
  end
  return list
end

-- A cluster by its own facts; of its CMEK nothing is known yet.
local function describe(cluster)
  local regions = json.array {}
  for i, region in ipairs(cluster.regions or {}) do regions[i] = region.name end
  local wrong, short = preflight.ineligible(cluster)
  return {
    id = cluster.id, name = cluster.name, plan = null(cluster.plan), cloud = null(cluster.cloud_provider), state = null(cluster.state),
    network = null(cluster.network_visibility), account_id = null(cluster.account_id), regions = regions,
    eligible = #wrong == 0, reasons = json.array(wrong), lacks = json.array(short),
    cmek = { status = json.null, regions = json.array {} },
  }
end

-- Asks the Cloud for the CMEK of a cluster that can have it. One that may not be read does not hide the others.
local function ask(session, entry)
  local ok, info = pcall(session.cloud.cmek, entry.id)
  if not ok then
    entry.cmek.error = refused(info)
    return { region_infos = {} }
  end
  entry.cmek.status, entry.cmek.regions = null(info.status), regions_of(info)
  return info
end

--- Every cluster that the key sees. It asks the Cloud alone, few at a time. In a task.
---@param session Session
---@return table[] clusters  as cmek.status/1 has them
function M.all(session)
  local list, open = json.array {}, {}
  for i, cluster in ipairs(session.cloud.clusters {}) do
    list[i] = describe(cluster)
    if list[i].eligible then open[#open + 1] = list[i] end
  end
  local count, workers, at = named.counter(session.clock, session.listen, #open), {}, 0
  for i = 1, math.min(AT_ONCE, #open) do
    workers[i] = function()
      while at < #open do
        at = at + 1
        ask(session, open[at])
        count()
      end
    end
  end
  session.tasks.all(workers)
  return list
end

-- The AWS side -------------------------------------------------------------------------------------------------------

-- Whether AWS can be asked, and as whom.
local function aws_of(session)
  local ok, identity = pcall(session.identity, session)
  if ok then return { asked = true, account_id = identity.account, arn = identity.arn } end
  if not refusal.is(identity) then error(identity, 0) end
  return { asked = false, account_id = json.null, arn = json.null, reason = refusal.line(identity) }
end

local function date(value)
  local moment = time.epoch(value)
  return moment and time.text(moment) or json.null
end

-- What is of an account that nothing leads to is mostly not ours to read.
local function elsewhere(context, arn)
  if reach.leads(reach.account(context, arn)) then return nil end
  return ("it is of account %s, and the AWS credentials are of %s"):format(reach.id(arn), context:identity().account)
end

-- A key as KMS shows it; { refused = } when it does not.
local function key_facts(root, region, uri)
  local context = reach.context(root, uri)
  local ok, key = pcall(keys.find, context, region, uri)
  if not ok then
    local denied = refusal.is(key, "AccessDeniedException")
    return { refused = denied and elsewhere(root, uri) or refused(key) }
  end
  if not key then return { refused = "there is no such key" } end
  local aliases = json.array {}
  for _, alias in ipairs(context:try({ AccessDeniedException = true }, function() return context:aliases(region) end) or {}) do
    if alias.TargetKeyId == key.id then aliases[#aliases + 1] = alias.AliasName end
  end
  local metadata, rotation = key.metadata, key.rotation
  return {
    arn = key.arn, state = key.state, spec = null(metadata.KeySpec), usage = null(metadata.KeyUsage), origin = null(metadata.Origin),
    multi_region = metadata.MultiRegion == true, multi_region_type = null((metadata.MultiRegionConfiguration or {}).MultiRegionKeyType),
    deletion_date = date(metadata.DeletionDate), aliases = aliases, tags = key.tags,
    rotation = { enabled = null(rotation.enabled), period_in_days = null(rotation.period and math.tointeger(rotation.period)),
      next = date(rotation.next), last = date((keys.last_rotation(context, key))) },
  }
end

-- Whom the trust policy lets assume the role, and with which external ID.
local function trusts(text)
  local list = json.array {}
  for _, statement in ipairs((policies.parse(text) or {}).Statement or {}) do
    local principal = type(statement.Principal) == "table" and statement.Principal.AWS or statement.Principal
    local equal = type(statement.Condition) == "table" and statement.Condition.StringEquals or {}
    list[#list + 1] = { effect = statement.Effect, principal = type(principal) == "table" and table.concat(principal, " ") or tostring(principal),
      external_id = null(equal["sts:ExternalId"]) }
  end
  return list
end

local function role_facts(context, arn)
  local facts = { arn = arn, exists = json.null }
  facts.refused = elsewhere(context, arn)
  if facts.refused then return facts end
  local ok, role = pcall(reach.context(context, arn).session.iam.find_role, { RoleName = arn:match "[^/]+$" })
  if not ok then
    facts.refused = refused(role)
  else
    facts.exists = role ~= nil
    if role then facts.trust, facts.created_at = trusts(role.AssumeRolePolicyDocument or ""), date(role.CreateDate) end
  end
  return facts
end

-- What is due or wrong -----------------------------------------------------------------------------------------------

local function due(entry, fields)
  for _, name in ipairs { "region", "object", "next" } do fields[name] = null(fields[name]) end
  table.insert(entry.due, fields)
end

local function aws_command(...)
  local words = { "aws", ... }
  for i, word in ipairs(words) do words[i] = mend.quote(word) end
  return table.concat(words, " ")
end

-- The command that looks at a thing of another account.
local function way_to(entry, arn)
  local id = reach.id(arn)
  return id and id ~= entry.aws.account_id and ("cmek status --cluster %s --reach PROFILE"):format(mend.quote(entry.name)) or nil
end

-- What makes a key that is not Enabled usable again.
local STATES <const> = {
  Disabled = function(region, arn) return aws_command("kms", "enable-key", "--region", region, "--key-id", arn) end,
  PendingDeletion = function(region, arn)
    return aws_command("kms", "cancel-key-deletion", "--region", region, "--key-id", arn) .. " && "
      .. aws_command("kms", "enable-key", "--region", region, "--key-id", arn)
  end,
}
STATES.PendingReplicaDeletion = STATES.PendingDeletion

-- A past key that cannot be used, which what was encrypted with it needs.
local function judge_past(entry, region, key)
  local aws = key.aws
  if aws.refused or aws.state == "Enabled" or aws.state == "Updating" then return end
  local until_then = aws.deletion_date ~= json.null and (" (it will be gone on %s)"):format(aws.deletion_date) or ""
  due(entry, { region = region, object = aws.arn, text = ("the earlier key is %s%s: data and backups from its time need it"):format(aws.state,
    until_then), next = STATES[aws.state] and STATES[aws.state](aws.arn:match "^arn:[^:]*:kms:([^:]*):", aws.arn) or nil })
end

local function judge_key(entry, region, key, console)
  local aws = key.aws
  if not key.current and key.status ~= json.null then return judge_past(entry, region, key) end
  if aws.refused then
    due(entry, { region = region, object = key.uri, text = "the key cannot be read: " .. aws.refused, next = way_to(entry, key.uri) })
    return
  end
  local place = aws.arn:match "^arn:[^:]*:kms:([^:]*):"
  if aws.state ~= "Enabled" and aws.state ~= "Updating" then
    local until_then = aws.deletion_date ~= json.null and (" (it will be gone on %s)"):format(aws.deletion_date) or ""
    due(entry, { region = region, object = aws.arn, text = ("the key is %s%s: CockroachDB cannot use it"):format(aws.state, until_then),
      next = STATES[aws.state] and STATES[aws.state](place, aws.arn) or nil })
  end
  local ours = aws.tags[names.TAG_CLUSTER] == entry.id
  if aws.rotation.enabled == false and aws.state == "Enabled" and aws.origin ~= "EXTERNAL" then   -- imported material KMS does not rotate
    due(entry, { region = region, object = aws.arn, text = "KMS does not rotate the key",
      next = ours and console or aws_command("kms", "enable-key-rotation", "--region", place, "--key-id", aws.arn) })
  end
  local last, used = time.epoch(aws.rotation.last), time.epoch(key.updated_at)
  if key.status == "ENABLED" and last and used and last > used then
    due(entry, { region = region, object = aws.arn, text = ("KMS rotated the key on %s, and the Cloud uses it as it was on %s: "
      .. "it takes the new material only when it is given the key again"):format(aws.rotation.last, key.updated_at),
      next = ours and ("cmek run rotate --cluster %s --rewrap"):format(mend.quote(entry.name)) or nil })
  end
end

local function restore(entry) return "cmek run restore --cluster " .. mend.quote(entry.name) end

-- What the Cloud itself says is wrong.
local function judge_cloud(entry, console)
  for _, reason in ipairs(entry.reasons) do due(entry, { object = entry.name, text = reason }) end
  if entry.cmek.error then due(entry, { object = entry.name, text = "its CMEK cannot be read: " .. entry.cmek.error }) end
  for _, region in ipairs(entry.cmek.regions) do
    if tostring(region.status):find "^REVOK" then
      due(entry, { region = region.region, text = ("CMEK is %s: the cluster cannot start until its keys let it in, which restore sees to, "
        .. "and support brings it up, for whom restore prints a text"):format(region.status), next = restore(entry) })
    end
    for _, key in ipairs(region.keys) do
      if tostring(key.status):find "_FAILED$" then
        local said = key.user_message ~= "" and key.user_message or "the Cloud gives no reason"
        due(entry, { region = region.region, object = key.uri, text = ("%s: %s"):format(key.status, said),
          next = "cmek verify console --cluster " .. mend.quote(entry.name) })
      end
    end
    local used = #region.keys > 0
    if entry.eligible and not used and not entry.cmek.error then
      due(entry, { region = region.region, text = "the region has no key yet", next = console })
    end
  end
end

-- Trust, policy and state together, as far as the accounts go that are reached.
local function judge_access(entry, context, cluster, organization, console)
  context.tasks.map(entry.cmek.regions, function(region)
    for _, key in ipairs(region.keys) do
      local mine = key.current and not key.aws.refused and reach.leads(reach.account(context, key.auth_principal)) and key.aws.state == "Enabled"
      if mine then
        local spec = { region = region.region, key_spec = { uri = key.uri, auth_principal = key.auth_principal } }
        local ok, fault, _, told = pcall(access.fault, context, cluster, organization, { spec })
        if not ok then fault = refused(fault) end
        local revoked = told and told[1] == "cmek.revoked"
        if fault then
          due(entry, { region = region.region, object = key.uri, text = fault:gsub("^[^:]*: ", ""), next = revoked and restore(entry) or console })
        end
      end
    end
  end)
end

-- The chain ----------------------------------------------------------------------------------------------------------

-- Every region of the cluster, also those of which the Cloud names nothing, with the keys in use marked.
local function whole_regions(entry, info)
  local by_name, list = {}, json.array {}
  for _, region in ipairs(entry.cmek.regions) do by_name[region.region] = region end
  for _, name in ipairs(entry.regions) do
    by_name[name] = by_name[name] or { region = name, status = json.null, keys = json.array {} }
    by_name[name].in_cluster = true
  end
  for _, region in require("sorted")(by_name) do
    region.in_cluster = region.in_cluster == true
    local live = {}
    for _, key in ipairs(cmek.live(info, region.region)) do live[key.uri] = true end
    for _, key in ipairs(region.keys) do key.current, key.aws = live[key.uri] or tostring(key.status):find "_FAILED$" ~= nil, json.null end
    list[#list + 1] = region
  end
  entry.cmek.regions = list
end

-- The keys that have aliases of the cluster and that the Cloud does not name.
local function add_unused(context, entry, region, role)
  local known = {}
  for _, key in ipairs(region.keys) do known[tostring(key.uri):match "[^/]+$" or ""] = true end
  local aliases = context:try({ AccessDeniedException = true }, function() return context:aliases(region.region) end) or {}
  for _, alias in ipairs(aliases) do
    if alias.TargetKeyId and names.generation(entry, alias.AliasName) and not known[alias.TargetKeyId] then
      known[alias.TargetKeyId] = true
      local facts = key_facts(context, region.region, alias.TargetKeyId)
      table.insert(region.keys, { status = json.null, uri = facts.arn or json.null, auth_principal = role.exists == true and role.arn or json.null,
        created_at = json.null, updated_at = json.null, user_message = "", current = false, aws = facts })
    end
  end
end

local function read_aws(context, entry)
  local partition = entry.aws.arn:match "^arn:([^:]+)"
  local own = ("arn:%s:iam::%s:role/%s"):format(partition, entry.aws.account_id, names.role(entry))
  local wanted, roles = {}, json.array {}
  for _, region in ipairs(entry.cmek.regions) do
    context.session.door:region(region.region)
    for _, key in ipairs(region.keys) do
      if key.current and key.auth_principal ~= json.null then wanted[key.auth_principal] = true end
    end
  end
  if next(wanted) == nil then wanted[own] = true end
  for arn in require("sorted")(wanted) do roles[#roles + 1] = role_facts(context, arn) end
  entry.roles = roles
  context.tasks.map(entry.cmek.regions, function(region)
    for _, key in ipairs(region.keys) do
      local place = tostring(key.uri):match "^arn:[^:]*:kms:([^:]*):"
      if place then
        context.session.door:region(place)
        key.aws = key_facts(context, place, key.uri)
      end
    end
    if entry.eligible then add_unused(context, entry, region, roles[1]) end
  end)
end

local function judge_aws(context, entry, cluster, organization, console)
  for _, role in ipairs(entry.roles) do
    if role.refused then due(entry, { object = role.arn, text = "the role cannot be read: " .. role.refused, next = way_to(entry, role.arn) }) end
  end
  for _, region in ipairs(entry.cmek.regions) do
    for _, key in ipairs(region.keys) do
      if key.aws ~= json.null then judge_key(entry, region.region, key, console) end
    end
  end
  if organization then judge_access(entry, context, cluster, organization, console) end
  for _, region in ipairs(entry.cmek.regions) do
    local word = region.keys[1] and region.keys[1].status ~= json.null and "rotate" or "enable"
    for _, key in ipairs(region.keys) do
      if key.status == json.null and not key.aws.refused then
        due(entry, { region = region.region, object = key.uri, text = "the key is made, and the cluster does not use it yet",
          next = ("cmek run %s --cluster %s"):format(word, mend.quote(entry.name)) })
      end
    end
  end
end

--- One cluster with all that hangs on it. Without AWS credentials the AWS side is left out, and said to be. In a task.
---@param session Session
---@param text string  name, UUID or console URL
---@param with { keys: boolean?, reach: string[]? }?  keys: also who names each key, of all clusters, and when it was last used; reach: what
---  leads to other accounts
---@return table cluster  as cmek.status/1 has it, with organization, aws, roles and due
function M.chain(session, text, with)
  with = with or {}
  local cluster, aws, organization = session.cloud.find_cluster(text), nil, nil
  session.tasks.all {
    function() aws = aws_of(session) end,
    function() organization = session.cloud.organization() end,
  }
  local entry = describe(cluster)
  entry.organization = { id = organization.id, name = organization.name or "", label = organization.label or "" }
  entry.aws, entry.roles, entry.due = aws, json.array {}, json.array {}
  local info = entry.eligible and ask(session, entry) or { region_infos = {} }
  whole_regions(entry, info)
  local layout = require("engine.key.existing").layout(cluster, info, aws.account_id ~= json.null and aws.account_id or nil)
  local console = ("cmek run console --cluster %s%s"):format(mend.quote(entry.name), layout and " --layout " .. layout or "")
  local context = require("engine.context").new { session = session, mode = "verify", run_id = "", listener = session.listen }
  local in_aws = aws.asked and entry.eligible
  if in_aws then reach.open({ context = context, session = session, options = {}, flags = {} }, with.reach) end
  if in_aws then read_aws(context, entry) end
  judge_cloud(entry, console)
  if in_aws then judge_aws(context, entry, cluster, organization, console) end
  if with.keys then require("key_uses").add(context, entry) end
  return entry
end

return M
