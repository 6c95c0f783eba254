-- run.lua -- runs the sentences of test files: `cmek test tests/run.lua [--only TEXT] [--without TEXT]... FILE...`; the last
-- line is the tally.

local only, without, files = nil, {}, {}
do
  local arguments = { ... }
  local at = 1
  while at <= #arguments do
    if arguments[at] == "--only" then
      only, at = arguments[at + 1], at + 2
    elseif arguments[at] == "--without" then
      without[#without + 1], at = arguments[at + 1], at + 2
    else
      files[#files + 1], at = arguments[at], at + 1
    end
  end
end

local SKIPPED = {}             -- raised by test.skip; carries the reason
local directories = {}         -- made by test.directory, removed at the end

--- A value as text, tables by sorted key, so that two prints of equal values are equal.
local function show(value, depth)
  depth = depth or 0
  if type(value) == "string" then return ("%q"):format(value) end
  if type(value) ~= "table" or depth > 8 then return tostring(value) end
  local keys = {}
  for key in pairs(value) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b)
    if type(a) == type(b) and type(a) ~= "table" and type(a) ~= "boolean" then return a < b end
    return type(a) .. tostring(a) < type(b) .. tostring(b)
  end)
  local parts = {}
  for _, key in ipairs(keys) do
    local name = math.type(key) == "integer" and "" or (type(key) == "string" and key or show(key, depth + 1)) .. " = "
    parts[#parts + 1] = name .. show(value[key], depth + 1)
  end
  return "{ " .. table.concat(parts, ", ") .. " }"
end

local function same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b and math.type(a) == math.type(b) end
  for key, value in pairs(a) do
    if not same(value, b[key]) then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end

local checks = {}              -- what the global `test` offers besides sentences

checks.dump = string.dump      -- which a sandbox takes away from everybody

function checks.equal(got, want)
  if not same(got, want) then error(("got  %s\n      want %s"):format(show(got), show(want)), 2) end
end

function checks.truthy(value, text)
  if not value then error(text or ("got %s, want something true"):format(show(value)), 2) end
end

function checks.matches(text, pattern)
  if not tostring(text):find(pattern) then error(("%s does not match %q"):format(show(text), pattern), 2) end
end

function checks.contains(text, plain)
  if not tostring(text):find(plain, 1, true) then error(("%s does not contain %q"):format(show(text), plain), 2) end
end

--- Calls fn, which must raise something whose text contains `plain`; returns what was raised.
function checks.raises(fn, plain)
  local ok, raised = pcall(fn)
  if ok then error("nothing was raised", 2) end
  if plain and not tostring(raised):find(plain, 1, true) then
    error(("raised %s, which does not contain %q"):format(show(tostring(raised)), plain), 2)
  end
  return raised
end

function checks.skip(reason)
  error(setmetatable({ reason = reason }, SKIPPED), 0)
end

--- A fresh directory of this test run, removed at its end.
function checks.directory()
  local path = os.tmpname()
  os.remove(path)
  assert(require("file").mkdir(path, 448))
  directories[#directories + 1] = path
  return path
end

checks.show = show

local passed, failed, skipped = 0, 0, 0

local function run(file, sentence, fn)
  local ok, raised = xpcall(fn, function(message)
    if getmetatable(message) == SKIPPED then return message end
    return debug.traceback(tostring(message), 2)
  end)
  if ok then
    passed = passed + 1
  elseif getmetatable(raised) == SKIPPED then
    skipped = skipped + 1
    print(("skipped  %s: %s: %s"):format(file, sentence, raised.reason))
  else
    failed = failed + 1
    print(("FAILED   %s: %s\n      %s"):format(file, sentence, raised))
  end
end

local function wanted(sentence)
  for _, text in ipairs(without) do
    if sentence:find(text, 1, true) then return false end
  end
  return not only or sentence:find(only, 1, true)
end

for _, file in ipairs(files) do
  local sentences = {}
  test = setmetatable({}, {   -- luacheck: globals test
    __index = checks,
    __newindex = function(_, sentence, fn) sentences[#sentences + 1] = { sentence, fn } end,
  })
  local chunk, message = loadfile(file)
  local ok, raised = false, nil
  if chunk then ok, raised = xpcall(chunk, debug.traceback) end
  if not ok then
    failed = failed + 1
    print(("FAILED   %s: does not load\n      %s"):format(file, raised or message))
  end
  for _, sentence in ipairs(sentences) do
    if wanted(sentence[1]) then run(file, sentence[1], sentence[2]) end
  end
end

for _, path in ipairs(directories) do os.execute(("rm -rf '%s'"):format(path)) end
local tail = skipped > 0 and (", %d skipped"):format(skipped) or ""
print(("%d passed, %d failed%s"):format(passed, failed, tail))
return failed > 0 and 1 or 0
