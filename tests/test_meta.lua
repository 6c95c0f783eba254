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
