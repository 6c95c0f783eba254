--- What may stand next on a command line. It reads the tables of commands and flags, recipes, journals and the names of clusters that
--- were kept; it never asks the network and never raises for what a user has half typed.
---@class complete.Candidate
---@field [1] string   the word
---@field [2] string?  what it is for

local words = require "words"

local M = {}

local RUNS_MAX <const> = 20   -- the newest runs that are offered

local function find(list, name)
  for _, entry in ipairs(list) do
    if entry[1] == name then return entry end
  end
end

local function listed(names, text)
  local list = {}
  for i, name in ipairs(names) do list[i] = { name, text } end
  return list
end

-- What stands in a position, by its name in words.lua ----------------------------------------------------------------

local positions = {}

function positions.recipe(line)
  local recipe, list = require "recipe", {}
  if recipe.is_file(line.partial) or line.partial:sub(1, 1) == "." then return {}, ":files .lua" end
  for i, name in ipairs(recipe.names()) do list[i] = { name, recipe.load(name).summary } end
  return list
end

function positions.file() return {}, ":files" end

function positions.run(line)
  if line.partial:find("/", 1, true) then return {}, ":files .jsonl" end
  local runs, list = require "runs", {}
  local directory = runs.directory(line.values.journal)
  local ids = runs.ids(directory)
  for i = #ids, math.max(1, #ids - RUNS_MAX + 1), -1 do
    local run = runs.read(directory, ids[i])
    local name = run and (run.begin.recipe or run.begin.script)
    if run and (line.word ~= "resume" or run.status == "unfinished") then list[#list + 1] = { ids[i], ("%s, %s"):format(name, run.status) } end
  end
  return list
end

function positions.topic(line)
  local list = listed(require("help").names(), "topic")
  for _, word in ipairs(words) do
    if not word.hidden and not find(list, word[1]) then list[#list + 1] = { word[1], "command" } end
  end
  for _, recipe in ipairs((positions.recipe(line))) do list[#list + 1] = recipe end
  for _, name in ipairs(line.partial:find ".%." and require("docs").names(line.partial) or {}) do list[#list + 1] = { name, "function" } end
  return list
end

function positions.schema()
  return listed(require("schema").words(), "schema")
end

-- What stands as the value of a flag --------------------------------------------------------------------------------

local function clusters(line)
  if not line.simulated then return listed(require("completion.clusters").known()) end
  local names = {}
  for i, cluster in ipairs(require("sim.clusters").DEFAULT) do names[i] = cluster.name end
  return listed(names, "simulated")
end

local function profiles()
  local known, names = require("aws.profile").load { environment = require("variables").of() }, {}
  for name in require("sorted")(known.profiles) do names[#names + 1] = name end
  return listed(names)
end

local function layouts(line)
  if require("layout").is_file(line.partial) or line.partial:sub(1, 1) == "." then return {}, ":files .lua" end
  return listed(require("layout").NAMES)
end

local function credentials(line)
  if line.partial:find "^file:" then return {}, ":files" end
  local list = listed { "server", "environment", "file:", "vault:" }
  for _, profile in ipairs(profiles()) do list[#list + 1] = { "profile:" .. profile[1] } end
  return list
end

-- A region of the Cloud's on AWS, with the fewest nodes that it may have.
local function new_regions()
  local list = {}
  for i, region in ipairs(require("sim.clusters").AWS_REGIONS) do list[i] = { region[1] .. "=3", region[2] } end
  return list
end

local function aws_regions()
  local names = {}
  for i, region in ipairs(require("sim.clusters").AWS_REGIONS) do names[i] = region[1] end
  return listed(names)
end

--- By the flag's name, else by the name of its value.
local VALUES <const> = { provider_credentials = credentials, layout = layouts, cluster = clusters, confirm = clusters, profile = profiles,
  add = new_regions, only = aws_regions, take_over = function(line) return (positions.run(line)) end,
  vault_auth = function() return listed(require("vault.login").NAMES) end }
local KINDS <const> = { FILE = ":files", DIR = ":directories" }

local function values_of(flag, line)
  if flag.choices then return listed(flag.choices) end
  local offer = VALUES[flag.name]
  if offer then return offer(line) end
  return {}, KINDS[flag.value]
end

-- The line ----------------------------------------------------------------------------------------------------------

-- Reads the finished words: what stands in positions, which flags are given, and the one that waits for its value.
local function walk(line, flags)
  local by_name = {}
  for _, flag in ipairs(flags) do by_name[flag.flag] = flag end
  local seen = { positions = {}, given = {}, values = {} }
  for i = 2, #line.words - 1 do
    local word, waiting, unknown = line.words[i], seen.waiting, seen.unknown
    local name, value = word:match "^(%-%-[^=]+)=?(.*)$"
    seen.waiting, seen.unknown = nil, nil
    if waiting then
      seen.values[waiting.name] = word
    elseif name then
      local flag = by_name[name]
      seen.given[name] = flag ~= nil and not flag.list
      if flag and flag.value and word == name then seen.waiting = flag end
      if flag and word ~= name then seen.values[flag.name] = value end
      seen.unknown = not flag
    else
      if #seen.positions == 0 then seen.doubtful = unknown end   -- it may be the value of a recipe's flag
      seen.positions[#seen.positions + 1] = word
    end
  end
  seen.by_name = by_name
  return seen
end

-- The arguments of the recipe that is named, or usual; none of one that does not load.
local function arguments_of(entry, seen)
  if not entry.takes or entry.takes[1] ~= "recipe" then return {} end
  local named = not (entry.usual and seen.doubtful) and seen.positions[1] or entry.usual
  local ok, recipe = pcall(require("recipe").load, named or "", { reserved = require("flags").reserved() })
  return ok and recipe.args or {}
end

local function position_of(entry, seen)
  local index = #seen.positions + 1
  local sub = entry.sub and entry.sub[seen.positions[1]]
  if index > 1 and sub then return sub[index - 1] end
  return entry.takes and entry.takes[index]
end

local function flags_left(flags, seen)
  local list = {}
  for _, flag in ipairs(flags) do
    if not seen.given[flag.flag] then list[#list + 1] = { flag.flag, flag.text } end
  end
  return list
end

-- The positions of a word, then its flags.
local function after(line, entry, flags, seen)
  line.word, line.values = entry[1], seen.values
  if seen.waiting then return values_of(seen.waiting, line) end
  local name, value = line.partial:match "^(%-%-[^=]+)=(.*)$"
  if name then
    local list, kind = {}, nil
    line.partial = value
    if seen.by_name[name] then list, kind = values_of(seen.by_name[name], line) end
    for i, candidate in ipairs(list) do list[i] = { name .. "=" .. candidate[1], candidate[2] } end
    line.partial = name .. "=" .. value
    return list, kind
  end
  local place = position_of(entry, seen)
  if line.partial:sub(1, 1) == "-" or not place then return flags_left(flags, seen) end
  if place:find("|", 1, true) then
    local choices = {}
    for choice in place:gmatch "[^|]+" do choices[#choices + 1] = choice end
    return listed(choices)
  end
  return positions[place](line)
end

local function command(line)
  if #line.words == 1 then
    local list = {}
    for _, word in ipairs(words) do list[#list + 1] = not word.hidden and { word[1], word.text } or nil end
    return list
  end
  local entry, flags = find(words, line.words[1]), require "flags"
  if not entry then return {} end
  local specifications = arguments_of(entry, walk(line, flags.list(entry[1], {})))
  local list = flags.list(entry[1], specifications)
  local seen = walk(line, list)
  if entry[1] == "exec" and #seen.positions > 0 then return {}, ":files" end   -- the script's own arguments
  return after(line, entry, list, seen)
end

-- `cmek sim`: its options; behind "--" a command, which for cmek itself is completed likewise.
local function simulation(line)
  for i = 2, #line.words - 1 do
    if line.words[i] == "--" then
      local inner = { table.unpack(line.words, i + 1) }
      if #inner == 1 then return {}, ":commands" end
      if inner[1]:match "[^/]*$" ~= "cmek" then return {}, ":files" end
      return M.line({ table.unpack(inner, 2) }, true)
    end
  end
  local flags = require("sim.command").flags()
  local seen = walk(line, flags)
  local list, kind = after(line, find(words, "sim"), flags, seen)
  if not seen.waiting then list[#list + 1] = { "--", "a command to run stands behind it" } end
  return list, kind
end

--- The words that may stand in the place of the last one, and what else: ":files [SUFFIX]", ":directories", ":commands".
---@param typed string[]        what stands behind `cmek`, the last being typed and perhaps empty
---@param simulated boolean?    behind `cmek sim --`
---@return complete.Candidate[], string?
function M.line(typed, simulated)
  local line = { words = typed, partial = typed[#typed] or "", simulated = simulated }
  local partial = line.partial
  local list, kind = (line.words[1] == "sim" and #line.words > 1 and simulation or command)(line)
  local fitting = {}
  for _, candidate in ipairs(list) do
    if candidate[1]:sub(1, #partial) == partial then fitting[#fitting + 1] = candidate end
  end
  return fitting, kind
end

return M
