--- What a verdict says to a person: one sentence, the statement behind it, and the one that came nearest to allowing.
local condition = require("policy.condition")
local pattern = require("policy.pattern")

local MAYBE = pattern.MAYBE
local M = {}

local function show(value)
  if value == nil then return "nothing" end
  if value == condition.UNSEEN then return "something unseen" end
  if type(value) ~= "table" then return ('"%s"'):format(value) end
  local parts = {}
  for i, one in ipairs(value) do parts[i] = ('"%s"'):format(one) end
  return table.concat(parts, " or ")
end

local function place(one)
  if one.blind then return one.source end
  local sid = one.statement.sid
  return ("%s, statement %d%s"):format(one.source, one.statement.index, sid and (' "%s"'):format(sid) or "")
end

-- The statement that came nearest to allowing: the fewest fields amiss.
local function nearest(list)
  local best
  for _, one in ipairs(list) do
    if one.effect == "Allow" and not one.blind and #one.misses > 0 and (not best or #one.misses < #best.misses) then best = one end
  end
  return best
end

local function miss_text(near)
  local parts = {}
  for i, one in ipairs(near.misses) do
    parts[i] = ("%s is %s and the request has %s"):format(one.field, show(one.want), show(one.have))
  end
  return ("nearest is %s: %s"):format(place(near), table.concat(parts, "; "))
end

local function because(outcome, asked)
    return ({
    allow = outcome.by and place(outcome.by) .. " allows it" or "the account's root user needs no policy",
    explicit_deny = outcome.by and place(outcome.by) .. " denies it",
    no_resource_grant = ("no statement of the %s allows it"):format(asked.label),
    trust = asked.who.kind == "root" and "root users cannot assume roles" or "no statement of the trust policy allows it",
    no_identity_grant = "no identity policy of the caller allows it",
    boundary = "the permissions boundary does not allow it",
    service_control = "the service control policies do not allow it",
    session = "the session policy does not allow it",
  })[outcome.reason]
end

local function sets_behind(reason, sets)
  return ({ no_resource_grant = sets.resource, trust = sets.resource, no_identity_grant = sets.identity,
    boundary = sets.boundary, session = sets.session })[reason] or {}
end

--- Names of the statements that hang on something nobody knows.
function M.doubts(sets)
  local list, seen = {}, {}
  local function add(one)
    if one.match == MAYBE and not one.blind and not seen[place(one)] then
      seen[place(one)] = true
      list[#list + 1] = place(one)
    end
  end
  local all = { sets.resource, sets.identity, sets.boundary or {}, sets.session or {} }
  table.move(sets.levels, 1, #sets.levels, #all + 1, all)
  for _, set in ipairs(all) do
    for _, one in ipairs(set) do add(one) end
  end
  return list
end

local function statement_of(one)
  if not one or one.blind then return nil end
  return { policy = one.source, sid = one.statement.sid, index = one.statement.index }
end

local words = { allowed = "may", denied = "may not", unknown = "may or may not" }

--- The result that policy.evaluate gives.
function M.result(outcome, asked, sets)
  local near = outcome.verdict ~= "allowed" and nearest(sets_behind(outcome.reason, sets)) or nil
  local unknown = outcome.verdict == "unknown"
  local why = unknown and ("it hangs on what cannot be seen (%s)"):format(table.concat(asked.unseen, ", ")) or because(outcome, asked)
  local text = ("%s %s do %s on %s: %s"):format(asked.who.arn, words[outcome.verdict], asked.said, asked.resource, why)
  if near then text = text .. "; " .. miss_text(near) end
  return {
    verdict = outcome.verdict, reason = unknown and "unseen" or outcome.reason,
    statement = statement_of(outcome.by), text = text, unseen = asked.unseen,
    near = near and { statement = statement_of(near), misses = near.misses } or nil,
  }
end

return M
