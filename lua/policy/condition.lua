--- The Condition block of a statement, held against the context of a request.
--- Answers are pattern.NO, MAYBE (it hangs on something nobody knows, or on words AWS does not define) and YES.
local pattern = require("policy.pattern")
local value = require("policy.value")
local sorted = require("sorted")

local NO, MAYBE, YES = pattern.NO, pattern.MAYBE, pattern.YES
local M = {}

--- Stands in a context for a key that the request will have or not: nobody can say.
M.UNSEEN = setmetatable({}, { __name = "policy.unseen" })

local function answer(yes) return yes and YES or NO end

-- Comparisons: want is the policy's text, have the request's; the second result is "unresolved" for a variable
-- without a value.

local function string_equals(fold)
  return function(want, have, resolve)
    local text, why = pattern.expand(want, resolve)
    if not text then return why == "unseen" and MAYBE or NO, why end
    return answer(fold(text) == fold(have))
  end
end

-- Reads both sides; a policy value that cannot be read is MAYBE, AWS would have refused it.
local function typed(read, compare)
  return function(want, have)
    local left, right = read(want), read(have)
    if left == nil then return MAYBE end
    return answer(right ~= nil and compare(left, right))
  end
end

local function same(text) return text end
local function equal(want, have) return want == have end
local function less(want, have) return have < want end
local function less_or_equal(want, have) return have <= want end
local function greater(want, have) return have > want end
local function greater_or_equal(want, have) return have >= want end

local operators = {
  StringEquals           = { compare = string_equals(same) },
  StringEqualsIgnoreCase = { compare = string_equals(string.lower) },
  StringLike             = { compare = pattern.like },
  ArnEquals              = { compare = pattern.arn },
  ArnLike                = { compare = pattern.arn },
  Bool                   = { compare = typed(value.truth, equal), read = value.truth },
  BinaryEquals           = { compare = typed(same, equal) },
  IpAddress              = { compare = typed(value.address, value.inside), read = value.address },
  Null                   = { read = value.truth },
}
for _, kind in ipairs { { "Numeric", value.number }, { "Date", value.date } } do
  local name, read = kind[1], kind[2]
  operators[name .. "Equals"] = { compare = typed(read, equal), read = read }
  operators[name .. "LessThan"] = { compare = typed(read, less), read = read }
  operators[name .. "LessThanEquals"] = { compare = typed(read, less_or_equal), read = read }
  operators[name .. "GreaterThan"] = { compare = typed(read, greater), read = read }
  operators[name .. "GreaterThanEquals"] = { compare = typed(read, greater_or_equal), read = read }
end
for negated, plain in sorted {
  StringNotEquals = "StringEquals", StringNotEqualsIgnoreCase = "StringEqualsIgnoreCase", StringNotLike = "StringLike",
  ArnNotEquals = "ArnEquals", ArnNotLike = "ArnLike", NotIpAddress = "IpAddress",
  NumericNotEquals = "NumericEquals", DateNotEquals = "DateEquals",
} do
  operators[negated] = { compare = operators[plain].compare, read = operators[plain].read, negated = true }
end

-- "ForAllValues:StringLikeIfExists" -> the operator, the set, if-exists; nil when there is none of that name.
local function operator_of(name)
  local set, rest = name:match("^(For%a+Values?):(.+)$")
  if set and set ~= "ForAllValues" and set ~= "ForAnyValue" then return nil end
  local plain = (rest or name):match("^(.+)IfExists$")
  local operator = operators[plain or rest or name]
  if not operator or (operator == operators.Null and (plain or set)) then return nil end
  return operator, set, plain ~= nil
end

-- One value of the request against all values of the policy. A variable without a value "might cause the entire
-- statement to be invalid": then the answer is MAYBE at best.
local function against(operator, wants, have, resolve)
  local found, broken = NO, false
  for _, want in ipairs(wants) do
    local match, why = operator.compare(want, have, resolve)
    broken = broken or why == "unresolved"
    found = math.max(found, match)
  end
  if operator.negated then found = YES - found end
  return broken and math.min(found, MAYBE) or found
end

local function absent(operator, set, if_exists)
  if if_exists then return YES end
  if set then return answer(set == "ForAllValues") end
  return answer(operator.negated)
end

local function null(wants, have)
  if have == M.UNSEEN then return MAYBE end
  local found, missing = NO, have == nil or (type(have) == "table" and #have == 0)
  for _, want in ipairs(wants) do
    local truth = value.truth(want)
    found = math.max(found, truth == nil and MAYBE or answer(truth == missing))
  end
  return found
end

-- "ForAllValues also returns true if the key values resolve to an empty data set, such as an empty string."
local function members(have)
  local list = {}
  for _, member in ipairs(type(have) == "table" and have or { have }) do
    if member ~= "" then list[#list + 1] = member end
  end
  return list
end

local function whole_set(operator, set, wants, list, resolve)
  local result = set == "ForAllValues" and YES or NO
  local join = set == "ForAllValues" and math.min or math.max
  for _, member in ipairs(list) do result = join(result, against(operator, wants, member, resolve)) end
  return result
end

local function key_answer(name, wants, have, resolve)
  local operator, set, if_exists = operator_of(name)
  if not operator then return MAYBE end
  if operator == operators.Null then return null(wants, have) end
  if have == M.UNSEEN then return MAYBE end
  if have == nil or (type(have) == "table" and #have == 0) then return absent(operator, set, if_exists) end
  if set then
    local list = members(have)
    if #list == 0 then return answer(set == "ForAllValues") end
    return whole_set(operator, set, wants, list, resolve)
  end
  -- "Multivalued context keys require a condition set operator": what happens without one is not said.
  if type(have) == "table" then return MAYBE end
  return against(operator, wants, have, resolve)
end

--- The whole block: all operators and keys together, any value of a key.
---@param conditions table<string, table<string, string[]>>? normalised: operator, lower-case key, values
---@param lookup fun(key: string): any  the request's value: string, list, nil, or UNSEEN
---@param resolve function? of policy variables; nil for Version 2008-10-17
---@return integer answer, { operator: string, key: string, want: string[], have: any }[] misses what kept it from YES
function M.evaluate(conditions, lookup, resolve)
  local result, misses = YES, {}
  for name, keys in sorted(conditions or {}) do
    for key, wants in sorted(keys) do
      local have = lookup(key)
      local one = key_answer(name, wants, have, resolve)
      if one < YES then misses[#misses + 1] = { operator = name, key = key, want = wants, have = have } end
      result = math.min(result, one)
    end
  end
  return result, misses
end

--- Is this a condition that AWS would take? For policy.validate.
---@return boolean ok, string? message
function M.check(name, wants)
  local operator = operator_of(name)
  if not operator then return false, ("condition operator %q is none of AWS's"):format(name) end
  for _, want in ipairs(wants) do
    if operator.read and operator.read(want) == nil then
      return false, ("%s cannot compare with %q"):format(name, want)
    end
  end
  return true
end

return M
