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
      reading:fail("%s has an unknown field '%s'%s; there are %s", region, tostring(name), meant(name, FIELDS), table.concat(FIELDS, ", "))
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
---@return layout.Layout
function M.of(cluster, given, partition)
  local text = type(given) == "table" and "of the recipe" or ("'%s'"):format(given or "own")
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
  return { name = type(given) == "table" and "of the recipe" or given or "own", given = given, places = places, asked = given ~= nil }
end

-- Describing -------------------------------------------------------------------------------------------------------

-- Whether keys are all of one family of multi-Region keys. Which of them is the primary KMS knows, and it may move.
local function is_family(list)
  local id = #list > 1 and list[1].arn:match "/(mrk%-%x+)$"
  for _, key in ipairs(list) do
    if not id or key.arn:sub(-#id) ~= id then return false end
  end
  return true
end

--- The layout that keys in use have, as --layout takes it; nil when each region has a key of its own, or when it has no name.
---@param cluster table
---@param list { region: string, arn: string, serves: string[] }[]
---@return string? name, string? data  text of a file that would do, where there is no name
function M.describe(cluster, list)
  local own, known = true, {}
  for _, region in ipairs(cluster.regions or {}) do known[region.name] = true end
  for _, key in ipairs(list) do own = own and #key.serves == 1 and key.serves[1] == key.region end
  if own then return is_family(list) and "replica" or nil end
  if #list == 1 and known[list[1].region] then return "shared:" .. list[1].region end
  local lines = {}
  for _, key in ipairs(list) do
    for _, region in ipairs(key.serves) do lines[#lines + 1] = ('  ["%s"] = { key = "%s" },'):format(region, key.arn) end
  end
  table.sort(lines)
  return nil, "return {\n" .. table.concat(lines, "\n") .. "\n}\n"
end

return M
