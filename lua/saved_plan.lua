--- Plans in files: `plan --out FILE` writes one, `run --plan FILE` does exactly that, or refuses because something has moved
--- meanwhile. Nothing of the file is believed but the recipe's name and its arguments: the run plans anew and compares.
local failure = require "ui.failure"
local sorted = require "sorted"

local M = {}

local SIZE_MAX <const> = 16 << 20   -- bytes of a file
local SCHEMA <const> = "cmek.saved_plan/1"
local FLAGS <const> = { "profile", "region", "account", "facts", "spec", "vault_auth", "vault_auth_mount" }

local function digest(document)
  local crypto = require "crypto"
  return crypto.hex(crypto.sha256(require("json").encode(document)))
end

-- Writing ----------------------------------------------------------------------------------------------------------------

--- Writes a plan into a file. Raises a failure when it cannot be written.
---@param path string
---@param order table   operation.read's
---@param report table  cmek.plan/1
---@param engine table
function M.write(path, order, report, engine)
  local flags = {}
  for _, name in ipairs(FLAGS) do flags[name] = order.common[name] end
  local document = { schema = SCHEMA, version = require "version", made_at = require("time").text(engine.context.clock.now()),
    recipe = { origin = order.recipe.origin, hash = order.recipe.hash }, arguments = order.given, flags = flags, plan = report,
    rests_on = engine.rests_on }
  document.digest = digest(document)
  local done, message = require("file").write(path, require("json").encode(document, { indent = 2 }) .. "\n")
  if not done then
    failure.raise { status = failure.FAILED, what = "saving the plan", message = message }
  end
end

-- Reading ----------------------------------------------------------------------------------------------------------------

local function refuse(path, message, next_step)
  failure.raise { status = failure.FAILED, what = ("running the plan in '%s'"):format(path), message = message, next = next_step }
end

-- The command that makes such a plan again.
local function again(path, document, recipe)
  local mend = require "engine.mend"
  local like = { recipe = { name = document.recipe.origin, args = recipe.args }, given = document.arguments, flags = document.flags }
  return ("plan anew: %s --out %s"):format(mend.cmek(like, "plan"), mend.quote(path))
end

local function parse(path)
  local text, message = require("file").read(path, SIZE_MAX)
  if not text then failure.usage(("cannot read --plan '%s': %s"):format(path, failure.reason(message)), "cmek plan RECIPE --out FILE writes one") end
  local document
  document, message = require("json").decode(text)
  if type(document) ~= "table" or not tostring(document.schema):find "^cmek%.saved_plan/" then
    failure.usage(("--plan '%s' is no plan that cmek saved%s"):format(path, message and ": " .. message or ""),
      "cmek plan RECIPE --out FILE writes one")
  end
  return document
end

-- Whether it is as it was written, by this very cmek.
local function check(path, document)
  local version = require "version"
  if document.schema ~= SCHEMA or document.version ~= version then
    refuse(path, ("it was made by cmek %s (%s), and this is cmek %s (%s)"):format(tostring(document.version), document.schema, version, SCHEMA),
      "plan anew with this cmek")
  end
  local claimed = document.digest
  document.digest = nil
  if claimed ~= digest(document) then
    refuse(path, "it was changed after it was written: its digest is another", "plan anew; arguments are changed on the command line of plan")
  end
end

local function parsed(arguments)
  local flags = require "flags"
  local name, rest = flags.first("run", arguments)
  if name then
    failure.usage(("a saved plan has its recipe and its arguments: '%s' has no place beside --plan"):format(name),
      "cmek run --plan FILE [--yes] [--confirm NAME]")
  end
  local common = flags.parse("run", nil, {}, rest)
  for _, flag in ipairs { "args", "save_args" } do
    if common[flag] then failure.usage(("--%s does not go with --plan: a saved plan has its arguments"):format((flag:gsub("_", "-")))) end
  end
  return common
end

--- The order that a saved plan holds; nil when the command line only asks for help.
---@param arguments string[]
---@param output ui.Output
---@return table? order  as operation.read's, with `accept` for the engine
function M.order(arguments, output)
  local common = parsed(arguments)
  if common.help then
    output:help(require("flags").help("run", nil, {}) .. "\n")
    return nil
  end
  require("step_in").check(common, output)
  local path = common.plan
  local document = parse(path)
  check(path, document)
  local recipe = require("recipe").load(document.recipe.origin, { reserved = require("flags").reserved(), trust = common.trust,
    steps = common.on_error ~= nil })
  if recipe.hash ~= document.recipe.hash then
    refuse(path, ("the recipe '%s' has changed since the plan was made on %s"):format(document.recipe.origin, document.made_at),
      again(path, document, recipe))
  end
  local resolved, given = require("arguments").resolve(recipe.args, { { origin = "plan " .. path, values = document.arguments } })
  for _, name in ipairs(FLAGS) do common[name] = common[name] or document.flags[name] end
  require("operation").open_files(common)
  if common.out then require("carried").check_writable("--out", common.out) end
  output:note(("the plan of %s, made on %s\n"):format(recipe.name, document.made_at))
  return { recipe = recipe, arguments = resolved, given = given, common = common, accept = function(engine, report)
    local lines = M.moved(document, report, engine.rests_on)
    if #lines == 0 then return nil end
    return { what = ("running the plan in '%s'"):format(path), code = "moved", next = again(path, document, recipe),
      message = ("what it rests on has moved since it was made on %s:\n  "):format(document.made_at) .. table.concat(lines, "\n  ") }
  end }
end

-- Comparing --------------------------------------------------------------------------------------------------------------

local function text(value)
  return require("ui.diff").show(value)
end

local function same(one, other)
  local encode = require("json").encode
  return encode { value = one } == encode { value = other }
end

-- What only the run could tell may have become anything: the run's ID in a tag.
local function was_open(value)
  return type(value) == "string" and value:find "^%(.*, known after apply%)$" ~= nil
end

local function titled(step)
  local words = { step.kind }
  if type(step.region) == "string" then words[#words + 1] = step.region end
  words[#words + 1] = step.name
  return table.concat(words, " ")
end

local function by_field(differences)
  local fields = {}
  for _, difference in ipairs(differences) do fields[difference.field] = difference end
  return fields
end

-- Differences of which one plan says something else than the other.
local function moved_differences(before, now, add)
  local old, new = by_field(before.step.differences), by_field(now.step.differences)
  for name in sorted(old) do new[name] = new[name] or false end
  for name, is in sorted(new) do
    local was = old[name]
    if not (was and is and same(was.have, is.have) and (same(was.want, is.want) or was_open(was.want))) then
      local then_was = was and ("%s was to become %s"):format(text(was.have), text(was.want)) or "nothing was to change"
      local now_is = is and ("it is %s and is to become %s"):format(text(is.have), text(is.want)) or "it is as wanted"
      add(name, ("%s, and now %s"):format(then_was, now_is))
    end
  end
end

local SAID <const> = { seen = "what is there is not what was there", wanted = "what is wanted is not what was wanted" }

local function moved_digests(part, before, now, add)
  local old, new = before.rests_on[part], now.rests_on[part]
  local names = {}
  for _, fields in ipairs { old, new } do
    for name in sorted(fields) do names[name] = old[name] ~= new[name] end
  end
  for name, moved in sorted(names) do
    if moved then add(name, SAID[part]) end
  end
end

-- What differs between two plans of one step: add(field, text). Of a field that was told in detail nothing more is said.
local function moved_fields(before, now, add)
  local told = {}
  moved_differences(before, now, function(field, line)
    told[field:match "^[^.]+"] = true
    add(field, line)
  end)
  for _, part in ipairs { "seen", "wanted" } do
    moved_digests(part, before, now, function(field, line)
      if not told[field] then add(field, line) end
      told[field] = true
    end)
  end
end

local function index(steps, rests_on)
  local list, by_title = {}, {}
  for i, step in ipairs(steps) do
    local entry = { title = titled(step), step = step, rests_on = rests_on[i] or { seen = {}, wanted = {} } }
    list[i], by_title[entry.title] = entry, entry
  end
  return list, by_title
end

local SUBJECTS <const> = { { "organization", "id" }, { "cluster", "id" }, { "aws", "account_id" } }

--- What has moved since a plan was saved, a line each, by step and field; {} when nothing has.
---@param document table  the saved plan
---@param report table    cmek.plan/1 of now
---@param rests_on table  engine.seen's of now
---@return string[]
function M.moved(document, report, rests_on)
  local lines = {}
  for _, subject in ipairs(SUBJECTS) do
    local was, is = document.plan.run[subject[1]], report.run[subject[1]]
    was, is = type(was) == "table" and was[subject[2]] or "none", type(is) == "table" and is[subject[2]] or "none"
    if was ~= is then lines[#lines + 1] = ("%s %s: the plan was made for %s, and this is %s"):format(subject[1], subject[2], was, is) end
  end
  if #lines > 0 then return lines end
  local before, before_by = index(document.plan.steps, document.rests_on)
  local now, now_by = index(report.steps, rests_on)
  for _, entry in ipairs(before) do
    local other = now_by[entry.title]
    local function add(field, line) lines[#lines + 1] = ("%s: %s: %s"):format(entry.title, field, line) end
    if not other then
      add("action", ("'%s' was planned, and it is no step any more"):format(entry.step.action))
    elseif other.step.action ~= entry.step.action then
      local reason = type(other.step.reason) == "string" and " (" .. other.step.reason .. ")" or ""
      add("action", ("'%s' was planned, and now it is '%s'%s"):format(entry.step.action, other.step.action, reason))
    else
      moved_fields(entry, other, add)
    end
  end
  for _, entry in ipairs(now) do
    if not before_by[entry.title] then
      lines[#lines + 1] = ("%s: action: '%s' is a step that was not planned"):format(entry.title, entry.step.action)
    end
  end
  return lines
end

return M
