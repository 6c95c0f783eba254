--- Layouts: which key and which role each region of a cluster uses. A layout is data: a name, a table of regions, or a file of Lua data
--- that holds such a table. It is read and checked before anything is made.
---
---     return {
---       ["us-east-1"] = { },                                          -- a key of its own, made here
---       ["us-west-2"] = { replica_of = "us-east-1" },                 -- a replica of that key, which is then made multi-Region
---       ["eu-west-1"] = { key = "us-east-1" },                        -- uses that key itself, from afar
---       ["eu-west-2"] = { key = "arn:aws:kms:eu-west-2:…:key/…", role = "arn:aws:iam::…:role/…" },   -- a key and a role that are there
---     }
---@class layout.Place  one region of the cluster
---@field region string
---@field kind "key"|"replica"|"shared"
---@field of string?            the region whose key it is a replica of, or shares
---@field key_region string     where its key is
---@field arn string?           of a key that is there
---@field multi_region boolean? it has replicas, so it is a multi-Region key
---@field role string?          name or ARN; nil: the role of the cluster
---@field profile string?       an AWS profile of the account that the key and the role are of
---@field role_arn string?      or a role to assume there
---@class layout.Layout
---@field name string           as it was given
---@field given string|table|nil
---@field places layout.Place[] in the order of the cluster's regions
---@field asked boolean         whether somebody asked for it
local failure = require "engine.failure"
local near = require "ui.near"
local sorted = require "sorted"

local M = {}

--- The layouts that have a name.
M.NAMES = { "own", "shared", "replica" }

local FIELDS <const> = { "key", "replica_of", "role", "profile", "role_arn" }
local KEY <const>, ROLE <const> = "^arn:([%w-]+):kms:([%w-]+):(%d+):key/[%w-]+$", "^arn:([%w-]+):iam::(%d+):role/[!-~]+$"
local FILE_MAX <const> = 1 << 20   -- bytes

-- What is wrong with a layout; everything below raises with it.
---@class layout.Reading
---@field what string      as messages call it
---@field cluster table
---@field partition string
---@field known string[]   the cluster's regions
local Reading = {}
Reading.__index = Reading

function Reading:fail(text, ...)
  local message = text:format(...)
  failure.raise({ code = "precondition", exit = "usage", what = "reading the layout " .. self.what, message = message }, "layout.wrong",
    { wrong = message })
end

local function meant(word, list)
  local found = near.near(tostring(word), list)[1]
  return found and ("; did you mean '%s'?"):format(found) or ""
end

-- Files ------------------------------------------------------------------------------------------------------------

--- Whether a text names a file rather than one of the layouts.
---@param text string
---@return boolean
function M.is_file(text) return text:find("/", 1, true) ~= nil or text:find "%.lua$" ~= nil end

local function read_file(reading, path)
  local text, message = require("file").read(path, FILE_MAX)
  if not text then reading:fail("it cannot be read: %s", require("ui.failure").reason(message)) end
  local data
  data, message = require("data").read(text)
  if not data then reading:fail("it is not Lua data (return { … }), which is read and never run: %s", message) end
  return data
end

local function check_fields(reading, region, entry)
  if type(entry) ~= "table" then
    reading:fail("%s must be a table { key =, replica_of =, role = }, not '%s'", region, tostring(entry))
  end
  for name, value in sorted(entry) do
    local known = false
    for _, field in ipairs(FIELDS) do known = known or field == name end
    if not known then
      reading:fail("%s has an unknown field '%s'%s (there are %s)", region, tostring(name), meant(name, FIELDS), table.concat(FIELDS, ", "))
    end
    if type(value) ~= "string" or value == "" then reading:fail("%s.%s must be a text, not '%s'", region, name, tostring(value)) end
    if require("secretlike").kind(value) then reading:fail("%s.%s looks like %s, and a layout holds no secret", region, name,
      require("secretlike").kind(value)) end
  end
  if entry.key and entry.replica_of then reading:fail("%s has both key and replica_of: its key is one or the other", region) end
  if entry.profile and entry.role_arn then reading:fail("%s has both profile and role_arn: its account is reached in one way", region) end
end

--- What leads to the accounts of a layout's keys and roles, by its file: each profile and each role to assume once, in the order of regions.
---@param path string
---@return { profile: string?, role_arn: string? }[]
function M.ways(path)
  local reading = setmetatable({ what = ("'%s'"):format(path) }, Reading)
  local list, seen = {}, {}
  local data = read_file(reading, path)
  if type(data) ~= "table" then reading:fail "a table of regions is wanted" end
  for region, entry in sorted(data) do
    check_fields(reading, tostring(region), entry)
    local name = entry.profile or entry.role_arn
    if name and not seen[name] then list[#list + 1] = { profile = entry.profile, role_arn = entry.role_arn } end
    seen[name or ""] = true
  end
  if #list == 0 then reading:fail "none of its entries has a profile or a role_arn, so it leads to no other account" end
  return list
end

-- Named layouts ----------------------------------------------------------------------------------------------------

-- The region of the one key: the one that is named, else the first by name, which stays the same whatever the Cloud says next.
local function home_of(reading, named)
  local regions = table.move(reading.known, 1, #reading.known, 1, {})
  table.sort(regions)
  if not named then return regions[1] end
  for _, region in ipairs(regions) do
    if region == named then return region end
  end
  reading:fail("cluster %s is not in %s; it is in %s", reading.cluster.name, named, table.concat(reading.known, ", "))
end

local function named(reading, name, home)
  local data = {}
  for _, region in ipairs(reading.known) do
    if name == "own" or region == home then data[region] = {}
    elseif name == "shared" then data[region] = { key = home }
    else data[region] = { replica_of = home } end
  end
  return data
end

-- The table of a layout that was given by name, as a file, or as a table.
local function table_of(reading, given)
  if type(given) == "table" then return given end
  if M.is_file(given) then return read_file(reading, given) end
  local name, home = given:match "^(%l+):?(.*)$"
  for _, known in ipairs(M.NAMES) do
    if name == known and not (name == "own" and home ~= "") then
      return named(reading, name, home_of(reading, home ~= "" and home or nil))
    end
  end
  reading:fail("there is none of that name: own, shared, replica (shared:REGION and replica:REGION name where the key is), or a file%s",
    meant(given, M.NAMES))
end

-- Entries ----------------------------------------------------------------------------------------------------------

-- What an ARN names is of this partition, and not of the account that CockroachDB uses for the cluster.
local function check_place(reading, field, arn, partition, account)
  if partition ~= reading.partition then
    reading:fail("%s %s is of the partition %s, and the cluster and the credentials are of %s", field, arn, partition, reading.partition)
  end
  if account == reading.cluster.account_id then
    reading:fail("%s %s is of account %s, which is CockroachDB's own account for this cluster: name one of yours", field, arn, account)
  end
end

local function check_role(reading, region, entry)
  for _, name in ipairs { "role", "role_arn" } do
    local value = entry[name]
    local partition, account = (value or ""):match(ROLE)
    if value and value:find(KEY) then reading:fail("%s.%s '%s' is the ARN of a key, and that of a role is wanted", region, name, value) end
    if partition then
      check_place(reading, ("%s.%s"):format(region, name), value, partition, account)
    elseif value and (name == "role_arn" or value:find "^arn:" or require("shapes").wanted("role", value)) then
      reading:fail("%s.%s '%s' is not the ARN of a role (arn:aws:iam::ACCOUNT:role/NAME)%s", region, name, value,
        name == "role" and " or a role's name" or "")
    end
  end
end

-- The place of a region whose key is named by its ARN.
local function existing(reading, region, arn, place)
  local partition, key_region, account = arn:match(KEY)
  if arn:find(ROLE) then reading:fail("%s.key '%s' is the ARN of a role, and that of a key is wanted", region, arn) end
  if arn:find ":alias/" then reading:fail("%s.key '%s' is an alias: aliases move, so a key is named by its own ARN", region, arn) end
  if not partition then reading:fail("%s.key '%s' is neither the ARN of a key (arn:aws:kms:REGION:ACCOUNT:key/ID) nor a region", region, arn) end
  check_place(reading, region .. ".key", arn, partition, account)
  place.kind, place.arn, place.key_region = "key", arn, key_region
end

local function place_of(reading, region, entry)
  check_fields(reading, region, entry)
  check_role(reading, region, entry)
  local place = { region = region, kind = "key", key_region = region, role = entry.role, profile = entry.profile, role_arn = entry.role_arn }
  if entry.replica_of then
    place.kind, place.of = "replica", entry.replica_of
  elseif entry.key and not entry.key:find "^arn:" and entry.key:find "^[%l%d]+%-[%l%d-]+$" then
    place.kind, place.of = "shared", entry.key
  elseif entry.key then
    existing(reading, region, entry.key, place)
  end
  return place
end

-- Together ---------------------------------------------------------------------------------------------------------

local function check_regions(reading, data)
  local known, missing = {}, {}
  for _, region in ipairs(reading.known) do
    known[region] = true
    if data[region] == nil then missing[#missing + 1] = region end
  end
  for region in sorted(data) do
    if type(region) ~= "string" then
      reading:fail("it is a list, and a table of regions is wanted: { [\"%s\"] = { … } }", reading.known[1] or "us-east-1")
    end
    if not known[region] then
      reading:fail("cluster %s is not in %s; it is in %s%s", reading.cluster.name, region, table.concat(reading.known, ", "),
        meant(region, reading.known))
    end
  end
  if #missing > 0 then
    reading:fail("it says nothing of %s: every region of cluster %s must have a key", table.concat(missing, ", "), reading.cluster.name)
  end
end

-- A key that others share or replicate is one of its own region's, and there once.
local function join(reading, places, by_region)
  for _, place in ipairs(places) do
    local other = place.of and by_region[place.of]
    local field = place.kind == "replica" and "replica_of" or "key"
    if place.of == place.region then
      reading:fail("%s.%s is the region itself: leave it out, and the region gets a key of its own", place.region, field)
    end
    if place.of and not other then
      reading:fail("%s.%s is '%s', and the cluster is in %s%s", place.region, field, place.of, table.concat(reading.known, ", "),
        meant(place.of, reading.known))
    end
    if other and other.kind == "shared" or other and place.kind == "replica" and other.kind ~= "key" then
      reading:fail("%s.%s is %s, which has no key of its own (%s of %s): name the region that has", place.region, field, place.of,
        other.kind == "shared" and "it shares that" or "its is a replica", other.of)
    end
    if place.kind == "replica" then
      if other.key_region ~= other.region then
        reading:fail("%s is to have a replica of the key of %s, which is in %s: a replica is of a key in its own region", place.region,
          other.region, other.key_region)
      end
      other.multi_region = true
    elseif other then
      place.key_region = other.key_region
    end
  end
end

-- One ARN for several regions is one key; two keys of one region cannot both have the cluster's alias there.
local function merge(reading, places)
  local held = {}
  for _, place in ipairs(places) do
    local first = place.kind ~= "shared" and held[place.key_region]
    if first and place.arn and first.arn == place.arn then
      place.kind, place.of, place.arn = "shared", first.region, nil
    elseif first then
      reading:fail("%s and %s would each have a key of their own in %s, where one alias names the cluster's key: let one share the other's "
        .. "(%s = { key = \"%s\" })", first.region, place.region, place.key_region, place.region, first.region)
    elseif place.kind ~= "shared" then
      held[place.key_region] = place
    end
  end
end

--- The layout of a cluster. Raises what is wrong with it, naming the region.
---@param cluster table
---@param given string|table|nil  a name, a file, or the table itself; nil: a key of its own in each region
---@param partition string        of the credentials
---@param name string?            what a table is called; without it it is the recipe's
---@return layout.Layout
function M.of(cluster, given, partition, name)
  name = type(given) == "table" and (name or "of the recipe") or given or "own"
  local text = type(given) == "table" and name or ("'%s'"):format(name)
  local reading = setmetatable({ what = text, cluster = cluster, partition = partition, known = {} }, Reading)
  for i, region in ipairs(cluster.regions or {}) do reading.known[i] = region.name end
  local data, places, by_region = table_of(reading, given or "own"), {}, {}
  if type(data) ~= "table" then reading:fail "a table of regions is wanted" end
  check_regions(reading, data)
  for i, region in ipairs(reading.known) do
    places[i] = place_of(reading, region, data[region])
    by_region[region] = places[i]
  end
  join(reading, places, by_region)
  merge(reading, places)
  return { name = name, given = given, places = places, asked = given ~= nil }
end

-- Describing -------------------------------------------------------------------------------------------------------

-- The ID that a multi-Region key and its replicas share.
local function family_of(arn) return arn:match "/(mrk%-%x+)$" end

-- Whether keys are all of one family. Which of them is the primary KMS knows, and it may move.
local function is_family(list)
  local id = #list > 1 and family_of(list[1].arn)
  for _, key in ipairs(list) do
    if not id or family_of(key.arn) ~= id then return false end
  end
  return true
end

local function account_of(arn) return arn:match "^arn:[^:]*:[^:]*:[^:]*:(%d+):" end

--- The name of the layout that keys in use have; nil where it has none: keys and roles of several accounts, several roles, other mappings.
---@param cluster table
---@param list { region: string, arn: string, serves: string[], roles: string[] }[]  each key once; region: its own
---@param account string?  of the credentials, where it is known
---@return "own"|"replica"|string|nil  "shared:REGION"
function M.describe(cluster, list, account)
  local own, known, role = true, {}, list[1] and list[1].roles[1]
  for _, region in ipairs(cluster.regions or {}) do known[region.name] = true end
  for _, key in ipairs(list) do
    own = own and #key.serves == 1 and key.serves[1] == key.region
    local elsewhere = account and account_of(key.arn) ~= account or role and account_of(key.arn) ~= account_of(role)
    if elsewhere or #key.roles > 1 or key.roles[1] ~= role then return nil end
  end
  if own then return is_family(list) and "replica" or "own" end
  return #list == 1 and known[list[1].region] and "shared:" .. list[1].region or nil
end

-- Where the keys are that others name by their region: a key that its own region uses, and of replicas the first by the region's name.
local function homes(used)
  local home, primary = {}, {}
  for _, one in ipairs(used) do
    if select(2, one.arn:match(KEY)) == one.region then home[one.arn] = one.region end
  end
  for arn, region in sorted(home) do
    local id = family_of(arn)
    if id and (not primary[id] or region < primary[id]) then primary[id] = region end
  end
  return home, primary
end

--- The mapping of keys in use, as a file of a layout has it: by names of regions, which hold when keys are rotated, and by ARN where nothing
--- else says which key it is.
---@param used { region: string, arn: string, role: string }[]  one a region of the cluster
---@param own { account: string, role: string }  the credentials' account, and the ARN of the role that needs no mention
---@param ways table<string, { profile: string?, role_arn: string? }>  what leads to other accounts, by their IDs
---@return table<string, table>
function M.mapping(used, own, ways)
  local map, home, primary = {}, homes(used)
  for _, one in ipairs(used) do
    local account, of_role, entry = account_of(one.arn), account_of(one.role), {}
    local to_key, to_role = ways[account], ways[of_role]
    local first = primary[family_of(one.arn) or ""]
    local plain = to_key ~= nil or account == own.account and of_role == own.account   -- its alias tells which key it is
    local way = to_key or to_role
    if home[one.arn] and home[one.arn] ~= one.region then
      entry.key, way = home[one.arn], to_role
    elseif home[one.arn] and plain and first and first ~= one.region then
      entry.replica_of, way = first, to_role
    elseif not (home[one.arn] and plain) then
      entry.key = one.arn
    end
    if one.role ~= own.role then entry.role = one.role end
    if way then entry.profile, entry.role_arn = way.profile, way.role_arn end
    map[one.region] = entry
  end
  return map
end

--- A mapping as a file has it.
---@param map table<string, table>
---@return string
function M.text(map)
  local lines = {}
  for region, entry in sorted(map) do
    local fields = {}
    for _, name in ipairs(FIELDS) do fields[#fields + 1] = entry[name] and ('%s = "%s"'):format(name, entry[name]) or nil end
    lines[#lines + 1] = ('  ["%s"] = { %s },\n'):format(region, table.concat(fields, ", "))
  end
  return ("return {\n%s}\n"):format(table.concat(lines))
end

-- Saving -----------------------------------------------------------------------------------------------------------

local function unsaved(path, text, ...)
  failure.raise { code = "precondition", exit = "usage", what = ("saving the layout '%s'"):format(path), message = text:format(...),
    next = "name another file" }
end

--- Raises when a file cannot be that of a layout, or is there with something else in it.
---@param path string
---@param text string
function M.check_saved(path, text)
  if not M.is_file(path) then unsaved(path, "--layout takes it for a name: it has to have a / or to end in .lua, such as ./%s.lua", path) end
  local there, message = require("file").read(path, FILE_MAX)
  if there and there ~= text then unsaved(path, "it is there, with something else in it") end
  if not there and not tostring(message):find("No such file", 1, true) then unsaved(path, "%s", require("ui.failure").reason(message)) end
end

--- Writes it.
---@param path string
---@param text string
function M.save(path, text)
  local done, message = require("file").write(path, text)
  if not done then unsaved(path, "%s", require("ui.failure").reason(message)) end
end

return M
