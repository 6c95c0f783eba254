--- The names of what there is, for completion at the prompt: clusters, roles, aliases, regions, mounts. It never asks anybody by itself: it
--- learns from answers that pass, and from reads that are set off beside other work. Names are kept by account and region.
---@class repl.NamesCache
---@field directory string?                 where they are kept
---@field account string                    whose names are looked for; "" before that is known
---@field asleep boolean?                   what was kept is not read yet
---@field accounts table<string, table<string, table<string, repl.Names>>>   by account, kind and region ("" where a kind has none)
local Cache = { __name = "repl.NamesCache" }
Cache.__index = Cache

--- Names in order, each once.
---@class repl.Names
---@field list string[]
---@field set table<string, true>
---@field whole boolean?   all there were was listed since the prompt began: others that were kept are no more

local json = require "json"
local sorted = require "sorted"

local M = {}

local FILE_MAX <const> = 8 << 20   -- bytes of the file
local KEPT_MAX <const> = 20000     -- names of a kind in a region
local LISTED_MAX <const> = 30      -- names that are offered, and the last one

-- Learning -----------------------------------------------------------------------------------------------------------

local function all(list, field)
  local names = {}
  for _, member in ipairs(type(list) == "table" and list or {}) do names[#names + 1] = type(member) == "table" and member[field] or nil end
  return names
end

local function of_clusters(cache, clusters)
  cache:add("cluster", "", all(clusters, "name"))
  for _, cluster in ipairs(clusters) do
    if cluster.cloud_provider == nil or cluster.cloud_provider == "AWS" then cache:add("region", "", all(cluster.regions, "name")) end
  end
end

local function keys_of(answer)
  return type(answer) == "table" and type(answer.keys) == "table" and answer.keys or {}
end

--- What each answer tells, by function: fn(cache, given, answer).
local LEARNED <const> = {
  ["cloud.clusters"] = function(cache, given, answer)
    if next(given) == nil then cache:forget("cluster", "") end
    of_clusters(cache, answer)
  end,
  ["cloud.cluster"] = function(cache, _, answer) of_clusters(cache, { answer }) end,
  ["cloud.find_cluster"] = function(cache, _, answer) of_clusters(cache, { answer }) end,
  ["cloud.list_available_regions"] = function(cache, _, answer) cache:add("region", "", all(answer, "name")) end,
  ["iam.list_roles"] = function(cache, given, answer)
    if next(given) == nil and answer.Roles and not answer.IsTruncated then cache:forget("role", "") end
    cache:add("role", "", all(answer.Roles, "RoleName"))
  end,
  ["iam.get_role"] = function(cache, _, answer) cache:add("role", "", { answer.Role.RoleName }) end,
  ["iam.create_role"] = function(cache, given) cache:add("role", "", { given.RoleName }) end,
  ["kms.list_aliases"] = function(cache, given, answer)
    local whole = given.region and next(given) == "region" and next(given, "region") == nil and answer.Aliases and not answer.Truncated
    if whole then cache:forget("alias", given.region) end
    cache:add("alias", given.region, all(answer.Aliases, "AliasName"))
  end,
  ["kms.create_alias"] = function(cache, given) cache:add("alias", given.region, { given.AliasName }) end,
  ["kms.list_keys"] = function(cache, given, answer) cache:add("key", given.region, all(answer.Keys, "KeyId")) end,
  ["sts.get_caller_identity"] = function(cache, _, answer) cache:belong(answer.Account) end,
  ["vault.list_mounts"] = function(cache, _, answer)
    local names = {}
    for path in sorted(answer) do names[#names + 1] = type(path) == "string" and path:gsub("/$", "") or nil end
    cache:add("mount", "", names)
  end,
  ["vault.transit_list_keys"] = function(cache, _, answer) cache:add("vault key", "", keys_of(answer)) end,
  ["vault.keymgmt_list_keys"] = function(cache, _, answer) cache:add("vault key", "", keys_of(answer)) end,
}

local function names_of(self, account, kind, region, make)
  local by_kind = self.accounts[account]
  if not by_kind and make then
    by_kind = {}
    self.accounts[account] = by_kind
  end
  local by_region = by_kind and by_kind[kind]
  if not by_region and make then
    by_region = {}
    by_kind[kind] = by_region
  end
  local names = by_region and by_region[region]
  if not names and make then
    names = { list = {}, set = {} }
    by_region[region] = names
  end
  return names
end

--- Adds names. Sorting is done here, so that looking up is not kept waiting.
---@param kind string    "cluster", "role", "alias", "key", "region", "mount", "vault key"
---@param region string?  "" where the kind has none
---@param given string[]
function Cache:add(kind, region, given)
  self:wake()
  local names, grown = names_of(self, self.account, kind, region or "", true), false
  for _, name in ipairs(given) do
    if type(name) == "string" and name ~= "" and not name:find "%c" and not names.set[name] and #names.list < KEPT_MAX then
      names.set[name], grown = true, true
      names.list[#names.list + 1] = name
    end
  end
  if grown then
    table.sort(names.list)
    self.changed = true
  end
end

--- Forgets the names of a kind, since all that there are follow.
---@param kind string
---@param region string
function Cache:forget(kind, region)
  self:wake()
  local names = names_of(self, self.account, kind, region, true)
  names.list, names.set, names.whole = {}, {}, true
  self.changed = true
end

--- Says whose the names are from here on; those that were learned before that was known are.
---@param account string?
function Cache:belong(account)
  if type(account) ~= "string" or account == self.account then return end
  self:wake()
  local before = self.account == "" and self.accounts[""] or {}
  self.account = account
  self.accounts[""] = nil
  for kind, by_region in sorted(before) do
    for region, names in sorted(by_region) do
      if names.whole then self:forget(kind, region) end
      self:add(kind, region, names.list)
    end
  end
end

--- Learns what an answer tells. What cannot be made sense of is left alone: nothing but completion rests on it.
---@param service string
---@param name string   of the function
---@param given any     its parameters
---@param answer any
function Cache:learn(service, name, given, answer)
  local learn = LEARNED[service .. "." .. name]
  if learn then pcall(learn, self, type(given) == "table" and given or {}, type(answer) == "table" and answer or {}) end
  if type(given) == "table" and type(given.region) == "string" then self:add("region", "", { given.region }) end
end

--- A service whose answers are learned from.
---@param service string
---@param functions table<string, function>
---@return table<string, function>
function Cache:watch(service, functions)
  local watched = {}
  return setmetatable({}, { __name = service, __index = function(_, name)
    local fn = functions[name]
    if type(fn) ~= "function" then return fn end
    watched[name] = watched[name] or function(given, ...)
      local results = table.pack(functions[name](given, ...))
      self:learn(service, name, given, results[1])
      return table.unpack(results, 1, results.n)
    end
    return watched[name]
  end })
end

--- Reads what names there are, as tasks that nobody waits for. In a task; what fails is not told.
---@param session Session
---@param regions string[]?  whose aliases are read
function Cache:read(session, regions)
  local function set_off(service, name, given)
    session.tasks.daemon(function()
      local ok, answer = pcall(function() return session[service][name](given) end)
      if ok then self:learn(service, name, given, answer) end
    end)
  end
  set_off("cloud", "clusters")
  set_off("iam", "list_roles")
  for _, region in ipairs(regions or {}) do set_off("kms", "list_aliases", { region = region }) end
end

-- Looking up ---------------------------------------------------------------------------------------------------------

-- The first place whose name is not before the prefix; with `behind` the first that is behind all that begin so.
local function place(list, prefix, behind)
  local low, high = 1, #list + 1
  while low < high do
    local middle = (low + high) // 2
    local name = list[middle]
    local before = name < prefix or behind and name:sub(1, #prefix) == prefix
    if before then low = middle + 1 else high = middle end
  end
  return low
end

local function collect(names, prefix, limit, into)
  if not names then return end
  local first, last = place(names.list, prefix), place(names.list, prefix, true) - 1
  for at = first, math.min(last, first + limit - 1) do into[#into + 1] = names.list[at] end
  if last >= first + limit then into[#into + 1] = names.list[last] end
end

--- The names that begin so, sorted: the first of them up to a limit, and the last, so that what all have in common is what these have.
---@param kind string
---@param prefix string
---@param region string?  nil: of all regions
---@param limit integer?  30 without
---@return string[]
function Cache:find(kind, prefix, region, limit)
  self:wake()
  local list, by_kind = {}, self.accounts[self.account]
  local by_region = by_kind and by_kind[kind] or {}
  if region and by_region[region] then
    collect(by_region[region], prefix, limit or LISTED_MAX, list)
    return list
  end
  local regions = 0
  for _, names in sorted(by_region) do
    regions = regions + 1
    collect(names, prefix, limit or LISTED_MAX, list)
  end
  if regions < 2 then return list end
  table.sort(list)
  local once = {}
  for _, name in ipairs(list) do
    if once[#once] ~= name then once[#once + 1] = name end
  end
  return once
end

-- Keeping ------------------------------------------------------------------------------------------------------------

-- Where the names are kept; simulated ones apart. nil where there is no place for them.
local function directory_of()
  local state = require("file").state_directory()
  local simulated = require("variables").of().text "CMEK_SIM" == "1"
  return state and state .. (simulated and "/simulated-names" or "/names")
end

-- Adds what a document holds; what another prompt has kept of what was listed whole since is left out.
local function load(self, document)
  local before = self.account
  for account, by_kind in sorted(document) do
    self.account = account
    for kind, by_region in sorted(by_kind) do
      for region, list in sorted(by_region) do
        local names = names_of(self, account, kind, region)
        if not (names and names.whole) then self:add(kind, region, list) end
      end
    end
  end
  self.account = before
end

local function kept(self)
  local text = self.directory and require("file").read(self.directory .. "/names.json", FILE_MAX)
  local document = text and json.decode(text)
  return type(document) == "table" and document.accounts or {}
end

--- Writes the names down, for the next prompt, beside those that other prompts have kept meanwhile. What cannot be written is not.
function Cache:save()
  if not self.directory or not self.changed then return end
  pcall(load, self, kept(self))
  local document = {}
  for account, by_kind in sorted(self.accounts) do
    document[account] = account ~= "" and {} or nil
    for kind, by_region in sorted(account ~= "" and by_kind or {}) do
      document[account][kind] = {}
      for region, names in sorted(by_region) do document[account][kind][region] = json.array(names.list) end
    end
  end
  local file = require "file"
  local text = json.encode { accounts = document } .. "\n"
  if file.mkdir(self.directory, 448) then file.write(self.directory .. "/names.json", text) end   -- 0700, 0600
  self.changed = false
end

--- A cache without names.
---@return repl.NamesCache
function M.new() return setmetatable({ account = "", accounts = {} }, Cache) end

--- Reads what the prompt before has kept, once; none where there was none, or where the file is no such file.
function Cache:wake()
  if not self.asleep then return end
  self.asleep = false
  if not pcall(load, self, kept(self)) then self.accounts = {} end
  self.account = ""
  self:add("cluster", "", require("completion.clusters").known())
  self.changed = false
end

--- The names that the prompt before has kept. They are read when they are first needed: a prompt that starts needs none.
---@param directory string?  where they are kept; else below the state directory
---@return repl.NamesCache
function M.open(directory)
  local self = M.new()
  self.directory, self.asleep = directory or directory_of(), true
  return self
end

return M
