--- Text patterns of policies: wildcards, and the policy variables inside them.
local M = {}

--- The three answers of everything that is matched: and is math.min, or is math.max, not is YES - x.
M.NO, M.MAYBE, M.YES = 0, 1, 2

-- Tokens that are no character. WIDE may run over a colon, NARROW stays inside its segment of an ARN.
local WIDE, NARROW, ONE = 1, 2, 3

local function characters(text, into)
  into = into or {}
  for character in text:gmatch(utf8.charpattern) do into[#into + 1] = character end
  return into
end

-- "${aws:username, 'nobody'}" -> its value; nil and a reason when it has none.
local function variable(inside, resolve)
  if inside == "*" or inside == "?" or inside == "$" then return inside end
  local name, default = inside:match("^%s*(.-)%s*,%s*'(.*)'%s*$")
  local value, why = resolve(name or inside)
  if value ~= nil then return value end
  if why == "unseen" then return nil, why end
  if default then return default end
  return nil, "unresolved"
end

-- Calls plain(text) for what stands in the pattern and literal(text) for what a variable gave.
local function walk(pattern, resolve, plain, literal)
  local at = 1
  while resolve do
    local from, to, inside = pattern:find("%${([^{}]*)}", at)
    if not from then break end
    plain(pattern:sub(at, from - 1))
    local value, why = variable(inside, resolve)
    if value == nil then return nil, why end
    literal(value)
    at = to + 1
  end
  plain(pattern:sub(at))
  return true
end

--- The text with its variables put in; wildcards stay characters.
---@param text string
---@param resolve fun(name: string): string?, string?  nil: variables are plain text (Version 2008-10-17)
---@return string? text, string? why "unresolved" (the request has no such key) or "unseen" (nobody knows)
function M.expand(text, resolve)
  local parts = {}
  local function add(part) parts[#parts + 1] = part end
  local whole, why = walk(text, resolve, add, add)
  if not whole then return nil, why end
  return table.concat(parts)
end

local function tokens(pattern, resolve)
  local list = {}
  local function plain(part)
    for character in part:gmatch(utf8.charpattern) do
      list[#list + 1] = character == "*" and WIDE or character == "?" and ONE or character
    end
  end
  local whole, why = walk(pattern, resolve, plain, function(part) characters(part, list) end)
  if not whole then return nil, why end
  return list
end

-- Every * may match anything: one pass, going back to the last * only.
local function loose(list, text)
  local at, place, star, resume = 1, 1, nil, nil
  while place <= #text do
    local token = list[at]
    if token == WIDE then
      star, resume, at = at, place, at + 1
    elseif token ~= nil and (token == ONE or token == text[place]) then
      at, place = at + 1, place + 1
    elseif star then
      resume = resume + 1
      at, place = star + 1, resume
    else
      return false
    end
  end
  while list[at] == WIDE do at = at + 1 end
  return list[at] == nil
end

-- One step of the strict match: the places reachable with this token from the places so far.
local function advance(token, places, text)
  local after = {}
  for place = 1, #text + 1 do
    local here, before = text[place], after[place]
    if token == WIDE or token == NARROW then
      local run = place > 1 and after[place - 1] and (token == WIDE or text[place - 1] ~= ":")
      after[place] = before or places[place] or run
    elseif places[place] and here ~= nil and (token == ONE or token == here) then
      after[place + 1] = true
    end
  end
  return after
end

local function strict(list, text)
  local places = { true }
  for _, token in ipairs(list) do places = advance(token, places, text) end
  return places[#text + 1] == true
end

local function narrow(list)
  local found = false
  local copy = {}
  for i, token in ipairs(list) do
    local next_token = list[i + 1]
    local inside = token == WIDE and next_token ~= nil and next_token ~= ":"
    copy[i] = inside and NARROW or token
    found = found or inside
  end
  return found and copy
end

-- Most patterns are plain, or end in their only wildcard: no need to take them apart. nil: they are of another kind.
local function simple(pattern, text)
  local at = pattern:find("[*?$]")
  if not at then return pattern == text and M.YES or M.NO end
  if at == #pattern and pattern:byte(at) == 42 then return text:sub(1, at - 1) == pattern:sub(1, -2) and M.YES or M.NO end
end

--- Does the whole text match the pattern with * and ?
---@return integer answer NO or YES; MAYBE when a variable cannot be known
---@return string? why "unresolved" when a variable has no value: the pattern matches nothing
function M.like(pattern, text, resolve)
  local quick = simple(pattern, text)
  if quick then return quick end
  local list, why = tokens(pattern, resolve)
  if not list then return why == "unseen" and M.MAYBE or M.NO, why end
  return loose(list, characters(text)) and M.YES or M.NO
end

-- "If you specify an incomplete ARN (one with fewer than the standard six fields) AWS completes the ARN by adding
-- wildcard characters (*) to all missing fields."
local function complete(pattern)
  if not pattern:find("^arn:") then return pattern end
  local _, colons = pattern:gsub(":", "")
  return pattern .. (":*"):rep(5 - colons)
end

--- Does the resource match? A * inside a segment that ran over a colon is MAYBE: AWS speaks of wildcards "within the
--- individual segments" and promises the wider reach only to a * that ends its segment.
---@return integer answer, string? why
function M.resource(pattern, text, resolve)
  if pattern == "*" then return M.YES end
  pattern = complete(pattern)
  local quick = simple(pattern, text)
  if quick then return quick end
  local list, why = tokens(pattern, resolve)
  if not list then return why == "unseen" and M.MAYBE or M.NO, why end
  local place = characters(text)
  if not loose(list, place) then return M.NO end
  local inside = narrow(list)
  if inside and not strict(inside, place) then return M.MAYBE end
  return M.YES
end

-- The six parts of an ARN; the sixth keeps its colons.
local function parts(arn)
  local list = { arn:match("^([^:]*):([^:]*):([^:]*):([^:]*):([^:]*):(.*)$") }
  return list[1] == "arn" and list or nil
end

-- A variable may hold colons, so the pattern is cut first and filled in after.
local function cut(pattern)
  local shielded = pattern:gsub("%${[^{}]*}", function(inside) return (inside:gsub(":", "\0")) end)
  local list = parts(shielded)
  if not list then return nil end
  for i, part in ipairs(list) do list[i] = part:gsub("%z", ":") end
  return list
end

--- ArnLike: "each of the six colon-delimited components of the ARN is checked separately". A pattern that has not six
--- is MAYBE: AWS does not say.
---@return integer answer, string? why
function M.arn(pattern, text, resolve)
  local whole, have = pattern, parts(text)
  if resolve and pattern:find("^%${[^{}]*}$") then
    local value, why = M.expand(pattern, resolve)
    if not value then return why == "unseen" and M.MAYBE or M.NO, why end
    whole, resolve = value, nil
  end
  local want = cut(whole)
  if not want then return M.MAYBE end
  if not have then return M.NO end
  local answer = M.YES
  for i = 1, 6 do
    local part, why = M.like(want[i], have[i], resolve)
    if why == "unresolved" then return M.NO, why end
    answer = math.min(answer, part)
  end
  return answer
end

return M
