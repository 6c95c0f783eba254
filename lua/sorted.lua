--- `for k, v in sorted(t)`: a table's members by key, in the same order in every process: numbers first, then strings by
--- byte, then false and true. pairs() would differ from run to run, and a seed must replay.
local rank = { number = 1, string = 2, boolean = 3 }

local function before(a, b)
  local left, right = rank[type(a)], rank[type(b)]
  if left ~= right then return left < right end
  if left == 3 then return not a and b end
  return a < b
end

local function nothing() end   -- many tables are empty

--- The keys are those of the moment of the call; a member that is removed on the way comes with the value nil.
---@param t table<number|string|boolean, any>
---@return fun(): any, any iterator; raises for a key that has no order, such as a table
return function(t)
  if next(t) == nil then return nothing end
  local keys, count, kind = {}, 0, nil
  for key in next, t do
    local this = type(key)
    if this ~= kind then
      if not rank[this] then error(("cannot sort by a key that is a %s"):format(this), 2) end
      kind = kind == nil and this or "several"
    end
    count = count + 1
    keys[count] = key
  end
  if count > 1 then table.sort(keys, (kind == "several" or kind == "boolean") and before or nil) end
  local at = 0
  return function()
    at = at + 1
    local key = keys[at]
    if key ~= nil then return key, t[key] end
  end
end
