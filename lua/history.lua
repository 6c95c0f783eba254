--- What a run did, by the lines of its journal: when and by whom, its writes with what came of each, its keys, how it ended and
--- how to go on.
local json = require "json"
local mend = require "engine.mend"
local time = require "time"

local M = {}

local function null(value)
  if value == nil then return json.null end
  return value
end

-- A member of a line, when it is the text that it should be.
local function str(value) return type(value) == "string" and value or nil end

-- Writes -------------------------------------------------------------------------------------------------------------

local WRITES <const> = { write = true, deletion = true, irreversible = true }

local function seconds(from, to)
  local began, ended = time.epoch(from), time.epoch(to)
  return began and ended and math.max(0, ended - began) or json.null
end

-- An outcome belongs to the latest request of its number: each process that took the run up counts anew.
local function writes_of(entries)
  local list, open = json.array {}, {}
  for _, entry in ipairs(entries) do
    if entry.kind == "request" then
      local write = { time = null(entry.time), service = null(entry.service), operation = null(entry.operation), region = null(entry.region),
        target = null(entry.target), attempt = null(entry.attempt), effect = null(entry.effect), outcome = "none", status = json.null,
        code = json.null, request_id = json.null, seconds = json.null }
      open[entry.request or 0] = write
      if WRITES[entry.effect] then list[#list + 1] = write end
    elseif entry.kind == "outcome" and open[entry.request or 0] then
      local write = open[entry.request or 0]
      write.outcome, write.status, write.code, write.request_id = entry.outcome or "none", null(entry.status), null(entry.code),
        null(entry.request_id)
      write.seconds = seconds(write.time, entry.time)
    end
  end
  return list
end

-- Keys ---------------------------------------------------------------------------------------------------------------

--- What came of an attempt at making a key, in words.
M.RESULTS = {
  claimed = "it has the alias", ["lost-race"] = "another key has the alias: this one was tagged, disabled and set aside",
  named = "the Cloud names it", absent = "no key was made", refused = "KMS refused, no key was made",
  open = "it is not known whether there is a key: resume looks",
}

local function keys_of(entries)
  local list, by_attempt = json.array {}, {}
  for _, entry in ipairs(entries) do
    if entry.kind == "attempt" then
      local key = { region = null(entry.region), alias = null(entry.alias), attempt = null(entry.attempt), key = json.null, result = "open" }
      by_attempt[entry.attempt or ""] = key
      list[#list + 1] = key
    end
    local key = by_attempt[entry.attempt or ""]
    if key and (entry.kind == "attempt-key" or entry.kind == "attempt-end") then
      key.key = entry.key or key.key
      key.result = entry.kind == "attempt-end" and entry.result or key.result
    end
  end
  return list
end

-- The run ------------------------------------------------------------------------------------------------------------

local function last_of(entries, kind)
  for i = #entries, 1, -1 do
    if entries[i].kind == kind then return entries[i] end
  end
end

local function arguments_of(begin)
  local words = {}
  for name, value in require("sorted")(type(begin.arguments) == "table" and begin.arguments or {}) do
    local flag = "--" .. tostring(name):gsub("_", "-")
    for _, one in ipairs(type(value) == "table" and value or { value }) do
      if one ~= false then words[#words + 1] = flag end
      if type(one) ~= "boolean" then words[#words + 1] = mend.quote(tostring(one)) end
    end
  end
  return words
end

-- The flags of the run that a command to go on repeats, and where its journal is, when that was said.
local function repeated(begin, journal)
  local words = {}
  for _, pair in ipairs { { "profile", str(begin.profile) }, { "region", str(begin.region) }, { "vault-auth", str(begin.vault_auth) },
    { "vault-auth-mount", str(begin.vault_auth_mount) }, { "journal", journal } } do
    if pair[2] then words[#words + 1] = ("--%s %s"):format(pair[1], mend.quote(pair[2])) end
  end
  return #words > 0 and " " .. table.concat(words, " ") or ""
end

-- The command that goes on; nil for a run that is done.
local function following(id, begin, status, journal)
  if status == "done" then return nil end
  local recipe, script = str(begin.recipe), str(begin.script)
  if status == "unfinished" and recipe then
    return ("cmek resume %s%s"):format(mend.quote(id), journal and " --journal " .. mend.quote(journal) or "")
  end
  if script then return "cmek exec --write " .. mend.quote(script) end
  if not recipe then return nil end
  local words = { "cmek", str(begin.command) or "run", mend.quote(recipe), table.unpack(arguments_of(begin)) }
  return table.concat(words, " ") .. repeated(begin, journal)
end

--- Every time that the run began, or was taken up.
local function beginnings(entries)
  local list = json.array {}
  for _, entry in ipairs(entries) do
    if entry.kind == "begin" then list[#list + 1] = str(entry.time) end
  end
  return list
end

--- What a run did.
---@param run { id: string, path: string, status: string, entries: table[], cut: integer? }
---@param journal string?  the directory that was named on the command line
---@param broken string?   what is wrong with the journal: its chain of hashes does not hold
---@return table  cmek.journal/1 without its `schema`
function M.of(run, journal, broken)
  local entries = run.entries
  local begin, who, ended = entries[1], last_of(entries, "who") or {}, last_of(entries, "end") or {}
  local wrong
  if ended.message and ended.status ~= "done" then
    wrong = {}
    for _, name in ipairs { "what", "service", "operation", "code", "message", "request_id" } do wrong[name] = str(ended[name]) end
  end
  return {
    id = run.id, status = run.status, path = run.path, time = str(begin.time), ended = null(str(ended.time)), begun = beginnings(entries),
    recipe = str(begin.recipe) or str(begin.script), script = str(begin.script) ~= nil, hash = null(str(begin.hash)), trusted = begin.trusted == true,
    version = null(str(begin.version)),
    arguments = type(begin.arguments) == "table" and begin.arguments or nil, typed = table.concat(arguments_of(begin), " "),
    command = null(str(begin.command)),
    cluster = str(ended.cluster) or type(begin.arguments) == "table" and str(begin.arguments.cluster) or nil,
    aws = str(who.arn) and { account_id = str(who.account) or "", arn = who.arn } or json.null, organization = null(str(who.organization)),
    writes = writes_of(entries), keys = keys_of(entries), error = wrong, entries = json.array(table.move(entries, 1, #entries, 1, {})),
    chain = { whole = broken == nil, lines = #entries, cut = run.cut or 0, message = null(broken) },
    next = null(not broken and following(run.id, begin, run.status, journal) or nil),
  }
end

return M
