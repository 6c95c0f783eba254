--- Policies compared by meaning: what differs, what is foreign, what a wanted policy and a found one make together.
local build = require("policy.build")
local document = require("policy.document")
local json = require("json")
local pattern = require("policy.pattern")
local sorted = require("sorted")

local M = {}

local function normal(policy, like)
  local form, message = document.normalise(policy, like)
  if not form then error("cannot compare policies: " .. message, 0) end
  return form
end

-- A statement as a flat map of fields; lists are sorted sets, actions lower-case for comparison.
local function lower(list)
  local seen, folded = {}, {}
  for _, text in ipairs(list) do
    local word = text:lower()
    if not seen[word] then folded[#folded + 1] = word end
    seen[word] = true
  end
  table.sort(folded)
  return folded
end

local function spelled(statement, name, key)
  local keys = statement.raw.Condition[name]
  for raw in sorted(keys) do
    if raw:lower() == key then return raw end
  end
end

local function fields(statement)
  local map = { Effect = { statement.effect } }
  for _, side in ipairs { { "Principal", statement.principal }, { "NotPrincipal", statement.not_principal } } do
    for kind, names in sorted(side[2] or {}) do map[side[1] .. "." .. kind] = names end
  end
  map.Action, map.NotAction = statement.action, statement.not_action
  map.Resource, map.NotResource = statement.resource, statement.not_resource
  for name, keys in sorted(statement.condition or {}) do
    for key, values in sorted(keys) do map["Condition." .. name .. "." .. key] = values end
  end
  for name, value in sorted(statement.rest or {}) do map[name] = { document.canonical(value) } end
  return map
end

local function comparable(field, list)
  if field == "Action" or field == "NotAction" then list = lower(list) end
  return document.canonical(json.array(table.move(list, 1, #list, 1, {})))
end

local function content(statement)
  local map = fields(statement)
  for field, list in sorted(map) do map[field] = comparable(field, list) end
  return document.canonical(map)
end

-- How many fields two statements share.
local function likeness(one, other)
  local mine, theirs, count = fields(one), fields(other), 0
  for field, list in sorted(mine) do
    if theirs[field] and comparable(field, list) == comparable(field, theirs[field]) then count = count + 1 end
  end
  return count
end

local function take(have, taken, fits)
  local best, score
  for index, statement in ipairs(have.statements) do
    local worth = not taken[index] and fits(statement)
    if worth and (not best or worth > score) then best, score = index, worth end
  end
  if best then taken[best] = true end
  return best and have.statements[best]
end

-- Which found statement stands for which wanted one. A Sid decides; a wanted statement without one takes its equal,
-- else the found statement without Sid that is most like it (so a changed one is repaired, not joined by a second).
-- What is left is foreign, or, in cmek's own key policy, a statement of cmek's that is not wanted any more: other administrators.
local function pair(want, have)
  local pairing, taken = {}, {}
  for index, statement in ipairs(want.statements) do
    local mine = statement.sid and function(other) return other.sid == statement.sid and 1 end
      or function(other) return content(other) == content(statement) and 1 end
    pairing[index] = take(have, taken, mine)
  end
  for index, statement in ipairs(want.statements) do
    if not pairing[index] and not statement.sid then
      pairing[index] = take(have, taken, function(other) return not other.sid and likeness(statement, other) end)
    end
  end
  local foreign, left = {}, {}
  for index, statement in ipairs(have.statements) do
    local own = want.id == build.KEY_POLICY_ID and build.OWN_SIDS[statement.sid or ""]
    if not taken[index] then table.insert(own and left or foreign, statement) end
  end
  return pairing, foreign, left
end

local function orphan(name) return name:find("^A[RI][OD]A%w+$") ~= nil end

local function orphans_in(list)
  local found = {}
  for _, name in ipairs(list or {}) do
    if orphan(name) then found[#found + 1] = name end
  end
  return #found > 0 and found or nil
end

local function shown(list)
  if not list then return nil end
  if #list == 1 then return list[1] end
  return json.array(table.move(list, 1, #list, 1, {}))
end

local function label(statement) return ("Statement[%s]"):format(statement.sid or statement.index) end

-- The field in the policy's own spelling of a condition key.
local function field_name(statement, field)
  local name, key = field:match("^Condition%.([^.]+)%.(.+)$")
  local raw = name and statement.condition and (statement.condition[name] or {})[key] and spelled(statement, name, key)
  return raw and ("Condition.%s.%s"):format(name, raw) or field
end

local field_order = { Effect = 1, Principal = 2, NotPrincipal = 3, Action = 4, NotAction = 5, Resource = 6, NotResource = 7, Condition = 8 }

local function in_order(one, other)
  local left, right = field_order[one:match("^%w+")] or 9, field_order[other:match("^%w+")] or 9
  if left ~= right then return left < right end
  return one < other
end

local function names_of(one, other)
  local names, seen = {}, {}
  for _, map in ipairs { one, other } do
    for name in sorted(map) do
      if not seen[name] then names[#names + 1] = name end
      seen[name] = true
    end
  end
  table.sort(names, in_order)
  return names
end

local function compare_statement(want, have, into)
  local wanted, found = fields(want), fields(have)
  for _, field in ipairs(names_of(wanted, found)) do
    local left, right = wanted[field], found[field]
    if not (left and right and comparable(field, left) == comparable(field, right)) then
      into[#into + 1] = {
        field = ("%s.%s"):format(label(want), field_name(left and want or have, field)),
        want = shown(left), have = shown(right), orphans = orphans_in(field:find("Principal", 1, true) and right),
      }
    end
  end
end

--- What must change for the found policy to be as wanted, field by field. Only own statements count: by Sid, or, for
--- a wanted statement without one, the found one that is most like it. Foreign statements are no difference.
---@param want string|table
---@param have string|table|nil
---@return { field: string, have: any, want: any, orphans: string[]? }[]  have nil: it is missing; want nil: an own statement
---  that is not wanted any more; orphans: ids of deleted principals
---@example for _, difference in ipairs(policy.differences(want, have)) do print(difference.field) end
function M.differences(want, have)
  local wanted = normal(want)
  local found = have ~= nil and normal(have, want) or { statements = {} }
  local list = {}
  if have ~= nil and wanted.version ~= found.version then
    list[1] = { field = "Version", want = wanted.version, have = found.version }
  end
  if wanted.id and wanted.id ~= found.id then list[#list + 1] = { field = "Id", want = wanted.id, have = found.id } end
  local pairing, _, left = pair(wanted, found)
  for index, statement in ipairs(wanted.statements) do
    if pairing[index] then
      compare_statement(statement, pairing[index], list)
    else
      list[#list + 1] = { field = label(statement), want = document.statement_json(statement.raw) }
    end
  end
  for _, statement in ipairs(left) do list[#list + 1] = { field = label(statement), have = document.statement_json(statement.raw) } end
  return list
end

--- The found statements that are nobody of ours, as they were found.
---@param want string|table
---@param have string|table|nil
---@return table[]
---@example local others = policy.foreign(want, kms.get_key_policy { KeyId = key.arn }.Policy)
function M.foreign(want, have)
  local wanted = normal(want)
  local list = {}
  if have == nil then return list end
  local _, foreign = pair(wanted, normal(have, want))
  for index, statement in ipairs(foreign) do list[index] = statement.raw end
  return list
end

--- The policy to be put: own statements as wanted, then the foreign ones as found.
---@param want string|table
---@param have string|table|nil  nil: there is none yet
---@return table document
---@example local whole = policy.merge(want, kms.get_key_policy { KeyId = key.arn }.Policy)
function M.merge(want, have)
  local wanted = document.parse(want)
  local statements = json.array {}
  for _, statement in ipairs(normal(want).statements) do statements[#statements + 1] = statement.raw end
  for _, statement in ipairs(M.foreign(want, have)) do statements[#statements + 1] = statement end
  local id = wanted.Id
  if id == nil and have ~= nil then id = document.parse(have).Id end
  return { Version = wanted.Version, Id = id, Statement = statements }
end

--- Do two policies mean the same? Order, spelling of lists, case of actions and of condition keys do not matter;
--- Version, Id and Sids do.
---@param one string|table
---@param other string|table
---@param options { sid: boolean? }?  sid = false: statements that differ in their Sid alone are the same
---@return boolean
function M.equal(one, other, options)
  local left = normal(one)
  local right = normal(other, one)
  if left.version ~= right.version or left.id ~= right.id then return false end
  local function all(form)
    local list = {}
    for index, statement in ipairs(form.statements) do
      local sid = (not options or options.sid ~= false) and statement.sid or ""
      list[index] = sid .. "\0" .. content(statement)
    end
    table.sort(list)
    return table.concat(list, "\n")
  end
  return all(left) == all(right)
end

--- The principals whose role or user is gone: AWS shows their unique id, refuses to store the policy with it, and a new
--- role of the old name does not match it.
---@param policy string|table
---@return { statement: string, id: string }[]
---@example policy.orphans(kms.get_key_policy { KeyId = key.arn }.Policy)
function M.orphans(policy)
  local list = {}
  for _, statement in ipairs(normal(policy).statements) do
    for _, side in ipairs { statement.principal or {}, statement.not_principal or {} } do
      for _, id in ipairs(orphans_in(side.AWS) or {}) do list[#list + 1] = { statement = label(statement), id = id } end
    end
  end
  return list
end

-- covers ----------------------------------------------------------------------------------------------------------

-- Every text that the small pattern matches, the big one matches too. A * of the small one is a character to the big
-- one, which only its own * takes; a ? might as well, so then the answer is no.
local function contains(big, small)
  if big == small then return true end
  if small:find("*", 1, true) and big:find("?", 1, true) then return false end
  return pattern.like(big, small) == pattern.YES
end

local function any(list, test)
  for _, one in ipairs(list or {}) do
    if test(one) then return true end
  end
  return false
end

-- Could one text match both patterns? Row by row: after[j] is whether the rests from here and from j can meet.
local function meet(one, other)
  local after = {}
  for i = #one + 1, 1, -1 do
    local row, left = {}, one:sub(i, i)
    for j = #other + 1, 1, -1 do
      local right = other:sub(j, j)
      if left == "" and right == "" then
        row[j] = true
      elseif left == "*" or right == "*" then
        row[j] = (left == "*" and after[j]) or (right == "*" and row[j + 1]) or (left == "*" and right ~= "" and row[j + 1])
          or (right == "*" and left ~= "" and after[j]) or false
      else
        row[j] = left ~= "" and right ~= "" and (left == right or left == "?" or right == "?") and after[j + 1] or false
      end
    end
    after = row
  end
  return after[1]
end

local function grants_principal(statement, name)
  return any(statement.principal and statement.principal.AWS, function(entry) return entry == "*" or entry == name end)
end

-- Every condition of the found statement stands in the wanted one as well, so it narrows nothing.
local function no_narrower(want, have)
  for name, keys in sorted(have.condition or {}) do
    for key, values in sorted(keys) do
      local mine = want.condition and want.condition[name] and want.condition[name][key]
      if not mine or comparable("", mine) ~= comparable("", values) then return false end
    end
  end
  return true
end

local function granted(have, want, name, action, resource)
  return any(have.statements, function(statement)
    return statement.effect == "Allow" and grants_principal(statement, name) and no_narrower(want, statement)
      and any(statement.action, function(big) return contains(big:lower(), action:lower()) end)
      and (resource == nil and not statement.resource or any(statement.resource, function(big) return contains(big, resource) end))
  end)
end

-- A Deny whose principal, action and resource can meet the grant hits it, whatever its conditions.
local function hit(have, name, action, resource)
  return any(have.statements, function(statement)
    if statement.effect ~= "Deny" then return false end
    local who = statement.not_principal or grants_principal(statement, name)
      or any(statement.principal and statement.principal.AWS, function(entry) return entry:match("::(%d+):root$") == name:match("::(%d+):") end)
    local what = statement.not_action or any(statement.action, function(one) return meet(one:lower(), action:lower()) end)
    local where = statement.not_resource or not resource or any(statement.resource, function(one) return meet(one, resource) end)
    return who and what and where
  end)
end

local function statement_covered(want, have)
  for _, name in ipairs(want.principal and want.principal.AWS or {}) do
    for _, action in ipairs(want.action or {}) do
      for _, resource in ipairs(want.resource or { false }) do
        resource = resource or nil
        if not granted(have, want, name, action, resource) then
          return false, ("%s for %s is not granted"):format(action, name)
        end
        if hit(have, name, action, resource) then return false, ("%s for %s meets a Deny"):format(action, name) end
      end
    end
  end
  return true
end

--- Does the found policy grant at least what the wanted one grants, and deny none of it? Wildcards are understood;
--- where it cannot be sure the answer is no.
---@param want string|table
---@param have string|table
---@return boolean covered, string? what is missing
function M.covers(want, have)
  local wanted = normal(want)
  local found = normal(have, want)
  for _, statement in ipairs(wanted.statements) do
    if statement.effect == "Allow" then
      local fine, what = statement_covered(statement, found)
      if not fine then return false, what end
    end
  end
  return true
end

return M
