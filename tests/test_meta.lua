-- What lua/meta/ tells editors of the C functions is what host/*.c registers: the names of both are read from the sources.

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

--- The names in the luaL_Reg tables of a C source that Lua code calls; metamethods are Lua's own.
local function registered(source)
  local names = {}
  for body in source:gmatch "luaL_Reg [%w_]+%[%] = (%b{})" do
    for name, fn in body:gmatch '{"([%w_]+)",%s*([%w_]+)}' do
      if not name:find "^__" and not fn:find "^luaopen" then names[name] = true end
    end
  end
  return names
end

--- The names that a meta file defines as functions, each with how often.
local function described(text)
  local names = {}
  for name in text:gmatch "\nfunction [%w_]+[.:]([%w_]+)%(" do names[name] = true end
  return names
end

-- The meta file says in its second line which source it is of.
local function metas()
  local by_source = {}
  for _, name in ipairs(assert(require("file").list "lua/meta")) do
    local text = read("lua/meta/" .. name)
    local source = text:match "^%-%-%-@meta [%w_]+\n%-%- (host/[%w_]+%.c):"
    test.truthy(source, ("lua/meta/%s does not say of which source it is"):format(name))
    by_source[source] = { name = name, text = text, names = described(text) }
  end
  return by_source
end

test["every C function that Lua calls stands in a meta file, and every function there is one"] = function()
  local by_source, modules = metas(), 0
  for _, file in ipairs(assert(require("file").list "host")) do
    local path = "host/" .. file
    local names = file:find "%.c$" and registered(read(path)) or {}
    local meta = by_source[path] or { names = {} }
    for name in pairs(names) do test.truthy(meta.names[name], ("%s registers '%s', and no meta file describes it"):format(path, name)) end
    for name in pairs(meta.names) do
      test.truthy(names[name], ("lua/meta/%s describes '%s', and %s does not register it"):format(meta.name, name, path))
    end
    if next(names) then modules = modules + 1 end
  end
  test.truthy(modules >= 19, ("only %d modules were found"):format(modules))
end

test["a name that stands on one side alone is found"] = function()
  local names = registered 'static const luaL_Reg functions[] = {\n  {"one", m_one},   /* m.one() */\n  {"__gc", m_gc},\n  {NULL, NULL}\n};\n'
  test.equal({ names, described "\nfunction m.two(a) end\nfunction m:three() end\n" }, { { one = true }, { two = true, three = true } })
end

test["what meta files define has a text, and names each argument once"] = function()
  for _, meta in pairs(metas()) do
    for name, entry in pairs(require("docs.comments").of(meta.text)) do
      if entry.arguments then
        test.truthy(entry.text ~= "", ("lua/meta/%s: %s has no text"):format(meta.name, name))
        local params = {}
        for i, parameter in ipairs(entry.params) do params[i] = parameter.name end
        test.equal(params, entry.arguments)
      end
    end
  end
end

-- ---- arguments ----

--- What a source says of the arguments of its functions, in the comments of its tables: by name, each with its names in order; those of a
--- table that is the one argument stand in braces, and have none.
local function commented(source)
  local found = {}
  for body in source:gmatch "luaL_Reg [%w_]+%[%] = (%b{})" do
    for name, comment in body:gmatch '{"([%w_]+)",%s*[%w_]+},?%s*/%*(.-)%*/' do
      local list = comment:match("[%w_]+[.:]" .. name .. "(%b())")
      if list then
        found[name] = {}
        for part in list:gsub("%b{}", "table"):gsub("[][()?]", ""):gmatch "[^,]+" do table.insert(found[name], part:match "^%s*(.-)%s*$") end
      end
    end
  end
  return found
end

test["a function has as many arguments in its meta file as in its source"] = function()
  local count = 0
  for source, meta in pairs(metas()) do
    local entries = require("docs.comments").of(meta.text)
    for name, arguments in pairs(commented(read(source))) do
      count = count + 1
      test.equal({ source, name, #(entries[name].arguments or {}) }, { source, name, #arguments })
    end
  end
  test.truthy(count > 60, ("only %d functions were looked at"):format(count))
end

local directory = test.directory()
local GOOD <const> = { string = directory .. "/none", integer = 1, number = 1, table = {}, boolean = true, ["function"] = function() end,
  thread = coroutine.create(function() end), ["crypto.Key"] = require("crypto").rsa_generate(2048),
  ["secret.Secret"] = require("secret").new("x", "vault") }
local KEYS <const> = { string = ("k"):rep(32) }
local BAD <const> = { string = {}, integer = "x", number = "x", table = 7, ["function"] = 7, thread = 7, ["crypto.Key"] = "x", ["secret.Secret"] = 7 }

-- The kind of a parameter's type that can be tried; nil where anything, or one of several, will do.
local function kind_of(kind)
  if kind:find "%[%]$" or kind:find "^{" or kind:find "^table" then return "table" end
  if kind:find "^fun%(" then return "function" end
  return BAD[kind] and kind or nil
end

-- What a function says to an argument of another kind, or to one that is left out, while all others are right.
local function refusal(fn, entry, place, value)
  local values = {}
  for i, parameter in ipairs(entry.params) do values[i] = parameter.name == "key" and KEYS[parameter.type] or GOOD[kind_of(parameter.type)] end
  values[place] = value
  local ok, message = pcall(fn, table.unpack(values, 1, #entry.params))
  return not ok and tostring(message) or "nothing"
end

test["an argument of another type than the meta file says is refused by its number, and so is one that is left out and may not be"] = function()
  local count = 0
  for _, meta in pairs(metas()) do
    local name = meta.text:match "^%-%-%-@meta ([%w_]+)"
    local ok, module = pcall(require, name)
    local entries = require("docs.comments").of(meta.text)
    for member in meta.text:gmatch("\nfunction " .. name .. "%.([%w_]+)") do
      local fn, entry = ok and type(module) == "table" and module[member], entries[member]   -- door.http and such are made by a door
      for place, parameter in ipairs(type(fn) == "function" and entry.params or {}) do
        local kind, label = kind_of(parameter.type), ("%s.%s: %s"):format(name, member, parameter.name)
        if kind and kind ~= "boolean" then
          count = count + 1
          test.contains(label .. " " .. refusal(fn, entry, place, BAD[kind]), "#" .. place)
          if not parameter.optional then test.contains(label .. " left out: " .. refusal(fn, entry, place, nil), "#" .. place) end
        end
      end
    end
  end
  test.truthy(count > 60, ("only %d arguments were tried"):format(count))
end
