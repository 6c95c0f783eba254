-- embed.lua -- writes the C file that carries the library: `lua5.4 host/embed.lua RELEASE PATH[=FILE]... > scripts.c`.
-- Each file is carried as its source, which is what is shown, searched and explained, and as what this interpreter compiles it to, which
-- is what runs: reading the sources would take half of the time until the prompt is there. RELEASE is this interpreter's own, as
-- `lua5.4 -v` tells it; where the program is built with another one, it runs the sources.

--- A text as C string literals; the compiler reads them several times faster than a list of numbers.
local function literal(text)
  local lines = {}
  for from = 1, #text, 100 do
    lines[#lines + 1] = '"' .. text:sub(from, from + 99):gsub('[^%w ()=,._]', function(c) return ("\\%03o"):format(c:byte()) end) .. '"'
  end
  return table.concat(lines, "\n")
end

local release = assert(arg[1]:match "^Lua 5%.4%.(%d+)", "lua5.4 -v: not a release of Lua 5.4")
local paths, files = {}, {}
for i = 2, #arg do
  local path, file = arg[i]:match "^([^=]+)=(.+)$"
  path = path or arg[i]
  paths[#paths + 1], files[path] = path, file or path
end
table.sort(paths)

print(([[
#include "embedded.h"
#if LUA_VERSION_RELEASE_NUM == LUA_VERSION_NUM * 100 + %d
#define CODE(name) name, sizeof name - 1
#else
#define CODE(name) NULL, 0
#endif]]):format(release))
local entries = {}
for number, path in ipairs(paths) do
  local file <close> = assert(io.open(files[path], "rb"))
  local text = file:read "a"
  local code = string.dump(assert(load(text, "@" .. path, "t")))
  print(("static const char text%d[] =\n%s;\nstatic const char code%d[] =\n%s;"):format(number, literal(text), number, literal(code)))
  entries[number] = ('  {"%s", text%d, %d, CODE(code%d)},'):format(path, number, #text, number)
end
print(("const struct script scripts[] = {\n%s\n};\nconst size_t scripts_count = %d;"):format(table.concat(entries, "\n"), #entries))
