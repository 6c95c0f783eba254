--- What is behind a refusal: its cause, what cmek saw of it, and what to do or type next. The situations that are known are data,
--- in lua/explain/; `cmek help errors` lists them.
---@class explain.Situation
---@field id string          "kms.lockout"; stays
---@field title string       in a few words
---@field fits table?        which refusals it is; without it, it is told by name. service, services, status, status_from, kind: as they
---  are; codes, operations: one of these words; message: this, or one of these, stands in it, in lower case; way: nothing came of the service
---  itself; known, open: whether what came of a change is known; not_html: the answer is no page of somebody else
---@field facts fun(refusal: table): table  more for the texts
---@field exit string?       as Refusal has it
---@field other_arguments boolean?  a run that is resumed, with the arguments that it began with, meets it again
---@field cause string       texts with {names} of facts: fields of the refusal, and what the call was about
---@field evidence string
---@field next string
---@field commands string[]? to be typed as they are; one whose facts are not known is left out

local quote = require "quote"

local M = {}

-- The files, in the order in which their situations are looked for, with the service whose refusals they fit; none: told by name alone.
local FILES <const> = { { "explain.cloud", "cloud" }, { "explain.cluster", "cloud" }, { "explain.things" }, { "explain.destroy", "none" },
  { "explain.vault", "vault" }, { "explain.aws" }, { "explain.way" } }
M.FILES = FILES

local situations, by_id   -- of all files, loaded when one is told by name

--- Every situation, in the order in which they are looked for.
---@return explain.Situation[]
function M.list()
  if situations then return situations end
  situations, by_id = {}, {}
  for _, file in ipairs(FILES) do
    for _, situation in ipairs(require(file[1])) do
      situations[#situations + 1] = situation
      by_id[situation.id] = situation
    end
  end
  return situations
end

-- Texts ------------------------------------------------------------------------------------------------------------

-- A text with its facts; nil for a command one of whose facts is not known.
local function fill(template, facts, as_command)
  local missing
  local text = template:gsub("{([%w_]+)}", function(name)
    local value = facts[name]
    if value == nil or value == "" then missing = missing or name ~= "from" end
    if value == nil then return "?" end
    if as_command and template ~= "{" .. name .. "}" then return quote(tostring(value)) end
    return tostring(value)
  end)
  if as_command and missing then return nil end
  return text
end

local function add(fields, situation, facts)
  local commands = {}
  for _, template in ipairs(situation.commands or {}) do commands[#commands + 1] = fill(template, facts, true) end
  fields.situation = situation.id
  fields.cause, fields.evidence = fill(situation.cause, facts), fill(situation.evidence, facts)
  fields.advice, fields.commands = fill(situation.next, facts), commands
  fields.next = M.following(fields)
  return fields
end

--- What to do next in one text: the advice, and the commands.
---@param told { advice: string, commands: string[] }
---@return string
function M.following(told)
  if #told.commands == 0 then return told.advice end
  return ("%s: %s"):format(told.advice, table.concat(told.commands, " && "))
end

--- What stands below a failure's own line: cause, evidence, what to do next with each command on a line of its own.
---@param told { cause: string?, evidence: string?, advice: string?, commands: string[]?, next: string? }
---@return string  begins with a line's end; "" when there is nothing to say
function M.text(told)
  local lines = {}
  if told.cause then lines[1] = "cause: " .. told.cause end
  if told.evidence then lines[#lines + 1] = "evidence: " .. told.evidence end
  if told.advice and #(told.commands or {}) > 0 and told.next then
    lines[#lines + 1] = ("next: %s:"):format(told.advice)
    for _, command in ipairs(told.commands) do lines[#lines + 1] = "  " .. command end
  elseif told.next then
    lines[#lines + 1] = "next: " .. told.next
  end
  return #lines > 0 and "\n" .. table.concat(lines, "\n") or ""
end

--- A situation, told by name.
---@param id string
---@param facts table<string, any>
---@param fields table?  of a failure or refusal, which it is added to
---@return table fields   with situation, cause, evidence, advice, commands and next
function M.tell(id, facts, fields)
  M.list()
  return add(fields or {}, by_id[id] or error(("there is no situation '%s'"):format(id), 2), facts)
end

-- Refusals -----------------------------------------------------------------------------------------------------------

local function among(word, words) return word ~= nil and (" " .. words .. " "):find(" " .. word .. " ", 1, true) ~= nil end

-- Nothing came of the service itself.
local function on_the_way(refusal)
  return refusal.kind == "unsent" or refusal.kind == "lost" or (refusal.message or ""):find "^an HTML page" ~= nil
    or (refusal.status or 400) < 400
end

local TESTS <const> = {
  { "service", function(refusal, want) return refusal.service == want end },
  { "services", function(refusal, want) return among(refusal.service, want) end },
  { "status", function(refusal, want) return refusal.status == want end },
  { "status_from", function(refusal, want) return (refusal.status or 0) >= want end },
  { "not_html", function(refusal) return not (refusal.message or ""):find "^an HTML page" end },
  { "codes", function(refusal, want) return among(refusal.code, want) end },
  { "operations", function(refusal, want) return among(refusal.operation, want) end },
  { "kind", function(refusal, want) return refusal.kind == want end },
  { "known", function(refusal) return not refusal.unknown end },
  { "open", function(refusal) return refusal.unknown == true end },
  { "way", on_the_way },
  { "message", function(refusal, want)
    local message = tostring(refusal.message or ""):lower()
    for _, text in ipairs(type(want) == "table" and want or { want }) do
      if message:find(text, 1, true) then return true end
    end
    return false
  end },
}

local function applies(fits, refusal)
  for _, one in ipairs(TESTS) do
    if fits[one[1]] ~= nil and not one[2](refusal, fits[one[1]]) then return false end
  end
  return true
end

-- Files that have nothing for the service are not loaded: most refusals are of a thing that is not there, which is no failure.
local function find(refusal)
  for _, file in ipairs(FILES) do
    local list = (file[2] == nil or file[2] == refusal.service) and require(file[1]) or {}
    for _, situation in ipairs(list) do
      if situation.fits and applies(situation.fits, refusal) then return situation end
    end
  end
end

-- What stands in for a situation that is not known: the service's own words, and where more is to be found.
local OTHER <const> = { id = "other", cause = "cmek knows no more of this than the service's own words",
  evidence = "{service} {operation} answered {status} {code}", next = "run this again; {where}",
  commands = { "aws cloudtrail lookup-events --region {trail} --lookup-attributes AttributeKey=EventName,AttributeValue={operation}" } }

local WHERE <const> = { cloud = "support wants the cluster's ID and the organization's", vault = "the server's audit log tells more of it" }

local function facts_of(refusal, situation)
  local facts = { source = "the credentials", attempts = 1, code = "", message = "",
    where = WHERE[refusal.service] or "CloudTrail tells more of it" }
  for name, value in pairs(refusal.about or {}) do facts[name] = value end   -- order cannot be seen
  for name, value in pairs(refusal) do facts[name] = value end
  if not WHERE[refusal.service] then facts.trail = refusal.region or "us-east-1" end
  for name, value in pairs(situation.facts and situation.facts(refusal) or {}) do facts[name] = value end
  if facts.source == "" then facts.source = "the credentials" end
  return facts
end

--- Adds what is behind a refusal and what to do next, and the class of exit status.
---@param refusal table  as Refusal; also `source`, where the credentials came from, `endpoint_source`, the setting that names the
---  endpoint, and `about`, the names and IDs that the call was about
---@return table refusal
function M.complete(refusal)
  local situation = find(refusal)
  local ends = situation or refusal.kind == "refused" and OTHER
  if ends and not refusal.next then add(refusal, ends, facts_of(refusal, ends)) end
  if situation and situation.exit then refusal.exit = situation.exit end
  if refusal.exit == "credentials" then refusal.kind = "credentials" end
  refusal.about, refusal.other_arguments = nil, situation and situation.other_arguments
  return refusal
end

-- Answers that cannot be read ----------------------------------------------------------------------------------------

--- A service's words as they may be shown: without what would steer a terminal.
---@param text string?
---@return string?
function M.plain(text)
  return text and (text:gsub("[\0-\8\11-\31\127]", " "):gsub("\194[\128-\159]", " "))
end

local GLIMPSE <const> = 160   -- characters

-- One line of text that can be shown and written as JSON, cut to what a message can bear.
local function line_of(text)
  local line = text:gsub("[%c%s]+", " "):gsub("^ ", ""):gsub(" $", "")
  if not utf8.len(line) then line = line:gsub("[\128-\255]", "?") end
  if utf8.len(line) <= GLIMPSE then return line end
  return line:sub(1, utf8.offset(line, GLIMPSE) - 1) .. "…"
end

--- What stands in an answer that could not be read: an HTML page's words, else its beginning, in one line.
---@param text string?
---@return string
function M.glimpse(text)
  if not text or text == "" then return "nothing" end
  local page = text:lower():find("<!doctype html", 1, true) or text:lower():find("<html", 1, true)
  local words = page and text:gsub("<[sS][tT][yY][lL][eE].-</[^>]*>", " "):gsub("<[^>]*>", " ") or text
  return (page and "an HTML page: %s" or "'%s'"):format(line_of(words))
end

return M
