--- What a cluster is to grow by, and what it has: the regions that are asked for, held against the regions that there are; the role and
--- the form of the keys that it uses, so that the new regions get the same.
local cmek = require "engine.cluster.cmek"
local existing = require "engine.key.existing"
local failure = require "engine.failure"
local keys = require "engine.key.keys"
local names = require "names"
local reach = require "engine.account.reach"
local refusal = require "refusal"

local M = {}

local CONSOLE_MAX <const> = 9   -- regions that the Cloud Console offers

---@class engine.Growth
---@field cluster table       as it will be: its regions and the new ones
---@field regions { name: string, node_count: integer }[]   the new ones, sorted by name
---@field role string         ARN of the one that the new regions' keys are used with: the cluster's, where it has one
---@field account engine.Account?  whose the new keys are, where all others are of one account that is not the credentials' own
---@field look fun(look: fun(arn: string, account: engine.Account?): table): table   looks at the role
---@field keys fun(role: table, make: fun(region: table): table): table[]   has the key of each region made, and lets the role use it
---@field key string?         ARN of the key that all regions share, where they do
---@field material { form: "exportable"|"wrapped"|"distributed", mount: string }?   where the keys' material is from Vault
---@field primary table?      the key whose replicas all regions use, where they do, as ensure gives it
---@field multi_region boolean

local function listed(regions)
  local list = {}
  for i, region in ipairs(regions or {}) do list[i] = region.name end
  return table.concat(list, ", ")
end

-- Raises what is wrong with the request itself, all of it at once.
local function refuse(wrong, cluster, usage)
  if #wrong == 0 then return end
  failure.raise({ code = "precondition", exit = usage and "usage" or nil, service = "cloud",
    what = ("adding regions to cluster %s (%s)"):format(cluster.name, cluster.id), message = table.concat(wrong, "; ") },
    "cluster.shape", { regions = listed(cluster.regions), name = cluster.name })
end

--- The regions of REGION=NODES, sorted. Raises when one of them stands twice.
---@param texts string[]
---@param cluster table
---@return { name: string, node_count: integer }[]
function M.regions(texts, cluster)
  local list, seen, wrong = {}, {}, {}
  for i, text in ipairs(texts or {}) do
    local name, nodes = text:match "^([^=]+)=(%d+)$"
    if seen[name] then wrong[#wrong + 1] = ("--add names %s twice"):format(name) end
    seen[name], list[i] = true, { name = name, node_count = math.tointeger(tonumber(nodes)) }
  end
  if #list == 0 then wrong[1] = "--add names no region" end
  refuse(wrong, cluster, true)
  table.sort(list, function(one, other) return one.name < other.name end)
  return list
end

-- The regions that the Cloud offers on AWS, as a set and a list; nil when it does not tell.
local function offered(context)
  local answer = context:try(function(refused) return refused.status == 403 or refused.status == 404 or refused.status == 501 end, function()
    return context:once("available regions", function() return context.session.cloud.list_available_regions "AWS" end)
  end)
  local set, list = {}, {}
  for i, region in ipairs(answer or {}) do set[region.name], list[i] = true, region.name end
  if #list > 0 then return set, list end
  context:warn "the Cloud does not tell which regions it offers, so whether the new ones are among them shows when it is asked for them"
end

local function check_offered(context, regions, wrong)
  local set, list = offered(context)
  for _, region in ipairs(set and regions or {}) do
    if not set[region.name] then
      local near = require("ui.near").near(region.name, list)
      wrong[#wrong + 1] = ("the Cloud offers no region %s on AWS%s"):format(region.name, near[1] and "; did you mean "
        .. table.concat(near, " or ") .. "?" or "; it offers " .. table.concat(list, ", "))
    end
  end
end

--- Why a cluster cannot have so many regions; nil when it can.
---@param count integer
---@return string?
function M.shape(count)
  if count ~= 2 then return nil end
  return "it would have two regions, and a cluster has one or at least three: add two at once (--add twice)"
end

-- What of the cluster keeps it from growing with CMEK.
local function check_cmek(engine, cluster)
  local info, what = engine.context:cmek(cluster), "adding regions to cluster " .. cluster.name
  if info.unknown then
    failure.raise { code = "precondition", exit = "usage", what = what,
      message = "--facts does not tell what the cluster uses: only the Cloud can", next = "leave --facts out" }
  end
  local revoked, used = cmek.revoked(info), 0
  if #revoked > 0 then
    local said = ("CMEK of cluster %s is revoked (%s)"):format(cluster.name, table.concat(revoked, ", "))
    failure.raise({ code = "precondition", service = "cloud", what = what, message = said }, "cmek.revoked",
      { said = said, restore = require("engine.mend").restore(engine, cluster) })
  end
  for _, region in ipairs(info.region_infos or {}) do used = used + #cmek.live(info, region.region) end
  if used > 0 then return end
  local said = ("CMEK is not enabled (%s): until it is, regions are added in the Cloud Console"):format(info.status or "DISABLED")
  failure.raise({ code = "precondition", service = "cloud", what = what, message = said }, "cmek.not-enabled", { said = said, name = cluster.name })
end

-- The cluster with the new regions beside its own.
local function grown(cluster, regions)
  local copy, here = {}, {}
  for name, value in pairs(cluster) do copy[name] = value end   -- order cannot be seen
  copy.regions = table.move(cluster.regions, 1, #cluster.regions, 1, {})
  for _, region in ipairs(cluster.regions) do here[region.name] = true end
  for _, region in ipairs(regions) do
    if not here[region.name] then table.insert(copy.regions, region) end
  end
  return copy
end

--- The cluster as it will be; its new regions can be talked to from here on.
---@param engine table
---@param cluster table
---@param texts string[]  REGION=NODES
---@return table cluster, { name: string, node_count: integer }[] regions
function M.cluster(engine, cluster, texts)
  local regions = M.regions(texts, cluster)
  if cluster.cloud_provider == "AWS" then
    for _, region in ipairs(regions) do engine.context.session.door:region(region.name) end
  end
  return grown(cluster, regions), regions
end

-- The form of keys -------------------------------------------------------------------------------------------------------

-- "KMS", "MOUNT exportable" … of one key that is in use.
local function form_of(context, used)
  local place = used.arn:match "^arn:[^:]*:kms:([^:]*):"
  context.session.door:region(place)
  if not reach.leads(reach.account(context, used.arn)) then return { text = reach.advice(context, used.arn), unreadable = true } end
  local ok, key = pcall(keys.find, reach.context(context, used.arn), place, used.arn)
  if not ok and not refusal.is(key) then error(key, 0) end
  if not ok or not key then
    return { text = ("%s cannot be read (%s)"):format(used.arn, ok and "KMS shows no such key" or refusal.line(key)), unreadable = true }
  end
  local source, origin = key.tags[names.TAG_MATERIAL], key.metadata.Origin or "AWS_KMS"
  local form = { text = origin == "AWS_KMS" and "made by KMS" or source and "from Vault's " .. source or "of Origin " .. origin,
    multi_region = keys.is_multi_region(key), id = key.id, primary = ((key.metadata.MultiRegionConfiguration or {}).PrimaryKey or {}).Arn }
  if origin == "AWS_KMS" then form.kind = "KMS" end
  local mount, name = (source or ""):match "^(.+)/([^/]+)$"
  if origin == "EXTERNAL" and mount then
    form.kind, form.mount, form.name = name == "no-copy" and "wrapped" or "exportable", mount, name:match "^(.*):%d+$"
  end
  return form
end

local function mixed(cluster, used, forms)
  local parts = {}
  for i, form in ipairs(forms) do parts[i] = ("%s: %s"):format(used[i].region, form.text) end
  failure.raise({ code = "precondition", service = "kms", what = "looking at the keys of cluster " .. cluster.name,
    message = "the new regions shall have keys of the same form as the others, and it is not known which: " .. table.concat(parts, ", "),
    next = "make a key in each new region by hand and name it: --key ARN" })
end

-- A key that has to go on for the new regions, and is disabled or to be deleted.
local function refuse_unusable(context, cluster, arn, what)
  local ok, key = pcall(keys.find, reach.context(context, arn), arn:match "^arn:[^:]*:kms:([^:]*):", arn)
  if not ok and not refusal.is(key) then error(key, 0) end
  local reason = ok and key and keys.unusable(key)
  if not reason then return end
  failure.raise { code = "precondition", service = "kms", what = "looking at the keys of cluster " .. cluster.name,
    message = what:format(reason), next = "or give each new region a key of its own that is there: --key ARN" }
end

-- The primary that a family of replicas has, as the replicas' own resource takes it.
local function primary_of(context, cluster, form, material)
  local region = form.primary:match "^arn:[^:]*:kms:([^:]*):"
  refuse_unusable(context, cluster, form.primary, "the new regions are to have replicas of the primary that the others have, and %s")
  local alias = require("engine.key.choice").alias_of(cluster, reach.context(context, form.primary):aliases(region), form.primary)
  return { arn = form.primary, region = region, generation = alias and names.generation(cluster, alias.AliasName) or 1,
    material = material and { form = material.form, mount = material.mount, name = form.name } or nil }
end

-- Which engine the material is from, and what of it Vault must offer for the new regions.
local function of_vault(engine, growth, cluster)
  local material, new = growth.material, {}
  for name, value in pairs(cluster) do new[name] = value end   -- order cannot be seen
  new.regions = growth.regions
  local ok, mount = pcall(require("resource.vault_mount").find, engine.context, { path = material.mount })
  if not ok and not refusal.is(mount) then error(mount, 0) end
  if ok and mount and mount.type == "keymgmt" then material.form = "distributed" end
  if engine.phase == "do" then return end
  local needs = { [material.form == "distributed" and "keymgmt" or "transit"] = material.mount, form = material.form }
  require("engine.vault.needs").check(engine, new, needs)
end

-- Whether all keys are multi-Region keys, whether some are, and whether all are of one family.
local function kinds_of(forms)
  local all, some, family = true, false, #forms > 1
  for _, form in ipairs(forms) do
    all, some, family = all and form.multi_region, some or form.multi_region, family and form.multi_region and form.id == forms[1].id
  end
  return all, some, family
end

-- Fills in what the keys have in common.
local function same_form(engine, growth, cluster, used)
  local context = engine.context
  if #used == 1 and #used[1].serves > 1 then
    growth.key = used[1].arn
    if engine.phase ~= "do" then refuse_unusable(context, cluster, growth.key, "all regions share one key, and %s") end
    return
  end
  local forms = context.tasks.map(used, function(key) return form_of(context, key) end)
  local first = forms[1]
  for _, form in ipairs(forms) do
    if not form.kind or form.kind ~= first.kind or form.mount ~= first.mount then mixed(cluster, used, forms) end
  end
  if first.kind ~= "KMS" then growth.material = { form = first.kind, mount = first.mount } end
  local all, some, family = kinds_of(forms)
  growth.multi_region = all
  if some and not all then
    context:warn("some keys of the cluster are multi-Region keys and others are not: the new regions get keys of their own, of one Region; others "
      .. "are named with --key ARN")
  end
  if family and first.primary then growth.primary = primary_of(context, cluster, first, growth.material) end
  if first.kind == "KMS" then return end
  of_vault(engine, growth, cluster)
end

-- Roles and accounts ---------------------------------------------------------------------------------------------------------

-- The role of the new regions: the one that is named, else the cluster's.
local function role_of(cluster, asked, roles)
  local list = {}
  for _, arn in ipairs(roles) do
    if arn == asked or not asked and #roles == 1 or asked and not asked:find "^arn:" and arn:match "[^/]+$" == asked then return arn end
    list[#list + 1] = arn
  end
  failure.raise { code = "precondition", exit = "usage", what = "choosing the role of the new regions",
    message = (asked and "--role %s is none of those that cluster %s uses its keys with: %s" or "%scluster %s uses its keys with several roles: %s")
      :format(asked or "", cluster.name, table.concat(list, ", ")), next = "name one of them: --role ARN" }
end

-- The account of the new keys: that of the others, where they are all of one, else the credentials' own.
local function account_of(context, used)
  local account = used[1] and reach.account(context, used[1].arn)
  for _, key in ipairs(used) do
    local other = reach.account(context, key.arn)
    if (other or {}).id ~= (account or {}).id then return nil end
  end
  return account
end

-- Has the keys made, and lets a role of another account than theirs use them.
local function make_keys(engine, growth, cluster, role, make)
  local list = require("engine.calls").tasks(engine.context).map(growth.regions, make)
  if engine.spec then return list end
  local pairs_of, context = {}, engine.context
  for i, key in ipairs(list) do
    pairs_of[i] = { role = role, arn = key.arn, account = reach.account(context, growth.role), role_account = reach.id(growth.role),
      key_account = reach.id(growth.key or key.arn) or (growth.account or context:identity()).id or context:identity().account }
  end
  require("engine.account.role_uses").ensure(engine, cluster, pairs_of)
  return list
end

-- What the recipe calls.
local function with_functions(engine, growth, cluster)
  function growth.look(look)
    local account = reach.account(engine.context, growth.role)
    if reach.leads(account) then return look(growth.role, account) end
    return { name = growth.role:match "[^/]+$", arn = growth.role, unreached = true }
  end
  function growth.keys(role, make) return make_keys(engine, growth, cluster, role, make) end
  return growth
end

-- Of a run that is taken up where the keys are made and handed over: all that is left is done by the Cloud.
local function of_this_run(engine, asked)
  local cluster, regions = M.cluster(engine, asked.cluster, asked.add)
  return with_functions(engine, { cluster = cluster, regions = regions, multi_region = false,
    role = engine.spec.document.region_specs[1].key_spec.auth_principal }, cluster)
end

-- The whole --------------------------------------------------------------------------------------------------------------

--- What a cluster grows by. Raises what is wrong with it, naming all of it.
---@param engine table
---@param asked { cluster: table, add: string[], key: string[]?, role: string?, reach: string[]? }   key: of the new regions, where they are
---  there; their form is not asked then; role: the new regions', where the cluster has several
---@return engine.Growth
function M.of(engine, asked)
  reach.open(engine, asked.reach)
  if engine.spec then return of_this_run(engine, asked) end
  local context, cluster, wrong = engine.context, asked.cluster, {}
  local growth = { multi_region = false }
  growth.cluster, growth.regions = M.cluster(engine, cluster, asked.add)
  check_cmek(engine, cluster)
  check_offered(context, growth.regions, wrong)
  wrong[#wrong + 1] = M.shape(#growth.cluster.regions)
  refuse(wrong, cluster)
  if #growth.cluster.regions > CONSOLE_MAX then
    context:warn(("the cluster will have %d regions; the Cloud Console offers %d at the most"):format(#growth.cluster.regions, CONSOLE_MAX))
  end
  local before, new = {}, {}
  for _, region in ipairs(growth.regions) do new[region.name] = true end
  local in_use = existing.in_use(context, cluster)
  for _, key in ipairs(in_use.all) do
    local old = 0
    for _, region in ipairs(key.serves) do old = old + (new[region] and 0 or 1) end
    if old > 0 then before[#before + 1] = key end
  end
  growth.role = role_of(cluster, asked.role, in_use.arns_of_roles)
  local named = #(asked.key or {}) >= #growth.regions
  if not named then
    growth.account = account_of(context, before)
    if #before > 0 then same_form(engine, growth, cluster, before) end
  end
  return with_functions(engine, growth, cluster)
end

return M
