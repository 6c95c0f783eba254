--- The manual page cmek(1), in roff, from the same tables and texts as help: commands, flags, recipes, topics.
local help = require "help"

local M = {}

local WIDTH <const> = 78   -- of a line of the source

--- The sections made from topics, in the order of manual pages; the other topics stand before the last, under their own titles.
local SECTIONS <const> = { { "arguments" }, { "status", "EXIT STATUS" }, { "environment" }, { "files" } }
local LAST <const> = "examples"

local DESCRIPTION <const> = [[
cmek gives a CockroachDB Cloud cluster on AWS a customer-managed encryption key (CMEK): it makes the cross-account IAM role and a
KMS key per region, hands them to the CockroachDB Cloud API, waits until the cluster uses them, and looks after them later.

What is made is written down as recipes, in Lua, which can be read, copied and changed. There is no state file: what exists is asked of
the services each time. Every request that writes is in a journal on disk before it leaves, so that a run which died can be finished.

plan, verify and status cannot write, whatever a recipe says. run plans, shows the plan and asks; what cannot be undone is agreed to by
the name of the cluster.
]]

-- roff --------------------------------------------------------------------------------------------------------------

local ESCAPES <const> = { ["\\"] = "\\e", ["-"] = "\\-", ["'"] = "\\(aq", ["`"] = "\\(ga", ["^"] = "\\(ha", ["~"] = "\\(ti" }

--- Text as roff prints it, letter by letter.
local function escape(text)
  text = text:gsub("[\\'`^~-]", ESCAPES)
  return (text:gsub("[\xC2-\xF4][\x80-\xBF]+", function(character) return ("\\[u%04X]"):format(utf8.codepoint(character)) end))
end

-- A line that is no request, whatever it begins with.
local function plain(line)
  line = escape(line)
  return line:find "^%." and "\\&" .. line or line
end

local function bold(text) return "\\fB" .. escape(text) .. "\\fR" end

-- Words filled into lines of the source.
local function filled(text)
  local lines, line = {}, ""
  for word in text:gmatch "%S+" do
    word = escape(word)
    if line ~= "" and #line + #word >= WIDTH then lines[#lines + 1], line = line, "" end
    line = line == "" and (word:find "^%." and "\\&" or "") .. word or line .. " " .. word
  end
  lines[#lines + 1] = line
  return table.concat(lines, "\n")
end

-- Texts of help ------------------------------------------------------------------------------------------------------

--- The parts of a text that is laid out as help lays it out: { "paragraph", text }, { "term", text, term } for what stands two blanks
--- apart from its explanation, { "code", lines } for what stands indented behind an empty line.
---@param text string  without its title
---@return table[]
function M.parts(text)
  local parts, current = {}, nil
  local function begin(kind, ...)
    current = { kind, ... }
    parts[#parts + 1] = current
  end
  for line in text:gmatch "([^\n]*)\n" do
    local indent, rest = line:match "^( *)(.*)$"
    local term, explanation = rest:match "^(%S.-)  +(%S.*)$"
    if rest == "" then
      current = nil
    elseif #indent > 2 and (not current or current[1] == "code") then
      if not current then begin("code", {}) end
      table.insert(current[2], line:sub(5))
    elseif #indent == 2 and term then
      begin("term", explanation, term)
    elseif current and (current[1] == "paragraph") == (#indent <= 2) then
      current[2] = current[2] .. " " .. rest
    else
      begin("paragraph", rest)
    end
  end
  return parts
end

local writers = {}

function writers.paragraph(part) return ".PP\n" .. filled(part[2]) end

function writers.term(part) return (".TP\n%s\n%s"):format(bold(part[3]), filled(part[2])) end

function writers.code(part)
  local lines = {}
  for i, line in ipairs(part[2]) do lines[i] = plain(line) end
  return (".PP\n.RS 4\n.EX\n%s\n.EE\n.RE"):format(table.concat(lines, "\n"))
end

local function body(text)
  local lines = {}
  for i, part in ipairs(M.parts(text)) do lines[i] = writers[part[1]](part) end
  return table.concat(lines, "\n"):gsub("^%.PP\n", "")   -- a section begins with a paragraph of its own
end

-- Sections ----------------------------------------------------------------------------------------------------------

local function section(name, text)
  return (".SH %s\n%s\n"):format(escape(name), text)
end

local function terms(rows)
  local lines = {}
  for i, row in ipairs(rows) do lines[i] = (".TP\n%s\n%s"):format(row[1], filled(row[2])) end
  return table.concat(lines, "\n")
end

local function flag_rows(flags)
  local rows = {}
  for i, flag in ipairs(flags) do rows[i] = { bold(flag.flag) .. (flag.value and " \\fI" .. escape(flag.value) .. "\\fR" or ""), flag.text } end
  return rows
end

local function commands()
  local rows = {}
  for _, word in ipairs(require "words") do
    if not word.hidden then
      rows[#rows + 1] = { bold("cmek " .. word[1]) .. (word.usage ~= "" and " " .. escape(word.usage) or ""), word.text }
    end
  end
  return terms(rows)
end

-- Each flag once, with the commands that have it.
local function options()
  local by_flag, list = {}, {}
  for _, word in ipairs(require "words") do
    local flags = (word.hidden or word[1] == "sim") and {} or require("flags").list(word[1], {})
    for _, flag in ipairs(flags) do
      local id = flag.flag .. " " .. flag.text   -- some mean another thing to another command
      local known = by_flag[id] or { flag = flag, words = {} }
      by_flag[id] = known
      table.insert(known.words, word[1])
    end
  end
  for _, known in require("sorted")(by_flag) do
    local whose = known.flag.name == "help" and "" or (" (%s)"):format(table.concat(known.words, ", "))
    list[#list + 1] = { flag = known.flag.flag, value = known.flag.value, text = known.flag.text .. whose }
  end
  return terms(flag_rows(list))
end

local function recipes()
  local recipe, parts = require "recipe", {}
  for i, name in ipairs(recipe.names()) do
    local one, flags = recipe.load(name, { reserved = require("flags").reserved() }), {}
    for _, flag in ipairs(require("flags").list("recipes", one.args)) do
      if flag.group == "recipe" then flags[#flags + 1] = flag end
    end
    parts[i] = (".SS %s\n%s.\n%s"):format(escape(name), filled(one.summary), terms(flag_rows(flags)))
  end
  return table.concat(parts, "\n")
end

local function schemas()
  local schema, rows = require "schema", {}
  for i, word in ipairs(schema.words()) do
    local one = schema.find(word)
    rows[i] = { bold(one.title), one.description }
  end
  return terms(rows)
end

local function topics()
  local parts, done = {}, { [LAST] = true }
  local function add(name, title)
    local first, text = help.topic(name):match "^([^\n]+)\n(.*)$"
    done[name] = true
    parts[#parts + 1] = section(title or first:upper(), body(text) .. (name == "json" and "\n" .. schemas() or ""))
  end
  for _, entry in ipairs(SECTIONS) do add(entry[1], entry[2]) end
  for _, name in ipairs(help.names()) do
    if not done[name] then add(name) end
  end
  add(LAST)
  return table.concat(parts)
end

-- The day of the sources, where the build tells it (reproducible-builds.org).
local function date()
  local seconds = math.tointeger(tonumber(require("process").environment "SOURCE_DATE_EPOCH"))
  return seconds and require("time").text(seconds):sub(1, 10) or ""
end

--- The page.
---@return string
function M.page()
  return table.concat {
    (".\\\" Made by cmek help man.\n.TH CMEK 1 \"%s\" \"cmek %s\" \"User Commands\"\n"):format(date(), require "version"),
    section("NAME", "cmek \\- customer\\-managed encryption keys for CockroachDB Cloud in AWS"),
    section("SYNOPSIS", bold "cmek" .. " \\fICOMMAND\\fR [\\fIRECIPE\\fR] [\\fIFLAGS\\fR]\n.br\n"
      .. bold "cmek sim" .. " [\\fIFLAGS\\fR] \\-\\- " .. bold "cmek" .. " \\fICOMMAND\\fR ..."),
    section("DESCRIPTION", (body(DESCRIPTION))),
    section("COMMANDS", commands()),
    section("OPTIONS", options()),
    section("RECIPES", recipes()),
    section("SIMULATOR", "Flags of " .. bold "cmek sim" .. ", before the \\-\\-:\n" .. terms(flag_rows(require("sim.command").flags()))),
    topics(),
    section("SEE ALSO", "\\fBaws\\fR(1), \\fBcurl\\fR(1)"),
  }
end

return M
