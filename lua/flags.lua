--- The flags of plan, run, verify and resume: the command's own, and those that the recipe's `args` ask for.

local failure = require "ui.failure"

local M = {}

local WITH_AWS <const> = "plan run verify resume destroy orphans exec repl whoami status"

--- The command's own flags. `value`: the name of the value it takes; `words`: the commands that have it.
local COMMON <const> = {
  { "yes",       "create and update without asking; irreversible steps need --confirm as well", words = "run resume exec destroy" },
  { "confirm",   "the cluster's name: agrees to irreversible steps and deletions; of orphans the ID or name of one", value = "NAME",
    words = "run resume destroy orphans" },
  { "exit_code", "exit 3 when there is something to do", words = "plan" },
  { "out",       "write the plan into a file for run --plan", value = "FILE", words = "plan" },
  { "out",       "write the hand-over for run enable --spec into a file", value = "FILE", words = "run" },
  { "facts",     "what CockroachDB Cloud says of the cluster, in a file: status writes it, the others need no access to the Cloud then",
    value = "FILE", words = "status plan run verify" },
  { "spec",      "role and keys as a run --out handed them over: AWS is not asked", value = "FILE", words = "plan run verify" },
  { "plan",      "do exactly the plan in this file, or refuse; there is no RECIPE then", value = "FILE", words = "run" },
  { "requests",  "also the requests that run would send, in full", words = "plan" },
  { "trust",     "let the recipe of a file use files, processes and all of Lua", words = "plan run verify resume destroy" },
  { "traceback", "tell of an error in a recipe or script which calls led to it", words = "plan run verify resume destroy exec repl" },
  { "on_error",  "repl: where a step fails a prompt opens, to look, mend and go on (cmek help on-error)", value = "repl", choices = { "repl" },
    words = "plan run verify resume destroy" },
  { "args",      "a file of arguments, Lua data or JSON; flags are stronger", value = "FILE", words = "plan run verify destroy" },
  { "save_args", "write the arguments that were given into a file for --args", value = "FILE", words = "plan run" },
  { "explain_args", "show each argument, where its value is from and what it was preferred to; nothing is asked of a service", words = "plan" },
  { "journal",   "the directory of the journals", value = "DIR", words = "plan run verify resume destroy orphans runs exec repl" },
  { "cluster",   "name, UUID or console URL of one cluster; default: all", value = "CLUSTER", words = "status" },
  { "keys",      "with --cluster: also who still names each key, current or past, of all clusters, and when it was last used", words = "status" },
  { "reach",     "with --cluster: a profile, ARN of a role to assume, or file of a layout, that leads to another account of its keys",
    value = "WAY", list = true, words = "status" },
  { "profile",   "the AWS profile", value = "NAME", words = WITH_AWS },
  { "region",    "the AWS region of calls that have none of their own", value = "REGION", words = WITH_AWS },
  { "vault_auth", "log in to Vault: token, approle, aws, cert, jwt, kubernetes or userpass (cmek help vault)", value = "METHOD", words = WITH_AWS },
  { "vault_auth_mount", "the mount of that login; default: its name", value = "PATH", words = WITH_AWS },
  { "account",   "the AWS account that the credentials must be of", value = "ID", words = WITH_AWS },
  { "clean",     "ask about each, and delete it: keys with the longest window", words = "orphans" },
  { "write",     "let the script write", words = "exec" },
  { "licenses",  "every notice and licence of what is inside", words = "version" },
  { "json",      "the result as one JSON document on stdout; --json=lines: also an event a line",
    words = "status plan run verify resume destroy orphans runs recipes whoami version help" },
  { "help",      "this text" },
}

--- What help calls a value of a shape.
local LIKE <const> = { tag = "KEY=VALUE", path = "PATH", policy = "ARN", principal = "ARN", credentials = "SOURCE", region_nodes = "REGION=NODES" }

local function belongs(flag, word)
  return flag.words == nil or (" " .. flag.words .. " "):find(" " .. word .. " ", 1, true) ~= nil
end

local function spelling(name)
  return "--" .. name:gsub("_", "-")
end

--- The names that no recipe may give an argument.
---@return table<string, true>
function M.reserved()
  local names = {}
  for _, flag in ipairs(COMMON) do
    if flag.words ~= "status" and flag.words ~= "orphans" then names[flag[1]] = true end   -- these take no recipe
  end
  return names
end

--- Takes the first argument that is neither a flag of ours nor its value: the recipe, or the run.
---@param word string         the command
---@param arguments string[]
---@return string? name, string[] rest, integer? position
function M.first(word, arguments)
  local rest, name, position, skip = {}, nil, nil, false
  for i, argument in ipairs(arguments) do
    local flag
    for _, candidate in ipairs(COMMON) do
      if belongs(candidate, word) and spelling(candidate[1]) == argument then flag = candidate end
    end
    if not name and not skip and argument:sub(1, 1) ~= "-" then
      name, position = argument, i
    else
      rest[#rest + 1] = argument
    end
    skip = flag ~= nil and flag.value ~= nil
  end
  return name, rest, position
end

--- A flag as it is typed.
---@class flags.Flag
---@field name string
---@field flag string       "--exit-code"
---@field text string       a line of help
---@field value string?     the name of the value it takes
---@field list boolean?     may be given several times
---@field choices string[]?
---@field group "common"|"recipe"

--- The flags of a command: those of the recipe first, then the command's own.
---@param word string
---@param specifications recipe.Argument[]   of the recipe; {} for none
---@return flags.Flag[]
function M.list(word, specifications)
  local list = {}
  for _, spec in ipairs(specifications) do
    list[#list + 1] = { name = spec.name, flag = spec.flag, text = M.explain(spec), list = spec.list, choices = spec.choices, group = "recipe",
      value = spec.type ~= "boolean" and (spec.type == "integer" and "N" or LIKE[spec.like] or spec.name:upper()) or nil }
  end
  for _, flag in ipairs(COMMON) do
    if belongs(flag, word) then
      list[#list + 1] = { name = flag[1], flag = spelling(flag[1]), text = flag[2], value = flag.value, list = flag.list, choices = flag.choices,
        group = "common" }
    end
  end
  return list
end

local function parser_of(word, subject, specifications)
  local parser = require "argparse"()
  parser:name("cmek " .. word .. (subject and " " .. subject or "")):add_help(false)
  for _, flag in ipairs(M.list(word, specifications)) do
    local option = flag.value and parser:option(flag.flag):argname(flag.value) or parser:flag(flag.flag)
    if flag.value and flag.list then option:count "*" end
    option:target(flag.group .. " " .. flag.name):description(flag.text)
  end
  parser:argument "extra":args("*"):hidden(true):target "common extra"   -- so that what is too much can be named
  return parser
end

--- A line of help for an argument: its text, and its default.
---@param spec recipe.Argument
function M.explain(spec)
  if spec.required then return spec.text .. (spec.list and " (required; may be repeated)" or " (required)") end
  local default = spec.default
  if type(default) == "table" then default = table.concat(default, ", ") end
  local told = default ~= nil and type(default) ~= "function" and ("default: %s"):format(tostring(default)) or nil
  if spec.list then return ("%s (may be repeated%s)"):format(spec.text, told and "; " .. told or "") end
  return told and ("%s (%s)"):format(spec.text, told) or spec.text
end

--- The flags as help shows them.
---@param word string
---@param subject string?                    the recipe
---@param specifications recipe.Argument[]   of the recipe; {} for none
---@return string
function M.help(word, subject, specifications)
  return parser_of(word, subject, specifications):get_help()
end

--- Parses the flags. Raises a usage failure that says what was meant.
---@param word string
---@param subject string?
---@param specifications recipe.Argument[]
---@param arguments string[]
---@return table<string, any> common    the command's own flags
---@return table<string, any> recipe    those of the recipe, as texts
function M.parse(word, subject, specifications, arguments)
  if #arguments == 0 then return {}, {} end   -- argparse takes longer to load than all the rest
  local ok, result = parser_of(word, subject, specifications):pparse(arguments)
  if not ok then
    failure.usage((result:gsub("\nDid you mean", "; did you mean")),
      ("cmek %s%s --help lists the flags"):format(word, subject and " " .. subject or ""))
  end
  local groups = { common = {}, recipe = {} }
  for target, value in pairs(result) do   -- order cannot be seen
    local group, name = target:match "^(%S+) (.*)$"
    groups[group][name] = value
  end
  local extra = groups.common.extra[1]
  groups.common.extra = nil
  if extra then
    failure.usage(("'%s' is one word too many"):format(extra), ("cmek %s%s --help lists the flags"):format(word, subject and " " .. subject or ""))
  end
  for _, spec in ipairs(specifications) do
    -- argparse gives an empty list to what may be repeated and was not given
    if spec.list and groups.recipe[spec.name] and #groups.recipe[spec.name] == 0 then groups.recipe[spec.name] = nil end
  end
  return groups.common, groups.recipe
end

return M
