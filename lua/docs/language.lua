--- What `help` says of Lua's own functions that recipes, scripts and the prompt have: all are as Lua 5.4's manual has them, apart from what
--- is said here. What is missing is told why.
local sorted = require "sorted"

local M = {}

local MANUAL <const> = "https://www.lua.org/manual/5.4/manual.html#"

--- What all of it is, in a line.
M.ABOUT = "Lua's own functions, as far as they are at hand"

--- Name, how it is called, what it does, and what it gives. script: scripts and the prompt have it, recipes have not.
local FUNCTIONS <const> = {
  assert = { "assert(value, message?)", "Raises the message where the value is nil or false; a recipe's is a text.",
    "the value and what stands behind it", example = 'assert(arg.team, "no team is named")' },
  error = { "error(message, level?)", "Raises a message, with the place of the call; level 0 leaves the place out. A recipe raises texts alone.",
    "nothing", example = 'error("the topic is of another team")' },
  ipairs = { "ipairs(list)", "For a list's members in order: `for i, member in ipairs(list)`.", "an iterator",
    example = "for i, region in ipairs(cluster.regions) do say(i .. \" \" .. region.name) end" },
  next = { "next(t, key?)", "The member behind a key. The order of keys differs from run to run.", "a key and its value; nil at the end",
    script = true, example = "if next(t) == nil then print \"empty\" end" },
  pairs = { "pairs(t)", "The same as sorted: a table's members by key, in the same order in every process.", "an iterator",
    example = "for name, value in pairs(t) do say(name .. \" is \" .. tostring(value)) end" },
  pcall = { "pcall(fn, ...)", "Calls a function and catches what it raises. What ends the task is not caught: ^C, a deadline that has "
    .. "passed, the failure of a task beside it.", "true and what it gives; false and what it raised", script = true,
    example = 'local ok, refused = pcall(kms.describe_key, { region = "us-east-1", KeyId = "alias/orders" })' },
  print = { "print(...)", "Writes values to stdout, with tabs between them; at a terminal nothing in them steers it.", "nothing", script = true,
    example = "print(cluster.name, #cluster.regions)" },
  rawequal = { "rawequal(one, other)", "Whether two values are the same, whatever their metatables say.", "a boolean",
    example = "rawequal(one, other)" },
  rawlen = { "rawlen(value)", "The length of a list or text, whatever its metatable says.", "an integer",
    example = "rawlen(list)" },
  select = { "select(n, ...)", "The arguments from the nth on; their number with \"#\".", "values, or an integer", example = 'select("#", ...)' },
  setmetatable = { "setmetatable(t, metatable)", "Gives a table a metatable, which is copied; __gc, __close, __mode and __metatable are refused.",
    "the table", example = "setmetatable({}, { __index = defaults })" },
  tonumber = { "tonumber(value, base?)", "The number that a text spells.", "a number; nil where it spells none", example = 'tonumber("365")' },
  tostring = { "tostring(value)", "A value as text; a secret is ****.", "a text", example = "tostring(arg.rotation)" },
  type = { "type(value)", "What kind of value it is.", 'a text: "nil", "boolean", "number", "string", "table", "function", "userdata"',
    example = 'type(role.arn) == "string"' },
}

--- The libraries, and what is different here.
local LIBRARIES <const> = {
  math = { "mathematics", math, { random = true, randomseed = true } }, string = { "texts", string, {} }, table = { "lists", table, {} },
  utf8 = { "texts in UTF-8", utf8, {} },
}

local WITHOUT <const> = { math = "without random and randomseed, whose values differ from run to run", string = "without dump" }

local function whole(name, called, text, returns, example)
  return { name = name, signature = called, text = text, params = {}, returns = returns, example = example,
    reference = "Lua 5.4, " .. MANUAL .. "pdf-" .. name }
end

--- What is said of a function of Lua's: "pairs", "string.format".
---@param name string
---@return docs.Entry?
function M.of(name)
  local entry = FUNCTIONS[name]
  if entry then
    return whole(name, entry[1], entry[2] .. (entry.script and " Scripts and the prompt have it, recipes have not." or ""), entry[3], entry.example)
  end
  local library, member = name:match "^(%l[%l%d]*)%.([%l%d]+)$"
  local known = LIBRARIES[library]
  if known and known[2][member] ~= nil and not known[3][member] then
    return whole(name, name, ("Lua's own, of its library for %s."):format(known[1]), nil, nil)
  end
end

--- The functions that stand by themselves, sorted.
---@return string[]
function M.names()
  local list = {}
  for name in sorted(FUNCTIONS) do list[#list + 1] = name end
  return list
end

--- The functions of the libraries, sorted: "math.abs" …
---@return string[]
function M.members()
  local list = {}
  for library, known in sorted(LIBRARIES) do
    for member in sorted(known[2]) do
      if not known[3][member] then list[#list + 1] = library .. "." .. member end
    end
  end
  return list
end

--- The functions of a library of Lua's, or of "lua" what is in none, each in a line; nil when there is no such library.
---@param name string
---@return string[][]?
function M.list(name)
  local rows = {}
  if name == "lua" then
    for fn, entry in sorted(FUNCTIONS) do rows[#rows + 1] = { fn, entry[2]:match "^(.-)[.:;]%f[%s\0]" } end
    for library, known in sorted(LIBRARIES) do
      rows[#rows + 1] = { library, ("%s, as in Lua 5.4%s"):format(known[1], WITHOUT[library] and ", " .. WITHOUT[library] or "") }
    end
    return rows
  end
  local known = LIBRARIES[name]
  for member in sorted(known and known[2] or {}) do
    if not known[3][member] then rows[#rows + 1] = { name .. "." .. member, MANUAL .. "pdf-" .. name .. "." .. member } end
  end
  return known and rows or nil
end

return M
